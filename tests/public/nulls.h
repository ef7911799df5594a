/* nulls.h - sound arguments for calls of any public function, and what to expect of one that got NULL: that it
 * returns, and that a refusal is told with the call's name. */
#ifndef WENGERT_TESTS_NULLS_H
#define WENGERT_TESTS_NULLS_H

#include <string.h>
#include <wengert/graph_op.h>
#include <wengert/onnx.h>
#include <wengert/train.h>

struct null_call {
    const char *function, *null; /* the parameter that is NULL */
    void (*call)(void);
};
extern const struct null_call null_calls[];
extern const int              null_functions;

typedef void wg_body(void *context, int64_t begin, int64_t end);

extern char                path[];
extern wg_graph           *some_wg_graph_p;
extern wg_node            *some_wg_node_p, *some_wg_node_list[2];
extern wg_tape            *some_wg_tape_p;
extern wg_layer           *some_wg_layer_p, *some_wg_layer_list[2];
extern const wg_layer_kind some_wg_layer_kind;
extern wg_onnx            *some_wg_onnx_p;
extern wg_batches         *some_wg_batches_p;
extern wg_safetensors     *some_wg_safetensors_p;
extern wg_error            some_wg_error;
extern char                some_char_p[64];
extern const char         *some_char_pp[2], *some_char_list[2];
extern wg_array            some_wg_array;
extern const wg_array     *some_wg_array_list[2];
extern void               *some_void_list[2];
extern FILE               *some_FILE_p;
extern _Alignas(64) char some_memory[4096];

#define some_int 1
#define some_int64_t 1
#define some_uint64_t 1
#define some_size_t 8
#define some_double 0.5
#define some_wg_dtype WG_F32
#define some_wg_role WG_ROLE_STATE
#define some_wg_shape WG_SHAPE(1)
#define some_wg_axes WG_ALL_AXES
#define some_wg_error_p (&some_wg_error)
#define some_wg_array_p (&some_wg_array)
#define some_void_p ((void *)some_memory)
#define some_int_p ((int *)(void *)some_memory)
#define some_int64_t_p ((int64_t *)(void *)some_memory)
#define some_int32_t_p ((int32_t *)(void *)some_memory)
#define some_uint64_t_p ((uint64_t *)(void *)some_memory)
#define some_uint8_t_p ((uint8_t *)(void *)some_memory)
#define some_float_p ((float *)(void *)some_memory)
#define some_double_p ((double *)(void *)some_memory)
#define some_wg_dtype_p ((wg_dtype *)(void *)some_memory)
#define some_char_pairs ((const char *const[1][2]){{"key", "text"}})
#define some_wg_shape_p (&(wg_shape){.rank = 1, .dim = {1}})
#define some_wg_op_p (wg_ops[0])
#define some_wg_csv_p (&(wg_csv){0})
#define some_wg_npz_p (&(wg_npz){0})
#define some_wg_csv_options_p (&(wg_csv_options){0})
#define some_wg_load_options_p (&(wg_load_options){0})
#define some_wg_load_info_p (&(wg_load_info){0})
#define some_wg_save_options_p (&(wg_save_options){0})
#define some_wg_dense_options_p (&(wg_dense_options){0})
#define some_wg_layer_kind_p (&some_wg_layer_kind)
#define some_enum_wg_activation WG_ACT_RELU
#define some_wg_solver_p (&(wg_solver){0})
#define some_wg_safetensor_p (&(wg_safetensor){0})
#define some_wg_onnx_export_options_p (&(wg_onnx_export_options){0})
#define some_wg_onnx_import_options_p (&(wg_onnx_import_options){0})
#define some_wg_options_p (&(wg_options){0})
#define some_wg_param_group_p (&(wg_param_group){0})
#define some_wg_initializer_p (&(wg_initializer){0})
#define some_wg_batch_options_p (&(wg_batch_options){0})

/* A status or number has to be negative and told; a status is WG_EARG. */
void judge_status(int64_t status, int exactly);
/* There has to be nothing, and where `told` that has to be told. */
void judge_pointer(const void *p, int told);

#endif
