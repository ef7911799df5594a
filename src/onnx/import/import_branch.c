/* If, where its condition is known while the model is loaded: the nodes of the branch that is taken
 * stand in its place; the other branch takes no part.
 *
 * A branch sees the names around it. The names that it defines are not seen outside, so that two
 * branches may define the same name: a name that the model has already gets "<If's output>/" before
 * it. */
#include <string.h>

#include "onnx/import/import_impl.h"

/* A name of the branch, and the name that it has in the model. */
struct renamed {
    const char *from, *to;
};
struct branch {
    struct wg__import           *p;
    const struct wg__onnx_model *graph;
    const char                  *head; /* before names that are taken */
    struct renamed              *name;
    int                          n;
    bool                         changed; /* some name had to be another */
};

static void *take(struct branch *b, size_t bytes)
{
    void *memory = wg__arena_alloc(&b->p->in.m->file.arena, bytes + 1);
    if (!memory) b->p->nomem = true;
    return memory;
}

static const char *look_up(struct branch *b, const char *name)
{
    for (int i = b->n - 1; i >= 0; i--)
        if (strcmp(b->name[i].from, name) == 0) return b->name[i].to;
    return name;
}

/* Gives a name that the branch defines: itself, or "<head>/<name>" where the model has a value of that
 * name already. */
static const char *define(struct branch *b, const char *name)
{
    const char *to = name;
    if (!*name) return name;
    if (wg__value_find(b->p->in.m, name)) {
        size_t n = strlen(b->head) + strlen(name) + 2;
        char  *text = take(b, n);
        if (!text) return name;
        snprintf(text, n, "%s/%s", b->head, name);
        to = text;
        b->changed = true;
    }
    b->name[b->n++] = (struct renamed){name, to};
    return to;
}

static const char **map_names(struct branch *b, int n, const char **from,
                              const char *(*name)(struct branch *, const char *))
{
    const char **to = take(b, (size_t)n * sizeof *to);
    for (int i = 0; to && i < n; i++) to[i] = name(b, from[i]);
    return to;
}

static bool has_graph(const struct wg__onnx_node *node)
{
    for (int i = 0; i < node->n_attr; i++)
        if (node->attr[i].graph) return true;
    return false;
}

/* Copies a node with its names as the model has them. Graphs in the node's attributes are not copied:
 * they would see the old names, so that branches with changed names may not hold branches. */
static bool copy_node(struct branch *b, const struct wg__onnx_node *from, struct wg__onnx_node *to)
{
    *to = *from;
    to->in = map_names(b, from->n_in, from->in, look_up);
    to->out = map_names(b, from->n_out, from->out, define);
    if (has_graph(from) && b->changed)
        return wg__unsupported(&b->p->in, "a branch in a branch whose names are used elsewhere"), false;
    if (b->p->nomem) return false;
    b->p->in.node = to;
    return wg__import_names(b->p, to) == WG_OK;
}

/* Copies the branch's initialisers and nodes under their names in the model. */
static bool copy_branch(struct branch *b, struct wg__onnx_model *to)
{
    const struct wg__onnx_model *g = b->graph;
    size_t                       names = (size_t)g->n_init;
    bool                         good = true;
    for (int i = 0; i < g->n_node; i++) names += (size_t)g->node[i].n_out;
    *to = (struct wg__onnx_model){.n_init = g->n_init, .n_node = g->n_node};
    b->name = take(b, names * sizeof *b->name);
    to->init = take(b, (size_t)g->n_init * sizeof *to->init);
    to->node = take(b, (size_t)g->n_node * sizeof *to->node);
    if (b->p->nomem) return false;
    for (int i = 0; i < g->n_init; i++) {
        to->init[i] = g->init[i];
        to->init[i].name = define(b, g->init[i].name);
    }
    good = wg__import_tensors(b->p, to) == WG_OK;
    for (int i = 0; i < g->n_node && good; i++) good = copy_node(b, &g->node[i], &to->node[i]);
    return good;
}

static bool is_used(const struct wg__import *p, const struct wg__onnx_node *node)
{
    for (int k = 0; k < node->n_out; k++)
        if (*node->out[k] && wg__value_find(p->in.m, node->out[k])->used) return true;
    return false;
}

/* Finds the rows of the nodes that the branch's outputs need, and makes what they need of the model
 * around them. */
static void prepare_nodes(struct wg__import *p, const struct wg__onnx_model *g, const struct wg__row **row)
{
    for (int i = g->n_node - 1; i >= 0; i--)
        for (int k = 0; is_used(p, &g->node[i]) && k < g->node[i].n_in; k++) wg__use(p, g->node[i].in[k]);
    for (int i = 0; i < g->n_node; i++)
        if (is_used(p, &g->node[i])) row[i] = wg__import_row(p, &g->node[i]);
    wg__import_uses(p, g->n_node, g->node, row);
    wg__import_reach(p, p->at);
    wg__import_nodes(p, p->at);
}

/* Makes the value of the branch's output `name` the value of output i of the If. */
static int pass_on(struct wg__import *p, const struct wg__onnx_node *node, int i, const char *name)
{
    struct wg__import_value *to = *node->out[i] ? wg__value_find(p->in.m, node->out[i]) : NULL;
    struct wg__import_value *from = wg__value_find(p->in.m, name);
    if (!wg__value_whole(p, from)) return WG_EARG;
    if (!to) return WG_OK;
    if (from->weight) wg__value_node(p, from); /* one parameter, under its own name */
    to->node = from->node;
    to->tensor = from->tensor;
    to->given = from->given;
    to->ints = from->ints;
    to->ints_rank = from->ints_rank;
    to->ints_dtype = from->ints_dtype;
    return WG_OK;
}

static int make_branch(struct wg__in *c, const struct wg__onnx_model *graph)
{
    struct wg__import    *p = c->import;
    struct wg__in         before = *c;
    int64_t               said = p->said;
    struct wg__onnx_model g;
    struct branch         b = {.p = p, .graph = graph, .head = c->node->out[0]};
    int                   status = WG_OK;
    if (graph->n_output < c->n_out) return wg__malformed(c, "a branch has %d outputs", graph->n_output);
    if (!copy_branch(&b, &g)) return p->nomem ? WG_ENOMEM : WG_EARG;
    const struct wg__row **row = take(&b, (size_t)g.n_node * sizeof *row);
    if (!row) return WG_ENOMEM;
    for (int i = 0; i < before.n_out; i++) {
        const char *name = look_up(&b, graph->output[i].name);
        if (!wg__value_find(c->m, name)) return wg__malformed(c, "nothing makes '%.100s' in its branch", name);
        wg__use(p, name);
    }
    prepare_nodes(p, &g, row);
    for (int i = 0; i < g.n_node && !p->nomem; i++)
        if (is_used(p, &g.node[i])) wg__import_node(p, &g.node[i], row[i]);
    p->in = before;
    p->said_before = said;
    for (int i = 0; i < c->n_out && !status; i++) status = pass_on(p, c->node, i, look_up(&b, graph->output[i].name));
    return p->nomem ? WG_ENOMEM : status;
}

static int if_row(struct wg__in *c)
{
    const struct wg__onnx_attr *yes = wg__attr_find(c, "then_branch"), *no = wg__attr_find(c, "else_branch");
    wg_array                    a;
    if (!yes || !no || !yes->graph || !no->graph) return wg__malformed(c, "it has not both branches");
    if (!wg__in_known(c, 0, &a)) return wg__unsupported(c, "the condition has to be known when the model is loaded");
    bool one = a.dtype == WG_BOOL && wg_count(&a.shape) == 1, taken = one && *(const uint8_t *)a.data;
    wg__data_free(a.data);
    if (!one) return wg__malformed(c, "the condition is not one bool");
    return make_branch(c, taken ? yes->graph : no->graph);
}

const struct wg__row wg__rows_branch[] = {
    {"If", 1, "1", "then_branch else_branch", if_row, "k0"},
    {0},
};
