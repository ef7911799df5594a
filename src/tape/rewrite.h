/* rewrite.h - what a rewrite rule sees. */
#ifndef WENGERT_REWRITE_H
#define WENGERT_REWRITE_H

#include "tape/tape_impl.h"

/* An application that is about to become a node. */
struct wg__match {
    const wg_op    *op;
    int             n;
    wg_node *const *x;
    const void     *attr;
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
extern const struct wg__rule wg__rules[];

#endif
