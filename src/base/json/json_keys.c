/* The keys of the objects that are open, so that a key used twice is found.
 *
 * Keys come and go like brackets: those of an object leave the table when the
 * object closes.  So a text of any size holds as many keys as are open at once. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/json/json_impl.h"

enum { FIRST = 32 };

struct key {
    struct wg__json_text text;
    uint32_t             hash;
    int                  depth; /* of the object */
};

static size_t bytes_for(size_t size) { return size * (sizeof(struct key) + 2 * sizeof(struct wg__slot)); }

size_t wg__json_keys_bytes(const struct wg__json_keys *k) { return bytes_for(k->size); }

void wg__json_keys_free(struct wg__json_keys *k)
{
    free(k->key);
    wg__table_free(&k->table);
    wg__budget_give(k->budget, bytes_for(k->size));
    *k = (struct wg__json_keys){.budget = k->budget};
}

void wg__json_keys_forget(struct wg__json_keys *k, int depth)
{
    for (; k->n > 0 && k->key[k->n - 1].depth >= depth; k->n--)
        wg__table_remove(&k->table, k->key[k->n - 1].hash, (uint32_t)k->n - 1);
}

/* Hashes the unescaped key, block after block.  The seed is random, so that who writes a request cannot choose keys
 * that collide in the table. */
static uint32_t hash_of(const struct wg__json_keys *k, const struct wg__json_text *s)
{
    char                block[256];
    struct wg__json_run run = {.at = s->at, .end = s->at + s->n};
    uint64_t            h = k->seed;
    size_t              n;
    if (!s->escaped && s->n <= sizeof block) return (uint32_t)(s->n ? XXH3_64bits_withSeed(s->at, s->n, h) : h);
    while ((n = wg__json_run_bytes(&run, block, sizeof block))) h = XXH3_64bits_withSeed(block, n, h);
    return (uint32_t)h;
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

static bool has(const void *owner, uint32_t i, const void *key)
{
    const struct wg__json *j = owner;
    return j->keys->key[i].depth == j->depth && same(&j->keys->key[i].text, key);
}

/* Doubles the room for keys; false if memory is short, or if a key's number would no longer fit into the table. */
static bool grow(struct wg__json_keys *k)
{
    size_t size = k->size ? 2 * k->size : FIRST, more = bytes_for(size) - bytes_for(k->size);
    if (size > UINT32_MAX / 4 || !wg__budget_take(k->budget, more)) return false;
    if (!k->size && getentropy(&k->seed, sizeof k->seed)) k->seed = (uint64_t)(uintptr_t)k;
    struct key *key = realloc(k->key, size * sizeof *key);
    if (key) k->key = key;
    if (!key || !wg__table_reserve(&k->table, size)) {
        wg__budget_give(k->budget, more);
        return false;
    }
    k->size = size;
    return true;
}

bool wg__json_keys_add(struct wg__json *j, const struct wg__json_text *key)
{
    struct wg__json_keys *k = j->keys;
    if (k->n == k->size && !grow(k)) {
        wg__json_bad(j, key->at, "memory is short for keys");
        j->status = WG__JSON_NO_MEMORY;
        return false;
    }
    uint32_t hash = hash_of(k, key);
    if (wg__table_find(&k->table, hash, has, j, key) >= 0)
        return wg__json_bad(j, key->at, "the key \"%.*s\" is there twice", (int)(key->n < 60 ? key->n : 60), key->at);
    wg__table_add(&k->table, hash, (uint32_t)k->n);
    k->key[k->n++] = (struct key){.text = *key, .hash = hash, .depth = j->depth};
    return true;
}
