/* Sizes of symbolic dimensions: the value of a dimension once the named symbols are bound, and the parts of an
 * expression for a walk. */
#include <string.h>

#include "graph/dim/dim_impl.h"

struct walk {
    const wg_graph   *g;
    const wg_options *o;
    const char       *unbound; /* the first name that has no size */
    bool              over;    /* the value does not fit in 64 bits */
};

static bool size_of_name(struct walk *w, const char *name, int64_t *v)
{
    const wg_options *o = w->o;
    for (int i = 0; o && i < WG_MAX_BINDINGS && o->bind[i].name; i++)
        if (strcmp(o->bind[i].name, name) == 0) {
            *v = o->bind[i].size;
            return true;
        }
    for (int i = 0; o && i < o->n_more; i++)
        if (strcmp(o->more[i].name, name) == 0) {
            *v = o->more[i].size;
            return true;
        }
    w->unbound = name;
    return false;
}

/* Evaluates d; false if it has no value. An intermediate value may be negative. */
static bool eval_dim(struct walk *w, int64_t d, int64_t *v);

static bool size_of_product(struct walk *w, const struct wg__dim *p, int64_t *v)
{
    int64_t x;
    *v = p->number;
    for (int i = 0; i < p->n; i++) {
        if (!eval_dim(w, WG__DIM_BASE - p->atom[i], &x)) return false;
        if (__builtin_mul_overflow(*v, x, v)) {
            w->over = true;
            return false;
        }
    }
    return true;
}

static bool size_of_sum(struct walk *w, const struct wg__dim *p, int64_t *v)
{
    int64_t x;
    *v = p->number;
    for (int i = 0; i < p->n; i++) {
        if (!eval_dim(w, p->term[i].d, &x)) return false;
        if (__builtin_mul_overflow(p->term[i].times, x, &x) || __builtin_add_overflow(*v, x, v)) {
            w->over = true;
            return false;
        }
    }
    return true;
}

static bool size_of_quotient(struct walk *w, const struct wg__dim *p, int64_t *v)
{
    int64_t a, b;
    if (!eval_dim(w, p->a, &a) || !eval_dim(w, p->b, &b)) return false;
    if (b == 0 || (b == -1 && a == INT64_MIN)) return false;
    *v = a / b;
    return p->kind == WG__FLOOR || a % b == 0;
}

static bool size_of_range(struct walk *w, const struct wg__dim *p, int64_t *v)
{
    int64_t n;
    if (!eval_dim(w, p->a, &n) || n < 0) return false;
    *v = wg__range_count(n, p->start, p->stop, p->step);
    return true;
}

static bool size_of_meet(struct walk *w, const struct wg__dim *p, int64_t *v)
{
    int64_t x;
    *v = 1;
    for (int i = 0; i < p->n; i++) {
        if (!eval_dim(w, p->term[i].d, &x)) return false;
        if (x != 1 && *v != 1 && x != *v) return false;
        if (x != 1) *v = x;
    }
    return true;
}

static bool eval_dim(struct walk *w, int64_t d, int64_t *v)
{
    const struct wg__dim *p = d < 0 ? wg__dim_entry(w->g, d) : NULL;
    if (!p) {
        *v = d;
        return true;
    }
    switch (p->kind) {
    case WG__NAME: return size_of_name(w, p->name, v);
    case WG__PRODUCT: return size_of_product(w, p, v);
    case WG__SUM: return size_of_sum(w, p, v);
    case WG__QUOTIENT:
    case WG__FLOOR: return size_of_quotient(w, p, v);
    case WG__RANGE: return size_of_range(w, p, v);
    case WG__MEET: return size_of_meet(w, p, v);
    }
    return false;
}

int64_t wg__dim_bind(const wg_graph *g, int64_t d, const wg_options *o, const char **unbound)
{
    struct walk w = {.g = g, .o = o};
    int64_t     v;
    if (d >= 0) return d;
    if (!wg__dim_entry(g, d)) return -1;
    bool there = eval_dim(&w, d, &v) && v >= 0;
    *unbound = w.unbound;
    return there ? v : w.over ? INT64_MAX : -1;
}

int wg__shape_bind(const wg_graph *g, wg_graph *to, wg_shape *s, const wg_options *o)
{
    char text[160];
    for (int i = 0; i < s->rank; i++) {
        const char *name = NULL;
        if (s->dim[i] == WG_DIM_AUTO) continue;
        int64_t d = wg__dim_bind(g, s->dim[i], o, &name);
        if (d < 0 && name)
            return wg__fail(to, WG_EBOUND, "dimension \"%s\" has no size: name it in wg_options.bind", name);
        if (d < 0)
            return wg__fail(to, WG_ESHAPE, "with these sizes, dimension \"%s\" cannot be",
                            wg_dim_name(g, s->dim[i], text, sizeof text));
        s->dim[i] = d;
    }
    return WG_OK;
}

/* ---- Parts ---- */

/* Splits a sum into *a + *b or *a - *b and returns that sign, or 0 on failure. *b is the last negative term, else the
 * number where it is negative, else the last term. */
static char split_sum(wg_graph *g, int64_t d, int64_t *a, int64_t *b)
{
    const struct wg__dim *p = wg__dim_entry(g, d);
    wg_infer              c = {.g = g};
    int64_t               number = p->number;
    int                   k = p->n - 1;
    while (k >= 0 && p->term[k].times > 0) k--;
    if (k < 0 && number < 0) {
        *b = -number;
        return wg__dim_sub(&c, d, number, a) ? 0 : '-';
    }
    struct wg__term t = p->term[k < 0 ? p->n - 1 : k];
    int64_t         times = t.times < 0 ? -t.times : t.times;
    if (times < 0 || wg_dim_mul(&c, times, t.d, b)) return 0;
    if (t.times < 0) return wg_dim_add(&c, d, *b, a) ? 0 : '-';
    return wg__dim_sub(&c, d, *b, a) ? 0 : '+';
}

char wg__dim_split(wg_graph *g, int64_t d, int64_t *a, int64_t *b)
{
    const struct wg__dim *p = d < 0 ? wg__dim_entry(g, d) : NULL;
    wg_infer              c = {.g = g};
    if (!p) return 0;
    switch (p->kind) {
    case WG__NAME: return 0;
    case WG__SUM: return split_sum(g, d, a, b);
    case WG__PRODUCT:
        *a = p->number != 1 ? p->number : WG__DIM_BASE - p->atom[0];
        return wg_dim_div(&c, d, *a, b) ? 0 : '*';
    case WG__QUOTIENT:
    case WG__FLOOR:
        *a = p->a;
        *b = p->b;
        return '/';
    case WG__RANGE:
        *a = p->a;
        *b = 0;
        return ':';
    case WG__MEET:
        *a = p->term[0].d;
        *b = p->term[1].d;
        if (p->n > 2) *b = wg__dim_intern(g, &(struct wg__dim){.kind = WG__MEET, .n = p->n - 1, .term = p->term + 1});
        return *b ? '~' : 0;
    }
    return 0;
}

void wg__dim_range_of(const wg_graph *g, int64_t d, int64_t *start, int64_t *stop, int64_t *step)
{
    const struct wg__dim *p = wg__dim_entry(g, d);
    *start = p->start;
    *stop = p->stop;
    *step = p->step;
}

/* ---- Bindings that a user gives ---- */

static int count_bindings(const wg_options *o)
{
    int n = 0;
    while (n < WG_MAX_BINDINGS && o->bind[n].name) n++;
    return n + (o->n_more > 0 ? o->n_more : 0);
}

/* Finds binding i, counting the list `bind` first and then `more`. */
static const wg_binding *find_binding(const wg_options *o, int i)
{
    int own = count_bindings(o) - (o->n_more > 0 ? o->n_more : 0);
    return i < own ? &o->bind[i] : &o->more[i - own];
}

static bool is_named(const wg_graph *g, const char *name)
{
    for (int i = 0; i < g->dims.n; i++)
        if (g->dims.dim[i].kind == WG__NAME && strcmp(g->dims.dim[i].name, name) == 0) return true;
    return false;
}

/* Writes the graph's named dimensions, as many as fit: "batch, time". */
static const char *names_str(const wg_graph *g, char *buf, size_t n)
{
    size_t k = 0;
    *buf = 0;
    for (int i = 0; i < g->dims.n; i++)
        if (g->dims.dim[i].kind == WG__NAME) wg__append(buf, n, &k, "%s%s", k ? ", " : "", g->dims.dim[i].name);
    return buf;
}

static int check_binding(wg_graph *g, const wg_options *o, int i)
{
    char              have[160];
    const wg_binding *b = find_binding(o, i);
    if (!b->name) return wg__fail(g, WG_EARG, "compile: binding %d has no name", i);
    if (b->size < 0)
        return wg__fail(g, WG_EARG, "compile: dimension \"%s\" cannot be %lld", b->name, (long long)b->size);
    if (!is_named(g, b->name))
        return wg__fail(g, WG_EARG, "compile: the graph has no dimension \"%s\" to bind; it has %s", b->name,
                        *names_str(g, have, sizeof have) ? have : "none");
    for (int k = 0; k < i; k++)
        if (strcmp(find_binding(o, k)->name, b->name) == 0 && find_binding(o, k)->size != b->size)
            return wg__fail(g, WG_EARG, "compile: dimension \"%s\" is bound to %lld and to %lld", b->name,
                            (long long)find_binding(o, k)->size, (long long)b->size);
    return WG_OK;
}

int wg__dims_check_bind(wg_graph *g, const wg_options *o)
{
    int status = WG_OK, own = count_bindings(o) - (o->n_more > 0 ? o->n_more : 0);
    for (int i = own; i < WG_MAX_BINDINGS; i++) /* a binding behind the first without a name would be lost */
        if (o->bind[i].name) return wg__fail(g, WG_EARG, "compile: binding %d has no name", own);
    if (o->n_more < 0) return wg__fail(g, WG_EARG, "compile: n_more cannot be %d", o->n_more);
    if (o->n_more && !o->more) return wg__fail(g, WG_EARG, "compile: n_more is %d, but more is NULL", o->n_more);
    for (int i = 0; !status && i < count_bindings(o); i++) status = check_binding(g, o, i);
    return status;
}
