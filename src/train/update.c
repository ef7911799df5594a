/* The formulas of the solvers.
 *
 * Each parameter's update is one chain of elementwise operators over its own
 * shape; what is one number for the whole step is computed once, in f64, and
 * broadcast.  A running average s = rho s + (1-rho) x is kept as
 * S = s / (1-rho) = rho S + x, one multiplication less for each element. */
#include <math.h>
#include <string.h>

#include "train/train_impl.h"

enum { STATE = WG__MAX_SLOTS };

/* A parameter on its way: its gradient, its state, their next values. */
struct one {
    const struct wg__update *u;
    wg_node                 *p, *g;
    wg_node                 *old[STATE], *next[STATE];
};

/* Builds factor * rate, of p's dtype: a constant unless the rate is a node. */
static wg_node *rate_times(const struct one *o, double factor)
{
    const wg_solver *s = &o->u->s;
    if (!s->rate_node) return wg_lit(o->p, s->rate * factor);
    wg_node *rate = wg_cast(s->rate_node, WG_F64);
    return wg_cast(factor == 1 ? rate : wg_scale(rate, factor), wg_node_dtype(o->p));
}

static wg_node *decayed(wg_node *sum, double factor, wg_node *x)
{
    return factor == 0 ? x : wg_add(wg_scale(sum, factor), x);
}

/* Builds p - factor rate direction. */
static wg_node *descend(const struct one *o, double factor, wg_node *direction)
{
    wg_node *rate = rate_times(o, factor);
    return wg_sub(o->p, wg_mul(rate, direction));
}

static wg_node *sgd(struct one *o) { return descend(o, 1, o->g); }

static wg_node *momentum(struct one *o)
{
    o->next[0] = decayed(o->old[0], o->u->s.momentum, o->g);
    return descend(o, 1, o->next[0]);
}

static wg_node *nesterov(struct one *o)
{
    o->next[0] = decayed(o->old[0], o->u->s.momentum, o->g);
    return descend(o, 1, decayed(o->next[0], o->u->s.momentum, o->g));
}

static wg_node *adagrad(struct one *o)
{
    o->next[0] = wg_add(o->old[0], wg_square(o->g));
    wg_node *root = wg_shift(wg_sqrt(o->next[0]), o->u->s.eps);
    return descend(o, 1, wg_div(o->g, root));
}

/* Builds sqrt s + eps = k (sqrt S + eps/k), k = sqrt(1-rho); the velocity is kept times k. */
static wg_node *rmsprop(struct one *o)
{
    const wg_solver *s = &o->u->s;
    double           k = sqrt(1 - s->rho);
    o->next[0] = decayed(o->old[0], s->rho, wg_square(o->g));
    wg_node *move = wg_div(o->g, wg_shift(wg_sqrt(o->next[0]), s->eps / k));
    if (o->old[1]) move = o->next[1] = decayed(o->old[1], s->momentum, move);
    return descend(o, 1 / k, move);
}

/* Builds (a + eps) / (s + eps) = (A + e) / (S + e), e = eps/(1-rho). */
static wg_node *adadelta(struct one *o)
{
    const wg_solver *s = &o->u->s;
    double           e = s->eps / (1 - s->rho);
    o->next[0] = decayed(o->old[0], s->rho, wg_square(o->g));
    wg_node *above = wg_shift(o->old[1], e), *below = wg_shift(o->next[0], e);
    wg_node *move = wg_mul(wg_sqrt(wg_div(above, below)), o->g);
    o->next[1] = decayed(o->old[1], s->rho, wg_square(move));
    return descend(o, 1, move);
}

/* Builds Adam's step.  With M = m/(1-beta1), S = s/(1-beta2), c1 = 1-beta1^t, c2 = 1-beta2^t and k =
 * sqrt((1-beta2)/c2):
 * rate m/c1 / (sqrt(s/c2) + eps) = alpha M / (sqrt S + eps/k), alpha = rate (1-beta1) / (c1 k). */
static wg_node *adam(struct one *o)
{
    const struct wg__update *u = o->u;
    wg_dtype                 t = wg_node_dtype(o->p);
    o->next[0] = decayed(o->old[0], u->s.beta1, o->g);
    o->next[1] = decayed(o->old[1], u->s.beta2, wg_square(o->g));
    wg_node *eps = wg_cast(u->eps, t), *alpha = wg_cast(u->alpha, t);
    wg_node *root = wg_add(wg_sqrt(o->next[1]), eps);
    wg_node *move = wg_div(wg_mul(alpha, o->next[0]), root);
    wg_node *from = o->p;
    if (u->shrink) from = wg_mul(wg_cast(u->shrink, t), o->p);
    return wg_sub(from, move);
}

static wg_node *(*const formula[WG_SOLVERS])(struct one *) = {
    [WG_SOLVER_SGD] = sgd,         [WG_SOLVER_MOMENTUM] = momentum, [WG_SOLVER_NESTEROV] = nesterov,
    [WG_SOLVER_ADAGRAD] = adagrad, [WG_SOLVER_RMSPROP] = rmsprop,   [WG_SOLVER_ADADELTA] = adadelta,
    [WG_SOLVER_ADAM] = adam,       [WG_SOLVER_ADAMW] = adam,
};

/* ---- A group ---- */

static bool counts_steps(const wg_solver *s) { return s->kind == WG_SOLVER_ADAM || s->kind == WG_SOLVER_ADAMW; }

static bool prefix_is_taken(const wg_graph *g, const char *prefix)
{
    size_t n = strlen(prefix);
    for (int i = 0; i < wg_param_count(g); i++) {
        const char *name = wg_node_name(wg_param_at(g, i));
        if (strncmp(name, prefix, n) == 0 && name[n] == '.') return true;
    }
    return false;
}

static void choose_prefix(struct wg__update *u)
{
    const char *name = wg_solver_name((int)u->s.kind);
    snprintf(u->prefix, sizeof u->prefix, "%s", name);
    for (int k = 2; prefix_is_taken(u->g, u->prefix); k++) snprintf(u->prefix, sizeof u->prefix, "%s#%d", name, k);
}

static int add_assignment(struct wg__update *u, wg_node *p, wg_node *next)
{
    wg_node *a = wg_assign(p, next);
    if (!a) return wg_status(u->g);
    u->assign[u->n++] = a;
    return WG_OK;
}

/* Builds 1 - beta^t, without loss of digits near beta = 1, t = 1. */
static wg_node *correction(wg_node *t, double beta)
{
    return beta == 0 ? wg_lit(t, 1) : wg_neg(wg_expm1(wg_scale(t, log(beta))));
}

static int adam_factors(struct wg__update *u)
{
    const wg_solver *s = &u->s;
    wg_node         *step = wg__param_printed(u->g, WG_F64, &(wg_shape){0}, "%s.step", u->prefix);
    wg_node         *t = wg_shift(step, 1);
    if (step) wg__set_solver_state(step);
    wg_node *c1 = correction(t, s->beta1), *c2 = correction(t, s->beta2);
    wg_node *k = wg_sqrt(wg_div(wg_lit(t, 1 - s->beta2), c2));
    wg_node *rate = s->rate_node ? wg_cast(s->rate_node, WG_F64) : wg_lit(t, s->rate);
    wg_node *above = wg_scale(rate, 1 - s->beta1), *below = wg_mul(c1, k);
    u->alpha = wg_div(above, below);
    u->eps = wg_div(wg_lit(t, s->eps), k);
    u->shrink = NULL;
    if (s->kind == WG_SOLVER_ADAMW && s->weight_decay > 0 &&
        !(u->shrink = wg_one_minus(wg_scale(rate, s->weight_decay))))
        return wg_status(u->g);
    return u->alpha && u->eps ? add_assignment(u, step, t) : wg_status(u->g);
}

int wg__update_room(int n) { return 1 + n * (1 + STATE); }

int wg__update_begin(struct wg__update *u)
{
    choose_prefix(u);
    return counts_steps(&u->s) ? adam_factors(u) : WG_OK;
}

/* Tells whether slot i is needed: RMSProp without momentum keeps no velocity. */
static bool uses_slot(const wg_solver *s, int i)
{
    return wg__solver_slot((int)s->kind, i) && !(s->kind == WG_SOLVER_RMSPROP && i == 1 && s->momentum == 0);
}

static wg_node *add_penalty(const wg_solver *s, wg_node *p, wg_node *g)
{
    double l2 = s->l2 + (s->kind == WG_SOLVER_ADAMW ? 0 : s->weight_decay);
    if (l2 > 0) g = wg_add(g, wg_scale(p, l2));
    return s->l1 > 0 ? wg_add(g, wg_scale(wg_sign(p), s->l1)) : g;
}

int wg__update_add(struct wg__update *u, wg_node *p, wg_node *dp)
{
    struct one o = {.u = u, .p = p, .g = add_penalty(&u->s, p, dp)};
    for (int i = 0; i < STATE; i++) {
        if (!uses_slot(&u->s, i)) continue;
        o.old[i] = wg__param_printed(u->g, wg_node_dtype(p), wg_node_shape(p), "%s.%s/%s", u->prefix,
                                     wg__solver_slot((int)u->s.kind, i), wg_node_name(p));
        if (!o.old[i]) return wg_status(u->g);
        wg__set_solver_state(o.old[i]);
    }
    wg_node *next = o.g ? formula[u->s.kind](&o) : NULL;
    int      status = next ? add_assignment(u, p, next) : wg_status(u->g);
    for (int i = 0; !status && i < STATE; i++)
        if (o.old[i]) status = add_assignment(u, o.old[i], o.next[i]);
    return status;
}
