/* .npz: NumPy's archives, the laws of a directory, and what breaks them. */
#include <math.h>
#include <zlib.h>

#include "data/files.h"

static int parse(const void *bytes, size_t n, wg_error *e)
{
    wg_npz z;
    int    status = wg_npz_parse(bytes, n, &z, e);
    if (status) cr_assert(z.n == 0 && z.entry == NULL);
    wg_npz_free(&z);
    return status;
}

static double element(const wg_array *a, int i)
{
    switch (a->dtype) {
    case WG_F32: return (double)((float *)a->data)[i];
    case WG_F64: return ((double *)a->data)[i];
    case WG_I32: return ((int32_t *)a->data)[i];
    case WG_I64: return (double)((int64_t *)a->data)[i];
    default: return ((uint8_t *)a->data)[i];
    }
}

/* What fixtures/make.py put there: element i is scale * i + shift. */
static const struct content {
    const char *name;
    wg_dtype    dtype;
    double      scale, shift;
} contents[] = {
    {"f4", WG_F32, 1.5, -2},         {"f8", WG_F64, 1 / 3.0, 0},     {"i4", WG_I32, 1, -5},
    {"i8", WG_I64, 0x1p40, -5},      {"u1", WG_U8, 10, 0},           {"i1", WG_I32, 1, -12},
    {"i2", WG_I32, 1000, -12000},    {"u2", WG_I32, 2800, 0},        {"u4", WG_I64, 0x1p27, 0},
    {"big_f4", WG_F32, 1.5, -2},     {"big_i8", WG_I64, 0x1p40, -5}, {"big_i2", WG_I32, 1000, -12000},
    {"fortran", WG_F64, 1 / 3.0, 0},
};

static void expect_halves(const wg_array *a)
{
    static const float want[] = {0, -0.0f, 1, -2, 65504, 0x1p-24f, 0x1p-14f, INFINITY, -INFINITY};
    cr_assert(a);
    expect_array(a, WG_F32, WG_SHAPE(10));
    cr_assert_arr_eq(a->data, want, sizeof want, "exactly, with the sign of zero");
    cr_assert(isnan(((float *)a->data)[9]));
}

static void expect_contents(const wg_npz *z)
{
    cr_assert_eq(z->n, 18);
    for (size_t k = 0; k < sizeof contents / sizeof *contents; k++) {
        const wg_array *a = wg_npz_find(z, contents[k].name);
        cr_assert(a, "%s is there", contents[k].name);
        expect_array(a, contents[k].dtype, WG_SHAPE(2, 3, 4));
        for (int i = 0; i < 24; i++) {
            double want = contents[k].scale == 1 / 3.0 ? i / 3.0 : contents[k].scale * i + contents[k].shift;
            cr_assert_eq(element(a, i), want, "%s[%d]", contents[k].name, i);
        }
    }
    expect_halves(wg_npz_find(z, "f2"));
    for (int i = 0; i < 24; i++) cr_assert_eq(element(wg_npz_find(z, "b1"), i), i % 3 == 0);
    expect_array(wg_npz_find(z, "b1"), WG_BOOL, WG_SHAPE(2, 3, 4));
    expect_array(wg_npz_find(z, "scalar"), WG_F32, WG_SCALAR);
    cr_assert_eq(element(wg_npz_find(z, "scalar"), 0), 2.5);
    expect_array(wg_npz_find(z, "empty"), WG_F32, WG_SHAPE(0, 3));
    expect_array(wg_npz_find(z, "vector"), WG_F32, WG_SHAPE(5));
    cr_assert_null(wg_npz_find(z, "f"));
    cr_assert_null(wg_npz_find(z, "f4.npy"));
}

static const char *const archives[] = {FIXTURE("stored.npz"), FIXTURE("deflated.npz")};

Test(npz, numpy_wrote_every_dtype_stored_and_deflated)
{
    for (int i = 0; i < 2; i++) {
        wg_npz   z;
        wg_error e = {0};
        cr_assert_eq(wg_npz_read(archives[i], &z, &e), WG_OK, "%s", e.message);
        expect_contents(&z);
        wg_npz_free(&z);
    }
}

Test(npz, lists_and_reads_one)
{
    for (int i = 0; i < 2; i++) {
        wg_npz   z;
        wg_array a;
        wg_error e = {0};
        cr_assert_eq(wg_npz_list(archives[i], &z, &e), WG_OK, "%s", e.message);
        cr_assert_eq(z.n, 18);
        cr_assert_str_eq(z.entry[0].name, "f4");
        cr_assert_eq(z.entry[0].array.shape.dim[2], 4);
        cr_assert_null(z.entry[0].array.data);
        wg_npz_free(&z);
        cr_assert_eq(wg_npz_read_one(archives[i], "f2", &a, &e), WG_OK, "%s", e.message);
        expect_halves(&a);
        wg_array_free(&a);
        cr_assert_eq(wg_npz_read_one(archives[i], "f3", &a, &e), WG_EARG);
        cr_assert(strstr(e.message, "no array named 'f3'"), "%s", e.message);
        expect_nothing(&a);
    }
}

Test(npz, any_damage_is_survived)
{
    for (int i = 0; i < 2; i++) {
        struct bytes b = slurp(archives[i]);
        for (size_t n = 0; n < b.n; n++) cr_assert_eq(parse_copy(parse, b.data, n), WG_EFORMAT);
        damage(parse, b, 5000);
        starve(parse, b);
        free(b.data);
    }
}

/* ---- Archives made here ---- */

static char *path_in(const char *directory)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/a.npz", directory);
    return path;
}

/* Arrays "a" and "b" of 3 floats: members of 81 + 3 bytes of data and names. */
static struct bytes two_arrays(void)
{
    char          *directory = make_directory();
    float          x[3] = {1, 2, 3};
    const wg_array a = {WG_F32, WG_SHAPE(3), x};
    cr_assert_eq(wg_npz_write(path_in(directory), 2, (const char *[]){"a", "b"}, (const wg_array *[]){&a, &a}, NULL),
                 WG_OK);
    struct bytes b = slurp(path_in(directory));
    remove_directory(directory);
    return b;
}

Test(npz, what_is_written_is_read)
{
    char    *directory = make_directory();
    wg_npz   z;
    wg_error e = {0};
    cr_assert_eq(wg_npz_read(FIXTURE("stored.npz"), &z, &e), WG_OK);
    const char     *name[18];
    const wg_array *array[18];
    for (int i = 0; i < 18; i++) {
        name[i] = z.entry[i].name;
        array[i] = &z.entry[i].array;
    }
    cr_assert_eq(wg_npz_write(path_in(directory), 18, name, array, &e), WG_OK, "%s", e.message);
    wg_npz back;
    cr_assert_eq(wg_npz_read(path_in(directory), &back, &e), WG_OK, "%s", e.message);
    expect_contents(&back);
    wg_npz_free(&back);
    cr_assert_eq(wg_npz_write(path_in(directory), 0, NULL, NULL, &e), WG_OK, "%s", e.message);
    cr_assert_eq(wg_npz_read(path_in(directory), &back, &e), WG_OK, "%s", e.message);
    cr_assert_eq(back.n, 0);
    wg_npz_free(&back);
    name[1] = name[0];
    cr_assert_eq(wg_npz_write(path_in(directory), 2, name, array, &e), WG_EARG);
    cr_assert(strstr(e.message, "twice"), "%s", e.message);
    cr_assert_eq(wg_npz_write(path_in(directory), 1, (const char *[]){""}, array, &e), WG_EARG);
    cr_assert_eq(wg_npz_write(path_in(directory), 1, name, (const wg_array *[]){NULL}, &e), WG_EARG);
    wg_npz_free(&z);
    remove_directory(directory);
}

static void put32(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> 8 * i);
}
static uint32_t get32(const uint8_t *p) { return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24; }

static void expect_refused(struct bytes b, const char *why)
{
    wg_error e = {0};
    cr_assert_eq(parse(b.data, b.n, &e), WG_EFORMAT, "%s", why);
    cr_assert(strstr(e.message, why), "'%s' speaks of '%s'", e.message, why);
}

Test(npz, the_directory_is_held_to_its_laws)
{
    static const struct {
        int         entry; /* offset into the first directory entry, or -1 - offset into the end record */
        int         value;
        const char *why;
    } changes[] = {
        {16, 0, "checksum of 'a.npy'"},        {20, 1, "two sizes differ"},   {42, 1, "no valid header of 'a.npy'"},
        {46, 'b', "'b.npy' is there twice"},   {46, 0, "zero byte"},          {28, 200, "longer than the directory"},
        {-1 - 4, 1, "several parts"},          {-1 - 8, 1, "several parts"},  {-1 - 12, 1, "does not fit the file"},
        {-1 - 16, 1, "does not fit the file"}, {-1 - 20, 1, "no end record"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct bytes b = two_arrays();
        uint8_t     *end = b.data + b.n - 22, *entry = b.data + get32(end + 16);
        if (changes[i].entry >= 0) entry[changes[i].entry] = (uint8_t)changes[i].value;
        else end[-1 - changes[i].entry] = (uint8_t)changes[i].value;
        expect_refused(b, changes[i].why);
        free(b.data);
    }
}

Test(npz, members_may_not_overlap)
{
    struct bytes b = two_arrays();
    uint8_t     *entry = b.data + get32(b.data + b.n - 22 + 16), *second = entry + 46 + 5;
    put32(second + 42, 0);
    expect_refused(b, "reaches into what follows it");
    put32(second + 42, get32(entry + 20)); /* its header inside of the data of the first */
    expect_refused(b, "reaches into what follows it");
    free(b.data);
}

static void put64(uint8_t *p, uint64_t v)
{
    put32(p, v);
    put32(p + 4, v >> 32);
}

/* Moves what the end record and the first entry say to zip64 records. */
static struct bytes to_zip64(struct bytes old)
{
    uint8_t     *end = old.data + old.n - 22;
    size_t       at = get32(end + 16), head = at + 46 + 5, rest = old.n - 22 - head, extra = 4 + 24;
    struct bytes b = {.data = calloc(1, old.n + extra + 56 + 20), .n = old.n + extra + 56 + 20};
    memcpy(b.data, old.data, head);
    uint8_t *p = b.data + at, *x = b.data + head;
    put64(x + 4, get32(p + 24));
    put64(x + 12, get32(p + 20));
    put64(x + 20, get32(p + 42));
    x[0] = 1;
    x[2] = 24;
    p[30] = (uint8_t)extra;
    put32(p + 20, UINT32_MAX);
    put32(p + 24, UINT32_MAX);
    put32(p + 42, UINT32_MAX);
    memcpy(x + extra, old.data + head, rest);
    uint8_t *end64 = x + extra + rest, *locator = end64 + 56, *new_end = locator + 20;
    put32(end64, 0x06064b50);
    put64(end64 + 4, 44);
    put64(end64 + 24, 2);
    put64(end64 + 32, 2);
    put64(end64 + 40, (uint64_t)(end64 - p));
    put64(end64 + 48, at);
    put32(locator, 0x07064b50);
    put64(locator + 8, (uint64_t)(end64 - b.data));
    locator[16] = 1;
    memcpy(new_end, end, 22);
    put32(new_end + 12, UINT32_MAX);
    put32(new_end + 16, UINT32_MAX);
    free(old.data);
    return b;
}

Test(npz, zip64_is_understood)
{
    struct bytes b = to_zip64(two_arrays());
    wg_npz       z;
    wg_error     e = {0};
    cr_assert_eq(wg_npz_parse(b.data, b.n, &z, &e), WG_OK, "%s", e.message);
    cr_assert_eq(z.n, 2);
    cr_assert_eq(element(wg_npz_find(&z, "a"), 2), 3);
    wg_npz_free(&z);
    damage(parse, b, 20000);
    free(b.data);
}

/* A kilobyte that says it holds a gigabyte: the archive's own size is the measure. */
Test(npz, a_bomb_is_refused_before_memory_is_taken)
{
    enum { HEADER = 128 };
    uint8_t npy[HEADER], packed[512];
    memset(npy, ' ', HEADER);
    memcpy(npy, "\x93NUMPY\1\0\x76\0", 10);
    memcpy(npy + 10, "{'descr':'|u1','fortran_order':False,'shape':(1073741824,)}", 59);
    npy[HEADER - 1] = '\n';
    z_stream s = {.next_in = npy, .avail_in = HEADER, .next_out = packed, .avail_out = sizeof packed};
    cr_assert_eq(deflateInit2(&s, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    cr_assert_eq(deflate(&s, Z_FINISH), Z_STREAM_END);
    deflateEnd(&s);
    size_t  n = s.total_out, at = 30 + 5 + n, total = at + 46 + 5 + 22;
    uint8_t file[1024] = {0}, *entry = file + at, *end = entry + 51;
    put32(file, 0x04034b50);
    file[8] = entry[10] = 8;
    file[26] = entry[28] = 5;
    memcpy(file + 30, "a.npy", 5);
    memcpy(file + 35, packed, n);
    put32(entry, 0x02014b50);
    put32(entry + 20, n);
    put32(entry + 24, HEADER + (1u << 30));
    memcpy(entry + 46, "a.npy", 5);
    put32(end, 0x06054b50);
    end[8] = end[10] = 1;
    end[12] = 51;
    put32(end + 16, at);
    wg_error e = {0};
    cr_assert_eq(parse(file, total, &e), WG_EFORMAT);
    cr_assert(strstr(e.message, "1073741824 bytes of data are announced"), "%s", e.message);
}

/* ---- Members that this library has no form for ---- */

/* The archive of two arrays with a byte of the first one's entry, or of its header, changed. */
static struct bytes changed(size_t entry, uint8_t value)
{
    struct bytes b = two_arrays();
    b.data[get32(b.data + b.n - 22 + 16) + entry] = value;
    return b;
}

static void expect_first_left_out(struct bytes b, const char *name, const char *why)
{
    wg_npz   z;
    wg_array a;
    wg_error e = {0};
    char    *directory = make_directory();
    cr_assert_eq(wg_file_write(path_in(directory), b.data, b.n, &e), WG_OK, "%s", e.message);
    for (int list = 0; list < 2; list++) {
        cr_assert_eq((list ? wg_npz_list : wg_npz_read)(path_in(directory), &z, &e), WG_OK, "%s: %s", why, e.message);
        cr_assert_eq(z.n, 2);
        cr_assert_str_eq(z.entry[0].name, name);
        cr_assert(z.entry[0].reason && strstr(z.entry[0].reason, why), "%s: %s", why, z.entry[0].reason);
        cr_assert(strstr(z.entry[0].reason, name), "%s names %s", z.entry[0].reason, name);
        cr_assert_null(wg_npz_find(&z, name));
        expect_nothing(&z.entry[0].array);
        cr_assert_null(z.entry[1].reason);
        if (!list) cr_assert_eq(element(wg_npz_find(&z, "b"), 2), 3);
        wg_npz_free(&z);
    }
    cr_assert_eq(wg_npz_read_one(path_in(directory), "b", &a, &e), WG_OK, "%s", e.message);
    wg_array_free(&a);
    cr_assert_lt(wg_npz_read_one(path_in(directory), name, &a, &e), WG_OK);
    cr_assert(strstr(e.message, why) && strstr(e.message, name), "%s", e.message);
    expect_nothing(&a);
    damage(parse, b, 2000);
    starve(parse, b);
    remove_directory(directory);
    free(b.data);
}

/* The archive of two arrays with another header text in the first one, as long as the old, and the checksum of that. */
static struct bytes with_descr(const char *descr)
{
    struct bytes b = two_arrays();
    uint8_t     *entry = b.data + get32(b.data + b.n - 22 + 16), *data = b.data + 30 + 5;
    size_t       n = get32(entry + 20);
    char         text[118];
    memset(text, ' ', sizeof text);
    text[117] = '\n';
    int k = snprintf(text, sizeof text, "{'descr': %s, 'fortran_order': False, 'shape': (3,), }", descr);
    text[k] = ' ';
    cr_assert_eq(data[8], sizeof text);
    memcpy(data + 10, text, sizeof text);
    put32(entry + 16, crc32(0, data, (unsigned)n));
    return b;
}

Test(npz, one_foreign_member_does_not_spoil_the_others)
{
    expect_first_left_out(with_descr("'<U5'"), "a", "dtype '<U5' is not supported");
    expect_first_left_out(with_descr("'|O'"), "a", "dtype '|O' is not supported");
    expect_first_left_out(with_descr("'<M8[ns]'"), "a", "dtype '<M8[ns]' is not supported");
    expect_first_left_out(with_descr("[('x', '<f4')]"), "a", "structured");
    expect_first_left_out(with_descr("'<f4', 'shape': (1,1,1,1,1,1,1,1,1)"), "a", "more than 8 dimensions");
    expect_first_left_out(changed(8, 1), "a", "encrypted");
    expect_first_left_out(changed(10, 12), "a", "packed by method 12");
    expect_first_left_out(changed(48, 'x'), "a.xpy", "no .npy member");
}

Test(npz, a_damaged_member_refuses_the_archive_and_is_named)
{
    struct bytes b = with_descr("'<f4'");
    wg_error     e = {0};
    b.data[30 + 5 + 10] = '[';
    cr_assert_eq(parse(b.data, b.n, &e), WG_EFORMAT);
    cr_assert(strstr(e.message, "'a.npy': byte 45: header: is not a dictionary"), "%s", e.message);
    free(b.data);
}

/* Some writers put a zip64 record where none is needed: the plain end record has numbers then. */
Test(npz, a_zip64_record_may_be_there_without_need)
{
    struct bytes b = to_zip64(two_arrays());
    uint8_t     *end = b.data + b.n - 22, *end64 = end - 20 - 56;
    wg_error     e = {0};
    put32(end + 12, get32(end64 + 40));
    cr_assert_eq(parse(b.data, b.n, &e), WG_OK, "%s", e.message);
    put32(end + 16, get32(end64 + 48));
    cr_assert_eq(parse(b.data, b.n, &e), WG_OK, "%s", e.message);
    damage(parse, b, 5000);
    end[8] = end[10] = 1;
    expect_refused(b, "do not agree");
    free(b.data);
}

/* 65,535 is also what stands in the end record if there are more: without a zip64 record it is the number itself. */
Test(npz, as_many_members_as_16_bits_count)
{
    enum { MANY = 65535, EACH = 30 + 46 + 2 * 9 };
    uint8_t     *p = calloc(MANY, EACH + 22), *at = p;
    struct bytes b = {.data = p};
    char         name[16];
    for (int i = 0; i < MANY; i++, at += 30 + 5) {
        put32(at, 0x04034b50);
        at[26] = 5;
        snprintf(name, sizeof name, "%05d", i);
        memcpy(at + 30, name, 5);
    }
    size_t directory = (size_t)(at - p);
    for (int i = 0; i < MANY; i++, at += 46 + 5) {
        put32(at, 0x02014b50);
        at[28] = 5;
        put32(at + 42, (uint64_t)i * 35);
        snprintf(name, sizeof name, "%05d", i);
        memcpy(at + 46, name, 5);
    }
    put32(at, 0x06054b50);
    put32(at + 8, 0xffffffff);
    put32(at + 12, (uint64_t)MANY * 51);
    put32(at + 16, directory);
    b.n = (size_t)(at + 22 - p);
    wg_npz   z;
    wg_error e = {0};
    cr_assert_eq(wg_npz_parse(b.data, b.n, &z, &e), WG_OK, "%s", e.message);
    cr_assert_eq(z.n, MANY);
    cr_assert(strstr(z.entry[MANY - 1].reason, "'65534' is no .npy member"));
    wg_npz_free(&z);
    free(b.data);
}

Test(npz, names_that_are_not_utf8_are_not_written)
{
    char             *directory = make_directory();
    float             x = 1;
    const wg_array    a = {WG_F32, WG_SCALAR, &x};
    wg_error          e = {0};
    const char *const good[] = {"gr\xc3\xb6\xc3\x9f", "\xf0\x9f\x98\x80"}, *const bad[] = {"gr\xf6\xdf", "a\xc3",
                                                                                           "\xed\xa0\x80"};
    for (int i = 0; i < 2; i++)
        cr_assert_eq(wg_npz_write(path_in(directory), 1, &good[i], (const wg_array *[]){&a}, &e), WG_OK, "%s",
                     e.message);
    remove(path_in(directory));
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(wg_npz_write(path_in(directory), 1, &bad[i], (const wg_array *[]){&a}, &e), WG_EARG);
        cr_assert(strstr(e.message, "name 0 is not UTF-8"), "%s", e.message);
    }
    cr_assert_eq(files_in(directory), 0);
    remove_directory(directory);
}
