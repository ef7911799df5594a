/* few_rows.h - pieces of a product with few rows; a part of kernel_gemm.c.
 *
 * A copy of op(b) that few rows share costs more than it saves: columns of b are read where they are, as many side by
 * side as sums fit into the registers, from the first row of b to the last.  The chains are those of the tiles, and so
 * the bits.  Of a transposed b as many columns as a vector has are turned in registers, four rows of op(b) at a time.
 */
#ifndef WENGERT_CPU_FEW_ROWS_H
#define WENGERT_CPU_FEW_ROWS_H

enum { FEW = ROWS == 12 ? 8 : 3, FEW_TURNED = 8, MOST_BESIDE = 8 };

struct strip {
    const float *a; /* op(a)[i][p] is a[i * row + p * step] */
    int64_t      row, step;
    const float *b; /* b[p * b_row + j] */
    int64_t      b_row, k;
    float       *c;
    int64_t      c_row;
    some         cols; /* of the last vector */
};

/* Makes rows x beside vectors of c, of which the last has `cols` columns where it is cut. */
static inline __attribute__((always_inline)) void run_strip(const struct strip *s, int rows, int beside, bool cut)
{
    vec          sum[MOST_BESIDE][MOST_BESIDE];
    some         cols = s->cols;
    const float *a = s->a, *b = s->b;
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < beside; v++) sum[i][v] = all(0);
    for (int64_t p = 0; p < s->k; p++, a += s->step, b += s->b_row) {
        vec x[MOST_BESIDE];
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) x[i] = all(a[i * s->row]);
#pragma GCC unroll 8
        for (int v = 0; v < beside; v++) {
            vec y = cut && v == beside - 1 ? load_some(b + v * LANES, cols) : load(b + v * LANES);
#pragma GCC unroll 8
            for (int i = 0; i < rows; i++) sum[i][v] = multiply_add(x[i], y, sum[i][v]);
        }
    }
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < beside; v++) {
            float *c = s->c + i * s->c_row + v * LANES;
            if (cut && v == beside - 1) store_some(c, cols, sum[i][v]);
            else store(c, sum[i][v]);
        }
}

/* The most vectors beside each other for so many rows: enough to keep the CPU busy, and registers are left for a row of
 * b. */
#if defined(__AVX512F__)
#define STRIPS(X) X(1, 8) X(2, 8) X(3, 8) X(4, 4)
enum { STRIP_ROWS = 4 };
#else
#define STRIPS(X) X(1, 8) X(2, 6) X(3, 4)
enum { STRIP_ROWS = 3 };
#endif

typedef void strip_fn(const struct strip *s);
#define X(rows, most)                                                                      \
    static void strip_##rows##_cut(const struct strip *s) { run_strip(s, rows, 1, true); } \
    static void strip_##rows##_1(const struct strip *s) { run_strip(s, rows, 1, false); }  \
    static void strip_##rows##_2(const struct strip *s) { run_strip(s, rows, 2, false); }  \
    static void strip_##rows##_4(const struct strip *s) { run_strip(s, rows, 4, false); }  \
    static void strip_##rows##_most(const struct strip *s) { run_strip(s, rows, most, false); }
STRIPS(X)
#undef X
#define X(rows, most)                              \
    [rows] = {{most * LANES, strip_##rows##_most}, \
              {4 * LANES, strip_##rows##_4},       \
              {2 * LANES, strip_##rows##_2},       \
              {LANES, strip_##rows##_1},           \
              {1, strip_##rows##_cut}},
enum { STRIP_WIDTHS = 5 };
static const struct {
    int       cols; /* the last: as many as are left */
    strip_fn *run;
} strips[STRIP_ROWS + 1][STRIP_WIDTHS] = {STRIPS(X)};
#undef X

static void run_strips(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    struct strip s = {.row = g->ta ? 1 : g->k, .step = g->ta ? g->m : 1, .b_row = g->n, .k = g->k, .c_row = g->n};
    s.cols = first(j1 > j0 ? (int)((j1 - j0 - 1) % LANES + 1) : 1);
    for (int64_t i = i0, rows; i < i1; i += rows) {
        int64_t left = i1 - i;
        rows = left <= STRIP_ROWS ? left : left < 2 * STRIP_ROWS ? (left + 1) / 2 : STRIP_ROWS;
        s.a = (const float *)g->a + i * s.row;
        for (int64_t j = j0, w = 0; j < j1; j += strips[rows][w].cols == 1 ? LANES : strips[rows][w].cols) {
            while (strips[rows][w].cols > j1 - j) w++;
            s.b = (const float *)g->b + j;
            s.c = (float *)g->c + i * g->n + j;
            strips[rows][w].run(&s);
        }
    }
}

/* ---- A transposed b ---- */

/* Loads four elements from each of LANES / 4 rows of memory that are four rows apart. */
static inline vec load_fours(const float *p, int64_t row)
{
#if defined(__AVX512F__)
    __m512 x = _mm512_castps128_ps512(_mm_loadu_ps(p));
    x = _mm512_insertf32x4(x, _mm_loadu_ps(p + 4 * row), 1);
    x = _mm512_insertf32x4(x, _mm_loadu_ps(p + 8 * row), 2);
    return _mm512_insertf32x4(x, _mm_loadu_ps(p + 12 * row), 3);
#else
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + 4 * row), 1);
#endif
}

/* Sets y[p] to column p of the LANES x 4 matrix at b, whose rows are `row` elements apart. */
static inline void turn(const float *b, int64_t row, vec y[4])
{
    vec x0 = load_fours(b, row), x1 = load_fours(b + row, row);
    vec x2 = load_fours(b + 2 * row, row), x3 = load_fours(b + 3 * row, row);
    vec t0 = low(x0, x1), t1 = high(x0, x1), t2 = low(x2, x3), t3 = high(x2, x3);
    y[0] = low_pairs(t0, t2);
    y[1] = high_pairs(t0, t2);
    y[2] = low_pairs(t1, t3);
    y[3] = high_pairs(t1, t3);
}

/* Makes rows x LANES elements of c; b[j * b_row + p] is op(b)[p][j]. */
static inline __attribute__((always_inline)) void run_turned(const struct strip *s, int rows)
{
    vec          sum[FEW_TURNED], y[4];
    const float *a = s->a;
    int64_t      p = 0;
    for (int i = 0; i < rows; i++) sum[i] = all(0);
    for (; p + 4 <= s->k; p += 4) {
        turn(s->b + p, s->b_row, y);
#pragma GCC unroll 4
        for (int q = 0; q < 4; q++, a += s->step)
#pragma GCC unroll 8
            for (int i = 0; i < rows; i++) sum[i] = multiply_add(all(a[i * s->row]), y[q], sum[i]);
    }
    for (; p < s->k; p++, a += s->step) {
        float column[LANES];
        for (int j = 0; j < LANES; j++) column[j] = s->b[j * s->b_row + p];
        for (int i = 0; i < rows; i++) sum[i] = multiply_add(all(a[i * s->row]), load(column), sum[i]);
    }
    for (int i = 0; i < rows; i++) store(s->c + i * s->c_row, sum[i]);
}

#define TURNED(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define X(rows) \
    static void turned_##rows(const struct strip *s) { run_turned(s, rows); }
TURNED(X)
#undef X
#define X(rows) [rows] = turned_##rows,
static strip_fn *const turned[FEW_TURNED + 1] = {TURNED(X)};
#undef X

/* Makes the piece a vector of columns after the other, the last one over columns that were made before; nothing of a
 * piece that fills no vector. */
static bool run_turned_strips(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    struct strip s = {.row = g->ta ? 1 : g->k, .step = g->ta ? g->m : 1, .b_row = g->k, .k = g->k, .c_row = g->n};
    s.a = (const float *)g->a + i0 * s.row;
    for (int64_t from = j0; from < j1 && j1 - j0 >= LANES; from += LANES) {
        int64_t j = j1 - from < LANES ? j1 - LANES : from;
        s.b = (const float *)g->b + j * g->k;
        s.c = (float *)g->c + i0 * g->n + j;
        turned[i1 - i0](&s);
    }
    return j1 - j0 >= LANES;
}

/* Makes the piece if it has few rows, and for a transposed b columns enough; false: it has not. */
static bool run_few_rows(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    if (g->tb) return i1 - i0 <= FEW_TURNED && run_turned_strips(g, i0, i1, j0, j1);
    if (i1 - i0 > FEW) return false;
    run_strips(g, i0, i1, j0, j1);
    return true;
}

#endif
