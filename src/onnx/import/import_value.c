/* What the names of a model stand for: a table by name, and nodes made when they are first asked for. */
#include <stdlib.h>
#include <string.h>

#include "onnx/import/import_impl.h"

/* ---- The table ---- */

bool wg__values_new(wg_onnx *m, size_t n)
{
    m->value = n < INT32_MAX ? calloc(n + 1, sizeof *m->value) : NULL;
    return m->value && wg__table_reserve(&m->by_name, n); /* wg_onnx_free has both */
}

static bool has(const void *owner, uint32_t i, const void *name)
{
    const wg_onnx *m = owner;
    return strcmp(m->value[i].name, name) == 0;
}

struct wg__import_value *wg__value_find(const wg_onnx *m, const char *name)
{
    int64_t i = wg__table_find(&m->by_name, wg__hash_text(name), has, m, name);
    return i < 0 ? NULL : &m->value[i];
}

struct wg__import_value *wg__value_add(wg_onnx *m, const char *name)
{
    uint32_t hash = wg__hash_text(name);
    if (wg__table_find(&m->by_name, hash, has, m, name) >= 0) return NULL;
    wg__table_add(&m->by_name, hash, (uint32_t)m->n_value);
    m->value[m->n_value].name = name;
    return &m->value[m->n_value++];
}

/* ---- Nodes ---- */

/* "prefix" "name", in the model's arena. */
static const char *param_name(struct wg__import *p, const char *name)
{
    const char *prefix = p->in.options->prefix;
    if (!prefix || !*prefix) return name;
    size_t n = strlen(prefix);
    char  *text = wg__arena_alloc(&p->in.m->file.arena, n + strlen(name) + 1);
    if (!text) {
        p->nomem = true;
        return NULL;
    }
    memcpy(text, prefix, n);
    strcpy(text + n, name);
    return text;
}

static wg_node *make_param(struct wg__import *p, const struct wg__import_value *v, const wg_array *a)
{
    const char *name = param_name(p, v->name);
    wg_node    *x = name ? wg_param(p->in.g, name, a->dtype, a->shape) : NULL;
    if (x) wg_param_set(x, a->data);
    return x;
}

static wg_node *from_tensor(struct wg__import *p, const struct wg__import_value *v)
{
    wg_array a;
    wg_node *x;
    if (!wg__tensor_known(p, v->tensor, v->name, &a)) return NULL;
    if (v->weight) x = make_param(p, v, &a);
    else x = wg_named(wg_const(p->in.g, a.dtype, a.shape, a.data), v->name);
    wg__data_free(a.data);
    return x;
}

static wg_node *from_given(struct wg__import *p, const struct wg__import_value *v)
{
    return wg_named(wg_const(p->in.g, v->given->dtype, v->given->shape, v->given->data), v->name);
}

wg_node *wg__in_whole(struct wg__in *c, wg_dtype t, int64_t v)
{
    return wg_cast(wg_const(c->g, WG_I64, WG_SCALAR, &v), t);
}

wg_node *wg__in_dim(struct wg__in *c, wg_dtype t, int64_t d)
{
    if (wg__dim_is_number(c->g, d)) return wg__in_whole(c, t, d);
    return wg_cast(wg_size(wg_fill(c->g, WG_I64, WG_SHAPE(d), 0), WG_ALL_AXES), t);
}

static wg_node *from_ints(struct wg__import *p, const struct wg__import_value *v)
{
    wg_graph              *g = p->in.g;
    const struct wg__ints *list = v->ints;
    wg_node               *part[WG__MAX_INTS], *x;
    bool                   symbols = false;
    for (int i = 0; i < list->n; i++) symbols |= wg__is_symbol(list, i);
    for (int i = 0; symbols && i < list->n; i++)
        part[i] = wg__is_symbol(list, i) ? wg_reshape(wg__in_dim(&p->in, WG_I64, list->at[i]), WG_SHAPE(1))
                                         : wg_const(g, WG_I64, WG_SHAPE(1), &list->at[i]);
    if (symbols) x = wg_concat(list->n, part, 0);
    else x = wg_const(g, WG_I64, WG_SHAPE(list->n), list->at);
    if (v->ints_rank == 0) x = wg_reshape(x, WG_SCALAR);
    return v->ints_dtype == WG_I64 ? x : wg_cast(x, v->ints_dtype);
}

wg_node *wg__value_node(struct wg__import *p, struct wg__import_value *v)
{
    if (v->node || v->broken) return v->node;
    if (v->tensor) v->node = from_tensor(p, v);
    else if (v->given) v->node = from_given(p, v);
    else if (v->ints) v->node = from_ints(p, v);
    v->broken = !v->node;
    return v->node;
}

/* ---- Operands and results ---- */

struct wg__import_value *wg__value_in(const struct wg__in *c, int i)
{
    return wg__in_has(c, i) ? wg__value_find(c->m, c->node->in[i]) : NULL;
}

const struct wg__import_value *wg__in_value(const struct wg__in *c, int i) { return wg__value_in(c, i); }

bool wg__in_has(const struct wg__in *c, int i) { return i >= 0 && i < c->n_in && *c->node->in[i]; }

wg_node *wg__in_node(struct wg__in *c, int i)
{
    struct wg__import_value *v = wg__value_in(c, i);
    return v ? wg__value_node(c->import, v) : NULL;
}

wg_dtype wg__in_dtype(struct wg__in *c, int i)
{
    const struct wg__import_value *v = wg__value_in(c, i);
    if (!v) return WG_DTYPES;
    if (v->node) return wg_node_dtype(v->node);
    if (v->given) return v->given->dtype;
    return v->ints ? v->ints_dtype : v->tensor ? wg__onnx_dtype_in(v->tensor->dtype) : WG_DTYPES;
}

static struct wg__import_value *output_value(struct wg__in *c, int i)
{
    return i >= 0 && i < c->n_out && *c->node->out[i] ? wg__value_find(c->m, c->node->out[i]) : NULL;
}

int wg__out_node(struct wg__in *c, int i, wg_node *x)
{
    struct wg__import       *p = c->import;
    struct wg__import_value *v = output_value(c, i);
    if (wg_status(c->g)) return wg__complain_graph(p);
    if (p->nomem) return WG_ENOMEM;
    /* What is said last is only told where nothing was said before: the driver sees to it. */
    if (!x) return p->said > p->said_before ? WG_EARG : wg__malformed(c, "an input that it needs is left out");
    if (!v) return WG_OK;
    if (!*wg_node_name(x) && !wg_named(x, v->name)) return wg__complain_graph(p);
    v->node = x;
    return WG_OK;
}

int wg__out_ints(struct wg__in *c, int i, const struct wg__ints *list, wg_dtype t, bool rank0)
{
    struct wg__import       *p = c->import;
    struct wg__import_value *v = output_value(c, i);
    if (wg_status(c->g)) return wg__complain_graph(p);
    if (!v) return WG_OK;
    struct wg__ints *copy = wg__arena_alloc(&c->m->file.arena, sizeof *copy);
    if (!copy) {
        p->nomem = true;
        return WG_ENOMEM;
    }
    *copy = *list;
    v->ints = copy;
    v->ints_rank = rank0 ? 0 : 1;
    v->ints_dtype = t;
    return WG_OK;
}

int wg__out_tensor(struct wg__in *c, int i, const struct wg__onnx_tensor *t)
{
    struct wg__import_value *v = output_value(c, i);
    if (!v) return WG_OK;
    if (wg__onnx_dtype_in(t->dtype) == WG_DTYPES)
        return wg__unsupported(c, "%s tensors", wg__onnx_dtype_name(t->dtype));
    v->tensor = t;
    return WG_OK;
}
