/* inside.h - what the files of the shim share. */
#ifndef WENGERT_TESTS_CUDA_INSIDE_H
#define WENGERT_TESTS_CUDA_INSIDE_H

#include <mutex>
#include <string>

#include "cuda_runtime.h"
#include "shim.h"

#if defined(__SANITIZE_ADDRESS__)
#define WG_SHIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WG_SHIM_ASAN 1
#endif
#endif

namespace shim
{

/* ---- Calls and errors (shim.cc) ---- */

extern std::recursive_mutex lock;

/* Stands at the head of a runtime call. */
struct call {
    std::lock_guard<std::recursive_mutex> held{lock};
    cudaError_t                           error;
    /* counts: may be made to fail; fails with `as`. */
    explicit call(bool counts = true, cudaError_t as = cudaErrorUnknown);
};
/* The call was wrong: keeps the error and a complaint. */
cudaError_t wrong(cudaError_t e, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same without blame: memory is short, a failure was asked for. */
cudaError_t keep(cudaError_t e);
void        complain(const std::string &text);
/* Work on the device went wrong: every later call fails. */
void broken(cudaError_t e);
bool is_broken();

/* ---- Memory (memory.cc) ---- */

/* What is at p, for messages: "12 bytes past the end of device memory of 400 bytes". */
std::string describe(const void *p);
bool        is_device(const void *p);
/* Guards are whole; else complaints.  Costs nothing if device memory was not open since the last time. */
void check_guards();
void forget_memory();
int  leaked_memory(bool say);

/* Host code must not look into device memory; while one of these lives, it is open. */
struct opened {
    opened();
    ~opened();
    opened(const opened &) = delete;
};
/* To open and shut it takes longer than most kernels: while one of these lives,
 * what was opened stays open.  Around pieces of work that follow each other. */
struct drain {
    drain();
    ~drain();
    drain(const drain &) = delete;
};
/* Within the two: around what the host does in its turn. */
struct shut {
    shut();
    ~shut();
    shut(const shut &) = delete;
};

/* ---- Streams (stream.cc) ---- */

typedef std::function<void()> work;
/* NULL where s is no stream. */
struct CUstream_st *stream_of(cudaStream_t s);
cudaError_t         enqueue(cudaStream_t s, const char *what, work w);
bool                capturing(cudaStream_t s);
/* Whether a call that waits or allocates is now forbidden by a capture (all streams: s == NULL). */
bool        forbidden();
cudaError_t run_all(const char *what);
void        forget_streams();
int         leaked_streams(bool say);

/* ---- Graphs (graph.cc) ---- */

void forget_graphs();
int  leaked_graphs(bool say);

/* ---- Libraries (library.cc) ---- */

void forget_libraries();
int  leaked_libraries(bool say);

/* ---- Blocks (block.cc) ---- */

struct launch {
    std::string           name;
    dim3                  grid, block;
    size_t                shared;
    std::function<void()> thread;
};
void run(const launch &l);
/* A thread of a kernel is running. */
bool in_kernel();
void install_signals();

extern unsigned order;
extern long     launches;

} // namespace shim

#endif
