/* Compiling: the passes in order, and the life of a tape. */
#include <stdlib.h>
#include <string.h>

#include "base/system/arithmetic.h"
#include "tape/device/device.h"

static void free_tape(wg_tape *t)
{
    if (t->eager && t->g) wg__eager_free(t);
    wg__follow_free(t);
    wg__device_release(t);
    wg__packed_release(t);
    wg__trace_free(t->trace);
    wg__backup_free(t);
    wg__data_free(t->buffer);
    wg__data_free(t->scratch);
    wg__arena_free(&t->arena);
    free(t->copy);
    free(t->instr);
    free(t->value);
    free(t->order);
    wg__table_free(&t->merge.table);
    free(t->merge.node);
    wg__table_free(&t->streams.table);
    free(t->streams.met);
    free(t->map);
    if (t->g) t->g->n_param = 0; /* parameters belong to the user's graph */
    wg_graph_free(t->g);
    free(t);
}

static void free_tapes(wg_graph *g)
{
    for (wg_tape *t = g->tapes, *next; t; t = next) {
        next = t->next;
        free_tape(t);
    }
    g->tapes = NULL;
}

wg_tape *wg__tape_new(wg_graph *g, const wg_options *o)
{
    wg_tape *t = calloc(1, sizeof *t);
    if (!t) return wg__fail_nomem(g), NULL;
    t->user = g;
    if (o) t->options = *o;
    t->next = g->tapes;
    g->tapes = t;
    g->free_tapes = free_tapes;
    if (wg__lower_init(t) == WG_OK) return t;
    wg_tape_free(t);
    return NULL;
}

void wg_tape_free(wg_tape *t)
{
    if (!t) return;
    wg_tape **at = &t->user->tapes;
    while (*at != t) at = &(*at)->next;
    *at = t->next;
    if (t->eager) t->user->hook = (struct wg__hooks){0};
    free_tape(t);
}

/* Reports which of the nodes has no form with the sizes of this tape, and why. */
static int refuse_lowering(wg_tape *t, const wg_node *x)
{
    const char *why = wg_message(t->g);
    char        operands[240] = "", text[160];
    size_t      k = 0;
    int         status = t->g->status ? t->g->status : WG_EINTERNAL;
    if (status == WG_ENOMEM) return wg__fail(t->user, status, "%s", why);
    if (!t->refused) return wg__fail(t->user, status, "compile: %s", why);
    for (int i = 0; i < x->n; i++)
        wg__append(operands, sizeof operands, &k, "%s%s", i ? ", " : "", wg__node_str(x->x[i], text, sizeof text));
    return wg__fail(t->user, status, "compile: %s(%s) with these sizes: %s", wg_node_kind(x), operands, why);
}

/* Lowers every node that the outputs need. */
static int lower_all(wg_tape *t, int n, wg_node *const out[])
{
    wg_node **order = NULL;
    int       count = wg__postorder(t->user, n, out, &order), status = count < 0 ? count : WG_OK;
    t->n_map = t->user->n;
    t->map = calloc((size_t)t->n_map + 1, sizeof *t->map);
    if (!status && !t->map) status = wg__fail_nomem(t->user);
    for (int i = 0; i < count && !status; i++)
        if (!wg__lower(t, order[i])) status = refuse_lowering(t, order[i]);
    free(order);
    return status;
}

/* Tells whether x is a parameter or a view of a parameter. */
static bool shows_parameter(const wg_node *x)
{
    while (wg__is_view(x)) x = x->x[0];
    return x->kind == WG__PARAM;
}

wg_node *wg__detached(wg_tape *t, const wg_node *user, wg_node *x)
{
    if (user->kind == WG__PARAM || !shows_parameter(x)) return x;
    uint64_t hash = wg__merge_hash(&wg_op_expand, 1, &x, x->shape);
    bool     merges = !(t->options.skip & WG_SKIP_MERGE);
    wg_node *copy = merges ? wg__merge_find(t, hash, &wg_op_expand, 1, &x, x->shape) : NULL;
    if (copy) return copy;
    copy = wg__apply_raw(t->g, &wg_op_expand, 1, &x, x->shape);
    return copy && merges && wg__merge_add(t, hash, copy) ? NULL : copy;
}

/* Tells whether node i is an output beside those asked for: a watched node is, and an input, so that it can be set even
 * where rewriting found that nothing reads it. */
static bool is_extra(const wg_tape *t, int i)
{
    return t->map[i] && (t->user->node[i]->watched || t->user->node[i]->kind == WG__INPUT);
}

static int collect_roots(wg_tape *t, int n, wg_node *const out[], wg_node ***roots, int *n_roots)
{
    int extra = 0;
    for (int i = 0; i < t->n_map; i++) extra += is_extra(t, i);
    *roots = malloc(((size_t)(n + extra) + 1) * sizeof **roots);
    if (!*roots) return wg__fail_nomem(t->user);
    *n_roots = 0;
    for (int i = 0; i < n + t->n_map; i++) {
        int id = i < n ? out[i]->id : i - n;
        if (i >= n && !is_extra(t, id)) continue;
        wg_node *x = wg__detached(t, t->user->node[id], t->map[id]);
        if (!x) return wg__fail_nomem(t->user);
        (*roots)[(*n_roots)++] = t->map[id] = x;
    }
    return WG_OK;
}

/* Makes a copy of the old value, since another assignment overwrites the parameter. */
int wg__stage_assigned(wg_tape *t, wg_node *a)
{
    if (!shows_parameter(a->x[1])) return WG_OK;
    wg_node *copy = wg__apply_raw(t->g, &wg_op_expand, 1, &a->x[1], a->x[1]->shape);
    if (!copy) return wg__fail_nomem(t->user);
    a->x[1] = copy;
    return WG_OK;
}

static int stage_all(wg_tape *t)
{
    int status = WG_OK;
    for (int i = 0; i < t->g->n && !status; i++)
        if (t->g->node[i]->kind == WG__ASSIGN) status = wg__stage_assigned(t, t->g->node[i]);
    return status;
}

static void init_value(wg_tape *t, const wg_node *x)
{
    struct wg__value *v = &t->value[x->id];
    *v = (struct wg__value){.root = wg__is_view(x) ? t->value[x->x[0]->id].root : x->id, .first = -1, .last = -1};
    v->bytes = x->kind == WG__GROUP ? 0 : wg__bytes((wg_dtype)x->dtype, x->shape);
    if (x->kind == WG__PARAM || x->kind == WG__CONST) {
        v->place = WG__SHARED;
        v->data = x->data;
    }
}

/* Puts every result of an operator behind it, also those that nobody reads, since its kernel writes them. */
static int order_results(wg_tape *t, int n)
{
    wg_node **order = malloc(((size_t)t->g->n + 1) * sizeof *order);
    if (!order) return wg__fail_nomem(t->user);
    t->n_order = 0;
    for (int i = 0; i < n; i++) {
        wg_node *x = t->order[i];
        if (x->kind == WG__RESULT) continue;
        order[t->n_order++] = x;
        for (int k = 1; x->kind == WG__OP && k < x->m; k++) order[t->n_order++] = wg__result(x, k);
    }
    free(t->order);
    t->order = order;
    return WG_OK;
}

static int order_nodes(wg_tape *t, int n, wg_node *const roots[])
{
    int count = wg__postorder(t->g, n, roots, &t->order), status = count < 0 ? WG_ENOMEM : order_results(t, count);
    if (status) return wg__fail_nomem(t->user);
    t->value = calloc((size_t)t->g->n + 1, sizeof *t->value);
    if (!t->value) return wg__fail_nomem(t->user);
    for (int i = 0; i < t->g->n; i++) t->value[i].root = i; /* also of nodes that no output needs */
    for (int i = 0; i < t->n_order; i++) {
        init_value(t, t->order[i]);
        t->n_copy += t->order[i]->kind == WG__ASSIGN;
    }
    for (int i = 0; i < n; i++) t->value[roots[i]->id].keep = true;
    return WG_OK;
}

static int collect_copies(wg_tape *t)
{
    t->copy = malloc(((size_t)t->n_copy + 1) * sizeof *t->copy);
    if (!t->copy) return wg__fail_nomem(t->user);
    t->n_copy = 0;
    for (int i = 0; i < t->n_order; i++) {
        const wg_node *x = t->order[i];
        if (x->kind != WG__ASSIGN) continue;
        if (t->options.evaluate && x->x[0]->origin->role != WG_ROLE_STATE)
            return wg__fail(t->user, WG_EARG,
                            "compile: with .evaluate a tape may assign state alone, and %s is a weight: leave the step "
                            "out, or see wg_set_role",
                            wg_node_name(x->x[0]->origin));
        for (int c = 0; c < t->n_copy; c++)
            if (t->copy[c].param == x->x[0]->id)
                return wg__fail(
                    t->user, WG_EARG, "compile: %s is assigned twice (%s)", wg_node_name(x->x[0]->origin),
                    x->x[0]->origin->role == WG_ROLE_STATE
                        ? "where steps of two losses bring different updates of the state, compile each step "
                          "by itself, or one step of both losses"
                        : "where one of the two is a solver's: wg_set_role(.., WG_ROLE_STATE) or "
                          "wg_minimize_over leaves it out");
        t->copy[t->n_copy++] = (struct wg__copy){.param = x->x[0]->id, .from = x->x[1]->id};
    }
    return WG_OK;
}

static int run_passes(wg_tape *t, int n, wg_node *const out[])
{
    struct wg__fuse f = {0};
    wg_node       **roots = NULL;
    int             n_roots = 0, status = lower_all(t, n, out);
    if (!status) status = stage_all(t);
    if (!status) status = collect_roots(t, n, out, &roots, &n_roots);
    if (!status) status = order_nodes(t, n_roots, roots);
    if (!status) status = collect_copies(t);
    if (!status) status = wg__fuse(t, &f);
    if (!status) status = wg__emit(t, &f);
    if (!status) status = wg__schedule(t);
    if (!status) status = wg__plan(t);
    if (!status) status = wg__check(t);
    if (!status) status = wg__bind_memory(t);
    if (!status) wg__await_inputs(t, n, out);
    wg__fuse_free(&f);
    free(roots);
    return status;
}

static int check_outputs(wg_graph *g, int n, wg_node *const out[])
{
    if (n < 1 || !out) return wg__fail(g, WG_EARG, "compile: no outputs");
    for (int i = 0; i < n; i++) {
        if (!out[i]) return g->status ? g->status : wg__fail(g, WG_EARG, "compile: output %d is NULL", i);
        if (out[i]->g != g) return wg__fail(g, WG_EARG, "compile: output %d belongs to another graph", i);
    }
    return WG_OK;
}

static int read_options(wg_graph *g, const wg_options *given, wg_options *o)
{
    char why[160];
    return wg__options_read(o, sizeof *o, given, why) ? WG_OK : wg__fail(g, WG_EARG, "compile: %s", why);
}

static int check_options(wg_graph *g, const wg_options *o)
{
    const unsigned known = WG_SKIP_REWRITE | WG_SKIP_MERGE | WG_SKIP_FUSE | WG_SKIP_REUSE;
    if (o->threads < 0) return wg__fail(g, WG_EARG, "compile: threads cannot be %d", o->threads);
    if (o->skip & ~known) return wg__fail(g, WG_EARG, "compile: skip has unknown bits: %#x", o->skip & ~known);
    if (o->max_bytes < 0) return wg__fail(g, WG_EARG, "compile: max_bytes cannot be %lld", (long long)o->max_bytes);
    if (o->precision < WG_PRECISION_EXACT || o->precision > WG_PRECISION_FP16)
        return wg__fail(g, WG_EARG,
                        "compile: precision cannot be %d, only one of WG_PRECISION_EXACT, _TF32, _BF16, _FP16",
                        o->precision);
    if (o->device < 0) return wg__fail(g, WG_EARG, "compile: device cannot be %d", o->device);
    if (o->device != WG_DEVICE_CPU && !wg__device_use(g, o->device - 1)) return g->status; /* before all the work */
    return wg__dims_check_bind(g, o);
}

wg_tape *wg_compile(wg_graph *g, int n, wg_node *const out[], const wg_options *options)
{
    wg_options o;
    if (!g || check_outputs(g, n, out) || read_options(g, options, &o) || check_options(g, &o)) return NULL;
    if (!wg__workspace_ready()) return wg__fail_nomem(g), NULL; /* so that a run in this thread takes no memory */
    wg_tape *t = wg__tape_new(g, &o);
    if (!t) return NULL;
    uint64_t host = wg__arithmetic_enter(); /* rules compute too */
    int      status = run_passes(t, n, out);
    wg__arithmetic_leave(host);
    t->options.n_more = 0; /* borrowed until here */
    t->options.more = NULL;
    if (status == WG_OK) return t;
    wg_tape_free(t);
    return NULL;
}
