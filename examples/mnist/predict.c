/* Digits as text, with what a saved net takes them for. */
#include <stdio.h>
#include <string.h>

#include "mnist.h"

enum { GAP = 2, MOST_ACROSS = 8 };

/* Shades one character from two rows of pixels, since letters are tall. */
static char shade(const uint8_t *image, int row, int x)
{
    int v = (image[row * SIDE + x] + image[(row + 1) * SIDE + x]) / 2;
    return " .:-=+*#%@"[v * 9 / 255];
}

static void put_line(char *line)
{
    size_t n = strlen(line);
    while (n && line[n - 1] == ' ') n--;
    printf("%.*s\n", (int)n, line);
}

static void print_pictures(const uint8_t *image, int n)
{
    for (int row = 0; row < SIDE; row += 2) {
        char line[MOST_ACROSS * (SIDE + GAP) + 1];
        memset(line, ' ', sizeof line);
        for (int i = 0; i < n; i++)
            for (int x = 0; x < SIDE; x++) line[i * (SIDE + GAP) + x] = shade(image + i * PIXELS, row, x);
        line[sizeof line - 1] = 0;
        put_line(line);
    }
}

static void print_guesses(const uint8_t *label, const uint8_t *guess, const float *probability, int n)
{
    char line[MOST_ACROSS * (SIDE + GAP) + 1] = "", text[SIDE + GAP];
    for (int i = 0; i < n; i++) {
        int k =
            snprintf(text, sizeof text, "%d (%.1f %%)", guess[i], 100 * (double)probability[i * CLASSES + guess[i]]);
        if (guess[i] != label[i]) snprintf(text + k, sizeof text - (size_t)k, " WRONG, is %d", label[i]);
        snprintf(line + strlen(line), sizeof line - strlen(line), "%-*s", SIDE + GAP, text);
    }
    put_line(line);
    putchar('\n');
}

static void fill_images(float *x, const uint8_t *image, int n)
{
    for (int i = 0; i < n * PIXELS; i++) x[i] = (float)(image[i] * (1.0 / 255));
}

static int images_across(void)
{
    int n = (columns() + GAP) / (SIDE + GAP);
    return n < 1 ? 1 : n > MOST_ACROSS ? MOST_ACROSS : n;
}

int predict(struct net *n, const struct digits *d, const struct options *o)
{
    const uint8_t *image = d->test_image.data, *label = d->test_label.data;
    int            count = o->count < d->test_image.shape.dim[0] ? o->count : (int)d->test_image.shape.dim[0];
    int            row = images_across(), right = 0;
    wg_error       e;
    if (wg_checkpoint_load(n->g, NULL, o->predict, &(wg_load_options){.weights_only = 1}, NULL, &e))
        return complain("%s", e.message);
    wg_tape *t = net_evaluation(n, count, o);
    if (!t) return -1;
    fill_images(wg_input_buffer(t, n->image), image, count);
    if (wg_run(t)) return complain("%s", wg_tape_message(t));
    const uint8_t *guess = wg_view(t, n->guess);
    const float   *probability = wg_view(t, n->probability);
    for (int i = 0; i < count; i += row) {
        int here = count - i < row ? count - i : row;
        print_pictures(image + i * PIXELS, here);
        print_guesses(label + i, guess + i, probability + i * CLASSES, here);
    }
    for (int i = 0; i < count; i++) right += guess[i] == label[i];
    printf("%d of %d right\n", right, count);
    return 0;
}
