/* epilogue_graphs.h - products with what comes before and after them, run on a device and on the CPU. */
#ifndef WENGERT_TESTS_CUDA_EPILOGUE_GRAPHS_H
#define WENGERT_TESTS_CUDA_EPILOGUE_GRAPHS_H

#include "cuda/tape/tape_test.h"

/* Bits of cuBLAS's epilogues. */
enum {
    DEFAULT = 1,
    RELU = 2,
    BIAS = 4,
    BGRAD = 16,
    GELU = 32,
    AUX = 128,
    DRELU = 136,
    DGELU = 192,
    BGRADA = 256,
    BGRADB = 512
};
enum { IN = 5, OUT = 5, EXPECTED = 4, KINDS = 1024 };

/* A graph over x [m,k], w [k,n], b [n], v [n,4], y [m,n]. */
struct made {
    wg_graph *g;
    wg_node  *in[IN], *out[OUT];
    int       n_out;
};
typedef void build(struct made *b);

struct made make_case(build *f, int m, int k, int n);
/* All results, one after the other; NULL if something failed.  odd: an element of x, unless 0. */
float *case_results(const struct made *b, wg_tape *t, float odd, int64_t *count);
/* The largest difference between device and CPU relative to 1 + |value|;
 * infinity if something failed, or single instructions gave other bits. */
double case_difference(int precision, build *f, int m, int k, int n, float odd);

build relu, bias_relu, gelu, bias_gelu, relu_layers, bias_relu_layers, bias_gelu_layers;

struct epilogue_case {
    const char *name;
    build      *f;
    int         asked[EXPECTED]; /* of [16,24] x [24,32] */
};
enum { EPILOGUE_CASES = 25 };
extern const struct epilogue_case epilogue_cases[EPILOGUE_CASES];

#endif
