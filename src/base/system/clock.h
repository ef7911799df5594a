/* clock.h - time that only goes forward (CLOCK_MONOTONIC), in nanoseconds. */
#ifndef WENGERT_BASE_CLOCK_H
#define WENGERT_BASE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

static inline uint64_t wg__now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* Returns a time of this clock as calls of the system take it. */
static inline struct timespec wg__timespec(uint64_t ns)
{
    return (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
}

/* Makes a condition whose deadlines are times of this clock; false if the system cannot. */
static inline bool wg__steady_cond(pthread_cond_t *c)
{
    pthread_condattr_t a;
    if (pthread_condattr_init(&a)) return false;
    bool made = !pthread_condattr_setclock(&a, CLOCK_MONOTONIC) && !pthread_cond_init(c, &a);
    pthread_condattr_destroy(&a);
    return made;
}

#endif
