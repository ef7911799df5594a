/* stream.h - streams and events, and what is being captured of them. */
#ifndef WENGERT_TESTS_CUDA_STREAM_H
#define WENGERT_TESTS_CUDA_STREAM_H

#include <chrono>
#include <deque>
#include <vector>

#include "inside.h"

struct CUgraph_st {
    std::vector<shim::work> nodes;
    bool                    broken;
};

/* The first `count` pieces of work of a stream. */
struct upto {
    CUstream_st *stream;
    uint64_t     count;
};
struct piece {
    shim::work        run;
    std::vector<upto> after;
};
struct CUstream_st {
    std::deque<piece> queue;
    uint64_t          asked, done;
    bool              blocking, dead;
    CUgraph_st       *graph;  /* capturing into it */
    CUstream_st      *origin; /* whose capture it is */
    uint64_t          captured, joined;
};
struct CUevent_st {
    bool                                  recorded, dead;
    upto                                  at;
    CUgraph_st                           *graph; /* recorded while capturing */
    std::chrono::steady_clock::time_point time;
};

namespace shim
{

extern CUstream_st                zero;    /* stream 0 */
extern std::vector<CUstream_st *> streams; /* dead ones too: events may name them */
extern std::vector<CUevent_st *>  events;  /* dead ones too */

/* A call that a capture does not allow spoils it. */
cudaError_t spoil(CUstream_st *s, const char *what);

} // namespace shim

#endif
