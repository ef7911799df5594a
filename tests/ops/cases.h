/* cases.h - operands and attributes to try each operator with.
 *
 * Elementwise operators get theirs from the registry (test_registry.c). */
#ifndef WENGERT_TESTS_CASES_H
#define WENGERT_TESTS_CASES_H

#include "ops/ops_impl.h"

#define NODE(name) static wg_node *name(wg_graph *g, wg_dtype t, wg_node *const x[])
#define UNUSED (void)g, (void)t

struct op_case {
    const char *op;
    int         n; /* operands */
    wg_shape    shape[3];
    const char *kind;  /* of each operand: r real, i index of i64, u index of u8, b bool */
    int         below; /* what indices are below */
    wg_node *(*build)(wg_graph *g, wg_dtype t, wg_node *const x[]);
};

NODE(where_) { return UNUSED, wg_where(x[0], x[1], x[2]); }
NODE(not_) { return UNUSED, wg_not(x[0]); }
NODE(cast_) { return UNUSED, wg_cast(x[0], t == WG_F32 ? WG_F64 : WG_F32); }
NODE(cast_to_int) { return UNUSED, wg_cast(x[0], WG_I32); }
NODE(cast_to_bool) { return UNUSED, wg_cast(x[0], WG_BOOL); }
NODE(expand_) { return UNUSED, wg_expand(x[0], WG_SHAPE(2, 4, 3)); }
NODE(expand_empty) { return UNUSED, wg_expand(x[0], WG_SHAPE(2, 0)); }

#define REDUCTIONS(name)                                                             \
    NODE(name##_all) { return UNUSED, wg_##name(x[0], WG_ALL_AXES, 0); }             \
    NODE(name##_last) { return UNUSED, wg_##name(x[0], WG_AXES(-1), 1); }            \
    NODE(name##_first) { return UNUSED, wg_##name(x[0], WG_AXES(0), 0); }            \
    NODE(name##_middle) { return UNUSED, wg_##name(x[0], WG_AXES(1), 0); }           \
    NODE(name##_two_runs) { return UNUSED, wg_##name(x[0], WG_AXES(0, 2), 0); }      \
    NODE(name##_two_runs_kept) { return UNUSED, wg_##name(x[0], WG_AXES(2, 0), 1); } \
    NODE(name##_none) { return UNUSED, wg_neg(wg_##name(x[0], wg_axes_make(0, NULL), 0)); }
#define REDUCTION_CASES(name)                                                                                    \
    {#name, 1, {{3, {2, 3, 4}}}, "r", 0, name##_all}, {#name, 1, {{3, {2, 3, 4}}}, "r", 0, name##_last},         \
        {#name, 1, {{2, {3, 4}}}, "r", 0, name##_first}, {#name, 1, {{3, {2, 3, 2}}}, "r", 0, name##_middle},    \
        {#name, 1, {{3, {2, 3, 4}}}, "r", 0, name##_two_runs},                                                   \
        {#name, 1, {{3, {2, 3, 4}}}, "r", 0, name##_two_runs_kept},                                              \
        {#name, 1, {{4, {2, 1, 1, 3}}}, "r", 0, name##_two_runs}, {#name, 1, {{2, {1, 1}}}, "r", 0, name##_all}, \
        {#name, 1, {{0, {0}}}, "r", 0, name##_all}, {#name, 1, {{2, {0, 3}}}, "r", 0, name##_last},              \
    {                                                                                                            \
#name, 1, {{2, {2, 2 } } }, "r", 0, name##_none                                                          \
    }
REDUCTIONS(sum)
REDUCTIONS(prod)
REDUCTIONS(max)
REDUCTIONS(min)
REDUCTIONS(logsumexp)
REDUCTIONS(mean)

NODE(argmax_0) { return UNUSED, wg_argmax(x[0], 0, 0); }
NODE(argmax_last) { return UNUSED, wg_argmax(x[0], -1, 1); }
NODE(max_at_first) { return UNUSED, wg_max_with_index(x[0], WG_AXES(0), 0); }
NODE(max_at_ends) { return UNUSED, wg_max_with_index(x[0], WG_AXES(2, 0), 1); }
NODE(max_at_all) { return UNUSED, wg_max_with_index(x[0], WG_ALL_AXES, 0); }
NODE(max_at_middle) { return UNUSED, wg_max_with_index(x[0], WG_AXES(1), 0); }
NODE(max_index) { return UNUSED, wg_result(wg_max_with_index(x[0], WG_AXES(0, 2), 0), 1); }
NODE(top_2) { return UNUSED, wg_top_k(x[0], -1, 2, 0); }
NODE(top_3_first) { return UNUSED, wg_top_k(x[0], 0, 3, 0); }
NODE(top_all_middle) { return UNUSED, wg_top_k(x[0], 1, wg_node_shape(x[0])->dim[1], 1); }
NODE(top_none) { return UNUSED, wg_top_k(x[0], 0, 0, 0); }
NODE(top_index) { return UNUSED, wg_result(wg_top_k(x[0], 1, 2, 1), 1); }
NODE(moments_mean) { return UNUSED, wg_moments(x[0], WG_AXES(0), 0); }
NODE(moments_var) { return UNUSED, wg_result(wg_moments(x[0], WG_AXES(-1), 1), 1); }
NODE(moments_var_ends) { return UNUSED, wg_result(wg_moments(x[0], WG_AXES(0, 2), 0), 1); }
NODE(moments_none) { return UNUSED, wg_moments(x[0], wg_axes_make(0, NULL), 0); }
NODE(moments_both)
{
    UNUSED;
    wg_node *m = wg_moments(x[0], WG_AXES(1), 1);
    return wg_mul(wg_sub(x[0], m), wg_rsqrt(wg_shift(wg_result(m, 1), 0.5)));
}
static wg_node *split_in(wg_node *x, int axis, int n, const int64_t *size, int k)
{
    return wg_result(wg_split(x, axis, n, size), k);
}
NODE(split_first) { return UNUSED, wg_split(x[0], 0, 3, (int64_t[]){1, 0, 2}); }
NODE(split_last) { return UNUSED, split_in(x[0], -1, 2, NULL, 1); }
NODE(split_both)
{
    wg_node *s = wg_split(x[0], 1, 3, (int64_t[]){2, 1, 2});
    return UNUSED, wg_mul(wg_result(s, 0), wg_result(s, 2));
}
NODE(split_whole) { return UNUSED, wg_split(x[0], 0, 1, NULL); }
NODE(size_) { return UNUSED, wg_apply(&wg_op_size, 1, x, &(wg_axes){1, {0}}); }

NODE(matmul_) { return UNUSED, wg_matmul(x[0], x[1]); }
NODE(matmul_ta) { return UNUSED, wg_matmul_t(x[0], x[1], 1, 0); }
NODE(matmul_tb) { return UNUSED, wg_matmul_t(x[0], x[1], 0, 1); }
NODE(matmul_tt) { return UNUSED, wg_matmul_t(x[0], x[1], 1, 1); }

NODE(reshape_) { return UNUSED, wg_reshape(x[0], WG_SHAPE(3, WG_DIM_AUTO)); }
NODE(flatten) { return UNUSED, wg_reshape(x[0], WG_SHAPE(WG_DIM_AUTO)); }
NODE(transpose_) { return UNUSED, wg_transpose(x[0], WG_ALL_AXES); }
NODE(transpose_cycle) { return UNUSED, wg_transpose(x[0], WG_AXES(1, 2, 0)); }
NODE(transpose_inner) { return UNUSED, wg_transpose(x[0], WG_AXES(0, 2, 1)); }
NODE(transpose_outer) { return UNUSED, wg_transpose(x[0], WG_AXES(1, 0, 2)); }
NODE(slice_) { return UNUSED, wg_slice(x[0], 0, 1, WG_SLICE_END, 1); }
NODE(slice_step) { return UNUSED, wg_slice(x[0], -1, 0, WG_SLICE_END, 2); }
NODE(slice_back) { return UNUSED, wg_slice(x[0], -1, WG_SLICE_END, INT64_MIN, -1); }
NODE(slice_back_step) { return UNUSED, wg_slice(x[0], -1, -1, 0, -2); }
NODE(slice_nothing) { return UNUSED, wg_slice(x[0], 0, 2, 1, 1); }
NODE(pad_) { return UNUSED, wg_pad(x[0], (int64_t[]){1, 0}, (int64_t[]){0, 2}, 0.5); }
NODE(pad_between) { return UNUSED, wg__pad(x[0], WG_SHAPE(1, 0), (wg_list){2, {2, 3}}, WG_SHAPE(5, 9), 0); }
NODE(concat_0) { return UNUSED, wg_concat(3, x, 0); }
NODE(concat_1) { return UNUSED, wg_concat(2, x, -1); }
NODE(concat_twice) { return UNUSED, wg_concat(2, (wg_node *[]){x[0], x[0]}, 0); }
NODE(gather_0) { return UNUSED, wg_gather(x[0], x[1], 0); }
NODE(gather_1) { return UNUSED, wg_gather(x[0], x[1], -1); }
NODE(one_hot_index_) { return UNUSED, wg__one_hot_index(x[0], 4); }
NODE(scatter_0) { return UNUSED, wg__scatter_add(x[0], x[1], 0, WG_SHAPE(4, 3)); }
NODE(scatter_1) { return UNUSED, wg__scatter_add(x[0], x[1], 1, WG_SHAPE(2, 4)); }

NODE(softmax_last) { return UNUSED, wg_softmax(x[0], -1); }
NODE(softmax_first) { return UNUSED, wg_softmax(x[0], 0); }
NODE(log_softmax_last) { return UNUSED, wg_log_softmax(x[0], -1); }
NODE(log_softmax_first) { return UNUSED, wg_log_softmax(x[0], 0); }
NODE(cross_entropy_) { return UNUSED, wg_softmax_cross_entropy(x[0], x[1]); }

NODE(iota_) { return UNUSED, (void)x, wg__apply_leaf(g, &wg_op_iota, &(wg_shape){1, {6}}); }

NODE(uniform_) { return (void)x, wg_uniform(g, t, WG_SHAPE(2, 3), -1, 1); }
NODE(normal_) { return (void)x, wg_normal(g, t, WG_SHAPE(5), 0, 2); }
NODE(dropout_mask_) { return (void)x, wg__dropout_mask(wg_fill(g, t, WG_SHAPE(4), 1), 0.5); }

NODE(training_) { return (void)x, (void)t, wg_training(g); }

NODE(scale_) { return UNUSED, wg_scale(x[0], -1.5); }
NODE(clip_) { return UNUSED, wg_clip(x[0], -1, 1); }
NODE(mse_) { return UNUSED, wg_mse(x[0], x[1]); }
NODE(sigmoid_cross_entropy_) { return UNUSED, wg_sigmoid_cross_entropy(x[0], x[1]); }
NODE(sigmoid_cross_entropy_each_) { return UNUSED, wg_sigmoid_cross_entropy_each(x[0], wg_sigmoid(x[1])); }
NODE(squeeze_) { return UNUSED, wg_squeeze(wg_unsqueeze(x[0], 1), -2); }
NODE(one_hot_) { return UNUSED, wg_mul(wg_one_hot(x[1], 4, t), wg_unsqueeze(x[0], -1)); }
NODE(sum_to_) { return UNUSED, wg_sum_to(x[0], WG_SHAPE(1, 3)); }

static const struct op_case op_cases[] = {
    {"not", 1, {{1, {4}}}, "b", 0, not_},
    {"where", 3, {{2, {2, 3}}, {2, {2, 3}}, {2, {2, 3}}}, "brr", 0, where_},
    {"where", 3, {{2, {2, 1}}, {1, {3}}, {0, {0}}}, "brr", 0, where_},
    {"where", 3, {{0, {0}}, {2, {2, 3}}, {2, {1, 3}}}, "brr", 0, where_},
    {"cast", 1, {{2, {2, 3}}}, "r", 0, cast_},
    {"cast", 1, {{2, {2, 3}}}, "r", 0, cast_to_int},
    {"cast", 1, {{0, {0}}}, "r", 0, cast_to_bool},
    {"expand", 1, {{2, {1, 3}}}, "r", 0, expand_},
    {"expand", 1, {{0, {0}}}, "r", 0, expand_},
    {"expand", 1, {{3, {2, 1, 1}}}, "r", 0, expand_},
    {"expand", 1, {{2, {2, 1}}}, "r", 0, expand_empty},
    REDUCTION_CASES(sum),
    REDUCTION_CASES(prod),
    REDUCTION_CASES(max),
    REDUCTION_CASES(min),
    REDUCTION_CASES(logsumexp),
    REDUCTION_CASES(mean),
    {"prod", 1, {{1, {9}}}, "r", 0, prod_all},
    {"argmax", 1, {{2, {3, 4}}}, "r", 0, argmax_0},
    {"argmax", 1, {{2, {3, 4}}}, "r", 0, argmax_last},
    {"max_with_index", 1, {{2, {3, 4}}}, "r", 0, max_at_first},
    {"max_with_index", 1, {{3, {2, 3, 4}}}, "r", 0, max_at_ends},
    {"max_with_index", 1, {{3, {2, 3, 4}}}, "r", 0, max_at_all},
    {"max_with_index", 1, {{3, {2, 3, 4}}}, "r", 0, max_at_middle},
    {"max_with_index", 1, {{3, {2, 3, 4}}}, "r", 0, max_index},
    {"max_with_index", 1, {{0, {0}}}, "r", 0, max_at_all},
    {"max_with_index", 1, {{2, {3, 0}}}, "r", 0, max_at_first},
    {"top_k", 1, {{2, {3, 5}}}, "r", 0, top_2},
    {"top_k", 1, {{2, {4, 3}}}, "r", 0, top_3_first},
    {"top_k", 1, {{3, {2, 5, 2}}}, "r", 0, top_all_middle},
    {"top_k", 1, {{1, {3}}}, "r", 0, top_none},
    {"top_k", 1, {{2, {0, 5}}}, "r", 0, top_2},
    {"top_k", 1, {{3, {2, 4, 2}}}, "r", 0, top_index},
    {"moments", 1, {{2, {3, 4}}}, "r", 0, moments_mean},
    {"moments", 1, {{2, {3, 4}}}, "r", 0, moments_var},
    {"moments", 1, {{3, {2, 3, 4}}}, "r", 0, moments_var_ends},
    {"moments", 1, {{2, {2, 2}}}, "r", 0, moments_none},
    {"moments", 1, {{3, {2, 4, 3}}}, "r", 0, moments_both},
    {"moments", 1, {{2, {2, 6}}}, "r", 0, moments_both},
    {"moments", 1, {{2, {0, 3}}}, "r", 0, moments_var},
    {"split", 1, {{2, {3, 4}}}, "r", 0, split_first},
    {"split", 1, {{2, {3, 4}}}, "r", 0, split_last},
    {"split", 1, {{3, {2, 5, 2}}}, "r", 0, split_both},
    {"split", 1, {{1, {3}}}, "r", 0, split_whole},
    {"iota", 0, {{0, {0}}}, "", 0, iota_},
    {"size", 1, {{2, {3, 2}}}, "r", 0, size_},
    {"matmul", 2, {{2, {2, 3}}, {2, {3, 4}}}, "rr", 0, matmul_},
    {"matmul", 2, {{2, {3, 2}}, {2, {3, 4}}}, "rr", 0, matmul_ta},
    {"matmul", 2, {{2, {2, 3}}, {2, {4, 3}}}, "rr", 0, matmul_tb},
    {"matmul", 2, {{2, {3, 2}}, {2, {4, 3}}}, "rr", 0, matmul_tt},
    {"matmul", 2, {{3, {2, 2, 3}}, {3, {2, 3, 2}}}, "rr", 0, matmul_},
    {"matmul", 2, {{3, {2, 2, 3}}, {2, {3, 2}}}, "rr", 0, matmul_},
    {"matmul", 2, {{3, {2, 2, 3}}, {2, {2, 3}}}, "rr", 0, matmul_tb},
    {"matmul", 2, {{3, {2, 3, 2}}, {2, {3, 2}}}, "rr", 0, matmul_ta},
    {"matmul", 2, {{2, {2, 3}}, {3, {2, 3, 2}}}, "rr", 0, matmul_},
    {"matmul", 2, {{4, {2, 1, 2, 2}}, {3, {2, 2, 2}}}, "rr", 0, matmul_tt},
    {"matmul", 2, {{4, {1, 2, 2, 2}}, {4, {2, 1, 2, 2}}}, "rr", 0, matmul_tb},
    {"matmul", 2, {{2, {2, 0}}, {2, {0, 3}}}, "rr", 0, matmul_},
    {"matmul", 2, {{3, {0, 2, 3}}, {2, {3, 2}}}, "rr", 0, matmul_},
    {"matmul", 2, {{2, {1, 1}}, {2, {1, 1}}}, "rr", 0, matmul_},
    {"reshape", 1, {{2, {2, 6}}}, "r", 0, reshape_},
    {"reshape", 1, {{0, {0}}}, "r", 0, flatten},
    {"reshape", 1, {{2, {0, 3}}}, "r", 0, flatten},
    {"transpose", 1, {{2, {2, 3}}}, "r", 0, transpose_},
    {"transpose", 1, {{4, {2, 3, 1, 2}}}, "r", 0, transpose_},
    {"transpose", 1, {{3, {2, 3, 2}}}, "r", 0, transpose_cycle},
    {"transpose", 1, {{3, {2, 3, 2}}}, "r", 0, transpose_inner},
    {"transpose", 1, {{3, {2, 3, 2}}}, "r", 0, transpose_outer},
    {"transpose", 1, {{2, {0, 3}}}, "r", 0, transpose_},
    {"slice", 1, {{2, {3, 4}}}, "r", 0, slice_},
    {"slice", 1, {{2, {2, 5}}}, "r", 0, slice_step},
    {"slice", 1, {{2, {2, 4}}}, "r", 0, slice_back},
    {"slice", 1, {{2, {2, 4}}}, "r", 0, slice_back_step},
    {"slice", 1, {{2, {2, 5}}}, "r", 0, slice_back_step},
    {"slice", 1, {{2, {3, 2}}}, "r", 0, slice_nothing},
    {"pad", 1, {{2, {2, 3}}}, "r", 0, pad_},
    {"pad", 1, {{2, {2, 3}}}, "r", 0, pad_between},
    {"pad", 1, {{2, {0, 3}}}, "r", 0, pad_},
    {"concat", 3, {{2, {1, 3}}, {2, {2, 3}}, {2, {0, 3}}}, "rrr", 0, concat_0},
    {"concat", 2, {{2, {2, 3}}, {2, {2, 1}}}, "rr", 0, concat_1},
    {"concat", 1, {{1, {3}}}, "r", 0, concat_twice},
    {"gather", 2, {{2, {4, 3}}, {1, {5}}}, "ri", 4, gather_0},
    {"gather", 2, {{2, {2, 4}}, {2, {2, 3}}}, "ri", 4, gather_1},
    {"gather", 2, {{1, {4}}, {0, {0}}}, "ri", 4, gather_0},
    {"gather", 2, {{2, {4, 2}}, {1, {0}}}, "ri", 4, gather_0},
    {"one_hot_index", 1, {{1, {3}}}, "i", 4, one_hot_index_},
    {"scatter_add", 2, {{2, {5, 3}}, {1, {5}}}, "ri", 4, scatter_0},
    {"scatter_add", 2, {{3, {2, 2, 3}}, {2, {2, 3}}}, "ri", 4, scatter_1},
    {"softmax", 1, {{2, {2, 4}}}, "r", 0, softmax_last},
    {"softmax", 1, {{3, {2, 2, 3}}}, "r", 0, softmax_first},
    {"softmax", 1, {{2, {0, 4}}}, "r", 0, softmax_last},
    {"softmax", 1, {{2, {4, 0}}}, "r", 0, softmax_last},
    {"log_softmax", 1, {{2, {2, 4}}}, "r", 0, log_softmax_last},
    {"log_softmax", 1, {{2, {3, 2}}}, "r", 0, log_softmax_first},
    {"log_softmax", 1, {{2, {0, 4}}}, "r", 0, log_softmax_last},
    {"cross_entropy", 2, {{2, {3, 4}}, {1, {3}}}, "ri", 4, cross_entropy_},
    {"cross_entropy", 2, {{2, {3, 4}}, {1, {3}}}, "ru", 4, cross_entropy_},
    {"uniform", 0, {{0}}, "", 0, uniform_},
    {"normal", 0, {{0}}, "", 0, normal_},
    {"dropout_mask", 0, {{0}}, "", 0, dropout_mask_},
    {"training", 0, {{0}}, "", 0, training_},
    {"(scale)", 1, {{1, {3}}}, "r", 0, scale_},
    {"(clip)", 1, {{1, {8}}}, "r", 0, clip_},
    {"(mse)", 2, {{2, {2, 3}}, {2, {2, 3}}}, "rr", 0, mse_},
    {"(sigmoid_cross_entropy)", 2, {{2, {2, 3}}, {2, {2, 3}}}, "ru", 2, sigmoid_cross_entropy_},
    {"(sigmoid_cross_entropy)", 2, {{2, {2, 3}}, {2, {2, 3}}}, "rr", 0, sigmoid_cross_entropy_each_},
    {"(squeeze)", 1, {{2, {2, 3}}}, "r", 0, squeeze_},
    {"(one_hot)", 2, {{1, {3}}, {1, {3}}}, "ri", 4, one_hot_},
    {"(sum_to)", 1, {{3, {2, 2, 3}}}, "r", 0, sum_to_},
};

#endif
