/* The table of element types: each dtype of the library once, and no name, code or element twice. */
#include <criterion/criterion.h>
#include <string.h>

#include "data/io_impl.h"
#include "onnx/proto/proto.h"

static const struct row {
    const char *name;
    char        kind;
    unsigned    size;
    wg_dtype    holds;
    int         own; /* the dtype plus 1; 0 for a type that only files have */
    int         onnx, idx;
    const char *text[4];
} rows[] = {
#define T(name, kind, size, holds, own, onnx, in_onnx, idx, safetensors, v1, v2) \
    {#name, kind, size, WG_##holds, own(WG_##name + 1) + 0, onnx, idx, {in_onnx, safetensors, v1, v2}},
#include "base/dtypes.def"
};
enum { ROWS = sizeof rows / sizeof *rows };

Test(base_dtypes, each_dtype_is_one_row_of_its_size)
{
    int seen[WG_DTYPES] = {0};
    for (int i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        cr_expect_geq(wg_dtype_size(r->holds), r->size, "%s", r->name);
        if (!r->own) continue;
        wg_dtype t = (wg_dtype)(r->own - 1);
        seen[t]++;
        cr_expect(t == r->holds && wg_dtype_size(t) == r->size, "%s", r->name);
        cr_expect(wg__onnx_dtype_in(r->onnx) == t && wg__onnx_dtype_out(t) == r->onnx, "%s", r->name);
        cr_expect_eq(wg__element_of_dtype(t), wg__element_of(r->kind, r->size), "%s", r->name);
    }
    for (int t = 0; t < WG_DTYPES; t++) cr_expect_eq(seen[t], 1, "%s", wg_dtype_name((wg_dtype)t));
}

Test(base_dtypes, nothing_is_said_twice)
{
    for (int i = 0; i < ROWS; i++)
        for (int k = 0; k < i; k++) {
            cr_expect(rows[i].kind != rows[k].kind || rows[i].size != rows[k].size);
            cr_expect_neq(rows[i].onnx, rows[k].onnx);
            cr_expect(!rows[i].idx || rows[i].idx != rows[k].idx);
            for (int c = 0; c < 4; c++) cr_expect_str_neq(rows[i].text[c], rows[k].text[c]);
        }
}

Test(base_dtypes, a_type_without_a_dtype_is_none)
{
    for (int i = 0; i < ROWS; i++)
        if (!rows[i].own) cr_expect_eq(wg__onnx_dtype_in(rows[i].onnx), WG_DTYPES, "%s", rows[i].name);
    cr_expect_null(wg__element_of_idx(0));
    cr_expect_null(wg__element_of_dtype(WG_DTYPES));
    cr_expect_null(wg__element_of_safetensors("F8_E4M3"));
    cr_expect_null(wg__element_of('c', 8));
}
