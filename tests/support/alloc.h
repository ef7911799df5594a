/* alloc.h - makes allocations of the library fail.
 *
 * The test program is linked with --wrap for malloc, calloc, realloc and
 * aligned_alloc, so that only calls from the library and the tests come here. */
#ifndef WENGERT_TESTS_ALLOC_H
#define WENGERT_TESTS_ALLOC_H

/* The n-th allocation from now (0: the next) and all after it fail, until
 * alloc_restore. */
void alloc_fail_at(long n);
/* Only the n-th fails. */
void alloc_fail_once_at(long n);
void alloc_restore(void);
/* Allocations since the start of the program. */
long alloc_count(void);

#endif
