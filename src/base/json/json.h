/* json.h - JSON (RFC 8259) read where it lies and written into a buffer.
 *
 * The reader pulls: the caller says what it expects next, numbers go straight
 * into tensors, nothing is built in between.  Depth is limited, strings are
 * checked as UTF-8, errors have offsets.  As TensorFlow Serving does, NaN,
 * Infinity and -Infinity are numbers.  A key that one object has twice is an
 * error where the caller gives a table for keys, and the last counts where not. */
#ifndef WENGERT_BASE_JSON_H
#define WENGERT_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/table.h"
#include "base/text/text.h"

/* ---- In (json_read.c, json_text.c, json_keys.c) ---- */

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

enum wg__json_status { WG__JSON_OK, WG__JSON_MALFORMED, WG__JSON_NO_MEMORY };

/* The keys of the objects that are open (json_keys.c).  All zero at the start, kept from text to text. */
struct wg__json_keys {
    struct key        *key;
    struct wg__table   table;
    size_t             n, size;
    uint64_t           seed;
    struct wg__budget *budget; /* which the bytes are taken from; NULL: none */
};
/* Tells how many bytes k holds, as its budget counts them. */
size_t wg__json_keys_bytes(const struct wg__json_keys *k);
void   wg__json_keys_free(struct wg__json_keys *k);

struct wg__json {
    const char           *text, *at, *end;
    struct wg__json_keys *keys; /* borrowed; NULL: keys are not compared */
    int                   depth;
    enum wg__json_status  status;   /* of the first error: after it every call fails */
    int64_t               offset;   /* of that error, in bytes */
    char                  why[200]; /* without the offset */
};
/* A string: its bytes between the quotes, not yet unescaped. */
struct wg__json_text {
    const char *at;
    size_t      n;
    bool        escaped;
};

/* Starts reading the n bytes at text, which are borrowed and need not end with a zero. */
void wg__json_open(struct wg__json *j, const char *text, size_t n);
/* Starts reading as wg__json_open does, but a key that an object has twice is an error.  `keys` is borrowed. */
void wg__json_open_strict(struct wg__json *j, const char *text, size_t n, struct wg__json_keys *keys);
/* Records the first error at `at` (NULL: here); gives false. */
bool wg__json_bad(struct wg__json *j, const char *at, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Finds the kind of the next value without taking the value. */
enum wg__json_kind wg__json_peek(struct wg__json *j);
/* Returns the name of a kind: "array". */
const char *wg__json_kind_name(enum wg__json_kind k);

/* Takes '{' or '['.  Then wg__json_key takes a key, after which its value has to be taken, and wg__json_more tells
 * whether an element follows.  Both return false at the closing bracket, which they take; false with status set is an
 * error.
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
/* Takes a value of any kind, which is checked but not kept. */
bool wg__json_skip(struct wg__json *j);
/* Checks that only blanks are left; else false with an error at the first byte that is none. */
bool wg__json_finish(struct wg__json *j);

/* Unescapes into to (n bytes with the zero at the end); false if it is too
 * long or holds a zero.  Records no error. */
bool wg__json_text_copy(const struct wg__json_text *s, char *to, size_t n);
bool wg__json_text_is(const struct wg__json_text *s, const char *what);

/* Reads the JSON number at `at` (not past end) as the nearest double, with the bits that strtod gives: by the algorithm
 * of Eisel and Lemire, and by strtod where that cannot decide.  Returns the end of the number; NULL: there is none.
 * (Lemire, "Number parsing at a gigabyte per second", 2021) */
const char *wg__json_number(const char *at, const char *end, double *v);

/* ---- Out (json_write.c) ---- */

/* Writes a text in quotes and escapes what JSON wants escaped; bytes that are no UTF-8 become U+FFFD. */
void wg__text_string(struct wg__text *t, const char *s);
/* Writes the fewest digits that read back as the same value of the same type; NaN, Infinity and -Infinity as these
 * words.  (Giulietti, "The Schubfach way to render doubles", 2021) */
void wg__text_float(struct wg__text *t, float v);
void wg__text_double(struct wg__text *t, double v);
/* Writes the same text into at most WG__JSON_REAL bytes, without a zero at the end; returns how many. */
enum { WG__JSON_REAL = 32 };
int wg__json_put_float(float v, char to[static WG__JSON_REAL]);
int wg__json_put_double(double v, char to[static WG__JSON_REAL]);

#endif
