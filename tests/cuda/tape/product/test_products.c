/* Matrix products: every mapping to cuBLAS against the CPU. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/tape/tape_test.h"

static void fill(int64_t n, double *v, unsigned s)
{
    for (int64_t i = 0; i < n; i++) {
        s = s * 1664525u + 1013904223u;
        v[i] = (double)(s >> 8) / (1 << 24) - 0.5;
    }
}

typedef wg_node *build(wg_node *x, wg_node *y);

/* The largest difference between device and CPU, or infinity if something failed. */
static double difference_in(int precision, wg_dtype t, wg_shape a, wg_shape b, int ta, int tb, build *after)
{
    wg_graph  *g = wg_graph_new();
    wg_node   *x = wg_input(g, "x", WG_F64, a), *y = wg_input(g, "y", WG_F64, b);
    wg_node   *m = wg_matmul_t(wg_cast(x, t), wg_cast(y, t), ta, tb);
    wg_node   *z = wg_cast(after ? after(m, wg_cast(y, t)) : m, WG_F64);
    wg_options device = {.device = WG_DEVICE_CUDA(0), .precision = precision};
    wg_tape   *tape[2] = {wg_compile(g, WG_NODES(z), NULL), wg_compile(g, WG_NODES(z), &device)};
    int64_t    count = z ? wg_count(wg_node_shape(z)) : 0;
    double    *u = calloc((size_t)wg_count(&a) + 1, sizeof *u), *v = calloc((size_t)wg_count(&b) + 1, sizeof *v);
    double    *out[2] = {calloc((size_t)count + 1, sizeof(double)), calloc((size_t)count + 1, sizeof(double))};
    double     worst = tape[0] && tape[1] ? 0 : INFINITY;
    fill(wg_count(&a), u, 1);
    fill(wg_count(&b), v, 2);
    for (int k = 0; k < 2 && worst == 0; k++)
        if (wg_set(tape[k], x, u) || wg_set(tape[k], y, v) || wg_run(tape[k]) || wg_get(tape[k], z, out[k])) {
            tap_note("%s", wg_tape_message(tape[k]));
            worst = INFINITY;
        }
    for (int64_t i = 0; i < count && worst < INFINITY; i++) worst = fmax(worst, fabs(out[0][i] - out[1][i]));
    if (worst == INFINITY) tap_note("%s", wg_message(g));
    free(u), free(v), free(out[0]), free(out[1]);
    wg_graph_free(g);
    return worst;
}

static double difference(wg_dtype t, wg_shape a, wg_shape b, int ta, int tb, build *after)
{
    return difference_in(WG_PRECISION_EXACT, t, a, b, ta, tb, after);
}

static wg_shape turned(wg_shape s, int t)
{
    int64_t last = s.dim[s.rank - 1];
    if (!t) return s;
    s.dim[s.rank - 1] = s.dim[s.rank - 2];
    s.dim[s.rank - 2] = last;
    return s;
}

static void all_turns(wg_shape a, wg_shape b, const char *what)
{
    bool ok = true;
    for (int t = 0; t < 4; t++) {
        double f = difference(WG_F32, turned(a, t & 1), turned(b, t >> 1), t & 1, t >> 1, NULL);
        double d = difference(WG_F64, turned(a, t & 1), turned(b, t >> 1), t & 1, t >> 1, NULL);
        if (!(f < 1e-5 && d < 1e-13)) tap_note("ta=%d tb=%d: f32 differs by %g, f64 by %g", t & 1, t >> 1, f, d);
        ok = ok && f < 1e-5 && d < 1e-13;
    }
    tap(clean() && ok, "matmul %s, turned or not, f32 and f64", what);
}

/* ---- What follows a product ---- */

static wg_node *row(wg_node *m, wg_node *y)
{
    (void)m;
    return wg_sum(y, wg_node_shape(y)->rank == 2 ? WG_AXES(0) : WG_AXES(0, 1), 0);
}
static wg_node *bias(wg_node *m, wg_node *y) { return wg_add(m, row(m, y)); }
static wg_node *bias_first(wg_node *m, wg_node *y) { return wg_add(row(m, y), m); }
static wg_node *bias_relu(wg_node *m, wg_node *y) { return wg_relu(bias(m, y)); }
static wg_node *relu(wg_node *m, wg_node *y) { return (void)y, wg_relu(m); }
static wg_node *gelu(wg_node *m, wg_node *y) { return wg_gelu(bias(m, y)); }
static wg_node *itself(wg_node *m, wg_node *y) { return (void)y, wg_add(m, m); }
static wg_node *column(wg_node *m, wg_node *y) { return (void)y, wg_add(m, wg_sum(m, WG_AXES(-1), 1)); }
static wg_node *kept(wg_node *m, wg_node *y) { return wg_relu(wg_add(wg_watch(m), row(m, y))); }
static wg_node *twice(wg_node *m, wg_node *y)
{
    wg_node *h = bias(m, y);
    return wg_mul(h, wg_relu(h));
}

static bool is_close(wg_shape a, wg_shape b, build *after)
{
    double f = difference(WG_F32, a, b, 0, 0, after), d = difference(WG_F64, a, b, 0, 0, after);
    if (!(f < 1e-5 && d < 1e-13))
        tap_note("rank %d by rank %d, to [%d,%d]: f32 %g, f64 %g", a.rank, b.rank, (int)a.dim[a.rank - 2],
                 (int)b.dim[b.rank - 1], f, d);
    return f < 1e-5 && d < 1e-13;
}

/* One product, one b for a stack of a, and stacks of both. */
static void followed(void)
{
    static const struct {
        build      *after;
        const char *name;
    } all[] = {{bias, "+ bias"},       {bias_first, "bias +"},       {bias_relu, "+ bias, relu"},
               {relu, "relu"},         {gelu, "+ bias, gelu"},       {itself, "+ itself"},
               {column, "+ a column"}, {kept, "kept, + bias, relu"}, {twice, "+ bias, times its relu"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        bool ok = true;
        for (int m = 1; m < 8; m += 3)
            for (int n = 1; n < 14; n += 6) {
                ok = is_close(WG_SHAPE(m, 5), WG_SHAPE(5, n), all[i].after) && ok;
                ok = is_close(WG_SHAPE(3, m, 5), WG_SHAPE(5, n), all[i].after) && ok;
                ok = is_close(WG_SHAPE(3, m, 5), WG_SHAPE(3, 5, n), all[i].after) && ok;
                ok = is_close(WG_SHAPE(2, 1, m, 5), WG_SHAPE(3, 5, n), all[i].after) && ok;
            }
        tap(clean() && ok, "matmul %s", all[i].name);
    }
}

/* ---- Precision ---- */

static void precision(void)
{
    enum { TERMS = 24 };
    /* Operands are at most 1/2, and each is rounded to half a unit of its last bit. */
    static const struct {
        int         which;
        double      unit;
        const char *name;
    } modes[] = {{WG_PRECISION_TF32, 0x1p-11, "TF32"},
                 {WG_PRECISION_BF16, 0x1p-8, "bfloat16"},
                 {WG_PRECISION_FP16, 0x1p-11, "half precision"}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        wg_shape a = WG_SHAPE(16, TERMS), b = WG_SHAPE(TERMS, 32);
        double   d = difference_in(modes[i].which, WG_F32, a, b, 0, 0, NULL), bound = TERMS * 0.51 * modes[i].unit;
        double   f64 = difference_in(modes[i].which, WG_F64, a, b, 0, 0, NULL);
        bool     ok = d < bound && (!shim.there || d > modes[i].unit / 8) && f64 < 1e-13; /* a device may do better */
        if (!ok) tap_note("f32 differs by %g, not %g at most, f64 by %g", d, bound, f64);
        tap(clean() && ok, "products of f32 in %s: within its rounding; f64 as ever", modes[i].name);
    }
}

static void no_such_precision(void)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(1, 1));
    bool      ok = true;
    for (int p = -1; p <= WG_PRECISION_FP16 + 1; p += WG_PRECISION_FP16 + 2) {
        ok = ok && !wg_compile(g, WG_NODES(x), &(wg_options){.precision = p}) && wg_status(g) == WG_EARG &&
             strstr(wg_message(g), "compile: precision cannot be");
        wg_clear_error(g);
    }
    wg_graph_free(g);
    tap(clean() && ok, "other precisions are refused");
}

void test_products(void)
{
    all_turns(WG_SHAPE(7, 5), WG_SHAPE(5, 9), "[7,5] x [5,9]");
    all_turns(WG_SHAPE(1, 33), WG_SHAPE(33, 1), "[1,33] x [33,1]");
    all_turns(WG_SHAPE(3, 0), WG_SHAPE(0, 4), "[3,0] x [0,4]");
    all_turns(WG_SHAPE(4, 3, 5), WG_SHAPE(4, 5, 2), "[4,3,5] x [4,5,2]");
    all_turns(WG_SHAPE(4, 3, 5), WG_SHAPE(5, 2), "[4,3,5] x [5,2]");
    all_turns(WG_SHAPE(3, 5), WG_SHAPE(4, 5, 2), "[3,5] x [4,5,2]");
    all_turns(WG_SHAPE(2, 1, 3, 5), WG_SHAPE(4, 5, 2), "[2,1,3,5] x [4,5,2]");
    all_turns(WG_SHAPE(2, 1, 2, 3, 5), WG_SHAPE(3, 1, 5, 2), "[2,1,2,3,5] x [3,1,5,2]");
    all_turns(WG_SHAPE(0, 3, 5), WG_SHAPE(0, 5, 2), "[0,3,5] x [0,5,2]");
    followed();
    precision();
    no_such_precision();
}
