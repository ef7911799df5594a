/* wg_onnx_export: what the outputs need, by name, in order, into a file. */
#include <stdlib.h>
#include <string.h>

#include "onnx/export/export.h"

/* ---- At the door ---- */

static int check_outputs(wg_graph *g, int n, wg_node *const out[])
{
    char text[160];
    if (n < 1 || !out) return wg__fail(g, WG_EARG, "onnx_export: no outputs");
    for (int i = 0; i < n; i++) {
        if (!out[i] || out[i]->g != g)
            return wg__fail(g, WG_EARG, "onnx_export: output %d is %s", i, out[i] ? "of another graph" : "NULL");
        if (out[i]->kind == WG__ASSIGN || out[i]->kind == WG__GROUP)
            return wg__fail(g, WG_EARG, "onnx_export: output %d is the %s %s, which is no value", i,
                            wg_node_kind(out[i]), wg__node_str(out[i], text, sizeof text));
    }
    return WG_OK;
}

static int check_text(wg_graph *g, const char *what, const char *text, bool needed)
{
    if (!text && !needed) return WG_OK;
    if (!text || !*text || !wg__text_valid(text))
        return wg__fail(g, WG_EARG, "onnx_export: %s is %s", what, !text || !*text ? "empty" : "not UTF-8");
    return WG_OK;
}

static int check_meta(wg_graph *g, const wg_onnx_export_options *o)
{
    if (o->n_meta < 0 || (o->n_meta && !o->meta)) return wg__fail(g, WG_EARG, "onnx_export: no metadata");
    for (int i = 0; i < o->n_meta; i++) {
        int status = check_text(g, "a key of the metadata", o->meta[i][0], true);
        if (!status && (!o->meta[i][1] || !wg__text_valid(o->meta[i][1])))
            status = wg__fail(g, WG_EARG, "onnx_export: the metadata of \"%.100s\" are no text", o->meta[i][0]);
        for (int k = 0; k < i && !status; k++)
            if (strcmp(o->meta[i][0], o->meta[k][0]) == 0)
                status = wg__fail(g, WG_EARG, "onnx_export: metadata \"%.100s\" twice", o->meta[i][0]);
        if (status) return status;
    }
    return WG_OK;
}

static int check_options(wg_graph *g, const wg_onnx_export_options *o)
{
    int status = check_text(g, "the name of the graph", o->graph_name, false);
    if (o->opset && (o->opset < WG_ONNX_MIN_OPSET || o->opset > WG_ONNX_MAX_OPSET))
        return wg__fail(g, WG_EARG, "onnx_export: opset %d is outside of %d..%d", o->opset, WG_ONNX_MIN_OPSET,
                        WG_ONNX_MAX_OPSET);
    if (o->external < 0) return wg__fail(g, WG_EARG, "onnx_export: external is %lld bytes", (long long)o->external);
    if (!status && o->doc && !wg__text_valid(o->doc))
        status = wg__fail(g, WG_EARG, "onnx_export: the doc string is not UTF-8");
    return status ? status : check_meta(g, o);
}

/* ---- What is needed ---- */

static wg_node *output_node(const struct wg__export *e, int i) { return wg__export_same(e->out[i]); }

/* Finds the operands that y has in the file, and which of them is wanted transposed (r->turned).
 * Returns their number. */
static int find_operands(const struct wg__export *e, const wg_node *y, struct wg__export_rule *r, wg_node *const **x)
{
    if (y->kind == WG__OP && wg__export_rule(e, y, r)) {
        *x = r->x;
        return r->n;
    }
    r->form = NULL;
    r->turned = -1;
    *x = y->x;
    return y->n;
}

/* Counts the uses of each node, users before operands. A node that only training reads has no use. */
static void count_uses(struct wg__export *e)
{
    for (int i = 0; i < e->n_out; i++) e->of[output_node(e, i)->id].uses++;
    for (int i = e->n_order - 1; i >= 0; i--) {
        const wg_node *y = e->order[i];
        int            first = wg__export_chooses(y) ? 2 : 0;
        for (int k = first; e->of[y->id].uses && k < y->n; k++) e->of[wg__export_same(y->x[k])->id].uses++;
    }
}

/* Marks the nodes that the outputs need, users before operands, so that each node is marked before its
 * operands are looked at. */
static void mark_needed(struct wg__export *e)
{
    for (int i = 0; i < e->n_out; i++) {
        e->of[output_node(e, i)->id].needed = e->of[output_node(e, i)->id].read = true;
        e->of[output_node(e, i)->id].inputs++;
    }
    for (int i = e->n_order - 1; i >= 0; i--) {
        struct wg__export_rule r;
        wg_node *const        *x;
        if (!e->of[e->order[i]->id].needed) continue;
        int n = find_operands(e, e->order[i], &r, &x);
        for (int k = 0; k < n; k++) {
            struct wg__exported *of = &e->of[wg__export_same(x[k])->id];
            of->needed = true;
            of->read = of->read || e->order[i]->kind != WG__RESULT;
            of->inputs++;
            of->turned += r.turned == k;
        }
    }
}

/* Lists the inputs that are needed in the order of their construction. */
static void find_inputs(struct wg__export *e)
{
    for (int i = 0; i < e->g->n; i++)
        if (e->of[i].needed && e->g->node[i]->kind == WG__INPUT) e->input[e->n_input++] = e->g->node[i];
}

static int plan_export(struct wg__export *e)
{
    e->n_order = wg__postorder(e->g, e->n_out, e->out, &e->order);
    if (e->n_order < 0) return e->n_order;
    for (int i = 0; i < e->n_order; i++)
        if (e->order[i]->kind == WG__ASSIGN || e->order[i]->kind == WG__GROUP)
            return wg__export_bad(e, e->order[i], "is no value");
    for (int i = 0, status; i < e->n_order; i++)
        if (e->order[i]->kind == WG__PARAM && (status = wg__param_home(e->order[i]))) return status;
    e->of = calloc((size_t)e->g->n + 1, sizeof *e->of);
    e->input = calloc((size_t)e->g->n + 1, sizeof *e->input);
    e->out_name = calloc((size_t)e->n_out + 1, sizeof *e->out_name);
    if (!e->of || !e->input || !e->out_name) return wg__fail_nomem(e->g);
    count_uses(e);
    mark_needed(e);
    find_inputs(e);
    return WG_OK;
}

/* ---- Names: inputs choose first, then outputs, parameters, and what else has one ---- */

static void name_outputs(struct wg__export *e)
{
    for (int i = 0; i < e->n_out; i++) {
        const wg_node *y = output_node(e, i);
        const char    *own = wg__name_given(e->out[i]) ? e->out[i]->name : wg__name_given(y);
        e->out_name[i] = wg__name(e, own ? own : "output");
        if (!wg__is_computed(y) || e->of[y->id].output) continue;
        e->of[y->id].output = true;
        e->of[y->id].name = e->out_name[i];
    }
}

/* Takes the names that the graph gives, before any is made up. */
static void name_given(struct wg__export *e, bool params)
{
    for (int i = 0; i < e->n_order; i++) {
        const wg_node       *x = e->order[i];
        struct wg__exported *of = &e->of[x->id];
        if (of->needed && !of->name && wg__name_given(x) && (x->kind == WG__PARAM) == params)
            of->name = wg__name(e, x->name);
    }
}

static void name_values(struct wg__export *e)
{
    for (int i = 0; i < e->n_input; i++) {
        const char *own = wg__name_given(e->input[i]);
        e->of[e->input[i]->id].name = wg__name(e, own ? own : "input");
    }
    name_outputs(e);
    name_given(e, true);
    name_given(e, false);
}

static void put_leaves(struct wg__export *e)
{
    for (int i = 0; i < e->n_order; i++) {
        wg_node *x = e->order[i];
        if (e->of[x->id].needed && (x->kind == WG__PARAM || x->kind == WG__CONST)) wg__export_leaf(e, x);
    }
}

/* ---- Nodes and the types of values ---- */

enum { GRAPH_INPUT = 11, GRAPH_OUTPUT = 12, GRAPH_VALUE = 13 };

static struct wg__val value_of(const struct wg__export *e, wg_node *x)
{
    x = wg__export_same(x);
    return (struct wg__val){e->of[x->id].name, (wg_dtype)x->dtype};
}

/* Names every result, read or not: an ONNX node that gives all results needs a name for each. */
static void name_results(struct wg__export *e, const wg_node *y, const char *kind)
{
    for (int k = 0; k < y->m; k++) {
        const wg_node       *r = wg__result(y, k);
        struct wg__exported *of = &e->of[r->id];
        if (!of->name) of->name = wg__name_numbered(e, kind);
        if (!of->output && (of->needed || k == 0)) wg__put_value_info(e, &e->values, GRAPH_VALUE, of->name, r);
    }
}

/* Writes the operator's own form of each result that something reads, or of all results at once. */
static int put_results(struct wg__export *e, const wg_node *y)
{
    bool all = false;
    int  status = WG_OK;
    for (int k = 0; k < y->m && !status && !all; k++) {
        const wg_node *r = wg__result(y, k);
        if (y->m == 1 || e->of[r->id].read) status = wg__form_write_op(e, y, k, e->of[r->id].name, &all);
    }
    return status;
}

static int put_op(struct wg__export *e, wg_node *y)
{
    struct wg__exported   *of = &e->of[y->id];
    struct wg__export_rule r;
    struct wg__val         x[WG__RULE_ARITY];
    bool                   rule = wg__export_rule(e, y, &r);
    name_results(e, y, rule ? r.kind : y->op->name);
    if (!rule) return put_results(e, y);
    for (int i = 0; i < r.n; i++) x[i] = value_of(e, r.x[i]);
    return wg__form_write(e, y, r.form, r.n, x, of->name, (wg_dtype)y->dtype);
}

/* Writes output i. A value that has another name already gets this name too, by an Identity. */
static int put_output(struct wg__export *e, int i)
{
    struct wg__val x = value_of(e, e->out[i]);
    wg__put_value_info(e, &e->outputs, GRAPH_OUTPUT, e->out_name[i], e->out[i]);
    return x.name == e->out_name[i] ? WG_OK : wg__form_write(e, e->out[i], "Identity", 1, &x, e->out_name[i], x.t);
}

static int build(struct wg__export *e)
{
    int status = WG_OK;
    name_values(e);
    put_leaves(e);
    for (int i = 0; i < e->n_input; i++)
        wg__put_value_info(e, &e->inputs, GRAPH_INPUT, e->of[e->input[i]->id].name, e->input[i]);
    for (int i = 0; i < e->n_order && !status && !e->short_of_memory; i++) {
        wg_node *y = e->order[i];
        if (y->kind == WG__OP && e->of[y->id].needed) status = put_op(e, y);
    }
    for (int i = 0; i < e->n_out && !status && !e->short_of_memory; i++) status = put_output(e, i);
    bool lost = e->short_of_memory || e->nodes.failed || e->inputs.failed || e->outputs.failed || e->values.failed;
    return !status && lost ? wg__fail_nomem(e->g) : status;
}

static void release(struct wg__export *e)
{
    wg__text_free(&e->values);
    wg__text_free(&e->outputs);
    wg__text_free(&e->inputs);
    wg__text_free(&e->nodes);
    free(e->init);
    wg__names_free(&e->symbol_names);
    wg__names_free(&e->symbols);
    wg__names_free(&e->dims);
    wg__names_free(&e->constants);
    wg__names_free(&e->names);
    free(e->out_name);
    free(e->input);
    free(e->of);
    free(e->order);
    wg__arena_free(&e->arena);
}

int wg_onnx_export(wg_graph *g, int n, wg_node *const out[], const char *path, const wg_onnx_export_options *options)
{
    wg_onnx_export_options o;
    char                   why[160];
    if (!g) return wg__fail(NULL, WG_EARG, "onnx_export: the graph is NULL");
    if (!path) return wg__fail(g, WG_EARG, "onnx_export: path is NULL");
    if (!wg__options_read(&o, sizeof o, options, why)) return wg__fail(g, WG_EARG, "onnx_export: %s", why);
    struct wg__export e = {.g = g, .options = &o, .path = path, .out = out, .n_out = n};
    int               status = check_outputs(g, n, out);
    if (!status) status = check_options(g, e.options);
    e.opset = e.options->opset ? e.options->opset : 13;
    if (!status) status = plan_export(&e);
    if (!status) status = build(&e);
    if (!status) status = wg__export_write(&e);
    release(&e);
    return status;
}
