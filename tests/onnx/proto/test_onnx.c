/* Reading models: what is no file, what is said about it, how much memory it
 * takes, and the models of ONNX's own tests. */
#include <dirent.h>

#include "onnx/proto/encode.h"
#include "onnx/proto/onnx_impl.h"
#include "support/alloc.h"

TestSuite(onnx_file, .timeout = 120);

static wg_onnx *parse(const struct bytes *b)
{
    wg_onnx *m = wg_onnx_parse(b->at, b->n);
    cr_assert_not_null(m);
    return m;
}

Test(onnx_file, files_that_are_none)
{
    static const struct {
        const char *path, *why;
        int         status;
    } rows[] = {
        {NULL, "(no path): nothing to read", WG_EARG},
        {"", "(no path): nothing to read", WG_EARG},
        {"/nowhere/model.onnx", "/nowhere/model.onnx: cannot open: No such file", WG_EIO},
        {"/tmp", "/tmp: is a directory", WG_EIO},
        {"/dev/zero", "/dev/zero: is not a regular file", WG_EIO},
        {"/dev/null/x", "/dev/null/x: cannot open: Not a directory", WG_EIO},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wg_onnx *m = wg_onnx_read(rows[i].path);
        cr_assert_eq(wg_onnx_status(m), rows[i].status);
        cr_assert(strstr(wg_onnx_message(m), rows[i].why) == wg_onnx_message(m), "%s", wg_onnx_message(m));
        cr_assert_str_eq(wg_onnx_about(m).producer, "");
        cr_assert_eq(wg_onnx_about(m).opset, 0);
        cr_assert_null(wg_onnx_meta(m, "x"));
        wg_onnx_free(m);
    }
    wg_onnx *m = wg_onnx_parse(NULL, 0);
    cr_assert_eq(wg_onnx_status(m), WG_EARG);
    wg_onnx_free(m);
    /* What there was no memory for. */
    cr_assert_eq(wg_onnx_status(NULL), WG_ENOMEM);
    cr_assert_str_eq(wg_onnx_message(NULL), "out of memory");
    cr_assert(wg_onnx_about(NULL).nodes == 0 && !wg_onnx_meta(NULL, "x"));
    wg_onnx_free(NULL);
}

Test(onnx_file, messages_grow_and_the_first_status_stays)
{
    struct onnx o = onnx_begin(13);
    onnx_end(&o);
    wg_onnx *m = parse(&o.b);
    for (int i = 0; i < 1000; i++) wg__onnx_say(m, i ? WG_EARG : WG_EDTYPE, "line %d", i);
    cr_assert_eq(wg_onnx_status(m), WG_EDTYPE);
    cr_assert(strstr(wg_onnx_message(m), "line 0\nline 1\nline 2\n") == wg_onnx_message(m));
    cr_assert_eq(strlen(wg_onnx_message(m)), 10 * 7 + 90 * 8 + 900 * 9 - 1);
    wg_onnx_free(m);
    onnx_free(&o);
}

/* ---- Memory ---- */

static size_t taken(const wg_onnx *m)
{
    size_t n = 0;
    for (const struct wg__block *b = m->file.arena.block; b; b = b->next) n += b->size;
    return n;
}

/* A part of two bytes becomes a struct of many: up to a limit. */
Test(onnx_file, memory_is_in_proportion_to_the_file)
{
    static const struct {
        uint32_t number;
        size_t   bytes;
        bool     fits;
    } rows[] = {{1, 1 << 20, true}, {1, 24 << 20, false}, {5, 24 << 20, false}, {11, 24 << 20, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bytes b = {.at = malloc(rows[i].bytes + 16), .cap = rows[i].bytes + 16};
        size_t       at = put_open(&b, 7);
        while (b.n + 2 <= rows[i].bytes) put_text(&b, rows[i].number, "");
        put_close(&b, at);
        wg_onnx *m = parse(&b);
        cr_assert_leq(taken(m), (size_t)66 << 20 | 16 * b.n, "%zu bytes for %zu", taken(m), b.n);
        cr_assert_eq(wg_onnx_status(m), rows[i].fits ? WG_OK : WG_EFORMAT);
        cr_assert(rows[i].fits || strstr(wg_onnx_message(m), "more parts than a file of 25165"), "%s",
                  wg_onnx_message(m));
        wg_onnx_free(m);
        free(b.at);
    }
}

static int starved(const struct bytes *b)
{
    wg_onnx *m = wg_onnx_parse(b->at, b->n);
    int      status = m ? wg_onnx_status(m) : WG_ENOMEM;
    if (m && status) cr_assert(strstr(wg_onnx_message(m), "out of memory"), "%s", wg_onnx_message(m));
    wg_onnx_free(m);
    return status;
}

Test(onnx_file, every_allocation_may_fail)
{
    static void (*const fail_at[])(long) = {alloc_fail_at, alloc_fail_once_at};
    static float data[4096];
    struct onnx  o = onnx_begin(13);
    char         name[32];
    onnx_input(&o, "x", WG__ONNX_FLOAT, "n,4");
    onnx_init(&o, "w", WG__ONNX_FLOAT, "4096", data);
    for (int i = 0; i < 400; i++) {
        snprintf(name, sizeof name, "name %d", i);
        onnx_node(&o, "Add", "x,w", name, "axis=1");
    }
    onnx_end(&o);
    for (int i = 0; i < 2; i++) {
        int status = WG_ENOMEM;
        for (int n = 0; status; n++) {
            fail_at[i](n);
            status = starved(&o.b);
            alloc_restore();
            cr_assert(status == WG_OK || status == WG_ENOMEM, "allocation %d", n);
        }
    }
    onnx_free(&o);
}

/* ---- The models of ONNX's own tests ---- */

#define DATA "/usr/share/libonnx-testdata/data/"

struct tally {
    int models, nodes, inits;
};

static void visit_model(const char *path, struct tally *t)
{
    wg_onnx *m = wg_onnx_read(path);
    cr_assert_eq(wg_onnx_status(m), WG_OK, "%s", wg_onnx_message(m));
    wg_onnx_info about = wg_onnx_about(m);
    cr_assert(about.ir_version >= 3 && about.ir_version <= 20 && *about.graph_name, "%s", path);
    for (int i = 0; i < m->model.n_node; i++) cr_assert(*m->model.node[i].op, "%s", path);
    for (int i = 0; i < m->model.n_init; i++) {
        wg_dtype dtype;
        wg_shape shape;
        void    *data;
        int      status = wg__tensor_array(&m->file, &m->model.init[i], &dtype, &shape, &data);
        cr_assert(status == WG_OK || status == WG_EDTYPE, "%s", m->file.why);
        wg__data_free(data);
    }
    t->models++;
    t->nodes += about.nodes;
    t->inits += about.initializers;
    wg_onnx_free(m);
}

static struct tally visit_folder(const char *name)
{
    struct tally t = {0};
    char         path[1024];
    snprintf(path, sizeof path, DATA "%s", name);
    DIR *d = opendir(path);
    if (!d) cr_skip_test("libonnx-testdata is not installed");
    for (struct dirent *e; (e = readdir(d));) {
        snprintf(path, sizeof path, DATA "%s/%s/model.onnx", name, e->d_name);
        if (e->d_name[0] != '.') visit_model(path, &t);
    }
    closedir(d);
    return t;
}

Test(onnx_file, those_of_onnx_itself)
{
    struct tally node = visit_folder("node"), old = visit_folder("pytorch-converted"),
                 op = visit_folder("pytorch-operator");
    cr_assert_geq(node.models, 900);
    cr_assert(node.nodes >= node.models && node.inits == 0, "these have their operands as inputs");
    cr_assert(old.models >= 80 && old.inits >= 40 && op.models >= 30, "%d %d %d", old.models, old.inits, op.models);
}
