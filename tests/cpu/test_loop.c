/* Loops against one-element-at-a-time references: every way to walk a domain,
 * any number of threads, after a matrix product or not, bit for bit. */
#include "cpu/loop_test.h"

TestSuite(loop, .init = four_threads, .timeout = 120);

Test(loop, random_programs_agree_with_single_elements)
{
    for (int round = 0; round < 300; round++) {
        struct program p;
        state = (uint32_t)round * 2654435761u + 1;
        wg_shape domain = random_domain();
        make(&p, &domain);
        wg__loop_prepare(&p.l);
        cr_assert_eq(p.l.count, wg_count(&domain));
        float *want = references(&p);
        for (int threads = 1; threads <= 4; threads *= 2) {
            clear_outputs(&p);
            wg__loop_run(&p.l, threads);
            expect_outputs(&p, want, threads);
        }
        free(want);
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
    l.in[0] = (struct wg__loop_operand){.data = x, .dtype = WG_F32, .stride = {1, R}};
    l.in[1] = (struct wg__loop_operand){.data = z + C - 1, .dtype = WG_F32, .stride = {C, -1}};
    l.out[0] = (struct wg__loop_output){.data = y, .dtype = WG_F32};
    l.step[0] = (struct wg__step){.op = &add_op, .n = 2, .x = {0, 1}, .y = 2};
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
    l.in[0] = (struct wg__loop_operand){.data = w, .dtype = WG_F32};
    l.in[1] = (struct wg__loop_operand){.data = g, .dtype = WG_F32};
    l.in[2] = (struct wg__loop_operand){.data = &rate, .dtype = WG_F32};
    l.out[0] = (struct wg__loop_output){.data = w, .dtype = WG_F32};
    l.step[0] = (struct wg__step){.op = &mul_op, .n = 2, .x = {1, 2}, .y = 3};
    l.step[1] = (struct wg__step){.op = &add_op, .n = 2, .x = {0, 3}, .y = 4};
    for (int i = 0; i < N; i++) w[i] = (float)i, g[i] = 2;
    wg__loop_domain(&l, &s, shape, false);
    wg__loop_prepare(&l);
    wg__loop_run(&l, 4);
    for (int i = 0; i < N; i++)
        if (w[i] != (float)i - 1) cr_assert_fail("[%d]", i);
}

/* ---- Heads ---- */

/* A product as the least producer: its plan is the product, put there beforehand. */
static void product_ready(const wg_call *c, void *plan) { (void)c, (void)plan; }
static void product_run(const void *plan, const void *packed, int threads, wg__take_tile *take, void *context)
{
    (void)packed;
    wg__gemm(plan, threads, take, context);
}
static const struct wg__producer product = {
    .ready = product_ready, .plan_bytes = sizeof(struct wg__gemm), .run = product_run};

static void check_head(int64_t m, int64_t n, int64_t k, bool keep_last)
{
    size_t   c_bytes = (size_t)(m * n) * 4;
    float   *a = malloc((size_t)(m * k) * 4 + 8), *b = malloc((size_t)(k * n) * 4 + 8), *bias = malloc((size_t)n * 4);
    float   *col = malloc((size_t)m * 4), *c = malloc(c_bytes), *y = malloc(c_bytes), *want = malloc(c_bytes);
    wg_shape domain = WG_SHAPE(m, n), row = WG_SHAPE(n), column = WG_SHAPE(m, 1);
    const wg_shape      *shape[] = {&domain, &row, &column};
    struct wg__gemm      g = {.dtype = WG_F32, .m = m, .n = n, .k = k, .a = a, .b = b, .c = c};
    wg_tensor            made = {c, WG_F32, domain};
    struct wg__head      head = {.made = {.producer = &product, .plan = &g}, .call = {.m = 1, .y = &made}};
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
                              .head = &head};
    for (int64_t i = 0; i < m * k; i++) a[i] = (float)roll(100) / 50 - 1;
    for (int64_t i = 0; i < k * n; i++) b[i] = (float)roll(100) / 50 - 1;
    for (int64_t i = 0; i < n; i++) bias[i] = (float)roll(100);
    for (int64_t i = 0; i < m; i++) col[i] = (float)roll(100);
    l.in[0] = (struct wg__loop_operand){.data = c, .dtype = WG_F32};
    l.in[1] = (struct wg__loop_operand){.data = bias, .dtype = WG_F32};
    l.in[2] = (struct wg__loop_operand){.data = col, .dtype = WG_F32};
    l.out[0] = (struct wg__loop_output){.data = y, .dtype = WG_F32};
    l.step[0] = (struct wg__step){.op = &add_op, .n = 2, .x = {0, 1}, .y = 3};
    l.step[1] = (struct wg__step){.op = &mul_op, .n = 2, .x = {3, 2}, .y = 4};
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

static void widen(int64_t n, void *y, const void *const x[], unsigned once, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) ((double *)y)[i] = (double)AT(float, 0);
}
static wg_block *widen_block(int n, const wg_dtype x[], wg_dtype y) { return (void)n, (void)x, (void)y, widen; }

Test(loop, an_operator_alone_broadcasts)
{
    const wg_op op = {.name = "widen", .arity = 1, .block = widen_block};
    float       x[3] = {1, 2, 3};
    double      y[12];
    wg_tensor   in = {x, WG_F32, WG_SHAPE(3, 1)}, out = {y, WG_F64, WG_SHAPE(3, 4)};
    wg_call     c = {.n = 1, .m = 1, .x = &in, .y = &out, .threads = 1};
    cr_assert_eq(wg__loop_call(&op, &c), WG_OK);
    for (int i = 0; i < 12; i++) cr_assert_eq(y[i], i / 4 + 1);
    out.shape = WG_SHAPE(0, 4);
    y[0] = 77;
    in.shape = WG_SHAPE(1);
    cr_assert_eq(wg__loop_call(&op, &c), WG_OK);
    cr_assert_eq(y[0], 77, "an empty result is not written");
}

static wg_block *f32_block(int n, const wg_dtype x[], wg_dtype y)
{
    return (void)y, n && x[0] == WG_F32 ? widen : NULL;
}

Test(loop, a_step_without_a_function_is_told)
{
    static const wg_op   op = {.name = "widen", .arity = 1, .block = f32_block};
    struct wg__loop_room room = {0};
    struct wg__loop      l = {.in = room.in,
                              .out = room.out,
                              .step = room.step,
                              .rank = 1,
                              .dim = {3},
                              .inputs = 1,
                              .outputs = 1,
                              .steps = 1,
                              .tail = -1};
    l.in[0] = (struct wg__loop_operand){.dtype = WG_F32, .stride = {1}};
    l.out[0].dtype = WG_F64;
    l.step[0] = (struct wg__step){.op = &op, .n = 1, .y = 1, .to = WG_F64, .from = {WG_F32}};
    cr_assert_null(wg__loop_prepare(&l));
    l.step[0].from[0] = WG_I64;
    cr_assert_eq(wg__loop_prepare(&l), &l.step[0]);
}
