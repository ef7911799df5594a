/* Sums of tensors that lie apart along an axis, as gradients of slices do: one concat instead of a tensor of zeros for
 * each, and their sum. */
#include "ops/op_attr.h"
#include "tape/compile/rewrite.h"

enum { MOST = 32 };

/* A tensor as pieces one after the other along an axis. */
struct pieces {
    int axis, n;
    struct piece {
        wg_node *x; /* NULL: zeros */
        int64_t  begin, end;
    } at[MOST];
};

static void add_piece(struct pieces *p, wg_node *x, int64_t size)
{
    int64_t begin = p->n ? p->at[p->n - 1].end : 0;
    if (size > 0) p->at[p->n++] = (struct piece){x, begin, begin + size};
}

/* Cuts a tensor that is put into zeros along one axis. */
static bool cut_pad(const wg_node *x, struct pieces *p)
{
    const struct wg__pad_attr *a = x->attr;
    const wg_shape            *from = x->x[0]->shape;
    *p = (struct pieces){.axis = -1};
    if (a->value != 0) return false;
    for (int i = 0; i < from->rank; i++) {
        if (from->dim[i] == x->shape->dim[i]) continue;
        if (p->axis >= 0 || (a->stride.at[i] != 1 && from->dim[i] != 1)) return false;
        p->axis = i;
    }
    if (p->axis < 0) return false;
    int64_t before = a->before.dim[p->axis], size = from->dim[p->axis];
    add_piece(p, NULL, before);
    add_piece(p, x->x[0], size);
    add_piece(p, NULL, x->shape->dim[p->axis] - before - size);
    return true;
}

static bool cut_concat(const wg_node *x, struct pieces *p)
{
    const struct wg__axis_attr *a = x->attr;
    double                      v;
    *p = (struct pieces){.axis = a->axis < 0 ? a->axis + x->shape->rank : a->axis};
    for (int i = 0; i < x->n; i++) {
        if (p->n == MOST) return false;
        bool zeros = wg__is_const(x->x[i], &v) && v == 0;
        add_piece(p, zeros ? NULL : x->x[i], x->x[i]->shape->dim[p->axis]);
    }
    return true;
}

static bool cut(const wg_node *x, struct pieces *p)
{
    return x->op == &wg_op_pad ? cut_pad(x, p) : x->op == &wg_op_concat && cut_concat(x, p);
}

/* Finds the piece of which `at` is an element. */
static const struct piece *find_piece(const struct pieces *p, int64_t at)
{
    const struct piece *q = p->at;
    while (q->end <= at) q++;
    return q;
}

/* Puts the pieces of two tensors of one shape over each other; false where both have elements, or there are too many
 * pieces. */
static bool overlay(const struct pieces *a, const struct pieces *b, struct pieces *sum)
{
    int64_t size = a->at[a->n - 1].end;
    *sum = (struct pieces){.axis = a->axis};
    for (int64_t at = 0; at < size; at = sum->at[sum->n - 1].end) {
        const struct piece *p = find_piece(a, at), *q = find_piece(b, at), *some = p->x ? p : q, *other = p->x ? q : p;
        int64_t             end = some->x ? some->end : p->end < q->end ? p->end : q->end;
        if (sum->n == MOST || other->x || (some->x && (some->begin != at || other->end < end))) return false;
        add_piece(sum, some->x, end - at);
    }
    return true;
}

static wg_node *zeros(const wg_node *like, int axis, int64_t size)
{
    wg_shape s = *like->shape;
    s.dim[axis] = size;
    return wg_fill(like->g, (wg_dtype)like->dtype, s, 0);
}

wg_node *wg__rule_sum_of_pieces(const struct wg__match *m)
{
    struct pieces a, b, sum;
    wg_node      *x[MOST];
    if (!wg__shape_equal(m->x[0]->shape, m->x[1]->shape) || !wg_count(m->x[0]->shape)) return NULL;
    if (!cut(m->x[0], &a) || !cut(m->x[1], &b) || a.axis != b.axis || !overlay(&a, &b, &sum)) return NULL;
    for (int i = 0; i < sum.n; i++) {
        const struct piece *p = &sum.at[i];
        x[i] = p->x ? p->x : zeros(m->x[0], sum.axis, p->end - p->begin);
    }
    return wg_concat(sum.n, x, sum.axis);
}
