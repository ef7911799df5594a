/* What takes part in an import, and as what: values that the outputs need, sizes that are known,
 * initialisers that are weights, inputs that shape the graph. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "onnx/import/import_impl.h"

/* ---- Sizes ---- */

bool wg__dim_named(const struct wg__onnx_dim *d)
{
    static const char *const nothing[] = {"None", "none", "null", "unknown"};
    const char              *digit = d->param + (*d->param == '-');
    bool                     word = false;
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
        if (strcmp(d->param, nothing[i]) == 0) return false;
    for (const char *p = d->param; *p; p++) word = word || isalnum((unsigned char)*p) || (unsigned char)*p > 127;
    return word && digit[strspn(digit, "0123456789")];
}

const char *wg__dim_name_in(struct wg__import *p, const struct wg__onnx_value *in, int axis)
{
    if (axis < in->rank && wg__dim_named(&in->dim[axis])) return in->dim[axis].param;
    size_t n = strlen(in->name) + 16;
    char  *text = wg__arena_alloc(&p->in.m->file.arena, n);
    if (!text) {
        p->nomem = true;
        return NULL;
    }
    snprintf(text, n, "%s.%d", in->name, axis);
    return text;
}

static const wg_binding *size_of(const struct wg__import *p, const char *name)
{
    for (int i = 0; i < p->n_size; i++)
        if (strcmp(p->size[i].name, name) == 0) return &p->size[i];
    return NULL;
}

static void take_size(struct wg__import *p, const char *name, int64_t size, const char *what, const char *whose)
{
    const wg_binding *old = size_of(p, name);
    if (old && old->size != size)
        wg__complain(p, WG_ESHAPE, what, whose, "dimension '%.100s' is %lld, and %lld elsewhere", name, (long long)size,
                     (long long)old->size);
    else if (!old) p->size[p->n_size++] = (wg_binding){name, size};
}

/* Tells whether some input has a dimension of that name. */
static bool is_dimension(struct wg__import *p, const char *name)
{
    const struct wg__onnx_model *m = &p->in.m->model;
    for (int i = 0; i < m->n_input; i++)
        for (int k = 0; k < m->input[i].rank; k++) {
            const char *its = m->input[i].dim[k].size < 0 ? wg__dim_name_in(p, &m->input[i], k) : NULL;
            if (its && strcmp(its, name) == 0) return true;
        }
    return false;
}

static void take_bindings(struct wg__import *p)
{
    const wg_onnx_import_options *o = p->in.options;
    for (int i = 0; i < o->n_bind; i++) {
        const char *name = o->bind[i].name ? o->bind[i].name : "";
        if (o->bind[i].size < 0) wg__complain(p, WG_EARG, "bind", name, "a size of %lld", (long long)o->bind[i].size);
        else if (!is_dimension(p, name)) wg__complain(p, WG_EARG, "bind", name, "no input has such a dimension");
        else take_size(p, name, o->bind[i].size, "bind", name);
    }
}

/* Writes a shape as "[batch,784]". */
static const char *model_shape(const struct wg__onnx_value *in, char *buf, size_t n)
{
    size_t k = 0;
    for (int i = 0; i < in->rank; i++) {
        wg__append(buf, n, &k, i ? "," : "[");
        if (in->dim[i].size >= 0) wg__append(buf, n, &k, "%lld", (long long)in->dim[i].size);
        else wg__append(buf, n, &k, "%s", *in->dim[i].param ? in->dim[i].param : "?");
    }
    wg__append(buf, n, &k, in->rank ? "]" : "[]");
    return buf;
}

/* Checks the shape and dtype of a given value against the model's input, and takes the sizes of its
 * symbolic dimensions. */
static void check_given(struct wg__import *p, const struct wg__onnx_value *in, const wg_array *a)
{
    char     have[96], want[96];
    wg_dtype t = wg__onnx_dtype_in(in->dtype);
    bool     fits = in->rank < 0 || in->rank == a->shape.rank;
    for (int k = 0; fits && k < in->rank; k++) fits = in->dim[k].size < 0 || in->dim[k].size == a->shape.dim[k];
    if (!fits)
        wg__complain(p, WG_ESHAPE, "input", in->name, "it is %s, and given as %s", model_shape(in, want, sizeof want),
                     wg__shape_str(p->in.g, &a->shape, have, sizeof have));
    else if (t != WG_DTYPES && t != a->dtype)
        wg__complain(p, WG_EDTYPE, "input", in->name, "it is given as %s, and is %s", wg_dtype_name(a->dtype),
                     wg_dtype_name(t));
    for (int k = 0; fits && k < in->rank; k++)
        if (in->dim[k].size < 0 && wg__dim_named(&in->dim[k]))
            take_size(p, in->dim[k].param, a->shape.dim[k], "input", in->name);
}

void wg__import_sizes(struct wg__import *p)
{
    const wg_onnx_import_options *o = p->in.options;
    const struct wg__onnx_model  *m = &p->in.m->model;
    size_t                        most = (size_t)o->n_bind + (size_t)o->n_given * WG_MAX_RANK + 1;
    if (!(p->size = calloc(most, sizeof *p->size))) p->nomem = true;
    if (p->nomem) return;
    take_bindings(p);
    for (int i = 0; i < o->n_given; i++) {
        int         k = 0;
        const char *name;
        while (wg__onnx_declared(p->in.m, k, &name, NULL) && strcmp(name, o->given[i].name) != 0) k++;
        if (!wg__onnx_declared(p->in.m, k, NULL, NULL))
            wg__complain(p, WG_EARG, "given", o->given[i].name, "the model has no such input");
        for (k = 0; k < m->n_input; k++)
            if (strcmp(m->input[k].name, o->given[i].name) == 0) check_given(p, &m->input[k], &o->given[i].value);
    }
}

/* ---- What is needed ---- */

void wg__use(struct wg__import *p, const char *name)
{
    struct wg__import_value *v = *name ? wg__value_find(p->in.m, name) : NULL;
    if (v) v->used = true;
}

static bool is_used(const struct wg__import *p, const struct wg__onnx_node *node)
{
    for (int i = 0; i < node->n_out; i++)
        if (*node->out[i] && wg__value_find(p->in.m, node->out[i])->used) return true;
    return false;
}

bool wg__value_whole(struct wg__import *p, struct wg__import_value *v)
{
    if (v->why) wg__complain(p, v->status, v->input ? "input" : "initialiser", v->name, "%s", v->why);
    v->why = NULL;
    return !v->broken;
}

void wg__import_reach(struct wg__import *p, int n)
{
    const struct wg__onnx_model *m = &p->in.m->model;
    for (int i = n - 1; i >= 0; i--) {
        if (p->state[i] != WG__IDLE || !is_used(p, &m->node[i])) continue;
        p->state[i] = WG__WANTED;
        for (int k = 0; k < m->node[i].n_in; k++) wg__use(p, m->node[i].in[k]);
    }
    for (int i = 0; i < n; i++)
        for (int k = 0; p->state[i] == WG__WANTED && k < m->node[i].n_in; k++)
            if (*m->node[i].in[k]) wg__value_whole(p, wg__value_find(p->in.m, m->node[i].in[k]));
    for (int i = 0; i < n; i++)
        if (p->state[i] == WG__WANTED && !p->row[i]) p->row[i] = wg__import_row(p, &m->node[i]);
    wg__import_uses(p, n, m->node, p->row);
}

/* ---- Weights, and values that shape the graph ---- */

/* Tells whether an operator only moves elements, so that a weight is still a weight behind it. */
static bool only_moves(const char *op)
{
    static const char *const of[] = {"Identity", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze"};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        if (strcmp(op, of[i]) == 0) return true;
    return false;
}

static void mark_input(struct wg__import *p, const struct wg__onnx_node *node, int i, char kind)
{
    struct wg__import_value *v = i < node->n_in && *node->in[i] ? wg__value_find(p->in.m, node->in[i]) : NULL;
    if (!v) return;
    if (kind == 'k') v->shapes = true;
    else if (!p->in.options->constants && (!v->tensor || kind != 'v' || v->tensor->rank == 1)) v->weight = true;
}

static bool is_real(int64_t dtype) { return dtype == WG__ONNX_F32 || dtype == WG__ONNX_F64; }

static void mark_node(struct wg__import *p, const struct wg__onnx_node *node, const struct wg__row *row)
{
    bool weight = false, shapes = false;
    for (int i = 0; i < node->n_out; i++) {
        const struct wg__import_value *y = *node->out[i] ? wg__value_find(p->in.m, node->out[i]) : NULL;
        if (!y) continue;
        weight = weight || (i == 0 && y->weight && only_moves(node->op));
        shapes = shapes || y->shapes;
    }
    if (weight) mark_input(p, node, 0, 'w');
    if (shapes && strcmp(node->op, "Shape") != 0 && strcmp(node->op, "Size") != 0)
        for (int i = 0; i < node->n_in; i++) mark_input(p, node, i, 'k');
    const char *uses = row && row->uses ? row->uses : "";
    char        kind = isalpha((unsigned char)*uses) ? *uses++ : 'w';
    for (; *uses; uses++) mark_input(p, node, *uses - '0', kind);
}

/* Marks values from users to makers: each value by the places that it feeds. In the end only real
 * tensors are weights. */
void wg__import_uses(struct wg__import *p, int n, const struct wg__onnx_node *node, const struct wg__row *const row[])
{
    wg_onnx *m = p->in.m;
    for (int i = n - 1; i >= 0; i--) mark_node(p, &node[i], row[i]);
    for (int i = 0; i < m->n_value; i++) {
        struct wg__import_value *v = &m->value[i];
        v->weight = v->weight && v->tensor && v->tensor->rank > 0 && is_real(v->tensor->dtype);
    }
}
