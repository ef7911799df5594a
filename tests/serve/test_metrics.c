/* The page that Prometheus reads: every family has HELP and TYPE before its
 * samples, and the numbers are those of what was asked. */
#include "serve/client.h"

TestSuite(serve_metrics, .timeout = 60);

static double value(const char *page, const char *sample)
{
    for (const char *at = page; (at = strstr(at, sample)); at++)
        if (at == page || at[-1] == '\n') return atof(at + strlen(sample));
    return -1;
}

Test(serve_metrics, counts_what_happened)
{
    const char   *good = "{\"instances\": [[1,2,3,4],[1,2,3,4],[1,2,3,4]]}";
    char          v[256];
    struct served s = serve((struct wg__server_options){.max_batch = 1});
    for (int i = 0; i < 7; i++) {
        struct reply r = post(s.port, "/v1/models/scale:predict", i < 5 ? good : "{");
        cr_expect_eq(r.code, i < 5 ? 200 : 400);
        reply_free(&r);
    }
    struct reply r = get(s.port, "/nothing");
    reply_free(&r);
    wait_ms(50); /* a request is counted when its answer is out */
    r = get(s.port, "/metrics");
    cr_assert_eq(r.code, 200);
    cr_expect(reply_header(&r, "Content-Type", v) && !strcmp(v, "text/plain; version=0.0.4"));
    static const struct {
        const char *sample;
        double      value;
    } table[] = {
        {"wengert_requests_total{model=\"scale\",version=\"1\",code=\"200\"} ", 5},
        {"wengert_requests_total{model=\"scale\",version=\"1\",code=\"400\"} ", 2},
        {"wengert_requests_total{model=\"\",version=\"\",code=\"404\"} ", 1},
        {"wengert_request_duration_seconds_count{model=\"scale\"} ", 7},
        {"wengert_request_duration_seconds_bucket{model=\"scale\",le=\"+Inf\"} ", 7},
        {"request_predict_seconds_count{model_name=\"scale\"} ", 5},
        {"request_predict_seconds_count{model_name=\"pair\"} ", 0},
        {"wengert_inference_rows_total{model=\"scale\",version=\"1\"} ", 15},
        {"wengert_inference_batches_total{model=\"scale\",version=\"1\"} ", 5},
        {"wengert_queue_jobs{model=\"scale\",version=\"1\"} ", 0},
        {"wengert_ready ", 1},
        {"wengert_inflight_requests ", 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        cr_expect_eq(value(r.body, table[i].sample), table[i].value, "%s: %g", table[i].sample,
                     value(r.body, table[i].sample));
    cr_expect(strstr(r.body, "wengert_model_loaded{model=\"scale\",version=\"1\",digest=\""));
    cr_expect_gt(value(r.body, "process_resident_memory_bytes "), 1e6);
    cr_expect_gt(value(r.body, "process_open_fds "), 3);
    reply_free(&r);
    serve_end(&s);
}

Test(serve_metrics, every_sample_has_a_type)
{
    char          family[200] = "";
    struct served s = serve((struct wg__server_options){0});
    struct reply  r = get(s.port, "/metrics");
    int           samples = 0;
    for (char *save = NULL, *line = strtok_r(r.body, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (!strncmp(line, "# HELP ", 7)) continue;
        if (sscanf(line, "# TYPE %199s", family) == 1) continue;
        cr_expect_eq(strncmp(line, family, strlen(family)), 0, "%s belongs to %s", line, family);
        cr_expect_not_null(strrchr(line, ' '));
        samples++;
    }
    cr_expect_gt(samples, 50);
    reply_free(&r);
    serve_end(&s);
}
