/* training: 1 on a tape that may train, 0 on one that evaluates (wg_options.evaluate).
 *
 * Compiling puts the number in the operator's place, and where(training, x, y) becomes x or y: nothing is left of
 * the choice.  What runs an operator without compiling is taken to train. */
#include "ops/ops_impl.h"

static int infer(wg_infer *c)
{
    *c->y = WG_SCALAR;
    *c->ydtype = WG_BOOL;
    return WG_OK;
}

static int cpu(wg_call *c)
{
    *(uint8_t *)c->y->data = 1;
    return WG_OK;
}

static int rows(wg_stack *s) { return (void)s, 1; }

/* In ONNX training is 0: a file is for inference. */
const wg_op wg_op_training = {.name = "training",
                              .onnx = "0",
                              .doc = "y = 1 on a tape that may train, 0 on one that evaluates",
                              .infer = infer,
                              .cpu = cpu,
                              .rows = rows};

wg_node *wg_training(wg_graph *g) { return wg__apply_leaf(g, &wg_op_training, NULL); }
