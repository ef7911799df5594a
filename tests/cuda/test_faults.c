/* Indices out of range: the launch says the first one, where the CPU refuses. */
#include <string.h>

#include "cuda_test.h"
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
        wg_call        c = {.n = 2, .x = in, .y = {y, WG_F32, *node->shape}, .attr = node->attr, .threads = 1};
        struct outcome o = launch_node(op, &c, (struct way){0, 0, false}, y);
        int            complaints = tell_complaints();
        tap(!o.error && !complaints && o.fault.status == WG_EINDEX && o.fault.index == bad && o.fault.size == 4 &&
                o.fault.instr == 7 && cpu_node(node->op, &c) == WG_EINDEX,
            "%s on CUDA, through the shim: says index %lld of 4", trial->op, (long long)bad);
    }
    wg_graph_free(g);
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
    wg_shim_reset();
}
