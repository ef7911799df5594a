/* table.h - a hash table that finds the items of a list which its owner keeps, by keys that only the owner knows. */
#ifndef WENGERT_BASE_TABLE_H
#define WENGERT_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero at the start; released by wg__table_free. */
struct wg__table {
    struct wg__slot {
        uint32_t item; /* its number plus 1; 0: free */
        uint32_t hash;
    } * slot;    /* [size] open addressing */
    size_t size; /* a power of two, at least twice the number of items */
};

/* Computes the hash (XXH3) of n bytes or of a text; a table takes 32 bits of the hash. */
uint64_t wg__hash64(const void *bytes, size_t n);
uint32_t wg__hash(const void *bytes, size_t n);
uint32_t wg__hash_text(const char *text);

/* Tells whether the owner's item of that number has the key. */
typedef bool wg__table_has(const void *owner, uint32_t item, const void *key);

/* Finds the number of the item with the key, whose hash is given; -1 if there is none. */
int64_t wg__table_find(const struct wg__table *t, uint32_t hash, wg__table_has *has, const void *owner,
                       const void *key);
/* Makes room for n items in all; false if memory is short, and the table stays as it was. */
bool wg__table_reserve(struct wg__table *t, size_t n);
/* Enters an item whose key is not there.  Room for it has been made. */
void wg__table_add(struct wg__table *t, uint32_t hash, uint32_t item);
/* Takes out an item that was entered under that hash. */
void wg__table_remove(struct wg__table *t, uint32_t hash, uint32_t item);
void wg__table_free(struct wg__table *t);

#endif
