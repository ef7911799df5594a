/* The shortest tour: z = x + y and its gradient. */
#include <stdio.h>

#include <wengert/graph.h>

int main(void)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SCALAR), *y = wg_input(g, "y", WG_F64, WG_SCALAR);
    wg_node  *z = wg_add(x, y), *d[2];
    wg_grad(z, 2, (wg_node *[]){x, y}, d);                     /* symbolic: d[] are ordinary nodes */
    wg_tape *t = wg_compile(g, WG_NODES(z, d[0], d[1]), NULL); /* the macro gives a count and an array */
    if (!t) {
        fprintf(stderr, "%s\n", wg_message(g));
        return 1;
    }
    wg_set_scalar(t, x, 2.0);
    wg_set_scalar(t, y, 3.0);
    if (wg_run(t)) {
        fprintf(stderr, "%s\n", wg_tape_message(t));
        return 1;
    }
    printf("z = %g, dz/dx = %g, dz/dy = %g\n", wg_get_scalar(t, z), wg_get_scalar(t, d[0]), wg_get_scalar(t, d[1]));
    wg_graph_free(g); /* the only free most programs write */
    return 0;
}
