/* Every operator over symbolic sizes, and its gradient, goes into a file and comes back with the same values. */
#include "onnx/export/export_test.h"
#include "ops/cases.h"

TestSuite(onnx_export_symbols, .timeout = 120, .init = open_folder, .fini = close_folder);

enum { MOST = 4096, SIZES = 12 };

/* The sizes 0 .. 11 under the names s0 .. s11. */
static const wg_binding sizes[SIZES] = {{"s0", 0}, {"s1", 1}, {"s2", 2}, {"s3", 3}, {"s4", 4},   {"s5", 5},
                                        {"s6", 6}, {"s7", 7}, {"s8", 8}, {"s9", 9}, {"s10", 10}, {"s11", 11}};

/* A shape whose sizes above 1 are symbols, or those of one axis alone (by bit). */
static wg_shape symbolic(wg_graph *g, wg_shape s, unsigned axes)
{
    for (int i = 0; i < s.rank; i++)
        if (s.dim[i] > 1 && s.dim[i] < SIZES && axes >> i & 1) s.dim[i] = wg_dim(g, sizes[s.dim[i]].name);
    return s;
}

struct tried {
    wg_graph *g;
    wg_node  *x[3], *y;
    double   *v[3];
};

static struct tried try_case(const struct op_case *c, unsigned axes)
{
    struct tried t = {.g = wg_graph_new()};
    uint64_t     state = 11;
    char         name[8];
    for (int i = 0; i < c->n; i++) {
        bool     real = c->kind[i] == 'r';
        wg_dtype d = real ? WG_F32 : c->kind[i] == 'i' ? WG_I64 : c->kind[i] == 'u' ? WG_U8 : WG_BOOL;
        int      below = d == WG_BOOL ? 2 : c->below;
        int64_t  n = wg_count(&c->shape[i]);
        snprintf(name, sizeof name, "in%d", i);
        t.x[i] = wg_input(t.g, name, d, symbolic(t.g, c->shape[i], axes));
        t.v[i] = malloc(((size_t)n + 1) * sizeof(double));
        for (int64_t k = 0; k < n; k++)
            t.v[i][k] = real ? draw_from(WG_DOMAIN_ANY, &state) : floor(below * draw(&state));
    }
    t.y = c->build(t.g, WG_F32, t.x);
    return t;
}

static void free_tried(const struct op_case *c, struct tried *t)
{
    for (int i = 0; i < c->n; i++) free(t->v[i]);
    wg_graph_free(t->g);
}

static wg_tape *tape_of(wg_graph *g, wg_node *y)
{
    for (int i = 0; i < SIZES; i++) wg_dim(g, sizes[i].name); /* names that a graph does not have cannot be bound */
    return wg_compile(g, 1, &y, &(wg_options){.evaluate = 1, .n_more = SIZES, .more = sizes});
}

static void set_inputs(wg_tape *t, const struct op_case *c, const struct tried *from, const struct back *b)
{
    for (int i = 0; i < c->n; i++) {
        wg_node *x = b ? NULL : from->x[i];
        for (int k = 0; b && k < wg_onnx_input_count(b->m); k++)
            if (strcmp(wg_onnx_input_name(b->m, k), wg_node_name(from->x[i])) == 0) x = wg_onnx_input(b->m, k);
        if (x && wg_tape_shape(t, x)) set_values(t, x, from->v[i]);
    }
    must_run(t);
}

/* What the file of y gives is what y gives; false where the case wants numbers and the tape says so. */
static bool same_back(const struct op_case *c, const struct tried *from, wg_node *y, const char *what)
{
    wg_tape *t = tape_of(from->g, y);
    if (!t) return wg_clear_error(from->g), false;
    struct back b = read_back(what);
    wg_node    *z = wg_onnx_output(b.m, 0);
    wg_tape    *u = tape_of(b.g, z);
    cr_assert_not_null(u, "%s: %s", what, wg_message(b.g));
    set_inputs(t, c, from, NULL);
    set_inputs(u, c, from, &b);
    const wg_shape *s = wg_tape_shape(t, y);
    static double   p[MOST], q[MOST];
    cr_assert(wg__shape_equal(s, wg_tape_shape(u, z)), "%s: another shape", what);
    cr_assert_eq(wg_node_dtype(y), wg_node_dtype(z), "%s: another dtype", what);
    get_values(t, y, p);
    get_values(u, z, q);
    for (int64_t i = 0; i < wg_count(s); i++)
        cr_assert(p[i] == q[i] || (p[i] != p[i] && q[i] != q[i]) || fabs(p[i] - q[i]) <= 1e-5 * fmax(1, fabs(p[i])),
                  "%s: element %lld is %.9g, not %.9g", what, (long long)i, q[i], p[i]);
    wg_tape_free(t);
    free_back(b);
    return true;
}

/* Exports y; whether there is a file.  What has no form at this opset says which opset has one, and a size that no
 * input of the file has (a gradient that is 0) is named. */
static bool exported(wg_graph *g, wg_node *y, int opset, const char *what)
{
    int status = wg_onnx_export(g, 1, &y, path, &(wg_onnx_export_options){.opset = opset});
    if (status)
        cr_assert(status == WG_EARG && (strstr(wg_message(g), "needs opset") ||
                                        strstr(wg_message(g), "no input that the outputs need has the dimension")),
                  "%s at opset %d: %s", what, opset, wg_message(g));
    wg_clear_error(g);
    return !status;
}

/* How many files came back; a case that wants numbers where a symbol is makes none. */
static int there_and_back(unsigned axes, bool gradient)
{
    static const int opsets[] = {11, 13, 21};
    int              files = 0;
    char             what[64];
    for (size_t k = 0; k < sizeof op_cases / sizeof *op_cases; k++) {
        const struct op_case *c = &op_cases[k];
        struct tried          t = try_case(c, axes);
        wg_node              *y = t.y, *d = NULL;
        wg_clear_error(t.g);
        bool random = y && wg_node_op(y) && wg_node_op(y)->flags & WG_OP_RANDOM;
        bool real = y && WG_DTYPE_BIT(wg_node_dtype(y)) & WG_DTYPE_REALS && c->n && c->kind[0] == 'r';
        if (gradient && real && wg_grad(wg_sum(wg_square(y), WG_ALL_AXES, 0), 1, t.x, &d) == WG_OK) y = d;
        else if (gradient) y = NULL;
        wg_clear_error(t.g);
        for (int i = 0; i < 3 && y && !random; i++) {
            snprintf(what, sizeof what, "%s%s, case %zu, opset %d", gradient ? "gradient of " : "", c->op, k,
                     opsets[i]);
            if (!exported(t.g, y, opsets[i], what)) continue;
            files += same_back(c, &t, y, what);
        }
        free_tried(c, &t);
    }
    return files;
}

Test(onnx_export_symbols, every_case_over_symbols)
{
    int all = there_and_back(~0u, false), first = there_and_back(1, false), last = there_and_back(2, false);
    cr_expect(all > 300 && first > 300 && last > 300, "%d, %d and %d files", all, first, last);
}

Test(onnx_export_symbols, every_gradient)
{
    int known = there_and_back(0, true), first = there_and_back(1, true);
    cr_expect(known > 200 && first > 150, "%d and %d files", known, first);
}

/* Sizes that hang on a symbol in every way that there is. */
Test(onnx_export_symbols, arithmetic_of_sizes)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "in0", WG_F32, WG_SHAPE(wg_dim(g, "s7"), 2));
    wg_node  *y[] = {wg_slice(x, 0, 1, WG_SLICE_END, 1),
                     wg_slice(x, 0, 0, -2, 1),
                     wg_slice(x, 0, 1, WG_SLICE_END, 3),
                     wg_slice(x, 0, WG_SLICE_END, 0, -2),
                     wg_slice(x, 0, -3, -1, 1),
                     wg_slice(x, 0, 2, -9, 1),
                     wg_gather(x, wg_iota(g, wg_node_shape(x)->dim[0]), 0)};
    for (size_t i = 0; i < sizeof y / sizeof *y; i++) {
        const struct op_case c = {.op = "slice", .n = 1, .shape = {{2, {7, 2}}}, .kind = "r"};
        double               v[14] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
        struct tried         t = {.g = g, .x = {x}, .v = {v}};
        cr_assert_not_null(y[i], "%s", wg_message(g));
        wg_node *both = wg_concat(2, (wg_node *[]){y[i], y[i]}, 0);
        wg_node *wide = wg_add(both, wg_fill(g, WG_F32, *wg_node_shape(both), 1));
        cr_assert(exported(g, wide, 17, "sizes"));
        cr_assert(same_back(&c, &t, wide, "sizes"), "%zu", i);
    }
    wg_graph_free(g);
}
