/* One instruction of a tape as work for a stream: its product first, then the rest: a call of an
 * operator, or a loop. */
#include <string.h>

#include "cuda/loop/cuda_loop.h"
#include "cuda/program.h"

/* Finds the kernels of a built-in operator by its name, since this library has its own copy of the
 * operators. Any other operator that comes here has a member `cuda` (tape/device/device_tape.c). */
static const struct wg__cuda_op *find_kernels(const wg_op *op)
{
    const struct wg__cuda_op *const lists[] = {wg__cuda_reduce_ops, wg__cuda_softmax_ops, wg__cuda_index_ops,
                                               wg__cuda_shape_ops,  wg__cuda_result_ops,  wg__cuda_random_ops};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const struct wg__cuda_op *k = lists[i]; k->name; k++)
            if (!strcmp(k->name, op->name)) return k;
    return NULL;
}

static bool is_matmul(const wg_op *op) { return !op->cuda && !strcmp(op->name, "matmul"); }

const wg_call *wg__cuda_product_of(const struct wg__instr *p)
{
    if (!p->loop) return is_matmul(p->op) ? p->call : NULL;
    return p->loop->head && is_matmul(p->loop->head->op) ? &p->loop->head->call : NULL;
}

bool wg__cuda_knows(const struct wg__instr *p)
{
    if (wg__cuda_product_of(p)) return true;
    return p->loop ? !p->loop->head : p->op->cuda || find_kernels(p->op);
}

bool wg__cuda_writes_parameter(const wg_tape *t, const struct wg__instr *p)
{
    for (int k = 0; k < p->n_out; k++)
        if (t->value[p->out[k]].place == WG__SHARED) return true;
    return false;
}

size_t wg__cuda_scratch(const struct wg__instr *p)
{
    if (p->loop) {
        struct wg__cuda_loop l;
        wg__cuda_translate(p->loop, &l);
        return wg__cuda_loop_scratch(&l);
    }
    if (p->op->cuda) return p->op->scratch ? p->op->scratch(p->call) : 0;
    const struct wg__cuda_op *op = is_matmul(p->op) ? NULL : find_kernels(p->op);
    return op && op->scratch ? op->scratch(p->call) : 0;
}

static int call_op(const struct wg__cuda_place *at, int i, struct wg__why *w)
{
    const struct wg__instr *p = &at->t->instr[i];
    struct wg__cuda_launch  l = at->launch;
    l.call = p->call;
    l.instr = i;
    wg_cuda_call own = {.call = l.call, .stream = l.stream, .scratch = l.scratch, .run = l.run, .sms = l.sms};
    cudaError_t  e = p->op->cuda ? (cudaError_t)p->op->cuda(&own) : find_kernels(p->op)->launch(&l);
    return e ? wg__cuda_failed(w, at->d, e, p->op->name) : WG_OK;
}

int wg__cuda_instr(const struct wg__cuda_place *at, int i, struct wg__why *w)
{
    bool rest = true;
    int  status = wg__cuda_product(at, i, &rest, w);
    if (!status && rest) status = at->t->instr[i].loop ? wg__cuda_loop(at, i, w) : call_op(at, i, w);
    if (status) return status;
    WG__TRY(at->d, w, cudaPeekAtLastError());
    return WG_OK;
}
