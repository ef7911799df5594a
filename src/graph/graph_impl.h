/* graph_impl.h - inside of a graph.  Knows no operator and no tape. */
#ifndef WENGERT_GRAPH_IMPL_H
#define WENGERT_GRAPH_IMPL_H

#include <stdarg.h>
#include <stdbool.h>

#include <wengert/graph_op.h>

enum wg__kind { WG__OP, WG__INPUT, WG__PARAM, WG__CONST, WG__ASSIGN, WG__GROUP };

struct wg_node {
    wg_graph       *g;
    const wg_op    *op; /* NULL unless kind is WG__OP */
    wg_node       **x;  /* [n] operands; an assignment has {param, next} */
    const wg_shape *shape;
    const void     *attr;
    const char     *name;   /* NULL: none */
    void           *data;   /* of a parameter or constant; of an eager node */
    const wg_node  *origin; /* on a tape: the user's node that this one computes */
    int             id;     /* place in g->node */
    int             n;      /* operands */
    uint8_t         kind, dtype;
    bool            watched;
    uint8_t         stale;   /* of a parameter: data are older than what a device has; see wg__param_home */
    uint32_t        version; /* of a parameter: how often it was written, here or on a device */
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
/* Zeroed, 16-byte aligned; NULL if memory is short. */
void *wg__arena_alloc(struct wg__arena *a, size_t n);
void  wg__arena_free(struct wg__arena *a);
/* Zeroed, 64-byte aligned memory for tensor data (n = 0 gives a pointer too);
 * released by wg__data_free. */
void *wg__data_alloc(size_t n);
void  wg__data_free(void *p);

/* ---- Symbolic dimensions (dim.c) ---- */

struct wg__dims {
    struct wg__dim *dim;
    int             n, cap;
};
/* A symbolic dimension as a op b: '+', '*', or 0 for a named one (or if memory is short). */
char wg__dim_split(wg_graph *g, int64_t d, int64_t *a, int64_t *b);
/* Whether the symbol takes part in d. */
bool wg__dim_has(wg_graph *g, int64_t d, int64_t symbol);
bool wg__shape_has(wg_graph *g, const wg_shape *s, int64_t symbol);
/* The value of d with the named symbols bound; negative with *unbound naming
 * the first symbol that has no size. */
int64_t wg__dim_bind(const wg_graph *g, int64_t d, const wg_options *o, const char **unbound);
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
};

struct wg_graph {
    struct wg__arena arena;
    wg_node        **node; /* [n] in order of construction */
    int              n, cap;
    wg_node        **param; /* [n_param] */
    int              n_param, cap_param;
    struct wg__dims  dims;
    uint64_t         seed, streams; /* random nodes made so far */
    int              status;
    char             message[512];
    wg_tape         *tapes;          /* list: src/tape knows how it goes on */
    void (*free_tapes)(wg_graph *g); /* set with the first tape */
    struct wg__devices *devices;     /* copies of parameters: src/tape knows how it goes on */
    int (*fetch)(wg_node *p);        /* these two are set with the first device */
    void (*free_devices)(wg_graph *g);
    struct wg__hooks hook;
    bool             quiet; /* a tape's private graph: errors are reported by the tape's owner */
};

/* Records the first error, tells wg_on_error, returns status. */
int wg__fail(wg_graph *g, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
int wg__fail_nomem(wg_graph *g);

/* Makes p->data what the parameter is: brings it back from a device where one has newer values.
 * WG_OK, or a status with its error on the graph.  Tapes that run in parallel may call it. */
int wg__param_home(const wg_node *p);
/* After p->data were written. */
void wg__param_written(wg_node *p);

/* The node of an operator without asking the hooks. */
wg_node *wg__apply_raw(wg_graph *g, const wg_op *op, int n, wg_node *const x[], const void *attr);
/* As wg_apply for an operator without operands, which cannot tell its graph. */
wg_node *wg__apply_leaf(wg_graph *g, const wg_op *op, const void *attr);
/* A constant without asking the hooks; data are copied, or borrowed for as
 * long as the graph lives. */
wg_node *wg__const_raw(wg_graph *g, wg_dtype t, const wg_shape *s, const void *data, bool borrow);
/* Any other node; shape is copied. */
wg_node *wg__node_new(wg_graph *g, enum wg__kind kind, wg_dtype t, const wg_shape *s, int n);

bool   wg__shape_equal(const wg_shape *a, const wg_shape *b);
size_t wg__bytes(wg_dtype t, const wg_shape *s); /* SIZE_MAX if it does not fit */
bool   wg__shape_valid(wg_graph *g, const char *who, const wg_shape *s);
/* "[64,batch]" into buf. */
const char *wg__shape_str(const wg_graph *g, const wg_shape *s, char *buf, size_t n);
/* "h1[64,128]" into buf. */
const char *wg__node_str(const wg_node *x, char *buf, size_t n);
/* Appends to a text in buf of size n; *k counts what was wanted. */
void wg__append(char *buf, size_t n, size_t *k, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* "axis=1, keep" into buf; "" without a field table. */
const char *wg__attr_str(const wg_graph *g, const wg_op *op, const void *attr, char *buf, size_t n);
bool        wg__attr_equal(const wg_op *op, const void *a, const void *b);

/* Operands before users, left to right from the roots: *order is allocated by
 * the call and owned by the caller.  Returns how many, or a status.  Follows
 * the expression, not the order of construction: C leaves open in which order
 * arguments are evaluated, and compilers differ.  No recursion. */
int wg__postorder(wg_graph *g, int n, wg_node *const root[], wg_node ***order);

/* Where the rows of the symbol lie in each y, for wg_rows_apart.  n >= 1, of one graph. */
int wg__rows_find(int n, wg_node *const y[], int64_t symbol, wg_rows at[], wg_error *why);

/* A new stream number for a random node or an initialiser. */
uint64_t wg__stream(wg_graph *g);

/* Bytes of the UTF-8 character at p, of which n > 0 bytes are left: 1 to 4; 0 if it is none. */
size_t wg__utf8(const unsigned char *p, size_t n);

/* Reals and doubles: element i of data as double, and back. */
double wg__load(wg_dtype t, const void *data, int64_t i);
void   wg__store(wg_dtype t, void *data, int64_t i, double value);

#endif
