/* No bytes harm the reader or the importer: files cut short, files with bytes
 * changed, files made to deceive.  What parses is imported. */
#include <dirent.h>

#include "onnx/digest.h"
#include "onnx/proto/encode.h"

TestSuite(onnx_damage, .timeout = 300);

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { ROUNDS = 3000 };
#else
enum { ROUNDS = 25000 };
#endif

/* In memory of exactly that size, so that a sanitizer sees one byte too many. */
static int digest(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    cr_assert_not_null(copy);
    if (n) memcpy(copy, bytes, n);
    int status = digest_model(copy, n);
    digest_file_of_tensor(copy, n);
    free(copy);
    return status;
}

/* ---- Small models ---- */

/* Two layers with ONNX's usual parts. */
static struct onnx mlp(void)
{
    static const float w[24] = {0.5f, -1, 2}, bias[4] = {1, 2, 3, 4};
    struct onnx        o = onnx_begin(13);
    onnx_input(&o, "x", WG__ONNX_FLOAT, "batch,3,1");
    onnx_init(&o, "w1", WG__ONNX_FLOAT, "4,3", w);
    onnx_init(&o, "b1", WG__ONNX_FLOAT, "4", bias);
    onnx_init(&o, "w2", WG__ONNX_FLOAT, "4,2", w + 3);
    onnx_node(&o, "Flatten", "x", "flat", "axis=1");
    onnx_node(&o, "Gemm", "flat,w1,b1", "h", "alpha=1.0 transB=1");
    onnx_node(&o, "Relu", "h", "r", "");
    onnx_node(&o, "MatMul", "r,w2", "logits", "");
    onnx_node(&o, "Softmax", "logits", "y", "axis=-1");
    onnx_output(&o, "y", WG__ONNX_FLOAT, "batch,2");
    onnx_end(&o);
    return o;
}

/* Shape arithmetic, left-out inputs, several outputs, a constant. */
static struct onnx shapes(void)
{
    struct onnx o = onnx_begin(13);
    onnx_input(&o, "x", WG__ONNX_FLOAT, "n,2,6");
    onnx_ints(&o, "one", "1");
    onnx_ints(&o, "axes", "[0]");
    onnx_ints(&o, "rest", "[-1]");
    onnx_ints(&o, "from", "[1]");
    onnx_ints(&o, "to", "[2]");
    onnx_node(&o, "Shape", "x", "s", "");
    onnx_node(&o, "Gather", "s,one", "d", "axis=0");
    onnx_node(&o, "Unsqueeze", "d,axes", "u", "");
    onnx_node(&o, "Concat", "rest,u", "t", "axis=0");
    onnx_node(&o, "Reshape", "x,t", "r", "");
    onnx_node(&o, "Slice", "r,from,to", "y", "");
    onnx_node(&o, "Dropout", "y,,", "z,mask", "");
    onnx_node(&o, "Transpose", "z", "out", "perm=[1,0]");
    onnx_output(&o, "out", WG__ONNX_FLOAT, "2,1");
    onnx_end(&o);
    return o;
}

/* ---- Cut and changed ---- */

static uint32_t draw(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void damage(const struct bytes *b, uint32_t seed)
{
    uint8_t *x = malloc(b->n);
    cr_assert_not_null(x);
    for (size_t n = 0; n < b->n; n++) cr_assert_neq(digest(b->at, n), WG_OK, "%zu of %zu bytes", n, b->n);
    for (int i = 0; i < ROUNDS; i++) {
        memcpy(x, b->at, b->n);
        for (uint32_t k = 1 + draw(&seed) % 4; k > 0; k--) {
            uint32_t r = draw(&seed);
            x[draw(&seed) % b->n] = r % 4 == 0 ? 0xff : r % 4 == 1 ? 0 : (uint8_t)(r >> 4);
        }
        digest(x, b->n);
    }
    free(x);
}

Test(onnx_damage, to_a_net_of_two_layers)
{
    struct onnx o = mlp();
    cr_assert_eq(digest(o.b.at, o.b.n), WG_OK);
    damage(&o.b, 1);
    damage(&o.b, 2);
    onnx_free(&o);
}

Test(onnx_damage, to_shape_arithmetic)
{
    struct onnx o = shapes();
    cr_assert_eq(digest(o.b.at, o.b.n), WG_OK);
    damage(&o.b, 3);
    damage(&o.b, 4);
    onnx_free(&o);
}

/* ---- Made to deceive ---- */

static int digest_and_free(struct onnx *o)
{
    int status = digest(onnx_end(o), o->b.n);
    onnx_free(o);
    return status;
}

/* A message in a message in a message: in each field that could nest. */
Test(onnx_damage, a_deep_nest_is_not_followed)
{
    enum { DEEP = 200000 };
    static const struct {
        uint32_t outer[4], inner;
    } rows[] = {{{7, 11, 2, 4}, 1}, {{7, 1, 5, 6}, 1}, {{7, 11, 2, 9}, 1}, {{7, 5, 13, 1}, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bytes b = {0};
        size_t       at[4];
        for (int k = 0; k < 4; k++) at[k] = put_open(&b, rows[i].outer[k]);
        size_t start = b.n;
        for (int k = 0; k < DEEP; k++) put_open(&b, rows[i].inner);
        for (size_t place = b.n; place > start; place -= 6) put_close(&b, place);
        for (int k = 4; k-- > 0;) put_close(&b, at[k]);
        digest(b.at, b.n);
        free(b.at);
    }
}

Test(onnx_damage, dimensions_of_any_size)
{
    static const char *const dims[] = {"0",
                                       "-1",
                                       "1099511627776",
                                       "9223372036854775807",
                                       "-9223372036854775808",
                                       "4294967296,4294967296",
                                       "0,9223372036854775807,9223372036854775807",
                                       "1,1,1,1,1,1,1,1,1,1"};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        struct onnx o = onnx_begin(13);
        onnx_input(&o, "x", WG__ONNX_FLOAT, dims[i]);
        onnx_node(&o, "Add", "x,x", "h", "");
        onnx_node(&o, "Flatten", "h", "y", "axis=1");
        onnx_node(&o, "Shape", "x", "s", "");
        onnx_node(&o, "Reshape", "y,s", "z", "");
        onnx_output(&o, "z", WG__ONNX_FLOAT, dims[i]);
        digest_and_free(&o);
    }
}

Test(onnx_damage, initialisers_that_promise_more_than_there_is)
{
    static const int64_t dims[] = {-1, INT64_C(1) << 40, INT64_MAX, 3};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        struct onnx o = onnx_begin(13);
        size_t      at = put_open(&o.b, 5);
        put_int(&o.b, 1, dims[i]);
        put_int(&o.b, 2, WG__ONNX_FLOAT);
        put_text(&o.b, 8, "w");
        put_bytes(&o.b, 9, "12345678", 8);
        put_close(&o.b, at);
        onnx_input(&o, "x", WG__ONNX_FLOAT, "2");
        onnx_node(&o, "Add", "x,w", "y", "");
        onnx_output(&o, "y", WG__ONNX_FLOAT, "2");
        cr_assert_eq(digest_and_free(&o), WG_EFORMAT);
    }
}

Test(onnx_damage, graphs_that_are_none)
{
    static const struct {
        const char *in, *out, *result;
    } rows[] = {
        {"y", "y", "y"},      /* made of itself */
        {"x", "x", "x"},      /* made twice */
        {"nobody", "y", "y"}, /* made by none */
        {"x", "y", "nobody"}, {"x", "", "y"}, {"", "y", "y"}, {"x", "y,z", "z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct onnx o = onnx_begin(13);
        onnx_input(&o, "x", WG__ONNX_FLOAT, "2");
        onnx_node(&o, "Relu", rows[i].in, rows[i].out, "");
        onnx_output(&o, rows[i].result, WG__ONNX_FLOAT, "2");
        cr_assert_neq(digest_and_free(&o), WG_OK, "row %zu", i);
    }
    struct onnx o = onnx_begin(13); /* a ring of two */
    onnx_node(&o, "Relu", "b", "a", "");
    onnx_node(&o, "Relu", "a", "b", "");
    onnx_output(&o, "a", WG__ONNX_FLOAT, "2");
    cr_assert_neq(digest_and_free(&o), WG_OK);
}

/* ---- What fuzzing found ---- */

static void replay(const char *path)
{
    uint8_t bytes[1 << 16];
    FILE   *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    digest(bytes, n);
}

Test(onnx_damage, inputs_that_once_failed)
{
    static const char folder[] = "tests/fuzz/fuzz_onnx.corpus";
    char              path[512];
    int               n = 0;
    DIR              *d = opendir(folder);
    cr_assert_not_null(d, "the tests run in the tree's root");
    for (struct dirent *e; (e = readdir(d)); n += e->d_name[0] != '.') {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.') replay(path);
    }
    closedir(d);
    cr_assert_gt(n, 0);
}
