/* Printed tapes against files, byte for byte: every pass shows in them.
 *
 * After a change that is meant:  WG_GOLDEN=write build/tests/wengert-tests --filter='tape_golden/?*'
 * writes the files anew; the difference is what to review. */
#include "tape/golden_models.h"
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

static void expect_model(const char *name)
{
    const struct golden *m = golden;
    wg_graph            *g = wg_graph_new();
    wg_node             *out[GOLDEN_OUTPUTS];
    while (m < golden + GOLDENS && strcmp(m->name, name)) m++;
    cr_assert_lt(m, golden + GOLDENS);
    int n = m->build(g, out);
    cr_assert_gt(n, 0, "%s", wg_message(g));
    expect_golden(name, compile(g, n, out, &m->options));
    wg_graph_free(g);
}

#define GOLDEN(name) \
    Test(tape_golden, name) { expect_model(#name); }
GOLDEN(scalar)
GOLDEN(mlp_forward)
GOLDEN(mlp_sgd)
GOLDEN(mlp_sgd_plain)
GOLDEN(adam)
GOLDEN(dropout_train)
GOLDEN(dropout_evaluate)
GOLDEN(layer_norm)
#undef GOLDEN

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
