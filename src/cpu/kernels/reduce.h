/* reduce.h - reductions of one dtype; included once for each by kernel_reduce.c
 * with DTYPE, T, LEAST, MOST and WRAPPING (the type whose overflow is defined).
 *
 * A row is added up in a fixed number of lanes, then lane by lane, so the
 * result depends on its length and values, never on where it lies. */
typedef T NAME(fold_fn)(T a, T b);

INLINE T NAME(sum2)(T a, T b) { return (T)((WRAPPING)a + (WRAPPING)b); }
INLINE T NAME(prod2)(T a, T b) { return (T)((WRAPPING)a * (WRAPPING)b); }
INLINE T NAME(high2)(T a, T b) { return b > a ? b : a; }
INLINE T NAME(low2)(T a, T b) { return b < a ? b : a; }
/* Gives the larger or smaller of a and b, or the NaN among them. */
INLINE T NAME(max2)(T a, T b) { return ((b > a) | NOT_A_NUMBER(b)) ? b : a; }
INLINE T NAME(min2)(T a, T b) { return ((b < a) | NOT_A_NUMBER(b)) ? b : a; }

INLINE T NAME(fold_row)(int64_t n, const T *x, T start, NAME(fold_fn) * f)
{
    enum { LANES = 128 / sizeof(T) };
    T       lane[LANES], y = start;
    int64_t i = 0;
    if (n >= LANES) {
        for (int l = 0; l < LANES; l++) lane[l] = x[l];
        for (i = LANES; i + LANES <= n; i += LANES)
            for (int l = 0; l < LANES; l++) lane[l] = f(lane[l], x[i + l]);
        for (int half = LANES / 2; half > 0; half /= 2)
            for (int l = 0; l < half; l++) lane[l] = f(lane[l], lane[l + half]);
        y = f(y, lane[0]);
    }
    for (; i < n; i++) y = f(y, x[i]);
    return y;
}
INLINE void NAME(fold_rows)(int64_t rows, int64_t n, const T *x, T *y, T start, NAME(fold_fn) * f)
{
    for (int64_t r = 0; r < rows; r++) y[r] = NAME(fold_row)(n, x + r * n, start, f);
}

INLINE bool NAME(any_nan)(int64_t n, const T *x)
{
    int any = 0;
    for (int64_t i = 0; i < n; i++) any |= NOT_A_NUMBER(x[i]);
    return any;
}
/* Finds the largest or smallest element of each row. high2 and low2 are quick and skip NaN, so a row that has a NaN is
 * set to NaN afterwards. What counts as zero becomes zero. */
INLINE void NAME(extreme_rows)(int64_t rows, int64_t n, const T *x, T *y, T start, NAME(fold_fn) * f)
{
    NAME(fold_rows)(rows, n, x, y, start, f);
    for (int64_t r = 0; r < rows; r++) y[r] = y[r] == 0 ? NAME(sum2)(y[r], y[r]) : y[r];
    if (!NAME(any_nan)(rows * n, x)) return;
    for (int64_t i = 0; i < rows * n; i++)
        if (NOT_A_NUMBER(x[i])) y[i / n] = x[i];
}

/* Folds rows into y, four at a time, in order: y is read and written once for the four. */
INLINE void NAME(fold_cols)(int64_t rows, int64_t n, int64_t stride, const T *x, T *y, NAME(fold_fn) * f)
{
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) {
        const T *a = x + r * stride, *b = a + stride, *c = b + stride, *d = c + stride;
        EACH_ALONE
        for (int64_t j = 0; j < n; j++) y[j] = f(f(f(f(y[j], a[j]), b[j]), c[j]), d[j]);
    }
    for (; r < rows; r++) {
        const T *a = x + r * stride;
        EACH_ALONE
        for (int64_t j = 0; j < n; j++) y[j] = f(y[j], a[j]);
    }
}

#define ROWS(kind) LEVEL(NAME(wg__rows_##kind))
#define COLS(kind) LEVEL(NAME(wg__cols_##kind))
#define REDUCTION(kind, start, along, f, g)                                                                          \
    void ROWS(kind)(int64_t rows, int64_t n, const void *x, void *y);                                                \
    void COLS(kind)(int64_t rows, int64_t n, int64_t stride, const void *x, void *y);                                \
    void ROWS(kind)(int64_t rows, int64_t n, const void *x, void *y) { NAME(along)(rows, n, x, y, start, NAME(f)); } \
    void COLS(kind)(int64_t rows, int64_t n, int64_t stride, const void *x, void *y)                                 \
    {                                                                                                                \
        NAME(fold_cols)(rows, n, stride, x, y, NAME(g));                                                             \
    }
REDUCTION(SUM, 0, fold_rows, sum2, sum2)
REDUCTION(PROD, 1, fold_rows, prod2, prod2)
REDUCTION(MAX, LEAST, extreme_rows, high2, max2)
REDUCTION(MIN, MOST, extreme_rows, low2, min2)

#undef REDUCTION
#undef ROWS
#undef COLS
#undef DTYPE
#undef T
#undef LEAST
#undef MOST
#undef WRAPPING
#undef NOT_A_NUMBER
