/* What goes wrong is said, and leaves everything usable. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tape/device/device.h"
#include "tape_test.h"

static bool names_label(const wg_tape *t)
{
    tap_note("%s", wg_tape_message(t));
    return strstr(wg_tape_message(t), "run: cross_entropy %") && strstr(wg_tape_message(t), "index 99 ");
}

/* A label outside of the classes: this run and those behind it, which nobody has waited for, write no parameter. */
static void fault(unsigned skip, const char *what)
{
    struct net a = net_new(WG_DEVICE_CUDA(0), WG_F32, skip), b = net_new(WG_DEVICE_CUDA(0), WG_F32, skip);
    uint8_t    label[16] = {1, 2, 3, 99};
    bool       ok = a.tape && b.tape;
    for (int i = 0; i < 3 && ok; i++) ok = !net_step(&a, i) && !net_step(&b, i);
    ok = ok && !net_set(&b, b.tape, 3) && !wg_set(b.tape, b.label, label) && !wg_run(b.tape);
    /* The fault is told by whichever call comes after it: on a device that may be one of these. */
    int later = ok ? net_step(&b, 4) : WG_OK;
    if (ok && !later) later = net_step(&b, 5);
    ok = ok && (later ? later : wg_wait(b.tape)) == WG_EINDEX && names_label(b.tape);
    ok = ok && net_difference(&a, &b) == 0 && wg_run_number(b.tape) == 3 && !wg_wait(b.tape);
    ok = ok && !net_step(&a, 3) && !net_step(&b, 3) && net_difference(&a, &b) == 0; /* and goes on */
    wg_graph_free(a.g);
    wg_graph_free(b.g);
    tap(clean() && ok, "an index out of range names its instruction and leaves parameters as they were%s", what);
}

/* Who is told: the first that looks, once. */
static void who_is_told(void)
{
    struct net a = net_new(WG_DEVICE_CUDA(0), WG_F32, 0);
    uint8_t    label[16] = {99};
    double     v;
    bool       ok = a.tape && !wg_follow(a.tape, a.loss, 1);
    for (int who = 0; who < 4 && ok; who++) {
        ok = !net_step(&a, 0) && !net_set(&a, a.tape, 1) && !wg_set(a.tape, a.label, label) && !wg_run(a.tape);
        if (who == 0) ok = ok && wg_get_scalar(a.tape, a.loss) != 0 && wg_tape_status(a.tape) == WG_EINDEX;
        if (who == 1) ok = ok && !wg_view(a.tape, a.logits) && names_label(a.tape);
        if (who == 2) ok = ok && wg_param_view(wg_param_at(a.g, 0)) && wg_run(a.tape) == WG_EINDEX;
        if (who == 3) ok = ok && wg_param_view(wg_param_at(a.g, 0)) && !wg_tape_status(a.tape);
        if (who == 3) ok = ok && wg_followed(a.tape, a.loss, NULL, &v) == WG_EINDEX;
        while (wg_followed(a.tape, a.loss, NULL, &v) > 0) ok = ok && v == v;
        ok = ok && !wg_wait(a.tape) && wg_run_number(a.tape) == (uint64_t)who + 1;
    }
    wg_graph_free(a.g);
    tap(clean() && ok, "a fault is told by the first call that finds it");
}

static bool says(const char *message) { return *message && !strstr(message, "no error"); }

/* The n-th call of the runtime fails, at any place of a life of two graphs. */
static void failing_calls(void)
{
    if (without_shim("the n-th runtime call fails")) return;
    struct net good = net_new(WG_DEVICE_CUDA(0), WG_F32, 0);
    bool       ok = good.tape && !net_step(&good, 0) && !net_step(&good, 1) && net_difference(&good, &good) == 0;
    long       n = 1, compiles = 0, runs = 0, reads = 0;
    for (bool all = false; !all && ok && n < 2000; n++) {
        shim.fail_call(n);
        long       before = shim.calls();
        struct net b = net_new(WG_DEVICE_CUDA(0), WG_F32, 0);
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
    if (without_shim("a tape whose first capture failed runs the next time")) return;
    struct net a = net_new(WG_DEVICE_CUDA(0), WG_F32, 0), b = net_new(WG_DEVICE_CUDA(0), WG_F32, 0);
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

/* Any call of a step fails: the step is made again, and all goes on as if it had not. */
static void repeated(void)
{
    if (without_shim("a step of which any runtime call fails is made again")) return;
    struct net good = net_new(WG_DEVICE_CUDA(0), WG_F32, 0);
    bool       ok = good.tape != NULL, all = false;
    long       n = 1, failed = 0, named = 0;
    for (int i = 0; i < 4 && ok; i++) ok = !net_step(&good, i);
    for (; ok && !all && n < 1000; n++) {
        struct net b = net_new(WG_DEVICE_CUDA(0), WG_F32, 0);
        int        first = (int)(n & 1); /* the step that captures, or a later one */
        ok = b.tape && (!first || !net_step(&b, 0));
        long before = shim.calls();
        shim.fail_call((n + 1) / 2);
        int status = ok ? net_step(&b, first) : WG_OK;
        all = !first && shim.calls() - before < (n + 1) / 2;
        shim.fail_call(0);
        if (status && strncmp(wg_tape_message(b.tape), "run: %", 6) == 0 && !named++)
            tap_note("%s", wg_tape_message(b.tape));
        failed += status != WG_OK;
        for (int i = status ? first : first + 1; i < 4 && ok; i++) ok = !net_step(&b, i);
        ok = ok && net_difference(&good, &b) == 0;
        if (!ok) tap_note("call %ld of step %d: %s", (n + 1) / 2, first, wg_tape_message(b.tape));
        wg_graph_free(b.g);
        ok = ok && !shim.complaints();
    }
    wg_graph_free(good.g);
    tap(clean() && ok && failed && named,
        "a step of which any runtime call fails is made again: %ld of %ld failed, "
        "%ld while an instruction was asked for, which is named",
        failed, n - 1, named);
}

/* A kernel faults, and nobody waits for it until the value is asked for. */
static void late(void)
{
    if (without_shim("a fault of which a later call is told")) return;
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(64)), *p = wg_param(g, "p", WG_F32, WG_SHAPE(64));
    wg_node  *y = wg_sub(wg_exp(x), p);
    wg_tape  *t = wg_compile(g, WG_NODES(y), &(wg_options){.device = WG_DEVICE_CUDA(0)});
    float     v[64] = {0};
    bool      ok = t && !wg_set(t, x, v) && !wg_run(t) && !wg_get(t, y, v) && v[0] == 1;
    if (ok) { /* what no user can do */
        struct wg__tape_device *d = t->device;
        d->api->release(d->use->device, d->param[0].resident->data);
        d->param[0].resident->data = NULL;
        ok = !d->api->sync(d->use->device, &(struct wg__why){0});
    }
    ok = ok && !wg_run(t) && wg_get(t, y, v) == WG_EDEVICE;
    tap_note("%s", wg_tape_message(t));
    ok =
        ok && strstr(wg_tape_message(t), "an illegal memory access") &&
        strstr(wg_tape_message(t), ": an instruction of this run or an earlier one failed; in a new process, wg_trace");
    wg_graph_free(g);
    shim.reset();
    tap(ok, "a fault of which a later call is told, with how to find it");
}

static void memory(void)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(1)), *y = wg_expand(x, WG_SHAPE((int64_t)1 << 40)); /* 4 TiB */
    wg_tape  *t = wg_compile(g, WG_NODES(y), &(wg_options){.device = WG_DEVICE_CUDA(0)});
    bool      ok = !t && wg_status(g) == WG_ENOMEM && strstr(wg_message(g), "asked for 439804651") &&
              strstr(wg_message(g), "are free; planned: 439804651") &&
              strstr(wg_message(g), " for values, 0 for constants, 0 for parameters, ");
    tap_note("%s", wg_message(g));
    wg_clear_error(g);
    wg_tape *u = wg_compile(g, WG_NODES(wg_exp(x)), &(wg_options){.device = WG_DEVICE_CUDA(0)});
    ok = ok && u && !wg_set(u, x, &(float){1}) && !wg_run(u);
    wg_graph_free(g);
    tap(clean() && ok, "short of memory: says how much was asked for and is free, and goes on");
}

static void devices(void)
{
    char      name[200], none[80];
    int       n = wg_device_count();
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SCALAR);
    bool      ok = n > 0 && !wg_device_name(WG_DEVICE_CUDA(0), name, sizeof name) && *name;
    snprintf(none, sizeof none, "there is no CUDA device %d, only %d", n + 2, n);
    ok = ok && wg_device_name(WG_DEVICE_CUDA(n + 2), name, sizeof name) == WG_EDEVICE && !strcmp(name, none);
    ok = ok && !wg_compile(g, WG_NODES(x), &(wg_options){.device = WG_DEVICE_CUDA(n)}) && wg_status(g) == WG_EDEVICE;
    wg_clear_error(g);
    ok = ok && !wg_compile(g, WG_NODES(x), &(wg_options){.device = -1}) && wg_status(g) == WG_EARG;
    wg_graph_free(g);
    tap(clean() && ok, "devices are counted and named");
}

/* Values of a device's tape: none before a run, none after one of which it turned out that it failed, until one
 * succeeds; and labels of a sigmoid's cross entropy that are neither 0 nor 1 are such a failure. */
static void values_of_failed_runs(void)
{
    wg_graph *g = wg_graph_new();
    wg_node  *z = wg_input(g, "z", WG_F32, WG_SHAPE(3)), *y = wg_input(g, "y", WG_I32, WG_SHAPE(3));
    wg_node  *each = wg_sigmoid_cross_entropy_each(z, y), *plain = wg_exp(z);
    wg_tape  *t = wg_compile(g, WG_NODES(each, plain), &(wg_options){.device = WG_DEVICE_CUDA(0)});
    float     v[3];
    bool      ok = t && wg_get(t, plain, v) == WG_EARG && strstr(wg_tape_message(t), "has no value yet: wg_run first");
    for (int round = 0; round < 3 && ok; round++) {
        bool bad = round == 1;
        ok = !wg_set(t, z, (float[]){0, 1, 2}) && !wg_set(t, y, (int32_t[]){0, bad ? 7 : 1, 1});
        ok = ok && wg_run(t) == WG_OK && wg_get(t, each, v) == (bad ? WG_EINDEX : WG_OK);
        if (bad) ok = ok && strstr(wg_tape_message(t), " of sigmoid_cross_entropy_each: index 7");
        ok = ok && wg_get(t, plain, v) == (bad ? WG_EARG : WG_OK);
        if (bad)
            ok = ok && strstr(wg_tape_message(t), "for the last run failed: run: one_hot_index") && !wg_get(t, z, v);
        if (!ok) tap_note("%s", wg_tape_message(t));
    }
    wg_graph_free(g);
    tap(clean() && ok, "no values before a run or after a failed one; labels of 0 and 1");
}

void test_errors(void)
{
    devices();
    values_of_failed_runs();
    fault(0, "");
    fault(WG_SKIP_REUSE, ", copied ones too");
    who_is_told();
    memory();
    recovers();
    repeated();
    late();
    failing_calls();
}
