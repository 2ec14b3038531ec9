/* SPDX-License-Identifier: Apache-2.0
 * framewright-cli generate: a prompt becomes a clip. */
#include "engine/job/generate.h"
#include "app/cli/commands.h"
#include "app/cli/job.h"
#include "engine/memory/file.h"
#include "engine/model/clip-limits.h"
#include "engine/sample/sampler.h"

#include <string.h>

typedef struct {
  char *model, *prompt, *prompts, *negative, *output, *from, *sampler, *noise, *device, *precision, *preview;
  gint64 frames, steps, seed, fps, count, memory;
  double guidance;
  FwOptionSize size;
  gboolean resume, force, json;
} Values;

static const Values defaults = { .seed = -1, .guidance = -1 };

#define AT(field) G_STRUCT_OFFSET (Values, field)

static const FwOption options[] = {
  { "prompt", FW_OPTION_TEXT, AT (prompt), "TEXT", 0, 0, NULL, "what the clip shows" },
  { "prompts", FW_OPTION_TEXT, AT (prompts), "FILE", 0, 0, NULL, "a text file with a prompt on each line" },
  { "negative", FW_OPTION_TEXT, AT (negative), "TEXT", 0, 0, "none", "what the clip should not show" },
  { "from", FW_OPTION_TEXT, AT (from), "FILE", 0, 0, NULL, "repeat the recipe of a clip or of its sidecar" },
  { "output", FW_OPTION_TEXT, AT (output), "FILE|DIR", 0, 0, NULL, "FILE.mp4, FILE.webm, FILE.png or a folder for the clips" },
  { "model", FW_OPTION_TEXT, AT (model), "NAME|PATH", 0, 0, "pocket", "a name from “models list”, or a model's folder or card" },
  { "frames", FW_OPTION_INTEGER, AT (frames), "N", 1, FW_CLIP_MOST_FRAMES, "the model's", "how many frames" },
  { "size", FW_OPTION_SIZE, AT (size), "WxH", FW_CLIP_LEAST_SIDE, FW_CLIP_MOST_SIDE, "the model's", "width and height in pixels" },
  { "fps", FW_OPTION_INTEGER, AT (fps), "N", 1, FW_CLIP_MOST_FPS, "the model's", "frames a second" },
  { "steps", FW_OPTION_INTEGER, AT (steps), "N", 1, FW_CLIP_MOST_STEPS, "the model's", "sampling steps" },
  { "guidance", FW_OPTION_NUMBER, AT (guidance), "X", 0, FW_CLIP_MOST_GUIDANCE, "the model's", "how strictly to follow the prompt; 1 = no guidance" },
  { "sampler", FW_OPTION_TEXT, AT (sampler), "NAME", 0, 0, "the model's", "the sampler, one of those named below" },
  { "seed", FW_OPTION_INTEGER, AT (seed), "N", 0, FW_GENERATE_LAST_SEED, "by chance", "the seed of the first clip; each next one takes one more" },
  { "noise", FW_OPTION_CHOICE, AT (noise), "torch-cpu|torch-cuda", 0, 0, "torch-cpu", "whose random numbers to reproduce" },
  { "count", FW_OPTION_INTEGER, AT (count), "N", 1, FW_GENERATE_MOST_CLIPS, "1", "clips of each prompt" },
  { "device", FW_OPTION_TEXT, AT (device), "auto|cpu|cuda[:N]", 0, 0, "auto", "where to compute" },
  { "precision", FW_OPTION_CHOICE, AT (precision), "auto|fp32|bf16", 0, 0, "auto", "how to compute" },
  { "memory", FW_OPTION_BYTES, AT (memory), "BYTES", 1 << 20, 1125899906842624.0, "what is free", "the most memory to use, as 800M or 2G" },
  { "preview-dir", FW_OPTION_TEXT, AT (preview), "DIR", 0, 0, NULL, "write a picture of the unfinished clip there at each step" },
  { "resume", FW_OPTION_FLAG, AT (resume), NULL, 0, 0, NULL, "go on where the same command was interrupted" },
  { "force", FW_OPTION_FLAG, AT (force), NULL, 0, 0, NULL, "write over existing files" },
  { "json", FW_OPTION_FLAG, AT (json), NULL, 0, 0, NULL, "print one JSON object for each event" },
  { NULL },
};

enum { LARGEST_PROMPTS = 16 << 20, MOST_PROMPTS = FW_GENERATE_MOST_CLIPS };

/* The lines of a prompts file that are not blank. */
static GStrv
read_prompts (const char *path, GError **error)
{
  gsize size = 0;
  g_autofree char *text = fw_file_read (path, LARGEST_PROMPTS, &size, error);
  if (text == NULL)
    return NULL;
  if (!g_utf8_validate_len (text, size, NULL)) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "“%s” is not valid UTF-8 text", path);
    return NULL;
  }
  g_autoptr (GStrvBuilder) prompts = g_strv_builder_new ();
  guint count = 0;
  for (char *line = text, *next; line != NULL && count <= MOST_PROMPTS; line = next) {
    next = strchr (line, '\n');
    if (next != NULL)
      *next++ = '\0';
    if (*g_strstrip (line) == '\0')
      continue;
    g_strv_builder_add (prompts, line);
    count++;
  }
  g_auto (GStrv) found = g_strv_builder_end (prompts);
  if (count > 0 && count <= MOST_PROMPTS)
    return g_steal_pointer (&found);
  if (count == 0)
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "“%s” holds no prompt", path);
  else
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "“%s” holds more than %d prompts; make several files of it", path, MOST_PROMPTS);
  return NULL;
}

static gboolean
check (const Values *values, GError **error)
{
  const char *fault = NULL;
  int sources = (values->prompt != NULL) + (values->prompts != NULL);
  if (values->output == NULL)
    fault = "--output is missing: say where the clip goes";
  else if (sources > 1)
    fault = "--prompt and --prompts exclude each other";
  else if (sources == 0 && values->from == NULL)
    fault = "--prompt is missing: say what the clip shows";
  if (fault != NULL)
    g_set_error_literal (error, FW_ERROR, FW_ERROR_INVALID, fault);
  return fault == NULL;
}

static gboolean
job (gconstpointer request, const FwJobEvents *events, GCancellable *cancellable, GError **error)
{
  return fw_generate (request, events, cancellable, error);
}

static void
explain (GString *help)
{
  g_string_append (help, "\nSamplers:");
  for (guint i = 0; fw_sampler_name (i) != NULL; i++)
    g_string_append_printf (help, "%s %s", i > 0 ? "," : "", fw_sampler_name (i));
  g_string_append_c (help, '\n');
}

static int
run (gpointer data)
{
  Values *values = data;
  g_autoptr (GError) error = NULL;
  if (!check (values, &error))
    return fw_cli_fail (error);
  const char *single[] = { values->prompt, NULL };
  g_auto (GStrv) several = NULL;
  if (values->prompts != NULL && (several = read_prompts (values->prompts, &error)) == NULL)
    return fw_cli_fail (error);
  FwGenerateRequest request = {
    .model = values->model,
    .prompts = several != NULL ? (const char *const *) several : values->prompt != NULL ? single : NULL,
    .negative = values->negative,
    .output = values->output,
    .frames = (int) values->frames,
    .width = values->size.width,
    .height = values->size.height,
    .fps = (int) values->fps,
    .steps = (int) values->steps,
    .guidance = values->guidance,
    .sampler = values->sampler,
    .seed = values->seed,
    .noise = values->noise,
    .count = (int) values->count,
    .device = values->device,
    .precision = values->precision,
    .memory = values->memory,
    .preview = values->preview,
    .from = values->from,
    .resume = values->resume,
    .force = values->force,
  };
  return fw_cli_run_job (job, &request, values->json);
}

const FwCommand fw_command_generate = {
  .name = "generate",
  .arguments = "--prompt TEXT --output FILE [OPTION…]",
  .summary = "Makes clips from prompts.",
  .options = options,
  .values_size = sizeof (Values),
  .defaults = &defaults,
  .explain = explain,
  .run = run,
};
