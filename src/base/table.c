#include "base/table.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { FIRST = 32 };

uint64_t wg__hash64(const void *bytes, size_t n) { return XXH3_64bits(bytes, n); }
uint32_t wg__hash(const void *bytes, size_t n) { return (uint32_t)wg__hash64(bytes, n); }
uint32_t wg__hash_text(const char *text) { return wg__hash(text, strlen(text)); }

int64_t wg__table_find(const struct wg__table *t, uint32_t hash, wg__table_has *has, const void *owner, const void *key)
{
    for (size_t mask = t->size - 1, at = hash & mask; t->size && t->slot[at].item; at = (at + 1) & mask)
        if (t->slot[at].hash == hash && has(owner, t->slot[at].item - 1, key)) return t->slot[at].item - 1;
    return -1;
}

void wg__table_add(struct wg__table *t, uint32_t hash, uint32_t item)
{
    size_t mask = t->size - 1, at = hash & mask;
    while (t->slot[at].item) at = (at + 1) & mask;
    t->slot[at] = (struct wg__slot){item + 1, hash};
}

/* Moves an item behind the gap into the gap where a search for the item would else end there (Knuth 6.4, algorithm
 * R). */
void wg__table_remove(struct wg__table *t, uint32_t hash, uint32_t item)
{
    size_t mask = t->size - 1, gap = hash & mask;
    while (t->slot[gap].item != item + 1) gap = (gap + 1) & mask;
    for (size_t at = (gap + 1) & mask; t->slot[at].item; at = (at + 1) & mask) {
        size_t home = t->slot[at].hash & mask;
        if (((at - home) & mask) < ((at - gap) & mask)) continue;
        t->slot[gap] = t->slot[at];
        gap = at;
    }
    t->slot[gap] = (struct wg__slot){0};
}

static void move_all(const struct wg__table *from, struct wg__table *to)
{
    for (size_t i = 0; i < from->size; i++)
        if (from->slot[i].item) wg__table_add(to, from->slot[i].hash, from->slot[i].item - 1);
}

bool wg__table_reserve(struct wg__table *t, size_t n)
{
    struct wg__table wider = {.size = t->size ? t->size : FIRST};
    while (wider.size / 2 < n && wider.size <= UINT32_MAX / 2) wider.size *= 2;
    if (wider.size / 2 < n) return false;
    if (wider.size == t->size) return true;
    wider.slot = calloc(wider.size, sizeof *wider.slot);
    if (!wider.slot) return false;
    move_all(t, &wider);
    free(t->slot);
    *t = wider;
    return true;
}

void wg__table_free(struct wg__table *t)
{
    free(t->slot);
    *t = (struct wg__table){0};
}
