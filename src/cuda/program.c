/* A tape on CUDA.
 *
 * Each segment of its instructions is captured into a CUDA graph by its first
 * run, and launched as one by all later runs.  What differs between runs (the
 * inputs, the run's number) is in device memory, written before the launch. */
#include <stdlib.h>
#include <string.h>

#include "cuda/program.h"

struct wg__program {
    struct wg__device        *d;
    const struct wg__segment *segment; /* [n], the tape's */
    int                       n;
    cudaGraphExec_t          *graph; /* [n]; NULL: not captured yet */
    cudaStream_t              stream;
    cudaEvent_t               uploaded[2], done;
    char                     *memory; /* scratch, workspace, fault, run's number */
    struct wg__cuda_fault    *fault;  /* pinned */
    struct wg__cuda_place     at;
    uint64_t                 *run;
    bool                      random;
};

/* ---- Building ---- */

static size_t line(size_t n) { return (n + 255) / 256 * 256; }

static size_t scratch_of(const wg_tape *t)
{
    size_t most = 0;
    for (int i = 0; i < t->n_instr; i++) {
        size_t n = t->device->on_host[i] ? 0 : wg__cuda_scratch(t, &t->instr[i]);
        if (n > most) most = n;
    }
    return most;
}

static bool multiplies(const wg_tape *t)
{
    for (int i = 0; i < t->n_instr; i++)
        for (int k = 0; k < t->instr[i].n_chain; k++)
            if (!strcmp(t->instr[i].chain[k]->op->name, "matmul")) return true;
    return false;
}

static bool draws(const wg_tape *t)
{
    for (int i = 0; i < t->n_instr; i++)
        if (t->instr[i].op && (t->instr[i].op->flags & WG_OP_RANDOM)) return true;
    return false;
}

static int make_memory(struct wg__program *p, const wg_tape *t, struct wg__why *w)
{
    size_t scratch = line(scratch_of(t)), workspace = multiplies(t) ? wg__cuda_workspace(p->d) : 0, small = line(1);
    int status = wg__cuda_alloc(p->d, scratch + workspace + 2 * small, "the scratch of a tape", (void **)&p->memory, w);
    if (!status) status = wg__cuda_pin(p->d, sizeof *p->fault, "the fault of a tape", (void **)&p->fault, w);
    if (status) return status;
    p->run = (uint64_t *)(void *)(p->memory + scratch + workspace + small);
    p->at = (struct wg__cuda_place){.d = p->d, .t = t, .workspace_bytes = workspace};
    p->at.workspace = p->memory + scratch;
    p->at.launch = (struct wg__cuda_launch){.stream = p->stream,
                                            .scratch = p->memory,
                                            .fault = (void *)(p->memory + scratch + workspace),
                                            .run = p->run,
                                            .sms = p->d->sms};
    return WG_OK;
}

static int make_streams(struct wg__program *p, struct wg__why *w)
{
    int status = wg__cuda_enter(p->d, w);
    if (status) return status;
    WG__TRY(p->d, w, cudaStreamCreateWithFlags(&p->stream, cudaStreamNonBlocking));
    WG__TRY(p->d, w, cudaEventCreateWithFlags(&p->uploaded[0], cudaEventDisableTiming));
    WG__TRY(p->d, w, cudaEventCreateWithFlags(&p->uploaded[1], cudaEventDisableTiming));
    WG__TRY(p->d, w, cudaEventCreateWithFlags(&p->done, cudaEventDisableTiming));
    return WG_OK;
}

int wg__cuda_build(struct wg__device *d, const wg_tape *t, const struct wg__segment *s, int n, struct wg__program **out,
                   struct wg__why *w)
{
    struct wg__program *p = calloc(1, sizeof *p);
    if (!p) return wg__cuda_refuse(w, WG_ENOMEM, "out of memory");
    *p = (struct wg__program){.d = d, .segment = s, .n = n, .random = draws(t)};
    p->graph = calloc((size_t)n + 1, sizeof *p->graph);
    int status = p->graph ? make_streams(p, w) : wg__cuda_refuse(w, WG_ENOMEM, "out of memory");
    if (!status) status = make_memory(p, t, w);
    if (!status) status = wg__cuda_products_make(&p->at, w);
    if (!status) status = wg__cuda_loops_make(&p->at, w);
    if (!status) *out = p;
    else wg__cuda_destroy(p);
    return status;
}

void wg__cuda_destroy(struct wg__program *p)
{
    if (!p) return;
    cudaSetDevice(p->d->index);
    if (p->stream) cudaStreamSynchronize(p->stream);
    for (int i = 0; p->graph && i < p->n; i++)
        if (p->graph[i]) cudaGraphExecDestroy(p->graph[i]);
    for (int i = 0; i < 2; i++)
        if (p->uploaded[i]) cudaEventDestroy(p->uploaded[i]);
    if (p->done) cudaEventDestroy(p->done);
    if (p->stream) cudaStreamDestroy(p->stream);
    wg__cuda_loops_free(&p->at);
    wg__cuda_products_free(&p->at);
    if (p->fault) wg__cuda_unpin(p->d, p->fault);
    wg__cuda_release(p->d, p->memory);
    cudaGetLastError();
    free(p->graph);
    free(p);
}

const char *wg__cuda_note(const struct wg__program *p) { return wg__cuda_loops_note(&p->at); }

/* ---- Around a run ---- */

int wg__cuda_begin(struct wg__program *p, uint64_t run, struct wg__why *w)
{
    int status = wg__cuda_enter(p->d, w);
    if (status || !p->random) return status;
    WG__TRY(p->d, w, cudaMemcpyAsync(p->run, &run, sizeof run, cudaMemcpyHostToDevice, p->stream)); /* staged at once */
    return WG_OK;
}

int wg__cuda_end(struct wg__program *p, struct wg__why *w)
{
    WG__TRY(p->d, w, cudaEventRecord(p->done, p->stream));
    return WG_OK;
}

int wg__cuda_after(struct wg__program *p, const struct wg__program *other, struct wg__why *w)
{
    int status = wg__cuda_enter(p->d, w);
    if (status) return status;
    WG__TRY(p->d, w, cudaStreamWaitEvent(p->stream, other->done, 0));
    return WG_OK;
}

/* ---- Copies ---- */

int wg__cuda_upload(struct wg__program *p, void *to, const void *from, size_t bytes, struct wg__why *w)
{
    int status = wg__cuda_enter(p->d, w);
    if (status || !bytes) return status;
    WG__TRY(p->d, w, cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, p->stream));
    return WG_OK;
}

int wg__cuda_uploaded(struct wg__program *p, int which, struct wg__why *w)
{
    WG__TRY(p->d, w, cudaEventRecord(p->uploaded[which], p->stream));
    return WG_OK;
}

int wg__cuda_reuse(struct wg__program *p, int which, struct wg__why *w)
{
    int status = wg__cuda_enter(p->d, w);
    if (status) return status;
    WG__TRY(p->d, w, cudaEventSynchronize(p->uploaded[which]));
    return WG_OK;
}

int wg__cuda_download(struct wg__program *p, void *to, const void *from, size_t bytes, struct wg__why *w)
{
    int status = wg__cuda_enter(p->d, w);
    if (status) return status;
    if (bytes) WG__TRY(p->d, w, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, p->stream));
    WG__TRY(p->d, w, cudaStreamSynchronize(p->stream));
    return WG_OK;
}

/* A fault that was read is forgotten on the device too. */
int wg__cuda_fault_of(struct wg__program *p, struct wg__fault *f, struct wg__why *w)
{
    struct wg__cuda_fault *on_device = p->at.launch.fault;
    int                    status = wg__cuda_download(p, p->fault, on_device, sizeof *on_device, w);
    if (status) return status;
    *f = (struct wg__fault){p->fault->status, p->fault->instr, p->fault->index, p->fault->size};
    if (f->status) WG__TRY(p->d, w, cudaMemsetAsync(on_device, 0, sizeof *on_device, p->stream));
    return WG_OK;
}

/* ---- Instructions ---- */

int wg__cuda_assign(struct wg__program *p, struct wg__why *w)
{
    const wg_tape *t = p->at.t;
    for (int c = 0; c < t->n_copy; c++) {
        const struct wg__value *to = &t->value[t->copy[c].param], *from = &t->value[t->copy[c].from];
        if (t->copy[c].in_place || !to->bytes) continue;
        from = &t->value[from->root];
        WG__TRY(p->d, w, cudaMemcpyAsync(to->data, from->data, to->bytes, cudaMemcpyDeviceToDevice, p->stream));
    }
    return WG_OK;
}

int wg__cuda_step_alone(struct wg__program *p, int instr, struct wg__why *w)
{
    int status = wg__cuda_enter(p->d, w);
    if (!status) status = wg__cuda_instr(&p->at, instr, w);
    if (status) return status;
    WG__TRY(p->d, w, cudaStreamSynchronize(p->stream));
    return WG_OK;
}

static int ask_all(struct wg__program *p, int s, struct wg__why *w)
{
    int status = WG_OK;
    for (int i = p->segment[s].begin; i < p->segment[s].end && !status; i++) status = wg__cuda_instr(&p->at, i, w);
    if (!status && s == p->n - 1) status = wg__cuda_assign(p, w);
    return status;
}

/* A capture is always ended, so that the stream stays usable. */
static int capture(struct wg__program *p, int s, struct wg__why *w)
{
    cudaGraph_t graph = NULL;
    WG__TRY(p->d, w, cudaStreamBeginCapture(p->stream, cudaStreamCaptureModeThreadLocal));
    int         status = ask_all(p, s, w);
    cudaError_t e = cudaStreamEndCapture(p->stream, &graph);
    if (!status && e) status = wg__cuda_failed(w, p->d, e, "cudaStreamEndCapture");
    if (!status && (e = cudaGraphInstantiate(&p->graph[s], graph, 0))) {
        p->graph[s] = NULL;
        status = wg__cuda_failed(w, p->d, e, "cudaGraphInstantiate");
    }
    if (graph) cudaGraphDestroy(graph);
    if (status) cudaGetLastError();
    return status;
}

int wg__cuda_launch_segment(struct wg__program *p, int s, struct wg__why *w)
{
    int status = wg__cuda_enter(p->d, w);
    if (!status && !p->graph[s]) status = capture(p, s, w);
    if (status) return status;
    WG__TRY(p->d, w, cudaGraphLaunch(p->graph[s], p->stream));
    return WG_OK;
}
