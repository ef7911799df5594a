/* Each operator, applied by itself to operands that it was not made for: it refuses them by name, or its result
 * computes.  Nothing that an operator lets through fails later, as a fault or in a kernel that is not there. */
#include <string.h>

#include "ops/cases.h"
#include "ops/ops_test.h"

TestSuite(ops_refusals, .timeout = 120);

/* Finds the node of op that x is built on; NULL if there is none. */
static const wg_node *find_call(const wg_op *op, const wg_node *x)
{
    const wg_node *found = x->kind == WG__OP && x->op == op ? x : NULL;
    for (int k = 0; k < x->n && !found; k++) found = find_call(op, x->x[k]);
    return found;
}

/* Returns the shape with one change out of CHANGES. */
static wg_shape spoilt(wg_shape s, int change)
{
    if (change == 0) s.dim[s.rank++] = 2;              /* one axis more */
    if (change == 1 && s.rank) s.rank--;               /* one less */
    if (change == 2 && s.rank) s.dim[0] += 1;          /* one row more */
    if (change == 3 && s.rank) s.dim[s.rank - 1] += 2; /* two columns more */
    if (change == 4 && s.rank) s.dim[s.rank - 1] = 0;  /* no element */
    if (change == 5) s = WG_SCALAR;
    return s;
}
enum { CHANGES = 6 };

static void expect_refused_or_computed(wg_graph *g, const wg_op *op, int n, wg_node *const x[], const void *attr)
{
    char     what[256] = "";
    size_t   at = 0;
    wg_node *y = wg_apply(op, n, x, attr);
    for (int k = 0; k < n; k++) {
        char text[80];
        at += (size_t)snprintf(what + at, sizeof what - at, " %s of %s", wg__node_str(x[k], text, sizeof text),
                               wg_dtype_name(wg_node_dtype(x[k])));
    }
    if (!y) {
        int status = wg_status(g);
        cr_expect(status == WG_EDTYPE || status == WG_ESHAPE || status == WG_EARG, "%s:%s: status %d: %s", op->name,
                  what, status, wg_message(g));
        cr_expect(strstr(wg_message(g), op->name), "%s:%s: %s", op->name, what, wg_message(g));
        wg_clear_error(g);
        return;
    }
    cr_expect_eq(wg_status(g), WG_OK, "%s:%s: %s", op->name, what, wg_message(g));
    wg_tape *t = wg_compile(g, 1, &y, &(wg_options){.skip = WG_SKIP_REWRITE}); /* no call is folded */
    cr_assert_not_null(t, "%s:%s: %s", op->name, what, wg_message(g));
    int status = wg_run(t);
    cr_expect(status == WG_OK || status == WG_EINDEX, "%s:%s: %s", op->name, what, wg_tape_message(t));
    wg_tape_free(t);
}

/* Makes a leaf whose elements are 0: an index that is in range of all that is not empty. */
static wg_node *leaf(wg_graph *g, wg_dtype t, wg_shape s) { return wg_fill(g, t, s, 0); }

static void spoil_each(wg_graph *g, const wg_op *op, int n, wg_node *const x[], const void *attr)
{
    wg_node *y[8];
    cr_assert_leq(n, 8);
    memcpy(y, x, (size_t)n * sizeof *y);
    for (int k = 0; k < n; y[k] = x[k], k++) {
        wg_shape s = *wg_node_shape(x[k]);
        for (int t = 0; t < WG_DTYPES; t++) {
            y[k] = leaf(g, (wg_dtype)t, s);
            expect_refused_or_computed(g, op, n, y, attr);
        }
        for (int change = 0; change < CHANGES; change++) {
            y[k] = leaf(g, wg_node_dtype(x[k]), spoilt(s, change));
            expect_refused_or_computed(g, op, n, y, attr);
        }
    }
}

Test(ops_refusals, operands_of_every_dtype_and_shape)
{
    for (size_t i = 0; i < sizeof op_cases / sizeof *op_cases; i++) {
        const struct op_case *c = &op_cases[i];
        wg_graph             *g = wg_graph_new();
        wg_node              *x[3] = {0};
        for (int k = 0; k < c->n; k++)
            x[k] = leaf(g,
                        c->kind[k] == 'i'   ? WG_I64
                        : c->kind[k] == 'u' ? WG_U8
                        : c->kind[k] == 'b' ? WG_BOOL
                                            : WG_F64,
                        c->shape[k]);
        const wg_node *y = c->build(g, WG_F64, x);
        for (const wg_op *const *op = wg_ops; *op; op++) {
            const wg_node *call = strcmp((*op)->name, c->op) == 0 ? find_call(*op, y) : NULL;
            if (call) spoil_each(g, *op, call->n, call->x, call->attr);
        }
        wg_graph_free(g);
    }
}

Test(ops_refusals, elementwise_operands_of_every_dtype_and_shape)
{
    const double alpha = 0.5;
    for (const wg_op *const *op = wg_ops; *op; op++) {
        if (!(*op)->block || (*op)->arity < 1 || (*op)->arity > 2 ||
            ((*op)->attr_size && (*op)->attr_size != sizeof alpha))
            continue;
        wg_graph *g = wg_graph_new();
        wg_dtype  t = !(*op)->dtypes || (*op)->dtypes & WG_DTYPE_BIT(WG_F64) ? WG_F64 : WG_BOOL;
        wg_node  *x[2] = {leaf(g, t, WG_SHAPE(2, 3)), leaf(g, t, WG_SHAPE(1, 3))};
        spoil_each(g, *op, (*op)->arity, x, (*op)->attr_size ? &alpha : NULL);
        wg_graph_free(g);
    }
}

Test(ops_refusals, too_few_and_too_many_operands)
{
    for (const wg_op *const *op = wg_ops; *op; op++) {
        wg_graph *g = wg_graph_new();
        wg_node  *v = leaf(g, WG_F32, WG_SHAPE(2, 2)), *x[8] = {v, v, v, v, v, v, v, v};
        char      attr[256] = {0};
        for (int n = 1; n <= 8 && (*op)->arity != WG_OP_VARIADIC; n++) {
            if (n == (*op)->arity) continue;
            cr_expect_null(wg_apply(*op, n, x, (*op)->attr_size ? attr : NULL), "%s of %d", (*op)->name, n);
            cr_expect_eq(wg_status(g), WG_EARG);
            cr_expect(strstr(wg_message(g), (*op)->name), "%s", wg_message(g));
            wg_clear_error(g);
        }
        wg_graph_free(g);
    }
}
