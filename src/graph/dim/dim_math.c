/* Arithmetic on symbolic dimensions: each result in the one form that its size has. */
#include <string.h>

#include "graph/dim/dim_impl.h"

/* Makes the dimension of an entry. Sums of products of sums double with each level, so a few lines of a file could ask
 * for years: the number of terms is bounded. */
static int make_dim(wg_infer *c, const struct wg__dim *p, int64_t *y)
{
    if (wg__dim_terms(c->g, p) > WG__DIM_TERMS)
        return wg_reject(c, WG_ESHAPE, "a size of more than %d symbols", WG__DIM_TERMS);
    *y = p->kind == WG__PRODUCT ? wg__dim_from_product(c->g, p) : wg__dim_intern(c->g, p);
    return *y || (p->kind == WG__PRODUCT && (p->n == 0 || p->number == 0)) ? WG_OK
                                                                           : wg_reject(c, WG_ENOMEM, "out of memory");
}

static bool is_symbol(const wg_infer *c, int64_t d) { return d < 0 && wg__dim_entry(c->g, d); }

/* ---- Sums ---- */

struct sum {
    int64_t         number;
    int             n;
    struct wg__term term[WG__DIM_TERMS + 1];
};

static int reject_overflow(wg_infer *c) { return wg_reject(c, WG_ESHAPE, "a dimension does not fit in 64 bits"); }

static int add_term(wg_infer *c, struct sum *s, int64_t times, int64_t d)
{
    int i = 0;
    while (i < s->n && s->term[i].d > d) i++;
    if (i < s->n && s->term[i].d == d) {
        if (__builtin_add_overflow(s->term[i].times, times, &s->term[i].times)) return reject_overflow(c);
        if (s->term[i].times) return WG_OK;
        memmove(&s->term[i], &s->term[i + 1], (size_t)(--s->n - i) * sizeof *s->term);
        return WG_OK;
    }
    if (s->n == WG__DIM_TERMS) return wg_reject(c, WG_ESHAPE, "a size of more than %d symbols", WG__DIM_TERMS);
    memmove(&s->term[i + 1], &s->term[i], (size_t)(s->n++ - i) * sizeof *s->term);
    s->term[i] = (struct wg__term){times, d};
    WG__INVARIANT((i == 0 || s->term[i - 1].d > d) && (i + 1 == s->n || s->term[i + 1].d < d));
    return WG_OK;
}

/* Adds times * d to the sum. */
static int add_times(wg_infer *c, struct sum *s, int64_t times, int64_t d)
{
    const struct wg__dim *e = d < 0 ? wg__dim_entry(c->g, d) : NULL;
    int64_t               more, by;
    if (!e || e->kind == WG__SUM) {
        if (__builtin_mul_overflow(times, e ? e->number : d, &more) ||
            __builtin_add_overflow(s->number, more, &s->number))
            return reject_overflow(c);
        int status = WG_OK;
        for (int i = 0; e && i < e->n && !status; i++) {
            if (__builtin_mul_overflow(times, e->term[i].times, &by)) return reject_overflow(c);
            status = add_term(c, s, by, e->term[i].d);
        }
        return status;
    }
    struct wg__dim p = wg__dim_product(c->g, d);
    if (__builtin_mul_overflow(times, p.number, &by)) return reject_overflow(c);
    p.number = 1;
    int64_t one = wg__dim_from_product(c->g, &p);
    return one ? add_term(c, s, by, one) : wg_reject(c, WG_ENOMEM, "out of memory");
}

/* Makes the dimension of a sum: a number where there is no term, a product where there is one. */
static int make_sum(wg_infer *c, struct sum *s, int64_t *y)
{
    if (s->n == 0) {
        *y = s->number;
        return WG_OK;
    }
    if (s->n == 1 && s->number == 0 && s->term[0].times > 0) {
        struct wg__dim p = wg__dim_product(c->g, s->term[0].d);
        p.number = s->term[0].times;
        return make_dim(c, &p, y);
    }
    return make_dim(c, &(struct wg__dim){.kind = WG__SUM, .number = s->number, .n = s->n, .term = s->term}, y);
}

static int add_multiple(wg_infer *c, int64_t a, int64_t times, int64_t b, int64_t *y)
{
    struct sum s;
    s.number = s.n = 0;
    int status = add_times(c, &s, 1, a);
    if (!status) status = add_times(c, &s, times, b);
    return status ? status : make_sum(c, &s, y);
}

int wg_dim_add(wg_infer *c, int64_t a, int64_t b, int64_t *y)
{
    if (a >= 0 && b >= 0) return __builtin_add_overflow(a, b, y) ? reject_overflow(c) : WG_OK;
    if (a == 0 || b == 0) {
        *y = a + b;
        return WG_OK;
    }
    return add_multiple(c, a, 1, b, y);
}

int wg__dim_sub(wg_infer *c, int64_t a, int64_t b, int64_t *y)
{
    if (b) return add_multiple(c, a, -1, b, y);
    *y = a;
    return WG_OK;
}

/* ---- Products and quotients ---- */

int wg_dim_mul(wg_infer *c, int64_t a, int64_t b, int64_t *y)
{
    if (a == 0 || b == 0) {
        *y = 0;
        return WG_OK;
    }
    struct wg__dim p = wg__dim_product(c->g, a), q = wg__dim_product(c->g, b), r = {.kind = WG__PRODUCT};
    if (__builtin_mul_overflow(p.number, q.number, &r.number))
        return wg_reject(c, WG_ESHAPE, "the number of elements does not fit in 64 bits");
    if (p.n + q.n > WG__DIM_FACTORS)
        return wg_reject(c, WG_ESHAPE, "a product of more than %d symbolic dimensions", WG__DIM_FACTORS);
    for (int i = 0, j = 0; i < p.n || j < q.n;)
        r.atom[r.n++] = j == q.n || (i < p.n && p.atom[i] <= q.atom[j]) ? p.atom[i++] : q.atom[j++];
    return make_dim(c, &r, y);
}

/* Divides a by b where their forms show that b divides a; false where they do not. */
static bool divide_forms(wg_infer *c, int64_t a, int64_t b, struct wg__dim *p)
{
    struct wg__dim q = wg__dim_product(c->g, b);
    *p = wg__dim_product(c->g, a);
    bool whole = q.number != 0 && p->number % q.number == 0;
    for (int j = 0; whole && j < q.n; j++) { /* take each atom of b out of a */
        int i = 0;
        while (i < p->n && p->atom[i] != q.atom[j]) i++;
        whole = i < p->n;
        for (; i + 1 < p->n; i++) p->atom[i] = p->atom[i + 1];
        if (whole) p->n--;
    }
    if (whole) p->number /= q.number;
    return whole;
}

int wg_dim_div(wg_infer *c, int64_t a, int64_t b, int64_t *y)
{
    char           left[48], right[48];
    struct wg__dim p;
    if (a == 0 && b != 0) {
        *y = 0;
        return WG_OK;
    }
    if (divide_forms(c, a, b, &p)) return make_dim(c, &p, y);
    if (c->g->open && (is_symbol(c, a) || is_symbol(c, b)) && b)
        return make_dim(c, &(struct wg__dim){.kind = WG__QUOTIENT, .a = a, .b = b}, y);
    return wg_reject(c, WG_ESHAPE, "%s is no multiple of %s", wg_dim_name(c->g, a, left, sizeof left),
                     wg_dim_name(c->g, b, right, sizeof right));
}

int wg__dim_floor(wg_infer *c, int64_t a, int64_t b, int64_t *y)
{
    struct wg__dim p;
    if (divide_forms(c, a, b, &p)) return make_dim(c, &p, y);
    return make_dim(c, &(struct wg__dim){.kind = WG__FLOOR, .a = a, .b = b}, y);
}

/* ---- Ranges ---- */

static int64_t clip_index(int64_t i, int64_t n)
{
    if (i < 0) i = i < -n ? 0 : i + n;
    return i > n ? n : i;
}

int64_t wg__range_count(int64_t n, int64_t start, int64_t stop, int64_t step)
{
    int64_t from = clip_index(start, n), to = clip_index(stop, n);
    return to > from ? (to - from - 1) / step + 1 : 0;
}

int64_t wg__dim_least(const wg_graph *g, int64_t d)
{
    const struct wg__dim *p = d < 0 ? wg__dim_entry(g, d) : NULL;
    if (!p) return d;
    for (int i = 0; p->kind == WG__SUM && i < p->n; i++)
        if (p->term[i].times < 0) return INT64_MIN;
    return p->kind == WG__SUM ? p->number : p->kind == WG__PRODUCT && p->number < 0 ? INT64_MIN : 0;
}

int wg__dim_range(wg_infer *c, int64_t n, int64_t start, int64_t stop, int64_t step, int64_t *y)
{
    if (n >= 0) {
        *y = wg__range_count(n, start, stop, step);
        return WG_OK;
    }
    int64_t low = wg__dim_least(c->g, n);
    if (step == 1 && start >= 0 && stop == WG_SLICE_END && low >= start) return wg__dim_sub(c, n, start, y);
    if (step == 1 && start >= 0 && stop < 0 && stop != INT64_MIN && low >= 0 && low + stop >= start) {
        int status = wg__dim_sub(c, n, start, y);
        return status ? status : wg__dim_sub(c, *y, -stop, y);
    }
    if (step > 1 && start == 0 && stop == WG_SLICE_END) { /* every third of 3 n is n */
        struct wg__dim p = wg__dim_product(c->g, n);
        if (p.number % step == 0) {
            p.number /= step;
            return make_dim(c, &p, y);
        }
    }
    return make_dim(c, &(struct wg__dim){.kind = WG__RANGE, .a = n, .start = start, .stop = stop, .step = step}, y);
}

/* ---- Sizes that meet ---- */

static void take_members(const wg_infer *c, int64_t d, struct sum *s)
{
    const struct wg__dim *p = d < 0 ? wg__dim_entry(c->g, d) : NULL;
    struct wg__term       one = {1, d};
    bool                  many = p && p->kind == WG__MEET;
    for (int k = 0; k < (many ? p->n : 1); k++) {
        struct wg__term t = many ? p->term[k] : one;
        int             i = 0;
        while (i < s->n && s->term[i].d > t.d) i++;
        if ((i < s->n && s->term[i].d == t.d) || s->n == WG__DIM_TERMS) continue;
        memmove(&s->term[i + 1], &s->term[i], (size_t)(s->n++ - i) * sizeof *s->term);
        s->term[i] = t;
    }
}

int wg__dim_meet(wg_infer *c, int64_t a, int64_t b, int64_t *y)
{
    struct sum s;
    if (a == b || b == 1) {
        *y = a;
        return WG_OK;
    }
    if (a == 1) {
        *y = b;
        return WG_OK;
    }
    if (!is_symbol(c, a) || !is_symbol(c, b)) {
        if (!c->g->open || (!is_symbol(c, a) && !is_symbol(c, b))) return WG_ESHAPE;
        *y = is_symbol(c, a) ? b : a; /* a symbol that broadcasts with a number is that number or 1 */
        return WG_OK;
    }
    s.n = 0;
    take_members(c, a, &s);
    int of_a = s.n;
    take_members(c, b, &s);
    int all = s.n;
    s.n = 0;
    take_members(c, b, &s);
    /* every member of b is in a */
    if (all == of_a) {
        *y = a;
        return WG_OK;
    }
    if (all == s.n) {
        *y = b;
        return WG_OK;
    }
    if (!c->g->open) return WG_ESHAPE;
    take_members(c, a, &s);
    return make_dim(c, &(struct wg__dim){.kind = WG__MEET, .n = s.n, .term = s.term}, y);
}

bool wg__dims_may_equal(const wg_graph *g, int64_t a, int64_t b) { return a == b || (g->open && (a < 0 || b < 0)); }

bool wg__shapes_may_equal(const wg_graph *g, const wg_shape *a, const wg_shape *b)
{
    bool may = a->rank == b->rank;
    for (int i = 0; may && i < a->rank; i++) may = wg__dims_may_equal(g, a->dim[i], b->dim[i]);
    return may;
}
