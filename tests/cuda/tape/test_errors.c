/* What goes wrong is said, and leaves everything usable. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tape_test.h"

/* A label outside of the classes stops the run before any parameter is written. */
static void fault(void)
{
    struct net a = net_new(WG_CUDA(0), WG_F32, 0), b = net_new(WG_CUDA(0), WG_F32, 0);
    uint8_t    label[16] = {1, 2, 3, 99};
    bool       ok = a.tape && b.tape;
    for (int i = 0; i < 3 && ok; i++) ok = !net_step(&a, i) && !net_step(&b, i);
    ok = ok && !net_set(&b, b.tape, 3) && !wg_set(b.tape, b.label, label) && wg_run(b.tape) == WG_EINDEX;
    tap_note("%s", wg_tape_message(b.tape));
    ok = ok && strstr(wg_tape_message(b.tape), "run: cross_entropy %") && strstr(wg_tape_message(b.tape), "99");
    ok = ok && net_difference(&a, &b) == 0 && wg_run_number(b.tape) == 3;
    ok = ok && !net_step(&a, 3) && !net_step(&b, 3) && net_difference(&a, &b) == 0; /* and goes on */
    wg_graph_free(a.g);
    wg_graph_free(b.g);
    tap(clean() && ok, "an index out of range names its instruction and leaves parameters as they were");
}

static bool says(const char *message) { return *message && !strstr(message, "no error"); }

/* The n-th call of the runtime fails, at any place of a life of two graphs. */
static void failing_calls(void)
{
    struct net good = net_new(WG_CUDA(0), WG_F32, 0);
    bool       ok = good.tape && !net_step(&good, 0) && !net_step(&good, 1) && net_difference(&good, &good) == 0;
    long       n = 1, compiles = 0, runs = 0, reads = 0;
    for (bool all = false; !all && ok && n < 2000; n++) {
        shim.fail_call(n);
        long       before = shim.calls();
        struct net b = net_new(WG_CUDA(0), WG_F32, 0);
        int        status = b.tape ? net_step(&b, 0) : WG_OK;
        if (b.tape && !status) status = net_step(&b, 1);
        int read = b.tape && !status && !wg_param_view(wg_param_at(b.g, 0));
        all = shim.calls() - before < n;
        shim.fail_call(0);
        if (!b.tape) ok = says(wg_message(b.g)), compiles++;
        else if (status) ok = says(wg_tape_message(b.tape)), runs++;
        else if (read) ok = says(wg_message(b.g)), reads++;
        else if (!all) ok = net_difference(&good, &b) == 0;
        if (!ok) tap_note("call %ld: \"%s\" \"%s\"", n, wg_message(b.g), b.tape ? wg_tape_message(b.tape) : "");
        wg_graph_free(b.g);
        shim.forgive();
    }
    tap_note("of %ld calls, %ld failed in compile, %ld in set or run, %ld in a read", n - 1, compiles, runs, reads);
    wg_graph_free(good.g);
    tap(clean() && ok && compiles && runs && reads,
        "the n-th runtime call fails: an error with a message, nothing left behind");
}

/* After a failing run the same tape goes on, with the same numbers. */
static void recovers(void)
{
    struct net a = net_new(WG_CUDA(0), WG_F32, 0), b = net_new(WG_CUDA(0), WG_F32, 0);
    bool       ok = a.tape && b.tape;
    shim.fail_call(5); /* in the first capture */
    ok = ok && net_step(&b, 0) != WG_OK;
    shim.fail_call(0);
    for (int i = 0; i < 3 && ok; i++) ok = !net_step(&a, i) && !net_step(&b, i);
    ok = ok && net_difference(&a, &b) == 0;
    if (!ok) tap_note("%s", wg_tape_message(b.tape));
    wg_graph_free(a.g);
    wg_graph_free(b.g);
    tap(clean() && ok, "a tape whose first capture failed runs the next time");
}

static void memory(void)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(1)), *y = wg_expand(x, WG_SHAPE((int64_t)3 << 30));
    wg_tape  *t = wg_compile(g, WG_NODES(y), &(wg_options){.device = WG_CUDA(0)});
    bool      ok = !t && wg_status(g) == WG_ENOMEM && strstr(wg_message(g), "asked for 12884901") &&
              strstr(wg_message(g), "are free");
    tap_note("%s", wg_message(g));
    wg_clear_error(g);
    wg_tape *u = wg_compile(g, WG_NODES(wg_exp(x)), &(wg_options){.device = WG_CUDA(0)});
    ok = ok && u && !wg_run(u);
    wg_graph_free(g);
    tap(clean() && ok, "short of memory: says how much was asked for and is free, and goes on");
}

static void devices(void)
{
    char      name[200];
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SCALAR);
    bool      ok = wg_device_count() == 1 && !wg_device_name(WG_CUDA(0), name, sizeof name) && *name;
    ok = ok && wg_device_name(WG_CUDA(3), name, sizeof name) == WG_EDEVICE;
    ok = ok && !strcmp(name, "there is no CUDA device 3, only 1");
    ok = ok && !wg_compile(g, WG_NODES(x), &(wg_options){.device = WG_CUDA(3)}) && wg_status(g) == WG_EDEVICE;
    wg_clear_error(g);
    ok = ok && !wg_compile(g, WG_NODES(x), &(wg_options){.device = -1}) && wg_status(g) == WG_EARG;
    wg_graph_free(g);
    tap(clean() && ok, "devices are counted and named");
}

void test_errors(void)
{
    devices();
    fault();
    memory();
    recovers();
    failing_calls();
}
