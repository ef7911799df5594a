/* exchange.c - requests with their buffers, kept in a free list: a predictor
 * under load allocates nothing for a request, and one at rest gives back what
 * it has not needed for a while. */
#include <stdlib.h>
#include <string.h>

#include "serve/server_impl.h"

enum { SPARE = 4 /* exchanges that stay in the free list, whoever needs them */ };

/* ---- Bytes of the budget ---- */

bool wg__bytes_reserve(struct wg__budget *budget, struct wg__bytes *b, size_t size)
{
    return size <= b->size || wg__budget_grow(budget, &b->at, &b->size, size);
}

void wg__bytes_free(struct wg__budget *budget, struct wg__bytes *b)
{
    free(b->at);
    wg__budget_give(budget, b->size);
    *b = (struct wg__bytes){0};
}

/* ---- What a request keeps ---- */

static const char *header(const struct wg__request *q, const char *name, size_t size, char to[])
{
    const struct wg__exchange *x = (const struct wg__exchange *)q;
    const char                *value = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
    size_t                     n = value ? strlen(value) : 0;
    if (!value) return NULL;
    value = wg__trim(value, &n);
    if (n >= size) return NULL;
    memcpy(to, value, n);
    to[n] = '\0';
    return to;
}

static void empty_data(struct wg__json_data *d, size_t above)
{
    if (d->size > above) wg__json_data_free(d);
}

static void empty_text(struct wg__text *t, size_t above)
{
    if (t->size > above || t->failed) wg__text_free(t);
    t->n = t->looked = 0;
    t->until_ns = 0;
}

/* Empties the buffers, and frees those buffers that are larger than `above` bytes. */
static void empty_buffers(struct wg__exchange *x, size_t above)
{
    struct wg__request *q = &x->q;
    for (int i = 0; i < q->n_tensors; i++) empty_data(&q->data[i], above);
    empty_data(&q->scratch, above);
    empty_text(&q->text, above);
    empty_text(&x->line, above);
    if (x->body.size > above) wg__bytes_free(&q->server->budget, &x->body);
    if (wg__json_keys_bytes(&q->keys) > above) wg__json_keys_free(&q->keys);
}

static void overwrite(int byte, void *at, size_t n)
{
    if (at) memset(at, byte, n);
}

/* Overwrites what the exchange holds of a request, for tests: if another request saw any of it, these bytes would
 * tell. */
static void poison(struct wg__exchange *x)
{
    struct wg__request *q = &x->q;
    int                 byte = q->server->o.poison;
    for (int i = 0; i < q->n_tensors; i++) {
        overwrite(byte, q->data[i].data, q->data[i].size);
        overwrite(byte, &q->data[i].shape, sizeof q->data[i].shape);
    }
    overwrite(byte, q->given, (size_t)q->n_tensors * sizeof *q->given);
    overwrite(byte, q->scratch.data, q->scratch.size);
    overwrite(byte, q->protocol, q->n_protocol);
    overwrite(byte, q->text.at, q->text.size);
    overwrite(byte, x->body.at, x->body.size);
    overwrite(byte, &q->at, sizeof q->at);
    overwrite(byte, x->path, sizeof x->path);
    overwrite(byte, x->id, sizeof x->id);
    overwrite(byte, x->trace, sizeof x->trace);
}

static void destroy(struct wg__exchange *x)
{
    empty_buffers(x, 0);
    wg__text_free(&x->q.text);
    wg__text_free(&x->line);
    free(x->q.data);
    free(x->q.given);
    free(x->q.protocol);
    wg__json_keys_free(&x->q.keys);
    free(x);
}

/* ---- The free list ---- */

static struct wg__exchange *take_free(struct wg__server *s)
{
    pthread_mutex_lock(&s->free_lock);
    struct wg__exchange *x = s->free;
    if (x) {
        s->free = x->next;
        if (--s->n_free < s->least_free) s->least_free = s->n_free;
    }
    pthread_mutex_unlock(&s->free_lock);
    return x ? x : calloc(1, sizeof *x);
}

static void free_list(struct wg__exchange *x)
{
    for (struct wg__exchange *next; x; x = next) {
        next = x->next;
        destroy(x);
    }
}

/* Cuts the list of free exchanges after the first `keep`; returns the rest.  The list is a stack, so the exchanges that
 * nobody has needed are at its end. */
static struct wg__exchange *cut_list(struct wg__server *s, int keep)
{
    struct wg__exchange **at = &s->free;
    pthread_mutex_lock(&s->free_lock);
    for (int i = 0; i < keep && *at; i++) at = &(*at)->next;
    struct wg__exchange *rest = *at;
    *at = NULL;
    if (s->n_free > keep) s->n_free = keep;
    s->least_free = s->n_free;
    pthread_mutex_unlock(&s->free_lock);
    return rest;
}

int wg__exchange_shrink(struct wg__server *s)
{
    pthread_mutex_lock(&s->free_lock);
    int idle = s->least_free - SPARE, keep = s->n_free - (idle > 0 ? idle : 0);
    s->least_free = s->n_free;
    pthread_mutex_unlock(&s->free_lock);
    if (idle <= 0) return 0;
    free_list(cut_list(s, keep));
    return idle;
}

void wg__exchange_free_all(struct wg__server *s) { free_list(cut_list(s, 0)); }

/* ---- From request to request ---- */

/* Sets all fields as in a new exchange, but keeps the buffers. */
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
    q->type = q->etag = q->accept = NULL;
    q->challenge = false;
    q->text.budget = q->scratch.budget = q->keys.budget = &s->budget;
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
    x->incoming = x->discard = x->head = x->predicted = x->gzip = false;
    x->length = -1;
    x->began_ns = x->predict_ns = 0;
    x->version = -1;
    x->sent = 0;
    x->uri = NULL;
    x->n_uri = 0;
    x->method[0] = x->id[0] = x->trace[0] = x->path[0] = '\0';
}

struct wg__exchange *wg__exchange_new(struct wg__server *s, struct MHD_Connection *c)
{
    struct wg__exchange *x = take_free(s);
    if (x) reset(x, s, c);
    return x;
}

void wg__exchange_release(struct wg__exchange *x)
{
    struct wg__server *s = x->q.server;
    wg__job_free(&x->q.job);
    if (x->q.job.version) wg__version_release(x->q.job.version);
    x->q.job = (struct wg__job){0};
    empty_buffers(x, WG__KEEP_BYTES);
    if (s->o.poison) poison(x);
    pthread_mutex_lock(&s->free_lock);
    x->next = s->free;
    s->free = x;
    s->n_free++;
    pthread_mutex_unlock(&s->free_lock);
}

/* Makes room for a body of n bytes: at most twice what has come, and no more than was promised.  A promise alone takes
 * no memory. */
bool wg__exchange_reserve(struct wg__exchange *x, size_t n)
{
    size_t size = x->body.size ? x->body.size : 16384;
    if (n <= x->body.size) return true;
    while (size < n) size *= 2;
    if (x->length >= (int64_t)n && (size_t)x->length < size) size = (size_t)x->length;
    return wg__bytes_reserve(&x->q.server->budget, &x->body, size);
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
        for (int i = q->n_tensors; i < n; i++) data[i] = (struct wg__json_data){.budget = &q->server->budget};
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
