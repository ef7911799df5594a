/* Pieces: Slice, Concat, Split, Tile. */
#include "onnx/import/rows/shapes/import_shape.h"

/* ---- Slice ---- */

/* One axis' range. */
struct range {
    int64_t start, stop, step;
    bool    start_symbol, stop_symbol, unclear;
};

struct ranges {
    struct wg__ints start, stop, axes, step;
};

static struct range range_at(const struct ranges *r, int i)
{
    return (struct range){.start = r->start.at[i],
                          .stop = r->stop.at[i],
                          .step = r->step.n < 0 ? 1 : r->step.at[i],
                          .start_symbol = wg__is_symbol(&r->start, i),
                          .stop_symbol = wg__is_symbol(&r->stop, i),
                          .unclear = wg__is_unclear(&r->start, i) || wg__is_unclear(&r->stop, i)};
}

static int read_ranges(struct wg__in *c, struct ranges *r)
{
    r->step.n = -1;
    int status = wg__in_moved(c, "starts", 10, 1, &r->start);
    if (!status) status = wg__in_moved(c, "ends", 10, 2, &r->stop);
    if (!status) status = wg__in_moved(c, "axes", 10, 3, &r->axes);
    if (!status && c->opset >= 10) status = wg__in_moved(c, "steps", 10, 4, &r->step);
    if (status) return status;
    int n = r->start.n;
    if (n < 0 || r->stop.n != n || (r->axes.n >= 0 && r->axes.n != n) || (r->step.n >= 0 && r->step.n != n))
        return wg__malformed(c, "starts, ends, axes and steps are not of one length");
    if (r->axes.n < 0)
        for (r->axes.n = 0; r->axes.n < n; r->axes.n++) r->axes.at[r->axes.n] = r->axes.n;
    for (int i = 0; i < r->step.n; i++)
        if (r->step.at[i] == 0) return wg__malformed(c, "a step of 0");
    return WG_OK;
}

static void slice_list(struct wg__list *x, struct range r)
{
    struct wg__ints y = {.n = (int)wg__list_range(x->v.n, &r.start, r.stop, r.step)};
    for (int i = 0; i < y.n; i++) y.at[i] = x->v.at[r.start + i * r.step];
    x->v = y;
}

/* Slices between symbols. A symbol below 0 would count from the end in ONNX; here the run reports it. */
static int slice_symbol(struct wg__in *c, wg_node **x, int axis, const struct range *r)
{
    int64_t  size = wg_node_shape(*x)->dim[axis], from = r->start, to = r->stop;
    bool     below = !r->start_symbol && from < 0, end = !r->stop_symbol && to >= INT32_MAX;
    wg_infer why = {.g = c->g};
    int      status = WG_OK;
    if (r->step < 0) return wg__unsupported(c, "a range of axis %d that goes backward between symbols", axis);
    if (below) status = wg__dim_sub(&why, size, -from, &from);
    if (end) to = size;
    else if (!r->stop_symbol && to < 0 && !status) status = wg__dim_sub(&why, size, -to, &to);
    int64_t n;
    if (!status) status = wg__dim_sub(&why, to, from, &n);
    if (!status) status = wg__in_range_count(c, n, r->step, &n);
    if (status) return *why.why ? wg__unsupported(c, "%s", why.why) : status;
    *x = wg_narrow(*x, axis, from, n, n == 1 ? 1 : r->step);
    return *x ? WG_OK : wg__out_node(c, 0, NULL);
}

static int64_t slice_bound(int64_t v) { return v >= INT32_MAX ? WG_SLICE_END : v <= -INT32_MAX ? INT64_MIN : v; }

/* Slices one axis. Going backward, ONNX moves a start before the first element onto that element,
 * where Python's slice is empty. */
static int slice_axis(struct wg__in *c, wg_node **x, int axis, const struct range *r)
{
    int64_t n = wg_node_shape(*x)->dim[axis], start = r->start, stop = r->stop;
    if (r->unclear && (n < 0 || r->start_symbol || r->stop_symbol))
        return wg__unsupported(c, "%lld:%lld of axis %d, which is symbolic", (long long)start, (long long)stop, axis);
    if (r->start_symbol || r->stop_symbol) return slice_symbol(c, x, axis, r);
    bool front = stop >= 0 && stop < INT32_MAX, back = start < 0 && start > -INT32_MAX;
    if (n < 0 && (r->step < 0 ? start < -1 : back && front))
        return wg__unsupported(c, "%lld:%lld:%lld of axis %d, which is symbolic", (long long)start, (long long)stop,
                               (long long)r->step, axis);
    if (n < 0) {
        start = slice_bound(start);
        stop = slice_bound(stop);
    } else if (r->step < 0 && start < -n) start = -n;
    if (n < 0 && r->step > 0 && start == INT64_MIN) start = 0;
    *x = wg_slice(*x, axis, start, stop, r->step);
    return *x ? WG_OK : wg__out_node(c, 0, NULL);
}

int wg__row_slice(struct wg__in *c)
{
    struct ranges   r;
    struct wg__list l;
    wg_axes         axes;
    wg_node        *x;
    wg_shape        s;
    int             status = read_ranges(c, &r);
    if (!status) status = wg__in_operand_shape(c, 0, &s);
    if (status) return status;
    if (!wg__in_axes(c, &r.axes, s.rank, &axes)) return WG_EARG;
    struct range first = axes.n == 1 ? range_at(&r, 0) : (struct range){0};
    if (s.rank == 1 && axes.n == 1 && !first.start_symbol && !first.stop_symbol && wg__in_list(c, 0, &l)) {
        slice_list(&l, first);
        return wg__out_list(c, 0, &l);
    }
    status = wg__in_operand(c, 0, &x);
    for (int i = 0; i < axes.n && !status; i++) {
        struct range at = range_at(&r, i);
        status = slice_axis(c, &x, axes.axis[i], &at);
    }
    return status ? status : wg__out_node(c, 0, x);
}

/* ---- Concat ---- */

/* Joins all operands as one list. False if an operand is no list, or they do not go together. */
static bool concat_lists(struct wg__in *c, int64_t axis, struct wg__list *y)
{
    struct wg__list x;
    if (axis != 0 && axis != -1) return false;
    *y = (struct wg__list){0};
    for (int i = 0; i < c->n_in; i++) {
        if (!wg__in_list(c, i, &x) || x.rank0 || x.v.n > WG__MAX_INTS - y->v.n) return false;
        if (i > 0 && x.dtype != y->dtype) return false;
        y->dtype = x.dtype;
        for (int k = 0; k < x.v.n; k++) y->v.at[y->v.n++] = x.v.at[k];
    }
    return c->n_in > 0;
}

int wg__row_concat(struct wg__in *c)
{
    struct wg__list l;
    int             axis, status = WG_OK;
    if (c->opset >= 4 && !wg__attr_has(c, "axis")) return wg__malformed(c, "attribute axis is missing");
    if (concat_lists(c, wg__attr_int(c, "axis", 1), &l)) return wg__out_list(c, 0, &l);
    wg_node **x = c->n_in ? wg__data_alloc((size_t)c->n_in * sizeof *x) : NULL;
    if (!x && !c->n_in) return wg__malformed(c, "it has no inputs");
    if (!x) {
        wg__fail_nomem(c->g);
        return wg__out_node(c, 0, NULL);
    }
    for (int i = 0; i < c->n_in && !status; i++) status = wg__in_operand(c, i, &x[i]);
    if (!status && !wg__in_axis(c, wg__attr_int(c, "axis", 1), wg_node_shape(x[0])->rank, &axis)) status = WG_EARG;
    if (!status) status = wg__out_node(c, 0, wg_concat(c->n_in, x, axis));
    wg__data_free(x);
    return status;
}

/* ---- Split ---- */

/* Gives the size of piece i of c->n_out pieces of n elements, of which `at` are in earlier pieces: by
 * the list of sizes, or equal pieces of which the last may be smaller (since opset 18). n and the
 * sizes may be symbolic. */
static int piece_size(struct wg__in *c, const struct wg__ints *sizes, int64_t n, int64_t at, int i, int64_t *y)
{
    wg_infer why = {.g = c->g};
    int      status = WG_OK;
    if (i == c->n_out - 1 && n < 0) status = wg__dim_sub(&why, n, at, y);
    else if (sizes->n >= 0) *y = sizes->at[i];
    else if (n < 0 && c->opset < 18) return wg__in_div(c, n, c->n_out, y);
    else if (n < 0) status = wg__dim_range(&why, n, 0, WG_SLICE_END, c->n_out, y);
    else {
        int64_t each = n / c->n_out + (n % c->n_out != 0);
        *y = each < n - at ? each : n - at;
    }
    return status ? wg__unsupported(c, "%s", why.why) : WG_OK;
}

static int check_pieces(struct wg__in *c, const struct wg__ints *sizes, int64_t n)
{
    int64_t  sum = 0, wanted = wg__attr_int(c, "num_outputs", c->n_out);
    char     all[48], have[48];
    wg_infer why = {.g = c->g};
    if (sizes->n < 0 && wanted != c->n_out)
        return wg__malformed(c, "num_outputs is %lld, but there are %d", (long long)wanted, c->n_out);
    if (sizes->n < 0 && c->opset < 18 && n >= 0 && n % c->n_out)
        return wg__malformed(c, "%lld elements cannot be cut into %d equal pieces", (long long)n, c->n_out);
    if (sizes->n < 0) return WG_OK;
    if (sizes->n != c->n_out) return wg__malformed(c, "%d sizes for %d outputs", sizes->n, c->n_out);
    for (int i = 0; i < sizes->n; i++) {
        bool symbol = wg__is_symbol(sizes, i);
        if ((!symbol && sizes->at[i] < 0) || wg_dim_add(&why, sum, sizes->at[i], &sum))
            return wg__malformed(c, "a piece of %lld elements", (long long)sizes->at[i]);
    }
    if (wg__dims_may_equal(c->g, sum, n)) return WG_OK;
    return wg__malformed(c, "pieces of %s elements in all, not %s", wg_dim_name(c->g, sum, have, sizeof have),
                         wg_dim_name(c->g, n, all, sizeof all));
}

static int split_list(struct wg__in *c, const struct wg__ints *sizes, const struct wg__list *l)
{
    int64_t at = 0;
    int     status = WG_OK;
    for (int i = 0; i < c->n_out && !status; i++) {
        struct wg__list y = {.dtype = l->dtype};
        int64_t         n;
        if (piece_size(c, sizes, l->v.n, at, i, &n)) return WG_EARG;
        if (!wg_dim_known(n)) return wg__unsupported(c, "a piece of symbolic size of a list");
        y.v.n = (int)n;
        for (int k = 0; k < y.v.n; k++) y.v.at[k] = l->v.at[at++];
        status = wg__out_list(c, i, &y);
    }
    return status;
}

/* Makes the pieces by one operator, where the axis and their sizes are known. */
static int split_known(struct wg__in *c, const struct wg__ints *sizes, wg_node *x, int axis)
{
    int64_t *size = wg__in_data(c, c->n_out, WG_I64), at = 0;
    int      status = size ? WG_OK : WG_ENOMEM;
    for (int i = 0; i < c->n_out && !status; at += size[i++])
        status = piece_size(c, sizes, wg_node_shape(x)->dim[axis], at, i, &size[i]);
    wg_node *y = status ? NULL : wg_split(x, axis, c->n_out, size);
    for (int i = 0; i < c->n_out && !status; i++) status = wg__out_node(c, i, y ? wg_result(y, i) : NULL);
    wg__data_free(size);
    return status;
}

/* Tells whether no size in the list is symbolic. */
static bool are_known(const struct wg__ints *sizes)
{
    for (int i = 0; i < sizes->n; i++)
        if (wg__is_symbol(sizes, i)) return false;
    return true;
}

int wg__row_split(struct wg__in *c)
{
    struct wg__ints sizes;
    struct wg__list l;
    wg_node        *x;
    wg_shape        s;
    int64_t         at = 0;
    int             axis, status = wg__in_moved(c, "split", c->opset == 1 && wg__in_has(c, 1) ? 1 : 13, 1, &sizes);
    if (!status) status = wg__in_operand_shape(c, 0, &s);
    if (status) return status;
    if (!wg__in_axis(c, wg__attr_int(c, "axis", 0), s.rank, &axis)) return WG_EARG;
    if (c->n_out < 1) return wg__malformed(c, "it has no outputs");
    status = check_pieces(c, &sizes, s.dim[axis]);
    if (status) return status;
    if (wg__in_list(c, 0, &l)) return split_list(c, &sizes, &l);
    status = wg__in_operand(c, 0, &x);
    if (!status && wg_dim_known(s.dim[axis]) && are_known(&sizes)) return split_known(c, &sizes, x, axis);
    for (int i = 0; i < c->n_out && !status; i++) {
        wg_infer why = {.g = c->g};
        int64_t  n;
        if ((status = piece_size(c, &sizes, s.dim[axis], at, i, &n))) return status;
        wg_node *y = wg_narrow(x, axis, at, n, 1);
        if (sizes.n >= 0 && y) { /* what is left has to be what was asked for */
            wg_shape want = *wg_node_shape(y);
            want.dim[axis] = sizes.at[i];
            y = wg_reshape(y, want);
        }
        status = wg__out_node(c, i, y);
        if (!status && wg_dim_add(&why, at, n, &at)) return wg__unsupported(c, "%s", why.why);
    }
    return status;
}

/* ---- Tile ---- */

/* Repeats x r times along one axis: x as [outer, 1, inner] is expanded to [outer, r, inner]. */
static int tile_axis(struct wg__in *c, wg_node **x, int axis, int64_t r)
{
    wg_shape s = *wg_node_shape(*x), three = {.rank = 3, .dim = {1, 1, 1}};
    if (r == 1) return WG_OK;
    int status = wg__in_extent(c, &s, 0, axis, &three.dim[0]);
    if (!status) status = wg__in_extent(c, &s, axis, s.rank, &three.dim[2]);
    if (!status) status = wg__in_mul(c, s.dim[axis], r, &s.dim[axis]);
    if (status) return status;
    wg_node *y = wg_reshape(*x, three);
    three.dim[1] = r;
    *x = wg_reshape(wg_expand(y, three), s);
    return *x ? WG_OK : wg__out_node(c, 0, NULL);
}

/* Reads the repeats before opset 6, where one axis is tiled and both numbers are inputs. */
static int read_repeats_1(struct wg__in *c, int rank, struct wg__ints *to)
{
    struct wg__ints tiles, axis;
    int             at;
    if (!wg__in_need_ints(c, 1, "tiles", &tiles) || !wg__in_need_ints(c, 2, "axis", &axis)) return WG_EARG;
    if (tiles.n != 1 || axis.n != 1) return wg__malformed(c, "tiles and axis are not single numbers");
    if (!wg__in_axis(c, axis.at[0], rank, &at)) return WG_EARG;
    *to = tiles;
    for (to->n = 0; to->n < rank; to->n++) to->at[to->n] = to->n == at ? tiles.at[0] : 1;
    return WG_OK;
}

static int read_repeats(struct wg__in *c, int rank, struct wg__ints *to)
{
    if (c->opset < 6) return read_repeats_1(c, rank, to);
    if (!wg__in_has(c, 1)) return wg__malformed(c, "repeats are missing");
    if (!wg__in_need_ints(c, 1, "repeats", to)) return WG_EARG;
    return to->n == rank ? WG_OK : wg__malformed(c, "%d repeats for rank %d", to->n, rank);
}

int wg__row_tile(struct wg__in *c)
{
    struct wg__ints r;
    struct wg__list l;
    wg_node        *x;
    wg_shape        s;
    int             status = wg__in_operand_shape(c, 0, &s);
    if (!status) status = read_repeats(c, s.rank, &r);
    if (status) return status;
    for (int i = 0; i < s.rank; i++)
        if (r.at[i] < 0 && !wg__is_symbol(&r, i)) return wg__malformed(c, "%lld repeats", (long long)r.at[i]);
    if (s.rank == 1 && r.at[0] >= 0 && wg__in_list(c, 0, &l) && (l.v.n == 0 || r.at[0] <= WG__MAX_INTS / l.v.n)) {
        int n = l.v.n;
        for (l.v.n = 0; l.v.n < n * r.at[0]; l.v.n++) l.v.at[l.v.n] = l.v.at[l.v.n % n];
        return wg__out_list(c, 0, &l);
    }
    status = wg__in_operand(c, 0, &x);
    for (int i = 0; i < s.rank && !status; i++) status = tile_axis(c, &x, i, r.at[i]);
    return status ? status : wg__out_node(c, 0, x);
}
