/* y.dim[i] = x.dim[perm[i]]: the axes in another order.
 *
 *   dx = g with the axes back in order */
#include <string.h>

#include "ops/ops_impl.h"

static const wg_field fields[] = {WG_FIELD(struct wg__transpose_attr, perm, AXES), {0}};

/* Makes *to the permutation with axes 0 <= axis < rank; WG_OK, or a rejection. */
static int resolve_perm(wg_infer *c, const wg_axes *perm, int rank, wg_axes *to)
{
    bool seen[WG_MAX_RANK] = {0};
    *to = (wg_axes){.n = rank};
    if (perm->n != -1 && perm->n != rank) return wg_reject(c, WG_EARG, "%d axes for rank %d", perm->n, rank);
    for (int i = 0; i < rank; i++) {
        int axis = perm->n < 0 ? rank - 1 - i : wg_axis(c, perm->axis[i], rank);
        if (axis < 0) return axis;
        if (seen[axis]) return wg_reject(c, WG_EARG, "axis %d is named twice", axis);
        seen[axis] = true;
        to->axis[i] = axis;
    }
    return WG_OK;
}

static int infer(wg_infer *c)
{
    const struct wg__transpose_attr *a = c->attr;
    wg_axes                          perm;
    int                              status = resolve_perm(c, &a->perm, c->x[0].rank, &perm);
    if (status) return status;
    c->y->rank = perm.n;
    for (int i = 0; i < perm.n; i++) c->y->dim[i] = c->x[0].dim[perm.axis[i]];
    return WG_OK;
}

/* The result's axes with their steps in x and y, in elements; neighbouring axes that are neighbours in x as well are
 * merged. */
struct plan {
    const char *x;
    char       *y;
    size_t      size;
    int         rank, fast; /* fast: the axis along which x is contiguous */
    int64_t     dim[WG_MAX_RANK], xstep[WG_MAX_RANK], ystep[WG_MAX_RANK], tiles;
};
enum { TILE = 32 };

static struct plan plan(const wg_call *c)
{
    const struct wg__transpose_attr *a = c->attr;
    const wg_shape                  *x = &c->x[0].shape;
    struct plan                      p = {.x = c->x[0].data, .y = c->y->data, .size = wg_dtype_size(c->y->dtype)};
    int64_t                          step[WG_MAX_RANK], n = 1;
    wg_axes                          perm;
    resolve_perm(&(wg_infer){0}, &a->perm, x->rank, &perm);
    for (int i = x->rank - 1; i >= 0; n *= x->dim[i--]) step[i] = n;
    for (int i = 0; i < x->rank; i++) {
        int64_t d = x->dim[perm.axis[i]], s = step[perm.axis[i]];
        if (d == 1) continue;
        int k = p.rank ? p.rank - 1 : 0;
        if (p.rank && p.xstep[k] == d * s) p.dim[k] *= d;
        else p.dim[k = p.rank++] = d;
        p.xstep[k] = s;
    }
    if (p.rank == 0) p = (struct plan){.x = p.x, .y = p.y, .size = p.size, .rank = 1, .dim = {1}, .xstep = {1}};
    n = 1;
    for (int i = p.rank - 1; i >= 0; n *= p.dim[i--]) p.ystep[i] = n;
    while (p.xstep[p.fast] != 1) p.fast++;
    return p;
}

/* Finds where in x and y the i-th element over all axes but `fast` and the last begins. */
static void locate(const struct plan *p, int64_t i, const char **x, char **y)
{
    int64_t at_x = 0, at_y = 0;
    for (int k = p->rank - 2; k >= 0; k--) {
        if (k == p->fast) continue;
        at_x += i % p->dim[k] * p->xstep[k];
        at_y += i % p->dim[k] * p->ystep[k];
        i /= p->dim[k];
    }
    *x = p->x + at_x * (int64_t)p->size;
    *y = p->y + at_y * (int64_t)p->size;
}

/* Sets y[i*ys + j] = x[j*xs + i] for i < m and j < n, in elements of `size` bytes. */
static inline __attribute__((always_inline)) void swap_by(size_t size, const char *x, int64_t xs, char *y, int64_t ys,
                                                          int64_t m, int64_t n)
{
    int64_t e = (int64_t)size;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) memcpy(y + (i * ys + j) * e, x + (j * xs + i) * e, size);
}

typedef uint32_t   four __attribute__((vector_size(16)));
static inline four load4(const char *p)
{
    four v;
    memcpy(&v, p, sizeof v);
    return v;
}

static void swap_4x4(const char *x, int64_t xs, char *y, int64_t ys)
{
    four a = load4(x), b = load4(x + 4 * xs), c = load4(x + 8 * xs), d = load4(x + 12 * xs);
    four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    four AB = __builtin_shufflevector(a, b, 2, 6, 3, 7), CD = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    four r[4] = {__builtin_shufflevector(ab, cd, 0, 1, 4, 5), __builtin_shufflevector(ab, cd, 2, 3, 6, 7),
                 __builtin_shufflevector(AB, CD, 0, 1, 4, 5), __builtin_shufflevector(AB, CD, 2, 3, 6, 7)};
    for (int i = 0; i < 4; i++) memcpy(y + 4 * i * ys, &r[i], sizeof r[i]);
}

static void swap_32bit(const char *x, int64_t xs, char *y, int64_t ys, int64_t m, int64_t n)
{
    int64_t m4 = m & ~(int64_t)3, n4 = n & ~(int64_t)3;
    for (int64_t i = 0; i < m4; i += 4)
        for (int64_t j = 0; j < n4; j += 4) swap_4x4(x + 4 * (j * xs + i), xs, y + 4 * (i * ys + j), ys);
    swap_by(4, x + 4 * m4, xs, y + 4 * m4 * ys, ys, m - m4, n);
    swap_by(4, x + 4 * n4 * xs, xs, y + 4 * n4, ys, m4, n - n4);
}

static void swap_tile(size_t size, const char *x, int64_t xs, char *y, int64_t ys, int64_t m, int64_t n)
{
    if (size == 4) swap_32bit(x, xs, y, ys, m, n);
    else if (size == 8) swap_by(8, x, xs, y, ys, m, n);
    else swap_by(1, x, xs, y, ys, m, n);
}

/* Transposes pieces begin..end-1, each of TILE indices of the fast axis times the whole last axis. */
static void swap_tiles(void *context, int64_t begin, int64_t end)
{
    const struct plan *p = context;
    int64_t            e = (int64_t)p->size, m = p->dim[p->fast], n = p->dim[p->rank - 1];
    int64_t            xs = p->xstep[p->rank - 1], ys = p->ystep[p->fast];
    for (int64_t t = begin; t < end; t++) {
        const char *x;
        char       *y;
        int64_t     i = t % p->tiles * TILE, rows = m - i < TILE ? m - i : TILE;
        locate(p, t / p->tiles, &x, &y);
        for (int64_t j = 0; j < n; j += TILE)
            swap_tile(p->size, x + (i + j * xs) * e, xs, y + (i * ys + j) * e, ys, rows, n - j < TILE ? n - j : TILE);
    }
}

/* Copies rows begin..end-1 of the last axis, those of one index of all axes but the last two at once. */
static void copy_some_rows(void *context, int64_t begin, int64_t end)
{
    const struct plan *p = context;
    int64_t            bytes = p->dim[p->rank - 1] * (int64_t)p->size, m = p->dim[p->rank - 2];
    while (begin < end) {
        const char *x;
        char       *y;
        int64_t     left = m - begin % m, n = left < end - begin ? left : end - begin;
        locate(p, begin, &x, &y);
        wg__copy_strided(y, bytes, x, p->xstep[p->rank - 2] * (int64_t)p->size, n, (size_t)bytes);
        begin += n;
    }
}

static int cpu(wg_call *c)
{
    struct plan p;
    int64_t     n = wg_count(&c->y->shape);
    if (n == 0) return WG_OK;
    p = plan(c);
    int64_t last = p.dim[p.rank - 1];
    if (p.rank == 1) wg__copy_rows(c, 1, n * (int64_t)p.size, p.y, 0, p.x, 0);
    else if (p.fast == p.rank - 1) wg_parallel(c, n / last, wg__grain(last), copy_some_rows, &p);
    else {
        p.tiles = (p.dim[p.fast] + TILE - 1) / TILE;
        wg_parallel(c, n / last / p.dim[p.fast] * p.tiles, wg__grain(last * TILE), swap_tiles, &p);
    }
    return WG_OK;
}

static void grad(wg_adjoint *v)
{
    const struct wg__transpose_attr *a = v->attr;
    wg_axes                          perm, back;
    if (resolve_perm(&(wg_infer){.g = v->g[0]->g}, &a->perm, v->x[0]->shape->rank, &perm)) return;
    back.n = perm.n;
    for (int i = 0; i < perm.n; i++) back.axis[perm.axis[i]] = i;
    v->dx[0] = wg_transpose(v->g[0], back);
}

static double flops(const wg_call *c) { return (void)c, 0; }

static int onnx(wg_onnx_form *f)
{
    const struct wg__transpose_attr *a = f->attr;
    wg_axes                          perm;
    int64_t                          list[WG_MAX_RANK];
    if (resolve_perm(&(wg_infer){0}, &a->perm, wg_node_shape(f->y)->rank, &perm))
        return wg_onnx_refuse(f, "its axes are not valid");
    for (int i = 0; i < perm.n; i++) list[i] = perm.axis[i];
    wg_onnx_say(f, "Transpose{perm=");
    wg_onnx_say_dims(f, perm.n, list);
    return wg_onnx_say(f, "}");
}

static int rows(wg_stack *s)
{
    const struct wg__transpose_attr *a = s->attr;
    wg_axes                          perm;
    *s->y = s->x[0];
    if (s->x[0].axis < 0) return 1;
    if (resolve_perm(&(wg_infer){0}, &a->perm, wg_node_shape(s->node)->rank, &perm)) return 0;
    while (perm.n > 0 && perm.axis[perm.n - 1] != s->x[0].axis) perm.n--;
    s->y->axis = perm.n - 1;
    return 1;
}

const wg_op wg_op_transpose = {.name = "transpose",
                               .onnx = "Transpose",
                               .doc = "y = x with its axes in another order",
                               .arity = 1,
                               .attr_size = sizeof(struct wg__transpose_attr),
                               .fields = fields,
                               .infer = infer,
                               .cpu = cpu,
                               .grad = grad,
                               .flops = flops,
                               .to_onnx = onnx,
                               .rows = rows};

wg_node *wg_transpose(wg_node *x, wg_axes perm)
{
    if (!x) return NULL;
    struct wg__transpose_attr a = {perm};
    wg_infer                  c = {.g = x->g};
    wg_axes                   resolved;
    bool                      same = true;
    if (resolve_perm(&c, &perm, x->shape->rank, &resolved)) {
        if (perm.n > WG_MAX_RANK) return wg__bad(x, WG_EARG, "transpose", "%s", c.why); /* cannot even be printed */
        return wg_apply(&wg_op_transpose, 1, &x, &a);
    }
    a.perm = resolved;
    for (int i = 0; i < resolved.n; i++) same = same && resolved.axis[i] == i;
    return same ? wg__unchanged(x) : wg_apply(&wg_op_transpose, 1, &x, &a);
}
