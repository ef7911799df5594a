/* Sizes: symbols that turn out equal, sizes and values that are known to the import, and open ends of symbolic axes. */
#include <criterion/criterion.h>

#include "onnx/import/import_impl.h"
#include "onnx/import/rows_test.h"

enum { F32 = WG__ONNX_FLOAT, I64 = WG__ONNX_INT64 };

static const double ramp[64] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

/* The outputs with two symbols bound; NULL where compiling refuses them. */
static wg_tape *compile(struct net *n, int64_t size_n, int64_t size_m)
{
    wg_dim(n->g, "n"), wg_dim(n->g, "m"); /* names that a graph does not have cannot be bound */
    wg_tape *t = wg_compile(n->g, n->n_out, n->out, &(wg_options){.bind = {{"n", size_n}, {"m", size_m}}});
    for (int i = 0; t && i < n->n_in; i++)
        if (wg_tape_shape(t, n->in[i])) {
            n->t = t;
            net_set(n, n->in[i], ramp);
        }
    if (t) cr_assert_eq(wg_run(t), WG_OK, "%s", wg_tape_message(t));
    else wg_clear_error(n->g);
    return n->t = t;
}

/* ---- Unlike symbols ---- */

static struct onnx two_inputs(const char *op, const char *attrs, const char *a, const char *b)
{
    struct onnx m = onnx_begin(17);
    onnx_input(&m, "a", F32, a);
    onnx_input(&m, "b", F32, b);
    onnx_node(&m, op, "a,b", "y", attrs);
    onnx_output(&m, "y", F32, NULL);
    return m;
}

/* As NumPy broadcasts: equal sizes, or one that is 1; no other ever gives a number. */
Test(import_sizes, unlike_symbols_broadcast_as_their_sizes_do)
{
    struct onnx m = two_inputs("Add", "", "n,3", "m,3");
    struct net  n = net_import(&m, NULL);
    char        text[64];
    cr_expect_str_eq(wg_dim_name(n.g, wg_node_shape(n.out[0])->dim[0], text, sizeof text), "n~m");
    for (int64_t p = 1; p <= 3; p++)
        for (int64_t q = 1; q <= 3; q++) {
            bool     fits = p == q || p == 1 || q == 1;
            wg_tape *t = compile(&n, p, q);
            cr_expect_eq(t != NULL, fits, "%lld and %lld", (long long)p, (long long)q);
            if (!t) continue;
            int64_t rows = p > q ? p : q;
            cr_expect_eq(wg_tape_shape(t, n.out[0])->dim[0], rows);
            for (int64_t i = 0; i < 3 * rows; i++)
                cr_expect_eq(net_at(&n, 0, i), (double)(p == 1 ? i % 3 : i) + (double)(q == 1 ? i % 3 : i));
        }
    net_free(&n);
}

Test(import_sizes, a_symbol_goes_with_a_number)
{
    static const struct {
        const char *op, *attrs, *a, *b, *shape;
        int64_t     size; /* of n, that fits; any other does not */
    } rows[] = {
        {"Add", "", "n,3", "4,3", "[4,3]", 4},          {"MatMul", "", "2,n", "3,2", "[2,2]", 3},
        {"Concat", "axis=1", "n,2", "4,1", "[4,3]", 4}, {"MatMul", "", "n,2,3", "4,3,1", "[4,2,1]", 4},
        {"Gemm", "", "3,n", "4,2", "[3,2]", 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct onnx m = two_inputs(rows[i].op, rows[i].attrs, rows[i].a, rows[i].b);
        struct net  n = net_import(&m, NULL);
        char        text[64];
        for (int64_t size = 2; size < 6; size++) {
            wg_tape *t = compile(&n, size, 1);
            cr_expect_eq(t != NULL, size == rows[i].size, "%s with n = %lld", rows[i].op, (long long)size);
            if (t) cr_expect_str_eq(wg__shape_str(n.g, wg_tape_shape(t, n.out[0]), text, sizeof text), rows[i].shape);
        }
        net_free(&n);
    }
}

/* An axis that is squeezed, and a shape that a tensor is to have, are held to their word by the tape. */
Test(import_sizes, what_was_assumed_is_found_out)
{
    static const struct {
        const char *op, *x, *ints;
        int64_t     size;
    } rows[] = {{"Squeeze", "n,3", "[0]", 1}, {"Reshape", "n,3", "[2,6]", 4}, {"Reshape", "n,2", "[-1,4]", 4}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct onnx m = onnx_begin(17);
        onnx_input(&m, "x", F32, rows[i].x);
        onnx_ints(&m, "i", rows[i].ints);
        onnx_node(&m, rows[i].op, "x,i", "y", "");
        onnx_output(&m, "y", F32, NULL);
        struct net n = net_import(&m, NULL);
        cr_expect_not_null(compile(&n, rows[i].size, 1), "%s", rows[i].op);
        cr_expect_null(compile(&n, 3, 1), "%s", rows[i].op);
        net_free(&n);
    }
}

/* d/dx sum (x + z)^2, where x is broadcast or is not. */
Test(import_sizes, gradients_go_back_through_unlike_symbols)
{
    struct onnx m = two_inputs("Add", "", "n,1", "m,1");
    struct net  n = net_import(&m, NULL);
    wg_node    *loss = wg_sum(wg_square(n.out[0]), WG_ALL_AXES, 0), *d;
    cr_assert_eq(wg_grad(loss, 1, n.in, &d), WG_OK, "%s", wg_message(n.g));
    n.out[0] = d;
    cr_assert_not_null(compile(&n, 3, 3), "%s", wg_message(n.g));
    net_expect(&n, 0, "[3,1]", (double[]){0, 4, 8});
    cr_assert_not_null(compile(&n, 1, 3), "%s", wg_message(n.g));
    net_expect(&n, 0, "[1,1]", (double[]){6});
    cr_assert_not_null(compile(&n, 3, 1), "%s", wg_message(n.g));
    net_expect(&n, 0, "[3,1]", (double[]){0, 2, 4});
    net_free(&n);
}

/* Names that say nothing are none, and there may be any number of symbols. */
Test(import_sizes, names_of_dimensions)
{
    static const char *const nothing[] = {"None", "-1", "unknown", "*"};
    char                     dims[40], name[8], text[80];
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        struct onnx m = onnx_begin(17);
        size_t      at = put_open(&m.b, 11), type, tensor, shape;
        put_text(&m.b, 1, "x");
        type = put_open(&m.b, 2);
        tensor = put_open(&m.b, 1);
        put_int(&m.b, 1, F32);
        shape = put_open(&m.b, 2);
        for (int k = 0; k < 2; k++) {
            size_t dim = put_open(&m.b, 1);
            put_text(&m.b, 2, nothing[i]);
            put_close(&m.b, dim);
        }
        put_close(&m.b, shape);
        put_close(&m.b, tensor);
        put_close(&m.b, type);
        put_close(&m.b, at);
        onnx_output(&m, "x", F32, NULL);
        struct net n = net_import(&m, NULL);
        cr_expect_str_eq(wg__shape_str(n.g, wg_node_shape(n.in[0]), text, sizeof text), "[x.0,x.1]", "%s", nothing[i]);
        net_free(&n);
    }
    wg_graph   *g = wg_graph_new();
    struct onnx m = onnx_begin(17);
    wg_binding  more[20];
    char        of[20][8];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "x%d", i);
        snprintf(dims, sizeof dims, "size%d", i);
        onnx_input(&m, name, F32, dims);
        onnx_output(&m, name, F32, NULL);
        snprintf(of[i], sizeof of[i], "size%d", i);
        more[i] = (wg_binding){of[i], i + 1};
    }
    wg_onnx *r = import_into(&m, g, NULL);
    wg_node *y[20];
    for (int i = 0; i < 20; i++) y[i] = wg_neg(wg_onnx_output(r, i));
    wg_tape *t = wg_compile(g, 20, y, &(wg_options){.n_more = 20, .more = more});
    cr_assert_not_null(t, "%s", wg_message(g));
    for (int i = 0; i < 20; i++) cr_expect_eq(wg_tape_shape(t, y[i])->dim[0], i + 1);
    wg_onnx_free(r);
    onnx_free(&m);
    wg_graph_free(g);
}

/* ---- What the import is told ---- */

/* "s = Shape(x); y = Reshape(x, [1, s0 * s1])" over [n, m] and a list of axes that is an input. */
static struct onnx told_model(void)
{
    struct onnx m = onnx_begin(17);
    onnx_input(&m, "x", F32, "n,m");
    onnx_input(&m, "axes", I64, "k");
    onnx_node(&m, "ReduceSum", "x,axes", "y", "keepdims=0");
    onnx_output(&m, "y", F32, NULL);
    return m;
}

Test(import_sizes, values_of_inputs_may_shape_the_graph)
{
    int64_t             axes = 1;
    const wg_onnx_given given[] = {{"axes", {WG_I64, WG_SHAPE(1), &axes}}, {"x", {WG_F32, WG_SHAPE(2, 3), NULL}}};
    struct onnx         m = told_model();
    struct net          n = net_import(&m, &(wg_onnx_import_options){.n_given = 2, .given = given});
    cr_assert_eq(n.n_in, 1, "the axes are no input any more");
    cr_assert_eq(wg_node_shape(n.in[0])->dim[1], 3);
    net_run(&n, 1, IN(ramp));
    net_expect(&n, 0, "[2]", (double[]){3, 12});
    net_free(&n);
    m = told_model();
    net_refused(&m, WG_EARG, "the list of axes has to be known when the model is loaded");
}

/* Of an input whose value shapes nothing only the shape is looked at. */
Test(import_sizes, other_values_stay_inputs)
{
    int64_t             label[] = {7, 7};
    const wg_onnx_given given = {"label", {WG_I64, WG_SHAPE(2), label}};
    struct onnx         m = onnx_begin(17);
    onnx_input(&m, "label", I64, "n");
    onnx_node(&m, "Neg", "label", "y", "");
    onnx_output(&m, "y", I64, NULL);
    struct net n = net_import(&m, &(wg_onnx_import_options){.n_given = 1, .given = &given});
    cr_assert_eq(n.n_in, 1);
    net_run(&n, 1, IN(ramp));
    net_expect(&n, 0, "[2]", (double[]){0, -1});
    net_free(&n);
}

Test(import_sizes, what_does_not_go_together_is_said)
{
    const struct {
        wg_onnx_import_options o;
        int                    status;
        const char            *why;
    } rows[] = {
        {{.n_bind = 1, .bind = &(wg_binding){"N", 2}}, WG_EARG, "bind 'N': no input has such a dimension"},
        {{.n_bind = 1, .bind = &(wg_binding){"n", -2}}, WG_EARG, "bind 'n': a size of -2"},
        {{.n_given = 1, .given = &(wg_onnx_given){"z", {WG_F32, WG_SHAPE(2, 3), NULL}}},
         WG_EARG,
         "given 'z': the model has no such input"},
        {{.n_given = 1, .given = &(wg_onnx_given){"x", {WG_F32, WG_SHAPE(2, 3, 4), NULL}}},
         WG_ESHAPE,
         "input 'x': it is [n,m], and given as [2,3,4]"},
        {{.n_given = 1, .given = &(wg_onnx_given){"x", {WG_F64, WG_SHAPE(2, 3), NULL}}},
         WG_EDTYPE,
         "input 'x': it is given as f64, and is f32"},
        {{.n_bind = 1,
          .bind = &(wg_binding){"n", 5},
          .n_given = 1,
          .given = &(wg_onnx_given){"x", {WG_F32, WG_SHAPE(2, 3), NULL}}},
         WG_ESHAPE,
         "dimension 'n' is 2, and 5 elsewhere"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct onnx m = told_model();
        wg_graph   *g = wg_graph_new();
        wg_onnx    *r = import_into(&m, g, &rows[i].o);
        cr_expect(strstr(wg_onnx_message(r), rows[i].why), "'%s' is not in: %s", rows[i].why, wg_onnx_message(r));
        cr_expect_eq(wg_onnx_status(r), rows[i].status, "%s", rows[i].why);
        cr_expect_eq(g->n, 0, "nothing was made");
        wg_onnx_free(r);
        onnx_free(&m);
        wg_graph_free(g);
    }
}

/* ---- The same, bound before and after ---- */

static const struct open_row {
    const char *op, *x, *ints[4], *attrs;
    int         opset;
} open_rows[] = {
    {"Slice", "n,2", {"[1]", "[9223372036854775807]"}, "", 17},
    {"Slice", "n,2", {"[0]", "[-1]"}, "", 17},
    {"Slice", "n,2", {"[2]", "[-2]"}, "", 17},
    {"Slice", "n,2", {"[0]", "[9223372036854775807]", "[0]", "[2]"}, "", 17},
    {"Slice", "n,2", {"[1]", "[9223372036854775807]", "[0]", "[3]"}, "", 17},
    {"Slice", "n,2", {"[9223372036854775807]", "[-9223372036854775807]", "[0]", "[-2]"}, "", 17},
    {"Slice", "n,2", {"[-1]", "[0]", "[0]", "[-1]"}, "", 17},
    {"Slice", "n,2", {"[-1]", "[9223372036854775807]"}, "", 17},
    {"CumSum", "n,2", {"0"}, "", 17},
    {"CumSum", "n,2", {"0"}, "exclusive=1 reverse=1", 17},
    {"Trilu", "n,n", {0}, "", 17},
    {"Trilu", "n,2", {"-1"}, "upper=0", 17},
    {"GatherElements", "n,2", {"[[0,0]"}, "", 17},
    {"Pad", "n,2", {"[1,0,-1,2]"}, "", 17},
    {"Split", "n,2", {0}, "num_outputs=1", 18},
    {"ReduceMean", "n,2", {0}, "axes=[0]", 17},
};

static struct onnx open_model(const struct open_row *k)
{
    struct onnx m = onnx_begin(k->opset);
    char        inputs[32] = "x", name[3] = "i0";
    onnx_input(&m, "x", F32, k->x);
    for (int i = 0; i < 4 && k->ints[i]; i++, name[1]++) {
        bool matrix = k->ints[i][0] == '[' && k->ints[i][1] == '[';
        if (matrix) onnx_init(&m, name, I64, "1,2", (int64_t[]){0, 0});
        else onnx_ints(&m, name, k->ints[i]);
        strcat(strcat(inputs, ","), name);
    }
    onnx_node(&m, k->op, inputs, "y", k->attrs);
    onnx_node(&m, "Shape", "y", "s", "");
    onnx_output(&m, "y", F32, NULL);
    onnx_output(&m, "s", I64, NULL);
    return m;
}

/* An import with the size known gives what one with a symbol gives once that is bound: values, shape, and Shape. */
Test(import_sizes, a_symbol_bound_later_is_a_size_known_before)
{
    for (size_t i = 0; i < sizeof open_rows / sizeof *open_rows; i++) {
        struct onnx m = open_model(&open_rows[i]);
        struct net  open = net_import(&m, NULL);
        for (int64_t size = 1; size < 6; size++) {
            m = open_model(&open_rows[i]);
            struct net known = net_import(&m, &(wg_onnx_import_options){.n_bind = 1, .bind = &(wg_binding){"n", size}});
            cr_assert_not_null(compile(&known, 1, 1), "%s", wg_message(known.g));
            cr_assert_not_null(compile(&open, size, 1), "%s %zu with n = %lld", open_rows[i].op, i, (long long)size);
            for (int k = 0; k < 2; k++) {
                char            want[64];
                const wg_shape *s = wg_tape_shape(known.t, known.out[k]);
                double          v[64];
                for (int64_t e = 0; e < wg_count(s); e++) v[e] = net_at(&known, k, e);
                net_expect(&open, k, wg__shape_str(known.g, s, want, sizeof want), v);
            }
            net_free(&known);
        }
        net_free(&open);
    }
}

/* Range(0, n, 1) and the like from the size of an axis. */
Test(import_sizes, ranges_up_to_a_symbol)
{
    static const int64_t rows[][3] = {{0, 0, 1}, {2, 0, 1}, {0, -1, 1}, {0, 0, 2}, {1, 0, 3}, {-2, 0, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct onnx m = onnx_begin(17);
        char        number[3][8];
        for (int k = 0; k < 3; k++) snprintf(number[k], sizeof number[k], "%d", (int)rows[i][k]);
        onnx_input(&m, "x", F32, "n,2");
        onnx_ints(&m, "first", "0");
        onnx_ints(&m, "start", number[0]);
        onnx_ints(&m, "more", number[1]);
        onnx_ints(&m, "step", number[2]);
        onnx_node(&m, "Shape", "x", "s", "");
        onnx_node(&m, "Gather", "s,first", "d", "axis=0");
        onnx_node(&m, "Add", "d,more", "limit", "");
        onnx_node(&m, "Range", "start,limit,step", "y", "");
        onnx_output(&m, "y", I64, NULL);
        struct net n = net_import(&m, NULL);
        for (int64_t size = 2; size < 7; size++) {
            double  want[32];
            int64_t count = 0;
            char    shape[32];
            for (int64_t v = rows[i][0]; v < size + rows[i][1]; v += rows[i][2]) want[count++] = (double)v;
            cr_assert_not_null(compile(&n, size, 1), "%s", wg_message(n.g));
            snprintf(shape, sizeof shape, "[%lld]", (long long)count);
            net_expect(&n, 0, shape, want);
        }
        net_free(&n);
    }
}

/* Commands that know shapes before and those that bind a symbol later run one tape. */
Test(import_sizes, both_ways_are_one_tape)
{
    static const float w[12] = {1, 2, 3};
    char              *text[2];
    size_t             bytes[2];
    for (int before = 0; before < 2; before++) {
        struct onnx m = onnx_begin(17);
        onnx_input(&m, "x", F32, "n,3");
        onnx_init(&m, "w", F32, "4,3", w);
        onnx_init(&m, "b", F32, "4", w);
        onnx_node(&m, "Gemm", "x,w,b", "h", "transB=1");
        onnx_node(&m, "Relu", "h", "r", "");
        onnx_node(&m, "Softmax", "r", "y", "axis=1");
        onnx_output(&m, "y", F32, NULL);
        struct net n =
            net_import(&m, &(wg_onnx_import_options){.constants = 1, .n_bind = before, .bind = &(wg_binding){"n", 5}});
        wg_dim(n.g, "n");
        wg_tape *t = wg_compile(n.g, 1, n.out, &(wg_options){.evaluate = 1, .bind = {{"n", 5}}});
        FILE    *f = open_memstream(&text[before], &bytes[before]);
        cr_assert(t && f && wg_tape_print(t, f) == WG_OK && fclose(f) == 0);
        net_free(&n);
    }
    cr_expect_str_eq(text[0], text[1]);
    free(text[0]);
    free(text[1]);
}

Test(import_sizes, cleanly_at_every_allocation)
{
    struct onnx m = open_model(&open_rows[8]);
    expect_clean_failures(&m);
    m = two_inputs("Add", "", "n,3", "m,3");
    expect_clean_failures(&m);
}
