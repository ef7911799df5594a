/* export.h - from graph nodes to an ONNX file.
 *
 *   export.c         the order of work
 *   export_rules.c   nodes that are not exported by their operator's own form
 *   export_form.c    a form becomes ONNX nodes
 *   export_dims.c    sizes that are known only when the net runs
 *   export_names.c   unique names
 *   export_values.c  inputs, outputs, constants and parameters
 *   export_file.c    the file, or the two files */
#ifndef WENGERT_ONNX_EXPORT_H
#define WENGERT_ONNX_EXPORT_H

#include <wengert/onnx.h>

#include "base/table.h"
#include "graph/graph_impl.h"
#include "onnx/form/form.h"
#include "onnx/proto/write.h"

/* ---- Names, and other texts that are looked up (export_names.c) ---- */

struct wg__names {
    struct wg__name {
        const char *text;
        const char *is; /* what a text stands for; of a name, itself once it is taken */
        int         count;
    } * name; /* [n] */
    int              n, cap;
    struct wg__table by_text;
};

/* ---- What is being made ---- */

/* A value of the file. */
struct wg__val {
    const char *name;
    wg_dtype    t;
};

/* What is known of a node of the graph, by its id. */
struct wg__exported {
    const char *name;   /* of its value in the file; NULL: none yet */
    int         uses;   /* by nodes below the outputs, counting outputs */
    int         inputs; /* of nodes in the file */
    int         turned; /* of those, by a product that wants it transposed */
    bool        needed;
    bool        read;   /* by an output or a node, and not as the operator of another result alone */
    bool        output; /* its value is an output of the file */
};

struct wg__init {
    const char *name;
    wg_dtype    t;
    wg_shape    shape; /* as in the file */
    const void *data;
    bool        turned;   /* data are the transpose of it, a matrix */
    bool        own;      /* made by the exporter, a shape perhaps: stays in the model's file */
    bool        external; /* in the other file, at */
    uint64_t    offset;
};

struct wg__export {
    wg_graph                     *g;
    const wg_onnx_export_options *options;
    const char                   *path;
    int                           opset;
    wg_node *const               *out;
    int                           n_out;

    wg_node            **order; /* [n_order] operands before users */
    int                  n_order;
    struct wg__exported *of;       /* [g->n] */
    wg_node            **input;    /* [n_input] those that are needed */
    const char         **out_name; /* [n_out] */
    int                  n_input;

    struct wg__arena arena;                          /* of names and small constants */
    struct wg__names names, constants, dims;         /* dims: the value of a symbol */
    struct wg__names symbols, symbol_names;          /* its name, and the names that are taken */
    struct wg__text  nodes, inputs, outputs, values; /* NodeProto and ValueInfoProto, as fields of the graph */
    struct wg__init *init;
    int              n_init, cap_init;
    bool             short_of_memory;
};

/* Records that memory is short; what is made then is not used. */
void wg__export_short(struct wg__export *e);

/* ---- export_names.c ---- */

/* Returns a name that no value has yet: wanted, or wanted_2, .. */
const char *wg__name(struct wg__export *e, const char *wanted);
/* Returns the name kind_1, kind_2, .. that no value has yet. */
const char *wg__name_numbered(struct wg__export *e, const char *kind);
/* Returns the name of a symbolic dimension; equal names mean equal sizes. */
const char *wg__name_dim(struct wg__export *e, int64_t d);
/* Returns the name that the program gave to a node, or NULL. */
static inline const char *wg__name_given(const wg_node *x) { return x->name && *x->name ? x->name : NULL; }
/* Finds, sets and frees the entries of a table of names. wg__names_find returns NULL for a key that is
 * not there. */
const char *wg__names_find(const struct wg__names *t, const char *key);
void        wg__names_set(struct wg__export *e, struct wg__names *t, const char *key, const char *is);
void        wg__names_free(struct wg__names *t);

/* ---- export_rules.c ---- */

enum { WG__RULE_ARITY = 3 };

/* How a node is made: as another node, or a form over operands. */
struct wg__export_rule {
    const char *kind;      /* for a name: "gemm" */
    const char *form;      /* NULL: its operator's own */
    int         n, turned; /* operands; which is wanted transposed, or -1 */
    wg_node    *x[WG__RULE_ARITY];
    char        text[200];
};
/* Tells whether x is where(training, y, z), which is z in evaluation. */
bool wg__export_chooses(const wg_node *x);
/* Returns the node that computes the same in evaluation: dropout and choices by `training` are passed over. */
wg_node *wg__export_same(wg_node *x);
/* Finds a form for y that is not the form of its operator. False: there is none. Needs the counts of uses. */
bool wg__export_rule(const struct wg__export *e, const wg_node *y, struct wg__export_rule *r);

/* ---- export_values.c ---- */

void wg__put_value_info(struct wg__export *e, struct wg__text *to, uint32_t field, const char *name, const wg_node *x);
/* Writes a parameter or constant of the graph as an initialiser. */
void wg__export_leaf(struct wg__export *e, wg_node *x);
/* Makes a constant of the file that is not in the graph. The data are copied; equal constants become one. */
struct wg__val wg__constant(struct wg__export *e, wg_dtype t, const wg_shape *s, const void *data);
struct wg__val wg__constant_ints(struct wg__export *e, int n, const int64_t *v);

/* ---- export_form.c ---- */

/* Writes ONNX nodes that compute a form over x; the result is called `to` and has dtype t. y is the
 * node that they stand for, for errors and symbols. Returns WG_OK, or a status with the reason on the
 * graph. */
int wg__form_write(struct wg__export *e, const wg_node *y, const char *form, int n, const struct wg__val x[],
                   const char *to, wg_dtype t);
/* Writes the operator's own form of one result; *all says that it gave all results, by the names they have. */
int wg__form_write_op(struct wg__export *e, const wg_node *y, int result, const char *to, bool *all);
/* Puts a complaint on the graph: "onnx_export: gelu h[2,3]: complaint". */
int wg__export_bad(struct wg__export *e, const wg_node *y, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- export_dims.c ---- */

/* Makes an i64 vector of numbers and symbolic dimensions. False with the reason on the graph. */
bool wg__dims_value(struct wg__export *e, const wg_node *y, int n, const struct wg__form_number *v, struct wg__val *to);

/* ---- export_file.c ---- */

int wg__export_write(struct wg__export *e);

#endif
