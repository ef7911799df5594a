/* A TensorProto's values: raw bytes, typed fields, or a part of another file. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/number/number.h"
#include "data/io_impl.h"
#include "onnx/proto/onnx_impl.h"

/* A tensor while its values are made. */
struct filling {
    struct wg__onnx_file         *f;
    const struct wg__onnx_tensor *t;
    const uint8_t                *at; /* of the message, for complaints */
    wg_dtype                      dtype;
    uint64_t                      count;
    size_t                        bytes;
    char                         *data;
    uint64_t                      done; /* elements */
};

/* "model.onnx: byte 17: tensor 'w' complaint". */
#define bad(c, status, format, ...) \
    wg__onnx_bad((c)->f, status, (c)->at, "tensor '%.100s' " format, (c)->t->name, __VA_ARGS__)

/* ---- Typed fields ---- */

static bool as_int32(uint64_t v, void *to, uint64_t i)
{
    ((int32_t *)to)[i] = (int32_t)(uint32_t)v; /* what is above 32 bits is only its sign */
    return true;
}
static bool as_int64(uint64_t v, void *to, uint64_t i)
{
    ((int64_t *)to)[i] = (int64_t)v;
    return true;
}
static bool as_byte(uint64_t v, void *to, uint64_t i)
{
    ((uint8_t *)to)[i] = (uint8_t)v;
    return v <= UINT8_MAX;
}
static bool as_float(uint64_t v, void *to, uint64_t i)
{
    uint32_t bits = (uint32_t)v;
    memcpy((float *)to + i, &bits, sizeof bits);
    return true;
}
static bool as_double(uint64_t v, void *to, uint64_t i)
{
    memcpy((double *)to + i, &v, sizeof v);
    return true;
}

/* For each dtype the field that has its values, and the function that stores a value: false if the
 * dtype cannot hold it. */
static const struct typed {
    uint32_t      number;
    enum wg__wire wire;
    size_t        least; /* bytes that one takes in a file at least */
    bool (*store)(uint64_t v, void *to, uint64_t i);
    const char *name;
} typed[WG_DTYPES] = {
    [WG_F32] = {4, WG__FIXED32, 4, as_float, "float_data"}, [WG_I32] = {5, WG__VARINT, 1, as_int32, "int32_data"},
    [WG_U8] = {5, WG__VARINT, 1, as_byte, "int32_data"},    [WG_BOOL] = {5, WG__VARINT, 1, as_byte, "int32_data"},
    [WG_I64] = {7, WG__VARINT, 1, as_int64, "int64_data"},  [WG_F64] = {10, WG__FIXED64, 8, as_double, "double_data"},
};

/* Reads the next value of a piece. Returns 1, 0 at its end, or a negative status with *why. */
static int next_value(const struct wg__piece *p, const struct typed *k, struct wg__span *rest, uint64_t *v,
                      const char **why)
{
    struct wg__field f;
    if (p->wire == WG__BYTES && k->wire == WG__VARINT) return wg__wire_varint(rest, v, why);
    if (p->wire != WG__BYTES) {
        int got = wg__wire_next(rest, &f, why);
        *v = got > 0 ? f.value : 0;
        return got;
    }
    if (!rest->n) return 0;
    if (rest->n < k->least) {
        *v = 0;
        *why = "ends inside of a number of fixed size";
        return WG_EFORMAT;
    }
    *v = wg__little(rest->at, k->least);
    *rest = (struct wg__span){rest->at + k->least, rest->n - k->least};
    return 1;
}

static int from_piece(struct filling *c, const struct wg__piece *p)
{
    const struct typed *k = &typed[c->dtype];
    struct wg__span     rest = p->bytes;
    const char         *why = NULL;
    uint64_t            v;
    int                 got;
    if (p->number != k->number || (p->wire != WG__BYTES && p->wire != k->wire))
        return bad(c, WG_EFORMAT, "of dtype %s has values in field %u or of a wire type that are not those of %s",
                   wg__onnx_dtype_name(c->t->dtype), p->number, k->name);
    while ((got = next_value(p, k, &rest, &v, &why)) > 0) {
        if (c->done == c->count)
            return bad(c, WG_EFORMAT, "has more than the %llu values of its shape", (unsigned long long)c->count);
        if (!k->store(v, c->data, c->done++))
            return bad(c, WG_EFORMAT, "has the value %lld, which is no %s", (long long)v,
                       wg__onnx_dtype_name(c->t->dtype));
    }
    return got ? wg__onnx_bad(c->f, got, rest.at, "tensor '%.100s': %s %s", c->t->name, k->name, why) : WG_OK;
}

/* ---- Memory ---- */

/* Allocates the values. Callers check first that the file has as many. */
static int alloc_values(struct filling *c)
{
    c->data = wg__data_alloc(c->bytes);
    return c->data ? WG_OK : wg__onnx_bad(c->f, WG_ENOMEM, NULL, "out of memory");
}

static int from_typed(struct filling *c)
{
    const struct wg__pieces *list = &c->t->typed;
    uint64_t                 there = 0;
    for (int i = 0; i < list->n; i++) there += list->piece[i].bytes.n;
    if (there / typed[c->dtype].least < c->count)
        return bad(c, WG_EFORMAT, "has %llu bytes of values for the %llu of its shape", (unsigned long long)there,
                   (unsigned long long)c->count);
    int status = alloc_values(c);
    for (int i = 0; i < list->n && !status; i++) status = from_piece(c, &list->piece[i]);
    if (!status && c->done < c->count)
        status = bad(c, WG_EFORMAT, "has %llu values, its shape %llu", (unsigned long long)c->done,
                     (unsigned long long)c->count);
    return status;
}

/* ---- Raw bytes: little-endian, any alignment ---- */

static int from_raw(struct filling *c)
{
    if (c->t->raw.n != c->bytes) return bad(c, WG_EFORMAT, "has %zu bytes, its shape %zu", c->t->raw.n, c->bytes);
    int status = alloc_values(c);
    if (!status && c->bytes) memcpy(c->data, c->t->raw.at, c->bytes);
    if (!status && WG__BIG_HOST) wg__swap_bytes(c->data, (size_t)c->count, wg_dtype_size(c->dtype));
    return status;
}

/* ---- External data ---- */

static const char *external_text(const struct wg__onnx_tensor *t, const char *key)
{
    const char *text = NULL;
    for (int i = 0; i < t->n_where; i++)
        if (strcmp(t->where[i].key, key) == 0) text = t->where[i].text;
    return text;
}

/* Reads a decimal number from external_data, or takes `otherwise` where it has no such key. False if
 * the text is no number. */
static bool read_number(const struct wg__onnx_tensor *t, const char *key, uint64_t otherwise, uint64_t *to)
{
    const char *text = external_text(t, key);
    *to = otherwise;
    return !text || wg__count_read(text, strlen(text), UINT64_MAX, to);
}

static int read_part(struct filling *c, struct wg__file *from, uint64_t offset)
{
    if (offset > from->size || c->bytes > from->size - offset)
        return bad(c, WG_EFORMAT, "wants %zu bytes from %llu of %s, which has %llu", c->bytes,
                   (unsigned long long)offset, from->name, (unsigned long long)from->size);
    int status = alloc_values(c);
    if (status) return status;
    status = wg__file_read(from, offset, c->data, c->bytes);
    if (status) return bad(c, status, "has external data: %s", from->e->message);
    if (WG__BIG_HOST) wg__swap_bytes(c->data, (size_t)c->count, wg_dtype_size(c->dtype));
    return WG_OK;
}

static int from_outside(struct filling *c)
{
    wg_error        e = {0};
    struct wg__file from = {.name = external_text(c->t, "location"), .e = &e};
    uint64_t        offset, length;
    if (!from.name) return bad(c, WG_EFORMAT, "has external data without a %s", "location");
    if (!c->f->folder) return bad(c, WG_EARG, "has its data in %.100s, which a model of memory cannot have", from.name);
    if (!read_number(c->t, "offset", 0, &offset) || !read_number(c->t, "length", c->bytes, &length))
        return bad(c, WG_EFORMAT, "has an offset or length in %.100s that is no number", from.name);
    if (length != c->bytes)
        return bad(c, WG_EFORMAT, "has %llu bytes in %.100s, its shape %zu", (unsigned long long)length, from.name,
                   c->bytes);
    from.fd = wg__onnx_open(c->f, from.name, &from.size, &e);
    if (from.fd < 0) return bad(c, e.status, "has external data: %s", e.message);
    int status = read_part(c, &from, offset);
    close(from.fd);
    return status;
}

/* ---- All of it ---- */

static int take_dtype(struct filling *c)
{
    c->dtype = wg__onnx_dtype_in(c->t->dtype);
    return c->dtype < WG_DTYPES ? WG_OK
                                : bad(c, WG_EDTYPE, "has dtype %s (%lld), which is not supported",
                                      wg__onnx_dtype_name(c->t->dtype), (long long)c->t->dtype);
}

static int take_shape(struct filling *c, wg_shape *s)
{
    const struct wg__onnx_tensor *t = c->t;
    if (t->rank > WG_MAX_RANK) return bad(c, WG_ESHAPE, "has rank %d, over %d", t->rank, WG_MAX_RANK);
    *s = (wg_shape){.rank = t->rank};
    for (int i = 0; i < t->rank; i++) {
        if (t->dim[i] < 0) return bad(c, WG_EFORMAT, "has dimension %lld", (long long)t->dim[i]);
        s->dim[i] = t->dim[i];
    }
    c->bytes = wg__bytes(c->dtype, s);
    c->count = (uint64_t)wg_count(s);
    return c->bytes < SIZE_MAX ? WG_OK : bad(c, WG_EFORMAT, "has a shape of too many %s", "elements");
}

static int take_values(struct filling *c)
{
    const struct wg__onnx_tensor *t = c->t;
    if ((t->raw.n > 0) + (t->typed.n > 0) + t->external > 1)
        return bad(c, WG_EFORMAT, "has its values %s", "twice: raw, typed, external");
    int status = t->external ? from_outside(c) : t->typed.n ? from_typed(c) : from_raw(c);
    if (!status && c->dtype == WG_BOOL)
        for (uint64_t i = 0; i < c->count; i++) c->data[i] = c->data[i] != 0;
    return status;
}

int wg__tensor_array(struct wg__onnx_file *f, const struct wg__onnx_tensor *t, wg_dtype *dtype, wg_shape *shape,
                     void **data)
{
    struct filling c = {.f = f, .t = t, .at = f->bytes + t->offset};
    int            status = take_dtype(&c);
    *data = NULL;
    if (!status) status = take_shape(&c, shape);
    if (!status) status = take_values(&c);
    if (status) wg__data_free(c.data);
    else {
        *dtype = c.dtype;
        *data = c.data;
    }
    return status;
}
