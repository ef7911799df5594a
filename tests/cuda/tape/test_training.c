/* Training on the device is training on the CPU, within rounding. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tape_test.h"

static void train(wg_dtype t, unsigned skip, int steps, double bound, const char *what)
{
    struct net a = net_new(WG_DEVICE_CPU, t, skip), b = net_new(WG_DEVICE_CUDA(0), t, skip);
    double     loss = 0;
    int        i = 0;
    for (; a.tape && b.tape && i < steps; i++) {
        if (net_step(&a, i) || net_step(&b, i)) break;
        double d = fabs(wg_get_scalar(a.tape, a.loss) - wg_get_scalar(b.tape, b.loss));
        if (!(d <= loss)) loss = d;
    }
    double parameters = net_difference(&a, &b);
    bool   ok = i == steps && loss < bound && parameters < bound;
    if (!ok)
        tap_note("step %d: loss differs by %g, parameters by %g; %s; %s", i, loss, parameters, wg_message(b.g),
                 wg_tape_message(b.tape));
    wg_graph_free(a.g);
    wg_graph_free(b.g);
    tap(clean() && ok, "%d steps of Adam with dropout, %s: as on the CPU", steps, what);
}

/* Each instruction alone, without the graph that was captured. */
static void traced(void)
{
    struct net a = net_new(WG_DEVICE_CUDA(0), WG_F32, 0), b = net_new(WG_DEVICE_CUDA(0), WG_F32, 0);
    bool       ok = a.tape && b.tape && !wg_trace(b.tape, 4) && !wg_watch_finite(b.tape, 1);
    for (int i = 0; i < 12 && ok; i++) {
        ok = !net_step(&a, i) && !net_step(&b, i);
        if (i == 4) ok = ok && !wg_trace(b.tape, 0);
        if (i == 8) ok = ok && !wg_watch_finite(b.tape, 0);
    }
    ok = ok && net_difference(&a, &b) == 0;
    wg_graph_free(a.g);
    wg_graph_free(b.g);
    tap(clean() && ok, "watched and traced runs give the same bits as captured ones");
}

static void not_finite(void)
{
    struct net a = net_new(WG_DEVICE_CUDA(0), WG_F32, 0), b = net_new(WG_DEVICE_CUDA(0), WG_F32, 0);
    float      bad[16 * 20] = {INFINITY};
    bool       ok = a.tape && b.tape && !net_step(&a, 0) && !net_step(&b, 0) && !wg_watch_finite(b.tape, 1);
    ok = ok && !net_set(&b, b.tape, 0) && !wg_set(b.tape, b.x, bad) && wg_run(b.tape) == WG_ENAN;
    ok = ok && net_difference(&a, &b) == 0;
    tap_note("%s", wg_tape_message(b.tape));
    wg_graph_free(a.g);
    wg_graph_free(b.g);
    tap(clean() && ok, "a value that is not finite is named, and parameters stay as they were");
}

void test_training(void)
{
    train(WG_F32, 0, 100, 2e-5, "f32");
    train(WG_F64, 0, 100, 1e-12, "f64");
    train(WG_F32, WG_SKIP_FUSE, 20, 2e-5, "f32 without fusion");
    train(WG_F32, WG_SKIP_FUSE | WG_SKIP_REUSE | WG_SKIP_REWRITE | WG_SKIP_MERGE, 5, 2e-5, "f32 without any pass");
    traced();
    not_finite();
}
