/* Texts of a column as classes: a hash table from text to number. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "data/csv/csv_impl.h"

static size_t place_of(const struct wg__csv_dictionary *d, const char *text, size_t n)
{
    size_t i = (size_t)XXH3_64bits(text, n) & (d->slots - 1);
    while (d->slot[i] && strcmp(d->c.name[d->slot[i] - 1], text) != 0) i = (i + 1) & (d->slots - 1);
    return i;
}

static bool grow_slots(struct wg__csv_dictionary *d)
{
    size_t    slots = d->slots ? 2 * d->slots : 16;
    uint32_t *slot = calloc(slots, sizeof *slot);
    if (!slot) return false;
    free(d->slot);
    d->slot = slot;
    d->slots = slots;
    for (int i = 0; i < d->c.n; i++) slot[place_of(d, d->c.name[i], strlen(d->c.name[i]))] = (uint32_t)i + 1;
    return true;
}

static bool grow_names(struct wg__csv_dictionary *d)
{
    int    cap = d->cap > 0 ? 2 * d->cap : 8;
    char **p = cap < 1 << 28 ? realloc(d->c.name, (size_t)cap * sizeof *p) : NULL;
    if (!p) return false;
    d->c.name = p;
    d->cap = cap;
    return true;
}

static int add(struct wg__csv_dictionary *d, const char *text, size_t n)
{
    if ((size_t)d->c.n * 2 >= d->slots && !grow_slots(d)) return WG__CSV_NO_MEMORY;
    if (d->c.n == d->cap && !grow_names(d)) return WG__CSV_NO_MEMORY;
    char *copy = malloc(n + 1);
    if (!copy) return WG__CSV_NO_MEMORY;
    memcpy(copy, text, n + 1);
    d->slot[place_of(d, text, n)] = (uint32_t)d->c.n + 1;
    d->c.name[d->c.n] = copy;
    return d->c.n++;
}

int wg__csv_class(struct wg__csv_dictionary *d, const char *text, size_t n)
{
    uint32_t there = d->slots ? d->slot[place_of(d, text, n)] : 0;
    if (there) return (int)there - 1;
    return d->given ? WG__CSV_NO_CLASS : add(d, text, n);
}

bool wg__csv_classes_like(struct wg__csv_dictionary *d, const wg_csv_classes *c)
{
    for (int i = 0; i < c->n; i++)
        if (add(d, c->name[i], strlen(c->name[i])) < 0) return false;
    d->given = true;
    return true;
}

struct numbered {
    char *text;
    int   old;
};

static int by_text(const void *a, const void *b)
{
    const struct numbered *p = a, *q = b;
    return strcmp(p->text, q->text);
}

bool wg__csv_classes_sort(struct wg__csv_dictionary *d, int *map)
{
    struct numbered *x = malloc(((size_t)d->c.n + 1) * sizeof *x);
    if (!x) return false;
    for (int i = 0; i < d->c.n; i++) x[i] = (struct numbered){d->c.name[i], i};
    if (d->c.n) qsort(x, (size_t)d->c.n, sizeof *x, by_text);
    for (int i = 0; i < d->c.n; i++) {
        d->c.name[i] = x[i].text;
        map[x[i].old] = i;
    }
    free(x);
    return true;
}

void wg__csv_classes_free(wg_csv_classes *c)
{
    for (int i = 0; i < c->n; i++) free(c->name[i]);
    free(c->name);
    *c = (wg_csv_classes){0};
}

void wg__csv_dictionary_free(struct wg__csv_dictionary *d)
{
    wg__csv_classes_free(&d->c);
    free(d->slot);
}
