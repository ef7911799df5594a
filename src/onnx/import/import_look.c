/* The first phase of an import: the model is well-formed, and what it uses is there. */
#include <stdlib.h>
#include <string.h>

#include "onnx/import/import_impl.h"

static bool is_onnx_domain(const char *domain) { return !*domain || strcmp(domain, "ai.onnx") == 0; }

/* Finds the model's opset. Models before IR 3 have none, which means opset 1. */
static int find_opset(struct wg__import *p)
{
    const struct wg__onnx_model *model = &p->in.m->model;
    int64_t                      version = 0;
    for (int i = 0; i < model->n_opset; i++) {
        if (!is_onnx_domain(model->opset[i].domain)) continue;
        if (version && version != model->opset[i].version)
            return wg__complain(p, WG_EFORMAT, "opset", "ai.onnx", "the model has two: %lld and %lld",
                                (long long)version, (long long)model->opset[i].version);
        version = model->opset[i].version;
    }
    if (!model->n_opset && model->ir_version < 3) version = 1;
    if (version < 0 || version > INT32_MAX)
        return wg__complain(p, WG_EFORMAT, "opset", "ai.onnx", "it is %lld", (long long)version);
    p->in.opset = (int)version;
    return WG_OK;
}

/* ---- Names ---- */

static size_t count_names(const struct wg__onnx_model *model);

/* Counts the values that a node may define, with those of the graphs in its attributes. */
static size_t count_of_node(const struct wg__onnx_node *node)
{
    size_t n = (size_t)node->n_out;
    for (int i = 0; i < node->n_attr; i++)
        if (node->attr[i].graph) n += count_names(node->attr[i].graph);
    return n;
}

/* Counts the names of a graph. Recursion is safe: the reader limits how deep graphs nest. */
static size_t count_names(const struct wg__onnx_model *model)
{
    size_t n = (size_t)model->n_init + (size_t)model->n_input + (size_t)model->n_sparse;
    for (int i = 0; i < model->n_node; i++) n += count_of_node(&model->node[i]);
    return n;
}

static int new_values(struct wg__import *p)
{
    wg_onnx *m = p->in.m;
    p->row = calloc((size_t)m->model.n_node + 1, sizeof *p->row);
    p->state = calloc((size_t)m->model.n_node + 1, sizeof *p->state);
    m->input = calloc((size_t)m->model.n_input + 1, sizeof *m->input);
    m->input_name = calloc((size_t)m->model.n_input + 1, sizeof *m->input_name);
    m->output = calloc((size_t)m->model.n_output + 1, sizeof *m->output);
    if (p->row && p->state && m->input && m->input_name && m->output && wg__values_new(m, count_names(&m->model)))
        return WG_OK;
    p->nomem = true;
    return WG_ENOMEM;
}

/* Marks a value as broken. The complaint is kept with the value, and made only if something uses it. */
static void __attribute__((format(printf, 4, 5)))
mark_broken(struct wg__import *p, struct wg__import_value *v, int status, const char *format, ...)
{
    enum { SIZE = 120 };
    char   *why = wg__arena_alloc(&p->in.m->file.arena, SIZE);
    va_list ap;
    va_start(ap, format);
    if (why) vsnprintf(why, SIZE, format, ap);
    else p->nomem = true;
    va_end(ap);
    v->why = why;
    v->status = status;
    v->broken = true;
}

int wg__import_tensors(struct wg__import *p, const struct wg__onnx_model *model)
{
    for (int i = 0; i < model->n_init + model->n_sparse; i++) {
        const struct wg__onnx_tensor *t = i < model->n_init ? &model->init[i] : model->sparse[i - model->n_init].values;
        struct wg__import_value      *v = t && *t->name ? wg__value_add(p->in.m, t->name) : NULL;
        if (!t) continue;
        if (!v) return wg__complain(p, WG_EFORMAT, "initialiser", t->name, *t->name ? "two of that name" : "no name");
        v->tensor = t;
        if (i >= model->n_init) mark_broken(p, v, WG_EARG, "it is sparse");
        else if (wg__onnx_dtype_in(t->dtype) == WG_DTYPES)
            mark_broken(p, v, WG_EARG, "%s tensors", wg__onnx_dtype_name(t->dtype));
    }
    return WG_OK;
}

static void check_input(struct wg__import *p, const struct wg__onnx_value *in, struct wg__import_value *v)
{
    if (!in->tensor) mark_broken(p, v, WG_EARG, "it is no tensor");
    else if (in->dtype == 0) mark_broken(p, v, WG_EFORMAT, "it has no element type");
    else if (wg__onnx_dtype_in(in->dtype) == WG_DTYPES)
        mark_broken(p, v, WG_EARG, "%s tensors", wg__onnx_dtype_name(in->dtype));
    else if (in->rank < 0 && !v->given)
        mark_broken(p, v, WG_EARG, "it has no shape: the import has to be told one (wg_onnx_import_options.given)");
    else if (in->rank > WG_MAX_RANK) mark_broken(p, v, WG_EARG, "rank %d, over %d", in->rank, WG_MAX_RANK);
    for (int i = 0; i < in->rank && !v->broken; i++)
        if (in->dim[i].size < -1) mark_broken(p, v, WG_EFORMAT, "dimension %d is %lld", i, (long long)in->dim[i].size);
}

static const wg_array *given_for(const struct wg__import *p, const char *name)
{
    const wg_onnx_import_options *o = p->in.options;
    for (int i = 0; i < o->n_given; i++)
        if (strcmp(o->given[i].name, name) == 0) return &o->given[i].value;
    return NULL;
}

static int name_inputs(struct wg__import *p)
{
    wg_onnx *m = p->in.m;
    for (int i = 0; i < m->model.n_input; i++) {
        const struct wg__onnx_value   *in = &m->model.input[i];
        const struct wg__import_value *old = *in->name ? wg__value_find(m, in->name) : NULL;
        if (old && old->tensor) continue;
        if (!*in->name || old)
            return wg__complain(p, WG_EFORMAT, "input", in->name, old ? "two of that name" : "no name");
        struct wg__import_value *v = wg__value_add(m, in->name);
        v->input = true;
        v->given = given_for(p, in->name);
        check_input(p, in, v);
    }
    return WG_OK;
}

static bool made_somewhere(const wg_onnx *m, const char *name)
{
    for (int i = 0; i < m->model.n_node; i++)
        for (int k = 0; k < m->model.node[i].n_out; k++)
            if (strcmp(m->model.node[i].out[k], name) == 0) return true;
    return false;
}

int wg__import_names(struct wg__import *p, const struct wg__onnx_node *node)
{
    wg_onnx *m = p->in.m;
    for (int k = 0; k < node->n_in; k++)
        if (*node->in[k] && !wg__value_find(m, node->in[k]))
            return wg__complain_node(
                p, WG_EFORMAT, "input '%.100s' is made by %s", node->in[k],
                made_somewhere(m, node->in[k]) ? "a later node: the nodes have a cycle, or no order" : "nothing");
    for (int k = 0; k < node->n_out; k++)
        if (*node->out[k] && !wg__value_add(m, node->out[k]))
            return wg__complain_node(p, WG_EFORMAT, "output '%.100s' is there already", node->out[k]);
    return WG_OK;
}

static int name_nodes(struct wg__import *p)
{
    const struct wg__onnx_model *model = &p->in.m->model;
    for (int i = 0; i < model->n_node; i++) {
        p->in.node = &model->node[i];
        int status = wg__import_names(p, p->in.node);
        if (status) return status;
    }
    for (int i = 0; i < model->n_output; i++)
        if (!wg__value_find(p->in.m, model->output[i].name))
            return wg__complain(p, WG_EFORMAT, "output", model->output[i].name, "nothing makes it");
    return WG_OK;
}

/* ---- Rows ---- */

static bool has_word(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = words; n && at && (at = strstr(at, word)); at += n)
        if ((at == words || at[-1] == ' ') && (at[n] == 0 || at[n] == ' ')) return true;
    return false;
}

static bool attributes_known(struct wg__import *p, const struct wg__onnx_node *node, const struct wg__row *row)
{
    bool known = true;
    for (int i = 0; i < node->n_attr; i++) {
        const struct wg__onnx_attr *a = &node->attr[i];
        bool                        rare = a->other || (a->graph && strcmp(row->op, "If") != 0);
        if (has_word(row->attr, a->name) && !rare) continue;
        wg__complain_node(p, WG_EARG, "attribute '%.60s'%s", a->name, rare ? " is a graph, or of a rare kind" : "");
        known = false;
    }
    return known;
}

/* Checks the number of inputs against the row's arity: "2", "1-3" or "1-*". */
static bool check_arity(struct wg__import *p, const struct wg__onnx_node *node, const struct wg__row *row)
{
    int n = node->n_in, least = row->arity[0] - '0', most = least;
    while (n && !*node->in[n - 1]) n--; /* left out at the end */
    if (row->arity[1]) most = row->arity[2] == '*' ? INT32_MAX : row->arity[2] - '0';
    bool fits = n >= least && n <= most;
    if (!fits) wg__complain_node(p, WG_EFORMAT, "number of inputs: %d, not %s", n, row->arity);
    return fits;
}

static bool is_function(const struct wg__onnx_model *m, const struct wg__onnx_node *node)
{
    for (int i = 0; i < m->n_function; i++)
        if (strcmp(m->function[i].name, node->op) == 0 && strcmp(m->function[i].domain, node->domain) == 0) return true;
    return false;
}

const struct wg__row *wg__import_row(struct wg__import *p, const struct wg__onnx_node *node)
{
    int                   later;
    const struct wg__row *row = NULL;
    p->in.node = node;
    if (is_function(&p->in.m->model, node)) wg__complain_node(p, WG_EARG, "it is a function of the model's own");
    else if (!is_onnx_domain(node->domain)) wg__complain_node(p, WG_EARG, "domain '%.60s'", node->domain);
    else if (!p->in.opset) wg__complain_node(p, WG_EFORMAT, "the model names no opset");
    else if (!(row = wg__row_find(node->op, p->in.opset, &later)))
        wg__complain_node(p, WG_EARG, later ? "is understood from opset %d on" : "no such operator here", later);
    else if (p->in.opset > WG__HIGHEST_OPSET)
        return wg__complain_node(p, WG_EARG, "is understood up to opset %d", WG__HIGHEST_OPSET), NULL;
    return row && check_arity(p, node, row) && attributes_known(p, node, row) ? row : NULL;
}

int wg__import_look(struct wg__import *p)
{
    const struct wg__onnx_model *model = &p->in.m->model;
    if (find_opset(p) || new_values(p)) return WG_EARG;
    if (wg__import_tensors(p, model) || name_inputs(p) || name_nodes(p)) return WG_EARG;
    for (int i = 0; i < model->n_output; i++) wg__use(p, model->output[i].name);
    wg__import_reach(p, model->n_node);
    for (int i = 0; i < model->n_output; i++) wg__value_whole(p, wg__value_find(p->in.m, model->output[i].name));
    return p->nomem ? WG_ENOMEM : WG_OK;
}
