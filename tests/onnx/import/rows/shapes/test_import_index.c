/* Rows that pick elements by indices, and indices by elements. */
#include <math.h>

#include "onnx/import/import_test.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* ---- Gather, ArgMax, ArgMin on x = 0, 1, 2, .. ---- */

static const struct law laws[] = {
    {"Gather", 1, "4", {"[3,0]"}, "", "2", "[3,0]"},
    {"Gather", 11, "4", {"-1"}, "", "", "[3]"},
    {"Gather", 13, "2,3", {"[2,-3]"}, "axis=1", "2,2", "[2,0,5,3]"},
    {"Gather", 13, "2,3", {"1"}, "axis=-2", "3", "[3,4,5]"},
    {"Gather", 13, "2,3", {"[]"}, "", "0,3", "[]"},
    {"Gather", 13, "batch,2", {"[-1,0]"}, "", "2,2", "[4,5,0,1]"},
    {"Gather", 13, "batch,2", {"1"}, "axis=1", "3", "[1,3,5]"},

    {"GatherElements", 11, "4", {"[3,-4,1]"}, "", "3", "[3,0,1]"},
    {"GatherElements", 13, "batch", {"[-1,0]"}, "", "2", "[2,0]"},
    {"GatherND", 11, "4", {"[2]"}, "", "", "[2]"},
    {"GatherND", 13, "batch,2", {"[0,1]"}, "", "", "[1]"},
    {"GatherND", 13, "2,batch", {"[1,-1]"}, "", "", "[5]"},
    {"GatherND", 11, "2,3", {"[1,-1]"}, "", "", "[5]"},
    {"GatherND", 13, "batch,2", {"[-1]"}, "", "2", "[4,5]"},

    {"ArgMax", 1, "2,3", {0}, "", "1,3", "[1,1,1]"},
    {"ArgMax", 13, "2,3", {0}, "axis=-1 keepdims=0", "2", "[2,2]"},
    {"ArgMax", 13, "batch,2", {0}, "keepdims=0", "2", "[2,2]"},
    {"ArgMax", 13, "batch,2", {0}, "keepdims=0 select_last_index=1", "2", "[2,2]"},
    {"ArgMin", 1, "2,3", {0}, "axis=1", "2,1", "[0,0]"},
    {"ArgMin", 12, "2,3", {0}, "axis=1 keepdims=0 select_last_index=1", "2", "[0,0]"},
};

Test(import_index, one_node)
{
    for (size_t i = 0; i < COUNT(laws); i++) check_law(&laws[i]);
}

static const struct law malformed[] = {
    {"Gather", 13, "4", {"4"}, "", NULL, "index 4 is outside of 4"},
    {"Gather", 13, "4", {"[0,-5]"}, "", NULL, "index -5"},
    {"Gather", 13, "4", {"0"}, "axis=1", NULL, "axis 1"},
    {"Gather", 13, "", {"0"}, "", NULL, "axis 0"},
    {"GatherElements", 13, "4", {"[4]"}, "", NULL, "index 4"},
    {"GatherElements", 13, "2,2", {"[1]"}, "", NULL, "rank"},
    {"GatherND", 13, "4", {"[-5]"}, "", NULL, "index -5 is outside of 4"},
    {"GatherND", 13, "2,3", {"[1,3]"}, "", NULL, "index 3 is outside of 3"},
    {"GatherND", 13, "4", {"0"}, "", NULL, "rank 0"},
    {"GatherND", 13, "4", {"[0,0]"}, "", NULL, "2 indices into rank 1"},
    {"GatherND", 13, "4", {"[0]"}, "batch_dims=1", NULL, "1 axes of a batch"},
    {"ArgMax", 13, "4", {0}, "axis=1", NULL, "axis 1"},
};

static const struct law unsupported[] = {
    {"ArgMax", 11, "4", {0}, "select_last_index=1", NULL, "select_last_index"},
    {"GatherND", 11, "4", {"[0]"}, "batch_dims=0", NULL, "batch_dims"},
};

Test(import_index, what_is_refused)
{
    for (size_t i = 0; i < COUNT(malformed); i++) check_refused(&malformed[i], WG_EFORMAT);
    for (size_t i = 0; i < COUNT(unsupported); i++) check_refused(&unsupported[i], WG_EARG);
}

/* ---- With indices of any shape ---- */

/* y = op(x, index): x is i64 0, 1, 2, .. of shape x; index is of shape at. */
static struct imported pick(struct onnx *o, const char *op, const char *x, const char *at, const int64_t *index,
                            const char *attrs)
{
    struct imported r;
    *o = onnx_begin(13);
    onnx_input(o, "x", WG__ONNX_INT64, x);
    onnx_init(o, "at", WG__ONNX_INT64, at, index);
    onnx_node(o, op, "x,at", "y", attrs);
    onnx_output(o, "y", WG__ONNX_INT64, NULL);
    import_finish(&r, o);
    return r;
}

static const struct picked {
    const char *op, *x, *at, *attrs;
    int64_t     index[8];
    const char *shape, *values;
} picked[] = {
    {"Gather", "2,3", "2,2", "axis=1", {0, 1, 2, -1}, "2,2,2", "[0,1,2,2,3,4,5,5]"},
    {"GatherElements", "2,3", "2,2", "axis=1", {2, 0, -1, 1}, "2,2", "[2,0,5,4]"},
    {"GatherElements", "3,2", "2,2", "axis=0", {0, 2, -1, -3}, "2,2", "[0,5,4,1]"},
    {"GatherElements", "3,2", "4,1", "axis=0", {0, 1, 2, 1}, "4,1", "[0,2,4,2]"},
    {"GatherElements", "2,2,2", "1,2,2", "axis=0", {1, 0, 0, 1}, "1,2,2", "[4,1,2,7]"},
    {"GatherElements", "2,2", "2,0", "axis=1", {0}, "2,0", "[]"},
    {"GatherND", "2,2", "2,2", "", {0, 0, 1, -1}, "2", "[0,3]"},
    {"GatherND", "2,3", "3,1", "", {1, 0, -1}, "3,3", "[3,4,5,0,1,2,3,4,5]"},
    {"GatherND", "2,2,2", "2,1", "batch_dims=1", {1, 0}, "2,2", "[2,3,4,5]"},
    {"GatherND", "2,2,2", "2,1,2", "batch_dims=1", {1, 0, 0, 1}, "2,1", "[2,5]"},
    {"GatherND", "2,2,2", "2,2,1", "batch_dims=2", {0, 1, 1, 0}, "2,2", "[0,3,5,6]"},
    {"GatherND", "2,2,batch", "1,2", "", {1, -2}, "1,3", "[6,7,8]"},
};

Test(import_index, indices_of_any_shape)
{
    for (size_t i = 0; i < COUNT(picked); i++) {
        const struct picked *p = &picked[i];
        struct onnx          o;
        char                 who[32];
        struct imported      r = pick(&o, p->op, p->x, p->at, p->index, p->attrs);
        snprintf(who, sizeof who, "%s, row %zu", p->op, i);
        expect_output(&r, 0, who, p->shape, p->values);
        import_free(&r, &o);
    }
}

/* An index of a run that is outside is an error of the run, not another row's element. */
Test(import_index, an_index_outside_is_an_error)
{
    static const char *const ops[] = {"Gather", "GatherElements", "GatherND"};
    static const int64_t     far[] = {2, -3, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < COUNT(ops); i++)
        for (size_t k = 0; k < COUNT(far); k++) {
            struct onnx     o = onnx_begin(13);
            struct imported r;
            onnx_input(&o, "x", WG__ONNX_FLOAT, "2,2");
            onnx_input(&o, "at", WG__ONNX_INT64, "1,2");
            onnx_node(&o, ops[i], "x,at", "y", "");
            onnx_output(&o, "y", WG__ONNX_FLOAT, NULL);
            import_finish(&r, &o);
            cr_assert_eq(wg_set(r.t, wg_onnx_input(r.m, 1), (int64_t[2]){1, far[k]}), WG_OK);
            cr_expect_eq(wg_run(r.t), WG_EINDEX, "%s of %lld", ops[i], (long long)far[k]);
            import_free(&r, &o);
        }
}

/* The embedding of a table is a parameter by its own name; with .constants it is not. */
Test(import_index, an_embedding_is_a_parameter)
{
    for (int constants = 0; constants < 2; constants++) {
        float       table[6] = {0, 1, 2, 3, 4, 5};
        struct onnx o = onnx_begin(13);
        onnx_input(&o, "ids", WG__ONNX_INT64, "batch,1");
        onnx_init(&o, "table", WG__ONNX_FLOAT, "3,2", table);
        onnx_node(&o, "Gather", "table,ids", "y", "");
        onnx_output(&o, "y", WG__ONNX_FLOAT, NULL);
        struct imported r = import_start(&o);
        cr_assert_eq(wg_onnx_import(r.m, r.g, &(wg_onnx_import_options){.constants = constants}), WG_OK);
        cr_expect_eq(wg_param_find(r.g, "table") != NULL, !constants);
        import_run(&r);
        expect_output(&r, 0, "embedding", "3,1,2", "[0,1,2,3,4,5]");
        import_free(&r, &o);
    }
}

/* ---- OneHot ---- */

static struct onnx one_hot_model(int type, const char *dims, const void *index, const char *depth, const char *attrs)
{
    struct onnx o = onnx_begin(11);
    float       values[2] = {2, 7};
    onnx_init(&o, "index", type, dims, index);
    onnx_ints(&o, "depth", depth);
    onnx_init(&o, "values", WG__ONNX_FLOAT, "2", values);
    onnx_node(&o, "OneHot", "index,depth,values", "y", attrs);
    onnx_output(&o, "y", WG__ONNX_FLOAT, NULL);
    return o;
}

Test(import_index, one_hot)
{
    static const int64_t whole[4] = {0, -1, 3, -4};
    static const float   real[2] = {1, -3};
    static const uint8_t byte[2] = {2, 200};
    static const struct {
        int         type;
        const char *dims;
        const void *index;
        const char *depth, *attrs, *shape, *values;
    } rows[] = {
        {WG__ONNX_INT64, "4", whole, "3", "", "4,3", "[7,2,2,2,2,7,2,2,2,2,2,2]"},
        {WG__ONNX_INT64, "4", whole, "[3]", "axis=0", "3,4", "[7,2,2,2,2,2,2,2,2,7,2,2]"},
        {WG__ONNX_INT64, "2,1", whole, "2", "axis=1", "2,2,1", "[7,2,2,7]"},
        {WG__ONNX_INT64, "2,1", whole, "2", "axis=-2", "2,2,1", "[7,2,2,7]"},
        {WG__ONNX_INT64, "", whole, "2", "axis=-1", "2", "[7,2]"},
        {WG__ONNX_INT64, "2", whole, "0", "", "2,0", "[]"},
        {WG__ONNX_FLOAT, "2", real, "3", "", "2,3", "[2,7,2,7,2,2]"},
        {WG__ONNX_UINT8, "2", byte, "3", "", "2,3", "[2,2,7,2,2,2]"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct imported r;
        struct onnx     o = one_hot_model(rows[i].type, rows[i].dims, rows[i].index, rows[i].depth, rows[i].attrs);
        char            who[32];
        snprintf(who, sizeof who, "one-hot %zu", i);
        import_finish(&r, &o);
        expect_output(&r, 0, who, rows[i].shape, rows[i].values);
        import_free(&r, &o);
    }
}

Test(import_index, one_hot_is_refused)
{
    static const int64_t whole[4] = {0};
    static const struct {
        const char *dims, *depth, *attrs;
        int         status;
        const char *text;
    } rows[] = {
        {"4", "-1", "", WG_EFORMAT, "depth is -1"},      {"4", "[1,2]", "", WG_EFORMAT, "not one number"},
        {"4", "3", "axis=2", WG_EFORMAT, "axis 2"},      {"4", "1000000000000", "", WG_EARG, "depth 1e+12"},
        {"1,1,1,1,1,1,1,1", "3", "", WG_EARG, "rank 9"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct onnx     o = one_hot_model(WG__ONNX_INT64, rows[i].dims, whole, rows[i].depth, rows[i].attrs);
        struct imported r = import_start(&o);
        cr_expect_eq(wg_onnx_import(r.m, r.g, NULL), rows[i].status);
        cr_expect(strstr(wg_onnx_message(r.m), rows[i].text), "%s", wg_onnx_message(r.m));
        import_free(&r, &o);
    }
}

/* ---- ArgMax, ArgMin: ties, NaN, the least integer, every dtype ---- */

static int64_t arg(const char *op, int type, const void *x, const char *attrs)
{
    struct imported r;
    struct onnx     o = onnx_begin(13);
    onnx_init(&o, "x", type, "4", x);
    onnx_node(&o, op, "x", "y", attrs);
    onnx_output(&o, "y", WG__ONNX_INT64, NULL);
    import_finish(&r, &o);
    cr_expect_eq(wg_node_dtype(wg_onnx_output(r.m, 0)), WG_I64);
    int64_t y = *(const int64_t *)wg_view(r.t, wg_onnx_output(r.m, 0));
    import_free(&r, &o);
    return y;
}

Test(import_index, arg_of_ties_and_extremes)
{
    static const char *const last = "select_last_index=1";
    static const float       nan_in[4] = {1, NAN, -INFINITY, INFINITY}, ties[4] = {5, 1, 5, 1};
    static const double      zero[4] = {0.0, -0.0, 1, 0.0};
    static const int32_t     least[4] = {0, INT32_MIN, INT32_MAX, INT32_MIN};
    static const int64_t     wide[4] = {INT64_MAX, -1, INT64_MIN, INT64_MAX};
    static const uint8_t     byte[4] = {255, 0, 255, 0}, truth[4] = {1, 0, 1, 0};
    static const struct {
        int         type;
        const void *x;
        int64_t     max, max_last, min, min_last;
    } rows[] = {
        {WG__ONNX_FLOAT, ties, 0, 2, 1, 3},  {WG__ONNX_FLOAT, nan_in, 1, 1, 1, 1}, {WG__ONNX_DOUBLE, zero, 2, 2, 0, 3},
        {WG__ONNX_INT32, least, 2, 2, 1, 3}, {WG__ONNX_INT64, wide, 0, 3, 2, 2},   {WG__ONNX_UINT8, byte, 0, 2, 1, 3},
        {WG__ONNX_BOOL, truth, 0, 2, 1, 3},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        cr_expect_eq(arg("ArgMax", rows[i].type, rows[i].x, ""), rows[i].max, "row %zu", i);
        cr_expect_eq(arg("ArgMax", rows[i].type, rows[i].x, last), rows[i].max_last, "row %zu", i);
        cr_expect_eq(arg("ArgMin", rows[i].type, rows[i].x, ""), rows[i].min, "row %zu", i);
        cr_expect_eq(arg("ArgMin", rows[i].type, rows[i].x, last), rows[i].min_last, "row %zu", i);
    }
}

/* ---- Allocations ---- */

Test(import_index, a_gather_fails_cleanly_at_every_allocation)
{
    static const int64_t index[2] = {1, 0};
    struct onnx          o = onnx_begin(13);
    onnx_input(&o, "x", WG__ONNX_FLOAT, "2,2,2");
    onnx_init(&o, "at", WG__ONNX_INT64, "2,1", index);
    onnx_node(&o, "GatherND", "x,at", "y", "batch_dims=1");
    onnx_node(&o, "GatherElements", "y,at", "z", "axis=1");
    onnx_output(&o, "z", WG__ONNX_FLOAT, NULL);
    expect_clean_failures(&o);
}
