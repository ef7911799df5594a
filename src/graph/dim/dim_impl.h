/* dim_impl.h - what a symbolic dimension is: the table's entries.
 *
 * A dimension d < 0 stands for entry WG__DIM_BASE - d of the graph's table.
 * Entries are kept in one form and equal entries are made once, so equal sizes
 * are equal numbers:
 *
 *   NAME      a symbol that a program or a file named
 *   PRODUCT   a whole factor times atoms, which are entries of any other kind
 *   SUM       a number plus whole multiples of dimensions, some maybe negative
 *   QUOTIENT  a / b, which has to be whole        FLOOR  a / b, cut towards zero
 *   RANGE     the number of elements that start:stop:step takes of an axis of a elements
 *   MEET      the size that sizes broadcast to: all that are not 1 have to be equal */
#ifndef WENGERT_DIM_IMPL_H
#define WENGERT_DIM_IMPL_H

#include "graph/graph_impl.h"

enum { WG__DIM_BASE = -1000, WG__DIM_FACTORS = 6, WG__DIM_TERMS = 1024 };

enum wg__dim_kind { WG__NAME, WG__PRODUCT, WG__SUM, WG__QUOTIENT, WG__FLOOR, WG__RANGE, WG__MEET };

struct wg__term {
    int64_t times, d; /* d: a symbolic dimension that is no SUM and has no factor */
};
struct wg__dim {
    enum wg__dim_kind kind;
    const char       *name;                  /* NAME */
    int64_t           number;                /* PRODUCT: the factor; SUM: the number */
    int               n;                     /* number of atoms or terms */
    int               atom[WG__DIM_FACTORS]; /* PRODUCT: indices of entries, ascending */
    struct wg__term  *term;                  /* SUM, MEET (times is 1): by falling d */
    int64_t           a, b;                  /* QUOTIENT, FLOOR, RANGE (a only) */
    int64_t           start, stop, step;     /* RANGE: step > 0 */
    int               terms;                 /* names and levels when written out: the steps of a walk */
};

/* Finds the entry of d. NULL: d is a number or no dimension of g. */
const struct wg__dim *wg__dim_entry(const wg_graph *g, int64_t d);
/* Finds the dimension of an entry equal to `want`, or makes it (term and name are copied); 0 if memory is short. */
int64_t wg__dim_intern(wg_graph *g, const struct wg__dim *want);
/* Counts the steps of a walk through the entry, which bound how deep the walk goes. */
int wg__dim_terms(const wg_graph *g, const struct wg__dim *p);
/* Writes d as a product; a number is a product without atoms. */
struct wg__dim wg__dim_product(const wg_graph *g, int64_t d);

/* Finds or makes the dimension that a product equals: a number, one atom, or an entry; 0 if memory is short. */
int64_t wg__dim_from_product(wg_graph *g, const struct wg__dim *p);

#endif
