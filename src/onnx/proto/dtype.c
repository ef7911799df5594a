/* ONNX's element types (TensorProto.DataType) and ours. */
#include "onnx/proto/proto.h"

static const struct {
    const char *name;
    int         dtype; /* plus 1; 0: we have none */
} types[] = {
    {"undefined", 0},      {"float", WG_F32 + 1}, {"uint8", WG_U8 + 1},  {"int8", 0},
    {"uint16", 0},         {"int16", 0},          {"int32", WG_I32 + 1}, {"int64", WG_I64 + 1},
    {"string", 0},         {"bool", WG_BOOL + 1}, {"float16", 0},        {"double", WG_F64 + 1},
    {"uint32", 0},         {"uint64", 0},         {"complex64", 0},      {"complex128", 0},
    {"bfloat16", 0},       {"float8e4m3fn", 0},   {"float8e4m3fnuz", 0}, {"float8e5m2", 0},
    {"float8e5m2fnuz", 0}, {"uint4", 0},          {"int4", 0},           {"float4e2m1", 0},
    {"float8e8m0", 0},     {"uint2", 0},          {"int2", 0},
};
enum { TYPES = sizeof types / sizeof *types };

wg_dtype wg__onnx_dtype_in(int64_t code)
{
    bool known = code >= 0 && code < TYPES && types[code].dtype;
    return known ? (wg_dtype)(types[code].dtype - 1) : WG_DTYPES;
}

const char *wg__onnx_dtype_name(int64_t code) { return code >= 0 && code < TYPES ? types[code].name : "?"; }

int wg__onnx_dtype_out(wg_dtype t)
{
    for (int i = 0; i < TYPES; i++)
        if (types[i].dtype == (int)t + 1) return i;
    return 0;
}
