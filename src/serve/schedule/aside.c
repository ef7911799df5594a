/* Threads with a queue of exchanges. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "serve/schedule/aside.h"
#include "serve/server_impl.h"

enum { TICK_MS = 100 };

struct wg__aside_threads {
    pthread_mutex_t      lock;
    pthread_cond_t       wake;
    struct wg__exchange *first, **last;
    bool                 ending;
    void (*work)(struct wg__exchange *x);
    void (*idle)(void *context);
    void     *context;
    int       n;
    pthread_t thread[];
};

static struct wg__exchange *take(struct wg__aside_threads *a)
{
    struct wg__exchange *x = a->first;
    if (!x) return NULL;
    a->first = x->next;
    if (!a->first) a->last = &a->first;
    x->next = NULL;
    return x;
}

static void wait_for_work(struct wg__aside_threads *a)
{
    struct timespec t;
    if (!a->idle) {
        pthread_cond_wait(&a->wake, &a->lock);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += TICK_MS * 1000000;
    if (t.tv_nsec >= 1000000000) t.tv_nsec -= 1000000000, t.tv_sec++;
    pthread_cond_timedwait(&a->wake, &a->lock, &t);
}

static void *run(void *context)
{
    struct wg__aside_threads *a = context;
    pthread_mutex_lock(&a->lock);
    while (!a->ending || a->first) {
        if (!a->first) wait_for_work(a);
        struct wg__exchange *x = take(a);
        pthread_mutex_unlock(&a->lock);
        if (x) a->work(x);
        if (a->idle) a->idle(a->context);
        pthread_mutex_lock(&a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

static bool start(struct wg__aside_threads *a, int n)
{
    sigset_t all, old;
    int      failed = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (; a->n < n && !failed; a->n += !failed) failed = pthread_create(&a->thread[a->n], NULL, run, a);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return !failed;
}

struct wg__aside_threads *wg__aside_new(int   n, void (*work)(struct wg__exchange *x), void (*idle)(void *context),
                                        void *context)
{
    pthread_condattr_t        steady;
    struct wg__aside_threads *a = calloc(1, sizeof *a + (size_t)n * sizeof *a->thread);
    if (!a) return NULL;
    a->last = &a->first;
    a->work = work;
    a->idle = idle;
    a->context = context;
    pthread_mutex_init(&a->lock, NULL);
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&a->wake, &steady);
    pthread_condattr_destroy(&steady);
    if (start(a, n)) return a;
    wg__aside_free(a);
    return NULL;
}

void wg__aside_put(struct wg__aside_threads *a, struct wg__exchange *x)
{
    pthread_mutex_lock(&a->lock);
    x->next = NULL;
    *a->last = x;
    a->last = &x->next;
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
}

void wg__aside_free(struct wg__aside_threads *a)
{
    if (!a) return;
    pthread_mutex_lock(&a->lock);
    a->ending = true;
    pthread_cond_broadcast(&a->wake);
    pthread_mutex_unlock(&a->lock);
    for (int i = 0; i < a->n; i++) pthread_join(a->thread[i], NULL);
    pthread_cond_destroy(&a->wake);
    pthread_mutex_destroy(&a->lock);
    free(a);
}
