/* routes.c - the table of routes, and the row of a path.
 *
 * In a pattern {model}, {version} and {label} stand for a piece of the path;
 * a piece ends where the pattern goes on. */
#include <string.h>

#include "base/number/number.h"
#include "serve/server_impl.h"

#define V1 "/v1/models"
#define V2 "/v2"
#define M "/{model}"
#define N "/versions/{version}"
#define L "/labels/{label}"

/* clang-format off */
const struct wg__route wg__routes[] = {
    {WG__GET,  "/",                                wg__page,           "A page about the models, to try them"},
    {WG__POST, V1 M N ":predict",                  wg__v1_predict,     "Predict with one version (TensorFlow Serving)"},
    {WG__POST, V1 M L ":predict",                  wg__v1_label,       "Versions have no labels here: 400"},
    {WG__POST, V1 M ":predict",                    wg__v1_predict,     "Predict (TensorFlow Serving, KServe V1)"},
    {WG__POST | WG__ADMIN, V1 M ":reload",         wg__v1_reload,      "Load the newest version now (operators)"},
    {WG__GET,  V1 M N "/metadata",                 wg__v1_metadata,    "Signature of one version (TensorFlow Serving)"},
    {WG__GET,  V1 M L "/metadata",                 wg__v1_label,       "Versions have no labels here: 400"},
    {WG__GET,  V1 M "/metadata",                   wg__v1_metadata,    "Signature of the model (TensorFlow Serving)"},
    {WG__GET,  V1 M N,                             wg__v1_status,      "State of one version (TensorFlow Serving)"},
    {WG__GET,  V1 M L,                             wg__v1_label,       "Versions have no labels here: 400"},
    {WG__GET,  V1 M,                               wg__v1_status,      "State of the model (TF Serving, KServe V1)"},
    {WG__GET,  V1,                                 wg__v1_models,      "The models' names (KServe V1)"},
    {WG__GET,  V2 "/health/live",                  wg__v2_live,        "Is the server alive?"},
    {WG__GET,  V2 "/health/ready",                 wg__v2_ready,       "Does the server take requests? 503 if not"},
    {WG__GET,  V2,                                 wg__v2_server,      "Name, version and extensions of the server"},
    {WG__GET,  V2 "/",                             wg__v2_server,      "Name, version and extensions of the server"},
    {WG__GET,  V2 "/models",                       wg__v2_models,      "The models' names"},
    {WG__GET,  V2 "/models" M N "/ready",          wg__v2_model_ready, "Does this version take requests?"},
    {WG__GET,  V2 "/models" M "/ready",            wg__v2_model_ready, "Does the model take requests?"},
    {WG__POST, V2 "/models" M N "/infer", wg__v2_infer, "Infer with one version (Open Inference Protocol)"},
    {WG__POST, V2 "/models" M "/infer",            wg__v2_infer,       "Infer (Open Inference Protocol)"},
    {WG__GET,  V2 "/models" M N,                   wg__v2_model,       "Inputs and outputs of one version"},
    {WG__GET,  V2 "/models" M,                     wg__v2_model,       "Inputs and outputs of the model"},
    {WG__POST, V2 "/repository/index",             wg__v2_index,       "Every version and its state"},
    {WG__POST | WG__ADMIN, V2 "/repository/models" M "/load", wg__v2_load, "Load the newest version (operators)"},
    {WG__GET,  "/metrics",                         wg__metrics_page,   "Counters for Prometheus"},
    {WG__GET,  "/openapi.json",                    wg__openapi_page,   "This document"},
    {0, NULL, NULL, NULL},
};
/* clang-format on */

static bool copy(const char *from, size_t n, char *to, size_t size)
{
    if (!n || n >= size) return false;
    memcpy(to, from, n);
    to[n] = '\0';
    return true;
}

static bool take_number(const char *at, size_t n, int64_t *to)
{
    uint64_t v;
    if (n > 18 || (n > 1 && *at == '0') || !wg__count_read(at, n, INT64_MAX, &v)) return false;
    *to = (int64_t)v;
    return true;
}

static bool take(struct wg__request *q, const char *name, const char *at, size_t n)
{
    if (!strncmp(name, "{model}", 7)) return copy(at, n, q->at.model, sizeof q->at.model);
    if (!strncmp(name, "{label}", 7)) return copy(at, n, q->at.label, sizeof q->at.label);
    return take_number(at, n, &q->at.version);
}

/* Tells whether the path matches the pattern.  Each path has one spelling, so that a front that lets some paths through
 * lets no others through. */
static bool matches(struct wg__request *q, const char *pattern)
{
    const char *at = q->path;
    while (*pattern) {
        if (*pattern == '{') {
            const char *after = strchr(pattern, '}') + 1;
            /* A name may hold a colon: it ends before the last one. */
            size_t      n = strcspn(at, "/");
            const char *colon = *after == ':' ? memrchr(at, ':', n) : NULL;
            if (*after == ':' && !colon) return false;
            if (colon) n = (size_t)(colon - at);
            if (!take(q, pattern, at, n)) return false;
            at += n;
            pattern = after;
        } else if (*at == *pattern) {
            at++;
            pattern++;
        } else {
            return false;
        }
    }
    return !*at;
}

const struct wg__route *wg__route_find(struct wg__request *q, int *verbs)
{
    *verbs = 0;
    for (const struct wg__route *r = wg__routes; r->pattern; r++) {
        q->at.model[0] = q->at.label[0] = '\0';
        q->at.version = -1;
        if (!matches(q, r->pattern)) continue;
        *verbs |= r->verbs;
        if (r->verbs & (int)q->verb) return r;
        /* GET of a model named "m:predict" is not what was meant. */
        return NULL;
    }
    q->at.model[0] = q->at.label[0] = '\0';
    return NULL;
}
