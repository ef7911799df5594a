/* Graphs, their nodes and leaves. */
#include "graph/graph_impl.h"

#include <stdlib.h>
#include <string.h>

wg_graph *wg_graph_new(void) { return calloc(1, sizeof(wg_graph)); }

void wg_graph_free(wg_graph *g)
{
    if (!g) return;
    if (g->free_tapes) g->free_tapes(g);
    if (g->free_devices) g->free_devices(g);
    for (int i = 0; i < g->n_param; i++) wg__data_free(g->param[i]->data);
    wg__arena_free(&g->arena);
    free(g->dims.dim);
    free(g->update);
    free(g->param);
    free(g->node);
    free(g->place);
    free(g);
}

void wg_set_seed(wg_graph *g, uint64_t seed)
{
    if (g) g->seed = seed;
}
uint64_t wg_seed(const wg_graph *g) { return g ? g->seed : 0; }

/* Makes room for one more pointer in a table of n, whose room doubles; false if memory is short. */
static bool grow_table(wg_node ***table, int n, int *cap)
{
    if (n < *cap) return true;
    int   wanted = *cap ? 2 * *cap : 64;
    void *p = wanted > *cap ? realloc(*table, (size_t)wanted * sizeof **table) : NULL;
    if (!p) return false;
    *table = p;
    *cap = wanted;
    return true;
}

/* Finds the shape in the graph's memory: nodes that are made one after the other often have the same, or by turns that
 * of a tensor and of a scalar. */
static const wg_shape *keep_shape(wg_graph *g, const wg_shape *s)
{
    for (int i = g->n - 1; i >= 0 && i >= g->n - 2; i--)
        if (wg__shape_equal(g->node[i]->shape, s)) return g->node[i]->shape;
    wg_shape *copy = wg__arena_alloc(&g->arena, sizeof *copy);
    if (copy) *copy = wg_shape_make(s->rank, s->dim);
    return copy;
}

wg_node *wg__node_new(wg_graph *g, enum wg__kind kind, wg_dtype t, const wg_shape *s, int n)
{
    wg_node        *x = wg__arena_alloc(&g->arena, sizeof *x + (size_t)n * sizeof *x->x);
    const wg_shape *shape = keep_shape(g, s);
    if (!x || !shape || !grow_table(&g->node, g->n, &g->cap)) {
        wg__fail_nomem(g);
        return NULL;
    }
    *x = (wg_node){.g = g,
                   .kind = (uint8_t)kind,
                   .dtype = (uint8_t)t,
                   .shape = shape,
                   .id = g->n,
                   .n = n,
                   .m = 1,
                   .call = g->call};
    WG__INVARIANT(g->n == 0 || g->node[g->n - 1]->id == g->n - 1);
    return g->node[g->n++] = x;
}

/* Calls the hook `made`, with which eager mode computes the node; NULL on failure. */
static wg_node *complete_node(wg_node *x)
{
    if (!x || !x->g->hook.made) return x;
    return x->g->hook.made(x->g->hook.context, x) == WG_OK ? x : NULL;
}

static bool check_leaf(wg_graph *g, const char *who, wg_dtype t, const wg_shape *s)
{
    if (!wg_dtype_size(t)) {
        wg__fail(g, WG_EARG, "%s: %d is no dtype", who, (int)t);
        return false;
    }
    return wg__shape_valid(g, who, s);
}

/* Names a node that may be NULL, or may stay without a name. */
static wg_node *set_name(wg_node *x, const char *name)
{
    if (!x || !name) return x;
    const wg_node *other = x->kind == WG__PARAM ? wg_param_find(x->g, name) : NULL;
    if (x->kind == WG__PARAM && !*name)
        return wg__fail(x->g, WG_EARG, "named: %s: a parameter needs a name", wg_node_name(x)), NULL;
    if (other && other != x)
        return wg__fail(x->g, WG_EARG, "named: %s: there is a parameter %s already", wg_node_name(x), name), NULL;
    char *copy = wg__arena_alloc(&x->g->arena, strlen(name) + 1);
    if (!copy) {
        wg__fail_nomem(x->g);
        return NULL;
    }
    x->name = strcpy(copy, name);
    return x;
}

wg_node *wg_named(wg_node *x, const char *name)
{
    if (!x || !name) return x;
    if (!x->g->quiet && !wg__place_named(x, name)) return NULL;
    return set_name(x, name);
}

wg_node *wg_input(wg_graph *g, const char *name, wg_dtype t, wg_shape s)
{
    if (!g || !check_leaf(g, "input", t, &s)) return NULL;
    return complete_node(set_name(wg__node_new(g, WG__INPUT, t, &s, 0), name));
}

wg_node *wg_param(wg_graph *g, const char *name, wg_dtype t, wg_shape s)
{
    char text[96];
    if (!g || !check_leaf(g, "param", t, &s)) return NULL;
    if (!name || !*name) return wg__fail(g, WG_EARG, "param: a parameter needs a name"), NULL;
    if (wg_param_find(g, name)) return wg__fail(g, WG_EARG, "param: there is a parameter %s already", name), NULL;
    size_t bytes = wg__bytes(t, &s);
    if (bytes == SIZE_MAX)
        return wg__fail(g, WG_ESHAPE, "param: %s%s needs a size that is known and fits in memory", name,
                        wg__shape_str(g, &s, text, sizeof text)),
               NULL;
    wg_node *x = set_name(wg__node_new(g, WG__PARAM, t, &s, 0), name);
    if (!x) return NULL;
    if (!grow_table(&g->param, g->n_param, &g->cap_param)) return wg__fail_nomem(g), NULL;
    if (!(x->data = wg__data_alloc(bytes)))
        return wg__fail(g, WG_ENOMEM, "param: out of memory: %s takes %zu bytes", wg__node_str(x, text, sizeof text),
                        bytes),
               NULL;
    g->param[g->n_param++] = x;
    return complete_node(x);
}

/* Allocates arena memory for the data of a constant, aligned to 64 bytes as kernels like it unless it is smaller. */
static void *alloc_data(wg_graph *g, size_t bytes)
{
    enum { LINE = 64 };
    if (bytes < LINE) return wg__arena_alloc(&g->arena, bytes + 1);
    char *p = bytes < SIZE_MAX - LINE ? wg__arena_alloc(&g->arena, bytes + LINE) : NULL;
    return p ? p + (LINE - (uintptr_t)p % LINE) % LINE : NULL;
}

wg_node *wg__const_borrow(wg_graph *g, wg_dtype t, const wg_shape *s, void *data)
{
    wg_node *x = wg__node_new(g, WG__CONST, t, s, 0);
    if (!x) return NULL;
    x->data = data;
    return complete_node(x);
}

wg_node *wg__const_copy(wg_graph *g, wg_dtype t, const wg_shape *s, const void *data)
{
    size_t bytes = wg__bytes(t, s);
    if (bytes == SIZE_MAX)
        return wg__fail(g, WG_ESHAPE, "const: a constant needs a size that is known and fits in memory"), NULL;
    void *copy = alloc_data(g, bytes);
    if (!copy) return wg__fail(g, WG_ENOMEM, "const: out of memory: a constant of %zu bytes", bytes), NULL;
    wg__take(t, copy, data, bytes);
    return wg__const_borrow(g, t, s, copy);
}

wg_node *wg_const(wg_graph *g, wg_dtype t, wg_shape s, const void *data)
{
    if (!g || !check_leaf(g, "const", t, &s)) return NULL;
    if (!data && wg_count(&s)) return wg__fail(g, WG_EARG, "const: data is NULL"), NULL;
    return g->hook.constant ? g->hook.constant(g->hook.context, t, &s, data) : wg__const_copy(g, t, &s, data);
}

wg_node *wg_scalar(wg_graph *g, wg_dtype t, double value)
{
    union {
        double align;
        char   bytes[8];
    } v = {0};
    if (g && wg_dtype_size(t) && !wg__holds(t, value))
        return wg__fail(g, WG_EARG, "%s: %g is no %s", g->call ? g->call : "scalar", value, wg_dtype_name(t)), NULL;
    if (wg_dtype_size(t)) wg__store(t, &v, 0, value);
    else if (g) return wg__fail(g, WG_EARG, "scalar: %d is no dtype", (int)t), NULL;
    return wg_const(g, t, WG_SCALAR, &v);
}

wg_node *wg_lit(wg_node *x, double value)
{
    if (!x) return NULL;
    const char *outer = wg__enter(x->g, "lit");
    return wg__leave(x->g, outer, wg_scalar(x->g, (wg_dtype)x->dtype, value));
}

int      wg_param_count(const wg_graph *g) { return g ? g->n_param : 0; }
wg_node *wg_param_at(const wg_graph *g, int i) { return g && i >= 0 && i < g->n_param ? g->param[i] : NULL; }
wg_node *wg_param_find(const wg_graph *g, const char *name)
{
    for (int i = 0; g && name && i < g->n_param; i++)
        if (strcmp(g->param[i]->name, name) == 0) return g->param[i];
    return NULL;
}

int wg__param_home(const wg_node *p)
{
    return __atomic_load_n(&p->stale, __ATOMIC_ACQUIRE) ? p->g->fetch(p->g->node[p->id]) : WG_OK;
}
void wg__param_written(wg_node *p)
{
    p->version++;
    __atomic_store_n(&p->stale, 0, __ATOMIC_RELEASE);
}

/* Checks the arguments of a call on a parameter. Without a node there is no graph to keep the message. */
static int check_param(const wg_node *p, const char *who, const void *data)
{
    char text[160];
    if (!p) return wg__fail(NULL, WG_EARG, "%s: the parameter is NULL: is there one of that name?", who);
    if (p->kind != WG__PARAM)
        return wg__fail(p->g, WG_EARG, "%s: %s is no parameter", who, wg__node_str(p, text, sizeof text));
    return data ? WG_OK : wg__fail(p->g, WG_EARG, "%s: %s: data is NULL", who, p->name);
}

int wg_param_set(wg_node *p, const void *data)
{
    int status = check_param(p, "param_set", data);
    if (status) return status;
    wg__take((wg_dtype)p->dtype, p->data, data, wg__bytes((wg_dtype)p->dtype, p->shape));
    wg__param_written(p);
    return WG_OK;
}
int wg_param_get(const wg_node *p, void *data)
{
    int status = check_param(p, "param_get", data);
    if (!status) status = wg__param_home(p);
    if (!status) memcpy(data, p->data, wg__bytes((wg_dtype)p->dtype, p->shape));
    return status;
}
const void *wg_param_view(const wg_node *p)
{
    return check_param(p, "param_view", p) == WG_OK && wg__param_home(p) == WG_OK ? p->data : NULL;
}

int wg_set_role(wg_node *p, wg_role role)
{
    char text[160];
    if (!p) return wg__fail(NULL, WG_EARG, "set_role: the parameter is NULL");
    if (p->kind != WG__PARAM)
        return wg__fail(p->g, WG_EARG, "set_role: %s is no parameter", wg__node_str(p, text, sizeof text));
    if (role != WG_ROLE_WEIGHT && role != WG_ROLE_STATE && role != WG_ROLE_FROZEN)
        return wg__fail(p->g, WG_EARG, "set_role: %d is no role", (int)role);
    p->role = (uint8_t)role;
    p->role_set = true;
    p->of_solver = false;
    return WG_OK;
}
wg_role wg_node_role(const wg_node *p) { return p ? (wg_role)p->role : WG_ROLE_WEIGHT; }

wg_node *wg_assign(wg_node *p, wg_node *next)
{
    char      a[160], b[160];
    wg_graph *g = p ? p->g : next ? next->g : NULL;
    if (!g || !p || !next) {
        if (g && g->status == WG_OK) wg__fail(g, WG_EARG, "assign: %s is NULL", p ? "the next value" : "the parameter");
        return NULL;
    }
    if (p->kind != WG__PARAM)
        return wg__fail(g, WG_EARG, "assign: %s is no parameter", wg__node_str(p, a, sizeof a)), NULL;
    if (next->g != g)
        return wg__fail(g, WG_EARG, "assign: the next value of %s belongs to another graph", p->name), NULL;
    if (p->dtype != next->dtype)
        return wg__fail(g, WG_EDTYPE, "assign: %s is %s but its next value is %s", p->name,
                        wg_dtype_name((wg_dtype)p->dtype), wg_dtype_name((wg_dtype)next->dtype)),
               NULL;
    if (!wg__shape_equal(p->shape, next->shape))
        return wg__fail(g, WG_ESHAPE, "assign: %s but its next value is %s", wg__node_str(p, a, sizeof a),
                        wg__node_str(next, b, sizeof b)),
               NULL;
    wg_node *y = wg__node_new(g, WG__ASSIGN, (wg_dtype)p->dtype, p->shape, 2);
    if (!y) return NULL;
    y->x[0] = p;
    y->x[1] = next;
    return complete_node(y);
}

wg_node *wg_group(int n, wg_node *const x[])
{
    wg_graph *g = NULL;
    if (n < 1) return wg__fail(NULL, WG_EARG, "group: there are no nodes"), NULL;
    if (wg__lacks_list(NULL, "group", n, "x", x)) return NULL;
    for (int i = 0; i < n && !g; i++) g = wg_node_graph(x[i]);
    if (!g) return NULL;
    for (int i = 0; i < n; i++)
        if (!x[i] || x[i]->g != g) {
            if (g->status == WG_OK || x[i])
                wg__fail(g, WG_EARG, "group: node %d is %s", i, x[i] ? "of another graph" : "NULL");
            return NULL;
        }
    wg_node *y = wg__node_new(g, WG__GROUP, WG_F32, &(wg_shape){0}, n);
    if (!y) return NULL;
    memcpy(y->x, x, (size_t)n * sizeof *x);
    return complete_node(y);
}

wg_node *wg_result(wg_node *x, int k)
{
    char text[160];
    if (!x) return NULL;
    if (k >= 0 && k < x->m) return wg__result(x, k);
    return wg__fail(x->g, WG_EARG, "result(%s, %d): %s has %d result%s", wg__node_str(x, text, sizeof text), k,
                    wg_node_kind(x), x->m, x->m == 1 ? "" : "s"),
           NULL;
}

wg_node *wg_watch(wg_node *x)
{
    if (x) x->watched = true;
    return x;
}

wg_graph       *wg_node_graph(const wg_node *x) { return x ? x->g : NULL; }
const wg_shape *wg_node_shape(const wg_node *x) { return x ? x->shape : NULL; }
wg_dtype        wg_node_dtype(const wg_node *x) { return x ? (wg_dtype)x->dtype : WG_DTYPES; }
const char     *wg_node_name(const wg_node *x) { return x && x->name ? x->name : ""; }
int             wg_node_arity(const wg_node *x) { return x ? x->n : 0; }
wg_node        *wg_node_operand(const wg_node *x, int i) { return x && i >= 0 && i < x->n ? x->x[i] : NULL; }
const void     *wg_node_attr(const wg_node *x) { return x ? x->attr : NULL; }
const wg_op    *wg_node_op(const wg_node *x) { return x ? x->op : NULL; }
int             wg_node_results(const wg_node *x) { return x ? x->m : 1; }
int             wg_node_result(const wg_node *x) { return x ? wg__result_index(x) : 0; }
const char     *wg_node_kind(const wg_node *x)
{
    static const char *const kind[] = {[WG__INPUT] = "input",   [WG__PARAM] = "param", [WG__CONST] = "const",
                                       [WG__ASSIGN] = "assign", [WG__GROUP] = "group", [WG__RESULT] = "result"};
    return !x ? "" : x->kind == WG__OP ? x->op->name : kind[x->kind];
}
