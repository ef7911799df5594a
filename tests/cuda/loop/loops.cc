/* Elementwise steps and loops on CUDA, run by the shim of tests/cuda_host.
 *
 *   - every row of src/ops alone, every dtype, against the CPU's
 *   - random loops: the interpreter and the generated source against
 *     wg__loop_run, bit by bit where all steps are exact, and against each
 *     other bit by bit always
 *   - every kind of tail alone, over shapes of one chunk and of several
 *   - several loops as one launch, by the interpreter and by the generated source
 *   - results do not depend on the number of blocks
 *   - NVRTC takes every generated source, where there is an NVRTC
 *
 * The sources are compiled by $CXX with the shim into $BUILD.  Prints TAP.
 * LOOPS: how many random loops; SEED: which. */
#include <cuda_runtime.h>
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <vector>

#include "cuda/loop/cuda_loop.h"
#include "shim.h"
extern "C" {
#include "cpu/cpu.h"
}

typedef std::vector<unsigned char> bytes;

#include "loops_common.h"

/* ---- Rows ---- */

struct row {
    const char *name, *text;
    int         arity;
    unsigned    dtypes;
    bool        parameter, test;
};
static const row rows[] = {
#define U(name, f, dx, dtypes, ...) {#name, #f, 1, dtypes, false, false},
#define UA(name, f, dx, dtypes, ...) {#name, #f, 1, dtypes, true, false},
#include "ops/unary.def"
#undef U
#undef UA
#define B(name, f, dx, dy, dtypes, ...) {#name, #f, 2, dtypes, false, false},
#define C(name, f, ...) {#name, #f, 2, WG_DTYPE_ALL, false, true},
#define L(name, f, ...) {#name, #f, 2, WG_DTYPE_BIT(WG_BOOL), false, true},
#include "ops/binary.def"
#undef B
#undef C
#undef L
    {"not", "!x", 1, WG_DTYPE_BIT(WG_BOOL), false, true},
    {"where", "c ? x : y", 3, WG_DTYPE_ALL, false, false},
    {"expand", "x", 1, WG_DTYPE_ALL, false, false},
    {"cast", "x", 1, WG_DTYPE_ALL, false, false},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

/* Whether CUDA and the CPU must agree to the bit. */
static bool exact(const row &r)
{
    for (const char *m = strstr(r.text, "M("); m; m = strstr(m + 1, "M("))
        if (strncmp(m, "M(sqrt)", 7) && strncmp(m, "M(floor)", 8) && strncmp(m, "M(ceil)", 7) &&
            strncmp(m, "M(rint)", 7))
            return false;
    return true;
}

static const wg_op *op_of(const char *name)
{
    for (const wg_op *const *o = wg_ops; *o; o++)
        if (!strcmp((*o)->name, name)) return *o;
    return NULL;
}

static size_t size_of(const wg_shape &s, int dtype) { return (size_t)wg_count(&s) * wg_dtype_size((wg_dtype)dtype); }

/* One operator over operands of these shapes, on CUDA and on the CPU. */
static bool row_alone(const wg_op *op, int n, const wg_shape *shape, const int *dtype, const wg_shape &y, int ydtype,
                      const void *attr, bool is_exact)
{
    wg__loop        l = {};
    wg__loop_room   room = {};
    wg__step        step = {};
    const wg_shape *shapes[3] = {};
    wg__cuda_loop   gpu;
    wg__cuda_launch at = {};
    bytes           data[3], want(size_of(y, ydtype)), have(want.size());
    wg__loop_use(&l, &room);
    step.op = op;
    step.attr = attr;
    step.n = step.y = (uint8_t)n;
    step.to = (uint8_t)ydtype;
    for (int i = 0; i < n; i++) {
        shapes[i] = &shape[i];
        data[i].resize(size_of(shape[i], dtype[i]));
        fill(data[i], dtype[i], false);
        l.in[i].data = data[i].data();
        l.in[i].dtype = (wg_dtype)dtype[i];
        step.x[i] = (uint8_t)i;
        step.from[i] = (uint8_t)dtype[i];
    }
    l.inputs = n;
    l.outputs = l.steps = 1;
    l.out[0].data = want.data();
    l.out[0].dtype = (wg_dtype)ydtype;
    l.step[0] = step;
    l.tail = -1;
    l.cost = 1;
    wg__loop_domain(&l, &y, shapes, false);
    wg__cuda_translate(&l, &gpu);
    if (wg__loop_prepare(&l)) return false;
    wg__loop_run(&l, 1);
    for (int i = 0; i < n; i++) gpu.in[i].data = to_device(data[i]);
    gpu.out[0].data = to_device(have);
    at.sms = 2;
    bool good = wg__cuda_loop_run(&gpu, &at) == cudaSuccess && cudaDeviceSynchronize() == cudaSuccess;
    from_device(have, gpu.out[0].data);
    for (int i = 0; i < n; i++) cudaFree(gpu.in[i].data);
    double eps = ydtype == WG_F32 ? 0x1p-23 : 0x1p-52;
    return good && near(have, want, ydtype, is_exact ? 0 : 8, strncmp(op->name, "gelu", 4) ? 0 : 16 * eps);
}

static wg_shape shape_of(int rank, int64_t a, int64_t b, int64_t c)
{
    int64_t dim[3] = {a, b, c};
    return wg_shape_make(rank, dim);
}

static bool row_of_dtype(const row &r, int dtype, int to)
{
    static const double a = 0.3;
    const wg_op        *op = op_of(r.name);
    wg_dtype            target = (wg_dtype)to;
    bool                cast = !strcmp(r.name, "cast"), good = true;
    const void         *attr = cast ? (const void *)&target : r.parameter ? &a : NULL;
    int      dtypes[3] = {r.arity == 3 ? WG_BOOL : dtype, dtype, dtype}, ydtype = cast ? to : r.test ? WG_BOOL : dtype;
    wg_shape full = shape_of(3, 3, 37, 8), odd = shape_of(2, 41, 7, 0), none = shape_of(2, 0, 4, 0);
    wg_shape dense[3] = {full, full, full}, one[3] = {odd, shape_of(0, 0, 0, 0), shape_of(2, 41, 1, 0)};
    wg_shape rows_[3] = {full, shape_of(1, 8, 0, 0), shape_of(3, 3, 1, 8)}, empty[3] = {none, none, none};
    good = row_alone(op, r.arity, dense, dtypes, full, ydtype, attr, exact(r)) && good;
    good = row_alone(op, r.arity, one, dtypes, odd, ydtype, attr, exact(r)) && good;
    good = row_alone(op, r.arity, rows_, dtypes, full, ydtype, attr, exact(r)) && good;
    good = row_alone(op, r.arity, empty, dtypes, none, ydtype, attr, exact(r)) && good;
    if (!good) printf("# %s of %s\n", r.name, wg_dtype_name((wg_dtype)dtype));
    return good;
}

static void every_row()
{
    for (const row &r : rows) {
        bool good = true;
        for (int t = 0; t < WG_DTYPES; t++) {
            if (!(r.dtypes & WG_DTYPE_BIT(t))) continue;
            for (int to = 0; to < (strcmp(r.name, "cast") ? 1 : WG_DTYPES); to++) good = row_of_dtype(r, t, to) && good;
        }
        say(good, (std::string(r.name) + " alone, as on the CPU").c_str());
    }
}

#include "loops_random.h"

/* ---- Running one ---- */

static int64_t count_of(const sample &s)
{
    int64_t n = 1;
    for (int d = 0; d < s.gpu.rank; d++) n *= s.gpu.dim[d];
    return n;
}

static void make_room(const sample &s, result &r)
{
    for (int o = 0; o < s.gpu.outputs; o++)
        r.out[o].assign((size_t)count_of(s) * wg_dtype_size((wg_dtype)s.gpu.out[o].dtype), 0xa5);
    if (s.gpu.tail >= 0)
        r.tail.assign((size_t)(s.gpu.outer * s.gpu.inner) * wg_dtype_size((wg_dtype)s.gpu.tail_dtype), 0xa5);
}

static void run_cpu(sample &s, result &r)
{
    make_room(s, r);
    for (int i = 0; i < s.gpu.inputs; i++) s.room.in[i].data = s.in[i].data();
    for (int o = 0; o < s.gpu.outputs; o++) s.room.out[o].data = r.out[o].data();
    s.cpu.tail_out = r.tail.data();
    s.cpu.cost = 1;
    wg__loop_prepare(&s.cpu);
    wg__loop_run(&s.cpu, 1);
}

typedef void loop_kernel(wg_loop_args a);

/* By the loop's own kernel, or without one by the interpreter. */
static bool run_cuda(sample &s, result &r, loop_kernel *own, int sms)
{
    wg__cuda_loop  &l = s.gpu;
    wg__cuda_launch at = {};
    cudaError_t     status = cudaSuccess;
    make_room(s, r);
    for (int i = 0; i < l.inputs; i++) l.in[i].data = to_device(s.in[i]);
    for (int o = 0; o < l.outputs; o++) l.out[o].data = to_device(r.out[o]);
    l.tail_out = to_device(r.tail);
    bytes scratch(wg__cuda_loop_scratch(&l), 0xff);
    at.scratch = to_device(scratch);
    at.sms = sms;
    if (own) {
        struct wg__cuda_plan p;
        wg__cuda_plan(&l, &at, &p);
        if (p.grid) WG_LAUNCH(own, p.grid, WG_LOOP_BLOCK, 0, at.stream)(p.args);
        status = wg__cuda_loop_finish(&l, &at);
    } else status = wg__cuda_loop_run(&l, &at);
    bool good = status == cudaSuccess && cudaDeviceSynchronize() == cudaSuccess;
    for (int i = 0; i < l.inputs; i++) cudaFree(l.in[i].data);
    for (int o = 0; o < l.outputs; o++) from_device(r.out[o], l.out[o].data);
    from_device(r.tail, l.tail_out);
    cudaFree(at.scratch);
    if (!good) printf("# %s\n", cudaGetErrorString(cudaGetLastError()));
    return good;
}

static bool same_results(const sample &s, const result &a, const result &b)
{
    for (int o = 0; o < s.gpu.outputs; o++)
        if (!same(a.out[o], b.out[o], s.gpu.out[o].dtype)) return printf("# output %d\n", o), false;
    return s.gpu.tail < 0 || same(a.tail, b.tail, s.gpu.tail_dtype) || (printf("# tail\n"), false);
}

/* Sums of reals may be put together in another order: by the sum of sizes.
 * That can be known where the elements are an output or an input, dense over the domain. */
static bool tail_near(const sample &s, const result &have, const result &want)
{
    const wg__cuda_loop &l = s.gpu;
    if (l.tail < 0) return true;
    if (!is_real(l.tail_dtype)) return have.tail == want.tail;
    if (l.tail >= WG__MAX) return near(have.tail, want.tail, l.tail_dtype, 1e-9, 0);
    int          o = l.tail_slot - l.inputs - l.registers;
    bool         input = l.tail_slot < l.inputs && wg__cuda_form(&l, &l.in[l.tail_slot]) == WG__CUDA_DENSE;
    const bytes *x_of = o >= 0 ? &want.out[o] : input ? &s.in[l.tail_slot] : NULL;
    if (l.tail == WG__PROD) return near(have.tail, want.tail, l.tail_dtype, 2.0 * (double)l.reduced, 1e-37);
    if (!x_of) return true;
    double eps = l.tail_dtype == WG_F32 ? 0x1p-23 : 0x1p-52;
    for (int64_t i = 0; i < l.outer * l.inner; i++) {
        double sizes = 0, x = get(have.tail, l.tail_dtype, (size_t)i), y = get(want.tail, l.tail_dtype, (size_t)i);
        for (int64_t r = 0; r < l.reduced; r++)
            sizes += fabs(get(*x_of, l.tail_dtype, (size_t)((i / l.inner * l.reduced + r) * l.inner + i % l.inner)));
        if (x == y || (x != x && y != y) || fabs(x - y) <= 16 * eps * sizes || !(sizes < 1e37)) continue;
        printf("# tail %ld: %.17g, not %.17g, of %g in all\n", (long)i, x, y, sizes);
        return false;
    }
    return true;
}

static void describe(const sample &s, const char *what)
{
    const wg__cuda_loop &l = s.gpu;
    printf("# %s: %d inputs, %d steps, %d outputs, [", what, l.inputs, l.steps, l.outputs);
    for (int d = 0; d < l.rank; d++) printf("%s%ld", d ? "," : "", (long)l.dim[d]);
    printf("], tail %d of dtype %d over [%ld, %ld, %ld]\n", l.tail, l.tail_dtype, (long)l.outer, (long)l.reduced,
           (long)l.inner);
}

/* ---- Generated sources ---- */

/* All of them as one library: what is the same in each comes once. */
static void *compile_sources(std::vector<sample> &all)
{
    const char *build = getenv("BUILD") ? getenv("BUILD") : "build", *cxx = getenv("CXX") ? getenv("CXX") : "c++";
    std::string base = std::string(build) + "/cuda-loops", text;
    text = "#include <cuda_runtime.h>\n#include \"cuda/loop/loop_args.h\"\n#include \"cuda/loop/loop_device.h\"\n";
    for (size_t i = 0; i < all.size(); i++) {
        char  name[64];
        char *source = wg__cuda_loop_source(&all[i].gpu);
        if (!source) return NULL;
        snprintf(name, sizeof name, "%zu", i);
        text += std::string("#define wg_loop wg_loop_") + name + "\n#define wg_loops wg_loops_" + name +
                "\nnamespace loop_" + name + " {\n" + source + "}\n#undef wg_loop\n#undef wg_loops\n";
        free(source);
    }
    FILE *f = fopen((base + ".cc").c_str(), "w");
    if (!f || fputs(text.c_str(), f) < 0 || fclose(f)) return NULL;
    std::string command = std::string(cxx) +
                          " -std=c++17 -O1 -g -Wall -Wextra -Werror -Wno-unused-but-set-variable "
                          "-Wno-tautological-compare -fPIC -shared " +
                          (getenv("SANITIZE") ? getenv("SANITIZE") : "") +
                          " -ffp-contract=off -DWG__CUDA_HOST -Itests/cuda_host -Isrc -o " + base + ".so " + base +
                          ".cc";
    if (system(command.c_str())) return printf("# failed: %s\n", command.c_str()), (void *)NULL;
    void *lib = dlopen((base + ".so").c_str(), RTLD_NOW);
    if (!lib) printf("# %s\n", dlerror());
    return lib;
}

static bool loop_agrees(sample &s, loop_kernel *own)
{
    result cpu, interpreted, few, generated, more;
    run_cpu(s, cpu);
    bool good = run_cuda(s, interpreted, NULL, 1) && run_cuda(s, few, NULL, 0) && run_cuda(s, generated, own, 1) &&
                run_cuda(s, more, own, 100);
    good = good && same_results(s, few, interpreted) && same_results(s, generated, interpreted) &&
           same_results(s, more, generated);
    if (good && s.exact) {
        for (int o = 0; o < s.gpu.outputs; o++) good = good && same(interpreted.out[o], cpu.out[o], s.gpu.out[o].dtype);
        good = good && tail_near(s, interpreted, cpu);
    }
    return good;
}

#include "loops_group.h"

static void random_loops(std::vector<sample> &all)
{
    void *lib = compile_sources(all);
    say(lib, "generated sources compile");
    for (size_t i = 0; lib && i < all.size(); i++) {
        char name[64];
        snprintf(name, sizeof name, "wg_loop_%zu", i);
        loop_kernel *own = (loop_kernel *)dlsym(lib, name);
        bool         good = own && loop_agrees(all[i], own);
        snprintf(name, sizeof name, "wg_loops_%zu", i);
        good = good && group_agrees(all[i], (loops_kernel *)dlsym(lib, name));
        snprintf(name, sizeof name, "loop %zu %s", i, all[i].exact ? "as on the CPU" : "by both ways alike");
        if (!good) describe(all[i], name);
        say(good, name);
    }
}

/* ---- Tails alone ---- */

/* A reduction of one dense input in no step. */
static void plain_tail(sample &s, int kind, int dtype, const int64_t *shape)
{
    memset(&s.cpu, 0, sizeof s.cpu);
    wg__loop_use(&s.cpu, &s.room);
    s.exact = true;
    s.cpu.rank = s.cpu.inputs = 1;
    s.cpu.dim[0] = shape[0] * shape[1] * shape[2];
    s.room.in[0].stride[0] = 1;
    s.room.in[0].dtype = (wg_dtype)dtype;
    s.in[0].assign((size_t)s.cpu.dim[0] * wg_dtype_size((wg_dtype)dtype), 0);
    fill(s.in[0], dtype, true);
    s.cpu.tail = kind;
    s.cpu.tail_dtype = (wg_dtype)dtype;
    s.cpu.outer = shape[0];
    s.cpu.reduced = shape[1];
    s.cpu.inner = shape[2];
    wg__cuda_translate(&s.cpu, &s.gpu);
}

static void every_tail()
{
    static const int64_t shapes[][3] = {{1, 1, 1},   {3, 0, 1},    {2, 0, 3},    {0, 4, 4},     {5, 10, 1},
                                        {64, 33, 1}, {3, 1024, 1}, {2, 1025, 1}, {1, 20000, 1}, {1, 70001, 1},
                                        {4, 3, 2},   {2, 100, 7},  {1, 5000, 6}, {3, 700, 64},  {1, 3000, 130}};
    for (const int64_t *shape : shapes) {
        bool good = true;
        char what[99];
        for (int kind = 0; kind < 4; kind++)
            for (int dtype = WG_F32; dtype <= WG_I64; dtype++) {
                sample s = {};
                result cpu, one, many;
                plain_tail(s, kind, dtype, shape);
                run_cpu(s, cpu);
                bool well = run_cuda(s, one, NULL, 1) && run_cuda(s, many, NULL, 100) && one.tail == many.tail &&
                            tail_near(s, one, cpu);
                if (!well) describe(s, "tail alone");
                good = good && well;
            }
        snprintf(what, sizeof what, "reductions of [%ld, %ld, %ld], as on the CPU", (long)shape[0], (long)shape[1],
                 (long)shape[2]);
        say(good, what);
    }
}

static void with_nvrtc(std::vector<sample> &all)
{
    bool good = true;
    for (sample &s : all) {
        size_t n = 0;
        char   why[4000] = "";
        char  *source = wg__cuda_loop_source(&s.gpu);
        void  *code = source ? wg__cuda_compile(source, 90, 0, &n, why, sizeof why) : NULL;
        if (!code && strstr(why, "no NVRTC")) {
            printf("ok %d - NVRTC takes the sources # SKIP %s\n", ++tests, why);
            free(source);
            return;
        }
        if (!code || n < 100 || memcmp(code, "\177ELF", 4)) printf("# %s\n", why), good = false;
        free(code);
        free(source);
    }
    say(good, "NVRTC takes the sources for sm_90");
}

int main()
{
    state = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : 1;
    std::vector<sample> all(getenv("LOOPS") ? (size_t)atoi(getenv("LOOPS")) : 60);
    every_row();
    every_tail();
    for (size_t i = 0; i < all.size(); i++) random_loop(all[i], i % 3 != 2);
    random_loops(all);
    with_nvrtc(all);
    printf("1..%d\n", tests);
    return failures || wg_shim_complaints() ? 1 : 0;
}
