/* layer.h - initialisers, layers, and the updates that layers bring.
 *
 * The first half of train.h, which includes it: programs include
 * <wengert/train.h> alone.
 *
 *   wg_layer *fc1 = wg_dense_layer_new(g, WG_F32, 784, 128, "fc1", NULL);
 *   wg_layer *act = wg_activation_layer_new(g, WG_ACT_RELU);
 *   wg_layer *fc2 = wg_dense_layer_new(g, WG_F32, 128, 10, "fc2", NULL);
 *   wg_layer *net = wg_sequence_new(g, WG_LAYERS(fc1, act, fc2));
 *   wg_node  *y   = wg_layer_apply(net, x);
 *
 * A layer owns parameters and is applied as often as wanted, with the same
 * parameters each time.  Where it is applied once, wg_dense is shorter.
 * docs/layers.md shows layers of a program's own. */
#ifndef WENGERT_LAYER_H
#define WENGERT_LAYER_H

#include <wengert/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Initialisers --------------------------------------------------------- */

/* X(NAME, name, formula).  U(a, b) is uniform on [a, b], N(m, s) normal with
 * standard deviation s. */
#define WG_INIT_MAP(X)                                                                            \
    X(DEFAULT, "default", "Glorot uniform from rank 2 on, zeros below")                           \
    X(ZEROS, "zeros", "0")                                                                        \
    X(ONES, "ones", "1")                                                                          \
    X(CONSTANT, "constant", "a")                                                                  \
    X(UNIFORM, "uniform", "U(a, b)")                                                              \
    X(NORMAL, "normal", "N(a, b)")                                                                \
    X(GLOROT_UNIFORM, "glorot_uniform", "U(-r, r), r = gain sqrt(6 / (fan_in + fan_out))")        \
    X(GLOROT_NORMAL, "glorot_normal", "N(0, gain sqrt(2 / (fan_in + fan_out)))")                  \
    X(HE_UNIFORM, "he_uniform", "U(-r, r), r = gain sqrt(3 / fan_in), gain sqrt(2) unless given") \
    X(HE_NORMAL, "he_normal", "N(0, gain / sqrt(fan_in)), gain sqrt(2) unless given")             \
    X(ORTHOGONAL, "orthogonal", "gain Q of the QR decomposition of a normal matrix, R's diagonal positive")

enum wg_init_kind {
#define X(NAME, name, formula) WG_INIT_##NAME,
    WG_INIT_MAP(X)
#undef X
        WG_INITS /* the number of kinds */
};

/* Glorot & Bengio 2010, He et al. 2015, Saxe et al. 2013 (orthogonal). */
typedef struct wg_initializer {
    enum wg_init_kind kind;
    double            a, b;            /* of constant, uniform and normal */
    double            gain;            /* 0: 1, and sqrt(2) for He */
    double            fan_in, fan_out; /* 0: from the shape, see wg_init */
} wg_initializer;

/* Fills an f32 or f64 parameter.  init NULL: the default kind.
 *
 * The values are a function of the graph's seed and the parameter's name (and
 * of kind, shape and dtype) alone: adding, dropping or reordering other layers
 * changes nothing.  Set the seed first.
 *
 * Fans: a weight is [in, out]; of more axes the last two are in and out, and
 * both fans are multiplied by the others ([kh, kw, in, out]); of [n] both are
 * n, of a scalar 1.  Orthogonal wants rank 2 or more and takes all axes but
 * the last as rows: columns are orthonormal, or rows where there are fewer.
 *
 * A field that the kind's formula has no use for must be 0.
 *
 * WG_OK, or a status with the reason on the graph and the values as they were. */
WG_API int wg_init(wg_node *param, const wg_initializer *init);
/* Names a kind: "glorot_uniform"; NULL for a value that is no kind.  wg_init_find finds
 * the kind of a name; -1 if there is none. */
WG_API const char *wg_init_name(int kind);
WG_API int         wg_init_find(const char *name);

/* ---- Layers ---------------------------------------------------------------- */

/* A layer, owned by its graph.  A function that makes a layer gives NULL with the
 * reason on the graph, which is then as it was; a NULL graph or layer gives NULL
 * too. */
typedef struct wg_layer wg_layer;

enum wg_activation { WG_ACT_LINEAR, WG_ACT_RELU, WG_ACT_TANH, WG_ACT_SIGMOID, WG_ACT_GELU };

typedef struct wg_dense_options {
    size_t             struct_size; /* see WG_OPTIONS */
    int                no_bias;
    enum wg_activation activation;
    wg_initializer     weight, bias; /* default: Glorot uniform and zeros */
} wg_dense_options;

/* Makes a layer y = activation(x W + b): x [.., in] -> [.., units], of dtype t (f32 or
 * f64).  Makes the parameters "<name>.weight" [in, units] (so that the product needs no
 * transpose: PyTorch's Linear keeps it the other way round) and "<name>.bias" [units].
 * options may be NULL. */
WG_API wg_layer *wg_dense_layer_new(wg_graph *g, wg_dtype t, int64_t in, int64_t units, const char *name,
                                    const wg_dense_options *options);
WG_API wg_layer *wg_activation_layer_new(wg_graph *g, enum wg_activation activation);
/* Makes a layer y = wg_dropout(x, p), 0 <= p < 1. */
WG_API wg_layer *wg_dropout_layer_new(wg_graph *g, double p);
/* Makes a layer that applies n layers in turn, each to the value of the layer before
 * it; a layer may be there more than once.  n 0: y = x.  Makes no parameters: those of
 * its layers are its own. */
WG_API wg_layer *wg_sequence_new(wg_graph *g, int n, wg_layer *const layer[]);

/* Applies a layer that takes one operand, and gives y.  NULL as every builder. */
WG_API wg_node *wg_layer_apply(wg_layer *layer, wg_node *x);
/* Applies a layer that takes n operands, a recurrent cell of an input and a state, say,
 * and gives y. */
WG_API wg_node *wg_layer_apply_to(wg_layer *layer, int n, wg_node *const x[]);

/* Lists the parameters of a layer and then of its parts, each once, in the order they
 * were made: at most n of them into param, which may be NULL.  Returns the number of
 * all of them; 0 for NULL. */
WG_API int wg_layer_params(const wg_layer *layer, int n, wg_node *param[]);
/* Finds a parameter by name: "weight" or "fc1.weight" of a layer fc1, "fc1.weight" of a
 * sequence that fc1 is in.  NULL if there is none. */
WG_API wg_node *wg_layer_find(const wg_layer *layer, const char *name);
/* Gives the name of a layer, "fc1"; "" for a layer without a name and for NULL. */
WG_API const char *wg_layer_name(const wg_layer *layer);
WG_API wg_graph   *wg_layer_graph(const wg_layer *layer); /* NULL for NULL */

/* Makes a layer by wg_dense_layer_new and applies it once.  Dtype and `in` are those of
 * x, whose last axis has a known size. */
WG_API wg_node *wg_dense(wg_node *x, int64_t units, const char *name);
WG_API wg_node *wg_dense_with(wg_node *x, int64_t units, const char *name, const wg_dense_options *options);

/* WG_LAYERS(a, b) gives a count and an array at once, as WG_NODES does. */
#ifndef __cplusplus
#define WG_LAYERS(...)                                                    \
    (int)(sizeof((wg_layer *[]){__VA_ARGS__}) / sizeof(wg_layer *)), \
        (wg_layer *[]){__VA_ARGS__}
#else
#define WG_LAYERS(...) \
    static_cast<int>(sizeof(wg__sized(__VA_ARGS__))), std::initializer_list<wg_layer *>{__VA_ARGS__}.begin()
#endif

/* ---- Layers of a program's own -------------------------------------------------- */

/* What a kind of layer does; lives as long as the graph.  wg_layer_new copies `size`
 * bytes of data for each layer: options, and room for the nodes that make and apply
 * share.  Whatever the functions build is taken back if one of them fails. */
typedef struct wg_layer_kind {
    size_t      struct_size; /* sizeof(wg_layer_kind), or 0; another size is refused by wg_layer_new */
    const char *name;   /* "dense", for messages */
    int         inputs; /* operands that apply takes; 0: one */
    size_t      size;
    /* Makes parameters and parts by wg_layer_param and wg_layer_part.  WG_OK, or a
     * status with the reason on the graph.  NULL: the layer has none. */
    int (*make)(wg_layer *layer, void *data);
    /* Builds y from x[0..inputs-1], which are nodes of the layer's graph with a value;
     * wg_with_update gives y updates.  NULL with the reason on the graph. */
    wg_node *(*apply)(wg_layer *layer, wg_node *const x[], void *data);
} wg_layer_kind;

/* Makes a layer of a program's own kind.  name may be NULL for a layer that makes no
 * parameters; data too where size is 0. */
WG_API wg_layer *wg_layer_new(wg_graph *g, const wg_layer_kind *kind, const char *name, const void *data);
/* Makes the parameter "<layer's name>.<name>", in the function `make`. init NULL: the
 * default one; integers and bools stay zero.  For state, wg_set_role after it. */
WG_API wg_node *wg_layer_param(wg_layer *layer, const char *name, wg_dtype t, wg_shape s, const wg_initializer *init);
/* Makes another layer of the graph a part, whose parameters are the layer's too, in the
 * function `make`. Returns part, which may be NULL, as layer may. */
WG_API wg_layer *wg_layer_part(wg_layer *layer, wg_layer *part);
/* Shows the layer's copy of its data, borrowed, if the layer is of that kind; else
 * NULL. */
WG_API void *wg_layer_data(wg_layer *layer, const wg_layer_kind *kind);

/* ---- Updates that layers bring ---------------------------------------------------- */

/* Adds an update to y: what a layer does to state of its own with each training step,
 * such as a running mean.  y is the layer's value, assign an assignment (wg_assign) of
 * a parameter of role WG_ROLE_STATE.  Every step that wg_minimize, wg_minimize_over or
 * wg_minimize_groups makes from now on of a loss that depends on y takes the update
 * along; tapes without such a step do not.  Two steps on one tape take it along once;
 * where their losses bring different updates of one state, each needs a tape of its own.
 * Where a layer is applied several times, or for other reasons a loss brings several
 * updates of one parameter, they act one after the other, in the order they were added.
 * Returns y, or NULL with the reason on the graph. */
WG_API wg_node *wg_with_update(wg_node *y, wg_node *assign);
/* Makes a node that stands for the updates that a step of y takes along, none maybe:
 * for programs that make their steps of wg_grad and wg_assign. */
WG_API wg_node *wg_updates(wg_node *y);

#ifdef __cplusplus
}
#endif
#endif
