/* Importing a whole model: which of its values become parameters, how shape arithmetic is folded, and memory that runs
 * short. */
#include <criterion/criterion.h>

#include "onnx/import/import_impl.h"
#include "onnx/import/rows_test.h"
#include "support/alloc.h"

TestSuite(onnx_import, .timeout = 120);

enum { F32 = WG__ONNX_FLOAT, I64 = WG__ONNX_INT64 };

/* ---- Parameters ---- */

/* y = relu(x W + b) v^T (transposed first), + 1; scaled by a number. */
static struct onnx two_layers(void)
{
    static const float w[] = {1, 2, 3, 4, 5, 6}, b[] = {1, -1}, v[] = {1, 2}, one[] = {1};
    struct onnx        m = onnx_begin(13);
    onnx_input(&m, "x", F32, "n,3");
    onnx_init(&m, "w", F32, "3,2", w);
    onnx_init(&m, "b", F32, "2", b);
    onnx_init(&m, "v", F32, "1,2", v);
    onnx_init(&m, "one", F32, "", one);
    onnx_init(&m, "table", F32, "1,2", v);
    onnx_init(&m, "unused", F32, "1,2", v);
    onnx_node(&m, "Gemm", "x,w,b", "h", "");
    onnx_node(&m, "Add", "h,table", "i", "");
    onnx_node(&m, "Transpose", "v", "vt", "perm=[1,0]");
    onnx_node(&m, "MatMul", "i,vt", "z", "");
    onnx_node(&m, "Mul", "z,one", "y", "");
    onnx_output(&m, "y", F32, "n,1");
    return m;
}

static void expect_params(const wg_graph *g, int n, const char *const name[])
{
    cr_assert_eq(wg_param_count(g), n, "%d parameters", wg_param_count(g));
    for (int i = 0; i < n; i++) cr_expect_not_null(wg_param_find(g, name[i]), "%s", name[i]);
}

Test(onnx_import, weights_become_parameters_and_other_initialisers_do_not)
{
    float       w[6];
    struct onnx m = two_layers();
    struct net  n = net_import(&m, NULL);
    expect_params(n.g, 3, (const char *const[]){"w", "b", "v"});
    cr_expect_eq(wg_param_get(wg_param_find(n.g, "w"), w), WG_OK);
    cr_expect_eq(w[5], 6);
    net_run(&n, 2, (const double *[]){(double[]){1, 0, 0, 0, 1, 1}});
    net_expect(&n, 0, "[2,1]", (double[]){2 + 1 + 2 * (2 - 1 + 2), 8 + 1 + 1 + 2 * (10 - 1 + 2)});
    net_free(&n);
}

Test(onnx_import, an_option_keeps_all_of_them_constants)
{
    struct onnx m = two_layers();
    struct net  n = net_import(&m, &(wg_onnx_import_options){.constants = 1});
    expect_params(n.g, 0, NULL);
    net_run(&n, 1, (const double *[]){(double[]){1, 0, 0}});
    net_expect(&n, 0, "[1,1]", (double[]){9});
    net_free(&n);
}

Test(onnx_import, with_prefixes_one_graph_holds_two_models)
{
    wg_graph   *g = wg_graph_new();
    struct onnx m = two_layers();
    wg_onnx    *a = import_into(&m, g, &(wg_onnx_import_options){.prefix = "a."});
    wg_onnx    *b = wg_onnx_parse(m.b.at, m.b.n), *again = wg_onnx_parse(m.b.at, m.b.n);
    cr_assert_eq(wg_onnx_status(a), WG_OK, "%s", wg_onnx_message(a));
    cr_assert_eq(wg_onnx_import(b, g, &(wg_onnx_import_options){.prefix = "b."}), WG_OK, "%s", wg_onnx_message(b));
    expect_params(g, 6, (const char *const[]){"a.w", "a.b", "a.v", "b.w", "b.b", "b.v"});
    cr_expect_eq(wg_onnx_import(again, g, &(wg_onnx_import_options){.prefix = "b."}), WG_EARG);
    cr_expect(strstr(wg_onnx_message(again), "there is a parameter b.w already"), "%s", wg_onnx_message(again));
    wg_onnx_free(a);
    wg_onnx_free(b);
    wg_onnx_free(again);
    wg_graph_free(g);
    onnx_free(&m);
}

/* Models before IR 4 list every initialiser as an input too. */
Test(onnx_import, an_input_with_an_initialiser_is_none)
{
    static const float w[] = {2, 3};
    struct onnx        m = onnx_begin(8);
    onnx_input(&m, "w", F32, "2");
    onnx_input(&m, "x", F32, "2");
    onnx_init(&m, "w", F32, "2", w);
    onnx_node(&m, "Sub", "x,w", "y", "");
    onnx_output(&m, "y", F32, "2");
    onnx_output(&m, "w", F32, "2");
    struct net n = net_import(&m, NULL);
    cr_assert_eq(n.n_in, 1);
    net_run(&n, 1, (const double *[]){(double[]){5, 5}});
    net_expect(&n, 0, "[2]", (double[]){3, 2});
    net_expect(&n, 1, "[2]", (double[]){2, 3});
    net_free(&n);
}

/* ---- Shapes ---- */

Test(onnx_import, symbols_keep_their_names_or_are_named_after_their_place)
{
    char        text[64];
    struct onnx m = onnx_begin(13);
    onnx_input(&m, "x", F32, "n,?,3");
    onnx_output(&m, "x", F32, NULL);
    struct net n = net_import(&m, NULL);
    cr_expect_str_eq(wg__shape_str(n.g, wg_node_shape(n.in[0]), text, sizeof text), "[n,x.1,3]");
    cr_expect_eq(wg_node_shape(n.in[0])->dim[0], wg_dim(n.g, "n"));
    net_free(&n);
}

/* Flattening as PyTorch writes it: Shape, Gather, Unsqueeze, Concat, Reshape. */
Test(onnx_import, a_chain_of_shapes_folds_for_every_batch)
{
    static const double x[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    char                text[64];
    struct onnx         m = onnx_begin(13);
    onnx_input(&m, "x", F32, "n,2,3");
    onnx_ints(&m, "zero", "0");
    onnx_ints(&m, "axis", "[0]");
    onnx_ints(&m, "rest", "[-1]");
    onnx_node(&m, "Shape", "x", "s", "");
    onnx_node(&m, "Gather", "s,zero", "b", "axis=0");
    onnx_node(&m, "Unsqueeze", "b,axis", "u", "");
    onnx_node(&m, "Concat", "u,rest", "t", "axis=0");
    onnx_node(&m, "Reshape", "x,t", "y", "");
    onnx_node(&m, "Add", "b,b", "twice", "");
    onnx_output(&m, "y", F32, "n,6");
    onnx_output(&m, "s", I64, "3");
    onnx_output(&m, "twice", I64, "");
    struct net n = net_import(&m, NULL);
    cr_expect_str_eq(wg__shape_str(n.g, wg_node_shape(n.out[0]), text, sizeof text), "[n,6]");
    for (int64_t batch = 1; batch <= 2; batch++) {
        net_run(&n, batch, (const double *[]){x});
        net_expect(&n, 0, batch == 1 ? "[1,6]" : "[2,6]", x);
        net_expect(&n, 1, "[3]", (double[]){(double)batch, 2, 3});
        net_expect(&n, 2, "[]", (double[]){2 * (double)batch});
    }
    net_free(&n);
}

/* Expanding as PyTorch writes it: where(s == -1, ones, s) for a shape s with a -1. */
Test(onnx_import, a_choice_between_shapes_folds)
{
    struct onnx m = onnx_begin(13);
    onnx_input(&m, "x", F32, "n,1");
    onnx_ints(&m, "zero", "[0]");
    onnx_ints(&m, "three", "[3]");
    onnx_ints(&m, "rank", "[2]");
    onnx_ints(&m, "minus", "[-1]");
    onnx_node(&m, "Shape", "x", "s", "");
    onnx_node(&m, "Gather", "s,zero", "b", "axis=0");
    onnx_node(&m, "Concat", "b,three", "t", "axis=0");
    onnx_node(&m, "ConstantOfShape", "rank", "zeros", "");
    onnx_node(&m, "Cast", "zeros", "noughts", "to=7");
    onnx_node(&m, "Shape", "t", "two", "");
    onnx_node(&m, "Range", "none,limit,step", "unused", "");
    onnx_node(&m, "Equal", "t,minus", "open", "");
    onnx_node(&m, "Where", "open,minus,t", "to", "");
    onnx_node(&m, "Expand", "x,to", "y", "");
    onnx_ints(&m, "none", "0");
    onnx_ints(&m, "limit", "5");
    onnx_ints(&m, "step", "2");
    onnx_output(&m, "y", F32, "n,3");
    onnx_output(&m, "unused", I64, "3");
    struct net n = net_import(&m, NULL);
    net_run(&n, 2, (const double *[]){(double[]){4, 5}});
    net_expect(&n, 0, "[2,3]", (double[]){4, 4, 4, 5, 5, 5});
    net_expect(&n, 1, "[3]", (double[]){0, 2, 4});
    net_free(&n);
}

/* What a file asks for in a few bytes is not what it gets. */
Test(onnx_import, a_bomb_does_not_go_off)
{
    struct onnx m = onnx_begin(13);
    onnx_ints(&m, "shape", "[1048576,1048576]");
    onnx_node(&m, "ConstantOfShape", "shape", "big", "");
    onnx_output(&m, "big", F32, NULL);
    struct net n = net_import(&m, NULL);
    cr_expect_eq(wg_count(wg_node_shape(n.out[0])), (int64_t)1 << 40);
    net_free(&n);

    m = onnx_begin(13);
    onnx_ints(&m, "zero", "0");
    onnx_ints(&m, "one", "1");
    onnx_ints(&m, "end", "9223372036854775807");
    onnx_node(&m, "Range", "zero,end,one", "y", "");
    onnx_output(&m, "y", I64, NULL);
    net_refused(&m, WG_EARG, "numbers, over 16777216");
}

/* ---- Before opset 7 ---- */

Test(onnx_import, old_broadcasting_starts_at_an_axis)
{
    static const float y[] = {10, 20};
    struct onnx        m = onnx_begin(6);
    onnx_input(&m, "x", F32, "1,2,3");
    onnx_init(&m, "y", F32, "2", y);
    onnx_node(&m, "Add", "x,y", "z", "broadcast=1 axis=1");
    onnx_output(&m, "z", F32, "1,2,3");
    struct net n = net_import(&m, NULL);
    net_run(&n, 1, (const double *[]){(double[]){0, 1, 2, 3, 4, 5}});
    net_expect(&n, 0, "[1,2,3]", (double[]){10, 11, 12, 23, 24, 25});
    net_free(&n);
    m = onnx_begin(7);
    onnx_input(&m, "x", F32, "2");
    onnx_node(&m, "Add", "x,x", "z", "broadcast=1");
    onnx_output(&m, "z", F32, "2");
    net_refused(&m, WG_EARG, "Add (opset 7) node 'z': attribute 'broadcast'");
}

/* ---- Operators ---- */

Test(onnx_import, each_operator_is_listed_once)
{
    const char *name, *other;
    int         since, n = 0;
    for (; wg_onnx_operator(n, &name, &since); n++) {
        cr_expect(since >= 1 && since <= WG__HIGHEST_OPSET);
        for (int i = 0; i < n; i++)
            cr_expect(wg_onnx_operator(i, &other, NULL) && strcmp(name, other) != 0, "%s", name);
    }
    cr_expect_gt(n, 60);
    cr_expect_eq(wg_onnx_operator(-1, &name, &since), 0);
}

/* ---- Memory ---- */

static int failing_at(const struct onnx *m, long n, bool once)
{
    (once ? alloc_fail_once_at : alloc_fail_at)(n);
    wg_graph *g = wg_graph_new();
    wg_onnx  *r = wg_onnx_parse(m->b.at, m->b.n);
    int       status = g && r ? wg_onnx_import(r, g, &(wg_onnx_import_options){.prefix = "p."}) : WG_ENOMEM;
    alloc_restore();
    if (r) cr_expect_eq(wg_onnx_status(r), status == WG_OK || g ? status : WG_OK);
    if (g && r) cr_expect_eq(!*wg_onnx_message(r), status == WG_OK);
    if (g) cr_expect_eq(wg_status(g), WG_OK);
    wg_onnx_free(r);
    wg_graph_free(g);
    return status;
}

Test(onnx_import, every_allocation_may_fail)
{
    struct onnx m = two_layers();
    onnx_node(&m, "Shape", "y", "shape", "");
    onnx_node(&m, "Identity", "shape", "same", "");
    onnx_output(&m, "same", I64, "2");
    onnx_end(&m);
    for (int once = 0; once < 2; once++) {
        int n = 0, status;
        while ((status = failing_at(&m, n, once)) != WG_OK && n < 10000) {
            cr_assert_eq(status, WG_ENOMEM, "allocation %d: %s", n, wg_strerror(status));
            n++;
        }
        cr_assert_eq(status, WG_OK);
        cr_expect_gt(n, 12, "only %d allocations", n);
    }
    onnx_free(&m);
}
