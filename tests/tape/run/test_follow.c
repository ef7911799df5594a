/* Values that are followed, on the CPU.  From a device: tests/cuda/tape/test_follow.c. */
#include "support/alloc.h"
#include "tape/tape_test.h"

static wg_graph *g;
static wg_node  *x, *y, *big;
static void      start(void)
{
    g = wg_graph_new();
    x = wg_input(g, "x", WG_F64, WG_SCALAR);
    y = wg_named(wg_square(x), "y");
    big = wg_named(wg_expand(y, WG_SHAPE(3)), "big");
}
static void stop(void) { wg_graph_free(g); }
TestSuite(tape_follow, .init = start, .fini = stop, .timeout = 60);

static void step(wg_tape *t, double v)
{
    wg_set_scalar(t, x, v);
    run(t);
}

static void next_is(wg_tape *t, const wg_node *v, uint64_t run, double value)
{
    uint64_t r = 99;
    double   got = 0;
    cr_expect_eq(wg_followed(t, v, &r, &got), 1, "%s", wg_tape_message(t));
    cr_expect_eq(r, run);
    cr_expect_eq(got, value);
}

static void none(wg_tape *t, const wg_node *v) { cr_expect_eq(wg_followed(t, v, NULL, NULL), 0); }

Test(tape_follow, each_run_gives_its_value_at_once)
{
    wg_tape *t = compile(g, WG_NODES(y), NULL);
    cr_assert_eq(wg_follow(t, y, 1), WG_OK);
    none(t, y);
    for (int i = 0; i < 5; i++) {
        step(t, i);
        next_is(t, y, (uint64_t)i, i * i);
        none(t, y);
    }
}

Test(tape_follow, where_the_number_of_runs_is_a_multiple)
{
    wg_tape *t = compile(g, WG_NODES(y), NULL);
    wg_set_run_number(t, 8);
    cr_assert_eq(wg_follow(t, y, 5), WG_OK);
    for (int i = 8; i < 16; i++) step(t, i);
    next_is(t, y, 9, 81);
    next_is(t, y, 14, 196);
    none(t, y);
}

Test(tape_follow, several_nodes_of_any_dtype)
{
    wg_node *i = wg_cast(y, WG_I64), *b = wg_cast(x, WG_BOOL), *f = wg_cast(x, WG_F32);
    wg_node *p = wg_param(g, "p", WG_U8, WG_SHAPE(1, 1)), *a = wg_assign(p, wg_shift(p, 3));
    wg_tape *t = compile(g, WG_NODES(i, b, f, a, p), NULL);
    wg_node *all[] = {i, b, f, p, x};
    for (int k = 0; k < 5; k++) cr_assert_eq(wg_follow(t, all[k], 1), WG_OK, "%s", wg_tape_message(t));
    step(t, 3.5);
    next_is(t, i, 0, 12);
    next_is(t, b, 0, 1);
    next_is(t, f, 0, 3.5);
    next_is(t, p, 0, 3); /* what the run assigned */
    next_is(t, x, 0, 3.5);
}

Test(tape_follow, the_oldest_is_dropped)
{
    wg_tape *t = compile(g, WG_NODES(y), NULL);
    wg_follow(t, y, 1);
    for (int i = 0; i < WG_FOLLOW_KEEPS + 3; i++) step(t, i);
    for (int i = 3; i < WG_FOLLOW_KEEPS + 3; i++) next_is(t, y, (uint64_t)i, i * i);
    none(t, y);
}

Test(tape_follow, stopped_and_begun_again)
{
    wg_tape *t = compile(g, WG_NODES(y), NULL);
    wg_follow(t, y, 1);
    step(t, 1);
    cr_expect_eq(wg_follow(t, y, 2), WG_OK); /* forgets */
    none(t, y);
    step(t, 2);
    next_is(t, y, 1, 4);
    cr_expect_eq(wg_follow(t, y, 0), WG_OK);
    cr_expect_eq(wg_follow(t, y, 0), WG_OK);
    step(t, 3);
    cr_expect_eq(wg_followed(t, y, NULL, NULL), WG_EARG);
    cr_expect_str_eq(wg_tape_message(t), "followed: y[] is not followed: see wg_follow");
}

Test(tape_follow, a_failing_run_gives_none)
{
    wg_tape *t = compile(g, WG_NODES(y), NULL);
    wg_follow(t, y, 1);
    wg_watch_finite(t, 1);
    wg_set_scalar(t, x, HUGE_VAL);
    cr_expect_eq(wg_run(t), WG_ENAN);
    none(t, y);
    step(t, 2);
    next_is(t, y, 0, 4);
}

Test(tape_follow, refused)
{
    wg_node *h = wg_sin(x), *z = wg_tanh(h);
    wg_tape *t = compile(g, WG_NODES(y, z, big), NULL);
    cr_expect_eq(wg_follow(NULL, y, 1), WG_EARG);
    cr_expect_eq(wg_followed(NULL, y, NULL, NULL), WG_EARG);
    cr_expect_eq(wg_followed(t, NULL, NULL, NULL), WG_EARG);
    cr_expect_eq(wg_follow(t, NULL, 1), WG_EARG);
    cr_expect_eq(wg_follow(t, y, -1), WG_EARG);
    cr_expect_str_eq(wg_tape_message(t), "follow: every -1 runs");
    cr_expect_eq(wg_follow(t, h, 1), WG_EARG); /* not kept */
    cr_expect_eq(wg_follow(t, big, 1), WG_ESHAPE);
    cr_expect_str_eq(wg_tape_message(t), "follow: big[3] has more or less than one element");
    wg_graph *other = wg_graph_new();
    cr_expect_eq(wg_follow(wg_graph_eager(other), y, 1), WG_EARG);
    wg_graph_free(other);
}

Test(tape_follow, short_of_memory)
{
    wg_tape *t = compile(g, WG_NODES(y), NULL);
    alloc_fail_at(0);
    int status = wg_follow(t, y, 1);
    alloc_restore();
    cr_expect_eq(status, WG_ENOMEM);
    cr_expect_eq(wg_follow(t, y, 1), WG_OK);
    step(t, 2);
    next_is(t, y, 0, 4);
}
