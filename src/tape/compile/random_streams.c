/* The sequence that each random node of a tape reads, given by the node's place in the expression. Nodes of equal
 * places, as in sub(dropout(x), dropout(x)), are told apart by the order in which the tape meets them: the order of the
 * expression, so that no order of construction changes a number. (An eager tape meets nodes as they are built.) */
#include <stdlib.h>
#include <xxhash.h>

#include "tape/tape_impl.h"

/* Finds the slot of a place, or the free slot where the place belongs; the table is never full. */
static struct wg__stream *find_slot(const struct wg__streams *s, uint64_t place)
{
    size_t i = place & (s->cap - 1);
    while (s->slot[i].met && s->slot[i].place != place) i = (i + 1) & (s->cap - 1);
    return &s->slot[i];
}

static bool grow_table(struct wg__streams *s)
{
    struct wg__streams wide = {.cap = s->cap ? 2 * s->cap : 16, .used = s->used};
    wide.slot = calloc(wide.cap, sizeof *wide.slot);
    if (!wide.slot) return false;
    for (size_t i = 0; i < s->cap; i++)
        if (s->slot[i].met) *find_slot(&wide, s->slot[i].place) = s->slot[i];
    free(s->slot);
    *s = wide;
    return true;
}

int wg__stream_at(wg_tape *t, uint64_t *place)
{
    struct wg__streams *s = &t->streams;
    if (2 * (s->used + 1) > s->cap && !grow_table(s)) return wg__fail_nomem(t->g);
    struct wg__stream *p = find_slot(s, *place);
    if (!p->met) {
        *p = (struct wg__stream){.place = *place};
        s->used++;
    } else *place = XXH3_64bits_withSeed(place, sizeof *place, p->met);
    p->met++;
    WG__INVARIANT(2 * s->used <= s->cap);
    return WG_OK;
}
