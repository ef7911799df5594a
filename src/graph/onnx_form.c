/* The text that to_onnx writes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/number/number.h"
#include "graph/graph_impl.h"

static int append_text(wg_onnx_form *f, const char *format, va_list ap)
{
    size_t room = sizeof f->text - f->n;
    int    k = vsnprintf(f->text + f->n, room, format, ap);
    if (k < 0 || (size_t)k >= room) {
        f->text[f->n] = 0;
        return wg_onnx_refuse(f, "its form is longer than %zu characters", sizeof f->text - 1);
    }
    f->n += (size_t)k;
    return WG_OK;
}

int wg_onnx_say(wg_onnx_form *f, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int status = *f->why ? WG_EARG : append_text(f, format, ap);
    va_end(ap);
    return status;
}

int wg_onnx_say_dims(wg_onnx_form *f, int n, const int64_t *dim)
{
    char name[8];
    wg_onnx_say(f, "[");
    for (int i = 0; i < n; i++) {
        bool symbol = dim[i] < 0 && *wg_dim_name(f->y->g, dim[i], name, sizeof name);
        wg_onnx_say(f, "%s%s%lld", i ? "," : "", symbol ? "@" : "", (long long)dim[i]);
    }
    return wg_onnx_say(f, "]");
}

/* Writes a real so that it reads back as the same double. A point or exponent tells a real from an integer: 1 is
 * "1.0". */
int wg_onnx_say_real(wg_onnx_form *f, double v)
{
    char text[33];
    if (!isfinite(v)) return wg_onnx_say(f, "%s", isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
    text[wg__shortest_double(v, text)] = 0;
    return wg_onnx_say(f, "%s", text);
}

int wg_onnx_refuse(wg_onnx_form *f, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    if (!*f->why) vsnprintf(f->why, sizeof f->why, format, ap);
    va_end(ap);
    return WG_EARG;
}
