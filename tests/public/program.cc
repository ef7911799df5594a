/* A C++ program on the public headers, with the macros of C: a product and its gradient, a mean over axes, and nodes
 * that are built once although a macro names them twice. */
#include <wengert/data.h>
#include <wengert/graph.h>
#include <wengert/graph_op.h>
#include <wengert/onnx.h>
#include <wengert/train.h>

#include <cstddef>
#include <cstdio>

static int      built;
static wg_node *counted(wg_node *x)
{
    built++;
    return wg_square(x);
}

static bool is(wg_shape s, int rank, int64_t last) { return s.rank == rank && (rank == 0 || s.dim[rank - 1] == last); }

static bool macros_hold()
{
    std::size_t rows = 4; /* any integer will do, as in C */
    long        last = -1;
    wg_axes     some = WG_AXES(0, last), all = WG_ALL_AXES;
    return is(WG_SCALAR, 0, 0) && is(WG_SHAPE(3), 1, 3) && is(WG_SHAPE(2, rows), 2, 4) && some.n == 2 &&
           some.axis[1] == -1 && all.n == -1;
}

/* Two layers in one; n of a sequence is counted by the macro. */
static bool layers_hold(wg_graph *g, wg_node *x)
{
    wg_layer *dense = wg_dense_layer_new(g, WG_F64, 3, 2, "fc", nullptr);
    wg_layer *net = wg_sequence_new(g, WG_LAYERS(dense, wg_activation_layer_new(g, WG_ACT_RELU)));
    return wg_layer_params(net, 0, nullptr) == 2 && wg_layer_apply(net, x);
}

int main()
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SCALAR);
    wg_node  *m = wg_input(g, "m", WG_F64, WG_SHAPE(2, 3));
    wg_node  *y = wg_add(wg_square(x), wg_scale(x, 3)), *mean = wg_mean(m, WG_AXES(0, 1), 0), *dx = nullptr;
    if (wg_grad(y, WG_NODES(x), &dx) != WG_OK) return std::fprintf(stderr, "%s\n", wg_message(g)), 1;
    wg_tape *t = wg_compile(g, WG_NODES(y, dx, mean, counted(x)), nullptr);
    if (!t) return std::fprintf(stderr, "%s\n", wg_message(g)), 1;
    const double values[] = {1, 2, 3, 4, 5, 6};
    wg_set_scalar(t, x, 2);
    wg_set_f64(t, m, 6, values);
    if (wg_run(t) != WG_OK) return std::fprintf(stderr, "%s\n", wg_tape_message(t)), 1;
    bool right = macros_hold() && layers_hold(g, m) && built == 1 && wg_get_scalar(t, y) == 10 &&
                 wg_get_scalar(t, dx) == 7 && wg_get_scalar(t, mean) == 3.5;
    wg_graph_free(g);
    return right ? 0 : 1;
}
