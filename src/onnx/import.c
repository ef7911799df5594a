/* Import, in two phases.  The first looks at the whole model: names, operators
 * and their attributes, numbers of inputs, dtypes.  The second builds nodes in the model's order.
 * What either cannot do is gathered, so that one error has all of it; what
 * hangs on a node that failed is passed over in silence. */
#include <stdlib.h>
#include <string.h>

#include "onnx/import_impl.h"

/* ---- Phase 1: the model is well-formed, and what it uses is there ---- */

static bool ours(const char *domain) { return !*domain || strcmp(domain, "ai.onnx") == 0; }

/* Models older than IR 3 have no opset, which means the first. */
static int find_opset(struct wg__import *p)
{
    const struct wg__onnx_model *model = &p->in.m->model;
    int64_t                      version = 0;
    for (int i = 0; i < model->n_opset; i++) {
        if (!ours(model->opset[i].domain)) continue;
        if (version && version != model->opset[i].version)
            return wg__complain(p, WG_EFORMAT, "opset", "ai.onnx", "the model has two: %lld and %lld",
                                (long long)version, (long long)model->opset[i].version);
        version = model->opset[i].version;
    }
    if (!model->n_opset && model->ir_version < 3) version = 1;
    if (version < 0) return wg__complain(p, WG_EFORMAT, "opset", "ai.onnx", "it is %lld", (long long)version);
    if (version > WG__HIGHEST_OPSET)
        return wg__complain(p, WG_EARG, "opset", "ai.onnx", "it is %lld, and %d is the highest that is understood",
                            (long long)version, WG__HIGHEST_OPSET);
    p->in.opset = (int)version;
    return WG_OK;
}

static void find_extras(struct wg__import *p)
{
    const struct wg__onnx_model *model = &p->in.m->model;
    if (model->n_function) wg__complain(p, WG_EARG, "graph", model->graph_name, "functions of the model's own");
    if (model->sparse_init) wg__complain(p, WG_EARG, "graph", model->graph_name, "sparse initialisers");
}

static int new_values(struct wg__import *p)
{
    wg_onnx *m = p->in.m;
    size_t   n = (size_t)m->model.n_init + (size_t)m->model.n_input;
    for (int i = 0; i < m->model.n_node; i++) n += (size_t)m->model.node[i].n_out;
    p->row = calloc((size_t)m->model.n_node + 1, sizeof *p->row);
    m->input = calloc((size_t)m->model.n_input + 1, sizeof *m->input);
    m->input_name = calloc((size_t)m->model.n_input + 1, sizeof *m->input_name);
    m->output = calloc((size_t)m->model.n_output + 1, sizeof *m->output);
    if (p->row && m->input && m->input_name && m->output && wg__values_new(m, n)) return WG_OK;
    return p->nomem = true, WG_ENOMEM;
}

static int name_initialisers(struct wg__import *p)
{
    wg_onnx *m = p->in.m;
    for (int i = 0; i < m->model.n_init; i++) {
        const struct wg__onnx_tensor *t = &m->model.init[i];
        struct wg__value             *v = *t->name ? wg__value_add(m, t->name) : NULL;
        if (!v) return wg__complain(p, WG_EFORMAT, "initialiser", t->name, *t->name ? "two of that name" : "no name");
        v->tensor = t;
        v->broken = wg__onnx_dtype_in(t->dtype) == WG_DTYPES;
        if (v->broken) wg__complain(p, WG_EARG, "initialiser", t->name, "%s tensors", wg__onnx_dtype_name(t->dtype));
    }
    return WG_OK;
}

/* Why an input cannot be one of ours, as status and text. */
static int check_input(const struct wg__onnx_value *in, char *why, size_t n)
{
    if (!in->tensor) return snprintf(why, n, "it is no tensor"), WG_EARG;
    if (in->dtype == 0) return snprintf(why, n, "it has no element type"), WG_EFORMAT;
    if (wg__onnx_dtype_in(in->dtype) == WG_DTYPES)
        return snprintf(why, n, "%s tensors", wg__onnx_dtype_name(in->dtype)), WG_EARG;
    if (in->rank < 0) return snprintf(why, n, "it has no shape"), WG_EARG;
    if (in->rank > WG_MAX_RANK) return snprintf(why, n, "rank %d, over %d", in->rank, WG_MAX_RANK), WG_EARG;
    for (int i = 0; i < in->rank; i++)
        if (in->dim[i].size < -1)
            return snprintf(why, n, "dimension %d is %lld", i, (long long)in->dim[i].size), WG_EFORMAT;
    return WG_OK;
}

/* An input with an initialiser of its name is no input: older models list all initialisers so. */
static int name_inputs(struct wg__import *p)
{
    wg_onnx *m = p->in.m;
    char     why[96];
    for (int i = 0; i < m->model.n_input; i++) {
        const struct wg__onnx_value *in = &m->model.input[i];
        const struct wg__value      *old = *in->name ? wg__value_find(m, in->name) : NULL;
        if (old && old->tensor) continue;
        if (!*in->name || old)
            return wg__complain(p, WG_EFORMAT, "input", in->name, old ? "two of that name" : "no name");
        struct wg__value *v = wg__value_add(m, in->name);
        int               status = check_input(in, why, sizeof why);
        v->broken = status != WG_OK;
        if (status) wg__complain(p, status, "input", in->name, "%s", why);
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

/* Every name is made once, before it is used. */
static int name_outputs(struct wg__import *p, const struct wg__onnx_node *node)
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

static bool lists(const char *words, const char *word)
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
        if (lists(row->attr, a->name) && !a->other) continue;
        wg__complain_node(p, WG_EARG, "attribute '%.60s'%s", a->name, a->other ? " is a graph, or of a rare kind" : "");
        known = false;
    }
    return known;
}

/* Without those that are left out at the end. */
static int inputs_of(const struct wg__onnx_node *node)
{
    int n = node->n_in;
    while (n && !*node->in[n - 1]) n--;
    return n;
}

/* As many inputs as the row's arity says, "2", "1-3" or "1-*", and an output. */
static bool inputs_counted(struct wg__import *p, const struct wg__onnx_node *node, const struct wg__row *row)
{
    int n = inputs_of(node), least = row->arity[0] - '0', most = least;
    if (row->arity[1]) most = row->arity[2] == '*' ? INT32_MAX : row->arity[2] - '0';
    bool fits = n >= least && n <= most;
    if (!fits) wg__complain_node(p, WG_EFORMAT, "number of inputs: %d, not %s", n, row->arity);
    if (!node->n_out) wg__complain_node(p, WG_EFORMAT, "it has no outputs");
    return fits && node->n_out;
}

/* The node's row; NULL with a complaint where there is none that does what it asks for. */
static const struct wg__row *row_of(struct wg__import *p, const struct wg__onnx_node *node)
{
    int later;
    if (!ours(node->domain)) {
        wg__complain_node(p, WG_EARG, "domain '%.60s'", node->domain);
        return NULL;
    }
    if (!p->in.opset) {
        wg__complain_node(p, WG_EFORMAT, "the model names no opset");
        return NULL;
    }
    const struct wg__row *row = wg__row_find(node->op, p->in.opset, &later);
    if (!row && later) wg__complain_node(p, WG_EARG, "is understood from opset %d on", later);
    else if (!row) wg__complain_node(p, WG_EARG, "no such operator here");
    return row && inputs_counted(p, node, row) && attributes_known(p, node, row) ? row : NULL;
}

static int look_at_nodes(struct wg__import *p)
{
    const struct wg__onnx_model *model = &p->in.m->model;
    for (int i = 0; i < model->n_node && !p->nomem; i++) {
        p->in.node = &model->node[i];
        int status = name_outputs(p, p->in.node);
        if (status) return status;
        p->row[i] = row_of(p, p->in.node);
    }
    for (int i = 0; i < model->n_output; i++)
        if (!wg__value_find(p->in.m, model->output[i].name))
            return wg__complain(p, WG_EFORMAT, "output", model->output[i].name, "nothing makes it");
    return WG_OK;
}

/* ---- Which initialisers are weights ---- */

static void mark_weights(struct wg__import *p, const struct wg__onnx_node *node, const char *which)
{
    bool vectors = *which == 'v';
    for (which += vectors; *which; which++) {
        int               i = *which - '0';
        struct wg__value *v = i < node->n_in && *node->in[i] ? wg__value_find(p->in.m, node->in[i]) : NULL;
        if (v && (!v->tensor || !vectors || v->tensor->rank == 1)) v->weight = true;
    }
}

/* What only moves a weight around leaves it one. */
static const char moves[] = "Identity Transpose Reshape Flatten Squeeze Unsqueeze";

/* From users to makers: a value is marked where it feeds a weight's place; in the end only real tensors count. */
static void find_weights(struct wg__import *p)
{
    wg_onnx *m = p->in.m;
    if (p->in.options->constants) return;
    for (int i = m->model.n_node - 1; i >= 0; i--) {
        const struct wg__onnx_node *node = &m->model.node[i];
        const struct wg__value     *y = node->n_out && *node->out[0] ? wg__value_find(m, node->out[0]) : NULL;
        if (y && y->weight && lists(moves, node->op)) mark_weights(p, node, "0");
        if (p->row[i] && p->row[i]->weights) mark_weights(p, node, p->row[i]->weights);
    }
    for (int i = 0; i < m->n_value; i++) {
        struct wg__value *v = &m->value[i];
        v->weight = v->weight && v->tensor && v->tensor->rank > 0 &&
                    (v->tensor->dtype == WG__ONNX_FLOAT || v->tensor->dtype == WG__ONNX_DOUBLE);
    }
}

/* ---- Phase 2: nodes ---- */

static int64_t dim_of(wg_graph *g, const struct wg__onnx_value *in, int i)
{
    char name[160];
    if (in->dim[i].size >= 0) return in->dim[i].size;
    if (*in->dim[i].param) return wg_dim(g, in->dim[i].param);
    snprintf(name, sizeof name, "%.140s.%d", in->name, i);
    return wg_dim(g, name);
}

/* Each new one is compared with those that there are: too many would take long. */
static bool too_many_symbols(struct wg__import *p)
{
    if (p->in.g->dims.n - p->symbols <= WG__MAX_SYMBOLS) return false;
    wg__complain(p, WG_EARG, "graph", p->in.m->model.graph_name, "over %d symbolic sizes", WG__MAX_SYMBOLS);
    return true;
}

static void make_inputs(struct wg__import *p)
{
    wg_onnx *m = p->in.m;
    for (int i = 0; i < m->model.n_input && !too_many_symbols(p); i++) {
        const struct wg__onnx_value *in = &m->model.input[i];
        struct wg__value            *v = wg__value_find(m, in->name);
        wg_shape                     s = {.rank = in->rank};
        if (v->tensor || v->broken) continue;
        for (int k = 0; k < s.rank; k++) s.dim[k] = dim_of(p->in.g, in, k);
        v->node = wg_input(p->in.g, in->name, wg__onnx_dtype_in(in->dtype), s);
        v->broken = !v->node;
        if (wg_status(p->in.g) == WG_ENOMEM) p->nomem = true;
        else if (wg_status(p->in.g)) wg__complain(p, wg_status(p->in.g), "input", in->name, "%s", wg_message(p->in.g));
        wg_clear_error(p->in.g);
        m->input[m->n_input] = v->node;
        m->input_name[m->n_input++] = in->name;
    }
}

static bool operands_whole(const struct wg__import *p, const struct wg__onnx_node *node)
{
    for (int i = 0; i < node->n_in; i++)
        if (*node->in[i] && wg__value_find(p->in.m, node->in[i])->broken) return false;
    return true;
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
        const struct wg__value *v = *node->out[i] ? wg__value_find(p->in.m, node->out[i]) : NULL;
        if (v && !v->node && !v->ints && !v->tensor)
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

static void make_nodes(struct wg__import *p)
{
    const struct wg__onnx_model *model = &p->in.m->model;
    for (int i = 0; i < model->n_node && !p->nomem && !too_many_symbols(p); i++) {
        if (p->row[i] && operands_whole(p, &model->node[i])) make_node(p, &model->node[i], p->row[i]);
        else break_outputs(p, &model->node[i]);
    }
}

static void make_outputs(struct wg__import *p)
{
    wg_onnx *m = p->in.m;
    for (int i = 0; i < m->model.n_output && !p->nomem && !too_many_symbols(p); i++) {
        const char       *name = m->model.output[i].name;
        struct wg__value *v = wg__value_find(m, name);
        m->output[i] = wg__value_node(p, v);
        if (!wg_status(p->in.g)) continue;
        if (wg_status(p->in.g) == WG_ENOMEM) p->nomem = true;
        else wg__complain(p, wg_status(p->in.g), "output", name, "%s", wg_message(p->in.g));
        wg_clear_error(p->in.g);
    }
}

/* ---- Both ---- */

static void import(struct wg__import *p)
{
    find_extras(p);
    if (find_opset(p) || new_values(p)) return;
    if (name_initialisers(p) || name_inputs(p) || look_at_nodes(p)) return;
    /* What is wrong so far is wrong: what else is, is found out in a graph that is thrown away. */
    if (p->said) p->in.g = p->scratch = wg_graph_new();
    if (!p->in.g) p->nomem = true;
    if (p->nomem) return;
    p->symbols = p->in.g->dims.n;
    find_weights(p);
    make_inputs(p);
    make_nodes(p);
    make_outputs(p);
}

int wg_onnx_import(wg_onnx *m, wg_graph *g, const wg_onnx_import_options *options)
{
    static const wg_onnx_import_options none;
    if (!m || m->status) return m ? m->status : WG_EARG;
    if (!g) return wg__onnx_say(m, WG_EARG, "import: there is no graph");
    if (wg_status(g)) return wg__onnx_say(m, wg_status(g), "import: the graph has an error: %s", wg_message(g));
    if (m->imported) return wg__onnx_say(m, WG_EARG, "import: the model was imported already");
    struct wg__import p = {.in = {.m = m, .g = g, .options = options ? options : &none},
                           .elements = WG__BUDGET_ELEMENTS,
                           .bytes = WG__BUDGET_BYTES};
    m->imported = true;
    import(&p);
    int status = wg__complaints_tell(&p);
    wg_graph_free(p.scratch);
    free(p.complaint);
    free(p.row);
    return status;
}

/* ---- What came of it ---- */

/* A model whose import failed has no inputs and outputs. */
static bool whole(const wg_onnx *m) { return m && m->imported && !m->status; }

int         wg_onnx_input_count(const wg_onnx *m) { return whole(m) ? m->n_input : 0; }
int         wg_onnx_output_count(const wg_onnx *m) { return whole(m) ? m->model.n_output : 0; }
wg_node    *wg_onnx_input(const wg_onnx *m, int i) { return i >= 0 && i < wg_onnx_input_count(m) ? m->input[i] : NULL; }
const char *wg_onnx_input_name(const wg_onnx *m, int i)
{
    return i >= 0 && i < wg_onnx_input_count(m) ? m->input_name[i] : NULL;
}
wg_node *wg_onnx_output(const wg_onnx *m, int i) { return i >= 0 && i < wg_onnx_output_count(m) ? m->output[i] : NULL; }
const char *wg_onnx_output_name(const wg_onnx *m, int i)
{
    return i >= 0 && i < wg_onnx_output_count(m) ? m->model.output[i].name : NULL;
}
