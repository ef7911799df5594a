/* Printed tapes against files, byte for byte: every pass shows in them.
 *
 * After a change that is meant:  WG_GOLDEN=write build/tests/wengert-tests --filter='tape_golden/?*'
 * writes the files anew; the difference is what to review. */
#include "tape/tape_test.h"

TestSuite(tape_golden, .timeout = 60);

static void path_of(const char *name, char *path, size_t n)
{
    const char *slash = strrchr(__FILE__, '/');
    snprintf(path, n, "%.*s/golden/%s.txt", (int)(slash ? slash - __FILE__ : 1), slash ? __FILE__ : ".", name);
}

static void write_golden(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f, "cannot write %s", path);
    fputs(text, f);
    cr_assert_eq(fclose(f), 0);
}

static char *read_golden(const char *path)
{
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "cannot read %s: run in the root of the project", path);
    char  *text = calloc(1, 1 << 16);
    size_t n = fread(text, 1, (1 << 16) - 1, f);
    cr_assert_lt(n, (1 << 16) - 1);
    fclose(f);
    return text;
}

static void expect_golden(const char *name, const wg_tape *t)
{
    char        path[512], *text = text_of(t);
    const char *mode = getenv("WG_GOLDEN");
    path_of(name, path, sizeof path);
    if (mode && strcmp(mode, "write") == 0) write_golden(path, text);
    char *want = read_golden(path);
    cr_expect(strcmp(text, want) == 0, "%s is now\n%s\nand was\n%s", path, text, want);
    free(want);
    free(text);
}

static void expect_tape(const char *name, wg_graph *g, int n, wg_node *const out[], const wg_options *o)
{
    expect_golden(name, compile(g, n, out, o));
    wg_graph_free(g);
}

/* ---- Models ---- */

static wg_node *dense(wg_node *x, int64_t out, const char *name)
{
    char      w[32], b[32];
    wg_graph *g = wg_node_graph(x);
    snprintf(w, sizeof w, "%s.w", name), snprintf(b, sizeof b, "%s.b", name);
    wg_node *weight = wg_param(g, w, WG_F32, WG_SHAPE(wg_node_shape(x)->dim[1], out));
    wg_node *bias = wg_param(g, b, WG_F32, WG_SHAPE(out));
    wg_node *product = wg_matmul(x, weight);
    return wg_add(product, bias);
}

static wg_node *logits(wg_graph *g, double drop)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(32, 20));
    wg_node *h = wg_named(wg_relu(dense(x, 16, "fc1")), "h");
    return wg_named(dense(wg_dropout(h, drop), 10, "fc2"), "logits");
}

static wg_node *loss_of(wg_node *y)
{
    wg_node *label = wg_input(wg_node_graph(y), "label", WG_I32, WG_SHAPE(32));
    return wg_named(wg_softmax_cross_entropy(y, label), "loss");
}

/* p <- p - 0.1 d, for every parameter */
static wg_node *sgd(wg_node *loss)
{
    wg_node  *p[8], *d[8], *step[8];
    wg_graph *g = wg_node_graph(loss);
    int       n = wg_param_count(g);
    for (int i = 0; i < n; i++) p[i] = wg_param_at(g, i);
    cr_assert_eq(wg_grad(loss, n, p, d), WG_OK, "%s", wg_message(g));
    for (int i = 0; i < n; i++) step[i] = wg_assign(p[i], wg_sub(p[i], wg_scale(d[i], 0.1)));
    return wg_group(n, step);
}

/* Kingma & Ba 2015, without the correction of the first steps */
static wg_node *adam(wg_node *loss, wg_node *p)
{
    wg_graph       *g = wg_node_graph(loss);
    const wg_shape *s = wg_node_shape(p);
    wg_node        *m = wg_param(g, "m", WG_F32, *s), *v = wg_param(g, "v", WG_F32, *s), *d;
    cr_assert_eq(wg_grad(loss, 1, &p, &d), WG_OK);
    wg_node *m_old = wg_scale(m, 0.9), *v_old = wg_scale(v, 0.999);
    wg_node *m_next = wg_add(m_old, wg_scale(d, 0.1)), *v_next = wg_add(v_old, wg_scale(wg_square(d), 0.001));
    wg_node *root = wg_shift(wg_sqrt(v_next), 1e-8);
    wg_node *p_next = wg_sub(p, wg_div(wg_scale(m_next, 0.001), root));
    wg_node *step[] = {wg_assign(p, p_next), wg_assign(m, m_next), wg_assign(v, v_next)};
    return wg_group(3, step);
}

/* ---- Tapes ---- */

Test(tape_golden, scalar)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SCALAR), *y = wg_input(g, "y", WG_F64, WG_SCALAR);
    wg_node  *z = wg_add(x, y), *d[2];
    wg_grad(z, 2, (wg_node *[]){x, y}, d);
    expect_tape("scalar", g, WG_NODES(z, d[0], d[1]), NULL);
}

Test(tape_golden, mlp_forward)
{
    wg_graph *g = wg_graph_new();
    wg_node  *y = wg_softmax(logits(g, 0), 1);
    expect_tape("mlp_forward", g, 1, &y, NULL);
}

Test(tape_golden, mlp_sgd)
{
    wg_graph *g = wg_graph_new();
    wg_node  *loss = loss_of(logits(g, 0)), *step = sgd(loss);
    expect_tape("mlp_sgd", g, WG_NODES(loss, step), NULL);
}

Test(tape_golden, mlp_sgd_plain)
{
    wg_graph  *g = wg_graph_new();
    wg_options plain = skipping(WG_SKIP_REWRITE | WG_SKIP_MERGE | WG_SKIP_FUSE | WG_SKIP_REUSE);
    wg_node   *loss = loss_of(logits(g, 0)), *step = sgd(loss);
    expect_tape("mlp_sgd_plain", g, WG_NODES(loss, step), &plain);
}

Test(tape_golden, adam)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(32, 20)), *y = wg_input(g, "y", WG_F32, WG_SHAPE(32, 4));
    wg_node  *w = wg_param(g, "w", WG_F32, WG_SHAPE(20, 4));
    wg_node  *loss = wg_mse(wg_matmul(x, w), y), *step = adam(loss, w);
    expect_tape("adam", g, WG_NODES(loss, step), NULL);
}

Test(tape_golden, dropout_train)
{
    wg_graph *g = wg_graph_new();
    wg_node  *loss = loss_of(logits(g, 0.5)), *step = sgd(loss);
    expect_tape("dropout_train", g, WG_NODES(loss, step), NULL);
}

Test(tape_golden, dropout_evaluate)
{
    wg_graph *g = wg_graph_new();
    wg_node  *loss = loss_of(logits(g, 0.5));
    expect_tape("dropout_evaluate", g, 1, &loss, &(wg_options){.evaluate = 1});
}

/* (x - mean) / sqrt(variance + 1e-5) gain + shift, over the last axis, and its gradient */
Test(tape_golden, layer_norm)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(32, 20));
    wg_node  *gain = wg_param(g, "gain", WG_F32, WG_SHAPE(20)), *shift = wg_param(g, "shift", WG_F32, WG_SHAPE(20)),
            *d[3];
    wg_node *centred = wg_sub(x, wg_mean(x, WG_AXES(1), 1));
    wg_node *variance = wg_mean(wg_square(centred), WG_AXES(1), 1);
    wg_node *scaled = wg_mul(centred, wg_rsqrt(wg_shift(variance, 1e-5)));
    wg_node *y = wg_add(wg_mul(scaled, gain), shift), *loss = wg_sum(wg_square(y), WG_ALL_AXES, 0);
    wg_grad(loss, 3, (wg_node *[]){x, gain, shift}, d);
    expect_tape("layer_norm", g, WG_NODES(y, d[0], d[1], d[2]), NULL);
}

/* ---- The text does not depend on the order of construction ---- */

static char *built(bool backwards)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(4)), *a, *b;
    if (backwards) b = wg_softmax(wg_neg(x), 0), a = wg_softmax(x, 0);
    else a = wg_softmax(x, 0), b = wg_softmax(wg_neg(x), 0);
    wg_node *y = wg_mul(a, b);
    char    *text = text_of(compile(g, 1, &y, NULL));
    wg_graph_free(g);
    return text;
}

Test(tape_golden, order_of_construction_does_not_show)
{
    char *a = built(false), *b = built(true);
    cr_expect_str_eq(a, b);
    free(a);
    free(b);
}
