/* onnx_impl.h - what a wg_onnx is. */
#ifndef WENGERT_ONNX_IMPL_H
#define WENGERT_ONNX_IMPL_H

#include "onnx/proto/proto.h"

#include <wengert/onnx.h>

struct wg__import_value; /* onnx/import/import.h */

struct wg_onnx {
    struct wg__onnx_file  file;
    void                 *owned; /* the bytes, where they were read here */
    char                 *path;  /* copies that file.name and file.folder point to; NULL for bytes of memory */
    char                 *folder;
    char                 *home; /* what file.home points to */
    struct wg__onnx_model model;
    int                   status;
    char                 *message; /* malloc; grows with every line that is added */
    size_t                n_message;
    char                  spare[160]; /* the message where there was no memory for one */

    /* Of an import: names to values (open addressing, XXH3), then inputs and outputs. */
    bool                     imported;
    struct wg__import_value *value;
    int                      n_value;
    int                     *slot; /* [a power of two] index into value, or -1 */
    int                      n_slot;
    wg_node                **input, **output; /* [model.n_input without initialisers], [model.n_output] */
    const char             **input_name;
    int                      n_input;
};

/* The file of that path in memory, not parsed yet; NULL if memory is short,
 * else what was wrong is in its file.  (onnx.c) */
wg_onnx *wg__onnx_load(const char *path);
/* fd itself with its size, if it is a regular file: any other may never end, or
 * wait for a writer.  -1 with the reason in *e (of errno for an fd of -1), and
 * fd closed.  (onnx.c) */
int wg__onnx_regular(int fd, const char *name, uint64_t *size, wg_error *e);
/* A file in f's folder or below it, by a path without ".."; its descriptor, or
 * -1 with the reason in *e.  (outside.c) */
int wg__onnx_open(const struct wg__onnx_file *f, const char *location, uint64_t *size, wg_error *e);
/* The folder that an open file is in (malloc); NULL where the system does not say. */
char *wg__onnx_folder_of(int fd);

/* Adds a line to the message; the first status stays.  (onnx.c) */
int wg__onnx_say(wg_onnx *m, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
