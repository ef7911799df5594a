/* The net that the tests train. */
#include <math.h>
#include <stdlib.h>

#include "tape_test.h"

enum { BATCH = 16, PIXELS = 20, HIDDEN = 32, CLASSES = 10 };

struct net net_new(int device, wg_dtype t, unsigned skip)
{
    struct net n = {.g = wg_graph_new()};
    wg_set_seed(n.g, 7);
    n.x = wg_input(n.g, "x", t, WG_SHAPE(BATCH, PIXELS));
    n.label = wg_input(n.g, "label", WG_U8, WG_SHAPE(BATCH));
    wg_node *h = wg_dropout(wg_relu(wg_dense(n.x, HIDDEN, "fc1")), 0.2);
    n.logits = wg_named(wg_dense(h, CLASSES, "fc2"), "logits");
    n.loss = wg_named(wg_softmax_cross_entropy(n.logits, n.label), "loss");
    n.step = wg_minimize(n.loss, &(wg_solver){.kind = WG_SOLVER_ADAM, .rate = 1e-2});
    n.tape = wg_compile(n.g, WG_NODES(n.loss, n.logits, n.step), &(wg_options){.device = device, .skip = skip});
    return n;
}

int net_set(const struct net *n, wg_tape *t, int i)
{
    double   x[BATCH * PIXELS];
    float    f[BATCH * PIXELS];
    uint8_t  label[BATCH];
    unsigned s = 1 + (unsigned)i % 7;
    for (int k = 0; k < BATCH * PIXELS; k++) {
        s = s * 1664525u + 1013904223u;
        f[k] = (float)(s >> 8) / (1 << 24) - 0.5f;
        x[k] = f[k];
    }
    for (int k = 0; k < BATCH; k++) label[k] = (uint8_t)((k * 3 + i % 7) % CLASSES);
    int status = wg_set(t, n->x, wg_node_dtype(n->x) == WG_F64 ? (void *)x : f);
    return status ? status : wg_set(t, n->label, label);
}

int net_step(const struct net *n, int i)
{
    int status = net_set(n, n->tape, i);
    return status ? status : wg_run(n->tape);
}

static double element(wg_dtype t, const void *p, int64_t i)
{
    return t == WG_F64 ? ((const double *)p)[i] : ((const float *)p)[i];
}

double net_difference(const struct net *a, const struct net *b)
{
    double worst = 0;
    for (int i = 0; i < wg_param_count(a->g); i++) {
        const wg_node *p = wg_param_at(a->g, i), *q = wg_param_at(b->g, i);
        const void    *u = wg_param_view(p), *v = wg_param_view(q);
        wg_dtype       t = wg_node_dtype(p);
        if (!u || !v) return INFINITY;
        for (int64_t k = 0; k < wg_count(wg_node_shape(p)) && (t == WG_F32 || t == WG_F64); k++) {
            double d = fabs(element(t, u, k) - element(t, v, k)) / (1 + fabs(element(t, u, k)));
            if (!(d <= worst)) worst = d;
        }
    }
    return worst;
}
