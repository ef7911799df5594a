/* structured.h - a structured operator's kernel on the device against the same
 * operator on the CPU: equal operands, two results. */
#ifndef WENGERT_TESTS_CUDA_STRUCTURED_H
#define WENGERT_TESTS_CUDA_STRUCTURED_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/op_attr.h"
#include "cuda/cuda_impl.h"
#include "cuda/cuda_test.h"
#include "ops/ops_impl.h"

enum { MOST_OPERANDS = 40 };

/* ---- Tests: a name each; the first few of what goes wrong are told ---- */

static int wrong;
#define EXPECT(fine, ...)                                  \
    do {                                                   \
        if (!(fine) && wrong++ < 3) tap_note(__VA_ARGS__); \
    } while (0)

struct test {
    const char *name;
    void (*run)(void);
};
static inline void run_tests(const char *suite, int n, const struct test *t)
{
    for (int i = 0; i < n; i++) {
        wrong = 0;
        t[i].run();
        int complaints = tell_complaints();
        tap(!wrong && !complaints, "%s: %s", suite, t[i].name);
    }
}

/* ---- Operands ---- */

static inline uint64_t next_bits(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* Host memory of a tensor; release with free. */
static inline wg_tensor tensor_of(wg_dtype t, wg_shape s)
{
    int64_t n = wg_count(&s);
    return (wg_tensor){calloc(n ? (size_t)n : 1, wg_dtype_size(t)), t, s};
}
/* Reals in [lo, hi), integers in lo..hi-1. */
static inline wg_tensor random_tensor(wg_dtype t, wg_shape s, double lo, double hi, uint64_t *seed)
{
    wg_tensor x = tensor_of(t, s);
    for (int64_t i = 0; i < wg_count(&s); i++) {
        double v = lo + (hi - lo) * (double)(next_bits(seed) >> 11) * 0x1p-53;
        wg__store(t, x.data, i, t == WG_F32 || t == WG_F64 ? v : floor(v));
    }
    return x;
}

/* What one operator gave on both. */
struct outcome {
    int                   status; /* on the CPU */
    struct wg__cuda_fault fault;
    wg_tensor             cpu, cuda;
};
static inline void outcome_free(struct outcome *o)
{
    free(o->cpu.data);
    free(o->cuda.data);
}

static inline void must(cudaError_t e) { EXPECT(e == cudaSuccess, "%s", cudaGetErrorString(e)); }

/* A copy on the device; `shift` elements into its allocation, and up to its very end. */
static inline void *to_device(const wg_tensor *x, int shift, void **base)
{
    size_t size = wg_dtype_size(x->dtype), bytes = (size_t)wg_count(&x->shape) * size, at = (size_t)shift * size;
    must(cudaMalloc(base, bytes + at ? bytes + at : 1));
    must(cudaMemcpy((char *)*base + at, x->data, bytes, cudaMemcpyHostToDevice));
    return (char *)*base + at;
}

struct run_how {
    int      shift, sms; /* 0: aligned; 0: 4 */
    uint64_t seed, run;
};

static inline void run_cuda(const wg_op *op, const wg_call *call, struct run_how how, struct outcome *o)
{
    const struct wg__cuda_op *k = launch_of(op->name);
    wg_tensor                 x[MOST_OPERANDS];
    wg_call                   c = *call;
    wg_tensor                 out = o->cuda;
    void                     *base[MOST_OPERANDS], *y, *fault, *run, *scratch = NULL;
    for (int i = 0; i < c.n; i++) {
        x[i] = c.x[i];
        x[i].data = to_device(&c.x[i], how.shift, &base[i]);
    }
    c.x = x;
    memset(o->cuda.data, 0xa5, (size_t)wg_count(&o->cuda.shape) * wg_dtype_size(o->cuda.dtype));
    c.y = &out;
    out.data = to_device(&o->cuda, how.shift, &y);
    c.scratch = NULL;
    c.run = 12345; /* never read: the device's number is */
    size_t room = k->scratch ? k->scratch(&c) : 0;
    if (room) must(cudaMalloc(&scratch, room));
    must(cudaMalloc(&fault, sizeof o->fault));
    must(cudaMemset(fault, 0, sizeof o->fault));
    must(cudaMalloc(&run, sizeof how.run));
    must(cudaMemcpy(run, &how.run, sizeof how.run, cudaMemcpyHostToDevice));
    struct wg__cuda_launch l = {&c, NULL, scratch, fault, run, 7, how.sms ? how.sms : 4};
    must(k->launch(&l));
    must(cudaDeviceSynchronize());
    cudaMemcpy(&o->fault, fault, sizeof o->fault, cudaMemcpyDeviceToHost);
    cudaMemcpy(o->cuda.data, out.data, (size_t)wg_count(&out.shape) * wg_dtype_size(out.dtype), cudaMemcpyDeviceToHost);
    for (int i = 0; i < c.n; i++) cudaFree(base[i]);
    cudaFree(y);
    cudaFree(fault);
    cudaFree(run);
    cudaFree(scratch);
}

/* Runs op on the CPU and on the device. */
static inline struct outcome run_both(const wg_op *op, int n, const wg_tensor *x, const void *attr, struct run_how how)
{
    wg_graph *g = wg_graph_new();
    wg_shape  shape[MOST_OPERANDS], y = {0};
    wg_dtype  dtype[MOST_OPERANDS];
    for (int i = 0; i < n; i++) shape[i] = x[i].shape, dtype[i] = x[i].dtype;
    wg_dtype ydtype = n ? dtype[0] : WG_F32;
    wg_infer f = {.g = g, .n = n, .m = 1, .x = shape, .dtype = dtype, .attr = attr, .y = &y, .ydtype = &ydtype};
    int      status = op->infer(&f);
    EXPECT(status == WG_OK, "%s: %s", op->name, f.why);
    struct outcome o = {.cpu = tensor_of(ydtype, y), .cuda = tensor_of(ydtype, y)};
    wg_call c = {.n = n, .m = 1, .x = x, .y = &o.cpu, .attr = attr, .seed = how.seed, .run = how.run, .threads = 1};
    size_t  room = op->scratch ? op->scratch(&c) : 0;
    c.scratch = room ? calloc(1, room) : NULL;
    o.status = op->cpu(&c);
    free(c.scratch);
    run_cuda(op, &c, how, &o);
    wg_graph_free(g);
    return o;
}

/* "sum f32[2,3]" for messages. */
static inline const char *case_name(const wg_op *op, const wg_tensor *x, char *buf, size_t n)
{
    size_t k = (size_t)snprintf(buf, n, "%s %s[", op->name, wg_dtype_name(x->dtype));
    for (int i = 0; i < x->shape.rank && k < n; i++)
        k += (size_t)snprintf(buf + k, n - k, "%s%lld", i ? "," : "", (long long)x->shape.dim[i]);
    if (k < n) snprintf(buf + k, n - k, "]");
    return buf;
}

/* |cuda - cpu| <= relative |cpu| + absolute, NaN only where NaN. */
static inline void expect_near(const char *what, const struct outcome *o, double relative, double absolute)
{
    for (int64_t i = 0; i < wg_count(&o->cpu.shape); i++) {
        double p = wg__load(o->cpu.dtype, o->cpu.data, i), q = wg__load(o->cuda.dtype, o->cuda.data, i);
        bool   same = p == q || (p != p && q != q) || fabs(p - q) <= relative * fabs(p) + absolute;
        EXPECT(same, "%s: element %lld is %.17g, on the CPU %.17g", what, (long long)i, q, p);
    }
}
static inline void expect_bits(const char *what, const struct outcome *o)
{
    size_t size = wg_dtype_size(o->cpu.dtype);
    for (int64_t i = 0; i < wg_count(&o->cpu.shape); i++)
        EXPECT(memcmp((char *)o->cpu.data + i * (int64_t)size, (char *)o->cuda.data + i * (int64_t)size, size) == 0,
               "%s: element %lld is %.17g, on the CPU %.17g", what, (long long)i,
               wg__load(o->cuda.dtype, o->cuda.data, i), wg__load(o->cpu.dtype, o->cpu.data, i));
}
static inline double unit_roundoff(wg_dtype t) { return t == WG_F32 ? 0x1p-23 : t == WG_F64 ? 0x1p-52 : 0; }

#endif
