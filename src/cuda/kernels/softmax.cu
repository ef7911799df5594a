/* softmax.cu - softmax, log_softmax and cross_entropy over rows.
 *
 *   up to 512 elements      a group of lanes for each row, elements in registers
 *   (f64: 256)              (more of them leave room for one block only)
 *   what shared memory has  a block for each row, elements in shared memory
 *   beyond                  a block for each row, which is read twice: once for
 *                           the largest and the sum together, once for the result
 *
 * Infinite elements give what src/cpu/kernels/softmax.h gives.
 *
 * Hot kernels, that may not spill: softmax_in_registers, softmax_in_shared,
 * softmax_online, losses_by_groups, losses_by_blocks. */
#include "cuda/kernels/fold.cuh"

enum { SHARED = 40960, LONGEST_IN_LANES = 1024 };
/* Elements that a lane has registers for. */
template <class T> struct most_in_lane {
    enum { N = 64 / sizeof(T) };
};

/* y[i] from a row's largest element and what is to be done with the sum. */
template <class T, bool LOG> struct result {
    T m, k;
    /* sum: of e^(x - shift(m)) */
    __device__ __forceinline__ result(T largest, T sum)
        : m(largest), k(LOG                            ? log(sum)
                        : shift_of(largest) == largest ? 1 / sum
                                                       : (T)NAN)
    {
    }
    __device__ __forceinline__ T of(T x) const { return LOG ? (x - m) - k : exp(x - m) * k; }
};

/* ---- Softmax in registers: K elements a lane, `lanes` lanes a row ---- */

template <class T, bool LOG, int K>
__global__ void __launch_bounds__(BLOCK, 1) softmax_in_registers(int64_t rows, int n, int lanes, const T *x, T *y)
{
    int     per_warp = WARP / lanes, lane = (int)threadIdx.x % WARP, j = lane & (lanes - 1);
    int64_t warp = (int64_t)blockIdx.x * WARPS + threadIdx.x / WARP, step = (int64_t)gridDim.x * WARPS * per_warp;
    for (int64_t first = warp * per_warp; first < rows; first += step) {
        int64_t r = first + lane / lanes, width = r < rows ? n : 0;
        T       v[K], m, s = 0;
        UNROLL
        for (int k = 0; k < K; k++) v[k] = j + k * lanes < width ? x[r * n + j + k * lanes] : -(T)INFINITY;
        m = v[0];
        UNROLL
        for (int k = 1; k < K; k++) m = max_fold<T>::fold(m, v[k]);
        m = fold_lanes<max_fold<T>>(m, lanes);
        T shift = shift_of(m);
        UNROLL
        for (int k = 0; k < K; k++) {
            T e = exp(v[k] - shift);
            if (!LOG) v[k] = e;
            s += e;
        }
        s = fold_lanes<sum_fold<T>>(s, lanes);
        result<T, LOG> f(m, s);
        UNROLL
        for (int k = 0; k < K; k++)
            if (j + k * lanes < width) y[r * n + j + k * lanes] = LOG ? f.of(v[k]) : v[k] * f.k;
    }
}

/* ---- Softmax of a row in shared memory ---- */

template <class T, bool LOG>
__global__ void __launch_bounds__(BLOCK, 1) softmax_in_shared(int64_t rows, int n, const T *x, T *y)
{
    extern __shared__ __align__(16) unsigned char wg_shared[];
    T                                            *v = (T *)(void *)wg_shared;
    for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
        const T *from = x + r * n;
        T       *to = y + r * n, m = -(T)INFINITY, s = 0;
        bool     aligned = quads_at(from) && quads_at(to);
        int      i = 4 * (int)threadIdx.x;
        for (; i + 4 <= n; i += 4 * BLOCK) {
            quad<T> q = load4(from + i, aligned);
            store4(v + i, true, q);
            UNROLL
            for (int k = 0; k < 4; k++) m = max_fold<T>::fold(m, q.v[k]);
        }
        for (; i < n; i++) m = max_fold<T>::fold(m, v[i] = from[i]);
        m = fold_block<max_fold<T>>(m);
        T shift = shift_of(m);
        for (i = 4 * (int)threadIdx.x; i < n; i += 4 * BLOCK) UNROLL
        for (int k = 0; k < 4; k++) {
            T e = i + k < n ? exp(v[i + k] - shift) : (T)0;
            if (!LOG && i + k < n) v[i + k] = e;
            s += e;
        }
        s = fold_block<sum_fold<T>>(s);
        result<T, LOG> f(m, s);
        for (i = 4 * (int)threadIdx.x; i + 4 <= n; i += 4 * BLOCK) {
            quad<T> q = load4(v + i, true);
            UNROLL
            for (int k = 0; k < 4; k++) q.v[k] = LOG ? f.of(q.v[k]) : q.v[k] * f.k;
            store4(to + i, aligned, q);
        }
        for (; i < n; i++) to[i] = LOG ? f.of(v[i]) : v[i] * f.k;
    }
}

/* ---- Softmax of a row that is read twice ---- */

template <class T, bool LOG>
__global__ void __launch_bounds__(BLOCK, 1) softmax_online(int64_t rows, int64_t n, const T *x, T *y)
{
    for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
        const T       *from = x + r * n;
        T             *to = y + r * n;
        exp_sum<T>     a = fold_block<online_fold<T>>(fold_quads<online_fold<T>>(from, 0, n));
        result<T, LOG> f(a.m, a.s);
        bool           aligned = quads_at(from) && quads_at(to);
        int64_t        i = 4 * (int64_t)threadIdx.x;
        for (; i + 4 <= n; i += 4 * BLOCK) {
            quad<T> q = load4(from + i, aligned);
            UNROLL
            for (int k = 0; k < 4; k++) q.v[k] = f.of(q.v[k]);
            store4(to + i, aligned, q);
        }
        for (; i < n; i++) to[i] = f.of(from[i]);
    }
}

/* ---- Cross entropy: -log_softmax(x[r])[label[r]] ---- */

template <class T>
DEVICE void put_loss(const indices &label, int64_t r, int64_t n, const T *x, exp_sum<T> a, T *y, int64_t *fault)
{
    int64_t at = place_of(label, r);
    if (at < 0) note_fault(fault, r);
    y[r] = at < 0 ? (T)NAN : -((x[r * n + at] - a.m) - log(a.s));
}
template <class T>
__global__ void __launch_bounds__(BLOCK, 1)
    losses_by_groups(struct indices label, int64_t rows, int64_t n, int lanes, const T *x, T *y)
{
    int     per_warp = WARP / lanes, lane = (int)threadIdx.x % WARP, j = lane & (lanes - 1);
    int64_t warp = (int64_t)blockIdx.x * WARPS + threadIdx.x / WARP, step = (int64_t)gridDim.x * WARPS * per_warp;
    int64_t fault = NO_FAULT;
    for (int64_t first = warp * per_warp; first < rows; first += step) {
        int64_t    r = first + lane / lanes;
        exp_sum<T> a = online_fold<T>::start();
        if (r < rows) a = fold_strided<online_fold<T>>(x + r * n, 1, j, lanes, n);
        a = fold_lanes<online_fold<T>>(a, lanes);
        if (r < rows && j == 0) put_loss(label, r, n, x, a, y, &fault);
    }
    tell_fault(label, fault);
}
template <class T>
__global__ void __launch_bounds__(BLOCK, 1)
    losses_by_blocks(struct indices label, int64_t rows, int64_t n, const T *x, T *y)
{
    int64_t fault = NO_FAULT;
    for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
        exp_sum<T> a = fold_block<online_fold<T>>(fold_quads<online_fold<T>>(x + r * n, 0, n));
        if (threadIdx.x == 0) put_loss(label, r, n, x, a, y, &fault);
    }
    tell_fault(label, fault);
}

/* ---- Launches ---- */

/* Returns the number of lanes for a row of n elements, `each` for a lane. */
static int lanes_for(int64_t n, int each)
{
    int g = 1;
    while (g < WARP && (int64_t)each * g < n) g *= 2;
    return g;
}

template <class T, bool LOG> static cudaError_t softmax_of(const struct wg__cuda_launch *l)
{
    const wg_shape *shape = &l->call->y->shape;
    int64_t         count = wg_count(shape), n = shape->dim[shape->rank - 1];
    if (count == 0) return cudaSuccess;
    const T     *x = (const T *)l->call->x[0].data;
    T           *y = (T *)l->call->y->data;
    int64_t      rows = count / n;
    cudaStream_t s = l->stream;
    if (n <= WARP * most_in_lane<T>::N) {
        void (*k)(int64_t, int, int, const T *, T *) = n <= 128   ? softmax_in_registers<T, LOG, 4>
                                                       : n <= 256 ? softmax_in_registers<T, LOG, 8>
                                                                  : softmax_in_registers<T, LOG, most_in_lane<T>::N>;
        int lanes = lanes_for(n, 4);
        WG_LAUNCH(k, grid_of(l, ceil_div(rows * lanes, BLOCK)), BLOCK, 0, s)(rows, (int)n, lanes, x, y);
    } else if (n * (int64_t)sizeof(T) <= SHARED) {
        void (*k)(int64_t, int, const T *, T *) = softmax_in_shared<T, LOG>;
        WG_LAUNCH(k, grid_of(l, rows), BLOCK, ((size_t)n * sizeof(T) + 15) / 16 * 16, s)(rows, (int)n, x, y);
    } else {
        void (*k)(int64_t, int64_t, const T *, T *) = softmax_online<T, LOG>;
        WG_LAUNCH(k, grid_of(l, rows), BLOCK, 0, s)(rows, n, x, y);
    }
    return cudaGetLastError();
}
static cudaError_t softmax(const struct wg__cuda_launch *l)
{
    return l->call->y->dtype == WG_F64 ? softmax_of<double, false>(l) : softmax_of<float, false>(l);
}
static cudaError_t log_softmax(const struct wg__cuda_launch *l)
{
    return l->call->y->dtype == WG_F64 ? softmax_of<double, true>(l) : softmax_of<float, true>(l);
}

template <class T> static cudaError_t losses_of(const struct wg__cuda_launch *l)
{
    const wg_tensor *x = l->call->x;
    int64_t          rows = x[0].shape.dim[0], n = x[0].shape.dim[1];
    struct indices   label = {x[1].data, x[1].dtype, false, l->instr, rows, n, l->fault};
    const T         *z = (const T *)x[0].data;
    T               *y = (T *)l->call->y->data;
    if (rows == 0) return cudaSuccess;
    if (n <= LONGEST_IN_LANES) {
        void (*k)(struct indices, int64_t, int64_t, int, const T *, T *) = losses_by_groups<T>;
        int lanes = lanes_for(n, 8);
        WG_LAUNCH(k, grid_of(l, ceil_div(rows * lanes, BLOCK)), BLOCK, 0, l->stream)(label, rows, n, lanes, z, y);
    } else {
        void (*k)(struct indices, int64_t, int64_t, const T *, T *) = losses_by_blocks<T>;
        WG_LAUNCH(k, grid_of(l, rows), BLOCK, 0, l->stream)(label, rows, n, z, y);
    }
    return cudaGetLastError();
}
static cudaError_t cross_entropy(const struct wg__cuda_launch *l)
{
    return l->call->y->dtype == WG_F64 ? losses_of<double>(l) : losses_of<float>(l);
}

const struct wg__cuda_op wg__cuda_softmax_ops[] = {{"softmax", softmax, NULL},
                                                   {"log_softmax", log_softmax, NULL},
                                                   {"cross_entropy", cross_entropy, NULL},
                                                   {NULL, NULL, NULL}};
