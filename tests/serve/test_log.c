/* The log: JSON whatever is asked, and whoever reads it. */
#include <fcntl.h>
#include <signal.h>

#include "serve/client.h"
#include "serve/json/json.h"
#include "serve/server_impl.h"
#include "support/alloc.h"

TestSuite(serve_log, .timeout = 60);

/* Every line is an object; how many there are. */
static int check_lines(char *text)
{
    int n = 0;
    for (char *save = NULL, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), n++) {
        struct wg__json j;
        wg__json_open(&j, line, strlen(line));
        cr_expect(wg__json_peek(&j) == WG__JSON_OBJECT && wg__json_skip(&j) && wg__json_finish(&j), "%s: %s", j.why,
                  line);
    }
    return n;
}

/* How many lines were lost, as it says: more than once, as room comes and goes. */
static int count_lost(const char *text, int *times)
{
    int lost = 0;
    *times = 0;
    for (const char *said = text; (said = strstr(said, "\"lost\": ")); ++*times)
        lost += atoi(said += strlen("\"lost\": "));
    return lost;
}

static void ask_times(int port, int n)
{
    int fd = dial(port);
    for (int i = 0; i < n; i++) {
        cr_assert(send_request(fd, "GET", "/v2", "", NULL, 0));
        struct reply r = read_reply(fd);
        cr_assert_eq(r.code, 200, "request %d", i);
        reply_free(&r);
    }
    close(fd);
}

Test(serve_log, lines_are_json_whatever_is_asked)
{
    static const char *const paths[] = {"/%22quote%5c",         "/%ff%fe",    "/\xff\xc3",       "/%c3%a9",
                                        "/v1/models/%22%c0%80", "/%e2%80%a8", "/v1/models/a%2fb"};
    static const char *const headers[] = {"X-Request-Id: a\"b\\c\r\n", "X-Request-Id: \xff\xfe\r\n",
                                          "X-Request-Id: a\tb\r\n"};
    struct served            s = serve((struct wg__server_options){0});
    for (int i = 0; i < 7; i++) {
        struct reply r = ask_with(s.port, "GET", paths[i], headers[i % 3], NULL, 0);
        cr_expect_eq(r.code, 404, "%s: %d", paths[i], r.code);
        reply_free(&r);
    }
    bool closed;
    raw(s.port, "\x16\x03\x01\r\n\r\n", 7, &closed);
    cr_expect_eq(serve_stop(&s), 0);
    cr_expect_geq(check_lines(s.text->at), 10);
    serve_forget(&s);
}

struct piped {
    int                end; /* to read from */
    struct wg__server *server;
    FILE              *log;
    char              *folder;
};

static struct piped serve_into_a_pipe(void)
{
    struct piped p = {.folder = models_folder()};
    int          fd[2];
    char         spec[600];
    const char  *list = spec;
    wg_error     e;
    cr_assert_eq(pipe2(fd, O_CLOEXEC), 0);
    p.end = fd[0];
    p.log = fdopen(fd[1], "w");
    model_scale(in_folder(p.folder, "scale.onnx"), 2, 1);
    snprintf(spec, sizeof spec, "scale=%s/scale.onnx", p.folder);
    p.server = wg__server_start(
        &(struct wg__server_options){
            .n_models = 1, .model = &list, .host = "127.0.0.1", .port = -1, .threads = 1, .log = p.log},
        &e);
    cr_assert(p.server, "%s", e.message);
    return p;
}

static void *read_all(void *context)
{
    struct piped *p = context;
    enum { SIZE = 4 << 20 };
    char  *text = calloc(1, SIZE + 1);
    size_t n = 0;
    for (ssize_t k; n < SIZE && (k = read(p->end, text + n, SIZE - n)) > 0;) n += (size_t)k;
    return text;
}

/* A pipe holds 64 KiB, the server 1 MiB: the rest is lost, and counted. */
Test(serve_log, nobody_reads)
{
    pthread_t    thread;
    void        *text;
    struct piped p = serve_into_a_pipe();
    ask_times(wg__server_port(p.server), 10000);
    cr_assert_eq(pthread_create(&thread, NULL, read_all, &p), 0);
    wait_ms(500);
    ask_times(wg__server_port(p.server), 1);
    cr_expect_eq(wg__server_stop(p.server), 0);
    fclose(p.log);
    pthread_join(thread, &text);
    cr_assert(strstr(text, "stopped; requests cut off: 0"));
    int times, lost = count_lost(text, &times), lines = check_lines(text);
    cr_expect(lost > 0 && lines + lost >= 10001 + 4, "%d lines, %d lost", lines, lost);
    free(text);
    close(p.end);
    models_remove(p.folder);
}

/* A line that memory is short for, its own or that of the lines that wait, is lost alone. */
Test(serve_log, memory_is_short)
{
    enum { EVENTS = 400, SIZE = 1 << 20 };
    struct wg__log log;
    int            end[2], times;
    char          *text = calloc(1, SIZE + 1);
    cr_assert_eq(pipe2(end, O_CLOEXEC | O_NONBLOCK), 0);
    FILE *f = fdopen(end[1], "w");
    wg__log_open(&log, f, false);
    while (write(end[1], "\n", 1) == 1) continue; /* it is full: lines have to wait */
    for (int i = 0; i < EVENTS; i++) {
        if (i % 2) alloc_fail_once_at(i % 5 == 0 ? 0 : 1);
        wg__log_event(&log, "info", "an event");
        alloc_restore();
    }
    size_t n = 0;
    for (ssize_t k; n < SIZE && (k = read(end[0], text + n, SIZE - n)) > 0;) n += (size_t)k;
    memset(text, 0, n);
    n = 0;
    wg__log_close(&log); /* the end of what waits says nothing of what was lost after it */
    fclose(f);
    for (ssize_t k; n < SIZE && (k = read(end[0], text + n, SIZE - n)) > 0;) n += (size_t)k;
    int lost = count_lost(text, &times), lines = check_lines(text) - times;
    cr_expect(lost > EVENTS / 10 && lines + lost + (int)log.lost == EVENTS, "%d lines, %d and %llu lost", lines, lost,
              log.lost);
    free(text);
    close(end[0]);
}

Test(serve_log, nobody_will_ever_read)
{
    signal(SIGPIPE, SIG_IGN);
    struct piped p = serve_into_a_pipe();
    close(p.end);
    ask_times(wg__server_port(p.server), 1000);
    cr_expect_eq(wg__server_stop(p.server), 0);
    fclose(p.log);
    models_remove(p.folder);
}
