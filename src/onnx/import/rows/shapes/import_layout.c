/* Layout: Transpose, DepthToSpace, SpaceToDepth; and along axes: Trilu, CumSum. */
#include <string.h>

#include "onnx/import/rows/shapes/import_shape.h"

/* ---- Axes in another order ---- */

int wg__row_transpose(struct wg__in *c)
{
    struct wg__ints perm = {.n = -1};
    struct wg__list l;
    wg_node        *x;
    wg_axes         axes = {.n = -1};
    if (wg__attr_has(c, "perm") && !wg__attr_ints(c, "perm", &perm)) return wg__malformed(c, "perm is too long");
    wg_shape s;
    int      status = wg__in_operand_shape(c, 0, &s);
    if (status) return status;
    if (perm.n >= 0 && perm.n != s.rank) return wg__malformed(c, "perm has %d axes for rank %d", perm.n, s.rank);
    if (perm.n >= 0 && !wg__in_axes(c, &perm, s.rank, &axes)) return WG_EARG;
    if (wg__in_list(c, 0, &l)) return wg__out_list(c, 0, &l);
    status = wg__in_operand(c, 0, &x);
    return status ? status : wg__out_node(c, 0, wg_transpose(x, axes));
}

wg_node *wg__last_to(wg_node *x, int axis)
{
    if (!x || axis == wg_node_shape(x)->rank - 1) return x;
    wg_axes perm = {.n = wg_node_shape(x)->rank};
    for (int i = 0; i < perm.n; i++) perm.axis[i] = i < axis ? i : i == axis ? perm.n - 1 : i - 1;
    return wg_transpose(x, perm);
}

static int block_of(struct wg__in *c, wg_node **x, wg_shape *s, int64_t *b)
{
    int status = wg__in_operand(c, 0, x);
    if (status) return status;
    *s = *wg_node_shape(*x);
    *b = wg__attr_int(c, "blocksize", 0);
    if (s->rank != 4) return wg__malformed(c, "x is of rank %d, not 4", s->rank);
    return *b >= 1 && *b <= INT32_MAX ? WG_OK : wg__malformed(c, "blocksize is %lld", (long long)*b);
}

static int order_of(struct wg__in *c, bool *crd)
{
    const char *mode = wg__attr_text(c, "mode", "DCR");
    *crd = strcmp(mode, "CRD") == 0;
    return *crd || strcmp(mode, "DCR") == 0 ? WG_OK : wg__malformed(c, "mode %s", mode);
}

/* [n, c, h, w] -> [n, c / b^2, h b, w b], where the blocks' places are the
 * slower axes of the channels (DCR) or the faster ones (CRD). */
int wg__row_depth_to_space(struct wg__in *c)
{
    wg_node *x;
    wg_shape s;
    int64_t  b, few, h, w;
    bool     crd;
    int      status = block_of(c, &x, &s, &b);
    if (!status) status = order_of(c, &crd);
    if (!status) status = wg__in_div(c, s.dim[1], b * b, &few);
    if (!status) status = wg__in_mul(c, s.dim[2], b, &h);
    if (!status) status = wg__in_mul(c, s.dim[3], b, &w);
    if (status) return status;
    wg_node *y = crd ? wg_reshape(x, WG_SHAPE(s.dim[0], few, b, b, s.dim[2], s.dim[3]))
                     : wg_reshape(x, WG_SHAPE(s.dim[0], b, b, few, s.dim[2], s.dim[3]));
    y = wg_transpose(y, crd ? WG_AXES(0, 1, 4, 2, 5, 3) : WG_AXES(0, 3, 4, 1, 5, 2));
    return wg__out_node(c, 0, wg_reshape(y, WG_SHAPE(s.dim[0], few, h, w)));
}

/* [n, c, h, w] -> [n, b^2 c, h / b, w / b], the blocks' places as above */
int wg__row_space_to_depth(struct wg__in *c)
{
    wg_node *x;
    wg_shape s;
    int64_t  b, many, h, w;
    bool     crd;
    int      status = block_of(c, &x, &s, &b);
    if (!status) status = order_of(c, &crd);
    if (!status) status = wg__in_mul(c, s.dim[1], b * b, &many);
    if (!status) status = wg__in_div(c, s.dim[2], b, &h);
    if (!status) status = wg__in_div(c, s.dim[3], b, &w);
    if (status) return status;
    wg_node *y = wg_reshape(x, WG_SHAPE(s.dim[0], s.dim[1], h, b, w, b));
    y = wg_transpose(y, crd ? WG_AXES(0, 1, 3, 5, 2, 4) : WG_AXES(0, 3, 5, 1, 2, 4));
    return wg__out_node(c, 0, wg_reshape(y, WG_SHAPE(s.dim[0], many, h, w)));
}

/* ---- Trilu ---- */

/* y[i, j] = x[i, j] where j - i >= k (upper) or j - i <= k, else 0; k beyond
 * the matrix is as good as at its corner. */
static wg_node *triangle(struct wg__in *c, int64_t rows, int64_t cols, int64_t k, bool upper)
{
    uint8_t *in = wg__in_data(c, rows * cols, WG_BOOL);
    if (!in) return NULL;
    k = k < -rows ? -rows : k > cols ? cols : k;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) in[i * cols + j] = upper ? j - i >= k : j - i <= k;
    wg_node *y = wg_const(c->g, WG_BOOL, WG_SHAPE(rows, cols), in);
    wg__data_free(in);
    return y;
}

/* Makes the triangle in each run, for sizes that are symbols. */
static wg_node *open_triangle(struct wg__in *c, int64_t rows, int64_t cols, int64_t k, bool upper)
{
    wg_node *row = wg_unsqueeze(wg__in_iota(c, rows, 0, 1), 1), *col = wg__in_iota(c, cols, 0, 1);
    wg_node *edge = k == 0 ? row : wg_add(row, wg__in_dim(c, WG_I64, k));
    return upper ? wg_greater_equal(col, edge) : wg_less_equal(col, edge);
}

int wg__row_trilu(struct wg__in *c)
{
    wg_node        *x;
    struct wg__ints k = {.n = 1, .raw = true};
    int             status = wg__in_operand(c, 0, &x);
    if (status) return status;
    wg_shape s = *wg_node_shape(x);
    if (wg__in_has(c, 1) && !wg__in_need_ints(c, 1, "k", &k)) return WG_EARG;
    if (s.rank < 2 || k.n != 1) return wg__malformed(c, "x is of rank %d, k has %d elements", s.rank, k.n);
    int64_t rows = s.dim[s.rank - 2], cols = s.dim[s.rank - 1], n;
    bool    open = rows < 0 || cols < 0 || wg__is_symbol(&k, 0), upper = wg__attr_int(c, "upper", 1);
    if (open && wg__is_unclear(&k, 0)) return wg__unsupported(c, "k is %lld, beside a symbol", (long long)k.at[0]);
    if (!open && (__builtin_mul_overflow(rows, cols, &n) || n > WG__MAX_INDICES))
        return wg__unsupported(c, "matrices of %lld x %lld", (long long)rows, (long long)cols);
    wg_node *in = (open ? open_triangle : triangle)(c, rows, cols, k.at[0], upper);
    return wg__out_node(c, 0, wg_where(in, x, wg_lit(x, 0)));
}

/* ---- CumSum ---- */

/* y[i] = x[i - by], 0 before the first; or y[i] = x[i + by], 0 after the last. */
static wg_node *shift_axis(wg_node *x, int axis, int64_t by, bool reverse)
{
    int64_t before[WG_MAX_RANK] = {0}, after[WG_MAX_RANK] = {0};
    (reverse ? after : before)[axis] = by;
    int64_t  n = x ? wg_node_shape(x)->dim[axis] : 0;
    wg_node *part = reverse ? wg_slice(x, axis, by, WG_SLICE_END, 1) : wg_slice(x, axis, 0, n - by, 1);
    return wg_pad(part, before, after, 0);
}

/* Sums along a symbolic axis, where the number of doubling steps is not known: y[i] is the sum of the
 * x[j] with j <= i. Elements are left out by where, not by a product with 0, so that an infinity stays
 * out of the other sums. */
static wg_node *open_cumsum(struct wg__in *c, wg_node *x, int axis, bool exclusive, bool reverse)
{
    int64_t  n = wg_node_shape(x)->dim[axis];
    wg_node *i = wg_unsqueeze(wg__in_iota(c, n, 0, 1), 1), *j = wg__in_iota(c, n, 0, 1), *in;
    if (reverse) in = exclusive ? wg_greater(j, i) : wg_greater_equal(j, i);
    else in = exclusive ? wg_less(j, i) : wg_less_equal(j, i);
    for (int k = axis + 1; k < wg_node_shape(x)->rank; k++) in = wg_unsqueeze(in, -1);
    wg_node *all = wg_unsqueeze(x, axis);
    return wg_sum(wg_where(in, all, wg_lit(x, 0)), WG_AXES(axis + 1), 0);
}

/* Sums by doubling: with sums of up to d elements in each place, adding the sum d places back gives
 * sums of up to 2 d elements. That is log n steps, exact for integers, and no later element (an
 * infinity) comes into an earlier sum. */
int wg__row_cumsum(struct wg__in *c)
{
    wg_node        *x;
    struct wg__ints at;
    int             axis, status = wg__in_operand(c, 0, &x);
    bool            reverse = wg__attr_int(c, "reverse", 0);
    if (status) return status;
    if (!wg__in_need_ints(c, 1, "axis", &at)) return WG_EARG;
    if (at.n != 1) return wg__malformed(c, "axis has %d elements", at.n);
    if (!wg__in_axis(c, at.at[0], wg_node_shape(x)->rank, &axis)) return WG_EARG;
    int64_t n = wg_node_shape(x)->dim[axis];
    bool    exclusive = wg__attr_int(c, "exclusive", 0);
    if (n < 0 && wg_node_shape(x)->rank == WG_MAX_RANK) return wg__unsupported(c, "a symbolic axis of %d", WG_MAX_RANK);
    if (n < 0) return wg__out_node(c, 0, open_cumsum(c, x, axis, exclusive, reverse));
    if (n > 0 && exclusive) x = shift_axis(x, axis, 1, reverse);
    for (int64_t d = 1; x && d<n; d = d> n - d ? n : 2 * d) x = wg_add(x, shift_axis(x, axis, d, reverse));
    return wg__out_node(c, 0, x);
}
