/* safetensors_impl.h - what the reader of safetensors keeps of a file. */
#ifndef WENGERT_TRAIN_SAFETENSORS_IMPL_H
#define WENGERT_TRAIN_SAFETENSORS_IMPL_H

#include "data/io_impl.h"
#include "graph/graph_impl.h"

#include <wengert/train.h>

/* The longest header, as in the format's first reader. */
enum { WG__ST_HEADER = 100000000 };

/* A key of "__metadata__". */
struct wg__tensor_note {
    const char *key, *text;
    size_t      at; /* offset in the file */
};
/* What the reader keeps of a file. */
struct wg_safetensors {
    const char    *name;         /* for messages, while it is read */
    unsigned char *file;         /* [size] */
    size_t         size, header; /* header: bytes of JSON, after the first 8 */
    char          *text;         /* decoded strings of the header */
    wg_safetensor *tensor;       /* [n] */
    struct wg__tensor_span {
        size_t                    begin, end; /* in the data */
        size_t                    at;         /* offset in the file of what the header says of it */
        const struct wg__element *element;    /* as the file has them; NULL: no dtype of this library */
        char                     *reason;     /* owned; why the tensor was left out, or NULL */
    } * place;                                /* [n] */
    unsigned char          *wide;             /* the data of all tensors that take more room here than in the file */
    int                    *by_name;          /* [n] indices, in the order of the names */
    int                     n, cap;
    struct wg__tensor_note *meta; /* [n_meta], once checked in the order of the keys */
    int                     n_meta, cap_meta;
};

/* Finds the first byte of x that is no bool of this library, 0 or 1; NULL: there is none, or x is not bool. */
const unsigned char *wg__st_bad_bool(const wg_safetensor *x);
/* Finds the index of a tensor; -1: there is none. */
int wg__st_find(const struct wg_safetensors *f, const char *name);
/* Leaves tensor i out, for the reason "tensor NAME: ..."; false if memory is short. */
bool wg__st_leave_out(struct wg_safetensors *f, int i, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Parses the header of f into tensor, place and meta.  WG_OK or a status with e filled in. */
int wg__st_header(struct wg_safetensors *f, wg_error *e);

#endif
