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

/* Writes "matmul(h[2,3], [4,5], tx=1)" into buf: the beginning of every message about an operator. */
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

static unsigned accepted_dtypes(const wg_op *op, int i) { return op->takes ? op->takes[i] : op->dtypes; }

static int check_operands(wg_graph *g, const wg_op *op, int n, wg_node *const x[], wg_infer *c)
{
    if (op->arity == WG_OP_VARIADIC ? n < 1 : n != op->arity)
        return wg_reject(c, WG_EARG, "takes %d operands, not %d", op->arity, n);
    for (int i = 0; i < n; i++) {
        if (!x[i]) {
            g->missing = g->status == WG_OK; /* else the first error stays */
            return wg_reject(c, WG_EARG, "operand %d is NULL", i);
        }
        if (x[i]->g != g) return wg_reject(c, WG_EARG, "operand %d belongs to another graph", i);
        if (x[i]->kind == WG__ASSIGN || x[i]->kind == WG__GROUP)
            return wg_reject(c, WG_EARG, "operand %d is %s, which has no value", i, wg_node_kind(x[i]));
        if (accepted_dtypes(op, i) && !(accepted_dtypes(op, i) & WG_DTYPE_BIT(x[i]->dtype)))
            return wg_reject(c, WG_EDTYPE, "operand %d is %s, which %s does not take", i,
                             wg_dtype_name((wg_dtype)x[i]->dtype), op->name);
    }
    return WG_OK;
}

/* The operands and results of one inference; up to FEW of each lie in the struct itself. */
enum { FEW = 8 };
struct inference {
    wg_infer c;
    wg_shape shape[FEW], y[FEW];
    wg_dtype dtype[FEW], ydtype[FEW];
};

/* Gives room for n elements: `few` where they fit, else memory of the arena, which is freed with the graph. */
static void *room_for(wg_graph *g, int n, void *few, size_t size)
{
    return n <= FEW ? few : wg__arena_alloc(&g->arena, (size_t)n * size);
}

static int infer(const wg_op *op, wg_node *const x[], struct inference *f)
{
    wg_infer *c = &f->c;
    wg_shape *shape = room_for(c->g, c->n, f->shape, sizeof *shape);
    wg_dtype *dtype = room_for(c->g, c->n, f->dtype, sizeof *dtype);
    c->y = room_for(c->g, c->m, f->y, sizeof *c->y);
    c->ydtype = room_for(c->g, c->m, f->ydtype, sizeof *c->ydtype);
    if (!shape || !dtype || !c->y || !c->ydtype) return wg_reject(c, WG_ENOMEM, "out of memory");
    for (int i = 0; i < c->n; i++) {
        shape[i] = *x[i]->shape;
        dtype[i] = (wg_dtype)x[i]->dtype;
    }
    for (int k = 0; k < c->m; k++) {
        c->y[k] = (wg_shape){0};
        c->ydtype[k] = c->n ? dtype[0] : WG_F32;
    }
    c->x = shape;
    c->dtype = dtype;
    return op->infer(c);
}

int wg__count_results(const wg_op *op, int n, const void *attr)
{
    if (op->results != WG_OP_VARIADIC) return op->results ? op->results : 1;
    return op->count ? op->count(n, attr) : 0;
}

/* Checks an operator's table of functions, in which a user's operator may have left something out. */
static int check_op(const wg_op *op, int n, const void *attr, wg_infer *c)
{
    if (!op->infer) return wg_reject(c, WG_EARG, "the operator has no infer");
    if (!op->cpu && (!op->block || n > WG_BLOCK_MAX_ARITY)) return wg_reject(c, WG_EARG, "the operator has no cpu");
    if (op->attr_size && !attr) return wg_reject(c, WG_EARG, "needs its attributes");
    c->m = wg__count_results(op, n, attr);
    if (c->m < 1) return wg_reject(c, WG_EARG, "the operator has %d results", c->m);
    bool plain = c->m == 1 || !(op->block || op->flags & (WG_OP_VIEW | WG_OP_IN_PLACE | WG_OP_SHAPE));
    return plain ? WG_OK : wg_reject(c, WG_EARG, "an operator of %d results has a block, or a flag for one", c->m);
}

/* Checks that infer has given every result a shape and a dtype. */
static int check_results(wg_infer *c)
{
    char name[48];
    for (int k = 0; k < c->m; k++) {
        const wg_shape *y = &c->y[k];
        bool            good = y->rank >= 0 && y->rank <= WG_MAX_RANK && wg_dtype_size(c->ydtype[k]);
        for (int i = 0; good && i < y->rank; i++) good = *wg_dim_name(c->g, y->dim[i], name, sizeof name);
        if (!good) return wg_reject(c, WG_EINTERNAL, "infer gave no shape and dtype");
        if (!wg__shape_countable(y))
            return wg_reject(c, WG_ESHAPE, "the sizes of the result have no product in 64 bits");
    }
    return WG_OK;
}

/* Makes the node of an operator with its attributes and its further results: all of them, or NULL. */
static wg_node *make_node(const wg_op *op, const wg_infer *c, wg_node *const x[])
{
    wg_graph *g = c->g;
    int       before = g->n;
    void     *attr = op->attr_size ? wg__attr_copy(g, op, c->attr) : NULL;
    if (op->attr_size && !attr) return NULL;
    wg_node *y = wg__node_new(g, WG__OP, c->ydtype[0], &c->y[0], c->n);
    if (!y) return NULL;
    y->op = op;
    y->attr = attr;
    y->m = c->m;
    if (c->n) memcpy(y->x, x, (size_t)c->n * sizeof *x);
    for (int i = 0; i < c->n; i++) WG__INVARIANT(x[i]->g == g && x[i]->id < y->id);
    for (int k = 1; k < c->m; k++) {
        wg_node *part = wg__node_new(g, WG__RESULT, c->ydtype[k], &c->y[k], 1);
        if (!part) {
            g->n = before;
            return NULL;
        }
        part->x[0] = y;
    }
    return y;
}

wg_node *wg__apply_raw(wg_graph *g, const wg_op *op, int n, wg_node *const x[], const void *attr)
{
    struct inference f;
    wg_infer        *c = &f.c;
    memset(c, 0, offsetof(wg_infer, why) + 1); /* the rest of the text is not read */
    c->g = g;
    c->n = n;
    c->attr = attr;
    int status = check_op(op, n, attr, c);
    if (!status) status = check_operands(g, op, n, x, c);
    if (!status) status = infer(op, x, &f);
    if (!status) status = check_results(c);
    if (status) {
        char head[400];
        wg__fail(g, status, "%s: %s", call_str(g, op, n, x, attr, head, sizeof head), c->why);
        return NULL;
    }
    wg_node *y = make_node(op, c, x);
    if (!y || (y->attr && !g->quiet && !wg__place_random(y)))
        return NULL; /* lowering gives a tape's own graph its streams */
    for (int k = 0; k < y->m && g->hook.made; k++)
        if (g->hook.made(g->hook.context, wg__result(y, k))) return NULL;
    return y;
}

wg_node *wg_apply(const wg_op *op, int n, wg_node *const x[], const void *attr)
{
    wg_graph *g = NULL;
    bool      missing = false;
    char      why[160];
    if (n < 1) return wg__fail(NULL, WG_EARG, "apply: there are no operands"), NULL;
    if (wg__lacks_list(NULL, "apply", n, "x", x)) return NULL;
    for (int i = 0; i < n; i++) {
        if (x[i]) g = g ? g : x[i]->g;
        else missing = true;
    }
    if (!g || (missing && g->status)) return NULL; /* the cause is known already */
    if (!op || !op->name) return wg__fail(g, WG_EARG, "apply: op %s", op ? "has no name" : "is NULL"), NULL;
    if (!wg__table_fits(op->struct_size, sizeof *op, why))
        return wg__fail(g, WG_EARG, "%s: the operator has %s", op->name, why), NULL;
    const char *flaw = attr ? wg__attr_flaw(op, attr) : NULL;
    if (flaw)
        return wg__fail(g, WG_EARG, "%s: the attribute %s has a negative length, or no numbers", op->name, flaw), NULL;
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
    for (int k = 0; k < c->m; k++) c->y[k] = c->x[0];
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
    *c->y = c->x[0];
    for (int i = 1; i < c->n; i++) {
        if (c->dtype[i] != c->dtype[0])
            return wg_reject(c, WG_EDTYPE, "dtypes %s and %s differ", wg_dtype_name(c->dtype[0]),
                             wg_dtype_name(c->dtype[i]));
        int status = wg_broadcast(c, c->y, &c->x[i], c->y);
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
