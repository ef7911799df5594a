/* What a model is refused for, by the file as a whole and by its nodes; what a refusal leaves behind. */
#include <criterion/criterion.h>

#include "onnx/import/import_impl.h"
#include "onnx/import/rows_test.h"

enum { F32 = WG__ONNX_FLOAT, I64 = WG__ONNX_INT64, F16 = 10 };

static struct onnx with_nodes(int opset)
{
    struct onnx m = onnx_begin(opset);
    onnx_input(&m, "x", F32, "2");
    return m;
}

Test(onnx_refused, everything_unsupported_is_in_one_message)
{
    wg_graph   *g = wg_graph_new();
    struct onnx m = onnx_begin(13);
    onnx_input(&m, "x", F32, "2");
    onnx_input(&m, "half", F16, "2");
    onnx_node(&m, "Frobnicate", "x", "a", "");
    onnx_node(&m, "Exp", "a", "b", "");
    onnx_node(&m, "Frobnicate", "x", "c", "");
    onnx_node(&m, "Tanh", "x", "d", "speed=3");
    onnx_node(&m, "Gelu", "x", "e", "");
    onnx_node(&m, "Range", "x,x,x", "f", "");
    onnx_node(&m, "Add", "half,x", "y", "");
    for (const char *out = "bcdefy"; *out; out++) onnx_output(&m, (char[]){*out, 0}, F32, "2");
    wg_onnx *r = import_into(&m, g, NULL);
    cr_expect_eq(wg_onnx_status(r), WG_EARG);
    cr_expect_str_eq(wg_onnx_message(r), "input 'half': float16 tensors\n"
                                         "Frobnicate (opset 13) node 'a' and 1 more: no such operator here\n"
                                         "Tanh (opset 13) node 'd': attribute 'speed'\n"
                                         "Gelu (opset 13) node 'e': is understood from opset 20 on\n"
                                         "Range (opset 13) node 'f': start has to be known when the model is loaded: "
                                         "give its value to the import");
    cr_expect_eq(wg_onnx_input_count(r), 0);
    cr_expect_eq(wg_onnx_output_count(r), 0);
    cr_expect_null(wg_onnx_output(r, 0));
    cr_expect_eq(wg_status(g), WG_OK, "the graph can go on");
    wg_onnx_free(r);
    wg_graph_free(g);
    onnx_free(&m);
}

Test(onnx_refused, an_error_of_a_builder_names_the_node)
{
    struct onnx m = onnx_begin(13);
    onnx_input(&m, "x", F32, "2,3");
    onnx_input(&m, "y", F32, "4");
    onnx_node(&m, "Add", "x,y", "z", "");
    onnx_output(&m, "z", F32, NULL);
    net_refused(&m, WG_ESHAPE, "Add (opset 13) node 'z': add(x[2,3], y[4]): cannot broadcast 3 with 4");
}

Test(onnx_refused, names_are_made_once_and_before_their_use)
{
    struct onnx m = with_nodes(13);
    onnx_node(&m, "Add", "x,b", "a", "");
    onnx_node(&m, "Exp", "a", "b", "");
    onnx_output(&m, "b", F32, "2");
    net_refused(&m, WG_EFORMAT, "Add (opset 13) node 'a': input 'b' is made by a later node");

    m = with_nodes(13);
    onnx_node(&m, "Exp", "y", "a", "");
    onnx_output(&m, "a", F32, "2");
    net_refused(&m, WG_EFORMAT, "input 'y' is made by nothing");

    m = with_nodes(13);
    onnx_node(&m, "Exp", "x", "x", "");
    onnx_output(&m, "x", F32, "2");
    net_refused(&m, WG_EFORMAT, "output 'x' is there already");

    m = with_nodes(13);
    onnx_output(&m, "y", F32, "2");
    net_refused(&m, WG_EFORMAT, "output 'y': nothing makes it");

    m = with_nodes(13);
    onnx_input(&m, "x", F32, "3");
    onnx_output(&m, "x", F32, "2");
    net_refused(&m, WG_EFORMAT, "input 'x': two of that name");

    m = with_nodes(13);
    onnx_ints(&m, "i", "[1]");
    onnx_ints(&m, "i", "[2]");
    onnx_output(&m, "i", I64, "1");
    net_refused(&m, WG_EFORMAT, "initialiser 'i': two of that name");
}

Test(onnx_refused, inputs_have_a_shape_and_opsets_an_end)
{
    struct onnx m = onnx_begin(WG__HIGHEST_OPSET + 1);
    onnx_input(&m, "x", F32, "2");
    onnx_node(&m, "Relu", "x", "y", "");
    onnx_output(&m, "y", F32, "2");
    net_refused(&m, WG_EARG, "Relu (opset 29) node 'y': is understood up to opset 28");

    m = onnx_begin(13);
    onnx_input(&m, "x", F32, NULL);
    onnx_output(&m, "x", F32, NULL);
    net_refused(&m, WG_EARG, "input 'x': it has no shape");

    m = onnx_begin(13);
    onnx_input(&m, "x", F32, "1,1,1,1,1,1,1,1,1");
    onnx_output(&m, "x", F32, NULL);
    net_refused(&m, WG_EARG, "input 'x': rank 9, over 8");

    m = onnx_begin(13);
    onnx_input(&m, "x", F32, "-2");
    onnx_output(&m, "x", F32, NULL);
    net_refused(&m, WG_EFORMAT, "input 'x': dimension 0 is -2");
}

Test(onnx_refused, inputs_are_as_many_as_the_operator_has)
{
    static const struct {
        const char *op, *inputs, *message;
    } wrong[] = {
        {"Add", ",x", "an input that it needs is left out"}, {"Add", "x,", "number of inputs: 1, not 2"},
        {"Add", "x,x,x", "number of inputs: 3, not 2"},      {"Relu", "x,x", "number of inputs: 2, not 1"},
        {"Constant", "x", "number of inputs: 1, not 0"},     {"Clip", "x,x,x,x", "number of inputs: 4, not 1-3"},
        {"Sum", "", "number of inputs: 0, not 1-*"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct onnx m = with_nodes(13);
        onnx_node(&m, wrong[i].op, wrong[i].inputs, "y", "");
        onnx_output(&m, "y", F32, "2");
        net_refused(&m, WG_EFORMAT, wrong[i].message);
    }
}

/* Rows are written by hand: "2", "1-3", "1-*". */
Test(onnx_refused, each_row_says_how_many)
{
    const char *op;
    int         since, later;
    for (int i = 0; wg_onnx_operator(i, &op, &since); i++)
        for (int opset = since; opset <= WG__HIGHEST_OPSET; opset++) {
            const char *a = wg__row_find(op, opset, &later)->arity;
            bool        one = strlen(a) == 1, range = strlen(a) == 3 && a[1] == '-' && (a[2] == '*' || a[2] > a[0]);
            cr_expect((one || range) && a[0] >= '0' && a[0] <= '9', "%s-%d: %s", op, opset, a);
        }
}

Test(onnx_refused, outputs_are_there_and_are_made)
{
    struct onnx m = with_nodes(13);
    onnx_node(&m, "Relu", "x", "y,z", "");
    onnx_output(&m, "y", F32, "2");
    net_refused(&m, WG_EARG, "output 1 ('z')");
}

/* What the file shows by itself costs the graph nothing: a better file may follow. */
Test(onnx_refused, a_file_that_is_refused_leaves_no_parameters)
{
    static const float w[] = {1, 2};
    wg_graph          *g = wg_graph_new();
    for (int good = 0; good < 2; good++) {
        struct onnx m = with_nodes(13);
        onnx_init(&m, "w", F32, "2,1", w);
        onnx_node(&m, "MatMul", "x,w", "y", "");
        onnx_node(&m, good ? "Relu" : "Frobnicate", "y", "z", "");
        onnx_output(&m, "z", F32, NULL);
        wg_onnx *r = import_into(&m, g, NULL);
        cr_expect_eq(wg_onnx_status(r), good ? WG_OK : WG_EARG, "%s", wg_onnx_message(r));
        cr_expect_eq(wg_param_count(g), good);
        wg_onnx_free(r);
        onnx_free(&m);
    }
    wg_graph_free(g);
}

Test(onnx_refused, once_for_a_model_and_into_a_graph_without_errors)
{
    wg_graph   *g = wg_graph_new();
    struct onnx m = with_nodes(13);
    onnx_output(&m, "x", F32, "2");
    wg_onnx *r = wg_onnx_parse(onnx_end(&m), m.b.n);
    wg_dim(g, "");
    cr_expect_eq(wg_onnx_import(r, g, NULL), WG_EARG);
    cr_expect(strstr(wg_onnx_message(r), "the graph has an error: dim:"));
    wg_onnx_free(r);
    wg_clear_error(g);
    r = wg_onnx_parse(m.b.at, m.b.n);
    cr_expect_eq(wg_onnx_import(r, NULL, NULL), WG_EARG);
    wg_onnx_free(r);
    r = wg_onnx_parse(m.b.at, m.b.n);
    cr_expect_eq(wg_onnx_import(r, g, NULL), WG_OK);
    cr_expect_eq(wg_onnx_output(r, 0), wg_onnx_input(r, 0), "an output may be an input");
    cr_expect_str_eq(wg_onnx_input_name(r, 0), "x");
    cr_expect_str_eq(wg_onnx_output_name(r, 0), "x");
    cr_expect_null(wg_onnx_input_name(r, 1));
    cr_expect_eq(wg_onnx_import(r, g, NULL), WG_EARG);
    wg_onnx_free(r);
    wg_graph_free(g);
    onnx_free(&m);
}
