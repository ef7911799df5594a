/* import_fold.h - integer arithmetic on lists that may hold symbolic dimensions. */
#ifndef WENGERT_ONNX_IMPORT_FOLD_H
#define WENGERT_ONNX_IMPORT_FOLD_H

#include "onnx/import/import_impl.h"

/* Computes one element of a result from operands that are numbers or symbols. False where the result
 * is neither a number nor a symbol, or has more than 64 bits. */
typedef bool wg__fold(wg_infer *c, const int64_t x[], int64_t *y);
enum { WG__MAX_FOLD_ARITY = 3 };

/* Makes output 0 a list in dtype t if the node's n operands are lists. False: it was not made. */
bool wg__fold_ints(struct wg__in *c, int n, wg__fold *f, wg_dtype t);

/* A symbol is a size, so it is 0 or more; what follows from that is known. */
wg__fold wg__fold_add, wg__fold_sub, wg__fold_mul, wg__fold_div, wg__fold_min, wg__fold_max, wg__fold_neg, wg__fold_abs,
    wg__fold_equal, wg__fold_less, wg__fold_less_equal, wg__fold_greater, wg__fold_greater_equal, wg__fold_and,
    wg__fold_or, wg__fold_xor, wg__fold_not, wg__fold_where, wg__fold_same, wg__fold_truth;

#endif
