/* The kernels of generated sources, loaded on a device. All loops of one source share a kernel, in
 * whichever tapes they are; it is freed with the last of these loops. The list is guarded by the
 * device's lock, which nobody holds while a source is compiled. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "cuda/loop/cuda_loop.h"
#include "cuda/program.h"

static struct wg__cuda_kernel *find(const struct wg__device *d, const char *source, uint64_t hash)
{
    struct wg__cuda_kernel *k = d->kernels;
    while (k && (k->hash != hash || strcmp(k->source, source) != 0)) k = k->next;
    return k;
}

/* Finds an entry of the library and loads it by asking for its attributes: its first launch may be
 * inside of a capture, where nothing can be loaded. */
static int load_entry(const struct wg__device *d, struct wg__cuda_kernel *k, const char *name, const void **entry,
                      struct wg__why *w)
{
    struct cudaFuncAttributes a;
    cudaKernel_t              kernel = NULL;
    WG__TRY(d, w, cudaLibraryGetKernel(&kernel, k->library, name));
    WG__TRY(d, w, cudaFuncGetAttributes(&a, (const void *)kernel));
    *entry = (const void *)kernel;
    return WG_OK;
}

/* Tells whether the driver or the device does not take the code, such as that of a newer NVRTC. */
static bool is_foreign_code(cudaError_t e)
{
    return e == cudaErrorInvalidKernelImage || e == cudaErrorNoKernelImageForDevice ||
           e == cudaErrorUnsupportedPtxVersion;
}

/* Loads code on the device. refused: nothing was loaded, and the loop is to be interpreted. */
static int load(const struct wg__device *d, struct wg__cuda_kernel *k, const void *code, bool several, bool *refused,
                struct wg__why *w)
{
    int status = wg__cuda_enter(d, w);
    if (status) return status;
    cudaError_t e = cudaLibraryLoadData(&k->library, code, NULL, NULL, 0, NULL, NULL, 0);
    *refused = is_foreign_code(e);
    if (e) {
        k->library = NULL;
        return wg__cuda_failed(w, d, e, "cudaLibraryLoadData");
    }
    status = load_entry(d, k, "wg_loop", &k->one, w);
    if (!status && several) status = load_entry(d, k, "wg_loops", &k->several, w);
    return status;
}

static void free_kernel(struct wg__cuda_kernel *k)
{
    wg__cuda_take_turn();
    if (k->library) cudaLibraryUnload(k->library);
    wg__cuda_end_turn();
    cudaGetLastError();
    free(k->source);
    free(k);
}

static int make_kernel(struct wg__device *d, const char *source, bool several, const void *code,
                       struct wg__cuda_kernel **out, bool *refused, struct wg__why *w)
{
    struct wg__cuda_kernel *k = calloc(1, sizeof *k);
    if (k) k->source = strdup(source);
    if (!k || !k->source) {
        free(k);
        return wg__cuda_refuse(w, WG_ENOMEM, "out of memory");
    }
    k->hash = XXH3_64bits(source, strlen(source));
    wg__cuda_take_turn();
    int status = load(d, k, code, several, refused, w);
    wg__cuda_end_turn();
    if (status) {
        free_kernel(k);
        return status;
    }
    *out = k;
    return WG_OK;
}

/* Takes the kernel of that source for one more user. NULL if there is none. */
static struct wg__cuda_kernel *take_kernel(struct wg__device *d, const char *source, uint64_t hash)
{
    pthread_mutex_lock(&d->lock);
    struct wg__cuda_kernel *k = find(d, source, hash);
    if (k) k->users++;
    pthread_mutex_unlock(&d->lock);
    return k;
}

/* Puts k into the list, unless another thread has put one of its source there: that one with one more user. */
static struct wg__cuda_kernel *share_kernel(struct wg__device *d, struct wg__cuda_kernel *k)
{
    pthread_mutex_lock(&d->lock);
    struct wg__cuda_kernel *other = find(d, k->source, k->hash);
    if (!other) {
        k->next = d->kernels;
        d->kernels = k;
    }
    (other ? other : k)->users++;
    pthread_mutex_unlock(&d->lock);
    if (!other) return k;
    free_kernel(k);
    return other;
}

int wg__cuda_kernel_get(struct wg__device *d, const char *source, bool several, struct wg__cuda_kernel **k, char *why,
                        size_t why_size, struct wg__why *w)
{
    size_t bytes = 0;
    *k = take_kernel(d, source, XXH3_64bits(source, strlen(source)));
    if (*k) return WG_OK;
    void *code = wg__cuda_compile(source, 10 * d->major + d->minor, d->driver, &bytes, why, why_size);
    if (!code) return WG_OK;
    bool refused = false;
    int  status = make_kernel(d, source, several, code, k, &refused, w);
    free(code);
    if (!status) *k = share_kernel(d, *k);
    if (!refused) return status;
    snprintf(why, why_size, "%s", w->text);
    return WG_OK;
}

void wg__cuda_kernel_put(struct wg__device *d, struct wg__cuda_kernel *k)
{
    struct wg__cuda_kernel **p = &d->kernels;
    if (!k) return;
    pthread_mutex_lock(&d->lock);
    bool last = --k->users == 0;
    while (last && *p != k) p = &(*p)->next;
    if (last) *p = k->next;
    pthread_mutex_unlock(&d->lock);
    if (last) free_kernel(k);
}
