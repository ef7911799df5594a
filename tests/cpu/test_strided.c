/* Copies of elements that do not lie side by side: each byte once, and none beside them. */
#include <criterion/criterion.h>
#include <string.h>

#include "cpu/level_test.h"
#include "cpu/strided.h"

enum { BYTES = 1 << 16, EDGE = 64 };

static uint32_t state;
static int64_t  roll(int64_t n)
{
    state = state * 1664525u + 1013904223u;
    return (int64_t)((uint64_t)(state >> 4) * (uint64_t)n >> 28);
}

static char from[BYTES], to[BYTES], want[BYTES];

static void begin(int round)
{
    state = (uint32_t)round * 2654435761u + 1;
    for (int i = 0; i < BYTES; i++) from[i] = (char)roll(256);
    memset(to, 7, sizeof to);
    memset(want, 7, sizeof want);
}

Test(strided, runs_are_copied_byte_by_byte)
{
    for (int round = 0; round < 400; round++) {
        begin(round);
        size_t  size = (size_t)(round % 80);
        int64_t n = roll(40), xstep = (int64_t)size + roll(30), ystep = (int64_t)size + (roll(2) ? roll(30) : 0);
        int64_t at[40];
        if (!roll(5)) xstep = 0;
        wg__copy_strided(to + EDGE, ystep, from, xstep, n, size);
        for (int64_t i = 0; i < n; i++) memcpy(want + EDGE + i * ystep, from + i * xstep, size);
        cr_assert_arr_eq(to, want, BYTES, "strided, size %zu", size);
        begin(round);
        for (int64_t i = 0; i < n; i++) at[i] = roll(100);
        if (size == 0) continue;
        wg__copy_picked(to + EDGE, from, at, n, size);
        for (int64_t i = 0; i < n; i++) memcpy(want + EDGE + i * (int64_t)size, from + at[i] * (int64_t)size, size);
        cr_assert_arr_eq(to, want, BYTES, "picked, size %zu", size);
    }
}

Test(strided, planes_are_copied_byte_by_byte)
{
    for (int round = 0; round < 400; round++) {
        begin(round);
        size_t  size = (size_t)(1 + roll(17));
        int64_t e = (int64_t)size, rows = roll(9), n = 1 + roll(9), ystep = e + (roll(2) ? roll(5) : 0);
        int64_t xstep = roll(2) ? e : e * roll(4) - e, yrow = n * ystep + (roll(2) ? roll(9) : 0);
        int64_t xrow = roll(2) ? n * xstep : roll(200);
        char   *x = from + BYTES / 2;
        wg__copy_plane(to + EDGE, yrow, ystep, x, xrow, xstep, rows, n, size);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < n; j++) memcpy(want + EDGE + i * yrow + j * ystep, x + i * xrow + j * xstep, size);
        cr_assert_arr_eq(to, want, BYTES, "round %d", round);
    }
}

/* Repeats elements of every size on every level, within the bytes that may be overwritten. */
Test(strided, elements_repeat_on_every_level)
{
    static const size_t sizes[] = {1, 4, 8};
    for (int round = 0; round < 900; round++) {
        const struct wg__kernels *k = wg__kernels_of(levels[round % LEVELS]);
        if (!k) continue;
        begin(round);
        size_t  size = sizes[round / LEVELS % 3];
        int64_t e = (int64_t)size, m = roll(40), step = roll(2), c = 1 + (roll(3) ? roll(5) : roll(70));
        if (!roll(4)) step = roll(60) - 20;
        char *x = from + BYTES / 2;
        k->repeat(size, m, step, c, x, to + EDGE);
        for (int64_t i = 0; i < m * c; i++) memcpy(want + EDGE + i * e, x + i / c * step * e, size);
        int64_t end = EDGE + m * c * e, beyond = end + (m ? WG__REPEAT_BEYOND : 0);
        cr_assert_arr_eq(to, want, (size_t)end, "%s: %lld times, size %zu", k->level, (long long)c, size);
        cr_assert_arr_eq(to + beyond, want + beyond, (size_t)(BYTES - beyond));
    }
}
