/* loop_impl.h - frames, blocks and jobs, shared by the files of this folder. */
#ifndef WENGERT_LOOP_IMPL_H
#define WENGERT_LOOP_IMPL_H

#include "cpu/cpu.h"

/* How a loop finds the elements of a block of an input. */
enum wg__form {
    WG__FORM_DENSE,    /* at its place in data */
    WG__FORM_SCALAR,   /* one element */
    WG__FORM_ROW,      /* rowwise: at its place in the row */
    WG__FORM_ROW_ONCE, /* rowwise: one element for the row */
    WG__FORM_TILE,     /* data repeat with a period: copied, unless the block lies inside of one period */
    WG__FORM_GATHER    /* copied along the strides */
};

/* Buffers are a little apart from multiples of 4 KiB, where loads that follow stores to the same offset wait. */
enum { WG__BUFFER_BYTES = WG__BLOCK * 8 + 192 };
_Static_assert(WG__BUFFER_BYTES >= WG__BLOCK * 8 + (int)WG__REPEAT_BEYOND, "room for what wg__kernels.repeat writes");

/* The buffers in which a thread runs one loop; a part of its workspace. */
struct wg__frame {
    const struct wg__loop *l;
    void                  *ptr[WG__LOOP_SLOTS];    /* of each slot in the block at hand */
    int64_t                phase[WG__LOOP_INPUTS]; /* tiles: where in the period the copy starts, or -1 */
    int64_t                have[WG__LOOP_INPUTS];  /* tiles: elements copied */
    _Alignas(64) char reg[WG__LOOP_REGISTERS][WG__BUFFER_BYTES];
    _Alignas(64) char copy[WG__LOOP_INPUTS][WG__BUFFER_BYTES];
};

/* Makes f ready to run blocks of l. */
void wg__frame_open(struct wg__frame *f, const struct wg__loop *l);
/* Runs the steps on elements [start, start + n) of the domain, n <= WG__BLOCK, within one row if the loop is rowwise.
 * Then f->ptr[slot] shows the elements of each slot. */
void wg__frame_run(struct wg__frame *f, int64_t start, int64_t n);

/* Places of the operands and results of a chain. */
enum { WG__CHAIN_PLACES = 24 };
/* Notes at steps of l which chains begin there, where the blocks of all steps are known; tells whether one does. */
bool wg__find_chains(struct wg__loop *l);
/* Runs the chain that begins at s on n elements; returns the number of its steps. */
int wg__chain_run(const struct wg__step *s, int64_t n, void *const *ptr);
/* Copies elements [start, start + n) of the domain of an input along its strides; writes up to WG__REPEAT_BEYOND bytes
 * beyond them. */
void wg__loop_gather(const struct wg__loop *l, const struct wg__loop_operand *x, int64_t start, int64_t n, char *y);

/* Counts the jobs, of about 10 us each, that the loop's work is worth. */
int64_t wg__loop_jobs(const struct wg__loop *l);
/* Runs a loop that ends in a reduction. */
void wg__loop_tail(const struct wg__loop *l, int threads);

static inline int64_t wg__least(int64_t a, int64_t b) { return a < b ? a : b; }

#endif
