/* bench_limits: what this machine can do at most, without the library.
 *
 * fma:          chains of multiply-adds in registers, twelve at a time, which hides their latency.
 * copy BYTES:   memcpy between two arrays of that size; counts bytes read and written.
 * update BYTES: y += a x, as a solver does; counts two reads and one write.
 * Every thread has its own arrays. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/common.h"
#include "support/limits.h"

static const char usage[] = "usage: bench_limits [--threads N] [--seconds S] [WORK ...]\n"
                            "       bench_limits --serve    answers the commands of bench/run on stdin\n"
                            "WORK is \"fma\", \"copy BYTES\" or \"update BYTES\"; without one, a table of all.\n";

/* ---- The side ---- */

enum { MAX_THREADS = 64 };

struct limit {
    int         threads;
    bench_loop *body;
    int64_t     n, steps; /* floats in an array */
    double      per_step; /* operations or bytes of all threads */
    float      *x[MAX_THREADS], *y[MAX_THREADS];
};

struct job {
    struct limit *limit;
    int           thread;
};

static void release(struct limit *l)
{
    for (int i = 0; i < MAX_THREADS; i++) {
        free(l->x[i]);
        free(l->y[i]);
        l->x[i] = l->y[i] = NULL;
    }
}

static int take_arrays(struct limit *l)
{
    for (int i = 0; i < l->threads; i++) {
        l->x[i] = aligned_alloc(64, (size_t)l->n * sizeof(float));
        l->y[i] = aligned_alloc(64, (size_t)l->n * sizeof(float));
        if (!l->x[i] || !l->y[i]) return fprintf(stderr, "limits: out of memory\n"), -1;
        for (int64_t k = 0; k < l->n; k++) l->x[i][k] = l->y[i][k] = 0.5f;
    }
    return 0;
}

static int open_limit(void *self, int n, char *word[], char *members, size_t size)
{
    struct limit      *l = self;
    struct bench_level level = bench_level();
    int64_t            bytes = n > 1 ? atoll(word[1]) : 0;
    release(l);
    l->n = bytes / 64 * 16;
    if (n == 1 && !strcmp(word[0], "fma")) {
        l->body = level.fma, l->n = 16;
        l->per_step = 2.0 * BENCH_FMA_CHAINS * BENCH_FMA_REPEAT * level.lanes * l->threads;
    } else if (n == 2 && l->n > 0 && !strcmp(word[0], "copy")) {
        l->body = bench_copy, l->per_step = 2.0 * 4 * (double)l->n * l->threads;
    } else if (n == 2 && l->n > 0 && !strcmp(word[0], "update")) {
        l->body = level.update, l->per_step = 3.0 * 4 * (double)l->n * l->threads;
    } else {
        return fprintf(stderr, "%s", usage), -1;
    }
    snprintf(members, size, "\"way\": \"%s\", \"per_step\": %.0f", level.name, l->per_step);
    return take_arrays(l);
}

static void *work(void *job)
{
    struct job   *j = job;
    struct limit *l = j->limit;
    l->body(l->y[j->thread], l->x[j->thread], l->n, l->steps);
    return NULL;
}

static int run(void *self, int64_t steps)
{
    struct limit *l = self;
    struct job    job[MAX_THREADS];
    pthread_t     id[MAX_THREADS];
    int           started = 1, bad = 0;
    l->steps = steps;
    for (int i = 0; i < l->threads; i++) job[i] = (struct job){l, i};
    for (; started < l->threads && !bad; started += !bad) bad = pthread_create(&id[started], NULL, work, &job[started]);
    work(&job[0]);
    for (int i = 1; i < started; i++) pthread_join(id[i], NULL);
    return bad ? fprintf(stderr, "limits: cannot start a thread\n"), -1 : 0;
}

static int loss(void *self, char *json, size_t size)
{
    const struct limit *l = self;
    snprintf(json, size, "%g", (double)l->y[0][0]);
    return 0;
}

/* ---- By itself ---- */

static int run_limit(const struct bench_side *side, const char *text, double seconds)
{
    struct limit *l = side->self;
    double        time[1000], end;
    char          line[64], members[256], *word[2];
    int           n = 0, words = 0;
    snprintf(line, sizeof line, "%s", text);
    for (char *w = strtok(line, " "); w && words < 2; w = strtok(NULL, " ")) word[words++] = w;
    if (open_limit(l, words, word, members, sizeof members)) return -1;
    int64_t steps = 1 + (int64_t)(5e7 / l->per_step); /* about a millisecond */
    for (end = bench_now() + seconds; n < 1000 && (n < 3 || bench_now() < end); n++) {
        double start = bench_now();
        if (run(l, steps)) return -1;
        time[n] = (bench_now() - start) / (double)steps;
    }
    double rate = 1e-9 * l->per_step / bench_median(n, time);
    printf("%-18s %d thread%s %8.1f %s\n", text, l->threads, l->threads > 1 ? "s" : " ", rate,
           l->n == 16 ? "GFLOP/s" : "GB/s");
    return 0;
}

static int run_all(const struct bench_side *side, double seconds)
{
    static const char *const work_of[] = {
        "fma", "copy 262144", "update 262144", "copy 4194304", "update 4194304", "copy 67108864", "update 67108864"};
    printf("level %s\n", bench_level().name);
    for (size_t i = 0; i < sizeof work_of / sizeof *work_of; i++)
        if (run_limit(side, work_of[i], seconds / 4)) return -1;
    return 0;
}

int main(int argc, char **argv)
{
    struct bench_options o;
    struct limit         l = {0};
    struct bench_side    side = {"limits", &l, open_limit, run, loss};
    int                  bad = bench_options_read(argc, argv, usage, &o);
    if (bad) return bad < 0;
    l.threads = o.threads < MAX_THREADS ? o.threads : MAX_THREADS;
    if (o.serve) bad = bench_serve(&side);
    else if (!o.words) bad = run_all(&side, o.seconds);
    for (int i = 0; i < o.words && !bad && !o.serve; i++) bad = run_limit(&side, o.word[i], o.seconds);
    release(&l);
    return bad != 0;
}
