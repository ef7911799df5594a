/* loop.h - a chain of elementwise steps as one loop.
 *
 * The loop's domain is one dense shape; operands broadcast to it.  The work is
 * done in blocks of at most WG__BLOCK elements: each step reads and writes
 * registers, which are block-sized buffers that stay in the first-level cache.
 * A loop may begin with a producer, such as the matrix product, whose tiles it
 * continues while they are in the cache, or end in a reduction of one of its
 * values.
 *
 * A loop says what is computed: operators, dtypes, attributes, and in which slots.  The
 * CPU is one of its printers, for whom wg__loop_prepare looks up a function for each step;
 * src/cuda is another.
 *
 * To make one: give it room; set inputs, registers, outputs and steps; wg__loop_domain; the
 * head or tail; wg__loop_prepare.  Data pointers may change between runs. */
#ifndef WENGERT_LOOP_H
#define WENGERT_LOOP_H

#include <stdbool.h>

#include <wengert/graph_op.h>

#include "loop/reduction.h"

enum {
    WG__BLOCK = 1024,
    WG__LOOP_STEPS = 32,
    WG__LOOP_INPUTS = 16,
    WG__LOOP_REGISTERS = WG__LOOP_STEPS,
    WG__LOOP_OUTPUTS = 8,
    WG__LOOP_SLOTS = WG__LOOP_INPUTS + WG__LOOP_REGISTERS + WG__LOOP_OUTPUTS
};

/* A slot names where a step reads or writes: inputs first, then registers,
 * then outputs.  A step may read an output that an earlier step wrote.  An
 * output may be the memory of an input that no later step reads. */
struct wg__step {
    const wg_op *op;
    const void  *attr;
    uint8_t      n, y, x[WG_BLOCK_MAX_ARITY];  /* slots */
    uint8_t      to, from[WG_BLOCK_MAX_ARITY]; /* dtypes of the result and of the operands */

    /* By wg__loop_prepare: */
    uint8_t   once;
    uint8_t   chain; /* 1 + the number of the chain that begins here; 0: none */
    wg_block *block;
};

struct wg__loop_operand {
    void    *data;
    wg_dtype dtype;
    int64_t  stride[WG_MAX_RANK]; /* in elements along each domain axis; 0 where it broadcasts */

    /* By wg__loop_prepare: */
    size_t  size;   /* of one element */
    int64_t period; /* element f of the domain is data[f % period]; 0: there is no period */
    int     form;   /* how its blocks are found: enum wg__form */
};

/* An output is dense over the domain. */
struct wg__loop_output {
    void    *data;
    wg_dtype dtype;
    uint32_t size; /* of one element, by wg__loop_prepare */
};

/* Takes a finished tile of a matrix, rows [i0,i1) and columns [j0,j1), on the thread that made the tile. */
typedef void wg__take_tile(void *context, int64_t i0, int64_t i1, int64_t j0, int64_t j1);

/* An operand in the order in which a kernel reads it: packed once, then read by every run for as long as the operand's
 * values stay as they are. */
struct wg__packed_form {
    int     operand;   /* the operand of the call */
    size_t  bytes;     /* its memory, aligned to 64 */
    int64_t layout[3]; /* two forms of one operand with the same bytes and layout are the same */
};
struct wg__packer {
    /* Says, by the shapes of a call, which operand is worth keeping packed; false: none. */
    bool (*form)(const wg_call *c, struct wg__packed_form *f);
    /* Packs the operand's values. */
    void (*prepare)(const wg_call *c, void *memory);
};

/* An operator that can head a loop, since it makes its result in tiles. The result counts as a matrix whose columns are
 * the last axis and whose rows are all other axes. */
struct wg__producer {
    /* Tells whether a loop behind the node, whose shapes are numbers, is worth while. */
    bool (*is_worth)(const wg_node *v);
    /* Fills in `plan`, of plan_bytes bytes, with what is known of a call before it runs; the call's memory may still
     * change its contents, not its place. */
    void (*ready)(const wg_call *c, void *plan);
    size_t plan_bytes;
    /* Computes the call's result, with the bits of the operator alone, and hands over each
     * tile once, while the tile is in the cache.  packed: the operand that is kept, or NULL
     * where that is not packed yet; the bits are the same. */
    void (*run)(const void *plan, const void *packed, int threads, wg__take_tile *take, void *context);
    const struct wg__packer *packer; /* NULL: no operand is worth it */
};

/* A call of a producer as its runs need it. */
struct wg__production {
    const struct wg__producer *producer;
    void                      *plan;   /* by the producer's `ready` */
    const void                *packed; /* an operand that is kept packed; NULL: none, or not yet */
};

struct wg__head {
    struct wg__production made; /* the plan by wg__loop_prepare */
    const wg_op          *op;
    wg_call               call; /* of op: x, attributes, y */
    wg_tensor            *x;    /* [call.n] the call's */
};

struct wg__loop {
    int                      rank; /* of the domain, after merging axes: at least 1 */
    int64_t                  dim[WG_MAX_RANK];
    int                      inputs, registers, outputs, steps;
    struct wg__loop_operand *in;   /* [inputs] */
    struct wg__loop_output  *out;  /* [outputs] */
    struct wg__step         *step; /* [steps] */
    double                   cost; /* of one element, about in nanoseconds: how finely to split */

    struct wg__head *head; /* the producer of in[0], which is dense over the domain; no tail. NULL: none */

    int      tail;      /* enum wg__reduce, or -1: none */
    int      tail_slot; /* the slot that is reduced: any */
    wg_dtype tail_dtype;
    int64_t  outer, reduced, inner; /* the domain as the reduction sees it */
    void    *tail_out;              /* [outer, inner] */

    /* By wg__loop_prepare: */
    int64_t count;   /* elements of the domain */
    int64_t block;   /* elements in a full block */
    bool    rowwise; /* no block leaves a row of the last axis */
    bool    small;   /* one block and nothing to gather */
    bool    chained; /* steps that are chains */
    int64_t columns; /* of the head's result */
};

/* Room for the largest loop, while one is made. */
struct wg__loop_room {
    struct wg__loop_operand in[WG__LOOP_INPUTS];
    struct wg__loop_output  out[WG__LOOP_OUTPUTS];
    struct wg__step         step[WG__LOOP_STEPS];
};
/* Gives a loop that room. */
static inline void wg__loop_use(struct wg__loop *l, struct wg__loop_room *r)
{
    l->in = r->in;
    l->out = r->out;
    l->step = r->step;
}

/* Fills in rank, dim and strides from the domain and each operand's shape, which broadcasts to the domain: merges axes
 * that every operand walks alike. keep_last keeps the last axis apart. */
void wg__loop_domain(struct wg__loop *l, const wg_shape *domain, const wg_shape *const in_shape[], bool keep_last);

#endif
