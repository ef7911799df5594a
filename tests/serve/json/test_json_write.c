/* Text and shortest numbers. */
#include <criterion/criterion.h>

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "serve/json/json.h"
#include "support/alloc.h"

TestSuite(json_write, .timeout = 120);

static uint64_t any(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static void expect_text(struct wg__text *t, const char *want)
{
    cr_expect(!t->failed && t->n == strlen(want) && !memcmp(t->at, want, t->n), "%.*s instead of %s", (int)t->n, t->at,
              want);
    t->n = 0;
}

/* ---- Shortest numbers ---- */

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

Test(json_write, floats_of_every_exponent_are_shortest)
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

Test(json_write, doubles_of_every_exponent_are_shortest)
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

Test(json_write, short_decimals_stay_short)
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

/* ---- Strings and text ---- */

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

Test(json_write, text_is_added_as_it_is)
{
    struct wg__text t = {0};
    char            want[3001], *p = want;
    for (int i = 0; i < 500; i++) {
        wg__text_say(&t, "%d,", i);
        p += sprintf(p, "%d,", i);
        wg__text_add(&t, "\0x", 2 * (size_t)(i % 2));
        if (i % 2) *p++ = 0, *p++ = 'x';
    }
    cr_assert(t.n == (size_t)(p - want) && !memcmp(t.at, want, t.n));
    wg__text_free(&t);
    cr_assert(!t.at && !t.n && !t.size);
}

/* ---- Tensors ---- */

Test(json_write, tensors_nest_by_shape)
{
    static const float   f[] = {1, 2.5f, -3, 0.1f, NAN, HUGE_VALF};
    static const double  d[] = {0.1, -0.0};
    static const int32_t i[] = {INT32_MIN, INT32_MAX};
    static const int64_t l[] = {INT64_MIN, INT64_MAX};
    static const uint8_t u[] = {0, 7, 255};
    const struct {
        wg_dtype    t;
        wg_shape    s;
        const void *data;
        const char *text;
    } rows[] = {
        {WG_F32, WG_SCALAR, f + 1, "2.5"},
        {WG_F32, WG_SHAPE(6), f, "[1.0,2.5,-3.0,0.1,NaN,Infinity]"},
        {WG_F32, WG_SHAPE(2, 3), f, "[[1.0,2.5,-3.0],[0.1,NaN,Infinity]]"},
        {WG_F32, WG_SHAPE(3, 1, 2), f, "[[[1.0,2.5]],[[-3.0,0.1]],[[NaN,Infinity]]]"},
        {WG_F32, WG_SHAPE(0), f, "[]"},
        {WG_F32, WG_SHAPE(2, 0), f, "[[],[]]"},
        {WG_F32, WG_SHAPE(0, 3), f, "[]"},
        {WG_F32, WG_SHAPE(1, 1, 1, 1, 1, 1, 1, 1), f, "[[[[[[[[1.0]]]]]]]]"},
        {WG_F64, WG_SHAPE(2), d, "[0.1,-0.0]"},
        {WG_I32, WG_SHAPE(2), i, "[-2147483648,2147483647]"},
        {WG_I64, WG_SHAPE(2), l, "[-9223372036854775808,9223372036854775807]"},
        {WG_U8, WG_SHAPE(3), u, "[0,7,255]"},
        {WG_BOOL, WG_SHAPE(3), u, "[false,true,true]"},
        {WG_BOOL, WG_SCALAR, u, "false"},
    };
    struct wg__text t = {0};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        wg__text_tensor(&t, rows[k].t, &rows[k].s, rows[k].data);
        expect_text(&t, rows[k].text);
    }
    wg__text_flat(&t, WG_I32, 2, i);
    expect_text(&t, "[-2147483648,2147483647]");
    wg__text_flat(&t, WG_F64, 0, d);
    expect_text(&t, "[]");
    wg__text_free(&t);
}

Test(json_write, long_lists_read_back)
{
    enum { N = 3000 };
    static double        v[N];
    uint64_t             state = 4;
    struct wg__text      t = {0};
    struct wg__json      j;
    struct wg__json_data d = {0};
    for (int i = 0; i < N; i++) v[i] = -ldexp((double)any(&state) + 1, -1000 + i % 1500);
    const wg_shape shape = WG_SHAPE(5, 600);
    wg__text_tensor(&t, WG_F64, &shape, v);
    wg__json_open(&j, t.at, t.n);
    cr_assert(wg__json_tensor(&j, WG_F64, &d) && wg__json_finish(&j), "%s", j.why);
    cr_assert(d.shape.rank == 2 && d.shape.dim[0] == 5 && d.shape.dim[1] == 600 && !memcmp(d.data, v, sizeof v));
    wg__json_data_free(&d);
    wg__text_free(&t);
}

/* ---- Short memory ---- */

static void write_all(struct wg__text *t)
{
    static const float v[1000] = {0.1f};
    const wg_shape     s = WG_SHAPE(10, 100);
    wg__text_add(t, "{", 1);
    wg__text_string(t, "name\n");
    wg__text_say(t, ":%300d,", 5);
    wg__text_double(t, 0.1);
    wg__text_float(t, 0.1f);
    wg__text_tensor(t, WG_F32, &s, v);
    wg__text_tensor(t, WG_F32, &WG_SCALAR, v);
    wg__text_flat(t, WG_F32, 1000, v);
}

Test(json_write, short_memory_is_remembered)
{
    struct wg__text whole = {0};
    write_all(&whole);
    cr_assert(!whole.failed);
    int n = 0;
    for (bool failed = true; failed; n++) {
        struct wg__text t = {0};
        alloc_fail_once_at(n);
        write_all(&t);
        alloc_restore();
        failed = t.failed;
        cr_assert(t.n <= whole.n && (failed || t.n == whole.n));
        cr_assert(t.n == 0 || !memcmp(t.at, whole.at, t.n), "nothing is written after the failure");
        size_t kept = t.n;
        wg__text_add(&t, "more", 4);
        cr_assert(!failed || t.n == kept);
        wg__text_free(&t);
    }
    cr_assert_gt(n, 3, "growing was met");
    wg__text_free(&whole);
}
