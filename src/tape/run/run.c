/* Binding instructions to memory, and running them. */
#include <string.h>

#include "base/system/arithmetic.h"
#include "tape/device/device.h"

static void *find_data(const wg_tape *t, int v, bool host)
{
    const struct wg__value *r = &t->value[t->value[v].root];
    return host ? r->host : r->data;
}

/* Prepares a loop for this CPU: WG_OK, or an error on the user's graph. */
static int prepare_loop(wg_tape *t, struct wg__loop *l)
{
    const struct wg__step *s = wg__loop_prepare(l);
    if (!s) return WG_OK;
    return wg__fail(t->user, WG_EDTYPE, "compile: %s has no kernel for %s", s->op->name,
                    wg_dtype_name((wg_dtype)(s->n ? s->from[s->n - 1] : s->to)));
}

static void bind_loop(wg_tape *t, struct wg__instr *p, bool host)
{
    struct wg__loop *l = p->loop;
    for (int k = 0; k < l->inputs; k++) l->in[k].data = find_data(t, p->in[k], host);
    for (int k = 0; k < l->outputs; k++) l->out[k].data = find_data(t, p->out[k], host);
    if (l->tail >= 0) l->tail_out = find_data(t, p->out[l->outputs], host);
    if (!l->head) return;
    for (int k = 0; k < l->head->call.n; k++) l->head->x[k].data = find_data(t, p->in[l->inputs + k], host);
    l->head->call.y->data = find_data(t, p->product, host);
}

void wg__bind_instr(wg_tape *t, int i, bool host)
{
    struct wg__instr *p = &t->instr[i];
    if (p->loop) {
        bind_loop(t, p, host);
        return;
    }
    for (int k = 0; k < p->n_in; k++) p->x[k].data = find_data(t, p->in[k], host);
    for (int k = 0; k < p->n_out; k++) p->call->y[k].data = find_data(t, p->out[k], host);
}

int wg__refuse_room(wg_tape *t, size_t bytes)
{
    char text[160];
    int  most = -1;
    for (int i = 0; i < t->g->n; i++)
        if (t->value[i].place == WG__BUFFER && (most < 0 || t->value[i].bytes > t->value[most].bytes)) most = i;
    if (most < 0) return wg__fail_nomem(t->user);
    return wg__fail(t->user, WG_ENOMEM, "compile: out of memory: the values take %zu bytes, %s most of all", bytes,
                    wg__node_label(t->g->node[most], text, sizeof text));
}

wg_call *wg__call_of(struct wg__instr *p, const wg_op **op)
{
    *op = p->loop ? p->loop->head ? p->loop->head->op : NULL : p->op;
    return p->loop ? p->loop->head ? &p->loop->head->call : NULL : p->call;
}

bool wg__on_cpu(const wg_tape *t, int i) { return !t->device || t->device->on_host[i]; }

static int take_scratch(wg_tape *t)
{
    const wg_op *op;
    size_t       most = 0;
    int64_t      all;
    for (int i = 0; i < t->n_instr; i++) {
        wg_call *c = wg__on_cpu(t, i) ? wg__call_of(&t->instr[i], &op) : NULL;
        size_t   wanted = c && op->scratch ? op->scratch(c) : 0;
        if (wanted > most) most = wanted;
    }
    if (__builtin_add_overflow(t->buffer_bytes, most, &all)) all = INT64_MAX;
    int status = t->device ? WG_OK : wg__check_bytes(t, all);
    if (status) return status;
    if (most && !(t->scratch = wg__data_alloc(most))) return wg__fail_nomem(t->user);
    for (int i = 0; i < t->n_instr; i++) {
        wg_call *c = wg__call_of(&t->instr[i], &op);
        if (c) c->scratch = t->scratch;
    }
    return WG_OK;
}

int wg__prepare_instrs(wg_tape *t)
{
    int status = take_scratch(t);
    if (!status) status = wg__keep_packed(t);
    for (int i = 0; i < t->n_instr && !status; i++) {
        struct wg__instr *p = &t->instr[i];
        if (!wg__on_cpu(t, i)) continue;
        if (p->loop) status = prepare_loop(t, p->loop);
        else if (p->made.producer) wg__production_ready(&p->made, p->call);
    }
    return status;
}

int wg__bind_memory(wg_tape *t)
{
    if (t->options.device != WG_DEVICE_CPU) return wg__device_bind(t);
    wg__number_values(t);
    t->buffer = wg__data_alloc(t->buffer_bytes);
    if (!t->buffer) return wg__refuse_room(t, t->buffer_bytes);
    for (int i = 0; i < t->g->n; i++)
        if (t->value[i].place == WG__BUFFER) t->value[i].data = t->buffer + t->value[i].offset;
    for (int i = 0; i < t->n_instr; i++) wg__bind_instr(t, i, false);
    return wg__prepare_instrs(t);
}

int wg__fail_at(wg_tape *t, const wg_node *x, int status, const char *why)
{
    char        name[96];
    const char *call = x->origin ? x->origin->call : NULL;
    bool        composed = call && strcmp(call, x->op->name) != 0;
    return wg__tape_fail(t, status, "run: %s %s%s%s: %s", x->op->name, wg__value_name(t, x, name, sizeof name),
                         composed ? " of " : "", composed ? call : "", why);
}

static WG__RARE int fail_call(wg_tape *t, const struct wg__instr *p, int status)
{
    return wg__fail_at(t, p->node, status, *p->call->why ? p->call->why : wg_strerror(status));
}

static inline int run_instr(wg_tape *t, struct wg__instr *p)
{
    if (p->loop) {
        wg__loop_run(p->loop, t->options.threads);
        return WG_OK;
    }
    if (p->made.producer) {
        wg__production_run(&p->made, t->options.threads, NULL, NULL);
        return WG_OK;
    }
    p->call->run = t->run;
    p->call->why[0] = 0;
    int status = p->op->cpu ? p->op->cpu(p->call) : wg__loop_call(p->op, p->call);
    return status ? fail_call(t, p, status) : WG_OK;
}

int wg__run_instr(wg_tape *t, int i)
{
    uint64_t host = wg__arithmetic_enter();
    int      status = run_instr(t, &t->instr[i]);
    wg__arithmetic_leave(host);
    return status;
}

static int run_instrs(wg_tape *t)
{
    uint64_t host = wg__arithmetic_enter();
    int      status = WG_OK;
    for (int i = 0; i < t->n_instr && !status; i++) status = run_instr(t, &t->instr[i]);
    wg__arithmetic_leave(host);
    return status;
}

static void copy_assigned(wg_tape *t)
{
    for (int c = 0; c < t->n_copy; c++) {
        const struct wg__value *p = &t->value[t->copy[c].param];
        if (!t->copy[c].in_place) memcpy(p->data, find_data(t, t->copy[c].from, false), p->bytes);
        wg__param_written(t->user->node[t->g->node[t->copy[c].param]->origin->id]);
    }
}

/* Brings back the parameters that devices have written, before they are read here. */
static WG__RARE int bring_params(wg_tape *t)
{
    int status = WG_OK;
    for (int i = 0; i < t->n_order && !status; i++)
        if (t->order[i]->kind == WG__PARAM) status = wg__param_home(t->order[i]->origin);
    return status ? wg__tape_fail(t, status, "run: %s", wg_message(t->user)) : WG_OK;
}

/* Runs the instructions for a watch or a trace, looking at each of them. */
static WG__RARE int run_slowly(wg_tape *t)
{
    int status = t->watch_finite ? wg__backup(t) : WG_OK;
    if (t->trace) wg__trace_begin(t->trace, t->run);
    for (int i = 0; i < t->n_instr && !status; i++) {
        status = wg__run_instr(t, i);
        if (t->trace) wg__trace_mark(t->trace, i);
        if (!status && t->watch_finite) status = wg__check_finite(t, i);
    }
    if (status && t->watch_finite) wg__restore(t);
    return status;
}

/* Refuses a run because an input was never set: its zeros would pass for values. */
static WG__RARE int refuse_unset(wg_tape *t)
{
    char text[160];
    int  i = 0;
    while (t->g->node[i]->kind != WG__INPUT || !t->value[i].unset) i++;
    return wg__tape_fail(t, WG_EARG, "run: the input %s was never set: wg_set it before wg_run",
                         wg__node_label(t->g->node[i]->origin, text, sizeof text));
}

static int run(wg_tape *t)
{
    if (t->lent_bools) wg__take_lent(t);
    if (t->eager) return wg__eager_run(t);
    if (t->n_unset) return refuse_unset(t);
    if (!wg__workspace_ready()) return wg__tape_fail(t, WG_ENOMEM, "out of memory");
    if (t->device) return wg__device_run(t);
    int status = t->user->devices ? bring_params(t) : WG_OK;
    if (status) return status;
    if (t->n_keep) wg__take_packed(t);
    status = t->watch_finite || t->trace ? run_slowly(t) : run_instrs(t);
    if (status) return status;
    copy_assigned(t);
    wg__follow_run(t);
    t->run++;
    t->begun++;
    return WG_OK;
}

int wg_run(wg_tape *t)
{
    if (!t) return wg__no_tape("run");
    t->status = WG_OK;
    if (t->eager && wg__eager_check(t)) return t->status; /* the values are as they were */
    int status = run(t);
    if (__builtin_expect(status != WG_OK, 0)) {
        wg__run_failed(t);
        return status;
    }
    t->outcome = WG__RUN_DONE;
    return WG_OK;
}

int wg_wait(wg_tape *t)
{
    if (!t) return wg__no_tape("wait");
    t->status = WG_OK;
    return t->device ? wg__device_wait(t) : WG_OK;
}
