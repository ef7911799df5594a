/* v2_status.c - what there is, as the Open Inference Protocol tells it: the
 * server, models, inputs and outputs, states of versions, and loading. */
#include "serve/server_impl.h"
#include "serve/protocol/v2_impl.h"

const char *const wg__v2_dtypes[WG_DTYPES] = {
#define T(name, kind, size, holds, own, onnx, in_onnx, idx, safetensors, v1, v2) own([WG_##name] = v2, )
#include "base/dtypes.def"
};

static bool is_ready(struct wg__server *s) { return !atomic_load(&s->unready); }

void wg__v2_live(struct wg__request *q)
{
    q->code = 200;
    wg__text_say(&q->text, "{\"live\": true}\n");
}

void wg__v2_ready(struct wg__request *q)
{
    bool ready = is_ready(q->server);
    q->code = ready ? 200 : 503;
    wg__text_say(&q->text, "{\"ready\": %s}\n", ready ? "true" : "false");
}

void wg__v2_server(struct wg__request *q)
{
    q->code = 200;
    wg__text_say(&q->text, "{\"name\": \"wengert\", \"version\": \"%s\", \"extensions\": [\"binary_tensor_data\"]}\n",
                 WG_VERSION);
}

void wg__v2_models(struct wg__request *q) { wg__v1_models(q); }

void wg__v2_say_shape(struct wg__text *t, const wg_shape *s)
{
    wg__text_add(t, "[", 1);
    for (int i = 0; i < s->rank; i++) wg__text_say(t, "%s%lld", i ? ", " : "", (long long)s->dim[i]);
    wg__text_add(t, "]", 1);
}

static void say_tensors(struct wg__text *t, const char *what, int n, const struct wg__model_tensor *x)
{
    wg__text_say(t, ", \"%s\": [", what);
    for (int i = 0; i < n; i++) {
        wg__text_add(t, i ? ", {\"name\": " : "{\"name\": ", i ? 11 : 9);
        wg__text_string(t, x[i].name);
        wg__text_say(t, ", \"datatype\": \"%s\", \"shape\": ", wg__v2_dtypes[x[i].dtype]);
        wg__v2_say_shape(t, &x[i].shape);
        wg__text_add(t, "}", 1);
    }
    wg__text_add(t, "]", 1);
}

static void say_versions(struct wg__request *q)
{
    struct wg__version_status all[16];
    int                       shown = 0, n = wg__repository_status(q->server->repository, q->at.model, 16, all);
    wg__text_say(&q->text, ", \"versions\": [");
    for (int i = 0; i < n; i++)
        if (all[i].state == WG__AVAILABLE)
            wg__text_say(&q->text, "%s\"%lld\"", shown++ ? ", " : "", (long long)all[i].number);
    wg__text_add(&q->text, "]", 1);
}

void wg__v2_model(struct wg__request *q)
{
    if (!wg__request_version(q)) return;
    const struct wg__version *v = q->job.version;
    q->code = 200;
    wg__text_say(&q->text, "{\"name\": ");
    wg__text_string(&q->text, v->model);
    say_versions(q);
    wg__text_say(&q->text, ", \"platform\": \"onnx_onnxv1\"");
    say_tensors(&q->text, "inputs", v->n_in, v->in);
    say_tensors(&q->text, "outputs", v->n_out, v->out);
    wg__text_add(&q->text, "}\n", 2);
}

void wg__v2_model_ready(struct wg__request *q)
{
    if (!wg__request_version(q)) return;
    bool ready = is_ready(q->server);
    q->code = ready ? 200 : 503;
    wg__text_say(&q->text, "{\"name\": ");
    wg__text_string(&q->text, q->at.model);
    wg__text_say(&q->text, ", \"ready\": %s}\n", ready ? "true" : "false");
}

/* Answers the index of Triton's model repository extension, as far as it only reads. */
void wg__v2_index(struct wg__request *q)
{
    struct wg__version_status all[16];
    const char               *name;
    int                       shown = 0;
    q->code = 200;
    wg__text_add(&q->text, "[", 1);
    for (int m = 0; (name = wg__repository_model(q->server->repository, m)); m++) {
        int n = wg__repository_status(q->server->repository, name, 16, all);
        for (int i = 0; i < n; i++) {
            wg__text_say(&q->text, "%s{\"name\": ", shown++ ? ", " : "");
            wg__text_string(&q->text, name);
            wg__text_say(&q->text, ", \"version\": \"%lld\", \"state\": \"%s\", \"reason\": ", (long long)all[i].number,
                         all[i].state == WG__AVAILABLE ? "READY" : "UNAVAILABLE");
            wg__text_string(&q->text, all[i].message);
            wg__text_add(&q->text, "}", 1);
        }
    }
    wg__text_add(&q->text, "]\n", 2);
}

void wg__v2_load(struct wg__request *q)
{
    if (!wg__request_reload(q)) return;
    q->code = 200;
    wg__text_say(&q->text, "{\"name\": ");
    wg__text_string(&q->text, q->at.model);
    wg__text_say(&q->text, ", \"load\": true}\n");
}
