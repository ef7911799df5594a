/* bench_update: a solver's update alone, of one parameter with a gradient that stays as it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/train.h>

#include "support/common.h"

static const char usage[] = "usage: bench_update [--threads N] [--seconds S] [\"SOLVER ELEMENTS\" ...]\n"
                            "       bench_update --serve    answers the commands of bench/run on stdin\n"
                            "SOLVER is sgd, momentum, nesterov, adagrad, rmsprop, adadelta, adam or adamw.\n";

struct update {
    int       threads;
    wg_graph *graph;
    wg_node  *p;
    wg_tape  *tape;
    int64_t   n;
};

static int complain(const struct update *u)
{
    const char *why = u->tape ? wg_tape_message(u->tape) : u->graph ? wg_message(u->graph) : "out of memory";
    return fprintf(stderr, "update: %s\n", why), -1;
}

static int find_solver(const char *name)
{
    int kind = 0;
    while (kind < WG_SOLVERS && strcmp(wg_solver_name(kind), name) != 0) kind++;
    return kind;
}

/* Sets the parameter, and the gradient, which is the input. */
static int set_values(struct update *u, const wg_node *x)
{
    float *v = malloc((size_t)u->n * sizeof *v);
    for (int64_t i = 0; v && i < u->n; i++) v[i] = (float)(bench_bits(1, (uint64_t)i) >> 40) * 0x1p-24f - 0.5f;
    int bad = !v || wg_set(u->tape, x, v) || wg_param_set(u->p, v);
    free(v);
    return bad ? complain(u) : 0;
}

static int open_update(void *self, int n, char *word[], char *members, size_t size)
{
    struct update *u = self;
    int            kind = n == 2 ? find_solver(word[0]) : WG_SOLVERS;
    wg_graph_free(u->graph);
    *u = (struct update){.threads = u->threads, .graph = wg_graph_new(), .n = n == 2 ? atoll(word[1]) : 0};
    if (kind == WG_SOLVERS || u->n < 1) return bench_no_work(usage, n, word);
    wg_solver s = {.kind = (enum wg_solver_kind)kind, .rate = 1e-3};
    if (kind == WG_SOLVER_MOMENTUM || kind == WG_SOLVER_NESTEROV) s.momentum = 0.9;
    if (kind == WG_SOLVER_ADAMW) s.weight_decay = 0.01;
    wg_node *x = wg_input(u->graph, "x", WG_F32, WG_SHAPE(u->n));
    u->p = wg_param(u->graph, "p", WG_F32, WG_SHAPE(u->n));
    wg_node *step = wg_minimize(wg_sum(wg_mul(u->p, x), WG_ALL_AXES, 0), &s);
    u->tape = wg_compile(u->graph, 1, &step, &(wg_options){.threads = u->threads});
    if (!u->tape || set_values(u, x)) return complain(u);
    snprintf(members, size, "\"way\": \"\", \"instructions\": %lld", (long long)wg_stats(u->tape).instructions);
    return 0;
}

static int run(void *self, int64_t steps)
{
    const struct update *u = self;
    for (int64_t i = 0; i < steps; i++)
        if (wg_run(u->tape)) return complain(u);
    return 0;
}

/* Gives the parameter's first element. */
static int loss(void *self, char *json, size_t size)
{
    const struct update *u = self;
    float               *v = malloc((size_t)u->n * sizeof *v);
    int                  bad = !v || wg_param_get(u->p, v);
    if (!bad) snprintf(json, size, "%.9g", (double)v[0]);
    free(v);
    return bad ? complain(u) : 0;
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {"sgd 100352",     "momentum 100352", "nesterov 100352", "adagrad 100352",
                                        "rmsprop 100352", "adadelta 100352", "adam 100352",     "adamw 100352",
                                        "adam 669706",    "adam 8000000"};
    struct bench_options     o;
    struct update            u = {0};
    struct bench_side        side = {"Wengert", &u, open_update, run, loss};
    int                      bad = bench_options_read(argc, argv, usage, &o);
    if (bad) return bad < 0;
    u.threads = o.threads;
    bad = bench_side_run(&side, &o, sizeof usual / sizeof *usual, usual);
    wg_graph_free(u.graph);
    return bad;
}
