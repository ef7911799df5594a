/* Texts of a column as classes: a table from text to number. */
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "data/csv/csv_impl.h"

static bool has(const void *owner, uint32_t i, const void *text)
{
    const struct wg__csv_dictionary *d = owner;
    return strcmp(d->c.name[i], text) == 0;
}

static int add_class(struct wg__csv_dictionary *d, const char *text, size_t n)
{
    char **p = wg__list_grow(d->c.name, &d->cap, d->c.n + 1, sizeof *p);
    if (p) d->c.name = p;
    if (!p || !wg__table_reserve(&d->by_text, (size_t)d->c.n + 1)) return WG__CSV_NO_MEMORY;
    char *copy = malloc(n + 1);
    if (!copy) return WG__CSV_NO_MEMORY;
    memcpy(copy, text, n + 1);
    wg__table_add(&d->by_text, wg__hash(text, n), (uint32_t)d->c.n);
    d->c.name[d->c.n] = copy;
    return d->c.n++;
}

int wg__csv_class(struct wg__csv_dictionary *d, const char *text, size_t n)
{
    int64_t there = wg__table_find(&d->by_text, wg__hash(text, n), has, d, text);
    if (there >= 0) return (int)there;
    return d->given ? WG__CSV_NO_CLASS : add_class(d, text, n);
}

bool wg__csv_classes_like(struct wg__csv_dictionary *d, const wg_csv_classes *c)
{
    for (int i = 0; i < c->n; i++)
        if (add_class(d, c->name[i], strlen(c->name[i])) < 0) return false;
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
    wg__table_free(&d->by_text);
}
