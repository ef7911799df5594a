/* The domain of a loop: axes that all operands walk alike become one. */
#include "loop/loop.h"

/* Computes the stride, in elements, of each axis of the domain in a dense operand of shape s; 0 where s broadcasts. */
static void find_strides(const wg_shape *domain, const wg_shape *s, int64_t *stride)
{
    int64_t step = 1;
    for (int a = domain->rank - 1, b = s->rank - 1; a >= 0; a--, b--) {
        int64_t d = b >= 0 ? s->dim[b] : 1;
        stride[a] = d == 1 ? 0 : step;
        step *= d;
    }
}

/* Tells whether, in every operand, axis a and a following axis of dim elements with strides `next` walk memory as one
 * axis. */
static bool can_merge(const struct wg__loop *l, int a, int64_t dim, const int64_t *next)
{
    for (int i = 0; i < l->inputs; i++)
        if (l->in[i].stride[a] != next[i] * dim) return false;
    return true;
}

static void add_axis(struct wg__loop *l, int64_t dim, const int64_t *stride, bool merge)
{
    int a = l->rank - 1;
    if (merge && a >= 0 && can_merge(l, a, dim, stride)) {
        l->dim[a] *= dim;
    } else {
        l->dim[++a] = dim;
        l->rank++;
    }
    for (int i = 0; i < l->inputs; i++) l->in[i].stride[a] = stride[i];
}

void wg__loop_domain(struct wg__loop *l, const wg_shape *domain, const wg_shape *const in_shape[], bool keep_last)
{
    int64_t all[WG__LOOP_INPUTS][WG_MAX_RANK], one[WG__LOOP_INPUTS] = {0};
    for (int i = 0; i < l->inputs; i++) find_strides(domain, in_shape[i], all[i]);
    l->rank = 0;
    for (int a = 0; a < domain->rank; a++) {
        bool last = a == domain->rank - 1;
        if (domain->dim[a] == 1) continue;
        for (int i = 0; i < l->inputs; i++) one[i] = all[i][a];
        add_axis(l, domain->dim[a], one, !(last && keep_last));
    }
    if (l->rank == 0) {
        for (int i = 0; i < l->inputs; i++) one[i] = 1;
        add_axis(l, 1, one, false);
    }
}
