/* Any loop on CUDA by an interpreter: for machines without NVRTC, and until a
 * loop's own kernel is there.
 *
 * Each thread takes groups of four elements through a small program whose
 * values stand in cells of its local memory.  Inputs are loaded just before
 * they are used and cells are used again, so that few of them do.
 *
 * It has every row of every dtype, and the assembler takes each kernel's part
 * of that for itself: so there are two kernels for all loops, rows are loops
 * over the group instead of four copies, and each dtype is a function. */
#include "cuda/loop/cuda_loop.h"
#include "cuda/loop/loop_device.h"

#ifdef __CUDACC__
#undef EACH
#define EACH _Pragma("unroll 1") for (int j = 0; j < 4; j++)
#endif
#define OUT_OF_LINE static __device__ __attribute__((noinline))

#include "cuda/loop/step.h"

enum { LOAD = WG__CUDA_ROWS, STORE, FEW = 12, MOST = 64 };

struct op {
    unsigned char row, from, to, slot; /* slot: which input or output is loaded or stored */
    unsigned char y, x[3];             /* cells */
    double        a;
};
struct program {
    int           n, tail; /* enum wg__reduce, or -1 */
    int           tail_cell, tail_dtype, cells;
    wg_loop_forms forms;
    op            ops[MOST];
};

union alignas(16) cell {
    f32 f32_[4];
    f64 f64_[4];
    i32 i32_[4];
    i64 i64_[4];
    u8  u8_[4], b8_[4];
};

/* ---- Making the program ---- */

struct maker {
    program                    *p;
    const struct wg__cuda_loop *l;
    int                         last[64]; /* step that reads a slot last; steps: the tail */
    int                         cell_of[64];
    unsigned long long          used;
};

static int take_cell(struct maker *m)
{
    int c = 0;
    while (m->used >> c & 1) c++;
    m->used |= 1ull << c;
    if (c >= m->p->cells) m->p->cells = c + 1;
    return c;
}

static void release(struct maker *m, int slot, int step)
{
    if (m->cell_of[slot] >= 0 && m->last[slot] <= step) {
        m->used &= ~(1ull << m->cell_of[slot]);
        m->cell_of[slot] = -1;
    }
}

/* Returns the cell of a slot; loads an input's slot into a cell first. */
static int cell_of(struct maker *m, int slot)
{
    if (m->cell_of[slot] < 0) {
        op *o = &m->p->ops[m->p->n++];
        m->cell_of[slot] = take_cell(m);
        o->row = LOAD;
        o->from = m->l->in[slot].dtype;
        o->slot = (unsigned char)slot;
        o->y = (unsigned char)m->cell_of[slot];
    }
    return m->cell_of[slot];
}

static void add_store(struct maker *m, int slot)
{
    int output = slot - m->l->inputs - m->l->registers;
    if (output < 0) return;
    op *o = &m->p->ops[m->p->n++];
    o->row = STORE;
    o->from = m->l->out[output].dtype;
    o->slot = (unsigned char)output;
    o->x[0] = (unsigned char)m->cell_of[slot];
}

static bool add_step(struct maker *m, int i)
{
    const struct wg__cuda_step *s = &m->l->step[i];
    int                         row = wg__cuda_row(s->op), x[WG_BLOCK_MAX_ARITY] = {};
    for (int k = 0; k < s->n; k++) x[k] = cell_of(m, s->x[k]);
    /* Not the cell of an operand, nor of the slot's old value: the dtypes may be of different size. */
    int old = m->cell_of[s->y], y = m->cell_of[s->y] = take_cell(m);
    op *o = &m->p->ops[m->p->n++];
    o->row = (unsigned char)row;
    o->from = s->from;
    o->to = s->to;
    o->a = s->a;
    o->y = (unsigned char)y;
    for (int k = 0; k < 3; k++) o->x[k] = (unsigned char)x[k < s->n ? k : 0];
    add_store(m, s->y);
    if (old >= 0) m->used &= ~(1ull << old);
    for (int k = 0; k < s->n; k++) release(m, s->x[k], i);
    release(m, s->y, i);
    return row >= 0;
}

static bool make(program *p, const struct wg__cuda_loop *l)
{
    struct maker m = {p, l, {}, {}, 0};
    bool         known = true;
    *p = {};
    p->tail = l->tail;
    p->tail_dtype = l->tail_dtype;
    p->forms.rank = l->rank;
    for (int i = 0; i < l->inputs; i++) p->forms.form[i] = (unsigned char)wg__cuda_form(l, &l->in[i]);
    for (int i = 0; i < 64; i++) m.last[i] = m.cell_of[i] = -1;
    for (int s = 0; s < l->steps; s++)
        for (int k = 0; k < l->step[s].n; k++) m.last[l->step[s].x[k]] = s;
    if (l->tail >= 0) m.last[l->tail_slot] = l->steps;
    for (int s = 0; s < l->steps; s++) known = add_step(&m, s) && known;
    if (l->tail >= 0) p->tail_cell = cell_of(&m, l->tail_slot);
    return known;
}

/* ---- Running it ---- */

template <class T>
static __device__ void run_load(const wg_loop_args &a, const program &p, const op &o, cell *cells, i64 f, int n)
{
    group<T> x = fetch<T>(a, p.forms, o.slot, f, n);
    T       *y = (T *)&cells[o.y];
    for (int j = 0; j < 4; j++) y[j] = x.v[j];
}

template <class T> static __device__ void run_store(const wg_loop_args &a, const op &o, cell *cells, i64 f, int n)
{
    group<T> x;
    for (int j = 0; j < 4; j++) x.v[j] = ((const T *)&cells[o.x[0]])[j];
    store(a.out[o.slot], f, n, a.vector, x);
}

template <class T> static __device__ void run_where(const op &o, cell *cells)
{
    const b8 *c = cells[o.x[0]].b8_;
    const T  *x = (const T *)&cells[o.x[1]], *y = (const T *)&cells[o.x[2]];
    T        *z = (T *)&cells[o.y];
    for (int j = 0; j < 4; j++) z[j] = c[j] ? x[j] : y[j];
}

#define X(T, id)                                                                                              \
    OUT_OF_LINE void run_##T(const wg_loop_args &a, const program &p, const op &o, cell *cells, i64 f, int n) \
    {                                                                                                         \
        const T *x = cells[o.x[0]].T##_, *y = cells[o.x[1]].T##_;                                             \
        if (o.row == LOAD) run_load<T>(a, p, o, cells, f, n);                                                 \
        else if (o.row == STORE) run_store<T>(a, o, cells, f, n);                                             \
        else if (o.row == WG__CUDA_where) run_where<T>(o, cells);                                             \
        else if (o.row == WG__CUDA_cast) cast_##T(o.to, x, &cells[o.y]);                                      \
        else if (o.row >= WG__CUDA_TESTS && o.row <= WG__CUDA_not) test_##T(o.row, x, y, cells[o.y].b8_);     \
        else apply_##T(o.row, o.a, x, y, cells[o.y].T##_);                                                    \
    }
WG__CUDA_DTYPES(X)
#undef X

OUT_OF_LINE void run_program(const wg_loop_args &a, const program &p, cell *cells, i64 f, int n)
{
    for (int i = 0; i < p.n; i++) switch (p.ops[i].from) {
#define X(T, id) \
    case id: run_##T(a, p, p.ops[i], cells, f, n); break;
            WG__CUDA_DTYPES(X)
#undef X
        }
}

/* ---- Tails of any kind ---- */

#define X(T)                                                   \
    DEVICE T identity(int kind, T)                             \
    {                                                          \
        return kind == WG__SUM    ? (T)0                  \
               : kind == WG__PROD ? (T)1                  \
               : kind == WG__MAX  ? least_##T()           \
                                       : most_##T();            \
    }                                                          \
    DEVICE T fold_two(int kind, T x, T y)                      \
    {                                                          \
        return kind == WG__SUM    ? row_add_##T(x, y)     \
               : kind == WG__PROD ? row_mul_##T(x, y)     \
               : kind == WG__MAX  ? row_maximum_##T(x, y) \
                                       : row_minimum_##T(x, y); \
    }
X(f32)
X(f64)
X(i32)
X(i64)
#undef X

    template <class T>
    struct part_of {
    typedef T type;
};
template <> struct part_of<f32> {
    typedef f64 type;
};

template <class T_> struct interpreter {
    typedef T_                        T, Out;
    typedef typename part_of<T>::type Part;
    const program                    &p;
    cell                             *cells;

    DEVICE_FN T    start() const { return identity(p.tail, T()); }
    DEVICE_FN T    fold(T x, T y) const { return fold_two(p.tail, x, y); }
    DEVICE_FN void body(const wg_loop_args &a, i64 f, int n) { run_program(a, p, cells, f, n); }
    DEVICE_FN void body(const wg_loop_args &a, i64 f, int n, T *v)
    {
        body(a, f, n);
        for (int j = 0; j < 4; j++) v[j] = ((const T *)&cells[p.tail_cell])[j];
    }
};

template <class T> OUT_OF_LINE void run_tail(const wg_loop_args &a, const program &p, cell *cells)
{
    interpreter<T> loop = {p, cells};
    if (a.inner == 1) tail_rows(a, loop);
    else tail_columns(a, loop);
}

/* One loop, whose arguments are `one`, or n of them: see loop_args.h. */
template <int CELLS>
static __global__ void __launch_bounds__(WG_LOOP_BLOCK)
    interpret(const __grid_constant__ wg_loop_args one, const wg_loop_args *args, const unsigned *first, int n,
              const __grid_constant__ program p)
{
    cell             cells[CELLS];
    interpreter<f32> loop = {p, cells};
    if (n) {
        int k = loop_of(first, n, blockIdx.x);
        some_groups(args[k], loop, blockIdx.x - first[k], first[k + 1] - first[k]);
    } else if (p.tail < 0) each_group(one, loop);
    else if (p.tail_dtype == WG_F32) run_tail<f32>(one, p, cells);
    else if (p.tail_dtype == WG_F64) run_tail<f64>(one, p, cells);
    else if (p.tail_dtype == WG_I32) run_tail<i32>(one, p, cells);
    else run_tail<i64>(one, p, cells);
}

/* Parts [outer, chunks, inner] as the elements of another reduction. */
template <class T_, class Out_> struct parts {
    typedef T_   T, Part;
    typedef Out_ Out;
    int          kind;

    DEVICE_FN T    start() const { return identity(kind, T()); }
    DEVICE_FN T    fold(T x, T y) const { return fold_two(kind, x, y); }
    DEVICE_FN void body(const wg_loop_args &a, i64 f, int n, T *v)
    {
        for (int j = 0; j < 4; j++) v[j] = j < n ? ((const T *)a.in[0])[f + j] : T();
    }
};

template <class Part, class Out>
static __global__ void __launch_bounds__(WG_LOOP_BLOCK) finish(const __grid_constant__ wg_loop_args a, int kind)
{
    parts<Part, Out> loop = {kind};
    if (a.inner == 1) tail_rows(a, loop);
    else tail_columns(a, loop);
}

/* ---- Launching ---- */

typedef void finish_kernel(const wg_loop_args a, int kind);

static finish_kernel *const finish_kernels[WG_DTYPES] = {finish<f64, f32>, finish<f64, f64>, finish<i32, i32>,
                                                         finish<i64, i64>};

static cudaError_t launch(const struct wg__cuda_loop *l, const wg_loop_args *one, const struct wg__cuda_group *g,
                          unsigned grid, cudaStream_t stream)
{
    program p;
    if (!make(&p, l) || (l->tail >= 0 && l->tail_dtype > WG_I64)) return cudaErrorInvalidValue;
    auto kernel = p.cells > FEW ? interpret<MOST> : interpret<FEW>;
    WG_LAUNCH(kernel, grid, WG_LOOP_BLOCK, 0, stream)(*one, g->args, g->first, g->n, p);
    return cudaGetLastError();
}

cudaError_t wg__cuda_loop_run(const struct wg__cuda_loop *l, const struct wg__cuda_launch *at)
{
    struct wg__cuda_plan  plan;
    struct wg__cuda_group none = {};
    wg__cuda_plan(l, at, &plan);
    if (!plan.grid) return cudaSuccess;
    cudaError_t status = launch(l, &plan.args, &none, plan.grid, at->stream);
    return status == cudaSuccess ? wg__cuda_loop_finish(l, at) : status;
}

cudaError_t wg__cuda_loops_run(const struct wg__cuda_loop *any, const struct wg__cuda_group *g, cudaStream_t stream)
{
    wg_loop_args none = {};
    return g->grid ? launch(any, &none, g, g->grid, stream) : cudaSuccess;
}

cudaError_t wg__cuda_loop_finish(const struct wg__cuda_loop *l, const struct wg__cuda_launch *at)
{
    struct wg__cuda_plan plan;
    wg__cuda_plan_finish(l, at, &plan);
    if (!plan.grid) return cudaSuccess;
    finish_kernel *kernel = finish_kernels[l->tail_dtype];
    WG_LAUNCH(kernel, plan.grid, WG_LOOP_BLOCK, 0, at->stream)(plan.args, l->tail);
    return cudaGetLastError();
}
