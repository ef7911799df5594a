#include "node.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "shim.h"
#include "tape/tape_impl.h"

/* splitmix64 */
double draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

double draw_of(wg_dtype t, enum wg_domain d, uint64_t *state)
{
    double u = draw(state), sign = draw(state) < 0.5 ? -1 : 1;
    if (t == WG_BOOL) return u < 0.5;
    if (t == WG_U8) return floor(7 * u) + (d != WG_DOMAIN_ANY);
    if (t == WG_I32 || t == WG_I64) {
        if (d == WG_DOMAIN_POSITIVE) return 1 + floor(6 * u);
        return d == WG_DOMAIN_NONZERO ? sign * (1 + floor(6 * u)) : floor(11 * u) - 5;
    }
    if (d == WG_DOMAIN_POSITIVE) return 0.5 + 1.5 * u;
    return d == WG_DOMAIN_NONZERO ? sign * (0.5 + 1.5 * u) : 4 * u - 2;
}

wg_node *random_const(wg_graph *g, wg_dtype t, wg_shape s, enum wg_domain d, uint64_t *state)
{
    int64_t n = wg_count(&s);
    char   *data = malloc((size_t)n * 8 + 1);
    for (int64_t i = 0; i < n; i++) wg__store(t, data, i, draw_of(t, d, state));
    wg_node *x = wg_const(g, t, s, data);
    free(data);
    return x;
}

static size_t bytes_of(const wg_tensor *x) { return wg__bytes(x->dtype, &x->shape); }

size_t result_room(const wg_tensor *y) { return (bytes_of(y) + 7) / 8 * 8; }

int cpu_node(const wg_op *op, wg_call *c)
{
    size_t scratch = op->scratch ? op->scratch(c) : 0;
    c->scratch = scratch ? wg__data_alloc(scratch) : NULL;
    int status = op->cpu ? op->cpu(c) : wg__loop_call(op, c);
    wg__data_free(c->scratch);
    c->scratch = NULL;
    return status;
}

/* Device memory with room for the tensor at the offset; its bytes are those of data, unless that is NULL. */
static char *device_copy(const wg_tensor *x, const void *data, size_t offset, char **base)
{
    size_t bytes = bytes_of(x), skip = offset * wg_dtype_size(x->dtype);
    *base = NULL;
    if (cudaMalloc((void **)base, bytes + skip) || !*base) return NULL;
    if (data && bytes) cudaMemcpy(*base + skip, data, bytes, cudaMemcpyHostToDevice);
    return *base + skip;
}

static bool changed(const wg_tensor *x, const char *at, const void *data)
{
    size_t bytes = bytes_of(x);
    char  *back = malloc(bytes + 1);
    if (bytes) cudaMemcpy(back, at, bytes, cudaMemcpyDeviceToHost);
    bool differ = bytes && memcmp(back, data, bytes) != 0;
    free(back);
    return differ;
}

struct outcome launch_node(const struct wg__cuda_op *op, const wg_call *c, struct way how, void *y)
{
    enum { MOST = 8 };
    char                  *base[2 * MOST] = {0}, *run = NULL, *scratch = NULL, *to = y;
    wg_tensor              x[MOST], out[MOST];
    wg_call                d = *c;
    struct wg__cuda_fault *fault = NULL;
    struct outcome         o = {cudaSuccess, {0, 0, 0, 0}, false};
    cudaStream_t           stream;
    wg_shim_order(how.order);
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    for (int i = 0; i < c->n; i++) {
        x[i] = c->x[i];
        x[i].data = device_copy(&c->x[i], c->x[i].data, how.offset, &base[i]);
    }
    d.x = x;
    for (int k = 0; k < c->m; k++) {
        out[k] = c->y[k];
        out[k].data = how.in_place ? x[0].data : device_copy(&c->y[k], NULL, how.offset, &base[MOST + k]);
    }
    d.y = out;
    cudaMalloc((void **)&run, sizeof c->run);
    cudaMemcpy(run, &c->run, sizeof c->run, cudaMemcpyHostToDevice);
    cudaMalloc((void **)&fault, sizeof *fault);
    cudaMemset(fault, 0, sizeof *fault);
    size_t need = op->scratch ? op->scratch(&d) : 0;
    if (need) cudaMalloc((void **)&scratch, need);
    cudaDeviceSynchronize();
    d.run = ~c->run; /* a launch reads it from the device */
    struct wg__cuda_launch l = {.call = &d,
                                .stream = stream,
                                .scratch = scratch,
                                .fault = fault,
                                .run = (const uint64_t *)run,
                                .instr = 7,
                                .sms = 4};
    o.error = op->launch(&l);
    if (!o.error) o.error = cudaStreamSynchronize(stream);
    if (!o.error) {
        cudaMemcpy(&o.fault, fault, sizeof o.fault, cudaMemcpyDeviceToHost);
        for (int k = 0; k < c->m; to += result_room(&c->y[k++]))
            if (bytes_of(&c->y[k])) cudaMemcpy(to, out[k].data, bytes_of(&c->y[k]), cudaMemcpyDeviceToHost);
        for (int i = how.in_place; i < c->n; i++) o.inputs_changed |= changed(&c->x[i], x[i].data, c->x[i].data);
    }
    for (int i = 0; i < 2 * MOST; i++) cudaFree(base[i]);
    cudaFree(run);
    cudaFree(fault);
    cudaFree(scratch);
    cudaStreamDestroy(stream);
    wg_shim_order(0);
    return o;
}

/* ---- How near is near ---- */

/* Those whose every real result is the CPU's bit for bit. */
static const char *const exact[] = {"reshape", "expand",       "transpose", "slice",   "pad",     "concat", "gather",
                                    "where",   "max",          "min",       "maximum", "minimum", "neg",    "abs",
                                    "add",     "sub",          "mul",       "div",     "sqrt",    "relu",   "cast",
                                    "uniform", "dropout_mask", "square",    NULL};
/* Sums, whose order may differ. */
static const char *const sums[] = {"moments",     "sum",           "prod",        "logsumexp", "softmax",
                                   "log_softmax", "cross_entropy", "scatter_add", "matmul",    NULL};

/* Those that add to what was rounded: near zero the error is of what was added. */
static const char *const shifted[] = {"gelu", "gelu_tanh", "gelu_tanh_slope", "normal", NULL};

static bool in(const char *const list[], const char *name)
{
    while (*list && strcmp(*list, name) != 0) list++;
    return *list != NULL;
}

static double largest(const wg_tensor *x)
{
    double m = 0;
    for (int64_t i = 0; i < wg_count(&x->shape); i++) m = fmax(m, fabs(wg__load(x->dtype, x->data, i)));
    return m;
}

/* What a result may be off: relative to it, and absolute where terms cancel. */
static void tolerance(const wg_op *op, const wg_call *c, double *relative, double *absolute)
{
    bool f64 = c->y->dtype == WG_F64;
    *relative = *absolute = 0;
    if (in(exact, op->name)) return;
    *relative = 4 * (f64 ? 0x1p-52 : 0x1p-23);
    if (in(shifted, op->name)) *absolute = *relative;
    if (!in(sums, op->name)) return;
    double terms = c->n ? (double)wg_count(&c->x[0].shape) / fmax(1, (double)wg_count(&c->y->shape)) : 1;
    *relative = f64 ? 1e-13 : 1e-6;
    *absolute = strcmp(op->name, "prod") == 0 ? 0 : *relative * largest(&c->x[0]) * sqrt(fmax(terms, 1));
    if (strcmp(op->name, "prod") == 0) *relative *= sqrt(fmax(terms, 1));
}

const char *differs(const wg_op *op, const wg_call *c, const void *want, const void *got)
{
    static char text[200];
    double      relative, absolute;
    tolerance(op, c, &relative, &absolute);
    bool real = c->y->dtype == WG_F32 || c->y->dtype == WG_F64;
    if (!real) relative = absolute = 0;
    for (int64_t i = 0; i < wg_count(&c->y->shape); i++) {
        double a = wg__load(c->y->dtype, want, i), b = wg__load(c->y->dtype, got, i);
        if ((a != a && b != b) || (a == b && signbit(a) == signbit(b))) continue;
        if (a == b && relative > 0) continue;
        if (fabs(a - b) <= relative * fabs(a) + absolute) continue;
        snprintf(text, sizeof text, "element %lld is %.17g, not %.17g", (long long)i, b, a);
        return text;
    }
    return NULL;
}
