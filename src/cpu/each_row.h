/* Calls ROW(name) for each elementwise operator; no include guard. */
#define U(name, ...) ROW(name)
#define UA(name, ...) ROW(name)
#include "ops/unary.def"
#undef U
#undef UA
#define B(name, ...) ROW(name)
#define C(name, ...) ROW(name)
#define L(name, ...) ROW(name)
#include "ops/binary.def"
#undef B
#undef C
#undef L
ROW(not)
ROW(where)
ROW(copy)
