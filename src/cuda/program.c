/* A tape on CUDA.
 *
 * Each segment of its instructions is captured into a CUDA graph by its first
 * run, and launched as one by all later runs.  What differs between runs is in
 * device memory: the inputs, written before the launch, and the run's number,
 * which the last segment counts.
 *
 * Nobody waits for faults: see state.cu. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/program.h"

/* ---- Building ---- */

static size_t round_to_line(size_t n) { return (n + 255) / 256 * 256; }

static size_t scratch_of(const wg_tape *t)
{
    size_t most = 0;
    for (int i = 0; i < t->n_instr; i++) {
        size_t n = t->device->on_host[i] ? 0 : wg__cuda_scratch(&t->instr[i]);
        if (n > most) most = n;
    }
    return most;
}

static bool has_products(const wg_tape *t)
{
    for (int i = 0; i < t->n_instr; i++)
        if (wg__cuda_product_of(&t->instr[i])) return true;
    return false;
}

static bool any_flag(const wg_tape *t, unsigned flag)
{
    for (int i = 0; i < t->n_instr; i++)
        if (t->instr[i].op && (t->instr[i].op->flags & flag)) return true;
    return false;
}

/* Scratch, workspace, fault, run's number, and the inputs twice: where each begins. */
struct layout {
    size_t workspace, workspace_bytes, fault, run, staging, input_bytes, end;
};

static struct layout layout_of(const struct wg__device *d, const wg_tape *t)
{
    struct layout l = {.workspace = round_to_line(scratch_of(t)), .input_bytes = round_to_line(t->input_bytes)};
    l.workspace_bytes = has_products(t) ? wg__cuda_workspace(d) : 0;
    l.fault = l.workspace + round_to_line(l.workspace_bytes);
    l.run = l.fault + round_to_line(sizeof(struct wg__cuda_fault));
    l.staging = l.run + round_to_line(sizeof(uint64_t));
    l.end = l.staging + 2 * l.input_bytes;
    return l;
}

size_t wg__cuda_needs(const struct wg__device *d, const wg_tape *t) { return layout_of(d, t).end; }

static int make_memory(struct wg__program *p, const wg_tape *t, struct wg__why *w)
{
    struct layout l = layout_of(p->d, t);
    int           status = wg__cuda_alloc(p->d, l.end, "the scratch and the inputs of a tape", (void **)&p->memory, w);
    if (!status) status = wg__cuda_pin(p->d, sizeof *p->told, "the fault of a tape", (void **)&p->told, w);
    if (status) return status;
    for (int i = 0; i < 2; i++) p->staging[i] = p->memory + l.staging + (size_t)i * l.input_bytes;
    p->run = (uint64_t *)(void *)(p->memory + l.run);
    p->at = (struct wg__cuda_place){
        .d = p->d, .t = t, .workspace = p->memory + l.workspace, .workspace_bytes = l.workspace_bytes};
    p->at.launch = (struct wg__cuda_launch){.stream = p->stream,
                                            .scratch = p->memory,
                                            .fault = (void *)(p->memory + l.fault),
                                            .run = p->run,
                                            .sms = p->d->sms};
    return WG_OK;
}

static int make_streams(struct wg__program *p, struct wg__why *w)
{
    int status = wg__cuda_enter(p->d, w);
    if (status) return status;
    WG__TRY(p->d, w, cudaStreamCreateWithFlags(&p->stream, cudaStreamNonBlocking));
    WG__TRY(p->d, w, cudaStreamCreateWithFlags(&p->copies, cudaStreamNonBlocking));
    for (int i = 0; i < 2; i++) {
        WG__TRY(p->d, w, cudaEventCreateWithFlags(&p->uploaded[i], cudaEventDisableTiming));
        WG__TRY(p->d, w, cudaEventCreateWithFlags(&p->placed[i], cudaEventDisableTiming));
    }
    WG__TRY(p->d, w, cudaEventCreateWithFlags(&p->done, cudaEventDisableTiming));
    return WG_OK;
}

static int make_products(struct wg__program *p, struct wg__why *w)
{
    wg__cuda_take_turn();
    int status = wg__cuda_products_make(&p->at, w);
    wg__cuda_end_turn();
    return status;
}

/* Makes the note for the print of the tape: a line on loops, a line on products. */
static int make_note(struct wg__program *p, struct wg__why *w)
{
    const char *loops = wg__cuda_loops_note(&p->at), *products = wg__cuda_products_note(&p->at);
    if (!loops && !products) return WG_OK;
    size_t n = (loops ? strlen(loops) : 0) + (products ? strlen(products) : 0) + sizeof "\nnote: ";
    if (!(p->note = malloc(n))) return wg__cuda_refuse(w, WG_ENOMEM, "out of memory");
    snprintf(p->note, n, "%s%s%s", loops ? loops : "", loops && products ? "\nnote: " : "", products ? products : "");
    return WG_OK;
}

int wg__cuda_build(struct wg__device *d, const wg_tape *t, const struct wg__segment *s, int n, struct wg__program **out,
                   struct wg__why *w)
{
    struct wg__program *p = calloc(1, sizeof *p);
    if (!p) return wg__cuda_refuse(w, WG_ENOMEM, "out of memory");
    *p = (struct wg__program){.d = d, .segment = s, .n = n, .last = -1, .known = true};
    p->random = any_flag(t, WG_OP_RANDOM);
    p->fails = any_flag(t, WG_OP_MAY_FAIL);
    for (int i = 0; i < n; i++)
        if (!s[i].host) p->last = i;
    p->graph = calloc((size_t)n + 1, sizeof *p->graph);
    int status = p->graph ? make_streams(p, w) : wg__cuda_refuse(w, WG_ENOMEM, "out of memory");
    if (!status) status = make_memory(p, t, w);
    if (!status) status = make_products(p, w);
    if (!status) status = wg__cuda_loops_make(&p->at, w);
    if (!status) status = make_note(p, w);
    if (status) {
        wg__cuda_destroy(p);
        return status;
    }
    pthread_mutex_lock(&d->lock);
    p->next = d->programs;
    d->programs = p;
    pthread_mutex_unlock(&d->lock);
    *out = p;
    return WG_OK;
}

static void leave_device(struct wg__program *p)
{
    struct wg__program **at = &p->d->programs;
    pthread_mutex_lock(&p->d->lock);
    while (*at && *at != p) at = &(*at)->next;
    if (*at) *at = p->next;
    pthread_mutex_unlock(&p->d->lock);
}

void wg__cuda_destroy(struct wg__program *p)
{
    if (!p) return;
    leave_device(p);
    cudaSetDevice(p->d->index);
    if (p->copies) cudaStreamSynchronize(p->copies);
    if (p->stream) cudaStreamSynchronize(p->stream);
    for (int i = 0; p->graph && i < p->n; i++)
        if (p->graph[i]) cudaGraphExecDestroy(p->graph[i]);
    for (int i = 0; i < 2; i++) {
        if (p->uploaded[i]) cudaEventDestroy(p->uploaded[i]);
        if (p->placed[i]) cudaEventDestroy(p->placed[i]);
    }
    if (p->done) cudaEventDestroy(p->done);
    if (p->copies) cudaStreamDestroy(p->copies);
    if (p->stream) cudaStreamDestroy(p->stream);
    wg__cuda_loops_free(&p->at);
    wg__cuda_products_free(&p->at);
    if (p->told) wg__cuda_unpin(p->d, p->told);
    wg__cuda_release(p->d, p->memory);
    cudaGetLastError();
    free(p->graph);
    free(p->note);
    free(p);
}

const char *wg__cuda_note(const struct wg__program *p) { return p->note; }

/* ---- Around a run ---- */

/* Sets the run's number on the device where the device counted otherwise: the number was set,
 * the last run failed, or it was made of single instructions. */
int wg__cuda_begin(struct wg__program *p, uint64_t run, struct wg__why *w)
{
    int status = wg__cuda_enter(p->d, w);
    if (status || !(p->random || p->fails) || (p->known && p->counted == run)) return status;
    p->known = false;
    WG__TRY(p->d, w, wg__cuda_set_run(p->run, run, p->stream));
    p->counted = run;
    p->known = true;
    return WG_OK;
}

/* Records the end of a run. Parameters are written by now: if the event fails, waiting takes its place. */
int wg__cuda_end(struct wg__program *p, struct wg__why *w)
{
    if (!cudaEventRecord(p->done, p->stream)) return WG_OK;
    cudaGetLastError();
    WG__TRY(p->d, w, cudaStreamSynchronize(p->stream));
    return WG_OK;
}

int wg__cuda_after(struct wg__program *p, const struct wg__program *other, struct wg__why *w)
{
    int status = wg__cuda_enter(p->d, w);
    if (status) return status;
    WG__TRY(p->d, w, cudaStreamWaitEvent(p->stream, other->done, 0));
    return WG_OK;
}

/* ---- Faults ---- */

bool wg__cuda_faulted(const struct wg__program *p)
{
    return __atomic_load_n(&p->told->fault.status, __ATOMIC_ACQUIRE) != 0;
}

int wg__cuda_wait(struct wg__program *p, struct wg__why *w)
{
    int status = wg__cuda_enter(p->d, w);
    if (status) return status;
    WG__TRY(p->d, w, cudaStreamSynchronize(p->stream));
    return WG_OK;
}

/* Gives the fault of the last run. A fault that was read is cleared on the device too, after the runs
 * that it stopped. */
int wg__cuda_fault_of(struct wg__program *p, struct wg__fault *f, struct wg__why *w)
{
    struct wg__cuda_told   here = {0};
    struct wg__cuda_fault *on_device = p->at.launch.fault;
    int                    status = wg__cuda_wait(p, w);
    if (status) return status;
    if (wg__cuda_faulted(p)) here = *p->told; /* else this run has not been closed */
    else status = wg__cuda_download(p, &here.fault, on_device, sizeof here.fault, w);
    if (status) return status;
    *f = (struct wg__fault){here.fault.status, here.fault.instr, here.fault.index, here.fault.size, here.run};
    if (!f->status) return WG_OK;
    WG__TRY(p->d, w, cudaMemsetAsync(on_device, 0, sizeof *on_device, p->stream));
    p->known = false;
    p->told->fault.status = 0;
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
        WG__TRY(p->d, w, wg__cuda_assign_copy(&p->at.launch, from->data, to->data, to->bytes));
    }
    return WG_OK;
}

/* Puts the instruction's name before the reason: "%12:h1 matmul+add+relu: ". */
static int name_instr(const wg_tape *t, int i, struct wg__why *w)
{
    const struct wg__instr *p = &t->instr[i];
    char                    name[128], chain[128] = "", reason[sizeof w->text];
    size_t                  k = 0;
    for (int c = 0; c < p->n_chain; c++)
        wg__append(chain, sizeof chain, &k, "%s%s", c ? "+" : "", p->chain[c]->op->name);
    memcpy(reason, w->text, sizeof reason);
    return wg__cuda_refuse(w, w->status, "%.80s %.100s: %.*s", wg__value_name(t, p->node, name, sizeof name), chain,
                           (int)sizeof w->text - 200, reason);
}

static int ask_instr(struct wg__program *p, int i, struct wg__why *w)
{
    int status = wg__cuda_instr(&p->at, i, w);
    return status ? name_instr(p->at.t, i, w) : WG_OK;
}

int wg__cuda_step_alone(struct wg__program *p, int instr, struct wg__why *w)
{
    int status = wg__cuda_enter(p->d, w);
    if (!status) status = ask_instr(p, instr, w);
    if (status) return status;
    if (!wg__cuda_wait(p, w)) return WG_OK;
    w->late = false; /* it is this one's own */
    return name_instr(p->at.t, instr, w);
}

static int ask_all(struct wg__program *p, int s, struct wg__why *w)
{
    int status = WG_OK;
    for (int i = p->segment[s].begin; i < p->segment[s].end && !status; i++) status = ask_instr(p, i, w);
    if (!status && s == p->n - 1) status = wg__cuda_assign(p, w);
    if (!status && s == p->last && (p->random || p->fails))
        WG__TRY(p->d, w, wg__cuda_close_run(p->at.launch.fault, p->run, p->told, p->stream));
    return status;
}

/* Captures a segment as a graph. The capture is ended on a failure too, so that the stream stays
 * usable; it is relaxed, because kernels may be loaded by their first launch. */
static int capture_now(struct wg__program *p, int s, struct wg__why *w)
{
    cudaGraph_t graph = NULL;
    WG__TRY(p->d, w, cudaStreamBeginCapture(p->stream, cudaStreamCaptureModeRelaxed));
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

static int capture(struct wg__program *p, int s, struct wg__why *w)
{
    wg__cuda_take_turn();
    int status = capture_now(p, s, w);
    wg__cuda_end_turn();
    return status;
}

int wg__cuda_launch_segment(struct wg__program *p, int s, struct wg__why *w)
{
    int status = wg__cuda_enter(p->d, w);
    if (!status && !p->graph[s]) status = capture(p, s, w);
    if (status) return status;
    if (s == p->last) p->known = false; /* whether or not it goes well */
    WG__TRY(p->d, w, cudaGraphLaunch(p->graph[s], p->stream));
    if (s == p->last) {
        p->counted++;
        p->known = true;
    }
    return WG_OK;
}
