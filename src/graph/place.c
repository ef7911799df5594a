/* The place of a node in its expression, as a number: made of operators, attributes and names alone, so that it does
 * not depend on the order in which a program builds its nodes.  Equal expressions have equal places.  Sizes take no
 * part: a net draws alike for a symbolic batch and for one of known size.  Places are computed when a random node asks
 * for its own: of all nodes up to it, so that each node is computed once. */
#include <string.h>
#include <xxhash.h>

#include "base/list.h"
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

/* Computes the place of x from the places of all nodes before it. */
static uint64_t compute_place(const wg_node *x, const uint64_t place[])
{
    enum { ENOUGH = 4096 }; /* bytes of a constant: what follows may be read from a file page by page */
    uint64_t h = mix_text(x->kind, wg_node_kind(x));
    for (int i = 0; i < x->n; i++) h = mix(h, &place[x->x[i]->id], sizeof *place);
    if (x->kind == WG__RESULT) return h + (uint64_t)wg__result_index(x);
    if (x->kind == WG__OP)
        for (const wg_field *f = x->op->fields; f && f->name && x->attr; f++)
            h = mix_field(h, f->type, (const char *)x->attr + f->offset);
    if (x->kind == WG__CONST) {
        size_t bytes = wg__bytes((wg_dtype)x->dtype, x->shape);
        h = mix(h, x->data, bytes < ENOUGH ? bytes : ENOUGH);
    }
    if (x->kind == WG__INPUT || x->kind == WG__PARAM || x->kind == WG__CONST)
        h = mix_text(mix(h + x->dtype, &x->shape->rank, sizeof x->shape->rank),
                     x->kind == WG__CONST ? "" : wg_node_name(x)); /* a constant is named after it was made */
    return h;
}

bool wg__place(const wg_node *x, uint64_t *place)
{
    wg_graph *g = x->g;
    uint64_t *more = wg__list_grow(g->place, &g->cap_place, x->id + 1, sizeof *more);
    if (!more) return wg__fail_nomem(g), false;
    g->place = more;
    for (; g->placed <= x->id; g->placed++) g->place[g->placed] = compute_place(g->node[g->placed], g->place);
    *place = g->place[x->id];
    return true;
}

bool wg__place_like(const wg_node *x, const wg_node *like)
{
    uint64_t place;
    if (!wg__place(x, &place) || !wg__place(like, &place)) return false;
    x->g->place[x->id] = place;
    return true;
}

static const wg_field *find_stream(const wg_node *x)
{
    const wg_field *f = x->kind == WG__OP && x->attr ? x->op->fields : NULL;
    while (f && f->name && f->type != WG_FIELD_STREAM) f++;
    return f && f->name ? f : NULL;
}

bool wg__place_random(wg_node *x)
{
    const wg_field *f = find_stream(x);
    uint64_t        place;
    if (!f) return true;
    if (!wg__place(x, &place)) return false;
    memcpy((char *)x->attr + f->offset, &place, sizeof place);
    return true;
}

bool wg__place_named(wg_node *x, const char *name)
{
    const wg_field *f = find_stream(x);
    bool            leaf = x->kind == WG__INPUT || x->kind == WG__PARAM;
    uint64_t        place;
    if (!f && !leaf) return true;
    if (!wg__place(x, &place)) return false;
    if (!f) return true; /* computed by the old name: its place is that of the name that it was made with */
    place = mix_text(place, name);
    x->g->place[x->id] = place;
    memcpy((char *)x->attr + f->offset, &place, sizeof place);
    return true;
}
