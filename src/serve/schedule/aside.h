/* aside.h - work that takes long, off the threads that many connections share. */
#ifndef WENGERT_SERVE_ASIDE_H
#define WENGERT_SERVE_ASIDE_H

#include <stdbool.h>

struct wg__exchange;
struct wg__aside_threads;

/* Starts n threads that call work(x) for each exchange that is put, in order of arrival, and idle(context), unless idle
 * is NULL, about every 100 ms.  NULL: a thread could not be started. */
struct wg__aside_threads *wg__aside_new(int   n, void (*work)(struct wg__exchange *x), void (*idle)(void *context),
                                        void *context);
void                      wg__aside_put(struct wg__aside_threads *a, struct wg__exchange *x);
/* Ends the threads once nothing is left to do.  NULL is allowed. */
void wg__aside_free(struct wg__aside_threads *a);

#endif
