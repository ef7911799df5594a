/* What comes in from a user: numbers that a dtype does not hold, bools of any byte, nodes of another graph. */
#include <math.h>
#include <string.h>

#include "ops/ops_test.h"

TestSuite(graph_doors, .timeout = 60);

/* ---- Numbers ---- */

static const struct number {
    wg_dtype t;
    double   v;
    bool     holds;
} numbers[] = {
    {WG_I64, 0.5, false},   {WG_I64, 9.3e18, false},     {WG_I64, -0x1p63, true},    {WG_I64, 0x1p63, false},
    {WG_I64, NAN, false},   {WG_I64, INFINITY, false},   {WG_I32, 2147483647, true}, {WG_I32, 2147483648, false},
    {WG_I32, -1.5, false},  {WG_I32, -2147483648, true}, {WG_U8, 255, true},         {WG_U8, 256, false},
    {WG_U8, -1, false},     {WG_U8, 0.5, false},         {WG_BOOL, 1, true},         {WG_BOOL, 0, true},
    {WG_BOOL, 2, false},    {WG_BOOL, 0.5, false},       {WG_F32, 0.1, true},        {WG_F32, 1e39, false},
    {WG_F32, -1e39, false}, {WG_F32, 1e-60, true},       {WG_F32, INFINITY, true},   {WG_F32, NAN, true},
    {WG_F64, 1e300, true},  {WG_F64, -0.0, true}};

/* y is there just where the dtype holds the number; else the message names the call, the number and the dtype. */
static void expect(wg_graph *g, const wg_node *y, const struct number *n, const char *call)
{
    char number[40];
    snprintf(number, sizeof number, "%g is no %s", n->v, wg_dtype_name(n->t));
    cr_expect_eq(y != NULL, n->holds, "%s of %s: %s", call, number, wg_message(g));
    if (!n->holds) {
        const char *text = wg_message(g);
        cr_expect_eq(wg_status(g), WG_EARG);
        cr_expect(!strncmp(text, call, strlen(call)) && strstr(text, number), "%s: \"%s\"", call, text);
    }
    wg_clear_error(g);
}

Test(graph_doors, numbers_that_a_dtype_does_not_hold)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const struct number *n = &numbers[i];
        wg_graph            *g = wg_graph_new();
        wg_node             *x = wg_input(g, "x", n->t, WG_SHAPE(2));
        bool                 counts = n->t != WG_BOOL;
        expect(g, wg_scalar(g, n->t, n->v), n, "scalar");
        expect(g, wg_lit(x, n->v), n, "lit");
        expect(g, wg_fill(g, n->t, WG_SHAPE(2), n->v), n, "fill");
        expect(g, wg_pad(x, (int64_t[]){1}, (int64_t[]){0}, n->v), n, "pad");
        if (counts) expect(g, wg_scale(x, n->v), n, "scale");
        if (counts) expect(g, wg_shift(x, n->v), n, "shift");
        if (counts && n->v == n->v) expect(g, wg_clip(x, n->v, n->v), n, "clip");
        wg_graph_free(g);
    }
}

Test(graph_doors, one_hot_in_no_dtype)
{
    wg_graph *g = wg_graph_new();
    wg_node  *i = wg_input(g, "i", WG_I64, WG_SHAPE(2));
    cr_expect_null(wg_one_hot(i, 3, (wg_dtype)77));
    cr_expect_str_eq(wg_message(g), "one_hot(i[2]): 77 is no dtype");
    wg_graph_free(g);
}

/* ---- Bools ---- */

static const uint8_t bytes[4] = {0, 1, 2, 255}, ones[4] = {0, 1, 1, 1};

/* b, what casts and comparisons make of it, and b itself through a reshape. */
static void expect_ones(wg_tape *t, wg_node *const y[4], const char *door)
{
    static const double want[4][4] = {{0, 1, 1, 1}, {0, 1, 1, 1}, {0, 1, 1, 1}, {0, 1, 1, 1}};
    for (int i = 0; i < 4; i++) {
        double v[4];
        get_values(t, y[i], v);
        for (int k = 0; k < 4; k++)
            cr_expect_eq(v[k], want[i][k], "%s, output %d: %d gives %g", door, i, bytes[k], v[k]);
    }
}

static void outputs(wg_node *b, wg_node *y[4])
{
    wg_node *yes = wg_const(wg_node_graph(b), WG_BOOL, WG_SCALAR, &(uint8_t){3});
    y[0] = wg_cast(b, WG_I32), y[1] = wg_equal(b, yes), y[2] = wg_cast(b, WG_F32);
    y[3] = wg_reshape(wg_reshape(b, WG_SHAPE(2, 2)), WG_SHAPE(4, 1));
}

Test(graph_doors, bools_are_0_and_1)
{
    wg_graph *g = wg_graph_new();
    wg_node  *in = wg_input(g, "in", WG_BOOL, WG_SHAPE(4)), *p = wg_param(g, "p", WG_BOOL, WG_SHAPE(4));
    wg_node  *c = wg_const(g, WG_BOOL, WG_SHAPE(4), bytes), *of_in[4], *of_p[4], *of_c[4], *all[12];
    outputs(in, of_in), outputs(p, of_p), outputs(c, of_c);
    for (int i = 0; i < 12; i++) all[i] = i < 4 ? of_in[i] : i < 8 ? of_p[i - 4] : of_c[i - 8];
    wg_tape *t = compiled(g, 12, all);
    cr_assert(!wg_set(t, in, bytes) && !wg_param_set(p, bytes));
    must_run(t);
    expect_ones(t, of_in, "wg_set"), expect_ones(t, of_p, "wg_param_set"), expect_ones(t, of_c, "wg_const");
    cr_expect_arr_eq(wg_param_view(p), ones, 4);
    cr_assert_eq(wg_set(t, p, bytes), WG_OK);
    cr_expect_arr_eq(wg_param_view(p), ones, 4, "a parameter by wg_set");
    memcpy(wg_input_buffer(t, in), bytes, 4);
    must_run(t);
    expect_ones(t, of_in, "wg_input_buffer");
    wg_graph_free(g);
}

Test(graph_doors, bools_in_eager_mode)
{
    wg_graph *g = wg_graph_new();
    wg_tape  *t = wg_graph_eager(g);
    wg_node  *in = wg_input(g, "in", WG_BOOL, WG_SHAPE(4)), *y[4];
    cr_assert_eq(wg_set(t, in, bytes), WG_OK);
    outputs(in, y);
    expect_ones(t, y, "eager");
    memcpy(wg_input_buffer(t, in), bytes, 4);
    must_run(t);
    expect_ones(t, y, "eager, wg_input_buffer");
    wg_graph_free(g);
}

/* ---- Gradient rules of a user's own ---- */

static wg_node    *foreign; /* what the rule gives */
static int         copy_cpu(wg_call *c) { return memcpy(c->y->data, c->x[0].data, sizeof(double)), WG_OK; }
static void        foreign_grad(wg_adjoint *v) { v->dx[0] = foreign; }
static const wg_op smuggler = {.name = "smuggler",
                               .doc = "gives a node of another graph",
                               .arity = 1,
                               .infer = wg_infer_same,
                               .cpu = copy_cpu,
                               .grad = foreign_grad};

Test(graph_doors, rules_give_nodes_of_their_graph)
{
    wg_graph *g = wg_graph_new(), *other = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SCALAR), *d, *y = wg_apply(&smuggler, 1, &x, NULL);
    foreign = wg_input(other, "there", WG_F64, WG_SCALAR);
    cr_expect_eq(wg_grad(y, 1, &x, &d), WG_EARG);
    cr_expect_null(d);
    cr_expect_str_eq(wg_message(g), "grad: the rule of smuggler gives a node of another graph for x[]");
    wg_clear_error(g);
    cr_expect_eq(wg_grad(wg_add(y, x), 1, &x, &d), WG_EARG, "beside another contribution");
    wg_graph_free(g);
    wg_graph_free(other);
}

/* ---- Binary cross entropy ---- */

Test(graph_doors, sigmoid_cross_entropy)
{
    wg_graph *g = wg_graph_new();
    wg_node  *z = wg_input(g, "z", WG_F32, WG_SHAPE(2, 3)), *y = wg_input(g, "y", WG_F32, WG_SHAPE(2, 3));
    wg_node  *row = wg_input(g, "row", WG_F32, WG_SHAPE(3)), *wide = wg_cast(y, WG_F64), *whole = wg_cast(z, WG_I32);
    wg_node  *each = wg_sigmoid_cross_entropy_each(z, y), *mean = wg_sigmoid_cross_entropy(z, y), *d;
    wg_node  *by_bool = wg_sigmoid_cross_entropy(z, wg_cast(y, WG_BOOL));
    wg_grad(mean, 1, &z, &d);
    wg_tape *t = compiled(g, 4, (wg_node *[]){each, mean, d, by_bool});
    cr_assert(!wg_set(t, z, (float[]){0, 2, -20, 20, INFINITY, -INFINITY}) &&
              !wg_set(t, y, (float[]){1, 0, 0, 1, 1, 0}));
    must_run(t);
    const double want[] = {log(2), log1p(exp(2)), exp(-20), exp(-20), 0, 0};
    const double slope[] = {-0.5, 1 / (1 + exp(-2)), exp(-20), -exp(-20), 0, 0};
    double       v[6], dv[6], sum = 0;
    get_values(t, each, v);
    get_values(t, d, dv);
    for (int i = 0; i < 6; i++) {
        sum += want[i];
        cr_expect(fabs(v[i] - want[i]) <= 1e-6 * want[i], "loss %d is %g, not %g", i, v[i], want[i]);
        cr_expect(fabs(6 * dv[i] - slope[i]) <= 1e-6 * fabs(slope[i]), "slope %d is %g, not %g", i, 6 * dv[i],
                  slope[i]);
    }
    cr_expect_float_eq(wg_get_scalar(t, mean), sum / 6, 1e-6);
    cr_expect_eq(wg_get_scalar(t, mean), wg_get_scalar(t, by_bool));

    const struct {
        wg_node    *y;
        const char *message;
    } bad[] = {{wg_sigmoid_cross_entropy(z, row),
                "sigmoid_cross_entropy: needs labels of the logits' shape, not z[2,3] and row[3]"}};
    cr_expect(!bad[0].y && !strcmp(wg_message(g), bad[0].message), "%s", wg_message(g));
    wg_clear_error(g);
    cr_expect(!wg_sigmoid_cross_entropy(z, wide) && strstr(wg_message(g), "labels of f64 for logits of f32"), "%s",
              wg_message(g));
    wg_clear_error(g);
    cr_expect(!wg_sigmoid_cross_entropy(whole, y) && strstr(wg_message(g), "i32 is not real"), "%s", wg_message(g));
    wg_clear_error(g);
    cr_expect(!wg_sigmoid_cross_entropy_each(z, NULL) && strstr(wg_message(g), "sigmoid_cross_entropy_each"), "%s",
              wg_message(g));
    wg_clear_error(g);
    cr_expect_null(wg_sigmoid_cross_entropy(NULL, NULL));
    wg_graph_free(g);
}

/* Whole labels are 0 and 1, or a run fails and says which is not; in eager mode the call does. */
Test(graph_doors, sigmoid_cross_entropy_of_whole_labels)
{
    static const wg_dtype whole[] = {WG_I32, WG_I64, WG_U8};
    static const double   bad[] = {2, 7, -1, 255};
    for (int k = 0; k < 3; k++)
        for (int j = 0; j < 4; j++) {
            if (whole[k] == WG_U8 && bad[j] < 0) continue;
            wg_graph *g = wg_graph_new();
            wg_node  *z = wg_input(g, "z", WG_F64, WG_SHAPE(3)), *y = wg_input(g, "y", whole[k], WG_SHAPE(3)), *d, *dd;
            wg_node  *loss = wg_sigmoid_cross_entropy(z, y);
            wg_node *real = wg_sigmoid_cross_entropy(z, wg_const(g, WG_F64, WG_SHAPE(3), (double[]){0, 1, 1})), *r, *rr;
            cr_assert(!wg_grad(loss, 1, &z, &d) && !wg_grad(wg_sum(d, WG_ALL_AXES, 0), 1, &z, &dd), "%s",
                      wg_message(g));
            cr_assert(!wg_grad(real, 1, &z, &r) && !wg_grad(wg_sum(r, WG_ALL_AXES, 0), 1, &z, &rr), "%s",
                      wg_message(g));
            wg_tape *t = compiled(g, 6, (wg_node *[]){loss, d, dd, real, r, rr});
            double   label[3] = {0, 1, 1}, v[3], w[3];
            uint64_t raw[3];
            wg_set(t, z, (double[]){0.5, -2, 3});
            for (int bad_at = -1; bad_at < 3; bad_at++) {
                for (int i = 0; i < 3; i++) wg__store(whole[k], raw, i, i == bad_at ? bad[j] : label[i]);
                wg_set(t, y, raw);
                if (bad_at < 0) {
                    must_run(t);
                    get_values(t, d, v), get_values(t, r, w);
                    for (int i = 0; i < 3; i++) cr_expect_eq(v[i], w[i], "slope %d", i);
                    get_values(t, dd, v), get_values(t, rr, w);
                    for (int i = 0; i < 3; i++) cr_expect_eq(v[i], w[i], "curvature %d", i);
                    cr_expect_eq(wg_get_scalar(t, loss), wg_get_scalar(t, real));
                    continue;
                }
                char text[60];
                snprintf(text, sizeof text, "sigmoid_cross_entropy: index %g at position %d", bad[j], bad_at);
                cr_expect_eq(wg_run(t), WG_EINDEX);
                cr_expect(strstr(wg_tape_message(t), text), "%s: %s", text, wg_tape_message(t));
            }
            wg_graph_free(g);
        }
}

Test(graph_doors, sigmoid_cross_entropy_of_a_bad_label_in_eager_mode)
{
    wg_graph *g = wg_graph_new();
    wg_graph_eager(g);
    wg_node *z = wg_const(g, WG_F32, WG_SCALAR, &(float){1}), *y = wg_const(g, WG_I32, WG_SCALAR, &(int32_t){7});
    cr_expect_null(wg_sigmoid_cross_entropy_each(z, y));
    cr_expect(wg_status(g) == WG_EINDEX && !strncmp(wg_message(g), "sigmoid_cross_entropy_each: ", 28), "%s",
              wg_message(g));
    wg_clear_error(g);
    wg_node *each = wg_sigmoid_cross_entropy_each(z, wg_const(g, WG_F64, WG_SCALAR, &(double){1}));
    cr_expect(!each && !strstr(wg_message(g), "sigmoid_cross_entropy:"), "named once: %s", wg_message(g));
    wg_graph_free(g);
}

/* ---- Operators of a program's own ---- */

static int take_shape(wg_infer *c) { return wg_infer_same(c); }
static int do_nothing(wg_call *c) { return (void)c, WG_OK; }
struct listed {
    wg_longs l;
    wg_reals r;
};

Test(graph_doors, an_operator_without_a_name_and_lists_without_numbers)
{
    static const wg_field      fields[] = {WG_FIELD(struct listed, l, LONGS), WG_FIELD(struct listed, r, REALS), {0}};
    static const struct listed bad[] = {{.l = {2, NULL}}, {.l = {-1, NULL}}, {.r = {3, NULL}}, {.r = {-7, NULL}}};
    wg_op                      op = {.arity = 1, .infer = take_shape, .cpu = do_nothing};
    wg_graph                  *g = wg_graph_new();
    wg_node                   *x = wg_input(g, "x", WG_F64, WG_SCALAR);
    cr_expect_null(wg_apply(&op, 1, &x, NULL));
    cr_expect_str_eq(wg_message(g), "apply: op has no name");
    wg_clear_error(g);
    op.name = "listed";
    op.attr_size = sizeof(struct listed);
    op.fields = fields;
    for (int i = 0; i < 4; i++) {
        cr_expect_null(wg_apply(&op, 1, &x, &bad[i]));
        cr_expect(strstr(wg_message(g), i < 2 ? "listed: the attribute l" : "listed: the attribute r"), "%s",
                  wg_message(g));
        wg_clear_error(g);
    }
    cr_expect_not_null(wg_apply(&op, 1, &x, &(struct listed){{0}, {0}}), "%s", wg_message(g));
    wg_graph_free(g);
}
