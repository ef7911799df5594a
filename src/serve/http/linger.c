/* linger.c - connections that are closed before the client has sent all. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/server_impl.h"

enum { MOST = 32, SECONDS = 5, PIECE = 1 << 20, PIECES = 64 };

void wg__linger(struct wg__server *s, int fd)
{
    struct wg__linger *l = calloc(1, sizeof *l);
    if (!l) return;
    pthread_mutex_lock(&s->linger_lock);
    bool room = s->n_linger < MOST && (l->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) >= 0;
    if (room) {
        l->until_ns = wg__now_ns() + (uint64_t)SECONDS * 1000000000u;
        l->next = s->linger;
        s->linger = l;
        s->n_linger++;
    }
    pthread_mutex_unlock(&s->linger_lock);
    if (!room) free(l);
}

/* Throws away the bytes that have come; true at the end of the stream.  The kernel drops the bytes: nothing is copied.
 */
static bool has_ended(int fd)
{
    for (int i = 0; i < PIECES; i++) {
        ssize_t n = recv(fd, NULL, PIECE, MSG_DONTWAIT | MSG_TRUNC);
        if (n <= 0) return n == 0 || (errno != EAGAIN && errno != EINTR);
    }
    return false;
}

void wg__linger_sweep(struct wg__server *s, bool all)
{
    uint64_t now = wg__now_ns();
    pthread_mutex_lock(&s->linger_lock);
    for (struct wg__linger **at = &s->linger; *at;) {
        struct wg__linger *l = *at;
        if (!all && now < l->until_ns && !has_ended(l->fd)) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        close(l->fd);
        free(l);
        s->n_linger--;
    }
    pthread_mutex_unlock(&s->linger_lock);
}
