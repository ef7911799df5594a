/* answer.c - from a request that is complete to the answer that is sent.
 *
 * A prediction that has to wait leaves its thread: the connection is
 * suspended, and the worker that is done resumes it.  A body or an answer that
 * is large leaves it too: clerks read and write those, so that a connection
 * with a small question never waits for megabytes of digits. */
#include <stdarg.h>
#include <string.h>

#include "serve/server_impl.h"

/* ---- What an answer says ---- */

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
        {WG__BUSY, 503},  {WG__LATE, 504}, {WG__CLOSING, 503}, {WG__LEFT, 499},  {WG_ENOMEM, 503},
        {WG_EINDEX, 400}, {WG_EARG, 400},  {WG_ESHAPE, 400},   {WG_EDTYPE, 400}, {WG_EBOUND, 400},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].status == status) return table[i].code;
    return 500;
}

void wg__http_fail(struct wg__request *q, int status, const char *why)
{
    wg__http_error(q, code_of(status), "%s", why && *why ? why : wg_strerror(status));
    if (status == WG__BUSY || status == WG_ENOMEM) q->retry_after = 1;
}

static void add_number(struct MHD_Response *r, const char *name, long long v)
{
    char number[32];
    snprintf(number, sizeof number, "%lld", v);
    MHD_add_response_header(r, name, number);
}

static void add_headers(const struct wg__exchange *x, struct MHD_Response *r, bool close)
{
    const struct wg__request *q = &x->q;
    if (q->code != 204) MHD_add_response_header(r, "Content-Type", q->type ? q->type : "application/json");
    if (*x->id) MHD_add_response_header(r, "X-Request-Id", x->id);
    if (*x->trace) MHD_add_response_header(r, "traceparent", x->trace);
    if (q->json_length >= 0) add_number(r, "Inference-Header-Content-Length", q->json_length);
    if (q->retry_after) add_number(r, "Retry-After", q->retry_after);
    if (*q->allow) MHD_add_response_header(r, "Allow", q->allow);
    if (q->accept) MHD_add_response_header(r, "Accept-Encoding", q->accept);
    if (q->challenge) MHD_add_response_header(r, "WWW-Authenticate", "Bearer");
    if (q->etag) {
        MHD_add_response_header(r, "ETag", q->etag);
        MHD_add_response_header(r, "Cache-Control", "no-cache");
        MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    }
    if (close) MHD_add_response_header(r, "Connection", "close");
}

/* Answers with the reason why the text could not be written. */
static void say_failure(struct wg__request *q)
{
    bool late = q->text.late;
    wg__text_free(&q->text);
    if (late)
        wg__http_error(q, 504, "the deadline of %d ms passed while the answer was written", q->server->o.deadline_ms);
    else wg__http_fail(q, WG_ENOMEM, "the server's memory is taken by other requests");
}

/* Queues the answer.  MHD borrows the exchange's text until the request is complete. */
enum MHD_Result wg__answer_send(struct wg__exchange *x, bool close)
{
    struct wg__request *q = &x->q;
    struct wg__server  *s = q->server;
    if (q->text.failed) say_failure(q);
    struct MHD_Response *r = MHD_create_response_from_buffer(q->text.n, q->text.at, MHD_RESPMEM_PERSISTENT);
    if (!r) return MHD_NO;
    add_headers(x, r, close || atomic_load(&s->draining));
    enum MHD_Result queued = MHD_queue_response(x->connection, (unsigned)q->code, r);
    MHD_destroy_response(r);
    if (x->peer) wg__peer_answers(s, x->peer, q->text.n, x->began_ns);
    if (x->peer && close && x->length != 0) wg__linger(s, x->peer->fd);
    x->phase = WG__ASKED;
    x->sent = x->head || q->code == 304 ? 0 : q->text.n;
    return queued;
}

/* ---- Changes of threads ---- */

/* Resumes the connection when both threads have come: the connection's, which suspends it, and the thread that has its
 * request.  The second of the two calls resumes. */
static void resume_second(struct wg__exchange *x)
{
    struct MHD_Connection *c = x->connection;
    struct wg__server     *s = x->q.server;
    if (!atomic_exchange(&x->meet, 1)) return;
    atomic_fetch_sub(&s->suspended, 1);
    MHD_resume_connection(c);
}

/* Suspends the connection and gives its request to other threads. */
static enum MHD_Result put_aside(struct wg__exchange *x, struct wg__aside_threads *threads)
{
    x->phase = WG__ANSWER;
    atomic_fetch_add(&x->q.server->suspended, 1);
    MHD_suspend_connection(x->connection);
    atomic_store(&x->meet, 1);
    wg__aside_put(threads, x);
    return MHD_YES;
}

void wg__answer_came(struct wg__exchange *x)
{
    if (x->incoming) atomic_fetch_sub(&x->q.server->incoming, 1);
    x->incoming = false;
}

/* ---- Predictions ---- */

/* Tells whether the results of the job are too many to be written on a connection's thread. */
static bool is_large(const struct wg__job *job)
{
    int64_t bytes = 0;
    for (int i = 0; i < job->version->n_out && job->out; i++)
        bytes += wg_count(&job->out[i].shape) * (int64_t)wg_dtype_size(job->version->out[i].dtype);
    return bytes > WG__LARGE_ANSWER;
}

static bool is_late(const struct wg__exchange *x)
{
    int ms = x->q.server->o.deadline_ms;
    return ms && wg__now_ns() > x->began_ns + (uint64_t)ms * 1000000;
}

/* Writes the text of the answer, now that the job is done. */
static void write_answer(struct wg__exchange *x)
{
    struct wg__request *q = &x->q;
    int                 ms = q->server->o.deadline_ms;
    x->version = q->job.version ? q->job.version->number : x->version;
    x->predict_ns = q->job.queue_ns + q->job.run_ns;
    x->predicted = true;
    if (ms) q->text.until_ns = x->began_ns + (uint64_t)ms * 1000000;
    if (!q->job.status && is_late(x)) wg__http_error(q, 504, "the deadline of %d ms passed", ms);
    else if (q->job.status) wg__http_fail(q, q->job.status, q->job.why);
    else q->answer(q);
    q->answer = NULL;
    wg__job_free(&q->job);
}

static void write_aside(struct wg__exchange *x)
{
    x->aside = WG__WRITE;
    wg__aside_put(x->q.server->clerks, x);
}

/* Hands a finished job back.  This runs on the thread of a worker, which has other jobs to do. */
static void hand_back(struct wg__job *job)
{
    struct wg__exchange *x = job->context;
    if (is_large(job)) write_aside(x);
    else resume_second(x);
}

static bool has_left(struct wg__job *job)
{
    const struct wg__exchange *x = job->context;
    return x->peer && wg__peer_has_left(x->peer);
}

/* Estimates how many more requests are on their way: seen, or to be expected.  Waiting for them costs a request a
 * change of threads and back, so a row has to save more. */
static int estimate_others(struct wg__exchange *x)
{
    enum { HANDOVER_NS = 8000 };
    struct wg__server *s = x->q.server;
    int                seen = atomic_load(&s->incoming);
    int                expected = x->peer ? wg__crowd(s, x->peer) - atomic_load(&s->suspended) : 0;
    return x->q.job.version->gain_ns < HANDOVER_NS ? 0 : expected > seen ? expected : seen;
}

/* Starts the job.  1: the job is done; 0: job->done will be called. */
static int start_job(struct wg__exchange *x)
{
    struct wg__job *job = &x->q.job;
    wg__answer_came(x);
    job->arrived_ns = x->began_ns;
    job->context = x;
    job->done = hand_back;
    job->left = has_left;
    return wg__predict(job, estimate_others(x));
}

static enum MHD_Result predict(struct wg__exchange *x)
{
    struct wg__server *s = x->q.server;
    x->phase = WG__ANSWER;
    atomic_fetch_add(&s->suspended, 1);
    int is_done = start_job(x);
    if (is_done && !is_large(&x->q.job)) {
        atomic_fetch_sub(&s->suspended, 1);
        return wg__answer_end(x);
    }
    MHD_suspend_connection(x->connection);
    if (is_done) write_aside(x);
    resume_second(x);
    return MHD_YES;
}

/* ---- Threads aside ---- */

/* Reads the body and starts the job; true: the job is done, or there is none. */
static bool read_request(struct wg__exchange *x)
{
    struct wg__request *q = &x->q;
    if (x->gzip && !wg__gzip_unpack(x)) return true;
    x->route->handle(q);
    return !q->answer || start_job(x);
}

void wg__answer_clerk(struct wg__exchange *x)
{
    if (x->aside == WG__READ && !read_request(x)) return;
    if (x->q.answer) write_answer(x);
    resume_second(x);
}

void wg__answer_keeper(struct wg__exchange *x)
{
    x->route->handle(&x->q);
    resume_second(x);
}

/* ---- On the connection's thread ---- */

enum MHD_Result wg__answer_begin(struct wg__exchange *x)
{
    struct wg__request *q = &x->q;
    if (x->route->verbs & WG__ADMIN) return put_aside(x, q->server->keeper);
    x->aside = WG__READ;
    if (x->gzip || q->n_body > WG__LARGE_BODY) return put_aside(x, q->server->clerks);
    x->route->handle(q);
    return q->answer ? predict(x) : wg__answer_send(x, false);
}

/* Ends a prediction.  A client that has left gets no answer: its connection is closed. */
enum MHD_Result wg__answer_end(struct wg__exchange *x)
{
    if (x->q.answer) write_answer(x);
    return x->q.code == 499 ? MHD_NO : wg__answer_send(x, false);
}
