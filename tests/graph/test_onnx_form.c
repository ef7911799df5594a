/* What to_onnx writes with. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph_impl.h"

TestSuite(onnx_say, .timeout = 60);

Test(onnx_say, a_real_reads_back_as_itself_and_is_no_whole_number)
{
    static const struct {
        double      v;
        const char *text;
    } want[] = {{1, "1.0"},        {0.5, "0.5"},        {0.1, "0.1"},
                {-3, "-3.0"},      {1e300, "1e300"},    {0.70710678118654757, "0.707106781186548"},
                {INFINITY, "inf"}, {-INFINITY, "-inf"}, {1.0 / 3, "0.3333333333333333"}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        wg_onnx_form f = {0};
        cr_expect_eq(wg_onnx_say_real(&f, want[i].v), WG_OK);
        cr_expect_eq(strtod(f.text, NULL), want[i].v, "%s", f.text);
        if (want[i].v != 0.70710678118654757) cr_expect_str_eq(f.text, want[i].text);
    }
}

Test(onnx_say, dimensions_tell_symbols_from_numbers)
{
    wg_graph    *g = wg_graph_new();
    wg_node     *x = wg_input(g, "x", WG_F32, WG_SHAPE(2));
    wg_onnx_form f = {.y = x};
    int64_t      dim[] = {8, wg_dim(g, "batch"), 0, -1, INT64_MIN + 1};
    char         want[80];
    cr_expect_eq(wg_onnx_say_dims(&f, 5, dim), WG_OK);
    snprintf(want, sizeof want, "[8,@%lld,0,-1,-9223372036854775807]", (long long)dim[1]);
    cr_expect_str_eq(f.text, want);
    wg_graph_free(g);
}

Test(onnx_say, too_long_is_refused_once_and_for_all)
{
    wg_onnx_form f = {0};
    int          status = WG_OK, n = 0;
    while (!status && n++ < 10000) status = wg_onnx_say(&f, "0123456789");
    cr_expect_eq(status, WG_EARG);
    cr_expect_eq(f.n, strlen(f.text), "what was there stays whole");
    cr_expect(strstr(f.why, "longer than 1023"), "%s", f.why);
    cr_expect_eq(wg_onnx_say(&f, "x"), WG_EARG);
    cr_expect_eq(wg_onnx_refuse(&f, "another"), WG_EARG);
    cr_expect(strstr(f.why, "longer"), "the first reason stays");
}
