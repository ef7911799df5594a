/* softmax.h - for one real dtype; included twice by kernel_softmax.c with
 * DTYPE, T, M, SUM_ROWS, MAX_ROWS, SUM_COLS and MAX_COLS.
 *
 * As many rows as fill a block go through each pass together, so that short
 * rows are as quick as long ones; a long row is summed block by block. */
void SUM_ROWS(int64_t rows, int64_t n, const void *x, void *y);
void MAX_ROWS(int64_t rows, int64_t n, const void *x, void *y);
void SUM_COLS(int64_t rows, int64_t n, int64_t stride, const void *x, void *y);
void MAX_COLS(int64_t rows, int64_t n, int64_t stride, const void *x, void *y);

/* Gives the shift of a row whose largest element is m: 0 where m is infinite, so that e^(x - shift) is 0 or infinite
 * and the shift makes no NaN. */
INLINE T NAME(shift)(T m) { return fabs_f64((double)m) == (double)INFINITY ? 0 : m; }

INLINE void NAME(exp_block)(int64_t n, T *y)
{
    int outside = 0;
    for (int64_t i = 0; i < n; i++) outside |= M(fabs)(y[i]) > M(exp_limit);
    if (outside) {
        EACH_ALONE
        for (int64_t i = 0; i < n; i++) y[i] = M(exp)(y[i]);
        return;
    }
    EACH_ALONE
    for (int64_t i = 0; i < n; i++) y[i] = M(exp_inside)(y[i]);
}
INLINE void NAME(subtract)(int64_t n, const T *x, T m, T *y)
{
    EACH_ALONE
    for (int64_t i = 0; i < n; i++) y[i] = x[i] - m;
}

/* Computes m[r], the largest, and s[r] = sum_j e^(x_j - m[r]) of a few rows (rows n <= WG__BLOCK, or one row). */
static void NAME(row_sums)(int64_t rows, int64_t n, const T *x, T *m, T *s)
{
    T e[WG__BLOCK], part;
    MAX_ROWS(rows, n, x, m);
    if (n <= WG__BLOCK) {
        for (int64_t r = 0; r < rows; r++) NAME(subtract)(n, x + r * n, NAME(shift)(m[r]), e + r * n);
        NAME(exp_block)(rows * n, e);
        SUM_ROWS(rows, n, e, s);
        return;
    }
    s[0] = 0;
    for (int64_t i = 0, k; i < n; i += k) {
        k = n - i < WG__BLOCK ? n - i : WG__BLOCK;
        NAME(subtract)(k, x + i, NAME(shift)(m[0]), e);
        NAME(exp_block)(k, e);
        SUM_ROWS(1, k, e, &part);
        s[0] += part;
    }
}

static void NAME(softmax_rows)(int64_t rows, int64_t n, const T *x, T *y)
{
    T m[WG__BLOCK], s[WG__BLOCK];
    MAX_ROWS(rows, n, x, m);
    for (int64_t r = 0; r < rows; r++) NAME(subtract)(n, x + r * n, m[r], y + r * n);
    NAME(exp_block)(rows * n, y);
    SUM_ROWS(rows, n, y, s);
    for (int64_t r = 0; r < rows; r++) {
        T *row = y + r * n, scale = 1 / s[r];
        for (int64_t i = 0; i < n; i++) row[i] *= scale;
    }
}
static void NAME(log_softmax_rows)(int64_t rows, int64_t n, const T *x, T *y)
{
    T m[WG__BLOCK], s[WG__BLOCK];
    NAME(row_sums)(rows, n, x, m, s);
    for (int64_t r = 0; r < rows; r++) {
        const T *from = x + r * n;
        T       *to = y + r * n, high = m[r], low = M(log)(s[r]);
        EACH_ALONE
        for (int64_t i = 0; i < n; i++) to[i] = (from[i] - high) - low;
    }
}
static void NAME(logsumexp_rows)(int64_t rows, int64_t n, const T *x, T *y)
{
    T m[WG__BLOCK], s[WG__BLOCK];
    NAME(row_sums)(rows, n, x, m, s);
    for (int64_t r = 0; r < rows; r++) y[r] = NAME(shift)(m[r]) + M(log)(s[r]);
}

/* Computes y[j] = log sum exp of column j of `rows` > 0 rows, j < n <= WG__COLUMNS. Sums of as many rows as fill a
 * block are added up in double. */
static void NAME(logsumexp_cols)(int64_t rows, int64_t n, int64_t stride, const T *x, T *y)
{
    T       e[WG__BLOCK], shift[WG__BLOCK], m[WG__COLUMNS], part[WG__COLUMNS];
    double  sum[WG__COLUMNS] = {0};
    int64_t most = WG__BLOCK / n;
    memcpy(m, x, (size_t)n * sizeof(T));
    MAX_COLS(rows - 1, n, stride, x + stride, m);
    for (int64_t i = 0; i < most * n; i++) shift[i] = i < n ? NAME(shift)(m[i]) : shift[i - n];
    for (int64_t r = 0, k; r < rows; r += k) {
        k = rows - r < most ? rows - r : most;
        if (stride == n) {
            EACH_ALONE
            for (int64_t i = 0; i < k * n; i++) e[i] = x[r * n + i] - shift[i];
        } else {
            for (int64_t i = 0; i < k; i++)
                for (int64_t j = 0; j < n; j++) e[i * n + j] = x[(r + i) * stride + j] - shift[j];
        }
        NAME(exp_block)(k * n, e);
        memcpy(part, e, (size_t)n * sizeof(T));
        SUM_COLS(k - 1, n, n, e + n, part);
        for (int64_t j = 0; j < n; j++) sum[j] += (double)part[j];
    }
    for (int64_t j = 0; j < n; j++) y[j] = shift[j] + M(log)((T)sum[j]);
}

/* Calls body for as many rows at a time as fill a block; y advances by `width` elements a row. */
INLINE void NAME(by_block)(int64_t rows, int64_t n, const T *x, T *y, int64_t width,
                           void (*body)(int64_t rows, int64_t n, const T *x, T *y))
{
    int64_t step = n == 0 ? WG__BLOCK : n < WG__BLOCK ? WG__BLOCK / n : 1;
    for (int64_t r = 0; r < rows; r += step) body(rows - r < step ? rows - r : step, n, x + r * n, y + r * width);
}

#define FUNCTION(name) LEVEL(NAME(wg__##name))
#define SOFTMAX(name, width)                                              \
    void FUNCTION(name)(int64_t rows, int64_t n, const void *x, void *y); \
    void FUNCTION(name)(int64_t rows, int64_t n, const void *x, void *y)  \
    {                                                                     \
        NAME(by_block)(rows, n, x, y, width, NAME(name##_rows));          \
    }
SOFTMAX(softmax, n)
SOFTMAX(log_softmax, n)
SOFTMAX(logsumexp, 1)

void FUNCTION(logsumexp_cols)(int64_t rows, int64_t n, int64_t stride, const void *x, void *y);
void FUNCTION(logsumexp_cols)(int64_t rows, int64_t n, int64_t stride, const void *x, void *y)
{
    NAME(logsumexp_cols)(rows, n, stride, x, y);
}

#undef FUNCTION
#undef SOFTMAX
#undef DTYPE
#undef T
#undef M
#undef SUM_ROWS
#undef MAX_ROWS
#undef SUM_COLS
#undef MAX_COLS
