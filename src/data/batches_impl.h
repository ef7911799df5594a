/* batches_impl.h - inside of wg_batches. */
#ifndef WENGERT_DATA_BATCHES_IMPL_H
#define WENGERT_DATA_BATCHES_IMPL_H

#include <stdbool.h>

#include <wengert/data.h>

/* ---- One column (convert.c) ---- */

struct wg__source {
    const wg_array *array;
    wg_node        *input;
    wg_dtype        dtype; /* of the batch */
    double          scale, shift;
    int64_t         row;      /* elements of an example */
    size_t          from, to; /* bytes of an example, in the array and in the batch */
    bool            copy;     /* no conversion at all */
    void           *lookup;   /* [256] of dtype: what each byte becomes; NULL unless the array is u8 or bool */
};
/* Reads dtype, scale and shift; false if memory is short. */
bool wg__source_prepare(struct wg__source *s);
/* Finds the first element of the array that the batch's dtype does not hold, once scaled: a NaN, or a number out of
 * range of an integer dtype.  Fractions are cut off, as wg_cast does.  Returns its index, and its scaled value in
 * *value; -1: there is none. */
int64_t wg__source_misfit(const struct wg__source *s, double *value);
/* Copies example `index` of the array to the place of an example in a batch, converted and scaled. */
void wg__source_row(const struct wg__source *s, int64_t index, void *to);

/* ---- Order (shuffle.c) ---- */

/* Writes 0..n-1 in the order of an epoch, which depends on n, seed and epoch alone. */
void wg__shuffle(int64_t n, int64_t *order, uint64_t seed, uint64_t epoch);

/* ---- Batches (batches.c) ---- */

struct wg_batches {
    int                n; /* columns */
    struct wg__source *source;
    int64_t            examples, size, count; /* count: batches in an epoch */
    uint64_t           seed;
    wg_last            last;
    uint64_t           epoch; /* what the caller gets next */
    int64_t            batch;
    struct wg__ring   *ring; /* NULL: batches are made when they are asked for */
    void             **to;   /* [n] where the caller wants the batch */
    /* Of whoever makes batches, the ring's thread or the caller. */
    int64_t *order; /* [examples], NULL without shuffling */
    uint64_t order_epoch;
    bool     ordered;
    char     message[240];
};
/* Counts the examples of batch number `batch`. */
int64_t wg__batch_size(const struct wg_batches *b, int64_t batch);
/* Makes a batch; a column whose `to` is NULL is left out. */
void wg__batch_make(struct wg_batches *b, uint64_t epoch, int64_t batch, void *const to[]);

/* ---- Made ahead by a thread (prefetch.c) ---- */

/* Starts the thread that makes `slots` batches ahead, and sets b->ring; WG_ENOMEM, or WG_EINTERNAL if the thread cannot
 * be started. */
int  wg__ring_start(struct wg_batches *b, int slots);
void wg__ring_stop(struct wg_batches *b);
/* Copies the oldest batch out, once it is there. */
void wg__ring_take(struct wg_batches *b, int64_t examples, void *const to[]);
/* Goes on from the caller's position; what was made ahead is forgotten. */
void wg__ring_restart(struct wg_batches *b);

#endif
