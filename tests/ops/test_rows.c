/* Where operators say that the rows of a batch come out: what they say holds,
 * for values of any size, and wherever rows meet they say so. */
#include "ops/cases.h"
#include "ops/ops_test.h"

TestSuite(ops_rows, .timeout = 120);

enum { ROWS = 3, LARGE = 512 };

/* ---- A case whose operands are stacked: operand i along axis stacked[i], or not (-1) ---- */

struct stack {
    const struct op_case *c;
    const wg_op          *op; /* an elementwise operator with shapes from c */
    int                   stacked[3];
};

static wg_node *build(const struct stack *s, wg_graph *g, wg_node *const x[])
{
    const double alpha = 0.3;
    return s->op ? wg_apply(s->op, s->op->arity, x, s->op->attr_size ? &alpha : NULL) : s->c->build(g, WG_F64, x);
}

static wg_dtype dtype_of(char kind)
{
    return kind == 'r' ? WG_F64 : kind == 'i' ? WG_I64 : kind == 'u' ? WG_U8 : WG_BOOL;
}

/* [rows, shape] with the rows moved before an axis and joined with it. */
static wg_node *join(wg_node *x, const wg_shape *shape, int axis)
{
    wg_axes  perm = {.n = shape->rank + 1};
    wg_shape joined = *shape;
    for (int i = 0; i <= shape->rank; i++) perm.axis[i] = i < axis ? i + 1 : i == axis ? 0 : i;
    joined.dim[axis] = WG_DIM_AUTO;
    return wg_reshape(wg_transpose(x, perm), joined);
}

struct made {
    wg_graph *g;
    int64_t   symbol;
    wg_node  *input[3], *y;
    wg_rows   at;
    bool      claims;
};

static struct made make(const struct stack *s)
{
    struct made m = {.g = wg_graph_new()};
    wg_node    *x[3];
    m.symbol = wg_dim(m.g, "batch");
    for (int i = 0; i < s->c->n; i++) {
        wg_shape shape = s->c->shape[i], all = {.rank = shape.rank + 1};
        bool     alone = s->stacked[i] < 0;
        wg_dtype t = dtype_of(s->c->kind[i]);
        all.dim[0] = m.symbol;
        for (int k = 0; k < shape.rank; k++) all.dim[k + 1] = shape.dim[k];
        m.input[i] = wg_input(m.g, NULL, t, alone ? shape : all);
        x[i] = alone ? m.input[i] : join(m.input[i], &shape, s->stacked[i]);
    }
    m.y = build(s, m.g, x);
    m.claims = m.y && !wg__rows_find(1, &m.y, m.symbol, &m.at, NULL) && m.at.axis >= 0;
    return m;
}

/* Large and small values, so that a maximum of one row would act on the others. */
static void fill(const struct stack *s, int i, int64_t n, double to[], uint64_t *seed)
{
    char kind = s->c->kind[i];
    for (int64_t k = 0; k < n; k++)
        to[k] = kind == 'r'   ? (draw(seed) - 0.25) * (draw(seed) < 0.2 ? 300 : 2)
                : kind == 'b' ? floor(draw(seed) * 2)
                              : floor(draw(seed) * s->c->below);
}

/* Runs `rows` rows that begin at row `first` of value; the result, to be freed. */
static double *run(struct made *m, const struct stack *s, int64_t rows, int64_t first, double value[3][LARGE],
                   wg_shape *y)
{
    wg_tape *t = wg_compile(m->g, 1, &m->y, &(wg_options){.evaluate = 1, .bind = {{"batch", rows}}});
    cr_assert_not_null(t, "%s: %s", s->c->op, wg_message(m->g));
    for (int i = 0; i < s->c->n; i++)
        if (wg_tape_shape(t, m->input[i]))
            set_values(t, m->input[i], value[i] + (s->stacked[i] < 0 ? 0 : first * wg_count(&s->c->shape[i])));
    must_run(t);
    *y = *wg_tape_shape(t, m->y);
    double *to = calloc((size_t)wg_count(y) + 1, sizeof *to);
    get_values(t, m->y, to);
    wg_tape_free(t);
    return to;
}

static bool same(double a, double b) { return a == b || (a != a && b != b) || fabs(a - b) <= 1e-9 * (1 + fabs(a)); }

/* Row r of a stack of `of` rows, element by element: [outer, of, inner]. */
static void check_row(const struct stack *s, const struct made *m, const double *all, const wg_shape *shape, int64_t r,
                      const double *one)
{
    int64_t outer = 1, inner = 1;
    for (int i = 0; i < shape->rank; i++) *(i < m->at.axis ? &outer : &inner) *= shape->dim[i];
    inner /= ROWS;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < inner; k++)
            cr_assert(same(all[(o * ROWS + r) * inner + k], one[o * inner + k]),
                      "%s, stacked along %d %d %d: row %lld is %g together and %g alone",
                      s->op ? s->op->name : s->c->op, s->stacked[0], s->stacked[1], s->stacked[2], (long long)r,
                      all[(o * ROWS + r) * inner + k], one[o * inner + k]);
}

static bool hold(const struct stack *s)
{
    struct made m = make(s);
    double      value[3][LARGE];
    uint64_t    seed = 7;
    wg_shape    y, single;
    if (m.claims) {
        for (int i = 0; i < s->c->n; i++) {
            int64_t n = wg_count(&s->c->shape[i]) * (s->stacked[i] < 0 ? 1 : ROWS);
            cr_assert_leq(n, LARGE);
            fill(s, i, n, value[i], &seed);
        }
        double *all = run(&m, s, ROWS, 0, value, &y);
        for (int64_t r = 0; r < ROWS; r++) {
            double *one = run(&m, s, 1, r, value, &single);
            check_row(s, &m, all, &y, r, one);
            free(one);
        }
        free(all);
    }
    wg_graph_free(m.g);
    return m.claims;
}

/* Every way to stack the operands; how many the operator claims to keep apart. */
static int hold_all(const struct op_case *c, const wg_op *op)
{
    struct stack s = {.c = c, .op = op};
    int          choices[3] = {1, 1, 1}, claimed = 0;
    for (int i = 0; i < c->n; i++) choices[i] = c->shape[i].rank + 1;
    for (int a = 0; a < choices[0]; a++)
        for (int b = 0; b < choices[1]; b++)
            for (int d = 0; d < choices[2]; d++) {
                int at[3] = {a - 1, b - 1, d - 1};
                for (int i = 0; i < 3; i++) s.stacked[i] = i < c->n ? at[i] : -1;
                claimed += (s.stacked[0] >= 0 || s.stacked[1] >= 0 || s.stacked[2] >= 0) && hold(&s);
            }
    return claimed;
}

static bool is_elementwise(const wg_op *op)
{
    return op->arity > 0 && op->arity <= 2 && op->block && op->attr_size <= sizeof(double);
}

/* Where the cases of the registry have sizes that leave no room for rows. */
NODE(widened)
{
    wg_shape to = *wg_node_shape(x[0]);
    to.dim[to.rank - 1] = 4;
    return UNUSED, wg_expand(x[0], to);
}
NODE(recut) { return UNUSED, wg_reshape(x[0], WG_SHAPE(wg_node_shape(x[0])->dim[0], 2, 3)); }
NODE(padded) { return UNUSED, wg_pad(x[0], (int64_t[]){0, 1}, (int64_t[]){0, 2}, 0.5); }
static const struct op_case more[] = {{"expand", 1, {{2, {2, 1}}}, "r", 0, widened},
                                      {"reshape", 1, {{2, {2, 6}}}, "r", 0, recut},
                                      {"pad", 1, {{2, {2, 3}}}, "r", 0, padded}};

Test(ops_rows, what_is_said_holds)
{
    static const struct op_case one = {"", 1, {{2, {2, 3}}}, "r", 0, NULL},
                                two = {"", 2, {{2, {2, 3}}, {2, {2, 3}}}, "rr", 0, NULL},
                                wide = {"", 2, {{2, {2, 3}}, {2, {1, 3}}}, "rr", 0, NULL};
    for (const wg_op *const *op = wg_ops; *op; op++) {
        int claimed = 0;
        for (size_t i = 0; i < sizeof op_cases / sizeof *op_cases; i++)
            if (!strcmp(op_cases[i].op, (*op)->name)) claimed += hold_all(&op_cases[i], NULL);
        for (size_t i = 0; i < sizeof more / sizeof *more; i++)
            if (!strcmp(more[i].op, (*op)->name)) claimed += hold_all(&more[i], NULL);
        bool real = !(*op)->dtypes || (*op)->dtypes & WG_DTYPE_BIT(WG_F64);
        if (is_elementwise(*op) && real && strcmp((*op)->name, "cast") && strcmp((*op)->name, "expand")) {
            claimed += hold_all((*op)->arity == 1 ? &one : &two, *op);
            if ((*op)->arity == 2) claimed += hold_all(&wide, *op);
        }
        bool random = (*op)->flags & WG_OP_RANDOM, bools = (*op)->dtypes == WG_DTYPE_BIT(WG_BOOL);
        if ((*op)->rows && (*op)->arity && !random && !bools && !((*op)->flags & WG_OP_SHAPE))
            cr_expect_gt(claimed, 0, "%s has a member rows and was tried", (*op)->name);
        if (!(*op)->rows) cr_expect_eq(claimed, 0, "%s is in doubt", (*op)->name);
    }
}

/* ---- Where rows meet ---- */

static int apart(wg_graph *g, wg_node *y, wg_error *why)
{
    cr_assert_not_null(y, "%s", wg_message(g));
    return wg_rows_apart(1, &y, wg_dim(g, "batch"), why);
}

Test(ops_rows, the_first_node_where_rows_may_meet_is_named)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(wg_dim(g, "batch"), 3)), *p = wg_param(g, "p", WG_F32, WG_SHAPE(3));
    wg_error  why;
    cr_assert_eq(apart(g, wg_tanh(wg_add(x, p)), &why), WG_OK);
    cr_assert_eq(apart(g, wg_softmax(x, 1), &why), WG_OK);
    cr_assert_eq(apart(g, wg_dropout(x, 0.5), &why), WG_OK, "in evaluation it is x");
    wg_node *norm = wg_sub(x, wg_mean(x, WG_AXES(0), 1)), *kept = wg_sub(x, p), *training = wg_training(g);
    cr_assert_eq(apart(g, wg_exp(wg_where(training, norm, kept)), &why), WG_OK, "rows meet in training only");
    cr_assert_eq(apart(g, wg_where(training, norm, p), &why), WG_OK, "the same in each row");
    cr_assert_eq(apart(g, wg_add(x, wg_where(training, wg_mean(x, WG_AXES(0), 1), p)), &why), WG_OK);
    cr_assert_eq(apart(g, wg_where(training, x, norm), &why), WG_EARG);
    cr_assert(strstr(why.message, "mean") || strstr(why.message, "sum"), "%s", why.message);
    cr_assert_eq(apart(g, wg_where(wg_not(training), kept, norm), &why), WG_EARG, "in doubt");
    wg_node *const meet[] = {wg_named(wg_softmax(x, 0), "s"),
                             wg_sum(x, WG_AXES(0), 1),
                             wg_sub(x, wg_mean(x, WG_AXES(0), 1)),
                             wg_matmul_t(x, x, 0, 1),
                             wg_transpose(x, WG_ALL_AXES),
                             wg_reshape(x, WG_SHAPE(3, WG_DIM_AUTO)),
                             wg_slice(x, 0, 0, 1, 1),
                             wg_slice(x, 0, WG_SLICE_END, INT64_MIN, -1),
                             wg_gather(x, wg_const(g, WG_I64, WG_SHAPE(2), (int64_t[]){0, 0}), 0),
                             wg_concat(2, (wg_node *[]){x, x}, 0),
                             wg_mul(x, wg_size(x, WG_AXES(0))),
                             wg_add(x, wg_normal(g, WG_F32, WG_SHAPE(wg_dim(g, "batch"), 3), 0, 1)),
                             wg_mul(x, wg_sum(wg_expand(p, WG_SHAPE(wg_dim(g, "batch"), 3)), WG_AXES(0), 0)),
                             wg_assign(p, wg_mean(x, WG_AXES(0), 0)),
                             p};
    for (size_t i = 0; i < sizeof meet / sizeof *meet; i++) {
        cr_assert_eq(apart(g, meet[i], &why), WG_EARG, "%zu", i);
        cr_assert(strstr(why.message, "rows may meet in "), "%zu: %s", i, why.message);
    }
    apart(g, meet[0], &why);
    cr_assert_eq(wg_rows_apart(0, NULL, wg_dim(g, "batch"), &why), WG_EARG);
    cr_assert_eq(wg_rows_apart(1, &x, 3, &why), WG_EARG);
    cr_assert_eq(wg_rows_apart(1, (wg_node *[]){NULL}, wg_dim(g, "batch"), NULL), WG_EARG);
    wg_graph_free(g);
}

/* Two symbols: the other one is the same for all rows, and a shape may hold it as it likes. */
Test(ops_rows, other_symbols_do_not_matter)
{
    wg_graph *g = wg_graph_new();
    int64_t   batch = wg_dim(g, "batch"), seq = wg_dim(g, "seq");
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(batch, seq, 4)), *w = wg_param(g, "w", WG_F32, WG_SHAPE(4, 4));
    wg_node  *tall = wg_reshape(x, WG_SHAPE(WG_DIM_AUTO, 4)),
            *h = wg_reshape(wg_matmul(tall, w), WG_SHAPE(batch, seq, 4));
    wg_node *scores = wg_softmax(wg_matmul_t(h, h, 0, 1), -1), *y = wg_matmul(scores, h);
    wg_error why;
    cr_assert_eq(wg_rows_apart(1, &y, batch, &why), WG_OK, "%s", why.message);
    wg_node *pooled = wg_div(wg_sum(y, WG_AXES(1), 0), wg_size(y, WG_AXES(1)));
    cr_assert_eq(wg_rows_apart(1, &pooled, batch, &why), WG_OK, "%s", why.message);
    cr_assert_eq(wg_rows_apart(1, &y, seq, &why), WG_EARG);
    wg_node *crossed = wg_reshape(x, WG_SHAPE(seq, batch, 4));
    cr_assert_eq(wg_rows_apart(1, &crossed, batch, &why), WG_EARG);
    wg_graph_free(g);
}

/* An operator of a program's own is in doubt unless it says how rows go through. */
static int triple_cpu(wg_call *c)
{
    for (int64_t i = 0; i < wg_count(&c->y->shape); i++)
        ((double *)c->y->data)[i] = 3 * ((const double *)c->x[0].data)[i];
    return WG_OK;
}
Test(ops_rows, an_operator_of_ones_own_is_in_doubt)
{
    static const wg_op silent = {.name = "triple", .arity = 1, .infer = wg_infer_same, .cpu = triple_cpu};
    wg_op              says = silent;
    says.rows = wg_rows_broadcast;
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(wg_dim(g, "batch"), 3));
    wg_error  why;
    cr_assert_eq(apart(g, wg_apply(&silent, 1, &x, NULL), &why), WG_EARG);
    cr_assert(strstr(why.message, "triple"), "%s", why.message);
    cr_assert_eq(apart(g, wg_apply(&says, 1, &x, NULL), &why), WG_OK);
    wg_graph_free(g);
}
