/* Layers and penalties: functions that build nodes. */
#include <stdlib.h>
#include <string.h>

#include "grad/grad_impl.h"
#include "train/train_impl.h"

wg_node *wg__param_printed(wg_graph *g, wg_dtype t, const wg_shape *s, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    char *name = n < 0 ? NULL : malloc((size_t)n + 1);
    if (!name) return wg__fail_nomem(g), NULL;
    va_start(ap, format);
    vsnprintf(name, (size_t)n + 1, format, ap);
    va_end(ap);
    wg_node *p = wg_param(g, name, t, *s);
    free(name);
    return p;
}

/* ---- Dense ---- */

static wg_node *linear(wg_node *x) { return x; }

static wg_node *(*const activation[])(wg_node *) = {
    [WG_LINEAR] = linear, [WG_RELU] = wg_relu, [WG_TANH] = wg_tanh, [WG_SIGMOID] = wg_sigmoid, [WG_GELU] = wg_gelu,
};
enum { ACTIVATIONS = sizeof activation / sizeof *activation };

/* Whether an input of the layer is real and has a last axis of known size. */
static bool check_input(const wg_node *x, const char *who, const char *name)
{
    char text[160];
    int  rank = x->shape->rank;
    wg__node_str(x, text, sizeof text);
    if (!(WG_BIT(x->dtype) & WG_REALS))
        wg__fail(x->g, WG_EDTYPE, "%s(%s): %s: the input is %s, not f32 or f64", who, text, name,
                 wg_dtype_name((wg_dtype)x->dtype));
    else if (!rank || !wg_dim_known(x->shape->dim[rank - 1]))
        wg__fail(x->g, WG_ESHAPE, "%s(%s): %s: the input needs a last axis of known size", who, text, name);
    else return true;
    return false;
}

static bool check_layer(wg_graph *g, wg_dtype t, int64_t in, int64_t units, const char *name, const wg_dense_options *o)
{
    if (!name || !*name) wg__fail(g, WG_EARG, "dense: the layer needs a name");
    else if (!(WG_BIT(t) & WG_REALS) || !wg_dtype_size(t))
        wg__fail(g, WG_EDTYPE, "dense: %s of %s: only f32 and f64 can be learned", name, wg_dtype_name(t));
    else if (in < 0 || units < 1)
        wg__fail(g, WG_EARG, "dense: %s has %lld inputs and %lld units", name, (long long)in, (long long)units);
    else if ((unsigned)o->activation >= ACTIVATIONS)
        wg__fail(g, WG_EARG, "dense: %s: %d is no activation", name, (int)o->activation);
    else return true;
    return false;
}

/* "fc1.weight" of two layers: says how one layer is applied twice. */
static bool check_unused(wg_graph *g, const char *name)
{
    size_t n = strlen(name);
    for (int i = 0; i < g->n_param; i++) {
        const char *p = g->param[i]->name;
        if (strncmp(p, name, n) != 0 || (strcmp(p + n, ".weight") != 0 && strcmp(p + n, ".bias") != 0)) continue;
        wg__fail(g, WG_EARG,
                 "dense: there is a parameter %s already: to apply one layer to several inputs, make it "
                 "with wg_dense_new and apply it with wg_dense_apply",
                 p);
        return false;
    }
    return true;
}

static wg_node *drawn(wg_node *p, const wg_initializer *init) { return p && wg_init(p, init) == WG_OK ? p : NULL; }

/* One matrix product whatever the rank: leading axes become rows, so that the
 * weight's gradient is one product too. */
static wg_node *as_rows(wg_node *x, int64_t in)
{
    return x->shape->rank == 2 ? x : wg_reshape(x, wg_shape_make(2, (int64_t[]){WG_AUTO, in}));
}

static wg_node *as_before(wg_node *y, const wg_shape *x, int64_t units)
{
    wg_shape s = *x;
    s.dim[s.rank - 1] = units;
    return s.rank == 2 || !y ? y : wg_reshape(y, s);
}

static bool make_layer(wg_graph *g, wg_dtype t, int64_t in, int64_t units, const char *name,
                       const wg_dense_options *options, wg_dense_layer *l)
{
    wg_dense_options o = options ? *options : (wg_dense_options){0};
    *l = (wg_dense_layer){.activation = o.activation};
    if (!check_layer(g, t, in, units, name, &o) || !check_unused(g, name)) return false;
    wg_shape matrix = wg_shape_make(2, (int64_t[]){in, units}), row = wg_shape_make(1, &units);
    l->weight = drawn(wg__param_printed(g, t, &matrix, "%s.weight", name), &o.weight);
    if (l->weight && !o.no_bias) l->bias = drawn(wg__param_printed(g, t, &row, "%s.bias", name), &o.bias);
    return l->weight && (o.no_bias || l->bias);
}

int wg_dense_new(wg_graph *g, wg_dtype t, int64_t in, int64_t units, const char *name, const wg_dense_options *options,
                 wg_dense_layer *layer)
{
    struct wg__aside aside;
    *layer = (wg_dense_layer){0};
    if (!g) return WG_EARG;
    wg__error_aside(g, &aside);
    const char     *outer = wg__enter(g, "dense_new");
    struct wg__mark before = wg__mark(g);
    if (!make_layer(g, t, in, units, name, options, layer)) {
        wg__undo(g, &before);
        *layer = (wg_dense_layer){0};
    }
    wg__leave(g, outer, NULL);
    return wg__error_back(g, &aside);
}

wg_node *wg_dense_apply(const wg_dense_layer *l, wg_node *x)
{
    char a[160], b[160];
    if (!x || !l || !l->weight || !check_input(x, "dense_apply", wg_node_name(l->weight))) return NULL;
    const int64_t *w = l->weight->shape->dim;
    if (x->shape->dim[x->shape->rank - 1] != w[0])
        return wg__fail(x->g, WG_ESHAPE, "dense_apply(%s): the last axis is not that of %s",
                        wg__node_str(x, a, sizeof a), wg__node_str(l->weight, b, sizeof b)),
               NULL;
    const char     *outer = wg__enter(x->g, "dense_apply");
    struct wg__mark before = wg__mark(x->g);
    wg_node        *y = wg_matmul(as_rows(x, w[0]), l->weight);
    if (l->bias) y = wg_add(y, l->bias);
    y = as_before(activation[l->activation](y), x->shape, w[1]);
    if (!y) wg__undo(x->g, &before);
    return wg__leave(x->g, outer, y);
}

wg_node *wg_dense_with(wg_node *x, int64_t units, const char *name, const wg_dense_options *options)
{
    wg_dense_layer l;
    wg_node       *y = NULL;
    if (!x || !check_input(x, "dense", name ? name : "")) return NULL;
    const char     *outer = wg__enter(x->g, "dense");
    struct wg__mark before = wg__mark(x->g);
    int64_t         in = x->shape->dim[x->shape->rank - 1];
    if (make_layer(x->g, (wg_dtype)x->dtype, in, units, name, options, &l)) y = wg_dense_apply(&l, x);
    if (!y) wg__undo(x->g, &before);
    return wg__leave(x->g, outer, y);
}

wg_node *wg_dense(wg_node *x, int64_t units, const char *name) { return wg_dense_with(x, units, name, NULL); }

/* ---- Penalties ---- */

static const wg_axes every_axis = {.n = -1};

static wg_node *sum_of(int n, wg_node *const x[], wg_node *(*f)(wg_node *))
{
    wg_node *total = NULL;
    for (int i = 0; i < n; i++) {
        wg_node *term = wg_sum(f(x[i]), every_axis, 0);
        if (!term) return NULL;
        total = total ? wg_add(total, term) : term;
    }
    return total;
}

static wg_graph *graph_of(int n, wg_node *const x[]) { return n > 0 && x ? wg_node_graph(x[0]) : NULL; }

/* Whether there are nodes to sum up. */
static bool check_list(const char *who, int n, wg_node *const x[])
{
    if (n < 1) wg__fail(NULL, WG_EARG, "%s: there are no nodes", who);
    return n > 0 && wg__lacks_list(NULL, who, n, "x", x) == WG_OK;
}

wg_node *wg_l1_penalty(int n, wg_node *const x[])
{
    if (!check_list("l1_penalty", n, x)) return NULL;
    const char *outer = wg__enter(graph_of(n, x), "l1_penalty");
    return wg__leave(graph_of(n, x), outer, sum_of(n, x, wg_abs));
}
wg_node *wg_l2_penalty(int n, wg_node *const x[])
{
    if (!check_list("l2_penalty", n, x)) return NULL;
    const char *outer = wg__enter(graph_of(n, x), "l2_penalty");
    wg_node    *s = sum_of(n, x, wg_square);
    return wg__leave(graph_of(n, x), outer, s ? wg_scale(s, 0.5) : NULL);
}
