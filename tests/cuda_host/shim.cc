/* shim.cc - errors, devices, launches, and what a test asks for. */
#include <cstdarg>
#include <deque>
#include <map>
#include <unistd.h>

#include "inside.h"
#include "cuda_host/block/shared.h"

namespace shim
{

std::recursive_mutex lock;

static cudaError_t             last;
static bool                    sticky;
static long                    calls, fail_in;
static std::deque<std::string> complaints;

static void at_end()
{
    wg_shim_leaks(true);
    for (const std::string &text : complaints) fprintf(stderr, "shim: %s\n", text.c_str());
    if (!complaints.empty()) {
        fflush(NULL);
        _exit(1);
    }
}

call::call(bool counts, cudaError_t as) : error(sticky ? last : cudaSuccess)
{
    static const int ready = (install_signals(), atexit(at_end));
    (void)ready;
    if (in_kernel()) complain("a runtime call inside of a kernel");
    if (!counts) return;
    calls++;
    if (fail_in > 0 && --fail_in == 0) error = keep(as);
}

void complain(const std::string &text) { complaints.push_back(text); }

cudaError_t keep(cudaError_t e)
{
    if (!sticky) last = e;
    return e;
}

cudaError_t wrong(cudaError_t e, const char *format, ...)
{
    char    text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    complain(text);
    return keep(e);
}

void broken(cudaError_t e)
{
    if (!sticky) last = e;
    sticky = true;
}
bool is_broken() { return sticky; }

/* What the host device claims to be. */
static const struct {
    cudaDeviceAttr attr;
    int            value;
} attributes[] = {
    {cudaDevAttrMaxThreadsPerBlock, 1024},
    {cudaDevAttrMaxSharedMemoryPerBlock, 48 << 10},
    {cudaDevAttrMaxSharedMemoryPerBlockOptin, (int)SHARED_MAX},
    {cudaDevAttrWarpSize, 32},
    {cudaDevAttrMultiProcessorCount, 4},
    {cudaDevAttrMaxThreadsPerMultiProcessor, 2048},
    {cudaDevAttrL2CacheSize, 4 << 20},
    {cudaDevAttrComputeCapabilityMajor, 9},
    {cudaDevAttrComputeCapabilityMinor, 0},
    {cudaDevAttrMemoryPoolsSupported, 1},
};

static std::map<const void *, size_t> shared_limits;

} // namespace shim

using namespace shim;

/* ---- Errors ---- */

cudaError_t cudaGetLastError(void)
{
    call        c(false);
    cudaError_t e = last;
    if (!sticky) last = cudaSuccess;
    return e;
}
cudaError_t cudaPeekAtLastError(void)
{
    call c(false);
    return last;
}

static const struct {
    cudaError_t error;
    const char *name, *text;
} errors[] = {
#define ERROR(name, text)                        \
    {                                            \
        cudaError##name, "cudaError" #name, text \
    }
    {cudaSuccess, "cudaSuccess", "no error"},
    ERROR(InvalidValue, "invalid argument"),
    ERROR(MemoryAllocation, "out of memory"),
    ERROR(InitializationError, "initialization error"),
    ERROR(InvalidConfiguration, "invalid configuration argument"),
    ERROR(InvalidMemcpyDirection, "invalid copy direction for memcpy"),
    ERROR(InsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version"),
    ERROR(NoDevice, "no CUDA-capable device is detected"),
    ERROR(InvalidDevice, "invalid device ordinal"),
    ERROR(InvalidDeviceFunction, "invalid device function"),
    ERROR(InvalidKernelImage, "device kernel image is invalid"),
    ERROR(NoKernelImageForDevice, "no kernel image is available for execution on the device"),
    ERROR(SymbolNotFound, "named symbol not found"),
    ERROR(InvalidResourceHandle, "invalid resource handle"),
    ERROR(NotReady, "device not ready"),
    ERROR(IllegalAddress, "an illegal memory access was encountered"),
    ERROR(LaunchOutOfResources, "too many resources requested for launch"),
    ERROR(LaunchFailure, "unspecified launch failure"),
    ERROR(NotSupported, "operation not supported"),
    ERROR(StreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    ERROR(StreamCaptureInvalidated, "operation failed due to a previous error during capture"),
    ERROR(StreamCaptureUnmatched, "capture was not initiated in this stream"),
    ERROR(StreamCaptureUnjoined, "capturing stream has unjoined work"),
    ERROR(Unknown, "unknown error"),
#undef ERROR
};
const char *cudaGetErrorName(cudaError_t e)
{
    for (auto &row : errors)
        if (row.error == e) return row.name;
    return "unrecognized error code";
}
const char *cudaGetErrorString(cudaError_t e)
{
    for (auto &row : errors)
        if (row.error == e) return row.text;
    return "unrecognized error code";
}

/* ---- Devices: one ---- */

cudaError_t cudaGetDeviceCount(int *n)
{
    call c;
    if (c.error) return c.error;
    *n = 1;
    return cudaSuccess;
}
cudaError_t cudaSetDevice(int device)
{
    call c;
    if (c.error) return c.error;
    return device == 0 ? cudaSuccess : wrong(cudaErrorInvalidDevice, "cudaSetDevice: there is no device %d", device);
}
cudaError_t cudaGetDevice(int *device)
{
    call c;
    if (c.error) return c.error;
    *device = 0;
    return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attr, int device)
{
    call c;
    if (c.error) return c.error;
    for (auto &row : attributes)
        if (row.attr == attr && device == 0) {
            *value = row.value;
            return cudaSuccess;
        }
    return wrong(cudaErrorInvalidValue, "cudaDeviceGetAttribute: attribute %d of device %d", (int)attr, device);
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device)
{
    call c;
    if (c.error) return c.error;
    if (device != 0) return wrong(cudaErrorInvalidDevice, "cudaGetDeviceProperties: there is no device %d", device);
    *p = cudaDeviceProp();
    snprintf(p->name, sizeof p->name, "host shim (no GPU)");
    p->totalGlobalMem = (size_t)8 << 30;
    p->sharedMemPerBlock = 48 << 10;
    p->sharedMemPerBlockOptin = SHARED_MAX;
    p->sharedMemPerMultiprocessor = SHARED_MAX + 1024;
    p->major = 9;
    p->multiProcessorCount = 4;
    p->warpSize = 32;
    p->maxThreadsPerBlock = 1024;
    p->maxThreadsPerMultiProcessor = 2048;
    p->regsPerBlock = 65536;
    p->l2CacheSize = 4 << 20;
    p->memoryBusWidth = 64;
    p->concurrentKernels = p->unifiedAddressing = p->memoryPoolsSupported = 1;
    int threads[] = {1024, 1024, 64}, grid[] = {0x7fffffff, 65535, 65535};
    memcpy(p->maxThreadsDim, threads, sizeof threads);
    memcpy(p->maxGridSize, grid, sizeof grid);
    return cudaSuccess;
}
cudaError_t cudaDeviceReset(void)
{
    call c(false);
    forget_memory();
    forget_streams();
    forget_graphs();
    forget_libraries();
    last = cudaSuccess;
    sticky = false;
    return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int *version) { return *version = 13000, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int *version) { return *version = 13000, cudaSuccess; }

/* ---- Launches ---- */

cudaError_t cudaFuncSetAttribute(const void *kernel, cudaFuncAttribute attribute, int value)
{
    call c;
    if (c.error) return c.error;
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
    if (value < 0 || (size_t)value > SHARED_MAX)
        return wrong(cudaErrorInvalidValue, "cudaFuncSetAttribute: %d bytes of shared memory", value);
    shared_limits[kernel] = (size_t)value;
    return cudaSuccess;
}

static const char *bad_launch(const void *kernel, const dim3 &grid, const dim3 &block, size_t shared)
{
    auto   limit = shared_limits.find(kernel);
    size_t most = limit == shared_limits.end() ? 48 << 10 : limit->second;
    if (!grid.x || !grid.y || !grid.z) return "an empty grid";
    if (grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) return "the grid is too large";
    if (!block.x || !block.y || !block.z) return "an empty block";
    if (block.x > 1024 || block.y > 1024 || block.z > 64 || (uint64_t)block.x * block.y * block.z > 1024)
        return "more than 1024 threads in a block";
    if (shared > most) return "more shared memory than the kernel may have";
    return NULL;
}

void wg_shim_launch(const void *kernel, const char *name, const dim3 &grid, const dim3 &block, size_t shared,
                    cudaStream_t s, std::function<void()> thread)
{
    call c;
    if (c.error) return;
    if (const char *why = bad_launch(kernel, grid, block, shared)) {
        wrong(cudaErrorInvalidConfiguration, "%s<<<(%u,%u,%u), (%u,%u,%u), %zu>>>: %s", name, grid.x, grid.y, grid.z,
              block.x, block.y, block.z, shared, why);
        return;
    }
    enqueue(s, name, [l = launch{name, grid, block, shared, std::move(thread)}]() { run(l); });
}

/* ---- What a test asks for ---- */

void wg_shim_reset(void)
{
    cudaDeviceReset();
    wg_shim_forgive();
    order = 0;
    calls = fail_in = launches = 0;
}
void        wg_shim_order(unsigned n) { order = n; }
void        wg_shim_fail_call(long n) { fail_in = n; }
long        wg_shim_calls(void) { return calls; }
long        wg_shim_launches(void) { return launches; }
int         wg_shim_complaints(void) { return (int)complaints.size(); }
const char *wg_shim_complaint(int i)
{
    return i >= 0 && i < wg_shim_complaints() ? complaints[(size_t)i].c_str() : NULL;
}
void wg_shim_forgive(void)
{
    complaints.clear();
    last = cudaSuccess;
    sticky = false;
}
int wg_shim_leaks(bool say)
{
    return leaked_memory(say) + leaked_streams(say) + leaked_graphs(say) + leaked_libraries(say);
}
