/* tape.h - compile the part of a graph that is asked for, and run it.
 *
 * The second half of graph.h, which includes it: programs include
 * <wengert/graph.h> alone. */
#ifndef WENGERT_TAPE_H
#define WENGERT_TAPE_H

#include <wengert/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Tape ------------------------------------------------------------------ */

/* Passes that can be left out, to look for the cause of something odd. */
enum wg_skip { WG_SKIP_REWRITE = 1, WG_SKIP_MERGE = 2, WG_SKIP_FUSE = 4, WG_SKIP_REUSE = 8 };

#define WG_MAX_BINDINGS 8 /* in bind; further ones go into more */

/* How a device may multiply matrices of f32: as they are (never TF32), or with
 * operands rounded to nearest in a shorter format, for its tensor cores: TF32
 * (10 bits of fraction), bfloat16 (7), half precision (10, and values beyond
 * 65504 may become infinite); a device may use TF32 instead of those two.  Sums
 * and results stay f32.  f64 and whatever is no product stay as they are, and
 * the CPU takes no notice. */
enum wg_precision { WG_PRECISION_EXACT, WG_PRECISION_TF32, WG_PRECISION_BF16, WG_PRECISION_FP16 };

typedef struct wg_binding {
    const char *name; /* of a symbolic dimension of the graph */
    int64_t     size;
} wg_binding;
typedef struct wg_options {
    size_t     struct_size;           /* see WG_OPTIONS */
    wg_binding bind[WG_MAX_BINDINGS]; /* {{"batch", 64}}: sizes of symbolic dimensions, without a gap */
    int      evaluate;       /* leave out what only training does (dropout); assignments of weights are refused */
    int      threads;        /* at most so many; not negative; 0: as many as the process has (WG_THREADS) */
    unsigned skip;           /* of enum wg_skip */
    int64_t  max_bytes;      /* a tape that needs more memory for its values is refused; 0: no limit */
    int      device;         /* WG_DEVICE_CPU or WG_DEVICE_CUDA(i): where it runs */
    int      precision;      /* of enum wg_precision */
    int      n_more;         /* further sizes: */
    const wg_binding *more;  /* [n_more], borrowed during wg_compile */
} wg_options;

/* Devices.  WG_DEVICE_CUDA(0) is the first CUDA device.  The first request for one
 * loads libwengert-cuda.so, from beside libwengert.so or from where the system
 * finds libraries; WG_CUDA_LIBRARY names another file.  Without it, or without
 * a driver, wg_compile says what was looked for and why it could not be used.
 *
 * A tape on a device is the same tape: its values are there, wg_set copies in
 * and wg_get copies out, wg_tape_print shows the copies.  What has no kernel
 * for the device runs on the CPU, and the print warns of it.  A parameter has a
 * copy on each device that uses it; each side sees what the other wrote, by a
 * copy on the next use.
 *
 * wg_run returns before the device is done; wg_wait, wg_get and wg_view wait.  So
 * an error of the device itself can be that of a later call, which then says
 * so.  An index out of range is told by the first call that finds it: a later
 * wg_run, which does nothing else, or one of those that wait.  No parameter was
 * written by that run, nor by those of its tape behind it, and the next has its
 * number; other tapes go on.  (A tape with operators on the CPU tells at once.)
 * wg_set does not wait for the run before: inputs have two buffers on each side,
 * and are copied while the device computes (not those of wg_input_buffer, for
 * whose copy wg_run waits). */
#define WG_DEVICE_CPU 0
#define WG_DEVICE_CUDA(i) ((i) + 1)
/* Counts the CUDA devices that this process can use: 0 where the library or the driver
 * is missing. */
WG_API int wg_device_count(void);
/* Writes the name of a device (WG_DEVICE_CPU, WG_DEVICE_CUDA(i)) into buf of n bytes.
 * WG_OK; else WG_EARG or WG_EDEVICE, and buf says why there is no such device.  buf may
 * be NULL where n is 0. */
WG_API int wg_device_name(int device, char *buf, size_t n);

/* Makes a tape that computes the n nodes of out.  NULL with the reason on the graph.
 * options may be NULL.  Owned by the graph. */
WG_API wg_tape *wg_compile(wg_graph *g, int n, wg_node *const out[], const wg_options *options);
/* Frees a tape before its graph.  NULL is allowed. */
WG_API void wg_tape_free(wg_tape *t);

/* Begins eager mode: from now on each node is computed as it is built, and wg_get,
 * wg_view and wg_set on the tape that this returns look at and change values.
 * Inputs need their wg_set before nodes are built on them; shapes may not
 * have symbols; wg_run computes everything again.  The values are those of a
 * compiled tape, bit for bit.  Random nodes draw as they are built, with the
 * number of the next run; that run has the number after it.  Two random nodes
 * of one and the same expression draw in the order in which they are built.
 *
 * An assignment takes effect as it is built, those that the graph has already now,
 * and again in each wg_run.  A
 * parameter may be assigned by several nodes, one after the other; but then
 * wg_run is refused, as a compiled tape would be, since all assignments of a run
 * read old values and all but one would be lost.
 *
 * NULL with the reason on the graph: where the graph is eager already, and where
 * operators stand on inputs (as in an imported model), which have no values yet:
 * begin with an empty graph, or compile a tape; parameters are then as they were.  wg_follow, wg_trace,
 * wg_watch_finite and wg_tape_dot are of compiled tapes: WG_EARG.  wg_tape_free
 * ends eager mode, and the graph is one as any other. */
WG_API wg_tape *wg_graph_eager(wg_graph *g);

/* Runs the tape once.  A failure is on the tape and leaves parameters as they were;
 * that the tape reads an input that was never set is a failure too (WG_EARG).  After a
 * failed run computed values cannot be read until a run succeeds.  One thread at a time
 * per tape; tapes of one graph may run in parallel as long as none assigns. */
WG_API int         wg_run(wg_tape *t);
/* Waits until all runs are over.  WG_OK, or the status of a failed run that no call has reported yet. */
WG_API int         wg_wait(wg_tape *t);
/* Gives the status of the last failure of a call on this tape, and wg_tape_message its
 * text.  wg_run and wg_wait begin with WG_OK; other calls that succeed leave an older
 * failure there, so look at what a call returns first. */
WG_API int         wg_tape_status(const wg_tape *t);
WG_API const char *wg_tape_message(const wg_tape *t);

/* Copies a whole value in (inputs, parameters) or out (outputs, inputs,
 * parameters, watched nodes): n elements, which the node must have on this
 * tape (WG_ESHAPE), of the dtype in the name, which must be the node's
 * (WG_EDTYPE).  u8 is for bool too: a byte other than 0 is taken as 1.  An
 * output is what the run computed from the old values of parameters; a
 * parameter itself shows what assignments and wg_set have made of it since.
 * WG_EARG, with the reason on the tape, for a computed value before the first
 * run or after one that failed, and for an input that a run reads and nobody has
 * set. */
WG_API int wg_set_f32(wg_tape *t, const wg_node *x, int64_t n, const float *data);
WG_API int wg_set_f64(wg_tape *t, const wg_node *x, int64_t n, const double *data);
WG_API int wg_set_i32(wg_tape *t, const wg_node *x, int64_t n, const int32_t *data);
WG_API int wg_set_i64(wg_tape *t, const wg_node *x, int64_t n, const int64_t *data);
WG_API int wg_set_u8(wg_tape *t, const wg_node *x, int64_t n, const uint8_t *data);
WG_API int wg_get_f32(wg_tape *t, const wg_node *x, int64_t n, float *data);
WG_API int wg_get_f64(wg_tape *t, const wg_node *x, int64_t n, double *data);
WG_API int wg_get_i32(wg_tape *t, const wg_node *x, int64_t n, int32_t *data);
WG_API int wg_get_i64(wg_tape *t, const wg_node *x, int64_t n, int64_t *data);
WG_API int wg_get_u8(wg_tape *t, const wg_node *x, int64_t n, uint8_t *data);
/* Copies a whole value in or out unchecked, for programs that know sizes and dtypes: as
 * many bytes as the value has on this tape, in the node's own dtype, whatever data
 * points to. */
WG_API int wg_set(wg_tape *t, const wg_node *x, const void *data);
WG_API int wg_get(wg_tape *t, const wg_node *x, void *data);
/* Copies a value of one element in or out, converting from or to double.  wg_get_scalar
 * gives NaN on an error, with the reason on the tape. */
WG_API int    wg_set_scalar(wg_tape *t, const wg_node *x, double value);
WG_API double wg_get_scalar(wg_tape *t, const wg_node *x);
/* Follows a value, such as a loss, without waiting for it: whenever wg_run_number(t)
 * becomes a multiple of `every`, the value that x has after that run goes to the host
 * by itself, and wg_followed takes the values that have arrived, the oldest first:
 *
 *   wg_follow(t, loss, 10);
 *   ... wg_run(t);
 *   while (wg_followed(t, loss, &run, &value) > 0) printf("%g\n", value);
 *
 * On the CPU values are there at once; from a device those of the last two may
 * be on their way, and have arrived once wg_get or wg_view has given anything.
 * x is kept by the tape and has one element.  A failing run gives no value.
 * every == 0 stops, and forgets what nobody took. */
#define WG_FOLLOW_KEEPS 64 /* when more wait to be taken, the oldest is dropped */
WG_API int wg_follow(wg_tape *t, const wg_node *x, int every);
/* Takes the oldest value that has arrived: 1 with the value and the number of its run
 * (each may be NULL), 0 if none is here now, or a negative status: a value could not be
 * copied. */
WG_API int wg_followed(wg_tape *t, const wg_node *x, uint64_t *run, double *value);
/* Shows a value, borrowed until the next wg_run(t) or wg_graph_free.  NULL with the
 * reason on the tape if t does not keep x, or where wg_get has no value. */
WG_API const void *wg_view(wg_tape *t, const wg_node *x);
/* Gives the memory that wg_set would copy to, borrowed, to be filled in place.  NULL
 * with the reason on the tape if x is no input of t. */
WG_API void *wg_input_buffer(wg_tape *t, const wg_node *x);
/* Gives the shape that x has on this tape: symbols replaced by sizes.  NULL if x is not
 * there. */
WG_API const wg_shape *wg_tape_shape(wg_tape *t, const wg_node *x);
WG_API wg_graph       *wg_tape_graph(const wg_tape *t);

/* Gives the number of the next run, from 0: with the seed it fixes every random number.
 * wg_set_run_number sets it, to resume, and waits for a device. */
WG_API uint64_t wg_run_number(const wg_tape *t);
WG_API void     wg_set_run_number(wg_tape *t, uint64_t run);

typedef struct wg_tape_stats {
    int64_t instructions;
    double  flops;       /* of one run; a multiply-add counts two */
    int64_t peak_bytes;  /* planned for intermediate values */
    int64_t value_bytes; /* the sum of all intermediate values */
    /* Parameters and constants that products read packed, as a copy.  Tapes of a graph share
     * the copies, which live as long as the last of these tapes; none of the sums above has them. */
    int64_t packed_bytes;
} wg_tape_stats;
WG_API wg_tape_stats wg_stats(const wg_tape *t);

/* Prints a tape, one instruction a line: value, operator, operands, dtype, shape,
 * place in the buffer, the values that it frees; then instructions, FLOPs and peak
 * bytes.  This writer and those below return WG_OK, WG_EIO, or WG_EARG or WG_ENOMEM
 * with the reason on the graph. */
WG_API int wg_tape_print(const wg_tape *t, FILE *f);
/* Writes the part of a graph that out needs, or a compiled tape (WG_EARG for an eager
 * one), as a Graphviz graph. */
WG_API int wg_dot(wg_graph *g, int n, wg_node *const out[], FILE *f);
WG_API int wg_tape_dot(const wg_tape *t, FILE *f);

/* Watches for NaN: with on != 0 a run stops with WG_ENAN at the first instruction that
 * makes a NaN or an infinity, and names node, operator and operands. */
WG_API int wg_watch_finite(wg_tape *t, int on);
/* Records the time of each instruction for up to `runs` runs from now, into
 * memory taken here; 0 stops and releases it.  WG_EARG for a negative number, and
 * on an eager tape, as wg_watch_finite. */
WG_API int wg_trace(wg_tape *t, int runs);
/* Writes what was recorded as Chrome trace JSON (chrome://tracing, Perfetto).
 * WG_EARG without a wg_trace. */
WG_API int wg_trace_write(const wg_tape *t, FILE *f);

#ifdef __cplusplus
}
#endif
#endif
