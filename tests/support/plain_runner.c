/* A runner of Criterion's tests that only forks: one process for each test,
 * in order, TAP on stdout.  Sanitizers and valgrind see such a child as any
 * other; a leak that LeakSanitizer finds at its exit fails the test.
 *
 *   wengert-tests [SUITE[/TEST]]... [-SUITE[/TEST]]...
 *
 * Tests that begin so, all without; but none that begins like what follows a minus. */
#include <criterion/criterion.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The linker gathers the tests and suites between these. */
extern struct criterion_test  *__start_cr_tst[], *__stop_cr_tst[];
extern struct criterion_suite *__start_cr_sts[] __attribute__((weak)), *__stop_cr_sts[] __attribute__((weak));

enum { PASSED = 0, FAILED = 1, SKIPPED = 77, SECONDS = 600 };
static int     outcome; /* of the test that this child runs */
static jmp_buf end;

/* ---- What the assertions call, in place of Criterion's own ---- */

void criterion_send_assert(struct criterion_assert_stats *stats);
void criterion_send_assert(struct criterion_assert_stats *stats)
{
    if (stats->passed) return;
    outcome = FAILED;
    const char *text = stats->message && *stats->message ? stats->message : "assertion failed";
    printf("# %s:%u: %s\n", stats->file, stats->line, text);
}
void criterion_abort_test(void) { longjmp(end, 1); }
void criterion_continue_test(void) {}
void criterion_skip_test(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    printf("# skipped: ");
    vprintf(format, ap);
    va_end(ap);
    putchar('\n');
    outcome = SKIPPED;
    longjmp(end, 1);
}
void criterion_test_die(const char *format, ...)
{
    (void)format;
    _exit(FAILED);
}

/* Criterion's own library is not linked: what its macros call beside that. */
struct criterion_options criterion_options;
void                     cri_asserts_passed_incr(void) {}
void cr_log(enum criterion_severity severity, const char *format, ...) { (void)severity, (void)format; }
void cr_asprintf_free(char *text) { free(text); }
int  cr_asprintf(char **text, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = vasprintf(text, format, ap);
    va_end(ap);
    return n;
}
/* Says which expression was false; Criterion would know a sentence for each kind. */
char *cr_translate_assert_msg(int kind, ...)
{
    va_list ap;
    char   *text;
    (void)kind;
    va_start(ap, kind);
    if (cr_asprintf(&text, "%s", va_arg(ap, const char *)) < 0) text = NULL;
    va_end(ap);
    return text;
}

static const struct criterion_test_extra_data *suite_of(const struct criterion_test *t)
{
    static const struct criterion_test_extra_data none;
    for (struct criterion_suite **s = __start_cr_sts; s && s < __stop_cr_sts; s++)
        if (strcmp((*s)->name, t->category) == 0 && (*s)->data) return (*s)->data;
    return &none;
}

static const struct criterion_test *current;
void                                criterion_internal_test_setup(void)
{
    if (suite_of(current)->init) suite_of(current)->init();
    if (current->data->init) current->data->init();
}
void criterion_internal_test_main(void (*body)(void)) { body(); }
void criterion_internal_test_teardown(void)
{
    if (current->data->fini) current->data->fini();
    if (suite_of(current)->fini) suite_of(current)->fini();
}

/* ---- The runner ---- */

/* Never returns; leaves by exit, where LeakSanitizer looks. */
static void run_child(const struct criterion_test *t)
{
    current = t;
    alarm(SECONDS);
    if (!setjmp(end)) t->test();
    exit(outcome);
}

static int run(const struct criterion_test *t)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) run_child(t);
    if (child < 0 || waitpid(child, &status, 0) < 0) return FAILED;
    if (WIFSIGNALED(status)) {
        printf("# signal %d\n", WTERMSIG(status));
        return WTERMSIG(status) == t->data->signal ? PASSED : FAILED;
    }
    if (t->data->signal) return FAILED;
    return WEXITSTATUS(status) == t->data->exit_code ? PASSED : WEXITSTATUS(status) == SKIPPED ? SKIPPED : FAILED;
}

static int wanted(const struct criterion_test *t, int argc, char **argv)
{
    char name[256];
    int  some = 0, found = 0;
    snprintf(name, sizeof name, "%s/%s", t->category, t->name);
    for (int i = 1; i < argc; i++) {
        int minus = *argv[i] == '-', begins = strncmp(name, argv[i] + minus, strlen(argv[i]) - (size_t)minus) == 0;
        if (minus && begins) return 0;
        some |= !minus;
        found |= !minus && begins;
    }
    return found || !some;
}

int main(int argc, char **argv)
{
    int count = 0, failed = 0;
    for (struct criterion_test **p = __start_cr_tst; p < __stop_cr_tst; p++) {
        if (!wanted(*p, argc, argv)) continue;
        int disabled = (*p)->data->disabled || suite_of(*p)->disabled;
        int result = disabled ? SKIPPED : (*p)->data->kind_ == CR_TEST_NORMAL ? run(*p) : FAILED;
        printf("%s - %s::%s%s\n", result == FAILED ? "not ok" : "ok", (*p)->category, (*p)->name,
               result == SKIPPED ? " # SKIP" : "");
        count++;
        failed += result == FAILED;
    }
    printf("1..%d\n", count);
    return failed || !count;
}
