/* workspace.h - what a thread works in: too large for its stack, which may be as small as 128 KiB. */
#ifndef WENGERT_CPU_WORKSPACE_H
#define WENGERT_CPU_WORKSPACE_H

#include "cpu/loop/loop_impl.h"

enum {
    WG__PARTS = 16,          /* partial sums of a reduction that several threads share */
    WG__PANEL_FLOATS = 32768 /* packed columns of a matrix product */
};

/* Members are used by one function each, so that a product may run a loop in its tiles. */
struct wg__workspace {
    struct wg__frame frame;
    _Alignas(64) char part[WG__PARTS * WG__BLOCK * 8];
    _Alignas(64) float panels[WG__PANEL_FLOATS];
};

/* Memory for the workspace of another thread, which adopts it or frees it; NULL if memory is short. */
struct wg__workspace *wg__workspace_new(void);
/* Makes w, which may be NULL, that of the calling thread; false if it cannot be, and then w is freed. */
bool wg__workspace_adopt(struct wg__workspace *w);
/* The workspace of the calling thread.  Never NULL once wg__workspace_ready has said true on that thread. */
struct wg__workspace *wg__workspace(void);

#endif
