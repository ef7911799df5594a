/* random_graph.h - random graphs of elementwise operators, broadcasts,
 * reductions, products, reshapes, transposes and softmax, with values that stay
 * small. */
#ifndef WENGERT_TESTS_RANDOM_GRAPH_H
#define WENGERT_TESTS_RANDOM_GRAPH_H

#include "tape/tape_test.h"

enum { POOL_MAX = 96, INPUTS = 6, OUTPUTS = 6 };

struct random_graph {
    wg_graph   *g;
    wg_tape    *eager;  /* or NULL; inputs get their values as they are made */
    bool        params; /* inputs are parameters */
    wg_dtype    dtype;
    struct dice dice;
    int64_t     a, b, c; /* sizes that dimensions are made of */
    wg_node    *pool[POOL_MAX];
    int         n;
    wg_node    *in[INPUTS], *out[OUTPUTS];
    int         n_in, n_out;
};

static inline uint64_t input_seed(int i) { return 1000 + (uint64_t)i; }

static inline wg_node *any(struct random_graph *r) { return r->pool[pick(&r->dice, r->n)]; }

static inline void add(struct random_graph *r, wg_node *x)
{
    cr_assert_not_null(x, "%s", wg_message(r->g));
    if (r->n < POOL_MAX) r->pool[r->n++] = x;
}

static inline void add_input(struct random_graph *r, wg_shape s)
{
    char name[16];
    snprintf(name, sizeof name, "in%d", r->n_in);
    wg_node *x = r->params ? wg_param(r->g, name, r->dtype, s) : wg_input(r->g, name, r->dtype, s);
    if (r->eager) set_random(r->eager, x, input_seed(r->n_in), -1, 1);
    r->in[r->n_in++] = x;
    add(r, x);
}

static inline bool broadcasts(const wg_node *x, const wg_node *y)
{
    wg_infer c = {.g = x->g};
    wg_shape s;
    return wg_broadcast(&c, x->shape, y->shape, &s) == WG_OK && wg_count(&s) < 100000;
}

static inline wg_node *unary(struct random_graph *r)
{
    wg_node *x = any(r);
    switch (pick(&r->dice, 16)) {
    case 0: return wg_tanh(x);
    case 1: return wg_sigmoid(x);
    case 2: return wg_relu(x);
    case 3: return wg_neg(x);
    case 4: return wg_scale(x, 0.5);
    case 5: return wg_exp(wg_neg(wg_abs(x)));
    case 6: return wg_log(wg_shift(wg_square(wg_sin(x)), 1));
    case 7: return wg_sqrt(wg_shift(wg_abs(x), 0.25));
    case 8: return wg_cos(x);
    case 9: return wg_erf(x);
    case 10: return wg_gelu(wg_tanh(x));
    case 11: return wg_reciprocal(wg_shift(wg_square(x), 1));
    case 12: return wg_clip(x, -0.75, 0.75);
    case 13: return wg_softplus(wg_neg(wg_abs(x)));
    case 14: return wg_leaky_relu(x, 0.2);
    default: return wg_elu(x, 0.5);
    }
}

static inline wg_node *binary(struct random_graph *r)
{
    wg_node *x = any(r), *y = any(r);
    for (int k = 0; k < 20 && !broadcasts(x, y); k++) y = any(r);
    if (!broadcasts(x, y)) return wg_sin(x);
    switch (pick(&r->dice, 7)) {
    case 0: return wg_scale(wg_add(x, y), 0.5);
    case 1: return wg_scale(wg_sub(x, y), 0.5);
    case 2: return wg_tanh(wg_mul(x, y));
    case 3: return wg_minimum(x, y);
    case 4: return wg_maximum(x, y);
    case 5: return wg_where(wg_less(x, y), x, y);
    default: return wg_div(x, wg_shift(wg_square(y), 1));
    }
}

/* One axis, or all, or the first or last few. */
static inline wg_axes some_axes(struct random_graph *r, const wg_node *x)
{
    int rank = x->shape->rank, k = pick(&r->dice, 4);
    if (k == 0 || rank == 0) return WG_ALL_AXES;
    if (k == 1 && rank > 1) return WG_AXES(0, 1);
    return WG_AXES(pick(&r->dice, rank));
}

static inline wg_node *reduction(struct random_graph *r)
{
    wg_node *x = any(r);
    wg_axes  a = some_axes(r, x);
    int      keep = pick(&r->dice, 2);
    switch (pick(&r->dice, 6)) {
    case 0: return wg_mean(x, a, keep);
    case 1: return wg_max(x, a, keep);
    case 2: return wg_min(x, a, keep);
    case 3: return wg_tanh(wg_prod(wg_sin(x), a, keep));
    case 4: return wg_tanh(wg_logsumexp(x, a, keep));
    default: return wg_tanh(wg_sum(x, a, keep));
    }
}

static inline wg_node *product(struct random_graph *r)
{
    for (int k = 0; k < 40; k++) {
        wg_node *x = any(r), *y = any(r);
        int      tx = pick(&r->dice, 2), ty = pick(&r->dice, 2);
        if (x->shape->rank != 2 || y->shape->rank != 2 || x->shape->dim[!tx] != y->shape->dim[ty]) continue;
        wg_node *z = wg_matmul_t(x, y, tx, ty);
        switch (pick(&r->dice, 4)) {
        case 0: return wg_tanh(z);
        case 1: return wg_scale(z, 1.0 / (double)(1 + x->shape->dim[!tx]));
        case 2: return wg_sigmoid(z);
        default: return wg_relu(wg_tanh(z));
        }
    }
    return wg_transpose(any(r), WG_ALL_AXES);
}

static inline wg_node *shaped(struct random_graph *r)
{
    wg_node *x = any(r);
    int      rank = x->shape->rank;
    switch (pick(&r->dice, 6)) {
    case 0: return wg_reshape(x, WG_SHAPE(WG_DIM_AUTO));
    case 1: return wg_transpose(x, WG_ALL_AXES);
    case 2: return rank ? wg_softmax(x, pick(&r->dice, rank)) : x;
    case 3: return rank ? wg_log(wg_shift(wg_softmax(x, rank - 1), 0.5)) : x;
    case 4: return rank ? wg_concat(2, (wg_node *[]){x, wg_scale(x, 0.5)}, rank - 1) : x;
    default: return rank && x->shape->dim[0] > 1 ? wg_slice(x, 0, 1, WG_SLICE_END, 1) : wg_unsqueeze(x, 0);
    }
}

static inline wg_node *next_node(struct random_graph *r)
{
    int      k = pick(&r->dice, 20);
    wg_node *x = k < 7 ? unary(r) : k < 13 ? binary(r) : k < 16 ? reduction(r) : k < 18 ? product(r) : shaped(r);
    return x && x->shape->rank <= 4 && wg_count(x->shape) < 200000 ? x : wg_tanh(r->pool[0]);
}

/* Nodes among the last are outputs, so that most of the graph is needed. */
static inline void choose_outputs(struct random_graph *r)
{
    r->n_out = 1 + pick(&r->dice, OUTPUTS);
    for (int i = 0; i < r->n_out; i++) r->out[i] = i < 2 ? r->pool[r->n - 1 - i] : any(r);
}

static inline void build(struct random_graph *r, uint64_t seed)
{
    static const int64_t size[] = {1, 2, 3, 5, 8, 17, 40, 65};
    r->dice.state = seed * 2654435761u + 1;
    for (int i = 0; i < 3; i++) roll(&r->dice);
    r->dtype = pick(&r->dice, 2) ? WG_F32 : WG_F64;
    r->a = size[pick(&r->dice, 8)];
    r->b = size[pick(&r->dice, 8)];
    r->c = size[pick(&r->dice, 5)];
    add_input(r, WG_SHAPE(r->a, r->b));
    add_input(r, WG_SHAPE(r->b));
    add_input(r, WG_SHAPE(r->a, 1));
    add_input(r, WG_SHAPE(r->b, r->a));
    add_input(r, WG_SCALAR);
    add_input(r, WG_SHAPE(r->c, r->a, r->b));
    for (int k = 8 + pick(&r->dice, 50); k > 0; k--) add(r, next_node(r));
    choose_outputs(r);
}

static inline struct random_graph random_graph(uint64_t seed)
{
    struct random_graph r = {.g = wg_graph_new()};
    build(&r, seed);
    return r;
}

static inline void set_inputs(const struct random_graph *r, wg_tape *t)
{
    for (int i = 0; i < r->n_in; i++)
        if (wg_tape_shape(t, r->in[i])) set_random(t, r->in[i], input_seed(i), -1, 1);
}

/* A tape of the outputs that has been run. */
static inline wg_tape *computed(const struct random_graph *r, const wg_options *o)
{
    wg_tape *t = compile(r->g, r->n_out, r->out, o);
    set_inputs(r, t);
    run(t);
    return t;
}

#endif
