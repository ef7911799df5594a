/* grad_impl.h - the reverse sweep that every kind of derivative is made of. */
#ifndef WENGERT_GRAD_IMPL_H
#define WENGERT_GRAD_IMPL_H

#include "graph/graph_impl.h"

/* dx[i] = sum_k (d y[k] / d x[i])^T seed[k], NULL where no y depends on x[i].
 * Operands were checked.  A failure is on the graph, as its first error. */
int wg__pull(wg_graph *g, const char *who, int m, wg_node *const y[], wg_node *const seed[], int n, wg_node *const x[],
             wg_node *dx[]);
/* Whether x[0..n-1] are nodes of g that have real values. */
int wg__check_wrt(wg_graph *g, const char *who, int n, wg_node *const x[]);

/* A failure is told by the status of the graph, which an error from before
 * would hide: it is put aside, and comes back as the first. */
struct wg__aside {
    int  status;
    char message[sizeof(((wg_graph *)0)->message)];
};
void wg__error_aside(wg_graph *g, struct wg__aside *a);
/* The status since then. */
int wg__error_back(wg_graph *g, const struct wg__aside *a);

#endif
