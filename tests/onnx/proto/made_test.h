/* made_test.h - what becomes of the bytes of a TensorProto. */
#ifndef WENGERT_TESTS_MADE_H
#define WENGERT_TESTS_MADE_H

#include <wengert/data.h>

#include "onnx/proto/encode.h"

struct made {
    int      status;
    wg_array a;
    char     why[512];
};

/* where: the folder of external data, or NULL.  Status, reason and data go together. */
static inline struct made make(const struct bytes *b, const char *where)
{
    struct wg__onnx_file   f = {.name = "t.pb", .folder = where, .bytes = b->at, .size = b->n};
    struct wg__onnx_tensor t;
    struct made            m = {.status = wg__onnx_tensor_parse(&f, &t)};
    if (!m.status) m.status = wg__tensor_array(&f, &t, &m.a.dtype, &m.a.shape, &m.a.data);
    cr_assert_eq(m.status, f.status, "%s", f.why);
    cr_assert_eq(m.status != 0, f.why[0] != 0);
    cr_assert_eq(m.status != 0, m.a.data == NULL);
    memcpy(m.why, f.why, sizeof m.why);
    wg__arena_free(&f.arena);
    return m;
}

#endif
