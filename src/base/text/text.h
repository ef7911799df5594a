/* text.h - text, or any bytes, that grow in memory as they are written. */
#ifndef WENGERT_BASE_TEXT_H
#define WENGERT_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/budget.h"

/* All zero at the start; released by wg__text_free. */
struct wg__text {
    char              *at; /* no zero ends the text */
    size_t             n, size;
    struct wg__budget *budget;   /* which the bytes are taken from; NULL: none */
    uint64_t           until_ns; /* of wg__now_ns: long lists are not written past this time; 0: no end */
    size_t             looked;   /* the length at which the clock was looked at last */
    bool               failed;   /* memory was short; later calls do nothing */
    bool               late;     /* failed because the time was over */
};
void wg__text_free(struct wg__text *t);

/* Makes room for n more bytes; false if memory is short, now or before. */
bool wg__text_reserve(struct wg__text *t, size_t n);
/* Tells whether nothing more is to be written.  Looks at the clock now and then, as a writer of megabytes has to
 * notice that nobody waits for the text any more. */
bool wg__text_is_late(struct wg__text *t);

void wg__text_add(struct wg__text *t, const void *bytes, size_t n);
void wg__text_put(struct wg__text *t, const char *text);
/* Adds all of another text, and takes over its failure. */
void wg__text_append(struct wg__text *t, const struct wg__text *other);
void wg__text_say(struct wg__text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void wg__text_vsay(struct wg__text *t, const char *format, va_list ap) __attribute__((format(printf, 2, 0)));

#endif
