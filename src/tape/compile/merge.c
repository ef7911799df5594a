/* Merging: two nodes become one only when they are equal.
 *
 * XXH3 over operator, operands and every attribute finds the candidate, a full comparison decides. Inputs, parameters
 * and random nodes never come here. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "tape/tape_impl.h"

static uint64_t mix(uint64_t h, const void *p, size_t n) { return XXH3_64bits_withSeed(p, n, h); }

uint64_t wg__merge_hash(const wg_op *op, int n, wg_node *const x[], const void *attr)
{
    uint64_t h = mix((uint64_t)n, &op, sizeof op);
    for (int i = 0; i < n; i++) h = mix(h, &x[i]->id, sizeof x[i]->id);
    for (const wg_field *f = op->fields; f && f->name && attr; f++) {
        struct wg__bytes_of b = wg__field_bytes(f->type, (const char *)attr + f->offset);
        h = mix(mix(h, b.span[0].at, b.span[0].n), b.span[1].at, b.span[1].n);
    }
    return h;
}

uint64_t wg__merge_hash_const(wg_dtype dtype, const wg_shape *s, const void *data)
{
    uint64_t h = mix((uint64_t)dtype, s->dim, (size_t)s->rank * sizeof *s->dim);
    return mix(h, data, wg__bytes(dtype, s));
}

static bool is_equal(const wg_node *y, const wg_op *op, int n, wg_node *const x[], const void *attr)
{
    if (y->op != op || y->n != n) return false;
    for (int i = 0; i < n; i++)
        if (y->x[i] != x[i]) return false;
    return wg__attr_equal(op, y->attr, attr);
}

wg_node *wg__merge_find(wg_tape *t, uint64_t hash, const wg_op *op, int n, wg_node *const x[], const void *attr)
{
    const struct wg__merge *m = &t->merge;
    for (size_t i = m->cap ? hash & (m->cap - 1) : 0; m->cap && m->slot[i].node; i = (i + 1) & (m->cap - 1)) {
        wg_node *y = m->slot[i].node;
        if (m->slot[i].hash == hash && y->kind == WG__OP && is_equal(y, op, n, x, attr)) return y;
    }
    return NULL;
}

wg_node *wg__merge_find_const(wg_tape *t, uint64_t hash, wg_dtype dtype, const wg_shape *s, const void *data)
{
    const struct wg__merge *m = &t->merge;
    for (size_t i = m->cap ? hash & (m->cap - 1) : 0; m->cap && m->slot[i].node; i = (i + 1) & (m->cap - 1)) {
        wg_node *y = m->slot[i].node;
        if (m->slot[i].hash == hash && y->kind == WG__CONST && y->dtype == dtype && wg__shape_equal(y->shape, s) &&
            memcmp(y->data, data, wg__bytes(dtype, s)) == 0)
            return y;
    }
    return NULL;
}

static void insert(struct wg__merge *m, uint64_t hash, wg_node *x)
{
    size_t i = hash & (m->cap - 1);
    while (m->slot[i].node) i = (i + 1) & (m->cap - 1);
    m->slot[i] = (struct wg__merge_slot){hash, x};
    m->used++;
    WG__INVARIANT(2 * m->used <= m->cap); /* so every search ends at a free slot */
}

static bool grow_table(struct wg__merge *m)
{
    struct wg__merge wide = {.cap = m->cap ? 2 * m->cap : 256};
    wide.slot = calloc(wide.cap, sizeof *wide.slot);
    if (!wide.slot) return false;
    for (size_t i = 0; i < m->cap; i++)
        if (m->slot[i].node) insert(&wide, m->slot[i].hash, m->slot[i].node);
    free(m->slot);
    *m = wide;
    return true;
}

int wg__merge_add(wg_tape *t, uint64_t hash, wg_node *x)
{
    if (2 * (t->merge.used + 1) > t->merge.cap && !grow_table(&t->merge)) return wg__fail_nomem(t->g);
    insert(&t->merge, hash, x);
    return WG_OK;
}
