/* The library of a device, and the parameters of a graph on it. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tape/device/device.h"

/* ---- The library ---- */

#define LIBRARY "libwengert-cuda.so"

/* Finds the path of LIBRARY beside the file that this function is in; "" if there is none. */
static void find_beside(char *path, size_t n)
{
    Dl_info     i;
    const char *slash = dladdr(WG__DEVICE_SYMBOL, &i) && i.dli_fname ? strrchr(i.dli_fname, '/') : NULL;
    *path = 0;
    if (slash && (size_t)(slash - i.dli_fname) + sizeof LIBRARY + 1 < n)
        snprintf(path, n, "%.*s/" LIBRARY, (int)(slash - i.dli_fname), i.dli_fname);
}

static int refuse(struct wg__why *w, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int refuse(struct wg__why *w, int status, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(w->text, sizeof w->text, format, ap);
    va_end(ap);
    return w->status = status;
}

/* Opens a library for good: a driver may have threads in it. */
static void *open_file(const char *name) { return dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE); }

/* Refuses with the text of dlerror, which names what is missing: the file itself, or a library that it needs. */
static void refuse_loading(const char *asked, const char *path, struct wg__why *w)
{
    const char *why = dlerror();
    bool        named = strstr(why, path);
    refuse(w, WG_EDEVICE, "cannot load %s%.120s%s%.200s", asked, named ? "" : path, named ? "" : ": ", why);
}

static void *open_library(char *path, size_t n, struct wg__why *w)
{
    const char *asked = getenv("WG_CUDA_LIBRARY");
    bool        own = asked && *asked;
    if (own) snprintf(path, n, "%s", asked);
    else find_beside(path, n);
    void *handle = *path ? open_file(path) : NULL;
    if (handle) return handle;
    if (own || (*path && access(path, F_OK) == 0)) return refuse_loading(own ? "WG_CUDA_LIBRARY: " : "", path, w), NULL;
    if ((handle = open_file(LIBRARY))) {
        snprintf(path, n, LIBRARY);
        return handle;
    }
    refuse(w, WG_EDEVICE,
           "no CUDA backend (`make libwengert-cuda` builds it): looked for %.100s%s" LIBRARY
           " in the system\'s places: %.120s",
           path, *path ? " and for " : "", dlerror());
    return NULL;
}

static const struct wg__device_api *load_api(struct wg__why *w)
{
    char  path[PATH_MAX];
    void *handle = open_library(path, sizeof path, w);
    if (!handle) return NULL;
    const struct wg__device_api *const *api = dlsym(handle, WG__DEVICE_SYMBOL);
    if (!api) return refuse(w, WG_EDEVICE, "%.200s is no CUDA backend of Wengert", path), NULL;
    if ((*api)->abi == WG__DEVICE_ABI && !strcmp((*api)->version, WG_VERSION)) return *api;
    return refuse(w, WG_EDEVICE, "%.200s is of version %.20s, not " WG_VERSION, path, (*api)->version), NULL;
}

/* ---- Questions about devices ---- */

int wg_device_count(void)
{
    struct wg__why               w;
    int                          n = 0;
    const struct wg__device_api *api = load_api(&w);
    return api && api->count(&n, &w) == WG_OK ? n : 0;
}

static int open_device(int index, const struct wg__device_api **api, struct wg__device **d, struct wg__why *w)
{
    int n = 0, status = WG_OK;
    *d = NULL;
    if (!(*api = load_api(w))) return w->status;
    if ((status = (*api)->count(&n, w))) return status;
    if (index >= n) return refuse(w, WG_EDEVICE, "there is no CUDA device %d, only %d", index, n);
    return (*api)->open(index, d, w);
}

int wg_device_name(int device, char *buf, size_t n)
{
    struct wg__why               w = {0};
    const struct wg__device_api *api;
    struct wg__device           *d = NULL;
    if (!buf && n) return wg__fail(NULL, WG_EARG, "device_name: buf is NULL");
    if (device == WG_DEVICE_CPU) {
        snprintf(buf, n, "%s", wg__cpu_model());
        return WG_OK;
    }
    if (device < 0) {
        snprintf(buf, n, "%d is no device", device);
        return WG_EARG;
    }
    int status = open_device(device - 1, &api, &d, &w);
    snprintf(buf, n, "%s", status ? w.text : api->name(d));
    if (d) api->close(d);
    return status;
}

/* ---- The devices of a graph ---- */

static void free_use(struct wg__use *u)
{
    for (struct wg__resident *r = u->resident, *next; r; r = next) {
        next = r->next;
        u->api->release(u->device, r->data);
        free(r);
    }
    u->api->close(u->device);
    free(u);
}

static void free_devices(wg_graph *g)
{
    for (struct wg__use *u = g->devices->use, *next; u; u = next) {
        next = u->next;
        free_use(u);
    }
    pthread_mutex_destroy(&g->devices->lock);
    free(g->devices);
    g->devices = NULL;
}

/* Copies the values of p back from the device that has the newest, the only device with the parameter's version. */
static int copy_back(wg_node *p, struct wg__why *w)
{
    for (struct wg__use *u = p->g->devices->use; u; u = u->next)
        for (struct wg__resident *r = u->resident; r; r = r->next)
            if (r->param == p && r->version == p->version)
                return u->api->get(u->device, p->data, r->data, wg__bytes((wg_dtype)p->dtype, p->shape), w);
    return refuse(w, WG_EINTERNAL, "%s: no device has its values", p->name);
}

int wg__device_fetch(wg_node *p, struct wg__why *w)
{
    struct wg__devices *all = p->g->devices;
    int                 status = WG_OK;
    if (!__atomic_load_n(&p->stale, __ATOMIC_ACQUIRE)) return WG_OK;
    pthread_mutex_lock(&all->lock);
    if (p->stale && !(status = copy_back(p, w))) __atomic_store_n(&p->stale, 0, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&all->lock);
    return status;
}

static int fetch_param(wg_node *p)
{
    struct wg__why w = {0};
    int            status = wg__device_fetch(p, &w);
    if (!status) return WG_OK;
    return wg__fail(p->g, status, "%s: cannot be copied from its device: %s%s", p->name, w.text,
                    w.late ? WG__DEVICE_LATE : "");
}

static bool init_devices(wg_graph *g)
{
    if (g->devices) return true;
    struct wg__devices *d = calloc(1, sizeof *d);
    if (!d) return wg__fail_nomem(g), false;
    pthread_mutex_init(&d->lock, NULL);
    g->devices = d;
    g->fetch = fetch_param;
    g->free_devices = free_devices;
    return true;
}

struct wg__use *wg__device_use(wg_graph *g, int index)
{
    struct wg__why w = {0};
    if (!init_devices(g)) return NULL;
    for (struct wg__use *u = g->devices->use; u; u = u->next)
        if (u->index == index) return u;
    struct wg__use *u = calloc(1, sizeof *u);
    if (!u) return wg__fail_nomem(g), NULL;
    u->index = index;
    if (open_device(index, &u->api, &u->device, &w)) {
        free(u);
        return wg__fail(g, w.status, "compile: %s", w.text), NULL;
    }
    u->next = g->devices->use;
    return g->devices->use = u;
}

/* ---- Parameters ---- */

struct wg__resident *wg__device_param(struct wg__use *u, wg_node *p, struct wg__why *w)
{
    char what[160];
    for (struct wg__resident *r = u->resident; r; r = r->next)
        if (r->param == p) return r;
    struct wg__resident *r = calloc(1, sizeof *r);
    if (!r) return refuse(w, WG_ENOMEM, "out of memory"), NULL;
    snprintf(what, sizeof what, "parameter %.120s", p->name);
    if (u->api->alloc(u->device, wg__bytes((wg_dtype)p->dtype, p->shape), what, &r->data, w)) {
        free(r);
        return NULL;
    }
    r->param = p;
    r->version = p->version - 1; /* not the parameter's version, so that the values are copied before the first run */
    r->next = u->resident;
    return u->resident = r;
}

int wg__device_refresh(struct wg__use *u, struct wg__resident *r, struct wg__why *w)
{
    wg_node            *p = r->param;
    struct wg__devices *all = p->g->devices;
    if (__atomic_load_n(&r->version, __ATOMIC_ACQUIRE) == p->version) return WG_OK;
    int status = wg__device_fetch(p, w); /* another device may have newer values */
    if (status) return status;
    pthread_mutex_lock(&all->lock);
    if (r->version != p->version)
        status = u->api->put(u->device, r->data, p->data, wg__bytes((wg_dtype)p->dtype, p->shape), w);
    if (!status) __atomic_store_n(&r->version, p->version, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&all->lock);
    return status;
}

void wg__device_written(struct wg__resident *r)
{
    r->version = ++r->param->version;
    __atomic_store_n(&r->param->stale, 1, __ATOMIC_RELEASE);
}
