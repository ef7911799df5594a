/* The place of a node in its expression, as a number: made of operators, attributes and names alone, so that it does
 * not depend on the order in which a program builds its nodes.  Equal expressions have equal places.  Sizes take no
 * part: a net draws alike for a symbolic batch and for one of known size. */
#include <string.h>
#include <xxhash.h>

#include "graph/graph_impl.h"

static uint64_t mix(uint64_t h, const void *p, size_t n) { return XXH3_64bits_withSeed(p, n, h); }
static uint64_t mix_text(uint64_t h, const char *s) { return mix(h, s, strlen(s)); }

static uint64_t mix_field(uint64_t h, wg_field_type type, const void *at)
{
    const wg_axes  *a = at;
    const wg_list  *l = at;
    const wg_shape *s = at;
    switch (type) {
    case WG_FIELD_FLAG:
    case WG_FIELD_INT: return mix(h, at, sizeof(int));
    case WG_FIELD_DTYPE: return mix(h, at, sizeof(wg_dtype));
    case WG_FIELD_I64:
    case WG_FIELD_U64:
    case WG_FIELD_STREAM: return mix(h, at, sizeof(int64_t));
    case WG_FIELD_REAL: return mix(h, at, sizeof(double));
    case WG_FIELD_SHAPE: return mix(h, &s->rank, sizeof s->rank);
    case WG_FIELD_AXES: return mix(h, a->axis, a->n > 0 ? (size_t)a->n * sizeof *a->axis : 0) + (uint64_t)a->n;
    case WG_FIELD_LIST: return mix(h, l->at, l->n > 0 ? (size_t)l->n * sizeof *l->at : 0) + (uint64_t)l->n;
    }
    return h;
}

uint64_t wg__place(const wg_node *x)
{
    enum { ENOUGH = 4096 }; /* bytes of a constant: what follows may be read from a file page by page */
    uint64_t h = mix_text(x->kind, wg_node_kind(x));
    for (int i = 0; i < x->n; i++) h = mix(h, &x->x[i]->place, sizeof x->place);
    if (x->kind == WG__OP)
        for (const wg_field *f = x->op->fields; f && f->name && x->attr; f++)
            h = mix_field(h, f->type, (const char *)x->attr + f->offset);
    if (x->kind == WG__CONST) {
        size_t bytes = wg__bytes((wg_dtype)x->dtype, x->shape);
        h = mix(h, x->data, bytes < ENOUGH ? bytes : ENOUGH);
    }
    if (x->kind == WG__INPUT || x->kind == WG__PARAM || x->kind == WG__CONST)
        h = mix_text(mix(h + x->dtype, &x->shape->rank, sizeof x->shape->rank), wg_node_name(x));
    return h;
}

void wg__place_named(wg_node *x, const char *name)
{
    for (const wg_field *f = x->kind == WG__OP ? x->op->fields : NULL; f && f->name && x->attr; f++) {
        if (f->type != WG_FIELD_STREAM) continue;
        x->place = mix_text(x->place, name);
        memcpy((char *)x->attr + f->offset, &x->place, sizeof x->place);
    }
}
