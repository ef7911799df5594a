#include "support/alloc.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_long made, fail_from = LONG_MAX, fail_to = LONG_MAX;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);

static int refused(void)
{
    long at = atomic_fetch_add(&made, 1);
    if (at < atomic_load(&fail_from) || at >= atomic_load(&fail_to)) return 0;
    errno = ENOMEM;
    return 1;
}

void *__wrap_malloc(size_t n) { return refused() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size) { return refused() ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t n) { return refused() ? NULL : __real_realloc(p, n); }
void *__wrap_aligned_alloc(size_t align, size_t n) { return refused() ? NULL : __real_aligned_alloc(align, n); }

void alloc_fail_at(long n)
{
    atomic_store(&fail_to, LONG_MAX);
    atomic_store(&fail_from, atomic_load(&made) + n);
}
void alloc_fail_once_at(long n)
{
    long at = atomic_load(&made) + n;
    atomic_store(&fail_from, at);
    atomic_store(&fail_to, at + 1);
}
void alloc_restore(void) { atomic_store(&fail_from, LONG_MAX); }
long alloc_count(void) { return atomic_load(&made); }
