/* models.h - small models as files, a repository of them, and a prediction
 * that is waited for: what the tests of src/serve share. */
#ifndef WENGERT_TESTS_MODELS_H
#define WENGERT_TESTS_MODELS_H

#include <criterion/criterion.h>
#include <ftw.h>
#include <math.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wengert/onnx.h>
#include <wengert/train.h>

#include "serve/model/model.h"

/* ---- Folders ---- */

/* A new folder under /tmp; models_remove removes it with all that is in it. */
static inline char *models_folder(void)
{
    char *path = strdup("/tmp/wengert-models-XXXXXX");
    cr_assert(path && mkdtemp(path));
    return path;
}

static inline int models_remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void)st, (void)flag, (void)f;
    return remove(path);
}

static inline void models_remove(char *folder)
{
    nftw(folder, models_remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

/* folder/name in one of four static places. */
static inline const char *in_folder(const char *folder, const char *name)
{
    static char path[4][512];
    static int  next;
    char        text[512];
    snprintf(text, sizeof text, "%s/%s", folder, name);
    next = (next + 1) % 4;
    return strcpy(path[next], text);
}

/* Bytes that are no model, in the place of what was there. */
static inline void write_garbage(const char *path)
{
    char  beside[520];
    FILE *f;
    snprintf(beside, sizeof beside, "%s.new", path);
    f = fopen(beside, "w");
    cr_assert(f && fputs("\x0a\xffthis is no model", f) >= 0 && !fclose(f) && !rename(beside, path));
}

/* ---- Models; each replaces the file that is there ---- */

static inline void model_save(wg_graph *g, int n, wg_node *const out[], const char *path)
{
    static const char *const meta[][2] = {{"made.by", "tests"}, {"accuracy", "0.5"}};
    cr_assert_eq(wg_onnx_export(g, n, out, path, &(wg_onnx_export_options){.doc = "a test", .n_meta = 2, .meta = meta}),
                 WG_OK, "%s: %s", path, wg_message(g));
    wg_graph_free(g);
}

/* x [batch,4] -> y = factor x + term [batch,4] */
static inline void model_scale(const char *path, double factor, double term)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(wg_dim(g, "batch"), 4));
    model_save(g, WG_NODES(wg_named(wg_shift(wg_scale(x, factor), term), "y")), path);
}

/* y = 2 x + 1 */
static inline void twice_plus_one(const char *path) { model_scale(path, 2, 1); }

/* x [batch,in] -> logits [batch,out], two hidden layers */
static inline void model_mlp(const char *path, int64_t in, int64_t hidden, int64_t out)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(wg_dim(g, "batch"), in));
    wg_node  *h = wg_relu(wg_dense(wg_relu(wg_dense(x, hidden, "fc1")), hidden, "fc2"));
    model_save(g, WG_NODES(wg_named(wg_dense(h, out, "fc3"), "logits")), path);
}

/* x [batch,3] -> y [batch,3], the softmax over the rows: right shapes, but rows see each other */
static inline void model_mixing(const char *path)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(wg_dim(g, "batch"), 3));
    model_save(g, WG_NODES(wg_named(wg_softmax(x, 0), "y")), path);
}

/* x [batch,3] -> y = x - the mean row [batch,3] */
static inline void model_centred(const char *path)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(wg_dim(g, "batch"), 3));
    model_save(g, WG_NODES(wg_named(wg_sub(x, wg_mean(x, WG_AXES(0), 1)), "y")), path);
}

/* x [batch,3] -> y = x x^T [batch,batch] */
static inline void model_gram(const char *path)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(wg_dim(g, "batch"), 3));
    model_save(g, WG_NODES(wg_named(wg_matmul_t(x, x, 0, 1), "y")), path);
}

/* x [batch,3] -> y, x twice [2*batch,3] */
static inline void model_doubled(const char *path)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(wg_dim(g, "batch"), 3)), *both[2] = {x, x};
    model_save(g, WG_NODES(wg_named(wg_concat(2, both, 0), "y")), path);
}

/* index [batch] of i64 -> y [batch,2]: row i of the table is {i, -i}, 0 <= i < 8 */
static inline void model_embedding(const char *path)
{
    wg_graph *g = wg_graph_new();
    float     table[16];
    for (int i = 0; i < 8; i++) table[2 * i] = (float)i, table[2 * i + 1] = (float)-i;
    wg_node *index = wg_input(g, "index", WG_I64, WG_SHAPE(wg_dim(g, "batch")));
    wg_node *t = wg_param(g, "table", WG_F32, WG_SHAPE(8, 2));
    wg_param_set(t, table);
    model_save(g, WG_NODES(wg_named(wg_gather(t, index, 0), "y")), path);
}

/* a [batch,3], b [batch,3] -> sum [batch,3], dot [batch], largest [batch] of i64 */
static inline void model_pair(const char *path)
{
    wg_graph *g = wg_graph_new();
    int64_t   batch = wg_dim(g, "batch");
    wg_node  *a = wg_input(g, "a", WG_F32, WG_SHAPE(batch, 3)), *b = wg_input(g, "b", WG_F32, WG_SHAPE(batch, 3));
    wg_node  *sum = wg_named(wg_add(a, b), "sum"), *dot = wg_named(wg_sum(wg_mul(a, b), WG_AXES(1), 0), "dot");
    model_save(g, WG_NODES(sum, dot, wg_named(wg_argmax(a, 1, 0), "largest")), path);
}

/* x [2,3] -> y = 2 x [2,3]: no symbol */
static inline void model_fixed(const char *path)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(2, 3));
    model_save(g, WG_NODES(wg_named(wg_scale(x, 2), "y")), path);
}

/* a [n,k], b [k,m] -> y = a b [n,m] */
static inline void model_product(const char *path)
{
    wg_graph *g = wg_graph_new();
    int64_t   n = wg_dim(g, "n"), k = wg_dim(g, "k"), m = wg_dim(g, "m");
    wg_node  *a = wg_input(g, "a", WG_F32, WG_SHAPE(n, k)), *b = wg_input(g, "b", WG_F32, WG_SHAPE(k, m));
    model_save(g, WG_NODES(wg_named(wg_matmul(a, b), "y")), path);
}

/* x [batch,length] -> y = running [batch]: the mean over any length */
static inline void model_mean(const char *path)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(wg_dim(g, "batch"), wg_dim(g, "length")));
    model_save(g, WG_NODES(wg_named(wg_mean(x, WG_AXES(1), 0), "y")), path);
}

/* ---- The log ---- */

/* Counts lines that hold a text; any thread. */
struct heard {
    const char *text;
    atomic_int  times;
};
static inline void hear(void *context, const char *level, const char *message)
{
    struct heard *h = context;
    cr_assert(level && message && !strchr(message, '\n'), "one line");
    if (h->text && strstr(message, h->text)) atomic_fetch_add(&h->times, 1);
}

/* ---- Repositories ---- */

static inline struct wg__model_options model_options(void)
{
    return (struct wg__model_options){
        .threads = 2, .max_batch = 8, .max_delay_us = 200, .queue = 1024, .max_rows = 1000};
}

static inline struct wg__repository *open_models(int n, const char *const spec[], const struct wg__model_options *o)
{
    wg_error               e = {0};
    struct wg__repository *r = wg__repository_open(n, spec, o, &e);
    cr_assert(r, "%s", e.message);
    return r;
}

/* One model "m" at path. */
static inline struct wg__repository *open_model(const char *path, const struct wg__model_options *o)
{
    char        spec[600];
    const char *list = spec;
    snprintf(spec, sizeof spec, "m=%s", path);
    return open_models(1, &list, o);
}

static inline struct wg__version *hold(struct wg__repository *r, const char *model)
{
    struct wg__version *v = wg__version_hold(r, model, -1);
    cr_assert(v, "%s serves", model);
    return v;
}

/* ---- One model, of which one version is held ---- */

struct fixture {
    char                    *folder;
    struct wg__model_options o;
    struct wg__repository   *r;
    struct wg__version      *v;
};

/* o: NULL for model_options(). */
static inline struct fixture set_up(void (*make)(const char *path), const struct wg__model_options *o)
{
    struct fixture f = {.folder = models_folder(), .o = o ? *o : model_options()};
    make(in_folder(f.folder, "m.onnx"));
    f.r = open_model(in_folder(f.folder, "m.onnx"), &f.o);
    f.v = hold(f.r, "m");
    return f;
}

static inline void tear_down(struct fixture *f)
{
    wg__version_release(f->v);
    wg__repository_close(f->r);
    models_remove(f->folder);
}

/* ---- A prediction that is waited for ---- */

struct asked {
    struct wg__job   job;
    struct wg__given in[4];
    sem_t            done;
};

static inline void asked_done(struct wg__job *job)
{
    struct asked *a = job->context;
    sem_post(&a->done);
}

static inline void ask_begin(struct asked *a, struct wg__version *v)
{
    memset(a, 0, sizeof *a);
    sem_init(&a->done, 0, 0);
    a->job = (struct wg__job){.version = v, .in = a->in, .context = a, .done = asked_done};
}

static inline void ask_wait(struct asked *a)
{
    while (sem_wait(&a->done)) continue;
}

/* Sends what ask_begin and in[] say; the status. */
static inline int ask(struct asked *a, int incoming)
{
    if (!wg__predict(&a->job, incoming)) ask_wait(a);
    return a->job.status;
}

static inline void ask_end(struct asked *a)
{
    int more = 0;
    cr_assert(!sem_getvalue(&a->done, &more) && !more, "nobody is answered twice");
    wg__job_free(&a->job);
    sem_destroy(&a->done);
}

/* Output i as floats. */
static inline const float *floats(const struct asked *a, int i) { return a->job.out[i].data; }

#endif
