/* stable.h - rules for better forms of an application, and the rules that make logarithms stable. */
#ifndef WENGERT_STABLE_H
#define WENGERT_STABLE_H

#include "ops/ops_impl.h"

/* An application that is about to become a node, or to be differentiated. */
struct wg__match {
    const wg_op    *op;
    int             n;
    wg_node *const *x;
    const void     *attr;
    int             depth; /* of rules within rules */
};

/* A rule gives the better form, built with ordinary builders, or NULL where it
 * does not fit.  It looks at operands only, never at users, so that eager mode
 * can apply it to each node as it is built. */
struct wg__rule {
    const wg_op *op; /* NULL: elementwise operators */
    wg_node *(*apply)(const struct wg__match *m);
    const char *text; /* what it does, for docs/tape.md and the tests */
};

/* Terminated by a rule without apply. */
extern const struct wg__rule wg__stable_rules[];

/* Builds the form of log or log1p of x[0] whose value and derivatives neither overflow nor cancel; NULL where no rule
 * fits, or with an error on the graph. A tape computes this form, and a gradient is taken of this form. */
wg_node *wg__stable_form(const wg_op *op, int n, wg_node *const x[], const void *attr);

#endif
