/* From a loss to one node of assignments: which parameters, their gradients,
 * clipping, then a solver for each group. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "grad/grad_impl.h"
#include "train/train_impl.h"

struct job {
    wg_graph   *g;
    const char *who;   /* the call that the user made */
    int         n;     /* parameters that are trained */
    wg_node   **param; /* [n], group by group */
    wg_node   **grad;  /* [n] */
    int        *end;   /* [groups] where a group's parameters end */
    wg_node   **assign;
};

/* ---- Which parameters ---- */

/* Finds the real weights that loss depends on, in the order of the expression; the caller frees *found.  Returns their
 * number, or a status. */
static int find_weights(const char *who, wg_node *loss, wg_node ***found)
{
    int n = 0, others = 0, nodes = wg__postorder(loss->g, 1, &loss, found);
    for (int i = 0; i < nodes; i++) {
        wg_node *x = (*found)[i];
        if (x->kind != WG__PARAM || !(WG_DTYPE_BIT(x->dtype) & WG_DTYPE_REALS)) continue;
        if (x->role == WG_ROLE_WEIGHT) (*found)[n++] = x;
        else others++;
    }
    if (nodes >= 0 && n == 0) {
        char        text[160];
        const char *what = wg__node_label(loss, text, sizeof text);
        return wg__fail(loss->g, WG_EARG, "%s: the loss %s depends on no real %s", who, what,
                        others ? "weight, on parameters that are state or frozen alone" : "parameter");
    }
    return nodes < 0 ? nodes : n;
}

static bool contains(int n, wg_node *const x[], const wg_node *one)
{
    for (int i = 0; i < n; i++)
        if (x[i] == one) return true;
    return false;
}

/* Finds the first group whose pattern matches; a status: none does. */
static int group_of(int n, const wg_param_group group[], const wg_node *p)
{
    for (int i = 0; i < n; i++)
        if (fnmatch(group[i].pattern, p->name, 0) == 0) return i;
    return wg__fail(p->g, WG_EARG, "minimize_groups: no pattern matches parameter %s: end with \"*\"", p->name);
}

/* Finds a parameter that the pattern matches and that is no weight; NULL: there is none. */
static const wg_node *find_other(const wg_graph *g, const char *pattern)
{
    for (int i = 0; i < g->n_param; i++)
        if (g->param[i]->role != WG_ROLE_WEIGHT && fnmatch(pattern, g->param[i]->name, 0) == 0) return g->param[i];
    return NULL;
}

static int check_patterns(wg_graph *g, int groups, const wg_param_group group[], int n, wg_node *const p[])
{
    for (int i = 0; i < groups; i++) {
        int k = 0;
        if (!group[i].pattern) return wg__fail(g, WG_EARG, "minimize_groups: group %d has no pattern", i);
        while (k < n && fnmatch(group[i].pattern, p[k]->name, 0) != 0) k++;
        const wg_node *other = k == n ? find_other(g, group[i].pattern) : NULL;
        if (other)
            return wg__fail(g, WG_EARG, "minimize_groups: pattern \"%s\" matches no weight of the loss: %s is %s",
                            group[i].pattern, other->name, other->role == WG_ROLE_STATE ? "state" : "frozen");
        if (k == n)
            return wg__fail(g, WG_EARG, "minimize_groups: pattern \"%s\" matches none of the %d weights of the loss",
                            group[i].pattern, n);
    }
    return WG_OK;
}

/* Sorts the parameters that are trained by group; within a group their order stays. */
static int sort_by_group(struct job *j, int groups, const wg_param_group group[], int n, wg_node *const p[])
{
    int status = check_patterns(j->g, groups, group, n, p);
    if (status) return status;
    for (int i = 0; i < n; i++)
        if ((status = group_of(groups, group, p[i])) < 0) return status;
    for (int k = 0; k < groups; k++) {
        for (int i = 0; i < n && !group[k].freeze; i++)
            if (group_of(groups, group, p[i]) == k) j->param[j->n++] = p[i];
        j->end[k] = j->n;
    }
    return j->n ? WG_OK : wg__fail(j->g, WG_EARG, "minimize_groups: every group is frozen");
}

/* ---- Clipping ---- */

/* Builds min(1, clip / (norm + 1e-6)), where norm is that of all n gradients together; in f64. */
static wg_node *norm_factor(double clip, int n, wg_node *const grad[])
{
    static const wg_axes every_axis = {.n = -1};
    wg_node             *sum = NULL;
    for (int i = 0; i < n; i++) {
        wg_node *term = wg_cast(wg_sum(wg_square(grad[i]), every_axis, 0), WG_F64);
        sum = sum ? wg_add(sum, term) : term;
    }
    wg_node *norm = wg_shift(wg_sqrt(sum), 1e-6), *one = wg_lit(norm, 1);
    return wg_minimum(wg_div(wg_lit(norm, clip), norm), one);
}

static int clip_gradients(const wg_solver *s, int n, wg_node *grad[])
{
    wg_graph *g = grad[0]->g;
    for (int i = 0; i < n && s->clip_value > 0; i++)
        if (!(grad[i] = wg_clip(grad[i], -s->clip_value, s->clip_value))) return wg_status(g);
    if (!(s->clip_norm > 0)) return WG_OK;
    wg_node *factor = norm_factor(s->clip_norm, n, grad);
    if (!factor) return wg_status(g);
    for (int i = 0; i < n; i++) {
        wg_node *own = wg_cast(factor, wg_node_dtype(grad[i]));
        if (!(grad[i] = wg_mul(grad[i], own))) return wg_status(g);
    }
    return WG_OK;
}

/* ---- Building ---- */

static int build_group(struct wg__update *u, int n, wg_node *const param[], wg_node *grad[])
{
    int status = clip_gradients(&u->s, n, grad);
    if (!status) status = wg__update_begin(u);
    for (int i = 0; !status && i < n; i++) status = wg__update_add(u, param[i], grad[i]);
    return status;
}

static wg_node *build(struct job *j, wg_node *loss, int groups, const wg_solver *const solver[])
{
    struct wg__update u = {.g = j->g, .assign = j->assign};
    for (int k = 0; k < groups; k++) /* all are checked before anything is built */
        if (wg__solver_read(j->g, solver[k], &u.s)) return NULL;
    if (wg__grad_of_each(j->who, loss, j->n, j->param, j->grad)) return NULL;
    for (int k = 0, at = 0; k < groups; at = j->end[k++]) {
        if (j->end[k] == at) continue;
        if (wg__solver_read(j->g, solver[k], &u.s)) return NULL;
        if (build_group(&u, j->end[k] - at, j->param + at, j->grad + at)) return NULL;
    }
    int brought = wg__updates_of(loss, j->assign + u.n);
    return brought < 0 ? NULL : wg_group(u.n + brought, j->assign);
}

static void job_free(struct job *j)
{
    free(j->assign);
    free(j->end);
    free(j->grad);
    free(j->param);
    *j = (struct job){0};
}

static bool job_alloc(struct job *j, const char *who, wg_graph *g, int n, int groups)
{
    size_t room = (size_t)wg__update_room(n) + (size_t)groups + (size_t)g->n_update;
    *j = (struct job){.g = g,
                      .who = who,
                      .param = calloc((size_t)n, sizeof *j->param),
                      .grad = calloc((size_t)n, sizeof *j->grad),
                      .end = calloc((size_t)groups, sizeof *j->end),
                      .assign = calloc(room, sizeof *j->assign)};
    if (j->param && j->grad && j->end && j->assign) return true;
    job_free(j);
    wg__fail_nomem(g);
    return false;
}

static wg_node *minimize_all(const char *who, wg_node *loss, int n, wg_node *const param[], const wg_solver *solver)
{
    const wg_solver usual = {.kind = WG_SOLVER_SGD};
    struct job      j;
    if (!solver) solver = &usual;
    if (!job_alloc(&j, who, loss->g, n, 1)) return NULL;
    memcpy(j.param, param, (size_t)n * sizeof *param);
    j.n = j.end[0] = n;
    wg_node *step = build(&j, loss, 1, &solver);
    job_free(&j);
    return step;
}

/* Returns the step.  If it is NULL, all nodes that were made for it leave the graph. */
static wg_node *finish_step(wg_graph *g, const char *outer, const struct wg__mark *before, wg_node *step)
{
    if (!step) wg__undo(g, before);
    return wg__leave(g, outer, step);
}

wg_node *wg_minimize(wg_node *loss, const wg_solver *solver)
{
    wg_node **all = NULL, *step = NULL;
    if (!loss) return NULL;
    const char     *outer = wg__enter(loss->g, "minimize");
    struct wg__mark before = wg__mark(loss->g);
    int             n = find_weights("minimize", loss, &all);
    if (n > 0) step = minimize_all("minimize", loss, n, all, solver);
    free(all);
    return finish_step(loss->g, outer, &before, step);
}

static bool check_params(wg_node *loss, int n, wg_node *const param[], int known, wg_node *const all[])
{
    wg_graph *g = loss->g;
    char      text[160];
    for (int i = 0; i < n; i++) {
        const char *what = wg__node_str(param[i], text, sizeof text);
        if (param[i]->kind != WG__PARAM || param[i]->g != g)
            wg__fail(g, WG_EARG, "minimize_over: %s is no parameter of the graph", what);
        else if (contains(i, param, param[i])) wg__fail(g, WG_EARG, "minimize_over: %s is there twice", what);
        else if (param[i]->role != WG_ROLE_WEIGHT)
            wg__fail(g, WG_EARG, "minimize_over: %s is %s: wg_set_role makes it a weight", what,
                     param[i]->role == WG_ROLE_STATE ? "state" : "frozen");
        else if (!contains(known, all, param[i]))
            wg__fail(g, WG_EARG, "minimize_over: the loss does not depend on %s", what);
        else continue;
        return false;
    }
    return true;
}

wg_node *wg_minimize_over(wg_node *loss, int n, wg_node *const param[], const wg_solver *solver)
{
    wg_node **all = NULL, *step = NULL;
    if (!loss || wg__lacks_list(loss->g, "minimize_over", n, "param", param)) return NULL;
    for (int i = 0; i < n; i++)
        if (!param[i]) {
            if (!loss->g->status) wg__fail(loss->g, WG_EARG, "minimize_over: parameter %d is NULL", i);
            return NULL;
        }
    if (n < 1) return wg__fail(loss->g, WG_EARG, "minimize_over: there are no parameters"), NULL;
    const char     *outer = wg__enter(loss->g, "minimize_over");
    struct wg__mark before = wg__mark(loss->g);
    int             known = find_weights("minimize_over", loss, &all);
    if (known > 0 && check_params(loss, n, param, known, all))
        step = minimize_all("minimize_over", loss, n, param, solver);
    free(all);
    return finish_step(loss->g, outer, &before, step);
}

static wg_node *minimize_groups(wg_node *loss, int n, const wg_param_group group[], int known, wg_node *const all[])
{
    const wg_solver **solver = calloc((size_t)n, sizeof *solver);
    wg_solver         unread = {.kind = WG_SOLVER_SGD};
    wg_node          *step = NULL;
    struct job        j = {0};
    if (!solver) wg__fail_nomem(loss->g);
    for (int i = 0; solver && i < n; i++) solver[i] = group[i].freeze ? &unread : &group[i].solver;
    if (solver && job_alloc(&j, "minimize_groups", loss->g, known, n) && !sort_by_group(&j, n, group, known, all))
        step = build(&j, loss, n, solver);
    job_free(&j);
    free(solver);
    return step;
}

wg_node *wg_minimize_groups(wg_node *loss, int n, const wg_param_group group[])
{
    wg_node **all = NULL, *step = NULL;
    if (!loss) return NULL;
    if (n < 1 || !group) return wg__fail(loss->g, WG_EARG, "minimize_groups: there are no groups"), NULL;
    const char     *outer = wg__enter(loss->g, "minimize_groups");
    struct wg__mark before = wg__mark(loss->g);
    int             known = find_weights("minimize_groups", loss, &all);
    if (known > 0) step = minimize_groups(loss, n, group, known, all);
    free(all);
    return finish_step(loss->g, outer, &before, step);
}
