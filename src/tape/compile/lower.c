/* Lowering: from the user's graph to the tape's private one.
 *
 * Symbols in attributes become numbers and every operator infers its shape
 * again.  Each application goes through the rewrite rules, constant folding
 * and merging before a node is made. */
#include <stdlib.h>
#include <string.h>

#include "tape/tape_impl.h"

enum { FOLD_LIMIT = 4096, MERGE_CONST_BYTES = 256 };

bool wg__is_view(const wg_node *x) { return x->kind == WG__OP && (x->op->flags & WG_OP_VIEW); }

/* Tells whether an operator can be computed now: its operands are constants of few elements. */
static bool can_fold(const wg_op *op, int n, wg_node *const x[])
{
    if (op->flags & WG_OP_SHAPE) return true;
    if (op == &wg_op_expand || (op->flags & (WG_OP_RANDOM | WG_OP_ORDERED)) || n == 0) return false;
    int64_t elements = 0;
    for (int i = 0; i < n; i++) {
        if (x[i]->kind != WG__CONST) return false;
        elements += wg_count(x[i]->shape);
    }
    return elements <= FOLD_LIMIT;
}

/* Makes constants of the computed results: the first of them shows the others. Constants of several results are not
 * merged with other constants, which have one result. */
static wg_node *make_constants(wg_tape *t, wg_node *x, void *const y[])
{
    if (x->m == 1) return wg_const(t->g, (wg_dtype)x->dtype, *x->shape, y[0]);
    wg_node *first = wg__const_copy(t->g, (wg_dtype)x->dtype, x->shape, y[0]);
    if (!first) return NULL;
    for (int k = 1; k < x->m; k++) {
        const wg_node *r = wg__result(x, k), *c = wg__const_copy(t->g, (wg_dtype)r->dtype, r->shape, y[k]);
        if (!c) return NULL;
        WG__INVARIANT(c->id == first->id + k);
    }
    first->m = x->m;
    return first;
}

static wg_node *fold(wg_tape *t, wg_node *x)
{
    enum { FEW = 8 };
    void *few[FEW], **y = x->m <= FEW ? few : wg__arena_alloc(&t->g->arena, (size_t)x->m * sizeof *y);
    char  why[160];
    int   room = 0;
    if (!y) return wg__fail_nomem(t->g), NULL;
    for (int k = 0; k < x->m; k++)
        if (wg_count(wg__result(x, k)->shape) > FOLD_LIMIT) return x;
    for (; room < x->m; room++) {
        const wg_node *r = wg__result(x, room);
        if (!(y[room] = wg__data_alloc(wg__bytes((wg_dtype)r->dtype, r->shape)))) break;
    }
    wg_node *c = x; /* a failure (an index out of range) is left to the run to report */
    if (room < x->m) {
        wg__fail_nomem(t->g);
        c = NULL;
    } else if (wg__evaluate(t, x, y, why) == WG_OK) c = make_constants(t, x, y);
    while (room) wg__data_free(y[--room]);
    return c;
}

static wg_node *apply(void *context, const wg_op *op, int n, wg_node *const x[], const void *attr)
{
    wg_tape *t = context;
    if (op == &wg_op_training) return wg_scalar(t->g, WG_BOOL, !t->options.evaluate);
    bool mergeable = !(op->flags & (WG_OP_RANDOM | WG_OP_ORDERED)) && !(t->options.skip & WG_SKIP_MERGE);
    if (!(t->options.skip & WG_SKIP_REWRITE)) {
        wg_node *y = wg__rewrite(t, op, n, x, attr);
        if (y || t->g->status) return y;
    }
    bool     known = !(t->options.skip & WG_SKIP_REWRITE) && can_fold(op, n, x);
    uint64_t hash = mergeable ? wg__merge_hash(op, n, x, attr) : 0;
    wg_node *y = mergeable ? wg__merge_find(t, hash, op, n, x, attr) : NULL;
    if (y) return known ? fold(t, y) : y;
    if (!(y = wg__apply_raw(t->g, op, n, x, attr))) return NULL;
    wg_node *f = known ? fold(t, y) : y;
    return f && mergeable && wg__merge_add(t, hash, y) ? NULL : f;
}

static wg_node *constant(void *context, wg_dtype dtype, const wg_shape *s, const void *data)
{
    wg_tape *t = context;
    if (wg__bytes(dtype, s) > MERGE_CONST_BYTES) return wg__const_copy(t->g, dtype, s, data);
    uint64_t hash = wg__merge_hash_const(dtype, s, data);
    wg_node *y = wg__merge_find_const(t, hash, dtype, s, data);
    if (y) return y;
    y = wg__const_copy(t->g, dtype, s, data);
    return y && wg__merge_add(t, hash, y) ? NULL : y;
}

int wg__lower_init(wg_tape *t)
{
    if (!(t->g = wg_graph_new())) return wg__fail_nomem(t->user);
    t->g->quiet = true;
    t->g->seed = t->user->seed;
    t->g->hook = (struct wg__hooks){.context = t, .apply = apply, .constant = constant};
    return WG_OK;
}

static wg_node *lower_leaf(wg_tape *t, const wg_node *x, const wg_shape *s)
{
    if (x->kind == WG__CONST) {
        bool small = wg__bytes((wg_dtype)x->dtype, s) <= MERGE_CONST_BYTES;
        return small ? wg_const(t->g, (wg_dtype)x->dtype, *s, x->data)
                     : wg__const_borrow(t->g, (wg_dtype)x->dtype, s, x->data);
    }
    wg_node *y = wg__node_new(t->g, (enum wg__kind)x->kind, (wg_dtype)x->dtype, s, 0);
    if (y) y->data = x->data;
    return y;
}

/* Finds the nodes of t->g for the operands of x; NULL with an error if memory is short. */
static wg_node **find_operands(wg_tape *t, const wg_node *x, wg_node *few[static 8])
{
    wg_node **y = x->n <= 8 ? few : wg__arena_alloc(&t->g->arena, (size_t)x->n * sizeof *y);
    if (!y) wg__fail_nomem(t->g);
    for (int i = 0; y && i < x->n; i++) y[i] = t->map[x->x[i]->id];
    return y;
}

static wg_node *lower_op(wg_tape *t, const wg_node *x)
{
    wg_node     *few[8], **y = find_operands(t, x, few);
    const wg_op *op = x->op;
    void        *attr = op->attr_size ? wg__arena_alloc(&t->g->arena, op->attr_size) : NULL;
    if (!y || (op->attr_size && !attr)) return wg__fail_nomem(t->g), NULL;
    if (attr) memcpy(attr, x->attr, op->attr_size);
    for (const wg_field *f = op->fields; f && f->name && attr; f++) {
        void *at = (char *)attr + f->offset;
        if (f->type == WG_FIELD_SHAPE && wg__shape_bind(t->user, t->g, at, &t->options)) return NULL;
        if (f->type == WG_FIELD_STREAM && wg__stream_at(t, at)) return NULL;
    }
    wg_node *z = t->g->hook.apply(t, op, x->n, y, attr);
    t->refused = z == NULL;
    return z;
}

/* Copies an assignment or group, with its lowered operands. */
static wg_node *lower_state(wg_tape *t, const wg_node *x)
{
    wg_node *few[8], **operand = find_operands(t, x, few);
    wg_node *y = operand ? wg__node_new(t->g, (enum wg__kind)x->kind, (wg_dtype)x->dtype, x->shape, x->n) : NULL;
    if (y && x->n) memcpy(y->x, operand, (size_t)x->n * sizeof *operand);
    return y;
}

/* Checks that y has the shape that was inferred for x; false with an error on t->g. In an open graph unlike symbols
 * were taken to be equal, and the sizes may not be. */
static bool check_inferred(wg_tape *t, const wg_node *x, const wg_node *y)
{
    char     what[160], is[96];
    wg_shape s = *x->shape;
    if (!t->user->open || !wg__is_computed(x)) return true;
    if (wg__shape_bind(t->user, t->g, &s, &t->options)) return false;
    if (wg__shape_equal(&s, y->shape)) return true;
    wg__fail(t->g, WG_ESHAPE, "%s %s has shape %s with these sizes", wg_node_kind(x),
             wg__node_str(x, what, sizeof what), wg__shape_str(t->g, y->shape, is, sizeof is));
    return false;
}

wg_node *wg__lower(wg_tape *t, const wg_node *x)
{
    wg_shape s = *x->shape;
    wg_node *y = NULL;
    t->refused = false;
    if (x->kind == WG__OP) y = lower_op(t, x);
    else if (x->kind == WG__RESULT) y = wg__result(t->map[x->x[0]->id], wg__result_index(x));
    else if (x->kind == WG__ASSIGN || x->kind == WG__GROUP) y = lower_state(t, x);
    else if (wg__shape_bind(t->user, t->g, &s, &t->options) == WG_OK) y = lower_leaf(t, x, &s);
    if (!y || !check_inferred(t, x, y)) return NULL;
    WG__INVARIANT(y->dtype == x->dtype || !wg__is_computed(x)); /* no rewriting changes a dtype, or a rank */
    WG__INVARIANT(y->shape->rank == x->shape->rank || !wg__is_computed(x));
    if (!y->origin || (!y->origin->name && x->name)) y->origin = x;
    if ((wg__is_computed(y) || y->kind == WG__INPUT) &&
        (wg__bytes((wg_dtype)y->dtype, y->shape) == SIZE_MAX || !wg__shape_countable(y->shape))) {
        char text[160];
        return wg__fail(t->g, WG_ESHAPE, "%s does not fit in memory", wg__node_str(y, text, sizeof text)), NULL;
    }
    return t->map[x->id] = y;
}
