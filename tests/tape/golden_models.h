/* golden_models.h - the graphs whose tapes are printed (test_golden.c), and
 * whose loops NVRTC compiles (tests/cuda/nvrtc).  Each builder gives its
 * outputs in out, how many they are, or 0 with an error on the graph. */
#ifndef WENGERT_TESTS_GOLDEN_MODELS_H
#define WENGERT_TESTS_GOLDEN_MODELS_H

#include <stdio.h>

#include <wengert/graph.h>

enum { GOLDEN_OUTPUTS = 4 };

static wg_node *golden_dense(wg_node *x, int64_t out, const char *name)
{
    char      w[32], b[32];
    wg_graph *g = wg_node_graph(x);
    snprintf(w, sizeof w, "%s.w", name), snprintf(b, sizeof b, "%s.b", name);
    wg_node *weight = wg_param(g, w, WG_F32, WG_SHAPE(wg_node_shape(x)->dim[1], out));
    wg_node *bias = wg_param(g, b, WG_F32, WG_SHAPE(out));
    wg_node *product = wg_matmul(x, weight);
    return wg_add(product, bias);
}

static wg_node *golden_logits(wg_graph *g, double drop)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(32, 20));
    wg_node *h = wg_named(wg_relu(golden_dense(x, 16, "fc1")), "h");
    return wg_named(golden_dense(wg_dropout(h, drop), 10, "fc2"), "logits");
}

static wg_node *golden_loss(wg_node *y)
{
    wg_node *label = wg_input(wg_node_graph(y), "label", WG_I32, WG_SHAPE(32));
    return wg_named(wg_softmax_cross_entropy(y, label), "loss");
}

/* p <- p - 0.1 d, for every parameter */
static wg_node *golden_sgd(wg_node *loss)
{
    wg_node  *p[8], *d[8], *step[8];
    wg_graph *g = wg_node_graph(loss);
    int       n = wg_param_count(g);
    for (int i = 0; i < n; i++) p[i] = wg_param_at(g, i);
    if (wg_grad(loss, n, p, d)) return NULL;
    for (int i = 0; i < n; i++) step[i] = wg_assign(p[i], wg_sub(p[i], wg_scale(d[i], 0.1)));
    return wg_group(n, step);
}

/* Kingma & Ba 2015, without the correction of the first steps */
static wg_node *golden_adam(wg_node *loss, wg_node *p)
{
    wg_graph       *g = wg_node_graph(loss);
    const wg_shape *s = wg_node_shape(p);
    wg_node        *m = wg_param(g, "m", WG_F32, *s), *v = wg_param(g, "v", WG_F32, *s), *d;
    if (wg_grad(loss, 1, &p, &d)) return NULL;
    wg_node *m_old = wg_scale(m, 0.9), *v_old = wg_scale(v, 0.999);
    wg_node *m_next = wg_add(m_old, wg_scale(d, 0.1)), *v_next = wg_add(v_old, wg_scale(wg_square(d), 0.001));
    wg_node *root = wg_shift(wg_sqrt(v_next), 1e-8);
    wg_node *p_next = wg_sub(p, wg_div(wg_scale(m_next, 0.001), root));
    wg_node *step[] = {wg_assign(p, p_next), wg_assign(m, m_next), wg_assign(v, v_next)};
    return wg_group(3, step);
}

/* ---- Tapes ---- */

static int golden_scalar(wg_graph *g, wg_node *out[])
{
    wg_node *x = wg_input(g, "x", WG_F64, WG_SCALAR), *y = wg_input(g, "y", WG_F64, WG_SCALAR);
    out[0] = wg_add(x, y);
    return wg_grad(out[0], 2, (wg_node *[]){x, y}, out + 1) ? 0 : 3;
}

static int golden_mlp_forward(wg_graph *g, wg_node *out[])
{
    out[0] = wg_softmax(golden_logits(g, 0), 1);
    return 1;
}

static int golden_mlp_sgd(wg_graph *g, wg_node *out[])
{
    out[0] = golden_loss(golden_logits(g, 0));
    return (out[1] = golden_sgd(out[0])) ? 2 : 0;
}

static int golden_mlp_adam(wg_graph *g, wg_node *out[])
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(32, 20)), *y = wg_input(g, "y", WG_F32, WG_SHAPE(32, 4));
    wg_node *w = wg_param(g, "w", WG_F32, WG_SHAPE(20, 4));
    out[0] = wg_mse(wg_matmul(x, w), y);
    return (out[1] = golden_adam(out[0], w)) ? 2 : 0;
}

static int golden_dropout_train(wg_graph *g, wg_node *out[])
{
    out[0] = golden_loss(golden_logits(g, 0.5));
    return (out[1] = golden_sgd(out[0])) ? 2 : 0;
}

static int golden_dropout_evaluate(wg_graph *g, wg_node *out[])
{
    out[0] = golden_loss(golden_logits(g, 0.5));
    return 1;
}

/* (x - mean) / sqrt(variance + 1e-5) gain + shift, over the last axis, and its gradient */
static int golden_layer_norm(wg_graph *g, wg_node *out[])
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(32, 20));
    wg_node *gain = wg_param(g, "gain", WG_F32, WG_SHAPE(20)), *shift = wg_param(g, "shift", WG_F32, WG_SHAPE(20));
    wg_node *centred = wg_sub(x, wg_mean(x, WG_AXES(1), 1));
    wg_node *variance = wg_mean(wg_square(centred), WG_AXES(1), 1);
    wg_node *scaled = wg_mul(centred, wg_rsqrt(wg_shift(variance, 1e-5)));
    wg_node *loss;
    out[0] = wg_add(wg_mul(scaled, gain), shift);
    loss = wg_sum(wg_square(out[0]), WG_ALL_AXES, 0);
    return wg_grad(loss, 3, (wg_node *[]){x, gain, shift}, out + 1) ? 0 : 4;
}

static const struct golden {
    const char *name;
    int (*build)(wg_graph *g, wg_node *out[GOLDEN_OUTPUTS]);
    wg_options options;
} golden[] = {
    {.name = "scalar", .build = golden_scalar},
    {.name = "mlp_forward", .build = golden_mlp_forward},
    {.name = "mlp_sgd", .build = golden_mlp_sgd},
    {.name = "mlp_sgd_plain",
     .build = golden_mlp_sgd,
     .options = {.skip = WG_SKIP_REWRITE | WG_SKIP_MERGE | WG_SKIP_FUSE | WG_SKIP_REUSE}},
    {.name = "adam", .build = golden_mlp_adam},
    {.name = "dropout_train", .build = golden_dropout_train},
    {.name = "dropout_evaluate", .build = golden_dropout_evaluate, .options = {.evaluate = 1}},
    {.name = "layer_norm", .build = golden_layer_norm},
};
enum { GOLDENS = sizeof golden / sizeof *golden };

#endif
