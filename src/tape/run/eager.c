/* Eager mode: every node is lowered and computed as it is built.
 *
 * The private graph and the rules are those of wg_compile, one node at a time, so that the values are those of a tape.
 * Nodes that rewriting adds on the way are computed too. */
#include <stdlib.h>
#include <string.h>

#include "tape/tape_impl.h"

static void free_results(wg_node *x)
{
    for (int k = 0; k < x->m; k++) {
        wg_node *r = wg__result(x, k);
        wg__data_free(r->data);
        r->data = NULL;
    }
}

/* Gives every result of x memory, or none of them. */
static bool alloc_results(wg_node *x)
{
    for (int k = 0; k < x->m; k++) {
        wg_node *r = wg__result(x, k);
        if (!(r->data = wg__data_alloc(wg__bytes((wg_dtype)r->dtype, r->shape)))) {
            free_results(x);
            return false;
        }
    }
    return true;
}

static int evaluate_into(wg_tape *t, wg_node *x, char why[static 160])
{
    enum { FEW = 8 };
    void *few[FEW], **y = x->m <= FEW ? few : malloc((size_t)x->m * sizeof *y);
    if (!y) {
        snprintf(why, 160, "out of memory");
        return WG_ENOMEM;
    }
    for (int k = 0; k < x->m; k++) y[k] = wg__result(x, k)->data;
    int status = wg__evaluate(t, x, y, why);
    if (y != few) free(y);
    return status;
}

static int refuse_unset(wg_tape *t, const wg_node *x)
{
    char name[96];
    return wg__tape_fail(t, WG_EARG, "eager: %s has no value yet: %s", wg__value_name(t, x, name, sizeof name),
                         t->user->hook.made ? "wg_set it before building on it"
                                            : "begin with an empty graph, or compile a tape");
}

/* Computes x in a run, or as a node is built: an error names the run, or the call that built the node. */
static int evaluate(wg_tape *t, wg_node *x, bool building)
{
    char why[160];
    bool fresh = !x->data;
    for (int k = 0; k < x->n; k++)
        if (!x->x[k]->data) return refuse_unset(t, x->x[k]);
    for (int k = 0; k < x->n; k++)
        if (x->x[k]->kind == WG__PARAM && wg__param_home(x->x[k]->origin))
            return wg__tape_fail(t, t->user->status, "%s", wg_message(t->user));
    if (wg__is_view(x)) {
        x->data = x->x[0]->data;
        return WG_OK;
    }
    if (fresh && !alloc_results(x))
        return wg__tape_fail(t, WG_ENOMEM, "eager: out of memory for %s", wg__node_label(x, why, sizeof why));
    int status = evaluate_into(t, x, why);
    if (!status) return WG_OK;
    if (fresh) free_results(x);
    if (building) return wg__tape_fail(t, status, "%s: %s", x->op->name, why);
    return wg__fail_at(t, x, status, why);
}

/* Computes a node as it is built. A random node draws with the number that the next run would have had; that run takes
 * the number after it, so that each run draws anew. */
static int evaluate_built(wg_tape *t, wg_node *x)
{
    bool random = x->op->flags & WG_OP_RANDOM;
    if (random && !t->drawn) {
        t->drawn = true;
        t->run++;
    }
    t->run -= random;
    int status = evaluate(t, x, true);
    t->run += random;
    return status;
}

/* Computes x, and before x the operands that an earlier failure left without a value. */
static int compute(wg_tape *t, wg_node *x)
{
    bool ready = true;
    for (int k = 0; k < x->n; k++) ready = ready && (x->x[k]->data || !wg__is_computed(x->x[k]));
    if (ready) return evaluate_built(t, x);
    wg_node **order = NULL;
    int n = wg__postorder(t->g, 1, &x, &order), status = n < 0 ? wg__tape_fail(t, WG_ENOMEM, "out of memory") : WG_OK;
    for (int i = 0; i < n && !status; i++)
        if (order[i]->kind == WG__OP && !order[i]->data) status = evaluate_built(t, order[i]);
    free(order);
    return status;
}

static void assign(wg_tape *t, const wg_node *x)
{
    wg_node *p = t->user->node[x->x[0]->origin->id];
    memcpy(p->data, x->x[1]->data, wg__bytes((wg_dtype)x->dtype, x->shape));
    wg__param_written(p);
}

/* Keeps the old value of a parameter before an assignment: the nodes that were built on the parameter go on reading the
 * old value, and so do those that rewriting builds on them; later nodes read another private node. */
static int keep_old_value(wg_tape *t, wg_node *p)
{
    const wg_node *user = p->origin;
    size_t         bytes = wg__bytes((wg_dtype)p->dtype, p->shape);
    if (p->data != user->data) return WG_OK; /* p is an old value itself */
    void    *old = wg__data_alloc(bytes);
    wg_node *now = old ? wg__node_new(t->g, WG__PARAM, (wg_dtype)p->dtype, p->shape, 0) : NULL;
    if (!now) {
        wg__data_free(old);
        return WG_ENOMEM;
    }
    memcpy(old, p->data, bytes);
    now->data = p->data;
    now->origin = user;
    p->data = old;
    t->map[user->id] = now;
    return WG_OK;
}

static int grow_map(wg_tape *t, int id)
{
    if (id < t->n_map) return WG_OK;
    int       n = t->n_map ? 2 * t->n_map : 64;
    wg_node **p = realloc(t->map, (size_t)n * sizeof *p);
    if (!p) return wg__fail_nomem(t->user);
    memset(p + t->n_map, 0, (size_t)(n - t->n_map) * sizeof *p);
    t->map = p;
    t->n_map = n;
    return WG_OK;
}

/* Reports why x could not be lowered. Symbols have no sizes here, since there are no options to bind them in. */
static int refuse_lowering(wg_tape *t, const wg_node *x)
{
    char text[160];
    if (t->g->status == WG_EBOUND)
        return wg__fail(t->user, WG_EBOUND, "eager: %s has a symbolic dimension, and values of eager nodes need sizes",
                        wg__node_label(x, text, sizeof text));
    return wg__fail(t->user, t->g->status ? t->g->status : WG_EINTERNAL, "eager: %s", wg_message(t->g));
}

static int compute_made(void *context, wg_node *x)
{
    wg_tape *t = context;
    int      first = t->g->n, status = grow_map(t, x->id);
    if (status) return status;
    if (x->kind == WG__ASSIGN && t->outcome == WG__RUN_FAILED)
        return wg__fail(t->user, WG_EARG,
                        "assign: the values to assign from are not there, for the last run failed: %.300s", t->failure);
    if (!wg__lower(t, x)) {
        status = refuse_lowering(t, x);
        wg_clear_error(t->g);
        return status;
    }
    wg_node *y = wg__detached(t, x, t->map[x->id]);
    if (!y) return wg__fail_nomem(t->user);
    t->map[x->id] = y;
    if (y->kind == WG__ASSIGN && wg__stage_assigned(t, y)) status = wg__tape_fail(t, WG_ENOMEM, "out of memory");
    for (int i = first; i < t->g->n && !status; i++)
        if (t->g->node[i]->kind == WG__OP && !t->g->node[i]->data) status = compute(t, t->g->node[i]);
    wg_node *from = y->kind == WG__RESULT ? y->x[0] : y;
    if (!status && from->kind == WG__OP && !from->data) status = compute(t, from); /* merged with a node that failed */
    if (!status && y->kind == WG__ASSIGN && !y->x[1]->data) status = refuse_unset(t, y->x[1]);
    if (!status && y->kind == WG__ASSIGN && keep_old_value(t, y->x[0]))
        status = wg__tape_fail(t, WG_ENOMEM, "out of memory");
    if (!status && y->kind == WG__ASSIGN) assign(t, y);
    if (status && y->kind == WG__ASSIGN) { /* the user has no such node */
        y->kind = WG__GROUP;
        y->n = 0;
    }
    wg_clear_error(t->g);
    return status ? wg__fail(t->user, status, "%s", t->message) : WG_OK;
}

/* Tells whether the data are the node's own, and not those of the node that it views, of a constant or of the user's
 * parameter. */
static bool owns_data(const wg_node *x)
{
    if (x->kind == WG__PARAM) return x->origin && x->data != x->origin->data;
    return (wg__is_computed(x) && !wg__is_view(x)) || x->kind == WG__INPUT;
}

void wg__eager_free(wg_tape *t)
{
    for (int i = 0; i < t->g->n; i++)
        if (owns_data(t->g->node[i])) wg__data_free(t->g->node[i]->data);
}

static int reach(void *context) { return ((wg_tape *)context)->g->n; }

/* Tells whether x stands for a parameter that was there before `reach`, and has been assigned since. */
static bool stands_for_older(const wg_tape *t, const wg_node *x, int reach)
{
    for (int i = 0; i < reach && x->kind == WG__PARAM; i++)
        if (t->g->node[i]->kind == WG__PARAM && t->g->node[i]->origin == x->origin) return true;
    return false;
}

/* Empties the private nodes from `reach` on, which the user's graph has given up: nothing computes them again, and
 * merging does not find them. */
static void drop(void *context, int reach)
{
    wg_tape *t = context;
    for (int i = reach; i < t->g->n; i++) {
        wg_node *x = t->g->node[i];
        if (stands_for_older(t, x, reach)) continue;
        if (owns_data(x)) wg__data_free(x->data);
        x->kind = WG__GROUP;
        x->op = NULL;
        x->data = NULL;
        x->n = 0;
    }
}

/* Allocates the memory of an input, which gets it with its first value. */
int wg__eager_room(wg_tape *t, const wg_node *x)
{
    wg_node *v = wg__lookup(t, x);
    if (!t->eager || !v || v->kind != WG__INPUT || v->data) return WG_OK;
    v->data = wg__data_alloc(wg__bytes((wg_dtype)v->dtype, v->shape));
    return v->data ? WG_OK : wg__tape_fail(t, WG_ENOMEM, "out of memory");
}

/* Refuses two assignments of one parameter, as a compiled tape does: each took effect when it was built, but a run
 * would lose one of the two. */
int wg__eager_check(wg_tape *t)
{
    for (int i = 0; i < t->g->n; i++)
        if (t->g->node[i]->kind == WG__ASSIGN) t->map[t->g->node[i]->x[0]->origin->id]->assigned = false;
    for (int i = 0; i < t->g->n; i++) {
        if (t->g->node[i]->kind != WG__ASSIGN) continue;
        const wg_node *p = t->g->node[i]->x[0]->origin;
        if (t->map[p->id]->assigned)
            return wg__tape_fail(t, WG_EARG,
                                 "run: %s is assigned twice: each assignment took effect as it was built, and a run "
                                 "would lose one of them",
                                 wg_node_name(p));
        t->map[p->id]->assigned = true;
    }
    return WG_OK;
}

int wg__eager_run(wg_tape *t)
{
    int status = WG_OK;
    t->drawn = false;
    for (int i = 0; i < t->g->n; i++) { /* a run computes from present values: old ones take them */
        const wg_node *p = t->g->node[i];
        if (p->kind == WG__PARAM && p->data != p->origin->data)
            memcpy(p->data, p->origin->data, wg__bytes((wg_dtype)p->dtype, p->shape));
    }
    for (int i = 0; i < t->g->n && !status; i++)
        if (t->g->node[i]->kind == WG__OP && t->g->node[i]->data) status = evaluate(t, t->g->node[i], false);
    for (int i = 0; i < t->g->n && !status; i++)
        if (t->g->node[i]->kind == WG__ASSIGN) assign(t, t->g->node[i]);
    if (!status) t->run++;
    return status;
}

/* Frees the copies of n values, and the list of them. */
static void free_copies(int n, void **copy)
{
    for (int i = 0; copy && i < n; i++) wg__data_free(copy[i]);
    free(copy);
}

/* Copies the values of all parameters that the graph's assignments change, [n_param], NULL for other parameters. NULL
 * if memory is short. */
static void **copy_assigned(const wg_graph *g)
{
    void **copy = calloc((size_t)g->n_param + 1, sizeof *copy);
    for (int i = 0; copy && i < g->n; i++) {
        const wg_node *p = g->node[i]->kind == WG__ASSIGN ? g->node[i]->x[0] : NULL;
        int            k = 0;
        while (p && g->param[k] != p) k++;
        if (!p || copy[k]) continue;
        size_t bytes = wg__bytes((wg_dtype)p->dtype, p->shape);
        if (wg__param_home(p) || !(copy[k] = wg__data_alloc(bytes))) {
            free_copies(g->n_param, copy);
            return NULL;
        }
        memcpy(copy[k], p->data, bytes);
    }
    return copy;
}

/* Puts values back that copy_assigned has copied. */
static void put_back(const wg_graph *g, void *const copy[])
{
    for (int k = 0; k < g->n_param; k++) {
        wg_node *p = g->param[k];
        if (!copy[k]) continue;
        memcpy(p->data, copy[k], wg__bytes((wg_dtype)p->dtype, p->shape));
        wg__param_written(p);
    }
}

wg_tape *wg_graph_eager(wg_graph *g)
{
    if (!g) return NULL;
    if (g->hook.made) return wg__fail(g, WG_EARG, "eager: the graph is eager already"), NULL;
    wg_tape *t = wg__tape_new(g, NULL);
    if (!t) return NULL;
    t->eager = true;
    t->outcome = WG__RUN_DONE; /* nodes have their values as they are built */
    void **before = copy_assigned(g);
    int    status = before ? WG_OK : wg__fail_nomem(g);
    for (int i = 0; i < g->n && !status; i++) status = compute_made(t, g->node[i]);
    if (before && status) put_back(g, before);
    free_copies(g->n_param, before);
    if (status) {
        wg_tape_free(t);
        return NULL;
    }
    g->hook = (struct wg__hooks){.context = t, .made = compute_made, .reach = reach, .drop = drop};
    return t;
}
