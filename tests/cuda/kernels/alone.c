/* Elementwise operators and reductions alone: each as the loop that a tape makes of it, by the interpreter. */
#include <string.h>

#include "cpu/cpu.h"
#include "cuda/loop/cuda_loop.h"
#include "cuda/cuda_test.h"
#include "ops/ops_impl.h"

static const wg_op *asked; /* the operator of the last question */

static void set_step(struct wg__loop *l, const wg_call *c)
{
    l->outputs = l->steps = 1;
    l->out[0] = (struct wg__loop_output){.data = c->y->data, .dtype = c->y->dtype};
    l->step[0] = (struct wg__step){.op = asked, .attr = c->attr, .n = (uint8_t)c->n, .y = (uint8_t)c->n};
    l->step[0].to = (uint8_t)c->y->dtype;
    for (int k = 0; k < c->n; k++) {
        l->step[0].x[k] = (uint8_t)k;
        l->step[0].from[k] = (uint8_t)c->x[k].dtype;
    }
}

static void set_tail(struct wg__loop *l, const wg_call *c)
{
    struct wg__split s = wg__reduce_split(c->attr, &c->x[0].shape);
    l->tail_dtype = c->y->dtype;
    l->tail_out = c->y->data;
    l->outer = s.outer;
    l->reduced = s.n;
    l->inner = s.inner;
}

static void loop_of(const wg_call *c, struct wg__cuda_loop *to)
{
    const wg_shape      *shape[WG_BLOCK_MAX_ARITY];
    struct wg__loop_room room = {0};
    struct wg__loop      l = {.inputs = c->n, .tail = wg__reduction_of(asked)};
    wg__loop_use(&l, &room);
    for (int k = 0; k < c->n; k++) {
        l.in[k] = (struct wg__loop_operand){.data = c->x[k].data, .dtype = c->x[k].dtype};
        shape[k] = &c->x[k].shape;
    }
    if (l.tail < 0) set_step(&l, c);
    else set_tail(&l, c);
    wg__loop_domain(&l, l.tail < 0 ? &c->y->shape : shape[0], shape, false);
    wg__cuda_translate(&l, to);
}

static size_t scratch(const wg_call *c)
{
    struct wg__cuda_loop l;
    loop_of(c, &l);
    return wg__cuda_loop_scratch(&l);
}

static cudaError_t launch(const struct wg__cuda_launch *at)
{
    struct wg__cuda_loop l;
    loop_of(at->call, &l);
    return wg__cuda_loop_run(&l, at);
}

const struct wg__cuda_op *loop_launch_of(const char *name)
{
    static const struct wg__cuda_op loop = {"loop", launch, scratch};
    for (const wg_op *const *op = wg_ops; *op; op++)
        if (!strcmp((*op)->name, name) && ((*op)->block || wg__reduction_of(*op) >= 0)) return asked = *op, &loop;
    return NULL;
}
