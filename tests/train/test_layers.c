/* Layers: made once, applied often, put into one another; and what is left when one cannot be made or applied. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "graph/graph_impl.h"
#include "support/alloc.h"
#include <wengert/train.h>

static wg_graph *g;
static void      start(void) { g = wg_graph_new(); }
static void      stop(void) { wg_graph_free(g); }
TestSuite(layers, .init = start, .fini = stop, .timeout = 60);

static wg_node *total(wg_node *y) { return wg_sum(y, WG_ALL_AXES, 0); }

static wg_tape *compile(int n, wg_node *const out[])
{
    wg_tape *t = wg_compile(g, n, out, NULL);
    cr_assert_not_null(t, "%s", wg_message(g));
    return t;
}
static void run(wg_tape *t) { cr_assert_eq(wg_run(t), WG_OK, "%s", wg_tape_message(t)); }

/* The gradient of loss by every parameter of a layer against central differences; f64. */
static void expect_gradient(wg_layer *l, wg_node *loss, wg_node *x, const double *data)
{
    enum { MOST = 16 };
    wg_node *p[MOST], *d[MOST], *out[MOST + 1] = {loss};
    int      n = wg_layer_params(l, MOST, p);
    cr_assert(n > 0 && n <= MOST);
    cr_assert_eq(wg_grad(loss, n, p, d), WG_OK, "%s", wg_message(g));
    memcpy(out + 1, d, (size_t)n * sizeof *d);
    wg_tape *t = compile(n + 1, out);
    cr_assert_eq(wg_set(t, x, data), WG_OK, "%s", wg_tape_message(t));
    for (int k = 0; k < n; k++) {
        double  w[64], dw[64], up, down, h = 1e-6;
        int64_t count = wg_count(wg_node_shape(p[k]));
        run(t);
        cr_assert(count <= 64 && wg_get(t, d[k], dw) == WG_OK);
        for (int64_t i = 0; i < count; i++) {
            wg_param_get(p[k], w);
            double old = w[i];
            w[i] = old + h, wg_param_set(p[k], w), run(t), up = wg_get_scalar(t, loss);
            w[i] = old - h, wg_param_set(p[k], w), run(t), down = wg_get_scalar(t, loss);
            w[i] = old, wg_param_set(p[k], w);
            cr_expect_float_eq(dw[i], (up - down) / (2 * h), 1e-6 * (1 + fabs(dw[i])), "%s[%d]", wg_node_name(p[k]),
                               (int)i);
        }
    }
}

/* ---- One layer, applied often ---- */

Test(layers, a_siamese_net_has_one_weight)
{
    wg_node  *a = wg_input(g, "a", WG_F32, WG_SHAPE(1, 2)), *b = wg_input(g, "b", WG_F32, WG_SHAPE(3, 1, 2)), *d;
    wg_layer *l = wg_dense_layer_new(g, WG_F32, 2, 1, "twin", NULL);
    wg_node  *weight = wg_layer_find(l, "weight"), *bias = wg_layer_find(l, "twin.bias");
    cr_assert(weight && bias, "%s", wg_message(g));
    wg_node *ya = wg_layer_apply(l, a), *yb = wg_layer_apply(l, b), *sum = wg_add(total(ya), total(yb));
    cr_assert_eq(wg_param_count(g), 2);
    cr_assert_eq(wg_grad(sum, 1, &weight, &d), WG_OK);
    wg_tape *t = compile(WG_NODES(ya, yb, d));
    wg_set_f32(t, weight, 2, (float[]){1, 10});
    wg_set_f32(t, bias, 1, (float[]){100});
    wg_set_f32(t, a, 2, (float[]){1, 2});
    wg_set_f32(t, b, 6, (float[]){1, 2, 3, 4, 5, 6});
    run(t);
    float y, z[3], slope[2];
    cr_assert_eq(wg_get_f32(t, ya, 1, &y), WG_OK);
    cr_assert_eq(wg_get_f32(t, yb, 3, z), WG_OK);
    cr_assert_eq(wg_get_f32(t, d, 2, slope), WG_OK);
    cr_expect(y == 121 && z[0] == 121 && z[1] == 143 && z[2] == 165);
    cr_expect(slope[0] == 1 + 9 && slope[1] == 2 + 12, "both applications are in the gradient");
}

/* h = tanh(x W + h U): two dense layers in one of two operands, as a program writes it. */
struct cell {
    int64_t   in, units;
    wg_layer *of_x, *of_h;
};
static int make_cell(wg_layer *l, void *data)
{
    struct cell *c = data;
    char         name[64];
    snprintf(name, sizeof name, "%s.x", wg_layer_name(l));
    c->of_x = wg_layer_part(l, wg_dense_layer_new(wg_layer_graph(l), WG_F64, c->in, c->units, name, NULL));
    snprintf(name, sizeof name, "%s.h", wg_layer_name(l));
    wg_dense_options o = {.no_bias = 1};
    c->of_h = wg_layer_part(l, wg_dense_layer_new(wg_layer_graph(l), WG_F64, c->units, c->units, name, &o));
    return WG_OK;
}
static wg_node *apply_cell(wg_layer *l, wg_node *const x[], void *data)
{
    struct cell *c = data;
    wg_node     *in = wg_layer_apply(c->of_x, x[0]), *state = wg_layer_apply(c->of_h, x[1]);
    (void)l;
    return wg_tanh(wg_add(in, state));
}
static const wg_layer_kind cell = {
    .name = "cell", .inputs = 2, .size = sizeof(struct cell), .make = make_cell, .apply = apply_cell};

Test(layers, a_recurrent_cell_unrolled)
{
    enum { STEPS = 5, IN = 2, UNITS = 3 };
    wg_layer *l = wg_layer_new(g, &cell, "rnn", &(struct cell){IN, UNITS, NULL, NULL});
    cr_assert_not_null(l, "%s", wg_message(g));
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(STEPS, 1, IN)), *h = wg_fill(g, WG_F64, WG_SHAPE(1, UNITS), 0);
    double   data[STEPS * IN], want[UNITS] = {0}, w[IN * UNITS], u[UNITS * UNITS], b[UNITS] = {0.1, 0, -0.1};
    for (int i = 0; i < STEPS * IN; i++) data[i] = sin(3.0 * i);
    wg_param_set(wg_layer_find(l, "x.bias"), b);
    for (int i = 0; i < STEPS; i++)
        h = wg_layer_apply_to(l, 2, (wg_node *[]){wg_squeeze(wg_slice(x, 0, i, i + 1, 1), 0), h});
    cr_assert_eq(wg_param_count(g), 3);
    wg_node *loss = total(wg_square(h));
    cr_assert_not_null(loss, "%s", wg_message(g));
    expect_gradient(l, loss, x, data);
    wg_tape *t = compile(1, &h);
    wg_set(t, x, data);
    run(t);
    wg_param_get(wg_layer_find(l, "rnn.x.weight"), w);
    wg_param_get(wg_layer_find(l, "h.weight"), u);
    for (int i = 0; i < STEPS; i++) {
        double next[UNITS];
        for (int k = 0; k < UNITS; k++) {
            next[k] = b[k];
            for (int j = 0; j < IN; j++) next[k] += data[i * IN + j] * w[j * UNITS + k];
            for (int j = 0; j < UNITS; j++) next[k] += want[j] * u[j * UNITS + k];
        }
        for (int k = 0; k < UNITS; k++) want[k] = tanh(next[k]);
    }
    const double *have = wg_view(t, h);
    for (int k = 0; k < UNITS; k++) cr_expect_float_eq(have[k], want[k], 1e-12);
}

/* A decoder whose weight is the encoder's, transposed. */
struct tied {
    wg_node *weight;
};
static wg_node *apply_tied(wg_layer *l, wg_node *const x[], void *data)
{
    (void)l;
    return wg_matmul_t(x[0], ((struct tied *)data)->weight, 0, 1);
}
static const wg_layer_kind tied = {.name = "tied", .size = sizeof(struct tied), .apply = apply_tied};

Test(layers, weights_may_be_tied_and_a_decoder_used_twice)
{
    wg_layer *encoder = wg_dense_layer_new(g, WG_F64, 4, 2, "encoder", NULL);
    wg_layer *decoder = wg_layer_new(g, &tied, "decoder", &(struct tied){wg_layer_find(encoder, "weight")});
    wg_layer *net = wg_sequence_new(g, WG_LAYERS(encoder, wg_activation_layer_new(g, WG_ACT_TANH), decoder));
    cr_assert_not_null(net, "%s", wg_message(g));
    cr_expect_eq(wg_layer_params(net, 0, NULL), 2);
    cr_expect_eq(wg_layer_params(decoder, 0, NULL), 0);
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(3, 4)), *y = wg_layer_apply(net, x);
    wg_node *code = wg_layer_apply(encoder, wg_scale(x, 0.5)), *again = wg_layer_apply(decoder, code);
    wg_node *loss = wg_add(total(wg_square(wg_sub(y, x))), total(wg_square(again)));
    double   data[12];
    for (int i = 0; i < 12; i++) data[i] = cos(2.0 * i);
    cr_assert_not_null(loss, "%s", wg_message(g));
    expect_gradient(net, loss, x, data);
    cr_expect_eq(wg_param_count(g), 2);
}

/* ---- Sequences ---- */

Test(layers, a_sequence_is_its_layers_one_after_the_other)
{
    wg_layer *a = wg_dense_layer_new(g, WG_F64, 3, 3, "a", &(wg_dense_options){.activation = WG_ACT_TANH});
    wg_layer *b = wg_dense_layer_new(g, WG_F64, 3, 2, "b", NULL), *drop = wg_dropout_layer_new(g, 0.5);
    wg_layer *inner = wg_sequence_new(g, WG_LAYERS(a, drop, a)), *net = wg_sequence_new(g, WG_LAYERS(inner, b));
    wg_node  *p[8] = {NULL}, *x = wg_input(g, "x", WG_F64, WG_SHAPE(2, 3));
    cr_assert_not_null(net, "%s", wg_message(g));
    cr_expect_eq(wg_layer_params(net, 8, p), 4);
    static const char *const names[] = {"a.weight", "a.bias", "b.weight", "b.bias"};
    for (int i = 0; i < 4; i++) {
        cr_expect_str_eq(wg_node_name(p[i]), names[i]);
        cr_expect_eq(wg_layer_find(net, names[i]), p[i]);
    }
    cr_expect_null(p[4]);
    p[1] = NULL;
    cr_expect_eq(wg_layer_params(net, 1, p), 4, "as many as there is room for");
    cr_expect_null(p[1]);
    cr_expect_null(wg_layer_find(net, "weight"));
    cr_expect_str_eq(wg_layer_name(net), "");
    wg_node *y = wg_layer_apply(net, x);
    wg_node *z = wg_layer_apply(b, wg_layer_apply(a, wg_layer_apply(a, x)));
    wg_node *same = wg_layer_apply(wg_sequence_new(g, 0, NULL), x);
    cr_expect_eq(same, x);
    wg_tape *t = wg_compile(g, WG_NODES(y, z), &(wg_options){.evaluate = 1});
    wg_set(t, x, (double[]){1, 2, 3, -1, 0, 1});
    run(t);
    cr_expect_arr_eq(wg_view(t, y), wg_view(t, z), 4 * sizeof(double));
}

/* ---- A layer of a program's own, with state ---- */

struct norm {
    int64_t  features;
    wg_node *mean, *gain;
};
static int make_norm(wg_layer *l, void *data)
{
    struct norm *n = data;
    n->mean = wg_layer_param(l, "mean", WG_F64, WG_SHAPE(n->features), NULL);
    n->gain = wg_layer_param(l, "gain", WG_F64, WG_SHAPE(n->features), &(wg_initializer){.kind = WG_INIT_ONES});
    wg_layer_param(l, "count", WG_I64, WG_SCALAR, NULL);
    return n->mean ? wg_set_role(n->mean, WG_ROLE_STATE) : wg_status(wg_layer_graph(l));
}
static wg_node *apply_norm(wg_layer *l, wg_node *const x[], void *data)
{
    struct norm *n = data;
    wg_node     *mean = wg_mean(x[0], WG_AXES(0), 0), *chosen = wg_where(wg_training(wg_layer_graph(l)), mean, n->mean);
    wg_node     *next = wg_scale(wg_add(n->mean, mean), 0.5), *y = wg_mul(wg_sub(x[0], chosen), n->gain);
    return wg_with_update(y, wg_assign(n->mean, next));
}
static const wg_layer_kind norm = {.name = "norm", .size = sizeof(struct norm), .make = make_norm, .apply = apply_norm};

Test(layers, state_is_kept_and_evaluated)
{
    wg_layer *l = wg_layer_new(g, &norm, "n", &(struct norm){.features = 2});
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(2, 2)), *y = wg_layer_apply(l, x);
    wg_node  *step = wg_minimize(total(wg_square(y)), NULL), *mean = wg_layer_find(l, "mean");
    cr_assert(step && mean, "%s", wg_message(g));
    wg_tape *train = compile(1, &step), *test = wg_compile(g, 1, &y, &(wg_options){.evaluate = 1});
    wg_set(train, x, (double[]){1, 10, 3, 30});
    wg_set(test, x, (double[]){1, 10, 3, 30});
    run(train), run(train), run(test);
    const double *m = wg_param_view(mean), *gain = wg_param_view(wg_layer_find(l, "gain")), *v = wg_view(test, y);
    cr_expect(m[0] == 1.5 && m[1] == 15, "%g %g", m[0], m[1]);
    cr_expect_neq(gain[0], 1, "the gain is trained");
    cr_expect_eq(v[0], (1 - 1.5) * gain[0]);
    cr_expect_eq(wg_layer_data(l, &cell), NULL);
    cr_expect_eq(((struct norm *)wg_layer_data(l, &norm))->mean, mean);
}

/* ---- What is wrong ---- */

static int fails(wg_layer *l, void *data) { return (void)l, (void)data, WG_EARG; }
static int forgets(wg_layer *l, void *data)
{
    (void)data;
    wg_layer_param(l, "w", WG_F32, WG_SHAPE(2), NULL);
    wg_layer_param(l, "w", WG_F32, WG_SHAPE(2), NULL); /* and looks at neither */
    return WG_OK;
}
static wg_node *nothing(wg_layer *l, wg_node *const x[], void *data) { return (void)l, (void)x, (void)data, NULL; }
static wg_node *no_value(wg_layer *l, wg_node *const x[], void *data) { return (void)l, (void)data, wg_group(1, x); }
static const wg_layer_kind failing = {.name = "failing", .make = fails, .apply = nothing},
                           forgetful = {.name = "forgetful", .make = forgets, .apply = nothing},
                           empty = {.name = "empty", .apply = nothing}, odd = {.name = "odd", .apply = no_value},
                           lame = {.name = "lame"};

static void expect_said(const void *what, int status, const char *word)
{
    cr_expect_null(what, "%s", word);
    cr_expect_eq(wg_status(g), status, "%s: %s", word, wg_message(g));
    cr_expect(strstr(wg_message(g), word), "%s: %s", word, wg_message(g));
    wg_clear_error(g);
}

Test(layers, say_what_is_wrong)
{
    wg_graph *h = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(4, 3)), *far = wg_input(h, "far", WG_F32, WG_SHAPE(4, 2));
    wg_layer *l = wg_dense_layer_new(g, WG_F32, 2, 1, "l", NULL), *other = wg_dropout_layer_new(h, 0.5);
    wg_layer *two = wg_layer_new(g, &cell, "c", &(struct cell){2, 3, NULL, NULL});
    wg_layer *first = wg_dense_layer_new(g, WG_F32, 3, 4, "first", NULL);
    wg_layer *net = wg_sequence_new(g, WG_LAYERS(first, l));
    int       params = wg_param_count(g), nodes = g->n;
    expect_said(wg_layer_apply(l, x), WG_ESHAPE, "layer_apply(x[4,3]): the last axis is not that of l.weight[2,1]");
    expect_said(wg_layer_apply(l, far), WG_EARG, "another graph");
    expect_said(wg_layer_apply(two, x), WG_EARG, "cell c takes 2 operands, not 1");
    expect_said(wg_dense_layer_new(g, WG_I32, 2, 1, "i", NULL), WG_EDTYPE, "dense_layer_new: i of i32");
    expect_said(wg_dense_layer_new(g, WG_F32, 2, 1, "l", NULL), WG_EARG, "there is a parameter l.weight already");
    expect_said(wg_dense_layer_new(g, WG_F32, 2, 1, NULL, NULL), WG_EARG, "needs a name");
    expect_said(wg_sequence_new(g, WG_LAYERS(l, NULL)), WG_EARG, "part is NULL");
    expect_said(wg_sequence_new(g, WG_LAYERS(l, other)), WG_EARG, "another graph");
    expect_said(wg_sequence_new(g, WG_LAYERS(l, two)), WG_EARG, "layer 1, c, takes 2 operands");
    expect_said(wg_sequence_new(g, -1, NULL), WG_EARG, "-1 layers");
    expect_said(wg_layer_new(g, &lame, "a", NULL), WG_EARG, "needs a name, apply");
    expect_said(wg_layer_new(g, &failing, "a", NULL), WG_EARG, "layer_new: a of kind failing");
    expect_said(wg_layer_new(g, &forgetful, "a", NULL), WG_EARG, "there is a parameter a.w already");
    expect_said(wg_layer_new(g, &forgetful, NULL, NULL), WG_EARG, "needs a name");
    expect_said(wg_layer_apply(wg_layer_new(g, &empty, NULL, NULL), x), WG_EARG, "empty  gave no node");
    expect_said(wg_layer_apply(wg_layer_new(g, &odd, "o", NULL), x), WG_EARG, "odd o gave a node without a value");
    expect_said(wg_layer_apply(net, x), WG_ESHAPE, "is not that of l.weight[2,1] (in layer l)");
    cr_expect_null(wg_matmul(x, x));
    cr_expect(!strstr(wg_message(g), "in layer"), "%s", wg_message(g));
    wg_clear_error(g);
    expect_said(wg_layer_param(l, "late", WG_F32, WG_SCALAR, NULL), WG_EARG, "in make");
    cr_expect_null(wg_layer_apply(NULL, x));
    cr_expect_null(wg_layer_apply(l, NULL));
    cr_expect_null(wg_dense_layer_new(NULL, WG_F32, 2, 1, "n", NULL));
    cr_expect_null(wg_sequence_new(NULL, 0, NULL));
    cr_expect_null(wg_layer_new(NULL, &empty, NULL, NULL));
    cr_expect_null(wg_layer_find(NULL, "w"));
    cr_expect_null(wg_layer_find(l, "wei"));
    cr_expect_eq(wg_layer_params(NULL, 0, NULL), 0);
    cr_expect_eq(wg_status(g), WG_OK, "NULL gives NULL");
    cr_expect_eq(wg_param_count(g), params);
    cr_expect_eq(g->n, nodes, "and nothing is left");
    wg_graph_free(h);
}

/* ---- Memory that is short ---- */

static wg_node *net_of(wg_node *x)
{
    wg_layer *n = wg_layer_new(g, &norm, "n", &(struct norm){.features = 3});
    wg_layer *a = wg_dense_layer_new(g, WG_F64, 3, 4, "a", &(wg_dense_options){.weight = {.kind = WG_INIT_ORTHOGONAL}});
    wg_layer *s = n && a ? wg_sequence_new(g, WG_LAYERS(n, a, wg_activation_layer_new(g, WG_ACT_GELU))) : NULL;
    return wg_layer_apply(s, x);
}

/* Each call leaves all behind or nothing; so do updates. */
Test(layers, every_allocation_may_fail)
{
    wg_node *y = NULL;
    for (int n = 0; !y; n++) {
        wg_graph_free(g);
        start();
        wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(2, 3));
        alloc_fail_at(n);
        y = net_of(x);
        alloc_restore();
        if (y) break;
        cr_assert_eq(wg_status(g), WG_ENOMEM, "allocation %d: %s", n, wg_message(g));
        cr_assert_eq(g->n_update, 0, "allocation %d leaves an update", n);
        int params = wg_param_count(g);
        cr_assert(params == 0 || params == 3 || params == 5, "allocation %d leaves %d parameters", n, params);
        cr_assert_eq(g->n, 1 + params, "allocation %d leaves a node", n);
    }
    cr_expect_eq(g->n_update, 1);
}

/* One short form or two calls: the same net. */
Test(layers, wg_dense_is_a_layer_applied_once)
{
    float     a[6], b[6];
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(2, 3)), *y = wg_dense(x, 2, "fc");
    wg_graph *h = wg_graph_new();
    wg_layer *l = wg_dense_layer_new(h, WG_F32, 3, 2, "fc", NULL);
    cr_assert(y && l);
    wg_param_get(wg_param_find(g, "fc.weight"), a);
    wg_param_get(wg_layer_find(l, "weight"), b);
    cr_expect_arr_eq(a, b, sizeof a);
    wg_graph_free(h);
}
