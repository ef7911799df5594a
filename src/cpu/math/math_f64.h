/* math_f64.h - the functions of math.h for double; included by math.h only. */
#define LOG2E_F64 0x1.71547652b82fep+0
#define LN2_HI_F64 0x1.62e42fefa3000p-1 /* 41 bits: n ln2_hi is exact */
#define LN2_LO_F64 0x1.3de6af278ece6p-42

/* ---- exp ---- */

/* Computes p 2^k in two steps, so that only the second may round or overflow. */
INLINE double scale_f64(double p, uint64_t k)
{
    uint64_t half = ((k + 4096) >> 1) - 2048;
    return p * double_of((half + 1023) << 52) * double_of((k - half + 1023) << 52);
}

/* Computes (e^r - 1 - r) / r^2 for |r| <= ln(2)/2. */
INLINE double exp_tail_f64(double r)
{
    double q = 0x1.1f95289121da4p-29;
    q = fma_f64(q, r, 0x1.af5f3d3b7b8f4p-26);
    q = fma_f64(q, r, 0x1.27e4c5c5d873fp-22);
    q = fma_f64(q, r, 0x1.71ddf8100cc7fp-19);
    q = fma_f64(q, r, 0x1.a01a01b0a6a3cp-16);
    q = fma_f64(q, r, 0x1.a01a01affdef0p-13);
    q = fma_f64(q, r, 0x1.6c16c16c14480p-10);
    q = fma_f64(q, r, 0x1.111111110f676p-7);
    q = fma_f64(q, r, 0x1.555555555555ap-5);
    q = fma_f64(q, r, 0x1.5555555555559p-3);
    return fma_f64(q, r, 0.5);
}

/* Sets *r = x - n ln 2, |r| <= ln(2)/2, and returns n. */
INLINE uint64_t exp_split_f64(double x, double *r)
{
    double t = fma_f64(x, LOG2E_F64, ROUNDER_F64), n = t - ROUNDER_F64;
    *r = fma_f64(n, -LN2_LO_F64, fma_f64(n, -LN2_HI_F64, x));
    return bits_f64(t) - bits_f64(ROUNDER_F64);
}
/* Computes e^r for |r| <= ln(2)/2. */
INLINE double exp_near_f64(double r) { return fma_f64(r * r, exp_tail_f64(r), r) + 1; }
/* Computes e^(x + low) for -746 <= x <= 710. */
INLINE double exp_sum_f64(double x, double low)
{
    double   r;
    uint64_t k = exp_split_f64(x, &r);
    return scale_f64(exp_near_f64(r + low), k);
}
INLINE double exp_f64(double x)
{
    double   r, c = x > 710 ? 710 : x;
    uint64_t k = exp_split_f64(c < -746 ? -746 : c, &r);
    return scale_f64(exp_near_f64(r), k);
}
/* Computes e^x for |x| <= exp_limit_f64, where no scale is out of range. */
#define exp_limit_f64 707
INLINE double exp_inside_f64(double x)
{
    double   r;
    uint64_t k = exp_split_f64(x, &r);
    return exp_near_f64(r) * double_of((k + 1023) << 52);
}
/* Computes e^x - 1 for 0 <= x <= 600. */
INLINE double expm1_inside_f64(double x)
{
    double   r;
    uint64_t k = exp_split_f64(x, &r);
    double   p = fma_f64(r * r, exp_tail_f64(r), r), s = double_of((k + 1023) << 52);
    return fma_f64(s, p, s - 1);
}
/* Computes e^x - 1 = 2^k (e^r - 1) + (2^k - 1), by 2^(k-1) because 2^1024 is too large. */
INLINE double expm1_f64(double x)
{
    double   c = x > 710 ? 710 : x < -60 ? -60 : x;
    double   r;
    uint64_t k = exp_split_f64(c, &r);
    double   p = fma_f64(r * r, exp_tail_f64(r), r), s = double_of((k + 1022) << 52);
    double   y = fma_f64(s, p, s - 0.5) * 2;
    return copysign_f64(k == 0 ? p : y, x);
}

/* ---- log ---- */

/* Splits x = m 2^e, sqrt(1/2) <= m < sqrt(2), for normal x > 0; returns e. */
INLINE double split_f64(double x, double *m)
{
    uint64_t u = bits_f64(x) + (0x3ff0000000000000 - 0x3fe6a09e667f3bcd);
    *m = double_of((u & 0x000fffffffffffff) + 0x3fe6a09e667f3bcd);
    return double_of(u >> 52 | bits_f64(0x1p52)) - (0x1p52 + 1023);
}

/* Computes e ln 2 + ln(1 + f): with s = f/(2+f), ln(1+f) = 2 atanh s = f - s (f - R). */
INLINE double log_sum_f64(double f, double e)
{
    double s = f / (2 + f), z = s * s, half = 0.5 * f * f;
    double q = 0x1.0f623e33b4078p-3;
    q = fma_f64(q, z, 0x1.0f5cdff882df6p-3);
    q = fma_f64(q, z, 0x1.3b20aa8fce3abp-3);
    q = fma_f64(q, z, 0x1.745cde3b51d14p-3);
    q = fma_f64(q, z, 0x1.c71c7258ec25fp-3);
    q = fma_f64(q, z, 0x1.249249242b4f3p-2);
    q = fma_f64(q, z, 0x1.9999999999dfep-2);
    q = fma_f64(q, z, 0x1.5555555555555p-1);
    double tail = fma_f64(s, fma_f64(q, z, half), e * LN2_LO_F64);
    return fma_f64(e, LN2_HI_F64, f - (half - tail));
}
INLINE double log_f64(double x)
{
    bool   tiny = x < 0x1p-1022;
    double m, e = split_f64(tiny ? x * 0x1p52 : x, &m);
    double y = log_sum_f64(m - 1, tiny ? e - 52 : e);
    y = x < (double)INFINITY ? y : x;
    y = x < 0 ? (double)NAN : y;
    return x == 0 ? -(double)INFINITY : y;
}
/* Computes ln x for normal x > 0. */
INLINE double log_inside_f64(double x)
{
    double m, e = split_f64(x, &m);
    return log_sum_f64(m - 1, e);
}
/* Computes ln(1 + x); c makes up for the rounding of 1 + x. */
INLINE double log1p_f64(double x)
{
    double u = 1 + x, v = u - 1, c = (1 - (u - v)) + (x - v);
    double m, e = split_f64(u, &m);
    double unit = double_of((bits_f64(0x1p52 + 1023 - e) & 0x7ff) << 52); /* 2^-e */
    double y = log_sum_f64((m - 1) + (e < 100 ? c * unit : 0), e);
    y = x < (double)INFINITY ? y : x;
    y = x < -1 ? (double)NAN : x == -1 ? -(double)INFINITY : y;
    return copysign_f64(y, x);
}

/* ---- functions of exp and log ---- */

INLINE double tanh_f64(double x)
{
    double a = fabs_f64(x), t = expm1_inside_f64(2 * (a > 20 ? 20 : a));
    return copysign_f64(t / (t + 2), x);
}
INLINE double sigmoid_f64(double x)
{
    double e = exp_f64(-fabs_f64(x));
    return (x < 0 ? e : 1) / (1 + e);
}
INLINE double softplus_f64(double x) { return (x > 0 ? x : 0) + log1p_f64(exp_f64(-fabs_f64(x))); }
/* Computes the same as sigmoid and softplus where |x| <= exp_limit_f64. */
INLINE double sigmoid_inside_f64(double x)
{
    double e = exp_inside_f64(-fabs_f64(x));
    return (x < 0 ? e : 1) / (1 + e);
}
INLINE double softplus_inside_f64(double x) { return (x > 0 ? x : 0) + log1p_f64(exp_inside_f64(-fabs_f64(x))); }

/* Computes erf(x)/x - 1 for |x| <= 1, as a function of z = x^2. */
INLINE double erf_near_f64(double z)
{
    double q = -0x1.abadcb9527358p-31;
    q = fma_f64(q, z, 0x1.d71ae3b41772bp-27);
    q = fma_f64(q, z, -0x1.5c07207454887p-23);
    q = fma_f64(q, z, 0x1.b97fd2c11382ap-20);
    q = fma_f64(q, z, -0x1.f4ca4d51c9889p-17);
    q = fma_f64(q, z, 0x1.f9a2baa701ab0p-14);
    q = fma_f64(q, z, -0x1.c02db03dc1016p-11);
    q = fma_f64(q, z, 0x1.565bccf92a962p-8);
    q = fma_f64(q, z, -0x1.b82ce311fa8f0p-6);
    q = fma_f64(q, z, 0x1.ce2f21a040d15p-4);
    q = fma_f64(q, z, -0x1.812746b0379bdp-2);
    return fma_f64(q, z, 0x1.06eba8214db68p-3);
}
/* Computes erfc(x) e^(x^2) for 1 <= x <= 6, as a function of u = (x-2)/(x+2). */
INLINE double erfcx_f64(double u)
{
    double q = -0x1.b3d3f389b236ep-20;
    q = fma_f64(q, u, -0x1.e9f84197adf16p-17);
    q = fma_f64(q, u, -0x1.ca403e68b0e6dp-16);
    q = fma_f64(q, u, 0x1.d0294907e1cadp-16);
    q = fma_f64(q, u, 0x1.6dade918fd452p-13);
    q = fma_f64(q, u, 0x1.6d51991828f37p-15);
    q = fma_f64(q, u, -0x1.016b6fb89d2f6p-10);
    q = fma_f64(q, u, -0x1.bc25a2959128ap-11);
    q = fma_f64(q, u, 0x1.ca95ed6dd75cap-8);
    q = fma_f64(q, u, 0x1.e94715996cbc6p-9);
    q = fma_f64(q, u, -0x1.437f0b68c341ep-4);
    q = fma_f64(q, u, 0x1.eeea7dc8a778fp-3);
    q = fma_f64(q, u, -0x1.b57034efd3f70p-2);
    return fma_f64(q, u, 0x1.058671b52c776p-2);
}
INLINE double erf_f64(double x)
{
    double a = fabs_f64(x), b = a > 6 ? 6 : a;
    double near = fma_f64(x, erf_near_f64(x * x), x);
    double far = 1 - exp_inside_f64(-b * b) * erfcx_f64((b - 2) / (b + 2));
    return a < 1 ? near : copysign_f64(far, x);
}

/* ---- sin, cos, tan ---- */

/* Sets *r + *low = x - n pi/2, |r| <= pi/4, and returns n. */
INLINE uint64_t quarter_turns_f64(double x, double *r, double *low)
{
    double t = fma_f64(x, 0x1.45f306dc9c883p-1, ROUNDER_F64), n = t - ROUNDER_F64;
    double a = x - n * 0x1.921fb54400000p+0, b = n * 0x1.0b4611a600000p-34; /* both exact */
    double d = a - b, v = d - a, lost = (a - (d - v)) - (b + v);
    double c = fma_f64(n, -0x1.3198a2e037073p-69, lost);
    *r = d + c;
    *low = (d - *r) + c;
    return bits_f64(t) - bits_f64(ROUNDER_F64);
}
INLINE double sin_near_f64(double r, double low)
{
    double z = r * r, q = 0x1.5d9158cf5ec29p-33;
    q = fma_f64(q, z, -0x1.ae5e60afc38d6p-26);
    q = fma_f64(q, z, 0x1.71de3570de219p-19);
    q = fma_f64(q, z, -0x1.a01a019c09fc9p-13);
    q = fma_f64(q, z, 0x1.111111110f840p-7);
    q = fma_f64(q, z, -0x1.5555555555549p-3);
    return r + fma_f64(r * z, q, low * fma_f64(z, -0.5, 1));
}
INLINE double cos_near_f64(double r, double low)
{
    double z = r * r, half = 0.5 * z, w = 1 - half, q = -0x1.8facc8d914ef6p-37;
    q = fma_f64(q, z, 0x1.1ee9e87e0199ep-29);
    q = fma_f64(q, z, -0x1.27e4f805134ecp-22);
    q = fma_f64(q, z, 0x1.a01a019cab3ccp-16);
    q = fma_f64(q, z, -0x1.6c16c16c1513dp-10);
    q = fma_f64(q, z, 0x1.555555555554cp-5);
    return w + (((1 - w) - half) + fma_f64(z * z, q, -r * low));
}
/* Computes sin(r + low + n pi/2). */
INLINE double sin_turned_f64(double r, double low, uint64_t n)
{
    double y = n & 1 ? cos_near_f64(r, low) : sin_near_f64(r, low);
    return double_of(bits_f64(y) ^ (n & 2) << 62);
}
INLINE double sin_f64(double x)
{
    double   r, low;
    uint64_t n = quarter_turns_f64(x, &r, &low);
    return x == 0 ? x + x : sin_turned_f64(r, low, n);
}
INLINE double cos_f64(double x)
{
    double   r, low;
    uint64_t n = quarter_turns_f64(x, &r, &low);
    return sin_turned_f64(r, low, n + 1);
}
INLINE double tan_f64(double x)
{
    double   r, low;
    uint64_t n = quarter_turns_f64(x, &r, &low);
    double   s = sin_near_f64(r, low), c = cos_near_f64(r, low);
    double   y = (n & 1 ? -c : s) / (n & 1 ? s : c);
    return x == 0 ? x + x : y;
}

/* ---- pow: e^(y ln x), with ln x in two doubles ---- */

/* Computes a b - p exactly, for p = a b rounded. */
INLINE double product_rest_f64(double a, double b, double p)
{
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    return __builtin_fma(a, b, -p);
#else
    double ta = a * 0x1.000002p+27, tb = b * 0x1.000002p+27; /* T. J. Dekker 1971 */
    double ah = ta - (ta - a), bh = tb - (tb - b), al = a - ah, bl = b - bh;
    return ((ah * bh - p) + ah * bl + al * bh) + al * bl;
#endif
}

/* Computes ln x = high + low for x > 0, to about 2^-64: with s = (m-1)/(m+1), z = s^2, ln m = s (2 + z (2/3 + z T(z))),
 * of which only z T(z) is rounded to a double. */
INLINE double log_pair_f64(double x, double *low)
{
    bool   tiny = x < 0x1p-1022;
    double m, e = split_f64(tiny ? x * 0x1p52 : x, &m);
    e = tiny ? e - 52 : e;
    double f = m - 1, d = m + 1, dl = m - (d - 1);
    double s = f / d, p = s * d, sl = ((f - p) - product_rest_f64(s, d, p) - s * dl) / d;
    double z = s * s, zl = product_rest_f64(s, s, z) + 2 * s * sl;

    double t = 0x1.0e42b591b2d47p-3;
    t = fma_f64(t, z, 0x1.0f7fe6bcd2c3bp-3);
    t = fma_f64(t, z, 0x1.3b1eec444dff6p-3);
    t = fma_f64(t, z, 0x1.745ce9e1643fap-3);
    t = fma_f64(t, z, 0x1.c71c722d6eec5p-3);
    t = fma_f64(t, z, 0x1.2492492457ccfp-2);
    t = fma_f64(t, z, 0x1.9999999999b30p-2) * z;

    double a = 0x1.5555555555555p-1 + t, al = (0x1.5555555555555p-1 - a) + t + 0x1.5555555555555p-55;
    double b = z * a, bl = product_rest_f64(z, a, b) + (z * al + zl * a);
    double c = 2 + b, cl = (2 - c) + b + bl;
    double l = s * c, ll = product_rest_f64(s, c, l) + (s * cl + sl * c);

    double n = e * LN2_HI_F64, h = n + l, v = h - n;
    double rest = ((n - (h - v)) + (l - v)) + fma_f64(e, LN2_LO_F64, ll);
    double high = h + rest;
    *low = (h - high) + rest;
    return high;
}

/* Makes z = |x|^y the power x^y, by the rules of C11 F.10.4.4 for the sign of x, zeros, ones and infinities. */
INLINE double pow_edges_f64(double x, double y, double z)
{
    double a = fabs_f64(x), b = fabs_f64(y);
    bool   whole = rint_f64(y) == y, odd = whole && b < 0x1p53 && rint_f64(0.5 * y) != 0.5 * y;
    bool   vanish = (a < 1) == (y > 0); /* else it grows, where either is 0 or infinite */
    bool   extreme = a == 0 || a == (double)INFINITY || b == (double)INFINITY;
    z = extreme ? (vanish ? 0 : (double)INFINITY) : z;
    z = odd ? copysign_f64(z, x) : z;
    z = x < 0 && a < (double)INFINITY && !whole ? (double)NAN : z;
    z = x == -1 && b == (double)INFINITY ? 1 : z;
    z = x != x || y != y ? x + y : z;
    return x == 1 || y == 0 ? 1 : z;
}
INLINE double pow_f64(double x, double y)
{
    double ll, l = log_pair_f64(fabs_f64(x), &ll);
    double p = y * l, rest = product_rest_f64(y, l, p) + y * ll;
    double c = p > 710 ? 710 : p < -746 ? -746 : p;
    return pow_edges_f64(x, y, exp_sum_f64(c, c == p ? rest : 0));
}
