/* Random sequences belong to places in the expression: no order of construction changes a number, and no two nodes
 * read the same sequence. */
#include "tape/tape_test.h"

enum { N = 32 };

static wg_graph *g;
static void      start(void)
{
    g = wg_graph_new();
    wg_set_seed(g, 11);
}
static void stop(void) { wg_graph_free(g); }
TestSuite(streams, .init = start, .fini = stop, .timeout = 60);

static wg_node *ones(void) { return wg_fill(g, WG_F32, WG_SHAPE(N), 1); }

/* The values of a run of y alone. */
static void draw(wg_node *y, float out[N])
{
    wg_tape *t = compile(g, 1, &y, NULL);
    run(t);
    cr_assert_eq(wg_get_f32(t, y, N, out), WG_OK, "%s", wg_tape_message(t));
}

static void expect_same(const float a[N], const float b[N], bool same, const char *what)
{
    cr_expect_eq(memcmp(a, b, N * sizeof *a) == 0, same, "%s", what);
}

/* ---- Orders of construction ---- */

/* The two operands of every pair, left or right first; other random nodes before them. */
static wg_node *pair(bool right_first, int before)
{
    wg_node *a = NULL, *b = NULL, *x = ones();
    for (int i = 0; i < before; i++) wg_uniform(g, WG_F32, WG_SHAPE(N), 0, 1);
    if (right_first) b = wg_dropout(x, 0.5);
    a = wg_dropout(x, 0.5);
    if (!right_first) b = wg_dropout(x, 0.5);
    return wg_sub(a, b);
}

Test(streams, equal_expressions_are_told_apart_by_their_place)
{
    float left[N], right[N], late[N], none[N] = {0};
    draw(pair(false, 0), left);
    draw(pair(true, 0), right);
    draw(pair(true, 3), late);
    expect_same(left, right, true, "which operand was built first");
    expect_same(left, late, true, "what was built before");
    expect_same(left, none, false, "two masks are two");
}

/* A net of random nodes: its parts are built in the order of a shuffled list. */
static wg_node *net(uint64_t order)
{
    wg_node    *part[6] = {NULL}, *x = ones();
    struct dice d = {order};
    int         at[6] = {0, 1, 2, 3, 4, 5};
    for (int i = 5; i > 0; i--) {
        int k = pick(&d, i + 1), swap = at[i];
        at[i] = at[k], at[k] = swap;
    }
    for (int i = 0; i < 6; i++) switch (at[i]) {
        case 0: part[0] = wg_dropout(x, 0.5); break;
        case 1: part[1] = wg_dropout(wg_tanh(x), 0.5); break;
        case 2: part[2] = wg_uniform(g, WG_F32, WG_SHAPE(N), -1, 1); break;
        case 3: part[3] = wg_normal(g, WG_F32, WG_SHAPE(N), 0, 1); break;
        case 4: part[4] = wg_uniform(g, WG_F32, WG_SHAPE(N), -1, 1); break;
        default: part[5] = wg_dropout(x, 0.25); break;
        }
    wg_node *y = part[0];
    for (int i = 1; i < 6; i++) y = wg_add(wg_scale(y, 0.5), part[i]);
    return y;
}

Test(streams, no_order_of_construction_changes_a_number)
{
    float first[N], other[N];
    draw(net(0), first);
    for (uint64_t order = 1; order < 40; order++) {
        wg_graph_free(g);
        start();
        draw(net(order), other);
        expect_same(first, other, true, "another order");
    }
}

Test(streams, sizes_and_symbols_do_not_count)
{
    float value[3][N];
    for (int way = 0; way < 3; way++) {
        int64_t  rows = way == 0 ? N / 4 : wg_dim(g, way == 1 ? "batch" : "n");
        wg_node *y = wg_dropout(wg_fill(g, WG_F32, WG_SHAPE(rows, 4), 1), 0.5);
        wg_dim(g, "batch"), wg_dim(g, "n");
        wg_tape *t = compile(g, 1, &y, &(wg_options){.bind = {{"batch", N / 4}, {"n", N / 4}}});
        run(t);
        wg_get_f32(t, y, N, value[way]);
        wg_graph_free(g);
        start();
    }
    expect_same(value[0], value[1], true, "a known size and a symbol");
    expect_same(value[1], value[2], true, "symbols of two names");
}

Test(streams, a_name_is_a_sequence)
{
    float    value[4][N];
    wg_node *plain[] = {wg_normal(g, WG_F32, WG_SHAPE(N), 0, 1), wg_normal(g, WG_F32, WG_SHAPE(N), 0, 1)};
    wg_node *named[] = {wg_named(wg_normal(g, WG_F32, WG_SHAPE(N), 0, 1), "noise"),
                        wg_named(wg_normal(g, WG_F32, WG_SHAPE(N), 0, 1), "sample")};
    for (int i = 0; i < 2; i++) draw(plain[i], value[i]), draw(named[i], value[2 + i]);
    expect_same(value[0], value[1], true, "equal expressions, alone on two tapes");
    expect_same(value[2], value[3], false, "told apart by their names");
    expect_same(value[0], value[2], false, "a named one and one without a name");
}

/* ---- Other tapes, other graphs, eager mode ---- */

Test(streams, a_node_draws_the_same_on_every_tape)
{
    float    alone[N], beside[N];
    wg_node *x = ones(), *u = wg_dropout(wg_exp(x), 0.5), *v = wg_dropout(x, 0.5);
    draw(u, alone);
    wg_tape *t = compile(g, WG_NODES(v, wg_normal(g, WG_F32, WG_SHAPE(2), 0, 1), u), NULL);
    run(t);
    wg_get_f32(t, u, N, beside);
    expect_same(alone, beside, true, "alone or beside others");
}

Test(streams, every_node_has_its_own)
{
    enum { MANY = 200 };
    static float value[MANY][N];
    wg_node     *y[MANY], *x = ones();
    for (int i = 0; i < MANY; i++)
        y[i] = i % 2 ? wg_uniform(g, WG_F32, WG_SHAPE(N), 0, 1) : wg_dropout(wg_scale(x, i % 4 ? 2 : 3), 0.5);
    wg_tape *t = compile(g, MANY, y, NULL);
    run(t);
    for (int i = 0; i < MANY; i++) wg_get_f32(t, y[i], N, value[i]);
    for (int i = 0; i < MANY; i++)
        for (int k = 0; k < i; k++) expect_same(value[i], value[k], false, "two nodes, one sequence");
}

Test(streams, eager_mode_draws_once_a_run_as_a_tape_does)
{
    float    built[N], first[N], second[N], compiled[2][N];
    wg_tape *t = wg_graph_eager(g);
    wg_node *u = wg_uniform(g, WG_F32, WG_SHAPE(N), 0, 1), *m = wg_dropout(ones(), 0.5);
    wg_get_f32(t, u, N, built);
    cr_expect_eq(wg_run_number(t), 1, "building has drawn as run 0");
    run(t);
    wg_get_f32(t, u, N, first);
    cr_expect_eq(wg_run_number(t), 2);
    run(t);
    wg_get_f32(t, u, N, second);
    expect_same(built, first, false, "the first run draws anew");
    expect_same(first, second, false, "and so does the next");
    cr_assert_not_null(m);
    wg_graph *other = wg_graph_new();
    wg_set_seed(other, 11);
    wg_node *v = wg_uniform(other, WG_F32, WG_SHAPE(N), 0, 1);
    wg_tape *s = compile(other, 1, &v, NULL);
    for (int i = 0; i < 2; i++) run(s), wg_get_f32(s, v, N, compiled[i]);
    expect_same(built, compiled[0], true, "run 0");
    expect_same(first, compiled[1], true, "run 1");
    wg_graph_free(other);
}

Test(streams, eager_nodes_built_between_two_runs_draw_with_one_number)
{
    float    a[N], b[N];
    wg_tape *t = wg_graph_eager(g);
    wg_set_run_number(t, 5);
    wg_node *u = wg_uniform(g, WG_F32, WG_SHAPE(N), 0, 1);
    wg_node *v = wg_normal(g, WG_F32, WG_SHAPE(N), 0, 1);
    cr_expect_eq(wg_run_number(t), 6);
    wg_get_f32(t, v, N, a);
    wg_set_run_number(t, 5);
    run(t);
    wg_get_f32(t, v, N, b);
    expect_same(a, b, true, "run 5 drawn again");
    cr_assert_not_null(u);
}

/* An operator of the user's own that reads a sequence: a member of that kind is all it says. */
struct coin {
    uint64_t stream;
};
static const wg_field coin_fields[] = {WG_FIELD(struct coin, stream, STREAM), {0}};
static int            coin_cpu(wg_call *c)
{
    const struct coin *a = c->attr;
    for (int i = 0; i < N; i++) ((float *)c->y->data)[i] = (float)(a->stream >> (i % 60) & 7);
    return WG_OK;
}
static const wg_op coin = {.name = "coin",
                           .arity = 1,
                           .flags = WG_OP_RANDOM,
                           .attr_size = sizeof(struct coin),
                           .fields = coin_fields,
                           .infer = wg_infer_same,
                           .cpu = coin_cpu};

Test(streams, an_operator_of_a_program_gets_them_too)
{
    float    a[N], b[N];
    wg_node *x = ones(), *y = wg_apply(&coin, 1, &x, &(struct coin){0}), *z = wg_apply(&coin, 1, &x, &(struct coin){0});
    wg_tape *t = compile(g, WG_NODES(y, z), NULL);
    run(t);
    wg_get_f32(t, y, N, a);
    wg_get_f32(t, z, N, b);
    expect_same(a, b, false, "two nodes of one expression");
    draw(z, b);
    expect_same(a, b, true, "each alone has the place of both");
}
