/* Fusion: nodes that become one instruction.
 *
 * The order is walked backwards, users before operands. A node joins the cluster of its earliest user if the node is
 * elementwise (or the one producer at the start) and has the shape that the cluster loops over; a reduction opens a
 * cluster over its operand's shape. A cluster runs where its last node stands. No cycle can arise: every other user of
 * a joined node runs later than the cluster, and every operand of the node runs earlier, because the cluster is the
 * earliest user of that operand or a later one. */
#include <limits.h>
#include <stdlib.h>

#include "tape/tape_impl.h"

/* Tells whether v may be a step of a loop. On a device, an operator of a program's own that has a kernel for devices is
 * called instead. */
static bool is_block(const wg_tape *t, const wg_node *v)
{
    return v->op->block && v->n <= WG_BLOCK_MAX_ARITY && !(t->options.device != WG_DEVICE_CPU && v->op->cuda);
}

static bool is_reduction(const wg_node *v) { return wg__reduction_of(v->op) >= 0; }

static bool is_producer(const wg_node *v)
{
    const struct wg__producer *p = wg__producer_of(v->op);
    return p && p->is_worth(v);
}

/* Notes that the cluster at position `exec` uses x; `join` tells whether x could become part of the cluster. */
static void note_use(struct wg__fuse_node *x, int exec, int cluster, bool join)
{
    if (x->exec != INT_MAX && x->exec != exec) x->outside = x->read = true;
    if (exec > x->exec) return;
    if (exec < x->exec) x->join = join ? cluster : -1;
    else if (!join) x->join = -1;
    x->exec = exec;
}

static bool is_input(const struct wg__cluster *c, const wg_node *x)
{
    for (int i = 0; i < c->inputs; i++)
        if (c->input[i] == x) return true;
    return false;
}

/* Tells whether v may become part of c, within the limits of a loop. On a device all updates of parameters come
 * together at the end, where the update of a product would stand alone. */
static bool can_join(const wg_tape *t, const struct wg__cluster *c, const wg_node *v, bool outside)
{
    const wg_shape *domain = c->tail ? c->tail->x[0]->shape : c->root->shape;
    if (!c->loop || !wg__shape_equal(v->shape, domain)) return false;
    if (is_producer(v) && c->update && t->options.device != WG_DEVICE_CPU) return false;
    if (is_producer(v)) return !c->head && !c->tail && (c->inputs < WG__LOOP_INPUTS || is_input(c, v));
    if (!is_block(t, v) || c->n == WG__LOOP_STEPS || c->outputs + outside > WG__LOOP_OUTPUTS) return false;
    int more = -(int)is_input(c, v);
    for (int k = 0; k < v->n; k++) more += !is_input(c, v->x[k]);
    return c->inputs + more <= WG__LOOP_INPUTS;
}

static void add_input(struct wg__cluster *c, wg_node *x)
{
    if (!is_input(c, x)) c->input[c->inputs++] = x;
}

/* Makes v a step of c, computed before the steps that are there. */
static void join_cluster(struct wg__fuse *f, int ci, wg_node *v)
{
    struct wg__cluster *c = &f->cluster[ci];
    f->node[v->id].cluster = ci;
    c->outputs += f->node[v->id].outside;
    c->update = c->update && !f->node[v->id].read;
    for (int i = 0; i < c->inputs; i++)
        if (c->input[i] == v) c->input[i] = c->input[--c->inputs];
    for (int k = 0; k < v->n; k++) add_input(c, v->x[k]);
    c->n++;
}

static int add_cluster(const wg_tape *t, struct wg__fuse *f, wg_node *v)
{
    if (f->n == f->cap) {
        int   cap = f->cap ? 2 * f->cap : 64;
        void *p = realloc(f->cluster, (size_t)cap * sizeof *f->cluster);
        if (!p) return WG_ENOMEM;
        f->cluster = p;
        f->cap = cap;
    }
    f->cluster[f->n] = (struct wg__cluster){.root = v, .loop = is_block(t, v) || is_reduction(v)};
    f->cluster[f->n].update = is_block(t, v) && f->node[v->id].outside && !f->node[v->id].read;
    f->node[v->id].cluster = f->n;
    return f->n++;
}

static int place_node(const wg_tape *t, struct wg__fuse *f, wg_node *v, int at)
{
    struct wg__fuse_node *n = &f->node[v->id];
    int                   ci = n->join;
    bool                  fuse = !(t->options.skip & WG_SKIP_FUSE);
    if (ci >= 0 && fuse && can_join(t, &f->cluster[ci], v, n->outside)) {
        if (is_producer(v)) {
            f->cluster[ci].head = v;
            n->cluster = ci;
            add_input(&f->cluster[ci], v);
        } else join_cluster(f, ci, v);
    } else {
        if (n->exec != INT_MAX) n->outside = n->read = true;
        if ((ci = add_cluster(t, f, v)) < 0) return ci;
        struct wg__cluster *c = &f->cluster[ci];
        if (is_reduction(v)) {
            c->tail = v;
            add_input(c, v->x[0]);
        } else if (is_block(t, v)) {
            n->outside = true;
            join_cluster(f, ci, v);
        }
        n->exec = at;
    }
    const struct wg__cluster *c = &f->cluster[ci];
    int                       exec = f->node[c->root->id].exec;
    bool                      whole = c->head == v; /* a producer needs all of its operands first */
    for (int k = 0; k < v->n; k++) note_use(&f->node[v->x[k]->id], exec, ci, !whole && c->loop);
    return WG_OK;
}

/* Counts the users of a view as users of the node that the view shows in another shape. */
static void pass_view_users(struct wg__fuse *f, const wg_node *v)
{
    const struct wg__fuse_node *n = &f->node[v->id];
    struct wg__fuse_node       *x = &f->node[v->x[0]->id];
    if (n->exec != INT_MAX) note_use(x, n->exec, n->cluster, false);
    x->outside = x->read = true;
}

/* Lists the members of each cluster in execution order, and the clusters in execution order. */
static int collect_members(wg_tape *t, struct wg__fuse *f)
{
    for (int i = 0, j = f->n - 1; i < j; i++, j--) {
        struct wg__cluster c = f->cluster[i];
        f->cluster[i] = f->cluster[j];
        f->cluster[j] = c;
    }
    f->member = malloc(((size_t)t->n_order + 1) * sizeof *f->member);
    if (!f->member) return WG_ENOMEM;
    for (int i = 0, first = 0; i < f->n; first += f->cluster[i++].n) f->cluster[i].first = first;
    for (int i = 0; i < f->n; i++) f->cluster[i].n = 0;
    for (int i = 0; i < t->n_order; i++) {
        wg_node *v = t->order[i];
        int      ci = f->node[v->id].cluster;
        if (ci < 0) continue;
        ci = f->node[v->id].cluster = f->n - 1 - ci;
        struct wg__cluster *c = &f->cluster[ci];
        if (c->loop && v != c->head && v != c->tail) f->member[c->first + c->n++] = v;
        WG__INVARIANT(c->n <= WG__LOOP_STEPS && c->inputs <= WG__LOOP_INPUTS);
    }
    return WG_OK;
}

int wg__fuse(wg_tape *t, struct wg__fuse *f)
{
    *f = (struct wg__fuse){.node = malloc(((size_t)t->g->n + 1) * sizeof *f->node)};
    if (!f->node) return wg__fail_nomem(t->user);
    for (int i = 0; i < t->g->n; i++)
        f->node[i] = (struct wg__fuse_node){
            .cluster = -1, .exec = INT_MAX, .join = -1, .outside = t->value[i].keep, .read = t->value[i].keep};
    int status = WG_OK;
    for (int i = t->n_order - 1; i >= 0 && !status; i--) {
        wg_node *v = t->order[i];
        if (v->kind == WG__ASSIGN) f->node[v->x[1]->id].outside = true;
        else if (v->kind == WG__OP && wg__is_view(v)) pass_view_users(f, v);
        else if (v->kind == WG__OP) status = place_node(t, f, v, i);
    }
    if (!status) status = collect_members(t, f);
    return status ? wg__fail_nomem(t->user) : WG_OK;
}

void wg__fuse_free(struct wg__fuse *f)
{
    free(f->cluster);
    free(f->member);
    free(f->node);
}
