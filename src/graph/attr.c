/* Attributes, as their field table tells: printed and compared. */
#include <string.h>

#include "graph/graph_impl.h"

static void print_field(const wg_graph *g, const wg_field *f, const void *at, char *buf, size_t n, size_t *k)
{
    char shape[96];
    bool flag = f->type == WG_FIELD_FLAG;
    if (f->type == WG_FIELD_STREAM) return; /* a hash, which tells a reader nothing */
    if (flag && !*(const int *)at) return;
    wg__append(buf, n, k, "%s%s%s", *k ? ", " : "", f->name, flag ? "" : "=");
    switch (f->type) {
    case WG_FIELD_STREAM:
    case WG_FIELD_FLAG: break;
    case WG_FIELD_INT: wg__append(buf, n, k, "%d", *(const int *)at); break;
    case WG_FIELD_I64: wg__append(buf, n, k, "%lld", (long long)*(const int64_t *)at); break;
    case WG_FIELD_U64: wg__append(buf, n, k, "%llu", (unsigned long long)*(const uint64_t *)at); break;
    case WG_FIELD_REAL: wg__append(buf, n, k, "%.9g", *(const double *)at); break;
    case WG_FIELD_DTYPE: wg__append(buf, n, k, "%s", wg_dtype_name(*(const wg_dtype *)at)); break;
    case WG_FIELD_SHAPE: wg__append(buf, n, k, "%s", wg__shape_str(g, at, shape, sizeof shape)); break;
    case WG_FIELD_AXES: {
        const wg_axes *a = at;
        wg__append(buf, n, k, "(");
        for (int i = 0; i < a->n; i++) wg__append(buf, n, k, "%s%d", i ? "," : "", a->axis[i]);
        wg__append(buf, n, k, a->n < 0 ? "all)" : ")");
        break;
    }
    case WG_FIELD_LIST: {
        const wg_list *l = at;
        wg__append(buf, n, k, "(");
        for (int i = 0; i < l->n; i++) wg__append(buf, n, k, "%s%lld", i ? "," : "", (long long)l->at[i]);
        wg__append(buf, n, k, ")");
        break;
    }
    }
}

const char *wg__attr_str(const wg_graph *g, const wg_op *op, const void *attr, char *buf, size_t n)
{
    size_t k = 0;
    if (n) *buf = 0;
    for (const wg_field *f = op->fields; f && f->name && attr; f++)
        print_field(g, f, (const char *)attr + f->offset, buf, n, &k);
    return buf;
}

static bool field_equal(wg_field_type type, const void *a, const void *b)
{
    switch (type) {
    case WG_FIELD_FLAG:
    case WG_FIELD_INT: return memcmp(a, b, sizeof(int)) == 0;
    case WG_FIELD_DTYPE: return memcmp(a, b, sizeof(wg_dtype)) == 0;
    case WG_FIELD_I64:
    case WG_FIELD_U64:
    case WG_FIELD_STREAM: return memcmp(a, b, sizeof(int64_t)) == 0;
    case WG_FIELD_REAL: return memcmp(a, b, sizeof(double)) == 0; /* bits: 0 and -0 differ, NaN equals itself */
    case WG_FIELD_SHAPE: return wg__shape_equal(a, b);
    case WG_FIELD_AXES: {
        const wg_axes *p = a, *q = b;
        return p->n == q->n && (p->n <= 0 || memcmp(p->axis, q->axis, (size_t)p->n * sizeof *p->axis) == 0);
    }
    case WG_FIELD_LIST: {
        const wg_list *p = a, *q = b;
        return p->n == q->n && (p->n <= 0 || memcmp(p->at, q->at, (size_t)p->n * sizeof *p->at) == 0);
    }
    }
    return false;
}

/* Without a field table there is no telling: padding has no meaning. */
bool wg__attr_equal(const wg_op *op, const void *a, const void *b)
{
    if (!op->attr_size) return true;
    if (!op->fields || !a || !b) return false;
    for (const wg_field *f = op->fields; f->name; f++)
        if (!field_equal(f->type, (const char *)a + f->offset, (const char *)b + f->offset)) return false;
    return true;
}
