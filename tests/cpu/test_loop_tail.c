/* Loops that end in a reduction: against the reduction alone bit for bit, and against sums in double. */
#include "cpu/loop_test.h"

TestSuite(loop_tail, .init = four_threads, .timeout = 120);

/* [outer, reduced, inner] with boundaries at axes of the domain. */
static void random_tail(struct program *p, int kind)
{
    struct wg__loop *l = &p->l;
    int              from = (int)roll((uint32_t)p->domain.rank + 1), to = (int)roll((uint32_t)p->domain.rank + 1);
    if (from > to) {
        int swap = from;
        from = to;
        to = swap;
    }
    l->outer = l->reduced = l->inner = 1;
    for (int a = 0; a < p->domain.rank; a++)
        *(a < from ? &l->outer : a < to ? &l->reduced : &l->inner) *= p->domain.dim[a];
    l->tail = kind;
    l->tail_slot = roll(2) ? INPUTS + REGISTERS + (int)roll(OUTPUTS) : (int)(FIRST_F32 + roll(INPUTS - FIRST_F32));
    l->tail_dtype = WG_F32;
}

/* The values of the tail's slot, dense. */
static float *tail_values(const struct program *p)
{
    const struct wg__loop *l = &p->l;
    float                 *v = malloc((size_t)l->count * 4 + 8);
    for (int64_t f = 0; f < l->count; f++)
        v[f] = l->tail_slot < INPUTS
                   ? ((float *)l->in[l->tail_slot].data)[place(&p->domain, &p->shape[l->tail_slot], f)]
                   : ((float *)l->out[l->tail_slot - INPUTS - REGISTERS].data)[f];
    return v;
}

static void expect_close(const struct wg__loop *l, const float *v, const float *y)
{
    for (int64_t o = 0; o < l->outer; o++)
        for (int64_t i = 0; i < l->inner; i++) {
            double sum = 0, size = 0, most = -INFINITY;
            for (int64_t r = 0; r < l->reduced; r++) {
                double e = (double)v[(o * l->reduced + r) * l->inner + i];
                sum += e;
                size += fabs(e);
                most = e > most ? e : most;
            }
            double got = (double)y[o * l->inner + i];
            bool   ok = l->tail == WG__SUM ? fabs(got - sum) <= 1e-5 * size : got == most;
            if (!ok) cr_assert_fail("%g, not %g or %g", got, sum, most);
        }
}

static void check_tail(struct program *p)
{
    struct wg__loop *l = &p->l;
    size_t           n = (size_t)(l->outer * l->inner);
    float           *first = malloc(n * 4 + 8), *alone = malloc(n * 4 + 8), *y = malloc(n * 4 + 8), *v = NULL;
    l->tail_out = y;
    wg__loop_prepare(l);
    float *want = references(p);
    for (int threads = 1; threads <= 4; threads *= 2) {
        clear_outputs(p);
        memset(y, 0xff, n * 4);
        wg__loop_run(l, threads);
        expect_outputs(p, want, threads);
        if (threads == 1) memcpy(first, y, n * 4);
        cr_assert_arr_eq(first, y, n * 4, "%d threads", threads);
        free(v);
        v = tail_values(p);
        wg_tensor x = {v, WG_F32, p->domain};
        wg__reduce_call((enum wg__reduce)l->tail, &x, l->outer, l->reduced, l->inner, alone, threads);
        cr_assert_arr_eq(alone, y, n * 4, "fused and alone differ: [%lld,%lld,%lld], %d threads", (long long)l->outer,
                         (long long)l->reduced, (long long)l->inner, threads);
    }
    expect_close(l, v, y);
    free(want);
    free(first);
    free(alone);
    free(y);
    free(v);
}

Test(loop_tail, tails_agree_with_reductions_alone)
{
    for (int round = 0; round < 300; round++) {
        struct program p;
        state = (uint32_t)round * 2246822519u + 1;
        wg_shape domain = random_domain();
        make(&p, &domain);
        random_tail(&p, round % 2 ? WG__SUM : WG__MAX);
        check_tail(&p);
        release(&p);
    }
}

Test(loop_tail, large_tails_in_every_direction)
{
    static const int64_t shapes[][3] = {{1, 100000, 1}, {2, 70000, 1},  {200, 1000, 1}, {40, 3000, 1}, {1, 3000, 10},
                                        {1, 100, 2500}, {1, 2000, 150}, {2, 700, 128},  {30, 70, 33},  {1, 64, 1024}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int kind = 0; kind < 2; kind++) {
            struct program p;
            state = (uint32_t)i * 31 + (uint32_t)kind;
            wg_shape domain = WG_SHAPE(shapes[i][0], shapes[i][1], shapes[i][2]);
            make(&p, &domain);
            random_tail(&p, kind ? WG__MAX : WG__SUM);
            p.l.outer = shapes[i][0];
            p.l.reduced = shapes[i][1];
            p.l.inner = shapes[i][2];
            check_tail(&p);
            release(&p);
        }
}

Test(loop_tail, long_f32_sums_are_added_up_in_double)
{
    enum { N = 1 << 22 };
    float *x = malloc(N * sizeof *x), y = 0;
    for (int i = 0; i < N; i++) x[i] = 0.1f;
    wg_tensor t = {x, WG_F32, WG_SHAPE(N)};
    wg__reduce_call(WG__SUM, &t, 1, N, 1, &y, 0);
    cr_assert(fabs((double)y / (N * (double)0.1f) - 1) < 1e-6, "%g", (double)y);
    wg__reduce_call(WG__SUM, &t, 1, N / 8, 8, x, 1);
    free(x);
}

Test(loop_tail, reductions_of_every_dtype)
{
    enum { N = 6000 };
    static int64_t i64[N];
    static int32_t i32[N];
    static double  f64[N];
    int64_t        sum64 = 0, y64[10];
    for (int i = 0; i < N; i++) {
        i64[i] = (int64_t)roll(50000) << 34;
        i32[i] = (int32_t)roll(1000) - 500;
        f64[i] = (double)i32[i];
        sum64 += i64[i];
    }
    wg_tensor x = {i64, WG_I64, WG_SHAPE(N)};
    wg__reduce_call(WG__SUM, &x, 1, N, 1, y64, 1);
    cr_assert_eq(y64[0], sum64, "no bit of an i64 sum is lost");
    wg__reduce_call(WG__SUM, &x, 1, N / 10, 10, y64, 1);
    for (int i = 1; i < 10; i++) y64[0] += y64[i];
    cr_assert_eq(y64[0], sum64);
    int32_t y32, least = 1000, sum32 = 0;
    double  yd, most = -1000;
    for (int i = 0; i < N; i++) {
        least = i32[i] < least ? i32[i] : least;
        most = f64[i] > most ? f64[i] : most;
        sum32 += i32[i];
    }
    wg__reduce_call(WG__MIN, &(wg_tensor){i32, WG_I32, WG_SHAPE(N)}, 1, N, 1, &y32, 1);
    cr_assert_eq(y32, least);
    wg__reduce_call(WG__MAX, &(wg_tensor){f64, WG_F64, WG_SHAPE(N)}, 1, N, 1, &yd, 1);
    cr_assert_eq(yd, most);
    wg__reduce_call(WG__SUM, &(wg_tensor){f64, WG_F64, WG_SHAPE(N)}, 1, N, 1, &yd, 1);
    cr_assert_eq(yd, (double)sum32, "whole numbers add up exactly in f64");
}

Test(loop_tail, a_reduction_of_nothing_is_its_identity)
{
    float              f[6], none;
    int64_t            i[2];
    static const float want[] = {0, 1, -INFINITY, INFINITY};
    for (int kind = 0; kind < WG__REDUCES; kind++) {
        wg_tensor x = {&none, WG_F32, WG_SHAPE(2, 0, 3)};
        wg__reduce_call((enum wg__reduce)kind, &x, 2, 0, 3, f, 1);
        for (int k = 0; k < 6; k++) cr_assert_eq(f[k], want[kind]);
    }
    wg__reduce_call(WG__MIN, &(wg_tensor){&none, WG_I64, WG_SHAPE(1, 0)}, 1, 0, 1, i, 1);
    cr_assert_eq(i[0], INT64_MAX);
}
