/* large_cases.h - operands larger than those of ops/cases.h: several blocks, odd sizes. */
#ifndef WENGERT_TESTS_CUDA_LARGE_CASES_H
#define WENGERT_TESTS_CUDA_LARGE_CASES_H

#include "ops/cases.h"

NODE(expand_far) { return UNUSED, wg_expand(x[0], WG_SHAPE(37, 5, 129)); }
NODE(slice_far) { return UNUSED, wg_slice(x[0], 0, 3, 60, 1); }
NODE(pad_far) { return UNUSED, wg_pad(x[0], (int64_t[]){3, 1}, (int64_t[]){0, 9}, 2); }
NODE(scatter_far) { return UNUSED, wg__scatter_add(x[0], x[1], 0, WG_SHAPE(40, 33)); }
NODE(scatter_few) { return UNUSED, wg__scatter_add(x[0], x[1], 0, WG_SHAPE(2, 3)); }
NODE(uniform_far) { return (void)x, wg_uniform(g, t, WG_SHAPE(10007), -1, 3); }
NODE(normal_far) { return (void)x, wg_normal(g, t, WG_SHAPE(10007), 1, 2); }
NODE(mask_far) { return (void)x, wg__dropout_mask(wg_fill(g, t, WG_SHAPE(10007), 1), 0.3); }
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

#endif
