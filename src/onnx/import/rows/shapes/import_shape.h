/* import_shape.h - what the rows for shapes, pieces and indices have in common.
 *
 * Many of these rows work on lists of integers as well as on nodes: a chain
 * Shape -> Gather -> Concat -> Reshape is folded while the model is loaded, and
 * its numbers may be symbolic dimensions. */
#ifndef WENGERT_ONNX_IMPORT_SHAPE_H
#define WENGERT_ONNX_IMPORT_SHAPE_H

#include "onnx/import/import.h"

enum { WG__MAX_INDICES = 1 << 24 }; /* of one list of constant indices, one mask */

/* A value that is known: rank 1, or rank 0 with v.n = 1. */
struct wg__list {
    struct wg__ints v;
    wg_dtype        dtype;
    bool            rank0;
};
/* Gives input i as a list if it can be folded; false without a complaint if not. wg__out_list makes
 * output i a list. */
bool wg__in_list(struct wg__in *c, int i, struct wg__list *to);
int  wg__out_list(struct wg__in *c, int i, const struct wg__list *l);

/* Gives input i as a node. Returns WG_OK, or a status whose reason was given. */
int wg__in_operand(struct wg__in *c, int i, wg_node **x);
/* Gives the shape of input i, without making a node if it is a list. */
int wg__in_operand_shape(struct wg__in *c, int i, wg_shape *s);
/* Reads a list of axes or sizes from the attribute before opset `since`, from input i after it; n = -1
 * where there is none. Returns WG_OK, or a status. */
int wg__in_moved(struct wg__in *c, const char *name, int since, int i, struct wg__ints *to);
/* Reads a list of sizes, symbols and -1 from input i, which is a shape. Returns WG_OK, or a status. */
int wg__in_dims(struct wg__in *c, int i, const char *what, struct wg__ints *to);

/* Multiplies or divides dimensions; complains where there is no result. */
int wg__in_mul(struct wg__in *c, int64_t a, int64_t b, int64_t *y);
int wg__in_div(struct wg__in *c, int64_t a, int64_t b, int64_t *y);
/* Multiplies the dimensions from..to-1 of s. */
int wg__in_extent(struct wg__in *c, const wg_shape *s, int from, int to, int64_t *y);

/* Counts the elements from..to-1 of a list or axis of n elements, in steps, as Python does; *start
 * becomes the first of them. */
int64_t wg__list_range(int64_t n, int64_t *start, int64_t stop, int64_t step);

/* Counts the steps that reach over `width` elements, which may be symbolic; 0 where the width is below 0. */
int wg__in_range_count(struct wg__in *c, int64_t width, int64_t step, int64_t *n);

/* Moves the last axis of x to the place `axis`. */
wg_node *wg__last_to(wg_node *x, int axis);

int wg__row_slice(struct wg__in *c);
int wg__row_concat(struct wg__in *c);
int wg__row_split(struct wg__in *c);
int wg__row_tile(struct wg__in *c);
int wg__row_pad(struct wg__in *c);
int wg__row_transpose(struct wg__in *c);
int wg__row_depth_to_space(struct wg__in *c);
int wg__row_space_to_depth(struct wg__in *c);
int wg__row_trilu(struct wg__in *c);
int wg__row_cumsum(struct wg__in *c);

#endif
