/* Operands of the rows for shapes: lists, dimensions and their arithmetic. */
#include "onnx/import/rows/shapes/import_shape.h"

#include "onnx/import/import_impl.h"

bool wg__in_list(struct wg__in *c, int i, struct wg__list *to)
{
    const struct wg__import_value *v = wg__in_value(c, i);
    if (!wg__in_ints(c, i, &to->v)) return false;
    to->rank0 = v->ints_rank == 0;
    to->dtype = v->ints_dtype;
    for (int k = 0; k < to->v.n; k++)
        if (wg__like_symbol(to->v.at[k]) && !wg__is_symbol(&to->v, k)) return false;
    to->v.raw = false;
    return true;
}

int wg__out_list(struct wg__in *c, int i, const struct wg__list *l)
{
    return wg__out_ints(c, i, &l->v, l->dtype, l->rank0);
}

int wg__in_operand(struct wg__in *c, int i, wg_node **x)
{
    *x = NULL;
    if (!wg__in_has(c, i)) return wg__malformed(c, "input %d is missing", i);
    *x = wg__in_node(c, i);
    return *x ? WG_OK : wg__out_node(c, 0, NULL);
}

int wg__in_operand_shape(struct wg__in *c, int i, wg_shape *s)
{
    struct wg__ints list;
    wg_node        *x;
    if (wg__in_ints(c, i, &list)) {
        int rank = wg__in_value(c, i)->ints_rank;
        *s = (wg_shape){.rank = rank, .dim = {rank ? list.n : 0}};
        return WG_OK;
    }
    int status = wg__in_operand(c, i, &x);
    if (!status) *s = *wg_node_shape(x);
    return status;
}

int wg__in_moved(struct wg__in *c, const char *name, int since, int i, struct wg__ints *to)
{
    to->n = -1;
    if (c->opset >= since) {
        if (!wg__in_has(c, i)) return WG_OK;
        return wg__in_need_ints(c, i, name, to) ? WG_OK : WG_EARG;
    }
    if (!wg__attr_has(c, name) || wg__attr_ints(c, name, to)) return WG_OK;
    return wg__malformed(c, "attribute %s is no list of at most %d numbers", name, WG__MAX_INTS);
}

int wg__in_dims(struct wg__in *c, int i, const char *what, struct wg__ints *to)
{
    if (!wg__in_has(c, i)) return wg__malformed(c, "input %d (%s) is missing", i, what);
    if (!wg__in_need_ints(c, i, what, to)) return WG_EARG;
    for (int k = 0; k < to->n; k++)
        if (to->at[k] < -1 && !wg__is_symbol(to, k))
            return wg__malformed(c, "%s has a dimension of %lld", what, (long long)to->at[k]);
    if (to->n <= WG_MAX_RANK) return WG_OK;
    return wg__unsupported(c, "%s is of rank %d, above %d", what, to->n, WG_MAX_RANK);
}

/* Complains that an operation on a and b has no result: unsupported if one is a symbol, since other
 * sizes might do, else malformed. */
static int no_result(struct wg__in *c, const wg_infer *why, int status, int64_t a, int64_t b)
{
    if (status == WG_ENOMEM) return wg__out_node(c, 0, NULL);
    return a < 0 || b < 0 ? wg__unsupported(c, "%s", why->why) : wg__malformed(c, "%s", why->why);
}

int wg__in_mul(struct wg__in *c, int64_t a, int64_t b, int64_t *y)
{
    wg_infer why = {.g = c->g};
    int      status = wg_dim_mul(&why, a, b, y);
    return status ? no_result(c, &why, status, a, b) : WG_OK;
}

int wg__in_div(struct wg__in *c, int64_t a, int64_t b, int64_t *y)
{
    wg_infer why = {.g = c->g};
    int      status = wg_dim_div(&why, a, b, y);
    return status ? no_result(c, &why, status, a, b) : WG_OK;
}

int wg__in_extent(struct wg__in *c, const wg_shape *s, int from, int to, int64_t *y)
{
    int status = WG_OK;
    *y = 1;
    for (int i = from; i < to && !status; i++) status = wg__in_mul(c, *y, s->dim[i], y);
    return status;
}

int wg__in_range_count(struct wg__in *c, int64_t width, int64_t step, int64_t *n)
{
    wg_infer why = {.g = c->g};
    if (wg__dim_is_number(c->g, width)) {
        *n = width > 0 ? (width - 1) / step + 1 : 0;
        return WG_OK;
    }
    int status = wg__dim_range(&why, width, 0, WG_SLICE_END, step, n);
    return status ? no_result(c, &why, status, width, 0) : WG_OK;
}

static int64_t clamp_index(int64_t i, int64_t n, int64_t lo, int64_t hi)
{
    if (i < 0) i = i < -n ? lo : i + n;
    return i < lo ? lo : i > hi ? hi : i;
}

int64_t wg__list_range(int64_t n, int64_t *start, int64_t stop, int64_t step)
{
    int64_t back = step < 0;
    *start = clamp_index(*start, n, 0, n - back);
    stop = clamp_index(stop, n, -back, n - back);
    if (n == 0) return 0;
    int64_t  width = back ? *start - stop : stop - *start;
    uint64_t by = back ? 0 - (uint64_t)step : (uint64_t)step;
    return width > 0 ? (int64_t)(((uint64_t)width - 1) / by) + 1 : 0;
}
