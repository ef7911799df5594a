/* data.h - arrays from files, and batches of them into a tape.
 *
 *   wg_array image, label;
 *   if (wg_idx_read("train-images-idx3-ubyte.gz", &image, &e)) return say(e.message);
 *   if (wg_idx_read("train-labels-idx1-ubyte.gz", &label, &e)) return say(e.message);
 *
 *   wg_batches *b = wg_batches_new(&(wg_batch_options){
 *       .n = 2, .column = (wg_column[]){{.array = &image, .input = x, .scale = 1 / 255.0},
 *                                       {.array = &label, .input = y}},
 *       .size = 64, .seed = 1, .shuffle = 1, .prefetch = 2}, &e);
 *   while ((n = wg_batch_next(b, t)) > 0)
 *       if (wg_run(t)) return say(wg_tape_message(t));
 *   if (n < 0) return say(wg_batches_message(b));
 *
 * Readers return WG_OK or a negative status; on an error *out is all zero,
 * nothing is kept, and *e (which may be NULL) says which file, where in it, and
 * what is wrong.  NULL for anything else that a call needs is WG_EARG, and *e names
 * the call.  No reader takes more memory than its file can justify: an
 * absurd size in a header is refused before anything is allocated for it.
 * Writers write beside the file and rename, so that a failure leaves an older
 * file as it was; a symbolic link stays, and the file that it names is replaced. */
#ifndef WENGERT_DATA_H
#define WENGERT_DATA_H

#include <wengert/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Arrays ---------------------------------------------------------------- */

/* Dense and row-major; no symbols in the shape.  What a reader or
 * wg_array_new filled in is released by wg_array_free; an array that a program
 * fills in itself may point to any memory and is not freed. */
typedef struct wg_array {
    wg_dtype dtype;
    wg_shape shape;
    void    *data;
} wg_array;

/* Allocates an array, zeroed and 64-byte aligned.  WG_OK, WG_EARG (a negative
 * dimension, no such dtype, rank over WG_MAX_RANK) or WG_ENOMEM; on an error *out is
 * all zero. */
WG_API int wg_array_new(wg_array *out, wg_dtype t, wg_shape s);
/* Releases the data and zeroes *a.  NULL is allowed. */
WG_API void wg_array_free(wg_array *a);
/* Counts the bytes of the data; 0 for an array whose shape or dtype is not valid. */
WG_API size_t wg_array_bytes(const wg_array *a);

/* ---- IDX: the format of MNIST (yann.lecun.com/exdb/mnist) --------------------- */

/* Reads an IDX file, plain or gzip, told apart by content.  unsigned byte -> u8; signed
 * byte, short, int -> i32; float -> f32; double -> f64.  Offsets in a gzip file's
 * errors count unpacked bytes, unless the message speaks of packed ones. */
WG_API int wg_idx_read(const char *path, wg_array *out, wg_error *e);
WG_API int wg_idx_parse(const void *bytes, size_t n, wg_array *out, wg_error *e);
/* Writes plain IDX: u8, i32, f32, f64; sizes below 2^32. */
WG_API int wg_idx_write(const char *path, const wg_array *a, wg_error *e);

/* ---- CSV (RFC 4180) ------------------------------------------------------------- */

/* Texts that stand for the numbers 0..n-1. */
typedef struct wg_csv_classes {
    int    n; /* 0: a column of numbers */
    char **name;
} wg_csv_classes;

typedef struct wg_csv {
    wg_array        values; /* [records, columns] */
    int             columns;
    char          **name;    /* [columns]; NULL without a header */
    wg_csv_classes *classes; /* [columns]; NULL if no column has any */
} wg_csv;

typedef struct wg_csv_options {
    size_t   struct_size; /* see WG_OPTIONS */
    char     delimiter; /* 0: a comma; ' ': any run of spaces and tabs, and those at a line's ends are none */
    int      header;    /* the first record holds names */
    wg_dtype dtype;     /* WG_F32 (the zero value) or WG_F64 */
    int      missing;   /* a field that is empty, blank or one of the markers is NaN; otherwise it is an error */
    /* Which columns, in the order of the result, by index or (with a header)
     * by name; at most one of the two.  n_columns = 0: all of them.  A column
     * that is not picked may hold anything. */
    int                n_columns;
    const int         *columns;
    const char *const *names;
    int                skip;    /* lines to leave out before the first record, whatever they hold */
    char               comment; /* '#', say: from there, outside of quotes, a line is no data.  0: there are none */
    const char *const *markers; /* of what is missing, ended by NULL.  NULL: NA N/A n/a #N/A <NA> NULL null None ? */
    /* Classes: a column of texts.  Its values are the numbers of its distinct
     * texts in the order of strcmp, blanks around a text left off, and the
     * texts come back in wg_csv.classes. */
    int                text_is_class; /* a column is one if its first value that is not missing is no number */
    int                n_classes;     /* so many columns are, whatever they look like: by index or name; all picked */
    const int         *class_columns;
    const char *const *class_names;
    /* Classes are numbered as in this earlier file, in the column of the same
     * name (of the same index in the result, where one has no names).  Such a
     * column has classes here too, and a text that is new is an error. */
    const wg_csv *like;
} wg_csv_options;

/* Reads a CSV file, plain or gzip.  Numbers are decimal, or inf, infinity, nan, or true
 * (1) and false (0), in any case, whatever the locale; spaces and tabs around them are
 * ignored.  Numbers are rounded once; a number too large for the dtype is an error.
 * Ends of records are LF or CRLF, the last one may be missing, and empty lines are
 * skipped; a byte order mark is skipped.  All records have the same number of fields.
 * An empty file gives values of shape [0,0].  Names lose the blanks around them, unless
 * they are quoted.  Messages name line and column (field), both from 1.  options may be
 * NULL. */
WG_API int wg_csv_read(const char *path, const wg_csv_options *options, wg_csv *out, wg_error *e);
WG_API int wg_csv_parse(const void *bytes, size_t n, const wg_csv_options *options, wg_csv *out, wg_error *e);
/* Finds the index in values of the (first) column of that name; -1 if there is none. */
WG_API int wg_csv_find(const wg_csv *c, const char *name);
/* Copies columns first .. first+n-1 into an array of their own, of dtype t:
 * [records,n], or [records] where n is 1.  So one read gives features and labels.
 * WG_EARG for columns that are not there, or for a value that t does not hold (for
 * whole numbers and bool that is NaN, a fraction, anything out of range), which the
 * message names with its record and column; WG_ENOMEM.  first counts from 0; the record
 * and column of a value are counted from 1.  Records are those of values: the header is
 * none, and lines of the file are counted by readers only. */
WG_API int  wg_csv_take(const wg_csv *c, int first, int n, wg_dtype t, wg_array *out, wg_error *e);
WG_API void wg_csv_free(wg_csv *c);

/* ---- .npy and .npz (numpy.lib.format, versions 1 to 3) --------------------------- */

/* Reads a .npy file: b1 -> bool; u1 -> u8; i1, i2, u2, i4 -> i32; u4, i8, u8 -> i64;
 * f2, f4 -> f32; f8 -> f64: every value exactly.  A 64-bit unsigned value of 2^63 or
 * more is an error that names it.  Either byte order; Fortran order becomes row-major.
 * Other dtypes (text, complex, structures, objects) are refused by name, and so is a
 * file that goes on after its array. */
WG_API int wg_npy_read(const char *path, wg_array *out, wg_error *e);
WG_API int wg_npy_parse(const void *bytes, size_t n, wg_array *out, wg_error *e);
WG_API int wg_npy_write(const char *path, const wg_array *a, wg_error *e);

/* A zip file of .npy members, stored or deflated. */
typedef struct wg_npz {
    int n;
    struct wg_npz_entry {
        char    *name;   /* without ".npy" */
        wg_array array;  /* all zero where there is a reason */
        char    *reason; /* why this member could not be taken; NULL if it was */
    } * entry;
} wg_npz;

/* Reads every array of an archive; wg_npz_list reads names, dtypes and shapes only,
 * with data NULL.  A member that is no array of this library (text, objects, a dtype or
 * a packing that is not supported, encrypted, no .npy at all) does not spoil the
 * others: its entry has no array but a reason, which names the member.  A damaged
 * member refuses the archive; checksums are verified.  Offsets inside of a deflated
 * member count its unpacked bytes.  Split archives are refused, and so is an archive
 * whose members overlap: what is unpacked stays in proportion to the file. */
WG_API int wg_npz_read(const char *path, wg_npz *out, wg_error *e);
WG_API int wg_npz_list(const char *path, wg_npz *out, wg_error *e);
WG_API int wg_npz_parse(const void *bytes, size_t n, wg_npz *out, wg_error *e);
/* Reads the array of that name alone; nothing else of the file is unpacked.  For a
 * member that could not be taken, an error with the same reason. */
WG_API int wg_npz_read_one(const char *path, const char *name, wg_array *out, wg_error *e);
/* Finds an array by name, borrowed until wg_npz_free.  NULL if there is none, or if it
 * could not be taken. */
WG_API const wg_array *wg_npz_find(const wg_npz *z, const char *name);
WG_API void            wg_npz_free(wg_npz *z);
/* Writes an archive of stored members, as numpy.savez does.  Names are UTF-8, not
 * empty, each used once. */
WG_API int wg_npz_write(const char *path, int n, const char *const name[], const wg_array *const array[], wg_error *e);

/* ---- Other files ------------------------------------------------------------------- */

/* Replaces a file as all writers here do: the new bytes are synced under
 * another name beside the file, which is then renamed.  Where path is a
 * symbolic link, what the link names is replaced and the link stays.  What a
 * killed writer of the same file left behind is removed.  WG_OK, WG_EARG,
 * WG_EIO or WG_ENOMEM. */
WG_API int wg_file_write(const char *path, const void *bytes, size_t n, wg_error *e);
/* Tells whether a writer could begin there now: asked before hours of work whose result
 * is to be saved.  Leaves the file as it is. */
WG_API int wg_file_check(const char *path, wg_error *e);

/* ---- Batches ------------------------------------------------------------------------ */

/* One stream of examples, one along the first axis of each array. */
typedef struct wg_column {
    const wg_array *array; /* borrowed until wg_batches_free; not written meanwhile */
    wg_node        *input; /* what wg_batch_next fills; NULL if only wg_batch_into is used */
    wg_dtype        dtype; /* of the batch where input is NULL; otherwise it is the input's */
    /* x * scale + shift, in double, rounded once to the dtype as wg_cast does.
     * A scale of 0 counts as 1.  Where whole numbers are wanted, a NaN or a
     * number out of range is an error of wg_batches_new, which names row,
     * element and value, counted from 0. */
    double scale, shift;
} wg_column;

/* What happens to the examples that do not fill a batch at an epoch's end. */
typedef enum wg_last {
    WG_LAST_DROP,  /* left out; in the next epoch others are, where it shuffles */
    WG_LAST_SHORT, /* a smaller batch */
    WG_LAST_WRAP   /* a batch filled up with the first examples of the epoch's order */
} wg_last;

typedef struct wg_batch_options {
    size_t           struct_size; /* see WG_OPTIONS */
    int              n; /* columns */
    const wg_column *column;
    int64_t          size; /* examples in a batch */
    uint64_t         seed;
    int              shuffle; /* a new order each epoch: a function of seed and epoch alone */
    wg_last          last;
    int              prefetch; /* batches that a thread prepares ahead; 0: no thread.  Same batches. */
} wg_batch_options;

typedef struct wg_batches wg_batches;

/* Makes batches of columns; NULL with the reason in *e.  One thread at a time uses a
 * wg_batches. */
WG_API wg_batches *wg_batches_new(const wg_batch_options *o, wg_error *e);
/* Frees the batches, at any moment.  NULL is allowed. */
WG_API void wg_batches_free(wg_batches *b);

/* Puts the next batch into the inputs of t, as wg_set would: on a device while it still
 * computes.  Returns the number of examples; 0 at the end of an epoch (the call after
 * it starts the next one); or a negative status, with the batch still to come.  On t an
 * input has the batch's size as its first dimension and as many elements as the batch:
 * [64,784] takes 64 examples of [28,28]. */
WG_API int wg_batch_next(wg_batches *b, wg_tape *t);
/* Puts the next batch into the caller's memory: column i of the batch, dense, to
 * column[i], or nowhere where column[i] is NULL.  Returns as wg_batch_next does. */
WG_API int wg_batch_into(wg_batches *b, void *const column[]);
/* Counts the examples in the batch that comes next; 0 at the end of an epoch. */
WG_API int wg_batch_peek(const wg_batches *b);
/* Counts the batches in an epoch. */
WG_API int64_t wg_batches_count(const wg_batches *b);

/* Tells which batch comes next, counted from 0: enough, with the options, to go on from
 * there later.  Either pointer may be NULL. */
WG_API void wg_batches_position(const wg_batches *b, uint64_t *epoch, int64_t *batch);
/* Makes a batch of an epoch, batch <= wg_batches_count, the next one.  WG_OK or
 * WG_EINDEX. */
WG_API int wg_batches_seek(wg_batches *b, uint64_t epoch, int64_t batch);

/* Says why the last call that failed did; "" before.  Borrowed: until the next call on
 * b. */
WG_API const char *wg_batches_message(const wg_batches *b);

#ifdef __cplusplus
}
#endif
#endif
