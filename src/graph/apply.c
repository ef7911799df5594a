/* Applying an operator: check, infer, make the node. */
#include <string.h>

#include "graph/graph_impl.h"

int wg_reject(wg_infer *c, int status, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(c->why, sizeof c->why, format, ap);
    va_end(ap);
    return status;
}

/* "matmul(h[2,3], [4,5], tx=1)": the head of every operator error. */
static const char *call_str(const wg_graph *g, const wg_op *op, int n, wg_node *const x[], const void *attr, char *buf,
                            size_t size)
{
    size_t k = 0;
    char   text[160];
    wg__append(buf, size, &k, "%s(", op->name);
    for (int i = 0; i < n; i++) wg__append(buf, size, &k, "%s%s", i ? ", " : "", wg__node_str(x[i], text, sizeof text));
    if (*wg__attr_str(g, op, attr, text, sizeof text)) wg__append(buf, size, &k, "%s%s", n ? ", " : "", text);
    wg__append(buf, size, &k, ")");
    return buf;
}

static int check_operands(wg_graph *g, const wg_op *op, int n, wg_node *const x[], wg_infer *c)
{
    if (op->arity == WG_VARIADIC ? n < 1 : n != op->arity)
        return wg_reject(c, WG_EARG, "takes %d operands, not %d", op->arity, n);
    for (int i = 0; i < n; i++) {
        if (!x[i]) return wg_reject(c, WG_EARG, "operand %d is NULL", i);
        if (x[i]->g != g) return wg_reject(c, WG_EARG, "operand %d belongs to another graph", i);
        if (x[i]->kind == WG__ASSIGN || x[i]->kind == WG__GROUP)
            return wg_reject(c, WG_EARG, "operand %d is %s, which has no value", i, wg_node_kind(x[i]));
        if (op->dtypes && !(op->dtypes & WG_BIT(x[i]->dtype)))
            return wg_reject(c, WG_EDTYPE, "operand %d is %s, which %s does not take", i,
                             wg_dtype_name((wg_dtype)x[i]->dtype), op->name);
    }
    return WG_OK;
}

static int infer(const wg_op *op, int n, wg_node *const x[], wg_infer *c)
{
    enum { FEW = 8 };
    wg_shape few_shapes[FEW], *shape = few_shapes;
    wg_dtype few_dtypes[FEW], *dtype = few_dtypes;
    if (n > FEW) { /* concat of many: from the arena, freed with the graph */
        shape = wg__arena_alloc(&c->g->arena, (size_t)n * sizeof *shape);
        dtype = wg__arena_alloc(&c->g->arena, (size_t)n * sizeof *dtype);
        if (!shape || !dtype) return wg_reject(c, WG_ENOMEM, "out of memory");
    }
    for (int i = 0; i < n; i++) {
        shape[i] = *x[i]->shape;
        dtype[i] = (wg_dtype)x[i]->dtype;
    }
    c->x = shape;
    c->dtype = dtype;
    c->ydtype = n ? dtype[0] : WG_F32;
    return op->infer(c);
}

/* What an operator of the user's own may have left out. */
static int check_op(const wg_op *op, int n, const void *attr, wg_infer *c)
{
    if (!op->infer) return wg_reject(c, WG_EARG, "the operator has no infer");
    if (!op->cpu && (!op->block || n > WG_BLOCK_MAX_ARITY)) return wg_reject(c, WG_EARG, "the operator has no cpu");
    return op->attr_size && !attr ? wg_reject(c, WG_EARG, "needs its attributes") : WG_OK;
}

/* infer answers with a shape and dtype, or it is wrong. */
static int check_result(wg_infer *c)
{
    char name[48];
    bool good = c->y.rank >= 0 && c->y.rank <= WG_MAX_RANK && wg_dtype_size(c->ydtype);
    for (int i = 0; good && i < c->y.rank; i++) good = *wg_dim_name(c->g, c->y.dim[i], name, sizeof name);
    if (!good) return wg_reject(c, WG_EINTERNAL, "infer gave no shape and dtype");
    return wg__shape_countable(&c->y) ? WG_OK
                                      : wg_reject(c, WG_ESHAPE, "the sizes of the result have no product in 64 bits");
}

wg_node *wg__apply_raw(wg_graph *g, const wg_op *op, int n, wg_node *const x[], const void *attr)
{
    wg_infer c = {.g = g, .n = n, .attr = attr};
    int      status = check_op(op, n, attr, &c);
    if (!status) status = check_operands(g, op, n, x, &c);
    if (!status) status = infer(op, n, x, &c);
    if (!status) status = check_result(&c);
    if (status) {
        char head[400];
        wg__fail(g, status, "%s: %s", call_str(g, op, n, x, attr, head, sizeof head), c.why);
        return NULL;
    }
    void    *a = op->attr_size ? wg__arena_alloc(&g->arena, op->attr_size) : NULL;
    wg_node *y = op->attr_size && !a ? (wg__fail_nomem(g), NULL) : wg__node_new(g, WG__OP, c.ydtype, &c.y, n);
    if (!y) return NULL;
    if (a) memcpy(a, attr, op->attr_size);
    y->op = op;
    y->attr = a;
    if (n) memcpy(y->x, x, (size_t)n * sizeof *x);
    if (!g->quiet) { /* a tape's own graph has the streams that lowering gave it */
        y->place = wg__place(y);
        for (const wg_field *f = op->fields; f && f->name && a; f++)
            if (f->type == WG_FIELD_STREAM) memcpy((char *)a + f->offset, &y->place, sizeof y->place);
    }
    if (g->hook.made && g->hook.made(g->hook.context, y)) return NULL;
    return y;
}

wg_node *wg_apply(const wg_op *op, int n, wg_node *const x[], const void *attr)
{
    wg_graph *g = NULL;
    bool      missing = false;
    for (int i = 0; i < n; i++) {
        if (x[i]) g = g ? g : x[i]->g;
        else missing = true;
    }
    if (!g || (missing && g->status)) return NULL; /* the cause is known already */
    return g->hook.apply && !missing ? g->hook.apply(g->hook.context, op, n, x, attr)
                                     : wg__apply_raw(g, op, n, x, attr);
}

wg_node *wg__apply_leaf(wg_graph *g, const wg_op *op, const void *attr)
{
    if (!g) return NULL;
    return g->hook.apply ? g->hook.apply(g->hook.context, op, 0, NULL, attr) : wg__apply_raw(g, op, 0, NULL, attr);
}

int wg_infer_same(wg_infer *c)
{
    c->y = c->x[0];
    return WG_OK;
}

int wg_broadcast(wg_infer *c, const wg_shape *a, const wg_shape *b, wg_shape *y)
{
    wg_shape r = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 1; i <= r.rank; i++) {
        int64_t p = i <= a->rank ? a->dim[a->rank - i] : 1, q = i <= b->rank ? b->dim[b->rank - i] : 1;
        char    left[48], right[48];
        int     status = wg__dim_meet(c, p, q, &r.dim[r.rank - i]);
        if (status == WG_ESHAPE && !*c->why)
            return wg_reject(c, WG_ESHAPE, "cannot broadcast %s with %s", wg_dim_name(c->g, p, left, sizeof left),
                             wg_dim_name(c->g, q, right, sizeof right));
        if (status) return status;
    }
    *y = r;
    return WG_OK;
}

int wg_infer_broadcast(wg_infer *c)
{
    c->y = c->x[0];
    for (int i = 1; i < c->n; i++) {
        if (c->dtype[i] != c->dtype[0])
            return wg_reject(c, WG_EDTYPE, "dtypes %s and %s differ", wg_dtype_name(c->dtype[0]),
                             wg_dtype_name(c->dtype[i]));
        int status = wg_broadcast(c, &c->y, &c->x[i], &c->y);
        if (status) return status;
    }
    return WG_OK;
}

int wg_axis(wg_infer *c, int axis, int rank)
{
    if (axis < -rank || axis >= rank) return wg_reject(c, WG_EARG, "axis %d is outside of rank %d", axis, rank);
    return axis < 0 ? axis + rank : axis;
}

int wg_reject_run(wg_call *c, int status, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(c->why, sizeof c->why, format, ap);
    va_end(ap);
    return status;
}
