/* JSON values and other text into memory that grows. */
#include <criterion/criterion.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json/json.h"

TestSuite(json_write, .timeout = 120);

static void expect_text(struct wg__text *t, const char *want)
{
    cr_expect(!t->failed && t->n == strlen(want) && !memcmp(t->at, want, t->n), "%.*s instead of %s", (int)t->n, t->at,
              want);
    t->n = 0;
}

Test(json_write, numbers_look_as_they_should)
{
    static const struct {
        double      v;
        const char *text;
    } rows[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {100, "100.0"},
        {123456, "123456.0"},
        {0.001, "0.001"},
        {0.0001, "0.0001"},
        {0.00001, "1e-5"},
        {1.5e-7, "1.5e-7"},
        {1e15, "1000000000000000.0"},
        {1e16, "1e16"},
        {1.25e22, "1.25e22"},
        {9007199254740993.0, "9007199254740992.0"},
        {1234567890123456.0, "1234567890123456.0"},
        {12.5, "12.5"},
        {1e100, "1e100"},
        {2.0 / 3, "0.6666666666666666"},
        {5e-324, "5e-324"},
        {DBL_MAX, "1.7976931348623157e308"},
        {-DBL_MIN, "-2.2250738585072014e-308"},
        {NAN, "NaN"},
        {HUGE_VAL, "Infinity"},
        {-HUGE_VAL, "-Infinity"},
    };
    struct wg__text t = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wg__text_double(&t, rows[i].v);
        expect_text(&t, rows[i].text);
    }
    static const struct {
        float       v;
        const char *text;
    } floats[] = {{0.1f, "0.1"},
                  {-0.0f, "-0.0"},
                  {16777216, "16777216.0"},
                  {1.0f / 3, "0.33333334"},
                  {FLT_MAX, "3.4028235e38"},
                  {1e-45f, "1e-45"},
                  {FLT_MIN, "1.1754944e-38"},
                  {NAN, "NaN"},
                  {-HUGE_VALF, "-Infinity"}};
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
        wg__text_float(&t, floats[i].v);
        expect_text(&t, floats[i].text);
    }
    wg__text_free(&t);
}

Test(json_write, strings_are_escaped)
{
    static const struct {
        const char *s, *text;
    } rows[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"a \"quoted\" \\ text", "\"a \\\"quoted\\\" \\\\ text\""},
        {"\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\""},
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
        {"\xff", "\"\xef\xbf\xbd\""},
        {"a\xc3", "\"a\xef\xbf\xbd\""},
        {"\xc0\x80z", "\"\xef\xbf\xbd\xef\xbf\xbdz\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    struct wg__text t = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wg__text_string(&t, rows[i].s);
        expect_text(&t, rows[i].text);
    }
    wg__text_free(&t);
}
