#include "base/text/locale.h"

#include <locale.h>

void *wg__locale_c(void)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* static in glibc and musl: nothing is allocated */
    return c ? uselocale(c) : uselocale((locale_t)0);
}

void wg__locale_back(void *before) { uselocale((locale_t)before); }
