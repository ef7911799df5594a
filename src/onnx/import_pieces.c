/* Pieces: Slice, Concat, Split, Tile. */
#include "onnx/import_shape.h"

/* ---- Slice ---- */

/* One axis' range. */
struct range {
    int64_t start, stop, step;
    bool    start_symbol, stop_symbol;
};

struct ranges {
    struct wg__ints start, stop, axes, step;
};

static struct range range_at(const struct ranges *r, int i)
{
    return (struct range){r->start.at[i], r->stop.at[i], r->step.n < 0 ? 1 : r->step.at[i], wg__is_symbol(&r->start, i),
                          wg__is_symbol(&r->stop, i)};
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

/* x[.., 0:n, ..] for a symbol n on an axis of known size: a gather, so that an
 * n above the size is an error of the run.  The indices are 0, 1, .. size-1
 * and then ones that are outside, cut to n of them. */
static wg_node *up_to(struct wg__in *c, wg_node *x, int axis, int64_t n)
{
    int64_t  size = wg_node_shape(x)->dim[axis];
    wg_node *all = size <= WG__MAX_INDICES ? wg__in_iota(c, size, 0, 1) : NULL;
    wg_node *more = wg_pad(all, &(int64_t){0}, &n, (double)WG__MAX_INDICES);
    return wg_gather(x, wg_slice(more, 0, 0, n, 1), axis);
}

/* A symbolic axis from its end: start and stop as -4:-1 or -4:, which is a
 * known number of elements. */
static bool from_the_end(const struct range *r)
{
    return r->start < 0 && r->start >= -WG__MAX_INDICES && (r->stop < 0 || r->stop >= INT32_MAX) &&
           (r->stop >= INT32_MAX || r->stop >= r->start) && r->step > 0 && r->step <= WG__MAX_INDICES;
}

static wg_node *slice_from_the_end(struct wg__in *c, wg_node *x, int axis, const struct range *r)
{
    int64_t width = (r->stop < 0 ? r->stop : 0) - r->start;
    return wg_gather(x, wg__in_iota(c, (width + r->step - 1) / r->step, r->start, r->step), axis);
}

/* The axis is symbolic and no end of the range is. */
static int slice_open(struct wg__in *c, wg_node **x, int axis, const struct range *r)
{
    bool ends = r->stop >= INT32_MAX, back = r->start >= INT32_MAX || r->start == -1;
    if (r->start == 0 && ends && r->step == 1) return WG_OK;
    if (back && r->stop <= -INT32_MAX && r->step == -1) *x = wg_slice(*x, axis, WG_END, INT64_MIN, -1);
    else if (from_the_end(r)) *x = slice_from_the_end(c, *x, axis, r);
    else if (r->start >= 0 && r->stop >= 0 && !ends && r->step > 0)
        *x = wg_slice(*x, axis, r->start, r->stop < r->start ? r->start : r->stop, r->step);
    else
        return wg__unsupported(c, "%lld:%lld:%lld of axis %d, which is symbolic", (long long)r->start,
                               (long long)r->stop, (long long)r->step, axis);
    return *x ? WG_OK : wg__out_node(c, 0, NULL);
}

static int slice_symbol(struct wg__in *c, wg_node **x, int axis, const struct range *r)
{
    int64_t size = wg_node_shape(*x)->dim[axis];
    if (r->start_symbol || r->start != 0 || r->step != 1)
        return wg__unsupported(c, "a symbolic range of axis %d that is not from 0 in steps of 1", axis);
    if (size == r->stop) return WG_OK;
    if (size > WG__MAX_INDICES) return wg__unsupported(c, "a symbolic range of axis %d", axis);
    *x = size < 0 ? wg_slice(*x, axis, 0, r->stop, 1) : up_to(c, *x, axis, r->stop);
    return *x ? WG_OK : wg__out_node(c, 0, NULL);
}

static int slice_axis(struct wg__in *c, wg_node **x, int axis, const struct range *r)
{
    if (r->start_symbol || r->stop_symbol) return slice_symbol(c, x, axis, r);
    if (wg_node_shape(*x)->dim[axis] < 0) return slice_open(c, x, axis, r);
    /* Going backward, ONNX moves a start before the first element onto it; Python has nothing there. */
    int64_t n = wg_node_shape(*x)->dim[axis], start = r->step < 0 && r->start < -n ? -n : r->start;
    *x = wg_slice(*x, axis, start, r->stop, r->step);
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

/* All operands as one list; false if one is none, or if they do not go together. */
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
    if (!x) return c->n_in ? wg__out_node(c, 0, (wg__fail_nomem(c->g), NULL)) : wg__malformed(c, "it has no inputs");
    for (int i = 0; i < c->n_in && !status; i++) status = wg__in_operand(c, i, &x[i]);
    if (!status && !wg__in_axis(c, wg__attr_int(c, "axis", 1), wg_node_shape(x[0])->rank, &axis)) status = WG_EARG;
    if (!status) status = wg__out_node(c, 0, wg_concat(c->n_in, x, axis));
    wg__data_free(x);
    return status;
}

/* ---- Split ---- */

/* Piece i of n elements in c->n_out pieces: what the list says, or equal ones
 * of which (since opset 18) the last may be smaller. */
static int64_t piece(const struct wg__in *c, const struct wg__ints *sizes, int64_t n, int64_t at, int i)
{
    if (sizes->n >= 0) return sizes->at[i];
    int64_t each = n / c->n_out + (n % c->n_out != 0);
    return each < n - at ? each : n - at;
}

static int check_pieces(struct wg__in *c, const struct wg__ints *sizes, int64_t n)
{
    int64_t sum = 0, wanted = wg__attr_int(c, "num_outputs", c->n_out);
    if (sizes->n < 0 && wanted != c->n_out)
        return wg__malformed(c, "num_outputs is %lld, but there are %d", (long long)wanted, c->n_out);
    if (n < 0 && c->n_out > 1) return wg__unsupported(c, "the axis is symbolic");
    if (sizes->n < 0 && c->opset < 18 && n >= 0 && n % c->n_out)
        return wg__malformed(c, "%lld elements cannot be cut into %d equal pieces", (long long)n, c->n_out);
    if (sizes->n < 0) return WG_OK;
    if (sizes->n != c->n_out) return wg__malformed(c, "%d sizes for %d outputs", sizes->n, c->n_out);
    if (n < 0) return sizes->at[0] == n && wg__is_symbol(sizes, 0) ? WG_OK : wg__unsupported(c, "the axis is symbolic");
    for (int i = 0; i < sizes->n; i++)
        if (sizes->at[i] < 0 || __builtin_add_overflow(sum, sizes->at[i], &sum))
            return wg__malformed(c, "a piece of %lld elements", (long long)sizes->at[i]);
    return sum == n ? WG_OK
                    : wg__malformed(c, "pieces of %lld elements in all, not %lld", (long long)sum, (long long)n);
}

static int split_list(struct wg__in *c, const struct wg__ints *sizes, const struct wg__list *l)
{
    int64_t at = 0;
    int     status = WG_OK;
    for (int i = 0; i < c->n_out && !status; i++) {
        struct wg__list y = {.v.n = (int)piece(c, sizes, l->v.n, at, i), .dtype = l->dtype};
        for (int k = 0; k < y.v.n; k++) y.v.at[k] = l->v.at[at++];
        status = wg__out_list(c, i, &y);
    }
    return status;
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
    if (!status && s.dim[axis] < 0) return wg__out_node(c, 0, x);
    for (int i = 0; i < c->n_out && !status; i++) {
        int64_t n = piece(c, &sizes, s.dim[axis], at, i);
        status = wg__out_node(c, i, wg_slice(x, axis, at, at + n, 1));
        at += n;
    }
    return status;
}

/* ---- Tile ---- */

/* One axis r times: x as [outer, 1, inner] is expanded to [outer, r, inner]. */
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

/* Before opset 6 one axis is tiled, and both numbers are inputs. */
static int repeats_1(struct wg__in *c, int rank, struct wg__ints *to)
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

static int repeats(struct wg__in *c, int rank, struct wg__ints *to)
{
    if (c->opset < 6) return repeats_1(c, rank, to);
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
    if (!status) status = repeats(c, s.rank, &r);
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
