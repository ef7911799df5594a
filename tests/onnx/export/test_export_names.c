/* Names in a file: each value has one of its own, and what a program named keeps it. */
#include "onnx/export/export_test.h"

TestSuite(onnx_export_names, .timeout = 60);

#define ON_DISK(name) Test(onnx_export_names, name, .init = open_folder, .fini = close_folder)

ON_DISK(names_that_clash_are_told_apart)
{
    wg_graph *g = wg_graph_new();
    wg_node  *a = wg_input(g, "x", WG_F32, WG_SHAPE(2)), *b = wg_input(g, "x", WG_F32, WG_SHAPE(2));
    wg_node  *p = wg_param(g, "x_2", WG_F32, WG_SHAPE(2)), *bad = wg_named(wg_exp(a), "\xff\xc0z");
    wg_node  *y = wg_named(wg_add(wg_mul(bad, p), b), "x");
    export_at(g, y, NULL);
    struct back r = read_back("clash");
    cr_expect_str_eq(wg_onnx_input_name(r.m, 0), "x");
    cr_expect_str_eq(wg_onnx_input_name(r.m, 1), "x_2");
    cr_expect_str_eq(wg_onnx_output_name(r.m, 0), "x_3");
    free_back(r);
    wg_graph_free(g);
}

/* A name that is made up gives way, whatever comes first in the graph. */
ON_DISK(names_of_the_program_are_not_taken_by_others)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, NULL, WG_F32, WG_SHAPE(2, 3));
    wg_node  *moved = wg_add(wg_exp(x), wg_const(g, WG_F32, WG_SHAPE(3), (float[]){1, 2, 3}));
    wg_node  *again = wg_mul(wg_named(wg_exp(wg_mul(moved, moved)), "exp_1"), moved);
    wg_node  *y = wg_matmul(again, wg_param(g, "const_1", WG_F32, WG_SHAPE(3, 4)));
    export_at(g, wg_add(y, wg_param(g, "mul_1", WG_F32, WG_SHAPE(4))), NULL);
    struct back r = read_back("given");
    const char *op, *name;
    cr_expect(wg_param_find(r.g, "const_1") && wg_param_find(r.g, "mul_1"));
    for (int i = 0, exp = 0; wg_onnx_node_at(r.m, i, &op, &name); i++)
        if (strcmp(op, "Exp") == 0) cr_expect_str_eq(name, exp++ ? "exp_1" : "exp_2");
    free_back(r);
    wg_graph_free(g);
}

/* An empty name is none: in a node it would be an input that is left out. */
ON_DISK(empty_names_are_no_names)
{
    wg_graph   *g = wg_graph_new();
    wg_node    *x = wg_input(g, "", WG_F32, WG_SHAPE(2)), *one = wg_const(g, WG_F32, WG_SHAPE(2), (float[]){1, 1});
    wg_node    *y = wg_named(wg_mul(wg_named(wg_add(x, wg_named(one, "")), ""), x), "");
    const char *op, *name;
    export_at(g, y, NULL);
    struct back r = read_back("empty");
    cr_expect_str_eq(wg_onnx_input_name(r.m, 0), "input");
    cr_expect_str_eq(wg_onnx_output_name(r.m, 0), "output");
    for (int i = 0; wg_onnx_node_at(r.m, i, &op, &name); i++) cr_expect(*name, "%d", i);
    free_back(r);
    wg_graph_free(g);
}

ON_DISK(names_may_be_long)
{
    char *wanted = calloc(1, 100001);
    memset(wanted, 'n', 100000);
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, wanted, WG_F32, WG_SHAPE(2)), *y = wg_named(wg_exp(x), wanted);
    export_at(g, y, NULL);
    struct back r = read_back("long");
    cr_expect_str_eq(wg_onnx_input_name(r.m, 0), wanted);
    cr_expect_eq(strlen(wg_onnx_output_name(r.m, 0)), 100002);
    free_back(r);
    wg_graph_free(g);
    free(wanted);
}

/* ---- Symbolic dimensions ---- */

static void expect_two_sizes(wg_graph *g, int64_t a, int64_t b)
{
    char     one[1100], two[1100];
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(a)), *y = wg_input(g, "y", WG_F32, WG_SHAPE(b));
    export_at(g, wg_concat(2, (wg_node *[]){x, y}, 0), NULL);
    struct back r = read_back("symbols");
    wg_dim_name(r.g, wg_node_shape(wg_onnx_input(r.m, 0))->dim[0], one, sizeof one);
    wg_dim_name(r.g, wg_node_shape(wg_onnx_input(r.m, 1))->dim[0], two, sizeof two);
    cr_expect_str_neq(one, two);
    free_back(r);
    wg_graph_free(g);
}

/* What differs far behind, or in bytes that no file may hold, or between a symbol and an expression. */
ON_DISK(other_symbols_have_other_names)
{
    char text[600];
    memset(text, 's', sizeof text);
    text[599] = 0;
    for (int kind = 0; kind < 3; kind++) {
        wg_graph *g = wg_graph_new();
        text[598] = 'a';
        int64_t a = wg_dim(g, kind == 0 ? text : kind == 1 ? "n\xff" : "2*n"), b, sum;
        text[598] = 'b';
        b = wg_dim(g, kind == 0 ? text : kind == 1 ? "n\xfe" : "n");
        cr_assert_eq(wg_dim_add(&(wg_infer){.g = g}, b, b, &sum), WG_OK);
        expect_two_sizes(g, a, kind == 2 ? sum : b);
    }
    wg_graph *g = wg_graph_new();
    int64_t   n = wg_dim(g, text), m = wg_dim(g, text + 1), twice, double_m;
    cr_assert(!wg_dim_add(&(wg_infer){.g = g}, n, n, &twice) && !wg_dim_add(&(wg_infer){.g = g}, m, m, &double_m));
    expect_two_sizes(g, twice, double_m);
}
