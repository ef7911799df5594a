/* IDX: exact values, exact refusals, and the real digits. */
#include <zlib.h>

#include "data/files.h"

static int parse(const void *bytes, size_t n, wg_error *e)
{
    wg_array a;
    int      status = wg_idx_parse(bytes, n, &a, e);
    if (status) expect_nothing(&a);
    wg_array_free(&a);
    return status;
}

static struct bytes gzipped(const void *bytes, size_t n)
{
    struct bytes b = {.data = malloc(n + 1000)};
    z_stream     z = {.next_in = (Bytef *)(uintptr_t)bytes,
                      .avail_in = (unsigned)n,
                      .next_out = b.data,
                      .avail_out = (unsigned)n + 1000};
    cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    b.n = z.total_out;
    deflateEnd(&z);
    return b;
}

static const uint8_t small[] = {0, 0, 0x0B, 2,    0,    0, 0, 2, 0,    0,    0, 3,
                                0, 1, 0xff, 0xff, 0x80, 0, 1, 2, 0x7f, 0xff, 0, 0};

Test(idx, every_type_has_its_values)
{
    static const struct {
        uint8_t  code, n, bytes[8];
        wg_dtype dtype;
        double   value;
    } types[] = {
        {0x08, 1, {0xfe}, WG_U8, 254},
        {0x09, 1, {0xfe}, WG_I32, -2},
        {0x0B, 2, {0x80, 1}, WG_I32, -32767},
        {0x0C, 4, {0x80, 0, 0, 2}, WG_I32, -2147483646},
        {0x0D, 4, {0xc0, 0x20, 0, 0}, WG_F32, -2.5},
        {0x0E, 8, {0x40, 9, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18}, WG_F64, 3.141592653589793},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        uint8_t  file[16] = {0, 0, types[i].code, 1, 0, 0, 0, 1};
        wg_array a;
        memcpy(file + 8, types[i].bytes, 8);
        cr_assert_eq(wg_idx_parse(file, 8 + types[i].n, &a, NULL), WG_OK);
        expect_array(&a, types[i].dtype, WG_SHAPE(1));
        double got = a.dtype == WG_U8    ? *(uint8_t *)a.data
                     : a.dtype == WG_I32 ? *(int32_t *)a.data
                     : a.dtype == WG_F32 ? (double)*(float *)a.data
                                         : *(double *)a.data;
        cr_assert_eq(got, types[i].value);
        wg_array_free(&a);
    }
}

Test(idx, gzip_is_the_same_file)
{
    static const int32_t want[] = {1, -1, -32768, 258, 32767, 0};
    struct bytes         packed = gzipped(small, sizeof small), twice = {.data = malloc(2 * packed.n)};
    wg_array             a;
    cr_assert_eq(wg_idx_parse(small, sizeof small, &a, NULL), WG_OK);
    expect_array(&a, WG_I32, WG_SHAPE(2, 3));
    cr_assert_arr_eq(a.data, want, sizeof want);
    wg_array_free(&a);
    cr_assert_eq(wg_idx_parse(packed.data, packed.n, &a, NULL), WG_OK);
    expect_array(&a, WG_I32, WG_SHAPE(2, 3));
    cr_assert_arr_eq(a.data, want, sizeof want);
    wg_array_free(&a);
    /* A gzip file may have several members (RFC 1952): their contents follow each other. */
    struct bytes head = gzipped(small, 10), rest = gzipped(small + 10, sizeof small - 10);
    twice.data = realloc(twice.data, head.n + rest.n);
    memcpy(twice.data, head.data, head.n);
    memcpy(twice.data + head.n, rest.data, rest.n);
    cr_assert_eq(wg_idx_parse(twice.data, head.n + rest.n, &a, NULL), WG_OK);
    cr_assert_arr_eq(a.data, want, sizeof want);
    wg_array_free(&a);
    free(head.data);
    free(rest.data);
    free(twice.data);
    free(packed.data);
}

Test(idx, refusals_name_the_place)
{
    static const struct {
        size_t      n;
        uint8_t     bytes[24];
        int64_t     offset;
        const char *text;
    } bad[] = {
        {0, {0}, 0, "ends inside of the IDX magic"},
        {3, {0, 0, 8}, 3, "3 bytes of 4"},
        {4, {1, 0, 8, 1}, 0, "starts with 01 00"},
        {4, {0, 0, 7, 1}, 2, "0x07"},
        {4, {0, 0, 8, 9}, 3, "9 dimensions"},
        {7, {0, 0, 8, 1, 0, 0, 0}, 7, "ends inside of the IDX dimensions"},
        {10, {0, 0, 8, 1, 0, 0, 0, 3, 1, 2}, 8, "3 bytes of data are announced, but at most 2"},
        {12, {0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3, 4}, 11, "more bytes follow"},
        {8, {0, 0, 8, 1, 255, 255, 255, 255}, 8, "4294967295 bytes"},
        {16, {0, 0, 14, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}, 16, "more bytes than memory"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wg_array a;
        wg_error e;
        long     before = alloc_count();
        cr_assert_eq(wg_idx_parse(bad[i].bytes, bad[i].n, &a, &e), WG_EFORMAT);
        cr_assert(strstr(e.message, bad[i].text), "'%s' speaks of '%s'", e.message, bad[i].text);
        cr_assert_eq(e.offset, bad[i].offset, "%s", e.message);
        expect_nothing(&a);
        cr_assert(i == 7 || alloc_count() == before, "nothing is allocated for what is not there");
    }
}

/* Tapes and block devices fill up with zeros, which gzip passes over. */
Test(idx, zeros_behind_a_gzip_file_are_padding)
{
    enum { MANY = 20000 }; /* more than is read at a time */
    struct bytes packed = gzipped(small, sizeof small), b = {.data = calloc(1, 2 * packed.n + MANY)};
    wg_error     e = {0};
    memcpy(b.data, packed.data, packed.n);
    for (size_t zeros = 0; zeros <= MANY; zeros = 3 * zeros + 1)
        cr_assert_eq(parse(b.data, packed.n + zeros, &e), WG_OK, "%zu zeros: %s", zeros, e.message);
    b.data[packed.n + 100] = 1;
    cr_assert_eq(parse(b.data, packed.n + 200, &e), WG_EFORMAT);
    cr_assert(strstr(e.message, "damaged"), "%s", e.message);
    struct bytes head = gzipped(small, 10), rest = gzipped(small + 10, sizeof small - 10);
    memset(b.data, 0, 2 * packed.n + 100);
    memcpy(b.data, head.data, head.n);
    memcpy(b.data + head.n + 7, rest.data, rest.n);
    cr_assert_eq(parse(b.data, head.n + 7 + rest.n + 7, &e), WG_OK, "%s", e.message);
    free(head.data);
    free(rest.data);
    free(packed.data);
    free(b.data);
}

Test(idx, a_small_gzip_file_gets_no_large_memory)
{
    uint8_t      head[8] = {0, 0, 8, 1, 0xff, 0xff, 0xff, 0xff};
    struct bytes packed = gzipped(head, sizeof head);
    wg_array     a;
    wg_error     e;
    cr_assert_eq(wg_idx_parse(packed.data, packed.n, &a, &e), WG_EFORMAT);
    cr_assert(strstr(e.message, "4294967295 bytes of data are announced"), "%s", e.message);
    free(packed.data);
}

Test(idx, any_damage_is_survived)
{
    struct bytes plain = {(uint8_t *)(uintptr_t)small, sizeof small}, packed = gzipped(small, sizeof small);
    for (size_t n = 0; n < plain.n; n++) cr_assert_eq(parse_copy(parse, plain.data, n), WG_EFORMAT);
    for (size_t n = 0; n < packed.n; n++) cr_assert_eq(parse_copy(parse, packed.data, n), WG_EFORMAT);
    damage(parse, plain, 20000);
    damage(parse, packed, 20000);
    free(packed.data);
}

Test(idx, any_allocation_may_fail)
{
    struct bytes packed = gzipped(small, sizeof small);
    starve(parse, (struct bytes){(uint8_t *)(uintptr_t)small, sizeof small});
    starve(parse, packed);
    free(packed.data);
}

Test(idx, what_is_written_is_read)
{
    char *directory = make_directory(), path[128];
    snprintf(path, sizeof path, "%s/a.idx", directory);
    static const wg_dtype dtypes[] = {WG_U8, WG_I32, WG_F32, WG_F64};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        wg_array a, b;
        cr_assert_eq(wg_array_new(&a, dtypes[i], WG_SHAPE(3, 1, 301)), WG_OK);
        for (size_t k = 0; k < wg_array_bytes(&a); k++) ((uint8_t *)a.data)[k] = (uint8_t)(k * 7);
        cr_assert_eq(wg_idx_write(path, &a, NULL), WG_OK);
        cr_assert_eq(wg_idx_read(path, &b, NULL), WG_OK);
        expect_array(&b, dtypes[i], WG_SHAPE(3, 1, 301));
        cr_assert_arr_eq(a.data, b.data, wg_array_bytes(&a));
        wg_array_free(&a);
        wg_array_free(&b);
    }
    wg_array scalar, empty, back;
    cr_assert_eq(wg_array_new(&scalar, WG_U8, WG_SCALAR), WG_OK);
    cr_assert_eq(wg_idx_write(path, &scalar, NULL), WG_OK);
    cr_assert_eq(wg_idx_read(path, &back, NULL), WG_OK);
    expect_array(&back, WG_U8, WG_SCALAR);
    wg_array_free(&back);
    cr_assert_eq(wg_array_new(&empty, WG_F64, WG_SHAPE(4, 0, 2)), WG_OK);
    cr_assert_eq(wg_idx_write(path, &empty, NULL), WG_OK);
    cr_assert_eq(wg_idx_read(path, &back, NULL), WG_OK);
    expect_array(&back, WG_F64, WG_SHAPE(4, 0, 2));
    wg_array_free(&back);
    empty.dtype = WG_I64;
    cr_assert_eq(wg_idx_write(path, &empty, NULL), WG_EDTYPE);
    wg_array_free(&scalar);
    wg_array_free(&empty);
    remove_directory(directory);
}

Test(idx, a_missing_file_or_a_directory_is_an_error)
{
    wg_array a;
    wg_error e;
    cr_assert_eq(wg_idx_read("/nowhere/at/all", &a, &e), WG_EIO);
    cr_assert(strstr(e.message, "/nowhere/at/all: cannot open"), "%s", e.message);
    cr_assert_eq(wg_idx_read("/tmp", &a, &e), WG_EIO);
    cr_assert(strstr(e.message, "directory"), "%s", e.message);
    cr_assert_eq(wg_idx_read(NULL, &a, &e), WG_EARG);
    expect_nothing(&a);
}

Test(idx, a_pipe_is_read_to_its_end)
{
    int  ends[2];
    char path[64];
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], small, sizeof small), (ssize_t)sizeof small);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    wg_array a;
    wg_error e = {0};
    cr_assert_eq(wg_idx_read(path, &a, &e), WG_OK, "%s", e.message);
    expect_array(&a, WG_I32, WG_SHAPE(2, 3));
    wg_array_free(&a);
    close(ends[0]);
}

/* ---- The real digits ---- */

static void expect_labels(const char *path, int64_t n, const int want[10])
{
    wg_array y;
    wg_error e = {0};
    int      count[10] = {0};
    cr_assert_eq(wg_idx_read(path, &y, &e), WG_OK, "%s", e.message);
    expect_array(&y, WG_U8, WG_SHAPE(n));
    for (int64_t i = 0; i < n; i++) count[((uint8_t *)y.data)[i]]++;
    cr_assert_arr_eq(count, want, sizeof count);
    wg_array_free(&y);
}

static int64_t sum_of_images(const char *path, int64_t n)
{
    wg_array x;
    wg_error e = {0};
    int64_t  sum = 0;
    cr_assert_eq(wg_idx_read(path, &x, &e), WG_OK, "%s", e.message);
    expect_array(&x, WG_U8, WG_SHAPE(n, 28, 28));
    for (int64_t i = 0; i < n * 784; i++) sum += ((uint8_t *)x.data)[i];
    wg_array_free(&x);
    return sum;
}

Test(idx, mnist)
{
    static const int train[10] = {5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949};
    static const int test[10] = {980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009};
    if (access(MNIST "train-images-idx3-ubyte.gz", R_OK)) cr_skip_test("no MNIST in " MNIST);
    expect_labels(MNIST "train-labels-idx1-ubyte.gz", 60000, train);
    expect_labels(MNIST "t10k-labels-idx1-ubyte.gz", 10000, test);
    cr_assert_eq(sum_of_images(MNIST "t10k-images-idx3-ubyte.gz", 10000), 264923200);
    /* Some copies of the training images have lost the 22896 pixels of value 1. */
    int64_t sum = sum_of_images(MNIST "train-images-idx3-ubyte.gz", 60000);
    cr_assert(sum == 1567298545 || sum == 1567298545 - 22896, "sum is %lld", (long long)sum);
}
