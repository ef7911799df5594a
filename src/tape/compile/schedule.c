/* Scheduling of assignments: a new value is written straight into its parameter where nothing reads the old value
 * afterwards.
 *
 * An instruction that only updates parameters is moved behind the last reader of the values that it overwrites, and
 * behind everything that can still fail, so that a failing run leaves the parameters as they were. All other
 * assignments are copies at the end of the run; they read only old values.
 *
 * On a device all updates come last, as neighbours: the device can run them as one. */
#include <stdlib.h>
#include <string.h>

#include "tape/tape_impl.h"

struct slot {
    int writer;        /* instruction that writes it; -1: none */
    int last_reader;   /* last instruction that reads the value and is no update; -1: none */
    int update_reader; /* the update that reads it; -1: none, -2: several */
    int copies;        /* assignments that take this value */
};

struct schedule {
    wg_tape     *t;
    struct slot *slot;   /* [g->n] by value */
    bool        *update; /* [n_instr]: every output goes into assignments only */
    int         *target; /* [n_instr]: runs after this one */
    int          last_fallible;
};

static int root_of(const wg_tape *t, int v) { return t->value[v].root; }

/* Tells whether an instruction can fail. A built-in operator that can fail has WG_OP_MAY_FAIL; a user's operator is
 * assumed to. */
static bool can_fail(const struct wg__instr *i)
{
    if (i->loop) return false;
    if (i->op->flags & WG_OP_MAY_FAIL) return true;
    for (const wg_op *const *op = wg_ops; *op; op++)
        if (*op == i->op) return false;
    return true;
}

static void find_writers(struct schedule *s)
{
    wg_tape *t = s->t;
    for (int c = 0; c < t->n_copy; c++) s->slot[root_of(t, t->copy[c].from)].copies++;
    for (int i = 0; i < t->n_instr; i++) {
        const struct wg__instr *p = &t->instr[i];
        s->update[i] = p->loop && p->loop->tail < 0;
        s->target[i] = i;
        if (can_fail(p)) s->last_fallible = i;
        for (int k = 0; k < p->n_out; k++) s->slot[p->out[k]].writer = i;
        for (int k = 0; k < p->n_out && s->update[i]; k++)
            s->update[i] = (s->slot[p->out[k]].copies == 1 || k >= p->loop->outputs) && !t->value[p->out[k]].keep;
    }
    for (int i = 0; i < t->n_instr; i++) /* an output that another instruction reads is no mere update */
        for (int k = 0; k < t->instr[i].n_in; k++) {
            int w = s->slot[root_of(t, t->instr[i].in[k])].writer;
            if (w >= 0 && w != i) s->update[w] = false;
        }
}

static void find_readers(struct schedule *s)
{
    wg_tape *t = s->t;
    for (int i = 0; i < t->n_instr; i++)
        for (int k = 0; k < t->instr[i].n_in; k++) {
            struct slot *v = &s->slot[root_of(t, t->instr[i].in[k])];
            if (!s->update[i]) v->last_reader = i;
            else v->update_reader = v->update_reader == -1 || v->update_reader == i ? i : -2;
        }
}

/* Tells whether output k of p may be the memory of value v: v is read element by element through one input, and by no
 * step after the step that writes the output. */
bool wg__loop_may_overwrite(const wg_tape *t, const struct wg__instr *p, int k, int v)
{
    const struct wg__loop *l = p->loop;
    int                    slot = -1, at = -1;
    if (k >= l->outputs || t->value[p->out[k]].bytes != t->value[v].bytes) return false;
    for (int i = 0; i < p->n_in; i++) {
        if (root_of(t, p->in[i]) != v) continue;
        if (slot >= 0 || i >= l->inputs) return false;
        slot = i;
    }
    if (slot < 0 || wg_dtype_size(l->in[slot].dtype) != wg_dtype_size(l->out[k].dtype)) return false;
    if (!wg__shape_equal(t->g->node[p->in[slot]]->shape, t->g->node[p->out[k]]->shape)) return false;
    for (int s = 0; s < l->steps; s++) {
        if (l->step[s].y == l->inputs + l->registers + k) at = s;
        for (int x = 0; x < l->step[s].n; x++)
            if (at >= 0 && s > at && l->step[s].x[x] == slot) return false;
    }
    return l->tail < 0 || l->tail_slot != slot;
}

static bool reads_value(const wg_tape *t, const struct wg__instr *p, int v)
{
    for (int i = 0; i < p->n_in; i++)
        if (root_of(t, p->in[i]) == v) return true;
    return false;
}

static int find_output(const struct wg__instr *p, int v)
{
    for (int k = 0; k < p->n_out; k++)
        if (p->out[k] == v) return k;
    return -1;
}

static void place_copy(struct schedule *s, struct wg__copy *c)
{
    wg_tape     *t = s->t;
    struct slot *from = &s->slot[c->from], *param = &s->slot[c->param];
    int          w = root_of(t, c->from) == c->from ? from->writer : -1;
    if (w < 0 || !s->update[w] || param->copies) return;
    const struct wg__instr *p = &t->instr[w];
    if (reads_value(t, p, c->param) && !wg__loop_may_overwrite(t, p, find_output(p, c->from), c->param)) return;
    /* Another update that reads the old value might itself be moved: leave the copy. */
    if (param->update_reader != -1 && param->update_reader != w) return;
    if (param->last_reader > s->target[w]) s->target[w] = param->last_reader;
    if (s->last_fallible > s->target[w]) s->target[w] = s->last_fallible;
    WG__INVARIANT(s->target[w] >= w && wg__shape_equal(t->g->node[c->from]->shape, t->g->node[c->param]->shape));
    c->in_place = true;
    t->value[c->from].place = WG__SHARED;
    t->value[c->from].data = t->value[c->param].data;
}

static void move_updates_last(struct schedule *s)
{
    int last = s->t->n_instr - 1;
    while (last >= 0 && s->update[last]) last--;
    for (int i = 0; i < last; i++)
        if (s->update[i]) s->target[i] = last;
}

/* Puts the instructions in their new order; updates that were moved behind the same instruction keep their order. */
static int reorder_instrs(struct schedule *s)
{
    wg_tape          *t = s->t;
    struct wg__instr *sorted = malloc(((size_t)t->n_instr + 1) * sizeof *sorted);
    int              *head = malloc(((size_t)t->n_instr + 1) * 2 * sizeof *head), *next, n = 0;
    if (!sorted || !head) {
        free(sorted);
        free(head);
        return wg__fail_nomem(t->user);
    }
    next = head + t->n_instr;
    for (int i = 0; i < t->n_instr; i++) head[i] = -1;
    for (int i = t->n_instr - 1; i >= 0; i--)
        if (s->target[i] != i) {
            next[i] = head[s->target[i]];
            head[s->target[i]] = i;
        }
    for (int i = 0; i < t->n_instr; i++) {
        if (s->target[i] == i) sorted[n++] = t->instr[i];
        for (int j = head[i]; j >= 0; j = next[j]) sorted[n++] = t->instr[j];
    }
    WG__INVARIANT(n == t->n_instr);
    free(t->instr);
    free(head);
    t->instr = sorted;
    return WG_OK;
}

int wg__schedule(wg_tape *t)
{
    struct schedule s = {.t = t, .last_fallible = -1};
    int             status = WG_OK;
    if (!t->n_copy) return WG_OK;
    s.slot = malloc(((size_t)t->g->n + 1) * sizeof *s.slot);
    s.update = calloc((size_t)t->n_instr + 1, sizeof *s.update);
    s.target = malloc(((size_t)t->n_instr + 1) * sizeof *s.target);
    if (s.slot && s.update && s.target) {
        for (int v = 0; v < t->g->n; v++)
            s.slot[v] = (struct slot){.writer = -1, .last_reader = -1, .update_reader = -1};
        find_writers(&s);
        find_readers(&s);
        for (int c = 0; c < t->n_copy; c++)
            if (!(t->options.skip & WG_SKIP_REUSE)) place_copy(&s, &t->copy[c]);
        if (t->options.device != WG_DEVICE_CPU) move_updates_last(&s);
        status = reorder_instrs(&s);
    } else status = wg__fail_nomem(t->user);
    free(s.slot);
    free(s.update);
    free(s.target);
    return status;
}
