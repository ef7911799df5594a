/* Data outside of the model, which are in its folder or out of reach; files of
 * one tensor. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "onnx/proto/made_test.h"
#include "onnx/proto/onnx_impl.h"
#include "support/alloc.h"

static char folder[64];

static void make_folder(void)
{
    char path[128];
    strcpy(folder, "/tmp/wengert-onnx-XXXXXX");
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/sub", folder);
    cr_assert_eq(mkdir(path, 0700), 0);
}
static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}
static void remove_folder(void)
{
    static const char *const names[] = {"w.bin", "sub/w.bin", "link",    "sublink", "pipe",    "model.onnx",
                                        "t.pb",  "out",       "outlink", "round",   "pipelink"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unlink(in_folder(names[i]));
    rmdir(in_folder("sub"));
    cr_assert_eq(rmdir(folder), 0);
}
static void save(const char *name, const void *bytes, size_t n)
{
    FILE *f = fopen(in_folder(name), "wb");
    cr_assert_not_null(f);
    cr_assert(fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

/* ---- External data ---- */

/* Two floats outside; offset and length may be left out. */
static void put_outside(struct bytes *b, const char *location, const char *offset, const char *length)
{
    const char *const pairs[][2] = {
        {"location", location}, {"offset", offset}, {"length", length}, {"checksum", "of no use"}};
    put_int(b, 1, 2);
    put_int(b, 2, WG__ONNX_FLOAT);
    put_text(b, 8, "w");
    put_int(b, 14, 1);
    for (int i = 0; i < 4; i++) {
        if (!pairs[i][1]) continue;
        size_t at = put_open(b, 13);
        put_text(b, 1, pairs[i][0]);
        put_text(b, 2, pairs[i][1]);
        put_close(b, at);
    }
}

TestSuite(onnx_external, .init = make_folder, .fini = remove_folder);

Test(onnx_external, data_beside_the_model)
{
    static const float       values[] = {9, 1.5f, -2, 7};
    static const char *const rows[][3] = {{"w.bin", "4", "8"},      {"w.bin", "4", NULL},
                                          {"./w.bin", "04", "8"},   {"sub/w.bin", "4", "8"},
                                          {"sub//w.bin", "4", "8"}, {"sub/./w.bin", "4", NULL}};
    save("w.bin", values, sizeof values);
    save("sub/w.bin", values, sizeof values);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bytes b = {0};
        put_outside(&b, rows[i][0], rows[i][1], rows[i][2]);
        struct made m = make(&b, folder);
        cr_assert_eq(m.status, WG_OK, "%s", m.why);
        cr_assert_eq(memcmp(m.a.data, values + 1, 8), 0);
        wg_array_free(&m.a);
        free(b.at);
    }
}

static void make_links(void)
{
    static const char *const links[][2] = {{"w.bin", "link"},   {"sub", "sublink"}, {"/etc/passwd", "out"},
                                           {"/etc", "outlink"}, {"round", "round"}, {"pipe", "pipelink"}};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        cr_assert_eq(symlink(links[i][0], in_folder(links[i][1])), 0);
}

Test(onnx_external, links_in_the_folder_are_followed)
{
    static const char *const names[] = {"link", "sublink/w.bin", "sublink/./w.bin"};
    static const float       values[] = {9, 1.5f, -2, 7};
    save("w.bin", values, sizeof values);
    save("sub/w.bin", values, sizeof values);
    make_links();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct bytes b = {0};
        put_outside(&b, names[i], "4", "8");
        struct made m = make(&b, folder);
        cr_assert_eq(m.status, WG_OK, "%s", m.why);
        cr_assert_eq(memcmp(m.a.data, values + 1, 8), 0);
        wg_array_free(&m.a);
        free(b.at);
    }
}

/* A hub's cache: files lie in a folder of their own, and a model's names are links to them. */
Test(onnx_external, a_model_that_is_a_link_reaches_what_lies_beside_it)
{
    static const float values[] = {1, 2};
    struct onnx        o = onnx_begin(13);
    size_t             at = put_open(&o.b, 5);
    put_outside(&o.b, "data.bin", "0", "8");
    put_close(&o.b, at);
    onnx_output(&o, "w", WG__ONNX_FLOAT, "2");
    onnx_end(&o);
    cr_assert_eq(mkdir(in_folder("snapshot"), 0700), 0);
    save("w.bin", o.b.at, o.b.n);
    save("sub/w.bin", values, sizeof values);
    cr_assert_eq(symlink("../w.bin", in_folder("snapshot/model.onnx")), 0);
    cr_assert_eq(symlink("../sub/w.bin", in_folder("snapshot/data.bin")), 0);
    for (int inside = 1; inside >= 0; inside--) {
        wg_onnx  *m = wg_onnx_read(in_folder("snapshot/model.onnx"));
        wg_graph *g = wg_graph_new();
        int       status = wg_onnx_import(m, g, NULL);
        cr_expect_eq(status, inside ? WG_OK : WG_EFORMAT, "%s", wg_onnx_message(m));
        if (!inside) cr_expect(strstr(wg_onnx_message(m), "leads out"), "%s", wg_onnx_message(m));
        wg_onnx_free(m);
        wg_graph_free(g);
        unlink(in_folder("snapshot/data.bin"));
        cr_assert_eq(symlink("/etc/passwd", in_folder("snapshot/data.bin")), 0);
    }
    unlink(in_folder("snapshot/data.bin"));
    unlink(in_folder("snapshot/model.onnx"));
    rmdir(in_folder("snapshot"));
    onnx_free(&o);
}

Test(onnx_external, what_is_not_in_the_folder_is_out_of_reach)
{
    static const struct {
        const char *location, *offset, *length;
        int         status;
        const char *why;
    } rows[] = {
        {NULL, "0", "8", WG_EFORMAT, "without a location"},
        {"", "0", "8", WG_EFORMAT, "(no location): is not a path inside"},
        {"/etc/passwd", "0", "8", WG_EFORMAT, "/etc/passwd: is not a path inside of the model's folder"},
        {"../w.bin", "0", "8", WG_EFORMAT, "is not a path inside"},
        {"sub/../w.bin", "0", "8", WG_EFORMAT, "is not a path inside"},
        {"sub/..", "0", "8", WG_EFORMAT, "is not a path inside"},
        {"..", "0", "8", WG_EFORMAT, "is not a path inside"},
        {"out", "0", "8", WG_EFORMAT, "out: is a link that leads out of the model's folder"},
        {"outlink/passwd", "0", "8", WG_EFORMAT, "outlink/passwd: is a link that leads out of the model's folder"},
        {"sublink/../w.bin", "0", "8", WG_EFORMAT, "is not a path inside"},
        {"round", "0", "8", WG_EIO, "round: cannot open: "},
        {"pipelink", "0", "8", WG_EIO, "pipelink: is not a regular file"},
        {"link", "0", "16", WG_EFORMAT, "has 16 bytes in link, its shape 8"},
        {"sub", "0", "8", WG_EIO, "sub: is a directory"},
        {"pipe", "0", "8", WG_EIO, "pipe: is not a regular file"},
        {"w.bin/", "0", "8", WG_EIO, "w.bin/: cannot open: Not a directory"},
        {"nothing.bin", "0", "8", WG_EIO, "nothing.bin: cannot open: No such file"},
        {"w.bin", "9", "8", WG_EFORMAT, "wants 8 bytes from 9 of w.bin, which has 16"},
        {"w.bin", "17", NULL, WG_EFORMAT, "wants 8 bytes from 17 of w.bin, which has 16"},
        {"w.bin", "18446744073709551615", "8", WG_EFORMAT, "from 18446744073709551615 of w.bin"},
        {"w.bin", "18446744073709551616", "8", WG_EFORMAT, "an offset or length in w.bin that is no number"},
        {"w.bin", "-1", "8", WG_EFORMAT, "that is no number"},
        {"w.bin", "", "8", WG_EFORMAT, "that is no number"},
        {"w.bin", "0", "0x8", WG_EFORMAT, "that is no number"},
        {"w.bin", "0", "16", WG_EFORMAT, "has 16 bytes in w.bin, its shape 8"},
    };
    save("w.bin", "0123456789abcdef", 16);
    save("sub/w.bin", "0123456789abcdef", 16);
    make_links();
    cr_assert_eq(mkfifo(in_folder("pipe"), 0600), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bytes b = {0};
        put_outside(&b, rows[i].location, rows[i].offset, rows[i].length);
        struct made m = make(&b, folder);
        cr_assert_eq(m.status, rows[i].status, "%s: %s", rows[i].why, m.why);
        cr_assert(strstr(m.why, rows[i].why), "%s: %s", rows[i].why, m.why);
        cr_assert(strstr(m.why, "t.pb: byte 0: tensor 'w' "), "%s", m.why);
        free(b.at);
    }
    struct bytes b = {0};
    put_outside(&b, "w.bin", "0", "8");
    struct made m = make(&b, NULL);
    cr_assert(m.status == WG_EARG && strstr(m.why, "w.bin, which a model of memory cannot have"), "%s", m.why);
    put_bytes(&b, 9, "12345678", 8);
    m = make(&b, folder);
    cr_assert(m.status == WG_EFORMAT && strstr(m.why, "has its values twice"), "%s", m.why);
    free(b.at);
}

Test(onnx_external, a_model_of_a_file_finds_it)
{
    static const float values[] = {1, 2};
    struct onnx        o = onnx_begin(13);
    size_t             at = put_open(&o.b, 5);
    put_outside(&o.b, "sub/w.bin", NULL, NULL);
    put_close(&o.b, at);
    onnx_end(&o);
    save("sub/w.bin", values, sizeof values);
    save("model.onnx", o.b.at, o.b.n);
    wg_onnx *m = wg_onnx_read(in_folder("model.onnx"));
    wg_array a = {0};
    cr_assert_eq(wg_onnx_status(m), WG_OK, "%s", wg_onnx_message(m));
    cr_assert_eq(wg__tensor_array(&m->file, m->model.init, &a.dtype, &a.shape, &a.data), WG_OK, "%s", m->file.why);
    cr_assert_eq(memcmp(a.data, values, sizeof values), 0);
    wg_array_free(&a);
    wg_onnx_free(m);
    /* A path without a folder means the folder that the program is in. */
    char *home = getcwd(NULL, 0);
    cr_assert_eq(chdir(folder), 0);
    m = wg_onnx_read("model.onnx");
    cr_assert_eq(wg__tensor_array(&m->file, m->model.init, &a.dtype, &a.shape, &a.data), WG_OK, "%s", m->file.why);
    wg_array_free(&a);
    wg_onnx_free(m);
    cr_assert_eq(chdir(home), 0);
    free(home);
    onnx_free(&o);
}

/* ---- Files of one tensor ---- */

Test(onnx_external, what_is_written_is_read)
{
    static const struct {
        wg_dtype dtype;
        wg_shape shape;
    } rows[] = {{WG_F32, {2, {3, 5}}}, {WG_F64, {1, {7}}},         {WG_I32, {0}},
                {WG_U8, {2, {0, 4}}},  {WG_BOOL, {3, {1, 70, 3}}}, {WG_I64, {8, {1, 2, 1, 2, 1, 2, 1, 2}}}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wg_array a, b;
        wg_error e = {0};
        char     name[8];
        cr_assert_eq(wg_array_new(&a, rows[i].dtype, rows[i].shape), WG_OK);
        for (size_t k = 0; k < wg_array_bytes(&a); k++)
            ((uint8_t *)a.data)[k] = a.dtype == WG_BOOL ? k & 1 : (uint8_t)(k * 37 + 1);
        cr_assert_eq(wg_onnx_tensor_write(in_folder("t.pb"), &a, i ? "a long name" : NULL, &e), WG_OK, "%s", e.message);
        cr_assert_eq(wg_onnx_tensor_read(in_folder("t.pb"), &b, name, sizeof name, &e), WG_OK, "%s", e.message);
        cr_assert_str_eq(name, i ? "a long " : "");
        cr_assert(a.dtype == b.dtype && wg__shape_equal(&a.shape, &b.shape));
        cr_assert_eq(memcmp(a.data, b.data, wg_array_bytes(&a)), 0);
        wg_array_free(&a);
        wg_array_free(&b);
    }
}

Test(onnx_external, files_that_are_no_tensor)
{
    wg_array a;
    wg_error e = {0};
    char     name[8] = "before";
    save("t.pb", "\x10\1\x4a\3abc", 7);
    cr_assert_eq(wg_onnx_tensor_read(in_folder("t.pb"), &a, name, sizeof name, &e), WG_EFORMAT);
    cr_assert(strstr(e.message, "t.pb: byte 0: tensor '' has 3 bytes, its shape 4"), "%s", e.message);
    cr_assert(e.status == WG_EFORMAT && e.offset == 0 && !*name && !a.data);
    save("t.pb", "\x10\1\x4a", 3);
    cr_assert_eq(wg_onnx_tensor_read(in_folder("t.pb"), &a, NULL, 0, &e), WG_EFORMAT);
    cr_assert(strstr(e.message, "t.pb: byte 3: TensorProto ends"), "%s", e.message);
    cr_assert_eq(e.offset, 3);
    cr_assert_eq(wg_onnx_tensor_read("/nowhere/t.pb", &a, NULL, 0, &e), WG_EIO);
    cr_assert_eq(e.offset, -1);
    cr_assert_eq(wg_onnx_tensor_read(NULL, &a, NULL, 0, &e), WG_EARG);
    cr_assert_eq(wg_onnx_tensor_write("/nowhere/t.pb", &(wg_array){.data = &(float){1}}, "x", &e), WG_EIO);
    cr_assert_eq(wg_onnx_tensor_write(NULL, &(wg_array){.data = &(float){1}}, "x", &e), WG_EARG);
    cr_assert_eq(wg_onnx_tensor_write("/nowhere/t.pb", &(wg_array){.dtype = WG_DTYPES}, "x", NULL), WG_EARG);
}

Test(onnx_external, every_allocation_may_fail)
{
    float    values[2] = {1, 2};
    wg_array a = {.shape = WG_SHAPE(2), .data = values}, b;
    wg_error e = {0};
    int      status = WG_ENOMEM;
    for (int n = 0; status; n++) {
        alloc_fail_at(n);
        status = wg_onnx_tensor_write(in_folder("t.pb"), &a, "x", &e);
        alloc_restore();
        cr_assert(!status || (status == WG_ENOMEM && strstr(e.message, "out of memory")) || e.message[0], "%s",
                  e.message);
    }
    status = WG_ENOMEM;
    for (int n = 0; status; n++) {
        alloc_fail_at(n);
        status = wg_onnx_tensor_read(in_folder("t.pb"), &b, NULL, 0, &e);
        alloc_restore();
        cr_assert(!status || (status == WG_ENOMEM && strstr(e.message, "memory")), "allocation %d: %s", n, e.message);
    }
    wg_array_free(&b);
}
