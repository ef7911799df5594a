/* train.h - solvers, schedules, checkpoints; layers and initialisers are in
 * layer.h.
 *
 * Everything here is made of graph.h: a layer builds nodes, a solver builds
 * assignments, a checkpoint copies parameters.
 *
 *   wg_node *h    = wg_relu(wg_dense(x, 128, "fc1"));
 *   wg_node *loss = wg_softmax_cross_entropy(wg_dense(h, 10, "fc2"), label);
 *   wg_node *step = wg_minimize(loss, &(wg_solver){.kind = WG_SOLVER_ADAM, .rate = 1e-3});
 *   wg_tape *t    = wg_compile(g, WG_NODES(loss, step), NULL);
 *
 * Builders take NULL and give NULL, as in graph.h. */
#ifndef WENGERT_TRAIN_H
#define WENGERT_TRAIN_H

#include <wengert/layer.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Penalties ------------------------------------------------------------- */

/* Computes a penalty to add to a loss: sum |p| or 1/2 sum p^2 over all elements of n
 * nodes of one dtype (so that the gradients are sign p and p). */
WG_API wg_node *wg_l1_penalty(int n, wg_node *const x[]);
WG_API wg_node *wg_l2_penalty(int n, wg_node *const x[]);

/* ---- Solvers --------------------------------------------------------------- */

/* X(NAME, name, doc).  Formulas and defaults are those of PyTorch's torch.optim:
 * p is a parameter, g its gradient, t the number of the step from 1. */
#define WG_SOLVER_MAP(X)                                                                                             \
    X(SGD, "sgd", "p -= rate g")                                                                                     \
    X(MOMENTUM, "momentum", "v = momentum v + g; p -= rate v (Polyak 1964)")                                         \
    X(NESTEROV, "nesterov", "v = momentum v + g; p -= rate (g + momentum v) (Nesterov 1983)")                        \
    X(ADAGRAD, "adagrad", "s += g^2; p -= rate g / (sqrt s + eps) (Duchi et al. 2011)")                              \
    X(RMSPROP, "rmsprop", "s = rho s + (1-rho) g^2; v = momentum v + g / (sqrt s + eps); p -= rate v (Hinton 2012)") \
    X(ADADELTA, "adadelta",                                                                                          \
      "s = rho s + (1-rho) g^2; d = g sqrt((a + eps) / (s + eps)); "                                                 \
      "a = rho a + (1-rho) d^2; p -= rate d (Zeiler 2012)")                                                          \
    X(ADAM, "adam",                                                                                                  \
      "m = beta1 m + (1-beta1) g; s = beta2 s + (1-beta2) g^2; "                                                     \
      "p -= rate m/(1-beta1^t) / (sqrt(s/(1-beta2^t)) + eps) (Kingma & Ba 2014)")                                    \
    X(ADAMW, "adamw", "p *= 1 - rate weight_decay; then Adam (Loshchilov & Hutter 2017)")

enum wg_solver_kind {
#define X(NAME, name, doc) WG_SOLVER_##NAME,
    WG_SOLVER_MAP(X)
#undef X
        WG_SOLVERS /* the number of kinds */
};

/* A field that is 0 has its default; a negative one asks for a true 0.  A
 * field that the kind has no use for must be 0.
 *
 *   rate          sgd, momentum, nesterov, adam, adamw 1e-3; adagrad, rmsprop 1e-2; adadelta 1
 *   momentum      momentum, nesterov 0.9; rmsprop 0; below 1
 *   beta1, beta2  adam, adamw 0.9, 0.999; below 1
 *   rho           rmsprop 0.99; adadelta 0.9; below 1
 *   eps           adam, adamw, rmsprop 1e-8; adagrad 1e-10; adadelta 1e-6
 *   weight_decay  adamw 1e-2, decoupled; the others 0, and the same as l2
 *
 * For any kind, default 0, in this order: */
typedef struct wg_solver {
    size_t              struct_size; /* see WG_OPTIONS */
    enum wg_solver_kind kind;
    double              rate;
    double              momentum;
    double              beta1, beta2, rho, eps;
    double              weight_decay;
    double              clip_value; /* g into [-clip_value, clip_value] */
    double              clip_norm;  /* g *= min(1, clip_norm / (norm + 1e-6)), norm over all gradients of the group */
    double              l1, l2;     /* g += l1 sign p + l2 p, after clipping */
    wg_node            *rate_node;  /* instead of rate (then 0): a rank-0 real node, an input fed from a schedule say */
} wg_solver;

/* Makes a node that stands for a step of the solver: compile it as an output.
 * Trains every real parameter of role WG_ROLE_WEIGHT that loss depends on; loss has
 * one element.  solver NULL: {.kind = WG_SOLVER_SGD}.  A weight that no gradient
 * reaches, since an operator without one (argmax, equal, floor) stands on every
 * way to it, is an error that names the operator (WG_EGRAD).  On an error the
 * graph is as it was.
 *
 * State is kept in parameters of the graph, which checkpoints save with the
 * rest: "adam.step" (f64, the steps done) and "adam.m/fc1.weight", "adam.s/..".
 * A second solver of the same kind in a graph is called "adam#2", and so on.
 * Running averages are kept divided by their constant factor 1-beta or 1-rho,
 * which is put back where a single number is computed and not a tensor. */
WG_API wg_node *wg_minimize(wg_node *loss, const wg_solver *solver);
/* Makes a step that trains these n parameters only. */
WG_API wg_node *wg_minimize_over(wg_node *loss, int n, wg_node *const param[], const wg_solver *solver);

typedef struct wg_param_group {
    const char *pattern; /* of parameter names, as in the shell: "*.bias", "fc[12].*" */
    wg_solver   solver;
    int         freeze; /* leave the parameters as they are; solver is not read */
} wg_param_group;

/* Makes a step that trains parameters by groups.  Every weight (real, of role
 * WG_ROLE_WEIGHT) that loss depends on belongs to the first group whose pattern
 * matches; state and frozen parameters take no part.  A pattern that matches no weight
 * is an error, also with freeze, and so is a weight that no pattern matches.  clip_norm
 * is over one group. */
WG_API wg_node *wg_minimize_groups(wg_node *loss, int n, const wg_param_group group[]);

/* Names a kind: "adam"; NULL for a value that is no kind.  wg_solver_find finds the
 * kind of a name; -1 if there is none. */
WG_API const char *wg_solver_name(int kind);
WG_API int         wg_solver_find(const char *name);

/* ---- Schedules --------------------------------------------------------------- */

/* The rate at step t; PyTorch's torch.optim.lr_scheduler closed forms. */
enum wg_schedule_kind {
    WG_RATE_CONSTANT, /* rate */
    WG_RATE_STEP,     /* rate factor^floor(t / steps); factor 0.1 unless given (StepLR) */
    WG_RATE_COSINE,   /* low + (rate - low) (1 + cos(pi t / steps)) / 2, then low (CosineAnnealingLR;
                       * Loshchilov & Hutter 2016) */
    WG_RATE_WARMUP,   /* rate (factor + (1 - factor) t / steps), then rate, or `next` from its step 0 on;
                       * factor 1/3 unless given (LinearLR, SequentialLR) */
    WG_RATE_ONE_CYCLE /* rate/div up to rate within the first `up` of steps, then down to rate/div/final_div,
                       * along cosines; div 25, final_div 1e4, up 0.3 unless given (OneCycleLR; Smith 2018) */
};

typedef struct wg_schedule {
    size_t                    struct_size; /* see WG_OPTIONS */
    enum wg_schedule_kind     kind;
    double                    rate;
    int64_t                   steps;  /* > 0, but for constant */
    double                    factor; /* negative: a true 0 */
    double                    low;
    double                    div, final_div, up;
    const struct wg_schedule *next;
} wg_schedule;

/* Computes the rate at step t = 0, 1, .. NaN if steps is not positive where it is
 * needed, t is negative, or s is NULL or of a size that this library does not know. */
WG_API double wg_schedule_at(const wg_schedule *s, int64_t t);

/* ---- safetensors --------------------------------------------------------------- */

/* Files of named tensors: eight bytes, a JSON header, data (the format of
 * huggingface/safetensors, in its strict reading: tensors tile the data
 * without holes).  F32, F64, I32, I64, U8 and BOOL are read as they are; F16 and
 * BF16 become f32, I8, I16 and U16 i32, U32 and U64 i64: every value exactly.
 * A tensor of another dtype, of more than 8 dimensions, or with a U64 of 2^63
 * or more does not spoil the file: its data is NULL, dtype and shape mean
 * nothing, and wg_safetensors_reason tells why. */
typedef struct wg_safetensors wg_safetensors;

typedef struct wg_safetensor {
    const char *name;
    wg_dtype    dtype;
    wg_shape    shape;
    const void *data; /* little-endian, row-major; in a file that was read maybe not aligned: memcpy it */
} wg_safetensor;

/* Reads and checks a whole file.  NULL with the reason and offset in e (which
 * may be NULL). */
WG_API wg_safetensors *wg_safetensors_read(const char *path, wg_error *e);
/* Reads and checks a file's bytes in memory, which are copied. */
WG_API wg_safetensors *wg_safetensors_parse(const void *data, size_t size, wg_error *e);
WG_API void            wg_safetensors_free(wg_safetensors *f);
/* Counts the tensors, those without data too; wg_safetensors_at finds tensor i in the
 * order of the header, borrowed until wg_safetensors_free, NULL if there is none. */
WG_API int                  wg_safetensors_count(const wg_safetensors *f);
WG_API const wg_safetensor *wg_safetensors_at(const wg_safetensors *f, int i);
/* Finds a tensor by name; NULL if there is none, or if it could not be taken. */
WG_API const wg_safetensor *wg_safetensors_find(const wg_safetensors *f, const char *name);
/* Says why the tensor of that name could not be taken; NULL if it was taken, or is not
 * there. */
WG_API const char *wg_safetensors_reason(const wg_safetensors *f, const char *name);
/* Gives the text of a key of "__metadata__"; NULL if the key is not there. */
WG_API const char *wg_safetensors_meta(const wg_safetensors *f, const char *key);
/* Writes beside path, syncs, renames: path is the old file or the new one,
 * never half of it.  Where path is a symbolic link, what it names is replaced.
 * meta is n_meta pairs of key and text. */
WG_API int wg_safetensors_write(const char *path, int n, const wg_safetensor x[], int n_meta,
                                const char *const meta[][2], wg_error *e);

/* ---- Checkpoints ----------------------------------------------------------------- */

typedef struct wg_save_options {
    size_t struct_size;  /* see WG_OPTIONS */
    int    weights_only; /* leave the solvers' state out ("adam.step"); a program's own WG_ROLE_STATE, and a
                          * layer's (a running mean), stays in */
    int    n_meta;       /* more pairs of key and text for "__metadata__"; keys do not begin with "wengert." */
    const char *const (*meta)[2];
} wg_save_options;

typedef struct wg_load_options {
    size_t struct_size;  /* see WG_OPTIONS */
    int    weights_only; /* solver state, in the graph or in the file, is left alone */
    int    partial;      /* load what graph and file both have, leave the rest; nothing in common is an error */
    /* Names, as in the shell, of matrices that the file has transposed: "*.weight" for nets of PyTorch, whose Linear
     * keeps [out, in] (name the layers where an Embedding is among them).  "" says that none is.  NULL: none, but a
     * square matrix of a file that PyTorch wrote (metadata "format": "pt") is refused, since both would fit. */
    const char *transpose;
} wg_load_options;

typedef struct wg_load_info {
    int      loaded; /* parameters */
    int      has_seed, has_run;
    uint64_t seed, run;
} wg_load_info;

/* Saves all parameters of g with their roles, its seed, and the run number of t (NULL:
 * none), as a safetensors file that other tools read too: "__metadata__" has
 * "wengert.role/<name>" for each parameter that is no plain weight, "state", "frozen"
 * or "solver" (state that a solver made).  No tape of g may run meanwhile.  options and
 * e may be NULL. */
WG_API int wg_checkpoint_save(const wg_graph *g, const wg_tape *t, const char *path, const wg_save_options *options,
                              wg_error *e);
/* Loads what wg_checkpoint_save saved: training goes on with the same bits as if it
 * had not stopped.  The program builds the same graph first.  Everything is checked
 * before anything is changed: each parameter has its tensor of the same dtype and
 * shape, each tensor its parameter.
 *
 * t NULL: the graph takes the seed; the run number is in info, for
 * wg_set_run_number after wg_compile.  With a tape: t takes the run number,
 * and the file's seed must be the graph's, since tapes keep the seed that they
 * were compiled with.  A parameter takes the file's role, unless the program has
 * called wg_set_role on it.  With either option seed, run number and roles stay
 * as they are: they are meant for weights from elsewhere.
 *
 * options, info and e may be NULL. */
WG_API int wg_checkpoint_load(wg_graph *g, wg_tape *t, const char *path, const wg_load_options *options,
                              wg_load_info *info, wg_error *e);

#ifdef __cplusplus
}
#endif
#endif
