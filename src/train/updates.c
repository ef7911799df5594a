/* Updates that layers bring: assignments of state, which every step includes whose loss depends on the layer's value.
 * Several updates of one parameter act one after the other: the next value of the later update is built again over the
 * next value of the earlier update. */
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "grad/grad_impl.h"
#include "train/train_impl.h"

static bool check_update(wg_node *y, wg_node *assign)
{
    char text[160];
    if (assign->g != y->g) wg__fail(y->g, WG_EARG, "with_update: the assignment belongs to another graph");
    else if (y->kind == WG__ASSIGN || y->kind == WG__GROUP)
        wg__fail(y->g, WG_EARG, "with_update: %s has no value that a loss could depend on", wg_node_kind(y));
    else if (assign->kind != WG__ASSIGN)
        wg__fail(y->g, WG_EARG, "with_update: %s is no assignment: see wg_assign",
                 wg__node_str(assign, text, sizeof text));
    else if (assign->x[0]->role != WG_ROLE_STATE)
        wg__fail(y->g, WG_EARG, "with_update: %s is no state, which wg_set_role makes of it",
                 wg__node_str(assign->x[0], text, sizeof text));
    else return true;
    return false;
}

/* Appends to the graph's updates: see struct wg__layer_update. */
static bool keep_update(wg_graph *g, wg_node *y, wg_node *assign, const wg_node *before, const wg_node *of)
{
    struct wg__layer_update *p = wg__list_grow(g->update, &g->cap_update, g->n_update + 1, sizeof *p);
    if (!p) return wg__fail_nomem(g), false;
    g->update = p;
    g->update[g->n_update++] = (struct wg__layer_update){y, assign, before, of};
    return true;
}

wg_node *wg_with_update(wg_node *y, wg_node *assign)
{
    if (!y || !assign) return NULL;
    return check_update(y, assign) && keep_update(y->g, y, assign, NULL, NULL) ? y : NULL;
}

/* ---- Several updates of one parameter ---- */

/* Builds x again over its operands' replacements in map; returns x itself where no operand has changed. */
static wg_node *build_again(wg_node *x, wg_node *const map[])
{
    wg_node *few[8], **operand = x->n <= 8 ? few : malloc((size_t)x->n * sizeof *operand);
    bool     changed = false;
    if (!operand) return wg__fail_nomem(x->g), NULL;
    for (int i = 0; i < x->n; i++) {
        operand[i] = map[x->x[i]->id];
        changed |= operand[i] != x->x[i];
    }
    wg_node *y = x;
    if (changed)
        y = x->kind == WG__RESULT ? wg_result(*operand, wg__result_index(x)) : wg_apply(x->op, x->n, operand, x->attr);
    if (operand != few) free(operand);
    return y;
}

/* Builds y again with `now` in the place of the parameter p. */
static wg_node *replace_param(wg_node *y, const wg_node *p, wg_node *now)
{
    wg_graph *g = y->g;
    wg_node **order = NULL, **map = calloc((size_t)g->n + 1, sizeof *map), *again = NULL;
    int       n = wg__postorder(g, 1, &y, &order);
    if (!map) wg__fail_nomem(g);
    for (int i = 0; map && i < n; i++) {
        again = map[order[i]->id] = order[i] == p ? now : build_again(order[i], map);
        if (!again) break;
    }
    free(order);
    free(map);
    return again;
}

/* Returns the assignment that does what `before` does and then `a`.  It is made once, so that two steps on a tape share
 * it. */
static wg_node *chain_assignments(wg_node *before, wg_node *a)
{
    wg_graph *g = a->g;
    for (int i = 0; i < g->n_update; i++)
        if (g->update[i].before == before && g->update[i].of == a) return g->update[i].assign;
    wg_node *both = wg_assign(a->x[0], replace_param(a->x[1], a->x[0], before->x[1]));
    return both && keep_update(g, NULL, both, before, a) ? both : NULL;
}

/* ---- Those of a value ---- */

static char *mark_needed(wg_node *y)
{
    wg_node **order = NULL;
    char     *needed = calloc((size_t)y->g->n + 1, 1);
    int       n = wg__postorder(y->g, 1, &y, &order);
    if (!needed) wg__fail_nomem(y->g);
    for (int i = 0; needed && i < n; i++) needed[order[i]->id] = 1;
    free(order);
    if (n >= 0) return needed;
    free(needed);
    return NULL;
}

/* Puts an update into the list of n, where no parameter stands twice.  Returns the new n, or -1.  In eager mode an
 * update happens when it is built, so the next update was built on the value that it gave. */
static int add_update(wg_node *list[], int n, wg_node *assign)
{
    bool eager = assign->g->hook.made;
    for (int i = 0; i < n && !eager; i++)
        if (list[i]->x[0] == assign->x[0]) return (list[i] = chain_assignments(list[i], assign)) ? n : -1;
    list[n] = assign;
    return n + 1;
}

int wg__updates_of(wg_node *y, wg_node *list[])
{
    wg_graph *g = y->g;
    int       n = 0, all = g->n_update;
    char     *needed = all ? mark_needed(y) : NULL;
    if (all && !needed) return -1;
    for (int i = 0; i < all && n >= 0; i++) {
        wg_node *by = g->update[i].y;
        if (by && needed[by->id]) n = add_update(list, n, g->update[i].assign);
    }
    free(needed);
    return n;
}

wg_node *wg_updates(wg_node *y)
{
    wg_node *group = NULL;
    if (!y) return NULL;
    const char     *outer = wg__enter(y->g, "updates");
    struct wg__mark before = wg__mark(y->g);
    wg_node       **list = malloc(((size_t)y->g->n_update + 1) * sizeof *list);
    int             n = list ? wg__updates_of(y, list) : -1;
    if (!list) wg__fail_nomem(y->g);
    if (n >= 0) group = n ? wg_group(n, list) : wg__node_new(y->g, WG__GROUP, WG_F32, &(wg_shape){0}, 0);
    free(list);
    if (!group) wg__undo(y->g, &before);
    return wg__leave(y->g, outer, group);
}
