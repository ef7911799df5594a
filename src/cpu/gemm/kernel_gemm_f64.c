/* Matrix products of double. */
#define T double
#define DTYPE f64
#define F64 1
#include "cpu/gemm/gemm_impl.h"
