/* exchange.c - requests with their buffers, kept in a free list: a predictor
 * under load allocates nothing for a request. */
#include <stdlib.h>
#include <string.h>

#include "serve/server_impl.h"

static const char *header(const struct wg__request *q, const char *name)
{
    const struct wg__exchange *x = (const struct wg__exchange *)q;
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

static void forget_data(struct wg__json_data *d, size_t above)
{
    if (d->size <= above) return;
    wg__json_data_free(d);
    *d = (struct wg__json_data){0};
}

static void forget_text(struct wg__text *t, size_t above)
{
    if (t->size > above || t->failed) {
        wg__text_free(t);
        *t = (struct wg__text){0};
    }
    t->n = 0;
}

/* Lets go of every buffer larger than that. */
static void forget(struct wg__exchange *x, size_t above)
{
    struct wg__request *q = &x->q;
    for (int i = 0; i < q->n_tensors; i++) forget_data(&q->data[i], above);
    forget_data(&q->scratch, above);
    forget_text(&q->text, above);
    forget_text(&x->line, above);
    if (x->body_size > above) {
        free(x->body);
        x->body = NULL;
        x->body_size = 0;
    }
}

static void destroy(struct wg__exchange *x)
{
    forget(x, 0);
    wg__text_free(&x->q.text);
    wg__text_free(&x->line);
    free(x->q.data);
    free(x->q.given);
    free(x->q.protocol);
    free(x);
}

static struct wg__exchange *take(struct wg__server *s)
{
    pthread_mutex_lock(&s->free_lock);
    struct wg__exchange *x = s->free;
    if (x) s->free = x->next;
    pthread_mutex_unlock(&s->free_lock);
    return x ? x : calloc(1, sizeof *x);
}

/* As at the start, but for the buffers. */
static void reset(struct wg__exchange *x, struct wg__server *s, struct MHD_Connection *c)
{
    struct wg__request *q = &x->q;
    q->server = s;
    q->verb = 0;
    q->method = x->method;
    q->path = x->path;
    q->at.model[0] = q->at.label[0] = '\0';
    q->at.version = -1;
    q->body = NULL;
    q->n_body = 0;
    q->header = header;
    q->code = 0;
    q->type = q->etag = NULL;
    q->json_length = -1;
    q->retry_after = 0;
    q->allow[0] = '\0';
    q->job = (struct wg__job){0};
    q->answer = NULL;
    x->connection = c;
    x->peer = NULL;
    x->route = NULL;
    x->next = NULL;
    x->phase = WG__HEAD;
    atomic_store(&x->meet, 0);
    x->counted = x->incoming = x->discard = x->head = x->predicted = false;
    x->began_ns = x->predict_ns = 0;
    x->version = -1;
    x->sent = 0;
    x->uri = NULL;
    x->n_uri = 0;
    x->method[0] = x->id[0] = x->trace[0] = x->path[0] = '\0';
}

struct wg__exchange *wg__exchange_new(struct wg__server *s, struct MHD_Connection *c)
{
    struct wg__exchange *x = take(s);
    if (x) reset(x, s, c);
    return x;
}

void wg__exchange_release(struct wg__exchange *x)
{
    struct wg__server *s = x->q.server;
    wg__job_free(&x->q.job);
    if (x->q.job.version) wg__version_release(x->q.job.version);
    x->q.job = (struct wg__job){0};
    forget(x, WG__KEEP_BYTES);
    pthread_mutex_lock(&s->free_lock);
    x->next = s->free;
    s->free = x;
    pthread_mutex_unlock(&s->free_lock);
}

void wg__exchange_free_all(struct wg__server *s)
{
    for (struct wg__exchange *x = s->free, *next; x; x = next) {
        next = x->next;
        destroy(x);
    }
    s->free = NULL;
}

/* At most twice what has come: a promised length alone takes no memory. */
bool wg__exchange_reserve(struct wg__exchange *x, size_t n)
{
    if (n <= x->body_size) return true;
    size_t size = x->body_size ? x->body_size : 16384;
    while (size < n) size *= 2;
    char *body = realloc(x->body, size);
    if (!body) return false;
    x->body = body;
    x->body_size = size;
    return true;
}

/* ---- What handlers ask for ---- */

static bool short_of_memory(struct wg__request *q)
{
    wg__http_error(q, 503, "out of memory");
    return false;
}

bool wg__request_tensors(struct wg__request *q)
{
    int n = q->job.version->n_in;
    if (n > q->n_tensors) {
        struct wg__json_data *data = realloc(q->data, (size_t)n * sizeof *data);
        if (!data) return short_of_memory(q);
        q->data = data;
        struct wg__given *given = realloc(q->given, (size_t)n * sizeof *given);
        if (!given) return short_of_memory(q);
        q->given = given;
        memset(data + q->n_tensors, 0, (size_t)(n - q->n_tensors) * sizeof *data);
        q->n_tensors = n;
    }
    memset(q->given, 0, (size_t)n * sizeof *q->given);
    q->job.in = q->given;
    return true;
}

void *wg__request_keep(struct wg__request *q, size_t n)
{
    if (n > q->n_protocol) {
        void *more = realloc(q->protocol, n);
        if (!more) {
            short_of_memory(q);
            return NULL;
        }
        q->protocol = more;
        q->n_protocol = n;
    }
    return memset(q->protocol, 0, n);
}
