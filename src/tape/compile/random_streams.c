/* The sequence that each random node of a tape reads, given by the node's place in the expression. Nodes of equal
 * places, as in sub(dropout(x), dropout(x)), are told apart by the order in which the tape meets them: the order of the
 * expression, so that no order of construction changes a number. (An eager tape meets nodes as they are built.) */
#include <xxhash.h>

#include "base/list.h"
#include "tape/tape_impl.h"

static bool has_place(const void *streams, uint32_t item, const void *place)
{
    return ((const struct wg__streams *)streams)->met[item].place == *(const uint64_t *)place;
}

/* Finds the entry of a place, made with `met` 0 if there was none; NULL if memory is short. */
static struct wg__stream *find_entry(struct wg__streams *s, uint64_t place)
{
    int64_t item = wg__table_find(&s->table, (uint32_t)place, has_place, s, &place);
    if (item >= 0) return &s->met[item];
    struct wg__stream *grown = wg__list_grow(s->met, &s->cap, s->n + 1, sizeof *s->met);
    if (grown) s->met = grown;
    if (!grown || !wg__table_reserve(&s->table, (size_t)s->n + 1)) return NULL;
    s->met[s->n] = (struct wg__stream){.place = place};
    wg__table_add(&s->table, (uint32_t)place, (uint32_t)s->n);
    return &s->met[s->n++];
}

int wg__stream_at(wg_tape *t, uint64_t *place)
{
    struct wg__stream *s = find_entry(&t->streams, *place);
    if (!s) return wg__fail_nomem(t->g);
    if (s->met) *place = XXH3_64bits_withSeed(place, sizeof *place, s->met);
    s->met++;
    return WG_OK;
}
