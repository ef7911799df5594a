/* Examples in the order of an epoch, cut into batches. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "data/batches_impl.h"
#include "data/io_impl.h"
#include "graph/graph_impl.h"
#include "tape/run/lend.h"

enum { MOST_PREFETCH = 1024 };

#define reject(e, status, ...) wg__say(e, "wg_batches_new", status, -1, __VA_ARGS__)

/* ---- Making batches ---- */

int64_t wg__batch_size(const struct wg_batches *b, int64_t batch)
{
    if (batch >= b->count) return 0;
    int64_t left = b->examples - batch * b->size;
    return left < b->size && b->last == WG_LAST_SHORT ? left : b->size;
}

static void make_order(struct wg_batches *b, uint64_t epoch)
{
    if (!b->order || (b->ordered && b->order_epoch == epoch)) return;
    wg__shuffle(b->examples, b->order, b->seed, epoch);
    b->ordered = true;
    b->order_epoch = epoch;
}

void wg__batch_make(struct wg_batches *b, uint64_t epoch, int64_t batch, void *const to[])
{
    int64_t n = wg__batch_size(b, batch), first = batch * b->size;
    make_order(b, epoch);
    for (int k = 0; k < b->n; k++) {
        if (!to[k]) continue;
        const struct wg__source *s = &b->source[k];
        for (int64_t i = 0; i < n; i++) {
            int64_t at = (first + i) % b->examples; /* WG_LAST_WRAP goes past the end */
            wg__source_row(s, b->order ? b->order[at] : at, (char *)to[k] + (size_t)i * s->to);
        }
    }
}

/* ---- New and free ---- */

static int check_options(const wg_batch_options *o, wg_error *e)
{
    if (o->n < 1 || !o->column) return reject(e, WG_EARG, "there are no columns");
    if (o->size < 1 || o->size > INT_MAX)
        return reject(e, WG_EARG, "a batch of %lld examples is not possible", (long long)o->size);
    if (o->prefetch < 0 || o->prefetch > MOST_PREFETCH)
        return reject(e, WG_EARG, "prefetch is %d, not 0 to %d", o->prefetch, MOST_PREFETCH);
    if ((unsigned)o->last > WG_LAST_WRAP) return reject(e, WG_EARG, "last is %d, none of WG_LAST_", (int)o->last);
    return WG_OK;
}

static int check_column(const wg_batch_options *o, int k, wg_error *e)
{
    const wg_column *c = &o->column[k], *first = o->column;
    if (wg__array_check("wg_batches_new", c->array, NULL) || c->array->shape.rank < 1)
        return reject(e, WG_EARG, "column %d has no array of rank 1 or more", k);
    if (c->array->shape.dim[0] != first->array->shape.dim[0])
        return reject(e, WG_ESHAPE, "column 0 has %lld examples, column %d has %lld",
                      (long long)first->array->shape.dim[0], k, (long long)c->array->shape.dim[0]);
    if (c->input && strcmp(wg_node_kind(c->input), "input") != 0)
        return reject(e, WG_EARG, "column %d is to fill '%.60s', which is no input but %s", k, wg_node_name(c->input),
                      wg_node_kind(c->input));
    if (!c->input && !wg_dtype_size(c->dtype)) return reject(e, WG_EARG, "column %d has no valid dtype", k);
    for (int i = 0; i < k && c->input; i++)
        if (o->column[i].input == c->input)
            return reject(e, WG_EARG, "columns %d and %d are to fill the same input '%.60s'", i, k,
                          wg_node_name(c->input));
    return WG_OK;
}

/* Refuses a column with a value that its batch cannot hold.  Checked once, here, so that making a batch cannot fail. */
static int check_values(const struct wg_batches *b, int k, wg_error *e)
{
    const struct wg__source *s = &b->source[k];
    double                   v = 0;
    int64_t                  at = wg__source_misfit(s, &v);
    if (at < 0) return WG_OK;
    return reject(e, WG_EARG, "column %d: row %lld, element %lld is %.17g, which %s does not hold", k,
                  (long long)(at / s->row), (long long)(at % s->row), v, wg_dtype_name(s->dtype));
}

static int make_source(struct wg_batches *b, const wg_column *c, struct wg__source *s, wg_error *e)
{
    wg_shape row = {.rank = c->array->shape.rank - 1};
    memcpy(row.dim, c->array->shape.dim + 1, (size_t)row.rank * sizeof *row.dim);
    *s = (struct wg__source){.array = c->array, .input = c->input, .scale = c->scale, .shift = c->shift};
    s->dtype = c->input ? wg_node_dtype(c->input) : c->dtype;
    s->row = wg_count(&row);
    size_t most = PTRDIFF_MAX / 4, size = (size_t)b->size;
    if ((uint64_t)s->row > most / wg_dtype_size(s->dtype) / size)
        return reject(e, WG_ENOMEM, "%lld examples of %lld elements do not fit into memory", (long long)b->size,
                      (long long)s->row);
    s->from = (size_t)s->row * wg_dtype_size(c->array->dtype);
    s->to = (size_t)s->row * wg_dtype_size(s->dtype);
    return wg__source_prepare(s) ? WG_OK : reject(e, WG_ENOMEM, "out of memory");
}

static int make_sources(struct wg_batches *b, const wg_batch_options *o, wg_error *e)
{
    size_t n = (size_t)o->n;
    b->source = calloc(n, sizeof *b->source);
    b->to = calloc(n, sizeof *b->to);
    if (!b->source || !b->to) return reject(e, WG_ENOMEM, "out of memory");
    int status = WG_OK;
    while (!status && b->n < o->n) {
        int k = b->n++;
        status = make_source(b, &o->column[k], &b->source[k], e);
        if (!status) status = check_values(b, k, e);
    }
    return status;
}

static int make_batches(struct wg_batches *b, const wg_batch_options *o, wg_error *e)
{
    b->examples = o->column[0].array->shape.dim[0];
    b->size = o->size;
    b->seed = o->seed;
    b->last = o->last;
    b->count = b->examples / b->size + (b->last != WG_LAST_DROP && b->examples % b->size != 0);
    if (b->count == 0 && b->examples > 0)
        return reject(e, WG_EARG, "no batch of %lld can be made of %lld examples, and WG_LAST_DROP leaves them out",
                      (long long)b->size, (long long)b->examples);
    int status = make_sources(b, o, e);
    if (status) return status;
    if (o->shuffle && !(b->order = wg__data_alloc((size_t)b->examples * sizeof *b->order)))
        return reject(e, WG_ENOMEM, "out of memory");
    if (!o->prefetch || !b->count) return WG_OK;
    status = wg__ring_start(b, o->prefetch);
    return status ? reject(e, status, "cannot prepare batches ahead: %s",
                           status == WG_ENOMEM ? "out of memory" : "no thread can be started")
                  : WG_OK;
}

wg_batches *wg_batches_new(const wg_batch_options *options, wg_error *e)
{
    wg_batch_options own, *o = &own;
    char             why[160];
    if (!wg__options_read(o, sizeof *o, options, why)) return (void)reject(e, WG_EARG, "%s", why), NULL;
    int status = check_options(o, e);
    for (int k = 0; !status && k < o->n; k++) status = check_column(o, k, e);
    if (status) return NULL;
    wg_batches *b = calloc(1, sizeof *b);
    if (!b) return (void)reject(e, WG_ENOMEM, "out of memory"), NULL;
    if (make_batches(b, o, e) == WG_OK) return b;
    wg_batches_free(b);
    return NULL;
}

void wg_batches_free(wg_batches *b)
{
    if (!b) return;
    if (b->ring) wg__ring_stop(b);
    for (int k = 0; k < b->n; k++) wg__data_free(b->source[k].lookup);
    wg__data_free(b->order);
    free(b->source);
    free(b->to);
    free(b);
}

/* ---- Taking them ---- */

static int fail(wg_batches *b, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int fail(wg_batches *b, int status, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(b->message, sizeof b->message, format, ap);
    va_end(ap);
    return status;
}

/* Goes on to the next batch.  Position b->count, past the last batch, is the end of the epoch. */
static void advance(wg_batches *b)
{
    if (b->batch++ < b->count) return;
    b->batch = 0;
    b->epoch++;
}

static int deliver(wg_batches *b, int64_t n, void *const to[])
{
    if (n && b->ring) wg__ring_take(b, n, to);
    else if (n) wg__batch_make(b, b->epoch, b->batch, to);
    for (int k = 0; n && k < b->n; k++)
        if (to[k] && b->source[k].dtype == WG_BOOL) wg__take(WG_BOOL, to[k], to[k], (size_t)n * b->source[k].to);
    advance(b);
    return (int)n;
}

static int check_input(wg_batches *b, wg_tape *t, int k, int64_t n)
{
    const struct wg__source *s = &b->source[k];
    if (!s->input) return fail(b, WG_EARG, "wg_batch_next: column %d has no input to fill", k);
    const char     *name = wg_node_name(s->input);
    const wg_shape *shape = wg_tape_shape(t, s->input);
    if (!shape) return fail(b, WG_EARG, "wg_batch_next: input '%.60s' of column %d is not on the tape", name, k);
    char text[96];
    if (shape->rank < 1 || shape->dim[0] != n || wg_count(shape) != n * s->row)
        return fail(b, WG_ESHAPE, "wg_batch_next: column %d has %lld examples of %lld elements, input '%.60s' is %s", k,
                    (long long)n, (long long)s->row, name, wg__shape_str(wg_tape_graph(t), shape, text, sizeof text));
    return WG_OK;
}

static int refuse_null(const char *call) { return wg__fail(NULL, WG_EARG, "%s: the batches are NULL", call); }

int wg_batch_next(wg_batches *b, wg_tape *t)
{
    if (!b) return refuse_null("batch_next");
    if (!t) return fail(b, WG_EARG, "wg_batch_next: no tape");
    int64_t n = wg__batch_size(b, b->batch);
    for (int k = 0; n && k < b->n; k++) {
        int status = check_input(b, t, k, n);
        if (status) return status;
    }
    for (int k = 0; n && k < b->n; k++)
        if (!(b->to[k] = wg__input_lend(t, b->source[k].input)))
            return fail(b, wg_tape_status(t), "wg_batch_next: %s", wg_tape_message(t));
    return deliver(b, n, b->to);
}

int wg_batch_into(wg_batches *b, void *const column[])
{
    if (!b) return refuse_null("batch_into");
    if (!column) return fail(b, WG_EARG, "wg_batch_into: nowhere to put a batch");
    return deliver(b, wg__batch_size(b, b->batch), column);
}

int     wg_batch_peek(const wg_batches *b) { return b ? (int)wg__batch_size(b, b->batch) : 0; }
int64_t wg_batches_count(const wg_batches *b) { return b ? b->count : 0; }

void wg_batches_position(const wg_batches *b, uint64_t *epoch, int64_t *batch)
{
    if (epoch) *epoch = b ? b->epoch : 0;
    if (batch) *batch = b ? b->batch : 0;
}

int wg_batches_seek(wg_batches *b, uint64_t epoch, int64_t batch)
{
    if (!b) return refuse_null("batches_seek");
    if (batch < 0 || batch > b->count)
        return fail(b, WG_EINDEX, "wg_batches_seek: batch %lld is outside 0..%lld", (long long)batch,
                    (long long)b->count);
    b->epoch = epoch;
    b->batch = batch;
    if (b->ring) wg__ring_restart(b);
    return WG_OK;
}

const char *wg_batches_message(const wg_batches *b) { return b ? b->message : "no batches"; }
