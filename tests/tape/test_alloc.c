/* Every allocation may fail: each call that meets it says so, nothing leaks
 * (the sanitizer build looks), and the next call goes on as if nothing had been. */
#include "support/alloc.h"
#include "tape/tape_test.h"

TestSuite(tape_alloc, .timeout = 300);

enum { LAST = 100000 };

static wg_node *dense(wg_node *x, int64_t out, const char *w, const char *b)
{
    wg_graph *g = wg_node_graph(x);
    if (!x) return NULL;
    wg_node *weight = wg_param(g, w, WG_F32, WG_SHAPE(wg_node_shape(x)->dim[1], out)),
            *bias = wg_param(g, b, WG_F32, WG_SHAPE(out));
    return wg_add(wg_matmul(x, weight), bias);
}

struct step {
    wg_node *x, *label, *loss, *all;
};

/* A whole training step; what fails is on the graph. */
static struct step build(wg_graph *g)
{
    struct step s = {.x = wg_input(g, "x", WG_F32, WG_SHAPE(8, 6)), .label = wg_input(g, "label", WG_I32, WG_SHAPE(8))};
    wg_node    *h = wg_dropout(wg_relu(dense(s.x, 5, "w1", "b1")), 0.5), *p[4], *d[4], *update[4];
    wg_node    *logits = dense(h, 3, "w2", "b2"), *hand = wg_log(wg_one_minus(wg_sigmoid(wg_softmax(logits, 1))));
    s.loss = wg_softmax_cross_entropy(logits, s.label);
    s.loss = wg_sub(s.loss, wg_mean(wg_add(hand, wg_log(wg_softmax(logits, 1))), WG_ALL_AXES, 0));
    for (int i = 0; i < 4; i++) p[i] = wg_param_at(g, i);
    wg_grad(s.loss, 4, p, d);
    for (int i = 0; i < 4; i++) update[i] = wg_assign(p[i], wg_sub(p[i], wg_scale(d[i], 0.1)));
    s.all = wg_group(4, update);
    return s;
}

static int print(wg_tape *t)
{
    FILE *f = fopen("/dev/null", "w");
    if (!f) return WG_OK;
    int status = wg_tape_print(t, f);
    if (!status) status = wg_tape_dot(t, f);
    fclose(f);
    return status;
}

static int use(wg_tape *t, const struct step *s)
{
    static const float   x[48] = {1, -1, 0.5f};
    static const int32_t label[8] = {0, 1, 2, 0, 1, 2, 0, 1};
    int                  status = wg_set(t, s->x, x);
    if (!status) status = wg_set(t, s->label, label);
    if (!status) status = wg_run(t);
    if (!status) status = wg_watch_finite(t, 1);
    if (!status) status = wg_trace(t, 2);
    if (!status) status = wg_run(t);
    if (!status) status = print(t);
    return status;
}

/* From nothing to a printed tape, while the n-th allocation (and, unless once, all after it) fails. */
static int train_once_failing_at(long n, bool once)
{
    int status = WG_ENOMEM;
    (once ? alloc_fail_once_at : alloc_fail_at)(n);
    wg_graph *g = wg_graph_new();
    if (g) {
        struct step s = build(g);
        wg_tape    *t = wg_compile(g, WG_NODES(s.loss, s.all), NULL);
        status = t ? use(t, &s) : wg_status(g);
    }
    alloc_restore();
    wg_graph_free(g);
    return status;
}

Test(tape_alloc, a_training_step_fails_cleanly_at_every_allocation)
{
    for (int once = 0; once < 2; once++) {
        int n = 0, status;
        while ((status = train_once_failing_at(n, once)) != WG_OK && n < LAST) {
            cr_assert_eq(status, WG_ENOMEM, "allocation %d: %s", n, wg_strerror(status));
            n++;
        }
        cr_assert_eq(status, WG_OK);
        cr_expect_gt(n, 30, "only %d allocations", n);
    }
}

/* Only the call that fails is lost: the same graph compiles afterwards, to the same tape. */
Test(tape_alloc, the_graph_survives_a_failing_compile)
{
    wg_graph   *g = wg_graph_new();
    struct step s = build(g);
    char       *want = text_of(compile(g, WG_NODES(s.loss, s.all), NULL));
    int         n = 0;
    for (wg_tape *t = NULL; !t && n < LAST; n++) {
        alloc_fail_at(n);
        t = wg_compile(g, WG_NODES(s.loss, s.all), NULL);
        alloc_restore();
        cr_assert_eq(wg_status(g), t ? WG_OK : WG_ENOMEM, "allocation %d", n);
        wg_clear_error(g);
        wg_tape *again = compile(g, WG_NODES(s.loss, s.all), NULL);
        char    *text = text_of(again);
        cr_expect_str_eq(text, want);
        free(text);
        cr_expect_eq(use(again, &s), WG_OK, "%s", wg_tape_message(again));
        wg_tape_free(again);
        if (t) cr_expect_eq(use(t, &s), WG_OK);
    }
    cr_expect_gt(n, 20);
    free(want);
    wg_graph_free(g);
}

Test(tape_alloc, watch_and_trace_survive)
{
    wg_graph   *g = wg_graph_new();
    struct step s = build(g);
    wg_tape    *t = compile(g, WG_NODES(s.loss, s.all), NULL);
    for (int n = 0, status = WG_ENOMEM; status && n < LAST; n++) {
        alloc_fail_at(n);
        status = wg_watch_finite(t, 1);
        if (!status) status = wg_trace(t, 4);
        alloc_restore();
        if (status) cr_assert_eq(wg_tape_status(t), WG_ENOMEM);
        cr_expect_eq(use(t, &s), WG_OK, "after allocation %d failed", n);
        wg_trace(t, 0);
        wg_watch_finite(t, 0);
    }
    wg_graph_free(g);
}

/* ---- Eager ---- */

static int eager_failing_at(long n)
{
    int status = WG_ENOMEM;
    alloc_fail_at(n);
    wg_graph *g = wg_graph_new();
    wg_tape  *t = g ? wg_graph_eager(g) : NULL;
    if (t) {
        wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(3, 4)), *w = wg_param(g, "w", WG_F32, WG_SHAPE(4, 2)), *d = NULL;
        if (x) wg_set(t, x, (float[12]){1, 2, 3});
        wg_node *y = wg_mean(wg_square(wg_log(wg_softmax(wg_matmul(x, w), 1))), WG_ALL_AXES, 0);
        wg_grad(y, 1, &w, &d);
        wg_assign(w, wg_sub(w, wg_scale(d, 0.1)));
        status = wg_status(g) ? wg_status(g) : wg_tape_status(t) ? wg_tape_status(t) : wg_run(t);
    }
    alloc_restore();
    wg_graph_free(g);
    return status;
}

Test(tape_alloc, eager_mode_fails_cleanly_at_every_allocation)
{
    int n = 0, status;
    while ((status = eager_failing_at(n)) != WG_OK && n < LAST) {
        cr_assert_eq(status, WG_ENOMEM, "allocation %d: %s", n, wg_strerror(status));
        n++;
    }
    cr_assert_eq(status, WG_OK);
    cr_expect_gt(n, 30);
}

/* What failed can be built again, and has its value then. */
Test(tape_alloc, an_eager_graph_goes_on)
{
    int tried = 0;
    for (int n = 0;; n++, tried++) {
        wg_graph *g = wg_graph_new();
        wg_tape  *t = wg_graph_eager(g);
        wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(200, 40));
        set_random(t, x, 1, -1, 1);
        alloc_fail_at(n);
        wg_node *y = wg_logsumexp(wg_tanh(x), WG_AXES(0), 0);
        alloc_restore();
        cr_assert_eq(wg_status(g), y ? WG_OK : WG_ENOMEM, "%s", wg_message(g));
        wg_clear_error(g);
        wg_node *z = wg_logsumexp(wg_tanh(x), WG_AXES(0), 0);
        double   sum = 0;
        cr_assert_not_null(z, "%s", wg_message(g));
        for (int i = 0; i < 200; i++) sum += exp(tanh(element(t, x, i * 40 + 7)));
        cr_expect_float_eq(element(t, z, 7), log(sum), 1e-12, "after allocation %d failed", n);
        cr_expect_eq(wg_run(t), WG_OK, "%s", wg_tape_message(t));
        cr_expect_float_eq(element(t, z, 7), log(sum), 1e-12);
        wg_graph_free(g);
        if (y) break;
    }
    cr_expect_gt(tried, 2);
}
