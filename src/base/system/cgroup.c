/* cgroup.c - what the control group leaves to this process: CPUs and memory.
 *
 * Version 2 has cpu.max and memory.max in the group's folder, version 1 has
 * cpu.cfs_quota_us and memory.limit_in_bytes in a folder for each controller.
 * A group above may be narrower, so each on the way to the root is read. */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/system/cgroup.h"

enum { PATH = 1024 };

/* Reads the first whole number of a file, and the second where `second` is given; -1: there is none ("max", or no
 * file). */
static int64_t read_number(const char *folder, const char *name, int64_t *second)
{
    char    path[PATH];
    int64_t a = -1, b = -1;
    int     n = snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE   *f = n > 0 && (size_t)n < sizeof path ? fopen(path, "re") : NULL;
    if (!f) return -1;
    if (fscanf(f, "%" SCNd64 " %" SCNd64, &a, &b) < 1) a = -1;
    fclose(f);
    if (second) *second = b;
    return a;
}

static int64_t least(int64_t a, int64_t b) { return a < 0 ? b : b < 0 || a < b ? a : b; }

/* Finds how many CPUs the quota of a folder allows, rounded up; -1: any number. */
static int64_t cpus_at(const char *folder)
{
    int64_t period = -1, quota = read_number(folder, "cpu.max", &period);
    if (quota < 0) {
        quota = read_number(folder, "cpu.cfs_quota_us", NULL);
        period = read_number(folder, "cpu.cfs_period_us", NULL);
    }
    return quota > 0 && period > 0 ? (quota + period - 1) / period : -1;
}

static int64_t bytes_at(const char *folder)
{
    return least(read_number(folder, "memory.max", NULL), read_number(folder, "memory.limit_in_bytes", NULL));
}

/* Finds the least limit of the folder and the folders above it, up to the mount at `root`.  The group that a container
 * reads may lie outside of the mount that it sees; then only the root counts. */
static int64_t least_above(const char *root, const char *group, int64_t (*at)(const char *folder))
{
    char    folder[PATH];
    int64_t found = -1;
    int     n = snprintf(folder, sizeof folder, "%s%s", root, group);
    if (n < 0 || (size_t)n >= sizeof folder) return at(root);
    for (size_t end = strlen(root);;) {
        found = least(found, at(folder));
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < end) break;
        *slash = '\0';
    }
    return found;
}

static bool list_holds(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += n)
        if ((at == list || at[-1] == ',') && (!at[n] || at[n] == ',')) return true;
    return false;
}

static int64_t find_limit(const char *proc, const char *mount, const char *controller,
                          int64_t (*at)(const char *folder))
{
    char    line[PATH], root[PATH];
    int64_t found = -1;
    FILE   *f = fopen(proc, "re");
    while (f && fgets(line, sizeof line, f)) { /* "4:memory:/a/b", and "0::/a/b" in version 2 */
        char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;
        if (!group) continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        if (!strcmp(group, "/")) *group = '\0';
        if (*++list && !list_holds(list, controller)) continue;
        int n = snprintf(root, sizeof root, "%s%s%s", mount, *list ? "/" : "", list);
        if (n > 0 && (size_t)n < sizeof root) found = least(found, least_above(root, group, at));
    }
    if (f) fclose(f);
    return found;
}

int wg__cgroup_cpus(const char *proc, const char *mount)
{
    cpu_set_t set;
    int64_t   n = sched_getaffinity(0, sizeof set, &set) ? sysconf(_SC_NPROCESSORS_ONLN) : CPU_COUNT(&set);
    n = least(find_limit(proc, mount, "cpu", cpus_at), n);
    return n < 1 ? 1 : n > 1024 ? 1024 : (int)n;
}

int64_t wg__cgroup_bytes(const char *proc, const char *mount)
{
    int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return least(find_limit(proc, mount, "memory", bytes_at), pages > 0 && page > 0 ? pages * page : -1);
}
