/* Symbolic dimensions: their table and their texts. dim_impl.h describes the entries. */
#include <stdlib.h>
#include <string.h>

#include "graph/dim/dim_impl.h"

const struct wg__dim *wg__dim_entry(const wg_graph *g, int64_t d)
{
    return d <= WG__DIM_BASE && WG__DIM_BASE - d < g->dims.n ? &g->dims.dim[WG__DIM_BASE - d] : NULL;
}

bool wg__dim_is_number(const wg_graph *g, int64_t i) { return i >= 0 || !wg__dim_entry(g, i); }

static bool dim_equal(const struct wg__dim *p, const struct wg__dim *q)
{
    if (p->kind != q->kind || p->n != q->n || p->number != q->number) return false;
    if (p->kind == WG__NAME) return strcmp(p->name, q->name) == 0;
    if (p->kind == WG__PRODUCT) return memcmp(p->atom, q->atom, (size_t)p->n * sizeof *p->atom) == 0;
    if (p->n) return memcmp(p->term, q->term, (size_t)p->n * sizeof *p->term) == 0;
    return p->a == q->a && p->b == q->b && p->start == q->start && p->stop == q->stop && p->step == q->step;
}

/* Counts the steps of a walk through d: none for a number. */
static int count_terms(const wg_graph *g, int64_t d)
{
    const struct wg__dim *p = d < 0 ? wg__dim_entry(g, d) : NULL;
    return p ? p->terms : 0;
}

/* Counts each name and each level, so that WG__DIM_TERMS also bounds the depth of a walk. */
int wg__dim_terms(const wg_graph *g, const struct wg__dim *p)
{
    int n = p->kind == WG__PRODUCT ? 0 : 1;
    for (int i = 0; p->kind == WG__PRODUCT && i < p->n; i++) n += count_terms(g, WG__DIM_BASE - p->atom[i]);
    for (int i = 0; p->term && i < p->n; i++) n += count_terms(g, p->term[i].d);
    return n + count_terms(g, p->a) + count_terms(g, p->b);
}

/* Copies the name and the terms of an entry into the arena; false if memory is short. */
static bool copy_into_arena(wg_graph *g, struct wg__dim *d)
{
    if (d->name) {
        char *name = wg__arena_alloc(&g->arena, strlen(d->name) + 1);
        if (!name) return false;
        d->name = strcpy(name, d->name);
    }
    if (d->term) {
        size_t bytes = (size_t)d->n * sizeof *d->term;
        void  *list = wg__arena_alloc(&g->arena, bytes);
        if (!list) return false;
        d->term = memcpy(list, d->term, bytes);
    }
    return true;
}

int64_t wg__dim_intern(wg_graph *g, const struct wg__dim *want)
{
    for (int i = 0; i < g->dims.n; i++)
        if (dim_equal(&g->dims.dim[i], want)) return WG__DIM_BASE - i;
    if (g->dims.n == g->dims.cap) {
        int   cap = g->dims.cap ? 2 * g->dims.cap : 16;
        void *p = realloc(g->dims.dim, (size_t)cap * sizeof *g->dims.dim);
        if (!p) return wg__fail_nomem(g), 0;
        g->dims.dim = p;
        g->dims.cap = cap;
    }
    struct wg__dim d = *want;
    if (!copy_into_arena(g, &d)) return wg__fail_nomem(g), 0;
    d.terms = wg__dim_terms(g, &d);
    g->dims.dim[g->dims.n] = d;
    return WG__DIM_BASE - g->dims.n++;
}

int64_t wg_dim(wg_graph *g, const char *name)
{
    if (!g) return INT64_MIN;
    if (!name || !*name) {
        wg__fail(g, WG_EARG, "dim: a symbolic dimension needs a name");
        return INT64_MIN;
    }
    int64_t d = wg__dim_intern(g, &(struct wg__dim){.kind = WG__NAME, .name = name});
    return d ? d : INT64_MIN;
}

/* ---- Products ---- */

struct wg__dim wg__dim_product(const wg_graph *g, int64_t d)
{
    const struct wg__dim *p = d < 0 ? wg__dim_entry(g, d) : NULL;
    if (!p) return (struct wg__dim){.kind = WG__PRODUCT, .number = d};
    if (p->kind == WG__PRODUCT) return *p;
    return (struct wg__dim){.kind = WG__PRODUCT, .number = 1, .n = 1, .atom = {(int)(WG__DIM_BASE - d)}};
}

int64_t wg__dim_from_product(wg_graph *g, const struct wg__dim *p)
{
    if (p->n == 0 || p->number == 0) return p->number;
    if (p->n == 1 && p->number == 1) return WG__DIM_BASE - p->atom[0];
    return wg__dim_intern(g, p);
}

/* ---- As text ---- */

struct text {
    const wg_graph *g;
    char           *buf;
    size_t          n, k;
};

static void say_dim(struct text *t, int64_t d);

/* Writes a part of a larger expression, in parentheses where its own signs would be read as the larger one's. */
static void say_part(struct text *t, int64_t d, bool factor)
{
    const struct wg__dim *p = d < 0 ? wg__dim_entry(t->g, d) : NULL;
    bool                  loose = p && (p->kind == WG__MEET || (p->kind == WG__PRODUCT && !factor));
    if (loose) wg__append(t->buf, t->n, &t->k, "(");
    say_dim(t, d);
    if (loose) wg__append(t->buf, t->n, &t->k, ")");
}

static void say_product(struct text *t, const struct wg__dim *p)
{
    const char *times = "";
    if (p->number != 1) {
        wg__append(t->buf, t->n, &t->k, "%lld", (long long)p->number);
        times = "*";
    }
    for (int i = 0; i < p->n; i++, times = "*") {
        wg__append(t->buf, t->n, &t->k, "%s", times);
        say_part(t, WG__DIM_BASE - p->atom[i], true);
    }
}

/* Writes a sum as "(3+2*a-b)"; a number below zero comes last. */
static void say_sum(struct text *t, const struct wg__dim *p)
{
    const char *plus = "";
    wg__append(t->buf, t->n, &t->k, "(");
    if (p->number > 0) {
        wg__append(t->buf, t->n, &t->k, "%lld", (long long)p->number);
        plus = "+";
    }
    for (int i = 0; i < p->n; i++, plus = "+") {
        int64_t times = p->term[i].times;
        wg__append(t->buf, t->n, &t->k, "%s", times < 0 ? "-" : plus);
        if (times != 1 && times != -1)
            wg__append(t->buf, t->n, &t->k, "%llu*",
                       times < 0 ? 0ull - (unsigned long long)times : (unsigned long long)times);
        say_part(t, p->term[i].d, true);
    }
    if (p->number < 0) wg__append(t->buf, t->n, &t->k, "%lld", (long long)p->number);
    wg__append(t->buf, t->n, &t->k, ")");
}

/* Writes a range as Python does: "n[1:-1:2]". */
static void say_range(struct text *t, const struct wg__dim *p)
{
    say_part(t, p->a, false);
    wg__append(t->buf, t->n, &t->k, "[");
    if (p->start) wg__append(t->buf, t->n, &t->k, "%lld", (long long)p->start);
    wg__append(t->buf, t->n, &t->k, ":");
    if (p->stop != WG_SLICE_END) wg__append(t->buf, t->n, &t->k, "%lld", (long long)p->stop);
    if (p->step != 1) wg__append(t->buf, t->n, &t->k, ":%lld", (long long)p->step);
    wg__append(t->buf, t->n, &t->k, "]");
}

static void say_list(struct text *t, int n, const int64_t *d, const char *between)
{
    wg__append(t->buf, t->n, &t->k, "(");
    for (int i = 0; i < n; i++) {
        wg__append(t->buf, t->n, &t->k, "%s", i ? between : "");
        say_part(t, d[i], i == 0);
    }
    wg__append(t->buf, t->n, &t->k, ")");
}

static void say_meet(struct text *t, const struct wg__dim *p)
{
    for (int i = 0; i < p->n; i++) {
        wg__append(t->buf, t->n, &t->k, "%s", i ? "~" : "");
        say_dim(t, p->term[i].d);
    }
}

static void say_dim(struct text *t, int64_t d)
{
    const struct wg__dim *p = d < 0 ? wg__dim_entry(t->g, d) : NULL;
    if (t->k >= t->n) return; /* there is no room for more */
    if (!p) {
        wg__append(t->buf, t->n, &t->k, "%lld", (long long)d);
        return;
    }
    switch (p->kind) {
    case WG__NAME: wg__append(t->buf, t->n, &t->k, "%s", p->name); return;
    case WG__PRODUCT: say_product(t, p); return;
    case WG__SUM: say_sum(t, p); return;
    case WG__QUOTIENT: say_list(t, 2, (int64_t[]){p->a, p->b}, "/"); return;
    case WG__FLOOR: say_list(t, 2, (int64_t[]){p->a, p->b}, "//"); return;
    case WG__RANGE: say_range(t, p); return;
    case WG__MEET: say_meet(t, p); return;
    }
}

const char *wg_dim_name(const wg_graph *g, int64_t d, char *buf, size_t n)
{
    struct text t = {g, buf, n, 0};
    if (!buf) return NULL;
    if (n) *buf = 0;
    if (d >= 0 || (g && wg__dim_entry(g, d))) say_dim(&t, d);
    return buf;
}
