/* Tensors as lists of JSON. */
#include <criterion/criterion.h>

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/protocol/tensor_json.h"
#include "support/alloc.h"

TestSuite(tensor_write, .timeout = 120);

static uint64_t any(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static void expect_text(struct wg__text *t, const char *want)
{
    cr_expect(!t->failed && t->n == strlen(want) && !memcmp(t->at, want, t->n), "%.*s instead of %s", (int)t->n, t->at,
              want);
    t->n = 0;
}

Test(tensor_write, tensors_nest_by_shape)
{
    static const float   f[] = {1, 2.5f, -3, 0.1f, NAN, HUGE_VALF};
    static const double  d[] = {0.1, -0.0};
    static const int32_t i[] = {INT32_MIN, INT32_MAX};
    static const int64_t l[] = {INT64_MIN, INT64_MAX};
    static const uint8_t u[] = {0, 7, 255};
    const struct {
        wg_dtype    t;
        wg_shape    s;
        const void *data;
        const char *text;
    } rows[] = {
        {WG_F32, WG_SCALAR, f + 1, "2.5"},
        {WG_F32, WG_SHAPE(6), f, "[1.0,2.5,-3.0,0.1,NaN,Infinity]"},
        {WG_F32, WG_SHAPE(2, 3), f, "[[1.0,2.5,-3.0],[0.1,NaN,Infinity]]"},
        {WG_F32, WG_SHAPE(3, 1, 2), f, "[[[1.0,2.5]],[[-3.0,0.1]],[[NaN,Infinity]]]"},
        {WG_F32, WG_SHAPE(0), f, "[]"},
        {WG_F32, WG_SHAPE(2, 0), f, "[[],[]]"},
        {WG_F32, WG_SHAPE(0, 3), f, "[]"},
        {WG_F32, WG_SHAPE(1, 1, 1, 1, 1, 1, 1, 1), f, "[[[[[[[[1.0]]]]]]]]"},
        {WG_F64, WG_SHAPE(2), d, "[0.1,-0.0]"},
        {WG_I32, WG_SHAPE(2), i, "[-2147483648,2147483647]"},
        {WG_I64, WG_SHAPE(2), l, "[-9223372036854775808,9223372036854775807]"},
        {WG_U8, WG_SHAPE(3), u, "[0,7,255]"},
        {WG_BOOL, WG_SHAPE(3), u, "[false,true,true]"},
        {WG_BOOL, WG_SCALAR, u, "false"},
    };
    struct wg__text t = {0};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        wg__text_tensor(&t, rows[k].t, &rows[k].s, rows[k].data);
        expect_text(&t, rows[k].text);
    }
    wg__text_flat(&t, WG_I32, 2, i);
    expect_text(&t, "[-2147483648,2147483647]");
    wg__text_flat(&t, WG_F64, 0, d);
    expect_text(&t, "[]");
    wg__text_free(&t);
}

Test(tensor_write, long_lists_read_back)
{
    enum { N = 3000 };
    static double        v[N];
    uint64_t             state = 4;
    struct wg__text      t = {0};
    struct wg__json      j;
    struct wg__json_data d = {0};
    for (int i = 0; i < N; i++) v[i] = -ldexp((double)any(&state) + 1, -1000 + i % 1500);
    const wg_shape shape = WG_SHAPE(5, 600);
    wg__text_tensor(&t, WG_F64, &shape, v);
    wg__json_open(&j, t.at, t.n);
    cr_assert(wg__json_tensor(&j, WG_F64, &d) && wg__json_finish(&j), "%s", j.why);
    cr_assert(d.shape.rank == 2 && d.shape.dim[0] == 5 && d.shape.dim[1] == 600 && !memcmp(d.data, v, sizeof v));
    wg__json_data_free(&d);
    wg__text_free(&t);
}

/* ---- Short memory ---- */

static void write_all(struct wg__text *t)
{
    static const float v[1000] = {0.1f};
    const wg_shape     s = WG_SHAPE(10, 100);
    wg__text_add(t, "{", 1);
    wg__text_string(t, "name\n");
    wg__text_say(t, ":%300d,", 5);
    wg__text_double(t, 0.1);
    wg__text_float(t, 0.1f);
    wg__text_tensor(t, WG_F32, &s, v);
    wg__text_tensor(t, WG_F32, &WG_SCALAR, v);
    wg__text_flat(t, WG_F32, 1000, v);
}

Test(tensor_write, short_memory_is_remembered)
{
    struct wg__text whole = {0};
    write_all(&whole);
    cr_assert(!whole.failed);
    int n = 0;
    for (bool failed = true; failed; n++) {
        struct wg__text t = {0};
        alloc_fail_once_at(n);
        write_all(&t);
        alloc_restore();
        failed = t.failed;
        cr_assert(t.n <= whole.n && (failed || t.n == whole.n));
        cr_assert(t.n == 0 || !memcmp(t.at, whole.at, t.n), "nothing is written after the failure");
        size_t kept = t.n;
        wg__text_add(&t, "more", 4);
        cr_assert(!failed || t.n == kept);
        wg__text_free(&t);
    }
    cr_assert_gt(n, 3, "growing was met");
    wg__text_free(&whole);
}
