/* Packed operands: a constant, or a parameter that the tape does not assign, in the order in which a kernel reads it.
 *
 * The graph has the list, and tapes share what is in it: a form belongs to data, packing and layout, and lives until
 * the last tape that reads it is freed.  Compiling makes the room; the list changes then, and when a tape is freed.
 * A run only looks at the parameter's version.  The first run that meets a new version goes without the packed form,
 * with the same bits; the next one packs.  So a parameter that is set before each run is never packed in vain. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tape/tape_impl.h"

struct wg__packed {
    struct wg__packed       *next;
    const struct wg__packer *by;
    struct wg__packed_form   form;
    const void              *data;  /* of the operand */
    const wg_node           *param; /* the user's parameter that has the data; NULL: a constant */
    int                      users; /* entries in wg_tape.keep */
    void                    *memory;

    pthread_mutex_t lock;    /* around met, memory and changes of version: tapes may run in parallel */
    uint64_t        version; /* that memory holds; 0: none */
    uint64_t        met;     /* by the last run that found another one in memory */
};

/* ---- While compiling ---- */

static bool is_assigned(const wg_tape *t, int value)
{
    for (int c = 0; c < t->n_copy; c++)
        if (t->copy[c].param == value) return true;
    return false;
}

/* Finds the node whose memory operand k of the instruction is, if a run leaves that memory as it is; else NULL. */
static const wg_node *find_lasting_operand(const wg_tape *t, const struct wg__instr *p, int k)
{
    int            root = t->value[p->in[k + (p->loop ? p->loop->inputs : 0)]].root;
    const wg_node *x = t->g->node[root];
    if (x->kind == WG__PARAM) return is_assigned(t, root) ? NULL : x;
    return x->kind == WG__CONST ? x : NULL;
}

static bool is_same_form(const struct wg__packed *q, const struct wg__packer *by, const void *data,
                         const struct wg__packed_form *f)
{
    return q->by == by && q->data == data && q->form.bytes == f->bytes &&
           !memcmp(q->form.layout, f->layout, sizeof f->layout);
}

static uint64_t find_version(const struct wg__packed *q) { return q->param ? (uint64_t)q->param->version + 1 : 1; }

static int refuse_room(wg_tape *t, const wg_node *x, size_t bytes)
{
    char text[160];
    return wg__fail(t->user, WG_ENOMEM, "compile: out of memory: %s takes %zu bytes packed for products",
                    wg__node_label(x, text, sizeof text), bytes);
}

static struct wg__packed *make_packed(wg_tape *t, const wg_node *x, const struct wg__packer *by, const void *data,
                                      const struct wg__packed_form *f)
{
    struct wg__packed *q = malloc(sizeof *q);
    void              *memory = q ? wg__data_alloc(f->bytes) : NULL;
    if (!memory) return free(q), refuse_room(t, x, f->bytes), NULL;
    *q = (struct wg__packed){.next = t->user->packed,
                             .by = by,
                             .form = *f,
                             .data = data,
                             .param = x->kind == WG__PARAM ? x->origin : NULL,
                             .memory = memory,
                             .met = x->kind == WG__CONST}; /* the only version there is */
    pthread_mutex_init(&q->lock, NULL);
    return t->user->packed = q;
}

/* Keeps an operand of the instruction packed if that is worth while: in a form shared with another tape, or a new
 * one. */
static int keep_operand(wg_tape *t, struct wg__instr *p)
{
    const wg_op             *op;
    struct wg__packed_form   f;
    const wg_call           *c = wg__call_of(p, &op);
    struct wg__production   *made = p->loop ? c ? &p->loop->head->made : NULL : &p->made;
    const struct wg__packer *by = made && made->producer ? made->producer->packer : NULL;
    if (!by || !by->form(c, &f)) return WG_OK;
    const wg_node *x = find_lasting_operand(t, p, f.operand);
    if (!x) return WG_OK;
    struct wg__packed *q = t->user->packed;
    while (q && !is_same_form(q, by, c->x[f.operand].data, &f)) q = q->next;
    if (!q && !(q = make_packed(t, x, by, c->x[f.operand].data, &f))) return WG_ENOMEM;
    q->users++;
    t->keep[t->n_keep++] = (struct wg__keep){q, c, made};
    return WG_OK;
}

int wg__keep_packed(wg_tape *t)
{
    int status = WG_OK, most = 0;
    for (int i = 0; i < t->n_instr; i++) {
        const wg_op   *op;
        const wg_call *c = wg__on_cpu(t, i) ? wg__call_of(&t->instr[i], &op) : NULL;
        most += c && wg__producer_of(op);
    }
    if (!most) return WG_OK;
    t->keep = malloc((size_t)most * sizeof *t->keep);
    if (!t->keep) return wg__fail_nomem(t->user);
    for (int i = 0; i < t->n_instr && !status; i++)
        if (wg__on_cpu(t, i)) status = keep_operand(t, &t->instr[i]);
    return status;
}

static void release_packed(wg_graph *g, struct wg__packed *q)
{
    struct wg__packed **at = &g->packed;
    if (--q->users) return;
    while (*at != q) at = &(*at)->next;
    *at = q->next;
    pthread_mutex_destroy(&q->lock);
    wg__data_free(q->memory);
    free(q);
}

void wg__packed_release(wg_tape *t)
{
    while (t->n_keep) release_packed(t->user, t->keep[--t->n_keep].of);
    free(t->keep);
    t->keep = NULL;
}

int64_t wg__packed_bytes(const wg_tape *t)
{
    int64_t n = 0;
    for (int i = 0; i < t->n_keep; i++) {
        int k = 0;
        while (t->keep[k].of != t->keep[i].of) k++;
        if (k == i) n += wg__aligned(t->keep[i].of->form.bytes);
    }
    return n;
}

/* ---- Before a run ---- */

/* Packs what two runs have met, and notes what this one is the first to meet.  Whoever comes second to the lock finds
 * the work done. */
static WG__RARE const void *renew_packed(struct wg__packed *q, const wg_call *c, uint64_t now)
{
    const void *packed = q->memory;
    pthread_mutex_lock(&q->lock);
    if (q->version != now && q->met == now) {
        q->by->prepare(c, q->memory);
        __atomic_store_n(&q->version, now, __ATOMIC_RELEASE);
    } else if (q->version != now) {
        q->met = now;
        packed = NULL;
    }
    pthread_mutex_unlock(&q->lock);
    return packed;
}

void wg__take_packed(wg_tape *t)
{
    for (int i = 0; i < t->n_keep; i++) {
        const struct wg__keep *k = &t->keep[i];
        uint64_t               now = find_version(k->of);
        bool                   fresh = __atomic_load_n(&k->of->version, __ATOMIC_ACQUIRE) == now;
        k->made->packed = fresh ? k->of->memory : renew_packed(k->of, k->call, now);
    }
}
