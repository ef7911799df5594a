/* graph_impl.h - inside of a graph.  Knows no operator and no tape. */
#ifndef WENGERT_GRAPH_IMPL_H
#define WENGERT_GRAPH_IMPL_H

#include <stdarg.h>
#include <stdbool.h>

#include <wengert/graph_op.h>

#include "base/invariant.h"
#include "base/text/locale.h"
#include "base/text/utf8.h"

/* A node of an operator with several results is result 0; result k is a node of kind WG__RESULT whose operand is that
 * node. They are made together, one behind the other: result k has the id of the operator's node plus k. */
enum wg__kind { WG__OP, WG__INPUT, WG__PARAM, WG__CONST, WG__ASSIGN, WG__GROUP, WG__RESULT };

struct wg_node {
    wg_graph       *g;
    const wg_op    *op; /* NULL unless kind is WG__OP */
    const wg_shape *shape;
    void           *attr;
    const char     *name;    /* NULL: none */
    const char     *call;    /* the composed builder that made the node, a literal; or NULL */
    void           *data;    /* of a parameter or constant; of an eager node */
    const wg_node  *origin;  /* on a tape: the user's node that this one computes */
    int             id;      /* index in g->node */
    int             n;       /* operands */
    int             m;       /* results: of an operator, and of the constants that take its place on a tape */
    uint32_t        version; /* of a parameter: how often it was written, here or on a device */
    uint8_t         kind, dtype;
    uint8_t         role;      /* of a parameter: enum wg_role */
    bool            role_set;  /* of a parameter: the program has called wg_set_role */
    bool            of_solver; /* of a parameter: state of a solver */
    uint8_t         stale;     /* of a parameter: a device has newer data; see wg__param_home */
    bool            watched;
    bool     assigned; /* eager, of a tape's parameter: one of the assignments that were checked so far writes it */
    wg_node *x[];      /* [n] operands; an assignment has {param, next} */
};

/* ---- Memory that lives as long as its owner ---- */

struct wg__block {
    struct wg__block *next;
    size_t            used, size;
    _Alignas(16) char data[];
};
struct wg__arena {
    struct wg__block *block;
};
/* Allocates zeroed, 16-byte aligned memory; NULL if memory is short. */
void *wg__arena_alloc(struct wg__arena *a, size_t n);
void  wg__arena_free(struct wg__arena *a);
/* Allocates zeroed, 64-byte aligned memory for tensor data (n = 0 gives a pointer too); released by wg__data_free. */
void *wg__data_alloc(size_t n);
void  wg__data_free(void *p);

/* ---- Symbolic dimensions (dim.c) ---- */

struct wg__dims {
    struct wg__dim *dim;
    int             n, cap;
};
/* Splits a symbolic dimension into a op b and returns op: '+', '-', '*', '/' (cut towards zero), '~' (the size that a
 * and b broadcast to), ':' (a range of a elements, by wg__dim_range_of), or 0 for a named dimension (or if memory is
 * short). */
char wg__dim_split(wg_graph *g, int64_t d, int64_t *a, int64_t *b);
/* Finds start, stop and step of a range. */
void wg__dim_range_of(const wg_graph *g, int64_t d, int64_t *start, int64_t *stop, int64_t *step);
/* Tells whether i is no symbol of g, though it may be negative. */
bool wg__dim_is_number(const wg_graph *g, int64_t i);
/* Subtracts and divides dimensions, and counts the elements of a range, as wg_dim_add adds: a - b, which may be
 * negative; a / b cut towards zero; and start:stop:step (as Python counts, step > 0) of n elements. */
int     wg__dim_sub(wg_infer *c, int64_t a, int64_t b, int64_t *y);
int     wg__dim_floor(wg_infer *c, int64_t a, int64_t b, int64_t *y);
int     wg__dim_range(wg_infer *c, int64_t n, int64_t start, int64_t stop, int64_t step, int64_t *y);
int64_t wg__range_count(int64_t n, int64_t start, int64_t stop, int64_t step);
/* Finds the least value that d can have; INT64_MIN where its form does not say. */
int64_t wg__dim_least(const wg_graph *g, int64_t d);
/* Finds the size that two sizes broadcast to; WG_ESHAPE without a text where they do not. Where g is open, a symbol
 * goes with any size, and compiling finds out. */
int  wg__dim_meet(wg_infer *c, int64_t a, int64_t b, int64_t *y);
bool wg__dims_may_equal(const wg_graph *g, int64_t a, int64_t b);
bool wg__shapes_may_equal(const wg_graph *g, const wg_shape *a, const wg_shape *b);
/* Tells whether the symbol takes part in d. */
bool wg__dim_has(wg_graph *g, int64_t d, int64_t symbol);
bool wg__shape_has(wg_graph *g, const wg_shape *s, int64_t symbol);
/* Computes the value of d with the named symbols bound; negative with *unbound naming the first symbol that has no
 * size, or NULL where the sizes do not allow one. */
int64_t wg__dim_bind(const wg_graph *g, int64_t d, const wg_options *o, const char **unbound);
/* Checks the bindings of the options: WG_OK, or an error on g for a negative size, a name bound to two sizes, or a name
 * that is no dimension of g. */
int wg__dims_check_bind(wg_graph *g, const wg_options *o);
/* Binds every dimension of s in place; WG_OK, or WG_EBOUND with an error on `to`. */
int wg__shape_bind(const wg_graph *g, wg_graph *to, wg_shape *s, const wg_options *o);

/* ---- The graph ---- */

/* What a tape puts between the builders and its private copy of the graph. */
struct wg__hooks {
    void *context;
    /* Instead of making a node for an operator or constant. */
    wg_node *(*apply)(void *context, const wg_op *op, int n, wg_node *const x[], const void *attr);
    wg_node *(*constant)(void *context, wg_dtype t, const wg_shape *s, const void *data);
    /* After any node was made; 0 or the status that the builder fails with. */
    int (*made)(void *context, wg_node *x);
    /* `reach` tells how far the private copy goes now; `drop` drops what was added since. */
    int (*reach)(void *context);
    void (*drop)(void *context, int reach);
};

/* An update that a layer has brought (src/train/updates.c); or, with y NULL, the assignment that does what two of one
 * parameter do, first `before`, then `of`. */
struct wg__layer_update {
    wg_node       *y, *assign;
    const wg_node *before, *of;
};

struct wg_graph {
    struct wg__arena arena;
    wg_node        **node; /* [n] in order of construction */
    int              n, cap;
    uint64_t        *place; /* [placed] of the first nodes: see wg__place */
    int              placed, cap_place;
    wg_node        **param; /* [n_param] */
    int              n_param, cap_param;
    struct wg__dims  dims;
    uint64_t         seed;
    int              status;
    char             message[512];
    const char      *call;           /* the composed builder that the user called, while it runs; else NULL */
    const char      *layer;          /* the innermost layer with a name that is being applied, for messages; or NULL */
    wg_tape         *tapes;          /* list: src/tape knows how it goes on */
    void (*free_tapes)(wg_graph *g); /* set with the first tape */
    struct wg__devices *devices;     /* copies of parameters: src/tape knows how it goes on */
    int (*fetch)(wg_node *p);        /* these two are set with the first device */
    void (*free_devices)(wg_graph *g);
    struct wg__packed *packed; /* operands that tapes keep packed: src/tape knows how it goes on */
    struct wg__hooks   hook;

    struct wg__layer_update *update; /* [n_update] */
    int                      n_update, cap_update;

    bool missing; /* the error is that an operand was NULL */
    bool open;    /* unlike symbols may turn out equal: set while a model is imported */
    bool quiet;   /* a tape's private graph: errors are reported by the tape's owner */
};

/* Copies options that a program gives (NULL: none), whose first member is struct_size, into own[0..size-1]; what the
 * program's struct does not have is 0.  False with the reason if it is larger than this library's. */
bool wg__options_read(void *own, size_t size, const void *given, char why[static 160]);
/* Says why a table of functions whose struct_size is `said` is no table of `size` bytes; always false. */
bool wg__say_misfit(size_t said, size_t size, char why[static 160]);
/* Tells whether a table of functions that a program gives is laid out as this library's: its struct_size is `size`, or
 * 0. False with the reason. */
static inline bool wg__table_fits(size_t said, size_t size, char why[static 160])
{
    return !said || said == size || wg__say_misfit(said, size, why);
}

/* Records the first error, tells wg_on_error, returns status.  Inside of a composed builder the message begins with
 * that builder's name. */
int wg__fail(wg_graph *g, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
int wg__fail_nomem(wg_graph *g);
/* Refuses NULL for a list of n > 0 elements, which the call `who` calls `what`: WG_OK or WG_EARG.  g may be NULL. */
int wg__lacks_list(wg_graph *g, const char *who, int n, const char *what, const void *list);

/* Names the builder that the user called for as long as it builds on other builders: returns what wg__leave takes.
 * Where builders are nested, the outermost one keeps the name.  g may be NULL. */
const char *wg__enter(wg_graph *g, const char *call);
/* Ends what wg__enter began and returns y. */
wg_node *wg__leave(wg_graph *g, const char *outer, wg_node *y);

/* The size of a graph before a builder that may fail half-way (undo.c). */
struct wg__mark {
    int n, n_param, n_update, reach;
};
/* Marks how far the graph goes now. */
struct wg__mark wg__mark(const wg_graph *g);
/* Takes the nodes, parameters and updates that were made since the mark out of the graph; the user knows none of
 * them. */
void wg__undo(wg_graph *g, const struct wg__mark *m);

/* Brings p->data up to date from a device that has newer values. WG_OK, or a status with its error on the graph. Tapes
 * that run in parallel may call it. */
int wg__param_home(const wg_node *p);
/* Notes that p->data were written. */
void wg__param_written(wg_node *p);

/* Gives result k of x, or NULL if x has not so many. */
static inline wg_node *wg__result(const wg_node *x, int k) { return k < x->m ? x->g->node[x->id + k] : NULL; }
/* Gives the number of x among the results of its operator. */
static inline int wg__result_index(const wg_node *x) { return x->kind == WG__RESULT ? x->id - x->x[0]->id : 0; }
/* Tells whether a run of a tape computes x: a node of an operator, or another result of one. */
static inline bool wg__is_computed(const wg_node *x) { return x->kind == WG__OP || x->kind == WG__RESULT; }
/* Counts the results of an application; below 1 where the operator counts wrongly. */
int wg__count_results(const wg_op *op, int n, const void *attr);

/* Makes the node of an operator without asking the hooks. */
wg_node *wg__apply_raw(wg_graph *g, const wg_op *op, int n, wg_node *const x[], const void *attr);
/* Applies an operator without operands, which cannot tell its graph, as wg_apply does. */
wg_node *wg__apply_leaf(wg_graph *g, const wg_op *op, const void *attr);
/* Makes a constant without asking the hooks: of a copy of data, aligned as kernels like it; wg__const_borrow of data
 * that outlive the graph. */
wg_node *wg__const_copy(wg_graph *g, wg_dtype t, const wg_shape *s, const void *data);
wg_node *wg__const_borrow(wg_graph *g, wg_dtype t, const wg_shape *s, void *data);
/* Makes any other node; shape is copied. */
wg_node *wg__node_new(wg_graph *g, enum wg__kind kind, wg_dtype t, const wg_shape *s, int n);

bool   wg__shape_equal(const wg_shape *a, const wg_shape *b);
size_t wg__bytes(wg_dtype t, const wg_shape *s); /* SIZE_MAX if it does not fit */
/* Tells whether the sizes above 0 have a product in bytes that fits: so has every part of it, also where another size
 * is 0. */
bool wg__shape_countable(const wg_shape *s);
bool wg__shape_valid(wg_graph *g, const char *who, const wg_shape *s);
/* Writes a shape into buf: "[64,batch]". */
const char *wg__shape_str(const wg_graph *g, const wg_shape *s, char *buf, size_t n);
/* Writes a node's name and shape into buf: "h1[64,128]". */
const char *wg__node_str(const wg_node *x, char *buf, size_t n);
/* Writes a node that stands alone in a message: where it has no name its kind stands in, "exp[64,128]", with the number
 * of an input, "input3[2]", as in the print of a tape. */
const char *wg__node_label(const wg_node *x, char *buf, size_t n);
/* Appends to a text in buf of size n; *k counts what was wanted. */
void wg__append(char *buf, size_t n, size_t *k, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Writes attributes into buf: "axis=1, keep"; "" without a field table. */
const char *wg__attr_str(const wg_graph *g, const wg_op *op, const void *attr, char *buf, size_t n);
bool        wg__attr_equal(const wg_op *op, const void *a, const void *b);
/* Copies the attributes into the graph's arena, with the lists and texts that they show; NULL with an error on g. */
void *wg__attr_copy(wg_graph *g, const wg_op *op, const void *attr);
/* Names the first attribute that is a list of a negative length, or without numbers; NULL: none. */
const char *wg__attr_flaw(const wg_op *op, const void *attr);
/* The bytes of a field that decide whether two fields are equal: those of a value or text; or of a list, whose count is
 * in span[0] and whose elements are in span[1].  A value has NULL there. */
struct wg__bytes_of {
    struct {
        const void *at;
        size_t      n;
    } span[2];
};
struct wg__bytes_of wg__field_bytes(wg_field_type type, const void *at);

/* Lists the nodes that the roots need, operands before users, left to right from the roots: *order is allocated by the
 * call and owned by the caller. Returns how many, or a status. Follows the expression, not the order of construction: C
 * leaves open in which order arguments are evaluated, and compilers differ. No recursion. */
int wg__postorder(wg_graph *g, int n, wg_node *const root[], wg_node ***order);

/* Finds where the rows of the symbol lie in each y, for wg_rows_apart. n >= 1, of one graph. */
int wg__rows_find(int n, wg_node *const y[], int64_t symbol, wg_rows at[], wg_error *why);

/* Finds the place of a node of the user's graph, once for all nodes before it (place.c).  The functions on places
 * return false where memory is short, with the error on the graph. */
bool wg__place(const wg_node *x, uint64_t *place);
/* Gives x the place of `like`, for what is built on x from now on. */
bool wg__place_like(const wg_node *x, const wg_node *like);
/* Gives the sequence of a new random node its place; other nodes stay as they are. */
bool wg__place_random(wg_node *x);
/* Gives a random node that gets a name a sequence by this name beside its place.  An input or parameter keeps the place
 * of the name that it was made with. */
bool wg__place_named(wg_node *x, const char *name);

/* Tells whether v is finite as a number of the real dtype t. */
bool wg__is_finite_as(wg_dtype t, double v);
/* Reads element i of data as a double. */
double wg__load(wg_dtype t, const void *data, int64_t i);
/* Writes a double as element i of data, converted as wg_cast does. */
void wg__store(wg_dtype t, void *data, int64_t i, double value);
/* Tells whether the dtype has the number: a whole one in range for integers, 0 or 1 for bool; for reals any but a
 * finite number beyond the range, however it is rounded. */
bool wg__holds(wg_dtype t, double value);
/* Copies `bytes` bytes of a user's elements in; from may be to.  Bytes of bool other than 0 become 1. */
void wg__take(wg_dtype t, void *to, const void *from, size_t bytes);

#endif
