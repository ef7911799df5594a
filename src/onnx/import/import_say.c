/* The complaints of an import: they are gathered, each of them once, and become one message at the end. */
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "onnx/import/import_impl.h"

static bool is_same(const struct wg__complaint *a, const struct wg__complaint *b)
{
    return a->status == b->status && a->node == b->node && strcmp(a->what, b->what) == 0 &&
           strcmp(a->text, b->text) == 0;
}

static int keep_complaint(struct wg__import *p, const struct wg__complaint *want)
{
    p->said++;
    if (!p->in.m->status) p->in.m->status = want->status; /* which rows ask for */
    for (int i = 0; i < p->n_complaint; i++)
        if (is_same(&p->complaint[i], want)) {
            p->complaint[i].more++;
            return want->status;
        }
    if (p->n_complaint == WG__MAX_COMPLAINTS) {
        p->left_out++;
        return want->status;
    }
    void *grown = wg__list_grow(p->complaint, &p->cap_complaint, p->n_complaint + 1, sizeof *p->complaint);
    if (!grown) {
        p->nomem = true;
        return WG_ENOMEM;
    }
    p->complaint = grown;
    p->complaint[p->n_complaint++] = *want;
    return want->status;
}

int wg__complain(struct wg__import *p, int status, const char *what, const char *name, const char *format, ...)
{
    struct wg__complaint c = {.what = what, .name = name, .status = status};
    va_list              ap;
    va_start(ap, format);
    vsnprintf(c.text, sizeof c.text, format, ap);
    va_end(ap);
    return keep_complaint(p, &c);
}

static int of_node(struct wg__import *p, int status, const char *format, va_list ap)
{
    const struct wg__onnx_node *n = p->in.node;
    struct wg__complaint        c = {.what = n->op, .name = n->name, .node = true, .status = status};
    if (!*n->name && n->n_out) c.name = n->out[0];
    vsnprintf(c.text, sizeof c.text, format, ap);
    return keep_complaint(p, &c);
}

int wg__complain_node(struct wg__import *p, int status, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    of_node(p, status, format, ap);
    va_end(ap);
    return status;
}

int wg__unsupported(struct wg__in *c, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    of_node(c->import, WG_EARG, format, ap);
    va_end(ap);
    return WG_EARG;
}

int wg__malformed(struct wg__in *c, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    of_node(c->import, WG_EFORMAT, format, ap);
    va_end(ap);
    return WG_EFORMAT;
}

int wg__complain_graph(struct wg__import *p)
{
    int status = wg_status(p->in.g);
    if (status == WG_ENOMEM) p->nomem = true;
    else if (!p->in.g->missing /* an operand that the model leaves out, or that has been complained of */)
        wg__complain_node(p, status, "%s", wg_message(p->in.g));
    else if (p->said == p->said_before) status = wg__malformed(&p->in, "an input that it needs is left out");
    wg_clear_error(p->in.g);
    return status;
}

static void tell_complaint(struct wg__import *p, const struct wg__complaint *c)
{
    char who[160], more[32] = "", name[260], text[sizeof c->text];
    snprintf(name, sizeof name, "%.200s", c->name);
    snprintf(text, sizeof text, "%s", c->text);
    wg__printable(name, sizeof name);
    wg__printable(text, sizeof text);
    if (c->node) snprintf(who, sizeof who, "%.60s (opset %d) node", c->what, p->in.opset);
    else snprintf(who, sizeof who, "%s", c->what);
    if (c->more) snprintf(more, sizeof more, " and %d more", c->more);
    wg__onnx_say(p->in.m, c->status, "%s '%s'%s: %s", who, name, more, text);
}

int wg__complaints_tell(struct wg__import *p)
{
    if (p->nomem) p->in.m->status = WG_OK; /* whatever was said before */
    if (p->nomem) return wg__onnx_say(p->in.m, WG_ENOMEM, "import: out of memory");
    for (int i = 0; i < p->n_complaint; i++) tell_complaint(p, &p->complaint[i]);
    if (p->left_out) wg__onnx_say(p->in.m, WG_EARG, "and %lld more complaints", (long long)p->left_out);
    return p->in.m->status;
}
