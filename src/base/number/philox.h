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
 * stream share a counter.
 *
 * C, and C++ for devices, which define WG__PHILOX_FN as what a function of theirs begins with. */
#ifndef WENGERT_BASE_PHILOX_H
#define WENGERT_BASE_PHILOX_H

#include <stdint.h>

#ifndef WG__PHILOX_FN
#define WG__PHILOX_FN static inline __attribute__((always_inline))
#endif

struct philox {
    uint32_t a, b, c, d; /* counter, then words */
    uint32_t k, l;       /* key */
};

/* Computes one round; the steps of the key are the golden ratio and sqrt(3) - 1. */
WG__PHILOX_FN struct philox philox_round(struct philox s)
{
    uint64_t      p = (uint64_t)s.a * 0xd2511f53, q = (uint64_t)s.c * 0xcd9e8d57;
    struct philox next = {(uint32_t)(q >> 32) ^ s.b ^ s.k,
                          (uint32_t)q,
                          (uint32_t)(p >> 32) ^ s.d ^ s.l,
                          (uint32_t)p,
                          s.k + 0x9e3779b9,
                          s.l + 0xbb67ae85};
    return next;
}

/* Runs ten rounds, written without a loop so that a loop over counters vectorises. */
WG__PHILOX_FN struct philox philox(struct philox s)
{
    s = philox_round(philox_round(philox_round(philox_round(philox_round(s)))));
    return philox_round(philox_round(philox_round(philox_round(philox_round(s)))));
}

/* Makes the counter and key of block `block` of a sequence. */
WG__PHILOX_FN struct philox philox_at(uint64_t seed, uint64_t stream, uint64_t run, uint64_t block)
{
    struct philox s = {(uint32_t)block,  (uint32_t)(block >> 32 & 0xffff) | (uint32_t)(run >> 32 << 16),
                       (uint32_t)stream, (uint32_t)run,
                       (uint32_t)seed,   (uint32_t)((seed ^ stream) >> 32)};
    return s;
}

#endif
