/* What a tape that trains computes, and what one that evaluates: wg_training, and dropout, which is made of it. */
#include "tape/tape_test.h"

static wg_graph *g;
static void      start(void) { g = wg_graph_new(); }
static void      stop(void) { wg_graph_free(g); }
TestSuite(tape_training, .init = start, .fini = stop, .timeout = 60);

static const wg_options evaluate = {.evaluate = 1};

/* A layer as a program writes it: x - mean(x) in training, x - kept in evaluation. */
struct layer {
    wg_node *x, *kept, *y;
};

static struct layer centre(int64_t rows)
{
    struct layer l = {wg_input(g, "x", WG_F64, WG_SHAPE(rows, 3)), wg_param(g, "kept", WG_F64, WG_SHAPE(3)), NULL};
    wg_node     *own = wg_sub(l.x, wg_mean(l.x, WG_AXES(0), 1)), *other = wg_sub(l.x, l.kept);
    l.y = wg_where(wg_training(g), own, other);
    wg_param_set(l.kept, (double[]){1, 10, 100});
    return l;
}

static const double in[2][3] = {{1, 2, 3}, {3, 6, 13}}, trained[2][3] = {{-1, -2, -5}, {1, 2, 5}},
                    evaluated[2][3] = {{0, -8, -97}, {2, -4, -87}};

static void expect_layer(wg_tape *t, const struct layer *l, const double want[2][3])
{
    double y[2][3];
    cr_assert_eq(wg_set_f64(t, l->x, 6, &in[0][0]), WG_OK, "%s", wg_tape_message(t));
    run(t);
    cr_assert_eq(wg_get_f64(t, l->y, 6, &y[0][0]), WG_OK, "%s", wg_tape_message(t));
    cr_expect_arr_eq(y, want, sizeof y);
}

/* Whatever passes are left out. */
Test(tape_training, a_layer_of_a_program_chooses)
{
    struct layer l = centre(2);
    for (unsigned skip = 0; skip < 16; skip++) {
        wg_tape *train = compile(g, 1, &l.y, &(wg_options){.skip = skip}),
                *test = compile(g, 1, &l.y, &(wg_options){.skip = skip, .evaluate = 1});
        expect_layer(train, &l, trained);
        expect_layer(test, &l, evaluated);
    }
}

Test(tape_training, nothing_is_left_of_the_choice)
{
    struct layer l = centre(2);
    wg_node     *own = l.y->x[1], *other = l.y->x[2];
    wg_tape     *train = compile(g, 1, &l.y, NULL), *alone = compile(g, 1, &own, NULL);
    wg_tape     *test = compile(g, 1, &l.y, &evaluate), *without = compile(g, 1, &other, &evaluate);
    cr_expect_eq(instructions(train), instructions(alone));
    cr_expect_eq(wg_stats(train).flops, wg_stats(alone).flops);
    cr_expect_eq(instructions(test), instructions(without));
    cr_expect_eq(wg_stats(test).flops, wg_stats(without).flops);
    wg_node *drop = wg_exp(wg_dropout(l.x, 0.5)), *plain = wg_exp(l.x);
    cr_expect_eq(wg_stats(compile(g, 1, &drop, &evaluate)).flops, wg_stats(compile(g, 1, &plain, &evaluate)).flops,
                 "a mask that nobody reads is not made");
}

Test(tape_training, is_a_value_like_others)
{
    wg_node *t = wg_training(g), *y = wg_cast(wg_not(wg_and(t, wg_training(g))), WG_F64);
    wg_tape *train = compile(g, WG_NODES(t, y), NULL), *test = compile(g, WG_NODES(t, y), &evaluate);
    run(train);
    run(test);
    cr_expect_eq(*(const uint8_t *)wg_view(train, t), 1);
    cr_expect_eq(*(const uint8_t *)wg_view(test, t), 0);
    cr_expect_eq(wg_get_scalar(train, y), 0);
    cr_expect_eq(wg_get_scalar(test, y), 1);
    cr_expect_eq(wg_node_dtype(t), WG_BOOL);
    cr_expect_eq(wg_node_shape(t)->rank, 0);
    cr_expect_null(wg_training(NULL));
}

Test(tape_training, eager_mode_trains)
{
    wg_tape     *t = wg_graph_eager(g);
    wg_node     *x = wg_input(g, "x", WG_F64, WG_SHAPE(2, 3)), *kept = wg_param(g, "kept", WG_F64, WG_SHAPE(3));
    struct layer l = {x, kept, NULL};
    wg_set_f64(t, x, 6, &in[0][0]);
    wg_node *own = wg_sub(x, wg_mean(x, WG_AXES(0), 1)), *choice = wg_training(g);
    l.y = wg_where(choice, own, wg_sub(x, kept));
    cr_assert_not_null(l.y, "%s", wg_message(g));
    expect_layer(t, &l, trained);
    cr_expect_eq(*(const uint8_t *)wg_view(t, choice), 1);
}

/* Each tape has the gradient of what it computes. */
Test(tape_training, the_gradient_is_that_of_the_choice)
{
    wg_node *x = wg_input(g, "x", WG_F64, WG_SCALAR), *dx, *ddx;
    wg_node *y = wg_where(wg_training(g), wg_mul(x, wg_square(x)), wg_exp(x));
    cr_assert_eq(wg_grad(y, 1, &x, &dx), WG_OK, "%s", wg_message(g));
    cr_assert_eq(wg_grad(dx, 1, &x, &ddx), WG_OK, "%s", wg_message(g));
    wg_tape *train = compile(g, WG_NODES(y, dx, ddx), NULL), *test = compile(g, WG_NODES(y, dx, ddx), &evaluate);
    wg_set_scalar(train, x, 2);
    wg_set_scalar(test, x, 0);
    run(train);
    run(test);
    cr_expect_eq(wg_get_scalar(train, dx), 12);
    cr_expect_eq(wg_get_scalar(train, ddx), 12);
    cr_expect_eq(wg_get_scalar(test, dx), 1);
    cr_expect_eq(wg_get_scalar(test, ddx), 1);
}

Test(tape_training, sizes_may_be_symbols)
{
    struct layer l = centre(wg_dim(g, "batch"));
    expect_layer(compile(g, 1, &l.y, &(wg_options){.bind = {{"batch", 2}}}), &l, trained);
    expect_layer(compile(g, 1, &l.y, &(wg_options){.bind = {{"batch", 2}}, .evaluate = 1}), &l, evaluated);
}

/* Sequences of dropouts on dropouts, as they have been since places number them. */
Test(tape_training, dropout_draws_what_it_always_drew)
{
    static const char *const want[] = {"1110011011011101", "1110011011011001", "1100011011000100"};
    wg_set_seed(g, 5);
    wg_node *x = wg_fill(g, WG_F64, WG_SHAPE(16), 1), *a = wg_dropout(x, 0.5), *b = wg_dropout(wg_scale(a, 3), 0.25);
    wg_node *y[] = {a, b, wg_dropout(wg_add(a, b), 0.5)};
    wg_tape *t = compile(g, 3, y, NULL);
    run(t);
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 16; i++) cr_expect_eq(element(t, y[k], i) != 0, want[k][i] == '1', "%d, element %d", k, i);
}
