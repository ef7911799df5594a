/* tape_test.h - what the tests of the tape share: text of a tape, data, options. */
#ifndef WENGERT_TESTS_TAPE_H
#define WENGERT_TESTS_TAPE_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tape/tape_impl.h"

/* A small generator of its own for each use: tests do not depend on their order. */
struct dice {
    uint64_t state;
};
static inline uint32_t roll(struct dice *d)
{
    d->state = d->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(d->state >> 33);
}
static inline int    pick(struct dice *d, int n) { return (int)(roll(d) % (uint32_t)n); }
static inline double real(struct dice *d, double lo, double hi) { return lo + (hi - lo) * (double)roll(d) / 0x1p31; }

/* Random elements of any dtype: reals in [lo, hi), integers and bools by truncation. */
static inline void fill(struct dice *d, wg_dtype t, void *data, int64_t n, double lo, double hi)
{
    for (int64_t i = 0; i < n; i++) wg__store(t, data, i, t == WG_BOOL ? (double)pick(d, 2) : real(d, lo, hi));
}

/* Gives an input or parameter random elements. */
static inline void set_random(wg_tape *t, const wg_node *x, uint64_t seed, double lo, double hi)
{
    struct dice     d = {seed};
    const wg_shape *s = wg_tape_shape(t, x);
    cr_assert_not_null(s, "the node is not on the tape");
    void *data = malloc(wg__bytes(wg_node_dtype(x), s) + 1);
    fill(&d, wg_node_dtype(x), data, wg_count(s), lo, hi);
    cr_assert_eq(wg_set(t, x, data), WG_OK, "%s", wg_tape_message(t));
    free(data);
}

static inline size_t bytes_on(wg_tape *t, const wg_node *x) { return wg__bytes(wg_node_dtype(x), wg_tape_shape(t, x)); }

/* A copy of a value; freed by the caller. */
static inline void *value_of(wg_tape *t, const wg_node *x)
{
    cr_assert_not_null(wg_tape_shape(t, x), "the node is not on the tape");
    void *data = malloc(bytes_on(t, x) + 1);
    cr_assert_eq(wg_get(t, x, data), WG_OK, "%s", wg_tape_message(t));
    return data;
}

/* Whether x holds the same bits on two tapes. */
static inline bool same_bits(wg_tape *a, wg_tape *b, const wg_node *x)
{
    void *p = value_of(a, x), *q = value_of(b, x);
    bool  same = memcmp(p, q, bytes_on(a, x)) == 0;
    free(p);
    free(q);
    return same;
}

static inline double element(wg_tape *t, const wg_node *x, int64_t i)
{
    const void *p = wg_view(t, x);
    cr_assert_not_null(p, "%s", wg_tape_message(t));
    return wg__load(wg_node_dtype(x), p, i);
}

static inline wg_tape *compile(wg_graph *g, int n, wg_node *const out[], const wg_options *o)
{
    wg_tape *t = wg_compile(g, n, out, o);
    cr_assert_not_null(t, "%s", wg_message(g));
    return t;
}
static inline void run(wg_tape *t) { cr_assert_eq(wg_run(t), WG_OK, "%s", wg_tape_message(t)); }

static inline wg_options skipping(unsigned passes) { return (wg_options){.skip = passes}; }
static inline wg_options with_threads(int n) { return (wg_options){.threads = n}; }

/* The print of a tape; freed by the caller. */
static inline char *text_of(const wg_tape *t)
{
    char  *text = NULL;
    size_t n = 0;
    FILE  *f = open_memstream(&text, &n);
    cr_assert_eq(wg_tape_print(t, f), WG_OK);
    fclose(f);
    return text;
}

static inline int count_in(const char *text, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what)) n++;
    return n;
}

/* How many instructions compute an operator of that name. */
static inline int op_count(const wg_tape *t, const char *name)
{
    int n = 0;
    for (int i = 0; i < t->n_instr; i++)
        for (int k = 0; k < t->instr[i].n_chain; k++) n += strcmp(t->instr[i].chain[k]->op->name, name) == 0;
    return n;
}

static inline int instructions(const wg_tape *t) { return (int)wg_stats(t).instructions; }

#endif
