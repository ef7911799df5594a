/* Errors that were reproduced in Gorgonia (v0.9, Go), each as a law that holds
 * here, by their numbers in the comparison; its wrong gradients are in
 * test_gradients.c. */
#include <time.h>

#include "support/alloc.h"
#include "tape/tape_test.h"

static wg_graph *g;
static void      start(void) { g = wg_graph_new(); }
static void      stop(void) { wg_graph_free(g); }
TestSuite(gorgonia_bugs, .init = start, .fini = stop, .timeout = 120);

static wg_node *input(const char *name, wg_shape s) { return wg_input(g, name, WG_F64, s); }
static wg_node *total(wg_node *x) { return wg_sum(x, WG_ALL_AXES, 0); }

/* Hashes that left something out merged nodes that differ. */

Test(gorgonia_bugs, bug_01_slices_beyond_one_byte)
{
    wg_node *x = input("x", WG_SHAPE(512));
    wg_node *low = wg_slice(x, 0, 0, 256, 1), *high = wg_slice(x, 0, 256, 512, 1), *a = total(low), *b = total(high);
    wg_tape *t = compile(g, WG_NODES(a, b), NULL);
    double   v[512];
    for (int i = 0; i < 512; i++) v[i] = i < 256 ? 1 : 3;
    wg_set(t, x, v);
    run(t);
    cr_expect_eq(wg_get_scalar(t, a), 256);
    cr_expect_eq(wg_get_scalar(t, b), 768);
}

Test(gorgonia_bugs, bug_02_softmax_is_not_its_logarithm)
{
    wg_node *x = input("x", WG_SHAPE(1, 3)), *p = wg_softmax(x, 1), *l = wg_log_softmax(x, 1);
    wg_tape *t = compile(g, WG_NODES(p, l), NULL);
    wg_set(t, x, (double[]){0, 0, 0});
    run(t);
    cr_expect_float_eq(element(t, p, 0), 1. / 3, 1e-15);
    cr_expect_float_eq(element(t, l, 0), -log(3), 1e-15);
}

Test(gorgonia_bugs, bug_03_rewriting_leaves_the_softmax_alone)
{
    wg_node *x = input("x", WG_SHAPE(1, 4)), *p = wg_softmax(x, 1), *l = wg_log(p);
    wg_tape *t = compile(g, WG_NODES(l, p), NULL);
    wg_set(t, x, (double[]){1, 2, 3, 4});
    run(t);
    double sum = 0;
    for (int i = 0; i < 4; i++) sum += element(t, p, i);
    cr_expect_float_eq(sum, 1, 1e-15);
    cr_expect_float_eq(element(t, l, 3), log(element(t, p, 3)), 1e-14);
}

static double dropped(wg_tape *t, const wg_node *y, int n)
{
    int zeros = 0;
    for (int i = 0; i < n; i++) zeros += element(t, y, i) == 0;
    return (double)zeros / n;
}

Test(gorgonia_bugs, bug_04_dropout_of_two_probabilities)
{
    wg_node *x = input("x", WG_SHAPE(10000)), *few = wg_dropout(x, 0.2), *many = wg_dropout(x, 0.7);
    wg_tape *t = compile(g, WG_NODES(few, many), NULL);
    set_random(t, x, 1, 1, 2);
    run(t);
    cr_expect_float_eq(dropped(t, few, 10000), 0.2, 0.02);
    cr_expect_float_eq(dropped(t, many, 10000), 0.7, 0.02);
}

Test(gorgonia_bugs, bug_05_inputs_of_one_name_are_two)
{
    wg_node *a = input(NULL, WG_SHAPE(2)), *b = input(NULL, WG_SHAPE(2)), *c = input("c", WG_SHAPE(2)),
            *d = input("c", WG_SHAPE(2));
    wg_node *y = wg_sub(a, b), *z = wg_sub(c, d);
    wg_tape *t = compile(g, WG_NODES(y, z), NULL);
    wg_set(t, a, (double[]){5, 6}), wg_set(t, b, (double[]){1, 2});
    wg_set(t, c, (double[]){7, 8}), wg_set(t, d, (double[]){4, 3});
    run(t);
    cr_expect_eq(element(t, y, 0), 4);
    cr_expect_eq(element(t, z, 1), 5);
}

Test(gorgonia_bugs, bug_06_constants_of_one_text_are_two)
{
    wg_node *f = wg_input(g, "f", WG_F32, WG_SCALAR), *d = wg_input(g, "d", WG_F64, WG_SCALAR);
    wg_node *y = wg_mul(f, wg_scalar(g, WG_F32, 2)), *z = wg_mul(d, wg_scalar(g, WG_F64, 2));
    wg_node *near = wg_sub(wg_scalar(g, WG_F64, 1.0000000001), wg_scalar(g, WG_F64, 1.0000000002));
    wg_tape *t = compile(g, WG_NODES(y, z, near), NULL);
    wg_set_scalar(t, f, 1.5), wg_set_scalar(t, d, 2.5);
    run(t);
    cr_expect_eq(wg_get_scalar(t, y), 3);
    cr_expect_eq(wg_get_scalar(t, z), 5);
    cr_expect_neq(wg_get_scalar(t, near), 0);
}

Test(gorgonia_bugs, bug_07_a_value_that_is_shown_is_not_overwritten)
{
    wg_node *a = input("a", WG_SHAPE(4)), *b = input("b", WG_SHAPE(4)), *square = wg_watch(wg_square(a)),
            *y = wg_add(square, b);
    wg_tape *t = compile(g, WG_NODES(wg_tanh(wg_sqrt(wg_square(y)))), NULL);
    wg_set(t, a, (double[]){1, 2, 3, 4}), wg_set(t, b, (double[]){10, 10, 10, 10});
    run(t);
    for (int i = 0; i < 4; i++) cr_expect_eq(element(t, square, i), (i + 1) * (i + 1));
}

Test(gorgonia_bugs, bug_08_second_derivatives)
{
    wg_node *x = input("x", WG_SCALAR), *y = wg_mul(wg_square(x), x), *d1, *d2, *d3;
    cr_assert_eq(wg_grad(y, 1, &x, &d1), WG_OK);
    cr_assert_eq(wg_grad(d1, 1, &x, &d2), WG_OK);
    cr_assert_eq(wg_grad(d2, 1, &x, &d3), WG_OK);
    wg_tape *t = compile(g, WG_NODES(d1, d2, d3), NULL);
    wg_set_scalar(t, x, 2);
    run(t);
    cr_expect_eq(wg_get_scalar(t, d1), 12);
    cr_expect_eq(wg_get_scalar(t, d2), 12);
    cr_expect_eq(wg_get_scalar(t, d3), 6);
}

Test(gorgonia_bugs, bug_09_gradients_do_not_add_up_from_run_to_run)
{
    wg_node *x = input("x", WG_SCALAR), *d;
    wg_grad(wg_square(x), 1, &x, &d);
    wg_tape *t = compile(g, 1, &d, NULL);
    wg_set_scalar(t, x, 1);
    for (int i = 0; i < 4; i++) {
        run(t);
        cr_expect_eq(wg_get_scalar(t, d), 2, "run %d", i);
    }
}

Test(gorgonia_bugs, bug_10_every_run_runs_everything)
{
    wg_node *w = wg_param(g, "w", WG_F64, WG_SCALAR), *d, *loss = wg_square(wg_shift(w, -3));
    wg_grad(loss, 1, &w, &d);
    wg_tape *t = compile(g, WG_NODES(loss, wg_assign(w, wg_sub(w, wg_scale(d, 0.25)))), NULL);
    double   want = 9;
    for (int i = 0; i < 10; i++, want /= 4) {
        run(t);
        cr_expect_float_eq(wg_get_scalar(t, loss), want, 1e-12);
    }
}

static int opaque_cpu(wg_call *c)
{
    memcpy(c->y->data, c->x[0].data, wg__bytes(c->y->dtype, &c->y->shape));
    return WG_OK;
}

Test(gorgonia_bugs, bug_11_a_missing_gradient_is_an_error)
{
    static const wg_op opaque = {.name = "opaque", .arity = 1, .infer = wg_infer_same, .cpu = opaque_cpu};
    wg_node           *x = input("x", WG_SHAPE(3)), *y = total(wg_apply(&opaque, 1, &x, NULL)), *d = x;
    cr_expect_eq(wg_grad(y, 1, &x, &d), WG_EGRAD);
    cr_expect_null(d);
    cr_expect_not_null(strstr(wg_message(g), "opaque"), "%s", wg_message(g));
    wg_clear_error(g);
    wg_node *m = total(wg_max(x, WG_AXES(0), 0));
    cr_assert_eq(wg_grad(m, 1, &x, &d), WG_OK);
    wg_tape *t = compile(g, 1, &d, NULL);
    wg_set(t, x, (double[]){1, 5, 2});
    run(t);
    cr_expect_arr_eq(wg_view(t, d), ((double[]){0, 1, 0}), 3 * sizeof(double));
}

Test(gorgonia_bugs, bug_12_only_the_gradients_that_were_asked_for)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(100, 784)), *label = wg_input(g, "label", WG_I32, WG_SHAPE(100));
    wg_node *w[2] = {wg_param(g, "w1", WG_F32, WG_SHAPE(784, 128)), wg_param(g, "w2", WG_F32, WG_SHAPE(128, 10))},
            *d[2];
    wg_node *loss = wg_softmax_cross_entropy(wg_matmul(wg_relu(wg_matmul(x, w[0])), w[1]), label);
    cr_assert_eq(wg_grad(loss, 2, w, d), WG_OK);
    wg_tape *t = compile(g, WG_NODES(loss, d[0], d[1]), NULL);
    cr_expect_eq(op_count(t, "matmul"), 5, "two forward, three back; none for x");
}

/* Overhead: what a run, a compilation and an instruction cost. */

Test(gorgonia_bugs, bug_13_a_run_allocates_nothing)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(100, 784)), *label = wg_input(g, "label", WG_I32, WG_SHAPE(100));
    wg_node *w[2] = {wg_param(g, "w1", WG_F32, WG_SHAPE(784, 128)), wg_param(g, "w2", WG_F32, WG_SHAPE(128, 10))},
            *d[2], *step[2];
    wg_node *loss = wg_softmax_cross_entropy(wg_matmul(wg_relu(wg_matmul(x, w[0])), w[1]), label);
    cr_assert_eq(wg_grad(loss, 2, w, d), WG_OK);
    for (int i = 0; i < 2; i++) step[i] = wg_assign(w[i], wg_sub(w[i], wg_scale(d[i], 0.1)));
    wg_tape *t = compile(g, WG_NODES(loss, step[0], step[1]), NULL);
    set_random(t, x, 1, -1, 1);
    cr_assert_eq(wg_set(t, label, (int32_t[100]){0}), WG_OK);
    run(t);
    long before = alloc_count();
    for (int i = 0; i < 3; i++) run(t);
    cr_expect_eq(alloc_count(), before);
}

static double seconds(void)
{
    struct timespec s;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &s);
    return (double)s.tv_sec + (double)s.tv_nsec * 1e-9;
}

/* n links of h = tanh(h + x), their gradient, compiled: CPU time, and the allocations of the compiler. */
static double chain_cost(int n, long *allocations, long *count)
{
    wg_graph *h = wg_graph_new();
    wg_node  *x = wg_input(h, "x", WG_F32, WG_SHAPE(4)), *y = x, *d;
    double    begin = seconds();
    for (int i = 0; i < n; i++) y = wg_tanh(wg_add(y, x));
    y = wg_sum(y, WG_ALL_AXES, 0);
    wg_grad(y, 1, &x, &d);
    long     before = alloc_count();
    wg_tape *t = compile(h, WG_NODES(y, d), NULL);
    *allocations = alloc_count() - before;
    *count = instructions(t);
    double spent = seconds() - begin;
    wg_graph_free(h);
    return spent;
}

Test(gorgonia_bugs, bug_14_compiling_is_nearly_linear)
{
    long   allocations[2], count[2];
    double small = 1e9, large = 1e9;
    for (int i = 0; i < 3; i++) {
        double a = chain_cost(3000, &allocations[0], &count[0]), b = chain_cost(12000, &allocations[1], &count[1]);
        small = a < small ? a : small;
        large = b < large ? b : large;
    }
    cr_expect_leq(count[1], 4 * count[0] + 8);
    cr_expect_leq(allocations[1], 5 * allocations[0]);
    cr_expect_lt(large, 10 * small + 0.02, "four times the links took %.3f s after %.3f s", large, small);
}

Test(gorgonia_bugs, bug_15_ten_scalar_additions_are_one_instruction)
{
    wg_node *x = input("x", WG_SCALAR), *y = x;
    for (int i = 0; i < 10; i++) y = wg_add(y, input(NULL, WG_SCALAR));
    cr_expect_eq(instructions(compile(g, 1, &y, NULL)), 1);
}

/* State. */

Test(gorgonia_bugs, bug_16_tapes_of_one_graph_share_no_mode)
{
    wg_node   *x = input("x", WG_SHAPE(1000)), *y = wg_dropout(x, 0.5);
    wg_options evaluate = {.evaluate = 1};
    wg_tape   *train = compile(g, 1, &y, NULL), *test = compile(g, 1, &y, &evaluate), *again = compile(g, 1, &y, NULL);
    wg_tape   *tapes[] = {train, test, again};
    for (int i = 0; i < 3; i++) set_random(tapes[i], x, 1, 1, 2);
    for (int i = 0; i < 3; i++) run(tapes[i]);
    cr_expect_float_eq(dropped(train, y, 1000), 0.5, 0.1);
    cr_expect_eq(dropped(test, y, 1000), 0);
    cr_expect(same_bits(train, again, y), "each tape counts its own runs");
}

/* The same inputs give the same outputs, whatever ran before: nothing of an old output is read. */
Test(gorgonia_bugs, bug_17_no_run_sees_the_last_ones_values)
{
    wg_node *x = input("x", WG_SHAPE(16, 8)), *gain = wg_param(g, "gain", WG_F64, WG_SHAPE(8)), *d;
    wg_node *mean = wg_mean(x, WG_AXES(0), 0), *centred = wg_sub(x, mean);
    wg_node *variance = wg_mean(wg_square(centred), WG_AXES(0), 0);
    wg_node *y = wg_mul(wg_mul(centred, wg_rsqrt(wg_shift(variance, 1e-5))), gain), *loss = total(wg_tanh(y));
    cr_assert_eq(wg_grad(loss, 1, &x, &d), WG_OK);
    wg_tape *used = compile(g, WG_NODES(y, d), NULL), *fresh = compile(g, WG_NODES(y, d), NULL);
    set_random(used, gain, 3, 1, 2);
    for (int i = 0; i < 5; i++) {
        set_random(used, x, (uint64_t)i, -9, 9);
        run(used);
    }
    set_random(fresh, x, 4, -9, 9);
    run(fresh);
    cr_expect(same_bits(used, fresh, y));
    cr_expect(same_bits(used, fresh, d));
}

Test(gorgonia_bugs, bug_18_one_graph_for_every_batch_size)
{
    wg_node *x = input("x", WG_SHAPE(wg_dim(g, "batch"), 3)), *w = wg_param(g, "w", WG_F64, WG_SHAPE(3, 2)),
            *y = wg_matmul(x, w);
    static const int size[] = {64, 1000, 1};
    wg_param_set(w, (double[]){1, 2, 3, 4, 5, 6});
    for (int i = 0; i < 3; i++) {
        wg_options o = {.bind = {{"batch", size[i]}}};
        wg_tape   *t = compile(g, 1, &y, &o);
        set_random(t, x, 1, -1, 1);
        run(t);
        int    last = size[i] - 1;
        double want = element(t, x, 3 * last) * 2 + element(t, x, 3 * last + 1) * 4 + element(t, x, 3 * last + 2) * 6;
        cr_expect_float_eq(element(t, y, 2 * last + 1), want, 1e-14);
    }
}
