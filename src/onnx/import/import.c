/* An import: its two phases and their results. The first phase looks at the whole model; the second
 * builds nodes in the model's order. The complaints of both are gathered into one message. A node
 * whose operand failed fails without a complaint of its own. */
#include <stdlib.h>
#include <string.h>

#include "onnx/import/import_impl.h"

/* Runs both phases. If the first one complains, the second still runs, on a graph that is thrown away,
 * to find whatever else is wrong. */
static void import(struct wg__import *p)
{
    wg__import_sizes(p);
    if (p->said || p->nomem || wg__import_look(p)) return; /* what the caller got wrong says nothing of the file */
    if (p->said) p->in.g = p->scratch = wg_graph_new();
    if (!p->in.g) p->nomem = true;
    if (p->nomem) return;
    p->symbols = p->in.g->dims.n;
    p->in.g->open = true;
    wg__import_build(p);
}

int wg_onnx_import(wg_onnx *m, wg_graph *g, const wg_onnx_import_options *options)
{
    wg_onnx_import_options o;
    char                   why[160];
    if (!m) return wg__fail(NULL, WG_EARG, "onnx_import: the model is NULL");
    if (m->status) return m->status;
    if (!g) return wg__onnx_say(m, WG_EARG, "onnx_import: the graph is NULL");
    if (!wg__options_read(&o, sizeof o, options, why)) return wg__onnx_say(m, WG_EARG, "onnx_import: %s", why);
    if (o.n_bind < 0 || (o.n_bind && !o.bind))
        return wg__onnx_say(m, WG_EARG, "onnx_import: n_bind is %d and bind %s", o.n_bind,
                            o.bind ? "is there" : "is NULL");
    if (o.n_given < 0 || (o.n_given && !o.given))
        return wg__onnx_say(m, WG_EARG, "onnx_import: n_given is %d and given %s", o.n_given,
                            o.given ? "is there" : "is NULL");
    if (wg_status(g)) return wg__onnx_say(m, wg_status(g), "onnx_import: the graph has an error: %s", wg_message(g));
    if (m->imported) return wg__onnx_say(m, WG_EARG, "onnx_import: the model was imported already");
    struct wg__import p = {
        .in = {.m = m, .g = g, .options = &o}, .elements = WG__BUDGET_ELEMENTS, .bytes = WG__BUDGET_BYTES};
    struct wg__mark before = wg__mark(g);
    p.in.import = &p;
    m->imported = true;
    import(&p);
    int status = wg__complaints_tell(&p);
    if (status) wg__undo(g, &before);
    wg_graph_free(p.scratch);
    free(p.complaint);
    free(p.row);
    free(p.state);
    free(p.size);
    return status;
}

/* ---- What the file lists, before an import ---- */

/* Tells whether an initialiser has the name of an input. Older models list all initialisers as inputs;
 * such an input is none. */
static bool has_initialiser(const wg_onnx *m, const char *name)
{
    for (int i = 0; i < m->model.n_init; i++)
        if (strcmp(m->model.init[i].name, name) == 0) return true;
    return false;
}

bool wg__onnx_declared(const wg_onnx *m, int i, const char **name, wg_dtype *dtype)
{
    for (int k = 0; k < m->model.n_input && i >= 0; k++) {
        const struct wg__onnx_value *in = &m->model.input[k];
        if (has_initialiser(m, in->name) || i--) continue;
        if (name) *name = in->name;
        if (dtype) *dtype = wg__onnx_dtype_in(in->dtype);
        return true;
    }
    return false;
}

int wg_onnx_declared(const wg_onnx *m, int i, const char **name, wg_dtype *dtype)
{
    return m && !m->status && wg__onnx_declared(m, i, name, dtype);
}

/* ---- What came of it ---- */

/* Tells whether m was imported without an error; only such a model has inputs and outputs. */
static bool is_imported(const wg_onnx *m) { return m && m->imported && !m->status; }

int         wg_onnx_input_count(const wg_onnx *m) { return is_imported(m) ? m->n_input : 0; }
int         wg_onnx_output_count(const wg_onnx *m) { return is_imported(m) ? m->model.n_output : 0; }
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
