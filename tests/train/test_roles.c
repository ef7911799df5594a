/* Roles of parameters in checkpoints: what is a weight, and what is a solver's, is told by role and not by name. */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include <wengert/train.h>

static wg_graph *g;
static char      path[80];
static void      start(void)
{
    g = wg_graph_new();
    snprintf(path, sizeof path, "/tmp/wengert-%ld-roles.safetensors", (long)getpid());
}
static void stop(void)
{
    wg_graph_free(g);
    unlink(path);
}
TestSuite(roles, .init = start, .fini = stop, .timeout = 60);

static const char *const names[] = {"w", "frozen \"b\"\n", "adam.step", "mean"};
static const wg_role     roles[] = {WG_ROLE_WEIGHT, WG_ROLE_FROZEN, WG_ROLE_WEIGHT, WG_ROLE_STATE};
enum { COUNT = 4 };

/* The parameters, a weight among them that is called as if it were a solver's; their values are 1, 2, 3, 4. */
static void params_new(wg_graph *h, bool with_roles)
{
    for (int i = 0; i < COUNT; i++) {
        wg_node *p = wg_param(h, names[i], WG_F64, WG_SCALAR);
        if (with_roles) wg_param_set(p, &(double){i + 1}), wg_set_role(p, roles[i]);
    }
}
static wg_node *param(wg_graph *h, int i) { return wg_param_find(h, names[i]); }
static wg_node *step_of(wg_graph *h)
{
    wg_node *loss = wg_square(wg_add(wg_add(param(h, 0), param(h, 1)), wg_add(param(h, 2), param(h, 3))));
    wg_node *step = wg_minimize(loss, &(wg_solver){.kind = WG_SOLVER_ADAM});
    cr_assert_not_null(step, "%s", wg_message(h));
    return step;
}
static void save(int weights_only)
{
    wg_error e;
    cr_assert_eq(wg_checkpoint_save(g, NULL, path, &(wg_save_options){.weights_only = weights_only}, &e), WG_OK, "%s",
                 e.message);
}
static void load(wg_graph *h, const wg_load_options *o, int loaded)
{
    wg_error     e;
    wg_load_info info;
    cr_assert_eq(wg_checkpoint_load(h, NULL, path, o, &info, &e), WG_OK, "%s", e.message);
    cr_expect_eq(info.loaded, loaded, "%d", info.loaded);
}
static double value(wg_graph *h, int i)
{
    double v = 0;
    wg_param_get(param(h, i), &v);
    return v;
}

Test(roles, come_back_where_the_program_has_set_none)
{
    params_new(g, true);
    save(0);
    wg_graph *h = wg_graph_new();
    params_new(h, false);
    load(h, NULL, COUNT);
    for (int i = 0; i < COUNT; i++) {
        cr_expect_eq(wg_node_role(param(h, i)), roles[i], "%s", names[i]);
        cr_expect_eq(value(h, i), i + 1);
    }
    int before = wg_param_count(h);
    step_of(h);
    cr_expect_eq(wg_param_count(h), before + 1 + 2 * 2, "two weights are trained");
    wg_graph_free(h);
}

Test(roles, of_the_program_stay)
{
    params_new(g, true);
    save(0);
    wg_graph *h = wg_graph_new();
    params_new(h, false);
    wg_set_role(param(h, 0), WG_ROLE_STATE);
    wg_set_role(param(h, 1), WG_ROLE_WEIGHT);
    load(h, NULL, COUNT);
    cr_expect_eq(wg_node_role(param(h, 0)), WG_ROLE_STATE);
    cr_expect_eq(wg_node_role(param(h, 1)), WG_ROLE_WEIGHT);
    cr_expect_eq(wg_node_role(param(h, 3)), WG_ROLE_STATE, "that of the file");
    wg_graph_free(h);
}

/* Weights from elsewhere bring no roles. */
Test(roles, stay_where_a_part_is_loaded)
{
    const wg_load_options some[] = {{.weights_only = 1}, {.partial = 1}};
    params_new(g, true);
    save(0);
    for (int k = 0; k < 2; k++) {
        wg_graph *h = wg_graph_new();
        params_new(h, false);
        load(h, &some[k], COUNT);
        for (int i = 0; i < COUNT; i++) cr_expect_eq(wg_node_role(param(h, i)), WG_ROLE_WEIGHT, "%s", names[i]);
        wg_graph_free(h);
    }
}

Test(roles, tell_a_solvers_state_whatever_its_name)
{
    wg_error e;
    params_new(g, true);
    step_of(g); /* "adam.step" is a weight: the state is called adam#2 */
    cr_assert_not_null(wg_param_find(g, "adam#2.step"));
    for (int light = 0; light < 2; light++) {
        save(light);
        wg_safetensors *f = wg_safetensors_read(path, &e);
        cr_assert_not_null(f, "%s", e.message);
        cr_expect_eq(wg_safetensors_count(f), light ? COUNT : COUNT + 5, "%d", wg_safetensors_count(f));
        cr_expect_null(wg_safetensors_meta(f, "wengert.role/w"));
        cr_expect_str_eq(wg_safetensors_meta(f, "wengert.role/frozen \"b\"\n"), "frozen");
        cr_expect_str_eq(wg_safetensors_meta(f, "wengert.role/mean"), "state");
        cr_expect_eq(wg_safetensors_meta(f, "wengert.role/adam#2.step") == NULL, light);
        wg_safetensors_free(f);
        wg_graph *h = wg_graph_new();
        params_new(h, false);
        if (!light) {
            cr_expect_eq(wg_checkpoint_load(h, NULL, path, NULL, NULL, &e), WG_EARG);
            cr_expect(strstr(e.message, "adam#2") && strstr(e.message, "weights_only"), "%s", e.message);
        }
        load(h, &(wg_load_options){.weights_only = 1}, COUNT);
        for (int i = 0; i < COUNT; i++) cr_expect_eq(value(h, i), i + 1);
        wg_graph_free(h);
    }
}

/* A graph whose own parameter is called as the file's solver state takes it: the graph says what is a solver's. */
Test(roles, of_the_graph_tell_what_is_wanted)
{
    params_new(g, true);
    step_of(g);
    save(0);
    wg_graph *h = wg_graph_new();
    params_new(h, false);
    wg_param(h, "adam#2.step", WG_F64, WG_SCALAR);
    load(h, &(wg_load_options){.weights_only = 1}, COUNT + 1);
    wg_graph_free(h);
}

/* ---- Files of before, of others, and damaged ones ---- */

static void write_file(const char *key, const char *text)
{
    static const double one = 1;
    const char *const   meta[][2] = {{key, text}};
    const wg_safetensor x[] = {
        {"w", WG_F64, WG_SCALAR, &one}, {"adam.step", WG_F64, WG_SCALAR, &one}, {"adam.m/w", WG_F64, WG_SCALAR, &one}};
    cr_assert_eq(wg_safetensors_write(path, 3, x, 1, meta, NULL), WG_OK);
}

Test(roles, of_a_file_without_them_are_names_and_change_nothing)
{
    wg_error e;
    wg_param(g, "w", WG_F64, WG_SCALAR);
    write_file("wengert.checkpoint", "1");
    load(g, &(wg_load_options){.weights_only = 1}, 1);
    cr_expect_eq(wg_checkpoint_load(g, NULL, path, NULL, NULL, &e), WG_EARG);
    cr_expect(strstr(e.message, "adam.") && strstr(e.message, "weights_only"), "%s", e.message);
    wg_param(g, "adam.step", WG_F64, WG_SCALAR);
    wg_param(g, "adam.m/w", WG_F64, WG_SCALAR);
    load(g, NULL, 3);
    for (int i = 0; i < 3; i++) cr_expect_eq(wg_node_role(wg_param_at(g, i)), WG_ROLE_WEIGHT);
    write_file("format", "pt"); /* in another's file a name is a name */
    wg_graph *h = wg_graph_new();
    wg_param(h, "w", WG_F64, WG_SCALAR);
    cr_expect_eq(wg_checkpoint_load(h, NULL, path, &(wg_load_options){.weights_only = 1}, NULL, &e), WG_EARG);
    cr_expect(strstr(e.message, "no parameter for tensor adam."), "%s", e.message);
    wg_graph_free(h);
}

Test(roles, that_are_none_are_refused)
{
    static const double one = 1;
    const char *const   meta[][2] = {{"wengert.checkpoint", "2"}, {"wengert.role/w", "b\033oss"}};
    const wg_safetensor x = {"w", WG_F64, WG_SCALAR, &one};
    wg_error            e;
    wg_node            *w = wg_param(g, "w", WG_F64, WG_SCALAR);
    cr_assert_eq(wg_safetensors_write(path, 1, &x, 2, meta, NULL), WG_OK);
    cr_expect_eq(wg_checkpoint_load(g, NULL, path, NULL, NULL, &e), WG_EFORMAT);
    cr_expect(strstr(e.message, "role") && strstr(e.message, "oss") && !strchr(e.message, '\033'), "%s", e.message);
    cr_expect_eq(*(const double *)wg_param_view(w), 0);
}
