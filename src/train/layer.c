/* Layers: an object that owns parameters, and a kind that knows how they are made and applied. */
#include <stdlib.h>
#include <string.h>

#include "train/train_impl.h"

struct wg_layer {
    wg_graph            *g;
    const wg_layer_kind *kind;
    const char          *name;  /* "": none */
    void                *data;  /* [kind->size] */
    wg_node            **param; /* [n] the layer's own and its parts', each once */
    int                  n, cap;
    bool                 making, failed; /* kind->make runs; a parameter or part that it asked for could not be made */
};

static void *refuse(wg_graph *g, const char *why) { return wg__fail(g, WG_EARG, "%s", why), NULL; }

/* ---- Parameters and parts ---- */

wg_node *wg__param_printed(wg_graph *g, wg_dtype t, const wg_shape *s, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    char *name = n < 0 ? NULL : malloc((size_t)n + 1);
    if (!name) return wg__fail_nomem(g), NULL;
    va_start(ap, format);
    vsnprintf(name, (size_t)n + 1, format, ap);
    va_end(ap);
    wg_node *p = wg_param(g, name, t, *s);
    free(name);
    return p;
}

static bool owns(const wg_layer *l, const wg_node *p)
{
    for (int i = 0; i < l->n; i++)
        if (l->param[i] == p) return true;
    return false;
}

static bool add_param(wg_layer *l, wg_node *p)
{
    if (l->n == l->cap) {
        int       cap = l->cap ? 2 * l->cap : 4;
        wg_node **more = wg__arena_alloc(&l->g->arena, (size_t)cap * sizeof *more);
        if (!more) return wg__fail_nomem(l->g), false;
        if (l->n) memcpy(more, l->param, (size_t)l->n * sizeof *more);
        l->param = more;
        l->cap = cap;
    }
    l->param[l->n++] = p;
    return true;
}

static wg_node *make_param(wg_layer *l, const char *name, wg_dtype t, const wg_shape *s, const wg_initializer *init)
{
    if (!l->making) return refuse(l->g, "layer_param: a layer makes its parameters in make");
    if (!*l->name) return refuse(l->g, "layer_param: a layer that makes parameters needs a name");
    if (!name || !*name) return refuse(l->g, "layer_param: the parameter needs a name");
    wg_node *p = wg__param_printed(l->g, t, s, "%s.%s", l->name, name);
    if (!p || !add_param(l, p)) return NULL;
    return !(WG_DTYPE_BIT(t) & WG_DTYPE_REALS) || wg_init(p, init) == WG_OK ? p : NULL;
}

wg_node *wg_layer_param(wg_layer *l, const char *name, wg_dtype t, wg_shape s, const wg_initializer *init)
{
    if (!l) return NULL;
    wg_node *p = make_param(l, name, t, &s, init);
    if (!p) l->failed = true;
    return p;
}

static bool add_part(wg_layer *l, const wg_layer *part)
{
    if (!l->making) return refuse(l->g, "layer_part: a layer takes its parts in make");
    if (!part) return l->g->status ? false : refuse(l->g, "layer_part: the part is NULL");
    if (part->g != l->g) return refuse(l->g, "layer_part: the part belongs to another graph");
    for (int i = 0; i < part->n; i++)
        if (!owns(l, part->param[i]) && !add_param(l, part->param[i])) return false;
    return true;
}

wg_layer *wg_layer_part(wg_layer *l, wg_layer *part)
{
    if (l && !add_part(l, part)) l->failed = true;
    return part;
}

int wg_layer_params(const wg_layer *l, int n, wg_node *param[])
{
    for (int i = 0; l && param && i < l->n && i < n; i++) param[i] = l->param[i];
    return l ? l->n : 0;
}

wg_node *wg_layer_find(const wg_layer *l, const char *name)
{
    for (int i = 0; l && name && i < l->n; i++) {
        const char *full = l->param[i]->name;
        size_t      own = strlen(l->name);
        if (strcmp(full, name) == 0) return l->param[i];
        if (own && strncmp(full, l->name, own) == 0 && full[own] == '.' && strcmp(full + own + 1, name) == 0)
            return l->param[i];
    }
    return NULL;
}

const char *wg_layer_name(const wg_layer *l) { return l ? l->name : ""; }
wg_graph   *wg_layer_graph(const wg_layer *l) { return l ? l->g : NULL; }
void       *wg_layer_data(wg_layer *l, const wg_layer_kind *kind) { return l && l->kind == kind ? l->data : NULL; }
int         wg__layer_inputs(const wg_layer *l) { return l->kind->inputs ? l->kind->inputs : 1; }

/* ---- Making ---- */

static wg_layer *alloc(wg_graph *g, const wg_layer_kind *kind, const char *name, const void *data)
{
    wg_layer *l = wg__arena_alloc(&g->arena, sizeof *l);
    char     *copy = wg__arena_alloc(&g->arena, strlen(name) + 1);
    void     *own = wg__arena_alloc(&g->arena, kind->size + 1);
    if (!l || !copy || !own) return wg__fail_nomem(g), NULL;
    if (kind->size && data) memcpy(own, data, kind->size);
    *l = (wg_layer){.g = g, .kind = kind, .name = strcpy(copy, name), .data = own, .making = true};
    return l;
}

static wg_layer *make(wg_graph *g, const wg_layer_kind *kind, const char *name, const void *data)
{
    if (!kind || !kind->name || !kind->apply || kind->inputs < 0 || kind->size > PTRDIFF_MAX / 2)
        return refuse(
            g, "layer_new: a kind of layer needs a name, apply, no negative number of inputs and a size that can be");
    char why[160];
    if (!wg__table_fits(kind->struct_size, sizeof *kind, why))
        return wg__fail(g, WG_EARG, "layer_new: the kind %s has %s", kind->name, why), NULL;
    wg_layer *l = alloc(g, kind, name ? name : "", data);
    if (!l) return NULL;
    int status = kind->make ? kind->make(l, l->data) : WG_OK;
    l->making = false;
    if (!status && !l->failed) return l;
    if (!g->status) wg__fail(g, status, "layer_new: %s of kind %s: %s", l->name, kind->name, wg_strerror(status));
    return NULL;
}

wg_layer *wg_layer_new(wg_graph *g, const wg_layer_kind *kind, const char *name, const void *data)
{
    if (!g) return NULL;
    const char     *outer = wg__enter(g, "layer_new");
    struct wg__mark before = wg__mark(g);
    wg_layer       *l = make(g, kind, name, data);
    if (!l) wg__undo(g, &before);
    wg__leave(g, outer, NULL);
    return l;
}

/* ---- Applying ---- */

static bool has_value(const wg_node *x) { return x->kind != WG__ASSIGN && x->kind != WG__GROUP; }

static bool check_operands(const wg_layer *l, int n, wg_node *const x[])
{
    char        text[160];
    const char *call = l->g->call;
    int         takes = wg__layer_inputs(l);
    if (n != takes)
        wg__fail(l->g, WG_EARG, "%s: %s %s takes %d operand%s, not %d", call, l->kind->name, l->name, takes,
                 takes == 1 ? "" : "s", n);
    for (int i = 0; n == wg__layer_inputs(l) && i < n; i++) {
        const char *what = wg__node_str(x[i], text, sizeof text);
        if (x[i]->g != l->g) wg__fail(l->g, WG_EARG, "%s(%s): the operand belongs to another graph", call, what);
        else if (!has_value(x[i])) wg__fail(l->g, WG_EARG, "%s: %s has no value", call, wg_node_kind(x[i]));
        else continue;
        return false;
    }
    return n == wg__layer_inputs(l);
}

static wg_node *apply(wg_layer *l, int n, wg_node *const x[])
{
    if (!check_operands(l, n, x)) return NULL;
    const char *outer = l->g->layer;
    if (*l->name) l->g->layer = l->name;
    wg_node *y = l->kind->apply(l, x, l->data);
    l->g->layer = outer;
    if (y && y->g == l->g && has_value(y)) return y;
    if (y || !l->g->status)
        wg__fail(l->g, WG_EARG, "%s: %s %s gave %s", l->g->call, l->kind->name, l->name,
                 !y             ? "no node"
                 : y->g != l->g ? "a node of another graph"
                                : "a node without a value");
    return NULL;
}

static wg_node *apply_for(const char *who, wg_layer *l, int n, wg_node *const x[])
{
    if (!l || wg__lacks_list(l->g, who, n, "x", x)) return NULL;
    for (int i = 0; i < n; i++)
        if (!x[i]) return NULL;
    const char     *outer = wg__enter(l->g, who);
    struct wg__mark before = wg__mark(l->g);
    wg_node        *y = apply(l, n, x);
    if (!y) wg__undo(l->g, &before);
    return wg__leave(l->g, outer, y);
}

wg_node *wg_layer_apply(wg_layer *l, wg_node *x) { return apply_for("layer_apply", l, 1, &x); }
wg_node *wg_layer_apply_to(wg_layer *l, int n, wg_node *const x[]) { return apply_for("layer_apply_to", l, n, x); }
