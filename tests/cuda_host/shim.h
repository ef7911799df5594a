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

/* What the documentation of cuBLASLt leaves open, answered the other way round; 0: as the CPU does. */
enum {
    WG_SHIM_RELU_LOSES_NAN = 1,  /* relu(NaN) is 0 */
    WG_SHIM_ZERO_HAS_A_SIGN = 2, /* the bit of an element that is 0 says that it is above */
    WG_SHIM_ROUGH_TANH = 4,      /* gelu's tanh has 11 bits */
    WG_SHIM_GELU_LOSES_NAN = 8
};
void wg_shim_answers(int bits);

/* From now on cuBLASLt refuses some products. */
enum wg_shim_place {
    WG_SHIM_NOWHERE,
    WG_SHIM_DESCRIPTOR, /* where the epilogue of the product is set */
    WG_SHIM_HEURISTIC,
    WG_SHIM_CHECK, /* candidates say that they are none */
    WG_SHIM_PRODUCT
};
struct wg_shim_refusal {
    int  at;         /* enum wg_shim_place */
    int  status;     /* a cublasStatus_t */
    int  epilogues;  /* those with any of these bits; 0: all products */
    bool fast;       /* those alone that may round their operands */
    int  candidates; /* so many at most of those that are offered; 0: all */
    bool capturing;  /* while their stream is captured alone */
};
void wg_shim_refuse(const struct wg_shim_refusal *r);

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
