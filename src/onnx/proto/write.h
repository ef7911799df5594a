/* write.h - protobuf's wire format (protobuf.dev/programming-guides/encoding),
 * written into memory that grows.  A failed allocation is kept in `failed`, and
 * what follows does nothing. */
#ifndef WENGERT_ONNX_WRITE_H
#define WENGERT_ONNX_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wg__pb {
    uint8_t *at;
    size_t   n, cap;
    bool     failed;
};

void wg__pb_free(struct wg__pb *p);

/* One field by its number: a varint, a float, bytes or text. */
void wg__pb_int(struct wg__pb *p, uint32_t number, int64_t v);
void wg__pb_float(struct wg__pb *p, uint32_t number, float v);
void wg__pb_bytes(struct wg__pb *p, uint32_t number, const void *bytes, size_t n);
void wg__pb_text(struct wg__pb *p, uint32_t number, const char *text);
/* Tag and length of a field whose n bytes the caller writes elsewhere. */
void wg__pb_head(struct wg__pb *p, uint32_t number, uint64_t n);

/* All of q as it is; q's failure is p's. */
void wg__pb_append(struct wg__pb *p, const struct wg__pb *q);

/* A nested message is what is written between the two. */
size_t wg__pb_open(struct wg__pb *p, uint32_t number);
void   wg__pb_close(struct wg__pb *p, size_t opened);

#endif
