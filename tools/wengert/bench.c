/* wengert bench: how fast a model runs on this machine. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tool.h"

struct bench {
    int          batch, threads, seconds, device;
    struct texts bind;
};
static const struct option options[] = {
    {"--batch", "N", "size of the inputs' first axis where it is a symbol (1)", WHOLE, offsetof(struct bench, batch), 1,
     1e6},
    {"--bind", "NAME=SIZE", "size of a symbolic dimension", TEXTS, offsetof(struct bench, bind), 0, 0},
    {"--threads", "N", "at most so many (as many as there are CPUs)", WHOLE, offsetof(struct bench, threads), 1, 1024},
    {"--device", "NAME", "cpu, cuda or cuda:N (cpu)", DEVICE, offsetof(struct bench, device), 0, 0},
    {"--seconds", "N", "how long to measure (2)", WHOLE, offsetof(struct bench, seconds), 1, 3600},
    {0}};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Fills reals in [-1, 1) by a fixed sequence; integers stay 0, which is a valid index anywhere. */
static void fill(wg_dtype t, int64_t n, void *data)
{
    uint64_t state = 1;
    for (int64_t i = 0; i < n && (t == WG_F32 || t == WG_F64); i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        double v = (double)(int64_t)state * 0x1p-63;
        if (t == WG_F32) ((float *)data)[i] = (float)v;
        else ((double *)data)[i] = v;
    }
}

static int give_inputs(struct loaded *l, wg_tape *t)
{
    for (int i = 0; i < l->n_in; i++) {
        wg_array        a = {0};
        const wg_shape *s = wg_tape_shape(t, l->in[i]);
        if (!s) continue; /* no output needs it */
        if (wg_array_new(&a, wg_node_dtype(l->in[i]), *s)) return complain(&command_bench, "out of memory");
        fill(a.dtype, wg_count(&a.shape), a.data);
        int status = wg_set(t, l->in[i], a.data);
        wg_array_free(&a);
        if (status) return complain(&command_bench, "%s", wg_tape_message(t));
    }
    return DONE;
}

static int by_size(const void *a, const void *b)
{
    double p = *(const double *)a, q = *(const double *)b;
    return (p > q) - (p < q);
}

/* ---- Times ---- */

/* A run on a device is over when its outputs can be read, by which a block of runs is closed. */
struct timing {
    wg_tape             *t;
    const struct loaded *read; /* NULL: on the CPU, where wg_run returns when it is done */
    int                  repeats;
    double              *time; /* [n] of a run, in ascending order */
    int                  n;
};
enum { MAX_TIMES = 100000 };

/* Times so many runs: seconds, or a negative number on an error. */
static double time_runs(const struct timing *m, int repeats)
{
    double begin = now();
    for (int i = 0; i < repeats; i++)
        if (wg_run(m->t)) return -1;
    for (int i = 0; m->read && i < m->read->n_out; i++)
        if (!wg_view(m->t, m->read->out[i])) return -1;
    return now() - begin;
}

/* Measures for `seconds`, in blocks of so many runs that the clock sees them; on a device also so many
 * that they outweigh the read. */
static int measure(struct timing *m, double seconds)
{
    double least = m->read ? 2e-3 : 20e-6, once = time_runs(m, 1);
    if (once >= 0 && m->read) once = time_runs(m, 1); /* the first of all captures */
    if (once < 0) return FAILED;
    m->repeats = (int)(least / (once + 1e-9)) + 1;
    for (double begin = now(); m->n < MAX_TIMES && (m->n < 3 || now() - begin < seconds); m->n++) {
        double time = time_runs(m, m->repeats);
        if (time < 0) return FAILED;
        m->time[m->n] = time / m->repeats;
    }
    qsort(m->time, (size_t)m->n, sizeof *m->time, by_size);
    return DONE;
}

/* Finds the name of a size that --bind gave before the import; NULL if there is none. */
static const char *name_of_size(const struct bindings *b, int64_t size)
{
    for (int i = 0; i < b->known; i++)
        if (b->at[i].size == size) return b->at[i].name;
    return NULL;
}

/* Returns the size of the inputs' first axis where it is a symbol, or was a symbol; *name says which.
 * 0 if there is none. */
static int64_t batch_size(const struct loaded *l, const struct bindings *b, wg_tape *t, char *name, size_t n)
{
    for (int i = 0; i < l->n_in; i++) {
        const wg_shape *s = wg_node_shape(l->in[i]), *bound = wg_tape_shape(t, l->in[i]);
        const char     *given = bound && s->rank ? name_of_size(b, s->dim[0]) : NULL;
        if (!bound || !s->rank || (s->dim[0] >= 0 && !given)) continue;
        if (given) snprintf(name, n, "%s", given);
        else wg_dim_name(l->g, s->dim[0], name, n);
        return bound->dim[0];
    }
    return 0;
}

static void print_times(const struct timing *m, const struct loaded *l, const struct bindings *b)
{
    char    name[64];
    int64_t batch = batch_size(l, b, m->t, name, sizeof name);
    double  flops = wg_stats(m->t).flops, median = m->time[m->n / 2];
    printf("run      median %.4g us, 1 %% below %.4g us, 99 %% below %.4g us, of %d\n", median * 1e6,
           m->time[m->n / 100] * 1e6, m->time[m->n - 1 - m->n / 100] * 1e6, m->n);
    if (m->read)
        printf("         each of %d runs and one read of the outputs, divided by %d\n", m->repeats, m->repeats);
    printf("rate     %.4g runs/s", 1 / median);
    if (batch) print(", %.4g a second along %s", (double)batch / median, name);
    printf(", %.3g GFLOP/s\n", flops / median * 1e-9);
}

/* ---- The command ---- */

static int bench(const struct bench *o, const char *path, struct loaded *l, struct bindings *b, double *time)
{
    const struct command *c = &command_bench;
    char                  name[400];
    int                   status = bind_texts(c, &o->bind, b);
    if (!status) status = load(c, path, b, l);
    if (status) return status;
    if (bind_batch(c, l, o->batch, b) || bind_rest(c, l, 1, b)) return FAILED;
    double   begin = now();
    wg_tape *t = compile(c, l, b, o->threads, o->device);
    double   compiled = now() - begin;
    if (!t || give_inputs(l, t)) return FAILED;
    struct timing m = {.t = t, .read = o->device == WG_DEVICE_CPU ? NULL : l, .time = time};
    if (measure(&m, o->seconds)) return complain(c, "%s: %s", path, wg_tape_message(t));
    printf("%s", wg_build_info());
    printf("device   %s\n", device_text(o->device, name, sizeof name));
    print("%s", path);
    for (int i = 0; i < b->n; i++) print(" %s=%lld", b->at[i].name, (long long)b->at[i].size);
    printf("\ncompile  %.3g ms\n", compiled * 1e3);
    print_times(&m, l, b);
    return DONE;
}

static int run(int argc, char **argv)
{
    struct bench    o = {.batch = 1, .seconds = 2};
    struct texts    words = {0};
    struct loaded   l = {0};
    struct bindings b = {0};
    int             status;
    if (!options_read(&command_bench, argc, argv, &o, &words, &status)) return status;
    if (words.n != 1) return misused(&command_bench, "which model? one file, not %d", words.n);
    double *time = malloc(MAX_TIMES * sizeof *time);
    status = time ? bench(&o, words.at[0], &l, &b, time) : complain(&command_bench, "out of memory");
    free(time);
    bindings_free(&b);
    unload(&l);
    return status;
}

const struct command command_bench = {"bench", "MODEL.onnx [OPTIONS]", "how fast a model runs here, on random input",
                                      options, run};
