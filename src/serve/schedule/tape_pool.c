/* Tapes of a version by the sizes of its symbols.
 *
 * A tape is private memory and instructions; weights stay in the graph, which
 * all tapes read.  wg_compile and wg_tape_free change the graph's list of
 * tapes (and its error), so they come one at a time; a run reads neither. */
#include <stdlib.h>
#include <string.h>

#include "serve/model/model_impl.h"

/* Bytes that idle tapes may take, of one version. */
#define IDLE_BYTES (INT64_C(1) << 30)
/* A run of more floating-point operations than this (some milliseconds) is worth more than one thread. */
#define LARGE_FLOPS 2e8

bool wg__pool_init(struct wg__pool *p, int keep, struct wg__budget *budget)
{
    p->keep = keep;
    p->budget = budget;
    if (pthread_mutex_init(&p->lock, NULL)) return false;
    if (!pthread_mutex_init(&p->compile, NULL)) return true;
    pthread_mutex_destroy(&p->lock);
    return false;
}

static void free_list(struct wg__pool *pool, struct wg__pooled *p)
{
    for (struct wg__pooled *next; p; p = next) {
        next = p->next;
        wg_tape_free(p->tape);
        wg__budget_give(pool->budget, (size_t)p->bytes);
        free(p);
    }
}

void wg__pool_clear(struct wg__pool *p)
{
    free_list(p, p->idle);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->compile);
}

/* Finds the pointer of the list to an idle tape of these sizes, or the pointer at the list's end. */
static struct wg__pooled **find_idle(struct wg__loaded *v, const int64_t size[])
{
    struct wg__pooled **at = &v->pool.idle;
    while (*at && memcmp((*at)->size, size, (size_t)v->n_symbol * sizeof *size) != 0) at = &(*at)->next;
    return at;
}

bool wg__pool_has(struct wg__loaded *v, const int64_t size[])
{
    pthread_mutex_lock(&v->pool.lock);
    bool has = *find_idle(v, size) != NULL;
    pthread_mutex_unlock(&v->pool.lock);
    return has;
}

static struct wg__pooled *take_idle(struct wg__loaded *v, const int64_t size[])
{
    pthread_mutex_lock(&v->pool.lock);
    struct wg__pooled **at = find_idle(v, size), *p = *at;
    if (p) {
        *at = p->next;
        v->pool.n--;
        v->pool.bytes -= p->bytes;
    }
    pthread_mutex_unlock(&v->pool.lock);
    return p;
}

/* Compiles a tape of one thread, as several requests run side by side; a large tape takes all threads that there
 * are. */
static wg_tape *compile_tape(struct wg__loaded *v, const int64_t size[], wg_error *e)
{
    wg_binding bind[WG__MAX_SYMBOLS];
    wg_options o = {
        .evaluate = 1, .threads = 1, .max_bytes = v->options.max_bytes, .n_more = v->n_symbol, .more = bind};
    for (int i = 0; i < v->n_symbol; i++) bind[i] = (wg_binding){v->symbol[i], size[i]};
    pthread_mutex_lock(&v->pool.compile);
    wg_tape *t = wg_compile(v->graph, v->pub.n_out, v->root, &o);
    if (t && v->options.threads > 1 && wg_stats(t).flops > LARGE_FLOPS) {
        wg_tape_free(t);
        o.threads = v->options.threads;
        t = wg_compile(v->graph, v->pub.n_out, v->root, &o);
    }
    if (!t) wg__model_say(e, wg_status(v->graph), "%s", wg_message(v->graph));
    wg_clear_error(v->graph);
    pthread_mutex_unlock(&v->pool.compile);
    return t;
}

/* Counts the bytes of a tape's inputs and of what is computed from them. */
static int64_t bytes_of(const struct wg__loaded *v, wg_tape *t)
{
    int64_t bytes = wg_stats(t).peak_bytes;
    for (int i = 0; i < v->pub.n_in; i++) {
        const wg_shape *s = wg_tape_shape(t, v->in[i].node); /* NULL: nothing reads it */
        if (s) bytes += wg_count(s) * (int64_t)wg_dtype_size(v->pub.in[i].dtype);
    }
    return bytes;
}

static void free_tapes(struct wg__loaded *v, struct wg__pooled *list)
{
    if (!list) return;
    pthread_mutex_lock(&v->pool.compile);
    free_list(&v->pool, list);
    pthread_mutex_unlock(&v->pool.compile);
}

struct wg__pooled *wg__pool_take(struct wg__loaded *v, const int64_t size[], wg_error *e)
{
    struct wg__pooled *p = take_idle(v, size);
    if (p) return p;
    if (!(p = calloc(1, sizeof *p))) return wg__model_say(e, WG_ENOMEM, "out of memory"), NULL;
    memcpy(p->size, size, (size_t)v->n_symbol * sizeof *size);
    if (!(p->tape = compile_tape(v, size, e))) {
        free(p);
        return NULL;
    }
    p->bytes = bytes_of(v, p->tape);
    if (wg__budget_take(v->pool.budget, (size_t)p->bytes)) return p;
    p->bytes = 0;
    free_tapes(v, p);
    return wg__model_say(e, WG_ENOMEM, "the server's memory is taken by other requests"), NULL;
}

/* Cuts the list at the first tape that is one too many; returns the rest. */
static struct wg__pooled *cut_list(struct wg__pool *pool, int64_t most)
{
    struct wg__pooled **at = &pool->idle, *old;
    int64_t             bytes = 0;
    int                 n = 0;
    for (; *at && n < pool->keep && bytes + (*at)->bytes <= most; at = &(*at)->next, n++) bytes += (*at)->bytes;
    old = *at;
    *at = NULL;
    pool->n = n;
    pool->bytes = bytes;
    return old;
}

void wg__pool_give(struct wg__loaded *v, struct wg__pooled *p)
{
    struct wg__pooled *old = NULL;
    pthread_mutex_lock(&v->pool.lock);
    p->next = v->pool.idle;
    v->pool.idle = p;
    v->pool.bytes += p->bytes;
    if (++v->pool.n > v->pool.keep || v->pool.bytes > IDLE_BYTES) old = cut_list(&v->pool, IDLE_BYTES);
    pthread_mutex_unlock(&v->pool.lock);
    free_tapes(v, old);
}

void wg__pool_shrink(struct wg__loaded *v, int64_t bytes)
{
    pthread_mutex_lock(&v->pool.lock);
    struct wg__pooled *old = v->pool.bytes > bytes ? cut_list(&v->pool, bytes) : NULL;
    pthread_mutex_unlock(&v->pool.lock);
    free_tapes(v, old);
}
