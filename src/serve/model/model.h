/* model.h - the models that a predictor serves, and predictions by them.
 * Knows nothing of HTTP or JSON.
 *
 * A repository has models by name; a model has versions, each an ONNX file
 * that was loaded, warmed up and is then immutable: one graph whose weights
 * all tapes share.  Versions are counted: whoever uses one holds it, and the
 * last who lets go frees it, so a reload never takes a model from under a
 * request. */
#ifndef WENGERT_SERVE_MODEL_H
#define WENGERT_SERVE_MODEL_H

#include <stdbool.h>

#include <wengert/graph.h>

#include "base/budget.h"
#include "base/system/clock.h"

struct wg__text;

/* ---- Limits and options of a server, as far as models care ---- */

struct wg__model_options {
    int     threads;           /* workers; 0: as many as the process has CPUs */
    int     max_batch;         /* rows; 1: no dynamic batching */
    int     max_delay_us;      /* how long a batch may wait for more rows while other requests are on their way */
    int     queue;             /* jobs that may wait for each version; more are refused with WG__BUSY */
    int     deadline_ms;       /* of a job from its arrival; 0: none */
    int64_t max_rows;          /* in one request */
    int64_t max_bytes;         /* of the values of one run, or the results of one request: more is refused; 0: 1 GiB */
    struct wg__budget *budget; /* that values and results are of; NULL: no common limit */
    /* "name=on" or "name=off" for models whose rows are known to stay apart, or are never to run together. */
    int                n_batching;
    const char *const *batching;
    /* One line of the log, without a newline; any thread. */
    void (*log)(void *context, const char *level, const char *message);
    void *log_context;
};

/* ---- A version ---- */

struct wg__model_tensor {
    const char *name;
    wg_dtype    dtype;
    wg_shape    shape; /* -1: any size */
};

struct wg__version {                           /* what everybody may read; the rest is version.c's own */
    const char                    *model;      /* name */
    int64_t                        number;     /* of the version; 1 for a lone file */
    char                           digest[17]; /* XXH3 of the file, hexadecimal */
    double                         load_seconds;
    int                            n_in, n_out;
    const struct wg__model_tensor *in, *out;
    bool                           batched; /* axis 0 of every input and output is one symbol, and rows stay apart */
    uint64_t                       gain_ns; /* what a row saved in a full batch, when it was tried */
    const char                    *producer, *doc; /* of the file; "" if there is none */
    int                            n_meta;
    const char *const (*meta)[2]; /* pairs of key and text */
};

enum wg__model_state { WG__START, WG__LOADING, WG__AVAILABLE, WG__UNLOADING, WG__END };
const char *wg__model_state_name(enum wg__model_state s); /* "AVAILABLE" */

struct wg__version_status {
    int64_t              number;
    enum wg__model_state state;
    int                  code;         /* 0, or the status why it is not loaded */
    char                 message[300]; /* "" if code is 0 */
};

/* ---- The repository (repository.c) ---- */

struct wg__repository;

/* Opens the models of n specifications "name=path": path is a file *.onnx, a folder with numeric folders 1, 2, .. that
 * hold model.onnx (the highest serves), or a folder that holds model.onnx.  Loads all; NULL with the reason (which
 * model, why) in e. */
struct wg__repository *wg__repository_open(int n, const char *const spec[], const struct wg__model_options *o,
                                           wg_error *e);
/* Waits for the jobs that run or wait, and frees r. */
void wg__repository_close(struct wg__repository *r);
/* Looks once whether files have changed.  A changed model is loaded while its old version serves, and then takes that
 * version's place.  One thread at a time. */
void wg__repository_poll(struct wg__repository *r);
/* Answers the jobs whose deadline has passed while they waited. */
void wg__repository_expire(struct wg__repository *r);
/* Releases the idle tapes of all models, except small tapes (all: small tapes too). */
void wg__repository_relieve(struct wg__repository *r, bool all);
/* Counts the loads of model i that have failed. */
uint64_t wg__repository_failures(struct wg__repository *r, int i);
/* Loads the newest version of a model now, whatever the clock says.  WG_OK, WG_EARG for an unknown name, or why the
 * load failed (the old version goes on serving). */
int wg__repository_reload(struct wg__repository *r, const char *model, wg_error *e);

/* Returns the name of model i, in the order of the specifications; NULL past the last. */
const char *wg__repository_model(struct wg__repository *r, int i);
bool        wg__repository_has(struct wg__repository *r, const char *model);
/* Holds the version that serves (number < 0: the newest) for the caller, who gives it back by wg__version_release.
 * NULL: there is none. */
struct wg__version *wg__version_hold(struct wg__repository *r, const char *model, int64_t number);
void                wg__version_release(struct wg__version *v);
/* Lists at most max states of a model's versions, newest first, with failed loads and their reasons among them.
 * Returns their number; -1 for an unknown name. */
int wg__repository_status(struct wg__repository *r, const char *model, int max, struct wg__version_status to[]);

/* ---- Predictions (predict.c, batch.c) ---- */

enum wg__job_status {                  /* beside enum wg_status */
                      WG__BUSY = -100, /* the queue is full */
                      WG__LATE = -101, /* the deadline passed */
                      WG__CLOSING = -102,
                      WG__LEFT = -103 /* whoever asked has gone; nothing was computed */
};

/* One request to a version.  The caller fills in the first half and keeps the
 * job and the inputs' memory alive until it is done. */
struct wg__job {
    struct wg__version *version; /* held by the caller */
    const struct wg__given {
        const void *data; /* dense; any alignment */
        wg_shape    shape;
    } * in;              /* [version->n_in], in its order, dtypes as the version's */
    uint64_t arrived_ns; /* CLOCK_MONOTONIC, 0: now */
    void    *context;
    void (*done)(struct wg__job *job); /* called once, from another thread, if wg__predict gave 0 */
    bool (*left)(struct wg__job *job); /* whether nobody waits for it any more; NULL: never */

    /* Results. */
    int  status; /* WG_OK, a wg_status, or of wg__job_status */
    char why[240];
    struct wg__result {
        wg_shape shape;
        void    *data; /* until wg__job_free */
    } * out;           /* [version->n_out] */
    int64_t  rows;     /* of the batch axis; 1 where there is none */
    int      batch;    /* rows that ran together */
    uint64_t queue_ns, run_ns;

    /* batch.c's own. */
    struct wg__job *next;
    void           *memory;
    size_t          n_memory;
};

/* Checks the shapes, then computes at once where a worker's tape is free and nobody else is waiting, or puts the job
 * into the queue.  1: the job is done (job->done is not called); 0: job->done will be called.  incoming: requests that
 * this server has begun to receive and that have not come to this call (a batch waits only for such requests). */
int  wg__predict(struct wg__job *job, int incoming);
void wg__job_free(struct wg__job *job);

/* ---- Counters, for /metrics and the page ---- */

struct wg__version_counters {
    uint64_t rows, batches, refused, late, failed;
    double   queue_seconds, run_seconds; /* sums over jobs and over batches */
    int      waiting;                    /* jobs in the queue now */
};
struct wg__version_counters wg__version_count(struct wg__version *v);

#endif
