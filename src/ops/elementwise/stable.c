/* Stable forms of logarithms: ln of a softmax, a sigmoid or an exponential, and of expressions made of these by
 * products, sums and moves.
 *
 * The plain form is infinite or zero halfway, as e^1000 or sigmoid(-1000), and so are its derivatives. The rules look
 * through several operators, at most DEEPEST of them. */
#include "ops/elementwise/stable.h"

#include <math.h>

enum { DEEPEST = 16 };

static bool is_op(const wg_node *x, const wg_op *op) { return x->op == op; }

static bool is_number(const wg_node *x, double want)
{
    double v;
    return wg__is_const(x, &v) && v == want;
}

/* Builds the stable form of ln x; NULL if there is none, or with an error on the graph. */
static wg_node *stable_log(const struct wg__match *m, wg_node *x);

/* ---- Moves: operators that give elements of their first operand, each as it is ---- */

static bool is_move(const wg_node *x)
{
    return is_op(x, &wg_op_transpose) || is_op(x, &wg_op_reshape) || is_op(x, &wg_op_expand) ||
           is_op(x, &wg_op_slice) || is_op(x, &wg_op_gather);
}

/* Moves y as the operator of x moves its first operand. */
static wg_node *move_as(const wg_node *x, wg_node *y)
{
    if (!y) return NULL;
    if (is_op(x, &wg_op_gather)) return wg_apply(x->op, 2, (wg_node *[]){y, x->x[1]}, x->attr);
    return wg_apply(x->op, 1, &y, x->attr);
}

/* ---- a p + b in any spelling: 1 - p, -p + 1, -(p - 1), 2 p + 1, .. ---- */

struct affine {
    double         a, b;
    wg_node       *p;
    const wg_node *moved[DEEPEST]; /* outermost first */
    int            moves;
};

/* Takes the outermost operator of p into a, b or moved, and goes on to its operand; false if p has no such operator. */
static bool descend(struct affine *f)
{
    wg_node *p = f->p;
    double   c;
    if (is_move(p)) {
        f->moved[f->moves++] = p;
        f->p = p->x[0];
        return true;
    }
    if (is_op(p, &wg_op_neg)) {
        f->a = -f->a;
        f->p = p->x[0];
        return true;
    }
    bool sum = is_op(p, &wg_op_add), difference = is_op(p, &wg_op_sub), product = is_op(p, &wg_op_mul);
    if (!sum && !difference && !product && !is_op(p, &wg_op_div)) return false;
    int  number = (sum || product || difference) && wg__is_const(p->x[0], &c) ? 0 : 1;
    bool fits = wg__is_const(p->x[number], &c) && isfinite(c) && wg__shape_equal(p->shape, p->x[1 - number]->shape);
    if (!fits) return false;
    if (sum || difference) f->b += f->a * (difference && number ? -c : c);
    if (difference && !number) f->a = -f->a;
    if (product) f->a *= c;
    if (is_op(p, &wg_op_div)) f->a /= c;
    f->p = p->x[1 - number];
    return true;
}

/* Finds the u of p = sigmoid(u), or for p = 1 / (1 + e^-u) its negative -u, which *negated tells. NULL: p has neither
 * form. */
static wg_node *find_sigmoid(const wg_node *p, bool *negated)
{
    const wg_node *q = is_op(p, &wg_op_reciprocal)                     ? p->x[0]
                       : is_op(p, &wg_op_div) && is_number(p->x[0], 1) ? p->x[1]
                                                                       : NULL;
    *negated = q != NULL;
    if (is_op(p, &wg_op_sigmoid)) return p->x[0];
    if (!q || !is_op(q, &wg_op_add)) return NULL;
    int one = is_number(q->x[0], 1) ? 0 : is_number(q->x[1], 1) ? 1 : -1;
    return one >= 0 && is_op(q->x[1 - one], &wg_op_exp) ? q->x[1 - one]->x[0] : NULL;
}

/* Builds ln (a p + b); NULL where there is no stable form. */
static wg_node *log_of_form(const struct wg__match *m, const struct affine *f)
{
    bool     negated, softmax = is_op(f->p, &wg_op_softmax);
    wg_node *sigmoid = find_sigmoid(f->p, &negated);
    if (sigmoid && f->a == -1 && f->b == 1) return wg_neg(wg_softplus(negated ? wg_neg(sigmoid) : sigmoid));
    if (!(f->a > 0) || !(f->b >= 0) || !isfinite(f->a) || !isfinite(f->b)) return NULL;
    if (is_op(f->p, &wg_op_expm1) && f->a == f->b) return f->a == 1 ? f->p->x[0] : wg_shift(f->p->x[0], log(f->a));
    if (f->b > 0 && (sigmoid || softmax)) return NULL; /* neither overflows nor vanishes */
    wg_node *u = stable_log(m, f->p);
    double   factor = f->b > 0 ? f->a / f->b : f->a;
    if (u && factor != 1) u = wg_shift(u, log(factor));
    if (!u || f->b == 0) return u;
    return f->b == 1 ? wg_softplus(u) : wg_shift(wg_softplus(u), log(f->b));
}

/* Builds ln (x + b), where x + b is made of one operand by numbers and moves; else NULL. */
static wg_node *log_of_affine(const struct wg__match *m, wg_node *x, double b)
{
    struct affine f = {.a = 1, .b = b, .p = x};
    for (int depth = 0; depth < DEEPEST && descend(&f);) depth++;
    if (f.p == x && b == 0) return NULL;
    wg_node *y = log_of_form(m, &f);
    while (y && f.moves) y = move_as(f.moved[--f.moves], y);
    return y;
}

/* ---- Logarithms ---- */

static wg_node *log_of_softmax(const struct wg__match *m)
{
    const wg_node *x = m->x[0];
    return is_op(x, &wg_op_softmax) ? wg_log_softmax(x->x[0], *(const int *)x->attr) : NULL;
}
static wg_node *log_of_sigmoid(const struct wg__match *m)
{
    const wg_node *x = m->x[0];
    return is_op(x, &wg_op_sigmoid) ? wg_neg(wg_softplus(wg_neg(x->x[0]))) : NULL;
}
static wg_node *log_of_exp(const struct wg__match *m) { return is_op(m->x[0], &wg_op_exp) ? m->x[0]->x[0] : NULL; }
static wg_node *log_of_numbers(const struct wg__match *m) { return log_of_affine(m, m->x[0], 0); }
static wg_node *log_of_power(const struct wg__match *m)
{
    wg_node *x = m->x[0];
    double   p = is_op(x, &wg_op_sqrt)         ? 0.5
                 : is_op(x, &wg_op_rsqrt)      ? -0.5
                 : is_op(x, &wg_op_square)     ? 2
                 : is_op(x, &wg_op_reciprocal) ? -1
                                               : 0;
    if (is_op(x, &wg_op_pow) && (!wg__is_const(x->x[1], &p) || !isfinite(p))) p = 0;
    wg_node *log = p != 0 ? stable_log(m, x->x[0]) : NULL;
    return !log ? NULL : p == -1 ? wg_neg(log) : p == 1 ? log : wg_scale(log, p);
}

/* Tells whether the logarithm of a factor needs no rule: the factor is a positive number, or a number of elements. */
static bool is_plain(const wg_node *x)
{
    double v;
    return is_op(x, &wg_op_size) || (wg__is_const(x, &v) && v > 0 && isfinite(v));
}
static wg_node *log_of_factor(const struct wg__match *m, wg_node *x)
{
    double v;
    if (!is_plain(x)) return stable_log(m, x);
    return wg__is_const(x, &v) ? wg_lit(x, log(v)) : wg_log(x);
}
/* Builds the logarithms of two factors; false unless a stable form is needed for one of the factors and there for each
 * factor that needs one. */
static bool make_logs(const struct wg__match *m, wg_node *x, wg_node *y, wg_node *log[2])
{
    if (is_plain(x) && is_plain(y)) return false;
    if (!(log[0] = log_of_factor(m, x))) return false;
    return (log[1] = log_of_factor(m, y));
}
static wg_node *log_of_product(const struct wg__match *m)
{
    const wg_node *x = m->x[0];
    wg_node       *log[2];
    return is_op(x, &wg_op_mul) && make_logs(m, x->x[0], x->x[1], log) ? wg_add(log[0], log[1]) : NULL;
}
static wg_node *log_of_quotient(const struct wg__match *m)
{
    const wg_node *x = m->x[0];
    wg_node       *log[2];
    if (!is_op(x, &wg_op_div)) return NULL;
    if (!is_number(x->x[0], 1)) return make_logs(m, x->x[0], x->x[1], log) ? wg_sub(log[0], log[1]) : NULL;
    log[1] = stable_log(m, x->x[1]);
    return log[1] ? wg_neg(log[1]) : NULL;
}
static wg_node *log_of_choice(const struct wg__match *m)
{
    const wg_node *x = m->x[0];
    wg_node       *log[2];
    return is_op(x, &wg_op_where) && make_logs(m, x->x[1], x->x[2], log) ? wg_where(x->x[0], log[0], log[1]) : NULL;
}
static wg_node *log_of_sum(const struct wg__match *m)
{
    const wg_node *x = m->x[0];
    const struct {
        wg_axes axes;
        int     keep;
    } *sum = x->attr;
    wg_node *log = is_op(x, &wg_op_sum) ? stable_log(m, x->x[0]) : NULL;
    return log ? wg_logsumexp(log, sum->axes, sum->keep) : NULL;
}

/* Builds ln (p + q) as the logsumexp of two terms, both of which have stable forms. */
static wg_node *log_of_terms(const struct wg__match *m)
{
    const wg_node *x = m->x[0];
    double         number;
    bool           fits = is_op(x, &wg_op_add) && x->shape->rank < WG_MAX_RANK;
    if (!fits || wg__is_const(x->x[0], &number) || wg__is_const(x->x[1], &number)) return NULL;
    wg_node *log[2] = {stable_log(m, x->x[0]), NULL};
    if (log[0]) log[1] = stable_log(m, x->x[1]);
    for (int i = 0; i < 2 && log[1]; i++) log[i] = wg_unsqueeze(wg_expand(log[i], *x->shape), -1);
    return log[1] ? wg_logsumexp(wg_concat(2, log, -1), WG_AXES(-1), 0) : NULL;
}

/* Builds log1p(x) for ln (1 + x), at depth 0 only: as a factor or a term, 1 + x may be negative. */
static wg_node *log_of_one_plus(const struct wg__match *m)
{
    const wg_node *x = m->x[0];
    if (m->depth || !is_op(x, &wg_op_add)) return NULL;
    int one = is_number(x->x[0], 1) ? 0 : is_number(x->x[1], 1) ? 1 : -1;
    return one < 0 || !wg__shape_equal(x->shape, x->x[1 - one]->shape) ? NULL : wg_log1p(x->x[1 - one]);
}
static wg_node *log_of_one_minus(const struct wg__match *m)
{
    const wg_node *d = m->x[0];
    bool           fits = is_op(d, &wg_op_sub) && is_number(d->x[0], 1) && wg__shape_equal(d->shape, d->x[1]->shape);
    return fits && !m->depth ? wg_log1p(wg_neg(d->x[1])) : NULL;
}
static wg_node *log1p_of_numbers(const struct wg__match *m) { return log_of_affine(m, m->x[0], 1); }

const struct wg__rule wg__stable_rules[] = {
    {&wg_op_log, log_of_softmax, "log(softmax(x)) -> log_softmax(x)"},
    {&wg_op_log, log_of_sigmoid, "log(sigmoid(x)) -> -softplus(-x)"},
    {&wg_op_log, log_of_exp, "log(exp(x)) -> x"},
    {&wg_op_log, log_of_power, "log(1/p), log(p^2), log(p^(1/2)) -> multiples of log p"},
    {&wg_op_log, log_of_product, "log(p q) -> log p + log q"},
    {&wg_op_log, log_of_quotient, "log(p / q) -> log p - log q"},
    {&wg_op_log, log_of_choice, "log(c ? p : q) -> c ? log p : log q"},
    {&wg_op_log, log_of_sum, "log(sum(p)) -> logsumexp(log p)"},
    {&wg_op_log, log_of_numbers,
     "log(1 - sigmoid(x)) -> -softplus(x); log(a p + b) -> log b + softplus(log p + log a/b)"},
    {&wg_op_log, log_of_terms, "log(p + q) -> logsumexp(log p, log q)"},
    {&wg_op_log, log_of_one_plus, "log(1 + x) -> log1p(x)"},
    {&wg_op_log, log_of_one_minus, "log(1 - x) -> log1p(-x)"},
    {&wg_op_log1p, log1p_of_numbers,
     "log1p(-sigmoid(x)) -> -softplus(x); log1p(exp(x)) -> softplus(x); log1p(expm1(x)) -> x"},
    {NULL, NULL, NULL},
};

static wg_node *find_form(const struct wg__match *m)
{
    for (const struct wg__rule *r = wg__stable_rules; r->apply; r++) {
        wg_node *y = r->op == m->op ? r->apply(m) : NULL;
        if (y) return y;
        if (r->op == m->op && m->x[0]->g->status) return NULL;
    }
    return NULL;
}

static wg_node *stable_log(const struct wg__match *m, wg_node *x)
{
    wg_node *y = m->depth < DEEPEST ? find_form(&(struct wg__match){&wg_op_log, 1, &x, NULL, m->depth + 1}) : NULL;
    return y && !wg__shape_equal(y->shape, x->shape) ? wg_expand(y, *x->shape) : y;
}

wg_node *wg__stable_form(const wg_op *op, int n, wg_node *const x[], const void *attr)
{
    if (op != &wg_op_log && op != &wg_op_log1p) return NULL;
    wg_node *y = find_form(&(struct wg__match){op, n, x, attr, 0});
    return y && !wg__shape_equal(y->shape, x[0]->shape) ? wg_expand(y, *x[0]->shape) : y;
}
