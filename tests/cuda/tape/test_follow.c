/* Values that are followed come without being waited for, and are those of wg_get_scalar. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tape_test.h"

/* The next value is that of run `run`. */
static bool next_is(wg_tape *t, const wg_node *x, uint64_t run, double value)
{
    uint64_t r = 0;
    double   v = 0;
    int      n = wg_followed(t, x, &r, &v);
    if (n == 1 && r == run && v == value) return true;
    tap_note("%d: run %llu is %.9g, not run %llu is %.9g; %s", n, (unsigned long long)r, v, (unsigned long long)run,
             value, wg_tape_message(t));
    return false;
}
static bool none(wg_tape *t, const wg_node *x) { return wg_followed(t, x, NULL, NULL) == 0; }
static bool arrive(wg_tape *t, const wg_node *x) { return wg_view(t, x) != NULL; }

/* One net is followed, the other asked after each step; captured, traced and watched. */
static void as_asked(void)
{
    enum { STEPS = 13, EVERY = 3 };
    struct net a = net_new(WG_DEVICE_CUDA(0), WG_F32, 0), b = net_new(WG_DEVICE_CUDA(0), WG_F32, 0);
    double     loss[STEPS];
    bool       ok = a.tape && b.tape && !wg_follow(b.tape, b.loss, EVERY);
    for (int i = 0; i < STEPS && ok; i++) {
        if (i == 5) ok = ok && !wg_trace(b.tape, 2) && !wg_watch_finite(b.tape, 1);
        if (i == 8) ok = ok && !wg_trace(b.tape, 0) && !wg_watch_finite(b.tape, 0);
        ok = ok && !net_step(&a, i) && !net_step(&b, i);
        loss[i] = wg_get_scalar(a.tape, a.loss);
    }
    ok = ok && arrive(b.tape, b.logits);
    for (int i = EVERY - 1; i < STEPS && ok; i += EVERY) ok = next_is(b.tape, b.loss, (uint64_t)i, loss[i]);
    ok = ok && none(b.tape, b.loss) && net_difference(&a, &b) == 0;
    wg_graph_free(a.g);
    wg_graph_free(b.g);
    tap(clean() && ok, "each third loss, followed, is the one that wg_get_scalar gives");
}

/* ---- Nobody waits ---- */

/* y = sum(x) + p, z = 2y; then p becomes p + 1. */
struct sums {
    wg_graph *g;
    wg_node  *x, *y, *z;
    wg_tape  *t;
};
static struct sums sums_new(void)
{
    struct sums s = {.g = wg_graph_new()};
    wg_node    *p = wg_param(s.g, "p", WG_F64, WG_SCALAR);
    s.x = wg_input(s.g, "x", WG_F64, WG_SHAPE(3));
    s.y = wg_add(wg_sum(s.x, WG_ALL_AXES, 0), p);
    s.z = wg_scale(s.y, 2);
    s.t = wg_compile(s.g, WG_NODES(s.y, s.z, wg_assign(p, wg_shift(p, 1))), &(wg_options){.device = WG_DEVICE_CUDA(0)});
    return s;
}
static int    sums_set(const struct sums *s, int i) { return wg_set(s->t, s->x, (double[]){i, 10 * i, 100 * i}); }
static double sum_of(int i) { return 111 * i + i; }

/* Two batches are on their way, the third is being set, and the device has done nothing yet. */
static void no_wait(void)
{
    struct sums s = sums_new();
    bool        ok = s.t && !wg_follow(s.t, s.y, 1) && !wg_follow(s.t, s.z, 2);
    for (int i = 0; i < 2 && ok; i++) ok = !sums_set(&s, i) && !wg_run(s.t);
    if (shim.there) ok = ok && none(s.t, s.y) && none(s.t, s.z);
    ok = ok && !sums_set(&s, 2);
    if (shim.there) ok = ok && none(s.t, s.y) && none(s.t, s.z);
    ok = ok && !wg_run(s.t); /* a third value of y has no slot until the first is there */
    ok = ok && next_is(s.t, s.y, 0, sum_of(0));
    for (int i = 3; i < 9 && ok; i++) ok = !sums_set(&s, i) && !wg_run(s.t);
    ok = ok && arrive(s.t, s.y);
    for (int i = 1; i < 9 && ok; i++) ok = next_is(s.t, s.y, (uint64_t)i, sum_of(i));
    for (int i = 1; i < 9 && ok; i += 2) ok = next_is(s.t, s.z, (uint64_t)i, 2 * sum_of(i));
    ok = ok && none(s.t, s.y) && none(s.t, s.z);
    wg_graph_free(s.g);
    tap(clean() && ok, "batches are set and runs asked for without waiting for the device");
}

/* The same with an input whose address is known: a run waits for its copy, not for the step. */
static void no_wait_in_place(void)
{
    struct sums s = sums_new();
    double     *at = s.t ? wg_input_buffer(s.t, s.x) : NULL;
    bool        ok = at && !wg_follow(s.t, s.y, 1);
    for (int i = 0; i < 7 && ok; i++) {
        for (int k = 0, ten = 1; k < 3; k++, ten *= 10) at[k] = ten * i;
        ok = !wg_run(s.t);
        if (shim.there && i == 1) ok = ok && none(s.t, s.y);
    }
    ok = ok && arrive(s.t, s.y);
    for (int i = 0; i < 7 && ok; i++) ok = next_is(s.t, s.y, (uint64_t)i, sum_of(i));
    wg_graph_free(s.g);
    tap(clean() && ok, "nor does a run wait whose input is filled in place");
}

/* A question now and then is enough: the answer comes. */
static void asked_again(void)
{
    struct sums s = sums_new();
    bool        ok = s.t && !wg_follow(s.t, s.y, 1) && !sums_set(&s, 4) && !wg_run(s.t);
    double      v = 0;
    long        n = 0;
    while (ok && wg_followed(s.t, s.y, NULL, &v) == 0 && n < 100000000) n++;
    ok = ok && v == 4 * 111;
    wg_graph_free(s.g);
    tap(clean() && ok, "a value arrives by itself");
}

static void dropped(void)
{
    struct sums s = sums_new();
    bool        ok = s.t && !wg_follow(s.t, s.y, 1);
    for (int i = 0; i < WG_FOLLOW_KEEPS + 5 && ok; i++) ok = !sums_set(&s, i) && !wg_run(s.t);
    ok = ok && arrive(s.t, s.y);
    for (int i = 5; i < WG_FOLLOW_KEEPS + 5 && ok; i++) ok = next_is(s.t, s.y, (uint64_t)i, sum_of(i));
    ok = ok && none(s.t, s.y) && !wg_follow(s.t, s.y, 0) && wg_followed(s.t, s.y, NULL, NULL) == WG_EARG;
    wg_graph_free(s.g);
    tap(clean() && ok, "values that nobody takes are dropped, the oldest first");
}

/* ---- What fails ---- */

static void failing_runs(void)
{
    struct net a = net_new(WG_DEVICE_CUDA(0), WG_F32, 0);
    uint8_t    label[16] = {1, 2, 3, 99};
    float      bad[16 * 20] = {INFINITY};
    bool       ok = a.tape && !wg_follow(a.tape, a.loss, 1) && !net_step(&a, 0) && !net_set(&a, a.tape, 1);
    double     first = wg_get_scalar(a.tape, a.loss);
    ok = ok && !wg_set(a.tape, a.label, label) && !wg_run(a.tape) && wg_wait(a.tape) == WG_EINDEX;
    ok = ok && !net_set(&a, a.tape, 1) && !wg_set(a.tape, a.x, bad) && !wg_watch_finite(a.tape, 1);
    ok = ok && wg_run(a.tape) == WG_ENAN && !wg_watch_finite(a.tape, 0) && !net_step(&a, 1);
    double second = wg_get_scalar(a.tape, a.loss);
    ok = ok && next_is(a.tape, a.loss, 0, first) && next_is(a.tape, a.loss, 1, second) && none(a.tape, a.loss);
    wg_graph_free(a.g);
    tap(clean() && ok, "a failing run gives no value");
}

/* Set back, numbers come again: values of earlier runs stay when one of these fails. */
static void numbers_set_back(void)
{
    struct net a = net_new(WG_DEVICE_CUDA(0), WG_F32, 0);
    uint8_t    label[16] = {1, 2, 3, 99};
    double     loss[3];
    bool       ok = a.tape && !wg_follow(a.tape, a.loss, 1);
    for (int i = 0; i < 3 && ok; i++) {
        ok = !net_step(&a, i);
        loss[i] = wg_get_scalar(a.tape, a.loss);
    }
    wg_set_run_number(a.tape, 0);
    ok = ok && !net_set(&a, a.tape, 1) && !wg_set(a.tape, a.label, label) && !wg_run(a.tape);
    wg_set_run_number(a.tape, 1); /* the failure is not told yet */
    ok = ok && wg_wait(a.tape) == WG_EINDEX && wg_run_number(a.tape) == 0;
    for (int i = 0; i < 3 && ok; i++) ok = next_is(a.tape, a.loss, (uint64_t)i, loss[i]);
    ok = ok && none(a.tape, a.loss) && !net_step(&a, 1);
    double again = wg_get_scalar(a.tape, a.loss);
    ok = ok && next_is(a.tape, a.loss, 0, again) && none(a.tape, a.loss);
    wg_graph_free(a.g);
    tap(clean() && ok, "run numbers set back: a failing run takes no value of earlier runs with it");
}

/* What is given is right, what is not given is an error with a message. */
static bool failing_at(long n, bool *all)
{
    struct sums s = sums_new();
    bool        ok = s.t != NULL;
    int         given = 0, told = 0, status = WG_OK;
    shim.fail_call(n);
    long before = shim.calls();
    if (ok && wg_follow(s.t, s.y, 1)) told++;
    bool followed = ok && !told;
    for (int i = 0, run = 0; i < 4 && ok; i++) {
        uint64_t at;
        double   v;
        if (sums_set(&s, run) || wg_run(s.t)) told++;
        else run++;
        if (!followed) continue;
        while ((status = wg_followed(s.t, s.y, &at, &v)) > 0) given++, ok = ok && v == sum_of((int)at);
        if (status < 0) told++;
    }
    *all = shim.calls() - before < n;
    shim.fail_call(0);
    if (!arrive(s.t, s.y)) told++;
    for (uint64_t at; ok && followed && (status = wg_followed(s.t, s.y, &at, NULL)) != 0;)
        if (status > 0) given++;
        else told++;
    ok = ok && (*all ? told == 0 && given == 4 : told > 0 || given == 4);
    if (!ok) tap_note("call %ld: %d values, %d errors; %s", n, given, told, wg_tape_message(s.t));
    wg_graph_free(s.g);
    return clean() && ok;
}

static void failing_calls(void)
{
    if (without_shim("the n-th runtime call fails while values are followed")) return;
    bool ok = true, all = false;
    long n = 1;
    for (; ok && !all && n < 1000; n++) ok = failing_at(n, &all);
    tap(ok && all, "any of %ld runtime calls fails while values are followed: right values, or an error", n - 1);
}

void test_follow(void)
{
    as_asked();
    no_wait();
    no_wait_in_place();
    asked_again();
    dropped();
    failing_runs();
    numbers_set_back();
    failing_calls();
}
