/* server.h - the predictor: HTTP/1.1 in front of a repository of models.
 *
 *   wg__server *s = wg__server_start(&(wg__server_options){...}, &e);
 *   ... wg__server_port(s) ...
 *   wg__server_stop(s);
 *
 * serving.md of docs/ describes the protocols. */
#ifndef WENGERT_SERVE_SERVER_H
#define WENGERT_SERVE_SERVER_H

#include <stdbool.h>
#include <stdio.h>

#include <wengert/graph.h>

#include "serve/model/model.h"

struct wg__server;

/* What an answer of the Open Inference Protocol has for a NaN or an infinity. */
enum wg__non_finite {
    WG__NON_FINITE_NULL,  /* null */
    WG__NON_FINITE_ERROR, /* nothing: 500 */
    WG__NON_FINITE_WORDS  /* NaN, Infinity, -Infinity: no JSON, though some readers take them */
};

struct wg__server_options { /* 0 and NULL: the default in parentheses */
    int                 n_models;
    const char *const  *model;        /* "name=path" */
    const char         *host;         /* address to listen on ("127.0.0.1") */
    int                 port;         /* (8501); -1: any free one */
    int                 threads;      /* of HTTP, and workers (as many as CPUs) */
    int                 max_batch;    /* (32); 1: no dynamic batching */
    int                 max_delay_us; /* (200); negative: 0 */
    int                 queue;        /* jobs waiting for a version (1024) */
    int                 deadline_ms;  /* of a request (30000); negative: none */
    int                 connections;  /* at once (4096) */
    int64_t             max_body;     /* bytes (64 MiB) */
    int64_t             max_values;   /* bytes that the values of one run, or one request's results, may take (1 GiB) */
    int64_t             memory;       /* bytes for bodies, values and answers (half of what the control group has) */
    const char         *admin_token;  /* file of the token that an operator shows (none: loopback only) */
    int                 n_batching;
    const char *const  *batching; /* "name=on" or "name=off"; others where the graph proves that rows stay apart */
    int                 idle_s;   /* a connection without traffic is closed after (75) */
    int                 slow_s;   /* a request has to be here, an answer gone (30); 1 s more for each 128 KiB */
    int                 poll_s;   /* between looks for changed files (1); negative: never */
    int                 drain_s;  /* at most so long for requests in flight when stopping (25) */
    int                 delay_s;  /* of these, so long at least new connections are taken (0) */
    enum wg__non_finite non_finite;
    bool                quiet;  /* no line per request */
    int                 poison; /* for tests: buffers are overwritten with this byte between requests; 0: not */
    FILE               *log;    /* JSON lines (stdout) */
};

/* Loads the models and listens.  NULL with the reason in e. */
struct wg__server *wg__server_start(const struct wg__server_options *o, wg_error *e);
int                wg__server_port(const struct wg__server *s);
/* Stops the server.  Readiness turns 503 at once.  New connections are taken for delay_s and until none asks any more,
 * for most of drain_s at the longest; requests in flight finish; then everything is released.  Returns how many
 * requests had to be cut off. */
int wg__server_stop(struct wg__server *s);
/* Asks for all models to be loaded again, soon.  May be called from another thread. */
void wg__server_reload(struct wg__server *s);
/* Turns readiness off now.  May be called from a signal handler or another thread. */
void wg__server_unready(struct wg__server *s);

#endif
