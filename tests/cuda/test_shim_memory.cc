/* The shim's runtime calls: what is misused is told so, and nothing is there
 * before somebody waited for it. */
#include <cstdio>
#include <cstring>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <cuda_runtime.h>

#include "cuda_test.h"
#include "shim.h"

static __global__ void set_to(int *x, int v) { *x = v; }
static __global__ void increase(int *x) { *x += 1; }

/* A device int, a stream that waits for no other, a host int. */
struct bench {
    int         *x = NULL, host = -7;
    cudaStream_t s, other;
    bench()
    {
        wg_shim_reset();
        cudaMalloc(&x, sizeof *x);
        cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
        cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking);
    }
    ~bench() { wg_shim_reset(); }
    void fetch(cudaStream_t from) { cudaMemcpyAsync(&host, x, sizeof host, cudaMemcpyDeviceToHost, from); }
};

static bool copies_are_bounded()
{
    bench b;
    char  big[64] = {0};
    bool  ok = cudaMemcpy(b.x, big, 5, cudaMemcpyHostToDevice) == cudaErrorInvalidValue && told("do not fit");
    ok &= cudaMemcpy(big, b.x + 1, 1, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue && told("do not fit");
    ok &= cudaMemset(b.x, 0, 5) == cudaErrorInvalidValue && told("do not fit");
    ok &= cudaMemcpy(big, big + 32, 4, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue && told("no device memory");
    return ok && cudaMemcpy(b.x, b.x, 4, cudaMemcpyHostToDevice) == cudaErrorInvalidValue &&
           told("host memory belongs");
}

static bool freed_is_gone()
{
    bench b;
    cudaFree(b.x);
    bool ok = cudaMemcpy(b.x, &b.host, 4, cudaMemcpyHostToDevice) == cudaErrorInvalidValue && told("use after free");
    ok &= cudaFree(b.x) == cudaErrorInvalidValue && told("freed twice");
    return ok && cudaFree(&b.host) == cudaErrorInvalidValue && told("not allocated");
}

#ifndef __SANITIZE_ADDRESS__
/* Memory that is given back in the order of the stream is gone for the kernel after it. */
static bool kernel_after_free()
{
    bench b;
    cudaFreeAsync(b.x, b.s);
    WG_LAUNCH(set_to, 1, 1, 0, b.s)(b.x, 1);
    return cudaStreamSynchronize(b.s) == cudaErrorIllegalAddress && told("freed device memory");
}
#endif

static bool fresh_is_poisoned()
{
    bench  b;
    float *f;
    double v[2];
    cudaMalloc(&f, 16);
    cudaMemcpy(v, f, 16, cudaMemcpyDeviceToHost);
    float w;
    memcpy(&w, v, 4);
    return v[0] != v[0] && v[1] != v[1] && w != w;
}

/* Sizes that lie across pages, of which the shim takes none before it is touched. */
static bool large_fills()
{
    enum { SIZE = (3 << 20) + 100 };
    bench                      b;
    unsigned char             *p;
    std::vector<unsigned char> host(SIZE), want(SIZE, 0xff);
    cudaMalloc(&p, SIZE);
    bool ok = true;
    for (int byte : {0xff, 0, 7, 0}) {
        if (byte != 0xff) cudaMemset(p + 5, byte, SIZE - 8), memset(want.data() + 5, byte, SIZE - 8);
        cudaMemcpy(host.data(), p, SIZE, cudaMemcpyDeviceToHost);
        ok &= host == want;
    }
    return ok && cudaDeviceSynchronize() == cudaSuccess && wg_shim_complaints() == 0;
}

static bool must_wait()
{
    bench b;
    WG_LAUNCH(set_to, 1, 1, 0, b.s)(b.x, 5);
    b.fetch(b.s);
    if (b.host != -7) return false;
    return cudaStreamSynchronize(b.s) == cudaSuccess && b.host == 5;
}

/* The other stream reads what nobody has written yet. */
static bool streams_are_apart(bool wait, int want)
{
    bench       b;
    cudaEvent_t done;
    cudaEventCreate(&done);
    WG_LAUNCH(set_to, 1, 1, 0, b.s)(b.x, 5);
    cudaEventRecord(done, b.s);
    if (wait) cudaStreamWaitEvent(b.other, done, 0);
    b.fetch(b.other);
    cudaStreamSynchronize(b.other);
    return b.host == want;
}

static bool queries_come_to_an_end()
{
    bench       b;
    cudaEvent_t done;
    cudaEventCreate(&done);
    WG_LAUNCH(set_to, 1, 1, 0, b.s)(b.x, 5);
    cudaEventRecord(done, b.s);
    if (cudaEventQuery(done) != cudaErrorNotReady) return false;
    for (int i = 0; i < 10; i++)
        if (cudaEventQuery(done) == cudaSuccess) return true;
    return false;
}

static bool graph_replays()
{
    bench           b;
    cudaGraph_t     g;
    cudaGraphExec_t run;
    cudaEvent_t     fork, join;
    cudaEventCreate(&fork), cudaEventCreate(&join);
    cudaMemset(b.x, 0, sizeof *b.x);
    cudaDeviceSynchronize();
    cudaStreamBeginCapture(b.s, cudaStreamCaptureModeThreadLocal);
    cudaEventRecord(fork, b.s);
    cudaStreamWaitEvent(b.other, fork, 0);
    WG_LAUNCH(increase, 1, 1, 0, b.other)(b.x);
    cudaEventRecord(join, b.other);
    cudaStreamWaitEvent(b.s, join, 0);
    b.fetch(b.s);
    if (cudaStreamEndCapture(b.s, &g) || cudaGraphInstantiate(&run, g, 0)) return false;
    cudaGraphDestroy(g);
    cudaStreamSynchronize(b.s);
    bool ok = b.host == -7 && wg_shim_launches() == 0;
    for (int i = 1; i <= 3; i++) {
        cudaGraphLaunch(run, b.s);
        ok &= b.host == (i == 1 ? -7 : i - 1) && cudaStreamSynchronize(b.s) == cudaSuccess && b.host == i;
    }
    return ok && cudaGraphExecDestroy(run) == cudaSuccess && wg_shim_complaints() == 0;
}

static bool capture_forbids()
{
    bench       b;
    cudaGraph_t g;
    void       *p;
    cudaStreamBeginCapture(b.s, cudaStreamCaptureModeGlobal);
    bool ok = cudaStreamSynchronize(b.s) == cudaErrorStreamCaptureUnsupported && told("capturing");
    ok &= cudaMalloc(&p, 4) == cudaErrorStreamCaptureUnsupported && told("capturing");
    ok &= cudaMemcpy(b.x, &b.host, 4, cudaMemcpyHostToDevice) == cudaErrorStreamCaptureUnsupported && told("capturing");
    ok &= cudaStreamEndCapture(b.s, &g) == cudaErrorStreamCaptureInvalidated && g == NULL;
    cudaEvent_t fork;
    cudaGetLastError();
    cudaEventCreate(&fork);
    cudaStreamBeginCapture(b.s, cudaStreamCaptureModeGlobal);
    cudaEventRecord(fork, b.s);
    cudaStreamWaitEvent(b.other, fork, 0);
    WG_LAUNCH(increase, 1, 1, 0, b.other)(b.x);
    return ok && cudaStreamEndCapture(b.s, &g) == cudaErrorStreamCaptureUnjoined && told("did not come back");
}

static bool leaks_are_told()
{
    bench b;
    void *pinned;
    cudaMallocHost(&pinned, 8);
    int n = wg_shim_leaks(true), said = wg_shim_complaints();
    cudaFree(b.x), cudaFreeHost(pinned), cudaStreamDestroy(b.s), cudaStreamDestroy(b.other);
    return n == 4 && said == 3 && wg_shim_leaks(false) == 0;
}

static bool nth_call_fails()
{
    bench b;
    void *p = &b;
    wg_shim_fail_call(2);
    bool ok = cudaMemset(b.x, 0, 4) == cudaSuccess && cudaMalloc(&p, 4) == cudaErrorMemoryAllocation;
    ok &= cudaGetLastError() == cudaErrorMemoryAllocation && cudaGetLastError() == cudaSuccess;
    wg_shim_fail_call(1);
    WG_LAUNCH(set_to, 1, 1, 0, b.s)(b.x, 1);
    return ok && cudaGetLastError() != cudaSuccess && wg_shim_complaints() == 0;
}

/* What look does ends the process that it has for itself. */
static bool dies(void (*look)(bench &b), bench &b)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr)) _exit(0);
        look(b);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void follow(void *x) { (void)*(volatile int *)x; }
static void look_after_work(bench &b)
{
    WG_LAUNCH(set_to, 1, 1, 0, b.s)(b.x, 1);
    cudaStreamSynchronize(b.s);
    follow(b.x);
}
/* A kernel before it and one after it. */
static void look_between_work(bench &b)
{
    WG_LAUNCH(set_to, 1, 1, 0, b.s)(b.x, 1);
    cudaLaunchHostFunc(b.s, follow, b.x);
    WG_LAUNCH(increase, 1, 1, 0, b.s)(b.x);
    cudaStreamSynchronize(b.s);
}
static void look_elsewhere(bench &b)
{
    WG_LAUNCH(set_to, 1, 1, 0, b.s)(b.x, 1);
    cudaLaunchHostFunc(b.s, follow, &b.host);
    WG_LAUNCH(increase, 1, 1, 0, b.s)(b.x);
    cudaStreamSynchronize(b.s);
}

/* Host code that follows a device pointer dies. */
static bool host_cannot_look()
{
    bench b;
    bool  dead = dies([](bench &c) { follow(c.x); }, b) && dies(look_after_work, b) && dies(look_between_work, b) &&
                !dies(look_elsewhere, b);
    wg_shim_open();
    bool open = *(volatile int *)b.x == -1;
    wg_shim_close();
    return dead && open;
}

void test_shim_memory(void)
{
    tap(copies_are_bounded(), "shim: copies out of bounds, or to the wrong side");
    tap(freed_is_gone(), "shim: use after free, double free, foreign free");
#ifdef __SANITIZE_ADDRESS__
    tap_skip("the address sanitizer would end the program", "shim: a kernel after cudaFreeAsync of its memory");
#else
    tap(kernel_after_free(), "shim: a kernel after cudaFreeAsync of its memory");
#endif
    tap(fresh_is_poisoned(), "shim: new device memory is NaN");
    tap(large_fills(), "shim: fills of many pages");
    tap(must_wait(), "shim: a result that nobody waited for is not there");
    tap(streams_are_apart(false, -1), "shim: a stream that forgot to wait for another reads old values");
    tap(streams_are_apart(true, 5), "shim: with an event it reads the new ones");
    tap(queries_come_to_an_end(), "shim: an event that is asked again and again");
    tap(graph_replays(), "shim: a graph is captured from two streams, and replayed");
    tap(capture_forbids(), "shim: calls that a capture does not allow, a stream that does not come back");
    tap(leaks_are_told(), "shim: leaks of memory and streams");
    tap(nth_call_fails(), "shim: the n-th call fails");
    tap(host_cannot_look(), "shim: host code cannot read device memory");
}
