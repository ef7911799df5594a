/* Values in and out of a tape on the device. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tape_test.h"
#include <wengert/data.h>

static bool same(const float *a, const float *b, int n) { return memcmp(a, b, (size_t)n * sizeof *a) == 0; }

static wg_tape *compile(wg_graph *g, int n, wg_node *const out[])
{
    return wg_compile(g, n, out, &(wg_options){.device = WG_DEVICE_CUDA(0)});
}

/* Set, run, get; views of inputs; a value that is set again while the device still works. */
static void in_and_out(void)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(4)), *y = wg_input(g, "y", WG_F32, WG_SCALAR);
    wg_node  *z = wg_add(wg_square(x), y), *k = wg_const(g, WG_F32, WG_SHAPE(4), (float[]){1, 2, 3, 4});
    wg_node  *w = wg_mul(z, k), *r = wg_reshape(x, WG_SHAPE(2, 2));
    wg_tape  *t = compile(g, WG_NODES(z, w, r, k));
    float     out[4];
    bool      ok = t && !wg_set_scalar(t, y, 10);
    for (int i = 0; i < 6 && ok; i++) {
        float v[4] = {(float)i, 1, 2, 3}, want[4] = {(float)(i * i + 10), 22, 42, 76};
        ok = !wg_set(t, x, v) && same(wg_view(t, x), v, 4) && !wg_run(t) && same(wg_view(t, r), v, 4);
        v[0] = -1;
        ok = ok && (i % 2 || !wg_set(t, x, v)); /* the run that was asked for has the old one */
        ok = ok && !wg_get(t, w, out) && same(out, want, 4);
    }
    ok = ok && wg_get_scalar(t, y) == 10 && same(wg_view(t, k), (float[]){1, 2, 3, 4}, 4);
    float *at = t ? wg_input_buffer(t, x) : NULL;
    for (int i = 0; i < 4 && at && ok; i++) {
        for (int j = 0; j < 4; j++) at[j] = (float)(i + j);
        ok = !wg_run(t) && !wg_get(t, z, out) && out[3] == (float)((i + 3) * (i + 3) + 10);
    }
    if (!ok) tap_note("%s; %s", wg_message(g), wg_tape_message(t));
    wg_graph_free(g);
    tap(clean() && at && ok, "set, run, get, view and input_buffer are those of the CPU");
}

/* A loop over batches: inputs stay in two buffers, so that a batch is put in while the device computes. */
static bool in_turn(wg_tape *t, wg_node *x, const float *was, bool exposed)
{
    const float *now = wg_view(t, x);
    return now && (now == was) == exposed;
}
static void batches(void)
{
    enum { ROWS = 24, SIZE = 4 };
    float     value[ROWS][2];
    uint8_t   flag[ROWS];
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(SIZE, 2)), *b = wg_input(g, "b", WG_BOOL, WG_SHAPE(SIZE, 1));
    wg_node  *p = wg_param(g, "p", WG_F32, WG_SCALAR), *zero = wg_lit(x, 0);
    wg_node  *step = wg_assign(p, wg_add(wg_scale(p, 0.5), wg_sum(wg_where(b, x, zero), WG_ALL_AXES, 0)));
    wg_tape  *t = compile(g, 1, &step);
    for (int i = 0; i < ROWS; i++) value[i][0] = (float)i, value[i][1] = (float)(-2 * i * i), flag[i] = i % 3 ? 7 : 0;
    const wg_array   of_x = {WG_F32, {2, {ROWS, 2}}, value}, of_b = {WG_BOOL, {1, {ROWS}}, flag};
    const wg_column  column[] = {{.array = &of_x, .input = x}, {.array = &of_b, .input = b}};
    wg_batch_options o = {.n = 2, .column = column, .size = SIZE};
    bool             ok = t;
    for (int way = 0; way < 3 && ok; way++) { /* without a thread, with one, and once an address is known */
        wg_error     e = {0};
        float        want = 0, have = -1;
        const float *was = NULL;
        o.prefetch = way == 1 ? 3 : 0;
        wg_batches *all = wg_batches_new(&o, &e);
        if (way == 2) ok = wg_input_buffer(t, x);
        wg_param_set(p, &want);
        for (int k = 0; k < ROWS / SIZE && all && ok; k++) {
            ok = wg_batch_next(all, t) == SIZE && (!was || in_turn(t, x, was, way == 2)) && !wg_run(t);
            was = wg_view(t, x);
            float sum = 0;
            for (int i = k * SIZE; i < (k + 1) * SIZE; i++)
                if (i % 3) sum += value[i][0] + value[i][1];
            want = want * 0.5f + sum;
        }
        ok = ok && all && !wg_param_get(p, &have) && have - want < 1e-3f && want - have < 1e-3f;
        if (!ok) tap_note("way %d: %g, not %g; %s", way, (double)have, (double)want, e.message);
        wg_batches_free(all);
    }
    if (!ok) tap_note("%s; %s", wg_message(g), wg_tape_message(t));
    wg_graph_free(g);
    tap(clean() && ok, "a loop over batches keeps two buffers");
}

/* An operator of the user has no kernel: it runs on the CPU, between copies. */
#include <wengert/graph_op.h>
static int twice_cpu(wg_call *c)
{
    const float *x = c->x[0].data;
    if (x[0] < 0) return wg_reject_run(c, WG_EINDEX, "a negative %g", x[0]);
    for (int64_t i = 0; i < wg_count(&c->y->shape); i++) ((float *)c->y->data)[i] = 2 * x[i];
    return WG_OK;
}
static const wg_op twice = {
    .name = "twice", .arity = 1, .dtypes = WG_DTYPE_REALS, .infer = wg_infer_same, .cpu = twice_cpu};

static void on_the_cpu(void)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(3)), *p = wg_param(g, "p", WG_F32, WG_SHAPE(3));
    wg_node  *h = wg_exp(x), *a = wg_apply(&twice, 1, &h, NULL), *b = wg_apply(&twice, 1, &x, NULL);
    wg_node  *q = wg_apply(&twice, 1, &p, NULL), *z = wg_named(wg_add(wg_add(a, b), q), "z");
    wg_tape  *t = compile(g, WG_NODES(z, wg_assign(p, wg_add(p, z))));
    wg_tape  *c = wg_compile(g, WG_NODES(z), NULL);
    char     *text = NULL;
    size_t    size = 0;
    float     out[3], want[3];
    bool      ok = t && c;
    for (int i = 0; i < 3 && ok; i++) {
        float v[3] = {(float)i, 0.5f, 1};
        ok = !wg_set(c, x, v) && !wg_run(c) && !wg_get(c, z, want); /* reads what the device assigned */
        ok = ok && !wg_set(t, x, v) && !wg_run(t) && !wg_get(t, z, out);
        for (int j = 0; j < 3 && ok; j++) ok = out[j] - want[j] < 1e-5f * want[j] && want[j] - out[j] < 1e-5f * want[j];
    }
    float before[3], after[3];
    ok = ok && !wg_param_get(p, before) && !wg_set(t, x, (float[]){-1, 0, 0}) && wg_run(t) == WG_EINDEX;
    ok = ok && strstr(wg_tape_message(t), "a negative -1") && !wg_param_get(p, after) && same(before, after, 3);
    FILE *f = open_memstream(&text, &size);
    ok = ok && f && !wg_tape_print(t, f);
    if (f) fclose(f);
    ok = ok && strstr(text, "warning: twice has no kernel for the device and runs on the CPU\ndownload ") &&
         strstr(text, "upload   x f32[3]") && strstr(text, "download") && strstr(text, ":z f32[3]");
    if (!ok) tap_note("%s; %s", wg_message(g), wg_tape_message(t));
    free(text);
    wg_graph_free(g);
    tap(clean() && ok, "an operator without a kernel runs on the CPU, and the print warns of it");
}

/* Runs that nobody waits for: each has what the CPU computed for it. */
static void on_the_cpu_at_once(void)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(2)), *p = wg_param(g, "p", WG_F32, WG_SHAPE(2));
    wg_node  *y = wg_apply(&twice, 1, &x, NULL), *step = wg_assign(p, wg_add(p, wg_square(y)));
    wg_tape  *t = compile(g, 1, &step);
    float     sum[2];
    bool      ok = t;
    for (int i = 1; i <= 4 && ok; i++) ok = !wg_set(t, x, (float[]){(float)i, 1}) && !wg_run(t);
    ok = ok && !wg_param_get(p, sum) && same(sum, (float[]){4 * (1 + 4 + 9 + 16), 16}, 2);
    if (!ok) tap_note("%s; %s; %g %g", wg_message(g), wg_tape_message(t), sum[0], sum[1]);
    wg_graph_free(g);
    tap(clean() && ok, "an operator on the CPU in runs that nobody waits for");
}

static void nothing(void)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(0, 3)), *y = wg_sum(wg_exp(x), WG_AXES(0), 0);
    wg_node  *z = wg_matmul_t(x, x, 1, 0);
    wg_tape  *t = compile(g, WG_NODES(x, y, z));
    float     out[9] = {1};
    bool      ok = t && !wg_set(t, x, out) && !wg_run(t) && !wg_get(t, y, out) && out[0] == 0 && !wg_get(t, z, out);
    for (int i = 0; i < 9; i++) ok = ok && out[i] == 0;
    if (!ok) tap_note("%s; %s", wg_message(g), wg_tape_message(t));
    wg_graph_free(g);
    tap(clean() && ok, "tensors without elements");
}

/* Inputs that stand side by side are copied as one. */
static void one_copy(void)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x[4], *y = NULL;
    float     v[4][33], out[33] = {0}, want = 0;
    for (int k = 0; k < 4; k++) {
        x[k] = wg_input(g, NULL, WG_F32, WG_SHAPE(33));
        y = y ? wg_add(wg_scale(y, 2), x[k]) : x[k];
        for (int j = 0; j < 33; j++) v[k][j] = (float)(k + 1);
    }
    wg_tape *t = compile(g, WG_NODES(y));
    bool     ok = t != NULL;
    long     calls[16] = {0};
    for (unsigned set = 15; set && ok; set--) {
        for (unsigned k = 0; k < 4; k++) {
            if (!(set >> k & 1)) continue;
            for (int j = 0; j < 33; j++) v[k][j] += (float)set;
            ok = ok && !wg_set(t, x[k], v[k]);
        }
        if (set == 15) ok = ok && !wg_run(t) && !wg_set(t, x[3], v[3]) && !wg_run(t); /* captured, both buffers used */
        for (unsigned k = 0; k < 4; k++) ok = ok && (!(set >> k & 1) || !wg_set(t, x[k], v[k]));
        long before = shim.calls();
        ok = ok && !wg_run(t);
        calls[set] = shim.calls() - before;
        want = 8 * v[0][0] + 4 * v[1][0] + 2 * v[2][0] + v[3][0];
        ok = ok && !wg_get(t, y, out) && out[0] == want && out[32] == want;
        int ranges = ((set & 1) != 0) + ((set & 3) == 2) + ((set & 6) == 4) + ((set & 12) == 8);
        ok = ok && (!shim.there || calls[set] == calls[15] + 2 * (ranges - 1));
        if (!ok) tap_note("set %u: %ld calls, %ld for all; %g, not %g", set, calls[set], calls[15], out[0], want);
    }
    if (!ok) tap_note("%s; %s", wg_message(g), wg_tape_message(t));
    wg_graph_free(g);
    tap(clean() && ok, "inputs side by side go to the device in one copy");
}

/* Numbers are drawn by the number of the run, which the device counts and the host may set. */
static void run_numbers(void)
{
    static const int number[] = {0, 1, 2, 7, 8, 8, 3, 4};
    wg_graph        *g = wg_graph_new();
    wg_node         *x = wg_uniform(g, WG_F32, WG_SHAPE(5), -1, 1), *two[] = {x, wg_exp(x)};
    wg_tape         *t = compile(g, 2, two), *c = wg_compile(g, 2, two, NULL);
    float            out[5], want[5];
    bool             ok = t && c;
    long             calls[2] = {0}; /* of a run that was counted, of one whose number was set */
    for (size_t i = 0; i < sizeof number / sizeof *number && ok; i++) {
        bool set = wg_run_number(t) != (uint64_t)number[i];
        wg_set_run_number(t, (uint64_t)number[i]);
        wg_set_run_number(c, (uint64_t)number[i]);
        ok = !wg_run(c) && !wg_get(c, x, want);
        long before = shim.calls();
        ok = ok && !wg_run(t);
        if (i > 0) calls[set] = shim.calls() - before;
        ok = ok && !wg_get(t, x, out) && same(out, want, 5);
    }
    ok = ok && (!shim.there || calls[1] == calls[0] + 1);
    if (!ok) tap_note("%ld and %ld calls; %s; %s", calls[0], calls[1], wg_message(g), wg_tape_message(t));
    wg_graph_free(g);
    tap(clean() && ok, "random numbers are those of the run's number, which goes up only when it was set");
}

void test_values(void)
{
    in_and_out();
    batches();
    one_copy();
    run_numbers();
    on_the_cpu();
    on_the_cpu_at_once();
    nothing();
}
