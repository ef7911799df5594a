/* Translates a loop for CUDA: operators by name, and a register for each step. */
#include <string.h>

#include "cpu/cpu.h"
#include "cuda/loop/cuda_loop.h"

/* Maps slots to registers: the loop of a tape uses its registers again and again. */
struct slots {
    int     inputs, registers, outputs; /* the loop's */
    int     made;                       /* registers of the translation */
    uint8_t now[WG__LOOP_SLOTS];        /* the loop's slot -> slot of the translation */
};

static bool is_register(const struct slots *s, int slot)
{
    return slot >= s->inputs && slot < s->inputs + s->registers;
}

static void set_operands(const struct wg__loop *l, struct wg__cuda_loop *to)
{
    to->rank = l->rank;
    memcpy(to->dim, l->dim, sizeof to->dim);
    for (int k = 0; k < l->inputs; k++) {
        to->in[k] = (struct wg__cuda_operand){.data = l->in[k].data, .dtype = (uint8_t)l->in[k].dtype};
        memcpy(to->in[k].stride, l->in[k].stride, sizeof to->in[k].stride);
    }
    for (int k = 0; k < l->outputs; k++) {
        int64_t step = 1;
        to->out[k] = (struct wg__cuda_operand){.data = l->out[k].data, .dtype = (uint8_t)l->out[k].dtype};
        for (int a = l->rank - 1; a >= 0; step *= l->dim[a--]) to->out[k].stride[a] = step;
    }
}

static struct wg__cuda_step step_of(const struct wg__step *from, struct slots *slots)
{
    struct wg__cuda_step to = {.op = from->op->name, .n = from->n, .to = from->to, .from = from->from[from->n - 1]};
    if (from->op->attr_size == sizeof(double)) to.a = *(const double *)from->attr;
    for (int k = 0; k < from->n; k++) to.x[k] = slots->now[from->x[k]];
    if (is_register(slots, from->y)) slots->now[from->y] = (uint8_t)(slots->inputs + slots->made++);
    to.y = slots->now[from->y];
    return to;
}

static void set_steps(const struct wg__loop *l, struct wg__cuda_loop *to)
{
    struct slots s = {.inputs = l->inputs, .registers = l->registers, .outputs = l->outputs};
    to->inputs = l->inputs;
    to->outputs = l->outputs;
    to->steps = l->steps;
    for (int k = 0; k < l->steps; k++) to->registers += is_register(&s, l->step[k].y);
    for (int k = 0; k < l->inputs; k++) s.now[k] = (uint8_t)k;
    for (int k = 0; k < l->outputs; k++) s.now[l->inputs + l->registers + k] = (uint8_t)(l->inputs + to->registers + k);
    for (int k = 0; k < l->steps; k++) to->step[k] = step_of(&l->step[k], &s);
    to->tail = l->tail;
    if (l->tail < 0) return;
    to->tail_slot = s.now[l->tail_slot];
    to->tail_dtype = l->tail_dtype;
    to->outer = l->outer;
    to->reduced = l->reduced;
    to->inner = l->inner;
    to->tail_out = l->tail_out;
}

void wg__cuda_translate(const struct wg__loop *l, struct wg__cuda_loop *to)
{
    memset(to, 0, sizeof *to);
    set_operands(l, to);
    set_steps(l, to);
}
