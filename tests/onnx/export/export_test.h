/* export_test.h - what the tests of wg_onnx_export share: a folder of the test's
 * own, in which nothing but the model may be left, and a small net. */
#ifndef WENGERT_TESTS_EXPORT_TEST_H
#define WENGERT_TESTS_EXPORT_TEST_H

#include <sys/stat.h>
#include <unistd.h>

#include <wengert/onnx.h>
#include <wengert/train.h>

#include "ops/ops_test.h"

static char folder[64], path[128];

static inline void open_folder(void)
{
    snprintf(folder, sizeof folder, "%s/wengert-onnx-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/m.onnx", folder);
}
static inline void close_folder(void)
{
    char other[140];
    snprintf(other, sizeof other, "%s.data", path);
    unlink(path);
    unlink(other);
    cr_assert_eq(rmdir(folder), 0, "nothing else was left in the folder");
}
static inline bool there(const char *file)
{
    struct stat s;
    return stat(file, &s) == 0;
}

static inline wg_node *mlp(wg_graph *g, int64_t batch, wg_node **x)
{
    *x = wg_input(g, "image", WG_F32, WG_SHAPE(batch, 6));
    wg_node *h = wg_dropout(wg_relu(wg_dense(*x, 5, "fc1")), 0.5);
    return wg_named(wg_dense(wg_gelu(h), 3, "fc2"), "logits");
}

/* ---- There and back ---- */

struct back {
    wg_onnx  *m;
    wg_graph *g;
};

static inline void export_at(wg_graph *g, wg_node *y, const wg_onnx_export_options *o)
{
    cr_assert_eq(wg_onnx_export(g, 1, &y, path, o), WG_OK, "%s", wg_message(g));
}

static inline struct back read_back(const char *what)
{
    struct back b = {wg_onnx_read(path), wg_graph_new()};
    cr_assert_eq(wg_onnx_import(b.m, b.g, NULL), WG_OK, "%s: %s %s", what, wg_onnx_message(b.m), wg_message(b.g));
    return b;
}
static inline void free_back(struct back b)
{
    wg_onnx_free(b.m);
    wg_graph_free(b.g);
}

#endif
