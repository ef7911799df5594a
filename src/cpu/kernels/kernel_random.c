/* Uniform, normal and Bernoulli numbers: element i is a function of (seed,
 * stream, run, i), so that any piece may be drawn by any thread.
 *
 * A block of four words gives four f32 or two f64 numbers (four of a mask).
 * Normal numbers come in pairs: r cos a and r sin a with r = sqrt(-2 ln u) and
 * a = 2 pi v (G. E. P. Box and M. E. Muller 1958). */
/* Every level rounds twice, so that the numbers are the same on all of them. */
#define WG__NO_FMA
#include "cpu/kernels/kernel_impl.h"
#include "base/number/philox.h"

enum { BLOCKS = 64, WORDS = 4 * BLOCKS };

struct sequence {
    uint64_t seed, stream, run;
};

/* Draws the words of `blocks` blocks from `block` on. */
static void draw(struct sequence s, int64_t block, int blocks, uint32_t word[WORDS])
{
    for (int i = 0; i < blocks; i++) {
        struct philox p = philox(philox_at(s.seed, s.stream, s.run, (uint64_t)block + (uint64_t)i));
        word[4 * i] = p.a;
        word[4 * i + 1] = p.b;
        word[4 * i + 2] = p.c;
        word[4 * i + 3] = p.d;
    }
}

#define DTYPE f32
#define T float
#define M(f) f##_f32
#define EACH 1 /* words a number */
#define ROUNDER ROUNDER_F32
INLINE float unit_f32(const uint32_t *word, int64_t i) { return (float)(int32_t)(word[i] >> 8) * 0x1p-24f; }
/* Makes a word a number above 0, so that the number has a logarithm, and as small as 2^-32. */
INLINE float above_zero_f32(const uint32_t *word, int64_t i)
{
    return (float)(int32_t)(word[i] >> 1) * 0x1p-31f + 0x1p-32f;
}
/* Computes sin(r + n pi/2). */
INLINE float turned_f32(float r, uint32_t n) { return sin_turned_f32(r, n); }
INLINE float below_f32(double x) { return nextafterf((float)x, -INFINITY); }
#include "cpu/kernels/random.h"

#define DTYPE f64
#define T double
#define M(f) f##_f64
#define EACH 2
#define ROUNDER ROUNDER_F64
/* Makes two words a number in [0, 1) of 53 bits, put into a mantissa rather than converted. */
INLINE double unit_f64(const uint32_t *word, int64_t i)
{
    uint64_t bits = (uint64_t)word[2 * i + 1] << 32 | word[2 * i];
    double   high = double_of(bits >> 12 | bits_f64(1.0)) - 1; /* 52 bits */
    return high + ((bits >> 11 & 1) != 0 ? 0x1p-53 : 0);
}
INLINE double above_zero_f64(const uint32_t *word, int64_t i) { return unit_f64(word, i) + 0x1p-54; }
INLINE double turned_f64(double r, uint64_t n) { return sin_turned_f64(r, 0, n); }
INLINE double below_f64(double x) { return nextafter(x, -(double)INFINITY); }
#include "cpu/kernels/random.h"
