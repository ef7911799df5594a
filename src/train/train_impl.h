/* train_impl.h - inside of src/train. */
#ifndef WENGERT_TRAIN_IMPL_H
#define WENGERT_TRAIN_IMPL_H

#include "data/io_impl.h"
#include "graph/graph_impl.h"

#include <wengert/train.h>

/* Makes a parameter whose name is printed by format; NULL with the reason on g. */
wg_node *wg__param_printed(wg_graph *g, wg_dtype t, const wg_shape *s, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Returns the number of operands that a layer takes. */
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
/* Adds the assignments of p and of its state, computed from p's gradient dp; WG_OK or a status. */
int wg__update_add(struct wg__update *u, wg_node *p, wg_node *dp);
/* Returns the largest number of assignments that n parameters take. */
int wg__update_room(int n);
/* Returns the name of tensor i that a solver of this kind keeps for each parameter; NULL: it keeps fewer. */
const char *wg__solver_slot(int kind, int i);
/* Tells whether a parameter of this name was a solver's in files without roles: "adam.step", "adam#2.m/w". */
bool wg__is_solver_state(const char *name);

/* ---- Roles in checkpoints (roles.c) ---- */

enum wg__kept_role { WG__KEPT_WEIGHT, WG__KEPT_STATE, WG__KEPT_FROZEN, WG__KEPT_SOLVER, WG__KEPT_ROLES };

enum wg__kept_role wg__role_of(const wg_node *param);
/* Makes a parameter the state of a solver. */
void wg__set_solver_state(wg_node *param);
/* Appends a pair for each parameter that is no plain weight to the n pairs of meta, which has room for all.  The text
 * of the keys, which the caller frees; NULL if memory is short. */
char *wg__roles_write(const wg_graph *g, bool weights_only, const char *(*meta)[2], int *n);
/* Reads the role of each tensor of f into role, which begins as zeros.  WG_OK, or WG_EFORMAT with the text that is no
 * role in *bad. */
int wg__roles_read(const wg_safetensors *f, uint8_t role[], const char **bad);
/* Guesses the same of a checkpoint without roles, where the name alone tells a solver's state. */
void wg__roles_guess(const wg_safetensors *f, uint8_t role[]);

/* ---- Updates of layers ---- */

/* Lists the assignments that a step of y includes.  list has room for all updates of the graph.  Returns the length, or
 * -1 with the reason on the graph. */
int wg__updates_of(wg_node *y, wg_node *list[]);

#endif
