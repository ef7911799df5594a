/* The thread pool: one for the process, made on first use.
 *
 * A job is n calls of one function. All that workers and caller agree on is in one 64-bit ticket: generation of the
 * job, seats left for workers, next piece, number of pieces. A thread claims a piece by one compare-and-swap of the
 * ticket, so a worker that comes late finds another generation or no piece left, and cannot touch a job that is over.
 * The caller claims pieces as the workers do and waits for claimed pieces only: where no worker lives (in a forked
 * child) the caller does all of them. */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/system/arithmetic.h"
#include "base/system/cgroup.h"
#include "base/system/clock.h"
#include "base/system/cores.h"
#include "cpu/cpu.h"
#include "cpu/workspace.h"

enum { MAX_THREADS = 1024, MAX_PIECES = 4095, SPIN_NS = 80000, SPINS_A_YIELD = 64 };

typedef void piece_fn(void *context, int64_t i);

static struct {
    pthread_once_t once;
    int            threads; /* at most, with the caller */
    bool           crowded; /* more threads than CPUs: one that waits must not hold up one that works */
    _Alignas(64) atomic_flag busy;
    _Alignas(64) _Atomic uint64_t ticket;
    _Alignas(64) atomic_int done;
    _Alignas(64) atomic_int sleepers;
    atomic_uint wake; /* the futex of the sleepers */
    atomic_bool started;
    /* The job: written while busy is held and no piece is out. */
    _Alignas(64) piece_fn *body;
    void   *context;
    int64_t n, piece; /* calls in all, calls in one piece */
} pool = {.once = PTHREAD_ONCE_INIT, .busy = ATOMIC_FLAG_INIT};

/* ---- The number of threads ---- */

bool wg__threads_wish(int *n)
{
    char       *end;
    const char *s = getenv("WG_THREADS");
    if (!s || !*s) return true;
    long wish = strtol(s, &end, 10);
    if (*end || wish < 1 || wish > MAX_THREADS) return false;
    *n = (int)wish;
    return true;
}

/* Counts one thread for each core, for two threads of a core share the units that multiply and the first-level cache,
 * and no more than a quota allows. */
static void count_threads(void)
{
    int n = 0, cpus = wg__cgroup_cpus(WG__CGROUP_PROC, WG__CGROUP_MOUNT), cores = wg__cores(WG__CPU_FOLDER);
    if (!wg__threads_wish(&n) || !n) n = cores < cpus ? cores : cpus;
    pool.threads = n;
    pool.crowded = n > cpus;
}

int wg__threads(void)
{
    pthread_once(&pool.once, count_threads);
    return pool.threads;
}

/* ---- The ticket ---- */

enum { PIECE_BITS = 12, SEAT_BITS = 11 };
#define PIECES(t) ((t)&MAX_PIECES)
#define NEXT(t) ((t) >> PIECE_BITS & MAX_PIECES)
#define SEATS(t) ((t) >> 2 * PIECE_BITS & ((1u << SEAT_BITS) - 1))
#define GENERATION(t) ((t) >> (2 * PIECE_BITS + SEAT_BITS))
#define ONE_PIECE (UINT64_C(1) << PIECE_BITS)
#define ONE_SEAT (UINT64_C(1) << 2 * PIECE_BITS)

/* Claims the next piece, or returns -1 if there is none. *generation is the job in which the calling thread has a
 * seat. */
static int64_t claim_piece(uint64_t *generation)
{
    uint64_t t = atomic_load(&pool.ticket);
    for (;;) {
        bool seated = GENERATION(t) == *generation;
        if (NEXT(t) >= PIECES(t) || (!seated && !SEATS(t))) return -1;
        if (atomic_compare_exchange_weak(&pool.ticket, &t, t + ONE_PIECE - (seated ? 0 : ONE_SEAT))) {
            *generation = GENERATION(t);
            return (int64_t)NEXT(t);
        }
    }
}

static void run_range(piece_fn *body, void *context, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) body(context, i);
}

/* Runs pieces until none is left to claim; tells whether there was one. */
static bool run_pieces(uint64_t *generation)
{
    bool any = false;
    for (int64_t p; (p = claim_piece(generation)) >= 0; any = true) {
        int64_t begin = p * pool.piece, left = pool.n - begin;
        WG__INVARIANT(left > 0);
        run_range(pool.body, pool.context, begin, begin + (left < pool.piece ? left : pool.piece));
        atomic_fetch_add_explicit(&pool.done, 1, memory_order_release);
    }
    return any;
}

/* ---- Workers ---- */

static inline void pause_cpu(void)
{
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("yield");
#endif
}

/* Looks for pieces for a while; tells whether there was one. A thread that spins yields now and then: where threads
 * outnumber CPUs, it must not hold up the threads that work. */
static bool spin_for_pieces(uint64_t *generation)
{
    for (uint64_t stop = wg__now_ns() + SPIN_NS; wg__now_ns() < stop; sched_yield())
        for (int i = 0; i < SPINS_A_YIELD; i++, pause_cpu())
            if (run_pieces(generation)) return true;
    return false;
}

/* Sleeps until a job is opened. Either the caller of the job sees the sleeper, or the sleeper sees the caller's
 * ticket. */
static void sleep_until_woken(uint64_t *generation)
{
    unsigned seen = atomic_load(&pool.wake);
    atomic_fetch_add(&pool.sleepers, 1);
    if (!run_pieces(generation)) syscall(SYS_futex, &pool.wake, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    atomic_fetch_sub(&pool.sleepers, 1);
}

static void *run_worker(void *workspace)
{
    uint64_t generation = UINT64_MAX;
    if (!wg__workspace_adopt(workspace)) return NULL;
    wg__arithmetic_enter(); /* for as long as the thread lives */
    for (;;)
        if (pool.crowded || !spin_for_pieces(&generation)) sleep_until_woken(&generation);
    return NULL;
}

/* Starts the workers; fewer of them where memory or threads run out. */
static void start_workers(void)
{
    pthread_attr_t a;
    sigset_t       all, old;
    if (pthread_attr_init(&a)) return;
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (int i = 1; i < pool.threads; i++) {
        pthread_t             id;
        struct wg__workspace *w = wg__workspace_new(); /* here, so that a later run takes no memory */
        if (!w || pthread_create(&id, &a, run_worker, w)) {
            free(w);
            break;
        }
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&a);
}

/* ---- Jobs ---- */

/* Opens a job in which the caller has a seat; returns its generation. */
static uint64_t open_job(int threads, int64_t n, piece_fn *body, void *context)
{
    uint64_t generation = GENERATION(atomic_load(&pool.ticket) + (UINT64_C(1) << (2 * PIECE_BITS + SEAT_BITS)));
    int64_t  piece = (n - 1) / MAX_PIECES + 1, pieces = (n - 1) / piece + 1;
    int64_t  seats = threads - 1 < pieces - 1 ? threads - 1 : pieces - 1;
    pool.body = body;
    pool.context = context;
    pool.n = n;
    pool.piece = piece;
    atomic_store_explicit(&pool.done, 0, memory_order_relaxed);
    atomic_store(&pool.ticket,
                 generation << (2 * PIECE_BITS + SEAT_BITS) | (uint64_t)seats * ONE_SEAT | (uint64_t)pieces);
    if (atomic_load(&pool.sleepers) > 0) {
        atomic_fetch_add(&pool.wake, 1);
        syscall(SYS_futex, &pool.wake, FUTEX_WAKE_PRIVATE, (int)seats, NULL, NULL, 0);
    }
    return generation;
}

static void wait_for_pieces(int pieces)
{
    for (int i = 1; atomic_load_explicit(&pool.done, memory_order_acquire) != pieces; i++)
        if (i % SPINS_A_YIELD && !pool.crowded) pause_cpu();
        else sched_yield();
}

void wg__pool_run(int threads, int64_t n, void (*body)(void *context, int64_t i), void *context)
{
    int most = n > 1 && threads != 1 ? wg__threads() : 1;
    if (threads > 0 && threads < most) most = threads;
    if (most < 2 || atomic_flag_test_and_set_explicit(&pool.busy, memory_order_acquire)) {
        run_range(body, context, 0, n);
        return;
    }
    if (!atomic_load_explicit(&pool.started, memory_order_relaxed)) {
        start_workers();
        atomic_store_explicit(&pool.started, true, memory_order_relaxed);
    }
    uint64_t generation = open_job(most, n, body, context);
    run_pieces(&generation);
    wait_for_pieces((int)PIECES(atomic_load_explicit(&pool.ticket, memory_order_relaxed)));
    atomic_flag_clear_explicit(&pool.busy, memory_order_release);
}

/* ---- For operators ---- */

struct parallel {
    int64_t n, grain;
    void   *context;
    void (*body)(void *context, int64_t begin, int64_t end);
};

static void run_parallel_piece(void *context, int64_t i)
{
    const struct parallel *p = context;
    int64_t                begin = i * p->grain, left = p->n - begin;
    p->body(p->context, begin, begin + (left < p->grain ? left : p->grain));
}

void wg_parallel(const wg_call *c, int64_t n, int64_t grain, void (*body)(void *context, int64_t begin, int64_t end),
                 void *context)
{
    struct parallel p = {n, grain < 1 ? 1 : grain, context, body};
    if (n > 0) wg__pool_run(c->threads, (n - 1) / p.grain + 1, run_parallel_piece, &p);
}
