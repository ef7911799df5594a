/* Warming up: the tapes that most requests run on are made before the first
 * request, and rows are tried alone and together.
 *
 * Requests may share a run only if no row sees another.  That is proved from
 * the graph, operator by operator (wg_rows_apart), or said by the option
 * `batching`; in doubt each request is computed by itself.  A trial confirms
 * it: rows of random values are computed alone, in a full batch, and in a small
 * one in another order, and a difference is a reason to run none together.  It
 * proves nothing: values that it does not draw may behave otherwise. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/graph_op.h>

#include "serve/model/model_impl.h"

enum { PICKED = 4, SHUFFLED = 3, TIMED = 5 };

struct trial {
    struct wg__loaded *v;
    int64_t            size[WG__MAX_SYMBOLS];
    int64_t            rows;
    struct wg__given  *in;  /* [n_in] all rows */
    struct wg__given  *one; /* [PICKED][n_in] one row each */
    char              *data;
    bool              *read; /* [n_in] whether a tape takes it */
    struct wg__job     full, alone[PICKED], again[SHUFFLED];
    int                status; /* WG_ENOMEM, or 0 */
};

/* ---- Values ---- */

/* Draws 32 random bits (Marsaglia, "Xorshift RNGs", 2003). */
static uint32_t draw(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    return *x ^= *x << 5;
}

/* Draws n elements: reals in [-1, 1); whole numbers that are 0 or 1, as they may be indices. */
static void randomise(wg_dtype t, int64_t n, void *data, uint32_t *state)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t r = draw(state);
        double   real = (double)r * 0x1p-31 - 1;
        switch (t) {
        case WG_F32: ((float *)data)[i] = (float)real; break;
        case WG_F64: ((double *)data)[i] = real; break;
        case WG_I32: ((int32_t *)data)[i] = r >> 31; break;
        case WG_I64: ((int64_t *)data)[i] = r >> 31; break;
        default: ((uint8_t *)data)[i] = (uint8_t)(r >> 31); break;
        }
    }
}

static bool close_real(double x, double y)
{
    return x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= 1e-5 + 1e-4 * fabs(y);
}

static bool elements_agree(wg_dtype t, int64_t n, const void *x, const void *y)
{
    bool same = true;
    if (t == WG_F32)
        for (int64_t i = 0; i < n; i++) same = same && close_real(((const float *)x)[i], ((const float *)y)[i]);
    else if (t == WG_F64)
        for (int64_t i = 0; i < n; i++) same = same && close_real(((const double *)x)[i], ((const double *)y)[i]);
    else same = memcmp(x, y, (size_t)n * wg_dtype_size(t)) == 0;
    return same;
}

/* ---- Rows ---- */

static void free_trial(struct trial *t)
{
    wg__job_free(&t->full);
    for (int k = 0; k < PICKED; k++) wg__job_free(&t->alone[k]);
    for (int k = 0; k < SHUFFLED; k++) wg__job_free(&t->again[k]);
    free(t->in);
    free(t->data);
    free(t->read);
}

static wg_shape bind_shape(const struct trial *t, int i)
{
    wg_shape s = t->v->pub.in[i].shape;
    for (int axis = 0; axis < s.rank; axis++)
        if (s.dim[axis] < 0) s.dim[axis] = t->size[t->v->in[i].symbol[axis]];
    return s;
}

/* Computes the bytes of input i, rounded up to 64: PTRDIFF_MAX where the size overflows, 0 where no tape reads the
 * input. */
static size_t bytes_of_input(const struct trial *t, int i)
{
    wg_shape s = bind_shape(t, i);
    size_t   n = t->read[i] ? wg_dtype_size(t->v->pub.in[i].dtype) : 0;
    for (int axis = 0; axis < s.rank; axis++)
        if (__builtin_mul_overflow(n, (size_t)s.dim[axis], &n)) return PTRDIFF_MAX;
    return n < PTRDIFF_MAX - 64 ? (n + 63) / 64 * 64 : PTRDIFF_MAX;
}

/* Draws random inputs of the sizes t->size; false: memory is short. */
static bool draw_inputs(struct trial *t)
{
    int      n_in = t->v->pub.n_in;
    size_t   total = 64;
    uint32_t state = 2463534242u;
    for (int i = 0; i < n_in; i++)
        if (__builtin_add_overflow(total, bytes_of_input(t, i), &total) || total > PTRDIFF_MAX) return false;
    t->in = calloc((size_t)(n_in + 1) * (PICKED + 1), sizeof *t->in);
    t->data = aligned_alloc(64, total);
    if (!t->in || !t->data) return false;
    char *at = t->data;
    for (int i = 0; i < n_in; at += bytes_of_input(t, i), i++) {
        t->in[i] = (struct wg__given){at, bind_shape(t, i)};
        if (t->read[i]) randomise(t->v->pub.in[i].dtype, wg_count(&t->in[i].shape), at, &state);
    }
    t->one = t->in + n_in;
    t->full = (struct wg__job){.version = &t->v->pub, .in = t->in, .rows = t->rows};
    return true;
}

/* Makes a job of row `row` of all inputs. */
static struct wg__job job_of(const struct trial *t, struct wg__given *in, int64_t row)
{
    for (int i = 0; i < t->v->pub.n_in; i++) {
        wg_shape s = t->in[i].shape;
        s.dim[0] = 1;
        size_t bytes = t->read[i] ? (size_t)wg_count(&s) * wg_dtype_size(t->v->pub.in[i].dtype) : 0;
        in[i] = (struct wg__given){(const char *)t->in[i].data + (size_t)row * bytes, s};
    }
    return (struct wg__job){.version = &t->v->pub, .in = in, .rows = 1};
}

/* Finds the first output that differs between row i of a and the only row of b; returns its name, or NULL. */
static const char *find_difference(const struct trial *t, const struct wg__job *a, int64_t i, const struct wg__job *b)
{
    for (int o = 0; o < t->v->pub.n_out; o++) {
        wg_shape x = a->out[o].shape, y = b->out[o].shape;
        wg_dtype type = t->v->pub.out[o].dtype;
        x.dim[0] = y.dim[0] = 1;
        if (x.rank != y.rank || memcmp(x.dim, y.dim, (size_t)x.rank * sizeof *x.dim) != 0) return t->v->pub.out[o].name;
        size_t      row = (size_t)wg_count(&x) * wg_dtype_size(type);
        const char *p = (const char *)a->out[o].data + (size_t)i * row;
        if (!elements_agree(type, wg_count(&x), p, b->out[o].data)) return t->v->pub.out[o].name;
    }
    return NULL;
}

/* ---- Verdicts ---- */

static bool refuse_batching(const struct trial *t, const char *why, const char *what)
{
    wg__model_log(&t->v->options, "warn", "model %s version %lld: requests are not batched: %s%s", t->v->pub.model,
                  (long long)t->v->pub.number, why, what);
    return false;
}

/* Computes the jobs; false if one fails.  Short memory says nothing about the model, so it becomes t->status. */
static bool compute(struct trial *t, struct wg__job *jobs)
{
    wg__jobs_compute(t->v, jobs);
    const struct wg__job *bad = jobs;
    while (bad && !bad->status) bad = bad->next;
    if (!bad) return true;
    if (bad->status != WG_ENOMEM) return refuse_batching(t, "", bad->why);
    t->status = WG_ENOMEM;
    return false;
}

static bool check_same_row(const struct trial *t, const struct wg__job *a, int64_t i, const struct wg__job *b)
{
    const char *name = find_difference(t, a, i, b);
    return name ? refuse_batching(t, "a row changes with the rows beside it in output ", name) : true;
}

/* Tells whether rows give the same results in a full batch, alone (four of them) and in another order (three). */
static bool rows_stay_apart(struct trial *t)
{
    const int64_t picked[PICKED] = {0, t->rows / 2, t->rows - 1, t->rows / 3};
    int           n_in = t->v->pub.n_in;
    if (!compute(t, &t->full)) return false;
    for (int k = 0; k < PICKED; k++) {
        t->alone[k] = job_of(t, t->one + k * n_in, picked[k]);
        if (!compute(t, &t->alone[k]) || !check_same_row(t, &t->full, picked[k], &t->alone[k])) return false;
    }
    for (int k = 0; k < SHUFFLED; k++) {
        t->again[k] = job_of(t, t->one + (SHUFFLED - k) * n_in, picked[SHUFFLED - k]);
        t->again[k].next = k + 1 < SHUFFLED ? &t->again[k + 1] : NULL;
    }
    bool apart = compute(t, t->again);
    for (int k = 0; k < SHUFFLED && apart; k++) apart = check_same_row(t, &t->again[k], 0, &t->alone[SHUFFLED - k]);
    return apart;
}

static uint64_t time_quickest(struct trial *t, struct wg__job *jobs)
{
    uint64_t best = UINT64_MAX;
    for (int k = 0; k < TIMED && compute(t, jobs); k++)
        if (jobs->run_ns < best) best = jobs->run_ns;
    return best;
}

/* Measures what a row saves in a full batch. */
static void measure_gain(struct trial *t)
{
    uint64_t alone = time_quickest(t, &t->alone[0]), together = time_quickest(t, &t->full) / (uint64_t)t->rows;
    t->v->pub.gain_ns = alone > together ? alone - together : 0;
}

/* ---- Sizes ---- */

/* Finds sizes that the model takes, for symbols that only a request knows. */
static int find_sizes(struct trial *t, wg_error *e)
{
    static const int64_t candidate[] = {4, 8, 16, 32, 64, 128, 224, 1, 2, 3};
    int                  first = t->v->batch_axis ? 1 : 0, status = WG_EBOUND;
    for (size_t c = 0; c < sizeof candidate / sizeof *candidate; c++) {
        for (int s = 0; s < t->v->n_symbol; s++) t->size[s] = s < first ? 1 : candidate[c];
        struct wg__pooled *p = wg__pool_take(t->v, t->size, e);
        for (int i = 0; i < t->v->pub.n_in && p; i++) t->read[i] = wg_tape_shape(p->tape, t->v->in[i].node) != NULL;
        if (p) {
            wg__pool_give(t->v, p);
            return WG_OK;
        }
        status = e->status;
        if (status == WG_ENOMEM || t->v->n_symbol == first) break;
    }
    return status;
}

/* Runs the model once.  The result does not matter: random values need not suit the model. */
static int run_once(struct trial *t, wg_error *e)
{
    t->rows = 1;
    if (!draw_inputs(t)) return wg__model_say(e, WG_ENOMEM, "out of memory");
    wg__jobs_compute(t->v, &t->full);
    return t->full.status == WG_ENOMEM ? wg__model_say(e, WG_ENOMEM, "%s", t->full.why) : WG_OK;
}

/* Finds what the option says of the model: 1 on, 0 off, -1 nothing. */
static int find_option(const struct wg__model_options *o, const char *model)
{
    size_t n = strlen(model);
    for (int i = o->n_batching - 1; i >= 0; i--)
        if (!strncmp(o->batching[i], model, n) && o->batching[i][n] == '=')
            return !strcmp(o->batching[i] + n + 1, "on");
    return -1;
}

static bool may_batch(struct trial *t)
{
    struct wg__loaded *v = t->v;
    wg_error           why = {0};
    int                said = find_option(&v->options, v->pub.model);
    if (said >= 0) return said || refuse_batching(t, "the option says so", "");
    int64_t rows = wg_node_shape(v->in[0].node)->dim[0];
    int     status = wg_rows_apart(v->pub.n_out, v->root, rows, &why);
    if (status == WG_ENOMEM) t->status = status;
    return !status || (status != WG_ENOMEM && refuse_batching(t, why.message, ""));
}

static int try_batches(struct trial *t, wg_error *e)
{
    if (!may_batch(t)) return t->status ? wg__model_say(e, t->status, "out of memory") : run_once(t, e);
    t->size[0] = t->rows = t->v->options.max_batch;
    if (!draw_inputs(t)) return wg__model_say(e, WG_ENOMEM, "out of memory");
    t->v->pub.batched = true;
    t->v->pub.batched = rows_stay_apart(t);
    if (t->v->pub.batched) measure_gain(t);
    return t->status ? wg__model_say(e, t->status, "out of memory") : WG_OK;
}

static int try_out(struct trial *t, wg_error *e)
{
    struct wg__loaded *v = t->v;
    t->read = calloc((size_t)v->pub.n_in + 1, sizeof *t->read);
    if (!t->read) return wg__model_say(e, WG_ENOMEM, "out of memory");
    int status = find_sizes(t, e);
    if (!status) return v->batch_axis && v->options.max_batch > 1 ? try_batches(t, e) : run_once(t, e);
    if (status == WG_ENOMEM || !v->n_symbol) return status;
    wg__model_log(&v->options, "warn", "model %s version %lld: not warmed up: %s", v->pub.model,
                  (long long)v->pub.number, e->message);
    return WG_OK; /* a request may know sizes that suit */
}

int wg__loaded_warm(struct wg__loaded *v, wg_error *e)
{
    struct trial t = {.v = v};
    int          status = try_out(&t, e);
    free_trial(&t);
    atomic_store(&v->rows, 0);
    atomic_store(&v->batches, 0);
    atomic_store(&v->run_ns, 0);
    return status;
}
