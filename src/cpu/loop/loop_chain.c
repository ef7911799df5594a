/* Chains in a loop: which steps of a loop are one of cpu/chains.h, found before a run. */
#include <string.h>

#include "cpu/loop/loop_impl.h"

/* A step of a chain. Its operands are numbered as in the list: operands of the chain first, then results of steps. */
struct link {
    enum wg__row row;
    uint8_t      n, kept, x[2];
};

struct chain {
    int                operands, steps;
    unsigned           once; /* bits of the operands that are one element */
    const struct link *link; /* [steps] */
};

enum { NOT_SET = 255 };

/* ---- The chains ---- */

#define INDEX(x) at_##x,
#define INDEX_STEP(kept, x, ...) at_##x,
#define NOTHING(...)
#define COUNT(...) +1
#define ONCE_BIT(x) | 1u << at_##x
#define LINK_ONE(kept, x, row, a) {WG__ROW_##row, 1, kept, {at_##a}},
#define LINK_TWO(kept, x, row, a, b) {WG__ROW_##row, 2, kept, {at_##a, at_##b}},

#define X(name)                                                                                                      \
    static const struct chain *chain_##name(void)                                                                    \
    {                                                                                                                \
        enum { WG__CHAIN_##name(INDEX, INDEX, INDEX_STEP, INDEX_STEP) };                                             \
        static const struct link  link[] = {WG__CHAIN_##name(NOTHING, NOTHING, LINK_ONE, LINK_TWO)};                 \
        static const struct chain chain = {.operands = 0 WG__CHAIN_##name(COUNT, COUNT, NOTHING, NOTHING),           \
                                           .steps = sizeof link / sizeof *link,                                      \
                                           .once = 0 WG__CHAIN_##name(ONCE_BIT, NOTHING, NOTHING, NOTHING),          \
                                           .link = link};                                                            \
        _Static_assert(0 WG__CHAIN_##name(COUNT, COUNT, COUNT, COUNT) <= WG__CHAIN_PLACES, "the chain is too long"); \
        return &chain;                                                                                               \
    }
WG__CHAIN_MAP(X)
#undef X

static const struct chain *(*const chains[WG__CHAINS])(void) = {
#define X(name) chain_##name,
    WG__CHAIN_MAP(X)
#undef X
};

/* ---- Finding them ---- */

/* What is known while a chain is compared with steps: the slot of each operand and result. */
struct match {
    const struct wg__loop *l;
    const struct chain    *c;
    const struct wg__step *first;
    uint8_t                slot[WG__CHAIN_PLACES];
};

/* Finds the last of `steps` steps that wrote the slot; -1 if none did. */
static int find_writer(const struct wg__step *first, int steps, int slot)
{
    while (--steps >= 0 && first[steps].y != slot) {}
    return steps;
}

/* Tells whether operand k of step j may be what the chain reads at `place`, and notes its slot. */
static bool take_operand(struct match *m, int j, int k, int place)
{
    const struct wg__step *s = &m->first[j];
    int                    slot = s->x[k], writer = find_writer(m->first, j, slot);
    if (place >= m->c->operands) return writer == place - m->c->operands;
    if (writer >= 0 || (s->once >> k & 1) != (m->c->once >> place & 1)) return false;
    if (m->slot[place] == NOT_SET) m->slot[place] = (uint8_t)slot;
    return m->slot[place] == slot;
}

static void swap_operands(struct wg__step *s)
{
    uint8_t x = s->x[0];
    s->x[0] = s->x[1];
    s->x[1] = x;
    s->once = (uint8_t)((s->once & ~3u) | (s->once & 1) << 1 | (s->once >> 1 & 1));
}

/* Tells whether step j is link j of the chain. The operands of a sum or product may be the other way round: then the
 * step's are exchanged, which changes no bit. */
static bool take_step(struct match *m, struct wg__step *s, int j)
{
    const struct link *k = &m->c->link[j];
    bool               either = k->row == WG__ROW_add || k->row == WG__ROW_mul;
    for (int way = 0; way < 1 + either; way++) {
        struct match before = *m;
        if (take_operand(m, j, 0, k->x[0]) && (k->n == 1 || take_operand(m, j, 1, k->x[1]))) return true;
        *m = before;
        if (either) swap_operands(s);
    }
    return false;
}

/* Tells whether what step j writes is seen behind the chain. */
static bool is_seen(const struct match *m, int j)
{
    const struct wg__loop *l = m->l;
    const struct wg__step *after = m->first + m->c->steps, *end = l->step + l->steps;
    int                    slot = m->first[j].y;
    if (find_writer(m->first, m->c->steps, slot) != j) return false;
    if (slot >= l->inputs + l->registers || (l->tail >= 0 && l->tail_slot == slot)) return true;
    for (const struct wg__step *s = after; s < end; s++) {
        for (int k = 0; k < s->n; k++)
            if (s->x[k] == slot) return true;
        if (s->y == slot) return false;
    }
    return false;
}

static bool is_chain(const struct wg__loop *l, int at, const struct chain *c, int dtype)
{
    struct match              m;
    const struct wg__kernels *k = wg__kernels();
    for (int j = 0; j < c->steps; j++)
        if (j == l->steps - at || l->step[at + j].block != k->elementwise[c->link[j].row][dtype]) return false;
    m.l = l;
    m.c = c;
    m.first = &l->step[at];
    memset(m.slot, NOT_SET, sizeof m.slot);
    for (int j = 0; j < c->steps; j++)
        if (!take_step(&m, &l->step[at + j], j)) return false;
    for (int j = 0; j < c->steps; j++)
        if (!c->link[j].kept && is_seen(&m, j)) return false;
    return true;
}

/* Finds the first chain of the list that begins at step `at`, and notes it there; returns the number of its steps, 1 if
 * there is none. */
static int find_chain(struct wg__loop *l, int at)
{
    struct wg__step *s = &l->step[at];
    for (int i = 0; i < WG__CHAINS && (s->to == WG_F32 || s->to == WG_F64); i++) {
        const struct chain *c = chains[i]();
        if (!is_chain(l, at, c, s->to)) continue;
        s->chain = (uint8_t)(1 + i);
        return c->steps;
    }
    return 1;
}

bool wg__find_chains(struct wg__loop *l)
{
    bool any = false;
    for (int s = 0; s < l->steps; s++) l->step[s].chain = 0;
    for (int s = 0; s + 1 < l->steps; s += find_chain(l, s)) {}
    for (int s = 0; s < l->steps; s++) any = any || l->step[s].chain;
    return any;
}

int wg__chain_run(const struct wg__step *s, int64_t n, void *const *ptr)
{
    const struct chain *c = chains[s->chain - 1]();
    void               *at[WG__CHAIN_PLACES];
    for (int j = 0; j < c->steps; j++) {
        const struct link *k = &c->link[j];
        for (int i = 0; i < k->n; i++) at[k->x[i]] = ptr[s[j].x[i]];
        at[c->operands + j] = ptr[s[j].y];
    }
    wg__kernels()->chain[s->chain - 1][s->to == WG_F64](n, at);
    return c->steps;
}
