/* proto.h - protobuf's wire format (protobuf.dev/programming-guides/encoding),
 * read without copying, and an ONNX model as it lies in a file.
 *
 * The reader trusts no length and no count: each is compared with the bytes
 * that are there before memory is taken for it. */
#ifndef WENGERT_ONNX_PROTO_H
#define WENGERT_ONNX_PROTO_H

#include "graph/graph_impl.h"

/* ---- Wire (wire.c) ---- */

enum wg__wire { WG__VARINT = 0, WG__FIXED64 = 1, WG__BYTES = 2, WG__FIXED32 = 5 };

struct wg__span {
    const uint8_t *at;
    size_t         n;
};
/* One field of a message. */
struct wg__field {
    uint32_t        number;
    enum wg__wire   wire;
    uint64_t        value;    /* of varint and fixed */
    struct wg__span bytes;    /* of bytes */
    const uint8_t  *at, *end; /* where its tag is, and what is behind it */
};
/* Reads the next field of *rest and moves *rest past it. Returns 1, 0 at the end, or a negative
 * status, with *why set to a static text and *rest->at at the place. */
int wg__wire_next(struct wg__span *rest, struct wg__field *f, const char **why);
/* Reads the next varint of a packed list; returns the same. */
int wg__wire_varint(struct wg__span *rest, uint64_t *v, const char **why);

/* ---- A model (fields.c): views into the file, lists in an arena ----
 *
 * Names are copied, end with a zero and hold none.  "" stands for what is not
 * there. */

enum wg__onnx_dtype { /* TensorProto.DataType: WG__ONNX_F32 is FLOAT */
#define T(name, kind, size, holds, own, onnx, in_onnx, idx, safetensors, v1, v2) WG__ONNX_##name = (onnx),
#include "base/dtypes.def"
};
/* Converts between ONNX's dtypes and ours: `in` returns WG_DTYPES for a dtype that we do not have. The
 * name is as in "float16", or "?" if ONNX has no dtype of that code. */
wg_dtype    wg__onnx_dtype_in(int64_t code);
const char *wg__onnx_dtype_name(int64_t code);
int         wg__onnx_dtype_out(wg_dtype t);

struct wg__onnx_pair {
    const char *key, *text;
};
struct wg__onnx_tensor {
    const char     *name;
    int64_t         dtype; /* as in the file */
    int             rank;
    const int64_t  *dim; /* [rank]; any number: checked by wg__tensor_array */
    struct wg__span raw; /* at NULL: none */
    struct wg__pieces {  /* typed data, by the number of the field */
        struct wg__piece {
            uint32_t        number;
            enum wg__wire   wire; /* WG__BYTES: packed; else a run of such fields, tags and all */
            struct wg__span bytes;
        } * piece;
        int n;
    } typed;
    bool                  external;
    struct wg__onnx_pair *where; /* external_data: location, offset, length */
    int                   n_where;
    uint64_t              offset; /* of the message in the file, for errors */
};
struct wg__onnx_attr {
    const char             *name, *text; /* text: of a string, "" with bytes that are no text */
    int                     type;        /* AttributeProto.AttributeType; 0: not given */
    int64_t                 i;
    float                   f;
    struct wg__onnx_tensor *tensor;
    int64_t                *ints;
    float                  *floats;
    const char            **texts;
    int                     n_ints, n_floats, n_texts;
    struct wg__onnx_model  *graph; /* only its nodes, initialisers, inputs and outputs; NULL: none */
    bool                    other; /* holds graphs, a sparse tensor, a type, a reference */
};
struct wg__onnx_node {
    const char           *op, *name, *domain;
    const char          **in, **out; /* "": left out */
    struct wg__onnx_attr *attr;
    int                   n_in, n_out, n_attr;
    uint64_t              offset;
};
struct wg__onnx_dim {
    int64_t     size;  /* -1: not given */
    const char *param; /* "": none */
};
struct wg__onnx_value {
    const char          *name;
    int64_t              dtype;  /* 0: none */
    bool                 tensor; /* false: a sequence, map, .. */
    int                  rank;   /* -1: no shape */
    struct wg__onnx_dim *dim;
    uint64_t             offset;
};
/* A sparse initialiser, and a function that the model defines: only their names are read. */
struct wg__onnx_sparse {
    struct wg__onnx_tensor *values;
};
struct wg__onnx_function {
    const char *name, *domain;
};
struct wg__onnx_opset {
    const char *domain;
    int64_t     version;
};
struct wg__onnx_model {
    int64_t                   ir_version, model_version;
    const char               *producer, *producer_version, *doc, *graph_name;
    struct wg__onnx_opset    *opset;
    struct wg__onnx_pair     *meta;
    struct wg__onnx_node     *node;
    struct wg__onnx_tensor   *init;
    struct wg__onnx_value    *input, *output;
    struct wg__onnx_sparse   *sparse;
    struct wg__onnx_function *function;
    int                       n_opset, n_meta, n_node, n_init, n_input, n_output, n_sparse, n_function;
    bool                      has_graph; /* always, once it is parsed */
};

/* Where bytes are read from and errors go: "model.onnx: byte 17: complaint". */
struct wg__onnx_file {
    const char      *name;   /* for messages */
    const char      *folder; /* of external data; NULL: there may be none */
    const char      *home;   /* the folder that the file is in once links are followed; NULL: not known */
    const uint8_t   *bytes;
    size_t           size;
    struct wg__arena arena; /* of everything that was parsed */
    int              status;
    int64_t          offset; /* of the place in why; -1: none */
    char             why[512];
};
/* Writes f->why for the place (NULL: none) unless one is there; returns status. */
int wg__onnx_bad(struct wg__onnx_file *f, int status, const uint8_t *at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

int wg__onnx_model_parse(struct wg__onnx_file *f, struct wg__onnx_model *m);
/* Parses a file that is a single TensorProto. */
int wg__onnx_tensor_parse(struct wg__onnx_file *f, struct wg__onnx_tensor *t);
/* Gives dtype, shape and values of a tensor; the caller frees *data with wg__data_free. Allocates no
 * more than the file has data for; a number of bytes that does not match the shape is an error.
 * (tensor.c) */
int wg__tensor_array(struct wg__onnx_file *f, const struct wg__onnx_tensor *t, wg_dtype *dtype, wg_shape *shape,
                     void **data); /* wg__data_free */

#endif
