/* Matrix products.
 *
 *   MatMul  as numpy.matmul: a vector is a row on the left and a column on the
 *           right, and that axis is gone from the result
 *   Gemm    alpha op(A) op(B) + beta C, op a transpose where transA or transB is set
 *
 * Integers are sums of products of their own, which wrap as all their
 * arithmetic does. */
#include <math.h>
#include <string.h>

#include "onnx/import/import_impl.h"

static bool is_int(const wg_node *x) { return x && (WG_DTYPE_BIT(wg_node_dtype(x)) & WG_DTYPE_INTS) != 0; }

static int rank(const wg_node *x) { return wg_node_shape(x)->rank; }

/* [.., m, k, 1] times [.., 1, k, n], summed along k: exact, and never stored, since the tape sums as it multiplies. */
static wg_node *whole_product(wg_node *x, wg_node *y)
{
    return wg_sum(wg_mul(wg_unsqueeze(x, -1), wg_unsqueeze(y, -3)), WG_AXES(-2), 0);
}

static wg_node *product(wg_node *x, wg_node *y, bool tx, bool ty)
{
    if (!is_int(x) || !is_int(y)) return wg_matmul_t(x, y, tx, ty);
    return whole_product(tx ? wg_transpose(x, WG_AXES(1, 0)) : x, ty ? wg_transpose(y, WG_AXES(1, 0)) : y);
}

static int matmul(struct wg__in *c)
{
    wg_node *x = wg__in_node(c, 0), *y = wg__in_node(c, 1);
    if (!x || !y) return wg__out_node(c, 0, NULL);
    if (rank(x) == 0 || rank(y) == 0) return wg__malformed(c, "a product with a scalar");
    wg_node *a = rank(x) == 1 ? wg_unsqueeze(x, 0) : x, *b = rank(y) == 1 ? wg_unsqueeze(y, 1) : y;
    wg_node *z = product(a, b, false, false);
    if (rank(y) == 1) z = wg_squeeze(z, -1);
    if (rank(x) == 1) z = wg_squeeze(z, rank(y) == 1 ? -1 : -2);
    return wg__out_node(c, 0, z);
}

/* Multiplies x by a factor. Integers times a fraction go through f64. */
static wg_node *scale_by(wg_node *x, double factor)
{
    bool whole = factor == floor(factor) && fabs(factor) < 0x1p53;
    if (factor == 1 || !x) return x;
    return is_int(x) && !whole ? wg_cast(wg_scale(wg_cast(x, WG_F64), factor), wg_node_dtype(x)) : wg_scale(x, factor);
}

/* product + term; the term's shape may not make the product wider. NULL on failure, with a complaint unless an operand
 * itself failed. */
static wg_node *add_term(struct wg__in *c, wg_node *product, wg_node *term)
{
    char     have[96], want[96];
    wg_node *sum = wg_add(product, term);
    if (!sum || wg__shape_equal(wg_node_shape(sum), wg_node_shape(product))) return sum;
    if (wg__shapes_may_equal(c->g, wg_node_shape(sum), wg_node_shape(product)))
        return wg_reshape(sum, *wg_node_shape(product)); /* found out with the sizes */
    wg__malformed(c, "C is %s, which does not broadcast to %s",
                  wg__shape_str(c->g, wg_node_shape(term), have, sizeof have),
                  wg__shape_str(c->g, wg_node_shape(product), want, sizeof want));
    return NULL;
}

/* Transposes a matrix of `rows` rows. */
static void transpose_values(char *y, const char *x, int64_t rows, int64_t cols, size_t size)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            memcpy(y + (size_t)(j * rows + i) * size, x + (size_t)(i * cols + j) * size, size);
}

/* Makes a constant of input 1, a matrix, transposed. NULL if its values are not known, or memory is short. */
static wg_node *transposed_constant(struct wg__in *c)
{
    wg_array known, other = {0};
    wg_node *y = NULL;
    if (!wg__in_known(c, 1, &known)) return NULL;
    if (!wg_array_new(&other, known.dtype, WG_SHAPE(known.shape.dim[1], known.shape.dim[0]))) {
        transpose_values(other.data, known.data, known.shape.dim[0], known.shape.dim[1], wg_dtype_size(known.dtype));
        y = wg_const(c->g, other.dtype, other.shape, other.data);
    }
    wg_array_free(&other);
    wg__data_free(known.data);
    return y;
}

/* Returns input 1. A constant that is stored as [out, in] is transposed here once instead of in each
 * run (*tb becomes false): a model for inference need not keep the file's layout. */
static wg_node *read_weight(struct wg__in *c, bool *tb)
{
    struct wg__import_value *b = wg__value_in(c, 1);
    if (!*tb || !c->options->constants || !b || !b->tensor || b->tensor->rank != 2) return wg__in_node(c, 1);
    if (!b->turned) b->turned = transposed_constant(c);
    *tb = !b->turned;
    return b->turned ? b->turned : wg__in_node(c, 1);
}

static int gemm(struct wg__in *c)
{
    double   alpha = wg__attr_real(c, "alpha", 1), beta = wg__attr_real(c, "beta", 1);
    bool     ta = wg__attr_int(c, "transA", 0) != 0, tb = wg__attr_int(c, "transB", 0) != 0;
    wg_node *a = wg__in_node(c, 0), *b = read_weight(c, &tb);
    if (!a || !b) return wg__out_node(c, 0, NULL);
    if (rank(a) != 2 || rank(b) != 2) return wg__malformed(c, "A and B have ranks %d and %d, not 2", rank(a), rank(b));
    wg_node *y = scale_by(product(a, b, ta, tb), alpha);
    if (y && wg__in_has(c, 2) && beta != 0) {
        wg_node *term = scale_by(wg__in_node(c, 2), beta);
        y = add_term(c, y, term);
    }
    return wg__out_node(c, 0, y);
}

const struct wg__row wg__rows_product[] = {
    {"MatMul", 1, "2", "", matmul, "1"},
    /* broadcast: C of fewer axes is allowed, which it is here in any case. */
    {"Gemm", 1, "3", "alpha beta transA transB broadcast", gemm, "12"},
    {"Gemm", 7, "3", "alpha beta transA transB", gemm, "12"},
    {"Gemm", 11, "2-3", "alpha beta transA transB", gemm, "12"},
    {0},
};
