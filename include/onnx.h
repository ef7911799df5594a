/* onnx.h - nets out of and into ONNX files (github.com/onnx/onnx, IR.md).
 *
 *   wg_onnx_export(g, 1, &logits, "mnist.onnx", NULL);
 *
 *   wg_onnx  *m = wg_onnx_read("mnist.onnx");
 *   wg_graph *g = wg_graph_new();
 *   if (wg_onnx_import(m, g, NULL)) return say(wg_onnx_message(m));
 *   wg_node  *x = wg_onnx_input(m, 0), *y = wg_onnx_output(m, 0);
 *   wg_onnx_free(m);                    the nodes are the graph's and stay
 *
 * docs/onnx.md lists operators and opsets. */
#ifndef WENGERT_ONNX_H
#define WENGERT_ONNX_H

#include <wengert/data.h>
#include <wengert/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Out ------------------------------------------------------------------- */

#define WG_ONNX_MIN_OPSET 9
#define WG_ONNX_MAX_OPSET 21

typedef struct wg_onnx_export_options {
    size_t      struct_size; /* see WG_OPTIONS */
    int         opset;       /* WG_ONNX_MIN_OPSET..WG_ONNX_MAX_OPSET; 0: 13 */
    const char *graph_name;  /* NULL: "wengert" */
    const char *doc;         /* doc_string of the model; NULL: none */
    int         n_meta;      /* pairs of key and text for metadata_props ("training.step", "accuracy"), keys unique */
    const char *const (*meta)[2];
    int64_t external; /* parameters of so many bytes or more go into "<path>.data"; 0: one file below 2 GiB */
} wg_onnx_export_options;

/* Writes the part of the graph that computes the n nodes of out, as an evaluation
 * tape would (dropout gone), with the values that the parameters have now.  No tape
 * of g may run meanwhile.
 *
 * Inputs, outputs and parameters keep their names; other values keep theirs
 * where it is the only one, and get one where they have none.  Symbolic
 * dimensions become dim_param.  x W + b over a parameter W becomes Gemm with
 * W stored as [out, in] (transB = 1).  The IR version is the lowest that the
 * opset wants.
 *
 * The file is written beside path and renamed.  WG_OK, or a status with the
 * reason on g: an operator without an ONNX form is WG_EARG and names its node.
 * options may be NULL. */
WG_API int wg_onnx_export(wg_graph *g, int n, wg_node *const out[], const char *path,
                          const wg_onnx_export_options *options);

/* ---- In ---------------------------------------------------------------------- */

typedef struct wg_onnx wg_onnx;

/* Reads a model as its file has it: parsed, no graph yet.  Never NULL unless memory is
 * short: what was wrong is in status and message.  External data are read from the
 * folder of the file only.  Takes a small multiple of the file's size in memory,
 * whatever is in it.  Free with wg_onnx_free. */
WG_API wg_onnx *wg_onnx_read(const char *path);
/* Reads a model from memory, which is borrowed until wg_onnx_import is done or
 * wg_onnx_free.  A model with external data is refused. */
WG_API wg_onnx *wg_onnx_parse(const void *bytes, size_t n);
WG_API void     wg_onnx_free(wg_onnx *m);

/* Gives the first failure of reading or importing; "" before.  Of any length: what a
 * model uses that is not supported is listed whole, one a line, with operator, opset,
 * node and attribute. */
WG_API int         wg_onnx_status(const wg_onnx *m);
WG_API const char *wg_onnx_message(const wg_onnx *m);

/* What is known of an input before a model is imported: its dtype and shape,
 * and with data (not NULL) its value. */
typedef struct wg_onnx_given {
    const char *name;
    wg_array    value; /* borrowed during wg_onnx_import */
} wg_onnx_given;

/* Gives input i of the file's list, from 0, which is known before the import: name and
 * dtype (WG_DTYPES where it is none of ours), either of which may be NULL.  Returns 1;
 * 0 past the last. */
WG_API int wg_onnx_declared(const wg_onnx *m, int i, const char **name, wg_dtype *dtype);

typedef struct wg_onnx_import_options {
    size_t struct_size; /* see WG_OPTIONS */
    /* Before every name of a parameter, so that one graph can hold two models. */
    const char *prefix;
    /* Keep every initialiser a constant: what only predicts then folds what it can. */
    int constants;
    /* Dropout with its probability instead of nothing: to go on training. */
    int dropout;
    /* Sizes of symbolic dimensions that are known now, by name ("<input>.<axis>"
     * where the file has none): they are numbers in the graph, and not symbols.
     * A name that no input has is an error. */
    int               n_bind;
    const wg_binding *bind; /* [n_bind] */
    /* Inputs whose shape, or shape and value, is known now.  The shape is the
     * input's.  Where the value decides what the graph looks like (the shape of
     * a Reshape, the axes of a Squeeze) it is a constant of the graph, and the
     * input none of wg_onnx_input; elsewhere it is not looked at. */
    int                  n_given;
    const wg_onnx_given *given; /* [n_given] */
} wg_onnx_import_options;

/* Builds the model's nodes in g.  Weights (float initialisers that feed
 * products, norms, slopes and embeddings) become parameters by their own names;
 * other initialisers become constants.  Symbolic dimensions become wg_dim of
 * the same name; one without a name (or with "None", "?" or a number for one)
 * is "<input>.<axis>".  Shape arithmetic is folded.  What no output needs takes
 * no part.  Once per wg_onnx.
 *
 * Unlike symbols go together as far as a tape's sizes let them, which
 * wg_compile finds out: [n,3] + [m,3] has shape [n~m,3], and the sum takes n =
 * m, or one of them 1.  This holds for g as a whole from then on.
 *
 * On an error g has the nodes and parameters that it had before; names of
 * dimensions stay. */
WG_API int wg_onnx_import(wg_onnx *m, wg_graph *g, const wg_onnx_import_options *options);

/* Counts or finds inputs and outputs of an imported model, in its order; NULL where
 * there is none.  (wg_node_name may differ where names are used twice.) */
WG_API int         wg_onnx_input_count(const wg_onnx *m);
WG_API wg_node    *wg_onnx_input(const wg_onnx *m, int i);
WG_API const char *wg_onnx_input_name(const wg_onnx *m, int i);
WG_API int         wg_onnx_output_count(const wg_onnx *m);
WG_API wg_node    *wg_onnx_output(const wg_onnx *m, int i);
WG_API const char *wg_onnx_output_name(const wg_onnx *m, int i);

typedef struct wg_onnx_info {
    const char *producer, *producer_version, *graph_name, *doc; /* "" where there is none */
    int64_t     ir_version, opset, model_version;
    int         nodes, initializers, meta;
} wg_onnx_info;
/* Gives what the file says of itself; borrowed until wg_onnx_free. */
WG_API wg_onnx_info wg_onnx_about(const wg_onnx *m);
/* Gives entry i of metadata_props, 0 <= i < meta (0 where there is none; key and text
 * may be NULL); wg_onnx_meta finds the text of a key, NULL if there is none. */
WG_API int         wg_onnx_meta_at(const wg_onnx *m, int i, const char **key, const char **text);
WG_API const char *wg_onnx_meta(const wg_onnx *m, const char *key);

/* Gives node i of the file, in its order, 0 <= i < nodes: operator and name, "" if it
 * has none; 0 where there is no such node.  op and name may be NULL. */
WG_API int wg_onnx_node_at(const wg_onnx *m, int i, const char **op, const char **name);

/* Reads a TensorProto file, as the data sets of ONNX's own tests have them.  name (may
 * be NULL) takes up to n bytes of the tensor's name. */
WG_API int wg_onnx_tensor_read(const char *path, wg_array *out, char *name, size_t n, wg_error *e);
WG_API int wg_onnx_tensor_write(const char *path, const wg_array *a, const char *name, wg_error *e);

/* Gives ONNX operator i, from 0, of those that wg_onnx_import takes: its name and the
 * first opset that it is taken from, either of which may be NULL; 0 past the last. */
WG_API int wg_onnx_operator(int i, const char **name, int *since);

#ifdef __cplusplus
}
#endif
#endif
