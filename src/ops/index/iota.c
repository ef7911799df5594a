/* y = 0, 1, .. n-1 as i64. n may be symbolic: the operator counts along an axis whose size is known once a tape is
 * compiled. Nothing flows back: there is no operand. */
#include "ops/ops_impl.h"

static const wg_field fields[] = {WG_FIELD(struct wg__iota_attr, shape, SHAPE), {0}};

static int infer(wg_infer *c)
{
    const struct wg__iota_attr *a = c->attr;
    if (a->shape.rank != 1 || !wg__dims_valid(c, &a->shape)) return wg_reject(c, WG_EARG, "needs one size");
    *c->y = a->shape;
    *c->ydtype = WG_I64;
    return WG_OK;
}

static void write_numbers(void *context, int64_t begin, int64_t end)
{
    int64_t *y = context;
    for (int64_t i = begin; i < end; i++) y[i] = i;
}

static int cpu(wg_call *c)
{
    wg_parallel(c, c->y->shape.dim[0], 1 << 16, write_numbers, c->y->data);
    return WG_OK;
}

static double flops(const wg_call *c) { return (void)c, 0; }

static int onnx(wg_onnx_form *f)
{
    int64_t n = wg_node_shape(f->y)->dim[0];
    if (wg_dim_known(n) && n < 4096) return wg_onnx_say(f, "[0:%lld:1]", (long long)n);
    if (f->opset < 11) return wg_onnx_refuse(f, "counting up to a symbolic size needs opset 11");
    wg_onnx_say(f, "Range(0,Squeeze(");
    wg_onnx_say_dims(f, 1, &n);
    return wg_onnx_say(f, "),1)");
}

/* Leaves the result the same for every row, as s->y says at the start. */
static int rows(wg_stack *s) { return s->y->axis < 0; }

const wg_op wg_op_iota = {.name = "iota",
                          .onnx = "Range",
                          .doc = "y = 0, 1, .. n-1",
                          .flags = WG_OP_SHAPE,
                          .attr_size = sizeof(struct wg__iota_attr),
                          .fields = fields,
                          .infer = infer,
                          .cpu = cpu,
                          .flops = flops,
                          .to_onnx = onnx,
                          .rows = rows};

wg_node *wg_iota(wg_graph *g, int64_t n)
{
    enum { FEW = 4096 }; /* so many numbers, or fewer, are a constant where n is known */
    wg_shape s = WG_SHAPE(n);
    if (!g || !wg__shape_valid(g, "iota", &s)) return NULL;
    if (!wg_dim_known(n) || n > FEW) return wg__apply_leaf(g, &wg_op_iota, &(struct wg__iota_attr){s});
    int64_t *few = wg__data_alloc((size_t)n * sizeof *few);
    if (!few) return wg__fail_nomem(g), NULL;
    write_numbers(few, 0, n);
    wg_node *y = wg_const(g, WG_I64, s, few);
    wg__data_free(few);
    return y;
}
