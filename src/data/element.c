/* Elements of files: byte order, and narrower types in the smallest dtype that
 * holds all of their values. */
#include <string.h>

#include "data/io_impl.h"
#include "graph/graph_impl.h"

static const struct wg__element table[] = {
#define T(name, kind, size, holds, own, onnx, in_onnx, idx, safetensors, v1, v2) \
    {kind, size, WG_##holds, own(true) + 0, idx, safetensors},
#include "base/dtypes.def"
};
enum { ELEMENTS = sizeof table / sizeof *table };

const struct wg__element *wg__element_of(char kind, unsigned size)
{
    for (int i = 0; i < ELEMENTS; i++)
        if (table[i].kind == kind && table[i].size == size) return &table[i];
    return NULL;
}

const struct wg__element *wg__element_of_idx(uint8_t type)
{
    for (int i = 0; i < ELEMENTS; i++)
        if (type && table[i].idx == type) return &table[i];
    return NULL;
}

const struct wg__element *wg__element_of_safetensors(const char *name)
{
    for (int i = 0; i < ELEMENTS; i++)
        if (strcmp(table[i].safetensors, name) == 0) return &table[i];
    return NULL;
}

const struct wg__element *wg__element_of_dtype(wg_dtype t)
{
    for (int i = 0; i < ELEMENTS; i++)
        if (table[i].own && table[i].dtype == t) return &table[i];
    return NULL;
}

int wg__element_bytes(const struct wg__file_stream *s, const struct wg__element *t, const wg_shape *shape,
                      uint64_t *bytes)
{
    *bytes = wg_count(shape) ? t->size : 0;
    for (int i = 0; i < shape->rank && *bytes; i++)
        if (__builtin_mul_overflow(*bytes, (uint64_t)shape->dim[i], bytes) || *bytes > PTRDIFF_MAX / 2)
            return wg__bad(s->f, WG_EFORMAT, wg__stream_offset(s),
                           "the dimensions announce more bytes than memory has");
    return WG_OK;
}

/* The bytes of any type, wherever they lie. */
typedef uint16_t __attribute__((may_alias, aligned(1))) any16;
typedef uint32_t __attribute__((may_alias, aligned(1))) any32;
typedef uint64_t __attribute__((may_alias, aligned(1))) any64;

void wg__swap_bytes(void *x, size_t n, size_t size)
{
    any16 *h = x;
    any32 *w = x;
    any64 *d = x;
    if (size == 2)
        for (size_t i = 0; i < n; i++) h[i] = __builtin_bswap16(h[i]);
    if (size == 4)
        for (size_t i = 0; i < n; i++) w[i] = __builtin_bswap32(w[i]);
    if (size == 8)
        for (size_t i = 0; i < n; i++) d[i] = __builtin_bswap64(d[i]);
}

/* Converts IEEE 754 binary16 to binary32, which has every value of it. */
static float from_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h >> 15) << 31, exponent = h >> 10 & 31, fraction = h & 1023, bits;
    float    y;
    if (exponent == 0) {
        y = (float)fraction * 0x1p-24f;
        return sign ? -y : y;
    }
    bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13;
    memcpy(&y, &bits, sizeof y);
    return y;
}

/* Converts bfloat16, which is the upper half of a binary32. */
static float from_brain(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float    y;
    memcpy(&y, &bits, sizeof y);
    return y;
}

bool wg__element_widens(const struct wg__element *t) { return t->size != wg_dtype_size(t->dtype); }

void wg__elements_widen(const struct wg__element *t, const void *raw, size_t n, void *out)
{
    const int8_t *i1 = raw;
    const any16  *u2 = raw;
    const any32  *u4 = raw;
    int32_t      *y = out;
    int64_t      *wide = out;
    float        *real = out;
    if (t->kind == 'i' && t->size == 1)
        for (size_t i = 0; i < n; i++) y[i] = (int32_t)i1[i];
    if (t->kind == 'i' && t->size == 2)
        for (size_t i = 0; i < n; i++) y[i] = (int16_t)u2[i];
    if (t->kind == 'u' && t->size == 2)
        for (size_t i = 0; i < n; i++) y[i] = u2[i];
    if (t->kind == 'u' && t->size == 4)
        for (size_t i = 0; i < n; i++) wide[i] = u4[i];
    if (t->kind == 'f' && t->size == 2)
        for (size_t i = 0; i < n; i++) real[i] = from_half(u2[i]);
    if (t->kind == 'B')
        for (size_t i = 0; i < n; i++) real[i] = from_brain(u2[i]);
}

size_t wg__elements_fit(const struct wg__element *t, const void *raw, size_t n)
{
    const any64 *u8 = raw;
    size_t       i = 0;
    if (t->kind != 'u' || t->size != 8) return n;
    while (i < n && u8[i] <= INT64_MAX) i++;
    return i;
}

static int widen_data(struct wg__file_stream *s, const struct wg__element *t, size_t n, void **data)
{
    size_t size = wg_dtype_size(t->dtype), bytes;
    void  *wide = __builtin_mul_overflow(n, size, &bytes) ? NULL : wg__data_alloc(bytes);
    if (!wide) return wg__bad_memory(s->f);
    wg__elements_widen(t, *data, n, wide);
    wg__data_free(*data);
    *data = wide;
    return WG_OK;
}

static int check_fit(struct wg__file_stream *s, const struct wg__element *t, const void *data, size_t n)
{
    size_t   i = wg__elements_fit(t, data, n);
    uint64_t v;
    if (i == n) return WG_OK;
    memcpy(&v, (const char *)data + i * sizeof v, sizeof v);
    return wg__foreign(s->f, WG_EDTYPE, -1, "element %zu is %llu, which no 64-bit integer with a sign holds", i,
                       (unsigned long long)v);
}

/* Makes every byte but 0 a 1: numpy takes any of them for true; here true is 1. */
static void normalise_bools(uint8_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = x[i] != 0;
}

int wg__elements_read(struct wg__file_stream *s, const struct wg__element *t, bool big, wg_array *out)
{
    uint64_t bytes;
    void    *data;
    int      status = wg__element_bytes(s, t, &out->shape, &bytes);
    if (status || (status = wg__stream_take(s, bytes, &data))) return status;
    size_t n = (size_t)bytes / t->size;
    if (big != WG__BIG_HOST) wg__swap_bytes(data, n, t->size);
    if (t->kind == 'b') normalise_bools(data, n);
    status = check_fit(s, t, data, n);
    if (!status && wg__element_widens(t)) status = widen_data(s, t, n, &data);
    if (status) {
        wg__data_free(data);
        return status;
    }
    out->dtype = t->dtype;
    out->data = data;
    return WG_OK;
}
