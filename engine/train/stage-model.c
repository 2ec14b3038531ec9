/* SPDX-License-Identifier: Apache-2.0
 * The stage that assembles what was trained: a folder with a model card and all files that it names, ready for use. */
#include <errno.h>

#include <glib/gstdio.h>

#include "engine/checkpoint/safetensors-write.h"
#include "engine/job/sha256.h"
#include "engine/memory/file.h"
#include "engine/model/card.h"
#include "engine/model/config.h"
#include "engine/sample/sampler.h"
#include "engine/train/recipe-json.h"
#include "engine/train/stage.h"

static const char *const keys[] = { "transformer", "stored", "shard_megabytes", "title", "description", "licence", "source", "defaults", NULL };
static const char *const texts[] = { "title", "description", "licence", "source" };

/* The names by which recipes call the types of stored weights. */
static const struct { const char *name; FwDtype dtype; } stored_types[] = { { "f32", FW_DTYPE_F32 }, { "bf16", FW_DTYPE_BF16 } };
static const char *const stored_names[] = { "f32", "bf16", NULL };

enum { MOST_MEGABYTES = 1 << 20 };

typedef struct {
  FwTrainContext *context;   /* NULL while the recipe is checked */
  const FwTrainStage *stage, *transformer, *vae, *text, *pieces;
  FwStditConfig config;
  FwDtype stored;
  int shard_megabytes;       /* at most so much of the transformer in one file */
  JsonObject *sha256;        /* of the card; file -> digest */
} ModelStage;

static const FwConfigField stage_fields[] = {
  { "shard_megabytes", FW_CONFIG_INT, offsetof (ModelStage, shard_megabytes), 1, 1, MOST_MEGABYTES, FALSE },
  { NULL }
};

static gboolean
is_sampler (const char *name)
{
  for (guint i = 0; fw_sampler_name (i) != NULL; i++)
    if (g_strcmp0 (fw_sampler_name (i), name) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
trained_on_clips (const FwTrainStage *stage)
{
  return stage->rows[0].frames > 1;
}

static gboolean
read_stage (ModelStage *s, const FwTrainRecipe *recipe, GError **error)
{
  const FwTrainStage *stage = s->stage;
  g_autofree char *what = g_strdup_printf ("stage “%s”", stage->name);
  const char *stored = "f32";
  FwModelCard defaults;
  s->shard_megabytes = MOST_MEGABYTES;
  s->transformer = fw_stage_named (recipe, stage, "transformer", &fw_stage_diffusion, error);
  if (s->transformer == NULL || !fw_stage_diffusion_config (recipe, s->transformer, &s->config, error))
    return FALSE;
  if (!trained_on_clips (s->transformer))
    return fw_recipe_refuse (error, "%s wants a “transformer” that was trained on clips", what);
  s->vae = fw_stage_named (recipe, s->transformer, "vae", &fw_stage_image_vae, error);
  s->text = fw_stage_named (recipe, s->transformer, "text", &fw_stage_text_encoder, error);
  s->pieces = fw_stage_named (recipe, s->text, "tokenizer", &fw_stage_sentencepiece, error);
  JsonObject *json = fw_recipe_strict_object (stage->json, "defaults", fw_model_card_default_members, what, error);
  if (json == NULL || !fw_config_read (json, fw_model_card_default_fields, &defaults, what, error)
      || !fw_recipe_choice (stage->json, "stored", stored_names, &stored, what, error)
      || !fw_config_read (stage->json, stage_fields, s, what, error))
    return FALSE;
  if (!is_sampler (fw_recipe_text (json, "sampler")))
    return fw_recipe_refuse (error, "%s names no known “sampler”", what);
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    if (json_object_has_member (stage->json, texts[i]) && fw_recipe_text (stage->json, texts[i]) == NULL)
      return fw_recipe_refuse (error, "“%s” of %s is a text", texts[i], what);
  for (gsize i = 0; i < G_N_ELEMENTS (stored_types); i++)
    if (g_str_equal (stored_types[i].name, stored))
      s->stored = stored_types[i].dtype;
  return TRUE;
}

/* What other stages keep in the model's folder would be replaced by the model's own files, or taken for them. */
static gboolean
has_own_folder (const FwTrainRecipe *recipe, const FwTrainStage *stage, GError **error)
{
  g_autofree char *inside = g_strconcat (stage->output, "/", NULL);
  for (guint i = 0; i < recipe->stages->len; i++) {
    const FwTrainStage *other = &g_array_index (recipe->stages, FwTrainStage, i);
    if (g_str_has_prefix (other->output, inside))
      return fw_recipe_refuse (error, "the “output” of stage “%s” lies in that of “%s”, which is the model's alone", other->name,
                               stage->name);
  }
  return TRUE;
}

static gboolean
check (const FwTrainRecipe *recipe, const FwTrainStage *stage, GError **error)
{
  ModelStage s = { .stage = stage };
  return has_own_folder (recipe, stage, error) && read_stage (&s, recipe, error);
}

/* Copying and hashing some tens of megabytes. */
static gboolean
forecast (FwTrainContext *context, const FwTrainStage *stage, FwStageForecast *forecast, GError **error)
{
  forecast->seconds[0] = 0.3;
  return TRUE;
}

static gboolean
make_folder (const ModelStage *s, const char *name, GError **error)
{
  g_autofree char *path = fw_stage_path (s->context, s->stage, name);
  if (g_mkdir_with_parents (path, 0755) == 0)
    return TRUE;
  g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot make the folder “%s”: %s", path, g_strerror (errno));
  return FALSE;
}

static gboolean
note_digest (const ModelStage *s, const char *file, GError **error)
{
  g_autofree char *path = fw_stage_path (s->context, s->stage, file);
  g_autofree char *digest = fw_sha256_file (path, s->context->cancellable, error);
  if (digest != NULL)
    json_object_set_string_member (s->sha256, file, digest);
  return digest != NULL;
}

/* The file @source of the stage @from as @file of the model. */
static gboolean
copy (const ModelStage *s, const FwTrainStage *from, const char *source, const char *file, GError **error)
{
  g_autofree char *old = fw_stage_path (s->context, from, source), *new = fw_stage_path (s->context, s->stage, file);
  g_autoptr (GMappedFile) content = fw_file_map (old, error);
  return content != NULL && fw_file_write (new, g_mapped_file_get_contents (content), g_mapped_file_get_length (content), error);
}

/* The last transformer's tensors in the type and in files of the size that are wanted. */
static gboolean
write_transformer (const ModelStage *s, GError **error)
{
  g_autofree char *old = fw_stage_path (s->context, s->transformer, NULL), *new = fw_stage_path (s->context, s->stage, "transformer");
  g_autoptr (FwCheckpoint) checkpoint = fw_checkpoint_open (old, error);
  if (checkpoint == NULL)
    return FALSE;
  guint count = fw_checkpoint_count (checkpoint);
  g_autofree FwSafetensorsEntry *entries = g_new0 (FwSafetensorsEntry, count);
  for (guint i = 0; i < count; i++) {
    const FwCheckpointTensor *tensor = fw_checkpoint_tensor (checkpoint, i);
    gconstpointer data = fw_checkpoint_map (checkpoint, tensor);
    if (data == NULL) {
      g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT, "“%s” was not written by this program: its tensors are not plain", old);
      return FALSE;
    }
    entries[i] = (FwSafetensorsEntry) { tensor->name, fw_tensor_dense ((gpointer) data, tensor->dtype, tensor->rank, tensor->dim),
                                        s->stored };
  }
  g_auto (GStrv) files = fw_safetensors_write_shards (new, "diffusion_pytorch_model", entries, count,
                                                      (guint64) s->shard_megabytes * 1000000, error);
  gboolean done = files != NULL;
  for (char **file = files; done && *file != NULL; file++) {
    g_autofree char *name = g_build_filename ("transformer", *file, NULL);
    done = note_digest (s, name, error);
  }
  return done;
}

static JsonObject *
network (const char *architecture, const char *weights)
{
  JsonObject *json = json_object_new ();
  json_object_set_string_member (json, "architecture", architecture);
  json_object_set_string_member (json, "weights", weights);
  return json;
}

static JsonObject *
describe_transformer (const ModelStage *s)
{
  const FwStditConfig *c = &s->config;
  JsonObject *json = network ("STDiT", "transformer"), *config = json_object_new ();
  JsonArray *patch = json_array_new ();
  for (int i = 0; i < 3; i++)
    json_array_add_int_element (patch, c->patch_size[i]);
  json_object_set_int_member (config, "in_channels", c->in_channels);
  json_object_set_int_member (config, "hidden_size", c->hidden_size);
  json_object_set_int_member (config, "depth", c->depth);
  json_object_set_int_member (config, "num_heads", c->num_heads);
  json_object_set_array_member (config, "patch_size", patch);
  json_object_set_int_member (config, "caption_channels", c->caption_channels);
  json_object_set_int_member (config, "model_max_length", c->model_max_length);
  json_object_set_double_member (config, "space_scale", c->space_scale);
  json_object_set_double_member (config, "time_scale", c->time_scale);
  json_object_set_object_member (json, "config", config);
  return json;
}

/* The sizes of the clips that the transformer's last stage was trained on. */
static JsonArray *
describe_sizes (const ModelStage *s)
{
  JsonArray *list = json_array_new ();
  for (guint i = 0; i < s->transformer->n_rows; i++) {
    const FwTrainRow *row = &s->transformer->rows[i];
    if (row->frames == 1)
      continue;
    JsonObject *size = json_object_new ();
    json_object_set_int_member (size, "frames", row->frames);
    json_object_set_int_member (size, "width", row->size);
    json_object_set_int_member (size, "height", row->size);
    json_array_add_object_element (list, size);
  }
  return list;
}

static gboolean
write_card (const ModelStage *s, GError **error)
{
  JsonObject *json = json_object_new (), *text = network ("T5", "text");
  json_object_set_string_member (json, "name", s->context->recipe->name);
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    if (json_object_has_member (s->stage->json, texts[i]))
      json_object_set_string_member (json, texts[i], fw_recipe_text (s->stage->json, texts[i]));
  json_object_set_int_member (text, "length", s->config.model_max_length);
  json_object_set_object_member (json, "transformer", describe_transformer (s));
  json_object_set_object_member (json, "text", text);
  json_object_set_object_member (json, "vae", network ("AutoencoderKL", "vae"));
  json_object_set_member (json, "defaults", json_node_copy (json_object_get_member (s->stage->json, "defaults")));
  json_object_set_array_member (json, "trained", describe_sizes (s));
  json_object_set_object_member (json, "sha256", json_object_ref (s->sha256));
  return fw_stage_write_json (s->context, s->stage, "model.json", json, error);
}

/* The card is read as any other, and every network that it names is opened. */
static gboolean
try_card (const ModelStage *s, GError **error)
{
  g_autofree char *path = fw_stage_path (s->context, s->stage, "model.json");
  g_autoptr (FwModelCard) card = fw_model_card_read (path, error);
  gboolean good = card != NULL;
  for (FwNetworkRole role = 0; good && role < FW_N_ROLES; role++) {
    FwNetwork *opened = fw_model_card_open (card, role, error);
    good = opened != NULL;
    fw_network_free (opened);
  }
  return good;
}

static gboolean
assemble (const ModelStage *s, GError **error)
{
  const struct { const FwTrainStage *from; const char *source, *file; } copies[] = {
    { s->vae, "config.json", "vae/config.json" },
    { s->vae, "diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors" },
    { s->text, "config.json", "text/config.json" },
    { s->text, "model.safetensors", "text/model.safetensors" },
    { s->pieces, NULL, "text/spiece.model" },
  };
  if (!make_folder (s, "transformer", error) || !make_folder (s, "vae", error) || !make_folder (s, "text", error)
      || !write_transformer (s, error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (copies); i++)
    if (!copy (s, copies[i].from, copies[i].source, copies[i].file, error) || !note_digest (s, copies[i].file, error))
      return FALSE;
  return write_card (s, error) && try_card (s, error);
}

static gboolean
run (FwTrainContext *context, const FwTrainStage *stage, GError **error)
{
  ModelStage s = { .context = context, .stage = stage };
  if (!read_stage (&s, context->recipe, error))
    return FALSE;
  s.sha256 = json_object_new ();
  gboolean done = assemble (&s, error);
  json_object_unref (s.sha256);
  return done;
}

const FwStageKind fw_stage_model = { "model", keys, FALSE, TRUE, check, forecast, run };
