/* Functions of one element of each operand.  Integer lists are folded. */
#include <math.h>
#include <string.h>

#include "onnx/import/rows/values/import_curve.h"
#include "onnx/import/rows/shapes/import_fold.h"

typedef wg_node *one(wg_node *x);
typedef wg_node *two(wg_node *x, wg_node *y);

static bool has_dtype(const wg_node *x, unsigned dtypes) { return x && WG_DTYPE_BIT(wg_node_dtype(x)) & dtypes; }

/* ---- One operand ---- */

static int unary(struct wg__in *c, one *f)
{
    wg_node *x = wg__in_node(c, 0);
    return wg__out_node(c, 0, x ? f(x) : NULL);
}

/* Builds f, which is an operator of integers too; on lists of integers `folded` takes its place. */
static int unary_int(struct wg__in *c, one *f, wg__fold *folded)
{
    return wg__fold_ints(c, 1, folded, wg__in_dtype(c, 0)) ? WG_OK : unary(c, f);
}

static wg_node *absolute(wg_node *x) { return has_dtype(x, WG_DTYPE_BIT(WG_U8)) ? x : wg_abs(x); }
static wg_node *sign_of(wg_node *x)
{
    return has_dtype(x, WG_DTYPE_BIT(WG_U8)) ? wg_minimum(x, wg_lit(x, 1)) : wg_sign(x);
}
static wg_node *relu_of(wg_node *x) { return has_dtype(x, WG_DTYPE_REALS) ? wg_relu(x) : wg_maximum(x, wg_lit(x, 0)); }

/* x / (1 + |x|) */
static wg_node *softsign_of(wg_node *x) { return wg_div(x, wg_shift(wg_abs(x), 1)); }
/* x tanh(ln(1 + e^x)) (Misra 2019) */
static wg_node *mish_of(wg_node *x) { return wg_mul(x, wg_tanh(wg_softplus(x))); }
static wg_node *hard_sigmoid_of(wg_node *x, double a, double b) { return wg_clip(wg_shift(wg_scale(x, a), b), 0, 1); }
static wg_node *hard_swish_of(wg_node *x) { return wg_mul(x, hard_sigmoid_of(x, 1.0 / 6, 0.5)); }

static int neg(struct wg__in *c) { return unary_int(c, wg_neg, wg__fold_neg); }
static int abs_(struct wg__in *c) { return unary_int(c, absolute, wg__fold_abs); }
static int sign(struct wg__in *c) { return unary(c, sign_of); }
static int relu(struct wg__in *c) { return unary(c, relu_of); }
static int sqrt_(struct wg__in *c) { return unary(c, wg_sqrt); }
static int exp_(struct wg__in *c) { return unary(c, wg_exp); }
static int log_(struct wg__in *c) { return unary(c, wg_log); }
static int sin_(struct wg__in *c) { return unary(c, wg_sin); }
static int cos_(struct wg__in *c) { return unary(c, wg_cos); }
static int tan_(struct wg__in *c) { return unary(c, wg_tan); }
static int sinh_(struct wg__in *c) { return unary(c, wg__sinh); }
static int cosh_(struct wg__in *c) { return unary(c, wg__cosh); }
static int tanh_(struct wg__in *c) { return unary(c, wg_tanh); }
static int asin_(struct wg__in *c) { return unary(c, wg__asin); }
static int acos_(struct wg__in *c) { return unary(c, wg__acos); }
static int atan_(struct wg__in *c) { return unary(c, wg__atan); }
static int asinh_(struct wg__in *c) { return unary(c, wg__asinh); }
static int acosh_(struct wg__in *c) { return unary(c, wg__acosh); }
static int atanh_(struct wg__in *c) { return unary(c, wg__atanh); }
static int sigmoid(struct wg__in *c) { return unary(c, wg_sigmoid); }
static int softplus(struct wg__in *c) { return unary(c, wg_softplus); }
static int softsign(struct wg__in *c) { return unary(c, softsign_of); }
static int mish(struct wg__in *c) { return unary(c, mish_of); }
static int hard_swish(struct wg__in *c) { return unary(c, hard_swish_of); }
static int erf_(struct wg__in *c) { return unary(c, wg_erf); }
static int floor_(struct wg__in *c) { return unary(c, wg_floor); }
static int ceil_(struct wg__in *c) { return unary(c, wg_ceil); }
static int round_(struct wg__in *c) { return unary(c, wg_round); }
static int reciprocal(struct wg__in *c) { return unary(c, wg_reciprocal); }

static int leaky_relu(struct wg__in *c)
{
    return wg__out_node(c, 0, wg_leaky_relu(wg__in_node(c, 0), wg__attr_real(c, "alpha", 0.01f)));
}
static int elu(struct wg__in *c) { return wg__out_node(c, 0, wg_elu(wg__in_node(c, 0), wg__attr_real(c, "alpha", 1))); }
/* gamma elu(x, alpha); the defaults have more digits since opset 6. */
static int selu(struct wg__in *c)
{
    bool     old = c->opset < 6;
    double   alpha = wg__attr_real(c, "alpha", old ? 1.6732f : 1.67326319217681884765625);
    double   gamma = wg__attr_real(c, "gamma", old ? 1.0507f : 1.05070102214813232421875);
    wg_node *x = wg__in_node(c, 0);
    return wg__out_node(c, 0, wg_scale(wg_elu(x, alpha), gamma));
}
/* max(x, 0) + min(alpha (e^(x / alpha) - 1), 0) */
static int celu(struct wg__in *c)
{
    double   alpha = wg__attr_real(c, "alpha", 1);
    wg_node *x = wg__in_node(c, 0);
    if (alpha == 0) return wg__malformed(c, "attribute 'alpha' is 0");
    wg_node *below = wg_scale(wg_expm1(wg_scale(x, 1 / alpha)), alpha), *zero = wg_lit(x, 0);
    wg_node *left = wg_minimum(below, zero), *right = wg_relu(x);
    return wg__out_node(c, 0, wg_add(right, left));
}
static int hard_sigmoid(struct wg__in *c)
{
    double alpha = wg__attr_real(c, "alpha", 0.2f), beta = wg__attr_real(c, "beta", 0.5);
    return wg__out_node(c, 0, hard_sigmoid_of(wg__in_node(c, 0), alpha, beta));
}
static int thresholded_relu(struct wg__in *c)
{
    double   alpha = wg__attr_real(c, "alpha", 1);
    wg_node *x = wg__in_node(c, 0), *zero = wg_lit(x, 0);
    return wg__out_node(c, 0, wg_where(wg_greater(x, wg_lit(x, alpha)), x, zero));
}
/* x + bias below -lambd, x - bias above lambd, 0 between */
static int shrink(struct wg__in *c)
{
    double   bias = wg__attr_real(c, "bias", 0), lambd = wg__attr_real(c, "lambd", 0.5);
    bool     whole = bias == floor(bias) && lambd == floor(lambd);
    wg_node *x = wg__in_node(c, 0),
            *v = has_dtype(x, WG_DTYPE_REALS | (whole ? WG_DTYPE_INTS : 0)) ? x : wg_cast(x, WG_F64);
    wg_node *zero = wg_lit(v, 0), *up = wg_shift(v, bias), *down = wg_shift(v, -bias);
    wg_node *low = wg_less(v, wg_lit(v, -lambd)), *high = wg_greater(v, wg_lit(v, lambd));
    wg_node *y = wg_where(low, up, wg_where(high, down, zero));
    return wg__out_node(c, 0, wg_cast(y, wg_node_dtype(x)));
}
static int gelu(struct wg__in *c)
{
    const char *kind = wg__attr_text(c, "approximate", "none");
    if (strcmp(kind, "tanh") == 0) return unary(c, wg_gelu_tanh);
    return strcmp(kind, "none") == 0 ? unary(c, wg_gelu) : wg__malformed(c, "approximate is '%.40s'", kind);
}

/* ---- Two operands ---- */

static int binary(struct wg__in *c, two *f, wg__fold *folded)
{
    if (wg__fold_ints(c, 2, folded, wg__in_dtype(c, 0))) return WG_OK;
    wg_node *x = wg__in_node(c, 0), *y = wg__in_broadcast(c, x, wg__in_node(c, 1));
    return wg__out_node(c, 0, f(x, y));
}

static int add(struct wg__in *c) { return binary(c, wg_add, wg__fold_add); }
static int sub(struct wg__in *c) { return binary(c, wg_sub, wg__fold_sub); }
static int mul(struct wg__in *c) { return binary(c, wg_mul, wg__fold_mul); }
static int div_(struct wg__in *c) { return binary(c, wg_div, wg__fold_div); }

/* x^n by squares, n >= 0 */
static wg_node *known_power(wg_node *x, uint64_t n)
{
    wg_node *y = NULL;
    for (; n; n >>= 1) {
        if (n & 1) y = y ? wg_mul(y, x) : x;
        if (n > 1) x = wg_mul(x, x);
    }
    return y ? y : wg_add(wg_sub(x, x), wg_lit(x, 1));
}

/* Computes x^n by squaring for an exponent that only the run knows, bit by bit. */
static wg_node *open_power(wg_node *x, wg_node *n)
{
    wg_node *y = wg_lit(x, 1), *base = wg_lit(n, 2), *zero = wg_lit(n, 0);
    for (int bit = 0; bit < 63; bit++) {
        wg_node *half = wg_div(n, base), *odd = wg_not_equal(wg_sub(n, wg_mul(half, base)), zero);
        y = wg_where(odd, wg_mul(y, x), y);
        x = wg_mul(x, x);
        n = half;
    }
    return y;
}

/* Returns the exponent if it is a single number of the file and the result has x's shape; -1 if not. */
static int64_t known_exponent(struct wg__in *c, const wg_node *x)
{
    wg_array a;
    int64_t  n = -1;
    if (!wg__in_known(c, 1, &a)) return n;
    bool fits = wg_count(&a.shape) == 1 && a.shape.rank <= wg_node_shape(x)->rank;
    if (fits && a.dtype == WG_I64) n = *(const int64_t *)a.data;
    else if (fits && a.dtype == WG_I32) n = *(const int32_t *)a.data;
    wg__data_free(a.data);
    return n;
}

/* Computes integer powers. Below an exponent of 0 only 1 and -1 have a power that is no fraction;
 * fractions become 0. */
static wg_node *whole_power(struct wg__in *c, wg_node *x, wg_node *y)
{
    int64_t n = known_exponent(c, x);
    if (n >= 0) return known_power(x, (uint64_t)n);
    wg_node *e = wg_cast(y, WG_I64), *below = wg_less(e, wg_lit(e, 0));
    wg_node *not_low = wg_greater_equal(x, wg_lit(x, -1)), *not_high = wg_less_equal(x, wg_lit(x, 1));
    wg_node *unit = wg_and(not_low, not_high), *power = open_power(x, wg_where(below, wg_neg(e), e));
    return wg_where(wg_and(below, wg_not(unit)), wg_lit(x, 0), power);
}

/* Computes a power in f64 for integers to a real exponent. A result that misses a whole number by
 * rounding only is rounded to it, the fraction of any other is cut off by the cast. */
static wg_node *rounded_power(wg_node *x, wg_node *y)
{
    wg_node *base = wg_cast(x, WG_F64), *exponent = wg_cast(y, WG_F64);
    wg_node *power = wg_pow(base, exponent), *whole = wg_round(power);
    wg_node *miss = wg_abs(wg_sub(power, whole)), *slack = wg_scale(wg_abs(power), 1e-10);
    return wg_cast(wg_where(wg_less_equal(miss, slack), whole, power), wg_node_dtype(x));
}

/* Computes Pow in the base's dtype; the exponent may have another one (since opset 12). */
static int pow_(struct wg__in *c)
{
    wg_node *x = wg__in_node(c, 0), *y = wg__in_broadcast(c, x, wg__in_node(c, 1));
    if (has_dtype(x, WG_DTYPE_REALS)) return wg__out_node(c, 0, wg_pow(x, wg_cast(y, wg_node_dtype(x))));
    return wg__out_node(
        c, 0, has_dtype(x, WG_DTYPE_INTS) && has_dtype(y, WG_DTYPE_INTS) ? whole_power(c, x, y) : rounded_power(x, y));
}

static wg_node *truncated(wg_node *x)
{
    wg_node *down = wg_floor(x), *up = wg_ceil(x);
    return wg_where(wg_less(x, wg_lit(x, 0)), up, down);
}
/* x - y trunc(x/y), with the sign of x; x itself below |y| */
static wg_node *real_fmod(wg_node *x, wg_node *y)
{
    wg_node *rest = wg_sub(x, wg_mul(y, truncated(wg_div(x, y))));
    wg_node *have = wg_abs(x), *whole = wg_abs(y);
    return wg_where(wg_less(have, whole), x, rest);
}
static wg_node *wide_fmod(wg_node *x, wg_node *y)
{
    wg_node *a = wg_cast(x, WG_F64), *b = wg_cast(y, WG_F64);
    return wg_cast(real_fmod(a, b), wg_node_dtype(x));
}
static wg_node *int_fmod(wg_node *x, wg_node *y) { return wg_sub(x, wg_mul(y, wg_div(x, y))); }
/* Computes the remainder of integers, with the sign of y. */
static wg_node *int_mod(wg_node *x, wg_node *y)
{
    wg_node *r = int_fmod(x, y), *zero = wg_lit(r, 0);
    wg_node *below = wg_less(r, zero), *y_below = wg_less(y, zero), *some = wg_not_equal(r, zero);
    wg_node *differ = wg_and(some, wg_xor(below, y_below)), *moved = wg_add(r, y);
    return wg_where(differ, moved, r);
}
/* Computes the remainder of reals, with the sign of y; a remainder of 0 has it too. */
static wg_node *real_mod(wg_node *x, wg_node *y)
{
    wg_node *zero = wg_lit(x, 0), *minus = wg_lit(x, -0.0), *r = real_fmod(x, y);
    wg_node *below = wg_less(r, zero), *y_below = wg_less(y, zero), *none = wg_equal(r, zero);
    wg_node *moved = wg_where(wg_xor(below, y_below), wg_add(r, y), r);
    return wg_where(none, wg_where(y_below, minus, zero), moved);
}
static wg_node *wide_mod(wg_node *x, wg_node *y)
{
    wg_node *a = wg_cast(x, WG_F64), *b = wg_cast(y, WG_F64);
    return wg_cast(real_mod(a, b), wg_node_dtype(x));
}
static int mod(struct wg__in *c)
{
    bool     as_c = wg__attr_int(c, "fmod", 0) != 0;
    wg_node *x = wg__in_node(c, 0), *y = wg__in_node(c, 1);
    bool     real = has_dtype(x, WG_DTYPE_REALS);
    if (real && !as_c && c->opset < 28) return wg__malformed(c, "real operands need fmod=1");
    two *f = real ? (as_c ? wide_fmod : wide_mod) : as_c ? int_fmod : int_mod;
    return wg__out_node(c, 0, f(x, y));
}

/* x > 0 ? x : slope x.  Before opset 7 a slope for each channel stands along axis 1. */
static int prelu(struct wg__in *c)
{
    wg_node *x = wg__in_node(c, 0), *slope = wg__in_node(c, 1);
    if (!x || !slope) return wg__out_node(c, 0, NULL);
    wg_shape s = *wg_node_shape(slope);
    if (c->opset < 7 && s.rank == 1 && s.dim[0] != 1) {
        while (s.rank + 1 < wg_node_shape(x)->rank) s.dim[s.rank++] = 1;
        slope = wg_reshape(slope, s);
    }
    wg_node *below = wg_mul(x, slope);
    return wg__out_node(c, 0, wg_where(wg_less(x, wg_lit(x, 0)), below, x));
}

/* ---- Bounds, and any number of operands ---- */

/* Returns a bound as a scalar: some files give the one number an axis. */
static wg_node *scalar_bound(struct wg__in *c, int i)
{
    wg_node *x = wg__in_node(c, i);
    return x && wg_count(wg_node_shape(x)) == 1 ? wg_reshape(x, (wg_shape){0}) : x;
}
static int clip(struct wg__in *c)
{
    wg_node *y = wg__in_node(c, 0);
    if (wg__in_has(c, 1)) y = wg_maximum(y, scalar_bound(c, 1));
    if (wg__in_has(c, 2)) y = wg_minimum(y, scalar_bound(c, 2));
    return wg__out_node(c, 0, y);
}
static int clip_1(struct wg__in *c)
{
    wg_node *y = wg__in_node(c, 0);
    if (wg__attr_has(c, "min")) y = wg_maximum(y, wg_lit(y, wg__attr_real(c, "min", 0)));
    if (wg__attr_has(c, "max")) y = wg_minimum(y, wg_lit(y, wg__attr_real(c, "max", 0)));
    return wg__out_node(c, 0, y);
}

static int variadic(struct wg__in *c, two *f, double factor)
{
    wg_node *y = wg__in_node(c, 0);
    for (int i = 1; i < c->n_in; i++) y = f(y, wg__in_node(c, i));
    return wg__out_node(c, 0, factor == 1 ? y : wg_scale(y, factor));
}
static int sum(struct wg__in *c) { return variadic(c, wg_add, 1); }
static int mean(struct wg__in *c) { return variadic(c, wg_add, 1.0 / (c->n_in ? c->n_in : 1)); }
static int min(struct wg__in *c)
{
    bool folded = c->n_in == 2 && wg__fold_ints(c, 2, wg__fold_min, wg__in_dtype(c, 0));
    return folded ? WG_OK : variadic(c, wg_minimum, 1);
}
static int max(struct wg__in *c)
{
    bool folded = c->n_in == 2 && wg__fold_ints(c, 2, wg__fold_max, wg__in_dtype(c, 0));
    return folded ? WG_OK : variadic(c, wg_maximum, 1);
}

/* consumed_inputs: a hint of the first opsets. */
#define UNARY(op, since, make)                        \
    {                                                 \
        op, since, "1", "consumed_inputs", make, NULL \
    }
#define BINARY(op, make, weights) \
    {op, 1, "2", "axis broadcast consumed_inputs", make, weights}, { op, 7, "2", "", make, weights }

const struct wg__row wg__rows_elementwise[] = {
    UNARY("Abs", 1, abs_),
    UNARY("Acos", 7, acos_),
    UNARY("Acosh", 9, acosh_),
    UNARY("Asin", 7, asin_),
    UNARY("Asinh", 9, asinh_),
    UNARY("Atan", 7, atan_),
    UNARY("Atanh", 9, atanh_),
    UNARY("Ceil", 1, ceil_),
    UNARY("Cos", 7, cos_),
    UNARY("Cosh", 9, cosh_),
    UNARY("Erf", 9, erf_),
    UNARY("Exp", 1, exp_),
    UNARY("Floor", 1, floor_),
    UNARY("HardSwish", 14, hard_swish),
    UNARY("Log", 1, log_),
    UNARY("Mish", 18, mish),
    UNARY("Neg", 1, neg),
    UNARY("Reciprocal", 1, reciprocal),
    UNARY("Relu", 1, relu),
    UNARY("Round", 11, round_),
    UNARY("Sigmoid", 1, sigmoid),
    UNARY("Sign", 9, sign),
    UNARY("Sin", 7, sin_),
    UNARY("Sinh", 9, sinh_),
    UNARY("Softplus", 1, softplus),
    UNARY("Softsign", 1, softsign),
    UNARY("Sqrt", 1, sqrt_),
    UNARY("Tan", 7, tan_),
    UNARY("Tanh", 1, tanh_),
    {"Celu", 12, "1", "alpha", celu, NULL},
    {"Elu", 1, "1", "alpha consumed_inputs", elu, NULL},
    {"Gelu", 20, "1", "approximate", gelu, NULL},
    {"HardSigmoid", 1, "1", "alpha beta consumed_inputs", hard_sigmoid, NULL},
    {"LeakyRelu", 1, "1", "alpha consumed_inputs", leaky_relu, NULL},
    {"Selu", 1, "1", "alpha gamma consumed_inputs", selu, NULL},
    {"Shrink", 9, "1", "bias lambd", shrink, NULL},
    {"ThresholdedRelu", 10, "1", "alpha", thresholded_relu, NULL},
    {"PRelu", 1, "2", "consumed_inputs", prelu, "1"},
    BINARY("Add", add, "v01"),
    BINARY("Div", div_, NULL),
    BINARY("Mul", mul, "v01"),
    BINARY("Pow", pow_, NULL),
    BINARY("Sub", sub, NULL),
    {"Mod", 10, "2", "fmod", mod, NULL},
    {"Clip", 1, "1", "min max consumed_inputs", clip_1, NULL},
    {"Clip", 11, "1-3", "", clip, NULL},
    {"Max", 1, "1-*", "consumed_inputs", max, NULL},
    {"Mean", 1, "1-*", "consumed_inputs", mean, NULL},
    {"Min", 1, "1-*", "consumed_inputs", min, NULL},
    {"Sum", 1, "1-*", "consumed_inputs", sum, NULL},
    {0},
};
