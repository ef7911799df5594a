/* Random tensors.  The attribute seed is not kept: values are a function of the
 * graph's seed, the node and the run, as those of every random node here. */
#include "onnx/import/import.h"

/* Reads shape and dtype from attributes. */
static bool by_attr(struct wg__in *c, wg_dtype *t, wg_shape *s)
{
    struct wg__ints list;
    if (!wg__attr_has(c, "shape")) return wg__malformed(c, "no attribute 'shape'"), false;
    *t = wg__attr_dtype(c, "dtype", WG_F32);
    return *t != WG_DTYPES && wg__attr_ints(c, "shape", &list) && wg__in_shape(c, &list, s);
}

/* Takes the shape of x, and its dtype unless an attribute says another. */
static bool by_input(struct wg__in *c, const wg_node *x, wg_dtype *t, wg_shape *s)
{
    *s = *wg_node_shape(x);
    *t = wg__attr_dtype(c, "dtype", wg_node_dtype(x));
    return *t != WG_DTYPES;
}

typedef wg_node *drawer(struct wg__in *c, wg_dtype t, wg_shape s);

static wg_node *normal(struct wg__in *c, wg_dtype t, wg_shape s)
{
    double mean = wg__attr_real(c, "mean", 0), scale = wg__attr_real(c, "scale", 1);
    return wg_normal(c->g, t, s, mean, scale);
}

static wg_node *uniform(struct wg__in *c, wg_dtype t, wg_shape s)
{
    double low = wg__attr_real(c, "low", 0), high = wg__attr_real(c, "high", 1);
    return wg_uniform(c->g, t, s, low, high);
}

static int draw(struct wg__in *c, drawer *f)
{
    wg_dtype t;
    wg_shape s;
    return by_attr(c, &t, &s) ? wg__out_node(c, 0, f(c, t, s)) : WG_EARG;
}

static int draw_like(struct wg__in *c, drawer *f)
{
    wg_dtype t;
    wg_shape s;
    wg_node *x = wg__in_node(c, 0);
    if (!x) return wg__out_node(c, 0, NULL);
    return by_input(c, x, &t, &s) ? wg__out_node(c, 0, f(c, t, s)) : WG_EARG;
}

static int random_normal(struct wg__in *c) { return draw(c, normal); }
static int random_uniform(struct wg__in *c) { return draw(c, uniform); }
static int random_normal_like(struct wg__in *c) { return draw_like(c, normal); }
static int random_uniform_like(struct wg__in *c) { return draw_like(c, uniform); }

/* 1 with probability x */
static int bernoulli(struct wg__in *c)
{
    wg_dtype t;
    wg_shape s;
    wg_node *x = wg__in_node(c, 0);
    if (!x) return wg__out_node(c, 0, NULL);
    if (!by_input(c, x, &t, &s)) return WG_EARG;
    wg_node *u = wg_uniform(c->g, wg_node_dtype(x), s, 0, 1);
    return wg__out_node(c, 0, wg_cast(wg_less(u, x), t));
}

const struct wg__row wg__rows_random[] = {
    {"RandomNormal", 1, "0", "dtype mean scale seed shape", random_normal, NULL},
    {"RandomUniform", 1, "0", "dtype high low seed shape", random_uniform, NULL},
    {"RandomNormalLike", 1, "1", "dtype mean scale seed", random_normal_like, NULL},
    {"RandomUniformLike", 1, "1", "dtype high low seed", random_uniform_like, NULL},
    {"Bernoulli", 15, "1", "dtype seed", bernoulli, NULL},
    {0},
};
