/* Laws of the safetensors reader and writer. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wengert/data.h>
#include <wengert/train.h>

#include "support/alloc.h"

static const unsigned char python_file[] = {
#include "train/reference/python_safetensors.inc"
};

/* A name that no other test process has. */
static const char *temp(char *buf, size_t n, const char *what)
{
    snprintf(buf, n, "/tmp/wengert-%ld-%s.safetensors", (long)getpid(), what);
    return buf;
}

static void expect(const wg_safetensors *f, const char *name, wg_dtype t, wg_shape s, const void *data)
{
    const wg_safetensor *x = wg_safetensors_find(f, name);
    cr_assert(x != NULL, "%s", name);
    cr_assert_eq(x->dtype, t, "%s", name);
    cr_assert_eq(x->shape.rank, s.rank, "%s", name);
    for (int i = 0; i < s.rank; i++) cr_assert_eq(x->shape.dim[i], s.dim[i], "%s", name);
    size_t bytes = (size_t)wg_count(&s) * wg_dtype_size(t);
    cr_assert(bytes == 0 || memcmp(x->data, data, bytes) == 0, "%s", name);
}

static void expect_python(const wg_safetensors *f)
{
    cr_assert_eq(wg_safetensors_count(f), 8);
    expect(f, "fc1.weight", WG_F32, WG_SHAPE(2, 3), (float[]){0, 0.125f, 0.25f, 0.375f, 0.5f, 0.625f});
    expect(f, "fc1.bias", WG_F64, WG_SHAPE(3), (double[]){-1.5, 0.25, 1e10});
    expect(f, "labels", WG_I32, WG_SHAPE(2, 2), (int32_t[]){1, -2, 3, -4});
    expect(f, "big", WG_I64, WG_SCALAR, (int64_t[]){-((int64_t)1 << 62)});
    expect(f, "bytes", WG_U8, WG_SHAPE(3), (uint8_t[]){0, 255, 7});
    expect(f, "mask", WG_BOOL, WG_SHAPE(2), (uint8_t[]){1, 0});
    expect(f, "empty", WG_F32, WG_SHAPE(0, 4), NULL);
    expect(f, "na\xc3\xafve \"name\"\n\xf0\x9f\x98\x80", WG_F32, WG_SHAPE(1), (float[]){1});
    cr_assert_str_eq(wg_safetensors_meta(f, "note"), "tab\there");
    cr_assert_str_eq(wg_safetensors_meta(f, "format"), "np");
    cr_assert_null(wg_safetensors_meta(f, "nothing"));
    cr_assert_null(wg_safetensors_find(f, "nothing"));
}

Test(safetensors, reads_what_python_wrote)
{
    wg_error        e;
    wg_safetensors *f = wg_safetensors_parse(python_file, sizeof python_file, &e);
    cr_assert(f != NULL, "%s", e.message);
    expect_python(f);
    wg_safetensors_free(f);
}

static int write_again(const wg_safetensors *f, const char *path, wg_error *e)
{
    wg_safetensor x[16];
    int           n = wg_safetensors_count(f);
    for (int i = 0; i < n; i++) x[i] = *wg_safetensors_at(f, i);
    return wg_safetensors_write(path, n, x, 2, (const char *const[][2]){{"note", "tab\there"}, {"format", "np"}}, e);
}

Test(safetensors, what_is_written_is_read)
{
    char            path[64];
    wg_error        e;
    wg_safetensors *f = wg_safetensors_parse(python_file, sizeof python_file, &e);
    cr_assert_eq(write_again(f, temp(path, sizeof path, "again"), &e), WG_OK, "%s", e.message);
    cr_assert_eq(write_again(f, path, &e), WG_OK, "an old file is replaced");
    wg_safetensors *again = wg_safetensors_read(path, &e);
    cr_assert(again != NULL, "%s", e.message);
    expect_python(again);
    for (int i = 0; i < wg_safetensors_count(again); i++) {
        const wg_safetensor *x = wg_safetensors_at(again, i), *first = wg_safetensors_at(again, 0);
        cr_assert_eq(((const char *)x->data - (const char *)first->data) % (ptrdiff_t)wg_dtype_size(x->dtype), 0);
    }
    wg_safetensors_free(again);
    wg_safetensors_free(f);
    unlink(path);
}

Test(safetensors, writes_what_python_checks)
{
    char     path[64];
    wg_error e;
    cr_assert_eq(wg_safetensors_write(temp(path, sizeof path, "empty"), 0, NULL, 0, NULL, &e), WG_OK, "%s", e.message);
    FILE         *file = fopen(path, "rb");
    unsigned char bytes[64];
    size_t        n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    unlink(path);
    cr_assert_eq(n, 16, "eight bytes, then \"{}\" filled up to eight");
    cr_assert(memcmp(bytes, "\x08\0\0\0\0\0\0\0{}      ", 16) == 0);
}

/* A header (JSON) and `data` bytes of zero. */
static wg_safetensors *parse(const char *json, size_t data, wg_error *e)
{
    size_t         n = strlen(json);
    uint64_t       header = n;
    unsigned char *file = calloc(1, 8 + n + data);
    memcpy(file, &header, 8);
    memcpy(file + 8, json, n);
    wg_safetensors *f = wg_safetensors_parse(file, 8 + n + data, e);
    free(file);
    return f;
}

#define T(shape, a, b) "{\"dtype\":\"F32\",\"shape\":[" shape "],\"data_offsets\":[" #a "," #b "]}"

Test(safetensors, well_formed_headers)
{
    static const struct {
        const char *json;
        size_t      data;
    } good[] = {
        {"{}", 0},
        {"{ }  \n\t\r", 0},
        {"{\"__metadata__\":{}}", 0},
        {"{\"a\":" T("1", 0, 4) "}", 4},
        {"{\"a\":" T("", 0, 4) ",\"b\":" T("0", 4, 4) ",\"c\":" T("2,1", 4, 12) "}", 12},
        {"{\"b\":" T("1", 4, 8) ",\"a\":" T("1", 0, 4) "}", 8},
        {"{\"a\" : { \"shape\" : [ 1 , 1 ] , \"data_offsets\" : [ 0 , 4 ] , \"dtype\" : \"F32\" } }", 4},
        {"{\"\\u0061\\u00e9\\ud83d\\ude00\\/\":" T("1", 0, 4) "}", 4},
        {"{\"\":" T("1", 0, 4) "}", 4},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        wg_error        e;
        wg_safetensors *f = parse(good[i].json, good[i].data, &e);
        cr_assert(f != NULL, "%s: %s", good[i].json, e.message);
        wg_safetensors_free(f);
    }
}

/* Each is refused, at the byte of the header where '@' stands (which is taken out). */
Test(safetensors, malformed_headers_are_refused_at_their_place)
{
    static const struct {
        const char *json, *word;
        size_t      data;
    } bad[] = {
        {"@[]", "'{'", 0},
        {"{@", "ends", 0},
        {"{}@x", "after", 0},
        {"{\"a@", "text", 0},
        {"{\"a\" @1}", "':'", 0},
        {"{\"a\":@1}", "'{'", 0},
        {"{@\"a\":{}}", "missing", 0},
        {"{@\"a\":" T("1", 0, 8) "}", "shape", 8},
        {"{@\"a\":" T("1", 4, 0) "}", "outside", 4},
        {"{@\"a\":" T("2", 0, 8) "}", "outside", 4},
        {"{\"a\":" T("1", 0, 4) ",@\"a\":" T("1", 4, 8) "}", "twice", 8},
        {"{\"a\":" T("1", 0, 4) ",@\"\\u0061\":" T("1", 4, 8) "}", "twice", 8},
        {"{\"a\":" T("1", 0, 4) ",@\"b\":" T("1", 0, 4) "}", "overlap", 8},
        {"{\"a\":" T("1", 0, 4) ",@\"b\":" T("1", 8, 12) "}", "hole", 12},
        {"{}@", "no tensor", 8},
        {"{\"a\":{@\"type\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "key", 4},
        {"{\"a\":{\"dtype\":\"F32\",@\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "twice", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[@-1],\"data_offsets\":[0,4]}}", "number", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[@01],\"data_offsets\":[0,4]}}", "begins with 0", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[@1.0],\"data_offsets\":[0,4]}}", "whole", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[@9223372036854775808],\"data_offsets\":[0,4]}}", "2^63", 4},
        {"{@\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,4]}}", "shape", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],@\"data_offsets\":[0]}}", "two", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]@,}}", "", 4},
        {"{\"a@\xff\":{}}", "UTF-8", 0},
        {"{\"a@\xc0\x80\":{}}", "UTF-8", 0},
        {"{\"a@\xed\xa0\x80\":{}}", "UTF-8", 0},
        {"{\"a@\n\":{}}", "control", 0},
        {"{\"a\\@x\":{}}", "escape", 0},
        {"{\"a@\\ud800\":{}}", "surrogate", 0},
        {"{\"a@\\udc00\":{}}", "character", 0},
        {"{\"a@\\u0000\":{}}", "zero", 0},
        {"{\"a@\\u00g0\":{}}", "character", 0},
        {"{\"__metadata__\":{\"a\":@1}}", "\"", 0},
        {"{\"__metadata__\":{\"a\":\"1\",@\"a\":\"2\"}}", "twice", 0},
        {"{\"__metadata__\":{},@\"__metadata__\":{}}", "twice", 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char        json[256];
        wg_error    e = {0};
        const char *mark = strchr(bad[i].json, '@');
        int64_t     at = mark - bad[i].json;
        snprintf(json, sizeof json, "%.*s%s", (int)at, bad[i].json, mark + 1);
        cr_assert_null(parse(json, bad[i].data, &e), "%s", json);
        cr_assert_eq(e.status, WG_EFORMAT, "%s", json);
        cr_assert(strstr(e.message, bad[i].word), "%s: %s", json, e.message);
        if (*bad[i].word) cr_assert_eq(e.offset, at + 8, "%s: %s", json, e.message);
    }
}

Test(safetensors, a_bool_is_0_or_1)
{
    const char    json[] = "{\"a\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[0,2]}}";
    unsigned char file[8 + sizeof json - 1 + 2] = {sizeof json - 1};
    wg_error      e;
    memcpy(file + 8, json, sizeof json - 1);
    file[sizeof file - 2] = 1;
    wg_safetensors *f = wg_safetensors_parse(file, sizeof file, &e);
    cr_assert(f != NULL, "%s", e.message);
    wg_safetensors_free(f);
    file[sizeof file - 1] = 2;
    cr_assert_null(wg_safetensors_parse(file, sizeof file, &e));
    cr_assert_eq(e.offset, (int64_t)sizeof file - 1);
}

Test(safetensors, every_truncation_is_refused)
{
    for (size_t n = 0; n < sizeof python_file; n++) {
        wg_error       e = {0};
        unsigned char *part = malloc(n + !n); /* of that size, so that a sanitizer sees a read past it */
        memcpy(part, python_file, n);
        cr_assert_null(wg_safetensors_parse(part, n, &e), "%zu bytes", n);
        cr_assert_eq(e.status, WG_EFORMAT);
        cr_assert(e.offset >= 0 && e.offset <= (int64_t)n);
        free(part);
    }
}

Test(safetensors, no_flipped_bit_does_harm)
{
    unsigned char file[sizeof python_file];
    memcpy(file, python_file, sizeof file);
    for (size_t i = 0; i < sizeof file; i++)
        for (int bit = 0; bit < 8; bit++) {
            wg_error e = {0};
            file[i] ^= (unsigned char)(1 << bit);
            wg_safetensors *f = wg_safetensors_parse(file, sizeof file, &e);
            cr_assert(f || e.status == WG_EFORMAT, "byte %zu: %s", i, e.message);
            cr_assert(i >= 8 || !f, "the length of the header is checked in every bit");
            wg_safetensors_free(f);
            file[i] ^= (unsigned char)(1 << bit);
        }
}

Test(safetensors, what_could_not_be_read_is_not_written)
{
    char                path[64];
    float               one = 1;
    uint8_t             two = 2;
    const wg_safetensor good = {"a", WG_F32, WG_SCALAR, &one};
    wg_safetensor       bad[] = {{NULL, WG_F32, WG_SCALAR, &one},   {"__metadata__", WG_F32, WG_SCALAR, &one},
                                 {"\xff", WG_F32, WG_SCALAR, &one}, {"a", WG_DTYPES, WG_SCALAR, &one},
                                 {"a", WG_F32, WG_SHAPE(-5), &one}, {"a", WG_F32, WG_SCALAR, NULL},
                                 {"a", WG_F32, {.rank = 9}, &one},  {"a", WG_BOOL, WG_SCALAR, &two}};
    temp(path, sizeof path, "bad");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_eq(wg_safetensors_write(path, 1, &bad[i], 0, NULL, NULL), WG_EARG, "%zu", i);
    cr_assert_eq(wg_safetensors_write(path, 2, (wg_safetensor[]){good, good}, 0, NULL, NULL), WG_EARG);
    const char *const twice[][2] = {{"k", "1"}, {"k", "2"}}, *const none[][2] = {{"k", NULL}};
    cr_assert_eq(wg_safetensors_write(path, 1, &good, 2, twice, NULL), WG_EARG);
    cr_assert_eq(wg_safetensors_write(path, 1, &good, 1, none, NULL), WG_EARG);
    cr_assert_neq(access(path, F_OK), 0, "nothing was written");
    cr_assert_eq(wg_safetensors_write("/nonexistent/x", 1, &good, 0, NULL, NULL), WG_EIO);
    cr_assert_null(wg_safetensors_read("/nonexistent/x", NULL));
    cr_assert_null(wg_safetensors_read("/tmp", NULL));
}

Test(safetensors, every_allocation_may_fail)
{
    char            path[64];
    wg_error        e;
    wg_safetensors *f = wg_safetensors_parse(python_file, sizeof python_file, NULL), *again = NULL;
    int             status = WG_ENOMEM;
    temp(path, sizeof path, "nomem");
    for (long n = 0; status; n++) {
        alloc_fail_at(n);
        status = write_again(f, path, &e);
        alloc_restore();
        cr_assert(!status || (status == WG_ENOMEM && e.status == WG_ENOMEM), "allocation %ld: %s", n, e.message);
        cr_assert_eq(access(path, F_OK) == 0, status == WG_OK);
    }
    for (long n = 0; !again; n++) {
        alloc_fail_at(n);
        again = wg_safetensors_read(path, &e);
        alloc_restore();
        cr_assert(again || e.status == WG_ENOMEM, "allocation %ld: %s", n, e.message);
    }
    expect_python(again);
    wg_safetensors_free(again);
    wg_safetensors_free(f);
    unlink(path);
}

/* ---- Dtypes that only files have ---- */

static wg_safetensors *parse_with(const char *json, const void *data, size_t size, wg_error *e)
{
    uint64_t       header = strlen(json);
    unsigned char *file = malloc(8 + header + size);
    memcpy(file, &header, 8);
    memcpy(file + 8, json, header);
    memcpy(file + 8 + header, data, size);
    wg_safetensors *f = wg_safetensors_parse(file, 8 + header + size, e);
    free(file);
    return f;
}

/* One tensor "w" of n elements after a tensor of one byte, so that it lies at an odd place. */
static wg_safetensors *parse_tensor(const char *dtype, int n, const void *data, size_t size)
{
    char          json[256];
    wg_error      e = {0};
    unsigned char bytes[64] = {7};
    memcpy(bytes + 1, data, size);
    snprintf(json, sizeof json,
             "{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
             "\"w\":{\"dtype\":\"%s\",\"shape\":[%d],\"data_offsets\":[1,%zu]}}",
             dtype, n, 1 + size);
    wg_safetensors *f = parse_with(json, bytes, 1 + size, &e);
    cr_assert(f != NULL, "%s: %s", dtype, e.message);
    expect(f, "b", WG_U8, WG_SHAPE(1), (uint8_t[]){7});
    return f;
}

Test(safetensors, narrower_dtypes_become_the_next_wider)
{
    const struct {
        const char *dtype;
        int         n;
        size_t      size;
        const void *data;
        wg_dtype    to;
        const void *want;
    } rows[] = {
        {"F16", 4, 8, (const uint16_t[]){0x3c00, 0xc000, 0x0001, 0x7c00}, WG_F32,
         (const float[]){1, -2, 0x1p-24f, __builtin_inff()}},
        {"BF16", 4, 8, (const uint16_t[]){0x3f80, 0xc000, 0x0001, 0xff80}, WG_F32,
         (const float[]){1, -2, 0x1p-133f, -__builtin_inff()}},
        {"I8", 2, 2, (const int8_t[]){-128, 127}, WG_I32, (const int32_t[]){-128, 127}},
        {"I16", 2, 4, (const int16_t[]){-32768, 32767}, WG_I32, (const int32_t[]){-32768, 32767}},
        {"U16", 2, 4, (const uint16_t[]){0, 65535}, WG_I32, (const int32_t[]){0, 65535}},
        {"U32", 2, 8, (const uint32_t[]){0, UINT32_MAX}, WG_I64, (const int64_t[]){0, UINT32_MAX}},
        {"U64", 2, 16, (const uint64_t[]){0, INT64_MAX}, WG_I64, (const int64_t[]){0, INT64_MAX}},
        {"F16", 0, 0, "", WG_F32, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wg_safetensors *f = parse_tensor(rows[i].dtype, rows[i].n, rows[i].data, rows[i].size);
        expect(f, "w", rows[i].to, WG_SHAPE(rows[i].n), rows[i].want);
        cr_assert_null(wg_safetensors_reason(f, "w"));
        wg_safetensors_free(f);
    }
}

static void expect_left_out(wg_safetensors *f, const char *why)
{
    cr_assert_eq(wg_safetensors_count(f), 2);
    cr_assert_null(wg_safetensors_find(f, "w"));
    cr_assert_null(wg_safetensors_at(f, 1)->data);
    cr_assert_str_eq(wg_safetensors_at(f, 1)->name, "w");
    const char *reason = wg_safetensors_reason(f, "w");
    cr_assert(reason && strstr(reason, "'w'") && strstr(reason, why), "%s", reason);
    cr_assert_null(wg_safetensors_reason(f, "b"));
    cr_assert_null(wg_safetensors_reason(f, "x"));
    wg_safetensors_free(f);
}

Test(safetensors, one_foreign_tensor_does_not_spoil_the_others)
{
    expect_left_out(parse_tensor("F8_E4M3", 2, "ab", 2), "F8_E4M3 is no dtype of this library");
    expect_left_out(parse_tensor("C64", 1, "abcdefgh", 8), "C64");
    expect_left_out(parse_tensor("U64", 2, (const uint64_t[]){1, 1ull << 63}, 16), "element 1 is 9223372036854775808");
    const char json[] = "{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                        "\"w\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[1,3]}}";
    expect_left_out(parse_with(json, "abc", 3, NULL), "9 dimensions");
    cr_assert_null(parse_with("{\"w\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,3]}}", "abc", 3, NULL));
    cr_assert_null(parse_with("{\"w\":{\"dtype\":\"F8\",\"shape\":[2],\"data_offsets\":[0,4]}}", "abc", 3, NULL));
}

Test(safetensors, every_allocation_for_other_dtypes_may_fail)
{
    static const char json[] = "{\"b\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]},"
                               "\"w\":{\"dtype\":\"F8\",\"shape\":[1],\"data_offsets\":[2,3]}}";
    unsigned char     file[8 + sizeof json - 1 + 3] = {sizeof json - 1};
    wg_safetensors   *f = NULL;
    memcpy(file + 8, json, sizeof json - 1);
    for (long n = 0; !f; n++) {
        wg_error e = {0};
        alloc_fail_at(n);
        f = wg_safetensors_parse(file, sizeof file, &e);
        alloc_restore();
        cr_assert(f || e.status == WG_ENOMEM, "allocation %ld: %s", n, e.message);
    }
    cr_assert(wg_safetensors_find(f, "b") && wg_safetensors_reason(f, "w"));
    wg_safetensors_free(f);
}

/* Weights of half precision are weights. */
Test(safetensors, a_checkpoint_of_halves_is_loaded_and_a_foreign_tensor_is_named)
{
    char           path[64];
    wg_error       e = {0};
    float          w[2] = {0};
    const char     json[] = "{\"w\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]}}     ";
    unsigned char  file[8 + sizeof json - 1 + 4] = {sizeof json - 1};
    const uint16_t halves[] = {0x3f80, 0xc000};
    wg_graph      *g = wg_graph_new();
    wg_node       *p = wg_param(g, "w", WG_F32, WG_SHAPE(2));
    memcpy(file + 8, json, sizeof json - 1);
    memcpy(file + sizeof file - 4, halves, 4);
    temp(path, sizeof path, "halves");
    cr_assert_eq(wg_file_write(path, file, sizeof file, &e), WG_OK);
    cr_assert_eq(wg_checkpoint_load(g, NULL, path, NULL, NULL, &e), WG_OK, "%s", e.message);
    wg_param_get(p, w);
    cr_assert(w[0] == 1 && w[1] == -2);
    char *dtype = (char *)memmem(file, sizeof file, "\"BF16\"", 6);
    memcpy(dtype, "\"F8_X\"", 6);
    cr_assert_eq(wg_file_write(path, file, sizeof file, &e), WG_OK);
    for (int partial = 0; partial < 2; partial++) {
        cr_assert_eq(wg_checkpoint_load(g, NULL, path, &(wg_load_options){.partial = partial}, NULL, &e), WG_EDTYPE);
        cr_assert(strstr(e.message, "tensor 'w': F8_X is no dtype"), "%s", e.message);
    }
    wg_graph_free(g);
    unlink(path);
}
