/* import_test.h - laws of imported operators as rows of a table.
 *
 * A model of one node takes x, of f32 elements 0, 1, 2, .. and shape law.x
 * (where "batch" is 3), and up to four lists of integers; what comes out has
 * law.shape and law.values. */
#ifndef WENGERT_TESTS_IMPORT_TEST_H
#define WENGERT_TESTS_IMPORT_TEST_H

#include <wengert/onnx.h>

#include "onnx/import/memory_test.h"

struct law {
    const char *op;
    int         opset;
    const char *x;       /* dimensions */
    const char *ints[4]; /* inputs 1, 2, ..; NULL: left out */
    const char *attrs;
    const char *shape, *values; /* "2,3" and "[0,1,2]", whole numbers */
};

/* An imported model, and its first run. */
struct imported {
    wg_onnx  *m;
    wg_graph *g;
    wg_tape  *t;
};

static inline struct imported import_start(struct onnx *o)
{
    struct imported r = {.g = wg_graph_new()};
    r.m = wg_onnx_parse(onnx_end(o), o->b.n);
    cr_assert_eq(wg_onnx_status(r.m), WG_OK, "%s", wg_onnx_message(r.m));
    return r;
}

static inline void import_free(struct imported *r, struct onnx *o)
{
    wg_onnx_free(r->m);
    wg_graph_free(r->g);
    onnx_free(o);
}

static inline void element_put(wg_dtype t, void *data, int64_t i, double v)
{
    switch (t) {
#define X(name, type, text) \
    case WG_##name: ((type *)data)[i] = (type)v; return;
        WG_DTYPE_MAP(X)
#undef X
    case WG_DTYPES: return;
    }
}

static inline double element_at(wg_dtype t, const void *data, int64_t i)
{
    switch (t) {
#define X(name, type, text) \
    case WG_##name: return (double)((const type *)data)[i];
        WG_DTYPE_MAP(X)
#undef X
    case WG_DTYPES: break;
    }
    return 0;
}

/* Every input is 0, 1, 2, .., every symbol called batch is 3. */
static inline void import_run(struct imported *r)
{
    wg_node *y[8];
    int      n = wg_onnx_output_count(r->m);
    for (int i = 0; i < n; i++) y[i] = wg_onnx_output(r->m, i);
    wg_dim(r->g, "batch"); /* a name that a graph does not have cannot be bound */
    r->t = wg_compile(r->g, n, y, &(wg_options){.bind = {{"batch", 3}}});
    cr_assert_not_null(r->t, "%s", wg_message(r->g));
    for (int i = 0; i < wg_onnx_input_count(r->m); i++) {
        wg_node        *x = wg_onnx_input(r->m, i);
        const wg_shape *s = wg_tape_shape(r->t, x);
        void           *data = s ? wg_input_buffer(r->t, x) : NULL;
        for (int64_t k = 0; data && k < wg_count(s); k++) element_put(wg_node_dtype(x), data, k, (double)k);
    }
    cr_assert_eq(wg_run(r->t), WG_OK, "%s", wg_tape_message(r->t));
}

static inline void import_finish(struct imported *r, struct onnx *o)
{
    *r = import_start(o);
    cr_assert_eq(wg_onnx_import(r->m, r->g, NULL), WG_OK, "%s", wg_onnx_message(r->m));
    import_run(r);
}

/* "[2,3]" */
static inline void dims_text(const wg_shape *s, char to[128])
{
    size_t n = 0;
    for (int i = 0; i < s->rank; i++)
        n += (size_t)snprintf(to + n, 128 - n, "%s%lld", i ? "," : "", (long long)s->dim[i]);
    if (s->rank == 0) *to = 0;
}

static inline void expect_output(const struct imported *r, int i, const char *who, const char *shape,
                                 const char *values)
{
    const wg_node  *y = wg_onnx_output(r->m, i);
    const wg_shape *s = wg_tape_shape(r->t, y);
    char            have[128], word[128];
    const char     *rest = values[1] == ']' ? NULL : values + 1;
    int64_t         k = 0;
    dims_text(s, have);
    cr_expect_str_eq(have, shape, "%s: [%s], not [%s]", who, have, shape);
    for (; next_word(&rest, ",]", word) && *word; k++) {
        cr_assert_lt(k, wg_count(s), "%s: too few elements", who);
        double v = element_at(wg_node_dtype(y), wg_view(r->t, y), k), want = strtod(word, NULL);
        cr_expect(v == want, "%s: element %lld is %g, not %g", who, (long long)k, v, want);
    }
    cr_expect_eq(k, wg_count(s), "%s: %lld elements, not %lld", who, (long long)wg_count(s), (long long)k);
}

static inline struct onnx law_model(const struct law *l)
{
    struct onnx o = onnx_begin(l->opset);
    char        inputs[32] = "x";
    onnx_input(&o, "x", WG__ONNX_FLOAT, l->x);
    for (int i = 0; i < 4; i++) {
        char name[3] = {'i', (char)('0' + i), 0};
        strcat(strcat(inputs, ","), l->ints[i] ? name : "");
        if (l->ints[i]) onnx_ints(&o, name, l->ints[i]);
    }
    onnx_node(&o, l->op, inputs, "y", l->attrs ? l->attrs : "");
    onnx_output(&o, "y", WG__ONNX_FLOAT, NULL);
    return o;
}

static inline void check_law(const struct law *l)
{
    struct imported r;
    struct onnx     o = law_model(l);
    char            who[256];
    snprintf(who, sizeof who, "%s-%d of [%s] %s %s", l->op, l->opset, l->x, l->ints[0] ? l->ints[0] : "",
             l->attrs ? l->attrs : "");
    import_finish(&r, &o);
    expect_output(&r, 0, who, l->shape, l->values);
    import_free(&r, &o);
}

/* The node is refused with a message that has law.values in it: WG_EARG for
 * what is not supported, WG_EFORMAT for what ONNX does not allow. */
static inline void check_refused(const struct law *l, int status)
{
    struct onnx     o = law_model(l);
    struct imported r = import_start(&o);
    cr_expect_eq(wg_onnx_import(r.m, r.g, NULL), status, "%s-%d of [%s]: %s", l->op, l->opset, l->x,
                 wg_onnx_message(r.m));
    cr_expect(strstr(wg_onnx_message(r.m), l->values), "\"%s\" is not in \"%s\"", l->values, wg_onnx_message(r.m));
    cr_expect(strstr(wg_onnx_message(r.m), l->op), "%s", wg_onnx_message(r.m));
    import_free(&r, &o);
}

#endif
