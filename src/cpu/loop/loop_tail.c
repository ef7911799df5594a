/* A loop that ends in a reduction.
 *
 * The order of every sum is a law of the shape [outer, reduced, inner] alone:
 * whether steps come first, and how many threads there are, changes no bit.
 *   inner = 1: chunks of WG__BLOCK elements, each reduced by the row kernel.
 *   inner > 1: chunks of CHUNK_ROWS rows, or as many as a block takes if that is more, by the column kernel.
 * Chunks are put together in order into groups, at most GROUPS of them, and
 * the groups in order into the result; for f32 sums both in double. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "cpu/workspace.h"

enum { CHUNK_ROWS = 64, GROUPS_ROW = 64, GROUPS_COLS = WG__PARTS, MIN_TASKS = 16 };

typedef void reduce_cols(int64_t rows, int64_t n, int64_t stride, const void *x, void *y);
typedef void reduce_rows(int64_t rows, int64_t n, const void *x, void *y);

struct tail {
    const struct wg__loop *l;
    reduce_rows           *rows;
    reduce_cols           *cols;
    size_t                 size, part_size; /* of an element; of an element of a partial result */
    int64_t                width;           /* columns of a strip */
    int64_t                strips;          /* of one outer */
    int64_t                chunk, chunks;   /* reduced elements of a chunk; chunks of one strip */
    int64_t                per_group, groups;
    int64_t                tasks, jobs; /* strips in all, and the jobs that they are dealt out in */
    int64_t                task;        /* the strip whose groups are dealt out */
    char                  *part;        /* their results: WG__BLOCK * 8 bytes each, or 8 */
};

/* ---- Partial results: double for f32 sums, else the dtype's own ---- */

static bool is_wide(const struct tail *t) { return t->part_size != t->size; }

static void set_part(const struct tail *t, int64_t n, void *part, const void *x)
{
    double      *p = part;
    const float *v = x;
    if (!is_wide(t)) memcpy(part, x, (size_t)n * t->size);
    else
        for (int64_t j = 0; j < n; j++) p[j] = (double)v[j];
}

static void add_part(const struct tail *t, int64_t n, void *part, const void *x)
{
    double      *p = part;
    const float *v = x;
    if (!is_wide(t)) t->cols(1, n, n, x, part);
    else
        for (int64_t j = 0; j < n; j++) p[j] += (double)v[j];
}

static void merge_part(const struct tail *t, int64_t n, void *part, const void *more)
{
    double       *p = part;
    const double *v = more;
    if (!is_wide(t)) t->cols(1, n, n, more, part);
    else
        for (int64_t j = 0; j < n; j++) p[j] += v[j];
}

/* Makes zero of what counts as zero: a single element, or the largest of some, has been copied so far. */
static void flush(wg_dtype dtype, int64_t n, void *y)
{
    float  *f = y;
    double *d = y;
    for (int64_t j = 0; dtype == WG_F32 && j < n; j++) f[j] = f[j] == 0 ? f[j] + f[j] : f[j];
    for (int64_t j = 0; dtype == WG_F64 && j < n; j++) d[j] = d[j] == 0 ? d[j] + d[j] : d[j];
}

static void store_part(const struct tail *t, int64_t n, const void *part, void *y)
{
    const double *p = part;
    float        *v = y;
    if (is_wide(t))
        for (int64_t j = 0; j < n; j++) v[j] = (float)p[j];
    else {
        memcpy(y, part, (size_t)n * t->size);
        flush(t->l->tail_dtype, n, y);
    }
}

/* ---- Chunks, groups, strips ---- */

/* Strip `task` is columns [col, col + n) of outer index o. */
struct strip {
    int64_t o, col, n;
};

static struct strip find_strip(const struct tail *t, int64_t task)
{
    struct strip s = {task / t->strips, task % t->strips * t->width, 0};
    s.n = wg__least(t->width, t->l->inner - s.col);
    return s;
}

/* Reduces rows [r0, r1) of a strip into y, from the first row on, in the precision of the dtype. */
static void run_chunk_cols(const struct tail *t, struct wg__frame *f, struct strip s, int64_t r0, int64_t r1, void *y)
{
    const struct wg__loop *l = t->l;
    int64_t                first = (s.o * l->reduced + r0) * l->inner + s.col, n;
    /* Whole rows lie side by side. */
    int64_t at_once = l->rowwise || s.n < l->inner ? 1 : WG__BLOCK / s.n;
    bool    stored = !l->steps && l->in[l->tail_slot].form == WG__FORM_DENSE;
    if (stored) at_once = r1 - r0;
    for (int64_t r = r0; r < r1; r += n, first += n * l->inner) {
        n = wg__least(at_once, r1 - r);
        int64_t stride = stored ? l->inner : s.n;
        if (stored) f->ptr[l->tail_slot] = (char *)l->in[l->tail_slot].data + (size_t)first * t->size;
        else wg__frame_run(f, first, n * s.n);
        const char *x = f->ptr[l->tail_slot];
        if (r > r0) {
            t->cols(n, s.n, stride, x, y);
            continue;
        }
        memcpy(y, x, (size_t)s.n * t->size);
        if (n > 1) t->cols(n - 1, s.n, stride, x + (size_t)stride * t->size, y);
    }
}

static void run_chunk_row(const struct tail *t, struct wg__frame *f, int64_t o, int64_t r0, int64_t r1, void *y)
{
    wg__frame_run(f, o * t->l->reduced + r0, r1 - r0);
    t->rows(1, r1 - r0, f->ptr[t->l->tail_slot], y);
}

static void run_group(const struct tail *t, struct wg__frame *f, struct strip s, int64_t group, void *part)
{
    _Alignas(64) char y[WG__BLOCK * 8];
    int64_t           first = group * t->per_group, end = wg__least(first + t->per_group, t->chunks);
    for (int64_t c = first; c < end; c++) {
        int64_t r0 = c * t->chunk, r1 = wg__least(r0 + t->chunk, t->l->reduced);
        if (t->l->inner == 1) run_chunk_row(t, f, s.o, r0, r1, y);
        else run_chunk_cols(t, f, s, r0, r1, y);
        (c == first ? set_part : add_part)(t, s.n, part, y);
    }
}

static void store_strip(const struct tail *t, struct strip s, const void *part)
{
    store_part(t, s.n, part, (char *)t->l->tail_out + (size_t)(s.o * t->l->inner + s.col) * t->size);
}

static void run_strip(const struct tail *t, struct wg__frame *f, int64_t task)
{
    _Alignas(64) char sum[WG__BLOCK * 8], part[WG__BLOCK * 8];
    struct strip      s = find_strip(t, task);
    for (int64_t g = 0; g < t->groups; g++) {
        run_group(t, f, s, g, g ? part : sum);
        if (g) merge_part(t, s.n, sum, part);
    }
    store_strip(t, s, sum);
}

/* Reduces outer rows [begin, end) of one chunk each, as many at once as a block takes. */
static void run_rows(const struct tail *t, struct wg__frame *f, int64_t begin, int64_t end)
{
    const struct wg__loop *l = t->l;
    int64_t                at_once = l->rowwise ? 1 : WG__BLOCK / l->reduced, n;
    for (int64_t o = begin; o < end; o += n) {
        n = wg__least(at_once, end - o);
        wg__frame_run(f, o * l->reduced, n * l->reduced);
        t->rows(n, l->reduced, f->ptr[l->tail_slot], (char *)l->tail_out + (size_t)o * t->size);
    }
}

/* ---- Dealing out ---- */

static void run_strips(void *context, int64_t i)
{
    const struct tail *t = context;
    struct wg__frame  *f = &wg__workspace()->frame;
    int64_t            each = t->tasks / t->jobs, more = t->tasks % t->jobs;
    int64_t            begin = i * each + wg__least(i, more), end = begin + each + (i < more);
    wg__frame_open(f, t->l);
    if (t->l->inner == 1 && t->chunks == 1) run_rows(t, f, begin, end);
    else
        for (int64_t task = begin; task < end; task++) run_strip(t, f, task);
}

static size_t find_part_stride(const struct tail *t) { return t->l->inner == 1 ? 8 : WG__BLOCK * 8; }

static void run_group_job(void *context, int64_t group)
{
    const struct tail *t = context;
    struct wg__frame  *f = &wg__workspace()->frame;
    wg__frame_open(f, t->l);
    run_group(t, f, find_strip(t, t->task), group, t->part + (size_t)group * find_part_stride(t));
}

/* Runs few strips of much work each: the threads share the groups of one strip after another. */
static void run_strips_by_groups(struct tail *t, int threads)
{
    char *part = t->part = wg__workspace()->part;
    for (t->task = 0; t->task < t->tasks; t->task++) {
        struct strip s = find_strip(t, t->task);
        wg__pool_run(threads, t->groups, run_group_job, t);
        for (int64_t g = 1; g < t->groups; g++) merge_part(t, s.n, part, part + (size_t)g * find_part_stride(t));
        store_strip(t, s, part);
    }
    t->part = NULL;
}

static void plan(struct tail *t, const struct wg__loop *l)
{
    const struct wg__kernels *k = wg__kernels();
    int64_t                   most = l->inner == 1 ? GROUPS_ROW : GROUPS_COLS;
    t->l = l;
    t->rows = k->reduce_rows[l->tail][l->tail_dtype];
    t->cols = k->reduce_cols[l->tail][l->tail_dtype];
    t->size = wg_dtype_size(l->tail_dtype);
    t->part_size = l->tail == WG__SUM && l->tail_dtype == WG_F32 ? sizeof(double) : t->size;
    t->width = wg__least(l->inner, WG__BLOCK);
    t->strips = (l->inner - 1) / t->width + 1;
    t->chunk = l->inner == 1 ? WG__BLOCK : l->inner < WG__BLOCK / CHUNK_ROWS ? WG__BLOCK / l->inner : CHUNK_ROWS;
    t->chunks = (l->reduced - 1) / t->chunk + 1;
    t->per_group = (t->chunks - 1) / most + 1;
    t->groups = (t->chunks - 1) / t->per_group + 1;
    t->tasks = l->outer * t->strips;
}

/* Fills the result with the reduction of no elements. */
static void fill_identity(const struct wg__loop *l)
{
    static const float       f32[] = {0, 1, -INFINITY, INFINITY};
    static const double      f64[] = {0, 1, -INFINITY, INFINITY};
    static const int32_t     i32[] = {0, 1, INT32_MIN, INT32_MAX};
    static const int64_t     i64[] = {0, 1, INT64_MIN, INT64_MAX};
    static const uint8_t     u8[] = {0, 1, 0, UINT8_MAX}, truth[] = {0, 1, 0, 1};
    static const void *const of[] = {f32, f64, i32, i64, u8, truth};
    size_t                   size = wg_dtype_size(l->tail_dtype);
    const char              *value = (const char *)of[l->tail_dtype] + (size_t)l->tail * size;
    for (int64_t i = 0; i < l->outer * l->inner; i++) memcpy((char *)l->tail_out + (size_t)i * size, value, size);
}

void wg__loop_tail(const struct wg__loop *l, int threads)
{
    struct tail t = {0};
    if (!l->count) {
        fill_identity(l);
        return;
    }
    plan(&t, l);
    t.jobs = wg__loop_jobs(l);
    if (t.jobs > 1 && t.tasks < MIN_TASKS && t.groups > 1) {
        run_strips_by_groups(&t, threads);
        return;
    }
    t.jobs = wg__least(t.jobs, t.tasks);
    wg__pool_run(t.jobs > 1 ? threads : 1, t.jobs, run_strips, &t);
}
