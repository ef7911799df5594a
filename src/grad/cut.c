/* The error that no gradient reaches a node: it names the operator at which the gradient ends. */
#include <stdlib.h>

#include "grad/grad_impl.h"

/* Sets above[id] for x and for each node of the order that depends on x. */
static void mark_above(int n, wg_node *const order[], const wg_node *x, char *above)
{
    above[x->id] = 1;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < order[i]->n && !above[order[i]->id]; k++) above[order[i]->id] = above[order[i]->x[k]->id];
}

static bool is_real(const wg_node *x) { return (WG_DTYPE_BIT(x->dtype) & WG_DTYPE_REALS) != 0; }

/* Finds the operator nearest to x at which the gradient ends: it turns a real that depends on x into an integer or a
 * bool, or it has an adjoint and gives none to an operand that depends on x. NULL: the roots do not depend on x. */
static const wg_node *find_cut(int n, wg_node *const order[], wg_node *const adjoint[], const char *above)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < order[i]->n; k++) {
            const wg_node *v = order[i], *x = v->x[k];
            if (above[x->id] && is_real(x) && !adjoint[x->id] && (!is_real(v) || adjoint[v->id]))
                return v->kind == WG__RESULT ? x : v;
        }
    return NULL;
}

int wg__refuse_cut(const char *who, wg_graph *g, int n, wg_node *const order[], wg_node *const adjoint[],
                   const wg_node *x)
{
    char  text[160];
    char *above = calloc((size_t)g->n + 1, 1);
    if (!above) return wg__fail_nomem(g);
    mark_above(n, order, x, above);
    const wg_node *v = find_cut(n, order, adjoint, above);
    free(above);
    wg__node_str(x, text, sizeof text);
    if (!v) return wg__fail(g, WG_EGRAD, "%s: the loss does not depend on %s", who, text);
    return wg__fail(g, WG_EGRAD, "%s: no gradient reaches %s: it ends at %s, which has none", who, text,
                    wg_node_kind(v));
}
