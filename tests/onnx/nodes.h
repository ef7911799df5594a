/* nodes.h - one test of ONNX's own: a model, and what it makes of given inputs.
 *
 * These models take shapes, axes and the like as inputs.  As `wengert run` does,
 * the test gives the import all values of its data: it looks at those that shape
 * the graph, and the others go into the tape. */
#ifndef WENGERT_TESTS_NODES_H
#define WENGERT_TESTS_NODES_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "onnx/proto/onnx_impl.h"

enum outcome { PASSED, UNSUPPORTED, FAILED };
enum { MOST = 64, PATH = 512, WHY = 400 };

struct result {
    enum outcome outcome;
    bool         ours; /* every tensor of its data is of one of our dtypes */
    bool         told; /* the import looked at values of inputs */
    char         op[64], why[WHY];
};

struct data {
    wg_array in[MOST], out[MOST];
    int      n_in, n_out;
};

/* input_0.pb, input_1.pb .. of a folder; false if one cannot be read. */
static inline bool read_all(const char *folder, const char *kind, wg_array *to, int *n, struct result *r)
{
    char path[2 * PATH];
    for (*n = 0; *n < MOST; ++*n) {
        wg_error e;
        snprintf(path, sizeof path, "%s/%s_%d.pb", folder, kind, *n);
        if (access(path, R_OK)) return true;
        if (wg_onnx_tensor_read(path, &to[*n], NULL, 0, &e))
            return snprintf(r->why, WHY, "%s", strrchr(e.message, ':') ? strrchr(e.message, ':') + 2 : e.message),
                   false;
    }
    return true;
}

static inline void free_data(struct data *d)
{
    for (int i = 0; i < MOST; i++) wg_array_free(&d->in[i]);
    for (int i = 0; i < MOST; i++) wg_array_free(&d->out[i]);
}

static inline int fail(struct result *r, const char *what, const char *why)
{
    r->outcome = FAILED;
    snprintf(r->why, WHY, "%s: %s", what, why);
    return 1;
}

static inline bool same_shape(const wg_shape *a, const wg_shape *b)
{
    return a && a->rank == b->rank && memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) == 0;
}

static inline double value_at(const wg_array *a, const void *data, int64_t i)
{
    switch (a->dtype) {
    case WG_F32: return ((const float *)data)[i];
    case WG_F64: return ((const double *)data)[i];
    case WG_I32: return ((const int32_t *)data)[i];
    case WG_I64: return (double)((const int64_t *)data)[i];
    default: return ((const uint8_t *)data)[i];
    }
}

/* The runner of ONNX allows |have - want| <= 1e-7 + 1e-3 |want|. */
static inline bool near(double have, double want)
{
    if (isnan(want) || isnan(have)) return isnan(want) && isnan(have);
    return have == want || fabs(have - want) <= 1e-7 + 1e-3 * fabs(want);
}

static inline int compare(wg_tape *t, const wg_node *y, const wg_array *want, const char *name, struct result *r)
{
    char        why[160];
    const void *have = wg_view(t, y);
    if (!have) return fail(r, name, wg_tape_message(t));
    if (wg_node_dtype(y) != want->dtype) return fail(r, name, "has another dtype");
    if (!same_shape(wg_tape_shape(t, y), &want->shape)) return fail(r, name, "has another shape");
    for (int64_t i = 0, n = wg_count(&want->shape); i < n; i++) {
        double x = value_at(want, have, i), z = value_at(want, want->data, i);
        if (near(x, z)) continue;
        snprintf(why, sizeof why, "element %lld is %.9g, not %.9g", (long long)i, x, z);
        return fail(r, name, why);
    }
    return 0;
}

/* The value for an input of the model. */
static inline const wg_array *value_for(const wg_onnx *m, const struct data *d, const char *input)
{
    const char *name;
    for (int i = 0; i < d->n_in && wg_onnx_declared(m, i, &name, NULL); i++)
        if (strcmp(name, input) == 0) return &d->in[i];
    return NULL;
}

static inline int feed(const wg_onnx *m, wg_tape *t, const struct data *d, struct result *r)
{
    for (int i = 0; i < wg_onnx_input_count(m); i++) {
        const wg_node  *x = wg_onnx_input(m, i);
        const wg_array *have = value_for(m, d, wg_onnx_input_name(m, i));
        if (!have) return fail(r, wg_onnx_input_name(m, i), "the data have no value for it");
        if (!wg_tape_shape(t, x)) continue; /* not needed */
        if (wg_node_dtype(x) != have->dtype || !same_shape(wg_tape_shape(t, x), &have->shape))
            return fail(r, wg_onnx_input_name(m, i), "the data have another dtype or shape");
        if (wg_set(t, x, have->data)) return fail(r, wg_onnx_input_name(m, i), wg_tape_message(t));
    }
    r->told = wg_onnx_input_count(m) < d->n_in;
    return 0;
}

static inline void run_on(const wg_onnx *m, wg_graph *g, const struct data *d, struct result *r)
{
    wg_node *y[MOST];
    int      n = wg_onnx_output_count(m);
    if (n != d->n_out) {
        fail(r, "outputs", "another number than the data have");
        return;
    }
    for (int i = 0; i < n; i++) y[i] = wg_onnx_output(m, i);
    wg_tape *t = wg_compile(g, n, y, &(wg_options){.threads = 1});
    if (!t) fail(r, "compile", wg_message(g));
    else if (!feed(m, t, d, r)) {
        if (wg_run(t)) fail(r, "run", wg_tape_message(t));
        for (int i = 0; i < n && r->outcome == PASSED; i++) compare(t, y[i], &d->out[i], wg_onnx_output_name(m, i), r);
    }
    wg_tape_free(t);
}

/* The operator of its only node, constants aside; models of several nodes are
 * a group of their own, and functions that ONNX writes out as such another. */
static inline void name_op(const wg_onnx *m, const char *test, char *to, size_t n)
{
    const char *op, *name, *only = "Constant", *suffix = strstr(test, "_expanded");
    int         nodes = 0;
    for (int i = 0; wg_onnx_node_at(m, i, &op, &name); i++)
        if (strcmp(op, "Constant") != 0 && ++nodes) only = op;
    if (nodes > 1) only = suffix && !suffix[9] ? "(expanded functions)" : "(several operators)";
    snprintf(to, n, "%s", only);
}

/* The complaint without the node that it is of. */
static const char *reason(const char *message)
{
    const char *open = strchr(message, '\''), *close = open ? strchr(open + 1, '\'') : NULL;
    const char *at = close ? strstr(close, ": ") : NULL;
    return at ? at + 2 : message;
}

static inline void import_and_run(wg_onnx *m, const struct data *d, struct result *r)
{
    wg_onnx_given          given[MOST];
    wg_onnx_import_options o = {.given = given};
    const char            *name;
    wg_graph              *g = wg_graph_new();
    for (; o.n_given < d->n_in && wg_onnx_declared(m, o.n_given, &name, NULL); o.n_given++)
        given[o.n_given] = (wg_onnx_given){name, d->in[o.n_given]};
    int status = wg_onnx_import(m, g, &o);
    if (status == WG_EARG || status == WG_EDTYPE) {
        r->outcome = UNSUPPORTED;
        snprintf(r->why, WHY, "%.*s", (int)strcspn(reason(wg_onnx_message(m)), "\n"), reason(wg_onnx_message(m)));
    } else if (status) fail(r, "import", wg_onnx_message(m));
    else if (r->ours) run_on(m, g, d, r);
    else fail(r, "data", "are of other dtypes, but the model was imported");
    wg_graph_free(g);
}

static inline void run_test(const char *folder, const char *test, struct result *r)
{
    char        path[PATH + 64];
    struct data d = {0};
    *r = (struct result){.op = "?"};
    snprintf(path, sizeof path, "%s/test_data_set_0", folder);
    r->ours = read_all(path, "input", d.in, &d.n_in, r) && read_all(path, "output", d.out, &d.n_out, r);
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    wg_onnx *m = wg_onnx_read(path);
    cr_assert_not_null(m);
    r->outcome = PASSED;
    name_op(m, test, r->op, sizeof r->op);
    if (wg_onnx_status(m)) fail(r, "read", wg_onnx_message(m));
    else import_and_run(m, &d, r);
    wg_onnx_free(m);
    free_data(&d);
}

#endif
