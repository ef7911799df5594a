/* move.cuh - operators of wg__cuda_shape_ops that are in pad.cu. */
#ifndef WENGERT_CUDA_MOVE_CUH
#define WENGERT_CUDA_MOVE_CUH

#include "cuda/kernels/block.cuh"

cudaError_t wg__cuda_pad(const struct wg__cuda_launch *l);
cudaError_t wg__cuda_concat(const struct wg__cuda_launch *l);
cudaError_t wg__cuda_size(const struct wg__cuda_launch *l);
cudaError_t wg__cuda_iota(const struct wg__cuda_launch *l);

#endif
