/* Typed values in and out: what does not fit is told, and nothing is copied. */
#include "tape/tape_test.h"

#define TYPES(X)             \
    X(f32, F32, float)       \
    X(f64, F64, double)      \
    X(i32, I32, int32_t)     \
    X(i64, I64, int64_t)     \
    X(u8, U8, uint8_t)

/* Each function against an input of each dtype. */
static void try_all(wg_tape *t, const wg_node *x, wg_dtype of)
{
    int status;
#define X(name, NAME, type)                                                                          \
    {                                                                                                \
        bool  fits = of == WG_##NAME || (of == WG_BOOL && WG_##NAME == WG_U8);                       \
        type in[3] = {1, 0, 1}, out[3] = {9, 9, 9};                                                  \
        status = wg_set_##name(t, x, 3, in);                                                         \
        cr_expect_eq(status, fits ? WG_OK : WG_EDTYPE, "set_" #name " of %s", wg_dtype_name(of));    \
        status = wg_get_##name(t, x, 3, out);                                                        \
        cr_expect_eq(status, fits ? WG_OK : WG_EDTYPE, "get_" #name " of %s", wg_dtype_name(of));    \
        for (int i = 0; i < 3; i++) cr_expect_eq(out[i], fits ? in[i] : 9);                          \
        if (fits) cr_expect_eq(wg_set_##name(t, x, 2, in), WG_ESHAPE);                               \
        if (fits) cr_expect_eq(wg_get_##name(t, x, 4, out), WG_ESHAPE);                              \
        if (fits) cr_expect_eq(wg_set_##name(t, x, 3, NULL), WG_EARG);                               \
        cr_expect_eq(wg_set_##name(NULL, x, 3, in), WG_EARG);                                        \
    }
    TYPES(X)
#undef X
}

Test(tape_typed, dtype_and_size_are_checked)
{
    for (int of = 0; of < WG_DTYPES; of++) {
        wg_graph *g = wg_graph_new();
        wg_node  *x = wg_input(g, "x", (wg_dtype)of, WG_SHAPE(wg_dim(g, "n")));
        wg_tape  *t = compile(g, 1, &x, &(wg_options){.bind = {{"n", 3}}});
        try_all(t, x, (wg_dtype)of);
        wg_graph_free(g);
    }
}

Test(tape_typed, the_message_names_call_and_node)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SHAPE(3)), *other = wg_input(g, "other", WG_F64, WG_SHAPE(3));
    wg_tape  *t = compile(g, 1, &x, NULL);
    wg_set_f32(t, x, 3, (float[3]){0});
    cr_expect_str_eq(wg_tape_message(t), "set_f32: x[3] is f64");
    wg_get_f64(t, x, 2, (double[2]){0});
    cr_expect_str_eq(wg_tape_message(t), "get_f64: x[3] has 3 elements, not 2");
    cr_expect_eq(wg_set_f64(t, other, 3, (double[3]){0}), WG_EARG, "not on this tape");
    cr_expect_eq(wg_set_f64(t, NULL, 3, (double[3]){0}), WG_EARG);
    wg_graph_free(g);
}
