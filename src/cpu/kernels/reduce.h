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
/* Folds rows of n elements, n a constant that is less than the lanes: in the order of NAME(fold_row). */
INLINE void NAME(fold_short)(int64_t rows, int64_t n, const T *x, T *y, T start, NAME(fold_fn) * f)
{
    for (int64_t r = 0; r < rows; r++) {
        T all = start;
        for (int64_t i = 0; i < n; i++) all = f(all, x[r * n + i]);
        y[r] = all;
    }
}
INLINE void NAME(fold_rows)(int64_t rows, int64_t n, const T *x, T *y, T start, NAME(fold_fn) * f)
{
    if (n == 2) NAME(fold_short)(rows, 2, x, y, start, f);
    else if (n == 3) NAME(fold_short)(rows, 3, x, y, start, f);
    else if (n == 4) NAME(fold_short)(rows, 4, x, y, start, f);
    else
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
INLINE void NAME(fold_wide)(int64_t rows, int64_t n, int64_t stride, const T *x, T *y, NAME(fold_fn) * f)
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

/* Folds rows of few columns that lie side by side: first rows that are together THIN elements wide, element by element,
 * then these among each other, then the rows that are left over. */
INLINE void NAME(fold_cols)(int64_t rows, int64_t n, int64_t stride, const T *x, T *y, NAME(fold_fn) * f)
{
    enum { THIN = 64 };
    int64_t together = n > 0 && n <= THIN / 4 && stride == n ? THIN / n : 0, m = together * n,
            wide = m ? rows / together : 0;
    if (wide < 2) {
        NAME(fold_wide)(rows, n, stride, x, y, f);
        return;
    }
    T all[THIN];
    for (int64_t j = 0; j < m; j++) all[j] = x[j];
    NAME(fold_wide)(wide - 1, m, m, x + m, all, f);
    NAME(fold_wide)(together, n, n, all, y, f);
    NAME(fold_wide)(rows - wide * together, n, n, x + wide * m, y, f);
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
