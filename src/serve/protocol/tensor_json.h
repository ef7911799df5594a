/* tensor_json.h - tensors in JSON: numbers go straight from the text into memory, and back. */
#ifndef WENGERT_SERVE_TENSOR_JSON_H
#define WENGERT_SERVE_TENSOR_JSON_H

#include <wengert/graph.h>

#include "base/json/json.h"

/* ---- In (tensor_read.c) ---- */

/* Elements as they come; grows, and can be used again without growing.  All
 * zero at the start; released by wg__json_data_free. */
struct wg__json_data {
    void              *data; /* 64-byte aligned */
    size_t             size; /* bytes there are */
    wg_shape           shape;
    struct wg__budget *budget; /* which the bytes are taken from; NULL: none */
};
/* Makes room for `size` bytes, of which the first `used` stay; false if memory is short. */
bool wg__json_data_reserve(struct wg__json_data *d, size_t used, size_t size);
/* Reads a value, or lists nested up to rank 8 that are all of one length at each depth, as a tensor of dtype t:
 * numbers, or true and false for bool.  A ragged list, an element of another kind, a number out of range of an integer
 * dtype, and a fraction where an integer belongs are errors with offset. */
bool wg__json_tensor(struct wg__json *j, wg_dtype t, struct wg__json_data *to);
void wg__json_data_free(struct wg__json_data *d);

/* ---- Out (tensor_write.c) ---- */

/* Writes dense data as nested lists of the shape; rank 0 is the value alone. */
void wg__text_tensor(struct wg__text *t, wg_dtype type, const wg_shape *s, const void *data);
/* Writes the n elements as one flat list; in the second form, null stands for what is not finite. */
void wg__text_flat(struct wg__text *t, wg_dtype type, int64_t n, const void *data);
void wg__text_flat_null(struct wg__text *t, wg_dtype type, int64_t n, const void *data);
/* Tells whether all n elements are numbers that JSON has: no NaN, no infinity. */
bool wg__all_finite(wg_dtype type, int64_t n, const void *data);

#endif
