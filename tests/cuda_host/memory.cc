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

#include "memory.h"

#ifdef WG_SHIM_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace shim
{

enum { GUARD = 0xa5, FRESH = 0xff }; /* bytes of FRESH make NaNs, and -1 */

static const size_t           SPACE = (size_t)1 << 40, TOTAL = (size_t)8 << 30, LARGE = (size_t)1 << 18;
static const size_t           LEAD = (size_t)1 << 30; /* nothing is there: for stores far before the first memory */
static char                  *space;
static size_t                 used, live;
static std::map<char *, area> areas, graves; /* by data: live, and freed device memory */
static int                    openings, drains;
static bool                   are_open, touched; /* touched: since guards were looked at */

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

const area *area_of(const void *p)
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
static void doors(bool open)
{
    if (open == are_open) return;
    for (auto &e : areas) door(e.second, open);
    are_open = open;
}

opened::opened()
{
    doors(true);
    openings++;
    touched = true;
}
opened::~opened()
{
    if (--openings == 0 && drains == 0) doors(false);
}
drain::drain() { drains++; }
drain::~drain()
{
    if (--drains == 0 && openings == 0) doors(false);
}
shut::shut() { doors(false); }
shut::~shut() { doors(openings > 0); }

/* ---- Device memory ---- */

/* Whole pages of FRESH or of zeros, which take memory once they are touched. */
static bool map_bytes(char *at, int byte, size_t bytes)
{
    static const std::string block((size_t)1 << 20, (char)FRESH);
    static const int         file = memfd_create("fresh device memory", MFD_CLOEXEC);
    static size_t            size;
    while (byte == FRESH && size < bytes) {
        if (pwrite(file, block.data(), block.size(), (off_t)size) != (ssize_t)block.size()) return false;
        size += block.size();
    }
    int flags = MAP_PRIVATE | MAP_FIXED | (byte == FRESH ? 0 : MAP_ANONYMOUS);
    return mmap(at, bytes, PROT_READ | PROT_WRITE, flags, byte == FRESH ? file : -1, 0) == at;
}

/* Most of a large workspace is never touched. */
void fill(char *p, int byte, size_t bytes)
{
    char *end = p + bytes, *from = p + (page() - (uintptr_t)p % page()) % page(), *to = end - (uintptr_t)end % page();
    bool  mapped = bytes >= LARGE && (byte == FRESH || byte == 0) && map_bytes(from, byte, (size_t)(to - from));
    if (!mapped) from = to = end;
    memset(p, byte, (size_t)(from - p));
    memset(to, byte, (size_t)(end - to));
}

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
    if (LEAD + used + mapped + 2 * page() > SPACE) return false;
    area a;
    a.pages = space + LEAD + used + page();
    a.mapped = mapped;
    a.size = bytes;
    a.freed = false;
    a.data = a.pages + mapped - up(bytes, 256);
    used += mapped + page();
    if (mprotect(a.pages, mapped, PROT_READ | PROT_WRITE) != 0) return false;
    memset(a.pages, GUARD, (size_t)(a.data - a.pages));
    fill(a.data, FRESH, bytes);
    memset(a.data + bytes, GUARD, (size_t)(a.pages + mapped - a.data) - bytes);
    if (!are_open) door(a, false);
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
    if (!touched) return;
    opened door_;
    for (auto &e : areas) {
        area &a = e.second;
        if (!a.pages || guard_is_whole(a)) continue;
        complain("something was written just outside of device memory of " + std::to_string(a.size) + " bytes");
        memset(a.pages, GUARD, (size_t)(a.data - a.pages));
        memset(a.data + a.size, GUARD, (size_t)(a.pages + a.mapped - a.data) - a.size);
    }
    touched = false;
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
    mmap(a.pages, a.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
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
    drain together;
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

cudaError_t cudaMemGetInfo(size_t *free, size_t *total)
{
    call c;
    if (c.error) return c.error;
    *free = TOTAL - live;
    *total = TOTAL;
    return cudaSuccess;
}

static opened *looking;
void           wg_shim_open(void)
{
    if (!looking) looking = new opened();
}
void wg_shim_close(void)
{
    if (looking) touched = true;
    delete looking;
    looking = NULL;
}
