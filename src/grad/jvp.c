/* Forward mode from two reverse sweeps.  The first pulls a dummy u back:
 * w[i] = (dy/dx[i])^T u, linear in u.  Pulling the tangents back through w
 * gives sum_i (dw[i]/du)^T tangent[i] = sum_i (dy/dx[i]) tangent[i], in which u
 * no longer occurs.  (The double-VJP trick, J. Townsend 2017.) */
#include "grad/grad_impl.h"
#include "ops/ops_impl.h"

#include <stdlib.h>

static int check_tangents(wg_graph *g, int n, wg_node *const x[], wg_node *const tangent[])
{
    char a[160], b[160];
    int  status = wg__check_wrt(g, "jvp", n, x);
    for (int i = 0; i < n && !status; i++) {
        if (!tangent[i]) status = wg__fail(g, WG_EARG, "jvp: tangent[%d] is NULL", i);
        else if (tangent[i]->g != g) status = wg__fail(g, WG_EARG, "jvp: tangent[%d] belongs to another graph", i);
        else if (tangent[i]->dtype != x[i]->dtype || tangent[i]->kind == WG__ASSIGN || tangent[i]->kind == WG__GROUP)
            status = wg__fail(g, WG_EDTYPE, "jvp: tangent[%d] is not %s as x[%d]", i,
                              wg_dtype_name((wg_dtype)x[i]->dtype), i);
        else if (!wg__shape_equal(tangent[i]->shape, x[i]->shape))
            status = wg__fail(g, WG_ESHAPE, "jvp: x[%d] is %s but its tangent %s", i, wg__node_str(x[i], a, sizeof a),
                              wg__node_str(tangent[i], b, sizeof b));
    }
    return status;
}

/* Checks that y does not depend on u, on which a rule that is not linear in the gradient would depend. */
static int check_free_of(wg_node *y, const wg_node *u)
{
    wg_node **order;
    int       n = wg__postorder(y->g, 1, &y, &order), status = n < 0 ? n : WG_OK;
    for (int i = 0; i < n && !status; i++)
        if (order[i] == u) status = wg__fail(y->g, WG_EGRAD, "jvp: a gradient rule is not linear in the gradient");
    free(order);
    return status;
}

static wg_node *zero_like(wg_node *y) { return wg_fill(y->g, (wg_dtype)y->dtype, *y->shape, 0); }

/* Builds the Jacobian-vector product of y by two sweeps. w has room for 2n nodes: results of the first sweep that
 * depend on u, and their tangents behind them. */
static wg_node *push_tangents(wg_node *y, int n, wg_node *const x[], wg_node *const tangent[], wg_node **w)
{
    wg_graph *g = y->g;
    wg_node  *u = wg_neg(zero_like(y)), *dy = NULL; /* wg_neg: a node of its own, which nothing else uses */
    int       m = 0;
    if (!u || wg__pull(g, "jvp", WG__ABSENT_NULL, 1, &y, &u, n, x, w)) return NULL;
    for (int i = 0; i < n; i++) {
        if (!w[i]) continue;
        w[m] = w[i];
        w[n + m++] = tangent[i];
    }
    if (m && wg__pull(g, "jvp", WG__ABSENT_NULL, m, w, w + n, 1, &u, &dy)) return NULL;
    if (!dy) return zero_like(y);
    return check_free_of(dy, u) == WG_OK ? wg__unchanged(dy) : NULL;
}

wg_node *wg_jvp(wg_node *y, int n, wg_node *const x[], wg_node *const tangent[])
{
    struct wg__aside aside;
    if (!y) return NULL;
    wg_graph *g = y->g;
    if (wg__lacks_list(g, "jvp", n, "x", x) || wg__lacks_list(g, "jvp", n, "tangent", tangent)) return NULL;
    for (int i = 0; i < n; i++)
        if ((!x[i] || !tangent[i]) && g->status) return NULL;
    wg__error_aside(g, &aside);
    wg_node  *dy = NULL;
    wg_node **w = calloc(2 * (size_t)(n > 0 ? n : 0) + 1, sizeof *w);
    if (!w) wg__fail_nomem(g);
    else if (wg__check_wrt(g, "jvp", 1, &y) == WG_OK && check_tangents(g, n, x, tangent) == WG_OK)
        dy = push_tangents(y, n, x, tangent, w);
    free(w);
    return wg__error_back(g, &aside) == WG_OK ? dy : NULL;
}
