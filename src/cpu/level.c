/* The level of kernels that this CPU runs, the CPU's name, and whether OpenBLAS knows the CPU. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"

extern char *openblas_get_corename(void);

#if defined(__x86_64__)
#define LEVELS(X) WG__LEVEL_MAP(X)
#else
#define LEVELS(X) X(baseline)
#endif

#define X(level) extern const struct wg__kernels wg__kernels_##level;
LEVELS(X)
#undef X

/* ---- Levels ---- */

static bool has_baseline(void) { return true; }
#if defined(__x86_64__)
/* Tells whether the CPU has x86-64-v3 or v4 of the System V ABI, as far as the kernels use them. */
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}
static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
#endif

/* From the least to the best. */
static const struct level {
    const struct wg__kernels *kernels;
    bool (*has)(void);
} levels[] = {
#define X(level) {&wg__kernels_##level, has_##level},
    LEVELS(X)
#undef X
};
enum { COUNT = sizeof levels / sizeof *levels };

const struct wg__kernels *wg__kernels_of(const char *level)
{
    for (int i = 0; i < COUNT; i++)
        if (level && strcmp(levels[i].kernels->level, level) == 0) return levels[i].has() ? levels[i].kernels : NULL;
    return NULL;
}

static const struct wg__kernels *find_best(void)
{
    int i = COUNT - 1;
    while (!levels[i].has()) i--;
    return levels[i].kernels;
}

/* Chooses the table on first use: all threads that race choose the same one. */
const struct wg__kernels *wg__kernels(void)
{
    static _Atomic(const struct wg__kernels *) chosen;
    const struct wg__kernels                  *k = atomic_load_explicit(&chosen, memory_order_acquire);
    if (!k) {
        k = wg__kernels_of(getenv("WG_CPU"));
        if (!k) k = find_best();
        atomic_store_explicit(&chosen, k, memory_order_release);
    }
    return k;
}

const char *wg__cpu_level_note(void)
{
    const char *asked = getenv("WG_CPU");
    if (!asked || !*asked || wg__kernels_of(asked)) return NULL;
    for (int i = 0; i < COUNT; i++)
        if (strcmp(levels[i].kernels->level, asked) == 0) return "this CPU does not support it; using its best level";
    return "no such level (baseline, avx2, avx512); using the best level of this CPU";
}

/* ---- The CPU's name ---- */

static char           model[128] = "unknown CPU";
static pthread_once_t model_once = PTHREAD_ONCE_INIT;

static void read_model(void)
{
    char  line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        snprintf(model, sizeof model, "%.*s", (int)strcspn(colon + 1, "\n"), colon + 1 + (colon[1] == ' '));
        model[strcspn(model, "\n")] = 0;
        break;
    }
    if (f) fclose(f);
}
const char *wg__cpu_model(void)
{
    pthread_once(&model_once, read_model);
    return model;
}

/* ---- OpenBLAS ---- */

const char *wg__blas_core(void) { return openblas_get_corename(); }

static bool is_listed(const char *name, const char *const list[])
{
    for (; *list; list++)
        if (strcasecmp(name, *list) == 0) return true;
    return false;
}

/* OpenBLAS's names for cores whose kernels use AVX-512, and for others whose kernels use AVX2. */
static const char *const core_avx512[] = {"SkylakeX", "Cooperlake", "SapphireRapids", "Zen4", "Zen5", NULL};
static const char *const core_avx2[] = {"Haswell", "Zen", "Excavator", NULL};

/* Names the instructions that this CPU has and OpenBLAS's kernels for `core` do not use. NULL: none. */
static const char *find_shortfall(const char *core)
{
#if defined(__x86_64__)
    if (is_listed(core, core_avx512)) return NULL;
    if (has_avx512()) return "AVX-512";
    if (has_avx2() && !is_listed(core, core_avx2)) return "AVX2";
#else
    (void)core, (void)is_listed, (void)core_avx512, (void)core_avx2;
#endif
    return NULL;
}

static char           warning[300];
static pthread_once_t warning_once = PTHREAD_ONCE_INIT;

/* Writes what OpenBLAS lacks and what helps: to unset the variable that asks for old kernels, or to set it for better
 * ones, or the package that knows newer CPUs. A level that has products of its own does not call OpenBLAS. */
static void write_blas_warning(void)
{
    const char *core = wg__blas_core(), *lacks = find_shortfall(core), *asked = getenv("OPENBLAS_CORETYPE");
    if (!lacks || wg__kernels()->gemm[WG_F32]) return;
    if (asked && *asked)
        snprintf(warning, sizeof warning,
                 "OpenBLAS runs its %.20s kernels, though this CPU has %s: OPENBLAS_CORETYPE=%.20s asks for them, "
                 "unset it",
                 core, lacks, asked);
    else
        snprintf(warning, sizeof warning,
                 "OpenBLAS runs its %.20s kernels, though this CPU has %s: set OPENBLAS_CORETYPE=%s, or install a "
                 "newer OpenBLAS (package libopenblas0-pthread)",
                 core, lacks, strcmp(lacks, "AVX2") == 0 ? core_avx2[0] : core_avx512[0]);
}
const char *wg__blas_warning(void)
{
    pthread_once(&warning_once, write_blas_warning);
    return *warning ? warning : NULL;
}
