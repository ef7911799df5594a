/* Fisher-Yates with Philox4x32-10 (Salmon et al. 2011): draw i of an epoch is a
 * function of (seed, epoch, i), so an epoch's order needs no history. */
#include "base/number/philox.h"
#include "data/batches_impl.h"

__extension__ typedef unsigned __int128 wide;

/* Sets these draws apart from those of random nodes with the same seed. */
#define SHUFFLE_KEY UINT64_C(0x73687566666c6531)

static uint64_t join_words(uint32_t low, uint32_t high) { return (uint64_t)high << 32 | low; }

/* Draws 2 * pair and 2 * pair + 1. */
static void draw_pair(uint64_t seed, uint64_t epoch, uint64_t pair, uint64_t draw[2])
{
    uint64_t      key = seed ^ SHUFFLE_KEY;
    struct philox p = {.a = (uint32_t)pair,
                       .b = (uint32_t)(pair >> 32),
                       .c = (uint32_t)epoch,
                       .d = (uint32_t)(epoch >> 32),
                       .k = (uint32_t)key,
                       .l = (uint32_t)(key >> 32)};
    p = philox(p);
    draw[0] = join_words(p.a, p.b);
    draw[1] = join_words(p.c, p.d);
}

void wg__shuffle(int64_t n, int64_t *order, uint64_t seed, uint64_t epoch)
{
    uint64_t draw[2] = {0};
    for (int64_t i = 0; i < n; i++) {
        if (i % 2 == 0) draw_pair(seed, epoch, (uint64_t)i / 2, draw);
        /* 0..i; at most (i + 1) / 2^64 away from uniform */
        int64_t j = (int64_t)((wide)draw[i % 2] * (uint64_t)(i + 1) >> 64);
        order[i] = order[j]; /* the inside-out form; j = i leaves it to the next line */
        order[j] = i;
    }
}
