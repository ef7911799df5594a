/* elementwise.h - the rows of src/ops for one dtype; included once for each,
 * with DTYPE (f32), T (float), WIDE (what expressions compute in) and M(f)
 * defined.  Gives <row>_<dtype>_block for every row of unary.def and binary.def.
 *
 * A loop takes its expression as a function and is inlined around it. */
#define R(c) ((T)(c))
#define DIV(x, y) NAME(divide)((T)(x), (T)(y))

typedef T       NAME(unary_fn)(T x, T a);
typedef T       NAME(binary_fn)(T x, T y);
typedef uint8_t NAME(test_fn)(T x, T y);

INLINE void NAME(fill)(int64_t n, T *y, T value)
{
    if (n == 1) { /* without what a loop does before it begins */
        *y = value;
        return;
    }
    for (int64_t i = 0; i < n; i++) y[i] = value;
}

/* ---- Functions that are quicker inside of an interval ----
 *
 * exp and its like need no care for overflow there, with the same bits; sin, cos and tan are libm's outside. A block
 * whose elements are all inside takes the quick way. */

typedef T NAME(math_fn)(T x);

/* Finds the function for arguments inside of the interval. NULL: the row has one function for all. */
INLINE NAME(math_fn) * NAME(quick)(enum wg__row row)
{
    return row == WG__ROW_sin        ? MATH(sin)
           : row == WG__ROW_cos      ? MATH(cos)
           : row == WG__ROW_tan      ? MATH(tan)
           : row == WG__ROW_exp      ? MATH(exp_inside)
           : row == WG__ROW_sigmoid  ? MATH(sigmoid_inside)
           : row == WG__ROW_softplus ? MATH(softplus_inside)
           : row == WG__ROW_log      ? MATH(log_inside)
                                     : (NAME(math_fn) *)0;
}
/* Finds libm's function for arguments outside of the interval. NULL: the row's own holds everywhere. */
INLINE NAME(math_fn) * NAME(libm)(enum wg__row row)
{
    return row == WG__ROW_sin   ? LIBM(sin)
           : row == WG__ROW_cos ? LIBM(cos)
           : row == WG__ROW_tan ? LIBM(tan)
                                : (NAME(math_fn) *)0;
}
INLINE bool NAME(is_outside)(enum wg__row row, T x)
{
    if (row == WG__ROW_log) return !POSITIVE(x);
    if (NAME(libm)(row)) return BEYOND(x, TRIG_LIMIT);
    return BEYOND(x, MATH(exp_limit));
}
INLINE bool NAME(any_outside)(enum wg__row row, int64_t n, const T *x)
{
    int any = 0;
    for (int64_t i = 0; i < n; i++) any |= NAME(is_outside)(row, x[i]);
    return any;
}

INLINE void NAME(unary)(int64_t n, T *y, const T *x, unsigned once, enum wg__row row, NAME(unary_fn) * f, T a)
{
    NAME(math_fn) *quick = NAME(quick)(row), *libm = NAME(libm)(row);
    if (n == 1 || once) {
        if (n) NAME(fill)(n, y, libm && NAME(is_outside)(row, x[0]) ? libm(x[0]) : f(x[0], a));
    } else if (quick && !NAME(any_outside)(row, n, x)) {
        EACH_ALONE
        for (int64_t i = 0; i < n; i++) y[i] = quick(x[i]);
    } else if (libm) {
        for (int64_t i = 0; i < n; i++) y[i] = NAME(is_outside)(row, x[i]) ? libm(x[i]) : f(x[i], a);
    } else {
        EACH_ALONE
        for (int64_t i = 0; i < n; i++) y[i] = f(x[i], a);
    }
}

INLINE void NAME(binary)(int64_t n, T *z, const T *x, const T *y, unsigned once, NAME(binary_fn) * f)
{
    T a = n ? x[0] : 0, b = n ? y[0] : 0;
    if (n == 1 || once == 3) {
        NAME(fill)(n, z, f(a, b));
        return;
    }
    if (once == 0) {
        EACH_ALONE
        for (int64_t i = 0; i < n; i++) z[i] = f(x[i], y[i]);
    } else if (once == 1) {
        EACH_ALONE
        for (int64_t i = 0; i < n; i++) z[i] = f(a, y[i]);
    } else {
        EACH_ALONE
        for (int64_t i = 0; i < n; i++) z[i] = f(x[i], b);
    }
}

/* Computes a block as NAME(binary) does, with a result of bool. */
INLINE void NAME(test)(int64_t n, uint8_t *z, const T *x, const T *y, unsigned once, NAME(test_fn) * f)
{
    T a = n ? x[0] : 0, b = n ? y[0] : 0;
    if (n == 1 || once == 3) {
        uint8_t value = f(a, b);
        for (int64_t i = 0; i < n; i++) z[i] = value;
        return;
    }
    if (once == 0) {
        EACH_ALONE
        for (int64_t i = 0; i < n; i++) z[i] = f(x[i], y[i]);
    } else if (once == 1) {
        EACH_ALONE
        for (int64_t i = 0; i < n; i++) z[i] = f(a, y[i]);
    } else {
        EACH_ALONE
        for (int64_t i = 0; i < n; i++) z[i] = f(x[i], b);
    }
}

/* ---- where and copy ---- */

INLINE void NAME(choose)(int64_t n, T *z, const uint8_t *c, const T *x, const T *y, bool x_once, bool y_once)
{
    T a = n ? x[0] : 0, b = n ? y[0] : 0;
    EACH_ALONE
    for (int64_t i = 0; i < n; i++) {
        T p = x_once ? a : x[i], q = y_once ? b : y[i];
        z[i] = c[i] ? p : q;
    }
}
LINKAGE void BLOCK(where)(int64_t n, void *z, const void *const x[], unsigned once, const void *attr)
{
    const uint8_t *c = x[0];
    (void)attr;
    if (n && (n == 1 || once & 1)) {
        int      k = c[0] ? 1 : 2;
        const T *from = x[k];
        if (once >> k & 1) NAME(fill)(n, z, from[0]);
        else memmove(z, from, (size_t)n * sizeof(T));
        return;
    }
    switch (once >> 1) {
    case 0: NAME(choose)(n, z, c, x[1], x[2], false, false); return;
    case 1: NAME(choose)(n, z, c, x[1], x[2], true, false); return;
    case 2: NAME(choose)(n, z, c, x[1], x[2], false, true); return;
    case 3: NAME(choose)(n, z, c, x[1], x[2], true, true); return;
    }
}
LINKAGE void BLOCK(copy)(int64_t n, void *y, const void *const x[], unsigned once, const void *attr)
{
    const T *from = x[0];
    (void)attr;
    if (once && n) NAME(fill)(n, y, from[0]);
    else if (n) memmove(y, from, (size_t)n * sizeof(T));
}

/* ---- One function and one block for each row ---- */

#define ONE(row, f)               \
    INLINE T NAME(row)(T x_, T a) \
    {                             \
        WIDE x = x_;              \
        (void)x, (void)a;         \
        return (T)(f);            \
    }
#define TWO(row, result, f)             \
    INLINE result NAME(row)(T x_, T y_) \
    {                                   \
        WIDE x = x_, y = y_;            \
        (void)x, (void)y;               \
        return (result)(f);             \
    }

#define U(row, f, ...)                                                                                  \
    ONE(row_##row, f)                                                                                   \
    LINKAGE void BLOCK(row)(int64_t n, void *y, const void *const x[], unsigned once, const void *attr) \
    {                                                                                                   \
        (void)attr;                                                                                     \
        NAME(unary)(n, y, x[0], once, WG__ROW_##row, NAME(row_##row), 0);                               \
    }
#define UA(row, f, ...)                                                                                 \
    ONE(row_##row, f)                                                                                   \
    LINKAGE void BLOCK(row)(int64_t n, void *y, const void *const x[], unsigned once, const void *attr) \
    {                                                                                                   \
        NAME(unary)(n, y, x[0], once, WG__ROW_##row, NAME(row_##row), (T) * (const double *)attr);      \
    }
#include "ops/unary.def"

#define B(row, f, ...)                                                                                  \
    TWO(row_##row, T, f)                                                                                \
    LINKAGE void BLOCK(row)(int64_t n, void *y, const void *const x[], unsigned once, const void *attr) \
    {                                                                                                   \
        (void)attr;                                                                                     \
        NAME(binary)(n, y, x[0], x[1], once, NAME(row_##row));                                          \
    }
#define C(row, f, ...)                                                                                  \
    TWO(row_##row, uint8_t, f)                                                                          \
    LINKAGE void BLOCK(row)(int64_t n, void *y, const void *const x[], unsigned once, const void *attr) \
    {                                                                                                   \
        (void)attr;                                                                                     \
        NAME(test)(n, y, x[0], x[1], once, NAME(row_##row));                                            \
    }
#define L(row, f, ...) LOGIC(C, row, f)
#include "ops/binary.def"

#undef U
#undef UA
#undef B
#undef C
#undef L
#undef ONE
#undef TWO

#if defined(CHAINED)
#include "cpu/kernels/chain.h"
#undef CHAINED
#endif

#undef R
#undef DIV
#undef DTYPE
#undef T
#undef WIDE
#undef M
#undef BLOCK
#undef LINKAGE
#undef LOGIC
#undef LIBM
#undef MATH
#undef BEYOND
#undef POSITIVE
