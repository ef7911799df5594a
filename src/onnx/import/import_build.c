/* The second phase of an import: nodes of the graph. */
#include <string.h>

#include "onnx/import/import_impl.h"

/* ---- Inputs ---- */

static int64_t dim_of(struct wg__import *p, const struct wg__onnx_value *in, const struct wg__import_value *v, int i)
{
    if (v->given) return v->given->shape.dim[i];
    if (in->dim[i].size >= 0) return in->dim[i].size;
    const char *name = wg__dim_name_in(p, in, i);
    for (int k = 0; name && k < p->n_size; k++)
        if (strcmp(p->size[k].name, name) == 0) return p->size[k].size;
    return name ? wg_dim(p->in.g, name) : 0;
}

/* Complains of too many symbolic sizes. Each new symbol is compared with all others: many would take long. */
static bool too_many_symbols(struct wg__import *p)
{
    if (p->in.g->dims.n - p->symbols <= WG__MAX_SYMBOLS) return false;
    wg__complain(p, WG_EARG, "graph", p->in.m->model.graph_name, "over %d symbolic sizes", WG__MAX_SYMBOLS);
    return true;
}

static void make_input(struct wg__import *p, const struct wg__onnx_value *in, struct wg__import_value *v)
{
    wg_onnx *m = p->in.m;
    wg_shape s = {.rank = v->given ? v->given->shape.rank : in->rank};
    for (int k = 0; k < s.rank; k++) s.dim[k] = dim_of(p, in, v, k);
    v->node = wg_input(p->in.g, in->name, wg__onnx_dtype_in(in->dtype), s);
    v->broken = !v->node;
    if (wg_status(p->in.g) == WG_ENOMEM) p->nomem = true;
    else if (wg_status(p->in.g)) wg__complain(p, wg_status(p->in.g), "input", in->name, "%s", wg_message(p->in.g));
    wg_clear_error(p->in.g);
    m->input[m->n_input] = v->node;
    m->input_name[m->n_input++] = in->name;
}

/* Makes the inputs. A value that was given and shapes the graph becomes a constant of the model; of
 * any other value that was given only the shape counts. */
static void make_inputs(struct wg__import *p)
{
    wg_onnx *m = p->in.m;
    for (int i = 0; i < m->model.n_input && !too_many_symbols(p); i++) {
        struct wg__import_value *v = wg__value_find(m, m->model.input[i].name);
        if (!v->input || v->node || v->broken || (v->given && v->given->data && v->shapes)) continue;
        make_input(p, &m->model.input[i], v);
        v->given = NULL;
    }
}

/* ---- Nodes ---- */

static int inputs_of(const struct wg__onnx_node *node)
{
    int n = node->n_in;
    while (n && !*node->in[n - 1]) n--; /* left out at the end */
    return n;
}

static bool operands_whole(struct wg__import *p, const struct wg__onnx_node *node)
{
    bool whole = true;
    for (int i = 0; i < node->n_in; i++)
        whole = (!*node->in[i] || wg__value_whole(p, wg__value_find(p->in.m, node->in[i]))) && whole;
    return whole;
}

static void break_outputs(struct wg__import *p, const struct wg__onnx_node *node)
{
    for (int i = 0; i < node->n_out; i++)
        if (*node->out[i]) wg__value_find(p->in.m, node->out[i])->broken = true;
}

static void outputs_made(struct wg__import *p)
{
    const struct wg__onnx_node *node = p->in.node;
    for (int i = 0; i < node->n_out; i++) {
        const struct wg__import_value *v = *node->out[i] ? wg__value_find(p->in.m, node->out[i]) : NULL;
        if (v && !v->node && !v->ints && !v->tensor && !v->given)
            wg__complain_node(p, WG_EARG, "output %d ('%.100s')", i, node->out[i]);
    }
}

static void make_node(struct wg__import *p, const struct wg__onnx_node *node, const struct wg__row *row)
{
    p->in.node = node;
    p->in.n_out = node->n_out;
    p->in.n_in = inputs_of(node);
    p->said_before = p->said;
    int status = row->make(&p->in);
    if (wg_status(p->in.g)) wg__complain_graph(p);
    if (status == WG_ENOMEM) p->nomem = true;
    else if (status && p->said == p->said_before) wg__complain_node(p, status, "%s", wg_strerror(status));
    else if (!status && p->said == p->said_before) outputs_made(p);
    if (p->said > p->said_before) break_outputs(p, node);
}

void wg__import_node(struct wg__import *p, const struct wg__onnx_node *node, const struct wg__row *row)
{
    if (row && operands_whole(p, node)) make_node(p, node, row);
    else break_outputs(p, node);
}

void wg__import_nodes(struct wg__import *p, int n)
{
    int at = p->at;
    for (int i = 0; i < n && !p->nomem && !too_many_symbols(p); i++) {
        if (p->state[i] != WG__WANTED) continue;
        p->state[i] = WG__DONE;
        p->at = i;
        wg__import_node(p, &p->in.m->model.node[i], p->row[i]);
    }
    p->at = at;
}

/* ---- Outputs ---- */

static void make_outputs(struct wg__import *p)
{
    wg_onnx *m = p->in.m;
    for (int i = 0; i < m->model.n_output && !p->nomem && !too_many_symbols(p); i++) {
        const char              *name = m->model.output[i].name;
        struct wg__import_value *v = wg__value_find(m, name);
        m->output[i] = wg__value_node(p, v);
        if (!wg_status(p->in.g)) continue;
        if (wg_status(p->in.g) == WG_ENOMEM) p->nomem = true;
        else wg__complain(p, wg_status(p->in.g), "output", name, "%s", wg_message(p->in.g));
        wg_clear_error(p->in.g);
    }
}

void wg__import_build(struct wg__import *p)
{
    make_inputs(p);
    wg__import_nodes(p, p->in.m->model.n_node);
    make_outputs(p);
}
