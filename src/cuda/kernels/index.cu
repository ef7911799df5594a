/* index.cu - one_hot_index; gather and scatter_add along one axis: x [outer, n, inner] and m
 * indices give [outer, m, inner], or back.
 *
 * An index out of range is told through the fault; what it would have read is
 * 0, what it would have written is left out.
 *
 * scatter_add has no atomics, because sums must not depend on who comes first.
 * A block owns OWNED rows of the result and TILE columns.  It reads the whole
 * list of indices, keeps those of its rows in order, and adds row by row: every
 * sum is taken in the order of the list, as on the CPU, and every result is
 * written by its owner, so nothing is cleared before.  Reading the list again
 * for each OWNED rows costs m n / OWNED index loads from the second-level
 * cache: for an embedding of 50000 rows and 8192 tokens 13 million, less than
 * writing the result takes; sorting the list would take several launches.  One
 * row that most indices name is added up by one warp alone, which is slow.
 *
 * Hot kernels, that may not spill: gather_units, scatter_rows, scatter_elements. */
#include "cuda/kernels/fold.cuh"

enum { OWNED = 32, TILE = 4 * WARP, LIST = 2048, AT_ONCE = 4 * BLOCK, AHEAD = 4, FEW = 512 };

/* ---- Gather ---- */

template <class D> struct gather_by {
    D       width, m; /* units of a row; indices */
    int64_t n, count; /* rows of x; units in all */
};
template <class U, class D>
__global__ void __launch_bounds__(BLOCK) gather_units(struct indices s, struct gather_by<D> p, const U *x, U *y)
{
    typedef typename D::index I;
    int64_t                   step = (int64_t)gridDim.x * BLOCK, fault = NO_FAULT;
    for (int64_t e = (int64_t)blockIdx.x * BLOCK + threadIdx.x; e < p.count; e += step) {
        I       col = (I)e, i = divide(p.width, &col);
        I       o = divide(p.m, &i);
        int64_t at = place_of(s, (int64_t)i);
        if (at < 0) note_fault(&fault, (int64_t)i);
        y[e] = at < 0 ? U() : x[((int64_t)o * p.n + at) * (int64_t)p.width.d + (int64_t)col];
    }
    tell_fault(s, fault);
}

/* Checks the indices where nothing is to be gathered: a fault is reported all the same. */
static __global__ void __launch_bounds__(BLOCK) check_indices(struct indices s)
{
    int64_t step = (int64_t)gridDim.x * BLOCK, fault = NO_FAULT;
    for (int64_t i = (int64_t)blockIdx.x * BLOCK + threadIdx.x; i < s.m; i += step)
        if (place_of(s, i) < 0) note_fault(&fault, i);
    tell_fault(s, fault);
}
static cudaError_t check(const struct wg__cuda_launch *l, const struct indices *s)
{
    if (s->m == 0) return cudaSuccess;
    WG_LAUNCH(check_indices, grid_of(l, ceil_div(s->m, BLOCK)), BLOCK, 0, l->stream)(*s);
    return cudaGetLastError();
}

static struct indices indices_of(const struct wg__cuda_launch *l, int64_t size)
{
    const wg_tensor *index = &l->call->x[1];
    return indices{index->data, index->dtype, true, l->instr, wg_count(&index->shape), size, l->fault};
}

template <class U, class D>
static cudaError_t gather_launch(const struct wg__cuda_launch *l, const struct indices *s, const struct split *p,
                                 int64_t width)
{
    void (*k)(struct indices, struct gather_by<D>, const U *, U *) = gather_units<U, D>;
    struct gather_by<D> by = {
        D::by(width), D::by(s->m), p->n, p->outer * s->m *width
    };
    WG_LAUNCH(k, grid_of(l, ceil_div(by.count, BLOCK)), BLOCK, 0, l->stream)
    (*s, by, (const U *)l->call->x[0].data, (U *)l->call->y->data);
    return cudaGetLastError();
}

static cudaError_t gather(const struct wg__cuda_launch *l)
{
    typedef cudaError_t launcher(const struct wg__cuda_launch *, const struct indices *, const struct split *, int64_t);
    const wg_call      *c = l->call;
    const wg_shape     *x = &c->x[0].shape;
    int                 axis = axis_of(((const struct wg__axis_attr *)c->attr)->axis, x->rank);
    struct split        p = split_at(x, axis, axis + 1);
    struct indices      s = indices_of(l, p.n);
    int64_t             bytes = p.inner * (int64_t)wg_dtype_size(c->y->dtype), all = wg_count(&c->y->shape);
    struct unit_choice  u = {(uint64_t)bytes};
    launcher           *launch;
    if (all == 0) return check(l, &s);
    unit_at(&u, c->x[0].data);
    unit_at(&u, c->y->data);
    int unit = unit_of(&u);
    BY_UNIT(launch, gather_launch, unit, p.outer * s.m * bytes / unit)
    return launch(l, &s, &p, bytes / unit);
}

/* ---- Indices that must be in range ---- */

static __global__ void __launch_bounds__(BLOCK) checked_indices(struct indices s, int64_t *y)
{
    int64_t step = (int64_t)gridDim.x * BLOCK, fault = NO_FAULT;
    for (int64_t i = (int64_t)blockIdx.x * BLOCK + threadIdx.x; i < s.m; i += step) {
        if (place_of(s, i) < 0) note_fault(&fault, i);
        y[i] = index_at(s, i);
    }
    tell_fault(s, fault);
}

static cudaError_t one_hot_index(const struct wg__cuda_launch *l)
{
    const wg_call                     *c = l->call;
    const struct wg__one_hot_index_attr *a = (const struct wg__one_hot_index_attr *)c->attr;
    const wg_tensor                   *x = &c->x[0];
    struct indices s = {x->data, x->dtype, false, l->instr, wg_count(&x->shape), a->size.dim[0], l->fault};
    if (s.m == 0) return cudaSuccess;
    WG_LAUNCH(checked_indices, grid_of(l, ceil_div(s.m, BLOCK)), BLOCK, 0, l->stream)(s, (int64_t *)c->y->data);
    return cudaGetLastError();
}

/* ---- Scatter: a block for OWNED rows ---- */

struct scatter {
    int64_t outer, n, inner, m, groups, across; /* groups of rows, tiles across the columns */
};

/* Numbers the hits of all threads 0, 1, .. in order: *first is the number of this thread's first hit.
 * Returns the number of hits. */
DEVICE int rank_hits(int mine, int *first)
{
    __shared__ int of_warp[WARPS];
    int            lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP, up_to = mine, all = 0;
    for (int by = 1; by < WARP; by *= 2) {
        int below = __shfl_up_sync(ALL_LANES, up_to, (unsigned)by);
        if (lane >= by) up_to += below;
    }
    __syncthreads(); /* the last use of of_warp, and of the list */
    if (lane == WARP - 1) of_warp[warp] = up_to;
    __syncthreads();
    *first = up_to - mine;
    for (int w = 0; w < WARPS; w++) {
        if (w < warp) *first += of_warp[w];
        all += of_warp[w];
    }
    return all;
}

/* Adds the list's entries for one row, in order, to the lane's four columns. */
template <class T>
DEVICE void add_listed(const uint64_t *list, int n, int row, const T *x, int64_t inner, int cols, bool aligned,
                       T sum[4])
{
    int lane = (int)threadIdx.x % WARP;
    for (int k = 0; k < n; k += WARP) {
        uint64_t entry = k + lane < n ? list[k + lane] : ~(uint64_t)0;
        unsigned left = __ballot_sync(ALL_LANES, (int)(entry & 255) == row);
        while (left) {
            quad<T> v[AHEAD];
            UNROLL
            for (int u = 0; u < AHEAD; u++) {
                int      from = left ? __ffs((int)left) - 1 : 0;
                uint64_t at = __shfl_sync(ALL_LANES, entry, from) >> 8;
                v[u] = quad<T>{{0, 0, 0, 0}};
                if (left && cols == 4) v[u] = load4(x + (int64_t)at * inner, aligned);
                else if (left)
                    for (int c = 0; c < 3; c++)
                        if (c < cols) v[u].v[c] = x[(int64_t)at * inner + c];
                left &= left - 1;
            }
            UNROLL
            for (int u = 0; u < AHEAD; u++) UNROLL
            for (int c = 0; c < 4; c++) sum[c] = sum_fold<T>::fold(sum[c], v[u].v[c]);
        }
    }
}

/* Adds the listed entries of all rows into y, which they begin or continue. */
template <class T>
DEVICE void add_list(const uint64_t *list, int n, bool begin, int64_t rows, int64_t inner, int cols, const T *x, T *y)
{
    bool aligned = inner % 4 == 0 && quads_at(x) && quads_at(y);
    for (int row = (int)threadIdx.x / WARP; row < rows; row += WARPS) {
        T *to = y + row * inner, sum[4] = {0, 0, 0, 0};
        UNROLL
        for (int c = 0; c < 4; c++)
            if (c < cols && !begin) sum[c] = to[c];
        add_listed(list, n, row, x, inner, cols, aligned, sum);
        UNROLL
        for (int c = 0; c < 4; c++)
            if (c < cols) to[c] = sum[c];
    }
}

template <class T>
__global__ void __launch_bounds__(BLOCK) scatter_rows(struct indices s, struct scatter p, const T *x, T *y)
{
    __shared__ uint64_t list[LIST]; /* place in the list of indices << 8 | row */
    int64_t             fault = NO_FAULT;
    for (int64_t task = blockIdx.x; task < p.outer * p.across * p.groups; task += gridDim.x) {
        int64_t first = task % p.groups * OWNED, rest = task / p.groups, o = rest / p.across;
        int64_t col = rest % p.across * TILE + threadIdx.x % WARP * 4, rows = p.n - first;
        int     cols = p.inner - col < 4 ? p.inner - col > 0 ? (int)(p.inner - col) : 0 : 4, listed = 0;
        if (rows > OWNED) rows = OWNED;
        const T *from = x + o * p.m * p.inner + col;
        T       *to = y + (o * p.n + first) * p.inner + col;
        bool     begin = true;
        for (int64_t at = 0; at < p.m; at += AT_ONCE) {
            int64_t i = at + 4 * (int64_t)threadIdx.x;
            int     row[4], mine = 0, place;
            UNROLL
            for (int k = 0; k < 4; k++) {
                int64_t r = i + k < p.m ? place_of(s, i + k) : first - 1;
                if (r < 0 && i + k < p.m && task == 0) note_fault(&fault, i + k);
                row[k] = r >= first && r < first + rows ? (int)(r - first) : -1;
                mine += row[k] >= 0;
            }
            int more = rank_hits(mine, &place);
            UNROLL
            for (int k = 0; k < 4; k++)
                if (row[k] >= 0) list[listed + place++] = (uint64_t)(i + k) << 8 | (unsigned)row[k];
            listed += more;
            if (listed <= LIST - AT_ONCE) continue;
            __syncthreads();
            add_list(list, listed, begin, rows, p.inner, cols, from, to);
            begin = false;
            listed = 0;
        }
        __syncthreads();
        if (listed || begin) add_list(list, listed, begin, rows, p.inner, cols, from, to);
        __syncthreads();
    }
    if (blockIdx.x == 0) tell_fault(s, fault);
}

/* ---- Scatter of narrow rows at few indices: a thread for each result ---- */

template <class T>
__global__ void __launch_bounds__(BLOCK) scatter_elements(struct indices s, struct scatter p, const T *x, T *y)
{
    __shared__ int64_t place[FEW];
    int64_t            step = (int64_t)gridDim.x * BLOCK, fault = NO_FAULT;
    for (int64_t i = threadIdx.x; i < p.m; i += BLOCK) {
        place[i] = place_of(s, i);
        if (place[i] < 0) note_fault(&fault, i);
    }
    __syncthreads();
    if (blockIdx.x == 0) tell_fault(s, fault);
    for (int64_t e = (int64_t)blockIdx.x * BLOCK + threadIdx.x; e < p.outer * p.n * p.inner; e += step) {
        int64_t  j = e % p.inner, r = e / p.inner % p.n, o = e / p.inner / p.n;
        const T *from = x + o * p.m * p.inner + j;
        T        sum = 0;
        for (int i = 0; i < p.m; i++)
            if (place[i] == r) sum = sum_fold<T>::fold(sum, from[i * p.inner]);
        y[e] = sum;
    }
}

template <class T>
static cudaError_t scatter_launch(const struct wg__cuda_launch *l, const struct indices *s, struct scatter p)
{
    bool    few = p.inner < WARP && p.m <= FEW;
    int64_t blocks = few ? ceil_div(p.outer * p.n * p.inner, BLOCK) : p.outer * p.across * p.groups;
    void (*k)(struct indices, struct scatter, const T *, T *) = few ? scatter_elements<T> : scatter_rows<T>;
    WG_LAUNCH(k, grid_of(l, blocks), BLOCK, 0, l->stream)(*s, p, (const T *)l->call->x[0].data, (T *)l->call->y->data);
    return cudaGetLastError();
}

static cudaError_t scatter_add(const struct wg__cuda_launch *l)
{
    const wg_call                     *c = l->call;
    const struct wg__scatter_add_attr *a = (const struct wg__scatter_add_attr *)c->attr;
    int                                axis = axis_of(a->axis, a->to.rank);
    struct split                       d = split_at(&a->to, axis, axis + 1);
    struct indices                     s = indices_of(l, d.n);
    struct scatter                     p = {d.outer, d.n, d.inner, s.m, ceil_div(d.n, OWNED), ceil_div(d.inner, TILE)};
    if (d.outer * d.n * d.inner == 0) return check(l, &s);
    switch (c->y->dtype) {
    case WG_F32: return scatter_launch<float>(l, &s, p);
    case WG_F64: return scatter_launch<double>(l, &s, p);
    case WG_I32: return scatter_launch<int32_t>(l, &s, p);
    case WG_I64: return scatter_launch<int64_t>(l, &s, p);
    case WG_U8: return scatter_launch<uint8_t>(l, &s, p);
    default: return cudaErrorInvalidValue;
    }
}

const struct wg__cuda_op wg__cuda_index_ops[] = {
    {"gather", gather, NULL}, {"one_hot_index", one_hot_index, NULL}, {"scatter_add", scatter_add, NULL}, {NULL, NULL, NULL}};
