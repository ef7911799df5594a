/* results.cu - operators with several results: max_with_index, moments, top_k, split.
 *
 * max_with_index and moments reduce any set of axes: a block makes COLS results that are neighbours in x, or one, and
 * its other threads share the elements that go.  What each has found is put together in an order that the shape
 * alone fixes, so equal inputs give equal bits.
 *
 * Hot kernels, that may not spill: moments_of, largest_of, split_units. */
#include "cuda/kernels/block.cuh"
#include "ops/reduce/walk.h"

/* ---- Axes that stay and axes that go ---- */

DEVICE int64_t place_in(const wg__walk_axes &a, int64_t i)
{
    int64_t at = 0;
    for (int k = a.rank - 1; k > 0; k--) {
        at += i % a.dim[k] * a.step[k];
        i /= a.dim[k];
    }
    return a.rank ? at + i * a.step[0] : 0;
}

struct walk {
    struct wg__walk_axes stay, go;
    int                  cols;   /* results of a block */
    int64_t              blocks; /* of cols results each */
};
enum { COLS = 32 };

static struct walk walk_of(const wg_shape *x, const wg_axes *reduced)
{
    struct wg__walk axes;
    bool            in[WG_MAX_RANK] = {};
    for (int i = 0; i < x->rank; i++) in[i] = reduced->n < 0;
    for (int k = 0; k < reduced->n; k++) in[axis_of(reduced->axis[k], x->rank)] = true;
    wg__walk_of(x, in, &axes);
    struct walk w = {axes.stay, axes.go, wg__walk_run(&axes) > 1 ? COLS : 1, 0};
    w.blocks = ceil_div(w.stay.n, w.cols);
    return w;
}

/* ---- max_with_index ---- */

struct best {
    int64_t at, number; /* place in x and among the elements that go; number -1: none yet */
};
/* Tells whether b is larger than a, or the first of equals. */
template <class T> DEVICE bool is_better(const T *x, const best &a, const best &b)
{
    if (b.number < 0 || a.number < 0) return b.number >= 0;
    T    p = x[a.at], q = x[b.at];
    bool more = !(q <= p) && p == p, less = !(p <= q) && q == q;
    return more || (!less && b.number < a.number);
}

template <class T> __global__ void __launch_bounds__(BLOCK) largest_of(struct walk w, const T *x, T *y, int64_t *index)
{
    __shared__ best found[BLOCK];
    int             col = (int)threadIdx.x % w.cols, lane = (int)threadIdx.x / w.cols, lanes = BLOCK / w.cols;
    for (int64_t b = blockIdx.x; b < w.blocks; b += gridDim.x) {
        int64_t o = b * w.cols + col;
        best    mine = {0, -1};
        if (o < w.stay.n) {
            int64_t from = place_in(w.stay, o);
            for (int64_t i = lane; i < w.go.n; i += lanes) {
                best next = {from + place_in(w.go, i), i};
                if (is_better(x, mine, next)) mine = next;
            }
        }
        found[threadIdx.x] = mine;
        __syncthreads();
        for (int half = lanes / 2; half; half /= 2) {
            if (lane < half && is_better(x, found[threadIdx.x], found[threadIdx.x + half * w.cols]))
                found[threadIdx.x] = found[threadIdx.x + half * w.cols];
            __syncthreads();
        }
        if (lane == 0 && o < w.stay.n) {
            y[o] = x[found[col].at];
            index[o] = found[col].number;
        }
        __syncthreads();
    }
}

template <class T> static cudaError_t launch_largest(const struct wg__cuda_launch *l)
{
    const wg_call *c = l->call;
    struct walk    w = walk_of(&c->x[0].shape, &((const struct wg__reduce_attr *)c->attr)->axes);
    if (w.stay.n == 0) return cudaSuccess;
    void (*k)(struct walk, const T *, T *, int64_t *) = largest_of<T>;
    WG_LAUNCH(k, grid_of(l, w.blocks), BLOCK, 0, l->stream)
    (w, (const T *)c->x[0].data, (T *)c->y[0].data, (int64_t *)c->y[1].data);
    return cudaGetLastError();
}

#define BY_DTYPE(F, l)                           \
    switch ((l)->call->x[0].dtype) {             \
    case WG_F32: return F<float>(l);             \
    case WG_F64: return F<double>(l);            \
    case WG_I32: return F<int32_t>(l);           \
    case WG_I64: return F<int64_t>(l);           \
    default: return F<uint8_t>(l);               \
    }

static cudaError_t max_with_index(const struct wg__cuda_launch *l) { BY_DTYPE(launch_largest, l) }

/* ---- moments ---- */

/* As on the CPU: Welford 1962 for a thread's elements, Chan, Golub & LeVeque 1979 for two threads. */
struct spread {
    double n, mean, square;
};
DEVICE spread join(const spread &a, const spread &b)
{
    double n = a.n + b.n, apart = b.mean - a.mean;
    if (b.n == 0) return a;
    if (a.n == 0) return b;
    double mean = isfinite(apart) ? a.mean + apart * (b.n / n) : a.mean * (a.n / n) + b.mean * (b.n / n);
    return spread{n, mean, a.square + b.square + apart * apart * (a.n * b.n / n)};
}

template <class T> __global__ void __launch_bounds__(BLOCK) moments_of(struct walk w, const T *x, T *mean, T *var)
{
    __shared__ spread found[BLOCK];
    int               col = (int)threadIdx.x % w.cols, lane = (int)threadIdx.x / w.cols, lanes = BLOCK / w.cols;
    for (int64_t b = blockIdx.x; b < w.blocks; b += gridDim.x) {
        int64_t o = b * w.cols + col;
        spread  mine = {0, 0, 0};
        if (o < w.stay.n) {
            int64_t from = place_in(w.stay, o);
            for (int64_t i = lane; i < w.go.n; i += lanes) {
                double v = (double)x[from + place_in(w.go, i)], away = v - mine.mean;
                mine.n += 1;
                if (isfinite(away)) mine.mean += away / mine.n;
                else mine.mean = mine.mean * ((mine.n - 1) / mine.n) + v / mine.n;
                mine.square += away * (v - mine.mean);
            }
        }
        found[threadIdx.x] = mine;
        __syncthreads();
        for (int half = lanes / 2; half; half /= 2) {
            if (lane < half) found[threadIdx.x] = join(found[threadIdx.x], found[threadIdx.x + half * w.cols]);
            __syncthreads();
        }
        if (lane == 0 && o < w.stay.n) {
            const spread &s = found[col];
            mean[o] = (T)(s.n > 0 ? s.mean : (double)NAN);
            var[o] = (T)(s.n > 0 ? s.square / s.n : (double)NAN);
        }
        __syncthreads();
    }
}

template <class T> static cudaError_t launch_moments(const struct wg__cuda_launch *l)
{
    const wg_call *c = l->call;
    struct walk    w = walk_of(&c->x[0].shape, &((const struct wg__reduce_attr *)c->attr)->axes);
    if (w.stay.n == 0) return cudaSuccess;
    void (*k)(struct walk, const T *, T *, T *) = moments_of<T>;
    WG_LAUNCH(k, grid_of(l, w.blocks), BLOCK, 0, l->stream)
    (w, (const T *)c->x[0].data, (T *)c->y[0].data, (T *)c->y[1].data);
    return cudaGetLastError();
}
static cudaError_t moments(const struct wg__cuda_launch *l)
{
    return l->call->x[0].dtype == WG_F64 ? launch_moments<double>(l) : launch_moments<float>(l);
}

/* ---- top_k: a block finds the first of a line, then the first of what comes after it, k times ---- */

struct lines {
    int64_t count, n, inner, k;
    bool    smallest;
};
/* Tells whether element i of the line comes before element j in the order. */
template <class T> DEVICE bool comes_before(const T *x, int64_t step, bool smallest, int64_t i, int64_t j)
{
    T    a = x[i * step], b = x[j * step];
    bool more = a > b || (a != a && b == b), less = a < b || (b != b && a == a);
    return more || less ? more != smallest : i < j;
}

template <class T> __global__ void __launch_bounds__(BLOCK) first_of(struct lines s, const T *x, T *y, int64_t *index)
{
    __shared__ int64_t found[BLOCK];
    for (int64_t line = blockIdx.x; line < s.count; line += gridDim.x) {
        const T *from = x + line / s.inner * s.n * s.inner + line % s.inner;
        int64_t  to = line / s.inner * s.k * s.inner + line % s.inner, before = -1;
        for (int64_t k = 0; k < s.k; k++, to += s.inner) {
            int64_t mine = -1;
            for (int64_t i = threadIdx.x; i < s.n; i += BLOCK) {
                bool after = before < 0 || comes_before(from, s.inner, s.smallest, before, i);
                if (after && (mine < 0 || comes_before(from, s.inner, s.smallest, i, mine))) mine = i;
            }
            found[threadIdx.x] = mine;
            __syncthreads();
            for (int half = BLOCK / 2; half; half /= 2) {
                if ((int)threadIdx.x < half) {
                    int64_t a = found[threadIdx.x], b = found[threadIdx.x + half];
                    if (a < 0 || (b >= 0 && comes_before(from, s.inner, s.smallest, b, a))) found[threadIdx.x] = b;
                }
                __syncthreads();
            }
            before = found[0];
            if (threadIdx.x == 0) {
                y[to] = from[before * s.inner];
                index[to] = before;
            }
            __syncthreads();
        }
    }
}

template <class T> static cudaError_t launch_top_k(const struct wg__cuda_launch *l)
{
    const wg_call                *c = l->call;
    const struct wg__top_k_attr *a = (const struct wg__top_k_attr *)c->attr;
    int                           axis = axis_of(a->axis, c->x[0].shape.rank);
    struct split                  p = split_at(&c->x[0].shape, axis, axis + 1);
    struct lines                  s = {p.outer * p.inner, p.n, p.inner, a->k, a->smallest != 0};
    if (s.count == 0 || s.k == 0) return cudaSuccess;
    void (*k)(struct lines, const T *, T *, int64_t *) = first_of<T>;
    WG_LAUNCH(k, grid_of(l, s.count), BLOCK, 0, l->stream)
    (s, (const T *)c->x[0].data, (T *)c->y[0].data, (int64_t *)c->y[1].data);
    return cudaGetLastError();
}
static cudaError_t top_k(const struct wg__cuda_launch *l) { BY_DTYPE(launch_top_k, l) }

/* ---- split: one copy for each piece ---- */

template <class D> struct piece {
    D       width;          /* of a row of the piece */
    int64_t row, at, count; /* width of a row of x, where the piece begins in it, elements of the piece */
};
template <class U, class D> __global__ void __launch_bounds__(BLOCK) split_units(struct piece<D> p, const U *x, U *y)
{
    int64_t every = (int64_t)gridDim.x * BLOCK;
    for (int64_t e = (int64_t)blockIdx.x * BLOCK + threadIdx.x; e < p.count; e += every) {
        typename D::index col = (typename D::index)e, row = divide(p.width, &col);
        y[e] = x[(int64_t)row * p.row + p.at + (int64_t)col];
    }
}

template <class U, class D>
static cudaError_t launch_piece(const struct wg__cuda_launch *l, int k, struct split s, int64_t at, int64_t width)
{
    const int64_t   unit = (int64_t)sizeof(U);
    struct piece<D> p = {D::by(width / unit), s.n * s.inner / unit, at / unit, s.outer * width / unit};
    void (*kernel)(struct piece<D>, const U *, U *) = split_units<U, D>;
    WG_LAUNCH(kernel, grid_of(l, ceil_div(p.count, BLOCK)), BLOCK, 0, l->stream)
    (p, (const U *)l->call->x[0].data, (U *)l->call->y[k].data);
    return cudaGetLastError();
}

static cudaError_t split_pieces(const struct wg__cuda_launch *l)
{
    const wg_call               *c = l->call;
    const struct wg__split_attr *a = (const struct wg__split_attr *)c->attr;
    int                          axis = axis_of(a->axis, c->x[0].shape.rank);
    struct split                 s = split_at(&c->x[0].shape, axis, axis + 1);
    cudaError_t (*launch)(const struct wg__cuda_launch *, int, struct split, int64_t, int64_t), status = cudaSuccess;
    s.inner *= (int64_t)wg_dtype_size(c->x[0].dtype);
    int64_t bytes = s.outer * s.n * s.inner, at = 0;
    for (int k = 0; k < c->m && bytes && status == cudaSuccess; k++) {
        int64_t            width = a->size.at[k] * s.inner;
        struct unit_choice u = {};
        unit_with(&u, s.n * s.inner);
        unit_with(&u, width);
        unit_with(&u, at);
        unit_at(&u, c->x[0].data);
        unit_at(&u, c->y[k].data);
        BY_UNIT(launch, launch_piece, unit_of(&u), bytes / unit_of(&u))
        if (width) status = launch(l, k, s, at, width);
        at += width;
    }
    return status;
}

const struct wg__cuda_op wg__cuda_result_ops[] = {{"max_with_index", max_with_index, NULL},
                                                  {"moments", moments, NULL},
                                                  {"top_k", top_k, NULL},
                                                  {"split", split_pieces, NULL},
                                                  {NULL, NULL, NULL}};
