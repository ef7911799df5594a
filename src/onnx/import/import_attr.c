/* Attributes of the node at hand. */
#include <string.h>

#include "onnx/import/import_impl.h"

enum { FLOAT = 1, INT = 2, STRING = 3, INTS = 7 }; /* AttributeProto.AttributeType */

const struct wg__onnx_attr *wg__attr_find(const struct wg__in *c, const char *name)
{
    for (int i = 0; i < c->node->n_attr; i++)
        if (strcmp(c->node->attr[i].name, name) == 0) return &c->node->attr[i];
    return NULL;
}

/* Finds an attribute of the type; attributes of old files have none, which is accepted. NULL if the
 * attribute is not there, or with a complaint if it has another type. */
static const struct wg__onnx_attr *find_typed(const struct wg__in *c, const char *name, int type, const char *text)
{
    const struct wg__onnx_attr *a = wg__attr_find(c, name);
    if (!a || a->type == type || a->type == 0) return a;
    wg__complain_node(c->import, WG_EFORMAT, "attribute '%s' is no %s", name, text);
    return NULL;
}

bool wg__attr_has(const struct wg__in *c, const char *name) { return wg__attr_find(c, name) != NULL; }

int64_t wg__attr_int(const struct wg__in *c, const char *name, int64_t otherwise)
{
    const struct wg__onnx_attr *a = find_typed(c, name, INT, "integer");
    return a ? a->i : otherwise;
}

double wg__attr_real(const struct wg__in *c, const char *name, double otherwise)
{
    const struct wg__onnx_attr *a = find_typed(c, name, FLOAT, "number");
    return a ? (double)a->f : otherwise;
}

const char *wg__attr_text(const struct wg__in *c, const char *name, const char *otherwise)
{
    const struct wg__onnx_attr *a = find_typed(c, name, STRING, "text");
    return a && a->text ? a->text : otherwise;
}

bool wg__attr_ints(const struct wg__in *c, const char *name, struct wg__ints *to)
{
    const struct wg__onnx_attr *a = find_typed(c, name, INTS, "list of integers");
    if (!a) return false;
    if (a->n_ints > WG__MAX_INTS) {
        wg__complain_node(c->import, WG_EARG, "attribute '%s' has %d integers, over %d", name, a->n_ints, WG__MAX_INTS);
        return false;
    }
    *to = (struct wg__ints){.n = a->n_ints, .raw = true};
    if (to->n) memcpy(to->at, a->ints, (size_t)to->n * sizeof *to->at);
    return true;
}

wg_dtype wg__attr_dtype(struct wg__in *c, const char *name, wg_dtype otherwise)
{
    int64_t  code = wg__attr_int(c, name, 0);
    wg_dtype t = wg__attr_has(c, name) ? wg__onnx_dtype_in(code) : otherwise;
    if (t == WG_DTYPES) wg__unsupported(c, "%s tensors", wg__onnx_dtype_name(code));
    return t;
}
