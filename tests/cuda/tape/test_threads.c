/* Tapes in several threads: one compiles while another captures; tapes of one graph are freed at the same time. */
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
        struct net n = net_new(WG_CUDA(0), WG_F32, 0);
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

/* ---- Kernels that tapes of a graph share ---- */

static void *free_tapes(void *of)
{
    wg_tape **t = of;
    for (int i = 0; i < TAPES; i++) wg_tape_free(t[i]);
    return NULL;
}

static void freed_at_once(void)
{
    struct net n = net_new(WG_CUDA(0), WG_F32, 0);
    wg_tape   *t[THREADS][TAPES];
    pthread_t  thread[THREADS];
    bool       ok = n.tape;
    for (int i = 0; i < THREADS * TAPES; i++) {
        wg_options o = {.device = WG_CUDA(0)};
        t[i % THREADS][i / THREADS] = wg_compile(n.g, WG_NODES(n.loss, n.step), &o);
        ok = ok && t[i % THREADS][i / THREADS];
    }
    for (int i = 0; i < THREADS; i++) pthread_create(&thread[i], NULL, free_tapes, t[i]);
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    ok = ok && !net_step(&n, 0);
    wg_graph_free(n.g);
    tap(clean() && ok, "tapes of one graph are freed in %d threads", THREADS);
}

void test_threads(void)
{
    compile_and_capture();
    freed_at_once();
}
