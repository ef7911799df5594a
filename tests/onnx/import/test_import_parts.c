/* What no output needs takes no part, whatever it is; and the branch of an If that is taken takes its place. */
#include <criterion/criterion.h>

#include "onnx/import/import_impl.h"
#include "onnx/import/rows_test.h"

enum { F32 = WG__ONNX_FLOAT, I64 = WG__ONNX_INT64, BOOL = WG__ONNX_BOOL, F16 = 10, STRING = 8 };

static const double x[] = {1, -2};

/* ---- Unused parts ---- */

static void put_half(struct onnx *m, uint32_t number, const char *name)
{
    size_t at = put_open(&m->b, number);
    put_int(&m->b, 1, 2);
    put_int(&m->b, 2, F16);
    put_text(&m->b, 8, name);
    put_bytes(&m->b, 9, "\0\0\0\0", 4);
    put_close(&m->b, at);
}

/* Everything here would be refused if y needed it; where `use` is named, y does. */
static struct onnx with_strange_parts(const char *use)
{
    struct onnx m = onnx_begin(17);
    onnx_input(&m, "x", F32, "2");
    onnx_input(&m, "text", STRING, "2");
    onnx_input(&m, "half_input", F16, "2");
    onnx_input(&m, "shapeless", F32, NULL);
    put_half(&m, 5, "half");
    size_t sparse = put_open(&m.b, 15);
    put_half(&m, 1, "sparse");
    put_close(&m.b, sparse);
    onnx_node(&m, "NoSuchThing", "x", "dead", "");
    onnx_node(&m, "Relu", "dead", "dead2", "speed=3");
    onnx_node(&m, "Relu", "x,x,x", "dead3", "");
    onnx_node(&m, "Add", use ? use : "x,x", "y", "");
    onnx_output(&m, "y", F32, NULL);
    return m;
}

Test(import_parts, what_no_output_needs_is_not_looked_at)
{
    struct onnx m = with_strange_parts(NULL);
    struct net  n = net_import(&m, NULL);
    cr_assert_eq(n.n_in, 1);
    net_run(&n, 1, IN(x));
    net_expect(&n, 0, "[2]", (double[]){2, -4});
    net_free(&n);
}

Test(import_parts, what_an_output_needs_is_named)
{
    static const struct {
        const char *use, *why;
    } rows[] = {{"x,half", "initialiser 'half': float16 tensors"},
                {"x,sparse", "initialiser 'sparse': it is sparse"},
                {"x,half_input", "input 'half_input': float16 tensors"},
                {"x,text", "input 'text': string tensors"},
                {"x,shapeless", "input 'shapeless': it has no shape"},
                {"x,dead", "NoSuchThing (opset 17) node 'dead': no such operator here"},
                {"x,dead2", "attribute 'speed'"},
                {"dead3,x", "number of inputs: 3, not 1"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct onnx m = with_strange_parts(rows[i].use);
        net_refused(&m, strstr(rows[i].why, "number of") ? WG_EFORMAT : WG_EARG, rows[i].why);
    }
}

static struct onnx with_function(const char *op, const char *domain)
{
    struct onnx m = onnx_begin(17);
    onnx_input(&m, "x", F32, "2");
    size_t at = put_open(&m.b, 1);
    put_text(&m.b, 1, "x");
    put_text(&m.b, 2, "y");
    put_text(&m.b, 4, op);
    put_text(&m.b, 7, domain);
    put_close(&m.b, at);
    onnx_output(&m, "y", F32, NULL);
    put_close(&m.b, m.graph);
    m.graph = put_open(&m.b, 25);
    put_text(&m.b, 1, "Twice");
    put_text(&m.b, 10, "mine");
    return m;
}

Test(import_parts, functions_matter_where_they_are_called)
{
    struct onnx m = with_function("Neg", "");
    struct net  n = net_import(&m, NULL);
    net_run(&n, 1, IN(x));
    net_expect(&n, 0, "[2]", (double[]){-1, 2});
    net_free(&n);
    m = with_function("Twice", "mine");
    net_refused(&m, WG_EARG, "Twice (opset 17) node 'y': it is a function of the model's own");
}

/* ---- If ---- */

struct branch {
    const char *op, *in, *out, *attrs;
};

static void put_branch(struct onnx *m, const char *name, const struct branch *nodes, int n)
{
    size_t attr = put_open(&m->b, 5), graph;
    put_text(&m->b, 1, name);
    graph = put_open(&m->b, 6);
    for (int i = 0; i < n; i++) onnx_node(m, nodes[i].op, nodes[i].in, nodes[i].out, nodes[i].attrs);
    onnx_output(m, nodes[n - 1].out, F32, NULL);
    put_close(&m->b, graph);
    put_int(&m->b, 20, 5);
    put_close(&m->b, attr);
}

static void put_if(struct onnx *m, const char *condition, const char *y, const struct branch *yes, int n_yes,
                   const struct branch *no, int n_no)
{
    size_t at = put_open(&m->b, 1);
    put_text(&m->b, 1, condition);
    put_text(&m->b, 2, y);
    put_text(&m->b, 4, "If");
    put_branch(m, "then_branch", yes, n_yes);
    put_branch(m, "else_branch", no, n_no);
    put_close(&m->b, at);
}

/* Both branches have a value t, one of them is nothing that there is, and only the other's needs are made. */
Test(import_parts, the_branch_that_is_taken_stands_in_its_place)
{
    static const struct branch twice[] = {{"Add", "x,half", "t", ""}, {"Mul", "t,two", "u", ""}};
    static const struct branch strange[] = {{"NoSuchThing", "never", "t", ""}};
    static const float         two = 2;
    for (uint8_t yes = 0; yes < 2; yes++) {
        struct onnx m = onnx_begin(17);
        onnx_input(&m, "x", F32, "2");
        onnx_init(&m, "c", BOOL, "", &yes);
        onnx_init(&m, "two", F32, "", &two);
        onnx_node(&m, "Div", "x,two", "half", "");
        onnx_node(&m, "AlsoNothing", "x", "never", "");
        put_if(&m, "c", "y", yes ? twice : strange, yes ? 2 : 1, yes ? strange : twice, yes ? 1 : 2);
        put_if(&m, "c", "z", yes ? twice : strange, yes ? 2 : 1, yes ? strange : twice, yes ? 1 : 2);
        onnx_node(&m, "Sub", "y,x", "d", "");
        onnx_output(&m, "d", F32, NULL);
        onnx_output(&m, "z", F32, NULL);
        struct net n = net_import(&m, NULL);
        net_run(&n, 1, IN(x));
        net_expect(&n, 0, "[2]", (double[]){2, -4});
        net_expect(&n, 1, "[2]", (double[]){3, -6});
        net_free(&n);
    }
}

/* x without its first axis where that is 1, as a condition on its shape says. */
static struct onnx squeeze_model(const char *dims)
{
    static const struct branch squeeze[] = {{"Squeeze", "x,zero", "s", ""}}, same[] = {{"Identity", "x", "s", ""}};
    struct onnx                m = onnx_begin(17);
    onnx_input(&m, "x", F32, dims);
    onnx_ints(&m, "zero", "[0]");
    onnx_ints(&m, "one", "[1]");
    onnx_node(&m, "Shape", "x", "shape", "");
    onnx_node(&m, "Gather", "shape,zero", "first", "axis=0");
    onnx_node(&m, "Equal", "first,one", "c", "");
    put_if(&m, "c", "y", squeeze, 1, same, 1);
    onnx_output(&m, "y", F32, NULL);
    return m;
}

Test(import_parts, a_condition_may_follow_from_shapes)
{
    struct onnx m = squeeze_model("1,2");
    struct net  n = net_import(&m, NULL);
    net_run(&n, 1, IN(x));
    net_expect(&n, 0, "[2]", x);
    net_free(&n);
    m = squeeze_model("2,1");
    n = net_import(&m, NULL);
    net_run(&n, 1, IN(x));
    net_expect(&n, 0, "[2,1]", x);
    net_free(&n);
    m = squeeze_model("n,2");
    net_refused(&m, WG_EARG, "If (opset 17) node 'y': the condition has to be known when the model is loaded");
    m = squeeze_model("n,2");
    n = net_import(&m, &(wg_onnx_import_options){.n_bind = 1, .bind = &(wg_binding){"n", 1}});
    net_run(&n, 1, IN(x));
    net_expect(&n, 0, "[2]", x);
    net_free(&n);
}

Test(import_parts, weights_in_a_branch_are_parameters)
{
    static const struct branch product[] = {{"MatMul", "x,w", "t", ""}}, same[] = {{"Identity", "x", "t", ""}};
    static const float         w[] = {1, 2, 3, 4};
    static const uint8_t       yes = 1;
    struct onnx                m = onnx_begin(17);
    onnx_input(&m, "x", F32, "1,2");
    onnx_init(&m, "c", BOOL, "", &yes);
    onnx_init(&m, "w", F32, "2,2", w);
    put_if(&m, "c", "y", product, 1, same, 1);
    onnx_output(&m, "y", F32, NULL);
    struct net n = net_import(&m, NULL);
    cr_expect_eq(wg_param_count(n.g), 1);
    net_run(&n, 1, IN(x));
    net_expect(&n, 0, "[1,2]", (double[]){-5, -6});
    net_free(&n);
}

Test(import_parts, a_branch_fails_cleanly_at_every_allocation)
{
    struct onnx m = squeeze_model("1,2");
    expect_clean_failures(&m);
}

/* ---- Integers ---- */

static wg_tape *whole_tape(struct net *n, const int64_t *v, wg_dtype t)
{
    n->t = wg_compile(n->g, n->n_out, n->out, NULL);
    cr_assert_not_null(n->t, "%s", wg_message(n->g));
    for (int i = 0; i < n->n_in; i++) {
        void *to = wg_input_buffer(n->t, n->in[i]);
        for (int64_t k = 0; k < wg_count(wg_tape_shape(n->t, n->in[i])); k++, v++)
            if (t == WG_I64) ((int64_t *)to)[k] = *v;
            else ((int32_t *)to)[k] = (int32_t)*v;
    }
    cr_assert_eq(wg_run(n->t), WG_OK);
    return n->t;
}

/* Products of integers are what C's unsigned arithmetic makes of them, however large. */
Test(import_parts, integer_products_are_exact_and_wrap)
{
    enum { M = 2, K = 5, N = 3 };
    for (int t = WG_I32; t <= WG_I64; t++)
        for (int gemm = 0; gemm < 2; gemm++) {
            int64_t     v[M * K + K * N];
            uint64_t    state = 88172645463325252u;
            struct onnx m = one_node(17, gemm ? "Gemm" : "MatMul", gemm ? "alpha=3.0" : "",
                                     t == WG_I64 ? WG__ONNX_INT64 : WG__ONNX_INT32, "2,5 5,3", "y");
            struct net  n = net_import(&m, NULL);
            for (int i = 0; i < M * K + K * N; i++) {
                state ^= state << 13, state ^= state >> 7, state ^= state << 17;
                v[i] = (int64_t)state;
            }
            const void *y = wg_view(whole_tape(&n, v, (wg_dtype)t), n.out[0]);
            for (int i = 0; i < M; i++)
                for (int j = 0; j < N; j++) {
                    uint64_t want = 0;
                    for (int k = 0; k < K; k++) want += (uint64_t)v[i * K + k] * (uint64_t)v[M * K + k * N + j];
                    want *= gemm ? 3 : 1;
                    int64_t have = t == WG_I64 ? ((const int64_t *)y)[i * N + j] : ((const int32_t *)y)[i * N + j];
                    cr_expect_eq(have, t == WG_I64 ? (int64_t)want : (int64_t)(int32_t)(uint32_t)want);
                }
            net_free(&n);
        }
}

/* Beyond 2^53, where a double has no place for all integers. */
Test(import_parts, integer_constants_are_exact)
{
    const int64_t big = (INT64_C(1) << 60) + 1, v[] = {big, -big, 3};
    struct onnx   m = onnx_begin(17);
    onnx_input(&m, "x", I64, "3");
    onnx_ints(&m, "pads", "[1,1]");
    onnx_init(&m, "big", I64, "", &big);
    onnx_ints(&m, "three", "3");
    onnx_node(&m, "Pad", "x,pads,big", "padded", "");
    onnx_node(&m, "Pow", "x,three", "cube", "");
    onnx_node(&m, "Pow", "three,x", "power", "");
    onnx_node(&m, "Mod", "x,three", "rest", "");
    onnx_node(&m, "Shrink", "x", "shrunk", "bias=1.0 lambd=2.0");
    for (const char *out = "padded\0cube\0power\0rest\0shrunk\0"; *out; out += strlen(out) + 1)
        onnx_output(&m, out, I64, NULL);
    struct net     n = net_import(&m, NULL);
    wg_tape       *t = whole_tape(&n, v, WG_I64);
    const int64_t *y = wg_view(t, n.out[0]);
    cr_expect(y[0] == big && y[1] == big && y[2] == -big && y[4] == big);
    y = wg_view(t, n.out[1]);
    uint64_t u = (uint64_t)big;
    cr_expect(y[0] == (int64_t)(u * u * u) && y[1] == -(int64_t)(u * u * u) && y[2] == 27);
    y = wg_view(t, n.out[2]);
    uint64_t power = 3; /* 3^(2^60) by squares, and 3 times that */
    for (int i = 0; i < 60; i++) power *= power;
    cr_expect(y[0] == (int64_t)(3 * power) && y[1] == 0 && y[2] == 27, "%lld", (long long)y[0]);
    y = wg_view(t, n.out[3]);
    cr_expect(y[0] == (big % 3) && y[1] == (3 - big % 3) % 3 && y[2] == 0);
    y = wg_view(t, n.out[4]);
    cr_expect(y[0] == big - 1 && y[1] == 1 - big && y[2] == 2);
    net_free(&n);
}

/* ---- Opsets ---- */

/* Every operator is taken up to the last opset, where its meaning is that of the row for it, and none beyond. */
Test(import_parts, operators_have_opsets_and_files_have_not)
{
    const char *op;
    int         since, later;
    for (int i = 0; wg_onnx_operator(i, &op, &since); i++)
        for (int opset = since; opset <= WG__HIGHEST_OPSET; opset++)
            cr_expect_not_null(wg__row_find(op, opset, &later), "%s-%d", op, opset);
    for (int opset = 23; opset <= WG__HIGHEST_OPSET; opset++) {
        struct onnx m = one_node(opset, "Gemm", "", F32, "2,1 1,2", "y");
        struct net  n = net_import(&m, NULL);
        net_run(&n, 1, IN(x, x));
        net_expect(&n, 0, "[2,2]", (double[]){1, -2, -2, 4});
        net_free(&n);
    }
}

Test(import_parts, what_opset_28_made_of_mod)
{
    static const double a[] = {5, -5, 5, -5, 4, -4, 1, 1}, b[] = {3, 3, -3, -3, 2, 2, INFINITY, -INFINITY};
    struct onnx         m = one_node(28, "Mod", "", WG__ONNX_DOUBLE, "8 8", "y");
    struct net          n = net_import(&m, NULL);
    net_run(&n, 1, IN(a, b));
    net_expect(&n, 0, "[8]", (double[]){2, 1, -1, -2, 0, 0, 1, -INFINITY});
    net_free(&n);
    m = one_node(27, "Mod", "", WG__ONNX_DOUBLE, "8 8", "y");
    net_refused(&m, WG_EFORMAT, "real operands need fmod=1");
}
