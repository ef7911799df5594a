/* What the training led to: a table and a picture. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

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
        if (all) printf("  %5.1f %%\n", 100 * (double)confusion[i][i] / (double)all);
        else printf("      -\n");
    }
}

/* ---- The learning curve: two panels, loss and accuracy ---- */

/* In units of the picture: its size, and the first panel's place. */
enum { WIDTH = 760, HEIGHT = 300, LEFT = 60, TOP = 50, ACROSS = 290, TALL = 190, NEXT = 385 };

#define RED "#c0392b"
#define BLUE "#2471a3"
#define GREY "#666"

struct panel {
    int    x;               /* of its left edge */
    double low, high, step; /* of the vertical axis, round numbers */
    int    n;               /* epochs */
    FILE  *f;
};

enum series { LOSS, TRAIN_ACCURACY, TEST_ACCURACY };

static double value(const struct epoch *e, enum series s)
{
    return s == LOSS ? e->loss : 100 * (s == TRAIN_ACCURACY ? e->train_accuracy : e->test_accuracy);
}

/* Returns the least number of 1, 2 or 5 times a power of ten that is v or more. */
static double round_up(double v)
{
    double ten = pow(10, floor(log10(v)));
    return v <= ten ? ten : v <= 2 * ten ? 2 * ten : v <= 5 * ten ? 5 * ten : 10 * ten;
}

static struct panel panel_of(FILE *f, int x, const struct epoch *e, int n, enum series from, enum series to)
{
    double low = INFINITY, high = -INFINITY;
    for (int i = 0; i < n; i++)
        for (enum series s = from; s <= to; s++) {
            low = fmin(low, value(&e[i], s));
            high = fmax(high, value(&e[i], s));
        }
    double step = round_up(fmax(high - low, 1e-3 * fmax(high, 1)) / 5);
    low = step * floor(low / step);
    high = step * ceil(high / step);
    return (struct panel){.x = x, .low = low, .high = high > low ? high : low + step, .step = step, .n = n, .f = f};
}

static double x_of(const struct panel *p, int i) { return p->x + (p->n > 1 ? (double)i / (p->n - 1) : 0.5) * ACROSS; }

static double y_of(const struct panel *p, double v) { return TOP + TALL * (p->high - v) / (p->high - p->low); }

static void draw_frame(const struct panel *p, const char *title, const char *unit)
{
    int decimals = p->step < 1 ? (int)ceil(-log10(p->step) - 1e-9) : 0,
        lines = (int)((p->high - p->low) / p->step + 0.5);
    double every = round_up(p->n / 10.0 > 1 ? p->n / 10.0 : 1);
    fprintf(p->f, "<text x=\"%d\" y=\"%d\" font-weight=\"bold\" font-size=\"14\">%s</text>\n", p->x, TOP - 20, title);
    for (int k = 0; k <= lines; k++) {
        double v = p->low + k * p->step, y = y_of(p, v);
        fprintf(p->f, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>", p->x, p->x + ACROSS, y, y);
        fprintf(p->f, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" fill=\"" GREY "\">%.*f%s</text>\n", p->x - 10,
                y + 4, decimals, v, unit);
    }
    for (int i = 0; i < p->n; i++)
        if (p->n <= 10 || (i + 1) % (int)every == 0)
            fprintf(p->f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" fill=\"" GREY "\">%d</text>", x_of(p, i),
                    TOP + TALL + 20, i + 1);
    fprintf(p->f, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\" fill=\"" GREY "\">epoch</text>\n", p->x + ACROSS / 2,
            TOP + TALL + 40);
}

static void draw_line(const struct panel *p, const struct epoch *e, enum series s, const char *colour)
{
    enum { FEW = 40 };
    fprintf(p->f, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", colour);
    for (int i = 0; i < p->n; i++) fprintf(p->f, "%s%.1f,%.1f", i ? " " : "", x_of(p, i), y_of(p, value(&e[i], s)));
    fprintf(p->f, "\"/>\n");
    for (int i = 0; i < p->n && p->n <= FEW; i++)
        fprintf(p->f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>", x_of(p, i), y_of(p, value(&e[i], s)),
                colour);
    fputc('\n', p->f);
}

/* Draws a name at the panel's upper right, `back` from its edge. */
static void draw_name(const struct panel *p, int back, const char *name, const char *colour)
{
    int x = p->x + ACROSS - back;
    fprintf(p->f, "<circle cx=\"%d\" cy=\"%d\" r=\"4\" fill=\"%s\"/>", x, TOP - 24, colour);
    fprintf(p->f, "<text x=\"%d\" y=\"%d\">%s</text>\n", x + 9, TOP - 20, name);
}

static void draw(FILE *f, const struct epoch *e, int n)
{
    struct panel loss = panel_of(f, LEFT, e, n, LOSS, LOSS);
    struct panel accuracy = panel_of(f, LEFT + NEXT, e, n, TRAIN_ACCURACY, TEST_ACCURACY);
    fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" ", WIDTH,
            HEIGHT, WIDTH, HEIGHT);
    fprintf(f, "font-family=\"sans-serif\" font-size=\"12\">\n<title>Learning curve</title>\n");
    fprintf(f, "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n", WIDTH, HEIGHT);
    draw_frame(&loss, "Loss", "");
    draw_line(&loss, e, LOSS, RED);
    draw_name(&loss, 60, "training", RED);
    draw_frame(&accuracy, "Accuracy", " %");
    draw_line(&accuracy, e, TRAIN_ACCURACY, RED);
    draw_line(&accuracy, e, TEST_ACCURACY, BLUE);
    draw_name(&accuracy, 110, "training", RED);
    draw_name(&accuracy, 32, "test", BLUE);
    fprintf(f, "</svg>\n");
}

int report_curve(const char *path, const struct epoch *e, int n)
{
    char    *text = NULL;
    size_t   size;
    wg_error error;
    FILE    *f = open_memstream(&text, &size);
    if (!f) return complain("out of memory");
    draw(f, e, n);
    int status = fclose(f) ? complain("out of memory") : 0;
    if (!status && wg_file_write(path, text, size, &error)) status = complain("%s", error.message);
    free(text);
    if (status) return status;
    fputs("learning curve drawn in ", stdout);
    print_word(stdout, path);
    putchar('\n');
    return 0;
}
