/* walk.h - how a dense tensor is walked when a set of axes is reduced; C, and C++ for src/cuda. */
#ifndef WENGERT_OPS_WALK_H
#define WENGERT_OPS_WALK_H

#include <stdbool.h>

#include <wengert/graph_op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Axes from the slowest to the fastest, with their strides in elements. Axes that are neighbours in memory are merged;
 * axes of size 1 are left out. */
struct wg__walk_axes {
    int     rank;
    int64_t n; /* product of dim */
    int64_t dim[WG_MAX_RANK], step[WG_MAX_RANK];
};
/* The axes that stay in the result, and the axes that are reduced away. */
struct wg__walk {
    struct wg__walk_axes stay, go;
};
/* Sorts the axes of x into w; in[i] says whether axis i is reduced. */
void wg__walk_of(const wg_shape *x, const bool in[WG_MAX_RANK], struct wg__walk *w);
/* Gives the place of element i of the axes, counted row-major. */
int64_t wg__walk_at(const struct wg__walk_axes *a, int64_t i);
/* Counts the results in a row whose elements are neighbours in x: 1 unless the last axis stays. */
int64_t wg__walk_run(const struct wg__walk *w);
/* Finds the largest element in each of `cols` neighbouring columns along the reduced axes, from x[at] on: the first of
 * equals, or the first NaN. best[j] is its place in x, index[j] its number in column j. */
void wg__largest(const wg_tensor *x, const struct wg__walk_axes *go, int64_t at, int64_t cols, int64_t *best,
                 int64_t *index);

#ifdef __cplusplus
}
#endif
#endif
