#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "graph/graph_impl.h"

enum { FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20, HUGE_FROM = 1 << 20, HUGE_PAGE = 1 << 21 };

void *wg__arena_alloc(struct wg__arena *a, size_t n)
{
    if (n > SIZE_MAX - 4096) return NULL;
    n = (n + 15) & ~(size_t)15;
    struct wg__block *b = a->block;
    if (!b || b->size - b->used < n) {
        size_t size = !b ? FIRST_BLOCK : b->size < LARGEST_BLOCK ? 2 * b->size : LARGEST_BLOCK;
        if (size < n) size = n;
        if (!(b = malloc(sizeof *b + size))) return NULL;
        *b = (struct wg__block){.next = a->block, .size = size};
        a->block = b;
    }
    void *p = b->data + b->used;
    b->used += n;
    WG__INVARIANT(b->used <= b->size && (uintptr_t)p % 16 == 0);
    return memset(p, 0, n);
}

void wg__arena_free(struct wg__arena *a)
{
    for (struct wg__block *b = a->block, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    a->block = NULL;
}

void *wg__data_alloc(size_t n)
{
    if (n > PTRDIFF_MAX / 2) return NULL;
    size_t align = n < HUGE_FROM ? 64 : HUGE_PAGE, size = (n + 64 + align - 1) / align * align;
    void  *p = aligned_alloc(align, size);
    if (!p) return NULL;
    if (align == HUGE_PAGE) madvise(p, size, MADV_HUGEPAGE); /* only a wish: rows picked at random miss the TLB less */
    return memset(p, 0, size);
}

void wg__data_free(void *p) { free(p); }
