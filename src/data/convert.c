/* x * scale + shift from one dtype to another, an example at a time. */
#include <math.h>
#include <string.h>

#include "data/batches_impl.h"
#include "graph/graph_impl.h"

enum { BLOCK = 256 };

static void widen(wg_dtype t, const void *x, int64_t n, double *y)
{
    const float   *f32 = x;
    const int32_t *i32 = x;
    const int64_t *i64 = x;
    const uint8_t *u8 = x;
    if (t == WG_F32)
        for (int64_t i = 0; i < n; i++) y[i] = (double)f32[i];
    else if (t == WG_F64) memcpy(y, x, (size_t)n * sizeof *y);
    else if (t == WG_I32)
        for (int64_t i = 0; i < n; i++) y[i] = i32[i];
    else if (t == WG_I64)
        for (int64_t i = 0; i < n; i++) y[i] = (double)i64[i];
    else
        for (int64_t i = 0; i < n; i++) y[i] = u8[i];
}

static void narrow(wg_dtype t, const double *x, int64_t n, void *y)
{
    float *f32 = y;
    if (t == WG_F32)
        for (int64_t i = 0; i < n; i++) f32[i] = (float)x[i];
    else if (t == WG_F64) memcpy(y, x, (size_t)n * sizeof *x);
    else
        for (int64_t i = 0; i < n; i++) wg__store(t, y, i, x[i]);
}

/* Converts the next k elements to f64 and scales them. */
static void load_scaled(const struct wg__source *s, const char *x, int64_t k, double *block)
{
    widen(s->array->dtype, x, k, block);
    for (int64_t j = 0; j < k; j++) block[j] = block[j] * s->scale + s->shift;
}

static void convert(const struct wg__source *s, const char *x, int64_t n, char *y)
{
    double block[BLOCK];
    size_t from = wg_dtype_size(s->array->dtype), to = wg_dtype_size(s->dtype);
    for (int64_t i = 0, k; i < n; i += k) {
        k = n - i < BLOCK ? n - i : BLOCK;
        load_scaled(s, x + (size_t)i * from, k, block);
        narrow(s->dtype, block, k, y + (size_t)i * to);
    }
}

static bool holds(wg_dtype t, double v) { return isfinite(v) && wg__holds(t, trunc(v)); }

int64_t wg__source_misfit(const struct wg__source *s, double *value)
{
    double  block[BLOCK];
    int64_t n = wg_count(&s->array->shape);
    size_t  from = wg_dtype_size(s->array->dtype);
    if (s->copy || s->dtype == WG_F32 || s->dtype == WG_F64 || s->dtype == WG_BOOL) return -1;
    for (int64_t i = 0, k; i < n; i += k) {
        k = n - i < BLOCK ? n - i : BLOCK;
        load_scaled(s, (const char *)s->array->data + (size_t)i * from, k, block);
        for (int64_t j = 0; j < k; j++)
            if (!holds(s->dtype, block[j])) {
                *value = block[j];
                return i + j;
            }
    }
    return -1;
}

static void look_up(size_t size, const char *table, const uint8_t *x, int64_t n, char *y)
{
    for (int64_t i = 0; i < n; i++) memcpy(y + (size_t)i * size, table + x[i] * size, size);
}

/* Prepares the table of a byte's values where the array has bytes: each of the 256 is converted once. */
bool wg__source_prepare(struct wg__source *s)
{
    uint8_t byte[256];
    if (s->scale == 0) s->scale = 1;
    s->copy = s->dtype == s->array->dtype && s->scale == 1 && s->shift == 0;
    s->lookup = NULL;
    if (s->copy || wg_dtype_size(s->array->dtype) != 1) return true;
    if (!(s->lookup = wg__data_alloc(256 * wg_dtype_size(s->dtype)))) return false;
    for (int i = 0; i < 256; i++) byte[i] = (uint8_t)i;
    convert(s, (const char *)byte, 256, s->lookup);
    return true;
}

void wg__source_row(const struct wg__source *s, int64_t index, void *to)
{
    const char *x = (const char *)s->array->data + (size_t)index * s->from;
    size_t      size = wg_dtype_size(s->dtype);
    if (s->from == 0) return;
    if (s->copy) memcpy(to, x, s->from);
    else if (!s->lookup) convert(s, x, s->row, to);
    else if (size == 4) look_up(4, s->lookup, (const uint8_t *)x, s->row, to);
    else if (size == 8) look_up(8, s->lookup, (const uint8_t *)x, s->row, to);
    else look_up(1, s->lookup, (const uint8_t *)x, s->row, to);
}
