/* server.c - start, the clock, and the end. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "serve/server_impl.h"

enum { TICK_MS = 100, LOOK_MS = 500, QUIET_MS = 50, MAX_ROWS = 1 << 20, SECOND = 1000000000 };

static int fail(wg_error *e, int status, const char *why)
{
    *e = (wg_error){.status = status, .offset = -1};
    snprintf(e->message, sizeof e->message, "%s", why);
    return status;
}

/* ---- Options ---- */

static int cpus(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
}

static int or_else(int v, int otherwise) { return v ? v : otherwise; }

static struct wg__server_options resolve(const struct wg__server_options *o)
{
    struct wg__server_options r = *o;
    r.host = o->host ? o->host : "0.0.0.0";
    r.port = or_else(o->port, 8501);
    r.threads = o->threads > 0 ? o->threads : cpus();
    r.max_batch = or_else(o->max_batch, 32);
    r.max_delay_us = o->max_delay_us < 0 ? 0 : or_else(o->max_delay_us, 200);
    r.queue = or_else(o->queue, 1024);
    r.deadline_ms = o->deadline_ms < 0 ? 0 : or_else(o->deadline_ms, 30000);
    r.connections = or_else(o->connections, 4096);
    r.max_body = o->max_body ? o->max_body : (int64_t)64 << 20;
    r.idle_s = or_else(o->idle_s, 75);
    r.slow_s = or_else(o->slow_s, 30);
    r.poll_s = or_else(o->poll_s, 1);
    r.drain_s = or_else(o->drain_s, 25);
    return r;
}

/* ---- The clock: what has to be done now and then, and what would hold up others ---- */

static struct wg__exchange *next_aside(struct wg__server *s)
{
    struct wg__exchange *x = s->aside;
    if (!x) return NULL;
    s->aside = x->next;
    if (!s->aside) s->aside_end = &s->aside;
    x->next = NULL;
    return x;
}

static void work_aside(struct wg__server *s, struct wg__exchange *x)
{
    pthread_mutex_unlock(&s->clock_lock);
    x->route->handle(&x->q);
    wg__http_resume(x);
    pthread_mutex_lock(&s->clock_lock);
}

static void wait_tick(struct wg__server *s)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += TICK_MS * 1000000;
    if (t.tv_nsec >= 1000000000) t.tv_nsec -= 1000000000, t.tv_sec++;
    pthread_cond_timedwait(&s->clock_wake, &s->clock_lock, &t);
}

static void tick(struct wg__server *s, uint64_t *looked, uint64_t *polled)
{
    uint64_t now = wg__now_ns();
    bool     look = now - *looked >= LOOK_MS * 1000000u || atomic_load(&s->draining);
    if (look) *looked = now;
    wg__peers_sweep(s, look);
    wg__log_flush(&s->log);
    if (s->o.poll_s < 0 || now - *polled < (uint64_t)s->o.poll_s * SECOND || atomic_load(&s->draining)) return;
    wg__repository_poll(s->repository);
    *polled = wg__now_ns();
}

static void *run_clock(void *context)
{
    struct wg__server   *s = context;
    struct wg__exchange *x;
    uint64_t             polled = wg__now_ns(), looked = polled;
    pthread_mutex_lock(&s->clock_lock);
    while (!atomic_load(&s->stopping)) {
        if (!s->aside) wait_tick(s);
        while ((x = next_aside(s))) work_aside(s, x);
        pthread_mutex_unlock(&s->clock_lock);
        tick(s, &looked, &polled);
        pthread_mutex_lock(&s->clock_lock);
    }
    pthread_mutex_unlock(&s->clock_lock);
    return NULL;
}

static int start_clock(struct wg__server *s, wg_error *e)
{
    s->clock_runs = pthread_create(&s->clock, NULL, run_clock, s) == 0;
    return s->clock_runs ? WG_OK : fail(e, WG_ENOMEM, "the clock's thread could not be started");
}

static void stop_clock(struct wg__server *s)
{
    if (!s->clock_runs) return;
    pthread_mutex_lock(&s->clock_lock);
    atomic_store(&s->stopping, true);
    pthread_cond_signal(&s->clock_wake);
    pthread_mutex_unlock(&s->clock_lock);
    pthread_join(s->clock, NULL);
    s->clock_runs = false;
}

/* ---- Start ---- */

static struct wg__server *create(const struct wg__server_options *o)
{
    struct wg__server *s = calloc(1, sizeof *s);
    pthread_condattr_t steady;
    if (!s) return NULL;
    s->o = resolve(o);
    s->listener = -1;
    s->peers.next = s->peers.prev = &s->peers;
    s->aside_end = &s->aside;
    s->id_seed = wg__now_ns() * 0x9e3779b97f4a7c15u ^ (uint64_t)getpid();
    wg__page_etag(s->etag);
    pthread_mutex_init(&s->free_lock, NULL);
    pthread_mutex_init(&s->peers_lock, NULL);
    pthread_mutex_init(&s->clock_lock, NULL);
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&s->clock_wake, &steady);
    pthread_condattr_destroy(&steady);
    return s;
}

/* In reverse; of what was never started there is nothing to release. */
static void destroy(struct wg__server *s)
{
    stop_clock(s);
    if (s->daemon) MHD_stop_daemon(s->daemon);
    if (s->listener >= 0) close(s->listener);
    wg__exchange_free_all(s);
    if (s->repository) wg__repository_close(s->repository);
    wg__metrics_free(s->metrics);
    wg__log_close(&s->log);
    pthread_cond_destroy(&s->clock_wake);
    pthread_mutex_destroy(&s->clock_lock);
    pthread_mutex_destroy(&s->peers_lock);
    pthread_mutex_destroy(&s->free_lock);
    free(s);
}

static int open_repository(struct wg__server *s, wg_error *e)
{
    const struct wg__model_options o = {
        .threads = s->o.threads,
        .max_batch = s->o.max_batch,
        .max_delay_us = s->o.max_delay_us,
        .queue = s->o.queue,
        .deadline_ms = s->o.deadline_ms,
        .max_rows = MAX_ROWS,
        .max_bytes = s->o.max_values,
        .log = wg__log_event,
        .log_context = &s->log,
    };
    s->repository = wg__repository_open(s->o.n_models, s->o.model, &o, e);
    if (!s->repository) return e->status ? e->status : fail(e, WG_EIO, "no model was loaded");
    s->metrics = wg__metrics_new(s->repository);
    return s->metrics ? WG_OK : fail(e, WG_ENOMEM, "out of memory");
}

static int open_listener(struct wg__server *s, wg_error *e)
{
    s->port = s->o.port;
    s->listener = wg__listen(s->o.host, &s->port, e);
    return s->listener < 0 ? e->status : WG_OK;
}

static int start(struct wg__server *s, wg_error *e)
{
    int status;
    wg__log_open(&s->log, s->o.log, s->o.quiet);
    /* The port is taken first: a second server finds out at once, not after it has loaded all models. */
    if ((status = open_listener(s, e)) || (status = open_repository(s, e)) || (status = wg__http_start(s, e)))
        return status;
    return start_clock(s, e);
}

struct wg__server *wg__server_start(const struct wg__server_options *o, wg_error *e)
{
    wg_error nobody;
    if (!e) e = &nobody;
    *e = (wg_error){.offset = -1};
    struct wg__server *s = create(o);
    if (!s) {
        fail(e, WG_ENOMEM, "out of memory");
        return NULL;
    }
    if (start(s, e)) {
        destroy(s);
        return NULL;
    }
    wg__log_say(&s->log, "info", "listening on %s port %d", s->o.host, s->port);
    return s;
}

int wg__server_port(const struct wg__server *s) { return s->port; }

void wg__server_unready(struct wg__server *s) { atomic_store(&s->unready, true); }

/* ---- The end ---- */

static void sleep_ms(long ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL); }

/* No request is under way, and none has come for a moment. */
static bool is_quiet(struct wg__server *s)
{
    return !atomic_load(&s->inflight) && wg__now_ns() - atomic_load(&s->last_ns) > QUIET_MS * 1000000u;
}

static bool wait_quiet(struct wg__server *s, uint64_t until)
{
    while (!is_quiet(s)) {
        if (wg__now_ns() >= until) return false;
        sleep_ms(5);
    }
    return true;
}

/* What has connected before the socket closes is still served. */
static void stop_listening(struct wg__server *s)
{
    if (MHD_quiesce_daemon(s->daemon) == MHD_INVALID_SOCKET) return;
    for (;;) {
        struct sockaddr_storage a;
        socklen_t               n = sizeof a;
        int                     fd = accept4(s->listener, (struct sockaddr *)&a, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) break;
        MHD_add_connection(s->daemon, fd, (struct sockaddr *)&a, n);
        atomic_store(&s->last_ns, wg__now_ns());
    }
    close(s->listener);
    s->listener = -1;
}

int wg__server_stop(struct wg__server *s)
{
    if (!s) return 0;
    uint64_t begin = wg__now_ns(), all = (uint64_t)s->o.drain_s * SECOND, delay = (uint64_t)s->o.delay_s * SECOND;
    wg__server_unready(s);
    atomic_store(&s->draining, true);
    wg__log_event(&s->log, "info", "stopping: requests in flight finish");
    while (wg__now_ns() - begin < (delay < all ? delay : all)) sleep_ms(5);
    wait_quiet(s, begin + all / 4 * 3);
    stop_listening(s);
    wait_quiet(s, begin + all);
    /* A suspended connection may not be closed: its job is under way and ends by itself. */
    while (atomic_load(&s->suspended)) sleep_ms(1);
    int cut = atomic_load(&s->inflight);
    wg__log_say(&s->log, cut ? "warn" : "info", "stopped; requests cut off: %d", cut);
    destroy(s);
    return cut;
}
