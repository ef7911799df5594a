/* IDX: two zero bytes, a type, a rank, big-endian dimensions, then big-endian
 * values in row-major order (yann.lecun.com/exdb/mnist). */
#include <stdlib.h>
#include <string.h>

#include "data/io_impl.h"

static int read_header(struct wg__file_stream *s, const struct wg__element **t, wg_shape *shape)
{
    uint8_t h[4];
    int     status = wg__stream_exact(s, h, sizeof h, "the IDX magic number");
    if (status) return status;
    if (h[0] || h[1])
        return wg__bad(s->f, WG_EFORMAT, 0, "starts with %02x %02x, but an IDX file starts with two zeros", h[0], h[1]);
    if (!(*t = wg__element_of_idx(h[2]))) return wg__bad(s->f, WG_EFORMAT, 2, "0x%02x is no IDX type", h[2]);
    if (h[3] > WG_MAX_RANK)
        return wg__bad(s->f, WG_EFORMAT, 3, "has %d dimensions, at most %d are supported", h[3], WG_MAX_RANK);
    *shape = (wg_shape){.rank = h[3]};
    for (int i = 0; i < h[3]; i++) {
        uint8_t d[4];
        if ((status = wg__stream_exact(s, d, sizeof d, "the IDX dimensions"))) return status;
        shape->dim[i] = (int64_t)((uint32_t)d[0] << 24 | (uint32_t)d[1] << 16 | (uint32_t)d[2] << 8 | d[3]);
    }
    return WG_OK;
}

static int read_stream(struct wg__file_stream *s, wg_array *out)
{
    const struct wg__element *t = NULL;
    int                       status = read_header(s, &t, &out->shape);
    if (!status) status = wg__elements_read(s, t, true, out);
    return status ? status : wg__stream_finish(s);
}

static int read_file(struct wg__file *f, wg_array *out)
{
    struct wg__file_stream s;
    int                    status = wg__stream_open_all(&s, f);
    if (status) return status;
    status = read_stream(&s, out);
    wg__stream_close(&s);
    if (status) wg_array_free(out);
    return status;
}

int wg_idx_read(const char *path, wg_array *out, wg_error *e)
{
    struct wg__file f;
    if (wg__lacks(e, "wg_idx_read", "out", out)) return WG_EARG;
    *out = (wg_array){0};
    if (wg__lacks(e, "wg_idx_read", "path", path)) return WG_EARG;
    int status = wg__file_open(&f, path, e);
    if (status) return status;
    status = read_file(&f, out);
    wg__file_close(&f);
    return status;
}

int wg_idx_parse(const void *bytes, size_t n, wg_array *out, wg_error *e)
{
    struct wg__file f;
    if (wg__lacks(e, "wg_idx_parse", "out", out)) return WG_EARG;
    *out = (wg_array){0};
    if (wg__lacks(e, "wg_idx_parse", "bytes", n ? bytes : "")) return WG_EARG;
    wg__file_memory(&f, bytes, n, e);
    return read_file(&f, out);
}

/* ---- Writing ---- */

static void write_header(struct wg__out *o, const wg_array *a)
{
    uint8_t h[4] = {0, 0, wg__element_of_dtype(a->dtype)->idx, (uint8_t)a->shape.rank};
    wg__out_write(o, h, sizeof h);
    for (int i = 0; i < a->shape.rank; i++) {
        uint32_t d = (uint32_t)a->shape.dim[i];
        uint8_t  be[4] = {(uint8_t)(d >> 24), (uint8_t)(d >> 16), (uint8_t)(d >> 8), (uint8_t)d};
        wg__out_write(o, be, sizeof be);
    }
}

static void write_values(struct wg__out *o, const wg_array *a)
{
    uint64_t    block[512];
    size_t      size = wg_dtype_size(a->dtype), most = sizeof block / size, n = wg_array_bytes(a) / size;
    const char *x = a->data;
    for (size_t i = 0, k; i < n; i += k) {
        k = n - i < most ? n - i : most;
        memcpy(block, x + i * size, k * size);
        if (!WG__BIG_HOST) wg__swap_bytes(block, k, size);
        wg__out_write(o, block, k * size);
    }
}

int wg_idx_write(const char *path, const wg_array *a, wg_error *e)
{
    if (wg__lacks(e, "wg_idx_write", "path", path) || wg__lacks(e, "wg_idx_write", "the array", a)) return WG_EARG;
    int status = wg__array_check(path, a, e);
    if (status) return status;
    if (!wg__element_of_dtype(a->dtype)->idx)
        return wg__say(e, path, WG_EDTYPE, -1, "IDX has no type for %s", wg_dtype_name(a->dtype));
    for (int i = 0; i < a->shape.rank; i++)
        if (a->shape.dim[i] > UINT32_MAX)
            return wg__say(e, path, WG_ESHAPE, -1, "dimension %d is %lld, but IDX has 32 bits for it", i,
                           (long long)a->shape.dim[i]);
    struct wg__out o;
    if ((status = wg__out_open(&o, path, e))) return status;
    write_header(&o, a);
    write_values(&o, a);
    return wg__out_commit(&o);
}
