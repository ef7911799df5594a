/* model_impl.h - inside of a version: its graph, its tapes, its queue.
 *
 * A prediction passes through three files: predict.c checks the shapes and
 * computes jobs that differ in rows alone, tape_pool.c lends it tapes, batch.c
 * decides when which jobs run together and on which thread. */
#ifndef WENGERT_SERVE_MODEL_IMPL_H
#define WENGERT_SERVE_MODEL_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include <wengert/graph.h>

#include "serve/model/model.h"

/* Symbolic dimensions of a model's inputs. */
enum { WG__MAX_SYMBOLS = 64 };

/* ---- Tapes (tape_pool.c) ---- */

/* A tape for one size of each symbol.  The thread that took the tape has it alone. */
struct wg__pooled {
    wg_tape           *tape;
    int64_t            size[WG__MAX_SYMBOLS];
    int64_t            bytes; /* of its values, inputs among them */
    struct wg__pooled *next;
};
struct wg__pool {
    pthread_mutex_t    lock;    /* of the list */
    pthread_mutex_t    compile; /* a graph makes and frees one tape at a time, while others of its tapes run */
    struct wg__pooled *idle;    /* the one used last comes first */
    int                n, keep; /* idle tapes; more are freed, the oldest first */
    int64_t            bytes;   /* of the idle ones */
    struct wg__budget *budget;
};

/* ---- Workers (batch.c) ---- */

struct wg__crew;

/* The queue of a version.  The crew's lock guards all members. */
struct wg__lane {
    struct wg__lane *next;          /* lanes with waiting jobs */
    struct wg__job  *first, **last; /* in order of arrival */
    int              n;             /* jobs */
    int64_t          rows;
    bool             gathering; /* a worker waits for more jobs */
    pthread_cond_t   more;      /* signalled when a job comes, for that worker */
};

/* Starts the threads that all versions of a repository share.  NULL with the reason in e. */
struct wg__crew *wg__crew_new(const struct wg__model_options *o, wg_error *e);
/* Refuses new jobs, waits for those that run and wait, and ends the threads. */
void wg__crew_free(struct wg__crew *c);
void wg__crew_expire(struct wg__crew *c);

/* ---- A version (version.c) ---- */

/* An input or output: its node, and which symbol each axis is (-1: none). */
struct wg__port {
    wg_node *node;
    int8_t   symbol[WG_MAX_RANK];
};

struct wg__loaded { /* starts with what everybody may read */
    struct wg__version       pub;
    struct wg__model_options options;
    struct wg__crew         *crew; /* borrowed */
    atomic_int               users;
    wg_graph                *graph;
    struct wg__port         *in, *out;
    wg_node                **root;   /* [n_out] the outputs' nodes */
    struct wg__model_tensor *tensor; /* of the inputs, then of the outputs */
    const char *(*meta)[2];
    int              n_symbol;
    const char      *symbol[WG__MAX_SYMBOLS]; /* names, in order of appearance in the inputs */
    bool             batch_axis;              /* symbol 0 is axis 0 of all inputs and outputs, and nothing else */
    struct wg__note *notes;                   /* texts that live as long as the version */
    struct wg__pool  pool;
    struct wg__lane  lane;

    atomic_uint_fast64_t rows, batches, refused, late, failed, queue_ns, run_ns;
    atomic_uint_fast64_t row_ns; /* how long a row took last */
    atomic_int           waiting;
};

static inline struct wg__loaded *wg__loaded_of(struct wg__version *v) { return (struct wg__loaded *)v; }

/* Reads, imports, compiles and warms up; held by the caller.  NULL with the
 * reason in e. */
struct wg__loaded *wg__loaded_new(const char *model, int64_t number, const char *file,
                                  const struct wg__model_options *o, struct wg__crew *crew, wg_error *e);
/* Runs the tapes of batch 1 and of the largest batch, and finds out whether
 * rows mix: sets pub.batched.  (warm.c) */
int wg__loaded_warm(struct wg__loaded *v, wg_error *e);

bool               wg__pool_init(struct wg__pool *p, int keep, struct wg__budget *budget);
void               wg__pool_clear(struct wg__pool *p);
bool               wg__pool_has(struct wg__loaded *v, const int64_t size[]);
struct wg__pooled *wg__pool_take(struct wg__loaded *v, const int64_t size[], wg_error *e);
void               wg__pool_give(struct wg__loaded *v, struct wg__pooled *p);
/* Frees idle tapes until what is left takes at most so many bytes. */
void wg__pool_shrink(struct wg__loaded *v, int64_t bytes);

/* ---- Computing (predict.c) ---- */

/* Finds the size of each symbol from a job's inputs, and sets job->rows; else a status with the reason in job. */
int wg__job_bind(struct wg__job *job, int64_t size[WG__MAX_SYMBOLS]);
/* Tells whether two jobs can run as one batch. */
bool wg__job_alike(const struct wg__job *a, const struct wg__job *b);
/* Returns the rows of the tape that a batch of so many rows runs on: 1, 2, 3, 4, 6, 8, 12, 16, .. */
int64_t wg__batch_room(const struct wg__loaded *v, int64_t rows);
/* Computes a list of jobs that are alike, as one; sets the status of each. */
void wg__jobs_compute(struct wg__loaded *v, struct wg__job *jobs);
/* Fails a job with a status and the reason; results that it has are released.  Returns status. */
int wg__job_fail(struct wg__job *job, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- What lies on the disk (look.c) ---- */

/* Which file a path leads to now, and what tells whether the file has changed. */
struct wg__look {
    int64_t  number;    /* of the version; -1: there is none */
    uint64_t stamp[10]; /* device, inode, size, time of the file and of its external data */
    char     file[4096];
};
struct wg__look wg__look_at(const char *path);
bool            wg__look_same(const struct wg__look *a, const struct wg__look *b);

/* ---- Common ---- */

void wg__model_log(const struct wg__model_options *o, const char *level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Fills in e, and returns status. */
int wg__model_say(wg_error *e, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
