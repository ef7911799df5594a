/* Softmax, LogSoftmax and Hardmax (1 at the first largest element, else 0).
 * Before opset 13 they go over all axes from `axis` on as one, from then on
 * over that axis alone. */
#include "onnx/import/rows/shapes/import_shape.h"

typedef wg_node *along(struct wg__in *c, wg_node *x, int axis);

static wg_node *softmax(struct wg__in *c, wg_node *x, int axis) { return (void)c, wg_softmax(x, axis); }
static wg_node *log_softmax(struct wg__in *c, wg_node *x, int axis) { return (void)c, wg_log_softmax(x, axis); }

static wg_node *hardmax(struct wg__in *c, wg_node *x, int axis)
{
    int64_t n = wg_node_shape(x)->dim[axis];
    (void)c;
    if (n == 0) return x; /* of nothing there is no largest */
    wg_node *where = wg_argmax(x, axis, 0);
    return wg__last_to(wg_one_hot(where, n, wg_node_dtype(x)), axis);
}

/* Computes the shape of x with the axes before `axis` merged into one, and the axes from it on into another. */
static bool flat_shape(struct wg__in *c, const wg_shape *x, int axis, wg_shape *to)
{
    wg_infer why = {.g = c->g};
    *to = (wg_shape){.rank = 2, .dim = {1, 1}};
    for (int i = 0; i < x->rank; i++) {
        int64_t *d = &to->dim[i >= axis];
        if (wg_dim_mul(&why, *d, x->dim[i], d)) return wg__unsupported(c, "%s", why.why), false;
    }
    return true;
}

static int run_flattened(struct wg__in *c, along *f)
{
    wg_node *x = wg__in_node(c, 0);
    wg_shape flat;
    int      axis;
    if (!x) return wg__out_node(c, 0, NULL);
    if (!wg__in_axis(c, wg__attr_int(c, "axis", 1), wg_node_shape(x)->rank, &axis)) return WG_EARG;
    if (!flat_shape(c, wg_node_shape(x), axis, &flat)) return WG_EARG;
    wg_node *rows = wg_reshape(x, flat);
    wg_node *y = rows ? f(c, rows, 1) : NULL;
    return wg__out_node(c, 0, wg_reshape(y, *wg_node_shape(x)));
}

static int on_one_axis(struct wg__in *c, along *f)
{
    wg_node *x = wg__in_node(c, 0);
    int      axis;
    if (!x) return wg__out_node(c, 0, NULL);
    if (!wg__in_axis(c, wg__attr_int(c, "axis", -1), wg_node_shape(x)->rank, &axis)) return WG_EARG;
    return wg__out_node(c, 0, f(c, x, axis));
}

static int softmax_1(struct wg__in *c) { return run_flattened(c, softmax); }
static int softmax_13(struct wg__in *c) { return on_one_axis(c, softmax); }
static int log_softmax_1(struct wg__in *c) { return run_flattened(c, log_softmax); }
static int log_softmax_13(struct wg__in *c) { return on_one_axis(c, log_softmax); }
static int hardmax_1(struct wg__in *c) { return run_flattened(c, hardmax); }
static int hardmax_13(struct wg__in *c) { return on_one_axis(c, hardmax); }

const struct wg__row wg__rows_softmax[] = {
    {"Softmax", 1, "1", "axis", softmax_1, NULL},
    {"Softmax", 13, "1", "axis", softmax_13, NULL},
    {"LogSoftmax", 1, "1", "axis", log_softmax_1, NULL},
    {"LogSoftmax", 13, "1", "axis", log_softmax_13, NULL},
    {"Hardmax", 1, "1", "axis", hardmax_1, NULL},
    {"Hardmax", 13, "1", "axis", hardmax_13, NULL},
    {0},
};
