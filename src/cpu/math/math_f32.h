/* math_f32.h - the functions of math.h for float; included by math.h only. */
#define LOG2E_F32 0x1.715476p+0f
#define LN2_HI_F32 0x1.62ep-1f /* 13 bits: n ln2_hi is exact */
#define LN2_LO_F32 0x1.0bfbe8p-15f

/* ---- exp ---- */

/* Computes p 2^k in two steps, so that only the second may round or overflow. */
INLINE float scale_f32(float p, uint32_t k)
{
    uint32_t half = (uint32_t)((int32_t)k >> 1);
    return p * float_of((half + 127) << 23) * float_of((k - half + 127) << 23);
}

/* Sets *r = x - n ln 2, |r| <= ln(2)/2, and returns n. */
INLINE uint32_t exp_split_f32(float x, float *r)
{
    float t = fma_f32(x, LOG2E_F32, ROUNDER_F32), n = t - ROUNDER_F32;
    *r = fma_f32(n, -LN2_LO_F32, fma_f32(n, -LN2_HI_F32, x));
    return bits_f32(t) - bits_f32(ROUNDER_F32);
}
/* Computes e^r for |r| <= ln(2)/2. */
INLINE float exp_near_f32(float r)
{
    float q = 0x1.6a20d4p-10f;
    q = fma_f32(q, r, 0x1.123ac0p-7f);
    q = fma_f32(q, r, 0x1.5558fap-5f);
    q = fma_f32(q, r, 0x1.555490p-3f);
    q = fma_f32(q, r, 0x1.fffffcp-2f);
    return fma_f32(r * r, q, r) + 1;
}
INLINE float exp_f32(float x)
{
    float    r, c = x > 89 ? 89 : x;
    uint32_t k = exp_split_f32(c < -104.5f ? -104.5f : c, &r);
    return scale_f32(exp_near_f32(r), k);
}
/* Computes e^x for |x| <= exp_limit_f32, where no scale is out of range. */
#define exp_limit_f32 87
INLINE float exp_inside_f32(float x)
{
    float    r;
    uint32_t k = exp_split_f32(x, &r);
    return exp_near_f32(r) * float_of((k + 127) << 23);
}
/* Computes e^x - 1 = 2^k (e^r - 1) + (2^k - 1), by 2^(k-1) because 2^128 is too large. */
INLINE float expm1_f32(float x)
{
    float    r, c = x > 89 ? 89 : x < -30 ? -30 : x;
    uint32_t k = exp_split_f32(c, &r);
    float    q = 0x1.a171ecp-13f;
    q = fma_f32(q, r, 0x1.6d75eap-10f);
    q = fma_f32(q, r, 0x1.1110b0p-7f);
    q = fma_f32(q, r, 0x1.5554acp-5f);
    q = fma_f32(q, r, 0x1.555556p-3f);
    q = fma_f32(q, r, 0.5f);
    float p = fma_f32(r * r, q, r), s = float_of((k + 126) << 23);
    float y = fma_f32(s, p, s - 0.5f) * 2;
    return copysign_f32(k == 0 ? p : y, x);
}

/* ---- log ---- */

/* Splits x = m 2^e, sqrt(1/2) <= m < sqrt(2), for normal x > 0; returns e. */
INLINE int32_t split_f32(float x, float *m)
{
    int32_t e = (int32_t)(bits_f32(x) - 0x3f3504f3) >> 23;
    *m = float_of(bits_f32(x) - ((uint32_t)e << 23));
    return e;
}
/* Computes e ln 2 + ln(1 + f), with ln(1 + f) = f - f^2/2 + f^3 P(f). */
INLINE float log_sum_f32(float f, float e)
{
    float z = f * f, q = -0x1.41d098p-4f;
    q = fma_f32(q, f, 0x1.07cb08p-3f);
    q = fma_f32(q, f, -0x1.0ce38ap-3f);
    q = fma_f32(q, f, 0x1.226f5ep-3f);
    q = fma_f32(q, f, -0x1.547852p-3f);
    q = fma_f32(q, f, 0x1.99a588p-3f);
    q = fma_f32(q, f, -0x1.000220p-2f);
    q = fma_f32(q, f, 0x1.55554ap-2f);
    float tail = fma_f32(z, -0.5f, fma_f32(z * f, q, e * LN2_LO_F32));
    return fma_f32(e, LN2_HI_F32, f + tail);
}
INLINE float log_f32(float x)
{
    bool    tiny = x < 0x1p-126f;
    float   m;
    int32_t e = split_f32(tiny ? x * 0x1p23f : x, &m);
    float   y = log_sum_f32(m - 1, (float)(tiny ? e - 23 : e));
    y = x < INFINITY ? y : x;
    y = x < 0 ? NAN : y;
    return x == 0 ? -INFINITY : y;
}
/* Computes ln x for normal x > 0. */
INLINE float log_inside_f32(float x)
{
    float   m;
    int32_t e = split_f32(x, &m);
    return log_sum_f32(m - 1, (float)e);
}
/* Computes ln(1 + x); c makes up for the rounding of 1 + x. */
INLINE float log1p_f32(float x)
{
    float   m, u = 1 + x, v = u - 1, c = (1 - (u - v)) + (x - v);
    int32_t e = split_f32(u, &m);
    float   unit = float_of((uint32_t)(127 - e) << 23);
    float   y = log_sum_f32((m - 1) + (e < 100 ? c * unit : 0), (float)e);
    y = x < INFINITY ? y : x;
    y = x < -1 ? NAN : x == -1 ? -INFINITY : y;
    return copysign_f32(y, x);
}

/* ---- functions of exp and log ---- */

/* Computes tanh x: x + x^3 T(x^2) near 0, else 1 - 2 / (e^2x + 1), which rounds to 1 from 9.02 on. */
INLINE float tanh_f32(float x)
{
    float a = fabs_f32(x), b = a > 9.02f ? 9.02f : a, z = a * a;
    float t = -0x1.8308a2p-8f;
    t = fma_f32(t, z, 0x1.54df54p-6f);
    t = fma_f32(t, z, -0x1.b89ebap-5f);
    t = fma_f32(t, z, 0x1.1109dap-3f);
    t = fma_f32(t, z, -0x1.55553ep-2f);
    float far = 1 - 2 / (exp_inside_f32(2 * b) + 1);
    return copysign_f32(a < 0.6f ? fma_f32(a * z, t, a) : far, x);
}
INLINE float sigmoid_f32(float x)
{
    float e = exp_f32(-fabs_f32(x));
    return (x < 0 ? e : 1) / (1 + e);
}
INLINE float softplus_f32(float x) { return (x > 0 ? x : 0) + log1p_f32(exp_f32(-fabs_f32(x))); }
/* Computes the same as sigmoid and softplus where |x| <= exp_limit_f32. */
INLINE float sigmoid_inside_f32(float x)
{
    float e = exp_inside_f32(-fabs_f32(x));
    return (x < 0 ? e : 1) / (1 + e);
}
INLINE float softplus_inside_f32(float x) { return (x > 0 ? x : 0) + log1p_f32(exp_inside_f32(-fabs_f32(x))); }

/* Computes erf x: x + x S(x^2) near 0, else 1 - exp(-x L(x)). */
INLINE float erf_f32(float x)
{
    float a = fabs_f32(x), b = a > 3.95f ? 3.95f : a, z = x * x;
    float s = 0x1.65061cp-14f;
    s = fma_f32(s, z, -0x1.aca03ep-11f);
    s = fma_f32(s, z, 0x1.5509e0p-8f);
    s = fma_f32(s, z, -0x1.b81518p-6f);
    s = fma_f32(s, z, 0x1.ce2e54p-4f);
    s = fma_f32(s, z, -0x1.812744p-2f);
    s = fma_f32(s, z, 0x1.06eba8p-3f);
    float l = 0x1.5ddba0p-17f;
    l = fma_f32(l, b, -0x1.4a1bb2p-12f);
    l = fma_f32(l, b, 0x1.d93466p-9f);
    l = fma_f32(l, b, -0x1.843662p-6f);
    l = fma_f32(l, b, 0x1.b2d41ep-4f);
    l = fma_f32(l, b, 0x1.4538a4p-1f);
    l = fma_f32(l, b, 0x1.20ee5ep+0f);
    return a < 0.9f ? fma_f32(x, s, x) : copysign_f32(1 - exp_inside_f32(-b * l), x);
}

/* ---- sin, cos, tan ---- */

/* Sets *r = x - n pi/2, |r| <= pi/4, and returns n. */
INLINE uint32_t quarter_turns_f32(float x, float *r)
{
    double t = (double)x * 0x1.45f306dc9c883p-1 + ROUNDER_F64, n = t - ROUNDER_F64;
    *r = (float)(((double)x - n * 0x1.921fb54400000p+0) - n * 0x1.0b4611a626331p-34);
    return (uint32_t)bits_f64(t);
}
INLINE float sin_near_f32(float r)
{
    float z = r * r, q = -0x1.994ae2p-13f;
    q = fma_f32(q, z, 0x1.110756p-7f);
    q = fma_f32(q, z, -0x1.555546p-3f);
    return fma_f32(r * z, q, r);
}
INLINE float cos_near_f32(float r)
{
    float z = r * r, half = 0.5f * z, w = 1 - half, q = 0x1.99ff1cp-16f;
    q = fma_f32(q, z, -0x1.6c0c80p-10f);
    q = fma_f32(q, z, 0x1.55554ap-5f);
    return w + fma_f32(z * z, q, (1 - w) - half);
}
/* Computes sin(r + n pi/2). */
INLINE float sin_turned_f32(float r, uint32_t n)
{
    float y = n & 1 ? cos_near_f32(r) : sin_near_f32(r);
    return float_of(bits_f32(y) ^ (n & 2) << 30);
}
INLINE float sin_f32(float x)
{
    float    r;
    uint32_t n = quarter_turns_f32(x, &r);
    return x == 0 ? x + x : sin_turned_f32(r, n);
}
INLINE float cos_f32(float x)
{
    float    r;
    uint32_t n = quarter_turns_f32(x, &r);
    return sin_turned_f32(r, n + 1);
}
INLINE float tan_f32(float x)
{
    float    r;
    uint32_t n = quarter_turns_f32(x, &r);
    float    s = sin_near_f32(r), c = cos_near_f32(r);
    float    y = (n & 1 ? -c : s) / (n & 1 ? s : c);
    return x == 0 ? x + x : y;
}

/* Computes x^y in double, where e^(y ln|x|) is right to the last bit but for ties. */
INLINE float pow_f32(float x, float y)
{
    double z = exp_f64((double)y * log_f64((double)fabs_f32(x)));
    return (float)pow_edges_f64((double)x, (double)y, z);
}
