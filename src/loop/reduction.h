/* reduction.h - the reductions that may end a loop, on the CPU and on CUDA. */
#ifndef WENGERT_REDUCTION_H
#define WENGERT_REDUCTION_H

enum wg__reduce { WG__SUM, WG__PROD, WG__MAX, WG__MIN, WG__REDUCES };

#endif
