/* Tensors that are split among threads: the same bits for any number. */
#include <string.h>

#include "ops/ops_test.h"
#include "support/alloc.h"

enum { ROWS = 611, COLS = 523 };

static wg_node *build(wg_graph *g, int which, wg_node *x, wg_node *index)
{
    (void)g;
    switch (which) {
    case 0: return wg_sum(x, WG_AXES(1), 0);
    case 1: return wg_sum(x, WG_AXES(0), 0);
    case 2: return wg_max(x, WG_ALL_AXES, 0);
    case 3: return wg_logsumexp(x, WG_AXES(1), 0);
    case 4: return wg_argmax(x, 0, 0);
    case 5: return wg_argmax(x, 1, 0);
    case 6: return wg_transpose(x, WG_ALL_AXES);
    case 7: return wg_slice(x, 1, WG_SLICE_END, INT64_MIN, -2);
    case 8: return wg_slice(x, 0, 3, 600, 1);
    case 9: return wg_pad(x, (int64_t[]){3, 1}, (int64_t[]){0, 9}, 2);
    case 10: return wg_concat(3, (wg_node *[]){x, x, x}, 1);
    case 11: return wg_concat(2, (wg_node *[]){x, x}, 0);
    case 12: return wg_gather(x, index, 0);
    case 13: return wg__scatter_add(x, index, 0, WG_SHAPE(40, COLS));
    case 14: return wg_softmax(x, 1);
    case 15: return wg_log_softmax(x, 0);
    case 16: return wg_softmax_cross_entropy(x, index);
    case 17: return wg_matmul_t(x, x, 0, 1);
    case 18: return wg_matmul_t(x, x, 1, 0);
    case 19:
        return wg_matmul(wg_reshape(wg_slice(x, 1, 0, 520, 1), WG_SHAPE(ROWS, 20, 26)),
                         wg_reshape(wg_slice(x, 1, 0, 520, 1), WG_SHAPE(ROWS, 26, 20)));
    case 20: return wg_transpose(wg_reshape(wg_slice(x, 1, 0, 520, 1), WG_SHAPE(ROWS, 13, 40)), WG_AXES(2, 0, 1));
    case 21: return wg_result(wg_moments(x, WG_ALL_AXES, 0), 1);
    case 22: return wg_result(wg_moments(x, WG_AXES(0), 0), 1);
    case 23: return wg_result(wg_moments(x, WG_AXES(1), 0), 1);
    case 24: return wg_result(wg_max_with_index(x, WG_AXES(0), 0), 1);
    case 25: return wg_result(wg_max_with_index(x, WG_AXES(1), 0), 1);
    case 26: return wg_result(wg_top_k(x, 1, 7, 0), 1);
    case 27: return wg_top_k(x, 0, 100, 1);
    case 28: return wg_result(wg_split(x, 1, 3, (int64_t[]){100, 23, 400}), 2);
    case 29: return wg_logsumexp(x, WG_AXES(0), 0);
    case 30: return wg_sum(wg_reshape(wg_slice(x, 1, 0, 520, 1), WG_SHAPE(ROWS * 130, 4)), WG_AXES(0), 0);
    default: return NULL;
    }
}

static void *run_with(int threads, int which, wg_dtype t, size_t *bytes)
{
    wg_graph *g = wg_graph_new();
    uint64_t  seed = 9;
    wg_node  *x = random_const(g, t, WG_SHAPE(ROWS, COLS), WG_DOMAIN_ANY, &seed);
    double    at[ROWS];
    for (int i = 0; i < ROWS; i++) at[i] = i * 7 % 40;
    wg_node *y = build(g, which, x, const_of(g, WG_I64, WG_SHAPE(ROWS), at));
    if (!y) return wg_graph_free(g), NULL;
    wg_tape *tape = wg_compile(g, 1, &y, &(wg_options){.threads = threads});
    cr_assert_not_null(tape, "%d: %s", which, wg_message(g));
    must_run(tape);
    *bytes = wg__bytes(wg_node_dtype(y), wg_node_shape(y));
    void *copy = malloc(*bytes);
    memcpy(copy, wg_view(tape, y), *bytes);
    wg_graph_free(g);
    return copy;
}

Test(ops_large, any_number_of_threads_gives_the_same_bits)
{
    for (int t = WG_F32; t <= WG_F64; t++)
        for (int which = 0;; which++) {
            size_t n, m;
            void  *one = run_with(1, which, (wg_dtype)t, &n);
            if (!one) break;
            for (int threads = 2; threads <= 5; threads += 3) {
                void *many = run_with(threads, which, (wg_dtype)t, &m);
                cr_expect(n == m && memcmp(one, many, n) == 0, "operation %d in %s with %d threads", which,
                          wg_dtype_name((wg_dtype)t), threads);
                free(many);
            }
            free(one);
        }
}

/* Large against small: a reduction, a product, a transpose by plain loops. */
Test(ops_large, against_plain_loops)
{
    wg_graph *g = wg_graph_new();
    uint64_t  seed = 9;
    wg_node  *x = random_const(g, WG_F64, WG_SHAPE(ROWS, COLS), WG_DOMAIN_ANY, &seed);
    double   *v = malloc(ROWS * COLS * 8), *t = malloc(ROWS * COLS * 8), *p = malloc(COLS * COLS * 8),
           *s = malloc(COLS * 8);
    value_of(x, v);
    value_of(wg_transpose(x, WG_ALL_AXES), t);
    value_of(wg_matmul_t(x, x, 1, 0), p);
    value_of(wg_sum(x, WG_AXES(0), 0), s);
    for (int j = 0; j < COLS; j++) {
        double sum = 0, dot = 0;
        for (int i = 0; i < ROWS; i++) {
            sum += v[i * COLS + j];
            dot += v[i * COLS + j] * v[i * COLS + (j * 5) % COLS];
            cr_assert_eq(t[j * ROWS + i], v[i * COLS + j]);
        }
        cr_assert_float_eq(s[j], sum, 1e-11);
        cr_assert_float_eq(p[j * COLS + (j * 5) % COLS], dot, 1e-10);
    }
    free(v), free(t), free(p), free(s);
    wg_graph_free(g);
}

/* ---- Memory that runs out ---- */

/* Builds, differentiates twice and pushes forward with the n-th allocation
 * failing: the first error, NULL gradients, and nothing lost or leaked. */
static int build_failing_at(long n)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_param(g, "x", WG_F64, WG_SHAPE(3, 4)), *label = wg_input(g, "label", WG_I64, WG_SHAPE(3));
    cr_assert(x && label);
    for (int i = 0; i < 300; i++) wg_lit(x, i); /* tables about to grow, blocks about to be full */
    alloc_fail_once_at(n);
    wg_node *y = wg_softmax_cross_entropy(
        wg_slice(wg_pad(x, (int64_t[]){0, 1}, (int64_t[]){0, 1}, 0), 1, WG_SLICE_END, 0, -1), label);
    y = wg_add(y, wg_prod(wg_logsumexp(wg_concat(2, (wg_node *[]){x, x}, 0), WG_AXES(0), 0), WG_ALL_AXES, 0));
    wg_node *d = x, *dd = x;
    int      status = wg_grad(y, 1, &x, &d);
    int      again = wg_grad(d ? wg_sum(d, WG_ALL_AXES, 0) : NULL, 1, &x, &dd);
    wg_node *push = wg_jvp(y, 1, &x, &x);
    alloc_restore();
    if (wg_status(g)) {
        cr_assert_eq(wg_status(g), WG_ENOMEM, "%s", wg_message(g));
        cr_assert((status != WG_OK) == (d == NULL) && (again != WG_OK) == (dd == NULL), "allocation %ld", n);
        cr_assert(!y || !d || !dd || !push, "allocation %ld", n);
    } else cr_assert(y && d && dd && push);
    status = wg_status(g);
    wg_graph_free(g);
    return status;
}

Test(ops_large, nth_allocation_fails_cleanly)
{
    int failed = 0;
    for (long n = 0;; n++) {
        int status = build_failing_at(n);
        failed += status != WG_OK;
        if (status == WG_OK) break;
        cr_assert_lt(n, 100000);
    }
    cr_expect_gt(failed, 10, "%d allocations failed", failed);
}
