/* encode.h - ONNX models written byte by byte, for tests of the reader and the importer.
 *
 *   struct onnx m = onnx_begin(13);
 *   onnx_input(&m, "x", WG__ONNX_FLOAT, "batch,3");
 *   onnx_ints(&m, "axes", "[0,2]");
 *   onnx_node(&m, "Squeeze", "x,axes", "y", "");
 *   onnx_output(&m, "y", WG__ONNX_FLOAT, "batch");
 *   wg_onnx *r = wg_onnx_parse(onnx_end(&m), m.b.n);   .. and at last onnx_free(&m)
 *
 * Lists are texts.  Attributes: "axis=1 alpha=0.5 mode=edge perm=[1,0]"; a whole
 * number is an int, one with a point a float, a word a string.  The put_
 * functions below them write any field of any message. */
#ifndef WENGERT_TESTS_ENCODE_H
#define WENGERT_TESTS_ENCODE_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "onnx/proto/proto.h"

/* ---- Wire ---- */

struct bytes {
    uint8_t *at;
    size_t   n, cap;
};

static inline void put(struct bytes *b, const void *from, size_t n)
{
    if (b->cap - b->n < n) {
        b->cap = 2 * b->cap + n + 256;
        b->at = realloc(b->at, b->cap);
        cr_assert_not_null(b->at);
    }
    if (n) memcpy(b->at + b->n, from, n);
    b->n += n;
}

static inline void put_varint(struct bytes *b, uint64_t v)
{
    for (; v >= 128; v >>= 7) put(b, &(uint8_t){(uint8_t)(v | 128)}, 1);
    put(b, &(uint8_t){(uint8_t)v}, 1);
}

static inline void put_tag(struct bytes *b, uint32_t number, enum wg__wire wire)
{
    put_varint(b, (uint64_t)number << 3 | wire);
}

static inline void put_int(struct bytes *b, uint32_t number, int64_t v)
{
    put_tag(b, number, WG__VARINT);
    put_varint(b, (uint64_t)v);
}

static inline void put_float(struct bytes *b, uint32_t number, float v)
{
    put_tag(b, number, WG__FIXED32);
    put(b, &v, sizeof v);
}

static inline void put_bytes(struct bytes *b, uint32_t number, const void *from, size_t n)
{
    put_tag(b, number, WG__BYTES);
    put_varint(b, n);
    put(b, from, n);
}

static inline void put_text(struct bytes *b, uint32_t number, const char *text)
{
    put_bytes(b, number, text, strlen(text));
}

/* A message inside of a message: what put_open returns goes to put_close, which
 * fills in the length as five bytes of which the last ones may say nothing. */
static inline size_t put_open(struct bytes *b, uint32_t number)
{
    put_tag(b, number, WG__BYTES);
    put(b, "\200\200\200\200", 5);
    return b->n;
}

static inline void put_close(struct bytes *b, size_t from)
{
    size_t n = b->n - from;
    for (size_t i = 0; i < 5; i++, n >>= 7) b->at[from - 5 + i] = (uint8_t)((n & 127) | (i < 4 ? 128 : 0));
}

/* ---- Texts taken apart ---- */

/* The next piece of *list up to one of the stops, into word; false at the end. */
static inline bool next_word(const char **list, const char *stops, char word[128])
{
    if (!*list) return false;
    size_t n = strcspn(*list, stops);
    cr_assert_lt(n, 128);
    memcpy(word, *list, n);
    word[n] = 0;
    *list = (*list)[n] ? *list + n + 1 : NULL;
    return true;
}

static inline bool is_real(const char *word)
{
    return strpbrk(word, ".") || strcmp(word, "inf") == 0 || strcmp(word, "-inf") == 0 || strcmp(word, "nan") == 0;
}

static inline bool is_number(const char *word) { return is_real(word) || strchr("-0123456789", *word); }

/* ---- AttributeProto ---- */

enum { ATTR_FLOAT = 1, ATTR_INT = 2, ATTR_STRING = 3, ATTR_TENSOR = 4, ATTR_FLOATS = 6, ATTR_INTS = 7 };

static inline void put_attr_list(struct bytes *b, const char *list)
{
    char word[128], text[128];
    cr_assert(strlen(list) >= 2 && list[strlen(list) - 1] == ']');
    memcpy(text, list + 1, strlen(list) - 1);
    text[strlen(list) - 2] = 0;
    bool        real = strchr(text, '.');
    const char *rest = *text ? text : NULL;
    while (next_word(&rest, ",", word))
        if (real) put_float(b, 7, strtof(word, NULL));
        else put_int(b, 8, strtoll(word, NULL, 10));
    put_int(b, 20, real ? ATTR_FLOATS : ATTR_INTS);
}

/* One attribute "name=value" as field `number` of the message that is open. */
static inline void put_attr(struct bytes *b, uint32_t number, const char *attr)
{
    char        name[128], value[128];
    const char *rest = attr;
    size_t      at = put_open(b, number);
    cr_assert(next_word(&rest, "=", name) && next_word(&rest, "", value), "%s", attr);
    put_text(b, 1, name);
    if (*value == '[') put_attr_list(b, value);
    else if (is_real(value)) put_float(b, 2, strtof(value, NULL)), put_int(b, 20, ATTR_FLOAT);
    else if (is_number(value)) put_int(b, 3, strtoll(value, NULL, 10)), put_int(b, 20, ATTR_INT);
    else put_text(b, 4, value), put_int(b, 20, ATTR_STRING);
    put_close(b, at);
}

/* ---- TensorProto, ValueInfoProto ---- */

static inline size_t onnx_dtype_bytes(int dtype) { return wg_dtype_size(wg__onnx_dtype_in(dtype)); }

/* The fields of a TensorProto with raw data; dims as "2,3", "" for a scalar. */
static inline void put_tensor(struct bytes *b, const char *name, int dtype, const char *dims, const void *data)
{
    char        word[128];
    size_t      n = onnx_dtype_bytes(dtype);
    const char *rest = *dims ? dims : NULL;
    while (next_word(&rest, ",", word)) {
        put_int(b, 1, strtoll(word, NULL, 10));
        n *= strtoull(word, NULL, 10);
    }
    put_int(b, 2, dtype);
    if (*name) put_text(b, 8, name);
    put_bytes(b, 9, data, n);
}

/* A ValueInfoProto; dims as "batch,3,?": a name, a size, or neither.  NULL: no shape. */
static inline void put_value(struct bytes *b, uint32_t number, const char *name, int dtype, const char *dims)
{
    char   word[128];
    size_t value = put_open(b, number);
    put_text(b, 1, name);
    size_t type = put_open(b, 2), tensor = put_open(b, 1);
    put_int(b, 1, dtype);
    if (dims) {
        size_t      shape = put_open(b, 2);
        const char *rest = *dims ? dims : NULL;
        while (next_word(&rest, ",", word)) {
            size_t dim = put_open(b, 1);
            if (is_number(word)) put_int(b, 1, strtoll(word, NULL, 10));
            else if (*word != '?') put_text(b, 2, word);
            put_close(b, dim);
        }
        put_close(b, shape);
    }
    put_close(b, tensor);
    put_close(b, type);
    put_close(b, value);
}

/* ---- ModelProto ---- */

struct onnx {
    struct bytes b;
    size_t       graph; /* of put_open */
};

static inline struct onnx onnx_begin(int opset)
{
    struct onnx m = {0};
    put_int(&m.b, 1, 8);
    put_text(&m.b, 2, "tests");
    size_t import = put_open(&m.b, 8);
    put_int(&m.b, 2, opset);
    put_close(&m.b, import);
    m.graph = put_open(&m.b, 7);
    put_text(&m.b, 2, "g");
    return m;
}

/* Closes the graph; the bytes are m->b.at[0..m->b.n). */
static inline const void *onnx_end(struct onnx *m)
{
    put_close(&m->b, m->graph);
    return m->b.at;
}

static inline void onnx_free(struct onnx *m)
{
    free(m->b.at);
    *m = (struct onnx){0};
}

static inline void onnx_input(struct onnx *m, const char *name, int dtype, const char *dims)
{
    put_value(&m->b, 11, name, dtype, dims);
}

static inline void onnx_output(struct onnx *m, const char *name, int dtype, const char *dims)
{
    put_value(&m->b, 12, name, dtype, dims);
}

static inline void onnx_init(struct onnx *m, const char *name, int dtype, const char *dims, const void *data)
{
    size_t at = put_open(&m->b, 5);
    put_tensor(&m->b, name, dtype, dims, data);
    put_close(&m->b, at);
}

/* An i64 initialiser: "[2,3]" is a vector, "2" a scalar. */
static inline void onnx_ints(struct onnx *m, const char *name, const char *list)
{
    int64_t     v[64];
    int         n = 0;
    char        word[128], dims[16];
    const char *rest = *list == '[' ? list + 1 : list;
    if (*rest == ']') rest = NULL;
    while (next_word(&rest, ",]", word))
        if (*word) v[n++] = strtoll(word, NULL, 10);
    snprintf(dims, sizeof dims, "%d", n);
    onnx_init(m, name, WG__ONNX_INT64, *list == '[' ? dims : "", v);
}

/* inputs and outputs as "x,,w"; attributes apart by blanks, "" for none. */
static inline void onnx_node(struct onnx *m, const char *op, const char *inputs, const char *outputs, const char *attrs)
{
    char        word[128];
    const char *in = *inputs ? inputs : NULL, *out = *outputs ? outputs : NULL, *attr = *attrs ? attrs : NULL;
    size_t      at = put_open(&m->b, 1);
    while (next_word(&in, ",", word)) put_text(&m->b, 1, word);
    while (next_word(&out, ",", word)) put_text(&m->b, 2, word);
    put_text(&m->b, 4, op);
    while (next_word(&attr, " ", word))
        if (*word) put_attr(&m->b, 5, word);
    put_close(&m->b, at);
}

#endif
