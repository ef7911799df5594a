/* onnx_impl.h - what a wg_onnx is. */
#ifndef WENGERT_ONNX_IMPL_H
#define WENGERT_ONNX_IMPL_H

#include "base/table.h"
#include "base/text/text.h"
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
    struct wg__text       message;    /* grows with every line that is added; a zero ends it */
    char                  spare[160]; /* the message where there was no memory for one */

    /* Of an import: names to values, then inputs and outputs. */
    bool                     imported;
    struct wg__import_value *value;
    int                      n_value;
    struct wg__table         by_name;
    wg_node                **input, **output; /* [model.n_input without initialisers], [model.n_output] */
    const char             **input_name;
    int                      n_input;
};

/* Reads a file into memory without parsing it. NULL if memory is short; any other failure is in the
 * model's `file`.  (onnx.c) */
wg_onnx *wg__onnx_load(const char *path);
/* Checks that fd is a regular file and gives its size; any other file may never end, or wait for a
 * writer. Returns fd, or closes it and returns -1 with the reason in *e. An fd of -1 means that open
 * failed: the reason is errno's.  (onnx.c) */
int wg__onnx_regular(int fd, const char *name, uint64_t *size, wg_error *e);
/* Opens a file in f's folder or below it, by a path without "..". Returns its descriptor, or -1 with
 * the reason in *e.  (outside.c) */
int wg__onnx_open(const struct wg__onnx_file *f, const char *location, uint64_t *size, wg_error *e);
/* Returns the folder of an open file (malloc), or NULL where the system does not tell. */
char *wg__onnx_folder_of(int fd);

/* Adds a line to the message; the first status stays.  (onnx.c) */
int wg__onnx_say(wg_onnx *m, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
