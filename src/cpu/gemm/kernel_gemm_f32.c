/* Matrix products of float. */
#define T float
#define DTYPE f32
#define F64 0
#include "cpu/gemm/gemm_impl.h"
