/* An operator of a program's own with a kernel for devices: results, gradients, the run's number, replays. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tape_test.h"

/* y, z = x s, x + the number of the run */
static int infer(wg_infer *c)
{
    c->y[0] = c->y[1] = c->x[0];
    return WG_OK;
}
static int cpu(wg_call *c)
{
    for (int64_t i = 0; i < wg_count(&c->x[0].shape); i++) {
        ((float *)c->y[0].data)[i] = ((const float *)c->x[0].data)[i] * *(const float *)c->attr;
        ((float *)c->y[1].data)[i] = ((const float *)c->x[0].data)[i] + (float)c->run;
    }
    return WG_OK;
}
static void grad(wg_adjoint *v)
{
    wg_node *scaled = v->g[0] ? wg_scale(v->g[0], *(const float *)v->attr) : NULL;
    v->dx[0] = scaled && v->g[1] ? wg_add(scaled, v->g[1]) : scaled ? scaled : v->g[1];
}

static wg_op op_of(int (*cuda)(const wg_cuda_call *c))
{
    return (wg_op){.name = "softmax", /* the name of another one */
                   .doc = "y, z = x s, x + run",
                   .arity = 1,
                   .results = 2,
                   .flags = WG_OP_RANDOM,
                   .dtypes = WG_DTYPE_BIT(WG_F32),
                   .attr_size = sizeof(float),
                   .infer = infer,
                   .cpu = cpu,
                   .grad = grad,
                   .cuda = cuda};
}

enum { N = 200, RUNS = 4 };

/* Runs a net over the operator on a device; whether every value is right. */
static bool is_right(const wg_op *op, bool *on_host)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(N)), *h = wg_square(x), *d = NULL;
    wg_node  *y = wg_apply(op, 1, &h, &(float){3}), *z = wg_result(y, 1), *sum = wg_sum(wg_mul(y, z), WG_ALL_AXES, 0);
    float     in[N], out[N], shifted[N], slope[N];
    char     *text = NULL;
    size_t    size = 0;
    bool      ok = y && wg_grad(sum, 1, &x, &d) == WG_OK;
    wg_tape  *t = ok ? wg_compile(g, WG_NODES(y, z, d), &(wg_options){.device = WG_DEVICE_CUDA(0)}) : NULL;
    for (int i = 0; i < N; i++) in[i] = (float)(i - 50) / 64;
    for (int run = 0; t && ok && run < RUNS; run++) {
        ok = !wg_set_f32(t, x, N, in) && !wg_run(t) && !wg_get_f32(t, y, N, out) && !wg_get_f32(t, z, N, shifted) &&
             !wg_get_f32(t, d, N, slope);
        for (int i = 0; i < N && ok; i++) { /* d sum (3h)(h + r) / dx = 2x (6h + 3r) */
            float a = in[i] * in[i], want = 2 * in[i] * (6 * a + 3 * (float)run);
            ok = out[i] == 3 * a && shifted[i] == a + (float)run && fabsf(slope[i] - want) < 1e-4f;
        }
    }
    FILE *f = open_memstream(&text, &size);
    if (f) wg_tape_print(t, f), fclose(f);
    *on_host = text && strstr(text, "runs on the CPU");
    if (!t || !ok) tap_note("%s; %s", wg_message(g), wg_tape_message(t));
    free(text);
    wg_graph_free(g);
    return t && ok;
}

void test_user(void)
{
    bool on_host = false;
    if (without_shim("an operator of a program's own")) return;
    wg_op with = op_of(shim.user_cuda), without = op_of(NULL);
    bool  right = is_right(&with, &on_host);
    tap(clean() && right && !on_host, "an operator of a program's own with a kernel runs on the device");
    right = is_right(&without, &on_host);
    tap(clean() && right && on_host, "and without one on the CPU, whatever its name");
}
