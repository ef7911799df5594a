/* The time of each instruction, as Chrome trace JSON (the "Trace Event
 * Format": complete events, microseconds). */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tape/tape_impl.h"

struct wg__trace {
    int       runs, n_instr; /* room */
    int       done;          /* runs recorded */
    int64_t   origin;
    uint64_t *run;  /* [runs] numbers */
    int64_t  *time; /* [runs][n_instr + 1] nanoseconds: start, then the end of each */
};

static int64_t read_clock(void)
{
    struct timespec s;
    clock_gettime(CLOCK_MONOTONIC, &s);
    return (int64_t)s.tv_sec * 1000000000 + s.tv_nsec;
}

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
        *r = (struct wg__trace){.runs = runs, .n_instr = t->n_instr, .origin = read_clock()};
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
    find_row(r, r->done)[0] = read_clock();
}

void wg__trace_mark(struct wg__trace *r, int instr)
{
    if (r->done == r->runs) return;
    find_row(r, r->done)[instr + 1] = read_clock();
    if (instr + 1 == r->n_instr) r->done++;
}

/* Writes s as the inside of a JSON string; a byte that is no UTF-8 becomes U+FFFD. */
static void write_json_text(FILE *f, const char *s)
{
    for (size_t left = strlen(s), n; left; s += n, left -= n) {
        n = wg__utf8((const unsigned char *)s, left);
        if (*s == '"' || *s == '\\') fprintf(f, "\\%c", *s);
        else if ((unsigned char)*s < 32 || *s == 127) fprintf(f, "\\u%04x", *s);
        else if (n) fwrite(s, 1, n, f);
        else {
            n = 1;
            fputs("\\ufffd", f);
        }
    }
}

static void write_event(const wg_tape *t, const struct wg__trace *r, int run, int i, FILE *f)
{
    const struct wg__instr *p = &t->instr[i];
    const int64_t          *time = find_row(r, run);
    char                    name[128], shape[96];
    fprintf(f, "%s{\"name\":\"", run || i ? ",\n" : "");
    for (int k = 0; k < p->n_chain; k++) {
        if (k) fputc('+', f);
        write_json_text(f, p->chain[k]->op->name);
    }
    fprintf(
        f,
        "\",\"cat\":\"instruction\",\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":%.3f,\"dur\":%.3f,\"args\":{\"value\":\"",
        (double)(time[i] - r->origin) * 1e-3, (double)(time[i + 1] - time[i]) * 1e-3);
    write_json_text(f, wg__value_name(t, p->node, name, sizeof name));
    fprintf(f, "\",\"shape\":\"");
    write_json_text(f, wg__shape_str(t->g, p->node->shape, shape, sizeof shape));
    fprintf(f, "\",\"flops\":%.0f,\"run\":%llu}}", p->flops, (unsigned long long)r->run[run]);
}

int wg_trace_write(const wg_tape *t, FILE *f)
{
    if (!t) return wg__no_tape("trace_write");
    if (!f) return wg__fail(t->user, WG_EARG, "trace_write: the file is NULL");
    if (!t->trace)
        return wg__fail(t->user, WG_EARG, "trace_write: nothing was recorded: %s",
                        t->eager ? "an eager tape has no instructions" : "see wg_trace");
    void *locale = wg__locale_c();
    fprintf(f, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
    for (int run = 0; run < t->trace->done; run++)
        for (int i = 0; i < t->n_instr; i++) write_event(t, t->trace, run, i, f);
    fprintf(f, "\n]}\n");
    wg__locale_back(locale);
    return fflush(f) || ferror(f) ? WG_EIO : WG_OK;
}
