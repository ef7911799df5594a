#include "ops/ops_impl.h"

const wg_op *const wg_ops[] = {
#define OP(name) &wg_op_##name,
#include "ops/ops.def"
#undef OP
    NULL};
