/* The shortest text of a number: against the C library, for every exponent. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json/json.h"
#include "base/number/number.h"

TestSuite(number_shortest, .timeout = 120);

static uint64_t any(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* The digits of a number as text, without zeros at either end. */
static int digits(const char *text, char to[64])
{
    int n = 0, last = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (n == 0 && *text == '0')) continue;
        to[n++] = *text;
        if (*text != '0') last = n;
    }
    to[last] = 0;
    return last;
}

/* v's text reads as v, and the C library does not do it with fewer digits; with
 * as many, it has the same. */
static void expect_shortest(double v, bool is_float)
{
    char text[33], other[64], mine[64], theirs[64];
    int  n = is_float ? wg__shortest_float((float)v, text) : wg__shortest_double(v, text);
    cr_assert(n > 0 && n <= 24, "%a takes %d bytes", v, n);
    text[n] = 0;
    double read = is_float ? (double)strtof(text, NULL) : strtod(text, NULL), json;
    cr_assert(read == v && !signbit(read) == !signbit(v), "%s reads as %a, not %a", text, read, v);
    cr_assert(wg__json_number(text, text + n, &json) == text + n, "%s is no JSON", text);
    cr_assert(strpbrk(text, ".e"), "%s looks like a whole number", text);
    int count = digits(text, mine);
    for (int k = 1; k <= count; k++) {
        snprintf(other, sizeof other, "%.*e", k - 1, v);
        double back = is_float ? (double)strtof(other, NULL) : strtod(other, NULL);
        if (back != v) continue;
        cr_assert(digits(other, theirs) == count && !strcmp(mine, theirs), "%s where %s is enough", text, other);
    }
}

Test(number_shortest, floats_of_every_exponent_are_shortest)
{
    uint64_t state = 1;
    for (uint32_t e = 0; e < 255; e++)
        for (uint32_t i = 0; i < 400; i++) {
            uint32_t f = i < 20 ? i : i < 40 ? 0x7fffff - (i - 20) : (uint32_t)any(&state) & 0x7fffff;
            uint32_t b = e << 23 | f | (i % 7 == 0 ? 1u << 31 : 0);
            float    v;
            memcpy(&v, &b, sizeof v);
            if (v != 0) expect_shortest((double)v, true);
        }
}

Test(number_shortest, doubles_of_every_exponent_are_shortest)
{
    uint64_t state = 2;
    for (uint64_t e = 0; e < 2047; e++)
        for (uint64_t i = 0; i < 24; i++) {
            uint64_t ones = (UINT64_C(1) << 52) - 1, f = i < 4 ? i : i < 8 ? ones - (i - 4) : any(&state) & ones;
            uint64_t b = e << 52 | f;
            double   v;
            memcpy(&v, &b, sizeof v);
            if (v != 0) expect_shortest(v, false);
        }
}

Test(number_shortest, short_decimals_stay_short)
{
    uint64_t state = 3;
    char     text[64], out[33], mine[64], want[64];
    for (int i = 0; i < 20000; i++) {
        int n = i % 15 + 1; /* any 15 digits survive in a double */
        snprintf(text, sizeof text, "%.*e", n - 1, ldexp((double)any(&state), (int)(any(&state) % 1600) - 900));
        double v = strtod(text, NULL);
        out[wg__shortest_double(v, out)] = 0;
        digits(out, mine), digits(text, want);
        cr_assert(!strcmp(mine, want), "%s for %s", out, text);
    }
}
