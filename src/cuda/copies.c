/* What goes to the device and comes back while tapes run.
 *
 * Inputs go through a staging area on the device, by a stream of their own: so
 * the batch of the next run is on its way while this run still reads its own.
 *
 *   copies   wait placed[a] | pinned k -> area a | uploaded[k]
 *   stream                                         wait uploaded[k] | area a -> inputs | placed[a] | kernels
 *
 * The host waits for uploaded[k] before it writes pinned buffer k again. */
#include <stdlib.h>

#include "cuda/program.h"

/* ---- Inputs ---- */

static int ask_feed(struct wg__program *p, const struct wg__feed *f, struct wg__why *w)
{
    char *area = p->staging[p->area];
    WG__TRY(p->d, w, cudaStreamWaitEvent(p->copies, p->placed[p->area], 0));
    for (int i = 0; i < f->n; i++) {
        const struct wg__range *r = &f->range[i];
        WG__TRY(p->d, w, cudaMemcpyAsync(area + r->at, f->from + r->at, r->bytes, cudaMemcpyHostToDevice, p->copies));
    }
    WG__TRY(p->d, w, cudaEventRecord(p->uploaded[f->which], p->copies));
    WG__TRY(p->d, w, cudaStreamWaitEvent(p->stream, p->uploaded[f->which], 0));
    for (int i = 0; i < f->n; i++) {
        const struct wg__range *r = &f->range[i];
        WG__TRY(p->d, w, cudaMemcpyAsync(f->to + r->at, area + r->at, r->bytes, cudaMemcpyDeviceToDevice, p->stream));
    }
    WG__TRY(p->d, w, cudaEventRecord(p->placed[p->area], p->stream));
    return WG_OK;
}

/* Asks the streams to copy the inputs of a run. If that fails half-way, waits for what was asked for,
 * since the events do not cover it. */
int wg__cuda_feed(struct wg__program *p, const struct wg__feed *f, struct wg__why *w)
{
    int status = wg__cuda_enter(p->d, w);
    if (!status && !(status = ask_feed(p, f, w))) {
        p->area ^= 1;
        return WG_OK;
    }
    cudaStreamSynchronize(p->copies);
    cudaStreamSynchronize(p->stream);
    cudaGetLastError();
    return status;
}

int wg__cuda_fed(struct wg__program *p, int which, struct wg__why *w)
{
    int status = wg__cuda_enter(p->d, w);
    if (status) return status;
    WG__TRY(p->d, w, cudaEventSynchronize(p->uploaded[which]));
    return WG_OK;
}

/* ---- Single values ---- */

/* Waits, since the CPU may write `from` again. */
int wg__cuda_upload(struct wg__program *p, void *to, const void *from, size_t bytes, struct wg__why *w)
{
    int status = wg__cuda_enter(p->d, w);
    if (status || !bytes) return status;
    WG__TRY(p->d, w, cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, p->stream));
    WG__TRY(p->d, w, cudaStreamSynchronize(p->stream));
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

/* ---- Values that nobody waits for ---- */

struct wg__reader {
    struct wg__program *p;
    char               *pinned; /* [slots] of STRIDE bytes */
    cudaEvent_t         there[WG__READER_SLOTS];
};
enum { STRIDE = 16 };

int wg__cuda_reader_new(struct wg__program *p, struct wg__reader **out, struct wg__why *w)
{
    struct wg__reader *r = calloc(1, sizeof *r);
    if (!r) return wg__cuda_refuse(w, WG_ENOMEM, "out of memory");
    r->p = p;
    int status = wg__cuda_pin(p->d, WG__READER_SLOTS * STRIDE, "a value that is followed", (void **)&r->pinned, w);
    for (int i = 0; i < WG__READER_SLOTS && !status; i++) {
        cudaError_t e = cudaEventCreateWithFlags(&r->there[i], cudaEventDisableTiming);
        if (e) {
            r->there[i] = NULL;
            status = wg__cuda_failed(w, p->d, e, "cudaEventCreateWithFlags");
        }
    }
    if (!status) *out = r;
    else wg__cuda_reader_free(r);
    return status;
}

void wg__cuda_reader_free(struct wg__reader *r)
{
    if (!r) return;
    cudaSetDevice(r->p->d->index);
    cudaStreamSynchronize(r->p->stream); /* a copy may be on its way */
    for (int i = 0; i < WG__READER_SLOTS; i++)
        if (r->there[i]) cudaEventDestroy(r->there[i]);
    if (r->pinned) wg__cuda_unpin(r->p->d, r->pinned);
    cudaGetLastError();
    free(r);
}

int wg__cuda_reader_ask(struct wg__reader *r, int slot, const void *from, size_t bytes, struct wg__why *w)
{
    const struct wg__program *p = r->p;
    int                       status = wg__cuda_enter(p->d, w);
    if (status) return status;
    WG__TRY(p->d, w, cudaMemcpyAsync(r->pinned + slot * STRIDE, from, bytes, cudaMemcpyDeviceToHost, p->stream));
    WG__TRY(p->d, w, cudaEventRecord(r->there[slot], p->stream));
    return WG_OK;
}

int wg__cuda_reader_take(struct wg__reader *r, int slot, bool wait, const void **value, struct wg__why *w)
{
    int status = wg__cuda_enter(r->p->d, w);
    *value = NULL;
    if (status) return status;
    cudaError_t e = wait ? cudaEventSynchronize(r->there[slot]) : cudaEventQuery(r->there[slot]);
    if (e == cudaErrorNotReady) {
        cudaGetLastError();
        return WG_OK;
    }
    if (e) return wg__cuda_failed(w, r->p->d, e, wait ? "cudaEventSynchronize" : "cudaEventQuery");
    *value = r->pinned + slot * STRIDE;
    return WG_OK;
}
