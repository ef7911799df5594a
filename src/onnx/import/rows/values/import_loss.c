/* Losses of class labels: x [n, classes, ..], label [n, ..].
 *
 *   NegativeLogLikelihoodLoss  -x[i, label[i]] weight[label[i]]
 *   SoftmaxCrossEntropyLoss    the same of log_softmax(x)
 *
 * and 0 where the label is ignore_index, which may lie outside of the classes;
 * then all of them, their sum, or their mean: the sum divided by the sum of the
 * weights of those that are not ignored. */
#include <string.h>

#include "onnx/import/import.h"

enum reduction { NONE, SUM, MEAN };

struct loss {
    wg_node       *x, *label, *weight; /* weight NULL: ones */
    bool           ignores;
    int64_t        ignored;
    enum reduction reduction;
};

static bool reduction_of(struct wg__in *c, enum reduction *to)
{
    static const char *const name[] = {[NONE] = "none", [SUM] = "sum", [MEAN] = "mean"};
    const char              *text = wg__attr_text(c, "reduction", "mean");
    for (int i = NONE; i <= MEAN; i++)
        if (strcmp(text, name[i]) == 0) {
            *to = (enum reduction)i;
            return true;
        }
    wg__malformed(c, "reduction '%s' is not none, sum or mean", text);
    return false;
}

/* Checks that label's shape is x's without the axis of classes. Where symbols leave that open, a
 * reshape checks it in each run. */
static bool shapes_fit(struct wg__in *c, struct loss *l)
{
    enum { MOST = 1 << 24 };
    char           have[96], want[96];
    const wg_shape x = *wg_node_shape(l->x), *label = wg_node_shape(l->label);
    wg_shape       fit = {.rank = x.rank - 1, .dim = {x.dim[0]}};
    if (x.rank < 2) return wg__malformed(c, "the input has rank %d and no axis of classes", x.rank), false;
    for (int i = 1; i < fit.rank; i++) fit.dim[i] = x.dim[i + 1];
    if (x.dim[1] > MOST)
        return wg__unsupported(c, "the number of classes is %s", wg_dim_name(c->g, x.dim[1], have, sizeof have)), false;
    if (wg__shapes_may_equal(c->g, &fit, label)) return (l->label = wg_reshape(l->label, fit)) != NULL;
    wg__malformed(c, "the labels are %s, not %s", wg__shape_str(c->g, label, have, sizeof have),
                  wg__shape_str(c->g, &fit, want, sizeof want));
    return false;
}

static bool weight_fits(struct wg__in *c, const struct loss *l)
{
    char            have[96];
    const wg_shape *w = wg_node_shape(l->weight);
    int64_t         n = wg_node_shape(l->x)->dim[1];
    if (!w || (w->rank == 1 && wg__dims_may_equal(c->g, w->dim[0], n))) return true;
    wg__malformed(c, "the weights are %s, not [%lld]", wg__shape_str(c->g, w, have, sizeof have), (long long)n);
    return false;
}

static bool read_loss(struct wg__in *c, struct loss *l)
{
    l->x = wg__in_node(c, 0);
    l->label = wg__in_node(c, 1);
    l->weight = wg__in_node(c, 2);
    l->ignores = wg__attr_has(c, "ignore_index");
    l->ignored = wg__attr_int(c, "ignore_index", 0);
    if (!l->x || !l->label || (!l->weight && wg__in_has(c, 2))) return false;
    return reduction_of(c, &l->reduction) && shapes_fit(c, l) && weight_fits(c, l);
}

/* Returns the shape [classes, 1, ..], which broadcasts along axis 1 of x. */
static wg_shape along_classes(const wg_node *x)
{
    wg_shape s = {.rank = wg_node_shape(x)->rank - 1, .dim = {wg_node_shape(x)->dim[1]}};
    for (int i = 1; i < s.rank; i++) s.dim[i] = 1;
    return s;
}

/* 0, 1, .. along the classes of x. */
static wg_node *classes(struct wg__in *c, wg_node *x)
{
    wg_shape s = along_classes(x);
    return wg_reshape(wg__in_iota(c, s.dim[0], 0, 1), s);
}

/* Makes a mask of x's shape that is true at each label's class; nowhere for an ignored label. */
static wg_node *label_mask(struct wg__in *c, const struct loss *l)
{
    wg_node *class = classes(c, l->x);
    wg_node *label = wg_unsqueeze(wg_cast(l->label, WG_I64), 1);
    wg_node *hit = wg_equal(label, class);
    if (!l->ignores) return hit;
    wg_node *ignored = wg_const(wg_node_graph(l->x), WG_I64, (wg_shape){0}, &l->ignored);
    wg_node *counts = wg_not_equal(label, ignored);
    return wg_and(hit, counts);
}

/* Computes what the sum of the losses is divided by: the weights of the labels that count. */
static wg_node *weight_sum(const struct loss *l, wg_node *hit, wg_node *weight)
{
    wg_node *one = wg_lit(l->x, 1), *zero = wg_lit(l->x, 0);
    return wg_sum(wg_where(hit, weight ? weight : one, zero), (wg_axes){.n = -1}, 0);
}

/* Computes the loss from log_p [n, classes, ..]. Only the label's elements are chosen, so that a
 * probability of 0 costs nothing elsewhere. */
static wg_node *likelihood(struct wg__in *c, const struct loss *l, wg_node *log_p)
{
    wg_node *hit = label_mask(c, l), *zero = wg_lit(log_p, 0), *weight = NULL;
    if (l->weight) weight = wg_reshape(l->weight, along_classes(l->x));
    wg_node *term = wg_where(hit, l->weight ? wg_mul(log_p, weight) : log_p, zero);
    wg_node *each = wg_neg(wg_sum(term, (wg_axes){.n = 1, .axis = {1}}, 0));
    if (l->reduction == NONE) return each;
    if (l->reduction == MEAN && !l->weight && !l->ignores) return wg_mean(each, (wg_axes){.n = -1}, 0);
    wg_node *sum = wg_sum(each, (wg_axes){.n = -1}, 0);
    return l->reduction == SUM ? sum : wg_div(sum, weight_sum(l, hit, weight));
}

static int nll(struct wg__in *c)
{
    struct loss l = {0};
    return read_loss(c, &l) ? wg__out_node(c, 0, likelihood(c, &l, l.x)) : wg__out_node(c, 0, NULL);
}

static int cross_entropy(struct wg__in *c)
{
    struct loss l = {0};
    if (!read_loss(c, &l)) return wg__out_node(c, 0, NULL);
    bool log_p_wanted = c->n_out > 1 && *c->node->out[1];
    bool plain = wg_node_shape(l.x)->rank == 2 && !l.weight && !l.ignores && l.reduction == MEAN;
    if (plain && !log_p_wanted) return wg__out_node(c, 0, wg_softmax_cross_entropy(l.x, l.label));
    wg_node *log_p = wg_log_softmax(l.x, 1);
    int      status = wg__out_node(c, 0, likelihood(c, &l, log_p));
    return status || !log_p_wanted ? status : wg__out_node(c, 1, log_p);
}

const struct wg__row wg__rows_loss[] = {
    {"NegativeLogLikelihoodLoss", 12, "2-3", "ignore_index reduction", nll, NULL},
    {"SoftmaxCrossEntropyLoss", 12, "2-3", "ignore_index reduction", cross_entropy, NULL},
    {0},
};
