/* A model from its file into a graph, and a tape of it. */
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static int collect(const struct command *c, struct loaded *l)
{
    l->n_in = wg_onnx_input_count(l->onnx);
    l->n_out = wg_onnx_output_count(l->onnx);
    l->in = calloc((size_t)l->n_in + 1, sizeof *l->in);
    l->out = calloc((size_t)l->n_out + 1, sizeof *l->out);
    if (!l->in || !l->out) return complain(c, "out of memory");
    for (int i = 0; i < l->n_in; i++) l->in[i] = wg_onnx_input(l->onnx, i);
    for (int i = 0; i < l->n_out; i++) l->out[i] = wg_onnx_output(l->onnx, i);
    return l->n_out ? DONE : complain(c, "the model has no outputs");
}

int load(const struct command *c, const char *path, struct loaded *l)
{
    *l = (struct loaded){.onnx = wg_onnx_read(path), .g = wg_graph_new()};
    if (!l->onnx || !l->g) return complain(c, "out of memory");
    if (wg_onnx_status(l->onnx)) return complain(c, "%s", wg_onnx_message(l->onnx));
    if (wg_onnx_import(l->onnx, l->g, NULL)) return complain(c, "%s:\n%s", path, wg_onnx_message(l->onnx));
    return collect(c, l);
}

void unload(struct loaded *l)
{
    wg_onnx_free(l->onnx);
    wg_graph_free(l->g);
    free(l->in);
    free(l->out);
}

/* ---- Sizes of symbols ---- */

static int find(const struct bindings *b, const char *name)
{
    for (int i = 0; i < b->n; i++)
        if (!strcmp(b->name[i], name)) return i;
    return -1;
}

static int add(const struct command *c, struct bindings *b, const char *name, int64_t size)
{
    if (b->n == WG_MAX_BINDINGS) return complain(c, "more than %d symbolic dimensions", WG_MAX_BINDINGS);
    if ((size_t)snprintf(b->name[b->n], sizeof b->name[0], "%s", name) >= sizeof b->name[0])
        return complain(c, "the dimension's name \"%s\" is too long", name);
    b->size[b->n++] = size;
    return DONE;
}

int bind_texts(const struct command *c, const struct texts *t, struct bindings *b)
{
    for (int i = 0; i < t->n; i++) {
        char        name[64], *end;
        const char *equals = strrchr(t->at[i], '=');
        size_t      n = equals ? (size_t)(equals - t->at[i]) : 0;
        long long   size = equals ? strtoll(equals + 1, &end, 10) : -1;
        if (!equals || n == 0 || n >= sizeof name || end == equals + 1 || *end || size < 0)
            return misused(c, "--bind wants NAME=SIZE, not \"%s\"", t->at[i]);
        memcpy(name, t->at[i], n);
        name[n] = 0;
        if (find(b, name) >= 0) return misused(c, "--bind %s twice", name);
        if (add(c, b, name, size)) return FAILED;
    }
    return DONE;
}

static int bind_axis(const struct command *c, const struct loaded *l, int i, int axis, int64_t size, struct bindings *b)
{
    char    name[64];
    int64_t d = wg_node_shape(l->in[i])->dim[axis];
    if (d >= 0 || find(b, wg_dim_name(l->g, d, name, sizeof name)) >= 0) return DONE;
    return add(c, b, name, size);
}

int bind_batch(const struct command *c, const struct loaded *l, int batch, struct bindings *b)
{
    for (int i = 0; i < l->n_in; i++)
        if (wg_node_shape(l->in[i])->rank && bind_axis(c, l, i, 0, batch, b)) return FAILED;
    return DONE;
}

int bind_rest(const struct command *c, const struct loaded *l, int64_t size, struct bindings *b)
{
    for (int i = 0; i < l->n_in; i++)
        for (int axis = 0; axis < wg_node_shape(l->in[i])->rank; axis++)
            if (bind_axis(c, l, i, axis, size, b)) return FAILED;
    return DONE;
}

int bind_shape(const struct command *c, const struct loaded *l, int i, const wg_shape *s, struct bindings *b)
{
    char            want[256], have[256], name[64];
    const wg_shape *to = wg_node_shape(l->in[i]);
    bool            fits = to->rank == s->rank;
    for (int k = 0; fits && k < s->rank; k++) {
        if (bind_axis(c, l, i, k, s->dim[k], b)) return FAILED;
        int at = to->dim[k] < 0 ? find(b, wg_dim_name(l->g, to->dim[k], name, sizeof name)) : -1;
        fits = s->dim[k] == (at < 0 ? to->dim[k] : b->size[at]);
    }
    if (fits) return DONE;
    wg_dtype t = wg_node_dtype(l->in[i]);
    return complain(c, "input \"%s\" is %s, the value given is %s", wg_onnx_input_name(l->onnx, i),
                    type_text(l->g, t, to, want, sizeof want), type_text(NULL, t, s, have, sizeof have));
}

wg_tape *compile(const struct command *c, struct loaded *l, const struct bindings *b, int threads, int device)
{
    wg_options o = {.evaluate = 1, .threads = threads, .device = device};
    for (int i = 0; i < b->n; i++) {
        o.bind[i].name = b->name[i];
        o.bind[i].size = b->size[i];
    }
    wg_tape *t = wg_compile(l->g, l->n_out, l->out, &o);
    if (!t) complain(c, "%s", wg_message(l->g));
    return t;
}

const char *device_text(int device, char *buf, size_t n)
{
    wg_device_name(device, buf, n);
    return buf;
}
