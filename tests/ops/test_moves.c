/* Operators that only move elements: each one arrives. */
#include <stdlib.h>

#include "ops/ops_test.h"

static uint32_t state;
static int64_t  roll(int64_t n)
{
    state = state * 1664525u + 1013904223u;
    return (int64_t)((uint64_t)(state >> 4) * (uint64_t)n >> 28);
}

/* Joins parts of odd widths, none among them, and cuts them apart again, on any number of threads. */
Test(moves, parts_join_and_come_apart)
{
    for (int round = 0; round < 60; round++) {
        state = (uint32_t)round * 2654435761u + 1;
        enum { PARTS = 5 };
        int64_t  outer = round % 3 ? 1 + roll(3000) : 1, inner = 1 + roll(4), size[PARTS], all = 0;
        wg_dtype t = roll(2) ? WG_F64 : roll(2) ? WG_F32 : WG_U8;
        for (int k = 0; k < PARTS; k++) all += size[k] = roll(6);
        wg_graph *g = wg_graph_new();
        wg_shape  s = WG_SHAPE(outer, all, inner);
        size_t    bytes = wg__bytes(t, &s);
        char     *data = malloc(bytes + 1), *got = malloc(bytes + 1);
        for (size_t i = 0; i < bytes; i++) data[i] = (char)roll(100);
        wg_node *x = wg_input(g, "x", t, s), *part = wg_split(x, 1, PARTS, size), *p[PARTS];
        for (int k = 0; k < PARTS; k++) p[k] = wg_result(part, k);
        wg_node *y = wg_concat(PARTS, p, 1);
        wg_tape *tape = wg_compile(g, 1, &y, &(wg_options){.threads = 1 + round % 4});
        cr_assert(tape && !wg_set(tape, x, data) && !wg_run(tape) && !wg_get(tape, y, got), "%s", wg_message(g));
        cr_assert_arr_eq(got, data, bytes, "round %d", round);
        free(data);
        free(got);
        wg_graph_free(g);
    }
}

/* Transposes blocks of any size in every width of an element. */
Test(moves, a_transpose_moves_every_element)
{
    for (int round = 0; round < 60; round++) {
        state = (uint32_t)round * 2654435761u + 1;
        int64_t   a = 1 + roll(70), b = 1 + roll(70), d = 1 + roll(4);
        wg_dtype  t = round % 3 == 0 ? WG_I64 : round % 3 == 1 ? WG_I32 : WG_U8;
        size_t    e = wg_dtype_size(t);
        bool      inner = roll(2); /* the last axis stays, or comes to the front */
        wg_graph *g = wg_graph_new();
        wg_shape  s = WG_SHAPE(a, b, d);
        char     *data = malloc((size_t)(a * b * d) * e), *got = malloc((size_t)(a * b * d) * e);
        for (size_t i = 0; i < (size_t)(a * b * d) * e; i++) data[i] = (char)roll(100);
        wg_node *x = wg_input(g, "x", t, s), *y = wg_transpose(x, inner ? WG_AXES(1, 0, 2) : WG_AXES(2, 1, 0));
        wg_tape *tape = wg_compile(g, 1, &y, NULL);
        cr_assert(tape && !wg_set(tape, x, data) && !wg_run(tape) && !wg_get(tape, y, got), "%s", wg_message(g));
        for (int64_t i = 0; i < a; i++)
            for (int64_t j = 0; j < b; j++)
                for (int64_t k = 0; k < d; k++) {
                    int64_t at = inner ? (j * a + i) * d + k : (k * b + j) * a + i;
                    cr_assert_arr_eq(got + (size_t)at * e, data + (size_t)((i * b + j) * d + k) * e, e);
                }
        free(data);
        free(got);
        wg_graph_free(g);
    }
}
