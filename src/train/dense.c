/* The dense layer, activation(x W + b), and activations alone. */
#include <string.h>

#include "train/train_impl.h"

/* ---- Activations ---- */

static wg_node *linear(wg_node *x) { return x; }

static wg_node *(*const activation[])(wg_node *) = {
    [WG_ACT_LINEAR] = linear,      [WG_ACT_RELU] = wg_relu, [WG_ACT_TANH] = wg_tanh,
    [WG_ACT_SIGMOID] = wg_sigmoid, [WG_ACT_GELU] = wg_gelu,
};
enum { ACTIVATIONS = sizeof activation / sizeof *activation };

static bool is_activation(enum wg_activation a) { return (unsigned)a < ACTIVATIONS; }

static wg_node *apply_activation(wg_layer *l, wg_node *const x[], void *data)
{
    (void)l;
    return activation[*(const enum wg_activation *)data](x[0]);
}

static const wg_layer_kind activation_kind = {
    .name = "activation", .size = sizeof(enum wg_activation), .apply = apply_activation};

wg_layer *wg_activation_layer_new(wg_graph *g, enum wg_activation a)
{
    if (!g) return NULL;
    if (!is_activation(a)) return wg__fail(g, WG_EARG, "activation_layer_new: %d is no activation", (int)a), NULL;
    return wg_layer_new(g, &activation_kind, NULL, &a);
}

/* ---- Dense ---- */

struct dense {
    wg_dtype         t;
    int64_t          in, units;
    wg_dense_options options;
    wg_node         *weight, *bias; /* bias NULL: none */
};

/* Refuses the name of a layer whose parameters ("fc1.weight") exist: the message says how to apply one layer twice. */
static bool check_unused(wg_graph *g, const char *name)
{
    size_t n = strlen(name);
    for (int i = 0; i < g->n_param; i++) {
        const char *p = g->param[i]->name;
        if (strncmp(p, name, n) != 0 || (strcmp(p + n, ".weight") != 0 && strcmp(p + n, ".bias") != 0)) continue;
        wg__fail(g, WG_EARG,
                 "there is a parameter %s already: to apply one layer to several inputs, make it with "
                 "wg_dense_layer_new and apply it with wg_layer_apply",
                 p);
        return false;
    }
    return true;
}

static bool check_layer(wg_graph *g, const char *name, const struct dense *d)
{
    char text[96];
    if (!*name) wg__fail(g, WG_EARG, "the layer needs a name");
    else if (!wg_dtype_size(d->t) || !(WG_DTYPE_BIT(d->t) & WG_DTYPE_REALS))
        wg__fail(g, WG_EDTYPE, "%s of %s: only f32 and f64 can be learned", name, wg_dtype_name(d->t));
    else if (!wg_dim_known(d->in))
        wg__fail(g, WG_ESHAPE, "%s: the number of inputs is %s, and a weight needs a size that is known", name,
                 wg_dim_name(g, d->in, text, sizeof text));
    else if (d->in < 0 || d->units < 1)
        wg__fail(g, WG_EARG, "%s has %lld inputs and %lld units", name, (long long)d->in, (long long)d->units);
    else if (!is_activation(d->options.activation))
        wg__fail(g, WG_EARG, "%s: %d is no activation", name, (int)d->options.activation);
    else return check_unused(g, name);
    return false;
}

static int make_dense(wg_layer *l, void *data)
{
    struct dense *d = data;
    wg_graph     *g = wg_layer_graph(l);
    if (!check_layer(g, wg_layer_name(l), d)) return wg_status(g);
    wg_shape matrix = wg_shape_make(2, (int64_t[]){d->in, d->units}), row = wg_shape_make(1, &d->units);
    d->weight = wg_layer_param(l, "weight", d->t, matrix, &d->options.weight);
    if (d->weight && !d->options.no_bias) d->bias = wg_layer_param(l, "bias", d->t, row, &d->options.bias);
    return WG_OK;
}

/* Checks that an input of the layer is real and has a last axis of known size. */
static bool check_input(const wg_node *x, const char *name)
{
    char text[160];
    int  rank = x->shape->rank;
    wg__node_str(x, text, sizeof text);
    if (!(WG_DTYPE_BIT(x->dtype) & WG_DTYPE_REALS))
        wg__fail(x->g, WG_EDTYPE, "%s(%s): %s: the input is %s, not f32 or f64", x->g->call, text, name,
                 wg_dtype_name((wg_dtype)x->dtype));
    else if (!rank || !wg_dim_known(x->shape->dim[rank - 1]))
        wg__fail(x->g, WG_ESHAPE, "%s(%s): %s: the input needs a last axis of known size", x->g->call, text, name);
    else return true;
    return false;
}

/* Reshapes x to rows of `in` elements.  So any rank takes one matrix product, and the weight's gradient takes one
 * too. */
static wg_node *to_rows(wg_node *x, int64_t in)
{
    return x->shape->rank == 2 ? x : wg_reshape(x, wg_shape_make(2, (int64_t[]){WG_DIM_AUTO, in}));
}

static wg_node *restore_axes(wg_node *y, const wg_shape *x, int64_t units)
{
    wg_shape s = *x;
    s.dim[s.rank - 1] = units;
    return s.rank == 2 || !y ? y : wg_reshape(y, s);
}

static wg_node *apply_dense(wg_layer *l, wg_node *const x[], void *data)
{
    char                a[160], b[160];
    const struct dense *d = data;
    const wg_shape     *s = x[0]->shape;
    if (!check_input(x[0], wg_layer_name(l))) return NULL;
    if (s->dim[s->rank - 1] != d->in)
        return wg__fail(x[0]->g, WG_ESHAPE, "%s(%s): the last axis is not that of %s", x[0]->g->call,
                        wg__node_str(x[0], a, sizeof a), wg__node_str(d->weight, b, sizeof b)),
               NULL;
    wg_node *y = wg_matmul(to_rows(x[0], d->in), d->weight);
    if (d->bias) y = wg_add(y, d->bias);
    return restore_axes(activation[d->options.activation](y), s, d->units);
}

static const wg_layer_kind dense_kind = {
    .name = "dense", .size = sizeof(struct dense), .make = make_dense, .apply = apply_dense};

wg_layer *wg_dense_layer_new(wg_graph *g, wg_dtype t, int64_t in, int64_t units, const char *name,
                             const wg_dense_options *options)
{
    struct dense d = {.t = t, .in = in, .units = units};
    char         why[160];
    const char  *outer = wg__enter(g, "dense_layer_new");
    wg_layer    *l = NULL;
    if (wg__options_read(&d.options, sizeof d.options, options, why)) l = wg_layer_new(g, &dense_kind, name, &d);
    else if (g) wg__fail(g, WG_EARG, "%s: %s", g->call, why);
    wg__leave(g, outer, NULL);
    return l;
}

wg_node *wg_dense_with(wg_node *x, int64_t units, const char *name, const wg_dense_options *options)
{
    wg_node *y = NULL;
    if (!x) return NULL;
    const char     *outer = wg__enter(x->g, "dense");
    struct wg__mark before = wg__mark(x->g);
    if (check_input(x, name ? name : "")) {
        int64_t   in = x->shape->dim[x->shape->rank - 1];
        wg_layer *l = wg_dense_layer_new(x->g, (wg_dtype)x->dtype, in, units, name, options);
        y = wg_layer_apply(l, x);
    }
    if (!y) wg__undo(x->g, &before);
    return wg__leave(x->g, outer, y);
}

wg_node *wg_dense(wg_node *x, int64_t units, const char *name) { return wg_dense_with(x, units, name, NULL); }
