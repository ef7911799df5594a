/* json_impl.h - what the JSON files share among themselves, and with readers of long lists. */
#ifndef WENGERT_BASE_JSON_IMPL_H
#define WENGERT_BASE_JSON_IMPL_H

#include "base/json/json.h"
#include "base/number/decimal.h"

/* Skips the blanks of RFC 8259 at p.  Most bytes lie above all four of them, so that one comparison is asked first. */
static inline const char *wg__json_blanks(const char *p, const char *end)
{
    while (p < end && (unsigned char)*p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

/* Goes to the next value if it is of kind k; else an error: "a string where a
 * number belongs". */
bool wg__json_want(struct wg__json *j, enum wg__json_kind k);
/* Records what is wrong where `what` belongs: "a string where a number belongs". */
bool wg__json_wrong(struct wg__json *j, const char *what);
/* Records that the byte at p, or the end of the text, is where `what` belongs. */
bool wg__json_missing(struct wg__json *j, const char *p, const char *what);

/* The bytes of a checked string without its escapes, n at a time; fewer only at its end. */
struct wg__json_run {
    const char *at, *end;
    char        left[4]; /* of the character that was begun */
    int         n, i;
};
size_t wg__json_run_bytes(struct wg__json_run *r, char *to, size_t n);

/* Notes a key of the object that is open; false with the error if the object has the key already. */
bool wg__json_keys_add(struct wg__json *j, const struct wg__json_text *key);
/* Forgets the keys of objects at that depth and deeper. */
void wg__json_keys_forget(struct wg__json_keys *k, int depth);

/* Reads the word NaN, Infinity or -Infinity at p; returns the word's end, or NULL if none of the three is there. */
const char *wg__json_word(const char *p, const char *end, double *v);

/* Reads a number or one of the words of wg__json_word; returns its end, or NULL if there is neither. */
static inline const char *wg__json_real(const char *p, const char *end, double *v)
{
    struct wg__decimal d;
    const char        *stop = wg__decimal_read(p, end, &d);
    if (!stop) return wg__json_word(p, end, v);
    *v = wg__decimal_double(&d, p, stop);
    return stop;
}

#endif
