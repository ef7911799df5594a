/* Names: each value of a file has one of its own. */
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "onnx/export/export.h"

void wg__export_short(struct wg__export *e) { e->short_of_memory = true; }

/* ---- A table of texts ---- */

static bool has(const void *owner, uint32_t i, const void *text)
{
    const struct wg__names *t = owner;
    return strcmp(t->name[i].text, text) == 0;
}

static struct wg__name *find(const struct wg__names *t, uint32_t hash, const char *text)
{
    int64_t i = wg__table_find(&t->by_text, hash, has, t, text);
    return i < 0 ? NULL : &t->name[i];
}

static char *copy(struct wg__export *e, const char *text)
{
    char *p = wg__arena_alloc(&e->arena, strlen(text) + 1);
    if (!p) return wg__export_short(e), NULL;
    return strcpy(p, text);
}

/* Finds the entry of a text, or makes one; NULL if memory is short.  The pointer is good until the next entry is
 * made. */
static struct wg__name *entry(struct wg__export *e, struct wg__names *t, const char *text)
{
    uint32_t         hash = wg__hash_text(text);
    struct wg__name *s = find(t, hash, text);
    if (s) return s;
    s = wg__list_grow(t->name, &t->cap, t->n + 1, sizeof *s);
    if (s) t->name = s;
    if (!s || !wg__table_reserve(&t->by_text, (size_t)t->n + 1)) return wg__export_short(e), NULL;
    const char *kept = copy(e, text);
    if (!kept) return NULL;
    wg__table_add(&t->by_text, hash, (uint32_t)t->n);
    t->name[t->n] = (struct wg__name){.text = kept};
    return &t->name[t->n++];
}

const char *wg__names_find(const struct wg__names *t, const char *key)
{
    const struct wg__name *s = find(t, wg__hash_text(key), key);
    return s ? s->is : NULL;
}

void wg__names_free(struct wg__names *t)
{
    free(t->name);
    wg__table_free(&t->by_text);
}

void wg__names_set(struct wg__export *e, struct wg__names *t, const char *key, const char *is)
{
    struct wg__name *s = entry(e, t, key);
    if (s) s->is = is;
}

/* ---- Names that are given once ---- */

static const char *take_name(struct wg__export *e, struct wg__names *t, const char *name)
{
    struct wg__name *s = entry(e, t, name);
    if (!s || s->is) return NULL;
    return s->is = s->text;
}

/* Makes the name base_k for the first k above `least` and above the last k that this base got. */
static const char *number_name(struct wg__export *e, struct wg__names *t, const char *base, int least)
{
    struct wg__name *s = entry(e, t, base);
    size_t           size = strlen(base) + 16;
    char            *text = s ? wg__arena_alloc(&e->arena, size) : NULL;
    int              k = s && s->count > least ? s->count : least;
    const char      *name = NULL;
    if (!text) return wg__export_short(e), "";
    while (!name && !e->short_of_memory) {
        snprintf(text, size, "%s_%d", base, ++k);
        name = take_name(e, t, text);
    }
    if ((s = entry(e, t, base))) s->count = k;
    return name ? name : "";
}

/* Makes a name of `wanted` that no value has. Bytes that are no UTF-8 become "_". */
static const char *make_unique(struct wg__export *e, struct wg__names *t, const char *wanted)
{
    char *text = copy(e, wanted);
    if (!text) return "";
    char *end = text + strlen(text);
    for (char *p = text; p < end;) {
        size_t n = wg__utf8((const unsigned char *)p, (size_t)(end - p));
        if (!n) *p = '_';
        p += n ? n : 1;
    }
    const char *name = take_name(e, t, text);
    return name ? name : number_name(e, t, text, 1);
}

const char *wg__name_numbered(struct wg__export *e, const char *kind) { return number_name(e, &e->names, kind, 0); }

const char *wg__name(struct wg__export *e, const char *wanted) { return make_unique(e, &e->names, wanted); }

const char *wg__name_dim(struct wg__export *e, int64_t d)
{
    char text[1024], key[24];
    snprintf(key, sizeof key, "%lld", (long long)d);
    const char *name = wg__names_find(&e->symbols, key);
    if (name) return name;
    name = make_unique(e, &e->symbol_names, wg_dim_name(e->g, d, text, sizeof text));
    wg__names_set(e, &e->symbols, key, name);
    return name;
}
