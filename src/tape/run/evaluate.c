/* Computing one node alone: constant folding and eager mode. */
#include <stdio.h>
#include <stdlib.h>

#include "base/system/arithmetic.h"
#include "tape/tape_impl.h"

static int call_op(const wg_op *op, wg_call *c)
{
    uint64_t host = wg__arithmetic_enter();
    int      status = op->cpu ? op->cpu(c) : wg__loop_call(op, c);
    wg__arithmetic_leave(host);
    return status;
}

int wg__evaluate(wg_tape *t, wg_node *x, void *const y[], char why[static 160])
{
    int       many = x->n + x->m;
    wg_tensor few[8], *in = many <= 8 ? few : malloc((size_t)many * sizeof *in), *out = in ? in + x->n : NULL;
    wg_call   c = {.n = x->n,
                   .m = x->m,
                   .x = in,
                   .y = out,
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
    for (int k = 0; k < x->m; k++) {
        const wg_node *r = wg__result(x, k);
        out[k] = (wg_tensor){y[k], (wg_dtype)r->dtype, *r->shape};
    }
    size_t scratch = x->op->scratch ? x->op->scratch(&c) : 0;
    int    status = scratch && !(c.scratch = wg__data_alloc(scratch)) ? WG_ENOMEM : WG_OK;
    if (!status) status = call_op(x->op, &c);
    snprintf(why, 160, "%s", *c.why ? c.why : wg_strerror(status));
    wg__data_free(c.scratch);
    if (in != few) free(in);
    return status;
}
