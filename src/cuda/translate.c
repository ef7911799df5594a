/* A loop of a tape, whose steps are known to the CPU by their functions, as a
 * loop of CUDA, whose steps are told by the names of their operators. */
#include <string.h>

#include "cuda/program.h"

/* The CPU's registers are used again and again; here each step has its own. */
struct slots {
    int     inputs, registers, outputs; /* the CPU's */
    int     made;                       /* registers here */
    uint8_t now[WG__LOOP_SLOTS];        /* the CPU's slot -> slot here */
};

static bool is_register(const struct slots *s, int slot)
{
    return slot >= s->inputs && slot < s->inputs + s->registers;
}

static int dtype_of(const wg_tape *t, int value) { return t->g->node[value]->dtype; }

static void set_operands(const wg_tape *t, const struct wg__instr *p, struct wg__cuda_loop *to)
{
    const struct wg__loop *l = p->loop;
    to->rank = l->rank;
    memcpy(to->dim, l->dim, sizeof to->dim);
    for (int k = 0; k < l->inputs; k++) {
        to->in[k] = (struct wg__cuda_operand){.data = l->in[k].data, .dtype = (uint8_t)dtype_of(t, p->in[k])};
        memcpy(to->in[k].stride, l->in[k].stride, sizeof to->in[k].stride);
    }
    for (int k = 0; k < l->outputs; k++) {
        int64_t step = 1;
        to->out[k] = (struct wg__cuda_operand){.data = l->out[k].data, .dtype = (uint8_t)dtype_of(t, p->out[k])};
        for (int a = l->rank - 1; a >= 0; step *= l->dim[a--]) to->out[k].stride[a] = step;
        to->stops = to->stops || t->value[p->out[k]].place == WG__SHARED;
    }
}

static struct wg__cuda_step step_of(const struct wg__instr *p, int s, struct slots *slots)
{
    const struct wg__step *from = &p->loop->step[s];
    const wg_node         *v = p->chain[(p->loop->head != NULL) + s];
    struct wg__cuda_step   to = {.op = v->op->name, .n = from->n, .to = v->dtype};
    to.from = v->x[v->n - 1]->dtype;
    if (v->op->attr_size == sizeof(double)) to.a = *(const double *)v->attr;
    for (int k = 0; k < from->n; k++) to.x[k] = slots->now[from->x[k]];
    if (is_register(slots, from->y)) slots->now[from->y] = (uint8_t)(slots->inputs + slots->made++);
    to.y = slots->now[from->y];
    return to;
}

static void set_steps(const struct wg__instr *p, struct wg__cuda_loop *to)
{
    const struct wg__loop *l = p->loop;
    struct slots           s = {.inputs = l->inputs, .registers = l->registers, .outputs = l->outputs};
    to->inputs = l->inputs;
    to->outputs = l->outputs;
    to->steps = l->steps;
    for (int k = 0; k < l->steps; k++) to->registers += is_register(&s, l->step[k].y);
    for (int k = 0; k < l->inputs; k++) s.now[k] = (uint8_t)k;
    for (int k = 0; k < l->outputs; k++) s.now[l->inputs + l->registers + k] = (uint8_t)(l->inputs + to->registers + k);
    for (int k = 0; k < l->steps; k++) to->step[k] = step_of(p, k, &s);
    to->tail = l->tail;
    if (l->tail < 0) return;
    to->tail_slot = s.now[l->tail_slot];
    to->tail_dtype = l->tail_dtype;
    to->outer = l->outer;
    to->reduced = l->reduced;
    to->inner = l->inner;
    to->tail_out = l->tail_out;
}

void wg__cuda_translate(const wg_tape *t, const struct wg__instr *p, struct wg__cuda_loop *to)
{
    memset(to, 0, sizeof *to);
    set_operands(t, p, to);
    set_steps(p, to);
}
