/* Bytes of a file in order, unpacked on the way by zlib (RFC 1950 to 1952). */
#include <stdlib.h>
#include <string.h>

#include "data/io_impl.h"
#include "graph/graph_impl.h"

/* Deflate makes at most 258 bytes out of 2 bits. */
enum { MOST_OUT_OF_ONE = 1032 };

static void *z_alloc(void *context, unsigned n, unsigned size)
{
    (void)context;
    return calloc(n, size);
}
static void z_free(void *context, void *p)
{
    (void)context;
    free(p);
}

int wg__stream_open(struct wg__file_stream *s, struct wg__file *f, enum wg__packing p, uint64_t begin, uint64_t end)
{
    s->f = f;
    s->packing = p;
    s->begin = s->next = begin;
    s->end = end;
    s->at = 0;
    s->crc = 0;
    s->checked = s->ended = false;
    if (p == WG__PLAIN) return WG_OK;
    s->z = (z_stream){.zalloc = z_alloc, .zfree = z_free};
    return inflateInit2(&s->z, p == WG__GZIP ? 16 + MAX_WBITS : -MAX_WBITS) == Z_OK ? WG_OK : wg__bad_memory(f);
}

int wg__stream_open_all(struct wg__file_stream *s, struct wg__file *f)
{
    uint8_t magic[2] = {0};
    if (f->size >= 2) {
        int status = wg__file_read(f, 0, magic, 2);
        if (status) return status;
    }
    bool gzip = magic[0] == 0x1f && magic[1] == 0x8b;
    return wg__stream_open(s, f, gzip ? WG__GZIP : WG__PLAIN, 0, f->size);
}

void wg__stream_close(struct wg__file_stream *s)
{
    if (s->packing != WG__PLAIN) inflateEnd(&s->z);
}

uint64_t wg__stream_offset(const struct wg__file_stream *s)
{
    return s->packing == WG__PLAIN ? s->begin + s->at : s->at;
}

static uint64_t packed_offset(const struct wg__file_stream *s) { return s->next - s->z.avail_in; }

static int refill(struct wg__file_stream *s)
{
    uint64_t left = s->end - s->next;
    size_t   n = left < sizeof s->raw ? (size_t)left : sizeof s->raw;
    if (n == 0) return wg__bad(s->f, WG_EFORMAT, s->next, "the packed data end early");
    int status = wg__file_read(s->f, s->next, s->raw, n);
    if (status) return status;
    s->next += n;
    s->z.next_in = s->raw;
    s->z.avail_in = (unsigned)n;
    return WG_OK;
}

/* Skips zeros behind a gzip member: tapes and some file systems fill blocks up with them, and gzip itself lets them be.
 * *more says that another byte follows. */
static int skip_padding(struct wg__file_stream *s, bool *more)
{
    for (;;) {
        for (; s->z.avail_in && *s->z.next_in == 0; s->z.avail_in--) s->z.next_in++;
        *more = s->z.avail_in > 0;
        if (*more || s->next == s->end) return WG_OK;
        int status = refill(s);
        if (status) return status;
    }
}

/* Ends a deflate stream, or one member of gzip, which lets more members follow. */
static int end_member(struct wg__file_stream *s)
{
    bool more = s->z.avail_in || s->next < s->end;
    int  status = s->packing == WG__GZIP ? skip_padding(s, &more) : WG_OK;
    if (status) return status;
    if (more && s->packing == WG__GZIP) return inflateReset(&s->z) == Z_OK ? WG_OK : WG_EINTERNAL;
    s->ended = true;
    return more ? wg__bad(s->f, WG_EFORMAT, packed_offset(s), "bytes follow the end of the packed data") : WG_OK;
}

static int unpack(struct wg__file_stream *s, uint8_t *to, size_t n, size_t *got)
{
    *got = 0;
    while (*got < n && !s->ended) {
        int status = s->z.avail_in ? WG_OK : refill(s);
        if (status) return status;
        size_t   room = n - *got;
        unsigned piece = room < 1u << 30 ? (unsigned)room : 1u << 30;
        s->z.next_out = to + *got;
        s->z.avail_out = piece;
        int z = inflate(&s->z, Z_NO_FLUSH);
        *got += piece - s->z.avail_out;
        if (z == Z_MEM_ERROR) return wg__bad_memory(s->f);
        if (z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR)
            return wg__bad(s->f, WG_EFORMAT, packed_offset(s), "the packed data are damaged (%s)",
                           s->z.msg ? s->z.msg : "no reason given");
        if (z == Z_STREAM_END && (status = end_member(s))) return status;
    }
    return WG_OK;
}

int wg__stream_read(struct wg__file_stream *s, void *to, size_t n, size_t *got)
{
    int status;
    if (s->packing == WG__PLAIN) {
        uint64_t left = s->end - s->next;
        *got = n < left ? n : (size_t)left;
        status = wg__file_read(s->f, s->next, to, *got);
        if (!status) s->next += *got;
    } else status = unpack(s, to, n, got);
    if (status) return status;
    s->at += *got;
    if (s->checked && *got) s->crc = (uint32_t)crc32_z(s->crc, to, *got);
    return WG_OK;
}

int wg__stream_exact(struct wg__file_stream *s, void *to, size_t n, const char *what)
{
    size_t got;
    int    status = wg__stream_read(s, to, n, &got);
    if (status) return status;
    if (got == n) return WG_OK;
    return wg__bad(s->f, WG_EFORMAT, wg__stream_offset(s), "ends inside of %s: %zu bytes of %zu are there", what, got,
                   n);
}

int wg__stream_finish(struct wg__file_stream *s)
{
    uint8_t  byte;
    size_t   got;
    uint64_t at = wg__stream_offset(s);
    uint32_t crc = s->crc;
    int      status = wg__stream_read(s, &byte, 1, &got);
    s->crc = crc;
    if (status) return status;
    return got ? wg__bad(s->f, WG_EFORMAT, at, "more bytes follow where the data should end") : WG_OK;
}

static uint64_t most_left(const struct wg__file_stream *s)
{
    uint64_t left = s->end - s->next, most;
    if (s->packing == WG__PLAIN) return left;
    return __builtin_mul_overflow(left + s->z.avail_in + 64, (uint64_t)MOST_OUT_OF_ONE, &most) ? UINT64_MAX : most;
}

static int grow_and_read(struct wg__file_stream *s, size_t n, void **out)
{
    enum { FIRST = 1 << 20 };
    size_t have = 0, size = s->packing == WG__PLAIN || n < FIRST ? n : FIRST;
    for (;;) {
        if (!wg__data_resize(out, have, size)) return wg__bad_memory(s->f);
        int status = wg__stream_exact(s, (char *)*out + have, size - have, "the data");
        if (status || size == n) return status;
        have = size;
        size = size > n / 2 ? n : 2 * size;
    }
}

int wg__stream_take(struct wg__file_stream *s, uint64_t n, void **out)
{
    *out = NULL;
    if (n > most_left(s))
        return wg__bad(s->f, WG_EFORMAT, wg__stream_offset(s),
                       "%llu bytes of data are announced, but at most %llu can follow", (unsigned long long)n,
                       (unsigned long long)most_left(s));
    if (n > PTRDIFF_MAX / 2) return wg__bad_memory(s->f);
    int status = grow_and_read(s, (size_t)n, out);
    if (status) {
        wg__data_free(*out);
        *out = NULL;
    }
    return status;
}
