/* block.cc - a kernel's blocks one after the other, the threads of a block as fibres.
 *
 * A thread runs until it waits: for the others of its block or its warp.  One
 * that never waits ends on the stack it began on, and the next one begins
 * there.  When no thread can go on and not all have ended, the block is stuck:
 * what each waits for is told. */
#include <numeric>
#include <signal.h>
#include <time.h>
#include <vector>

#include "base/system/arithmetic.h"
#include "fibre.h"
#include "cuda_host/inside.h"
#include "shared.h"

uint3 threadIdx, blockIdx;
dim3  blockDim, gridDim;

namespace shim
{

unsigned order;
long     launches;

enum lane_state { NEW, READY, RUNNING, AT_BARRIER, AT_WARP, ENDED };

struct lane {
    lane_state  state;
    uint3       at;
    unsigned    number;
    fibre      *on;
    int         op; /* wg_shim_vote or wg_shim_warp_op */
    unsigned    mask;
    uint64_t    value, result;
    int         arg, width;
    const char *file;
    int         line;
};

static const launch         *kernel;
static std::vector<lane>     lanes;
static std::vector<unsigned> turns;                              /* numbers of lanes in the order in which they begin */
static std::vector<fibre *> &idle = *new std::vector<fibre *>(); /* still there when leaks are looked for */
static std::vector<lane *>   ready;
static size_t                begun, ended, waiting, ready_first;
static lane                 *now;
static bool                  failed;

bool in_kernel() { return fibre_running() != NULL; }

static std::string place(const char *file, int line)
{
    const char *slash = strrchr(file, '/');
    return std::string(slash ? slash + 1 : file) + ":" + std::to_string(line);
}

static std::string name_of(const lane &l)
{
    return "thread (" + std::to_string(l.at.x) + "," + std::to_string(l.at.y) + "," + std::to_string(l.at.z) + ")";
}

static void report(cudaError_t e, const std::string &why)
{
    failed = true;
    complain(kernel->name + ", block (" + std::to_string(blockIdx.x) + "," + std::to_string(blockIdx.y) + "," +
             std::to_string(blockIdx.z) + "): " + why);
    broken(e);
}

/* Of the thread that runs: no string may live here that its fibre would own for ever. */
static void              blame(cudaError_t e, const std::string &why) { report(e, name_of(*now) + ": " + why); }
[[noreturn]] static void give_up()
{
    for (;;) fibre_leave();
}
#define FAULT(e, why)  \
    do {               \
        blame(e, why); \
        give_up();     \
    } while (0)

/* ---- Turns ---- */

static void park()
{
    lane *me = now;
    me->on = fibre_running();
    fibre_leave();
    now = me;
    me->state = RUNNING;
    threadIdx = me->at;
}

static void wake(lane *l)
{
    l->state = READY;
    ready.push_back(l);
}

static void fibre_main()
{
    for (;;) {
        while (begun < lanes.size()) {
            now = &lanes[turns[begun++]];
            now->state = RUNNING;
            threadIdx = now->at;
            kernel->thread();
            now->state = ENDED;
            ended++;
        }
        idle.push_back(fibre_running());
        fibre_leave();
    }
}

static fibre *free_fibre()
{
    if (idle.empty()) return fibre_new(fibre_main);
    fibre *f = idle.back();
    idle.pop_back();
    return f;
}

static std::string stuck()
{
    const lane *at_barrier = NULL, *at_warp = NULL;
    for (const lane &l : lanes) {
        if (l.state == AT_BARRIER && !at_barrier) at_barrier = &l;
        if (l.state == AT_WARP && !at_warp) at_warp = &l;
    }
    std::string s = std::to_string(ended) + " of " + std::to_string(lanes.size()) + " threads ended";
    if (at_barrier)
        s += ", " + std::to_string(waiting) + " wait at __syncthreads, " + name_of(*at_barrier) + " at " +
             place(at_barrier->file, at_barrier->line);
    if (at_warp) {
        char mask[16];
        snprintf(mask, sizeof mask, "0x%08x", at_warp->mask);
        s += ", " + name_of(*at_warp) + " waits at " + place(at_warp->file, at_warp->line) +
             " for all lanes of the mask " + mask;
    }
    return s;
}

/* After a fault: fibres that wait are not to go on. */
static void drop_waiting()
{
    for (lane &l : lanes)
        if (l.on && l.state != ENDED) {
            fibre_restart(l.on);
            idle.push_back(l.on);
        }
    ready.clear();
}

static void run_block()
{
    begun = ended = waiting = ready_first = 0;
    ready.clear();
    for (lane &l : lanes) l.state = NEW, l.on = NULL;
    poison_shared(kernel->shared);
    while (!failed) {
        fibre *f;
        if (begun < lanes.size()) {
            f = free_fibre();
        } else if (ready_first < ready.size()) {
            lane *l = ready[ready_first++];
            f = l->on;
            l->on = NULL;
            /* park() takes up the thread of this lane. */
        } else {
            break;
        }
        fibre_enter(f);
        if (failed) {
            fibre_restart(f);
            idle.push_back(f);
        }
    }
    if (!failed && ended < lanes.size()) report(cudaErrorLaunchFailure, "stuck: " + stuck());
    if (failed) drop_waiting();
    const char *spilt = failed ? NULL : check_shared(kernel->shared);
    if (spilt) report(cudaErrorLaunchFailure, spilt);
}

/* ---- Order ---- */

/* The numbers below n, each once: upwards, downwards, or in steps that have no divisor in common with n. */
struct sequence {
    uint64_t n, step, first;
    sequence(uint64_t count, unsigned how) : n(count), step(1), first(0)
    {
        if (how == 1) first = n - 1, step = n - 1 ? n - 1 : 1;
        if (how < 2) return;
        first = how * 0x9e3779b97f4a7c15u % n;
        step = n / 2 + how % 7 + 1;
        while (std::gcd(step, n) != 1) step++;
    }
    uint64_t at(uint64_t i) const { return (uint64_t)(((unsigned __int128)i * step + first) % n); }
};

void run(const launch &l)
{
    kernel = &l;
    failed = false;
    launches++;
    gridDim = l.grid;
    blockDim = l.block;
    unsigned threads = l.block.x * l.block.y * l.block.z;
    lanes.assign(threads, lane());
    turns.resize(threads);
    sequence lane_order(threads, order);
    for (unsigned i = 0; i < threads; i++) {
        lanes[i].number = i;
        lanes[i].at = {i % l.block.x, i / l.block.x % l.block.y, i / l.block.x / l.block.y};
        turns[i] = (unsigned)lane_order.at(i);
    }
    uint64_t blocks = (uint64_t)l.grid.x * l.grid.y * l.grid.z;
    sequence block_order(blocks, order);
    opened   memory;
    uint64_t host = wg__arithmetic_enter(); /* f32 as -ftz=true has it; f64 too, which a GPU does not flush */
    for (uint64_t i = 0; i < blocks && !failed; i++) {
        uint64_t b = block_order.at(i);
        blockIdx = {(unsigned)(b % l.grid.x), (unsigned)(b / l.grid.x % l.grid.y), (unsigned)(b / l.grid.x / l.grid.y)};
        run_block();
    }
    wg__arithmetic_leave(host);
    kernel = NULL;
}

/* ---- Warps ---- */

static lane    *warp_of(const lane *l) { return &lanes[l->number / 32 * 32]; }
static unsigned lanes_of(const lane *w)
{
    size_t n = lanes.size() - w->number;
    return n >= 32 ? 0xffffffffu : (1u << n) - 1;
}

static unsigned mask_of(const lane *w, unsigned mask, bool (*test)(const lane &, uint64_t), uint64_t value)
{
    unsigned m = 0;
    for (int i = 0; i < 32; i++)
        if (mask >> i & 1 && test(w[i], value)) m |= 1u << i;
    return m;
}

/* Which lane a shuffle reads; i itself where the segment ends. */
static int source(const lane *l, int i)
{
    int width = l->width, low = i / width * width, s = i;
    switch (l->op) {
    case WG_SHIM_SHFL: return low + (l->arg & (width - 1));
    case WG_SHIM_UP: return s = i - l->arg, s < low ? i : s;
    case WG_SHIM_DOWN: return s = i + l->arg, s >= low + width ? i : s;
    case WG_SHIM_XOR: return s = i ^ l->arg, s >= low + width ? i : s;
    default: return i;
    }
}

static void resolve(lane *w, unsigned mask)
{
    unsigned votes = mask_of(
        w, mask, [](const lane &l, uint64_t) { return l.value != 0; }, 0);
    for (int i = 0; i < 32; i++) {
        lane *l = &w[i];
        if (!(mask >> i & 1)) continue;
        switch (l->op) {
        case WG_SHIM_BALLOT: l->result = votes; break;
        case WG_SHIM_ANY: l->result = votes != 0; break;
        case WG_SHIM_ALL: l->result = votes == mask; break;
        case WG_SHIM_MATCH:
            l->result = mask_of(
                w, mask, [](const lane &o, uint64_t v) { return o.value == v; }, l->value);
            break;
        default: {
            int s = source(l, i);
            if (!(mask >> s & 1))
                FAULT(cudaErrorLaunchFailure, place(l->file, l->line) + ": " + name_of(*l) + " reads lane " +
                                                  std::to_string(s) + ", which its mask does not name");
            l->result = w[s].value;
        }
        }
    }
    for (int i = 0; i < 32; i++)
        if (mask >> i & 1 && &w[i] != now) wake(&w[i]);
}

/* All that the mask names are here, for the same. */
static bool complete(const lane *w, const lane *me)
{
    bool all = true;
    for (int i = 0; i < 32; i++) {
        if (!(me->mask >> i & 1)) continue;
        const lane *l = &w[i];
        if (l->state == ENDED)
            FAULT(cudaErrorLaunchFailure,
                  place(me->file, me->line) + ": the mask names lane " + std::to_string(i) + ", which has ended");
        if (l->state != AT_WARP) all = false;
        else if (l->op != me->op || l->mask != me->mask || l->line != me->line)
            FAULT(cudaErrorLaunchFailure, place(me->file, me->line) + ": the mask names lane " + std::to_string(i) +
                                              ", which waits at " + place(l->file, l->line));
    }
    return all;
}

} // namespace shim

using namespace shim;

unsigned wg_shim_lane(void) { return now->number % 32; }

uint64_t wg_shim_warp(enum wg_shim_warp_op op, unsigned mask, uint64_t value, int arg, int width, const char *file,
                      int line)
{
    lane    *w = warp_of(now);
    unsigned me = now->number % 32;
    if (!(mask >> me & 1)) FAULT(cudaErrorLaunchFailure, place(file, line) + ": the mask does not name the caller");
    if (mask & ~lanes_of(w))
        FAULT(cudaErrorLaunchFailure, place(file, line) + ": the mask names lanes that the block has not got");
    if (width < 1 || width > 32 || width & (width - 1))
        FAULT(cudaErrorLaunchFailure, place(file, line) + ": width " + std::to_string(width) + " is no power of two");
    lane *l = now;
    l->state = AT_WARP, l->op = op, l->mask = mask, l->value = value, l->arg = arg, l->width = width;
    l->file = file, l->line = line;
    if (complete(w, l)) {
        resolve(w, mask);
        l->state = RUNNING;
    } else {
        park();
    }
    return l->result;
}

int wg_shim_barrier(enum wg_shim_vote kind, int predicate, const char *file, int line)
{
    lane *l = now;
    l->state = AT_BARRIER, l->op = kind, l->value = predicate != 0, l->file = file, l->line = line;
    if (++waiting < lanes.size()) {
        park();
        return (int)l->result;
    }
    uint64_t count = 0;
    for (const lane &o : lanes) {
        count += o.value;
        if (o.line != line || o.op != kind)
            FAULT(cudaErrorLaunchFailure,
                  "barriers differ: " + place(file, line) + ", and " + name_of(o) + " at " + place(o.file, o.line));
    }
    uint64_t result = kind == WG_SHIM_COUNT ? count : kind == WG_SHIM_OR_ALL ? count != 0 : count == lanes.size();
    waiting = 0;
    for (lane &o : lanes) {
        o.result = result;
        if (&o != l) wake(&o);
    }
    l->state = RUNNING;
    return (int)result;
}

void wg_shim_trap(const char *file, int line) { FAULT(cudaErrorLaunchFailure, place(file, line) + ": __trap()"); }

long long wg_shim_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* ---- Signals ---- */

static struct sigaction before[NSIG];

static void on_signal(int n, siginfo_t *info, void *context)
{
    (void)context;
    if (in_kernel()) {
        if (n == SIGILL)
            FAULT(cudaErrorLaunchFailure, "a misaligned access, or an index outside of an array of known size");
        if (n == SIGFPE) FAULT(cudaErrorLaunchFailure, "a whole number divided by zero");
        FAULT(cudaErrorIllegalAddress, "touched " + describe(info->si_addr));
    }
    if (is_device(info->si_addr)) fprintf(stderr, "shim: host code touched %s\n", describe(info->si_addr).c_str());
    sigaction(n, &before[n], NULL);
}

void shim::install_signals()
{
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_sigaction = on_signal;
    a.sa_flags = SA_SIGINFO | SA_NODEFER;
    for (int n : {SIGSEGV, SIGBUS, SIGILL, SIGFPE}) {
        struct sigaction old;
        sigaction(n, NULL, &old);
        if (old.sa_sigaction == on_signal) continue;
        before[n] = old;
        sigaction(n, &a, NULL);
    }
}
