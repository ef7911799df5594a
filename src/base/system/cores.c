/* cores.c - which CPUs are threads of one core.
 *
 * cpu<n>/topology/thread_siblings_list has the CPUs of n's core, such as "0,64" or "0-1". */
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "base/system/cores.h"

/* Tells whether a list such as "0-3,8" has a CPU below `cpu` that is in the set. */
static bool has_earlier(FILE *list, int cpu, const cpu_set_t *set)
{
    for (int first, last; fscanf(list, "%d", &first) == 1;) {
        if (fscanf(list, "-%d", &last) != 1) last = first;
        for (int i = first; i <= last && i < cpu; i++)
            if (i >= 0 && CPU_ISSET(i, set)) return true;
        if (fgetc(list) != ',') break;
    }
    return false;
}

/* Tells whether cpu is the first of its core in the set. */
static bool is_first(const char *folder, int cpu, const cpu_set_t *set)
{
    char  path[1024];
    int   n = snprintf(path, sizeof path, "%s/cpu%d/topology/thread_siblings_list", folder, cpu);
    FILE *f = n > 0 && (size_t)n < sizeof path ? fopen(path, "re") : NULL;
    if (!f) return true;
    bool first = !has_earlier(f, cpu, set);
    fclose(f);
    return first;
}

int wg__cores(const char *folder)
{
    cpu_set_t set;
    int       n = 0;
    if (sched_getaffinity(0, sizeof set, &set)) return (int)sysconf(_SC_NPROCESSORS_ONLN);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) n += CPU_ISSET(cpu, &set) && is_first(folder, cpu, &set);
    return n < 1 ? 1 : n;
}
