/* philox.h - Philox4x32-10: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw,
 * "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 *
 * Four words for each counter under a key: a function, no state.  Here the key
 * is the graph's seed, and the counter is made of
 *
 *   word 0   bits 0..31 of the block        (block = element / elements a block)
 *   word 1   bits 32..47 of the block, and above them bits 32..47 of the run
 *   word 2   bits 0..31 of the stream
 *   word 3   bits 0..31 of the run
 *
 * and bits 32..63 of the stream change the upper half of the key.  Streams are
 * hashes of 64 bits; below 2^48 runs and 2^48 blocks no two numbers of one
 * stream share a counter. */
#ifndef WENGERT_CPU_PHILOX_H
#define WENGERT_CPU_PHILOX_H

#include <stdint.h>

struct philox {
    uint32_t a, b, c, d; /* counter, then words */
    uint32_t k, l;       /* key */
};

static inline __attribute__((always_inline)) struct philox philox_round(struct philox s)
{
    uint64_t p = (uint64_t)s.a * 0xd2511f53, q = (uint64_t)s.c * 0xcd9e8d57;
    return (struct philox){.a = (uint32_t)(q >> 32) ^ s.b ^ s.k,
                           .b = (uint32_t)q,
                           .c = (uint32_t)(p >> 32) ^ s.d ^ s.l,
                           .d = (uint32_t)p,
                           .k = s.k + 0x9e3779b9,
                           .l = s.l + 0xbb67ae85}; /* the golden ratio, and sqrt(3) - 1 */
}

/* Runs ten rounds, written without a loop so that a loop over counters vectorises. */
static inline __attribute__((always_inline)) struct philox philox(struct philox s)
{
    s = philox_round(philox_round(philox_round(philox_round(philox_round(s)))));
    return philox_round(philox_round(philox_round(philox_round(philox_round(s)))));
}

/* Makes the counter and key of block `block` of a sequence. */
static inline __attribute__((always_inline)) struct philox philox_at(uint64_t seed, uint64_t stream, uint64_t run,
                                                                     uint64_t block)
{
    return (struct philox){.a = (uint32_t)block,
                           .c = (uint32_t)stream,
                           .d = (uint32_t)run,
                           .b = (uint32_t)(block >> 32 & 0xffff) | (uint32_t)(run >> 32 << 16),
                           .k = (uint32_t)seed,
                           .l = (uint32_t)((seed ^ stream) >> 32)};
}

#endif
