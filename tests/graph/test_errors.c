/* A wrong call says what was called, with which shapes and names, and why. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "graph/graph_impl.h"
#include "ops/ops_impl.h"

static wg_graph *g;
static wg_node  *x, *w, *label, *on; /* x [2,3], w [4,5], label [2] of i64, on [2] of bool */

static void begin(void)
{
    g = wg_graph_new();
    x = wg_input(g, "x", WG_F32, WG_SHAPE(2, 3));
    w = wg_input(g, NULL, WG_F32, WG_SHAPE(4, 5));
    label = wg_input(g, "label", WG_I64, WG_SHAPE(2));
    on = wg_input(g, "on", WG_BOOL, WG_SHAPE(2));
}
static void end(void) { wg_graph_free(g); }
TestSuite(graph_errors, .init = begin, .fini = end);

static void expect(const wg_node *y, int status, const char *message)
{
    cr_expect_null(y, "%s: there is a node", message);
    cr_expect_eq(wg_status(g), status, "%s: status %d", message, wg_status(g));
    cr_expect_str_eq(wg_message(g), message);
    wg_clear_error(g);
    cr_assert_eq(wg_status(g), WG_OK);
}

Test(graph_errors, elementwise)
{
    expect(wg_add(x, w), WG_ESHAPE, "add(x[2,3], [4,5]): cannot broadcast 3 with 5");
    expect(wg_add(x, label), WG_EDTYPE, "add(x[2,3], label[2]): dtypes f32 and i64 differ");
    expect(wg_exp(label), WG_EDTYPE, "exp(label[2]): operand 0 is i64, which exp does not take");
    expect(wg_and(on, x), WG_EDTYPE, "and(on[2], x[2,3]): operand 1 is f32, which and does not take");
    expect(wg_where(x, x, x), WG_EDTYPE, "where(x[2,3], x[2,3], x[2,3]): the condition is f32, not bool");
    expect(wg_cast(x, (wg_dtype)77), WG_EARG, "cast(x[2,3], to=?): 77 is no dtype");
    expect(wg_expand(x, WG_SHAPE(4, 3)), WG_ESHAPE, "expand(x[2,3], to=[4,3]): [2,3] does not broadcast to [4,3]");
    expect(wg_scale(label, 0.5), WG_EARG, "scale(label[2]): 0.5 is no i64");
    expect(wg_clip(x, 2, 1), WG_EARG, "clip(x[2,3]): from 2 to 1 is no range");
}

Test(graph_errors, shapes)
{
    expect(wg_matmul(x, w), WG_ESHAPE, "matmul(x[2,3], [4,5]): inner dimensions differ: 3 and 4");
    expect(wg_matmul(x, wg_cast(label, WG_F32)), WG_ESHAPE, "matmul(x[2,3], [2]): needs matrices");
    expect(wg_reshape(x, WG_SHAPE(4, 2)), WG_ESHAPE, "reshape(x[2,3], to=[4,2]): [2,3] has not as many elements");
    expect(wg_reshape(x, WG_SHAPE(4, WG_DIM_AUTO)), WG_ESHAPE, "reshape(x[2,3], to=[4,-1]): 6 is no multiple of 4");
    expect(wg_reshape(x, WG_SHAPE(WG_DIM_AUTO, WG_DIM_AUTO)), WG_EARG,
           "reshape(x[2,3], to=[-1,-1]): more than one dimension is WG_DIM_AUTO");
    expect(wg_transpose(x, WG_AXES(0)), WG_EARG, "transpose(x[2,3], perm=(0)): 1 axes for rank 2");
    expect(wg_transpose(x, WG_AXES(0, -2)), WG_EARG, "transpose(x[2,3], perm=(0,-2)): axis 0 is named twice");
    expect(wg_slice(x, 1, 0, 3, 0), WG_EARG, "slice(x[2,3]): step is 0");
    expect(wg_slice(x, 2, 0, 3, 1), WG_EARG, "slice(x[2,3]): axis 2 is outside of rank 2");
    expect(wg_pad(x, NULL, NULL, 0), WG_EARG, "pad(x[2,3]): before is NULL");
    expect(wg_pad(x, (int64_t[]){0, -1}, (int64_t[]){0, 0}, 0), WG_EARG, "pad(x[2,3]): -1 and 0 around axis 1");
    expect(wg_concat(2, (wg_node *[]){x, w}, 0), WG_ESHAPE,
           "concat(x[2,3], [4,5], axis=0): [2,3] and [4,5] differ not only in axis 0");
    expect(wg_squeeze(x, 1), WG_ESHAPE, "squeeze(x[2,3]): axis 1 has size 3, not 1");
    expect(wg_unsqueeze(x, 4), WG_EARG, "unsqueeze(x[2,3]): axis 4 is outside of rank 3");
    expect(wg_sum_to(x, WG_SHAPE(2)), WG_ESHAPE, "sum_to(x[2,3]): [2] does not broadcast to it");
}

Test(graph_errors, reductions_and_losses)
{
    expect(wg_sum(x, WG_AXES(2), 0), WG_EARG, "sum(x[2,3]): axis 2 is outside of rank 2");
    expect(wg_max(x, WG_AXES(1, -1), 0), WG_EARG, "max(x[2,3]): axis 1 is named twice");
    expect(wg_sum(on, WG_ALL_AXES, 0), WG_EDTYPE, "sum(on[2], axes=(0)): operand 0 is bool, which sum does not take");
    expect(wg_mean(label, WG_ALL_AXES, 0), WG_EDTYPE, "mean(label[2]): i64 is not real");
    expect(wg_argmax(wg_slice(x, 1, 0, 0, 1), 1, 0), WG_ESHAPE, "argmax([2,0], axis=1): axis 1 is empty");
    expect(wg_softmax(x, -3), WG_EARG, "softmax(x[2,3]): axis -3 is outside of rank 2");
    expect(wg_gather(x, x, 0), WG_EDTYPE, "gather(x[2,3], x[2,3], axis=0): the index is f32, not i32 or i64");
    expect(wg_one_hot(x, 3, WG_F32), WG_EDTYPE, "one_hot(x[2,3]): an index of f32");
    expect(wg_softmax_cross_entropy(w, label), WG_ESHAPE,
           "softmax_cross_entropy: cross_entropy([4,5], label[2]): "
           "needs logits [b,classes] and labels [b], not [4,5] and [2]");
    expect(wg_mse(x, w), WG_ESHAPE, "mse(x[2,3], [4,5]): the shapes differ");
    expect(wg_dropout(x, 1), WG_EARG, "dropout(x[2,3]): p is 1, outside of [0, 1)");
    expect(wg_uniform(g, WG_F32, WG_SHAPE(2), 2, 1), WG_EARG, "uniform: from 2 to 1 is no range");
    expect(wg_uniform(g, WG_F32, WG_SHAPE(2), 1e39, 1e40), WG_EARG, "uniform: from 1e+39 to 1e+40 is beyond f32");
    expect(wg_uniform(g, WG_F64, WG_SHAPE(2), 0, INFINITY), WG_EARG, "uniform: from 0 to inf is beyond f64");
    expect(wg_normal(g, WG_F32, WG_SHAPE(2), 0, 1e38), WG_EARG,
           "normal: mean 0 and standard deviation 1e+38 reach beyond f32");
    expect(wg_normal(g, WG_F32, WG_SHAPE(2), NAN, 1), WG_EARG, "normal: mean nan and standard deviation 1");
    cr_expect_not_null(wg_uniform(g, WG_F32, WG_SHAPE(2), -3e38, 3e38), "wider than the dtype, with ends inside");
    cr_expect_not_null(wg_normal(g, WG_F64, WG_SHAPE(2), 0, 1e38));
    expect(wg_normal(g, WG_I32, WG_SHAPE(2), 0, 1), WG_EDTYPE, "normal: i32 is not real");
}

Test(graph_errors, leaves_and_state)
{
    wg_node *p = wg_param(g, "p", WG_F32, WG_SHAPE(3));
    expect(wg_param(g, "p", WG_F32, WG_SHAPE(3)), WG_EARG, "param: there is a parameter p already");
    expect(wg_param(g, NULL, WG_F32, WG_SHAPE(3)), WG_EARG, "param: a parameter needs a name");
    expect(wg_param(g, "q", WG_F32, WG_SHAPE(wg_dim(g, "b"))), WG_ESHAPE,
           "param: q[b] needs a size that is known and fits in memory");
    expect(wg_input(g, "i", (wg_dtype)9, WG_SHAPE(3)), WG_EARG, "input: 9 is no dtype");
    expect(wg_input(g, "i", WG_F32, WG_SHAPE(3, -7)), WG_EARG, "input: dimension 1 is -7");
    expect(wg_input(g, "i", WG_F32, WG_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1)), WG_EARG, "input: rank 9 is outside 0..8");
    expect(wg_const(g, WG_F32, WG_SHAPE(3), NULL), WG_EARG, "const: data is NULL");
    expect(wg_assign(x, x), WG_EARG, "assign: x[2,3] is no parameter");
    expect(wg_assign(p, x), WG_ESHAPE, "assign: p[3] but its next value is x[2,3]");
    expect(wg_exp(wg_assign(p, p)), WG_EARG, "exp([3]): operand 0 is assign, which has no value");
}

Test(graph_errors, another_graph)
{
    wg_graph *other = wg_graph_new();
    wg_node  *y = wg_input(other, "y", WG_F32, WG_SHAPE(2, 3));
    expect(wg_add(x, y), WG_EARG, "add(x[2,3], y[2,3]): operand 1 belongs to another graph");
    expect(wg_group(2, (wg_node *[]){x, y}), WG_EARG, "group: node 1 is of another graph");
    cr_expect_eq(wg_status(other), WG_OK);
    wg_graph_free(other);
}

/* Attributes that no constructor would make, handed to the operator itself. */
Test(graph_errors, forged_attributes_are_refused)
{
    struct {
        int      axis;
        wg_shape range;
        int64_t  step;
    } slice = {.axis = 1, .range = {.rank = 2, .dim = {-1, 3}}, .step = 1};
    expect(wg_apply(&wg_op_slice, 1, &x, &slice), WG_EARG,
           "slice(x[2,3], axis=1, range=[-1,3], step=1): needs a first element, a count and a step other than 0");
    slice.range.dim[0] = 0;
    cr_expect_not_null(wg_apply(&wg_op_slice, 1, &x, &slice), "and the honest one is taken");
}

/* ---- Sizes that no memory has, beside one of 0 ---- */

Test(graph_errors, sizes_without_a_product)
{
    const int64_t huge = INT64_MAX;
    expect(wg_input(g, "z", WG_F32, WG_SHAPE(0, huge, 3)), WG_ESHAPE,
           "input: the sizes of [0,9223372036854775807,3] have no product in 64 bits");
    expect(wg_param(g, "z", WG_F32, WG_SHAPE(huge, 0)), WG_ESHAPE,
           "param: the sizes of [9223372036854775807,0] have no product in 64 bits");
    wg_node *a = wg_input(g, "a", WG_F32, WG_SHAPE(0, (int64_t)1 << 40, 1));
    cr_assert_not_null(a);
    expect(wg_add(a, wg_input(g, "b", WG_F32, WG_SHAPE(0, 1, (int64_t)1 << 40))), WG_ESHAPE,
           "add(a[0,1099511627776,1], b[0,1,1099511627776]): the sizes of the result have no product in 64 bits");
    expect(wg_reshape(a, WG_SHAPE(0, huge)), WG_ESHAPE,
           "reshape: the sizes of [0,9223372036854775807] have no product in 64 bits");
    wg_node *s = wg_exp(wg_input(g, "s", WG_F32, WG_SHAPE(0, wg_dim(g, "n"), 3)));
    cr_expect_null(wg_compile(g, 1, &s, &(wg_options){.bind = {{"n", huge / 2}}}));
    cr_expect_eq(wg_status(g), WG_ESHAPE);
    wg_clear_error(g);
    cr_expect_eq(wg_count(&(wg_shape){.rank = 9}), -1, "no rank of ours");
    cr_expect_eq(wg_count(&(wg_shape){.rank = -1}), -1);
}

/* ---- NULL in, NULL out; the first error is the cause ---- */

Test(graph_errors, null_is_told_once)
{
    expect(wg_add(x, NULL), WG_EARG, "add(x[2,3], NULL): operand 1 is NULL");
    expect(wg_matmul(NULL, x), WG_EARG, "matmul(NULL, x[2,3]): operand 0 is NULL");
    wg_node *y = wg_add(wg_exp(wg_matmul(x, w)), x);
    expect(y, WG_ESHAPE, "matmul(x[2,3], [4,5]): inner dimensions differ: 3 and 4");
}

Test(graph_errors, first_error_stays)
{
    cr_assert_null(wg_matmul(x, w));
    char first[200];
    strcpy(first, wg_message(g));
    cr_assert_null(wg_exp(label));
    cr_assert_str_eq(wg_message(g), first);
    cr_assert_not_null(wg_exp(x), "a good call still works");
    wg_clear_error(g);
    cr_assert_str_eq(wg_message(g), "no error");
    cr_assert_null(wg_exp(label));
    cr_assert_eq(wg_status(g), WG_EDTYPE);
}

Test(graph_errors, every_constructor_takes_null)
{
    const int64_t  zero[1] = {0};
    const wg_node *y[] = {wg_scale(NULL, 1),
                          wg_shift(NULL, 1),
                          wg_one_minus(NULL),
                          wg_clip(NULL, 0, 1),
                          wg_clip(NULL, 1, 0),
                          wg_cast(NULL, WG_F32),
                          wg_sum(NULL, WG_ALL_AXES, 0),
                          wg_mean(NULL, WG_ALL_AXES, 0),
                          wg_logsumexp(NULL, WG_ALL_AXES, 0),
                          wg_argmax(NULL, 0, 0),
                          wg_max_with_index(NULL, WG_ALL_AXES, 0),
                          wg_top_k(NULL, 0, 1, 0),
                          wg_moments(NULL, WG_ALL_AXES, 0),
                          wg_split(NULL, 0, 2, NULL),
                          wg_size(NULL, WG_ALL_AXES),
                          wg_sum_to(NULL, WG_SCALAR),
                          wg_matmul(NULL, NULL),
                          wg_reshape(NULL, WG_SCALAR),
                          wg_transpose(NULL, WG_ALL_AXES),
                          wg_expand(NULL, WG_SCALAR),
                          wg_squeeze(NULL, 0),
                          wg_unsqueeze(NULL, 0),
                          wg_slice(NULL, 0, 0, 1, 1),
                          wg_concat(0, NULL, 0),
                          wg_concat(2, (wg_node *[]){NULL, NULL}, 0),
                          wg_pad(NULL, zero, zero, 0),
                          wg_gather(NULL, NULL, 0),
                          wg_one_hot(NULL, 1, WG_F32),
                          wg_softmax(NULL, 0),
                          wg_log_softmax(NULL, 0),
                          wg_softmax_cross_entropy(NULL, NULL),
                          wg_mse(NULL, NULL),
                          wg_dropout(NULL, 0.5),
                          wg_leaky_relu(NULL, 0.1),
                          wg_uniform(NULL, WG_F32, WG_SCALAR, 0, 1),
                          wg_normal(NULL, WG_F32, WG_SCALAR, 0, 1),
                          wg_fill(NULL, WG_F32, WG_SCALAR, 0),
                          wg_input(NULL, "x", WG_F32, WG_SCALAR),
                          wg_param(NULL, "p", WG_F32, WG_SCALAR),
                          wg_scalar(NULL, WG_F32, 0),
                          wg_lit(NULL, 0),
                          wg_assign(NULL, NULL),
                          wg_group(0, NULL),
                          wg_named(NULL, "x"),
                          wg_watch(NULL),
                          wg_result(NULL, 0),
                          wg_where(NULL, NULL, NULL)};
    for (size_t i = 0; i < sizeof y / sizeof *y; i++) cr_expect_null(y[i], "constructor %zu", i);
    cr_expect_eq(wg_status(NULL), WG_ENOMEM);
    cr_expect_str_eq(wg_message(NULL), "out of memory");
    cr_expect_eq(wg_status(g), WG_OK);
}

Test(graph_errors, missing_operand_of_concat)
{
    cr_assert_null(wg_concat(2, (wg_node *[]){x, NULL}, 0));
    cr_assert_str_eq(wg_message(g), "concat(x[2,3], NULL, axis=0): operand 1 is NULL");
    wg_clear_error(g);
    cr_assert_null(wg_concat(2, (wg_node *[]){NULL, x}, 0));
    cr_assert_str_eq(wg_message(g), "concat(NULL, x[2,3], axis=0): operand 0 is NULL");
}

Test(graph_errors, attributes_are_asked_for)
{
    expect(wg_apply(&wg_op_sum, 1, &x, NULL), WG_EARG, "sum(x[2,3]): needs its attributes");
    expect(wg_apply(&wg_op_add, 1, &x, NULL), WG_EARG, "add(x[2,3]): takes 2 operands, not 1");
}

Test(graph_errors, strerror_has_every_status)
{
#define X(code, name, text) cr_expect_str_eq(wg_strerror(WG_##name), text);
    WG_STATUS_MAP(X)
#undef X
    cr_expect_str_eq(wg_strerror(5), "unknown status");
}

/* Names come from files, and messages go to terminals. */
Test(graph_errors, control_bytes_are_written_out)
{
    expect(wg_add(wg_input(g, "a\x1b[31m\n", WG_F32, WG_SHAPE(2)), x), WG_ESHAPE,
           "add(a\\x1b[31m\\x0a[2], x[2,3]): cannot broadcast 2 with 3");
    char tight[8] = "ab\x07"
                    "cd",
         room[12] = "ab\x07"
                    "cd";
    wg__printable(tight, sizeof tight);
    wg__printable(room, sizeof room);
    cr_expect_str_eq(tight, "ab?cd");
    cr_expect_str_eq(room, "ab\\x07cd");
}
