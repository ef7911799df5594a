/* refusal.c - requests that libmicrohttpd refuses before the server sees them.
 *
 * MHD tells of a refusal only in a line of its log, with the code.  Where the
 * request had begun, the end of the request accounts for it; a refusal that no
 * request accounts for is counted when its connection ends.  All of this
 * happens on the one thread that a connection has, so that thread remembers. */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "serve/server_impl.h"

enum { CODES = 600 };

static _Thread_local int heard[CODES], n_heard;

void wg__refusal_heard(const char *format, va_list args)
{
    static const char says[] = "Error processing request (HTTP response code is %u";
    if (strncmp(format, says, sizeof says - 1) != 0) return;
    unsigned code = va_arg(args, unsigned);
    if (code >= CODES) return;
    heard[code]++;
    n_heard++;
}

void wg__refusal_known(int code)
{
    if (code < 0 || code >= CODES || !heard[code]) return;
    heard[code]--;
    n_heard--;
}

/* Counts the bytes that ever came on a connection. */
static uint64_t bytes_received(int fd)
{
    struct tcp_info info = {0};
    socklen_t       n = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) ? 0 : info.tcpi_bytes_received;
}

/* Finds the code of a connection that ends without a request and without a refusal that MHD told of.  MHD closes it
 * without an answer where it cannot make out a request line; the clock closes it where no request line comes.  0:
 * nothing came. */
static int code_of_silence(const struct wg__peer *p)
{
    if (p->requests) return 0;
    if (atomic_load(&p->due_ns) == WG__CUT) return 408;
    return bytes_received(p->fd) ? 400 : 0;
}

static int take_heard(void)
{
    int code = 0;
    while (code < CODES && !heard[code]) code++;
    wg__refusal_known(code);
    return code;
}

void wg__refusal_at_end(struct wg__server *s, const struct wg__peer *p)
{
    if (p->open) return; /* its request accounts for it */
    int code = n_heard ? take_heard() : code_of_silence(p);
    if (!code) return;
    wg__metrics_refusal(s->metrics, code);
    wg__log_refusal(&s->log, code);
}

/* ---- Heads that MHD would answer twice ---- */

/* MHD up to 0.9.76 answers a Content-Length that is no number with two heads, and takes blanks behind a number for a
 * part of the number.  When the request line has come, MHD mostly has the whole head in its buffer: there the lines up
 * to the empty line are put right, byte for byte.  Blanks move before the number, where MHD skips them.  Where the
 * value is no number, or too large a number, the last letter of the header's name is changed, by which wg__strict knows
 * the header.  Lines that come later are read by MHD as they are. */
static const char length_name[] = "Content-Length";

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static void mend_length(char *name, char *value, char *end, bool folded)
{
    char *first = value, *last = end;
    while (first < last && is_blank(*first)) first++;
    while (last > first && is_blank(last[-1])) last--;
    bool number = last > first && !folded;
    for (char *c = first; c < last; c++) number = number && *c >= '0' && *c <= '9';
    while (number && last - first > 1 && *first == '0') first++;
    size_t n = (size_t)(last - first);
    if (!number || n > 18) {
        name[sizeof length_name - 2] = number ? '~' : '!';
        return;
    }
    memmove(end - n, first, n);
    memset(value, ' ', (size_t)(end - value) - n);
}

static void mend_line(char *line, char *end, bool folded)
{
    size_t n = sizeof length_name - 1;
    if ((size_t)(end - line) <= n || strncasecmp(line, length_name, n) != 0 || line[n] != ':') return;
    mend_length(line, line + n + 1, end, folded);
}

void wg__refusal_prevent(struct MHD_Connection *c, char *uri)
{
    /* What has not come yet is zero.  And an entry of MHD's table lies behind its buffer, in the same memory,
     * and holds a zero: so the search for the end of a line ends before that memory does. */
    if (MHD_set_connection_value(c, MHD_FOOTER_KIND, "", "") != MHD_YES) return;
    char *line = uri + strlen(uri) + 1; /* the version */
    line += strlen(line);
    for (int i = 0; i < 2 && !*line; i++) line++; /* CR LF, which are zeros now */
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        char *stop = end > line && end[-1] == '\r' ? end - 1 : end;
        if (stop == line) return;
        mend_line(line, stop, is_blank(end[1]));
    }
}
