/* http.c - libmicrohttpd in front: a request from its first byte to its last,
 * and the answer.
 *
 * A prediction that has to wait leaves its thread: the connection is
 * suspended, and the worker that is done resumes it. */
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "serve/server_impl.h"

enum { MEMORY_PER_CONNECTION = 32768, SECOND = 1000000000 };

/* ---- Answers ---- */

void wg__http_error(struct wg__request *q, int code, const char *format, ...)
{
    char    why[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    q->code = code;
    q->type = NULL;
    q->json_length = -1;
    q->answer = NULL;
    q->text.n = 0;
    wg__text_add(&q->text, "{\"error\": ", 10);
    wg__text_string(&q->text, why);
    wg__text_add(&q->text, "}\n", 2);
}

static int code_of(int status)
{
    static const struct {
        int status, code;
    } table[] = {
        {WG__BUSY, 503}, {WG__LATE, 504},  {WG__CLOSING, 503}, {WG_EINDEX, 400},
        {WG_EARG, 400},  {WG_ESHAPE, 400}, {WG_EDTYPE, 400},   {WG_EBOUND, 400},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].status == status) return table[i].code;
    return 500;
}

void wg__http_fail(struct wg__request *q, int status, const char *why)
{
    wg__http_error(q, code_of(status), "%s", why && *why ? why : wg_strerror(status));
    if (status == WG__BUSY) q->retry_after = 1;
}

static void add_headers(const struct wg__exchange *x, struct MHD_Response *r, bool close)
{
    const struct wg__request *q = &x->q;
    char                      number[32];
    if (q->code != 204) MHD_add_response_header(r, "Content-Type", q->type ? q->type : "application/json");
    if (*x->id) MHD_add_response_header(r, "X-Request-Id", x->id);
    if (*x->trace) MHD_add_response_header(r, "traceparent", x->trace);
    if (q->json_length >= 0) {
        snprintf(number, sizeof number, "%lld", (long long)q->json_length);
        MHD_add_response_header(r, "Inference-Header-Content-Length", number);
    }
    if (q->retry_after) {
        snprintf(number, sizeof number, "%d", q->retry_after);
        MHD_add_response_header(r, "Retry-After", number);
    }
    if (*q->allow) MHD_add_response_header(r, "Allow", q->allow);
    if (q->etag) {
        MHD_add_response_header(r, "ETag", q->etag);
        MHD_add_response_header(r, "Cache-Control", "no-cache");
        MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    }
    if (close) MHD_add_response_header(r, "Connection", "close");
}

/* The body stays the exchange's until the request is complete. */
static enum MHD_Result respond(struct wg__exchange *x, bool close)
{
    struct wg__request *q = &x->q;
    struct wg__server  *s = q->server;
    if (q->text.failed) {
        wg__text_free(&q->text);
        q->text = (struct wg__text){0};
        wg__http_error(q, 503, "out of memory");
    }
    struct MHD_Response *r = MHD_create_response_from_buffer(q->text.n, q->text.at, MHD_RESPMEM_PERSISTENT);
    if (!r) return MHD_NO;
    add_headers(x, r, close || atomic_load(&s->draining));
    enum MHD_Result queued = MHD_queue_response(x->connection, (unsigned)q->code, r);
    MHD_destroy_response(r);
    if (x->peer) wg__peer_answers(s, x->peer, q->text.n);
    x->phase = WG__ASKED;
    x->sent = x->head || q->code == 304 ? 0 : q->text.n;
    return queued;
}

static void not_coming(struct wg__exchange *x)
{
    if (x->incoming) atomic_fetch_sub(&x->q.server->incoming, 1);
    x->incoming = false;
}

/* ---- Predictions ---- */

static enum MHD_Result answer(struct wg__exchange *x)
{
    struct wg__request *q = &x->q;
    x->version = q->job.version ? q->job.version->number : x->version;
    x->predict_ns = q->job.queue_ns + q->job.run_ns;
    x->predicted = true;
    if (q->job.status) wg__http_fail(q, q->job.status, q->job.why);
    else q->answer(q);
    wg__job_free(&q->job);
    return respond(x, false);
}

static void meet(struct wg__exchange *x)
{
    struct MHD_Connection *c = x->connection;
    struct wg__server     *s = x->q.server;
    if (!atomic_exchange(&x->meet, 1)) return;
    atomic_fetch_sub(&s->suspended, 1);
    MHD_resume_connection(c);
}

static void done(struct wg__job *job) { meet(job->context); }

void wg__http_resume(struct wg__exchange *x) { meet(x); }

/* Requests that are on their way: seen, or to be expected.  Waiting for them
 * costs a request a change of threads and back, so a row has to save more. */
static int others(struct wg__exchange *x)
{
    enum { HANDOVER_NS = 8000 };
    struct wg__server *s = x->q.server;
    int                seen = atomic_load(&s->incoming);
    int                expected = x->peer ? wg__crowd(s, x->peer) - atomic_load(&s->suspended) : 0;
    return x->q.job.version->gain_ns < HANDOVER_NS ? 0 : expected > seen ? expected : seen;
}

static enum MHD_Result predict(struct wg__exchange *x)
{
    struct wg__request *q = &x->q;
    struct wg__server  *s = q->server;
    not_coming(x);
    int incoming = others(x);
    q->job.arrived_ns = x->began_ns;
    q->job.context = x;
    q->job.done = done;
    x->phase = WG__ANSWER;
    atomic_fetch_add(&s->suspended, 1);
    if (wg__predict(&q->job, incoming)) {
        atomic_fetch_sub(&s->suspended, 1);
        return answer(x);
    }
    MHD_suspend_connection(x->connection);
    meet(x);
    return MHD_YES;
}

/* What may take seconds is not for a thread that many connections share. */
static enum MHD_Result put_aside(struct wg__exchange *x)
{
    struct wg__server *s = x->q.server;
    x->phase = WG__ANSWER;
    atomic_fetch_add(&s->suspended, 1);
    MHD_suspend_connection(x->connection);
    atomic_store(&x->meet, 1);
    pthread_mutex_lock(&s->clock_lock);
    *s->aside_end = x;
    s->aside_end = &x->next;
    pthread_cond_signal(&s->clock_wake);
    pthread_mutex_unlock(&s->clock_lock);
    return MHD_YES;
}

/* ---- A request, piece by piece ---- */

static void name_verb(struct wg__exchange *x, const char *method)
{
    static const struct {
        const char   *method;
        enum wg__verb verb;
    } table[] = {{"GET", WG__GET}, {"HEAD", WG__GET}, {"POST", WG__POST}, {"OPTIONS", WG__OPTIONS}};
    snprintf(x->method, sizeof x->method, "%s", method);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i].method, method)) x->q.verb = table[i].verb;
    x->head = strcmp(method, "HEAD") == 0;
}

static void allow(struct wg__request *q, int verbs)
{
    snprintf(q->allow, sizeof q->allow, "%s%sOPTIONS", verbs & WG__GET ? "GET, HEAD, " : "",
             verbs & WG__POST ? "POST, " : "");
}

static bool is_v1(const char *path) { return strncasecmp(path, "/v1/", 4) == 0; }

/* The row of the table, or the answer why there is none. */
static void find_route(struct wg__exchange *x)
{
    struct wg__request *q = &x->q;
    int                 verbs = 0;
    x->route = wg__route_find(q, &verbs);
    if (x->route) return;
    if (q->verb == WG__OPTIONS && !strcmp(q->path, "*")) verbs = WG__GET | WG__POST; /* the server as a whole */
    if (!verbs) {
        wg__http_error(q, 404, "nothing is at %.200s", q->path);
    } else if (q->verb == WG__OPTIONS) {
        q->code = 204;
        allow(q, verbs);
    } else if (is_v1(q->path)) { /* as TensorFlow Serving has it */
        wg__http_error(q, 400, "Malformed request: %s %.200s", q->method, q->path);
    } else {
        wg__http_error(q, 405, "%s has no %s", q->path, q->method);
        allow(q, verbs);
    }
}

static enum MHD_Result refuse(struct wg__exchange *x, int code, const char *why)
{
    wg__http_error(&x->q, code, "%s", why);
    return respond(x, true);
}

static enum MHD_Result head(struct wg__exchange *x, const char *url, const struct wg__head *h)
{
    struct wg__request *q = &x->q;
    struct wg__server  *s = q->server;
    const char         *why;
    name_verb(x, h->method);
    int code = wg__strict(x->connection, h, &why);
    if (code) return refuse(x, code, why);
    wg__identify(x);
    if (!wg__path_decode(url, sizeof x->path, x->path)) return refuse(x, 400, "malformed path");
    int64_t n = wg__strict_length(x->connection);
    if (n > s->o.max_body) return refuse(x, 413, "the body is larger than this server takes");
    find_route(x);
    x->discard = !x->route || q->verb != WG__POST;
    x->incoming = x->route && (x->route->handle == wg__v1_predict || x->route->handle == wg__v2_infer);
    if (x->incoming) atomic_fetch_add(&s->incoming, 1);
    x->phase = WG__BODY;
    return MHD_YES;
}

static enum MHD_Result more(struct wg__exchange *x, const char *data, size_t *n_data)
{
    struct wg__request *q = &x->q;
    size_t              n = q->n_body + *n_data;
    uint64_t            due = x->began_ns + ((uint64_t)q->server->o.slow_s + n / WG__BODY_RATE) * SECOND;
    if (x->peer && !wg__peer_set_due(x->peer, due)) return MHD_NO;
    if (n > (size_t)q->server->o.max_body) {
        q->code = 413;
        if (x->peer) wg__peer_say(x->peer->fd, 413);
        return MHD_NO;
    }
    if (!x->discard) {
        if (!wg__exchange_reserve(x, n)) return MHD_NO;
        memcpy(x->body + q->n_body, data, *n_data);
    }
    q->n_body = n;
    *n_data = 0;
    return MHD_YES;
}

static enum MHD_Result whole(struct wg__exchange *x)
{
    struct wg__request *q = &x->q;
    if (x->peer && !wg__peer_set_due(x->peer, WG__NOT_DUE)) return MHD_NO;
    if (q->code) return respond(x, false);
    q->body = x->body ? x->body : "";
    if (x->discard) q->n_body = 0;
    if (x->route->verbs & WG__ASIDE) return put_aside(x);
    x->route->handle(q);
    return q->answer ? predict(x) : respond(x, false);
}

static enum MHD_Result handle(void *context, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *data, size_t *n_data, void **state)
{
    struct wg__exchange *x = *state;
    (void)context;
    (void)c;
    if (!x) return MHD_NO;
    switch (x->phase) {
    case WG__HEAD: return head(x, url, &(struct wg__head){method, x->uri, version, x->n_uri});
    case WG__BODY: return *n_data ? more(x, data, n_data) : whole(x);
    case WG__ANSWER: return x->q.answer ? answer(x) : respond(x, false);
    default: *n_data = 0; return MHD_YES;
    }
}

/* ---- What MHD tells ---- */

static struct wg__peer *peer_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return i ? i->socket_context : NULL;
}

/* The request line is here. */
static void *begin(void *context, const char *uri, struct MHD_Connection *c)
{
    struct wg__server   *s = context;
    struct wg__exchange *x = wg__exchange_new(s, c);
    if (!x) return NULL;
    x->began_ns = wg__now_ns();
    x->peer = peer_of(c);
    x->uri = uri;
    x->n_uri = strcspn(uri, " "); /* MHD changes what is behind a question mark */
    if (x->peer) wg__peer_set_due(x->peer, x->began_ns + (uint64_t)s->o.slow_s * SECOND);
    atomic_store(&s->last_ns, x->began_ns);
    atomic_fetch_add(&s->inflight, 1);
    return x;
}

/* What MHD answered itself, or 499 for a client that went away. */
static int code_without_answer(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_HTTP_STATUS);
    return i && i->http_status ? (int)i->http_status : 499;
}

static void complete(void *context, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode how)
{
    struct wg__server   *s = context;
    struct wg__exchange *x = *state;
    (void)how;
    if (!x) return;
    *state = NULL;
    not_coming(x);
    if (!x->q.code) x->q.code = code_without_answer(c);
    uint64_t now = wg__now_ns();
    if (x->peer) wg__peer_set_due(x->peer, now + (uint64_t)(s->o.idle_s + s->o.slow_s) * SECOND);
    wg__metrics_count(s->metrics, x, now - x->began_ns);
    wg__log_request(&s->log, x, (now - x->began_ns) / 1000);
    wg__exchange_release(x);
    atomic_fetch_sub(&s->inflight, 1);
}

static void connected(void *context, struct MHD_Connection *c, void **state, enum MHD_ConnectionNotificationCode what)
{
    struct wg__server *s = context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
        *state = i ? wg__peer_new(s, i->connect_fd) : NULL;
        atomic_fetch_add(&s->connections, 1);
        return;
    }
    if (*state) wg__peer_free(s, *state);
    *state = NULL;
    atomic_fetch_sub(&s->connections, 1);
}

/* One too many is closed at once, not left waiting. */
static enum MHD_Result accept_policy(void *context, const struct sockaddr *a, socklen_t n)
{
    struct wg__server *s = context;
    (void)a;
    (void)n;
    return atomic_load(&s->connections) < s->o.connections ? MHD_YES : MHD_NO;
}

/* The path is decoded by wg__path_decode. */
static size_t as_it_is(void *context, struct MHD_Connection *c, char *s)
{
    (void)context;
    (void)c;
    return strlen(s);
}

static void silent(void *context, const char *format, va_list args)
{
    (void)context;
    (void)format;
    (void)args;
}

/* Newer ones refuse by themselves what strict.c finds in older ones: LF alone, folded lines, blanks. */
static const struct MHD_OptionItem strictness[] = {
#if MHD_VERSION >= 0x00097701
    {MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, NULL},
#endif
    {MHD_OPTION_END, 0, NULL}};

int wg__http_start(struct wg__server *s, wg_error *e)
{
    wg__limit_connections(s);
    unsigned threads = (unsigned)s->o.threads;
    /* MHD divides its own limit among the threads, however uneven they are: it has to be out of the way. */
    unsigned limit = threads * ((unsigned)s->o.connections + 16);
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, accept_policy, s,
        handle, s, MHD_OPTION_EXTERNAL_LOGGER, silent, s, MHD_OPTION_LISTEN_SOCKET, s->listener,
        MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0, MHD_OPTION_CONNECTION_LIMIT, limit,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONNECTION, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)s->o.idle_s, MHD_OPTION_ARRAY, strictness, MHD_OPTION_URI_LOG_CALLBACK, begin, s,
        MHD_OPTION_NOTIFY_COMPLETED, complete, s, MHD_OPTION_NOTIFY_CONNECTION, connected, s,
        MHD_OPTION_UNESCAPE_CALLBACK, as_it_is, s, MHD_OPTION_END);
    if (s->daemon) return WG_OK;
    *e = (wg_error){.status = WG_EIO, .offset = -1};
    snprintf(e->message, sizeof e->message, "HTTP could not be started on port %d", s->port);
    return WG_EIO;
}
