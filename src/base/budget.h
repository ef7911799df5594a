/* budget.h - how many bytes may be held together, as by the requests of a server.
 *
 * A caller takes bytes before it allocates, and gives them back when the memory is
 * released.  Buffers that are kept for the next request stay taken, so a
 * request that finds its buffers large enough asks for nothing. */
#ifndef WENGERT_BASE_BUDGET_H
#define WENGERT_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wg__budget {
    int64_t         limit; /* bytes */
    _Atomic int64_t used;
    _Atomic int64_t peak; /* the most that was used since the owner of the budget last set peak to `used` */
    /* Releases what is kept but not in use, before a request is refused; NULL: nothing is. */
    void (*relieve)(void *context);
    void *context;
};

/* Takes n bytes; false, with nothing taken, past the limit.  A page is always
 * given: the answer that memory is short needs some.  b may be NULL: no limit. */
bool wg__budget_take(struct wg__budget *b, size_t n);
void wg__budget_give(struct wg__budget *b, size_t n);
/* Reallocates *at, memory of *size bytes taken from b, to `to` bytes, at least *size; false, with nothing changed, past
 * the limit or where memory is short. */
bool wg__budget_grow(struct wg__budget *b, char **at, size_t *size, size_t to);
/* Tells whether n bytes more would fit now; nothing is taken. */
bool wg__budget_fits(struct wg__budget *b, int64_t n);

#endif
