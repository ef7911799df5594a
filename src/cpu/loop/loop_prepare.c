/* Preparing a loop for the CPU: what can be found before a run, and the loops of single operators. */
#include "cpu/loop/loop_impl.h"

/* Rows shorter than this are walked many at a time, at the price of copying what broadcasts. */
enum { ROW_MIN = 256 };

/* ---- What can be found before a run ---- */

static int64_t count_elements(const struct wg__loop *l)
{
    int64_t n = 1;
    for (int a = 0; a < l->rank; a++) n *= l->dim[a];
    return n;
}

/* Finds the p for which element f of the domain is data[f % p]; 0 if there is none. */
static int64_t find_period(const struct wg__loop *l, const struct wg__loop_operand *x)
{
    int64_t p = 1;
    int     a = l->rank - 1;
    for (; a >= 0 && x->stride[a] == p; a--) p *= l->dim[a];
    for (; a >= 0; a--)
        if (x->stride[a]) return 0;
    return p;
}

/* Tells whether the blocks of a tail stay in a row of the last axis: they begin where its rows or chunks do, so these
 * have to divide the row. */
static bool is_tail_rowwise(const struct wg__loop *l, int64_t cols)
{
    int64_t run = l->inner == 1 ? l->reduced : l->inner;
    return run >= ROW_MIN && cols % run == 0;
}

static bool is_rowwise(const struct wg__loop *l)
{
    int64_t cols = l->dim[l->rank - 1];
    if (l->rank == 1 || cols < ROW_MIN) return false;
    return l->tail < 0 || is_tail_rowwise(l, cols);
}

static int choose_form(const struct wg__loop *l, const struct wg__loop_operand *x)
{
    int64_t inner = x->stride[l->rank - 1];
    if (x->period == l->count) return WG__FORM_DENSE;
    if (x->period == 1) return WG__FORM_SCALAR;
    if (l->rowwise && inner == 1) return WG__FORM_ROW;
    if (l->rowwise && inner == 0) return WG__FORM_ROW_ONCE;
    return x->period ? WG__FORM_TILE : WG__FORM_GATHER;
}

/* Chooses the size of a block as a multiple of the period, so that the copied tiles stay the same from one block to the
 * next. */
static int64_t choose_block_size(const struct wg__loop *l)
{
    int64_t n = WG__BLOCK;
    for (int i = 0; i < l->inputs; i++)
        if (l->in[i].form == WG__FORM_TILE && l->in[i].period < n) n -= n % l->in[i].period;
    return n;
}

static unsigned find_once_bits(const struct wg__loop *l, const struct wg__step *s)
{
    unsigned once = 0;
    for (int k = 0; k < s->n; k++)
        if (s->x[k] < l->inputs) {
            int f = l->in[s->x[k]].form;
            if (f == WG__FORM_SCALAR || f == WG__FORM_ROW_ONCE) once |= 1u << k;
        }
    return once;
}

static wg_block *find_block(const struct wg__step *s)
{
    wg_dtype from[WG_BLOCK_MAX_ARITY];
    for (int k = 0; k < s->n; k++) from[k] = (wg_dtype)s->from[k];
    return s->op->block(s->n, from, (wg_dtype)s->to);
}

const struct wg__step *wg__loop_prepare(struct wg__loop *l)
{
    const struct wg__step *missing = NULL;
    bool                   plain = true;
    l->count = count_elements(l);
    l->rowwise = is_rowwise(l);
    for (int i = 0; i < l->inputs; i++) {
        struct wg__loop_operand *x = &l->in[i];
        x->size = wg_dtype_size(x->dtype);
        x->period = find_period(l, x);
        x->form = choose_form(l, x);
        /* A reduction wants every element. */
        bool once = x->form == WG__FORM_SCALAR || x->form == WG__FORM_ROW_ONCE;
        if (l->tail >= 0 && l->tail_slot == i && once) x->form = x->period ? WG__FORM_TILE : WG__FORM_GATHER;
        plain = plain && (x->form == WG__FORM_DENSE || x->form == WG__FORM_SCALAR);
    }
    for (int o = 0; o < l->outputs; o++) l->out[o].size = (uint32_t)wg_dtype_size(l->out[o].dtype);
    for (int s = 0; s < l->steps; s++) {
        struct wg__step *p = &l->step[s];
        p->once = (uint8_t)find_once_bits(l, p);
        p->block = find_block(p);
        if (!p->block && !missing) missing = p;
    }
    l->chained = !missing && wg__find_chains(l);
    if (l->head) {
        const wg_shape *y = &l->head->call.y->shape;
        l->columns = y->dim[y->rank - 1];
        wg__production_ready(&l->head->made, &l->head->call);
    }
    l->block = l->tail < 0 ? choose_block_size(l) : WG__BLOCK;
    l->small = plain && l->count <= WG__BLOCK && l->tail < 0 && !l->head;
    return missing;
}

void wg__production_ready(struct wg__production *p, const wg_call *c) { p->producer->ready(c, p->plan); }

void wg__production_run(const struct wg__production *p, int threads, wg__take_tile *take, void *context)
{
    p->producer->run(p->plan, p->packed, threads, take, context);
}

/* ---- Single operators ---- */

static void make_one_step(struct wg__loop *l, const wg_op *op, wg_call *c)
{
    struct wg__step *s = &l->step[0];
    l->inputs = c->n;
    l->registers = 0;
    l->outputs = l->steps = 1;
    for (int i = 0; i < c->n; i++) {
        l->in[i].data = c->x[i].data;
        l->in[i].dtype = c->x[i].dtype;
        s->x[i] = (uint8_t)i;
        s->from[i] = (uint8_t)c->x[i].dtype;
    }
    l->out[0].data = c->y->data;
    l->out[0].dtype = c->y->dtype;
    s->op = op;
    s->to = (uint8_t)c->y->dtype;
    s->attr = c->attr;
    s->n = (uint8_t)c->n;
    s->y = (uint8_t)c->n;
    l->cost = 0.25;
    l->head = NULL;
    l->tail = -1;
}

int wg__loop_call(const wg_op *op, wg_call *c)
{
    struct wg__loop         l;
    struct wg__loop_operand in[WG_BLOCK_MAX_ARITY];
    struct wg__loop_output  out;
    struct wg__step         step;
    const wg_shape         *shape[WG_BLOCK_MAX_ARITY] = {0};
    for (int i = 0; i < c->n; i++) shape[i] = &c->x[i].shape;
    l.in = in;
    l.out = &out;
    l.step = &step;
    make_one_step(&l, op, c);
    wg__loop_domain(&l, &c->y->shape, shape, false);
    if (wg__loop_prepare(&l))
        return wg_reject_run(c, WG_EDTYPE, "no kernel for %s",
                             wg_dtype_name(c->n ? c->x[c->n - 1].dtype : c->y->dtype));
    wg__loop_run(&l, c->threads);
    return WG_OK;
}

void wg__reduce_call(enum wg__reduce kind, const wg_tensor *x, int64_t outer, int64_t reduced, int64_t inner, void *y,
                     int threads)
{
    struct wg__loop         l;
    struct wg__loop_operand in;
    struct wg__step         none; /* only its address is used */
    l.in = &in;
    l.step = &none;
    l.rank = 1;
    l.dim[0] = outer * reduced * inner;
    l.inputs = 1;
    l.registers = l.outputs = l.steps = 0;
    l.in[0].data = x->data;
    l.in[0].dtype = x->dtype;
    l.in[0].stride[0] = 1;
    l.cost = 0.1;
    l.head = NULL;
    l.tail = (int)kind;
    l.tail_slot = 0;
    l.tail_dtype = x->dtype;
    l.outer = outer;
    l.reduced = reduced;
    l.inner = inner;
    l.tail_out = y;
    wg__loop_prepare(&l);
    wg__loop_run(&l, threads);
}
