/* Computing one node alone: constant folding and eager mode. */
#include <stdio.h>
#include <stdlib.h>

#include "tape/tape_impl.h"

int wg__evaluate(wg_tape *t, wg_node *x, void *y, char why[static 160])
{
    wg_tensor few[8], *in = x->n <= 8 ? few : malloc((size_t)x->n * sizeof *in);
    wg_call   c = {.n = x->n,
                   .x = in,
                   .y = {y, (wg_dtype)x->dtype, *x->shape},
                   .attr = x->attr,
                   .seed = t->g->seed,
                   .run = t->run,
                   .threads = t->options.threads};
    if (!in || !wg__workspace_ready()) {
        snprintf(why, 160, "%s", wg_strerror(WG_ENOMEM));
        if (in != few) free(in);
        return WG_ENOMEM;
    }
    for (int i = 0; i < x->n; i++) in[i] = (wg_tensor){x->x[i]->data, (wg_dtype)x->x[i]->dtype, *x->x[i]->shape};
    size_t scratch = x->op->scratch ? x->op->scratch(&c) : 0;
    int    status = scratch && !(c.scratch = wg__data_alloc(scratch)) ? WG_ENOMEM : WG_OK;
    if (!status) status = x->op->cpu ? x->op->cpu(&c) : wg__loop_call(x->op, &c);
    snprintf(why, 160, "%s", *c.why ? c.why : wg_strerror(status));
    wg__data_free(c.scratch);
    if (in != few) free(in);
    return status;
}
