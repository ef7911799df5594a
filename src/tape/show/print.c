/* A tape as text. Tests compare this text with golden tapes, and messages quote its names. */
#include <string.h>

#include "tape/device/device.h"

void wg__number_values(wg_tape *t)
{
    int n = 0;
    for (int i = 0; i < t->n_instr; i++)
        for (int k = 0; k < t->instr[i].n_out; k++) t->value[t->instr[i].out[k]].number = n++;
}

const char *wg__value_name(const wg_tape *t, const wg_node *x, char *buf, size_t n)
{
    if (t->value && !wg__is_computed(t->g->node[t->value[x->id].root])) x = t->g->node[t->value[x->id].root];
    const char *name = x->origin && x->origin->name ? x->origin->name : NULL;
    double      v;
    char        shape[96];
    if (x->kind == WG__CONST && wg__is_const(x, &v)) snprintf(buf, n, "%.6g", v);
    else if (x->kind == WG__CONST) snprintf(buf, n, "const%s", wg__shape_str(t->g, x->shape, shape, sizeof shape));
    else if (x->kind == WG__INPUT && !name) snprintf(buf, n, "input%d", x->origin ? x->origin->id : x->id);
    else if (!wg__is_computed(x)) snprintf(buf, n, "%s", name ? name : wg_node_kind(x));
    else
        snprintf(buf, n, "%%%d%s%s", t->value ? t->value[t->value[x->id].root].number : x->id, name ? ":" : "",
                 name ? name : "");
    for (char *c = buf; *c; c++) /* one line stays one line */
        if ((unsigned char)*c < 32) *c = ' ';
    return buf;
}

/* Writes "matmul[ta]+add+relu" into buf: the attributes of a producer stand with the producer, and have no spaces. */
static const char *chain_str(const wg_tape *t, const struct wg__instr *p, char *buf, size_t n)
{
    char   attr[200];
    size_t k = 0;
    *buf = 0;
    for (int i = 0; i < p->n_chain; i++) {
        const wg_node *x = p->chain[i];
        wg__append(buf, n, &k, "%s%s", i ? "+" : "", x->op->name);
        if (!wg__producer_of(x->op) || !*wg__attr_str(t->g, x->op, x->attr, attr, sizeof attr)) continue;
        wg__append(buf, n, &k, "[");
        for (const char *c = attr; *c; c++)
            if (*c != ' ') wg__append(buf, n, &k, "%c", *c);
        wg__append(buf, n, &k, "]");
    }
    return buf;
}

/* Tells whether output k is a value that the instruction makes only for itself. */
static bool is_internal(const wg_tape *t, const struct wg__instr *p, int k)
{
    return p->out[k] == p->product && t->value[p->out[k]].last == t->value[p->out[k]].first;
}

static void print_outputs(const wg_tape *t, const struct wg__instr *p, FILE *f)
{
    char   name[128], shape[96], line[512];
    size_t k = 0;
    *line = 0;
    for (int o = 0; o < p->n_out; o++)
        if (!is_internal(t, p, o))
            wg__append(line, sizeof line, &k, "%s%s", k ? " " : "",
                       wg__value_name(t, t->g->node[p->out[o]], name, sizeof name));
    fprintf(f, "%-10s = ", line);
    const wg_node *y = t->g->node[p->out[0]];
    fprintf(f, "%s%s ", wg_dtype_name((wg_dtype)y->dtype), wg__shape_str(t->g, y->shape, shape, sizeof shape));
}

static void print_operands(const wg_tape *t, const struct wg__instr *p, FILE *f)
{
    char name[128], attr[200];
    int  shift = p->product >= 0 ? p->loop->inputs : 0; /* a producer's operands first */
    for (int i = 0, first = 1; i < p->n_in; i++) {
        int k = (i + shift) % p->n_in;
        if (p->in[k] == p->product) continue;
        fprintf(f, "%s%s", first ? "" : ", ", wg__value_name(t, t->g->node[p->in[k]], name, sizeof name));
        first = 0;
    }
    if (!p->loop && !wg__producer_of(p->op) && *wg__attr_str(t->g, p->op, p->call->attr, attr, sizeof attr))
        fprintf(f, "%s%s", p->n_in ? ", " : "", attr);
}

static void print_memory(const wg_tape *t, int i, FILE *f)
{
    char                    name[128];
    const struct wg__instr *p = &t->instr[i];
    bool                    first = true;
    for (int k = 0; k < p->n_out; k++) {
        const struct wg__value *v = &t->value[p->out[k]];
        const char             *to = "parameter";
        if (is_internal(t, p, k)) continue;
        if (v->place == WG__BUFFER)
            fprintf(f, "%s@%lld", first ? "  " : ",", (long long)(v->offset - (int64_t)t->input_bytes));
        else {
            for (int c = 0; c < t->n_copy; c++)
                if (t->copy[c].from == p->out[k])
                    to = wg__value_name(t, t->g->node[t->copy[c].param], name, sizeof name);
            fprintf(f, "%s-> %s", first ? "  " : ",", to);
        }
        first = false;
    }
    first = true;
    for (int k = 0; k < p->n_in; k++) {
        int  r = t->value[p->in[k]].root;
        bool again = false;
        for (int j = 0; j < k; j++) again |= t->value[p->in[j]].root == r;
        if (again || t->value[r].place != WG__BUFFER || t->value[r].first < 0 || t->value[r].last != i ||
            t->value[r].first == i)
            continue;
        fprintf(f, "%s%s", first ? "  frees " : ", ", wg__value_name(t, t->g->node[r], name, sizeof name));
        first = false;
    }
}

static void print_instr(const wg_tape *t, int i, FILE *f)
{
    char                    chain[512];
    const struct wg__instr *p = &t->instr[i];
    print_outputs(t, p, f);
    fprintf(f, "%s(", chain_str(t, p, chain, sizeof chain));
    print_operands(t, p, f);
    fprintf(f, ")");
    print_memory(t, i, f);
    fprintf(f, "\n");
}

/* ---- On a device ---- */

static void print_copy(const wg_tape *t, const char *which, int value, FILE *f)
{
    char           name[128], shape[96];
    const wg_node *x = t->g->node[value];
    fprintf(f, "%-8s %s %s%s\n", which, wg__value_name(t, x, name, sizeof name), wg_dtype_name((wg_dtype)x->dtype),
            wg__shape_str(t->g, x->shape, shape, sizeof shape));
}

/* Prints the copies of values on the device that an instruction on the CPU reads or writes. */
static void print_copies(const wg_tape *t, const char *which, int n, const int *value, FILE *f)
{
    for (int k = 0; k < n; k++)
        if (t->value[t->value[value[k]].root].place == WG__BUFFER &&
            wg__is_computed(t->g->node[t->value[value[k]].root]))
            print_copy(t, which, value[k], f);
}

static void print_on_host(const wg_tape *t, int i, FILE *f)
{
    const struct wg__instr *p = &t->instr[i];
    fprintf(f, "warning: %s has no kernel for the device and runs on the CPU\n", p->node->op->name);
    print_copies(t, "download", p->n_in, p->in, f);
    print_instr(t, i, f);
    print_copies(t, "upload", p->n_out, p->out, f);
}

static void print_kept(const wg_tape *t, FILE *f)
{
    for (int i = 0; i < t->n_order; i++)
        if (t->value[t->order[i]->id].keep && wg__is_computed(t->order[i]))
            print_copy(t, "download", t->order[i]->id, f);
}

int wg_tape_print(const wg_tape *t, FILE *f)
{
    if (!t) return wg__no_tape("tape_print");
    if (!f) return wg__fail(t->user, WG_EARG, "tape_print: the file is NULL");
    if (t->eager) return fprintf(f, "eager tape: %d nodes\n", t->g->n) < 0 ? WG_EIO : WG_OK;
    void *locale = wg__locale_c();
    if (t->device) fprintf(f, "on %s\n", t->device->api->name(t->device->use->device));
    for (int i = 0; t->device && i < t->device->n_input; i++) print_copy(t, "upload", t->device->input[i].value, f);
    for (int i = 0; i < t->n_instr; i++)
        if (t->device && t->device->on_host[i]) print_on_host(t, i, f);
        else print_instr(t, i, f);
    for (int c = 0; c < t->n_copy; c++)
        if (!t->copy[c].in_place) {
            char to[128], from[128];
            fprintf(f, "%-10s = copy %s\n", wg__value_name(t, t->g->node[t->copy[c].param], to, sizeof to),
                    wg__value_name(t, t->g->node[t->copy[c].from], from, sizeof from));
        }
    if (t->device) print_kept(t, f);
    if (t->device && t->device->api->note(t->device->program))
        fprintf(f, "note: %s\n", t->device->api->note(t->device->program));
    wg_tape_stats s = wg_stats(t);
    fprintf(f, "%lld instructions, %.6g FLOPs, peak %lld bytes of %lld\n", (long long)s.instructions, s.flops,
            (long long)s.peak_bytes, (long long)s.value_bytes);
    wg__locale_back(locale);
    return fflush(f) || ferror(f) ? WG_EIO : WG_OK;
}
