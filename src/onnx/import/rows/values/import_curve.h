/* import_curve.h - functions of one real tensor that are made of others: hyperbolic functions, and inverses. */
#ifndef WENGERT_ONNX_IMPORT_CURVE_H
#define WENGERT_ONNX_IMPORT_CURVE_H

#include <wengert/graph.h>

wg_node *wg__sinh(wg_node *x);
wg_node *wg__cosh(wg_node *x);
wg_node *wg__asinh(wg_node *x);
wg_node *wg__acosh(wg_node *x);
wg_node *wg__atanh(wg_node *x);
wg_node *wg__asin(wg_node *x);
wg_node *wg__acos(wg_node *x);
wg_node *wg__atan(wg_node *x);

#endif
