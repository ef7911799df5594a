/* Any bytes as the body of a prediction, through a model: an error, or an
 * answer that JSON readers take and that only this request accounts for.
 *
 * The first byte chooses protocol, model and how the body ends.  Each request
 * is made twice, and between requests buffers are overwritten, each time with
 * another byte: an answer that saw anything of another request differs. */
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wengert/onnx.h>

#include "serve/server_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static struct wg__server *server;
static sem_t              answered;
static char               json_length[24]; /* Inference-Header-Content-Length; "": none */

static void demand(bool law)
{
    if (!law) abort();
}

/* ---- Models ---- */

/* s, a scalar, beside two stacks: what came of them is told from what came before. */
static wg_node *combine(wg_graph *g)
{
    int64_t  batch = wg_dim(g, "batch");
    wg_node *a = wg_input(g, "a", WG_F32, WG_SHAPE(batch, 2)), *b = wg_input(g, "b", WG_I64, WG_SHAPE(batch));
    wg_node *s = wg_input(g, "s", WG_F64, WG_SCALAR);
    return wg_add(wg_mul(a, wg_cast(s, WG_F32)), wg_unsqueeze(wg_cast(b, WG_F32), 1));
}

static wg_node *pass(wg_graph *g)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SHAPE(wg_dim(g, "batch"), wg_dim(g, "n")));
    return wg_neg(x);
}

static wg_node *choose(wg_graph *g)
{
    int64_t  batch = wg_dim(g, "batch");
    wg_node *c = wg_input(g, "c", WG_BOOL, WG_SHAPE(batch)), *u = wg_input(g, "u", WG_U8, WG_SHAPE(batch));
    return wg_where(c, u, wg_fill(g, WG_U8, WG_SHAPE(1), 7));
}

static const struct {
    const char *name;
    wg_node *(*make)(wg_graph *g);
} models[] = {{"combine", combine}, {"pass", pass}, {"choose", choose}};
enum { MODELS = sizeof models / sizeof *models };

static void start(void)
{
    static char folder[] = "/tmp/wengert-fuzz-XXXXXX", spec[MODELS][200];
    const char *list[MODELS];
    wg_error    e;
    demand(mkdtemp(folder));
    for (int i = 0; i < MODELS; i++) {
        wg_graph *g = wg_graph_new();
        wg_node  *y = wg_named(models[i].make(g), "y");
        snprintf(spec[i], sizeof spec[i], "%s=%s/%d.onnx", models[i].name, folder, i);
        list[i] = spec[i];
        demand(!wg_onnx_export(g, 1, &y, strchr(spec[i], '=') + 1, NULL));
        wg_graph_free(g);
    }
    server = calloc(1, sizeof *server);
    server->o = (struct wg__server_options){.max_body = 1 << 20};
    server->budget = (struct wg__budget){.limit = (int64_t)1 << 30};
    pthread_mutex_init(&server->free_lock, NULL);
    struct wg__model_options o = {
        .threads = 1, .max_batch = 4, .queue = 16, .max_rows = 4096, .max_bytes = 1 << 26, .budget = &server->budget};
    server->repository = wg__repository_open(MODELS, list, &o, &e);
    demand(server->repository);
    for (int i = 0; i < MODELS; i++) unlink(strchr(spec[i], '=') + 1);
    rmdir(folder);
    sem_init(&answered, 0, 0);
}

/* ---- A request ---- */

static const char *header(const struct wg__request *q, const char *name, size_t size, char to[])
{
    (void)q;
    if (strcmp(name, "Inference-Header-Content-Length") || !*json_length) return NULL;
    snprintf(to, size, "%s", json_length);
    return to;
}

static void done(struct wg__job *job)
{
    (void)job;
    sem_post(&answered);
}

static void predict(struct wg__request *q)
{
    q->job.done = done;
    if (!wg__predict(&q->job, 0))
        while (sem_wait(&answered)) continue;
    if (q->job.status) wg__http_fail(q, q->job.status, q->job.why);
    else q->answer(q);
}

/* An error is one object of one text; an answer is JSON in front of what is binary. */
static void check(const struct wg__request *q)
{
    struct wg__json      j;
    struct wg__json_keys keys = {0};
    size_t               n = q->json_length >= 0 ? (size_t)q->json_length : q->text.n;
    demand(q->code == 200 || q->code == 400 || q->code == 503);
    demand(!q->text.failed && n <= q->text.n);
    wg__json_open_strict(&j, q->text.at, n, &keys);
    demand(wg__json_skip(&j) && wg__json_finish(&j));
    wg__json_keys_free(&keys);
}

/* The answer to the bytes; buffers are overwritten with `poison` after it. */
static struct wg__text answer_to(const uint8_t *bytes, size_t n, int poison)
{
    struct wg__exchange *x = wg__exchange_new(server, NULL);
    struct wg__request  *q = &x->q;
    struct wg__text      copy = {0};
    size_t               binary = bytes[1] & 31;
    char                *body = malloc(n); /* of its very size, so that a read past it is seen */
    demand(body);
    memcpy(body, bytes + 2, n - 2);
    snprintf(q->at.model, sizeof q->at.model, "%s", models[bytes[0] / 2 % MODELS].name);
    snprintf(x->path, sizeof x->path, bytes[0] & 1 ? "/v2" : "/v1");
    *json_length = '\0';
    if (bytes[0] & 0x80 && binary <= n - 2) snprintf(json_length, sizeof json_length, "%zu", n - 2 - binary);
    q->header = header;
    q->body = body;
    q->n_body = n - 2;
    bytes[0] & 1 ? wg__v2_infer(q) : wg__v1_predict(q);
    if (q->answer) predict(q);
    check(q);
    wg__text_add(&copy, q->text.at, q->text.n);
    server->o.poison = poison;
    wg__exchange_release(x);
    free(body);
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (!server) start();
    if (n < 2) return 0;
    struct wg__text first = answer_to(bytes, n, 0xa5), second = answer_to(bytes, n, 0x3c);
    demand(first.n == second.n && !memcmp(first.at, second.at, first.n));
    wg__text_free(&first);
    wg__text_free(&second);
    return 0;
}
