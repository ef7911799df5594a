/* bench_infer: what a run of a perceptron's forward pass takes, where its weights are parameters, which a tape may keep
 * packed, and where they are inputs, which each run reads as they are.
 *
 * Weights lie as [in, out] and as [out, in] (PyTorch's Linear).  The four tapes of a batch take turns in every round.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/graph.h>

#include "support/common.h"

static const char usage[] = "usage: bench_infer [--threads N] [--seconds S] [IN,HIDDEN,..,OUT ...]\n"
                            "S is for each batch; the default nets are 784,512,512,10 and 1536,128.\n";

enum { SIDES = 4, ROUNDS = 21, BATCHES = 4 };
static const int64_t batches[BATCHES] = {1, 4, 8, 32};

struct net {
    int     layers;
    int64_t size[BENCH_LAYERS + 1];
};

struct side {
    bool     turned, kept; /* weights are [out, in]; they are parameters */
    wg_node *w[BENCH_LAYERS];
    wg_tape *tape;
    double   time[ROUNDS]; /* us a run */
};

static int complain(const wg_graph *g, const wg_tape *t)
{
    return fprintf(stderr, "bench_infer: %s\n", t ? wg_tape_message(t) : g ? wg_message(g) : "out of memory"), -1;
}

static int read_net(const char *text, struct net *n)
{
    char *end = NULL;
    *n = (struct net){.layers = -1};
    for (const char *p = text; !end || *end == ','; p = end + 1) {
        if (++n->layers > BENCH_LAYERS) break;
        n->size[n->layers] = strtoll(p, &end, 10);
        if (end == p || n->size[n->layers] < 1 || n->size[n->layers] > 1 << 20) break;
    }
    return n->layers >= 1 && n->layers <= BENCH_LAYERS && end && !*end && n->size[n->layers] > 0 ? 0 : -1;
}

/* Builds the forward pass, with ReLU between the layers. */
static wg_node *build(wg_graph *g, const struct net *n, struct side *s, wg_node *x)
{
    for (int i = 0; i < n->layers; i++) {
        char     name[32];
        int64_t  in = n->size[i], out = n->size[i + 1];
        wg_shape shape = s->turned ? WG_SHAPE(out, in) : WG_SHAPE(in, out);
        snprintf(name, sizeof name, "w%d.%d.%d", i, s->turned, s->kept);
        s->w[i] = (s->kept ? wg_param : wg_input)(g, name, WG_F32, shape);
        x = wg_matmul_t(x, s->w[i], 0, s->turned);
        if (i + 1 < n->layers) x = wg_relu(x);
    }
    return x;
}

/* Numbers that are the same for every side, whatever their order: the time does not depend on them. */
static int fill(wg_tape *t, wg_node *x, int64_t count)
{
    float *v = malloc((size_t)count * sizeof *v);
    for (int64_t i = 0; v && i < count; i++) v[i] = (float)(bench_bits(1, (uint64_t)i) >> 40) / (1 << 24) - 0.5f;
    int status = v ? wg_set(t, x, v) : WG_ENOMEM;
    free(v);
    return status;
}

static int open_side(wg_graph *g, const struct net *n, struct side *s, int64_t batch, int threads)
{
    char name[32];
    snprintf(name, sizeof name, "x.%d.%d", s->turned, s->kept);
    wg_node *x = wg_input(g, name, WG_F32, WG_SHAPE(batch, n->size[0])), *y = build(g, n, s, x);
    s->tape = wg_compile(g, 1, &y, &(wg_options){.threads = threads});
    int status = s->tape ? fill(s->tape, x, batch * n->size[0]) : -1;
    for (int i = 0; i < n->layers && !status; i++) status = fill(s->tape, s->w[i], n->size[i] * n->size[i + 1]);
    for (int i = 0; i < 3 && !status; i++) status = wg_run(s->tape);
    return status ? complain(g, s->tape) : 0;
}

/* Runs until `seconds` are over; us a run, or -1. */
static double time_runs(struct side *s, double seconds)
{
    double  start = bench_now(), now;
    int64_t runs = 0;
    do {
        for (int i = 0; i < 8; i++, runs++)
            if (wg_run(s->tape)) return complain(NULL, s->tape), -1;
        now = bench_now();
    } while (now < start + seconds);
    return (now - start) * 1e6 / (double)runs;
}

static double ratio(const struct side *a, const struct side *b)
{
    double r[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) r[i] = a->time[i] / b->time[i];
    return bench_median(ROUNDS, r);
}

static int measure(const char *text, const struct net *n, int64_t batch, const struct bench_options *o)
{
    struct side s[SIDES] = {{.kept = false}, {.kept = true}, {.turned = true}, {.turned = true, .kept = true}};
    wg_graph   *g = wg_graph_new();
    double      each = o->seconds / (SIDES * ROUNDS);
    int         bad = g ? 0 : complain(NULL, NULL);
    for (int i = 0; i < SIDES && !bad; i++) bad = open_side(g, n, &s[i], batch, o->threads);
    for (int r = 0; r < ROUNDS && !bad; r++)
        for (int i = 0; i < SIDES && !bad; i++) {
            struct side *turn = &s[(r + i) % SIDES];
            bad = (turn->time[r] = time_runs(turn, each)) < 0;
        }
    if (!bad) {
        double in_out = ratio(&s[1], &s[0]), out_in = ratio(&s[3], &s[2]);
        double us[SIDES];
        for (int i = 0; i < SIDES; i++) us[i] = bench_median(ROUNDS, s[i].time);
        printf("| %s | %lld | %.1f | %.1f | %.2f | %.1f | %.1f | %.2f | %lld |\n", text, (long long)batch, us[0], us[1],
               in_out, us[2], us[3], out_in, (long long)(wg_stats(s[3].tape).packed_bytes / 1024));
        fflush(stdout);
    }
    wg_graph_free(g);
    return bad;
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {"784,512,512,10", "1536,128"};
    struct bench_options     o;
    struct net               n;
    int                      bad = bench_options_read(argc, argv, usage, &o);
    if (bad) return bad < 0;
    if (o.serve) return fputs(usage, stderr), 2;
    const char *const *work = o.words ? (const char *const *)o.word : usual;
    puts("| net | batch | [in, out], us | kept | ratio | [out, in], us | kept | ratio | KiB kept of [out, in] |\n"
         "|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    for (int i = 0; i < (o.words ? o.words : 2) && !bad; i++) {
        if (read_net(work[i], &n)) return fprintf(stderr, "bench_infer: %s is no list of sizes\n", work[i]), 2;
        for (int b = 0; b < BATCHES && !bad; b++) bad = measure(work[i], &n, batches[b], &o);
    }
    return bad != 0;
}
