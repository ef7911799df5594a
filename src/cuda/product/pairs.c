/* Sums that a product can take along: bias gradients.
 *
 * The gradient of a bias is the sum of dy over its rows, and dy is an operand
 * of the product that makes the gradient of the weights, or the result of the
 * one before it.  cuBLAS can add up while it multiplies.
 *
 * Of such a pair the instruction that comes first computes both, and the other
 * has nothing to do.  So the second is computed early: everything that it
 * reads must be there, and nothing that runs between may touch the memory that
 * it writes. */
#include <string.h>

#include "cuda/product/products.h"

enum { NEAR = 16 /* instructions that are looked at on each side */ };

/* ---- Memory ---- */

struct bytes {
    uintptr_t begin, end;
};

static struct bytes bytes_of(const wg_tape *t, int value)
{
    uintptr_t at = (uintptr_t)t->value[t->value[value].root].data;
    return (struct bytes){at, at + t->value[value].bytes};
}

static bool overlap(struct bytes a, struct bytes b) { return a.begin < b.end && b.begin < a.end; }

/* Tells whether an instruction reads or writes any of these bytes. */
static bool touches(const wg_tape *t, const struct wg__instr *p, struct bytes b)
{
    for (int k = 0; k < p->n_in + p->n_out; k++) /* out follows in */
        if (overlap(bytes_of(t, p->in[k]), b)) return true;
    return false;
}

/* Tells whether `late` may be computed where `early` is. follows: right after `early`, from what it
 * has just made. */
static bool may_come(const wg_tape *t, int late, int early, bool follows)
{
    const struct wg__instr *p = &t->instr[late];
    struct bytes            to = bytes_of(t, p->out[0]);
    if (t->value[p->out[0]].place != WG__BUFFER) return false;
    for (int k = 0; k < p->n_in; k++) {
        int first = t->value[t->value[p->in[k]].root].first;
        if (first >= early + follows || overlap(bytes_of(t, p->in[k]), to)) return false;
    }
    for (int i = early; i < late; i++)
        if (touches(t, &t->instr[i], to)) return false;
    return true;
}

/* ---- Sums ---- */

struct sum {
    int     value;
    int64_t outer, reduced, inner;
    bool    follows; /* of what the product makes, not of an operand */
};

/* Tells whether a loop is nothing but the sum s, of f32. */
static bool is_sum(const wg_tape *t, const struct wg__instr *p, const struct sum *s)
{
    const struct wg__loop *l = p->loop;
    if (!l || l->head || l->steps || l->outputs || l->inputs != 1 || l->tail != WG__SUM || p->n_out != 1) return false;
    const struct wg__value *x = &t->value[p->in[0]], *v = &t->value[s->value];
    return l->tail_dtype == WG_F32 && x->root == v->root && x->bytes == v->bytes && l->outer == s->outer &&
           l->reduced == s->reduced && l->inner == s->inner;
}

static int find(const struct wg__cuda_place *at, int i, const struct sum *s, int from)
{
    const wg_tape              *t = at->t;
    const struct wg__cuda_todo *of = at->products->of;
    int                         end = i + NEAR < t->n_instr ? i + NEAR : t->n_instr - 1;
    for (int j = from > 0 ? from : 0; j <= end; j++) {
        if (j == i || of[j].plan || !of[j].rest || t->device->on_host[j]) continue;
        if (!is_sum(t, &t->instr[j], s)) continue;
        if (may_come(t, i > j ? i : j, i < j ? i : j, s->follows)) return j;
    }
    return -1;
}

int wg__cuda_sum_of_result(const struct wg__cuda_place *at, int i)
{
    const struct wg__instr *p = &at->t->instr[i];
    const wg_call          *c = wg__cuda_product_of(p);
    int64_t                 columns = c->y->shape.dim[c->y->shape.rank - 1];
    struct sum              rows = {.value = p->out[0], .outer = 1, .inner = columns, .follows = true};
    rows.reduced = wg_count(&c->y->shape) / columns;
    return find(at, i, &rows, i + 1);
}

int wg__cuda_sum_of_operand(const struct wg__cuda_place *at, int i, const struct wg__gemm *g, cublasLtEpilogue_t *kind)
{
    const int *x = at->t->instr[i].in;
    struct sum b = {x[1], g->tb ? g->n : 1, g->k, g->tb ? 1 : g->n, false};
    struct sum a = {x[0], g->ta ? 1 : g->m, g->k, g->ta ? g->m : 1, false};
    /* cuBLAS's first operand is b; it sums the first as it stands, and the second turned. */
    int j = g->tb ? -1 : find(at, i, &b, i - NEAR);
    *kind = j >= 0 ? CUBLASLT_EPILOGUE_BGRADA : CUBLASLT_EPILOGUE_BGRADB;
    return j >= 0 || !g->ta ? j : find(at, i, &a, i - NEAR);
}
