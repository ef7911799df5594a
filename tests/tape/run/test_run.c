/* Running: values in and out, messages, symbolic sizes, threads. */
#include <pthread.h>

#include "support/alloc.h"
#include "tape/tape_test.h"

static wg_graph *g;
static void      start(void) { g = wg_graph_new(); }
static void      stop(void) { wg_graph_free(g); }
TestSuite(tape_run, .init = start, .fini = stop, .timeout = 60);

static bool is_shape(const wg_shape *s, wg_shape want) { return s && wg__shape_equal(s, &want); }

/* ---- Set, get, view ---- */

Test(tape_run, data_go_in_and_out)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(2, 2)), *p = wg_param(g, "p", WG_F32, WG_SHAPE(2)),
            *y = wg_add(x, p);
    wg_tape *t = compile(g, WG_NODES(y), NULL);
    float    in[4] = {1, 2, 3, 4}, two[2] = {10, 20}, out[4];
    cr_expect_eq(wg_set(t, x, in), WG_OK);
    in[0] = 99; /* a copy was taken */
    cr_expect_eq(wg_set(t, p, two), WG_OK);
    run(t);
    cr_expect_eq(wg_get(t, y, out), WG_OK);
    cr_expect_arr_eq(out, ((float[]){11, 22, 13, 24}), sizeof out);
    cr_expect_eq(wg_get(t, x, out), WG_OK);
    cr_expect_eq(out[0], 1);
    cr_expect_arr_eq(wg_param_view(p), two, sizeof two, "a parameter is the graph's");
    cr_expect_eq(wg_view(t, p), wg_param_view(p));
    ((float *)wg_input_buffer(t, x))[0] = 5;
    run(t);
    cr_expect_eq(((const float *)wg_view(t, y))[0], 15);
    cr_expect(is_shape(wg_tape_shape(t, y), WG_SHAPE(2, 2)));
    cr_expect_eq(wg_tape_graph(t), g);
}

Test(tape_run, nothing_to_wait_for)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SCALAR);
    wg_tape *t = compile(g, WG_NODES(wg_exp(x)), NULL);
    cr_expect_eq(wg_wait(NULL), WG_EARG);
    cr_expect_eq(wg_wait(t), WG_OK);
    wg_set_scalar(t, x, 0);
    run(t);
    wg_get(t, NULL, NULL);
    cr_expect_eq(wg_wait(t), WG_OK);
}

Test(tape_run, scalars_convert)
{
    wg_node *i = wg_input(g, "i", WG_I32, WG_SCALAR), *f = wg_input(g, "f", WG_F32, WG_SHAPE(1, 1));
    wg_node *y = wg_add(i, i), *z = wg_square(f), *b = wg_less(f, wg_lit(f, 0));
    wg_tape *t = compile(g, WG_NODES(y, z, b), NULL);
    cr_expect_eq(wg_set_scalar(t, i, 21), WG_OK);
    cr_expect_eq(wg_set_scalar(t, f, -1.5), WG_OK);
    run(t);
    cr_expect_eq(wg_get_scalar(t, y), 42);
    cr_expect_eq(wg_get_scalar(t, z), 2.25);
    cr_expect_eq(wg_get_scalar(t, b), 1);
}

static void expect_said(wg_tape *t, int status, const char *message)
{
    cr_expect_eq(wg_tape_status(t), status);
    cr_expect_str_eq(wg_tape_message(t), message);
}

/* log(exp(x)) is x: exp(x) is never computed, and its name stands for nothing. */
Test(tape_run, what_was_rewritten_away_has_no_value)
{
    wg_node *x = wg_input(g, "x", WG_F64, WG_SCALAR), *h = wg_named(wg_exp(x), "h"), *y = wg_log(h);
    wg_tape *t = compile(g, WG_NODES(y), NULL);
    wg_set_scalar(t, x, 3);
    run(t);
    cr_expect_eq(wg_get_scalar(t, y), 3);
    cr_expect(isnan(wg_get_scalar(t, h)));
    expect_said(t, WG_EARG,
                "get_scalar: this tape does not keep h[]: make it an output or wg_watch it before wg_compile");
    cr_expect_null(wg_view(t, h));
}

Test(tape_run, misuse_is_named)
{
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(2)), *h = wg_named(wg_exp(x), "h"), *y = wg_sum(h, WG_ALL_AXES, 0);
    wg_node *p = wg_param(g, "p", WG_F64, WG_SHAPE(2)), *a = wg_assign(p, h);
    wg_tape *t = compile(g, WG_NODES(y, a), NULL);
    double   v[2] = {0};
    cr_expect_eq(wg_get(t, h, v), WG_EARG);
    expect_said(t, WG_EARG, "get: this tape does not keep h[2]: make it an output or wg_watch it before wg_compile");
    cr_expect_null(wg_view(t, h));
    expect_said(t, WG_EARG, "view: this tape does not keep h[2]: make it an output or wg_watch it before wg_compile");
    cr_expect_eq(wg_set_scalar(t, y, 1), WG_EARG);
    expect_said(t, WG_EARG, "set_scalar: sum[] is computed, and only inputs and parameters can be set");
    cr_expect_null(wg_input_buffer(t, y));
    cr_expect_eq(wg_get(t, NULL, v), WG_EARG);
    expect_said(t, WG_EARG, "get: NULL has no value");
    cr_expect_eq(wg_get(t, a, v), WG_EARG);
    expect_said(t, WG_EARG, "get: assign has no value");
    cr_expect_eq(wg_set(t, x, NULL), WG_EARG);
    expect_said(t, WG_EARG, "set: data is NULL");
    cr_expect_eq(wg_get(t, x, NULL), WG_EARG);
    cr_expect(isnan(wg_get_scalar(t, x)));
    cr_expect_eq(wg_tape_status(t), WG_ESHAPE);
    wg_node *late = wg_neg(x);
    cr_expect_eq(wg_get(t, late, v), WG_EARG, "made after the tape");
    wg_set(t, x, v);
    run(t);
    expect_said(t, WG_OK, wg_strerror(WG_OK));
}

Test(tape_run, another_graphs_nodes)
{
    wg_graph *h = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SCALAR), *other = wg_input(h, "other", WG_F64, WG_SCALAR);
    wg_tape  *t = compile(g, WG_NODES(wg_neg(x)), NULL);
    cr_expect_eq(wg_set_scalar(t, other, 1), WG_EARG);
    cr_expect_null(wg_tape_shape(t, other));
    cr_expect_null(wg_compile(g, 1, &other, NULL));
    cr_expect_str_eq(wg_message(g), "compile: output 0 belongs to another graph");
    wg_graph_free(h);
}

Test(tape_run, null_everywhere)
{
    cr_expect_eq(wg_run(NULL), WG_EARG);
    cr_expect_eq(wg_set(NULL, NULL, NULL), WG_EARG);
    cr_expect_eq(wg_get(NULL, NULL, NULL), WG_EARG);
    cr_expect_eq(wg_set_scalar(NULL, NULL, 0), WG_EARG);
    cr_expect(isnan(wg_get_scalar(NULL, NULL)));
    cr_expect_null(wg_view(NULL, NULL));
    cr_expect_null(wg_input_buffer(NULL, NULL));
    cr_expect_null(wg_tape_shape(NULL, NULL));
    cr_expect_null(wg_tape_graph(NULL));
    cr_expect_eq(wg_run_number(NULL), 0);
    cr_expect_eq(wg_stats(NULL).instructions, 0);
    cr_expect_eq(wg_tape_status(NULL), WG_EARG);
    cr_expect_not_null(wg_tape_message(NULL));
    cr_expect_eq(wg_watch_finite(NULL, 1), WG_EARG);
    cr_expect_eq(wg_trace(NULL, 1), WG_EARG);
    cr_expect_eq(wg_tape_print(NULL, stdout), WG_EARG);
    wg_set_run_number(NULL, 3);
    wg_tape_free(NULL);
    cr_expect_null(wg_compile(NULL, 0, NULL, NULL));
    cr_expect_null(wg_graph_eager(NULL));
}

Test(tape_run, outputs_are_checked)
{
    cr_expect_null(wg_compile(g, 0, NULL, NULL));
    cr_expect_str_eq(wg_message(g), "compile: no outputs");
    wg_clear_error(g);
    cr_expect_null(wg_compile(g, 1, (wg_node *[]){NULL}, NULL));
    cr_expect_str_eq(wg_message(g), "compile: output 0 is NULL");
    wg_clear_error(g);
    wg_node *bad = wg_add(wg_input(g, "a", WG_F64, WG_SHAPE(2)), wg_input(g, "b", WG_F64, WG_SHAPE(3)));
    cr_expect_null(wg_compile(g, 1, &bad, NULL));
    cr_expect_not_null(strstr(wg_message(g), "add(a[2], b[3])"), "the first error stays: %s", wg_message(g));
}

/* ---- Watched nodes ---- */

Test(tape_run, watched_where_it_is_computed)
{
    wg_node *x = wg_input(g, "x", WG_F64, WG_SCALAR), *h = wg_exp(x), *y = wg_log1p(wg_square(h)),
            *apart = wg_watch(wg_sin(x));
    wg_tape *before = compile(g, WG_NODES(y), NULL);
    cr_expect_eq(wg_watch(h), h);
    cr_expect_null(wg_watch(NULL));
    wg_tape *after = compile(g, WG_NODES(y), NULL);
    wg_tape *both[] = {before, after};
    for (int i = 0; i < 2; i++) {
        wg_set_scalar(both[i], x, 0.5);
        run(both[i]);
    }
    cr_expect(isnan(wg_get_scalar(before, h)));
    cr_expect_float_eq(wg_get_scalar(after, h), exp(0.5), 1e-15);
    cr_expect_null(wg_view(after, apart), "a tape that does not need it does not compute it");
}

/* ---- Symbolic dimensions ---- */

Test(tape_run, one_graph_for_all_batch_sizes)
{
    int64_t  batch = wg_dim(g, "batch");
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(batch, 3)), *want = wg_input(g, "want", WG_F64, WG_SHAPE(batch, 1));
    wg_node *w = wg_param(g, "w", WG_F64, WG_SHAPE(3, 1)), *y = wg_matmul(x, w), *loss = wg_mse(y, want), *d;
    cr_assert_eq(wg_grad(loss, 1, &w, &d), WG_OK, "%s", wg_message(g));
    wg_options  train = {.bind = {{"batch", 64}}}, large = {.bind = {{"batch", 1000}}}, one = {.bind = {{"batch", 1}}};
    wg_tape    *t = compile(g, WG_NODES(loss, wg_assign(w, wg_sub(w, wg_scale(d, 0.1)))), &train);
    double      rule[3] = {0.5, -1, 2}, data[1000 * 3], target[1000];
    struct dice dice = {1};
    fill(&dice, WG_F64, data, 3000, -1, 1);
    for (int i = 0; i < 1000; i++)
        target[i] = rule[0] * data[3 * i] + rule[1] * data[3 * i + 1] + rule[2] * data[3 * i + 2];
    for (int k = 0; k < 600; k++) {
        int at = k % 15 * 64;
        wg_set(t, x, data + 3 * at);
        wg_set(t, want, target + at);
        run(t);
    }
    for (int i = 0; i < 3; i++) cr_expect_float_eq(((const double *)wg_param_view(w))[i], rule[i], 1e-6);
    wg_tape *many = compile(g, 1, &y, &large), *single = compile(g, 1, &y, &one);
    cr_expect(is_shape(wg_tape_shape(many, y), WG_SHAPE(1000, 1)));
    wg_set(many, x, data);
    run(many);
    for (int i = 0; i < 1000; i += 111) {
        wg_set(single, x, data + 3 * i);
        run(single);
        cr_expect_float_eq(wg_get_scalar(single, y), element(many, y, i), 1e-14);
        cr_expect_float_eq(wg_get_scalar(single, y), target[i], 1e-5);
    }
}

Test(tape_run, a_symbol_without_a_size)
{
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(wg_dim(g, "batch"), 3)), *y = wg_exp(x);
    cr_expect_null(wg_compile(g, 1, &y, NULL));
    cr_expect_eq(wg_status(g), WG_EBOUND);
    cr_expect_not_null(strstr(wg_message(g), "batch"), "%s", wg_message(g));
    wg_clear_error(g);
    cr_expect_null(wg_compile(g, 1, &y, &(wg_options){.bind = {{"batch", -3}}}));
    cr_expect_str_eq(wg_message(g), "compile: dimension \"batch\" cannot be -3");
    wg_clear_error(g);
    cr_expect_not_null(wg_compile(g, 1, &y, &(wg_options){.bind = {{"batch", 0}}}), "%s", wg_message(g));
}

Test(tape_run, symbols_that_do_not_agree_once_bound)
{
    int64_t  m = wg_dim(g, "m");
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(m, 6)), *y = wg_reshape(x, WG_SHAPE(4, WG_DIM_AUTO));
    if (!y) return; /* refused at once is as good */
    cr_expect_null(wg_compile(g, 1, &y, &(wg_options){.bind = {{"m", 3}}}));
    cr_expect_eq(wg_status(g), WG_ESHAPE);
}

Test(tape_run, too_large_for_memory)
{
    int64_t  n = wg_dim(g, "n");
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(n)),
            *y = wg_sum(wg_mul(wg_unsqueeze(x, 0), wg_unsqueeze(x, 1)), WG_ALL_AXES, 0);
    cr_expect_null(wg_compile(g, 1, &y, &(wg_options){.bind = {{"n", INT64_MAX / 4}}}));
    cr_expect(wg_status(g) == WG_ESHAPE || wg_status(g) == WG_ENOMEM, "%s", wg_message(g));
}

/* ---- Runs ---- */

Test(tape_run, random_numbers_follow_seed_and_run)
{
    wg_set_seed(g, 7);
    wg_node *u = wg_uniform(g, WG_F64, WG_SHAPE(100), 0, 1);
    wg_tape *a = compile(g, 1, &u, NULL), *b = compile(g, 1, &u, NULL);
    double   first[100], second[100];
    cr_expect_eq(wg_run_number(a), 0);
    run(a);
    cr_expect_eq(wg_run_number(a), 1);
    wg_get(a, u, first);
    run(a);
    wg_get(a, u, second);
    cr_expect(memcmp(first, second, sizeof first) != 0, "a fresh draw each run");
    wg_set_run_number(b, 1);
    run(b);
    cr_expect_arr_eq(wg_view(b, u), second, sizeof second, "resumed");
    wg_set_run_number(b, 0);
    run(b);
    cr_expect_arr_eq(wg_view(b, u), first, sizeof first);
    wg_set_seed(g, 8);
    wg_tape *c = compile(g, 1, &u, NULL);
    run(c);
    cr_expect(memcmp(wg_view(c, u), first, sizeof first) != 0, "another seed");
    wg_set_run_number(a, 0);
    run(a);
    cr_expect_arr_eq(wg_view(a, u), first, sizeof first, "a tape keeps its seed");
}

Test(tape_run, dropout_is_nothing_in_evaluation)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(1000)), *y = wg_dropout(x, 0.25);
    wg_tape *train = compile(g, 1, &y, NULL), *test = compile(g, 1, &y, &(wg_options){.evaluate = 1});
    cr_expect_eq(instructions(test), 0);
    set_random(train, x, 1, 1, 2);
    set_random(test, x, 1, 1, 2);
    run(train);
    run(test);
    int zeros = 0;
    for (int i = 0; i < 1000; i++) {
        double v = element(train, y, i), in = element(train, x, i);
        cr_expect(v == 0 || fabs(v - in / 0.75) < 1e-6);
        zeros += v == 0;
        cr_expect_eq(element(test, y, i), in);
    }
    cr_expect(zeros > 180 && zeros < 320, "%d zeros", zeros);
}

Test(tape_run, a_run_allocates_nothing)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(64, 50)), *label = wg_input(g, "label", WG_I32, WG_SHAPE(64));
    wg_node *w = wg_param(g, "w", WG_F32, WG_SHAPE(50, 10)), *p[1] = {w}, *d[1];
    wg_node *h = wg_dropout(wg_tanh(wg_matmul(x, w)), 0.5);
    wg_node *loss = wg_softmax_cross_entropy(h, label), *taken = wg_gather(h, wg_argmax(h, 1, 0), 1);
    cr_assert_eq(wg_grad(loss, 1, p, d), WG_OK, "%s", wg_message(g));
    wg_node *most = wg_logsumexp(wg_transpose(h, WG_ALL_AXES), WG_AXES(0), 0),
            *wide = wg_concat(2, (wg_node *[]){h, h}, 1);
    wg_tape *t = compile(g, WG_NODES(loss, wg_assign(w, wg_sub(w, wg_scale(d[0], 0.1))), most, wide, taken), NULL);
    set_random(t, w, 1, -1, 1);
    set_random(t, x, 2, -1, 1);
    cr_assert_eq(wg_set(t, label, (int32_t[64]){0}), WG_OK);
    run(t); /* the first may start threads */
    long before = alloc_count();
    for (int i = 0; i < 5; i++) run(t);
    cr_expect_eq(alloc_count(), before);
    cr_expect_eq(wg_watch_finite(t, 1), WG_OK);
    cr_expect_eq(wg_trace(t, 3), WG_OK);
    before = alloc_count();
    for (int i = 0; i < 5; i++) run(t);
    cr_expect_eq(alloc_count(), before, "nor with a watch and a trace");
}

/* ---- Threads ---- */

struct worker {
    wg_tape *t;
    int      status;
};

static void *work(void *context)
{
    struct worker *w = context;
    for (int i = 0; i < 20 && !w->status; i++) w->status = wg_run(w->t);
    return NULL;
}

Test(tape_run, tapes_in_parallel_give_the_bits_they_give_alone)
{
    enum { WORKERS = 4 };
    setenv("WG_THREADS", "3", 1);
    wg_node      *x = wg_input(g, "x", WG_F32, WG_SHAPE(200, 100)), *w = wg_param(g, "w", WG_F32, WG_SHAPE(100, 80));
    wg_node      *y = wg_softmax(wg_tanh(wg_matmul(x, w)), 1), *s = wg_sum(wg_exp(y), WG_AXES(0), 0);
    wg_tape      *alone = compile(g, WG_NODES(y, s), NULL);
    struct worker worker[WORKERS];
    pthread_t     thread[WORKERS];
    set_random(alone, w, 1, -1, 1);
    for (int i = 0; i < WORKERS; i++) {
        worker[i] = (struct worker){.t = compile(g, WG_NODES(y, s), NULL)};
        set_random(worker[i].t, x, (uint64_t)i, -1, 1);
    }
    for (int i = 0; i < WORKERS; i++) cr_assert_eq(pthread_create(&thread[i], NULL, work, &worker[i]), 0);
    for (int i = 0; i < WORKERS; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < WORKERS; i++) {
        cr_expect_eq(worker[i].status, WG_OK);
        set_random(alone, x, (uint64_t)i, -1, 1);
        run(alone);
        cr_expect(same_bits(alone, worker[i].t, y), "worker %d", i);
        cr_expect(same_bits(alone, worker[i].t, s), "worker %d", i);
    }
}

/* A hash of everything that a training run computes. */
static uint64_t trained(int threads)
{
    wg_graph *h = wg_graph_new();
    wg_node  *x = wg_input(h, "x", WG_F32, WG_SHAPE(128, 200)), *label = wg_input(h, "label", WG_U8, WG_SHAPE(128));
    wg_node  *p[2] = {wg_param(h, "a", WG_F32, WG_SHAPE(200, 150)), wg_param(h, "b", WG_F32, WG_SHAPE(150, 10))}, *d[2];
    wg_node  *loss = wg_softmax_cross_entropy(wg_matmul(wg_dropout(wg_relu(wg_matmul(x, p[0])), 0.3), p[1]), label);
    wg_grad(loss, 2, p, d);
    wg_node   *step[2] = {wg_assign(p[0], wg_sub(p[0], wg_scale(d[0], 0.1))),
                          wg_assign(p[1], wg_sub(p[1], wg_scale(d[1], 0.1)))};
    wg_options o = with_threads(threads);
    wg_tape   *t = compile(h, WG_NODES(loss, step[0], step[1]), &o);
    uint64_t   hash = 1469598103934665603u;
    for (int i = 0; i < 2; i++) set_random(t, p[i], (uint64_t)i, -0.1, 0.1);
    for (int k = 0; k < 10; k++) {
        set_random(t, x, 10 + (uint64_t)k, -1, 1);
        set_random(t, label, 20 + (uint64_t)k, 0, 9.99);
        run(t);
    }
    for (int i = 0; i < 2; i++) {
        const unsigned char *v = wg_param_view(p[i]);
        for (size_t k = 0; k < bytes_on(t, p[i]); k++) hash = (hash ^ v[k]) * 1099511628211u;
    }
    wg_graph_free(h);
    return hash;
}

Test(tape_run, training_does_not_depend_on_threads)
{
    setenv("WG_THREADS", "4", 1);
    uint64_t one = trained(1);
    for (int n = 2; n <= 4; n++) cr_expect_eq(trained(n), one, "%d threads", n);
    cr_expect_eq(trained(0), one);
}
