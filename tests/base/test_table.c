/* The hash table against a list that is searched from end to end, and lists that grow. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/table.h"
#include "support/alloc.h"

TestSuite(base_table, .timeout = 60);

enum { MOST = 600 };
struct owner {
    int value[MOST];
    int n;
};

static bool has(const void *owner, uint32_t i, const void *key)
{
    const struct owner *o = owner;
    cr_assert_lt((int)i, o->n, "only items that are there are asked for");
    return o->value[i] == *(const int *)key;
}

/* Few distinct hashes, so that searches run into one another and over the end of the table. */
static uint32_t hash_of(int value, uint32_t kinds) { return (uint32_t)value % kinds * 0x9e3779b9u - 3; }

static void walk(uint32_t kinds, unsigned seed)
{
    struct wg__table t = {0};
    struct owner     o = {.n = 0};
    for (int step = 0; step < 4000; step++) {
        seed = seed * 1664525 + 1013904223;
        int     value = (int)(seed >> 8 & 1023), place = -1;
        bool    grows = step % 1000 < 600;
        int64_t found = wg__table_find(&t, hash_of(value, kinds), has, &o, &value);
        for (int i = 0; i < o.n; i++) place = o.value[i] == value ? i : place;
        cr_assert_eq(found, place, "step %d", step);
        if (grows && place < 0 && o.n < MOST) {
            cr_assert(wg__table_reserve(&t, (size_t)o.n + 1));
            wg__table_add(&t, hash_of(value, kinds), (uint32_t)o.n);
            o.value[o.n++] = value;
        } else if (!grows && o.n) {
            o.n--;
            wg__table_remove(&t, hash_of(o.value[o.n], kinds), (uint32_t)o.n);
        }
    }
    wg__table_free(&t);
}

Test(base_table, items_are_found_as_in_a_list)
{
    for (unsigned seed = 0; seed < 20; seed++) {
        walk(1 + seed, seed);
        walk(1024, seed);
    }
}

Test(base_table, short_memory_leaves_all_as_it_was)
{
    struct wg__table t = {0};
    struct owner     o = {.n = 1, .value = {7}};
    cr_assert(wg__table_reserve(&t, 1));
    wg__table_add(&t, 42, 0);
    alloc_fail_at(0);
    cr_expect(!wg__table_reserve(&t, 1000));
    alloc_restore();
    cr_expect(!wg__table_reserve(&t, SIZE_MAX / 8), "more than there are numbers for");
    cr_expect_eq(wg__table_find(&t, 42, has, &o, &o.value[0]), 0);
    wg__table_free(&t);
}

Test(base_list, grows_or_stays)
{
    int *list = NULL, cap = 0;
    for (int i = 0; i < 1000; i++) {
        int *p = wg__list_grow(list, &cap, i + 1, sizeof *p);
        cr_assert(p && cap > i);
        list = p;
        list[i] = i;
    }
    for (int i = 0; i < 1000; i++) cr_assert_eq(list[i], i);
    int before = cap;
    alloc_fail_at(0);
    cr_expect_null(wg__list_grow(list, &cap, before + 1, sizeof *list));
    alloc_restore();
    cr_expect_null(wg__list_grow(list, &cap, INT_MAX, sizeof *list), "no power of two is as large");
    cr_expect_null(wg__list_grow(list, &cap, before + 1, SIZE_MAX / 4));
    cr_expect(cap == before && list[999] == 999);
    free(list);
}
