/* copy.cc - copies and fills, each checked when it is asked for and when it happens. */
#include "memory.h"

namespace shim
{

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
    fill((char *)p, byte & 0xff, bytes);
}

} // namespace shim

using namespace shim;

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    call c;
    if (c.error) return c.error;
    if (forbidden()) return wrong(cudaErrorStreamCaptureUnsupported, "cudaMemcpy while a stream is capturing");
    drain together;
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
