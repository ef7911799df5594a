/* Rules for where the rows of a batch come out of an operator, shared by several operators. */
#include "ops/ops_impl.h"

static const wg_shape *shape_of(const wg_stack *s, int i) { return wg_node_shape(wg_node_operand(s->node, i)); }

/* Finds the rows of elementwise results: each operand is stacked along the same axis of the result, or has size 1
 * there. */
int wg_rows_broadcast(wg_stack *s)
{
    int rank = wg_node_shape(s->node)->rank;
    for (int i = 0; i < s->n; i++) {
        int axis = s->x[i].axis + rank - shape_of(s, i)->rank;
        if (s->x[i].axis < 0) continue;
        if (s->y->axis >= 0 && (s->y->axis != axis || s->y->each != s->x[i].each)) return 0;
        *s->y = (wg_rows){axis, s->x[i].each};
    }
    for (int i = 0; i < s->n && s->y->axis >= 0; i++) {
        const wg_shape *x = shape_of(s, i);
        int             axis = s->y->axis - (rank - x->rank);
        if (s->x[i].axis < 0 && axis >= 0 && x->dim[axis] != 1) return 0;
    }
    for (int k = 1; k < s->m; k++) s->y[k] = s->y[0];
    return 1;
}

int wg__rows_reduced(wg_stack *s, const bool in[WG_MAX_RANK], bool keep)
{
    *s->y = s->x[0];
    if (s->x[0].axis >= 0 && in[s->x[0].axis]) return 0;
    for (int i = 0; i < s->x[0].axis && !keep; i++) s->y->axis -= in[i];
    return 1;
}

int wg__rows_over_axes(wg_stack *s, const wg_axes *axes, bool keep)
{
    bool in[WG_MAX_RANK];
    if (wg__axis_set(&(wg_infer){0}, axes, shape_of(s, 0)->rank, in)) return 0;
    return wg__rows_reduced(s, in, keep);
}

int wg__rows_over_axes_all(wg_stack *s, const wg_axes *axes, bool keep)
{
    if (!wg__rows_over_axes(s, axes, keep)) return 0;
    for (int k = 1; k < s->m; k++) s->y[k] = s->y[0];
    return 1;
}

/* Finds the rows of one value repeated in a shape: where the shape has the symbol, the rows are all alike. */
int wg__rows_filled(wg_stack *s)
{
    wg_graph       *g = wg_node_graph(s->node);
    const wg_shape *to = wg_node_shape(s->node);
    wg_infer        c = {.g = g};
    for (int i = 0; i < to->rank; i++)
        if (wg__dim_has(g, to->dim[i], s->symbol)) {
            s->y->axis = i;
            return wg_dim_div(&c, to->dim[i], s->symbol, &s->y->each) == WG_OK;
        }
    return 1;
}
