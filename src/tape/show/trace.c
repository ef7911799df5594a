/* The time of each instruction, as Chrome trace JSON (the "Trace Event
 * Format": complete events, microseconds). */
#include <stdlib.h>
#include <string.h>

#include "base/json/json.h"
#include "base/system/clock.h"
#include "tape/tape_impl.h"

struct wg__trace {
    int       runs, n_instr; /* room */
    int       done;          /* runs recorded */
    int64_t   origin;
    uint64_t *run;  /* [runs] numbers */
    int64_t  *time; /* [runs][n_instr + 1] nanoseconds: start, then the end of each */
};

void wg__trace_free(struct wg__trace *r)
{
    if (!r) return;
    free(r->run);
    free(r->time);
    free(r);
}

int wg_trace(wg_tape *t, int runs)
{
    if (!t) return wg__no_tape("trace");
    if (t->eager) return wg__tape_fail(t, WG_EARG, "trace: an eager tape has no instructions");
    if (runs < 0) return wg__tape_fail(t, WG_EARG, "trace: %d runs", runs);
    wg__trace_free(t->trace);
    t->trace = NULL;
    if (runs == 0) return WG_OK;
    struct wg__trace *r = calloc(1, sizeof *r);
    if (r) {
        *r = (struct wg__trace){.runs = runs, .n_instr = t->n_instr, .origin = (int64_t)wg__now_ns()};
        r->run = calloc((size_t)runs, sizeof *r->run);
        r->time = calloc((size_t)runs, ((size_t)t->n_instr + 1) * sizeof *r->time);
    }
    if (!r || !r->run || !r->time) {
        wg__trace_free(r);
        return wg__tape_fail(t, WG_ENOMEM, "out of memory");
    }
    t->trace = r;
    return WG_OK;
}

static int64_t *find_row(const struct wg__trace *r, int i) { return r->time + (size_t)i * ((size_t)r->n_instr + 1); }

void wg__trace_begin(struct wg__trace *r, uint64_t run)
{
    if (r->done == r->runs) return;
    r->run[r->done] = run;
    find_row(r, r->done)[0] = (int64_t)wg__now_ns();
}

void wg__trace_mark(struct wg__trace *r, int instr)
{
    if (r->done == r->runs) return;
    find_row(r, r->done)[instr + 1] = (int64_t)wg__now_ns();
    if (instr + 1 == r->n_instr) r->done++;
}

static void say_event(const wg_tape *t, const struct wg__trace *r, int run, int i, struct wg__text *to)
{
    const struct wg__instr *p = &t->instr[i];
    const int64_t          *time = find_row(r, run);
    char                    name[400], shape[96];
    size_t                  n = 0;
    *name = 0;
    for (int k = 0; k < p->n_chain; k++) wg__append(name, sizeof name, &n, "%s%s", k ? "+" : "", p->chain[k]->op->name);
    wg__text_put(to, run || i ? ",\n{\"name\":" : "{\"name\":");
    wg__text_string(to, name);
    wg__text_say(
        to, ",\"cat\":\"instruction\",\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":%.3f,\"dur\":%.3f,\"args\":{\"value\":",
        (double)(time[i] - r->origin) * 1e-3, (double)(time[i + 1] - time[i]) * 1e-3);
    wg__text_string(to, wg__value_name(t, p->node, name, sizeof name));
    wg__text_put(to, ",\"shape\":");
    wg__text_string(to, wg__shape_str(t->g, p->node->shape, shape, sizeof shape));
    wg__text_say(to, ",\"flops\":%.0f,\"run\":%llu}}", p->flops, (unsigned long long)r->run[run]);
}

int wg_trace_write(const wg_tape *t, FILE *f)
{
    if (!t) return wg__no_tape("trace_write");
    if (!f) return wg__fail(t->user, WG_EARG, "trace_write: the file is NULL");
    if (!t->trace)
        return wg__fail(t->user, WG_EARG, "trace_write: nothing was recorded: %s",
                        t->eager ? "an eager tape has no instructions" : "see wg_trace");
    struct wg__text event = {0};
    void           *locale = wg__locale_c();
    fprintf(f, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
    for (int run = 0; run < t->trace->done; run++)
        for (int i = 0; i < t->n_instr; i++) {
            event.n = 0;
            say_event(t, t->trace, run, i, &event);
            fwrite(event.at, 1, event.n, f);
        }
    fprintf(f, "\n]}\n");
    wg__locale_back(locale);
    int status = event.failed ? wg__fail_nomem(t->user) : fflush(f) || ferror(f) ? WG_EIO : WG_OK;
    wg__text_free(&event);
    return status;
}
