/* strict.c - what RFC 9110 and 9112 forbid in a head and MHD lets pass: each
 * is a way to make two programs on a connection disagree about where a request
 * ends.  And the path, decoded once. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "serve/server_impl.h"

struct look {
    int         hosts, lengths, codings, headers, code;
    const char *coding, *why, *next; /* where the line before ended */
};

static enum MHD_Result refuse(struct look *l, int code, const char *why)
{
    l->code = code;
    l->why = why;
    return MHD_NO;
}

static bool is_token(const char *s, size_t n)
{
    static const char other[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        bool          plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        if (!plain && (!c || !strchr(other, c))) return false;
    }
    return n > 0;
}

static bool is_text(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)s[i] < ' ' && s[i] != '\t') || s[i] == 127) return false;
    return true;
}

static bool is_digits(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] < '0' || s[i] > '9') return false;
    return n > 0;
}

/* MHD up to 0.9.76 takes an LF alone for the end of a line, and joins folded
 * lines in another place.  It cuts a head up where it lies: between the end of
 * a line that ended with CR LF and the next there are two bytes. */
enum { LIES = MHD_VERSION < 0x00097701 };

static bool follows(const char *end, const char *next, ptrdiff_t gap)
{
    if (!LIES || !end) return true;
    while (end < next && (*end == ' ' || *end == '\t')) end++;
    return next - end == gap;
}

static bool one_space(const char *word, size_t n, const char *next) { return !LIES || word + n + 1 == next; }

static enum MHD_Result look_at(void *context, enum MHD_ValueKind kind, const char *name, size_t n_name,
                               const char *value, size_t n_value)
{
    struct look *l = context;
    (void)kind;
    if (++l->headers > WG__MAX_HEADERS) return refuse(l, 431, "more than 100 headers");
    if (!is_token(name, n_name)) return refuse(l, 400, "malformed header name");
    if (n_value && !is_text(value, n_value)) return refuse(l, 400, "control character in a header");
    if (!follows(l->next, name, 2)) return refuse(l, 400, "a line does not end with CR LF, or is folded");
    l->next = value ? value + n_value : NULL;
    if (!strcasecmp(name, "Host")) l->hosts++;
    if (!strcasecmp(name, "Transfer-Encoding")) l->codings++, l->coding = value;
    if (strcasecmp(name, "Content-Length") != 0) return MHD_YES;
    l->lengths++;
    return is_digits(value, n_value) && n_value < 19 ? MHD_YES : refuse(l, 400, "malformed Content-Length");
}

int wg__strict(struct MHD_Connection *c, const struct wg__head *h, const char **why)
{
    struct look l = {.next = h->version + strlen(h->version)};
    bool        v11 = strcmp(h->version, "HTTP/1.1") == 0;
    MHD_get_connection_values_n(c, MHD_HEADER_KIND, look_at, &l);
    *why = l.why;
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    size_t                          size = i ? i->header_size : 0;
    if (!v11 && strcmp(h->version, "HTTP/1.0") != 0) return *why = "HTTP 1.0 and 1.1 only", 505;
    if (!is_token(h->method, strlen(h->method))) return *why = "malformed method", 400;
    if (!one_space(h->method, strlen(h->method), h->uri) || !one_space(h->uri, h->n_uri, h->version))
        return *why = "malformed request line", 400;
    if (h->n_uri > WG__MAX_URI) return *why = "the URI is longer than 8192 bytes", 414;
    if (l.code) return l.code;
    if (v11 ? l.hosts != 1 : l.hosts > 1) return *why = "one Host header is needed", 400;
    if (l.lengths > 1) return *why = "Content-Length more than once", 400;
    if (l.lengths && l.codings) return *why = "Transfer-Encoding together with Content-Length", 400;
    if (l.codings > 1 || (l.codings && strcasecmp(l.coding, "chunked") != 0))
        return *why = "no Transfer-Encoding but chunked is known", 501;
    if (l.codings && !v11) return *why = "Transfer-Encoding in HTTP/1.0", 400;
    if (!follows(l.next, h->method + size, 4)) return *why = "the head does not end with an empty line", 400;
    if (size > WG__MAX_HEAD) return *why = "the headers are longer than 16384 bytes", 431;
    return 0;
}

int64_t wg__strict_length(struct MHD_Connection *c)
{
    const char *n = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Length");
    return n ? strtoll(n, NULL, 10) : -1;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* http://host/path, as a proxy would be asked for it */
static const char *without_authority(const char *uri)
{
    size_t skip = strncasecmp(uri, "http://", 7) == 0 ? 7 : strncasecmp(uri, "https://", 8) == 0 ? 8 : 0;
    if (!skip) return uri;
    return uri + skip + strcspn(uri + skip, "/?#");
}

bool wg__path_decode(const char *uri, size_t size, char to[])
{
    const char *at = without_authority(uri);
    size_t      n = 0;
    if (at != uri && *at != '/') at = "/";
    for (; *at && *at != '?' && *at != '#'; at++) {
        int c = (unsigned char)*at;
        if (c == '%') {
            int high = hex(at[1]), low = high < 0 ? -1 : hex(at[2]);
            if (low < 0) return false;
            c = high * 16 + low;
            at += 2;
        }
        if (c < ' ' || c == 127 || n + 1 >= size) return false;
        to[n++] = (char)c;
    }
    to[n] = '\0';
    return true;
}
