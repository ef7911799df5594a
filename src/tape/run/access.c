/* Values in and out, and questions about a tape. */
#include <math.h>
#include <string.h>

#include "tape/device/device.h"
#include "tape/run/lend.h"

int wg__tape_fail(wg_tape *t, int status, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(t->message, sizeof t->message, format, ap);
    va_end(ap);
    wg__printable(t->message, sizeof t->message);
    t->status = status;
    wg_on_error(status, t->message);
    return status;
}

int wg__no_tape(const char *who) { return wg__fail(NULL, WG_EARG, "%s: the tape is NULL", who); }

int         wg_tape_status(const wg_tape *t) { return t ? t->status : WG_EARG; }
const char *wg_tape_message(const wg_tape *t)
{
    return !t ? "there is no tape: look at wg_message of the graph" : t->status ? t->message : wg_strerror(WG_OK);
}

wg_node *wg__lookup(const wg_tape *t, const wg_node *x)
{
    return x && x->g == t->user && x->id < t->n_map ? t->map[x->id] : NULL;
}

/* Tells whether the tape has memory of its own for the value of x, which its node v computes. */
static bool is_kept(const wg_tape *t, const wg_node *x, const wg_node *v)
{
    if (t->eager) return v->data;
    const struct wg__value *s = &t->value[v->id], *root = &t->value[s->root];
    const wg_node          *r = t->g->node[s->root];
    bool                    lives = root->place == WG__SHARED || r->kind == WG__INPUT || root->keep;
    bool held = s->root != v->id ? s->keep || lives : s->keep || s->place == WG__SHARED || v->kind == WG__INPUT;
    if (r->kind == WG__PARAM && x->kind != WG__PARAM)
        held = false; /* rewriting made a node that is no output a parameter */
    return held && (t->device ? root->host : root->data);
}

static size_t count_bytes(const wg_tape *t, const wg_node *v)
{
    return t->eager ? wg__bytes((wg_dtype)v->dtype, v->shape) : t->value[v->id].bytes;
}

/* Refuses what is no node of the tape's graph, or a node that has no value. */
static WG__RARE int check_own(wg_tape *t, const wg_node *x, const char *who)
{
    char name[160];
    if (!x || x->kind == WG__ASSIGN || x->kind == WG__GROUP)
        return wg__tape_fail(t, WG_EARG, "%s: %s has no value", who, x ? wg_node_kind(x) : "NULL");
    if (x->g == t->user) return WG_OK;
    return wg__tape_fail(t, WG_EARG, "%s: %s belongs to another graph than the tape", who,
                         wg__node_label(x, name, sizeof name));
}

static WG__RARE const wg_node *refuse_unkept(wg_tape *t, const wg_node *x, const char *who)
{
    char name[160];
    if (check_own(t, x, who)) return NULL;
    wg__node_label(x, name, sizeof name);
    if (t->eager && x->kind == WG__INPUT)
        wg__tape_fail(t, WG_EARG, "%s: %s has no value yet: wg_set it first", who, name);
    else if (t->eager || x->kind == WG__INPUT || x->kind == WG__PARAM)
        wg__tape_fail(t, WG_EARG, "%s: %s takes no part in this tape", who, name);
    else
        wg__tape_fail(t, WG_EARG, "%s: this tape does not keep %s: make it an output or wg_watch it before wg_compile",
                      who, name);
    return NULL;
}

const wg_node *wg__kept(wg_tape *t, const wg_node *x, const char *who, size_t *bytes)
{
    const wg_node *v = x && x->kind != WG__ASSIGN && x->kind != WG__GROUP ? wg__lookup(t, x) : NULL;
    if (v && is_kept(t, x, v)) {
        *bytes = count_bytes(t, v);
        return v;
    }
    return refuse_unkept(t, x, who);
}

void wg__run_failed(wg_tape *t)
{
    t->outcome = WG__RUN_FAILED;
    memcpy(t->failure, t->message, sizeof t->failure);
}

/* Finds the node whose memory v shows. */
static const wg_node *find_shown(const wg_tape *t, const wg_node *v)
{
    if (!t->eager) return t->g->node[t->value[v->id].root];
    while (wg__is_view(v)) v = v->x[0];
    return v;
}

static WG__RARE bool refuse_reading(wg_tape *t, const wg_node *x, bool computed, const char *who)
{
    char name[160];
    wg__node_label(x, name, sizeof name);
    if (!computed) wg__tape_fail(t, WG_EARG, "%s: %s has no value yet: wg_set the input first", who, name);
    else if (t->outcome == WG__NO_RUN) wg__tape_fail(t, WG_EARG, "%s: %s has no value yet: wg_run first", who, name);
    else wg__tape_fail(t, WG_EARG, "%s: %s has no value, for the last run failed: %.300s", who, name, t->failure);
    return false;
}

/* Tells whether the value of x, which the tape's node v computes, is there: set, or computed by a run that succeeded.
 */
static bool is_there(wg_tape *t, const wg_node *x, const wg_node *v, const char *who)
{
    const wg_node *r = find_shown(t, v);
    bool           computed = wg__is_computed(r);
    if (computed ? t->outcome == WG__RUN_DONE : t->eager || !t->value[r->id].unset) return true;
    return refuse_reading(t, x, computed, who);
}

static WG__RARE const wg_node *refuse_setting(wg_tape *t, const wg_node *x, const char *who, bool params)
{
    char name[160];
    bool leaf = x && (x->kind == WG__INPUT || (params && x->kind == WG__PARAM));
    if (leaf && x->g == t->user) {
        const wg_node *v = wg__lookup(t, x);
        if (!v || v->data || !t->eager) /* else memory is short, which was said */
            wg__tape_fail(t, WG_EARG, "%s: this tape does not read %s: no output depends on it", who,
                          wg__node_label(x, name, sizeof name));
        return NULL;
    }
    if (check_own(t, x, who)) return NULL;
    wg__tape_fail(t, WG_EARG, "%s: %s is %s, and only inputs%s can be set", who, wg__node_label(x, name, sizeof name),
                  x->kind == WG__PARAM   ? "a parameter"
                  : x->kind == WG__CONST ? "a constant"
                                         : "computed",
                  params ? " and parameters" : "");
    return NULL;
}

/* Finds the tape's node for x, an input (or with `params` a parameter) whose value can be set; NULL with the reason on
 * the tape. */
static const wg_node *find_settable(wg_tape *t, const wg_node *x, const char *who, bool params, size_t *bytes)
{
    bool leaf = x && (x->kind == WG__INPUT || (params && x->kind == WG__PARAM));
    if (leaf && x->g == t->user && wg__eager_room(t, x) == WG_OK) {
        const wg_node *v = wg__lookup(t, x);
        if (v && is_kept(t, x, v)) {
            *bytes = count_bytes(t, v);
            return v;
        }
    }
    return refuse_setting(t, x, who, params);
}

/* Finds the memory to read the value of x from, which the tape's node v computes and the tape keeps; NULL with the
 * reason on the tape. */
static const void *find_readable(wg_tape *t, const wg_node *x, const wg_node *v, const char *who)
{
    if (!is_there(t, x, v, who)) return NULL;
    if (t->device) return wg__device_read(t, v, who);
    const wg_node *r = find_shown(t, v);
    if (r->kind == WG__PARAM && wg__param_home(r->origin))
        return wg__tape_fail(t, t->user->status, "%s: %s", who, wg_message(t->user)), NULL;
    return t->eager ? v->data : t->value[r->id].data;
}

static void await_value(wg_tape *t, int id)
{
    struct wg__value *v = &t->value[t->value[id].root];
    if (t->g->node[v->root]->kind != WG__INPUT || v->unset || !v->bytes) return;
    v->unset = true;
    t->n_unset++;
}

void wg__await_inputs(wg_tape *t, int n, wg_node *const out[])
{
    for (int i = 0; i < n; i++) await_value(t, t->map[out[i]->id]->id);
    for (int i = 0; i < t->n_instr; i++)
        for (int k = 0; k < t->instr[i].n_in; k++) await_value(t, t->instr[i].in[k]);
    for (int c = 0; c < t->n_copy; c++) await_value(t, t->copy[c].from);
}

/* Finds the memory in which all of an input or parameter is to be written; `expose`: the caller may write there again
 * and again. */
static void *find_writable(wg_tape *t, const wg_node *v, bool expose)
{
    if (!t->eager && t->value[v->id].unset) {
        t->value[v->id].unset = false;
        t->n_unset--;
    }
    if (t->device) return wg__device_write(t, v, expose);
    if (v->kind == WG__PARAM) wg__param_written(t->user->node[v->origin->id]);
    return v->kind == WG__PARAM || t->eager ? v->data : t->value[v->id].data;
}

int wg__set(wg_tape *t, const wg_node *x, const char *who, const void *data)
{
    size_t bytes = 0;
    if (!t) return wg__no_tape(who);
    if (!data) return wg__tape_fail(t, WG_EARG, "%s: data is NULL", who);
    const wg_node *v = find_settable(t, x, who, true, &bytes);
    void          *p = v ? find_writable(t, v, false) : NULL;
    if (!p) return t->status;
    wg__take((wg_dtype)v->dtype, p, data, bytes);
    return WG_OK;
}

int wg__get(wg_tape *t, const wg_node *x, const char *who, void *data)
{
    size_t bytes;
    if (!t) return wg__no_tape(who);
    if (!data) return wg__tape_fail(t, WG_EARG, "%s: data is NULL", who);
    const wg_node *v = wg__kept(t, x, who, &bytes);
    const void    *p = v ? find_readable(t, x, v, who) : NULL;
    if (!p) return t->status;
    memcpy(data, p, bytes);
    return WG_OK;
}

int wg_set(wg_tape *t, const wg_node *x, const void *data) { return wg__set(t, x, "set", data); }
int wg_get(wg_tape *t, const wg_node *x, void *data) { return wg__get(t, x, "get", data); }

static int check_one_element(wg_tape *t, const wg_node *x, const wg_node *v, const char *who)
{
    char name[128];
    if (wg_count(v->shape) == 1) return WG_OK;
    return wg__tape_fail(t, WG_ESHAPE, "%s: %s has more or less than one element", who,
                         wg__node_label(x, name, sizeof name));
}

int wg_set_scalar(wg_tape *t, const wg_node *x, double value)
{
    size_t         bytes;
    const wg_node *v = t ? find_settable(t, x, "set_scalar", true, &bytes) : NULL;
    if (!v) return t ? t->status : wg__no_tape("set_scalar");
    if (check_one_element(t, x, v, "set_scalar")) return t->status;
    if (!wg__holds((wg_dtype)v->dtype, value)) {
        char name[128];
        return wg__tape_fail(t, WG_EARG, "set_scalar: %s is %s, which has no %g", wg__node_label(x, name, sizeof name),
                             wg_dtype_name((wg_dtype)v->dtype), value);
    }
    void *p = find_writable(t, v, false);
    if (!p) return t->status;
    wg__store((wg_dtype)v->dtype, p, 0, value);
    return WG_OK;
}

double wg_get_scalar(wg_tape *t, const wg_node *x)
{
    size_t         bytes;
    const wg_node *v = t ? wg__kept(t, x, "get_scalar", &bytes) : NULL;
    const void    *p = v && !check_one_element(t, x, v, "get_scalar") ? find_readable(t, x, v, "get_scalar") : NULL;
    if (!t) wg__no_tape("get_scalar");
    return p ? wg__load((wg_dtype)v->dtype, p, 0) : NAN;
}

const void *wg_view(wg_tape *t, const wg_node *x)
{
    size_t         bytes;
    const wg_node *v = t ? wg__kept(t, x, "view", &bytes) : NULL;
    if (!t) wg__no_tape("view");
    return v ? find_readable(t, x, v, "view") : NULL;
}

void *wg_input_buffer(wg_tape *t, const wg_node *x)
{
    size_t         bytes;
    const wg_node *v = t ? find_settable(t, x, "input_buffer", false, &bytes) : NULL;
    if (!t) wg__no_tape("input_buffer");
    if (v && v->dtype == WG_BOOL) t->lent_bools = true;
    return v ? find_writable(t, v, true) : NULL;
}

void *wg__input_lend(wg_tape *t, const wg_node *x)
{
    size_t         bytes;
    const wg_node *v = find_settable(t, x, "set", false, &bytes);
    return v ? find_writable(t, v, false) : NULL;
}

void wg__take_lent(wg_tape *t)
{
    for (int i = 0; i < t->g->n; i++) {
        const wg_node *x = t->g->node[i];
        if (x->kind != WG__INPUT || x->dtype != WG_BOOL) continue;
        void *p = t->eager ? x->data : t->device ? t->value[x->id].host : t->value[x->id].data;
        if (p) wg__take(WG_BOOL, p, p, wg__bytes(WG_BOOL, x->shape));
    }
}

const wg_shape *wg_tape_shape(wg_tape *t, const wg_node *x)
{
    const wg_node *v = t ? wg__lookup(t, x) : NULL;
    return v ? v->shape : NULL;
}

wg_graph *wg_tape_graph(const wg_tape *t) { return t ? t->user : NULL; }
uint64_t  wg_run_number(const wg_tape *t) { return t ? t->run : 0; }
void      wg_set_run_number(wg_tape *t, uint64_t run)
{
    if (!t) return;
    if (t->device) wg__device_settle(t);
    if (!t->device || !t->device->api->faulted(t->device->program)) {
        t->renumbered.run = run;
        t->renumbered.begun = t->begun;
    }
    t->run = run;
    t->drawn = false;
}

wg_tape_stats wg_stats(const wg_tape *t)
{
    wg_tape_stats s = {0};
    if (!t) return s;
    s.instructions = t->n_instr;
    s.peak_bytes = (int64_t)(t->buffer_bytes - t->input_bytes);
    s.packed_bytes = wg__packed_bytes(t);
    for (int i = 0; i < t->n_instr; i++) s.flops += t->instr[i].flops;
    for (int i = 0; i < t->n_order; i++) {
        const wg_node *x = t->order[i];
        if (wg__is_computed(x) && !wg__is_view(x)) s.value_bytes += wg__aligned(t->value[x->id].bytes);
    }
    return s;
}
