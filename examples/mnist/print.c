/* Messages for people, words for a shell. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mnist.h"

/* Prints a byte that would steer a terminal as \x1b. */
static void print_safely(FILE *f, const char *text)
{
    for (int n; *text; text += n) {
        if ((n = wg_printable(text))) fwrite(text, 1, (size_t)n, f);
        else fprintf(f, "\\x%02x", (unsigned char)*text);
        n += n == 0;
    }
}

int complain(const char *format, ...)
{
    char   *text = NULL;
    va_list ap;
    va_start(ap, format);
    int n = vasprintf(&text, format, ap);
    va_end(ap);
    fputs("mnist: ", stderr);
    if (n >= 0) print_safely(stderr, text);
    else fputs("out of memory", stderr);
    fputc('\n', stderr);
    if (n >= 0) free(text);
    return -1;
}

static bool is_plain(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (!isalnum(*p) && !strchr("_./-,:+@%=", *p)) return false;
    return *text != 0;
}

static bool all_printable(const char *text)
{
    for (int n = 1; *text && n; text += n) n = wg_printable(text);
    return *text == 0;
}

/* Prints a word for a shell. In '...' all characters but the quote stand for themselves; in $'...'
 * (POSIX.1-2024) each byte has a name. */
void print_word(FILE *f, const char *text)
{
    bool plainly = is_plain(text), named = !plainly && !all_printable(text);
    if (!plainly) fputs(named ? "$'" : "'", f);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (named && (*p < 0x20 || *p > 0x7E || *p == '\'' || *p == '\\')) fprintf(f, "\\%03o", *p);
        else if (*p == '\'') fputs("'\\''", f);
        else fputc(*p, f);
    }
    if (!plainly) fputc('\'', f);
}
