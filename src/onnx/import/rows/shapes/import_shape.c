/* Shapes: the same elements under other axes, and shapes as values. */
#include "onnx/import/rows/shapes/import_shape.h"

/* ---- Shape, Size ---- */

static int64_t clamp_axis(int64_t i, int rank)
{
    if (i < 0) i += rank;
    return i < 0 ? 0 : i > rank ? rank : i;
}

static int shape(struct wg__in *c)
{
    wg_shape        s;
    struct wg__ints y = {0};
    int             status = wg__in_operand_shape(c, 0, &s);
    if (status) return status;
    int64_t from = clamp_axis(wg__attr_int(c, "start", 0), s.rank),
            to = clamp_axis(wg__attr_int(c, "end", s.rank), s.rank);
    while (from < to) y.at[y.n++] = s.dim[from++];
    return wg__out_ints(c, 0, &y, WG_I64, false);
}

static int size(struct wg__in *c)
{
    wg_shape        s;
    struct wg__ints y = {.n = 1};
    int             status = wg__in_operand_shape(c, 0, &s);
    if (!status) status = wg__in_extent(c, &s, 0, s.rank, &y.at[0]);
    return status ? status : wg__out_ints(c, 0, &y, WG_I64, true);
}

/* ---- Reshape ---- */

/* Reshapes a list to rank 0 or 1. False if the shape needs a node. */
static bool reshape_list(struct wg__list *x, const struct wg__ints *to, bool zero)
{
    if (to->n > 1) return false;
    int64_t n = to->n == 0 ? 1 : to->at[0] == 0 && !zero && !x->rank0 ? x->v.n : to->at[0];
    if (n != -1 && n != x->v.n) return false;
    x->rank0 = to->n == 0;
    return true;
}

static int reshape_node(struct wg__in *c, const struct wg__ints *to, bool zero)
{
    wg_node *x;
    wg_shape s = {.rank = to->n};
    int      open = 0, status = wg__in_operand(c, 0, &x);
    if (status) return status;
    for (int i = 0; i < to->n; i++) {
        s.dim[i] = to->at[i];
        if (s.dim[i] == -1 && open++) return wg__malformed(c, "the shape has more than one -1");
        if (s.dim[i] || zero) continue;
        if (i >= wg_node_shape(x)->rank) return wg__malformed(c, "dimension %d is to be copied, but x has none", i);
        s.dim[i] = wg_node_shape(x)->dim[i];
    }
    return wg__out_node(c, 0, wg_reshape(x, s));
}

static int reshape_to(struct wg__in *c, const struct wg__ints *to)
{
    struct wg__list x;
    bool            zero = wg__attr_int(c, "allowzero", 0);
    if (wg__in_list(c, 0, &x) && reshape_list(&x, to, zero)) return wg__out_list(c, 0, &x);
    return reshape_node(c, to, zero);
}

static int reshape_1(struct wg__in *c)
{
    struct wg__ints to;
    if (!wg__attr_ints(c, "shape", &to)) return wg__malformed(c, "attribute shape is missing");
    if (to.n > WG_MAX_RANK) return wg__unsupported(c, "shape is of rank %d, above %d", to.n, WG_MAX_RANK);
    for (int i = 0; i < to.n; i++)
        if (to.at[i] < -1) return wg__malformed(c, "shape has a dimension of %lld", (long long)to.at[i]);
    return reshape_to(c, &to);
}

static int reshape_5(struct wg__in *c)
{
    struct wg__ints to;
    int             status = wg__in_dims(c, 1, "shape", &to);
    return status ? status : reshape_to(c, &to);
}

/* ---- Flatten, Squeeze, Unsqueeze ---- */

static int flatten(struct wg__in *c)
{
    wg_node *x;
    wg_shape s = {.rank = 2};
    int64_t  axis = wg__attr_int(c, "axis", 1);
    int      status = wg__in_operand(c, 0, &x), rank = x ? wg_node_shape(x)->rank : 0;
    if (status) return status;
    if (axis < -rank || axis > rank) return wg__malformed(c, "axis %lld is outside of rank %d", (long long)axis, rank);
    int at = (int)(axis < 0 ? axis + rank : axis);
    status = wg__in_extent(c, wg_node_shape(x), 0, at, &s.dim[0]);
    if (!status) status = wg__in_extent(c, wg_node_shape(x), at, rank, &s.dim[1]);
    return status ? status : wg__out_node(c, 0, wg_reshape(x, s));
}

/* Finds which axes of s go: those in the list, or every axis of size 1 if there is no list. */
static int find_squeezed(struct wg__in *c, const struct wg__ints *axes, const wg_shape *s, bool gone[WG_MAX_RANK])
{
    wg_axes in = {0};
    char    name[48];
    if (axes->n >= 0 && !wg__in_axes(c, axes, s->rank, &in)) return WG_EARG;
    for (int i = 0; i < s->rank; i++) {
        gone[i] = axes->n < 0 && s->dim[i] == 1;
        if (axes->n < 0 && s->dim[i] < 0)
            return wg__unsupported(c, "whether axis %d goes is not known: bind '%s' to a size", i,
                                   wg_dim_name(c->g, s->dim[i], name, sizeof name));
    }
    for (int i = 0; i < in.n; i++) { /* that a symbol is 1 is found out by the reshape */
        int64_t d = s->dim[in.axis[i]];
        if (d >= 0 && d != 1)
            return wg__malformed(c, "axis %d has size %s, not 1", in.axis[i], wg_dim_name(c->g, d, name, sizeof name));
        gone[in.axis[i]] = true;
    }
    return WG_OK;
}

static int squeeze(struct wg__in *c)
{
    struct wg__ints axes;
    struct wg__list l;
    wg_node        *x;
    wg_shape        have, s = {0};
    bool            gone[WG_MAX_RANK] = {0};
    int             status = wg__in_moved(c, "axes", 13, 1, &axes);
    if (!status) status = wg__in_operand_shape(c, 0, &have);
    if (!status) status = find_squeezed(c, &axes, &have, gone);
    if (status) return status;
    if (wg__in_list(c, 0, &l)) {
        l.rank0 = l.rank0 || gone[0];
        return wg__out_list(c, 0, &l);
    }
    for (int i = 0; i < have.rank; i++)
        if (!gone[i]) s.dim[s.rank++] = have.dim[i];
    status = wg__in_operand(c, 0, &x);
    return status ? status : wg__out_node(c, 0, wg_reshape(x, s));
}

static int unsqueeze(struct wg__in *c)
{
    struct wg__ints axes;
    struct wg__list l;
    wg_axes         in;
    wg_node        *x;
    wg_shape        have, s = {0};
    bool            one[WG_MAX_RANK] = {0};
    int             status = wg__in_moved(c, "axes", 13, 1, &axes), k = 0;
    if (!status && axes.n < 0) return wg__malformed(c, "axes are missing");
    if (!status) status = wg__in_operand_shape(c, 0, &have);
    if (status) return status;
    if (axes.n > WG_MAX_RANK - have.rank)
        return wg__unsupported(c, "the result is of rank %d, above %d", have.rank + axes.n, WG_MAX_RANK);
    s.rank = have.rank + axes.n;
    if (!wg__in_axes(c, &axes, s.rank, &in)) return WG_EARG;
    if (s.rank <= 1 && wg__in_list(c, 0, &l)) {
        l.rank0 = s.rank == 0;
        return wg__out_list(c, 0, &l);
    }
    for (int i = 0; i < in.n; i++) one[in.axis[i]] = true;
    for (int i = 0; i < s.rank; i++) s.dim[i] = one[i] ? 1 : have.dim[k++];
    status = wg__in_operand(c, 0, &x);
    return status ? status : wg__out_node(c, 0, wg_reshape(x, s));
}

/* ---- Expand ---- */

/* Broadcasts two shapes into *y by NumPy's rules. */
static int broadcast(struct wg__in *c, const wg_shape *a, const wg_shape *b, wg_shape *y)
{
    char     p[48], q[48];
    wg_infer why = {.g = c->g};
    y->rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 1; i <= y->rank; i++) {
        int64_t m = i <= a->rank ? a->dim[a->rank - i] : 1, n = i <= b->rank ? b->dim[b->rank - i] : 1;
        int     status = wg__dim_meet(&why, m, n, &y->dim[y->rank - i]);
        if (!status) continue;
        if (*why.why) return wg__unsupported(c, "%s", why.why);
        wg_dim_name(c->g, m, p, sizeof p);
        wg_dim_name(c->g, n, q, sizeof q);
        return wg__malformed(c, "size %s cannot become %s", p, q);
    }
    return WG_OK;
}

static int expand(struct wg__in *c)
{
    struct wg__ints to;
    struct wg__list l;
    wg_node        *x;
    wg_shape        have, want, s = {0};
    int             status = wg__in_dims(c, 1, "shape", &to);
    if (status) return status;
    if (!wg__in_shape(c, &to, &want)) return WG_EARG;
    status = wg__in_operand_shape(c, 0, &have);
    if (!status) status = broadcast(c, &have, &want, &s);
    if (status) return status;
    if (s.rank <= 1 && s.dim[0] >= 0 && s.dim[0] <= WG__MAX_INTS && wg__in_list(c, 0, &l)) {
        if (l.v.n == 1)
            for (l.v.n = s.rank ? 0 : 1; l.v.n < s.dim[0]; l.v.n++) l.v.at[l.v.n] = l.v.at[0];
        l.rank0 = s.rank == 0;
        return wg__out_list(c, 0, &l);
    }
    status = wg__in_operand(c, 0, &x);
    return status ? status : wg__out_node(c, 0, wg_expand(x, s));
}

const struct wg__row wg__rows_shape[] = {
    {"Shape", 1, "1", "", shape, NULL},
    {"Shape", 15, "1", "start end", shape, NULL},
    {"Size", 1, "1", "", size, NULL},
    {"Reshape", 1, "1", "shape consumed_inputs", reshape_1, NULL},
    {"Reshape", 5, "2", "", reshape_5, "k1"},
    {"Reshape", 14, "2", "allowzero", reshape_5, "k1"},
    {"Flatten", 1, "1", "axis", flatten, NULL},
    {"Squeeze", 1, "1", "axes", squeeze, NULL},
    {"Squeeze", 13, "1-2", "", squeeze, "k1"},
    {"Unsqueeze", 1, "1", "axes", unsqueeze, NULL},
    {"Unsqueeze", 13, "2", "", unsqueeze, "k1"},
    {"Expand", 8, "2", "", expand, "k1"},
    {"Transpose", 1, "1", "perm", wg__row_transpose, NULL},
    {"Slice", 1, "1", "starts ends axes", wg__row_slice, NULL},
    {"Slice", 10, "3-5", "", wg__row_slice, "k1234"},
    {"Concat", 1, "1-*", "axis", wg__row_concat, NULL},
    {"Split", 1, "1-2", "axis split", wg__row_split, "k1"},
    {"Split", 2, "1", "axis split", wg__row_split, NULL},
    {"Split", 13, "1-2", "axis", wg__row_split, "k1"},
    {"Split", 18, "1-2", "axis num_outputs", wg__row_split, "k1"},
    {"Pad", 1, "1", "mode paddings value", wg__row_pad, NULL},
    {"Pad", 2, "1", "mode pads value", wg__row_pad, NULL},
    {"Pad", 11, "2-3", "mode", wg__row_pad, "k1"},
    {"Pad", 18, "2-4", "mode", wg__row_pad, "k13"},
    {"Tile", 1, "3", "", wg__row_tile, "k12"},
    {"Tile", 6, "2", "", wg__row_tile, "k1"},
    {"DepthToSpace", 1, "1", "blocksize", wg__row_depth_to_space, NULL},
    {"DepthToSpace", 11, "1", "blocksize mode", wg__row_depth_to_space, NULL},
    {"SpaceToDepth", 1, "1", "blocksize", wg__row_space_to_depth, NULL},
    {"SpaceToDepth", 28, "1", "blocksize mode", wg__row_space_to_depth, NULL},
    {"Trilu", 14, "1-2", "upper", wg__row_trilu, "k1"},
    {"CumSum", 11, "2", "exclusive reverse", wg__row_cumsum, "k1"},
    {0},
};
