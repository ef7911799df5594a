/* Batches: which examples come when, and that a thread changes nothing. */
#include <math.h>
#include <sched.h>

#include "data/files.h"

TestSuite(batches, .timeout = 120);

/* Example i is {i, i + 0.5} in f32 and i in i32. */
struct set {
    wg_array  x, y;
    wg_column column[2];
};

static struct set make_set(int64_t n)
{
    struct set s;
    cr_assert_eq(wg_array_new(&s.x, WG_F32, WG_SHAPE(n, 2)), WG_OK);
    cr_assert_eq(wg_array_new(&s.y, WG_I32, WG_SHAPE(n)), WG_OK);
    for (int64_t i = 0; i < n; i++) {
        ((float *)s.x.data)[2 * i] = (float)i;
        ((float *)s.x.data)[2 * i + 1] = (float)i + 0.5f;
        ((int32_t *)s.y.data)[i] = (int32_t)i;
    }
    return s;
}
static void free_set(struct set *s)
{
    wg_array_free(&s->x);
    wg_array_free(&s->y);
}

static wg_batches *make(struct set *s, wg_batch_options o)
{
    wg_error e = {0};
    s->column[0] = (wg_column){.array = &s->x, .dtype = WG_F32};
    s->column[1] = (wg_column){.array = &s->y, .dtype = WG_I32};
    o.n = 2;
    o.column = s->column;
    wg_batches *b = wg_batches_new(&o, &e);
    cr_assert(b, "%s", e.message);
    return b;
}

/* The next batch's indices into y; both columns agree on them. */
static int take(wg_batches *b, int32_t *y)
{
    float x[2 * 64];
    int   want = wg_batch_peek(b), n = wg_batch_into(b, (void *[]){x, y});
    cr_assert_eq(n, want);
    for (int i = 0; i < n; i++) {
        cr_assert_eq(x[2 * i], (float)y[i]);
        cr_assert_eq(x[2 * i + 1], (float)y[i] + 0.5f);
    }
    return n;
}

/* A whole epoch's indices, one after another. */
static int take_epoch(wg_batches *b, int32_t *y)
{
    int total = 0;
    for (int n; (n = take(b, y + total)) > 0;) total += n;
    return total;
}

Test(batches, without_shuffling_examples_keep_their_order)
{
    static const int sizes[3][5] = {{4, 4, 0}, {4, 4, 2, 0}, {4, 4, 4, 0}};
    struct set       s = make_set(10);
    for (int last = WG_LAST_DROP; last <= WG_LAST_WRAP; last++) {
        wg_batches *b = make(&s, (wg_batch_options){.size = 4, .last = (wg_last)last});
        cr_assert_eq(wg_batches_count(b), last == WG_LAST_DROP ? 2 : 3);
        for (int epoch = 0; epoch < 2; epoch++)
            for (int k = 0; k == 0 || sizes[last][k - 1]; k++) {
                int32_t y[64];
                cr_assert_eq(take(b, y), sizes[last][k]);
                for (int i = 0; i < sizes[last][k]; i++) cr_assert_eq(y[i], (4 * k + i) % 10);
            }
        wg_batches_free(b);
    }
    free_set(&s);
}

Test(batches, an_epoch_has_every_example_once)
{
    enum { N = 1000 };
    struct set  s = make_set(N);
    wg_batches *b = make(&s, (wg_batch_options){.size = 64, .shuffle = 1, .seed = 7, .last = WG_LAST_SHORT});
    int32_t     first[N], second[N];
    char        seen[N] = {0};
    int         moved = 0;
    cr_assert_eq(take_epoch(b, first), N);
    cr_assert_eq(take_epoch(b, second), N);
    for (int i = 0; i < N; i++) {
        cr_assert_eq(seen[first[i]]++, 0);
        moved += first[i] != second[i];
    }
    cr_assert_gt(moved, N / 2, "another epoch has another order");
    wg_batches_free(b);
    free_set(&s);
}

/* Computed apart from the library, from the definition of Philox4x32-10. */
Test(batches, the_order_is_the_same_on_every_machine)
{
    static const int32_t want[2][10] = {{1, 2, 4, 6, 7, 9, 8, 0, 5, 3}, {1, 3, 7, 8, 5, 6, 9, 0, 2, 4}};
    struct set           s = make_set(10);
    wg_batches          *b = make(&s, (wg_batch_options){.size = 10, .shuffle = 1, .seed = 1});
    int32_t              y[64];
    cr_assert_eq(take(b, y), 10);
    cr_assert_arr_eq(y, want[0], sizeof want[0]);
    cr_assert_eq(wg_batches_seek(b, UINT64_C(0x100000005), 0), WG_OK);
    cr_assert_eq(take(b, y), 10);
    cr_assert_arr_eq(y, want[1], sizeof want[1]);
    wg_batches_free(b);
    free_set(&s);
}

/* chi^2 of the 120 orders of 5 examples: 119 degrees of freedom, so 119 +- 15. */
Test(batches, every_order_is_as_likely)
{
    enum { ORDERS = 120, EACH = 200 };
    struct set  s = make_set(5);
    wg_batches *b = make(&s, (wg_batch_options){.size = 5, .shuffle = 1, .seed = 3});
    int         count[5 * 5 * 5 * 5] = {0};
    for (int i = 0; i < ORDERS * EACH; i++) {
        int32_t y[64];
        cr_assert_eq(take_epoch(b, y), 5);
        count[((y[0] * 5 + y[1]) * 5 + y[2]) * 5 + y[3]]++;
    }
    double chi2 = 0;
    int    orders = 0;
    for (int i = 0; i < 625; i++) {
        orders += count[i] > 0;
        if (count[i]) chi2 += pow(count[i] - EACH, 2) / EACH;
    }
    cr_assert_eq(orders, ORDERS);
    cr_assert(chi2 > 119 - 5 * 15.4 && chi2 < 119 + 5 * 15.4, "chi^2 is %g", chi2);
    wg_batches_free(b);
    free_set(&s);
}

Test(batches, a_thread_changes_nothing)
{
    static const int64_t sizes[] = {1, 4, 7, 30, 64};
    struct set           s = make_set(30);
    uint32_t             state = 1;
    for (int trial = 0; trial < 5 * 3 * 2 * 3; trial++) {
        wg_batch_options o = {.size = sizes[trial % 5], .last = (wg_last)(trial / 5 % 3), .seed = 11};
        o.shuffle = trial / 15 % 2;
        if (o.last == WG_LAST_DROP && o.size > 30) continue;
        wg_batches *plain = make(&s, o);
        o.prefetch = 1 + trial / 30 * 2;
        wg_batches *ahead = make(&s, o);
        for (int i = 0; i < 100; i++) {
            int32_t  y[64], z[64];
            uint64_t epoch, other;
            int64_t  batch, place;
            if (draw(&state) >> 28 == 0) {
                epoch = draw(&state) >> 30;
                batch = (int64_t)(draw(&state) >> 8) % (wg_batches_count(plain) + 1);
                cr_assert_eq(wg_batches_seek(plain, epoch, batch), WG_OK);
                cr_assert_eq(wg_batches_seek(ahead, epoch, batch), WG_OK);
            }
            int n = take(plain, y);
            cr_assert_eq(take(ahead, z), n);
            if (n) cr_assert_arr_eq(y, z, (size_t)n * sizeof *y);
            wg_batches_position(plain, &epoch, &batch);
            wg_batches_position(ahead, &other, &place);
            cr_assert(epoch == other && batch == place);
        }
        wg_batches_free(plain);
        wg_batches_free(ahead);
    }
    free_set(&s);
}

Test(batches, a_thread_may_be_stopped_at_any_moment)
{
    struct set s = make_set(100);
    int32_t    y[64];
    for (int i = 0; i < 300; i++) {
        wg_batches *b = make(&s, (wg_batch_options){.size = 7, .shuffle = 1, .prefetch = 1 + i % 4});
        for (int k = 0; k < i % 11; k++) take(b, y);
        if (i % 3 == 0) wg_batches_seek(b, 5, 3);
        if (i % 2 == 0) sched_yield();
        wg_batches_free(b);
    }
    free_set(&s);
    wg_batches_free(NULL);
}

Test(batches, a_position_is_all_that_resuming_needs)
{
    struct set  s = make_set(20);
    wg_batches *a = make(&s, (wg_batch_options){.size = 6, .shuffle = 1, .last = WG_LAST_SHORT, .prefetch = 2});
    for (int stop = 0; stop < 12; stop++) {
        uint64_t epoch;
        int64_t  batch;
        int32_t  y[64], z[64];
        wg_batches_position(a, &epoch, &batch);
        cr_assert_eq((int)epoch, stop / 5);
        cr_assert_eq(batch, stop % 5);
        wg_batches *b = make(&s, (wg_batch_options){.size = 6, .shuffle = 1, .last = WG_LAST_SHORT});
        cr_assert_eq(wg_batches_seek(b, epoch, batch), WG_OK);
        int n = take(a, y);
        cr_assert_eq(take(b, z), n);
        if (n) cr_assert_arr_eq(y, z, (size_t)n * sizeof *y);
        wg_batches_free(b);
    }
    cr_assert_eq(wg_batches_seek(a, 0, 5), WG_EINDEX);
    cr_assert(strstr(wg_batches_message(a), "batch 5 is outside 0..4"), "%s", wg_batches_message(a));
    cr_assert_eq(wg_batches_seek(a, 0, -1), WG_EINDEX);
    wg_batches_position(a, NULL, NULL);
    wg_batches_free(a);
    free_set(&s);
}

Test(batches, no_examples_make_empty_epochs)
{
    for (int last = WG_LAST_DROP; last <= WG_LAST_WRAP; last++) {
        struct set  s = make_set(0);
        wg_batches *b = make(&s, (wg_batch_options){.size = 4, .shuffle = 1, .last = (wg_last)last, .prefetch = 2});
        int32_t     y[64];
        cr_assert_eq(wg_batches_count(b), 0);
        for (int i = 0; i < 3; i++) cr_assert_eq(take(b, y), 0);
        wg_batches_free(b);
        free_set(&s);
    }
}

/* ---- Values ---- */

static wg_batches *one_column(const wg_array *a, wg_dtype t, double scale, double shift)
{
    wg_column   c = {.array = a, .dtype = t, .scale = scale, .shift = shift};
    wg_batches *b = wg_batches_new(&(wg_batch_options){.n = 1, .column = &c, .size = a->shape.dim[0]}, NULL);
    cr_assert(b);
    return b;
}

Test(batches, bytes_are_scaled_in_double_and_rounded_once)
{
    uint8_t        x[256];
    const wg_array a = {WG_U8, WG_SHAPE(1, 256), x};
    float          f[256];
    double         d[256];
    uint8_t        u[256];
    int64_t        l[256];
    for (int i = 0; i < 256; i++) x[i] = (uint8_t)i;
    wg_batches *b[] = {one_column(&a, WG_F32, 1 / 255.0, -0.5), one_column(&a, WG_F64, 1 / 255.0, -0.5),
                       one_column(&a, WG_U8, 0.75, 20), one_column(&a, WG_I64, 0, 7)};
    void       *to[] = {f, d, u, l};
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(wg_batch_into(b[i], &to[i]), 1);
        wg_batches_free(b[i]);
    }
    for (int i = 0; i < 256; i++) {
        double y = i * (1 / 255.0) + -0.5;
        cr_assert_eq(d[i], y);
        cr_assert_eq(f[i], (float)y);
        cr_assert_eq(u[i], (3 * i + 80) / 4, "cut off");
        cr_assert_eq(l[i], i + 7);
    }
}

Test(batches, dtypes_convert_as_cast_does)
{
    static double        x[] = {0, -0.5, 2.75, -300, 1e30, -1e30, NAN, INFINITY};
    static double        whole[] = {0, -0.5, 2.75, -300, 0x1p31 - 1, -0x1p31, 7, -1.5};
    static double        small[] = {0, -0.5, 2.75, 255.5, 1, 2, 3, 4};
    static const int32_t i32[] = {0, 0, 2, -300, INT32_MAX, INT32_MIN, 7, -1};
    static const uint8_t u8[] = {0, 0, 2, 255, 1, 2, 3, 4}, boolean[] = {0, 1, 1, 1, 1, 1, 1, 1};
    const wg_array a = {WG_F64, WG_SHAPE(8), x}, w = {WG_F64, WG_SHAPE(8), whole}, n = {WG_F64, WG_SHAPE(8), small};
    float          f[8];
    double         d[8];
    int32_t        i[8];
    uint8_t        u[8], t[8];
    wg_batches    *b[] = {one_column(&a, WG_F32, 0, 0), one_column(&a, WG_F64, 0, 0), one_column(&w, WG_I32, 0, 0),
                          one_column(&n, WG_U8, 0, 0)};
    void          *to[] = {f, d, i, u};
    for (int k = 0; k < 4; k++) {
        cr_assert_eq(wg_batch_into(b[k], &to[k]), 8);
        wg_batches_free(b[k]);
    }
    cr_assert_arr_eq(d, x, sizeof x);
    cr_assert_arr_eq(i, i32, sizeof i32);
    cr_assert_arr_eq(u, u8, sizeof u8);
    for (int k = 0; k < 8; k++) cr_assert(f[k] == (float)x[k] || isnan(x[k]));
    /* NaN is not 0, so it is true. */
    wg_batches *c = one_column(&a, WG_BOOL, 0, 0);
    cr_assert_eq(wg_batch_into(c, (void *[]){t}), 8);
    cr_assert_arr_eq(t, boolean, sizeof boolean);
    wg_batches_free(c);
}

/* Examples longer than a block of the conversion. */
Test(batches, long_examples)
{
    enum { N = 1001 };
    wg_array a;
    int64_t *y = malloc(3 * N * sizeof *y);
    cr_assert_eq(wg_array_new(&a, WG_I32, WG_SHAPE(3, 7, 143)), WG_OK);
    for (int i = 0; i < 3 * N; i++) ((int32_t *)a.data)[i] = i * 100003;
    wg_batches *b = one_column(&a, WG_I64, 3, 1);
    cr_assert_eq(wg_batch_into(b, (void *[]){y}), 3);
    for (int i = 0; i < 3 * N; i++) cr_assert_eq(y[i], (int64_t)((int32_t *)a.data)[i] * 3 + 1);
    wg_batches_free(b);
    wg_array_free(&a);
    free(y);
}

/* ---- Errors ---- */

Test(batches, options_are_checked)
{
    float                  x[4] = {0};
    const wg_array         two = {WG_F32, WG_SHAPE(2, 2), x}, four = {WG_F32, WG_SHAPE(4), x}, none = {0};
    const wg_column        fine[] = {{.array = &two}, {.array = &four}}, bad[] = {{.array = &none}}, null[] = {{0}};
    const wg_column        dtype[] = {{.array = &two, .dtype = WG_DTYPES}};
    const wg_batch_options o[] = {
        {.n = 0, .column = fine, .size = 1},
        {.n = 1, .size = 1},
        {.n = 1, .column = fine},
        {.n = 1, .column = fine, .size = 3},
        {.n = 1, .column = fine, .size = 1, .prefetch = -1},
        {.n = 1, .column = fine, .size = 1, .last = (wg_last)3},
        {.n = 1, .column = bad, .size = 1},
        {.n = 1, .column = null, .size = 1},
        {.n = 1, .column = dtype, .size = 1},
        {.n = 2, .column = fine, .size = 1},
    };
    wg_error e;
    for (size_t i = 0; i < sizeof o / sizeof *o; i++) {
        e = (wg_error){0};
        cr_assert_null(wg_batches_new(&o[i], &e));
        cr_assert_eq(e.status, i < 9 ? WG_EARG : WG_ESHAPE, "%zu: %s", i, e.message);
        cr_assert(strstr(e.message, "wg_batches_new: "), "%s", e.message);
        cr_assert_null(wg_batches_new(&o[i], NULL));
    }
    cr_assert(strstr(e.message, "column 0 has 2 examples, column 1 has 4"), "%s", e.message);
    cr_assert_null(wg_batches_new(NULL, &e));
}

Test(batches, any_allocation_may_fail)
{
    struct set s = make_set(10);
    s.column[0] = (wg_column){.array = &s.x, .dtype = WG_F64};
    s.column[1] = (wg_column){.array = &s.y, .dtype = WG_U8};
    const wg_batch_options o = {.n = 2, .column = s.column, .size = 4, .shuffle = 1, .prefetch = 2};
    wg_batches            *b = NULL;
    for (int n = 0; !b; n++) {
        wg_error e = {0};
        alloc_fail_at(n);
        b = wg_batches_new(&o, &e);
        alloc_restore();
        cr_assert(b || e.status == WG_ENOMEM, "allocation %d fails cleanly: %s", n, e.message);
    }
    /* Once made, it needs no more memory. */
    double x[8];
    alloc_fail_at(0);
    int got = 0;
    for (int i = 0; i < 10; i++) got += wg_batch_into(b, (void *[]){x, NULL});
    alloc_restore();
    cr_assert_eq(got, 4 * 7);
    wg_batches_free(b);
    free_set(&s);
}

/* ---- Labels ---- */

static wg_batches *labels_of(const wg_array *a, wg_dtype t, double scale, double shift, wg_error *e)
{
    wg_column c = {.array = a, .dtype = t, .scale = scale, .shift = shift};
    return wg_batches_new(&(wg_batch_options){.n = 1, .column = &c, .size = 1}, e);
}

/* Each value of each dtype either arrives or is refused with its place. */
Test(batches, a_label_that_its_dtype_does_not_hold_is_refused)
{
    static const struct {
        double      value;
        wg_dtype    to;
        const char *text; /* NULL: taken */
    } rows[] = {
        {0, WG_U8, NULL},           {255, WG_U8, NULL},
        {255.75, WG_U8, NULL},      {-0.5, WG_U8, NULL},
        {-1, WG_U8, "-1"},          {256, WG_U8, "256"},
        {NAN, WG_U8, "nan"},        {INFINITY, WG_U8, "inf"},
        {-1, WG_I32, NULL},         {0x1p31, WG_I32, "2147483648"},
        {NAN, WG_I32, "nan"},       {-0x1p31, WG_I32, NULL},
        {0x1p63, WG_I64, "9.22"},   {NAN, WG_I64, "nan"},
        {-INFINITY, WG_I64, "inf"}, {NAN, WG_BOOL, NULL},
        {-3, WG_BOOL, NULL},        {NAN, WG_F32, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double   x[6] = {1, 1, 1, rows[i].value, 1, 1};
        float    narrow[6] = {1, 1, 1, (float)rows[i].value, 1, 1};
        wg_array a[] = {{WG_F64, WG_SHAPE(3, 2), x}, {WG_F32, WG_SHAPE(3, 2), narrow}};
        for (int k = 0; k < 2; k++) {
            wg_error    e = {0};
            wg_batches *b = labels_of(&a[k], rows[i].to, 0, 0, &e);
            cr_assert_eq(b != NULL, !rows[i].text, "%g to %s: %s", rows[i].value, wg_dtype_name(rows[i].to), e.message);
            wg_batches_free(b);
            if (!rows[i].text) continue;
            cr_assert_eq(e.status, WG_EARG);
            cr_assert(strstr(e.message, "column 0: row 1, element 1 is ") && strstr(e.message, rows[i].text) &&
                          strstr(e.message, wg_dtype_name(rows[i].to)),
                      "%s", e.message);
        }
    }
}

Test(batches, whole_numbers_are_held_to_their_range_too)
{
    int64_t  wide[] = {0, 300};
    int32_t  small[] = {0, -1};
    uint8_t  bytes[] = {0, 200};
    wg_array a[] = {{WG_I64, WG_SHAPE(2), wide}, {WG_I32, WG_SHAPE(2), small}, {WG_U8, WG_SHAPE(2), bytes}};
    wg_error e = {0};
    for (int i = 0; i < 3; i++) {
        cr_assert_null(labels_of(&a[i], WG_U8, i == 2 ? 2 : 0, 0, &e));
        cr_assert(strstr(e.message, "row 1, element 0 is"), "%s", e.message);
    }
    wg_batches *b = labels_of(&a[1], WG_U8, 0, 1, &e);
    cr_assert(b, "shifted into range: %s", e.message);
    wg_batches_free(b);
}
