/* Merging: two nodes become one only when they are equal.
 *
 * XXH3 over operator, operands and every attribute finds the candidate, a full comparison decides. Inputs, parameters
 * and random nodes never come here. */
#include <string.h>
#include <xxhash.h>

#include "base/list.h"
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

struct key {
    const wg_op    *op; /* NULL: of a constant */
    int             n;
    wg_node *const *x;
    const void     *attr;
    wg_dtype        dtype;
    const wg_shape *shape;
    const void     *data;
};

static bool is_same_constant(const wg_node *y, const struct key *k)
{
    return y->kind == WG__CONST && y->dtype == k->dtype && wg__shape_equal(y->shape, k->shape) &&
           memcmp(y->data, k->data, wg__bytes(k->dtype, k->shape)) == 0;
}

static bool is_same_call(const wg_node *y, const struct key *k)
{
    if (y->kind != WG__OP || y->op != k->op || y->n != k->n) return false;
    for (int i = 0; i < k->n; i++)
        if (y->x[i] != k->x[i]) return false;
    return wg__attr_equal(k->op, y->attr, k->attr);
}

static bool has_key(const void *merge, uint32_t item, const void *key)
{
    const struct key *k = key;
    const wg_node    *y = ((const struct wg__merge *)merge)->node[item];
    return k->op ? is_same_call(y, k) : is_same_constant(y, k);
}

static wg_node *find(const struct wg__merge *m, uint64_t hash, const struct key *k)
{
    int64_t item = wg__table_find(&m->table, (uint32_t)hash, has_key, m, k);
    return item < 0 ? NULL : m->node[item];
}

wg_node *wg__merge_find(wg_tape *t, uint64_t hash, const wg_op *op, int n, wg_node *const x[], const void *attr)
{
    return find(&t->merge, hash, &(struct key){.op = op, .n = n, .x = x, .attr = attr});
}

wg_node *wg__merge_find_const(wg_tape *t, uint64_t hash, wg_dtype dtype, const wg_shape *s, const void *data)
{
    return find(&t->merge, hash, &(struct key){.dtype = dtype, .shape = s, .data = data});
}

int wg__merge_add(wg_tape *t, uint64_t hash, wg_node *x)
{
    struct wg__merge *m = &t->merge;
    wg_node         **grown = wg__list_grow(m->node, &m->cap, m->n + 1, sizeof *m->node);
    if (grown) m->node = grown;
    if (!grown || !wg__table_reserve(&m->table, (size_t)m->n + 1)) return wg__fail_nomem(t->g);
    m->node[m->n] = x;
    wg__table_add(&m->table, (uint32_t)hash, (uint32_t)m->n++);
    return WG_OK;
}
