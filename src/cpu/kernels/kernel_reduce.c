/* Sums, products, largest and smallest elements, along rows and down columns. */
#include "cpu/kernels/kernel_impl.h"

#define DTYPE F32
#define T float
#define LEAST -INFINITY
#define MOST INFINITY
#define WRAPPING float
#define NOT_A_NUMBER(x) ((x) != (x))
#include "cpu/kernels/reduce.h"

#define DTYPE F64
#define T double
#define LEAST -(double)INFINITY
#define MOST (double)INFINITY
#define WRAPPING double
#define NOT_A_NUMBER(x) ((x) != (x))
#include "cpu/kernels/reduce.h"

#define DTYPE I32
#define T int32_t
#define LEAST INT32_MIN
#define MOST INT32_MAX
#define WRAPPING uint32_t
#define NOT_A_NUMBER(x) ((void)(x), false)
#include "cpu/kernels/reduce.h"

#define DTYPE I64
#define T int64_t
#define LEAST INT64_MIN
#define MOST INT64_MAX
#define WRAPPING uint64_t
#define NOT_A_NUMBER(x) ((void)(x), false)
#include "cpu/kernels/reduce.h"
