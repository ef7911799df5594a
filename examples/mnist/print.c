/* Messages for people, words for a shell. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mnist.h"

/* Bytes of the UTF-8 character at p; 0 for a control character and for what is no UTF-8. */
static size_t printable(const unsigned char *p)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
    if (n == 1) return p[0] >= 0x20 && p[0] != 0x7F;
    if (p[0] == 0xC2 && p[1] < 0xA0) return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    return n;
}

/* A byte that would steer a terminal is printed as \x1b. */
static void print_safely(FILE *f, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t n; *p; p += n) {
        if ((n = printable(p))) fwrite(p, 1, n, f);
        else fprintf(f, "\\x%02x", *p);
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

static bool plain(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (!isalnum(*p) && !strchr("_./-,:+@%=", *p)) return false;
    return *text != 0;
}

static bool all_printable(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t n = 1; *p && n; p += n) n = printable(p);
    return *p == 0;
}

/* In '...' all but the quote stand for themselves; in $'...' (POSIX.1-2024) each byte has a name. */
void print_word(FILE *f, const char *text)
{
    bool plainly = plain(text), named = !plainly && !all_printable(text);
    if (!plainly) fputs(named ? "$'" : "'", f);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (named && (*p < 0x20 || *p > 0x7E || *p == '\'' || *p == '\\')) fprintf(f, "\\%03o", *p);
        else if (*p == '\'') fputs("'\\''", f);
        else fputc(*p, f);
    }
    if (!plainly) fputc('\'', f);
}
