/* When which jobs run, on which thread, and together with which.
 *
 * As many runs go side by side as there are workers: each has a slot.  A
 * request that comes when nobody waits takes a free slot and computes on the
 * caller's thread; nothing is faster.  All others wait in the lane of their
 * version, and while the slots are taken lanes fill up: who comes next takes
 * what is there as one batch.  Only if a batch is not full and more requests
 * are known to be on their way does a worker wait for them, for a short time. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "serve/model/model_impl.h"

/* A caller's thread has other requests to look after: it computes what is short. */
enum { SHORT_NS = 1000000 };

struct wg__crew {
    struct wg__model_options options;
    pthread_mutex_t          lock;
    pthread_cond_t           wake;  /* a lane has jobs and a slot is free, or closing */
    pthread_cond_t           idle;  /* all slots are free */
    struct wg__lane         *lanes; /* with waiting jobs; the one served last is at the end */
    int                      slots; /* free ones */
    bool                     closing;
    atomic_int               incoming; /* as the last caller said */
    int                      n;
    pthread_t                thread[];
};

static struct wg__loaded *version_of(struct wg__lane *l)
{
    return (struct wg__loaded *)((char *)l - offsetof(struct wg__loaded, lane));
}

/* ---- Lanes: under the lock ---- */

static int64_t rows_of(const struct wg__loaded *v, const struct wg__job *job) { return v->pub.batched ? job->rows : 1; }

static void lane_append(struct wg__crew *c, struct wg__lane *l)
{
    struct wg__lane **at = &c->lanes;
    while (*at) at = &(*at)->next;
    l->next = NULL;
    *at = l;
}

static void lane_remove(struct wg__crew *c, struct wg__lane *l)
{
    struct wg__lane **at = &c->lanes;
    while (*at != l) at = &(*at)->next;
    *at = l->next;
}

static void queue_job(struct wg__crew *c, struct wg__lane *l, struct wg__job *job)
{
    if (!l->n) lane_append(c, l);
    job->next = NULL;
    *l->last = job;
    l->last = &job->next;
    l->n++;
    l->rows += rows_of(version_of(l), job);
    atomic_store_explicit(&version_of(l)->waiting, l->n, memory_order_relaxed);
}

/* Takes the job that *at points to. */
static struct wg__job *take_job(struct wg__crew *c, struct wg__lane *l, struct wg__job **at)
{
    struct wg__job *job = *at;
    *at = job->next;
    if (l->last == &job->next) l->last = at;
    l->n--;
    l->rows -= rows_of(version_of(l), job);
    if (!l->n) lane_remove(c, l);
    atomic_store_explicit(&version_of(l)->waiting, l->n, memory_order_relaxed);
    job->next = NULL;
    return job;
}

static bool is_late(const struct wg__crew *c, const struct wg__job *job, uint64_t now)
{
    return c->options.deadline_ms && now > job->arrived_ns + (uint64_t)c->options.deadline_ms * 1000000;
}

static struct wg__job **take_late(struct wg__crew *c, struct wg__lane *l, struct wg__job **to)
{
    uint64_t now = wg__now_ns();
    for (struct wg__job **at = &l->first; *at;)
        if (is_late(c, *at, now)) to = &(*to = take_job(c, l, at))->next;
        else at = &(*at)->next;
    return to;
}

/* Takes the oldest job, and the jobs after it that can run with it, up to a full batch. */
static struct wg__job *take_batch(struct wg__crew *c, struct wg__lane *l)
{
    struct wg__loaded *v = version_of(l);
    struct wg__job    *batch = l->first ? take_job(c, l, &l->first) : NULL, **to = batch ? &batch->next : NULL;
    int64_t            rows = batch ? rows_of(v, batch) : 0, most = v->pub.batched ? c->options.max_batch : 0;
    for (struct wg__job **at = &l->first; *at && rows < most;) {
        if (!wg__job_alike(batch, *at)) {
            at = &(*at)->next;
            continue;
        }
        if (rows + (*at)->rows > most) break;
        rows += (*at)->rows;
        to = &(*to = take_job(c, l, at))->next;
    }
    return batch;
}

/* Wakes who waits to close the crew, once every slot is free and no job waits. */
static void tell_if_idle(struct wg__crew *c)
{
    if (c->slots == c->options.threads && !c->lanes) pthread_cond_broadcast(&c->idle);
}

/* ---- Answers: without the lock ---- */

/* Finishes a job's counters and status: results that come after the deadline are no answer. */
static void finish_job(struct wg__crew *c, struct wg__loaded *v, struct wg__job *job, uint64_t start)
{
    job->queue_ns = start > job->queue_ns ? start - job->queue_ns : 0;
    atomic_fetch_add_explicit(&v->queue_ns, job->queue_ns, memory_order_relaxed);
    if (!job->status && is_late(c, job, wg__now_ns()))
        wg__job_fail(job, WG__LATE, "the deadline of %d ms passed", c->options.deadline_ms);
    if (job->status && job->status != WG__LEFT)
        atomic_fetch_add_explicit(job->status == WG__LATE ? &v->late : &v->failed, 1, memory_order_relaxed);
}

static void answer_jobs(struct wg__job *jobs)
{
    for (struct wg__job *job = jobs, *next; job; job = next) {
        next = job->next;
        job->next = NULL;
        job->done(job);
    }
}

static void answer_late(struct wg__crew *c, struct wg__job *jobs)
{
    uint64_t now = wg__now_ns();
    for (struct wg__job *job = jobs; job; job = job->next) {
        wg__job_fail(job, WG__LATE, "the deadline of %d ms passed while the request waited", c->options.deadline_ms);
        finish_job(c, wg__loaded_of(job->version), job, now);
    }
    answer_jobs(jobs);
}

static void compute(struct wg__crew *c, struct wg__job *jobs)
{
    struct wg__loaded *v = wg__loaded_of(jobs->version);
    uint64_t           start = wg__now_ns();
    wg__jobs_compute(v, jobs);
    for (struct wg__job *job = jobs; job; job = job->next) finish_job(c, v, job, start);
}

/* Takes the jobs out of a batch that nobody waits for any more.  A job that came just now is kept without asking. */
static struct wg__job *drop_left(struct wg__crew *c, struct wg__job *batch)
{
    enum { PATIENCE_NS = 1000000 };
    struct wg__job *left = NULL, **to = &left;
    uint64_t        now = wg__now_ns();
    for (struct wg__job **at = &batch; *at;) {
        struct wg__job *job = *at;
        if (!job->left || now - job->queue_ns < PATIENCE_NS || !job->left(job)) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        job->next = NULL;
        to = &(*to = job)->next;
        wg__job_fail(job, WG__LEFT, "the client left");
        finish_job(c, wg__loaded_of(job->version), job, now);
    }
    answer_jobs(left);
    return batch;
}

/* ---- Workers ---- */

/* Picks a lane that no other worker is waiting at. */
static struct wg__lane *pick_lane(struct wg__crew *c)
{
    struct wg__lane *l = c->slots > 0 ? c->lanes : NULL;
    while (l && l->gathering) l = l->next;
    return l;
}

static void wait_for_rows(struct wg__crew *c, struct wg__lane *l)
{
    const struct wg__loaded *v = version_of(l);
    if (!v->pub.batched || !c->options.max_delay_us) return;
    uint64_t        until = l->first->queue_ns + (uint64_t)c->options.max_delay_us * 1000;
    struct timespec t = wg__timespec(until);
    l->gathering = true;
    while (l->n && l->rows < c->options.max_batch && atomic_load(&c->incoming) > 0 && !c->closing)
        if (pthread_cond_timedwait(&l->more, &c->lock, &t)) break;
    l->gathering = false;
}

/* Runs one batch of a lane.  The lock is held but while the batch computes.  The version is held too: its jobs may all
 * be answered, and let go of it, while this thread still waits at its lane. */
static void run_turn(struct wg__crew *c, struct wg__lane *l)
{
    struct wg__loaded *v = version_of(l);
    struct wg__job    *late = NULL, **to = &late, *batch = NULL;
    atomic_fetch_add(&v->users, 1);
    c->slots--;
    to = take_late(c, l, to);
    if (l->n) wait_for_rows(c, l);
    take_late(c, l, to);
    if (l->n) batch = take_batch(c, l);
    if (l->n) { /* to the end: other versions come first */
        lane_remove(c, l);
        lane_append(c, l);
    }
    if (pick_lane(c)) pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    answer_late(c, late);
    if ((batch = drop_left(c, batch))) compute(c, batch);
    answer_jobs(batch);
    wg__version_release(&v->pub);
    pthread_mutex_lock(&c->lock);
    c->slots++;
    tell_if_idle(c);
}

static void *worker(void *context)
{
    struct wg__crew *c = context;
    pthread_mutex_lock(&c->lock);
    for (;;) {
        struct wg__lane *l = pick_lane(c);
        if (l) run_turn(c, l);
        else if (c->closing && !c->lanes) break;
        else pthread_cond_wait(&c->wake, &c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* ---- The crew ---- */

/* Signals are for the threads of the program. */
static int start(struct wg__crew *c)
{
    sigset_t all, old;
    int      failed = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (; c->n < c->options.threads && !failed; c->n += !failed)
        failed = pthread_create(&c->thread[c->n], NULL, worker, c);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return failed;
}

struct wg__crew *wg__crew_new(const struct wg__model_options *o, wg_error *e)
{
    struct wg__crew *c = calloc(1, sizeof *c + (size_t)o->threads * sizeof *c->thread);
    if (!c) return wg__model_say(e, WG_ENOMEM, "out of memory"), NULL;
    c->options = *o;
    c->slots = o->threads;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
    pthread_cond_init(&c->idle, NULL);
    if (!start(c)) return c;
    wg__model_say(e, WG_ENOMEM, "only %d of %d threads could be started", c->n, o->threads);
    wg__crew_free(c);
    return NULL;
}

void wg__crew_free(struct wg__crew *c)
{
    if (!c) return;
    pthread_mutex_lock(&c->lock);
    c->closing = true;
    pthread_cond_broadcast(&c->wake);
    for (struct wg__lane *l = c->lanes; l; l = l->next) pthread_cond_signal(&l->more);
    while (c->slots < c->options.threads || c->lanes) pthread_cond_wait(&c->idle, &c->lock);
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
    for (int i = 0; i < c->n; i++) pthread_join(c->thread[i], NULL);
    pthread_cond_destroy(&c->idle);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void wg__crew_expire(struct wg__crew *c)
{
    struct wg__job *late = NULL, **to = &late;
    pthread_mutex_lock(&c->lock);
    for (struct wg__lane *l = c->lanes, *next; l; l = next) {
        next = l->next;
        to = take_late(c, l, to);
    }
    tell_if_idle(c);
    pthread_mutex_unlock(&c->lock);
    answer_late(c, late);
}

/* ---- A request ---- */

/* Tells whether the caller computes this job; if so, a slot is taken for it. */
static bool is_inline(struct wg__crew *c, struct wg__loaded *v, const struct wg__job *job, const int64_t bound[])
{
    int64_t size[WG__MAX_SYMBOLS];
    memcpy(size, bound, sizeof size);
    if (v->pub.batched) size[0] = wg__batch_room(v, job->rows);
    if (!job->rows || atomic_load(&v->row_ns) > SHORT_NS / (uint64_t)job->rows || !wg__pool_has(v, size)) return false;
    pthread_mutex_lock(&c->lock);
    bool free_slot = c->slots > 0 && !c->lanes && !v->lane.gathering && !c->closing;
    c->slots -= free_slot;
    pthread_mutex_unlock(&c->lock);
    return free_slot;
}

static void give_slot(struct wg__crew *c)
{
    pthread_mutex_lock(&c->lock);
    c->slots++;
    if (pick_lane(c)) pthread_cond_signal(&c->wake);
    tell_if_idle(c);
    pthread_mutex_unlock(&c->lock);
}

/* Puts the job into its version's queue; else returns why it may not wait. */
static int enqueue(struct wg__crew *c, struct wg__loaded *v, struct wg__job *job)
{
    struct wg__lane *l = &v->lane;
    int              status = WG_OK;
    pthread_mutex_lock(&c->lock);
    if (c->closing) status = WG__CLOSING;
    else if (l->n >= c->options.queue) status = WG__BUSY;
    else {
        queue_job(c, l, job);
        if (!l->gathering && c->slots > 0) pthread_cond_signal(&c->wake);
    }
    if (l->gathering && (l->rows >= c->options.max_batch || !atomic_load(&c->incoming))) pthread_cond_signal(&l->more);
    pthread_mutex_unlock(&c->lock);
    return status;
}

static int refuse_job(struct wg__loaded *v, struct wg__job *job, int status)
{
    atomic_fetch_add_explicit(&v->refused, 1, memory_order_relaxed);
    return status == WG__BUSY ? wg__job_fail(job, status, "%d requests wait already", v->options.queue)
                              : wg__job_fail(job, status, "the server is closing");
}

int wg__predict(struct wg__job *job, int incoming)
{
    struct wg__loaded *v = wg__loaded_of(job->version);
    struct wg__crew   *c = v->crew;
    int64_t            size[WG__MAX_SYMBOLS];
    uint64_t           now = wg__now_ns();
    atomic_store(&c->incoming, incoming);
    job->status = WG_OK;
    *job->why = 0;
    job->next = NULL;
    job->memory = NULL;
    job->out = NULL;
    job->batch = 0;
    job->run_ns = 0;
    job->queue_ns = now; /* when it came here, until it is computed */
    if (!job->arrived_ns) job->arrived_ns = now;
    if (wg__job_bind(job, size)) {
        job->queue_ns = 0;
        atomic_fetch_add_explicit(&v->failed, 1, memory_order_relaxed);
        return 1;
    }
    if (incoming <= 0 && is_inline(c, v, job, size)) {
        compute(c, job);
        give_slot(c);
        return 1;
    }
    int status = enqueue(c, v, job);
    if (!status) return 0;
    job->queue_ns = 0;
    refuse_job(v, job, status);
    return 1;
}
