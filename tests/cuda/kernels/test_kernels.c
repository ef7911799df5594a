/* Every operator with a launch, each dtype that it takes, against the CPU; and
 * the same bits in whatever order threads and blocks run, wherever operands lie. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/cuda_test.h"
#include "large_cases.h"
#include "node.h"
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

static size_t bytes_of_results(const wg_call *c)
{
    size_t bytes = 0;
    for (int k = 0; k < c->m; k++) bytes += result_room(&c->y[k]);
    return bytes;
}

/* Holds each result against the CPU's; got has them one behind the other. */
static const char *differ(const wg_op *op, const wg_call *c, const char *got)
{
    const char *why = NULL;
    for (int k = 0; k < c->m && !why; k++) {
        wg_call one = *c;
        one.y = &c->y[k];
        why = differs(op, &one, one.y->data, got);
        got += result_room(one.y);
    }
    return why;
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
    if (!first) return differ(op, c, got);
    if (memcmp(first, got, bytes_of_results(c)) == 0) return NULL;
    return "the bits depend on the order of threads or the place of operands";
}

static bool may_be_in_place(const wg_op *op, const wg_call *c)
{
    return op->flags & WG_OP_IN_PLACE && c->n > 0 && wg__bytes(c->x[0].dtype, &c->x[0].shape) > 0 &&
           wg__bytes(c->x[0].dtype, &c->x[0].shape) == wg__bytes(c->y->dtype, &c->y->shape);
}

static void compare(const wg_graph *g, const wg_op *op, const wg_call *c)
{
    static const struct way   ways[] = {{0, 0, false}, {1, 0, false}, {5, 1, false}, {2, 3, false}, {0, 0, true}};
    const struct wg__cuda_op *launch = launch_of(op->name);
    struct tally             *t = tally_of(op);
    if (!launch) return;
    size_t bytes = bytes_of_results(c);
    char  *first = calloc(1, bytes + 1), *got = calloc(1, bytes + 1), text[400];
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
    wg_tensor in[8], out[8];
    for (int i = 0; i < x->n; i++) in[i] = (wg_tensor){x->x[i]->data, (wg_dtype)x->x[i]->dtype, *x->x[i]->shape};
    for (int k = 0; k < x->m; k++) {
        wg_node *r = wg__result(x, k);
        r->data = wg__data_alloc(wg__bytes((wg_dtype)r->dtype, r->shape));
        out[k] = (wg_tensor){r->data, (wg_dtype)r->dtype, *r->shape};
    }
    wg_call c = {
        .n = x->n, .m = x->m, .x = in, .y = out, .attr = x->attr, .seed = 0x0123456789abcdefu, .run = 3, .threads = 1};
    int status = cpu_node(x->op, &c);
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
        for (int k = 0; order[i]->kind == WG__OP && k < order[i]->m; k++) {
            wg_node *r = wg__result(order[i], k);
            wg__data_free(r->data);
            r->data = NULL;
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
    if (kind != 'i' && kind != 'u') return random_const(g, mine, c->shape[i], WG_DOMAIN_ANY, seed);
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
    return op && c->n && op->dtypes ? (op->dtypes & WG_DTYPE_BIT(t)) && (real || c->build != cast_) : real;
}

static void run_cases(const struct op_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (int t = 0; t < WG_DTYPES; t++)
            if (takes(&cases[i], (wg_dtype)t)) run_case(&cases[i], (wg_dtype)t);
}

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

/* A kernel that no tape asks for is not there: of a loop, of a view, of what compiling puts a number for. */
static bool is_called(const wg_op *op)
{
    return op && !op->block && wg__reduction_of(op) < 0 && !(op->flags & WG_OP_VIEW) && op != &wg_op_training;
}

static void every_launch_is_reached(void)
{
    const struct wg__cuda_op *lists[] = {wg__cuda_reduce_ops, wg__cuda_softmax_ops, wg__cuda_index_ops,
                                         wg__cuda_shape_ops,  wg__cuda_result_ops,  wg__cuda_random_ops};
    bool                      ok = true;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const struct wg__cuda_op *o = lists[i]; o->name; o++) {
            if (!is_called(op_named(o->name))) tap_note("%s", o->name), ok = false;
        }
    for (const wg_op *const *op = wg_ops; *op; op++)
        if (is_called(*op) && !launch_of((*op)->name) && *op != &wg_op_matmul) tap_note("%s", (*op)->name), ok = false;
    tap(ok, "an operator has a launch where a tape calls the operator, and nowhere else");
}

void test_ops(void)
{
    wg_shim_reset();
    run_cases(op_cases, sizeof op_cases / sizeof *op_cases);
    run_cases(large_cases, sizeof large_cases / sizeof *large_cases);
    for (const wg_op *const *op = wg_ops; *op; op++)
        for (int t = 0; t < WG_DTYPES && elementwise(*op); t++)
            if ((*op)->dtypes & WG_DTYPE_BIT(t)) run_elementwise(*op, (wg_dtype)t);
    for (const wg_op *const *op = wg_ops; *op; op++) {
        struct tally *t = tally_of(*op);
        if (!launch_of((*op)->name)) tap_skip("no launch", "%s on CUDA", (*op)->name);
        else
            tap(t->runs && !t->failures, "%s on CUDA, through the shim: %d launches as on the CPU", (*op)->name,
                t->runs);
    }
    every_launch_is_reached();
    bool clean = !wg_shim_leaks(true);
    clean = !tell_complaints() && clean;
    tap(clean, "the launches leave nothing behind");
    wg_shim_reset();
}
