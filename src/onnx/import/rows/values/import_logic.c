/* Comparisons, logic, choices, and changes of dtype. */
#include <math.h>
#include <strings.h>

#include "onnx/import/rows/shapes/import_fold.h"

typedef wg_node *two(wg_node *x, wg_node *y);

static int compare(struct wg__in *c, two *f, wg__fold *folded)
{
    if (wg__fold_ints(c, 2, folded, WG_BOOL)) return WG_OK;
    wg_node *x = wg__in_node(c, 0), *y = wg__in_broadcast(c, x, wg__in_node(c, 1));
    return wg__out_node(c, 0, f(x, y));
}

static int equal(struct wg__in *c) { return compare(c, wg_equal, wg__fold_equal); }
static int less(struct wg__in *c) { return compare(c, wg_less, wg__fold_less); }
static int less_equal(struct wg__in *c) { return compare(c, wg_less_equal, wg__fold_less_equal); }
static int greater(struct wg__in *c) { return compare(c, wg_greater, wg__fold_greater); }
static int greater_equal(struct wg__in *c) { return compare(c, wg_greater_equal, wg__fold_greater_equal); }
static int and_(struct wg__in *c) { return compare(c, wg_and, wg__fold_and); }
static int or_(struct wg__in *c) { return compare(c, wg_or, wg__fold_or); }
static int xor_(struct wg__in *c) { return compare(c, wg_xor, wg__fold_xor); }

static int not_(struct wg__in *c)
{
    if (wg__fold_ints(c, 1, wg__fold_not, WG_BOOL)) return WG_OK;
    return wg__out_node(c, 0, wg_not(wg__in_node(c, 0)));
}

static int where(struct wg__in *c)
{
    if (wg__fold_ints(c, 3, wg__fold_where, wg__in_dtype(c, 1))) return WG_OK;
    wg_node *which = wg__in_node(c, 0), *x = wg__in_node(c, 1), *y = wg__in_node(c, 2);
    return wg__out_node(c, 0, wg_where(which, x, y));
}

/* Computes x != x, which only NaN does. */
static int is_nan(struct wg__in *c)
{
    wg_node *x = wg__in_node(c, 0);
    return wg__out_node(c, 0, wg_not_equal(x, x));
}

static int is_inf(struct wg__in *c)
{
    bool     below = wg__attr_int(c, "detect_negative", 1) != 0, above = wg__attr_int(c, "detect_positive", 1) != 0;
    wg_node *x = wg__in_node(c, 0), *y = x;
    if (below && above) y = wg_abs(x);
    wg_node *is = wg_equal(y, wg_lit(x, below && !above ? -INFINITY : INFINITY));
    return wg__out_node(c, 0, below || above ? is : wg_and(is, wg_not(is)));
}

/* ---- Casts ---- */

static int cast_to(struct wg__in *c, wg_dtype t)
{
    if (wg__fold_ints(c, 1, t == WG_BOOL ? wg__fold_truth : wg__fold_same, t)) return WG_OK;
    return wg__out_node(c, 0, wg_cast(wg__in_node(c, 0), t));
}

static int cast(struct wg__in *c)
{
    if (!wg__attr_has(c, "to")) return wg__malformed(c, "attribute 'to' is missing");
    wg_dtype t = wg__attr_dtype(c, "to", WG_DTYPES);
    return t == WG_DTYPES ? WG_EARG : cast_to(c, t);
}

/* Casts before opset 6, where the dtype is a word: "FLOAT". */
static int cast_1(struct wg__in *c)
{
    const char *word = wg__attr_text(c, "to", "");
    for (int t = 0; t < WG_DTYPES; t++)
        if (strcasecmp(word, wg__onnx_dtype_name(wg__onnx_dtype_out((wg_dtype)t))) == 0) return cast_to(c, (wg_dtype)t);
    return wg__unsupported(c, "%.40s tensors", word);
}

static int cast_like(struct wg__in *c)
{
    wg_dtype t = wg__in_dtype(c, 1);
    return t == WG_DTYPES ? wg__malformed(c, "input 1 is left out") : cast_to(c, t);
}

#define COMPARE(op, make) \
    {op, 1, "2", "axis broadcast", make, NULL}, { op, 7, "2", "", make, NULL }

const struct wg__row wg__rows_logic[] = {
    COMPARE("And", and_),
    COMPARE("Equal", equal),
    COMPARE("Greater", greater),
    COMPARE("Less", less),
    COMPARE("Or", or_),
    COMPARE("Xor", xor_),
    {"GreaterOrEqual", 12, "2", "", greater_equal, NULL},
    {"LessOrEqual", 12, "2", "", less_equal, NULL},
    {"Not", 1, "1", "", not_, NULL},
    {"Where", 9, "3", "", where, NULL},
    {"IsInf", 10, "1", "detect_negative detect_positive", is_inf, NULL},
    {"IsNaN", 9, "1", "", is_nan, NULL},
    {"Cast", 1, "1", "to", cast_1, NULL},
    {"Cast", 6, "1", "to", cast, NULL},
    {"Cast", 19, "1", "to saturate", cast, NULL},            /* saturate: for dtypes of 8 bits only */
    {"Cast", 24, "1", "to saturate round_mode", cast, NULL}, /* likewise */
    {"CastLike", 15, "2", "", cast_like, NULL},
    {"CastLike", 19, "2", "saturate", cast_like, NULL},
    {"CastLike", 24, "2", "saturate round_mode", cast_like, NULL},
    {0},
};
