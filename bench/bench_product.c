/* bench_product: a matrix product by itself, as a tape of one instruction, over the shapes of training and inference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/graph.h>

#include "support/common.h"

static const char usage[] = "usage: bench_product [--threads N] [--seconds S] [\"DTYPE M K N AB\" ...]\n"
                            "       bench_product --serve    answers the commands of bench/run on stdin\n"
                            "DTYPE is f32 or f64, AB how the operands lie: nn, nt (b is [N,K]), tn (a is [K,M]), tt.\n"
                            "Without a product, a table of all; S is for each.\n";

/* M K N AB: dense layers, their gradients, squares with and without rows that are 4 KiB apart, few rows, heads. */
static const char *const shapes[] = {"64 784 128 nn",     "128 784 512 nn",  "128 512 512 nn", "784 128 512 tn",
                                     "128 512 784 nt",    "256 256 256 nn",  "512 512 512 nn", "1024 1024 1024 nn",
                                     "1024 1024 1024 nt", "4096 784 512 nn", "8 512 512 nn",   "1 784 512 nn",
                                     "1 784 512 nt",      "1 4096 4096 nn",  "1 4096 4096 nt", "4 1536 128 nt",
                                     "128 512 10 nn",     "128 512 10 nt",   "512 128 10 tn",  "64 10 128 nt"};

struct product {
    int       threads;
    int64_t   m, k, n;
    wg_graph *graph;
    wg_node  *c;
    wg_tape  *tape;
};

static int complain(const struct product *p)
{
    const char *why = p->tape ? wg_tape_message(p->tape) : p->graph ? wg_message(p->graph) : "out of memory";
    return fprintf(stderr, "bench_product: %s\n", why), -1;
}

/* Sets x to numbers in -1..1, the same for every side. */
static int fill(const struct product *p, wg_node *x, wg_dtype t, int64_t count, uint64_t stream)
{
    char *data = malloc((size_t)count * 8);
    for (int64_t i = 0; data && i < count; i++) {
        double v = (double)(bench_bits(stream, (uint64_t)i) >> 40) / (1 << 23) - 1;
        if (t == WG_F64) ((double *)(void *)data)[i] = v;
        else ((float *)(void *)data)[i] = (float)v;
    }
    int status = data ? wg_set(p->tape, x, data) : WG_ENOMEM;
    free(data);
    return status ? complain(p) : 0;
}

static void close_product(struct product *p)
{
    wg_graph_free(p->graph);
    p->graph = NULL;
    p->tape = NULL;
}

static int open_product(void *self, int n, char *word[], char *members, size_t size)
{
    struct product *p = self;
    close_product(p);
    if (n != 5 || (strcmp(word[0], "f32") && strcmp(word[0], "f64")) || strlen(word[4]) != 2 ||
        strspn(word[4], "nt") != 2)
        return bench_no_work(usage, n, word);
    p->m = atoll(word[1]), p->k = atoll(word[2]), p->n = atoll(word[3]);
    int      ta = word[4][0] == 't', tb = word[4][1] == 't';
    wg_dtype t = word[0][1] == '3' ? WG_F32 : WG_F64;
    if (p->m < 1 || p->k < 1 || p->n < 1) return bench_no_work(usage, n, word);
    p->graph = wg_graph_new();
    wg_node *a = wg_input(p->graph, "a", t, ta ? WG_SHAPE(p->k, p->m) : WG_SHAPE(p->m, p->k));
    wg_node *b = wg_input(p->graph, "b", t, tb ? WG_SHAPE(p->n, p->k) : WG_SHAPE(p->k, p->n));
    p->c = wg_matmul_t(a, b, ta, tb);
    p->tape = wg_compile(p->graph, 1, &p->c, &(wg_options){.threads = p->threads});
    if (!p->tape) return complain(p);
    if (fill(p, a, t, p->m * p->k, 1) || fill(p, b, t, p->k * p->n, 2)) return -1;
    snprintf(members, size, "\"way\": \"tape\", \"per_step\": %.0f", 2.0 * (double)p->m * (double)p->k * (double)p->n);
    return 0;
}

static int run(void *self, int64_t steps)
{
    struct product *p = self;
    for (int64_t i = 0; i < steps; i++)
        if (wg_run(p->tape)) return complain(p);
    return 0;
}

static int last_element(void *self, char *json, size_t size)
{
    struct product *p = self;
    const void     *x = wg_view(p->tape, p->c);
    if (!x) return complain(p);
    int64_t last = p->m * p->n - 1;
    double  v = wg_node_dtype(p->c) == WG_F64 ? ((const double *)x)[last] : (double)((const float *)x)[last];
    snprintf(json, size, "%.7g", v);
    return 0;
}

/* Prints the median rate of a product. */
static int measure(const struct bench_side *s, const char *text, double seconds)
{
    struct product *p = s->self;
    double          time[1000], start, end;
    char            line[64], members[256], *word[6];
    int             n = 0, words = 0;
    int64_t         steps = 1;
    snprintf(line, sizeof line, "%s", text);
    for (char *w = strtok(line, " "); w && words < 6; w = strtok(NULL, " ")) word[words++] = w;
    if (open_product(p, words, word, members, sizeof members)) return -1;
    for (double took = 0; took < 1e-3; steps *= 2) {
        start = bench_now();
        if (run(p, steps)) return -1;
        took = bench_now() - start;
    }
    for (end = bench_now() + seconds; n < 1000 && (n < 3 || bench_now() < end); n++) {
        start = bench_now();
        if (run(p, steps)) return -1;
        time[n] = (bench_now() - start) / (double)steps;
    }
    double us = 1e6 * bench_median(n, time);
    printf("%-24s %10.2f us %8.1f GFLOP/s\n", text, us, 2e-3 * (double)p->m * (double)p->k * (double)p->n / us);
    return 0;
}

static int measure_all(const struct bench_side *s, double seconds)
{
    char text[64];
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int t = 32; t <= 64; t += 32) {
            snprintf(text, sizeof text, "f%d %s", t, shapes[i]);
            if (measure(s, text, seconds)) return -1;
        }
    return 0;
}

int main(int argc, char **argv)
{
    struct bench_options o;
    struct product       p = {0};
    struct bench_side    side = {"Wengert", &p, open_product, run, last_element};
    int                  bad = bench_options_read(argc, argv, usage, &o);
    if (bad) return bad < 0;
    p.threads = o.threads;
    if (o.serve) bad = bench_serve(&side);
    else if (!o.words) bad = measure_all(&side, o.seconds / 10);
    for (int i = 0; i < o.words && !bad && !o.serve; i++) bad = measure(&side, o.word[i], o.seconds);
    close_product(&p);
    return bad != 0;
}
