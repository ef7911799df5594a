/* list.h - lists that grow by doubling. */
#ifndef WENGERT_BASE_LIST_H
#define WENGERT_BASE_LIST_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Returns the list (malloc; NULL with *cap 0 at the start) with room for `need` elements of that size, and sets *cap to
 * the number of elements that fit; NULL if memory is short, and the list stays as it was. */
static inline void *wg__list_grow(void *list, int *cap, int need, size_t size)
{
    int wider = *cap ? *cap : 16;
    if (list && need <= *cap) return list;
    while (wider < need && wider <= INT_MAX / 2) wider *= 2;
    void *grown = wider < need || (size_t)wider > SIZE_MAX / size ? NULL : realloc(list, (size_t)wider * size);
    if (grown) *cap = wider;
    return grown;
}

#endif
