/* A value can be read once a run has made it, and not after a run that failed. */
#include <math.h>

#include "support/alloc.h"
#include "tape/random_graph.h"

TestSuite(tape_there, .timeout = 60);

/* Every way to read x says no, and why. */
static void expect_nothing(wg_tape *t, wg_node *x, const char *why)
{
    char room[4096];
    cr_expect_eq(wg_get(t, x, room), WG_EARG);
    cr_expect(strstr(wg_tape_message(t), why) && !strncmp(wg_tape_message(t), "get: ", 5), "%s", wg_tape_message(t));
    cr_expect_null(wg_view(t, x));
    cr_expect(strstr(wg_tape_message(t), why) && !strncmp(wg_tape_message(t), "view: ", 6), "%s", wg_tape_message(t));
    if (wg_node_dtype(x) == WG_F32)
        cr_expect_eq(wg_get_f32(t, x, wg_count(wg_tape_shape(t, x)), (float *)(void *)room), WG_EARG);
    if (wg_count(wg_tape_shape(t, x)) == 1) cr_expect(isnan(wg_get_scalar(t, x)));
}

static bool is_made_by_runs(const wg_tape *t, const wg_node *x)
{
    return wg__is_computed(t->g->node[t->value[t->map[x->id]->id].root]);
}

Test(tape_there, no_output_of_random_graphs_before_a_run)
{
    int looked = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct random_graph r = random_graph(seed);
        wg_tape            *t = wg_compile(r.g, r.n_out, r.out, NULL);
        cr_assert_not_null(t, "%s", wg_message(r.g));
        for (int i = 0; i < r.n_out; i++)
            if (is_made_by_runs(t, r.out[i])) expect_nothing(t, r.out[i], "has no value yet: wg_run first"), looked++;
        wg_graph_free(r.g);
    }
    cr_expect_gt(looked, 60);
}

struct failing {
    wg_graph *g;
    wg_tape  *t;
    wg_node  *table, *index, *picked, *plain;
};

static struct failing failing(void)
{
    struct failing f = {.g = wg_graph_new()};
    f.table = wg_input(f.g, "table", WG_F32, WG_SHAPE(3)), f.index = wg_input(f.g, "index", WG_I32, WG_SHAPE(1));
    f.picked = wg_gather(f.table, f.index, 0), f.plain = wg_exp(f.table);
    f.t = compile(f.g, WG_NODES(f.picked, f.plain), NULL);
    wg_set(f.t, f.table, (float[]){1, 2, 3});
    return f;
}

Test(tape_there, after_a_failed_run)
{
    struct failing f = failing();
    float          v[3];
    expect_nothing(f.t, f.index, "index[1] has no value yet: wg_set the input first");
    for (int round = 0; round < 3; round++) {
        cr_assert_eq(wg_set(f.t, f.index, &(int32_t){round == 1 ? 9 : 2}), WG_OK);
        cr_assert_eq(wg_run(f.t), round == 1 ? WG_EINDEX : WG_OK);
        if (round == 1) {
            cr_expect_eq(wg_get(f.t, f.table, v), WG_OK, "an input is there");
            expect_nothing(f.t, f.picked, "gather[1] has no value, for the last run failed: run: gather");
            expect_nothing(f.t, f.plain, "exp[3] has no value, for the last run failed: run: gather");
            expect_nothing(f.t, f.plain, "index 9");
        } else {
            cr_expect_eq(wg_get(f.t, f.plain, v), WG_OK, "%s", wg_tape_message(f.t));
            cr_expect_eq(element(f.t, f.picked, 0), 3);
        }
    }
    wg_graph_free(f.g);
}

Test(tape_there, parameters_always)
{
    wg_graph *g = wg_graph_new();
    wg_node  *w = wg_param(g, "w", WG_F32, WG_SHAPE(2)), *step = wg_assign(w, wg_shift(w, 1));
    wg_tape  *t = compile(g, WG_NODES(step), NULL);
    cr_expect_eq(element(t, w, 1), 0);
    run(t);
    cr_expect_eq(element(t, w, 1), 1);
    wg_graph_free(g);
}

Test(tape_there, eager_after_a_failed_run)
{
    wg_graph *g = wg_graph_new();
    wg_tape  *t = wg_graph_eager(g);
    wg_node  *table = wg_input(g, "table", WG_F32, WG_SHAPE(3)), *index = wg_input(g, "index", WG_I32, WG_SHAPE(1));
    wg_node  *w = wg_param(g, "w", WG_F32, WG_SHAPE(3));
    expect_nothing(t, table, "table[3] has no value yet: wg_set it first");
    cr_assert(!wg_set(t, table, (float[]){1, 2, 3}) && !wg_set(t, index, &(int32_t){1}));
    wg_node *picked = wg_gather(table, index, 0), *plain = wg_exp(table);
    cr_expect_eq(element(t, picked, 0), 2);
    wg_set(t, index, &(int32_t){7});
    cr_assert_eq(wg_run(t), WG_EINDEX);
    expect_nothing(t, picked, "for the last run failed: run: gather");
    expect_nothing(t, plain, "for the last run failed: run: gather");
    cr_expect_null(wg_assign(w, plain), "nothing to assign");
    cr_expect_eq(wg_status(g), WG_EARG);
    wg_clear_error(g);
    wg_set(t, index, &(int32_t){0});
    run(t);
    cr_expect_eq(element(t, picked, 0), 1);
    cr_expect_not_null(wg_assign(w, plain), "%s", wg_message(g));
    wg_graph_free(g);
}

/* ---- Who is asked for what ---- */

static void expect_said(int status, wg_tape *t, const char *message)
{
    cr_expect_eq(status, WG_EARG);
    cr_expect_str_eq(wg_tape_message(t), message);
}

Test(tape_there, what_a_tape_has_not)
{
    wg_graph *g = wg_graph_new(), *other = wg_graph_new();
    wg_node  *x = wg_input(g, NULL, WG_F32, WG_SHAPE(2)), *w = wg_param(g, "w", WG_F32, WG_SHAPE(2));
    wg_node  *unused = wg_input(g, "unused", WG_F32, WG_SHAPE(2)), *far = wg_input(other, "far", WG_F32, WG_SHAPE(2));
    wg_node  *y = wg_add(x, wg_const(g, WG_F32, WG_SHAPE(2), (float[]){1, 2}));
    wg_tape  *t = compile(g, WG_NODES(y), NULL);
    float     v[2] = {0};
    expect_said(wg_set_f32(t, unused, 2, v), t, "set_f32: this tape does not read unused[2]: no output depends on it");
    expect_said(wg_set(t, w, v), t, "set: this tape does not read w[2]: no output depends on it");
    expect_said(wg_set(t, far, v), t, "set: far[2] belongs to another graph than the tape");
    expect_said(wg_get_f32(t, far, 2, v), t, "get_f32: far[2] belongs to another graph than the tape");
    expect_said(wg_get(t, w, v), t, "get: w[2] takes no part in this tape");
    expect_said(wg_set_f32(t, y, 2, v), t, "set_f32: add[2] is computed, and only inputs and parameters can be set");
    expect_said(wg_set_f32(t, x, 2, NULL), t, "set_f32: data is NULL");
    expect_said(wg_run(t), t, "run: the input input0[2] was never set: wg_set it before wg_run");
    cr_expect_null(wg_input_buffer(t, w));
    cr_expect_str_eq(wg_tape_message(t), "input_buffer: w[2] is a parameter, and only inputs can be set");
    cr_expect_null(wg_input_buffer(t, y));
    cr_expect_str_eq(wg_tape_message(t), "input_buffer: add[2] is computed, and only inputs can be set");
    wg_graph_free(g);
    wg_graph_free(other);
}

Test(tape_there, a_run_names_the_call)
{
    wg_graph *g = wg_graph_new();
    wg_node  *i = wg_input(g, "i", WG_I32, WG_SHAPE(2)), *y = wg_one_hot(i, 3, WG_F32);
    wg_tape  *t = compile(g, WG_NODES(y), NULL);
    wg_set(t, i, (int32_t[]){0, 5});
    cr_expect_eq(wg_run(t), WG_EINDEX);
    const char *m = wg_tape_message(t);
    cr_expect(!strncmp(m, "run: one_hot_index", 18) && strstr(m, " of one_hot: index 5"), "%s", m);
    wg_graph_free(g);
    g = wg_graph_new();
    t = wg_graph_eager(g);
    i = wg_const(g, WG_I32, WG_SHAPE(1), &(int32_t){7});
    cr_expect_null(wg_one_hot(i, 3, WG_F32));
    cr_expect(!strncmp(wg_message(g), "one_hot: ", 9) && strstr(wg_message(g), "index 7"), "%s", wg_message(g));
    wg_clear_error(g);
    cr_expect_null(wg_gather(wg_const(g, WG_F32, WG_SHAPE(1), &(float){7}), i, 0));
    cr_expect(!strncmp(wg_message(g), "gather: index 7", 15), "%s", wg_message(g));
    wg_graph_free(g);
}

/* ---- Options ---- */

Test(tape_there, options_that_mean_nothing)
{
    static const struct {
        wg_options  o;
        const char *message;
    } bad[] = {
        {{.threads = -1}, "compile: threads cannot be -1"},
        {{.skip = 0x3f0}, "compile: skip has unknown bits: 0x3f0"},
        {{.bind = {{NULL, 3}, {"n", 3}}}, "compile: binding 0 has no name"},
        {{.bind = {{"n", 3}, {NULL, 0}, {"n", 3}}}, "compile: binding 1 has no name"},
        {{.n_more = 1}, "compile: n_more is 1, but more is NULL"},
        {{.n_more = -1}, "compile: n_more cannot be -1"},
    };
    wg_graph *g = wg_graph_new();
    wg_node  *y = wg_exp(wg_input(g, "x", WG_F32, WG_SHAPE(wg_dim(g, "n"))));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_null(wg_compile(g, 1, &y, &bad[i].o));
        cr_expect(wg_status(g) == WG_EARG && !strcmp(wg_message(g), bad[i].message), "%s", wg_message(g));
        wg_clear_error(g);
    }
    wg_tape *t = compile(g, WG_NODES(y), &(wg_options){.bind = {{"n", 3}}});
    cr_expect_eq(wg_trace(t, -1), WG_EARG);
    cr_expect_eq(wg_trace_write(t, stderr), WG_EARG);
    cr_expect_str_eq(wg_message(g), "trace_write: nothing was recorded: see wg_trace");
    wg_graph_free(g);
}

Test(tape_there, sizes_that_do_not_fit)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(wg_dim(g, "n"))), *y = wg_slice(x, 0, 2, 5, 1), *z = wg_exp(x);
    cr_expect_null(wg_compile(g, 1, &y, &(wg_options){.bind = {{"n", 3}}}));
    const char *m = wg_message(g);
    cr_expect(!strncmp(m, "compile: slice(x[n]) with these sizes: slice(x[3]", 49), "%s", m);
    wg_clear_error(g);
    bool     of_values = false, of_param = false, done = false;
    wg_node *w = NULL;
    for (long n = 0; !done; n++) {
        alloc_fail_at(n);
        done = wg_compile(g, 1, &z, &(wg_options){.bind = {{"n", 1 << 10}}}) != NULL;
        alloc_restore();
        of_values |= !done && !strcmp(m, "compile: out of memory: the values take 8192 bytes, x[1024] most of all");
        wg_clear_error(g);
    }
    for (long n = 0; !w; n++) {
        alloc_fail_at(n);
        w = wg_param(g, "large", WG_F32, WG_SHAPE(1 << 10));
        alloc_restore();
        of_param |= !w && !strcmp(m, "param: out of memory: large[1024] takes 4096 bytes");
        wg_clear_error(g);
    }
    cr_expect(of_values && of_param, "how much was too much is said: %d %d", of_values, of_param);
    wg_graph_free(g);
}
