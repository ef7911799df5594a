/* Rows for shapes: each opset's form, symbolic dimensions, lists that fold, and what is refused. */
#include "onnx/import/import_test.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define SIX "[0,1,2,3,4,5]"

/* ---- One node ---- */

static const struct law laws[] = {
    {"Shape", 1, "2,3", {0}, "", "2", "[2,3]"},
    {"Shape", 1, "", {0}, "", "0", "[]"},
    {"Shape", 15, "2,3,4", {0}, "start=1", "2", "[3,4]"},
    {"Shape", 15, "2,3,4", {0}, "start=-9 end=-1", "2", "[2,3]"},
    {"Shape", 15, "2,3,4", {0}, "start=2 end=1", "0", "[]"},
    {"Shape", 13, "batch,4", {0}, "", "2", "[3,4]"},
    {"Size", 1, "2,3", {0}, "", "", "[6]"},
    {"Size", 13, "", {0}, "", "", "[1]"},
    {"Size", 13, "batch,0", {0}, "", "", "[0]"},
    {"Size", 13, "batch,batch,2", {0}, "", "", "[18]"},

    {"Reshape", 1, "2,3", {0}, "shape=[3,-1]", "3,2", SIX},
    {"Reshape", 5, "2,3", {"[0,1,-1]"}, "", "2,1,3", SIX},
    {"Reshape", 5, "2,3", {"[6]"}, "", "6", SIX},
    {"Reshape", 13, "1,1", {"[]"}, "", "", "[0]"},
    {"Reshape", 14, "0,3", {"[3,0]"}, "allowzero=1", "3,0", "[]"},
    {"Reshape", 14, "0,3", {"[0,3,1]"}, "allowzero=0", "0,3,1", "[]"},
    {"Reshape", 13, "batch,2", {"[0,2,1]"}, "", "3,2,1", SIX},
    {"Reshape", 13, "batch,2", {"[-1]"}, "", "6", SIX},
    {"Reshape", 13, "batch,2,1", {"[1,-1,2]"}, "", "1,3,2", SIX},

    {"Flatten", 1, "1,2,3", {0}, "", "1,6", SIX},
    {"Flatten", 9, "1,2,3", {0}, "axis=0", "1,6", SIX},
    {"Flatten", 9, "1,2,3", {0}, "axis=3", "6,1", SIX},
    {"Flatten", 11, "1,2,3", {0}, "axis=-1", "2,3", SIX},
    {"Flatten", 13, "", {0}, "axis=0", "1,1", "[0]"},
    {"Flatten", 13, "2,0,3", {0}, "axis=2", "0,3", "[]"},
    {"Flatten", 13, "batch,2,1", {0}, "axis=2", "6,1", SIX},

    {"Squeeze", 1, "1,6,1", {0}, "axes=[0]", "6,1", SIX},
    {"Squeeze", 11, "1,6,1", {0}, "axes=[-1]", "1,6", SIX},
    {"Squeeze", 1, "1,6,1", {0}, "", "6", SIX},
    {"Squeeze", 13, "1,6,1", {0}, "", "6", SIX},
    {"Squeeze", 13, "1,6,1", {"[2,0]"}, "", "6", SIX},
    {"Squeeze", 13, "1,6,1", {"[]"}, "", "1,6,1", SIX},
    {"Squeeze", 13, "1,batch,2,1", {"[0,-1]"}, "", "3,2", SIX},
    {"Squeeze", 13, "", {0}, "", "", "[0]"},

    {"Unsqueeze", 1, "6", {0}, "axes=[0,2]", "1,6,1", SIX},
    {"Unsqueeze", 11, "6", {0}, "axes=[-1]", "6,1", SIX},
    {"Unsqueeze", 13, "2,3", {"[3,-4]"}, "", "1,2,3,1", SIX},
    {"Unsqueeze", 13, "", {"[0,1]"}, "", "1,1", "[0]"},
    {"Unsqueeze", 13, "", {"[]"}, "", "", "[0]"},
    {"Unsqueeze", 13, "batch,2", {"[1]"}, "", "3,1,2", SIX},

    {"Transpose", 1, "2,3", {0}, "", "3,2", "[0,3,1,4,2,5]"},
    {"Transpose", 13, "1,2,3", {0}, "perm=[2,0,1]", "3,1,2", "[0,3,1,4,2,5]"},
    {"Transpose", 13, "batch,2", {0}, "perm=[1,0]", "2,3", "[0,2,4,1,3,5]"},
    {"Transpose", 13, "", {0}, "", "", "[0]"},

    {"Expand", 8, "3,1", {"[3,2]"}, "", "3,2", "[0,0,1,1,2,2]"},
    {"Expand", 8, "3,1", {"[2,1,2]"}, "", "2,3,2", "[0,0,1,1,2,2,0,0,1,1,2,2]"},
    {"Expand", 13, "2,3", {"[1]"}, "", "2,3", SIX},
    {"Expand", 13, "2,3", {"[]"}, "", "2,3", SIX},
    {"Expand", 13, "1", {"[0]"}, "", "0", "[]"},
    {"Expand", 13, "batch,1", {"[3,1]"}, "", "3,1", "[0,1,2]"},
    {"Expand", 13, "batch,1", {"[1,2]"}, "", "3,2", "[0,0,1,1,2,2]"},
};

Test(import_shape, one_node)
{
    for (size_t i = 0; i < COUNT(laws); i++) check_law(&laws[i]);
}

static const struct law malformed[] = {
    {"Reshape", 1, "2,3", {0}, "", NULL, "shape"},
    {"Reshape", 5, "2,3", {"[-1,-1]"}, "", NULL, "more than one -1"},
    {"Reshape", 5, "2,3", {"[2,3,0]"}, "", NULL, "dimension 2 is to be copied"},
    {"Reshape", 5, "2,3", {"[-2,3]"}, "", NULL, "-2"},
    {"Reshape", 5, "batch,3", {"[-1000,3]"}, "", NULL, "-1000"}, /* no symbol, whatever its number is */
    {"Flatten", 9, "2,3", {0}, "axis=3", NULL, "axis 3"},
    {"Flatten", 9, "", {0}, "", NULL, "axis 1"},
    {"Squeeze", 13, "2,1", {"[0]"}, "", NULL, "size 2"},
    {"Squeeze", 13, "1,1", {"[0,-2]"}, "", NULL, "twice"},
    {"Unsqueeze", 13, "2", {0}, "", NULL, "number of inputs: 1, not 2"},
    {"Unsqueeze", 11, "2", {0}, "", NULL, "axes"},
    {"Unsqueeze", 13, "2", {"[2]"}, "", NULL, "axis 2"},
    {"Unsqueeze", 13, "2", {"[0,0]"}, "", NULL, "twice"},
    {"Transpose", 13, "2,3", {0}, "perm=[0]", NULL, "perm"},
    {"Transpose", 13, "2,3", {0}, "perm=[0,0]", NULL, "twice"},
    {"Expand", 13, "2,3", {"[2,4]"}, "", NULL, "3 cannot become 4"},
    {"Expand", 13, "2,3", {"[-1,3]"}, "", NULL, "-1"},
};

Test(import_shape, what_onnx_does_not_allow)
{
    for (size_t i = 0; i < COUNT(malformed); i++) check_refused(&malformed[i], WG_EFORMAT);
}

static const struct law unsupported[] = {
    {"Reshape", 5, "1", {"[1,1,1,1,1,1,1,1,1]"}, "", NULL, "rank 9"},
    {"Reshape", 1, "1", {0}, "shape=[1,1,1,1,1,1,1,1,1]", NULL, "rank 9"},
    {"Unsqueeze", 13, "1,1,1,1,1,1,1,1", {"[0]"}, "", NULL, "rank 9"},
    {"Squeeze", 13, "1,batch", {0}, "", NULL, "whether axis 1 goes is not known: bind 'batch'"},
    {"Squeeze", 13, "1,1", {0}, "axes=[0]", NULL, "axes"},
    {"Reshape", 13, "0,3", {"[3,0]"}, "allowzero=1", NULL, "allowzero"},
    {"Shape", 13, "2", {0}, "start=1", NULL, "start"},
};

Test(import_shape, what_is_not_supported)
{
    for (size_t i = 0; i < COUNT(unsupported); i++) check_refused(&unsupported[i], WG_EARG);
}

/* A size of the file that multiplies to more elements than there are is an error that names the node. */
Test(import_shape, a_shape_that_does_not_fit)
{
    static const struct law big = {"Reshape", 13, "2,3", {"[4,-1]"}, "", NULL, "no multiple"};
    check_refused(&big, WG_ESHAPE);
}

/* A shape that is computed by a run cannot be used. */
Test(import_shape, a_shape_has_to_be_known)
{
    struct onnx o = onnx_begin(13);
    onnx_input(&o, "x", WG__ONNX_FLOAT, "6");
    onnx_input(&o, "s", WG__ONNX_INT64, "2");
    onnx_node(&o, "Reshape", "x,s", "y", "");
    onnx_output(&o, "y", WG__ONNX_FLOAT, NULL);
    struct imported r = import_start(&o);
    cr_expect_eq(wg_onnx_import(r.m, r.g, NULL), WG_EARG);
    cr_expect(strstr(wg_onnx_message(r.m), "known when the model is loaded"), "%s", wg_onnx_message(r.m));
    import_free(&r, &o);
}

/* ---- Chains of lists ---- */

/* What exporters write for x.view(x.size(0), -1) and for x.view(n, c, h * w). */
static struct onnx chain_model(int opset)
{
    struct onnx o = onnx_begin(opset);
    bool        attrs = opset < 13;
    onnx_input(&o, "x", WG__ONNX_FLOAT, "batch,2,seq,1");
    onnx_ints(&o, "zero", "0");
    onnx_ints(&o, "one", "[1]");
    onnx_ints(&o, "axis0", "[0]");
    onnx_ints(&o, "end", "[9223372036854775807]");
    onnx_ints(&o, "rest", "[-1]");
    onnx_node(&o, "Shape", "x", "s", "");
    onnx_node(&o, "Gather", "s,zero", "n", "axis=0");
    onnx_node(&o, "Unsqueeze", attrs ? "n" : "n,axis0", "n1", attrs ? "axes=[0]" : "");
    if (opset < 10) onnx_node(&o, "Slice", "s", "tail", "starts=[1] ends=[2] axes=[0]");
    else onnx_node(&o, "Slice", "s,one,end,axis0", "tail3", ""), onnx_node(&o, "Gather", "tail3,axis0", "tail", "");
    onnx_node(&o, "Squeeze", attrs ? "tail" : "tail,axis0", "c", attrs ? "axes=[0]" : "");
    onnx_node(&o, "Reshape", "c,one", "c1", "");
    onnx_node(&o, "Concat", "n1,c1,rest", "to", "axis=0");
    onnx_node(&o, "Reshape", "x,to", "y", "");
    onnx_node(&o, "Split", "s", "s0,s1,s2,s3", "axis=0");
    onnx_node(&o, "Concat", "s2,s0", "both", "axis=0");
    onnx_node(&o, "Expand", "one,both", "ones", "");
    onnx_output(&o, "y", WG__ONNX_FLOAT, NULL);
    onnx_output(&o, "ones", WG__ONNX_INT64, NULL);
    onnx_output(&o, "to", WG__ONNX_INT64, NULL);
    return o;
}

Test(import_shape, chains_of_lists_keep_their_symbols)
{
    static const int opsets[] = {8, 9, 10, 11, 13, 17, 21, 22};
    for (size_t i = 0; i < COUNT(opsets); i++) {
        struct onnx     o = chain_model(opsets[i]);
        struct imported r = import_start(&o);
        char            name[32];
        wg_node        *y[3];
        cr_assert_eq(wg_onnx_import(r.m, r.g, NULL), WG_OK, "%s", wg_onnx_message(r.m));
        for (int k = 0; k < 3; k++) y[k] = wg_onnx_output(r.m, k);
        cr_expect_eq(wg_node_shape(y[0])->rank, 3);
        cr_expect_str_eq(wg_dim_name(r.g, wg_node_shape(y[0])->dim[0], name, sizeof name), "batch");
        cr_expect_str_eq(wg_dim_name(r.g, wg_node_shape(y[0])->dim[2], name, sizeof name), "seq");
        cr_expect_str_eq(wg_dim_name(r.g, wg_node_shape(y[1])->dim[0], name, sizeof name), "seq");
        r.t = wg_compile(r.g, 3, y, &(wg_options){.bind = {{"batch", 3}, {"seq", 2}}});
        cr_assert_not_null(r.t, "%s", wg_message(r.g));
        for (int k = 0; k < wg_onnx_input_count(r.m); k++) wg_input_buffer(r.t, wg_onnx_input(r.m, k));
        cr_assert_eq(wg_run(r.t), WG_OK);
        expect_output(&r, 1, "ones", "2,3", "[1,1,1,1,1,1]");
        expect_output(&r, 2, "to", "3", "[3,2,-1]");
        import_free(&r, &o);
    }
}

Test(import_shape, a_chain_fails_cleanly_at_every_allocation)
{
    struct onnx o = chain_model(13);
    expect_clean_failures(&o);
}

/* A list of the file that goes through Concat beside a symbol stays a number. */
Test(import_shape, no_number_of_a_file_becomes_a_symbol)
{
    struct onnx o = onnx_begin(13);
    onnx_input(&o, "x", WG__ONNX_FLOAT, "batch,3");
    onnx_ints(&o, "forged", "[-1000]");
    onnx_node(&o, "Shape", "x", "s", "");
    onnx_node(&o, "Concat", "s,forged", "to", "axis=0");
    onnx_node(&o, "Expand", "x,to", "y", "");
    onnx_output(&o, "y", WG__ONNX_FLOAT, NULL);
    struct imported r = import_start(&o);
    cr_expect_neq(wg_onnx_import(r.m, r.g, NULL), WG_OK);
    import_free(&r, &o);
}

/* Nor does one of an attribute, or one that is counted or computed. */
Test(import_shape, no_number_is_taken_for_a_symbol)
{
    static const struct {
        const char *op, *inputs, *attrs;
    } forger[] = {
        {"Identity", "forged", ""},    {"Constant", "", "value_ints=[-1000]"},
        {"Range", "from,to,step", ""}, {"Neg", "positive", ""},
        {"Cast", "real", "to=7"},
    };
    static const float real[] = {-1000};
    for (size_t i = 0; i < COUNT(forger); i++)
        for (int expands = 0; expands < 2; expands++) {
            struct onnx o = onnx_begin(13);
            onnx_input(&o, "x", WG__ONNX_FLOAT, "batch,1");
            onnx_ints(&o, "forged", "[-1000]");
            onnx_ints(&o, "positive", "[1000]");
            onnx_ints(&o, "from", "-1000");
            onnx_ints(&o, "to", "-1001");
            onnx_ints(&o, "step", "-1");
            onnx_init(&o, "real", WG__ONNX_FLOAT, "1", real);
            onnx_node(&o, forger[i].op, forger[i].inputs, "s", forger[i].attrs);
            onnx_node(&o, expands ? "Expand" : "ConstantOfShape", expands ? "x,s" : "s", "y", "");
            onnx_output(&o, "y", WG__ONNX_FLOAT, NULL);
            struct imported r = import_start(&o);
            cr_expect_eq(wg_onnx_import(r.m, r.g, NULL), WG_EFORMAT, "%s", forger[i].op);
            cr_expect(strstr(wg_onnx_message(r.m), "-1000"), "%s: %s", forger[i].op, wg_onnx_message(r.m));
            import_free(&r, &o);
        }
    struct onnx o = onnx_begin(13);
    onnx_input(&o, "x", WG__ONNX_FLOAT, "batch");
    onnx_node(&o, "RandomNormal", "", "y", "shape=[-1000]");
    onnx_output(&o, "y", WG__ONNX_FLOAT, NULL);
    struct imported r = import_start(&o);
    cr_expect_eq(wg_onnx_import(r.m, r.g, NULL), WG_EFORMAT);
    import_free(&r, &o);
}

/* The numbers themselves come through as they are. */
Test(import_shape, large_negative_numbers_are_numbers)
{
    struct imported r;
    struct onnx     o = onnx_begin(13);
    onnx_input(&o, "x", WG__ONNX_FLOAT, "batch");
    onnx_ints(&o, "v", "[-1000,5,-1001]");
    onnx_ints(&o, "last", "[2,0]");
    onnx_node(&o, "Shape", "x", "s", "");
    onnx_node(&o, "Gather", "v,last", "w", "");
    onnx_node(&o, "Concat", "s,w", "y", "axis=0");
    onnx_output(&o, "y", WG__ONNX_INT64, NULL);
    import_finish(&r, &o);
    expect_output(&r, 0, "y", "3", "[3,-1001,-1000]");
    import_free(&r, &o);
}
