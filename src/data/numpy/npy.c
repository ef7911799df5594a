/* .npy: one array (numpy.lib.format). */
#include <string.h>

#include "data/io_impl.h"
#include "graph/graph_impl.h"

static void copy_strided(size_t size, int64_t n, char *y, const char *x, int64_t stride)
{
    for (int64_t i = 0; i < n; i++) memcpy(y + (size_t)i * size, x + (size_t)(i * stride) * size, size);
}

/* Copies n elements, `stride` elements apart in x, side by side.  A memcpy of a constant size is a single move. */
static void gather(size_t size, int64_t n, char *y, const char *x, int64_t stride)
{
    if (size == 1) copy_strided(1, n, y, x, stride);
    else if (size == 4) copy_strided(4, n, y, x, stride);
    else copy_strided(8, n, y, x, stride);
}

/* Copies x, whose first axis is the dense one, to y in row-major order. */
static void to_row_major(const wg_shape *s, size_t size, char *y, const char *x)
{
    int64_t stride[WG_MAX_RANK], index[WG_MAX_RANK] = {0}, at = 0;
    int     last = s->rank - 1;
    for (int i = 0, d = 1; i < s->rank; d = 0, i++) stride[i] = d ? 1 : stride[i - 1] * s->dim[i - 1];
    for (int64_t rows = wg_count(s) / s->dim[last]; rows > 0; rows--) {
        gather(size, s->dim[last], y, x + (size_t)at * size, stride[last]);
        y += (size_t)s->dim[last] * size;
        for (int i = last - 1; i >= 0; i--) {
            at += stride[i];
            if (++index[i] < s->dim[i]) break;
            at -= index[i] * stride[i];
            index[i] = 0;
        }
    }
}

static int reorder(struct wg__file_stream *s, wg_array *a)
{
    if (a->shape.rank < 2 || wg_count(&a->shape) == 0) return WG_OK;
    void *y = wg__data_alloc(wg_array_bytes(a));
    if (!y) return wg__bad_memory(s->f);
    to_row_major(&a->shape, wg_dtype_size(a->dtype), y, a->data);
    wg__data_free(a->data);
    a->data = y;
    return WG_OK;
}

int wg__npy_stream(struct wg__file_stream *s, wg_array *out, bool list)
{
    struct wg__npy_header h;
    int                   status = wg__npy_header_read(s, &h);
    if (status) return status;
    *out = (wg_array){.dtype = h.element->dtype, .shape = h.shape};
    if (list) return WG_OK;
    status = wg__elements_read(s, h.element, h.big, out);
    if (!status) status = wg__stream_finish(s);
    if (!status && h.fortran) status = reorder(s, out);
    if (status) wg_array_free(out);
    return status;
}

static int read_file(struct wg__file *f, wg_array *out)
{
    struct wg__file_stream s;
    int                    status = wg__stream_open(&s, f, WG__PLAIN, 0, f->size);
    if (!status) status = wg__npy_stream(&s, out, false);
    if (status) *out = (wg_array){0};
    return status;
}

int wg_npy_read(const char *path, wg_array *out, wg_error *e)
{
    struct wg__file f;
    if (wg__lacks(e, "wg_npy_read", "out", out)) return WG_EARG;
    *out = (wg_array){0};
    if (wg__lacks(e, "wg_npy_read", "path", path)) return WG_EARG;
    int status = wg__file_open(&f, path, e);
    if (status) return status;
    status = read_file(&f, out);
    wg__file_close(&f);
    return status;
}

int wg_npy_parse(const void *bytes, size_t n, wg_array *out, wg_error *e)
{
    struct wg__file f;
    if (wg__lacks(e, "wg_npy_parse", "out", out)) return WG_EARG;
    *out = (wg_array){0};
    if (wg__lacks(e, "wg_npy_parse", "bytes", n ? bytes : "")) return WG_EARG;
    wg__file_memory(&f, bytes, n, e);
    return read_file(&f, out);
}

int wg_npy_write(const char *path, const wg_array *a, wg_error *e)
{
    char           header[WG__NPY_HEADER];
    struct wg__out o;
    if (wg__lacks(e, "wg_npy_write", "path", path) || wg__lacks(e, "wg_npy_write", "the array", a)) return WG_EARG;
    int status = wg__array_check(path, a, e);
    if (status || (status = wg__out_open(&o, path, e))) return status;
    wg__out_write(&o, header, wg__npy_header_write(a, header));
    wg__out_write(&o, a->data, wg_array_bytes(a));
    return wg__out_commit(&o);
}
