/* gzip.c - bodies that come compressed: Content-Encoding gzip (RFC 9110, 8.4.1.3; RFC 1952). */
#include <string.h>
#include <zlib.h>

#include "serve/server_impl.h"

enum { GZIP_AND_NO_OTHER = 16 + MAX_WBITS, LEAST = 16384 };

static bool refuse(struct wg__exchange *x, int code, const char *why)
{
    wg__http_error(&x->q, code, "%s", why);
    return false;
}

/* Doubles the room for the unpacked body, up to the limit and one byte: a body that fills this byte is too large. */
static bool grow_room(struct wg__exchange *x, struct wg__bytes *to)
{
    size_t most = (size_t)x->q.server->o.max_body + 1, size = to->size ? 2 * to->size : LEAST;
    if (to->size >= most) return refuse(x, 413, "the unpacked body is larger than this server takes");
    return wg__bytes_reserve(&x->q.server->budget, to, size < most ? size : most) ||
           refuse(x, 503, "the server's memory is taken by other requests");
}

/* Unpacks all members of the body, one after the other. */
static bool inflate_all(struct wg__exchange *x, z_stream *z, struct wg__bytes *to, size_t *n)
{
    int status = Z_OK;
    for (;;) {
        if (*n == to->size && !grow_room(x, to)) return false;
        size_t room = to->size - *n;
        z->next_out = (unsigned char *)to->at + *n;
        z->avail_out = (unsigned)room;
        status = inflate(z, Z_NO_FLUSH);
        *n += room - z->avail_out;
        if (*n > (size_t)x->q.server->o.max_body)
            return refuse(x, 413, "the unpacked body is larger than this server takes");
        if (status == Z_STREAM_END && !z->avail_in) return true;
        if (status == Z_STREAM_END) status = inflateReset(z);
        if (status == Z_MEM_ERROR) return refuse(x, 503, "out of memory");
        if (status != Z_OK || (!z->avail_in && z->avail_out))
            return refuse(x, 400, "the body is no gzip, or not all of it");
    }
}

bool wg__gzip_unpack(struct wg__exchange *x)
{
    struct wg__bytes to = {0};
    z_stream         z = {.next_in = (unsigned char *)x->body.at, .avail_in = (unsigned)x->q.n_body};
    size_t           n = 0;
    if (inflateInit2(&z, GZIP_AND_NO_OTHER) != Z_OK) return refuse(x, 503, "out of memory");
    bool whole = inflate_all(x, &z, &to, &n);
    inflateEnd(&z);
    if (!whole) {
        wg__bytes_free(&x->q.server->budget, &to);
        return false;
    }
    wg__bytes_free(&x->q.server->budget, &x->body);
    x->body = to;
    x->q.body = to.at;
    x->q.n_body = n;
    return true;
}
