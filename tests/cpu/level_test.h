/* level_test.h - the levels of instructions, for tests that go through all. */
#ifndef WENGERT_TESTS_LEVEL_TEST_H
#define WENGERT_TESTS_LEVEL_TEST_H

#include "cpu/cpu.h"

/* The levels of x86. wg__kernels_of returns NULL for one that this CPU lacks. */
static const char *const levels[] = {"baseline", "avx2", "avx512"};
enum { LEVELS = sizeof levels / sizeof *levels };

#endif
