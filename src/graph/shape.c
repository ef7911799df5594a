/* Dtypes, shapes, and how they are written in messages. */
#include <math.h>
#include <string.h>

#include "graph/graph_impl.h"

size_t wg_dtype_size(wg_dtype t)
{
    static const uint8_t size[WG_DTYPES] = {
#define X(name, type, text) [WG_##name] = sizeof(type),
        WG_DTYPE_MAP(X)
#undef X
    };
    return (unsigned)t < WG_DTYPES ? size[t] : 0;
}

const char *wg_dtype_name(wg_dtype t)
{
    static const char *const text[WG_DTYPES] = {
#define X(name, type, text) [WG_##name] = text,
        WG_DTYPE_MAP(X)
#undef X
    };
    return (unsigned)t < WG_DTYPES ? text[t] : "?";
}

wg_shape wg_shape_make(int rank, const int64_t *dim)
{
    wg_shape s = {.rank = rank > 0 && !dim ? -1
                                           : rank}; /* an invalid rank, which every call that takes the shape refuses */
    for (int i = 0; dim && i < rank && i < WG_MAX_RANK; i++) s.dim[i] = dim[i];
    return s;
}

wg_axes wg_axes_make(int n, const int *axis)
{
    wg_axes a = {.n = n > 0 && !axis ? WG_MAX_RANK + 1 : n};
    for (int i = 0; axis && i < n && i < WG_MAX_RANK; i++) a.axis[i] = axis[i];
    return a;
}

int64_t wg_count(const wg_shape *s)
{
    int64_t n = 1;
    if (!s || s->rank < 0 || s->rank > WG_MAX_RANK) return -1;
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0) return -1;
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] == 0) return 0; /* whatever the others are */
    for (int i = 0; i < s->rank; i++)
        if (__builtin_mul_overflow(n, s->dim[i], &n)) return INT64_MAX;
    return n;
}

size_t wg__bytes(wg_dtype t, const wg_shape *s)
{
    int64_t n = wg_count(s);
    size_t  bytes;
    return n < 0 || __builtin_mul_overflow((size_t)n, wg_dtype_size(t), &bytes) || bytes > PTRDIFF_MAX / 2 ? SIZE_MAX
                                                                                                           : bytes;
}

bool wg__shape_equal(const wg_shape *a, const wg_shape *b)
{
    return a->rank == b->rank && memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) == 0;
}

bool wg__shape_countable(const wg_shape *s)
{
    int64_t n = 8; /* a stride in bytes is a number too */
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] > 0 && __builtin_mul_overflow(n, s->dim[i], &n)) return false;
    return true;
}

/* Checks that the rank and every dimension are possible; false with an error on g where not. */
bool wg__shape_valid(wg_graph *g, const char *who, const wg_shape *s)
{
    char name[32];
    if (s->rank < 0 || s->rank > WG_MAX_RANK) {
        wg__fail(g, WG_EARG, "%s: rank %d is outside 0..%d", who, s->rank, WG_MAX_RANK);
        return false;
    }
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0 && !*wg_dim_name(g, s->dim[i], name, sizeof name)) {
            wg__fail(g, WG_EARG, "%s: dimension %d is %lld", who, i, (long long)s->dim[i]);
            return false;
        }
    if (!wg__shape_countable(s)) {
        char text[200];
        wg__fail(g, WG_ESHAPE, "%s: the sizes of %s have no product in 64 bits", who,
                 wg__shape_str(g, s, text, sizeof text));
        return false;
    }
    return true;
}

const char *wg__shape_str(const wg_graph *g, const wg_shape *s, char *buf, size_t n)
{
    size_t k = 0;
    char   dim[48];
    wg__append(buf, n, &k, "[");
    for (int i = 0; i < s->rank && i < WG_MAX_RANK; i++) {
        if (!*wg_dim_name(g, s->dim[i], dim, sizeof dim)) snprintf(dim, sizeof dim, "%lld", (long long)s->dim[i]);
        wg__append(buf, n, &k, "%s%s", i ? "," : "", dim);
    }
    wg__append(buf, n, &k, "]");
    return buf;
}

const char *wg__node_str(const wg_node *x, char *buf, size_t n)
{
    size_t k = 0;
    char   shape[96];
    if (!x) {
        snprintf(buf, n, "NULL");
        return buf;
    }
    const char *name = x->name ? x->name : x->origin && x->origin->name ? x->origin->name : ""; /* origin: on a tape */
    wg__append(buf, n, &k, "%s%s", name, wg__shape_str(x->g, x->shape, shape, sizeof shape));
    return buf;
}

const char *wg__node_label(const wg_node *x, char *buf, size_t n)
{
    char shape[96];
    if (!x || x->name || (x->origin && x->origin->name)) return wg__node_str(x, buf, n);
    wg__shape_str(x->g, x->shape, shape, sizeof shape);
    if (x->kind == WG__INPUT) snprintf(buf, n, "input%d%s", x->origin ? x->origin->id : x->id, shape);
    else snprintf(buf, n, "%s%s", wg_node_kind(x), shape);
    return buf;
}

/* Compares instead of converting: a conversion would raise an exception, which a program may trap. */
bool wg__is_finite_as(wg_dtype t, double v)
{
    static const double beyond_f32 = 0x1.ffffffp127; /* halfway to 2^128: from here on rounding gives infinity */
    return isfinite(v) && (t != WG_F32 || fabs(v) < beyond_f32);
}

double wg__load(wg_dtype t, const void *data, int64_t i)
{
    switch (t) {
#define X(name, type, text) \
    case WG_##name: return (double)((const type *)data)[i];
        WG_DTYPE_MAP(X)
#undef X
    case WG_DTYPES: break;
    }
    return NAN;
}

/* Stores a double as element i, converted as by wg_cast: clipped to the range, NaN to 0, bool by != 0. */
void wg__store(wg_dtype t, void *data, int64_t i, double v)
{
    double lo = t == WG_I32 ? INT32_MIN : t == WG_I64 ? -0x1p63 : 0;
    double hi = t == WG_I32 ? INT32_MAX : t == WG_I64 ? 0x1p63 : UINT8_MAX;
    double clipped = v != v ? 0 : v < lo ? lo : v > hi ? hi : v;
    switch (t) {
    case WG_F32: ((float *)data)[i] = (float)v; return;
    case WG_F64: ((double *)data)[i] = v; return;
    case WG_I32: ((int32_t *)data)[i] = (int32_t)clipped; return;
    case WG_I64: ((int64_t *)data)[i] = clipped >= 0x1p63 ? INT64_MAX : (int64_t)clipped; return;
    case WG_U8: ((uint8_t *)data)[i] = (uint8_t)clipped; return;
    case WG_BOOL: ((uint8_t *)data)[i] = v != 0; return;
    case WG_DTYPES: return;
    }
}

bool wg__holds(wg_dtype t, double v)
{
    static const struct {
        double lo, hi; /* hi is the first number beyond */
    } range[WG_DTYPES] = {
        [WG_I32] = {INT32_MIN, 0x1p31}, [WG_I64] = {-0x1p63, 0x1p63}, [WG_U8] = {0, 256}, [WG_BOOL] = {0, 2}};
    if (t == WG_F64) return true;
    if (t == WG_F32) return !isfinite(v) || wg__is_finite_as(t, v);
    if (isnan(v)) return false;
    return v >= range[t].lo && v < range[t].hi && v == trunc(v);
}

void wg__take(wg_dtype t, void *to, const void *from, size_t bytes)
{
    uint8_t       *y = to;
    const uint8_t *x = from;
    if (t == WG_BOOL)
        for (size_t i = 0; i < bytes; i++) y[i] = x[i] != 0;
    else if (bytes && to != from) memcpy(to, from, bytes);
}
