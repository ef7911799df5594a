/* Copies of elements that do not lie side by side, on the CPU. */
#include <string.h>

#include "ops/ops_impl.h"

/* ---- Runs of elements ---- */

/* Copies n elements of `size` bytes from x + at[i] xstep, or x + i xstep where `at` is NULL.  half < size: an element
 * is copied as its first and its last `half` bytes, which may overlap, since copies of a constant size are single
 * moves. */
static inline __attribute__((always_inline)) void copy_each(char *y, int64_t ystep, const char *x, int64_t xstep,
                                                            const int64_t *at, int64_t n, size_t size, size_t half)
{
    for (int64_t i = 0; i < n; i++) {
        const char *from = x + (at ? at[i] : i) * xstep;
        char       *to = y + i * ystep;
        memcpy(to, from, half);
        if (half < size) memcpy(to + size - half, from + size - half, half);
    }
}

static inline __attribute__((always_inline)) void copy_elements(char *y, int64_t ystep, const char *x, int64_t xstep,
                                                                const int64_t *at, int64_t n, size_t size)
{
    if (size == 8) copy_each(y, ystep, x, xstep, at, n, 8, 8);
    else if (size == 4) copy_each(y, ystep, x, xstep, at, n, 4, 4);
    else if (size == 1) copy_each(y, ystep, x, xstep, at, n, 1, 1);
    else if (size == 16) copy_each(y, ystep, x, xstep, at, n, 16, 16);
    else if (size < 4) copy_each(y, ystep, x, xstep, at, n, size, 2);
    else if (size < 8) copy_each(y, ystep, x, xstep, at, n, size, 4);
    else if (size < 16) copy_each(y, ystep, x, xstep, at, n, size, 8);
    else if (size <= 32) copy_each(y, ystep, x, xstep, at, n, size, 16);
    else if (size <= 64) copy_each(y, ystep, x, xstep, at, n, size, 32);
    else copy_each(y, ystep, x, xstep, at, n, size, size);
}

void wg__copy_strided(char *y, int64_t ystep, const char *x, int64_t xstep, int64_t n, size_t size)
{
    if (size == 0) return;
    if (ystep == (int64_t)size && xstep == (int64_t)size) memcpy(y, x, (size_t)n * size);
    else copy_elements(y, ystep, x, xstep, NULL, n, size);
}

void wg__copy_picked(char *y, const char *x, const int64_t *at, int64_t n, size_t size)
{
    copy_elements(y, (int64_t)size, x, (int64_t)size, at, n, size);
}

void wg__copy_plane(char *y, int64_t yrow, int64_t ystep, const char *x, int64_t xrow, int64_t xstep, int64_t rows,
                    int64_t n, size_t size)
{
    bool dense = ystep == (int64_t)size && xstep == (int64_t)size;
    if (n == 1 || dense) wg__copy_strided(y, yrow, x, xrow, rows, (size_t)n * size);
    else if (yrow == n * ystep && xrow == n * xstep) wg__copy_strided(y, ystep, x, xstep, rows * n, size);
    else
        for (int64_t i = 0; i < rows; i++) wg__copy_strided(y + i * yrow, ystep, x + i * xrow, xstep, n, size);
}

/* ---- On several threads ---- */

struct rows {
    char       *y;
    const char *x;
    int64_t     ystep, xstep, width;
};

static void copy_some_rows(void *context, int64_t begin, int64_t end)
{
    const struct rows *r = context;
    wg__copy_strided(r->y + begin * r->ystep, r->ystep, r->x + begin * r->xstep, r->xstep, end - begin,
                     (size_t)r->width);
}

static void copy_some_bytes(void *context, int64_t begin, int64_t end)
{
    const struct rows *r = context;
    memcpy(r->y + begin, r->x + begin, (size_t)(end - begin));
}

void wg__copy_rows(const wg_call *c, int64_t rows, int64_t width, char *y, int64_t ystep, const char *x, int64_t xstep)
{
    struct rows r = {y, x, ystep, xstep, width};
    if (rows == 0 || width == 0) return;
    if (rows == 1 || (ystep == width && xstep == width)) wg_parallel(c, rows * width, 1 << 18, copy_some_bytes, &r);
    else wg_parallel(c, rows, wg__grain(width), copy_some_rows, &r);
}

struct fill {
    char  *y;
    size_t size;
    char   value[8];
};

static void fill_some(void *context, int64_t begin, int64_t end)
{
    const struct fill *f = context;
    wg__copy_strided(f->y + begin * (int64_t)f->size, (int64_t)f->size, f->value, 0, end - begin, f->size);
}

void wg__fill_tensor(const wg_call *c, const wg_tensor *y, double value)
{
    static const char zero[8];
    union {
        double align;
        char   bytes[8];
    } v = {0};
    struct fill f = {.y = y->data, .size = wg_dtype_size(y->dtype)};
    wg__store(y->dtype, &v, 0, value);
    memcpy(f.value, v.bytes, sizeof f.value);
    if (wg_count(&y->shape) == 0) return;
    if (memcmp(f.value, zero, sizeof zero) == 0) memset(y->data, 0, wg__bytes(y->dtype, &y->shape));
    else wg_parallel(c, wg_count(&y->shape), 1 << 16, fill_some, &f);
}
