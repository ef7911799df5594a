/* The command line: shows, runs, measures and serves ONNX models. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wengert/tool.h"

static const struct command *const commands[] = {&command_show, &command_run, &command_bench, &command_serve};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void say(const struct command *c, const char *format, va_list ap)
{
    fprintf(stderr, "wengert%s%s: ", c ? " " : "", c ? c->name : "");
    vprint(stderr, format, ap);
}

int complain(const struct command *c, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    say(c, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    return FAILED;
}

int misused(const struct command *c, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    say(c, format, ap);
    va_end(ap);
    fprintf(stderr, " (type: wengert%s%s --help)\n", c ? " " : "", c ? c->name : "");
    return MISUSED;
}

static int help(void)
{
    printf("usage: wengert COMMAND ...\n\n");
    for (int i = 0; i < COMMANDS; i++) printf("  %-7s %s\n", commands[i]->name, commands[i]->doc);
    printf("\nwengert COMMAND --help says more; wengert --version names the build\n");
    return DONE;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) return misused(NULL, "which command? show, run, bench or serve");
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) return help();
    if (!strcmp(argv[1], "--version")) {
        fputs(wg_build_info(), stdout);
        return DONE;
    }
    for (int i = 0; i < COMMANDS; i++)
        if (!strcmp(argv[1], commands[i]->name)) return commands[i]->run(argc - 1, argv + 1);
    return misused(NULL, "there is no command \"%s\"", argv[1]);
}

int main(int argc, char **argv)
{
    int status = dispatch(argc, argv);
    if ((fflush(stdout) || ferror(stdout)) && status == DONE)
        return complain(NULL, "cannot write to the standard output");
    return status;
}
