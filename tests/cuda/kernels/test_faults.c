/* Indices out of range: the launch says the first one, where the CPU refuses, whichever thread finds it. */
#include <stdlib.h>
#include <string.h>

#include "cuda/cuda_test.h"
#include "node.h"
#include "shim.h"

struct trial {
    wg_node *(*build)(wg_node *x, wg_node *index);
    const char *op;
    wg_shape    x, index;
};
static wg_node *gather(wg_node *x, wg_node *index) { return wg_gather(x, index, 0); }
static wg_node *scatter(wg_node *x, wg_node *index) { return wg__scatter_add(x, index, 0, WG_SHAPE(4, 3)); }
static wg_node *cross_entropy(wg_node *x, wg_node *index)
{
    return wg_node_operand(wg_mean(wg_softmax_cross_entropy(x, index), WG_ALL_AXES, 0), 0);
}

static wg_node *find(wg_graph *g, const char *op)
{
    for (int i = 0; i < g->n; i++)
        if (g->node[i]->kind == WG__OP && strcmp(g->node[i]->op->name, op) == 0) return g->node[i];
    return NULL;
}

static void try_index(const struct trial *trial, int64_t bad)
{
    int64_t   index[40] = {0};
    float     values[40 * 4], y[40 * 4];
    wg_graph *g = wg_graph_new();
    for (int i = 0; i < 40 * 4; i++) values[i] = (float)i;
    index[1] = bad;
    wg_node                  *x = wg_const(g, WG_F32, trial->x, values), *at = wg_const(g, WG_I64, trial->index, index);
    wg_node                  *node = trial->build(x, at) ? find(g, trial->op) : NULL;
    const struct wg__cuda_op *op = launch_of(trial->op);
    if (!op) {
        tap_skip("no launch", "%s on CUDA says index %lld", trial->op, (long long)bad);
    } else if (!node) {
        tap(false, "%s is built: %s", trial->op, wg_message(g));
    } else {
        wg_tensor      in[] = {{values, WG_F32, trial->x}, {index, WG_I64, trial->index}};
        wg_tensor      out = {y, WG_F32, *node->shape};
        wg_call        c = {.n = 2, .m = 1, .x = in, .y = &out, .attr = node->attr, .threads = 1};
        struct outcome o = launch_node(op, &c, (struct way){0, 0, false}, y);
        int            complaints = tell_complaints();
        tap(!o.error && !complaints && o.fault.status == WG_EINDEX && o.fault.index == bad && o.fault.size == 4 &&
                o.fault.instr == 7 && cpu_node(node->op, &c) == WG_EINDEX,
            "%s on CUDA, through the shim: says index %lld of 4", trial->op, (long long)bad);
    }
    wg_graph_free(g);
}

/* ---- Long lists ---- */

static wg_node *checked(wg_node *x, wg_node *index) { return (void)x, wg__one_hot_index(index, 4); }
static wg_node *scatter_wide(wg_node *x, wg_node *index)
{
    return wg__scatter_add(x, index, 0, WG_SHAPE(4, wg_node_shape(x)->dim[1]));
}

/* m indices, those at the places out of range: the first is told, in every order of threads and blocks, and the same
 * one if every index before it is looked at. */
static void long_list(const char *op, wg_node *build(wg_node *, wg_node *), int64_t m, int64_t width, bool rows,
                      const int64_t *place, int places)
{
    int64_t *index = calloc((size_t)m, sizeof *index), size = rows ? m : 4;
    float *values = calloc((size_t)(size * width), sizeof *values), *y = calloc((size_t)(m * width) + 4, 2 * sizeof *y);
    wg_graph *g = wg_graph_new();
    int64_t   first = INT64_MAX;
    for (int i = 0; i < places; i++) {
        index[place[i]] = 100 + place[i];
        if (place[i] < first) first = place[i];
    }
    wg_node *x = wg_const(g, WG_F32, WG_SHAPE(size, width), values), *at = wg_const(g, WG_I64, WG_SHAPE(m), index);
    wg_node *node = build(x, at) ? find(g, op) : NULL;
    bool     ok = node && launch_of(op), alone = build == checked;
    for (unsigned order = 0; order < 4 && ok; order++) {
        wg_tensor in[] = {{values, WG_F32, WG_SHAPE(size, width)}, {index, WG_I64, WG_SHAPE(m)}};
        wg_tensor out = {y, (wg_dtype)node->dtype, *node->shape};
        wg_call c = {.n = alone ? 1 : 2, .m = 1, .x = alone ? in + 1 : in, .y = &out, .attr = node->attr, .threads = 1};
        struct outcome o = launch_node(launch_of(op), &c, (struct way){order, 0, false}, y);
        ok = !o.error && !tell_complaints() && o.fault.status == WG_EINDEX && o.fault.index == 100 + first;
        if (!ok)
            tap_note("order %u: index %lld instead of %lld", order, (long long)o.fault.index, (long long)(100 + first));
    }
    tap(ok, "%s of %lld indices, %d faults from place %lld on", op, (long long)m, places, (long long)first);
    wg_graph_free(g);
    free(index), free(values), free(y);
}

static void long_lists(void)
{
    static const int64_t all[][4] = {{4999, 4998, 4, 4000}, {4999}, {255, 256, 4999}, {0, 4999}, {2600, 2500, 4000}};
    static const int     n[] = {4, 1, 3, 2, 3};
    for (size_t i = 0; i < sizeof n / sizeof *n; i++) {
        long_list("one_hot_index", checked, 5000, 1, false, all[i], n[i]);
        long_list("gather", gather, 5000, 3, false, all[i], n[i]);
        long_list("scatter_add", scatter_wide, 5000, 3, true, all[i], n[i]);
        long_list("cross_entropy", cross_entropy, 5000, 4, true, all[i], n[i]);
    }
    long_list("scatter_add", scatter_wide, 500, 3, true, (int64_t[]){499, 300, 301}, 3); /* few and narrow */
    long_list("gather", gather, 5000, 0, false, all[0], 4);                              /* nothing to gather */
}

void test_faults(void)
{
    static const struct trial trials[] = {
        {gather, "gather", {2, {4, 3}}, {1, {5}}},
        {scatter, "scatter_add", {2, {5, 3}}, {1, {5}}},
        {cross_entropy, "cross_entropy", {2, {5, 4}}, {1, {5}}},
    };
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) {
        try_index(&trials[i], 4);
        try_index(&trials[i], INT64_MAX);
    }
    long_lists();
    wg_shim_reset();
}
