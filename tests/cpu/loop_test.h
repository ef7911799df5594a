/* loop_test.h - random loops, and what they should compute one element at a time. */
#ifndef WENGERT_TESTS_LOOP_TEST_H
#define WENGERT_TESTS_LOOP_TEST_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"

static inline void four_threads(void) { setenv("WG_THREADS", "4", 1); }

static uint32_t        state = 1;
static inline uint32_t roll(uint32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(state >> 4) * n >> 28);
}

/* ---- Steps: small functions of f32, u8 and f64 ---- */

#define AT(T, k) ((const T *)x[k])[once >> (k)&1 ? 0 : i]

static inline void add(int64_t n, void *y, const void *const x[], unsigned once, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) ((float *)y)[i] = AT(float, 0) + AT(float, 1);
}
static inline void mul(int64_t n, void *y, const void *const x[], unsigned once, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) ((float *)y)[i] = AT(float, 0) * AT(float, 1);
}
static inline void scale(int64_t n, void *y, const void *const x[], unsigned once, const void *attr)
{
    for (int64_t i = 0; i < n; i++) ((float *)y)[i] = AT(float, 0) * *(const float *)attr;
}
static inline void choose(int64_t n, void *y, const void *const x[], unsigned once, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) ((float *)y)[i] = AT(uint8_t, 0) ? AT(float, 1) : AT(float, 2);
}
static inline void narrow(int64_t n, void *y, const void *const x[], unsigned once, const void *attr)
{
    (void)attr;
    for (int64_t i = 0; i < n; i++) ((float *)y)[i] = (float)AT(double, 0);
}

#define OP(f)                                                                                                         \
    static inline wg_block *f##_block(int n, const wg_dtype x[], wg_dtype y) { return (void)n, (void)x, (void)y, f; } \
    static const wg_op      f##_op = {.name = #f, .block = f##_block};
OP(add)
OP(mul)
OP(scale)
OP(choose)
OP(narrow)
#undef OP

/* ---- A random program: inputs u8, f64, then f32; registers and outputs f32 ---- */

enum { INPUTS = 6, REGISTERS = 4, OUTPUTS = 2, STEPS = 9, FIRST_F32 = 2, ELEMENTS = 12000 };
static const float factor = 0.75f;

struct program {
    struct wg__loop      l;
    struct wg__loop_room room;
    wg_shape             domain, shape[INPUTS];
};

static inline wg_shape broadcastable(const wg_shape *domain)
{
    wg_shape s = *domain;
    int      drop = (int)roll((uint32_t)s.rank + 1);
    if (roll(3)) drop = 0;
    s.rank -= drop;
    memmove(s.dim, s.dim + drop, (size_t)s.rank * sizeof *s.dim);
    if (roll(3))
        for (int a = 0; a < s.rank; a++)
            if (!roll(3)) s.dim[a] = 1;
    return s;
}

static inline void fill(struct wg__loop_operand *x, int input, int64_t n)
{
    x->dtype = input == 0 ? WG_U8 : input == 1 ? WG_F64 : WG_F32;
    x->data = malloc((size_t)n * wg_dtype_size(x->dtype) + 8);
    for (int64_t i = 0; i < n; i++) {
        double v = (double)roll(2000) / 1000 - 1;
        if (input == 0) ((uint8_t *)x->data)[i] = (uint8_t)roll(2);
        else if (input == 1) ((double *)x->data)[i] = v;
        else ((float *)x->data)[i] = (float)v;
    }
}

/* A slot that holds f32 by the time of step s. */
static inline uint8_t readable(const bool *ready)
{
    for (;;) {
        uint32_t s = FIRST_F32 + roll(INPUTS - FIRST_F32 + REGISTERS + OUTPUTS);
        if (s < INPUTS || ready[s]) return (uint8_t)s;
    }
}

static inline void random_step(struct wg__step *s, bool *ready)
{
    static const wg_op *const ops[] = {&add_op, &mul_op, &scale_op, &choose_op, &narrow_op};
    static const uint8_t      arity[] = {2, 2, 1, 3, 1};
    uint32_t                  kind = roll(5);
    s->op = ops[kind];
    s->attr = &factor;
    s->n = arity[kind];
    for (int k = 0; k < s->n; k++) s->x[k] = readable(ready);
    if (kind == 3) s->x[0] = 0;
    if (kind == 4) s->x[0] = 1;
}

static inline void make(struct program *p, const wg_shape *domain)
{
    struct wg__loop *l = &p->l;
    bool             ready[INPUTS + REGISTERS + OUTPUTS] = {0};
    const wg_shape  *shape[INPUTS];
    memset(p, 0, sizeof *p);
    wg__loop_use(l, &p->room);
    p->domain = *domain;
    l->inputs = INPUTS;
    l->registers = REGISTERS;
    l->outputs = OUTPUTS;
    l->steps = STEPS;
    l->tail = -1;
    l->cost = 30;
    for (int i = 0; i < INPUTS; i++) {
        p->shape[i] = broadcastable(domain);
        shape[i] = &p->shape[i];
        fill(&l->in[i], i, wg_count(shape[i]));
    }
    for (int o = 0; o < OUTPUTS; o++) {
        l->out[o].dtype = WG_F32;
        l->out[o].data = malloc((size_t)wg_count(domain) * 4 + 8);
    }
    for (int s = 0; s < STEPS; s++) {
        random_step(&l->step[s], ready);
        /* Both outputs are written at the end, if not before. */
        uint32_t y = s >= STEPS - OUTPUTS ? (uint32_t)(INPUTS + REGISTERS + s - (STEPS - OUTPUTS))
                                          : INPUTS + roll(REGISTERS + OUTPUTS);
        l->step[s].y = (uint8_t)y;
        ready[y] = true;
    }
    wg__loop_domain(l, domain, shape, roll(2));
}

static inline void release(struct program *p)
{
    for (int i = 0; i < INPUTS; i++) free(p->l.in[i].data);
    for (int o = 0; o < OUTPUTS; o++) free(p->l.out[o].data);
}

/* Place in an operand of shape s of element f of the domain. */
static inline int64_t place(const wg_shape *domain, const wg_shape *s, int64_t f)
{
    int64_t at = 0, step = 1;
    for (int a = domain->rank - 1, b = s->rank - 1; a >= 0; f /= domain->dim[a], a--, b--) {
        if (b < 0) continue;
        if (s->dim[b] != 1) at += f % domain->dim[a] * step;
        step *= s->dim[b];
    }
    return at;
}

/* Element f of every output, one step after another on single elements. */
static inline void reference(const struct program *p, int64_t f, float *y)
{
    const struct wg__loop *l = &p->l;
    double                 value[INPUTS + REGISTERS + OUTPUTS] = {0}; /* room for any dtype */
    for (int i = 0; i < INPUTS; i++)
        memcpy(&value[i], (char *)l->in[i].data + (size_t)place(&p->domain, &p->shape[i], f) * l->in[i].size,
               l->in[i].size);
    for (int s = 0; s < l->steps; s++) {
        const void *x[WG_BLOCK_MAX_ARITY] = {0};
        for (int k = 0; k < l->step[s].n; k++) x[k] = &value[l->step[s].x[k]];
        double z;
        l->step[s].block(1, &z, x, 0, l->step[s].attr);
        value[l->step[s].y] = z;
    }
    for (int o = 0; o < OUTPUTS; o++) memcpy(&y[o], &value[INPUTS + REGISTERS + o], 4);
}

/* Every element of every output: [count, OUTPUTS], to be freed. */
static inline float *references(const struct program *p)
{
    float *want = malloc((size_t)p->l.count * OUTPUTS * sizeof *want + 8);
    for (int64_t f = 0; f < p->l.count; f++) reference(p, f, want + f * OUTPUTS);
    return want;
}

static inline void expect_outputs(const struct program *p, const float *want, int threads)
{
    for (int64_t f = 0; f < p->l.count; f++)
        for (int o = 0; o < OUTPUTS; o++)
            if (memcmp(&((float *)p->l.out[o].data)[f], &want[f * OUTPUTS + o], 4))
                cr_assert_fail("%d threads, output %d, element %lld", threads, o, (long long)f);
}

static inline void clear_outputs(struct program *p)
{
    for (int o = 0; o < OUTPUTS; o++) memset(p->l.out[o].data, 0xff, (size_t)p->l.count * 4);
}

/* Its axes that are not empty have at most ELEMENTS elements: operands may lack the empty one. */
static inline wg_shape random_domain(void)
{
    wg_shape s = {.rank = (int)roll(WG_MAX_RANK + 1)};
    int64_t  n = 1;
    for (int a = 0; a < s.rank; a++) {
        int64_t d = roll(4) ? 1 + roll(4) : 1 + roll(40);
        if (!roll(9)) d = 250 + roll(900);
        if (!roll(60)) d = 0;
        if (n * d > ELEMENTS) d = 1;
        s.dim[a] = d;
        n *= d ? d : 1;
    }
    return s;
}

#endif
