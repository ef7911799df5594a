/* Models of a few kilobytes that ask for gigabytes, or for hours.  Each is
 * imported or refused, within seconds and a bounded amount of memory. */
#include <sys/resource.h>

#include "onnx/import/rows_test.h"

TestSuite(onnx_hostile, .timeout = 60);

enum { F32 = WG__ONNX_FLOAT, I64 = WG__ONNX_INT64 };

/* The budget of constants, twice while one is made; sanitizers keep books of it. */
#if defined(__SANITIZE_THREAD__)
enum { MOST_MIB = 5000 };
#elif defined(__SANITIZE_ADDRESS__)
enum { MOST_MIB = 2400 };
#else
enum { MOST_MIB = 1200 };
#endif

static long peak_mib(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss / 1024;
}

/* Ends the model and imports it; status and, unless NULL, a text in its message.  The model is freed. */
static void survive(struct onnx *m, int status, const char *text)
{
    wg_graph *g = wg_graph_new();
    onnx_end(m);
    wg_onnx *r = wg_onnx_parse(m->b.at, m->b.n);
    cr_expect_eq(wg_onnx_import(r, g, NULL), status, "%.300s", wg_onnx_message(r));
    if (text) cr_expect(strstr(wg_onnx_message(r), text), "'%s' is not in: %.300s", text, wg_onnx_message(r));
    cr_expect_lt(peak_mib(), MOST_MIB, "%ld MiB", peak_mib());
    cr_expect_lt(strlen(wg_onnx_message(r)), 100000);
    wg_onnx_free(r);
    wg_graph_free(g);
    onnx_free(m);
}

/* n times the node, with outputs "a0", "a1", .. that are outputs of the model. */
static void repeat(struct onnx *m, int n, const char *op, const char *inputs, const char *attrs)
{
    char name[16];
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "a%d", i);
        onnx_node(m, op, inputs, name, attrs);
        onnx_output(m, name, F32, NULL);
    }
}

/* ---- Constants that are not in the file ---- */

Test(onnx_hostile, constants_are_bounded_in_all)
{
    static const struct {
        const char *op, *x, *inputs, *attrs; /* x: an input of the model; n, m, o, k: 0, 2^24, 1, 2^24 - 2^20 */
    } bomb[] = {
        {"Range", "1", "n,m,o", ""},
        {"Trilu", "4096,4096", "x", ""},
        {"Pad", "2", "x,wide", "mode=reflect"},
        {"EyeLike", "16777216,16777216", "x", ""},
        {"GatherElements", "16777216,2", "x,at", "axis=1"},
        {"NegativeLogLikelihoodLoss", "1,16777216", "x,label", ""},
    };
    for (size_t i = 0; i < sizeof bomb / sizeof *bomb; i++) {
        struct onnx m = onnx_begin(14);
        onnx_input(&m, "x", F32, bomb[i].x);
        onnx_input(&m, "at", I64, "16777216,2");
        onnx_input(&m, "label", I64, "1");
        onnx_ints(&m, "n", "0");
        onnx_ints(&m, "m", "16777216");
        onnx_ints(&m, "o", "1");
        onnx_ints(&m, "wide", "[16000000,0]");
        repeat(&m, 64, bomb[i].op, bomb[i].inputs, bomb[i].attrs);
        survive(&m, WG_EARG, "in all a model may make 256 MiB of them");
    }
}

/* ---- Known values ---- */

/* Shapes are not memory: nothing is made of them before a tape is compiled. */
Test(onnx_hostile, doubling_is_no_memory)
{
    static const char *const op[] = {"Concat", "Tile", "Expand", "Pad"};
    for (int k = 0; k < 4; k++) {
        struct onnx m = onnx_begin(13);
        char        in[32], out[32], inputs[80];
        onnx_ints(&m, "v0", "[1,2]");
        onnx_ints(&m, "two", "[2]");
        onnx_ints(&m, "far", "[1073741824,2]");
        onnx_ints(&m, "wide", "[1048576,0]");
        for (int i = 0; i < 36; i++) {
            snprintf(in, sizeof in, "v%d", i);
            snprintf(out, sizeof out, "v%d", i + 1);
            snprintf(inputs, sizeof inputs, "%s,%s", in, k == 0 ? in : k == 1 ? "two" : k == 2 ? "far" : "wide");
            onnx_node(&m, op[k], inputs, out, k == 0 ? "axis=0" : "");
        }
        onnx_input(&m, "x", F32, "4");
        onnx_node(&m, "Reshape", "x,v36", "y", "");
        onnx_output(&m, "y", F32, NULL);
        survive(&m, WG_EARG, "shape has to be known");
    }
}

/* A chain that has to be computed again for each of many users. */
Test(onnx_hostile, computing_while_loading_has_a_budget)
{
    static const float one[] = {1};
    struct onnx        m = onnx_begin(13);
    char               in[16], out[16];
    onnx_init(&m, "c0", F32, "1", one);
    onnx_input(&m, "x", F32, "1");
    for (int i = 0; i < 120; i++) {
        snprintf(in, sizeof in, "c%d", i);
        snprintf(out, sizeof out, "c%d", i + 1);
        onnx_node(&m, "Sqrt", in, out, "");
    }
    for (int i = 0; i < 12000; i++) {
        snprintf(in, sizeof in, "i%d", i);
        snprintf(out, sizeof out, "y%d", i);
        onnx_node(&m, "Cast", "c120", in, "to=7");
        snprintf(in, sizeof in, "x,i%d", i);
        onnx_node(&m, "Reshape", in, out, "");
        onnx_output(&m, out, F32, NULL);
    }
    survive(&m, WG_EARG, "shape has to be known");
}

/* A long list of indices that many nodes look at. */
Test(onnx_hostile, a_tensor_is_not_checked_for_ever)
{
    enum { N = 1 << 17 };
    static int64_t at[N];
    struct onnx    m = onnx_begin(13);
    onnx_input(&m, "x", F32, "3");
    onnx_init(&m, "at", I64, "131072", at);
    repeat(&m, 10000, "Gather", "x,at", "");
    survive(&m, WG_OK, NULL);
}

/* ---- Many nodes of one ---- */

Test(onnx_hostile, a_node_makes_few)
{
    static const struct {
        const char *op, *inputs, *attrs;
    } bomb[] = {{"LRN", "x", "size=1024"}, {"CumSum", "x,axis", ""}};
    for (size_t i = 0; i < sizeof bomb / sizeof *bomb; i++) {
        struct onnx m = onnx_begin(14);
        onnx_input(&m, "x", F32, "2,1000000000000");
        onnx_ints(&m, "axis", "1");
        repeat(&m, 2000, bomb[i].op, bomb[i].inputs, bomb[i].attrs);
        survive(&m, WG_OK, NULL);
    }
}

/* ---- Lists of other things ---- */

Test(onnx_hostile, many_outputs_are_as_many_nodes)
{
    enum { N = 20000 };
    struct onnx m = onnx_begin(18);
    char        name[16];
    onnx_input(&m, "x", F32, "20000");
    size_t at = put_open(&m.b, 1);
    put_text(&m.b, 1, "x");
    for (int i = 0; i < N; i++) snprintf(name, sizeof name, "y%d", i), put_text(&m.b, 2, name);
    put_text(&m.b, 4, "Split");
    put_attr(&m.b, 5, "num_outputs=20000");
    put_close(&m.b, at);
    onnx_output(&m, "y19999", F32, "1");
    survive(&m, WG_OK, NULL);
}

Test(onnx_hostile, complaints_are_counted_not_listed)
{
    struct onnx m = onnx_begin(13);
    char        op[16], out[16];
    onnx_input(&m, "x", F32, "2");
    for (int i = 0; i < 20000; i++) {
        snprintf(op, sizeof op, "Op%d", i);
        snprintf(out, sizeof out, "y%d", i);
        onnx_node(&m, op, "x", out, "");
        onnx_output(&m, out, F32, NULL);
    }
    survive(&m, WG_EARG, "and 19936 more complaints");
}

Test(onnx_hostile, a_repeated_attribute_is_looked_at_once)
{
    struct onnx m = onnx_begin(13);
    onnx_input(&m, "x", F32, "2");
    size_t at = put_open(&m.b, 1);
    put_text(&m.b, 1, "x");
    put_text(&m.b, 2, "y");
    put_text(&m.b, 4, "Softmax");
    for (int i = 0; i < 50000; i++) put_attr(&m.b, 5, i % 2 ? "axis=0" : "speed=1");
    put_close(&m.b, at);
    onnx_output(&m, "y", F32, NULL);
    survive(&m, WG_EARG, "attribute 'speed'");
}

/* ---- Symbols ---- */

Test(onnx_hostile, symbolic_sizes_are_bounded)
{
    struct onnx m = onnx_begin(13);
    char        name[16];
    for (int i = 0; i < 20000; i++) snprintf(name, sizeof name, "x%d", i), onnx_input(&m, name, F32, "?");
    onnx_output(&m, "x0", F32, NULL);
    survive(&m, WG_EARG, "over 16384 symbolic sizes");

    m = onnx_begin(13);
    onnx_input(&m, "x", F32, "n");
    onnx_node(&m, "Shape", "x", "s0", "");
    for (int i = 0; i < 20000; i++) {
        char in[32], out[16], one[16];
        snprintf(in, sizeof in, "s%d,c%d", i, i);
        snprintf(out, sizeof out, "s%d", i + 1);
        snprintf(name, sizeof name, "c%d", i);
        snprintf(one, sizeof one, "[%d]", i + 1);
        onnx_ints(&m, name, one);
        onnx_node(&m, "Add", in, out, "");
    }
    onnx_output(&m, "s20000", I64, NULL);
    survive(&m, WG_EARG, "over 16384 symbolic sizes");
}

/* ---- Extremes of numbers ---- */

Test(onnx_hostile, no_number_is_too_large)
{
    static const struct {
        const char *op, *inputs, *attrs;
    } call[] = {
        {"Range", "low,high,one", ""},
        {"Range", "high,low,minus", ""},
        {"ConstantOfShape", "highs", ""},
        {"Tile", "x,highs", ""},
        {"Expand", "x,highs", ""},
        {"Pad", "x,pads", ""},
        {"Pad", "x,pads", "mode=reflect"},
        {"OneHot", "at,high,two", ""},
        {"Slice", "x,lows,highs,zero,lows", ""},
        {"CumSum", "x,low", ""},
        {"Trilu", "xx,low", ""},
        {"Gather", "x,highs", ""},
        {"Split", "x,highs", ""},
        {"Reshape", "x,highs", ""},
        {"Unsqueeze", "x,highs", ""},
        {"Squeeze", "x,lows", ""},
        {"Softmax", "x", "axis=-9223372036854775808"},
        {"Flatten", "x", "axis=9223372036854775807"},
        {"LRN", "xx", "size=9223372036854775807"},
        {"EyeLike", "xx", "k=-9223372036854775808"},
        {"DepthToSpace", "x4", "blocksize=2147483647"},
        {"GroupNormalization", "xx,two,two", "num_groups=9223372036854775807"},
        {"Shape", "x", "start=-9223372036854775808 end=9223372036854775807"},
        {"ConstantOfShape", "many", ""},
    };
    static const float two[] = {1, 2};
    for (size_t i = 0; i < sizeof call / sizeof *call; i++) {
        struct onnx m = onnx_begin(19);
        onnx_input(&m, "x", F32, "2");
        onnx_input(&m, "xx", F32, "2,2");
        onnx_input(&m, "x4", F32, "2,2,2,2");
        onnx_input(&m, "at", I64, "2");
        onnx_init(&m, "two", F32, "2", two);
        onnx_ints(&m, "low", "-9223372036854775808");
        onnx_ints(&m, "high", "9223372036854775807");
        onnx_ints(&m, "lows", "[-9223372036854775808]");
        onnx_ints(&m, "highs", "[9223372036854775807]");
        onnx_ints(&m, "pads", "[9223372036854775807,9223372036854775807]");
        onnx_ints(&m, "many", "[9223372036854775807,9223372036854775807,4]");
        onnx_ints(&m, "zero", "[0]");
        onnx_ints(&m, "one", "1");
        onnx_ints(&m, "minus", "-1");
        onnx_node(&m, call[i].op, call[i].inputs, "y", call[i].attrs);
        onnx_node(&m, "Shape", "y", "s", "");
        onnx_node(&m, "Reshape", "y,s", "z", "");
        onnx_output(&m, "z", F32, NULL);
        wg_graph *g = wg_graph_new();
        onnx_end(&m);
        wg_onnx *r = wg_onnx_parse(m.b.at, m.b.n);
        int      status = wg_onnx_import(r, g, NULL);
        cr_expect(status == WG_OK || strstr(wg_onnx_message(r), call[i].op), "%s: %s", call[i].op, wg_onnx_message(r));
        wg_onnx_free(r);
        wg_graph_free(g);
        onnx_free(&m);
    }
}
