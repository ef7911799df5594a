/* Helpers of structured operators: axes, splits, copies, indices. */
#include <string.h>

#include "ops/ops_impl.h"

wg_node *wg__bad(const wg_node *x, int status, const char *who, const char *format, ...)
{
    char    head[200], why[240];
    va_list ap;
    if (!x) return NULL;
    va_start(ap, format);
    vsnprintf(why, sizeof why, format, ap);
    va_end(ap);
    wg__fail(x->g, status, "%s(%s): %s", x->g->call ? x->g->call : who, wg__node_str(x, head, sizeof head), why);
    return NULL;
}

/* ---- Axes ---- */

int wg__axis_set(wg_infer *c, const wg_axes *a, int rank, bool in[WG_MAX_RANK])
{
    if (a->n < -1 || a->n > WG_MAX_RANK) return wg_reject(c, WG_EARG, "%d axes are outside of rank %d", a->n, rank);
    for (int i = 0; i < WG_MAX_RANK; i++) in[i] = a->n < 0 && i < rank;
    for (int i = 0; i < a->n; i++) {
        int axis = wg_axis(c, a->axis[i], rank);
        if (axis < 0) return axis;
        if (in[axis]) return wg_reject(c, WG_EARG, "axis %d is named twice", axis);
        in[axis] = true;
    }
    return WG_OK;
}

bool wg__axes_in(const wg_node *x, const char *who, const wg_axes *a, bool in[WG_MAX_RANK])
{
    wg_infer c = {.g = x->g};
    int      status = wg__axis_set(&c, a, x->shape->rank, in);
    if (status) wg__bad(x, status, who, "%s", c.why);
    return status == WG_OK;
}

bool wg__axis_in(const wg_node *x, const char *who, int *axis)
{
    wg_infer c = {.g = x->g};
    int      at = wg_axis(&c, *axis, x->shape->rank);
    if (at < 0) return wg__bad(x, at, who, "%s", c.why), false;
    *axis = at;
    return true;
}

wg_axes wg__axes_list(int rank, const bool in[WG_MAX_RANK])
{
    wg_axes a = {0};
    for (int i = 0; i < rank; i++)
        if (in[i]) a.axis[a.n++] = i;
    return a;
}

bool wg__axes_run(const wg_shape *s, const bool in[WG_MAX_RANK], int *first, int *last)
{
    *first = *last = 0;
    for (int i = 0; i < s->rank; i++) {
        if (!in[i] || s->dim[i] == 1) continue;
        for (int k = *last; *last && k < i; k++)
            if (s->dim[k] != 1) return false;
        if (!*last) *first = i;
        *last = i + 1;
    }
    return true;
}

wg_shape wg__shape_reduced(const wg_shape *s, const bool in[WG_MAX_RANK], int keep)
{
    wg_shape y = {0};
    for (int i = 0; i < s->rank; i++)
        if (!in[i] || keep) y.dim[y.rank++] = in[i] ? 1 : s->dim[i];
    return y;
}

bool wg__dims_valid(const wg_infer *c, const wg_shape *s)
{
    char name[48];
    for (int i = 0; i < s->rank; i++)
        if (!*wg_dim_name(c->g, s->dim[i], name, sizeof name)) return false;
    return true;
}

int wg__dims_product(wg_infer *c, const wg_shape *s, int first, int last, int64_t *y)
{
    int status = WG_OK;
    *y = 1;
    for (int i = first; i < last; i++)
        if (s->dim[i] == 0) {
            *y = 0;
            return WG_OK;
        }
    for (int i = first; i < last && !status; i++) status = wg_dim_mul(c, *y, s->dim[i], y);
    return status;
}

struct wg__split wg__split_at(const wg_shape *s, int first, int last)
{
    struct wg__split p = {1, 1, 1};
    for (int i = 0; i < first; i++) p.outer *= s->dim[i];
    for (int i = first; i < last; i++) p.n *= s->dim[i];
    for (int i = last; i < s->rank; i++) p.inner *= s->dim[i];
    return p;
}

/* ---- Reductions in ONNX ---- */

int wg__say_reduced(wg_onnx_form *f, const char *name, const wg_axes *axes, int keep, int since, const char *of)
{
    bool    in[WG_MAX_RANK] = {0};
    int64_t list[WG_MAX_RANK];
    int     rank = wg_node_shape(wg_node_operand(f->y, 0))->rank;
    if (wg__axis_set(&(wg_infer){0}, axes, rank, in)) return wg_onnx_refuse(f, "its axes are not valid");
    wg_axes a = wg__axes_list(rank, in);
    for (int i = 0; i < a.n; i++) list[i] = a.axis[i];
    if (a.n == 0) return wg_onnx_say(f, "%s", of);
    wg_onnx_say(f, "%s{keepdims=%d", name, !!keep);
    if (f->opset >= since) wg_onnx_say(f, "}(%s,", of);
    else wg_onnx_say(f, ",axes=");
    wg_onnx_say_dims(f, a.n, list);
    return f->opset >= since ? wg_onnx_say(f, ")") : wg_onnx_say(f, "}(%s)", of);
}

int wg__reduce_onnx(wg_onnx_form *f, const wg_axes *axes, int keep, int since)
{
    return wg__say_reduced(f, wg_node_op(f->y)->onnx, axes, keep, since, "x");
}

/* ---- Copies ---- */

struct rows {
    char       *y;
    const char *x;
    int64_t     ystep, xstep, width;
};

static void copy_some_rows(void *context, int64_t begin, int64_t end)
{
    const struct rows *r = context;
    wg__copy_strided(r->y + begin * r->ystep, r->ystep, r->x + begin * r->xstep, r->xstep, end - begin,
                     (size_t)r->width);
}

static void copy_some_bytes(void *context, int64_t begin, int64_t end)
{
    const struct rows *r = context;
    memcpy(r->y + begin, r->x + begin, (size_t)(end - begin));
}

void wg__copy_rows(const wg_call *c, int64_t rows, int64_t width, char *y, int64_t ystep, const char *x, int64_t xstep)
{
    struct rows r = {y, x, ystep, xstep, width};
    if (rows == 0 || width == 0) return;
    if (rows == 1 || (ystep == width && xstep == width)) wg_parallel(c, rows * width, 1 << 18, copy_some_bytes, &r);
    else wg_parallel(c, rows, wg__grain(width), copy_some_rows, &r);
}

struct fill {
    char  *y;
    size_t size;
    char   value[8];
};

static void fill_some(void *context, int64_t begin, int64_t end)
{
    const struct fill *f = context;
    wg__copy_strided(f->y + begin * (int64_t)f->size, (int64_t)f->size, f->value, 0, end - begin, f->size);
}

void wg__fill_tensor(const wg_call *c, const wg_tensor *y, double value)
{
    static const char zero[8];
    union {
        double align;
        char   bytes[8];
    } v = {0};
    struct fill f = {.y = y->data, .size = wg_dtype_size(y->dtype)};
    wg__store(y->dtype, &v, 0, value);
    memcpy(f.value, v.bytes, sizeof f.value);
    if (wg_count(&y->shape) == 0) return;
    if (memcmp(f.value, zero, sizeof zero) == 0) memset(y->data, 0, wg__bytes(y->dtype, &y->shape));
    else wg_parallel(c, wg_count(&y->shape), 1 << 16, fill_some, &f);
}

/* ---- Indices ---- */

int64_t wg__index_at(const wg_tensor *index, int64_t i)
{
    return index->dtype == WG_I32   ? ((const int32_t *)index->data)[i]
           : index->dtype == WG_I64 ? ((const int64_t *)index->data)[i]
                                    : ((const uint8_t *)index->data)[i];
}

/* Resolves n indices of dtype t; false if some are outside of the axis. No branch, so that the compiler can do several
 * at once. */
static inline __attribute__((always_inline)) bool resolve(wg_dtype t, const wg_tensor *index, int64_t n, int64_t size,
                                                          int64_t *to)
{
    uint64_t outside = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = t == WG_I32   ? ((const int32_t *)index->data)[i]
                     : t == WG_I64 ? ((const int64_t *)index->data)[i]
                                   : ((const uint8_t *)index->data)[i];
        at += at < 0 ? size : 0;
        outside |= (uint64_t)at | ((uint64_t)(size - 1) - (uint64_t)at); /* the sign of either */
        to[i] = at;
    }
    return !(outside >> 63);
}

int wg__index_resolve(wg_call *c, const wg_tensor *index, int axis, int64_t size, int64_t *to)
{
    int64_t n = wg_count(&index->shape), i = 0, at = 0;
    bool    inside = index->dtype == WG_I32   ? resolve(WG_I32, index, n, size, to)
                     : index->dtype == WG_I64 ? resolve(WG_I64, index, n, size, to)
                                              : resolve(WG_U8, index, n, size, to);
    if (inside) return WG_OK;
    for (; i < n; i++)
        if ((at = wg__index_at(index, i)) < -size || at >= size) break;
    return wg_reject_run(c, WG_EINDEX, "index %lld at position %lld is outside of axis %d of size %lld", (long long)at,
                         (long long)i, axis, (long long)size);
}

bool wg__is_const(const wg_node *x, double *value)
{
    while (x->op == &wg_op_expand) x = x->x[0];
    if (x->kind != WG__CONST || wg_count(x->shape) != 1) return false;
    *value = wg__load((wg_dtype)x->dtype, x->data, 0);
    return true;
}

wg_node *wg__unchanged(wg_node *x)
{
    bool param = x && x->kind == WG__PARAM;
    return param ? wg_apply(&wg_op_expand, 1, &x, x->shape) : x;
}
