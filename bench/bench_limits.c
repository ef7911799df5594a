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

#include "common.h"

static const char usage[] = "usage: bench_limits [--threads N] [--seconds S] [WORK ...]\n"
                            "       bench_limits --serve    answers the commands of bench/run on stdin\n"
                            "WORK is \"fma\", \"copy BYTES\" or \"update BYTES\"; without one, a table of all.\n";

/* Arithmetic in `steps` passes over arrays of n floats (a multiple of 16, 64-byte aligned). */
typedef void kernel(float *y, const float *x, int64_t n, int64_t steps);
enum { FMA_CHAINS = 12, FMA_REPEAT = 4096 };

/* ---- Multiply-adds: each chain starts elsewhere, or a compiler would see that they are one ---- */

typedef float v16 __attribute__((vector_size(64), may_alias));
typedef float v4 __attribute__((vector_size(16)));

static void fma_plain(float *y, const float *x, int64_t n, int64_t steps)
{
    const v4 a = {x[0], x[0], x[0], x[0]}, b = a;
    v4       c0 = a * x[1], c1 = a * x[2], c2 = a * x[3], c3 = a * x[4], c4 = a * x[5], c5 = a * x[6];
    v4       c6 = a * x[7], c7 = a * x[8], c8 = a * x[9], c9 = a * x[10], c10 = a * x[11], c11 = a * x[12];
    (void)n;
    for (int64_t i = 0; i < steps * FMA_REPEAT; i++) {
        c0 = c0 * a + b, c1 = c1 * a + b, c2 = c2 * a + b, c3 = c3 * a + b;
        c4 = c4 * a + b, c5 = c5 * a + b, c6 = c6 * a + b, c7 = c7 * a + b;
        c8 = c8 * a + b, c9 = c9 * a + b, c10 = c10 * a + b, c11 = c11 * a + b;
    }
    c0 += c1 + c2 + c3 + c4 + c5 + c6 + c7 + c8 + c9 + c10 + c11;
    y[0] = c0[0] + c0[1] + c0[2] + c0[3];
}

#ifdef __x86_64__
#include <immintrin.h>

/* Runs chains of multiply-adds. This function and the next end in vzeroupper: dirty upper halves of
 * registers would slow what runs next. */
__attribute__((target("avx512f"))) static void fma_avx512(float *y, const float *x, int64_t n, int64_t steps)
{
    const __m512 a = _mm512_set1_ps(x[0]), b = a;
    __m512       c0 = a * x[1], c1 = a * x[2], c2 = a * x[3], c3 = a * x[4], c4 = a * x[5], c5 = a * x[6];
    __m512       c6 = a * x[7], c7 = a * x[8], c8 = a * x[9], c9 = a * x[10], c10 = a * x[11], c11 = a * x[12];
    (void)n;
    for (int64_t i = 0; i < steps * FMA_REPEAT; i++) {
        c0 = _mm512_fmadd_ps(c0, a, b), c1 = _mm512_fmadd_ps(c1, a, b), c2 = _mm512_fmadd_ps(c2, a, b);
        c3 = _mm512_fmadd_ps(c3, a, b), c4 = _mm512_fmadd_ps(c4, a, b), c5 = _mm512_fmadd_ps(c5, a, b);
        c6 = _mm512_fmadd_ps(c6, a, b), c7 = _mm512_fmadd_ps(c7, a, b), c8 = _mm512_fmadd_ps(c8, a, b);
        c9 = _mm512_fmadd_ps(c9, a, b), c10 = _mm512_fmadd_ps(c10, a, b), c11 = _mm512_fmadd_ps(c11, a, b);
    }
    _mm512_storeu_ps(y, c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7 + c8 + c9 + c10 + c11);
    _mm256_zeroupper();
}

__attribute__((target("avx2,fma"))) static void fma_avx2(float *y, const float *x, int64_t n, int64_t steps)
{
    const __m256 a = _mm256_set1_ps(x[0]), b = a;
    __m256       c0 = a * x[1], c1 = a * x[2], c2 = a * x[3], c3 = a * x[4], c4 = a * x[5], c5 = a * x[6];
    __m256       c6 = a * x[7], c7 = a * x[8], c8 = a * x[9], c9 = a * x[10], c10 = a * x[11], c11 = a * x[12];
    (void)n;
    for (int64_t i = 0; i < steps * FMA_REPEAT; i++) {
        c0 = _mm256_fmadd_ps(c0, a, b), c1 = _mm256_fmadd_ps(c1, a, b), c2 = _mm256_fmadd_ps(c2, a, b);
        c3 = _mm256_fmadd_ps(c3, a, b), c4 = _mm256_fmadd_ps(c4, a, b), c5 = _mm256_fmadd_ps(c5, a, b);
        c6 = _mm256_fmadd_ps(c6, a, b), c7 = _mm256_fmadd_ps(c7, a, b), c8 = _mm256_fmadd_ps(c8, a, b);
        c9 = _mm256_fmadd_ps(c9, a, b), c10 = _mm256_fmadd_ps(c10, a, b), c11 = _mm256_fmadd_ps(c11, a, b);
    }
    _mm256_storeu_ps(y, c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7 + c8 + c9 + c10 + c11);
    _mm256_zeroupper();
}
#endif

/* ---- Bytes ---- */

static void copy(float *y, const float *x, int64_t n, int64_t steps)
{
    for (int64_t s = 0; s < steps; s++) {
        memcpy(y, x, (size_t)n * sizeof *y);
        __asm__ volatile("" ::: "memory");
    }
}

static inline __attribute__((always_inline)) void update(float *y, const float *x, int64_t n, int64_t steps)
{
    v16       *to = (v16 *)y;
    const v16 *from = (const v16 *)x;
    for (int64_t s = 0; s < steps; s++) {
        for (int64_t i = 0; i < n / 16; i++) to[i] += from[i] * 1e-3f;
        __asm__ volatile("" ::: "memory");
    }
}

static void update_plain(float *y, const float *x, int64_t n, int64_t steps) { update(y, x, n, steps); }
#ifdef __x86_64__
__attribute__((target("avx512f"))) static void update_avx512(float *y, const float *x, int64_t n, int64_t steps)
{
    update(y, x, n, steps);
}
__attribute__((target("avx2"))) static void update_avx2(float *y, const float *x, int64_t n, int64_t steps)
{
    update(y, x, n, steps);
}
#endif

struct level {
    const char *name;
    kernel     *fma, *update;
    int         lanes;
};

static struct level best_level(void)
{
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) return (struct level){"avx512", fma_avx512, update_avx512, 16};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return (struct level){"avx2", fma_avx2, update_avx2, 8};
#endif
    return (struct level){"plain", fma_plain, update_plain, 4};
}

/* ---- The side ---- */

enum { MAX_THREADS = 64 };

struct limit {
    int     threads;
    kernel *body;
    int64_t n, steps; /* floats in an array */
    double  per_step; /* operations or bytes of all threads */
    float  *x[MAX_THREADS], *y[MAX_THREADS];
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
    struct limit *l = self;
    struct level  level = best_level();
    int64_t       bytes = n > 1 ? atoll(word[1]) : 0;
    release(l);
    l->n = bytes / 64 * 16;
    if (n == 1 && !strcmp(word[0], "fma")) {
        l->body = level.fma, l->n = 16;
        l->per_step = 2.0 * FMA_CHAINS * FMA_REPEAT * level.lanes * l->threads;
    } else if (n == 2 && l->n > 0 && !strcmp(word[0], "copy")) {
        l->body = copy, l->per_step = 2.0 * 4 * (double)l->n * l->threads;
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
    printf("level %s\n", best_level().name);
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
