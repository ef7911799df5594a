/* Memory: small peaks, values that stay, views, tensors without elements. */
#include "tape/random_graph.h"

TestSuite(tape_plan, .timeout = 60);

static wg_node *dense(wg_node *x, int64_t out, const char *name)
{
    char      w[32], b[32];
    wg_graph *g = wg_node_graph(x);
    snprintf(w, sizeof w, "%s.w", name), snprintf(b, sizeof b, "%s.b", name);
    wg_node *weight = wg_param(g, w, WG_F32, WG_SHAPE(wg_node_shape(x)->dim[1], out));
    return wg_add(wg_matmul(x, weight), wg_param(g, b, WG_F32, WG_SHAPE(out)));
}

static wg_node *mlp(wg_graph *g, int layers)
{
    wg_node *h = wg_input(g, "x", WG_F32, WG_SHAPE(64, 128));
    for (int i = 0; i < layers; i++) {
        char name[16];
        snprintf(name, sizeof name, "fc%d", i);
        h = wg_relu(dense(h, 128, name));
    }
    return h;
}

Test(tape_plan, a_deep_net_needs_two_buffers)
{
    wg_graph     *g = wg_graph_new();
    wg_node      *y = mlp(g, 8);
    wg_tape_stats s = wg_stats(compile(g, 1, &y, NULL));
    cr_expect_lt(s.peak_bytes, s.value_bytes);
    cr_expect_leq(s.peak_bytes, 2 * 64 * 128 * 4 + 256);
    wg_options    apart = skipping(WG_SKIP_REUSE);
    wg_tape_stats a = wg_stats(compile(g, 1, &y, &apart));
    cr_expect_geq(a.peak_bytes, 8 * 64 * 128 * 4);
    wg_graph_free(g);
}

Test(tape_plan, a_training_step_peaks_below_its_values)
{
    wg_graph *g = wg_graph_new();
    wg_node  *loss = wg_mean(wg_square(mlp(g, 3)), WG_ALL_AXES, 0), *p[6], *d[6], *step[7] = {loss};
    for (int i = 0; i < 6; i++) p[i] = wg_param_at(g, i);
    cr_assert_eq(wg_grad(loss, 6, p, d), WG_OK);
    for (int i = 0; i < 6; i++) step[i + 1] = wg_assign(p[i], wg_sub(p[i], wg_scale(d[i], 0.1)));
    wg_tape_stats s = wg_stats(compile(g, 7, step, NULL));
    cr_expect_lt(s.peak_bytes, s.value_bytes);
    wg_graph_free(g);
}

/* ---- Limits ---- */

/* A tape of exactly so many bytes is made, one of fewer is not. */
Test(tape_plan, values_beyond_the_limit_are_refused)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(wg_dim(g, "length"))), *row = wg_unsqueeze(x, 0);
    wg_node  *y = wg_sum(wg_matmul(wg_unsqueeze(x, 1), row), WG_ALL_AXES, 0);
    for (int64_t n = 64; n <= 1024; n *= 4) {
        wg_options o = {.bind = {{"length", n}}};
        wg_tape   *t = compile(g, 1, &y, &o);
        o.max_bytes = wg_stats(t).peak_bytes + n * 4;
        cr_assert_geq(o.max_bytes, n * n * 4);
        compile(g, 1, &y, &o);
        o.max_bytes--;
        cr_assert_null(wg_compile(g, 1, &y, &o));
        cr_expect_eq(wg_status(g), WG_EARG);
        cr_expect(strstr(wg_message(g), "max_bytes"), "%s", wg_message(g));
        wg_clear_error(g);
    }
    cr_assert_null(wg_compile(g, 1, &y, &(wg_options){.bind = {{"length", 4}}, .max_bytes = -1}));
    cr_expect_eq(wg_status(g), WG_EARG);
    wg_graph_free(g);
}

/* What an operator takes beside its result counts too: here an i64 for each index. */
Test(tape_plan, scratch_counts_as_well)
{
    wg_graph *g = wg_graph_new();
    wg_node  *index = wg_input(g, "index", WG_I32, WG_SHAPE(1000)), *table = wg_param(g, "t", WG_F32, WG_SHAPE(4, 1));
    wg_node  *y = wg_gather(table, index, 0);
    int64_t   values = wg_stats(compile(g, 1, &y, NULL)).peak_bytes + 4032;
    cr_assert_null(wg_compile(g, 1, &y, &(wg_options){.max_bytes = values + 7999}));
    wg_clear_error(g);
    compile(g, 1, &y, &(wg_options){.max_bytes = values + 8000});
    wg_graph_free(g);
}

/* Each fits into an address space, their sum does not even fit into 64 bits. */
Test(tape_plan, a_sum_of_sizes_does_not_wrap)
{
    for (int inputs = 0; inputs < 2; inputs++) {
        wg_graph *g = wg_graph_new();
        wg_node  *y[8];
        for (int i = 0; i < 8; i++) {
            int64_t  huge = INT64_C(1) << 59;
            wg_node *x = wg_input(g, NULL, WG_F32, inputs ? WG_SHAPE(huge) : WG_SHAPE(1));
            y[i] = inputs ? wg_sum(x, WG_ALL_AXES, 0) : wg_expand(wg_exp(x), WG_SHAPE(huge));
        }
        cr_assert_null(wg_compile(g, 8, y, NULL));
        cr_expect_eq(wg_status(g), WG_ESHAPE, "%s", wg_message(g));
        cr_expect(strstr(wg_message(g), "do not fit"), "%s", wg_message(g));
        wg_graph_free(g);
    }
}

/* ---- What was asked for stays ---- */

Test(tape_plan, outputs_and_watched_nodes_outlive_what_comes_later)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(4, 4)), *y = wg_input(g, "y", WG_F64, WG_SHAPE(4, 4));
    wg_node  *square = wg_square(x), *watched = wg_watch(wg_matmul(square, y)), *v = watched;
    for (int i = 0; i < 10; i++) v = wg_matmul(wg_tanh(v), square);
    wg_tape *t = compile(g, WG_NODES(square, v), NULL);
    set_random(t, x, 1, -1, 1);
    set_random(t, y, 2, -1, 1);
    run(t);
    for (int i = 0; i < 16; i++) {
        double a = element(t, x, i), product = 0;
        cr_expect_eq(element(t, square, i), a * a);
        for (int k = 0; k < 4; k++) {
            double b = element(t, x, i / 4 * 4 + k);
            product += b * b * element(t, y, 4 * k + i % 4);
        }
        cr_expect_float_eq(element(t, watched, i), product, 1e-14);
    }
    wg_graph_free(g);
}

Test(tape_plan, every_node_watched_has_its_value)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct random_graph r = random_graph(seed);
        wg_options          plain = skipping(WG_SKIP_FUSE | WG_SKIP_REUSE | WG_SKIP_MERGE);
        for (int i = 0; i < r.n; i++) wg_watch(r.pool[i]);
        wg_tape *a = computed(&r, NULL), *b = computed(&r, &plain);
        for (int i = 0; i < r.n; i++)
            if (wg_tape_shape(a, r.pool[i]))
                cr_expect(same_bits(a, b, r.pool[i]), "graph %llu, node %d", (unsigned long long)seed, i);
        wg_graph_free(r.g);
    }
}

/* Inputs keep what was set from run to run. */
Test(tape_plan, inputs_are_never_overwritten)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(8)), *y = wg_tanh(wg_neg(x));
    wg_tape  *t = compile(g, 1, &y, NULL);
    double    in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, out[8];
    wg_set(t, x, in);
    for (int k = 0; k < 3; k++) {
        run(t);
        wg_get(t, x, out);
        cr_expect_arr_eq(in, out, sizeof in);
        cr_expect_float_eq(element(t, y, 7), tanh(-8), 1e-15);
    }
    wg_graph_free(g);
}

/* ---- Views ---- */

Test(tape_plan, views_of_leaves_as_outputs)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(2, 3)), *p = wg_param(g, "p", WG_F64, WG_SHAPE(2, 3));
    wg_node  *c = wg_const(g, WG_F64, WG_SHAPE(2, 3), (double[]){6, 5, 4, 3, 2, 1});
    wg_node  *vx = wg_reshape(x, WG_SHAPE(6)), *vp = wg_reshape(p, WG_SHAPE(3, 2)), *vc = wg_reshape(c, WG_SHAPE(6));
    wg_tape  *t = compile(g, WG_NODES(x, p, c, vx, vp, vc), NULL);
    double    in[6] = {1, 2, 3, 4, 5, 6}, out[6], down[6] = {6, 5, 4, 3, 2, 1};
    wg_set(t, x, in);
    wg_set(t, p, in);
    run(t);
    const wg_node *up[] = {x, p, vx, vp}, *constant[] = {c, vc};
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(wg_get(t, up[i], out), WG_OK, "%s", wg_tape_message(t));
        cr_expect_arr_eq(out, in, sizeof in);
    }
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(wg_get(t, constant[i], out), WG_OK, "%s", wg_tape_message(t));
        cr_expect_arr_eq(out, down, sizeof in);
    }
    cr_expect_eq(wg_tape_shape(t, vp)->dim[0], 3);
    wg_graph_free(g);
}

/* What is asked for is the value of this run, though the run then assigns. */
Test(tape_plan, a_view_of_a_parameter_keeps_the_old_value)
{
    wg_graph *g = wg_graph_new();
    wg_node  *p = wg_param(g, "p", WG_F64, WG_SHAPE(2, 2));
    wg_node  *asked = wg_reshape(p, WG_SHAPE(4)), *watched = wg_watch(wg_reshape(p, WG_SHAPE(1, 4)));
    wg_node  *used = wg_sum(watched, WG_ALL_AXES, 0);
    wg_tape  *t = compile(g, WG_NODES(asked, used, wg_assign(p, wg_shift(p, 1))), NULL);
    for (int k = 0; k < 3; k++) {
        run(t);
        cr_expect_eq(element(t, asked, 0), k);
        cr_expect_eq(element(t, watched, 3), k);
        cr_expect_eq(wg_get_scalar(t, used), 4 * k);
        cr_expect_eq(element(t, p, 0), k + 1);
    }
    wg_graph_free(g);
}

Test(tape_plan, views_of_values_keep_them_alive)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(4, 4)), *e = wg_exp(x);
    wg_node  *flat = wg_reshape(e, WG_SHAPE(16)), *v = e;
    for (int i = 0; i < 6; i++) v = wg_tanh(wg_matmul(v, e));
    wg_node *late = wg_add(flat, wg_reshape(v, WG_SHAPE(16)));
    wg_tape *t = compile(g, WG_NODES(flat, late), NULL);
    set_random(t, x, 1, -1, 1);
    run(t);
    for (int i = 0; i < 16; i++) cr_expect_float_eq(element(t, flat, i), exp(element(t, x, i)), 1e-14);
    wg_graph_free(g);
}

/* ---- No elements, one element ---- */

Test(tape_plan, empty_tensors)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(0, 3)), *w = wg_param(g, "w", WG_F64, WG_SHAPE(3, 2));
    wg_node  *y = wg_tanh(wg_matmul(x, w)), *s = wg_sum(y, WG_AXES(0), 0), *m = wg_max(wg_exp(x), WG_AXES(0), 0);
    wg_node  *flat = wg_reshape(x, WG_SHAPE(0)), *back = wg_matmul_t(x, x, 1, 0), *soft = wg_softmax(x, 1);
    wg_node  *both = wg_concat(
         2, (wg_node *[]){x, wg_transpose(wg_const(g, WG_F64, WG_SHAPE(3, 1), (double[]){1, 2, 3}), WG_ALL_AXES)}, 0);
    wg_tape *t = compile(g, WG_NODES(y, s, m, flat, back, soft, both), NULL);
    cr_expect_eq(wg_set(t, x, (double[]){0}), WG_OK);
    run(t);
    for (int i = 0; i < 2; i++) cr_expect_eq(element(t, s, i), 0);
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(element(t, m, i), -INFINITY);
        cr_expect_eq(element(t, both, i), i + 1);
    }
    for (int i = 0; i < 9; i++) cr_expect_eq(element(t, back, i), 0);
    cr_expect_eq(wg_get(t, y, (double[]){0}), WG_OK);
    wg_graph_free(g);
}

/* ---- In place ---- */

/* y = f(x) may take x's memory only if nothing reads x afterwards. */
Test(tape_plan, in_place_at_the_last_use_only)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(64)), *row = wg_input(g, "row", WG_F64, WG_SHAPE(3, 64));
    wg_node  *a = wg_softmax(x, 0), *b = wg_softmax(wg_neg(a), 0), *c = wg_softmax(wg_mul(a, b), 0);
    wg_node  *d = wg_mul(row, c), *e = wg_add(d, c);
    wg_tape  *t = compile(g, WG_NODES(wg_sum(e, WG_ALL_AXES, 0)), NULL);
    cr_expect_eq(wg__check(t), WG_OK);
    wg_options apart = skipping(WG_SKIP_REUSE);
    wg_node   *out = wg_softmax(e, 1);
    wg_tape   *p = compile(g, 1, &out, NULL), *q = compile(g, 1, &out, &apart);
    wg_tape   *both[] = {p, q};
    for (int i = 0; i < 2; i++) {
        set_random(both[i], x, 1, -1, 1);
        set_random(both[i], row, 2, -1, 1);
        run(both[i]);
    }
    cr_expect(same_bits(p, q, out));
    wg_graph_free(g);
}

/* No two values that live at the same time share a byte. */
Test(tape_plan, lives_do_not_overlap)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct random_graph r = random_graph(seed);
        wg_tape            *t = compile(r.g, r.n_out, r.out, NULL);
        for (int i = 0; i < t->n_order; i++)
            for (int j = 0; j < i; j++) {
                const struct wg__value *a = &t->value[t->order[i]->id], *b = &t->value[t->order[j]->id];
                if (a->place != WG__BUFFER || b->place != WG__BUFFER || a->root != t->order[i]->id ||
                    b->root != t->order[j]->id)
                    continue;
                if (a->first < 0 || b->first < 0 || a->first == a->last || b->first == b->last) continue;
                bool same_time = a->first < b->last && b->first < a->last;
                bool same_place =
                    a->offset < b->offset + (int64_t)b->bytes && b->offset < a->offset + (int64_t)a->bytes;
                cr_expect(!same_time || !same_place, "graph %llu: values %d and %d", (unsigned long long)seed,
                          a->number, b->number);
            }
        wg_graph_free(r.g);
    }
}
