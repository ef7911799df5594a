/* Packed operands: whether a weight is packed changes no bit, and whatever sets the weight is seen by the next run. */
#include <pthread.h>

#include "support/alloc.h"
#include "tape/random_graph.h"

static void four_threads(void) { setenv("WG_THREADS", "4", 1); }
TestSuite(tape_packed, .init = four_threads, .timeout = 120);

enum { ROWS = 12, IN = 70, OUT = 48 };

/* y = tanh(x w^T + b), with a weight as PyTorch's Linear has it. */
struct net {
    wg_graph *g;
    wg_node  *x, *w, *b, *y;
};

static struct net net_of(int64_t rows, bool is_param)
{
    struct net n = {.g = wg_graph_new()};
    n.x = wg_input(n.g, "x", WG_F32, WG_SHAPE(rows, IN));
    n.w = (is_param ? wg_param : wg_input)(n.g, "w", WG_F32, WG_SHAPE(OUT, IN));
    n.b = wg_input(n.g, "b", WG_F32, WG_SHAPE(OUT));
    n.y = wg_tanh(wg_add(wg_matmul_t(n.x, n.w, 0, 1), n.b));
    return n;
}

static wg_tape *tape_of(const struct net *n, const wg_options *o)
{
    wg_tape *t = compile(n->g, 1, &n->y, o);
    set_random(t, n->x, 1, -1, 1);
    set_random(t, n->b, 2, -1, 1);
    return t;
}

static bool packs(void) { return wg__kernels()->gemm[WG_F32] != NULL; }

static void weight(uint64_t seed, float w[OUT * IN])
{
    struct dice d = {seed};
    fill(&d, WG_F32, w, OUT * IN, -1, 1);
}

/* The result by a tape whose weight is an input, which is never packed. */
static void reference(const float *w, float y[ROWS * OUT])
{
    struct net n = net_of(ROWS, false);
    wg_tape   *t = tape_of(&n, NULL);
    cr_assert_eq(wg_set(t, n.w, w), WG_OK);
    run(t);
    cr_assert_eq(wg_get(t, n.y, y), WG_OK);
    cr_assert_eq(wg_stats(t).packed_bytes, 0);
    wg_graph_free(n.g);
}

/* Three runs: without the packed weight, the one that packs it, and one that finds it. */
static void expect_result(wg_tape *t, const wg_node *y, const float *w, const char *after)
{
    float want[ROWS * OUT], got[ROWS * OUT];
    reference(w, want);
    for (int i = 0; i < 3; i++) {
        run(t);
        cr_assert_eq(wg_get(t, y, got), WG_OK);
        cr_assert_arr_eq(got, want, sizeof want, "run %d after %s", i, after);
    }
    bool packed = true;
    for (int i = 0; i < t->n_keep; i++) packed = packed && t->keep[i].made->packed;
    cr_assert(packed, "not packed by the third run after %s", after);
}

/* ---- Which operands ---- */

static int64_t packed_bytes(const struct net *n, int count, wg_node *const out[])
{
    return wg_stats(compile(n->g, count, out, NULL)).packed_bytes;
}

Test(tape_packed, a_weight_that_the_tape_does_not_assign)
{
    struct net n = net_of(ROWS, true);
    wg_node   *flat = wg_param(n.g, "flat", WG_F32, WG_SHAPE(OUT * IN)), *step = wg_assign(n.w, wg_scale(n.w, 0.5));
    wg_node   *view = wg_matmul_t(n.x, wg_reshape(flat, WG_SHAPE(OUT, IN)), 0, 1);
    wg_node   *computed = wg_matmul_t(n.x, wg_exp(n.w), 0, 1);
    int64_t    all = packs() ? OUT * IN * 4 : 0;
    cr_expect_eq(packed_bytes(&n, 1, &n.y), all);
    cr_expect_eq(packed_bytes(&n, 1, &view), all, "another shape of the same memory");
    cr_expect_eq(packed_bytes(&n, 2, (wg_node *[]){n.y, step}), 0, "changes with each run");
    cr_expect_eq(packed_bytes(&n, 1, &computed), 0, "computed by each run");
    wg_graph_free(n.g);
    n = net_of(1100, true);
    cr_expect_eq(packed_bytes(&n, 1, &n.y), 0, "many rows");
    wg_graph_free(n.g);
}

/* A stack of weights, a constant, and a constant that compiling computed. */
Test(tape_packed, stacks_and_constants)
{
    static float w[3 * OUT * IN];
    weight(5, w);
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(3, ROWS, IN)),
            *rest = wg_input(g, "w", WG_F32, WG_SHAPE(3, OUT, IN));
    wg_node *stack = wg_const(g, WG_F32, WG_SHAPE(3, OUT, IN), w), *one = wg_const(g, WG_F32, WG_SHAPE(OUT, IN), w);
    wg_node *known = wg_neg(wg_const(g, WG_F32, WG_SHAPE(OUT, IN), w));
    wg_node *y[] = {wg_matmul_t(x, stack, 0, 1), wg_matmul_t(x, one, 0, 1), wg_matmul_t(x, known, 0, 1)};
    wg_node *z[] = {wg_matmul_t(x, rest, 0, 1), wg_matmul_t(x, wg_slice(rest, 0, 0, 1, 1), 0, 1),
                    wg_matmul_t(x, wg_neg(wg_slice(rest, 0, 0, 1, 1)), 0, 1)};
    wg_tape *t = compile(g, 3, y, NULL), *plain = compile(g, 3, z, NULL);
    cr_expect_eq(wg_stats(t).packed_bytes, packs() ? 5 * OUT * IN * 4 : 0);
    set_random(t, x, 1, -1, 1);
    set_random(plain, x, 1, -1, 1);
    cr_assert_eq(wg_set(plain, rest, w), WG_OK);
    run(plain);
    for (int i = 0; i < 3; i++) {
        run(t);
        for (int k = 0; k < 3; k++) {
            void *got = value_of(t, y[k]), *want = value_of(plain, z[k]);
            cr_expect_arr_eq(got, want, bytes_on(t, y[k]), "run %d, output %d", i, k);
            free(got);
            free(want);
        }
    }
    wg_graph_free(g);
}

/* ---- What sets a weight ---- */

Test(tape_packed, whatever_sets_a_weight_is_seen)
{
    static float w[OUT * IN], doubled[OUT * IN], nan[OUT * IN];
    struct net   n = net_of(ROWS, true);
    wg_node *other = wg_param(n.g, "other", WG_F32, WG_SHAPE(OUT, IN)), *scale = wg_input(n.g, "s", WG_F32, WG_SCALAR);
    wg_node *in_place = wg_assign(n.w, wg_mul(n.w, scale));
    wg_node *swap = wg_group(2, (wg_node *[]){wg_assign(n.w, other), wg_assign(other, n.w)});
    wg_tape *t = tape_of(&n, NULL), *second = tape_of(&n, NULL);
    wg_tape *doubling = compile(n.g, 1, &in_place, NULL), *swapping = compile(n.g, 1, &swap, NULL);
    weight(1, w);
    for (int i = 0; i < OUT * IN; i++) doubled[i] = 2 * w[i];
    expect_result(t, n.y, nan, "nothing: zeros");
    cr_assert_eq(wg_set(t, n.w, w), WG_OK);
    expect_result(t, n.y, w, "wg_set on the tape");
    cr_assert_eq(wg_set(second, n.w, doubled), WG_OK);
    expect_result(t, n.y, doubled, "wg_set on another tape");
    cr_assert_eq(wg_param_set(n.w, w), WG_OK);
    expect_result(t, n.y, w, "wg_param_set");
    wg_set_scalar(doubling, scale, 2);
    run(doubling);
    expect_result(t, n.y, doubled, "an assignment in place");
    cr_assert_eq(wg_param_set(other, w), WG_OK);
    run(swapping);
    expect_result(t, n.y, w, "an assignment by copy");
    wg_watch_finite(doubling, 1);
    wg_set_scalar(doubling, scale, INFINITY);
    cr_assert_eq(wg_run(doubling), WG_ENAN);
    expect_result(t, n.y, w, "a run that failed and put the weight back");
    wg_graph_free(n.g);
}

/* Parameters of one element are no operands that are packed; that they count their versions is the same law. */
Test(tape_packed, every_way_to_set_a_parameter_counts)
{
    wg_graph *g = wg_graph_new();
    wg_node  *p = wg_param(g, "p", WG_F32, WG_SCALAR), *y = wg_neg(p);
    wg_tape  *t = compile(g, 1, &y, NULL);
    uint32_t  before = p->version;
    wg_set_scalar(t, p, 3);
    cr_expect_neq(p->version, before, "wg_set_scalar");
    before = p->version;
    wg_tape *eager = wg_graph_eager(g);
    wg_assign(p, wg_shift(p, 1));
    cr_expect_neq(p->version, before, "an eager assignment");
    before = p->version;
    run(eager);
    cr_expect_neq(p->version, before, "a run of an eager tape");
    before = p->version;
    float v;
    cr_assert_eq(wg_param_get(p, &v), WG_OK);
    cr_assert_not_null(wg_param_view(p));
    run(t);
    cr_expect_eq(p->version, before, "who reads leaves it as it is");
    wg_graph_free(g);
}

/* A weight that is set before each run is never packed in vain. */
Test(tape_packed, a_weight_that_changes_with_each_run_is_not_packed)
{
    static float w[OUT * IN];
    struct net   n = net_of(ROWS, true);
    wg_tape     *t = tape_of(&n, NULL);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(wg_set(t, n.w, w), WG_OK);
        run(t);
        for (int k = 0; k < t->n_keep; k++) cr_expect_null(t->keep[k].made->packed, "run %d", i);
    }
    wg_graph_free(n.g);
}

/* ---- Whose memory ---- */

Test(tape_packed, tapes_share_a_form)
{
    struct net n = net_of(ROWS, true);
    wg_node   *x = wg_input(n.g, "x9", WG_F32, WG_SHAPE(9, IN)), *y = wg_matmul_t(x, n.w, 0, 1);
    wg_node   *turned = wg_matmul(wg_input(n.g, "x5", WG_F32, WG_SHAPE(5, OUT)), n.w);
    if (!packs()) cr_skip_test("no kernel here reads packed operands");
    wg_tape *a = compile(n.g, 1, &n.y, NULL), *b = compile(n.g, 1, &y, NULL);
    cr_assert(a->n_keep == 1 && b->n_keep == 1);
    cr_expect_eq(a->keep[0].of, b->keep[0].of, "12 rows and 9 rows read the same");
    wg_tape *c = compile(n.g, 1, &turned, NULL);
    cr_assert_eq(c->n_keep, 1);
    cr_expect_neq(c->keep[0].of, a->keep[0].of, "rows and columns are not the same");
    wg_tape *all = compile(n.g, 3, (wg_node *[]){n.y, y, turned}, NULL);
    cr_expect_eq(all->n_keep, 3);
    cr_expect_eq(wg_stats(all).packed_bytes, wg_stats(a).packed_bytes + wg_stats(c).packed_bytes, "of each once");
    wg_tape_free(a);
    wg_tape_free(all);
    cr_expect_not_null(n.g->packed);
    wg_tape_free(b);
    wg_tape_free(c);
    cr_expect_null(n.g->packed, "the last tape is gone");
    wg_graph_free(n.g);
}

/* Building, compiling and four runs while the n-th allocation (and, unless once, all after it) fails. */
static int infer_failing_at(long n, bool once)
{
    static float w[OUT * IN];
    int          status = WG_ENOMEM;
    (once ? alloc_fail_once_at : alloc_fail_at)(n);
    wg_graph *g = wg_graph_new();
    if (g) {
        wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(2, IN)), *p = wg_param(g, "w", WG_F32, WG_SHAPE(OUT, IN));
        wg_node *c = wg_const(g, WG_F32, WG_SHAPE(OUT, IN), w);
        wg_node *y = wg_add(wg_matmul_t(x, p, 0, 1), wg_matmul_t(x, c, 0, 1));
        wg_tape *t = wg_compile(g, 1, &y, NULL);
        status = t ? wg_set(t, x, w) : wg_status(g);
        for (int i = 0; i < 4 && !status; i++) status = wg_run(t);
    }
    alloc_restore();
    wg_graph_free(g);
    return status;
}

Test(tape_packed, inference_fails_cleanly_at_every_allocation)
{
    for (int once = 0; once < 2; once++) {
        int n = 0, status;
        while ((status = infer_failing_at(n, once)) != WG_OK && n < 1000) {
            cr_assert_eq(status, WG_ENOMEM, "allocation %d: %s", n, wg_strerror(status));
            n++;
        }
        cr_assert_eq(status, WG_OK);
        cr_expect_gt(n, 20, "only %d allocations", n);
    }
}

Test(tape_packed, runs_take_no_memory)
{
    static float w[OUT * IN];
    struct net   n = net_of(ROWS, true);
    wg_options   one = with_threads(1);
    wg_tape     *t = tape_of(&n, &one);
    run(t);
    long before = alloc_count();
    for (int i = 0; i < 6; i++) {
        if (i == 3) wg_set(t, n.w, w);
        wg_run(t);
    }
    cr_expect_eq(alloc_count(), before);
    wg_graph_free(n.g);
}

/* ---- In parallel ---- */

enum { WORKERS = 4, ROUNDS = 30, RUNS = 3 };

struct worker {
    wg_tape       *t;
    const wg_node *y;
    const float   *want;
    int            wrong;
};

static void *infer(void *context)
{
    struct worker *w = context;
    for (int i = 0; i < RUNS; i++)
        if (wg_run(w->t) || memcmp(wg_view(w->t, w->y), w->want, ROWS * OUT * sizeof(float)) != 0) w->wrong++;
    return NULL;
}

/* Several tapes find the same form stale at once, again and again. */
Test(tape_packed, tapes_in_parallel_pack_once)
{
    static float  w[OUT * IN], want[ROWS * OUT];
    struct net    n = net_of(ROWS, true);
    wg_options    one = with_threads(1);
    struct worker worker[WORKERS];
    for (int i = 0; i < WORKERS; i++) worker[i] = (struct worker){tape_of(&n, &one), n.y, want, 0};
    for (int r = 0; r < ROUNDS; r++) {
        pthread_t thread[WORKERS];
        weight((uint64_t)r, w);
        reference(w, want);
        cr_assert_eq(wg_param_set(n.w, w), WG_OK);
        for (int i = 0; i < WORKERS; i++) cr_assert_eq(pthread_create(&thread[i], NULL, infer, &worker[i]), 0);
        for (int i = 0; i < WORKERS; i++) pthread_join(thread[i], NULL);
    }
    for (int i = 0; i < WORKERS; i++) cr_expect_eq(worker[i].wrong, 0, "tape %d", i);
    wg_graph_free(n.g);
}

/* ---- Random graphs of parameters, on every level ---- */

static void expect_random_graphs(const char *level)
{
    int packed = 0;
    setenv("WG_CPU", level, 1);
    if (strcmp(wg__kernels()->level, level) != 0) cr_skip_test("this CPU has no %s", level);
    for (uint64_t seed = 0; seed < 1500; seed++) {
        struct random_graph r = {.g = wg_graph_new(), .params = true};
        build(&r, seed);
        struct random_graph rest = random_graph(seed); /* of inputs, which are never packed */
        wg_options          plain = skipping(WG_SKIP_FUSE), one = with_threads(1);
        wg_tape *t = computed(&r, NULL), *u = computed(&r, &plain), *v = computed(&r, &one), *w = computed(&rest, NULL);
        for (int k = 0; k < 3; k++, run(t)) {
            for (int i = 0; i < r.n_out; i++) {
                cr_expect(same_bits(t, u, r.out[i]), "graph %llu, output %d, run %d", (unsigned long long)seed, i, k);
                void *got = value_of(t, r.out[i]), *want = value_of(w, rest.out[i]);
                cr_expect_arr_eq(got, want, bytes_on(t, r.out[i]), "inputs, graph %llu, output %d, run %d",
                                 (unsigned long long)seed, i, k);
                free(got);
                free(want);
                cr_expect(same_bits(t, v, r.out[i]), "one thread, graph %llu, output %d, run %d",
                          (unsigned long long)seed, i, k);
            }
        }
        packed += t->n_keep;
        wg_graph_free(r.g);
        wg_graph_free(rest.g);
    }
    cr_expect(packs() ? packed > 10 : packed == 0, "%d packed operands", packed);
}
Test(tape_packed, random_graphs_at_baseline) { expect_random_graphs("baseline"); }
Test(tape_packed, random_graphs_at_avx2) { expect_random_graphs("avx2"); }
Test(tape_packed, random_graphs_at_avx512) { expect_random_graphs("avx512"); }
