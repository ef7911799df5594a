/* Digits as text, with what a saved net takes them for. */
#include <stdio.h>
#include <string.h>

#include "mnist.h"

enum { ACROSS = 3 };

/* Two rows of pixels make one line of text, since letters are tall. */
static void print_row(const uint8_t *image, int row)
{
    static const char shade[] = " .:-=+*#%@";
    for (int x = 0; x < SIDE; x++) {
        int v = (image[row * SIDE + x] + image[(row + 1) * SIDE + x]) / 2;
        putchar(shade[v * 9 / 255]);
    }
}

static void print_digits(const uint8_t *image, const uint8_t *label, const uint8_t *guess, const float *probability,
                         int n)
{
    for (int row = 0; row < SIDE; row += 2) {
        for (int i = 0; i < n; i++) {
            print_row(image + i * PIXELS, row);
            if (i + 1 < n) fputs("  ", stdout);
        }
        putchar('\n');
    }
    for (int i = 0; i < n; i++) {
        char text[64];
        snprintf(text, sizeof text, "%d (%.1f %%)%s", guess[i], 100 * (double)probability[i * CLASSES + guess[i]],
                 guess[i] == label[i] ? "" : " WRONG");
        if (guess[i] != label[i]) snprintf(text + strlen(text), sizeof text - strlen(text), ", is %d", label[i]);
        printf("%-*s", i + 1 < n ? SIDE + 2 : 1, text);
    }
    printf("\n\n");
}

static void fill_image(float *x, const uint8_t *image, int n)
{
    for (int i = 0; i < n * PIXELS; i++) x[i] = (float)image[i] / 255;
}

int predict(struct net *n, const struct digits *d, const struct options *o)
{
    const uint8_t *image = d->test_image.data, *label = d->test_label.data;
    int            count = o->count < d->test_image.shape.dim[0] ? o->count : (int)d->test_image.shape.dim[0];
    wg_error       e;
    if (wg_checkpoint_load(n->g, NULL, o->predict, &(wg_load_options){.weights_only = 1}, NULL, &e))
        return complain("%s", e.message);
    wg_tape *t = net_evaluation(n, count, o->threads);
    if (!t) return -1;
    fill_image(wg_input_buffer(t, n->image), image, count);
    if (wg_run(t)) return complain("%s", wg_tape_message(t));
    const uint8_t *guess = wg_view(t, n->guess);
    const float   *probability = wg_view(t, n->probability);
    for (int i = 0; i < count; i += ACROSS)
        print_digits(image + i * PIXELS, label + i, guess + i, probability + i * CLASSES,
                     count - i < ACROSS ? count - i : ACROSS);
    return 0;
}
