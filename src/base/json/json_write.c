/* JSON values into text that grows. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json/json_impl.h"
#include "base/number/number.h"
#include "base/text/utf8.h"

/* ---- Strings ---- */

/* Writes the escape of c into `to`, which is returned; NULL: c needs no escape. */
static const char *write_escape(unsigned char c, char to[8])
{
    static const char from[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char       *at = c ? strchr(from, c) : NULL;
    if (at) snprintf(to, 8, "\\%c", names[at - from]);
    else if (c < 0x20) snprintf(to, 8, "\\u%04x", c);
    return at || c < 0x20 ? to : NULL;
}

void wg__text_string(struct wg__text *t, const char *s)
{
    char        buffer[8];
    const char *end = s + strlen(s), *kept = s; /* from kept to s nothing has to change */
    wg__text_add(t, "\"", 1);
    while (s < end) {
        size_t      n = wg__utf8((const unsigned char *)s, (size_t)(end - s));
        const char *other = n == 0 ? "\xef\xbf\xbd" : n == 1 ? write_escape((unsigned char)*s, buffer) : NULL;
        if (other) {
            wg__text_add(t, kept, (size_t)(s - kept));
            wg__text_add(t, other, strlen(other));
        }
        s += n ? n : 1;
        if (other) kept = s;
    }
    wg__text_add(t, kept, (size_t)(s - kept));
    wg__text_add(t, "\"", 1);
}

/* ---- Numbers ---- */

static int put_word(double v, char *to)
{
    const char *word = isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity";
    size_t      n = strlen(word);
    memcpy(to, word, n);
    return (int)n;
}

int wg__json_put_float(float v, char to[static WG__JSON_REAL])
{
    return isfinite(v) ? wg__shortest_float(v, to) : put_word((double)v, to);
}
int wg__json_put_double(double v, char to[static WG__JSON_REAL])
{
    return isfinite(v) ? wg__shortest_double(v, to) : put_word(v, to);
}

void wg__text_float(struct wg__text *t, float v)
{
    if (wg__text_reserve(t, WG__JSON_REAL)) t->n += (size_t)wg__json_put_float(v, t->at + t->n);
}
void wg__text_double(struct wg__text *t, double v)
{
    if (wg__text_reserve(t, WG__JSON_REAL)) t->n += (size_t)wg__json_put_double(v, t->at + t->n);
}
