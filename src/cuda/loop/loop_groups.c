/* Which loops of a tape are launched as one.
 *
 * A loop without head and tail goes with an earlier one of the same source if
 * only such loops are between the two, and if no byte that it writes is read
 * or written by any of these, nor the other way round.  It then runs where the
 * earlier one does.  A step's updates of all parameters are such loops. */
#include <stdlib.h>
#include <string.h>

#include "cuda/loop/cuda_loop.h"
#include "cuda/program.h"

/* Tells whether two values have a byte in common. */
static bool have_common_bytes(const wg_tape *t, int u, int v)
{
    const struct wg__value *a = &t->value[u], *b = &t->value[v];
    const char             *p = t->value[a->root].data, *q = t->value[b->root].data;
    return p && q && a->bytes && b->bytes && p < q + b->bytes && q < p + a->bytes;
}

static bool any_touch(const wg_tape *t, int n, const int *u, int m, const int *v)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < m; j++)
            if (have_common_bytes(t, u[i], v[j])) return true;
    return false;
}

/* Tells whether the order of two instructions matters. */
static bool order_matters(const wg_tape *t, const struct wg__instr *p, const struct wg__instr *q)
{
    return any_touch(t, p->n_out, p->out, q->n_in, q->in) || any_touch(t, p->n_out, p->out, q->n_out, q->out) ||
           any_touch(t, p->n_in, p->in, q->n_out, q->out);
}

/* Tells whether instruction i is a loop without head and tail of which no product does a part. */
static bool is_free_loop(const struct wg__cuda_place *at, int i)
{
    const struct wg__loop *l = at->t->instr[i].loop;
    return l && !l->head && l->tail < 0 && !wg__cuda_absorbed(at, i);
}

/* Returns the instruction at which loop i runs: i itself if no earlier loop can take it along. */
static int leader_of(const struct wg__cuda_place *at, int begin, int i, char *const *source, const int *leader)
{
    const struct wg__instr *p = at->t->instr;
    for (int k = i - 1; k >= begin && is_free_loop(at, k) && !order_matters(at->t, &p[k], &p[i]); k--)
        if (leader[k] == k && !strcmp(source[k], source[i])) return k;
    return i;
}

void wg__cuda_groups(const struct wg__cuda_place *at, char *const *source, int *leader)
{
    const wg_tape *t = at->t;
    for (int i = 0; i < t->n_instr; i++) leader[i] = i;
    for (int s = 0; s < t->device->n_segment; s++) {
        const struct wg__segment *g = &t->device->segment[s];
        for (int i = g->begin; i < g->end && !g->host; i++)
            if (is_free_loop(at, i)) leader[i] = leader_of(at, g->begin, i, source, leader);
    }
}
