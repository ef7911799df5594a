/* lend.h - memory of inputs, for rooms above that fill it themselves. */
#ifndef WENGERT_TAPE_LEND_H
#define WENGERT_TAPE_LEND_H

#include <wengert/graph.h>

/* Gives the memory that wg_set would copy to: the caller writes all of the memory before its next call on t, and not
 * after, so that a device can keep two buffers for the input, as it cannot after wg_input_buffer. A bool is 0 or 1.
 * NULL with the reason on the tape if x is no input of t. */
void *wg__input_lend(wg_tape *t, const wg_node *x);

#endif
