/* Files of one TensorProto. */
#include <string.h>

#include "data/io_impl.h"
#include "onnx/proto/onnx_impl.h"
#include "onnx/proto/write.h"

int wg_onnx_tensor_read(const char *path, wg_array *out, char *name, size_t n, wg_error *e)
{
    struct wg__onnx_tensor t = {.name = ""};
    if (wg__lacks(e, "wg_onnx_tensor_read", "out", out)) return WG_EARG;
    *out = (wg_array){0};
    if (wg__lacks(e, "wg_onnx_tensor_read", "path", path)) return WG_EARG;
    wg_onnx *m = wg__onnx_load(path);
    if (!m) return wg__say(e, path, WG_ENOMEM, -1, "out of memory");
    if (!m->file.status) wg__onnx_tensor_parse(&m->file, &t);
    if (!m->file.status) wg__tensor_array(&m->file, &t, &out->dtype, &out->shape, &out->data);
    int status = m->file.status;
    if (status) *out = (wg_array){0};
    if (status && e) {
        *e = (wg_error){.status = status, .offset = m->file.offset};
        snprintf(e->message, sizeof e->message, "%.*s", (int)sizeof e->message - 1, m->file.why);
    }
    if (name && n) snprintf(name, n, "%s", status ? "" : t.name);
    wg_onnx_free(m);
    return status;
}

/* ---- Writing ---- */

/* Writes all of a TensorProto but its values, which follow. */
static void put_head(struct wg__text *p, const wg_array *a, const char *name)
{
    for (int i = 0; i < a->shape.rank; i++) wg__pb_int(p, 1, a->shape.dim[i]);
    wg__pb_int(p, 2, wg__onnx_dtype_out(a->dtype));
    if (name && *name) wg__pb_text(p, 8, name);
    wg__pb_head(p, 9, wg_array_bytes(a));
}

static void write_swapped(struct wg__out *o, const char *x, size_t n, size_t size)
{
    char one[8];
    for (size_t i = 0; i < n; i += size) {
        memcpy(one, x + i, size);
        wg__swap_bytes(one, 1, size);
        wg__out_write(o, one, size);
    }
}

/* Writes the values, little-endian on any host. */
static void write_values(struct wg__out *o, const wg_array *a)
{
    if (WG__BIG_HOST) write_swapped(o, a->data, wg_array_bytes(a), wg_dtype_size(a->dtype));
    else wg__out_write(o, a->data, wg_array_bytes(a));
}

int wg_onnx_tensor_write(const char *path, const wg_array *a, const char *name, wg_error *e)
{
    struct wg__out  o;
    struct wg__text p = {0};
    if (wg__lacks(e, "wg_onnx_tensor_write", "path", path) || wg__lacks(e, "wg_onnx_tensor_write", "the array", a))
        return WG_EARG;
    int status = wg__array_check(path, a, e);
    if (status) return status;
    put_head(&p, a, name);
    status = p.failed ? wg__say(e, path, WG_ENOMEM, -1, "out of memory") : wg__out_open(&o, path, e);
    if (!status) {
        wg__out_write(&o, p.at, p.n);
        write_values(&o, a);
        status = wg__out_commit(&o);
    }
    wg__text_free(&p);
    return status;
}
