/* wg_build_info: the text about what this process runs on, with warnings of what makes it slower than it could be. */
#include <cblas.h>
#include <pthread.h>
#include <stdlib.h>

#include "cpu/cpu.h"
#include "graph/graph_impl.h"

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

static char text[1200];

static void say_warnings(size_t *k)
{
    int         n = 0;
    const char *blas = wg__blas_warning(), *level = wg__cpu_level_note();
    if (blas) wg__append(text, sizeof text, k, "warning: %s\n", blas);
    if (level) wg__append(text, sizeof text, k, "warning: WG_CPU=%.40s: %s\n", getenv("WG_CPU"), level);
    if (!wg__threads_wish(&n))
        wg__append(text, sizeof text, k, "warning: WG_THREADS=%.40s is no number in 1..1024; using %d\n",
                   getenv("WG_THREADS"), wg__threads());
}

static void write_info(void)
{
    size_t k = 0;
    wg__append(text, sizeof text, &k, "wengert %s, %s\n", WG_VERSION, COMPILER);
    wg__append(text, sizeof text, &k, "cpu: %.80s, level %s\n", wg__cpu_model(), wg__kernels()->level);
    wg__append(text, sizeof text, &k, "blas: %.160s, core %.40s\n", openblas_get_config(), wg__blas_core());
    wg__append(text, sizeof text, &k, "threads: %d\n", wg__threads());
    say_warnings(&k);
}

const char *wg_build_info(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, write_info);
    return text;
}
