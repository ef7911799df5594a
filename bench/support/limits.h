/* limits.h - loops that measure the machine without the library, shared by bench_limits and bench_kernels. */
#ifndef BENCH_LIMITS_H
#define BENCH_LIMITS_H

#include <stdint.h>

/* Does arithmetic in `steps` passes over arrays of n floats (a multiple of 16, 64-byte aligned). */
typedef void bench_loop(float *y, const float *x, int64_t n, int64_t steps);

/* A step of bench_level().fma makes BENCH_FMA_CHAINS * BENCH_FMA_REPEAT multiply-adds of `lanes` floats. */
enum { BENCH_FMA_CHAINS = 12, BENCH_FMA_REPEAT = 4096 };

struct bench_level {
    const char *name;
    bench_loop *fma, *update; /* update: y += a x */
    int         lanes;
};

/* Finds the loops of the best level that this CPU has. */
struct bench_level bench_level(void);
/* Copies x to y. */
bench_loop bench_copy;

#endif
