/* The place of a node in its expression, as a number: made of operators, attributes, names and shapes alone, so that
 * it does not depend on the order in which a program builds its nodes.  Equal expressions have equal places. */
#include <string.h>
#include <xxhash.h>

#include "graph/graph_impl.h"

static uint64_t mix(uint64_t h, const void *p, size_t n) { return XXH3_64bits_withSeed(p, n, h); }
static uint64_t mix_text(uint64_t h, const char *s) { return mix(h, s, strlen(s)); }

/* A symbolic size by the letters of its name in any order: symbols have numbers, and sums an order of their terms, that
 * follow the calls of wg_dim. */
static uint64_t letters(const wg_graph *g, int64_t d)
{
    char     name[160];
    uint64_t sum = 0;
    for (const char *c = wg_dim_name(g, d, name, sizeof name); *c; c++) sum += mix(0, c, 1);
    return sum;
}

static uint64_t mix_shape(uint64_t h, const wg_graph *g, const wg_shape *s)
{
    for (int i = 0; i < s->rank; i++) {
        uint64_t size = s->dim[i] >= 0 ? (uint64_t)s->dim[i] : letters(g, s->dim[i]);
        h = mix(h, &size, sizeof size);
    }
    return mix(h, &s->rank, sizeof s->rank);
}

static uint64_t mix_field(uint64_t h, const wg_graph *g, wg_field_type type, const void *at)
{
    const wg_axes *a = at;
    const wg_list *l = at;
    switch (type) {
    case WG_FIELD_FLAG:
    case WG_FIELD_INT: return mix(h, at, sizeof(int));
    case WG_FIELD_DTYPE: return mix(h, at, sizeof(wg_dtype));
    case WG_FIELD_I64:
    case WG_FIELD_U64:
    case WG_FIELD_STREAM: return mix(h, at, sizeof(int64_t));
    case WG_FIELD_REAL: return mix(h, at, sizeof(double));
    case WG_FIELD_SHAPE: return mix_shape(h, g, at);
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
            h = mix_field(h, x->g, f->type, (const char *)x->attr + f->offset);
    if (x->kind == WG__CONST) {
        size_t bytes = wg__bytes((wg_dtype)x->dtype, x->shape);
        h = mix(h, x->data, bytes < ENOUGH ? bytes : ENOUGH);
    }
    if (x->kind == WG__INPUT || x->kind == WG__PARAM || x->kind == WG__CONST)
        h = mix_text(mix_shape(h + x->dtype, x->g, x->shape), wg_node_name(x));
    return h;
}
