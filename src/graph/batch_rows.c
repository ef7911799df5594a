/* Tells whether the rows of a batch stay apart on their way through a graph.
 *
 * Each value is one of two things: the same for every row, or a stack of rows along one axis, `each` places for a row.
 * An operator's member `rows` says where the rows of its operands come out. Where it cannot say so, rows may have met,
 * and then they may have met in every value made of that one. What an operator says is compared with the shape of its
 * result: the symbol of the rows is in the stacked axis, and in no other. */
#include <stdlib.h>

#include "graph/dim/dim_impl.h"

bool wg__dim_has(wg_graph *g, int64_t d, int64_t symbol)
{
    int64_t a, b;
    while (d < 0 && d != symbol) { /* sums and products lean to one side, so one branch is followed in place */
        if (wg__dim_entry(g, d)->kind == WG__NAME) return false;
        if (!wg__dim_split(g, d, &a, &b)) return true; /* in doubt */
        if (b < 0 && wg__dim_has(g, b, symbol)) return true;
        d = a;
    }
    return d == symbol;
}

bool wg__shape_has(wg_graph *g, const wg_shape *s, int64_t symbol)
{
    bool has = false;
    for (int i = 0; i < s->rank && !has; i++) has = wg__dim_has(g, s->dim[i], symbol);
    return has;
}

static bool fits_shape(wg_graph *g, const wg_shape *s, int64_t symbol, wg_rows at)
{
    wg_infer c = {.g = g};
    int64_t  want;
    if (at.axis >= s->rank || at.axis < -1) return false;
    for (int i = 0; i < s->rank; i++)
        if (i != at.axis && wg__dim_has(g, s->dim[i], symbol)) return false;
    return at.axis < 0 || (!wg_dim_mul(&c, symbol, at.each, &want) && want == s->dim[at.axis]);
}

/* Finds the rows of a leaf: a stack along axis 0 where the symbol is there, else the same for every row. */
static bool find_leaf(const wg_node *x, int64_t symbol, wg_rows *at)
{
    const wg_shape *s = x->shape;
    *at = s->rank && s->dim[0] == symbol ? (wg_rows){0, 1} : (wg_rows){-1, 1};
    return x->kind == WG__INPUT || x->kind == WG__PARAM || x->kind == WG__CONST;
}

/* A value in which rows may have met: `each` is the id of the first node where they may. */
enum { MET = -2 };

static void set_all(const wg_node *x, wg_rows at[], wg_rows to)
{
    for (int k = 0; k < x->m; k++) at[k] = to;
}

/* Sets the rows of every result of x, whose ids follow each other. */
static void find_rows(wg_node *x, int64_t symbol, wg_rows all[], wg_rows operand[])
{
    const wg_op *op = wg_node_op(x);
    wg_rows     *at = &all[x->id];
    wg_stack s = {.node = x, .n = x->n, .m = x->m, .x = operand, .attr = wg_node_attr(x), .symbol = symbol, .y = at};
    if (x->kind == WG__RESULT) return; /* set with its operator */
    set_all(x, at, (wg_rows){-1, 1});
    for (int i = 0; i < x->n; i++) operand[i] = all[x->x[i]->id].axis == MET ? (wg_rows){-1, 1} : all[x->x[i]->id];
    bool said = op ? op->rows && op->rows(&s) : find_leaf(x, symbol, at);
    for (int i = 0; i < x->n; i++)
        if (all[x->x[i]->id].axis == MET && (i >= 32 || !(s.unread >> i & 1))) {
            set_all(x, at, all[x->x[i]->id]);
            return;
        }
    for (int k = 0; k < x->m && said; k++) said = fits_shape(x->g, wg__result(x, k)->shape, symbol, at[k]);
    if (!said) set_all(x, at, (wg_rows){MET, x->id});
}

static int refuse(wg_error *why, const char *text)
{
    if (why) {
        snprintf(why->message, sizeof why->message, "rows_apart: %s", text);
        why->status = WG_EARG;
    }
    return WG_EARG;
}

static int report_meeting(wg_error *why, const wg_node *x)
{
    char text[160];
    if (!why) return WG_EARG;
    *why = (wg_error){.status = WG_EARG, .offset = -1};
    snprintf(why->message, sizeof why->message, "rows may meet in %s, %s", wg_node_kind(x),
             wg__node_str(x, text, sizeof text));
    return WG_EARG;
}

static int find_most_operands(int n, wg_node *const order[])
{
    int most = 1;
    for (int i = 0; i < n; i++)
        if (order[i]->n > most) most = order[i]->n;
    return most;
}

int wg__rows_find(int n, wg_node *const y[], int64_t symbol, wg_rows at[], wg_error *why)
{
    wg_node **order = NULL;
    wg_graph *g = y[0]->g;
    int       count = wg__postorder(g, n, y, &order), status = count < 0 ? count : WG_OK;
    wg_rows  *all = calloc((size_t)g->n + 1, sizeof *all);
    wg_rows  *operand = status ? NULL : calloc((size_t)find_most_operands(count, order), sizeof *operand);
    if (!status && (!all || !operand)) status = WG_ENOMEM;
    if (status && why) *why = (wg_error){.status = status, .offset = -1, .message = "out of memory"};
    for (int i = 0; i < count && !status; i++) find_rows(order[i], symbol, all, operand);
    for (int i = 0; i < n && !status; i++) {
        at[i] = all[y[i]->id];
        if (at[i].axis == MET) status = report_meeting(why, g->node[at[i].each]);
    }
    free(order);
    free(all);
    free(operand);
    return status;
}

int wg_rows_apart(int n, wg_node *const y[], int64_t dim, wg_error *why)
{
    int status = WG_OK;
    if (why) *why = (wg_error){.offset = -1};
    if (n < 1 || !y) return refuse(why, n < 1 ? "there are no nodes" : "y is NULL");
    for (int i = 0; i < n; i++)
        if (!y[i] || y[i]->g != y[0]->g) return refuse(why, y[i] ? "the nodes are of two graphs" : "a node is NULL");
    if (wg__dim_is_number(y[0]->g, dim)) return refuse(why, "the dimension is no symbol of the graph");
    wg_rows *at = calloc((size_t)n, sizeof *at);
    if (!at) {
        if (why) *why = (wg_error){.status = WG_ENOMEM, .offset = -1, .message = "out of memory"};
        return WG_ENOMEM;
    }
    status = wg__rows_find(n, y, dim, at, why);
    for (int i = 0; i < n && !status; i++)
        if (at[i].axis != 0 || at[i].each != 1) status = report_meeting(why, y[i]);
    free(at);
    return status;
}
