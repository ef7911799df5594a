/* dtype_rows.h - the rows of src/ops for one dtype on CUDA; included once for each,
 * with T (f32) and ID (WG_F32) defined, and M(f).
 *
 * Gives row_<row>_<T> for one element, and for groups of four apply_<T>, whose
 * result is of the same dtype, and test_<T>, whose result is bool.  Both turn
 * the number of a row into its function; rows that T does not have do nothing.
 * cast_<T> turns a group into another dtype. */
#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(f) JOIN(f, T)
#define WIDE NAME(wide)
#define R(c) ((T)(c))
#define DIV(x, y) NAME(divide)((T)(x), (T)(y))

#define ONE(row, parameter, f)                    \
    DEVICE T NAME(row_##row)(WIDE x, T parameter) \
    {                                             \
        (void)x;                                  \
        return (T)(f);                            \
    }
#define TWO(row, result, f)                       \
    DEVICE result NAME(row_##row)(WIDE x, WIDE y) \
    {                                             \
        (void)x, (void)y;                         \
        return (result)(f);                       \
    }

#define U(row, f, ...) ONE(row, , f)
#define UA(row, f, ...) ONE(row, a, f)
#include "ops/unary.def"
#undef U
#undef UA
#define B(row, f, ...) TWO(row, T, f)
#define C(row, f, ...) TWO(row, b8, f)
#define L(row, f, ...) TWO(row, b8, f)
#include "ops/binary.def"
#undef B
#undef C
#undef L
#undef ONE
#undef TWO

#define CASE(row, dtypes, value)                              \
    case WG__CUDA_##row:                                      \
        if ((dtypes)&WG_DTYPE_BIT(ID)) { EACH z[j] = value; } \
        return;

DEVICE void NAME(apply)(int row, f64 parameter, const T *x, const T *y, T *z)
{
    T a = (T)parameter;
    switch (row) {
#define U(row, f, dx, dtypes, ...) CASE(row, dtypes, NAME(row_##row)(x[j], a))
#define UA(row, f, dx, dtypes, ...) CASE(row, dtypes, NAME(row_##row)(x[j], a))
#include "ops/unary.def"
#undef U
#undef UA
#define B(row, f, dx, dy, dtypes, ...) CASE(row, dtypes, NAME(row_##row)(x[j], y[j]))
#define C(row, ...)
#define L(row, ...)
#include "ops/binary.def"
#undef B
#undef C
#undef L
        CASE(copy, WG_DTYPE_ALL, x[j])
    }
}

DEVICE void NAME(test)(int row, const T *x, const T *y, b8 *z)
{
    switch (row) {
#define B(row, ...)
#define C(row, ...) CASE(row, WG_DTYPE_ALL, NAME(row_##row)(x[j], y[j]))
#define L(row, ...) CASE(row, WG_DTYPE_BIT(WG_BOOL), NAME(row_##row)(x[j], y[j]))
#include "ops/binary.def"
#undef B
#undef C
#undef L
        CASE(not, WG_DTYPE_BIT(WG_BOOL), !x[j])
    }
}

DEVICE void NAME(cast)(int to, const T *x, void *z)
{
    switch (to) {
#define X(to, id) \
    case id: EACH((to *)z)[j] = JOIN(T, to_##to)(x[j]); return;
        WG__CUDA_DTYPES(X)
#undef X
    }
}

#undef CASE
#undef DIV
#undef R
#undef WIDE
#undef NAME
#undef JOIN
#undef JOIN_
#undef M
#undef ID
#undef T
