/* An input counts when its object is complete: the order of keys changes no
 * answer, a key that is there twice is refused, and nothing of a request is
 * seen by the next one, whatever came between them. */
#include "serve/client.h"
#include "serve/json/json_impl.h"

TestSuite(serve_order, .timeout = 60);

/* ---- Keys ---- */

static int read_all(const char *text, struct wg__json_keys *keys)
{
    struct wg__json j;
    wg__json_open_strict(&j, text, strlen(text), keys);
    bool whole = wg__json_skip(&j) && wg__json_finish(&j);
    cr_assert_eq(whole, !j.status);
    return whole ? 0 : (int)j.offset;
}

Test(serve_order, a_key_is_there_once_in_each_object)
{
    static const struct {
        const char *text;
        int         offset; /* of the second; 0: there is none */
    } table[] = {
        {"{\"a\": 1, \"b\": {\"a\": 1, \"b\": {\"a\": 1}}, \"c\": [{\"a\": 1}, {\"a\": 2}]}", 0},
        {"{\"a\": 1, \"a\": 1}", 10},
        {"{\"a\": {\"a\": 1}, \"a\": 1}", 17},
        {"[{\"x\": 0}, {\"y\": {\"q\": 1, \"r\": 2, \"q\": 3}}]", 35},
        {"{\"\": 1, \"\": 1}", 9},
        {"{\"k\\u00e9y\": 1, \"k\xc3\xa9y\": 1}", 17},
        {"{\"\\ud83d\\ude00\": 1, \"\xf0\x9f\x98\x80\": 1}", 21},
        {"{\"a\": 1, \"A\": 1, \"a \": 1, \"a\\u0000\": 1, \"a\\u0000b\": 1}", 0},
    };
    struct wg__json_keys keys = {0};
    for (int times = 0; times < 2; times++)
        for (size_t i = 0; i < sizeof table / sizeof *table; i++)
            cr_expect_eq(read_all(table[i].text, &keys), table[i].offset, "%s: %d", table[i].text,
                         read_all(table[i].text, &keys));
    wg__json_keys_free(&keys);
}

/* Thousands of keys, of which one of each length is there again at the end; and as many objects. */
Test(serve_order, any_number_of_keys)
{
    enum { MANY = 20000 };
    char                *text = malloc(MANY * 24 + 100), *at = text, *twice;
    struct wg__json_keys keys = {0};
    at = stpcpy(at, "{");
    for (int i = 0; i < MANY; i++) at += sprintf(at, "%s\"%.*s%d\": {\"v\": 1}", i ? "," : "", i % 5, "kkkkk", i);
    stpcpy(at, "}");
    cr_expect_eq(read_all(text, &keys), 0);
    cr_expect_eq(keys.n, 0, "closed objects have no keys");
    twice = at;
    for (int i = 0; i < MANY; i += 3331) {
        sprintf(twice, ",\"%.*s%d\": 0}", i % 5, "kkkkk", i);
        cr_expect_eq(read_all(text, &keys), (int)(twice - text) + 2, "key %d", i);
    }
    wg__json_keys_free(&keys);
    free(text);
}

/* ---- Every order of the keys of a request ---- */

/* The i-th permutation of n things. */
static void permute(int n, int i, int to[])
{
    int left[8];
    for (int k = 0; k < n; k++) left[k] = k;
    for (int k = 0; k < n; k++) {
        int at = i % (n - k);
        i /= n - k;
        to[k] = left[at];
        memmove(left + at, left + at + 1, sizeof *left * (size_t)(n - k - at - 1));
    }
}

static int factorial(int n) { return n < 2 ? 1 : n * factorial(n - 1); }

static char *join(char *at, int n, int i, const char *const part[])
{
    int order[8];
    permute(n, i, order);
    at = stpcpy(at, "{");
    for (int k = 0; k < n; k++) at = stpcpy(stpcpy(at, k ? ", " : ""), part[order[k]]);
    return stpcpy(at, "}");
}

#define PAIR "/v2/models/pair/infer"

/* Other requests before each: their values, names and bytes are not in the answer. */
static void disturb(int port, int i)
{
    static const char *const path[] = {PAIR, "/v1/models/pair:predict", "/v1/models/scale:predict", PAIR,
                                       "/v2/models/fixed/infer"};
    static const char *const body[] = {
        "{\"inputs\": [{\"name\": \"a\", \"datatype\": \"FP32\", \"shape\": [1,3], \"data\": [77,78,79]}, "
        "{\"name\": \"b\", \"datatype\": \"FP32\", \"shape\": [1,3], \"data\": [71,72,73]}], \"id\": \"other\"}",
        "{\"instances\": [{\"a\": [77,78,79], \"b\": [71,72,73]}, {\"a\": [71,1,1]}]}",
        "{\"instances\": [[77,77,77,77],[78,78,78,78]]}",
        "{\"inputs\": [{\"name\": \"a\", \"datatype\": \"FP32\", \"shape\": [1,3], \"data\": [77,78",
        "{\"inputs\": [{\"name\": \"x\", \"datatype\": \"FP32\", \"shape\": [2,3], \"data\": "
        "[[77,78,79],[70,71,72]]}]}"};
    struct reply r = post(port, path[i % 5], body[i % 5]);
    reply_free(&r);
}

Test(serve_order, no_order_of_keys_changes_an_answer)
{
    static const char *const a[] = {"\"name\": \"a\"", "\"datatype\": \"FP32\"", "\"shape\": [1,3]",
                                    "\"data\": [[1,2,3]]", "\"parameters\": {\"p\": 1}"};
    static const char *const b[] = {"\"name\": \"b\"", "\"datatype\": \"FP32\"", "\"shape\": [1,3]",
                                    "\"data\": [4,5,6]"};
    static const char want[] = "\"id\": \"mine\", \"outputs\": [{\"name\": \"dot\", \"shape\": [1], \"datatype\": "
                               "\"FP32\", \"data\": [32.0]}]}";
    struct served     s = serve((struct wg__server_options){.threads = 1, .poison = 0xa5, .quiet = true});
    for (int i = 0; i < factorial(5); i++) {
        char        text[2000], inputs[1000] = "\"inputs\": [", *at = inputs + strlen(inputs);
        const char *top[4] = {"\"id\": \"mine\"", inputs, "\"outputs\": [{\"name\": \"dot\"}]", "\"parameters\": {}"};
        at = stpcpy(join(at, 5, i, a), ", ");
        stpcpy(join(at, 4, i % factorial(4), b), "]");
        join(text, 4, i % factorial(4), top);
        disturb(s.port, i);
        struct reply r = post(s.port, PAIR, text);
        cr_expect(r.code == 200 && strstr(r.body, want), "%s: %d %s", text, r.code, r.body);
        reply_free(&r);
    }
    serve_end(&s);
}

/* Whatever is left out, doubled or named otherwise: an error, or an answer that only what was sent accounts for. */
Test(serve_order, a_request_that_is_not_whole_gets_nothing_of_another)
{
    static const char *const a[] = {"\"name\": \"a\"",   "\"datatype\": \"FP32\"", "\"shape\": [1,3]",
                                    "\"data\": [1,2,3]", "\"name\": \"b\"",        "\"data\": null"};
    struct served            s = serve((struct wg__server_options){.threads = 1, .poison = 0xa5, .quiet = true});
    for (int i = 0; i < factorial(6); i += 3) {
        char text[1500] = "{\"inputs\": [", *at = text + strlen(text);
        int  n = 2 + i % 5;
        at = join(at, n < 6 ? n : 6, i % factorial(n), a);
        stpcpy(at, i % 2 ? "]}" : ", {\"name\": \"b\", \"datatype\": \"FP32\", \"shape\": [1,3]}]}");
        disturb(s.port, i);
        struct reply r = post(s.port, PAIR, text);
        cr_expect(r.code == 400 && !strstr(r.body, "outputs"), "%s: %d %s", text, r.code, r.body);
        reply_free(&r);
    }
    serve_end(&s);
}

/* A model with an input that nothing reads, which is no rest of the input that is read. */
Test(serve_order, an_input_that_did_not_come_is_missing)
{
    static const struct said table[] = {
        {"POST", PAIR,
         "{\"inputs\": [{\"name\": \"b\", \"data\": [4,5,6], \"name\": \"a\", \"datatype\": \"FP32\", \"shape\": "
         "[1,3]}]}",
         400, "twice"},
        {"POST", PAIR, "{\"inputs\": [{\"data\": [4,5,6], \"name\": \"b\", \"datatype\": \"FP32\", \"shape\": [1,3]}]}",
         400, "missing input \\\"a\\\""},
        {"POST", PAIR, "{\"inputs\": [{\"name\": \"a\", \"data\": null, \"datatype\": \"FP32\", \"shape\": [1,3]}]}",
         400, "needs either data"},
        {"POST", "/v2/models/scale/infer",
         "{\"inputs\": [{\"name\": \"x\", \"shape\": [1,4], \"datatype\": \"FP32\", \"data\": [1,2,3,4], "
         "\"parameters\": null}], "
         "\"id\": null, \"parameters\": null, \"outputs\": null}",
         200, "[3.0,5.0,7.0,9.0]"},
        {"POST", "/v2/models/scale/infer",
         "{\"inputs\": [{\"name\": \"x\", \"shape\": [1,4], \"datatype\": \"FP32\", \"data\": [1,2,3,4], "
         "\"parameters\": "
         "{\"binary_data_size\": null}}], \"outputs\": [{\"name\": \"y\", \"parameters\": {\"binary_data\": null}}]}",
         200, "[3.0,5.0,7.0,9.0]"},
        {"POST", "/v2/models/scale/infer",
         "{\"inputs\": [{\"name\": \"x\", \"shape\": [0,4], \"datatype\": \"FP32\", \"data\": []}]}", 200,
         "\"shape\": [0, 4], \"datatype\": \"FP32\", \"data\": []"},
    };
    struct served s = serve((struct wg__server_options){.poison = 0xa5});
    CHECK_ALL(s.port, table);
    serve_end(&s);
}

/* ---- What JSON cannot say ---- */

Test(serve_order, answers_are_json)
{
    static const char body[] =
        "{\"inputs\": [{\"name\": \"x\", \"shape\": [1,4], \"datatype\": \"FP32\", \"data\": [NaN, "
        "Infinity, -Infinity, 0]}]}";
    static const struct {
        enum wg__non_finite how;
        int                 code;
        const char         *has;
    } table[] = {{WG__NON_FINITE_NULL, 200, "\"data\": [null,null,null,1.0]"},
                 {WG__NON_FINITE_ERROR, 500, "output \\\"y\\\" has a NaN"},
                 {WG__NON_FINITE_WORDS, 200, "\"data\": [NaN,Infinity,-Infinity,1.0]"}};
    for (int i = 0; i < 3; i++) {
        struct served s = serve((struct wg__server_options){.non_finite = table[i].how});
        struct reply  r = post(s.port, "/v2/models/scale/infer", body);
        cr_expect(r.code == table[i].code && strstr(r.body, table[i].has), "%d: %d %s", i, r.code, r.body);
        reply_free(&r);
        serve_end(&s);
    }
}
