/* What a tape refuses, where silence would pass zeros for values, a typing
 * error for a size, or evaluation for training. */
#include "tape/tape_test.h"

static wg_graph *g;

static void start(void) { g = wg_graph_new(); }
static void stop(void) { wg_graph_free(g); }

static wg_node *weights(const char *name) { return wg_param(g, name, WG_F32, WG_SHAPE(2)); }
static wg_node *fed(const char *name) { return wg_input(g, name, WG_F32, WG_SHAPE(2)); }

static void expect_refusal(wg_tape *t, const char *message)
{
    cr_expect_eq(wg_run(t), WG_EARG);
    cr_expect_str_eq(wg_tape_message(t), message);
}

Test(tape_refused, an_input_that_was_never_set, .init = start, .fini = stop)
{
    wg_node *x = fed("x"), *z = fed("z"), *w = weights("w"), *y = wg_add(x, wg_mul(z, w));
    wg_node *step = wg_assign(w, wg_shift(w, 1));
    wg_tape *t = compile(g, WG_NODES(y, step), NULL);
    cr_assert_eq(wg_set(t, z, (float[]){1, 2}), WG_OK);
    expect_refusal(t, "run: the input x[2] was never set: wg_set it before wg_run");
    cr_expect_eq(wg_run_number(t), 0);
    cr_expect_eq(element(t, w, 0), 0, "no weight was written");
    cr_assert_not_null(wg_input_buffer(t, x));
    run(t);
    run(t); /* set once is enough */
    cr_expect_eq(element(t, w, 0), 2);
}

Test(tape_refused, an_input_behind_a_view_or_an_assignment, .init = start, .fini = stop)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(2, 1)), *w = weights("w");
    wg_tape *t = compile(g, WG_NODES(wg_assign(w, wg_reshape(x, WG_SHAPE(2)))), NULL);
    expect_refusal(t, "run: the input x[2,1] was never set: wg_set it before wg_run");
    wg_set(t, x, (float[]){3, 4});
    run(t);
    cr_expect_eq(element(t, w, 1), 4);
}

Test(tape_refused, an_input_that_an_output_shows, .init = start, .fini = stop)
{
    wg_node *x = fed("x"), *same = wg_scale(x, 1);
    wg_tape *t = compile(g, WG_NODES(same), NULL), *bare = compile(g, WG_NODES(x), NULL);
    expect_refusal(t, "run: the input x[2] was never set: wg_set it before wg_run");
    expect_refusal(bare, "run: the input x[2] was never set: wg_set it before wg_run");
    wg_set(t, x, (float[]){1, 2});
    run(t);
    cr_expect_eq(element(t, same, 1), 2);
}

Test(tape_refused, but_not_an_input_that_is_not_read, .init = start, .fini = stop)
{
    wg_node *x = fed("x"), *empty = wg_input(g, "empty", WG_F32, WG_SHAPE(0, 2));
    wg_node *total = wg_sum(empty, WG_ALL_AXES, 0);
    run(compile(g, WG_NODES(wg_size(x, WG_ALL_AXES), total), NULL)); /* a size alone, and no elements */
}

static void expect_no_tape(wg_node *y, const wg_options *o, const char *message)
{
    cr_expect_null(wg_compile(g, 1, &y, o));
    cr_expect_eq(wg_status(g), WG_EARG);
    cr_expect_str_eq(wg_message(g), message);
    wg_clear_error(g);
}

Test(tape_refused, bindings_that_fit_nothing, .init = start, .fini = stop)
{
    wg_node *y = wg_exp(fed("x"));
    expect_no_tape(y, &(wg_options){.bind = {{"batch", 3}}},
                   "compile: the graph has no dimension \"batch\" to bind; it has none");
    wg_node *z = wg_exp(wg_input(g, "z", WG_F32, WG_SHAPE(wg_dim(g, "batch"), wg_dim(g, "time"))));
    expect_no_tape(z, &(wg_options){.bind = {{"batch", 3}, {"tmie", 4}}},
                   "compile: the graph has no dimension \"tmie\" to bind; it has batch, time");
    expect_no_tape(z, &(wg_options){.bind = {{"batch", 3}, {"batch", 4}}},
                   "compile: dimension \"batch\" is bound to 3 and to 4");
    expect_no_tape(z, &(wg_options){.bind = {{"batch", -3}}}, "compile: dimension \"batch\" cannot be -3");
    /* A dimension of the graph, though not of this tape. */
    compile(g, WG_NODES(y), &(wg_options){.bind = {{"batch", 3}, {"batch", 3}}});
}

Test(tape_refused, a_weight_assigned_in_evaluation, .init = start, .fini = stop)
{
    wg_node *w = weights("w"), *h = weights("h"), *step = wg_assign(w, wg_shift(w, 1));
    const char *message = "compile: with .evaluate a tape may assign state alone, and w is a weight: leave the step "
                          "out, or see wg_set_role";
    expect_no_tape(step, &(wg_options){.evaluate = 1}, message);
    expect_no_tape(wg_group(1, &step), &(wg_options){.evaluate = 1}, message);
    cr_assert_eq(wg_set_role(h, WG_ROLE_STATE), WG_OK);
    wg_tape *t = compile(g, WG_NODES(wg_assign(h, wg_shift(h, 1))), &(wg_options){.evaluate = 1});
    run(t);
    cr_expect_eq(element(t, h, 0), 1, "state goes on in evaluation");
}

Test(tape_refused, roles_of_what_has_none, .init = start, .fini = stop)
{
    wg_node *x = fed("x");
    cr_expect_eq(wg_set_role(x, WG_ROLE_STATE), WG_EARG);
    cr_expect_str_eq(wg_message(g), "set_role: x[2] is no parameter");
    wg_clear_error(g);
    cr_expect_eq(wg_set_role(weights("w"), (wg_role)7), WG_EARG);
    cr_expect_str_eq(wg_message(g), "set_role: 7 is no role");
    cr_expect_eq(wg_set_role(NULL, WG_ROLE_STATE), WG_EARG);
    cr_expect_eq(wg_node_role(x), WG_ROLE_WEIGHT);
}

/* An elementwise operator with a function for f32 alone. */
static void copy_f32(int64_t n, void *y, const void *const x[], unsigned once, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) ((float *)y)[i] = ((const float *)x[0])[once ? 0 : i];
}
static wg_block *f32_alone(int n, const wg_dtype x[], wg_dtype y)
{
    return (void)y, n && x[0] == WG_F32 ? copy_f32 : NULL;
}
static const wg_op single = {.name = "single", .arity = 1, .infer = wg_infer_same, .block = f32_alone};

Test(tape_refused, a_dtype_that_an_operator_has_no_function_for, .init = start, .fini = stop)
{
    wg_node *x = fed("x"), *z = wg_input(g, "z", WG_F64, WG_SHAPE(2));
    wg_node *good = wg_exp(wg_apply(&single, 1, &x, NULL)), *bad = wg_exp(wg_apply(&single, 1, &z, NULL));
    compile(g, WG_NODES(good), NULL);
    cr_assert_null(wg_compile(g, WG_NODES(good, bad), NULL));
    cr_expect_eq(wg_status(g), WG_EDTYPE);
    cr_expect_str_eq(wg_message(g), "compile: single has no kernel for f64");
}
