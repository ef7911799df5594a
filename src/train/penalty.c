/* Penalties to add to a loss. */
#include "graph/graph_impl.h"
#include <wengert/train.h>

static const wg_axes every_axis = {.n = -1};

static wg_node *sum_of(int n, wg_node *const x[], wg_node *(*f)(wg_node *))
{
    wg_node *total = NULL;
    for (int i = 0; i < n; i++) {
        wg_node *term = wg_sum(f(x[i]), every_axis, 0);
        if (!term) return NULL;
        total = total ? wg_add(total, term) : term;
    }
    return total;
}

static wg_graph *graph_of(int n, wg_node *const x[]) { return n > 0 && x ? wg_node_graph(x[0]) : NULL; }

/* Checks that there are nodes to sum up and that none is NULL. */
static bool check_list(const char *who, int n, wg_node *const x[])
{
    if (n < 1) wg__fail(NULL, WG_EARG, "%s: there are no nodes", who);
    return n > 0 && wg__lacks_list(NULL, who, n, "x", x) == WG_OK;
}

wg_node *wg_l1_penalty(int n, wg_node *const x[])
{
    if (!check_list("l1_penalty", n, x)) return NULL;
    const char *outer = wg__enter(graph_of(n, x), "l1_penalty");
    return wg__leave(graph_of(n, x), outer, sum_of(n, x, wg_abs));
}
wg_node *wg_l2_penalty(int n, wg_node *const x[])
{
    if (!check_list("l2_penalty", n, x)) return NULL;
    const char *outer = wg__enter(graph_of(n, x), "l2_penalty");
    wg_node    *s = sum_of(n, x, wg_square);
    return wg__leave(graph_of(n, x), outer, s ? wg_scale(s, 0.5) : NULL);
}
