/* loop.h - a chain of elementwise steps as one loop.
 *
 * The loop's domain is one dense shape; operands broadcast to it.  The work is
 * done in blocks of at most WG__BLOCK elements: each step reads and writes
 * registers, which are block-sized buffers that stay in the first-level cache.
 * A loop may begin with a matrix product, whose pieces it continues while they
 * are in the cache, and may end in a reduction of its last value. */
#ifndef WENGERT_LOOP_H
#define WENGERT_LOOP_H

enum { WG__BLOCK = 1024, WG__LOOP_STEPS = 32, WG__LOOP_INPUTS = 16, WG__LOOP_OUTPUTS = 8 };

/* A slot names where a step reads or writes: inputs first, then registers,
 * then outputs. */
struct wg__step {
    wg_block   *block;
    const void *attr;
    uint8_t     n, y, x[WG_BLOCK_MAX_ARITY]; /* slots */
};

struct wg__loop_operand {
    void   *data;
    size_t  size;                 /* of one element */
    int64_t stride[WG_MAX_RANK]; /* in elements along each domain axis; 0 where it broadcasts */
};

struct wg__loop {
    int      rank;                 /* of the domain, after merging axes: at least 1 */
    int64_t  dim[WG_MAX_RANK];
    int      inputs, registers, outputs, steps;
    struct wg__loop_operand in[WG__LOOP_INPUTS];
    struct wg__loop_operand out[WG__LOOP_OUTPUTS]; /* dense over the domain */
    struct wg__step         step[WG__LOOP_STEPS];
    double   cost;                 /* of one element, in nanoseconds or so: how finely to split */

    const struct wg__gemm *head;   /* or NULL: product whose c is `in[0]`; the domain stays [.., m, n] */

    int      tail;                 /* enum wg__reduce, or -1: none */
    int      tail_slot;            /* what is reduced */
    wg_dtype tail_dtype;
    int64_t  outer, reduced, inner; /* the domain as the reduction sees it */
    void    *tail_out;             /* [outer, inner] */
};

/* Fills in rank, dim and strides from the domain and each operand's shape:
 * merges axes that every operand walks alike.  keep_last keeps the last axis
 * apart (for a head). */
void wg__loop_domain(struct wg__loop *l, const wg_shape *domain, const wg_shape *const in_shape[], bool keep_last);
void wg__loop_run(const struct wg__loop *l, int threads);

/* An elementwise operator by itself: a loop of one step. */
int wg__loop_call(const wg_op *op, wg_call *c);
/* A reduction by itself: a loop of no step, ending in it. */
void wg__reduce_call(enum wg__reduce kind, const wg_tensor *x, int64_t outer, int64_t reduced, int64_t inner, void *y, int threads);

#endif
