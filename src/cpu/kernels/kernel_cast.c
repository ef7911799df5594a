/* Casts from every dtype to every other: reals are cut towards zero, and saturate where they do not fit; NaN becomes 0;
 * integers keep their low bits; bool is != 0. */
#include "cpu/kernels/kernel_impl.h"

#define X(name, type, text) typedef type type_##name;
WG_DTYPE_MAP(X)
#undef X

/* ---- One element: <from>_to_<to>; u8 and bool go by i32 ---- */

/* Clips x to lo..hi, and NaN to 0. 2^31 and 2^63 are no values of the integer, so hi is the largest float below. */
INLINE float clip_f32(float x, float lo, float hi)
{
    float c = x < lo ? lo : x > hi ? hi : x;
    return c == c ? c : 0;
}
INLINE double clip_f64(double x, double lo, double hi)
{
    double c = x < lo ? lo : x > hi ? hi : x;
    return c == c ? c : 0;
}

INLINE float   f32_to_F32(float x) { return x; }
INLINE double  f32_to_F64(float x) { return x; }
INLINE int32_t f32_to_I32(float x)
{
    int32_t y = (int32_t)clip_f32(x, -0x1p31f, 0x1.fffffep30f);
    return x >= 0x1p31f ? INT32_MAX : y;
}
INLINE int64_t f32_to_I64(float x)
{
    int64_t y = (int64_t)clip_f32(x, -0x1p63f, 0x1.fffffep62f);
    return x >= 0x1p63f ? INT64_MAX : y;
}
INLINE uint8_t f32_to_U8(float x) { return (uint8_t)(int32_t)clip_f32(x, 0, UINT8_MAX); }
INLINE uint8_t f32_to_BOOL(float x) { return x != 0; }

INLINE float   f64_to_F32(double x) { return (float)x; }
INLINE double  f64_to_F64(double x) { return x; }
INLINE int32_t f64_to_I32(double x) { return (int32_t)clip_f64(x, INT32_MIN, INT32_MAX); }
INLINE int64_t f64_to_I64(double x)
{
    int64_t y = (int64_t)clip_f64(x, -0x1p63, 0x1.fffffffffffffp62);
    return x >= 0x1p63 ? INT64_MAX : y;
}
INLINE uint8_t f64_to_U8(double x) { return (uint8_t)(int32_t)clip_f64(x, 0, UINT8_MAX); }
INLINE uint8_t f64_to_BOOL(double x) { return x != 0; }

INLINE float   i32_to_F32(int32_t x) { return (float)x; }
INLINE double  i32_to_F64(int32_t x) { return x; }
INLINE int32_t i32_to_I32(int32_t x) { return x; }
INLINE int64_t i32_to_I64(int32_t x) { return x; }
INLINE uint8_t i32_to_U8(int32_t x) { return (uint8_t)x; }
INLINE uint8_t i32_to_BOOL(int32_t x) { return x != 0; }

INLINE float   i64_to_F32(int64_t x) { return (float)x; }
INLINE double  i64_to_F64(int64_t x) { return (double)x; }
INLINE int32_t i64_to_I32(int64_t x) { return (int32_t)(uint32_t)x; }
INLINE int64_t i64_to_I64(int64_t x) { return x; }
INLINE uint8_t i64_to_U8(int64_t x) { return (uint8_t)x; }
INLINE uint8_t i64_to_BOOL(int64_t x) { return x != 0; }

#define BY_F32(to) f32_to_##to
#define BY_F64(to) f64_to_##to
#define BY_I32(to) i32_to_##to
#define BY_I64(to) i64_to_##to
#define BY_U8(to) i32_to_##to
#define BY_BOOL(to) i32_to_##to

/* ---- Blocks ---- */

/* y[i] = x[j], each in its own dtype */
typedef void move_fn(void *y, int64_t i, const void *x, int64_t j);

#define X(from, to)                                                          \
    INLINE void from##_to_##to(void *y, int64_t i, const void *x, int64_t j) \
    {                                                                        \
        ((type_##to *)y)[i] = BY_##from(to)(((const type_##from *)x)[j]);    \
    }
CAST_MAP(X)
#undef X

INLINE void cast(int64_t n, void *y, const void *x, unsigned once, move_fn *move)
{
    if (once) {
        for (int64_t i = 0; i < n; i++) move(y, i, x, 0);
        return;
    }
    EACH_ALONE
    for (int64_t i = 0; i < n; i++) move(y, i, x, i);
}

#define X(from, to)                                                                                                    \
    wg_block LEVEL(wg__cast_##from##_##to);                                                                            \
    void     LEVEL(wg__cast_##from##_##to)(int64_t n, void *y, const void *const x[], unsigned once, const void *attr) \
    {                                                                                                                  \
        (void)attr;                                                                                                    \
        cast(n, y, x[0], once, from##_to_##to);                                                                        \
    }
CAST_MAP(X)
#undef X
