/* Solvers: what a caller may set, and what is meant where nothing is set. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/train_impl.h"

enum { RATE = 1, MOMENTUM = 2, BETAS = 4, EPS = 8, RHO = 16, ANY = 32 };

/* fields: which of the named ones above the kind reads; usual: their values where the caller gives 0. */
static const struct kind {
    const char *name;
    unsigned    fields;
    wg_solver   usual;
    const char *slot[WG__MAX_SLOTS];
} kinds[WG_SOLVERS] = {
    [WG_SOLVER_SGD] = {"sgd", RATE, {.rate = 1e-3}, {0}},
    [WG_SOLVER_MOMENTUM] = {"momentum", RATE | MOMENTUM, {.rate = 1e-3, .momentum = 0.9}, {"v"}},
    [WG_SOLVER_NESTEROV] = {"nesterov", RATE | MOMENTUM, {.rate = 1e-3, .momentum = 0.9}, {"v"}},
    [WG_SOLVER_ADAGRAD] = {"adagrad", RATE | EPS, {.rate = 1e-2, .eps = 1e-10}, {"s"}},
    [WG_SOLVER_RMSPROP] = {"rmsprop",
                           RATE | MOMENTUM | EPS | RHO,
                           {.rate = 1e-2, .rho = 0.99, .eps = 1e-8},
                           {"s", "v"}},
    [WG_SOLVER_ADADELTA] = {"adadelta", RATE | EPS | RHO, {.rate = 1, .rho = 0.9, .eps = 1e-6}, {"s", "a"}},
    [WG_SOLVER_ADAM] = {"adam",
                        RATE | BETAS | EPS,
                        {.rate = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8},
                        {"m", "s"}},
    [WG_SOLVER_ADAMW] = {"adamw",
                         RATE | BETAS | EPS,
                         {.rate = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 1e-2},
                         {"m", "s"}},
};

static const struct field {
    const char *name;
    unsigned    bit;
    size_t      offset;
    bool        below_one;
} fields[] = {
    {"rate", RATE, offsetof(wg_solver, rate), false},
    {"momentum", MOMENTUM, offsetof(wg_solver, momentum), true},
    {"beta1", BETAS, offsetof(wg_solver, beta1), true},
    {"beta2", BETAS, offsetof(wg_solver, beta2), true},
    {"eps", EPS, offsetof(wg_solver, eps), false},
    {"rho", RHO, offsetof(wg_solver, rho), true},
    {"weight_decay", ANY, offsetof(wg_solver, weight_decay), false},
    {"clip_value", ANY, offsetof(wg_solver, clip_value), false},
    {"clip_norm", ANY, offsetof(wg_solver, clip_norm), false},
    {"l1", ANY, offsetof(wg_solver, l1), false},
    {"l2", ANY, offsetof(wg_solver, l2), false},
};

const char *wg_solver_name(int kind) { return kind >= 0 && kind < WG_SOLVERS ? kinds[kind].name : NULL; }
const char *wg__solver_slot(int kind, int i) { return kinds[kind].slot[i]; }

int wg_solver_find(const char *name)
{
    for (int i = 0; name && i < WG_SOLVERS; i++)
        if (strcmp(kinds[i].name, name) == 0) return i;
    return -1;
}

static int read_field(wg_graph *g, const struct kind *k, const struct field *f, const wg_solver *from, wg_solver *to)
{
    double value, usual;
    memcpy(&value, (const char *)from + f->offset, sizeof value);
    memcpy(&usual, (const char *)&k->usual + f->offset, sizeof usual);
    if (!isfinite(value)) return wg__fail(g, WG_EARG, "%s: %s is %g", k->name, f->name, value);
    if (value > 0 && !((k->fields | ANY) & f->bit))
        return wg__fail(g, WG_EARG, "%s has no use for %s, which is %g", k->name, f->name, value);
    if (f->below_one && value >= 1) return wg__fail(g, WG_EARG, "%s: %s is %g, not below 1", k->name, f->name, value);
    value = value == 0 ? usual : value < 0 ? 0 : value;
    memcpy((char *)to + f->offset, &value, sizeof value);
    return WG_OK;
}

static int check_rate_node(wg_graph *g, const wg_solver *s)
{
    char           text[160];
    const wg_node *rate = s->rate_node;
    if (!rate) return WG_OK;
    if (s->rate != 0) return wg__fail(g, WG_EARG, "rate is %g, and there is a rate_node: give one of the two", s->rate);
    if (rate->g != g) return wg__fail(g, WG_EARG, "the rate belongs to another graph");
    if (rate->shape->rank || !(WG_DTYPE_BIT(rate->dtype) & WG_DTYPE_REALS))
        return wg__fail(g, WG_ESHAPE, "the rate is %s of %s, not one real number",
                        wg__node_label(rate, text, sizeof text), wg_dtype_name((wg_dtype)rate->dtype));
    return WG_OK;
}

int wg__solver_read(wg_graph *g, const wg_solver *given, wg_solver *read)
{
    wg_solver known, *s = &known;
    char      why[160];
    if (!wg__options_read(s, sizeof *s, given, why)) return wg__fail(g, WG_EARG, "%s: %s", g->call, why);
    if (!wg_solver_name((int)s->kind)) return wg__fail(g, WG_EARG, "%d is no kind of solver", (int)s->kind);
    *read = (wg_solver){.kind = s->kind, .rate_node = s->rate_node};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        int status = read_field(g, &kinds[s->kind], &fields[i], s, read);
        if (status) return status;
    }
    return check_rate_node(g, s);
}

/* Skips the kind's name in a name of state, and "#2" where it follows, and a point; NULL: the name is no state of that
 * kind. */
static const char *after_prefix(const char *name, const char *kind)
{
    size_t n = strlen(kind);
    if (strncmp(name, kind, n) != 0) return NULL;
    name += n;
    if (*name == '#') {
        size_t digits = strspn(name + 1, "0123456789");
        if (!digits) return NULL;
        name += 1 + digits;
    }
    return *name == '.' ? name + 1 : NULL;
}

static bool is_state_of(const struct kind *k, const char *name)
{
    const char *rest = after_prefix(name, k->name);
    if (!rest) return false;
    if ((k->fields & BETAS) && strcmp(rest, "step") == 0) return true;
    for (int i = 0; i < WG__MAX_SLOTS && k->slot[i]; i++) {
        size_t n = strlen(k->slot[i]);
        if (strncmp(rest, k->slot[i], n) == 0 && rest[n] == '/' && rest[n + 1]) return true;
    }
    return false;
}

bool wg__is_solver_state(const char *name)
{
    for (int i = 0; i < WG_SOLVERS; i++)
        if (is_state_of(&kinds[i], name)) return true;
    return false;
}
