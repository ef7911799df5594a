/* server_impl.h - what the files of the HTTP part share beside requests:
 * the server itself, exchanges, connections, the log and the counters. */
#ifndef WENGERT_SERVE_SERVER_IMPL_H
#define WENGERT_SERVE_SERVER_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include <microhttpd.h>

#include "serve/http_impl.h"

enum {
    WG__MAX_HEAD = 16384,
    WG__MAX_HEADERS = 100,
    WG__MAX_URI = 8192,
    WG__BODY_RATE = 131072,  /* bytes a second that a body has to come with in the long run */
    WG__KEEP_BYTES = 1 << 20 /* larger buffers are not kept for the next request */
};

/* ---- An exchange: a request, its answer, and what they need (exchange.c) ---- */

struct wg__exchange {
    struct wg__request      q; /* first, so that a request is its exchange */
    struct MHD_Connection  *connection;
    struct wg__peer        *peer;
    const struct wg__route *route;
    struct wg__exchange    *next; /* in the free list, or in that of what the clock has to do */
    enum { WG__HEAD, WG__BODY, WG__ANSWER, WG__ASKED } phase;
    atomic_int      meet; /* of the connection's suspension and the job's end, the second resumes */
    bool            counted, incoming, discard, head, predicted;
    const char     *uri; /* as it came */
    size_t          n_uri;
    uint64_t        began_ns;
    uint64_t        predict_ns;
    int64_t         version; /* that answered; -1: none */
    char           *body;
    size_t          body_size;
    size_t          sent;
    char            method[16];
    char            id[130], trace[64];
    char            path[WG__MAX_URI + 1];
    struct wg__text line; /* of the log */
};
/* NULL if memory is short. */
struct wg__exchange *wg__exchange_new(struct wg__server *s, struct MHD_Connection *c);
void                 wg__exchange_release(struct wg__exchange *x);
void                 wg__exchange_free_all(struct wg__server *s);
/* Room for so many bytes of body in all. */
bool wg__exchange_reserve(struct wg__exchange *x, size_t n);

/* ---- Connections, and the time that they have (peers.c) ---- */

/* due_ns is when a request has to be here, or an answer to be gone; whoever swaps it for another value
 * first, the thread of the connection or the clock, decides what happens. */
enum { WG__NOT_DUE = 0, WG__CUT = 1 };
struct wg__peer {
    struct wg__peer *next, *prev;
    int              fd;
    bool             ended;   /* the clock's: there was nothing more to read when it looked last */
    uint64_t         turn;    /* of its last prediction (crowd.c) */
    atomic_bool      answers; /* what is due is the end of an answer */
    _Atomic uint64_t due_ns;
};
struct wg__peer *wg__peer_new(struct wg__server *s, int fd);
void             wg__peer_free(struct wg__server *s, struct wg__peer *p);
/* False if the clock has cut the connection. */
bool wg__peer_set_due(struct wg__peer *p, uint64_t due_ns);
/* An answer of n bytes has begun: it has to be taken in time. */
void wg__peer_answers(struct wg__server *s, struct wg__peer *p, size_t n);
/* Cuts the connections whose requests are too slow, and with `look` those
 * whose clients have gone in the midst of one. */
void wg__peers_sweep(struct wg__server *s, bool look);
/* An answer past MHD, where that takes none: 408 and 413 in the midst of a request. */
void wg__peer_say(int fd, int code);

/* How many more connections are likely to ask before this one asks again:
 * called for each prediction, by the thread of its connection.  (crowd.c) */
int wg__crowd(struct wg__server *s, struct wg__peer *p);

/* ---- The log (log.c) ---- */

struct wg__log {
    FILE              *file; /* NULL: the standard output */
    int                fd;   /* of the file; -1: it has none */
    bool               quiet;
    pthread_mutex_t    lock;
    struct wg__text    lines; /* that are not written yet */
    unsigned long long lost;
};
void wg__log_open(struct wg__log *l, FILE *f, bool quiet);
void wg__log_flush(struct wg__log *l);
void wg__log_close(struct wg__log *l);
void wg__log_event(void *log, const char *level, const char *message);
void wg__log_say(struct wg__log *l, const char *level, const char *format, ...) __attribute__((format(printf, 3, 4)));
void wg__log_request(struct wg__log *l, struct wg__exchange *x, uint64_t us);

/* ---- Counters (metrics.c) ---- */

struct wg__metrics;
struct wg__metrics *wg__metrics_new(struct wg__repository *r); /* NULL if memory is short */
void                wg__metrics_free(struct wg__metrics *m);
void                wg__metrics_count(struct wg__metrics *m, const struct wg__exchange *x, uint64_t ns);

/* ---- HTTP (http.c, identify.c, listen.c, strict.c, page.c) ---- */

int wg__http_start(struct wg__server *s, wg_error *e);
/* The rest of a request whose handler ran on the clock's thread. */
void wg__http_resume(struct wg__exchange *x);

/* A listening socket, or -1 with the reason in e; *port becomes the real one. */
int wg__listen(const char *host, int *port, wg_error *e);

/* As many connections as the limit of open files allows. */
void wg__limit_connections(struct wg__server *s);

/* The caller's identifiers, or a number of our own. */
void wg__identify(struct wg__exchange *x);

/* What is wrong with a head in spite of MHD: an HTTP code with the reason, or
 * 0.  RFC 9112 and 9110. */
struct wg__head {
    const char *method, *uri, *version;
    size_t      n_uri; /* to its end or its first blank */
};
int wg__strict(struct MHD_Connection *c, const struct wg__head *h, const char **why);
/* Bytes that Content-Length promises; -1: none. */
int64_t wg__strict_length(struct MHD_Connection *c);

/* Decodes %xx once, without the query and scheme://authority; false if malformed or too long. */
bool wg__path_decode(const char *uri, size_t size, char to[]);

const char *wg__page_etag(char to[static 24]);

/* ---- The server ---- */

struct wg__server {
    struct wg__server_options o; /* with the defaults filled in */
    struct wg__repository    *repository;
    struct wg__metrics       *metrics;
    struct wg__log            log;
    struct MHD_Daemon        *daemon;
    int                       listener, port;
    char                      etag[24];
    uint64_t                  id_seed;
    _Atomic uint64_t          id_next;
    atomic_bool               unready, draining, stopping;
    atomic_int                connections, inflight, incoming, suspended;
    _Atomic uint64_t          last_ns;       /* when the last request came */
    _Atomic uint64_t          turn, turn_ns; /* number and time of the last prediction */
    atomic_int                crowd;         /* connections that ask by turns, in 1/16 */

    pthread_mutex_t      free_lock;
    struct wg__exchange *free;

    pthread_mutex_t peers_lock;
    struct wg__peer peers; /* the ring's head */

    pthread_t            clock;
    bool                 clock_runs;
    pthread_mutex_t      clock_lock;
    pthread_cond_t       clock_wake;
    struct wg__exchange *aside, **aside_end;
};

#endif
