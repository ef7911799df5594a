#include <stdlib.h>

#include "graph/graph_impl.h"

struct frame {
    wg_node *v;
    int      k; /* next operand to visit */
};

/* Appends v and the nodes below it that are not in the order yet; returns the new length of the order, which was
 * `done`. */
static int visit(wg_node *v, struct frame *stack, char *seen, wg_node **order, int done)
{
    int top = 0;
    if (seen[v->id]) return done;
    seen[v->id] = 1;
    stack[top++] = (struct frame){v, 0};
    while (top) {
        struct frame *f = &stack[top - 1];
        if (f->k == f->v->n) {
            order[done++] = f->v;
            WG__INVARIANT(done <= f->v->g->n);
            top--;
            continue;
        }
        wg_node *x = f->v->x[f->k++];
        if (seen[x->id]) continue;
        seen[x->id] = 1;
        stack[top++] = (struct frame){x, 0};
    }
    return done;
}

int wg__postorder(wg_graph *g, int n, wg_node *const root[], wg_node ***order)
{
    size_t        size = (size_t)g->n + 1;
    struct frame *stack = malloc(size * sizeof *stack);
    char         *seen = calloc(size, 1);
    int           done = 0;
    *order = malloc(size * sizeof **order);
    if (stack && seen && *order)
        for (int i = 0; i < n; i++) done = visit(root[i], stack, seen, *order, done);
    else {
        free(*order);
        *order = NULL;
        done = wg__fail_nomem(g);
    }
    free(stack);
    free(seen);
    return done;
}
