/* Predictions: the shapes of a request, and jobs computed together.
 *
 * Jobs that run as one are a list of rows: those of the first, then those of
 * the second, and so on.  A window of at most max_batch rows slides over them;
 * each of its places is one run of a tape.  A job of a version that is not
 * batched is one row as wide as all of its data. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/model/model_impl.h"

int wg__job_fail(struct wg__job *job, int status, const char *format, ...)
{
    va_list ap;
    wg__job_free(job);
    job->status = status;
    va_start(ap, format);
    vsnprintf(job->why, sizeof job->why, format, ap);
    va_end(ap);
    return status;
}

void wg__job_free(struct wg__job *job)
{
    if (job->memory) wg__budget_give(wg__loaded_of(job->version)->options.budget, job->n_memory);
    free(job->memory);
    job->memory = NULL;
    job->out = NULL;
}

/* ---- Shapes ---- */

/* Writes a shape: with the names of symbols, "[batch,784]", or with sizes alone where symbol is NULL. */
static const char *shape_text(const struct wg__loaded *v, const wg_shape *s, const int8_t *symbol, char *to, size_t n)
{
    size_t k = 1;
    snprintf(to, n, "[");
    for (int i = 0; i < s->rank && i < WG_MAX_RANK && k < n; i++) {
        const char *comma = i ? "," : "";
        int         wanted = symbol && symbol[i] >= 0 ? snprintf(to + k, n - k, "%s%.40s", comma, v->symbol[symbol[i]])
                                                      : snprintf(to + k, n - k, "%s%lld", comma, (long long)s->dim[i]);
        k += wanted > 0 ? (size_t)wanted : 0;
    }
    if (k < n) snprintf(to + k, n - k, "]");
    return to;
}

static int refuse_shape(struct wg__job *job, int i)
{
    const struct wg__loaded *v = wg__loaded_of(job->version);
    char                     given[90], wanted[90];
    return wg__job_fail(job, WG_ESHAPE, "input \"%.40s\" is %s, but the model takes %s", v->pub.in[i].name,
                        shape_text(v, &job->in[i].shape, NULL, given, sizeof given),
                        shape_text(v, &v->pub.in[i].shape, v->in[i].symbol, wanted, sizeof wanted));
}

/* Checks an axis of input i against its fixed size, or against its symbol's size, which the symbol's first axis
 * sets. */
static int bind_axis(struct wg__job *job, int i, int axis, int64_t size[])
{
    const struct wg__loaded *v = wg__loaded_of(job->version);
    int64_t                  d = job->in[i].shape.dim[axis];
    int                      symbol = v->in[i].symbol[axis];
    if (symbol < 0) return d == v->pub.in[i].shape.dim[axis] ? WG_OK : refuse_shape(job, i);
    if (d < 0 || (d == 0 && !(symbol == 0 && v->batch_axis)))
        return wg__job_fail(job, WG_ESHAPE, "input \"%.80s\": axis %d is %lld", v->pub.in[i].name, axis, (long long)d);
    if (size[symbol] >= 0 && size[symbol] != d)
        return wg__job_fail(job, WG_ESHAPE, "input \"%.80s\": axis %d is %lld, but \"%.40s\" is %lld already",
                            v->pub.in[i].name, axis, (long long)d, v->symbol[symbol], (long long)size[symbol]);
    size[symbol] = d;
    return WG_OK;
}

int wg__job_bind(struct wg__job *job, int64_t size[WG__MAX_SYMBOLS])
{
    const struct wg__loaded *v = wg__loaded_of(job->version);
    for (int s = 0; s < WG__MAX_SYMBOLS; s++) size[s] = s < v->n_symbol ? -1 : 0;
    for (int i = 0; i < v->pub.n_in; i++) {
        if (job->in[i].shape.rank != v->pub.in[i].shape.rank) return refuse_shape(job, i);
        for (int axis = 0; axis < job->in[i].shape.rank; axis++)
            if (bind_axis(job, i, axis, size)) return job->status;
    }
    job->rows = v->batch_axis ? size[0] : 1;
    if (job->rows > v->options.max_rows)
        return wg__job_fail(job, WG_ESHAPE, "%lld rows, and one request may have %lld", (long long)job->rows,
                            (long long)v->options.max_rows);
    return WG_OK;
}

bool wg__job_alike(const struct wg__job *a, const struct wg__job *b)
{
    if (!a->rows || !b->rows) return false;
    for (int i = 0; i < a->version->n_in; i++) {
        const wg_shape *s = &a->in[i].shape, *t = &b->in[i].shape;
        if (memcmp(s->dim + 1, t->dim + 1, (size_t)(s->rank - 1) * sizeof *s->dim) != 0) return false;
    }
    return true;
}

/* ---- A window: rows at .. at+n of a list of jobs, on a tape with room for so many ---- */

struct window {
    struct wg__loaded *v;
    struct wg__job    *jobs;
    wg_tape           *tape;
    int64_t            at, n, room;
};

/* Rounds up to 1, 2, 3, 4, 6, 8, 12, 16, ..: few tapes, and less than a third of the room unused. */
int64_t wg__batch_room(const struct wg__loaded *v, int64_t rows)
{
    int64_t room = 1;
    while (room < rows) room += room & (room - 1) ? room / 3 : (room + 1) / 2;
    return room < v->options.max_batch ? room : v->options.max_batch;
}

static int64_t rows_of(const struct wg__loaded *v, const struct wg__job *job) { return v->pub.batched ? job->rows : 1; }

static size_t bytes_of(const wg_shape *s, wg_dtype t) { return (size_t)wg_count(s) * wg_dtype_size(t); }

/* A job's rows inside of a window: `first` of the job is `place` of the window. */
struct overlap {
    int64_t first, place, n;
};
static struct overlap overlap(const struct window *w, const struct wg__job *job, int64_t before)
{
    int64_t lo = w->at > before ? w->at : before, end = before + rows_of(w->v, job), stop = w->at + w->n;
    int64_t hi = stop < end ? stop : end;
    return (struct overlap){lo - before, lo - w->at, hi > lo ? hi - lo : 0};
}

/* Copies the window's rows to the tape's inputs.  Unused room repeats the first row: data of this batch alone. */
static void fill_inputs(const struct window *w)
{
    for (int i = 0; i < w->v->pub.n_in; i++) {
        char *to = wg_input_buffer(w->tape, w->v->in[i].node); /* NULL: nothing reads it */
        if (!to) continue;
        size_t  row = bytes_of(wg_tape_shape(w->tape, w->v->in[i].node), w->v->pub.in[i].dtype) / (size_t)w->room;
        int64_t before = 0;
        if (!row) continue;
        for (const struct wg__job *job = w->jobs; job; before += rows_of(w->v, job), job = job->next) {
            struct overlap o = overlap(w, job, before);
            if (o.n)
                memcpy(to + (size_t)o.place * row, (const char *)job->in[i].data + (size_t)o.first * row,
                       (size_t)o.n * row);
        }
        for (int64_t k = w->n; k < w->room; k++) memcpy(to + (size_t)k * row, to, row);
    }
}

/* ---- Results ---- */

static size_t aligned(size_t n) { return (n + 63) / 64 * 64; }

/* Allocates the results of a job, in one piece; their shapes are known from the tape. */
static void alloc_results(const struct window *w, struct wg__job *job)
{
    int64_t            rows = w->v->batch_axis && !job->rows ? 0 : rows_of(w->v, job);
    int                n_out = w->v->pub.n_out;
    struct wg__result *out = NULL;
    size_t             bytes = aligned((size_t)n_out * sizeof *out), total = bytes;
    for (int i = 0; i < n_out; i++) {
        const wg_shape *s = wg_tape_shape(w->tape, w->v->out[i].node);
        size_t          row = bytes_of(s, w->v->pub.out[i].dtype) / (size_t)w->room;
        if (__builtin_mul_overflow(row, (size_t)rows, &row) || __builtin_add_overflow(total, aligned(row), &total))
            total = SIZE_MAX;
    }
    if (total > (size_t)w->v->options.max_bytes) {
        wg__job_fail(job, WG_EARG, "the results of %lld rows take more than %lld bytes", (long long)job->rows,
                     (long long)w->v->options.max_bytes);
        return;
    }
    bool taken = wg__budget_take(w->v->options.budget, total);
    job->memory = taken ? aligned_alloc(64, total) : NULL;
    if (!job->memory) {
        if (taken) wg__budget_give(w->v->options.budget, total);
        wg__job_fail(job, WG_ENOMEM, "the server's memory is taken by other requests");
        return;
    }
    job->n_memory = total;
    out = job->memory;
    for (int i = 0; i < n_out; i++) {
        out[i] = (struct wg__result){*wg_tape_shape(w->tape, w->v->out[i].node), (char *)job->memory + bytes};
        if (w->v->pub.batched || !rows) out[i].shape.dim[0] = job->rows;
        bytes += aligned(bytes_of(&out[i].shape, w->v->pub.out[i].dtype));
    }
    job->out = out;
}

static void collect_results(const struct window *w)
{
    int64_t before = 0;
    for (struct wg__job *job = w->jobs; job; before += rows_of(w->v, job), job = job->next) {
        struct overlap o = overlap(w, job, before);
        if (o.n && !job->status && !job->memory) alloc_results(w, job);
        for (int i = 0; i < w->v->pub.n_out && o.n && !job->status; i++) {
            const char *from = wg_view(w->tape, w->v->out[i].node);
            size_t      all = bytes_of(&job->out[i].shape, w->v->pub.out[i].dtype);
            size_t      row = all / (size_t)rows_of(w->v, job);
            char       *to = job->out[i].data;
            if (row) memcpy(to + (size_t)o.first * row, from + (size_t)o.place * row, (size_t)o.n * row);
        }
    }
}

/* ---- Running ---- */

static int run_window(struct window *w, const int64_t size[], uint64_t *ns, wg_error *e)
{
    struct wg__pooled *p = wg__pool_take(w->v, size, e);
    if (!p) return e->status;
    uint64_t start = wg__now_ns();
    w->tape = p->tape;
    fill_inputs(w);
    int status = wg_run(p->tape);
    if (status) wg__model_say(e, status, "%s", wg_tape_message(p->tape));
    else collect_results(w);
    wg__pool_give(w->v, p);
    *ns += wg__now_ns() - start;
    atomic_fetch_add_explicit(&w->v->batches, 1, memory_order_relaxed);
    return status;
}

/* Makes the results of a request without rows, which have no rows either; their shapes are those of a tape of one
 * row. */
static int run_no_rows(struct wg__loaded *v, struct wg__job *job, wg_error *e)
{
    int64_t size[WG__MAX_SYMBOLS];
    int     status = wg__job_bind(job, size);
    if (status) return status;
    size[0] = 1;
    struct wg__pooled *p = wg__pool_take(v, size, e);
    if (!p) return e->status;
    alloc_results(&(struct window){.v = v, .jobs = job, .tape = p->tape, .room = 1}, job);
    wg__pool_give(v, p);
    return job->status;
}

static bool all_failed(const struct wg__job *job)
{
    while (job && job->status) job = job->next;
    return !job;
}

static int run_windows(struct wg__loaded *v, struct wg__job *jobs, int64_t rows, uint64_t *ns, wg_error *e)
{
    int64_t size[WG__MAX_SYMBOLS];
    int     status = wg__job_bind(jobs, size);
    for (int64_t at = 0; at < rows && !status; at += v->options.max_batch) {
        int64_t       left = rows - at, n = left < v->options.max_batch ? left : v->options.max_batch;
        struct window w = {.v = v, .jobs = jobs, .at = at, .n = n, .room = 1};
        if (v->pub.batched) size[0] = w.room = wg__batch_room(v, n);
        status = run_window(&w, size, ns, e);
        if (all_failed(jobs)) break;
    }
    return status;
}

static void count_run(struct wg__loaded *v, const struct wg__job *job, uint64_t ns, int64_t rows)
{
    atomic_fetch_add_explicit(&v->run_ns, ns, memory_order_relaxed);
    if (rows) atomic_store_explicit(&v->row_ns, ns / (uint64_t)rows, memory_order_relaxed);
    for (; job; job = job->next)
        if (!job->status) atomic_fetch_add_explicit(&v->rows, (uint64_t)job->rows, memory_order_relaxed);
}

static void run_each_alone(struct wg__loaded *v, struct wg__job *jobs)
{
    for (struct wg__job *job = jobs, *next; job; job = next) {
        next = job->next;
        job->next = NULL;
        wg__jobs_compute(v, job);
        job->next = next;
    }
}

void wg__jobs_compute(struct wg__loaded *v, struct wg__job *jobs)
{
    int64_t  rows = 0;
    uint64_t ns = 0;
    wg_error e = {0};
    for (struct wg__job *job = jobs; job; job = job->next) {
        wg__job_free(job);
        job->status = WG_OK;
        rows += rows_of(v, job);
    }
    bool none = v->batch_axis && !jobs->rows;
    int  status = none ? run_no_rows(v, jobs, &e) : run_windows(v, jobs, rows, &ns, &e);
    if (status && jobs->next) { /* who did it fails alone */
        run_each_alone(v, jobs);
        return;
    }
    if (status && !jobs->status) wg__job_fail(jobs, status, "%s", e.message);
    for (struct wg__job *job = jobs; job; job = job->next) {
        job->batch = (int)(v->pub.batched ? rows : job->rows);
        job->run_ns = ns;
    }
    count_run(v, jobs, ns, v->pub.batched ? rows : jobs->rows);
}
