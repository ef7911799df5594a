/* import_impl.h - what the parts of the importer share; rows need import.h only. */
#ifndef WENGERT_ONNX_IMPORT_IMPL_H
#define WENGERT_ONNX_IMPORT_IMPL_H

#include "onnx/import/import.h"
#include "onnx/proto/onnx_impl.h"

/* The opsets that are understood, and what is folded while loading at most. */
enum { WG__HIGHEST_OPSET = 28, WG__MAX_FOLD = 1 << 24, WG__MAX_COMPLAINTS = 64 };
/* Limits on what a small file may cost: elements computed or read again while loading, bytes of
 * constants that are not in the file, symbolic sizes. */
enum { WG__BUDGET_ELEMENTS = 1 << 28, WG__BUDGET_BYTES = 1 << 28, WG__MAX_SYMBOLS = 1 << 14 };

/* "Conv (opset 13) node 'conv1' and 4 more: text" */
struct wg__complaint {
    const char *what, *name;
    bool        node;
    int         status, more;
    char        text[560];
};

/* The state of a node: nothing needs it, it is to be made, it was made (or failed). */
enum wg__state { WG__IDLE, WG__WANTED, WG__DONE };

/* An import that runs; wg__in comes first, so that a row's c leads to it. */
struct wg__import {
    struct wg__in          in;
    const struct wg__row **row;   /* [n_node]; NULL: not supported, which has been said, or takes no part */
    enum wg__state        *state; /* [n_node] */
    struct wg__complaint  *complaint;
    int                    n_complaint, cap_complaint;
    int64_t                left_out;          /* complaints beyond WG__MAX_COMPLAINTS */
    int64_t                said, said_before; /* all of them, with repeats; before the node at hand */
    wg_graph              *scratch;           /* in place of the caller's, where the first phase complained */
    int64_t                elements, bytes;   /* what is left of the budgets */
    int                    symbols;           /* of the graph, before */
    wg_binding            *size;              /* of named dimensions, by the options and the values given */
    int                    n_size;
    int                    at; /* the node of the model that is being made */
    bool                   nomem;
};

/* ---- Phases (import_look.c, import_uses.c, import_build.c) ---- */

/* Runs the first phase: what the file shows by itself. Returns WG_OK, or a status where the second
 * phase cannot even be tried. */
int wg__import_look(struct wg__import *p);
/* Finds the row of a node. NULL with a complaint where no row does what the node asks for. */
const struct wg__row *wg__import_row(struct wg__import *p, const struct wg__onnx_node *node);
/* Takes the sizes that the options and the given values say. The first size of a name counts; a second
 * that differs is complained of. */
void wg__import_sizes(struct wg__import *p);
/* Tells whether a dimension has a name that says something: many writers have one word for all
 * dimensions that they do not know. */
bool wg__dim_named(const struct wg__onnx_dim *d);
/* Returns the name of a dimension, "<input>.<axis>" where it has none; NULL if memory is short. */
const char *wg__dim_name_in(struct wg__import *p, const struct wg__onnx_value *in, int axis);

/* Marks a value of that name as used, if there is one. */
void wg__use(struct wg__import *p, const char *name);
/* Marks as WG__WANTED the nodes before node n that make the marked values, and the nodes before those. */
void wg__import_reach(struct wg__import *p, int n);
/* Finds which initialisers are weights and which inputs shape the graph, by the rows of the n nodes. */
void wg__import_uses(struct wg__import *p, int n, const struct wg__onnx_node *node, const struct wg__row *const row[]);
/* Tells whether a value can be used; complains of a broken value once. */
bool wg__value_whole(struct wg__import *p, struct wg__import_value *v);

/* Runs the second phase: makes the nodes. */
void wg__import_build(struct wg__import *p);
/* Makes the wanted nodes before node n, in order. */
void wg__import_nodes(struct wg__import *p, int n);
void wg__import_node(struct wg__import *p, const struct wg__onnx_node *node, const struct wg__row *row);
/* Names of a graph: its initialisers; of a node: every name is made once, before it is used. */
int wg__import_tensors(struct wg__import *p, const struct wg__onnx_model *model);
int wg__import_names(struct wg__import *p, const struct wg__onnx_node *node);

/* ---- Complaints (import_say.c) ---- */

int wg__complain(struct wg__import *p, int status, const char *what, const char *name, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Complains of the node at hand. */
int wg__complain_node(struct wg__import *p, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Complains of the error that a builder left on the graph, and clears it there. Memory that is short
 * only sets p->nomem. */
int wg__complain_graph(struct wg__import *p);
/* Makes the complaints the model's message and returns the model's status. */
int wg__complaints_tell(struct wg__import *p);
/* Does what wg_onnx_declared does, also after a complaint. */
bool wg__onnx_declared(const wg_onnx *m, int i, const char **name, wg_dtype *dtype);

/* ---- Values (import_value.c) ---- */

bool                     wg__values_new(wg_onnx *m, size_t n);
struct wg__import_value *wg__value_find(const wg_onnx *m, const char *name);
/* Adds a value. NULL if a value of that name exists. */
struct wg__import_value *wg__value_add(wg_onnx *m, const char *name);
/* Returns the same as wg__in_value, for a caller that changes the value. */
struct wg__import_value *wg__value_in(const struct wg__in *c, int i);
/* Returns the node of a value and makes it if there is none yet. NULL with a complaint, or with the
 * reason on the graph. */
wg_node *wg__value_node(struct wg__import *p, struct wg__import_value *v);
/* Makes output i a tensor, which becomes a node when it is asked for. */
int wg__out_tensor(struct wg__in *c, int i, const struct wg__onnx_tensor *t);

/* ---- Known values (import_known.c) ---- */

/* Reads the values of a tensor, or complains. The caller frees to->data with wg__data_free; it is NULL
 * on an error. */
bool wg__tensor_known(struct wg__import *p, const struct wg__onnx_tensor *t, const char *name, wg_array *to);

/* Returns the integers of an initialiser, a Constant or a folded list. NULL for any other value, and
 * for more than WG__MAX_INTS integers or a rank above 1. */
const struct wg__ints *wg__value_ints(struct wg__import *p, struct wg__import_value *v);
/* Tells whether a number would read as a symbol: symbols are numbered from -1000 downward
 * (graph/dim/dim.c). A list that is not raw holds a number in that range only where it is a symbol. */
static inline bool wg__like_symbol(int64_t d) { return d <= -1000 && d >= -1000 - (1 << 24); }

/* ---- Rows (import_rows.c) ---- */

/* Finds the row of op at an opset. NULL if there is none, with *later the first opset that has one (0:
 * none has). */
const struct wg__row *wg__row_find(const char *op, int opset, int *later);

#endif
