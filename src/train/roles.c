/* Roles of parameters in checkpoints.
 *
 * "__metadata__" has a pair "wengert.role/<name>" for each parameter that is no plain weight: "state", "frozen", or
 * "solver" for state that belongs to a solver and that a file of weights alone leaves out. */
#include <stdlib.h>
#include <string.h>

#include "train/safetensors/safetensors_impl.h"
#include "train/train_impl.h"

#define PREFIX "wengert.role/"

static const char *const text_of[WG__KEPT_ROLES] = {
    [WG__KEPT_STATE] = "state", [WG__KEPT_FROZEN] = "frozen", [WG__KEPT_SOLVER] = "solver"};

enum wg__kept_role wg__role_of(const wg_node *p)
{
    if (p->role == WG_ROLE_FROZEN) return WG__KEPT_FROZEN;
    return p->role != WG_ROLE_STATE ? WG__KEPT_WEIGHT : p->of_solver ? WG__KEPT_SOLVER : WG__KEPT_STATE;
}

void wg__set_solver_state(wg_node *p)
{
    wg_set_role(p, WG_ROLE_STATE);
    p->of_solver = true;
}

/* ---- Writing ---- */

char *wg__roles_write(const wg_graph *g, bool weights_only, const char *(*meta)[2], int *n)
{
    size_t size = 1;
    for (int i = 0; i < g->n_param; i++) size += sizeof PREFIX + strlen(g->param[i]->name);
    char *keys = malloc(size), *at = keys;
    for (int i = 0; keys && i < g->n_param; i++) {
        enum wg__kept_role role = wg__role_of(g->param[i]);
        if (role == WG__KEPT_WEIGHT || (role == WG__KEPT_SOLVER && weights_only)) continue;
        meta[*n][0] = at;
        meta[(*n)++][1] = text_of[role];
        at += sprintf(at, PREFIX "%s", g->param[i]->name) + 1;
    }
    return keys;
}

/* ---- Reading ---- */

static int role_named(const char *text)
{
    for (int r = 1; r < WG__KEPT_ROLES; r++)
        if (strcmp(text_of[r], text) == 0) return r;
    return -1;
}

int wg__roles_read(const wg_safetensors *f, uint8_t role[], const char **bad)
{
    for (int k = 0; k < f->n_meta; k++) {
        const struct wg__tensor_note *m = &f->meta[k];
        if (strncmp(m->key, PREFIX, strlen(PREFIX)) != 0) continue;
        int i = wg__st_find(f, m->key + strlen(PREFIX)), r = role_named(m->text);
        if (r < 0) return *bad = m->text, WG_EFORMAT;
        if (i >= 0) role[i] = (uint8_t)r;
    }
    return WG_OK;
}

void wg__roles_guess(const wg_safetensors *f, uint8_t role[])
{
    for (int i = 0; i < f->n; i++)
        if (wg__is_solver_state(f->tensor[i].name)) role[i] = WG__KEPT_SOLVER;
}
