/* Emission: from clusters to instructions.
 *
 * A cluster of elementwise nodes becomes a loop: its slots are inputs, then
 * registers, then outputs.  Anything else becomes a call of its operator. */
#include <stdlib.h>
#include <string.h>

#include "tape/tape_impl.h"

/* What is needed while one loop is made. */
struct builder {
    wg_tape                  *t;
    const struct wg__fuse    *f;
    const struct wg__cluster *c;
    struct wg__loop           loop;
    struct wg__loop_room      room;
    const wg_shape           *in_shape[WG__LOOP_INPUTS];
    wg_node                  *in[WG__LOOP_INPUTS], *out[WG__LOOP_OUTPUTS];
    wg_node                  *member[WG__LOOP_STEPS]; /* node of each step */
    int                       reg[WG__LOOP_STEPS];    /* its register, or -1: an output */
    int                       last[WG__LOOP_STEPS];   /* last step that reads it */
    int                       held[WG__LOOP_STEPS];   /* register -> step that holds it, -1: free */
};

static bool is_member(const struct builder *b, const wg_node *x, int ci)
{
    return b->f->node[x->id].cluster == ci && x != b->c->head && x != b->c->tail;
}

/* Tells whether x is an expand that only its own loop reads: no step, since its operand is read with stride 0. */
static bool is_free_expand(const struct builder *b, const wg_node *x)
{
    return x->op == &wg_op_expand && !b->f->node[x->id].outside && x != b->c->root;
}

static int find_input_slot(struct builder *b, wg_node *x)
{
    for (int i = 0; i < b->loop.inputs; i++)
        if (b->in[i] == x) return i;
    b->in[b->loop.inputs] = x;
    b->in_shape[b->loop.inputs] = x->shape;
    b->loop.in[b->loop.inputs].dtype = (wg_dtype)x->dtype;
    return b->loop.inputs++;
}

static int find_step(const struct builder *b, const wg_node *x)
{
    for (int s = b->loop.steps - 1; s >= 0; s--)
        if (b->member[s] == x) return s;
    return -1;
}

/* Steps refer to members by INPUTS + step until slots are known. */
enum { MEMBER = WG__LOOP_INPUTS };

static int find_operand(struct builder *b, wg_node *x, int ci)
{
    if (!is_member(b, x, ci)) return find_input_slot(b, x);
    if (is_free_expand(b, x)) return find_operand(b, x->x[0], ci);
    return MEMBER + find_step(b, x);
}

static void make_steps(struct builder *b, int ci)
{
    struct wg__loop *l = &b->loop;
    for (int i = 0; i < b->c->n; i++) {
        wg_node *v = b->f->member[b->c->first + i];
        if (is_free_expand(b, v)) continue;
        struct wg__step s = {.op = v->op, .attr = v->attr, .n = (uint8_t)v->n, .to = (uint8_t)v->dtype};
        for (int k = 0; k < v->n; k++) {
            s.x[k] = (uint8_t)find_operand(b, v->x[k], ci);
            s.from[k] = (uint8_t)v->x[k]->dtype;
        }
        b->member[l->steps] = v;
        l->step[l->steps++] = s;
    }
    l->tail = -1;
    if (b->c->tail) l->tail_slot = find_operand(b, b->c->tail->x[0], ci);
}

static int take_register(struct builder *b, int step)
{
    for (int r = 0; r < b->loop.registers; r++)
        if (b->held[r] < 0 || b->last[b->held[r]] < step) {
            b->held[r] = step;
            return r;
        }
    b->held[b->loop.registers] = step;
    return b->loop.registers++;
}

/* Gives each step a register, by liveness, or an output where its value is needed outside; then replaces members by
 * slots. */
static void assign_slots(struct builder *b)
{
    struct wg__loop *l = &b->loop;
    int              output[WG__LOOP_STEPS];
    for (int s = 0; s < l->steps; s++) b->last[s] = -1;
    for (int s = 0; s < l->steps; s++)
        for (int k = 0; k < l->step[s].n; k++)
            if (l->step[s].x[k] >= MEMBER) b->last[l->step[s].x[k] - MEMBER] = s;
    if (b->c->tail && l->tail_slot >= MEMBER) b->last[l->tail_slot - MEMBER] = l->steps;
    for (int s = 0; s < l->steps; s++) {
        bool out = b->f->node[b->member[s]->id].outside || b->member[s] == b->c->root;
        output[s] = out ? l->outputs : -1;
        if (out) {
            l->out[l->outputs].dtype = (wg_dtype)b->member[s]->dtype;
            b->out[l->outputs++] = b->member[s];
        }
        b->reg[s] = out ? -1 : take_register(b, s);
    }
    for (int s = 0; s <= l->steps; s++) { /* the step after the last is the tail */
        struct wg__step *p = &l->step[s < l->steps ? s : 0];
        for (int k = 0; s < l->steps && k < p->n; k++)
            if (p->x[k] >= MEMBER) {
                int from = p->x[k] - MEMBER;
                p->x[k] = (uint8_t)(l->inputs + (b->reg[from] >= 0 ? b->reg[from] : l->registers + output[from]));
            }
        if (s < l->steps) p->y = (uint8_t)(l->inputs + (b->reg[s] >= 0 ? b->reg[s] : l->registers + output[s]));
        else if (b->c->tail && l->tail_slot >= MEMBER) {
            int from = l->tail_slot - MEMBER;
            l->tail_slot = l->inputs + (b->reg[from] >= 0 ? b->reg[from] : l->registers + output[from]);
        }
    }
}

static void set_tail(struct wg__loop *l, const wg_node *v)
{
    l->tail = wg__reduction_of(v->op);
    l->tail_dtype = (wg_dtype)v->dtype;
    struct wg__split p = wg__reduce_split(v->attr, v->x[0]->shape);
    l->outer = p.outer;
    l->reduced = p.n;
    l->inner = p.inner;
}

static double count_call_flops(const wg_op *op, const wg_call *c)
{
    return op->flops ? op->flops(c) : (double)wg_count(&c->y->shape);
}

static double count_loop_flops(const struct builder *b)
{
    double                 n = (double)wg_count(b->c->tail ? b->c->tail->x[0]->shape : b->c->root->shape);
    double                 steps = b->loop.steps + (b->loop.tail >= 0);
    const struct wg__head *h = b->loop.head;
    return n * steps + (h ? count_call_flops(h->op, &h->call) : 0);
}

/* Makes the call that computes v, without data; gives its operands, or NULL if memory is short. */
static wg_tensor *set_call(wg_tape *t, const wg_node *v, wg_call *c)
{
    wg_tensor *x = wg__arena_alloc(&t->arena, (size_t)(v->n + v->m) * sizeof *x);
    if (!x) return NULL;
    for (int k = 0; k < v->n; k++) x[k] = (wg_tensor){NULL, (wg_dtype)v->x[k]->dtype, *v->x[k]->shape};
    for (int k = 0; k < v->m; k++) {
        const wg_node *r = wg__result(v, k);
        x[v->n + k] = (wg_tensor){NULL, (wg_dtype)r->dtype, *r->shape};
    }
    *c = (wg_call){.n = v->n,
                   .m = v->m,
                   .x = x,
                   .y = x + v->n,
                   .attr = v->attr,
                   .seed = t->user->seed,
                   .threads = t->options.threads};
    return x;
}

/* Gives a call of v room for its plan, if the operator is a producer; false if memory is short. */
static bool set_production(wg_tape *t, const wg_node *v, struct wg__production *made)
{
    const struct wg__producer *by = wg__producer_of(v->op);
    *made = (struct wg__production){.producer = by, .plan = by ? wg__arena_alloc(&t->arena, by->plan_bytes) : NULL};
    return !by || made->plan;
}

static struct wg__head *make_head(wg_tape *t, const wg_node *v)
{
    struct wg__head *h = wg__arena_alloc(&t->arena, sizeof *h);
    if (!h || !set_production(t, v, &h->made)) return NULL;
    h->op = v->op;
    h->x = set_call(t, v, &h->call);
    return h->x ? h : NULL;
}

static struct wg__instr *add_instr(wg_tape *t, wg_node *node, int n_in, int n_out, int n_chain)
{
    struct wg__instr *i = &t->instr[t->n_instr];
    *i = (struct wg__instr){.node = node, .n_in = n_in, .n_out = n_out, .n_chain = n_chain, .product = -1};
    i->in = wg__arena_alloc(&t->arena, (size_t)(n_in + n_out + 1) * sizeof *i->in);
    i->chain = wg__arena_alloc(&t->arena, (size_t)(n_chain + 1) * sizeof *i->chain);
    if (!i->in || !i->chain) return wg__fail_nomem(t->user), NULL;
    i->out = i->in + n_in;
    t->n_instr++;
    return i;
}

/* Copies a loop into the arena, as large as it has to be. */
static struct wg__loop *copy_loop(struct wg__arena *a, const struct wg__loop *l)
{
    size_t           in = (size_t)l->inputs * sizeof *l->in, out = (size_t)l->outputs * sizeof *l->out;
    size_t           step = (size_t)l->steps * sizeof *l->step;
    struct wg__loop *copy = wg__arena_alloc(a, sizeof *copy + in + out + step);
    if (!copy) return NULL;
    *copy = *l;
    copy->in = memcpy(copy + 1, l->in, in);
    copy->out = memcpy((char *)copy->in + in, l->out, out);
    copy->step = memcpy((char *)copy->out + out, l->step, step);
    return copy;
}

/* Makes the instruction of a loop. in: the loop's inputs, then the head's operands; out: the loop's outputs, then the
 * tail's result, then the head's product. */
static int finish_loop(struct builder *b)
{
    const wg_node *head = b->c->head, *tail = b->c->tail;
    int            n_in = b->loop.inputs + (head ? head->n : 0), n_out = b->loop.outputs + !!tail + !!head;
    b->loop.cost = 0.25 * b->loop.steps + (tail ? 0.1 : 0);
    struct wg__loop  *l = copy_loop(&b->t->arena, &b->loop);
    struct wg__instr *i = l ? add_instr(b->t, b->c->root, n_in, n_out, b->loop.steps + !!tail + !!head) : NULL;
    if (!i) return l ? WG_ENOMEM : wg__fail_nomem(b->t->user);
    i->loop = l;
    i->flops = count_loop_flops(b);
    for (int k = 0; k < b->loop.inputs; k++) i->in[k] = b->in[k]->id;
    for (int k = 0; head && k < head->n; k++) i->in[b->loop.inputs + k] = head->x[k]->id;
    for (int k = 0; k < b->loop.outputs; k++) i->out[k] = b->out[k]->id;
    if (tail) i->out[b->loop.outputs] = tail->id;
    if (head) i->product = i->out[n_out - 1] = head->id;
    if (head) i->chain[0] = b->c->head;
    for (int s = 0; s < b->loop.steps; s++) i->chain[!!head + s] = b->member[s];
    if (tail) i->chain[i->n_chain - 1] = b->c->tail;
    return WG_OK;
}

static int emit_loop(wg_tape *t, const struct wg__fuse *f, int ci)
{
    const struct wg__cluster *c = &f->cluster[ci];
    struct builder            b = {.t = t, .f = f, .c = c};
    wg__loop_use(&b.loop, &b.room);
    if (c->head) {
        find_input_slot(&b, c->head);
        if (!(b.loop.head = make_head(t, c->head))) return wg__fail_nomem(t->user);
    }
    make_steps(&b, ci);
    assign_slots(&b);
    wg__loop_domain(&b.loop, c->tail ? c->tail->x[0]->shape : c->root->shape, b.in_shape, c->head != NULL);
    if (c->tail) set_tail(&b.loop, c->tail);
    return finish_loop(&b);
}

static int emit_call(wg_tape *t, wg_node *v)
{
    struct wg__instr *i = add_instr(t, v, v->n, v->m, 1);
    if (!i) return WG_ENOMEM;
    i->call = wg__arena_alloc(&t->arena, sizeof *i->call);
    i->x = i->call ? set_call(t, v, i->call) : NULL;
    if (!i->x || !set_production(t, v, &i->made)) return wg__fail_nomem(t->user);
    for (int k = 0; k < v->n; k++) i->in[k] = v->x[k]->id;
    for (int k = 0; k < v->m; k++) i->out[k] = v->id + k;
    i->chain[0] = v;
    i->op = v->op;
    i->flops = count_call_flops(i->op, i->call);
    return WG_OK;
}

int wg__emit(wg_tape *t, const struct wg__fuse *f)
{
    t->instr = malloc(((size_t)f->n + 1) * sizeof *t->instr);
    if (!t->instr) return wg__fail_nomem(t->user);
    int status = WG_OK;
    for (int ci = 0; ci < f->n && !status; ci++)
        status = f->cluster[ci].loop ? emit_loop(t, f, ci) : emit_call(t, f->cluster[ci].root);
    return status;
}
