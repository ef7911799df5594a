/* Tensors as nested lists of JSON. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json/json_impl.h"
#include "base/number/number.h"
#include "serve/protocol/tensor_json.h"

/* ---- Values: element i of dense data, in at most LONGEST bytes; how many ---- */

enum { LONGEST = WG__JSON_REAL, CHUNK = 256 };

static int write_word(const char *word, char *to)
{
    size_t n = strlen(word);
    memcpy(to, word, n);
    return (int)n;
}

static int write_f32(const void *data, int64_t i, char *to) { return wg__json_put_float(((const float *)data)[i], to); }
static int write_f64(const void *data, int64_t i, char *to)
{
    return wg__json_put_double(((const double *)data)[i], to);
}
static int write_i32(const void *data, int64_t i, char *to)
{
    return snprintf(to, LONGEST, "%" PRId32, ((const int32_t *)data)[i]);
}
static int write_i64(const void *data, int64_t i, char *to)
{
    return snprintf(to, LONGEST, "%" PRId64, ((const int64_t *)data)[i]);
}
static int write_u8(const void *data, int64_t i, char *to)
{
    return snprintf(to, LONGEST, "%u", ((const uint8_t *)data)[i]);
}
static int write_bool(const void *data, int64_t i, char *to)
{
    return write_word(((const uint8_t *)data)[i] ? "true" : "false", to);
}

typedef int write_element(const void *data, int64_t i, char *to);

static write_element *const writers[WG_DTYPES] = {
    [WG_F32] = write_f32, [WG_F64] = write_f64, [WG_I32] = write_i32,
    [WG_I64] = write_i64, [WG_U8] = write_u8,   [WG_BOOL] = write_bool,
};

static int write_f32_null(const void *data, int64_t i, char *to)
{
    float v = ((const float *)data)[i];
    return isfinite(v) ? wg__shortest_float(v, to) : write_word("null", to);
}
static int write_f64_null(const void *data, int64_t i, char *to)
{
    double v = ((const double *)data)[i];
    return isfinite(v) ? wg__shortest_double(v, to) : write_word("null", to);
}

bool wg__all_finite(wg_dtype type, int64_t n, const void *data)
{
    bool all = true;
    if (type == WG_F32)
        for (int64_t i = 0; i < n; i++) all &= isfinite(((const float *)data)[i]) != 0;
    if (type == WG_F64)
        for (int64_t i = 0; i < n; i++) all &= isfinite(((const double *)data)[i]) != 0;
    return all;
}

/* ---- Lists ---- */

static void write_list(struct wg__text *t, write_element *write, int64_t n, const void *data)
{
    wg__text_add(t, "[", 1);
    for (int64_t i = 0; i < n; i++) {
        if (i % CHUNK == 0 && wg__text_is_late(t)) return;
        if (i % CHUNK == 0 && !wg__text_reserve(t, (size_t)(n - i < CHUNK ? n - i : CHUNK) * (LONGEST + 1))) return;
        if (i > 0) t->at[t->n++] = ',';
        t->n += (size_t)write(data, i, t->at + t->n);
    }
    wg__text_add(t, "]", 1);
}

void wg__text_flat(struct wg__text *t, wg_dtype type, int64_t n, const void *data)
{
    write_list(t, writers[type], n, data);
}

void wg__text_flat_null(struct wg__text *t, wg_dtype type, int64_t n, const void *data)
{
    write_list(t, type == WG_F32 ? write_f32_null : type == WG_F64 ? write_f64_null : writers[type], n, data);
}

/* Writes the axes of s from `axis` on; returns where the data behind them are. */
static const char *write_nested(struct wg__text *t, wg_dtype type, const wg_shape *s, int axis, const char *data)
{
    int64_t n = s->dim[axis];
    if (axis == s->rank - 1) {
        wg__text_flat(t, type, n, data);
        return data + (size_t)n * wg_dtype_size(type);
    }
    wg__text_add(t, "[", 1);
    for (int64_t i = 0; i < n && !t->failed; i++) {
        if (i > 0) wg__text_add(t, ",", 1);
        data = write_nested(t, type, s, axis + 1, data);
    }
    wg__text_add(t, "]", 1);
    return data;
}

void wg__text_tensor(struct wg__text *t, wg_dtype type, const wg_shape *s, const void *data)
{
    if (s->rank > 0) write_nested(t, type, s, 0, data);
    else if (wg__text_reserve(t, LONGEST)) t->n += (size_t)writers[type](data, 0, t->at + t->n);
}
