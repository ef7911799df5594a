/* What is written is read again: values, names, symbols and metadata come back. */
#include "onnx/export/export_test.h"
#include "ops/cases.h"

TestSuite(onnx_export, .timeout = 120);

#define ON_DISK(name) Test(onnx_export, name, .init = open_folder, .fini = close_folder)

/* ---- There and back ---- */

enum { MOST = 4096 };

static wg_tape *evaluated(wg_graph *g, wg_node *y, int64_t batch)
{
    wg_options o = {.evaluate = 1, .bind = {{"batch", batch}}};
    wg_dim(g, "batch"); /* a name that a graph does not have cannot be bound */
    wg_tape *t = wg_compile(g, 1, &y, &o);
    cr_assert_not_null(t, "%s", wg_message(g));
    return t;
}

/* The input of the imported model that has this name, or NULL: it was not needed. */
static wg_node *input_named(const wg_onnx *m, const char *name)
{
    for (int i = 0; i < wg_onnx_input_count(m); i++)
        if (strcmp(wg_onnx_input_name(m, i), name) == 0) return wg_onnx_input(m, i);
    return NULL;
}

static void expect_close(const char *what, int opset, wg_tape *t, wg_node *y, wg_tape *u, wg_node *z)
{
    const wg_shape *s = wg_tape_shape(t, y), *r = wg_tape_shape(u, z);
    double         *p = malloc(MOST * sizeof *p), *q = malloc(MOST * sizeof *q);
    cr_assert(wg__shape_equal(s, r), "%s at opset %d: another shape", what, opset);
    cr_assert_eq(wg_node_dtype(y), wg_node_dtype(z), "%s at opset %d: another dtype", what, opset);
    get_values(t, y, p);
    get_values(u, z, q);
    for (int64_t i = 0; i < wg_count(s); i++)
        cr_assert(p[i] == q[i] || (p[i] != p[i] && q[i] != q[i]) || fabs(p[i] - q[i]) <= 1e-5 * fmax(1, fabs(p[i])),
                  "%s at opset %d: element %lld is %.9g, not %.9g", what, opset, (long long)i, q[i], p[i]);
    free(p);
    free(q);
}

/* y over inputs x[0..n-1] gives what the file of it gives. */
static void same_back(const char *what, int opset, wg_node *y, int n, wg_node *const x[], double *const v[],
                      int64_t batch)
{
    struct back b = read_back(what);
    wg_node    *z = wg_onnx_output(b.m, 0);
    wg_tape    *t = evaluated(wg_node_graph(y), y, batch), *u = evaluated(b.g, z, batch);
    for (int i = 0; i < n; i++) {
        wg_node *in = input_named(b.m, wg_node_name(x[i]));
        if (wg_tape_shape(t, x[i])) set_values(t, x[i], v[i]);
        if (in && wg_tape_shape(u, in)) set_values(u, in, v[i]);
    }
    must_run(t);
    must_run(u);
    expect_close(what, opset, t, y, u, z);
    wg_tape_free(t);
    free_back(b);
}

static bool known(const char *operator)
{
    const char *name;
    for (int i = 0, since; wg_onnx_operator(i, &name, &since); i++)
        if (strcmp(name, operator) == 0) return true;
    return false;
}
static bool is_random(const wg_node *y) { return wg_node_op(y) && wg_node_op(y)->flags & WG_OP_RANDOM; }

static const int opsets[] = {9, 11, 13, 18, 21};
enum { OPSETS = sizeof opsets / sizeof *opsets };

/* Whether an operator that older opsets have not got says which one it needs. */
static bool may_need_later(const char *what, int opset, const char *message)
{
    static const struct {
        const char *what;
        int         opset;
    } later[] = {{"scatter_add", 16}, {"top_k", 11}, {"top_k", 10}};
    char text[32];
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        snprintf(text, sizeof text, "needs opset %d", later[i].opset);
        if (strcmp(what, later[i].what) == 0 && opset < later[i].opset && strstr(message, text)) return true;
    }
    return false;
}

static void there_and_back(const char *what, wg_node *y, int n, wg_node *const x[], double *const v[])
{
    cr_assert_not_null(y, "%s", what);
    for (int k = 0; k < OPSETS; k++) {
        wg_graph *g = wg_node_graph(y);
        int       status = wg_onnx_export(g, 1, &y, path, &(wg_onnx_export_options){.opset = opsets[k]});
        if (status == WG_EARG && may_need_later(what, opsets[k], wg_message(g))) {
            wg_clear_error(g);
            continue;
        }
        cr_assert_eq(status, WG_OK, "%s at opset %d: %s", what, opsets[k], wg_message(g));
        if (strcmp(what, "scatter_add") == 0 && !known("ScatterElements")) continue;
        if (!is_random(y)) same_back(what, opsets[k], y, n, x, v, 1);
        else free_back(read_back(what));
    }
}

/* ---- Every operator ---- */

static double *values_for(wg_shape s, enum wg_domain d, int below, uint64_t *state)
{
    double *v = malloc(((size_t)wg_count(&s) + 1) * sizeof *v);
    for (int64_t i = 0; i < wg_count(&s); i++) v[i] = below ? floor(below * draw(state)) : draw_from(d, state);
    return v;
}

static void one_row(const wg_op *op, wg_dtype t)
{
    static const double parameter = 0.75;
    wg_shape            shape[2] = {WG_SHAPE(3, 4), WG_SHAPE(4)};
    wg_node            *x[2];
    double             *v[2];
    uint64_t            state = 7;
    char                name[8];
    int                 below = WG_DTYPE_BIT(t) & WG_DTYPE_REALS ? 0 : t == WG_BOOL ? 2 : 5;
    wg_graph           *g = wg_graph_new();
    for (int i = 0; i < op->arity; i++) {
        snprintf(name, sizeof name, "in%d", i);
        x[i] = wg_input(g, name, t, shape[i]);
        v[i] = values_for(shape[i], op->domain, below, &state);
    }
    there_and_back(op->name, wg_apply(op, op->arity, x, op->attr_size ? &parameter : NULL), op->arity, x, v);
    for (int i = 0; i < op->arity; i++) free(v[i]);
    wg_graph_free(g);
}

/* Of unary.def and binary.def: block, at most two operands, at most a real attribute. */
static bool is_row(const wg_op *op)
{
    bool real = op->attr_size == sizeof(double) && op->fields[0].type == WG_FIELD_REAL;
    return op->block && op->arity <= 2 && (!op->attr_size || real);
}

ON_DISK(every_elementwise_row_comes_back)
{
    for (const wg_op *const *op = wg_ops; *op; op++)
        for (int t = 0; is_row(*op) && t < WG_DTYPES; t++)
            if ((*op)->dtypes & WG_DTYPE_BIT(t)) one_row(*op, (wg_dtype)t);
}

ON_DISK(every_case_of_every_operator_comes_back)
{
    for (size_t k = 0; k < sizeof op_cases / sizeof *op_cases; k++) {
        const struct op_case *c = &op_cases[k];
        wg_node              *x[3];
        double               *v[3];
        uint64_t              state = 11;
        char                  name[8];
        wg_graph             *g = wg_graph_new();
        for (int i = 0; i < c->n; i++) {
            bool     real = c->kind[i] == 'r';
            wg_dtype t = real ? WG_F32 : c->kind[i] == 'i' ? WG_I64 : c->kind[i] == 'u' ? WG_U8 : WG_BOOL;
            snprintf(name, sizeof name, "in%d", i);
            x[i] = wg_input(g, name, t, c->shape[i]);
            v[i] = values_for(c->shape[i], WG_DOMAIN_ANY, real ? 0 : t == WG_BOOL ? 2 : c->below, &state);
        }
        there_and_back(c->op, c->build(g, WG_F32, x), c->n, x, v);
        for (int i = 0; i < c->n; i++) free(v[i]);
        wg_graph_free(g);
    }
}

ON_DISK(every_built_in_operator_has_a_form)
{
    for (const wg_op *const *op = wg_ops; *op; op++)
        cr_expect((*op)->onnx, "%s has no member onnx, which docs/ops.md prints", (*op)->name);
}

/* ---- Values that only some forms meet ---- */

/* NaN, infinities, ties and halves, in one operand of two. */
ON_DISK(special_values_come_back)
{
    static wg_node *(*const one[])(wg_node *) = {wg_relu, wg_step,  wg_round, wg_log1p, wg_expm1,  wg_sign,
                                                 wg_abs,  wg_floor, wg_exp,   wg_tanh,  wg_sigmoid};
    static wg_node *(*const two[])(wg_node *, wg_node *) = {wg_less,          wg_less_equal, wg_greater,
                                                            wg_greater_equal, wg_equal,      wg_not_equal};
    double in0[] = {NAN, INFINITY, -INFINITY, 0, 1, -1, 0.5, 1.5, 2.5, -0.5, -1.5, 1e-7},
           in1[] = {0, INFINITY, INFINITY, 0, NAN, -INFINITY, 0.5, 1, 3, -0.5, NAN, 0};
    double   *v[] = {in0, in1};
    wg_graph *g = wg_graph_new();
    wg_node  *x[2] = {wg_input(g, "a", WG_F32, WG_SHAPE(12)), wg_input(g, "b", WG_F32, WG_SHAPE(12))};
    for (size_t i = 0; i < sizeof one / sizeof *one; i++) there_and_back("special", one[i](x[0]), 1, x, v);
    for (size_t i = 0; i < sizeof two / sizeof *two; i++) there_and_back("special", two[i](x[0], x[1]), 2, x, v);
    wg_graph_free(g);
}

static const double *ramp(void)
{
    static double v[MOST];
    for (int i = 0; i < MOST; i++) v[i] = sin(i);
    return v;
}

static int double_onnx(wg_onnx_form *f)
{
    wg_onnx_say(f, "Mul(x,");
    wg_onnx_say_real(f, 2);
    return wg_onnx_say(f, ")");
}
static int double_cpu(wg_call *c)
{
    for (int64_t i = 0; i < wg_count(&c->y->shape); i++)
        ((float *)c->y->data)[i] = 2 * ((const float *)c->x[0].data)[i];
    return WG_OK;
}

ON_DISK(an_operator_of_a_program_may_bring_its_form)
{
    static const wg_op op_double = {
        .name = "double", .arity = 1, .infer = wg_infer_same, .cpu = double_cpu, .to_onnx = double_onnx};
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(5));
    double   *v = (double *)(uintptr_t)ramp();
    there_and_back("double", wg_apply(&op_double, 1, &x, NULL), 1, &x, &v);
    wg_graph_free(g);
}

/* ---- Nets ---- */

ON_DISK(a_net_keeps_names_and_values_and_loses_dropout)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x, *y = mlp(g, 4, &x);
    double   *v = (double *)(uintptr_t)ramp();
    export_at(g, y, NULL);
    same_back("mlp", 13, y, 1, &x, &v, 0);
    struct back b = read_back("mlp");
    cr_assert_str_eq(wg_onnx_input_name(b.m, 0), "image");
    cr_assert_str_eq(wg_onnx_output_name(b.m, 0), "logits");
    cr_assert_eq(wg_param_count(b.g), wg_param_count(g));
    for (int i = 0; i < wg_param_count(g); i++)
        cr_expect(wg_param_find(b.g, wg_node_name(wg_param_at(g, i))), "%s", wg_node_name(wg_param_at(g, i)));
    /* Gemm, Relu, Mul, Mul, Erf, Add, Mul, Gemm */
    cr_expect_eq(wg_onnx_about(b.m).nodes, 8, "%d nodes", wg_onnx_about(b.m).nodes);
    free_back(b);
    wg_graph_free(g);
}

ON_DISK(a_weight_is_stored_as_out_by_in)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x, *y = mlp(g, 4, &x), *w = wg_param_find(g, "fc1.weight");
    w = w ? w : wg_param_at(g, 0);
    export_at(g, y, NULL);
    struct back     b = read_back("mlp");
    wg_node        *back = wg_param_find(b.g, wg_node_name(w));
    const float    *p = wg_param_view(w), *q = wg_param_view(back);
    const wg_shape *s = wg_node_shape(w);
    cr_assert(wg_node_shape(back)->dim[0] == s->dim[1] && wg_node_shape(back)->dim[1] == s->dim[0]);
    for (int64_t i = 0; i < s->dim[0]; i++)
        for (int64_t j = 0; j < s->dim[1]; j++) cr_assert_eq(p[i * s->dim[1] + j], q[j * s->dim[0] + i]);
    free_back(b);
    wg_graph_free(g);
}

/* The operators of the file, in its order, with a blank after each. */
static void operators(const wg_onnx *m, char *text, size_t n)
{
    const char *op, *name;
    size_t      k = 0;
    *text = 0;
    for (int i = 0; wg_onnx_node_at(m, i, &op, &name); i++) wg__append(text, n, &k, "%s ", op);
}

ON_DISK(what_has_an_operator_of_its_own_there_becomes_one_node)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(2, 3, 4));
    double   *v = (double *)(uintptr_t)ramp();
    char      text[80];
    const struct {
        wg_node    *y;
        const char *ops;
    } want[] = {{wg_mean(x, WG_AXES(0, 2), 0), "ReduceMean "},
                {wg_mean(x, WG_ALL_AXES, 1), "ReduceMean "},
                {wg_clip(x, -0.5, 0.25), "Clip "},
                {wg_div(wg_sum(x, WG_AXES(1), 0), wg_lit(x, 4)), "ReduceSum Div "},
                {wg_mean(wg_exp(x), (wg_axes){0}, 0), "Exp Div "},
                {wg_mean(wg_sum(x, WG_AXES(2), 0), WG_AXES(0), 0), "ReduceSum ReduceMean "}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        there_and_back(want[i].ops, want[i].y, 1, &x, &v);
        struct back b = read_back(want[i].ops);
        operators(b.m, text, sizeof text);
        cr_expect_str_eq(text, want[i].ops);
        free_back(b);
    }
    wg_graph_free(g);
}

ON_DISK(a_product_with_a_stored_matrix_and_a_bias_is_one_node)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(3, 3)), *w = wg_param(g, "w", WG_F32, WG_SHAPE(3, 4)),
            *t = wg_param(g, "t", WG_F32, WG_SHAPE(4, 3)), *b = wg_param(g, "b", WG_F32, WG_SHAPE(4)),
            *row = wg_param(g, "row", WG_F32, WG_SHAPE(1, 4)), *all = wg_param(g, "all", WG_F32, WG_SHAPE(3, 4)),
            *fixed = wg_const(g, WG_F32, WG_SHAPE(3, 4), (float[12]){1, 2, 3, 4, 5, 6, 7, 8, 9}),
            *p[] = {w, t, b, row, all};
    double *v = (double *)(uintptr_t)ramp();
    char    text[80];
    for (int i = 0; i < 5; i++) wg_init(p[i], &(wg_initializer){.kind = WG_INIT_NORMAL, .b = 1});
    wg_node *y[] = {wg_add(wg_matmul(x, w), b),
                    wg_add(b, wg_matmul_t(x, t, 0, 1)),
                    wg_add(wg_matmul_t(x, w, 1, 0), row),
                    wg_add(wg_matmul_t(x, t, 1, 1), all),
                    wg_add(wg_matmul(wg_dropout(x, 0.5), fixed), wg_scalar(g, WG_F32, 2)),
                    wg_add(wg_dropout(wg_matmul(x, fixed), 0.5), b)};
    for (size_t i = 0; i < sizeof y / sizeof *y; i++) {
        there_and_back("Gemm", y[i], 1, &x, &v);
        struct back r = read_back("Gemm");
        operators(r.m, text, sizeof text);
        cr_expect_str_eq(text, "Gemm ", "%zu: %s", i, text);
        free_back(r);
    }
    wg_graph_free(g);
}

/* A layer of a program's own: what evaluation chooses, and nothing of what training does. */
ON_DISK(a_choice_by_training_is_what_evaluation_chooses)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(4, 6)), *row = wg_slice(x, 0, 0, 1, 1), *training = wg_training(g);
    wg_node  *own = wg_sub(x, wg_mean(x, WG_AXES(0), 1)), *noise = wg_normal(g, WG_F64, WG_SHAPE(4, 6), 0, 1);
    double   *v = (double *)(uintptr_t)ramp();
    const struct {
        wg_node    *y;
        const char *ops;
    } want[] = {{wg_where(training, own, wg_exp(x)), "Exp "},
                {wg_where(training, wg_add(x, noise), wg_exp(row)), "Slice Exp Expand "},
                {wg_exp(wg_where(training, noise, x)), "Exp "},
                {wg_neg(wg_where(wg_training(g), x, wg_where(training, own, x))), "Neg "}};
    char text[80];
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        there_and_back("choice", want[i].y, 1, &x, &v);
        struct back b = read_back("choice");
        operators(b.m, text, sizeof text);
        cr_expect_str_eq(text, want[i].ops, "%zu: %s", i, text);
        free_back(b);
    }
    wg_node *other = wg_where(wg_not(training), wg_exp(x), own);
    there_and_back("another condition", other, 1, &x, &v);
    wg_graph_free(g);
}

/* Used by more than the product, it stays as it is. */
ON_DISK(a_tied_weight_is_stored_once)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(2, 3)), *w = wg_param(g, "w", WG_F32, WG_SHAPE(3, 3)),
            *b = wg_param(g, "b", WG_F32, WG_SHAPE(3));
    double *v = (double *)(uintptr_t)ramp();
    wg_init(w, NULL);
    wg_node *y = wg_add(wg_add(wg_matmul(x, w), b), wg_sum(w, WG_AXES(0), 0));
    there_and_back("tied", y, 1, &x, &v);
    struct back r = read_back("tied");
    cr_assert_eq(wg_onnx_about(r.m).initializers, 3, "w, b and the axes of the sum");
    free_back(r);
    wg_graph_free(g);
}

ON_DISK(a_symbolic_batch_works_for_any_size)
{
    for (int k = 0; k < OPSETS; k++) {
        wg_graph *g = wg_graph_new();
        wg_node  *x, *y = mlp(g, wg_dim(g, "batch"), &x);
        double   *v = (double *)(uintptr_t)ramp();
        export_at(g, y, &(wg_onnx_export_options){.opset = opsets[k]});
        same_back("mlp", opsets[k], y, 1, &x, &v, 1);
        same_back("mlp", opsets[k], y, 1, &x, &v, 7);
        wg_graph_free(g);
    }
}

/* Sizes of results that no input has: sums and products of the symbol. */
ON_DISK(arithmetic_on_symbols_comes_back)
{
    for (int opset = 10; opset <= 21; opset += 11) {
        wg_graph *g = wg_graph_new();
        wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(wg_dim(g, "batch"), 6));
        double   *v = (double *)(uintptr_t)ramp();
        wg_node  *two = wg_concat(2, (wg_node *[]){x, wg_slice(x, 0, WG_SLICE_END, INT64_MIN, -1)}, 0);
        wg_node  *wide = wg_expand(wg_unsqueeze(two, 0), WG_SHAPE(3, wg_node_shape(two)->dim[0], 6));
        wg_node  *flat = wg_reshape(wg_transpose(wide, WG_AXES(1, 0, 2)), WG_SHAPE(WG_DIM_AUTO, 9));
        wg_node  *y = wg_div(wg_sum(wg_mul(flat, flat), WG_AXES(0), 0), wg_size(x, WG_AXES(0)));
        export_at(g, y, &(wg_onnx_export_options){.opset = opset});
        same_back("symbols", opset, y, 1, &x, &v, 1);
        same_back("symbols", opset, y, 1, &x, &v, 5);
        wg_graph_free(g);
    }
}

ON_DISK(gradients_of_symbolic_slices_come_back)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(wg_dim(g, "batch"), 7)), *d;
    double   *v = (double *)(uintptr_t)ramp();
    wg_node  *parts[] = {wg_slice(x, 1, 1, 6, 2), wg_slice(x, 1, WG_SLICE_END, INT64_MIN, -3)};
    wg_node  *loss = wg_sum(wg_square(wg_concat(2, parts, 1)), WG_ALL_AXES, 0);
    cr_assert_eq(wg_grad(loss, 1, &x, &d), WG_OK);
    export_at(g, d, &(wg_onnx_export_options){.opset = 13});
    same_back("slices", 13, d, 1, &x, &v, 3);
    wg_graph_free(g);
}

/* ---- Outputs ---- */

ON_DISK(outputs_may_be_leaves_and_repeat)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(2)), *unused = wg_input(g, "unused", WG_F32, WG_SHAPE(2)),
            *w = wg_param(g, "w", WG_F32, WG_SHAPE(2)), *y = wg_exp(x);
    wg_node *out[] = {y, y, x, w, wg_scalar(g, WG_F32, 3), wg_dropout(y, 0.5)};
    cr_assert_not_null(unused);
    cr_assert_eq(wg_onnx_export(g, 6, out, path, NULL), WG_OK, "%s", wg_message(g));
    struct back b = read_back("outputs");
    cr_assert_eq(wg_onnx_input_count(b.m), 1, "what no output needs is left out");
    cr_assert_eq(wg_onnx_output_count(b.m), 6);
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < i; k++)
            cr_expect(strcmp(wg_onnx_output_name(b.m, i), wg_onnx_output_name(b.m, k)) != 0, "%d and %d", i, k);
    cr_expect_str_eq(wg_onnx_output_name(b.m, 0), "output");
    cr_expect_str_eq(wg_onnx_output_name(b.m, 2), "x_2");
    free_back(b);
    wg_graph_free(g);
}

ON_DISK(large_parameters_go_into_a_file_of_their_own)
{
    char      other[140];
    wg_graph *g = wg_graph_new();
    wg_node  *x, *y = mlp(g, 4, &x);
    double   *v = (double *)(uintptr_t)ramp();
    snprintf(other, sizeof other, "%s.data", path);
    export_at(g, y, &(wg_onnx_export_options){.external = 60});
    cr_assert(there(other));
    same_back("external", 13, y, 1, &x, &v, 0);
    struct stat s;
    stat(other, &s);
    cr_expect_eq(s.st_size, 4096 + 5 * 3 * 4, "two matrices, each at a page: %lld", (long long)s.st_size);
    wg_graph_free(g);
}
