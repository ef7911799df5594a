/* How each product of a tape is done, and what cuBLAS does to it on the way:
 * which loops after a product, and which sums near one, need no kernel.
 *
 * f32 only.  In the words of a loop whose head is the product c, with a bias b
 * that is added to each row:
 *
 *   c + b, relu(c), relu(c + b)         BIAS, RELU, RELU_BIAS
 *   y = relu(..), step(y) used later    RELU_AUX: the signs of y as bits
 *   gelu_tanh(h), h = c or c + b        GELU, GELU_BIAS; GELU_AUX if h is kept
 *   c * step(y), of such a y            DRELU, from the bits
 *   c * gelu_tanh_slope(h)              DGELU
 *   the last two, and their rows' sum   DRELU_BGRAD, DGELU_BGRAD
 *   c alone, and an operand's sum       BGRADA, BGRADB (pairs.c)
 *
 * cuBLAS's GELU is gelu_tanh; gelu, with erf, is another function.
 *
 * Where the documentation leaves a meaning open, the device is asked first
 * (probe.c), and what it means otherwise is left to a kernel of our own.
 * WG_CUDA_EPILOGUES=none or plain (bias and relu alone) leaves more to them,
 * to find out which is faster; =all asks for everything, whatever it means. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/product/products.h"

enum {
    MASK_LINE = 128 /* bits of a row of signs are a multiple of that */,
    GELU_LINE = 8 /* and of gelu's elements */
};

static int64_t mask_ld(const struct wg__gemm *g) { return (g->n + MASK_LINE - 1) / MASK_LINE * MASK_LINE; }

/* ---- Loops ---- */

/* A loop after a product. */
struct after {
    const wg_tape          *t;
    const struct wg__instr *p;
    const struct wg__loop  *l;
    struct wg__gemm         g;      /* the product */
    bool                    single; /* the product is one, not a batch of several */
    bool                    alone;  /* nobody wants the product itself */
};

static struct after after_product(const wg_tape *t, int i)
{
    const struct wg__instr *p = &t->instr[i];
    const struct wg__value *c = &t->value[p->product];
    struct after            a = {.t = t, .p = p, .l = p->loop, .alone = !c->keep && c->last == c->first};
    a.single = wg__cuda_as_gemm(&p->loop->head->call, &a.g);
    return a;
}

static bool step_is(const struct after *a, int s, const char *op)
{
    return s < a->l->steps && !strcmp(a->l->step[s].op->name, op);
}

static int output_slot(const struct after *a, int k) { return a->l->inputs + a->l->registers + k; }

/* Finds the input, a row, that step s adds to each row of the product. -1: there is none. */
static int bias_of(const struct after *a, int s)
{
    const struct wg__loop *l = a->l;
    const uint8_t         *x = l->step[s].x;
    int                    other = x[0] == 0 ? x[1] : x[0], last = l->rank - 1;
    if ((x[0] && x[1]) || other == 0 || other >= l->inputs || a->g.n == 1) return -1;
    bool row = last == 0 ? a->g.m == 1 : last == 1 && l->in[other].stride[0] == 0;
    return row && l->in[other].stride[last] == 1 && wg_count(a->t->g->node[a->p->in[other]]->shape) == a->g.n ? other
                                                                                                              : -1;
}

static bool is_full(const struct after *a, int input)
{
    const wg_node *x = a->t->g->node[a->p->in[input]], *c = a->t->g->node[a->p->product];
    return input > 0 && input < a->l->inputs && x->dtype == WG_F32 && wg__shape_equal(x->shape, c->shape);
}

/* Tells whether x lies apart from the result at `to`: cuBLAS lets only its own C and D be the same memory. */
static bool lies_apart(const struct after *a, const void *x, size_t bytes, const void *to)
{
    uintptr_t b = (uintptr_t)x, e = b + bytes, t = (uintptr_t)to;
    size_t    all = (size_t)(a->g.m * a->g.n) * sizeof(float);
    return e <= t || t + all <= b;
}

/* ---- Forward ---- */

static bool fits_forward(const struct after *a, struct wg__cuda_epilogue *e)
{
    const struct wg__loop *l = a->l;
    int                    s = 0, h = 0, bias = -1; /* h: where the function's argument is */
    int                    kind = 0;
    *e = (struct wg__cuda_epilogue){.to = l->out[l->outputs - 1].data};
    if (step_is(a, s, "add")) {
        if ((bias = bias_of(a, s)) < 0) return false;
        kind = CUBLASLT_EPILOGUE_BIAS;
        e->bias = l->in[bias].data;
        h = l->step[s++].y;
    }
    bool relu = step_is(a, s, "relu"), gelu = step_is(a, s, "gelu_tanh");
    if ((relu || gelu) && l->step[s].x[0] == h) {
        kind |= relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_GELU;
        s++;
    }
    if (!kind || s != l->steps || l->step[s - 1].y != output_slot(a, l->outputs - 1)) return false;
    if (e->bias && !lies_apart(a, e->bias, (size_t)a->g.n * sizeof(float), e->to)) return false;
    e->kind = (cublasLtEpilogue_t)kind;
    if (a->alone && l->outputs == 1) return true;

    /* gelu's argument is wanted too: the product itself, or the loop's first output. */
    if (!gelu || a->g.n % GELU_LINE || a->alone != (bias >= 0) || l->outputs != 1 + (bias >= 0)) return false;
    if (bias >= 0 && h != output_slot(a, 0)) return false;
    e->kind = (cublasLtEpilogue_t)(kind | CUBLASLT_EPILOGUE_GELU_AUX);
    e->aux = bias >= 0 ? l->out[0].data : a->g.c;
    e->aux_ld = a->g.n;
    return lies_apart(a, e->aux, (size_t)(a->g.m * a->g.n) * sizeof(float), e->to);
}

/* ---- Gradients ---- */

/* Finds the input of a slope that the product is multiplied by, with mul or zero_mul. -1: there is none. */
static int slope_of(const struct after *a, const char *slope)
{
    const struct wg__loop *l = a->l;
    if (!a->single || a->g.dtype != WG_F32 || l->steps != 2 || l->outputs != 1 || !a->alone) return -1;
    bool product = step_is(a, 1, "mul") || step_is(a, 1, "zero_mul");
    if (!step_is(a, 0, slope) || !product || l->step[1].y != output_slot(a, 0)) return -1;
    const uint8_t *x = l->step[1].x, y = l->step[0].y;
    bool           both = (x[0] == 0 && x[1] == y) || (x[0] == y && x[1] == 0);
    return both && is_full(a, l->step[0].x[0]) ? l->step[0].x[0] : -1;
}

/* Finds the instruction that writes the y of c * step(y), if it is a loop after a product; else -1. */
static int relu_of(const struct after *a)
{
    int y = slope_of(a, "step"), writer = y < 0 ? -1 : a->t->value[a->p->in[y]].first;
    if (writer < 0) return -1;
    const struct wg__instr *p = &a->t->instr[writer];
    return p->loop && p->loop->head && p->out[0] == a->p->in[y] ? writer : -1;
}

static bool fits_gradient(const struct wg__cuda_products *all, const struct after *a, struct wg__cuda_epilogue *e)
{
    const struct wg__gemm *g = &a->g;
    int                    h = slope_of(a, "gelu_tanh_slope"), relu = relu_of(a);
    *e = (struct wg__cuda_epilogue){.to = a->l->out[0].data};
    if (relu >= 0 && all->of[relu].mask) {
        e->kind = CUBLASLT_EPILOGUE_DRELU;
        e->aux = all->of[relu].mask;
        e->aux_ld = mask_ld(g);
    } else if (h >= 0 && g->n % GELU_LINE == 0) {
        e->kind = CUBLASLT_EPILOGUE_DGELU;
        e->aux = a->l->in[h].data;
        e->aux_ld = g->n;
        return lies_apart(a, e->aux, (size_t)(g->m * g->n) * sizeof(float), e->to);
    }
    return e->aux;
}

/* ---- Planning ---- */

static enum wg__cuda_asked asked_epilogues(void)
{
    const char *s = getenv("WG_CUDA_EPILOGUES");
    return !s                    ? WG__CUDA_KNOWN_EPILOGUES
           : !strcmp(s, "none")  ? WG__CUDA_NO_EPILOGUES
           : !strcmp(s, "plain") ? WG__CUDA_PLAIN_EPILOGUES
           : !strcmp(s, "all")   ? WG__CUDA_FORCED_EPILOGUES
                                 : WG__CUDA_KNOWN_EPILOGUES;
}

/* Tells by WG_OK that cuBLAS may be asked for the epilogue, by WG_EARG that a kernel of our own is to do it. */
static int may_ask(const struct wg__cuda_place *at, cublasLtEpilogue_t kind, struct wg__why *w)
{
    struct wg__cuda_products *all = at->products;
    bool                      plain =
        kind == CUBLASLT_EPILOGUE_BIAS || kind == CUBLASLT_EPILOGUE_RELU || kind == CUBLASLT_EPILOGUE_RELU_BIAS;
    if (all->asked == WG__CUDA_NO_EPILOGUES || (all->asked == WG__CUDA_PLAIN_EPILOGUES && !plain)) return WG_EARG;
    if (all->asked == WG__CUDA_FORCED_EPILOGUES || !wg__cuda_is_open(kind)) return WG_OK;
    int precision = at->t->options.precision, status = wg__cuda_probe(at, w);
    all->probed = true;
    if (status) return status;
    return wg__cuda_means_ours(&at->d->meaning[precision], precision, kind) ? WG_OK : WG_EARG;
}

/* Plans product g with epilogue e at instruction i. WG_EARG: cuBLAS cannot do it. */
static int plan_gemm(const struct wg__cuda_place *at, int i, const struct wg__gemm *g,
                     const struct wg__cuda_epilogue *e, struct wg__why *w)
{
    int status = e ? may_ask(at, e->kind, w) : WG_OK;
    if (status) return status;
    struct wg__cuda_product_plan *p = malloc(sizeof *p);
    if (!p) return wg__cuda_refuse(w, WG_ENOMEM, "out of memory");
    status = wg__cuda_product_plan_gemm(at, g, e, p, w);
    at->products->refused += status == WG_EARG;
    if (status) free(p);
    else at->products->of[i] = (struct wg__cuda_todo){.plan = p, .rest = !e, .mask = at->products->of[i].mask};
    return status;
}

/* Plans a product with a relu that leaves its signs. WG_EARG: cuBLAS cannot do it. */
static int plan_with_signs(const struct wg__cuda_place *at, int i, const struct wg__gemm *g, struct wg__cuda_epilogue e,
                           struct wg__why *w)
{
    void *mask = NULL;
    e.kind = (cublasLtEpilogue_t)(e.kind | CUBLASLT_EPILOGUE_RELU_AUX);
    e.aux_ld = mask_ld(g);
    int status = wg__cuda_alloc(at->d, (size_t)(g->m * e.aux_ld / 8), "the signs of a relu", &mask, w);
    if (status) return status;
    e.aux = mask;
    status = plan_gemm(at, i, g, &e, w);
    if (status) wg__cuda_release(at->d, mask);
    else at->products->of[i].mask = mask;
    return status;
}

/* Plans a gradient's product with the sum of its rows. WG_EARG: there is no such sum, or cuBLAS cannot
 * do it. */
static int plan_with_row_sum(const struct wg__cuda_place *at, int i, const struct wg__gemm *g,
                             struct wg__cuda_epilogue e, struct wg__why *w)
{
    int sum = wg__cuda_sum_of_result(at, i);
    if (sum < 0) return WG_EARG;
    e.kind = e.kind == CUBLASLT_EPILOGUE_DRELU ? CUBLASLT_EPILOGUE_DRELU_BGRAD : CUBLASLT_EPILOGUE_DGELU_BGRAD;
    e.bias = at->t->instr[sum].loop->tail_out;
    int status = plan_gemm(at, i, g, &e, w);
    if (!status) at->products->of[sum].rest = false;
    return status;
}

/* Plans a loop after a product. cuBLAS does not look at faults, so an epilogue may not write a parameter. */
static int plan_loop(const struct wg__cuda_place *at, int i, struct wg__why *w)
{
    struct wg__cuda_epilogue e;
    struct after             a = after_product(at->t, i);
    const struct wg__gemm   *g = &a.g;
    if (!a.single || g->dtype != WG_F32 || !g->m || !g->n || !g->k || wg__cuda_writes_parameter(at->t, a.p))
        return WG_EARG;
    int status = WG_EARG;
    if (fits_forward(&a, &e)) {
        if (at->products->of[i].signs && e.kind & CUBLASLT_EPILOGUE_RELU) status = plan_with_signs(at, i, g, e, w);
        return status == WG_EARG ? plan_gemm(at, i, g, &e, w) : status;
    }
    if (!fits_gradient(at->products, &a, &e)) return WG_EARG;
    status = plan_with_row_sum(at, i, g, e, w);
    return status == WG_EARG ? plan_gemm(at, i, g, &e, w) : status;
}

/* Plans a product with the sum of an operand, at the instruction of the two that comes first. WG_EARG:
 * there is no such sum, or cuBLAS cannot do it. */
static int plan_pair(const struct wg__cuda_place *at, int i, struct wg__why *w)
{
    struct wg__gemm          g;
    struct wg__cuda_epilogue e = {0};
    const wg_call           *c = at->t->instr[i].call;
    if (!c || !wg__cuda_as_gemm(c, &g) || g.dtype != WG_F32) return WG_EARG;
    int sum = wg__cuda_sum_of_operand(at, i, &g, &e.kind);
    if (sum < 0) return WG_EARG;
    e.to = g.c;
    e.bias = at->t->instr[sum].loop->tail_out;
    int status = plan_gemm(at, sum < i ? sum : i, &g, &e, w);
    if (!status) at->products->of[i].rest = at->products->of[sum].rest = false;
    return status;
}

/* Plans a product with what cuBLAS can take along, else the product alone. */
static int plan_product(const struct wg__cuda_place *at, int i, const wg_call *c, struct wg__why *w)
{
    bool head = at->t->instr[i].loop;
    int  status = head ? plan_loop(at, i, w) : plan_pair(at, i, w);
    if (status != WG_EARG) return status;
    struct wg__cuda_todo *todo = &at->products->of[i];
    if (!(todo->plan = calloc(1, sizeof *todo->plan))) return wg__cuda_refuse(w, WG_ENOMEM, "out of memory");
    todo->rest = head;
    return wg__cuda_product_plan_call(at, c, todo->plan, w);
}

/* Returns the product of an instruction that runs on the device, or NULL. */
static const wg_call *product(const wg_tape *t, int i)
{
    return t->device->on_host[i] ? NULL : wg__cuda_product_of(&t->instr[i]);
}

static void make_note(const struct wg__cuda_place *at)
{
    struct wg__cuda_products *all = at->products;
    char                      meaning[200] = "", refused[80] = "", exact[80] = "";
    int                       precision = at->t->options.precision;
    if (all->probed) wg__cuda_say_meaning(&at->d->meaning[precision], precision, meaning, sizeof meaning);
    if (all->refused) snprintf(refused, sizeof refused, "%s%d refused", *meaning ? "; " : "", all->refused);
    if (all->exact)
        snprintf(exact, sizeof exact, "%s%d products in f32 after all", *meaning || *refused ? "; " : "", all->exact);
    if (*meaning || *refused || *exact)
        snprintf(all->note, sizeof all->note, "epilogues of cuBLASLt: %s%s%s", meaning, refused, exact);
}

const char *wg__cuda_products_note(const struct wg__cuda_place *at)
{
    return at->products && *at->products->note ? at->products->note : NULL;
}

int wg__cuda_products_make(struct wg__cuda_place *at, struct wg__why *w)
{
    const wg_tape            *t = at->t;
    int                       n = t->n_instr, status = WG_OK;
    struct wg__cuda_products *all = at->products = calloc(1, sizeof *all + (size_t)n * sizeof *all->of);
    if (!all) return wg__cuda_refuse(w, WG_ENOMEM, "out of memory");
    all->asked = asked_epilogues();
    for (all->n = 0; all->n < n; all->n++) all->of[all->n].rest = true;
    for (int i = 0; i < n; i++) {
        struct after a = product(t, i) && t->instr[i].loop ? after_product(t, i) : (struct after){0};
        int          relu = a.l ? relu_of(&a) : -1;
        if (relu >= 0) all->of[relu].signs = true;
    }
    for (int i = 0; i < n && !status; i++) {
        const wg_call *c = product(t, i);
        if (c) status = plan_product(at, i, c, w);
    }
    if (status) return status;
    make_note(at);
    WG__TRY(at->d, w, cudaStreamSynchronize(at->launch.stream)); /* plans were rehearsed */
    return WG_OK;
}

void wg__cuda_products_free(struct wg__cuda_place *at)
{
    struct wg__cuda_products *all = at->products;
    for (int i = 0; all && i < all->n; i++) {
        if (all->of[i].plan) wg__cuda_product_plan_free(all->of[i].plan);
        wg__cuda_release(at->d, all->of[i].mask);
        free(all->of[i].plan);
    }
    free(all);
    at->products = NULL;
}

/* ---- Running ---- */

int wg__cuda_product(const struct wg__cuda_place *at, int i, bool *rest, struct wg__why *w)
{
    const struct wg__cuda_todo *todo = &at->products->of[i];
    *rest = todo->rest;
    return todo->plan ? wg__cuda_product_plan_run(at, todo->plan, w) : WG_OK;
}

bool wg__cuda_absorbed(const struct wg__cuda_place *at, int i) { return !at->products->of[i].rest; }
