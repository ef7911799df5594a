/* memory.cc - device memory and pinned memory, each with its bounds.
 *
 * Device memory lies in pages of its own between pages that nobody may touch,
 * and an address is used once: what a kernel does past the end of its page or
 * after cudaFree is a fault at once.  The rest of the last page, less than 256
 * bytes, is a guard: written, it is seen at the next synchronisation; with the
 * address sanitizer a read is seen too.  All pages are shut while no device
 * work runs, so host code that follows a device pointer faults. */
#include <map>
#include <sys/mman.h>
#include <unistd.h>

#include "inside.h"

#ifdef WG_SHIM_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace shim
{

enum { GUARD = 0xa5, FRESH = 0xff }; /* bytes of FRESH make NaNs, and -1 */

struct area {
    char  *pages; /* NULL: pinned host memory */
    size_t mapped, size;
    bool   freed;
    char  *data;
};

static const size_t           SPACE = (size_t)1 << 40, TOTAL = (size_t)8 << 30;
static char                  *space;
static size_t                 used, live;
static std::map<char *, area> areas, graves; /* by data: live, and freed device memory */
static int                    openings;

static size_t page()
{
    static const size_t n = (size_t)sysconf(_SC_PAGESIZE);
    return n;
}
static size_t up(size_t n, size_t to) { return (n + to - 1) / to * to; }

bool is_device(const void *p) { return space && (const char *)p >= space && (const char *)p < space + SPACE; }

static const area *below(const std::map<char *, area> &map, const void *p)
{
    auto next = map.upper_bound((char *)p);
    return next == map.begin() ? NULL : &std::prev(next)->second;
}

/* The area at or below p. */
static const area *near(const void *p)
{
    const area *a = below(areas, p), *b = below(graves, p);
    return !a || (b && b->data > a->data) ? b : a;
}

static const area *area_of(const void *p)
{
    const area *a = near(p);
    if (!a) return NULL;
    size_t at = (size_t)((const char *)p - a->data);
    return at < (a->pages ? up(a->size, 256) : a->size) || at == 0 ? a : NULL;
}

std::string describe(const void *p)
{
    char        hex[32];
    const area *a = near(p);
    snprintf(hex, sizeof hex, "%p", p);
    if (!is_device(p) && !(a && area_of(p))) return std::string("host memory at ") + hex;
    if (!a) return std::string("no memory at ") + hex;
    size_t      at = (size_t)((const char *)p - a->data);
    std::string what = std::string(a->freed ? "freed " : "") + (a->pages ? "device" : "pinned") + " memory of " +
                       std::to_string(a->size) + " bytes";
    if (at < a->size) return "byte " + std::to_string(at) + " of " + what;
    return std::to_string(at - a->size) + " bytes past the end of " + what;
}

/* ---- Doors ---- */

static void door(const area &a, bool open)
{
    if (a.pages && a.mapped) mprotect(a.pages, a.mapped, open ? PROT_READ | PROT_WRITE : PROT_NONE);
}
opened::opened()
{
    if (openings++ == 0)
        for (auto &e : areas) door(e.second, true);
}
opened::~opened()
{
    if (--openings == 0)
        for (auto &e : areas) door(e.second, false);
}

/* ---- Device memory ---- */

static bool make_device(size_t bytes, void **p)
{
    if (!space) {
        space = (char *)mmap(NULL, SPACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (space == MAP_FAILED) {
            space = NULL;
            return false;
        }
    }
    if (bytes > TOTAL - live) return false;
    size_t mapped = up(bytes, page());
    if (used + mapped + 2 * page() > SPACE) return false;
    area a;
    a.pages = space + used + page();
    a.mapped = mapped;
    a.size = bytes;
    a.freed = false;
    a.data = a.pages + mapped - up(bytes, 256);
    used += mapped + page();
    if (mprotect(a.pages, mapped, PROT_READ | PROT_WRITE) != 0) return false;
    memset(a.pages, GUARD, mapped);
    memset(a.data, FRESH, bytes);
    if (!openings) door(a, false);
#ifdef WG_SHIM_ASAN
    __asan_poison_memory_region(a.pages, mapped);
    __asan_unpoison_memory_region(a.data, bytes);
#endif
    areas[a.data] = a;
    live += bytes;
    *p = a.data;
    return true;
}

static bool guard_is_whole(const area &a)
{
#ifdef WG_SHIM_ASAN
    (void)a;
#else
    for (const char *p = a.pages; p < a.data; p++)
        if (*p != (char)GUARD) return false;
    for (const char *p = a.data + a.size; p < a.pages + a.mapped; p++)
        if (*p != (char)GUARD) return false;
#endif
    return true;
}

void check_guards()
{
    opened door_;
    for (auto &e : areas) {
        area &a = e.second;
        if (!a.pages || guard_is_whole(a)) continue;
        complain("something was written just outside of device memory of " + std::to_string(a.size) + " bytes");
        memset(a.pages, GUARD, (size_t)(a.data - a.pages));
        memset(a.data + a.size, GUARD, (size_t)(a.pages + a.mapped - a.data) - a.size);
    }
}

static void release(const area *gone)
{
    area a = *gone;
    areas.erase(a.data);
    a.freed = true;
    live -= a.size;
    if (!a.pages) {
        free(a.data);
        return;
    }
    graves[a.data] = a;
#ifdef WG_SHIM_ASAN
    __asan_unpoison_memory_region(a.pages, a.mapped);
#endif
    mprotect(a.pages, a.mapped, PROT_NONE);
    madvise(a.pages, a.mapped, MADV_DONTNEED);
}

/* The area that begins at p, or what is wrong. */
static cudaError_t to_free(const char *what, void *p, bool device, const area **a)
{
    auto found = areas.find((char *)p);
    if (found != areas.end() && (found->second.pages != NULL) == device) {
        *a = &found->second;
        return cudaSuccess;
    }
    const char *why = device && graves.count((char *)p) ? "freed twice" : "was not allocated by its counterpart";
    return wrong(cudaErrorInvalidValue, "%s: %s: %s", what, describe(p).c_str(), why);
}

void forget_memory()
{
    while (!areas.empty()) release(&areas.begin()->second);
    graves.clear();
}

int leaked_memory(bool say)
{
    int n = 0;
    for (auto &e : areas) {
        n++;
        if (say)
            complain(std::string("leak: ") + (e.second.pages ? "device" : "pinned") + " memory of " +
                     std::to_string(e.second.size) + " bytes");
    }
    return n;
}

/* ---- Copies ---- */

/* A live area holds bytes from p on; host memory of no area may be anything. */
static cudaError_t check_range(const char *what, const void *p, size_t bytes, bool device)
{
    const area *a = area_of(p);
    if (!a || (device && !a->pages)) {
        if (!device && !is_device(p)) return cudaSuccess;
        return wrong(cudaErrorInvalidValue, "%s: %s is no device memory", what, describe(p).c_str());
    }
    if (!device && a->pages)
        return wrong(cudaErrorInvalidValue, "%s: %s where host memory belongs", what, describe(p).c_str());
    if (a->freed) return wrong(cudaErrorInvalidValue, "%s: use after free: %s", what, describe(p).c_str());
    size_t at = (size_t)((const char *)p - a->data);
    if (at > a->size || bytes > a->size - at)
        return wrong(cudaErrorInvalidValue, "%s: %zu bytes do not fit: %s", what, bytes, describe(p).c_str());
    return cudaSuccess;
}

static bool device_side(const void *p, cudaMemcpyKind kind, bool source)
{
    if (kind == cudaMemcpyDefault) return is_device(p);
    return source ? kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice
                  : kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
}

static cudaError_t check_copy(const char *what, void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault)
        return wrong(cudaErrorInvalidMemcpyDirection, "%s: direction %d", what, (int)kind);
    if (bytes == 0) return cudaSuccess;
    if (!to || !from) return wrong(cudaErrorInvalidValue, "%s: NULL", what);
    cudaError_t e = check_range(what, to, bytes, device_side(to, kind, false));
    if (!e) e = check_range(what, from, bytes, device_side(from, kind, true));
    if (e) return e;
    if ((char *)to < (const char *)from + bytes && (const char *)from < (char *)to + bytes)
        return wrong(cudaErrorInvalidValue, "%s: the ranges overlap", what);
    return cudaSuccess;
}

static void copy_now(const char *what, void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    if (cudaError_t e = check_copy(what, to, from, bytes, kind)) return broken(e);
    opened door_;
    if (bytes) memcpy(to, from, bytes);
}

static void set_now(const char *what, void *p, int byte, size_t bytes)
{
    if (cudaError_t e = check_range(what, p, bytes, true)) return broken(e);
    opened door_;
    memset(p, byte, bytes);
}

} // namespace shim

using namespace shim;

/* ---- The calls ---- */

cudaError_t cudaMalloc(void **p, size_t bytes)
{
    call c(true, cudaErrorMemoryAllocation);
    if (c.error) return c.error;
    if (!p) return wrong(cudaErrorInvalidValue, "cudaMalloc: NULL");
    *p = NULL;
    if (forbidden()) return wrong(cudaErrorStreamCaptureUnsupported, "cudaMalloc while a stream is capturing");
    if (bytes == 0) return cudaSuccess;
    return make_device(bytes, p) ? cudaSuccess : keep(cudaErrorMemoryAllocation);
}

cudaError_t cudaMallocAsync(void **p, size_t bytes, cudaStream_t s)
{
    call c(true, cudaErrorMemoryAllocation);
    if (c.error) return c.error;
    if (!p || !stream_of(s)) return wrong(cudaErrorInvalidValue, "cudaMallocAsync: no such stream, or NULL");
    *p = NULL;
    if (capturing(s)) return wrong(cudaErrorNotSupported, "the shim captures no allocations");
    if (bytes == 0) return cudaSuccess;
    return make_device(bytes, p) ? cudaSuccess : keep(cudaErrorMemoryAllocation);
}

cudaError_t cudaFree(void *p)
{
    call        c(false);
    const area *a;
    if (!p) return cudaSuccess;
    if (forbidden()) return wrong(cudaErrorStreamCaptureUnsupported, "cudaFree while a stream is capturing");
    run_all("cudaFree");
    if (cudaError_t e = to_free("cudaFree", p, true, &a)) return e;
    check_guards();
    release(a);
    return c.error;
}

cudaError_t cudaFreeAsync(void *p, cudaStream_t s)
{
    call        c(false);
    const area *a;
    if (!p) return cudaSuccess;
    if (capturing(s)) return wrong(cudaErrorNotSupported, "the shim captures no allocations");
    if (cudaError_t e = to_free("cudaFreeAsync", p, true, &a)) return e;
    return enqueue(s, "cudaFreeAsync", [p]() {
        const area *b;
        if (to_free("cudaFreeAsync", p, true, &b)) return;
        check_guards();
        release(b);
    });
}

cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned flags)
{
    (void)flags;
    call c(true, cudaErrorMemoryAllocation);
    if (c.error) return c.error;
    if (!p) return wrong(cudaErrorInvalidValue, "cudaHostAlloc: NULL");
    *p = NULL;
    if (forbidden()) return wrong(cudaErrorStreamCaptureUnsupported, "cudaHostAlloc while a stream is capturing");
    if (bytes == 0) return cudaSuccess;
    area  a = {NULL, 0, bytes, false, NULL};
    void *data;
    if (posix_memalign(&data, 256, bytes) != 0) return keep(cudaErrorMemoryAllocation);
    a.data = (char *)data;
    memset(a.data, FRESH, bytes);
    areas[a.data] = a;
    live += bytes;
    *p = data;
    return cudaSuccess;
}
cudaError_t cudaMallocHost(void **p, size_t bytes) { return cudaHostAlloc(p, bytes, cudaHostAllocDefault); }

cudaError_t cudaFreeHost(void *p)
{
    call        c(false);
    const area *a;
    if (!p) return cudaSuccess;
    if (forbidden()) return wrong(cudaErrorStreamCaptureUnsupported, "cudaFreeHost while a stream is capturing");
    run_all("cudaFreeHost");
    if (cudaError_t e = to_free("cudaFreeHost", p, false, &a)) return e;
    release(a);
    return c.error;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    call c;
    if (c.error) return c.error;
    if (forbidden()) return wrong(cudaErrorStreamCaptureUnsupported, "cudaMemcpy while a stream is capturing");
    if (cudaError_t e = run_all("cudaMemcpy")) return e;
    if (cudaError_t e = check_copy("cudaMemcpy", to, from, bytes, kind)) return e;
    copy_now("cudaMemcpy", to, from, bytes, kind);
    return cudaSuccess;
}

/* From pageable memory the bytes are taken at once, as CUDA promises, unless
 * they are captured.  Into host memory they come late, whatever its kind: CUDA
 * would wait where it is pageable, but code should not count on it. */
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t s)
{
    call c;
    if (c.error) return c.error;
    if (cudaError_t e = check_copy("cudaMemcpyAsync", to, from, bytes, kind)) return e;
    if (!device_side(from, kind, true) && !area_of(from) && stream_of(s) && !capturing(s)) {
        std::string bytes_now((const char *)from, bytes);
        return enqueue(s, "cudaMemcpyAsync", [=]() { copy_now("cudaMemcpyAsync", to, bytes_now.data(), bytes, kind); });
    }
    return enqueue(s, "cudaMemcpyAsync", [=]() { copy_now("cudaMemcpyAsync", to, from, bytes, kind); });
}

cudaError_t cudaMemsetAsync(void *p, int byte, size_t bytes, cudaStream_t s)
{
    call c;
    if (c.error) return c.error;
    if (bytes == 0) return cudaSuccess;
    if (cudaError_t e = check_range("cudaMemset", p, bytes, true)) return e;
    return enqueue(s, "cudaMemset", [=]() { set_now("cudaMemset", p, byte, bytes); });
}
cudaError_t cudaMemset(void *p, int byte, size_t bytes) { return cudaMemsetAsync(p, byte, bytes, NULL); }

cudaError_t cudaMemGetInfo(size_t *free, size_t *total)
{
    call c;
    if (c.error) return c.error;
    *free = TOTAL - live;
    *total = TOTAL;
    return cudaSuccess;
}

static opened *doors;
void           wg_shim_open(void)
{
    if (!doors) doors = new opened();
}
void wg_shim_close(void)
{
    delete doors;
    doors = NULL;
}
