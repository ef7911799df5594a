/* identify.c - the number that a request has in logs: X-Request-Id, and the
 * trace that it belongs to (traceparent, w3.org/TR/trace-context). */
#include <string.h>

#include "serve/server_impl.h"

/* Finds a header of at most max visible characters; NULL: there is none, or it has other characters or more. */
static const char *given_header(struct wg__exchange *x, const char *name, size_t max, char to[])
{
    const char *v = x->q.header(&x->q, name, max + 1, to);
    if (!v || !*v) return NULL;
    for (const char *c = v; *c; c++)
        if (*c <= ' ' || *c > '~') return NULL;
    return v;
}

/* Tells whether v is a trace of version 00 (W3C, Trace Context): 00-trace-parent-flags in lower-case digits, where
 * neither number is 0. */
static bool is_trace(const char *v)
{
    static const char form[] = "00-tttttttttttttttttttttttttttttttt-pppppppppppppppp-ff";
    int               i = 0, trace = 0, parent = 0;
    for (; form[i]; i++) {
        bool digit = (v[i] >= '0' && v[i] <= '9') || (v[i] >= 'a' && v[i] <= 'f');
        if (form[i] == '0' || form[i] == '-' ? v[i] != form[i] : !digit) return false;
        trace |= form[i] == 't' && v[i] != '0';
        parent |= form[i] == 'p' && v[i] != '0';
    }
    return !v[i] && trace && parent;
}

/* Takes the caller's identifiers if they are well-formed; else makes an identifier of the server's own. */
void wg__identify(struct wg__exchange *x)
{
    struct wg__server *s = x->q.server;
    const char        *trace = given_header(x, "traceparent", 55, x->trace);
    if (!trace || !is_trace(trace)) x->trace[0] = '\0';
    if (given_header(x, "X-Request-Id", 128, x->id)) return;
    uint64_t z = s->id_seed + 0x9e3779b97f4a7c15u * atomic_fetch_add(&s->id_next, 1);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u; /* Steele, Lea and Flood, "SplitMix", 2014 */
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    snprintf(x->id, sizeof x->id, "%016llx", (unsigned long long)(z ^ (z >> 31)));
}
