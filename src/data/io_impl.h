/* io_impl.h - bytes in and out for the readers and writers of src/data. */
#ifndef WENGERT_DATA_IO_IMPL_H
#define WENGERT_DATA_IO_IMPL_H

#include <stdbool.h>
#include <zlib.h>

#include <wengert/data.h>

/* ---- A file, or memory that stands for one (file.c) ---- */

struct wg__file {
    const char    *name;        /* borrowed, for messages */
    bool           unsupported; /* set with an error: what is there is sound, but this library has no form for it */
    const char    *part;        /* of the file, which messages name as well: a member of an archive; NULL: the whole */
    int            fd;          /* -1: the bytes are in data */
    const uint8_t *data;
    uint8_t       *owned; /* data, where it was read from a pipe */
    uint64_t       size;
    wg_error      *e; /* may be NULL */
};

int  wg__file_open(struct wg__file *f, const char *path, wg_error *e);
void wg__file_memory(struct wg__file *f, const void *bytes, size_t n, wg_error *e);
void wg__file_close(struct wg__file *f);
/* Reads exactly n bytes from offset; WG_EFORMAT if the file is too short. */
int wg__file_read(const struct wg__file *f, uint64_t offset, void *to, size_t n);

/* Fills in *e as "name: byte 17: complaint" (no byte if offset < 0). */
void wg__tell(wg_error *e, const char *name, int status, int64_t offset, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Returns status.  wg__say and wg__bad end with a call of this function, so that the compiler sees their value. */
static inline int wg__told(int status) { return status; }
#define wg__say(e, name, status, ...) (wg__tell(e, name, status, __VA_ARGS__), wg__told(status))
/* Complains that the system could not do `what`, by errno: "name: cannot open: Permission denied"; the status. */
int wg__say_errno(wg_error *e, const char *name, const char *what);
/* Refuses a call that got NULL for what it needs: "wg_csv_read: out is NULL". */
static inline int wg__lacks(wg_error *e, const char *call, const char *what, const void *p)
{
    return p ? WG_OK : wg__say(e, call, WG_EARG, -1, "%s is NULL", what);
}
/* Complains about a file, or about the part of it that is being read. */
void wg__tell_file(const struct wg__file *f, int status, int64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
#define wg__bad(f, status, offset, ...) (wg__tell_file(f, status, (int64_t)(offset), __VA_ARGS__), wg__told(status))
#define wg__foreign(f, ...) ((f)->unsupported = true, wg__bad(f, __VA_ARGS__))
static inline int wg__bad_memory(const struct wg__file *f) { return wg__bad(f, WG_ENOMEM, -1, "out of memory"); }

/* ---- A part of a file, read forward, unpacked on the way (stream.c) ---- */

enum wg__packing { WG__PLAIN, WG__GZIP, WG__DEFLATE };

struct wg__file_stream {
    struct wg__file *f;
    enum wg__packing packing;
    uint64_t         begin, next, end; /* of the bytes in the file; next is not yet taken */
    uint64_t         at;               /* unpacked bytes given out */
    uint32_t         crc;              /* of these unpacked bytes, if checked */
    bool             checked, ended;
    z_stream         z;
    uint8_t          raw[8192];
};

int wg__stream_open(struct wg__file_stream *s, struct wg__file *f, enum wg__packing p, uint64_t begin, uint64_t end);
/* Opens the whole file, unpacked if it starts as gzip does. */
int  wg__stream_open_all(struct wg__file_stream *s, struct wg__file *f);
void wg__stream_close(struct wg__file_stream *s);
/* Reads up to n bytes: fewer only at the end.  *got is their number. */
int wg__stream_read(struct wg__file_stream *s, void *to, size_t n, size_t *got);
/* Reads exactly n bytes of `what`; WG_EFORMAT at the offset where the stream ends. */
int wg__stream_exact(struct wg__file_stream *s, void *to, size_t n, const char *what);
/* Checks that the stream has ended; WG_EFORMAT if more bytes follow. */
int wg__stream_finish(struct wg__file_stream *s);
/* Reads n bytes into memory allocated here (released by wg__data_free).  Refuses an n that the file is too small for.
 * Memory for packed data is allocated as the data arrive. */
int wg__stream_take(struct wg__file_stream *s, uint64_t n, void **out);
/* Returns the offset that errors give: in the file, or in its unpacked bytes. */
uint64_t wg__stream_offset(const struct wg__file_stream *s);

/* Moves `used` bytes to data memory of n bytes; *p stays as it was if that fails. */
bool wg__data_resize(void **p, size_t used, size_t n);

/* ---- Elements as files have them (element.c) ---- */

struct wg__element {  /* a row of base/dtypes.def */
    char        kind; /* 'b', 'u', 'i', 'f' as in numpy; 'B': bfloat16 */
    uint8_t     size;
    wg_dtype    dtype; /* the smallest of ours that holds every value; i64 for u64, where each value is checked */
    bool        own;   /* the elements are that dtype's */
    uint8_t     idx;   /* the type in an IDX file; 0: none */
    const char *safetensors;
};
/* Finds an element type; NULL if there is none. */
const struct wg__element *wg__element_of(char kind, unsigned size);
const struct wg__element *wg__element_of_idx(uint8_t type);
const struct wg__element *wg__element_of_safetensors(const char *name);
/* Finds the element type that is the dtype itself; NULL for what is no dtype. */
const struct wg__element *wg__element_of_dtype(wg_dtype t);
/* Computes the bytes of a shape, dim[0] * ... * size; WG_EFORMAT with a complaint if memory cannot have so many. */
int wg__element_bytes(const struct wg__file_stream *s, const struct wg__element *t, const wg_shape *shape,
                      uint64_t *bytes);
/* Reads the values of out->shape from the stream; sets out->dtype and out->data. */
int wg__elements_read(struct wg__file_stream *s, const struct wg__element *t, bool big, wg_array *out);
/* Tells whether elements take more room in memory than in a file. */
bool wg__element_widens(const struct wg__element *t);
/* Converts n elements to t->dtype.  They lie as in a file, but in this machine's byte order, at any address. */
void wg__elements_widen(const struct wg__element *t, const void *raw, size_t n, void *out);
/* Finds the first of n elements that t->dtype does not hold; returns its index, or n if t->dtype holds all. */
size_t wg__elements_fit(const struct wg__element *t, const void *raw, size_t n);
/* Reverses the bytes of each of n elements of `size` bytes, in place. */
void wg__swap_bytes(void *x, size_t n, size_t size);
#define WG__BIG_HOST (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

/* ---- .npy inside of a stream (npy.c, npy_header.c) ---- */

struct wg__npy_header {
    const struct wg__element *element;
    bool                      big, fortran;
    wg_shape                  shape;
};
int wg__npy_header_read(struct wg__file_stream *s, struct wg__npy_header *h);
/* Reads an array; with list, its shape and dtype alone. */
int wg__npy_stream(struct wg__file_stream *s, wg_array *out, bool list);
/* The bytes before the data: a whole number of 64; at most WG__NPY_HEADER. */
enum { WG__NPY_HEADER = 384 };
size_t wg__npy_header_write(const wg_array *a, char *to);

/* ---- A new file in the place of an older one (out.c) ---- */

struct wg__out {
    const char *path;      /* as the caller wrote it, for messages */
    char       *place;     /* where its links lead: owned, cut between directory and name */
    const char *name;      /* in the directory; points into place */
    int         directory; /* open */
    char        temp[48];  /* its name until wg__out_commit */
    unsigned    mode;      /* permissions of the file that is replaced; 0: there is none */
    int         fd;
    uint64_t    at;
    wg_error   *e;
    int         status; /* of the first failure: later writes do nothing */
    size_t      held;
    uint8_t     hold[8192];
};
int  wg__out_open(struct wg__out *o, const char *path, wg_error *e);
void wg__out_write(struct wg__out *o, const void *bytes, size_t n);
/* Renames, or on any failure removes; returns the first failure. */
int wg__out_commit(struct wg__out *o);

/* Checks that a is an array that can be written; else WG_EARG. */
int wg__array_check(const char *path, const wg_array *a, wg_error *e);

#endif
