/* The rewrite rules beside those of logarithms: stabilisation, algebra, shapes. */
#include <float.h>
#include <math.h>

#include "tape/compile/rewrite.h"

/* ---- Conditions of rules ---- */

static bool is_op(const wg_node *x, const wg_op *op) { return x->op == op; }

static bool is_number(const wg_node *x, double want)
{
    double v;
    return wg__is_const(x, &v) && v == want;
}

/* Broadcasts x to the shape of all operands of m: x is the result of m where the other operand is neutral. */
static wg_node *broadcast_result(const struct wg__match *m, wg_node *x)
{
    wg_infer c = {.g = m->x[0]->g};
    wg_shape y = *m->x[0]->shape;
    for (int i = 1; i < m->n; i++)
        if (wg_broadcast(&c, &y, m->x[i]->shape, &y)) return NULL;
    return wg_expand(x, y);
}

/* Gives the operand of x if x applies op, else NULL. */
static wg_node *operand_of(const wg_node *x, const wg_op *op) { return is_op(x, op) ? x->x[0] : NULL; }

/* ---- Numerical stabilisation; that of logarithms is src/ops/elementwise/stable.c ---- */

static wg_node *exp_minus_one(const struct wg__match *m)
{
    wg_node *x = operand_of(m->x[0], &wg_op_exp);
    return x && is_number(m->x[1], 1) ? broadcast_result(m, wg_expm1(x)) : NULL;
}
static wg_node *exp_plus_minus_one(const struct wg__match *m)
{
    wg_node *x = operand_of(m->x[0], &wg_op_exp);
    return x && is_number(m->x[1], -1) ? broadcast_result(m, wg_expm1(x)) : NULL;
}
static wg_node *one_minus_sigmoid(const struct wg__match *m)
{
    wg_node *x = operand_of(m->x[1], &wg_op_sigmoid);
    return x && is_number(m->x[0], 1) ? broadcast_result(m, wg_sigmoid(wg_neg(x))) : NULL;
}

/* ---- Algebra that changes no finite value ---- */

static wg_node *neg_of_neg(const struct wg__match *m) { return operand_of(m->x[0], &wg_op_neg); }
static wg_node *add_zero(const struct wg__match *m)
{
    int zero = is_number(m->x[0], 0) ? 0 : is_number(m->x[1], 0) ? 1 : -1;
    return zero < 0 ? NULL : broadcast_result(m, m->x[1 - zero]);
}
static wg_node *add_neg(const struct wg__match *m)
{
    wg_node *y = operand_of(m->x[1], &wg_op_neg), *x = operand_of(m->x[0], &wg_op_neg);
    return y ? wg_sub(m->x[0], y) : x ? wg_sub(m->x[1], x) : NULL;
}
static wg_node *sub_zero(const struct wg__match *m)
{
    return is_number(m->x[1], 0) ? broadcast_result(m, m->x[0]) : NULL;
}
static wg_node *sub_neg(const struct wg__match *m)
{
    wg_node *y = operand_of(m->x[1], &wg_op_neg);
    return y ? wg_add(m->x[0], y) : NULL;
}
static wg_node *mul_one(const struct wg__match *m)
{
    int one = is_number(m->x[0], 1) ? 0 : is_number(m->x[1], 1) ? 1 : -1;
    return one < 0 ? NULL : broadcast_result(m, m->x[1 - one]);
}
/* Simplifies a product of a gradient with a number: a number that is not 0 needs no care. */
static wg_node *zero_mul_number(const struct wg__match *m)
{
    double   c;
    int      number = wg__is_const(m->x[0], &c) ? 0 : wg__is_const(m->x[1], &c) ? 1 : -1;
    wg_node *x = number < 0 ? NULL : m->x[1 - number];
    if (!x || !isfinite(c)) return NULL;
    return c != 0 ? wg_mul(m->x[0], m->x[1]) : broadcast_result(m, wg_lit(x, 0));
}
static wg_node *zero_div_number(const struct wg__match *m)
{
    double c;
    if (wg__is_const(m->x[1], &c) && c != 0 && c == c) return wg_div(m->x[0], m->x[1]);
    return is_number(m->x[0], 0) ? broadcast_result(m, m->x[0]) : NULL;
}
static wg_node *mul_minus_one(const struct wg__match *m)
{
    int      one = is_number(m->x[0], -1) ? 0 : is_number(m->x[1], -1) ? 1 : -1;
    wg_node *x = one < 0 ? NULL : broadcast_result(m, m->x[1 - one]);
    return x ? wg_neg(x) : NULL;
}
/* Gives the real operand that x multiplies by a number, and sets *c to the number; NULL if x is no such product. */
static wg_node *find_factor(const wg_node *x, double *c)
{
    if (!is_op(x, &wg_op_mul) || !(WG_DTYPE_BIT(x->dtype) & WG_DTYPE_REALS)) return NULL;
    int number = wg__is_const(x->x[0], c) ? 0 : wg__is_const(x->x[1], c) ? 1 : -1;
    return number >= 0 && wg__shape_equal(x->x[1 - number]->shape, x->shape) ? x->x[1 - number] : NULL;
}
/* Tells whether (x a) b has the bits of x (a b) in dtype t wherever the first is finite: x a is exact for a = 2^n with
 * n >= 0, of either sign. For n < 0 it may be subnormal and lose bits; for other a it is rounded. A subnormal b counts
 * as zero. */
static bool can_join_factors(wg_dtype t, double a, double b)
{
    int    e;
    double least = t == WG_F32 ? (double)FLT_MIN : DBL_MIN, most = t == WG_F32 ? (double)FLT_MAX : DBL_MAX;
    return fabs(frexp(a, &e)) == 0.5 && fabs(a) >= 1 && fabs(b) >= least && fabs(b) <= most / fabs(a);
}
static wg_node *mul_factor(const struct wg__match *m)
{
    double a, b;
    int    number = wg__is_const(m->x[0], &b) ? 0 : wg__is_const(m->x[1], &b) ? 1 : -1;
    if (number < 0) return NULL;
    const wg_node *y = m->x[1 - number];
    wg_node       *x = find_factor(y, &a), *negated = operand_of(y, &wg_op_neg);
    if (x && can_join_factors((wg_dtype)y->dtype, a, b)) return broadcast_result(m, wg_scale(x, a * b));
    bool real = WG_DTYPE_BIT(y->dtype) & WG_DTYPE_REALS;
    return negated && real ? broadcast_result(m, wg_scale(negated, -b)) : NULL;
}
static wg_node *neg_factor(const struct wg__match *m)
{
    double   a;
    wg_node *x = find_factor(m->x[0], &a);
    return x ? wg_scale(x, -a) : NULL;
}
static wg_node *div_one(const struct wg__match *m)
{
    return is_number(m->x[1], 1) ? broadcast_result(m, m->x[0]) : NULL;
}
/* Replaces division by a power of two by multiplication by another: the same bits, and quicker. */
static wg_node *div_power_of_two(const struct wg__match *m)
{
    double c;
    int    e;
    if (!(WG_DTYPE_BIT(m->x[0]->dtype) & WG_DTYPE_REALS) || !wg__is_const(m->x[1], &c) || !isnormal(c)) return NULL;
    double part = frexp(c, &e);
    if (fabs(part) != 0.5 || e < -100 || e > 100 || m->x[1]->shape->rank) return NULL;
    return wg_scale(m->x[0], 1 / c);
}
static wg_node *pow_whole(const struct wg__match *m)
{
    double p;
    if (!wg__is_const(m->x[1], &p)) return NULL;
    wg_node *x = broadcast_result(m, m->x[0]);
    return p == 1    ? x
           : p == 2  ? wg_square(x)
           : p == -1 ? wg_reciprocal(x)
           : p == 0  ? wg_fill(x->g, (wg_dtype)x->dtype, *x->shape, 1)
                     : NULL;
}

/* Picks the operand of a choice that is known: by wg_training on a tape that trains or evaluates, or by a program's own
 * constant. */
static wg_node *where_known(const struct wg__match *m)
{
    double c;
    return wg__is_const(m->x[0], &c) ? broadcast_result(m, m->x[c != 0 ? 1 : 2]) : NULL;
}

/* ---- Broadcasts move outwards: f(expand(x)) is expand(f(x)) ---- */

static wg_node *strip_expand(const struct wg__match *m)
{
    wg_node *x[WG_BLOCK_MAX_ARITY];
    bool     stripped = false;
    if (m->n > WG_BLOCK_MAX_ARITY || m->op == &wg_op_expand) return NULL;
    for (int i = 0; i < m->n; i++) {
        x[i] = is_op(m->x[i], &wg_op_expand) ? m->x[i]->x[0] : m->x[i];
        stripped |= x[i] != m->x[i];
    }
    if (!stripped) return NULL;
    wg_infer c = {.g = x[0]->g};
    wg_shape want = *m->x[0]->shape;
    for (int i = 1; i < m->n; i++)
        if (wg_broadcast(&c, &want, m->x[i]->shape, &want)) return NULL;
    wg_node *y = wg_apply(m->op, m->n, x, m->attr);
    return y ? wg_expand(y, want) : NULL;
}
static wg_node *expand_of_expand(const struct wg__match *m)
{
    return is_op(m->x[0], &wg_op_expand) ? wg_expand(m->x[0]->x[0], *(const wg_shape *)m->attr) : NULL;
}
static wg_node *expand_to_same(const struct wg__match *m)
{
    return wg__shape_equal(m->x[0]->shape, m->attr) ? m->x[0] : NULL;
}

/* ---- Shapes ---- */

static wg_node *reshape_away(const struct wg__match *m)
{
    const wg_shape *to = m->attr;
    for (int i = 0; i < to->rank; i++)
        if (to->dim[i] < 0) return NULL; /* WG_DIM_AUTO: infer first */
    if (wg__shape_equal(m->x[0]->shape, to)) return m->x[0];
    return is_op(m->x[0], &wg_op_reshape) ? wg_reshape(m->x[0]->x[0], *to) : NULL;
}
/* Replaces another shape of one repeated element by another expand of the element. */
static wg_node *reshape_of_expand(const struct wg__match *m)
{
    const wg_shape *to = m->attr;
    wg_node        *x = operand_of(m->x[0], &wg_op_expand);
    if (!x || wg_count(x->shape) != 1 || wg_count(to) < 0) return NULL;
    wg_node *one = wg_reshape(x, WG_SCALAR);
    return wg_expand(one, *to);
}
static wg_axes transpose_perm(const wg_axes *attr, int rank)
{
    wg_axes p = *attr;
    if (p.n < 0)
        for (p.n = 0; p.n < rank; p.n++) p.axis[p.n] = rank - 1 - p.n;
    for (int i = 0; i < p.n; i++) p.axis[i] += p.axis[i] < 0 ? rank : 0;
    return p;
}
/* Gives the permutation that m asks for, or n = -1 if the attribute is no permutation. */
static wg_axes match_perm(const struct wg__match *m)
{
    wg_axes p = *(const wg_axes *)m->attr;
    int     rank = m->x[0]->shape->rank;
    if (p.n >= 0 && p.n != rank) return (wg_axes){.n = -1};
    return transpose_perm(&p, rank);
}
static wg_node *transpose_of_transpose(const struct wg__match *m)
{
    wg_axes q = match_perm(m);
    if (!is_op(m->x[0], &wg_op_transpose) || q.n < 0) return NULL;
    wg_axes p = transpose_perm(m->x[0]->attr, m->x[0]->shape->rank), r = {.n = q.n};
    for (int i = 0; i < q.n; i++) {
        if (q.axis[i] < 0 || q.axis[i] >= p.n) return NULL;
        r.axis[i] = p.axis[q.axis[i]];
    }
    return wg_transpose(m->x[0]->x[0], r);
}
static wg_node *transpose_nothing(const struct wg__match *m)
{
    wg_axes p = match_perm(m);
    if (p.n < 0) return NULL;
    for (int i = 0; i < p.n; i++)
        if (p.axis[i] != i) return NULL;
    return m->x[0];
}

/* Gives the operand of a transpose that exchanges the last two axes only, else NULL. */
static wg_node *find_under_swap(const wg_node *x)
{
    if (!is_op(x, &wg_op_transpose) || x->shape->rank < 2) return NULL;
    wg_axes p = transpose_perm(x->attr, x->shape->rank);
    for (int i = 0; i + 2 < p.n; i++)
        if (p.axis[i] != i) return NULL;
    return p.axis[p.n - 1] == p.n - 2 ? x->x[0] : NULL;
}
static wg_node *matmul_of_transpose(const struct wg__match *m)
{
    const struct {
        int ta, tb;
    } *flag = m->attr;
    wg_node *a = find_under_swap(m->x[0]), *b = find_under_swap(m->x[1]);
    if (!a && !b) return NULL;
    return wg_matmul_t(a ? a : m->x[0], b ? b : m->x[1], a ? !flag->ta : flag->ta, b ? !flag->tb : flag->tb);
}
static wg_node *concat_of_one(const struct wg__match *m) { return m->n == 1 ? m->x[0] : NULL; }
static wg_node *cast_to_same(const struct wg__match *m)
{
    return m->x[0]->dtype == *(const wg_dtype *)m->attr ? m->x[0] : NULL;
}

const struct wg__rule wg__rules[] = {
    {&wg_op_sub, exp_minus_one, "exp(x) - 1 -> expm1(x)"},
    {&wg_op_add, exp_plus_minus_one, "exp(x) + -1 -> expm1(x)"},
    {&wg_op_sub, one_minus_sigmoid, "1 - sigmoid(x) -> sigmoid(-x)"},
    {&wg_op_neg, neg_of_neg, "-(-x) -> x"},
    {&wg_op_add, add_zero, "x + 0 -> x"},
    {&wg_op_add, add_neg, "x + -y -> x - y"},
    {&wg_op_add, wg__rule_sum_of_pieces, "pad(x) + pad(y), which lie apart -> concat(x, y)"},
    {&wg_op_sub, sub_zero, "x - 0 -> x"},
    {&wg_op_sub, sub_neg, "x - -y -> x + y"},
    {&wg_op_mul, mul_one, "x * 1 -> x"},
    {&wg_op_mul, mul_minus_one, "x * -1 -> -x"},
    {&wg_op_mul, mul_factor, "x * 2^n * c -> x * (2^n c), n >= 0; -x * c -> x * -c"},
    {&wg_op_neg, neg_factor, "-(x * c) -> x * -c"},
    {&wg_op_zero_mul, zero_mul_number, "zero_mul(x, c) -> x * c; zero_mul(x, 0) -> 0"},
    {&wg_op_zero_div, zero_div_number, "zero_div(x, c) -> x / c; zero_div(0, x) -> 0"},
    {&wg_op_div, div_one, "x / 1 -> x"},
    {&wg_op_div, div_power_of_two, "x / 2^n -> x * 2^-n"},
    {&wg_op_pow, pow_whole, "x^-1, x^0, x^1, x^2 -> 1/x, 1, x, x*x"},
    {&wg_op_where, where_known, "where(1, x, y) -> x; where(0, x, y) -> y"},
    {&wg_op_expand, expand_to_same, "expand(x) to its own shape -> x"},
    {&wg_op_expand, expand_of_expand, "expand(expand(x)) -> expand(x)"},
    {NULL, strip_expand, "f(expand(x)) -> expand(f(x))"},
    {&wg_op_reshape, reshape_away, "reshape(reshape(x)) -> reshape(x); to its own shape -> x"},
    {&wg_op_reshape, reshape_of_expand, "reshape(expand(one element)) -> expand(one element)"},
    {&wg_op_transpose, transpose_of_transpose, "transpose(transpose(x)) -> transpose(x)"},
    {&wg_op_transpose, transpose_nothing, "transpose(x) in order -> x"},
    {&wg_op_matmul, matmul_of_transpose, "matmul(transpose(a), b) -> matmul[ta](a, b)"},
    {&wg_op_concat, concat_of_one, "concat(x) -> x"},
    {&wg_op_cast, cast_to_same, "cast(x) to its own dtype -> x"},
    {NULL, NULL, NULL},
};
