/* Indices: elements picked by numbers, and numbers of elements picked. */
#include <string.h>

#include "onnx/import/rows/shapes/import_shape.h"

/* ---- Gather ---- */

/* Lists alone: WG_OK with *done, or a status where an index is outside. */
static int gather_list(struct wg__in *c, bool *done)
{
    struct wg__list x, at, y = {0};
    *done = false;
    if (!wg__in_list(c, 0, &x) || x.rank0 || !wg__in_list(c, 1, &at)) return WG_OK;
    for (int i = 0; i < at.v.n; i++) {
        int64_t k = at.v.at[i] < 0 ? at.v.at[i] + x.v.n : at.v.at[i];
        if (wg__is_symbol(&at.v, i)) return WG_OK;
        if (k < 0 || k >= x.v.n)
            return wg__malformed(c, "index %lld is outside of %d elements", (long long)at.v.at[i], x.v.n);
        y.v.at[y.v.n++] = x.v.at[k];
    }
    y.dtype = x.dtype;
    y.rank0 = at.rank0;
    *done = true;
    return wg__out_list(c, 0, &y);
}

static int64_t number(const wg_array *a, int64_t i)
{
    return a->dtype == WG_I64 ? ((const int64_t *)a->data)[i] : ((const int32_t *)a->data)[i];
}

/* Checks the indices that stand in the file; others are checked in each run. Index i is of axis i % k,
 * whose size is n[i % k]. */
static int check_indices(struct wg__in *c, int k, const int64_t *n)
{
    wg_array a;
    int      status = WG_OK;
    if (!wg__in_has(c, 1) || !wg__in_value(c, 1)->tensor || !wg__in_known(c, 1, &a)) return WG_OK;
    bool ints = WG_DTYPE_BIT(a.dtype) & WG_DTYPE_INTS;
    for (int64_t i = 0; ints && !status && i < wg_count(&a.shape); i++) {
        int64_t at = number(&a, i), size = n[i % k];
        if (size >= 0 && (at < -size || at >= size))
            status = wg__malformed(c, "index %lld is outside of %lld elements", (long long)at, (long long)size);
    }
    wg__data_free(a.data);
    return status;
}

static int gather(struct wg__in *c)
{
    wg_node *x, *at;
    int      axis;
    bool     done;
    wg_shape s;
    int      status = wg__in_operand_shape(c, 0, &s);
    if (status) return status;
    if (!wg__in_axis(c, wg__attr_int(c, "axis", 0), s.rank, &axis)) return WG_EARG;
    status = gather_list(c, &done);
    if (status || done) return status;
    status = check_indices(c, 1, &s.dim[axis]);
    if (!status) status = wg__in_operand(c, 0, &x);
    if (!status) status = wg__in_operand(c, 1, &at);
    return status ? status : wg__out_node(c, 0, wg_gather(x, at, axis));
}

/* ---- Places in a flattened tensor ---- */

/* Returns the index counted from the front, times stride. An index outside of n becomes a place that
 * no tensor has, so that the gather reports it. */
static wg_node *place(struct wg__in *c, wg_node *index, int64_t n, int64_t stride)
{
    wg_node *zero = wg__in_whole(c, WG_I64, 0), *size = wg__in_dim(c, WG_I64, n);
    wg_node *low = wg_less(index, wg_neg(size));
    wg_node *out = wg_or(low, wg_greater_equal(index, size));
    wg_node *safe = wg_where(out, zero, index);
    wg_node *front = wg_where(wg_less(safe, zero), wg_add(safe, size), safe);
    wg_node *at = stride == 1 ? front : wg_mul(front, wg__in_dim(c, WG_I64, stride));
    return wg_where(out, wg__in_whole(c, WG_I64, INT64_C(1) << 56), at);
}

/* Makes the coordinate along `axis`, of shape [1, .., n, .., 1] and times stride. Each run checks that
 * the data have n elements there where n or `size` is symbolic. */
static wg_node *coordinate(struct wg__in *c, int rank, int axis, int64_t n, int64_t size, int64_t stride)
{
    wg_shape s = {.rank = rank};
    bool     plain = wg_dim_known(stride) && (n == size || (wg_dim_known(n) && wg_dim_known(size)));
    for (int i = 0; i < rank; i++) s.dim[i] = i == axis ? n : 1;
    wg_node *at = wg__in_iota(c, n, 0, plain ? stride : 1);
    if (!plain && n != size) at = place(c, at, size, stride); /* whether there are as many is found out by the run */
    else if (!plain) at = wg_mul(at, wg__in_dim(c, WG_I64, stride));
    return wg_reshape(at, s);
}

/* Checks that the product of dimensions from..to-1, as far as they are numbers, is small enough for
 * places in i64. */
static int few_places(struct wg__in *c, const wg_shape *s, int from, int to, const char *whose)
{
    int64_t n = 1;
    for (int i = from; i < to; i++)
        if (s->dim[i] >= 0 && (__builtin_mul_overflow(n, s->dim[i], &n) || n > (INT64_C(1) << 48)))
            return wg__unsupported(c, "the %s are too many", whose);
    return WG_OK;
}

static int two_operands(struct wg__in *c, wg_node **x, wg_node **at)
{
    int status = wg__in_operand(c, 0, x);
    if (!status) status = wg__in_operand(c, 1, at);
    if (!status && !(WG_DTYPE_BIT(wg_node_dtype(*at)) & WG_DTYPE_INTS))
        return wg__malformed(c, "indices are %s", wg_dtype_name(wg_node_dtype(*at)));
    if (!status) *at = wg_cast(*at, WG_I64);
    return status;
}

/* ---- GatherElements ---- */

/* Gives the place in the flat x of each element that `at` picks, which is x[at[i, j, k], j, k] for
 * axis 0, and the number of elements of x. */
static int flat_places(struct wg__in *c, wg_node *x, wg_node *at, int axis, wg_node **places, int64_t *n)
{
    const wg_shape *s = wg_node_shape(x), *t = wg_node_shape(at);
    int64_t         stride = 1;
    int             status = WG_OK;
    wg_node        *sum = NULL;
    for (int i = s->rank - 1; i >= 0 && !status; i--) {
        wg_node *term = NULL;
        if (i == axis) term = place(c, at, s->dim[i], stride);
        else if (t->dim[i] != 1) term = coordinate(c, s->rank, i, t->dim[i], s->dim[i], stride);
        if (!term && (i == axis || t->dim[i] != 1)) return wg__out_node(c, 0, NULL);
        if (term) sum = sum ? wg_add(sum, term) : term;
        status = wg__in_mul(c, stride, s->dim[i], &stride);
    }
    *places = sum;
    *n = stride;
    return status;
}

/* Reads and checks the operands and the axis. */
static int read_operands(struct wg__in *c, wg_node **to_x, wg_node **to_at, int *to_axis)
{
    wg_node *x, *at;
    int      axis, status = two_operands(c, &x, &at);
    if (status) return status;
    const wg_shape *s = wg_node_shape(x), *t = wg_node_shape(at);
    if (s->rank != t->rank) return wg__malformed(c, "x is of rank %d, indices of rank %d", s->rank, t->rank);
    if (!wg__in_axis(c, wg__attr_int(c, "axis", 0), s->rank, &axis)) return WG_EARG;
    status = few_places(c, s, 0, s->rank, "data");
    for (int i = 0; i < s->rank && !status; i++) {
        if (i == axis) continue;
        if (t->dim[i] > WG__MAX_INDICES) return wg__unsupported(c, "axis %d of the indices is long", i);
        if (s->dim[i] >= 0 && t->dim[i] > s->dim[i])
            return wg__malformed(c, "axis %d of the indices is longer than that of x", i);
    }
    if (!status) status = check_indices(c, 1, &s->dim[axis]);
    *to_x = x;
    *to_at = at;
    *to_axis = axis;
    return status;
}

/* y[i, j, k] = x[at[i, j, k], j, k] for axis 0, and so on. */
static int gather_elements(struct wg__in *c)
{
    wg_node *x = NULL, *at = NULL, *places = NULL;
    int      axis = 0, status = read_operands(c, &x, &at, &axis);
    int64_t  n = 0;
    if (!status) status = flat_places(c, x, at, axis, &places, &n);
    return status ? status : wg__out_node(c, 0, wg_gather(wg_reshape(x, WG_SHAPE(n)), places, 0));
}

/* y = x; y[at[i, j, k], j, k] += z[i, j, k] for axis 0, and so on. */
static int scatter_elements(struct wg__in *c)
{
    const char *how = wg__attr_text(c, "reduction", "none");
    wg_node    *x = NULL, *at = NULL, *places = NULL, *z = NULL;
    int         axis = 0, status = read_operands(c, &x, &at, &axis);
    int64_t     n = 0;
    if (!status) status = wg__in_operand(c, 2, &z);
    if (status) return status;
    if (strcmp(how, "add") != 0) return wg__unsupported(c, "reduction '%.40s'", how);
    if (!wg__shapes_may_equal(c->g, wg_node_shape(z), wg_node_shape(at)))
        return wg__malformed(c, "indices and updates have not one shape");
    status = flat_places(c, x, at, axis, &places, &n);
    if (status) return status;
    wg_node *all = wg_reshape(places, WG_SHAPE(WG_DIM_AUTO));
    wg_node *sums = wg_scatter_add(wg_reshape(z, WG_SHAPE(WG_DIM_AUTO)), all, 0, n);
    return wg__out_node(c, 0, wg_add(x, wg_reshape(sums, *wg_node_shape(x))));
}

/* ---- GatherND ---- */

/* Returns index j of at's last axis, without that axis. */
static wg_node *component(wg_node *at, int64_t j)
{
    int last = wg_node_shape(at)->rank - 1;
    return wg_squeeze(wg_slice(at, last, j, j + 1, 1), last);
}

/* Gathers slices of x: the first `batch` axes of x and at go together, and k indices pick from the
 * next k axes of x. */
static int gather_nd_flat(struct wg__in *c, wg_node *x, wg_node *at, int batch, int k)
{
    const wg_shape *s = wg_node_shape(x), *t = wg_node_shape(at);
    wg_shape        flat = {.rank = 1};
    int64_t         stride = 1;
    int             status = WG_OK;
    wg_node        *sum = NULL;
    for (int i = batch + k; i < s->rank; i++) flat.dim[flat.rank++] = s->dim[i];
    for (int i = batch + k - 1; i >= 0 && !status; i--) {
        wg_node *term = i < batch ? coordinate(c, t->rank - 1, i, t->dim[i], s->dim[i], stride)
                                  : place(c, component(at, i - batch), s->dim[i], stride);
        if (!term) return wg__out_node(c, 0, NULL);
        sum = sum ? wg_add(sum, term) : term;
        status = wg__in_mul(c, stride, s->dim[i], &stride);
    }
    flat.dim[0] = stride;
    return status ? status : wg__out_node(c, 0, wg_gather(wg_reshape(x, flat), sum, 0));
}

static int gather_nd(struct wg__in *c)
{
    wg_node *x, *at;
    int64_t  batch = wg__attr_int(c, "batch_dims", 0);
    int      status = two_operands(c, &x, &at);
    if (status) return status;
    const wg_shape *s = wg_node_shape(x), *t = wg_node_shape(at);
    if (t->rank < 1) return wg__malformed(c, "indices are of rank 0");
    int64_t k = t->dim[t->rank - 1];
    if (k < 0) return wg__unsupported(c, "the last axis of the indices is symbolic");
    if (batch < 0 || batch >= t->rank || k < 1 || k > s->rank - batch)
        return wg__malformed(c, "%lld indices into rank %d with %lld axes of a batch", (long long)k, s->rank,
                             (long long)batch);
    status = check_indices(c, (int)k, s->dim + batch);
    if (status) return status;
    if (batch == 0 && k == 1) return wg__out_node(c, 0, wg_gather(x, component(at, 0), 0));
    status = few_places(c, s, 0, (int)(batch + k), "data");
    for (int i = 0; i < batch && !status; i++) {
        if (!wg__dims_may_equal(c->g, t->dim[i], s->dim[i]))
            return wg__malformed(c, "axis %d of x and indices, of the batch, differ", i);
        if (s->dim[i] > WG__MAX_INDICES) return wg__unsupported(c, "axis %d is too long", i);
    }
    return status ? status : gather_nd_flat(c, x, at, (int)batch, (int)k);
}

/* ---- OneHot ---- */

/* Makes one-hot vectors: values = [off, on]; an index outside of the depth gives a vector that is all off. */
static wg_node *one_hot(struct wg__in *c, wg_node *index, int64_t depth, wg_node *values)
{
    wg_node *i = wg_cast(index, WG_I64);
    i = wg_where(wg_less(i, wg_lit(i, 0)), wg_add(i, wg__in_dim(c, WG_I64, depth)), i);
    wg_node *in = wg_equal(wg_unsqueeze(i, -1), wg_iota(wg_node_graph(i), depth));
    wg_node *on = wg_reshape(wg_slice(values, 0, 1, 2, 1), WG_SCALAR);
    wg_node *off = wg_reshape(wg_slice(values, 0, 0, 1, 1), WG_SCALAR);
    return wg_where(in, on, off);
}

/* Reads the depth, a number or a symbol. */
static bool read_depth(struct wg__in *c, int64_t *to)
{
    struct wg__ints list;
    double          depth;
    if (wg__in_ints(c, 1, &list) && list.n == 1 && wg__is_symbol(&list, 0)) {
        *to = list.at[0];
        return true;
    }
    if (!wg__in_need_real(c, 1, "depth", &depth)) return false;
    if (!(depth >= 0)) return wg__malformed(c, "depth is %g", depth), false;
    if (depth > WG__MAX_INDICES) return wg__unsupported(c, "depth %g", depth), false;
    *to = (int64_t)depth;
    return true;
}

static int one_hot_row(struct wg__in *c)
{
    wg_node *index, *values;
    int64_t  depth;
    int      axis, status = wg__in_operand(c, 0, &index);
    if (!status) status = wg__in_operand(c, 2, &values);
    if (status) return status;
    if (!read_depth(c, &depth)) return WG_EARG;
    int rank = wg_node_shape(index)->rank + 1;
    if (!wg__in_axis(c, wg__attr_int(c, "axis", -1), rank, &axis)) return WG_EARG;
    if (wg_node_shape(values)->rank != 1 || wg_node_shape(values)->dim[0] != 2)
        return wg__malformed(c, "values are not two");
    if (rank > WG_MAX_RANK) return wg__unsupported(c, "a result of rank %d", rank);
    return wg__out_node(c, 0, wg__last_to(one_hot(c, index, depth, values), axis));
}

/* ---- ArgMax, ArgMin ---- */

/* Makes a value that falls where x rises. Not -x: the least integer is its own negative. */
static wg_node *reverse_order(wg_node *x)
{
    wg_dtype t = wg_node_dtype(x);
    if (t == WG_BOOL) return wg_not(x);
    if (WG_DTYPE_BIT(t) & WG_DTYPE_REALS) return wg_neg(x);
    return wg_sub(wg_lit(x, t == WG_U8 ? 255 : -1), x);
}

/* Finds the last of equal elements: the first one from the other end. */
static wg_node *last_index(wg_node *x, int axis, bool keep)
{
    wg_node *turned = wg_slice(x, axis, WG_SLICE_END, INT64_MIN, -1);
    wg_node *last = wg_shift(wg_size(wg_cast(x, WG_I64), WG_AXES(axis)), -1);
    return wg_sub(last, wg_argmax(turned, axis, keep));
}

static int arg_extreme(struct wg__in *c, bool least)
{
    wg_node *x;
    int      axis, status = wg__in_operand(c, 0, &x);
    if (status) return status;
    bool keep = wg__attr_int(c, "keepdims", 1), last = wg__attr_int(c, "select_last_index", 0);
    if (!wg__in_axis(c, wg__attr_int(c, "axis", 0), wg_node_shape(x)->rank, &axis)) return WG_EARG;
    if (least) x = reverse_order(x);
    return wg__out_node(c, 0, last ? last_index(x, axis, keep) : wg_argmax(x, axis, keep));
}

static int arg_max(struct wg__in *c) { return arg_extreme(c, false); }
static int arg_min(struct wg__in *c) { return arg_extreme(c, true); }

/* ---- TopK ---- */

/* Reads k: an attribute before opset 10, then an input of one number. */
static int how_many(struct wg__in *c, int64_t *k)
{
    struct wg__ints v = {.n = 1, .at = {wg__attr_int(c, "k", -1)}};
    if (c->opset >= 10 && !wg__in_need_ints(c, 1, "k", &v)) return WG_EARG;
    if (v.n != 1) return wg__malformed(c, "k has %d elements", v.n);
    if (c->opset >= 10 && wg__is_symbol(&v, 0)) return wg__unsupported(c, "k is symbolic");
    if (v.at[0] < 0) return wg__malformed(c, "k is %lld", (long long)v.at[0]);
    *k = v.at[0];
    return WG_OK;
}

/* Makes TopK in sorted order, which is one of the orders that sorted = 0 allows. */
static int top_k(struct wg__in *c)
{
    wg_node *x;
    int64_t  k = 0;
    int      axis, status = wg__in_operand(c, 0, &x);
    if (!status) status = how_many(c, &k);
    if (status) return status;
    if (!wg__in_axis(c, wg__attr_int(c, "axis", -1), wg_node_shape(x)->rank, &axis)) return WG_EARG;
    wg_node *y = wg_top_k(x, axis, k, !wg__attr_int(c, "largest", 1));
    status = c->n_out > 0 ? wg__out_node(c, 0, y) : WG_OK;
    return status || c->n_out < 2 ? status : wg__out_node(c, 1, wg_result(y, 1));
}

const struct wg__row wg__rows_index[] = {
    {"Gather", 1, "2", "axis", gather, "0"},
    {"GatherElements", 11, "2", "axis", gather_elements, NULL},
    {"ScatterElements", 16, "3", "axis reduction", scatter_elements, NULL},
    {"GatherND", 11, "2", "", gather_nd, NULL},
    {"GatherND", 12, "2", "batch_dims", gather_nd, NULL},
    {"OneHot", 9, "3", "axis", one_hot_row, "k1"},
    {"ArgMax", 1, "1", "axis keepdims", arg_max, NULL},
    {"ArgMax", 12, "1", "axis keepdims select_last_index", arg_max, NULL},
    {"ArgMin", 1, "1", "axis keepdims", arg_min, NULL},
    {"ArgMin", 12, "1", "axis keepdims select_last_index", arg_min, NULL},
    {"TopK", 1, "1", "axis k", top_k, NULL},
    {"TopK", 10, "2", "axis", top_k, "k1"},
    {"TopK", 11, "2", "axis largest sorted", top_k, "k1"},
    {0},
};
