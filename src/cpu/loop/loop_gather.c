/* Copying the elements of a block of an operand that broadcasts, along its strides.
 *
 * Axis by axis from the outermost: below an axis are inner[axis] elements for each of its indices. Where an operand
 * does not have an axis, what is below is copied once and then repeated. */
#include <string.h>

#include "cpu/loop/loop_impl.h"
#include "cpu/strided.h"

struct walk {
    const struct wg__loop         *l;
    const struct wg__loop_operand *x;
    int64_t                        inner[WG_MAX_RANK];
    int                            solid; /* from this axis on, elements lie side by side */
};

static struct walk find_walk(const struct wg__loop *l, const struct wg__loop_operand *x)
{
    struct walk w = {.l = l, .x = x, .solid = l->rank};
    int64_t     n = 1;
    for (int a = l->rank - 1; a >= 0; n *= l->dim[a--]) {
        w.inner[a] = n;
        if (w.solid == a + 1 && x->stride[a] == n) w.solid = a;
    }
    return w;
}

/* Repeats the first `bytes` bytes of y until there are m of them: ever longer copies of what is there. */
static void repeat_bytes(char *y, int64_t bytes, int64_t m)
{
    for (int64_t have = bytes, all = bytes * m, more; have < all; have += more) {
        more = wg__least(have, all - have);
        memcpy(y + have, y, (size_t)more);
    }
}

/* Copies all that is below m indices of axis a, from its element at `from` on. */
static void copy_below(const struct walk *w, int a, const char *from, int64_t m, char *y)
{
    const struct wg__loop *l = w->l;
    const int64_t         *stride = w->x->stride;
    int                    last = l->rank - 1;
    int64_t                size = (int64_t)w->x->size, step = stride[a] * size, bytes = w->inner[a] * size;
    if (a == last && step == 0) wg__kernels()->repeat(w->x->size, 1, 0, m, from, y);
    else if (a + 1 >= w->solid) wg__copy_strided(y, bytes, from, step, m, (size_t)bytes);
    else if (stride[a] == stride[a + 1] * l->dim[a + 1]) copy_below(w, a + 1, from, m * l->dim[a + 1], y);
    else if (a + 1 == last && stride[last] == 0) wg__kernels()->repeat(w->x->size, m, stride[a], l->dim[last], from, y);
    else if (a + 2 >= w->solid) {
        int64_t below = w->inner[a + 1] * size;
        wg__copy_plane(y, bytes, below, from, step, stride[a + 1] * size, m, l->dim[a + 1], (size_t)below);
    } else if (step == 0) {
        copy_below(w, a + 1, from, l->dim[a + 1], y);
        repeat_bytes(y, bytes, m);
    } else {
        for (int64_t i = 0; i < m; i++) copy_below(w, a + 1, from + i * step, l->dim[a + 1], y + i * bytes);
    }
}

/* Copies elements [start, start + n) of those below all indices of axis a. */
static void copy_part(const struct walk *w, int a, const char *from, int64_t start, int64_t n, char *y)
{
    int64_t size = (int64_t)w->x->size, step = w->x->stride[a] * size, inner = w->inner[a];
    WG__INVARIANT(inner > 0); /* the domain has elements */
    from += start / inner * step;
    start %= inner;
    if (start || n < inner) {
        int64_t part = wg__least(n, inner - start);
        copy_part(w, a + 1, from, start, part, y);
        from += step;
        y += part * size;
        n -= part;
    }
    int64_t whole = n / inner, rest = n % inner;
    if (whole) copy_below(w, a, from, whole, y);
    if (rest) copy_part(w, a + 1, from + whole * step, 0, rest, y + whole * inner * size);
}

void wg__loop_gather(const struct wg__loop *l, const struct wg__loop_operand *x, int64_t start, int64_t n, char *y)
{
    struct walk w = find_walk(l, x);
    copy_part(&w, 0, x->data, start, n, y);
}
