/* Values in and out by functions that know their dtype and size. */
#include "tape/tape_impl.h"

/* Checks that x, if it is on the tape, has n elements of dtype `as`; u8 stands for bool too, whose elements are
 * bytes. */
static int check_typed(wg_tape *t, const wg_node *x, const char *who, wg_dtype as, int64_t n, const void *data)
{
    char            text[160];
    const wg_shape *s;
    if (!t) return wg__no_tape(who);
    if (!data) return wg__tape_fail(t, WG_EARG, "%s: data is NULL", who);
    if (!x || !(s = wg_tape_shape(t, x))) return WG_OK; /* wg__set and wg__get say why not */
    if (wg_node_dtype(x) != as && !(as == WG_U8 && wg_node_dtype(x) == WG_BOOL))
        return wg__tape_fail(t, WG_EDTYPE, "%s: %s is %s", who, wg__node_label(x, text, sizeof text),
                             wg_dtype_name(wg_node_dtype(x)));
    if (wg_count(s) != n)
        return wg__tape_fail(t, WG_ESHAPE, "%s: %s has %lld elements, not %lld", who,
                             wg__node_label(x, text, sizeof text), (long long)wg_count(s), (long long)n);
    return WG_OK;
}

static int set_typed(wg_tape *t, const wg_node *x, const char *who, wg_dtype as, int64_t n, const void *data)
{
    int status = check_typed(t, x, who, as, n, data);
    return status ? status : wg__set(t, x, who, data);
}

static int get_typed(wg_tape *t, const wg_node *x, const char *who, wg_dtype as, int64_t n, void *data)
{
    int status = check_typed(t, x, who, as, n, data);
    return status ? status : wg__get(t, x, who, data);
}

int wg_set_f32(wg_tape *t, const wg_node *x, int64_t n, const float *data)
{
    return set_typed(t, x, "set_f32", WG_F32, n, data);
}
int wg_set_f64(wg_tape *t, const wg_node *x, int64_t n, const double *data)
{
    return set_typed(t, x, "set_f64", WG_F64, n, data);
}
int wg_set_i32(wg_tape *t, const wg_node *x, int64_t n, const int32_t *data)
{
    return set_typed(t, x, "set_i32", WG_I32, n, data);
}
int wg_set_i64(wg_tape *t, const wg_node *x, int64_t n, const int64_t *data)
{
    return set_typed(t, x, "set_i64", WG_I64, n, data);
}
int wg_set_u8(wg_tape *t, const wg_node *x, int64_t n, const uint8_t *data)
{
    return set_typed(t, x, "set_u8", WG_U8, n, data);
}

int wg_get_f32(wg_tape *t, const wg_node *x, int64_t n, float *data)
{
    return get_typed(t, x, "get_f32", WG_F32, n, data);
}
int wg_get_f64(wg_tape *t, const wg_node *x, int64_t n, double *data)
{
    return get_typed(t, x, "get_f64", WG_F64, n, data);
}
int wg_get_i32(wg_tape *t, const wg_node *x, int64_t n, int32_t *data)
{
    return get_typed(t, x, "get_i32", WG_I32, n, data);
}
int wg_get_i64(wg_tape *t, const wg_node *x, int64_t n, int64_t *data)
{
    return get_typed(t, x, "get_i64", WG_I64, n, data);
}
int wg_get_u8(wg_tape *t, const wg_node *x, int64_t n, uint8_t *data)
{
    return get_typed(t, x, "get_u8", WG_U8, n, data);
}
