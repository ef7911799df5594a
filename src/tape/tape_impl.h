/* tape_impl.h - inside of a tape.
 *
 * Compiling copies the part of the user's graph that the outputs need into a
 * private graph of the tape, where every shape is a number (lower.c).  The
 * private graph's builders go through the rewrite rules (rewrite.c, rules.c)
 * and the merge table (merge.c), so it is born simplified.  Then its nodes are
 * grouped into instructions (fuse.c, emit.c), instructions get memory (plan.c)
 * and the whole is checked (check.c).  An eager tape does the first part for
 * each node as it is built, and computes it at once (eager.c). */
#ifndef WENGERT_TAPE_IMPL_H
#define WENGERT_TAPE_IMPL_H

#include "base/table.h"
#include "cpu/cpu.h"
#include "graph/graph_impl.h"
#include "ops/ops_impl.h"

/* ---- Values: one for each node of the private graph ---- */

enum wg__place {
    WG__UNPLACED, /* never stored: a register of a loop, or not computed */
    WG__BUFFER,   /* in the tape's buffer, for as long as it is needed */
    WG__SHARED    /* a parameter's or constant's own memory */
};

struct wg__value {
    uint8_t place;
    bool    keep;        /* asked for: lives to the end of the run */
    bool    freed;       /* by plan.c */
    bool    unset;       /* an input that a run reads and that nobody has set yet */
    int     number;      /* N of %N in prints: values are numbered in the order in which instructions write them */
    int     root;        /* the value whose memory this is: itself, unless a view */
    int     first, last; /* instructions that write it and read it last; -1: none */
    int64_t offset;      /* in the buffer */
    size_t  bytes;
    void   *data; /* on the tape's device */
    void   *host; /* of a tape on a device: where the CPU has it, or NULL */
};

/* Rounds bytes up to those that a value takes in the buffer. */
static inline int64_t wg__aligned(size_t bytes) { return ((int64_t)bytes + 63) / 64 * 64; }

/* ---- Instructions ---- */

/* A group of nodes that becomes one instruction. */
struct wg__cluster {
    wg_node *root;            /* executes where this node stands in the order */
    wg_node *head;            /* producer at its start, or NULL */
    wg_node *tail;            /* reduction at its end (then the root), or NULL */
    bool     loop;            /* else a single call of root->op */
    bool     update;          /* its values go into assignments only */
    int      first, n;        /* elementwise members: fuse.member[first .. first+n-1], in execution order */
    int      inputs, outputs; /* outputs: members with users elsewhere */
    wg_node *input[WG__LOOP_INPUTS];
};

struct wg__fuse {
    struct wg__cluster   *cluster; /* [n], in execution order */
    int                   n, cap;
    wg_node             **member;
    struct wg__fuse_node *node; /* [g->n] by node id */
};

/* What fusion knows of a node. */
struct wg__fuse_node {
    int  cluster; /* -1: leaf, view or state */
    int  exec;    /* position of the earliest user's cluster; INT_MAX: none */
    int  join;    /* that cluster if the node could become part of it, else -1 */
    bool outside; /* its value is needed beyond its cluster */
    bool read;    /* and by other instructions than assignments */
};

struct wg__instr {
    struct wg__loop      *loop; /* or NULL: a call */
    wg_call              *call; /* NULL: a loop */
    wg_tensor            *x;    /* [call->n] the operands of the call */
    struct wg__production made; /* a call of a producer's operator: how it is computed */
    const wg_op          *op;
    wg_node              *node;  /* that names it: the last of its chain */
    wg_node             **chain; /* [n_chain] all nodes that it computes, in order */
    int                   n_chain;
    int    product; /* the value that a loop's head makes: written, and the loop's first input; -1: none */
    int   *in;      /* [n_in] values read */
    int   *out;     /* [n_out] values written */
    int    n_in, n_out;
    double flops;
};

struct wg__copy {
    int  param, from; /* values */
    bool in_place;    /* the new value is written where the parameter is: nothing to copy */
};

/* An operand that an instruction reads packed (packed.c). */
struct wg__packed;
struct wg__keep {
    struct wg__packed     *of;
    const wg_call         *call; /* whose operand it is */
    struct wg__production *made; /* where the instruction finds the packed form */
};

struct wg__trace;

/* What became of the last run: whether there are values to read. */
enum wg__outcome { WG__NO_RUN, WG__RUN_DONE, WG__RUN_FAILED };

struct wg_tape {
    wg_graph  *user; /* the owner */
    wg_graph  *g;    /* private, concrete */
    wg_tape   *next;
    wg_options options; /* names in bind are borrowed during compile only */
    bool       eager;

    bool      refused; /* an operator has no node with these sizes: the error on g is the operator's */
    wg_node **map;     /* [n_map] user's node id -> node of g, or NULL */
    int       n_map;
    struct wg__merge {
        struct wg__table table;
        wg_node        **node; /* [n] nodes of g that a new one may be equal to */
        int              n, cap;
    } merge;

    struct wg__streams {
        struct wg__table table;
        struct wg__stream {
            uint64_t place, met; /* met: number of random nodes of that place */
        } * met;                 /* [n] */
        int n, cap;
    } streams;

    wg_node         **order; /* [n_order] of g: operands before users */
    int               n_order;
    struct wg__value *value; /* [g->n] by node id */
    struct wg__instr *instr;
    int               n_instr;
    struct wg__copy  *copy; /* [n_copy] assignments */
    int               n_copy;
    struct wg__arena  arena; /* instructions, loops */
    char             *buffer;
    void             *scratch; /* shared by the calls, one after the other */
    size_t            buffer_bytes, input_bytes;
    int               n_unset; /* inputs that are still unset */

    uint64_t run;
    bool     drawn; /* eager: random nodes were built since the last run, and drew as run number run - 1 */
    uint64_t begun; /* counts the runs that were made; unlike run, never set back */
    struct {
        uint64_t run, begun;
    } renumbered; /* the number that a user set last, and begun then */
    int                status;
    char               message[512];
    enum wg__outcome   outcome;
    char               failure[512]; /* the message of the run that failed */
    bool               watch_finite;
    bool               lent_bools; /* wg_input_buffer gave out memory of bools, which a run makes 0 and 1 */
    void             **backup;     /* [n_copy] old parameters while watching, or NULL */
    struct wg__trace  *trace;
    struct wg__follow *follow; /* values that are followed */
    struct wg__keep   *keep;   /* [n_keep] operands that are read packed */
    int                n_keep;

    struct wg__tape_device *device; /* NULL: the CPU */
};

/* ---- Passes; each returns WG_OK or a status with its error on the user's graph ---- */

/* Makes the node of t->g for a user's node, whose operands have been lowered; NULL on failure. */
wg_node *wg__lower(wg_tape *t, const wg_node *x);
/* Makes the private graph of a tape. */
int wg__lower_init(wg_tape *t);
/* Makes the place of a random node its stream: WG_OK, or an error on t->g. */
int wg__stream_at(wg_tape *t, uint64_t *place);
/* Gives an assignment of a parameter's own value, or of a view of the parameter, a copy to read. */
int wg__stage_assigned(wg_tape *t, wg_node *a);
/* Finds the node that a user's node is read from: x, which computes the user's node; or a copy that each run makes,
 * where x shows a parameter and the user's node is not that parameter, whose memory has what was set or assigned since.
 * NULL if memory is short. */
wg_node *wg__detached(wg_tape *t, const wg_node *user, wg_node *x);
/* Builds the rewritten form of an application. NULL: no rule fits, or there is an error on t->g. */
wg_node *wg__rewrite(wg_tape *t, const wg_op *op, int n, wg_node *const x[], const void *attr);
/* Finds an equal node that is there already, or NULL. */
wg_node *wg__merge_find(wg_tape *t, uint64_t hash, const wg_op *op, int n, wg_node *const x[], const void *attr);
wg_node *wg__merge_find_const(wg_tape *t, uint64_t hash, wg_dtype dtype, const wg_shape *s, const void *data);
uint64_t wg__merge_hash(const wg_op *op, int n, wg_node *const x[], const void *attr);
uint64_t wg__merge_hash_const(wg_dtype dtype, const wg_shape *s, const void *data);
int      wg__merge_add(wg_tape *t, uint64_t hash, wg_node *x);
int      wg__fuse(wg_tape *t, struct wg__fuse *f);
void     wg__fuse_free(struct wg__fuse *f);
int      wg__emit(wg_tape *t, const struct wg__fuse *f);
int      wg__schedule(wg_tape *t);
bool     wg__loop_may_overwrite(const wg_tape *t, const struct wg__instr *p, int k, int v);
int      wg__plan(wg_tape *t);
int      wg__check(wg_tape *t);
/* Checks that the tape may take so many bytes for values: WG_OK, or an error on the user's graph. */
int wg__check_bytes(wg_tape *t, int64_t bytes);
/* Sets every pointer of the instructions once values have their memory. */
int wg__bind_memory(wg_tape *t);
/* Sets the pointers of instruction i, to data or to host. */
void wg__bind_instr(wg_tape *t, int i, bool host);
/* Makes ready what the CPU is to run, with memory for scratch. */
int wg__prepare_instrs(wg_tape *t);
/* Finds the call of an instruction and its operator: all of the instruction, or a loop's head. NULL: there is none. */
wg_call *wg__call_of(struct wg__instr *p, const wg_op **op);
/* Tells whether the CPU runs instruction i. */
bool wg__on_cpu(const wg_tape *t, int i);
/* Finds the operands that are worth keeping packed, and room for them: WG_OK, or an error on the user's graph. */
int wg__keep_packed(wg_tape *t);
/* Gives the instructions, before a run, the packed operands that are up to date, and packs others. */
void wg__take_packed(wg_tape *t);
void wg__packed_release(wg_tape *t);
/* Counts the bytes of packed operands that the tape reads, of each once. */
int64_t wg__packed_bytes(const wg_tape *t);
/* Makes bools 0 and 1 that a user wrote into lent memory. */
void wg__take_lent(wg_tape *t);
/* Runs instruction i on the CPU. */
int wg__run_instr(wg_tape *t, int i);

/* ---- Common ---- */

/* Marks a function that runs and accesses which go well do not call: its code stays out of their way. */
#define WG__RARE __attribute__((noinline, cold))

/* Marks the inputs that a run reads, or that the n outputs of the user show, as unset. */
void wg__await_inputs(wg_tape *t, int n, wg_node *const out[]);
/* Computes node x alone, result k into y[k], from operands whose data are in node->data; why says what went wrong. */
int wg__evaluate(wg_tape *t, wg_node *x, void *const y[], char why[static 160]);
/* Records an error on the tape. */
int wg__tape_fail(wg_tape *t, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Tells wg_on_error that a call got NULL for a tape, which has nowhere to keep a message; returns WG_EARG. */
int wg__no_tape(const char *who);
/* Does what wg_set does, or wg_get, for a call that messages name `who`. */
int wg__set(wg_tape *t, const wg_node *x, const char *who, const void *data);
int wg__get(wg_tape *t, const wg_node *x, const char *who, void *data);
/* Reports that there is no memory for `bytes` bytes of values, and which value is the largest; WG_ENOMEM on the user's
 * graph. */
int wg__refuse_room(wg_tape *t, size_t bytes);
/* Records that a run failed at node x of t->g: "run: gather %3: why", with the call that built x where that was
 * another. */
int wg__fail_at(wg_tape *t, const wg_node *x, int status, const char *why);
/* Notes that the last run failed for the reason on the tape, so that no value is read until another run succeeds. */
void wg__run_failed(wg_tape *t);
/* Writes the name of a value in prints and messages: "x" for an input or parameter, "0.5" for a constant, "%12" or
 * "%12:h1" for what an instruction writes. */
const char *wg__value_name(const wg_tape *t, const wg_node *x, char *buf, size_t n);
/* Finds the tape's node for x, whose value the tape keeps, and its bytes; NULL with the reason on the tape, for the
 * call `who`. */
const wg_node *wg__kept(wg_tape *t, const wg_node *x, const char *who, size_t *bytes);
/* Finds the node of t->g for a user's node, or NULL. */
wg_node *wg__lookup(const wg_tape *t, const wg_node *x);
int      wg__check_finite(wg_tape *t, int i);
int      wg__backup(wg_tape *t);
void     wg__restore(wg_tape *t);
void     wg__backup_free(wg_tape *t);
bool     wg__is_view(const wg_node *x);
void     wg__trace_begin(struct wg__trace *r, uint64_t run);
void     wg__trace_mark(struct wg__trace *r, int instr);
void     wg__trace_free(struct wg__trace *r);
/* Takes the values that are followed after a run, while t->run is still its number; wg__follow_failed takes back those
 * of a failed run. */
void     wg__follow_run(wg_tape *t);
void     wg__follow_failed(wg_tape *t);
void     wg__follow_free(wg_tape *t);
int      wg__eager_check(wg_tape *t);
int      wg__eager_run(wg_tape *t);
void     wg__eager_free(wg_tape *t);
int      wg__eager_room(wg_tape *t, const wg_node *x);
void     wg__number_values(wg_tape *t);
wg_tape *wg__tape_new(wg_graph *g, const wg_options *o);

#endif
