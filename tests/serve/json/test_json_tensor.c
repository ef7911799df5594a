/* Lists as tensors. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>

#include "serve/json/json.h"
#include "support/alloc.h"

TestSuite(json_tensor, .timeout = 60);

/* A whole text as a tensor, from memory of its own size. */
static struct wg__json read_tensor(const char *text, wg_dtype t, struct wg__json_data *d)
{
    struct wg__json j;
    size_t          n = strlen(text);
    char           *copy = malloc(n ? n : 1);
    memcpy(copy, text, n);
    wg__json_open(&j, copy, n);
    if (wg__json_tensor(&j, t, d)) wg__json_finish(&j);
    free(copy);
    return j;
}

static void expect_shape(const char *text, wg_dtype t, wg_shape s, const void *data)
{
    struct wg__json_data d = {0};
    struct wg__json      j = read_tensor(text, t, &d);
    cr_assert(!j.status, "%s: %s at %lld", text, j.why, (long long)j.offset);
    cr_assert(!memcmp(&d.shape, &s, sizeof s), "%s: another shape", text);
    cr_assert(d.data && (uintptr_t)d.data % 64 == 0);
    cr_assert(!memcmp(d.data, data, (size_t)wg_count(&s) * wg_dtype_size(t)), "%s: other values", text);
    wg__json_data_free(&d);
    cr_assert(!d.data && !d.size);
}

static void expect_refusal(const char *text, wg_dtype t, int offset, const char *why)
{
    struct wg__json_data d = {0};
    struct wg__json      j = read_tensor(text, t, &d);
    cr_expect(j.status == WG_EFORMAT && j.offset == offset && !strcmp(j.why, why), "%s: %d, \"%s\" at %lld", text,
              j.status, j.why, (long long)j.offset);
    wg__json_data_free(&d);
}

Test(json_tensor, shapes_follow_the_brackets)
{
    static const double x[] = {1, 2, 3, 4, 5, 6};
    expect_shape("1", WG_F64, WG_SCALAR, x);
    expect_shape(" 1 ", WG_F64, WG_SCALAR, x);
    expect_shape("[1]", WG_F64, WG_SHAPE(1), x);
    expect_shape("[1,2,3]", WG_F64, WG_SHAPE(3), x);
    expect_shape(" [ 1 , 2\n,\t3 ] ", WG_F64, WG_SHAPE(3), x);
    expect_shape("[[1,2,3],[4,5,6]]", WG_F64, WG_SHAPE(2, 3), x);
    expect_shape("[ [ 1 ] , [ 2 ] ]", WG_F64, WG_SHAPE(2, 1), x);
    expect_shape("[[[1,2]],[[3,4]],[[5,6]]]", WG_F64, WG_SHAPE(3, 1, 2), x);
    expect_shape("[[[[[[[[1],[2]]]]]]]]", WG_F64, WG_SHAPE(1, 1, 1, 1, 1, 1, 2, 1), x);
}

Test(json_tensor, empty_lists_have_shapes)
{
    expect_shape("[]", WG_F32, WG_SHAPE(0), "");
    expect_shape("[ ]", WG_I64, WG_SHAPE(0), "");
    expect_shape("[[],[]]", WG_F32, WG_SHAPE(2, 0), "");
    expect_shape("[ [ [ ] ] , [ [ ] ] ]", WG_BOOL, WG_SHAPE(2, 1, 0), "");
}

Test(json_tensor, every_dtype_takes_its_numbers)
{
    expect_shape("[1.5,-0.0,1e-45,3.4028235e38,NaN,Infinity,-Infinity]", WG_F32, WG_SHAPE(7),
                 (float[]){1.5f, -0.0f, 1e-45f, 3.4028235e38f, NAN, HUGE_VALF, -HUGE_VALF});
    expect_shape("[0.1,5e-324,-1e308,Infinity]", WG_F64, WG_SHAPE(4), (double[]){0.1, 5e-324, -1e308, HUGE_VAL});
    expect_shape("[-2147483648,2147483647,-0,5.0,1e2]", WG_I32, WG_SHAPE(5),
                 (int32_t[]){INT32_MIN, INT32_MAX, 0, 5, 100});
    expect_shape("[-9223372036854775808,9223372036854775807,9007199254740993,1.0]", WG_I64, WG_SHAPE(4),
                 (int64_t[]){INT64_MIN, INT64_MAX, 9007199254740993, 1});
    expect_shape("[0,255,-0,2.55e2]", WG_U8, WG_SHAPE(4), (uint8_t[]){0, 255, 0, 255});
    expect_shape("[true,false,1,0,1.0,-0.0]", WG_BOOL, WG_SHAPE(6), (uint8_t[]){1, 0, 1, 0, 1, 0});
    expect_shape("true", WG_BOOL, WG_SCALAR, (uint8_t[]){1});
}

Test(json_tensor, ragged_lists_are_refused)
{
    expect_refusal("[[1,2],[1,2,3]]", WG_F32, 7, "a list of 3 elements where others have 2");
    expect_refusal("[[1,2],[1]]", WG_F32, 7, "a list of 1 element where others have 2");
    expect_refusal("[[1,2],[]]", WG_F32, 7, "a list of 0 elements where others have 2");
    expect_refusal("[[[1],[2]],[[3]]]", WG_F32, 11, "a list of 1 element where others have 2");
    expect_refusal("[[[1]],[]]", WG_F32, 7, "a list of 0 elements where others have 1");
    expect_refusal("[[],[1]]", WG_F32, 4, "a list of 1 element where others have 0");
    expect_refusal("[[],[[]]]", WG_F32, 5, "an array where a number belongs");
    expect_refusal("[1,[2]]", WG_F32, 3, "an array where a number belongs");
    expect_refusal("[[1],2]", WG_F32, 5, "a number where an array belongs");
    expect_refusal("[[[1]],[2]]", WG_F32, 8, "a number where an array belongs");
    expect_refusal("[[],2]", WG_F32, 4, "a number where an array belongs");
}

Test(json_tensor, other_kinds_are_refused)
{
    expect_refusal("\"a\"", WG_F32, 0, "a string where a number belongs");
    expect_refusal("[1, \"a\"]", WG_F32, 4, "a string where a number belongs");
    expect_refusal("[null]", WG_F64, 1, "null where a number belongs");
    expect_refusal("[true]", WG_F32, 1, "true where a number belongs");
    expect_refusal("[false]", WG_I32, 1, "false where a number belongs");
    expect_refusal("[{\"b64\": \"\"}]", WG_U8, 1, "an object where a number belongs");
    expect_refusal("[true, \"x\"]", WG_BOOL, 7, "a string where true or false belongs");
    expect_refusal("[maybe]", WG_BOOL, 1, "'m' where a value belongs");
    expect_refusal("[tru]", WG_BOOL, 1, "a word that JSON does not know");
    expect_refusal("[NaN]", WG_I32, 1, "no JSON number that i32 can hold");
    expect_refusal("[2]", WG_BOOL, 1, "2 is out of range of bool");
    expect_refusal("[0.5]", WG_BOOL, 1, "0.5 is no whole number, as bool is");
}

Test(json_tensor, numbers_out_of_range_are_refused)
{
    expect_refusal("[256]", WG_U8, 1, "256 is out of range of u8");
    expect_refusal("[-1]", WG_U8, 1, "-1 is out of range of u8");
    expect_refusal("[0, 5.5]", WG_I32, 4, "5.5 is no whole number, as i32 is");
    expect_refusal("[2147483648]", WG_I32, 1, "2147483648 is out of range of i32");
    expect_refusal("[-2147483649]", WG_I32, 1, "-2147483649 is out of range of i32");
    expect_refusal("[9223372036854775808]", WG_I64, 1, "9223372036854775808 is out of range of i64");
    expect_refusal("[-9223372036854775809]", WG_I64, 1, "-9223372036854775809 is out of range of i64");
    expect_refusal("[1e400]", WG_F64, 1, "1e400 is out of range of f64");
    expect_refusal("[-1e39]", WG_F32, 1, "-1e39 is out of range of f32");
    expect_refusal("[3.4028235677973367e38]", WG_F32, 1, "3.4028235677973367e38 is out of range of f32");
    expect_refusal("[100000000000000000000000000000000000000000000]", WG_I64, 1,
                   "1000000000000000000000000000000000000000 is out of range of i64");
}

Test(json_tensor, broken_text_is_refused)
{
    expect_refusal("", WG_F32, 0, "the end of the text where a number belongs");
    expect_refusal("[", WG_F32, 1, "the end of the text where a number belongs");
    expect_refusal("[1", WG_F32, 2, "the end of the text where ',' or ']' belongs");
    expect_refusal("[1,", WG_F32, 3, "the end of the text where a number belongs");
    expect_refusal("[1,]", WG_F32, 3, "']' where a value belongs");
    expect_refusal("[[1],]", WG_F32, 5, "']' where a value belongs");
    expect_refusal("[,]", WG_F32, 1, "',' where a value belongs");
    expect_refusal("[1 2]", WG_F32, 3, "'2' where ',' or ']' belongs");
    expect_refusal("[[1][2]]", WG_F32, 4, "'[' where ',' or ']' belongs");
    expect_refusal("[1}", WG_F32, 2, "'}' where ',' or ']' belongs");
    expect_refusal("[01]", WG_F32, 1, "no JSON number that f32 can hold");
    expect_refusal("[1.]", WG_I32, 1, "no JSON number that i32 can hold");
    expect_refusal("[1]]", WG_F32, 3, "']' where the end belongs");
    expect_refusal("]", WG_F32, 0, "']' where a value belongs");
    expect_refusal("[1,2", WG_BOOL, 3, "2 is out of range of bool");
}

Test(json_tensor, rank_and_depth_are_limited)
{
    expect_refusal("[[[[[[[[[1]]]]]]]]]", WG_F32, 8, "more than 8 dimensions");
    char                 text[WG__JSON_DEPTH + 16];
    struct wg__json      j;
    struct wg__json_data d = {0};
    for (int lists = 4; lists <= 5; lists++) {
        memset(text, '[', sizeof text);
        wg__json_open(&j, text, sizeof text);
        for (int i = 0; i < WG__JSON_DEPTH - 4; i++) cr_assert(wg__json_array(&j) && wg__json_more(&j));
        memset(text + WG__JSON_DEPTH - 4 + lists, ']', 8);
        cr_assert_eq(wg__json_tensor(&j, WG_F32, &d), lists == 4, "%s", j.why);
    }
    cr_expect(j.offset == WG__JSON_DEPTH && !strcmp(j.why, "nested deeper than 64"));
    wg__json_data_free(&d);
}

Test(json_tensor, what_follows_is_left)
{
    static const char    text[] = "{\"data\": [1, 2] , \"more\": 3.0 }";
    struct wg__json      j;
    struct wg__json_text key;
    struct wg__json_data d = {0};
    int64_t              n = 0;
    wg__json_open(&j, text, sizeof text - 1);
    cr_assert(wg__json_object(&j) && wg__json_key(&j, &key) && wg__json_tensor(&j, WG_U8, &d));
    cr_assert(wg__json_key(&j, &key) && wg__json_text_is(&key, "more") && wg__json_tensor(&j, WG_I32, &d));
    cr_assert(d.shape.rank == 0 && *(int32_t *)d.data == 3);
    cr_assert(!wg__json_key(&j, &key) && wg__json_finish(&j), "%s", j.why);
    wg__json_open(&j, "[1", 2);
    cr_assert(!wg__json_tensor(&j, WG_F32, &d) && !wg__json_tensor(&j, WG_F32, &d) && !wg__json_int64(&j, &n));
    wg__json_data_free(&d);
}

/* A list 0, 1, ... of n numbers; for free. */
static char *count_to(int n)
{
    char *text = malloc((size_t)n * 8 + 3), *p = text;
    cr_assert_not_null(text);
    *p++ = '[';
    for (int i = 0; i < n; i++) p += sprintf(p, i ? ",%d" : "%d", i);
    return strcpy(p, "]"), text;
}

Test(json_tensor, memory_is_used_again_and_bounded_by_the_text)
{
    char                *text = count_to(100000);
    struct wg__json_data d = {0};
    struct wg__json      j = read_tensor(text, WG_F64, &d);
    cr_assert(!j.status && d.shape.dim[0] == 100000 && ((double *)d.data)[99999] == 99999);
    cr_assert_leq(d.size, 4 * strlen(text));
    free(text);
    text = count_to(50000);
    wg__json_open(&j, text, strlen(text));
    long  before = alloc_count();
    void *data = d.data;
    cr_assert(wg__json_tensor(&j, WG_F32, &d));
    cr_assert(alloc_count() == before && d.data == data && ((float *)data)[49999] == 49999);
    free(text);
    wg__json_data_free(&d);
}

Test(json_tensor, short_memory_is_an_error)
{
    char           *text = count_to(5000);
    struct wg__json j;
    int             n = 0;
    for (bool ok = false; !ok; n++) {
        struct wg__json_data d = {0};
        wg__json_open(&j, text, strlen(text));
        alloc_fail_once_at(n);
        ok = wg__json_tensor(&j, WG_I64, &d);
        alloc_restore();
        cr_assert(ok || (j.status == WG_ENOMEM && j.why[0]));
        wg__json_open(&j, text, strlen(text));
        cr_assert(wg__json_tensor(&j, WG_I64, &d) && ((int64_t *)d.data)[4999] == 4999, "the next call goes on");
        wg__json_data_free(&d);
    }
    cr_assert_gt(n, 3, "growing was met");
    free(text);
}
