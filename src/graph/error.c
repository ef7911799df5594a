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

int wg_printable(const char *text)
{
    return text && *text ? (int)wg__shown((const unsigned char *)text, strnlen(text, 4)) : 0;
}

/* Tells whether a message names the call already, as "mean(x[2]): .." and "mean: .." name mean. */
static bool names_call(const char *text, const char *call)
{
    size_t n = strlen(call);
    return strncmp(text, call, n) == 0 && (text[n] == '(' || text[n] == ':');
}

int wg__fail(wg_graph *g, int status, const char *format, ...)
{
    char    text[sizeof g->message];
    size_t  k = 0;
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    wg__printable(text, sizeof text);
    if (g && g->call && status != WG_ENOMEM && !names_call(text, g->call)) {
        char inner[sizeof text];
        memcpy(inner, text, sizeof inner);
        wg__append(text, sizeof text, &k, "%s: %s", g->call, inner);
    }
    if (g && g->layer && status != WG_ENOMEM) {
        k = strlen(text);
        wg__append(text, sizeof text, &k, " (in layer %s)", g->layer);
    }
    if (g && g->status == WG_OK) { /* the first error is the cause; keep it */
        memcpy(g->message, text, sizeof text);
        g->status = status;
    }
    if (!g || !g->quiet) wg_on_error(status, text);
    return status;
}

const char *wg__enter(wg_graph *g, const char *call)
{
    const char *outer = g ? g->call : NULL;
    if (g && !outer) g->call = call;
    return outer;
}

wg_node *wg__leave(wg_graph *g, const char *outer, wg_node *y)
{
    if (g) g->call = outer;
    return y;
}

int wg__lacks_list(wg_graph *g, const char *who, int n, const char *what, const void *list)
{
    return n <= 0 || list ? WG_OK : wg__fail(g, WG_EARG, "%s: %s is NULL", who, what);
}

int wg__fail_nomem(wg_graph *g) { return wg__fail(g, WG_ENOMEM, "out of memory"); }

int         wg_status(const wg_graph *g) { return g ? g->status : WG_ENOMEM; }
const char *wg_message(const wg_graph *g)
{
    return !g ? wg_strerror(WG_ENOMEM) : g->status ? g->message : wg_strerror(WG_OK);
}

void wg_clear_error(wg_graph *g)
{
    if (!g) return;
    g->status = WG_OK;
    g->missing = false;
}

void wg__append(char *buf, size_t n, size_t *k, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int wanted = vsnprintf(*k < n ? buf + *k : NULL, *k < n ? n - *k : 0, format, ap);
    va_end(ap);
    if (wanted > 0) *k += (size_t)wanted;
}
