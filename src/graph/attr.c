/* Attributes, as their field table tells: copied, printed, compared.
 *
 * This file and no other knows what a field type is.  Whoever hashes or compares attributes asks for the bytes that
 * decide about equality (wg__field_bytes). */
#include <string.h>

#include "graph/graph_impl.h"

/* ---- What decides about equality ---- */

static struct wg__bytes_of make_list_bytes(const int *n, const void *at, size_t size)
{
    return (struct wg__bytes_of){{{n, sizeof *n}, {at, *n > 0 ? (size_t)*n * size : 0}}};
}

struct wg__bytes_of wg__field_bytes(wg_field_type type, const void *at)
{
    const wg_shape *s = at;
    const wg_axes  *a = at;
    const wg_list  *l = at;
    const wg_longs *w = at;
    const wg_reals *r = at;
    const char     *text;
    size_t          one = 0;
    switch (type) {
    case WG_FIELD_FLAG:
    case WG_FIELD_INT: one = sizeof(int); break;
    case WG_FIELD_DTYPE: one = sizeof(wg_dtype); break;
    case WG_FIELD_I64:
    case WG_FIELD_U64:
    case WG_FIELD_STREAM: one = sizeof(int64_t); break;
    case WG_FIELD_REAL: one = sizeof(double); break; /* bits: 0 and -0 differ, NaN equals itself */
    case WG_FIELD_HANDLE:
    case WG_FIELD_GRAPH: one = sizeof(void *); break;
    case WG_FIELD_SHAPE: return make_list_bytes(&s->rank, s->dim, sizeof *s->dim);
    case WG_FIELD_AXES: return make_list_bytes(&a->n, a->axis, sizeof *a->axis);
    case WG_FIELD_LIST: return make_list_bytes(&l->n, l->at, sizeof *l->at);
    case WG_FIELD_LONGS: return make_list_bytes(&w->n, w->at, sizeof *w->at);
    case WG_FIELD_REALS: return make_list_bytes(&r->n, r->at, sizeof *r->at);
    case WG_FIELD_TEXT: /* NULL and "" differ */
        memcpy(&text, at, sizeof text);
        return (struct wg__bytes_of){{{text, text ? strlen(text) + 1 : 0}}};
    }
    return (struct wg__bytes_of){{{at, one}}};
}

static bool field_equal(wg_field_type type, const void *a, const void *b)
{
    struct wg__bytes_of p = wg__field_bytes(type, a), q = wg__field_bytes(type, b);
    for (int i = 0; i < 2; i++)
        if (p.span[i].n != q.span[i].n || (p.span[i].n && memcmp(p.span[i].at, q.span[i].at, p.span[i].n) != 0))
            return false;
    return true;
}

/* Compares attributes field by field. Without a field table they count as different, since padding has no meaning. */
bool wg__attr_equal(const wg_op *op, const void *a, const void *b)
{
    if (!op->attr_size) return true;
    if (!op->fields || !a || !b) return false;
    for (const wg_field *f = op->fields; f->name; f++)
        if (!field_equal(f->type, (const char *)a + f->offset, (const char *)b + f->offset)) return false;
    return true;
}

/* ---- Copies ---- */

/* Copies n bytes into the arena and sets the pointer at `pointer` to the copy; NULL for an empty list. */
static bool copy_behind(struct wg__arena *arena, void *pointer, const void *from, size_t n)
{
    void *copy = n ? wg__arena_alloc(arena, n) : NULL;
    if (n && !copy) return false;
    if (n) memcpy(copy, from, n);
    memcpy(pointer, &copy, sizeof copy);
    return true;
}

static bool copy_field(struct wg__arena *arena, wg_field_type type, void *at)
{
    wg_longs   *w = at;
    wg_reals   *r = at;
    const char *text;
    switch (type) {
    case WG_FIELD_LONGS: return copy_behind(arena, &w->at, w->at, w->n > 0 ? (size_t)w->n * sizeof *w->at : 0);
    case WG_FIELD_REALS: return copy_behind(arena, &r->at, r->at, r->n > 0 ? (size_t)r->n * sizeof *r->at : 0);
    case WG_FIELD_TEXT: memcpy(&text, at, sizeof text); return !text || copy_behind(arena, at, text, strlen(text) + 1);
    default: return true;
    }
}

const char *wg__attr_flaw(const wg_op *op, const void *attr)
{
    for (const wg_field *f = op->fields; f && f->name && attr; f++) {
        const void     *at = (const char *)attr + f->offset;
        const wg_longs *w = at;
        const wg_reals *r = at;
        if (f->type == WG_FIELD_LONGS && (w->n < 0 || (w->n && !w->at))) return f->name;
        if (f->type == WG_FIELD_REALS && (r->n < 0 || (r->n && !r->at))) return f->name;
    }
    return NULL;
}

void *wg__attr_copy(wg_graph *g, const wg_op *op, const void *attr)
{
    char *a = wg__arena_alloc(&g->arena, op->attr_size);
    bool  done = a != NULL;
    if (a) memcpy(a, attr, op->attr_size);
    for (const wg_field *f = op->fields; done && f && f->name; f++)
        done = copy_field(&g->arena, f->type, a + f->offset);
    if (!done) wg__fail_nomem(g);
    return done ? a : NULL;
}

/* ---- Prints ---- */

static void print_longs(char *buf, size_t n, size_t *k, int count, const int64_t *at)
{
    wg__append(buf, n, k, "(");
    for (int i = 0; i < count; i++) wg__append(buf, n, k, "%s%lld", i ? "," : "", (long long)at[i]);
    wg__append(buf, n, k, ")");
}

static void print_text(char *buf, size_t n, size_t *k, const void *at)
{
    char        text[96];
    const char *from;
    memcpy(&from, at, sizeof from);
    if (!from) {
        wg__append(buf, n, k, "none");
        return;
    }
    snprintf(text, sizeof text, "%s", from);
    wg__printable(text, sizeof text);
    wg__append(buf, n, k, "\"");
    for (const char *c = text; *c; c++) wg__append(buf, n, k, *c == '"' ? "\\%c" : "%c", *c);
    wg__append(buf, n, k, "\"");
}

static void print_field(const wg_graph *g, const wg_field *f, const void *at, char *buf, size_t n, size_t *k)
{
    char            shape[96];
    const wg_axes  *a = at;
    const wg_list  *l = at;
    const wg_longs *w = at;
    const wg_reals *r = at;
    bool            flag = f->type == WG_FIELD_FLAG;
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
    case WG_FIELD_AXES:
        wg__append(buf, n, k, "(");
        for (int i = 0; i < a->n; i++) wg__append(buf, n, k, "%s%d", i ? "," : "", a->axis[i]);
        wg__append(buf, n, k, a->n < 0 ? "all)" : ")");
        break;
    case WG_FIELD_LIST: print_longs(buf, n, k, l->n, l->at); break;
    case WG_FIELD_LONGS: print_longs(buf, n, k, w->n, w->at); break;
    case WG_FIELD_REALS:
        wg__append(buf, n, k, "(");
        for (int i = 0; i < r->n; i++) wg__append(buf, n, k, "%s%.9g", i ? "," : "", r->at[i]);
        wg__append(buf, n, k, ")");
        break;
    case WG_FIELD_TEXT: print_text(buf, n, k, at); break;
    case WG_FIELD_HANDLE:
    case WG_FIELD_GRAPH: wg__append(buf, n, k, "..."); break; /* an address would differ from run to run */
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
