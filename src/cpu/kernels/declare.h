/* Calls DECLARE(row) for each row of unary.def and binary.def of a real dtype, where and copy. */
#define U(row, ...) DECLARE(row)
#define UA(row, ...) DECLARE(row)
#include "ops/unary.def"
#undef U
#undef UA
#define B(row, ...) DECLARE(row)
#define C(row, ...) DECLARE(row)
#define L(row, ...)
#include "ops/binary.def"
#undef B
#undef C
#undef L
DECLARE(where)
DECLARE(copy)
#undef DECLARE
