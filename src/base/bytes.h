/* bytes.h - numbers as files have them: little-endian, and at any address. */
#ifndef WENGERT_BASE_BYTES_H
#define WENGERT_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* Reads a number of n bytes, at most eight. */
static inline uint64_t wg__little(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v |= (uint64_t)p[i] << 8 * i;
    return v;
}
/* Writes the low n bytes of a number. */
static inline void wg__little_put(uint8_t *p, size_t n, uint64_t v)
{
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)(v >> 8 * i);
}

static inline uint16_t wg__le16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static inline uint32_t wg__le32(const uint8_t *p) { return wg__le16(p) | (uint32_t)wg__le16(p + 2) << 16; }
static inline uint64_t wg__le64(const uint8_t *p) { return wg__le32(p) | (uint64_t)wg__le32(p + 4) << 32; }

#endif
