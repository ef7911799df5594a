/* Elementwise operators, made of the rows of unary.def and binary.def.
 *
 * Each row becomes a rule for the gradient, a look-up of its kernel, a const
 * wg_op and a constructor. */
#include "cpu/cpu.h"
#include "ops/ops_impl.h"

/* ---- Rules that are too long for a row; zero flows where a rule gives NULL ---- */

#define FLAT NULL

/* Builds d gelu / dx = Phi(x) + x phi(x), where Phi and phi are the distribution and the density of a standard
 * normal. */
static wg_node *gelu_slope(wg_node *x)
{
    wg_node *cdf = wg_scale(wg_shift(wg_erf(wg_scale(x, 0.70710678118654752)), 1), 0.5);
    wg_node *pdf = wg_scale(wg_exp(wg_scale(wg_square(x), -0.5)), 0.39894228040143268);
    return wg_add(cdf, wg_mul(x, pdf));
}

/* Builds the second derivative of gelu_tanh = x s(u), with s the sigmoid and u = x (p + q x^2): it is s (1 - s) (2 u' +
 * x u'' + x u'^2 (1 - 2s)), where 1 - s is the sigmoid of -u. Beyond 24, where s (1 - s) is 0, the powers of x keep
 * their values at 24. */
static wg_node *gelu_tanh_bend(wg_node *x)
{
    const double p = 1.5957691216057308, q = 0.07135481627260025; /* 2 (2/pi)^(1/2), and 0.044715 times p */
    wg_node     *z = wg_clip(x, -24, 24), *square = wg_square(z);
    wg_node     *u = wg_mul(z, wg_shift(wg_scale(square, q), p)), *s = wg_sigmoid(u), *rest = wg_sigmoid(wg_neg(u));
    wg_node     *slope = wg_shift(wg_scale(square, 3 * q), p), *bend = wg_scale(square, 6 * q);
    wg_node     *steep = wg_mul(z, wg_square(slope)), *tilt = wg_mul(steep, wg_one_minus(wg_scale(s, 2)));
    wg_node     *sum = wg_add(wg_add(wg_scale(slope, 2), bend), tilt);
    return wg_mul(wg_mul(s, rest), sum);
}

/* Builds g y x^(y-1), with 0 where y = 0 even if x = 0 makes the power infinite. The zero outweighs the power; a
 * constant 0 in place of y would lose that the derivative by y at y = 0 is x^-1, and that x^2 at 0 has derivatives 2 x,
 * 2, 0, 0, .. */
static wg_node *pow_dx(wg_node *g, wg_node *x, wg_node *y)
{
    double constant;
    if (wg__is_const(y, &constant) && constant == 0) return FLAT;
    wg_node *power = wg_pow(x, wg_shift(y, -1));
    return wg_zero_mul(g, wg_zero_mul(y, power));
}

/* Builds g z ln x, with 0 where x = 0 and y >= 0. */
static wg_node *pow_dy(wg_node *g, wg_node *x, wg_node *y, wg_node *z)
{
    wg_node *at_zero = wg_equal(x, wg_lit(x, 0)), *finite = wg_greater_equal(y, wg_lit(y, 0));
    wg_node *log = wg_log(wg_where(wg_and(at_zero, finite), wg_lit(x, 1), x));
    return wg_zero_mul(g, wg_zero_mul(z, log));
}

/* Builds the share of the gradient of z = min or max(x, y) that goes to x: 1, 0.5 at a tie, or 0. */
static wg_node *tie_share(wg_node *x, wg_node *y, wg_node *z)
{
    wg_node *mine = wg_cast(wg_equal(x, z), wg_node_dtype(x));
    wg_node *theirs = wg_cast(wg_equal(y, z), wg_node_dtype(x));
    return wg_mul(mine, wg_one_minus(wg_scale(theirs, 0.5)));
}

/* Builds g where x > 0, else `below`. */
static wg_node *choose_by_sign(wg_node *x, wg_node *below, wg_node *g)
{
    wg_node *positive = wg_greater(x, wg_lit(x, 0));
    return wg_where(positive, g, below);
}

/* ---- One tensor ---- */

#define KERNEL(id)                                                     \
    static wg_block *id##_block(int n, const wg_dtype x[], wg_dtype y) \
    {                                                                  \
        (void)y;                                                       \
        return wg__kernels()->elementwise[WG__ROW_##id][x[n - 1]];     \
    }                                                                  \
    static int id##_cpu(wg_call *c) { return wg__loop_call(&wg_op_##id, c); }

#define U(id, f, dx_, dtypes_, domain_, onnx_, doc_)      \
    KERNEL(id)                                            \
    static void id##_grad(wg_adjoint *v)                  \
    {                                                     \
        wg_node *g = v->g[0], *x = v->x[0], *y = v->y;    \
        (void)g, (void)x, (void)y;                        \
        v->dx[0] = dx_;                                   \
    }                                                     \
    const wg_op wg_op_##id = {.name = #id,                \
                              .onnx = onnx_,              \
                              .doc = doc_,                \
                              .arity = 1,                 \
                              .flags = WG_OP_IN_PLACE,    \
                              .dtypes = dtypes_,          \
                              .domain = domain_,          \
                              .infer = wg_infer_same,     \
                              .cpu = id##_cpu,            \
                              .block = id##_block,        \
                              .grad = id##_grad,          \
                              .rows = wg_rows_broadcast}; \
    wg_node    *wg_##id(wg_node *x) { return wg_apply(&wg_op_##id, 1, &x, NULL); }

/* Writes a UA row in ONNX: the operator with the parameter as its attribute. */
static int say_parameter(wg_onnx_form *f)
{
    const wg_op *op = wg_node_op(f->y);
    wg_onnx_say(f, "%s{%s=", op->onnx, op->fields[0].name);
    wg_onnx_say_real(f, *(const double *)f->attr);
    return wg_onnx_say(f, "}");
}

/* Applies a UA row to x, whose dtype has to hold the parameter. */
static wg_node *apply_with_parameter(const wg_op *op, wg_node *x, double a)
{
    if (x && !wg__holds((wg_dtype)x->dtype, a))
        return wg__bad(x, WG_EARG, op->name, "%g is no %s", a, wg_dtype_name((wg_dtype)x->dtype));
    return wg_apply(op, 1, &x, &a);
}

/* A row with one real parameter, `a` in its formulas: the only attribute of its operator. */
#define UA(id, f, dx_, dtypes_, domain_, onnx_, param_, doc_)                \
    KERNEL(id)                                                               \
    static void id##_grad(wg_adjoint *v)                                     \
    {                                                                        \
        wg_node *g = v->g[0], *x = v->x[0], *y = v->y;                       \
        double   a = *(const double *)v->attr;                               \
        (void)y, (void)a;                                                    \
        v->dx[0] = dx_;                                                      \
    }                                                                        \
    static const wg_field id##_fields[] = {{param_, WG_FIELD_REAL, 0}, {0}}; \
    const wg_op           wg_op_##id = {.name = #id,                         \
                                        .onnx = onnx_,                       \
                                        .doc = doc_,                         \
                                        .arity = 1,                          \
                                        .flags = WG_OP_IN_PLACE,             \
                                        .dtypes = dtypes_,                   \
                                        .domain = domain_,                   \
                                        .attr_size = sizeof(double),         \
                                        .fields = id##_fields,               \
                                        .infer = wg_infer_same,              \
                                        .cpu = id##_cpu,                     \
                                        .block = id##_block,                 \
                                        .grad = id##_grad,                   \
                                        .to_onnx = say_parameter,            \
                                        .rows = wg_rows_broadcast};          \
    wg_node              *wg_##id(wg_node *x, double a) { return apply_with_parameter(&wg_op_##id, x, a); }

#include "ops/unary.def"

/* ---- Two tensors ---- */

#define B(id, f, dx_, dy_, dtypes_, domain_, onnx_, doc_)            \
    KERNEL(id)                                                       \
    static void id##_grad(wg_adjoint *v)                             \
    {                                                                \
        wg_node *g = v->g[0], *x = v->x[0], *y = v->x[1], *z = v->y; \
        (void)x, (void)y, (void)z;                                   \
        if (v->need[0]) v->dx[0] = dx_;                              \
        if (v->need[1]) v->dx[1] = dy_;                              \
    }                                                                \
    const wg_op wg_op_##id = {.name = #id,                           \
                              .onnx = onnx_,                         \
                              .doc = doc_,                           \
                              .arity = 2,                            \
                              .flags = WG_OP_IN_PLACE,               \
                              .dtypes = dtypes_,                     \
                              .domain = domain_,                     \
                              .infer = wg_infer_broadcast,           \
                              .cpu = id##_cpu,                       \
                              .block = id##_block,                   \
                              .grad = id##_grad,                     \
                              .rows = wg_rows_broadcast};            \
    wg_node    *wg_##id(wg_node *x, wg_node *y) { return wg_apply(&wg_op_##id, 2, (wg_node *[]){x, y}, NULL); }

static int infer_bool(wg_infer *c)
{
    *c->ydtype = WG_BOOL;
    return wg_infer_broadcast(c);
}
/* Gives no gradient: a comparison is constant wherever it is smooth. */
static void grad_flat(wg_adjoint *v) { (void)v; }

#define TO_BOOL(id, dtypes_, arity_, onnx_, doc_)  \
    KERNEL(id)                                     \
    const wg_op wg_op_##id = {.name = #id,         \
                              .onnx = onnx_,       \
                              .doc = doc_,         \
                              .arity = arity_,     \
                              .dtypes = dtypes_,   \
                              .infer = infer_bool, \
                              .cpu = id##_cpu,     \
                              .block = id##_block, \
                              .grad = grad_flat,   \
                              .rows = wg_rows_broadcast};
#define C(id, f, onnx_, doc_)                 \
    TO_BOOL(id, WG_DTYPE_ALL, 2, onnx_, doc_) \
    wg_node *wg_##id(wg_node *x, wg_node *y) { return wg_apply(&wg_op_##id, 2, (wg_node *[]){x, y}, NULL); }
#define L(id, f, onnx_, doc_)                          \
    TO_BOOL(id, WG_DTYPE_BIT(WG_BOOL), 2, onnx_, doc_) \
    wg_node *wg_##id(wg_node *x, wg_node *y) { return wg_apply(&wg_op_##id, 2, (wg_node *[]){x, y}, NULL); }

#include "ops/binary.def"

TO_BOOL(not, WG_DTYPE_BIT(WG_BOOL), 1, "Not", "y = not x")
wg_node *wg_not(wg_node *x) { return wg_apply(&wg_op_not, 1, &x, NULL); }

/* ---- where: c ? x : y ---- */

static int where_infer(wg_infer *c)
{
    if (c->dtype[0] != WG_BOOL)
        return wg_reject(c, WG_EDTYPE, "the condition is %s, not bool", wg_dtype_name(c->dtype[0]));
    if (c->dtype[1] != c->dtype[2])
        return wg_reject(c, WG_EDTYPE, "dtypes %s and %s differ", wg_dtype_name(c->dtype[1]),
                         wg_dtype_name(c->dtype[2]));
    *c->ydtype = c->dtype[1];
    int status = wg_broadcast(c, &c->x[0], &c->x[1], c->y);
    return status ? status : wg_broadcast(c, c->y, &c->x[2], c->y);
}
KERNEL(where)
static void where_grad(wg_adjoint *v)
{
    wg_node *zero = wg_lit(v->g[0], 0);
    if (v->need[1]) v->dx[1] = wg_where(v->x[0], v->g[0], zero);
    if (v->need[2]) v->dx[2] = wg_where(v->x[0], zero, v->g[0]);
}
/* Writes a choice between bools as logic, since runtimes choose between numbers only. */
static int where_onnx(wg_onnx_form *f)
{
    return wg_onnx_say(f, "%s", wg_node_dtype(f->y) == WG_BOOL ? "Or(And(x,y),And(Not(x),z))" : "Where");
}
/* Finds the rows of a choice. On an evaluation tape a choice by wg_training is its third operand, broadcast. */
static int where_rows(wg_stack *s)
{
    const wg_node *third = wg_node_operand(s->node, 2);
    if (wg_node_op(wg_node_operand(s->node, 0)) != &wg_op_training) return wg_rows_broadcast(s);
    s->unread = 1u << 1;
    if (s->x[2].axis < 0) return wg__rows_filled(s);
    *s->y = (wg_rows){s->x[2].axis + wg_node_shape(s->node)->rank - wg_node_shape(third)->rank, s->x[2].each};
    return 1;
}
const wg_op wg_op_where = {.name = "where",
                           .onnx = "Where",
                           .doc = "z = c ? x : y",
                           .arity = 3,
                           .infer = where_infer,
                           .cpu = where_cpu,
                           .block = where_block,
                           .grad = where_grad,
                           .to_onnx = where_onnx,
                           .rows = where_rows};
wg_node    *wg_where(wg_node *c, wg_node *x, wg_node *y)
{
    return wg_apply(&wg_op_where, 3, (wg_node *[]){c, x, y}, NULL);
}

/* ---- cast ---- */

static const wg_field cast_fields[] = {{"to", WG_FIELD_DTYPE, 0}, {0}};
static int            cast_infer(wg_infer *c)
{
    *c->ydtype = *(const wg_dtype *)c->attr;
    if (!wg_dtype_size(*c->ydtype)) return wg_reject(c, WG_EARG, "%d is no dtype", (int)*c->ydtype);
    return wg_infer_same(c);
}
static wg_block *cast_block(int n, const wg_dtype x[], wg_dtype y) { return (void)n, wg__kernels()->cast[x[0]][y]; }
static int       cast_cpu(wg_call *c) { return wg__loop_call(&wg_op_cast, c); }
static void      cast_grad(wg_adjoint *v)
{
    wg_dtype from = wg_node_dtype(v->x[0]);
    if (WG_DTYPE_BIT(from) & WG_DTYPE_REALS) v->dx[0] = wg_cast(v->g[0], from);
}
static int cast_onnx(wg_onnx_form *f)
{
    return wg_onnx_say(f, "Cast{to=%s}", wg_dtype_name(*(const wg_dtype *)f->attr));
}
const wg_op wg_op_cast = {.name = "cast",
                          .onnx = "Cast",
                          .doc = "x in another dtype",
                          .arity = 1,
                          .attr_size = sizeof(wg_dtype),
                          .fields = cast_fields,
                          .infer = cast_infer,
                          .cpu = cast_cpu,
                          .block = cast_block,
                          .grad = cast_grad,
                          .to_onnx = cast_onnx,
                          .rows = wg_rows_broadcast};
wg_node    *wg_cast(wg_node *x, wg_dtype t)
{
    return x && wg_node_dtype(x) == t ? wg__unchanged(x) : wg_apply(&wg_op_cast, 1, &x, &t);
}

/* ---- expand: NumPy broadcasting as an operator; fused, it costs nothing ---- */

static const wg_field expand_fields[] = {{"to", WG_FIELD_SHAPE, 0}, {0}};
static int            expand_infer(wg_infer *c)
{
    char            want[96], have[96];
    const wg_shape *to = c->attr;
    int             status = wg_broadcast(c, &c->x[0], to, c->y);
    if (status || !wg__shape_equal(c->y, to))
        return wg_reject(c, WG_ESHAPE, "%s does not broadcast to %s", wg__shape_str(c->g, &c->x[0], have, sizeof have),
                         wg__shape_str(c->g, to, want, sizeof want));
    return WG_OK;
}
static wg_block *expand_block(int n, const wg_dtype x[], wg_dtype y)
{
    return (void)n, (void)y, wg__kernels()->elementwise[WG__ROW_copy][x[0]];
}
static int  expand_cpu(wg_call *c) { return wg__loop_call(&wg_op_expand, c); }
static void expand_grad(wg_adjoint *v) { v->dx[0] = v->g[0]; } /* wg_grad sums it back */
static int  expand_onnx(wg_onnx_form *f)
{
    const wg_shape *to = wg_node_shape(f->y);
    wg_onnx_say(f, "Expand(x,");
    wg_onnx_say_dims(f, to->rank, to->dim);
    return wg_onnx_say(f, ")");
}
/* Finds the rows of the result: those of x, or copies of x where the shape has the symbol. */
static int  expand_rows(wg_stack *s) { return s->x[0].axis < 0 ? wg__rows_filled(s) : wg_rows_broadcast(s); }
const wg_op wg_op_expand = {.name = "expand",
                            .onnx = "Expand",
                            .doc = "x broadcast to a shape",
                            .arity = 1,
                            .attr_size = sizeof(wg_shape),
                            .fields = expand_fields,
                            .infer = expand_infer,
                            .cpu = expand_cpu,
                            .block = expand_block,
                            .grad = expand_grad,
                            .to_onnx = expand_onnx,
                            .rows = expand_rows};
wg_node    *wg_expand(wg_node *x, wg_shape s)
{
    if (x && !wg__shape_valid(wg_node_graph(x), "expand", &s)) return NULL;
    return x && wg__shape_equal(wg_node_shape(x), &s) ? wg__unchanged(x) : wg_apply(&wg_op_expand, 1, &x, &s);
}
