/* JSON as RFC 8259 has it: what must be read, what must be refused and where. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <stdlib.h>

#include "serve/json/json.h"

/* The fuzzer's laws, for its own inputs. */
#define LLVMFuzzerTestOneInput replay_json
#include "fuzz/fuzz_json.c"

TestSuite(json_read, .timeout = 60);

struct bytes {
    const char *text;
    size_t      n;
};
#define B(text)                \
    {                          \
        text, sizeof(text) - 1 \
    }

/* A whole text that skip passes over, from memory of its own size. */
static struct wg__json read_whole(struct bytes b)
{
    struct wg__json j;
    char           *copy = malloc(b.n ? b.n : 1);
    cr_assert_not_null(copy);
    memcpy(copy, b.text, b.n);
    wg__json_open(&j, copy, b.n);
    if (wg__json_skip(&j)) wg__json_finish(&j);
    free(copy);
    return j;
}

Test(json_read, accepts_what_is_json)
{
    static const struct bytes texts[] = {
        B("null"),
        B("true"),
        B("false"),
        B("0"),
        B("-0"),
        B("-1.5e+10"),
        B("\"\""),
        B("[]"),
        B("{}"),
        B(" \t\r\n[ \t\r\n] \t\r\n"),
        B("[1,2 , 3]"),
        B("{\"a\":1}"),
        B("{ \"a\" : 1 , \"b\" : [ ] }"),
        B("[[],{},\"\",0,null,true,false]"),
        B("{\"a\":1,\"a\":2}"),
        B("{\"\":0}"),
        B("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
        B("\"\\u0000\""),
        B("\"\\u00e9\\u20AC\""),
        B("\"\\ud83d\\ude00\""),
        B("\"\\uDBFF\\uDFFF\""),
        B("\"\\uD7FF\\uE000\\uFFFF\""),
        B("\"\x7f\""),
        B("\"\xc2\x80\""),
        B("\"\xdf\xbf\""),
        B("\"\xe0\xa0\x80\""),
        B("\"\xed\x9f\xbf\""),
        B("\"\xee\x80\x80\""),
        B("\"\xef\xbf\xbf\""),
        B("\"\xf0\x90\x80\x80\""),
        B("\"\xf4\x8f\xbf\xbf\""),
        B("\"\xe2\x80\xa8\""),
        B("[NaN,Infinity,-Infinity]"),
        B("[1e400,1e-400]"),
        B("\"a long text of plain letters, then \xe2\x82\xac and \\n more of it\""),
        B("{\"a\":{\"b\":[{\"c\":[[1]]},2]},\"d\":{}}"),
        B("[100000000000000000000000000000000000000000]"),
        B("[0e+1]"),
        B("[123e-10000000]"),
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct wg__json j = read_whole(texts[i]);
        cr_expect(!j.status && j.depth == 0, "%s: %s at %lld", texts[i].text, j.why, (long long)j.offset);
    }
}

Test(json_read, refuses_what_is_not_and_says_where)
{
    static const struct {
        struct bytes b;
        int          offset;
        const char  *why;
    } rows[] = {
        /* bare text */
        {B(""), 0, "the end of the text where a value belongs"},
        {B("  "), 2, "the end of the text where a value belongs"},
        {B("x"), 0, "'x' where a value belongs"},
        {B("nul"), 0, "a word that JSON does not know"},
        {B("True"), 0, "'T' where a value belongs"},
        {B("truth"), 0, "a word that JSON does not know"},
        {B("truex"), 4, "'x' where the end belongs"},
        {B("1 2"), 2, "'2' where the end belongs"},
        {B("null\0"), 4, "byte 0x00 where the end belongs"},
        {B("\xef\xbb\xbfnull"), 0, "a byte order mark where a value belongs"},
        {B("\xff"), 0, "byte 0xff where a value belongs"},
        {B("\f1"), 0, "byte 0x0c where a value belongs"},
        {B("1\v"), 1, "byte 0x0b where the end belongs"},
        {B("'a'"), 0, "''' where a value belongs"},
        {B("/**/1"), 0, "'/' where a value belongs"},
        {B("]"), 0, "']' where a value belongs"},
        /* numbers */
        {B("01"), 0, "no JSON number"},
        {B("+1"), 0, "'+' where a value belongs"},
        {B("[.5]"), 1, "'.' where a value belongs"},
        {B("[1.]"), 1, "no JSON number"},
        {B("[-]"), 1, "no JSON number"},
        {B("[-01]"), 1, "no JSON number"},
        {B("[1e]"), 1, "no JSON number"},
        {B("[1e+]"), 1, "no JSON number"},
        {B("[1.5.5]"), 4, "'.' where ',' or ']' belongs"},
        {B("[0x1]"), 2, "'x' where ',' or ']' belongs"},
        {B("[1_000]"), 2, "'_' where ',' or ']' belongs"},
        {B("[-NaN]"), 1, "no JSON number"},
        {B("[Inf]"), 1, "no JSON number"},
        {B("[NaNs]"), 4, "'s' where ',' or ']' belongs"},
        {B("[1 000]"), 3, "'0' where ',' or ']' belongs"},
        /* arrays */
        {B("["), 1, "the end of the text where a value belongs"},
        {B("[1"), 2, "the end of the text where ',' or ']' belongs"},
        {B("[1,"), 3, "the end of the text where a value belongs"},
        {B("[1,]"), 3, "']' where a value belongs"},
        {B("[,1]"), 1, "',' where a value belongs"},
        {B("[1,,2]"), 3, "',' where a value belongs"},
        {B("[1 2]"), 3, "'2' where ',' or ']' belongs"},
        {B("[1}"), 2, "'}' where ',' or ']' belongs"},
        {B("[1]]"), 3, "']' where the end belongs"},
        {B("[\"a\":1]"), 4, "':' where ',' or ']' belongs"},
        {B("[[1]"), 4, "the end of the text where ',' or ']' belongs"},
        /* objects */
        {B("{"), 1, "the end of the text where a key belongs"},
        {B("{1:2}"), 1, "a number where a key belongs"},
        {B("{a:1}"), 1, "'a' where a value belongs"},
        {B("{\"a\"}"), 4, "'}' where ':' belongs"},
        {B("{\"a\":}"), 5, "'}' where a value belongs"},
        {B("{\"a\":1,}"), 7, "'}' where a value belongs"},
        {B("{\"a\" 1}"), 5, "'1' where ':' belongs"},
        {B("{\"a\":1 \"b\":2}"), 7, "'\"' where ',' or '}' belongs"},
        {B("{,}"), 1, "',' where a value belongs"},
        {B("{\"a\":1]"), 6, "']' where ',' or '}' belongs"},
        {B("{null:1}"), 1, "null where a key belongs"},
        {B("{\"a\":1"), 6, "the end of the text where ',' or '}' belongs"},
        {B("{\"a\""), 4, "the end of the text where ':' belongs"},
        {B("{\"a\":1,,}"), 7, "',' where a value belongs"},
        /* strings */
        {B("\""), 0, "a string without an end"},
        {B(" \"abc"), 1, "a string without an end"},
        {B("\"\\"), 1, "no JSON escape"},
        {B("\"\\\""), 0, "a string without an end"},
        {B("\"a\\x\""), 2, "no JSON escape"},
        {B("\"\\\0\""), 1, "no JSON escape"},
        {B("\"\\u12\""), 1, "no JSON escape"},
        {B("\"\\u12G4\""), 1, "no JSON escape"},
        {B("\"\\U0041\""), 1, "no JSON escape"},
        {B("\"\\ud800\""), 1, "no JSON escape"},
        {B("\"\\udc00\""), 1, "no JSON escape"},
        {B("\"\\ud800\\u0041\""), 1, "no JSON escape"},
        {B("\"\\ud800\\ud800\""), 1, "no JSON escape"},
        {B("\"\\ud800x\""), 1, "no JSON escape"},
        {B("\"\\u-123\""), 1, "no JSON escape"},
        {B("\"a\nb\""), 2, "control character 0x0a in a string"},
        {B("\"\t\""), 1, "control character 0x09 in a string"},
        {B("\"12345678\0\""), 9, "control character 0x00 in a string"},
        {B("\"\x1f\""), 1, "control character 0x1f in a string"},
        {B("\"\x80\""), 1, "byte 0x80 is no UTF-8"},
        {B("\"\xff\""), 1, "byte 0xff is no UTF-8"},
        {B("\"1234567\xc3\""), 8, "byte 0xc3 is no UTF-8"},
        {B("\"\xc3"), 1, "byte 0xc3 is no UTF-8"},
        {B("\"\xc0\xaf\""), 1, "byte 0xc0 is no UTF-8"},
        {B("\"\xc1\xbf\""), 1, "byte 0xc1 is no UTF-8"},
        {B("\"\xe0\x9f\xbf\""), 1, "byte 0xe0 is no UTF-8"},
        {B("\"\xed\xa0\x80\""), 1, "byte 0xed is no UTF-8"},
        {B("\"\xf0\x8f\xbf\xbf\""), 1, "byte 0xf0 is no UTF-8"},
        {B("\"\xf4\x90\x80\x80\""), 1, "byte 0xf4 is no UTF-8"},
        {B("\"\xf5\x80\x80\x80\""), 1, "byte 0xf5 is no UTF-8"},
        {B("\"\xe2\x82\""), 1, "byte 0xe2 is no UTF-8"},
        {B("\"\xe2\x82"), 1, "byte 0xe2 is no UTF-8"},
        {B("{\"\xe9\":1}"), 2, "byte 0xe9 is no UTF-8"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wg__json j = read_whole(rows[i].b);
        cr_expect(j.status == WG_EFORMAT && j.offset == rows[i].offset && !strcmp(j.why, rows[i].why),
                  "%s: %d, \"%s\" at %lld", rows[i].b.text, j.status, j.why, (long long)j.offset);
    }
}

Test(json_read, depth_is_limited)
{
    char text[8 * WG__JSON_DEPTH] = "";
    for (int extra = 0; extra < 2; extra++)
        for (int object = 0; object < 2; object++) {
            char *p = text;
            int   n = WG__JSON_DEPTH + extra;
            for (int i = 0; i < n; i++) p += sprintf(p, object && i < n - 1 ? "{\"\":" : "[");
            int deepest = (int)(p - text) - 1;
            for (int i = 0; i < n; i++) *p++ = object && i > 0 ? '}' : ']';
            struct wg__json j = read_whole((struct bytes){text, (size_t)(p - text)});
            cr_expect(extra ? j.status == WG_EFORMAT && j.offset == deepest : !j.status, "%s at %lld", j.why,
                      (long long)j.offset);
        }
    char *many = malloc(1000000);
    memset(many, '[', 1000000);
    struct wg__json j = read_whole((struct bytes){many, 1000000});
    cr_expect_eq(j.offset, WG__JSON_DEPTH);
    cr_expect_str_eq(j.why, "nested deeper than 64");
    free(many);
}

/* ---- Pulling ---- */

Test(json_read, values_come_in_order)
{
    static const char text[] = " { \"id\" : \"x\\u0031\" , \"n\":-12, \"r\":2.5e-1,\"t\":true , \"list\":[ 1 ,[2], [ ] "
                               "],\"o\":{}, \"z\":null }  ";
    struct wg__json   j;
    struct wg__json_text key, s;
    int64_t              n = 0, list[3] = {0};
    double               r = 0;
    bool                 t = false;
    char                 id[8] = "";
    int                  i = 0, keys = 0;
    wg__json_open(&j, text, sizeof text - 1);
    cr_assert_eq(wg__json_peek(&j), WG__JSON_OBJECT);
    cr_assert(wg__json_object(&j));
    while (wg__json_key(&j, &key)) {
        keys++;
        if (wg__json_text_is(&key, "id")) cr_expect(wg__json_string(&j, &s) && wg__json_text_copy(&s, id, sizeof id));
        else if (wg__json_text_is(&key, "n")) cr_expect(wg__json_int64(&j, &n));
        else if (wg__json_text_is(&key, "r")) cr_expect(wg__json_double(&j, &r));
        else if (wg__json_text_is(&key, "t")) cr_expect(wg__json_bool(&j, &t));
        else if (wg__json_text_is(&key, "list")) {
            cr_assert(wg__json_array(&j));
            while (wg__json_more(&j)) {
                if (wg__json_peek(&j) == WG__JSON_NUMBER) cr_expect(wg__json_int64(&j, &list[i++]));
                else cr_expect(wg__json_skip(&j) && ++i);
            }
        } else cr_expect(wg__json_skip(&j));
    }
    cr_assert(!j.status, "%s", j.why);
    cr_assert(wg__json_finish(&j) && j.depth == 0 && wg__json_peek(&j) == WG__JSON_END);
    cr_expect(keys == 7 && i == 3 && n == -12 && r == 0.25 && t && list[0] == 1);
    cr_expect_str_eq(id, "x1");
}

Test(json_read, another_kind_is_an_error)
{
    static const char *const values[] = {"{}", "[]", "\"\"", "1", "true", "null"};
    static const char *const names[] = {"an object", "an array", "a string", "a number", "true", "null"};
    static const char *const wanted[] = {"an object", "an array", "a string", "a number", "true or false"};
    char                     text[64], why[64];
    for (int value = 0; value < 6; value++)
        for (int want = 0; want < 5; want++) {
            struct wg__json      j;
            struct wg__json_text s;
            double               d;
            bool                 b;
            snprintf(text, sizeof text, " %s", values[value]);
            wg__json_open(&j, text, strlen(text));
            bool ok[5] = {0};
            if (want == 0) ok[0] = wg__json_object(&j);
            if (want == 1) ok[1] = wg__json_array(&j);
            if (want == 2) ok[2] = wg__json_string(&j, &s);
            if (want == 3) ok[3] = wg__json_double(&j, &d);
            if (want == 4) ok[4] = wg__json_bool(&j, &b);
            cr_expect_eq(ok[want], value == want);
            if (value == want) continue;
            snprintf(why, sizeof why, "%s where %s belongs", names[value], wanted[want]);
            cr_expect(!strcmp(j.why, why) && j.offset == 1, "%s instead of %s", j.why, why);
        }
}

Test(json_read, the_first_error_stays)
{
    struct wg__json      j;
    struct wg__json_text s;
    double               d;
    int64_t              i;
    bool                 b;
    wg__json_open(&j, "[1, 2]", 6);
    cr_assert(wg__json_array(&j) && wg__json_more(&j));
    cr_expect(!wg__json_bad(&j, NULL, "value %d is no good", 7));
    cr_expect(j.status == WG_EFORMAT && j.offset == 1);
    cr_expect(!wg__json_more(&j) && !wg__json_double(&j, &d) && !wg__json_int64(&j, &i) && !wg__json_bool(&j, &b));
    cr_expect(!wg__json_object(&j) && !wg__json_array(&j) && !wg__json_key(&j, &s) && !wg__json_string(&j, &s));
    cr_expect(!wg__json_skip(&j) && !wg__json_finish(&j) && wg__json_peek(&j) == WG__JSON_BAD);
    cr_expect(!wg__json_bad(&j, j.text, "another"));
    cr_expect(j.offset == 1 && !strcmp(j.why, "value 7 is no good"));
}

Test(json_read, whole_numbers_are_whole_and_in_range)
{
    static const struct {
        const char *text;
        int64_t     v;
        const char *why;
    } rows[] = {
        {"0", 0, NULL},
        {"-5.0", -5, NULL},
        {"1e3", 1000, NULL},
        {"9007199254740993", 9007199254740993, NULL},
        {"9223372036854775807", INT64_MAX, NULL},
        {"-9223372036854775808", INT64_MIN, NULL},
        {"9223372036854775808", 0, "9223372036854775808 is out of range of i64"},
        {"-9223372036854775809", 0, "-9223372036854775809 is out of range of i64"},
        {"1e30", 0, "1e30 is out of range of i64"},
        {"5.5", 0, "5.5 is no whole number"},
        {"NaN", 0, "no whole number"},
        {"-", 0, "no whole number"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wg__json j;
        int64_t         v = -1;
        wg__json_open(&j, rows[i].text, strlen(rows[i].text));
        cr_expect_eq(wg__json_int64(&j, &v), !rows[i].why, "%s: %s", rows[i].text, j.why);
        if (rows[i].why) cr_expect_str_eq(j.why, rows[i].why);
        else cr_expect_eq(v, rows[i].v);
    }
}

Test(json_read, a_double_does_not_overflow)
{
    struct wg__json j;
    double          v = 0;
    wg__json_open(&j, " -1e400", 7);
    cr_expect(!wg__json_double(&j, &v) && j.offset == 1);
    cr_expect_str_eq(j.why, "-1e400 is out of range of f64");
    wg__json_open(&j, "-Infinity", 9);
    cr_expect(wg__json_double(&j, &v) && v == -HUGE_VAL);
}

Test(json_read, kinds_have_names)
{
    cr_expect_str_eq(wg__json_kind_name(WG__JSON_ARRAY), "array");
    cr_expect_str_eq(wg__json_kind_name(WG__JSON_TRUE), "true");
}

/* ---- Strings ---- */

Test(json_read, strings_are_unescaped)
{
    static const struct {
        const char *text, *s; /* s: NULL if there is a zero in it */
    } rows[] = {
        {"\"\"", ""},
        {"\"abc\"", "abc"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u20ac\"", "A\xc3\xa9\xe2\x82\xac"},
        {"\"\\ud83d\\ude00!\"", "\xf0\x9f\x98\x80!"},
        {"\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"},
        {"\"caf\xc3\xa9\"", "caf\xc3\xa9"},
        {"\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf"},
        {"\"a\\u0000b\"", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wg__json      j;
        struct wg__json_text s;
        char                 out[64];
        wg__json_open(&j, rows[i].text, strlen(rows[i].text));
        cr_assert(wg__json_string(&j, &s) && wg__json_finish(&j), "%s: %s", rows[i].text, j.why);
        cr_expect_eq(s.escaped, strchr(rows[i].text, '\\') != NULL);
        bool copied = wg__json_text_copy(&s, out, sizeof out);
        cr_expect_eq(copied, rows[i].s != NULL);
        if (!rows[i].s) continue;
        cr_expect_str_eq(out, rows[i].s);
        size_t n = strlen(out);
        cr_expect(wg__json_text_copy(&s, out, n + 1) && !strcmp(out, rows[i].s), "just enough room");
        cr_expect(!wg__json_text_copy(&s, out, n), "a byte too little");
        cr_expect(wg__json_text_is(&s, rows[i].s));
        snprintf(out, sizeof out, "%sx", rows[i].s);
        cr_expect(!wg__json_text_is(&s, out) && (n == 0 || !wg__json_text_is(&s, "")));
    }
}

/* A quote, a backslash, a control character or a non-ASCII byte at every place of a word. */
Test(json_read, long_strings_are_seen_to_their_end)
{
    char text[64];
    for (int n = 0; n < 40; n++)
        for (int place = 0; place < n; place++)
            for (int c = 1; c < 256; c++) {
                struct wg__json      j;
                struct wg__json_text s;
                memset(text, 'a', sizeof text);
                text[0] = text[n + 1] = '"';
                text[1 + place] = (char)c;
                wg__json_open(&j, text, (size_t)n + 2);
                bool ok = wg__json_string(&j, &s);
                if (c == '"') cr_assert(ok && s.n == (size_t)place);
                else if (c == '\\') cr_assert(!ok); /* \a, or an escaped last quote */
                else cr_assert(ok == (c >= 0x20 && c < 0x80) && (ok ? s.n == (size_t)n : j.offset == 1 + place));
            }
}

/* ---- Inputs that a fuzzer found ---- */

Test(json_read, inputs_of_the_fuzzer_obey_its_laws)
{
    static const char folder[] = "tests/fuzz/fuzz_json.corpus";
    static uint8_t    bytes[1 << 16];
    DIR              *d = opendir(folder);
    if (!d) cr_skip_test("%s is not here", folder);
    int n = 0;
    for (struct dirent *e; (e = readdir(d));) {
        char path[512];
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        FILE *f = fopen(path, "rb");
        cr_assert_not_null(f, "%s", path);
        size_t size = fread(bytes, 1, sizeof bytes, f);
        fclose(f);
        cr_expect_eq(replay_json(bytes, size), 0);
        n++;
    }
    closedir(d);
    cr_assert_gt(n, 0);
}
