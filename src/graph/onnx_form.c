/* The text that to_onnx writes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    char *comma = strchr(text, ','); /* a locale's decimal point */
    if (comma) *comma = '.';
    return wg_onnx_say(f, "%s%s", text, isfinite(v) && !strpbrk(text, ".e") ? ".0" : "");
}

int wg_onnx_refuse(wg_onnx_form *f, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    if (!*f->why) vsnprintf(f->why, sizeof f->why, format, ap);
    va_end(ap);
    return WG_EARG;
}
