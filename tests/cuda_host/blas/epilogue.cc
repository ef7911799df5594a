/* epilogue.cc - what cuBLASLt does to a product on the way to memory, element by
 * element as its documentation has it, and what tensor cores do to operands.
 *
 * Where that leaves something open a test chooses: as the CPU does, which is
 * that relu keeps NaN, a bit of its mask says y > 0, and tanh is exact; or not. */
#include <cmath>
#include <cstring>
#include <map>

#include "cublas.h"

enum { RELU = 2, BIAS = 4, DRELU = 8, BGRAD = 16, GELU = 32, DGELU = 64, AUX = 128, BGRADA = 256, BGRADB = 512 };

/* ---- For tests ---- */

static std::map<int, long> asked;
static int                 refused;

void shim::epilogue_count(int kind) { asked[kind]++; }
long wg_shim_epilogues(int kind)
{
    long n = asked[kind];
    asked[kind] = 0;
    return n;
}
void wg_shim_refuse_epilogues(int bits) { refused = bits; }

static int answers;
void       wg_shim_answers(int bits) { answers = bits; }

static wg_shim_refusal refused_now;
void                   wg_shim_refuse(const wg_shim_refusal *r) { refused_now = *r; }

cublasStatus_t shim::refusal(int at, const cublasLtMatmulDesc &d, int candidate, bool capturing)
{
    const wg_shim_refusal &r = refused_now;
    bool                   fast = d.compute != CUBLAS_COMPUTE_32F && d.compute != CUBLAS_COMPUTE_64F;
    if (r.at != at || (r.epilogues && !(d.epilogue & r.epilogues)) || (r.fast && !fast)) return CUBLAS_STATUS_SUCCESS;
    if ((r.candidates && candidate >= r.candidates) || (r.capturing && !capturing)) return CUBLAS_STATUS_SUCCESS;
    return (cublasStatus_t)r.status;
}

/* ---- Checks ---- */

static bool is_known(int kind)
{
    static const int all[] = {
        CUBLASLT_EPILOGUE_DEFAULT,      CUBLASLT_EPILOGUE_RELU,          CUBLASLT_EPILOGUE_BIAS,
        CUBLASLT_EPILOGUE_GELU,         CUBLASLT_EPILOGUE_RELU_BIAS,     CUBLASLT_EPILOGUE_GELU_BIAS,
        CUBLASLT_EPILOGUE_RELU_AUX,     CUBLASLT_EPILOGUE_RELU_AUX_BIAS, CUBLASLT_EPILOGUE_GELU_AUX,
        CUBLASLT_EPILOGUE_DRELU,        CUBLASLT_EPILOGUE_DRELU_BGRAD,   CUBLASLT_EPILOGUE_DGELU,
        CUBLASLT_EPILOGUE_BGRADA,       CUBLASLT_EPILOGUE_DGELU_BGRAD,   CUBLASLT_EPILOGUE_BGRADB,
        CUBLASLT_EPILOGUE_GELU_AUX_BIAS};
    for (int k : all)
        if (k == kind) return true;
    return false;
}

const char *shim::epilogue_wrong(const cublasLtMatmulDesc &d, const cublasLtMatrixLayout &c)
{
    int kind = d.epilogue;
    if (!is_known(kind)) return "no such epilogue";
    if (kind & (BIAS | BGRAD | BGRADA | BGRADB) && !is_device(d.bias)) return "bias that is not on the device";
    if (kind != CUBLASLT_EPILOGUE_DEFAULT && c.count != 1) return "an epilogue of a batch has steps, unknown here";
    if (kind & BGRADA && d.ta) return "a sum of a first operand that is turned";
    if (kind & BGRADB && !d.tb) return "a sum of a second operand that is not turned";
    if (!(kind & AUX)) return NULL;
    if (!is_device(d.aux)) return "an auxiliary buffer that is not on the device";
    if (d.aux_ld < c.rows) return "an auxiliary leading dimension less than the rows";
    if (d.aux_ld % (kind & (RELU | DRELU) ? 128 : 8)) return "an auxiliary leading dimension that is no multiple";
    return NULL;
}

bool shim::epilogue_supported(const cublasLtMatmulDesc &d, const cublasLtMatrixLayout &c)
{
    return d.epilogue == CUBLASLT_EPILOGUE_DEFAULT || (c.type == CUDA_R_32F && !(d.epilogue & refused));
}

/* ---- Elements ---- */

static const double ROOT = 0.79788456080286541, CUBIC = 0.044715;

static float shorter(float x, int bits);

static double tanh_of(double x)
{
    double t = tanh(x);
    return answers & WG_SHIM_ROUGH_TANH ? (double)shorter((float)t, 10) : t;
}
static double gelu(double x)
{
    if (answers & WG_SHIM_GELU_LOSES_NAN && x != x) return 0;
    return x / 2 * (1 + tanh_of(ROOT * (x + CUBIC * x * x * x)));
}
static double gelu_slope(double x)
{
    double t = tanh_of(ROOT * (x + CUBIC * x * x * x));
    return (1 + t) / 2 + x / 2 * (1 - t * t) * ROOT * (1 + 3 * CUBIC * x * x);
}

/* Element i of column j of the product. */
static float element(const cublasLtMatmulDesc &d, int64_t i, int64_t j, float v)
{
    int      kind = d.epilogue;
    uint8_t *bits = (uint8_t *)d.aux + (kind & AUX ? j * (d.aux_ld / 8) + i / 8 : 0), bit = (uint8_t)(1 << i % 8);
    float   *argument = (float *)d.aux + (kind & AUX ? j * d.aux_ld + i : 0);
    if (kind & BIAS) v += ((const float *)d.bias)[i];
    if (kind & GELU && kind & AUX) *argument = v;
    if (kind & GELU) v = (float)gelu(v);
    bool above = answers & WG_SHIM_ZERO_HAS_A_SIGN ? !(v < 0) : v > 0;
    if (kind & RELU) v = answers & WG_SHIM_RELU_LOSES_NAN ? fmaxf(v, 0) : v < 0 ? 0 : v;
    if (kind & RELU && kind & AUX) *bits = (uint8_t)(above ? *bits | bit : *bits & ~bit);
    if (kind & DRELU) v = *bits & bit ? v : 0;
    if (kind & DGELU) v = (float)(v * gelu_slope(*argument));
    return v;
}

/* The sums of rows of op(x), [count, k] by columns. */
static void sums(const float *x, const cublasLtMatrixLayout &l, bool turned, float *y)
{
    int64_t count = turned ? l.cols : l.rows, k = turned ? l.rows : l.cols;
    for (int64_t i = 0; i < count; i++) {
        double sum = 0;
        for (int64_t j = 0; j < k; j++) sum += turned ? x[i * l.ld + j] : x[j * l.ld + i];
        y[i] = (float)sum;
    }
}

void shim::epilogue(const cublasLtMatmulDesc &d, const cublasLtMatrixLayout &la, const cublasLtMatrixLayout &lb,
                    const cublasLtMatrixLayout &lc, const float *a, const float *b, float *c)
{
    if (d.epilogue == CUBLASLT_EPILOGUE_DEFAULT) return;
    for (int64_t j = 0; j < lc.cols; j++)
        for (int64_t i = 0; i < lc.rows; i++) c[j * lc.ld + i] = element(d, i, j, c[j * lc.ld + i]);
    if (d.epilogue & BGRAD) sums(c, lc, false, (float *)d.bias);
    if (d.epilogue & BGRADA) sums(a, la, d.ta, (float *)d.bias);
    if (d.epilogue & BGRADB) sums(b, lb, !d.tb, (float *)d.bias);
}

/* ---- Tensor cores ---- */

/* To nearest, ties to even, of so many bits of fraction. */
static float shorter(float x, int bits)
{
    uint32_t u, cut = 23 - (uint32_t)bits;
    memcpy(&u, &x, sizeof u);
    if (!std::isfinite(x)) return x;
    u += (1u << (cut - 1)) - 1 + (u >> cut & 1);
    u &= ~0u << cut;
    memcpy(&x, &u, sizeof u);
    return x;
}

static float half(float x)
{
    if (std::fabs(x) < 0x1p-14f) return std::rint(x * 0x1p24f) * 0x1p-24f;
    float y = shorter(x, 10);
    return std::fabs(y) < 0x1p16f || !std::isfinite(x) ? y : std::copysign(INFINITY, x);
}

float shim::rounded(float x, cublasComputeType_t compute)
{
    switch (compute) {
    case CUBLAS_COMPUTE_32F_FAST_TF32: return shorter(x, 10);
    case CUBLAS_COMPUTE_32F_FAST_16BF: return shorter(x, 7);
    case CUBLAS_COMPUTE_32F_FAST_16F: return half(x);
    default: return x;
    }
}
