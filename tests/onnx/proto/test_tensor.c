/* TensorProtos as arrays: every form that values have, and every way to spoil it. */
#include <math.h>

#include "onnx/proto/made_test.h"
#include "onnx/proto/onnx_impl.h"

/* ---- One tensor, its status and its values ---- */

static void expect(const struct bytes *b, wg_dtype t, wg_shape s, const void *data)
{
    struct made m = make(b, NULL);
    cr_assert_eq(m.status, WG_OK, "%s", m.why);
    cr_assert_eq(m.a.dtype, t);
    cr_assert(wg__shape_equal(&m.a.shape, &s));
    cr_assert((uintptr_t)m.a.data % 64 == 0 && memcmp(m.a.data, data, wg_array_bytes(&m.a)) == 0);
    wg_array_free(&m.a);
}

static void refuse(const struct bytes *b, int status, const char *why)
{
    struct made m = make(b, NULL);
    cr_assert_eq(m.status, status, "%s: %s", why, m.why);
    cr_assert(strstr(m.why, why), "%s: %s", why, m.why);
    cr_assert(strstr(m.why, "t.pb: byte ") == m.why, "%s", m.why);
}

static void put_dims(struct bytes *b, int n, const int64_t *dim)
{
    for (int i = 0; i < n; i++) put_int(b, 1, dim[i]);
}
#define DIMS(...) \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]) { __VA_ARGS__ }

/* ---- Values ---- */

Test(onnx_tensor, raw_data_of_every_dtype)
{
    static const uint8_t raw[16] = {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 1, 2, 3, 4, 5, 6, 7, 0x88};
    static const int     codes[] = {WG__ONNX_FLOAT, WG__ONNX_UINT8, WG__ONNX_INT32, WG__ONNX_INT64, WG__ONNX_DOUBLE};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        wg_dtype     t = wg__onnx_dtype_in(codes[i]);
        int64_t      n = (int64_t)(sizeof raw / wg_dtype_size(t));
        struct bytes b = {0};
        put_dims(&b, DIMS(2, n / 2));
        put_int(&b, 2, codes[i]);
        put_bytes(&b, 9, raw, sizeof raw);
        expect(&b, t, WG_SHAPE(2, n / 2), raw);
        free(b.at);
    }
}

Test(onnx_tensor, a_bool_is_0_or_1)
{
    struct bytes b = {0};
    put_dims(&b, DIMS(4));
    put_int(&b, 2, WG__ONNX_BOOL);
    size_t n = b.n;
    put_bytes(&b, 9, "\0\1\2\xff", 4);
    expect(&b, WG_BOOL, WG_SHAPE(4), "\0\1\1\1");
    b.n = n;
    put_bytes(&b, 5, "\0\1\2\xff\1", 5);
    expect(&b, WG_BOOL, WG_SHAPE(4), "\0\1\1\1");
    free(b.at);
}

Test(onnx_tensor, no_dimensions_are_a_scalar_and_none_of_size_0_an_empty_tensor)
{
    struct bytes b = {0};
    put_int(&b, 2, WG__ONNX_FLOAT);
    put_float(&b, 4, 2.5f);
    expect(&b, WG_F32, WG_SCALAR, &(float){2.5f});
    b.n = 0;
    put_dims(&b, DIMS(3, 0));
    put_int(&b, 2, WG__ONNX_INT64);
    expect(&b, WG_I64, WG_SHAPE(3, 0), "");
    put_bytes(&b, 9, "", 0);
    expect(&b, WG_I64, WG_SHAPE(3, 0), "");
    put_bytes(&b, 7, "", 0);
    expect(&b, WG_I64, WG_SHAPE(3, 0), "");
    free(b.at);
}

/* Four values packed, single, or in pieces of both kinds. */
static void three_ways(int code, uint32_t field, const char *packed, size_t n, size_t half, const char *tag,
                       const void *want)
{
    struct bytes b = {0};
    put_dims(&b, DIMS(4));
    put_int(&b, 2, code);
    size_t start = b.n;
    put_bytes(&b, field, packed, n);
    expect(&b, wg__onnx_dtype_in(code), WG_SHAPE(4), want);
    b.n = start;
    put_bytes(&b, field, packed, half);
    put_bytes(&b, field, "", 0);
    put_bytes(&b, field, packed + half, n - half);
    expect(&b, wg__onnx_dtype_in(code), WG_SHAPE(4), want);
    b.n = start;
    put_bytes(&b, field, packed, half);
    put_text(&b, 8, "name");
    put(&b, tag, 1);
    put(&b, packed + half, n - half); /* one value */
    expect(&b, wg__onnx_dtype_in(code), WG_SHAPE(4), want);
    free(b.at);
}

Test(onnx_tensor, typed_data)
{
    three_ways(WG__ONNX_FLOAT, 4, (const char *)(float[]){1, -2, INFINITY, 0.5f}, 16, 12, "\x25",
               (float[]){1, -2, INFINITY, 0.5f});
    three_ways(WG__ONNX_DOUBLE, 10, (const char *)(double[]){1, -2, INFINITY, 0.1}, 32, 24, "\x51",
               (double[]){1, -2, INFINITY, 0.1});
    three_ways(WG__ONNX_INT32, 5, "\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\xff\xff\xff\xff\x0f\5", 17, 16, "\x28",
               (int32_t[]){1, -1, -1, 5}); /* a negative one may lack its upper half */
    three_ways(WG__ONNX_INT64, 7, "\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\xff\xff\xff\xff\x0f\5", 17, 16, "\x38",
               (int64_t[]){1, -1, UINT32_MAX, 5});
    three_ways(WG__ONNX_UINT8, 5, "\0\1\xff\1\7", 5, 4, "\x28", "\0\1\xff\7");
}

/* A million values that are not packed are read where they lie. */
Test(onnx_tensor, single_fields_take_no_memory)
{
    enum { N = 1000000 };
    struct bytes b = {0};
    put_dims(&b, DIMS(N));
    put_int(&b, 2, WG__ONNX_FLOAT);
    for (int i = 0; i < N; i++) put_float(&b, 4, (float)i);
    struct wg__onnx_file   f = {.name = "t.pb", .bytes = b.at, .size = b.n};
    struct wg__onnx_tensor t;
    cr_assert_eq(wg__onnx_tensor_parse(&f, &t), WG_OK);
    cr_assert(!f.arena.block->next && t.typed.n == 1);
    wg__arena_free(&f.arena);
    struct made m = make(&b, NULL);
    for (int i = 0; i < N; i++) cr_assert(((float *)m.a.data)[i] == (float)i);
    wg_array_free(&m.a);
    free(b.at);
}

/* ---- What is refused ---- */

Test(onnx_tensor, other_dtypes_are_refused_by_name)
{
    static const struct {
        int64_t     code;
        const char *name;
    } rows[] = {{0, "undefined"},     {3, "int8"},     {8, "string"},      {10, "float16"}, {16, "bfloat16"},
                {17, "float8e4m3fn"}, {22, "int4"},    {23, "float4e2m1"}, {27, "?"},       {-1, "?"},
                {1000, "?"},          {INT32_MIN, "?"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bytes b = {0};
        put_int(&b, 2, rows[i].code);
        put_text(&b, 8, "w");
        put_bytes(&b, 9, "1234", 4);
        char why[80];
        snprintf(why, sizeof why, "tensor 'w' has dtype %s (%lld), which is not supported", rows[i].name,
                 (long long)rows[i].code);
        refuse(&b, WG_EDTYPE, why);
        free(b.at);
    }
}

Test(onnx_tensor, our_dtypes_there_and_back)
{
    for (wg_dtype t = WG_F32; t < WG_DTYPES; t++) cr_assert_eq(wg__onnx_dtype_in(wg__onnx_dtype_out(t)), t);
    cr_assert_eq(wg__onnx_dtype_out(WG_DTYPES), 0);
    cr_assert_str_eq(wg__onnx_dtype_name(WG__ONNX_FLOAT), "float");
    cr_assert_str_eq(wg__onnx_dtype_name(WG__ONNX_DOUBLE), "double");
}

Test(onnx_tensor, shapes_that_are_none)
{
    static const struct {
        int64_t     dim[9];
        int         rank, status;
        const char *why;
    } rows[] = {
        {{-1}, 1, WG_EFORMAT, "tensor '' has dimension -1"},
        {{0, -5}, 2, WG_EFORMAT, "has dimension -5"},
        {{INT64_MIN}, 1, WG_EFORMAT, "has dimension -9223372036854775808"},
        {{INT64_C(1) << 40}, 1, WG_EFORMAT, "has 4 bytes, its shape 4398046511104"},
        {{INT64_C(1) << 40, INT64_C(1) << 40}, 2, WG_EFORMAT, "too many elements"},
        {{INT64_MAX}, 1, WG_EFORMAT, "too many elements"},
        {{2}, 1, WG_EFORMAT, "has 4 bytes, its shape 8"},
        {{0}, 1, WG_EFORMAT, "has 4 bytes, its shape 0"},
        {{0, INT64_MAX, INT64_MAX}, 3, WG_EFORMAT, "has 4 bytes, its shape 0"},
        {{1, 1, 1, 1, 1, 1, 1, 1, 1}, 9, WG_ESHAPE, "has rank 9, over 8"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bytes b = {0};
        put_dims(&b, rows[i].rank, rows[i].dim);
        put_int(&b, 2, WG__ONNX_FLOAT);
        put_bytes(&b, 9, "1234", 4);
        refuse(&b, rows[i].status, rows[i].why);
        free(b.at);
    }
}

Test(onnx_tensor, values_that_do_not_match)
{
    static const struct {
        int         code;
        uint32_t    field;
        const char *packed;
        size_t      n;
        const char *why;
    } rows[] = {
        {WG__ONNX_FLOAT, 4, "1234", 4, "has 4 bytes of values for the 2 of its shape"},
        {WG__ONNX_FLOAT, 4, "123456789abc", 12, "has more than the 2 values of its shape"},
        {WG__ONNX_FLOAT, 4, "123456789", 9, "float_data ends inside of a number of fixed size"},
        {WG__ONNX_FLOAT, 10, "12345678", 8, "values in field 10 or of a wire type that are not those of float_data"},
        {WG__ONNX_DOUBLE, 10, "12345678", 8, "has 8 bytes of values for the 2"},
        {WG__ONNX_INT32, 7, "\1\2", 2, "values in field 7"},
        {WG__ONNX_INT64, 7, "\1\x80", 2, "int64_data ends inside of a number"},
        {WG__ONNX_INT64, 7, "\x81\1", 2, "has 1 values, its shape 2"},
        {WG__ONNX_INT64, 11, "\1\1", 2, "values in field 11"},
        {WG__ONNX_UINT8, 5, "\1\xac\2", 3, "has the value 300, which is no uint8"},
        {WG__ONNX_UINT8, 5, "\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 11, "has the value -1, which is no uint8"},
        {WG__ONNX_BOOL, 5, "\1\xac\2", 3, "has the value 300, which is no bool"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bytes b = {0};
        put_dims(&b, DIMS(2));
        put_int(&b, 2, rows[i].code);
        put_bytes(&b, rows[i].field, rows[i].packed, rows[i].n);
        refuse(&b, WG_EFORMAT, rows[i].why);
        put_bytes(&b, 9, "12345678", 8);
        refuse(&b, WG_EFORMAT, "has its values twice");
        free(b.at);
    }
    struct bytes b = {0};
    put_int(&b, 2, WG__ONNX_FLOAT);
    put_int(&b, 4, 1);
    put_float(&b, 4, 1);
    refuse(&b, WG_EFORMAT, "of a wire type that are not those of float_data");
    free(b.at);
}
