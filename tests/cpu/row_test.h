/* row_test.h - the rows of elementwise kernels, for tests that go through all. */
#ifndef WENGERT_TESTS_ROW_TEST_H
#define WENGERT_TESTS_ROW_TEST_H

#include <stdbool.h>

#include "cpu/cpu.h"

static const struct row {
    const char  *name;
    enum wg__row row;
    int          arity;
    bool         to_bool;
    bool         arithmetic; /* computes or compares numbers; else logic, or moves bits as they are */
} rows[] = {
#define U(id, ...) {#id, WG__ROW_##id, 1, false, true},
#define UA(id, ...) {#id, WG__ROW_##id, 1, false, true},
#include "ops/unary.def"
#undef U
#undef UA
#define B(id, ...) {#id, WG__ROW_##id, 2, false, true},
#define C(id, ...) {#id, WG__ROW_##id, 2, true, true},
#define L(id, ...) {#id, WG__ROW_##id, 2, true, false},
#include "ops/binary.def"
#undef B
#undef C
#undef L
    {"not", WG__ROW_not, 1, true, false},
    {"where", WG__ROW_where, 3, false, false},
    {"copy", WG__ROW_copy, 1, false, false},
};
enum { ROWS = sizeof rows / sizeof *rows };

#endif
