#include "base/number/number.h"

#include <strings.h>

#include "base/number/decimal.h"

/* Reads [+-] digits [. digits] [e [+-] digits] with a digit on one side of the point; returns where the number ends,
 * or NULL. */
static const char *read_decimal(const char *p, const char *end, struct wg__decimal *d)
{
    const char *first, *point, *room = end + WG__NUMBER_BEHIND;
    *d = (struct wg__decimal){.minus = *p == '-'};
    first = p += p < end && (*p == '-' || *p == '+');
    point = p = wg__digits(p, end, room, &d->w);
    if (p < end && *p == '.') {
        p = wg__digits(p + 1, end, room, &d->w);
        d->q = point + 1 - p;
    }
    int64_t n = (point - first) - d->q;
    if (n == 0) return NULL;
    if (n > 19) wg__decimal_long(first, p, d);
    return p < end && (*p | 0x20) == 'e' ? wg__exponent(p + 1, end, &d->q) : p;
}

static bool read_word(const char *p, const char *end, double *v)
{
    static const struct {
        const char *text;
        size_t      n;
        double      value;
    } words[] = {{"nan", 3, __builtin_nan("")}, {"inf", 3, __builtin_inf()}, {"infinity", 8, __builtin_inf()}};
    bool minus = p < end && *p == '-';
    p += minus || (p < end && *p == '+');
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if ((size_t)(end - p) != words[i].n || strncasecmp(p, words[i].text, words[i].n) != 0) continue;
        *v = minus ? -words[i].value : words[i].value;
        return true;
    }
    return false;
}

enum wg__number wg__number_read(const char *text, size_t n, bool narrow, double *v)
{
    const char        *end = text + n;
    struct wg__decimal d;
    if (n == 0 || read_decimal(text, end, &d) != end) return read_word(text, end, v) ? WG__NUMBER : WG__NUMBER_NONE;
    text += *text == '+';
    *v = wg__decimal_double(&d, text, end);
    if (narrow) *v = (double)wg__decimal_narrow(*v, text, end);
    return isinf(*v) ? WG__NUMBER_TOO_LARGE : WG__NUMBER;
}

bool wg__count_read(const char *text, size_t n, uint64_t most, uint64_t *v)
{
    uint64_t w = 0;
    for (size_t i = 0; i < n; i++) {
        if (!wg__digit(text[i])) return false;
        if (__builtin_mul_overflow(w, 10, &w) || __builtin_add_overflow(w, (uint64_t)(text[i] - '0'), &w)) return false;
    }
    *v = w;
    return n > 0 && w <= most;
}
