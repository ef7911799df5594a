/* cublas.h - what cublas.cc and epilogue.cc share, and what a test asks of them. */
#ifndef WENGERT_TESTS_CUDA_CUBLAS_H
#define WENGERT_TESTS_CUDA_CUBLAS_H

#include "cuda_host/cublasLt.h"
#include "cuda_host/inside.h"

struct cublasLtMatmulDesc {
    cublasComputeType_t compute;
    cudaDataType        scale;
    int32_t             ta, tb, epilogue;
    void               *bias, *aux;
    int64_t             aux_ld;
};
struct cublasLtMatrixLayout {
    cudaDataType type;
    int64_t      rows, cols, ld, step;
    int32_t      count;
};

namespace shim
{

/* What is wrong with the epilogue of a product, or NULL. */
const char *epilogue_wrong(const cublasLtMatmulDesc &d, const cublasLtMatrixLayout &c);
bool        epilogue_supported(const cublasLtMatmulDesc &d, const cublasLtMatrixLayout &c);
void        epilogue_count(int kind);
/* What a test has cuBLAS answer at a place (enum of wg_shim_refusal) for that product; candidate: its number. */
cublasStatus_t refusal(int at, const cublasLtMatmulDesc &d, int candidate, bool capturing);
/* What it does to c, the product of a and b, by columns. */
void epilogue(const cublasLtMatmulDesc &d, const cublasLtMatrixLayout &la, const cublasLtMatrixLayout &lb,
              const cublasLtMatrixLayout &lc, const float *a, const float *b, float *c);
/* x as an operand of a product in that mode. */
float rounded(float x, cublasComputeType_t compute);

} // namespace shim

extern "C" {
/* Products captured with that epilogue since the last question. */
long wg_shim_epilogues(int kind);
/* From now on epilogues with any of these bits are not supported; 0: all are. */
void wg_shim_refuse_epilogues(int bits);
/* Objects of cuBLAS that are still there. */
long wg_shim_cublas_left(void);
}

#endif
