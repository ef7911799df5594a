/* Pad: a constant around a tensor, or elements of it again.
 *
 * A negative number of elements is cut off first.  The other modes are gathers
 * of an axis by constant indices; where its size is a symbol, what comes before
 * and after is gathered alone, counted from the near end. */
#include <math.h>
#include <string.h>

#include "onnx/import/rows/shapes/import_shape.h"

struct pads {
    int64_t before[WG_MAX_RANK], after[WG_MAX_RANK];
};

/* ---- How many ---- */

static int pad_axes(struct wg__in *c, int rank, wg_axes *to)
{
    struct wg__ints v;
    if (c->opset < 18 || !wg__in_has(c, 3)) {
        for (to->n = 0; to->n < rank; to->n++) to->axis[to->n] = to->n;
        return WG_OK;
    }
    return wg__in_need_ints(c, 3, "axes", &v) && wg__in_axes(c, &v, rank, to) ? WG_OK : WG_EARG;
}

static int read_pads(struct wg__in *c, int rank, struct pads *to)
{
    struct wg__ints v;
    wg_axes         axes;
    int             status = wg__in_moved(c, c->opset < 2 ? "paddings" : "pads", 11, 1, &v);
    if (!status) status = pad_axes(c, rank, &axes);
    if (status) return status;
    if (v.n < 0) return wg__malformed(c, "pads are missing");
    if (v.n != 2 * axes.n) return wg__malformed(c, "%d pads for %d axes", v.n, axes.n);
    *to = (struct pads){0};
    for (int i = 0; i < v.n; i++) {
        if (wg__is_unclear(&v, i)) return wg__unsupported(c, "a pad of %lld elements", (long long)v.at[i]);
        (i < axes.n ? to->before : to->after)[axes.axis[i % axes.n]] = v.at[i];
    }
    return WG_OK;
}

/* Returns how many elements a pad of n takes away: -n for a number below 0, else 0. */
static int64_t count_lost(const struct wg__in *c, int64_t n)
{
    return n < 0 && wg__dim_is_number(c->g, n) ? (int64_t) - (uint64_t)n : 0;
}

/* Cuts off what is negative, so that what is left is not. */
static int crop(struct wg__in *c, wg_node **x, struct pads *p)
{
    for (int i = 0; *x && i < wg_node_shape(*x)->rank; i++) {
        int64_t n = wg_node_shape(*x)->dim[i], low = count_lost(c, p->before[i]), high = count_lost(c, p->after[i]);
        if (low == 0 && high == 0) continue;
        if (low < 0 || high < 0 || (n >= 0 && (low > n || high > n - low)))
            return wg__malformed(c, "axis %d of %lld elements has not as many to lose", i, (long long)n);
        *x = wg_slice(*x, i, low, high ? -high : WG_SLICE_END, 1);
        if (low) p->before[i] = 0;
        if (high) p->after[i] = 0;
    }
    return *x ? WG_OK : wg__out_node(c, 0, NULL);
}

/* ---- With what: place i, which may be outside of 0..n-1, of an axis of n ---- */

static int64_t edge(int64_t i, int64_t n) { return i < 0 ? 0 : i < n ? i : n - 1; }

static int64_t modulo(int64_t i, int64_t n) { return (i % n + n) % n; }

static int64_t reflect(int64_t i, int64_t n)
{
    if (n == 1) return 0;
    int64_t k = modulo(i, 2 * (n - 1));
    return k < n ? k : 2 * (n - 1) - k;
}

/* Returns, for a size that is not known, the place of the i-th element before x (edge_before ..) or
 * after x, where places below 0 count from the end (edge_after ..). */
static int64_t edge_before(int64_t i) { return (void)i, 0; }
static int64_t edge_after(int64_t i) { return (void)i, -1; }
static int64_t reflect_before(int64_t i) { return i; }
static int64_t reflect_after(int64_t i) { return -1 - i; }
static int64_t wrap_before(int64_t i) { return -i; }
static int64_t wrap_after(int64_t i) { return i - 1; }

static const struct mode {
    const char *name;
    int         since;
    int64_t (*at)(int64_t i, int64_t n); /* NULL: a constant */
    int64_t (*before)(int64_t i), (*after)(int64_t i);
} modes[] = {{"constant", 1, NULL, NULL, NULL},
             {"edge", 1, edge, edge_before, edge_after},
             {"reflect", 1, reflect, reflect_before, reflect_after},
             {"wrap", 19, modulo, wrap_before, wrap_after}};

static const struct mode *mode_of(const struct wg__in *c)
{
    const char *name = wg__attr_text(c, "mode", "constant");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(modes[i].name, name) == 0 && c->opset >= modes[i].since) return &modes[i];
    return NULL;
}

/* Gathers the elements of x at n places of an axis, and frees the places. */
static wg_node *gather_places(struct wg__in *c, wg_node *x, int axis, int64_t n, int64_t *at)
{
    wg_node *y = at ? wg_gather(x, wg_const(c->g, WG_I64, WG_SHAPE(n), at), axis) : NULL;
    wg__data_free(at);
    return y;
}

static wg_node *pad_known(struct wg__in *c, const struct mode *m, wg_node *x, int axis, int64_t before, int64_t after)
{
    int64_t  n = wg_node_shape(x)->dim[axis], all = before + n + after;
    int64_t *at = wg__in_data(c, all, WG_I64);
    for (int64_t i = 0; at && i < all; i++) at[i] = m->at(i - before, n);
    return gather_places(c, x, axis, all, at);
}

/* Gathers the n elements that stand on one side of x, by `place`; `turned` counts them from n down to 1. */
static wg_node *gather_side(struct wg__in *c, int64_t (*place)(int64_t), bool turned, wg_node *x, int axis, int64_t n)
{
    int64_t *at = wg__in_data(c, n, WG_I64);
    for (int64_t i = 0; at && i < n; i++) at[i] = place(turned ? n - i : i + 1);
    return gather_places(c, x, axis, n, at);
}

static wg_node *pad_open(struct wg__in *c, const struct mode *m, wg_node *x, int axis, int64_t before, int64_t after)
{
    wg_node *low = gather_side(c, m->before, true, x, axis, before);
    wg_node *high = gather_side(c, m->after, false, x, axis, after);
    return wg_concat(3, (wg_node *[]){low, x, high}, axis);
}

static int pad_again(struct wg__in *c, const struct mode *m, wg_node *x, const struct pads *p)
{
    for (int i = 0; x && i < wg_node_shape(x)->rank; i++) {
        int64_t before = p->before[i], after = p->after[i], n = wg_node_shape(x)->dim[i];
        if (before == 0 && after == 0) continue;
        if (n == 0) return wg__malformed(c, "axis %d is empty and mode is %s", i, m->name);
        if (before < 0 || after < 0) return wg__unsupported(c, "mode %s with pads that are symbolic", m->name);
        if (before > WG__MAX_INDICES || after > WG__MAX_INDICES || n > WG__MAX_INDICES)
            return wg__unsupported(c, "mode %s with %lld and %lld elements around axis %d", m->name, (long long)before,
                                   (long long)after, i);
        x = (n < 0 ? pad_open : pad_known)(c, m, x, i, before, after);
    }
    return wg__out_node(c, 0, x);
}

/* Pads x with the value of a node of one element, known only when it runs. Pads of false around true
 * say where it goes. */
static wg_node *pad_with(struct wg__in *c, wg_node *x, const struct pads *p, wg_node *value)
{
    wg_node *inside = wg_pad(wg_fill(c->g, WG_BOOL, *wg_node_shape(x), 1), p->before, p->after, 0);
    wg_node *wide = wg_pad(x, p->before, p->after, 0);
    return wg_where(inside, wide, wg_cast(wg_reshape(value, WG_SCALAR), wg_node_dtype(x)));
}

/* Reads the value to pad with, if it is known and a double holds it exactly. False: it stays a node. */
static bool plain_value(struct wg__in *c, const wg_node *x, double *to)
{
    wg_array a;
    if (!wg__in_known(c, 2, &a)) return false;
    bool one = wg_count(&a.shape) == 1;
    if (one) *to = wg__load(a.dtype, a.data, 0);
    wg__data_free(a.data);
    return one && (WG_DTYPE_BIT(wg_node_dtype(x)) & WG_DTYPE_REALS || fabs(*to) < 0x1p53);
}

int wg__row_pad(struct wg__in *c)
{
    wg_node           *x, *value;
    struct pads        p = {0};
    const struct mode *m = mode_of(c);
    double             plain = wg__attr_real(c, "value", 0);
    int                status = wg__in_operand(c, 0, &x);
    if (status) return status;
    if (!m) return wg__unsupported(c, "mode %s", wg__attr_text(c, "mode", "constant"));
    status = read_pads(c, wg_node_shape(x)->rank, &p);
    if (!status) status = crop(c, &x, &p);
    if (status) return status;
    if (m->at) return pad_again(c, m, x, &p);
    if (c->opset < 11 || !wg__in_has(c, 2) || plain_value(c, x, &plain))
        return wg__out_node(c, 0, wg_pad(x, p.before, p.after, plain));
    status = wg__in_operand(c, 2, &value);
    return status ? status : wg__out_node(c, 0, pad_with(c, x, &p, value));
}
