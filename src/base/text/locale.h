/* locale.h - texts that programs read have a point in their numbers, whatever the locale of the process. */
#ifndef WENGERT_BASE_LOCALE_H
#define WENGERT_BASE_LOCALE_H

/* Makes this thread print as in the C locale; returns what wg__locale_back takes. */
void *wg__locale_c(void);
void  wg__locale_back(void *before);

#endif
