/* The keys of the objects that are open, so that a key used twice is found.
 *
 * Keys come and go like brackets: those of an object leave the table when the
 * object closes, in reverse.  So open addressing needs no marks for what was
 * taken out, and a text of any size holds as many keys as are open at once. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "serve/json/json_impl.h"

enum { FIRST = 32 };

struct key {
    struct wg__json_text text;
    uint64_t             hash;
    uint32_t             slot;
    int                  depth; /* of the object */
};

static size_t bytes_for(size_t size) { return size * (sizeof(struct key) + 2 * sizeof(uint32_t)); }

size_t wg__json_keys_bytes(const struct wg__json_keys *k) { return bytes_for(k->size); }

void wg__json_keys_free(struct wg__json_keys *k)
{
    free(k->key);
    free(k->slot);
    wg__budget_give(k->budget, bytes_for(k->size));
    *k = (struct wg__json_keys){.budget = k->budget};
}

void wg__json_keys_forget(struct wg__json_keys *k, int depth)
{
    while (k->n > 0 && k->key[k->n - 1].depth >= depth) k->slot[k->key[--k->n].slot] = 0;
}

/* The hash of the unescaped key, block after block.  Its seed is random: who
 * writes a request cannot choose keys that meet in the table. */
static uint64_t hash_of(const struct wg__json_keys *k, const struct wg__json_text *s)
{
    char                block[256];
    struct wg__json_run run = {.at = s->at, .end = s->at + s->n};
    uint64_t            h = k->seed;
    size_t              n;
    if (!s->escaped && s->n <= sizeof block) return s->n ? XXH3_64bits_withSeed(s->at, s->n, h) : h;
    while ((n = wg__json_run_bytes(&run, block, sizeof block))) h = XXH3_64bits_withSeed(block, n, h);
    return h;
}

static bool same(const struct wg__json_text *a, const struct wg__json_text *b)
{
    char                x[256], y[256];
    struct wg__json_run p = {.at = a->at, .end = a->at + a->n}, q = {.at = b->at, .end = b->at + b->n};
    size_t              n, m;
    do {
        n = wg__json_run_bytes(&p, x, sizeof x);
        m = wg__json_run_bytes(&q, y, sizeof y);
        if (n != m || memcmp(x, y, n) != 0) return false;
    } while (n);
    return true;
}

/* Puts key i where the search for it ends. */
static void place(struct wg__json_keys *k, size_t i)
{
    uint32_t mask = (uint32_t)(2 * k->size - 1), at = (uint32_t)k->key[i].hash & mask;
    while (k->slot[at]) at = (at + 1) & mask;
    k->slot[at] = (uint32_t)i + 1;
    k->key[i].slot = at;
}

/* Twice the room, where the number of a slot still fits into it. */
static bool grow(struct wg__json_keys *k)
{
    size_t size = k->size ? 2 * k->size : FIRST, more = bytes_for(size) - bytes_for(k->size);
    if (size > UINT32_MAX / 4 || !wg__budget_take(k->budget, more)) return false;
    if (!k->size && getentropy(&k->seed, sizeof k->seed)) k->seed = (uint64_t)(uintptr_t)k;
    struct key *key = realloc(k->key, size * sizeof *key);
    if (key) k->key = key;
    uint32_t *slot = key ? calloc(2 * size, sizeof *slot) : NULL;
    if (!slot) {
        wg__budget_give(k->budget, more);
        return false;
    }
    free(k->slot);
    k->slot = slot;
    k->size = size;
    for (size_t i = 0; i < k->n; i++) place(k, i);
    return true;
}

bool wg__json_keys_add(struct wg__json *j, const struct wg__json_text *key)
{
    struct wg__json_keys *k = j->keys;
    if (k->n == k->size && !grow(k)) {
        wg__json_bad(j, key->at, "memory is short for keys");
        j->status = WG_ENOMEM;
        return false;
    }
    uint64_t hash = hash_of(k, key);
    uint32_t mask = (uint32_t)(2 * k->size - 1);
    for (uint32_t at = (uint32_t)hash & mask; k->slot[at]; at = (at + 1) & mask) {
        const struct key *seen = &k->key[k->slot[at] - 1];
        if (seen->hash == hash && seen->depth == j->depth && same(&seen->text, key))
            return wg__json_bad(j, key->at, "the key \"%.*s\" is there twice", (int)(key->n < 60 ? key->n : 60),
                                key->at);
    }
    k->key[k->n] = (struct key){.text = *key, .hash = hash, .depth = j->depth};
    place(k, k->n++);
    return true;
}
