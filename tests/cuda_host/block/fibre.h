/* fibre.h - a stack of its own for each thread of a block. */
#ifndef WENGERT_TESTS_CUDA_FIBRE_H
#define WENGERT_TESTS_CUDA_FIBRE_H

#include <stddef.h>

namespace shim
{

struct fibre;
/* main is entered on the fibre's stack at the first switch to it, and never returns. */
fibre *fibre_new(void (*main)());
/* The fibre starts anew at its next turn; what it was doing is dropped. */
void fibre_restart(fibre *f);
/* From the scheduler into f, until f leaves. */
void fibre_enter(fibre *f);
/* From the running fibre to the scheduler. */
void fibre_leave();
/* NULL in the scheduler. */
fibre *fibre_running();

} // namespace shim

#endif
