/* device.h - tapes on a device.
 *
 * A device is served by a library of its own, libwengert-cuda.so, which is loaded on the first request and gives one
 * table of functions. The library reads the instructions of a tape, whose values and parameters are then in device
 * memory, and runs them by segments: device_tape.c places, device_run.c runs, device.c has the library, and the
 * parameters of a graph on each device.
 *
 * Segments end before and after an instruction that runs on the CPU; in a tape that has such an instruction, also
 * behind the last instruction that may fail, where the CPU looks for a fault. On all other tapes a fault (an index
 * out of range) is known when the run is over: the device writes no parameter after a fault, and a later call
 * reports it. */
#ifndef WENGERT_DEVICE_H
#define WENGERT_DEVICE_H

#include <pthread.h>

#include "tape/tape_impl.h"

struct wg__device;  /* a device as one graph uses it: the library's */
struct wg__program; /* a tape on a device: the library's */

struct wg__reader; /* a value on its way to the host: the library's */

struct wg__why {
    int  status;
    bool late; /* the failure is of an earlier call */
    char text[400];
};

/* The first fault that a kernel met: an index out of range. */
struct wg__fault {
    int      status; /* 0: nothing */
    int      instr;
    int64_t  index, size;
    uint64_t run; /* of a run that is over */
};

/* Inputs on their way: parts of a pinned buffer, copied to the same places in the tape's buffer. */
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

/* Slots of a reader: the number of values that can be on their way. */
enum { WG__READER_SLOTS = 2 };

struct wg__segment {
    int  begin, end; /* instructions */
    bool host;       /* one instruction, on the CPU */
    bool check;      /* look for a fault after the segment */
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

    /* Allocate zeroed memory; `what` tells in messages what the memory is for. */
    int (*alloc)(struct wg__device *d, size_t bytes, const char *what, void **p, struct wg__why *w);
    int (*pin)(struct wg__device *d, size_t bytes, const char *what, void **p, struct wg__why *w);
    void (*release)(struct wg__device *d, void *p);
    void (*unpin)(struct wg__device *d, void *p);
    /* Wait for everything on the device: sync, put and get. */
    int (*sync)(struct wg__device *d, struct wg__why *w);
    int (*put)(struct wg__device *d, void *to, const void *from, size_t bytes, struct wg__why *w);
    int (*get)(struct wg__device *d, void *to, const void *from, size_t bytes, struct wg__why *w);

    /* Tells whether there is a kernel for the instruction, whose operators are all built-in. */
    bool (*knows)(const struct wg__instr *p);
    int (*build)(struct wg__device *d, const wg_tape *t, const struct wg__segment *s, int n, struct wg__program **p,
                 struct wg__why *w);
    void (*destroy)(struct wg__program *p); /* waits for it */
    /* Counts the bytes that build asks for: scratch, and areas for inputs. */
    size_t (*needs)(const struct wg__device *d, const wg_tape *t);
    const char *(*note)(
        const struct wg__program *p); /* what is slower than it could be, for the tape's print; or NULL */
    /* One run: begin, feed, segments, end.  Only fault, wait, fed, upload and download wait for the device. */
    int (*begin)(struct wg__program *p, uint64_t run, struct wg__why *w);
    int (*after)(struct wg__program *p, const struct wg__program *other, struct wg__why *w); /* the other's last run */
    int (*feed)(struct wg__program *p, const struct wg__feed *f, struct wg__why *w);
    int (*fed)(struct wg__program *p, int which, struct wg__why *w); /* waits until pinned buffer 0 or 1 was read */
    int (*upload)(struct wg__program *p, void *to, const void *from, size_t bytes, struct wg__why *w);
    int (*launch)(struct wg__program *p, int segment, struct wg__why *w);
    int (*step)(struct wg__program *p, int instr, struct wg__why *w); /* one instruction alone, and waits */
    int (*assign)(struct wg__program *p, struct wg__why *w);          /* the copies of step-wise runs */
    /* After a fault nothing is assigned and no run is counted until `fault`, which waits, has reported the fault.
     * `faulted` tells whether a run that is over has met a fault. */
    bool (*faulted)(const struct wg__program *p);
    int (*fault)(struct wg__program *p, struct wg__fault *f, struct wg__why *w);
    int (*wait)(struct wg__program *p, struct wg__why *w);
    int (*end)(struct wg__program *p, struct wg__why *w);
    int (*download)(struct wg__program *p, void *to, const void *from, size_t bytes, struct wg__why *w);

    /* A reader copies values of at most 8 bytes to the host, behind all work that was asked for before. reader_take
     * sets *value to the slot's value, or to NULL where the value is not there yet (never with `wait`). */
    int (*reader_new)(struct wg__program *p, struct wg__reader **r, struct wg__why *w);
    void (*reader_free)(struct wg__reader *r); /* before its program */
    int (*reader_ask)(struct wg__reader *r, int slot, const void *from, size_t bytes, struct wg__why *w);
    int (*reader_take)(struct wg__reader *r, int slot, bool wait, const void **value, struct wg__why *w);
};
/* The only symbol of the library. */
#define WG__DEVICE_SYMBOL "wg__cuda_api"

/* The end of a message about an error that only a later call reports. */
#define WG__DEVICE_LATE                                                                     \
    ": an instruction of this run or an earlier one failed; in a new process, wg_trace or " \
    "wg_watch_finite runs them one by one and names it"

/* ---- A graph's parameters on a device (device.c) ---- */

struct wg__resident {
    struct wg__resident *next;
    wg_node             *param; /* the user's */
    void                *data;
    uint32_t             version; /* of the parameter's values in data; != param->version: the host has newer ones */
};
struct wg__use {
    struct wg__use              *next;
    int                          index;
    const struct wg__device_api *api;
    struct wg__device           *device;
    struct wg__resident         *resident;
    struct wg__program          *writer;  /* the program whose run assigned last; NULL once it is freed */
    bool                         readers; /* other tapes have run since a tape that assigns waited for them */
};
struct wg__devices {
    pthread_mutex_t lock; /* around copies of parameters and `writer`: tapes may run in parallel */
    struct wg__use *use;
};

/* Finds device `index` for g, which is opened on first use; NULL with an error on g. */
struct wg__use *wg__device_use(wg_graph *g, int index);
/* Finds the copy of a parameter on the device, or makes room for one; NULL with the reason in w. */
struct wg__resident *wg__device_param(struct wg__use *u, wg_node *param, struct wg__why *w);
/* Copies the values of a parameter to the host where a device has newer ones. */
int wg__device_fetch(wg_node *param, struct wg__why *w);
/* Copies the values of a parameter to the device where the host has newer ones. */
int wg__device_refresh(struct wg__use *u, struct wg__resident *r, struct wg__why *w);
/* Notes that the device has written the parameter. */
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
    int                          buffer;         /* the half of pinned that wg_set writes: 0 or 1 */
    bool                         pending;        /* a feed may still read that half */
    struct wg__tape_param       *param;
    struct wg__tape_input       *input;
    struct wg__range            *range; /* [n_input] room for a feed */
    struct wg__segment          *segment;
    bool                        *on_host; /* [n_instr] */
    int                          n_param, n_input, n_segment;
    bool                         exposed; /* an input is exposed */
};

/* Gives the values of a tape memory on the device, instead of the buffer of the CPU, and builds the program: WG_OK, or
 * an error on the user's graph. */
int  wg__device_bind(wg_tape *t);
void wg__device_release(wg_tape *t);

/* ---- The runs of a tape on a device (device_run.c) ---- */

int wg__device_run(wg_tape *t);
/* Reports the fault of a run that is over, once: returns its status, with the message on the tape. */
int  wg__device_fault(wg_tape *t);
int  wg__device_wait(wg_tape *t);
void wg__device_settle(wg_tape *t);
/* Finds the value of x in host memory, as it is now, copied there if need be; NULL with the reason on the tape. */
const void *wg__device_read(wg_tape *t, const wg_node *x, const char *who);
/* Finds the host memory in which an input or parameter is to be written; `expose`: the user keeps the address. NULL
 * with the reason on the tape. */
void *wg__device_write(wg_tape *t, const wg_node *x, bool expose);
/* Copies a value that an instruction has just made to the host; the copy is good until the next call. NULL with the
 * reason on the tape. */
const void *wg__device_probe(wg_tape *t, int value);
int         wg__device_watch(wg_tape *t, bool on);

#endif
