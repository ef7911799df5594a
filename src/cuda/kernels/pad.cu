/* pad.cu - operators that set elements into a larger result: pad, concat; and
 * size, which is one number, and iota.  Each element of the result is written once.
 *
 * Hot kernels, that may not spill: pad_units, concat_units. */
#include "cuda/kernels/move.cuh"

#include <string.h>

/* ---- Pad ---- */

/* Returns a unit filled with `value`, in the bytes of one element as src/graph stores it, again and again. */
static unit16 value_unit(wg_dtype t, double v)
{
    union {
        unit16  unit;
        float   f32[4];
        double  f64[2];
        int32_t i32[4];
        int64_t i64[2];
        uint8_t u8[16];
    } u = {};
    double lo = t == WG_I32 ? INT32_MIN : t == WG_I64 ? -9223372036854775808.0 : 0;
    double hi = t == WG_I32 ? INT32_MAX : t == WG_I64 ? 9223372036854775808.0 : UINT8_MAX;
    double whole = v != v ? 0 : v < lo ? lo : v > hi ? hi : v;
    for (int i = 0; i < 16 / (int)wg_dtype_size(t); i++) switch (t) {
        case WG_F32: u.f32[i] = (float)v; break;
        case WG_F64: u.f64[i] = v; break;
        case WG_I32: u.i32[i] = (int32_t)whole; break;
        case WG_I64: u.i64[i] = whole >= hi ? INT64_MAX : (int64_t)whole; break;
        case WG_U8: u.u8[i] = (uint8_t)whole; break;
        default: u.u8[i] = v != 0; break;
        }
    return u.unit;
}

template <class D> struct pad_axes {
    int     rank;
    D       to[WG_MAX_RANK], stride[WG_MAX_RANK];                            /* of the result; between elements of x */
    int64_t before[WG_MAX_RANK], dim[WG_MAX_RANK], step[WG_MAX_RANK], count; /* dim, step: of x */
};
template <class U, class D>
__global__ void __launch_bounds__(BLOCK) pad_units(struct pad_axes<D> p, unit16 value, const U *x, U *y)
{
    int64_t every = (int64_t)gridDim.x * BLOCK;
    U       around;
    memcpy(&around, &value, sizeof around);
    for (int64_t e = (int64_t)blockIdx.x * BLOCK + threadIdx.x; e < p.count; e += every) {
        typename D::index rest = (typename D::index)e;
        int64_t           at = 0;
        bool              in = true;
        UNROLL
        for (int k = WG_MAX_RANK - 1; k >= 0; k--) {
            if (k >= p.rank) continue;
            typename D::index i = rest;
            rest = divide(p.to[k], &i);
            int64_t           from = (int64_t)i - p.before[k];
            typename D::index left = (typename D::index)(from < 0 ? 0 : from);
            int64_t           place = (int64_t)divide(p.stride[k], &left);
            in = in && from >= 0 && left == 0 && place < p.dim[k];
            at += place * p.step[k];
        }
        y[e] = in ? x[at] : around;
    }
}

/* Axes of x within those of the result, merged where that may be, in elements, then units. */
struct padding {
    int     rank;
    int64_t size, before[WG_MAX_RANK], stride[WG_MAX_RANK], dim[WG_MAX_RANK], to[WG_MAX_RANK];
};
/* Reads the padding of a call. An axis that is not padded joins the axis before it. */
static struct padding padding_of(const wg_call *c)
{
    const struct wg__pad_attr *a = (const struct wg__pad_attr *)c->attr;
    struct padding             p = {};
    p.size = (int64_t)wg_dtype_size(c->y->dtype);
    for (int i = 0; i < a->to.rank; i++) {
        int64_t dim = c->x[0].shape.dim[i], to = a->to.dim[i];
        int     k = p.rank - 1;
        if (k >= 0 && dim == to && p.stride[k] == 1) {
            p.before[k] *= to;
            p.dim[k] *= to;
            p.to[k] *= to;
            continue;
        }
        p.before[p.rank] = a->before.dim[i];
        p.stride[p.rank] = dim > 1 ? a->stride.at[i] : 1;
        p.dim[p.rank] = dim;
        p.to[p.rank++] = to;
    }
    if (p.rank == 0) p = padding{1, p.size, {0}, {1}, {1}, {1}};
    return p;
}
static void padding_widen(struct padding *p, const void *x, const void *y)
{
    int last = p->rank - 1;
    if (p->stride[last] != 1) return;
    struct unit_choice u = {(uint64_t)(p->before[last] * p->size)};
    unit_with(&u, p->dim[last] * p->size);
    unit_with(&u, p->to[last] * p->size);
    unit_at(&u, x);
    unit_at(&u, y);
    int64_t by = unit_of(&u) / p->size;
    if (by <= 1) return;
    p->size *= by;
    p->before[last] /= by;
    p->dim[last] /= by;
    p->to[last] /= by;
}

template <class U, class D>
static cudaError_t pad_launch(const struct wg__cuda_launch *l, const struct padding *p, unit16 value)
{
    struct pad_axes<D> a = {
        p->rank, {}, {}, {}, {}, {}, 1
    };
    int64_t step = 1;
    for (int k = p->rank - 1; k >= 0; step *= p->dim[k--]) {
        a.to[k] = D::by(p->to[k]);
        a.stride[k] = D::by(p->stride[k] < p->to[k] ? p->stride[k] : p->to[k]);
        a.before[k] = p->before[k];
        a.dim[k] = p->dim[k];
        a.step[k] = step;
        a.count *= p->to[k];
    }
    void (*k)(struct pad_axes<D>, unit16, const U *, U *) = pad_units<U, D>;
    WG_LAUNCH(k, grid_of(l, ceil_div(a.count, BLOCK)), BLOCK, 0, l->stream)
    (a, value, (const U *)l->call->x[0].data, (U *)l->call->y->data);
    return cudaGetLastError();
}

cudaError_t wg__cuda_pad(const struct wg__cuda_launch *l)
{
    const wg_call *c = l->call;
    cudaError_t (*launch)(const struct wg__cuda_launch *, const struct padding *, unit16);
    struct padding p = padding_of(c);
    int64_t        count = 1;
    if (wg_count(&c->y->shape) == 0) return cudaSuccess;
    padding_widen(&p, c->x[0].data, c->y->data);
    for (int k = 0; k < p.rank; k++) count *= p.to[k];
    BY_UNIT(launch, pad_launch, (int)p.size, count)
    return launch(l, &p, value_unit(c->y->dtype, ((const struct wg__pad_attr *)c->attr)->value));
}

/* ---- Concat: some operands a launch ---- */

enum { PIECES = 16 };
template <class U, class D> struct pieces {
    int      n;
    D        width;             /* of a row of all of them, in units */
    int64_t  count, row, at;    /* units in all; of a row of y; before the first in it */
    int64_t  start[PIECES + 1]; /* of each in a row */
    const U *x[PIECES];
};
template <class U, class D> __global__ void __launch_bounds__(BLOCK) concat_units(struct pieces<U, D> p, U *y)
{
    int64_t step = (int64_t)gridDim.x * BLOCK;
    for (int64_t e = (int64_t)blockIdx.x * BLOCK + threadIdx.x; e < p.count; e += step) {
        typename D::index col = (typename D::index)e, row = divide(p.width, &col);
        const U          *x = p.x[0];
        int64_t           start = 0, end = p.start[1];
        UNROLL
        for (int k = 1; k < PIECES; k++)
            if (k < p.n && (int64_t)col >= p.start[k]) {
                x = p.x[k];
                start = p.start[k];
                end = p.start[k + 1];
            }
        y[(int64_t)row * p.row + p.at + (int64_t)col] = x[(int64_t)row * (end - start) + (int64_t)col - start];
    }
}

/* Operands from `first` on; *next is the first that is left. */
struct concat_job {
    struct split p; /* of the result, inner in bytes */
    int          axis, first, next, unit;
    int64_t      at; /* bytes before the first in a row of y */
};
template <class U, class D> static cudaError_t concat_launch(const struct wg__cuda_launch *l, struct concat_job *j)
{
    const wg_call      *c = l->call;
    struct pieces<U, D> p = {
    };
    for (j->next = j->first; j->next < c->n && p.n < PIECES; j->next++) {
        int64_t width = c->x[j->next].shape.dim[j->axis] * j->p.inner / (int64_t)sizeof(U);
        if (width == 0) continue;
        p.x[p.n] = (const U *)c->x[j->next].data;
        p.start[p.n + 1] = p.start[p.n] + width;
        p.n++;
    }
    int64_t width = p.start[p.n];
    if (width == 0) return cudaSuccess;
    p.width = D::by(width);
    p.count = j->p.outer * width;
    p.row = j->p.n * j->p.inner / (int64_t)sizeof(U);
    p.at = j->at / (int64_t)sizeof(U);
    j->at += width * (int64_t)sizeof(U);
    void (*k)(struct pieces<U, D>, U *) = concat_units<U, D>;
    WG_LAUNCH(k, grid_of(l, ceil_div(p.count, BLOCK)), BLOCK, 0, l->stream)(p, (U *)c->y->data);
    return cudaGetLastError();
}

cudaError_t wg__cuda_concat(const struct wg__cuda_launch *l)
{
    const wg_call *c = l->call;
    cudaError_t (*launch)(const struct wg__cuda_launch *, struct concat_job *), status = cudaSuccess;
    struct concat_job  j = {};
    struct unit_choice u = {};
    int64_t            bytes = wg_count(&c->y->shape) * (int64_t)wg_dtype_size(c->y->dtype);
    if (bytes == 0) return cudaSuccess;
    j.axis = axis_of(((const struct wg__axis_attr *)c->attr)->axis, c->y->shape.rank);
    j.p = split_at(&c->y->shape, j.axis, j.axis + 1);
    j.p.inner *= (int64_t)wg_dtype_size(c->y->dtype);
    unit_at(&u, c->y->data);
    for (int i = 0; i < c->n; i++) {
        unit_with(&u, c->x[i].shape.dim[j.axis] * j.p.inner);
        if (c->x[i].shape.dim[j.axis]) unit_at(&u, c->x[i].data);
    }
    BY_UNIT(launch, concat_launch, unit_of(&u), bytes / unit_of(&u))
    for (; j.first < c->n && status == cudaSuccess; j.first = j.next) status = launch(l, &j);
    return status;
}

/* ---- Size ---- */

static __global__ void store_one(unit16 value, int size, void *y)
{
    if (size == 8) *(uint64_t *)y = (uint64_t)value.v[1] << 32 | value.v[0];
    else if (size == 4) *(uint32_t *)y = value.v[0];
    else *(uint8_t *)y = (uint8_t)value.v[0];
}
cudaError_t wg__cuda_size(const struct wg__cuda_launch *l)
{
    const wg_call              *c = l->call;
    const struct wg__size_attr *a = (const struct wg__size_attr *)c->attr;
    const wg_shape             *s = &c->x[0].shape;
    double                      n = 1;
    for (int i = 0; i < s->rank; i++)
        for (int k = 0; k < (a->axes.n < 0 ? 1 : a->axes.n); k++)
            if (a->axes.n < 0 || axis_of(a->axes.axis[k], s->rank) == i) n *= (double)s->dim[i];
    WG_LAUNCH(store_one, 1, 1, 0, l->stream)
    (value_unit(c->y->dtype, n), (int)wg_dtype_size(c->y->dtype), c->y->data);
    return cudaGetLastError();
}

/* ---- Iota ---- */

__global__ void __launch_bounds__(BLOCK) count_up(int64_t n, int64_t *y)
{
    int64_t every = (int64_t)gridDim.x * BLOCK;
    for (int64_t i = (int64_t)blockIdx.x * BLOCK + threadIdx.x; i < n; i += every) y[i] = i;
}
cudaError_t wg__cuda_iota(const struct wg__cuda_launch *l)
{
    int64_t n = l->call->y->shape.dim[0];
    if (n == 0) return cudaSuccess;
    WG_LAUNCH(count_up, grid_of(l, ceil_div(n, BLOCK)), BLOCK, 0, l->stream)(n, (int64_t *)l->call->y->data);
    return cudaGetLastError();
}
