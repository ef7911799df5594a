/* strided.h - copies of elements that do not lie side by side. */
#ifndef WENGERT_CPU_STRIDED_H
#define WENGERT_CPU_STRIDED_H

#include <stddef.h>
#include <stdint.h>

/* Copies n elements of `size` bytes, which lie ystep bytes apart in y and xstep bytes apart in x. */
void wg__copy_strided(char *y, int64_t ystep, const char *x, int64_t xstep, int64_t n, size_t size);
/* Copies n elements of `size` bytes, the i-th from x + at[i] size, side by side into y. */
void wg__copy_picked(char *y, const char *x, const int64_t *at, int64_t n, size_t size);
/* Copies `rows` rows of n elements of `size` bytes: element j of row i is at y + i yrow + j ystep, and in x alike. */
void wg__copy_plane(char *y, int64_t yrow, int64_t ystep, const char *x, int64_t xrow, int64_t xstep, int64_t rows,
                    int64_t n, size_t size);

#endif
