/* The watch for NaN and infinity. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tape/device/device.h"

/* Finds the first element that is not finite; -1 if there is none. */
static int64_t find_first_bad(wg_dtype dtype, const void *data, int64_t n)
{
    const float  *f = data;
    const double *d = data;
    for (int64_t i = 0; i < n; i++)
        if (dtype == WG_F32 ? !isfinite(f[i]) : dtype == WG_F64 && !isfinite(d[i])) return i;
    return -1;
}

static int report_bad(wg_tape *t, const struct wg__instr *p, const wg_node *y, const void *data, int64_t at)
{
    char   name[128], shape[96], operands[256] = "", chain[160] = "";
    size_t k = 0, c = 0;
    for (int i = 0; i < p->n_in; i++)
        if (p->in[i] != y->id)
            wg__append(operands, sizeof operands, &k, "%s%s", k ? ", " : "",
                       wg__value_name(t, t->g->node[p->in[i]], name, sizeof name));
    for (int i = 0; i < p->n_chain; i++)
        wg__append(chain, sizeof chain, &c, "%s%s", i ? "+" : "", p->chain[i]->op->name);
    wg__value_name(t, y, name, sizeof name);
    return wg__tape_fail(t, WG_ENAN, "run %llu: %s%s, made by %s(%s), is %g at element %lld",
                         (unsigned long long)t->run, name, wg__shape_str(t->g, y->shape, shape, sizeof shape), chain,
                         operands, wg__load((wg_dtype)y->dtype, data, at), (long long)at);
}

int wg__check_finite(wg_tape *t, int i)
{
    const struct wg__instr *p = &t->instr[i];
    for (int k = 0; k < p->n_out; k++) {
        const wg_node *y = t->g->node[p->out[k]];
        bool           overwritten = p->out[k] == p->product && t->value[p->out[k]].last == i;
        const void    *data = t->device ? wg__device_probe(t, p->out[k]) : t->value[p->out[k]].data;
        if (!data) return t->status;
        int64_t at = overwritten ? -1 : find_first_bad((wg_dtype)y->dtype, data, wg_count(y->shape));
        if (at >= 0) return report_bad(t, p, y, data, at);
    }
    return WG_OK;
}

int wg_watch_finite(wg_tape *t, int on)
{
    if (!t) return wg__no_tape("watch_finite");
    if (t->eager) return wg__tape_fail(t, WG_EARG, "watch_finite: an eager tape has no instructions");
    t->watch_finite = false;
    wg__backup_free(t);
    if (t->device && wg__device_watch(t, on)) return wg__tape_fail(t, WG_ENOMEM, "out of memory");
    if (!on) return WG_OK;
    if (!(t->backup = calloc((size_t)t->n_copy + 1, sizeof *t->backup)))
        return wg__tape_fail(t, WG_ENOMEM, "out of memory");
    for (int c = 0; c < t->n_copy; c++)
        if (t->copy[c].in_place && !(t->backup[c] = wg__data_alloc(t->value[t->copy[c].param].bytes))) {
            wg__backup_free(t);
            return wg__tape_fail(t, WG_ENOMEM, "out of memory");
        }
    t->watch_finite = true;
    return WG_OK;
}

/* Saves the parameters that are updated in place, before each run that is watched. */
int wg__backup(wg_tape *t)
{
    for (int c = 0; c < t->n_copy; c++)
        if (t->backup[c] && wg_param_get(t->g->node[t->copy[c].param]->origin, t->backup[c]))
            return wg__tape_fail(t, t->user->status, "run: %s", wg_message(t->user));
    return WG_OK;
}

void wg__restore(wg_tape *t)
{
    for (int c = 0; c < t->n_copy; c++)
        if (t->backup[c]) wg_param_set(t->user->node[t->g->node[t->copy[c].param]->origin->id], t->backup[c]);
}

void wg__backup_free(wg_tape *t)
{
    for (int c = 0; t->backup && c < t->n_copy; c++) wg__data_free(t->backup[c]);
    free(t->backup);
    t->backup = NULL;
}
