/* Copies of elements that do not lie side by side. */
#include <stdbool.h>
#include <string.h>

#include "cpu/strided.h"

/* Where the elements of rows are. */
struct plane {
    char          *y;
    const char    *x;
    int64_t        yrow, ystep, xrow, xstep, rows, n;
    const int64_t *at; /* element j is at x + at[j] xstep; NULL: at x + j xstep */
};

/* Copies elements of `size` bytes.  half < size: an element is copied as its first and its last `half` bytes, which may
 * overlap, since copies of a constant size are single moves. */
static inline __attribute__((always_inline)) void copy_each(struct plane p, bool picked, size_t size, size_t half)
{
    for (int64_t i = 0; i < p.rows; i++) {
        char       *to = p.y + i * p.yrow;
        const char *from = p.x + i * p.xrow;
        for (int64_t j = 0; j < p.n; j++, to += p.ystep) {
            const char *x = from + (picked ? p.at[j] : j) * p.xstep;
            memcpy(to, x, half);
            if (half < size) memcpy(to + size - half, x + size - half, half);
        }
    }
}

static inline __attribute__((always_inline)) void copy_elements(struct plane p, bool picked, size_t size)
{
    if (size == 8) copy_each(p, picked, 8, 8);
    else if (size == 4) copy_each(p, picked, 4, 4);
    else if (size == 1) copy_each(p, picked, 1, 1);
    else if (size == 16) copy_each(p, picked, 16, 16);
    else if (size < 4) copy_each(p, picked, size, 2);
    else if (size < 8) copy_each(p, picked, size, 4);
    else if (size < 16) copy_each(p, picked, size, 8);
    else if (size <= 32) copy_each(p, picked, size, 16);
    else if (size <= 64) copy_each(p, picked, size, 32);
    else copy_each(p, picked, size, size);
}

void wg__copy_strided(char *y, int64_t ystep, const char *x, int64_t xstep, int64_t n, size_t size)
{
    if (size == 0) return;
    if (ystep == (int64_t)size && xstep == (int64_t)size) memcpy(y, x, (size_t)n * size);
    else copy_elements((struct plane){y, x, 0, ystep, 0, xstep, 1, n, NULL}, false, size);
}

void wg__copy_picked(char *y, const char *x, const int64_t *at, int64_t n, size_t size)
{
    copy_elements((struct plane){y, x, 0, (int64_t)size, 0, (int64_t)size, 1, n, at}, true, size);
}

void wg__copy_plane(char *y, int64_t yrow, int64_t ystep, const char *x, int64_t xrow, int64_t xstep, int64_t rows,
                    int64_t n, size_t size)
{
    bool dense = ystep == (int64_t)size && xstep == (int64_t)size;
    if (n == 1 || dense) wg__copy_strided(y, yrow, x, xrow, rows, (size_t)n * size);
    else if (yrow == n * ystep && xrow == n * xstep) wg__copy_strided(y, ystep, x, xstep, rows * n, size);
    else if (size) copy_elements((struct plane){y, x, yrow, ystep, xrow, xstep, rows, n, NULL}, false, size);
}
