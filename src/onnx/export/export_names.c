/* Names: each value of a file has one of its own. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "onnx/export/export.h"

void wg__export_short(struct wg__export *e) { e->short_of_memory = true; }

/* ---- A table of texts ---- */

static struct wg__name *slot(const struct wg__names *t, const char *text)
{
    if (!t->size) return NULL;
    size_t i = XXH3_64bits(text, strlen(text)) & (t->size - 1);
    while (t->slot[i].text && strcmp(t->slot[i].text, text) != 0) i = (i + 1) & (t->size - 1);
    return &t->slot[i];
}

static bool grow(struct wg__names *t)
{
    struct wg__names wider = {.n = t->n, .size = t->size ? 2 * t->size : 64};
    if (2 * (t->n + 1) <= t->size) return true;
    if (!(wider.slot = calloc(wider.size, sizeof *wider.slot))) return false;
    for (size_t i = 0; i < t->size; i++)
        if (t->slot[i].text) *slot(&wider, t->slot[i].text) = t->slot[i];
    free(t->slot);
    *t = wider;
    return true;
}

static char *copy(struct wg__export *e, const char *text)
{
    char *p = wg__arena_alloc(&e->arena, strlen(text) + 1);
    if (!p) return wg__export_short(e), NULL;
    return strcpy(p, text);
}

/* The entry of a text, made if it is new; NULL if memory is short. */
static struct wg__name *entry(struct wg__export *e, struct wg__names *t, const char *text)
{
    if (!grow(t)) return wg__export_short(e), NULL;
    struct wg__name *s = slot(t, text);
    if (s->text) return s;
    const char *kept = copy(e, text);
    if (!kept) return NULL;
    t->n++;
    *s = (struct wg__name){.text = kept};
    return s;
}

const char *wg__names_find(const struct wg__names *t, const char *key)
{
    const struct wg__name *s = slot(t, key);
    return s && s->text ? s->is : NULL;
}

void wg__names_set(struct wg__export *e, struct wg__names *t, const char *key, const char *is)
{
    struct wg__name *s = entry(e, t, key);
    if (s) s->is = is;
}

/* ---- Names that are given once ---- */

static const char *taken(struct wg__export *e, struct wg__names *t, const char *name)
{
    struct wg__name *s = entry(e, t, name);
    if (!s || s->is) return NULL;
    return s->is = s->text;
}

/* base_k for the first k above the last that was given out, and above `least`. */
static const char *numbered(struct wg__export *e, struct wg__names *t, const char *base, int least)
{
    struct wg__name *s = entry(e, t, base);
    size_t           size = strlen(base) + 16;
    char            *text = s ? wg__arena_alloc(&e->arena, size) : NULL;
    int              k = s && s->count > least ? s->count : least;
    const char      *name = NULL;
    if (!text) return wg__export_short(e), "";
    while (!name && !e->short_of_memory) {
        snprintf(text, size, "%s_%d", base, ++k);
        name = taken(e, t, text);
    }
    if ((s = entry(e, t, base))) s->count = k;
    return name ? name : "";
}

/* What is no UTF-8 becomes "_". */
static const char *once(struct wg__export *e, struct wg__names *t, const char *wanted)
{
    char *text = copy(e, wanted);
    if (!text) return "";
    char *end = text + strlen(text);
    for (char *p = text; p < end;) {
        size_t n = wg__utf8((const unsigned char *)p, (size_t)(end - p));
        if (!n) *p = '_';
        p += n ? n : 1;
    }
    const char *name = taken(e, t, text);
    return name ? name : numbered(e, t, text, 1);
}

const char *wg__name_numbered(struct wg__export *e, const char *kind) { return numbered(e, &e->names, kind, 0); }

const char *wg__name(struct wg__export *e, const char *wanted) { return once(e, &e->names, wanted); }

const char *wg__name_dim(struct wg__export *e, int64_t d)
{
    char text[1024], key[24];
    snprintf(key, sizeof key, "%lld", (long long)d);
    const char *name = wg__names_find(&e->symbols, key);
    if (name) return name;
    name = once(e, &e->symbol_names, wg_dim_name(e->g, d, text, sizeof text));
    wg__names_set(e, &e->symbols, key, name);
    return name;
}
