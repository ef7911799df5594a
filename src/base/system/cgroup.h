/* cgroup.h - CPUs and memory that the control group leaves to this process. */
#ifndef WENGERT_BASE_CGROUP_H
#define WENGERT_BASE_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

/* Where they are; tests have folders of their own. */
#define WG__CGROUP_PROC "/proc/self/cgroup"
#define WG__CGROUP_MOUNT "/sys/fs/cgroup"

/* Counts the CPUs of the process's affinity, or fewer where a quota allows fewer; at least 1. */
int wg__cgroup_cpus(const char *proc, const char *mount);
/* Finds the group's memory limit or the machine's memory, whichever is less, in bytes; -1: neither is known. */
int64_t wg__cgroup_bytes(const char *proc, const char *mount);

#endif
