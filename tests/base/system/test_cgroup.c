/* What a control group leaves to a process, in folders of the test's own. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/system/cgroup.h"

static void put(const char *folder, const char *path, const char *text)
{
    char at[600], *slash;
    snprintf(at, sizeof at, "%s/%s", folder, path);
    for (slash = at + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(at, 0700);
        *slash = '/';
    }
    FILE *f = fopen(at, "w");
    cr_assert(f && fputs(text, f) >= 0 && !fclose(f), "%s", at);
}

Test(base_cgroup, the_narrowest_control_group_counts)
{
    char folder[] = "/tmp/wengert-XXXXXX", proc[600];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(proc, sizeof proc, "%s/cgroup", folder);
    int     all = wg__cgroup_cpus("/nothing", folder);
    int64_t machine = wg__cgroup_bytes("/nothing", folder);
    cr_expect(all >= 1 && machine > 0);
    put(folder, "cgroup", "0::/pods/one\n");
    put(folder, "pods/one/cpu.max", "max 100000\n");
    put(folder, "pods/one/memory.max", "max\n");
    cr_expect(wg__cgroup_cpus(proc, folder) == all && wg__cgroup_bytes(proc, folder) == machine);
    put(folder, "pods/cpu.max", "50000 100000\n");
    put(folder, "pods/memory.max", "1048576\n");
    cr_expect_eq(wg__cgroup_cpus(proc, folder), 1);
    cr_expect_eq(wg__cgroup_bytes(proc, folder), 1048576, "of the group above");
    put(folder, "pods/one/memory.max", "65536\n");
    cr_expect_eq(wg__cgroup_bytes(proc, folder), 65536);
    put(folder, "cgroup", "7:cpuset:/\n4:memory:/a/b\n3:cpu,cpuacct:/a\n0::/\n");
    put(folder, "memory/a/memory.limit_in_bytes", "4096\n");
    put(folder, "cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n");
    put(folder, "cpu,cpuacct/cpu.cfs_quota_us", "150000\n");
    put(folder, "cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    cr_expect_eq(wg__cgroup_bytes(proc, folder), 4096, "version 1");
    cr_expect_eq(wg__cgroup_cpus(proc, folder), all < 2 ? all : 2, "one and a half is two");
    snprintf(proc, sizeof proc, "rm -r %s", folder);
    cr_expect_eq(system(proc), 0);
}
