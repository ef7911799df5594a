/* A CUDA device: opening it, its memory, and the table that libwengert asks for. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/program.h"

/* ---- Errors ---- */

int wg__cuda_refuse(struct wg__why *w, int status, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(w->text, sizeof w->text, format, ap);
    va_end(ap);
    return w->status = status;
}

/* Tells whether an error comes from a kernel that ran earlier: the call that reports it may be any
 * later one. */
static bool is_kernel_error(cudaError_t e)
{
    static const cudaError_t all[] = {
        cudaErrorIllegalAddress,      cudaErrorLaunchTimeout,      cudaErrorAssert,
        cudaErrorHardwareStackError,  cudaErrorIllegalInstruction, cudaErrorMisalignedAddress,
        cudaErrorInvalidAddressSpace, cudaErrorInvalidPc,          cudaErrorLaunchFailure,
        cudaErrorECCUncorrectable,    cudaErrorNvlinkUncorrectable};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] == e) return true;
    return false;
}

int wg__cuda_failed(struct wg__why *w, const struct wg__device *d, cudaError_t e, const char *call)
{
    int status = e == cudaErrorMemoryAllocation ? WG_ENOMEM : WG_EDEVICE;
    cudaGetLastError();
    w->late = is_kernel_error(e);
    return wg__cuda_refuse(w, status, "%s: %.*s: %s (%s)", d ? d->name : "CUDA", (int)strcspn(call, "("), call,
                           cudaGetErrorString(e), cudaGetErrorName(e));
}

/* ---- Turns ---- */

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

void wg__cuda_take_turn(void) { pthread_mutex_lock(&turn); }
void wg__cuda_end_turn(void) { pthread_mutex_unlock(&turn); }

int wg__cuda_enter(const struct wg__device *d, struct wg__why *w)
{
    WG__TRY(d, w, cudaSetDevice(d->index));
    return WG_OK;
}

/* ---- Opening ---- */

static int count(int *n, struct wg__why *w)
{
    cudaError_t e = cudaGetDeviceCount(n);
    if (!e || e == cudaErrorNoDevice) {
        if (e) {
            cudaGetLastError();
            *n = 0;
        }
        return *n ? WG_OK : wg__cuda_refuse(w, WG_EDEVICE, "there is no CUDA device");
    }
    wg__cuda_failed(w, NULL, e, "cudaGetDeviceCount");
    if (e == cudaErrorInsufficientDriver)
        wg__cuda_refuse(w, WG_EDEVICE, "no CUDA driver, or one that is too old: %s", cudaGetErrorString(e));
    return WG_EDEVICE;
}

static int read_properties(struct wg__device *d, struct wg__why *w)
{
    struct cudaDeviceProp p;
    snprintf(d->name, sizeof d->name, "CUDA device %d", d->index);
    int pools = 0, status = wg__cuda_enter(d, w);
    if (status) return status;
    WG__TRY(d, w, cudaGetDeviceProperties(&p, d->index));
    WG__TRY(d, w, cudaDeviceGetAttribute(&pools, cudaDevAttrMemoryPoolsSupported, d->index));
    snprintf(d->name, sizeof d->name, "%.100s (CUDA %d)", p.name, d->index);
    d->sms = p.multiProcessorCount;
    d->major = p.major;
    d->minor = p.minor;
    WG__TRY(d, w, cudaDriverGetVersion(&d->driver));
    d->pools = pools;
    WG__TRY(d, w, cudaStreamCreateWithFlags(&d->stream, cudaStreamNonBlocking));
    cublasStatus_t s = cublasLtCreate(&d->blas);
    if (!s) return WG_OK;
    d->blas = NULL;
    return wg__cuda_refuse(w, s == CUBLAS_STATUS_ALLOC_FAILED ? WG_ENOMEM : WG_EDEVICE, "%s: cublasLtCreate: %s",
                           d->name, cublasLtGetStatusString(s));
}

static void close_device(struct wg__device *d)
{
    if (!d) return;
    cudaSetDevice(d->index);
    if (d->blas) cublasLtDestroy(d->blas);
    if (d->stream) { /* memory goes back to the system */
        cudaStreamSynchronize(d->stream);
        cudaStreamDestroy(d->stream);
    }
    cudaGetLastError();
    pthread_mutex_destroy(&d->lock);
    free(d);
}

static int open_device(int index, struct wg__device **out, struct wg__why *w)
{
    struct wg__device *d = calloc(1, sizeof *d);
    if (!d) return wg__cuda_refuse(w, WG_ENOMEM, "out of memory");
    d->index = index;
    pthread_mutex_init(&d->lock, NULL);
    int status = read_properties(d, w);
    if (!status) *out = d;
    else close_device(d);
    return status;
}

static const char *name(const struct wg__device *d) { return d->name; }

/* ---- Memory ---- */

static int short_of(struct wg__why *w, const struct wg__device *d, cudaError_t e, size_t bytes, const char *where,
                    const char *what)
{
    size_t available = 0, total = 0;
    if (e != cudaErrorMemoryAllocation) return wg__cuda_failed(w, d, e, where);
    cudaGetLastError(); /* the process goes on */
    cudaMemGetInfo(&available, &total);
    cudaGetLastError();
    return wg__cuda_refuse(w, WG_ENOMEM, "%s: out of memory for %s: asked for %zu bytes, %zu of %zu are free", d->name,
                           what, bytes, available, total);
}

static int zero(struct wg__device *d, void *p, size_t bytes, struct wg__why *w)
{
    WG__TRY(d, w, cudaMemsetAsync(p, 0, bytes, d->stream));
    WG__TRY(d, w, cudaStreamSynchronize(d->stream));
    return WG_OK;
}

int wg__cuda_alloc(struct wg__device *d, size_t bytes, const char *what, void **p, struct wg__why *w)
{
    int    status = wg__cuda_enter(d, w);
    size_t n = bytes ? bytes : 1;
    *p = NULL;
    if (status) return status;
    cudaError_t e = d->pools ? cudaMallocAsync(p, n, d->stream) : cudaMalloc(p, n);
    if (e) {
        *p = NULL;
        return short_of(w, d, e, bytes, "cudaMallocAsync", what);
    }
    if ((status = zero(d, *p, n, w))) {
        wg__cuda_release(d, *p);
        *p = NULL;
    }
    return status;
}

/* Frees device memory. Nothing on the device uses it any more: programs wait before they are destroyed. */
void wg__cuda_release(struct wg__device *d, void *p)
{
    if (!p) return;
    cudaSetDevice(d->index);
    if (d->pools) cudaFreeAsync(p, d->stream);
    else cudaFree(p);
    cudaGetLastError();
}

int wg__cuda_pin(struct wg__device *d, size_t bytes, const char *what, void **p, struct wg__why *w)
{
    int status = wg__cuda_enter(d, w);
    *p = NULL;
    if (status) return status;
    wg__cuda_take_turn();
    cudaError_t e = cudaHostAlloc(p, bytes ? bytes : 1, cudaHostAllocPortable);
    wg__cuda_end_turn();
    if (e == cudaErrorMemoryAllocation) {
        cudaGetLastError();
        *p = NULL;
        return wg__cuda_refuse(w, WG_ENOMEM, "%s: out of pinned host memory for %s: asked for %zu bytes", d->name, what,
                               bytes);
    }
    if (e) {
        *p = NULL;
        return wg__cuda_failed(w, d, e, "cudaHostAlloc");
    }
    memset(*p, 0, bytes);
    return WG_OK;
}

void wg__cuda_unpin(struct wg__device *d, void *p)
{
    cudaSetDevice(d->index);
    wg__cuda_take_turn();
    cudaFreeHost(p);
    wg__cuda_end_turn();
    cudaGetLastError();
}

static int wait_for_programs(struct wg__device *d, struct wg__why *w)
{
    for (struct wg__program *p = d->programs; p; p = p->next) WG__TRY(d, w, cudaEventSynchronize(p->done));
    return WG_OK;
}

/* Waits for all programs of the device. Not for the whole device, nor for streams: a tape in another
 * thread may be capturing, which forbids both. */
static int synchronize(struct wg__device *d, struct wg__why *w)
{
    int status = wg__cuda_enter(d, w);
    if (status) return status;
    pthread_mutex_lock(&d->lock);
    status = wait_for_programs(d, w);
    pthread_mutex_unlock(&d->lock);
    if (status) return status;
    WG__TRY(d, w, cudaStreamSynchronize(d->stream));
    return WG_OK;
}

static int copy(struct wg__device *d, void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                struct wg__why *w)
{
    int status = synchronize(d, w);
    if (status || !bytes) return status;
    WG__TRY(d, w, cudaMemcpyAsync(to, from, bytes, kind, d->stream));
    WG__TRY(d, w, cudaStreamSynchronize(d->stream));
    return WG_OK;
}
static int put(struct wg__device *d, void *to, const void *from, size_t bytes, struct wg__why *w)
{
    return copy(d, to, from, bytes, cudaMemcpyHostToDevice, w);
}
static int get(struct wg__device *d, void *to, const void *from, size_t bytes, struct wg__why *w)
{
    return copy(d, to, from, bytes, cudaMemcpyDeviceToHost, w);
}

/* ---- The table ---- */

static const struct wg__device_api               api = {.abi = WG__DEVICE_ABI,
                                                        .version = WG_VERSION,
                                                        .count = count,
                                                        .open = open_device,
                                                        .close = close_device,
                                                        .name = name,
                                                        .alloc = wg__cuda_alloc,
                                                        .pin = wg__cuda_pin,
                                                        .release = wg__cuda_release,
                                                        .unpin = wg__cuda_unpin,
                                                        .sync = synchronize,
                                                        .put = put,
                                                        .get = get,
                                                        .knows = wg__cuda_knows,
                                                        .build = wg__cuda_build,
                                                        .destroy = wg__cuda_destroy,
                                                        .note = wg__cuda_note,
                                                        .begin = wg__cuda_begin,
                                                        .after = wg__cuda_after,
                                                        .needs = wg__cuda_needs,
                                                        .feed = wg__cuda_feed,
                                                        .fed = wg__cuda_fed,
                                                        .upload = wg__cuda_upload,
                                                        .launch = wg__cuda_launch_segment,
                                                        .step = wg__cuda_step_alone,
                                                        .assign = wg__cuda_assign,
                                                        .faulted = wg__cuda_faulted,
                                                        .wait = wg__cuda_wait,
                                                        .fault = wg__cuda_fault_of,
                                                        .end = wg__cuda_end,
                                                        .download = wg__cuda_download,
                                                        .reader_new = wg__cuda_reader_new,
                                                        .reader_free = wg__cuda_reader_free,
                                                        .reader_ask = wg__cuda_reader_ask,
                                                        .reader_take = wg__cuda_reader_take};
WG_API extern const struct wg__device_api *const wg__cuda_api;
const struct wg__device_api *const               wg__cuda_api = &api;
