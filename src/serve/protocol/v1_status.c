/* v1_status.c - what there is, as TensorFlow Serving and KServe V1 tell it:
 * models, states of versions, signatures, and loading. */
#include "serve/server_impl.h"

static const char *const dtypes[WG_DTYPES] = {
#define T(name, kind, size, holds, own, onnx, in_onnx, idx, safetensors, v1, v2) own([WG_##name] = v1, )
#include "base/dtypes.def"
};

void wg__v1_models(struct wg__request *q)
{
    const char *name;
    q->code = 200;
    wg__text_say(&q->text, "{\"models\": [");
    for (int i = 0; (name = wg__repository_model(q->server->repository, i)); i++) {
        if (i) wg__text_add(&q->text, ", ", 2);
        wg__text_string(&q->text, name);
    }
    wg__text_say(&q->text, "]}\n");
}

static const char *code_name(int code)
{
    static const struct {
        int         code;
        const char *name;
    } table[] = {{WG_OK, "OK"},
                 {WG_ENOMEM, "RESOURCE_EXHAUSTED"},
                 {WG_EIO, "UNAVAILABLE"},
                 {WG_EFORMAT, "DATA_LOSS"},
                 {WG_EARG, "INVALID_ARGUMENT"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].code == code) return table[i].name;
    return "UNKNOWN";
}

static void say_status(struct wg__text *t, const struct wg__version_status *v)
{
    wg__text_say(t,
                 "{\"version\": \"%lld\", \"state\": \"%s\", \"status\": {\"error_code\": \"%s\", \"error_message\": ",
                 (long long)v->number, wg__model_state_name(v->state), code_name(v->code));
    wg__text_string(t, v->message);
    wg__text_add(t, "}}", 2);
}

/* Answers with the states of a model's versions, in one text for TensorFlow Serving (model_version_status) and for
 * KServe (name, ready). */
void wg__v1_status(struct wg__request *q)
{
    struct wg__version_status all[16];
    bool                      ready = false, open = !atomic_load(&q->server->unready);
    int                       shown = 0, n = wg__repository_status(q->server->repository, q->at.model, 16, all);
    if (n < 0) {
        wg__http_error(q, 404, "Could not find any versions of model %s", q->at.model);
        return;
    }
    q->code = 200;
    wg__text_add(&q->text, "{\"model_version_status\": [", 26);
    for (int i = 0; i < n; i++) {
        if (q->at.version >= 0 && all[i].number != q->at.version) continue;
        if (shown++) wg__text_add(&q->text, ", ", 2);
        say_status(&q->text, &all[i]);
        ready |= all[i].state == WG__AVAILABLE;
    }
    if (!shown && q->at.version >= 0) {
        wg__http_error(q, 404, "Could not find version %lld of model %s", (long long)q->at.version, q->at.model);
        return;
    }
    wg__text_say(&q->text, "], \"name\": ");
    wg__text_string(&q->text, q->at.model);
    wg__text_say(&q->text, ", \"ready\": %s}\n", ready && open ? "true" : "false");
}

static void say_signature(struct wg__text *t, const char *what, int n, const struct wg__model_tensor *x)
{
    wg__text_say(t, "\"%s\": {", what);
    for (int i = 0; i < n; i++) {
        if (i) wg__text_add(t, ", ", 2);
        wg__text_string(t, x[i].name);
        wg__text_say(t, ": {\"dtype\": \"%s\", \"tensor_shape\": {\"dim\": [", dtypes[x[i].dtype]);
        for (int k = 0; k < x[i].shape.rank; k++)
            wg__text_say(t, "%s{\"size\": \"%lld\", \"name\": \"\"}", k ? ", " : "", (long long)x[i].shape.dim[k]);
        wg__text_say(t, "], \"unknown_rank\": false}, \"name\": ");
        wg__text_string(t, x[i].name);
        wg__text_add(t, "}", 1);
    }
    wg__text_add(t, "}", 1);
}

void wg__v1_metadata(struct wg__request *q)
{
    if (!wg__request_version(q)) return;
    const struct wg__version *v = q->job.version;
    struct wg__text          *t = &q->text;
    q->code = 200;
    wg__text_say(t, "{\"model_spec\": {\"name\": ");
    wg__text_string(t, v->model);
    wg__text_say(t, ", \"signature_name\": \"\", \"version\": \"%lld\"}, ", (long long)v->number);
    wg__text_say(t, "\"metadata\": {\"signature_def\": {\"signature_def\": {\"serving_default\": {");
    say_signature(t, "inputs", v->n_in, v->in);
    wg__text_add(t, ", ", 2);
    say_signature(t, "outputs", v->n_out, v->out);
    wg__text_say(t, ", \"method_name\": \"tensorflow/serving/predict\"}}}}}\n");
}

void wg__v1_label(struct wg__request *q)
{
    wg__http_error(q, 400, "Unrecognized servable version label: %s: versions have numbers only", q->at.label);
}

void wg__v1_reload(struct wg__request *q)
{
    if (!wg__request_reload(q) || !wg__request_version(q)) return;
    const struct wg__version *v = q->job.version;
    q->code = 200;
    wg__text_say(&q->text, "{\"name\": ");
    wg__text_string(&q->text, v->model);
    wg__text_say(&q->text, ", \"version\": \"%lld\", \"digest\": \"%s\", \"load_seconds\": ", (long long)v->number,
                 v->digest);
    wg__text_double(&q->text, v->load_seconds);
    wg__text_say(&q->text, "}\n");
}
