/* Laws of one prediction: shapes are checked, symbols take their sizes from the
 * request, and results are those of the model. */
#include "serve/model/model_impl.h"
#include "serve/models.h"
#include "support/alloc.h"

TestSuite(serve_predict, .timeout = 60);

/* ---- Memory ---- */

/* Few data may ask for much: n + m numbers for n m of them. */
Test(serve_predict, a_request_that_takes_too_much_memory_is_refused)
{
    struct wg__model_options o = model_options();
    o.max_bytes = 1 << 20;
    struct fixture     f = set_up(model_product, &o);
    static const float x[1000];
    struct asked       a;
    ask_begin(&a, f.v);
    a.in[0] = (struct wg__given){x, WG_SHAPE(1000, 1)};
    a.in[1] = (struct wg__given){x, WG_SHAPE(1, 1000)};
    cr_assert_eq(ask(&a, 0), WG_EARG, "%s", a.job.why);
    cr_expect(strstr(a.job.why, "1048576 bytes"), "%s", a.job.why);
    a.in[0].shape.dim[0] = 10;
    cr_assert_eq(ask(&a, 0), WG_OK, "%s", a.job.why);
    ask_end(&a);
    tear_down(&f);
}

/* Idle tapes are bounded by their bytes: those of the inputs, which may be all there is, count. */
Test(serve_predict, a_tape_is_as_large_as_its_values)
{
    struct fixture     f = set_up(model_mean, NULL);
    struct wg__loaded *v = wg__loaded_of(f.v);
    wg_error           e = {0};
    const int64_t      size[WG__MAX_SYMBOLS] = {2, 100000};
    struct wg__pooled *p = wg__pool_take(v, size, &e);
    cr_assert(p, "%s", e.message);
    cr_expect(p->bytes >= 800000 && p->bytes < 1000000, "%lld", (long long)p->bytes);
    wg__pool_give(v, p);
    tear_down(&f);
}

/* ---- Results ---- */

Test(serve_predict, any_number_of_rows)
{
    struct fixture f = set_up(twice_plus_one, NULL);
    float          x[30 * 4];
    for (int i = 0; i < 30 * 4; i++) x[i] = (float)i;
    for (int rows = 1; rows <= 30; rows++) {
        struct asked a;
        ask_begin(&a, f.v);
        a.in[0] = (struct wg__given){x, WG_SHAPE(rows, 4)};
        cr_assert_eq(ask(&a, 0), WG_OK, "%s", a.job.why);
        cr_assert(a.job.rows == rows && a.job.batch == rows);
        cr_assert(a.job.out[0].shape.rank == 2 && a.job.out[0].shape.dim[0] == rows);
        for (int i = 0; i < rows * 4; i++) cr_assert_eq(floats(&a, 0)[i], 2 * x[i] + 1);
        ask_end(&a);
    }
    cr_assert_eq(wg__version_count(f.v).rows, 30 * 31 / 2);
    tear_down(&f);
}

Test(serve_predict, several_inputs_and_outputs)
{
    struct fixture f = set_up(model_pair, NULL);
    const float    x[6] = {1, 2, 3, 9, 5, 4}, y[6] = {10, 20, 30, 1, 0, 1};
    struct asked   a;
    ask_begin(&a, f.v);
    a.in[0] = (struct wg__given){x, WG_SHAPE(2, 3)};
    a.in[1] = (struct wg__given){y, WG_SHAPE(2, 3)};
    cr_assert_eq(ask(&a, 0), WG_OK, "%s", a.job.why);
    for (int i = 0; i < 6; i++) cr_assert_eq(floats(&a, 0)[i], x[i] + y[i]);
    cr_assert(floats(&a, 1)[0] == 140 && floats(&a, 1)[1] == 13);
    const int64_t *largest = a.job.out[2].data;
    cr_assert(largest[0] == 2 && largest[1] == 0);
    ask_end(&a);
    tear_down(&f);
}

Test(serve_predict, symbols_take_their_sizes_from_the_request)
{
    struct fixture f = set_up(model_product, NULL);
    const float    x[6] = {1, 2, 3, 4, 5, 6}, y[3] = {1, 10, 100};
    struct asked   a;
    ask_begin(&a, f.v);
    a.in[0] = (struct wg__given){x, WG_SHAPE(2, 3)};
    a.in[1] = (struct wg__given){y, WG_SHAPE(3, 1)};
    cr_assert_eq(ask(&a, 0), WG_OK, "%s", a.job.why);
    cr_assert(a.job.out[0].shape.dim[0] == 2 && a.job.out[0].shape.dim[1] == 1 && a.job.rows == 1);
    cr_assert(floats(&a, 0)[0] == 321 && floats(&a, 0)[1] == 654);
    ask_end(&a);
    tear_down(&f);
}

/* More sizes than there are tapes kept. */
Test(serve_predict, sizes_without_end)
{
    struct fixture f = set_up(model_product, NULL);
    float          x[60];
    for (int i = 0; i < 60; i++) x[i] = 1;
    for (int n = 0; n < 120; n++) {
        int          k = 1 + n * 7 % 60;
        struct asked a;
        ask_begin(&a, f.v);
        a.in[0] = (struct wg__given){x, WG_SHAPE(1, k)};
        a.in[1] = (struct wg__given){x, WG_SHAPE(k, 1)};
        cr_assert(ask(&a, 0) == WG_OK && floats(&a, 0)[0] == (float)k, "%s", a.job.why);
        ask_end(&a);
    }
    tear_down(&f);
}

/* Large enough for a tape of several threads. */
Test(serve_predict, a_large_one_is_right_too)
{
    enum { N = 480 };
    struct fixture f = set_up(model_product, NULL);
    float         *x = malloc(N * N * sizeof *x);
    struct asked   a;
    for (int i = 0; i < N * N; i++) x[i] = (float)(i / N % 5);
    ask_begin(&a, f.v);
    a.in[0] = a.in[1] = (struct wg__given){x, WG_SHAPE(N, N)};
    cr_assert_eq(ask(&a, 0), WG_OK, "%s", a.job.why);
    for (int i = 0; i < N * N; i++) cr_assert_eq(floats(&a, 0)[i], (float)(i / N % 5 * (N / 5) * 10));
    ask_end(&a);
    free(x);
    tear_down(&f);
}

/* A symbol of an output may follow from another. */
Test(serve_predict, outputs_have_the_shapes_that_follow)
{
    const float    x[6] = {1, 2, 3, 4, 5, 6};
    struct fixture f = set_up(model_doubled, NULL);
    struct asked   a;
    ask_begin(&a, f.v);
    a.in[0] = (struct wg__given){x, WG_SHAPE(2, 3)};
    cr_assert_eq(ask(&a, 0), WG_OK, "%s", a.job.why);
    cr_assert(a.job.out[0].shape.rank == 2 && a.job.out[0].shape.dim[0] == 4 && a.job.out[0].shape.dim[1] == 3);
    for (int i = 0; i < 12; i++) cr_assert_eq(floats(&a, 0)[i], x[i % 6]);
    ask_end(&a);
    tear_down(&f);
}

Test(serve_predict, rows_that_mix_are_computed_as_they_came)
{
    struct fixture f = set_up(model_mixing, NULL);
    float          x[20 * 3];
    struct asked   a;
    for (int i = 0; i < 20 * 3; i++) x[i] = 1;
    ask_begin(&a, f.v);
    a.in[0] = (struct wg__given){x, WG_SHAPE(20, 3)};
    cr_assert_eq(ask(&a, 0), WG_OK, "%s", a.job.why);
    for (int i = 0; i < 20 * 3; i++) cr_assert_float_eq(floats(&a, 0)[i], 0.05, 1e-6);
    ask_end(&a);
    tear_down(&f);
}

/* ---- Complaints ---- */

static void refuses(struct wg__version *v, wg_shape x, const wg_shape *y, const char *why)
{
    static const float zero[64];
    struct asked       a;
    ask_begin(&a, v);
    a.in[0] = (struct wg__given){zero, x};
    if (y) a.in[1] = (struct wg__given){zero, *y};
    cr_assert_eq(ask(&a, 0), WG_ESHAPE);
    cr_assert_str_eq(a.job.why, why);
    ask_end(&a);
}

Test(serve_predict, a_wrong_shape_is_named)
{
    struct fixture f = set_up(twice_plus_one, NULL);
    refuses(f.v, WG_SHAPE(2, 5), NULL, "input \"x\" is [2,5], but the model takes [batch,4]");
    refuses(f.v, WG_SHAPE(4), NULL, "input \"x\" is [4], but the model takes [batch,4]");
    refuses(f.v, WG_SCALAR, NULL, "input \"x\" is [], but the model takes [batch,4]");
    refuses(f.v, WG_SHAPE(1001, 4), NULL, "1001 rows, and one request may have 1000");
    cr_assert_eq(wg__version_count(f.v).failed, 4);
    tear_down(&f);
}

/* No rows in, no rows out; an axis that is no batch has at least one element. */
Test(serve_predict, no_rows_have_results_without_rows)
{
    static void (*const make[])(const char *path) = {twice_plus_one, model_mixing, model_pair};
    for (int i = 0; i < 3; i++) {
        struct fixture f = set_up(make[i], NULL);
        struct asked   a;
        ask_begin(&a, f.v);
        for (int k = 0; k < f.v->n_in; k++) a.in[k].shape = f.v->in[k].shape, a.in[k].shape.dim[0] = 0;
        cr_assert_eq(ask(&a, i), WG_OK, "%s", a.job.why);
        for (int k = 0; k < f.v->n_out; k++)
            cr_assert(a.job.out[k].shape.rank == f.v->out[k].shape.rank && a.job.out[k].shape.dim[0] == 0);
        ask_end(&a);
        tear_down(&f);
    }
    struct fixture f = set_up(model_product, NULL);
    const wg_shape b = WG_SHAPE(0, 5);
    refuses(f.v, WG_SHAPE(2, 0), &b, "input \"a\": axis 1 is 0");
    tear_down(&f);
}

Test(serve_predict, a_symbol_has_one_size)
{
    const wg_shape three = WG_SHAPE(3, 3), four = WG_SHAPE(4, 5);
    struct fixture f = set_up(model_pair, NULL);
    refuses(f.v, WG_SHAPE(2, 3), &three, "input \"b\": axis 0 is 3, but \"batch\" is 2 already");
    tear_down(&f);
    f = set_up(model_product, NULL);
    refuses(f.v, WG_SHAPE(2, 3), &four, "input \"b\": axis 0 is 4, but \"k\" is 3 already");
    tear_down(&f);
}

Test(serve_predict, a_failing_run_says_why)
{
    struct fixture f = set_up(model_embedding, NULL);
    const int64_t  index[3] = {1, 8, 2};
    struct asked   a;
    ask_begin(&a, f.v);
    a.in[0] = (struct wg__given){index, WG_SHAPE(3)};
    cr_assert_eq(ask(&a, 0), WG_EINDEX);
    cr_assert(strstr(a.job.why, "8"), "%s", a.job.why);
    cr_assert_null(a.job.out);
    ask_end(&a);
    ask_begin(&a, f.v);
    a.in[0] = (struct wg__given){index, WG_SHAPE(1)};
    cr_assert_eq(ask(&a, 0), WG_OK, "what failed leaves nothing behind: %s", a.job.why);
    ask_end(&a);
    tear_down(&f);
}

/* ---- Memory ---- */

Test(serve_predict, fails_cleanly_at_every_allocation)
{
    struct fixture f = set_up(twice_plus_one, NULL);
    float          x[21 * 4] = {3};
    int            n = 0, status = WG_ENOMEM;
    for (; status == WG_ENOMEM && n < 10000; n++) {
        struct asked a;
        ask_begin(&a, f.v);
        a.in[0] = (struct wg__given){x, WG_SHAPE(21, 4)}; /* 8 + 8 + 5: a new tape is made */
        alloc_fail_at(n);
        status = ask(&a, 1);
        alloc_restore();
        if (!status) cr_assert_eq(floats(&a, 0)[0], 7);
        ask_end(&a);
    }
    cr_assert_eq(status, WG_OK);
    cr_assert(n > 1, "some allocation failed");
    tear_down(&f);
}
