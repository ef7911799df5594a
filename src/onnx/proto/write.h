/* write.h - protobuf's wire format (protobuf.dev/programming-guides/encoding),
 * written into memory that grows. */
#ifndef WENGERT_ONNX_WRITE_H
#define WENGERT_ONNX_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "base/text/text.h"

/* One field by its number: a varint, a float, bytes or text. */
void wg__pb_int(struct wg__text *p, uint32_t number, int64_t v);
void wg__pb_float(struct wg__text *p, uint32_t number, float v);
void wg__pb_bytes(struct wg__text *p, uint32_t number, const void *bytes, size_t n);
void wg__pb_text(struct wg__text *p, uint32_t number, const char *text);
/* Tag and length of a field whose n bytes the caller writes elsewhere. */
void wg__pb_head(struct wg__text *p, uint32_t number, uint64_t n);

/* A nested message is what is written between the two. */
size_t wg__pb_open(struct wg__text *p, uint32_t number);
void   wg__pb_close(struct wg__text *p, size_t opened);

#endif
