/* lanes_neon.h - vectors of T on AArch64; a part of lanes.h.  A vector of float is a register, one of double is two. */
#ifndef WENGERT_CPU_LANES_NEON_H
#define WENGERT_CPU_LANES_NEON_H

#include <arm_neon.h>
#include <string.h>

typedef T   vec __attribute__((vector_size(4 * sizeof(T))));
typedef int some; /* how many */
enum { LANES = 4 };
#if F64
#define REGISTERS 16
#else
#define REGISTERS 32
#endif

static inline vec load(const T *p)
{
    vec x;
    memcpy(&x, p, sizeof x);
    return x;
}
static inline void store(T *p, vec x) { memcpy(p, &x, sizeof x); }
static inline vec  all(T x) { return (vec){x, x, x, x}; }
#if F64
static inline vec multiply_add(vec x, vec y, vec z)
{
    float64x2_t a = vfmaq_f64(__builtin_shufflevector(z, z, 0, 1), __builtin_shufflevector(x, x, 0, 1),
                              __builtin_shufflevector(y, y, 0, 1));
    float64x2_t b = vfmaq_f64(__builtin_shufflevector(z, z, 2, 3), __builtin_shufflevector(x, x, 2, 3),
                              __builtin_shufflevector(y, y, 2, 3));
    return __builtin_shufflevector(a, b, 0, 1, 2, 3);
}
static inline vec low(vec x, vec y) { return __builtin_shufflevector(x, y, 0, 4, 2, 6); }
static inline vec high(vec x, vec y) { return __builtin_shufflevector(x, y, 1, 5, 3, 7); }
#else
static inline vec multiply_add(vec x, vec y, vec z)
{
    return (vec)vfmaq_f32((float32x4_t)z, (float32x4_t)x, (float32x4_t)y);
}
static inline vec low(vec x, vec y) { return __builtin_shufflevector(x, y, 0, 4, 1, 5); }
static inline vec high(vec x, vec y) { return __builtin_shufflevector(x, y, 2, 6, 3, 7); }
#endif
static inline vec  low_half(vec x, vec y) { return __builtin_shufflevector(x, y, 0, 1, 4, 5); }
static inline vec  high_half(vec x, vec y) { return __builtin_shufflevector(x, y, 2, 3, 6, 7); }
static inline some first(int n) { return n; }
static inline vec  load_some(const T *p, some n)
{
    vec x = {0};
    for (int i = 0; i < n; i++) x[i] = p[i];
    return x;
}
static inline void store_some(T *p, some n, vec x)
{
    for (int i = 0; i < n; i++) p[i] = x[i];
}
static inline vec  load_groups(const T *p, int64_t row) { return (void)row, load(p); }
static inline void store_sums(T *p, vec x) { store(p, x); }

#endif
