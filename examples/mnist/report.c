/* What the training led to: a table and a picture. */
#include <stdio.h>
#include <unistd.h>

#include "mnist.h"

void report_confusion(long confusion[CLASSES][CLASSES])
{
    printf("\n       taken for\ndigit ");
    for (int j = 0; j < CLASSES; j++) printf("%6d", j);
    printf("   right\n");
    for (int i = 0; i < CLASSES; i++) {
        long all = 0;
        printf("%5d ", i);
        for (int j = 0; j < CLASSES; j++) {
            all += confusion[i][j];
            if (confusion[i][j]) printf("%6ld", confusion[i][j]);
            else printf("%6s", ".");
        }
        printf("  %5.1f %%\n", all ? 100 * (double)confusion[i][i] / (double)all : 0);
    }
}

enum { WIDTH = 720, HEIGHT = 300, LEFT = 60, TOP = 40, PLOT = 260, TALL = 200 };

struct axis {
    double low, high;
};

static double x_of(int panel, int i, int n)
{
    return LEFT + panel * (WIDTH / 2) + (n > 1 ? (double)i / (n - 1) : 0.5) * PLOT;
}
static double y_of(struct axis a, double v) { return TOP + TALL * (1 - (v - a.low) / (a.high - a.low)); }

static void frame(FILE *f, int panel, const char *title, struct axis a, const char *unit, int first, int n)
{
    int x = LEFT + panel * (WIDTH / 2);
    fprintf(f, "<text x=\"%d\" y=\"%d\" font-weight=\"bold\">%s</text>\n", x, TOP - 16, title);
    for (int k = 0; k <= 4; k++) {
        double v = a.low + (a.high - a.low) * k / 4, y = y_of(a, v);
        fprintf(f, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>", x, x + PLOT, y, y);
        fprintf(f, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.3g%s</text>\n", x - 6, y + 4, v, unit);
    }
    for (int i = 0; i < n; i += 1 + n / 10)
        fprintf(f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d</text>", x_of(panel, i, n), TOP + TALL + 18,
                first + i + 1);
    fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">epoch</text>\n", x + PLOT / 2, TOP + TALL + 38);
}

static double value(const struct epoch *e, int what)
{
    return what == 0 ? e->loss : 100 * (what == 1 ? e->train_accuracy : e->test_accuracy);
}

static void line(FILE *f, int panel, struct axis a, const struct epoch *e, int n, int what, const char *colour,
                 const char *name)
{
    fprintf(f, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", colour);
    for (int i = 0; i < n; i++) fprintf(f, "%.1f,%.1f ", x_of(panel, i, n), y_of(a, value(&e[i], what)));
    fprintf(f, "\"/>\n");
    for (int i = 0; i < n; i++)
        fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>", x_of(panel, i, n),
                y_of(a, value(&e[i], what)), colour);
    fprintf(f, "<text x=\"%d\" y=\"%d\" fill=\"%s\" text-anchor=\"end\">%s</text>\n", LEFT + panel * (WIDTH / 2) + PLOT,
            TOP - 16 + (what == 1 ? 14 : 0), colour, name);
}

static struct axis range(const struct epoch *e, int n, int from, int to)
{
    struct axis a = {1e300, -1e300};
    for (int i = 0; i < n; i++)
        for (int what = from; what <= to; what++) {
            double v = value(&e[i], what);
            if (v < a.low) a.low = v;
            if (v > a.high) a.high = v;
        }
    double room = a.high > a.low ? 0.05 * (a.high - a.low) : 0.5;
    return (struct axis){a.low - room, a.high + room};
}

static void draw(FILE *f, const struct epoch *e, int first, int n)
{
    struct axis loss = range(e, n, 0, 0), accuracy = range(e, n, 1, 2);
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
            "font-size=\"12\">\n",
            WIDTH, HEIGHT);
    fprintf(f, "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n", WIDTH, HEIGHT);
    frame(f, 0, "Loss", loss, "", first, n);
    line(f, 0, loss, e, n, 0, "#c0392b", "training");
    frame(f, 1, "Accuracy", accuracy, " %", first, n);
    line(f, 1, accuracy, e, n, 1, "#c0392b", "training");
    line(f, 1, accuracy, e, n, 2, "#2471a3", "test");
    fprintf(f, "</svg>\n");
}

int report_curve(const char *path, const struct epoch *e, int first, int n)
{
    char beside[4096];
    if (snprintf(beside, sizeof beside, "%s.%ld", path, (long)getpid()) >= (int)sizeof beside)
        return complain("the path of %s is too long", path);
    FILE *f = fopen(beside, "w");
    if (!f) return complain("cannot write %s", path);
    draw(f, e + first, first, n - first);
    int bad = ferror(f);
    if (fclose(f) || bad || rename(beside, path)) {
        remove(beside);
        return complain("cannot write %s", path);
    }
    printf("learning curve drawn in %s\n", path);
    return 0;
}
