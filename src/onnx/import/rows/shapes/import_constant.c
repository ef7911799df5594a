/* Constants, ranges and other values that are made without a tensor's elements; and Identity. */
#include <math.h>
#include <string.h>

#include "onnx/import/rows/shapes/import_fold.h"
#include "onnx/import/rows/shapes/import_shape.h"

/* ---- Constant ---- */

static int out_integers(struct wg__in *c, const int64_t *v, int n, bool rank0)
{
    struct wg__ints list = {.n = n, .raw = true};
    if (n > WG__MAX_INTS) return wg__out_node(c, 0, wg_const(c->g, WG_I64, WG_SHAPE(n), v));
    if (n) memcpy(list.at, v, (size_t)n * sizeof *v);
    return wg__out_ints(c, 0, &list, WG_I64, rank0);
}

/* Makes the constant of a node Constant: the attribute's name says of which type it is. */
static int constant(struct wg__in *c)
{
    const struct wg__onnx_attr *a;
    if ((a = wg__attr_find(c, "value")) && a->tensor) return wg__out_tensor(c, 0, a->tensor);
    if ((a = wg__attr_find(c, "value_float"))) return wg__out_node(c, 0, wg_const(c->g, WG_F32, (wg_shape){0}, &a->f));
    if ((a = wg__attr_find(c, "value_floats")))
        return wg__out_node(c, 0, wg_const(c->g, WG_F32, (wg_shape){1, {a->n_floats}}, a->floats));
    if ((a = wg__attr_find(c, "value_int"))) return out_integers(c, &a->i, 1, true);
    if ((a = wg__attr_find(c, "value_ints"))) return out_integers(c, a->ints, a->n_ints, false);
    return wg__malformed(c, "it has no value");
}

/* ---- ConstantOfShape ---- */

/* Reads the one element of the attribute `value` as a scalar; float 0 where there is none. NULL with a
 * complaint. */
static wg_node *read_element(struct wg__in *c)
{
    const struct wg__onnx_attr *a = wg__attr_find(c, "value");
    wg_node                    *x = NULL;
    wg_array                    v;
    if (!a) return wg_scalar(c->g, WG_F32, 0);
    if (!a->tensor) return wg__malformed(c, "attribute 'value' is no tensor"), NULL;
    if (wg__onnx_dtype_in(a->tensor->dtype) == WG_DTYPES)
        return wg__unsupported(c, "%s tensors", wg__onnx_dtype_name(a->tensor->dtype)), NULL;
    if (!wg__tensor_known(c->import, a->tensor, "value", &v)) return NULL;
    if (wg_count(&v.shape) == 1) x = wg_const(c->g, v.dtype, (wg_shape){0}, v.data);
    else wg__malformed(c, "attribute 'value' is not one number");
    wg__data_free(v.data);
    return x;
}

/* Makes output 0 a list if it is a short vector of integers, so that what is computed from it folds.
 * False if not. */
static bool out_as_list(struct wg__in *c, const wg_node *x, const wg_shape *s)
{
    bool small = s->rank == 0 || (s->rank == 1 && s->dim[0] >= 0 && s->dim[0] <= WG__MAX_INTS);
    if (!small || !(WG_DTYPE_BIT(x->dtype) & WG_DTYPE_INTS)) return false;
    struct wg__ints y = {.n = (int)(s->rank ? s->dim[0] : 1), .raw = true};
    int64_t         v = x->dtype == WG_I64 ? *(const int64_t *)x->data : *(const int32_t *)x->data;
    for (int i = 0; i < y.n; i++) y.at[i] = v;
    return wg__out_ints(c, 0, &y, wg_node_dtype(x), s->rank == 0) == WG_OK;
}

static int constant_of_shape(struct wg__in *c)
{
    struct wg__ints dims;
    wg_shape        s;
    if (!wg__in_need_ints(c, 0, "the shape", &dims) || !wg__in_shape(c, &dims, &s)) return WG_EARG;
    wg_node *x = read_element(c);
    if (x && out_as_list(c, x, &s)) return WG_OK;
    return wg__out_node(c, 0, x ? wg_expand(x, s) : NULL);
}

/* ---- Identity, Range, EyeLike ---- */

static int identity(struct wg__in *c)
{
    if (wg__fold_ints(c, 1, wg__fold_same, wg__in_dtype(c, 0))) return WG_OK;
    return wg__out_node(c, 0, wg__in_node(c, 0));
}

/* Checks that n numbers are not too many to make. */
static bool check_count(struct wg__in *c, double n)
{
    if (n >= 0 && n <= WG__MAX_FOLD) return true;
    wg__unsupported(c, "%g numbers, over %d", n, WG__MAX_FOLD);
    return false;
}

/* n reals of dtype t from first on, by step. */
static wg_node *reals(struct wg__in *c, wg_dtype t, double n, double first, double step)
{
    char *data = check_count(c, n) ? wg__in_data(c, (int64_t)n, t) : NULL;
    if (!data) return NULL;
    for (int64_t i = 0; i < (int64_t)n; i++) wg__store(t, data, i, first + (double)i * step);
    wg_node *y = wg_const(c->g, t, WG_SHAPE((int64_t)n), data);
    wg__data_free(data);
    return y;
}

static const char *const parts[] = {"start", "limit", "delta"};

/* Makes a range in which start or limit is a symbol. */
static int range_open(struct wg__in *c, wg_dtype t, const int64_t v[3])
{
    int64_t  n;
    wg_infer why = {.g = c->g};
    if (!wg__dim_is_number(c->g, v[2]) || v[2] == INT64_MIN)
        return wg__unsupported(c, "delta has to be known when the model is loaded");
    if (v[2] < 0 ? wg__dim_sub(&why, v[0], v[1], &n) : wg__dim_sub(&why, v[1], v[0], &n))
        return wg__unsupported(c, "%s", why.why);
    int status = wg__in_range_count(c, n, v[2] < 0 ? -v[2] : v[2], &n);
    if (status) return status;
    wg_node *y = wg__in_iota(c, n, 0, v[2]);
    return wg__out_node(c, 0, wg_cast(v[0] == 0 ? y : wg_add(y, wg__in_dim(c, WG_I64, v[0])), t));
}

/* max(ceil((limit - start) / delta), 0) */
static int range_whole(struct wg__in *c, wg_dtype t)
{
    int64_t v[3];
    bool    open = false, unclear = false;
    for (int i = 0; i < 3; i++) {
        struct wg__ints list;
        if (!wg__in_need_ints(c, i, parts[i], &list)) return WG_EARG;
        if (list.n != 1) return wg__malformed(c, "%s is not one number", parts[i]);
        v[i] = list.at[0];
        open = open || wg__is_symbol(&list, 0);
        unclear = unclear || wg__is_unclear(&list, 0);
    }
    if (!v[2]) return wg__malformed(c, "delta is 0");
    if (open && unclear) return wg__unsupported(c, "a number of -1000 or less beside a symbol");
    if (open) return range_open(c, t, v);
    bool     up = v[2] > 0, none = up ? v[1] <= v[0] : v[1] >= v[0];
    uint64_t span = up ? (uint64_t)v[1] - (uint64_t)v[0] : (uint64_t)v[0] - (uint64_t)v[1];
    uint64_t step = up ? (uint64_t)v[2] : -(uint64_t)v[2];
    double   n = none ? 0 : (double)((span - 1) / step + 1);
    if (n > WG__MAX_INTS)
        return wg__out_node(c, 0, check_count(c, n) ? wg_cast(wg__in_iota(c, (int64_t)n, v[0], v[2]), t) : NULL);
    struct wg__ints y = {.n = (int)n, .raw = true};
    for (int i = 0; i < y.n; i++) y.at[i] = (int64_t)((uint64_t)v[0] + (uint64_t)i * (uint64_t)v[2]);
    return wg__out_ints(c, 0, &y, t, false);
}

static int range(struct wg__in *c)
{
    double   v[3];
    wg_dtype t = wg__in_dtype(c, 0);
    if (t != WG_DTYPES && WG_DTYPE_BIT(t) & WG_DTYPE_INTS) return range_whole(c, t);
    for (int i = 0; i < 3; i++)
        if (!wg__in_need_real(c, i, parts[i], &v[i])) return WG_EARG;
    if (v[2] == 0) return wg__malformed(c, "delta is 0");
    double n = ceil((v[1] - v[0]) / v[2]);
    return wg__out_node(c, 0, reals(c, t, n < 0 ? 0 : n, v[0], v[2]));
}

/* 1 where the column is k more than the row */
static int eye_like(struct wg__in *c)
{
    wg_node *x = wg__in_node(c, 0);
    if (!x) return wg__out_node(c, 0, NULL);
    const wg_shape *s = wg_node_shape(x);
    int64_t         k = wg__attr_int(c, "k", 0);
    wg_dtype        t = wg__attr_dtype(c, "dtype", wg_node_dtype(x));
    if (t == WG_DTYPES) return WG_EARG;
    if (s->rank != 2) return wg__malformed(c, "a tensor of rank %d, not 2", s->rank);
    if ((s->dim[0] >= 0 && !check_count(c, (double)s->dim[0])) ||
        (s->dim[1] >= 0 && !check_count(c, (double)s->dim[1])))
        return WG_EARG;
    wg_node *row = wg__in_iota(c, s->dim[0], k, 1);
    wg_node *column = wg__in_iota(c, s->dim[1], 0, 1);
    wg_node *is = wg_equal(wg_unsqueeze(row, 1), column);
    return wg__out_node(c, 0, wg_cast(is, t));
}

const struct wg__row wg__rows_constant[] = {
    {"Constant", 1, "0", "value", constant, NULL},
    {"Constant", 12, "0", "value value_float value_floats value_int value_ints", constant, NULL},
    {"ConstantOfShape", 9, "1", "value", constant_of_shape, "k0"},
    {"EyeLike", 9, "1", "dtype k", eye_like, NULL},
    {"Identity", 1, "1", "", identity, NULL},
    {"Range", 11, "3", "", range, "k012"},
    {"Range", 27, "3", "stash_type", range, "k012"}, /* stash_type: for dtypes of 16 bits only */
    {0},
};
