/* Numbers: RFC 8259's grammar, and strtod's and strtof's bits for every value. */
#include <criterion/criterion.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "support/locale.h"
#include "serve/json/decimal.h"
#include "serve/json/json.h"

TestSuite(json_number, .timeout = 120);

static uint64_t bits_of(double v)
{
    uint64_t b;
    memcpy(&b, &v, sizeof b);
    return b;
}

/* SplitMix64 */
static uint64_t any(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static double any_double(uint64_t *state)
{
    double v;
    do {
        uint64_t b = any(state);
        memcpy(&v, &b, sizeof v);
    } while (!isfinite(v));
    return v;
}

static void expect_strtod(const char *text)
{
    double      v = 0.125, want = strtod(text, NULL);
    const char *end = text + strlen(text), *stop = wg__json_number(text, end, &v);
    cr_assert(stop == end, "%s: ends after %d bytes", text, stop ? (int)(stop - text) : -1);
    cr_assert(bits_of(v) == bits_of(want), "%s: %a instead of %a", text, v, want);
}

/* As an element of f32. */
static void expect_strtof(const char *text)
{
    struct wg__json      j;
    struct wg__json_data d = {0};
    float                want = strtof(text, NULL);
    wg__json_open(&j, text, strlen(text));
    bool read = wg__json_tensor(&j, WG_F32, &d);
    cr_assert(read == !isinf(want), "%s: %s", text, j.why);
    if (read)
        cr_assert(!memcmp(d.data, &want, sizeof want), "%s: %a instead of %a", text, (double)*(float *)d.data,
                  (double)want);
    wg__json_data_free(&d);
}

Test(json_number, is_what_the_standard_says)
{
    static const struct {
        const char *text;
        int         n; /* bytes taken; -1: none */
    } rows[] = {
        {"0", 1},           {"-0", 2},
        {"10", 2},          {"-1.5", 4},
        {"1e5", 3},         {"1E+05", 5},
        {"1e-7", 4},        {"0.0", 3},
        {"0e0", 3},         {"0e+1", 4},
        {"1.25e3x", 6},     {"1 2", 1},
        {"1,2", 1},         {"NaN", 3},
        {"Infinity", 8},    {"-Infinity", 9},
        {"123]", 3},        {"1.5.5", 3},
        {"0.1e1e1", 5},     {"", -1},
        {"-", -1},          {"+1", -1},
        {".5", -1},         {"1.", -1},
        {"1.e5", -1},       {"-.5", -1},
        {"01", -1},         {"-01", -1},
        {"00", -1},         {"00.5", -1},
        {"1e", -1},         {"1e+", -1},
        {"1e-x", -1},       {"1.2e", -1},
        {"0x10", 1},        {"nan", -1},
        {"inf", -1},        {"-NaN", -1},
        {"Infinit", -1},    {"--1", -1},
        {"\xd9\xa1", -1},   {"12345678901234567890", 20},
        {"12345678", 8},    {"1234567:", 7},
        {"0.12345678", 10}, {"0.12345678/", 10},
        {"1e1e", 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double v;
        size_t n = strlen(rows[i].text);
        char  *copy = malloc(n + 1); /* its own bytes: nothing may be read behind them */
        memcpy(copy, rows[i].text, n);
        const char *stop = wg__json_number(copy, copy + n, &v);
        int         taken = stop ? (int)(stop - copy) : -1;
        cr_expect(taken == rows[i].n, "%s: %d bytes instead of %d", rows[i].text, taken, rows[i].n);
        free(copy);
    }
}

Test(json_number, words_have_their_values)
{
    static const char words[] = "NaN Infinity -Infinity", *const end = words + sizeof words - 1;
    double v;
    cr_assert(wg__json_number(words, end, &v) && isnan(v));
    cr_assert(wg__json_number(words + 4, end, &v) && v == HUGE_VAL);
    cr_assert(wg__json_number(words + 13, end, &v) && v == -HUGE_VAL);
}

Test(json_number, known_hard_cases_are_right)
{
    static const char *const texts[] = {
        "0",
        "-0",
        "0e5",
        "-0.0e-400",
        "0e99999999999999999999",
        "1e400",
        "-1e400",
        "1e-400",
        "-1e-400",
        "4.9e-324",
        "5e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.2250738585072011e-308",
        "2.2250738585072012e-308",
        "2.2250738585072014e-308",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.797693134862315807e308",
        "1.7976931348623159e308",
        "9007199254740992",
        "9007199254740993",
        "9007199254740993.0",
        "9007199254740993.00000000000000000001",
        "9007199254740992.99999999999999999999",
        "9007199254740994",
        "9007199254740995",
        "90071992547409930e-1",
        "900719925474099300e-2",
        "18014398509481990e-1",
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551617",
        "9999999999999999999",
        "99999999999999999999",
        "10000000000000000000",
        "100000000000000000000",
        "1e22",
        "1e23",
        "9e22",
        "8e22",
        "123e22",
        "3.14159265358979323846264338327950288419716939937510582097494459",
        "0.1",
        "0.2",
        "0.3",
        "0.7",
        "1e-5",
        "0.0000000000000000000000000000000000000000000000000000000000000000000000000000000000000001",
        "179769313486231570814527423731704356798070567525844996598917476803157260780028538760589558632766878",
        "7.8459735791271921e65",
        "3.518437208883201171875e13",
        "62.5364939768271845828",
        "8.10109172351e-10",
        "6.9294956446009195e15",
        "5.0216813883093451685872615018317e-309",
        "1e-1000000000000000000000",
        "1e18446744073709551617",
        "0.0000000000000000000000000000000000001e37",
        "1000000000000000000000000000000000000e-36",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) expect_strtod(texts[i]), expect_strtof(texts[i]);
}

Test(json_number, powers_of_ten_are_right)
{
    char text[64];
    for (int e = -360; e <= 330; e++) {
        static const char *const fronts[] = {"1", "-9.999999999999999", "1.00000000000000000000000001", "17",
                                             "4503599627370497.5"};
        for (size_t i = 0; i < sizeof fronts / sizeof *fronts; i++) {
            snprintf(text, sizeof text, "%se%d", fronts[i], e);
            expect_strtod(text);
            expect_strtof(text);
        }
    }
}

/* Doubles with 1 to 25 digits, and digits that no double was printed from. */
Test(json_number, random_numbers_are_right)
{
    uint64_t state = 1;
    char     text[128];
    for (int i = 0; i < 300000; i++) {
        double v = any_double(&state);
        if (i % 3 == 1) v = ldexp((double)any(&state), -(int)(any(&state) % 90)); /* near 1, as data are */
        int n = i % 5 ? 16 : (int)(any(&state) % 25);
        if (i % 3 == 2)
            snprintf(text, sizeof text, "%llu.%llue%d", (unsigned long long)any(&state) >> any(&state) % 64,
                     (unsigned long long)any(&state) >> any(&state) % 64, (int)(any(&state) % 640) - 340);
        else snprintf(text, sizeof text, "%.*e", n, v);
        expect_strtod(text);
    }
}

/* As plain decimals with zeros behind the point. */
Test(json_number, long_fractions_are_right)
{
    uint64_t state = 2;
    char     text[128];
    for (int i = 0; i < 50000; i++) {
        snprintf(text, sizeof text, "%.*f", (int)(any(&state) % 40 + 1),
                 ldexp((double)any(&state), -(int)(any(&state) % 110)));
        expect_strtod(text);
        expect_strtof(text);
    }
}

/* Between two neighbours there is one number that strtod rounds to even, and
 * whatever is a digit off goes to its own side. */
static void around_midpoint(const char *midpoint)
{
    char text[1200], *mark;
    snprintf(text, sizeof text, "%s", midpoint);
    expect_strtod(text);
    expect_strtof(text);
    size_t n = (size_t)((mark = strchr(text, 'e')) - text);
    snprintf(text, sizeof text, "%.*s00001%s", (int)n, midpoint, midpoint + n);
    expect_strtod(text);
    expect_strtof(text);
    snprintf(text, sizeof text, "%s", midpoint);
    while (mark > text && mark[-1] == '0') mark--;
    if (mark[-1] != '.') mark[-1]--;
    expect_strtod(text);
    expect_strtof(text);
}

Test(json_number, midpoints_of_doubles_go_to_even)
{
    uint64_t state = 3;
    char     text[1000];
    for (int i = 0; i < 3000; i++) {
        double      v = fabs(any_double(&state)), next = nextafter(v, HUGE_VAL);
        long double middle = ((long double)v + (long double)next) / 2;
        if (!isfinite(next) || middle == (long double)v) continue; /* where long double is double */
        snprintf(text, sizeof text, "%.*Le", i % 2 ? 799 : 850, middle);
        around_midpoint(text);
    }
}

Test(json_number, midpoints_of_floats_go_to_even)
{
    uint64_t state = 4;
    char     text[400];
    for (int i = 0; i < 20000; i++) {
        uint32_t b = (uint32_t)any(&state) & 0x7fffffff;
        float    v;
        if (i % 4 == 0) b >>= 8; /* subnormal */
        memcpy(&v, &b, sizeof v);
        if (!isfinite(v) || v == FLT_MAX) continue;
        snprintf(text, sizeof text, "%.160e", ((double)v + (double)nextafterf(v, HUGE_VALF)) / 2);
        around_midpoint(text);
    }
}

Test(json_number, thousands_of_digits_are_right)
{
    uint64_t state = 5;
    char    *text = malloc(20100);
    for (int i = 0; i < 60; i++) {
        int n = 1000 + (int)(any(&state) % 19000), point = (int)(any(&state) % 2000);
        for (int k = 0; k < n; k++)
            text[k] = (char)(i % 3 || k == 0 || k == n - 1 ? '1' + (int)(any(&state) % 9) : '0');
        if (point < n - 1 && point > 0) text[point] = '.';
        snprintf(text + n, 20, "e%d", (int)(any(&state) % 700) - 350 - point);
        expect_strtod(text);
    }
    memset(text, '0', 20000); /* 0.000...1e19999 */
    text[1] = '.';
    snprintf(text + 20000, 20, "1e%d", 19999);
    expect_strtod(text);
    free(text);
}

Test(json_number, a_locale_changes_nothing)
{
    double v;
    if (!use_comma_locale()) cr_skip_test("no locale with a decimal comma, and no localedef to make one");
    static const char text[] = "9007199254740993.00000000000000000001", tiny[] = "2.5e-310";
    cr_expect(wg__json_number(text, text + sizeof text - 1, &v) && v == 9007199254740994.0);
    cr_expect(wg__json_number(tiny, tiny + sizeof tiny - 1, &v) && v == 2.5e-310);
}

Test(json_number, whole_numbers_are_exact)
{
    static const struct {
        const char    *text;
        enum wg__whole is;
        uint64_t       magnitude;
    } rows[] = {
        {"0", WG__WHOLE, 0},
        {"-0.000", WG__WHOLE, 0},
        {"0e999", WG__WHOLE, 0},
        {"5.0", WG__WHOLE, 5},
        {"-5.000000000000000000000000000000", WG__WHOLE, 5},
        {"0.5e1", WG__WHOLE, 5},
        {"500e-2", WG__WHOLE, 5},
        {"1e2", WG__WHOLE, 100},
        {"9007199254740993", WG__WHOLE, 9007199254740993},
        {"9223372036854775807", WG__WHOLE, INT64_MAX},
        {"1e19", WG__WHOLE, 10000000000000000000u},
        {"18446744073709551615", WG__TOO_LARGE, 0},
        {"1e20", WG__TOO_LARGE, 0},
        {"1e999999999999999999", WG__TOO_LARGE, 0},
        {"0.5", WG__FRACTION, 0},
        {"5.5", WG__FRACTION, 0},
        {"1e-1", WG__FRACTION, 0},
        {"1e-999999999999", WG__FRACTION, 0},
        {"1234567890123456789.5", WG__FRACTION, 0},
        {"0.99999999999999999999999", WG__FRACTION, 0},
        {"12345678901234567890.0", WG__WHOLE, 12345678901234567890u},
        {"10000000000000000000000000000000e-20", WG__WHOLE, 100000000000},
        {"123456789012345678901234567890", WG__TOO_LARGE, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wg__decimal d;
        uint64_t           m;
        cr_assert(wg__decimal_read(rows[i].text, rows[i].text + strlen(rows[i].text), &d), "%s", rows[i].text);
        enum wg__whole is = wg__decimal_whole(&d, &m);
        cr_expect(is == rows[i].is && (is != WG__WHOLE || m == rows[i].magnitude), "%s: %d, %llu", rows[i].text,
                  (int)is, (unsigned long long)m);
    }
}
