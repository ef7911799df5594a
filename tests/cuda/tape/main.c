/* main.c - runs the tests of tapes on a device, and prints TAP.
 *
 *   cuda-tape-tests [--shim] [PART ...]     --shim: without the shim's hooks that is a failure */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tape_test.h"

struct tap_count tap_count;

/* ---- The shim, where it is there ---- */

static void        no_failure(long n) { (void)n; }
static long        no_calls(void) { return 0; }
static int         no_complaints(void) { return 0; }
static const char *no_complaint(int i) { return (void)i, ""; }
static void        nothing(void) {}
static int         no_leaks(bool say) { return (void)say, 0; }
static long        no_epilogues(int kind) { return (void)kind, 0; }
static void        no_refusal(int bits) { (void)bits; }
static void        no_refusals(const struct wg_shim_refusal *r) { (void)r; }

static const struct shim absent = {.fail_call = no_failure,
                                   .calls = no_calls,
                                   .launches = no_calls,
                                   .complaints = no_complaints,
                                   .complaint = no_complaint,
                                   .forgive = nothing,
                                   .leaks = no_leaks,
                                   .reset = nothing,
                                   .epilogues = no_epilogues,
                                   .refuse_epilogues = no_refusal,
                                   .answers = no_refusal,
                                   .refuse = no_refusals,
                                   .cublas_left = no_calls};
struct shim              shim;

bool clean(void)
{
    int n = shim.complaints(), left = shim.leaks(false);
    for (int i = 0; i < n && i < 10; i++) tap_note("shim: %s", shim.complaint(i));
    if (left) tap_note("shim: %d things were not released", left);
    shim.forgive();
    return !n && !left;
}

bool without_shim(const char *test)
{
    if (!shim.there) tap_skip("needs the shim", "%s", test);
    return !shim.there;
}

static void find_shim(void)
{
    const char *name = getenv("WG_CUDA_LIBRARY");
    void       *so = name && *name ? dlopen(name, RTLD_NOW | RTLD_LOCAL) : NULL;
    struct shim s = {.there = so != NULL};
    struct {
        const char *name;
        void       *to;
    } all[] = {{"wg_shim_fail_call", &s.fail_call},
               {"wg_shim_calls", &s.calls},
               {"wg_shim_launches", &s.launches},
               {"wg_shim_complaints", &s.complaints},
               {"wg_shim_complaint", &s.complaint},
               {"wg_shim_forgive", &s.forgive},
               {"wg_shim_leaks", &s.leaks},
               {"wg_shim_reset", &s.reset},
               {"wg_shim_capture", &s.capture},
               {"wg_shim_epilogues", &s.epilogues},
               {"wg_shim_refuse_epilogues", &s.refuse_epilogues},
               {"wg_shim_answers", &s.answers},
               {"wg_shim_refuse", &s.refuse},
               {"wg_shim_cublas_left", &s.cublas_left},
               {"wg_test_user_cuda", &s.user_cuda}};
    for (size_t i = 0; s.there && i < sizeof all / sizeof *all; i++)
        s.there = (*(void **)all[i].to = dlsym(so, all[i].name)) != NULL;
    shim = s.there ? s : absent;
}

/* ---- The parts ---- */

static const struct part {
    const char *name;
    void (*run)(void);
} parts[] = {{"training", test_training}, {"values", test_values},       {"parameters", test_parameters},
             {"products", test_products}, {"epilogues", test_epilogues}, {"follow", test_follow},
             {"errors", test_errors},     {"random", test_random},       {"ops", test_ops},
             {"loops", test_loops},       {"probe", test_probe},         {"threads", test_threads},
             {"user", test_user}};
enum { PARTS = sizeof parts / sizeof *parts };

/* Runs one part, or all. */
static bool run(const char *name)
{
    bool known = false;
    for (int i = 0; i < PARTS; i++)
        if (!name || !strcmp(name, parts[i].name)) known = true, parts[i].run();
    return known;
}

static bool there_is_a_device(void)
{
    char name[400];
    if (!wg_device_name(WG_DEVICE_CUDA(0), name, sizeof name)) return tap_note("on %s", name), true;
    tap_skip(name, "tapes on a device");
    return false;
}

int main(int argc, char **argv)
{
    int first = argc > 1 && !strcmp(argv[1], "--shim") ? 2 : 1;
    setvbuf(stdout, NULL, _IOLBF, 0); /* what ends the program early must not take results with it */
    find_shim();
    if (first == 2 && !tap(shim.there, "WG_CUDA_LIBRARY names a backend with the shim")) return tap_end();
    if (!there_is_a_device()) return tap_end();
    if (first >= argc) run(NULL);
    for (int i = first; i < argc; i++)
        if (!run(argv[i])) tap(false, "there is no part \"%s\"", argv[i]);
    return tap_end();
}
