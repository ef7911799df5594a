/* loop_args.h - what the kernel of a loop takes.
 *
 * A loop's structure (rank, dtypes, steps, which operands broadcast along
 * which axes, the kind of its tail) is fixed in the kernel; what may differ
 * between equal loops is here.  This file is C, CUDA and the first part of
 * every generated source, so it includes nothing.
 *
 * Threads take groups of four adjacent elements of the domain.  A tail over
 * the domain [outer, reduced, inner] is computed by teams of threads:
 *   inner = 1: a team of `across` lanes puts a chunk of a row together;
 *   inner > 1: a block puts a chunk of 4 across columns together, its threads
 *              across by 256/across.
 * With more than one chunk the results are parts [outer, chunks, inner], which
 * a second kernel puts together.  All of this follows from the shape alone,
 * so the bits do not depend on how many blocks there are.
 *
 * Loops without tails that differ in these arguments alone can be launched as
 * one: wg_loops(args, first, n) finds the arguments of n loops in device
 * memory, and block b works for loop k where first[k] <= b < first[k + 1]. */
#ifndef WENGERT_CUDA_LOOP_ARGS_H
#define WENGERT_CUDA_LOOP_ARGS_H

enum { WG_LOOP_BLOCK = 256 }; /* threads of a block */

struct wg_loop_args {
    const int *stop;          /* where it is not 0 by now, nothing is done; NULL: always done; no tail */
    long long  count;         /* elements of the domain */
    long long  dim[8];        /* [rank] */
    long long  stride[16][8]; /* [inputs][rank] in elements; 0 where it broadcasts */
    void      *in[16], *out[8];
    int        vector; /* whole groups may be read and written at once: sizes and addresses are multiples */
    int        across; /* a power of two: 1..32 or 256 lanes; 1..32 threads along inner */
    long long  outer, reduced, inner;
    long long  chunk, chunks; /* elements along `reduced` of a chunk, and how many chunks */
    void      *tail_out;      /* [outer, inner] */
    void      *part;          /* [outer, chunks, inner] if chunks > 1; f64 for f32, else the tail's dtype */
};

#endif
