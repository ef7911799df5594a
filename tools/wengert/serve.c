/* wengert serve: answers predictions over HTTP until it is told to stop. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "serve/server.h"
#include "tool.h"

struct serve {
    struct texts model, batching;
    const char  *host, *token, *non_finite;
    bool         quiet;
    int          memory_mib;
    int port, threads, max_batch, max_delay_us, queue, deadline_ms, connections, max_body_mib, max_values_mib, poll_s,
        drain_s, delay_s;
};
#define AT(member) offsetof(struct serve, member)
static const struct option options[] = {
    {"--model", "NAME=PATH", "a file .onnx, or a folder with versions 1/, 2/, .. of model.onnx", TEXTS, AT(model), 0,
     0},
    {"--host", "ADDRESS", "to listen on (127.0.0.1); 0.0.0.0: for other machines", TEXT, AT(host), 0, 0},
    {"--port", "N", "to listen on; 0: any that is free (8501)", WHOLE, AT(port), 0, 65535},
    {"--threads", "N", "of HTTP, and workers (as many as there are CPUs)", WHOLE, AT(threads), 1, 1024},
    {"--max-batch", "N", "rows that may run together; 1: none (32)", WHOLE, AT(max_batch), 1, 4096},
    {"--max-delay-us", "N", "a batch waits at most so long for rows on their way (200)", WHOLE, AT(max_delay_us), 0,
     1e6},
    {"--queue", "N", "requests that may wait for a model; more get 503 (1024)", WHOLE, AT(queue), 1, 1e6},
    {"--deadline-ms", "N", "a request gets 504 after it; 0: never (30000)", WHOLE, AT(deadline_ms), 0, 3.6e6},
    {"--connections", "N", "at once (4096)", WHOLE, AT(connections), 1, 1e6},
    {"--max-body-mib", "N", "larger requests get 413 (64)", WHOLE, AT(max_body_mib), 1, 2047},
    {"--max-values-mib", "N", "a request whose values or results take more gets 400 (1024)", WHOLE, AT(max_values_mib),
     1, 1048576},
    {"--memory-mib", "N", "for bodies, values and answers together; more get 503 (half of what the control group has)",
     WHOLE, AT(memory_mib), 1, 1e8},
    {"--batching", "NAME=on|off", "on: the model's rows are known to stay apart; off: never together", TEXTS,
     AT(batching), 0, 0},
    {"--non-finite", "HOW", "a NaN in an answer of V2 is null, an error (500) or words: null, error, words (null)",
     TEXT, AT(non_finite), 0, 0},
    {"--admin-token-file", "PATH", "who loads models shows this token; without: programs of this machine", TEXT,
     AT(token), 0, 0},
    {"--poll", "N", "seconds between looks for changed models; 0: never (1)", WHOLE, AT(poll_s), 0, 86400},
    {"--drain", "N", "seconds for requests in flight when stopping (25)", WHOLE, AT(drain_s), 1, 3600},
    {"--drain-delay", "N", "of these, seconds that new connections are taken in any case (0)", WHOLE, AT(delay_s), 0,
     3600},
    {"--quiet", NULL, "no log line for each request", FLAG, AT(quiet), 0, 0},
    {0}};

/* Returns v for the server's options, where 0 asks for the default: a true 0 is said as -1. */
static int true_zero(int v) { return v ? v : -1; }

static bool read_non_finite(const char *text, enum wg__non_finite *to)
{
    static const char *const names[] = {
        [WG__NON_FINITE_NULL] = "null", [WG__NON_FINITE_ERROR] = "error", [WG__NON_FINITE_WORDS] = "words"};
    for (int i = 0; text && i < 3; i++)
        if (!strcmp(text, names[i])) {
            *to = (enum wg__non_finite)i;
            return true;
        }
    return !text;
}

static struct wg__server *start_server(const struct serve *s, wg_error *e)
{
    enum wg__non_finite non_finite = WG__NON_FINITE_NULL;
    read_non_finite(s->non_finite, &non_finite);
    struct wg__server_options o = {.n_models = s->model.n,
                                   .model = s->model.at,
                                   .host = s->host,
                                   .port = true_zero(s->port),
                                   .threads = s->threads,
                                   .max_batch = s->max_batch,
                                   .max_delay_us = true_zero(s->max_delay_us),
                                   .queue = s->queue,
                                   .deadline_ms = true_zero(s->deadline_ms),
                                   .connections = s->connections,
                                   .max_body = (int64_t)s->max_body_mib << 20,
                                   .max_values = (int64_t)s->max_values_mib << 20,
                                   .memory = (int64_t)s->memory_mib << 20,
                                   .n_batching = s->batching.n,
                                   .batching = s->batching.at,
                                   .non_finite = non_finite,
                                   .admin_token = s->token,
                                   .poll_s = true_zero(s->poll_s),
                                   .drain_s = s->drain_s,
                                   .delay_s = s->delay_s,
                                   .quiet = s->quiet,
                                   .log = stdout};
    return wg__server_start(&o, e);
}

/* Opens /dev/null for each standard file that is closed, so that no connection gets its number. */
static void open_standard_files(void)
{
    int fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO) fd = dup(fd);
    if (fd >= 0) close(fd);
}

static void say_where(const struct serve *s, int port)
{
    const char *host = s->host ? s->host : "127.0.0.1";
    if (!strcmp(host, "0.0.0.0")) host = "127.0.0.1";
    if (!strcmp(host, "::")) host = "::1";
    fprintf(stderr, strchr(host, ':') ? "wengert serve: http://[%s]:%d/\n" : "wengert serve: http://%s:%d/\n", host,
            port);
}

/* Ends the process at a second signal.  (Process 1 of a container ignores a signal without a handler.) */
static void end_now(int signal_number) { _exit(128 + signal_number); }

/* Serves until a signal ends it. All threads block the signals, so that only sigwait here takes them. */
static int serve(const struct serve *s)
{
    sigset_t set;
    wg_error e;
    int      signal_number;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN); /* without a reader of the log it goes on */
    open_standard_files();
    struct wg__server *server = start_server(s, &e);
    if (!server) return complain(&command_serve, "%s", e.message);
    say_where(s, wg__server_port(server));
    while (!sigwait(&set, &signal_number) && signal_number == SIGHUP) wg__server_reload(server);
    signal(SIGTERM, end_now);
    signal(SIGINT, end_now);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    int cut = wg__server_stop(server);
    return cut ? complain(&command_serve, "%d requests were cut off", cut) : DONE;
}

static int run(int argc, char **argv)
{
    struct serve s = {.port = 8501,
                      .max_batch = 32,
                      .max_delay_us = 200,
                      .queue = 1024,
                      .deadline_ms = 30000,
                      .connections = 4096,
                      .max_body_mib = 64,
                      .max_values_mib = 1024,
                      .poll_s = 1,
                      .drain_s = 25};
    struct texts words = {0};
    int          status;
    if (!options_read(&command_serve, argc, argv, &s, &words, &status)) return status;
    if (words.n) return misused(&command_serve, "\"%s\" is no option", words.at[0]);
    if (!s.model.n) return misused(&command_serve, "which model? --model NAME=PATH");
    enum wg__non_finite how;
    if (!read_non_finite(s.non_finite, &how))
        return misused(&command_serve, "--non-finite wants null, error or words, not \"%s\"", s.non_finite);
    return serve(&s);
}

const struct command command_serve = {"serve", "--model NAME=PATH... [OPTIONS]",
                                      "predictions over HTTP: TensorFlow Serving, KServe V1 and V2, and a page at /",
                                      options, run};
