/* openapi.c - /openapi.json: the table of routes as an OpenAPI 3.0 document. */
#include <string.h>

#include "serve/server_impl.h"

static void write_text(struct wg__text *t, const char *s) { wg__text_add(t, s, strlen(s)); }

/* Writes a parameter for each {name} of the pattern. */
static void say_parameters(struct wg__text *t, const char *pattern)
{
    const char *between = "";
    write_text(t, "\"parameters\": [");
    for (const char *at = strchr(pattern, '{'); at; at = strchr(at + 1, '{')) {
        int n = (int)strcspn(at + 1, "}");
        wg__text_say(t, "%s{\"name\": \"%.*s\", \"in\": \"path\", \"required\": true, \"schema\": {\"type\": \"%s\"}}",
                     between, n, at + 1, strncmp(at, "{version}", 9) ? "string" : "integer");
        between = ", ";
    }
    write_text(t, "]");
}

static const char *body_of(const struct wg__route *r)
{
    static const struct {
        void (*handle)(struct wg__request *q);
        const char *schema;
    } table[] = {{wg__v1_predict, "predict"}, {wg__v2_infer, "infer"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].handle == r->handle) return table[i].schema;
    return NULL;
}

static const char *type_of(const struct wg__route *r)
{
    return r->handle == wg__page ? "text/html" : r->handle == wg__metrics_page ? "text/plain" : "application/json";
}

static void say_operation(struct wg__text *t, const struct wg__route *r)
{
    const char *body = body_of(r);
    wg__text_say(t, "\"%s\": {\"summary\": ", r->verbs & WG__GET ? "get" : "post");
    wg__text_string(t, r->doc);
    write_text(t, ", ");
    say_parameters(t, r->pattern);
    if (r->verbs & WG__ADMIN) write_text(t, ", \"security\": [{\"operator\": []}, {}]");
    if (body)
        wg__text_say(t,
                     ", \"requestBody\": {\"required\": true, \"content\": {\"application/json\": {\"schema\": "
                     "{\"$ref\": \"#/components/schemas/%s\"}}}}",
                     body);
    wg__text_say(t, ", \"responses\": {\"200\": {\"description\": \"as asked\", \"content\": {\"%s\": {\"schema\": ",
                 type_of(r));
    write_text(t, strcmp(type_of(r), "application/json") ? "{\"type\": \"string\"}" : "{}");
    write_text(t, "}}}, \"default\": {\"description\": \"why not\", \"content\": {\"application/json\": {\"schema\": "
                  "{\"$ref\": \"#/components/schemas/error\"}}}}}}");
}

static const char schemas[] =
    "\"error\": {\"type\": \"object\", \"required\": [\"error\"], \"properties\": {\"error\": {\"type\": "
    "\"string\"}}}, "
    "\"predict\": {\"type\": \"object\", \"properties\": {\"signature_name\": {\"type\": \"string\"}, "
    "\"instances\": {\"type\": \"array\", \"items\": {}, \"description\": \"one element for each row\"}, "
    "\"inputs\": {\"description\": \"a tensor, or tensors by name\"}}}, "
    "\"tensor\": {\"type\": \"object\", \"required\": [\"name\", \"shape\", \"datatype\"], \"properties\": {"
    "\"name\": {\"type\": \"string\"}, "
    "\"shape\": {\"type\": \"array\", \"items\": {\"type\": \"integer\", \"minimum\": 0}}, "
    "\"datatype\": {\"type\": \"string\", \"enum\": [\"BOOL\", \"UINT8\", \"INT32\", \"INT64\", \"FP32\", \"FP64\"]}, "
    "\"parameters\": {\"type\": \"object\"}, "
    "\"data\": {\"type\": \"array\", \"items\": {}}}}, "
    "\"infer\": {\"type\": \"object\", \"required\": [\"inputs\"], \"properties\": {\"id\": {\"type\": \"string\"}, "
    "\"parameters\": {\"type\": \"object\"}, "
    "\"inputs\": {\"type\": \"array\", \"items\": {\"$ref\": \"#/components/schemas/tensor\"}}, "
    "\"outputs\": {\"type\": \"array\", \"items\": {\"type\": \"object\", \"required\": [\"name\"], \"properties\": {"
    "\"name\": {\"type\": \"string\"}, \"parameters\": {\"type\": \"object\"}}}}}}";

void wg__openapi_page(struct wg__request *q)
{
    struct wg__text *t = &q->text;
    q->code = 200;
    wg__text_say(t,
                 "{\"openapi\": \"3.0.3\", \"info\": {\"title\": \"Wengert predictor\", \"version\": \"%s\"}, "
                 "\"paths\": {",
                 WG_VERSION);
    for (const struct wg__route *r = wg__routes; r->pattern; r++) {
        if (r != wg__routes) write_text(t, ", ");
        wg__text_string(t, r->pattern);
        write_text(t, ": {");
        say_operation(t, r);
        write_text(t, "}");
    }
    write_text(t,
               "}, \"components\": {\"securitySchemes\": {\"operator\": {\"type\": \"http\", \"scheme\": \"bearer\"}}, "
               "\"schemas\": {");
    write_text(t, schemas);
    write_text(t, "}}}\n");
}
