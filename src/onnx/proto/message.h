/* message.h - how a protobuf message becomes a struct: a table of its fields,
 * each with the function that takes one from the wire. */
#ifndef WENGERT_ONNX_MESSAGE_H
#define WENGERT_ONNX_MESSAGE_H

#include "onnx/proto/proto.h"

struct wg__model_reader {
    struct wg__onnx_file *file;
    size_t                left; /* bytes that may still be taken */
    int                   depth;
};
enum { WG__READER_DEPTH = 64 }; /* messages in messages */

struct wg__message;
struct wg__member {
    uint32_t    number; /* 0 ends a table */
    const char *name;
    /* Puts the field's value into the struct at `to`. */
    int (*read)(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f, char *to);
    size_t                    at, n; /* offsets of the value and, of a list, of its count (an int) */
    const struct wg__message *of;
};
struct wg__message {
    const char              *name;
    size_t                   size;
    const void              *blank; /* the struct before any field */
    const struct wg__member *member;
    size_t                   place; /* offset of a uint64_t that takes where the message is; 0: it has none */
};

/* Reads all fields of a message into the struct at `to`, which may be filled in part: a message that
 * comes twice is merged. */
int wg__message_read(struct wg__model_reader *r, const struct wg__message *m, struct wg__span bytes, void *to);

/* Takes n zeroed bytes from the file's arena. NULL with a complaint if the file is too small to need
 * so much, or memory is short. */
void *wg__reader_take(struct wg__model_reader *r, const uint8_t *at, size_t n);
/* Checks that the field has the wire type; complains and returns a status if not. */
int wg__reader_wants(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f,
                     enum wg__wire wire);
/* Adds `more` (at least one) elements of `size` bytes to a list. Returns the first of them, or NULL
 * with a complaint. */
void *wg__reader_grow(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f, size_t size,
                      size_t more, char *to);
/* Copies the field's bytes as a text that ends with a zero. A zero among the bytes makes the text ""
 * if `loose`, else it is an error. */
int wg__reader_text(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f, bool loose,
                    const char **to);

#define WG__READ(name) \
    int wg__read_##name(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f, char *to)
/* Puts the value; of several in the file the last counts. */
WG__READ(text);
WG__READ(loose_text);
WG__READ(int64); /* int64_t */
WG__READ(int32); /* int64_t of the low 32 bits, as protobuf has it */
WG__READ(enum);  /* int */
WG__READ(float);
WG__READ(span);
WG__READ(true); /* it is there: what is in it does not matter */
/* Merges a message into the struct at the offset, or into the struct that a pointer at the offset leads to. */
WG__READ(part);
WG__READ(pointer);
/* Lists. */
WG__READ(list); /* of messages */
WG__READ(texts);
WG__READ(loose_texts);
WG__READ(int64s); /* packed or not */
WG__READ(floats); /* packed or not */

#endif
