/* Each operator of the registry with subnormal operands: what zeros of their sign give, and no result that is subnormal
 * unless the operator only moves elements. */
#include <string.h>

#include "ops/cases.h"
#include "ops/ops_test.h"

enum { LARGEST = 64 };

/* Operators whose results are elements of their operands. */
static const char *const moves[] = {"where",  "expand", "reshape", "transpose",      "slice",  "pad",      "concat",
                                    "gather", "split",  "top_k",   "max_with_index", "(clip)", "(squeeze)"};

/* Tells whether the case only moves elements: a reduction of one element does, since it is compiled as a reshape. */
static bool is_move(const struct op_case *c)
{
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++)
        if (strcmp(moves[i], c->op) == 0) return true;
    return c->build && c->n == 1 && wg_count(&c->shape[0]) == 1;
}

static bool is_subnormal(wg_dtype t, double v)
{
    return t == WG_F32 ? fpclassify((float)v) == FP_SUBNORMAL : fpclassify(v) == FP_SUBNORMAL;
}

/* An operand's value k: subnormal numbers, zeros and others in turn. */
static double value_at(char kind, wg_dtype t, const struct op_case *c, int k, uint64_t *seed)
{
    double tiny = t == WG_F32 ? 0x1p-130 : 0x1p-1030;
    if (kind != 'r') return floor(draw(seed) * (kind == 'b' ? 2 : c->below));
    switch (k % 4) {
    case 0: return tiny;
    case 1: return -tiny * (1 + k);
    case 2: return k % 8 == 2 ? 0.0 : -0.0;
    default: return 2 * draw(seed) - 1;
    }
}

/* Sets each operand of the tape, with zeros for subnormal numbers if `zeros`. */
static void set_operands(wg_tape *t, const struct op_case *c, wg_dtype dtype, wg_node *const x[], bool zeros)
{
    uint64_t seed = 7;
    for (int i = 0; i < c->n; i++) {
        double  v[LARGEST];
        int64_t n = wg_count(&c->shape[i]);
        for (int64_t k = 0; k < n; k++) {
            v[k] = value_at(c->kind[i], dtype, c, (int)k + i, &seed);
            if (zeros && c->kind[i] == 'r' && is_subnormal(dtype, v[k])) v[k] = copysign(0, v[k]);
        }
        set_values(t, x[i], v);
    }
}

static void check_case(const struct op_case *c, const char *name, wg_dtype dtype, bool elementwise, const wg_op *op)
{
    const double alpha = 0.3;
    wg_graph    *g = wg_graph_new();
    wg_node     *x[3] = {0};
    double       got[4 * LARGEST], want[4 * LARGEST];
    for (int i = 0; i < c->n; i++)
        x[i] = wg_input(g, NULL,
                        c->kind[i] == 'r'   ? dtype
                        : c->kind[i] == 'i' ? WG_I64
                        : c->kind[i] == 'u' ? WG_U8
                                            : WG_BOOL,
                        c->shape[i]);
    wg_node *y = elementwise ? wg_apply(op, op->arity, x, op->attr_size ? &alpha : NULL) : c->build(g, dtype, x);
    cr_assert_not_null(y, "%s: %s", name, wg_message(g));
    wg_node *out[4] = {y, x[0], x[1], x[2]};
    wg_tape *t = compiled(g, 1 + c->n, out);
    int64_t  n = wg_count(wg_tape_shape(t, y));
    cr_assert_leq(n, 4 * LARGEST);
    set_operands(t, c, dtype, x, false);
    must_run(t);
    get_values(t, y, got);
    set_operands(t, c, dtype, x, true);
    must_run(t);
    get_values(t, y, want);
    for (int64_t k = 0; k < n; k++) {
        bool tiny = is_subnormal(wg_node_dtype(y), got[k]);
        cr_expect(!tiny || is_move(c), "%s: element %lld is %a", name, (long long)k, got[k]);
        if (tiny) got[k] = copysign(0, got[k]);
        cr_expect((isnan(got[k]) && isnan(want[k])) || memcmp(&got[k], &want[k], sizeof *got) == 0,
                  "%s: element %lld is %a, and %a with zeros", name, (long long)k, got[k], want[k]);
    }
    wg_graph_free(g);
}

Test(ops_subnormal, structured)
{
    char name[64];
    for (size_t i = 0; i < sizeof op_cases / sizeof *op_cases; i++)
        for (int t = WG_F32; t <= WG_F64; t++) {
            snprintf(name, sizeof name, "%s, case %zu, %s", op_cases[i].op, i, wg_dtype_name((wg_dtype)t));
            if (op_cases[i].n) check_case(&op_cases[i], name, (wg_dtype)t, false, NULL);
        }
}

Test(ops_subnormal, elementwise)
{
    static const struct op_case shapes[] = {{"", 1, {{2, {3, 5}}}, "r", 0, NULL},
                                            {"", 2, {{2, {4, 4}}, {2, {4, 4}}}, "rr", 0, NULL},
                                            {"", 2, {{2, {3, 5}}, {0, {0}}}, "rr", 0, NULL},
                                            {"", 2, {{0, {0}}, {1, {7}}}, "rr", 0, NULL}};
    for (const wg_op *const *op = wg_ops; *op; op++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (int t = WG_F32; t <= WG_F64; t++) {
                bool own = (*op)->block && *op != &wg_op_where && *op != &wg_op_not && *op != &wg_op_cast &&
                           *op != &wg_op_expand;
                if (own && (*op)->arity == shapes[i].n && (!(*op)->dtypes || (*op)->dtypes & WG_DTYPE_BIT(t)))
                    check_case(&shapes[i], (*op)->name, (wg_dtype)t, true, *op);
            }
}
