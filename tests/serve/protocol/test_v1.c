/* TensorFlow Serving's interface: forms, answers and errors. */
#include "serve/client.h"

TestSuite(serve_v1, .timeout = 60);

#define P "/v1/models/"

Test(serve_v1, predicts_rows_and_columns)
{
    static const struct said table[] = {
        {"POST", P "scale:predict", "{\"instances\": [[1, 2, 3, 4]]}", 200, "{\"predictions\": [[3.0,5.0,7.0,9.0]]}"},
        {"POST", P "scale:predict", "{\"instances\": [{\"x\": [0, 0, 0, 0]}, {\"x\": [1, 0, 0, 0]}]}", 200,
         "{\"predictions\": [[1.0,1.0,1.0,1.0],[3.0,1.0,1.0,1.0]]}"},
        {"POST", P "scale:predict", "{\"inputs\": [[1, 2, 3, 4]]}", 200, "{\"outputs\": [[3.0,5.0,7.0,9.0]]}"},
        {"POST", P "scale:predict", "{\"inputs\": {\"x\": [[1, 2, 3, 4]]}}", 200, "{\"outputs\": [[3.0,5.0,7.0,9.0]]}"},
        {"POST", P "scale/versions/1:predict", "{\"signature_name\": \"serving_default\", \"instances\": [[1,2,3,4]]}",
         200, "7.0"},
        {"POST", P "scale:predict", "{\"instances\": [[1,2,3,4]], \"more\": [{}, null]}", 200, "7.0"},
        {"POST", P "pair:predict",
         "{\"instances\": [{\"a\": [1,2,3], \"b\": [1,1,1]}, {\"b\": [0,0,2], \"a\": [9,8,7]}]}", 200,
         "[{\"sum\": [2.0,3.0,4.0], \"dot\": 6.0, \"largest\": 2}, {\"sum\": [9.0,8.0,9.0], \"dot\": 14.0, "
         "\"largest\": 0}]"},
        {"POST", P "pair:predict", "{\"inputs\": {\"b\": [[1,1,1]], \"a\": [[1,2,3]]}}", 200,
         "{\"outputs\": {\"sum\": [[2.0,3.0,4.0]], \"dot\": [6.0], \"largest\": [2]}}"},
        {"POST", P "index:predict", "{\"instances\": [3, 0]}", 200, "[[3.0,-3.0],[0.0,0.0]]"},
        {"POST", P "fixed:predict", "{\"inputs\": [[1,2,3],[4,5,6]]}", 200,
         "{\"outputs\": [[2.0,4.0,6.0],[8.0,10.0,12.0]]}"},
        {"POST", P "scale:predict", "{\"instances\": [[NaN, Infinity, -Infinity, 0]]}", 200,
         "[NaN,Infinity,-Infinity,1.0]"},
        {"POST", P "scale:predict", "{\"instances\": []}", 200, "{\"predictions\": []}"},
        {"POST", P "pair:predict", "{\"instances\": []}", 200, "{\"predictions\": []}"},
        {"POST", P "scale:predict", "{\"inputs\": [[1,2,3,4]], \"signature_name\": null}", 200, "[[3.0,5.0,7.0,9.0]]"},
    };
    struct served s = serve((struct wg__server_options){0});
    CHECK_ALL(s.port, table);
    serve_end(&s);
}

Test(serve_v1, says_what_is_wrong)
{
    static const struct said table[] = {
        {"POST", P "none:predict", "{}", 404, "Servable not found for request: Latest(none)"},
        {"POST", P "scale/versions/9:predict", "{}", 404, "Servable not found for request: Specific(scale, 9)"},
        {"POST", P "scale/labels/stable:predict", "{}", 400, "label: stable"},
        {"POST", "/V1/models/scale:predict", "{\"instances\": [[1,2,3,4]]}", 404, "nothing is at"},
        {"POST", P "scale:Predict", "{\"instances\": [[1,2,3,4]]}", 400, "Malformed request"},
        {"POST", P "scale%3Apredict", "{\"instances\": [[1,2,3,4]]}", 400, "Malformed request"},
        {"POST", P "scale/versions/01:predict", "{\"instances\": [[1,2,3,4]]}", 404, "error"},
        {"POST", P "scale:predict", "", 400, "JSON Parse error: "},
        {"POST", P "scale:predict", "{\"instances\": [[1,2,", 400, " at offset: 20"},
        {"POST", P "scale:predict", "[]", 400, "at offset: 0"},
        {"POST", P "scale:predict", "{\"instances\": [[1,2,3,4]]} x", 400, "at offset: 27"},
        {"POST", P "scale:predict", "{}", 400, "Missing 'inputs' or 'instances' key"},
        {"POST", P "scale:predict", "{\"inputs\": [[1,2,3,4]], \"instances\": [[1,2,3,4]]}", 400, "exclude each other"},
        {"POST", P "scale:predict", "{\"signature_name\": \"other\", \"instances\": []}", 400, "other"},
        {"POST", P "scale:predict", "{\"instances\": [[1,2,3]]}", 400, "[1,3]"},
        {"POST", P "scale:predict", "{\"instances\": [[1,2,3,4],[1,2,3]]}", 400, "at offset: "},
        {"POST", P "scale:predict", "{\"instances\": [[1,2,3,\"4\"]]}", 400, "a string where a number belongs"},
        {"POST", P "scale:predict", "{\"instances\": [[1,2,3,true]]}", 400, "at offset: "},
        {"POST", P "scale:predict", "{\"instances\": 7}", 400, "at offset: "},
        {"POST", P "scale:predict", "{\"inputs\": []}", 400, "[0]"},
        {"POST", P "fixed:predict", "{\"instances\": []}", 400, "[0,3]"},
        {"POST", P "scale:predict", "{\"instances\": [[5,5,5,5]], \"instances\": [[1,2,3,4]]}", 400,
         "the key \\\"instances\\\" is there twice"},
        {"POST", P "scale:predict", "{\"instances\": [{\"x\": [1,2,3,4], \"\\u0078\": [1,2,3,4]}]}", 400, "twice"},
        {"POST", P "scale:predict", "{\"a\": [{\"b\": 1, \"b\": 1}], \"instances\": [[1,2,3,4]]}", 400, "twice"},
        {"POST", P "scale:predict", "{\"instances\": [{\"z\": [1,2,3,4]}]}", 400,
         "unknown input \\\"z\\\": the model has \\\"x\\\""},
        {"POST", P "scale:predict", "{\"instances\": [{\"x\": [1,2,3,4]}, {\"x\": [1]}]}", 400, "another shape"},
        {"POST", P "scale:predict", "{\"instances\": [{\"x\": [1,2,3,4]}, 1]}", 400, "mixed"},
        {"POST", P "pair:predict", "{\"instances\": [[1,2,3]]}", 400, "\\\"a\\\" and \\\"b\\\""},
        {"POST", P "pair:predict", "{\"instances\": [{\"a\": [1,2,3]}]}", 400, "instance 0 has no input \\\"b\\\""},
        {"POST", P "pair:predict", "{\"inputs\": {\"a\": [[1,2,3]]}}", 400, "missing input \\\"b\\\""},
        {"POST", P "pair:predict", "{\"inputs\": {\"a\": [[1,2,3]], \"b\": [[1,2,3],[4,5,6]]}}", 400, "error"},
        {"POST", P "index:predict", "{\"instances\": [8]}", 400, "error"},
        {"POST", P "index:predict", "{\"instances\": [1.5]}", 400, "at offset: "},
        {"GET", P "scale:predict", NULL, 400, "Malformed request: GET /v1/models/scale:predict"},
        {"POST", P "scale", "{}", 400, "Malformed request: POST /v1/models/scale"},
        {"GET", P "scale/versions/x", NULL, 404, "error"},
    };
    struct served s = serve((struct wg__server_options){0});
    CHECK_ALL(s.port, table);
    serve_end(&s);
}

Test(serve_v1, says_what_there_is)
{
    static const struct said table[] = {
        {"GET", "/v1/models", NULL, 200, "{\"models\": [\"scale\", \"pair\", \"fixed\", \"index\"]}"},
        {"GET", P "scale", NULL, 200,
         "{\"model_version_status\": [{\"version\": \"1\", \"state\": \"AVAILABLE\", "
         "\"status\": {\"error_code\": \"OK\", \"error_message\": \"\"}}], \"name\": \"scale\", \"ready\": true}"},
        {"GET", P "scale/versions/1", NULL, 200, "AVAILABLE"},
        {"GET", P "scale/versions/2", NULL, 404, "version 2"},
        {"GET", P "none", NULL, 404, "none"},
        {"GET", P "scale/labels/canary", NULL, 400, "canary"},
        {"GET", P "scale/metadata", NULL, 200,
         "\"inputs\": {\"x\": {\"dtype\": \"DT_FLOAT\", \"tensor_shape\": {\"dim\": [{\"size\": \"-1\", \"name\": "
         "\"\"}, "
         "{\"size\": \"4\", \"name\": \"\"}], \"unknown_rank\": false}, \"name\": \"x\"}}"},
        {"GET", P "index/versions/1/metadata", NULL, 200, "DT_INT64"},
        {"GET", P "none/metadata", NULL, 404, "none"},
        {"POST", P "scale:reload", "", 200, "\"version\": \"1\""},
        {"POST", P "none:reload", "", 404, "none"},
    };
    struct served s = serve((struct wg__server_options){0});
    CHECK_ALL(s.port, table);
    serve_end(&s);
}
