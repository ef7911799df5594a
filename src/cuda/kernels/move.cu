/* move.cu - operators that move elements: transpose, slice.
 *
 * The host merges axes that are walked alike and takes the largest unit of 16,
 * 8, 4 or 1 bytes that divides every row and step; a thread then moves a unit.
 * A transpose whose rows change goes by tiles through shared memory.
 *
 * Hot kernels, that may not spill: copy_strided, transpose_tiles. */
#include "cuda/kernels/move.cuh"

/* ---- A dense result from steps in x: slice, transpose ---- */

struct walk {
    const char *x;
    char       *y;
    int64_t     size; /* bytes of an element, then of a unit */
    int         rank;
    int64_t     dim[WG_MAX_RANK], step[WG_MAX_RANK];
};

/* Adds an axis to the walk; merges it with the axis before where one step walks along both. */
static void walk_axis(struct walk *w, int64_t dim, int64_t step)
{
    int k = w->rank - 1;
    if (dim == 1) return;
    if (w->rank && w->step[k] == dim * step) {
        w->dim[k] *= dim;
        w->step[k] = step;
        return;
    }
    w->dim[w->rank] = dim;
    w->step[w->rank++] = step;
}

/* Makes the units of the walk larger where x is contiguous along the last axis. */
static void walk_widen(struct walk *w)
{
    int last = w->rank - 1;
    if (w->rank == 0) {
        w->rank = 1;
        w->dim[0] = w->step[0] = 1;
        last = 0;
    }
    if (w->step[last] != 1) return;
    struct unit_choice u = {(uint64_t)(w->dim[last] * w->size)};
    unit_at(&u, w->x);
    unit_at(&u, w->y);
    for (int k = 0; k < last; k++) unit_with(&u, w->step[k] * w->size);
    int64_t by = unit_of(&u) / w->size;
    if (by <= 1) return;
    w->size *= by;
    w->dim[last] /= by;
    for (int k = 0; k < last; k++) w->step[k] /= by;
}

template <class D> struct steps {
    int     rank;
    D       dim[WG_MAX_RANK];
    int64_t step[WG_MAX_RANK], count;
};
template <class U, class D> __global__ void __launch_bounds__(BLOCK) copy_strided(struct steps<D> p, const U *x, U *y)
{
    int64_t stride = (int64_t)gridDim.x * BLOCK;
    for (int64_t e = (int64_t)blockIdx.x * BLOCK + threadIdx.x; e < p.count; e += stride) {
        typename D::index rest = (typename D::index)e;
        int64_t           at = 0;
        UNROLL
        for (int k = WG_MAX_RANK - 1; k > 0; k--) {
            if (k >= p.rank) continue;
            typename D::index i = rest;
            rest = divide(p.dim[k], &i);
            at += (int64_t)i * p.step[k];
        }
        y[e] = x[at + (int64_t)rest * p.step[0]];
    }
}

template <class U, class D> static cudaError_t copy_launch(const struct wg__cuda_launch *l, const struct walk *w)
{
    struct steps<D> p = {
        w->rank, {}, {}, 1
    };
    for (int k = 0; k < w->rank; k++) {
        p.dim[k] = D::by(w->dim[k]);
        p.step[k] = w->step[k];
        p.count *= w->dim[k];
    }
    void (*k)(struct steps<D>, const U *, U *) = copy_strided<U, D>;
    WG_LAUNCH(k, grid_of(l, ceil_div(p.count, BLOCK)), BLOCK, 0, l->stream)(p, (const U *)w->x, (U *)w->y);
    return cudaGetLastError();
}

/* Copies by the walk, which has at least one element. */
static cudaError_t copy(const struct wg__cuda_launch *l, struct walk *w)
{
    cudaError_t (*launch)(const struct wg__cuda_launch *, const struct walk *);
    int64_t count = 1;
    walk_widen(w);
    for (int k = 0; k < w->rank; k++) count *= w->dim[k];
    BY_UNIT(launch, copy_launch, (int)w->size, count)
    return launch(l, w);
}

static struct walk walk_of(const wg_call *c)
{
    return walk{(const char *)c->x[0].data, (char *)c->y->data, (int64_t)wg_dtype_size(c->y->dtype), 0, {}, {}};
}
static void dense_steps(const wg_shape *s, int64_t step[WG_MAX_RANK])
{
    int64_t n = 1;
    for (int i = s->rank - 1; i >= 0; n *= s->dim[i--]) step[i] = n;
}

static cudaError_t slice(const struct wg__cuda_launch *l)
{
    const wg_call               *c = l->call;
    const struct wg__slice_attr *a = (const struct wg__slice_attr *)c->attr;
    const wg_shape              *y = &c->y->shape;
    int                          axis = axis_of(a->axis, y->rank);
    int64_t                      step[WG_MAX_RANK], low = a->range.dim[0], count = a->range.dim[1];
    struct walk                  w = walk_of(c);
    if (wg_count(y) == 0) return cudaSuccess;
    dense_steps(&c->x[0].shape, step);
    w.x += (a->step < 0 ? low - a->step * (count - 1) : low) * step[axis] * w.size;
    for (int i = 0; i < y->rank; i++) walk_axis(&w, y->dim[i], i == axis && count > 1 ? a->step * step[i] : step[i]);
    return copy(l, &w);
}

/* ---- Transposes by tiles ---- */

enum { TILE = 32, TILE_ROWS = BLOCK / TILE };

struct tile_walk {
    int64_t m, n, xs, ys; /* y[i ys + j] = x[j xs + i], i < m, j < n */
    int64_t down, across, tasks;
    int     rank; /* of the other axes */
    int64_t dim[WG_MAX_RANK], xstep[WG_MAX_RANK], ystep[WG_MAX_RANK];
};
template <class E> __global__ void __launch_bounds__(BLOCK) transpose_tiles(struct tile_walk p, const E *x, E *y)
{
    __shared__ E tile[TILE][TILE + 1];
    int          tx = (int)threadIdx.x % TILE, ty = (int)threadIdx.x / TILE;
    for (int64_t task = blockIdx.x; task < p.tasks; task += gridDim.x) {
        int64_t j0 = task % p.across * TILE, rest = task / p.across;
        int64_t i0 = rest % p.down * TILE, at_x = 0, at_y = 0;
        rest /= p.down;
        for (int k = 0; k < p.rank; k++) {
            at_x += rest % p.dim[k] * p.xstep[k];
            at_y += rest % p.dim[k] * p.ystep[k];
            rest /= p.dim[k];
        }
        UNROLL
        for (int r = ty; r < TILE; r += TILE_ROWS)
            if (j0 + r < p.n && i0 + tx < p.m) tile[r][tx] = x[at_x + (j0 + r) * p.xs + i0 + tx];
        __syncthreads();
        UNROLL
        for (int r = ty; r < TILE; r += TILE_ROWS)
            if (i0 + r < p.m && j0 + tx < p.n) y[at_y + (i0 + r) * p.ys + j0 + tx] = tile[tx][r];
        __syncthreads();
    }
}

/* Copies by tiles where x is contiguous along axis `fast` of the walk, and y along the last axis. */
static cudaError_t by_tiles(const struct wg__cuda_launch *l, const struct walk *w, int fast)
{
    struct tile_walk p = {};
    int              last = w->rank - 1;
    int64_t          ystep = 1;
    p.m = w->dim[fast];
    p.n = w->dim[last];
    p.xs = w->step[last];
    p.down = ceil_div(p.m, TILE);
    p.across = ceil_div(p.n, TILE);
    p.tasks = p.down * p.across;
    for (int k = last; k >= 0; ystep *= w->dim[k--]) {
        if (k == fast) p.ys = ystep;
        if (k == fast || k == last) continue;
        p.dim[p.rank] = w->dim[k];
        p.xstep[p.rank] = w->step[k];
        p.ystep[p.rank++] = ystep;
        p.tasks *= w->dim[k];
    }
    unsigned grid = grid_of(l, p.tasks);
    if (w->size == 8) {
        WG_LAUNCH(transpose_tiles<uint64_t>, grid, BLOCK, 0, l->stream)(p, (const uint64_t *)w->x, (uint64_t *)w->y);
    } else if (w->size == 4) {
        WG_LAUNCH(transpose_tiles<uint32_t>, grid, BLOCK, 0, l->stream)(p, (const uint32_t *)w->x, (uint32_t *)w->y);
    } else {
        WG_LAUNCH(transpose_tiles<uint8_t>, grid, BLOCK, 0, l->stream)(p, (const uint8_t *)w->x, (uint8_t *)w->y);
    }
    return cudaGetLastError();
}

static cudaError_t transpose(const struct wg__cuda_launch *l)
{
    const wg_call                   *c = l->call;
    const struct wg__transpose_attr *a = (const struct wg__transpose_attr *)c->attr;
    const wg_shape                  *x = &c->x[0].shape;
    int64_t                          step[WG_MAX_RANK];
    struct walk                      w = walk_of(c);
    int                              fast = 0;
    if (wg_count(x) == 0) return cudaSuccess;
    dense_steps(x, step);
    for (int i = 0; i < x->rank; i++) {
        int axis = a->perm.n < 0 ? x->rank - 1 - i : axis_of(a->perm.axis[i], x->rank);
        walk_axis(&w, x->dim[axis], step[axis]);
    }
    while (fast < w.rank && w.step[fast] != 1) fast++;
    bool wide = fast < w.rank - 1 && w.dim[fast] >= 8 && w.dim[w.rank - 1] >= 8;
    return wide ? by_tiles(l, &w, fast) : copy(l, &w);
}

const struct wg__cuda_op wg__cuda_shape_ops[] = {                                                 {"transpose", transpose, NULL}, {"slice", slice, NULL},
                                                 {"pad", wg__cuda_pad, NULL},    {"concat", wg__cuda_concat, NULL},
                                                 {"size", wg__cuda_size, NULL},  {"iota", wg__cuda_iota, NULL},
                                                 {NULL, NULL, NULL}};
