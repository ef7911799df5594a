/* Nested lists to a tensor.  What the lists look like (struct nest) is kept
 * apart from the elements: a row of them is read by a loop made for its dtype. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json/json_impl.h"
#include "serve/protocol/tensor_json.h"

enum { ALIGN = 64, FIRST = 4096 /* bytes */ };

struct fill {
    struct wg__json      *j;
    struct wg__json_data *to;
    wg_dtype              type;
    size_t                used; /* bytes */
};

/* ---- One element: returns where it ends; NULL: no element of this dtype is there ---- */

typedef const char *element(const char *p, const char *end, void *to);

static inline const char *read_f64(const char *p, const char *end, void *to)
{
    double      v;
    const char *stop = wg__json_real(p, end, &v);
    if (!stop || (isinf(v) && wg__digit(stop[-1]))) return NULL;
    memcpy(to, &v, sizeof v);
    return stop;
}

static inline const char *read_f32(const char *p, const char *end, void *to)
{
    double      v;
    const char *stop = wg__json_real(p, end, &v);
    if (!stop) return NULL;
    float f = wg__decimal_narrow(v, p, stop);
    if (isinf(f) && wg__digit(stop[-1])) return NULL;
    memcpy(to, &f, sizeof f);
    return stop;
}

/* Reads a whole number from -most - 1 to most, or from 0 if not negative. */
static inline const char *read_whole(const char *p, const char *end, uint64_t most, bool negative, int64_t *v)
{
    struct wg__decimal d;
    uint64_t           m;
    const char        *stop = wg__decimal_read(p, end, &d);
    if (!stop || wg__decimal_whole(&d, &m) != WG__WHOLE || m > (d.minus ? negative * (most + 1) : most)) return NULL;
    *v = (int64_t)(d.minus ? -m : m);
    return stop;
}

static inline const char *read_i32(const char *p, const char *end, void *to)
{
    int64_t     v;
    const char *stop = read_whole(p, end, INT32_MAX, true, &v);
    if (stop) *(int32_t *)to = (int32_t)v;
    return stop;
}

static inline const char *read_i64(const char *p, const char *end, void *to)
{
    return read_whole(p, end, INT64_MAX, true, to);
}

static inline const char *read_u8(const char *p, const char *end, void *to)
{
    int64_t     v;
    const char *stop = read_whole(p, end, UINT8_MAX, false, &v);
    if (stop) *(uint8_t *)to = (uint8_t)v;
    return stop;
}

static inline const char *read_bool(const char *p, const char *end, void *to)
{
    int64_t v = 1;
    bool    t = end - p >= 4 && !memcmp(p, "true", 4), f = end - p >= 5 && !memcmp(p, "false", 5);
    if (!t && !f) p = read_whole(p, end, 1, false, &v);
    if (p) *(uint8_t *)to = v && !f;
    return p ? p + (t ? 4 : f ? 5 : 0) : NULL;
}

/* ---- Room ---- */

/* Doubles the room, but to no more than the rest of the text can fill: an element and its comma are two bytes. */
static bool grow_data(struct fill *f, const char *p)
{
    size_t size = wg_dtype_size(f->type), most = f->used + ((size_t)(f->j->end - p) / 2 + 1) * size;
    size_t want = f->used ? 2 * f->used : FIRST;
    if (want > most) want = most;
    want = (want + ALIGN - 1) / ALIGN * ALIGN;
    if (wg__json_data_reserve(f->to, f->used, want)) return true;
    wg__json_bad(f->j, p, "memory is short for %lld bytes of a tensor", (long long)want);
    f->j->status = WG__JSON_NO_MEMORY;
    return false;
}

bool wg__json_data_reserve(struct wg__json_data *d, size_t used, size_t size)
{
    if (size <= d->size) return true;
    size = (size + ALIGN - 1) / ALIGN * ALIGN;
    if (!wg__budget_take(d->budget, size)) return false;
    void *data = aligned_alloc(ALIGN, size);
    if (!data) {
        wg__budget_give(d->budget, size);
        return false;
    }
    if (used) memcpy(data, d->data, used);
    free(d->data);
    wg__budget_give(d->budget, d->size);
    d->data = data;
    d->size = size;
    return true;
}

void wg__json_data_free(struct wg__json_data *d)
{
    free(d->data);
    wg__budget_give(d->budget, d->size);
    *d = (struct wg__json_data){.budget = d->budget};
}

/* ---- Rows ---- */

/* Complains why there is no element of the dtype at p. */
static bool refuse(struct fill *f, const char *p)
{
    struct wg__json   *j = f->j;
    struct wg__decimal d;
    uint64_t           m;
    bool               word;
    j->at = p;
    if (wg__json_peek(j) != WG__JSON_NUMBER)
        return f->type == WG_BOOL ? wg__json_bool(j, &word) : wg__json_wrong(j, "a number"); /* false */
    const char *stop = wg__decimal_read(p, j->end, &d), *name = wg_dtype_name(f->type);
    if (!stop) return wg__json_bad(j, NULL, "no JSON number that %s can hold", name);
    int  n = stop - p < 40 ? (int)(stop - p) : 40;
    bool whole = f->type != WG_F32 && f->type != WG_F64;
    if (whole && wg__decimal_whole(&d, &m) == WG__FRACTION)
        return wg__json_bad(j, NULL, "%.*s is no whole number, as %s is", n, p, name);
    return wg__json_bad(j, NULL, "%.*s is out of range of %s", n, p, name);
}

/* Reads elements from p on, separated by commas if many, and sets *count.  Returns where no comma follows an element;
 * NULL after an error. */
typedef const char *row(struct fill *f, const char *p, bool many, int64_t *count);

static inline __attribute__((always_inline)) const char *read_row(struct fill *f, const char *p, bool many,
                                                                  int64_t *count, element read, size_t size)
{
    const char *end = f->j->end;
    char       *at = (char *)f->to->data + f->used, *full = (char *)f->to->data + f->to->size;
    for (*count = 0;;) {
        if ((size_t)(full - at) < size) {
            if (!grow_data(f, p)) return NULL;
            at = (char *)f->to->data + f->used;
            full = (char *)f->to->data + f->to->size;
        }
        const char *stop = read(p, end, at);
        if (!stop) return refuse(f, p), NULL;
        at += size;
        f->used += size;
        ++*count;
        if (!many) return stop;
        stop = wg__json_blanks(stop, end);
        if (stop == end || *stop != ',') return stop;
        p = wg__json_blanks(stop + 1, end);
    }
}

static const char *row_f32(struct fill *f, const char *p, bool many, int64_t *count)
{
    return read_row(f, p, many, count, read_f32, sizeof(float));
}
static const char *row_f64(struct fill *f, const char *p, bool many, int64_t *count)
{
    return read_row(f, p, many, count, read_f64, sizeof(double));
}
static const char *row_i32(struct fill *f, const char *p, bool many, int64_t *count)
{
    return read_row(f, p, many, count, read_i32, sizeof(int32_t));
}
static const char *row_i64(struct fill *f, const char *p, bool many, int64_t *count)
{
    return read_row(f, p, many, count, read_i64, sizeof(int64_t));
}
static const char *row_u8(struct fill *f, const char *p, bool many, int64_t *count)
{
    return read_row(f, p, many, count, read_u8, sizeof(uint8_t));
}
static const char *row_bool(struct fill *f, const char *p, bool many, int64_t *count)
{
    return read_row(f, p, many, count, read_bool, sizeof(uint8_t));
}

static row *const rows[WG_DTYPES] = {
    [WG_F32] = row_f32, [WG_F64] = row_f64, [WG_I32] = row_i32,
    [WG_I64] = row_i64, [WG_U8] = row_u8,   [WG_BOOL] = row_bool,
};

/* ---- Nests ---- */

/* Open lists, from the outermost. */
struct nest {
    int         depth, rank; /* rank: -1 until an element or an empty list shows it */
    int64_t     count[WG_MAX_RANK];
    int64_t     dim[WG_MAX_RANK]; /* -1 until a list of that depth has closed */
    const char *start[WG_MAX_RANK];
};

/* Takes the opening brackets at j->at.  Elements follow, or the end of the last
 * list if *empty. */
static bool open_lists(struct wg__json *j, struct nest *s, bool *empty)
{
    *empty = false;
    for (const char *p = j->at;; p++) {
        j->at = p = wg__json_blanks(p, j->end);
        if (p == j->end || *p != '[') break;
        if (s->depth == s->rank) return wg__json_bad(j, p, "an array where a number belongs");
        if (s->depth == WG_MAX_RANK) return wg__json_bad(j, p, "more than %d dimensions", WG_MAX_RANK);
        if (j->depth + s->depth == WG__JSON_DEPTH) return wg__json_bad(j, p, "nested deeper than %d", WG__JSON_DEPTH);
        s->count[s->depth] = 0;
        s->start[s->depth++] = p;
        *empty = true;
    }
    *empty = *empty && j->at < j->end && *j->at == ']';
    return true;
}

/* Takes elements at j->at, all at the same depth as the elements before. */
static bool take_row(struct fill *f, struct nest *s)
{
    struct wg__json *j = f->j;
    int64_t          count;
    if (s->rank >= 0 && s->depth != s->rank) return wg__json_wrong(j, "an array");
    const char *p = rows[f->type](f, j->at, s->depth > 0, &count);
    if (!p) return false;
    if (s->depth > 0) s->count[s->depth - 1] = count;
    s->rank = s->depth;
    j->at = p;
    return true;
}

static const char *elements(int64_t n) { return n == 1 ? "element" : "elements"; }

/* Ends the last list. */
static bool close_list(struct wg__json *j, struct nest *s)
{
    int     d = --s->depth;
    int64_t n = s->count[d], others = s->dim[d];
    if (others >= 0 && n != others)
        return wg__json_bad(j, s->start[d], "a list of %lld %s where others have %lld", (long long)n, elements(n),
                            (long long)others);
    if (s->rank < 0) s->rank = d + 1; /* an empty list */
    s->dim[d] = n;
    if (d > 0) s->count[d - 1]++;
    return true;
}

/* Takes closing brackets and the comma behind them. */
static bool close_lists(struct wg__json *j, struct nest *s)
{
    while (s->depth > 0) {
        const char *p = j->at = wg__json_blanks(j->at, j->end);
        if (p == j->end || (*p != ']' && *p != ',')) return wg__json_missing(j, p, "',' or ']'");
        j->at++;
        if (*p == ',') return true;
        if (!close_list(j, s)) return false;
    }
    return true;
}

bool wg__json_tensor(struct wg__json *j, wg_dtype t, struct wg__json_data *to)
{
    struct fill f = {.j = j, .to = to, .type = t};
    struct nest s = {.rank = -1};
    bool        empty;
    if (j->status) return false;
    for (int i = 0; i < WG_MAX_RANK; i++) s.dim[i] = -1;
    if (!to->data && !grow_data(&f, j->at)) return false;
    do {
        if (!open_lists(j, &s, &empty)) return false;
        if (!empty && !take_row(&f, &s)) return false;
        if (!close_lists(j, &s)) return false;
    } while (s.depth > 0);
    to->shape = wg_shape_make(s.rank, s.dim);
    return true;
}
