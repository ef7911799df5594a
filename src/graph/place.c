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
    struct wg__bytes_of b = wg__field_bytes(type, at);
    if (type == WG_FIELD_HANDLE || type == WG_FIELD_GRAPH) return h; /* an address differs from run to run */
    if (type == WG_FIELD_SHAPE || !b.span[1].at) return mix(h, b.span[0].at, b.span[0].n); /* of a shape the rank */
    return mix(h, b.span[1].at, b.span[1].n) + (uint64_t) * (const int *)b.span[0].at;
}

uint64_t wg__place(const wg_node *x)
{
    enum { ENOUGH = 4096 }; /* bytes of a constant: what follows may be read from a file page by page */
    uint64_t h = mix_text(x->kind, wg_node_kind(x));
    for (int i = 0; i < x->n; i++) h = mix(h, &x->x[i]->place, sizeof x->place);
    if (x->kind == WG__RESULT) return h + (uint64_t)wg__result_index(x);
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
