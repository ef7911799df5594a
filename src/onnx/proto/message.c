/* Reads protobuf messages into structs, by tables of their fields. */
#include <limits.h>
#include <string.h>

#include "base/bytes.h"
#include "onnx/proto/message.h"

static const struct wg__member *find_member(const struct wg__message *m, uint32_t number)
{
    for (const struct wg__member *x = m->member; x->number; x++)
        if (x->number == number) return x;
    return NULL;
}

int wg__message_read(struct wg__model_reader *r, const struct wg__message *m, struct wg__span bytes, void *to)
{
    struct wg__field f;
    const char      *why = NULL;
    int              got, status = WG_OK;
    if (r->depth == WG__READER_DEPTH)
        return wg__onnx_bad(r->file, WG_EFORMAT, bytes.at, "%s lies deeper than %d messages", m->name,
                            WG__READER_DEPTH);
    r->depth++;
    while (!status && (got = wg__wire_next(&bytes, &f, &why)) != 0) {
        const struct wg__member *x = got > 0 ? find_member(m, f.number) : NULL;
        if (got < 0) status = wg__onnx_bad(r->file, got, bytes.at, "%s %s", m->name, why);
        else if (x) status = x->read(r, x, &f, to);
    }
    r->depth--;
    return status;
}

/* ---- Memory ---- */

void *wg__reader_take(struct wg__model_reader *r, const uint8_t *at, size_t n)
{
    n = (n + 15) & ~(size_t)15; /* as the arena counts */
    if (n > r->left) {
        wg__onnx_bad(r->file, WG_EFORMAT, at, "more parts than a file of %zu bytes can need", r->file->size);
        return NULL;
    }
    void *p = wg__arena_alloc(&r->file->arena, n);
    if (!p) wg__onnx_bad(r->file, WG_ENOMEM, NULL, "out of memory");
    else r->left -= n;
    return p;
}

/* Returns the capacity of a list of n elements: the next power of two. */
static size_t list_capacity(size_t n)
{
    size_t cap = n > 0;
    while (cap < n) cap *= 2;
    return cap;
}

/* Adds elements to the list whose pointer is at to + m->at. The pointer is loaded and stored as bytes,
 * since its type is not void *. */
void *wg__reader_grow(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f, size_t size,
                      size_t more, char *to)
{
    int  *count = (int *)(to + m->n);
    char *list;
    memcpy(&list, to + m->at, sizeof list);
    size_t n = (size_t)*count, cap = list_capacity(n);
    if (more > (size_t)INT_MAX - n) {
        wg__onnx_bad(r->file, WG_EFORMAT, f->at, "field %u (%s) is there too often", m->number, m->name);
        return NULL;
    }
    if (more > cap - n) {
        cap = list_capacity(n + more);
        char *wider = wg__reader_take(r, f->at, cap * size);
        if (!wider) return NULL;
        if (n) memcpy(wider, list, n * size);
        list = wider;
        memcpy(to + m->at, &list, sizeof list);
    }
    *count += (int)more;
    return list + n * size;
}

/* ---- Single values ---- */

int wg__reader_wants(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f,
                     enum wg__wire wire)
{
    return f->wire == wire ? WG_OK
                           : wg__onnx_bad(r->file, WG_EFORMAT, f->at, "field %u (%s) has wire type %d instead of %d",
                                          m->number, m->name, (int)f->wire, (int)wire);
}

int wg__reader_text(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f, bool loose,
                    const char **to)
{
    int status = wg__reader_wants(r, m, f, WG__BYTES);
    if (status) return status;
    size_t n = f->bytes.n;
    *to = "";
    if (n == 0) return WG_OK;
    const uint8_t *zero = memchr(f->bytes.at, 0, n);
    if (zero && loose) return WG_OK;
    if (zero) return wg__onnx_bad(r->file, WG_EFORMAT, zero, "field %u (%s) has a zero byte", m->number, m->name);
    char *text = wg__reader_take(r, f->at, n + 1);
    if (!text) return r->file->status;
    *to = memcpy(text, f->bytes.at, n);
    return WG_OK;
}
WG__READ(text) { return wg__reader_text(r, m, f, false, (const char **)(to + m->at)); }
WG__READ(loose_text) { return wg__reader_text(r, m, f, true, (const char **)(to + m->at)); }

WG__READ(int64)
{
    int status = wg__reader_wants(r, m, f, WG__VARINT);
    if (!status) *(int64_t *)(to + m->at) = (int64_t)f->value;
    return status;
}
WG__READ(int32)
{
    int status = wg__reader_wants(r, m, f, WG__VARINT);
    if (!status) *(int64_t *)(to + m->at) = (int32_t)(uint32_t)f->value;
    return status;
}
WG__READ(enum)
{
    int status = wg__reader_wants(r, m, f, WG__VARINT);
    if (!status) *(int *)(to + m->at) = (int32_t)(uint32_t)f->value;
    return status;
}

WG__READ(float)
{
    int      status = wg__reader_wants(r, m, f, WG__FIXED32);
    uint32_t bits = (uint32_t)f->value;
    if (!status) memcpy(to + m->at, &bits, sizeof bits);
    return status;
}

WG__READ(span)
{
    int status = wg__reader_wants(r, m, f, WG__BYTES);
    if (!status) *(struct wg__span *)(to + m->at) = f->bytes;
    return status;
}

WG__READ(true)
{
    (void)r, (void)f;
    *(bool *)(to + m->at) = true;
    return WG_OK;
}

/* ---- Messages ---- */

WG__READ(part)
{
    int status = wg__reader_wants(r, m, f, WG__BYTES);
    return status ? status : wg__message_read(r, m->of, f->bytes, to + m->at);
}

static void *init_part(struct wg__model_reader *r, const struct wg__message *m, const struct wg__field *f, char *to)
{
    if (!to) return NULL;
    if (m->blank) memcpy(to, m->blank, m->size);
    if (m->place) *(uint64_t *)(to + m->place) = (uint64_t)(f->at - r->file->bytes);
    return to;
}

WG__READ(pointer)
{
    int status = wg__reader_wants(r, m, f, WG__BYTES);
    if (status) return status;
    char *part;
    memcpy(&part, to + m->at, sizeof part);
    if (!part) {
        part = init_part(r, m->of, f, wg__reader_take(r, f->at, m->of->size));
        memcpy(to + m->at, &part, sizeof part);
    }
    return part ? wg__message_read(r, m->of, f->bytes, part) : r->file->status;
}

WG__READ(list)
{
    int status = wg__reader_wants(r, m, f, WG__BYTES);
    if (status) return status;
    char *part = init_part(r, m->of, f, wg__reader_grow(r, m, f, m->of->size, 1, to));
    return part ? wg__message_read(r, m->of, f->bytes, part) : r->file->status;
}

/* ---- Lists ---- */

static int add_text(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f, char *to,
                    bool loose)
{
    const char *text, **slot;
    int         status = wg__reader_text(r, m, f, loose, &text);
    if (status) return status;
    if (!(slot = wg__reader_grow(r, m, f, sizeof text, 1, to))) return r->file->status;
    *slot = text;
    return WG_OK;
}
WG__READ(texts) { return add_text(r, m, f, to, false); }
WG__READ(loose_texts) { return add_text(r, m, f, to, true); }

/* Counts the varints in s: the last byte of each is below 128, all bytes before it are not. */
static size_t count_varints(struct wg__span s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += s.at[i] < 0x80;
    return n;
}

static int packed_int64s(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f, char *to)
{
    struct wg__span rest = f->bytes;
    size_t          n = count_varints(rest);
    int64_t        *slot = n ? wg__reader_grow(r, m, f, sizeof *slot, n, to) : NULL;
    uint64_t        v;
    const char     *why = NULL;
    int             got;
    if (n && !slot) return r->file->status;
    while ((got = wg__wire_varint(&rest, &v, &why)) > 0) *slot++ = (int64_t)v;
    return got ? wg__onnx_bad(r->file, got, rest.at, "field %u (%s) %s", m->number, m->name, why) : WG_OK;
}

WG__READ(int64s)
{
    if (f->wire == WG__BYTES) return packed_int64s(r, m, f, to);
    int status = wg__reader_wants(r, m, f, WG__VARINT);
    if (status) return status;
    int64_t *slot = wg__reader_grow(r, m, f, sizeof *slot, 1, to);
    if (!slot) return r->file->status;
    *slot = (int64_t)f->value;
    return WG_OK;
}

static int packed_floats(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f, char *to)
{
    size_t n = f->bytes.n / 4;
    if (f->bytes.n % 4)
        return wg__onnx_bad(r->file, WG_EFORMAT, f->at, "field %u (%s) has %zu bytes, no whole number of floats",
                            m->number, m->name, f->bytes.n);
    char *slot = n ? wg__reader_grow(r, m, f, sizeof(float), n, to) : NULL;
    if (n && !slot) return r->file->status;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = wg__le32(f->bytes.at + 4 * i);
        memcpy(slot + 4 * i, &bits, sizeof bits);
    }
    return WG_OK;
}

WG__READ(floats)
{
    if (f->wire == WG__BYTES) return packed_floats(r, m, f, to);
    int status = wg__reader_wants(r, m, f, WG__FIXED32);
    if (status) return status;
    float   *slot = wg__reader_grow(r, m, f, sizeof *slot, 1, to);
    uint32_t bits = (uint32_t)f->value;
    if (!slot) return r->file->status;
    memcpy(slot, &bits, sizeof bits);
    return WG_OK;
}
