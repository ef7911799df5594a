#include "base/budget.h"

#include <stdlib.h>

enum { PAGE = 4096 };

static void raise_peak(struct wg__budget *b, int64_t used)
{
    int64_t peak = atomic_load_explicit(&b->peak, memory_order_relaxed);
    while (peak < used && !atomic_compare_exchange_weak(&b->peak, &peak, used)) {}
}

static bool add(struct wg__budget *b, int64_t n)
{
    int64_t used = atomic_fetch_add_explicit(&b->used, n, memory_order_relaxed);
    if (n <= b->limit - used) {
        raise_peak(b, used + n);
        return true;
    }
    atomic_fetch_sub_explicit(&b->used, n, memory_order_relaxed);
    return false;
}

bool wg__budget_take(struct wg__budget *b, size_t n)
{
    if (!b || !n) return true;
    if (n > INT64_MAX / 4) return false;
    if (n <= PAGE) {
        atomic_fetch_add_explicit(&b->used, (int64_t)n, memory_order_relaxed);
        return true;
    }
    if (add(b, (int64_t)n)) return true;
    if (!b->relieve) return false;
    b->relieve(b->context);
    return add(b, (int64_t)n);
}

void wg__budget_give(struct wg__budget *b, size_t n)
{
    if (b && n) atomic_fetch_sub_explicit(&b->used, (int64_t)n, memory_order_relaxed);
}

bool wg__budget_fits(struct wg__budget *b, int64_t n)
{
    if (n <= b->limit - atomic_load_explicit(&b->used, memory_order_relaxed)) return true;
    if (b->relieve) b->relieve(b->context);
    return n <= b->limit - atomic_load_explicit(&b->used, memory_order_relaxed);
}

bool wg__budget_grow(struct wg__budget *b, char **at, size_t *size, size_t to)
{
    if (!wg__budget_take(b, to - *size)) return false;
    char *grown = realloc(*at, to);
    if (!grown) {
        wg__budget_give(b, to - *size);
        return false;
    }
    *at = grown;
    *size = to;
    return true;
}
