/* Who may load models, and that loads hold up nothing else. */
#include <ifaddrs.h>
#include <net/if.h>

#include "serve/client.h"

TestSuite(serve_admin, .timeout = 60);

#define RELOAD "/v1/models/scale:reload"
#define LOAD "/v2/repository/models/scale/load"

static int load(int port, const char *path, const char *headers, char challenge[static 256])
{
    struct reply r = ask_with(port, "POST", path, headers, NULL, 0);
    reply_header(&r, "WWW-Authenticate", challenge);
    reply_free(&r);
    return r.code;
}

Test(serve_admin, without_a_token_from_this_machine_alone)
{
    static const char *const lent[] = {"X-Forwarded-For: 127.0.0.1\r\n", "Forwarded: for=10.0.0.1\r\n",
                                       "Via: 1.1 front\r\n", "Origin: http://example.org\r\n"};
    char                     v[256];
    struct served            s = serve((struct wg__server_options){0});
    cr_expect_eq(load(s.port, RELOAD, "", v), 200);
    cr_expect_eq(load(s.port, LOAD, "", v), 200);
    for (size_t i = 0; i < sizeof lent / sizeof *lent; i++) {
        cr_expect_eq(load(s.port, RELOAD, lent[i], v), 403, "%s", lent[i]);
        cr_expect_eq(load(s.port, LOAD, lent[i], v), 403, "%s", lent[i]);
    }
    cr_expect_eq(load(s.port, "/v1/models/scale%3Areload", "", v), 400);
    cr_expect_eq(load(s.port, "/v1/models/scale:Reload", "", v), 400);
    cr_expect_eq(load(s.port, "/V1/models/scale:reload", "", v), 404);
    cr_expect_eq(load(s.port, "/v2/repository/models%2Fscale/load", "", v), 404);
    serve_end(&s);
}

static bool own_address(struct sockaddr_in *to)
{
    struct ifaddrs *all;
    bool            found = false;
    if (getifaddrs(&all)) return false;
    for (struct ifaddrs *a = all; a && !found; a = a->ifa_next) {
        if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET || a->ifa_flags & IFF_LOOPBACK) continue;
        *to = *(struct sockaddr_in *)(void *)a->ifa_addr;
        found = true;
    }
    freeifaddrs(all);
    return found;
}

Test(serve_admin, from_another_address_it_is_refused)
{
    struct sockaddr_in a;
    if (!own_address(&a)) cr_skip_test("this machine has no address but loopback");
    char       *folder = models_folder(), spec[600], host[64];
    const char *list = spec;
    wg_error    e;
    FILE       *log = fopen("/dev/null", "w");
    model_scale(in_folder(folder, "m.onnx"), 2, 1);
    snprintf(spec, sizeof spec, "scale=%s", in_folder(folder, "m.onnx"));
    inet_ntop(AF_INET, &a.sin_addr, host, sizeof host);
    struct wg__server *s = wg__server_start(
        &(struct wg__server_options){
            .n_models = 1, .model = &list, .host = host, .port = -1, .threads = 1, .log = log, .drain_s = 2},
        &e);
    cr_assert(s, "%s", e.message);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_port = htons((uint16_t)wg__server_port(s));
    cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    send_request(fd, "POST", RELOAD, "", NULL, 0);
    struct reply r = read_reply(fd);
    cr_expect_eq(r.code, 403, "%d", r.code);
    reply_free(&r);
    close(fd);
    wg__server_stop(s);
    fclose(log);
    models_remove(folder);
}

Test(serve_admin, with_a_token_whoever_shows_it)
{
    char                     *folder = models_folder(), v[256];
    FILE                     *f = fopen(in_folder(folder, "token"), "w");
    struct wg__server_options o = {.admin_token = strdup(in_folder(folder, "token"))};
    cr_assert(f && fputs("a secret of 20 bytes\n", f) >= 0 && !fclose(f));
    struct served s = serve(o);
    cr_expect(load(s.port, RELOAD, "", v) == 401 && !strcmp(v, "Bearer"), "%s", v);
    cr_expect_eq(load(s.port, RELOAD, "Authorization: Bearer \r\n", v), 401);
    cr_expect_eq(load(s.port, RELOAD, "Authorization: Bearer a secret of 20 byte\r\n", v), 401);
    cr_expect_eq(load(s.port, RELOAD, "Authorization: Bearer a secret of 20 bytesa\r\n", v), 401);
    cr_expect_eq(load(s.port, RELOAD, "Authorization: Basic a secret of 20 bytes\r\n", v), 401);
    cr_expect_eq(load(s.port, RELOAD, "Authorization: Bearer a secret of 20 bytes\r\n", v), 200);
    cr_expect_eq(load(s.port, LOAD, "X-Forwarded-For: 10.1.1.1\r\nauthorization: bearer  a secret of 20 bytes \r\n", v),
                 200);
    f = fopen(o.admin_token, "w");
    cr_assert(f && fputs("another", f) >= 0 && !fclose(f));
    cr_expect_eq(load(s.port, RELOAD, "Authorization: Bearer a secret of 20 bytes\r\n", v), 401);
    cr_expect_eq(load(s.port, RELOAD, "Authorization: Bearer another\r\n", v), 200);
    cr_assert_eq(unlink(o.admin_token), 0);
    cr_expect_eq(load(s.port, RELOAD, "Authorization: Bearer another\r\n", v), 401);
    free((char *)(uintptr_t)o.admin_token);
    serve_end(&s);
    models_remove(folder);
}

Test(serve_admin, a_token_that_is_none_is_said_at_the_start)
{
    char       *folder = models_folder();
    const char *file[] = {in_folder(folder, "none"), in_folder(folder, "empty")};
    wg_error    e;
    fclose(fopen(file[1], "w"));
    for (int i = 0; i < 2; i++) {
        cr_assert_null(wg__server_start(
            &(struct wg__server_options){.admin_token = file[i], .port = -1, .host = "127.0.0.1"}, &e));
        cr_expect(e.status && strstr(e.message, file[i]), "%s", e.message);
    }
    models_remove(folder);
}

/* ---- Loads hold up nothing ---- */

struct loop {
    pthread_t   thread;
    int         port;
    atomic_bool stop;
};
static void *load_on(void *context)
{
    struct loop *l = context;
    char         v[256];
    while (!atomic_load(&l->stop)) load(l->port, RELOAD, "", v);
    return NULL;
}

Test(serve_admin, time_passes_while_models_are_loaded)
{
    struct loop   l[3];
    struct served s = serve((struct wg__server_options){.idle_s = 60, .slow_s = 1, .quiet = true});
    model_mlp(in_folder(s.folder, "scale.onnx"), 1024, 1024, 512);
    for (int i = 0; i < 3; i++) {
        l[i].port = s.port;
        atomic_store(&l[i].stop, false);
        cr_assert_eq(pthread_create(&l[i].thread, NULL, load_on, &l[i]), 0);
    }
    int fd = dial(s.port);
    send_text(fd, "POST " RELOAD " HTTP/1.1\r\nHost: x\r\nContent-Length: 26\r\n\r\n{");
    double       begin = seconds_now();
    struct reply r = read_reply(fd);
    cr_expect(r.code == 408 && seconds_now() - begin < 4, "%d after %g s", r.code, seconds_now() - begin);
    reply_free(&r);
    close(fd);
    for (int i = 0; i < 3; i++) atomic_store(&l[i].stop, true);
    for (int i = 0; i < 3; i++) pthread_join(l[i].thread, NULL);
    serve_end(&s);
}

Test(serve_admin, all_models_are_loaded_again_when_told)
{
    struct served s = serve((struct wg__server_options){0});
    model_scale(in_folder(s.folder, "scale.onnx"), 3, 0);
    write_garbage(in_folder(s.folder, "pair.onnx"));
    wg__server_reload(s.server);
    bool seen = false, counted = false;
    for (int i = 0; i < 100 && !(seen && counted); i++, wait_ms(50)) {
        struct reply r = post(s.port, "/v1/models/scale:predict", "{\"instances\": [[1,2,3,4]]}");
        seen = strstr(r.body, "[3.0,6.0,9.0,12.0]");
        reply_free(&r);
        r = get(s.port, "/metrics");
        counted = strstr(r.body, "wengert_model_load_failures_total{model=\"pair\"} 1\n") &&
                  strstr(r.body, "wengert_model_load_failures_total{model=\"scale\"} 0\n");
        reply_free(&r);
    }
    cr_expect(seen && counted);
    serve_end(&s);
}

/* ---- What the control group leaves ---- */
