/* softmax, log_softmax and logsumexp of rows, each shifted by its largest
 * element m so that nothing overflows:
 *
 *   s = sum_j e^(x_j - m),   softmax e^(x_i - m) / s,
 *   log_softmax (x_i - m) - ln s,   logsumexp m + ln s. */
#include "cpu/kernels/kernel_impl.h"

#define DTYPE f32
#define T float
#define M(f) f##_f32
#define SUM_ROWS LEVEL(wg__rows_SUM_F32)
#define MAX_ROWS LEVEL(wg__rows_MAX_F32)
#define SUM_COLS LEVEL(wg__cols_SUM_F32)
#define MAX_COLS LEVEL(wg__cols_MAX_F32)
#include "cpu/kernels/softmax.h"

#define DTYPE f64
#define T double
#define M(f) f##_f64
#define SUM_ROWS LEVEL(wg__rows_SUM_F64)
#define MAX_ROWS LEVEL(wg__rows_MAX_F64)
#define SUM_COLS LEVEL(wg__cols_SUM_F64)
#define MAX_COLS LEVEL(wg__cols_MAX_F64)
#include "cpu/kernels/softmax.h"
