/* Reverse mode: adjoints from a result back to the nodes that it depends on.
 *
 *   adjoint(y) = seed;  for v = f(x) in reverse:  adjoint(x[i]) += dx[i](adjoint(v))
 *
 * Each rule builds operators, so gradients are ordinary nodes and have gradients themselves. */
#include "grad/grad_impl.h"
#include "ops/elementwise/stable.h"

#include <stdlib.h>
#include <string.h>

static bool is_real(const wg_node *x) { return (WG_DTYPE_BIT(x->dtype) & WG_DTYPE_REALS) != 0; }

static bool has_real_result(const wg_node *x)
{
    bool real = is_real(x);
    for (int k = 1; k < x->m; k++) real = real || is_real(wg__result(x, k));
    return real;
}

/* What a sweep knows about each node, by its id. */
enum { WANTED = 1, BELOW = 2 }; /* bits of mark: the node is an x; the node depends on an x, so its rule is asked */
struct sweep {
    const char     *who;
    enum wg__absent absent;
    int             nodes;                       /* of the graph at the start */
    wg_node       **order, **adjoint, **dx, **g; /* dx and g of the node at hand */
    char           *mark, *need;
    struct form {
        int       first, n; /* nodes first..first+n-1 of the graph: a stable form that is differentiated */
        wg_node **adjoint;  /* [n] */
        char     *mark;     /* [n] */
    } form;
};

static wg_node **adjoint_of(struct sweep *s, const wg_node *x)
{
    return x->id < s->nodes ? &s->adjoint[x->id] : &s->form.adjoint[x->id - s->form.first];
}
static char *mark_of(const struct sweep *s, const wg_node *x)
{
    return x->id < s->nodes ? &s->mark[x->id] : &s->form.mark[x->id - s->form.first];
}

/* Marks v BELOW if an operand of v is marked and v has a real result. */
static void mark_above(const struct sweep *s, const wg_node *v)
{
    for (int k = 0; k < v->n && has_real_result(v); k++)
        if (*mark_of(s, v->x[k])) *mark_of(s, v) |= BELOW;
}

/* Marks each x and the nodes between y and x; returns the largest number of operands or results of a node. */
static int mark_path(struct sweep *s, int count, int n, wg_node *const x[])
{
    int widest = WG_BLOCK_MAX_ARITY; /* at least what a stable form has */
    for (int i = 0; i < n; i++) s->mark[x[i]->id] = WANTED;
    for (int i = 0; i < count; i++) {
        const wg_node *v = s->order[i];
        if (v->n > widest) widest = v->n;
        if (v->m > widest) widest = v->m;
        mark_above(s, v);
    }
    return widest;
}

static int add_to(struct sweep *s, const wg_node *v, wg_node *x, wg_node *dx)
{
    char text[160];
    if (dx->g != x->g)
        return wg__fail(x->g, WG_EARG, "%s: the rule of %s gives a node of another graph for %s", s->who,
                        wg_node_kind(v), wg__node_str(x, text, sizeof text));
    if (dx->dtype != x->dtype)
        return wg__fail(x->g, WG_EDTYPE, "%s: the rule of %s gives %s for %s, which is %s", s->who, wg_node_kind(v),
                        wg_dtype_name((wg_dtype)dx->dtype), wg__node_str(x, text, sizeof text),
                        wg_dtype_name((wg_dtype)x->dtype));
    if (!wg__shape_equal(dx->shape, x->shape)) dx = wg_sum_to(dx, *x->shape);
    wg_node **sum = adjoint_of(s, x);
    if (dx) *sum = *sum ? wg_add(*sum, dx) : dx;
    WG__INVARIANT(!*sum || ((*sum)->dtype == x->dtype && wg__shape_equal((*sum)->shape, x->shape)));
    return x->g->status;
}

/* Asks the rule of v for the gradients of its operands and adds them to the operands' adjoints. */
static int step_through(struct sweep *s, wg_node *v)
{
    char text[160];
    if (!v->op->grad)
        return wg__fail(v->g, WG_EGRAD, "%s: %s has no gradient, which %s needs", s->who, v->op->name,
                        wg__node_str(v, text, sizeof text));
    for (int i = 0; i < v->n; i++) {
        s->need[i] = *mark_of(s, v->x[i]) != 0;
        s->dx[i] = NULL;
    }
    for (int k = 0; k < v->m; k++) s->g[k] = *adjoint_of(s, wg__result(v, k));
    v->op->grad(&(wg_adjoint){
        .g = s->g, .y = v, .n = v->n, .m = v->m, .x = v->x, .dx = s->dx, .need = s->need, .attr = v->attr});
    int status = v->g->status;
    for (int i = 0; i < v->n && !status; i++)
        if (s->dx[i] && s->need[i]) status = add_to(s, v, v->x[i], s->dx[i]);
    return status;
}

/* ---- Stable forms: log(softmax(x)) is differentiated as log_softmax(x) ---- */

enum { DEEPEST = 24 };

/* Tells whether x is the stable form itself or an operand of one of its nodes: the form is built on x, not on what x
 * was made of. */
static bool is_leaf_of(const struct sweep *s, const wg_node *form, const wg_node *x)
{
    if (x == form) return true;
    for (int i = 0; i < s->form.n; i++) {
        const wg_node *u = form->g->node[s->form.first + i];
        for (int k = 0; k < u->n; k++)
            if (u->x[k] == x) return true;
    }
    return false;
}

/* Tells whether the stable form of a node leaves out a node, x or below x, whose gradient is wanted. */
static bool leaves_out_wanted(const struct sweep *s, const wg_node *form, const wg_node *x, int depth)
{
    bool found = (s->mark[x->id] & WANTED) || depth == DEEPEST;
    if (is_leaf_of(s, form, x)) return false;
    for (int k = 0; k < x->n && !found; k++) found = leaves_out_wanted(s, form, x->x[k], depth + 1);
    return found;
}

static int step_through_form(struct sweep *s, wg_node *v, wg_node *form)
{
    wg_graph *g = v->g;
    int       status = add_to(s, v, form, *adjoint_of(s, v));
    for (int i = s->form.n - 1; i >= 0 && !status; i--) {
        wg_node *u = g->node[s->form.first + i];
        if (s->form.adjoint[i] && s->form.mark[i] & BELOW) status = step_through(s, u);
    }
    return status;
}

/* Adds the gradients of v's operands to their adjoints: by the rule of v or, where v has a stable form that leaves out
 * no wanted node, by the rules of the form's nodes. */
static int step_back(struct sweep *s, wg_node *v)
{
    wg_graph *g = v->g;
    int       first = g->n, status;
    wg_node  *form = wg__stable_form(v->op, v->n, v->x, v->attr);
    if (!form) return g->status ? g->status : step_through(s, v);
    int n = g->n - first;
    s->form = (struct form){first, n, calloc((size_t)n + 1, sizeof(wg_node *)), calloc((size_t)n + 1, 1)};
    if (s->form.adjoint && s->form.mark) {
        for (int i = 0; i < n; i++) mark_above(s, g->node[first + i]);
        bool fits = *mark_of(s, form) && !leaves_out_wanted(s, form, v->x[0], 0);
        status = fits ? step_through_form(s, v, form) : step_through(s, v);
    } else status = wg__fail_nomem(g);
    free(s->form.adjoint);
    free(s->form.mark);
    s->form = (struct form){0};
    return status;
}

/* Tells whether the rule of v is to be asked: v is an operator above an x, and a gradient has come to one of its
 * results. */
static bool is_reached(const struct sweep *s, const wg_node *v)
{
    bool reached = s->adjoint[v->id] != NULL;
    for (int k = 1; k < v->m; k++) reached = reached || s->adjoint[v->id + k];
    return reached && v->kind != WG__RESULT && s->mark[v->id] & BELOW;
}

static int sweep_back(struct sweep *s, wg_graph *g, int m, wg_node *const y[], wg_node *const seed[], int n,
                      wg_node *const x[], wg_node *dx[])
{
    int count = wg__postorder(g, m, y, &s->order);
    if (count < 0) return count;
    s->nodes = g->n;
    s->adjoint = calloc((size_t)s->nodes + 1, sizeof *s->adjoint);
    s->mark = calloc((size_t)s->nodes + 1, 1);
    if (!s->adjoint || !s->mark) return wg__fail_nomem(g);
    size_t widest = (size_t)mark_path(s, count, n, x) + 1;
    s->dx = malloc(widest * sizeof(wg_node *));
    s->g = malloc(widest * sizeof(wg_node *));
    s->need = malloc(widest);
    if (!s->dx || !s->g || !s->need) return wg__fail_nomem(g);
    int status = g->status;
    for (int i = 0; i < m && !status; i++) status = add_to(s, y[i], y[i], seed[i]);
    for (int i = count - 1; i >= 0 && !status; i--) {
        wg_node *v = s->order[i];
        if (is_reached(s, v)) status = step_back(s, v);
    }
    for (int i = 0; i < n && !status; i++) {
        dx[i] = s->adjoint[x[i]->id];
        if (!dx[i] && s->absent == WG__ABSENT_REFUSED)
            status = wg__refuse_cut(s->who, g, count, s->order, s->adjoint, x[i]);
    }
    return status;
}

int wg__pull(wg_graph *g, const char *who, enum wg__absent absent, int m, wg_node *const y[], wg_node *const seed[],
             int n, wg_node *const x[], wg_node *dx[])
{
    struct sweep s = {.who = who, .absent = absent};
    int          status = sweep_back(&s, g, m, y, seed, n, x, dx);
    free(s.need);
    free(s.g);
    free(s.dx);
    free(s.mark);
    free(s.adjoint);
    free(s.order);
    return status;
}

/* ---- Checks ---- */

static int check_value(wg_graph *g, const char *who, const char *what, const wg_node *x)
{
    char text[160];
    if (!x) return wg__fail(g, WG_EARG, "%s: %s is NULL", who, what);
    if (x->g != g) return wg__fail(g, WG_EARG, "%s: %s belongs to another graph", who, what);
    if (x->kind == WG__ASSIGN || x->kind == WG__GROUP)
        return wg__fail(g, WG_EARG, "%s: %s is %s, which has no value", who, what, wg_node_kind(x));
    if (!is_real(x))
        return wg__fail(g, WG_EDTYPE, "%s: %s is %s of %s, not real", who, what, wg__node_str(x, text, sizeof text),
                        wg_dtype_name((wg_dtype)x->dtype));
    return WG_OK;
}

int wg__check_wrt(wg_graph *g, const char *who, int n, wg_node *const x[])
{
    char what[24];
    int  status = n < 0 ? wg__fail(g, WG_EARG, "%s: %d nodes", who, n) : WG_OK;
    for (int i = 0; i < n && !status; i++) {
        snprintf(what, sizeof what, "x[%d]", i);
        status = check_value(g, who, what, x[i]);
    }
    return status;
}

static int check_seed(wg_graph *g, const wg_node *y, const wg_node *seed)
{
    char a[160], b[160];
    int  status = check_value(g, "vjp", "the seed", seed);
    if (status) return status;
    if (seed->dtype != y->dtype)
        return wg__fail(g, WG_EDTYPE, "vjp: y is %s but the seed is %s", wg_dtype_name((wg_dtype)y->dtype),
                        wg_dtype_name((wg_dtype)seed->dtype));
    if (!wg__shape_equal(seed->shape, y->shape))
        return wg__fail(g, WG_ESHAPE, "vjp: y is %s but the seed is %s", wg__node_str(y, a, sizeof a),
                        wg__node_str(seed, b, sizeof b));
    return WG_OK;
}

void wg__error_aside(wg_graph *g, struct wg__aside *a)
{
    a->status = g->status;
    memcpy(a->message, g->message, sizeof a->message);
    g->status = WG_OK;
}

int wg__error_back(wg_graph *g, const struct wg__aside *a)
{
    int status = g->status;
    if (a->status) {
        g->status = a->status;
        memcpy(g->message, a->message, sizeof a->message);
    }
    return status;
}

/* ---- The calls ---- */

/* Builds all gradients into dx, with zeros for an x that y does not depend on; on failure none, and takes the graph
 * back to the mark. */
static int build_gradients(const char *who, enum wg__absent absent, const struct wg__mark *before, wg_node *y,
                           wg_node *seed, int n, wg_node *const x[], wg_node *dx[])
{
    wg_graph   *g = y->g;
    const char *outer = wg__enter(g, who);
    int         status = wg__check_wrt(g, who, n, x);
    if (!status) status = wg__pull(g, who, absent, 1, &y, &seed, n, x, dx);
    for (int i = 0; i < n && !status; i++) {
        dx[i] = dx[i] ? wg__unchanged(dx[i]) : wg_fill(g, (wg_dtype)x[i]->dtype, *x[i]->shape, 0);
        status = g->status;
    }
    for (int i = 0; i < n && status; i++) dx[i] = NULL;
    if (status) wg__undo(g, before);
    wg__leave(g, outer, NULL);
    return status;
}

/* Returns the status for a NULL argument: the graph's where it has an error, which is the cause, else that of a new
 * error. */
static int refuse_missing(wg_graph *g, const char *who, const char *what)
{
    return g && g->status ? g->status : wg__fail(g, WG_EARG, "%s: %s is NULL", who, what);
}

static int build_loss_gradients(const char *who, enum wg__absent absent, wg_node *loss, int n, wg_node *const x[],
                                wg_node *dx[])
{
    char             text[160];
    struct wg__aside aside;
    wg_graph        *g = wg_node_graph(loss);
    for (int i = 0; dx && i < n; i++) dx[i] = NULL;
    if (wg__lacks_list(g, who, n, "x", x) || wg__lacks_list(g, who, n, "dx", dx)) return WG_EARG;
    for (int i = 0; i < n && !g; i++) g = wg_node_graph(x[i]);
    if (!loss) return refuse_missing(g, who, "the loss");
    for (int i = 0; i < n; i++)
        if (!x[i] && g->status) return g->status;
    wg__error_aside(g, &aside);
    int status = check_value(g, who, "the loss", loss);
    if (!status && wg_count(loss->shape) != 1)
        status =
            wg__fail(g, WG_ESHAPE, "%s: the loss %s has not one element", who, wg__node_label(loss, text, sizeof text));
    struct wg__mark before = wg__mark(g);
    wg_node        *one = status ? NULL : wg_fill(g, (wg_dtype)loss->dtype, *loss->shape, 1);
    if (one) build_gradients(who, absent, &before, loss, one, n, x, dx);
    else wg__undo(g, &before);
    return wg__error_back(g, &aside);
}

int wg_grad(wg_node *loss, int n, wg_node *const x[], wg_node *dx[])
{
    return build_loss_gradients("grad", WG__ABSENT_NULL, loss, n, x, dx);
}

int wg__grad_of_each(const char *who, wg_node *loss, int n, wg_node *const x[], wg_node *dx[])
{
    return build_loss_gradients(who, WG__ABSENT_REFUSED, loss, n, x, dx);
}

int wg_vjp(wg_node *y, wg_node *seed, int n, wg_node *const x[], wg_node *dx[])
{
    struct wg__aside aside;
    wg_graph        *g = y ? y->g : wg_node_graph(seed);
    for (int i = 0; dx && i < n; i++) dx[i] = NULL;
    if (wg__lacks_list(g, "vjp", n, "x", x) || wg__lacks_list(g, "vjp", n, "dx", dx)) return WG_EARG;
    for (int i = 0; i < n && !g; i++) g = wg_node_graph(x[i]);
    if (!y || !seed) return refuse_missing(g, "vjp", y ? "the seed" : "y");
    for (int i = 0; i < n; i++)
        if (!x[i] && g->status) return g->status;
    wg__error_aside(g, &aside);
    struct wg__mark before = wg__mark(g);
    if (check_value(g, "vjp", "y", y) == WG_OK && check_seed(g, y, seed) == WG_OK)
        build_gradients("vjp", WG__ABSENT_NULL, &before, y, seed, n, x, dx);
    return wg__error_back(g, &aside);
}
