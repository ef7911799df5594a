/* types.h - CUDA's vectors and sizes. */
#ifndef WENGERT_TESTS_CUDA_TYPES_H
#define WENGERT_TESTS_CUDA_TYPES_H

#include <stddef.h>
#include <stdint.h>

/* Aligned as on the device: a load of one is a single access there. */
#define WG_SHIM_VECTORS(X)                   \
    X(char, signed char, 2, 4)               \
    X(uchar, unsigned char, 2, 4)            \
    X(short, short, 4, 8)                    \
    X(ushort, unsigned short, 4, 8)          \
    X(int, int, 8, 16)                       \
    X(uint, unsigned, 8, 16)                 \
    X(longlong, long long, 16, 16)           \
    X(ulonglong, unsigned long long, 16, 16) \
    X(float, float, 8, 16)                   \
    X(double, double, 16, 16)
#define WG_SHIM_TYPES(name, type, two, four)                                   \
    typedef struct name##1 { type x; }                                         \
    name##1;                                                                   \
    typedef struct __attribute__((aligned(two))) name##2 { type x, y; }        \
    name##2;                                                                   \
    typedef struct name##3 { type x, y, z; }                                   \
    name##3;                                                                   \
    typedef struct __attribute__((aligned(four))) name##4 { type x, y, z, w; } \
    name##4;
WG_SHIM_VECTORS(WG_SHIM_TYPES)
#undef WG_SHIM_TYPES

typedef struct dim3 {
    unsigned x, y, z;
#ifdef __cplusplus
    constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
#endif
} dim3;

#endif
