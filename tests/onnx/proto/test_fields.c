/* Models as their bytes have them: each field in its place, and protobuf's rules
 * for what comes twice. */
#include "onnx/proto/encode.h"
#include "onnx/proto/onnx_impl.h"

static wg_onnx *parse(const struct bytes *b)
{
    wg_onnx *m = wg_onnx_parse(b->n ? b->at : (const uint8_t *)"", b->n);
    cr_assert_not_null(m);
    return m;
}
static wg_onnx *accept(const struct bytes *b)
{
    wg_onnx *m = parse(b);
    cr_assert_eq(wg_onnx_status(m), WG_OK, "%s", wg_onnx_message(m));
    cr_assert_str_eq(wg_onnx_message(m), "");
    return m;
}
/* Refused with these words; says so and frees. */
static void refuse(const struct bytes *b, const char *why)
{
    wg_onnx *m = parse(b);
    cr_assert_eq(wg_onnx_status(m), WG_EFORMAT, "%s: %s", why, wg_onnx_message(m));
    cr_assert(strstr(wg_onnx_message(m), why), "%s: %s", why, wg_onnx_message(m));
    wg_onnx_free(m);
}

/* ---- Fields ---- */

static void put_pair(struct bytes *b, uint32_t number, const char *key, const char *text)
{
    size_t at = put_open(b, number);
    put_text(b, 1, key);
    put_text(b, 2, text);
    put_close(b, at);
}

Test(onnx_model, what_it_says_of_itself)
{
    struct bytes b = {0};
    const char  *key, *text;
    put_int(&b, 1, 8);
    put_text(&b, 2, "maker");
    put_text(&b, 3, "1.2");
    put_text(&b, 4, "org.example"); /* domain, which nothing asks for */
    put_int(&b, 5, -7);
    put_text(&b, 6, "a net");
    size_t at = put_open(&b, 8);
    put_text(&b, 1, "ai.onnx.ml");
    put_int(&b, 2, 3);
    put_close(&b, at);
    at = put_open(&b, 8);
    put_int(&b, 2, 17);
    put_close(&b, at);
    put_pair(&b, 14, "accuracy", "0.98");
    put_pair(&b, 14, "empty", "");
    at = put_open(&b, 7);
    put_text(&b, 2, "mnist");
    put_close(&b, at);
    put_text(&b, 25, ""); /* a function */

    wg_onnx     *m = accept(&b);
    wg_onnx_info i = wg_onnx_about(m);
    cr_assert_str_eq(i.producer, "maker");
    cr_assert_str_eq(i.producer_version, "1.2");
    cr_assert_str_eq(i.graph_name, "mnist");
    cr_assert_str_eq(i.doc, "a net");
    cr_assert_eq(i.ir_version, 8);
    cr_assert_eq(i.opset, 17);
    cr_assert_eq(i.model_version, -7);
    cr_assert(i.nodes == 0 && i.initializers == 0 && i.meta == 2);
    cr_assert(wg_onnx_meta_at(m, 0, &key, &text) && !strcmp(key, "accuracy") && !strcmp(text, "0.98"));
    cr_assert(!wg_onnx_meta_at(m, 2, &key, &text) && !key && !text);
    cr_assert(!wg_onnx_meta_at(m, -1, &key, &text));
    cr_assert_str_eq(wg_onnx_meta(m, "empty"), "");
    cr_assert_null(wg_onnx_meta(m, "loss"));
    cr_assert_eq(m->model.n_function, 1);
    cr_assert(m->model.n_opset == 2 && !strcmp(m->model.opset[0].domain, "ai.onnx.ml"));
    wg_onnx_free(m);
    free(b.at);
}

Test(onnx_model, nodes_and_attributes)
{
    struct onnx   o = onnx_begin(13);
    struct bytes *b = &o.b;
    size_t        place = b->n, node = put_open(b, 1);
    put_text(b, 1, "x");
    put_text(b, 1, "");
    put_text(b, 1, "w");
    put_text(b, 2, "y");
    put_text(b, 3, "conv1");
    put_text(b, 4, "Conv");
    put_text(b, 7, "com.example");
    put_attr(b, 5, "group=-2");
    put_attr(b, 5, "epsilon=0.5");
    put_attr(b, 5, "auto_pad=VALID");
    put_attr(b, 5, "pads=[1,-2,3]");
    put_attr(b, 5, "scales=[1.5,2.0]");
    size_t at = put_open(b, 5), inner;
    put_text(b, 1, "names");
    put_text(b, 9, "one");
    put_text(b, 9, "");
    put_bytes(b, 9, "t\0wo", 4);
    put_bytes(b, 4, "a\0b", 3); /* bytes that are no text */
    put_int(b, 20, 8);
    put_close(b, at);
    at = put_open(b, 5);
    put_text(b, 1, "value");
    inner = put_open(b, 5);
    put_tensor(b, "v", WG__ONNX_INT64, "1", &(int64_t){5});
    put_close(b, inner);
    put_close(b, at);
    put_close(b, node);
    onnx_end(&o);

    wg_onnx *m = accept(b);
    cr_assert_eq(m->model.n_node, 1);
    const struct wg__onnx_node *n = m->model.node;
    const struct wg__onnx_attr *a = n->attr;
    cr_assert(n->n_in == 3 && n->n_out == 1 && n->n_attr == 7);
    cr_assert(!strcmp(n->in[0], "x") && !strcmp(n->in[1], "") && !strcmp(n->in[2], "w") && !strcmp(n->out[0], "y"));
    cr_assert(!strcmp(n->op, "Conv") && !strcmp(n->name, "conv1") && !strcmp(n->domain, "com.example"));
    cr_assert_eq(n->offset, place);
    cr_assert(!strcmp(a[0].name, "group") && a[0].i == -2 && a[0].type == 2);
    cr_assert(!strcmp(a[1].name, "epsilon") && a[1].f == 0.5f && a[1].type == 1);
    cr_assert(!strcmp(a[2].text, "VALID") && a[2].type == 3);
    cr_assert(a[3].n_ints == 3 && a[3].ints[0] == 1 && a[3].ints[1] == -2 && a[3].ints[2] == 3 && a[3].type == 7);
    cr_assert(a[4].n_floats == 2 && a[4].floats[0] == 1.5f && a[4].floats[1] == 2 && a[4].type == 6);
    cr_assert(a[5].n_texts == 3 && !strcmp(a[5].texts[0], "one") && !*a[5].texts[1] && !*a[5].texts[2]);
    cr_assert_str_eq(a[5].text, "");
    cr_assert(a[6].tensor && a[6].tensor->dtype == WG__ONNX_INT64 && a[6].tensor->raw.n == 8 && a[6].type == 0);
    for (int i = 0; i < 7; i++) cr_assert(!a[i].other && (i == 6 || !a[i].tensor));
    cr_assert(m->model.has_graph);
    wg_onnx_free(m);
    onnx_free(&o);
}

Test(onnx_model, attributes_of_other_kinds_are_marked)
{
    static const uint32_t numbers[] = {10, 11, 14, 15, 21, 22, 23};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct onnx o = onnx_begin(13);
        size_t      node = put_open(&o.b, 1), attr = put_open(&o.b, 5);
        put_text(&o.b, numbers[i], "\x0b"); /* not looked into */
        put_close(&o.b, attr);
        put_close(&o.b, node);
        onnx_end(&o);
        wg_onnx *m = accept(&o.b);
        cr_assert(m->model.node[0].attr[0].other, "field %u", numbers[i]);
        wg_onnx_free(m);
        onnx_free(&o);
    }
}

/* A branch of an If has nodes with attributes of their own. */
Test(onnx_model, graphs_in_attributes_are_read)
{
    struct onnx o = onnx_begin(13);
    size_t      node = put_open(&o.b, 1), attr = put_open(&o.b, 5), graph = put_open(&o.b, 6);
    struct onnx inner = {.b = o.b};
    onnx_ints(&inner, "one", "1");
    onnx_node(&inner, "Concat", "x,one", "y", "axis=3");
    onnx_output(&inner, "y", WG__ONNX_FLOAT, NULL);
    o.b = inner.b;
    put_close(&o.b, graph);
    put_close(&o.b, attr);
    put_close(&o.b, node);
    onnx_end(&o);
    wg_onnx                     *m = accept(&o.b);
    const struct wg__onnx_attr  *a = &m->model.node[0].attr[0];
    const struct wg__onnx_model *g = a->graph;
    cr_assert(g && !a->other);
    cr_assert(g->n_node == 1 && g->n_init == 1 && g->n_output == 1 && !strcmp(g->node[0].op, "Concat"));
    cr_assert(!strcmp(g->init[0].name, "one") && g->node[0].attr[0].i == 3 && !strcmp(g->output[0].name, "y"));
    wg_onnx_free(m);
    onnx_free(&o);
}

/* What no model can be made of is said in a word, and nothing of fields and wires. */
Test(onnx_model, what_is_no_model)
{
    static const char *const bytes[] = {"hello, world",  "PK\003\004zip", "\x89PNG\r\n\x1a\n",
                                        "{\"json\": 1}", "<html>",        "\x93NUMPY\x01"};
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        wg_onnx *m = wg_onnx_parse(bytes[i], strlen(bytes[i]));
        cr_expect_eq(wg_onnx_status(m), WG_EFORMAT);
        cr_expect(strstr(wg_onnx_message(m), "this is not an ONNX model"), "%s: %s", bytes[i], wg_onnx_message(m));
        cr_expect_null(strstr(wg_onnx_message(m), "ModelProto"), "%s", wg_onnx_message(m));
        wg_onnx_free(m);
    }
}

Test(onnx_model, inputs_and_outputs)
{
    struct onnx o = onnx_begin(13);
    onnx_input(&o, "x", WG__ONNX_FLOAT, "batch,3,?");
    onnx_input(&o, "s", WG__ONNX_INT64, "");
    onnx_input(&o, "u", WG__ONNX_BOOL, NULL);
    onnx_output(&o, "y", WG__ONNX_DOUBLE, "0");
    size_t at = put_open(&o.b, 12), type = put_open(&o.b, 2);
    put_text(&o.b, 4, "\x0a"); /* a sequence: a message that would not parse */
    put_close(&o.b, type);
    put_close(&o.b, at);
    put_text(&o.b, 15, "");
    onnx_end(&o);
    wg_onnx                     *m = accept(&o.b);
    const struct wg__onnx_value *x = m->model.input, *y = m->model.output;
    cr_assert(m->model.n_input == 3 && m->model.n_output == 2 && m->model.n_sparse == 1);
    cr_assert(!strcmp(x->name, "x") && x->tensor && x->dtype == WG__ONNX_FLOAT && x->rank == 3);
    cr_assert(x->dim[0].size == -1 && !strcmp(x->dim[0].param, "batch"));
    cr_assert(x->dim[1].size == 3 && !*x->dim[1].param);
    cr_assert(x->dim[2].size == -1 && !*x->dim[2].param);
    cr_assert(x[1].rank == 0 && x[1].tensor && x[2].rank == -1 && x[2].tensor);
    cr_assert(y->rank == 1 && y->dim[0].size == 0);
    cr_assert(!y[1].tensor && y[1].rank == -1 && y[1].dtype == 0 && !strcmp(y[1].name, ""));
    wg_onnx_free(m);
    onnx_free(&o);
}

/* ---- Protobuf's rules ---- */

Test(onnx_model, what_comes_twice_is_merged_or_the_last_wins)
{
    struct bytes b = {0};
    size_t       at = put_open(&b, 7), value, type, tensor, shape;
    put_text(&b, 2, "first");
    put_close(&b, put_open(&b, 1));
    put_close(&b, at);
    put_int(&b, 1, 3);
    put_int(&b, 1, 8);
    at = put_open(&b, 7); /* the graph goes on: one more node, another name */
    put_text(&b, 2, "second");
    put_close(&b, put_open(&b, 1));
    value = put_open(&b, 11);
    for (int i = 0; i < 2; i++) { /* x: f32 [4], merged from two halves */
        type = put_open(&b, 2), tensor = put_open(&b, 1);
        if (i) put_int(&b, 1, WG__ONNX_FLOAT);
        else {
            shape = put_open(&b, 2);
            size_t dim = put_open(&b, 1);
            put_text(&b, 2, "n");
            put_int(&b, 1, 4);
            put_close(&b, dim);
            dim = put_open(&b, 1);
            put_int(&b, 1, 4);
            put_text(&b, 2, "n");
            put_close(&b, dim);
            put_close(&b, shape);
        }
        put_close(&b, tensor);
        put_close(&b, type);
    }
    put_close(&b, value);
    value = put_open(&b, 11), type = put_open(&b, 2); /* a tensor, then a sequence */
    tensor = put_open(&b, 1);
    put_int(&b, 1, WG__ONNX_FLOAT);
    put_close(&b, tensor);
    put_text(&b, 4, "");
    put_close(&b, type);
    put_close(&b, value);
    value = put_open(&b, 1), type = put_open(&b, 5); /* one attribute's tensor in two halves */
    for (int i = 0; i < 2; i++) {
        tensor = put_open(&b, 5);
        put_int(&b, 1, i + 2);
        put_close(&b, tensor);
    }
    put_close(&b, type);
    put_close(&b, value);
    put_close(&b, at);

    wg_onnx                     *m = accept(&b);
    const struct wg__onnx_value *x = m->model.input;
    cr_assert_eq(m->model.ir_version, 8);
    cr_assert_str_eq(m->model.graph_name, "second");
    cr_assert_eq(m->model.n_node, 3);
    cr_assert(x->tensor && x->dtype == WG__ONNX_FLOAT && x->rank == 2);
    cr_assert(x->dim[0].size == 4 && !*x->dim[0].param, "of a oneof the last counts");
    cr_assert(x->dim[1].size == -1 && !strcmp(x->dim[1].param, "n"));
    cr_assert(!x[1].tensor && x[1].rank == -1 && x[1].dtype == 0);
    const struct wg__onnx_tensor *t = m->model.node[2].attr->tensor;
    cr_assert(t->rank == 2 && t->dim[0] == 2 && t->dim[1] == 3);
    wg_onnx_free(m);
    free(b.at);
}

Test(onnx_model, lists_of_numbers_are_packed_or_not)
{
    struct onnx o = onnx_begin(13);
    size_t      node = put_open(&o.b, 1), attr = put_open(&o.b, 5);
    put_int(&o.b, 8, 1);
    put_bytes(&o.b, 8, "\2\xac\2\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 13);
    put_int(&o.b, 8, 5);
    put_bytes(&o.b, 8, "", 0);
    put_bytes(&o.b, 7, (float[]){1, 2, 3}, 12);
    put_float(&o.b, 7, 4);
    put_close(&o.b, attr);
    put_close(&o.b, node);
    onnx_end(&o);
    wg_onnx                    *m = accept(&o.b);
    const struct wg__onnx_attr *a = m->model.node->attr;
    static const int64_t        ints[] = {1, 2, 300, -1, 5};
    cr_assert(a->n_ints == 5 && memcmp(a->ints, ints, sizeof ints) == 0);
    cr_assert(a->n_floats == 4 && a->floats[0] == 1 && a->floats[2] == 3 && a->floats[3] == 4);
    wg_onnx_free(m);
    onnx_free(&o);
}

Test(onnx_model, unknown_fields_are_passed_over)
{
    struct onnx o = onnx_begin(13);
    put_int(&o.b, 99, 1);
    put_float(&o.b, 98, 1);
    put_text(&o.b, 97, "\x0b\x0b");
    put_tag(&o.b, 96, WG__FIXED64);
    put(&o.b, "12345678", 8);
    onnx_node(&o, "Relu", "x", "y", "");
    onnx_end(&o);
    wg_onnx *m = accept(&o.b);
    cr_assert_eq(m->model.n_node, 1);
    wg_onnx_free(m);
    onnx_free(&o);
}

/* ---- What is refused, and where ---- */

Test(onnx_model, the_place_is_named)
{
    struct bytes b = {0};
    refuse(&b, "(memory): byte 0: no graph: this is not an ONNX model");
    put_int(&b, 1, 8);
    refuse(&b, "(memory): byte 0: no graph");
    put_int(&b, 7, 1);
    refuse(&b, "byte 2: field 7 (graph) has wire type 0 instead of 2");
    b.n = 2;
    put_bytes(&b, 7, "\x0a\2\x22\1", 4);
    refuse(&b, "byte 7: NodeProto ends before the bytes of a field do");
    b.n = 2;
    put_bytes(&b, 7, "\x0a\4\x22\2a\0", 6);
    refuse(&b, "byte 9: field 4 (op_type) has a zero byte");
    b.n = 2;
    put_bytes(&b, 7, "\x0a\6\x2a\4\x42\2\1\x80", 8);
    refuse(&b, "byte 11: field 8 (ints) ends inside of a number");
    b.n = 2;
    put_bytes(&b, 7, "\x0a\7\x2a\5\x3a\3abc", 9);
    refuse(&b, "byte 8: field 7 (floats) has 3 bytes, no whole number of floats");
    b.n = 2;
    put_bytes(&b, 7, "\x2a\2\x70\2", 4);
    refuse(&b, "byte 6: data_location is 2");
    b.n = 2;
    put_bytes(&b, 7, "\x2a\2\x1a\0", 4);
    refuse(&b, "byte 6: a tensor in segments is not supported");
    free(b.at);
    b = (struct bytes){0};
    put(&b, "this is no model", 16);
    refuse(&b, "(memory): byte 0: this is not an ONNX model");
    free(b.at);
}
