/* peers.c - the connections, and those among them that are too slow.
 *
 * MHD closes a connection on which nothing happens.  One that sends or takes a
 * byte now and then is cut here: a request has to be complete in time, and an
 * answer has to be taken in time. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "serve/server_impl.h"

struct wg__peer *wg__peer_new(struct wg__server *s, int fd)
{
    struct wg__peer *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->fd = fd;
    atomic_store(&p->due_ns, wg__now_ns() + (uint64_t)s->o.slow_s * 1000000000u);
    pthread_mutex_lock(&s->peers_lock);
    p->next = &s->peers;
    p->prev = s->peers.prev;
    p->prev->next = p->next->prev = p;
    pthread_mutex_unlock(&s->peers_lock);
    return p;
}

/* Frees p.  The clock holds the lock while it uses a socket, so that the descriptor still means this connection. */
void wg__peer_free(struct wg__server *s, struct wg__peer *p)
{
    pthread_mutex_lock(&s->peers_lock);
    p->prev->next = p->next;
    p->next->prev = p->prev;
    pthread_mutex_unlock(&s->peers_lock);
    free(p);
}

bool wg__peer_set_due(struct wg__peer *p, uint64_t due_ns)
{
    uint64_t seen = atomic_load(&p->due_ns);
    do {
        if (seen == WG__CUT) return false;
    } while (!atomic_compare_exchange_weak(&p->due_ns, &seen, due_ns));
    atomic_store(&p->answers, false);
    return true;
}

/* Sets when the answer has to be gone.  A deadline covers the answer's way too, but each answer has at least the time
 * of any request. */
void wg__peer_answers(struct wg__server *s, struct wg__peer *p, size_t n, uint64_t began_ns)
{
    uint64_t now = wg__now_ns(), least = now + (uint64_t)s->o.slow_s * 1000000000u;
    uint64_t due = least + n / WG__BODY_RATE * 1000000000u, deadline = began_ns + (uint64_t)s->o.deadline_ms * 1000000u;
    if (s->o.deadline_ms && due > deadline) due = deadline > least ? deadline : least;
    if (wg__peer_set_due(p, due)) atomic_store(&p->answers, true);
}

void wg__peer_say(int fd, int code)
{
    static const struct {
        int         code;
        const char *reason, *why;
    } table[] = {{408, "Request Timeout", "the request came too slowly"},
                 {413, "Content Too Large", "the body is larger than this server takes"},
                 {503, "Service Unavailable", "the server's memory is taken by other requests"}};
    size_t      row = code == 408 ? 0 : code == 413 ? 1 : 2;
    const char *why = table[row].why;
    char        text[256];
    int         n = snprintf(text, sizeof text,
                             "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: application/json\r\n"
                                     "Content-Length: %zu\r\n\r\n{\"error\": \"%s\"}\n",
                             table[row].code, table[row].reason, strlen(why) + 14, why);
    /* What the socket does not take at once is lost: the connection ends anyhow. */
    ssize_t sent = send(fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;
    shutdown(fd, code == 408 ? SHUT_RDWR : SHUT_WR);
}

bool wg__peer_has_left(const struct wg__peer *p)
{
    char c;
    return recv(p->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Tells whether the client has left.  MHD waits for news of a socket whose last bytes and end came together, and none
 * come.  The end has to be seen twice: seen once, it may belong to a request that is just being read. */
static bool has_left(struct wg__peer *p)
{
    bool before = p->ended;
    p->ended = wg__peer_has_left(p);
    return before && p->ended;
}

static void cut(struct wg__peer *p, uint64_t due, int code)
{
    if (!atomic_compare_exchange_strong(&p->due_ns, &due, WG__CUT)) return;
    if (code) wg__peer_say(p->fd, code);
    else shutdown(p->fd, SHUT_RDWR);
}

/* Tells whether the client has closed its side, though MHD may not have read all that came before. */
static bool has_hung_up(const struct wg__peer *p)
{
    struct pollfd f = {.fd = p->fd, .events = POLLRDHUP};
    return poll(&f, 1, 0) == 1 && f.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

int wg__peers_gone(struct wg__server *s)
{
    int n = 0;
    pthread_mutex_lock(&s->peers_lock);
    for (struct wg__peer *p = s->peers.next; p != &s->peers; p = p->next)
        n += atomic_load(&p->open) && (atomic_load(&p->due_ns) == WG__CUT || has_hung_up(p));
    pthread_mutex_unlock(&s->peers_lock);
    return n;
}

void wg__peers_sweep(struct wg__server *s, bool look)
{
    uint64_t now = wg__now_ns();
    pthread_mutex_lock(&s->peers_lock);
    for (struct wg__peer *p = s->peers.next; p != &s->peers; p = p->next) {
        uint64_t due = atomic_load(&p->due_ns);
        bool     answers = atomic_load(&p->answers);
        if (due <= WG__CUT) p->ended = false;
        else if (due <= now) cut(p, due, answers ? 0 : 408);
        else if (look && !answers && has_left(p)) cut(p, due, 0);
    }
    pthread_mutex_unlock(&s->peers_lock);
}
