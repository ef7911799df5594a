#include "base/text/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/system/clock.h"

void wg__text_free(struct wg__text *t)
{
    free(t->at);
    wg__budget_give(t->budget, t->size);
    *t = (struct wg__text){.budget = t->budget};
}

bool wg__text_is_late(struct wg__text *t)
{
    enum { BYTES = 16384 };
    if (!t->until_ns || t->n < t->looked + BYTES) return t->failed;
    t->looked = t->n;
    if (wg__now_ns() <= t->until_ns) return t->failed;
    return t->failed = t->late = true;
}

bool wg__text_reserve(struct wg__text *t, size_t n)
{
    if (t->failed) return false;
    if (t->size - t->n >= n) return true;
    size_t need = t->n + n, size = t->size ? t->size : 256;
    while (size < need && size <= SIZE_MAX / 2) size *= 2;
    t->failed = need < n || size < need || !wg__budget_grow(t->budget, &t->at, &t->size, size);
    return !t->failed;
}

void wg__text_add(struct wg__text *t, const void *bytes, size_t n)
{
    if (n == 0 || !wg__text_reserve(t, n)) return;
    memcpy(t->at + t->n, bytes, n);
    t->n += n;
}

void wg__text_put(struct wg__text *t, const char *text) { wg__text_add(t, text, strlen(text)); }

void wg__text_append(struct wg__text *t, const struct wg__text *other)
{
    t->failed = t->failed || other->failed;
    wg__text_add(t, other->at, other->n);
}

void wg__text_vsay(struct wg__text *t, const char *format, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, format, ap);
    if (n < 0) t->failed = true;
    if (n >= 0 && wg__text_reserve(t, (size_t)n + 1)) {
        vsnprintf(t->at + t->n, (size_t)n + 1, format, again);
        t->n += (size_t)n;
    }
    va_end(again);
}

void wg__text_say(struct wg__text *t, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    wg__text_vsay(t, format, ap);
    va_end(ap);
}
