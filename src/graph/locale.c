/* Texts that programs read have a point in their numbers, whatever the locale of the process. */
#include <locale.h>

#include "graph/graph_impl.h"

void *wg__locale_c(void)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* static in glibc and musl: nothing is allocated */
    return c ? uselocale(c) : uselocale((locale_t)0);
}

void wg__locale_back(void *before) { uselocale((locale_t)before); }
