/* The options of a command: one table says what there is, reads it and explains it. */
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static void print_help(const struct command *c)
{
    char left[64];
    printf("usage: wengert %s %s\n\n%s\n\n", c->name, c->usage, c->doc);
    for (const struct option *o = c->options; o->name; o++) {
        snprintf(left, sizeof left, "%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        printf("  %-22s %s%s\n", left, o->help, o->kind == TEXTS ? "; may be repeated" : "");
    }
    printf("  %-22s this text\n", "--help, -h");
}

/* Reads a device; "cuda" is the first of them. */
static int set_device(const struct command *c, const struct option *o, const char *text, int *device)
{
    const char *number = !strncmp(text, "cuda:", 5) ? text + 5 : !strcmp(text, "cuda") ? "0" : "";
    if (!strcmp(text, "cpu")) {
        *device = WG_DEVICE_CPU;
        return DONE;
    }
    if (!*number || number[strspn(number, "0123456789")] || strlen(number) > 3)
        return misused(c, "%s wants cpu, cuda or cuda:N, not \"%s\"", o->name, text);
    *device = WG_DEVICE_CUDA(atoi(number));
    return DONE;
}

static int set(const struct command *c, const struct option *o, const char *text, void *to)
{
    char *at = (char *)to + o->at, *end;
    if (o->kind == FLAG) {
        *(bool *)at = true;
        return DONE;
    }
    if (o->kind == DEVICE) return set_device(c, o, text, (int *)at);
    if (o->kind == TEXT) {
        *(const char **)at = text;
        return DONE;
    }
    if (o->kind == TEXTS) {
        struct texts *t = (struct texts *)at;
        if (t->n == MAX_TEXTS) return misused(c, "%s more than %d times", o->name, MAX_TEXTS);
        t->at[t->n++] = text;
        return DONE;
    }
    double v = strtod(text, &end);
    if (!*text || text[strspn(text, "0123456789")] || *end || v < o->low || v > o->high)
        return misused(c, "%s wants a whole number from %.0f to %.0f, not \"%s\"", o->name, o->low, o->high, text);
    *(int *)at = (int)v;
    return DONE;
}

/* Reads "--name value" or "--name=value". */
static int take(const struct command *c, int argc, char **argv, int *i, void *to)
{
    const char *word = argv[*i], *equals = strchr(word, '=');
    size_t      n = equals ? (size_t)(equals - word) : strlen(word);
    for (const struct option *o = c->options; o->name; o++) {
        if (strlen(o->name) != n || strncmp(o->name, word, n)) continue;
        if (o->kind == FLAG && equals) return misused(c, "%s takes no value", o->name);
        if (o->kind == FLAG) return set(c, o, "", to);
        if (equals) return set(c, o, equals + 1, to);
        if (*i + 1 == argc) return misused(c, "%s wants a value: %s %s", o->name, o->name, o->value);
        return set(c, o, argv[++*i], to);
    }
    return misused(c, "there is no option %.*s", (int)n, word);
}

bool options_read(const struct command *c, int argc, char **argv, void *to, struct texts *words, int *status)
{
    *status = DONE;
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            print_help(c);
            return false;
        }
    for (int i = 1; i < argc && *status == DONE; i++) {
        if (argv[i][0] == '-' && argv[i][1]) *status = take(c, argc, argv, &i, to);
        else if (words->n == MAX_TEXTS) *status = misused(c, "more than %d words", MAX_TEXTS);
        else words->at[words->n++] = argv[i];
    }
    return *status == DONE;
}
