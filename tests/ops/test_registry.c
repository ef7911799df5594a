/* Each operator of the registry: documented; first and second derivatives are
 * those of differences; forward mode is the adjoint of reverse mode; f32 is
 * f64 but for rounding. */
#include <string.h>

#include "ops/cases.h"
#include "ops/ops_test.h"

enum { LARGEST = 64 };

/* y over operands x, and what the laws ask of it, as nodes:
 *   loss = <y, w>,  dx = d loss / dx,  slope = <dx, v>,  ddx = d slope / dx,
 *   push = <w, jvp(y; v)>, which is the slope again. */
struct probe {
    wg_graph *g;
    wg_tape  *t;
    int       n, m; /* operands; real ones */
    wg_node  *x[3], *real[3], *dx[3], *ddx[3], *loss, *slope, *push;
    double    value[3][LARGEST];
    int64_t   count[3];
};

struct subject {
    const struct op_case *c;  /* or */
    const wg_op          *op; /* an elementwise operator with shapes from c */
    enum wg_domain        domain;
    char                  name[64];
};

static wg_node *build(const struct subject *s, wg_graph *g, wg_dtype t, wg_node *const x[])
{
    const double alpha = 0.3;
    return s->op ? wg_apply(s->op, s->op->arity, x, s->op->attr_size ? &alpha : NULL) : s->c->build(g, t, x);
}

static wg_node *inner(wg_node *x, wg_node *y) { return wg_sum(wg_mul(x, y), WG_ALL_AXES, 0); }

/* A value apart from all others, so that no difference steps over a tie. */
static double draw_apart(const struct probe *p, enum wg_domain d, int operand, int64_t n, uint64_t *seed)
{
    for (int tries = 0;; tries++) {
        double v = (double)(float)draw_from(d, seed), nearest = 1;
        for (int i = 0; i <= operand; i++)
            for (int64_t k = 0; k < (i < operand ? p->count[i] : n); k++)
                nearest = fmin(nearest, fabs(v - p->value[i][k]));
        if (nearest > 0.025 || tries == 100) return v;
    }
}

static void make_operands(struct probe *p, const struct subject *s, wg_dtype t, uint64_t *seed)
{
    for (int i = 0; i < p->n; i++) {
        char kind = s->c->kind[i];
        p->x[i] = wg_input(p->g, NULL,
                           kind == 'r'   ? t
                           : kind == 'i' ? WG_I64
                           : kind == 'u' ? WG_U8
                                         : WG_BOOL,
                           s->c->shape[i]);
        p->count[i] = wg_count(&s->c->shape[i]);
        cr_assert_leq(p->count[i], LARGEST);
        for (int64_t k = 0; k < p->count[i]; k++)
            p->value[i][k] = kind == 'r' ? draw_apart(p, s->domain, i, k, seed)
                                         : floor(draw(seed) * (kind == 'b' ? 2 : s->c->below));
        if (kind == 'r') p->real[p->m++] = p->x[i];
    }
}

static void derive(struct probe *p, const struct subject *s, wg_dtype t, uint64_t *seed)
{
    wg_node *v[3], *y = build(s, p->g, t, p->x);
    cr_assert_not_null(y, "%s: %s", s->name, wg_message(p->g));
    y = wg_cast(y, t); /* indices and bools are constant: their derivative is zero */
    wg_node *w = random_const(p->g, t, *wg_node_shape(y), WG_DOMAIN_ANY, seed);
    for (int i = 0; i < p->m; i++) v[i] = random_const(p->g, t, *wg_node_shape(p->real[i]), WG_DOMAIN_ANY, seed);
    p->loss = inner(y, w);
    p->slope = wg_scalar(p->g, t, 0);
    cr_assert_eq(wg_vjp(y, w, p->m, p->real, p->dx), WG_OK, "%s: %s", s->name, wg_message(p->g));
    for (int i = 0; i < p->m; i++) p->slope = wg_add(p->slope, inner(p->dx[i], v[i]));
    cr_assert_eq(wg_grad(p->slope, p->m, p->real, p->ddx), WG_OK, "%s: %s", s->name, wg_message(p->g));
    wg_node *jvp = wg_jvp(y, p->m, p->real, v);
    cr_assert_not_null(jvp, "%s: %s", s->name, wg_message(p->g));
    cr_assert(wg__shape_equal(wg_node_shape(jvp), wg_node_shape(y)), "%s: shape of the jvp", s->name);
    p->push = inner(jvp, w);
}

static void compile_probe(struct probe *p, const struct subject *s)
{
    wg_node *out[16] = {p->loss, p->slope, p->push};
    int      n = 3;
    for (int i = 0; i < p->m; i++) {
        cr_assert(wg__shape_equal(wg_node_shape(p->dx[i]), wg_node_shape(p->real[i])), "%s: shape of gradient %d",
                  s->name, i);
        cr_assert_eq(wg_node_dtype(p->dx[i]), wg_node_dtype(p->real[i]), "%s: dtype of gradient %d", s->name, i);
        out[n++] = p->dx[i];
        out[n++] = p->ddx[i];
    }
    for (int i = 0; i < p->n; i++) out[n++] = p->x[i];
    p->t = wg_compile(p->g, n, out, NULL);
    cr_assert_not_null(p->t, "%s: %s", s->name, wg_message(p->g));
    for (int i = 0; i < p->n; i++) set_values(p->t, p->x[i], p->value[i]);
    cr_assert_eq(wg_run(p->t), WG_OK, "%s: %s", s->name, wg_tape_message(p->t));
}

static struct probe *probe_new(const struct subject *s, wg_dtype t)
{
    struct probe *p = calloc(1, sizeof *p);
    uint64_t      seed = 1;
    for (const char *c = s->name; *c; c++) seed = seed * 31 + (unsigned char)*c;
    p->g = wg_graph_new();
    p->n = s->op ? s->op->arity : s->c->n;
    make_operands(p, s, t, &seed);
    derive(p, s, t, &seed);
    compile_probe(p, s);
    return p;
}
static void probe_free(struct probe *p)
{
    wg_graph_free(p->g);
    free(p);
}

static bool close_to(double a, double b, double tolerance)
{
    return fabs(a - b) <= tolerance * (1 + fabs(a) + fabs(b)) || (a != a && b != b) || a == b;
}

/* What `of` is with element k of operand i moved by h. */
static double moved(struct probe *p, wg_node *of, int i, int64_t k, double h)
{
    double old = p->value[i][k];
    p->value[i][k] = old + h;
    set_values(p->t, p->x[i], p->value[i]);
    must_run(p->t);
    p->value[i][k] = old;
    set_values(p->t, p->x[i], p->value[i]);
    return wg_get_scalar(p->t, of);
}

/* Whether d[r] are the derivatives of `of` by the real operands. */
static void check_differences(struct probe *p, const struct subject *s, wg_node *of, wg_node *const d[], double h,
                              double tolerance)
{
    double exact[3][LARGEST];
    for (int r = 0; r < p->m; r++) get_values(p->t, d[r], exact[r]);
    for (int i = 0, r = 0; i < p->n; i++) {
        if (s->c->kind[i] != 'r') continue;
        for (int64_t k = 0; k < p->count[i]; k++) {
            double numeric = (moved(p, of, i, k, h) - moved(p, of, i, k, -h)) / (2 * h);
            cr_expect(close_to(exact[r][k], numeric, tolerance),
                      "%s: %s derivative by operand %d at %lld is %.12g, by differences %.12g", s->name,
                      of == p->loss ? "first" : "second", i, (long long)k, exact[r][k], numeric);
        }
        r++;
    }
    must_run(p->t);
}

/* Whether f32 says what f64 says, of the same operands. */
static void compare(struct probe *a, struct probe *b, const struct subject *s)
{
    double p[LARGEST], q[LARGEST];
    cr_expect(close_to(wg_get_scalar(a->t, a->loss), wg_get_scalar(b->t, b->loss), 1e-5), "%s: f32 value %g, f64 %g",
              s->name, wg_get_scalar(a->t, a->loss), wg_get_scalar(b->t, b->loss));
    for (int r = 0; r < a->m; r++)
        for (int order = 1; order <= 2; order++) {
            get_values(a->t, order == 1 ? a->dx[r] : a->ddx[r], p);
            get_values(b->t, order == 1 ? b->dx[r] : b->ddx[r], q);
            for (int64_t k = 0; k < wg_count(wg_node_shape(a->real[r])); k++)
                cr_expect(close_to(p[k], q[k], 2e-4), "%s: derivative %d: f32 %g, f64 %g", s->name, order, p[k], q[k]);
        }
}

static void check_subject(const struct subject *s)
{
    bool          random = (s->c->n == 0 && !s->op);
    struct probe *d = probe_new(s, WG_F64), *f = probe_new(s, WG_F32);
    check_differences(d, s, d->loss, d->dx, 1e-5, strcmp(s->c->op, "cast") ? 1e-6 : 1e-1);
    if (strcmp(s->c->op, "cast")) check_differences(d, s, d->slope, d->ddx, 1e-5, 1e-6);
    check_differences(f, s, f->loss, f->dx, 1e-2, 2e-2);
    double slope = wg_get_scalar(d->t, d->slope), push = wg_get_scalar(d->t, d->push);
    cr_expect(close_to(slope, push, strcmp(s->c->op, "cast") ? 1e-12 : 1e-6), "%s: <dx, v> is %.15g but <w, jvp> %.15g",
              s->name, slope, push);
    if (!random) compare(f, d, s);
    probe_free(d);
    probe_free(f);
}

/* ---- The walk ---- */

static bool elementwise(const wg_op *op)
{
    return op->block && op != &wg_op_where && op != &wg_op_not && op != &wg_op_cast && op != &wg_op_expand;
}
static bool on_reals(const wg_op *op) { return !op->dtypes || (op->dtypes & WG_DTYPE_REALS); }

static const wg_op *op_named(const char *name)
{
    for (const wg_op *const *op = wg_ops; *op; op++)
        if (strcmp((*op)->name, name) == 0) return *op;
    return NULL;
}

Test(ops_registry, documented)
{
    for (const wg_op *const *op = wg_ops; *op; op++) {
        cr_expect(*(*op)->name && (*op)->doc && *(*op)->doc, "%s has no doc line", (*op)->name);
        cr_expect_not_null((*op)->infer, "%s", (*op)->name);
        cr_expect((*op)->cpu || (*op)->block, "%s has no kernel", (*op)->name);
        cr_expect_eq((*op)->attr_size != 0, (*op)->fields != NULL, "%s: attributes and fields", (*op)->name);
        cr_expect_eq(op_named((*op)->name), *op, "%s is there twice", (*op)->name);
    }
}

Test(ops_registry, every_operator_has_a_case)
{
    for (const wg_op *const *op = wg_ops; *op; op++) {
        bool found = elementwise(*op);
        for (size_t i = 0; i < sizeof op_cases / sizeof *op_cases; i++)
            found = found || strcmp(op_cases[i].op, (*op)->name) == 0;
        cr_expect(found, "%s has no case in tests/ops/cases.h", (*op)->name);
    }
}

/* Which results of op the node is made of, as bits, through all that the case builds on it. */
static unsigned results_below(const wg_op *op, const wg_node *x)
{
    unsigned bits = 0;
    if (x->kind == WG__RESULT) return x->x[0]->op == op ? 1u << wg__result_index(x) : 0;
    if (x->kind == WG__OP && x->op == op) return 1;
    for (int k = 0; k < x->n; k++) bits |= results_below(op, x->x[k]);
    return bits;
}

/* A case sees only what it returns: a result that no case reads would have no law. */
Test(ops_registry, every_result_has_a_case)
{
    for (const wg_op *const *op = wg_ops; *op; op++) {
        unsigned seen = 0, results = (*op)->results == WG_OP_VARIADIC ? 2 : (unsigned)(*op)->results;
        for (size_t i = 0; i < sizeof op_cases / sizeof *op_cases && results > 1; i++) {
            const struct op_case *c = &op_cases[i];
            wg_graph             *g = wg_graph_new();
            wg_node              *x[3] = {0};
            if (!strcmp(c->op, (*op)->name)) {
                for (int k = 0; k < c->n; k++)
                    x[k] = wg_input(g, NULL,
                                    c->kind[k] == 'i'   ? WG_I64
                                    : c->kind[k] == 'u' ? WG_U8
                                    : c->kind[k] == 'b' ? WG_BOOL
                                                        : WG_F64,
                                    c->shape[k]);
                seen |= results_below(*op, c->build(g, WG_F64, x));
            }
            wg_graph_free(g);
        }
        for (unsigned k = 0; k < results && results > 1; k++)
            cr_expect(seen >> k & 1, "%s: no case in tests/ops/cases.h reads result %u", (*op)->name, k);
    }
}

Test(ops_registry, structured)
{
    for (size_t i = 0; i < sizeof op_cases / sizeof *op_cases; i++) {
        const struct op_case *c = &op_cases[i];
        struct subject        s = {.c = c, .domain = WG_DOMAIN_NONZERO};
        if (op_named(c->op)) s.domain = op_named(c->op)->domain;
        if (!strcmp(c->op, "cast") || !strcmp(c->op, "(clip)")) s.domain = WG_DOMAIN_SMOOTH;
        snprintf(s.name, sizeof s.name, "%s, case %zu", c->op, i);
        check_subject(&s);
    }
}

Test(ops_registry, one_operand)
{
    static const struct op_case shapes[] = {
        {"", 1, {{2, {3, 4}}}, "r", 0, NULL}, {"", 1, {{0, {0}}}, "r", 0, NULL}, {"", 1, {{2, {0, 3}}}, "r", 0, NULL}};
    for (const wg_op *const *op = wg_ops; *op; op++)
        for (size_t i = 0; elementwise(*op) && on_reals(*op) && (*op)->arity == 1 && i < sizeof shapes / sizeof *shapes;
             i++) {
            struct subject s = {.c = &shapes[i], .op = *op, .domain = (*op)->domain};
            snprintf(s.name, sizeof s.name, "%s, shape %zu", (*op)->name, i);
            check_subject(&s);
        }
}

Test(ops_registry, two_operands)
{
    static const struct op_case shapes[] = {
        {"", 2, {{2, {2, 3}}, {2, {2, 3}}}, "rr", 0, NULL},    {"", 2, {{2, {2, 3}}, {1, {3}}}, "rr", 0, NULL},
        {"", 2, {{2, {2, 1}}, {3, {2, 1, 3}}}, "rr", 0, NULL}, {"", 2, {{0, {0}}, {2, {2, 2}}}, "rr", 0, NULL},
        {"", 2, {{1, {4}}, {0, {0}}}, "rr", 0, NULL},          {"", 2, {{0, {0}}, {0, {0}}}, "rr", 0, NULL},
        {"", 2, {{2, {0, 3}}, {1, {3}}}, "rr", 0, NULL}};
    for (const wg_op *const *op = wg_ops; *op; op++)
        for (size_t i = 0; elementwise(*op) && on_reals(*op) && (*op)->arity == 2 && i < sizeof shapes / sizeof *shapes;
             i++) {
            struct subject s = {.c = &shapes[i], .op = *op, .domain = (*op)->domain};
            snprintf(s.name, sizeof s.name, "%s, shapes %zu", (*op)->name, i);
            check_subject(&s);
        }
}

/* NULL in any place gives NULL and says which. */
Test(ops_registry, missing_operands)
{
    wg_graph *g = wg_graph_new();
    for (const wg_op *const *op = wg_ops; *op; op++) {
        char     attr[256] = {0}, text[40];
        int      n = (*op)->arity == WG_OP_VARIADIC ? 2 : (*op)->arity;
        wg_node *v = wg_input(g, NULL, (*op)->dtypes == WG_DTYPE_BIT(WG_BOOL) ? WG_BOOL : WG_F32, WG_SHAPE(2, 2));
        for (int missing = 0; n > 1 && missing < n; missing++) {
            wg_node *x[3] = {v, v, v};
            x[missing] = NULL;
            cr_expect_null(wg_apply(*op, n, x, (*op)->attr_size ? attr : NULL));
            snprintf(text, sizeof text, "operand %d is NULL", missing);
            cr_expect(strstr(wg_message(g), text) && strstr(wg_message(g), (*op)->name), "%s: %s", (*op)->name,
                      wg_message(g));
            wg_clear_error(g);
        }
        cr_assert_leq((*op)->attr_size, sizeof attr, "%s", (*op)->name);
    }
    wg_graph_free(g);
}
