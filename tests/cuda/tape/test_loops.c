/* Loops by kernels of their own, and loops that are launched as one: the bits are those of the interpreter. */
#include <dirent.h>
#include <elf.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "tape_test.h"

enum { STEPS = 3, PARAMS = 6 };

/* ---- NVRTC: the one for the host that lies beside the shim, or a GPU's own ---- */

static const char *nvrtc(void)
{
    static char path[PATH_MAX];
    const char *shim_path = getenv("WG_CUDA_LIBRARY"), *slash = shim_path ? strrchr(shim_path, '/') : NULL;
    if (!shim.there) return "";
    snprintf(path, sizeof path, "%.*slibnvrtc-host.so", slash ? (int)(slash - shim_path + 1) : 0, shim_path);
    return path;
}

/* A net whose loops are compiled, or interpreted. */
static struct net net_by(const char *with)
{
    if (*with) setenv("WG_NVRTC", with, 1);
    else unsetenv("WG_NVRTC");
    struct net n = net_new(WG_DEVICE_CUDA(0), WG_F32, 0);
    setenv("WG_NVRTC", "none", 1);
    return n;
}

static char *print_of(const struct net *n)
{
    char  *text = NULL;
    size_t size = 0;
    FILE  *f = open_memstream(&text, &size);
    if (f && n->tape) wg_tape_print(n->tape, f);
    if (f) fclose(f);
    return text;
}

/* Whether the print says of the loops what it should; NULL: nothing. */
static bool notes(const struct net *n, const char *what)
{
    char       *text = print_of(n);
    const char *note = text ? strstr(text, "note: loops ") : NULL;
    bool        ok = what ? note && !strncmp(note + 6, what, strlen(what)) : text && !note;
    if (!ok) tap_note("%s", note ? note : "no note");
    free(text);
    return ok;
}

/* ---- The cache: empty for each test ---- */

static char cache[PATH_MAX - 300];

static bool make_cache(void)
{
    const char *build = getenv("BUILD"), *other = getenv("TMPDIR");
    char        path[PATH_MAX - 320];
    if (!build || !*build) build = other && *other ? other : "/tmp";
    if (!realpath(build, path)) return false;
    snprintf(cache, sizeof cache, "%s/nvrtc-XXXXXX", path);
    return mkdtemp(cache) && !setenv("XDG_CACHE_HOME", cache, 1);
}

/* Calls f with the path of each file in the cache, at most n of them; how many. */
static int each_cached(int n, void (*f)(const char *path))
{
    char path[PATH_MAX];
    int  i = 0;
    snprintf(path, sizeof path, "%s/wengert", cache);
    DIR *d = opendir(path);
    for (struct dirent *e; d && i < n && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/wengert/%s", cache, e->d_name);
        f(path);
        i++;
    }
    if (d) closedir(d);
    return i;
}

static void delete_file(const char *path) { remove(path); }
static void damage_file(const char *path)
{
    FILE *f = fopen(path, "r+b");
    if (!f) return;
    fseek(f, -100, SEEK_END);
    fputs("damaged", f);
    fclose(f);
}

static void drop_cache(void)
{
    char path[PATH_MAX];
    each_cached(INT_MAX, delete_file);
    snprintf(path, sizeof path, "%s/wengert", cache);
    remove(path);
    remove(cache);
}

/* Code for a GPU, as of another machine that shares the cache. */
static void foreign_file(const char *path)
{
    struct {
        char     magic[8];
        uint64_t bytes, hash;
    } head;
    FILE       *f = fopen(path, "r+b");
    Elf64_Ehdr *code = NULL;
    if (f && fread(&head, sizeof head, 1, f) == 1) code = malloc(head.bytes);
    if (code && fread(code, head.bytes, 1, f) == 1) {
        code->e_machine = EM_CUDA;
        head.hash = XXH3_64bits(code, head.bytes);
        rewind(f);
        fwrite(&head, sizeof head, 1, f);
        fwrite(code, head.bytes, 1, f);
    }
    free(code);
    if (f) fclose(f);
}

/* ---- Tests ---- */

/* Both nets some steps on; whether they have the same parameters. */
static bool same_steps(struct net *a, struct net *b)
{
    bool ok = a->tape && b->tape;
    for (int i = 0; i < STEPS && ok; i++) ok = !net_step(a, i) && !net_step(b, i);
    if (!ok) tap_note("%s; %s; %s", wg_message(a->g), wg_message(b->g), b->tape ? wg_tape_message(b->tape) : "");
    return ok && net_difference(a, b) == 0;
}

static void own_kernels(void)
{
    struct net a = net_by("none"), b = net_by(nvrtc());
    if (!shim.there && b.tape && !notes(&b, NULL)) tap_skip("there is no NVRTC", "loops by their own kernels");
    else
        tap(same_steps(&a, &b) && notes(&a, "loops are interpreted\n") && notes(&b, NULL),
            "%d steps by the loops' own kernels: the bits of the interpreter", STEPS);
    wg_graph_free(a.g);
    wg_graph_free(b.g);
    tap(clean(), "what own kernels need is released");
}

/* Another net by what the cache has, and by a compiler that fails for the rest. */
static bool again(const char *compiler, const char *note)
{
    char *before = getenv("CXX") ? strdup(getenv("CXX")) : NULL;
    if (compiler) setenv("CXX", compiler, 1);
    struct net a = net_by("none"), b = net_by(nvrtc());
    bool       ok = same_steps(&a, &b) && notes(&b, note);
    if (before) setenv("CXX", before, 1);
    else unsetenv("CXX");
    free(before);
    wg_graph_free(a.g);
    wg_graph_free(b.g);
    return clean() && ok;
}

static void cached(void)
{
    if (without_shim("kernels from the cache")) return;
    tap(again("false", NULL), "what was compiled is in the cache");
    setenv("WG_SHIM_NVRTC_MINOR", "1", 1);
    tap(again("false", "loops are interpreted: NVRTC: status 6"), "what another release of NVRTC compiled is not used");
    unsetenv("WG_SHIM_NVRTC_MINOR");
    each_cached(1, damage_file);
    tap(again("false", "loops are interpreted: NVRTC: status 6"),
        "a damaged file is of no use, and its loop interpreted");
    tap(again(NULL, NULL), "and it is compiled again");
    each_cached(1, foreign_file);
    tap(again(NULL, "loops are interpreted: host shim (no GPU) (CUDA 0): cudaLibraryLoadData: "),
        "code that the device does not take, and its loop interpreted");
}

/* Runtime calls of a compilation. */
static long calls_of(const char *with)
{
    long       before = shim.calls();
    struct net n = net_by(with);
    long       calls = shim.calls() - before;
    wg_graph_free(n.g);
    return calls;
}

/* Kernels are loaded at the end of a compilation: one of these calls fails, or one of the first run. */
static void failing_calls(void)
{
    if (without_shim("a call for own kernels fails")) return;
    struct net a = net_by("none");
    long       compiles = 0, runs = 0, n = calls_of("none") - 12, last = calls_of(nvrtc()) + 30;
    bool       ok = a.tape && !net_step(&a, 0) && n > 0;
    for (; ok && n < last; n++) {
        shim.fail_call(n);
        struct net b = net_by(nvrtc());
        int        status = b.tape ? net_step(&b, 0) : WG_OK;
        shim.fail_call(0);
        if (!b.tape) ok = *wg_message(b.g) && ++compiles;
        else if (status) ok = *wg_tape_message(b.tape) && ++runs;
        else ok = net_difference(&a, &b) == 0;
        if (!ok) tap_note("call %ld: \"%s\" \"%s\"", n, wg_message(b.g), b.tape ? wg_tape_message(b.tape) : "");
        wg_graph_free(b.g);
        shim.forgive();
    }
    wg_graph_free(a.g);
    tap_note("%ld calls failed in compile and %ld in a run", compiles, runs);
    tap(clean() && ok && compiles && runs, "a call for own kernels fails: an error, nothing left");
}

/* ---- Groups ---- */

/* Adam of n parameters of all sizes by the sum of their squares; kernels of the third step, or -1. */
static long launches(int n, int device, float *first)
{
    static const int64_t size[PARAMS] = {4096, 3, 1000, 12345, 7, 130};
    wg_graph            *g = wg_graph_new();
    wg_node             *loss = wg_scalar(g, WG_F32, 0), *step;
    char                 name[] = "a";
    for (int i = 0; i < n; i++, name[0]++) {
        wg_node *p = wg_param(g, name, WG_F32, WG_SHAPE(size[i]));
        wg_init(p, &(wg_initializer){.kind = WG_INIT_NORMAL, .b = 1});
        loss = wg_add(loss, wg_sum(wg_square(p), WG_ALL_AXES, 0));
    }
    step = wg_minimize(loss, &(wg_solver){.kind = WG_SOLVER_ADAM, .rate = 1e-2});
    wg_tape *t = wg_compile(g, 1, &step, &(wg_options){.device = device});
    bool     ok = t && !wg_run(t) && !wg_run(t) && wg_param_view(wg_param_at(g, 0));
    long     before = shim.launches();
    ok = ok && !wg_run(t);
    for (int i = 0; i < n && ok; i++) {
        char         one[] = {(char)('a' + i), 0};
        const float *v = wg_param_view(wg_param_find(g, one));
        memcpy(first, v, (size_t)size[i] * sizeof *v);
        first += size[i];
    }
    if (!ok) tap_note("%s; %s", wg_message(g), wg_tape_message(t));
    before = ok ? shim.launches() - before : -1;
    wg_graph_free(g);
    return before;
}

static void one_launch(const char *with, const char *what)
{
    enum { ALL = 4096 + 3 + 1000 + 12345 + 7 + 130 };
    static float device[ALL], cpu[ALL];
    double       worst = 0;
    if (*with) setenv("WG_NVRTC", with, 1);
    else unsetenv("WG_NVRTC");
    long one = launches(1, WG_DEVICE_CUDA(0), device), all = launches(PARAMS, WG_DEVICE_CUDA(0), device);
    setenv("WG_NVRTC", "none", 1);
    launches(PARAMS, WG_DEVICE_CPU, cpu);
    for (int i = 0; i < ALL; i++) worst = fmax(worst, fabs((double)device[i] - (double)cpu[i]));
    bool ok = (!shim.there || one > 0) && all == one && worst < 1e-6;
    if (!ok) tap_note("%ld launches for one, %ld for all; differ by %g", one, all, worst);
    tap(clean() && ok, "Adam of %d parameters %s: one launch, as for one", PARAMS, what);
}

/* Two parameters, each from the other's old value, and one from its own. */
static void crossed(void)
{
    wg_graph *g = wg_graph_new();
    wg_node  *p[3], *step[3];
    for (int i = 0; i < 3; i++) p[i] = wg_param(g, (const char *[]){"p", "q", "r"}[i], WG_F32, WG_SHAPE(5));
    for (int i = 0; i < 3; i++) wg_param_set(p[i], (float[]){i, i + 1, i + 2, i + 3, i + 4});
    step[0] = wg_assign(p[0], wg_shift(wg_scale(p[1], 2), 1));
    step[1] = wg_assign(p[1], wg_shift(wg_scale(p[0], 2), 1));
    step[2] = wg_assign(p[2], wg_shift(wg_scale(p[2], 2), 1));
    wg_tape *t = wg_compile(g, 3, step, &(wg_options){.device = WG_DEVICE_CUDA(0)});
    float    x[3] = {0, 1, 2}, v[5];
    bool     ok = t;
    for (int k = 0; k < 4 && ok; k++) {
        float next[3] = {2 * x[1] + 1, 2 * x[0] + 1, 2 * x[2] + 1};
        memcpy(x, next, sizeof x);
        ok = !wg_run(t);
        for (int i = 0; i < 3 && ok; i++) ok = !wg_param_get(p[i], v) && v[0] == x[i];
    }
    if (!ok) tap_note("%s; %s", wg_message(g), wg_tape_message(t));
    wg_graph_free(g);
    tap(clean() && ok, "updates that read each other's parameters");
}

void test_loops(void)
{
    if (!tap(make_cache(), "a folder for the cache")) return;
    own_kernels();
    cached();
    failing_calls();
    one_launch("none", "by the interpreter");
    one_launch(nvrtc(), "by a kernel of their own");
    crossed();
    drop_cache();
    unsetenv("XDG_CACHE_HOME");
}
