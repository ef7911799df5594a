/* A graph and a tape as Graphviz graphs. */
#include <stdlib.h>

#include "tape/tape_impl.h"

/* Writes the text of a label between quotes. */
static void write_quoted(FILE *f, const char *s)
{
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') fputc('\\', f);
        fputc((unsigned char)*s < 32 || *s == 127 ? ' ' : *s, f);
    }
}

static const char *find_style(const wg_node *x)
{
    static const char *const of[] = {[WG__OP] = "shape=box, style=rounded",
                                     [WG__INPUT] = "shape=box, style=filled, fillcolor=lightblue",
                                     [WG__PARAM] = "shape=box, style=filled, fillcolor=lightyellow",
                                     [WG__CONST] = "shape=plaintext",
                                     [WG__ASSIGN] = "shape=box, style=filled, fillcolor=lightpink",
                                     [WG__GROUP] = "shape=point",
                                     [WG__RESULT] = "shape=box, style=\"rounded,dashed\""};
    return of[x->kind];
}

static void write_node(const wg_node *x, FILE *f)
{
    char   shape[96], attr[200];
    double v;
    fprintf(f, "  n%d [%s, label=\"", x->id, find_style(x));
    if (x->kind == WG__CONST && wg__is_const(x, &v)) fprintf(f, "%.6g", v);
    else {
        write_quoted(f, wg_node_kind(x));
        if (x->name) {
            fputc(' ', f);
            write_quoted(f, x->name);
        }
        if (x->kind == WG__OP && *wg__attr_str(x->g, x->op, x->attr, attr, sizeof attr)) {
            fprintf(f, "\\n");
            write_quoted(f, attr);
        }
        fprintf(f, "\\n%s", wg_dtype_name((wg_dtype)x->dtype));
        write_quoted(f, wg__shape_str(x->g, x->shape, shape, sizeof shape));
    }
    fprintf(f, "\"];\n");
    for (int k = 0; k < x->n; k++) fprintf(f, "  n%d -> n%d;\n", x->x[k]->id, x->id);
}

int wg_dot(wg_graph *g, int n, wg_node *const out[], FILE *f)
{
    wg_node **order = NULL;
    if (!g || !f) return wg__fail(g, WG_EARG, "dot: the %s is NULL", g ? "file" : "graph");
    if (n < 1) return wg__fail(g, WG_EARG, "dot: there are no nodes");
    if (wg__lacks_list(g, "dot", n, "out", out)) return WG_EARG;
    for (int i = 0; i < n; i++)
        if (!out[i] || out[i]->g != g)
            return wg__fail(g, WG_EARG, "dot: output %d is %s", i, out[i] ? "of another graph" : "NULL");
    int count = wg__postorder(g, n, out, &order);
    if (count < 0) return count;
    void *locale = wg__locale_c();
    fprintf(f, "digraph wengert {\n  node [fontname=\"sans-serif\"];\n");
    for (int i = 0; i < count; i++) write_node(order[i], f);
    fprintf(f, "}\n");
    wg__locale_back(locale);
    free(order);
    return fflush(f) || ferror(f) ? WG_EIO : WG_OK;
}

static void write_instr(const wg_tape *t, int i, FILE *f)
{
    const struct wg__instr *p = &t->instr[i];
    char                    shape[96], name[128];
    fprintf(f, "  i%d [shape=box, style=rounded, label=\"", i);
    for (int k = 0; k < p->n_chain; k++) {
        if (k) fputs("\\n", f);
        write_quoted(f, p->chain[k]->op->name);
    }
    fprintf(f, "\\n%s\"];\n", wg__shape_str(t->g, p->node->shape, shape, sizeof shape));
    for (int k = 0; k < p->n_in; k++) {
        const struct wg__value *v = &t->value[t->value[p->in[k]].root];
        if (v->first == i) continue;
        if (v->first >= 0) fprintf(f, "  i%d -> i%d [label=\"", v->first, i);
        else fprintf(f, "  v%d -> i%d [label=\"", t->value[p->in[k]].root, i);
        write_quoted(f, wg__value_name(t, t->g->node[p->in[k]], name, sizeof name));
        fprintf(f, "\"];\n");
    }
}

int wg_tape_dot(const wg_tape *t, FILE *f)
{
    char name[128];
    if (!t) return wg__no_tape("tape_dot");
    if (!f) return wg__fail(t->user, WG_EARG, "tape_dot: the file is NULL");
    if (t->eager) return wg__fail(t->user, WG_EARG, "tape_dot: an eager tape has no instructions: see wg_dot");
    void *locale = wg__locale_c();
    fprintf(f, "digraph tape {\n  node [fontname=\"sans-serif\"];\n");
    for (int i = 0; i < t->n_order; i++) {
        const wg_node *x = t->order[i];
        if (x->kind != WG__INPUT && x->kind != WG__PARAM && x->kind != WG__CONST) continue;
        fprintf(f, "  v%d [%s, label=\"", x->id, find_style(x));
        write_quoted(f, wg__value_name(t, x, name, sizeof name));
        fprintf(f, "\"];\n");
    }
    for (int i = 0; i < t->n_instr; i++) write_instr(t, i, f);
    for (int c = 0; c < t->n_copy; c++) {
        int from = t->value[t->value[t->copy[c].from].root].first;
        if (from >= 0) fprintf(f, "  i%d -> v%d [style=dashed];\n", from, t->copy[c].param);
    }
    fprintf(f, "}\n");
    wg__locale_back(locale);
    return fflush(f) || ferror(f) ? WG_EIO : WG_OK;
}
