/* node.h - one node on the CPU and through its launch. */
#ifndef WENGERT_TESTS_CUDA_NODE_H
#define WENGERT_TESTS_CUDA_NODE_H

#include "cuda/cuda_impl.h"
#include "ops/ops_impl.h"

/* A number in [0, 1), and one of a domain that the dtype holds. */
double draw(uint64_t *state);
double draw_of(wg_dtype t, enum wg_domain d, uint64_t *state);
/* A constant of such numbers. */
wg_node *random_const(wg_graph *g, wg_dtype t, wg_shape s, enum wg_domain d, uint64_t *state);

/* How a launch is made. */
struct way {
    unsigned order;  /* of threads and blocks */
    size_t   offset; /* of every operand from 256-byte alignment, in elements */
    bool     in_place;
};
struct outcome {
    cudaError_t           error;
    struct wg__cuda_fault fault;
    bool                  inputs_changed;
};
/* Results y (host memory, one behind the other, each of result_room) of x (host memory) by the launch.  run is the
 * run's number. */
struct outcome launch_node(const struct wg__cuda_op *op, const wg_call *c, struct way how, void *y);
size_t         result_room(const wg_tensor *y);
/* The same by the operator on the CPU. */
int cpu_node(const wg_op *op, wg_call *c);

/* Whether the values agree as far as the operator promises: NULL, or what differs. */
const char *differs(const wg_op *op, const wg_call *c, const void *want, const void *got);

#endif
