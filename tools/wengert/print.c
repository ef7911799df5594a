/* Types, sizes and values as text. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

/* ---- Texts ---- */

void put_text(FILE *f, const char *text)
{
    for (int n; *text; text += n) {
        n = *text == '\n' || *text == '\t' ? 1 : wg_printable(text);
        if (n) fwrite(text, 1, (size_t)n, f);
        else fprintf(f, "\\x%02x", (unsigned char)*text);
        n += n == 0;
    }
}

void vprint(FILE *f, const char *format, va_list ap)
{
    char *text = NULL;
    if (vasprintf(&text, format, ap) < 0) fputs("out of memory", f);
    else {
        put_text(f, text);
        free(text);
    }
}

void print(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vprint(stdout, format, ap);
    va_end(ap);
}

/* ---- Types, sizes and values ---- */

const char *type_text(const wg_graph *g, wg_dtype t, const wg_shape *s, char *buf, size_t n)
{
    char   name[64];
    size_t k = (size_t)snprintf(buf, n, "%s [", wg_dtype_name(t));
    for (int i = 0; i < s->rank && k < n; i++)
        k += (size_t)snprintf(buf + k, n - k, "%s%s", i ? "," : "", wg_dim_name(g, s->dim[i], name, sizeof name));
    if (k < n) snprintf(buf + k, n - k, "]");
    return buf;
}

const char *bytes_text(double bytes, char *buf, size_t n)
{
    static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    int                      u = 0;
    for (; bytes >= 1024 && u < 4; u++) bytes /= 1024;
    snprintf(buf, n, u ? "%.1f %s" : "%.0f %s", bytes, unit[u]);
    return buf;
}

static void print_one(FILE *f, const wg_array *a, int64_t i)
{
    switch (a->dtype) {
    case WG_F32: fprintf(f, "%.7g", (double)((const float *)a->data)[i]); break;
    case WG_F64: fprintf(f, "%.15g", ((const double *)a->data)[i]); break;
    case WG_I32: fprintf(f, "%" PRId32, ((const int32_t *)a->data)[i]); break;
    case WG_I64: fprintf(f, "%" PRId64, ((const int64_t *)a->data)[i]); break;
    case WG_U8: fprintf(f, "%d", ((const uint8_t *)a->data)[i]); break;
    case WG_BOOL: fprintf(f, "%s", ((const uint8_t *)a->data)[i] ? "true" : "false"); break;
    case WG_DTYPES: break;
    }
}

enum { EDGE = 8 }; /* elements shown at either end of a longer axis */

static void print_axis(FILE *f, const wg_array *a, int axis, int64_t first, int64_t size)
{
    if (axis == a->shape.rank) {
        print_one(f, a, first);
        return;
    }
    bool    last = axis == a->shape.rank - 1;
    int64_t n = a->shape.dim[axis], each = n ? size / n : 0;
    fputc('[', f);
    for (int64_t i = 0; i < n; i++) {
        if (i && last) fputs(", ", f);
        else if (i) fprintf(f, ",\n%*s", axis + 1, "");
        if (i == EDGE && n > 2 * EDGE + 1) {
            fputs("..", f);
            i = n - EDGE - 1;
        } else print_axis(f, a, axis + 1, first + i * each, each);
    }
    fputc(']', f);
}

void print_values(FILE *f, const wg_array *a)
{
    print_axis(f, a, 0, 0, wg_count(&a->shape));
    fputc('\n', f);
}
