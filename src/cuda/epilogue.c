/* What cuBLAS does to a product on the way: which loops after a product need no kernel of their own. */
#include <string.h>

#include "cuda/program.h"

/* A row that is added to each row of the product: the input's number, or -1. */
static int bias_of(const wg_tape *t, const struct wg__instr *p, const struct wg__step *s, int product)
{
    const struct wg__loop *l = p->loop;
    int                    other = s->x[0] == product ? s->x[1] : s->x[0], last = l->rank - 1;
    bool                   one_each = s->x[0] == product || s->x[1] == product;
    if (!one_each || other == product || other >= l->inputs || l->head->n == 1) return -1;
    bool row = last == 0 ? l->head->m == 1 : last == 1 && l->in[other].stride[0] == 0;
    return row && l->in[other].stride[last] == 1 && wg_count(t->g->node[p->in[other]]->shape) == l->head->n ? other
                                                                                                            : -1;
}

/* Whether the loop after a product is a bias, relu or both, which cuBLAS does on the way. */
static bool fits_epilogue(const wg_tape *t, const struct wg__instr *p, struct wg__cuda_epilogue *e)
{
    const struct wg__loop  *l = p->loop;
    const struct wg__value *c = &t->value[p->out[p->n_out - 1]];
    int                     product = 0, bias = -1, s = 0;
    *e = (struct wg__cuda_epilogue){0};
    if (l->head->dtype != WG_F32 || l->outputs != 1 || c->keep || c->last != c->first) return false;
    if (s < l->steps && !strcmp(p->chain[1 + s]->op->name, "add")) {
        if ((bias = bias_of(t, p, &l->step[s], product)) < 0) return false;
        product = l->step[s++].y;
    }
    if (s < l->steps && !strcmp(p->chain[1 + s]->op->name, "relu") && l->step[s].x[0] == product) {
        e->relu = true;
        s++;
    }
    if (s != l->steps || s == 0) return false;
    e->bias = bias >= 0 ? l->in[bias].data : NULL;
    e->to = l->out[0].data;
    return l->step[s - 1].y == l->inputs + l->registers;
}

/* Whether the loop after the product is still to run. */
int wg__cuda_product(const struct wg__cuda_place *at, int i, bool *rest, struct wg__why *w)
{
    const struct wg__instr  *p = &at->t->instr[i];
    struct wg__cuda_epilogue e;
    int                      status = WG_EARG;
    if (fits_epilogue(at->t, p, &e)) status = wg__cuda_gemm(at, p->loop->head, &e, w);
    *rest = status == WG_EARG;
    return *rest ? wg__cuda_gemm(at, p->loop->head, NULL, w) : status;
}

int wg__cuda_products_make(struct wg__cuda_place *at, struct wg__why *w)
{
    (void)w;
    at->products = NULL;
    return WG_OK;
}

void wg__cuda_products_free(struct wg__cuda_place *at) { at->products = NULL; }

bool wg__cuda_absorbed(const struct wg__cuda_place *at, int i)
{
    (void)at, (void)i;
    return false;
}
