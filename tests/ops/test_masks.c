/* Masked gradients, by the registry: where a result does not depend on an element, an infinite or NaN adjoint gives
 * that element the gradient 0, and its tangent counts nothing.  And what no adjoint reaches has the gradient 0, be the
 * slope infinite.  Then the kinks: relu and others at 0, powers at 0, ties. */
#include <string.h>

#include "ops/cases.h"
#include "ops/ops_test.h"

TestSuite(ops_masks, .timeout = 60);

enum { LARGEST = 64 };

/* ---- One operator with its operands ---- */

struct probe {
    const char *name;
    wg_graph   *g;
    wg_tape    *t;
    int         n, m; /* operands; real ones */
    wg_node    *x[3], *real[3], *v[3], *dx[3], *y, *w, *push;
    double      value[3][LARGEST];
};

static bool elementwise(const wg_op *op)
{
    bool real = !op->dtypes || (op->dtypes & WG_DTYPE_REALS);
    return op->block && real && op->arity <= 2 && op != &wg_op_where && op != &wg_op_not && op != &wg_op_cast &&
           op != &wg_op_expand;
}

static wg_node *apply_row(const wg_op *op, wg_node *const x[])
{
    return wg_apply(op, op->arity, x, op->attr_size ? &(double){0.3} : NULL);
}

/* Of a composed function that multiplies by what is 0 somewhere, a product is what it says. */
static bool is_product(const struct op_case *c) { return !strcmp(c->op, "(one_hot)") || !strcmp(c->op, "cast"); }

static void make_operand(struct probe *p, const struct op_case *c, int i, wg_dtype t, enum wg_domain domain,
                         uint64_t *seed)
{
    char kind = c->kind[i];
    p->x[i] = wg_input(p->g, NULL, kind == 'r' ? t : kind == 'i' ? WG_I64 : kind == 'u' ? WG_U8 : WG_BOOL, c->shape[i]);
    int64_t n = wg_count(&c->shape[i]);
    for (int64_t k = 0; k < n; k++) /* apart from each other: no step meets a tie */
        p->value[i][k] = kind == 'r' ? draw_from(domain, seed) + 1e-3 * (double)(k + 64 * i)
                                     : floor(draw(seed) * (kind == 'b' ? 2 : c->below));
    if (kind == 'r') p->real[p->m++] = p->x[i];
}

static bool make_probe(struct probe *p, const struct op_case *c, const wg_op *op, wg_dtype t)
{
    uint64_t seed = 3;
    *p = (struct probe){.name = op ? op->name : c->op, .g = wg_graph_new(), .n = c->n};
    enum wg_domain domain = op ? op->domain : WG_DOMAIN_NONZERO;
    for (const wg_op *const *o = wg_ops; *o; o++)
        if (!strcmp((*o)->name, p->name)) domain = (*o)->domain;
    for (int i = 0; i < p->n; i++) make_operand(p, c, i, t, domain, &seed);
    p->y = op ? apply_row(op, p->x) : c->build(p->g, t, p->x);
    cr_assert_not_null(p->y, "%s: %s", p->name, wg_message(p->g));
    if (!p->m || !(WG_DTYPE_BIT(p->y->dtype) & WG_DTYPE_REALS)) return false;
    p->w = wg_input(p->g, "w", wg_node_dtype(p->y), *wg_node_shape(p->y));
    for (int i = 0; i < p->m; i++) p->v[i] = wg_input(p->g, NULL, t, *wg_node_shape(p->real[i]));
    cr_assert_eq(wg_vjp(p->y, p->w, p->m, p->real, p->dx), WG_OK, "%s: %s", p->name, wg_message(p->g));
    cr_assert_not_null(p->push = wg_jvp(p->y, p->m, p->real, p->v), "%s: %s", p->name, wg_message(p->g));
    wg_node *out[16] = {p->y, p->push, p->w};
    int      n = 3;
    for (int i = 0; i < p->m; i++) out[n++] = p->dx[i], out[n++] = p->v[i];
    for (int i = 0; i < p->n; i++) out[n++] = p->x[i];
    p->t = compiled(p->g, n, out);
    return wg_count(wg_node_shape(p->y)) <= LARGEST;
}

static void set_all(struct probe *p, wg_node *x, double v)
{
    double all[LARGEST];
    for (int i = 0; i < LARGEST; i++) all[i] = v;
    set_values(p->t, x, all);
}

static void set_operands(struct probe *p)
{
    for (int i = 0; i < p->n; i++) set_values(p->t, p->x[i], p->value[i]);
}

/* Whether y stays the same, to the bit, when element k of operand i moves up or down. */
static bool is_masked(struct probe *p, int i, int64_t k)
{
    double before[LARGEST], after[LARGEST], old = p->value[i][k];
    bool   same = true;
    must_run(p->t);
    get_values(p->t, p->y, before);
    for (int s = -1; s <= 1 && same; s += 2) {
        p->value[i][k] = old + s * 1e-4;
        set_values(p->t, p->x[i], p->value[i]);
        must_run(p->t);
        get_values(p->t, p->y, after);
        for (int64_t e = 0; e < wg_count(wg_node_shape(p->y)); e++) same = same && before[e] == after[e];
    }
    p->value[i][k] = old;
    set_values(p->t, p->x[i], p->value[i]);
    return same;
}

static void expect_zero(struct probe *p, const wg_node *d, int64_t k, double adjoint)
{
    double v[LARGEST];
    get_values(p->t, d, v);
    cr_expect_eq(v[k], 0, "%s (%s): the adjoint %g behind a mask gives element %lld the gradient %g", p->name,
                 wg_dtype_name(wg_node_dtype(d)), adjoint, (long long)k, v[k]);
}

/* Element k of real operand r: behind its mask no adjoint and no tangent counts. */
static void check_masked(struct probe *p, int r, int64_t k)
{
    static const double odd[] = {INFINITY, -INFINITY, NAN};
    double              tangent[LARGEST] = {0}, push[LARGEST];
    for (int o = 0; o < 3; o++) {
        set_all(p, p->w, odd[o]);
        for (int i = 0; i < p->m; i++) set_all(p, p->v[i], 0);
        tangent[k] = odd[o];
        set_values(p->t, p->v[r], tangent);
        must_run(p->t);
        expect_zero(p, p->dx[r], k, odd[o]);
        get_values(p->t, p->push, push);
        for (int64_t e = 0; e < wg_count(wg_node_shape(p->y)); e++)
            cr_expect_eq(push[e], 0, "%s: the tangent %g behind a mask gives %g", p->name, odd[o], push[e]);
    }
}

/* How many elements are masked. */
static int check_subject(const struct op_case *c, const wg_op *op, wg_dtype t)
{
    struct probe p;
    int          found = 0;
    if (make_probe(&p, c, op, t)) {
        set_all(&p, p.w, 1);
        for (int i = 0; i < p.m; i++) set_all(&p, p.v[i], 0);
        set_operands(&p);
        for (int i = 0, r = 0; i < p.n; i++) {
            if (c->kind[i] != 'r') continue;
            for (int64_t k = 0; k < wg_count(&c->shape[i]); k++)
                if (is_masked(&p, i, k)) found++, check_masked(&p, r, k);
            r++;
        }
    }
    wg_graph_free(p.g);
    return found;
}

Test(ops_masks, infinite_adjoints_behind_masks)
{
    static const char *const    must[] = {"relu", "minimum", "maximum", "where", "max",
                                          "min",  "(clip)",  "gather",  "slice", "floor"};
    static const struct op_case one = {"", 1, {{2, {4, 4}}}, "r", 0, NULL},
                                two = {"", 2, {{2, {4, 4}}, {2, {4, 4}}}, "rr", 0, NULL};
    int found[sizeof must / sizeof *must] = {0};
    for (int t = WG_F32; t <= WG_F64; t++) {
        for (const wg_op *const *op = wg_ops; *op; op++) {
            int n = elementwise(*op) ? check_subject((*op)->arity == 1 ? &one : &two, *op, (wg_dtype)t) : 0;
            for (size_t m = 0; m < sizeof must / sizeof *must; m++) found[m] += strcmp(must[m], (*op)->name) ? 0 : n;
        }
        for (size_t i = 0; i < sizeof op_cases / sizeof *op_cases; i++) {
            if (is_product(&op_cases[i])) continue;
            int n = check_subject(&op_cases[i], NULL, (wg_dtype)t);
            for (size_t m = 0; m < sizeof must / sizeof *must; m++) found[m] += strcmp(must[m], op_cases[i].op) ? 0 : n;
        }
    }
    for (size_t m = 0; m < sizeof must / sizeof *must; m++) cr_expect_gt(found[m], 0, "no mask of %s", must[m]);
}

/* ---- Where no adjoint arrives, none leaves ---- */

static void check_unreached(const wg_op *op, wg_dtype t, double x0, double y0)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x[2] = {wg_input(g, "x", t, WG_SCALAR), wg_input(g, "y", t, WG_SCALAR)}, *d[2] = {0}, *dd[2] = {0};
    wg_node  *w = wg_input(g, "w", t, WG_SCALAR), *y = apply_row(op, x);
    wg_dtype  to = wg_node_dtype(y);
    int       n = op->arity;
    if (WG_DTYPE_BIT(to) & WG_DTYPE_REALS) {
        cr_assert_eq(wg_vjp(y, w, n, x, d), WG_OK, "%s: %s", op->name, wg_message(g));
        wg_node *sum = n == 2 ? wg_add(d[0], d[1]) : d[0];
        cr_assert_eq(wg_grad(sum, n, x, dd), WG_OK, "%s: %s", op->name, wg_message(g));
        wg_node *out[] = {d[0], dd[0], x[0], w, n == 2 ? d[1] : d[0], n == 2 ? dd[1] : dd[0], x[n - 1]};
        wg_tape *tape = compiled(g, 7, out);
        wg_set_scalar(tape, x[0], x0);
        if (n == 2) wg_set_scalar(tape, x[1], y0);
        wg_set_scalar(tape, w, 0);
        must_run(tape);
        for (int i = 0; i < n; i++)
            cr_expect(wg_get_scalar(tape, d[i]) == 0 && wg_get_scalar(tape, dd[i]) == 0,
                      "%s (%s) at %g, %g: adjoint 0 gives %g and %g", op->name, wg_dtype_name(t), x0, y0,
                      wg_get_scalar(tape, d[i]), wg_get_scalar(tape, dd[i]));
    }
    wg_graph_free(g);
}

Test(ops_masks, no_adjoint_gives_none)
{
    static const double at[] = {0, 1, -1, 0.5, -0.5, 100, -100, 1000, -1000};
    enum { AT = sizeof at / sizeof *at };
    for (const wg_op *const *op = wg_ops; *op; op++)
        for (int t = WG_F32; elementwise(*op) && t <= WG_F64; t++)
            for (int i = 0; i < AT; i++)
                for (int k = 0; k < ((*op)->arity == 2 ? AT : 1); k++) check_unreached(*op, (wg_dtype)t, at[i], at[k]);
}

/* ---- Dropout ---- */

Test(ops_masks, what_is_dropped_stays_out)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(64)), *w = wg_input(g, "w", WG_F32, WG_SHAPE(64)), *d;
    wg_node  *y = wg_dropout(x, 0.5), *ones = wg_neg(wg_neg(wg_step(y)));
    wg_vjp(y, w, 1, &x, &d);
    wg_tape *t = compiled(g, 3, (wg_node *[]){y, d, ones});
    float    big[64];
    for (int i = 0; i < 64; i++) big[i] = INFINITY;
    wg_set(t, x, big), wg_set(t, w, big);
    must_run(t);
    int          dropped = 0;
    const float *v = wg_view(t, y), *dx = wg_view(t, d);
    for (int i = 0; i < 64; i++) {
        cr_expect((v[i] == 0 && dx[i] == 0) || (v[i] == INFINITY && dx[i] == INFINITY), "%g, %g", (double)v[i],
                  (double)dx[i]);
        dropped += v[i] == 0;
    }
    cr_expect(dropped > 10 && dropped < 54);
    wg_graph_free(g);
}

/* ---- Kinks and powers ---- */

static double slope_at_zero(wg_node *(*f)(wg_node *x), wg_dtype t)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", t, WG_SCALAR), *d;
    cr_assert_eq(wg_grad(f(x), 1, &x, &d), WG_OK, "%s", wg_message(g));
    wg_tape *tape = compiled(g, 2, (wg_node *[]){d, x});
    wg_set_scalar(tape, x, 0);
    must_run(tape);
    double v = wg_get_scalar(tape, d);
    wg_graph_free(g);
    return v;
}
static wg_node *leaky(wg_node *x) { return wg_leaky_relu(x, 0.25); }
static wg_node *leaky_none(wg_node *x) { return wg_leaky_relu(x, 0); }
static wg_node *elu_half(wg_node *x) { return wg_elu(x, 0.5); }
static wg_node *root_of_relu(wg_node *x) { return wg_sqrt(wg_relu(x)); }
static wg_node *root_of_leaky_none(wg_node *x) { return wg_sqrt(wg_leaky_relu(wg_shift(x, -1), 0)); }
static wg_node *root_of_abs(wg_node *x) { return wg_sqrt(wg_abs(x)); }
static wg_node *root_of_most(wg_node *x) { return wg_sqrt(wg_maximum(wg_shift(x, -1), wg_lit(x, 0))); }
static wg_node *root_of_clipped(wg_node *x) { return wg_sqrt(wg_clip(wg_shift(x, -1), 0, 9)); }
static wg_node *root_of_constant(wg_node *x) { return wg_sqrt(wg_shift(wg_pow(x, wg_lit(x, 0)), -1)); }
static wg_node *chosen_root(wg_node *x) { return wg_where(wg_greater(x, wg_lit(x, 0)), wg_sqrt(x), x); }
static wg_node *chosen_log(wg_node *x) { return wg_where(wg_greater(x, wg_lit(x, 0)), wg_log(x), wg_neg(x)); }
static wg_node *chosen_quotient(wg_node *x)
{
    wg_node *zero = wg_lit(x, 0);
    return wg_where(wg_not_equal(x, zero), wg_div(wg_lit(x, 1), x), zero);
}
static wg_node *norm_of_relu(wg_node *x)
{
    wg_node *v = wg_sub(x, wg_const(wg_node_graph(x), WG_F64, WG_SHAPE(3), (double[]){1, 2, 3}));
    return wg_sqrt(wg_sum(wg_square(wg_relu(v)), WG_ALL_AXES, 0));
}

Test(ops_masks, slopes_at_zero)
{
    static const struct {
        const char *name;
        wg_node *(*f)(wg_node *x);
        double want;
    } kinks[] = {{"relu", wg_relu, 0},
                 {"abs", wg_abs, 0},
                 {"leaky_relu(0.25)", leaky, 0.25},
                 {"leaky_relu(0)", leaky_none, 0},
                 {"elu(0.5)", elu_half, 0.5},
                 {"sqrt(relu)", root_of_relu, 0},
                 {"sqrt(leaky_relu(x - 1, 0))", root_of_leaky_none, 0},
                 {"sqrt(abs)", root_of_abs, 0},
                 {"sqrt(maximum(x - 1, 0))", root_of_most, 0},
                 {"sqrt(clip(x - 1))", root_of_clipped, 0},
                 {"sqrt(x^0 - 1)", root_of_constant, 0},
                 {"x > 0 ? sqrt x : x", chosen_root, 1},
                 {"x > 0 ? log x : -x", chosen_log, -1},
                 {"x != 0 ? 1/x : 0", chosen_quotient, 0}};
    for (size_t i = 0; i < sizeof kinks / sizeof *kinks; i++)
        for (int t = WG_F32; t <= WG_F64; t++) {
            double got = slope_at_zero(kinks[i].f, (wg_dtype)t);
            cr_expect_eq(got, kinks[i].want, "%s has the slope %g at 0, not %g", kinks[i].name, got, kinks[i].want);
        }
    cr_expect_eq(slope_at_zero(norm_of_relu, WG_F64), 0);
}

enum { ORDERS = 6 };

/* All derivatives of x^n at 0, with n a number, a vector of numbers or an input. */
Test(ops_masks, powers_at_zero)
{
    for (int n = 0; n < 5; n++)
        for (int how = 0; how < 3; how++)
            for (unsigned skip = 0; skip < 2; skip++) {
                wg_graph *g = wg_graph_new();
                double    same[] = {n, n};
                wg_node  *x = wg_input(g, "x", WG_F64, WG_SCALAR), *in = wg_input(g, "n", WG_F64, WG_SCALAR);
                wg_node  *e = how == 0 ? wg_lit(x, n) : how == 1 ? const_of(g, WG_F64, WG_SHAPE(2), same) : in;
                wg_node  *d[ORDERS + 2], *y = wg_mean(wg_pow(x, e), WG_ALL_AXES, 0);
                for (int k = 0; k < ORDERS; y = d[k++]) cr_assert_eq(wg_grad(y, 1, &x, &d[k]), WG_OK);
                d[ORDERS] = x, d[ORDERS + 1] = in;
                wg_tape *t = wg_compile(g, ORDERS + 2, d, &(wg_options){.skip = skip ? WG_SKIP_REWRITE : 0});
                wg_set_scalar(t, in, n), wg_set_scalar(t, x, 0);
                must_run(t);
                for (int k = 0; k < ORDERS; k++) {
                    double want = k + 1 == n ? tgamma(n + 1) : 0, got = wg_get_scalar(t, d[k]);
                    cr_expect_eq(got, want, "x^%d at 0 (%d, %u): derivative %d is %g, not %g", n, how, skip, k + 1, got,
                                 want);
                }
                wg_graph_free(g);
            }
}

/* x^y, d/dx, d/dy and the two mixed ones, which agree. */
Test(ops_masks, derivatives_of_powers)
{
    static const double at[][6] = {{2, 0, 0, 0.69314718055994531, 0.5, 0.5},
                                   {0.5, 0, 0, -0.69314718055994531, 2, 2},
                                   {0, 2, 0, 0, 0, 0},
                                   {0, 3, 0, 0, 0, 0},
                                   {1, 2, 2, 0, 1, 1},
                                   {2, 1, 1, 1.3862943611198906, 0, 0}};
    wg_graph           *g = wg_graph_new();
    wg_node *x = wg_input(g, "x", WG_F64, WG_SCALAR), *y = wg_input(g, "y", WG_F64, WG_SCALAR), *d[6] = {x, y};
    wg_node *z = wg_pow(x, y);
    wg_grad(z, 1, &x, &d[2]), wg_grad(z, 1, &y, &d[3]), wg_grad(d[2], 1, &y, &d[4]), wg_grad(d[3], 1, &x, &d[5]);
    wg_tape *t = compiled(g, 6, d);
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        wg_set_scalar(t, x, at[i][0]), wg_set_scalar(t, y, at[i][1]);
        must_run(t);
        double want4 = at[i][4], want5 = at[i][5];
        if (at[i][1] == 1) want4 = want5 = 1 + log(2);
        cr_expect_float_eq(wg_get_scalar(t, d[2]), at[i][2], 1e-14, "d/dx at (%g, %g)", at[i][0], at[i][1]);
        cr_expect_float_eq(wg_get_scalar(t, d[3]), at[i][3], 1e-14, "d/dy at (%g, %g)", at[i][0], at[i][1]);
        cr_expect_float_eq(wg_get_scalar(t, d[4]), want4, 1e-14, "d2/dxdy at (%g, %g)", at[i][0], at[i][1]);
        cr_expect_float_eq(wg_get_scalar(t, d[5]), want5, 1e-14, "d2/dydx at (%g, %g)", at[i][0], at[i][1]);
    }
    wg_graph_free(g);
}

/* ---- Ties over any set of axes ---- */

static wg_axes axes_of(unsigned set)
{
    wg_axes a = {0};
    for (int i = 0; i < 4; i++)
        if (set >> i & 1) a.axis[a.n++] = i;
    return a;
}

/* Where j of a group's n elements are largest, each has 1/j; bound says whether the sizes are symbols. */
static void check_ties(unsigned set, int keep, bool smallest, bool symbols)
{
    static const int64_t size[] = {2, 3, 2, 2};
    static const char   *name[] = {"a", "b", "c", "d"};
    enum { N = 24 };
    wg_graph  *g = wg_graph_new();
    wg_shape   s = {.rank = 4};
    wg_options o = {0};
    for (int i = 0; i < 4; i++) {
        s.dim[i] = symbols ? wg_dim(g, name[i]) : size[i];
        if (symbols) o.bind[i].name = name[i], o.bind[i].size = size[i];
    }
    wg_node *x = wg_input(g, "x", WG_F64, s), *d;
    wg_node *y = smallest ? wg_min(x, axes_of(set), keep) : wg_max(x, axes_of(set), keep);
    cr_assert_eq(wg_grad(wg_sum(y, WG_ALL_AXES, 0), 1, &x, &d), WG_OK, "%s", wg_message(g));
    wg_tape *t = wg_compile(g, 3, (wg_node *[]){y, d, x}, &o);
    cr_assert_not_null(t, "%s", wg_message(g));
    double v[N], got[N], best[N] = {0}, ties[N] = {0};
    int    group[N];
    for (int i = 0; i < N; i++) {
        int at = i, id = 0;
        v[i] = (i * 7 + 3) % 5 / 3; /* 0 and 1: many ties */
        for (int a = 3; a >= 0; at /= (int)size[a--])
            if (!(set >> a & 1)) id = id * (int)size[a] + at % (int)size[a];
        group[i] = id;
        best[id] = smallest ? 1 : 0;
    }
    for (int i = 0; i < N; i++) best[group[i]] = smallest ? fmin(best[group[i]], v[i]) : fmax(best[group[i]], v[i]);
    for (int i = 0; i < N; i++) ties[group[i]] += v[i] == best[group[i]];
    set_values(t, x, v);
    must_run(t);
    get_values(t, d, got);
    for (int i = 0; i < N; i++)
        cr_expect_eq(got[i], v[i] == best[group[i]] ? 1 / ties[group[i]] : 0, "axes %x, keep %d: element %d has %g",
                     set, keep, i, got[i]);
    wg_shape want = *wg_tape_shape(t, y);
    for (int a = 0, k = 0; a < 4; a++) {
        if (set >> a & 1 && !keep) continue;
        cr_expect_eq(want.dim[k++], set >> a & 1 ? 1 : size[a]);
    }
    wg_graph_free(g);
}

Test(ops_masks, ties_share_over_any_axes)
{
    for (unsigned set = 1; set < 16; set++)
        for (int how = 0; how < 8; how++) check_ties(set, how & 1, how & 2, how & 4);
}

/* A bound belongs to the range: only what lies outside of it is cut off. */
Test(masks, clip_passes_the_gradient_at_its_bounds)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(6)), *sum = wg_sum(wg_clip(x, -1, 1), WG_ALL_AXES, 0), *d;
    cr_assert_eq(wg_grad(sum, 1, &x, &d), WG_OK, "%s", wg_message(g));
    wg_tape *t = wg_compile(g, 1, &d, NULL);
    cr_assert_not_null(t, "%s", wg_message(g));
    cr_assert_eq(wg_set_f64(t, x, 6, (double[]){-INFINITY, -1.5, -1, 0, 1, 2}), WG_OK);
    cr_assert_eq(wg_run(t), WG_OK, "%s", wg_tape_message(t));
    double have[6], want[6] = {0, 0, 1, 1, 1, 0};
    cr_assert_eq(wg_get_f64(t, d, 6, have), WG_OK);
    for (int i = 0; i < 6; i++) cr_expect_eq(have[i], want[i], "element %d: %g", i, have[i]);
    wg_graph_free(g);
}
