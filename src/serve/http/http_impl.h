/* http_impl.h - between HTTP (http.c), the table of routes (routes.c) and the
 * protocols (protocol/): a protocol is a file, a route is a row. */
#ifndef WENGERT_SERVE_HTTP_IMPL_H
#define WENGERT_SERVE_HTTP_IMPL_H

#include "serve/protocol/tensor_json.h"
#include "serve/server.h"

/* WG__ADMIN: not a verb: for operators alone, and it may take seconds, so the keeper's thread handles it. */
enum wg__verb { WG__GET = 1, WG__POST = 2, WG__OPTIONS = 4, WG__ADMIN = 8 };

/* A request from its first byte to its last, and the answer. */
struct wg__request {
    struct wg__server *server;
    enum wg__verb      verb; /* HEAD is GET here; 0: one that no route has */
    const char        *method;
    const char        *path; /* decoded, without the query */
    struct {                 /* pieces of the path, by the route's pattern */
        char    model[128];
        int64_t version; /* -1: none */
        char    label[64];
    } at;
    const char *body;
    size_t      n_body;
    /* A header's value without blanks around it, copied to `to`, which is returned; NULL if it is not there
     * or too long. */
    const char *(*header)(const struct wg__request *q, const char *name, size_t size, char to[]);

    /* The answer. */
    int             code;
    const char     *type; /* Content-Type; NULL: application/json */
    struct wg__text text;
    int64_t         json_length; /* Inference-Header-Content-Length of a binary answer; -1: none */
    int             retry_after; /* seconds; 0: none */
    char            allow[32];   /* with 405 */
    const char     *etag;        /* of a file; NULL: none */
    const char     *accept;      /* Accept-Encoding, of a 415; NULL: none */
    bool            challenge;   /* WWW-Authenticate: Bearer, of a 401 */

    /* A prediction under way. */
    struct wg__job        job;     /* the version in it is held */
    struct wg__json_data *data;    /* [n_tensors], see wg__request_tensors */
    struct wg__given     *given;   /* [n_tensors], and job.in */
    struct wg__json_data  scratch; /* of the protocol */
    struct wg__json_keys  keys;    /* of the body's objects that are open */
    int                   n_tensors;
    void                 *protocol; /* what the protocol keeps from request to answer, see wg__request_keep */
    size_t                n_protocol;
    /* Writes the answer once the job is done. */
    void (*answer)(struct wg__request *q);
};

/* Answers {"error": "text"} with that code. */
void wg__http_error(struct wg__request *q, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Answers the error `why` with the HTTP code of a job's or the library's status. */
void wg__http_fail(struct wg__request *q, int status, const char *why);

/* Holds the version that the path asks for in q->job; false with the answer filled in if there is none.  The first call
 * decides, whether it comes before the body is read or after. */
bool wg__request_version(struct wg__request *q);
/* Makes room for the inputs of that version, which is kept from request to request; false with the answer filled in. */
bool wg__request_tensors(struct wg__request *q);
/* Allocates n zero bytes for the protocol, kept from request to answer; NULL with the answer filled in. */
void *wg__request_keep(struct wg__request *q, size_t n);
/* Finds the number of an input by its name; -1: there is none. */
int wg__request_input(const struct wg__request *q, const struct wg__json_text *name);
/* Writes the names of n tensors for messages: "a", "b" and "c". */
const char *wg__tensor_names(int n, const struct wg__model_tensor *t, size_t size, char to[]);
/* Answers with what the JSON reader found wrong. */
void wg__http_bad_json(struct wg__request *q, const struct wg__json *j);
/* Loads the newest version of the path's model; false with the answer filled in. */
bool wg__request_reload(struct wg__request *q);

struct wg__route {
    int         verbs;
    const char *pattern; /* "/v1/models/{model}/versions/{version}:{action}" */
    /* Fills in the answer, or sets q->answer and q->job and leaves the rest to
     * the server, which then calls wg__predict. */
    void (*handle)(struct wg__request *q);
    const char *doc; /* of /openapi.json */
};
extern const struct wg__route wg__routes[]; /* ends with pattern NULL */
/* Finds the route of q's path and verb; NULL: there is none.  *verbs: the verbs that the path has. */
const struct wg__route *wg__route_find(struct wg__request *q, int *verbs);

/* ---- Protocols ---- */

void wg__v1_models(struct wg__request *q); /* v1_status.c, v1.c: TensorFlow Serving, KServe V1 */
void wg__v1_status(struct wg__request *q);
void wg__v1_metadata(struct wg__request *q);
void wg__v1_predict(struct wg__request *q);
void wg__v1_reload(struct wg__request *q);
void wg__v1_label(struct wg__request *q);
void wg__v2_server(struct wg__request *q); /* v2_status.c, v2.c: Open Inference Protocol */
void wg__v2_live(struct wg__request *q);
void wg__v2_ready(struct wg__request *q);
void wg__v2_models(struct wg__request *q);
void wg__v2_model(struct wg__request *q);
void wg__v2_model_ready(struct wg__request *q);
void wg__v2_infer(struct wg__request *q);
void wg__v2_index(struct wg__request *q);
void wg__v2_load(struct wg__request *q);
void wg__metrics_page(struct wg__request *q); /* metrics.c */
void wg__openapi_page(struct wg__request *q); /* openapi.c */
void wg__page(struct wg__request *q);         /* page.c: the page at / */

#endif
