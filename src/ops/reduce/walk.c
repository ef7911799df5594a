/* Walks over reduced axes, the search for the largest element along them, and places in a flattened tensor. */
#include "ops/ops_impl.h"

static void add_axis(struct wg__walk_axes *a, int64_t dim, int64_t step)
{
    a->n *= dim;
    if (dim == 1) return;
    if (a->rank && a->step[a->rank - 1] == dim * step) {
        a->dim[a->rank - 1] *= dim;
        a->step[a->rank - 1] = step;
        return;
    }
    a->dim[a->rank] = dim;
    a->step[a->rank++] = step;
}

void wg__walk_of(const wg_shape *x, const bool in[WG_MAX_RANK], struct wg__walk *w)
{
    int64_t step[WG_MAX_RANK], next = 1;
    for (int i = x->rank - 1; i >= 0; i--) {
        step[i] = next;
        next *= x->dim[i];
    }
    *w = (struct wg__walk){.stay = {.n = 1}, .go = {.n = 1}};
    for (int i = 0; i < x->rank; i++) add_axis(in[i] ? &w->go : &w->stay, x->dim[i], step[i]);
}

int64_t wg__walk_at(const struct wg__walk_axes *a, int64_t i)
{
    int64_t at = 0;
    for (int k = a->rank - 1; k >= 0; k--) {
        at += i % a->dim[k] * a->step[k];
        i /= a->dim[k];
    }
    return at;
}

int64_t wg__walk_run(const struct wg__walk *w)
{
    int last = w->stay.rank - 1;
    return last >= 0 && w->stay.step[last] == 1 ? w->stay.dim[last] : 1;
}

/* ---- The largest ---- */

/* Tells whether x[i] > x[best], or x[i] is the first NaN. */
static inline __attribute__((always_inline)) bool is_larger(wg_dtype t, const void *x, int64_t i, int64_t best)
{
    switch (t) {
#define X(name, type, text) \
    case WG_##name:         \
        return !(((const type *)x)[i] <= ((const type *)x)[best]) && ((const type *)x)[best] == ((const type *)x)[best];
        WG_DTYPE_MAP(X)
#undef X
    case WG_DTYPES: break;
    }
    return false;
}

/* Finds in `cols` neighbouring columns from x[at] on the places best[j] of the largest elements and their numbers
 * index[j], row by row, so that memory is read in order. */
static inline __attribute__((always_inline)) void search_columns(wg_dtype t, const void *x,
                                                                 const struct wg__walk_axes *go, int64_t at,
                                                                 int64_t cols, int64_t *best, int64_t *index)
{
    int64_t fast = go->rank ? go->dim[go->rank - 1] : 1, step = go->rank ? go->step[go->rank - 1] : 0;
    for (int64_t j = 0; j < cols; j++) {
        best[j] = at + j;
        index[j] = 0;
    }
    for (int64_t i = 0; i < go->n; i += fast) {
        int64_t row = at + wg__walk_at(go, i);
        for (int64_t k = 0; k < fast; k++, row += step)
            for (int64_t j = 0; j < cols; j++)
                if (is_larger(t, x, row + j, best[j])) {
                    best[j] = row + j;
                    index[j] = i + k;
                }
    }
}

void wg__largest(const wg_tensor *x, const struct wg__walk_axes *go, int64_t at, int64_t cols, int64_t *best,
                 int64_t *index)
{
    switch (x->dtype) {
#define X(name, type, text) \
    case WG_##name: search_columns(WG_##name, x->data, go, at, cols, best, index); return;
        WG_DTYPE_MAP(X)
#undef X
    case WG_DTYPES: return;
    }
}

/* ---- Places ---- */

/* Builds the number of elements of axes from..to-1 of x as i64. */
static wg_node *count_elements(wg_node *x, int from, int to)
{
    wg_axes  axes = {0};
    wg_node *whole = wg_cast(x, WG_I64); /* only its shape is read */
    for (int i = from; i < to; i++) axes.axis[axes.n++] = i;
    return wg_size(whole, axes);
}

wg_node *wg__places(wg_node *x, int from, int to, int rank, int axis)
{
    wg_infer c = {.g = x->g};
    wg_shape s = {.rank = rank};
    int64_t  n;
    int      status = wg__dims_product(&c, x->shape, from, to, &n);
    if (status) return wg__bad(x, status, "places", "%s", c.why);
    for (int i = 0; i < rank; i++) s.dim[i] = i == axis ? n : 1;
    wg_node *count = wg_iota(x->g, n), *stride = count_elements(x, to, x->shape->rank);
    return wg_reshape(wg_mul(count, stride), s);
}

wg_node *wg__scatter_flat(wg_node *x, wg_node *place, wg_shape to)
{
    if (!x || !place) return NULL;
    wg_infer c = {.g = x->g};
    int64_t  m, n;
    int      status = wg__dims_product(&c, x->shape, 0, x->shape->rank, &m);
    if (!status) status = wg__dims_product(&c, &to, 0, to.rank, &n);
    if (status) return wg__bad(x, status, "scatter", "%s", c.why);
    wg_node *flat = wg_reshape(x, WG_SHAPE(m)), *at = wg_reshape(place, WG_SHAPE(m));
    return wg_reshape(wg__scatter_add(flat, at, 0, WG_SHAPE(n)), to);
}
