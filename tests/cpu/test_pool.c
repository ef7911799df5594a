/* The pool: every index once, whoever calls, from wherever. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cpu/cpu.h"

static void four_threads(void) { setenv("WG_THREADS", "4", 1); }
TestSuite(pool, .init = four_threads, .timeout = 60);

static void count_call(void *context, int64_t i) { atomic_fetch_add(&((atomic_int *)context)[i], 1); }

static void expect_once(const atomic_int *hit, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (hit[i] != 1) cr_assert_fail("index %lld ran %d times", (long long)i, hit[i]);
}

Test(pool, runs_every_index_once)
{
    static const int64_t sizes[] = {0, 1, 2, 3, 63, 4095, 4096, 4097, 100000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int threads = 0; threads <= 5; threads++) {
            atomic_int *hit = calloc((size_t)sizes[s] + 1, sizeof *hit);
            wg__pool_run(threads, sizes[s], count_call, hit);
            expect_once(hit, sizes[s]);
            cr_assert_eq(hit[sizes[s]], 0);
            free(hit);
        }
}

Test(pool, many_short_jobs_lose_nothing)
{
    atomic_int hit[7] = {0};
    for (int job = 0; job < 20000; job++) wg__pool_run(0, 2 + job % 6, count_call, hit);
    int sum = 0;
    for (int i = 0; i < 7; i++) sum += hit[i];
    int want = 0;
    for (int job = 0; job < 20000; job++) want += 2 + job % 6;
    cr_assert_eq(sum, want);
}

static void pause_us(long us) { nanosleep(&(struct timespec){0, us * 1000}, NULL); }

Test(pool, wakes_sleepers)
{
    for (int round = 0; round < 20; round++) {
        atomic_int hit[64] = {0};
        pause_us(1000); /* workers sleep by now */
        wg__pool_run(0, 64, count_call, hit);
        expect_once(hit, 64);
    }
}

struct who {
    pthread_t  seen[64];
    atomic_int n, inside, most;
};

static void who_am_i(void *context, int64_t i)
{
    struct who *w = context;
    (void)i;
    w->seen[atomic_fetch_add(&w->n, 1)] = pthread_self();
    int inside = atomic_fetch_add(&w->inside, 1) + 1, most = w->most;
    while (inside > most && !atomic_compare_exchange_weak(&w->most, &most, inside)) {}
    pause_us(2000);
    atomic_fetch_sub(&w->inside, 1);
}

Test(pool, threads_are_shared_and_capped)
{
    /* From many to few: workers that just worked are awake and eager. */
    for (int round = 0, threads = 4; round < 12; round++, threads = 4 - round % 4) {
        struct who w = {0};
        cr_assert_eq(wg__threads(), 4);
        wg__pool_run(threads, 16, who_am_i, &w);
        cr_assert_eq(w.n, 16);
        cr_assert_leq(w.most, threads, "%d at once, %d allowed", w.most, threads);
        cr_assert(threads == 1 || w.most > 1, "work was shared");
    }
}

static void nested(void *context, int64_t i)
{
    atomic_int(*hit)[8] = context;
    wg__pool_run(0, 8, count_call, hit[i]);
}

Test(pool, nested_calls_run_alone)
{
    atomic_int hit[16][8] = {0};
    wg__pool_run(0, 16, nested, hit);
    for (int i = 0; i < 16; i++) expect_once(hit[i], 8);
}

static void *caller(void *context)
{
    bool *ok = context;
    *ok = true;
    for (int round = 0; round < 500; round++) {
        atomic_int hit[33] = {0};
        wg__pool_run(0, 33, count_call, hit);
        for (int i = 0; i < 33; i++) *ok = *ok && hit[i] == 1;
    }
    return NULL;
}

Test(pool, callers_in_several_threads)
{
    pthread_t id[4];
    bool      ok[4];
    for (int i = 0; i < 4; i++) cr_assert_eq(pthread_create(&id[i], NULL, caller, &ok[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(id[i], NULL);
        cr_assert(ok[i]);
    }
}

Test(pool, a_forked_child_works_without_workers)
{
    atomic_int hit[100] = {0};
    wg__pool_run(0, 100, count_call, hit);
    pid_t child = fork();
    if (child == 0) {
        for (int round = 0; round < 10; round++) wg__pool_run(0, 100, count_call, hit);
        _exit(hit[0] == 11 && hit[99] == 11 ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

Test(pool, wg_threads_is_a_number_or_nothing)
{
    static const char *const bad[] = {"0", "-1", "1025", "many", "2x", " "};
    int                      n = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("WG_THREADS", bad[i], 1);
        cr_assert_not(wg__threads_wish(&n), "\"%s\" is no number of threads", bad[i]);
        cr_assert_eq(n, 7);
    }
    setenv("WG_THREADS", "1024", 1);
    cr_assert(wg__threads_wish(&n));
    cr_assert_eq(n, 1024);
    unsetenv("WG_THREADS");
    cr_assert(wg__threads_wish(&n));
    cr_assert_eq(n, 1024);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    cr_assert_eq(sched_setaffinity(0, sizeof one, &one), 0);
    cr_assert_eq(wg__threads(), 1, "one CPU to run on, one thread");
}

struct pieces {
    atomic_int n;
    int64_t    begin[64], end[64];
};

static void note_piece(void *context, int64_t begin, int64_t end)
{
    struct pieces *p = context;
    int            i = atomic_fetch_add(&p->n, 1);
    p->begin[i] = begin;
    p->end[i] = end;
}

Test(pool, parallel_pieces_depend_on_n_and_grain_only)
{
    for (int threads = 0; threads <= 4; threads++) {
        wg_call       c = {.threads = threads};
        struct pieces p = {0};
        wg_parallel(&c, 103, 10, note_piece, &p);
        cr_assert_eq(p.n, 11);
        int64_t sum = 0;
        for (int i = 0; i < p.n; i++) {
            cr_assert_eq(p.begin[i] % 10, 0);
            cr_assert_eq(p.end[i], p.begin[i] == 100 ? 103 : p.begin[i] + 10);
            sum += p.end[i] - p.begin[i];
        }
        cr_assert_eq(sum, 103);
        wg_parallel(&c, 0, 10, note_piece, &p);
        cr_assert_eq(p.n, 11, "nothing to do");
        wg_parallel(&c, 3, 0, note_piece, &p);
        cr_assert_eq(p.n, 14, "a grain of less than one is one");
    }
}
