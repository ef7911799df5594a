#include <string.h>

#include "graph/graph_impl.h"

__attribute__((noinline)) void wg_on_error(int status, const char *message)
{
    __asm__ volatile("" : : "r"(status), "r"(message) : "memory");
}

const char *wg_strerror(int status)
{
    switch (status) {
#define X(code, name, text) \
    case code: return text;
        WG_STATUS_MAP(X)
#undef X
    }
    return "unknown status";
}

int wg__fail(wg_graph *g, int status, const char *format, ...)
{
    char    text[sizeof g->message];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (g && g->status == WG_OK) { /* the first error is the cause; keep it */
        memcpy(g->message, text, sizeof text);
        g->status = status;
    }
    if (!g || !g->quiet) wg_on_error(status, text);
    return status;
}

int wg__fail_nomem(wg_graph *g) { return wg__fail(g, WG_ENOMEM, "out of memory"); }

int         wg_status(const wg_graph *g) { return g ? g->status : WG_ENOMEM; }
const char *wg_message(const wg_graph *g)
{
    return !g ? wg_strerror(WG_ENOMEM) : g->status ? g->message : wg_strerror(WG_OK);
}

void wg_clear_error(wg_graph *g)
{
    if (g) g->status = WG_OK;
}

void wg__append(char *buf, size_t n, size_t *k, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int wanted = vsnprintf(*k < n ? buf + *k : NULL, *k < n ? n - *k : 0, format, ap);
    va_end(ap);
    if (wanted > 0) *k += (size_t)wanted;
}
