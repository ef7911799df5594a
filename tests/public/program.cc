/* A C++ program on the public headers: d/dx of x^2 + 3x at 2, through the library. */
#include <wengert/graph.h>

#include <cstdio>

int main()
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, wg_shape_make(0, nullptr));
    wg_node  *y = wg_add(wg_square(x), wg_scale(x, 3));
    wg_node  *dx = nullptr;
    if (wg_grad(y, 1, &x, &dx) != WG_OK) return std::fprintf(stderr, "%s\n", wg_message(g)), 1;
    wg_node *out[] = {y, dx};
    wg_tape *t = wg_compile(g, 2, out, nullptr);
    if (!t) return std::fprintf(stderr, "%s\n", wg_message(g)), 1;
    wg_set_scalar(t, x, 2);
    if (wg_run(t) != WG_OK) return std::fprintf(stderr, "%s\n", wg_tape_message(t)), 1;
    bool right = wg_get_scalar(t, y) == 10 && wg_get_scalar(t, dx) == 7;
    wg_graph_free(g);
    return right ? 0 : 1;
}
