/* cores.h - the cores behind the CPUs of this process. */
#ifndef WENGERT_BASE_CORES_H
#define WENGERT_BASE_CORES_H

/* Where the system lists CPUs; tests have a folder of their own. */
#define WG__CPU_FOLDER "/sys/devices/system/cpu"

/* Counts the cores of the CPUs of the process's affinity: CPUs that share a core count once, and each alone where the
 * system does not tell. At least 1. */
int wg__cores(const char *folder);

#endif
