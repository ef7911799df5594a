/* server_impl.h - what the files of the HTTP part share beside requests:
 * the server itself, exchanges, connections, the log and the counters. */
#ifndef WENGERT_SERVE_SERVER_IMPL_H
#define WENGERT_SERVE_SERVER_IMPL_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <microhttpd.h>

#include "serve/schedule/aside.h"
#include "base/budget.h"
#include "serve/http/http_impl.h"

/* MHD up to 0.9.76 is too lenient with heads and chunks, and where a head is malformed it lets bytes lie as they came.
 */
enum { WG__OLD_MHD = MHD_VERSION < 0x00097701 };

enum {
    WG__MAX_HEAD = 16384,
    WG__MAX_HEADERS = 100,
    WG__MAX_URI = 8192,
    WG__BODY_RATE = 131072,    /* bytes a second that a body has to come with in the long run */
    WG__KEEP_BYTES = 1 << 20,  /* larger buffers are not kept for the next request */
    WG__LARGE_BODY = 1 << 18,  /* bytes of JSON that are not read on a connection's thread */
    WG__LARGE_ANSWER = 1 << 16 /* bytes of results that are not written there */
};

/* Bytes of the budget. */
struct wg__bytes {
    char  *at;
    size_t size;
};
/* Makes room for `size` bytes, and keeps what is there; false if memory is short. */
bool wg__bytes_reserve(struct wg__budget *budget, struct wg__bytes *b, size_t size);
void wg__bytes_free(struct wg__budget *budget, struct wg__bytes *b);

/* ---- An exchange: a request, its answer, and what they need (exchange.c) ---- */

struct wg__exchange {
    struct wg__request      q; /* first, so that a request is its exchange */
    struct MHD_Connection  *connection;
    struct wg__peer        *peer;
    const struct wg__route *route;
    struct wg__exchange    *next; /* in the free list, or in a queue of threads aside */
    enum { WG__HEAD, WG__BODY, WG__ANSWER, WG__ASKED } phase;
    enum { WG__READ, WG__WRITE } aside; /* what the clerks do with it */
    atomic_int  meet; /* 1 after the first of two: the connection's suspension, the job's end; the second resumes */
    bool        incoming, discard, head, predicted, gzip;
    const char *uri; /* as it came */
    size_t      n_uri;
    uint64_t    began_ns;
    uint64_t    predict_ns;
    int64_t     version; /* of the model that answered; -1: none */
    int64_t     length;  /* of the body, as promised; -1: unknown */
    struct wg__bytes body;
    size_t           sent;
    char             method[16];
    char             id[130], trace[64];
    char             path[WG__MAX_URI + 1];
    struct wg__text  line; /* of the log */
};
/* Takes an exchange from the free list, or allocates one; NULL: memory is short. */
struct wg__exchange *wg__exchange_new(struct wg__server *s, struct MHD_Connection *c);
void                 wg__exchange_release(struct wg__exchange *x);
void                 wg__exchange_free_all(struct wg__server *s);
/* Frees the exchanges that nobody has needed since the last call, but for a few; returns their number. */
int wg__exchange_shrink(struct wg__server *s);
/* Makes room for n bytes of body in all; false: memory is short. */
bool wg__exchange_reserve(struct wg__exchange *x, size_t n);

/* ---- Connections, and the time that they have (peers.c) ---- */

/* due_ns is the time by which a request has to be here, or an answer to be gone.  The connection's thread and the clock
 * both try to swap it for another value; the first to do so decides what happens. */
enum { WG__NOT_DUE = 0, WG__CUT = 1 };
struct wg__peer {
    struct wg__peer *next, *prev;
    int              fd;
    int              requests; /* that began */
    atomic_bool      open;     /* a request is under way */
    bool             ended;    /* the clock's: at its last look nothing was left to read */
    uint64_t         turn;     /* of its last prediction (crowd.c) */
    atomic_bool      answers;  /* due_ns is for the end of an answer */
    _Atomic uint64_t due_ns;
};
struct wg__peer *wg__peer_new(struct wg__server *s, int fd);
void             wg__peer_free(struct wg__server *s, struct wg__peer *p);
/* Tells whether the client has gone: nothing more will come from it.  The connection may not be closed meanwhile. */
bool wg__peer_has_left(const struct wg__peer *p);
/* Counts the requests under way that nobody waits for: the clock has cut the connection, or the client has gone, and
 * MHD has not noticed yet. */
int wg__peers_gone(struct wg__server *s);
/* Sets when the request or answer is due; false: the clock has cut the connection. */
bool wg__peer_set_due(struct wg__peer *p, uint64_t due_ns);
/* Sets when an answer of n bytes to a request that began at began_ns is due. */
void wg__peer_answers(struct wg__server *s, struct wg__peer *p, size_t n, uint64_t began_ns);
/* Cuts the connections whose requests are too slow, and with `look` those
 * whose clients have gone in the midst of one. */
void wg__peers_sweep(struct wg__server *s, bool look);
/* Answers 408, 413 or 503 past MHD, which accepts no answer in the midst of a request. */
void wg__peer_say(int fd, int code);

/* ---- Connections that are closed before the client has sent all (linger.c) ---- */

/* A socket that is closed with bytes unread is reset, and the client may lose the answer.  So a second
 * descriptor keeps it open, and the clock takes what comes until the client has read the answer and gone. */
struct wg__linger {
    struct wg__linger *next;
    int                fd;
    uint64_t           until_ns;
};
void wg__linger(struct wg__server *s, int fd);
/* Throws away the bytes that have come; closes the sockets that have ended or have had their time. */
void wg__linger_sweep(struct wg__server *s, bool all);

/* Estimates how many more connections are likely to ask before this connection asks again.  Called for each prediction,
 * by the thread of its connection.  (crowd.c) */
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
/* Writes a line for a refusal without a request: it has a code and nothing else. */
void wg__log_refusal(struct wg__log *l, int code);

/* ---- Counters (metrics.c) ---- */

struct wg__metrics;
struct wg__metrics *wg__metrics_new(struct wg__repository *r); /* NULL if memory is short */
void                wg__metrics_free(struct wg__metrics *m);
void                wg__metrics_count(struct wg__metrics *m, const struct wg__exchange *x, uint64_t ns);
/* Counts a request that the HTTP library refused before there was an exchange. */
void wg__metrics_refusal(struct wg__metrics *m, int code);

/* ---- HTTP (http.c, answer.c, identify.c, listen.c, strict.c, page.c) ---- */

int wg__http_start(struct wg__server *s, wg_error *e);

/* Begins to answer a request that is complete, and ends the answer of a request that comes back from other threads.
 * Both run on the connection's thread. */
enum MHD_Result wg__answer_begin(struct wg__exchange *x);
enum MHD_Result wg__answer_end(struct wg__exchange *x);
/* Sends the answer in q; close: the connection ends after the answer. */
enum MHD_Result wg__answer_send(struct wg__exchange *x, bool close);
/* Takes the request out of the count of requests that are still coming. */
void wg__answer_came(struct wg__exchange *x);
/* Handles a request on a thread aside: a clerk reads a large body or writes a large answer, the keeper does what an
 * operator asks for. */
void wg__answer_clerk(struct wg__exchange *x);
void wg__answer_keeper(struct wg__exchange *x);

/* Unpacks the body in its place; false with the answer filled in.  (gzip.c) */
bool wg__gzip_unpack(struct wg__exchange *x);

/* Tells whether the client may load models; false with the answer filled in.  (admin.c) */
bool wg__admin_may(struct wg__exchange *x);
/* Checks that the file of the token can be used; else a status with the reason in e. */
int wg__admin_check(const char *file, wg_error *e);

/* Notes the refusal that a line of MHD's log tells of.  (refusal.c) */
void wg__refusal_heard(const char *format, va_list args);
/* Takes a refusal with that code out of the notes: a request accounts for it. */
void wg__refusal_known(int code);
/* Counts a refusal that no request accounts for, at the end of its connection. */
void wg__refusal_at_end(struct wg__server *s, const struct wg__peer *p);
/* Puts values right in the head that lies behind a request line, before MHD reads them. */
void wg__refusal_prevent(struct MHD_Connection *c, char *uri);

/* Opens a listening socket; -1 with the reason in e.  *port becomes the real port. */
int wg__listen(const char *host, int *port, wg_error *e);

/* Lowers the number of connections to what the limit of open files allows. */
void wg__limit_connections(struct wg__server *s);

/* Takes the caller's identifiers, or makes a number for the request. */
void wg__identify(struct wg__exchange *x);

/* What is wrong with a head in spite of MHD: an HTTP code with the reason, or
 * 0.  RFC 9112 and 9110. */
struct wg__request_head {
    const char *method, *uri, *version;
    size_t      n_uri; /* to its end or its first blank */
    /* What wg__strict finds. */
    int64_t length; /* of the body; -1: there is none; less: the head does not tell the length */
};
int wg__strict(struct MHD_Connection *c, struct wg__request_head *h, const char **why);
/* Finds the n bytes of a value without the blanks around it (RFC 9112, 5.1). */
const char *wg__trim(const char *value, size_t *n);

/* Copies the path without the query and scheme://authority, as far as it fits; false: it is malformed or too long.
 * Nothing is decoded: no path that is served needs %xx, so none has a second spelling. */
bool wg__path_take(const char *uri, size_t size, char to[]);

const char *wg__page_etag(char to[static 24]);

/* ---- The server ---- */

struct wg__server {
    struct wg__server_options o; /* with the defaults filled in */
    struct wg__budget         budget;
    struct wg__repository    *repository;
    struct wg__metrics       *metrics;
    struct wg__log            log;
    struct MHD_Daemon        *daemon;
    int                       listener, port;
    char                      etag[24];
    uint64_t                  id_seed;
    _Atomic uint64_t          id_next;
    atomic_bool               unready, draining;
    atomic_int                connections, inflight, incoming, suspended;
    _Atomic uint64_t          last_ns;       /* when the last request came */
    _Atomic uint64_t          turn, turn_ns; /* number and time of the last prediction */
    atomic_int                crowd;         /* connections that ask by turns, in 1/16 */

    pthread_mutex_t      free_lock;
    struct wg__exchange *free;
    int                  n_free, least_free; /* now, and since the list was last shrunk */

    pthread_mutex_t    peers_lock;
    struct wg__peer    peers; /* the ring's head */
    pthread_mutex_t    linger_lock;
    struct wg__linger *linger;
    int                n_linger;

    struct wg__aside_threads *clock;                /* a thread that keeps time, and nothing that takes long */
    struct wg__aside_threads *keeper;               /* a thread that loads models */
    struct wg__aside_threads *clerks;               /* threads for large bodies and answers */
    atomic_bool               reload;               /* all models, as soon as the keeper can */
    uint64_t                  looked_ns, shrunk_ns; /* the clock's */
    uint64_t                  polled_ns;            /* the keeper's */
};

#endif
