/* Layers and penalties: functions that build nodes. */
#include <stdlib.h>

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

static bool check(wg_node *x, int64_t units, const char *name, const wg_dense_options *o)
{
    char        text[160];
    wg_graph   *g = x->g;
    int         rank = x->shape->rank;
    const char *what = wg__node_str(x, text, sizeof text);
    if (!name || !*name) wg__fail(g, WG_EARG, "dense(%s): the layer needs a name", what);
    else if (units < 1) wg__fail(g, WG_EARG, "dense(%s): %s has %lld units", what, name, (long long)units);
    else if ((unsigned)o->activation >= ACTIVATIONS)
        wg__fail(g, WG_EARG, "dense(%s): %s: %d is no activation", what, name, (int)o->activation);
    else if (!(WG_BIT(x->dtype) & WG_REALS))
        wg__fail(g, WG_EDTYPE, "dense(%s): %s: the input is %s, not f32 or f64", what, name, wg_dtype_name(x->dtype));
    else if (!rank || !wg_dim_known(x->shape->dim[rank - 1]))
        wg__fail(g, WG_ESHAPE, "dense(%s): %s: the input needs a last axis of known size", what, name);
    else return true;
    return false;
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
    return s.rank == 2 ? y : wg_reshape(y, s);
}

wg_node *wg_dense_with(wg_node *x, int64_t units, const char *name, const wg_dense_options *options)
{
    wg_dense_options o = options ? *options : (wg_dense_options){0};
    if (!x || !check(x, units, name, &o)) return NULL;
    int64_t  in = x->shape->dim[x->shape->rank - 1];
    wg_shape matrix = wg_shape_make(2, (int64_t[]){in, units}), row = wg_shape_make(1, &units);
    wg_node *w = drawn(wg__param_printed(x->g, (wg_dtype)x->dtype, &matrix, "%s.weight", name), &o.weight);
    wg_node *b = NULL;
    if (w && !o.no_bias) {
        b = drawn(wg__param_printed(x->g, (wg_dtype)x->dtype, &row, "%s.bias", name), &o.bias);
        if (!b) return NULL;
    }
    if (!w) return NULL;
    wg_node *y = wg_matmul(as_rows(x, in), w);
    if (b) y = wg_add(y, b);
    return as_before(activation[o.activation](y), x->shape, units);
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

wg_node *wg_l1_penalty(int n, wg_node *const x[]) { return sum_of(n, x, wg_abs); }
wg_node *wg_l2_penalty(int n, wg_node *const x[])
{
    wg_node *s = sum_of(n, x, wg_square);
    return s ? wg_scale(s, 0.5) : NULL;
}
