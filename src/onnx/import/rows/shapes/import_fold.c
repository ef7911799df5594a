/* Lists of integers and symbolic dimensions: which operands are some, and arithmetic on their elements. */
#include "onnx/import/rows/shapes/import_fold.h"

struct operand {
    const struct wg__ints *list;
    int                    rank;
};

static bool fits(int64_t v, wg_dtype t)
{
    return t == WG_I32 ? v >= INT32_MIN && v <= INT32_MAX : t != WG_BOOL || v == 0 || v == 1;
}

/* Computes one element. False if the result reads like a symbol and is none, or the dtype does not hold it. */
static bool fold_element(wg_infer *c, wg__fold *f, const int64_t x[], int n, wg_dtype t, int64_t *y)
{
    bool symbols = false;
    for (int k = 0; k < n; k++) symbols |= wg__like_symbol(x[k]);
    if (!f(c, x, y)) return false;
    return wg__like_symbol(*y) ? symbols : fits(*y, t);
}

static bool operands(struct wg__in *c, int n, struct operand x[], int *length, int *rank)
{
    *length = 1;
    *rank = 0;
    for (int k = 0; k < n; k++) {
        struct wg__import_value *v = wg__value_in(c, k);
        x[k].list = v ? wg__value_ints(c->import, v) : NULL;
        if (!x[k].list) return false;
        for (int i = 0; x[k].list->raw && i < x[k].list->n; i++)
            if (wg__like_symbol(x[k].list->at[i])) return false;
        x[k].rank = v->ints_rank;
        int m = x[k].list->n;
        if (m != 1 && *length != 1 && m != *length) return false;
        if (m != 1) *length = m;
        if (x[k].rank > *rank) *rank = x[k].rank;
    }
    return true;
}

bool wg__fold_ints(struct wg__in *c, int n, wg__fold *f, wg_dtype t)
{
    struct operand  x[WG__MAX_FOLD_ARITY];
    struct wg__ints y = {0};
    wg_infer        infer = {.g = c->g};
    int             rank;
    if (n > WG__MAX_FOLD_ARITY || !(WG_DTYPE_BIT(t) & (WG_DTYPE_INTS | WG_DTYPE_BIT(WG_BOOL))) ||
        !operands(c, n, x, &y.n, &rank))
        return false;
    for (int i = 0; i < y.n; i++) {
        int64_t at[WG__MAX_FOLD_ARITY];
        for (int k = 0; k < n; k++) at[k] = x[k].list->at[x[k].list->n == 1 ? 0 : i];
        if (!fold_element(&infer, f, at, n, t, &y.at[i])) return false;
    }
    return wg__out_ints(c, 0, &y, t, rank == 0) == WG_OK;
}

/* ---- Elements ---- */

static bool symbol(int64_t a) { return wg__like_symbol(a); }
static bool symbols(const int64_t x[]) { return symbol(x[0]) || symbol(x[1]); }
bool        wg__fold_add(wg_infer *c, const int64_t x[], int64_t *y)
{
    if (symbols(x)) return wg_dim_add(c, x[0], x[1], y) == WG_OK;
    return !__builtin_add_overflow(x[0], x[1], y);
}
bool wg__fold_sub(wg_infer *c, const int64_t x[], int64_t *y)
{
    if (symbols(x)) return wg__dim_sub(c, x[0], x[1], y) == WG_OK;
    return !__builtin_sub_overflow(x[0], x[1], y);
}
bool wg__fold_mul(wg_infer *c, const int64_t x[], int64_t *y)
{
    if (symbols(x)) return wg_dim_mul(c, x[0], x[1], y) == WG_OK;
    return !__builtin_mul_overflow(x[0], x[1], y);
}
bool wg__fold_div(wg_infer *c, const int64_t x[], int64_t *y)
{
    if (x[1] == 0 || (x[1] == -1 && x[0] == INT64_MIN)) return false;
    if (symbols(x)) return wg__dim_floor(c, x[0], x[1], y) == WG_OK;
    *y = x[0] / x[1];
    return true;
}

/* Compares x[0] and x[1]: *y is -1, 0 or 1, and *strict says that this is certain; else "or equal" has
 * to be added to it. False if nothing is known. */
static bool order(const wg_infer *c, const int64_t x[], int *y, bool *strict)
{
    *strict = true;
    *y = (x[0] > x[1]) - (x[0] < x[1]);
    if (x[0] == x[1] || !symbols(x)) return true;
    if (symbol(x[0]) == symbol(x[1])) return false;
    int64_t number = symbol(x[0]) ? x[1] : x[0], least = wg__dim_least(c->g, symbol(x[0]) ? x[0] : x[1]);
    *y = symbol(x[0]) ? 1 : -1;
    *strict = number < least;
    return number <= least;
}
static bool pick(const wg_infer *c, const int64_t x[], int wanted, int64_t *y)
{
    int  o;
    bool strict, known = order(c, x, &o, &strict);
    *y = o == wanted ? x[0] : x[1];
    return known;
}
bool wg__fold_min(wg_infer *c, const int64_t x[], int64_t *y) { return pick(c, x, -1, y); }
bool wg__fold_max(wg_infer *c, const int64_t x[], int64_t *y) { return pick(c, x, 1, y); }

/* Compares: *y is 1 if the order is `wanted`, or equal with `equal`. False if symbols leave that open. */
static bool compare(const wg_infer *c, const int64_t x[], int wanted, bool equal, int64_t *y)
{
    int  o;
    bool strict, known = order(c, x, &o, &strict);
    *y = o == wanted || (equal && o == 0);
    return known && (strict || (o == wanted ? equal : !equal));
}
bool wg__fold_less(wg_infer *c, const int64_t x[], int64_t *y) { return compare(c, x, -1, false, y); }
bool wg__fold_less_equal(wg_infer *c, const int64_t x[], int64_t *y) { return compare(c, x, -1, true, y); }
bool wg__fold_greater(wg_infer *c, const int64_t x[], int64_t *y) { return compare(c, x, 1, false, y); }
bool wg__fold_greater_equal(wg_infer *c, const int64_t x[], int64_t *y) { return compare(c, x, 1, true, y); }
bool wg__fold_equal(wg_infer *c, const int64_t x[], int64_t *y)
{
    int  o;
    bool strict, known = order(c, x, &o, &strict);
    *y = o == 0;
    return known && strict;
}

bool wg__fold_neg(wg_infer *c, const int64_t x[], int64_t *y) { return wg__fold_sub(c, (int64_t[]){0, x[0]}, y); }
bool wg__fold_abs(wg_infer *c, const int64_t x[], int64_t *y)
{
    if (symbol(x[0])) {
        *y = x[0];
        return wg__dim_least(c->g, x[0]) >= 0;
    }
    if (x[0] < 0) return wg__fold_neg(c, x, y);
    *y = x[0];
    return true;
}
bool wg__fold_same(wg_infer *c, const int64_t x[], int64_t *y)
{
    (void)c;
    *y = x[0];
    return true;
}
bool wg__fold_truth(wg_infer *c, const int64_t x[], int64_t *y)
{
    (void)c;
    *y = x[0] != 0;
    return !symbol(x[0]);
}
bool wg__fold_and(wg_infer *c, const int64_t x[], int64_t *y)
{
    (void)c;
    *y = x[0] && x[1];
    return true;
}
bool wg__fold_or(wg_infer *c, const int64_t x[], int64_t *y)
{
    (void)c;
    *y = x[0] || x[1];
    return true;
}
bool wg__fold_xor(wg_infer *c, const int64_t x[], int64_t *y)
{
    (void)c;
    *y = !x[0] != !x[1];
    return true;
}
bool wg__fold_not(wg_infer *c, const int64_t x[], int64_t *y)
{
    (void)c;
    *y = !x[0];
    return true;
}
bool wg__fold_where(wg_infer *c, const int64_t x[], int64_t *y)
{
    (void)c;
    *y = x[0] ? x[1] : x[2];
    return true;
}
