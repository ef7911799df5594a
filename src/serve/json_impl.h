/* json_impl.h - what the JSON files share among themselves. */
#ifndef WENGERT_SERVE_JSON_IMPL_H
#define WENGERT_SERVE_JSON_IMPL_H

#include "serve/json.h"

static inline const char *wg__json_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

/* Goes to the next value if it is of kind k; else an error: "a string where a
 * number belongs". */
bool wg__json_want(struct wg__json *j, enum wg__json_kind k);
/* Records what is wrong where `what` belongs: "a string where a number belongs". */
bool wg__json_wrong(struct wg__json *j, const char *what);
/* Records that the byte at p, or the end of the text, is where `what` belongs. */
bool wg__json_missing(struct wg__json *j, const char *p, const char *what);

/* Bytes of the UTF-8 character at p (RFC 3629), 1 to 4; 0 if it is none.  The
 * predictor stands on public headers alone, so the library's wg__utf8 is not for it. */
int wg__json_utf8(const char *p, const char *end);

#endif
