/* reduction.h - how a loop may end, on the CPU and on CUDA: what puts two values together. */
#ifndef WENGERT_REDUCTION_H
#define WENGERT_REDUCTION_H

enum wg__reduce { WG__SUM, WG__PROD, WG__MAX, WG__MIN, WG__REDUCES };

#endif
