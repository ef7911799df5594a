/* digest.h - what any bytes must get through unharmed: the fuzzer's inputs, and
 * the damaged files of the tests. */
#ifndef WENGERT_TESTS_DIGEST_H
#define WENGERT_TESTS_DIGEST_H

#include <string.h>

#include "onnx/proto/onnx_impl.h"

/* For the fuzzer and for the tests, where a trap is a failure like any other. */
static inline void must(bool law)
{
    if (!law) __builtin_trap();
}

/* A failure has a status and a reason. */
static inline int explained(int status, const char *why)
{
    must(status <= 0 && status >= WG_EINTERNAL);
    must(!status == !*why);
    return status;
}

static inline void digest_tensor(struct wg__onnx_file *f, const struct wg__onnx_tensor *t)
{
    wg_dtype dtype;
    wg_shape shape;
    void    *data;
    f->status = 0;
    f->why[0] = 0;
    int status = wg__tensor_array(f, t, &dtype, &shape, &data);
    must(explained(status, f->why) || (data && wg__bytes(dtype, &shape) < 64 * f->size + 4096));
    wg__data_free(data);
}

static inline void digest_tensors(wg_onnx *m)
{
    struct wg__onnx_file f = m->file;
    for (int i = 0; i < m->model.n_init; i++) digest_tensor(&f, &m->model.init[i]);
    for (int i = 0; i < m->model.n_node; i++)
        for (int k = 0; k < m->model.node[i].n_attr; k++)
            if (m->model.node[i].attr[k].tensor) digest_tensor(&f, m->model.node[i].attr[k].tensor);
}

/* As a model: the status of reading it, or of importing it. */
static inline int digest_model(const void *bytes, size_t n)
{
    wg_onnx  *m = wg_onnx_parse(bytes, n);
    wg_graph *g = wg_graph_new();
    must(m && g);
    int status = explained(wg_onnx_status(m), wg_onnx_message(m));
    if (status) must(strstr(wg_onnx_message(m), "(memory): byte ") == wg_onnx_message(m));
    else {
        digest_tensors(m);
        status = wg_onnx_import(m, g, &(wg_onnx_import_options){.constants = n & 1, .dropout = n >> 1 & 1});
        must(status == explained(wg_onnx_status(m), wg_onnx_message(m)));
    }
    wg_onnx_free(m);
    wg_graph_free(g);
    return status;
}

/* As a TensorProto. */
static inline int digest_file_of_tensor(const void *bytes, size_t n)
{
    struct wg__onnx_file   f = {.name = "(memory)", .bytes = bytes, .size = n};
    struct wg__onnx_tensor t;
    int                    status = explained(wg__onnx_tensor_parse(&f, &t), f.why);
    if (!status) digest_tensor(&f, &t);
    wg__arena_free(&f.arena);
    return status;
}

#endif
