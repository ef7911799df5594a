/* y = op(a) op(b), with op the transpose of the last two axes where ta or tb
 * is set: [.., m, k] x [.., k, n] -> [.., m, n]; leading axes broadcast.
 *
 *   da = g op(b)^T, or op(b) g^T where ta
 *   db = op(a)^T g, or g^T op(a) where tb */
#include "cpu/cpu.h"
#include "ops/ops_impl.h"

struct attr {
    int ta, tb;
};
static const wg_field fields[] = {WG_FIELD(struct attr, ta, FLAG), WG_FIELD(struct attr, tb, FLAG), {0}};

static wg_shape find_leading(const wg_shape *s)
{
    wg_shape l = *s;
    l.rank -= 2;
    return l;
}

static int infer(wg_infer *c)
{
    const struct attr *t = c->attr;
    const wg_shape    *a = &c->x[0], *b = &c->x[1];
    char               left[48], right[48];
    if (a->rank < 2 || b->rank < 2) return wg_reject(c, WG_ESHAPE, "needs matrices");
    if (c->dtype[0] != c->dtype[1])
        return wg_reject(c, WG_EDTYPE, "dtypes %s and %s differ", wg_dtype_name(c->dtype[0]),
                         wg_dtype_name(c->dtype[1]));
    int64_t m = a->dim[a->rank - (t->ta ? 1 : 2)], k = a->dim[a->rank - (t->ta ? 2 : 1)];
    int64_t n = b->dim[b->rank - (t->tb ? 2 : 1)], l = b->dim[b->rank - (t->tb ? 1 : 2)];
    if (!wg__dims_may_equal(c->g, k, l))
        return wg_reject(c, WG_ESHAPE, "inner dimensions differ: %s and %s", wg_dim_name(c->g, k, left, sizeof left),
                         wg_dim_name(c->g, l, right, sizeof right));
    wg_shape p = find_leading(a), q = find_leading(b);
    int      status = wg_broadcast(c, &p, &q, c->y);
    if (status) return status;
    c->y->dim[c->y->rank++] = m;
    c->y->dim[c->y->rank++] = n;
    return WG_OK;
}

/* The products of a call: product i of y takes matrices at(a, i) and at(b, i). */
struct products {
    struct wg__gemm g;
    size_t          packed;                     /* bytes of one matrix of b that is kept packed */
    int64_t         count, ysize, asize, bsize; /* sizes in bytes */
    int             rank;
    int64_t         dim[WG_MAX_RANK], astep[WG_MAX_RANK], bstep[WG_MAX_RANK]; /* in matrices */
};

static void find_steps(const wg_shape *s, int rank, int64_t step[WG_MAX_RANK])
{
    int64_t n = 1;
    for (int i = 1; i <= rank; i++) {
        int64_t d = i <= s->rank - 2 ? s->dim[s->rank - 2 - i] : 1;
        step[rank - i] = d == 1 ? 0 : n;
        n *= d;
    }
}

static struct products plan_products(const wg_call *c)
{
    const struct attr *t = c->attr;
    const wg_shape    *a = &c->x[0].shape, *b = &c->x[1].shape, *y = &c->y->shape;
    int64_t            size = (int64_t)wg_dtype_size(c->y->dtype);
    struct products    p = {.count = 1, .rank = y->rank - 2};
    p.g = (struct wg__gemm){.dtype = c->y->dtype,
                            .ta = t->ta,
                            .tb = t->tb,
                            .m = y->dim[p.rank],
                            .n = y->dim[p.rank + 1],
                            .k = a->dim[a->rank - (t->ta ? 2 : 1)],
                            .a = c->x[0].data,
                            .b = c->x[1].data,
                            .c = c->y->data};
    for (int i = 0; i < p.rank; i++) p.count *= p.dim[i] = y->dim[i];
    find_steps(a, p.rank, p.astep);
    find_steps(b, p.rank, p.bstep);
    p.ysize = p.g.m * p.g.n * size;
    p.asize = p.g.m * p.g.k * size;
    p.bsize = p.g.k * p.g.n * size;
    int64_t of_a = 1, of_b = 1;
    for (int i = 0; i < a->rank - 2; i++) of_a *= a->dim[i];
    for (int i = 0; i < b->rank - 2; i++) of_b *= b->dim[i];
    if (!t->ta && of_a == p.count && of_b == 1) { /* one tall product */
        p.g.m *= p.count;
        p.count = 1;
    }
    return p;
}

/* ---- Computing the products ---- */

enum { TILE = 8192 /* elements of small products that are handed over at once */ };

/* Tells whether a loop behind the products is worth while: behind a stack of larger products it is quicker by itself,
 * where another tensor is read along. */
static bool is_worth(const wg_node *v)
{
    const struct attr *t = v->attr;
    const int64_t     *y = v->shape->dim + v->shape->rank - 2;
    return v->shape->rank == 2 || (!t->ta && v->x[1]->shape->rank == 2) || y[0] == 0 || y[1] <= TILE / y[0];
}

/* Passes on the tiles of one product as tiles of the result, `first` rows further down. */
struct taker {
    wg__take_tile *take;
    void          *context;
    int64_t        first;
};
static void pass_below(void *context, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    const struct taker *t = context;
    t->take(t->context, t->first + i0, t->first + i1, j0, j1);
}

/* Computes product i. packed: b as `prepare` left it, or NULL. */
static void multiply(const struct products *p, const char *packed, int64_t i, int threads, wg__take_tile *take,
                     void *context)
{
    struct wg__gemm g = p->g;
    struct taker    below = {take, context, i * g.m};
    int64_t         at_a = 0, at_b = 0, rest = i;
    for (int k = p->rank - 1; k >= 0; k--) {
        at_a += rest % p->dim[k] * p->astep[k];
        at_b += rest % p->dim[k] * p->bstep[k];
        rest /= p->dim[k];
    }
    g.a = (const char *)g.a + at_a * p->asize;
    g.b = (const char *)g.b + at_b * p->bsize;
    g.c = (char *)g.c + i * p->ysize;
    if (packed) g.packed = packed + (size_t)at_b * p->packed;
    wg__gemm(&g, threads, take ? pass_below : NULL, &below);
}

/* A stack of products, each computed by one thread; small ones are handed over several at a time. */
struct many {
    const struct products *p;
    const char            *packed;
    wg__take_tile         *take;
    void                  *context;
    int64_t                at_once;
};
static void multiply_some(void *context, int64_t begin, int64_t end)
{
    const struct many     *w = context;
    const struct products *p = w->p;
    for (int64_t i = begin, to; i < end; i = to) {
        to = end - i < w->at_once ? end : i + w->at_once;
        if (to - i == 1) multiply(p, w->packed, i, 1, w->take, w->context);
        else
            for (int64_t k = i; k < to; k++) multiply(p, w->packed, k, 1, NULL, NULL);
        if (to - i > 1 && w->take) w->take(w->context, i * p->g.m, to * p->g.m, 0, p->g.n);
    }
}

static void run(const void *plan, const void *packed, int threads, wg__take_tile *take, void *context)
{
    enum { LARGE = 1 << 24 /* multiply-adds that are worth splitting a product */ };
    const struct products *p = plan;
    double                 each = (double)p->g.m * (double)p->g.n * (double)p->g.k;
    if (p->count == 0 || p->g.m == 0 || p->g.n == 0) return;
    if (p->count > 1 && each < LARGE) {
        int64_t     fit = TILE / p->g.m / p->g.n;
        struct many w = {p, packed, take, context, fit > 1 ? fit : 1};
        wg_parallel(&(wg_call){.threads = threads}, p->count, wg__grain((int64_t)each / 8), multiply_some, &w);
    } else
        for (int64_t i = 0; i < p->count; i++)
            multiply(p, packed, i, p->count == 1 && each < LARGE / 256 ? 1 : threads, take, context);
}

static void ready(const wg_call *c, void *plan)
{
    struct products *p = plan;
    *p = plan_products(c);
    p->packed = wg__gemm_packed_bytes(&p->g);
}

/* ---- Keeping b packed ---- */

static int64_t count_matrices_of_b(const wg_call *c)
{
    const wg_shape *b = &c->x[1].shape;
    int64_t         n = 1;
    for (int i = 0; i < b->rank - 2; i++) n *= b->dim[i];
    return n;
}

static bool form(const wg_call *c, struct wg__packed_form *f)
{
    struct products p = plan_products(c);
    size_t          each = p.count ? wg__gemm_packed_bytes(&p.g) : 0;
    *f = (struct wg__packed_form){.operand = 1, .layout = {p.g.k, p.g.n, p.g.tb}};
    return each && !__builtin_mul_overflow(each, (size_t)count_matrices_of_b(c), &f->bytes);
}

static void prepare(const wg_call *c, void *memory)
{
    struct products p = plan_products(c);
    size_t          each = wg__gemm_packed_bytes(&p.g);
    char           *to = memory;
    for (int64_t i = count_matrices_of_b(c); i > 0; i--, to += each) {
        wg__gemm_pack(&p.g, to);
        p.g.b = (const char *)p.g.b + p.bsize;
    }
}

static const struct wg__packer packer = {form, prepare};

const struct wg__producer wg__matmul_producer = {
    .is_worth = is_worth, .ready = ready, .plan_bytes = sizeof(struct products), .run = run, .packer = &packer};

static int cpu(wg_call *c)
{
    struct products p = plan_products(c);
    run(&p, NULL, c->threads, NULL, NULL);
    return WG_OK;
}

/* Reshapes x to a matrix: all axes but the last as one. */
static wg_node *flatten_rows(wg_node *x)
{
    wg_infer c = {.g = x->g};
    wg_shape s = {.rank = 2, .dim = {0, x->shape->dim[x->shape->rank - 1]}};
    int      status = wg__dims_product(&c, x->shape, 0, x->shape->rank - 1, &s.dim[0]);
    return status ? wg__bad(x, status, "gradient of matmul", "%s", c.why) : wg_reshape(x, s);
}

static void grad(wg_adjoint *v)
{
    const struct attr *t = v->attr;
    wg_node           *a = v->x[0], *b = v->x[1], *g = v->g[0];
    if (v->need[0]) v->dx[0] = t->ta ? wg_matmul_t(b, g, t->tb, 1) : wg_matmul_t(g, b, 0, !t->tb);
    if (!v->need[1]) return;
    if (!t->ta && a->shape->rank > 2 && b->shape->rank == 2) { /* one product instead of a sum over many */
        a = flatten_rows(a);
        g = flatten_rows(g);
        if (!a || !g) return;
    }
    v->dx[1] = t->tb ? wg_matmul_t(g, a, 1, t->ta) : wg_matmul_t(a, g, !t->ta, 0);
}

static double flops(const wg_call *c)
{
    struct products p = plan_products(c);
    return 2.0 * (double)p.count * (double)p.g.m * (double)p.g.n * (double)p.g.k;
}

/* Writes "x" or "y", or its transpose over the last two axes. */
static void say_operand(wg_onnx_form *f, int i, int turned)
{
    int     rank = wg_node_shape(wg_node_operand(f->y, i))->rank;
    int64_t perm[WG_MAX_RANK];
    for (int k = 0; k < rank; k++) perm[k] = k < rank - 2 ? k : 2 * rank - 3 - k;
    if (turned) {
        wg_onnx_say(f, "Transpose{perm=");
        wg_onnx_say_dims(f, rank, perm);
    }
    wg_onnx_say(f, turned ? "}(%c)" : "%c", "xy"[i]);
}
static int onnx(wg_onnx_form *f)
{
    const struct attr *a = f->attr;
    wg_onnx_say(f, "MatMul(");
    say_operand(f, 0, a->ta);
    wg_onnx_say(f, ",");
    say_operand(f, 1, a->tb);
    return wg_onnx_say(f, ")");
}

/* Finds the rows: they may be stacked along a leading axis, or along the rows or columns of a matrix that are rows or
 * columns of the result; never along k. */
static int rows(wg_stack *s)
{
    const struct attr *t = s->attr;
    int                turned[2] = {t->ta, t->tb}, rank = wg_node_shape(s->node)->rank;
    for (int i = 0; i < 2; i++) {
        const wg_shape *x = wg_node_shape(wg_node_operand(s->node, i));
        int             axis = s->x[i].axis, own = i == 0 ? rank - 2 : rank - 1;
        if (axis < 0) continue;
        bool in_matrix = axis >= x->rank - 2, is_k = (axis == x->rank - 1) == (i == (turned[i] != 0));
        if (in_matrix && is_k) return 0;
        int to = in_matrix ? own : axis + rank - x->rank;
        if (s->y->axis >= 0 && (s->y->axis != to || s->y->each != s->x[i].each)) return 0;
        *s->y = (wg_rows){to, s->x[i].each};
    }
    for (int i = 0; i < 2 && s->y->axis >= 0 && s->y->axis < rank - 2; i++) { /* an operand without rows is broadcast */
        const wg_shape *x = wg_node_shape(wg_node_operand(s->node, i));
        int             axis = s->y->axis - (rank - x->rank);
        if (s->x[i].axis < 0 && axis >= 0 && x->dim[axis] != 1) return 0;
    }
    return 1;
}

const wg_op wg_op_matmul = {.name = "matmul",
                            .onnx = "MatMul",
                            .doc = "y = op(a) op(b) over the last two axes, op a transpose where ta or tb is set",
                            .arity = 2,
                            .dtypes = WG_DTYPE_REALS,
                            .domain = WG_DOMAIN_ANY,
                            .attr_size = sizeof(struct attr),
                            .fields = fields,
                            .infer = infer,
                            .cpu = cpu,
                            .grad = grad,
                            .flops = flops,
                            .to_onnx = onnx,
                            .rows = rows};

wg_node *wg_matmul_t(wg_node *x, wg_node *y, int tx, int ty)
{
    return wg_apply(&wg_op_matmul, 2, (wg_node *[]){x, y}, &(struct attr){!!tx, !!ty});
}
wg_node *wg_matmul(wg_node *x, wg_node *y) { return wg_matmul_t(x, y, 0, 0); }
