/* cublas.cc - cuBLASLt's products by OpenBLAS, in their stream's turn.
 *
 * Checked here, as there is no device that would: sizes of attributes, shapes
 * that agree, leading dimensions, one type throughout, alignments promised and
 * kept, an epilogue that the type has, and what it reads and writes on the
 * device.  What becomes of the elements is in epilogue.cc. */
#include <atomic>
#include <cblas.h>
#include <cstring>
#include <vector>

#include "cublas.h"

struct cublasLtContext {
    int open;
};
struct cublasLtMatmulPreference {
    uint64_t workspace;
    uint32_t alignment[4];
};

static cublasStatus_t refuse(const char *what)
{
    shim::complain(std::string("cublasLt: ") + what);
    return CUBLAS_STATUS_INVALID_VALUE;
}
static std::atomic<long> left; /* objects that were not destroyed */
long                     wg_shim_cublas_left(void) { return left; }

/* A call that a test may make fail. */
static bool fails() { return shim::call(true, cudaErrorMemoryAllocation).error != cudaSuccess; }

const char *cublasLtGetStatusString(cublasStatus_t s)
{
    switch (s) {
    case CUBLAS_STATUS_SUCCESS: return "success";
    case CUBLAS_STATUS_ALLOC_FAILED: return "the resource allocation failed";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "the product failed";
    case CUBLAS_STATUS_INTERNAL_ERROR: return "an internal operation failed";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "the requested functionality is not supported";
    default: return "an invalid value was passed";
    }
}

template <class T> static cublasStatus_t make(T **to, const T &from)
{
    if (fails()) return cudaGetLastError(), CUBLAS_STATUS_ALLOC_FAILED;
    *to = new T(from);
    left++;
    return CUBLAS_STATUS_SUCCESS;
}
template <class T> static cublasStatus_t destroy(T *p)
{
    if (!p) return refuse("nothing to destroy");
    left--;
    delete p;
    return CUBLAS_STATUS_SUCCESS;
}
template <class T> static cublasStatus_t put(T *to, const void *value, size_t bytes)
{
    if (bytes != sizeof *to) return refuse("an attribute of another size");
    memcpy(to, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *h) { return make(h, cublasLtContext{1}); }
cublasStatus_t cublasLtDestroy(cublasLtHandle_t h) { return destroy(h); }

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *d, cublasComputeType_t compute, cudaDataType scale)
{
    return make(d,
                cublasLtMatmulDesc{compute, scale, CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, NULL, NULL, 0});
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d) { return destroy(d); }
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t which,
                                              const void *value, size_t bytes)
{
    switch (which) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return put(&d->ta, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB: return put(&d->tb, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE: {
        cublasStatus_t s = put(&d->epilogue, value, bytes);
        return s ? s : shim::refusal(WG_SHIM_DESCRIPTOR, *d, 0, false);
    }
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return put(&d->bias, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER: return put(&d->aux, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD: return put(&d->aux_ld, value, bytes);
    }
    return refuse("no such attribute of a product");
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *l, cudaDataType type, uint64_t rows, uint64_t cols,
                                          int64_t ld)
{
    if (!rows || !cols || ld < (int64_t)rows)
        return refuse("a matrix without elements, or rows beyond its leading dimension");
    return make(l, cublasLtMatrixLayout{type, (int64_t)rows, (int64_t)cols, ld, 0, 1});
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l) { return destroy(l); }
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t l, cublasLtMatrixLayoutAttribute_t which,
                                                const void *value, size_t bytes)
{
    if (which == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT) return put(&l->count, value, bytes);
    if (which == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET) return put(&l->step, value, bytes);
    return refuse("no such attribute of a matrix");
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p)
{
    return make(p, cublasLtMatmulPreference{0, {256, 256, 256, 256}});
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) { return destroy(p); }
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t           p,
                                                    cublasLtMatmulPreferenceAttributes_t which, const void *value,
                                                    size_t bytes)
{
    if (which == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return put(&p->workspace, value, bytes);
    int i = which - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
    return i >= 0 && i < 4 ? put(&p->alignment[i], value, bytes) : refuse("no such preference");
}

/* ---- Products ---- */

static bool agree(cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c)
{
    int64_t m = d->ta ? a->cols : a->rows, k = d->ta ? a->rows : a->cols;
    int64_t l = d->tb ? b->cols : b->rows, n = d->tb ? b->rows : b->cols;
    bool    types = a->type == b->type && b->type == c->type && d->scale == c->type;
    bool    compute = (d->compute == CUBLAS_COMPUTE_64F) == (c->type == CUDA_R_64F);
    return types && compute && k == l && c->rows == m && c->cols == n && a->count == b->count && b->count == c->count;
}

/* As cuBLASLt 13.3 is known to fail. */
static bool capture_somewhere()
{
    std::lock_guard<std::recursive_mutex> held(shim::lock);
    return shim::forbidden();
}

/* The preference travels in the algorithm: what was promised is checked when it
 * runs.  The first candidate says that it is none. */
enum { OFFERED = 0x5eed };
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t h, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a,
                                              cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                                              cublasLtMatrixLayout_t to, cublasLtMatmulPreference_t p, int wanted,
                                              cublasLtMatmulHeuristicResult_t *result, int *found)
{
    *found = 0;
    if (!h || wanted < 1 || c != to) return refuse("cublasLtMatmulAlgoGetHeuristic");
    if (!agree(d, a, b, c)) return refuse("shapes or types that do not agree");
    if (const char *why = shim::epilogue_wrong(*d, *c)) return refuse(why);
    if (fails()) return cudaGetLastError(), CUBLAS_STATUS_ALLOC_FAILED;
    if (capture_somewhere()) {
        shim::complain("cublasLt: a heuristic is asked while a stream is capturing");
        return CUBLAS_STATUS_INTERNAL_ERROR;
    }
    if (!shim::epilogue_supported(*d, *c)) return CUBLAS_STATUS_NOT_SUPPORTED;
    if (cublasStatus_t s = shim::refusal(WG_SHIM_HEURISTIC, *d, 0, false)) return s;
    for (; *found < wanted && *found < 3; ++*found) {
        cublasLtMatmulHeuristicResult_t r = {};
        r.state = *found ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
        r.workspaceSize = *found ? p->workspace : 0;
        r.algo.data[0] = p->workspace;
        for (int i = 0; i < 4; i++) r.algo.data[1 + i] = p->alignment[i];
        r.algo.data[5] = *found ? OFFERED : 0;
        r.algo.data[6] = (uint64_t)(*found - 1);
        if (*found) r.state = shim::refusal(WG_SHIM_CHECK, *d, *found - 1, false);
        result[*found] = r;
    }
    return CUBLAS_STATUS_SUCCESS;
}

/* The elements of an operand as tensor cores read them. */
static std::vector<float> rounded(const float *x, const cublasLtMatrixLayout &l, cublasComputeType_t compute)
{
    std::vector<float> y((size_t)(l.ld * (l.cols - 1) + l.rows));
    for (size_t i = 0; i < y.size(); i++) y[i] = shim::rounded(x[i], compute);
    return y;
}

static void multiply(const cublasLtMatmulDesc &d, const cublasLtMatrixLayout &la, const cublasLtMatrixLayout &lb,
                     const cublasLtMatrixLayout &lc, const void *a, const void *b, void *c)
{
    CBLAS_TRANSPOSE ta = d.ta ? CblasTrans : CblasNoTrans, tb = d.tb ? CblasTrans : CblasNoTrans;
    int             m = (int)lc.rows, n = (int)lc.cols, k = (int)(d.ta ? la.rows : la.cols);
    for (int32_t i = 0; i < lc.count; i++) {
        if (lc.type == CUDA_R_64F) {
            cblas_dgemm(CblasColMajor, ta, tb, m, n, k, 1, (const double *)a + i * la.step, (int)la.ld,
                        (const double *)b + i * lb.step, (int)lb.ld, 0, (double *)c + i * lc.step, (int)lc.ld);
            continue;
        }
        const float       *x = (const float *)a + i * la.step, *y = (const float *)b + i * lb.step;
        float             *z = (float *)c + i * lc.step;
        std::vector<float> u = rounded(x, la, d.compute), v = rounded(y, lb, d.compute);
        cblas_sgemm(CblasColMajor, ta, tb, m, n, k, 1, u.data(), (int)la.ld, v.data(), (int)lb.ld, 0, z, (int)lc.ld);
        shim::epilogue(d, la, lb, lc, x, y, z);
    }
}

static bool aligned(const cublasLtMatmulAlgo_t *algo, int operand, const void *p, const cublasLtMatrixLayout &l)
{
    uint64_t n = algo->data[1 + operand], size = l.type == CUDA_R_64F ? 8 : 4;
    return (uintptr_t)p % n == 0 && (uint64_t)l.step * size % n == 0;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t h, cublasLtMatmulDesc_t d, const void *alpha, const void *a,
                              cublasLtMatrixLayout_t la, const void *b, cublasLtMatrixLayout_t lb, const void *beta,
                              const void *c, cublasLtMatrixLayout_t lc, void *to, cublasLtMatrixLayout_t lto,
                              const cublasLtMatmulAlgo_t *algo, void *workspace, size_t bytes, cudaStream_t s)
{
    bool f64 = lto->type == CUDA_R_64F;
    if (!h || lc != lto || c != to || !agree(d, la, lb, lto)) return refuse("shapes or types that do not agree");
    if (f64 ? *(const double *)alpha != 1 || *(const double *)beta != 0
            : *(const float *)alpha != 1 || *(const float *)beta != 0)
        return refuse("only 1 and 0 are known here");
    if (!aligned(algo, 0, a, *la) || !aligned(algo, 1, b, *lb) || !aligned(algo, 3, to, *lto))
        return refuse("less aligned than was promised");
    if (algo->data[0] > bytes || (algo->data[0] && !shim::is_device(workspace)))
        return refuse("less workspace than was promised");
    if (algo->data[5] != OFFERED) return refuse("an algorithm that was not offered");
    if (const char *why = shim::epilogue_wrong(*d, *lto)) return refuse(why);
    if (!shim::is_device(a) || !shim::is_device(b) || !shim::is_device(to)) return refuse("operands on the host");
    if (fails()) return cudaGetLastError(), CUBLAS_STATUS_EXECUTION_FAILED;
    if (cublasStatus_t refused = shim::refusal(WG_SHIM_PRODUCT, *d, (int)algo->data[6], shim::capturing(s)))
        return refused;
    cublasLtMatmulDesc   desc = *d;
    cublasLtMatrixLayout x = *la, y = *lb, z = *lto;
    if (shim::capturing(s)) shim::epilogue_count(desc.epilogue);
    shim::enqueue(s, "cublasLtMatmul", [=]() {
        shim::opened door;
        multiply(desc, x, y, z, a, b, to);
    });
    return CUBLAS_STATUS_SUCCESS;
}
