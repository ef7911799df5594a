/* grad_impl.h - the reverse sweep that every kind of derivative is made of. */
#ifndef WENGERT_GRAD_IMPL_H
#define WENGERT_GRAD_IMPL_H

#include "graph/graph_impl.h"

/* Builds dx[i] = sum_k (d y[k] / d x[i])^T seed[k]. Where no gradient reaches x[i], `absent` says whether dx[i] is NULL
 * or the call fails. The caller has checked the operands. A failure is on the graph, as its first error. */
enum wg__absent { WG__ABSENT_NULL, WG__ABSENT_REFUSED };
int wg__pull(wg_graph *g, const char *who, enum wg__absent absent, int m, wg_node *const y[], wg_node *const seed[],
             int n, wg_node *const x[], wg_node *dx[]);
/* Builds gradients as wg_grad does, but where no gradient reaches an x[i] it fails, with an error that names the
 * operator at which the gradient ends. */
int wg__grad_of_each(const char *who, wg_node *loss, int n, wg_node *const x[], wg_node *dx[]);
/* Reports that no gradient reaches x, after a sweep over `order` that gave these adjoints (by node id), and returns the
 * status. */
int wg__refuse_cut(const char *who, wg_graph *g, int n, wg_node *const order[], wg_node *const adjoint[],
                   const wg_node *x);
/* Checks that x[0..n-1] are nodes of g with real values; WG_OK, or a status with an error on g that names the call
 * `who`. */
int wg__check_wrt(wg_graph *g, const char *who, int n, wg_node *const x[]);

/* The error that a graph had before a call. The call learns of its own failures from the graph's status, so the old
 * error is set aside and comes back at the end, as the first one. */
struct wg__aside {
    int  status;
    char message[sizeof(((wg_graph *)0)->message)];
};
/* Moves the graph's error into a. */
void wg__error_aside(wg_graph *g, struct wg__aside *a);
/* Puts the error of a back, if there was one, and returns the status that the graph got since wg__error_aside. */
int wg__error_back(wg_graph *g, const struct wg__aside *a);

#endif
