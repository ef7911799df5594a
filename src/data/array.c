#include <string.h>

#include "data/io_impl.h"
#include "graph/graph_impl.h"

static bool valid(wg_dtype t, const wg_shape *s)
{
    if ((unsigned)t >= WG_DTYPES || s->rank < 0 || s->rank > WG_MAX_RANK) return false;
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0) return false;
    return true;
}

int wg_array_new(wg_array *out, wg_dtype t, wg_shape s)
{
    if (!out) return wg__fail(NULL, WG_EARG, "array_new: out is NULL");
    *out = (wg_array){0};
    if (!valid(t, &s)) return WG_EARG;
    size_t bytes = wg__bytes(t, &s);
    void  *data = bytes == SIZE_MAX ? NULL : wg__data_alloc(bytes);
    if (!data) return WG_ENOMEM;
    *out = (wg_array){.dtype = t, .shape = s, .data = data};
    return WG_OK;
}

void wg_array_free(wg_array *a)
{
    if (!a) return;
    wg__data_free(a->data);
    *a = (wg_array){0};
}

size_t wg_array_bytes(const wg_array *a)
{
    if (!a || !valid(a->dtype, &a->shape)) return 0;
    size_t bytes = wg__bytes(a->dtype, &a->shape);
    return bytes == SIZE_MAX ? 0 : bytes;
}

int wg__array_check(const char *path, const wg_array *a, wg_error *e)
{
    if (!a || !valid(a->dtype, &a->shape)) return wg__say(e, path, WG_EARG, -1, "no valid array to write");
    if (!a->data && wg_count(&a->shape)) return wg__say(e, path, WG_EARG, -1, "the array to write has no data");
    if (wg__bytes(a->dtype, &a->shape) == SIZE_MAX)
        return wg__say(e, path, WG_EARG, -1, "the array to write is larger than memory can be");
    return WG_OK;
}

bool wg__data_resize(void **p, size_t used, size_t n)
{
    void *q = wg__data_alloc(n);
    if (!q) return false;
    if (used) memcpy(q, *p, used);
    wg__data_free(*p);
    *p = q;
    return true;
}
