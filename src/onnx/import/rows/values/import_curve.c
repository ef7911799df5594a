/* Hyperbolic functions and inverses, in forms that keep small values exact and
 * do not overflow early.  An odd function is made of |x| and gets its sign back
 * by a choice, not by sign(x), whose slope at 0 would be lost. */
#include "onnx/import/rows/values/import_curve.h"

static const double pi = 3.14159265358979323846, ln2 = 0.69314718055994530942, large = 1e10;

static wg_node *negative(wg_node *x) { return wg_less(x, wg_lit(x, 0)); }

static wg_node *magnitude(wg_node *x)
{
    wg_node *below = negative(x), *minus = wg_neg(x);
    return wg_where(below, minus, x);
}

/* y with the sign of x */
static wg_node *signed_as(wg_node *x, wg_node *y)
{
    wg_node *below = negative(x), *minus = wg_neg(y);
    return wg_where(below, minus, y);
}

/* (e^x - e^-x) / 2 */
wg_node *wg__sinh(wg_node *x)
{
    wg_node *up = wg_expm1(x), *down = wg_expm1(wg_neg(x));
    return wg_scale(wg_sub(up, down), 0.5);
}

/* (e^x + e^-x) / 2 */
wg_node *wg__cosh(wg_node *x)
{
    wg_node *up = wg_exp(x), *down = wg_exp(wg_neg(x));
    return wg_scale(wg_add(up, down), 0.5);
}

/* ln(2 a) instead of y where the square of a might overflow. */
static wg_node *or_log(wg_node *a, wg_node *y)
{
    wg_node *most = wg_lit(a, large);
    wg_node *far = wg_greater(a, most), *line = wg_shift(wg_log(wg_maximum(a, most)), ln2);
    return wg_where(far, line, y);
}

/* ln(1 + a + a^2 / (1 + (1 + a^2)^(1/2))), a = |x| */
wg_node *wg__asinh(wg_node *x)
{
    wg_node *a = magnitude(x), *near = wg_minimum(a, wg_lit(x, large)), *square = wg_square(near);
    wg_node *root = wg_sqrt(wg_shift(square, 1));
    wg_node *y = wg_log1p(wg_add(near, wg_div(square, wg_shift(root, 1))));
    return signed_as(x, or_log(a, y));
}

/* ln(1 + t + t^(1/2) (t + 2)^(1/2)), t = x - 1 */
wg_node *wg__acosh(wg_node *x)
{
    wg_node *t = wg_shift(wg_minimum(x, wg_lit(x, large)), -1);
    wg_node *low = wg_sqrt(t), *high = wg_sqrt(wg_shift(t, 2));
    return or_log(x, wg_log1p(wg_add(t, wg_mul(low, high))));
}

/* ln(1 + 2 a / (1 - a)) / 2, a = |x| */
wg_node *wg__atanh(wg_node *x)
{
    wg_node *a = magnitude(x), *twice = wg_scale(a, 2), *rest = wg_one_minus(a);
    return signed_as(x, wg_scale(wg_log1p(wg_div(twice, rest)), 0.5));
}

/* atan r = 2 atan(r / (1 + (1 + r^2)^(1/2))) */
static wg_node *halve_angle(wg_node *r)
{
    wg_node *root = wg_sqrt(wg_shift(wg_square(r), 1));
    return wg_div(r, wg_shift(root, 1));
}

/* r - r^3/3 + r^5/5 - ..: after 11 terms less than 1e-17 is left for r < 0.2. */
static wg_node *series(wg_node *r)
{
    enum { TERMS = 11 };
    wg_node *square = wg_square(r), *sum = wg_lit(r, 1.0 / (2 * TERMS - 1));
    for (int k = TERMS - 2; k >= 0; k--) {
        wg_node *coefficient = wg_lit(r, 1.0 / (2 * k + 1));
        sum = wg_sub(coefficient, wg_mul(square, sum));
    }
    return wg_mul(r, sum);
}

/* Computes atan(x). With atan a = pi/2 - atan(1/a), and the angle halved twice, the series has r <
 * tan(pi/16). */
wg_node *wg__atan(wg_node *x)
{
    wg_node *a = magnitude(x), *one = wg_lit(x, 1);
    wg_node *far = wg_greater(a, one), *inverse = wg_reciprocal(wg_maximum(a, one));
    wg_node *y = wg_scale(series(halve_angle(halve_angle(wg_where(far, inverse, a)))), 4);
    wg_node *rest = wg_sub(wg_lit(x, pi / 2), y);
    return signed_as(x, wg_where(far, rest, y));
}

/* atan(x / ((1 - x)(1 + x))^(1/2)) */
wg_node *wg__asin(wg_node *x)
{
    wg_node *below = wg_one_minus(x), *above = wg_shift(x, 1);
    return wg__atan(wg_div(x, wg_sqrt(wg_mul(below, above))));
}

/* 2 atan(((1 - x) / (1 + x))^(1/2)) */
wg_node *wg__acos(wg_node *x)
{
    wg_node *below = wg_one_minus(x), *above = wg_shift(x, 1);
    return wg_scale(wg__atan(wg_sqrt(wg_div(below, above))), 2);
}
