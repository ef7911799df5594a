/* The loops of a tape: their kernels, and which of them are launched as one. */
#include <string.h>

#include "cuda/program.h"

int wg__cuda_loops_make(struct wg__cuda_place *at, struct wg__why *w)
{
    (void)w;
    at->loops = NULL;
    return WG_OK;
}

void wg__cuda_loops_free(struct wg__cuda_place *at) { at->loops = NULL; }

const char *wg__cuda_loops_note(const struct wg__cuda_place *at)
{
    (void)at;
    return NULL;
}

int wg__cuda_loop(const struct wg__cuda_place *at, int i, struct wg__why *w)
{
    const struct wg__instr *p = &at->t->instr[i];
    struct wg__cuda_loop    l;
    struct wg__cuda_launch  here = at->launch;
    wg__cuda_translate(at->t, p, &l);
    here.instr = i;
    cudaError_t e = wg__cuda_loop_run(&l, &here);
    return e ? wg__cuda_failed(w, at->d, e, p->node->op->name) : WG_OK;
}
