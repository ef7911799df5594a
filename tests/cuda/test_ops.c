/* Every operator with a launch, each dtype that it takes, against the CPU; and
 * the same bits in whatever order threads and blocks run, wherever operands lie. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_test.h"
#include "node.h"
#include "ops/cases.h"
#include "shim.h"

/* What came out for an operator over all its cases. */
struct tally {
    const wg_op *op;
    int          runs, failures;
};
static struct tally tallies[256];

static struct tally *tally_of(const wg_op *op)
{
    struct tally *t = tallies;
    while (t->op && t->op != op) t++;
    t->op = op;
    return t;
}

static void describe(const wg_graph *g, const wg_op *op, const wg_call *c, char *text, size_t n)
{
    size_t k = 0;
    char   buf[200];
    wg__append(text, n, &k, "%s(", op->name);
    for (int i = 0; i < c->n; i++)
        wg__append(text, n, &k, "%s%s%s", i ? ", " : "", wg_dtype_name(c->x[i].dtype),
                   wg__shape_str(g, &c->x[i].shape, buf, sizeof buf));
    wg__append(text, n, &k, ") %s", op->fields && c->attr ? wg__attr_str(g, op, c->attr, buf, sizeof buf) : "");
}

/* One way of launching: against the CPU, or bit for bit against the first way. */
static const char *try(const wg_op *op, const struct wg__cuda_op *launch, const wg_call *c, struct way how,
                       const void *first, void *got)
{
    static char    text[300];
    struct outcome o = launch_node(launch, c, how, got);
    if (o.error || wg_shim_complaints()) {
        const char *why = wg_shim_complaints() ? wg_shim_complaint(0) : "";
        snprintf(text, sizeof text, "%s: %s", cudaGetErrorName(o.error), why);
        wg_shim_forgive();
        wg_shim_reset();
        return text;
    }
    if (o.fault.status) return "a fault is told where there is none";
    if (o.inputs_changed) return "an operand was written";
    if (!first) return differs(op, c, c->y.data, got);
    if (memcmp(first, got, wg__bytes(c->y.dtype, &c->y.shape)) == 0) return NULL;
    return "the bits depend on the order of threads or the place of operands";
}

static bool may_be_in_place(const wg_op *op, const wg_call *c)
{
    return op->flags & WG_OP_IN_PLACE && c->n > 0 && wg__bytes(c->x[0].dtype, &c->x[0].shape) > 0 &&
           wg__bytes(c->x[0].dtype, &c->x[0].shape) == wg__bytes(c->y.dtype, &c->y.shape);
}

static void compare(const wg_graph *g, const wg_op *op, const wg_call *c)
{
    static const struct way   ways[] = {{0, 0, false}, {1, 0, false}, {5, 1, false}, {2, 3, false}, {0, 0, true}};
    const struct wg__cuda_op *launch = launch_of(op->name);
    struct tally             *t = tally_of(op);
    if (!launch) return;
    size_t bytes = wg__bytes(c->y.dtype, &c->y.shape);
    char  *first = malloc(bytes + 1), *got = malloc(bytes + 1), text[400];
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (ways[i].in_place && !may_be_in_place(op, c)) continue;
        const char *why = try(op, launch, c, ways[i], i ? first : NULL, i ? got : first);
        t->runs++;
        if (!why) continue;
        t->failures++;
        describe(g, op, c, text, sizeof text);
        tap_note("%s order %u offset %zu%s: %s", text, ways[i].order, ways[i].offset,
                 ways[i].in_place ? " in place" : "", why);
        break;
    }
    free(first);
    free(got);
}

/* ---- Values of the nodes of an expression ---- */

static void run_node(wg_node *x)
{
    wg_tensor in[8];
    for (int i = 0; i < x->n; i++) in[i] = (wg_tensor){x->x[i]->data, (wg_dtype)x->x[i]->dtype, *x->x[i]->shape};
    x->data = wg__data_alloc(wg__bytes((wg_dtype)x->dtype, x->shape));
    wg_call c = {.n = x->n,
                 .x = in,
                 .y = {x->data, (wg_dtype)x->dtype, *x->shape},
                 .attr = x->attr,
                 .seed = 0x0123456789abcdefu,
                 .run = 3,
                 .threads = 1};
    int     status = cpu_node(x->op, &c);
    if (status) tap(false, "%s on the CPU: %s", x->op->name, c.why);
    else compare(wg_node_graph(x), x->op, &c);
}

/* Every operator in y, whose leaves are constants. */
static void run_all(wg_graph *g, wg_node *y, const char *what, wg_dtype t)
{
    wg_node **order = NULL;
    int       n = y ? wg__postorder(g, 1, &y, &order) : -1;
    if (n < 0) {
        tap(false, "%s of %s is built: %s", what, wg_dtype_name(t), wg_message(g));
        return;
    }
    for (int i = 0; i < n; i++)
        if (order[i]->kind == WG__OP) run_node(order[i]);
    for (int i = 0; i < n; i++)
        if (order[i]->kind == WG__OP) {
            wg__data_free(order[i]->data);
            order[i]->data = NULL;
        }
    free(order);
}

/* ---- Cases ---- */

static const wg_op *op_named(const char *name)
{
    for (const wg_op *const *op = wg_ops; *op; op++)
        if (strcmp((*op)->name, name) == 0) return *op;
    return NULL;
}

static wg_dtype dtype_of(char kind, wg_dtype t)
{
    switch (kind) {
    case 'i': return WG_I64;
    case 'u': return WG_U8;
    case 'b': return WG_BOOL;
    default: return t;
    }
}

static wg_node *operand(wg_graph *g, const struct op_case *c, int i, wg_dtype t, uint64_t *seed)
{
    char     kind = c->kind[i];
    wg_dtype mine = dtype_of(kind, t);
    if (kind != 'i' && kind != 'u') return random_const(g, mine, c->shape[i], WG_ANY, seed);
    int64_t n = wg_count(&c->shape[i]);
    char   *data = malloc((size_t)n * 8 + 1);
    for (int64_t k = 0; k < n; k++) wg__store(mine, data, k, floor(draw(seed) * c->below));
    wg_node *x = wg_const(g, mine, c->shape[i], data);
    free(data);
    return x;
}

static void run_case(const struct op_case *c, wg_dtype t)
{
    uint64_t  seed = 11;
    wg_graph *g = wg_graph_new();
    wg_node  *x[3];
    for (int i = 0; i < c->n; i++) x[i] = operand(g, c, i, t, &seed);
    run_all(g, c->build(g, t, x), c->op, t);
    wg_graph_free(g);
}

/* Whether the operands of a case may be of t: by the operator, or reals where it is composed. */
static bool takes(const struct op_case *c, wg_dtype t)
{
    const wg_op *op = op_named(c->op);
    bool         leaf = !strchr(c->kind, 'r'), real = t == WG_F32 || t == WG_F64;
    if (leaf && c->n) return t == WG_F32;
    return op && c->n && op->dtypes ? (op->dtypes & WG_BIT(t)) && (real || c->build != cast_) : real;
}

static void run_cases(const struct op_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (int t = 0; t < WG_DTYPES; t++)
            if (takes(&cases[i], (wg_dtype)t)) run_case(&cases[i], (wg_dtype)t);
}

/* Larger ones: several blocks, odd sizes. */
NODE(expand_far) { return UNUSED, wg_expand(x[0], WG_SHAPE(37, 5, 129)); }
NODE(slice_far) { return UNUSED, wg_slice(x[0], 0, 3, 60, 1); }
NODE(pad_far) { return UNUSED, wg_pad(x[0], (int64_t[]){3, 1}, (int64_t[]){0, 9}, 2); }
NODE(scatter_far) { return UNUSED, wg__scatter_add(x[0], x[1], 0, WG_SHAPE(40, 33)); }
NODE(scatter_few) { return UNUSED, wg__scatter_add(x[0], x[1], 0, WG_SHAPE(2, 3)); }
NODE(uniform_far) { return (void)x, wg_uniform(g, t, WG_SHAPE(10007), -1, 3); }
NODE(normal_far) { return (void)x, wg_normal(g, t, WG_SHAPE(10007), 1, 2); }
NODE(mask_far) { return (void)x, wg_node_operand(wg_dropout(wg_fill(g, t, WG_SHAPE(10007), 1), 0.3), 1); }
#define LARGE_REDUCTIONS(name)                                                                                     \
    {#name, 1, {{2, {67, 523}}}, "r", 0, name##_all}, {#name, 1, {{2, {67, 523}}}, "r", 0, name##_last},           \
        {#name, 1, {{2, {523, 67}}}, "r", 0, name##_first}, {#name, 1, {{3, {5, 300, 7}}}, "r", 0, name##_middle}, \
        {#name, 1, {{2, {3, 5000}}}, "r", 0, name##_last}, {#name, 1, {{2, {5000, 3}}}, "r", 0, name##_first},     \
        {#name, 1, {{3, {20, 33, 21}}}, "r", 0, name##_two_runs},                                                  \
    {                                                                                                              \
#name, 1, {{2, {3, 0 } } }, "r", 0, name##_first                                                           \
    }
static const struct op_case large_cases[] = {
    LARGE_REDUCTIONS(sum),
    LARGE_REDUCTIONS(max),
    LARGE_REDUCTIONS(min),
    LARGE_REDUCTIONS(logsumexp),
    {"prod", 1, {{2, {67, 23}}}, "r", 0, prod_last},
    {"prod", 1, {{2, {23, 67}}}, "r", 0, prod_first},
    {"argmax", 1, {{2, {67, 523}}}, "r", 0, argmax_last},
    {"argmax", 1, {{2, {523, 67}}}, "r", 0, argmax_0},
    {"argmax", 1, {{2, {3, 5000}}}, "r", 0, argmax_last},
    {"where", 3, {{2, {301, 1}}, {2, {1, 67}}, {2, {301, 67}}}, "brr", 0, where_},
    {"not", 1, {{1, {5003}}}, "b", 0, not_},
    {"cast", 1, {{1, {5003}}}, "r", 0, cast_to_int},
    {"expand", 1, {{3, {37, 1, 129}}}, "r", 0, expand_far},
    {"expand", 1, {{1, {1}}}, "r", 0, expand_far},
    {"reshape", 1, {{2, {99, 67}}}, "r", 0, reshape_},
    {"transpose", 1, {{2, {129, 67}}}, "r", 0, transpose_},
    {"transpose", 1, {{3, {33, 17, 40}}}, "r", 0, transpose_},
    {"transpose", 1, {{3, {33, 17, 40}}}, "r", 0, transpose_cycle},
    {"transpose", 1, {{3, {7, 65, 34}}}, "r", 0, transpose_inner},
    {"transpose", 1, {{3, {65, 34, 7}}}, "r", 0, transpose_outer},
    {"slice", 1, {{2, {67, 129}}}, "r", 0, slice_far},
    {"slice", 1, {{2, {67, 129}}}, "r", 0, slice_back_step},
    {"pad", 1, {{2, {67, 129}}}, "r", 0, pad_far},
    {"concat", 3, {{2, {33, 67}}, {2, {1, 67}}, {2, {20, 67}}}, "rrr", 0, concat_0},
    {"concat", 2, {{2, {129, 33}}, {2, {129, 2}}}, "rr", 0, concat_1},
    {"gather", 2, {{2, {400, 33}}, {1, {517}}}, "ri", 400, gather_0},
    {"gather", 2, {{2, {33, 400}}, {1, {129}}}, "ri", 400, gather_1},
    {"scatter_add", 2, {{2, {517, 33}}, {1, {517}}}, "ri", 40, scatter_far},
    {"scatter_add", 2, {{2, {3001, 3}}, {1, {3001}}}, "ri", 2, scatter_few},
    {"softmax", 1, {{2, {67, 523}}}, "r", 0, softmax_last},
    {"softmax", 1, {{2, {523, 67}}}, "r", 0, softmax_first},
    {"softmax", 1, {{2, {2, 9001}}}, "r", 0, softmax_last},
    {"log_softmax", 1, {{2, {67, 523}}}, "r", 0, log_softmax_last},
    {"log_softmax", 1, {{2, {523, 67}}}, "r", 0, log_softmax_first},
    {"log_softmax", 1, {{2, {2, 9001}}}, "r", 0, log_softmax_last},
    {"cross_entropy", 2, {{2, {67, 523}}, {1, {67}}}, "ri", 523, cross_entropy_},
    {"cross_entropy", 2, {{2, {300, 10}}, {1, {300}}}, "ru", 10, cross_entropy_},
    {"uniform", 0, {{0}}, "", 0, uniform_far},
    {"normal", 0, {{0}}, "", 0, normal_far},
    {"dropout_mask", 0, {{0}}, "", 0, mask_far},
};

/* ---- Elementwise operators: from the registry ---- */

static void run_elementwise(const wg_op *op, wg_dtype t)
{
    static const wg_shape shapes[][WG_BLOCK_MAX_ARITY] = {
        {{1, {1}}, {1, {1}}, {1, {1}}},
        {{1, {1031}}, {1, {1031}}, {1, {1031}}},
        {{1, {20003}}, {0, {0}}, {1, {20003}}},
        {{0, {0}}, {1, {6}}, {1, {1}}},
        {{2, {3, 5}}, {1, {5}}, {2, {3, 1}}},
        {{2, {3, 1}}, {2, {1, 4}}, {0, {0}}},
        {{4, {2, 3, 41, 5}}, {3, {3, 1, 5}}, {1, {5}}},
        {{2, {0, 3}}, {1, {3}}, {0, {0}}},
    };
    const double alpha = 0.3;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        uint64_t  seed = 5 + i;
        wg_graph *g = wg_graph_new();
        wg_node  *x[WG_BLOCK_MAX_ARITY];
        for (int k = 0; k < op->arity; k++) x[k] = random_const(g, t, shapes[i][k], op->domain, &seed);
        run_all(g, wg_apply(op, op->arity, x, op->attr_size ? &alpha : NULL), op->name, t);
        wg_graph_free(g);
    }
}

static bool elementwise(const wg_op *op)
{
    return op->block && op != &wg_op_where && op != &wg_op_not && op != &wg_op_cast && op != &wg_op_expand;
}

void test_ops(void)
{
    wg_shim_reset();
    run_cases(op_cases, sizeof op_cases / sizeof *op_cases);
    run_cases(large_cases, sizeof large_cases / sizeof *large_cases);
    for (const wg_op *const *op = wg_ops; *op; op++)
        for (int t = 0; t < WG_DTYPES && elementwise(*op); t++)
            if ((*op)->dtypes & WG_BIT(t)) run_elementwise(*op, (wg_dtype)t);
    for (const wg_op *const *op = wg_ops; *op; op++) {
        struct tally *t = tally_of(*op);
        if (!launch_of((*op)->name)) tap_skip("no launch", "%s on CUDA", (*op)->name);
        else
            tap(t->runs && !t->failures, "%s on CUDA, through the shim: %d launches as on the CPU", (*op)->name,
                t->runs);
    }
    bool clean = !wg_shim_leaks(true);
    clean = !tell_complaints() && clean;
    tap(clean, "the launches leave nothing behind");
    wg_shim_reset();
}
