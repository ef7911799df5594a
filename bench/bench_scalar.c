/* bench_scalar: the cost of running a tape at all.
 *
 * z = tanh(a b + a)^2 and its two gradients, a and b scalars: almost no
 * arithmetic, so what is measured is what surrounds it. */
#include <stdio.h>
#include <string.h>

#include <wengert/graph.h>

#include "support/common.h"

static const char usage[] =
    "usage: bench_scalar [--seconds S] [scalar | scalar-io ...]\n"
    "       bench_scalar --serve    answers the commands of bench/run on stdin\n"
    "scalar runs the tape; scalar-io also sets both inputs and gets all three results each time.\n";

struct scalar {
    int       io; /* also set and get */
    wg_graph *graph;
    wg_node  *a, *b, *z, *d[2];
    wg_tape  *tape;
    double    sum; /* of what was got */
};

static int complain(const struct scalar *s)
{
    const char *why = s->tape ? wg_tape_message(s->tape) : s->graph ? wg_message(s->graph) : "out of memory";
    return fprintf(stderr, "scalar: %s\n", why), -1;
}

static int open_scalar(void *self, int n, char *word[], char *members, size_t size)
{
    struct scalar *s = self;
    int            io = n == 1 && !strcmp(word[0], "scalar-io");
    if (!io && (n != 1 || strcmp(word[0], "scalar"))) return bench_no_work(usage, n, word);
    wg_graph_free(s->graph);
    *s = (struct scalar){.io = io, .graph = wg_graph_new()};
    s->a = wg_input(s->graph, "a", WG_F32, WG_SCALAR);
    s->b = wg_input(s->graph, "b", WG_F32, WG_SCALAR);
    wg_node *ab = wg_mul(s->a, s->b);
    s->z = wg_square(wg_tanh(wg_add(ab, s->a)));
    if (wg_grad(s->z, 2, (wg_node *[]){s->a, s->b}, s->d)) return complain(s);
    s->tape = wg_compile(s->graph, WG_NODES(s->z, s->d[0], s->d[1]), &(wg_options){.threads = 1});
    if (!s->tape || wg_set_scalar(s->tape, s->a, 0.5) || wg_set_scalar(s->tape, s->b, -1.25)) return complain(s);
    snprintf(members, size, "\"way\": \"%s\", \"instructions\": %lld", io ? "with set and get" : "",
             (long long)wg_stats(s->tape).instructions);
    return 0;
}

static int run(void *self, int64_t steps)
{
    struct scalar *s = self;
    for (int64_t i = 0; i < steps; i++) {
        if (s->io) {
            wg_set_scalar(s->tape, s->a, 0.5);
            wg_set_scalar(s->tape, s->b, -1.25);
        }
        if (wg_run(s->tape)) return complain(s);
        for (int k = 0; s->io && k < 3; k++) s->sum += wg_get_scalar(s->tape, k ? s->d[k - 1] : s->z);
    }
    return 0;
}

static int loss(void *self, char *json, size_t size)
{
    struct scalar *s = self;
    if (wg_run(s->tape)) return complain(s);
    snprintf(json, size, "[%.9g, %.9g, %.9g]", wg_get_scalar(s->tape, s->z), wg_get_scalar(s->tape, s->d[0]),
             wg_get_scalar(s->tape, s->d[1]));
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {"scalar", "scalar-io"};
    struct bench_options     o;
    struct scalar            s = {0};
    struct bench_side        side = {"Wengert", &s, open_scalar, run, loss};
    int                      bad = bench_options_read(argc, argv, usage, &o);
    if (bad) return bad < 0;
    bad = bench_side_run(&side, &o, 2, usual);
    wg_graph_free(s.graph);
    return bad;
}
