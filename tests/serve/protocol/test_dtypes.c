/* Every dtype in and out, by both protocols, as JSON and as bytes, to the ends of its range. */
#include "serve/client.h"

TestSuite(serve_dtypes, .timeout = 60);

/* x [batch,2] -> y = x, x [batch,4] */
static void model_twice(const char *path, wg_dtype type)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", type, WG_SHAPE(wg_dim(g, "batch"), 2)), *both[2] = {x, x};
    model_save(g, WG_NODES(wg_named(wg_concat(2, both, 1), "y")), path);
}

static const struct row {
    wg_dtype    type;
    const char *v1, *v2, *json; /* the two values, as they are written */
    const char *other, *wrong;  /* another way to write the second value; a pair that does not fit */
    const void *bytes;
} rows[] = {
    {WG_BOOL, "DT_BOOL", "BOOL", "true,false", "0", "true,2", (const uint8_t[]){1, 0}},
    {WG_U8, "DT_UINT8", "UINT8", "0,255", "2.55e2", "0,256", (const uint8_t[]){0, 255}},
    {WG_I32, "DT_INT32", "INT32", "-2147483648,2147483647", "2147483647.0", "0,2147483648",
     (const int32_t[]){INT32_MIN, INT32_MAX}},
    {WG_I64, "DT_INT64", "INT64", "-9223372036854775808,9223372036854775807", "9223372036854775807", "1.5,0",
     (const int64_t[]){INT64_MIN, INT64_MAX}},
    {WG_F32, "DT_FLOAT", "FP32", "1e-45,-3.4028235e38", "-340282346638528859811704183484516925440", "0,1e39",
     (const float[]){0x1p-149f, -0x1.fffffep127f}},
    {WG_F64, "DT_DOUBLE", "FP64", "5e-324,-1.7976931348623157e308", "-17976931348623157e292", "0,1e309",
     (const double[]){0x1p-1074, -0x1.fffffffffffffp1023}},
};
enum { ROWS = sizeof rows / sizeof *rows };

static struct served serve_twice(const struct row *r)
{
    struct served s = serve((struct wg__server_options){.quiet = true});
    model_twice(in_folder(s.folder, "scale.onnx"), r->type);
    struct reply a = post(s.port, "/v1/models/scale:reload", "");
    cr_assert_eq(a.code, 200, "%s: %s", r->v2, a.body);
    reply_free(&a);
    return s;
}

static void expect(struct reply a, const struct row *r, int code, const char *has)
{
    cr_expect(a.code == code && a.body && strstr(a.body, has), "%s: %d %s holds %s", r->v2, a.code, a.body, has);
    reply_free(&a);
}

Test(serve_dtypes, as_json)
{
    char body[400], has[400], first[60];
    for (int i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        struct served     s = serve_twice(r);
        snprintf(first, sizeof first, "%.*s", (int)strcspn(r->json, ","), r->json);

        snprintf(body, sizeof body, "{\"instances\": [[%s]]}", r->json);
        snprintf(has, sizeof has, "{\"predictions\": [[%s,%s]]}", r->json, r->json);
        expect(post(s.port, "/v1/models/scale:predict", body), r, 200, has);
        snprintf(body, sizeof body, "{\"inputs\": {\"x\": [[%s, %s]]}}", first, r->other);
        snprintf(has, sizeof has, "{\"outputs\": [[%s,%s]]}", r->json, r->json);
        expect(post(s.port, "/v1/models/scale:predict", body), r, 200, has);
        snprintf(body, sizeof body, "{\"instances\": [[%s]]}", r->wrong);
        expect(post(s.port, "/v1/models/scale:predict", body), r, 400, " at offset: ");
        snprintf(has, sizeof has, "{\"x\": {\"dtype\": \"%s\"", r->v1);
        expect(get(s.port, "/v1/models/scale/metadata"), r, 200, has);

        snprintf(body, sizeof body,
                 "{\"inputs\": [{\"name\": \"x\", \"shape\": [1,2], \"datatype\": \"%s\", \"data\": [%s]}]}", r->v2,
                 r->json);
        snprintf(has, sizeof has, "\"shape\": [1, 4], \"datatype\": \"%s\", \"data\": [%s,%s]", r->v2, r->json,
                 r->json);
        expect(post(s.port, "/v2/models/scale/infer", body), r, 200, has);
        snprintf(has, sizeof has, "{\"name\": \"x\", \"datatype\": \"%s\", \"shape\": [-1, 2]}", r->v2);
        expect(get(s.port, "/v2/models/scale"), r, 200, has);
        serve_end(&s);
    }
}

static struct reply infer_bytes(int port, const struct row *r, const void *bytes, size_t n)
{
    char header[80], body[500];
    int  k = snprintf(body, sizeof body,
                      "{\"inputs\": [{\"name\": \"x\", \"shape\": [1,2], \"datatype\": \"%s\", \"parameters\": "
                       "{\"binary_data_size\": %zu}}], \"parameters\": {\"binary_data_output\": true}}",
                      r->v2, n);
    snprintf(header, sizeof header, "Inference-Header-Content-Length: %d\r\n", k);
    memcpy(body + k, bytes, n);
    return ask_with(port, "POST", "/v2/models/scale/infer", header, body, (size_t)k + n);
}

Test(serve_dtypes, as_bytes)
{
    char length[256];
    for (int i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        size_t            n = 2 * wg_dtype_size(r->type);
        struct served     s = serve_twice(r);
        struct reply      a = infer_bytes(s.port, r, r->bytes, n);
        cr_assert(a.code == 200 && reply_header(&a, "Inference-Header-Content-Length", length), "%s: %d %s", r->v2,
                  a.code, a.body);
        const char *y = a.body + atol(length);
        cr_expect(a.n == (size_t)atol(length) + 2 * n && !memcmp(y, r->bytes, n) && !memcmp(y + n, r->bytes, n), "%s",
                  r->v2);
        reply_free(&a);
        serve_end(&s);
    }
}

Test(serve_dtypes, a_byte_that_is_no_bool)
{
    const struct row *r = &rows[0];
    struct served     s = serve_twice(r);
    expect(infer_bytes(s.port, r, (const uint8_t[]){1, 2}, 2), r, 400, "a BOOL is 0 or 1");
    serve_end(&s);
}
