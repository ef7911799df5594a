/* op_attr.h - the attributes of structured operators, as src/cuda reads them.
 *
 * Each operator's file in src/ops owns its struct and shows it by the field table of its wg_op; these
 * are the same structs again, for C++. A test compares them with the tables
 * (tests/cuda/kernels/test_move.c). */
#ifndef WENGERT_CUDA_OP_ATTR_H
#define WENGERT_CUDA_OP_ATTR_H

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
struct wg__axis_attr { /* softmax log_softmax gather concat */
    int axis;
};
struct wg__one_hot_index_attr {
    wg_shape size;
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
    double   a, b;
    uint64_t stream;
};

#endif
