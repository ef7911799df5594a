/* The pull reader: values of known kinds, and any value to pass over. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json/json_impl.h"

void wg__json_open(struct wg__json *j, const char *text, size_t n)
{
    *j = (struct wg__json){.text = text, .at = text, .end = text + n};
}

void wg__json_open_strict(struct wg__json *j, const char *text, size_t n, struct wg__json_keys *keys)
{
    wg__json_open(j, text, n);
    wg__json_keys_forget(keys, 0); /* keys that a text with an error has left */
    j->keys = keys;
}

bool wg__json_bad(struct wg__json *j, const char *at, const char *format, ...)
{
    va_list ap;
    if (j->status) return false;
    j->status = WG__JSON_MALFORMED;
    j->offset = (at ? at : j->at) - j->text;
    va_start(ap, format);
    vsnprintf(j->why, sizeof j->why, format, ap);
    va_end(ap);
    return false;
}

/* ---- Kinds ---- */

static const char *const kinds[][2] = {
    [WG__JSON_BAD] = {"", "nothing"},      [WG__JSON_END] = {"the ", "end of the text"},
    [WG__JSON_OBJECT] = {"an ", "object"}, [WG__JSON_ARRAY] = {"an ", "array"},
    [WG__JSON_STRING] = {"a ", "string"},  [WG__JSON_NUMBER] = {"a ", "number"},
    [WG__JSON_TRUE] = {"", "true"},        [WG__JSON_FALSE] = {"", "false"},
    [WG__JSON_NULL] = {"", "null"},
};

const char *wg__json_kind_name(enum wg__json_kind k) { return kinds[k][1]; }

/* Finds the kind of a value by its first byte. */
static enum wg__json_kind kind_of(char c)
{
    switch (c) {
    case '{': return WG__JSON_OBJECT;
    case '[': return WG__JSON_ARRAY;
    case '"': return WG__JSON_STRING;
    case 't': return WG__JSON_TRUE;
    case 'f': return WG__JSON_FALSE;
    case 'n': return WG__JSON_NULL;
    case '-':
    case 'N':
    case 'I': return WG__JSON_NUMBER;
    default: return wg__digit(c) ? WG__JSON_NUMBER : WG__JSON_BAD;
    }
}

bool wg__json_missing(struct wg__json *j, const char *p, const char *what)
{
    if (p == j->end) return wg__json_bad(j, p, "the end of the text where %s belongs", what);
    unsigned char c = (unsigned char)*p;
    if (c > ' ' && c < 0x7f) return wg__json_bad(j, p, "'%c' where %s belongs", c, what);
    if (j->end - p >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
        return wg__json_bad(j, p, "a byte order mark where %s belongs", what);
    return wg__json_bad(j, p, "byte 0x%02x where %s belongs", c, what);
}

enum wg__json_kind wg__json_peek(struct wg__json *j)
{
    if (j->status) return WG__JSON_BAD;
    const char *p = wg__json_blanks(j->at, j->end);
    if (p == j->end) return WG__JSON_END;
    enum wg__json_kind k = kind_of(*p);
    if (k == WG__JSON_BAD) wg__json_missing(j, p, "a value");
    return k;
}

bool wg__json_wrong(struct wg__json *j, const char *what)
{
    enum wg__json_kind k = wg__json_peek(j);
    const char        *p = wg__json_blanks(j->at, j->end);
    return wg__json_bad(j, p, "%s%s where %s belongs", kinds[k][0], kinds[k][1], what);
}

bool wg__json_want(struct wg__json *j, enum wg__json_kind k)
{
    char what[32];
    snprintf(what, sizeof what, "%s%s", kinds[k][0], kinds[k][1]);
    if (wg__json_peek(j) != k) return wg__json_wrong(j, what);
    j->at = wg__json_blanks(j->at, j->end);
    return true;
}

/* ---- Numbers ---- */

const char *wg__json_word(const char *p, const char *end, double *v)
{
    static const struct {
        const char *text;
        size_t      n;
        double      value;
    } words[] = {{"NaN", 3, __builtin_nan("")}, {"Infinity", 8, __builtin_inf()}, {"-Infinity", 9, -__builtin_inf()}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if ((size_t)(end - p) < words[i].n || memcmp(p, words[i].text, words[i].n) != 0) continue;
        *v = words[i].value;
        return p + words[i].n;
    }
    return NULL;
}

const char *wg__json_number(const char *at, const char *end, double *v) { return wg__json_real(at, end, v); }

/* ---- Objects and arrays ---- */

static bool enter(struct wg__json *j, enum wg__json_kind k)
{
    if (!wg__json_want(j, k)) return false;
    if (j->depth == WG__JSON_DEPTH) return wg__json_bad(j, NULL, "nested deeper than %d", WG__JSON_DEPTH);
    j->depth++;
    j->at++;
    return true;
}

bool wg__json_object(struct wg__json *j) { return enter(j, WG__JSON_OBJECT); }
bool wg__json_array(struct wg__json *j) { return enter(j, WG__JSON_ARRAY); }

/* Tells whether a member follows in what began with `open`: at its start, or after a comma.  Takes the comma or the
 * closing bracket.  No value ends with an opening bracket, so the byte before tells the start. */
static bool member_follows(struct wg__json *j, char open, char close, const char *what)
{
    if (j->status) return false;
    bool        first = j->at[-1] == open;
    const char *p = wg__json_blanks(j->at, j->end);
    if (p < j->end && *p == close) {
        j->at = p + 1;
        if (j->keys && close == '}') wg__json_keys_forget(j->keys, j->depth);
        j->depth--;
        return false;
    }
    if (first) return true;
    if (p == j->end || *p != ',') return wg__json_missing(j, p, what);
    j->at = p + 1;
    return true;
}

bool wg__json_more(struct wg__json *j) { return member_follows(j, '[', ']', "',' or ']'"); }

bool wg__json_key(struct wg__json *j, struct wg__json_text *key)
{
    if (!member_follows(j, '{', '}', "',' or '}'")) return false;
    if (wg__json_peek(j) != WG__JSON_STRING) return wg__json_wrong(j, "a key");
    if (!wg__json_string(j, key)) return false;
    const char *p = wg__json_blanks(j->at, j->end);
    if (p == j->end || *p != ':') return wg__json_missing(j, p, "':'");
    j->at = p + 1;
    return !j->keys || wg__json_keys_add(j, key);
}

/* ---- Simple values ---- */

bool wg__json_double(struct wg__json *j, double *v)
{
    if (!wg__json_want(j, WG__JSON_NUMBER)) return false;
    const char *stop = wg__json_real(j->at, j->end, v);
    if (!stop) return wg__json_bad(j, NULL, "no JSON number");
    int n = stop - j->at < 40 ? (int)(stop - j->at) : 40;
    if (isinf(*v) && wg__digit(stop[-1])) return wg__json_bad(j, NULL, "%.*s is out of range of f64", n, j->at);
    j->at = stop;
    return true;
}

bool wg__json_int64(struct wg__json *j, int64_t *v)
{
    struct wg__decimal d;
    uint64_t           m;
    if (!wg__json_want(j, WG__JSON_NUMBER)) return false;
    const char *stop = wg__decimal_read(j->at, j->end, &d);
    if (!stop) return wg__json_bad(j, NULL, "no whole number");
    int            n = stop - j->at < 40 ? (int)(stop - j->at) : 40;
    enum wg__whole is = wg__decimal_whole(&d, &m);
    if (is == WG__FRACTION) return wg__json_bad(j, NULL, "%.*s is no whole number", n, j->at);
    if (is == WG__TOO_LARGE || m > (uint64_t)INT64_MAX + d.minus)
        return wg__json_bad(j, NULL, "%.*s is out of range of i64", n, j->at);
    *v = (int64_t)(d.minus ? -m : m);
    j->at = stop;
    return true;
}

/* Takes the whole word of kind k (true, false, null); else false with an error. */
static bool take_word(struct wg__json *j, enum wg__json_kind k)
{
    const char *text = kinds[k][1];
    size_t      n = strlen(text);
    if (!wg__json_want(j, k)) return false;
    if ((size_t)(j->end - j->at) < n || memcmp(j->at, text, n) != 0)
        return wg__json_bad(j, NULL, "a word that JSON does not know");
    j->at += n;
    return true;
}

bool wg__json_bool(struct wg__json *j, bool *v)
{
    enum wg__json_kind k = wg__json_peek(j);
    if (k != WG__JSON_TRUE && k != WG__JSON_FALSE) return wg__json_wrong(j, "true or false");
    *v = k == WG__JSON_TRUE;
    return take_word(j, k);
}

bool wg__json_null(struct wg__json *j) { return wg__json_peek(j) == WG__JSON_NULL && take_word(j, WG__JSON_NULL); }

/* ---- Any value ---- */

static bool take_any_number(struct wg__json *j)
{
    struct wg__decimal d;
    double             v;
    if (!wg__json_want(j, WG__JSON_NUMBER)) return false;
    const char *stop = wg__decimal_read(j->at, j->end, &d);
    if (!stop) stop = wg__json_word(j->at, j->end, &v);
    if (!stop) return wg__json_bad(j, NULL, "no JSON number");
    j->at = stop;
    return true;
}

/* Takes a simple value, or the opening bracket of an object or array. */
static bool take_any(struct wg__json *j, enum wg__json_kind k)
{
    struct wg__json_text s;
    switch (k) {
    case WG__JSON_OBJECT: return wg__json_object(j);
    case WG__JSON_ARRAY: return wg__json_array(j);
    case WG__JSON_STRING: return wg__json_string(j, &s);
    case WG__JSON_NUMBER: return take_any_number(j);
    case WG__JSON_TRUE:
    case WG__JSON_FALSE:
    case WG__JSON_NULL: return take_word(j, k);
    default: return wg__json_wrong(j, "a value");
    }
}

bool wg__json_skip(struct wg__json *j)
{
    _Static_assert(WG__JSON_DEPTH <= 64, "a bit for each open bracket");
    struct wg__json_text key;
    uint64_t             objects = 0; /* bit i: what is open at depth i + 1 is an object */
    int                  base = j->depth;
    do {
        enum wg__json_kind k = wg__json_peek(j);
        if (!take_any(j, k)) return false;
        if (k == WG__JSON_OBJECT || k == WG__JSON_ARRAY) {
            uint64_t bit = UINT64_C(1) << (j->depth - 1);
            objects = k == WG__JSON_OBJECT ? objects | bit : objects & ~bit;
        }
        while (j->depth > base && !(objects >> (j->depth - 1) & 1 ? wg__json_key(j, &key) : wg__json_more(j)))
            if (j->status) return false;
    } while (j->depth > base);
    return true;
}

bool wg__json_finish(struct wg__json *j)
{
    if (j->status) return false;
    const char *p = wg__json_blanks(j->at, j->end);
    if (p < j->end) return wg__json_missing(j, p, "the end");
    j->at = p;
    return true;
}
