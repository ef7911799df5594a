/* grad_impl.h - the reverse sweep that every kind of derivative is made of. */
#ifndef WENGERT_GRAD_IMPL_H
#define WENGERT_GRAD_IMPL_H

#include "graph/graph_impl.h"

/* dx[i] = sum_k (d y[k] / d x[i])^T seed[k]; where no gradient reaches x[i], NULL or an error, as `absent` says.
 * Operands were checked.  A failure is on the graph, as its first error. */
enum wg__absent { WG__ABSENT_NULL, WG__ABSENT_REFUSED };
int wg__pull(wg_graph *g, const char *who, enum wg__absent absent, int m, wg_node *const y[], wg_node *const seed[],
             int n, wg_node *const x[], wg_node *dx[]);
/* As wg_grad, but an x that no gradient reaches is an error that names the operator at which it ends. */
int wg__grad_of_each(const char *who, wg_node *loss, int n, wg_node *const x[], wg_node *dx[]);
/* That error, after a sweep over the order that gave these adjoints (by node id). */
int wg__refuse_cut(const char *who, wg_graph *g, int n, wg_node *const order[], wg_node *const adjoint[],
                   const wg_node *x);
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
