/* Matrix products by cuBLASLt.
 *
 * cuBLAS reads matrices by columns.  A row-major c = op(a) op(b) is, by
 * columns, its transpose: c' = op(b)' op(a)'; and a row-major b [k,n] read by
 * columns is b' [n,k] already.  So b comes first, and no operand is turned that
 * was not turned before. */
#include <string.h>

#include "cuda/program.h"

size_t wg__cuda_workspace(const struct wg__device *d) { return (size_t)(d->major >= 9 ? 32 : 8) << 20; }

/* count products, each operand so many elements after the one before. */
struct batch {
    int64_t count, a, b, c;
};

/* What one product needs of cuBLAS; all NULL at first, released in one place. */
struct plan {
    cublasLtMatmulDesc_t       desc;
    cublasLtMatrixLayout_t     a, b, c; /* first and second operand as cuBLAS sees them: b, a */
    cublasLtMatmulPreference_t preference;
};

static cudaDataType type_of(const struct wg__gemm *g) { return g->dtype == WG_F64 ? CUDA_R_64F : CUDA_R_32F; }

static cublasStatus_t layout(cublasLtMatrixLayout_t *l, cudaDataType type, int64_t rows, int64_t cols, int64_t count,
                             int64_t step)
{
    int32_t        n = (int32_t)count;
    cublasStatus_t s = cublasLtMatrixLayoutCreate(l, type, (uint64_t)rows, (uint64_t)cols, rows);
    if (s || count == 1) return s;
    s = cublasLtMatrixLayoutSetAttribute(*l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &n, sizeof n);
    return s ? s
             : cublasLtMatrixLayoutSetAttribute(*l, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &step, sizeof step);
}

static cublasStatus_t make_layouts(struct plan *p, const struct wg__gemm *g, const struct batch *n)
{
    cudaDataType   type = type_of(g);
    cublasStatus_t s = layout(&p->a, type, g->tb ? g->k : g->n, g->tb ? g->n : g->k, n->count, n->b);
    if (!s) s = layout(&p->b, type, g->ta ? g->m : g->k, g->ta ? g->k : g->m, n->count, n->a);
    return s ? s : layout(&p->c, type, g->n, g->m, n->count, n->c);
}

static cublasStatus_t set_epilogue(struct plan *p, const struct wg__cuda_epilogue *e)
{
    cublasLtEpilogue_t kind =
        e->bias ? e->relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_RELU;
    cublasStatus_t s = cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &kind, sizeof kind);
    if (s || !e->bias) return s;
    return cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &e->bias, sizeof e->bias);
}

static cublasStatus_t make_desc(struct plan *p, const struct wg__gemm *g, const struct wg__cuda_epilogue *e)
{
    cublasComputeType_t compute = g->dtype == WG_F64 ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F; /* TF32 never */
    cublasOperation_t   first = g->tb ? CUBLAS_OP_T : CUBLAS_OP_N, second = g->ta ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasStatus_t      s = cublasLtMatmulDescCreate(&p->desc, compute, type_of(g));
    if (!s) s = cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first);
    if (!s) s = cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second);
    return s || !e ? s : set_epilogue(p, e);
}

/* The power of two, up to 256, that divides an address and a step in bytes. */
static uint32_t alignment(const void *at, int64_t step)
{
    uint32_t n = 256;
    while (n > 1 && (((uintptr_t)at | (uintptr_t)step) & (n - 1))) n /= 2;
    return n;
}

static cublasStatus_t make_preference(struct plan *p, const struct wg__gemm *g, const struct batch *n, void *to,
                                      size_t workspace)
{
    int64_t  size = (int64_t)wg_dtype_size(g->dtype);
    uint32_t a = alignment(g->b, n->b * size), b = alignment(g->a, n->a * size), c = alignment(to, n->c * size);
    const struct {
        cublasLtMatmulPreferenceAttributes_t which;
        const void                          *value;
        size_t                               size;
    } set[] = {{CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace},
               {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &a, sizeof a},
               {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &b, sizeof b},
               {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &c, sizeof c},
               {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &c, sizeof c}};
    cublasStatus_t s = cublasLtMatmulPreferenceCreate(&p->preference);
    for (size_t i = 0; i < sizeof set / sizeof *set && !s; i++)
        s = cublasLtMatmulPreferenceSetAttribute(p->preference, set[i].which, set[i].value, set[i].size);
    return s;
}

static void free_plan(struct plan *p)
{
    if (p->preference) cublasLtMatmulPreferenceDestroy(p->preference);
    if (p->c) cublasLtMatrixLayoutDestroy(p->c);
    if (p->b) cublasLtMatrixLayoutDestroy(p->b);
    if (p->a) cublasLtMatrixLayoutDestroy(p->a);
    if (p->desc) cublasLtMatmulDescDestroy(p->desc);
}

static cublasStatus_t run(const struct wg__cuda_place *at, const struct plan *p, const struct wg__gemm *g, void *to)
{
    cublasLtMatmulHeuristicResult_t best;
    int                             found = 0;
    float                           one32 = 1, zero32 = 0;
    double                          one = 1, zero = 0;
    bool                            f64 = g->dtype == WG_F64;
    cublasStatus_t                  s =
        cublasLtMatmulAlgoGetHeuristic(at->d->blas, p->desc, p->a, p->b, p->c, p->c, p->preference, 1, &best, &found);
    if (s || !found) return s ? s : CUBLAS_STATUS_NOT_SUPPORTED;
    return cublasLtMatmul(at->d->blas, p->desc, f64 ? (void *)&one : &one32, g->b, p->a, g->a, p->b,
                          f64 ? (void *)&zero : &zero32, to, p->c, to, p->c, &best.algo, at->workspace,
                          at->workspace_bytes, at->launch.stream);
}

static int multiply(const struct wg__cuda_place *at, const struct wg__gemm *g, const struct batch *n,
                    const struct wg__cuda_epilogue *e, struct wg__why *w)
{
    struct plan    p = {0};
    void          *to = e ? e->to : g->c;
    cublasStatus_t s = make_desc(&p, g, e);
    if (!s) s = make_layouts(&p, g, n);
    if (!s) s = make_preference(&p, g, n, to, at->workspace_bytes);
    if (!s) s = run(at, &p, g, to);
    free_plan(&p);
    if (!s) return WG_OK;
    if (s == CUBLAS_STATUS_NOT_SUPPORTED && e) return WG_EARG;
    return wg__cuda_refuse(w, s == CUBLAS_STATUS_ALLOC_FAILED ? WG_ENOMEM : WG_EDEVICE,
                           "%s: matmul %lldx%lldx%lld: cuBLAS: %s", at->d->name, (long long)g->m, (long long)g->k,
                           (long long)g->n, cublasLtGetStatusString(s));
}

static int clear(const struct wg__cuda_place *at, void *to, size_t bytes, struct wg__why *w)
{
    WG__TRY(at->d, w, cudaMemsetAsync(to, 0, bytes, at->launch.stream));
    return WG_OK;
}

int wg__cuda_gemm(const struct wg__cuda_place *at, const struct wg__gemm *g, const struct wg__cuda_epilogue *e,
                  struct wg__why *w)
{
    struct batch one = {.count = 1};
    if (!g->m || !g->n) return WG_OK;
    if (g->k) return multiply(at, g, &one, e, w);
    return e ? WG_EARG : clear(at, g->c, (size_t)(g->m * g->n) * wg_dtype_size(g->dtype), w);
}

/* ---- Leading axes ---- */

/* Matrices from one to the next along each leading axis of y; 0 where s broadcasts. */
static void steps(const wg_shape *s, const wg_shape *y, int64_t step[WG_MAX_RANK])
{
    int64_t n = 1;
    for (int i = 1; i <= y->rank - 2; i++) {
        int64_t d = i <= s->rank - 2 ? s->dim[s->rank - 2 - i] : 1;
        step[y->rank - 2 - i] = d == 1 ? 0 : n;
        n *= d;
    }
}

/* The leading axes with steps of both operands: neighbours that both walk alike are one axis. */
struct axes {
    int     n;
    int64_t dim[WG_MAX_RANK], a[WG_MAX_RANK], b[WG_MAX_RANK];
};
static struct axes axes_of(const wg_call *c)
{
    struct axes     x = {0};
    const wg_shape *y = &c->y.shape;
    int64_t         a[WG_MAX_RANK], b[WG_MAX_RANK];
    steps(&c->x[0].shape, y, a);
    steps(&c->x[1].shape, y, b);
    for (int i = 0; i < y->rank - 2; i++) {
        int64_t d = y->dim[i];
        if (d == 1) continue;
        int k = x.n - 1;
        if (k >= 0 && x.a[k] == a[i] * d && x.b[k] == b[i] * d) x.dim[k] *= d;
        else x.dim[k = x.n++] = d;
        x.a[k] = a[i];
        x.b[k] = b[i];
    }
    return x;
}

/* The last of the axes is cuBLAS's batch, the others are walked here. */
static int walk(const struct wg__cuda_place *at, struct wg__gemm g, const struct axes *x, struct wg__why *w)
{
    size_t       size = wg_dtype_size(g.dtype);
    int64_t      asize = g.m * g.k, bsize = g.k * g.n, csize = g.m * g.n, outer = 1;
    int          last = x->n - 1, status = WG_OK;
    struct batch n = {.count = 1};
    if (last >= 0) n = (struct batch){x->dim[last], x->a[last] * asize, x->b[last] * bsize, csize};
    for (int i = 0; i < last; i++) outer *= x->dim[i];
    for (int64_t o = 0; o < outer && !status; o++) {
        struct wg__gemm one = g;
        int64_t         rest = o, ia = 0, ib = 0;
        for (int i = last - 1; i >= 0; rest /= x->dim[i--]) {
            ia += rest % x->dim[i] * x->a[i];
            ib += rest % x->dim[i] * x->b[i];
        }
        one.a = (const char *)g.a + (size_t)(ia * asize) * size;
        one.b = (const char *)g.b + (size_t)(ib * bsize) * size;
        one.c = (char *)g.c + (size_t)(o * n.count * csize) * size;
        status = multiply(at, &one, &n, NULL, w);
    }
    return status;
}

int wg__cuda_matmul(const struct wg__cuda_place *at, const wg_call *c, struct wg__why *w)
{
    const int      *flag = c->attr; /* ta, tb */
    const wg_shape *a = &c->x[0].shape, *y = &c->y.shape;
    struct wg__gemm g = {.dtype = c->y.dtype,
                         .ta = flag[0],
                         .tb = flag[1],
                         .m = y->dim[y->rank - 2],
                         .n = y->dim[y->rank - 1],
                         .k = a->dim[a->rank - (flag[0] ? 2 : 1)],
                         .a = c->x[0].data,
                         .b = c->x[1].data,
                         .c = c->y.data};
    int64_t         count = wg_count(y);
    if (!count) return WG_OK;
    if (!g.k) return clear(at, g.c, (size_t)count * wg_dtype_size(g.dtype), w);
    struct axes x = axes_of(c);
    bool        tall = x.n == 1 && !g.ta && x.b[0] == 0 && x.a[0] == 1; /* one b for all rows: one product */
    if (tall) g.m *= x.dim[0], x.n = 0;
    return walk(at, g, &x, w);
}
