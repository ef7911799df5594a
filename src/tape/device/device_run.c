/* Runs of a tape on a device, and its values as the host sees them. */
#include <string.h>

#include "tape/device/device.h"

static int fail_on_device(wg_tape *t, const char *who, const struct wg__why *w)
{
    return wg__tape_fail(t, w->status, "%s: %s%s", who, w->text, w->late ? WG__DEVICE_LATE : "");
}

/* ---- Faults ---- */

static int report_fault(wg_tape *t, const struct wg__fault *f)
{
    char                    why[120];
    const struct wg__instr *p = f->instr >= 0 && f->instr < t->n_instr ? &t->instr[f->instr] : NULL;
    if (!p) return wg__tape_fail(t, WG_EDEVICE, "run: a kernel failed and does not say where");
    snprintf(why, sizeof why, "index %lld is outside of an axis of size %lld", (long long)f->index, (long long)f->size);
    return wg__fail_at(t, p->node, f->status, why);
}

/* Waits for the run in hand, and reports its fault if there is one. */
static int check_fault(wg_tape *t, struct wg__why *w)
{
    struct wg__fault f = {0};
    if (t->device->api->fault(t->device->program, &f, w)) return fail_on_device(t, "run", w);
    return f.status ? report_fault(t, &f) : WG_OK;
}

/* Gives the next run the number of the failed run; the runs behind the failed one did nothing. */
int wg__device_fault(wg_tape *t)
{
    struct wg__why   w = {0};
    struct wg__fault f = {0};
    if (!t->device->api->faulted(t->device->program)) return WG_OK;
    if (t->device->api->fault(t->device->program, &f, &w)) return fail_on_device(t, "run", &w);
    t->run = f.run;
    t->begun = t->renumbered.begun + (f.run - t->renumbered.run);
    wg__follow_failed(t);
    report_fault(t, &f);
    wg__run_failed(t);
    return t->status;
}

/* Waits until it is known whether a run has failed; the next call that asks reports the failure. */
void wg__device_settle(wg_tape *t)
{
    struct wg__why w = {0};
    t->device->api->wait(t->device->program, &w);
}

int wg__device_wait(wg_tape *t)
{
    struct wg__why w = {0};
    if (t->device->api->wait(t->device->program, &w)) return fail_on_device(t, "wait", &w);
    return wg__device_fault(t);
}

/* ---- Before the instructions ---- */

/* Makes the run take its turn: a tape that assigns waits for the runs of all other tapes, and they wait for it. */
static int take_turn(wg_tape *t, struct wg__why *w)
{
    struct wg__tape_device *d = t->device;
    int                     status = WG_OK;
    if (t->n_copy && __atomic_exchange_n(&d->use->readers, false, __ATOMIC_ACQ_REL))
        status = d->api->sync(d->use->device, w);
    const struct wg__program *writer = __atomic_load_n(&d->use->writer, __ATOMIC_ACQUIRE);
    if (status || !writer || writer == d->program) return status;
    pthread_mutex_lock(&t->user->devices->lock);
    if (d->use->writer) status = d->api->after(d->program, d->use->writer, w);
    pthread_mutex_unlock(&t->user->devices->lock);
    return status;
}

static void finish_run(wg_tape *t)
{
    struct wg__tape_device *d = t->device;
    for (int i = 0; i < d->n_param; i++)
        if (d->param[i].assigned) wg__device_written(d->param[i].resident);
    if (t->n_copy) __atomic_store_n(&d->use->writer, d->program, __ATOMIC_RELEASE);
    else __atomic_store_n(&d->use->readers, true, __ATOMIC_RELEASE);
}

static int refresh_params(const struct wg__tape_device *d, struct wg__why *w)
{
    int status = WG_OK;
    for (int i = 0; i < d->n_param && !status; i++) {
        status = wg__device_refresh(d->use, d->param[i].resident, w);
        if (!status && d->param[i].host) status = wg__device_fetch(d->param[i].resident->param, w);
    }
    return status;
}

/* Finds the inputs that were set since the last run; inputs that stand side by side are one range. */
static int find_fresh_ranges(const wg_tape *t)
{
    struct wg__tape_device *d = t->device;
    struct wg__range       *r = d->range;
    for (int i = 0; i < d->n_input; i++) {
        const struct wg__value *v = &t->value[d->input[i].value];
        size_t                  at = (size_t)v->offset;
        if ((!d->input[i].fresh && !d->input[i].exposed) || !v->bytes) continue;
        if (r > d->range && (size_t)wg__aligned(r[-1].at + r[-1].bytes) == at) r[-1].bytes = at + v->bytes - r[-1].at;
        else *r++ = (struct wg__range){at, v->bytes};
    }
    return (int)(r - d->range);
}

/* Feeds the inputs from the buffer that wg_set wrote; then wg_set turns to the other buffer. */
static int feed_inputs(wg_tape *t, struct wg__why *w)
{
    struct wg__tape_device *d = t->device;
    struct wg__feed         f = {.which = d->buffer, .to = d->arena, .range = d->range, .n = find_fresh_ranges(t)};
    f.from = d->pinned + (size_t)d->buffer * t->input_bytes;
    int status = f.n ? d->api->feed(d->program, &f, w) : WG_OK;
    for (int i = 0; i < d->n_input && !status; i++) d->input[i].fresh = false;
    if (status || !f.n || d->exposed) return status; /* exposed: one buffer, and the run's end waits for it */
    d->buffer ^= 1;
    d->pending = true;
    return WG_OK;
}

/* ---- Instructions ---- */

/* Runs instruction i on the CPU: copies its operands to the host before, and its results to the device after. */
static int run_on_host(wg_tape *t, int i, struct wg__why *w)
{
    const struct wg__instr *p = &t->instr[i];
    struct wg__tape_device *d = t->device;
    int                     status = WG_OK;
    for (int k = 0; k < p->n_in && !status; k++) {
        int                     r = t->value[p->in[k]].root;
        const struct wg__value *v = &t->value[r];
        if (wg__is_computed(t->g->node[r]) && v->place == WG__BUFFER)
            status = d->api->download(d->program, v->host, v->data, v->bytes, w);
    }
    if (status) return fail_on_device(t, "run", w);
    if ((status = wg__run_instr(t, i))) return status;
    for (int k = 0; k < p->n_out && !status; k++) {
        const struct wg__value *v = &t->value[p->out[k]];
        status = d->api->upload(d->program, v->data, v->host, v->bytes, w);
    }
    return status ? fail_on_device(t, "run", w) : WG_OK;
}

static int run_segments(wg_tape *t, struct wg__why *w)
{
    struct wg__tape_device *d = t->device;
    int                     status = WG_OK;
    for (int s = 0; s < d->n_segment && !status; s++) {
        if (d->segment[s].host) status = run_on_host(t, d->segment[s].begin, w);
        else if (d->api->launch(d->program, s, w)) status = fail_on_device(t, "run", w);
        if (!status && d->segment[s].check) status = check_fault(t, w);
    }
    return status;
}

/* Runs each instruction alone, for a watch or a trace, so that a failure is known to be its own. */
static int run_steps(wg_tape *t, struct wg__why *w)
{
    struct wg__tape_device *d = t->device;
    if (d->api->sync(d->use->device, w)) return fail_on_device(t, "run", w);
    int status = wg__device_fault(t);
    if (status) return status;
    status = t->watch_finite ? wg__backup(t) : WG_OK;
    if (t->trace) wg__trace_begin(t->trace, t->run);
    for (int i = 0; i < t->n_instr && !status; i++) {
        if (d->on_host[i]) status = run_on_host(t, i, w);
        else if (d->api->step(d->program, i, w)) status = fail_on_device(t, "run", w);
        else status = check_fault(t, w);
        if (t->trace) wg__trace_mark(t->trace, i);
        if (!status && t->watch_finite) status = wg__check_finite(t, i);
    }
    if (status && t->watch_finite) wg__restore(t);
    if (!status && d->api->assign(d->program, w)) status = fail_on_device(t, "run", w);
    return status;
}

int wg__device_run(wg_tape *t)
{
    struct wg__why          w = {0};
    struct wg__tape_device *d = t->device;
    bool                    slowly = t->watch_finite || t->trace;
    int                     status = wg__device_fault(t);
    if (status) return status;
    if (!(status = take_turn(t, &w))) status = refresh_params(d, &w);
    if (!status && t->n_keep) wg__take_packed(t);
    if (!status) status = d->api->begin(d->program, t->run, &w);
    if (!status) status = feed_inputs(t, &w);
    if (status) return fail_on_device(t, "run", &w);
    status = slowly ? run_steps(t, &w) : run_segments(t, &w);
    if (!status) wg__follow_run(t); /* before the end, for which other tapes wait */
    if (d->api->end(d->program, &w) && !status) status = fail_on_device(t, "run", &w);
    if (d->exposed && d->api->fed(d->program, 0, &w) && !status) status = fail_on_device(t, "run", &w);
    if (status) {
        wg__follow_failed(t);
        return status;
    }
    finish_run(t);
    t->run++;
    t->begun++;
    return WG_OK;
}

/* ---- Values ---- */

const void *wg__device_read(wg_tape *t, const wg_node *x, const char *who)
{
    struct wg__why          w = {0};
    struct wg__tape_device *d = t->device;
    const struct wg__value *v = &t->value[t->value[x->id].root];
    const wg_node          *r = t->g->node[t->value[x->id].root];
    int                     status = WG_OK;
    if (r->kind == WG__PARAM) status = wg__device_fetch(t->user->node[r->origin->id], &w);
    else if (wg__is_computed(r)) status = d->api->download(d->program, v->host, v->data, v->bytes, &w);
    if (status) {
        fail_on_device(t, who, &w);
        return NULL;
    }
    return r->kind != WG__INPUT && wg__device_fault(t) ? NULL : v->host;
}

static struct wg__tape_input *find_input(const struct wg__tape_device *d, int value)
{
    for (int i = 0; i < d->n_input; i++)
        if (d->input[i].value == value) return &d->input[i];
    return NULL;
}

static bool wait_for_buffer(wg_tape *t, struct wg__why *w)
{
    struct wg__tape_device *d = t->device;
    if (d->pending && d->api->fed(d->program, d->buffer, w)) {
        fail_on_device(t, "set", w);
        return false;
    }
    d->pending = false;
    return true;
}

/* Goes over to one buffer, to which the contents of the other one move. */
static bool use_one_buffer(wg_tape *t, struct wg__why *w)
{
    struct wg__tape_device *d = t->device;
    for (int k = 0; k < 2 && !d->exposed; k++)
        if (d->api->fed(d->program, k, w)) {
            fail_on_device(t, "set", w);
            return false;
        }
    for (int i = 0; i < d->n_input; i++) {
        struct wg__value *v = &t->value[d->input[i].value];
        char             *first = d->pinned + v->offset;
        if (v->host != first && v->bytes) memcpy(first, v->host, v->bytes);
        v->host = first;
    }
    d->exposed = true;
    d->buffer = 0;
    d->pending = false;
    return true;
}

void *wg__device_write(wg_tape *t, const wg_node *x, bool expose)
{
    struct wg__why          w = {0};
    struct wg__tape_device *d = t->device;
    struct wg__value       *v = &t->value[x->id];
    if (x->kind == WG__PARAM) {
        wg__param_written(t->user->node[x->origin->id]);
        return v->host;
    }
    struct wg__tape_input *in = find_input(d, x->id);
    if (expose && !in->exposed) {
        if (!use_one_buffer(t, &w)) return NULL;
        in->exposed = true;
    }
    if (!wait_for_buffer(t, &w)) return NULL;
    v->host = d->pinned + (size_t)d->buffer * t->input_bytes + v->offset;
    in->fresh = true;
    return v->host;
}

const void *wg__device_probe(wg_tape *t, int value)
{
    struct wg__why          w = {0};
    struct wg__tape_device *d = t->device;
    const struct wg__value *v = &t->value[value];
    if (!d->api->download(d->program, d->probe, v->data, v->bytes, &w)) return d->probe;
    fail_on_device(t, "run", &w);
    return NULL;
}

int wg__device_watch(wg_tape *t, bool on)
{
    size_t most = 0;
    wg__data_free(t->device->probe);
    t->device->probe = NULL;
    for (int i = 0; i < t->n_instr; i++)
        for (int k = 0; k < t->instr[i].n_out; k++)
            if (t->value[t->instr[i].out[k]].bytes > most) most = t->value[t->instr[i].out[k]].bytes;
    return !on || (t->device->probe = wg__data_alloc(most)) ? WG_OK : WG_ENOMEM;
}
