/* bench_train: training steps of a multilayer perceptron on digits.
 *
 * A step gathers a random batch of float images into the tape's inputs and
 * runs forward, backward and update.  First weights and batches are those of
 * the peers, so the loss is comparable after the same number of steps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/train.h>

#include "support/common.h"

static const char usage[] =
    "usage: bench_train [--threads N] [--seconds S] [--data FOLDER] [\"mlp LAYERS BATCH SOLVER RATE\" ...]\n"
    "       bench_train --serve ...    answers the commands of bench/run on stdin\n"
    "LAYERS is 784,128,10 or the like, SOLVER sgd or adam.  Without a work: those of bench/run.\n";

struct trainer {
    int                 threads;
    const char         *folder;
    struct bench_digits digits;
    int64_t            *index; /* [BENCH_BATCHES, batch] */
    int64_t             batch, step;
    wg_graph           *graph;
    wg_node            *x, *label, *loss;
    wg_tape            *train, *evaluate;
};

struct plan {
    int64_t   layer[BENCH_LAYERS];
    int       layers;
    wg_solver solver;
};

static int read_plan(struct trainer *t, struct plan *p, int n, char *word[])
{
    *p = (struct plan){0};
    if (n != 5 || strcmp(word[0], "mlp") || (strcmp(word[3], "sgd") && strcmp(word[3], "adam")))
        return bench_no_work(usage, n, word);
    for (char *s = word[1]; p->layers < BENCH_LAYERS; s++) {
        p->layer[p->layers++] = strtoll(s, &s, 10);
        if (*s != ',') break;
    }
    t->batch = atoll(word[2]);
    p->solver.kind = strcmp(word[3], "adam") ? WG_SOLVER_SGD : WG_SOLVER_ADAM;
    p->solver.rate = atof(word[4]);
    if (p->layers > 1 && t->batch > 0 && p->solver.rate > 0) return 0;
    return bench_no_work(usage, n, word);
}

static void release(struct trainer *t)
{
    wg_graph_free(t->graph);
    free(t->index);
    t->graph = NULL;
    t->index = NULL;
}

static int complain(const struct trainer *t)
{
    return fprintf(stderr, "train: %s\n", t->graph ? wg_message(t->graph) : "out of memory"), -1;
}

static int set_weights(const struct plan *p, int layer, wg_node *y)
{
    char   name[32];
    float *w = malloc((size_t)(p->layer[layer] * p->layer[layer + 1]) * sizeof *w);
    snprintf(name, sizeof name, "fc%d.weight", layer);
    wg_node *weight = wg_param_find(wg_node_graph(y), name);
    if (w) bench_first_weights(layer, p->layer[layer], p->layer[layer + 1], w);
    int bad = !w || !weight || wg_param_set(weight, w);
    free(w);
    return bad ? -1 : 0;
}

static int build(struct trainer *t, const struct plan *p)
{
    char      name[32];
    wg_graph *g = t->graph = wg_graph_new();
    if (!g) return -1;
    wg_set_seed(g, 1);
    int64_t batch = wg_dim(g, "batch");
    t->x = wg_input(g, "x", WG_F32, WG_SHAPE(batch, p->layer[0]));
    t->label = wg_input(g, "label", WG_U8, WG_SHAPE(batch));
    wg_node *h = t->x;
    for (int i = 0; i + 1 < p->layers; i++) {
        snprintf(name, sizeof name, "fc%d", i);
        h = wg_dense(i ? wg_relu(h) : h, p->layer[i + 1], name);
        if (!h || set_weights(p, i, h)) return -1;
    }
    t->loss = wg_softmax_cross_entropy(h, t->label);
    wg_node *step = wg_minimize(t->loss, &p->solver);
    t->train =
        wg_compile(g, WG_NODES(t->loss, step), &(wg_options){.bind = {{"batch", t->batch}}, .threads = t->threads});
    t->evaluate = wg_compile(
        g, 1, &t->loss, &(wg_options){.bind = {{"batch", BENCH_LOSS_IMAGES}}, .evaluate = 1, .threads = t->threads});
    return t->train && t->evaluate ? 0 : -1;
}

static int open_train(void *self, int n, char *word[], char *members, size_t size)
{
    struct trainer *t = self;
    struct plan     p;
    release(t);
    if (read_plan(t, &p, n, word)) return -1;
    if (!t->digits.count && bench_digits_read(t->folder, &t->digits)) return -1;
    if (p.layer[0] != t->digits.pixels) return fprintf(stderr, "train: images have other pixels\n"), -1;
    double start = bench_now();
    if (build(t, &p)) return complain(t);
    double        ready = bench_now() - start;
    wg_tape_stats s = wg_stats(t->train);
    t->step = 0;
    t->index = bench_batches(t->digits.count, t->batch);
    snprintf(members, size,
             "\"way\": \"\", \"instructions\": %lld, \"flops\": %.0f, \"planned\": %lld, \"values\": %lld, "
             "\"build_seconds\": %.6f",
             (long long)s.instructions, s.flops, (long long)s.peak_bytes, (long long)s.value_bytes, ready);
    return t->index ? 0 : complain(t);
}

/* Prefetches the next image while the present one is copied: images lie anywhere in memory. */
static void ask_for(const float *image, int64_t pixels)
{
    for (int64_t i = 0; i < pixels; i += 16) __builtin_prefetch(image + i);
}

static void gather(struct trainer *t)
{
    const int64_t *index = t->index + t->step % BENCH_BATCHES * t->batch;
    int64_t        pixels = t->digits.pixels;
    float         *image = wg_input_buffer(t->train, t->x);
    uint8_t       *label = wg_input_buffer(t->train, t->label);
    for (int64_t i = 0; i < t->batch; i++) {
        if (i + 1 < t->batch) ask_for(t->digits.image + index[i + 1] * pixels, pixels);
        memcpy(image + i * pixels, t->digits.image + index[i] * pixels, (size_t)pixels * sizeof *image);
        label[i] = t->digits.label[index[i]];
    }
}

static int run(void *self, int64_t steps)
{
    struct trainer *t = self;
    for (int64_t i = 0; i < steps; i++, t->step++) {
        gather(t);
        if (wg_run(t->train)) return fprintf(stderr, "train: %s\n", wg_tape_message(t->train)), -1;
    }
    return 0;
}

static int loss(void *self, char *json, size_t size)
{
    struct trainer *t = self;
    if (wg_set(t->evaluate, t->x, t->digits.image) || wg_set(t->evaluate, t->label, t->digits.label) ||
        wg_run(t->evaluate))
        return fprintf(stderr, "train: %s\n", wg_tape_message(t->evaluate)), -1;
    snprintf(json, size, "%.9g", wg_get_scalar(t->evaluate, t->loss));
    return 0;
}

static const char *const usual[] = {"mlp 784,128,10 64 sgd 0.1", "mlp 784,128,10 64 adam 0.001",
                                    "mlp 784,500,10 100 sgd 0.1", "mlp 784,512,512,10 128 sgd 0.1",
                                    "mlp 784,512,512,10 128 adam 0.001"};

int main(int argc, char **argv)
{
    struct bench_options o;
    struct trainer       t = {0};
    struct bench_side    side = {"Wengert", &t, open_train, run, loss};
    int                  bad = bench_options_read(argc, argv, usage, &o);
    if (bad) return bad < 0;
    t.threads = o.threads;
    t.folder = o.data;
    if (!o.serve) puts(wg_build_info());
    bad = bench_side_run(&side, &o, sizeof usual / sizeof *usual, usual);
    release(&t);
    bench_digits_free(&t.digits);
    return bad;
}
