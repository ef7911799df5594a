/* Rows that cut, join, pad and rearrange. */
#include "onnx/import/import_test.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define MAX64 "9223372036854775807"
#define MIN64 "-9223372036854775808"

static const struct law slices[] = {
    {"Slice", 1, "6", {0}, "starts=[1] ends=[4]", "3", "[1,2,3]"},
    {"Slice", 1, "2,3", {0}, "starts=[1] ends=[2147483647] axes=[1]", "2,2", "[1,2,4,5]"},
    {"Slice", 9, "2,3", {0}, "starts=[0,-2] ends=[1,-1] axes=[0,1]", "1,1", "[1]"},
    {"Slice", 10, "6", {"[1]", "[" MAX64 "]"}, "", "5", "[1,2,3,4,5]"},
    {"Slice", 13, "6", {"[-1]", "[" MIN64 "]", "[0]", "[-1]"}, "", "6", "[5,4,3,2,1,0]"},
    {"Slice", 13, "6", {"[" MAX64 "]", "[-2147483648]", "[-1]", "[-2]"}, "", "3", "[5,3,1]"},
    {"Slice", 13, "6", {"[5]", "[0]", "[0]", "[-3]"}, "", "2", "[5,2]"},
    {"Slice", 13, "6", {"[4]", "[2]"}, "", "0", "[]"},
    {"Slice", 13, "6", {"[-7]", "[" MIN64 "]", "[0]", "[-1]"}, "", "1", "[0]"}, /* before the first is the first */
    {"Slice", 13, "2,3", {"[" MIN64 ",0]", "[-100,3]", "[1,0]", "[-2,1]"}, "", "2,1", "[0,3]"},
    {"Slice", 13, "0", {"[-7]", "[-100]", "[0]", "[-1]"}, "", "0", "[]"},
    {"Slice", 13, "6", {"[100]", "[200]"}, "", "0", "[]"},
    {"Slice", 13, "6", {"[-1000]", "[-1001]"}, "", "0", "[]"},
    {"Slice", 13, "6", {"[-1000]", "[2]"}, "", "2", "[0,1]"},
    {"Slice", 13, "2,3", {"[0]", "[3]", "[-1]", "[2]"}, "", "2,2", "[0,2,3,5]"},
    {"Slice", 13, "2,0", {"[0]", "[1]"}, "", "1,0", "[]"},
    {"Slice", 13, "2,3", {"[]", "[]"}, "", "2,3", "[0,1,2,3,4,5]"},
    {"Slice", 13, "batch,2", {"[0]", "[" MAX64 "]"}, "", "3,2", "[0,1,2,3,4,5]"},
    {"Slice", 13, "batch,2", {"[0]", "[2147483647]", "[0]"}, "", "3,2", "[0,1,2,3,4,5]"},
    {"Slice", 13, "batch,2", {"[1]", "[2]", "[1]"}, "", "3,1", "[1,3,5]"},
    {"Slice", 13, "batch,2", {"[1]", "[3]"}, "", "2,2", "[2,3,4,5]"},
    {"Slice", 13, "batch,2", {"[-1]", "[" MAX64 "]"}, "", "1,2", "[4,5]"},
    {"Slice", 13, "batch", {"[-3]", "[-1]"}, "", "2", "[0,1]"},
    {"Slice", 13, "batch", {"[-3]", "[" MAX64 "]", "[0]", "[2]"}, "", "2", "[0,2]"},
    {"Slice", 13, "batch", {"[-1]", "[" MIN64 "]", "[0]", "[-1]"}, "", "3", "[2,1,0]"},

    {"Concat", 1, "2,3", {0}, "", "2,3", "[0,1,2,3,4,5]"},
    {"Concat", 4, "2,3", {0}, "axis=0", "2,3", "[0,1,2,3,4,5]"},

    {"Tile", 1, "2,2", {"2", "1"}, "", "2,4", "[0,1,0,1,2,3,2,3]"},
    {"Tile", 6, "2,2", {"[2,1]"}, "", "4,2", "[0,1,2,3,0,1,2,3]"},
    {"Tile", 13, "3", {"[0]"}, "", "0", "[]"},
    {"Tile", 13, "", {"[]"}, "", "", "[0]"},
    {"Tile", 13, "1,1,1,1,1,1,1,2", {"[1,1,1,1,1,1,1,2]"}, "", "1,1,1,1,1,1,1,4", "[0,1,0,1]"},
    {"Tile", 13, "2,0", {"[3,2]"}, "", "6,0", "[]"},
    {"Slice", 13, "batch", {"[1]", "[" MAX64 "]"}, "", "2", "[1,2]"},
    {"Slice", 13, "batch", {"[5]", "[" MAX64 "]"}, "", "0", "[]"},
    {"Slice", 13, "batch", {"[0]", "[-1]"}, "", "2", "[0,1]"},
    {"Slice", 13, "batch", {"[0]", "[-4]"}, "", "0", "[]"},
    {"Slice", 13, "batch", {"[0]", "[" MAX64 "]", "[0]", "[2]"}, "", "2", "[0,2]"},
    {"Slice", 13, "batch", {"[1]", "[-1]", "[0]", "[3]"}, "", "1", "[1]"},
    {"Slice", 13, "batch", {"[1]", "[" MIN64 "]", "[0]", "[-1]"}, "", "2", "[1,0]"},
    {"Slice", 13, "batch", {"[" MAX64 "]", "[" MIN64 "]", "[0]", "[-2]"}, "", "2", "[2,0]"},
    {"Slice", 13, "batch,2", {"[1,1]", "[" MAX64 "," MAX64 "]"}, "", "2,1", "[3,5]"},
    {"Tile", 13, "batch,1", {"[2,2]"}, "", "6,2", "[0,0,1,1,2,2,0,0,1,1,2,2]"},
};

static const struct law pads[] = {
    {"Pad", 1, "2", {0}, "paddings=[1,2] value=7.0", "5", "[7,0,1,7,7]"},
    {"Pad", 2, "2", {0}, "pads=[1,0]", "3", "[0,0,1]"},
    {"Pad", 2, "2,2", {0}, "pads=[0,1,1,0] mode=constant value=9.0", "3,3", "[9,0,1,9,2,3,9,9,9]"},
    {"Pad", 11, "2", {"[1,1]", "5"}, "", "4", "[5,0,1,5]"},
    {"Pad", 13, "2", {"[1,1]"}, "mode=constant", "4", "[0,0,1,0]"},
    {"Pad", 18, "2,2", {"[1,1]", NULL, "[-1]"}, "", "2,4", "[0,0,1,0,0,2,3,0]"},
    {"Pad", 18, "1,2", {"[1,0,0,0]", NULL, "[1,0]"}, "", "1,3", "[0,0,1]"},
    {"Pad", 13, "5", {"[-1,-2]"}, "", "2", "[1,2]"},
    {"Pad", 13, "4", {"[-1,2]"}, "", "5", "[1,2,3,0,0]"},
    {"Pad", 13, "3", {"[-1,-2]"}, "", "0", "[]"},
    {"Pad", 13, "0", {"[1,2]"}, "", "3", "[0,0,0]"},
    {"Pad", 13, "4", {"[2,3]"}, "mode=reflect", "9", "[2,1,0,1,2,3,2,1,0]"},
    {"Pad", 13, "2", {"[3,3]"}, "mode=reflect", "8", "[1,0,1,0,1,0,1,0]"},
    {"Pad", 13, "1", {"[2,1]"}, "mode=reflect", "4", "[0,0,0,0]"},
    {"Pad", 13, "3", {"[2,1]"}, "mode=edge", "6", "[0,0,0,1,2,2]"},
    {"Pad", 19, "3", {"[2,4]"}, "mode=wrap", "9", "[1,2,0,1,2,0,1,2,0]"},
    {"Pad", 13, "4", {"[-1,2]"}, "mode=reflect", "5", "[1,2,3,2,1]"},
    {"Pad", 13, "2,2", {"[1,0,0,1]"}, "mode=edge", "3,3", "[0,1,1,0,1,1,2,3,3]"},
    {"Pad", 13, "batch", {"[1,1]"}, "", "5", "[0,0,1,2,0]"},
    {"Pad", 13, "batch", {"[-1,0]"}, "", "2", "[1,2]"},
    {"Pad", 13, "batch", {"[1,-2]"}, "", "2", "[0,0]"},
    {"Pad", 13, "batch", {"[2,2]"}, "mode=reflect", "7", "[2,1,0,1,2,1,0]"},
    {"Pad", 13, "batch", {"[2,1]"}, "mode=edge", "6", "[0,0,0,1,2,2]"},
    {"Pad", 19, "batch", {"[2,1]"}, "mode=wrap", "6", "[1,2,0,1,2,0]"},
};

static const struct law layouts[] = {
    {"DepthToSpace", 1, "1,4,1,2", {0}, "blocksize=2", "1,1,2,4", "[0,2,1,3,4,6,5,7]"},
    {"DepthToSpace", 13, "1,8,1,1", {0}, "blocksize=2 mode=DCR", "1,2,2,2", "[0,2,4,6,1,3,5,7]"},
    {"DepthToSpace", 13, "1,8,1,1", {0}, "blocksize=2 mode=CRD", "1,2,2,2", "[0,1,2,3,4,5,6,7]"},
    {"DepthToSpace", 11, "batch,4,1,1", {0}, "blocksize=2", "3,1,2,2", "[0,1,2,3,4,5,6,7,8,9,10,11]"},
    {"SpaceToDepth", 1, "1,1,2,4", {0}, "blocksize=2", "1,4,1,2", "[0,2,1,3,4,6,5,7]"},
    {"SpaceToDepth", 13, "1,1,batch,3", {0}, "blocksize=3", "1,9,1,1", "[0,1,2,3,4,5,6,7,8]"},
    {"SpaceToDepth", 28, "1,2,2,2", {0}, "blocksize=2 mode=CRD", "1,8,1,1", "[0,1,2,3,4,5,6,7]"},
    {"SpaceToDepth", 28, "1,2,2,2", {0}, "blocksize=2 mode=DCR", "1,8,1,1", "[0,4,1,5,2,6,3,7]"},
    {"SpaceToDepth", 13, "batch,1,1,2", {0}, "blocksize=1", "3,1,1,2", "[0,1,2,3,4,5]"},

    {"Trilu", 14, "2,3", {0}, "", "2,3", "[0,1,2,0,4,5]"},
    {"Trilu", 14, "2,3", {"1"}, "upper=0", "2,3", "[0,1,0,3,4,5]"},
    {"Trilu", 14, "2,3", {"[-1]"}, "upper=0", "2,3", "[0,0,0,3,0,0]"},
    {"Trilu", 14, "2,2", {MAX64}, "", "2,2", "[0,0,0,0]"},
    {"Trilu", 14, "2,2", {MIN64}, "", "2,2", "[0,1,2,3]"},
    {"Trilu", 14, "0,3", {0}, "", "0,3", "[]"},
    {"Trilu", 14, "batch,3", {0}, "", "3,3", "[0,1,2,0,4,5,0,0,8]"},
    {"Trilu", 14, "batch,batch", {"-1"}, "upper=0", "3,3", "[0,0,0,3,0,0,6,7,0]"},
    {"Trilu", 14, "batch,1,2", {"1"}, "", "3,1,2", "[0,1,0,3,0,5]"},

    {"CumSum", 11, "5", {"0"}, "", "5", "[0,1,3,6,10]"},
    {"CumSum", 14, "5", {"0"}, "exclusive=1", "5", "[0,0,1,3,6]"},
    {"CumSum", 14, "5", {"0"}, "reverse=1", "5", "[10,10,9,7,4]"},
    {"CumSum", 14, "5", {"[0]"}, "reverse=1 exclusive=1", "5", "[10,9,7,4,0]"},
    {"CumSum", 14, "2,3", {"-1"}, "", "2,3", "[0,1,3,3,7,12]"},
    {"CumSum", 14, "1", {"0"}, "exclusive=1", "1", "[0]"},
    {"CumSum", 14, "0", {"0"}, "exclusive=1", "0", "[]"},
    {"CumSum", 14, "batch", {"0"}, "", "3", "[0,1,3]"},
    {"CumSum", 14, "batch,2", {"0"}, "reverse=1", "3,2", "[6,9,6,8,4,5]"},
    {"CumSum", 14, "2,batch", {"-1"}, "exclusive=1", "2,3", "[0,0,1,0,3,7]"},
    {"CumSum", 14, "batch", {"0"}, "exclusive=1 reverse=1", "3", "[3,2,0]"},
    {"CumSum", 14, "batch,2", {"1"}, "", "3,2", "[0,1,2,5,4,9]"},
};

Test(import_pieces, slices_and_tiles)
{
    for (size_t i = 0; i < COUNT(slices); i++) check_law(&slices[i]);
}

Test(import_pieces, pads)
{
    for (size_t i = 0; i < COUNT(pads); i++) check_law(&pads[i]);
}

Test(import_pieces, layouts)
{
    for (size_t i = 0; i < COUNT(layouts); i++) check_law(&layouts[i]);
}

static const struct law malformed[] = {
    {"Slice", 9, "6", {0}, "starts=[1]", NULL, "one length"},
    {"Slice", 13, "6", {"[1]"}, "", NULL, "number of inputs: 2, not 3-5"},
    {"Slice", 13, "6", {"[1]", "[2]", "[0,0]"}, "", NULL, "one length"},
    {"Slice", 13, "6,1", {"[1,1]", "[2,2]", "[0,0]"}, "", NULL, "twice"},
    {"Slice", 13, "6", {"[1]", "[2]", "[1]"}, "", NULL, "axis 1"},
    {"Slice", 13, "6", {"[1]", "[2]", "[0]", "[0]"}, "", NULL, "step of 0"},
    {"Slice", 13, "6", {"[1,2]", "[2,3]"}, "", NULL, "axis 1"},
    {"Concat", 13, "6", {0}, "", NULL, "axis"},
    {"Concat", 13, "6", {0}, "axis=1", NULL, "axis 1"},
    {"Tile", 13, "6", {"[1,2]"}, "", NULL, "2 repeats for rank 1"},
    {"Tile", 13, "6", {"[-1]"}, "", NULL, "-1 repeats"},
    {"Tile", 13, "batch", {"[-1000]"}, "", NULL, "-1000 repeats"},
    {"Pad", 13, "6", {"[1]"}, "", NULL, "1 pads for 1 axes"},
    {"Pad", 13, "6", {"[-4,-3]"}, "", NULL, "to lose"},
    {"Pad", 13, "6", {"[" MIN64 ",0]"}, "", NULL, "to lose"},
    {"Pad", 13, "0", {"[1,1]"}, "mode=edge", NULL, "empty"},
    {"Pad", 9, "6", {0}, "", NULL, "pads"},
    {"DepthToSpace", 13, "1,3,1,1", {0}, "blocksize=2", NULL, "multiple"},
    {"DepthToSpace", 13, "1,4,1", {0}, "blocksize=2", NULL, "rank 3"},
    {"DepthToSpace", 13, "1,4,1,1", {0}, "", NULL, "blocksize"},
    {"DepthToSpace", 13, "1,4,1,1", {0}, "blocksize=2 mode=X", NULL, "mode X"},
    {"SpaceToDepth", 13, "1,1,3,2", {0}, "blocksize=2", NULL, "multiple"},
    {"Trilu", 14, "3", {0}, "", NULL, "rank 1"},
    {"Trilu", 14, "3,3", {"[1,2]"}, "", NULL, "2 elements"},
    {"CumSum", 14, "3", {"1"}, "", NULL, "axis 1"},
};

static const struct law unsupported[] = {
    {"Slice", 13, "batch", {"[0]", "[-1000]"}, "", NULL, "symbolic"}, /* no symbol, whatever its number is */
    {"Slice", 13, "batch", {"[-2]", "[" MIN64 "]", "[0]", "[-1]"}, "", NULL, "symbolic"},
    {"Slice", 13, "batch", {"[-2]", "[2]"}, "", NULL, "symbolic"},
    {"Pad", 13, "batch", {"[-1000,0]"}, "", NULL, "-1000"}, /* no symbol */
    {"Pad", 13, "6", {"[1,1]"}, "mode=wrap", NULL, "mode wrap"},
    {"Pad", 13, "6", {"[1073741824,1]"}, "mode=edge", NULL, "mode edge"},
    {"Trilu", 14, "batch,3", {"-1000"}, "", NULL, "-1000"},
    {"Trilu", 14, "1000000,1000000", {0}, "", NULL, "1000000 x 1000000"},
};

Test(import_pieces, what_is_refused)
{
    for (size_t i = 0; i < COUNT(malformed); i++) check_refused(&malformed[i], WG_EFORMAT);
    for (size_t i = 0; i < COUNT(unsupported); i++) check_refused(&unsupported[i], WG_EARG);
}

/* ---- Split ---- */

static const struct cut {
    int         opset, n;
    const char *x, *sizes, *attrs, *shape[3], *values[3];
} cuts[] = {
    {1, 2, "4", NULL, "", {"2", "2"}, {"[0,1]", "[2,3]"}},
    {1, 2, "4", "[1,3]", "", {"1", "3"}, {"[0]", "[1,2,3]"}},
    {2, 3, "4", NULL, "split=[1,0,3]", {"1", "0", "3"}, {"[0]", "[]", "[1,2,3]"}},
    {11, 2, "2,2", NULL, "axis=-1", {"2,1", "2,1"}, {"[0,2]", "[1,3]"}},
    {13, 2, "4", "[3,1]", "", {"3", "1"}, {"[0,1,2]", "[3]"}},
    {13, 3, "0", NULL, "", {"0", "0", "0"}, {"[]", "[]", "[]"}},
    {18, 3, "7", NULL, "num_outputs=3", {"3", "3", "1"}, {"[0,1,2]", "[3,4,5]", "[6]"}},
    {18, 3, "4", NULL, "num_outputs=3", {"2", "2", "0"}, {"[0,1]", "[2,3]", "[]"}},
    {18, 2, "3", "[1,2]", "", {"1", "2"}, {"[0]", "[1,2]"}},
    {13, 2, "batch,2", NULL, "axis=1", {"3,1", "3,1"}, {"[0,2,4]", "[1,3,5]"}},
    {13, 1, "batch,2", NULL, "", {"3,2"}, {"[0,1,2,3,4,5]"}},
    {13, 3, "batch,2", NULL, "", {"1,2", "1,2", "1,2"}, {"[0,1]", "[2,3]", "[4,5]"}},
    {13, 2, "batch,2", "[1,2]", "", {"1,2", "2,2"}, {"[0,1]", "[2,3,4,5]"}},
    {18, 2, "batch,2", NULL, "num_outputs=2", {"2,2", "1,2"}, {"[0,1,2,3]", "[4,5]"}},
};

static struct onnx cut_model(const struct cut *k)
{
    static const char *const outs[] = {"", "a", "a,b", "a,b,c"};
    struct onnx              o = onnx_begin(k->opset);
    onnx_input(&o, "x", WG__ONNX_FLOAT, k->x);
    if (k->sizes) onnx_ints(&o, "n", k->sizes);
    onnx_node(&o, "Split", k->sizes ? "x,n" : "x", outs[k->n], k->attrs);
    for (int i = 0; i < k->n; i++) onnx_output(&o, (char[2]){(char)('a' + i)}, WG__ONNX_FLOAT, NULL);
    return o;
}

Test(import_pieces, split)
{
    for (size_t i = 0; i < COUNT(cuts); i++) {
        struct imported r;
        struct onnx     o = cut_model(&cuts[i]);
        char            who[32];
        snprintf(who, sizeof who, "cut %zu", i);
        import_finish(&r, &o);
        for (int k = 0; k < cuts[i].n; k++) expect_output(&r, k, who, cuts[i].shape[k], cuts[i].values[k]);
        import_free(&r, &o);
    }
}

Test(import_pieces, split_is_refused)
{
    static const struct cut bad[] = {
        {13, 3, "4", NULL, "", {"equal pieces"}, {0}},
        {13, 2, "4", "[1,2]", "", {"3 elements in all"}, {0}},
        {13, 2, "4", "[5,-1]", "", {"piece of -1"}, {0}},
        {13, 2, "4", "[4]", "", {"1 sizes"}, {0}},
        {18, 2, "4", NULL, "num_outputs=3", {"num_outputs"}, {0}},
        {13, 2, "4", NULL, "axis=1", {"axis 1"}, {0}},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct onnx     o = cut_model(&bad[i]);
        struct imported r = import_start(&o);
        cr_expect_eq(wg_onnx_import(r.m, r.g, NULL), WG_EFORMAT);
        cr_expect(strstr(wg_onnx_message(r.m), bad[i].shape[0]), "%s", wg_onnx_message(r.m));
        import_free(&r, &o);
    }
}

/* ---- Concat ---- */

Test(import_pieces, concat_joins_along_any_axis)
{
    struct imported r;
    struct onnx     o = onnx_begin(13);
    onnx_input(&o, "x", WG__ONNX_FLOAT, "batch,2");
    onnx_input(&o, "z", WG__ONNX_FLOAT, "batch,0");
    onnx_node(&o, "Concat", "x,z,x", "a", "axis=-1");
    onnx_node(&o, "Concat", "x,x", "b", "axis=0");
    onnx_output(&o, "a", WG__ONNX_FLOAT, NULL);
    onnx_output(&o, "b", WG__ONNX_FLOAT, NULL);
    import_finish(&r, &o);
    expect_output(&r, 0, "axis 1", "3,4", "[0,1,0,1,2,3,2,3,4,5,4,5]");
    expect_output(&r, 1, "axis 0", "6,2", "[0,1,2,3,4,5,0,1,2,3,4,5]");
    import_free(&r, &o);
}

/* ---- A table of known length up to a symbolic one: positions[:, :seq] ---- */

static struct onnx positions_model(void)
{
    struct onnx o = onnx_begin(13);
    int64_t     ids[5] = {10, 11, 12, 13, 14};
    onnx_input(&o, "x", WG__ONNX_FLOAT, "1,batch");
    onnx_init(&o, "ids", WG__ONNX_INT64, "1,5", ids);
    onnx_ints(&o, "zero", "[0]");
    onnx_ints(&o, "one", "[1]");
    onnx_node(&o, "Shape", "x", "s", "");
    onnx_node(&o, "Gather", "s,one", "n", "");
    onnx_node(&o, "Slice", "ids,zero,n,one", "y", "");
    onnx_node(&o, "Slice", "x,zero,n,one", "z", "");
    onnx_output(&o, "y", WG__ONNX_INT64, NULL);
    onnx_output(&o, "z", WG__ONNX_FLOAT, NULL);
    return o;
}

Test(import_pieces, a_slice_up_to_a_symbol)
{
    struct imported r;
    struct onnx     o = positions_model();
    import_finish(&r, &o);
    expect_output(&r, 0, "positions", "1,3", "[10,11,12]");
    expect_output(&r, 1, "all of x", "1,3", "[0,1,2]");
    wg_node *y = wg_onnx_output(r.m, 0);
    wg_tape *t = wg_compile(r.g, 1, &y, &(wg_options){.bind = {{"batch", 6}}});
    cr_assert(!t || wg_run(t) != WG_OK, "there are no six positions");
    import_free(&r, &o);
}

Test(import_pieces, a_slice_fails_cleanly_at_every_allocation)
{
    struct onnx o = positions_model();
    expect_clean_failures(&o);
}

/* ---- CumSum is exact, and knows no later element ---- */

Test(import_pieces, cumsum_of_integers_and_infinities)
{
    struct imported r;
    struct onnx     o = onnx_begin(14);
    int64_t         big[3] = {INT64_C(9007199254740993), 1, -1};
    float           inf[3] = {1, 2, 1.0f / 0.0f};
    onnx_init(&o, "big", WG__ONNX_INT64, "3", big);
    onnx_init(&o, "inf", WG__ONNX_FLOAT, "3", inf);
    onnx_ints(&o, "axis", "0");
    onnx_node(&o, "CumSum", "big,axis", "a", "");
    onnx_node(&o, "CumSum", "inf,axis", "b", "");
    onnx_output(&o, "a", WG__ONNX_INT64, NULL);
    onnx_output(&o, "b", WG__ONNX_FLOAT, NULL);
    import_finish(&r, &o);
    const int64_t *a = wg_view(r.t, wg_onnx_output(r.m, 0));
    const float   *b = wg_view(r.t, wg_onnx_output(r.m, 1));
    cr_expect(a[0] == big[0] && a[1] == big[0] + 1 && a[2] == big[0]);
    cr_expect(b[0] == 1 && b[1] == 3 && b[2] == inf[2]);
    import_free(&r, &o);
}
