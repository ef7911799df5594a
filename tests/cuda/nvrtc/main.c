/* main.c - NVRTC itself takes the loops of every golden tape, for several generations.
 *
 * The graphs are compiled for a device, the shim's, and the sources of their
 * loops by the NVRTC that WG_NVRTC names or the loader finds.  No GPU is needed. */
#include <stdlib.h>
#include <string.h>

#include "cuda/loop/cuda_loop.h"
#include "cuda/program.h"
#include "cuda/tap.h"
#include "tape/golden_models.h"

struct tap_count tap_count;

static const int generations[] = {75, 90, 100, 120};

/* The texts that were seen: equal loops are compiled once. */
static char *seen[512];
static int   n_seen;

static bool is_new(char *source)
{
    for (int i = 0; i < n_seen; i++)
        if (!strcmp(seen[i], source)) return free(source), false;
    return n_seen < (int)(sizeof seen / sizeof *seen) ? seen[n_seen++] = source, true : (free(source), false);
}

static bool compiles(const char *source, int sm, const char *name, int instr)
{
    size_t bytes = 0;
    char   why[4000] = "";
    void  *code = wg__cuda_compile(source, sm, 0, &bytes, why, sizeof why);
    bool   ok = code && bytes > 100 && !memcmp(code, "\177ELF", 4);
    if (!ok) tap_note("%s, instruction %d, sm_%d: %s", name, instr, sm, why);
    free(code);
    return ok;
}

/* As a tape of the shim, which cannot run what NVRTC makes. */
static wg_tape *device_tape(wg_graph *g, int n, wg_node *const out[], const wg_options *o)
{
    const char *named = getenv("WG_NVRTC");
    char       *before = named ? strdup(named) : NULL;
    setenv("WG_NVRTC", "none", 1);
    wg_tape *t = n ? wg_compile(g, n, out, o) : NULL;
    if (before) setenv("WG_NVRTC", before, 1);
    else unsetenv("WG_NVRTC");
    free(before);
    return t;
}

static void loops_of(const struct golden *m)
{
    wg_graph  *g = wg_graph_new();
    wg_node   *out[GOLDEN_OUTPUTS];
    wg_options o = m->options;
    int        n = m->build(g, out), loops = 0, fresh = 0;
    o.device = WG_DEVICE_CUDA(0);
    wg_tape *t = device_tape(g, n, out, &o);
    bool     ok = t;
    if (!t) tap_note("%s", wg_message(g));
    for (int i = 0; t && i < t->n_instr; i++) {
        struct wg__cuda_loop l;
        if (!t->instr[i].loop) continue;
        wg__cuda_translate(t->instr[i].loop, &l);
        char *source = wg__cuda_loop_source(&l);
        loops++;
        ok = ok && source;
        if (!source || !is_new(source)) continue;
        fresh++;
        for (size_t s = 0; s < sizeof generations / sizeof *generations; s++)
            ok = compiles(source, generations[s], m->name, i) && ok;
    }
    wg_graph_free(g);
    tap(ok, "NVRTC takes the loops of %s: %d, of which %d are new, for sm_75 to sm_120", m->name, loops, fresh);
}

static bool there_is_nvrtc(char *why, size_t size)
{
    size_t bytes;
    void  *code = wg__cuda_compile("__global__ void nothing() {}\n", 90, 0, &bytes, why, size);
    bool   there = code || !strstr(why, "no NVRTC");
    free(code);
    return there;
}

int main(void)
{
    char why[400] = "";
    setvbuf(stdout, NULL, _IOLBF, 0);
    setenv("XDG_CACHE_HOME", "/dev/null", 1); /* no folder can be made there: nothing comes from a cache */
    if (!there_is_nvrtc(why, sizeof why)) tap_skip(why, "NVRTC takes the loops of golden tapes");
    else
        for (int k = 0; k < GOLDENS; k++) loops_of(&golden[k]);
    for (int i = 0; i < n_seen; i++) free(seen[i]);
    return tap_end();
}
