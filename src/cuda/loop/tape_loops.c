/* The loops of a tape: their kernels, and which of them are launched as one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/loop/cuda_loop.h"
#include "cuda/program.h"

/* A loop of the tape as it is launched. */
struct item {
    struct wg__cuda_loop    loop;
    struct wg__cuda_kernel *kernel; /* NULL: interpreted */
    struct wg__cuda_group   group;  /* n > 1: its own and others, at the first of them */
};
struct wg__cuda_loops {
    int           n;      /* instructions */
    struct item **item;   /* [n]; NULL: no loop, or on the CPU */
    int          *leader; /* [n]: the instruction at which it runs */
    char        **source; /* [n], while they are made */
    void         *memory; /* the arguments of groups, on the device */
    bool          interpreted;
    char          note[240];
};

/* ---- Kernels ---- */

/* Notes why loops are interpreted, on one line. The first reason stays. */
static void note_reason(struct wg__cuda_loops *m, const char *why)
{
    if (m->interpreted) return;
    m->interpreted = true;
    snprintf(m->note, sizeof m->note, "loops are interpreted%s%.*s", *why ? ": " : "", (int)strcspn(why, "\n"), why);
}

static int make_item(struct wg__cuda_place *at, int i, bool compiles, struct wg__why *w)
{
    struct wg__cuda_loops *m = at->loops;
    struct item           *x = m->item[i] = calloc(1, sizeof *x);
    char                   why[1024] = "";
    int                    status = WG_OK;
    if (!x) return wg__cuda_refuse(w, WG_ENOMEM, "out of memory");
    wg__cuda_translate(at->t->instr[i].loop, &x->loop);
    x->loop.stops = wg__cuda_writes_parameter(at->t, &at->t->instr[i]);
    if (!(m->source[i] = wg__cuda_loop_source(&x->loop))) return wg__cuda_refuse(w, WG_ENOMEM, "out of memory");
    if (compiles) status = wg__cuda_kernel_get(at->d, m->source[i], x->loop.tail < 0, &x->kernel, why, sizeof why, w);
    if (!status && !x->kernel) note_reason(m, why);
    return status;
}

/* Tells whether instruction i is a loop that runs on the device, and not all of it within products. */
static bool runs_here(const struct wg__cuda_place *at, int i)
{
    return at->t->instr[i].loop && !at->t->device->on_host[i] && !wg__cuda_absorbed(at, i);
}

static int make_items(struct wg__cuda_place *at, struct wg__why *w)
{
    bool compiles = wg__cuda_compiles();
    int  status = WG_OK;
    for (int i = 0; i < at->t->n_instr && !status; i++)
        if (runs_here(at, i)) status = make_item(at, i, compiles, w);
    return status;
}

/* ---- Groups ---- */

static int count_members(const struct wg__cuda_loops *m, int first)
{
    int n = 0;
    for (int i = first; i < m->n; i++) n += m->leader[i] == first;
    return n;
}

/* Returns the bytes that a group takes: its arguments, then its table of blocks. */
static size_t group_bytes(int n)
{
    size_t bytes = (size_t)n * sizeof(struct wg_loop_args) + ((size_t)n + 1) * sizeof(unsigned);
    return (bytes + 255) / 256 * 256;
}

static void fill_group(const struct wg__cuda_place *at, int first, int n, char *host, char *device)
{
    const struct wg__cuda_loops *m = at->loops;
    struct wg_loop_args         *args = (void *)host;
    unsigned                    *blocks = (void *)(args + n);
    struct wg__cuda_plan         plan;
    for (int i = first, k = 0; k < n; i++)
        if (m->leader[i] == first) {
            wg__cuda_plan(&m->item[i]->loop, &at->launch, &plan);
            args[k++] = plan.args;
        }
    wg__cuda_deal(n, args, at->launch.sms, blocks);
    m->item[first]->group = (struct wg__cuda_group){
        .args = (void *)device, .first = (void *)(device + (size_t)n * sizeof *args), .n = n, .grid = blocks[n]};
}

/* Makes all groups in one piece of memory, which is written once. */
static int make_groups(struct wg__cuda_place *at, struct wg__why *w)
{
    struct wg__cuda_loops *m = at->loops;
    size_t                 bytes = 0, end = 0;
    wg__cuda_groups(at, m->source, m->leader);
    for (int i = 0; i < m->n; i++)
        if (m->item[i] && count_members(m, i) > 1) bytes += group_bytes(count_members(m, i));
    if (!bytes) return WG_OK;
    char *host = calloc(1, bytes);
    if (!host) return wg__cuda_refuse(w, WG_ENOMEM, "out of memory");
    int status = wg__cuda_alloc(at->d, bytes, "the arguments of loops", &m->memory, w);
    for (int i = 0; i < m->n && !status; i++) {
        int n = m->item[i] ? count_members(m, i) : 0;
        if (n < 2) continue;
        fill_group(at, i, n, host + end, (char *)m->memory + end);
        end += group_bytes(n);
    }
    if (!status) status = at->t->device->api->put(at->d, m->memory, host, bytes, w);
    free(host);
    return status;
}

/* ---- All of it ---- */

static void free_sources(struct wg__cuda_loops *m)
{
    for (int i = 0; m->source && i < m->n; i++) free(m->source[i]);
    free(m->source);
    m->source = NULL;
}

int wg__cuda_loops_make(struct wg__cuda_place *at, struct wg__why *w)
{
    struct wg__cuda_loops *m = at->loops = calloc(1, sizeof *m);
    if (!m) return wg__cuda_refuse(w, WG_ENOMEM, "out of memory");
    m->n = at->t->n_instr;
    m->item = calloc((size_t)m->n + 1, sizeof *m->item);
    m->leader = calloc((size_t)m->n + 1, sizeof *m->leader);
    m->source = calloc((size_t)m->n + 1, sizeof *m->source);
    if (!m->item || !m->leader || !m->source) return wg__cuda_refuse(w, WG_ENOMEM, "out of memory");
    int status = make_items(at, w);
    if (!status) status = make_groups(at, w);
    free_sources(m);
    return status;
}

void wg__cuda_loops_free(struct wg__cuda_place *at)
{
    struct wg__cuda_loops *m = at->loops;
    if (!m) return;
    for (int i = 0; m->item && i < m->n; i++) {
        if (m->item[i]) wg__cuda_kernel_put(at->d, m->item[i]->kernel);
        free(m->item[i]);
    }
    free_sources(m);
    wg__cuda_release(at->d, m->memory);
    free(m->leader);
    free(m->item);
    free(m);
    at->loops = NULL;
}

const char *wg__cuda_loops_note(const struct wg__cuda_place *at)
{
    return at->loops->interpreted ? at->loops->note : NULL;
}

/* ---- Launching ---- */

static cudaError_t launch_group(const struct item *x, cudaStream_t stream)
{
    struct wg__cuda_group g = x->group;
    void                 *args[] = {&g.args, &g.first, &g.n};
    if (!x->kernel) return wg__cuda_loops_run(&x->loop, &g, stream);
    if (!g.grid) return cudaSuccess;
    return cudaLaunchKernel(x->kernel->several, (dim3){g.grid, 1, 1}, (dim3){WG_LOOP_BLOCK, 1, 1}, args, 0, stream);
}

static cudaError_t launch_one(const struct item *x, const struct wg__cuda_launch *at)
{
    struct wg__cuda_plan p;
    void                *args[] = {&p.args};
    cudaError_t          e = cudaSuccess;
    if (!x->kernel) return wg__cuda_loop_run(&x->loop, at);
    wg__cuda_plan(&x->loop, at, &p);
    if (p.grid)
        e = cudaLaunchKernel(x->kernel->one, (dim3){p.grid, 1, 1}, (dim3){WG_LOOP_BLOCK, 1, 1}, args, 0, at->stream);
    return e ? e : wg__cuda_loop_finish(&x->loop, at);
}

int wg__cuda_loop(const struct wg__cuda_place *at, int i, struct wg__why *w)
{
    const struct item *x = at->loops->item[i];
    if (!x) return wg__cuda_refuse(w, WG_EINTERNAL, "%s: its loop has no kernel", at->t->instr[i].node->op->name);
    if (at->loops->leader[i] != i) return WG_OK;
    cudaError_t e = x->group.n ? launch_group(x, at->launch.stream) : launch_one(x, &at->launch);
    return e ? wg__cuda_failed(w, at->d, e, at->t->instr[i].node->op->name) : WG_OK;
}
