# Makes a C program of the public headers: for each function and each of its
# pointers a call with NULL in that place and sound values in the others, and
# one with NULL in all of them.  nulls.h has the values and the judge; what the
# headers let be NULL is in the two lists below.
#
#   cat include/*.h | awk -f tests/public/nulls.awk > calls.c

BEGIN {
    # By name of the parameter, or function.parameter: NULL stands for a default, for "none", or for "not wanted".
    split("e why options init solver info wg_named.name wg_input.name wg_checkpoint_save.t wg_checkpoint_load.t " \
        "wg_followed.run wg_followed.value wg_batches_position.epoch wg_batches_position.batch wg_apply.attr " \
        "wg_onnx_declared.name wg_onnx_declared.dtype wg_onnx_meta_at.key wg_onnx_meta_at.text wg_onnx_node_at.op " \
        "wg_onnx_node_at.name wg_onnx_operator.name wg_onnx_operator.since wg_onnx_tensor_read.name " \
        "wg_onnx_tensor_write.name wg_parallel.context wg_on_error.message wg_onnx_read.path wg_onnx_parse.bytes " \
        "wg_dim.g wg_layer_part.part wg_layer_part.layer wg_layer_params.layer wg_layer_params.param wg_layer_new.name wg_layer_new.data", list, " ")
    for (i in list) allowed[list[i]] = 1
    allowed["wg_dense_with.name"] = 1 # refused, as dense
    # Functions that ask: they have an answer for NULL and leave no message.
    split("wg_status wg_message wg_clear_error wg_printable wg_seed wg_set_seed wg_count wg_param_count wg_param_at wg_param_find " \
        "wg_node_role wg_node_graph wg_node_shape wg_node_dtype wg_node_name wg_node_kind wg_node_arity " \
        "wg_node_operand wg_node_attr wg_node_op wg_node_results wg_node_result wg_tape_status wg_tape_message " \
        "wg_tape_graph wg_tape_shape wg_run_number wg_set_run_number wg_stats wg_init_find wg_solver_find " \
        "wg_schedule_at wg_array_bytes wg_csv_find wg_npz_find wg_safetensors_count wg_safetensors_at " \
        "wg_safetensors_find wg_safetensors_reason wg_safetensors_meta wg_batch_peek wg_batches_count " \
        "wg_batches_message wg_onnx_status wg_onnx_message wg_onnx_declared wg_onnx_input_count wg_onnx_input " \
        "wg_onnx_input_name wg_onnx_output_count wg_onnx_output wg_onnx_output_name wg_onnx_about wg_onnx_meta_at " \
        "wg_onnx_meta wg_onnx_node_at wg_shape_make wg_axes_make wg_dim_name wg_watch " \
        "wg_layer_find wg_layer_name wg_layer_graph wg_layer_data", list, " ")
    for (i in list) asks[list[i]] = 1
    # What the library hands to the functions of an operator, which hand it back: never NULL.
    handed = "wg_infer \\*|wg_call \\*|wg_stack \\*|wg_onnx_form \\*"
    print "#include \"nulls.h\""
}

/^WG_API/ && !/extern/ { text = ""; on = 1 }
on { sub(/\/\*.*\*\//, ""); sub(/\/\*.*/, ""); text = text " " $0 }
on && /;/ { on = 0; declare(text) }

function declare(text,    head, name, result, k, i, n, part, type, id, args, all) {
    sub(/__attribute__.*/, "", text); sub(/WG_API/, "", text)
    gsub(/[ \t\n]+/, " ", text)
    gsub(/void \(\*body\)\([^)]*\)/, "wg_body *body", text)
    k = index(text, "(")
    head = substr(text, 1, k - 1)
    text = substr(text, k + 1)
    sub(/\) *;? *$/, "", text)
    name = head; sub(/.*[ *]/, "", name)
    result = substr(head, 1, length(head) - length(name)); gsub(/^ | $/, "", result)
    if (text ~ handed) return
    functions++
    n = text ~ /^ *(void)?$/ ? 0 : split(text, part, ",")
    all = ""
    for (i = 1; i <= n; i++) {
        gsub(/^ | $/, "", part[i])
        if (part[i] == "...") { n = i - 1; break }
        id[i] = part[i]; sub(/\[.*/, "", id[i]); sub(/.*[ *]/, "", id[i])
        type[i] = part[i]
        if (type[i] ~ /\[/) { sub(id[i] "\\[", "[", type[i]) } else sub(/[a-z_0-9]+$/, "", type[i])
        gsub(/ $/, "", type[i])
        pointer[i] = type[i] ~ /[*\[]/
    }
    for (k = 0; k <= n; k++) {
        if (k && !pointer[k]) continue
        args = ""
        for (i = 1; i <= n; i++)
            args = args (i > 1 ? ", " : "") (i == k || (!k && pointer[i]) ? "NULL" : value(type[i], id[i]))
        if (k || args ~ /NULL/) call(name, k ? id[k] : "", result, k ? type[k] : "", args)
    }
}

# The sound value of a type, by a name of nulls.h.
function value(type, id,    t) {
    if (type ~ /\[/ && type !~ /char|wg_node|wg_layer|wg_array|void/) { sub(/ *\[.*/, " *", type) }
    t = type
    sub(/^const /, "", t)
    if (id == "path") return "path"
    if (id == "i") return "0" # the first of several
    if (sub(/ *\*const \[\]\[2\]/, "_pairs", t)) return "some_" t
    gsub(/ \*const \[\]| \*const\[\]/, "_list", t); gsub(/ \*\[\]/, "_list", t)
    gsub(/\*const/, "*", t); gsub(/\*/, "p", t); gsub(/ /, "_", t)
    return "some_" t
}

function call(name, id, result, type, args,    kind) {
    # What has to be told: a status, or that there is none of what was asked for.
    kind = result == "int" ? "STATUS" : result == "int64_t" ? "NUMBER" : result ~ /\*/ ? "POINTER" : "NOTHING"
    if (name in asks || id == "" || id in allowed || (name "." id) in allowed || name ~ /_free$/) kind = "NOTHING"
    else if (type ~ /^(const )?wg_(node|graph|layer) \*$/ && result ~ /wg_(node|tape|layer)/) kind = "SILENT"
    printf "static void call_%d(void)\n{\n", rows
    if (kind == "STATUS" || kind == "NUMBER") printf "    judge_status(%s(%s), %d);\n}\n", name, args, kind == "STATUS"
    else if (kind != "NOTHING") printf "    judge_pointer(%s(%s), %d);\n}\n", name, args, kind == "POINTER"
    else printf "    (void)%s(%s);\n}\n", name, args
    row[rows++] = sprintf("    {\"%s\", \"%s\", call_%d},\n", name, id == "" ? "everything" : id, rows - 1)
}

END {
    print "const struct null_call null_calls[] = {"
    for (i = 0; i < rows; i++) printf "%s", row[i]
    printf "    {NULL, NULL, NULL}};\nconst int null_functions = %d;\n", functions
}
