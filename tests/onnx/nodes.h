/* nodes.h - one test of ONNX's own: a model, and what it makes of given inputs.
 *
 * These models take shapes, axes and the like as inputs, which the importer
 * wants to know: where it says so, they are made initialisers of the model, as
 * exporters write them, and the test is tried again. */
#ifndef WENGERT_TESTS_NODES_H
#define WENGERT_TESTS_NODES_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "onnx/onnx_impl.h"

enum outcome { PASSED, UNSUPPORTED, FAILED };
enum { MOST = 64, PATH = 512, WHY = 400 };

struct result {
    enum outcome outcome;
    bool         ours;  /* every tensor of its data is of one of our dtypes */
    bool         fixed; /* inputs had to be made initialisers */
    char         op[64], why[WHY];
};

struct data {
    wg_array in[MOST], out[MOST];
    int      n_in, n_out;
    int      fed[MOST], n_fed; /* those of in that are inputs of the model */
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

/* Sizes of symbolic dimensions are those of the data. */
static inline void bind(const wg_onnx *m, const struct data *d, wg_options *o)
{
    static char name[WG_MAX_BINDINGS][64];
    int         n = 0;
    for (int i = 0; i < d->n_fed && i < wg_onnx_input_count(m); i++) {
        const wg_node  *x = wg_onnx_input(m, i);
        const wg_shape *s = wg_node_shape(x), *have = &d->in[d->fed[i]].shape;
        for (int k = 0; k < s->rank && n < WG_MAX_BINDINGS; k++) {
            if (s->dim[k] >= 0 || k >= have->rank) continue;
            o->bind[n].name = wg_dim_name(wg_node_graph(x), s->dim[k], name[n], sizeof *name);
            o->bind[n++].size = have->dim[k];
        }
    }
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

static inline int feed(const wg_onnx *m, wg_tape *t, const struct data *d, struct result *r)
{
    if (d->n_fed != wg_onnx_input_count(m)) return fail(r, "inputs", "another number than the data have");
    for (int i = 0; i < d->n_fed; i++) {
        const wg_node  *x = wg_onnx_input(m, i);
        const wg_array *have = &d->in[d->fed[i]];
        if (!wg_tape_shape(t, x)) continue; /* not needed */
        if (wg_node_dtype(x) != have->dtype || !same_shape(wg_tape_shape(t, x), &have->shape))
            return fail(r, wg_onnx_input_name(m, i), "the data have another dtype or shape");
        if (wg_set(t, x, have->data)) return fail(r, wg_onnx_input_name(m, i), wg_tape_message(t));
    }
    return 0;
}

static inline void run_on(const wg_onnx *m, wg_graph *g, const struct data *d, struct result *r)
{
    wg_options o = {.threads = 1};
    wg_node   *y[MOST];
    int        n = wg_onnx_output_count(m);
    if (n != d->n_out) {
        fail(r, "outputs", "another number than the data have");
        return;
    }
    for (int i = 0; i < n; i++) y[i] = wg_onnx_output(m, i);
    bind(m, d, &o);
    wg_tape *t = wg_compile(g, n, y, &o);
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

/* Makes the inputs from `first` on that are short vectors or numbers initialisers; how many. */
static inline int fix_inputs(wg_onnx *m, int first, struct data *d)
{
    struct wg__onnx_model  *model = &m->model;
    struct wg__onnx_tensor *init = wg__arena_alloc(&m->file.arena, MOST * sizeof *init);
    int                     fixed = 0;
    if (!init || model->n_init || model->n_input != d->n_in) return 0;
    d->n_fed = 0;
    for (int i = 0; i < d->n_in; i++) {
        const wg_array *a = &d->in[i];
        if (i >= first && a->shape.rank <= 1 && wg_count(&a->shape) <= WG__MAX_INTS)
            init[fixed++] = (struct wg__onnx_tensor){.name = model->input[i].name,
                                                     .dtype = wg__onnx_dtype_out(a->dtype),
                                                     .rank = a->shape.rank,
                                                     .dim = a->shape.dim,
                                                     .raw = {a->data, wg_array_bytes(a)}};
        else d->fed[d->n_fed++] = i;
    }
    model->init = init;
    model->n_init = fixed;
    return fixed;
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
    wg_graph *g = wg_graph_new();
    int       status = wg_onnx_import(m, g, NULL);
    if (status == WG_EARG || status == WG_EDTYPE) {
        r->outcome = UNSUPPORTED;
        snprintf(r->why, WHY, "%.*s", (int)strcspn(reason(wg_onnx_message(m)), "\n"), reason(wg_onnx_message(m)));
    } else if (status) fail(r, "import", wg_onnx_message(m));
    else if (r->ours) run_on(m, g, d, r);
    else fail(r, "data", "are of other dtypes, but the model was imported");
    wg_graph_free(g);
}

/* With the inputs from `first` on made initialisers where they are small; false if there are none. */
static inline bool try_test(const char *path, const char *test, int first, struct data *d, struct result *r)
{
    wg_onnx *m = wg_onnx_read(path);
    cr_assert_not_null(m);
    for (d->n_fed = 0; d->n_fed < d->n_in; d->n_fed++) d->fed[d->n_fed] = d->n_fed;
    bool fixed = first < MOST && !wg_onnx_status(m) && fix_inputs(m, first, d) > 0;
    if (wg_onnx_status(m)) fail(r, "read", wg_onnx_message(m));
    else if (first == MOST || fixed) {
        r->outcome = PASSED;
        name_op(m, test, r->op, sizeof r->op);
        import_and_run(m, d, r);
    }
    wg_onnx_free(m);
    return fixed;
}

static inline void run_test(const char *folder, const char *test, struct result *r)
{
    static const int first[] = {MOST, 1, 0}; /* none, all but the first, all */
    char             path[PATH + 64];
    struct data      d = {0};
    *r = (struct result){.op = "?"};
    snprintf(path, sizeof path, "%s/test_data_set_0", folder);
    r->ours = read_all(path, "input", d.in, &d.n_in, r) && read_all(path, "output", d.out, &d.n_out, r);
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    for (int i = 0; i < 3; i++) {
        r->fixed = try_test(path, test, first[i], &d, r);
        if (r->outcome != UNSUPPORTED || !r->ours || !strstr(r->why, "has to be known")) break;
    }
    free_data(&d);
}

#endif
