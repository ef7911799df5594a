/* The table of a level, and the elementwise functions of integers and bool. */
#include "cpu/kernels/kernel_impl.h"

/* ---- Integers and bool ---- */

INLINE int32_t divide_i32(int32_t x, int32_t y) { return y == 0 ? 0 : (int32_t)(x / (int64_t)y); }
INLINE int64_t divide_i64(int64_t x, int64_t y) { return y == 0 ? 0 : y == -1 ? (int64_t)(0 - (uint64_t)x) : x / y; }
INLINE uint8_t divide_u8(uint8_t x, uint8_t y) { return y == 0 ? 0 : x / y; }
INLINE uint8_t divide_b8(uint8_t x, uint8_t y) { return y && x; }

/* Rows for reals only are parsed here, and dropped: their masks keep them out of the table. */
#define REAL_ONLY(...) 1

#define M(f) REAL_ONLY
#define LIBM(name) (NAME(math_fn) *)0
#define MATH(f) (NAME(math_fn) *)0
#define BEYOND(x, limit) ((void)(x), false)
#define POSITIVE(x) ((void)(x), false)
#define LOGIC(kind, row, f)
#define LINKAGE static inline
#define BLOCK(row) NAME(row##_block)
#define DTYPE i32
#define T int32_t
#define WIDE int64_t
#include "cpu/kernels/elementwise.h"

#define M(f) REAL_ONLY
#define LIBM(name) (NAME(math_fn) *)0
#define MATH(f) (NAME(math_fn) *)0
#define BEYOND(x, limit) ((void)(x), false)
#define POSITIVE(x) ((void)(x), false)
#define LOGIC(kind, row, f)
#define LINKAGE static inline
#define BLOCK(row) NAME(row##_block)
#define DTYPE i64
#define T int64_t
#define WIDE wide128
#include "cpu/kernels/elementwise.h"

#define M(f) REAL_ONLY
#define LIBM(name) (NAME(math_fn) *)0
#define MATH(f) (NAME(math_fn) *)0
#define BEYOND(x, limit) ((void)(x), false)
#define POSITIVE(x) ((void)(x), false)
#define LOGIC(kind, row, f)
#define LINKAGE static inline
#define BLOCK(row) NAME(row##_block)
#define DTYPE u8
#define T uint8_t
#define WIDE int
#include "cpu/kernels/elementwise.h"

#define M(f) REAL_ONLY
#define LIBM(name) (NAME(math_fn) *)0
#define MATH(f) (NAME(math_fn) *)0
#define BEYOND(x, limit) ((void)(x), false)
#define POSITIVE(x) ((void)(x), false)
#define LOGIC(kind, row, f) kind(row, f, )
#define LINKAGE static inline
#define BLOCK(row) NAME(row##_block)
#define DTYPE b8
#define T uint8_t
#define WIDE int
#include "cpu/kernels/elementwise.h"

static void not_block(int64_t n, void *y_, const void *const x_[], unsigned once, const void *attr)
{
    uint8_t       *y = y_;
    const uint8_t *x = x_[0];
    (void)attr;
    if (once && n) {
        fill_b8(n, y, !x[0]);
        return;
    }
    EACH_ALONE
    for (int64_t i = 0; i < n; i++) y[i] = !x[i];
}

/* ---- The table ---- */

#define DECLARE(row) extern wg_block LEVEL(wg__##row##_f32), LEVEL(wg__##row##_f64);
#include "cpu/kernels/declare.h"

#define X(from, to) extern wg_block LEVEL(wg__cast_##from##_##to);
CAST_MAP(X)
#undef X

#define X(kind, dtype)                                                                             \
    extern void LEVEL(wg__rows_##kind##_##dtype)(int64_t rows, int64_t n, const void *x, void *y); \
    extern void LEVEL(wg__cols_##kind##_##dtype)(int64_t rows, int64_t n, int64_t stride, const void *x, void *y);
REDUCE_MAP(X)
#undef X

#define X(name)                                                                           \
    extern void LEVEL(wg__##name##_f32)(int64_t rows, int64_t n, const void *x, void *y); \
    extern void LEVEL(wg__##name##_f64)(int64_t rows, int64_t n, const void *x, void *y);
SOFTMAX_MAP(X)
#undef X
extern void LEVEL(wg__logsumexp_cols_f32)(int64_t rows, int64_t n, int64_t stride, const void *x, void *y);
extern void LEVEL(wg__logsumexp_cols_f64)(int64_t rows, int64_t n, int64_t stride, const void *x, void *y);

#define X(name)                                                             \
    extern void LEVEL(wg__chain_##name##_f32)(int64_t n, void *const at[]); \
    extern void LEVEL(wg__chain_##name##_f64)(int64_t n, void *const at[]);
WG__CHAIN_MAP(X)
#undef X

extern void LEVEL(wg__uniform_f32)(RANDOM_ARGUMENTS, double lo, double hi, void *y);
extern void LEVEL(wg__uniform_f64)(RANDOM_ARGUMENTS, double lo, double hi, void *y);
extern void LEVEL(wg__normal_f32)(RANDOM_ARGUMENTS, double mean, double sd, void *y);
extern void LEVEL(wg__normal_f64)(RANDOM_ARGUMENTS, double mean, double sd, void *y);
extern void LEVEL(wg__mask_f32)(RANDOM_ARGUMENTS, double p, void *y);
extern void LEVEL(wg__mask_f64)(RANDOM_ARGUMENTS, double p, void *y);

extern void LEVEL(wg__repeat)(size_t size, int64_t m, int64_t step, int64_t c, const void *x, void *y);

extern void LEVEL(wg__gemm_f32)(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1);
extern void LEVEL(wg__gemm_f64)(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1);
extern void LEVEL(wg__gemm_pack_f32)(const struct wg__gemm *g, void *packed);
extern void LEVEL(wg__gemm_pack_f64)(const struct wg__gemm *g, void *packed);

#define FOR(dtypes, t, f) ((dtypes)&WG_DTYPE_BIT(t) ? f : NULL)
#define COLUMNS(row, dtypes)                                        \
    [WG__ROW_##row] =                                               \
        {                                                           \
            [WG_F32] = FOR(dtypes, WG_F32, LEVEL(wg__##row##_f32)), \
            [WG_F64] = FOR(dtypes, WG_F64, LEVEL(wg__##row##_f64)), \
            [WG_I32] = FOR(dtypes, WG_I32, row##_block_i32),        \
            [WG_I64] = FOR(dtypes, WG_I64, row##_block_i64),        \
            [WG_U8] = FOR(dtypes, WG_U8, row##_block_u8),           \
            [WG_BOOL] = FOR(dtypes, WG_BOOL, row##_block_b8),       \
    },

const struct wg__kernels LEVEL(wg__kernels) = {
#define NAME_OF_(level) #level
#define NAME_OF(level) NAME_OF_(level)
    .level = NAME_OF(WG__LEVEL),
    .elementwise =
        {
#define U(row, f, dx, dtypes, ...) COLUMNS(row, dtypes)
#define UA(row, f, dx, dtypes, ...) COLUMNS(row, dtypes)
#include "ops/unary.def"
#undef U
#undef UA
#define B(row, f, dx, dy, dtypes, ...) COLUMNS(row, dtypes)
#define C(row, ...) COLUMNS(row, WG_DTYPE_ALL)
#define L(row, ...) [WG__ROW_##row] = {[WG_BOOL] = row##_block_b8},
#include "ops/binary.def"
#undef B
#undef C
#undef L
            [WG__ROW_not] = {[WG_BOOL] = not_block}, COLUMNS(where, WG_DTYPE_ALL) COLUMNS(copy, WG_DTYPE_ALL)},
    .chain =
        {
#define X(name) [WG__CHAIN_##name##_] = {LEVEL(wg__chain_##name##_f32), LEVEL(wg__chain_##name##_f64)},
            WG__CHAIN_MAP(X)
#undef X
        },
    .cast =
        {
#define X(from, to) [WG_##from][WG_##to] = LEVEL(wg__cast_##from##_##to),
            CAST_MAP(X)
#undef X
        },
    .reduce_rows =
        {
#define X(kind, dtype) [WG__##kind][WG_##dtype] = LEVEL(wg__rows_##kind##_##dtype),
            REDUCE_MAP(X)
#undef X
        },
    .reduce_cols =
        {
#define X(kind, dtype) [WG__##kind][WG_##dtype] = LEVEL(wg__cols_##kind##_##dtype),
            REDUCE_MAP(X)
#undef X
        },
#define X(name) .name = {LEVEL(wg__##name##_f32), LEVEL(wg__##name##_f64)},
    SOFTMAX_MAP(X)
#undef X
        .uniform = {LEVEL(wg__uniform_f32), LEVEL(wg__uniform_f64)},
    .normal = {LEVEL(wg__normal_f32), LEVEL(wg__normal_f64)},
    .repeat = LEVEL(wg__repeat),
    .logsumexp_cols = {LEVEL(wg__logsumexp_cols_f32), LEVEL(wg__logsumexp_cols_f64)},
    .mask = {LEVEL(wg__mask_f32), LEVEL(wg__mask_f64)},
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    .gemm = {LEVEL(wg__gemm_f32), LEVEL(wg__gemm_f64)},
    .gemm_pack = {LEVEL(wg__gemm_pack_f32), LEVEL(wg__gemm_pack_f64)},
#endif
};
