/* server.c - start, the clock, and the end. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/system/cgroup.h"
#include "serve/server_impl.h"

/* Where nothing is known of the machine. */
#define LEAST_MEMORY ((int64_t)64 << 20)

enum { LOOK_MS = 500, QUIET_MS = 50, MAX_ROWS = 1 << 20, SECOND = 1000000000, TRIM_BYTES = 1 << 20 };

static int fail(wg_error *e, int status, const char *why)
{
    *e = (wg_error){.status = status, .offset = -1};
    snprintf(e->message, sizeof e->message, "%s", why);
    return status;
}

/* ---- Options ---- */

static int or_else(int v, int otherwise) { return v ? v : otherwise; }

static struct wg__server_options resolve(const struct wg__server_options *o)
{
    struct wg__server_options r = *o;
    r.host = o->host ? o->host : "127.0.0.1";
    r.port = or_else(o->port, 8501);
    r.threads = o->threads > 0 ? o->threads : wg__cgroup_cpus(WG__CGROUP_PROC, WG__CGROUP_MOUNT);
    r.max_batch = or_else(o->max_batch, 32);
    r.max_delay_us = o->max_delay_us < 0 ? 0 : or_else(o->max_delay_us, 200);
    r.queue = or_else(o->queue, 1024);
    r.deadline_ms = o->deadline_ms < 0 ? 0 : or_else(o->deadline_ms, 30000);
    r.connections = or_else(o->connections, 4096);
    r.max_body = o->max_body ? o->max_body : (int64_t)64 << 20;
    r.memory = o->memory ? o->memory : wg__cgroup_bytes(WG__CGROUP_PROC, WG__CGROUP_MOUNT) / 2;
    if (r.memory < LEAST_MEMORY) r.memory = o->memory ? o->memory : LEAST_MEMORY;
    if (r.max_body > r.memory) r.max_body = r.memory;
    r.max_values = o->max_values ? o->max_values : (int64_t)1 << 30;
    r.idle_s = or_else(o->idle_s, 75);
    r.slow_s = or_else(o->slow_s, 30);
    r.poll_s = or_else(o->poll_s, 1);
    r.drain_s = or_else(o->drain_s, 25);
    return r;
}

/* ---- The clock and the keeper ---- */

/* Gives free memory back to the system, where there is much of it. */
static void shrink(struct wg__server *s, uint64_t now)
{
    if (now - s->shrunk_ns < SECOND) return;
    s->shrunk_ns = now;
    int n = wg__exchange_shrink(s);
    if (!atomic_load(&s->inflight)) wg__repository_relieve(s->repository, false);
    int64_t used = atomic_load(&s->budget.used), freed = atomic_exchange(&s->budget.peak, used) - used;
#ifdef __GLIBC__
    if (n > 64 || freed > TRIM_BYTES) malloc_trim(0); /* whoever it was that freed it */
#else
    (void)n, (void)freed;
#endif
}

static void tick(void *context)
{
    struct wg__server *s = context;
    uint64_t           now = wg__now_ns();
    bool               look = now - s->looked_ns >= LOOK_MS * 1000000u || atomic_load(&s->draining);
    if (look) s->looked_ns = now;
    wg__peers_sweep(s, look);
    wg__linger_sweep(s, false);
    wg__repository_expire(s->repository);
    wg__log_flush(&s->log);
    shrink(s, now);
}

static void reload_all(struct wg__server *s)
{
    const char *name;
    for (int i = 0; (name = wg__repository_model(s->repository, i)); i++)
        wg__repository_reload(s->repository, name, NULL); /* the log says how it went */
}

static void look_for_models(void *context)
{
    struct wg__server *s = context;
    if (atomic_load(&s->draining)) return;
    if (atomic_exchange(&s->reload, false)) reload_all(s);
    if (s->o.poll_s < 0 || wg__now_ns() - s->polled_ns < (uint64_t)s->o.poll_s * SECOND) return;
    wg__repository_poll(s->repository);
    s->polled_ns = wg__now_ns();
}

/* Releases what is kept for later requests: no request is refused for its sake. */
static void relieve(void *context)
{
    struct wg__server *s = context;
    wg__exchange_free_all(s);
    if (s->repository) wg__repository_relieve(s->repository, true);
}

static int start_threads(struct wg__server *s, wg_error *e)
{
    s->looked_ns = s->shrunk_ns = s->polled_ns = wg__now_ns();
    s->clock = wg__aside_new(1, NULL, tick, s);
    s->keeper = wg__aside_new(1, wg__answer_keeper, look_for_models, s);
    s->clerks = wg__aside_new(s->o.threads, wg__answer_clerk, NULL, NULL);
    return s->clock && s->keeper && s->clerks ? WG_OK : fail(e, WG_ENOMEM, "threads could not be started");
}

/* ---- Start ---- */

static struct wg__server *create(const struct wg__server_options *o)
{
    struct wg__server *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->o = resolve(o);
    s->listener = -1;
    s->peers.next = s->peers.prev = &s->peers;
    s->budget = (struct wg__budget){.limit = s->o.memory, .relieve = relieve, .context = s};
    s->id_seed = wg__now_ns() * 0x9e3779b97f4a7c15u ^ (uint64_t)getpid();
    wg__page_etag(s->etag);
    pthread_mutex_init(&s->free_lock, NULL);
    pthread_mutex_init(&s->peers_lock, NULL);
    pthread_mutex_init(&s->linger_lock, NULL);
    return s;
}

/* Destroys the server, in reverse order of its start.  What was never started needs no release. */
static void destroy(struct wg__server *s)
{
    wg__aside_free(s->clock);
    wg__aside_free(s->keeper);
    if (s->daemon) MHD_stop_daemon(s->daemon);
    wg__aside_free(s->clerks);
    wg__linger_sweep(s, true);
    if (s->listener >= 0) close(s->listener);
    wg__exchange_free_all(s);
    if (s->repository) wg__repository_close(s->repository);
    wg__metrics_free(s->metrics);
    if (atomic_load(&s->budget.used)) /* who took bytes has given them back by now */
        wg__log_say(&s->log, "error", "bytes that were not given back: %lld", (long long)atomic_load(&s->budget.used));
    wg__log_close(&s->log);
    pthread_mutex_destroy(&s->linger_lock);
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
        .max_bytes = s->o.max_values < s->o.memory ? s->o.max_values : s->o.memory,
        .budget = &s->budget,
        .n_batching = s->o.n_batching,
        .batching = s->o.batching,
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
    if ((status = wg__admin_check(s->o.admin_token, e)) || (status = open_listener(s, e)) ||
        (status = open_repository(s, e)) || (status = start_threads(s, e)))
        return status;
    return wg__http_start(s, e);
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

void wg__server_reload(struct wg__server *s) { atomic_store(&s->reload, true); }

void wg__server_unready(struct wg__server *s) { atomic_store(&s->unready, true); }

/* ---- The end ---- */

static void sleep_ms(long ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL); }

/* Counts the requests under way that somebody waits for. */
static int count_waited_for(struct wg__server *s)
{
    int n = atomic_load(&s->inflight);
    return n ? n - wg__peers_gone(s) : 0;
}

/* Tells whether no request is under way, and none has come for a moment. */
static bool is_quiet(struct wg__server *s)
{
    return count_waited_for(s) <= 0 && wg__now_ns() - atomic_load(&s->last_ns) > QUIET_MS * 1000000u;
}

static bool wait_quiet(struct wg__server *s, uint64_t until)
{
    while (!is_quiet(s)) {
        if (wg__now_ns() >= until) return false;
        sleep_ms(5);
    }
    return true;
}

/* Stops listening.  Connections made before the socket closes are still served. */
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
    int cut = count_waited_for(s);
    if (cut < 0) cut = 0; /* a request has ended in between */
    wg__log_say(&s->log, cut ? "warn" : "info", "stopped; requests cut off: %d", cut);
    destroy(s);
    return cut;
}
