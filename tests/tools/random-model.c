/* SPDX-License-Identifier: Apache-2.0
 * random-model OUT-DIR [KEY=NUMBER...]: writes a complete model of random weights in the layouts of published ones, for
 * tests of everything around the weights. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/memory/file.h"
#include "engine/model/sd-vae.h"
#include "engine/model/stdit.h"
#include "engine/model/t5.h"
#include "engine/text/sentencepiece-shim.h"
#include "engine/train/parameters.h"

enum { TEXT_LENGTH = 32, EXTRA_IDS = 3 };

/* What the command line can change. */
typedef struct {
  double width, depth, heads, patch;      /* STDiT */
  double text_width, text_depth;          /* T5 */
  double vae_width, vae_levels;
  double frames, size, steps, guidance, space_scale;
  double seed, bf16;
} Options;

static const struct { const char *name; gsize offset; } option_table[] = {
  { "width", offsetof (Options, width) }, { "depth", offsetof (Options, depth) }, { "heads", offsetof (Options, heads) },
  { "patch", offsetof (Options, patch) }, { "text-width", offsetof (Options, text_width) },
  { "text-depth", offsetof (Options, text_depth) }, { "vae-width", offsetof (Options, vae_width) },
  { "vae-levels", offsetof (Options, vae_levels) },
  { "frames", offsetof (Options, frames) }, { "size", offsetof (Options, size) },
  { "steps", offsetof (Options, steps) }, { "guidance", offsetof (Options, guidance) },
  { "space-scale", offsetof (Options, space_scale) }, { "seed", offsetof (Options, seed) }, { "bf16", offsetof (Options, bf16) },
};

typedef struct {
  const Options *options;
  const char *folder;
  FwNoise noise;
  FwStditConfig stdit;
  FwT5Config t5;
  FwSdVaeConfig vae;
} Model;

static gboolean
write_text (const Model *model, const char *name, const char *text, GError **error)
{
  g_autofree char *path = g_build_filename (model->folder, name, NULL);
  return fw_file_write (path, text, strlen (text), error);
}

/* Scales that keep a signal's size: norms 1, biases small, matrices by their fan-in. */
static void
fill (const FwParameter *parameter, FwNoise *noise, float *values)
{
  gboolean bias = g_str_has_suffix (parameter->name, "bias"), gain = parameter->rank == 1 && !bias;
  gint64 fan_in = 1;
  for (int axis = 1; axis < parameter->rank; axis++)
    fan_in *= parameter->dim[axis];
  float scale = bias ? 0.02f : gain ? 0.1f : 1 / sqrtf ((float) fan_in);
  fw_noise_randn (noise, values, (gsize) parameter->count);
  for (gint64 i = 0; i < parameter->count; i++)
    values[i] = scale * values[i] + (gain ? 1 : 0);
}

static gboolean
write_weights (Model *model, FwRecord record, const char *subfolder, const char *stem, GError **error)
{
  g_autoptr (FwParameters) parameters = fw_parameters_new (record, model, error);
  if (parameters == NULL)
    return FALSE;
  g_autofree float *flat = g_new0 (float, fw_parameters_size (parameters));
  for (guint i = 0; i < fw_parameters_count (parameters); i++) {
    const FwParameter *parameter = fw_parameters_get (parameters, i);
    fill (parameter, &model->noise, flat + parameter->offset);
  }
  g_autofree char *folder = g_build_filename (model->folder, subfolder, NULL);
  return fw_parameters_write (parameters, flat, model->options->bf16 != 0 ? FW_DTYPE_BF16 : FW_DTYPE_F32, NULL, 0, folder, stem, error);
}

static void
record_stdit (FwGraph *graph, gpointer data)
{
  const FwStditConfig *config = &((Model *) data)->stdit;
  gint64 length = config->model_max_length, width = config->caption_channels;
  const int *patch = config->patch_size;
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, 5, (gint64[]) { 1, config->in_channels, patch[0], patch[1], patch[2] });
  FwVal t = fw_external (graph, "t", FW_DTYPE_F32, 1, (gint64[]) { 1 });
  FwVal y = fw_external (graph, "y", FW_DTYPE_F32, 3, (gint64[]) { 1, length, width });
  fw_keep (graph, "out", fw_stdit (graph, config, x, t, y, FW_NONE));
  fw_weight (graph, "y_embedder.y_embedding", 2, (gint64[]) { length, width });
}

static void
record_t5 (FwGraph *graph, gpointer data)
{
  FwVal ids = fw_external (graph, "ids", FW_DTYPE_I32, 2, (gint64[]) { 1, TEXT_LENGTH });
  fw_keep (graph, "out", fw_t5_encoder (graph, &((Model *) data)->t5, ids, FW_NONE));
}

static void
record_vae (FwGraph *graph, gpointer data)
{
  const FwSdVaeConfig *config = &((Model *) data)->vae;
  gint64 side = 2 * fw_sd_vae_factor (config);
  FwVal image = fw_external (graph, "image", FW_DTYPE_F32, 4, (gint64[]) { 1, 3, side, side });
  FwVal latent = fw_external (graph, "latent", FW_DTYPE_F32, 4, (gint64[]) { 1, config->latent_channels, 2, 2 });
  fw_keep (graph, "moments", fw_sd_vae_encode (graph, config, image));
  fw_keep (graph, "out", fw_sd_vae_decode (graph, config, latent));
}

static gboolean
write_denoiser (Model *model, GError **error)
{
  const Options *o = model->options;
  model->stdit = (FwStditConfig) {
    .in_channels = 4, .hidden_size = (int) o->width, .depth = (int) o->depth, .num_heads = (int) o->heads, .mlp_ratio = 4,
    .patch_size = { 1, (int) o->patch, (int) o->patch }, .caption_channels = (int) o->text_width, .model_max_length = TEXT_LENGTH,
    .space_scale = o->space_scale, .time_scale = 1,
  };
  return write_weights (model, record_stdit, NULL, "transformer", error);
}

static gboolean
write_vocabulary (Model *model, gsize *pieces, GError **error)
{
  static const char *const sentences[] = {
    "a big red circle moving left on a navy background", "a small blue square standing still on a black background",
    "a big green triangle growing on a grey background", "a small white circle moving up on a brown background",
    "big, red, circle, small, blue, square, green, triangle, white, moving, left, up, standing, still, growing, on, a, navy",
  };
  const FwSentencePieceTraining training = { FW_SENTENCEPIECE_UNIGRAM, 64, FALSE };
  g_autoptr (GBytes) bytes = fw_sentencepiece_train (sentences, G_N_ELEMENTS (sentences), &training, error);
  if (bytes == NULL)
    return FALSE;
  gsize size;
  gconstpointer data = g_bytes_get_data (bytes, &size);
  g_autoptr (FwSentencePiece) loaded = fw_sentencepiece_load_bytes (data, size, "spiece.model", error);
  if (loaded == NULL)
    return FALSE;
  *pieces = fw_sentencepiece_size (loaded);
  g_autofree char *path = g_build_filename (model->folder, "text", "spiece.model", NULL);
  return fw_file_write (path, data, size, error);
}

static gboolean
write_text_encoder (Model *model, GError **error)
{
  gsize pieces;
  if (!write_vocabulary (model, &pieces, error))
    return FALSE;
  int width = (int) model->options->text_width, heads = MAX (width / 16, 1);
  model->t5 = (FwT5Config) {
    .vocab_size = (int) pieces + EXTRA_IDS, .d_model = width, .d_kv = width / heads, .d_ff = 2 * width,
    .num_layers = (int) model->options->text_depth, .num_heads = heads,
    .relative_buckets = 16, .relative_max_distance = 32, .epsilon = 1e-6,
  };
  g_autofree char *config = g_strdup_printf (
    "{\n  \"model_type\": \"t5\",\n  \"vocab_size\": %d,\n  \"d_model\": %d,\n  \"d_kv\": %d,\n  \"d_ff\": %d,\n"
    "  \"num_layers\": %d,\n  \"num_heads\": %d,\n  \"relative_attention_num_buckets\": 16,\n  \"relative_attention_max_distance\": 32,\n"
    "  \"feed_forward_proj\": \"gated-gelu\",\n  \"layer_norm_epsilon\": 1e-6\n}\n",
    model->t5.vocab_size, width, model->t5.d_kv, model->t5.d_ff, model->t5.num_layers, heads);
  return write_weights (model, record_t5, "text", "model", error)
         && write_text (model, "text/config.json", config, error);
}

static gboolean
write_vae (Model *model, GError **error)
{
  FwSdVaeConfig *config = &model->vae;
  *config = (FwSdVaeConfig) { .in_channels = 3, .latent_channels = 4, .layers_per_block = 1, .norm_groups = 2,
                              .n_levels = (int) model->options->vae_levels, .scaling_factor = 0.6 };
  g_autoptr (GString) text = g_string_new (
    "{\n  \"_class_name\": \"AutoencoderKL\",\n  \"in_channels\": 3,\n  \"out_channels\": 3,\n  \"latent_channels\": 4,\n"
    "  \"layers_per_block\": 1,\n  \"norm_num_groups\": 2,\n  \"scaling_factor\": 0.6,\n  \"block_out_channels\": [");
  for (int i = 0; i < config->n_levels; i++) {
    config->channels[i] = (int) model->options->vae_width * (i == 0 ? 1 : 2);
    g_string_append_printf (text, "%s%d", i > 0 ? ", " : "", config->channels[i]);
  }
  g_string_append (text, "]\n}\n");
  return write_weights (model, record_vae, "vae", "diffusion_pytorch_model", error)
         && write_text (model, "vae/config.json", text->str, error);
}

static gboolean
write_card (const Model *model, GError **error)
{
  const Options *o = model->options;
  const FwStditConfig *c = &model->stdit;
  char guidance[G_ASCII_DTOSTR_BUF_SIZE], space_scale[G_ASCII_DTOSTR_BUF_SIZE];
  g_ascii_dtostr (guidance, sizeof guidance, o->guidance);
  g_ascii_dtostr (space_scale, sizeof space_scale, o->space_scale);
  g_autofree char *text = g_strdup_printf (
    "{\n  \"name\": \"random\",\n  \"title\": \"Random weights\",\n  \"licence\": \"CC0-1.0\",\n"
    "  \"transformer\": {\n    \"architecture\": \"STDiT\",\n    \"weights\": \"transformer.safetensors\",\n    \"config\": {\n"
    "      \"hidden_size\": %d, \"depth\": %d, \"num_heads\": %d, \"patch_size\": [1, %d, %d],\n"
    "      \"caption_channels\": %d, \"model_max_length\": %d, \"space_scale\": %s, \"time_scale\": 1\n    }\n  },\n"
    "  \"text\": { \"architecture\": \"T5\", \"weights\": \"text\", \"length\": %d },\n"
    "  \"vae\": { \"architecture\": \"AutoencoderKL\", \"weights\": \"vae\" },\n"
    "  \"defaults\": { \"frames\": %d, \"width\": %d, \"height\": %d, \"fps\": 8, \"steps\": %d, \"guidance\": %s,"
    " \"sampler\": \"dpm-solver\" }\n}\n",
    c->hidden_size, c->depth, c->num_heads, c->patch_size[1], c->patch_size[2], c->caption_channels, c->model_max_length,
    space_scale, TEXT_LENGTH, (int) o->frames, (int) o->size, (int) o->size, (int) o->steps, guidance);
  return write_text (model, "model.json", text, error);
}

static gboolean
make_folders (const char *folder, GError **error)
{
  static const char *const parts[] = { "text", "vae" };
  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++) {
    g_autofree char *path = g_build_filename (folder, parts[i], NULL);
    if (g_mkdir_with_parents (path, 0755) != 0) {
      g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot make “%s”: %s", path, g_strerror (errno));
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
parse (Options *options, char **words, GError **error)
{
  for (; *words != NULL; words++) {
    const char *equals = strchr (*words, '=');
    gsize i = 0, length = equals != NULL ? (gsize) (equals - *words) : strlen (*words);
    g_autofree char *name = g_strndup (*words, length);
    while (i < G_N_ELEMENTS (option_table) && strcmp (option_table[i].name, name) != 0)
      i++;
    char *end = NULL;
    double value = equals != NULL ? g_ascii_strtod (equals + 1, &end) : 0;
    if (i == G_N_ELEMENTS (option_table) || end == NULL || *end != '\0' || end == equals + 1) {
      g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "“%s” is not a known KEY=NUMBER", *words);
      return FALSE;
    }
    *(double *) ((char *) options + option_table[i].offset) = value;
  }
  return TRUE;
}

int
main (int argc, char **argv)
{
  Options options = {
    .width = 32, .depth = 2, .heads = 2, .patch = 2, .text_width = 32, .text_depth = 1, .vae_width = 8, .vae_levels = 3,
    .frames = 4, .size = 32, .steps = 4, .guidance = 2, .space_scale = 1, .seed = 1,
  };
  g_autoptr (GError) error = NULL;
  if (argc < 2) {
    fputs ("usage: random-model OUT-DIR [KEY=NUMBER...]\n", stderr);
    return 2;
  }
  Model model = { .options = &options, .folder = argv[1] };
  gboolean done = parse (&options, argv + 2, &error) && make_folders (argv[1], &error);
  if (done)
    fw_noise_seed (&model.noise, (guint64) options.seed);
  if (done && write_denoiser (&model, &error) && write_text_encoder (&model, &error) && write_vae (&model, &error)
      && write_card (&model, &error))
    return 0;
  fprintf (stderr, "random-model: %s\n", error->message);
  return 1;
}
