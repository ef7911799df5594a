/* Cores behind CPUs, by lists in a folder of the test's own. */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/system/cores.h"

/* Says which CPUs share the core of `cpu`. */
static void put(const char *folder, int cpu, const char *list)
{
    char at[600];
    snprintf(at, sizeof at, "%s/cpu%d", folder, cpu);
    mkdir(at, 0700);
    snprintf(at, sizeof at, "%s/cpu%d/topology", folder, cpu);
    mkdir(at, 0700);
    snprintf(at, sizeof at, "%s/cpu%d/topology/thread_siblings_list", folder, cpu);
    FILE *f = fopen(at, "w");
    cr_assert(f && fputs(list, f) >= 0 && !fclose(f), "%s", at);
}

Test(base_cores, threads_of_one_core_count_once)
{
    char      folder[] = "/tmp/wengert-XXXXXX", text[600];
    cpu_set_t set;
    int       cpu[2], n = 0, all;
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(sched_getaffinity(0, sizeof set, &set), 0);
    for (int i = 0; i < CPU_SETSIZE && n < 2; i++)
        if (CPU_ISSET(i, &set)) cpu[n++] = i;
    if (n < 2) cr_skip_test("one CPU to run on");
    all = CPU_COUNT(&set);
    cr_expect_eq(wg__cores(folder), all, "the system does not tell");
    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof text, "%d\n", cpu[i]);
        put(folder, cpu[i], text);
    }
    cr_expect_eq(wg__cores(folder), all, "each is alone");
    snprintf(text, sizeof text, "%d,%d\n", cpu[0], cpu[1]);
    for (int i = 0; i < 2; i++) put(folder, cpu[i], text);
    cr_expect_eq(wg__cores(folder), all - 1, "the two share a core");
    if (cpu[1] == cpu[0] + 1) {
        snprintf(text, sizeof text, "%d-%d\n", cpu[0], cpu[1]);
        for (int i = 0; i < 2; i++) put(folder, cpu[i], text);
        cr_expect_eq(wg__cores(folder), all - 1, "the two are a range");
    }
    put(folder, cpu[0], "nonsense\n");
    put(folder, cpu[1], "9-\n");
    cr_expect_eq(wg__cores(folder), all, "no list");
    CPU_ZERO(&set);
    CPU_SET(cpu[1], &set);
    snprintf(text, sizeof text, "%d,%d\n", cpu[0], cpu[1]);
    put(folder, cpu[1], text);
    cr_assert_eq(sched_setaffinity(0, sizeof set, &set), 0);
    cr_expect_eq(wg__cores(folder), 1, "the other thread of the core is not ours");
    snprintf(text, sizeof text, "rm -r %s", folder);
    cr_expect_eq(system(text), 0);
}
