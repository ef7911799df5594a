/* A recurrent net whose weights act on each element alone: the gradient of the mean cross entropy of the next
 * character's scores.
 *
 * A layer with weights w and biases b, four of each, takes the input x, its hidden value h and its cell c to
 *
 *   c' = c sigmoid(w0 x + b0) + sigmoid(w1 h + b1) tanh(w3 h + b3),   h' = sigmoid(w2 x + b2) tanh(c'),
 *
 * and h' is the input of the next layer.  The first layer's input is the character times e0; the scores are
 * s = h' e1 + e2, and the logarithms of their probabilities s - log(2 + sum exp s). */
#include <stdlib.h>

#include "adbench.h"

enum { LAYERS = 8, GATES = 4 };

struct net {
    int      layers;
    wg_node *w[LAYERS][GATES], *b[LAYERS][GATES]; /* [bits] */
    wg_node *in, *out, *bias;                     /* [bits] */
    wg_node *h[LAYERS], *c[LAYERS];
};

static wg_node *row_of(wg_node *x, int64_t row) { return wg_squeeze(wg_slice(x, 0, row, row + 1, 1), 0); }

static wg_node *gate(const struct net *n, int layer, int k, wg_node *x)
{
    return wg_add(wg_mul(n->w[layer][k], x), n->b[layer][k]);
}

static wg_node *step_layer(struct net *n, int i, wg_node *x)
{
    wg_node *forget = wg_sigmoid(gate(n, i, 0, x)), *open = wg_sigmoid(gate(n, i, 1, n->h[i]));
    wg_node *show = wg_sigmoid(gate(n, i, 2, x)), *change = wg_tanh(gate(n, i, 3, n->h[i]));
    n->c[i] = wg_add(wg_mul(n->c[i], forget), wg_mul(open, change));
    return n->h[i] = wg_mul(show, wg_tanh(n->c[i]));
}

static void take_weights(struct net *n, wg_node *main, wg_node *extra, wg_node *state, int64_t bits)
{
    for (int i = 0; i < n->layers; i++)
        for (int k = 0; k < GATES; k++) {
            n->w[i][k] = wg_slice(row_of(main, 2 * i), 0, k * bits, (k + 1) * bits, 1);
            n->b[i][k] = wg_slice(row_of(main, 2 * i + 1), 0, k * bits, (k + 1) * bits, 1);
        }
    n->in = row_of(extra, 0);
    n->out = row_of(extra, 1);
    n->bias = row_of(extra, 2);
    for (int i = 0; i < n->layers; i++) {
        n->h[i] = row_of(state, 2 * i);
        n->c[i] = row_of(state, 2 * i + 1);
    }
}

/* Builds all scores one under the other, and from them the loss in one piece. */
static wg_node *build(wg_graph *g, struct net *n, int64_t length, int64_t bits, double *text)
{
    wg_node **row = malloc((size_t)length * sizeof *row);
    if (!row) return NULL;
    for (int64_t t = 0; t + 1 < length; t++) {
        wg_node *x = wg_mul(wg_const(g, WG_F64, WG_SHAPE(bits), text + t * bits), n->in);
        for (int i = 0; i < n->layers; i++) x = step_layer(n, i, x);
        row[t] = wg_unsqueeze(x, 0);
    }
    wg_node *scores = wg_add(wg_mul(wg_concat((int)length - 1, row, 0), n->out), n->bias);
    free(row);
    wg_node *next = wg_const(g, WG_F64, WG_SHAPE(length - 1, bits), text + bits);
    wg_node *norm = wg_log(wg_shift(wg_sum(wg_exp(scores), WG_AXES(1), 1), 2));
    wg_node *fit = wg_sum(wg_mul(next, wg_sub(scores, norm)), WG_ALL_AXES, 0);
    return wg_scale(fit, -1 / (double)((length - 1) * bits));
}

int adbench_lstm(wg_graph *g, struct adbench_numbers *f, struct adbench_problem *p)
{
    struct net n = {0};
    int64_t    layers = adbench_count(f), length = layers ? adbench_count(f) : 0, bits = length ? adbench_count(f) : 0;
    double    *main = bits ? adbench_take(f, 2 * layers * GATES * bits) : NULL;
    double *extra = main ? adbench_take(f, 3 * bits) : NULL, *state = extra ? adbench_take(f, 2 * layers * bits) : NULL;
    double *text = state ? adbench_take(f, length * bits) : NULL;
    if (!text) return -1;
    if (layers > LAYERS) return fprintf(stderr, "%lld layers are too many\n", (long long)layers), -1;
    wg_node *leaf[] = {adbench_param(g, "main", WG_SHAPE(2 * layers, GATES * bits), main),
                       adbench_param(g, "extra", WG_SHAPE(3, bits), extra)};
    n.layers = (int)layers;
    take_weights(&n, leaf[0], leaf[1], wg_const(g, WG_F64, WG_SHAPE(2 * layers, bits), state), bits);
    p->value = build(g, &n, length, bits, text);
    p->n = 2;
    return p->value ? wg_grad(p->value, 2, leaf, p->d) : -1;
}
