/* One instruction of a tape as work for a stream: a call of an operator, a
 * product, or a loop, whose steps are told by the names of their operators. */
#include <stdlib.h>
#include <string.h>

#include "cuda/program.h"

/* ---- Calls ---- */

static const struct wg__cuda_op *find(const char *name)
{
    const struct wg__cuda_op *const lists[] = {wg__cuda_reduce_ops, wg__cuda_softmax_ops, wg__cuda_index_ops,
                                               wg__cuda_shape_ops,  wg__cuda_random_ops,  wg__cuda_elementwise_ops};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const struct wg__cuda_op *op = lists[i]; op->name; op++)
            if (!strcmp(op->name, name)) return op;
    return NULL;
}

static bool is_matmul(const wg_op *op) { return !strcmp(op->name, "matmul"); }

bool wg__cuda_knows(const struct wg__instr *p) { return p->loop || is_matmul(p->op) || find(p->op->name); }

static int call(const struct wg__cuda_place *at, int i, struct wg__why *w)
{
    const struct wg__instr *p = &at->t->instr[i];
    if (is_matmul(p->op)) return wg__cuda_matmul(at, &p->call, w);
    struct wg__cuda_launch l = at->launch;
    l.call = &p->call;
    l.instr = i;
    cudaError_t e = find(p->op->name)->launch(&l);
    return e ? wg__cuda_failed(w, at->d, e, p->op->name) : WG_OK;
}

/* ---- Loops ---- */

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

static void translate(const wg_tape *t, const struct wg__instr *p, struct wg__cuda_loop *to)
{
    memset(to, 0, sizeof *to);
    set_operands(t, p, to);
    set_steps(p, to);
}

/* ---- A product and what follows it ---- */

/* A row that is added to each row of the product: the input's number, or -1. */
static int bias_of(const wg_tape *t, const struct wg__instr *p, const struct wg__step *s, int product)
{
    const struct wg__loop *l = p->loop;
    int                    other = s->x[0] == product ? s->x[1] : s->x[0], last = l->rank - 1;
    bool                   one_each = s->x[0] == product || s->x[1] == product;
    if (!one_each || other == product || other >= l->inputs || l->head->n == 1) return -1;
    bool row = last == 0 ? l->head->m == 1 : last == 1 && l->in[other].stride[0] == 0;
    return row && l->in[other].stride[last] == 1 && wg_count(t->g->node[p->in[other]]->shape) == l->head->n ? other
                                                                                                            : -1;
}

/* Whether the loop after a product is a bias, relu or both, which cuBLAS does on the way. */
static bool fits_epilogue(const wg_tape *t, const struct wg__instr *p, struct wg__cuda_epilogue *e)
{
    const struct wg__loop  *l = p->loop;
    const struct wg__value *c = &t->value[p->out[p->n_out - 1]];
    int                     product = 0, bias = -1, s = 0;
    *e = (struct wg__cuda_epilogue){0};
    if (l->head->dtype != WG_F32 || l->outputs != 1 || c->keep || c->last != c->first) return false;
    if (s < l->steps && !strcmp(p->chain[1 + s]->op->name, "add")) {
        if ((bias = bias_of(t, p, &l->step[s], product)) < 0) return false;
        product = l->step[s++].y;
    }
    if (s < l->steps && !strcmp(p->chain[1 + s]->op->name, "relu") && l->step[s].x[0] == product) {
        e->relu = true;
        s++;
    }
    if (s != l->steps || s == 0) return false;
    e->bias = bias >= 0 ? l->in[bias].data : NULL;
    e->to = l->out[0].data;
    return l->step[s - 1].y == l->inputs + l->registers;
}

/* Whether the loop after the product is still to run. */
static int product(const struct wg__cuda_place *at, const struct wg__instr *p, bool *rest, struct wg__why *w)
{
    struct wg__cuda_epilogue e;
    int                      status = WG_EARG;
    if (fits_epilogue(at->t, p, &e)) status = wg__cuda_gemm(at, p->loop->head, &e, w);
    *rest = status == WG_EARG;
    return *rest ? wg__cuda_gemm(at, p->loop->head, NULL, w) : status;
}

static int loop(const struct wg__cuda_place *at, int i, struct wg__why *w)
{
    const struct wg__instr *p = &at->t->instr[i];
    bool                    rest = true;
    int                     status = p->loop->head ? product(at, p, &rest, w) : WG_OK;
    if (status || !rest) return status;
    struct wg__cuda_loop l;
    translate(at->t, p, &l);
    struct wg__cuda_launch here = at->launch;
    here.instr = i;
    cudaError_t e = wg__cuda_loop_run(&l, &here);
    return e ? wg__cuda_failed(w, at->d, e, p->node->op->name) : WG_OK;
}

/* ---- Either ---- */

size_t wg__cuda_scratch(const wg_tape *t, const struct wg__instr *p)
{
    if (p->loop) {
        struct wg__cuda_loop l;
        translate(t, p, &l);
        return wg__cuda_loop_scratch(&l);
    }
    const struct wg__cuda_op *op = is_matmul(p->op) ? NULL : find(p->op->name);
    return op && op->scratch ? op->scratch(&p->call) : 0;
}

int wg__cuda_instr(const struct wg__cuda_place *at, int i, struct wg__why *w)
{
    int status = at->t->instr[i].loop ? loop(at, i, w) : call(at, i, w);
    if (status) return status;
    WG__TRY(at->d, w, cudaPeekAtLastError());
    return WG_OK;
}
