/* Fusion: what becomes one instruction, and that it changes no bit. */
#include "tape/random_graph.h"

TestSuite(tape_fuse, .timeout = 120);

static wg_graph *g;
static wg_node  *x;
static void      start(void) { g = wg_graph_new(), x = wg_input(g, "x", WG_F64, WG_SHAPE(5, 7)); }
static void      stop(void) { wg_graph_free(g); }

static void expect_limits(const wg_tape *t)
{
    for (int i = 0; i < t->n_instr; i++) {
        const struct wg__loop *l = t->instr[i].loop;
        if (!l) continue;
        cr_expect_leq(l->steps, WG__LOOP_STEPS);
        cr_expect_leq(l->inputs, WG__LOOP_INPUTS);
        cr_expect_leq(l->outputs, WG__LOOP_OUTPUTS);
        cr_expect_leq(l->registers, WG__LOOP_REGISTERS);
    }
}

/* The same values with and without fusion; the tape with it. */
static wg_tape *expect_same_unfused(int n, wg_node *const out[])
{
    wg_options plain = skipping(WG_SKIP_FUSE);
    wg_tape   *a = compile(g, n, out, NULL), *b = compile(g, n, out, &plain);
    expect_limits(a);
    for (int i = 0; i < g->n; i++)
        if (g->node[i]->kind == WG__INPUT && wg_tape_shape(a, g->node[i])) {
            set_random(a, g->node[i], (uint64_t)i, -1, 1);
            set_random(b, g->node[i], (uint64_t)i, -1, 1);
        }
    run(a);
    run(b);
    for (int i = 0; i < n; i++)
        if (out[i]->kind != WG__ASSIGN) cr_expect(same_bits(a, b, out[i]), "output %d", i);
    return a;
}

/* ---- What fuses ---- */

Test(tape_fuse, a_chain_is_one_instruction, .init = start, .fini = stop)
{
    wg_node *y = wg_tanh(wg_mul(wg_exp(wg_neg(x)), wg_sin(x)));
    cr_expect_eq(instructions(expect_same_unfused(1, &y)), 1);
    wg_options plain = skipping(WG_SKIP_FUSE);
    cr_expect_eq(instructions(compile(g, 1, &y, &plain)), 5);
}

Test(tape_fuse, broadcasts_ride_along, .init = start, .fini = stop)
{
    wg_node *row = wg_input(g, "row", WG_F64, WG_SHAPE(7)), *col = wg_input(g, "col", WG_F64, WG_SHAPE(5, 1));
    wg_node *y = wg_tanh(wg_add(wg_mul(x, row), col));
    cr_expect_eq(instructions(expect_same_unfused(1, &y)), 1);
    wg_node *z = wg_mul(wg_expand(row, WG_SHAPE(5, 7)), wg_sin(x));
    cr_expect_eq(instructions(expect_same_unfused(1, &z)), 1);
}

Test(tape_fuse, bias_and_relu_ride_on_the_product, .init = start, .fini = stop)
{
    wg_node *w = wg_input(g, "w", WG_F64, WG_SHAPE(7, 9)), *b = wg_input(g, "b", WG_F64, WG_SHAPE(9));
    wg_node *y = wg_relu(wg_add(wg_matmul(x, w), b));
    wg_tape *t = expect_same_unfused(1, &y);
    cr_expect_eq(instructions(t), 1);
    char *text = text_of(t);
    cr_expect_eq(count_in(text, "matmul+add+relu"), 1, "%s", text);
    free(text);
}

/* Stacks of products: of one matrix by many, of many small and of few large ones, in vain, and broadcast.
 * Behind products that are both several and large the rest is an instruction of its own. */
static const struct {
    wg_shape a, b;
    int      ta, tb, instructions;
} stacks[] = {
    {{3, {3, 5, 7}}, {2, {7, 9}}, 0, 0, 1},
    {{3, {3, 7, 5}}, {2, {7, 9}}, 1, 0, 1},
    {{3, {4, 5, 7}}, {3, {4, 9, 7}}, 0, 1, 1},
    {{3, {700, 2, 3}}, {3, {700, 3, 4}}, 0, 0, 1},
    {{4, {2, 1, 130, 20}}, {3, {3, 20, 300}}, 0, 0, 2},
    {{3, {40, 64, 64}}, {3, {40, 64, 64}}, 1, 1, 1},
    {{3, {2, 300, 260}}, {3, {2, 260, 300}}, 0, 0, 2},
    {{3, {3, 5, 0}}, {3, {3, 0, 4}}, 0, 0, 1},
    {{3, {0, 5, 2}}, {2, {2, 4}}, 0, 0, 1},
    {{3, {6, 300, 1}}, {3, {6, 1, 1}}, 0, 0, 1},
};

Test(tape_fuse, bias_activation_and_residual_ride_on_a_stack_of_products)
{
    setenv("WG_THREADS", "4", 1);
    for (size_t i = 0; i < sizeof stacks / sizeof *stacks; i++)
        for (int f64 = 0; f64 < 2; f64++) {
            wg_graph *h = wg_graph_new();
            wg_dtype  d = f64 ? WG_F64 : WG_F32;
            wg_node  *a = wg_input(h, "a", d, stacks[i].a), *b = wg_input(h, "b", d, stacks[i].b);
            wg_node  *p = wg_matmul_t(a, b, stacks[i].ta, stacks[i].tb);
            wg_shape  s = *wg_node_shape(p), row = WG_SHAPE(s.dim[s.rank - 1]), column = s;
            column.dim[s.rank - 1] = 1;
            wg_node *in[] = {wg_input(h, "bias", d, row), wg_input(h, "column", d, column), wg_input(h, "r", d, s)};
            wg_node *y = wg_add(wg_relu(wg_mul(wg_add(p, in[0]), in[1])), in[2]);
            wg_tape *t[5] = {NULL};
            for (int k = 0; k < 5; k++) {
                wg_options o = k < 3 ? with_threads(1 << k) : skipping(k == 3 ? WG_SKIP_FUSE : WG_SKIP_REUSE);
                t[k] = compile(h, 1, &y, &o);
                set_random(t[k], a, 1, -1, 1);
                set_random(t[k], b, 2, -1, 1);
                for (int n = 0; n < 3; n++) set_random(t[k], in[n], 3 + (uint64_t)n, -1, 1);
                run(t[k]);
                cr_expect(same_bits(t[0], t[k], y), "stack %zu, %s, tape %d", i, wg_dtype_name(d), k);
            }
            cr_expect_eq(instructions(t[0]), stacks[i].instructions, "stack %zu", i);
            cr_expect(instructions(t[3]) > 1);
            wg_graph_free(h);
        }
}

Test(tape_fuse, a_product_with_other_users_keeps_its_value, .init = start, .fini = stop)
{
    wg_node *w = wg_input(g, "w", WG_F64, WG_SHAPE(7, 9));
    wg_node *p = wg_matmul(x, w), *y = wg_relu(p), *z = wg_tanh(p), *s = wg_sum(p, WG_AXES(0), 0);
    expect_same_unfused(4, (wg_node *[]){p, y, z, s});
    expect_same_unfused(3, (wg_node *[]){y, z, s});
    expect_same_unfused(2, (wg_node *[]){y, s});
}

Test(tape_fuse, a_reduction_ends_a_chain, .init = start, .fini = stop)
{
    wg_node *loss = wg_sum(wg_square(wg_tanh(x)), WG_ALL_AXES, 0);
    cr_expect_eq(instructions(expect_same_unfused(1, &loss)), 1);
    wg_node *rows = wg_max(wg_exp(x), WG_AXES(1), 0), *cols = wg_sum(wg_exp(wg_neg(x)), WG_AXES(0), 0);
    cr_expect_eq(instructions(expect_same_unfused(1, &rows)), 1);
    cr_expect_eq(instructions(expect_same_unfused(1, &cols)), 1);
    wg_node *after = wg_scale(loss, 0.5);
    cr_expect_eq(instructions(expect_same_unfused(1, &after)), 2, "nothing of another shape follows it in the loop");
}

Test(tape_fuse, values_that_are_asked_for_leave_the_loop, .init = start, .fini = stop)
{
    wg_node *a = wg_exp(x), *b = wg_tanh(a), *c = wg_mul(a, b), *d = wg_sum(c, WG_ALL_AXES, 0);
    wg_tape *t = expect_same_unfused(4, (wg_node *[]){a, b, c, d});
    cr_expect_leq(instructions(t), 2);
}

static void adam(wg_node *p, wg_node *m, wg_node *v, wg_node *grad, wg_node *step[3])
{
    wg_node *m1 = wg_add(wg_scale(m, 0.9), wg_scale(grad, 0.1));
    wg_node *v1 = wg_add(wg_scale(v, 0.999), wg_scale(wg_square(grad), 0.001));
    step[0] = wg_assign(p, wg_sub(p, wg_div(wg_scale(m1, 1e-3), wg_shift(wg_sqrt(v1), 1e-8))));
    step[1] = wg_assign(m, m1);
    step[2] = wg_assign(v, v1);
}

Test(tape_fuse, an_update_of_three_is_one_instruction, .init = start, .fini = stop)
{
    wg_node *p = wg_param(g, "p", WG_F64, WG_SHAPE(5, 7)), *m = wg_param(g, "m", WG_F64, WG_SHAPE(5, 7));
    wg_node *v = wg_param(g, "v", WG_F64, WG_SHAPE(5, 7)), *step[3];
    adam(p, m, v, x, step);
    wg_tape *t = compile(g, 3, step, NULL);
    cr_expect_eq(instructions(t), 1);
    cr_expect_eq(t->instr[0].n_out, 3);
    for (int c = 0; c < t->n_copy; c++) cr_expect(t->copy[c].in_place, "copy %d", c);
    set_random(t, x, 1, -1, 1);
    run(t);
    run(t);
    double m2[35], v2[35], p2[35];
    wg_param_get(m, m2), wg_param_get(v, v2), wg_param_get(p, p2);
    for (int i = 0; i < 35; i++) {
        double d = element(t, x, i), m1 = 0.1 * d, v1 = 0.001 * d * d, p1 = -1e-3 * m1 / (sqrt(v1) + 1e-8);
        cr_expect_float_eq(m2[i], 0.9 * m1 + 0.1 * d, 1e-14);
        cr_expect_float_eq(v2[i], 0.999 * v1 + 0.001 * d * d, 1e-14);
        cr_expect_float_eq(p2[i], p1 - 1e-3 * m2[i] / (sqrt(v2[i]) + 1e-8), 1e-14);
    }
}

/* ---- The limits of a loop ---- */

Test(tape_fuse, a_chain_of_two_hundred, .init = start, .fini = stop)
{
    wg_node *y = x;
    for (int i = 0; i < 100; i++) y = wg_sin(wg_scale(y, 1.01));
    wg_tape *t = expect_same_unfused(1, &y);
    cr_expect_leq(instructions(t), 200 / WG__LOOP_STEPS + 2);
    for (int i = 0; i < 35; i++) {
        double v = element(t, x, i);
        for (int k = 0; k < 100; k++) v = sin(v * 1.01);
        cr_expect_float_eq(element(t, y, i), v, 1e-12);
    }
}

Test(tape_fuse, more_inputs_than_a_loop_has, .init = start, .fini = stop)
{
    wg_node *in[40], *y = x;
    for (int i = 0; i < 40; i++) {
        in[i] = wg_input(g, NULL, WG_F64, WG_SHAPE(5, 7));
        y = wg_add(y, in[i]);
    }
    wg_tape *t = expect_same_unfused(1, &y);
    cr_expect_leq(instructions(t), 4);
    double sum = element(t, x, 3);
    for (int i = 0; i < 40; i++) sum += element(t, in[i], 3);
    cr_expect_float_eq(element(t, y, 3), sum, 1e-13);
}

Test(tape_fuse, more_outputs_than_a_loop_has, .init = start, .fini = stop)
{
    wg_node *y[20], *v = x;
    for (int i = 0; i < 20; i++) y[i] = v = wg_sin(wg_scale(v, 1.5));
    expect_same_unfused(20, y);
}

/* f(x1) (f(x2) (f(x3) (..))): every f is computed before the first product. */
static wg_node *right_leaning(int n, int k)
{
    wg_node *leaf[WG__LOOP_STEPS], *y = NULL;
    for (int i = 0; i < n; i++)
        leaf[i] = k ? wg_sin(wg_scale(x, 1 + i)) : wg_sin(wg_input(g, NULL, WG_F64, WG_SHAPE(5, 7)));
    for (int i = n - 1; i >= 0; i--) y = y ? wg_mul(leaf[i], wg_shift(y, 0.5)) : leaf[i];
    return y;
}

Test(tape_fuse, many_values_alive_at_once, .init = start, .fini = stop)
{
    for (int n = 10; n <= 18; n++) {
        wg_node *y = right_leaning(n, 0);
        expect_same_unfused(1, &y);
        wg_node *z = right_leaning(n, 1);
        expect_same_unfused(1, &z);
    }
}

Test(tape_fuse, no_loop_exceeds_its_limits)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct random_graph r = random_graph(seed);
        expect_limits(compile(r.g, r.n_out, r.out, NULL));
        wg_graph_free(r.g);
    }
}

/* ---- The passes change no bit ---- */

static void expect_same_outputs(const struct random_graph *r, wg_tape *a, const wg_options *o, const char *what,
                                uint64_t seed)
{
    wg_tape *b = computed(r, o);
    for (int i = 0; i < r->n_out; i++) {
        char text[160];
        cr_expect(same_bits(a, b, r->out[i]), "graph %llu, %s: output %d, %s", (unsigned long long)seed, what, i,
                  wg__node_str(r->out[i], text, sizeof text));
    }
    wg_tape_free(b);
}

static void expect_same_without_passes(uint64_t seed)
{
    static const struct {
        const char *name;
        unsigned    passes;
    } skips[] = {{"no fusion", WG_SKIP_FUSE},
                 {"no merging", WG_SKIP_MERGE},
                 {"no reuse", WG_SKIP_REUSE},
                 {"none of these", WG_SKIP_FUSE | WG_SKIP_MERGE | WG_SKIP_REUSE}};
    struct random_graph r = random_graph(seed);
    wg_options          one = with_threads(1);
    wg_tape            *a = computed(&r, &one);
    for (int i = 0; i < r.n_out; i++)
        for (int64_t k = 0; k < wg_count(wg_tape_shape(a, r.out[i])); k++)
            cr_assert(isfinite(element(a, r.out[i], k)), "graph %llu leaves its domain", (unsigned long long)seed);
    for (int k = 0; k < 4; k++) {
        wg_options o = skipping(skips[k].passes);
        expect_same_outputs(&r, a, &o, skips[k].name, seed);
    }
    for (int n = 2; n <= 4; n += 2) {
        wg_options o = with_threads(n);
        expect_same_outputs(&r, a, &o, n == 2 ? "2 threads" : "4 threads", seed);
    }
    wg_graph_free(r.g);
}

Test(tape_fuse, passes_change_no_bit_of_random_graphs)
{
    setenv("WG_THREADS", "4", 1);
    for (uint64_t seed = 0; seed < 400; seed++) expect_same_without_passes(seed);
}

/* Gradients of random graphs: wider and deeper than what a person writes. */
Test(tape_fuse, passes_change_no_bit_of_gradients)
{
    setenv("WG_THREADS", "4", 1);
    for (uint64_t seed = 1000; seed < 1080; seed++) {
        struct random_graph r = random_graph(seed);
        wg_node            *loss = wg_sum(wg_tanh(r.out[0]), WG_ALL_AXES, 0), *d[INPUTS];
        cr_assert_eq(wg_grad(loss, r.n_in, r.in, d), WG_OK, "%s", wg_message(r.g));
        for (int i = 0; i < r.n_in; i++) r.out[i] = d[i];
        r.n_out = r.n_in;
        wg_options one = with_threads(1), plain = skipping(WG_SKIP_FUSE | WG_SKIP_REUSE), four = with_threads(4);
        wg_tape   *a = computed(&r, &one);
        expect_same_outputs(&r, a, &plain, "gradients, plain", seed);
        expect_same_outputs(&r, a, &four, "gradients, 4 threads", seed);
        wg_graph_free(r.g);
    }
}

/* Large enough for every thread to have a part. */
Test(tape_fuse, threads_change_no_bit_of_large_tensors)
{
    setenv("WG_THREADS", "4", 1);
    wg_graph *h = wg_graph_new();
    wg_node  *a = wg_input(h, "a", WG_F32, WG_SHAPE(400, 300)), *b = wg_input(h, "b", WG_F32, WG_SHAPE(300, 200));
    wg_node  *p = wg_tanh(wg_matmul(a, b)), *rows = wg_sum(wg_exp(a), WG_AXES(1), 0),
            *cols = wg_sum(wg_exp(a), WG_AXES(0), 0);
    wg_node *all = wg_sum(wg_square(a), WG_ALL_AXES, 0), *soft = wg_softmax(a, 1), *wide = wg_mul(wg_sin(a), wg_cos(a));
    wg_node *out[] = {p, rows, cols, all, soft, wide};
    wg_tape *t[4];
    for (int k = 0; k < 4; k++) {
        wg_options o = k < 3 ? with_threads(1 << k) : skipping(WG_SKIP_FUSE);
        t[k] = compile(h, 6, out, &o);
        set_random(t[k], a, 1, -1, 1);
        set_random(t[k], b, 2, -1, 1);
        run(t[k]);
        for (int i = 0; i < 6; i++) cr_expect(same_bits(t[0], t[k], out[i]), "output %d, tape %d", i, k);
    }
    for (int i = 0; i < t[1]->n_instr; i++)
        cr_expect(!t[1]->instr[i].loop || t[1]->instr[i].loop->cost > 0, "a loop without a cost is never shared");
    wg_graph_free(h);
}
