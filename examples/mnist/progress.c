/* How far the training is: a bar on a terminal, a line an epoch elsewhere. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "mnist.h"

double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int columns(void)
{
    struct winsize w;
    const char    *text = getenv("COLUMNS");
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0) return w.ws_col;
    long n = text ? strtol(text, NULL, 10) : 0;
    return n > 0 && n < 10000 ? (int)n : 80;
}

void progress_begin(struct progress *p, int epochs, long of, long first, long all)
{
    const char *term = getenv("TERM");
    *p = (struct progress){.epochs = epochs, .of = of, .first = first, .all = all, .begin = seconds()};
    p->terminal = isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

static void duration(double s, char *buf, size_t n)
{
    long whole = s < 1e8 ? (long)(s + 0.5) : 100000000;
    if (whole < 60) snprintf(buf, n, "%lds", whole);
    else if (whole < 3600) snprintf(buf, n, "%ldm%02lds", whole / 60, whole % 60);
    else snprintf(buf, n, "%ldh%02ldm", whole / 3600, whole / 60 % 60);
}

static int digits_of(int n) { return n < 10 ? 1 : 1 + digits_of(n / 10); }

/* Writes a loss into buf and returns buf. A diverging loss may have thirty digits. */
static const char *loss_text(double loss, char *buf, size_t n)
{
    snprintf(buf, n, loss < 1e5 ? "%.4f" : "%.2e", loss);
    return buf;
}

/* Draws the line. The bar takes what the numbers leave of it; where that is too little there is no bar. */
static void draw(struct progress *p, double share, const char *numbers)
{
    enum { LEAST = 5, MOST = 30 };
    char head[48], line[256], bar[MOST + 1];
    int  room = columns() - 1; /* in the last column some terminals break the line */
    int  n = snprintf(head, sizeof head, "epoch %*d/%d ", digits_of(p->epochs), p->epoch + 1, p->epochs);
    int  width = room - n - (int)strlen(numbers) - 3;
    if (width > MOST) width = MOST;
    for (int i = 0; i < width; i++) bar[i] = i < (int)(share * width) ? '#' : '-';
    if (width >= LEAST) snprintf(line, sizeof line, "%s[%.*s] %s", head, width, bar, numbers);
    else snprintf(line, sizeof line, "%s %s", head, numbers);
    printf("\r%.*s\033[K", room, line);
    fflush(stdout);
    p->drawn = true;
}

void progress_show(struct progress *p, long images, double loss, double accuracy)
{
    double now = seconds();
    if (!p->terminal || (now - p->shown < 0.1 && images < p->of)) return;
    p->shown = now;
    if (images > p->of) images = p->of;
    long   done = p->epoch * p->of + images;
    double rate = (double)(done - p->first) / (now - p->begin);
    char   left[24], number[24], numbers[160];
    duration((double)(p->all - done) / rate, left, sizeof left);
    snprintf(numbers, sizeof numbers, "loss %s  accuracy %.1f %%  %.0f images/s  %s left",
             loss_text(loss, number, sizeof number), 100 * accuracy, rate, left);
    draw(p, (double)images / (double)p->of, numbers);
}

void progress_clear(struct progress *p)
{
    if (!p->drawn) return;
    printf("\r\033[K");
    fflush(stdout);
    p->drawn = false;
}

void progress_epoch(struct progress *p, const struct epoch *e)
{
    char loss[24];
    progress_clear(p);
    printf("epoch %*d/%d  loss %s  accuracy %.2f %%  test %.2f %%  %.0f images/s\n", digits_of(p->epochs), p->epoch + 1,
           p->epochs, loss_text(e->loss, loss, sizeof loss), 100 * e->train_accuracy, 100 * e->test_accuracy,
           e->images_per_second);
    fflush(stdout);
}
