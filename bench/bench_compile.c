/* bench_compile: time from nothing to a tape, for chains h = tanh(h + x).
 *
 * n nodes are n/2 links.  Each phase should take time in proportion to n. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <wengert/graph.h>

#include "support/common.h"

static const char usage[] = "usage: bench_compile [NODES ...]\n"
                            "Forward nodes of each chain; without a number: 6000 10000 100000 1000000.\n"
                            "(6000 is the chain of 3000 links, 18006 nodes with its gradient.)\n";

enum { REPEAT = 3 };

struct phases {
    double  build, grad, compile, run; /* seconds */
    int64_t instructions, peak, kib;
};

static int complain(wg_graph *g, const wg_tape *t)
{
    fprintf(stderr, "compile: %s\n", t ? wg_tape_message(t) : g ? wg_message(g) : "out of memory");
    wg_graph_free(g);
    return -1;
}

static wg_node *chain(wg_node *x, int64_t links)
{
    wg_node *h = x;
    for (int64_t i = 0; h && i < links; i++) h = wg_tanh(wg_add(h, x));
    return h;
}

/* Checks h and dh/dx against the recurrence, in double. */
static int check(wg_tape *t, const wg_node *y, const wg_node *d, int64_t links, double x)
{
    double h = x, dh = 1;
    for (int64_t i = 0; i < links; i++) {
        h = tanh(h + x);
        dh = (1 - h * h) * (dh + 1);
    }
    double error = fabs(wg_get_scalar(t, y) - h) + fabs(wg_get_scalar(t, d) - dh);
    if (error < 1e-9 * (1 + fabs(dh))) return 0;
    return fprintf(stderr, "compile: wrong values: off by %g\n", error), -1;
}

static int measure(int64_t nodes, struct phases *p)
{
    wg_node  *d;
    double    x0 = 0.25, t0 = bench_now();
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F64, WG_SCALAR), *y = chain(x, nodes / 2);
    double    t1 = bench_now();
    if (wg_grad(y, 1, &x, &d)) return complain(g, NULL);
    double   t2 = bench_now();
    wg_tape *t = wg_compile(g, WG_NODES(y, d), &(wg_options){.threads = 1});
    double   t3 = bench_now();
    if (!t) return complain(g, NULL);
    if (wg_set_scalar(t, x, x0) || wg_run(t)) return complain(g, t);
    double t4 = bench_now();
    if (wg_run(t)) return complain(g, t);
    double        t5 = bench_now();
    wg_tape_stats s = wg_stats(t);
    *p = (struct phases){t1 - t0, t2 - t1, t3 - t2, t5 - t4, s.instructions, s.peak_bytes, bench_peak_kib()};
    int bad = check(t, y, d, nodes / 2, x0);
    wg_graph_free(g);
    return bad;
}

/* Measures a size a few times and prints the medians. Returns 0, or nonzero on an error. */
static int row(int64_t nodes)
{
    struct phases p[REPEAT];
    double        build[REPEAT], grad[REPEAT], compile[REPEAT], run[REPEAT];
    bench_peak_restart();
    for (int i = 0; i < REPEAT; i++) {
        if (measure(nodes, &p[i])) return -1;
        build[i] = p[i].build, grad[i] = p[i].grad, compile[i] = p[i].compile, run[i] = p[i].run;
    }
    double b = bench_median(REPEAT, build), d = bench_median(REPEAT, grad), c = bench_median(REPEAT, compile);
    printf(
        "{\"nodes\": %lld, \"build\": %.6f, \"grad\": %.6f, \"compile\": %.6f, \"run\": %.6f, \"ns_per_node\": %.0f, "
        "\"instructions\": %lld, \"planned\": %lld, \"kib\": %lld}\n",
        (long long)nodes, b, d, c, bench_median(REPEAT, run), 1e9 * (b + d + c) / (double)nodes,
        (long long)p[0].instructions, (long long)p[0].peak, (long long)p[REPEAT - 1].kib);
    return fflush(stdout);
}

int main(int argc, char **argv)
{
    static const int64_t usual[] = {6000, 10000, 100000, 1000000};
    struct bench_options o;
    int                  bad = bench_options_read(argc, argv, usage, &o);
    if (bad) return bad < 0;
    for (int i = 0; i < (o.words ? o.words : 4) && !bad; i++) bad = row(o.words ? atoll(o.word[i]) : usual[i]);
    return bad != 0;
}
