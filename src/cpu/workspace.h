/* workspace.h - memory in which a thread runs loops and products: too large for its stack, which may be as small as 128
 * KiB. */
#ifndef WENGERT_CPU_WORKSPACE_H
#define WENGERT_CPU_WORKSPACE_H

#include "cpu/loop/loop_impl.h"

enum {
    WG__PARTS = 16,            /* partial sums of a reduction that several threads share */
    WG__PANEL_BYTES = 1 << 20, /* packed columns of a matrix product */
    WG__ROW_BYTES = 25 << 10   /* rows of a matrix product that a row of tiles reads */
};

/* Loops, reductions and products use members of their own, so that a product may run a loop in its tiles. */
struct wg__workspace {
    struct wg__frame frame;
    _Alignas(64) char part[WG__PARTS * WG__BLOCK * 8];
    _Alignas(64) char panels[WG__PANEL_BYTES];
    size_t panel_bytes; /* of them that are used: half of the second-level cache */
    _Alignas(64) char rows[WG__ROW_BYTES];
};

/* Allocates a workspace for another thread, which adopts or frees it; NULL if memory is short. */
struct wg__workspace *wg__workspace_new(void);
/* Makes w, which may be NULL, the workspace of the calling thread; on failure frees w and returns false. */
bool wg__workspace_adopt(struct wg__workspace *w);
/* Finds the workspace of the calling thread, which has one once wg__workspace_ready has returned true on that thread;
 * else NULL if memory is short. */
struct wg__workspace *wg__workspace(void);

#endif
