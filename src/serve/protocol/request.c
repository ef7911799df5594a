/* request.c - what the protocols have in common: the version that a path asks
 * for, inputs by name, and what is wrong with a body. */
#include <string.h>

#include "serve/server_impl.h"

static bool refuse_version(struct wg__request *q)
{
    bool v1 = q->path[1] == 'v' && q->path[2] == '1';
    if (!v1 && q->at.version < 0) wg__http_error(q, 404, "Request for unknown model: '%s' is not found", q->at.model);
    else if (!v1)
        wg__http_error(q, 404, "Request for unknown model: '%s' version %lld is not found", q->at.model,
                       (long long)q->at.version);
    else if (q->at.version < 0) wg__http_error(q, 404, "Servable not found for request: Latest(%s)", q->at.model);
    else
        wg__http_error(q, 404, "Servable not found for request: Specific(%s, %lld)", q->at.model,
                       (long long)q->at.version);
    return false;
}

bool wg__request_version(struct wg__request *q)
{
    struct wg__server *s = q->server;
    if (q->job.version) return true;
    if (!wg__repository_has(s->repository, q->at.model)) return refuse_version(q);
    q->job.version = wg__version_hold(s->repository, q->at.model, q->at.version);
    if (q->job.version) {
        ((struct wg__exchange *)q)->version = q->job.version->number;
        return true;
    }
    if (q->at.version >= 0) return refuse_version(q);
    wg__http_error(q, 503, "model '%s' has no version that is loaded", q->at.model);
    return false;
}

bool wg__request_reload(struct wg__request *q)
{
    struct wg__server *s = q->server;
    wg_error           e = {0};
    if (!wg__repository_has(s->repository, q->at.model)) return refuse_version(q);
    int status = wg__repository_reload(s->repository, q->at.model, &e);
    if (!status) return true;
    wg__http_error(q, status == WG_ENOMEM ? 503 : 500, "model '%s' was not loaded: %s", q->at.model,
                   *e.message ? e.message : wg_strerror(status));
    return false;
}

int wg__request_input(const struct wg__request *q, const struct wg__json_text *name)
{
    const struct wg__version *v = q->job.version;
    for (int i = 0; i < v->n_in; i++)
        if (wg__json_text_is(name, v->in[i].name)) return i;
    return -1;
}

const char *wg__tensor_names(int n, const struct wg__model_tensor *t, size_t size, char to[])
{
    size_t at = 0;
    to[0] = '\0';
    for (int i = 0; i < n && at + 1 < size; i++) {
        const char *between = i == 0 ? "" : i == n - 1 ? " and " : ", ";
        int         k = snprintf(to + at, size - at, "%s\"%s\"", between, t[i].name);
        at += k > 0 ? (size_t)k : 0;
    }
    return to;
}

void wg__http_bad_json(struct wg__request *q, const struct wg__json *j)
{
    if (j->status == WG__JSON_NO_MEMORY) {
        wg__http_error(q, 503, "out of memory");
        return;
    }
    wg__http_error(q, 400, "JSON Parse error: %s at offset: %lld", j->why, (long long)j->offset);
}
