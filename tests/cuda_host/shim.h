/* shim.h - what a test asks of the shim: order, failures, complaints. */
#ifndef WENGERT_TESTS_CUDA_SHIM_H
#define WENGERT_TESTS_CUDA_SHIM_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* As at the start of the process: everything that was allocated is gone, and
 * so are complaints, failures asked for, and counts. */
void wg_shim_reset(void);

/* The threads of a block, and the blocks, take turns in another order: 0
 * upwards, 1 downwards, others shuffled.  Results must not depend on it. */
void wg_shim_order(unsigned order);

/* The n-th runtime call from now fails (1: the next); 0: none.  Calls that
 * release or ask for errors do not count.  Launches do. */
void wg_shim_fail_call(long n);
/* How many such calls there were. */
long wg_shim_calls(void);
long wg_shim_launches(void);

/* As if another thread captured: begins that, or ends it. */
void wg_shim_capture(bool begin);

/* What was done wrong, as text: misuse of calls, faults of kernels.  At the
 * end of the process unread complaints and leaks are printed, and fail it. */
int         wg_shim_complaints(void);
const char *wg_shim_complaint(int i);
/* Forgets the complaints and the error that a faulty kernel left behind. */
void wg_shim_forgive(void);
/* What was allocated or created and is still there.  With say, each is a complaint. */
int wg_shim_leaks(bool say);

/* Device memory cannot be read by the host's code, as on a device.  Between
 * these two it can, for a test that looks inside. */
void wg_shim_open(void);
void wg_shim_close(void);

#ifdef __cplusplus
}
#endif
#endif
