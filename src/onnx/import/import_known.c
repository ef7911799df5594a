/* Values that are known while the model is loaded. */
#include <string.h>

#include "onnx/import/import_impl.h"

/* ---- Nodes of constants, computed ---- */

enum { MOST_NODES = 256 };

enum { NODE_PRICE = 256 }; /* of compiling a node, in elements */

/* Takes n elements off the budget. False if fewer are left. */
static bool take_from_budget(int64_t *budget, int64_t n)
{
    if (n > *budget) return false;
    *budget -= n;
    return true;
}

/* Counts the elements of x. Returns more than may be folded where the number is not known, or exceeds
 * 64 bits. */
static int64_t count_elements(const wg_node *x)
{
    int64_t n = wg_count(x->shape);
    return n < 0 || n > WG__MAX_FOLD ? INT64_MAX / 2 : n;
}

/* Tells whether x depends on few and small constants only; takes its price off the budget. */
static bool is_constant(struct wg__import *p, wg_node *x)
{
    wg_node *seen[MOST_NODES] = {x};
    int64_t  price = 0;
    for (int n = 1, i = 0; i < n; i++) {
        const wg_node *y = seen[i];
        bool           pure = y->kind == WG__CONST || (y->kind == WG__OP && !(y->op->flags & WG_OP_RANDOM));
        if (!pure || (price += count_elements(y) + NODE_PRICE) > WG__MAX_FOLD) return false;
        for (int k = 0; k < y->n; k++) {
            int j = 0;
            while (j < n && seen[j] != y->x[k]) j++;
            if (j == MOST_NODES) return false;
            if (j == n) seen[n++] = y->x[k];
        }
    }
    return take_from_budget(&p->elements, price);
}

/* Computes x into data by a tape of its own. False if that fails; p->nomem says whether memory was short. */
static bool compute(struct wg__import *p, wg_node *x, void *data)
{
    wg_graph *g = p->in.g;
    wg_tape  *t = wg_compile(g, 1, &x, &(wg_options){.threads = 1});
    int       status = t ? wg_run(t) : wg_status(g);
    if (!status) status = wg_get(t, x, data);
    wg_tape_free(t);
    if (status == WG_ENOMEM) p->nomem = true;
    wg_clear_error(g);
    return status == WG_OK;
}

static bool from_node(struct wg__import *p, wg_node *x, wg_array *to)
{
    if (!is_constant(p, x)) return false;
    *to = (wg_array){wg_node_dtype(x), *x->shape, wg__data_alloc(wg__bytes(wg_node_dtype(x), x->shape))};
    if (!to->data) {
        p->nomem = true;
        return false;
    }
    if (x->kind == WG__CONST) memcpy(to->data, x->data, wg__bytes(to->dtype, &to->shape));
    else if (!compute(p, x, to->data)) {
        wg__data_free(to->data);
        to->data = NULL;
        return false;
    }
    return true;
}

bool wg__tensor_known(struct wg__import *p, const struct wg__onnx_tensor *t, const char *name, wg_array *to)
{
    struct wg__onnx_file *f = &p->in.m->file;
    int                   status = wg__tensor_array(f, t, &to->dtype, &to->shape, &to->data);
    if (!status) return true;
    if (status == WG_ENOMEM) p->nomem = true;
    else wg__complain(p, status, "tensor", name, "%s", f->why);
    f->status = WG_OK;
    *f->why = 0;
    to->data = NULL;
    return false;
}

/* Tells whether a tensor may be read here, and takes its price off the budget if it is large: many
 * nodes may look at one tensor, and each look reads it. */
static bool can_afford(struct wg__import *p, const struct wg__onnx_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(n, t->dim[i], &n)) return false;
    return take_from_budget(&p->elements, n > WG__MAX_INTS ? n : 0);
}

static bool copy_given(struct wg__import *p, const wg_array *a, wg_array *to)
{
    *to = *a;
    if (!(to->data = wg__data_alloc(wg_array_bytes(a)))) {
        p->nomem = true;
        return false;
    }
    memcpy(to->data, a->data, wg_array_bytes(a));
    return true;
}

bool wg__in_known(struct wg__in *c, int i, wg_array *to)
{
    struct wg__import       *p = c->import;
    struct wg__import_value *v = wg__value_in(c, i);
    *to = (wg_array){0};
    if (!v || v->broken) return false;
    if (v->tensor) return can_afford(p, v->tensor) && wg__tensor_known(p, v->tensor, v->name, to);
    if (v->given) return copy_given(p, v->given, to);
    wg_node *x = wg__value_node(p, v);
    return x && from_node(p, x, to);
}

/* ---- Constants of a row's own ---- */

void *wg__in_data(struct wg__in *c, int64_t n, wg_dtype t)
{
    int64_t bytes;
    if (__builtin_mul_overflow(n, (int64_t)wg_dtype_size(t), &bytes) || !take_from_budget(&c->import->bytes, bytes)) {
        wg__unsupported(c, "constants of %lld elements: in all a model may make %d MiB of them", (long long)n,
                        WG__BUDGET_BYTES >> 20);
        return NULL;
    }
    void *data = wg__data_alloc((size_t)bytes);
    if (!data) wg__fail_nomem(c->g);
    return data;
}

wg_node *wg__in_iota(struct wg__in *c, int64_t n, int64_t first, int64_t step)
{
    if (!wg_dim_known(n)) {
        wg_node *y = step == 1 ? wg_iota(c->g, n) : wg_mul(wg_iota(c->g, n), wg__in_whole(c, WG_I64, step));
        return first == 0 ? y : wg_add(y, wg__in_whole(c, WG_I64, first));
    }
    int64_t *at = wg__in_data(c, n, WG_I64);
    if (!at) return NULL;
    for (int64_t i = 0; i < n; i++) at[i] = (int64_t)((uint64_t)first + (uint64_t)i * (uint64_t)step);
    wg_node *y = wg_const(c->g, WG_I64, WG_SHAPE(n), at);
    wg__data_free(at);
    return y;
}

/* ---- Lists of integers ---- */

/* Gives an array as a list of integers. False if it is no such list. */
static bool as_list(const wg_array *a, struct wg__ints *to)
{
    int64_t n = a->shape.rank <= 1 ? wg_count(&a->shape) : INT64_MAX;
    if (!(WG_DTYPE_BIT(a->dtype) & (WG_DTYPE_INTS | WG_DTYPE_BIT(WG_BOOL))) || n > WG__MAX_INTS) return false;
    *to = (struct wg__ints){.n = (int)n, .raw = true};
    for (int k = 0; k < to->n; k++) {
        const int64_t *wide = a->data;
        const int32_t *narrow = a->data;
        const uint8_t *truth = a->data;
        to->at[k] = a->dtype == WG_I64 ? wide[k] : a->dtype == WG_I32 ? narrow[k] : truth[k];
    }
    return true;
}

/* Keeps the list with its value, so that it is found only once. */
static const struct wg__ints *keep_as_list(struct wg__import *p, struct wg__import_value *v, const wg_array *a)
{
    struct wg__ints list, *copy;
    if (!as_list(a, &list)) return NULL;
    if (!(copy = wg__arena_alloc(&p->in.m->file.arena, sizeof *copy))) {
        p->nomem = true;
        return NULL;
    }
    *copy = list;
    v->ints = copy;
    v->ints_rank = a->shape.rank;
    v->ints_dtype = a->dtype;
    return copy;
}

/* Tells by dtype and shape whether a tensor can be a list of integers. */
static bool small_integers(const struct wg__onnx_tensor *t)
{
    wg_dtype d = wg__onnx_dtype_in(t->dtype);
    return d != WG_DTYPES && WG_DTYPE_BIT(d) & (WG_DTYPE_INTS | WG_DTYPE_BIT(WG_BOOL)) &&
           (t->rank == 0 || (t->rank == 1 && t->dim[0] >= 0 && t->dim[0] <= WG__MAX_INTS));
}

const struct wg__ints *wg__value_ints(struct wg__import *p, struct wg__import_value *v)
{
    wg_array a = {0};
    if (v->given && !v->ints && !v->broken) return keep_as_list(p, v, v->given);
    if (v->ints || v->broken || !v->tensor || !small_integers(v->tensor)) return v->ints;
    if (!wg__tensor_known(p, v->tensor, v->name, &a)) {
        v->broken = true;
        return NULL;
    }
    const struct wg__ints *list = keep_as_list(p, v, &a);
    wg__data_free(a.data);
    return list;
}

bool wg__is_symbol(const struct wg__ints *v, int i) { return !v->raw && wg__like_symbol(v->at[i]); }

bool wg__is_unclear(const struct wg__ints *v, int i) { return v->raw && wg__like_symbol(v->at[i]); }

bool wg__in_ints(struct wg__in *c, int i, struct wg__ints *to)
{
    struct wg__import       *p = c->import;
    struct wg__import_value *v = wg__value_in(c, i);
    const struct wg__ints   *list = v ? wg__value_ints(p, v) : NULL;
    wg_array                 a;
    bool small = v && v->node && WG_DTYPE_BIT(v->node->dtype) & WG_DTYPE_INTS && v->node->shape->rank <= 1 &&
                 count_elements(v->node) <= WG__MAX_INTS;
    if (!list && small && from_node(p, v->node, &a)) {
        list = keep_as_list(p, v, &a);
        wg__data_free(a.data);
    }
    if (!list || (v->ints_dtype != WG_I64 && v->ints_dtype != WG_I32)) return false;
    *to = *list;
    return true;
}

/* Says how the user can make input i known, or "". */
static const char *hint(const struct wg__in *c, int i)
{
    const struct wg__import_value *v = wg__in_value(c, i);
    return v && v->input ? ": give its value to the import" : "";
}

bool wg__in_need_ints(struct wg__in *c, int i, const char *what, struct wg__ints *to)
{
    if (wg__in_ints(c, i, to)) return true;
    if (!wg__in_has(c, i)) return wg__malformed(c, "%s is left out", what), false;
    wg__unsupported(c, "%s has to be known when the model is loaded, as integers in a vector of %d or fewer%s", what,
                    WG__MAX_INTS, hint(c, i));
    return false;
}

bool wg__in_need_real(struct wg__in *c, int i, const char *what, double *to)
{
    wg_array a;
    if (!wg__in_has(c, i)) return wg__malformed(c, "%s is left out", what), false;
    bool known = wg__in_known(c, i, &a), one = known && wg_count(&a.shape) == 1;
    if (one) *to = wg__load(a.dtype, a.data, 0);
    if (known) wg__data_free(a.data);
    if (!known) wg__unsupported(c, "%s has to be known when the model is loaded%s", what, hint(c, i));
    else if (!one) wg__malformed(c, "%s is not one number", what);
    return one;
}

/* ---- Axes and shapes ---- */

bool wg__in_axis(struct wg__in *c, int64_t axis, int rank, int *to)
{
    if (axis < -rank || axis >= rank)
        return wg__malformed(c, "axis %lld is outside of rank %d", (long long)axis, rank), false;
    *to = (int)(axis < 0 ? axis + rank : axis);
    return true;
}

bool wg__in_axes(struct wg__in *c, const struct wg__ints *v, int rank, wg_axes *to)
{
    bool in[WG_MAX_RANK] = {0};
    *to = (wg_axes){0};
    for (int i = 0; i < v->n; i++) {
        int axis;
        if (!wg__in_axis(c, v->at[i], rank, &axis)) return false;
        if (in[axis]) return wg__malformed(c, "axis %d is named twice", axis), false;
        in[axis] = true;
        to->axis[to->n++] = axis;
    }
    return true;
}

bool wg__in_shape(struct wg__in *c, const struct wg__ints *v, wg_shape *to)
{
    *to = (wg_shape){0};
    if (v->n > WG_MAX_RANK) return wg__unsupported(c, "a shape of rank %d, over %d", v->n, WG_MAX_RANK), false;
    for (int i = 0; i < v->n; i++) {
        if (v->at[i] < 0 && !wg__is_symbol(v, i))
            return wg__malformed(c, "dimension %d of a shape is %lld", i, (long long)v->at[i]), false;
        to->dim[to->rank++] = v->at[i];
    }
    return true;
}

wg_node *wg__in_broadcast(struct wg__in *c, wg_node *x, wg_node *y)
{
    if (!x || !y || c->opset >= 7 || !wg__attr_int(c, "broadcast", 0) || !wg__attr_has(c, "axis")) return y;
    const wg_shape *a = wg_node_shape(x), *b = wg_node_shape(y);
    wg_shape        s = *b;
    int64_t         axis = wg__attr_int(c, "axis", 0);
    if (axis < 0) axis += a->rank;
    if (axis < 0 || axis + b->rank > a->rank) return wg__malformed(c, "axis %lld does not fit", (long long)axis), NULL;
    while (axis + s.rank < a->rank) s.dim[s.rank++] = 1;
    return wg_reshape(y, s);
}
