/* locale.h - a locale whose numbers have a comma, for tests that no text a program reads depends on it. */
#ifndef WENGERT_TESTS_LOCALE_H
#define WENGERT_TESTS_LOCALE_H

#include <stdbool.h>

/* Sets one for the process: an installed one, or de_DE compiled into the folder BUILD by localedef.  False where there
 * is neither. */
bool use_comma_locale(void);

#endif
