/* Running a loop: blocks, pieces, and the tiles of a producer. */
#include <string.h>

#include "cpu/workspace.h"

/* ---- Copies of what broadcasts ---- */

/* Copies n elements of data[f % p] from f = phase < p on: one period, then ever longer copies of what is in y. */
static void copy_tile(const struct wg__loop_operand *x, int64_t phase, int64_t n, char *y)
{
    const char *data = x->data;
    int64_t     have = wg__least(n, x->period - phase);
    memcpy(y, data + (size_t)phase * x->size, (size_t)have * x->size);
    if (have < n) {
        int64_t rest = wg__least(n - have, phase);
        memcpy(y + (size_t)have * x->size, data, (size_t)rest * x->size);
        have += rest;
    }
    while (have < n) {
        int64_t more = wg__least(n - have, have);
        memcpy(y + (size_t)have * x->size, y, (size_t)more * x->size);
        have += more;
    }
}

static void *find_tile(struct wg__frame *f, int i, int64_t start, int64_t n)
{
    const struct wg__loop_operand *x = &f->l->in[i];
    int64_t                        phase = start % x->period;
    if (phase + n <= x->period) return (char *)x->data + (size_t)phase * x->size;
    WG__INVARIANT(x->period > 0 && n <= WG__BLOCK);
    if (phase != f->phase[i] || n > f->have[i]) {
        copy_tile(x, phase, n, f->copy[i]);
        f->phase[i] = phase;
        f->have[i] = n;
    }
    return f->copy[i];
}

/* ---- Blocks ---- */

static void *element_at(const struct wg__loop_operand *x, int64_t i) { return (char *)x->data + i * (int64_t)x->size; }

/* Finds where row `row` of the last axis begins, in elements of x. */
static int64_t find_row(const struct wg__loop *l, const struct wg__loop_operand *x, int64_t row)
{
    int64_t offset = 0;
    for (int a = l->rank - 2; a > 0; a--) {
        offset += row % l->dim[a] * x->stride[a];
        row /= l->dim[a];
    }
    return offset + row * x->stride[0];
}

static void *locate_input(struct wg__frame *f, int i, int64_t start, int64_t n)
{
    const struct wg__loop         *l = f->l;
    const struct wg__loop_operand *x = &l->in[i];
    int64_t                        cols = l->dim[l->rank - 1];
    switch (x->form) {
    case WG__FORM_DENSE: return element_at(x, start);
    case WG__FORM_SCALAR: return x->data;
    case WG__FORM_ROW: return element_at(x, find_row(l, x, start / cols) + start % cols);
    case WG__FORM_ROW_ONCE: return element_at(x, find_row(l, x, start / cols));
    case WG__FORM_TILE: return find_tile(f, i, start, n);
    default: wg__loop_gather(l, x, start, n, f->copy[i]); return f->copy[i];
    }
}

static inline void run_step(const struct wg__step *s, int64_t n, void *const *ptr)
{
    const void *x[WG_BLOCK_MAX_ARITY] = {ptr[s->x[0]]};
    for (int k = 1; k < s->n; k++) x[k] = ptr[s->x[k]];
    s->block(n, ptr[s->y], x, s->once, s->attr);
}

static __attribute__((noinline)) void run_chained(const struct wg__loop *l, int64_t n, void *const *ptr)
{
    for (const struct wg__step *s = l->step, *end = s + l->steps; s < end;)
        if (s->chain) s += wg__chain_run(s, n, ptr);
        else run_step(s++, n, ptr);
}

static inline void run_steps(const struct wg__loop *l, int64_t n, void *const *ptr)
{
    if (l->chained) {
        run_chained(l, n, ptr);
        return;
    }
    for (const struct wg__step *s = l->step, *end = s + l->steps; s < end; s++) run_step(s, n, ptr);
}

/* Prefetches elements from..to-1 of the block after this one. */
static inline void prefetch(const struct wg__loop *l, int64_t n, void *const *ptr, int64_t from, int64_t to)
{
    for (int i = 0; i < l->inputs; i++) {
        if (l->in[i].form != WG__FORM_DENSE) continue;
        const char *next = (const char *)ptr[i] + (size_t)n * l->in[i].size;
        for (size_t b = (size_t)from * l->in[i].size; b < (size_t)to * l->in[i].size; b += 64)
            __builtin_prefetch(next + b, 0, 3);
    }
}

/* Runs the steps of a block, and before each step prefetches a share of the next block: the hardware's prefetch stops
 * at every page, and a block begins a new page in each input. */
static inline void run_steps_ahead(const struct wg__loop *l, int64_t n, void *const *ptr)
{
    for (int s = 0; s < l->steps; s++) {
        prefetch(l, n, ptr, n * s / l->steps, n * (s + 1) / l->steps);
        run_step(&l->step[s], n, ptr);
    }
}

void wg__frame_open(struct wg__frame *f, const struct wg__loop *l)
{
    f->l = l;
    for (int i = 0; i < l->inputs; i++) f->phase[i] = -1;
    for (int r = 0; r < l->registers; r++) f->ptr[l->inputs + r] = f->reg[r];
}

void wg__frame_run(struct wg__frame *f, int64_t start, int64_t n)
{
    enum { FAR = 1 << 17 }; /* elements: inputs that do not stay in the second-level cache */
    const struct wg__loop *l = f->l;
    WG__INVARIANT(n > 0 && n <= WG__BLOCK && start >= 0 && start + n <= l->count);
    void **out = f->ptr + l->inputs + l->registers;
    for (int i = 0; i < l->inputs; i++) f->ptr[i] = locate_input(f, i, start, n);
    for (int o = 0; o < l->outputs; o++) out[o] = (char *)l->out[o].data + start * (int64_t)l->out[o].size;
    if (l->count >= FAR && !l->chained) run_steps_ahead(l, n, f->ptr);
    else run_steps(l, n, f->ptr);
}

/* Runs one block without a frame, whose making is most of the cost of a loop over a few elements. reg has `bytes` bytes
 * for each register. */
static inline __attribute__((always_inline)) void run_block(const struct wg__loop *l, char *reg, size_t bytes)
{
    void *ptr[WG__LOOP_SLOTS], **p = ptr;
    for (int i = 0; i < l->inputs; i++) *p++ = l->in[i].data;
    for (int r = 0; r < l->registers; r++) *p++ = reg + (size_t)r * bytes;
    for (int o = 0; o < l->outputs; o++) *p++ = l->out[o].data;
    run_steps(l, l->count, ptr);
}

enum { FEW = 16 }; /* elements whose registers are small enough for any stack */

/* Runs a loop of FEW elements or less. It stands apart from wg__loop_run, so that nothing else pays for its room on the
 * stack. */
static __attribute__((noinline)) void run_few(const struct wg__loop *l)
{
    _Alignas(64) char reg[WG__LOOP_REGISTERS][FEW * 8];
    run_block(l, reg[0], sizeof *reg);
}

static __attribute__((noinline)) void run_one_block(const struct wg__loop *l)
{
    run_block(l, wg__workspace()->frame.reg[0], WG__BUFFER_BYTES);
}

/* ---- Pieces ---- */

enum { JOB_NS = 10000, MAX_JOBS = 256 };

int64_t wg__loop_jobs(const struct wg__loop *l)
{
    double jobs = (double)l->count * l->cost / JOB_NS;
    return jobs < 2 ? 1 : jobs > MAX_JOBS ? MAX_JOBS : (int64_t)jobs;
}

/* Counts the elements of a row, or of the whole domain if the loop is not rowwise. */
static int64_t row_length(const struct wg__loop *l) { return l->rowwise ? l->dim[l->rank - 1] : l->count; }

struct job {
    const struct wg__loop *l;
    int64_t                jobs, units, per_row; /* a unit is one block */
};

static void run_job(void *context, int64_t i)
{
    const struct job      *j = context;
    const struct wg__loop *l = j->l;
    struct wg__frame      *f = &wg__workspace()->frame;
    int64_t                length = row_length(l), each = j->units / j->jobs, more = j->units % j->jobs;
    int64_t                begin = i * each + wg__least(i, more), end = begin + each + (i < more);
    wg__frame_open(f, l);
    for (int64_t u = begin; u < end; u++) {
        int64_t col = u % j->per_row * l->block;
        wg__frame_run(f, u / j->per_row * length + col, wg__least(l->block, length - col));
    }
}

static void run_blocks(const struct wg__loop *l, int threads)
{
    int64_t    length = row_length(l), per_row = (length - 1) / l->block + 1;
    struct job j = {l, wg__loop_jobs(l), l->count / length * per_row, per_row};
    j.jobs = wg__least(j.jobs, j.units);
    wg__pool_run(j.jobs > 1 ? threads : 1, j.jobs, run_job, &j);
}

/* ---- After a producer ---- */

static void run_span(struct wg__frame *f, int64_t begin, int64_t end)
{
    for (int64_t n; begin < end; begin += n) {
        n = wg__least(f->l->block, end - begin);
        wg__frame_run(f, begin, n);
    }
}

struct behind {
    const struct wg__loop *l;
};

/* Continues the rows of a tile; many at once where nothing keeps the rows apart. */
static void continue_tile(void *context, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    const struct wg__loop *l = ((const struct behind *)context)->l;
    struct wg__frame      *f = &wg__workspace()->frame;
    int64_t                n = l->columns;
    wg__frame_open(f, l);
    if (!l->rowwise && j1 - j0 == n) run_span(f, i0 * n, i1 * n);
    else
        for (int64_t i = i0; i < i1; i++) run_span(f, i * n + j0, i * n + j1);
}

void wg__loop_run(const struct wg__loop *l, int threads)
{
    if (l->small && l->count <= FEW) run_few(l);
    else if (l->small) run_one_block(l);
    else if (l->head) wg__production_run(&l->head->made, threads, continue_tile, &(struct behind){l});
    else if (l->tail >= 0) wg__loop_tail(l, threads);
    else if (l->count) run_blocks(l, threads);
}
