/* The bytes of a model: what they say of it, that they are the same each time,
 * and that the graph stays as it was. */
#include <signal.h>
#include <sys/resource.h>

#include "onnx/export/export_test.h"

TestSuite(onnx_export_file, .timeout = 120);

#define ON_DISK(name) Test(onnx_export_file, name, .init = open_folder, .fini = close_folder)

ON_DISK(what_the_file_says_of_itself)
{
    static const char *const meta[][2] = {{"training.step", "1200"}, {"accuracy", "0.98 \xc3\xa9"}};
    static const struct {
        int opset, ir;
    } ir[] = {{9, 4}, {10, 5}, {11, 6}, {12, 7}, {14, 7}, {15, 8}, {18, 8}, {19, 9}, {20, 9}, {21, 10}};
    wg_graph *g = wg_graph_new();
    wg_node  *y = wg_exp(wg_input(g, "x", WG_F32, WG_SHAPE(2)));
    for (size_t i = 0; i < sizeof ir / sizeof *ir; i++) {
        export_at(g, y,
                  &(wg_onnx_export_options){
                      .opset = ir[i].opset, .graph_name = "net", .doc = "a doc", .n_meta = 2, .meta = meta});
        wg_onnx     *m = wg_onnx_read(path);
        wg_onnx_info a = wg_onnx_about(m);
        const char  *key, *text;
        cr_expect_eq(a.opset, ir[i].opset);
        cr_expect_eq(a.ir_version, ir[i].ir, "IR %lld at opset %d", (long long)a.ir_version, ir[i].opset);
        cr_expect_str_eq(a.producer, "wengert");
        cr_expect_str_eq(a.producer_version, WG_VERSION);
        cr_expect_str_eq(a.graph_name, "net");
        cr_expect_str_eq(a.doc, "a doc");
        cr_expect_str_eq(wg_onnx_meta(m, "accuracy"), "0.98 \xc3\xa9");
        cr_assert(wg_onnx_meta_at(m, 0, &key, &text));
        cr_expect_str_eq(key, "training.step");
        wg_onnx_free(m);
    }
    wg_graph_free(g);
}

/* ---- Bytes ---- */

struct bytes {
    char  *at;
    size_t n;
};
static struct bytes slurp(const char *file)
{
    struct stat  st;
    FILE        *f = fopen(file, "rb");
    struct bytes b = {0};
    cr_assert(f && !fstat(fileno(f), &st));
    b.at = malloc((size_t)st.st_size + 1);
    b.n = fread(b.at, 1, (size_t)st.st_size, f);
    fclose(f);
    return b;
}
static void expect_same(struct bytes a, struct bytes b)
{
    cr_expect(a.n == b.n && memcmp(a.at, b.at, a.n) == 0, "%zu and %zu bytes", a.n, b.n);
    free(a.at);
    free(b.at);
}

static wg_node *net(wg_graph *g)
{
    wg_node *x, *y = wg_softmax(mlp(g, wg_dim(g, "batch"), &x), 1);
    return wg_clip(wg_mean(wg_concat(2, (wg_node *[]){y, x}, 1), WG_AXES(0), 1), -1, 1);
}

ON_DISK(equal_graphs_give_equal_bytes)
{
    struct bytes first[2];
    for (int k = 0; k < 2; k++) {
        wg_graph *g = wg_graph_new();
        export_at(g, net(g), NULL);
        first[k] = slurp(path);
        wg_graph_free(g);
    }
    expect_same(first[0], first[1]);
}

ON_DISK(the_graph_stays_as_it_was)
{
    for (int opset = WG_ONNX_MIN_OPSET; opset <= WG_ONNX_MAX_OPSET; opset++) {
        wg_graph *g = wg_graph_new();
        wg_node  *y = net(g);
        int       nodes = g->n, params = wg_param_count(g);
        export_at(g, y, &(wg_onnx_export_options){.opset = opset});
        cr_expect(g->n == nodes && wg_param_count(g) == params, "opset %d", opset);
        wg_graph_free(g);
    }
}

/* An error of before is no reason, and is still there to be read. */
ON_DISK(a_graph_with_an_error_exports_what_is_whole)
{
    wg_graph *g = wg_graph_new();
    wg_node  *y = net(g), *none = wg_add(wg_input(g, "a", WG_F32, WG_SHAPE(2)), wg_input(g, "b", WG_F32, WG_SHAPE(3)));
    cr_assert(!none && wg_status(g) == WG_ESHAPE);
    export_at(g, y, NULL);
    cr_expect_eq(wg_status(g), WG_ESHAPE);
    cr_expect_eq(wg_onnx_export(g, 1, &none, path, NULL), WG_EARG);
    wg_graph_free(g);
}

/* ---- Size ---- */

ON_DISK(a_chain_of_a_hundred_thousand_nodes)
{
    wg_graph *g = wg_graph_new();
    wg_node  *y = wg_input(g, "x", WG_F32, WG_SHAPE(2));
    for (int i = 0; i < 100000; i++) y = i % 2 ? wg_neg(y) : wg_dropout(wg_exp(y), 0.5);
    export_at(g, y, NULL);
    wg_onnx *m = wg_onnx_read(path);
    cr_expect_eq(wg_onnx_about(m).nodes, 100000);
    wg_onnx_free(m);
    wg_graph_free(g);
}

/* Shapes stay where every reader looks for them. */
ON_DISK(only_values_of_the_graph_go_into_the_other_file)
{
    char      other[140];
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(2, 3)),
            *y = wg_reshape(wg_shift(wg_transpose(x, WG_ALL_AXES), 1), WG_SHAPE(2, 3));
    snprintf(other, sizeof other, "%s.data", path);
    export_at(g, y, &(wg_onnx_export_options){.external = 1});
    cr_expect_not(there(other));
    y = wg_mul(y, wg_param(g, "w", WG_F64, WG_SHAPE(0, 3)) ? wg_param(g, "v", WG_F32, WG_SHAPE(3)) : NULL);
    export_at(g, y, &(wg_onnx_export_options){.external = 1});
    cr_expect(there(other));
    wg_graph_free(g);
}

ON_DISK(a_file_that_the_model_cannot_name_is_refused)
{
    char      odd[140];
    wg_graph *g = wg_graph_new();
    wg_node  *w = wg_param(g, "w", WG_F32, WG_SHAPE(3));
    snprintf(odd, sizeof odd, "%s/\xff.onnx", folder);
    cr_expect_eq(wg_onnx_export(g, 1, &w, odd, &(wg_onnx_export_options){.external = 1}), WG_EARG);
    cr_expect(strstr(wg_message(g), "UTF-8"), "%s", wg_message(g));
    wg_clear_error(g);
    cr_expect_eq(wg_onnx_export(g, 1, &w, odd, NULL), WG_OK, "%s", wg_message(g));
    unlink(odd);
    wg_graph_free(g);
}

/* ---- A disk that is full ---- */

ON_DISK(a_full_disk_leaves_the_old_files)
{
    char      other[140];
    wg_graph *g = wg_graph_new();
    wg_node  *y = net(g), *large = wg_param(g, "large", WG_F32, WG_SHAPE(50000));
    snprintf(other, sizeof other, "%s.data", path);
    signal(SIGXFSZ, SIG_IGN);
    for (int64_t external = 0; external <= 60; external += 60) {
        const wg_onnx_export_options o = {.external = external};
        export_at(g, y, &o);
        struct bytes model = slurp(path), data = external ? slurp(other) : (struct bytes){0};
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){50000, RLIM_INFINITY});
        int status = wg_onnx_export(g, 2, (wg_node *[]){y, large}, path, &o);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
        cr_expect_eq(status, WG_EIO);
        cr_expect(strstr(wg_message(g), "cannot write"), "%s", wg_message(g));
        wg_clear_error(g);
        expect_same(model, slurp(path));
        if (external) expect_same(data, slurp(other));
    }
    wg_graph_free(g);
}
