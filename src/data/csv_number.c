/* Numbers as text.  The grammar is checked here, because strtod takes more
 * (hexadecimal, a locale's decimal point); strtod rounds correctly. */
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/csv_impl.h"

static const char *digits(const char *p, int *n)
{
    for (; *p >= '0' && *p <= '9'; p++) ++*n;
    return p;
}

/* [+-] digits [. digits] [e [+-] digits], with a digit before the exponent. */
static const char *decimal(const char *p)
{
    int n = 0, exponent = 0;
    if (*p == '+' || *p == '-') p++;
    p = digits(p, &n);
    if (*p == '.') p = digits(p + 1, &n);
    if (n == 0) return NULL;
    if (*p != 'e' && *p != 'E') return p;
    p++;
    if (*p == '+' || *p == '-') p++;
    p = digits(p, &exponent);
    return exponent ? p : NULL;
}

static bool word(const char *p, double *value)
{
    static const struct {
        const char *text;
        double      value;
    } words[] = {{"nan", NAN}, {"inf", INFINITY}, {"infinity", INFINITY}};
    bool minus = *p == '-';
    if (*p == '+' || *p == '-') p++;
    if (*p < 'A') return false; /* a digit, a point */
    size_t n = strcspn(p, " \t");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].text) != n || strncasecmp(p, words[i].text, n) != 0) continue;
        *value = minus ? -words[i].value : words[i].value;
        return p[n + strspn(p + n, " \t")] == 0;
    }
    return false;
}

const char *wg__csv_number(const char *text, size_t n, wg_dtype t, double *value)
{
    const char *p = text + strspn(text, " \t");
    if (strlen(text) != n) return "a zero byte in a number";
    if (!*p) return "a number is missing";
    if (word(p, value)) return NULL;
    const char *end = decimal(p);
    if (!end || end[strspn(end, " \t")]) return "is not a number";
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* static in glibc and musl: nothing is allocated */
    if (!c) return "no C locale to read a number in";
    *value = t == WG_F32 ? (double)strtof_l(p, NULL, c) : strtod_l(p, NULL, c);
    freelocale(c);
    return isinf(*value) ? "is too large for its dtype" : NULL;
}
