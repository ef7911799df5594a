/* main.c - runs the tests of kernels on the host, and prints TAP. */
#include "cuda_test.h"

#include <stdio.h>
#include <string.h>

#include "cuda/cuda_impl.h"
#include "shim.h"

struct tap_count tap_count;

int tell_complaints(void)
{
    int n = wg_shim_complaints();
    for (int i = 0; i < n && i < 10; i++) tap_note("shim: %s", wg_shim_complaint(i));
    wg_shim_forgive();
    return n;
}

/* A list whose file is not there is empty. */
#pragma weak wg__cuda_reduce_ops
#pragma weak wg__cuda_softmax_ops
#pragma weak wg__cuda_index_ops
#pragma weak wg__cuda_shape_ops
#pragma weak wg__cuda_result_ops
#pragma weak wg__cuda_random_ops

const struct wg__cuda_op *launch_of(const char *op)
{
    const struct wg__cuda_op *lists[] = {wg__cuda_reduce_ops, wg__cuda_softmax_ops, wg__cuda_index_ops,
                                         wg__cuda_shape_ops,  wg__cuda_result_ops,  wg__cuda_random_ops};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const struct wg__cuda_op *o = lists[i]; o && o->name; o++)
            if (strcmp(o->name, op) == 0) return o;
    return loop_launch_of(op);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* what ends the program early must not take results with it */
    test_shim();
    test_shim_memory();
    test_ops();
    test_faults();
    test_folds();
    test_moves();
    return tap_end();
}
