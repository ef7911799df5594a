/* json.h - JSON (RFC 8259) read where it lies and written into a buffer.
 *
 * The reader pulls: the caller says what it expects next, numbers go straight
 * into tensors, nothing is built in between.  Depth is limited, strings are
 * checked as UTF-8, errors have offsets.  As TensorFlow Serving does, NaN,
 * Infinity and -Infinity are numbers.  A key that one object has twice is an
 * error where the caller gives a table for keys, and the last counts where not. */
#ifndef WENGERT_SERVE_JSON_H
#define WENGERT_SERVE_JSON_H

#include <stdbool.h>

#include <wengert/graph.h>

#include "serve/budget.h"

/* ---- In (json_read.c, json_text.c, json_tensor.c) ---- */

enum { WG__JSON_DEPTH = 64 };

enum wg__json_kind {
    WG__JSON_BAD, /* an error was recorded */
    WG__JSON_END, /* nothing but blanks is left */
    WG__JSON_OBJECT,
    WG__JSON_ARRAY,
    WG__JSON_STRING,
    WG__JSON_NUMBER,
    WG__JSON_TRUE,
    WG__JSON_FALSE,
    WG__JSON_NULL
};

/* The keys of the objects that are open (json_keys.c).  All zero at the start, kept from text to text. */
struct wg__json_keys {
    struct key        *key;
    uint32_t          *slot; /* [2 * size] number of a key + 1, by its hash */
    size_t             n, size;
    uint64_t           seed;
    struct wg__budget *budget; /* that the bytes are of; NULL: none */
};
/* Bytes that it takes. */
size_t wg__json_keys_bytes(const struct wg__json_keys *k);
void   wg__json_keys_free(struct wg__json_keys *k);

struct wg__json {
    const char           *text, *at, *end;
    struct wg__json_keys *keys; /* borrowed; NULL: keys are not compared */
    int                   depth;
    int                   status;   /* of the first error: after it every call fails */
    int64_t               offset;   /* of that error, in bytes */
    char                  why[200]; /* without the offset */
};
/* A string: its bytes between the quotes, not yet unescaped. */
struct wg__json_text {
    const char *at;
    size_t      n;
    bool        escaped;
};

/* text need not end with a zero and is borrowed. */
void wg__json_open(struct wg__json *j, const char *text, size_t n);
/* The same, but an object that has a key twice is an error. */
void wg__json_open_strict(struct wg__json *j, const char *text, size_t n, struct wg__json_keys *keys);
/* Records the first error at `at` (NULL: here); gives false. */
bool wg__json_bad(struct wg__json *j, const char *at, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* What the next value is; nothing is taken. */
enum wg__json_kind wg__json_peek(struct wg__json *j);
/* "array" */
const char *wg__json_kind_name(enum wg__json_kind k);

/* Takes '{' or '['; then, until false, each key (a value has to be taken after
 * it) or a hint that there is one more element.  At the end the bracket is
 * taken; false with status set is an error.
 *
 *   if (wg__json_object(j)) while (wg__json_key(j, &key)) ...take a value...
 *   if (wg__json_array(j)) while (wg__json_more(j)) ...take a value... */
bool wg__json_object(struct wg__json *j);
bool wg__json_key(struct wg__json *j, struct wg__json_text *key);
bool wg__json_array(struct wg__json *j);
bool wg__json_more(struct wg__json *j);

bool wg__json_string(struct wg__json *j, struct wg__json_text *s);
bool wg__json_double(struct wg__json *j, double *v);
bool wg__json_int64(struct wg__json *j, int64_t *v); /* a whole number in range */
bool wg__json_bool(struct wg__json *j, bool *v);
/* Takes a null; false, and nothing is taken, if the next value is none. */
bool wg__json_null(struct wg__json *j);
/* Any value, checked as it is passed over. */
bool wg__json_skip(struct wg__json *j);
/* Blanks and the end, or an error at what follows. */
bool wg__json_finish(struct wg__json *j);

/* Unescapes into to (n bytes with the zero at the end); false if it is too
 * long or holds a zero.  Records no error. */
bool wg__json_text_copy(const struct wg__json_text *s, char *to, size_t n);
bool wg__json_text_is(const struct wg__json_text *s, const char *what);

/* Elements as they come; grows, and can be used again without growing.  All
 * zero at the start; released by wg__json_data_free. */
struct wg__json_data {
    void              *data; /* 64-byte aligned */
    size_t             size; /* bytes there are */
    wg_shape           shape;
    struct wg__budget *budget; /* that the bytes are of; NULL: none */
};
/* Makes room for `size` bytes, of which the first `used` stay; false if memory is short. */
bool wg__json_data_reserve(struct wg__json_data *d, size_t used, size_t size);
/* A value, or lists nested up to rank 8 that are all of one length at each
 * depth, as a tensor of dtype t: numbers, or true and false for bool.  A
 * ragged list, an element of another kind, a number out of range of an
 * integer dtype, and a fraction where an integer belongs are errors with
 * offset. */
bool wg__json_tensor(struct wg__json *j, wg_dtype t, struct wg__json_data *to);
void wg__json_data_free(struct wg__json_data *d);

/* A JSON number at `at` (not past end) as the nearest double: strtod's bits,
 * by Eisel and Lemire's way with strtod behind it.  Where it ends, or NULL if
 * there is none.  (json_number.c; Lemire, "Number parsing at a gigabyte per
 * second", 2021) */
const char *wg__json_number(const char *at, const char *end, double *v);

/* ---- Out (json_write.c, json_shortest.c) ---- */

struct wg__text {
    char              *at;
    size_t             n, size;
    struct wg__budget *budget;   /* that the bytes are of; NULL: none */
    uint64_t           until_ns; /* lists are not written past it, on CLOCK_MONOTONIC; 0: no end */
    size_t             looked;   /* at the clock, at that length */
    bool               failed;   /* memory was short; later calls do nothing */
    bool               late;     /* failed, and that is because the time was over */
};
void wg__text_free(struct wg__text *t);
void wg__text_add(struct wg__text *t, const char *bytes, size_t n);
void wg__text_say(struct wg__text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "a \"quoted\" text": escapes what JSON wants escaped; bytes that are no UTF-8 become U+FFFD. */
void wg__text_string(struct wg__text *t, const char *s);
/* The fewest digits that read back as the same value of that type; NaN,
 * Infinity and -Infinity as such.  (Giulietti, "The Schubfach way to render
 * doubles", 2021) */
void wg__text_float(struct wg__text *t, float v);
void wg__text_double(struct wg__text *t, double v);
/* Nested lists of the shape, from dense data; rank 0 is the value alone. */
void wg__text_tensor(struct wg__text *t, wg_dtype type, const wg_shape *s, const void *data);
/* One flat list of the n elements; with null, null stands for what is not finite. */
void wg__text_flat(struct wg__text *t, wg_dtype type, int64_t n, const void *data);
void wg__text_flat_null(struct wg__text *t, wg_dtype type, int64_t n, const void *data);
/* Whether all n elements are numbers that JSON has: no NaN, no infinity. */
bool wg__all_finite(wg_dtype type, int64_t n, const void *data);

/* At most 24 characters without a zero at the end; returns how many.  v is finite. */
int wg__shortest_float(float v, char to[static 32]);
int wg__shortest_double(double v, char to[static 32]);

#endif
