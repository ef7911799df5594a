/* Matrix products by cuBLASLt.
 *
 * cuBLAS reads matrices by columns.  A row-major c = op(a) op(b) is, by
 * columns, its transpose: c' = op(b)' op(a)'; and a row-major b [k,n] read by
 * columns is b' [n,k] already.  So b comes first, and no operand is turned that
 * was not turned before.
 *
 * Descriptors and the algorithm are found once, when a tape is built; a run
 * only asks for the products.  What cuBLAS names it may still refuse, so each
 * plan is rehearsed when it is made: a candidate that is refused gives way to
 * the next, a product with an epilogue to one without, and a fast product of
 * f32 to an exact one. */
#include <string.h>

#include "cuda/product/products.h"

size_t wg__cuda_workspace(const struct wg__device *d) { return (size_t)(d->major >= 9 ? 32 : 8) << 20; }

/* count products, each operand so many elements after the one before. */
struct batch {
    int64_t count, a, b, c;
};

static cudaDataType type_of(const struct wg__gemm *g) { return g->dtype == WG_F64 ? CUDA_R_64F : CUDA_R_32F; }

/* ---- Descriptors ---- */

static cublasStatus_t layout(cublasLtMatrixLayout_t *l, cudaDataType type, int64_t rows, int64_t cols, int64_t count,
                             int64_t step)
{
    int32_t n = (int32_t)count;
    if (n != count) return CUBLAS_STATUS_NOT_SUPPORTED;
    cublasStatus_t s = cublasLtMatrixLayoutCreate(l, type, (uint64_t)rows, (uint64_t)cols, rows);
    if (s) {
        *l = NULL;
        return s;
    }
    if (count == 1) return CUBLAS_STATUS_SUCCESS;
    s = cublasLtMatrixLayoutSetAttribute(*l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &n, sizeof n);
    return s ? s
             : cublasLtMatrixLayoutSetAttribute(*l, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &step, sizeof step);
}

static cublasStatus_t make_layouts(struct wg__cuda_product_plan *p, const struct batch *n)
{
    const struct wg__gemm *g = &p->g;
    cudaDataType           type = type_of(g);
    cublasStatus_t         s = layout(&p->a, type, g->tb ? g->k : g->n, g->tb ? g->n : g->k, n->count, n->b);
    if (!s) s = layout(&p->b, type, g->ta ? g->m : g->k, g->ta ? g->k : g->m, n->count, n->a);
    return s ? s : layout(&p->c, type, g->n, g->m, n->count, n->c);
}

/* What is set of a descriptor: a value, or the end. */
struct attribute {
    int         which;
    const void *value;
    size_t      size;
};

static cublasStatus_t set_epilogue(cublasLtMatmulDesc_t desc, const struct wg__cuda_epilogue *e)
{
    uint32_t               kind = (uint32_t)e->kind;
    const struct attribute set[] = {{CUBLASLT_MATMUL_DESC_EPILOGUE, &kind, sizeof kind},
                                    {CUBLASLT_MATMUL_DESC_BIAS_POINTER, &e->bias, e->bias ? sizeof e->bias : 0},
                                    {CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, &e->aux, e->aux ? sizeof e->aux : 0},
                                    {CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, &e->aux_ld, e->aux ? sizeof e->aux_ld : 0}};
    cublasStatus_t         s = CUBLAS_STATUS_SUCCESS;
    for (size_t i = 0; i < sizeof set / sizeof *set && !s; i++)
        if (set[i].size)
            s = cublasLtMatmulDescSetAttribute(desc, (cublasLtMatmulDescAttributes_t)set[i].which, set[i].value,
                                               set[i].size);
    return s;
}

static cublasComputeType_t exact_type(const struct wg__gemm *g)
{
    return g->dtype == WG_F64 ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F;
}

/* Returns the type that a product computes in: f32 is multiplied as f32 unless the tape allows less.
 * TF32 is never taken unasked. */
static cublasComputeType_t compute_of(const wg_tape *t, const struct wg__gemm *g)
{
    static const cublasComputeType_t f32[] = {[WG_PRECISION_EXACT] = CUBLAS_COMPUTE_32F,
                                              [WG_PRECISION_TF32] = CUBLAS_COMPUTE_32F_FAST_TF32,
                                              [WG_PRECISION_BF16] = CUBLAS_COMPUTE_32F_FAST_16BF,
                                              [WG_PRECISION_FP16] = CUBLAS_COMPUTE_32F_FAST_16F};
    return g->dtype == WG_F64 ? exact_type(g) : f32[t->options.precision];
}

static cublasStatus_t make_desc(struct wg__cuda_product_plan *p, cublasComputeType_t compute,
                                const struct wg__cuda_epilogue *e)
{
    int32_t        first = p->g.tb ? CUBLAS_OP_T : CUBLAS_OP_N, second = p->g.ta ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasStatus_t s = cublasLtMatmulDescCreate(&p->desc, compute, type_of(&p->g));
    if (s) {
        p->desc = NULL;
        return s;
    }
    s = cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first);
    if (!s) s = cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second);
    return s || !e ? s : set_epilogue(p->desc, e);
}

/* ---- Algorithms ---- */

/* Returns the power of two, up to 256, that divides an address and all steps in bytes. */
static uint32_t alignment(const void *at, int64_t step, int rank, const int64_t *steps)
{
    uint64_t bits = (uintptr_t)at | (uint64_t)step | 256;
    for (int i = 0; i < rank; i++) bits |= (uint64_t)steps[i];
    return (uint32_t)(bits & -bits);
}

static cublasStatus_t make_preference(cublasLtMatmulPreference_t to, const struct wg__cuda_product_plan *p,
                                      const struct batch *n, uint64_t workspace)
{
    int64_t        size = (int64_t)wg_dtype_size(p->g.dtype), c_step = p->calls > 1 ? p->c_step : 0;
    uint32_t       a = alignment(p->g.b, n->b * size, p->rank, p->b_step);
    uint32_t       b = alignment(p->g.a, n->a * size, p->rank, p->a_step);
    uint32_t       c = alignment(p->g.c, n->c * size, 1, &c_step);
    cublasStatus_t s = CUBLAS_STATUS_SUCCESS;

    const struct attribute set[] = {{CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace},
                                    {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &a, sizeof a},
                                    {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &b, sizeof b},
                                    {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &c, sizeof c},
                                    {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &c, sizeof c}};
    for (size_t i = 0; i < sizeof set / sizeof *set && !s; i++)
        s = cublasLtMatmulPreferenceSetAttribute(to, (cublasLtMatmulPreferenceAttributes_t)set[i].which, set[i].value,
                                                 set[i].size);
    return s;
}

static cublasStatus_t run_algorithm(const struct wg__cuda_place *at, const struct wg__cuda_product_plan *p,
                                    const void *a, const void *b, void *c)
{
    float  one32 = 1, zero32 = 0;
    double one = 1, zero = 0;
    bool   f64 = p->g.dtype == WG_F64;
    return cublasLtMatmul(at->d->blas, p->desc, f64 ? (void *)&one : &one32, b, p->a, a, p->b,
                          f64 ? (void *)&zero : &zero32, c, p->c, c, p->c, &p->algo, at->workspace, at->workspace_bytes,
                          at->launch.stream);
}

/* Asks for the first of the plan's calls, whose values nobody reads: what products write is the tape's own memory, and
 * no parameter.  The runtime's note of a refusal is forgotten; what a kernel leaves behind is told where
 * products_make waits. */
static cublasStatus_t rehearse(const struct wg__cuda_place *at, const struct wg__cuda_product_plan *p)
{
    cublasStatus_t s = run_algorithm(at, p, p->g.a, p->g.b, p->g.c);
    if (s) cudaGetLastError();
    return s;
}

enum { CANDIDATES = 8 };

/* Chooses the first algorithm that cuBLAS names, whose workspace is there, and that cuBLAS does not
 * refuse when it is asked to run it. */
static cublasStatus_t choose_algorithm(const struct wg__cuda_place *at, struct wg__cuda_product_plan *p,
                                       cublasLtMatmulPreference_t by)
{
    cublasLtMatmulHeuristicResult_t best[CANDIDATES];
    int                             n = 0;
    cublasStatus_t                  s =
        cublasLtMatmulAlgoGetHeuristic(at->d->blas, p->desc, p->a, p->b, p->c, p->c, by, CANDIDATES, best, &n);
    if (s) return s;
    s = CUBLAS_STATUS_NOT_SUPPORTED;
    for (int i = 0; i < n && s; i++) {
        if (best[i].state != CUBLAS_STATUS_SUCCESS || best[i].workspaceSize > at->workspace_bytes) continue;
        p->algo = best[i].algo;
        s = rehearse(at, p);
    }
    return s;
}

static cublasStatus_t make_algorithm(const struct wg__cuda_place *at, struct wg__cuda_product_plan *p,
                                     const struct batch *n)
{
    cublasLtMatmulPreference_t by = NULL;
    cublasStatus_t             s = cublasLtMatmulPreferenceCreate(&by);
    if (s) return s;
    s = make_preference(by, p, n, at->workspace_bytes);
    if (!s) s = choose_algorithm(at, p, by);
    cublasLtMatmulPreferenceDestroy(by);
    return s;
}

/* ---- Plans ---- */

static int failed(const struct wg__cuda_place *at, const struct wg__gemm *g, cublasStatus_t s, struct wg__why *w)
{
    return wg__cuda_refuse(w, s == CUBLAS_STATUS_ALLOC_FAILED ? WG_ENOMEM : WG_EDEVICE,
                           "%s: matmul %lldx%lldx%lld of %s: cuBLAS: %s", at->d->name, (long long)g->m, (long long)g->k,
                           (long long)g->n, wg_dtype_name(g->dtype), cublasLtGetStatusString(s));
}

static void drop_descriptors(struct wg__cuda_product_plan *p)
{
    if (p->c) cublasLtMatrixLayoutDestroy(p->c);
    if (p->b) cublasLtMatrixLayoutDestroy(p->b);
    if (p->a) cublasLtMatrixLayoutDestroy(p->a);
    if (p->desc) cublasLtMatmulDescDestroy(p->desc);
    p->a = p->b = p->c = NULL;
    p->desc = NULL;
}

static cublasStatus_t plan_as(const struct wg__cuda_place *at, const struct batch *n, cublasComputeType_t compute,
                              const struct wg__cuda_epilogue *e, struct wg__cuda_product_plan *p)
{
    cublasStatus_t s = make_desc(p, compute, e);
    if (!s) s = make_layouts(p, n);
    if (!s) s = make_algorithm(at, p, n);
    if (s) drop_descriptors(p);
    return s;
}

/* Plans the product in p->g, whose leading axes are set. Where cuBLAS refuses, the plan asks for less:
 * no epilogue, then no lower precision. Short memory is no refusal: how a tape computes does not
 * depend on it. */
static int plan(const struct wg__cuda_place *at, const struct batch *n, const struct wg__cuda_epilogue *e,
                struct wg__cuda_product_plan *p, struct wg__why *w)
{
    cublasComputeType_t compute = compute_of(at->t, &p->g);
    cublasStatus_t      s = plan_as(at, n, compute, e, p);
    bool                refused = s && s != CUBLAS_STATUS_ALLOC_FAILED;
    if (refused && e) return WG_EARG;
    if (refused && compute != exact_type(&p->g)) {
        s = plan_as(at, n, exact_type(&p->g), NULL, p);
        if (!s && at->products) at->products->exact++;
    }
    if (!s) return WG_OK;
    p->calls = 0;
    return failed(at, &p->g, s, w);
}

void wg__cuda_product_plan_free(struct wg__cuda_product_plan *p)
{
    drop_descriptors(p);
    *p = (struct wg__cuda_product_plan){.calls = 0};
}

int wg__cuda_product_plan_gemm(const struct wg__cuda_place *at, const struct wg__gemm *g,
                               const struct wg__cuda_epilogue *e, struct wg__cuda_product_plan *p, struct wg__why *w)
{
    struct batch one = {.count = 1};
    *p = (struct wg__cuda_product_plan){.g = *g, .calls = 1};
    if (e && (!g->m || !g->n || !g->k)) return WG_EARG;
    if (e) p->g.c = e->to;
    if (g->k && g->m && g->n) return plan(at, &one, e, p, w);
    p->calls = 0;
    p->clear = (size_t)(g->m * g->n) * wg_dtype_size(g->dtype);
    return WG_OK;
}

/* ---- Leading axes ---- */

/* Computes the distance, in matrices, along each leading axis of y; 0 where s broadcasts. */
static void matrix_steps(const wg_shape *s, const wg_shape *y, int64_t step[WG_MAX_RANK])
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
    const wg_shape *y = &c->y->shape;
    int64_t         a[WG_MAX_RANK], b[WG_MAX_RANK];
    matrix_steps(&c->x[0].shape, y, a);
    matrix_steps(&c->x[1].shape, y, b);
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

static struct wg__gemm one_of(const wg_call *c)
{
    const int      *flag = c->attr; /* ta, tb */
    const wg_shape *a = &c->x[0].shape, *y = &c->y->shape;
    return (struct wg__gemm){.dtype = c->y->dtype,
                             .ta = flag[0],
                             .tb = flag[1],
                             .m = y->dim[y->rank - 2],
                             .n = y->dim[y->rank - 1],
                             .k = a->dim[a->rank - (flag[0] ? 2 : 1)],
                             .a = c->x[0].data,
                             .b = c->x[1].data,
                             .c = c->y->data};
}

/* Makes one product of many where all rows of a meet the same b. True if no axes are left. */
static bool merge_rows(struct wg__gemm *g, struct axes *x)
{
    if (x->n == 1 && !g->ta && x->b[0] == 0 && x->a[0] == 1) {
        g->m *= x->dim[0];
        x->n = 0;
    }
    return x->n == 0;
}

bool wg__cuda_as_gemm(const wg_call *c, struct wg__gemm *g)
{
    struct axes x = axes_of(c);
    *g = one_of(c);
    return merge_rows(g, &x);
}

int wg__cuda_product_plan_call(const struct wg__cuda_place *at, const wg_call *c, struct wg__cuda_product_plan *p,
                               struct wg__why *w)
{
    struct axes     x = axes_of(c);
    struct wg__gemm g = one_of(c);
    if (merge_rows(&g, &x)) return wg__cuda_product_plan_gemm(at, &g, NULL, p, w);
    int64_t size = (int64_t)wg_dtype_size(g.dtype), asize = g.m * g.k, bsize = g.k * g.n, csize = g.m * g.n;
    int     last = x.n - 1; /* cuBLAS's batch; the axes before it are walked here */
    *p = (struct wg__cuda_product_plan){.g = g, .rank = last, .calls = 1};
    if (!wg_count(&c->y->shape)) {
        p->calls = 0;
        return WG_OK;
    }
    if (!g.k) {
        p->calls = 0;
        p->clear = (size_t)(wg_count(&c->y->shape) * size);
        return WG_OK;
    }
    struct batch n = {x.dim[last], x.a[last] * asize, x.b[last] * bsize, csize};
    p->c_step = n.count * csize * size;
    for (int i = 0; i < last; i++) {
        p->calls *= p->dim[i] = x.dim[i];
        p->a_step[i] = x.a[i] * asize * size;
        p->b_step[i] = x.b[i] * bsize * size;
    }
    return plan(at, &n, NULL, p, w);
}

/* ---- Running ---- */

int wg__cuda_product_plan_run(const struct wg__cuda_place *at, const struct wg__cuda_product_plan *p, struct wg__why *w)
{
    cublasStatus_t s = CUBLAS_STATUS_SUCCESS;
    if (p->clear) WG__TRY(at->d, w, cudaMemsetAsync(p->g.c, 0, p->clear, at->launch.stream));
    for (int64_t o = 0; o < p->calls && !s; o++) {
        int64_t rest = o, a = 0, b = 0;
        for (int i = p->rank - 1; i >= 0; rest /= p->dim[i--]) {
            a += rest % p->dim[i] * p->a_step[i];
            b += rest % p->dim[i] * p->b_step[i];
        }
        s = run_algorithm(at, p, (const char *)p->g.a + a, (const char *)p->g.b + b, (char *)p->g.c + o * p->c_step);
    }
    return s ? failed(at, &p->g, s, w) : WG_OK;
}
