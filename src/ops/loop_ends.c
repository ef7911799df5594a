/* The operators that head a loop, and those that end a loop. */
#include "cpu/cpu.h"
#include "ops/ops_impl.h"

static const struct {
    const wg_op               *op;
    const struct wg__producer *producer;
} heads[] = {{&wg_op_matmul, &wg__matmul_producer}};

static const wg_op *const tails[WG__REDUCES] = {
    [WG__SUM] = &wg_op_sum, [WG__PROD] = &wg_op_prod, [WG__MAX] = &wg_op_max, [WG__MIN] = &wg_op_min};

const struct wg__producer *wg__producer_of(const wg_op *op)
{
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (heads[i].op == op) return heads[i].producer;
    return NULL;
}

int wg__reduction_of(const wg_op *op)
{
    for (int k = 0; k < WG__REDUCES; k++)
        if (tails[k] == op) return k;
    return -1;
}
