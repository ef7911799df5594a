/* listen.c - the socket that listens, and how many connections there may be. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/server_impl.h"

enum { BACKLOG = 4096 };

static int fail(wg_error *e, const char *host, int port, const char *why)
{
    *e = (wg_error){.status = WG_EIO, .offset = -1};
    snprintf(e->message, sizeof e->message, "cannot listen on %s port %d: %s", host, port < 0 ? 0 : port, why);
    return -1;
}

static int port_of(int fd)
{
    struct sockaddr_storage a;
    socklen_t               n = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &n)) return 0;
    return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                         : ((struct sockaddr_in *)&a)->sin_port);
}

static int open_at(const struct addrinfo *a)
{
    int one = 1, fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

int wg__listen(const char *host, int *port, wg_error *e)
{
    struct addrinfo hint = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *all;
    char            service[16];
    if (*port > 65535) return fail(e, host, *port, "a port is at most 65535");
    snprintf(service, sizeof service, "%d", *port < 0 ? 0 : *port);
    int status = getaddrinfo(host, service, &hint, &all);
    if (status) return fail(e, host, *port, gai_strerror(status));
    int fd = -1;
    for (const struct addrinfo *a = all; a && fd < 0; a = a->ai_next) fd = open_at(a);
    int why = errno;
    freeaddrinfo(all);
    if (fd < 0) return fail(e, host, *port, strerror(why));
    *port = port_of(fd);
    return fd;
}

/* Limits the connections to the files that the process may open: each connection is a descriptor, and some descriptors
 * are left for files.  The process's soft limit is raised first, as far as it may. */
void wg__limit_connections(struct wg__server *s)
{
    enum { FILES = 64 };
    struct rlimit l;
    rlim_t        want = (rlim_t)s->o.connections + FILES;
    if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur >= want) return;
    rlim_t before = l.rlim_cur;
    l.rlim_cur = l.rlim_max < want ? l.rlim_max : want;
    if (setrlimit(RLIMIT_NOFILE, &l)) l.rlim_cur = before;
    if (l.rlim_cur >= want) return;
    int most = (int)(l.rlim_cur > 2 * FILES ? l.rlim_cur - FILES : (l.rlim_cur + 1) / 2);
    wg__log_say(&s->log, "warn", "at most %d connections, not %d: the limit of open files is %llu", most,
                s->o.connections, (unsigned long long)l.rlim_cur);
    s->o.connections = most;
}
