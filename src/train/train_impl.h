/* train_impl.h - inside of src/train. */
#ifndef WENGERT_TRAIN_IMPL_H
#define WENGERT_TRAIN_IMPL_H

#include "data/io_impl.h"
#include "graph/graph_impl.h"

#include <wengert/train.h>

/* A parameter whose name is printed; NULL with the reason on g. */
wg_node *wg__param_printed(wg_graph *g, wg_dtype t, const wg_shape *s, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* How many operands a layer takes. */
int wg__layer_inputs(const wg_layer *l);

/* ---- Solvers ---- */

enum { WG__MAX_SLOTS = 2 };

/* One group of parameters on its way to assignments: s has its defaults
 * filled in, and true zeros where the caller gave negative numbers. */
struct wg__update {
    wg_graph *g;
    wg_solver s;
    char      prefix[32];           /* of the names of its state: "adam", "adam#2" */
    wg_node  *alpha, *eps, *shrink; /* Adam: rank-0 f64 factors of this step; shrink may be NULL */
    wg_node **assign;               /* [n], room for all */
    int       n;
};

/* Fills in u->s from the caller's solver, checked. */
int wg__solver_read(wg_graph *g, const wg_solver *s, wg_solver *read);
/* Begins a group: prefix, step counter, factors that all its parameters share. */
int wg__update_begin(struct wg__update *u);
/* Assignments of p and its state, from its gradient. */
int wg__update_add(struct wg__update *u, wg_node *p, wg_node *dp);
/* At most so many assignments for n parameters. */
int wg__update_room(int n);
/* Names of the tensors that a solver keeps for each parameter, NULL where there are fewer. */
const char *wg__solver_slot(int kind, int i);
/* Whether a parameter of this name was a solver's in files without roles: "adam.step", "adam#2.m/w". */
bool wg__is_solver_state(const char *name);

/* ---- Roles in checkpoints (roles.c) ---- */

enum wg__kept_role { WG__KEPT_WEIGHT, WG__KEPT_STATE, WG__KEPT_FROZEN, WG__KEPT_SOLVER, WG__KEPT_ROLES };

enum wg__kept_role wg__role_of(const wg_node *param);
/* Makes a parameter the state of a solver. */
void wg__set_solver_state(wg_node *param);
/* Appends a pair for each parameter that is no plain weight to the n pairs of meta, which has room for all.  The text
 * of the keys, which the caller frees; NULL if memory is short. */
char *wg__roles_write(const wg_graph *g, bool weights_only, const char *(*meta)[2], int *n);
/* The role of each tensor of f into role, which begins as zeros.  WG_OK, or WG_EFORMAT with *bad what is no role. */
int wg__roles_read(const wg_safetensors *f, uint8_t role[], const char **bad);
/* The same for a checkpoint without roles, which tells a solver's state by its name alone. */
void wg__roles_guess(const wg_safetensors *f, uint8_t role[]);

/* ---- Updates of layers ---- */

/* The assignments that a step of y takes along into list, which has room for all updates of the graph: how many, or -1
 * with the reason on the graph. */
int wg__updates_of(wg_node *y, wg_node *list[]);

#endif
