/* bench_adbench: derivatives of ADBench's problems. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adbench/adbench.h"
#include "support/common.h"

static const char usage[] =
    "usage: bench_adbench [--threads N] [--seconds S] \"gmm FILE\" | \"lstm FILE\" | \"ba FILE\" ...\n"
    "       bench_adbench --serve    answers the commands of bench/run on stdin\n"
    "A step computes the value and all derivatives: a gradient of gmm and lstm, the sparse Jacobian of ba.\n";

static const struct {
    const char *name;
    int (*build)(wg_graph *g, struct adbench_numbers *f, struct adbench_problem *p);
} problems[] = {{"gmm", adbench_gmm}, {"lstm", adbench_lstm}, {"ba", adbench_ba}};

struct adbench {
    int                    threads;
    wg_graph              *graph;
    wg_tape               *tape;
    struct adbench_problem problem;
};

static int complain(const struct adbench *s)
{
    const char *why = s->tape ? wg_tape_message(s->tape) : s->graph ? wg_message(s->graph) : "out of memory";
    return fprintf(stderr, "bench_adbench: %s\n", why), -1;
}

static int build(struct adbench *s, char *word[])
{
    struct adbench_numbers f = {0};
    int                    bad = -1, known = 0;
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        if (strcmp(word[0], problems[i].name) != 0) continue;
        known = 1;
        bad = adbench_read(word[1], &f) || problems[i].build(s->graph, &f, &s->problem);
    }
    free(f.at);
    return known ? bad : bench_no_work(usage, 2, word);
}

static int open_problem(void *self, int n, char *word[], char *members, size_t size)
{
    struct adbench *s = self;
    if (n != 2) return bench_no_work(usage, n, word);
    wg_graph_free(s->graph);
    *s = (struct adbench){.threads = s->threads, .graph = wg_graph_new()};
    if (!s->graph) return complain(s);
    if (build(s, word)) return wg_status(s->graph) ? complain(s) : -1; /* a bad file was named */
    wg_node *out[ADBENCH_NODES + 1] = {s->problem.value};
    memcpy(out + 1, s->problem.d, (size_t)s->problem.n * sizeof *out);
    s->tape = wg_compile(s->graph, s->problem.n + 1, out, &(wg_options){.threads = s->threads});
    if (!s->tape || wg_run(s->tape)) return complain(s);
    snprintf(members, size, "\"way\": \"tape\", \"instructions\": %lld", (long long)wg_stats(s->tape).instructions);
    return 0;
}

static int run(void *self, int64_t steps)
{
    struct adbench *s = self;
    for (int64_t i = 0; i < steps; i++)
        if (wg_run(s->tape)) return complain(s);
    return 0;
}

/* Gives the value and the sum of the squares of all derivatives. */
static int say_value(void *self, char *json, size_t size)
{
    struct adbench *s = self;
    double          sum = 0;
    if (wg_run(s->tape)) return complain(s);
    for (int i = 0; i < s->problem.n; i++) {
        const double *d = wg_view(s->tape, s->problem.d[i]);
        int64_t       n = d ? wg_count(wg_tape_shape(s->tape, s->problem.d[i])) : 0;
        if (!d) return complain(s);
        for (int64_t k = 0; k < n; k++) sum += d[k] * d[k];
    }
    snprintf(json, size, "[%.12g, %.12g]", wg_get_scalar(s->tape, s->problem.value), sum);
    return 0;
}

int main(int argc, char **argv)
{
    struct bench_options o;
    struct adbench       s = {0};
    struct bench_side    side = {"Wengert", &s, open_problem, run, say_value};
    int                  bad = bench_options_read(argc, argv, usage, &o);
    if (bad) return bad < 0;
    s.threads = o.threads;
    bad = bench_side_run(&side, &o, 0, NULL);
    wg_graph_free(s.graph);
    return bad;
}
