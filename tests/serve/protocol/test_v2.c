/* The Open Inference Protocol, with the binary tensor extension. */
#include "serve/client.h"

TestSuite(serve_v2, .timeout = 60);

#define M "/v2/models/"
#define X "{\"name\": \"x\", \"shape\": [1,4], \"datatype\": \"FP32\", \"data\": [1,2,3,4]}"

Test(serve_v2, says_what_there_is)
{
    static const struct said table[] = {
        {"GET", "/v2/health/live", NULL, 200, "{\"live\": true}"},
        {"GET", "/v2/health/ready", NULL, 200, "{\"ready\": true}"},
        {"GET", "/v2", NULL, 200, "\"extensions\": [\"binary_tensor_data\"]"},
        {"GET", "/v2/", NULL, 200, "\"name\": \"wengert\""},
        {"GET", "/v2/models", NULL, 200, "{\"models\": [\"scale\", \"pair\", \"fixed\", \"index\"]}"},
        {"GET", M "scale", NULL, 200,
         "{\"name\": \"scale\", \"versions\": [\"1\"], \"platform\": \"onnx_onnxv1\", "
         "\"inputs\": [{\"name\": \"x\", \"datatype\": \"FP32\", \"shape\": [-1, 4]}], "
         "\"outputs\": [{\"name\": \"y\", \"datatype\": \"FP32\", \"shape\": [-1, 4]}]}"},
        {"GET", M "scale/versions/1", NULL, 200, "\"name\": \"scale\""},
        {"GET", M "scale/versions/3", NULL, 404, "version 3"},
        {"GET", M "scale/ready", NULL, 200, "{\"name\": \"scale\", \"ready\": true}"},
        {"GET", M "s%63ale/ready", NULL, 404, "s%63ale"},
        {"GET", M "none", NULL, 404, "none"},
        {"GET", M "none/ready", NULL, 404, "none"},
        {"POST", "/v2/repository/index", "", 200,
         "{\"name\": \"pair\", \"version\": \"1\", \"state\": \"READY\", \"reason\": \"\"}"},
        {"POST", "/v2/repository/models/scale/load", "{}", 200, "{\"name\": \"scale\", \"load\": true}"},
        {"POST", "/v2/models", "", 405, "error"},
        {"GET", M "scale/infer", NULL, 405, "error"},
        {"GET", "/v2/nothing", NULL, 404, "error"},
    };
    struct served s = serve((struct wg__server_options){0});
    CHECK_ALL(s.port, table);
    serve_end(&s);
}

Test(serve_v2, infers)
{
    static const struct said table[] = {
        {"POST", M "scale/infer", "{\"inputs\": [" X "]}", 200,
         "{\"model_name\": \"scale\", \"model_version\": \"1\", \"outputs\": [{\"name\": \"y\", \"shape\": [1, 4], "
         "\"datatype\": \"FP32\", \"data\": [3.0,5.0,7.0,9.0]}]}"},
        {"POST", M "scale/versions/1/infer",
         "{\"id\": \"a\\\"\\u00e9\", \"parameters\": {\"p\": 1}, \"inputs\": [" X "]}", 200,
         "\"id\": \"a\\\"\\u00e9\""},
        {"POST", M "scale/infer",
         "{\"inputs\": [{\"data\": [[1,2,3,4],[0,0,0,0]], \"parameters\": {\"q\": true}, \"datatype\": \"FP32\", "
         "\"name\": \"x\", \"shape\": [2,4]}]}",
         200, "\"shape\": [2, 4], \"datatype\": \"FP32\", \"data\": [3.0,5.0,7.0,9.0,1.0,1.0,1.0,1.0]"},
        {"POST", M "pair/infer",
         "{\"outputs\": [{\"name\": \"largest\"}, {\"name\": \"dot\", \"parameters\": {\"binary_data\": false}}], "
         "\"inputs\": ["
         "{\"name\": \"b\", \"shape\": [1,3], \"datatype\": \"FP32\", \"data\": [1,1,1]},"
         "{\"name\": \"a\", \"shape\": [1,3], \"datatype\": \"FP32\", \"data\": [1,2,3]}]}",
         200,
         "\"outputs\": [{\"name\": \"largest\", \"shape\": [1], \"datatype\": \"INT64\", \"data\": [2]}, "
         "{\"name\": \"dot\", \"shape\": [1], \"datatype\": \"FP32\", \"data\": [6.0]}]"},
        {"POST", M "index/infer",
         "{\"inputs\": [{\"name\": \"index\", \"shape\": [2], \"datatype\": \"INT64\", \"data\": [7,1]}]}", 200,
         "\"data\": [7.0,-7.0,1.0,-1.0]"},
    };
    struct served s = serve((struct wg__server_options){0});
    CHECK_ALL(s.port, table);
    serve_end(&s);
}

#define IN(name, shape, type, rest) \
    "{\"inputs\": [{\"name\": \"" name "\", \"shape\": " shape ", \"datatype\": \"" type "\"" rest "}]}"

Test(serve_v2, says_what_is_wrong)
{
    static const struct said table[] = {
        {"POST", M "none/infer", "{}", 404, "none"},
        {"POST", M "scale/versions/5/infer", "{}", 404, "version 5"},
        {"POST", M "scale/infer", "{", 400, "JSON Parse error: "},
        {"POST", M "scale/infer", "{}", 400, "missing input \\\"x\\\""},
        {"POST", M "scale/infer", IN("z", "[1,4]", "FP32", ", \"data\": [1,2,3,4]"), 400, "unknown input \\\"z\\\""},
        {"POST", M "scale/infer", IN("x", "[1,4]", "FP64", ", \"data\": [1,2,3,4]"), 400,
         "FP64 but the model's is FP32"},
        {"POST", M "scale/infer", IN("x", "[1,4]", "FP32", ", \"data\": [1,2,3]"), 400, "3 elements"},
        {"POST", M "scale/infer", IN("x", "[1,4]", "FP32", ", \"data\": [[1,2],[3,4]]"), 400, "nested"},
        {"POST", M "scale/infer", IN("x", "[1,-4]", "FP32", ", \"data\": [1,2,3,4]"), 400, "negative"},
        {"POST", M "scale/infer", IN("x", "[4294967296,4294967296,4]", "FP32", ", \"data\": [1]"), 400, "error"},
        {"POST", M "scale/infer", IN("x", "[1,5]", "FP32", ", \"data\": [1,2,3,4,5]"), 400, "[1,5]"},
        {"POST", M "scale/infer", IN("x", "[1,4]", "FP32", ""), 400, "needs either data"},
        {"POST", M "scale/infer", IN("x", "[1,4]", "FP32", ", \"data\": 1"), 400, "has to be a list"},
        {"POST", M "scale/infer", IN("x", "[1,4]", "FP32", ", \"parameters\": {\"binary_data_size\": 16}"), 400,
         "0 bytes are left"},
        {"POST", M "scale/infer", "{\"inputs\": [" X "," X "]}", 400, "twice"},
        {"POST", M "scale/infer", "{\"inputs\": [{\"shape\": [1,4]}]}", 400, "no name"},
        {"POST", M "scale/infer", "{\"inputs\": [{\"name\": \"x\"}]}", 400, "no datatype"},
        {"POST", M "scale/infer", "{\"inputs\": [{\"name\": \"x\", \"datatype\": \"FP32\"}]}", 400, "no shape"},
        {"POST", M "scale/infer", "{\"inputs\": [" X "], \"outputs\": [{\"name\": \"z\"}]}", 400,
         "unknown output \\\"z\\\""},
        {"POST", M "scale/infer", "{\"inputs\": [" X "], \"outputs\": [{}]}", 400, "no name"},
        {"POST", M "scale/infer", "{\"inputs\": [" X "], \"outputs\": [{\"name\": \"y\"}, {\"name\": \"y\"}]}", 400,
         "twice"},
        {"POST", M "scale/infer", "{\"inputs\": [" X "], \"id\": 7}", 400, "error"},
        {"POST", M "index/infer", IN("index", "[1]", "INT64", ", \"data\": [9]"), 400, "error"},
    };
    struct served s = serve((struct wg__server_options){0});
    CHECK_ALL(s.port, table);
    serve_end(&s);
}

Test(serve_v2, content_types)
{
    static const struct {
        const char *header;
        int         code;
    } table[] = {{"", 200},
                 {"Content-Type: application/json; charset=utf-8\r\n", 200},
                 {"Content-Type: application/x-www-form-urlencoded\r\n", 200},
                 {"Content-Type: text/xml\r\n", 415}};
    const char   *body = "{\"inputs\": [" X "]}";
    struct served s = serve((struct wg__server_options){0});
    for (int i = 0; i < 4; i++) {
        struct reply r = ask_with(s.port, "POST", M "scale/infer", table[i].header, body, strlen(body));
        cr_expect_eq(r.code, table[i].code, "%s: %d", table[i].header, r.code);
        reply_free(&r);
    }
    serve_end(&s);
}

/* ---- Binary tensors ---- */

static struct reply infer_binary(int port, const char *path, const char *json, long n_json, const void *bytes, size_t n)
{
    char   header[120], body[2048];
    size_t k = strlen(json);
    snprintf(header, sizeof header,
             "Content-Type: application/octet-stream\r\nInference-Header-Content-Length: %ld\r\n",
             n_json < 0 ? (long)k : n_json);
    memcpy(body, json, k);
    if (n) memcpy(body + k, bytes, n);
    return ask_with(port, "POST", path, header, body, k + n);
}

#define BINARY(size)                                                                             \
    "{\"inputs\": [{\"name\": \"x\", \"shape\": [1,4], \"datatype\": \"FP32\", \"parameters\": " \
    "{\"binary_data_size\": " size "}}]"

Test(serve_v2, binary_tensors_in_and_out)
{
    const float   x[4] = {1, 2, 3, 4};
    float         y[4];
    char          length[256];
    struct served s = serve((struct wg__server_options){0});
    struct reply  r = infer_binary(s.port, M "scale/infer", BINARY("16") "}", -1, x, 16);
    cr_expect(r.code == 200 && strstr(r.body, "\"data\": [3.0,5.0,7.0,9.0]"), "in binary, out JSON: %s", r.body);
    reply_free(&r);

    r = infer_binary(s.port, M "scale/infer", BINARY("16") ", \"parameters\": {\"binary_data_output\": true}}", -1, x,
                     16);
    cr_assert(r.code == 200 && reply_header(&r, "Inference-Header-Content-Length", length), "%d", r.code);
    size_t at = (size_t)atol(length);
    cr_assert_eq(r.n, at + 16);
    memcpy(y, r.body + at, 16);
    cr_expect(y[0] == 3 && y[1] == 5 && y[2] == 7 && y[3] == 9);
    cr_expect(memmem(r.body, at, "\"parameters\": {\"binary_data_size\": 16}", 38) &&
              !memmem(r.body, at, "\"data\"", 6));
    reply_header(&r, "Content-Type", length);
    cr_expect_str_eq(length, "application/octet-stream");
    reply_free(&r);
    serve_end(&s);
}

Test(serve_v2, each_output_may_choose)
{
    const float   a[3] = {1, 2, 3}, b[3] = {1, 1, 1};
    float         bytes[6], dot;
    char          length[256];
    struct served s = serve((struct wg__server_options){0});
    memcpy(bytes, b, sizeof b);
    memcpy(bytes + 3, a, sizeof a);
    struct reply r = infer_binary(
        s.port, M "pair/infer",
        "{\"inputs\": [{\"name\": \"b\", \"shape\": [1,3], \"datatype\": \"FP32\", \"parameters\": "
        "{\"binary_data_size\": 12}},"
        "{\"name\": \"a\", \"shape\": [1,3], \"datatype\": \"FP32\", \"parameters\": {\"binary_data_size\": 12}}],"
        "\"parameters\": {\"binary_data_output\": true}, \"outputs\": [{\"name\": \"dot\"}, "
        "{\"name\": \"largest\", \"parameters\": {\"binary_data\": false}}]}",
        -1, bytes, sizeof bytes);
    cr_assert(r.code == 200 && reply_header(&r, "Inference-Header-Content-Length", length), "%d %s", r.code, r.body);
    memcpy(&dot, r.body + atol(length), sizeof dot);
    cr_expect_eq(dot, 6);
    cr_expect_eq(r.n, (size_t)atol(length) + 4);
    cr_expect(strstr(r.body, "\"data\": [2]"));
    reply_free(&r);
    serve_end(&s);
}

Test(serve_v2, wrong_sizes_of_binary_tensors)
{
    static const struct {
        const char *json;
        long        n_json;
        size_t      n;
        const char *has;
    } table[] = {
        {BINARY("12") "}", -1, 16, "need 16 bytes"},
        {BINARY("16") "}", -1, 12, "12 bytes are left"},
        {BINARY("16") "}", -1, 20, "bytes are left behind"},
        {BINARY("-16") "}", -1, 16, "negative"},
        {BINARY("16") "}", 100000, 16, "more than Content-Length"},
        {BINARY("16") "}", 10, 16, "JSON Parse error"},
    };
    const float   x[8] = {0};
    struct served s = serve((struct wg__server_options){0});
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct reply r = infer_binary(s.port, M "scale/infer", table[i].json, table[i].n_json, x, table[i].n);
        cr_expect(r.code == 400 && strstr(r.body, table[i].has), "%s: %d %s", table[i].has, r.code, r.body);
        reply_free(&r);
    }
    serve_end(&s);
}
