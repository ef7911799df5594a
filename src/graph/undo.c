/* Undo: a builder that makes many nodes leaves all of them behind, or none. */
#include "graph/graph_impl.h"

struct wg__mark wg__mark(const wg_graph *g)
{
    const struct wg__hooks *h = &g->hook;
    return (struct wg__mark){
        .n = g->n, .n_param = g->n_param, .n_update = g->n_update, .reach = h->reach ? h->reach(h->context) : 0};
}

void wg__undo(wg_graph *g, const struct wg__mark *m)
{
    WG__INVARIANT(m->n <= g->n && m->n_param <= g->n_param && m->n_update <= g->n_update);
    if (g->hook.drop) g->hook.drop(g->hook.context, m->reach); /* before the parameters' memory goes */
    for (int i = m->n_param; i < g->n_param; i++) wg__data_free(g->param[i]->data);
    g->n_param = m->n_param;
    g->n_update = m->n_update;
    g->n = m->n;
    if (g->placed > g->n) g->placed = g->n;
}
