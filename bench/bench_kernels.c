/* bench_kernels: what moves, broadcasts, reductions and functions cost, against a copy of as many bytes.
 *
 * Each row is a tape of one operator, or of one formula. Bytes are those that the row has to read and to write,
 * whatever the tape does; the copy moves as many between two arrays, in turns with the row. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/graph.h>

#include "support/common.h"
#include "support/limits.h"

static const char usage[] = "usage: bench_kernels [--threads N] [--seconds S] [TEXT ...]\n"
                            "TEXT: only rows whose names have it.  For f32 and f64: nanoseconds an element, and the\n"
                            "share of the bandwidth of a copy of as many bytes.\n";

/* A row's graph while it is built. */
struct build {
    wg_graph *g;
    wg_dtype  t;
    int       leaves;
    int64_t   bytes; /* of the leaves */
};

/* Makes a parameter of random numbers in -2..2, or of indices below `below` if that is not 0. */
static wg_node *leaf(struct build *b, wg_dtype t, wg_shape s, int64_t below)
{
    char    name[16];
    int64_t n = wg_count(&s);
    size_t  size = wg_dtype_size(t);
    void   *data = malloc((size_t)n * size);
    snprintf(name, sizeof name, "p%d", b->leaves++);
    for (int64_t i = 0; i < n && data; i++) {
        uint64_t bits = bench_bits((uint64_t)b->leaves, (uint64_t)i);
        double   v = (double)(bits >> 11) * 0x1p-51 - 2;
        if (below) ((int64_t *)data)[i] = (int64_t)(bits % (uint64_t)below);
        else if (t == WG_F32) ((float *)data)[i] = (float)v;
        else ((double *)data)[i] = v;
    }
    wg_node *x = data ? wg_param(b->g, name, t, s) : NULL;
    if (x && wg_param_set(x, data)) x = NULL;
    free(data);
    b->bytes += n * (int64_t)size;
    return x;
}
static wg_node *real(struct build *b, wg_shape s) { return leaf(b, b->t, s, 0); }
static wg_node *index_below(struct build *b, int64_t n, int64_t below) { return leaf(b, WG_I64, WG_SHAPE(n), below); }

/* ---- Rows ---- */

enum { LONG = 31843, WIDE = 400000 };

static wg_node *gather_elements(struct build *b)
{
    wg_node *x = real(b, WG_SHAPE(LONG)), *i = index_below(b, LONG, LONG);
    return wg_gather(x, i, 0);
}
static wg_node *gather_pairs(struct build *b)
{
    wg_node *x = real(b, WG_SHAPE(LONG, 2)), *i = index_below(b, LONG, LONG);
    return wg_gather(x, i, 0);
}
static wg_node *gather_columns(struct build *b)
{
    wg_node *x = real(b, WG_SHAPE(1000, 32)), *i = index_below(b, 24, 32);
    return wg_gather(x, i, 1);
}
/* Gathers rows of images; of these only what is taken counts. */
static wg_node *gather_batch(struct build *b)
{
    wg_node *x = real(b, WG_SHAPE(20000, 784));
    b->bytes = 0;
    wg_node *i = index_below(b, 64, 20000);
    b->bytes += 64 * 784 * (int64_t)wg_dtype_size(b->t);
    return wg_gather(x, i, 0);
}
static wg_node *slice_column(struct build *b) { return wg_slice(real(b, WG_SHAPE(LONG, 2)), 1, 0, 1, 1); }
static wg_node *slice_columns(struct build *b) { return wg_slice(real(b, WG_SHAPE(LONG, 8)), 1, 2, 5, 1); }
static wg_node *slice_every_other(struct build *b) { return wg_slice(real(b, WG_SHAPE(200000)), 0, 0, 200000, 2); }
static wg_node *slice_rows(struct build *b) { return wg_slice(real(b, WG_SHAPE(2000, 100)), 0, 10, 1990, 1); }
static wg_node *concat_columns(struct build *b)
{
    enum { N = 30 };
    wg_node *x[N];
    for (int i = 0; i < N; i++) x[i] = real(b, WG_SHAPE(10000, 1));
    return wg_concat(N, x, 1);
}
static wg_node *concat_halves(struct build *b)
{
    wg_node *x[2] = {real(b, WG_SHAPE(1000, 64)), real(b, WG_SHAPE(1000, 64))};
    return wg_concat(2, x, 1);
}
static wg_node *transpose_matrix(struct build *b) { return wg_transpose(real(b, WG_SHAPE(500, 800)), WG_AXES(1, 0)); }
static wg_node *transpose_batch(struct build *b)
{
    return wg_transpose(real(b, WG_SHAPE(32, 64, 8, 16)), WG_AXES(0, 2, 1, 3));
}
static wg_node *transpose_thin(struct build *b) { return wg_transpose(real(b, WG_SHAPE(100000, 3)), WG_AXES(1, 0)); }

static wg_node *mul_of(struct build *b, wg_shape x, wg_shape y)
{
    wg_node *p = real(b, x), *q = real(b, y);
    return wg_mul(p, q);
}
static wg_node *mul_dense(struct build *b) { return mul_of(b, WG_SHAPE(WIDE), WG_SHAPE(WIDE)); }
static wg_node *mul_scalar(struct build *b) { return mul_of(b, WG_SHAPE(WIDE), WG_SHAPE(1)); }
static wg_node *mul_row(struct build *b) { return mul_of(b, WG_SHAPE(1000, 400), WG_SHAPE(400)); }
static wg_node *mul_column(struct build *b) { return mul_of(b, WG_SHAPE(1000, 400), WG_SHAPE(1000, 1)); }
static wg_node *mul_short_row(struct build *b) { return mul_of(b, WG_SHAPE(1000, 200, 2), WG_SHAPE(2)); }
static wg_node *mul_pairs(struct build *b) { return mul_of(b, WG_SHAPE(1000, 200, 2), WG_SHAPE(1000, 200, 1)); }
static wg_node *mul_tens(struct build *b) { return mul_of(b, WG_SHAPE(40000, 10), WG_SHAPE(40000, 1)); }
static wg_node *mul_middle(struct build *b) { return mul_of(b, WG_SHAPE(1000, 100, 4), WG_SHAPE(1000, 1, 4)); }
static wg_node *mul_outer(struct build *b) { return mul_of(b, WG_SHAPE(20000, 1, 3), WG_SHAPE(20000, 6, 1)); }

static wg_node *exp_of(struct build *b) { return wg_exp(real(b, WG_SHAPE(WIDE))); }
static wg_node *log_of(struct build *b) { return wg_log(wg_abs(real(b, WG_SHAPE(WIDE)))); }
static wg_node *sin_of(struct build *b) { return wg_sin(real(b, WG_SHAPE(WIDE))); }
static wg_node *cos_of(struct build *b) { return wg_cos(real(b, WG_SHAPE(WIDE))); }
static wg_node *tanh_of(struct build *b) { return wg_tanh(real(b, WG_SHAPE(WIDE))); }
static wg_node *sigmoid_of(struct build *b) { return wg_sigmoid(real(b, WG_SHAPE(WIDE))); }

static wg_node *sum_all(struct build *b) { return wg_sum(real(b, WG_SHAPE(WIDE)), WG_AXES(0), 0); }
static wg_node *sum_rows(struct build *b) { return wg_sum(real(b, WG_SHAPE(1000, 400)), WG_AXES(1), 0); }
static wg_node *sum_columns(struct build *b) { return wg_sum(real(b, WG_SHAPE(1000, 400)), WG_AXES(0), 0); }
static wg_node *sum_middle(struct build *b) { return wg_sum(real(b, WG_SHAPE(100, 100, 40)), WG_AXES(1), 0); }
static wg_node *sum_triples(struct build *b) { return wg_sum(real(b, WG_SHAPE(100000, 3)), WG_AXES(1), 0); }
static wg_node *sum_thin(struct build *b) { return wg_sum(real(b, WG_SHAPE(100000, 3)), WG_AXES(0), 0); }
static wg_node *max_rows(struct build *b) { return wg_max(real(b, WG_SHAPE(1000, 400)), WG_AXES(1), 0); }
static wg_node *max_columns(struct build *b) { return wg_max(real(b, WG_SHAPE(1000, 400)), WG_AXES(0), 0); }
static wg_node *max_outer(struct build *b) { return wg_max(real(b, WG_SHAPE(100, 40, 100)), WG_AXES(0, 2), 0); }
static wg_node *lse_rows(struct build *b) { return wg_logsumexp(real(b, WG_SHAPE(1000, 400)), WG_AXES(1), 0); }
static wg_node *lse_columns(struct build *b) { return wg_logsumexp(real(b, WG_SHAPE(1000, 400)), WG_AXES(0), 0); }
static wg_node *lse_middle(struct build *b) { return wg_logsumexp(real(b, WG_SHAPE(100, 100, 40)), WG_AXES(1), 0); }
static wg_node *softmax_rows(struct build *b) { return wg_softmax(real(b, WG_SHAPE(1000, 400)), 1); }
static wg_node *softmax_tens(struct build *b) { return wg_softmax(real(b, WG_SHAPE(40000, 10)), 1); }
static wg_node *softmax_columns(struct build *b) { return wg_softmax(real(b, WG_SHAPE(1000, 400)), 0); }
static wg_node *cross_entropy(struct build *b)
{
    wg_node *x = real(b, WG_SHAPE(20000, 10)), *label = index_below(b, 20000, 10), *d = NULL;
    wg_grad(wg_softmax_cross_entropy(x, label), 1, &x, &d);
    return d;
}
static wg_node *dropout(struct build *b) { return wg_dropout(real(b, WG_SHAPE(WIDE)), 0.5); }

static const struct row {
    const char *name;
    wg_node *(*make)(struct build *b);
    int reads; /* the elements that count are those of the operand, not those of the result */
} rows[] = {
    {"gather, single elements", gather_elements, 0},
    {"gather, pairs", gather_pairs, 0},
    {"gather, 24 of 32 columns", gather_columns, 0},
    {"gather, 64 rows of 784", gather_batch, 0},
    {"slice [31843,2] to [31843,1]", slice_column, 0},
    {"slice [31843,8] to [31843,3]", slice_columns, 0},
    {"slice, every other element", slice_every_other, 0},
    {"slice, rows", slice_rows, 0},
    {"concat, 30 columns", concat_columns, 0},
    {"concat [1000,64] twice", concat_halves, 0},
    {"transpose [500,800]", transpose_matrix, 0},
    {"transpose [32,64,8,16] by 0 2 1 3", transpose_batch, 0},
    {"transpose [100000,3]", transpose_thin, 0},
    {"mul [400000] [400000]", mul_dense, 0},
    {"mul [400000] [1]", mul_scalar, 0},
    {"mul [1000,400] [400]", mul_row, 0},
    {"mul [1000,400] [1000,1]", mul_column, 0},
    {"mul [1000,200,2] [2]", mul_short_row, 0},
    {"mul [1000,200,2] [1000,200,1]", mul_pairs, 0},
    {"mul [40000,10] [40000,1]", mul_tens, 0},
    {"mul [1000,100,4] [1000,1,4]", mul_middle, 0},
    {"mul [20000,1,3] [20000,6,1]", mul_outer, 0},
    {"exp", exp_of, 0},
    {"log |x|", log_of, 0},
    {"sin", sin_of, 0},
    {"cos", cos_of, 0},
    {"tanh", tanh_of, 0},
    {"sigmoid", sigmoid_of, 0},
    {"sum of all", sum_all, 1},
    {"sum of rows [1000,400]", sum_rows, 1},
    {"sum of columns [1000,400]", sum_columns, 1},
    {"sum [100,100,40] over 1", sum_middle, 1},
    {"sum [100000,3] over 1", sum_triples, 1},
    {"sum [100000,3] over 0", sum_thin, 1},
    {"max of rows [1000,400]", max_rows, 1},
    {"max of columns [1000,400]", max_columns, 1},
    {"max [100,40,100] over 0 2", max_outer, 1},
    {"logsumexp of rows [1000,400]", lse_rows, 1},
    {"logsumexp of columns [1000,400]", lse_columns, 1},
    {"logsumexp [100,100,40] over 1", lse_middle, 1},
    {"softmax of rows [1000,400]", softmax_rows, 0},
    {"softmax of rows [40000,10]", softmax_tens, 0},
    {"softmax of columns [1000,400]", softmax_columns, 0},
    {"cross entropy [20000,10], gradient", cross_entropy, 0},
    {"dropout", dropout, 0},
};

/* ---- Measuring ---- */

enum { TURNS = 1000 };

/* Measures the tape and the copy in turns: medians of seconds a run. */
static int time_row(wg_tape *t, int64_t bytes, double seconds, double *run, double *copy)
{
    static double a[TURNS], b[TURNS];
    int64_t       n = (bytes / 2 + 63) / 64 * 16;
    float        *x = aligned_alloc(64, (size_t)n * 4), *y = aligned_alloc(64, (size_t)n * 4);
    int           turns = 0, bad = !x || !y;
    for (int64_t i = 0; i < n && !bad; i++) x[i] = y[i] = 0.5f;
    int64_t steps = 1 + (int64_t)(1e6 / (double)bytes);
    for (double end = bench_now() + seconds; !bad && turns < TURNS && (turns < 5 || bench_now() < end); turns++) {
        bad = wg_run(t); /* after the copy, the caches hold its arrays */
        double start = bench_now();
        for (int64_t i = 0; i < steps && !bad; i++) bad = wg_run(t);
        a[turns] = (bench_now() - start) / (double)steps;
        bench_copy(y, x, n, 1);
        start = bench_now();
        bench_copy(y, x, n, steps);
        b[turns] = (bench_now() - start) / (double)steps;
    }
    free(x);
    free(y);
    if (bad) return -1;
    *run = bench_median(turns, a);
    *copy = bench_median(turns, b);
    return 0;
}

static int measure(const struct row *r, wg_dtype t, const struct bench_options *o)
{
    struct build b = {.g = wg_graph_new(), .t = t};
    wg_node     *y = b.g ? r->make(&b) : NULL;
    wg_tape     *tape = y ? wg_compile(b.g, 1, &y, &(wg_options){.threads = o->threads}) : NULL;
    double       run, copy;
    int          bad = !tape;
    if (!bad) {
        int64_t out = wg_count(wg_node_shape(y)), all = b.bytes + out * (int64_t)wg_dtype_size(t);
        int64_t elements = r->reads ? b.bytes / (int64_t)wg_dtype_size(t) : out;
        bad = time_row(tape, all, o->seconds, &run, &copy);
        if (!bad) printf(" %8.2f %6.0f %%", 1e9 * run / (double)elements, 100 * copy / run);
    }
    if (bad) fprintf(stderr, "%s: %s\n", r->name, tape ? wg_tape_message(tape) : b.g ? wg_message(b.g) : "no memory");
    wg_graph_free(b.g);
    return bad ? -1 : 0;
}

static int is_wanted(const struct row *r, const struct bench_options *o)
{
    for (int i = 0; i < o->words; i++)
        if (strstr(r->name, o->word[i])) return 1;
    return !o->words;
}

int main(int argc, char **argv)
{
    struct bench_options o;
    int                  bad = bench_options_read(argc, argv, usage, &o);
    if (bad) return bad < 0;
    printf("%s%-36s %17s %17s\n", wg_build_info(), "", "f32: ns, of copy", "f64: ns, of copy");
    for (size_t i = 0; i < sizeof rows / sizeof *rows && !bad; i++) {
        if (!is_wanted(&rows[i], &o)) continue;
        printf("%-36s", rows[i].name);
        bad = measure(&rows[i], WG_F32, &o) || measure(&rows[i], WG_F64, &o);
        printf("\n");
        fflush(stdout);
    }
    return bad != 0;
}
