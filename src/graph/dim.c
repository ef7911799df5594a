/* Symbolic dimensions.
 *
 * A dimension d < 0 stands for entry BASE - d of the graph's table.  An entry
 * is a product: a whole factor times atoms; an atom is a named symbol, or a
 * sum of two dimensions that does not simplify.  Products are kept
 * sorted and equal entries are made once, so equal sizes are equal numbers. */
#include <stdlib.h>
#include <string.h>

#include "graph/graph_impl.h"

enum { BASE = -1000, MAX_FACTORS = 6, MAX_TERMS = 1024 };

struct wg__dim {
    enum { NAME, PRODUCT, SUM } kind;
    const char *name;                 /* NAME */
    int64_t     a, b;                 /* SUM: dimensions */
    int64_t     scale;                /* PRODUCT: of the atoms below */
    int         n, atom[MAX_FACTORS]; /* PRODUCT: indices of atoms, ascending */
    int         terms;                /* names, as they would be written out: what a walk takes */
};

static const struct wg__dim *entry(const wg_graph *g, int64_t d)
{
    return d <= BASE && BASE - d < g->dims.n ? &g->dims.dim[BASE - d] : NULL;
}

static bool dim_equal(const struct wg__dim *p, const struct wg__dim *q)
{
    if (p->kind != q->kind) return false;
    if (p->kind == NAME) return strcmp(p->name, q->name) == 0;
    if (p->kind != PRODUCT) return p->a == q->a && p->b == q->b;
    return p->scale == q->scale && p->n == q->n && memcmp(p->atom, q->atom, (size_t)p->n * sizeof *p->atom) == 0;
}

/* A number has none. */
static int terms(const wg_graph *g, int64_t d)
{
    const struct wg__dim *p = d < 0 ? entry(g, d) : NULL;
    return p ? p->terms : 0;
}

static int terms_of(const wg_graph *g, const struct wg__dim *p)
{
    int n = p->kind == NAME ? 1 : p->kind == SUM ? terms(g, p->a) + terms(g, p->b) : 0;
    for (int i = 0; p->kind == PRODUCT && i < p->n; i++) n += terms(g, BASE - p->atom[i]);
    return n;
}

/* The dimension for an entry, made if it is new; 0 if memory is short. */
static int64_t intern(wg_graph *g, const struct wg__dim *want)
{
    for (int i = 0; i < g->dims.n; i++)
        if (dim_equal(&g->dims.dim[i], want)) return BASE - i;
    if (g->dims.n == g->dims.cap) {
        int   cap = g->dims.cap ? 2 * g->dims.cap : 16;
        void *p = realloc(g->dims.dim, (size_t)cap * sizeof *g->dims.dim);
        if (!p) return wg__fail_nomem(g), 0;
        g->dims.dim = p;
        g->dims.cap = cap;
    }
    struct wg__dim d = *want;
    if (d.name) {
        char *name = wg__arena_alloc(&g->arena, strlen(d.name) + 1);
        if (!name) return wg__fail_nomem(g), 0;
        d.name = strcpy(name, want->name);
    }
    d.terms = terms_of(g, &d);
    g->dims.dim[g->dims.n] = d;
    return BASE - g->dims.n++;
}

int64_t wg_dim(wg_graph *g, const char *name)
{
    if (!g) return INT64_MIN;
    if (!name || !*name) {
        wg__fail(g, WG_EARG, "dim: a symbolic dimension needs a name");
        return INT64_MIN;
    }
    int64_t d = intern(g, &(struct wg__dim){.kind = NAME, .name = name});
    return d ? d : INT64_MIN;
}

const char *wg_dim_name(const wg_graph *g, int64_t d, char *buf, size_t n)
{
    const struct wg__dim *p = d < 0 && g ? entry(g, d) : NULL;
    size_t                k = 0;
    char                  left[48], right[48];
    if (n) *buf = 0;
    if (d >= 0) wg__append(buf, n, &k, "%lld", (long long)d);
    else if (!p) return buf;
    else if (p->kind == NAME) wg__append(buf, n, &k, "%s", p->name);
    else if (p->kind == PRODUCT) {
        if (p->scale != 1) wg__append(buf, n, &k, "%lld", (long long)p->scale);
        for (int i = 0; i < p->n; i++)
            wg__append(buf, n, &k, "%s%s", k ? "*" : "", wg_dim_name(g, BASE - p->atom[i], left, sizeof left));
    } else
        wg__append(buf, n, &k, "(%s+%s)", wg_dim_name(g, p->a, left, sizeof left),
                   wg_dim_name(g, p->b, right, sizeof right));
    return buf;
}

/* d as a product; a number is a product without atoms. */
static struct wg__dim as_product(const wg_graph *g, int64_t d)
{
    const struct wg__dim *p = d < 0 ? entry(g, d) : NULL;
    if (!p) return (struct wg__dim){.kind = PRODUCT, .scale = d};
    if (p->kind == PRODUCT) return *p;
    return (struct wg__dim){.kind = PRODUCT, .scale = 1, .n = 1, .atom = {(int)(BASE - d)}};
}

static int64_t from_product(wg_graph *g, const struct wg__dim *p)
{
    if (p->n == 0 || p->scale == 0) return p->scale;
    if (p->n == 1 && p->scale == 1) return BASE - p->atom[0];
    return intern(g, p);
}

/* Sums of products of sums double with each level: a few lines of a file could
 * ask for years. */
static int bounded(wg_infer *c, const struct wg__dim *p)
{
    return terms_of(c->g, p) <= MAX_TERMS ? WG_OK
                                          : wg_reject(c, WG_ESHAPE, "a size of more than %d symbols", MAX_TERMS);
}

static int finish(wg_infer *c, int64_t d, int64_t *y)
{
    *y = d;
    return d ? WG_OK : wg_reject(c, WG_ENOMEM, "out of memory");
}

int wg_dim_add(wg_infer *c, int64_t a, int64_t b, int64_t *y)
{
    if (a >= 0 && b >= 0)
        return __builtin_add_overflow(a, b, y) ? wg_reject(c, WG_ESHAPE, "a dimension does not fit in 64 bits") : WG_OK;
    if (a == 0 || b == 0) return *y = a + b, WG_OK;
    struct wg__dim p = as_product(c->g, a), q = as_product(c->g, b);
    if (p.n == q.n && memcmp(p.atom, q.atom, (size_t)p.n * sizeof *p.atom) == 0) {
        if (__builtin_add_overflow(p.scale, q.scale, &p.scale))
            return wg_reject(c, WG_ESHAPE, "a dimension does not fit in 64 bits");
        return finish(c, from_product(c->g, &p), y);
    }
    bool           swap = a < b; /* one order, so that a+b and b+a are one symbol */
    struct wg__dim sum = {.kind = SUM, .a = swap ? b : a, .b = swap ? a : b};
    int            status = bounded(c, &sum);
    return status ? status : finish(c, intern(c->g, &sum), y);
}

int wg_dim_mul(wg_infer *c, int64_t a, int64_t b, int64_t *y)
{
    if (a == 0 || b == 0) return *y = 0, WG_OK;
    struct wg__dim p = as_product(c->g, a), q = as_product(c->g, b), r = {.kind = PRODUCT};
    if (__builtin_mul_overflow(p.scale, q.scale, &r.scale))
        return wg_reject(c, WG_ESHAPE, "the number of elements does not fit in 64 bits");
    if (p.n + q.n > MAX_FACTORS)
        return wg_reject(c, WG_ESHAPE, "a product of more than %d symbolic dimensions", MAX_FACTORS);
    for (int i = 0, j = 0; i < p.n || j < q.n;)
        r.atom[r.n++] = j == q.n || (i < p.n && p.atom[i] <= q.atom[j]) ? p.atom[i++] : q.atom[j++];
    if (r.n == 0) return *y = r.scale, WG_OK;
    int status = bounded(c, &r);
    return status ? status : finish(c, from_product(c->g, &r), y);
}

int wg_dim_div(wg_infer *c, int64_t a, int64_t b, int64_t *y)
{
    char left[48], right[48];
    if (a == 0 && b != 0) return *y = 0, WG_OK;
    struct wg__dim p = as_product(c->g, a), q = as_product(c->g, b);
    bool           whole = q.scale != 0 && p.scale % q.scale == 0;
    for (int j = 0; whole && j < q.n; j++) { /* strike each atom of b out of a */
        int i = 0;
        while (i < p.n && p.atom[i] != q.atom[j]) i++;
        whole = i < p.n;
        for (; i + 1 < p.n; i++) p.atom[i] = p.atom[i + 1];
        if (whole) p.n--;
    }
    if (!whole)
        return wg_reject(c, WG_ESHAPE, "%s is no multiple of %s", wg_dim_name(c->g, a, left, sizeof left),
                         wg_dim_name(c->g, b, right, sizeof right));
    p.scale /= q.scale;
    return finish(c, from_product(c->g, &p), y);
}

char wg__dim_split(wg_graph *g, int64_t d, int64_t *a, int64_t *b)
{
    const struct wg__dim *p = d < 0 ? entry(g, d) : NULL;
    if (!p || p->kind == NAME) return 0;
    *a = p->kind == SUM ? p->a : p->scale != 1 ? p->scale : BASE - p->atom[0];
    if (p->kind == SUM) return *b = p->b, '+';
    return wg_dim_div(&(wg_infer){.g = g}, d, *a, b) ? 0 : '*';
}

int64_t wg__dim_bind(const wg_graph *g, int64_t d, const wg_options *o, const char **unbound)
{
    const struct wg__dim *p = d < 0 ? entry(g, d) : NULL;
    if (d >= 0) return d;
    if (!p) return -1;
    if (p->kind == NAME) {
        for (int i = 0; o && i < WG_MAX_BINDINGS && o->bind[i].name; i++)
            if (strcmp(o->bind[i].name, p->name) == 0) return o->bind[i].size;
        *unbound = p->name;
        return -1;
    }
    int64_t v = p->kind == PRODUCT ? p->scale : 0;
    for (int i = 0; p->kind == PRODUCT && i < p->n; i++) {
        int64_t w = wg__dim_bind(g, BASE - p->atom[i], o, unbound);
        if (w < 0) return w;
        if (__builtin_mul_overflow(v, w, &v)) return INT64_MAX;
    }
    if (p->kind == PRODUCT) return v;
    int64_t a = wg__dim_bind(g, p->a, o, unbound), b = wg__dim_bind(g, p->b, o, unbound);
    if (a < 0 || b < 0) return -1;
    return __builtin_add_overflow(a, b, &v) ? INT64_MAX : v;
}

static bool is_named(const wg_graph *g, const char *name)
{
    for (int i = 0; i < g->dims.n; i++)
        if (g->dims.dim[i].kind == NAME && strcmp(g->dims.dim[i].name, name) == 0) return true;
    return false;
}

/* "batch, time": the named dimensions, as many as fit. */
static const char *names_str(const wg_graph *g, char *buf, size_t n)
{
    size_t k = 0;
    *buf = 0;
    for (int i = 0; i < g->dims.n; i++)
        if (g->dims.dim[i].kind == NAME) wg__append(buf, n, &k, "%s%s", k ? ", " : "", g->dims.dim[i].name);
    return buf;
}

int wg__dims_check_bind(wg_graph *g, const wg_options *o)
{
    char have[160];
    for (int i = 0; i < WG_MAX_BINDINGS && o->bind[i].name; i++) {
        const char *name = o->bind[i].name;
        if (o->bind[i].size < 0)
            return wg__fail(g, WG_EARG, "compile: dimension \"%s\" cannot be %lld", name, (long long)o->bind[i].size);
        if (!is_named(g, name))
            return wg__fail(g, WG_EARG, "compile: the graph has no dimension \"%s\" to bind; it has %s", name,
                            *names_str(g, have, sizeof have) ? have : "none");
        for (int k = 0; k < i; k++)
            if (strcmp(o->bind[k].name, name) == 0 && o->bind[k].size != o->bind[i].size)
                return wg__fail(g, WG_EARG, "compile: dimension \"%s\" is bound to %lld and to %lld", name,
                                (long long)o->bind[k].size, (long long)o->bind[i].size);
    }
    return WG_OK;
}

int wg__shape_bind(const wg_graph *g, wg_graph *to, wg_shape *s, const wg_options *o)
{
    for (int i = 0; i < s->rank; i++) {
        const char *name = NULL;
        if (s->dim[i] == WG_AUTO) continue;
        int64_t d = wg__dim_bind(g, s->dim[i], o, &name);
        if (d < 0)
            return wg__fail(to, WG_EBOUND, "compile: dimension \"%s\" has no size: name it in wg_options.bind",
                            name ? name : "?");
        s->dim[i] = d;
    }
    return WG_OK;
}
