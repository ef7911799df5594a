/* A number that is all of a text: which texts are numbers, and strtod's and strtof's bits for them. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number/number.h"

TestSuite(number, .timeout = 120);

/* Reads from memory whose readable bytes are exactly those that the reader may see, behind which a digit would spoil
 * the value. */
static enum wg__number read(const char *text, bool narrow, double *v)
{
    size_t n = strlen(text);
    char  *copy = malloc(n + WG__NUMBER_BEHIND);
    cr_assert(copy);
    memcpy(copy, text, n);
    memset(copy + n, '7', WG__NUMBER_BEHIND);
    copy[n] = ',';
    enum wg__number is = wg__number_read(copy, n, narrow, v);
    free(copy);
    return is;
}

static void expect_library(const char *text)
{
    double v = 1, narrow = 1, want = strtod(text, NULL), wanted = (double)strtof(text, NULL);
    bool   word = strpbrk(text, "nN") != NULL;
    cr_expect_eq(read(text, false, &v), isinf(want) && !word ? WG__NUMBER_TOO_LARGE : WG__NUMBER, "%s", text);
    cr_expect_eq(read(text, true, &narrow), isinf(wanted) && !word ? WG__NUMBER_TOO_LARGE : WG__NUMBER, "%s", text);
    cr_expect(isnan(want) ? isnan(v) : !memcmp(&v, &want, sizeof v), "%s: %a instead of %a", text, v, want);
    cr_expect(isnan(wanted) ? isnan(narrow) : !memcmp(&narrow, &wanted, sizeof v), "%s as f32: %a instead of %a", text,
              narrow, wanted);
}

Test(number, spellings_that_json_has_not)
{
    static const char *const texts[] = {"5.",   ".5",        "+5",  "-.5",  "00012", "1.e3", "+.5E-2", "inf",
                                        "-INF", "+Infinity", "nan", "-nan", "0.",    "-0",   "1E+2",   "1e-400"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) expect_library(texts[i]);
}

Test(number, what_is_none)
{
    static const char *const texts[] = {"",    ".",  "+",  "-",     "e5", "1e",   "1e+",   "1.2.3", "--1", "0x10",
                                        "1 2", " 1", "1 ", "infin", "na", "nan1", "1_000", "1,5",   "+e1", ".e1"};
    double                   v;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_expect_eq(read(texts[i], i % 2, &v), WG__NUMBER_NONE, "'%s' is no number", texts[i]);
}

Test(number, counts_are_digits_alone)
{
    static const struct {
        const char *text;
        uint64_t    most, want;
        bool        good;
    } rows[] = {{"0", 9, 0, true},
                {"007", 9, 7, true},
                {"18446744073709551615", UINT64_MAX, UINT64_MAX, true},
                {"18446744073709551616", UINT64_MAX, 0, false},
                {"99999999999999999999", UINT64_MAX, 0, false},
                {"65535", 65535, 65535, true},
                {"65536", 65535, 0, false},
                {"", 9, 0, false},
                {"-1", 9, 0, false},
                {"+1", 9, 0, false},
                {" 1", 9, 0, false},
                {"1 ", 9, 0, false},
                {"1a", 99, 0, false},
                {"0x1", 99, 0, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t v = 1;
        bool     good = wg__count_read(rows[i].text, strlen(rows[i].text), rows[i].most, &v);
        cr_expect(good == rows[i].good && (!good || v == rows[i].want), "'%s'", rows[i].text);
    }
    uint64_t v = 0;
    cr_expect(wg__count_read("123", 2, 99, &v) && v == 12, "no more than n bytes are looked at");
}

/* Random texts of every length of digits before and behind the point, with every exponent that matters. */
Test(number, strtod_and_strtof_agree)
{
    uint64_t state = 5;
    for (int i = 0; i < 100000; i++) {
        char text[128], *p = text;
        state = state * 6364136223846793005u + 1442695040888963407u;
        unsigned r = (unsigned)(state >> 33);
        int      whole = (int)(r % 24), part = (int)(r / 24 % 24), sign = (int)(r / 576 % 3);
        if (sign) *p++ = sign == 1 ? '-' : '+';
        uint64_t bits = state;
        for (int k = 0; k < whole; k++, bits = bits * 25214903917u + 11) *p++ = (char)('0' + (bits >> 40) % 10);
        if (part || !whole || r % 5 == 0) *p++ = '.';
        for (int k = 0; k < part + !whole; k++, bits = bits * 25214903917u + 11) *p++ = (char)('0' + (bits >> 40) % 10);
        *p = 0;
        if (r % 3) sprintf(p, "e%d", (int)(r / 1728 % (r % 2 ? 60 : 700)) - (r % 2 ? 30 : 350));
        expect_library(text);
    }
}
