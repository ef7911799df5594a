/* import_impl.h - what the parts of the importer share; rows need import.h only. */
#ifndef WENGERT_ONNX_IMPORT_IMPL_H
#define WENGERT_ONNX_IMPORT_IMPL_H

#include "onnx/import/import.h"
#include "onnx/proto/onnx_impl.h"

/* The opsets that are understood, and what is folded while loading at most. */
enum { WG__HIGHEST_OPSET = 28, WG__MAX_FOLD = 1 << 24, WG__MAX_COMPLAINTS = 64 };
/* What a small file may cost: elements computed or read again while loading,
 * bytes of constants that are not in the file, symbolic sizes. */
enum { WG__BUDGET_ELEMENTS = 1 << 28, WG__BUDGET_BYTES = 1 << 28, WG__MAX_SYMBOLS = 1 << 14 };

/* "Conv (opset 13) node 'conv1' and 4 more: text" */
struct wg__complaint {
    const char *what, *name;
    bool        node;
    int         status, more;
    char        text[560];
};

/* Of a node: nothing needs it, it is to be made, it was made (or failed). */
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

/* The first: what the file shows by itself.  WG_OK, or a status where the second phase could not even be tried. */
int wg__import_look(struct wg__import *p);
/* The row of a node; NULL with a complaint where there is none that does what it asks for. */
const struct wg__row *wg__import_row(struct wg__import *p, const struct wg__onnx_node *node);
/* The sizes that the options and the values given say; the first of a name counts, and others are complained of. */
void wg__import_sizes(struct wg__import *p);
/* Whether a dimension has a name that says something: many writers have one word for all that they do not know. */
bool wg__dim_named(const struct wg__onnx_dim *d);
/* The name of a dimension, which is "<input>.<axis>" where it has none; NULL if memory is short. */
const char *wg__dim_name_in(struct wg__import *p, const struct wg__onnx_value *in, int axis);

/* Marks a value of that name as used, if there is one. */
void wg__use(struct wg__import *p, const char *name);
/* From the marked values to the nodes that make them, which become WG__WANTED, before node n. */
void wg__import_reach(struct wg__import *p, int n);
/* Which initialisers are weights, and which inputs shape the graph, by the n nodes' rows. */
void wg__import_uses(struct wg__import *p, int n, const struct wg__onnx_node *node, const struct wg__row *const row[]);
/* False where a value is broken; why, where that was not said yet. */
bool wg__value_whole(struct wg__import *p, struct wg__import_value *v);

/* The second: nodes. */
void wg__import_build(struct wg__import *p);
/* The wanted nodes before node n, in order. */
void wg__import_nodes(struct wg__import *p, int n);
void wg__import_node(struct wg__import *p, const struct wg__onnx_node *node, const struct wg__row *row);
/* Names of a graph: its initialisers; of a node: every name is made once, before it is used. */
int wg__import_tensors(struct wg__import *p, const struct wg__onnx_model *model);
int wg__import_names(struct wg__import *p, const struct wg__onnx_node *node);

/* ---- Complaints (import_say.c) ---- */

int wg__complain(struct wg__import *p, int status, const char *what, const char *name, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Of the node at hand. */
int wg__complain_node(struct wg__import *p, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The error that a builder left on the graph, which is cleared; memory that is short only sets p->nomem. */
int wg__complain_graph(struct wg__import *p);
/* Everything that was said becomes the model's message; its status. */
int wg__complaints_tell(struct wg__import *p);
/* wg_onnx_declared, also after a complaint. */
bool wg__onnx_declared(const wg_onnx *m, int i, const char **name, wg_dtype *dtype);

/* ---- Values (import_value.c) ---- */

bool                     wg__values_new(wg_onnx *m, size_t n);
struct wg__import_value *wg__value_find(const wg_onnx *m, const char *name);
/* NULL if there is one of that name. */
struct wg__import_value *wg__value_add(wg_onnx *m, const char *name);
/* wg__in_value, to be changed. */
struct wg__import_value *wg__value_in(const struct wg__in *c, int i);
/* The node of a value, made if there is none yet; NULL with a complaint, or the reason on the graph. */
wg_node *wg__value_node(struct wg__import *p, struct wg__import_value *v);
/* Output i is the tensor, which becomes a node when it is asked for. */
int wg__out_tensor(struct wg__in *c, int i, const struct wg__onnx_tensor *t);

/* ---- Known values (import_known.c) ---- */

/* The values of a tensor, or a complaint: *to is the caller's (wg__data_free), NULL data on an error. */
bool wg__tensor_known(struct wg__import *p, const struct wg__onnx_tensor *t, const char *name, wg_array *to);

/* The integers of an initialiser, Constant or folded list; NULL if it is none,
 * or holds other than WG__MAX_INTS or fewer integers in rank 0 or 1. */
const struct wg__ints *wg__value_ints(struct wg__import *p, struct wg__import_value *v);
/* Whether a number would read as a symbol: those are numbered from -1000
 * downward (graph/dim/dim.c).  A list that is not raw holds a number in that range
 * only where it is a symbol. */
static inline bool wg__like_symbol(int64_t d) { return d <= -1000 && d >= -1000 - (1 << 24); }

/* ---- Rows (import_rows.c) ---- */

/* The row for op at an opset; NULL if there is none, with *later the first opset that has one (0: none has). */
const struct wg__row *wg__row_find(const char *op, int opset, int *later);

#endif
