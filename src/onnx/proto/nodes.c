/* The nodes of a model as its file lists them. */
#include "onnx/proto/onnx_impl.h"

int wg_onnx_node_at(const wg_onnx *m, int i, const char **op, const char **name)
{
    if (!m || i < 0 || i >= m->model.n_node) return 0;
    if (op) *op = m->model.node[i].op;
    if (name) *name = m->model.node[i].name;
    return 1;
}
