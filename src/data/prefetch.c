/* A ring of batches that a thread fills while the caller uses older ones.  The
 * thread makes the batches that the caller would have made, in that order. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "data/batches_impl.h"
#include "graph/graph_impl.h"

struct wg__ring {
    pthread_t       thread;
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    int             slots, first, full; /* slots first..first+full-1 (modulo slots) hold batches */
    uint64_t        epoch;              /* what the thread makes next */
    int64_t         batch;
    uint64_t        restarts;
    bool            stop;
    void          **data; /* [slots][columns] */
};

static void advance(const struct wg_batches *b, struct wg__ring *r)
{
    if (++r->batch < b->count) return;
    r->batch = 0;
    r->epoch++;
}

static void wait_for_room(struct wg__ring *r)
{
    while (!r->stop && r->full == r->slots) pthread_cond_wait(&r->changed, &r->lock);
}

static void *work(void *context)
{
    struct wg_batches *b = context;
    struct wg__ring   *r = b->ring;
    pthread_mutex_lock(&r->lock);
    for (wait_for_room(r); !r->stop; wait_for_room(r)) {
        uint64_t epoch = r->epoch, restarts = r->restarts;
        int64_t  batch = r->batch;
        void   **to = r->data + (size_t)((r->first + r->full) % r->slots) * (size_t)b->n;
        pthread_mutex_unlock(&r->lock);
        wg__batch_make(b, epoch, batch, to);
        pthread_mutex_lock(&r->lock);
        if (restarts != r->restarts) continue; /* nobody wants this batch any more */
        r->full++;
        advance(b, r);
        pthread_cond_broadcast(&r->changed);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* Signals are the program's affair. */
static int start_thread(struct wg_batches *b)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&b->ring->thread, NULL, work, b);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return failed ? WG_EINTERNAL : WG_OK;
}

static void release(struct wg_batches *b)
{
    struct wg__ring *r = b->ring;
    for (int i = 0; r->data && i < r->slots * b->n; i++) wg__data_free(r->data[i]);
    free(r->data);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r);
    b->ring = NULL;
}

static bool make_slots(const struct wg_batches *b, struct wg__ring *r)
{
    if (!(r->data = calloc((size_t)r->slots * (size_t)b->n, sizeof *r->data))) return false;
    for (int i = 0; i < r->slots * b->n; i++)
        if (!(r->data[i] = wg__data_alloc((size_t)b->size * b->source[i % b->n].to))) return false;
    return true;
}

int wg__ring_start(struct wg_batches *b, int slots)
{
    struct wg__ring *r = b->ring = calloc(1, sizeof *r);
    if (!r) return WG_ENOMEM;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    r->slots = slots;
    int status = make_slots(b, r) ? start_thread(b) : WG_ENOMEM;
    if (status) release(b);
    return status;
}

void wg__ring_stop(struct wg_batches *b)
{
    struct wg__ring *r = b->ring;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    release(b);
}

void wg__ring_take(struct wg_batches *b, int64_t examples, void *const to[])
{
    struct wg__ring *r = b->ring;
    pthread_mutex_lock(&r->lock);
    while (r->full == 0) pthread_cond_wait(&r->changed, &r->lock);
    void **from = r->data + (size_t)r->first * (size_t)b->n;
    pthread_mutex_unlock(&r->lock);
    for (int i = 0; i < b->n; i++)
        if (to[i] && b->source[i].to) memcpy(to[i], from[i], (size_t)examples * b->source[i].to);
    pthread_mutex_lock(&r->lock);
    r->first = (r->first + 1) % r->slots;
    r->full--;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

void wg__ring_restart(struct wg_batches *b)
{
    struct wg__ring *r = b->ring;
    pthread_mutex_lock(&r->lock);
    r->full = 0;
    r->restarts++;
    r->epoch = b->epoch;
    r->batch = b->batch;
    if (r->batch == b->count) {
        r->batch = 0;
        r->epoch++;
    }
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}
