/* Calls every public function with NULL for each of its pointers, one process a call: none may crash, and what is no
 * documented NULL is refused with a message that names the call.  TAP on stdout. */
#include "nulls.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

char            path[] = "nulls.out";
wg_graph       *some_wg_graph_p;
wg_node        *some_wg_node_p, *some_wg_node_list[2];
wg_tape        *some_wg_tape_p;
wg_onnx        *some_wg_onnx_p;
wg_batches     *some_wg_batches_p;
wg_safetensors *some_wg_safetensors_p;
wg_error        some_wg_error;
char            some_char_p[64] = "name";
const char     *some_char_pp[2], *some_char_list[2] = {"one", "two"};
_Alignas(64) char some_memory[4096];
wg_array        some_wg_array = {.dtype = WG_F32, .shape = {.rank = 1, .dim = {1}}, .data = some_memory};
const wg_array *some_wg_array_list[2] = {&some_wg_array, &some_wg_array};
void           *some_void_list[2] = {some_memory, some_memory};
FILE           *some_FILE_p;

wg_layer       *some_wg_layer_p, *some_wg_layer_list[2];
static wg_node *apply_nothing(wg_layer *layer, wg_node *const x[], void *data) { return (void)layer, (void)data, x[0]; }
const wg_layer_kind some_wg_layer_kind = {.name = "nothing", .apply = apply_nothing};

static const struct null_call *now;
static char                    said[600]; /* the last of wg_on_error */

/* In place of the library's, which does nothing. */
void wg_on_error(int status, const char *message)
{
    (void)status;
    snprintf(said, sizeof said, "%s", message ? message : "");
}

static void refuse(const char *why, long long status)
{
    printf("# %s with %s NULL: %s (%lld, \"%s\", \"%s\")\n", now->function, now->null, why, status, said,
           some_wg_error.message);
    fflush(stdout);
    _exit(1);
}

static int names_call(const char *text) { return strstr(text, now->function + 3) != NULL; }

static void expect_told(long long status)
{
    if (!names_call(said) && !names_call(some_wg_error.message) && !names_call(wg_onnx_message(some_wg_onnx_p)) &&
        !names_call(wg_batches_message(some_wg_batches_p)))
        refuse("no message names the call", status);
}

void judge_status(int64_t status, int exactly)
{
    if (status >= 0) refuse("taken", status);
    if (exactly && status != WG_EARG) refuse("no WG_EARG", status);
    expect_told(status);
}

void judge_pointer(const void *p, int told)
{
    if (p) refuse("taken", 0);
    if (told) expect_told(0);
}

static void set_up(void)
{
    wg_graph *g = some_wg_graph_p = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(1)), *y = wg_exp(x);
    some_wg_node_p = some_wg_node_list[0] = some_wg_node_list[1] = x;
    some_wg_tape_p = wg_compile(g, 1, &y, NULL);
    some_wg_layer_p = some_wg_layer_list[0] = some_wg_layer_list[1] =
        wg_dense_layer_new(g, WG_F32, 1, 1, "layer", NULL);
    wg_onnx_export(g, 1, &y, "nulls.onnx",
                   &(wg_onnx_export_options){.n_meta = 1, .meta = (const char *const[1][2]){{"key", "text"}}});
    some_wg_onnx_p = wg_onnx_read("nulls.onnx");
    some_wg_batches_p = wg_batches_new(
        &(wg_batch_options){.n = 1, .column = &(wg_column){.array = &some_wg_array, .input = x}, .size = 1}, NULL);
    static const uint64_t size = 2;
    char                  empty[10] = "        {}";
    memcpy(empty, &size, sizeof size);
    some_wg_safetensors_p = wg_safetensors_parse(empty, sizeof empty, NULL);
    some_FILE_p = fopen("/dev/null", "w");
    if (!some_wg_tape_p || !some_wg_layer_p || wg_onnx_status(some_wg_onnx_p) || !some_wg_batches_p ||
        !some_wg_safetensors_p || !some_FILE_p) {
        printf("# nothing to call with\n");
        exit(1);
    }
}

/* Whether the call comes back, in a process of its own, and with what it should. */
static int holds(void)
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        now->call();
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) return 0;
    if (WIFSIGNALED(status))
        printf("# %s with %s NULL: killed by signal %d\n", now->function, now->null, WTERMSIG(status));
    else if (WEXITSTATUS(status) > 1)
        printf("# %s with %s NULL: ended with %d\n", now->function, now->null, WEXITSTATUS(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(void)
{
    int calls = 0, bad = 0;
    set_up();
    for (now = null_calls; now->function; now++, calls++) bad += !holds();
    printf("%sok - %d calls of %d functions with NULL\n", bad ? "not " : "", calls, null_functions);
    return bad != 0 || null_functions < 200;
}
