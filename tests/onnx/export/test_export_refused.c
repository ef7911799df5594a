/* What cannot be written is refused with a reason, and leaves no file. */
#include "onnx/export/export_test.h"
#include "support/alloc.h"

TestSuite(onnx_export_refused, .timeout = 120);

#define ON_DISK(name) Test(onnx_export_refused, name, .init = open_folder, .fini = close_folder)

static void refuse(wg_graph *g, int n, wg_node *const out[], const wg_onnx_export_options *o, int status,
                   const char *why)
{
    int got = wg_onnx_export(g, n, out, path, o);
    cr_expect_eq(got, status, "%d: %s", got, wg_message(g));
    cr_expect(strstr(wg_message(g), "onnx_export: ") == wg_message(g), "%s", wg_message(g));
    cr_expect(strstr(wg_message(g), why), "%s: no %s", wg_message(g), why);
    cr_expect(!there(path));
    wg_clear_error(g);
}

static int cube_cpu(wg_call *c) { return (void)c, WG_OK; }

ON_DISK(an_operator_without_a_form_is_named)
{
    static const wg_op op_cube = {.name = "cube", .arity = 1, .infer = wg_infer_same, .cpu = cube_cpu},
                       op_bad = {.name = "bad", .arity = 1, .infer = wg_infer_same, .cpu = cube_cpu, .onnx = "Mul(x,"},
                       op_far = {.name = "far", .arity = 1, .infer = wg_infer_same, .cpu = cube_cpu, .onnx = "y"},
                       op_new = {.name = "new", .arity = 1, .infer = wg_infer_same, .cpu = cube_cpu, .onnx = "20:Gelu"};
    static const struct {
        const wg_op *op;
        const char  *why;
    } bad[] = {{&op_cube, "cube h[2]: the operator has no ONNX form"},
               {&op_bad, "bad h[2]: the form \"Mul(x,\" at place 6"},
               {&op_far, "far h[2]: the form \"y\": it has no such operand"},
               {&op_new, "new h[2]: no ONNX form for opset 13"}};
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(2));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wg_node *h = wg_named(wg_apply(bad[i].op, 1, &x, NULL), "h"), *y = wg_exp(h);
        refuse(g, 1, &y, NULL, WG_EARG, bad[i].why);
    }
    wg_graph_free(g);
}

ON_DISK(bad_calls_say_what_is_wrong)
{
    static const char *const twice[][2] = {{"a", "1"}, {"a", "2"}}, *const no_text[][2] = {{"a", "\xff"}};
    static float some[4];
    wg_graph    *g = wg_graph_new(), *other = wg_graph_new();
    wg_node     *x = wg_input(g, "x", WG_F32, WG_SHAPE(2)), *w = wg_param(g, "w", WG_F32, WG_SHAPE(2)), *y = wg_exp(x),
            *assign = wg_assign(w, x), *group = wg_group(1, &assign), *none = NULL,
            *far = wg_input(other, "x", WG_F32, WG_SHAPE(2));
    wg_node *huge = wg__const_borrow(g, WG_F32, &(wg_shape){1, {600000000}}, some);
    wg_node *lost = wg_fill(g, WG_F32, WG_SHAPE(wg_dim(g, "time")), 1);
    refuse(g, 0, NULL, NULL, WG_EARG, "no outputs");
    refuse(g, 1, &none, NULL, WG_EARG, "output 0 is NULL");
    refuse(g, 1, &far, NULL, WG_EARG, "another graph");
    refuse(g, 1, &assign, NULL, WG_EARG, "the assign");
    refuse(g, 1, &group, NULL, WG_EARG, "the group");
    refuse(g, 1, &y, &(wg_onnx_export_options){.opset = 8}, WG_EARG, "opset 8 is outside of 9..21");
    refuse(g, 1, &y, &(wg_onnx_export_options){.opset = 22}, WG_EARG, "opset 22");
    refuse(g, 1, &y, &(wg_onnx_export_options){.graph_name = ""}, WG_EARG, "name of the graph");
    refuse(g, 1, &y, &(wg_onnx_export_options){.doc = "\xc0"}, WG_EARG, "UTF-8");
    refuse(g, 1, &y, &(wg_onnx_export_options){.n_meta = 2, .meta = twice}, WG_EARG, "\"a\" twice");
    refuse(g, 1, &y, &(wg_onnx_export_options){.n_meta = 1, .meta = no_text}, WG_EARG, "\"a\"");
    refuse(g, 1, &y, &(wg_onnx_export_options){.external = -1}, WG_EARG, "external");
    refuse(g, 1, &huge, NULL, WG_EARG, "2 GiB");
    refuse(g, 1, &lost, NULL, WG_EARG, "\"time\"");
    cr_expect_eq(wg_onnx_export(NULL, 1, &y, path, NULL), WG_EARG);
    cr_expect_eq(wg_onnx_export(g, 1, &y, NULL, NULL), WG_EARG);
    wg_clear_error(g);
    cr_expect_eq(wg_onnx_export(g, 1, &y, "/nowhere/at/all.onnx", NULL), WG_EIO);
    cr_expect(strstr(wg_message(g), "/nowhere/at/all.onnx"), "%s", wg_message(g));
    wg_graph_free(g);
    wg_graph_free(other);
}

/* ---- Memory ---- */

static int export_failing_at(long n, wg_graph *g, wg_node *y)
{
    alloc_fail_at(n);
    int status = wg_onnx_export(g, 1, &y, path, &(wg_onnx_export_options){.external = 40});
    alloc_restore();
    return status;
}

ON_DISK(every_allocation_may_fail_and_leaves_no_file)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x, *y = wg_softmax(mlp(g, wg_dim(g, "batch"), &x), 1);
    int       n = 0, status;
    y = wg_concat(2, (wg_node *[]){y, wg_slice(y, 0, WG_SLICE_END, INT64_MIN, -1)}, 0);
    y = y ? wg_expand(wg_unsqueeze(y, 0), WG_SHAPE(2, wg_node_shape(y)->dim[0], 3)) : NULL;
    cr_assert_not_null(y, "%s", wg_message(g));
    while ((status = export_failing_at(n, g, y)) != WG_OK && n < 10000) {
        cr_assert_eq(status, WG_ENOMEM, "allocation %d: %d %s", n, status, wg_message(g));
        cr_assert(!there(path), "allocation %d", n);
        wg_clear_error(g);
        n++;
    }
    cr_assert(n > 20 && status == WG_OK, "%d", n);
    wg_graph_free(g);
}

/* TopK takes floats alone before opset 11, and a k of 1 or more before opset 10; ReduceMax takes no bytes before 12,
 * and no bools before 20, so that they go through i32. */
ON_DISK(what_old_opsets_do_not_take)
{
    wg_graph *g = wg_graph_new();
    wg_node  *i = wg_input(g, "i", WG_I64, WG_SHAPE(5)), *f = wg_input(g, "f", WG_F32, WG_SHAPE(5));
    wg_node  *whole = wg_top_k(i, 0, 2, 0), *none = wg_top_k(f, 0, 0, 0);
    refuse(g, 1, &whole, &(wg_onnx_export_options){.opset = 10}, WG_EARG, "need opset 11");
    refuse(g, 1, &none, &(wg_onnx_export_options){.opset = 9}, WG_EARG, "needs opset 10");
    for (int t = WG_U8; t <= WG_BOOL; t++) {
        wg_node *x = wg_input(g, t == WG_U8 ? "bytes" : "bools", (wg_dtype)t, WG_SHAPE(3, 4));
        wg_node *y = wg_max_with_index(x, WG_AXES(1), 0);
        int      casts = 0;
        cr_assert_eq(wg_onnx_export(g, 1, &y, path, &(wg_onnx_export_options){.opset = 11}), WG_OK, "%s",
                     wg_message(g));
        wg_onnx    *m = wg_onnx_read(path);
        const char *op;
        for (int k = 0; wg_onnx_node_at(m, k, &op, NULL); k++) casts += strcmp(op, "Cast") == 0;
        cr_expect_eq(casts, 2, "to i32 and back: %d", casts);
        wg_onnx_free(m);
        remove(path);
    }
    wg_graph_free(g);
}
