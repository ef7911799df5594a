#include "onnx/proto/write.h"

#include <stdlib.h>
#include <string.h>

#include "onnx/proto/proto.h"

enum { MAX_VARINT = 10 };

void wg__pb_free(struct wg__pb *p)
{
    free(p->at);
    *p = (struct wg__pb){0};
}

/* Room for n more bytes. */
static bool reserve(struct wg__pb *p, size_t n)
{
    if (p->failed || n > SIZE_MAX / 4) return !(p->failed = true);
    if (n <= p->cap - p->n) return true;
    size_t   cap = p->cap ? p->cap : 256;
    uint8_t *at;
    while (cap - p->n < n) cap *= 2;
    if (!(at = realloc(p->at, cap))) return !(p->failed = true);
    p->at = at;
    p->cap = cap;
    return true;
}

static size_t encode(uint64_t v, uint8_t to[MAX_VARINT])
{
    size_t n = 0;
    for (; v > 127; v >>= 7) to[n++] = (uint8_t)(v | 128);
    to[n++] = (uint8_t)v;
    return n;
}

static void put(struct wg__pb *p, const void *bytes, size_t n)
{
    if (!n || !reserve(p, n)) return;
    memcpy(p->at + p->n, bytes, n);
    p->n += n;
}

static void put_varint(struct wg__pb *p, uint64_t v)
{
    uint8_t text[MAX_VARINT];
    put(p, text, encode(v, text));
}

static void put_tag(struct wg__pb *p, uint32_t number, enum wg__wire wire) { put_varint(p, number << 3 | wire); }

void wg__pb_int(struct wg__pb *p, uint32_t number, int64_t v)
{
    put_tag(p, number, WG__VARINT);
    put_varint(p, (uint64_t)v);
}

void wg__pb_float(struct wg__pb *p, uint32_t number, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_tag(p, number, WG__FIXED32);
    put(p, (uint8_t[]){(uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16), (uint8_t)(bits >> 24)}, 4);
}

void wg__pb_head(struct wg__pb *p, uint32_t number, uint64_t n)
{
    put_tag(p, number, WG__BYTES);
    put_varint(p, n);
}

void wg__pb_bytes(struct wg__pb *p, uint32_t number, const void *bytes, size_t n)
{
    wg__pb_head(p, number, n);
    put(p, bytes, n);
}

void wg__pb_text(struct wg__pb *p, uint32_t number, const char *text) { wg__pb_bytes(p, number, text, strlen(text)); }

void wg__pb_append(struct wg__pb *p, const struct wg__pb *q)
{
    p->failed = p->failed || q->failed;
    put(p, q->at, q->n);
}

size_t wg__pb_open(struct wg__pb *p, uint32_t number)
{
    put_tag(p, number, WG__BYTES);
    return p->n;
}

/* The length goes before what was written, which moves up. */
void wg__pb_close(struct wg__pb *p, size_t opened)
{
    uint8_t length[MAX_VARINT];
    if (p->failed) return;
    size_t n = p->n - opened, k = encode(n, length);
    if (!reserve(p, k)) return;
    memmove(p->at + opened + k, p->at + opened, n);
    memcpy(p->at + opened, length, k);
    p->n += k;
}
