/* How far the training is: a bar on a terminal, a line an epoch elsewhere. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "mnist.h"

double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void progress_begin(struct progress *p, int epoch, int epochs, long images_before)
{
    if (p->begin == 0) {
        p->terminal = isatty(STDOUT_FILENO);
        p->begin = seconds();
        p->first = images_before;
    }
    p->epoch = epoch;
    p->epochs = epochs;
}

static void duration(double s, char *buf, size_t n)
{
    long whole = (long)(s + 0.5);
    if (whole < 60) snprintf(buf, n, "%lds", whole);
    else if (whole < 3600) snprintf(buf, n, "%ldm%02lds", whole / 60, whole % 60);
    else snprintf(buf, n, "%ldh%02ldm", whole / 3600, whole / 60 % 60);
}

void progress_show(struct progress *p, long images, long of, long all_of, double loss, double accuracy)
{
    enum { WIDTH = 24 };
    double now = seconds();
    if (!p->terminal || (now - p->shown < 0.1 && images < of)) return;
    p->shown = now;
    long   done = (long)(p->epoch) * of + images;
    double rate = (double)(done - p->first) / (now - p->begin);
    char   left[24], bar[WIDTH + 1];
    for (int i = 0; i < WIDTH; i++) bar[i] = i < (int)((double)images / (double)of * WIDTH) ? '#' : '-';
    bar[WIDTH] = 0;
    duration((double)(all_of - done) / rate, left, sizeof left);
    printf("\repoch %d/%d [%s] loss %.4f  accuracy %.2f %%  %.0f images/s  %s left \033[K", p->epoch + 1, p->epochs,
           bar, loss, 100 * accuracy, rate, left);
    fflush(stdout);
}

void progress_epoch(const struct progress *p, const struct epoch *e)
{
    printf("%sepoch %2d/%d  loss %.4f  accuracy %.2f %%  test %.2f %%  %.0f images/s%s\n", p->terminal ? "\r" : "",
           p->epoch + 1, p->epochs, e->loss, 100 * e->train_accuracy, 100 * e->test_accuracy, e->images_per_second,
           p->terminal ? "\033[K" : "");
    fflush(stdout);
}
