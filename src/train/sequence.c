/* Layers one after the other, and dropout as a layer. */
#include <string.h>

#include "train/train_impl.h"

/* ---- Sequence ---- */

struct sequence {
    int              n;
    wg_layer *const *layer; /* [n] the caller's, then a copy */
};

static int make_sequence(wg_layer *l, void *data)
{
    struct sequence *s = data;
    wg_graph        *g = wg_layer_graph(l);
    wg_layer       **own = wg__arena_alloc(&g->arena, ((size_t)s->n + 1) * sizeof *own);
    if (!own) return wg__fail_nomem(g);
    for (int i = 0; i < s->n; i++) {
        own[i] = wg_layer_part(l, s->layer[i]);
        if (own[i] && wg__layer_inputs(own[i]) != 1)
            return wg__fail(g, WG_EARG, "layer %d, %s, takes %d operands", i, wg_layer_name(own[i]),
                            wg__layer_inputs(own[i]));
    }
    s->layer = own;
    return WG_OK;
}

static wg_node *apply_sequence(wg_layer *l, wg_node *const x[], void *data)
{
    const struct sequence *s = data;
    wg_node               *y = x[0];
    (void)l;
    for (int i = 0; i < s->n; i++) y = wg_layer_apply(s->layer[i], y);
    return y;
}

static const wg_layer_kind sequence_kind = {
    .name = "sequence", .size = sizeof(struct sequence), .make = make_sequence, .apply = apply_sequence};

wg_layer *wg_sequence_new(wg_graph *g, int n, wg_layer *const layer[])
{
    if (!g) return NULL;
    if (n < 0 || (n && !layer)) return wg__fail(g, WG_EARG, "sequence_new: %d layers", n), NULL;
    const char     *outer = wg__enter(g, "sequence_new");
    struct sequence s = {n, layer};
    wg_layer       *l = wg_layer_new(g, &sequence_kind, NULL, &s);
    wg__leave(g, outer, NULL);
    return l;
}

/* ---- Dropout ---- */

static wg_node *apply_dropout(wg_layer *l, wg_node *const x[], void *data)
{
    (void)l;
    return wg_dropout(x[0], *(const double *)data);
}

static const wg_layer_kind dropout_kind = {.name = "dropout", .size = sizeof(double), .apply = apply_dropout};

wg_layer *wg_dropout_layer_new(wg_graph *g, double p)
{
    if (!g) return NULL;
    if (!(p >= 0 && p < 1)) return wg__fail(g, WG_EARG, "dropout_layer_new: p is %g, outside of [0, 1)", p), NULL;
    return wg_layer_new(g, &dropout_kind, NULL, &p);
}
