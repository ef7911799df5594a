/* Operators with several results: an operator of a program's own goes through every part of the library. */
#include <wengert/train.h>

#include "support/alloc.h"
#include "tape/tape_test.h"

static wg_graph *g;
static void      start(void) { g = wg_graph_new(); }
static void      stop(void) { wg_graph_free(g); }
TestSuite(results, .init = start, .fini = stop, .timeout = 60);

/* ---- y[0] = x^2 of x's dtype, y[1] = the sign of x as i32, y[2] = x summed, of rank 0 ---- */

static int calls; /* of trio_cpu */

static int trio_infer(wg_infer *c)
{
    c->y[0] = c->y[1] = c->x[0];
    c->y[2] = WG_SCALAR;
    c->ydtype[1] = WG_I32;
    return WG_OK;
}

static int trio_cpu(wg_call *c)
{
    int64_t n = wg_count(&c->x[0].shape);
    double  sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = wg__load(c->x[0].dtype, c->x[0].data, i);
        wg__store(c->y[0].dtype, c->y[0].data, i, x * x);
        ((int32_t *)c->y[1].data)[i] = (x > 0) - (x < 0);
        sum += x;
    }
    wg__store(c->y[2].dtype, c->y[2].data, 0, sum);
    calls++;
    return WG_OK;
}

static int with_square, with_sum; /* how often the rule saw a gradient of each */

static void trio_grad(wg_adjoint *v)
{
    wg_node *square = v->g[0] ? wg_mul(v->g[0], wg_scale(v->x[0], 2)) : NULL;
    wg_node *sum = v->g[2] ? wg_expand(v->g[2], *wg_node_shape(v->x[0])) : NULL;
    cr_expect(v->m == 3 && !v->g[1], "nothing flows back to an integer");
    with_square += square != NULL;
    with_sum += sum != NULL;
    v->dx[0] = square && sum ? wg_add(square, sum) : square ? square : sum;
}

static const wg_op op_trio = {.name = "trio",
                              .doc = "x^2, sign x and the sum of x",
                              .arity = 1,
                              .results = 3,
                              .dtypes = WG_DTYPE_REALS,
                              .infer = trio_infer,
                              .cpu = trio_cpu,
                              .grad = trio_grad};

static wg_node *trio(wg_node *x) { return wg_apply(&op_trio, 1, &x, NULL); }

static const float values[4] = {1, -2, 3, 0};

static void expect_trio(wg_tape *t, const wg_node *square, const wg_node *sign, const wg_node *sum)
{
    float   y[4], s;
    int32_t b[4];
    cr_assert_eq(wg_get_f32(t, square, 4, y), WG_OK, "%s", wg_tape_message(t));
    cr_assert_eq(wg_get_i32(t, sign, 4, b), WG_OK, "%s", wg_tape_message(t));
    cr_assert_eq(wg_get_f32(t, sum, 1, &s), WG_OK, "%s", wg_tape_message(t));
    for (int i = 0; i < 4; i++) {
        cr_expect_eq(y[i], values[i] * values[i]);
        cr_expect_eq(b[i], (values[i] > 0) - (values[i] < 0));
    }
    cr_expect_eq(s, 2);
}

Test(results, each_has_its_shape_dtype_and_kind)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(4)), *y = trio(x), *b = wg_result(y, 1), *s = wg_result(y, 2);
    cr_assert(y && b && s && wg_result(y, 0) == y);
    cr_expect(wg_node_results(y) == 3 && wg_node_results(x) == 1 && wg_node_results(b) == 1);
    cr_expect(wg_node_result(y) == 0 && wg_node_result(b) == 1 && wg_node_result(s) == 2);
    cr_expect(wg_node_dtype(y) == WG_F32 && wg_node_dtype(b) == WG_I32 && wg_node_dtype(s) == WG_F32);
    cr_expect(wg_node_shape(y)->rank == 1 && wg_node_shape(b)->rank == 1 && wg_node_shape(s)->rank == 0);
    cr_expect_str_eq(wg_node_kind(b), "result");
    cr_expect(wg_node_operand(b, 0) == y && wg_node_op(b) == NULL && wg_node_op(y) == &op_trio);
    for (int k = -1; k < 5; k += 4) {
        cr_expect_null(wg_result(y, k));
        cr_expect(strstr(wg_message(g), "trio has 3 results"), "%s", wg_message(g));
        wg_clear_error(g);
    }
    cr_expect_null(wg_result(x, 1));
    cr_expect(strstr(wg_message(g), "input has 1 result"), "%s", wg_message(g));
}

Test(results, any_of_them_may_be_asked_for)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(4)), *y = trio(x), *b = wg_result(y, 1), *s = wg_result(y, 2);
    for (int set = 1; set < 8; set++) {
        wg_node *out[3];
        int      n = 0;
        for (int k = 0; k < 3; k++)
            if (set >> k & 1) out[n++] = wg_result(y, k);
        wg_tape *t = compile(g, n, out, NULL);
        wg_set_f32(t, x, 4, values);
        run(t);
        float   square[4], sum;
        int32_t sign[4];
        if (set & 1) cr_expect(!wg_get_f32(t, y, 4, square) && square[1] == 4, "results %d", set);
        if (set & 2) cr_expect(!wg_get_i32(t, b, 4, sign) && sign[1] == -1, "results %d", set);
        if (set & 4) cr_expect(!wg_get_f32(t, s, 1, &sum) && sum == 2, "results %d", set);
        wg_tape_free(t);
    }
}

/* The values of what is not asked for take memory that others have before and after. */
Test(results, unread_results_disturb_nobody)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(4)), *y = wg_exp(x);
    for (int i = 0; i < 10; i++) {
        wg_node *z = wg_sum(y, WG_ALL_AXES, 0);
        y = wg_add(wg_scale(y, 0.5), wg_result(trio(wg_sub(wg_sin(y), z)), i % 2 ? 2 : 0));
    }
    wg_tape *t = compile(g, 1, &y, NULL), *plain = compile(g, 1, &y, &(wg_options){.skip = WG_SKIP_REUSE});
    float    a[4], b[4];
    wg_set_f32(t, x, 4, values);
    wg_set_f32(plain, x, 4, values);
    run(t);
    run(plain);
    wg_get_f32(t, y, 4, a);
    wg_get_f32(plain, y, 4, b);
    cr_expect_arr_eq(a, b, sizeof a);
    cr_expect_lt(wg_stats(t).peak_bytes, wg_stats(plain).peak_bytes);
}

Test(results, equal_applications_are_one)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(4)), *y = trio(x), *z = trio(x);
    wg_node *sum = wg_add(wg_result(y, 2), wg_result(z, 2));
    wg_tape *t = compile(g, 1, &sum, NULL);
    calls = 0;
    wg_set_f32(t, x, 4, values);
    run(t);
    cr_expect_eq(calls, 1);
    cr_expect_eq(wg_get_scalar(t, sum), 4);
}

Test(results, of_constants_are_constants)
{
    wg_node *y = trio(wg_const(g, WG_F32, WG_SHAPE(4), values)), *b = wg_result(y, 1), *s = wg_result(y, 2);
    wg_tape *t = compile(g, WG_NODES(y, b, s), NULL);
    calls = 0;
    run(t);
    cr_expect_eq(calls, 0, "it was computed while the tape was compiled");
    expect_trio(t, y, b, s);
}

Test(results, in_eager_mode)
{
    wg_tape *t = wg_graph_eager(g);
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(4));
    wg_set_f32(t, x, 4, values);
    wg_node *y = trio(x), *b = wg_result(y, 1), *s = wg_result(y, 2);
    expect_trio(t, y, b, s);
    wg_node *twice = wg_scale(s, 2);
    cr_expect_eq(wg_get_scalar(t, twice), 4);
    wg_set_f32(t, x, 4, (float[]){1, 1, 1, 1});
    run(t);
    cr_expect_eq(wg_get_scalar(t, twice), 8);
}

Test(results, gradients_come_from_each)
{
    wg_node *x = wg_input(g, "x", WG_F64, WG_SHAPE(4)), *y = trio(x);
    wg_node *squares = wg_sum(y, WG_ALL_AXES, 0), *sum = wg_result(y, 2), *both = wg_mul(squares, sum), *d[3], *dd;
    with_square = with_sum = 0;
    wg_grad(squares, 1, &x, &d[0]);
    cr_expect(with_square == 1 && with_sum == 0);
    wg_grad(sum, 1, &x, &d[1]);
    cr_expect(with_square == 1 && with_sum == 1);
    wg_grad(both, 1, &x, &d[2]);
    cr_expect(with_square == 2 && with_sum == 2);
    wg_node *slope = wg_sum(wg_square(d[2]), WG_ALL_AXES, 0);
    cr_assert_eq(wg_grad(slope, 1, &x, &dd), WG_OK);
    wg_node *push = wg_jvp(both, 1, &x, &d[2]); /* |d|^2 */
    wg_tape *t = compile(g, WG_NODES(d[0], d[1], d[2], dd, push, slope), NULL);
    double   v[4] = {0.5, -1, 2, 0.25}, a[4], b[4], c[4], h[4], s1 = 0, s2 = 0;
    wg_set_f64(t, x, 4, v);
    run(t);
    wg_get_f64(t, d[0], 4, a);
    wg_get_f64(t, d[1], 4, b);
    wg_get_f64(t, d[2], 4, c);
    wg_get_f64(t, dd, 4, h);
    for (int i = 0; i < 4; i++) s1 += v[i], s2 += v[i] * v[i];
    for (int i = 0; i < 4; i++) {
        double dot = 0;
        cr_expect_eq(a[i], 2 * v[i]);
        cr_expect_eq(b[i], 1);
        cr_expect_float_eq(c[i], 2 * v[i] * s1 + s2, 1e-12);
        for (int k = 0; k < 4; k++) /* d_k = 2 v_k s1 + s2 */
            dot += 2 * (2 * v[k] * s1 + s2) * (2 * v[k] + 2 * v[i] + (i == k) * 2 * s1);
        cr_expect_float_eq(h[i], dot, 1e-10);
    }
    cr_expect_float_eq(wg_get_scalar(t, push), wg_get_scalar(t, slope), 1e-10);
}

Test(results, a_result_without_gradient_is_named)
{
    wg_node *x = wg_param(g, "x", WG_F32, WG_SHAPE(4)), *sign = wg_result(trio(x), 1);
    wg_node *loss = wg_sum(wg_cast(sign, WG_F32), WG_ALL_AXES, 0);
    cr_expect_null(wg_minimize(loss, NULL));
    cr_expect(strstr(wg_message(g), "it ends at trio"), "%s", wg_message(g));
}

/* ---- As many results as an attribute says; attributes with texts and lists ---- */

struct pieces {
    wg_longs    size;
    wg_reals    weight;
    const char *label;
    void       *handle;
    wg_graph   *body;
};
/* clang-format off */
static const wg_field pieces_fields[] = {
    WG_FIELD(struct pieces, size, LONGS), WG_FIELD(struct pieces, weight, REALS), WG_FIELD(struct pieces, label, TEXT),
    WG_FIELD(struct pieces, handle, HANDLE), WG_FIELD(struct pieces, body, GRAPH), {0}};
/* clang-format on */

static int pieces_count(int n, const void *attr) { return (void)n, ((const struct pieces *)attr)->size.n; }

static int pieces_infer(wg_infer *c)
{
    const struct pieces *a = c->attr;
    for (int k = 0; k < c->m; k++) c->y[k] = WG_SHAPE(a->size.at[k]);
    return WG_OK;
}

static int pieces_cpu(wg_call *c)
{
    const struct pieces *a = c->attr;
    const float         *x = c->x[0].data;
    for (int k = 0; k < c->m; x += a->size.at[k++])
        for (int64_t i = 0; i < a->size.at[k]; i++) ((float *)c->y[k].data)[i] = x[i] * (float)a->weight.at[k];
    return WG_OK;
}

static const wg_op op_pieces = {.name = "pieces",
                                .doc = "pieces of x, weighed",
                                .arity = 1,
                                .results = WG_OP_VARIADIC,
                                .dtypes = WG_DTYPE_BIT(WG_F32),
                                .attr_size = sizeof(struct pieces),
                                .fields = pieces_fields,
                                .count = pieces_count,
                                .infer = pieces_infer,
                                .cpu = pieces_cpu};

static wg_node *pieces(wg_node *x, int n, const int64_t *size, const double *weight, const char *label, void *handle)
{
    return wg_apply(&op_pieces, 1, &x, &(struct pieces){{n, size}, {n, weight}, label, handle, NULL});
}

enum { MANY = 20 };

Test(results, as_many_as_an_attribute_says)
{
    int64_t size[MANY], total = 0;
    double  weight[MANY];
    float   x[MANY * MANY], y[MANY];
    char    label[] = "a label";
    for (int i = 0; i < MANY; i++) total += size[i] = i, weight[i] = i + 1;
    for (int i = 0; i < MANY * MANY; i++) x[i] = (float)i;
    wg_node *in = wg_input(g, "x", WG_F32, WG_SHAPE(total)), *p = pieces(in, MANY, size, weight, label, g), *out[MANY];
    memset(size, 0x7f, sizeof size); /* the graph has its own */
    memset(weight, 0x7f, sizeof weight);
    memset(label, 'z', sizeof label - 1);
    cr_assert_eq(wg_node_results(p), MANY, "%s", wg_message(g));
    for (int k = 0; k < MANY; k++) out[k] = wg_result(p, MANY - 1 - k);
    for (unsigned skip = 0; skip < 16; skip++) {
        wg_tape *t = compile(g, MANY, out, &(wg_options){.skip = skip});
        wg_set_f32(t, in, total, x);
        run(t);
        for (int k = 0, at = 0; k < MANY; at += k++) {
            cr_assert_eq(wg_get_f32(t, wg_result(p, k), k, y), WG_OK, "%s", wg_tape_message(t));
            for (int i = 0; i < k; i++) cr_expect_eq(y[i], (float)(at + i) * (float)(k + 1));
        }
        wg_tape_free(t);
    }
}

static uint64_t place_of(const wg_node *x)
{
    uint64_t place = 0;
    cr_assert(wg__place(x, &place));
    return place;
}

Test(results, attributes_are_printed_and_compared)
{
    char     other[] = "b\"\x1b", text[160];
    int64_t  size[] = {1, 3}, longer[] = {1, 3, 0};
    double   weight[] = {1, 0.5}, heavier[] = {1, 0.25};
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(4)), *a = pieces(x, 2, size, weight, "b", NULL);
    wg_node *b[] = {pieces(x, 2, size, heavier, "b", NULL), pieces(x, 2, size, weight, other, NULL),
                    pieces(x, 2, size, weight, NULL, NULL), pieces(x, 2, size, weight, "", NULL),
                    pieces(x, 2, size, weight, "b", g),     pieces(x, 2, longer + 1, weight, "b", NULL)};
    wg_node *same = pieces(x, 2, longer, weight, (char[]){"b"}, NULL);
    cr_expect_str_eq(wg__attr_str(g, &op_pieces, b[1]->attr, text, sizeof text),
                     "size=(1,3), weight=(1,0.5), label=\"b\\\"\\x1b\", handle=..., body=...");
    cr_expect(wg__attr_equal(&op_pieces, a->attr, same->attr));
    cr_expect_eq(place_of(a), place_of(same));
    for (int i = 0; i < 6; i++) cr_expect(!wg__attr_equal(&op_pieces, a->attr, b[i]->attr), "change %d", i);
    cr_expect_neq(place_of(a), place_of(b[1]));
    cr_expect_eq(place_of(a), place_of(b[4]), "an address is not the same in the next process");
}

/* ---- Wrong operators, and memory that ends ---- */

Test(results, an_operator_that_contradicts_itself_is_refused)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(4));
    wg_op    none = op_trio, in_place = op_trio, view = op_trio, uncounted = op_pieces;
    none.results = -2;
    in_place.flags = WG_OP_IN_PLACE;
    view.flags = WG_OP_VIEW;
    uncounted.count = NULL;
    const wg_op *bad[] = {&none, &in_place, &view, &uncounted};
    for (int i = 0; i < 4; i++) {
        cr_expect_null(wg_apply(bad[i], 1, &x, &(struct pieces){0}), "operator %d", i);
        cr_expect_eq(wg_status(g), WG_EARG);
        wg_clear_error(g);
    }
}

static int tried_at(long n, bool eager)
{
    wg_graph *h = wg_graph_new();
    alloc_fail_once_at(n);
    wg_tape *t = eager ? wg_graph_eager(h) : NULL;
    wg_node *x = wg_const(h, WG_F32, WG_SHAPE(4), values), *y = trio(x), *p = wg_param(h, "p", WG_F32, WG_SHAPE(4));
    wg_node *z = wg_result(trio(wg_add(p, y)), 2), *sum = wg_add(z, wg_result(y, 2)), *d = NULL;
    int      status = z ? wg_grad(sum, 1, &p, &d) : wg_status(h);
    if (!eager && d) t = wg_compile(h, WG_NODES(d, sum, wg_result(y, 1)), NULL);
    status = status ? status : wg_status(h);
    if (t && !status) status = wg_run(t);
    alloc_restore();
    if (!status) {
        float want[] = {2 * 1 + 1, 0, 0, 0};
        cr_expect_eq(wg_get_f32(t, sum, 1, want + 1), WG_OK, "%s", wg_tape_message(t));
        cr_expect_eq(want[1], 14 + 2, "the sum of 0 + x^2, and that of x");
    }
    wg_graph_free(h);
    return status;
}

Test(results, the_nth_allocation_failing)
{
    for (int eager = 0; eager < 2; eager++) {
        int status = WG_ENOMEM;
        for (long n = 0; n < 2000 && status; n++) {
            status = tried_at(n, eager);
            cr_expect(status == WG_OK || status == WG_ENOMEM, "allocation %ld: status %d", n, status);
        }
        cr_expect_eq(status, WG_OK);
    }
}

/* ---- Order ---- */

static int log_n, log_of[32];

static int note_infer(wg_infer *c) { return *c->y = c->x[0], WG_OK; }
static int note_cpu(wg_call *c)
{
    log_of[log_n++] = *(const int *)c->attr;
    memcpy(c->y->data, c->x[0].data, wg__bytes(c->y->dtype, &c->y->shape));
    return WG_OK;
}
static const wg_field note_fields[] = {{"number", WG_FIELD_INT, 0}, {0}};
static const wg_op    op_note = {.name = "note",
                                 .doc = "x, and notes that it ran",
                                 .arity = 1,
                                 .flags = WG_OP_ORDERED,
                                 .attr_size = sizeof(int),
                                 .fields = note_fields,
                                 .infer = note_infer,
                                 .cpu = note_cpu};

Test(results, ordered_operators_keep_their_order_and_their_number)
{
    wg_node *p = wg_param(g, "p", WG_F32, WG_SHAPE(4)), *x = wg_const(g, WG_F32, WG_SHAPE(4), values), *y[8];
    for (int i = 0; i < 8; i++) y[i] = wg_apply(&op_note, 1, i / 2 % 2 ? &p : &x, &(int){i / 2}); /* pairs of equals */
    wg_node *sum = y[0];
    for (int i = 1; i < 8; i++) sum = wg_add(sum, y[i]);
    wg_node *step = wg_assign(p, wg_apply(&op_note, 1, &sum, &(int){9}));
    wg_tape *t = compile(g, WG_NODES(step, sum), NULL);
    log_n = 0;
    run(t);
    cr_expect_eq(log_n, 9, "equal ones are not merged, those of constants not folded");
    for (int i = 0; i < 9; i++) cr_expect_eq(log_of[i], i < 8 ? i / 2 : 9, "place %d: %d", i, log_of[i]);
}

/* ---- Sets of dtypes, one for each operand ---- */

static const unsigned pick_takes[] = {WG_DTYPE_REALS, WG_DTYPE_INTS};
static const wg_op    op_pick = {
       .name = "pick", .doc = "x", .arity = 2, .takes = pick_takes, .infer = wg_infer_same, .cpu = note_cpu};

Test(results, each_operand_has_its_own_set_of_dtypes)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(4)), *i = wg_input(g, "i", WG_I64, WG_SHAPE(4));
    cr_expect_not_null(wg_apply(&op_pick, 2, (wg_node *[]){x, i}, NULL), "%s", wg_message(g));
    cr_expect_null(wg_apply(&op_pick, 2, (wg_node *[]){x, x}, NULL));
    cr_expect_str_eq(wg_message(g), "pick(x[4], x[4]): operand 1 is f32, which pick does not take");
}
