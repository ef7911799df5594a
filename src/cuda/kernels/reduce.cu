/* reduce.cu - argmax and logsumexp of [outer, n, inner].
 *
 *   inner = 1, short rows   a group of lanes for each row
 *   inner = 1, long rows    a block for each chunk of a row
 *   inner > 1, few rows     a thread for each result
 *   inner > 1, many rows    a block for a tile of columns and a chunk of rows
 *
 * Several chunks make parts in scratch memory, which a second pass folds.
 * Which of the four, and the size of a chunk, follow from the shape alone:
 * the bits of a result are the same on every device.
 *
 * Hot kernels, that may not spill: rows_by_groups, rows_by_blocks,
 * cols_by_threads, cols_by_blocks. */
#include "cuda/kernels/fold.cuh"

/* ---- Kernels ---- */

template <class F, class O>
__global__ void __launch_bounds__(BLOCK, 1)
    rows_by_groups(int64_t rows, int64_t n, int lanes, const typename F::In *x, O *y)
{
    int     per_warp = WARP / lanes, lane = (int)threadIdx.x % WARP, j = lane & (lanes - 1);
    int64_t warp = (int64_t)blockIdx.x * WARPS + threadIdx.x / WARP, step = (int64_t)gridDim.x * WARPS * per_warp;
    for (int64_t first = warp * per_warp; first < rows; first += step) {
        int64_t         r = first + lane / lanes;
        typename F::Acc a = F::start();
        if (r < rows) a = fold_strided<F>(x + r * n, 1, j, lanes, n);
        a = fold_lanes<F>(a, lanes);
        if (r < rows && j == 0) put(&y[r], a);
    }
}

template <class F, class O>
__global__ void __launch_bounds__(BLOCK, 1)
    rows_by_blocks(int64_t rows, int64_t n, int64_t chunk, int64_t parts, const typename F::In *x, O *y)
{
    for (int64_t task = blockIdx.x; task < rows * parts; task += gridDim.x) {
        int64_t         r = task / parts, begin = task % parts * chunk, end = begin + chunk < n ? begin + chunk : n;
        typename F::Acc a = fold_block<F>(fold_quads<F>(x + r * n, begin, end));
        if (threadIdx.x == 0) put(&y[task], a);
    }
}

template <class F, class O>
__global__ void __launch_bounds__(BLOCK, 1)
    cols_by_threads(int64_t outer, int64_t n, int64_t inner, const typename F::In *x, O *y)
{
    int64_t step = (int64_t)gridDim.x * BLOCK;
    for (int64_t e = (int64_t)blockIdx.x * BLOCK + threadIdx.x; e < outer * inner; e += step) {
        int64_t o = e / inner, j = e % inner;
        put(&y[e], fold_strided<F>(x + o * n * inner + j, inner, 0, 1, n));
    }
}

/* Tiles of `width` columns by `height` rows of threads. */
struct tiles {
    int64_t outer, n, inner, chunk, parts, across; /* across: tiles of a row */
    int     width, height;
};
template <class F, class O>
__global__ void __launch_bounds__(BLOCK, 1) cols_by_blocks(struct tiles p, const typename F::In *x, O *y)
{
    __shared__ typename F::Acc of_thread[BLOCK];
    int                        t = (int)threadIdx.x, h = t / p.width;
    for (int64_t task = blockIdx.x; task < p.outer * p.parts * p.across; task += gridDim.x) {
        int64_t col = task % p.across * p.width + t % p.width, op = task / p.across;
        int64_t o = op / p.parts, begin = op % p.parts * p.chunk;
        int64_t end = begin + p.chunk < p.n ? begin + p.chunk : p.n;
        bool    mine = h < p.height && col < p.inner;
        if (mine) of_thread[t] = fold_strided<F>(x + o * p.n * p.inner + col, p.inner, begin + h, p.height, end);
        for (int live = p.height; live > 1; live = (live + 1) / 2) {
            int half = (live + 1) / 2;
            __syncthreads();
            if (mine && h < live - half) of_thread[t] = F::fold(of_thread[t], of_thread[t + half * p.width]);
        }
        if (mine && h == 0) put(&y[op * p.inner + col], of_thread[t]);
        __syncthreads();
    }
}

/* ---- Plan ---- */

enum how { GROUPS, BLOCKS, THREADS, TILES };
enum { ROW_CHUNK = 16384, COL_CHUNK = 64 }; /* elements of a chunk; of a thread in a chunk */
struct plan {
    enum how     how;
    struct tiles p;
};

/* Plans the cut of a reduction. split: whether a result may be made of several parts. */
static struct plan plan_of(struct split s, bool split)
{
    struct plan a = {GROUPS, {s.outer, s.n, s.inner, s.n, 1, 1, 1, 1}};
    if (s.inner == 1) {
        if (s.n <= 256 || (s.n <= 1024 && s.outer >= 128)) return a;
        a.how = BLOCKS;
        a.p.chunk = split && s.n > ROW_CHUNK ? (int64_t)ROW_CHUNK : s.n;
    } else {
        a.how = s.n <= 32 || (s.n <= 1024 && s.outer * s.inner >= 65536) ? THREADS : TILES;
        if (a.how == THREADS) return a;
        a.p.width = s.inner < WARP ? (int)s.inner : WARP;
        a.p.height = BLOCK / a.p.width;
        a.p.across = ceil_div(s.inner, a.p.width);
        if (split && s.n > a.p.height * COL_CHUNK) a.p.chunk = a.p.height * COL_CHUNK;
    }
    a.p.parts = ceil_div(s.n, a.p.chunk);
    return a;
}

/* Returns the number of lanes for a row: each gets some eight elements. */
static int lanes_for(int64_t n)
{
    int g = 1;
    while (g < WARP && 8 * g < n) g *= 2;
    return g;
}

template <class F, class O>
static void launch(const struct wg__cuda_launch *l, const struct plan *a, const typename F::In *x, O *y)
{
    const struct tiles *p = &a->p;
    int                 lanes = lanes_for(p->n);
    switch (a->how) {
    case GROUPS: {
        void (*k)(int64_t, int64_t, int, const typename F::In *, O *) = rows_by_groups<F, O>;
        WG_LAUNCH(k, grid_of(l, ceil_div(p->outer * lanes, BLOCK)), BLOCK, 0, l->stream)(p->outer, p->n, lanes, x, y);
        return;
    }
    case BLOCKS: {
        void (*k)(int64_t, int64_t, int64_t, int64_t, const typename F::In *, O *) = rows_by_blocks<F, O>;
        WG_LAUNCH(k, grid_of(l, p->outer * p->parts), BLOCK, 0, l->stream)
        (p->outer, p->n, p->chunk, p->parts, x, y);
        return;
    }
    case THREADS: {
        void (*k)(int64_t, int64_t, int64_t, const typename F::In *, O *) = cols_by_threads<F, O>;
        WG_LAUNCH(k, grid_of(l, ceil_div(p->outer * p->inner, BLOCK)), BLOCK, 0, l->stream)
        (p->outer, p->n, p->inner, x, y);
        return;
    }
    case TILES: {
        void (*k)(struct tiles, const typename F::In *, O *) = cols_by_blocks<F, O>;
        WG_LAUNCH(k, grid_of(l, p->outer * p->parts * p->across), BLOCK, 0, l->stream)(*p, x, y);
        return;
    }
    }
}

template <class F, class O> static cudaError_t reduce(const struct wg__cuda_launch *l, struct split s)
{
    const typename F::In *x = (const typename F::In *)l->call->x[0].data;
    O                    *y = (O *)l->call->y->data;
    struct plan           first = plan_of(s, true);
    if (s.outer == 0 || s.inner == 0) return cudaSuccess;
    if (first.p.parts == 1) {
        launch<F, O>(l, &first, x, y);
    } else {
        typedef typename F::Part Part;
        struct plan              second = plan_of({s.outer, first.p.parts, s.inner}, false);
        launch<F, Part>(l, &first, x, (Part *)l->scratch);
        launch<typename F::Second, O>(l, &second, (const Part *)l->scratch, y);
    }
    return cudaGetLastError();
}

static size_t parts_size(struct split s, size_t part)
{
    struct plan a = plan_of(s, true);
    return s.outer && s.inner && a.p.parts > 1 ? (size_t)(s.outer * a.p.parts * s.inner) * part : 0;
}

/* ---- Operators ---- */

/* Finds the run of axes that holds all reduced axes. Axes of size 1 do not count. */
static struct split split_of(const wg_call *c)
{
    const struct wg__reduce_attr *a = (const struct wg__reduce_attr *)c->attr;
    const wg_shape               *s = &c->x[0].shape;
    int                           first = 0, last = 0;
    for (int i = 0; i < s->rank; i++) {
        bool in = a->axes.n < 0;
        for (int k = 0; k < a->axes.n; k++) in = in || axis_of(a->axes.axis[k], s->rank) == i;
        if (!in || s->dim[i] == 1) continue;
        if (!last) first = i;
        last = i + 1;
    }
    return split_at(s, first, last);
}
static struct split argmax_split(const wg_call *c)
{
    const wg_shape *s = &c->x[0].shape;
    int             axis = axis_of(((const struct wg__argmax_attr *)c->attr)->axis, s->rank);
    return split_at(s, axis, axis + 1);
}

static cudaError_t argmax(const struct wg__cuda_launch *l)
{
    struct split s = argmax_split(l->call);
    switch (l->call->x[0].dtype) {
    case WG_F32: return reduce<argmax_fold<float>, int64_t>(l, s);
    case WG_F64: return reduce<argmax_fold<double>, int64_t>(l, s);
    case WG_I32: return reduce<argmax_fold<int32_t>, int64_t>(l, s);
    case WG_I64: return reduce<argmax_fold<int64_t>, int64_t>(l, s);
    case WG_U8:
    case WG_BOOL: return reduce<argmax_fold<uint8_t>, int64_t>(l, s);
    default: return cudaErrorInvalidValue;
    }
}

/* Launches logsumexp, whose axes are neighbours, but for axes of size 1 between them. */
static cudaError_t logsumexp(const struct wg__cuda_launch *l)
{
    struct split s = split_of(l->call);
    return l->call->y->dtype == WG_F64 ? reduce<online_fold<double>, double>(l, s)
                                      : reduce<online_fold<float>, float>(l, s);
}

static size_t pair_scratch(const wg_call *c) { return parts_size(split_of(c), sizeof(exp_sum<double>)); }
static size_t argmax_scratch(const wg_call *c) { return parts_size(argmax_split(c), sizeof(found<int64_t>)); }

const struct wg__cuda_op wg__cuda_reduce_ops[] = {
    {"argmax", argmax, argmax_scratch}, {"logsumexp", logsumexp, pair_scratch}, {NULL, NULL, NULL}};
