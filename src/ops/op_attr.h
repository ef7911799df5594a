/* op_attr.h - the attributes of structured operators that a device has kernels for; C, and C++ for src/cuda.
 *
 * An operator's file shows them by the field table of its wg_op. What is a size is a shape, so that symbols are bound.
 */
#ifndef WENGERT_OP_ATTR_H
#define WENGERT_OP_ATTR_H

#include <wengert/graph_op.h>

struct wg__reduce_attr { /* sum prod max min logsumexp max_with_index moments */
    wg_axes axes;
    int     keep;
};
struct wg__argmax_attr {
    int axis, keep;
};
struct wg__top_k_attr {
    int     axis, smallest;
    int64_t k;
};
struct wg__split_attr {
    int      axis;
    wg_longs size;
};
struct wg__axis_attr { /* softmax (the last axis) log_softmax gather concat */
    int axis;
};
struct wg__one_hot_index_attr {
    wg_shape size; /* [size] */
};
struct wg__scatter_add_attr {
    int      axis;
    wg_shape to;
};
struct wg__transpose_attr {
    wg_axes perm;
};
struct wg__slice_attr {
    int      axis;
    wg_shape range; /* low, count */
    int64_t  step;
};
struct wg__pad_attr {
    wg_shape before;
    wg_list  stride;
    wg_shape to;
    double   value;
};
struct wg__size_attr {
    wg_axes axes;
};
struct wg__iota_attr {
    wg_shape shape; /* [n] */
};
struct wg__random_attr { /* uniform normal dropout_mask */
    wg_shape shape;
    wg_dtype dtype;
    double   a, b; /* lo and hi, mean and sd, or p */
    uint64_t stream;
};

#endif
