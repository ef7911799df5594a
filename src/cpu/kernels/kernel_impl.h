/* kernel_impl.h - names by level and dtype, shared by the kernel sources.
 *
 * A kernel source is compiled once for each level, with WG__LEVEL its name; what the source exports ends in that name.
 * NAME(f) is f_<dtype>, where DTYPE is defined. */
#ifndef WENGERT_CPU_KERNEL_H
#define WENGERT_CPU_KERNEL_H

#include "cpu/cpu.h"
#include "cpu/math/math.h"

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define LEVEL(name) JOIN(name, WG__LEVEL)
#define NAME(name) JOIN(name, DTYPE)

/* y may be the very memory of an operand, never a shifted part of it, so the
 * loop after this has no dependence from one element to the next. */
#if defined(__clang__)
/* Integer division has no vector form: a loop may stay as it is. */
#pragma clang diagnostic ignored "-Wpass-failed"
#define EACH_ALONE _Pragma("clang loop vectorize(assume_safety) interleave(enable)")
#else
#define EACH_ALONE _Pragma("GCC ivdep")
#endif

/* Integers are computed one size wider and cut, so that they wrap. */
__extension__ typedef __int128 wide128;

/* ---- What goes into the table, by name ---- */

#define CAST_MAP(X) CAST_TO(X, F32) CAST_TO(X, F64) CAST_TO(X, I32) CAST_TO(X, I64) CAST_TO(X, U8) CAST_TO(X, BOOL)
#define CAST_TO(X, to) X(F32, to) X(F64, to) X(I32, to) X(I64, to) X(U8, to) X(BOOL, to)

#define REDUCE_MAP(X) REDUCE_KINDS(X, F32) REDUCE_KINDS(X, F64) REDUCE_KINDS(X, I32) REDUCE_KINDS(X, I64)
#define REDUCE_KINDS(X, dtype) X(SUM, dtype) X(PROD, dtype) X(MAX, dtype) X(MIN, dtype)

#define SOFTMAX_MAP(X) X(softmax) X(log_softmax) X(logsumexp)

#define RANDOM_ARGUMENTS uint64_t seed, uint64_t stream, uint64_t run, int64_t first, int64_t n

#endif
