/* Merging: equal nodes become one, and nothing else does. */
#include "tape/tape_test.h"

TestSuite(tape_merge, .timeout = 60);

static bool merged(const wg_tape *t, const wg_node *a, const wg_node *b)
{
    return wg__lookup(t, a) == wg__lookup(t, b);
}

/* ---- Equal nodes ---- */

Test(tape_merge, equal_expressions_are_computed_once)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(4)), *y = wg_input(g, "y", WG_F64, WG_SHAPE(4));
    wg_node  *a = wg_tanh(wg_mul(x, y)), *b = wg_tanh(wg_mul(x, y));
    wg_tape  *t = compile(g, WG_NODES(a, b), NULL);
    cr_expect(merged(t, a, b));
    cr_expect_eq(op_count(t, "tanh"), 1);
    cr_expect_eq(op_count(t, "mul"), 1);
    wg_options apart = skipping(WG_SKIP_MERGE);
    wg_tape   *s = compile(g, WG_NODES(a, b), &apart);
    cr_expect_eq(op_count(s, "tanh"), 2);
    cr_expect_eq(op_count(s, "mul"), 2);
    wg_graph_free(g);
}

Test(tape_merge, gradients_share_the_forward_pass)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(8)), *d;
    wg_node  *loss = wg_sum(wg_exp(x), WG_ALL_AXES, 0);
    wg_grad(loss, 1, &x, &d);
    wg_node *again = wg_exp(x);
    wg_tape *t = compile(g, WG_NODES(loss, d, again), NULL);
    cr_expect_eq(op_count(t, "exp"), 1);
    wg_graph_free(g);
}

Test(tape_merge, order_of_operands_matters)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(4)), *y = wg_input(g, "y", WG_F64, WG_SHAPE(4));
    wg_node  *a = wg_sub(x, y), *b = wg_sub(y, x);
    wg_tape  *t = compile(g, WG_NODES(a, b), NULL);
    cr_expect(!merged(t, a, b));
    wg_graph_free(g);
}

/* ---- Leaves and random nodes ---- */

Test(tape_merge, leaves_never_merge)
{
    wg_graph *g = wg_graph_new();
    wg_node  *a = wg_input(g, NULL, WG_F64, WG_SHAPE(2)), *b = wg_input(g, NULL, WG_F64, WG_SHAPE(2));
    wg_node  *c = wg_input(g, "c", WG_F64, WG_SHAPE(2)), *d = wg_input(g, "c", WG_F64, WG_SHAPE(2));
    wg_node  *p = wg_param(g, "p", WG_F64, WG_SHAPE(2)), *q = wg_param(g, "q", WG_F64, WG_SHAPE(2));
    wg_node  *leaf[] = {a, b, c, d, p, q}, *y[6];
    for (int i = 0; i < 6; i++) y[i] = wg_neg(leaf[i]);
    wg_tape *t = compile(g, 6, y, NULL);
    cr_expect_eq(op_count(t, "neg"), 6);
    for (int i = 0; i < 6; i++) {
        double v[2] = {i + 1, -i};
        cr_assert_eq(wg_set(t, leaf[i], v), WG_OK);
    }
    run(t);
    for (int i = 0; i < 6; i++) {
        cr_expect_eq(element(t, y[i], 0), -(i + 1));
        cr_expect_eq(element(t, y[i], 1), i);
    }
    wg_graph_free(g);
}

Test(tape_merge, random_nodes_never_merge)
{
    wg_graph *g = wg_graph_new();
    wg_shape  s = WG_SHAPE(64);
    wg_node  *x = wg_input(g, "x", WG_F32, s);
    wg_node  *y[] = {wg_uniform(g, WG_F32, s, 0, 1),
                     wg_uniform(g, WG_F32, s, 0, 1),
                     wg_normal(g, WG_F32, s, 0, 1),
                     wg_normal(g, WG_F32, s, 0, 1),
                     wg_dropout(x, 0.5),
                     wg_dropout(x, 0.5)};
    wg_tape  *t = compile(g, 6, y, NULL);
    set_random(t, x, 1, 1, 2);
    run(t);
    for (int i = 0; i < 6; i += 2) {
        cr_expect(!merged(t, y[i], y[i + 1]));
        cr_expect(memcmp(wg_view(t, y[i]), wg_view(t, y[i + 1]), 64 * sizeof(float)) != 0, "streams of %d and %d", i,
                  i + 1);
    }
    wg_graph_free(g);
}

Test(tape_merge, constants_differ_in_dtype_shape_and_bits)
{
    wg_graph *g = wg_graph_new();
    wg_node  *f = wg_input(g, "f", WG_F32, WG_SHAPE(2)), *d = wg_input(g, "d", WG_F64, WG_SHAPE(2));
    wg_node  *i = wg_input(g, "i", WG_I32, WG_SHAPE(2)), *l = wg_input(g, "l", WG_I64, WG_SHAPE(2));
    wg_node  *y[] = {wg_scale(f, 2), wg_scale(d, 2), wg_scale(i, 2), wg_scale(l, 2)};
    wg_node  *zero = wg_div(wg_lit(d, 1), wg_add(d, wg_lit(d, 0.0))),
            *minus = wg_div(wg_lit(d, 1), wg_mul(d, wg_lit(d, -0.0)));
    wg_tape *t = compile(g, WG_NODES(y[0], y[1], y[2], y[3], zero, minus), NULL);
    wg_set(t, f, (float[]){1.5f, 2});
    wg_set(t, d, (double[]){2.5, 3});
    wg_set(t, i, (int32_t[]){3, 4});
    wg_set(t, l, (int64_t[]){4, 5});
    run(t);
    cr_expect_eq(element(t, y[0], 0), 3);
    cr_expect_eq(element(t, y[1], 0), 5);
    cr_expect_eq(element(t, y[2], 0), 6);
    cr_expect_eq(element(t, y[3], 0), 8);
    cr_expect_eq(element(t, minus, 0), -INFINITY, "0 and -0 are two constants");
    wg_graph_free(g);
}

Test(tape_merge, equal_constants_are_one)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(3));
    wg_node  *a = wg_const(g, WG_F64, WG_SHAPE(3), (double[]){1, 2, 3}),
            *b = wg_const(g, WG_F64, WG_SHAPE(3), (double[]){1, 2, 3});
    wg_node *c = wg_const(g, WG_F64, WG_SHAPE(1, 3), (double[]){1, 2, 3});
    wg_node *p = wg_add(x, a), *q = wg_add(x, b), *r = wg_add(x, c);
    wg_tape *t = compile(g, WG_NODES(p, q, r), NULL);
    cr_expect(merged(t, p, q));
    cr_expect(!merged(t, p, r), "another shape");
    wg_graph_free(g);
}

/* ---- A hash alone never merges ---- */

Test(tape_merge, an_equal_hash_is_not_enough)
{
    wg_graph      *g = wg_graph_new();
    wg_node       *x = wg_input(g, "x", WG_F64, WG_SHAPE(2, 2)), *y = wg_sum(x, WG_AXES(0), 0), *z = wg_neg(x);
    wg_tape       *t = compile(g, WG_NODES(y, z), NULL);
    wg_node       *px = wg__lookup(t, x), *py = wg__lookup(t, y);
    const uint64_t hash = 42;
    cr_assert_eq(wg__merge_add(t, hash, py), WG_OK);
    cr_expect_eq(wg__merge_find(t, hash, py->op, 1, &px, py->attr), py, "the very same is found");
    cr_expect_null(wg__merge_find(t, hash, &wg_op_prod, 1, &px, py->attr), "another operator");
    cr_expect_null(wg__merge_find(t, hash, py->op, 1, &py, py->attr), "another operand");
    cr_expect_null(wg__merge_find(t, hash, py->op, 2, (wg_node *[]){px, px}, py->attr), "more operands");
    char other[256];
    memcpy(other, py->attr, py->op->attr_size);
    ((wg_axes *)(void *)(other + py->op->fields[0].offset))->axis[0] = 1;
    cr_expect_null(wg__merge_find(t, hash, py->op, 1, &px, other), "another attribute");

    double   one = 1, two = 2;
    float    half = 0.5f;
    wg_shape s = WG_SCALAR, v = WG_SHAPE(1);
    wg_node *c = wg__const_copy(t->g, WG_F64, &s, &one);
    cr_assert_eq(wg__merge_add(t, hash, c), WG_OK);
    cr_expect_eq(wg__merge_find_const(t, hash, WG_F64, &s, &one), c);
    cr_expect_null(wg__merge_find_const(t, hash, WG_F64, &s, &two), "another value");
    cr_expect_null(wg__merge_find_const(t, hash, WG_F64, &v, &one), "another shape");
    cr_expect_null(wg__merge_find_const(t, hash, WG_F32, &s, &half), "another dtype");
    wg_graph_free(g);
}

/* ---- Every attribute of every operator counts ---- */

struct sample {
    wg_graph *g;
    wg_node  *m, *cube, *index, *rows; /* f64 [4,4], f64 [2,3,2], i64 [4], f64 [4,4] */
};

static wg_node *leaky(struct sample *s) { return wg_leaky_relu(s->m, 0.1); }
static wg_node *elu(struct sample *s) { return wg_elu(s->m, 0.7); }
static wg_node *cast(struct sample *s) { return wg_cast(s->m, WG_I32); }
static wg_node *expand(struct sample *s) { return wg_expand(wg_slice(s->m, 0, 0, 1, 1), WG_SHAPE(3, 4)); }
static wg_node *sum(struct sample *s) { return wg_sum(s->m, WG_AXES(0), 0); }
static wg_node *prod(struct sample *s) { return wg_prod(s->m, WG_AXES(0), 0); }
static wg_node *max(struct sample *s) { return wg_max(s->m, WG_AXES(0), 0); }
static wg_node *min(struct sample *s) { return wg_min(s->m, WG_AXES(0), 0); }
static wg_node *lse(struct sample *s) { return wg_logsumexp(s->m, WG_AXES(1), 0); }
static wg_node *argmax(struct sample *s) { return wg_argmax(s->m, 0, 0); }
static wg_node *max_with_index(struct sample *s) { return wg_max_with_index(s->m, WG_AXES(0), 0); }
static wg_node *top_k(struct sample *s) { return wg_top_k(s->m, 0, 2, 0); }
static wg_node *moments(struct sample *s) { return wg_moments(s->m, WG_AXES(0), 0); }
static wg_node *split(struct sample *s) { return wg_split(s->m, 0, 2, NULL); }
static wg_node *size(struct sample *s)
{
    wg_axes first = WG_AXES(0);
    return wg_apply(&wg_op_size, 1, &s->cube, &first);
}
static wg_node *iota(struct sample *s) { return wg__apply_leaf(s->g, &wg_op_iota, &(wg_shape){1, {4}}); }
static wg_node *matmul(struct sample *s) { return wg_matmul(s->m, s->rows); }
static wg_node *reshape(struct sample *s) { return wg_reshape(s->cube, WG_SHAPE(4, 3)); }
static wg_node *transpose(struct sample *s) { return wg_transpose(s->cube, WG_AXES(1, 0, 2)); }
static wg_node *slice(struct sample *s) { return wg_slice(s->m, 0, 0, 2, 1); }
static wg_node *pad(struct sample *s) { return wg_pad(s->m, (int64_t[]){1, 1}, (int64_t[]){4, 4}, 0.5); }
static wg_node *concat(struct sample *s) { return wg_concat(2, (wg_node *[]){s->m, s->rows}, 0); }
static wg_node *gather(struct sample *s) { return wg_gather(s->m, s->index, 0); }
static wg_node *one_hot_index(struct sample *s) { return wg__one_hot_index(s->index, 4); }
static wg_node *scatter(struct sample *s) { return wg__scatter_add(s->m, s->index, 0, WG_SHAPE(4, 4)); }
static wg_node *softmax(struct sample *s) { return wg_softmax(s->m, 1); }
static wg_node *log_softmax_(struct sample *s) { return wg_log_softmax(s->m, 1); }
static wg_node *uniform(struct sample *s) { return wg_uniform(s->g, WG_F64, WG_SHAPE(4), 0, 1); }
static wg_node *normal(struct sample *s) { return wg_normal(s->g, WG_F64, WG_SHAPE(4), 0, 1); }
static wg_node *mask(struct sample *s)
{
    return wg__dropout_mask(wg_expand(s->m, WG_SHAPE(8, 4, 4)), 0.5);
}

static const struct maker {
    const wg_op *op;
    wg_node *(*make)(struct sample *s);
} makers[] = {
    {&wg_op_leaky_relu, leaky},
    {&wg_op_elu, elu},
    {&wg_op_cast, cast},
    {&wg_op_expand, expand},
    {&wg_op_sum, sum},
    {&wg_op_prod, prod},
    {&wg_op_max, max},
    {&wg_op_min, min},
    {&wg_op_logsumexp, lse},
    {&wg_op_argmax, argmax},
    {&wg_op_max_with_index, max_with_index},
    {&wg_op_top_k, top_k},
    {&wg_op_moments, moments},
    {&wg_op_split, split},
    {&wg_op_size, size},
    {&wg_op_iota, iota},
    {&wg_op_matmul, matmul},
    {&wg_op_reshape, reshape},
    {&wg_op_transpose, transpose},
    {&wg_op_slice, slice},
    {&wg_op_pad, pad},
    {&wg_op_concat, concat},
    {&wg_op_gather, gather},
    {&wg_op_one_hot_index, one_hot_index},
    {&wg_op_scatter_add, scatter},
    {&wg_op_softmax, softmax},
    {&wg_op_log_softmax, log_softmax_},
    {&wg_op_uniform, uniform},
    {&wg_op_normal, normal},
    {&wg_op_dropout_mask, mask},
};
enum { MAKERS = sizeof makers / sizeof *makers };

static wg_node *make(const wg_op *op, struct sample *s)
{
    for (int i = 0; i < MAKERS; i++)
        if (makers[i].op == op) return makers[i].make(s);
    return NULL;
}

/* The k-th way to change one attribute; false when there are no more. */
static bool bump(wg_field_type type, void *at, int k)
{
    switch (type) {
    case WG_FIELD_FLAG: *(int *)at = !*(int *)at; return k < 1;
    case WG_FIELD_INT: *(int *)at += k % 2 ? -1 : 1; return k < 2;
    case WG_FIELD_I64: *(int64_t *)at += k % 2 ? -1 : 1; return k < 2;
    case WG_FIELD_STREAM:
    case WG_FIELD_U64: ++*(uint64_t *)at; return k < 1;
    case WG_FIELD_REAL: *(double *)at += 0.25; return k < 1;
    case WG_FIELD_DTYPE: *(wg_dtype *)at = *(wg_dtype *)at == WG_F32 ? WG_F64 : WG_F32; return k < 1;
    case WG_FIELD_SHAPE: {
        wg_shape *s = at;
        int       r = s->rank;
        if (k < 2 * r) s->dim[k / 2] += k % 2 || s->dim[k / 2] == 0 ? 1 : -1; /* below 0 are symbols */
        else if (k < 3 * r) { /* neighbours change places: as many elements */ int64_t d = s->dim[k - 2 * r];
            s->dim[k - 2 * r] = s->dim[(k + 1 - 2 * r) % r];
            s->dim[(k + 1 - 2 * r) % r] = d;
        }
        return k < 3 * r;
    }
    case WG_FIELD_AXES: {
        wg_axes *a = at;
        if (k == 0) a->axis[0]++;
        if (k == 1) a->axis[a->n++] = a->axis[0] + 1;
        if (k == 2 && a->n > 2) a->axis[0] = a->axis[2], a->axis[2] = 1 - a->axis[1];
        if (k == 3 && a->n > 2) a->axis[1] = a->axis[2], a->axis[2] = 0;
        if (k == 4 && a->n == 1) a->n = 2, a->axis[1] = a->axis[0]--;
        return k < 5;
    }
    case WG_FIELD_LIST: {
        wg_list *l = at;
        if (k < l->n) l->at[k]++;
        return k < l->n;
    }
    case WG_FIELD_LONGS: {
        static int64_t copy[16];
        wg_longs      *l = at;
        if (k >= l->n) return false;
        memcpy(copy, l->at, (size_t)l->n * sizeof *copy);
        copy[k]++;
        copy[(k + 1) % l->n]--; /* as many in all, as a split wants */
        l->at = copy;
        return true;
    }
    case WG_FIELD_REALS: {
        static double copy[16];
        wg_reals     *r = at;
        if (k >= r->n) return false;
        memcpy(copy, r->at, (size_t)r->n * sizeof *copy);
        copy[k] += 0.25;
        r->at = copy;
        return true;
    }
    case WG_FIELD_TEXT: *(const char **)at = "another text"; return k < 1;
    case WG_FIELD_HANDLE:
    case WG_FIELD_GRAPH: ++*(char **)at; return k < 1;
    }
    return false;
}

static wg_node *apply(struct sample *s, const wg_node *y, const void *attr)
{
    return y->n ? wg_apply(y->op, y->n, y->x, attr) : wg__apply_leaf(s->g, y->op, attr);
}

/* Compiled side by side, the two are two nodes, and their values tell them apart. */
static bool expect_distinct(struct sample *s, wg_node *y, wg_node *z, const char *field)
{
    wg_tape *t = compile(s->g, WG_NODES(y, z), NULL);
    cr_expect(!merged(t, y, z), "%s: %s is no part of what merging compares", y->op->name, field);
    const wg_node *leaf[] = {s->m, s->cube, s->rows};
    for (int i = 0; i < 3; i++)
        if (wg_tape_shape(t, leaf[i]))
            set_random(t, leaf[i], (uint64_t)i + 3, -1.5, 1.5); /* even if only its shape is read */
    if (wg_tape_shape(t, s->index)) wg_set(t, s->index, (int64_t[]){2, 0, 1, 1});
    run(t);
    bool distinct = y->dtype != z->dtype || !wg__shape_equal(y->shape, z->shape) ||
                    memcmp(wg_view(t, y), wg_view(t, z), bytes_on(t, y)) != 0;
    wg_tape_free(t);
    return distinct;
}

/* How many changes of one attribute the operator takes. */
static int change(struct sample *s, wg_node *y, const wg_field *f)
{
    int taken = 0, told = 0;
    for (int k = 0;; k++) {
        _Alignas(16) char attr[1024];
        cr_assert_leq(y->op->attr_size, sizeof attr);
        memcpy(attr, y->attr, y->op->attr_size);
        if (!bump(f->type, attr + f->offset, k)) break;
        if (wg__attr_equal(y->op, y->attr, attr)) continue;
        wg_node *z = apply(s, y, attr);
        wg_clear_error(s->g);
        if (!z) continue;
        taken++;
        told += expect_distinct(s, y, z, f->name);
    }
    if (y->op == &wg_op_one_hot_index) told = taken; /* its size decides which runs fail */
    cr_expect_eq(told, taken, "%s: %s changes the node but not its value", y->op->name, f->name);
    return taken;
}

Test(tape_merge, every_attribute_of_every_operator_counts)
{
    for (const wg_op *const *op = wg_ops; *op; op++) {
        if (!(*op)->fields) {
            cr_expect_eq((*op)->attr_size, 0, "%s has attributes and no table of them", (*op)->name);
            continue;
        }
        struct sample s = {.g = wg_graph_new()};
        s.m = wg_input(s.g, "m", WG_F64, WG_SHAPE(4, 4));
        s.cube = wg_input(s.g, "cube", WG_F64, WG_SHAPE(2, 3, 2));
        s.index = wg_input(s.g, "index", WG_I64, WG_SHAPE(4));
        s.rows = wg_input(s.g, "rows", WG_F64, WG_SHAPE(4, 4));
        wg_node *y = make(*op, &s);
        cr_assert_not_null(y, "no sample of %s: %s", (*op)->name, wg_message(s.g));
        cr_assert_eq(y->op, *op, "the sample of %s is a %s", (*op)->name, wg_node_kind(y));
        bool last_axis_only = *op == &wg_op_softmax || *op == &wg_op_log_softmax;
        for (const wg_field *f = (*op)->fields; f->name; f++)
            cr_expect(change(&s, y, f) > 0 || last_axis_only, "%s: no other %s to try", (*op)->name, f->name);
        wg_graph_free(s.g);
    }
}

/* The same call twice is one node, for every operator with attributes. */
Test(tape_merge, equal_attributes_merge)
{
    for (int i = 0; i < MAKERS; i++) {
        struct sample s = {.g = wg_graph_new()};
        s.m = wg_input(s.g, "m", WG_F64, WG_SHAPE(4, 4));
        s.cube = wg_input(s.g, "cube", WG_F64, WG_SHAPE(2, 3, 2));
        s.index = wg_input(s.g, "index", WG_I64, WG_SHAPE(4));
        s.rows = wg_input(s.g, "rows", WG_F64, WG_SHAPE(4, 4));
        wg_node *y = makers[i].make(&s), *z = apply(&s, y, y->attr);
        wg_tape *t = compile(s.g, WG_NODES(y, z), NULL);
        if (y->op->flags & WG_OP_RANDOM) cr_expect(!merged(t, y, z), "%s is random", y->op->name);
        else cr_expect(merged(t, y, z), "%s twice", y->op->name);
        wg_graph_free(s.g);
    }
}

/* ---- Operators of a user ---- */

static int same_cpu(wg_call *c)
{
    memcpy(c->y->data, c->x[0].data, wg__bytes(c->y->dtype, &c->y->shape));
    return WG_OK;
}

Test(tape_merge, attributes_without_a_table_never_merge)
{
    static const wg_op own = {
        .name = "own", .arity = 1, .attr_size = sizeof(double), .infer = wg_infer_same, .cpu = same_cpu};
    static const wg_op bare = {.name = "bare", .arity = 1, .infer = wg_infer_same, .cpu = same_cpu};
    wg_graph          *g = wg_graph_new();
    wg_node           *x = wg_input(g, "x", WG_F64, WG_SHAPE(2));
    wg_node           *a = wg_apply(&own, 1, &x, &(double){1}), *b = wg_apply(&own, 1, &x, &(double){1});
    wg_node           *c = wg_apply(&bare, 1, &x, NULL), *d = wg_apply(&bare, 1, &x, NULL);
    wg_tape           *t = compile(g, WG_NODES(a, b, c, d), NULL);
    cr_expect(!merged(t, a, b));
    cr_expect(merged(t, c, d));
    wg_graph_free(g);
}
