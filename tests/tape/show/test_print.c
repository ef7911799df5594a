/* What a tape says of itself: prints, Graphviz, traces, the watch. */
#include <ctype.h>

#include "support/locale.h"
#include "tape/tape_test.h"

static wg_graph *g;
static wg_node  *x, *h, *y;
static wg_tape  *t;

static void start(void)
{
    g = wg_graph_new();
    x = wg_input(g, "the \"x\" \\ \n", WG_F64, WG_SHAPE(4, 3));
    wg_node *w = wg_param(g, "w", WG_F64, WG_SHAPE(3, 2));
    h = wg_named(wg_matmul(x, w), "h \"1\"");
    wg_node *s = wg_softmax(h, 1);
    y = wg_sum(wg_mul(s, wg_log(s)), WG_ALL_AXES, 0);
    t = wg_compile(g, WG_NODES(y, wg_assign(w, wg_scale(w, 0.5))), NULL);
    cr_assert_not_null(t, "%s", wg_message(g));
    set_random(t, x, 1, -1, 1);
}
static void stop(void) { wg_graph_free(g); }
TestSuite(tape_print, .init = start, .fini = stop, .timeout = 60);

static size_t bytes_of_y(const wg_call *c) { return wg__bytes(c->y->dtype, &c->y->shape); }

typedef int          writer(FILE *f);
static int           print(FILE *f) { return wg_tape_print(t, f); }
static int           dot(FILE *f) { return wg_dot(g, 1, &y, f); }
static int           tape_dot(FILE *f) { return wg_tape_dot(t, f); }
static int           trace(FILE *f) { return wg_trace_write(t, f); }
static writer *const writers[] = {print, dot, tape_dot, trace};

static char *written(writer *w)
{
    char  *text = NULL;
    size_t n = 0;
    FILE  *f = open_memstream(&text, &n);
    cr_assert_eq(w(f), WG_OK);
    fclose(f);
    return text;
}

Test(tape_print, a_full_disk_is_an_error)
{
    wg_trace(t, 1);
    run(t);
    for (int i = 0; i < 4; i++) {
        FILE *f = fopen("/dev/full", "w");
        if (!f) cr_skip_test("there is no /dev/full");
        cr_expect_eq(writers[i](f), WG_EIO, "writer %d", i);
        fclose(f);
        cr_expect_eq(writers[i](NULL), WG_EARG);
    }
}

/* ---- The print ---- */

Test(tape_print, one_line_for_each_instruction_and_a_footer)
{
    char *text = written(print);
    int   lines = count_in(text, "\n");
    cr_expect_eq(lines, instructions(t) + count_in(text, " = copy ") + 1, "%s", text);
    cr_expect_eq(count_in(text, "instructions, "), 1);
    cr_expect_eq(count_in(text, "FLOPs, peak "), 1);
    free(text);
}

Test(tape_print, what_is_freed_is_freed_once)
{
    char *text = written(print), name[32];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "%%%d", i);
        int times = 0;
        for (const char *p = text; (p = strstr(p, "frees ")); p++) {
            const char *end = strchr(p, '\n');
            for (const char *q = p; (q = strstr(q, name)) && q < end; q++)
                times += !isdigit((unsigned char)q[strlen(name)]);
        }
        cr_expect_leq(times, 1, "%s in\n%s", name, text);
    }
    free(text);
}

Test(tape_print, long_names_do_not_overflow)
{
    char name[3000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    wg_node *z = x;
    for (int i = 0; i < 40; i++) z = wg_named(wg_exp(wg_neg(wg_named(z, name))), name);
    wg_tape *s = compile(g, WG_NODES(z), NULL);
    free(text_of(s));
    wg_watch_finite(s, 1);
    wg_set(s, x, (double[12]){NAN});
    cr_expect_eq(wg_run(s), WG_ENAN);
}

/* ---- Graphviz ---- */

/* Quotes close, brackets match, each edge joins nodes that are there; how many nodes. */
static int check_dot(const char *text)
{
    int nodes = 0, depth = 0;
    for (const char *p = text; *p; p++) {
        if (*p == '"')
            for (p++; *p && *p != '"'; p++) {
                cr_assert_neq(*p, '\n', "a line break inside quotes");
                if (*p == '\\') p++;
            }
        cr_assert(*p, "a quote without an end:\n%s", text);
        depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
        cr_assert_geq(depth, 0);
    }
    cr_expect_eq(depth, 0);
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        char from[32], to[32], node[40];
        if (sscanf(line, "  %31[a-z0-9] -> %31[a-z0-9]", from, to) == 2) {
            snprintf(node, sizeof node, "  %s [", from);
            cr_expect_not_null(strstr(text, node), "%s of an edge is no node:\n%s", from, text);
            snprintf(node, sizeof node, "  %s [", to);
            cr_expect_not_null(strstr(text, node), "%s of an edge is no node:\n%s", to, text);
        } else if (strncmp(line, "  ", 2) == 0 && strncmp(line, "  node ", 7) != 0) nodes++;
    }
    return nodes;
}

Test(tape_print, dot_of_a_graph)
{
    char *text = written(dot);
    cr_expect_eq(strncmp(text, "digraph ", 8), 0);
    cr_expect_eq(check_dot(text), 7, "x, w, matmul, softmax, log, mul, sum:\n%s", text);
    cr_expect_not_null(strstr(text, "the \\\"x\\\" \\\\"), "%s", text);
    free(text);
    cr_expect_eq(wg_dot(g, 0, NULL, stdout), WG_EARG);
    cr_expect_eq(wg_dot(g, 1, (wg_node *[]){NULL}, stdout), WG_EARG);
}

Test(tape_print, dot_of_a_tape)
{
    char *text = written(tape_dot);
    cr_expect_geq(check_dot(text), instructions(t) + 2);
    free(text);
}

/* ---- Traces ---- */

static const char *skip_space(const char *p) { return p + strspn(p, " \t\r\n"); }

/* The end of a JSON value, or NULL. */
static const char *json(const char *p);
static const char *json_string(const char *p)
{
    if (*p++ != '"') return NULL;
    for (; *p && *p != '"'; p++) {
        if ((unsigned char)*p < 32) return NULL;
        if (*p == '\\' && !strchr("\"\\/bfnrtu", *++p)) return NULL;
    }
    return *p ? p + 1 : NULL;
}
static const char *json_list(const char *p, char end, bool object)
{
    p = skip_space(p + 1);
    if (*p == end) return p + 1;
    for (;;) {
        if (object) {
            if (!(p = json_string(skip_space(p)))) return NULL;
            p = skip_space(p);
            if (*p++ != ':') return NULL;
        }
        if (!(p = json(p))) return NULL;
        p = skip_space(p);
        if (*p == end) return p + 1;
        if (*p++ != ',') return NULL;
    }
}
static const char *json(const char *p)
{
    char *end;
    p = skip_space(p);
    if (*p == '{') return json_list(p, '}', true);
    if (*p == '[') return json_list(p, ']', false);
    if (*p == '"') return json_string(p);
    strtod(p, &end);
    return end == p ? NULL : end;
}

static void expect_json(const char *text, int events)
{
    const char *end = json(text);
    cr_expect(end && !*skip_space(end), "no JSON:\n%s", text);
    cr_expect_eq(count_in(text, "\"ph\":\"X\""), events, "%s", text);
}

Test(tape_print, a_trace_covers_every_instruction_of_every_run)
{
    cr_expect_eq(wg_trace_write(t, stdout), WG_EARG, "nothing was recorded");
    cr_assert_eq(wg_trace(t, 3), WG_OK);
    char *none = written(trace);
    expect_json(none, 0);
    for (int i = 0; i < 5; i++) run(t);
    char *text = written(trace);
    expect_json(text, 3 * instructions(t));
    cr_expect_eq(count_in(text, "\"run\":2"), instructions(t));
    cr_expect_eq(count_in(text, "\"run\":3"), 0, "the room was for three");
    cr_expect_not_null(strstr(text, "\\\"1\\\""), "the name of h, escaped: %s", text);
    for (const char *p = text; (p = strstr(p, "\"dur\":")); p++) cr_expect_geq(strtod(p + 6, NULL), 0);
    cr_expect_eq(wg_trace(t, 0), WG_OK);
    cr_expect_eq(wg_trace_write(t, stdout), WG_EARG);
    free(none);
    free(text);
}

/* Texts that programs read are the same in every locale, byte for byte. */
Test(tape_print, a_locale_with_a_comma_changes_nothing)
{
    char *before[4];
    wg_trace(t, 1);
    run(t);
    for (int i = 0; i < 4; i++) before[i] = written(writers[i]);
    cr_expect_not_null(strstr(before[2], "0.5"), "a constant is printed: %s", before[2]);
    if (!use_comma_locale()) cr_skip_test("no locale with a decimal comma, and no localedef to make one");
    for (int i = 0; i < 4; i++) {
        char *after = written(writers[i]), comma[40];
        cr_expect_str_eq(after, before[i], "writer %d", i);
        free(after);
        free(before[i]);
        snprintf(comma, sizeof comma, "%.1f", 0.5);
        cr_expect_str_eq(comma, "0,5", "the process keeps its locale");
    }
}

/* An operator of the user's own, named by somebody who tests limits. */
static int       copy_infer(wg_infer *c) { return wg_infer_same(c); }
static int       copy_cpu(wg_call *c) { return memcpy(c->y->data, c->x[0].data, bytes_of_y(c)), WG_OK; }
static const wg_op odd = {.name = "my \"op\"\n\\ \x01 \xff", .arity = 1, .infer = copy_infer, .cpu = copy_cpu};

Test(tape_print, names_of_operators_are_escaped)
{
    wg_node *z = wg_named(wg_apply(&odd, 1, &x, NULL), "\xfe\x02");
    wg_tape *s = compile(g, 1, &z, NULL);
    set_random(s, x, 1, -1, 1);
    wg_trace(s, 1);
    run(s);
    char  *text = NULL, *graph = NULL;
    size_t n = 0;
    FILE  *f = open_memstream(&text, &n);
    wg_trace_write(s, f), fclose(f);
    expect_json(text, 1);
    cr_expect_not_null(strstr(text, "my \\\"op\\\"\\n\\\\ \\u0001 \xef\xbf\xbd"), "%s", text);
    f = open_memstream(&graph, &n);
    wg_tape_dot(s, f), fclose(f);
    cr_expect_not_null(strstr(graph, "my \\\"op\\\" \\\\   "), "%s", graph);
    for (const char *p = graph; *p; p++) cr_expect((unsigned char)*p >= 32 || *p == '\n');
    free(text);
    free(graph);
}

/* ---- The watch for NaN ---- */

Test(tape_print, the_watch_names_node_operator_and_operands)
{
    wg_node *in = wg_input(g, "in", WG_F64, WG_SHAPE(3)), *root = wg_named(wg_sqrt(in), "root");
    wg_node *late = wg_sum(root, WG_ALL_AXES, 0);
    wg_tape *s = compile(g, WG_NODES(root, late), NULL);
    cr_assert_eq(wg_watch_finite(s, 1), WG_OK);
    wg_set(s, in, (double[]){1, -4, 9});
    cr_expect_eq(wg_run(s), WG_ENAN);
    const char *m = wg_tape_message(s);
    cr_expect_not_null(strstr(m, "run 0: "), "%s", m);
    cr_expect_not_null(strstr(m, ":root[3]"), "%s", m);
    cr_expect_not_null(strstr(m, "sqrt"), "%s", m);
    cr_expect_not_null(strstr(m, "(in)"), "%s", m);
    cr_expect_not_null(strstr(m, "nan at element 1"), "%s", m);
    wg_set(s, in, (double[]){1, 4, 9});
    cr_expect_eq(wg_run(s), WG_OK);
    cr_expect_eq(wg_get_scalar(s, late), 6);
    wg_set(s, in, (double[]){1, -4, 9});
    cr_expect_eq(wg_watch_finite(s, 0), WG_OK);
    cr_expect_eq(wg_run(s), WG_OK, "not watched");
}

Test(tape_print, the_watch_sees_infinities_and_the_first_cause)
{
    wg_node *in = wg_input(g, "in", WG_F32, WG_SHAPE(2, 2)), *p = wg_matmul(in, in),
            *q = wg_named(wg_softmax(p, 1), "q");
    wg_tape *s = compile(g, WG_NODES(wg_sum(q, WG_ALL_AXES, 0)), NULL);
    cr_assert_eq(wg_watch_finite(s, 1), WG_OK);
    wg_set(s, in, (float[]){1e30f, 1e30f, 1, 1});
    cr_expect_eq(wg_run(s), WG_ENAN);
    cr_expect_not_null(strstr(wg_tape_message(s), "matmul(in, in), is inf at element 0"), "%s", wg_tape_message(s));
    cr_expect_eq(wg_run_number(s), 0, "a failed run is no run");
}
