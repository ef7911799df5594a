/* repeat.h - for elements of one size; included once for each by kernel_repeat.c with DTYPE and T. */
typedef T NAME(vector) __attribute__((vector_size(VECTOR), aligned(1), may_alias));

INLINE void NAME(repeat_few)(int64_t m, int64_t c, const T *x, T *y)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t k = 0; k < c; k++) y[i * c + k] = x[i];
}

/* Stores whole vectors: what is too much of one element is overwritten by the next. */
INLINE void NAME(repeat_many)(int64_t m, int64_t step, int64_t c, const T *x, T *y)
{
    for (int64_t i = 0; i < m; i++, y += c) {
        NAME(vector) v = x[i * step] - (NAME(vector)){0};
        for (int64_t k = 0; k < c; k += VECTOR / (int64_t)sizeof(T)) *(NAME(vector) *)(y + k) = v;
    }
}

static void NAME(repeat)(int64_t m, int64_t step, int64_t c, const T *x, T *y)
{
    if (step == 1 && c == 2) NAME(repeat_few)(m, 2, x, y);
    else if (step == 1 && c == 3) NAME(repeat_few)(m, 3, x, y);
    else if (step == 1 && c == 4) NAME(repeat_few)(m, 4, x, y);
    else NAME(repeat_many)(m, step, c, x, y);
}

#undef DTYPE
#undef T
