/* SPDX-License-Identifier: Apache-2.0
 * framewright-cli inspect: what a checkpoint holds, without running or loading any of it. */
#include "app/cli/commands.h"
#include "app/cli/print.h"
#include "engine/checkpoint/identify.h"

#include <stdio.h>

typedef struct {
  GStrv files;
  gboolean json;
} Values;

static const FwOption options[] = {
  { "json", FW_OPTION_FLAG, G_STRUCT_OFFSET (Values, json), NULL, 0, 0, NULL, "print one JSON object" },
  { NULL },
};

static void
print_text (const FwCheckpoint *checkpoint, const FwCheckpointSummary *summary, const char *lacking)
{
  g_autofree char *size = g_format_size ((guint64) summary->bytes);
  printf ("Layout      %s\n", fw_checkpoint_layout (checkpoint));
  printf ("Kind        %s\n", summary->kind != NULL ? summary->kind : "not a network that this version knows");
  printf ("Content     %u tensors, %.2f million values, %s\n", fw_checkpoint_count (checkpoint),
          (double) summary->elements / 1e6, size);
  printf ("Safe        yes: read as data, nothing in it was executed\n");
  g_autofree char *what = lacking != NULL ? fw_cli_printable (lacking) : NULL;
  if (what != NULL)
    printf ("Complete    no: %s is not in it\n", what);
  else
    printf ("Complete    yes: every tensor lies whole in the file\n");
  for (guint i = 0; i < fw_checkpoint_count (checkpoint); i++) {
    const FwCheckpointTensor *tensor = fw_checkpoint_tensor (checkpoint, i);
    g_autofree char *name = fw_cli_printable (tensor->name);
    g_autofree char *shape = fw_checkpoint_tensor_shape (tensor);
    printf ("%-5s %-20s %s\n", fw_checkpoint_tensor_type (tensor), shape, name);
  }
}

static void
build_tensors (const FwCheckpoint *checkpoint, JsonBuilder *builder)
{
  json_builder_begin_array (builder);
  for (guint i = 0; i < fw_checkpoint_count (checkpoint); i++) {
    const FwCheckpointTensor *tensor = fw_checkpoint_tensor (checkpoint, i);
    json_builder_begin_object (builder);
    fw_cli_json_text (builder, "name", tensor->name);
    fw_cli_json_text (builder, "type", fw_checkpoint_tensor_type (tensor));
    json_builder_set_member_name (builder, "shape");
    json_builder_begin_array (builder);
    for (int axis = 0; axis < tensor->rank; axis++)
      json_builder_add_int_value (builder, tensor->dim[axis]);
    json_builder_end_array (builder);
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
}

static void
print_json (const FwCheckpoint *checkpoint, const FwCheckpointSummary *summary, const char *lacking)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  json_builder_begin_object (builder);
  fw_cli_json_text (builder, "layout", fw_checkpoint_layout (checkpoint));
  fw_cli_json_text (builder, "kind", summary->kind);
  fw_cli_json_truth (builder, "safe", TRUE); /* or it would have been refused */
  fw_cli_json_truth (builder, "complete", lacking == NULL);
  fw_cli_json_text (builder, "lacking", lacking);
  fw_cli_json_integer (builder, "values", summary->elements);
  fw_cli_json_integer (builder, "bytes", summary->bytes);
  json_builder_set_member_name (builder, "tensors");
  build_tensors (checkpoint, builder);
  json_builder_end_object (builder);
  fw_cli_json_print (builder);
}

static int
run (gpointer data)
{
  const Values *values = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (FwCheckpoint) checkpoint = fw_checkpoint_open (values->files[0], &error);
  if (checkpoint == NULL)
    return fw_cli_fail (error);
  FwCheckpointSummary summary = fw_checkpoint_summarize (checkpoint);
  g_autofree char *missing = fw_checkpoint_first_missing (checkpoint);
  (values->json ? print_json : print_text) (checkpoint, &summary, summary.lacking != NULL ? summary.lacking : missing);
  return FW_EXIT_DONE;
}

const FwCommand fw_command_inspect = {
  .name = "inspect",
  .arguments = "FILE|DIR [--json]",
  .summary = "Tells what a checkpoint holds, and whether it is safe and complete.",
  .options = options,
  .values_size = sizeof (Values),
  .positionals_offset = G_STRUCT_OFFSET (Values, files),
  .positionals_minimum = 1,
  .positionals_maximum = 1,
  .run = run,
};
