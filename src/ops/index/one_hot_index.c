/* y = x as i64; an index outside of 0..size-1 is a run-time error. Elementwise operators on indices cannot fail, so
 * functions made of them put this operator in front. Nothing flows back. */
#include "ops/ops_impl.h"

static const wg_field fields[] = {WG_FIELD(struct wg__one_hot_index_attr, size, SHAPE), {0}};

static int infer(wg_infer *c)
{
    const struct wg__one_hot_index_attr *a = c->attr;
    if (a->size.rank != 1 || !wg__dims_valid(c, &a->size)) return wg_reject(c, WG_EARG, "needs one size");
    *c->ydtype = WG_I64;
    return wg_infer_same(c);
}

static int cpu(wg_call *c)
{
    const struct wg__one_hot_index_attr *a = c->attr;
    int64_t                              size = a->size.dim[0], n = wg_count(&c->y->shape), *y = c->y->data;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = wg__index_at(&c->x[0], i);
        if (at < 0 || at >= size)
            return wg_reject_run(c, WG_EINDEX, "index %lld at position %lld is outside of 0..%lld", (long long)at,
                                 (long long)i, (long long)size - 1);
        y[i] = at;
    }
    return WG_OK;
}

const wg_op wg_op_one_hot_index = {.name = "one_hot_index",
                                   .onnx = "Cast{to=i64}(x)",
                                   .doc = "y = x as i64, which must be in 0..size-1",
                                   .arity = 1,
                                   .flags = WG_OP_MAY_FAIL,
                                   .dtypes = WG_DTYPE_INTS | WG_DTYPE_BIT(WG_U8),
                                   .attr_size = sizeof(struct wg__one_hot_index_attr),
                                   .fields = fields,
                                   .infer = infer,
                                   .cpu = cpu,
                                   .rows = wg_rows_broadcast};

wg_node *wg__one_hot_index(wg_node *x, int64_t size)
{
    return wg_apply(&wg_op_one_hot_index, 1, &x, &(struct wg__one_hot_index_attr){WG_SHAPE(size)});
}
