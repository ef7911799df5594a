/* ops_impl.h - inside of src/ops: every built-in operator by name. */
#ifndef WENGERT_OPS_IMPL_H
#define WENGERT_OPS_IMPL_H

#include "graph/graph_impl.h"

#define OP(name) extern const wg_op wg_op_##name;
#include "ops/ops.def"
#undef OP

#endif
