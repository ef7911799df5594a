/* Random graphs of products, biases, activations, sums and softmax with their
 * gradients, which ask for every way that a product is done: on the device as on
 * the CPU.  WG_CUDA_GRAPHS: how many. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cuda/tape/tape_test.h"

enum { GRAPHS = 150, STEPS = 36, POOL = 64, INPUTS = 4, BIASES = 2, OUT = 16, MOST = 16 * 16 };

struct random_net {
    wg_graph *g;
    unsigned  state;
    wg_node  *pool[POOL], *in[INPUTS + BIASES], *out[OUT];
    int       n, n_out;
};

static unsigned below(struct random_net *r, unsigned n)
{
    r->state = r->state * 1664525u + 1013904223u;
    return (r->state >> 8) % n;
}
static wg_node *any(struct random_net *r) { return r->pool[below(r, (unsigned)r->n)]; }
static int64_t  dim(const wg_node *x, int axis) { return wg_node_shape(x)->dim[axis]; }
static void     put(struct random_net *r, wg_node *x)
{
    if (x && r->n < POOL) r->pool[r->n++] = x;
}

/* A product of x with whatever fits, with a bias and an activation or not; small either way. */
static wg_node *layer(struct random_net *r, wg_node *x)
{
    for (int k = 0; k < 6; k++) {
        wg_node *y = any(r);
        int      ta = (int)below(r, 2), tb = (int)below(r, 2);
        if (dim(x, !ta) != dim(y, tb)) continue;
        wg_node *z = wg_matmul_t(wg_scale(x, 0.25), y, ta, tb);
        for (int b = 0; b < BIASES && below(r, 3); b++)
            if (dim(r->in[INPUTS + b], 0) == dim(z, 1)) z = wg_add(z, r->in[INPUTS + b]);
        unsigned kind = below(r, 4);
        z = kind == 0 ? wg_relu(z) : kind == 1 ? wg_gelu_tanh(z) : z;
        put(r, z);
        return wg_tanh(z);
    }
    return wg_transpose(x, WG_ALL_AXES);
}

static wg_node *next(struct random_net *r)
{
    wg_node *x = any(r);
    switch (below(r, 9)) {
    case 0: return wg_relu(x);
    case 1: return wg_gelu_tanh(x);
    case 2: return wg_mul(x, wg_step(x));
    case 3: return wg_add(wg_tanh(x), wg_tanh(wg_sum(x, WG_AXES((int)below(r, 2)), 1)));
    case 4: return wg_softmax(x, 1);
    case 5: return wg_tanh(x);
    default: return layer(r, x);
    }
}

static void make(struct random_net *r, unsigned seed)
{
    static const int64_t size[] = {8, 16, 9};
    wg_node             *loss = NULL, *dx[INPUTS + BIASES];
    char                 name[16];
    *r = (struct random_net){.g = wg_graph_new(), .state = seed * 7919u + 1};
    for (int i = 0; i < INPUTS; i++) {
        snprintf(name, sizeof name, "in%d", i);
        put(r, r->in[i] = wg_input(r->g, name, WG_F32, WG_SHAPE(size[below(r, 3)], size[below(r, 3)])));
    }
    for (int i = 0; i < BIASES; i++) {
        snprintf(name, sizeof name, "bias%d", i);
        r->in[INPUTS + i] = wg_input(r->g, name, WG_F32, WG_SHAPE(size[i]));
    }
    for (int k = 0; k < STEPS; k++) put(r, next(r));
    for (int k = 0; k < 3; k++) {
        wg_node *term =
            wg_mean(wg_square(wg_tanh(r->pool[r->n - 1 - (int)below(r, (unsigned)r->n / 2)])), WG_ALL_AXES, 0);
        loss = loss ? wg_add(loss, term) : term;
    }
    r->out[r->n_out++] = loss;
    for (int i = 0; i < INPUTS + BIASES; i++)
        if (!wg_grad(loss, 1, &r->in[i], &dx[i])) r->out[r->n_out++] = dx[i];
        else wg_clear_error(r->g); /* the loss does not know it */
    for (int k = 0; k < 3; k++) r->out[r->n_out++] = any(r);
}

static bool set(struct random_net *r, wg_tape *a, wg_tape *b)
{
    float v[MOST];
    for (int i = 0; i < INPUTS + BIASES; i++) {
        if (!wg_tape_shape(a, r->in[i])) continue;
        for (int k = 0; k < MOST; k++) v[k] = (float)below(r, 1 << 20) / (1 << 19) - 1;
        if (wg_set(a, r->in[i], v) || wg_set(b, r->in[i], v)) return false;
    }
    return true;
}

/* The largest difference of an output, of those that are not small in relation to the largest value. */
static double difference(const struct random_net *r, wg_tape *a, wg_tape *b)
{
    double worst = 0;
    for (int k = 0; k < r->n_out; k++) {
        const float *p = wg_view(a, r->out[k]), *q = wg_view(b, r->out[k]);
        double       most = 1;
        int64_t      n = p && q ? wg_count(wg_node_shape(r->out[k])) : 0;
        if (!n) return INFINITY;
        for (int64_t i = 0; i < n; i++) most = fmax(most, fabs((double)p[i]));
        for (int64_t i = 0; i < n; i++) {
            double d = fabs((double)p[i] - (double)q[i]) / most;
            if (!(d <= worst)) worst = d;
        }
    }
    return worst;
}

/* Twice captured or replayed, once step by step. */
static double one(unsigned seed)
{
    struct random_net r;
    make(&r, seed);
    wg_options o = {.device = WG_DEVICE_CUDA(0), .skip = seed % 5 == 4 ? WG_SKIP_REUSE : 0};
    wg_tape   *a = wg_compile(r.g, r.n_out, r.out, NULL), *b = wg_compile(r.g, r.n_out, r.out, &o);
    double     worst = a && b ? 0 : INFINITY;
    for (int run = 0; run < 3 && worst < INFINITY; run++) {
        if (run == 2) wg_trace(b, 1);
        double d = set(&r, a, b) && !wg_run(a) && !wg_run(b) ? difference(&r, a, b) : INFINITY;
        if (!(d <= worst)) worst = d;
    }
    if (!(worst < INFINITY)) tap_note("%s; %s", wg_message(r.g), wg_tape_message(b));
    wg_graph_free(r.g);
    return worst;
}

void test_random(void)
{
    const char *asked = getenv("WG_CUDA_GRAPHS");
    unsigned    n = asked ? (unsigned)atoi(asked) : GRAPHS;
    double      worst = 0;
    bool        ok = n > 0;
    for (unsigned seed = 0; seed < n && ok; seed++) {
        double d = one(seed);
        if (!(d <= worst)) worst = d;
        ok = d < 2e-5 && clean();
        if (!ok) tap_note("graph %u differs by %g", seed, d);
    }
    tap_note("the largest difference of %u graphs is %g", n, worst);
    tap(ok, "random graphs and their gradients: as on the CPU");
}
