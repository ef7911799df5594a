/* Values that no node of the file computes, and the types of all. */
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "onnx/export/export.h"
#include "onnx/proto/proto.h"

/* ---- ValueInfoProto: name and type ---- */

static void put_dim(struct wg__export *e, struct wg__text *p, int64_t d)
{
    size_t dim = wg__pb_open(p, 1);
    if (d >= 0) wg__pb_int(p, 1, d);
    else wg__pb_text(p, 2, wg__name_dim(e, d));
    wg__pb_close(p, dim);
}

void wg__put_value_info(struct wg__export *e, struct wg__text *to, uint32_t field, const char *name, const wg_node *x)
{
    size_t value = wg__pb_open(to, field);
    wg__pb_text(to, 1, name);
    size_t type = wg__pb_open(to, 2), tensor = wg__pb_open(to, 1);
    wg__pb_int(to, 1, wg__onnx_dtype_out((wg_dtype)x->dtype));
    size_t shape = wg__pb_open(to, 2);
    for (int i = 0; i < x->shape->rank; i++) put_dim(e, to, x->shape->dim[i]);
    wg__pb_close(to, shape);
    wg__pb_close(to, tensor);
    wg__pb_close(to, type);
    wg__pb_close(to, value);
}

/* ---- Initialisers ---- */

static void add_init(struct wg__export *e, struct wg__init init)
{
    struct wg__init *i = wg__list_grow(e->init, &e->cap_init, e->n_init + 1, sizeof *i);
    if (!i) {
        wg__export_short(e);
        return;
    }
    e->init = i;
    i[e->n_init++] = init;
}

enum { SMALL = 64 }; /* bytes up to which equal constants are found */

/* Writes dtype, shape and bytes as a text to find equal constants by. False for a constant that is too
 * large. */
static bool write_key(wg_dtype t, const wg_shape *s, const void *data, char *key, size_t n)
{
    size_t bytes = wg__bytes(t, s), k = 0;
    if (bytes > SMALL) return false;
    wg__append(key, n, &k, "%d", (int)t);
    for (int i = 0; i < s->rank; i++) wg__append(key, n, &k, ",%lld", (long long)s->dim[i]);
    wg__append(key, n, &k, "=");
    for (size_t i = 0; i < bytes; i++) wg__append(key, n, &k, "%02x", ((const uint8_t *)data)[i]);
    return k < n;
}

struct wg__val wg__constant(struct wg__export *e, wg_dtype t, const wg_shape *s, const void *data)
{
    char        key[2 * SMALL + 200];
    bool        small = write_key(t, s, data, key, sizeof key);
    const char *name = small ? wg__names_find(&e->constants, key) : NULL;
    if (name) return (struct wg__val){name, t};
    size_t bytes = wg__bytes(t, s);
    void  *copy = wg__arena_alloc(&e->arena, bytes + 1);
    name = wg__name_numbered(e, "const");
    if (!copy) return wg__export_short(e), (struct wg__val){name, t};
    if (bytes) memcpy(copy, data, bytes);
    if (small) wg__names_set(e, &e->constants, key, name);
    add_init(e, (struct wg__init){.name = name, .t = t, .shape = *s, .data = copy, .own = true});
    return (struct wg__val){name, t};
}

struct wg__val wg__constant_ints(struct wg__export *e, int n, const int64_t *v)
{
    return wg__constant(e, WG_I64, &(wg_shape){.rank = 1, .dim = {n}}, v);
}

/* Tells whether an initialiser is stored transposed: only if every use wants it so. */
static bool is_turned(const struct wg__exported *x) { return x->turned && x->turned == x->inputs; }

void wg__export_leaf(struct wg__export *e, wg_node *x)
{
    struct wg__exported *of = &e->of[x->id]; /* with the name that the graph gives it */
    struct wg__init      init = {.t = (wg_dtype)x->dtype, .shape = *x->shape, .data = x->data};
    char                 key[2 * SMALL + 200];
    bool shared = !of->name && !is_turned(of) && write_key(init.t, &init.shape, init.data, key, sizeof key);
    if (shared && (of->name = wg__names_find(&e->constants, key))) return;
    init.name = of->name = of->name ? of->name : wg__name_numbered(e, "const");
    if ((init.own = shared)) wg__names_set(e, &e->constants, key, init.name);
    if (is_turned(of)) {
        init.turned = true;
        init.shape = wg_shape_make(2, (int64_t[]){x->shape->dim[1], x->shape->dim[0]});
    }
    add_init(e, init);
}
