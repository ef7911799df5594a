/* Parameters on both sides: each sees what the other wrote. */
#include <stdlib.h>
#include <string.h>

#include "tape_test.h"

static bool is(const wg_node *p, float a, float b)
{
    float v[2] = {0};
    return wg_param_get(p, v) == WG_OK && v[0] == a && v[1] == b;
}

static void both_sides(void)
{
    wg_graph  *g = wg_graph_new();
    wg_node   *p = wg_param(g, "p", WG_F32, WG_SHAPE(2)), *twice = wg_scale(p, 2);
    wg_node   *next = wg_assign(p, wg_shift(p, 1));
    wg_options on = {.device = WG_DEVICE_CUDA(0)};
    wg_tape   *read = wg_compile(g, WG_NODES(twice), &on), *write = wg_compile(g, WG_NODES(next), &on);
    wg_tape   *cpu_read = wg_compile(g, WG_NODES(twice), NULL), *cpu_write = wg_compile(g, WG_NODES(next), NULL);
    float      v[2];
    bool       ok = read && write && cpu_read && cpu_write && !wg_param_set(p, (float[]){1, 2});
    ok = ok && !wg_run(read) && !wg_get(read, twice, v) && v[0] == 2 && v[1] == 4;
    ok = ok && !wg_run(write) && !wg_run(write) && is(p, 3, 4);
    ok = ok && !wg_run(read) && !wg_get(read, twice, v) && v[1] == 8;
    ok = ok && !wg_run(write) && !wg_run(cpu_read) && !wg_get(cpu_read, twice, v) && v[1] == 10;
    ok = ok && !wg_run(write) && !wg_run(cpu_write) && !wg_run(read) && !wg_get(read, twice, v) && v[1] == 14;
    ok = ok && !wg_set(write, p, (float[]){10, 20}) && !wg_run(cpu_read) && !wg_get(cpu_read, twice, v) && v[1] == 40;
    ok = ok && !wg_run(write) && ((const float *)wg_param_view(p))[1] == 21;
    ok = ok && !wg_run(write) && !wg_get(cpu_read, p, v) && v[1] == 22 && !wg_get(read, p, v) && v[1] == 22;
    wg_tape_free(write); /* the newest values were its */
    ok = ok && wg_set_scalar(read, p, 0) == WG_ESHAPE && !wg_run(read) && !wg_get(read, twice, v) && v[1] == 44;
    if (!ok) tap_note("%s; %s", wg_message(g), wg_tape_message(read));
    wg_graph_free(g);
    tap(clean() && ok, "parameters written on one side are read on the other");
}

/* Outputs that are a parameter after rewriting, or from the builder on: they show what the run read. */
static void outputs_are_old(void)
{
    wg_graph *g = wg_graph_new();
    wg_node  *p = wg_param(g, "p", WG_F32, WG_SHAPE(2)), *next = wg_assign(p, wg_shift(p, 10));
    wg_node  *y[] = {wg_scale(p, 1),   wg_cast(p, WG_F32), wg_neg(wg_neg(p)), wg_reshape(p, WG_SHAPE(2, 1)),
                     wg_dropout(p, 0), wg_log(wg_exp(p))};
    enum { N = sizeof y / sizeof *y };
    wg_node *out[N + 1];
    memcpy(out, y, sizeof y);
    out[N] = next;
    wg_tape *t = wg_compile(g, N + 1, out, &(wg_options){.device = WG_DEVICE_CUDA(0)});
    bool     ok = t && !wg_param_set(p, (float[]){1, 2});
    for (int run = 0; run < 2 && ok; run++) {
        ok = !wg_run(t);
        for (int i = 0; i < N && ok; i++) {
            float v[2] = {0};
            ok = !wg_get(t, y[i], v) && v[0] == (float)(1 + 10 * run) && v[1] == (float)(2 + 10 * run);
            if (!ok) tap_note("output %d is %g %g; %s", i, (double)v[0], (double)v[1], wg_tape_message(t));
        }
        ok = ok && is(p, (float)(11 + 10 * run), (float)(12 + 10 * run));
    }
    ok = ok && !wg_set(t, p, (float[]){0, 0});
    for (int i = 0; i < N && ok; i++) {
        float v[2] = {0};
        ok = !wg_get(t, y[i], v) && v[0] == 11 && v[1] == 12;
    }
    wg_graph_free(g);
    tap(clean() && ok, "outputs show what a run read of a parameter, not what it assigned");
}

/* The tape that wrote last is gone before anybody looked. */
static void writer_gone(void)
{
    wg_graph *g = wg_graph_new();
    wg_node  *p = wg_param(g, "p", WG_F32, WG_SHAPE(2)), *next = wg_assign(p, wg_shift(p, 1));
    wg_tape  *t = wg_compile(g, WG_NODES(next), &(wg_options){.device = WG_DEVICE_CUDA(0)});
    bool      ok = t && !wg_run(t) && !wg_run(t);
    wg_tape_free(t);
    ok = ok && is(p, 2, 2);
    wg_tape *eager = wg_graph_eager(g);
    wg_node *y = wg_scale(p, 3);
    ok = ok && wg_get_scalar(eager, wg_sum(y, WG_ALL_AXES, 0)) == 18; /* p is assigned once more */
    wg_graph_free(g);
    tap(clean() && ok, "what a freed tape wrote is there, in eager mode too");
}

/* Two steps on the CPU, two on the device, by turns: as all on the CPU. */
static void by_turns(void)
{
    struct net a = net_new(WG_DEVICE_CPU, WG_F64, 0), b = net_new(WG_DEVICE_CUDA(0), WG_F64, 0);
    wg_tape   *cpu = wg_compile(b.g, WG_NODES(b.loss, b.logits, b.step), NULL);
    bool       ok = a.tape && b.tape && cpu;
    for (int i = 0; i < 12 && ok; i++) {
        wg_tape *t = i / 2 % 2 ? cpu : b.tape;
        wg_set_run_number(t, (uint64_t)i);
        ok = !net_step(&a, i) && !net_set(&b, t, i) && !wg_run(t);
    }
    ok = ok && net_difference(&a, &b) < 1e-12;
    wg_graph_free(a.g);
    wg_graph_free(b.g);
    tap(clean() && ok, "a net trained by turns on the CPU and on the device");
}

/* A capture ends where somebody waits for the whole device, or for the stream that captures. */
static void another_captures(void)
{
    if (without_shim("while another thread captures")) return;
    struct net     a = net_new(WG_DEVICE_CUDA(0), WG_F32, 0), b = net_new(WG_DEVICE_CUDA(0), WG_F32, 0);
    const wg_node *p = a.tape ? wg_param_at(a.g, 0) : NULL;
    bool           ok = a.tape && b.tape;
    for (int i = 0; i < 4 && ok; i++) {
        if (i == 2) shim.capture(true);
        ok = !net_step(&a, i) && !net_step(&b, i) && wg_param_view(p) && wg_view(a.tape, a.logits);
        ok = ok && !wg_set(a.tape, p, wg_param_view(wg_param_at(b.g, 0)));
        if (i == 3) shim.capture(false);
    }
    ok = ok && net_difference(&a, &b) == 0;
    if (!ok) tap_note("%s; %s", wg_message(a.g), wg_tape_message(a.tape));
    wg_graph_free(a.g);
    wg_graph_free(b.g);
    tap(clean() && ok, "runs, parameters and values while another thread captures");
}

/* The CPU reads a weight packed that the device assigns: x of ones times w^T gives the sums of w's rows. */
static void packed_on_the_cpu(void)
{
    enum { OUT = 32, IN = 16 };
    float      x[IN], w[OUT * IN], y[OUT] = {0};
    wg_graph  *g = wg_graph_new();
    wg_node   *in = wg_input(g, "x", WG_F32, WG_SHAPE(1, IN)), *p = wg_param(g, "w", WG_F32, WG_SHAPE(OUT, IN));
    wg_node   *sums = wg_matmul_t(in, p, 0, 1), *next = wg_assign(p, wg_scale(p, 2));
    wg_options on = {.device = WG_DEVICE_CUDA(0)};
    wg_tape   *write = wg_compile(g, WG_NODES(next), &on), *read = wg_compile(g, WG_NODES(sums), NULL);
    for (int i = 0; i < OUT * IN; i++) w[i] = 1;
    for (int i = 0; i < IN; i++) x[i] = 1;
    bool ok = write && read && !wg_set(read, in, x) && !wg_param_set(p, w);
    for (int step = 0, want = IN; step < 4 && ok; step++, want *= 2) {
        for (int i = 0; i < 3 && ok; i++) ok = !wg_run(read) && !wg_get(read, sums, y) && y[OUT - 1] == (float)want;
        ok = ok && !wg_run(write);
    }
    if (!ok) tap_note("%s; %s; %g", wg_message(g), wg_tape_message(read), (double)y[OUT - 1]);
    wg_graph_free(g);
    tap(clean() && ok, "a weight that the device assigns is packed anew on the CPU");
}

void test_parameters(void)
{
    packed_on_the_cpu();
    another_captures();
    both_sides();
    outputs_are_old();
    writer_gone();
    by_turns();
}
