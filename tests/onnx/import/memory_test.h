/* memory_test.h - imports in which allocations fail. */
#ifndef WENGERT_TESTS_MEMORY_H
#define WENGERT_TESTS_MEMORY_H

#include <wengert/onnx.h>

#include "onnx/proto/encode.h"
#include "support/alloc.h"

static inline int import_failing_at(long at, bool once, const struct onnx *m)
{
    int status = WG_ENOMEM;
    (once ? alloc_fail_once_at : alloc_fail_at)(at);
    wg_graph *g = wg_graph_new();
    wg_onnx  *r = g ? wg_onnx_parse(m->b.at, m->b.n) : NULL;
    if (r) status = wg_onnx_import(r, g, NULL);
    alloc_restore();
    wg_onnx_free(r);
    wg_graph_free(g);
    return status;
}

/* The n-th allocation of an import fails, alone or with all after it, for every n; the model is freed. */
static inline void expect_clean_failures(struct onnx *m)
{
    enum { MOST = 10000 };
    onnx_end(m);
    for (int once = 0; once < 2; once++) {
        int n = 0, status;
        while ((status = import_failing_at(n, once, m)) != WG_OK && n++ < MOST)
            cr_assert_eq(status, WG_ENOMEM, "allocation %d: %d", n - 1, status);
        cr_assert(n > 5 && n < MOST);
    }
    onnx_free(m);
}

#endif
