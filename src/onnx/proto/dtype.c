/* ONNX's element types (TensorProto.DataType) and ours. */
#include "onnx/proto/proto.h"

static const struct {
    const char *name;
    int         dtype; /* plus 1; 0: we have none */
} types[] = {
#define T(name, kind, size, holds, own, onnx, in_onnx, idx, safetensors, v1, v2) \
    [onnx] = {in_onnx, own(WG_##name + 1) + 0},
#include "base/dtypes.def"
    /* Types of which no tensor is read. */
    [0] = {"undefined", 0},     [8] = {"string", 0},          [14] = {"complex64", 0},  [15] = {"complex128", 0},
    [17] = {"float8e4m3fn", 0}, [18] = {"float8e4m3fnuz", 0}, [19] = {"float8e5m2", 0}, [20] = {"float8e5m2fnuz", 0},
    [21] = {"uint4", 0},        [22] = {"int4", 0},           [23] = {"float4e2m1", 0}, [24] = {"float8e8m0", 0},
    [25] = {"uint2", 0},        [26] = {"int2", 0},
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
