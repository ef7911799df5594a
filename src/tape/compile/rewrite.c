/* Rewriting: the first rule that fits is applied, rules of logarithms before others. The nodes that a rule builds go
 * through the rules again, because the private graph's builders end here. */
#include "tape/compile/rewrite.h"

wg_node *wg__rewrite(wg_tape *t, const wg_op *op, int n, wg_node *const x[], const void *attr)
{
    const struct wg__match m = {.op = op, .n = n, .x = x, .attr = attr};
    wg_node               *stable = wg__stable_form(op, n, x, attr);
    if (stable || t->g->status) return stable;
    for (const struct wg__rule *r = wg__rules; r->apply; r++) {
        if (r->op ? r->op != op : !op->block) continue;
        wg_node *y = r->apply(&m);
        if (y) return y;
    }
    return NULL;
}
