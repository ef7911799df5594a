/* A model from its file into a graph, and a tape of it. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static int collect_ends(const struct command *c, struct loaded *l)
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

int read_model(const struct command *c, const char *path, struct loaded *l)
{
    *l = (struct loaded){.onnx = wg_onnx_read(path), .g = wg_graph_new()};
    if (!l->onnx || !l->g) return complain(c, "out of memory");
    return wg_onnx_status(l->onnx) ? complain(c, "%s", wg_onnx_message(l->onnx)) : DONE;
}

int import_model(const struct command *c, const char *path, struct loaded *l, int constants, wg_onnx_import_options o)
{
    o.constants = constants;
    if (!wg_onnx_import(l->onnx, l->g, &o)) return collect_ends(c, l);
    const char *why = wg_onnx_message(l->onnx);
    return complain(c, "%s:%s%s", path, strchr(why, '\n') ? "\n" : " ", why);
}

int load(const struct command *c, const char *path, struct bindings *b, struct loaded *l)
{
    int status = read_model(c, path, l);
    b->known = b->n;
    return status ? status : import_model(c, path, l, 1, (wg_onnx_import_options){.n_bind = b->n, .bind = b->at});
}

void unload(struct loaded *l)
{
    wg_onnx_free(l->onnx);
    wg_graph_free(l->g);
    free(l->in);
    free(l->out);
}

/* ---- Sizes of symbols ---- */

void bindings_free(struct bindings *b)
{
    for (int i = 0; i < b->n; i++) free(b->name[i]);
    free(b->name);
    free(b->at);
    *b = (struct bindings){0};
}

static int find(const struct bindings *b, const char *name)
{
    for (int i = 0; i < b->n; i++)
        if (!strcmp(b->at[i].name, name)) return i;
    return -1;
}

/* Adds a binding, which takes over the name. */
static int add_binding(const struct command *c, struct bindings *b, char *name, int64_t size)
{
    if (name && b->n == b->cap) {
        int   cap = b->cap ? 2 * b->cap : 8;
        void *at = realloc(b->at, (size_t)cap * sizeof *b->at);
        if (at) b->at = at;
        void *names = at ? realloc(b->name, (size_t)cap * sizeof *b->name) : NULL;
        if (names) {
            b->name = names;
            b->cap = cap;
        }
    }
    if (!name || b->n == b->cap) {
        free(name);
        return complain(c, "out of memory");
    }
    b->name[b->n] = name;
    b->at[b->n++] = (wg_binding){name, size};
    return DONE;
}

int bind_texts(const struct command *c, const struct texts *t, struct bindings *b)
{
    for (int i = 0; i < t->n; i++) {
        char       *end;
        const char *equals = strrchr(t->at[i], '=');
        size_t      n = equals ? (size_t)(equals - t->at[i]) : 0;
        long long   size = equals ? strtoll(equals + 1, &end, 10) : -1;
        bool        number = equals && equals[1] >= '0' && equals[1] <= '9' && !*end && size < LLONG_MAX;
        if (!number || n == 0) return misused(c, "--bind wants NAME=SIZE, not \"%s\"", t->at[i]);
        char *name = strndup(t->at[i], n);
        if (name && find(b, name) >= 0) {
            misused(c, "--bind %s twice", name);
            free(name);
            return MISUSED;
        }
        if (add_binding(c, b, name, size)) return FAILED;
    }
    return DONE;
}

/* Returns the name of a dimension, however long (malloc); NULL if memory is short. */
static char *dim_name(const struct loaded *l, int64_t d)
{
    for (size_t n = 64;; n *= 2) {
        char *text = malloc(n);
        if (!text || strlen(wg_dim_name(l->g, d, text, n)) + 1 < n) return text;
        free(text);
    }
}

static int bind_axis(const struct command *c, const struct loaded *l, int i, int axis, int64_t size, struct bindings *b)
{
    int64_t d = wg_node_shape(l->in[i])->dim[axis];
    if (d >= 0) return DONE;
    char *name = dim_name(l, d);
    if (name && find(b, name) >= 0) {
        free(name);
        return DONE;
    }
    return add_binding(c, b, name, size);
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

wg_tape *compile(const struct command *c, struct loaded *l, const struct bindings *b, int threads, int device)
{
    wg_options o = {.evaluate = 1,
                    .threads = threads,
                    .device = device,
                    .n_more = b->n - b->known,
                    .more = b->at ? b->at + b->known : NULL};
    wg_tape   *t = wg_compile(l->g, l->n_out, l->out, &o);
    if (!t) complain(c, "%s", wg_message(l->g));
    return t;
}

const char *device_text(int device, char *buf, size_t n)
{
    wg_device_name(device, buf, n);
    return buf;
}
