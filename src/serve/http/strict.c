/* strict.c - what RFC 9110 and 9112 forbid in a head and MHD lets pass: each
 * is a way to make two programs on a connection disagree about where a request
 * ends.  And the path. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/number/number.h"
#include "serve/server_impl.h"

/* Headers of which a request may have one: who reads the first and who reads the last must agree. */
enum { HOST, LENGTH, CODING, TYPE, ENCODING, JSON_LENGTH, AUTHORIZATION, SINGLES };
static const char *const singles[SINGLES] = {"Host",         "Content-Length",   "Transfer-Encoding",
                                             "Content-Type", "Content-Encoding", "Inference-Header-Content-Length",
                                             "Authorization"};

static const char *const twice[SINGLES] = {
    "one Host header is needed",   "Content-Length more than once",   "no Transfer-Encoding but chunked is known",
    "Content-Type more than once", "Content-Encoding more than once", "Inference-Header-Content-Length more than once",
    "Authorization more than once"};

struct look {
    int         headers, code, times[SINGLES];
    const char *value[SINGLES];
    size_t      n[SINGLES];
    const char *why, *next; /* where the line before ended */
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

/* MHD up to 0.9.76 takes an LF alone for the end of a line, and joins folded
 * lines in another place.  It cuts a head up where it lies: between the end of
 * a line that ended with CR LF and the next there are two bytes. */
enum { LIES = WG__OLD_MHD };

static bool follows(const char *end, const char *next, ptrdiff_t gap)
{
    if (!LIES || !end) return true;
    while (end < next && (*end == ' ' || *end == '\t')) end++;
    return next - end == gap;
}

static bool one_space(const char *word, size_t n, const char *next) { return !LIES || word + n + 1 == next; }

const char *wg__trim(const char *value, size_t *n)
{
    while (*n && (*value == ' ' || *value == '\t')) {
        value++;
        --*n;
    }
    while (*n && (value[*n - 1] == ' ' || value[*n - 1] == '\t')) --*n;
    return value;
}

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
    if (n_name == 14 && !strcasecmp(name, "Content-Lengt!"))
        return refuse(l, 400, "malformed Content-Length"); /* refusal.c */
    if (n_name == 14 && !strcasecmp(name, "Content-Lengt~"))
        return refuse(l, 413, "the body is larger than this server takes");
    for (int i = 0; i < SINGLES; i++) {
        if (strlen(singles[i]) != n_name || strcasecmp(name, singles[i]) != 0) continue;
        if (l->times[i]++) return refuse(l, i == CODING ? 501 : 400, twice[i]);
        l->n[i] = value ? n_value : 0;
        l->value[i] = wg__trim(value ? value : "", &l->n[i]);
    }
    return MHD_YES;
}

static bool is_port(const char *s, size_t n)
{
    uint64_t port;
    return n == 0 || wg__count_read(s, n, 65535, &port);
}

/* Checks uri-host [":" port]: a name, an address, or "[" an address of IPv6 "]" (RFC 3986, 3.2.2). */
static bool is_host(const char *s, size_t n)
{
    static const char name[] = "-._~!$&'()*+,;=%", address[] = ":.abcdefABCDEF0123456789";
    size_t            i = 0;
    if (n && *s == '[') {
        for (i = 1; i < n && s[i] != ']'; i++)
            if (!strchr(address, s[i])) return false;
        if (i++ >= n) return false;
    } else {
        for (; i < n && s[i] != ':'; i++) {
            bool plain = (s[i] >= '0' && s[i] <= '9') || ((s[i] | 32) >= 'a' && (s[i] | 32) <= 'z');
            if (!plain && !strchr(name, s[i])) return false;
        }
        if (!i && n) return false;
    }
    return i == n || (s[i] == ':' && is_port(s + i + 1, n - i - 1));
}

/* Reads the version: 0 for HTTP/1.0; 1 for HTTP/1.1 and later 1.x, which are read as 1.1 (RFC 9110, 2.5); -1 for any
 * other. */
static int minor_of(const char *version)
{
    if (strncmp(version, "HTTP/1.", 7) != 0 || version[7] < '0' || version[7] > '9' || version[8]) return -1;
    return version[7] > '0';
}

static bool is_chunked(const struct look *l)
{
    return l->n[CODING] == 7 && !strncasecmp(l->value[CODING], "chunked", 7);
}

/* Finds how long the body is, and checks that both sides read the length alike; 0, or an HTTP code with the reason. */
static int check_length(const struct look *l, struct wg__request_head *h, int minor, const char **why)
{
    h->length = -1;
    if (l->times[LENGTH] && l->times[CODING]) {
        *why = "Transfer-Encoding together with Content-Length";
        return 400;
    }
    if (l->times[CODING] && !is_chunked(l)) {
        *why = "no Transfer-Encoding but chunked is known";
        return 501;
    }
    if (l->times[CODING] && !minor) {
        *why = "Transfer-Encoding in HTTP/1.0";
        return 400;
    }
    if (l->times[CODING] && WG__OLD_MHD) {
        *why = "a body has to say how long it is: Content-Length";
        return 411;
    }
    if (!l->times[LENGTH]) {
        h->length = l->times[CODING] ? INT64_MIN : -1;
        return 0;
    }
    uint64_t length;
    if (l->n[LENGTH] > 18 || !wg__count_read(l->value[LENGTH], l->n[LENGTH], INT64_MAX, &length)) {
        *why = "malformed Content-Length";
        return 400;
    }
    h->length = (int64_t)length;
    return 0;
}

int wg__strict(struct MHD_Connection *c, struct wg__request_head *h, const char **why)
{
    struct look l = {.next = h->version + strlen(h->version)};
    int         minor = minor_of(h->version), code;
    MHD_get_connection_values_n(c, MHD_HEADER_KIND, look_at, &l);
    *why = l.why;
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    size_t                          size = i ? i->header_size : 0;
    if (minor < 0) {
        *why = "HTTP 1.0 and 1.1 only";
        return 505;
    }
    if (!is_token(h->method, strlen(h->method))) {
        *why = "malformed method";
        return 400;
    }
    if (!one_space(h->method, strlen(h->method), h->uri) || !one_space(h->uri, h->n_uri, h->version)) {
        *why = "malformed request line";
        return 400;
    }
    if (h->n_uri > WG__MAX_URI) {
        *why = "the URI is longer than 8192 bytes";
        return 414;
    }
    if (l.code) return l.code;
    if (minor && !l.times[HOST]) {
        *why = "one Host header is needed";
        return 400;
    }
    if (l.times[HOST] && !is_host(l.value[HOST], l.n[HOST])) {
        *why = "malformed Host";
        return 400;
    }
    if ((code = check_length(&l, h, minor, why))) return code;
    if (!follows(l.next, h->method + size, 4)) {
        *why = "the head does not end with an empty line";
        return 400;
    }
    if (size > WG__MAX_HEAD) {
        *why = "the headers are longer than 16384 bytes";
        return 431;
    }
    return 0;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Skips the http://host of an absolute URI, as a proxy is asked for it. */
static const char *without_authority(const char *uri)
{
    size_t skip = strncasecmp(uri, "http://", 7) == 0 ? 7 : strncasecmp(uri, "https://", 8) == 0 ? 8 : 0;
    if (!skip) return uri;
    return uri + skip + strcspn(uri + skip, "/?#");
}

/* Tells whether a %xx is at `at`, and not that of a control character. */
static bool is_escape(const char *at)
{
    int high = hex(at[1]), low = high < 0 ? -1 : hex(at[2]), c = high * 16 + low;
    return low >= 0 && c >= ' ' && c != 127;
}

bool wg__path_take(const char *uri, size_t size, char to[])
{
    const char *at = without_authority(uri);
    size_t      n;
    if (at != uri && *at != '/') at = "/";
    n = strcspn(at, "?#");
    bool sound = n < size;
    if (!sound) n = size - 1;
    memcpy(to, at, n);
    to[n] = '\0';
    for (size_t i = 0; i < n && sound; i++)
        sound = (unsigned char)to[i] >= ' ' && to[i] != 127 && (to[i] != '%' || is_escape(to + i));
    return sound;
}
