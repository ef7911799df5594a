/* cuda_test.h - the parts of the program that tests kernels through the shim. */
#ifndef WENGERT_TESTS_CUDA_TEST_H
#define WENGERT_TESTS_CUDA_TEST_H

#include <stdbool.h>
#include <stddef.h>

#include "cuda/tap.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Every complaint of the shim as a remark; how many.  Forgets them. */
int tell_complaints(void);

/* Whether just the complaint with this text was made; forgets all. */
bool told(const char *text);

struct wg__cuda_op;
/* How a tape launches an operator: by its call, or as a loop of its own; NULL: not by itself.  Good until the next
 * question. */
const struct wg__cuda_op *launch_of(const char *op);
/* The same for those that are loops. (alone.c) */
const struct wg__cuda_op *loop_launch_of(const char *op);

void test_shim(void); /* the shim sees what it claims to see */
void test_shim_memory(void);
void test_ops(void);    /* each launch against the operator on the CPU */
void test_faults(void); /* indices out of range */
void test_folds(void);  /* reductions and softmax, every form of problem */
void test_moves(void);  /* copies, indices, random numbers: bit for bit */

#ifdef __cplusplus
}
#endif
#endif
