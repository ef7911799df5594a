/* The bytes of a model: a head in memory, then each initialiser from where it
 * lies.  Every size is known before the first byte is written. */
#include <string.h>

#include "data/io_impl.h"
#include "onnx/export/export.h"
#include "onnx/proto/proto.h"

enum { PAGE = 4096, MODEL_GRAPH = 7, GRAPH_INIT = 5 };

/* Returns the lowest IR version that has the opset. */
static int64_t ir_version(int opset)
{
    static const struct {
        int opset, ir;
    } of[] = {{21, 10}, {19, 9}, {15, 8}, {12, 7}, {11, 6}, {10, 5}, {9, 4}};
    int i = 0;
    while (opset < of[i].opset) i++;
    return of[i].ir;
}

static void put_pair(struct wg__text *p, uint32_t field, const char *key, const char *text)
{
    size_t pair = wg__pb_open(p, field);
    wg__pb_text(p, 1, key);
    wg__pb_text(p, 2, text);
    wg__pb_close(p, pair);
}

/* Writes all of ModelProto but its graph. */
static void put_model(const struct wg__export *e, struct wg__text *p)
{
    const wg_onnx_export_options *o = e->options;
    wg__pb_int(p, 1, ir_version(e->opset));
    wg__pb_text(p, 2, "wengert");
    wg__pb_text(p, 3, WG_VERSION);
    if (o->doc) wg__pb_text(p, 6, o->doc);
    size_t opset = wg__pb_open(p, 8);
    wg__pb_text(p, 1, "");
    wg__pb_int(p, 2, e->opset);
    wg__pb_close(p, opset);
    for (int i = 0; i < o->n_meta; i++) put_pair(p, 14, o->meta[i][0], o->meta[i][1]);
}

/* ---- Initialisers: TensorProto ---- */

static size_t bytes_of(const struct wg__init *i) { return wg__bytes(i->t, &i->shape); }

static const char *data_name(const struct wg__export *e)
{
    const char *slash = strrchr(e->path, '/');
    return slash ? slash + 1 : e->path;
}

/* Writes what stands before the data of an initialiser, up to their length. */
static void put_init(const struct wg__export *e, const struct wg__init *i, struct wg__text *p)
{
    char number[24], name[300];
    for (int k = 0; k < i->shape.rank; k++) wg__pb_int(p, 1, i->shape.dim[k]);
    wg__pb_int(p, 2, wg__onnx_dtype_out(i->t));
    wg__pb_text(p, 8, i->name);
    if (!i->external) {
        wg__pb_head(p, 9, bytes_of(i));
        return;
    }
    snprintf(name, sizeof name, "%s.data", data_name(e));
    put_pair(p, 13, "location", name);
    snprintf(number, sizeof number, "%llu", (unsigned long long)i->offset);
    put_pair(p, 13, "offset", number);
    snprintf(number, sizeof number, "%zu", bytes_of(i));
    put_pair(p, 13, "length", number);
    wg__pb_int(p, 14, 1);
}

/* Writes row j of a matrix that the file has transposed: column j of i->data. */
static void write_row(struct wg__out *o, const struct wg__init *i, int64_t j)
{
    enum { SOME = 512 };
    uint64_t held[SOME];
    int64_t  rows = i->shape.dim[1], columns = i->shape.dim[0];
    size_t   size = wg_dtype_size(i->t);
    for (int64_t k = 0, n; k < rows; k += n) {
        n = rows - k < SOME ? rows - k : SOME;
        for (int64_t r = 0; r < n; r++)
            memcpy((char *)held + (size_t)r * size, (const char *)i->data + (size_t)((k + r) * columns + j) * size,
                   size);
        wg__out_write(o, held, (size_t)n * size);
    }
}

static void write_data(struct wg__out *o, const struct wg__init *i)
{
    if (!i->turned) wg__out_write(o, i->data, bytes_of(i));
    for (int64_t j = 0; i->turned && j < i->shape.dim[0]; j++) write_row(o, i, j);
}

/* ---- Two files ---- */

static void write_external(const struct wg__export *e, struct wg__out *o)
{
    static const char zero[PAGE];
    for (int k = 0; k < e->n_init; k++) {
        const struct wg__init *i = &e->init[k];
        if (!i->external) continue;
        wg__out_write(o, zero, (size_t)(i->offset - o->at));
        write_data(o, i);
    }
}

/* Gives each external initialiser its place in the other file, at whole pages. Tells whether there are any. */
static bool place(struct wg__export *e)
{
    uint64_t at = 0;
    bool     any = false;
    for (int k = 0; k < e->n_init; k++) {
        struct wg__init *i = &e->init[k];
        i->external = e->options->external > 0 && !i->own && bytes_of(i) >= (uint64_t)e->options->external;
        if (!i->external) continue;
        i->offset = (at + PAGE - 1) / PAGE * PAGE;
        at = i->offset + bytes_of(i);
        any = true;
    }
    return any;
}

/* ---- The model's own file ---- */

struct file {
    struct wg__text head;  /* the model's fields, then the head of the graph */
    struct wg__text heads; /* of all initialisers */
    size_t         *end;   /* [n_init] of each in heads */
    struct wg__text name;  /* the graph's */
    uint64_t        size;
};

/* Writes tag, length and head of each initialiser's message, and keeps where each of them ends. */
static void put_heads(struct wg__export *e, struct file *f)
{
    for (int k = 0; k < e->n_init; k++) {
        struct wg__text one = {0};
        put_init(e, &e->init[k], &one);
        wg__pb_head(&f->heads, GRAPH_INIT, one.n + (e->init[k].external ? 0 : bytes_of(&e->init[k])));
        wg__text_append(&f->heads, &one);
        f->end[k] = f->heads.n;
        wg__text_free(&one);
    }
}

static bool layout(struct wg__export *e, struct file *f)
{
    uint64_t graph = e->nodes.n + e->inputs.n + e->outputs.n + e->values.n;
    f->end = wg__arena_alloc(&e->arena, ((size_t)e->n_init + 1) * sizeof *f->end);
    if (!f->end) return false;
    wg__pb_text(&f->name, 2, e->options->graph_name ? e->options->graph_name : "wengert");
    put_heads(e, f);
    graph += f->name.n + f->heads.n;
    for (int k = 0; k < e->n_init; k++)
        if (!e->init[k].external) graph += bytes_of(&e->init[k]);
    put_model(e, &f->head);
    wg__pb_head(&f->head, MODEL_GRAPH, graph);
    f->size = f->head.n + graph;
    return !f->head.failed && !f->heads.failed && !f->name.failed;
}

static void write_model(const struct wg__export *e, const struct file *f, struct wg__out *o)
{
    wg__out_write(o, f->head.at, f->head.n);
    wg__out_write(o, e->nodes.at, e->nodes.n);
    wg__out_write(o, f->name.at, f->name.n);
    for (int k = 0; k < e->n_init; k++) {
        size_t begin = k ? f->end[k - 1] : 0;
        wg__out_write(o, f->heads.at + begin, f->end[k] - begin);
        if (!e->init[k].external) write_data(o, &e->init[k]);
    }
    wg__out_write(o, e->inputs.at, e->inputs.n);
    wg__out_write(o, e->outputs.at, e->outputs.n);
    wg__out_write(o, e->values.at, e->values.n);
}

/* Writes both files whole before the first of them takes its name. */
static int write_both(struct wg__export *e, const struct file *f, const char *data_path)
{
    wg_error       error = {0};
    struct wg__out model, data;
    int            status = wg__out_open(&model, e->path, &error);
    if (status) return wg__fail(e->g, status, "onnx_export: %s", error.message);
    status = data_path ? wg__out_open(&data, data_path, &error) : WG_OK;
    if (!status && data_path) write_external(e, &data);
    if (!status) write_model(e, f, &model);
    if (!status && data_path) {
        if (model.status && !data.status) data.status = model.status;
        status = wg__out_commit(&data);
    }
    if (status && !model.status) model.status = status;
    status = wg__out_commit(&model);
    if (!status) return WG_OK;
    bool half = data_path && !data.status;
    return wg__fail(e->g, status, "onnx_export: %s%s%s%s", error.message, half ? " (but " : "", half ? data_path : "",
                    half ? " is in its place already)" : "");
}

int wg__export_write(struct wg__export *e)
{
    struct file f = {0};
    char       *data_path = NULL;
    int         status = WG_ENOMEM;
    bool        two = place(e), good = layout(e, &f);
    size_t      n = strlen(e->path) + 8;
    if (two && (data_path = wg__arena_alloc(&e->arena, n))) snprintf(data_path, n, "%s.data", e->path);
    if (!good || (two && !data_path)) wg__fail_nomem(e->g);
    else if (two && !wg__text_valid(data_name(e)))
        status =
            wg__fail(e->g, WG_EARG, "onnx_export: the name of the file is not UTF-8, so the model cannot refer to it");
    else if (f.size > INT32_MAX)
        status = wg__fail(e->g, WG_EARG,
                          "onnx_export: %s would have %llu bytes, and protobuf allows 2 GiB: let options.external put "
                          "parameters into a file of their own",
                          e->path, (unsigned long long)f.size);
    else status = write_both(e, &f, data_path);
    wg__text_free(&f.head);
    wg__text_free(&f.heads);
    wg__text_free(&f.name);
    return status;
}
