/* Batches into the inputs of tapes. */
#include "data/files.h"

struct net {
    wg_graph *g;
    wg_node  *x, *y, *other, *sum;
};

/* sum is over the batch of x times y. */
static struct net make_net(void)
{
    struct net n = {.g = wg_graph_new()};
    int64_t    batch = wg_dim(n.g, "batch");
    n.x = wg_input(n.g, "x", WG_F32, WG_SHAPE(batch, 4));
    n.y = wg_input(n.g, "y", WG_F32, WG_SHAPE(batch, 1));
    n.other = wg_input(n.g, "other", WG_F32, WG_SHAPE(batch));
    n.sum = wg_sum(wg_mul(n.x, n.y), WG_ALL_AXES, 0);
    return n;
}
static wg_tape *tape_for(struct net *n, int64_t batch)
{
    wg_tape *t = wg_compile(n->g, WG_NODES(n->sum), &(wg_options){.bind = {{"batch", batch}}});
    cr_assert(t, "%s", wg_message(n->g));
    return t;
}

/* 10 examples of 2 x 2 bytes, and their numbers. */
static uint8_t        images[40];
static int32_t        labels[10];
static const wg_array image = {WG_U8, {3, {10, 2, 2}}, images}, label = {WG_I32, {1, {10}}, labels};

static void fill(void)
{
    for (int i = 0; i < 40; i++) images[i] = (uint8_t)i;
    for (int i = 0; i < 10; i++) labels[i] = i;
}
TestSuite(batches_tape, .init = fill, .timeout = 60);

static wg_batches *make(struct net *n, wg_last last, int prefetch)
{
    const wg_column column[] = {{.array = &image, .input = n->x, .scale = 0.5}, {.array = &label, .input = n->y}};
    wg_error        e = {0};
    wg_batches     *b = wg_batches_new(
            &(wg_batch_options){.n = 2, .column = column, .size = 4, .last = last, .prefetch = prefetch}, &e);
    cr_assert(b, "%s", e.message);
    return b;
}

static double want_sum(int first, int n)
{
    double sum = 0;
    for (int i = first; i < first + n; i++)
        for (int k = 0; k < 4; k++) sum += 0.5 * (4 * i + k) * i;
    return sum;
}

Test(batches_tape, the_loop_of_the_docs)
{
    for (int prefetch = 0; prefetch < 3; prefetch++) {
        struct net  net = make_net();
        wg_tape    *t = tape_for(&net, 4);
        wg_batches *b = make(&net, WG_LAST_DROP, prefetch);
        for (int epoch = 0; epoch < 3; epoch++) {
            int n, at = 0;
            while ((n = wg_batch_next(b, t)) > 0) {
                cr_assert_eq(wg_run(t), WG_OK, "%s", wg_tape_message(t));
                cr_assert_eq(wg_get_scalar(t, net.sum), want_sum(at, n));
                at += n;
            }
            cr_assert_eq(n, 0, "%s", wg_batches_message(b));
            cr_assert_eq(at, 8);
        }
        wg_batches_free(b);
        wg_graph_free(net.g);
    }
}

Test(batches_tape, a_short_batch_picks_its_tape)
{
    struct net  net = make_net();
    wg_tape    *full = tape_for(&net, 4), *rest = tape_for(&net, 2);
    wg_batches *b = make(&net, WG_LAST_SHORT, 2);
    int         n, at = 0;
    for (int epoch = 0; epoch < 2; epoch++, at = 0) {
        while ((n = wg_batch_peek(b)) > 0) {
            wg_tape *right = n == 4 ? full : rest, *wrong = n == 4 ? rest : full;
            cr_assert_eq(wg_batch_next(b, wrong), WG_ESHAPE);
            cr_assert_eq(wg_batch_next(b, right), n, "an error takes no batch: %s", wg_batches_message(b));
            cr_assert_eq(wg_run(right), WG_OK);
            cr_assert_eq(wg_get_scalar(right, net.sum), want_sum(at, n));
            at += n;
        }
        cr_assert_eq(wg_batch_next(b, full), 0);
        cr_assert_eq(at, 10);
    }
    cr_assert_eq(wg_batch_next(b, rest), WG_ESHAPE);
    cr_assert_str_eq(wg_batches_message(b), "wg_batch_next: column 0 has 4 examples of 4 elements, input 'x' is [2,4]");
    wg_batches_free(b);
    wg_graph_free(net.g);
}

Test(batches_tape, what_is_no_input_is_refused)
{
    struct net      net = make_net();
    wg_tape        *t = tape_for(&net, 4);
    wg_error        e;
    const wg_column twice[] = {{.array = &image, .input = net.x}, {.array = &label, .input = net.x}};
    cr_assert_null(wg_batches_new(&(wg_batch_options){.n = 2, .column = twice, .size = 4}, &e));
    cr_assert(strstr(e.message, "columns 0 and 1 are to fill the same input 'x'"), "%s", e.message);
    const wg_column sum[] = {{.array = &image, .input = net.sum}};
    cr_assert_null(wg_batches_new(&(wg_batch_options){.n = 1, .column = sum, .size = 4}, &e));
    cr_assert(strstr(e.message, "which is no input"), "%s", e.message);

    const wg_column absent[] = {{.array = &label, .input = net.other}}, loose[] = {{.array = &label}};
    wg_batches     *b = wg_batches_new(&(wg_batch_options){.n = 1, .column = absent, .size = 4}, &e);
    cr_assert_eq(wg_batch_next(b, t), WG_EARG);
    cr_assert_str_eq(wg_batches_message(b), "wg_batch_next: input 'other' of column 0 is not on the tape");
    cr_assert_eq(wg_batch_next(b, NULL), WG_EARG);
    wg_batches_free(b);
    b = wg_batches_new(&(wg_batch_options){.n = 1, .column = loose, .size = 4}, &e);
    cr_assert_eq(wg_batch_next(b, t), WG_EARG);
    cr_assert(strstr(wg_batches_message(b), "column 0 has no input to fill"));
    wg_batches_free(b);
    wg_graph_free(net.g);
}

/* Whatever its byte is, a bool is 0 or 1 on the tape and in the caller's memory. */
Test(batches_tape, bools_are_0_or_1)
{
    uint8_t         flag[8] = {0, 1, 7, 255, 0, 2, 1, 0}, out[4];
    wg_array        flags = {WG_BOOL, {1, {8}}, flag};
    wg_graph       *g = wg_graph_new();
    wg_node        *b = wg_input(g, "b", WG_BOOL, WG_SHAPE(4)), *n = wg_sum(wg_cast(b, WG_F32), WG_ALL_AXES, 0);
    wg_tape        *t = wg_compile(g, 1, &n, NULL);
    const wg_column column = {.array = &flags, .input = b};
    for (int prefetch = 0; prefetch < 2; prefetch++) {
        wg_batches *all =
            wg_batches_new(&(wg_batch_options){.n = 1, .column = &column, .size = 4, .prefetch = prefetch}, NULL);
        cr_assert_eq(wg_batch_next(all, t), 4, "%s", wg_batches_message(all));
        cr_assert_eq(wg_run(t), WG_OK);
        cr_expect_eq(wg_get_scalar(t, n), 3);
        cr_assert_eq(wg_batch_into(all, (void *[]){out}), 4);
        cr_expect_arr_eq(out, ((uint8_t[]){0, 1, 1, 0}), 4);
        wg_batches_free(all);
    }
    wg_graph_free(g);
}

/* What does not fit is found before any input is written: a run still says which was never set. */
Test(batches_tape, a_batch_that_does_not_fit_sets_nothing)
{
    struct net  net = make_net();
    wg_node    *y = wg_input(net.g, "narrow", WG_F32, WG_SHAPE(3)), *sum = wg_add(net.sum, wg_sum(y, WG_ALL_AXES, 0));
    wg_tape    *t = wg_compile(net.g, WG_NODES(sum), &(wg_options){.bind = {{"batch", 4}}});
    wg_column   column[] = {{.array = &image, .input = net.x}, {.array = &label, .input = y}};
    wg_batches *b = wg_batches_new(&(wg_batch_options){.n = 2, .column = column, .size = 4}, NULL);
    cr_assert(t && b, "%s", wg_message(net.g));
    cr_expect_eq(wg_batch_next(b, t), WG_ESHAPE);
    cr_expect_eq(wg_run(t), WG_EARG);
    cr_expect(strstr(wg_tape_message(t), "input x["), "%s", wg_tape_message(t));
    wg_batches_free(b);
    wg_graph_free(net.g);
}
