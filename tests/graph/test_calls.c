/* A message names the call that the user made, also where the function is
 * composed of operators: every builder of graph.h, tape.h, layer.h and train.h is handed a node
 * that has no value, and its own name has to come first. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "ops/ops_impl.h"
#include <wengert/train.h>

static wg_graph *g;
static wg_node  *a; /* an assignment */
static char      tried[4096];

static void start(void)
{
    g = wg_graph_new();
    wg_node *p = wg_param(g, "p", WG_F32, WG_SHAPE(2, 3));
    a = wg_assign(p, p);
    *tried = 0;
}
static void stop(void) { wg_graph_free(g); }

static void expect_named(const char *name, const wg_node *y)
{
    size_t n = strlen(name);
    cr_expect_null(y, "%s takes an assignment", name);
    const char *m = wg_message(g);
    cr_expect(strncmp(m, name, n) == 0 && (m[n] == '(' || m[n] == ':'), "%s says: %s", name, m);
    snprintf(tried + strlen(tried), sizeof tried - strlen(tried), " %s ", name);
    wg_clear_error(g);
}
#define TRY(name, ...) expect_named(#name, wg_##name(__VA_ARGS__))

static void try_elementwise(void)
{
#define U(name, ...) TRY(name, a);
#define UA(name, f, dx, dtypes, domain, onnx, param, doc) TRY(name, a, 0.5);
#include "ops/unary.def"
#undef U
#undef UA
#define B(name, ...) TRY(name, a, a);
#define C(name, ...) TRY(name, a, a);
#define L(name, ...) TRY(name, a, a);
#include "ops/binary.def"
#undef B
#undef C
#undef L
    TRY(not, a);
    TRY(where, a, a, a);
    TRY(cast, a, WG_F64);
    TRY(scale, a, 2);
    TRY(shift, a, 2);
    TRY(one_minus, a);
    TRY(clip, a, 0, 1);
}

static void try_structured(void)
{
    const int64_t one[] = {1, 1};
    TRY(sum, a, WG_ALL_AXES, 0);
    TRY(mean, a, WG_ALL_AXES, 0);
    TRY(max, a, WG_ALL_AXES, 0);
    TRY(min, a, WG_ALL_AXES, 0);
    TRY(prod, a, WG_ALL_AXES, 0);
    TRY(logsumexp, a, WG_ALL_AXES, 0);
    TRY(argmax, a, 0, 0);
    TRY(max_with_index, a, WG_ALL_AXES, 0);
    TRY(top_k, a, 0, 1, 0);
    TRY(moments, a, WG_ALL_AXES, 0);
    TRY(split, a, 0, 1, NULL);
    TRY(size, a, WG_ALL_AXES);
    TRY(sum_to, a, WG_SHAPE(3));
    TRY(matmul, a, a);
    TRY(reshape, a, WG_SHAPE(6));
    TRY(transpose, a, WG_ALL_AXES);
    TRY(expand, a, WG_SHAPE(4, 2, 3));
    TRY(squeeze, a, 0);
    TRY(unsqueeze, a, 0);
    TRY(slice, a, 0, 0, 1, 1);
    TRY(concat, 2, (wg_node *[]){a, a}, 0);
    TRY(pad, a, one, one, 0);
    TRY(gather, a, a, 0);
    TRY(one_hot, a, 3, WG_F32);
    TRY(softmax, a, 0);
    TRY(log_softmax, a, 0);
    TRY(softmax_cross_entropy, a, a);
    TRY(sigmoid_cross_entropy, a, a);
    TRY(sigmoid_cross_entropy_each, a, a);
    TRY(mse, a, a);
    TRY(dropout, a, 0.5);
    expect_named("matmul", wg_matmul_t(a, a, 1, 0));
    strcat(tried, " matmul_t ");
}

static void expect_layer_named(const char *name, const wg_layer *l)
{
    cr_expect_null(l);
    expect_named(name, NULL);
}

static void try_layers(void)
{
    wg_layer *l = wg_activation_layer_new(g, WG_ACT_RELU), *none = NULL;
    TRY(layer_apply, l, a);
    expect_named("layer_apply_to", wg_layer_apply_to(l, 2, (wg_node *[]){a, a}));
    TRY(layer_param, l, "w", WG_F32, WG_SCALAR, NULL);
    expect_layer_named("dense_layer_new", wg_dense_layer_new(g, WG_F32, 3, 0, "fc", NULL));
    expect_layer_named("activation_layer_new", wg_activation_layer_new(g, (enum wg_activation)9));
    expect_layer_named("dropout_layer_new", wg_dropout_layer_new(g, 1));
    expect_layer_named("sequence_new", wg_sequence_new(g, 1, &none));
    expect_layer_named("layer_new", wg_layer_new(g, NULL, "l", NULL));
}

static void try_others(void)
{
    wg_node *d;
    TRY(jvp, a, 1, &a, &a);
    TRY(result, a, 1);
    TRY(assign, a, a);
    TRY(fill, g, WG_F32, WG_SHAPE(-7), 0);
    TRY(uniform, g, WG_F32, WG_SHAPE(-7), 0, 1);
    TRY(normal, g, WG_F32, WG_SHAPE(-7), 0, 1);
    TRY(input, g, "x", WG_F32, WG_SHAPE(-7));
    TRY(param, g, "q", WG_F32, WG_SHAPE(-7));
    TRY(const, g, WG_F32, WG_SHAPE(-7), "");
    TRY(dense, a, 0, "fc");
    expect_named("dense", wg_dense_with(a, 2, "fc", &(wg_dense_options){.activation = (enum wg_activation)9}));
    TRY(l1_penalty, 1, &a);
    TRY(l2_penalty, 1, &a);
    TRY(minimize, a, NULL);
    TRY(minimize_over, a, 1, &a, NULL);
    TRY(minimize_groups, a, 1, &(wg_param_group){.pattern = "*"});
    cr_expect_eq(wg_grad(a, 1, &a, &d), WG_EARG);
    expect_named("grad", NULL);
    cr_expect_eq(wg_vjp(a, a, 1, &a, &d), WG_EARG);
    expect_named("vjp", NULL);
    try_layers();
}

/* What builds nothing, or takes whatever it is given. */
static const char *const no_builders = " scalar lit named watch param_find param_at node_operand group dense_with"
                                       " matmul_t layer_apply_to layer_find apply training with_update updates ";

/* Each "wg_node *wg_name(" of a header has been tried. */
static void expect_all_tried(const char *path)
{
    char  line[400], name[64], word[80];
    int   found = 0;
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "%s: tests run in the root of the tree", path);
    while (fgets(line, sizeof line, f)) {
        const char *at = strstr(line, "WG_API wg_node *wg_");
        if (!at || sscanf(at, "WG_API wg_node *wg_%63[a-z0-9_](", name) != 1) continue;
        snprintf(word, sizeof word, " %s ", name);
        cr_expect(strstr(tried, word) || strstr(no_builders, word), "%s: wg_%s is not tried here", path, name);
        found++;
    }
    fclose(f);
    cr_expect_geq(found, 5);
}

Test(graph_calls, a_message_begins_with_the_call_that_was_made, .init = start, .fini = stop)
{
    try_elementwise();
    try_structured();
    try_others();
    expect_all_tried("include/graph.h");
    expect_all_tried("include/layer.h");
    expect_all_tried("include/train.h");
}

Test(graph_calls, the_outermost_of_nested_builders, .init = start, .fini = stop)
{
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(2));
    cr_expect_null(wg_mean(x, WG_AXES(5), 0));
    cr_expect_str_eq(wg_message(g), "mean(x[2]): axis 5 is outside of rank 1");
    wg_clear_error(g);
    cr_expect_null(wg_exp(wg_input(g, "i", WG_I32, WG_SCALAR)));
    cr_expect(strncmp(wg_message(g), "exp(", 4) == 0, "a call after a failed one has its own name: %s", wg_message(g));
}

Test(graph_calls, on_what_is_no_parameter, .init = start, .fini = stop)
{
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(2)), *p = wg_param_at(g, 0);
    cr_expect_eq(wg_param_set(x, &(double){0}), WG_EARG);
    cr_expect_str_eq(wg_message(g), "param_set: x[2] is no parameter");
    wg_clear_error(g);
    cr_expect_eq(wg_param_get(p, NULL), WG_EARG);
    cr_expect_str_eq(wg_message(g), "param_get: p: data is NULL");
    cr_expect_eq(wg_param_set(wg_param_find(g, "mistyped"), &(float){0}), WG_EARG);
}
