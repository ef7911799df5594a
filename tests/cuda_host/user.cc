/* user.cc - a kernel as a program would bring it for an operator of its own (tests/cuda/tape/test_user.c):
 * y[0] = x s, y[1] = x + run, with the attribute s. */
#include <stdint.h>

#include <cuda_runtime.h>

#include <wengert/graph_op.h>

static __global__ void scale_and_shift(int64_t n, float s, const uint64_t *run, const float *x, float *y, float *z)
{
    for (int64_t i = (int64_t)blockIdx.x * 64 + threadIdx.x; i < n; i += (int64_t)gridDim.x * 64) {
        y[i] = x[i] * s;
        z[i] = x[i] + (float)*run;
    }
}

extern "C" __attribute__((visibility("default"))) int wg_test_user_cuda(const wg_cuda_call *c);
extern "C" int                                        wg_test_user_cuda(const wg_cuda_call *c)
{
    const wg_call *k = c->call;
    int64_t        n = wg_count(&k->x[0].shape);
    if (n == 0) return 0;
    WG_LAUNCH(scale_and_shift, (unsigned)((n + 63) / 64), 64, 0, (cudaStream_t)c->stream)
    (n, *(const float *)k->attr, c->run, (const float *)k->x[0].data, (float *)k->y[0].data, (float *)k->y[1].data);
    return (int)cudaGetLastError();
}
