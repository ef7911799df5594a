/* Placing a tape on a device: the instructions that run there, memory for all values, and the segments of a run. */
#include <stdlib.h>
#include <string.h>

#include "tape/device/device.h"

/* ---- The instructions that run on the device ---- */

static bool is_built_in(const wg_op *op)
{
    for (const wg_op *const *p = wg_ops; *p; p++)
        if (*p == op) return true;
    return false;
}

static bool has_kernel(const struct wg__tape_device *d, const struct wg__instr *p)
{
    for (int k = 0; k < p->n_chain; k++)
        if (!is_built_in(p->chain[k]->op) && !p->chain[k]->op->cuda) return false;
    return d->api->knows(p);
}

/* ---- The bytes that a tape needs ---- */

static int64_t count_constant_bytes(const wg_tape *t)
{
    int64_t n = 0;
    for (int i = 0; i < t->n_order; i++)
        if (t->order[i]->kind == WG__CONST) n += wg__aligned(t->value[t->order[i]->id].bytes);
    return n;
}

static int64_t count_param_bytes(const wg_tape *t)
{
    int64_t n = 0;
    for (int i = 0; i < t->n_order; i++)
        if (t->order[i]->kind == WG__PARAM) n += (int64_t)t->value[t->order[i]->id].bytes;
    return n;
}

/* Reports why the device refused; where memory is short, with all that is planned. */
static int report_refusal(wg_tape *t, const struct wg__why *w)
{
    const struct wg__tape_device *d = t->device;
    if (w->status != WG_ENOMEM) return wg__fail(t->user, w->status, "compile: %s", w->text);
    return wg__fail(t->user, WG_ENOMEM,
                    "compile: %s; planned: %lld for values, %lld for constants, %lld for parameters, %lld for scratch "
                    "and inputs on their way",
                    w->text, (long long)t->buffer_bytes, (long long)count_constant_bytes(t),
                    (long long)count_param_bytes(t), (long long)d->api->needs(d->use->device, t));
}

/* ---- The tables ---- */

static int make_tables(wg_tape *t)
{
    struct wg__tape_device *d = t->device;
    for (int i = 0; i < t->n_order; i++) {
        d->n_param += t->order[i]->kind == WG__PARAM;
        d->n_input += t->order[i]->kind == WG__INPUT;
    }
    d->param = calloc((size_t)d->n_param + 1, sizeof *d->param);
    d->input = calloc((size_t)d->n_input + 1, sizeof *d->input);
    d->range = calloc((size_t)d->n_input + 1, sizeof *d->range);
    d->segment = calloc(2 * (size_t)t->n_instr + 2, sizeof *d->segment);
    d->on_host = calloc((size_t)t->n_instr + 1, sizeof *d->on_host);
    if (!d->param || !d->input || !d->range || !d->segment || !d->on_host) return wg__fail_nomem(t->user);
    for (int i = 0; i < t->n_instr; i++) d->on_host[i] = !has_kernel(d, &t->instr[i]);
    return WG_OK;
}

static int place_params(wg_tape *t)
{
    struct wg__tape_device *d = t->device;
    struct wg__why          w = {0};
    d->n_param = 0;
    for (int i = 0; i < t->n_order; i++) {
        const wg_node *x = t->order[i];
        if (x->kind != WG__PARAM) continue;
        wg_node             *user = t->user->node[x->origin->id];
        struct wg__resident *r = wg__device_param(d->use, user, &w);
        if (!r) return report_refusal(t, &w);
        d->param[d->n_param++] = (struct wg__tape_param){.value = x->id, .resident = r};
        t->value[x->id].data = r->data;
        t->value[x->id].host = user->data;
    }
    for (int c = 0; c < t->n_copy; c++) {
        for (int i = 0; i < d->n_param; i++) d->param[i].assigned |= d->param[i].value == t->copy[c].param;
        if (!t->copy[c].in_place) continue;
        t->value[t->copy[c].from].data = t->value[t->copy[c].param].data;
        t->value[t->copy[c].from].host = t->value[t->copy[c].param].host;
    }
    return WG_OK;
}

/* ---- Memory ---- */

/* Marks the values that need a place on the host: someone may ask for them, or an instruction there reads or writes
 * them. */
static void mark_host(const wg_tape *t, char *wanted)
{
    for (int i = 0; i < t->n_order; i++)
        if (t->value[t->order[i]->id].keep) wanted[t->value[t->order[i]->id].root] = 1;
    for (int i = 0; i < t->n_instr; i++)
        for (int k = 0; t->device->on_host[i] && k < t->instr[i].n_in + t->instr[i].n_out; k++)
            wanted[t->value[t->instr[i].in[k]].root] = 1; /* out follows in */
}

/* Gives the wanted values places in d->host, one after the other; returns where they end. */
static size_t lay_out_host(wg_tape *t, const char *wanted)
{
    size_t end = 0;
    for (int i = 0; i < t->n_order; i++) {
        struct wg__value *v = &t->value[t->order[i]->id];
        if (!wanted[t->order[i]->id] || !wg__is_computed(t->order[i]) || v->place != WG__BUFFER) continue;
        if (t->device->host) v->host = t->device->host + end;
        end += (size_t)wg__aligned(v->bytes);
    }
    return end;
}

static int place_on_host(wg_tape *t)
{
    struct wg__why          w = {0};
    struct wg__tape_device *d = t->device;
    char                   *wanted = calloc((size_t)t->g->n + 1, 1);
    if (!wanted) return wg__fail_nomem(t->user);
    mark_host(t, wanted);
    int status =
        d->api->pin(d->use->device, lay_out_host(t, wanted), "the values that are read", (void **)&d->host, &w);
    if (!status) lay_out_host(t, wanted);
    free(wanted);
    return status ? report_refusal(t, &w) : WG_OK;
}

/* Places all values in one piece of memory on the device: the planned buffer, then the constants. */
static int place_on_device(wg_tape *t)
{
    struct wg__tape_device *d = t->device;
    struct wg__why          w = {0};
    int64_t                 at = wg__aligned(t->buffer_bytes), end = at + count_constant_bytes(t);
    int                     status = wg__check_bytes(t, end);
    if (status) return status;
    if (d->api->alloc(d->use->device, (size_t)end, "the values of a tape", (void **)&d->arena, &w))
        return report_refusal(t, &w);
    for (int i = 0; i < t->n_order && !status; i++) {
        const wg_node    *x = t->order[i];
        struct wg__value *v = &t->value[x->id];
        if (v->place == WG__BUFFER) v->data = d->arena + v->offset;
        if (x->kind != WG__CONST) continue;
        v->data = d->arena + at;
        v->host = x->data;
        at += wg__aligned(v->bytes);
        status = d->api->put(d->use->device, v->data, v->host, v->bytes, &w);
    }
    return status ? report_refusal(t, &w) : WG_OK;
}

static int place_inputs(wg_tape *t)
{
    struct wg__tape_device *d = t->device;
    struct wg__why          w = {0};
    if (d->api->pin(d->use->device, 2 * t->input_bytes, "the inputs of a tape", (void **)&d->pinned, &w))
        return report_refusal(t, &w);
    d->n_input = 0;
    for (int i = 0; i < t->n_order; i++)
        if (t->order[i]->kind == WG__INPUT) {
            struct wg__value *v = &t->value[t->order[i]->id];
            d->input[d->n_input++].value = t->order[i]->id;
            v->host = d->pinned + v->offset;
        }
    return WG_OK;
}

/* Marks the inputs and parameters that an instruction on the CPU reads: an input stays in one place. */
static void mark_read_on_host(wg_tape *t, const struct wg__instr *p)
{
    struct wg__tape_device *d = t->device;
    for (int k = 0; k < p->n_in; k++) {
        int r = t->value[p->in[k]].root;
        for (int i = 0; i < d->n_param; i++) d->param[i].host |= d->param[i].value == r;
        for (int i = 0; i < d->n_input; i++)
            if (d->input[i].value == r) d->input[i].exposed = d->exposed = true;
    }
}

/* ---- Segments ---- */

static bool has_host_instr(const wg_tape *t)
{
    for (int i = 0; i < t->n_instr; i++)
        if (t->device->on_host[i]) return true;
    return false;
}

static void make_segments(wg_tape *t)
{
    struct wg__tape_device *d = t->device;
    int                     last = -1, begin = 0, n = 0;
    for (int i = 0; i < t->n_instr && has_host_instr(t); i++) {
        const struct wg__instr *p = &t->instr[i];
        if (!d->on_host[i] && !p->loop && (p->op->flags & WG_OP_MAY_FAIL)) last = i; /* the last that may fail */
    }
    for (int i = 0; i < t->n_instr; i++) {
        bool cut = d->on_host[i] || (i == last && t->n_copy);
        if (d->on_host[i] && begin < i) d->segment[n++] = (struct wg__segment){.begin = begin, .end = i};
        if (!cut) continue;
        d->segment[n++] = (struct wg__segment){
            .begin = d->on_host[i] ? i : begin, .end = i + 1, .host = d->on_host[i], .check = i == last};
        begin = i + 1;
    }
    if (begin < t->n_instr || t->n_copy || !n) /* the copies of assignments come with the last */
        d->segment[n++] = (struct wg__segment){.begin = begin, .end = t->n_instr};
    if (last >= 0 && !t->n_copy) d->segment[n - 1].check = true;
    d->n_segment = n;
}

/* ---- All of it ---- */

static int bind_instrs(wg_tape *t)
{
    wg__number_values(t);
    for (int i = 0; i < t->n_instr; i++) {
        wg__bind_instr(t, i, t->device->on_host[i]);
        if (t->device->on_host[i]) mark_read_on_host(t, &t->instr[i]);
    }
    return wg__prepare_instrs(t);
}

int wg__device_bind(wg_tape *t)
{
    struct wg__why          w = {0};
    struct wg__tape_device *d = t->device = calloc(1, sizeof *d);
    if (!d) return wg__fail_nomem(t->user);
    if (!(d->use = wg__device_use(t->user, t->options.device - 1))) return t->user->status;
    d->api = d->use->api;
    int status = make_tables(t);
    if (!status) status = place_on_device(t);
    if (!status) status = place_params(t);
    if (!status) status = place_inputs(t);
    if (!status) status = place_on_host(t);
    if (!status) status = bind_instrs(t);
    if (status) return status;
    make_segments(t);
    status = d->api->build(d->use->device, t, d->segment, d->n_segment, &d->program, &w);
    return status ? report_refusal(t, &w) : WG_OK;
}

void wg__device_release(wg_tape *t)
{
    struct wg__tape_device *d = t->device;
    if (!d) return;
    if (d->program) {
        pthread_mutex_lock(&t->user->devices->lock);
        if (d->use->writer == d->program) d->use->writer = NULL;
        pthread_mutex_unlock(&t->user->devices->lock);
        d->api->destroy(d->program);
    }
    if (d->arena) d->api->release(d->use->device, d->arena);
    if (d->pinned) d->api->unpin(d->use->device, d->pinned);
    if (d->host) d->api->unpin(d->use->device, d->host);
    wg__data_free(d->probe);
    free(d->on_host);
    free(d->segment);
    free(d->range);
    free(d->input);
    free(d->param);
    free(d);
}
