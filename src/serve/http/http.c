/* http.c - libmicrohttpd in front: a request from its first byte to its last.
 *
 * What can be refused is refused at the head, before a byte of the body is
 * taken: a path or a model that is not there, a body too large, of unknown
 * length or packed in an unknown way. */
#include <string.h>
#include <strings.h>

#include "serve/server_impl.h"

/* Above 32 KiB MHD has a connection's memory of its own from the system: all zero where nothing has come yet,
 * which wg__refusal_prevent relies on. */
enum { MEMORY_PER_CONNECTION = 36864, SECOND = 1000000000 };

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

static void say_allowed(struct wg__request *q, int verbs)
{
    snprintf(q->allow, sizeof q->allow, "%s%sOPTIONS", verbs & WG__GET ? "GET, HEAD, " : "",
             verbs & WG__POST ? "POST, " : "");
}

static bool is_v1(const char *path) { return strncasecmp(path, "/v1/", 4) == 0; }

/* Finds the route of the request, or fills in the answer why there is none. */
static void find_route(struct wg__exchange *x)
{
    struct wg__request *q = &x->q;
    int                 verbs = 0;
    x->route = wg__route_find(q, &verbs);
    if (x->route) return;
    if (q->verb == WG__OPTIONS && !strcmp(q->path, "*")) verbs = WG__GET | WG__POST; /* the server as a whole */
    if (!verbs) {
        wg__http_error(q, 404, "nothing is at %.200s%s", q->path,
                       strchr(q->path, '%') ? ": a path is written without %" : "");
    } else if (q->verb == WG__OPTIONS) {
        q->code = 204;
        say_allowed(q, verbs);
    } else if (is_v1(q->path)) { /* as TensorFlow Serving has it */
        wg__http_error(q, 400, "Malformed request: %s %.200s", q->method, q->path);
    } else {
        wg__http_error(q, 405, "%s has no %s", q->path, q->method);
        say_allowed(q, verbs);
    }
}

static enum MHD_Result refuse(struct wg__exchange *x, int code, const char *why)
{
    wg__http_error(&x->q, code, "%s", why);
    return wg__answer_send(x, true);
}

/* Takes Content-Encoding, which may be gzip or identity; false with the answer filled in for any other. */
static bool take_encoding(struct wg__exchange *x)
{
    char        text[32];
    bool        is_there = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Content-Encoding") != NULL;
    const char *e = is_there ? x->q.header(&x->q, "Content-Encoding", sizeof text, text) : "";
    if (e && (!*e || !strcasecmp(e, "identity"))) return true;
    x->gzip = e && (!strcasecmp(e, "gzip") || !strcasecmp(e, "x-gzip"));
    if (x->gzip) return true;
    wg__http_error(&x->q, 415, "no Content-Encoding but gzip is known");
    x->q.accept = "gzip";
    return false;
}

/* Checks what can be checked before the body comes; false with the answer filled in. */
static bool check_body(struct wg__exchange *x)
{
    struct wg__server *s = x->q.server;
    if (x->route->verbs & WG__ADMIN && !wg__admin_may(x)) return false;
    if (x->incoming && !wg__request_version(&x->q)) return false;
    if (!take_encoding(x)) return false;
    if (x->length <= 0 || wg__budget_fits(&s->budget, x->length)) return true;
    wg__http_fail(&x->q, WG_ENOMEM, "the server's memory is taken by other requests");
    return false;
}

static enum MHD_Result take_head(struct wg__exchange *x, const char *url, struct wg__request_head *h)
{
    struct wg__request *q = &x->q;
    struct wg__server  *s = q->server;
    const char         *why;
    name_verb(x, h->method);
    bool sound = wg__path_take(url, sizeof x->path, x->path);
    wg__identify(x);
    int code = wg__strict(x->connection, h, &why);
    if (code) return refuse(x, code, why);
    x->length = h->length;
    if (!sound) return refuse(x, 400, "malformed path");
    if (h->length > s->o.max_body) return refuse(x, 413, "the body is larger than this server takes");
    find_route(x);
    bool post = q->verb == WG__POST;
    x->incoming = x->route && (x->route->handle == wg__v1_predict || x->route->handle == wg__v2_infer);
    if (x->route && post) check_body(x);
    if (q->code && post && h->length != 0 && h->length != -1) return wg__answer_send(x, true);
    x->discard = q->code || !post;
    x->incoming = x->incoming && !q->code;
    if (x->incoming) atomic_fetch_add(&s->incoming, 1);
    x->phase = WG__BODY;
    return MHD_YES;
}

/* Refuses a body that may not go on.  The answer is written past MHD, which accepts none in the midst of a request. */
static enum MHD_Result refuse_body(struct wg__exchange *x, int code)
{
    x->q.code = code;
    if (!x->peer) return MHD_NO;
    wg__peer_say(x->peer->fd, code);
    wg__linger(x->q.server, x->peer->fd);
    return MHD_NO;
}

static enum MHD_Result take_body(struct wg__exchange *x, const char *data, size_t *n_data)
{
    struct wg__request *q = &x->q;
    size_t              n = q->n_body + *n_data;
    uint64_t            due = x->began_ns + ((uint64_t)q->server->o.slow_s + n / WG__BODY_RATE) * SECOND;
    if (x->peer && !wg__peer_set_due(x->peer, due)) return MHD_NO;
    if (n > (size_t)q->server->o.max_body) return refuse_body(x, 413);
    if (!x->discard) {
        if (!wg__exchange_reserve(x, n)) return refuse_body(x, 503);
        memcpy(x->body.at + q->n_body, data, *n_data);
    }
    q->n_body = n;
    *n_data = 0;
    return MHD_YES;
}

static enum MHD_Result finish_body(struct wg__exchange *x)
{
    struct wg__request *q = &x->q;
    if (x->peer && !wg__peer_set_due(x->peer, WG__NOT_DUE)) return MHD_NO;
    if (q->code) return wg__answer_send(x, false);
    q->body = x->body.at ? x->body.at : "";
    if (x->discard) q->n_body = 0;
    return wg__answer_begin(x);
}

static enum MHD_Result continue_exchange(void *context, struct MHD_Connection *c, const char *url, const char *method,
                                         const char *version, const char *data, size_t *n_data, void **state)
{
    struct wg__exchange *x = *state;
    (void)context;
    (void)c;
    if (!x) return MHD_NO;
    switch (x->phase) {
    case WG__HEAD:
        return take_head(
            x, url, &(struct wg__request_head){.method = method, .uri = x->uri, .version = version, .n_uri = x->n_uri});
    case WG__BODY: return *n_data ? take_body(x, data, n_data) : finish_body(x);
    case WG__ANSWER: return wg__answer_end(x);
    default: *n_data = 0; return MHD_YES;
    }
}

/* ---- What MHD tells ---- */

static struct wg__peer *peer_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return i ? i->socket_context : NULL;
}

/* Begins an exchange: MHD has read the request line. */
static void *begin_exchange(void *context, const char *uri, struct MHD_Connection *c)
{
    struct wg__server   *s = context;
    struct wg__exchange *x = wg__exchange_new(s, c);
    if (!x) return NULL;
    x->began_ns = wg__now_ns();
    x->peer = peer_of(c);
    x->uri = uri;
    x->n_uri = uri ? strcspn(uri, " ") : 0; /* MHD changes what is behind a question mark */
    if (x->peer) {
        wg__peer_set_due(x->peer, x->began_ns + (uint64_t)s->o.slow_s * SECOND);
        x->peer->requests++;
        x->peer->open = true;
    }
    if (WG__OLD_MHD && uri) wg__refusal_prevent(c, (char *)(uintptr_t)uri);
    atomic_store(&s->last_ns, x->began_ns);
    atomic_fetch_add(&s->inflight, 1);
    return x;
}

/* Finds the code of a request without an answer of the server's: the code that MHD answered, 408 if the clock has cut
 * the connection, or 499 if the client went away. */
static int code_without_answer(const struct wg__exchange *x)
{
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_HTTP_STATUS);
    if (i && i->http_status) {
        wg__refusal_known((int)i->http_status);
        return (int)i->http_status;
    }
    return x->peer && atomic_load(&x->peer->due_ns) == WG__CUT ? 408 : 499;
}

static void end_exchange(void *context, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode how)
{
    struct wg__server   *s = context;
    struct wg__exchange *x = *state;
    (void)c, (void)how;
    if (!x) return;
    *state = NULL;
    wg__answer_came(x);
    if (x->peer) x->peer->open = false;
    if (!x->q.code) x->q.code = code_without_answer(x);
    uint64_t now = wg__now_ns();
    if (x->peer) wg__peer_set_due(x->peer, now + (uint64_t)(s->o.idle_s + s->o.slow_s) * SECOND);
    wg__metrics_count(s->metrics, x, now - x->began_ns);
    wg__log_request(&s->log, x, (now - x->began_ns) / 1000);
    wg__exchange_release(x);
    atomic_fetch_sub(&s->inflight, 1);
}

static void count_connection(void *context, struct MHD_Connection *c, void **state,
                             enum MHD_ConnectionNotificationCode what)
{
    struct wg__server *s = context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
        *state = i ? wg__peer_new(s, i->connect_fd) : NULL;
        atomic_fetch_add(&s->connections, 1);
        return;
    }
    if (*state) {
        wg__refusal_at_end(s, *state);
        wg__peer_free(s, *state);
    }
    *state = NULL;
    atomic_fetch_sub(&s->connections, 1);
}

/* Accepts a connection while there are not too many: a connection too many is closed at once, not left waiting. */
static enum MHD_Result accept_policy(void *context, const struct sockaddr *a, socklen_t n)
{
    struct wg__server *s = context;
    (void)a;
    (void)n;
    return atomic_load(&s->connections) < s->o.connections ? MHD_YES : MHD_NO;
}

/* Leaves the path as it is, where MHD would unescape it: wg__path_take reads it. */
static size_t leave_path(void *context, struct MHD_Connection *c, char *s)
{
    (void)context;
    (void)c;
    return strlen(s);
}

static void hear_log(void *context, const char *format, va_list args)
{
    (void)context;
    wg__refusal_heard(format, args);
}

/* Newer versions of MHD refuse by themselves what strict.c finds for older versions: LF alone, folded lines, blanks. */
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
        continue_exchange, s, MHD_OPTION_EXTERNAL_LOGGER, hear_log, s, MHD_OPTION_LISTEN_SOCKET, s->listener,
        MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0, MHD_OPTION_CONNECTION_LIMIT, limit,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONNECTION, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)s->o.idle_s, MHD_OPTION_ARRAY, strictness, MHD_OPTION_URI_LOG_CALLBACK, begin_exchange, s,
        MHD_OPTION_NOTIFY_COMPLETED, end_exchange, s, MHD_OPTION_NOTIFY_CONNECTION, count_connection, s,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_path, s, MHD_OPTION_END);
    if (s->daemon) return WG_OK;
    *e = (wg_error){.status = WG_EIO, .offset = -1};
    snprintf(e->message, sizeof e->message, "HTTP could not be started on port %d", s->port);
    return WG_EIO;
}
