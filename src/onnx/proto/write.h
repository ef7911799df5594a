/* write.h - protobuf's wire format (protobuf.dev/programming-guides/encoding),
 * written into memory that grows. */
#ifndef WENGERT_ONNX_WRITE_H
#define WENGERT_ONNX_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "base/text/text.h"

/* Writes one field: a varint, a float, bytes or text. */
void wg__pb_int(struct wg__text *p, uint32_t number, int64_t v);
void wg__pb_float(struct wg__text *p, uint32_t number, float v);
void wg__pb_bytes(struct wg__text *p, uint32_t number, const void *bytes, size_t n);
void wg__pb_text(struct wg__text *p, uint32_t number, const char *text);
/* Writes tag and length of a field whose n bytes the caller writes elsewhere. */
void wg__pb_head(struct wg__text *p, uint32_t number, uint64_t n);

/* Begins and ends a nested message. wg__pb_close takes what wg__pb_open returned. */
size_t wg__pb_open(struct wg__text *p, uint32_t number);
void   wg__pb_close(struct wg__text *p, size_t opened);

#endif
