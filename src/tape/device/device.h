/* device.h - tapes on a device.
 *
 * A device is served by a library of its own, libwengert-cuda.so, which is
 * loaded on the first request and gives one table of functions.  It reads the
 * instructions of a tape, whose values and parameters are then in device
 * memory, and runs them by segments: device_tape.c places, device_run.c runs,
 * device.c has the library, and the parameters of a graph on each device.
 *
 * Segments end before and after an instruction that runs on the CPU; in a tape
 * that has any, also behind the last one that may fail, where the CPU looks.
 * All others learn of a fault (an index out of range) when the run is over:
 * the device writes no parameter after it, and a later call tells. */
#ifndef WENGERT_DEVICE_H
#define WENGERT_DEVICE_H

#include <pthread.h>

#include "tape/tape_impl.h"

struct wg__device;  /* a device as one graph uses it: the library's */
struct wg__program; /* a tape on it: the library's */

struct wg__reader; /* a value on its way to the host: the library's */

struct wg__why {
    int  status;
    bool late; /* what failed was asked for by an earlier call */
    char text[400];
};

/* What a kernel met first: an index out of range. */
struct wg__fault {
    int      status; /* 0: nothing */
    int      instr;
    int64_t  index, size;
    uint64_t run; /* of a run that is over */
};

/* Inputs on their way: parts of a pinned buffer, to where they are in the tape's. */
struct wg__range {
    size_t at, bytes;
};
struct wg__feed {
    int                     which; /* of the two pinned buffers */
    const char             *from;
    char                   *to;
    const struct wg__range *range;
    int                     n;
};

/* Slots of a reader: so many values can be on their way. */
enum { WG__READER_SLOTS = 2 };

struct wg__segment {
    int  begin, end; /* instructions */
    bool host;       /* one, on the CPU */
    bool check;      /* look for a fault after it */
};

/* Every function that returns int gives WG_OK or a status, with the reason in w. */
#define WG__DEVICE_ABI 3
struct wg__device_api {
    int         abi;
    const char *version; /* of the whole project: they must agree */
    int (*count)(int *n, struct wg__why *w);
    int (*open)(int index, struct wg__device **d, struct wg__why *w);
    void (*close)(struct wg__device *d);
    const char *(*name)(const struct wg__device *d);

    /* Zeroed memory; what says what it is for. */
    int (*alloc)(struct wg__device *d, size_t bytes, const char *what, void **p, struct wg__why *w);
    int (*pin)(struct wg__device *d, size_t bytes, const char *what, void **p, struct wg__why *w);
    void (*release)(struct wg__device *d, void *p);
    void (*unpin)(struct wg__device *d, void *p);
    /* Waits for everything on the device; so do the copies. */
    int (*sync)(struct wg__device *d, struct wg__why *w);
    int (*put)(struct wg__device *d, void *to, const void *from, size_t bytes, struct wg__why *w);
    int (*get)(struct wg__device *d, void *to, const void *from, size_t bytes, struct wg__why *w);

    /* Whether there is a kernel for the instruction, whose operators are all built-in. */
    bool (*knows)(const struct wg__instr *p);
    int (*build)(struct wg__device *d, const wg_tape *t, const struct wg__segment *s, int n, struct wg__program **p,
                 struct wg__why *w);
    void (*destroy)(struct wg__program *p); /* waits for it */
    /* What build asks for: scratch, and areas for inputs. */
    size_t (*needs)(const struct wg__device *d, const wg_tape *t);
    const char *(*note)(
        const struct wg__program *p); /* for the tape's print, or NULL: what is slower than it could be */
    /* One run: begin, feed, segments, end.  Only fault, wait, fed, upload and download wait for the device. */
    int (*begin)(struct wg__program *p, uint64_t run, struct wg__why *w);
    int (*after)(struct wg__program *p, const struct wg__program *other, struct wg__why *w); /* the other's last run */
    int (*feed)(struct wg__program *p, const struct wg__feed *f, struct wg__why *w);
    int (*fed)(struct wg__program *p, int which, struct wg__why *w); /* waits until pinned buffer 0 or 1 was read */
    int (*upload)(struct wg__program *p, void *to, const void *from, size_t bytes, struct wg__why *w);
    int (*launch)(struct wg__program *p, int segment, struct wg__why *w);
    int (*step)(struct wg__program *p, int instr, struct wg__why *w); /* one instruction alone, and waits */
    int (*assign)(struct wg__program *p, struct wg__why *w);          /* the copies of step-wise runs */
    /* After a fault nothing is assigned and no run is counted until fault, which waits, has told of it.  faulted:
     * whether a run that is over has met one. */
    bool (*faulted)(const struct wg__program *p);
    int (*fault)(struct wg__program *p, struct wg__fault *f, struct wg__why *w);
    int (*wait)(struct wg__program *p, struct wg__why *w);
    int (*end)(struct wg__program *p, struct wg__why *w);
    int (*download)(struct wg__program *p, void *to, const void *from, size_t bytes, struct wg__why *w);

    /* Values of at most 8 bytes, copied behind what was asked for so far.  take gives where the slot's is, or NULL:
     * not there yet (never with wait). */
    int (*reader_new)(struct wg__program *p, struct wg__reader **r, struct wg__why *w);
    void (*reader_free)(struct wg__reader *r); /* before its program */
    int (*reader_ask)(struct wg__reader *r, int slot, const void *from, size_t bytes, struct wg__why *w);
    int (*reader_take)(struct wg__reader *r, int slot, bool wait, const void **value, struct wg__why *w);
};
/* The one symbol of the library. */
#define WG__DEVICE_SYMBOL "wg__cuda_api"

/* Behind an error of which a later call is told. */
#define WG__DEVICE_LATE                                                                     \
    ": an instruction of this run or an earlier one failed; in a new process, wg_trace or " \
    "wg_watch_finite runs them one by one and names it"

/* ---- A graph's parameters on a device (device.c) ---- */

struct wg__resident {
    struct wg__resident *next;
    wg_node             *param; /* the user's */
    void                *data;
    uint32_t             version; /* of the parameter that it holds; != param->version: the host has a newer one */
};
struct wg__use {
    struct wg__use              *next;
    int                          index;
    const struct wg__device_api *api;
    struct wg__device           *device;
    struct wg__resident         *resident;
    struct wg__program          *writer;  /* whose run assigned last; NULL once that is freed */
    bool                         readers; /* other tapes have run since one that assigns waited for them */
};
struct wg__devices {
    pthread_mutex_t lock; /* around copies of parameters and `writer`: tapes may run in parallel */
    struct wg__use *use;
};

/* Device `index` for g, opened if it is the first time; NULL with an error on g. */
struct wg__use *wg__device_use(wg_graph *g, int index);
/* The copy of a parameter, or NULL. */
struct wg__resident *wg__device_param(struct wg__use *u, wg_node *param, struct wg__why *w);
/* Copies back what a device has newer. */
int wg__device_fetch(wg_node *param, struct wg__why *w);
/* Copies to the device what the host wrote. */
int wg__device_refresh(struct wg__use *u, struct wg__resident *r, struct wg__why *w);
/* After the device has written it. */
void wg__device_written(struct wg__resident *r);

/* ---- A tape on a device (device_tape.c) ---- */

struct wg__tape_param {
    int                  value;
    bool                 host, assigned; /* an instruction on the CPU reads it; the tape assigns it */
    struct wg__resident *resident;
};
struct wg__tape_input {
    int  value;
    bool fresh;   /* set since it was copied to the device */
    bool exposed; /* the user has its address: copied for each run, always from the same place */
};
struct wg__tape_device {
    struct wg__use              *use;
    const struct wg__device_api *api;
    struct wg__program          *program;
    char                        *arena, *pinned; /* the buffer and the constants; the inputs, twice */
    char                        *host;           /* what is kept, and what instructions on the CPU touch */
    void                        *probe;          /* while watching: room for any value */
    int                          buffer;         /* of the inputs: which one wg_set writes */
    bool                         pending;        /* that one may still be read by a feed */
    struct wg__tape_param       *param;
    struct wg__tape_input       *input;
    struct wg__range            *range; /* [n_input] room for a feed */
    struct wg__segment          *segment;
    bool                        *on_host; /* [n_instr] */
    int                          n_param, n_input, n_segment;
    bool                         exposed; /* an input is */
};

/* Instead of the buffer of the CPU: memory for all values, and the program. */
int  wg__device_bind(wg_tape *t);
void wg__device_release(wg_tape *t);

/* ---- Its runs (device_run.c) ---- */

int wg__device_run(wg_tape *t);
/* The fault of a run that is over, once: its status, with the message on the tape. */
int  wg__device_fault(wg_tape *t);
int  wg__device_wait(wg_tape *t);
void wg__device_settle(wg_tape *t);
/* Where the host has the value of x as it is now, copied there; NULL with the reason on the tape. */
const void *wg__device_read(wg_tape *t, const wg_node *x, const char *who);
/* Where the host is to write an input or parameter. */
void *wg__device_write(wg_tape *t, const wg_node *x, bool expose);
/* A copy of any value that an instruction has just made, until the next call. */
const void *wg__device_probe(wg_tape *t, int value);
int         wg__device_watch(wg_tape *t, bool on);

#endif
