/* The arithmetic of runs: one setting whatever the host has chosen, the host's own before and after; subnormal numbers
 * count as zero where there is arithmetic, and move as they are where there is none. */
#include <fenv.h>
#include <float.h>

#include "base/system/arithmetic.h"
#include "tape/tape_test.h"
#include <wengert/train.h>

static void four_threads(void) { setenv("WG_THREADS", "4", 1); }
TestSuite(tape_arithmetic, .init = four_threads, .timeout = 120);

#define HAS_SETTING (WG__ARITHMETIC != 0)
static const float tiny = 0x1p-130f;

/* ---- The host's setting ---- */

#if defined(__SSE__)
static const uint64_t hosts[] = {0x1f80, 0x1f80 | 0x8000, 0x1f80 | 0x0040, 0x1f80 | 0x8040,
                                 0x1f80 | 0x2000, 0x1f80 | 0x4000, 0x1f80 | 0x6000, 0x1f80 & ~0x80};
#elif defined(__aarch64__)
static const uint64_t hosts[] = {0, 1 << 24, 1 << 22, 2 << 22, 3 << 22};
#else
static const uint64_t hosts[] = {0};
#endif
enum { HOSTS = sizeof hosts / sizeof *hosts };

/* y = x w + picks[i], whose last part fails where i is out of range. */
struct net {
    wg_graph *g;
    wg_tape  *t; /* eager */
    wg_node  *x, *w, *i, *y;
};

static struct net net_of(bool eager)
{
    struct net n = {.g = wg_graph_new()};
    if (eager) n.t = wg_graph_eager(n.g);
    n.w = wg_param(n.g, "w", WG_F32, WG_SHAPE(3, 3));
    wg_init(n.w, &(wg_initializer){.kind = WG_INIT_NORMAL, .b = 1});
    n.x = wg_input(n.g, "x", WG_F32, WG_SHAPE(3, 3));
    n.i = wg_input(n.g, "i", WG_I64, WG_SHAPE(1));
    return n;
}

static void expect_host(uint64_t host, const char *after)
{
    uint64_t now = wg__arithmetic_read() & ~(uint64_t)WG__ARITHMETIC_NOTES;
    if (now != host) wg__arithmetic_write(hosts[0]);
    cr_assert_eq(now, host, "%#llx after %s, not %#llx", (unsigned long long)now, after, (unsigned long long)host);
}

static void build(struct net *n)
{
    wg_node *two = wg_add(wg_scalar(n->g, WG_F32, 1), wg_scalar(n->g, WG_F32, 1)); /* folded */
    n->y = wg_add(wg_mul(wg_matmul(n->x, n->w), two), wg_gather(n->w, n->i, 0));
}

static void run_with(uint64_t host, bool slowly)
{
    float      x[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct net n = net_of(false);
    build(&n);
    wg__arithmetic_write(host);
    wg_tape *t = wg_compile(n.g, 1, &n.y, NULL);
    expect_host(host, "wg_compile");
    if (slowly) wg_watch_finite(t, 1);
    wg_set(t, n.x, x);
    wg_set(t, n.i, (int64_t[]){2});
    int good = wg_run(t);
    expect_host(host, "wg_run");
    wg_set(t, n.i, (int64_t[]){7});
    int bad = wg_run(t);
    expect_host(host, "a run that failed");
    wg_init(n.w, NULL);
    expect_host(host, "wg_init");
    wg__arithmetic_write(hosts[0]);
    cr_expect(good == WG_OK && bad != WG_OK);
    wg_graph_free(n.g);
}

static void build_eagerly_with(uint64_t host)
{
    float      x[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct net n = net_of(true);
    wg_tape   *t = n.t;
    wg_set(t, n.x, x);
    wg_set(t, n.i, (int64_t[]){7});
    wg__arithmetic_write(host);
    build(&n);
    expect_host(host, "an eager node that failed");
    wg__arithmetic_write(hosts[0]);
    cr_expect_null(n.y);
    wg_clear_error(n.g);
    wg_set(t, n.i, (int64_t[]){2});
    wg__arithmetic_write(host);
    build(&n);
    expect_host(host, "eager nodes");
    int status = wg_run(t);
    expect_host(host, "an eager run");
    wg__arithmetic_write(hosts[0]);
    cr_expect(n.y && status == WG_OK, "%s", wg_message(n.g));
    wg_graph_free(n.g);
}

Test(tape_arithmetic, the_host_finds_its_own_setting_after_every_call)
{
    for (int h = 0; h < HOSTS; h++) {
        run_with(hosts[h], false);
        run_with(hosts[h], true);
        build_eagerly_with(hosts[h]);
    }
}

Test(tape_arithmetic, values_do_not_depend_on_the_setting_of_the_host)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(1000));
    wg_node  *y = wg_div(wg_exp(x), wg_shift(wg_square(x), 0.3)), *s = wg_sum(y, WG_ALL_AXES, 0);
    wg_tape  *a = compile(g, 2, (wg_node *[]){y, s}, NULL), *b = compile(g, 2, (wg_node *[]){y, s}, NULL);
    set_random(a, x, 1, -100, 3);
    set_random(b, x, 1, -100, 3);
    run(a);
    for (int h = 0; h < HOSTS; h++) {
        wg__arithmetic_write(hosts[h]);
        int status = wg_run(b);
        wg__arithmetic_write(hosts[0]);
        cr_expect(status == WG_OK && same_bits(a, b, y) && same_bits(a, b, s), "host %d", h);
    }
    wg_graph_free(g);
}

/* ---- Subnormal numbers ---- */

/* Enough elements for all threads of the pool. */
Test(tape_arithmetic, results_on_every_thread_are_flushed, .disabled = !HAS_SETTING)
{
    enum { N = 1 << 20 };
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(N)), *y = wg_scale(wg_exp(x), 0.5);
    float    *v = malloc(N * sizeof *v);
    for (int threads = 1; threads <= 4; threads++) {
        wg_options o = with_threads(threads);
        wg_tape   *t = compile(g, 1, &y, &o);
        for (int i = 0; i < N; i++) v[i] = -87 - (float)(i % 16);
        wg_set(t, x, v);
        for (int round = 0; round < 20; round++) run(t);
        wg_get(t, y, v);
        for (int i = 0; i < N; i++) cr_assert(v[i] == 0 || v[i] >= FLT_MIN, "%d threads: element %d", threads, i);
        wg_tape_free(t);
    }
    free(v);
    wg_graph_free(g);
}

Test(tape_arithmetic, folded_compiled_and_eager_values_flush_alike, .disabled = !HAS_SETTING)
{
    wg_graph *g = wg_graph_new(), *e = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SCALAR), *y = wg_scale(wg_abs(x), 0x1p20);
    wg_node  *c = wg_scale(wg_abs(wg_scalar(g, WG_F32, (double)-tiny)), 0x1p20);
    wg_tape  *t = compile(g, 2, (wg_node *[]){y, c}, NULL), *et = wg_graph_eager(e);
    wg_node  *ec = wg_scale(wg_abs(wg_scalar(e, WG_F32, (double)-tiny)), 0x1p20);
    wg_set(t, x, &(float){-tiny});
    run(t);
    cr_expect_eq(wg_get_scalar(t, y), 0);
    cr_expect_eq(wg_get_scalar(t, c), 0);
    cr_expect_eq(wg_get_scalar(et, ec), 0);
    wg_graph_free(g);
    wg_graph_free(e);
}

Test(tape_arithmetic, moves_keep_the_bits)
{
    const float v[6] = {tiny, -tiny, 0x1p-149f, 1, -0.0f, 0};
    const int   column[6] = {0, 3, 1, 4, 2, 5}, turned[2] = {2, 5};
    float       got[6];
    wg_graph   *g = wg_graph_new();
    wg_node    *p = wg_param(g, "p", WG_F32, WG_SHAPE(2, 3)), *q = wg_param(g, "q", WG_F32, WG_SHAPE(2, 3));
    wg_node    *turn = wg_reshape(wg_transpose(p, WG_ALL_AXES), WG_SHAPE(6));
    wg_node    *part = wg_slice(p, 1, 2, 3, 1), *same = wg_cast(p, WG_F32);
    wg_node    *twice = wg_concat(2, (wg_node *[]){turn, turn}, 0);
    wg_node    *out[] = {turn, part, same, twice, wg_assign(q, p)};
    wg_param_set(p, v);
    wg_tape *t = compile(g, 5, out, NULL);
    run(t);
    wg_param_get(p, got);
    cr_expect_arr_eq(got, v, sizeof v);
    wg_param_get(q, got);
    cr_expect_arr_eq(got, v, sizeof v);
    wg_get(t, same, got);
    cr_expect_arr_eq(got, v, sizeof v);
    wg_get(t, turn, got);
    for (int i = 0; i < 6; i++) cr_expect_arr_eq(&got[i], &v[column[i]], sizeof *v, "transposed %d", i);
    wg_get(t, part, got);
    for (int i = 0; i < 2; i++) cr_expect_arr_eq(&got[i], &v[turned[i]], sizeof *v, "sliced %d", i);
    wg_graph_free(g);
}

/* ---- What decays ---- */

/* A weight whose gradient is 1 at first, then 0: both averages shrink until they are zero, and stay. */
Test(tape_arithmetic, averages_of_adam_decay_to_zero, .disabled = !HAS_SETTING)
{
    enum { N = 40 };
    float     v[N];
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(N)), *p = wg_param(g, "p", WG_F32, WG_SHAPE(N));
    wg_node  *loss = wg_sum(wg_mul(p, x), WG_ALL_AXES, 0);
    wg_solver s = {.kind = WG_SOLVER_ADAM, .rate = 1e-3, .beta2 = 0.9};
    wg_node  *step = wg_minimize(loss, &s);
    wg_tape  *t = compile(g, 1, &step, NULL);
    for (int k = 0; k < 3000; k++) {
        for (int i = 0; i < N; i++) v[i] = k == 0 ? 1 + (float)i : 0;
        wg_set(t, x, v);
        run(t);
    }
    int found = 0;
    for (int i = 0; i < wg_param_count(g); i++) {
        const wg_node *m = wg_param_at(g, i);
        if (m == p || wg_count(wg_node_shape(m)) != N) continue;
        wg_param_get(m, v);
        for (int j = 0; j < N; j++) cr_expect_eq(v[j], 0, "%s[%d] is %g", wg_node_name(m), j, (double)v[j]);
        found++;
    }
    cr_expect_eq(found, 2);
    wg_graph_free(g);
}

/* e^-88 and less are subnormal before they are divided by the sum: as zeros they leave the product as it is. */
Test(tape_arithmetic, what_a_softmax_leaves_is_zero, .disabled = !HAS_SETTING)
{
    enum { N = 64 };
    float     logits[N * N], w[N * N];
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(N, N)), *v = wg_input(g, "v", WG_F32, WG_SHAPE(N, N));
    wg_node  *a = wg_softmax(x, -1), *y = wg_matmul(a, v);
    wg_tape  *t = compile(g, 2, (wg_node *[]){a, y}, NULL);
    for (int i = 0; i < N * N; i++) logits[i] = i % N ? -88 - (float)(i % 7) * 100 : 0, w[i] = 1;
    wg_set(t, x, logits);
    wg_set(t, v, w);
    run(t);
    wg_get(t, a, w);
    for (int i = 0; i < N * N; i++) cr_assert_eq(w[i], i % N ? 0 : 1, "%d: %g", i, (double)w[i]);
    wg_get(t, y, w);
    for (int i = 0; i < N * N; i++) cr_assert_eq(w[i], 1);
    wg_graph_free(g);
}

/* A program that traps invalid operations, divisions by zero and overflow meets none of them in here. */
Test(tape_arithmetic, no_exception_is_raised_while_graphs_are_built_and_compiled)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SCALAR);
    wg_node  *huge = wg_scale(wg_scale(x, 1e30), 1e30), *none = wg_scale(wg_scale(x, 0), 1e30);
    feclearexcept(FE_ALL_EXCEPT);
    cr_expect_null(wg_scalar(g, WG_F32, 1e300));
    cr_expect_null(wg_scalar(g, WG_I32, (double)NAN));
    cr_expect_null(wg_scale(x, 1e300));
    cr_expect_null(wg_uniform(g, WG_F32, WG_SHAPE(2), -1e300, 1e300));
    wg_clear_error(g);
    wg_tape *t = wg_compile(g, WG_NODES(huge, none), NULL);
    cr_expect_eq(fetestexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW), 0);
    cr_assert_not_null(t, "%s", wg_message(g));
    wg_graph_free(g);
}

/* 1e-38 is subnormal in f32: joined with a factor before it, it would count. */
Test(tape_arithmetic, a_factor_that_counts_as_zero_is_not_joined, .disabled = !HAS_SETTING)
{
    wg_graph  *g = wg_graph_new();
    wg_node   *x = wg_input(g, "x", WG_F32, WG_SCALAR), *y = wg_scale(wg_scale(x, 4), 1e-38);
    wg_options plain = {.skip = WG_SKIP_REWRITE};
    for (int k = 0; k < 2; k++) {
        wg_tape *t = compile(g, 1, &y, k ? &plain : NULL);
        wg_set_scalar(t, x, 1);
        run(t);
        cr_expect_eq(wg_get_scalar(t, y), 0);
    }
    wg_graph_free(g);
}
