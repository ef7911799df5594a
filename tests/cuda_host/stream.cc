/* stream.cc - streams and events.
 *
 * Work waits in its stream's queue until somebody waits for it: then that
 * stream runs up to there, and first what it waits for in turn.  So a result
 * that nobody waited for is not there yet. */
#include <utility>

#include "stream.h"

using namespace shim;

CUstream_st                shim::zero = {{}, 0, 0, true, false, NULL, NULL, 0, 0};
std::vector<CUstream_st *> shim::streams;
std::vector<CUevent_st *>  shim::events;

namespace
{

void run_upto(CUstream_st *s, uint64_t count)
{
    while (s->done < count && !s->queue.empty()) {
        piece p = std::move(s->queue.front());
        s->queue.pop_front();
        for (const upto &u : p.after) run_upto(u.stream, u.count);
        if (!is_broken() && p.run) p.run();
        s->done++;
    }
}

/* Stream 0 and the blocking streams wait for each other's work so far. */
std::vector<upto> neighbours(const CUstream_st *s)
{
    std::vector<upto> all;
    if (s == &zero)
        for (CUstream_st *o : streams)
            if (o->blocking && o->done < o->asked) all.push_back({o, o->asked});
    if (s != &zero && s->blocking && zero.done < zero.asked) all.push_back({&zero, zero.asked});
    return all;
}

void push(CUstream_st *s, work w, std::vector<upto> after)
{
    s->queue.push_back({std::move(w), std::move(after)});
    s->asked++;
}

bool known(cudaEvent_t e)
{
    for (CUevent_st *o : events)
        if (o == e && !o->dead) return true;
    return false;
}

CUstream_st *origin_of(CUstream_st *s) { return s->origin ? s->origin : s; }

} // namespace

cudaError_t shim::spoil(CUstream_st *s, const char *what)
{
    s->graph->broken = true;
    return wrong(cudaErrorStreamCaptureUnsupported, "%s: the stream is capturing", what);
}

CUstream_st *shim::stream_of(cudaStream_t s)
{
    if (!s || s == cudaStreamLegacy) return &zero;
    for (CUstream_st *o : streams)
        if (o == s && !o->dead) return o;
    return NULL;
}

bool shim::capturing(cudaStream_t s)
{
    CUstream_st *o = stream_of(s);
    return o && o->graph;
}

/* In every mode of capture: the relaxed one allows it, but nothing of ours should need it. */
bool shim::forbidden()
{
    for (CUstream_st *o : streams)
        if (o->graph) return o->graph->broken = true;
    return false;
}

cudaError_t shim::enqueue(cudaStream_t h, const char *what, work w)
{
    CUstream_st *s = stream_of(h);
    if (!s) return wrong(cudaErrorInvalidResourceHandle, "%s: no such stream", what);
    if (s == &zero && forbidden())
        return wrong(cudaErrorStreamCaptureUnsupported, "%s: on stream 0 while a stream is capturing", what);
    if (s->graph) {
        s->graph->nodes.push_back(std::move(w));
        s->captured++;
    } else {
        push(s, std::move(w), neighbours(s));
    }
    return cudaSuccess;
}

cudaError_t shim::run_all(const char *what)
{
    (void)what;
    drain together;
    for (size_t i = 0; i < streams.size(); i++) run_upto(streams[i], streams[i]->asked);
    run_upto(&zero, zero.asked);
    check_guards();
    return cudaPeekAtLastError() && is_broken() ? cudaPeekAtLastError() : cudaSuccess;
}

void shim::forget_streams()
{
    for (CUstream_st *s : streams) delete s;
    for (CUevent_st *e : events) delete e;
    streams.clear(), events.clear();
    zero.queue.clear();
    zero.asked = zero.done = 0;
}

/* Dead ones are remembered for complaints, until the shim itself goes. */
static struct forget_streams_at_end {
    ~forget_streams_at_end() { shim::forget_streams(); }
} at_end;

int shim::leaked_streams(bool say)
{
    int n = 0;
    for (CUstream_st *s : streams) n += !s->dead;
    if (n && say) complain("leak: " + std::to_string(n) + " streams");
    int m = 0;
    for (CUevent_st *e : events) m += !e->dead;
    if (m && say) complain("leak: " + std::to_string(m) + " events");
    return n + m;
}

/* ---- Streams ---- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags)
{
    call c(true, cudaErrorMemoryAllocation);
    if (c.error) return c.error;
    if (!s || flags > cudaStreamNonBlocking)
        return wrong(cudaErrorInvalidValue, "cudaStreamCreateWithFlags: %u", flags);
    *s = new CUstream_st(zero);
    **s = {{}, 0, 0, flags != cudaStreamNonBlocking, false, NULL, NULL, 0, 0};
    streams.push_back(*s);
    return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t *s) { return cudaStreamCreateWithFlags(s, cudaStreamDefault); }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *s, unsigned flags, int priority)
{
    (void)priority;
    return cudaStreamCreateWithFlags(s, flags);
}

cudaError_t cudaStreamDestroy(cudaStream_t h)
{
    call         c(false);
    CUstream_st *s = stream_of(h);
    if (!s || s == &zero) return wrong(cudaErrorInvalidResourceHandle, "cudaStreamDestroy: no such stream");
    drain together;
    run_upto(s, s->asked);
    s->dead = true;
    return c.error;
}

cudaError_t cudaStreamSynchronize(cudaStream_t h)
{
    call         c;
    CUstream_st *s = stream_of(h);
    if (c.error) return c.error;
    if (!s) return wrong(cudaErrorInvalidResourceHandle, "cudaStreamSynchronize: no such stream");
    if (s->graph) return spoil(s, "cudaStreamSynchronize");
    drain together;
    for (const upto &u : neighbours(s)) run_upto(u.stream, u.count);
    run_upto(s, s->asked);
    check_guards();
    return is_broken() ? cudaPeekAtLastError() : cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void)
{
    call c;
    if (c.error) return c.error;
    if (forbidden())
        return wrong(cudaErrorStreamCaptureUnsupported, "cudaDeviceSynchronize while a stream is capturing");
    return run_all("cudaDeviceSynchronize");
}

/* A question makes a piece of work go on, so that who asks again and again gets an answer. */
cudaError_t cudaStreamQuery(cudaStream_t h)
{
    call         c;
    CUstream_st *s = stream_of(h);
    if (c.error) return c.error;
    if (!s) return wrong(cudaErrorInvalidResourceHandle, "cudaStreamQuery: no such stream");
    if (s->graph) return spoil(s, "cudaStreamQuery");
    if (s->done >= s->asked) return cudaSuccess;
    run_upto(s, s->done + 1);
    return cudaErrorNotReady;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t s, void (*f)(void *), void *context)
{
    call c;
    if (c.error) return c.error;
    return enqueue(s, "cudaLaunchHostFunc", [=]() {
        shut door;
        f(context);
    });
}

/* ---- Events ---- */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags)
{
    (void)flags;
    call c(true, cudaErrorMemoryAllocation);
    if (c.error) return c.error;
    *e = new CUevent_st{false, false, {&zero, 0}, NULL, {}};
    events.push_back(*e);
    return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t *e) { return cudaEventCreateWithFlags(e, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t e)
{
    call c(false);
    if (!known(e)) return wrong(cudaErrorInvalidResourceHandle, "cudaEventDestroy: no such event");
    e->dead = true;
    return c.error;
}

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t h)
{
    call         c;
    CUstream_st *s = stream_of(h);
    if (c.error) return c.error;
    if (!known(e) || !s) return wrong(cudaErrorInvalidResourceHandle, "cudaEventRecord: no such event or stream");
    e->recorded = true;
    e->graph = s->graph;
    if (s->graph) {
        e->at = {s, s->captured};
        return cudaSuccess;
    }
    push(
        s, [e]() { e->time = std::chrono::steady_clock::now(); }, neighbours(s));
    e->at = {s, s->asked};
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t h, cudaEvent_t e, unsigned flags)
{
    (void)flags;
    call         c;
    CUstream_st *s = stream_of(h);
    if (c.error) return c.error;
    if (!known(e) || !s) return wrong(cudaErrorInvalidResourceHandle, "cudaStreamWaitEvent: no such event or stream");
    if (!e->recorded) return cudaSuccess;
    if (e->graph) { /* joins the capture, or comes back into it */
        if (s->graph && s->graph != e->graph)
            return wrong(cudaErrorStreamCaptureUnsupported,
                         "cudaStreamWaitEvent: the event belongs to another capture");
        if (!s->graph) s->graph = e->graph, s->origin = origin_of(e->at.stream), s->captured = s->joined = 0;
        e->at.stream->joined = e->at.count;
        return cudaSuccess;
    }
    if (s->graph) return spoil(s, "cudaStreamWaitEvent: for work outside of the capture");
    push(s, NULL, {e->at});
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t e)
{
    call c;
    if (c.error) return c.error;
    if (!known(e)) return wrong(cudaErrorInvalidResourceHandle, "cudaEventSynchronize: no such event");
    if (e->graph) return wrong(cudaErrorStreamCaptureUnsupported, "cudaEventSynchronize: the event was captured");
    drain together;
    if (e->recorded) run_upto(e->at.stream, e->at.count);
    check_guards();
    return is_broken() ? cudaPeekAtLastError() : cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t e)
{
    call c;
    if (c.error) return c.error;
    if (!known(e)) return wrong(cudaErrorInvalidResourceHandle, "cudaEventQuery: no such event");
    if (!e->recorded || e->at.stream->done >= e->at.count) return cudaSuccess;
    run_upto(e->at.stream, e->at.stream->done + 1);
    return cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to)
{
    call c;
    if (c.error) return c.error;
    if (!known(from) || !known(to) || !from->recorded || !to->recorded)
        return wrong(cudaErrorInvalidResourceHandle, "cudaEventElapsedTime: an event that was not recorded");
    if (from->at.stream->done < from->at.count || to->at.stream->done < to->at.count) return cudaErrorNotReady;
    *ms = std::chrono::duration<float, std::milli>(to->time - from->time).count();
    return cudaSuccess;
}
