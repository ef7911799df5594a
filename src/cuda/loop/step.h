/* step.h - any elementwise step on CUDA, by its number: for kernels that are compiled before a loop is
 * known. */
#ifndef WENGERT_CUDA_STEP_H
#define WENGERT_CUDA_STEP_H

#include "cuda/loop/cuda_loop.h"
#include "cuda/loop/loop_device.h"

#define T f32
#define ID WG_F32
#define M(f) f##_f32
#include "cuda/loop/dtype_rows.h"

#define T f64
#define ID WG_F64
#define M(f) f##_f64
#include "cuda/loop/dtype_rows.h"

/* Rows for reals only are parsed here, and dropped. */
#define REAL_ONLY(...) 1

#define T i32
#define ID WG_I32
#define M(f) REAL_ONLY
#include "cuda/loop/dtype_rows.h"

#define T i64
#define ID WG_I64
#define M(f) REAL_ONLY
#include "cuda/loop/dtype_rows.h"

#define T u8
#define ID WG_U8
#define M(f) REAL_ONLY
#include "cuda/loop/dtype_rows.h"

#define T b8
#define ID WG_BOOL
#define M(f) REAL_ONLY
#include "cuda/loop/dtype_rows.h"

/* What a kernel knows of the operands beside their pointers. */
struct wg_loop_forms {
    int           rank;
    unsigned char form[WG__CUDA_INPUTS]; /* enum wg__cuda_form */
};

/* Returns the place in input i of element f of the domain. */
DEVICE i64 place(const wg_loop_args &a, int rank, int i, i64 f)
{
    i64 at = 0;
    for (int d = rank - 1; d > 0; d--) {
        i64 c = split(f, a.dim[d]);
        at += c * a.stride[i][d];
    }
    return at + f * a.stride[i][0];
}

/* Loads elements f..f+n-1 of input i; the rest of the four is 0. */
template <class T> DEVICE group<T> fetch(const wg_loop_args &a, const wg_loop_forms &k, int i, i64 f, int n)
{
    group<T> x;
    if (k.form[i] == WG__CUDA_ONE) return load4<T>(a.in[i], 0, 0);
    if (a.vector && n == 4) {
        if (k.form[i] == WG__CUDA_DENSE) return load4<T>(a.in[i], f);
        i64 at = place(a, k.rank, i, f), stride = a.stride[i][k.rank - 1];
        return stride == 1 ? load4<T>(a.in[i], at) : load4<T>(a.in[i], at, stride);
    }
    EACH
    {
        x.v[j] = 0;
        if (j < n) x.v[j] = load<T>(a.in[i], k.form[i] == WG__CUDA_DENSE ? f + j : place(a, k.rank, i, f + j));
    }
    return x;
}

#endif
