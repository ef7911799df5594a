/* Chains in one pass: the bits of their steps one by one, at every level, whatever the memory of the results; and which
 * steps of a loop are taken for a chain. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/system/arithmetic.h"
#include "cpu/level_test.h"
#include "tape/tape_impl.h"
#include <wengert/train.h>

enum { PLACES = 24, LONGEST = 1100 };

/* ---- The lists, as the test reads them ---- */

struct link {
    enum wg__row row;
    int          n, kept, x[2];
};
struct chain {
    const char        *name;
    int                operands, steps;
    unsigned           once;
    const struct link *link;
};

#define INDEX(x) at_##x,
#define INDEX_STEP(kept, x, ...) at_##x,
#define NOTHING(...)
#define COUNT(...) +1
#define ONCE_BIT(x) | 1u << at_##x
#define LINK_ONE(kept, x, row, a) {WG__ROW_##row, 1, kept, {at_##a}},
#define LINK_TWO(kept, x, row, a, b) {WG__ROW_##row, 2, kept, {at_##a, at_##b}},
#define X(name)                                                                                                      \
    static struct chain name##_chain(void)                                                                           \
    {                                                                                                                \
        enum { WG__CHAIN_##name(INDEX, INDEX, INDEX_STEP, INDEX_STEP) };                                             \
        static const struct link link[] = {WG__CHAIN_##name(NOTHING, NOTHING, LINK_ONE, LINK_TWO)};                  \
        return (struct chain){#name, 0 WG__CHAIN_##name(COUNT, COUNT, NOTHING, NOTHING), sizeof link / sizeof *link, \
                              0 WG__CHAIN_##name(ONCE_BIT, NOTHING, NOTHING, NOTHING), link};                        \
    }
WG__CHAIN_MAP(X)
#undef X
static struct chain (*const chains[])(void) = {
#define X(name) name##_chain,
    WG__CHAIN_MAP(X)
#undef X
};

/* ---- One pass against its steps ---- */

static _Alignas(64) double memory[2][PLACES][LONGEST];

static void fill(wg_dtype t, int n, void *data, uint64_t *state)
{
    static const double edge[] = {0.0, -0.0, NAN, INFINITY, -INFINITY, 1e-42, -1e-310, FLT_MIN, FLT_MAX, -1e30};
    for (int i = 0; i < n; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        uint64_t u = *state >> 11;
        double   d = u % 9 == 0 ? edge[u / 9 % 10] : (double)u * 0x1p-53 * 4 - 1;
        if (t == WG_F32) ((float *)data)[i] = (float)d;
        else ((double *)data)[i] = d;
    }
}

static bool same(wg_dtype t, const void *a, const void *b, int i)
{
    const float  *f = a, *g = b;
    const double *d = a, *e = b;
    if (t == WG_F32) return isnan(f[i]) ? isnan(g[i]) : memcmp(&f[i], &g[i], sizeof *f) == 0;
    return isnan(d[i]) ? isnan(e[i]) : memcmp(&d[i], &e[i], sizeof *d) == 0;
}

static void run_steps(const struct wg__kernels *k, const struct chain *c, wg_dtype t, int n, void *const at[])
{
    for (int j = 0; j < c->steps; j++) {
        const struct link *l = &c->link[j];
        unsigned           once = 0;
        for (int i = 0; i < l->n; i++) once |= (l->x[i] < c->operands ? c->once >> l->x[i] & 1 : 0) << i;
        k->elementwise[l->row][t](n, at[c->operands + j], (const void *[]){at[l->x[0]], at[l->x[1]]}, once, NULL);
    }
}

/* Gives each kept result memory of its own, or in place that of a dense operand that no other result has. */
static void check_pass(const struct wg__kernels *k, int id, wg_dtype t, int n, bool in_place)
{
    struct chain c = chains[id]();
    void        *at[2][PLACES];
    uint64_t     state = (uint64_t)(n + id);
    int          taken = 0;
    cr_assert_leq(c.operands + c.steps, PLACES);
    for (int p = 0; p < c.operands + c.steps; p++) {
        if (p < c.operands) fill(t, n, memory[0][p], &state);
        memcpy(memory[1][p], memory[0][p], sizeof memory[0][p]);
        at[0][p] = memory[0][p];
        at[1][p] = memory[1][p];
    }
    run_steps(k, &c, t, n, at[0]);
    for (int j = 0; j < c.steps; j++) {
        if (!c.link[j].kept) at[1][c.operands + j] = NULL;
        if (!c.link[j].kept || !in_place) continue;
        while (c.once >> taken & 1) taken++;
        at[1][c.operands + j] = at[1][taken++];
    }
    k->chain[id][t == WG_F64](n, at[1]);
    for (int j = 0; j < c.steps; j++)
        for (int i = 0; i < n && c.link[j].kept; i++)
            if (!same(t, at[0][c.operands + j], at[1][c.operands + j], i)) {
                cr_expect(false, "%s of %s at %s, %d elements: step %d differs at %d", c.name, wg_dtype_name(t),
                          k->level, n, j, i);
                return;
            }
}

Test(cpu_chain, one_pass_has_the_bits_of_the_steps_at_every_level)
{
    static const int lengths[] = {1, 2, 7, 16, 31, 33, 63, 100, 1024, LONGEST};
    uint64_t         host = wg__arithmetic_enter();
    for (int l = 0; l < LEVELS; l++) {
        const struct wg__kernels *k = wg__kernels_of(levels[l]);
        for (int id = 0; k && id < WG__CHAINS; id++)
            for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
                for (int way = 0; way < 4; way++) check_pass(k, id, way & 1 ? WG_F64 : WG_F32, lengths[i], way & 2);
    }
    wg__arithmetic_leave(host);
}

/* ---- Which steps are a chain ---- */

/* Counts the steps of all loops over n elements, those inside of chains as one for each chain. */
static int count_passes(const wg_tape *t, int64_t n)
{
    int passes = 0, left = 0;
    for (int i = 0; i < t->n_instr; i++) {
        const struct wg__loop *l = t->instr[i].loop;
        for (int s = 0; l && l->count == n && s < l->steps; s++) {
            if (l->step[s].chain) left = chains[l->step[s].chain - 1]().steps;
            passes += left <= 0 || l->step[s].chain;
            left--;
        }
        left = 0;
    }
    return passes;
}

static void check_solver(wg_solver s, wg_dtype dtype, int passes)
{
    enum { N = 3000 };
    wg_graph *g = wg_graph_new();
    wg_node  *p = wg_param(g, "p", dtype, WG_SHAPE(N)), *x = wg_input(g, "x", dtype, WG_SHAPE(N));
    s.rate = 1e-3;
    wg_node *step = wg_minimize(wg_sum(wg_mul(p, x), WG_ALL_AXES, 0), &s);
    wg_tape *t = wg_compile(g, 1, &step, NULL);
    cr_assert_not_null(t, "%s", wg_message(g));
    cr_expect_eq(count_passes(t, N), passes, "%s of %s: %d passes, not %d", wg_solver_name((int)s.kind),
                 wg_dtype_name(dtype), count_passes(t, N), passes);
    wg_graph_free(g);
}

Test(cpu_chain, an_update_is_one_pass)
{
    for (wg_dtype t = WG_F32; t <= WG_F64; t++) {
        check_solver((wg_solver){.kind = WG_SOLVER_SGD}, t, 1);
        check_solver((wg_solver){.kind = WG_SOLVER_MOMENTUM, .momentum = 0.9}, t, 1);
        check_solver((wg_solver){.kind = WG_SOLVER_NESTEROV, .momentum = 0.9}, t, 1);
        check_solver((wg_solver){.kind = WG_SOLVER_ADAGRAD}, t, 1);
        check_solver((wg_solver){.kind = WG_SOLVER_RMSPROP}, t, 1);
        check_solver((wg_solver){.kind = WG_SOLVER_RMSPROP, .momentum = 0.9}, t, 1);
        check_solver((wg_solver){.kind = WG_SOLVER_ADADELTA}, t, 2);
        check_solver((wg_solver){.kind = WG_SOLVER_ADAM}, t, 1);
        check_solver((wg_solver){.kind = WG_SOLVER_ADAMW, .weight_decay = 0.01}, t, 1);
        /* mul, then mul + add, add, and the rest */
        check_solver((wg_solver){.kind = WG_SOLVER_ADAM, .l2 = 1e-4}, t, 4);
    }
}

/* y = f x and z = y + w, with what is asked for beside z. */
static int count_passes_with(bool keep_first, bool keep_factor_dense)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(40)), *w = wg_input(g, "w", WG_F32, WG_SHAPE(40));
    wg_node  *f = wg_input(g, "f", WG_F32, keep_factor_dense ? WG_SHAPE(40) : WG_SCALAR);
    wg_node  *y = wg_mul(f, x), *z = wg_add(w, y);
    wg_tape  *t = wg_compile(g, keep_first ? 2 : 1, (wg_node *[]){z, y}, NULL);
    float     v[40], got[40];
    cr_assert_not_null(t, "%s", wg_message(g));
    for (int i = 0; i < 40; i++) v[i] = (float)i;
    wg_set(t, x, v);
    wg_set(t, w, v);
    for (int i = 0; i < 40; i++) v[i] = 3;
    wg_set(t, f, v);
    cr_assert_eq(wg_run(t), WG_OK);
    wg_get(t, z, got);
    for (int i = 0; i < 40; i++) cr_expect_eq(got[i], (float)(4 * i));
    if (keep_first) wg_get(t, y, got);
    for (int i = 0; keep_first && i < 40; i++) cr_expect_eq(got[i], (float)(3 * i));
    int passes = count_passes(t, 40);
    wg_graph_free(g);
    return passes;
}

Test(cpu_chain, what_is_read_behind_the_chain_is_kept_by_it)
{
    cr_expect_eq(count_passes_with(false, false), 1);
    cr_expect_eq(count_passes_with(true, false), 2);
    cr_expect_eq(count_passes_with(false, true), 2);
}
