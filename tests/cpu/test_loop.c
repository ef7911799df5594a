/* Loops against one-element-at-a-time references: every way to walk a domain,
 * any number of threads, and fused against unfused, bit for bit. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"

static void four_threads(void) { setenv("WG_THREADS", "4", 1); }
TestSuite(loop, .init = four_threads, .timeout = 120);

static uint32_t state = 1;
static uint32_t roll(uint32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(state >> 4) * n >> 28);
}

/* ---- Steps: small functions of f32, u8 and f64 ---- */

#define AT(T, k) ((const T *)x[k])[once >> (k)&1 ? 0 : i]

static void add(int64_t n, void *y, const void *const x[], unsigned once, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) ((float *)y)[i] = AT(float, 0) + AT(float, 1);
}
static void mul(int64_t n, void *y, const void *const x[], unsigned once, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) ((float *)y)[i] = AT(float, 0) * AT(float, 1);
}
static void scale(int64_t n, void *y, const void *const x[], unsigned once, const void *attr)
{
    for (int64_t i = 0; i < n; i++) ((float *)y)[i] = AT(float, 0) * *(const float *)attr;
}
static void choose(int64_t n, void *y, const void *const x[], unsigned once, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) ((float *)y)[i] = AT(uint8_t, 0) ? AT(float, 1) : AT(float, 2);
}
static void widen(int64_t n, void *y, const void *const x[], unsigned once, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) ((double *)y)[i] = (double)AT(float, 0);
}
static void narrow(int64_t n, void *y, const void *const x[], unsigned once, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) ((float *)y)[i] = (float)AT(double, 0);
}

/* ---- A random program: inputs u8, f64, then f32; registers and outputs f32 ---- */

enum { INPUTS = 6, REGISTERS = 4, OUTPUTS = 2, STEPS = 9, FIRST_F32 = 2 };
static const float factor = 0.75f;

struct program {
    struct wg__loop      l;
    struct wg__loop_room room;
    wg_shape             domain, shape[INPUTS];
    bool                 strided; /* operands are views with strides of their own */
};

static int64_t elements(const wg_shape *s) { return wg_count(s); }

static wg_shape broadcastable(const wg_shape *domain)
{
    wg_shape s = *domain;
    int      drop = (int)roll((uint32_t)s.rank + 1);
    if (roll(3)) drop = 0;
    s.rank -= drop;
    memmove(s.dim, s.dim + drop, (size_t)s.rank * sizeof *s.dim);
    if (roll(3))
        for (int a = 0; a < s.rank; a++)
            if (!roll(3)) s.dim[a] = 1;
    return s;
}

static void fill(struct wg__loop_operand *x, int input, int64_t n)
{
    x->size = input == 0 ? 1 : input == 1 ? 8 : 4;
    x->data = malloc((size_t)n * x->size + 8);
    for (int64_t i = 0; i < n; i++) {
        double v = (double)roll(2000) / 1000 - 1;
        if (input == 0) ((uint8_t *)x->data)[i] = (uint8_t)roll(2);
        else if (input == 1) ((double *)x->data)[i] = v;
        else ((float *)x->data)[i] = (float)v;
    }
}

/* A slot that holds f32 by the time of step s. */
static uint8_t readable(const bool *ready)
{
    for (;;) {
        uint32_t s = FIRST_F32 + roll(INPUTS - FIRST_F32 + REGISTERS + OUTPUTS);
        if (s < INPUTS || ready[s]) return (uint8_t)s;
    }
}

static void random_step(struct wg__step *s, bool *ready)
{
    static wg_block *const blocks[] = {add, mul, scale, choose, narrow};
    static const uint8_t   arity[] = {2, 2, 1, 3, 1};
    uint32_t               kind = roll(5);
    s->block = blocks[kind];
    s->attr = &factor;
    s->n = arity[kind];
    for (int k = 0; k < s->n; k++) s->x[k] = readable(ready);
    if (kind == 3) s->x[0] = 0;
    if (kind == 4) s->x[0] = 1;
}

static void make(struct program *p, const wg_shape *domain)
{
    struct wg__loop *l = &p->l;
    bool             ready[INPUTS + REGISTERS + OUTPUTS] = {0};
    const wg_shape  *shape[INPUTS];
    memset(p, 0, sizeof *p);
    wg__loop_use(l, &p->room);
    p->domain = *domain;
    l->inputs = INPUTS;
    l->registers = REGISTERS;
    l->outputs = OUTPUTS;
    l->steps = STEPS;
    l->tail = -1;
    l->cost = 30;
    for (int i = 0; i < INPUTS; i++) {
        p->shape[i] = broadcastable(domain);
        shape[i] = &p->shape[i];
        fill(&l->in[i], i, elements(shape[i]));
    }
    for (int o = 0; o < OUTPUTS; o++) {
        l->out[o].size = 4;
        l->out[o].data = malloc((size_t)elements(domain) * 4 + 8);
    }
    for (int s = 0; s < STEPS; s++) {
        random_step(&l->step[s], ready);
        /* Both outputs are written at the end, if not before. */
        uint32_t y = s >= STEPS - OUTPUTS ? (uint32_t)(INPUTS + REGISTERS + s - (STEPS - OUTPUTS))
                                          : INPUTS + roll(REGISTERS + OUTPUTS);
        l->step[s].y = (uint8_t)y;
        ready[y] = true;
    }
    wg__loop_domain(l, domain, shape, roll(2));
}

static void release(struct program *p)
{
    for (int i = 0; i < INPUTS; i++) free(p->l.in[i].data);
    for (int o = 0; o < OUTPUTS; o++) free(p->l.out[o].data);
}

/* Place in an operand of shape s of element f of the domain. */
static int64_t place(const wg_shape *domain, const wg_shape *s, int64_t f)
{
    int64_t at = 0, step = 1;
    for (int a = domain->rank - 1, b = s->rank - 1; a >= 0; f /= domain->dim[a], a--, b--) {
        if (b < 0) continue;
        if (s->dim[b] != 1) at += f % domain->dim[a] * step;
        step *= s->dim[b];
    }
    return at;
}

/* Element f of every output, one step after another on single elements. */
static void reference(const struct program *p, int64_t f, float *y)
{
    const struct wg__loop *l = &p->l;
    double                 value[INPUTS + REGISTERS + OUTPUTS] = {0}; /* room for any dtype */
    for (int i = 0; i < INPUTS; i++)
        memcpy(&value[i], (char *)l->in[i].data + (size_t)place(&p->domain, &p->shape[i], f) * l->in[i].size,
               l->in[i].size);
    for (int s = 0; s < l->steps; s++) {
        const void *x[WG_BLOCK_MAX_ARITY] = {0};
        for (int k = 0; k < l->step[s].n; k++) x[k] = &value[l->step[s].x[k]];
        double z;
        l->step[s].block(1, &z, x, 0, l->step[s].attr);
        value[l->step[s].y] = z;
    }
    for (int o = 0; o < OUTPUTS; o++) memcpy(&y[o], &value[INPUTS + REGISTERS + o], 4);
}

static void expect_reference(const struct program *p, int threads)
{
    for (int64_t f = 0; f < p->l.count; f++) {
        float want[OUTPUTS];
        reference(p, f, want);
        for (int o = 0; o < OUTPUTS; o++)
            if (memcmp(&((float *)p->l.out[o].data)[f], &want[o], 4))
                cr_assert_fail("%d threads, output %d, element %lld", threads, o, (long long)f);
    }
}

static void clear_outputs(struct program *p)
{
    for (int o = 0; o < OUTPUTS; o++) memset(p->l.out[o].data, 0xff, (size_t)p->l.count * 4);
}

static wg_shape random_domain(void)
{
    wg_shape s = {.rank = (int)roll(WG_MAX_RANK + 1)};
    int64_t  n = 1;
    for (int a = 0; a < s.rank; a++) {
        int64_t d = roll(4) ? 1 + roll(4) : 1 + roll(40);
        if (!roll(9)) d = 250 + roll(900);
        if (!roll(60)) d = 0;
        if (n * d > 12000) d = 1;
        s.dim[a] = d;
        n *= d;
    }
    return s;
}

Test(loop, random_programs_agree_with_single_elements)
{
    for (int round = 0; round < 300; round++) {
        struct program p;
        wg_shape       domain = random_domain();
        state = (uint32_t)round * 2654435761u + 1;
        make(&p, &domain);
        wg__loop_prepare(&p.l);
        cr_assert_eq(p.l.count, elements(&domain));
        for (int threads = 1; threads <= 4; threads *= 2) {
            clear_outputs(&p);
            wg__loop_run(&p.l, threads);
            expect_reference(&p, threads);
        }
        release(&p);
    }
}

Test(loop, usual_domains_merge)
{
    struct wg__loop_room room = {0};
    struct wg__loop      l = {.in = room.in, .out = room.out, .step = room.step, .inputs = 3};
    wg_shape domain = WG_SHAPE(4, 5, 6, 7), scalar = WG_SCALAR, bias = WG_SHAPE(7), column = WG_SHAPE(4, 5, 6, 1);
    const wg_shape *dense[] = {&domain, &scalar, &domain}, *row[] = {&domain, &bias, &scalar};
    const wg_shape *col[] = {&domain, &column, &bias};
    wg__loop_domain(&l, &domain, dense, false);
    cr_assert_eq(l.rank, 1);
    cr_assert_eq(l.dim[0], 840);
    wg__loop_domain(&l, &domain, dense, true);
    cr_assert_eq(l.rank, 2, "the last axis is kept apart");
    cr_assert_eq(l.dim[0], 120);
    wg__loop_domain(&l, &domain, row, false);
    cr_assert_eq(l.rank, 2);
    cr_assert_eq(l.in[1].stride[0], 0);
    cr_assert_eq(l.in[1].stride[1], 1);
    wg__loop_domain(&l, &domain, col, false);
    cr_assert_eq(l.rank, 2);
    cr_assert_eq(l.in[1].stride[0], 1);
    cr_assert_eq(l.in[1].stride[1], 0);
}

Test(loop, operands_may_have_any_stride)
{
    /* y[i,j] = x[j,i] + z[i, cols-1-j]: a transposed and a reversed view. */
    enum { R = 300, C = 70 };
    static float         x[C * R], z[R * C], y[R * C];
    struct wg__loop_room room = {0};
    struct wg__loop      l = {.in = room.in,
                              .out = room.out,
                              .step = room.step,
                              .rank = 2,
                              .dim = {R, C},
                              .inputs = 2,
                              .outputs = 1,
                              .steps = 1,
                              .cost = 30,
                              .tail = -1};
    l.in[0] = (struct wg__loop_operand){.data = x, .size = 4, .stride = {1, R}};
    l.in[1] = (struct wg__loop_operand){.data = z + C - 1, .size = 4, .stride = {C, -1}};
    l.out[0] = (struct wg__loop_operand){.data = y, .size = 4};
    l.step[0] = (struct wg__step){.block = add, .n = 2, .x = {0, 1}, .y = 2};
    for (int i = 0; i < R * C; i++) x[i] = (float)i, z[i] = (float)roll(1000);
    wg__loop_prepare(&l);
    wg__loop_run(&l, 4);
    for (int i = 0; i < R; i++)
        for (int j = 0; j < C; j++)
            if (y[i * C + j] != x[j * R + i] + z[i * C + C - 1 - j]) cr_assert_fail("[%d,%d]", i, j);
}

Test(loop, an_output_may_be_an_input)
{
    enum { N = 5000 };
    static float         w[N], g[N], rate = -0.5f;
    struct wg__loop_room room = {0};
    struct wg__loop      l = {.in = room.in,
                              .out = room.out,
                              .step = room.step,
                              .inputs = 3,
                              .registers = 1,
                              .outputs = 1,
                              .steps = 2,
                              .cost = 30,
                              .tail = -1};
    wg_shape             s = WG_SHAPE(N), scalar = WG_SCALAR;
    const wg_shape      *shape[] = {&s, &s, &scalar};
    l.in[0] = (struct wg__loop_operand){.data = w, .size = 4};
    l.in[1] = (struct wg__loop_operand){.data = g, .size = 4};
    l.in[2] = (struct wg__loop_operand){.data = &rate, .size = 4};
    l.out[0] = (struct wg__loop_operand){.data = w, .size = 4};
    l.step[0] = (struct wg__step){.block = mul, .n = 2, .x = {1, 2}, .y = 3};
    l.step[1] = (struct wg__step){.block = add, .n = 2, .x = {0, 3}, .y = 4};
    for (int i = 0; i < N; i++) w[i] = (float)i, g[i] = 2;
    wg__loop_domain(&l, &s, shape, false);
    wg__loop_prepare(&l);
    wg__loop_run(&l, 4);
    for (int i = 0; i < N; i++)
        if (w[i] != (float)i - 1) cr_assert_fail("[%d]", i);
}

/* ---- Tails ---- */

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
    for (int threads = 1; threads <= 4; threads *= 2) {
        clear_outputs(p);
        memset(y, 0xff, n * 4);
        wg__loop_run(l, threads);
        expect_reference(p, threads);
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
    free(first);
    free(alone);
    free(y);
    free(v);
}

Test(loop, tails_agree_with_reductions_alone)
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

Test(loop, large_tails_in_every_direction)
{
    static const int64_t shapes[][3] = {{1, 200000, 1}, {3, 70000, 1},  {300, 1000, 1}, {40, 3000, 1}, {1, 3000, 10},
                                        {1, 200, 2500}, {1, 9000, 300}, {2, 700, 128},  {30, 70, 33},  {1, 64, 1024}};
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

Test(loop, long_f32_sums_are_added_up_in_double)
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

Test(loop, reductions_of_every_dtype)
{
    enum { N = 6000 };
    static int64_t i64[N];
    static int32_t i32[N];
    static double  f64[N];
    int64_t        sum64 = 0, y64[10];
    for (int i = 0; i < N; i++) {
        i64[i] = (int64_t)roll(1000000) << 34;
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

Test(loop, a_reduction_of_nothing_is_its_identity)
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

/* ---- Heads ---- */

static void check_head(int64_t m, int64_t n, int64_t k, bool keep_last)
{
    size_t   c_bytes = (size_t)(m * n) * 4;
    float   *a = malloc((size_t)(m * k) * 4 + 8), *b = malloc((size_t)(k * n) * 4 + 8), *bias = malloc((size_t)n * 4);
    float   *col = malloc((size_t)m * 4), *c = malloc(c_bytes), *y = malloc(c_bytes), *want = malloc(c_bytes);
    wg_shape domain = WG_SHAPE(m, n), row = WG_SHAPE(n), column = WG_SHAPE(m, 1);
    const wg_shape      *shape[] = {&domain, &row, &column};
    struct wg__gemm      g = {WG_F32, false, false, m, n, k, a, b, c};
    struct wg__loop_room room = {0};
    struct wg__loop      l = {.in = room.in,
                              .out = room.out,
                              .step = room.step,
                              .inputs = 3,
                              .registers = 1,
                              .outputs = 1,
                              .steps = 2,
                              .cost = 1,
                              .tail = -1,
                              .head = &g};
    for (int64_t i = 0; i < m * k; i++) a[i] = (float)roll(100) / 50 - 1;
    for (int64_t i = 0; i < k * n; i++) b[i] = (float)roll(100) / 50 - 1;
    for (int64_t i = 0; i < n; i++) bias[i] = (float)roll(100);
    for (int64_t i = 0; i < m; i++) col[i] = (float)roll(100);
    l.in[0] = (struct wg__loop_operand){.data = c, .size = 4};
    l.in[1] = (struct wg__loop_operand){.data = bias, .size = 4};
    l.in[2] = (struct wg__loop_operand){.data = col, .size = 4};
    l.out[0] = (struct wg__loop_operand){.data = y, .size = 4};
    l.step[0] = (struct wg__step){.block = add, .n = 2, .x = {0, 1}, .y = 3};
    l.step[1] = (struct wg__step){.block = mul, .n = 2, .x = {3, 2}, .y = 4};
    wg__loop_domain(&l, &domain, shape, keep_last);
    wg__loop_prepare(&l);
    wg__gemm(&g, 1, NULL, NULL);
    for (int64_t i = 0; i < m * n; i++) want[i] = (c[i] + bias[i % n]) * col[i / n];
    for (int threads = 1; threads <= 4; threads *= 2) {
        memset(c, 0xff, c_bytes);
        memset(y, 0xff, c_bytes);
        wg__loop_run(&l, threads);
        cr_assert_arr_eq(y, want, c_bytes, "%lldx%lldx%lld, %d threads", (long long)m, (long long)n, (long long)k,
                         threads);
    }
    l.out[0].data = c; /* the product's own memory */
    wg__loop_run(&l, 4);
    cr_assert_arr_eq(c, want, c_bytes);
    free(a), free(b), free(bias), free(col), free(c), free(y), free(want);
}

Test(loop, a_head_is_continued_piece_by_piece)
{
    static const int64_t shapes[][3] = {{1, 1, 3},      {1, 700, 50},   {700, 1, 50},   {5, 7, 0},     {128, 512, 100},
                                        {200, 10, 512}, {64, 128, 784}, {300, 300, 40}, {33, 1500, 64}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int keep = 0; keep < 2; keep++) check_head(shapes[i][0], shapes[i][1], shapes[i][2], keep);
}

/* ---- Operators alone ---- */

static wg_block *widen_block(int n, const wg_dtype x[], wg_dtype y) { return (void)n, (void)x, (void)y, widen; }

Test(loop, an_operator_alone_broadcasts)
{
    const wg_op op = {.name = "widen", .arity = 1, .block = widen_block};
    float       x[3] = {1, 2, 3};
    double      y[12];
    wg_tensor   in = {x, WG_F32, WG_SHAPE(3, 1)};
    wg_call     c = {.n = 1, .x = &in, .y = {y, WG_F64, WG_SHAPE(3, 4)}, .threads = 1};
    cr_assert_eq(wg__loop_call(&op, &c), WG_OK);
    for (int i = 0; i < 12; i++) cr_assert_eq(y[i], i / 4 + 1);
    c.y.shape = WG_SHAPE(0, 4);
    y[0] = 77;
    in.shape = WG_SHAPE(1);
    cr_assert_eq(wg__loop_call(&op, &c), WG_OK);
    cr_assert_eq(y[0], 77, "an empty result is not written");
}
