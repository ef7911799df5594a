/* tap.h - results of tests as TAP.  A program's main.c has the count. */
#ifndef WENGERT_TESTS_CUDA_TAP_H
#define WENGERT_TESTS_CUDA_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

extern struct tap_count {
    int tests, failures;
} tap_count;

/* A test with its name; gives ok back. */
static inline bool tap(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A test that was not run. */
static inline void tap_skip(const char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A remark. */
static inline void tap_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The plan; what main returns. */
static inline int tap_end(void);

static inline bool tap(bool ok, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("%sok - ", ok ? "" : "not ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
    tap_count.tests++;
    tap_count.failures += !ok;
    return ok;
}

static inline void tap_skip(const char *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("ok - ");
    vprintf(format, args);
    printf(" # SKIP %s\n", why);
    va_end(args);
    tap_count.tests++;
}

static inline void tap_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("# ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

static inline int tap_end(void)
{
    printf("1..%d\n", tap_count.tests);
    return tap_count.failures > 0;
}

#ifdef __cplusplus
}
#endif
#endif
