/* .npy: NumPy's own files, and every way to spoil one. */
#include <math.h>

#include "data/files.h"

static int parse(const void *bytes, size_t n, wg_error *e)
{
    wg_array a;
    int      status = wg_npy_parse(bytes, n, &a, e);
    if (status) expect_nothing(&a);
    wg_array_free(&a);
    return status;
}

static void expect_f4(const wg_array *a)
{
    expect_array(a, WG_F32, WG_SHAPE(2, 3, 4));
    for (int i = 0; i < 24; i++) cr_assert_eq(((float *)a->data)[i], (float)i * 1.5f - 2);
}

Test(npy, numpy_wrote_every_version_and_order)
{
    static const char *const files[] = {FIXTURE("v1.npy"), FIXTURE("v2.npy"), FIXTURE("v3.npy"), FIXTURE("big.npy")};
    wg_array                 a;
    wg_error                 e = {0};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        cr_assert_eq(wg_npy_read(files[i], &a, &e), WG_OK, "%s", e.message);
        expect_f4(&a);
        wg_array_free(&a);
    }
    cr_assert_eq(wg_npy_read(FIXTURE("fortran.npy"), &a, &e), WG_OK, "%s", e.message);
    expect_array(&a, WG_F64, WG_SHAPE(2, 3, 4));
    for (int i = 0; i < 24; i++) cr_assert_eq(((double *)a.data)[i], i / 3.0);
    wg_array_free(&a);
}

Test(npy, other_dtypes_are_refused_by_name)
{
    wg_array a;
    wg_error e = {0};
    cr_assert_eq(wg_npy_read(FIXTURE("complex.npy"), &a, &e), WG_EDTYPE);
    cr_assert(strstr(e.message, "complex.npy: byte 20: dtype '<c8'"), "%s", e.message);
    cr_assert_eq(e.offset, 20);
    cr_assert_eq(wg_npy_read(FIXTURE("structured.npy"), &a, &e), WG_EFORMAT);
    cr_assert(strstr(e.message, "structured"), "%s", e.message);
    expect_nothing(&a);
}

/* A file with that header and 8 zero bytes of data. */
static struct bytes with_header(const char *header)
{
    size_t       n = strlen(header);
    struct bytes b = {.data = calloc(1, n + 18), .n = n + 18};
    memcpy(b.data, "\x93NUMPY\1\0", 8);
    b.data[8] = (uint8_t)n;
    memcpy(b.data + 10, header, n);
    return b;
}

Test(npy, headers_are_read_strictly)
{
    static const struct {
        int         status;
        int64_t     offset;
        const char *header;
    } headers[] = {
        {WG_OK, -1, "{'descr': '<f8', 'fortran_order': False, 'shape': (), }  \n"},
        {WG_OK, -1, "{\"shape\":(1,2),\"fortran_order\":True,\"descr\":\">f4\"}\n"},
        {WG_OK, -1, "{'descr': '|u1', 'fortran_order': False, 'shape': (8,)}\n"},
        {WG_OK, -1, "{'descr': '<u1', 'fortran_order': False, 'shape': (2,2,2,)}\n"},
        {WG_EFORMAT, 10, "['descr']\n"},
        {WG_EFORMAT, 66, "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'x': 1}\n"},
        {WG_EFORMAT, 65, "{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}"},
        {WG_EFORMAT, 66, "{'descr': '<f8', 'fortran_order': False, 'shape': (1,)} x\n"},
        {WG_EFORMAT, 62, "{'descr': '<f8', 'fortran_order': False, 'shape': (1)}\n"},
        {WG_EFORMAT, 61, "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}\n"},
        {WG_EFORMAT, 61, "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,)}\n"},
        {WG_EFORMAT, 77, "{'descr': '<f8', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}\n"},
        {WG_EFORMAT, 44, "{'descr': '<f8', 'fortran_order': 0, 'shape': (1,)}\n"},
        {WG_EFORMAT, 50, "{'descr': '<f8', 'fortran_order': False}\n"},
        {WG_EFORMAT, 27, "{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (1,)}\n"},
        {WG_EFORMAT, 26, "{'descr': '<f8' 'fortran_order': False, 'shape': (1,)}\n"},
        {WG_EDTYPE, 20, "{'descr': '|f8', 'fortran_order': False, 'shape': (1,)}\n"},
        {WG_EDTYPE, 20, "{'descr': '<B2', 'fortran_order': False, 'shape': (1,)}\n"},
        {WG_EDTYPE, 20, "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n"},
        {WG_EFORMAT, -2, "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}\n"},
        {WG_EFORMAT, -2, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}\n"},
        {WG_EFORMAT, -2, "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296,4294967296,4294967296)}\n"},
        {WG_EFORMAT, -2, "{'descr': '<f4', 'fortran_order': False, 'shape': (0,4294967296,4294967296,4294967296)}\n"},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        wg_error     e = {.offset = -1};
        struct bytes b = with_header(headers[i].header);
        int          status = parse(b.data, b.n, &e);
        cr_assert_eq(status, headers[i].status, "%s: %s", headers[i].header, e.message);
        cr_assert(headers[i].offset == -2 || e.offset == headers[i].offset, "%s: %s", headers[i].header, e.message);
        free(b.data);
    }
}

Test(npy, any_damage_is_survived)
{
    static const char *const files[] = {FIXTURE("v1.npy"), FIXTURE("v2.npy"), FIXTURE("fortran.npy")};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct bytes b = slurp(files[i]);
        for (size_t n = 0; n < b.n; n++) cr_assert_eq(parse_copy(parse, b.data, n), WG_EFORMAT);
        damage(parse, b, 20000);
        starve(parse, b);
        free(b.data);
    }
}

Test(npy, what_is_written_is_read)
{
    static const struct {
        wg_dtype dtype;
        wg_shape shape;
    } arrays[] = {{WG_F32, {2, {3, 5}}},  {WG_F64, {1, {7}}},
                  {WG_I32, {0}},          {WG_I64, {8, {1, 2, 1, 2, 1, 2, 1, 2}}},
                  {WG_U8, {2, {0, 4}}},   {WG_BOOL, {3, {1, 70, 3}}},
                  {WG_U8, {1, {100000}}}, {WG_F32, {8, {0, INT64_MAX, INT64_MAX, 9, 9, 9, INT64_MAX, INT64_MAX}}}};
    char *directory = make_directory(), path[128];
    snprintf(path, sizeof path, "%s/a.npy", directory);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        wg_array a, b;
        wg_error e = {0};
        cr_assert_eq(wg_array_new(&a, arrays[i].dtype, arrays[i].shape), WG_OK);
        for (size_t k = 0; k < wg_array_bytes(&a); k++)
            ((uint8_t *)a.data)[k] = (uint8_t)(a.dtype == WG_BOOL ? k % 2 : k * 7);
        cr_assert_eq(wg_npy_write(path, &a, &e), WG_OK, "%s", e.message);
        cr_assert_eq(wg_npy_read(path, &b, &e), WG_OK, "%s", e.message);
        expect_array(&b, arrays[i].dtype, arrays[i].shape);
        cr_assert_eq(memcmp(a.data, b.data, wg_array_bytes(&a)), 0);
        wg_array_free(&a);
        wg_array_free(&b);
    }
    remove_directory(directory);
}

/* The same array gives NumPy's own bytes. */
Test(npy, writes_as_numpy_does)
{
    char *directory = make_directory(), path[128];
    snprintf(path, sizeof path, "%s/a.npy", directory);
    wg_array a;
    cr_assert_eq(wg_npy_read(FIXTURE("v1.npy"), &a, NULL), WG_OK);
    cr_assert_eq(wg_npy_write(path, &a, NULL), WG_OK);
    struct bytes mine = slurp(path), theirs = slurp(FIXTURE("v1.npy"));
    cr_assert_eq(mine.n, theirs.n);
    cr_assert_arr_eq(mine.data, theirs.data, mine.n);
    free(mine.data);
    free(theirs.data);
    wg_array_free(&a);
    remove_directory(directory);
}

/* Python 2 wrote longs with their letter where an int has 32 bits, as on Windows. */
Test(npy, longs_of_python_2_are_numbers)
{
    wg_array     a;
    wg_error     e = {0};
    struct bytes b = with_header("{'descr': '<i4', 'fortran_order': False, 'shape': (2L, 1L), }\n");
    cr_assert_eq(wg_npy_parse(b.data, b.n, &a, &e), WG_OK, "%s", e.message);
    expect_array(&a, WG_I32, WG_SHAPE(2, 1));
    wg_array_free(&a);
    free(b.data);
    static const char *const bad[] = {"(L,)", "(2LL,)", "(2l,)", "(2 L,)"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char header[96];
        snprintf(header, sizeof header, "{'descr': '<i4', 'fortran_order': False, 'shape': %s}\n", bad[i]);
        b = with_header(header);
        cr_assert_eq(wg_npy_parse(b.data, b.n, &a, &e), WG_EFORMAT, "%s", bad[i]);
        free(b.data);
    }
}

Test(npy, unsigned_words_are_taken_where_they_fit)
{
    wg_array     a;
    wg_error     e = {0};
    struct bytes b = with_header("{'descr': '<u8', 'fortran_order': False, 'shape': (1,)}\n");
    uint8_t     *last = b.data + b.n - 1;
    memset(last - 7, 0xff, 7);
    *last = 0x7f;
    cr_assert_eq(wg_npy_parse(b.data, b.n, &a, &e), WG_OK, "%s", e.message);
    expect_array(&a, WG_I64, WG_SHAPE(1));
    cr_assert_eq(*(int64_t *)a.data, INT64_MAX);
    wg_array_free(&a);
    *last = 0x80;
    cr_assert_eq(wg_npy_parse(b.data, b.n, &a, &e), WG_EDTYPE);
    cr_assert(strstr(e.message, "element 0 is 9295429630892703743"), "%s", e.message);
    expect_nothing(&a);
    free(b.data);
}
