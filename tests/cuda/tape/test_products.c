/* Matrix products: every mapping to cuBLAS against the CPU. */
#include <math.h>
#include <stdlib.h>

#include "tape_test.h"

static void fill(int64_t n, double *v, unsigned s)
{
    for (int64_t i = 0; i < n; i++) {
        s = s * 1664525u + 1013904223u;
        v[i] = (double)(s >> 8) / (1 << 24) - 0.5;
    }
}

typedef wg_node *build(wg_node *x, wg_node *y);

/* The largest difference between device and CPU, or infinity if something failed. */
static double difference(wg_dtype t, wg_shape a, wg_shape b, int ta, int tb, build *after)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, a), *y = wg_input(g, "y", WG_F64, b);
    wg_node  *m = wg_matmul_t(wg_cast(x, t), wg_cast(y, t), ta, tb);
    wg_node  *z = wg_cast(after ? after(m, wg_cast(y, t)) : m, WG_F64);
    wg_tape  *tape[2] = {wg_compile(g, WG_NODES(z), NULL),
                         wg_compile(g, WG_NODES(z), &(wg_options){.device = WG_CUDA(0)})};
    int64_t   count = z ? wg_count(wg_node_shape(z)) : 0;
    double   *u = calloc((size_t)wg_count(&a) + 1, sizeof *u), *v = calloc((size_t)wg_count(&b) + 1, sizeof *v);
    double   *out[2] = {calloc((size_t)count + 1, sizeof(double)), calloc((size_t)count + 1, sizeof(double))};
    double    worst = tape[0] && tape[1] ? 0 : INFINITY;
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
    return wg_sum(y, WG_AXES(0), 0);
}
static wg_node *bias(wg_node *m, wg_node *y) { return wg_add(m, row(m, y)); }
static wg_node *bias_first(wg_node *m, wg_node *y) { return wg_add(row(m, y), m); }
static wg_node *bias_relu(wg_node *m, wg_node *y) { return wg_relu(bias(m, y)); }
static wg_node *relu(wg_node *m, wg_node *y) { return (void)y, wg_relu(m); }
static wg_node *gelu(wg_node *m, wg_node *y) { return wg_gelu(bias(m, y)); }
static wg_node *itself(wg_node *m, wg_node *y) { return (void)y, wg_add(m, m); }
static wg_node *column(wg_node *m, wg_node *y) { return (void)y, wg_add(m, wg_sum(m, WG_AXES(1), 1)); }
static wg_node *kept(wg_node *m, wg_node *y) { return wg_relu(wg_add(wg_watch(m), row(m, y))); }
static wg_node *twice(wg_node *m, wg_node *y)
{
    wg_node *h = bias(m, y);
    return wg_mul(h, wg_relu(h));
}

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
                double f = difference(WG_F32, WG_SHAPE(m, 5), WG_SHAPE(5, n), 0, 0, all[i].after);
                double d = difference(WG_F64, WG_SHAPE(m, 5), WG_SHAPE(5, n), 0, 0, all[i].after);
                if (!(f < 1e-5 && d < 1e-13)) tap_note("[%d,5] x [5,%d]: f32 %g, f64 %g", m, n, f, d);
                ok = ok && f < 1e-5 && d < 1e-13;
            }
        tap(clean() && ok, "matmul %s", all[i].name);
    }
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
}
