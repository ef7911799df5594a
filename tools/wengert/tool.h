/* tool.h - the parts of the command line `wengert`: a command is a file. */
#ifndef WENGERT_TOOL_H
#define WENGERT_TOOL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <wengert/onnx.h>

/* What a command ends with. */
enum { DONE = 0, FAILED = 1, MISUSED = 2 };

struct command {
    const char          *name, *usage, *doc;
    const struct option *options;
    int (*run)(int argc, char **argv);
};
extern const struct command command_show, command_run, command_bench, command_serve;

/* Prints "wengert show: ..." to stderr; gives FAILED. */
int complain(const struct command *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Complains and says where to read more. Returns MISUSED. */
int misused(const struct command *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- options.c ---- */

enum { MAX_TEXTS = 64 };
/* The values of an option that may be given more than once. */
struct texts {
    int         n;
    const char *at[MAX_TEXTS];
};

enum option_kind { FLAG, WHOLE, TEXT, TEXTS, DEVICE };
struct option {
    const char      *name, *value, *help; /* name NULL ends the table */
    enum option_kind kind;
    size_t           at;        /* of a bool, int, const char *, struct texts, or int that wg_options.device takes */
    double           low, high; /* of a whole number */
};
/* Reads argv[1..] into *to; what is no option goes to the words.  True if the
 * command goes on; otherwise it ends with *status (help was printed, or what
 * is wrong). */
bool options_read(const struct command *c, int argc, char **argv, void *to, struct texts *words, int *status);

/* ---- load.c ---- */

/* A model in a graph of its own. */
struct loaded {
    wg_onnx  *onnx;
    wg_graph *g;
    int       n_in, n_out;
    wg_node **in, **out;
};
/* Sizes of symbolic dimensions. */
struct bindings {
    int         n, cap;
    int         known; /* the first so many are sizes of the model since it was imported: nothing is left to bind */
    wg_binding *at;    /* [n] */
    char      **name;  /* [n] the names in at, which are its own */
};
void bindings_free(struct bindings *b);

/* Reads a model; FAILED with the message printed. */
int read_model(const struct command *c, const char *path, struct loaded *l);
/* Imports what was read.  With weights as constants, as the server does, all commands run the same tape. */
int import_model(const struct command *c, const char *path, struct loaded *l, int constants, wg_onnx_import_options o);
/* Reads and imports a model, with what --bind says. */
int  load(const struct command *c, const char *path, struct bindings *b, struct loaded *l);
void unload(struct loaded *l);

/* Reads the "name=size" of each --bind. */
int bind_texts(const struct command *c, const struct texts *t, struct bindings *b);
/* Binds the first axis of each input where it is a symbol without a size. */
int bind_batch(const struct command *c, const struct loaded *l, int batch, struct bindings *b);
/* Binds each symbol of the inputs that has no size yet. */
int bind_rest(const struct command *c, const struct loaded *l, int64_t size, struct bindings *b);
/* Compiles an evaluation tape of all outputs; NULL with the message printed. */
wg_tape *compile(const struct command *c, struct loaded *l, const struct bindings *b, int threads, int device);
/* Returns the name of a device that a tape was compiled for. */
const char *device_text(int device, char *buf, size_t n);

/* ---- print.c ---- */

/* Prints every text that comes from a file or from the command line. Bytes that would steer a terminal
 * are printed as \x1b, newlines and tabs as they are. */
void put_text(FILE *f, const char *text);
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void vprint(FILE *f, const char *format, va_list ap) __attribute__((format(printf, 2, 0)));

/* Writes a type as "f32 [batch,784]". */
const char *type_text(const wg_graph *g, wg_dtype t, const wg_shape *s, char *buf, size_t n);
/* Writes a size as "1.5 MiB". */
const char *bytes_text(double bytes, char *buf, size_t n);
/* Prints values as nested lists, with the middle of long axes left out. */
void print_values(FILE *f, const wg_array *a);

#endif
