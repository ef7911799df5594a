/* Text that grows, and JSON values written into it. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "serve/json/json_impl.h"

/* ---- Text ---- */

void wg__text_free(struct wg__text *t)
{
    free(t->at);
    wg__budget_give(t->budget, t->size);
    *t = (struct wg__text){.budget = t->budget};
}

/* Looks at the clock now and then: who writes megabytes has to notice that nobody waits any more. */
static bool is_late(struct wg__text *t)
{
    enum { BYTES = 16384 };
    struct timespec now;
    if (!t->until_ns || t->n < t->looked + BYTES) return t->failed;
    t->looked = t->n;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if ((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec <= t->until_ns) return t->failed;
    return t->failed = t->late = true;
}

/* Room for n more bytes. */
static bool reserve(struct wg__text *t, size_t n)
{
    if (t->failed) return false;
    if (t->size - t->n >= n) return true;
    size_t need = t->n + n, size = t->size ? t->size : 256;
    while (size < need && size <= SIZE_MAX / 2) size *= 2;
    bool  taken = need >= n && size >= need && wg__budget_take(t->budget, size - t->size);
    char *at = taken ? realloc(t->at, size) : NULL;
    if (!at) {
        if (taken) wg__budget_give(t->budget, size - t->size);
        t->failed = true;
        return false;
    }
    t->at = at;
    t->size = size;
    return true;
}

void wg__text_add(struct wg__text *t, const char *bytes, size_t n)
{
    if (n == 0 || !reserve(t, n)) return;
    memcpy(t->at + t->n, bytes, n);
    t->n += n;
}

void wg__text_say(struct wg__text *t, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    if (n < 0) t->failed = true;
    if (n < 0 || !reserve(t, (size_t)n + 1)) return;
    va_start(ap, format);
    vsnprintf(t->at + t->n, (size_t)n + 1, format, ap);
    va_end(ap);
    t->n += (size_t)n;
}

/* ---- Strings ---- */

/* The escape of c, or NULL if it needs none. */
static const char *escape(unsigned char c, char to[8])
{
    static const char from[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char       *at = c ? strchr(from, c) : NULL;
    if (at) snprintf(to, 8, "\\%c", names[at - from]);
    else if (c < 0x20) snprintf(to, 8, "\\u%04x", c);
    return at || c < 0x20 ? to : NULL;
}

void wg__text_string(struct wg__text *t, const char *s)
{
    char        buffer[8];
    const char *end = s + strlen(s), *kept = s; /* from kept to s nothing has to change */
    wg__text_add(t, "\"", 1);
    while (s < end) {
        int         n = wg__json_utf8(s, end);
        const char *other = n == 0 ? "\xef\xbf\xbd" : n == 1 ? escape((unsigned char)*s, buffer) : NULL;
        if (other) {
            wg__text_add(t, kept, (size_t)(s - kept));
            wg__text_add(t, other, strlen(other));
        }
        s += n ? n : 1;
        if (other) kept = s;
    }
    wg__text_add(t, kept, (size_t)(s - kept));
    wg__text_add(t, "\"", 1);
}

/* ---- Values: element i of dense data, in at most LONGEST bytes; how many ---- */

enum { LONGEST = 32, CHUNK = 256 };

static int write_word(const char *word, char *to)
{
    size_t n = strlen(word);
    memcpy(to, word, n);
    return (int)n;
}

static const char *no_number(double v) { return isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity"; }

static int write_float(float v, char *to)
{
    return isfinite(v) ? wg__shortest_float(v, to) : write_word(no_number((double)v), to);
}
static int write_double(double v, char *to)
{
    return isfinite(v) ? wg__shortest_double(v, to) : write_word(no_number(v), to);
}

static int write_f32(const void *data, int64_t i, char *to) { return write_float(((const float *)data)[i], to); }
static int write_f64(const void *data, int64_t i, char *to) { return write_double(((const double *)data)[i], to); }
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

void wg__text_float(struct wg__text *t, float v)
{
    if (reserve(t, LONGEST)) t->n += (size_t)write_float(v, t->at + t->n);
}
void wg__text_double(struct wg__text *t, double v)
{
    if (reserve(t, LONGEST)) t->n += (size_t)write_double(v, t->at + t->n);
}

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
        if (i % CHUNK == 0 && is_late(t)) return;
        if (i % CHUNK == 0 && !reserve(t, (size_t)(n - i < CHUNK ? n - i : CHUNK) * (LONGEST + 1))) return;
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

/* The axes of s from `axis`; where the data behind them are. */
static const char *nest(struct wg__text *t, wg_dtype type, const wg_shape *s, int axis, const char *data)
{
    int64_t n = s->dim[axis];
    if (axis == s->rank - 1) {
        wg__text_flat(t, type, n, data);
        return data + (size_t)n * wg_dtype_size(type);
    }
    wg__text_add(t, "[", 1);
    for (int64_t i = 0; i < n && !t->failed; i++) {
        if (i > 0) wg__text_add(t, ",", 1);
        data = nest(t, type, s, axis + 1, data);
    }
    wg__text_add(t, "]", 1);
    return data;
}

void wg__text_tensor(struct wg__text *t, wg_dtype type, const wg_shape *s, const void *data)
{
    if (s->rank > 0) nest(t, type, s, 0, data);
    else if (reserve(t, LONGEST)) t->n += (size_t)writers[type](data, 0, t->at + t->n);
}
