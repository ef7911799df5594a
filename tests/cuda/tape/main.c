/* main.c - runs the tests of tapes on a device, and prints TAP. */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tape_test.h"

static int  tests, failures;
struct shim shim;

bool tap(bool ok, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("%sok - ", ok ? "" : "not ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
    tests++;
    failures += !ok;
    return ok;
}

void tap_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("# ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

bool clean(void)
{
    int n = shim.complaints(), left = shim.leaks(false);
    for (int i = 0; i < n && i < 10; i++) tap_note("shim: %s", shim.complaint(i));
    if (left) tap_note("shim: %d things were not released", left);
    shim.forgive();
    return !n && !left;
}

static bool find_shim(void)
{
    const char *name = getenv("WG_CUDA_LIBRARY");
    void       *so = name ? dlopen(name, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!so) return false;
    struct {
        const char *name;
        void       *to;
    } all[] = {{"wg_shim_fail_call", &shim.fail_call},
               {"wg_shim_calls", &shim.calls},
               {"wg_shim_complaints", &shim.complaints},
               {"wg_shim_complaint", &shim.complaint},
               {"wg_shim_forgive", &shim.forgive},
               {"wg_shim_leaks", &shim.leaks},
               {"wg_shim_reset", &shim.reset}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!(*(void **)all[i].to = dlsym(so, all[i].name))) return false;
    return true;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!tap(find_shim(), "WG_CUDA_LIBRARY names a backend with the shim")) return printf("1..1\n"), 1;
    test_training();
    test_values();
    test_parameters();
    test_products();
    test_errors();
    printf("1..%d\n", tests);
    return failures > 0;
}
