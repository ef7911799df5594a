/* admin.c - who may load models.
 *
 * With a token, whoever shows the token: `Authorization: Bearer TOKEN` (RFC
 * 6750).  Without one, programs of this machine: the connection comes from a
 * loopback address, and the request neither through a proxy nor out of a
 * browser's page, which would lend that address to others. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/system/calls.h"
#include "serve/server_impl.h"

enum { TOKEN = 4096 };

/* Reads the file's text, without the blanks at its end; returns the length, or a negative errno. */
static int read_token(const char *file, char to[static TOKEN])
{
    int     fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : wg__read_some(fd, to, TOKEN);
    int     why = errno;
    if (fd >= 0) close(fd);
    if (n < 0) return -why;
    while (n > 0 && strchr(" \t\r\n", to[n - 1])) n--;
    return n == TOKEN ? -EFBIG : (int)n;
}

int wg__admin_check(const char *file, wg_error *e)
{
    char token[TOKEN], text[80];
    int  n = file ? read_token(file, token) : 1;
    if (n > 0) return WG_OK;
    *e = (wg_error){.status = n ? WG_EIO : WG_EARG, .offset = -1};
    snprintf(e->message, sizeof e->message, "the token of %.120s: %s", file,
             n ? strerror_r(-n, text, sizeof text) : "the file is empty");
    return e->status;
}

/* Takes the same time wherever two texts differ. */
static bool is_same_token(const char *shown, size_t n_shown, const char *token, size_t n)
{
    unsigned char differ = n_shown != n;
    for (size_t i = 0; i < n; i++) differ |= (unsigned char)(token[i] ^ shown[n_shown ? i % n_shown : 0]);
    return !differ && n > 0;
}

/* Tells whether the request shows the token.  The file is read each time, so that a changed token counts at once. */
static bool shows_token(const struct wg__exchange *x)
{
    char        token[TOKEN], shown[TOKEN + 8];
    int         n = read_token(x->q.server->o.admin_token, token);
    const char *v = x->q.header(&x->q, "Authorization", sizeof shown, shown);
    if (n <= 0 || !v || strncasecmp(v, "Bearer ", 7) != 0) return false;
    v += 7;
    while (*v == ' ') v++;
    return is_same_token(v, strlen(v), token, (size_t)n);
}

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)a;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    if (a->sa_family != AF_INET6) return false;
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
}

static bool is_local(const struct wg__exchange *x)
{
    static const char *const lent[] = {"Forwarded", "X-Forwarded-For", "Via", "Origin"};
    for (size_t i = 0; i < sizeof lent / sizeof *lent; i++)
        if (MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, lent[i])) return false;
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return i && i->client_addr && is_loopback(i->client_addr);
}

bool wg__admin_may(struct wg__exchange *x)
{
    if (x->q.server->o.admin_token) {
        if (shows_token(x)) return true;
        wg__http_error(&x->q, 401, "this needs the operator's token: Authorization: Bearer TOKEN");
        x->q.challenge = true;
        return false;
    }
    if (is_local(x)) return true;
    wg__http_error(&x->q, 403, "only from this machine, or with a token where the server has one: --admin-token-file");
    return false;
}
