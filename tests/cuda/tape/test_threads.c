/* Tapes in several threads: one compiles while another captures; tapes of one graph are captured at the same time. */
#include <pthread.h>
#include <string.h>

#include "tape_test.h"

enum { LIVES = 12, THREADS = 2, TAPES = 8 };

/* ---- Compiling beside a capture ---- */

struct life {
    pthread_t thread;
    int       failed;
    char      why[200];
};

/* A net is made, trained a little and forgotten, again and again: half of the time is a capture or a compilation. */
static void *live(void *of)
{
    struct life *l = of;
    for (int i = 0; i < LIVES; i++) {
        struct net n = net_new(WG_DEVICE_CUDA(0), WG_F32, 0);
        int        status = n.tape ? net_step(&n, 0) : WG_EDEVICE;
        if (!status) status = net_step(&n, 1);
        if (!status) status = wg_wait(n.tape);
        if (status && !l->failed++)
            strncpy(l->why, n.tape ? wg_tape_message(n.tape) : wg_message(n.g), sizeof l->why - 1);
        wg_graph_free(n.g);
    }
    return NULL;
}

static void compile_and_capture(void)
{
    struct life all[THREADS] = {0};
    bool        ok = true;
    for (int i = 0; i < THREADS; i++) ok = !pthread_create(&all[i].thread, NULL, live, &all[i]) && ok;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(all[i].thread, NULL);
        if (all[i].failed) tap_note("%d of %d: %s", all[i].failed, LIVES, all[i].why), ok = false;
    }
    tap(clean() && ok, "%d threads compile and capture", THREADS);
}

/* ---- Tapes of one graph ---- */

struct share {
    pthread_t  thread;
    struct net n; /* the graph's */
    wg_tape   *t[TAPES];
    float      loss[TAPES];
    bool       ok;
};

/* Each first run is a capture. */
static void *run_tapes(void *of)
{
    struct share *s = of;
    s->ok = true;
    for (int i = 0; i < TAPES && s->ok; i++)
        s->ok = s->t[i] && !net_set(&s->n, s->t[i], i) && !wg_run(s->t[i]) && !wg_get(s->t[i], s->n.loss, &s->loss[i]);
    return NULL;
}

static void of_one_graph(void)
{
    struct net   n = net_new(WG_DEVICE_CUDA(0), WG_F32, 0);
    struct share all[THREADS] = {0};
    bool         ok = n.tape;
    for (int k = 0; k < THREADS; k++)
        for (int i = 0; i < TAPES; i++) {
            all[k].n = n;
            all[k].t[i] = wg_compile(n.g, WG_NODES(n.loss), &(wg_options){.device = WG_DEVICE_CUDA(0)});
        }
    for (int k = 0; k < THREADS; k++) ok = !pthread_create(&all[k].thread, NULL, run_tapes, &all[k]) && ok;
    for (int k = 0; k < THREADS; k++) pthread_join(all[k].thread, NULL);
    for (int k = 0; k < THREADS; k++) ok = ok && all[k].ok && !memcmp(all[k].loss, all[0].loss, sizeof all[0].loss);
    if (!ok) tap_note("%s", wg_message(n.g));
    wg_graph_free(n.g);
    tap(clean() && ok, "tapes of one graph are captured in %d threads, with the same values", THREADS);
}

void test_threads(void)
{
    compile_and_capture();
    of_one_graph();
}
