/* Weights that a file has the other way round, as PyTorch's Linear keeps them. */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "support/alloc.h"
#include <wengert/train.h>

static wg_graph *g;
static char      path[64];
static wg_error  e;

static void start(void)
{
    strcpy(path, "/tmp/wengert-XXXXXX");
    close(mkstemp(path));
    g = wg_graph_new();
}
static void stop(void)
{
    wg_graph_free(g);
    unlink(path);
}
TestSuite(transpose_load, .init = start, .fini = stop, .timeout = 60);

static const float bias[3] = {7, 8, 9};

/* A file of "fc.weight" of that shape, 1, 2, 3, .. row by row, and of "fc.bias". */
static void write_layer(int64_t rows, int64_t columns, const char *format)
{
    float               w[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    const char *const   meta[1][2] = {{"format", format}};
    const wg_safetensor x[2] = {{"fc.weight", WG_F32, WG_SHAPE(rows, columns), w},
                                {"fc.bias", WG_F32, WG_SHAPE(3), bias}};
    cr_assert_eq(wg_safetensors_write(path, 2, x, format != NULL, meta, &e), WG_OK, "%s", e.message);
}

static void make_net(int64_t in) { cr_assert_not_null(wg_dense(wg_input(g, "x", WG_F32, WG_SHAPE(1, in)), 3, "fc")); }

static int load(const char *transpose)
{
    return wg_checkpoint_load(g, NULL, path, &(wg_load_options){.weights_only = 1, .transpose = transpose}, NULL, &e);
}

static void expect_weight(int n, const float want[])
{
    float have[9], b[3];
    wg_param_get(wg_param_find(g, "fc.weight"), have);
    wg_param_get(wg_param_find(g, "fc.bias"), b);
    cr_expect_eq(memcmp(have, want, (size_t)n * sizeof *want), 0);
    cr_expect_eq(memcmp(b, bias, sizeof bias), 0, "vectors are not turned");
}

Test(transpose_load, turns_what_the_pattern_names)
{
    write_layer(3, 2, NULL);
    make_net(2);
    cr_assert_eq(load("*.weight"), WG_OK, "%s", e.message);
    expect_weight(6, (float[]){1, 3, 5, 2, 4, 6});
}

Test(transpose_load, a_mismatch_names_the_way_out)
{
    write_layer(3, 2, NULL);
    make_net(2);
    cr_expect_eq(load(NULL), WG_ESHAPE);
    cr_expect(strstr(e.message, "fc.weight is f32 [2,3] in the graph but f32 [3,2] in the file, its transpose: load "
                                "with .transpose = \"*.weight\""),
              "%s", e.message);
    write_layer(2, 3, NULL);
    cr_expect_eq(load("*"), WG_ESHAPE);
    cr_expect(strstr(e.message, ", which .transpose turns: leave it out"), "%s", e.message);
}

Test(transpose_load, a_square_matrix_of_pytorch_is_asked_about)
{
    write_layer(3, 3, "pt");
    make_net(3);
    float before[9], after[9];
    wg_param_get(wg_param_find(g, "fc.weight"), before);
    cr_expect_eq(load(NULL), WG_EARG);
    cr_expect(strstr(e.message, "fc.weight is square and would fit either way"), "%s", e.message);
    wg_param_get(wg_param_find(g, "fc.weight"), after);
    cr_expect_eq(memcmp(before, after, sizeof before), 0, "nothing was loaded");
    cr_assert_eq(load("fc.*"), WG_OK, "%s", e.message);
    expect_weight(9, (float[]){1, 4, 7, 2, 5, 8, 3, 6, 9});
    cr_assert_eq(load(""), WG_OK, "%s", e.message);
    expect_weight(9, (float[]){1, 2, 3, 4, 5, 6, 7, 8, 9});
    cr_expect_eq(load("nope*"), WG_EARG);
    cr_expect(strstr(e.message, ".transpose = \"nope*\" matches no matrix of the file"), "%s", e.message);
    cr_expect_eq(load("fc.bias"), WG_EARG, "a vector is none");
    write_layer(3, 3, NULL);
    cr_assert_eq(load(NULL), WG_OK, "a file that does not say so: %s", e.message);
}

Test(transpose_load, every_allocation_that_fails_loads_nothing)
{
    write_layer(3, 2, NULL);
    make_net(2);
    float before[6], after[6];
    wg_param_get(wg_param_find(g, "fc.weight"), before);
    int n = 0, status;
    do {
        alloc_fail_at(n++);
        status = load("*.weight");
        alloc_restore();
        if (!status) break;
        cr_expect_eq(status, WG_ENOMEM);
        wg_param_get(wg_param_find(g, "fc.weight"), after);
        cr_assert_eq(memcmp(before, after, sizeof before), 0);
    } while (n < 1000);
    expect_weight(6, (float[]){1, 3, 5, 2, 4, 6});
    cr_expect_gt(n, 3);
}
