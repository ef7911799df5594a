/* ONNX's messages (onnx.proto): which field goes to which member of a struct. */
#include "onnx/proto/message.h"

#define AT(type, member) offsetof(struct wg__onnx_##type, member)
#define ONE(number, name, how, type, member) number, name, wg__read_##how, AT(type, member), 0, NULL
#define PART(number, name, how, type, member, of) number, name, wg__read_##how, AT(type, member), 0, &of
#define MANY(number, name, how, type, member, count, of) \
    number, name, wg__read_##how, AT(type, member), AT(type, count), of
#define OWN(number, name, how) number, name, how, 0, 0, NULL

/* ---- StringStringEntryProto, OperatorSetIdProto ---- */

static const struct wg__onnx_pair blank_pair = {"", ""};

static const struct wg__member pair_members[] = {
    {ONE(1, "key", text, pair, key)},
    {ONE(2, "value", text, pair, text)},
    {0},
};
static const struct wg__message pair = {"StringStringEntryProto", sizeof blank_pair, &blank_pair, pair_members, 0};

static const struct wg__onnx_opset blank_opset = {.domain = ""};

static const struct wg__member opset_members[] = {
    {ONE(1, "domain", text, opset, domain)},
    {ONE(2, "version", int64, opset, version)},
    {0},
};
static const struct wg__message opset = {"OperatorSetIdProto", sizeof blank_opset, &blank_opset, opset_members, 0};

/* ---- TensorProto ---- */

/* Adds a field with typed data to the tensor's pieces. Unpacked fields of one kind in a row become one
 * piece, so that they take no memory each. */
static int add_typed(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f, char *to)
{
    struct wg__pieces *list = &((struct wg__onnx_tensor *)(void *)to)->typed;
    struct wg__piece  *last = list->n ? &list->piece[list->n - 1] : NULL;
    if (f->wire != WG__BYTES && last && last->number == f->number && last->wire == f->wire &&
        last->bytes.at + last->bytes.n == f->at) {
        last->bytes.n += (size_t)(f->end - f->at);
        return WG_OK;
    }
    if (!(last = wg__reader_grow(r, m, f, sizeof *last, 1, to))) return r->file->status;
    *last = (struct wg__piece){f->number, f->wire, {f->at, (size_t)(f->end - f->at)}};
    if (f->wire == WG__BYTES) last->bytes = f->bytes;
    return WG_OK;
}

static int refuse_segment(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f, char *to)
{
    (void)m, (void)to;
    return wg__onnx_bad(r->file, WG_EFORMAT, f->at, "a tensor in segments is not supported");
}

static int location(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f, char *to)
{
    int status = wg__reader_wants(r, m, f, WG__VARINT);
    if (!status && f->value > 1)
        status = wg__onnx_bad(r->file, WG_EFORMAT, f->at, "data_location is %llu", (unsigned long long)f->value);
    if (!status) ((struct wg__onnx_tensor *)(void *)to)->external = f->value == 1;
    return status;
}

#define TYPED(number, name) number, name, add_typed, AT(tensor, typed.piece), AT(tensor, typed.n), NULL

static const struct wg__onnx_tensor blank_tensor = {.name = ""};

static const struct wg__member tensor_members[] = {
    {MANY(1, "dims", int64s, tensor, dim, rank, NULL)},
    {ONE(2, "data_type", int32, tensor, dtype)},
    {OWN(3, "segment", refuse_segment)},
    {TYPED(4, "float_data")},
    {TYPED(5, "int32_data")},
    {TYPED(7, "int64_data")},
    {ONE(8, "name", text, tensor, name)},
    {ONE(9, "raw_data", span, tensor, raw)},
    {TYPED(10, "double_data")},
    {TYPED(11, "uint64_data")},
    {MANY(13, "external_data", list, tensor, where, n_where, &pair)},
    {OWN(14, "data_location", location)},
    {0},
};
static const struct wg__message tensor = {"TensorProto", sizeof blank_tensor, &blank_tensor, tensor_members,
                                          AT(tensor, offset)};

/* ---- AttributeProto ---- */

/* A graph in an attribute, which has nodes that have attributes. */
static const struct wg__message branch;

static const struct wg__onnx_attr blank_attr = {.name = "", .text = ""};

static const struct wg__member attr_members[] = {
    {ONE(1, "name", text, attr, name)},
    {ONE(2, "f", float, attr, f)},
    {ONE(3, "i", int64, attr, i)},
    {ONE(4, "s", loose_text, attr, text)},
    {PART(5, "t", pointer, attr, tensor, tensor)},
    {PART(6, "g", pointer, attr, graph, branch)},
    {MANY(7, "floats", floats, attr, floats, n_floats, NULL)},
    {MANY(8, "ints", int64s, attr, ints, n_ints, NULL)},
    {MANY(9, "strings", loose_texts, attr, texts, n_texts, NULL)},
    {ONE(10, "tensors", true, attr, other)},
    {ONE(11, "graphs", true, attr, other)},
    {ONE(14, "tp", true, attr, other)},
    {ONE(15, "type_protos", true, attr, other)},
    {ONE(20, "type", enum, attr, type)},
    {ONE(21, "ref_attr_name", true, attr, other)},
    {ONE(22, "sparse_tensor", true, attr, other)},
    {ONE(23, "sparse_tensors", true, attr, other)},
    {0},
};
static const struct wg__message attr = {"AttributeProto", sizeof blank_attr, &blank_attr, attr_members, 0};

/* ---- NodeProto ---- */

static const struct wg__onnx_node blank_node = {.op = "", .name = "", .domain = ""};

static const struct wg__member node_members[] = {
    {MANY(1, "input", texts, node, in, n_in, NULL)},
    {MANY(2, "output", texts, node, out, n_out, NULL)},
    {ONE(3, "name", text, node, name)},
    {ONE(4, "op_type", text, node, op)},
    {MANY(5, "attribute", list, node, attr, n_attr, &attr)},
    {ONE(7, "domain", text, node, domain)},
    {0},
};
static const struct wg__message node = {"NodeProto", sizeof blank_node, &blank_node, node_members, AT(node, offset)};

/* ---- ValueInfoProto, TypeProto, TensorShapeProto ---- */

/* Reads dim_value and dim_param, which exclude each other (oneof): the last one in the file counts. */
static int dim_value(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f, char *to)
{
    ((struct wg__onnx_dim *)(void *)to)->param = "";
    return wg__read_int64(r, m, f, to);
}
static int dim_param(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f, char *to)
{
    ((struct wg__onnx_dim *)(void *)to)->size = -1;
    return wg__read_text(r, m, f, to);
}

static const struct wg__onnx_dim blank_dim = {.size = -1, .param = ""};

static const struct wg__member dim_members[] = {
    {1, "dim_value", dim_value, AT(dim, size), 0, NULL},
    {2, "dim_param", dim_param, AT(dim, param), 0, NULL},
    {0},
};
static const struct wg__message dim = {"TensorShapeProto.Dimension", sizeof blank_dim, &blank_dim, dim_members, 0};

static const struct wg__member shape_members[] = {
    {MANY(1, "dim", list, value, dim, rank, &dim)},
    {0},
};
static const struct wg__message shape = {"TensorShapeProto", 0, NULL, shape_members, 0};

static int value_shape(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f, char *to)
{
    struct wg__onnx_value *v = (void *)to;
    if (v->rank < 0) v->rank = 0;
    return wg__read_part(r, m, f, to);
}

static const struct wg__member tensor_type_members[] = {
    {ONE(1, "elem_type", int32, value, dtype)},
    {2, "shape", value_shape, 0, 0, &shape},
    {0},
};
static const struct wg__message tensor_type = {"TypeProto.Tensor", 0, NULL, tensor_type_members, 0};

static int type_tensor(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f, char *to)
{
    ((struct wg__onnx_value *)(void *)to)->tensor = true;
    return wg__read_part(r, m, f, to);
}
static int type_other(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f, char *to)
{
    struct wg__onnx_value *v = (void *)to;
    (void)r, (void)m, (void)f;
    v->tensor = false;
    v->dtype = 0;
    v->rank = -1;
    v->dim = NULL;
    return WG_OK;
}

static const struct wg__member type_members[] = {
    {1, "tensor_type", type_tensor, 0, 0, &tensor_type},
    {OWN(4, "sequence_type", type_other)},
    {OWN(5, "map_type", type_other)},
    {OWN(7, "opaque_type", type_other)},
    {OWN(8, "sparse_tensor_type", type_other)},
    {OWN(9, "optional_type", type_other)},
    {0},
};
static const struct wg__message type = {"TypeProto", 0, NULL, type_members, 0};

static const struct wg__onnx_value blank_value = {.name = "", .rank = -1};

static const struct wg__member value_members[] = {
    {ONE(1, "name", text, value, name)},
    {2, "type", wg__read_part, 0, 0, &type},
    {0},
};
static const struct wg__message value = {"ValueInfoProto", sizeof blank_value, &blank_value, value_members,
                                         AT(value, offset)};

/* ---- SparseTensorProto, FunctionProto: their names ---- */

static const struct wg__onnx_sparse   blank_sparse;
static const struct wg__onnx_function blank_function = {"", ""};

static const struct wg__member sparse_members[] = {
    {PART(1, "values", pointer, sparse, values, tensor)},
    {0},
};
static const struct wg__message sparse = {"SparseTensorProto", sizeof blank_sparse, &blank_sparse, sparse_members, 0};

static const struct wg__member function_members[] = {
    {ONE(1, "name", text, function, name)},
    {ONE(10, "domain", text, function, domain)},
    {0},
};
static const struct wg__message function = {"FunctionProto", sizeof blank_function, &blank_function, function_members,
                                            0};

/* ---- GraphProto, ModelProto ---- */

static const struct wg__member graph_members[] = {
    {MANY(1, "node", list, model, node, n_node, &node)},
    {ONE(2, "name", text, model, graph_name)},
    {MANY(5, "initializer", list, model, init, n_init, &tensor)},
    {MANY(11, "input", list, model, input, n_input, &value)},
    {MANY(12, "output", list, model, output, n_output, &value)},
    {MANY(15, "sparse_initializer", list, model, sparse, n_sparse, &sparse)},
    {0},
};
static const struct wg__message graph = {"GraphProto", 0, NULL, graph_members, 0};

static int model_graph(struct wg__model_reader *r, const struct wg__member *m, const struct wg__field *f, char *to)
{
    ((struct wg__onnx_model *)(void *)to)->has_graph = true;
    return wg__read_part(r, m, f, to);
}

static const struct wg__onnx_model blank_model = {.producer = "", .producer_version = "", .doc = "", .graph_name = ""};
static const struct wg__message    branch = {"GraphProto", sizeof blank_model, &blank_model, graph_members, 0};

static const struct wg__member model_members[] = {
    {ONE(1, "ir_version", int64, model, ir_version)},
    {ONE(2, "producer_name", text, model, producer)},
    {ONE(3, "producer_version", text, model, producer_version)},
    {ONE(5, "model_version", int64, model, model_version)},
    {ONE(6, "doc_string", text, model, doc)},
    {7, "graph", model_graph, 0, 0, &graph},
    {MANY(8, "opset_import", list, model, opset, n_opset, &opset)},
    {MANY(14, "metadata_props", list, model, meta, n_meta, &pair)},
    {MANY(25, "functions", list, model, function, n_function, &function)},
    {0},
};
static const struct wg__message model = {"ModelProto", sizeof blank_model, &blank_model, model_members, 0};

/* ---- Files ---- */

/* Makes a reader that may allocate 16 times the file's size and 64 MiB. Structs are larger than their
 * messages: six times as large for many small nodes. Only a hostile file wants much more. */
static struct wg__model_reader make_reader(struct wg__onnx_file *f)
{
    size_t most = 64u << 20;
    if (__builtin_mul_overflow(f->size, 16, &most) || __builtin_add_overflow(most, 64u << 20, &most)) most = SIZE_MAX;
    return (struct wg__model_reader){.file = f, .left = most};
}

int wg__onnx_model_parse(struct wg__onnx_file *f, struct wg__onnx_model *m)
{
    struct wg__model_reader r = make_reader(f);
    *m = blank_model;
    int status = wg__message_read(&r, &model, (struct wg__span){f->bytes, f->size}, m);
    if (!status && !m->has_graph) return wg__onnx_bad(f, WG_EFORMAT, f->bytes, "no graph: this is not an ONNX model");
    if (status != WG_EFORMAT || m->has_graph || m->ir_version) return status;
    f->status = WG_OK; /* nothing of a model was met: what protobuf says of the bytes helps nobody */
    *f->why = 0;
    return wg__onnx_bad(f, WG_EFORMAT, f->bytes, "this is not an ONNX model");
}

int wg__onnx_tensor_parse(struct wg__onnx_file *f, struct wg__onnx_tensor *t)
{
    struct wg__model_reader r = make_reader(f);
    *t = blank_tensor;
    return wg__message_read(&r, &tensor, (struct wg__span){f->bytes, f->size}, t);
}
