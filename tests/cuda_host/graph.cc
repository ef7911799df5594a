/* graph.cc - captures, and the graphs that come of them. */
#include <set>

#include "stream.h"

using namespace shim;

struct CUgraphExec_st {
    std::vector<work> nodes;
};

static std::set<cudaGraph_t>     graphs;
static std::set<cudaGraphExec_t> execs;

void shim::forget_graphs()
{
    for (cudaGraph_t g : graphs) delete g;
    for (cudaGraphExec_t x : execs) delete x;
    graphs.clear(), execs.clear();
}

static struct forget_graphs_at_end {
    ~forget_graphs_at_end() { shim::forget_graphs(); }
} at_end;

int shim::leaked_graphs(bool say)
{
    int n = (int)(graphs.size() + execs.size());
    if (n && say) complain("leak: " + std::to_string(n) + " graphs");
    return n;
}

/* ---- Captures ---- */

cudaError_t cudaStreamBeginCapture(cudaStream_t h, cudaStreamCaptureMode)
{
    call         c;
    CUstream_st *s = stream_of(h);
    if (c.error) return c.error;
    if (!s || s == &zero) return wrong(cudaErrorStreamCaptureUnsupported, "cudaStreamBeginCapture: not on this stream");
    if (s->graph) return spoil(s, "cudaStreamBeginCapture");
    s->graph = new CUgraph_st{{}, false};
    graphs.insert(s->graph);
    s->origin = NULL;
    s->captured = s->joined = 0;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t h, cudaGraph_t *g)
{
    call         c(false);
    CUstream_st *s = stream_of(h);
    if (!s || !s->graph || s->origin) {
        *g = NULL;
        return wrong(cudaErrorStreamCaptureUnmatched, "cudaStreamEndCapture: the stream began no capture");
    }
    *g = s->graph;
    bool lost = false;
    for (CUstream_st *o : streams)
        if (o->graph == *g) {
            if (o != s && o->joined < o->captured) lost = true;
            o->graph = NULL, o->origin = NULL;
        }
    for (CUevent_st *e : events)
        if (e->graph == *g) e->graph = NULL, e->recorded = false;
    cudaError_t e = (*g)->broken ? keep(cudaErrorStreamCaptureInvalidated) : c.error;
    if (!e && lost)
        e = wrong(cudaErrorStreamCaptureUnjoined,
                  "cudaStreamEndCapture: a stream that joined the capture did not come back");
    if (!e) return cudaSuccess;
    graphs.erase(*g);
    delete *g;
    *g = NULL;
    return e;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t h, cudaStreamCaptureStatus *status)
{
    call         c;
    CUstream_st *s = stream_of(h);
    if (c.error) return c.error;
    if (!s) return wrong(cudaErrorInvalidResourceHandle, "cudaStreamIsCapturing: no such stream");
    *status = !s->graph          ? cudaStreamCaptureStatusNone
              : s->graph->broken ? cudaStreamCaptureStatusInvalidated
                                 : cudaStreamCaptureStatusActive;
    return cudaSuccess;
}

/* ---- Graphs ---- */

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *x, cudaGraph_t g, unsigned long long flags)
{
    (void)flags;
    call c(true, cudaErrorMemoryAllocation);
    if (c.error) return c.error;
    if (!graphs.count(g)) return wrong(cudaErrorInvalidValue, "cudaGraphInstantiate: no such graph");
    *x = new CUgraphExec_st{g->nodes};
    execs.insert(*x);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t x, cudaStream_t s)
{
    call c;
    if (c.error) return c.error;
    if (!execs.count(x)) return wrong(cudaErrorInvalidValue, "cudaGraphLaunch: no such graph");
    for (const work &w : x->nodes)
        if (cudaError_t e = enqueue(s, "cudaGraphLaunch", w)) return e;
    return cudaSuccess;
}
cudaError_t cudaGraphUpload(cudaGraphExec_t x, cudaStream_t s)
{
    call c;
    if (c.error) return c.error;
    if (!execs.count(x) || !stream_of(s))
        return wrong(cudaErrorInvalidValue, "cudaGraphUpload: no such graph or stream");
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t g)
{
    call c(false);
    if (!graphs.erase(g)) return wrong(cudaErrorInvalidValue, "cudaGraphDestroy: no such graph");
    delete g;
    return c.error;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t x)
{
    call c(false);
    if (!execs.erase(x)) return wrong(cudaErrorInvalidValue, "cudaGraphExecDestroy: no such graph");
    delete x;
    return c.error;
}

void wg_shim_capture(bool begin)
{
    static cudaStream_t s;
    cudaGraph_t         g = NULL;
    if (begin && !cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking))
        cudaStreamBeginCapture(s, cudaStreamCaptureModeRelaxed);
    if (begin) return;
    cudaStreamEndCapture(s, &g);
    cudaGraphDestroy(g);
    cudaStreamDestroy(s);
}
