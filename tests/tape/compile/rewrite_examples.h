/* rewrite_examples.h - an expression for each rewrite rule, as a program writes it and as a tape computes it. */
#ifndef WENGERT_TESTS_REWRITE_EXAMPLES_H
#define WENGERT_TESTS_REWRITE_EXAMPLES_H

#include "tape/compile/rewrite_test.h"

/* x and y are [3,4], v is [4], all in (0.1, 0.9); m is [3,4], w is [5,4]. */
struct leaves {
    wg_graph *g;
    wg_node  *x, *y, *v, *w;
};

static wg_node *log_softmax_(struct leaves *l) { return wg_log(wg_softmax(l->x, 1)); }
static wg_node *log_softmax_columns(struct leaves *l) { return wg_log(wg_softmax(l->x, 0)); }
static wg_node *log_sigmoid(struct leaves *l) { return wg_log(wg_sigmoid(l->x)); }
static wg_node *log_exp(struct leaves *l) { return wg_log(wg_exp(l->x)); }
static wg_node *log_one_plus(struct leaves *l) { return wg_log(wg_shift(l->x, 1)); }
static wg_node *log_plus_one(struct leaves *l) { return wg_log(wg_add(wg_lit(l->x, 1), l->x)); }
static wg_node *log_one_minus(struct leaves *l) { return wg_log(wg_one_minus(l->x)); }
static wg_node *log1p_exp(struct leaves *l) { return wg_log1p(wg_exp(l->x)); }
static wg_node *log1p_neg_sigmoid(struct leaves *l) { return wg_log1p(wg_neg(wg_sigmoid(l->x))); }
static wg_node *log_one_minus_sigmoid(struct leaves *l) { return wg_log(wg_one_minus(wg_sigmoid(l->x))); }
static wg_node *log_one_plus_exp(struct leaves *l) { return wg_log(wg_shift(wg_exp(l->x), 1)); }
static wg_node *log_number_plus_exp(struct leaves *l) { return wg_log(wg_add(wg_lit(l->x, 0.5), wg_exp(l->x))); }
static wg_node *log_of_complement(struct leaves *l)
{
    return wg_log(wg_shift(wg_reshape(wg_neg(wg_sigmoid(l->x)), WG_SHAPE(2, 6)), 1));
}
static wg_node *log_of_powers(struct leaves *l) { return wg_log(wg_reciprocal(wg_sqrt(wg_square(wg_exp(l->x))))); }
static wg_node *log_of_product(struct leaves *l) { return wg_log(wg_scale(wg_exp(l->x), 3)); }
static wg_node *softmax_by_hand(struct leaves *l)
{
    wg_node *e = wg_exp(l->x), *sum = wg_sum(wg_exp(l->y), WG_AXES(1), 1);
    return wg_log(wg_div(e, sum));
}
static wg_node *log_of_sigmoid_by_hand(struct leaves *l)
{
    wg_node *one = wg_lit(l->x, 1), *e = wg_exp(wg_neg(l->x));
    return wg_log(wg_div(one, wg_add(one, e)));
}
static wg_node *log_of_choice(struct leaves *l)
{
    return wg_log(wg_where(wg_less(l->x, l->y), wg_exp(l->x), wg_lit(l->x, 0.5)));
}
static wg_node *log_of_terms(struct leaves *l) { return wg_log(wg_add(wg_exp(l->x), wg_exp(l->y))); }
static wg_node *log_of_sum(struct leaves *l) { return wg_log(wg_sum(wg_exp(l->x), WG_AXES(1), 0)); }
static wg_node *log_expm1_plus_one(struct leaves *l) { return wg_log(wg_shift(wg_expm1(l->x), 1)); }
static wg_node *log1p_expm1(struct leaves *l) { return wg_log1p(wg_expm1(l->x)); }
static wg_node *zero_mul_two(struct leaves *l) { return wg_zero_mul(l->x, wg_lit(l->x, 2)); }
static wg_node *zero_mul_zero(struct leaves *l) { return wg_add(l->y, wg_zero_mul(wg_lit(l->x, 0), l->x)); }
static wg_node *zero_div_three(struct leaves *l) { return wg_zero_div(l->x, wg_lit(l->x, 3)); }
static wg_node *zero_div_zero(struct leaves *l) { return wg_add(l->y, wg_zero_div(wg_lit(l->x, 0), l->x)); }
static wg_node *exp_sub_one(struct leaves *l) { return wg_sub(wg_exp(l->x), wg_lit(l->x, 1)); }
static wg_node *exp_add_minus_one(struct leaves *l) { return wg_shift(wg_exp(l->x), -1); }
static wg_node *one_minus_sigmoid(struct leaves *l) { return wg_one_minus(wg_sigmoid(l->x)); }
static wg_node *neg_neg(struct leaves *l) { return wg_neg(wg_neg(l->x)); }
static wg_node *twice_tenth(struct leaves *l) { return wg_scale(wg_scale(l->x, 2), 0.1); }
static wg_node *twice_half(struct leaves *l) { return wg_scale(wg_scale(l->x, -2), 0.5); }
static wg_node *neg_tenth(struct leaves *l) { return wg_mul(wg_lit(l->x, 0.1), wg_neg(l->x)); }
static wg_node *neg_of_tenth(struct leaves *l) { return wg_neg(wg_scale(l->x, 0.1)); }
static wg_node *half_tenth(struct leaves *l) { return wg_scale(wg_scale(l->x, 0.5), 0.1); }
static wg_node *three_tenths(struct leaves *l) { return wg_scale(wg_scale(l->x, 3), 0.1); }
static wg_node *add_zero(struct leaves *l) { return wg_shift(l->x, 0); }
static wg_node *where_true(struct leaves *l)
{
    return wg_where(wg_const(l->g, WG_BOOL, WG_SCALAR, (uint8_t[]){1}), l->x, wg_exp(l->y));
}
static wg_node *where_false(struct leaves *l)
{
    return wg_where(wg_const(l->g, WG_BOOL, WG_SCALAR, (uint8_t[]){0}), l->x, l->v);
}
static wg_node *zero_add(struct leaves *l) { return wg_add(wg_lit(l->x, 0), l->x); }
static wg_node *add_wide_zero(struct leaves *l) { return wg_add(l->v, wg_fill(l->g, WG_F64, WG_SHAPE(3, 4), 0)); }
static wg_node *add_neg(struct leaves *l) { return wg_add(l->x, wg_neg(l->y)); }
static wg_node *neg_add(struct leaves *l) { return wg_add(wg_neg(l->y), l->x); }
static wg_node *pad_columns(wg_node *x, int64_t from, int64_t to, int64_t before, int64_t after)
{
    return wg_pad(wg_slice(x, 1, from, to, 1), (int64_t[]){0, before}, (int64_t[]){0, after}, 0);
}
static wg_node *pads_side_by_side(struct leaves *l)
{
    return wg_add(pad_columns(l->x, 0, 4, 0, 3), pad_columns(l->y, 1, 4, 4, 0));
}
static wg_node *pads_with_gaps(struct leaves *l)
{
    wg_node *two = wg_add(pad_columns(l->x, 0, 2, 6, 1), pad_columns(l->y, 1, 2, 1, 7));
    return wg_add(two, pad_columns(l->x, 3, 4, 3, 5));
}
static wg_node *pads_that_meet(struct leaves *l)
{
    return wg_add(pad_columns(l->x, 0, 4, 0, 2), pad_columns(l->y, 1, 4, 3, 0));
}
static wg_node *pads_of_ones(struct leaves *l)
{
    wg_node *one = wg_pad(l->x, (int64_t[]){0, 0}, (int64_t[]){0, 4}, 1);
    return wg_add(one, wg_pad(l->y, (int64_t[]){0, 4}, (int64_t[]){0, 0}, 0));
}
static wg_node *pads_across(struct leaves *l)
{
    wg_node *above = wg_pad(l->x, (int64_t[]){0, 0}, (int64_t[]){2, 0}, 0);
    return wg_add(above, pad_columns(l->w, 0, 3, 1, 0));
}
static wg_node *sub_zero(struct leaves *l) { return wg_sub(l->x, wg_lit(l->x, 0)); }
static wg_node *sub_neg(struct leaves *l) { return wg_sub(l->x, wg_neg(l->y)); }
static wg_node *mul_one(struct leaves *l) { return wg_scale(l->x, 1); }
static wg_node *one_mul(struct leaves *l) { return wg_mul(wg_fill(l->g, WG_F64, WG_SHAPE(4), 1), l->x); }
static wg_node *mul_minus_one(struct leaves *l) { return wg_scale(l->x, -1); }
static wg_node *div_one(struct leaves *l) { return wg_div(l->x, wg_lit(l->x, 1)); }
static wg_node *div_eight(struct leaves *l) { return wg_div(l->x, wg_lit(l->x, 8)); }
static wg_node *div_three(struct leaves *l) { return wg_div(l->x, wg_lit(l->x, 3)); }
static wg_node *pow_minus_one(struct leaves *l) { return wg_pow(l->x, wg_lit(l->x, -1)); }
static wg_node *pow_zero(struct leaves *l) { return wg_add(l->y, wg_pow(l->x, wg_lit(l->x, 0))); }
static wg_node *pow_one(struct leaves *l) { return wg_pow(l->x, wg_lit(l->x, 1)); }
static wg_node *pow_two(struct leaves *l) { return wg_pow(l->x, wg_lit(l->x, 2)); }
static wg_node *pow_half(struct leaves *l) { return wg_pow(l->x, wg_lit(l->x, 0.5)); }
static wg_node *expand_same(struct leaves *l)
{
    wg_shape s = WG_SHAPE(3, 4);
    return wg_apply(&wg_op_expand, 1, &l->x, &s);
}
static wg_node *expand_expand(struct leaves *l)
{
    return wg_expand(wg_expand(l->v, WG_SHAPE(3, 4)), WG_SHAPE(2, 3, 4));
}
static wg_node *f_of_expand(struct leaves *l) { return wg_tanh(wg_expand(l->v, WG_SHAPE(3, 4))); }
static wg_node *f_of_two_expands(struct leaves *l)
{
    wg_node *v = wg_expand(l->v, WG_SHAPE(3, 4));
    return wg_mul(v, wg_expand(wg_lit(l->v, 0.75), WG_SHAPE(3, 1)));
}
static wg_node *reshape_reshape(struct leaves *l) { return wg_reshape(wg_reshape(l->x, WG_SHAPE(12)), WG_SHAPE(2, 6)); }
static wg_node *reshape_back(struct leaves *l) { return wg_reshape(wg_reshape(l->x, WG_SHAPE(12)), WG_SHAPE(3, 4)); }
static wg_node *reshape_fill(struct leaves *l)
{
    wg_node *three = wg_fill(l->g, WG_F64, WG_SHAPE(3, 4), 3);
    return wg_add(wg_reshape(l->x, WG_SHAPE(2, 6)), wg_reshape(three, WG_SHAPE(2, 6)));
}
static wg_node *transpose_twice(struct leaves *l)
{
    wg_node *cube = wg_reshape(l->x, WG_SHAPE(3, 2, 2));
    return wg_transpose(wg_transpose(cube, WG_AXES(1, 2, 0)), WG_AXES(1, 0, 2));
}
static wg_node *transpose_back(struct leaves *l)
{
    return wg_transpose(wg_transpose(l->x, WG_ALL_AXES), WG_AXES(-1, 0));
}
static wg_node *transpose_in_order(struct leaves *l)
{
    wg_axes order = WG_AXES(0, 1);
    return wg_apply(&wg_op_transpose, 1, &l->x, &order);
}
static wg_node *matmul_tb(struct leaves *l) { return wg_matmul(l->x, wg_transpose(l->w, WG_AXES(1, 0))); }
static wg_node *matmul_ta(struct leaves *l) { return wg_matmul(wg_transpose(l->x, WG_AXES(1, 0)), l->y); }
static wg_node *matmul_both(struct leaves *l)
{
    return wg_matmul_t(wg_transpose(l->x, WG_AXES(1, 0)), wg_transpose(l->w, WG_AXES(1, 0)), 1, 0);
}
static wg_node *concat_one(struct leaves *l) { return wg_apply(&wg_op_concat, 1, &l->x, &(int){0}); }
static wg_node *cast_same(struct leaves *l) { return wg_apply(&wg_op_cast, 1, &l->x, &(wg_dtype){WG_F64}); }

#define LOG_OF_NUMBERS "log(1 - sigmoid(x)) -> -softplus(x); log(a p + b) -> log b + softplus(log p + log a/b)"
#define LOG1P_OF_NUMBERS "log1p(-sigmoid(x)) -> -softplus(x); log1p(exp(x)) -> softplus(x); log1p(expm1(x)) -> x"

/* A rule by its text; what is built, as it stands and rewritten. */
static const struct example {
    const char *rule;
    wg_node *(*build)(struct leaves *l);
    const char *before, *after;
    bool        exact;
} examples[] = {
    {"log(softmax(x)) -> log_softmax(x)", log_softmax_, "log(softmax(x))", "log_softmax(x)", false},
    {LOG_OF_NUMBERS, log_softmax_columns, "log(transpose(softmax(transpose(x))))",
     "transpose(log_softmax(transpose(x)))", false},
    {"log(sigmoid(x)) -> -softplus(-x)", log_sigmoid, "log(sigmoid(x))", "neg(softplus(neg(x)))", false},
    {"log(exp(x)) -> x", log_exp, "log(exp(x))", "x", false},
    {"log(1 + x) -> log1p(x)", log_one_plus, "log(add(x,1))", "log1p(x)", false},
    {"log(1 + x) -> log1p(x)", log_plus_one, "log(add(1,x))", "log1p(x)", false},
    {LOG_OF_NUMBERS, log_one_plus_exp, "log(add(exp(x),1))", "softplus(x)", false},
    {LOG_OF_NUMBERS, log_number_plus_exp, "log(add(0.5,exp(x)))", "add(softplus(add(x,0.693147)),-0.693147)", false},
    {LOG_OF_NUMBERS, log_of_complement, "log(add(reshape(neg(sigmoid(x))),1))", "reshape(neg(softplus(x)))", false},
    {"log(1/p), log(p^2), log(p^(1/2)) -> multiples of log p", log_of_powers, "log(reciprocal(sqrt(square(exp(x)))))",
     "neg(x)", false},
    {"log(p q) -> log p + log q", log_of_product, "log(mul(exp(x),3))", "add(x,1.09861)", false},
    {"log(p / q) -> log p - log q", softmax_by_hand, "log(div(exp(x),sum(exp(y))))", "sub(x,logsumexp(y))", false},
    {"log(p / q) -> log p - log q", log_of_sigmoid_by_hand, "log(div(1,add(1,exp(neg(x)))))", "neg(softplus(neg(x)))",
     false},
    {"log(c ? p : q) -> c ? log p : log q", log_of_choice, "log(where(less(x,y),exp(x),0.5))",
     "where(less(x,y),x,-0.693147)", false},
    {"log(p + q) -> logsumexp(log p, log q)", log_of_terms, "log(add(exp(x),exp(y)))",
     "logsumexp(concat(reshape(x),reshape(y)))", false},
    {"log(sum(p)) -> logsumexp(log p)", log_of_sum, "log(sum(exp(x)))", "logsumexp(x)", false},
    {LOG_OF_NUMBERS, log_expm1_plus_one, "log(add(expm1(x),1))", "x", false},
    {LOG1P_OF_NUMBERS, log1p_expm1, "log1p(expm1(x))", "x", false},
    {"zero_mul(x, c) -> x * c; zero_mul(x, 0) -> 0", zero_mul_two, "zero_mul(x,2)", "mul(x,2)", true},
    {"zero_mul(x, c) -> x * c; zero_mul(x, 0) -> 0", zero_mul_zero, "add(y,zero_mul(0,x))", "y", true},
    {"zero_div(x, c) -> x / c; zero_div(0, x) -> 0", zero_div_three, "zero_div(x,3)", "div(x,3)", true},
    {"zero_div(x, c) -> x / c; zero_div(0, x) -> 0", zero_div_zero, "add(y,zero_div(0,x))", "y", true},
    {"log(1 - x) -> log1p(-x)", log_one_minus, "log(sub(1,x))", "log1p(neg(x))", false},
    {LOG1P_OF_NUMBERS, log1p_exp, "log1p(exp(x))", "softplus(x)", false},
    {LOG1P_OF_NUMBERS, log1p_neg_sigmoid, "log1p(neg(sigmoid(x)))", "neg(softplus(x))", false},
    {"exp(x) - 1 -> expm1(x)", exp_sub_one, "sub(exp(x),1)", "expm1(x)", false},
    {"exp(x) + -1 -> expm1(x)", exp_add_minus_one, "add(exp(x),-1)", "expm1(x)", false},
    {"1 - sigmoid(x) -> sigmoid(-x)", one_minus_sigmoid, "sub(1,sigmoid(x))", "sigmoid(neg(x))", false},
    {LOG_OF_NUMBERS, log_one_minus_sigmoid, "log(sub(1,sigmoid(x)))", "neg(softplus(x))", false},
    {"-(-x) -> x", neg_neg, "neg(neg(x))", "x", true},
    {"x + 0 -> x", add_zero, "add(x,0)", "x", true},
    {"x + 0 -> x", zero_add, "add(0,x)", "x", true},
    {"x + 0 -> x", add_wide_zero, "add(v,expand(0))", "expand(v)", true},
    {"where(1, x, y) -> x; where(0, x, y) -> y", where_true, "where(1,x,exp(y))", "x", true},
    {"where(1, x, y) -> x; where(0, x, y) -> y", where_false, "where(0,x,v)", "expand(v)", true},
    {"x + -y -> x - y", add_neg, "add(x,neg(y))", "sub(x,y)", true},
    {"x + -y -> x - y", neg_add, "add(neg(y),x)", "sub(x,y)", true},
    {"x - 0 -> x", sub_zero, "sub(x,0)", "x", true},
    {"x - -y -> x + y", sub_neg, "sub(x,neg(y))", "add(x,y)", true},
    {"x * 1 -> x", mul_one, "mul(x,1)", "x", true},
    {"x * 1 -> x", one_mul, "mul(expand(1),x)", "x", true},
    {"x * -1 -> -x", mul_minus_one, "mul(x,-1)", "neg(x)", true},
    {"x * 2^n * c -> x * (2^n c), n >= 0; -x * c -> x * -c", twice_tenth, "mul(mul(x,2),0.1)", "mul(x,0.2)", true},
    {"x * 2^n * c -> x * (2^n c), n >= 0; -x * c -> x * -c", twice_half, "mul(mul(x,-2),0.5)", "neg(x)", true},
    {"x * 2^n * c -> x * (2^n c), n >= 0; -x * c -> x * -c", neg_tenth, "mul(0.1,neg(x))", "mul(x,-0.1)", true},
    {"-(x * c) -> x * -c", neg_of_tenth, "neg(mul(x,0.1))", "mul(x,-0.1)", true},
    {"x / 1 -> x", div_one, "div(x,1)", "x", true},
    {"x / 2^n -> x * 2^-n", div_eight, "div(x,8)", "mul(x,0.125)", true},
    {"x^-1, x^0, x^1, x^2 -> 1/x, 1, x, x*x", pow_minus_one, "pow(x,-1)", "reciprocal(x)", false},
    {"x^-1, x^0, x^1, x^2 -> 1/x, 1, x, x*x", pow_zero, "add(y,pow(x,0))", "add(y,1)", false},
    {"x^-1, x^0, x^1, x^2 -> 1/x, 1, x, x*x", pow_one, "pow(x,1)", "x", false},
    {"x^-1, x^0, x^1, x^2 -> 1/x, 1, x, x*x", pow_two, "pow(x,2)", "square(x)", false},
    {"expand(x) to its own shape -> x", expand_same, "expand(x)", "x", true},
    {"expand(expand(x)) -> expand(x)", expand_expand, "expand(expand(v))", "expand(v)", true},
    {"f(expand(x)) -> expand(f(x))", f_of_expand, "tanh(expand(v))", "expand(tanh(v))", true},
    {"f(expand(x)) -> expand(f(x))", f_of_two_expands, "mul(expand(v),expand(0.75))", "expand(mul(v,0.75))", true},
    {"reshape(reshape(x)) -> reshape(x); to its own shape -> x", reshape_reshape, "reshape(reshape(x))", "reshape(x)",
     true},
    {"reshape(reshape(x)) -> reshape(x); to its own shape -> x", reshape_back, "reshape(reshape(x))", "x", true},
    {"reshape(expand(one element)) -> expand(one element)", reshape_fill, "add(reshape(x),reshape(expand(3)))",
     "add(reshape(x),3)", true},
    {"transpose(transpose(x)) -> transpose(x)", transpose_twice, "transpose(transpose(reshape(x)))",
     "transpose(reshape(x))", true},
    {"transpose(transpose(x)) -> transpose(x)", transpose_back, "transpose(transpose(x))", "x", true},
    {"transpose(x) in order -> x", transpose_in_order, "transpose(x)", "x", true},
    {"matmul(transpose(a), b) -> matmul[ta](a, b)", matmul_tb, "matmul(x,transpose(w))", "matmul[tb](x,w)", false},
    {"matmul(transpose(a), b) -> matmul[ta](a, b)", matmul_ta, "matmul(transpose(x),y)", "matmul[ta](x,y)", false},
    {"matmul(transpose(a), b) -> matmul[ta](a, b)", matmul_both, "matmul[ta](transpose(x),transpose(w))",
     "matmul[tb](x,w)", false},
    {"concat(x) -> x", concat_one, "concat(x)", "x", true},
    {"cast(x) to its own dtype -> x", cast_same, "cast(x)", "x", true},
    {"pad(x) + pad(y), which lie apart -> concat(x, y)", pads_side_by_side, "add(pad(x),pad(slice(y)))",
     "concat(x,slice(y))", true},
    {"pad(x) + pad(y), which lie apart -> concat(x, y)", pads_with_gaps,
     "add(add(pad(slice(x)),pad(slice(y))),pad(slice(x)))",
     "concat(expand(0),slice(y),expand(0),slice(x),expand(0),slice(x),expand(0))", true},
    /* What only looks like a case for a rule. */
    {NULL, pads_that_meet, "add(pad(x),pad(slice(y)))", "add(pad(x),pad(slice(y)))", true},
    {NULL, pads_of_ones, "add(pad(x),pad(y))", "add(pad(x),pad(y))", true},
    {NULL, pads_across, "add(pad(x),pad(slice(w)))", "add(pad(x),pad(slice(w)))", true},
    {NULL, div_three, "div(x,3)", "div(x,3)", true},
    {NULL, half_tenth, "mul(mul(x,0.5),0.1)", "mul(mul(x,0.5),0.1)", true},
    {NULL, three_tenths, "mul(mul(x,3),0.1)", "mul(mul(x,3),0.1)", true},
    {NULL, pow_half, "pow(x,0.5)", "pow(x,0.5)", true},
};
enum { EXAMPLES = sizeof examples / sizeof *examples };

#endif
