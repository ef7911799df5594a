#include "base/bytes.h"
#include "onnx/proto/write.h"

#include <string.h>

#include "onnx/proto/proto.h"

enum { MAX_VARINT = 10 };

static size_t encode(uint64_t v, uint8_t to[MAX_VARINT])
{
    size_t n = 0;
    for (; v > 127; v >>= 7) to[n++] = (uint8_t)(v | 128);
    to[n++] = (uint8_t)v;
    return n;
}

static void put_varint(struct wg__text *p, uint64_t v)
{
    uint8_t text[MAX_VARINT];
    wg__text_add(p, text, encode(v, text));
}

static void put_tag(struct wg__text *p, uint32_t number, enum wg__wire wire) { put_varint(p, number << 3 | wire); }

void wg__pb_int(struct wg__text *p, uint32_t number, int64_t v)
{
    put_tag(p, number, WG__VARINT);
    put_varint(p, (uint64_t)v);
}

void wg__pb_float(struct wg__text *p, uint32_t number, float v)
{
    uint32_t bits;
    uint8_t  bytes[sizeof bits];
    memcpy(&bits, &v, sizeof bits);
    put_tag(p, number, WG__FIXED32);
    wg__little_put(bytes, sizeof bytes, bits);
    wg__text_add(p, bytes, sizeof bytes);
}

void wg__pb_head(struct wg__text *p, uint32_t number, uint64_t n)
{
    put_tag(p, number, WG__BYTES);
    put_varint(p, n);
}

void wg__pb_bytes(struct wg__text *p, uint32_t number, const void *bytes, size_t n)
{
    wg__pb_head(p, number, n);
    wg__text_add(p, bytes, n);
}

void wg__pb_text(struct wg__text *p, uint32_t number, const char *text) { wg__pb_bytes(p, number, text, strlen(text)); }

size_t wg__pb_open(struct wg__text *p, uint32_t number)
{
    put_tag(p, number, WG__BYTES);
    return p->n;
}

/* Ends the message that wg__pb_open began at `opened`: inserts its length there and moves what was
 * written since up. */
void wg__pb_close(struct wg__text *p, size_t opened)
{
    uint8_t length[MAX_VARINT];
    if (p->failed) return;
    size_t n = p->n - opened, k = encode(n, length);
    if (!wg__text_reserve(p, k)) return;
    memmove(p->at + opened + k, p->at + opened, n);
    memcpy(p->at + opened, length, k);
    p->n += k;
}
