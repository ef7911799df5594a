/* bench_onnx: forward passes of an ONNX file, as a program that predicts makes them: the input lies where the tape
 * reads it, the tape runs, the outputs are viewed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/graph.h>
#include <wengert/onnx.h>

#include "support/common.h"

static const char usage[] = "usage: bench_onnx [--threads N] [--seconds S] \"MODEL.onnx BATCH\" ...\n"
                            "       bench_onnx --serve    answers the commands of bench/run on stdin\n"
                            "A model has one input [batch, n] of f32, whose batch is a symbol, and one output.\n";

struct onnx {
    int       threads;
    wg_onnx  *model;
    wg_graph *graph;
    wg_node  *x, *y;
    wg_tape  *tape;
};

static void close_model(struct onnx *m)
{
    wg_onnx_free(m->model);
    wg_graph_free(m->graph);
    *m = (struct onnx){.threads = m->threads};
}

static int complain(const struct onnx *m, const char *what)
{
    const char *why = m->tape                                ? wg_tape_message(m->tape)
                      : m->model && wg_onnx_status(m->model) ? wg_onnx_message(m->model)
                      : m->graph && wg_status(m->graph)      ? wg_message(m->graph)
                                                             : "out of memory";
    return fprintf(stderr, "bench_onnx: %s: %s\n", what, why), -1;
}

static int import_model(struct onnx *m, const char *path)
{
    m->graph = wg_graph_new();
    m->model = wg_onnx_read(path);
    if (!m->graph || !m->model || wg_onnx_status(m->model)) return -1;
    if (wg_onnx_import(m->model, m->graph, &(wg_onnx_import_options){.constants = 1})) return -1;
    m->x = wg_onnx_input(m->model, 0);
    m->y = wg_onnx_output(m->model, 0);
    return 0;
}

/* Compiles a tape for a batch, and makes the input: numbers of bench_bits in -0.5 .. 0.5. */
static int prepare(struct onnx *m, int64_t batch)
{
    char            name[64];
    const wg_shape *x = wg_node_shape(m->x);
    if (wg_node_dtype(m->x) != WG_F32 || x->rank != 2 || x->dim[0] >= 0) {
        fprintf(stderr, "bench_onnx: the input is not [batch, n] of f32\n");
        return -1;
    }
    wg_dim_name(m->graph, x->dim[0], name, sizeof name);
    m->tape = wg_compile(m->graph, 1, &m->y, &(wg_options){.threads = m->threads, .bind = {{name, batch}}});
    if (!m->tape) return -1;
    int64_t n = wg_count(wg_tape_shape(m->tape, m->x));
    float  *in = wg_input_buffer(m->tape, m->x);
    for (int64_t i = 0; in && i < n; i++) in[i] = (float)(bench_bits(1, (uint64_t)i) >> 40) / (1 << 24) - 0.5f;
    return in ? 0 : -1;
}

static int open_model(void *self, int n, char *word[], char *members, size_t size)
{
    struct onnx *m = self;
    if (n != 2 || atoll(word[1]) < 1) return bench_no_work(usage, n, word);
    close_model(m);
    if (import_model(m, word[0]) || prepare(m, atoll(word[1]))) return complain(m, word[0]);
    snprintf(members, size, "\"way\": \"tape\", \"instructions\": %lld", (long long)wg_stats(m->tape).instructions);
    return 0;
}

static int run(void *self, int64_t steps)
{
    struct onnx *m = self;
    for (int64_t i = 0; i < steps; i++)
        if (wg_run(m->tape) || !wg_view(m->tape, m->y)) return complain(m, "run");
    return 0;
}

/* Gives the first output and the mean of all: that all sides compute the same. */
static int say_outputs(void *self, char *json, size_t size)
{
    struct onnx *m = self;
    if (run(m, 1)) return -1;
    int64_t      n = wg_count(wg_tape_shape(m->tape, m->y));
    const float *y = wg_view(m->tape, m->y);
    double       sum = 0;
    for (int64_t i = 0; i < n; i++) sum += y[i];
    snprintf(json, size, "[%.6g, %.6g]", (double)y[0], sum / (double)n);
    return 0;
}

int main(int argc, char **argv)
{
    struct bench_options o;
    struct onnx          m = {0};
    struct bench_side    side = {"Wengert", &m, open_model, run, say_outputs};
    int                  bad = bench_options_read(argc, argv, usage, &o);
    if (bad) return bad < 0;
    m.threads = o.threads;
    bad = bench_side_run(&side, &o, 0, NULL);
    close_model(&m);
    return bad;
}
