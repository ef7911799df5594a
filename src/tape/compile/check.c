/* The checker: a dry run that follows who owns each byte of the buffer.
 *
 * Every operand must still be there when it is read, and every kept value and every value to be assigned at the end.
 * What the checker finds is a bug of the passes before it, and is better found here than in a gradient. */
#include <stdlib.h>
#include <string.h>

#include "tape/tape_impl.h"

struct owner {
    int64_t offset, end;
    int     value;
};
struct owners {
    struct owner *at; /* [n] by offset, none overlapping */
    int           n;
};

/* Finds the first entry that ends after `offset`. */
static int find_entry(const struct owners *o, int64_t offset)
{
    int lo = 0, hi = o->n;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (o->at[mid].end <= offset) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

/* Makes v the owner of its bytes; a value that overlaps them is lost. */
static void claim_bytes(struct owners *o, const wg_tape *t, int v)
{
    const struct wg__value *x = &t->value[v];
    if (x->place != WG__BUFFER || !x->bytes) return;
    int64_t end = x->offset + (int64_t)x->bytes;
    int     i = find_entry(o, x->offset), j = i;
    while (j < o->n && o->at[j].offset < end) j++;
    memmove(&o->at[i + 1], &o->at[j], (size_t)(o->n - j) * sizeof *o->at);
    o->n += 1 - (j - i);
    o->at[i] = (struct owner){x->offset, end, v};
}

static int check_owner(const struct owners *o, wg_tape *t, int v, const wg_node *user)
{
    const struct wg__value *x = &t->value[t->value[v].root];
    char                    a[96], b[96];
    if (x->place == WG__SHARED || (x->place == WG__BUFFER && !x->bytes)) return WG_OK;
    if (x->place == WG__BUFFER) {
        int i = find_entry(o, x->offset);
        if (i < o->n && o->at[i].value == t->value[v].root && x->offset + (int64_t)x->bytes <= (int64_t)t->buffer_bytes)
            return WG_OK;
    }
    return wg__fail(t->user, WG_EINTERNAL, "compile: %s reads %s, whose memory holds another value",
                    user ? wg__value_name(t, user, a, sizeof a) : "the end of the run",
                    wg__value_name(t, t->g->node[v], b, sizeof b));
}

static int check_kept(const struct owners *o, wg_tape *t)
{
    int status = WG_OK;
    for (int i = 0; i < t->n_order && !status; i++) {
        const wg_node *x = t->order[i];
        if (t->value[x->id].keep && wg__is_computed(x)) status = check_owner(o, t, x->id, NULL);
    }
    for (int c = 0; c < t->n_copy && !status; c++)
        if (!t->copy[c].in_place) status = check_owner(o, t, t->copy[c].from, NULL);
    return status;
}

int wg__check(wg_tape *t)
{
    struct owners o = {.at = malloc(((size_t)t->g->n + 1) * sizeof *o.at)};
    int           status = WG_OK;
    if (!o.at) return wg__fail_nomem(t->user);
    for (int i = 0; i < t->n_order; i++)
        if (t->order[i]->kind == WG__INPUT) claim_bytes(&o, t, t->order[i]->id);
    for (int i = 0; i < t->n_instr && !status; i++) {
        const struct wg__instr *p = &t->instr[i];
        for (int k = 0; k < p->n_in && !status; k++)
            if (p->in[k] != p->product) status = check_owner(&o, t, p->in[k], p->node);
        if (p->product >= 0) claim_bytes(&o, t, p->product); /* made first; an output may take its place */
        for (int k = 0; k < p->n_out; k++)
            if (p->out[k] != p->product) claim_bytes(&o, t, p->out[k]);
    }
    if (!status) status = check_kept(&o, t);
    free(o.at);
    return status;
}
