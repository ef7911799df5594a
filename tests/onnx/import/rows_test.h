/* rows_test.h - a small model from bytes to numbers, for tests of the importer's rows.
 *
 *   struct onnx m = onnx_begin(13);  ..
 *   struct net n = net_import(&m, NULL);
 *   net_run(&n, 2, IN(x));         the batch "n" has size 2
 *   net_expect(&n, 0, "[2,3]", want);
 *   net_free(&n); */
#ifndef WENGERT_TESTS_ROWS_H
#define WENGERT_TESTS_ROWS_H

#include <math.h>

#include <wengert/onnx.h>

#include "onnx/import/memory_test.h"

enum { NET_MOST = 6 };
#define IN(...) ((const double *[]){__VA_ARGS__}) /* what net_run takes */

struct net {
    wg_graph *g;
    wg_tape  *t;
    int       n_in, n_out;
    wg_node  *in[NET_MOST], *out[NET_MOST];
};

/* Imports what was encoded, which is freed. */
static inline struct net net_import(struct onnx *m, const wg_onnx_import_options *options)
{
    struct net n = {.g = wg_graph_new()};
    onnx_end(m);
    wg_onnx *r = wg_onnx_parse(m->b.at, m->b.n);
    cr_assert_eq(wg_onnx_import(r, n.g, options), WG_OK, "%s", wg_onnx_message(r));
    n.n_in = wg_onnx_input_count(r);
    n.n_out = wg_onnx_output_count(r);
    cr_assert(n.n_in <= NET_MOST && n.n_out <= NET_MOST);
    for (int i = 0; i < n.n_in; i++) n.in[i] = wg_onnx_input(r, i);
    for (int i = 0; i < n.n_out; i++) n.out[i] = wg_onnx_output(r, i);
    wg_onnx_free(r);
    onnx_free(m);
    return n;
}

/* The model imported into a graph of the caller's, failed or not. */
static inline wg_onnx *import_into(struct onnx *m, wg_graph *g, const wg_onnx_import_options *options)
{
    wg_onnx *r = wg_onnx_parse(onnx_end(m), m->b.n);
    cr_assert_not_null(r);
    wg_onnx_import(r, g, options);
    return r;
}

/* Asserts that the import fails with a text in its message. */
static inline void net_refused(struct onnx *m, int status, const char *text)
{
    wg_graph *g = wg_graph_new();
    onnx_end(m);
    wg_onnx *r = wg_onnx_parse(m->b.at, m->b.n);
    int      had = wg_onnx_import(r, g, NULL);
    cr_assert_eq(had, status, "%d: %s", had, wg_onnx_message(r));
    cr_assert_not_null(strstr(wg_onnx_message(r), text), "'%s' is not in: %s", text, wg_onnx_message(r));
    wg_onnx_free(r);
    onnx_free(m);
    wg_graph_free(g);
}

static inline void net_set(struct net *n, const wg_node *x, const double *from)
{
    const wg_shape *s = wg_tape_shape(n->t, x);
    if (!s) return; /* nothing depends on it */
    void *data = wg_input_buffer(n->t, x);
    for (int64_t i = 0; i < wg_count(s); i++) wg__store(wg_node_dtype(x), data, i, from[i]);
}

/* Compiles for a batch and runs; the outputs stay until the next call. */
static inline void net_run(struct net *n, int64_t batch, const double *const in[])
{
    if (n->t) wg_tape_free(n->t);
    wg_dim(n->g, "n"); /* a name that a graph does not have cannot be bound */
    n->t = wg_compile(n->g, n->n_out, n->out, &(wg_options){.bind = {{"n", batch}}});
    cr_assert_not_null(n->t, "%s", wg_message(n->g));
    for (int i = 0; i < n->n_in; i++) net_set(n, n->in[i], in[i]);
    wg_clear_error(n->g);
    cr_assert_eq(wg_run(n->t), WG_OK, "%s", wg_tape_message(n->t));
}

static inline double net_at(struct net *n, int out, int64_t i)
{
    return wg__load(wg_node_dtype(n->out[out]), wg_view(n->t, n->out[out]), i);
}

static inline void net_expect(struct net *n, int out, const char *shape, const double *want)
{
    char            text[96];
    const wg_shape *s = wg_tape_shape(n->t, n->out[out]);
    cr_assert_str_eq(wg__shape_str(n->g, s, text, sizeof text), shape);
    for (int64_t i = 0; i < wg_count(s); i++) {
        double have = net_at(n, out, i);
        if (isnan(have) && isnan(want[i])) continue;
        cr_assert(have == want[i] || fabs(have - want[i]) <= 2e-6 * (1 + fabs(want[i])),
                  "output %d, element %lld of %s: %.9g, not %.9g", out, (long long)i, shape, have, want[i]);
    }
}

static inline void net_free(struct net *n)
{
    wg_graph_free(n->g);
    *n = (struct net){0};
}

/* A model of one node: inputs a, b, .. of one dtype by their dims, apart by blanks; outputs "y", "y,z", .. */
static inline struct onnx one_node(int opset, const char *op, const char *attrs, int dtype, const char *dims,
                                   const char *outputs)
{
    struct onnx m = onnx_begin(opset);
    char        word[128], names[64] = "", name[2] = "a";
    const char *rest = dims;
    while (next_word(&rest, " ", word)) {
        onnx_input(&m, name, dtype, strcmp(word, "scalar") == 0 ? "" : word);
        if (*names) strcat(names, ",");
        strcat(names, name);
        name[0]++;
    }
    onnx_node(&m, op, names, outputs, attrs);
    for (rest = outputs; next_word(&rest, ",", word);) onnx_output(&m, word, dtype, NULL);
    return m;
}

/* One node with one output, of doubles, computed and compared. */
static inline void expect_node(int opset, const char *op, const char *attrs, const char *dims, const double *const in[],
                               const char *shape, const double *want)
{
    struct onnx m = one_node(opset, op, attrs, WG__ONNX_DOUBLE, dims, "y");
    struct net  n = net_import(&m, NULL);
    net_run(&n, 2, in);
    net_expect(&n, 0, shape, want);
    net_free(&n);
}

#endif
