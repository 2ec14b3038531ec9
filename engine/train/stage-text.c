/* SPDX-License-Identifier: Apache-2.0
 * The stage that trains the text encoder: five linear heads must tell the attributes from the mean of its states. */
#include <math.h>
#include <string.h>

#include "engine/checkpoint/safetensors-write.h"
#include "engine/graph/ops.h"
#include "engine/memory/buffers.h"
#include "engine/model/config.h"
#include "engine/model/layers.h"
#include "engine/model/t5.h"
#include "engine/train/init.h"
#include "engine/train/recipe-json.h"
#include "engine/train/shapes-batch.h"
#include "engine/train/stage.h"

static const char *const keys[] = { "model", "tokenizer", "length", NULL };
static const char *const model_keys[] = {
  "d_model", "num_layers", "num_heads", "d_kv", "d_ff", "relative_attention_num_buckets", "relative_attention_max_distance",
  "feed_forward_proj", "layer_norm_epsilon", "dropout_rate", NULL
};

typedef struct {
  FwTrainContext *context;
  const FwTrainStage *stage;
  FwT5Config config;
  FwT5Tokenizer *tokenizer;  /* NULL in a rehearsal */
  gint64 length;
  FwTrainer *trainer;
  FwBuffers buffers;         /* all that follow */
  FwShapesScene *scenes;
  gint32 *ids, *labels[FW_SHAPES_N_ATTRIBUTES];
  guint8 *mask;
  float *share;              /* [batch, length, 1]: 1/count at real tokens */
} TextStage;

/* Keeps the variance of every product about one (T5's own rule). */
static const FwInitRule init_rules[] = {
  { "layer_norm.weight", NULL, FW_INIT_ONE, 0 },
  { ".bias", NULL, FW_INIT_ZERO, 0 },
  { "shared.weight", NULL, FW_INIT_NORMAL, 1 },
  { "relative_attention_bias.weight", NULL, FW_INIT_NORMAL, 0.1 },
  { "SelfAttention.q.weight", NULL, FW_INIT_UNIT_GAIN, 0.18 }, /* there is no 1/sqrt(d_kv) in the scores */
  { NULL, NULL, FW_INIT_UNIT_GAIN, 1 },
};

static FwVal
record_loss (FwGraph *graph, guint variant, gpointer data)
{
  const TextStage *s = data;
  gint64 size = s->stage->rows[0].batch;
  FwVal ids = fw_external (graph, "ids", FW_DTYPE_I32, 2, (gint64[]) { size, s->length });
  FwVal mask = fw_external (graph, "mask", FW_DTYPE_U8, 2, (gint64[]) { size, s->length });
  FwVal share = fw_external (graph, "share", FW_DTYPE_F32, 3, (gint64[]) { size, s->length, 1 });
  FwVal states = fw_t5_encoder (graph, &s->config, ids, mask);
  FwVal pooled = fw_reshape_to (graph, fw_reduce (graph, FW_REDUCE_SUM, fw_mul (graph, states, share), 1u << 1), size,
                                s->config.d_model);
  FwVal total = FW_NONE;
  fw_precise_begin (graph);
  for (int i = 0; i < FW_SHAPES_N_ATTRIBUTES; i++) {
    g_autofree char *name = g_strdup_printf ("heads.%d", i), *label_name = g_strdup_printf ("label%d", i);
    FwVal logits = fw_layer_linear (graph, name, pooled, fw_shapes_attribute_values (i), TRUE);
    FwVal loss = fw_cross_entropy (graph, logits, fw_external (graph, label_name, FW_DTYPE_I32, 1, &size));
    loss = fw_reduce (graph, FW_REDUCE_MEAN, loss, 1);
    total = i == 0 ? loss : fw_add (graph, total, loss);
  }
  fw_precise_end (graph);
  return total;
}

/* Without a tokenizer, every token is the first. */
static gboolean
make_captions (TextStage *s, const FwTrainRow *row, GError **error)
{
  if (s->tokenizer != NULL)
    return fw_shapes_batch_captions (row, s->scenes, s->tokenizer, s->length, s->ids, s->mask, error);
  memset (s->mask, 1, row->batch * s->length);
  return TRUE;
}

static gboolean
batch (gpointer data, const FwTrainStep *at, GError **error)
{
  TextStage *s = data;
  const FwTrainRow *row = &s->stage->rows[0];
  for (int i = 0; i < row->batch; i++)
    fw_shapes_draw (s->stage->seed, at->first_sample + (guint64) i, FW_SHAPES_TRAINED, &s->scenes[i]);
  if (!make_captions (s, row, error))
    return FALSE;
  FwExec *exec = fw_trainer_exec (s->trainer, 0);
  for (int i = 0; i < row->batch; i++) {
    int count = 0;
    for (gint64 j = 0; j < s->length; j++)
      count += s->mask[i * s->length + j];
    for (gint64 j = 0; j < s->length; j++)
      s->share[i * s->length + j] = (float) s->mask[i * s->length + j] / (float) count;
    for (int a = 0; a < FW_SHAPES_N_ATTRIBUTES; a++)
      s->labels[a][i] = s->scenes[i].attributes.value[a];
  }
  fw_exec_bind (exec, "ids", s->ids);
  fw_exec_bind (exec, "mask", s->mask);
  fw_exec_bind (exec, "share", s->share);
  for (int a = 0; a < FW_SHAPES_N_ATTRIBUTES; a++) {
    char name[] = { 'l', 'a', 'b', 'e', 'l', (char) ('0' + a), '\0' };
    fw_exec_bind (exec, name, s->labels[a]);
  }
  return TRUE;
}

/* The encoder's own tensors; the heads have done their work. */
static gboolean
write_encoder (const TextStage *s, GError **error)
{
  const FwParameters *parameters = fw_trainer_parameters (s->trainer);
  g_autoptr (GArray) entries = g_array_new (FALSE, FALSE, sizeof (FwSafetensorsEntry));
  const float *flat = fw_trainer_array (s->trainer, FW_TRAINER_WEIGHTS);
  for (guint i = 0; i < fw_parameters_count (parameters); i++) {
    const FwParameter *parameter = fw_parameters_get (parameters, i);
    FwSafetensorsEntry entry = { parameter->name,
                                 fw_tensor_dense ((gpointer) (flat + parameter->offset), FW_DTYPE_F32, parameter->rank,
                                                  parameter->dim), FW_DTYPE_F32 };
    if (!g_str_has_prefix (parameter->name, "heads."))
      g_array_append_val (entries, entry);
  }
  g_autofree char *path = fw_stage_path (s->context, s->stage, "model.safetensors");
  return fw_safetensors_write (path, (const FwSafetensorsEntry *) (gpointer) entries->data, entries->len, NULL, error);
}

/* transformers' config.json: the recipe's own keys, and what tells an encoder alone. */
static gboolean
write_config (const TextStage *s, GError **error)
{
  JsonObject *json = json_object_new (), *model = fw_recipe_object (s->stage->json, "model");
  JsonArray *architectures = json_array_new ();
  g_autoptr (GList) members = json_object_get_members (model);
  json_array_add_string_element (architectures, "T5EncoderModel");
  json_object_set_array_member (json, "architectures", architectures);
  json_object_set_string_member (json, "model_type", "t5");
  json_object_set_boolean_member (json, "is_encoder_decoder", FALSE);
  json_object_set_int_member (json, "pad_token_id", 0);
  json_object_set_int_member (json, "eos_token_id", 1);
  for (GList *member = members; member != NULL; member = member->next)
    json_object_set_member (json, member->data, json_node_copy (json_object_get_member (model, member->data)));
  json_object_set_int_member (json, "vocab_size", s->config.vocab_size);
  return fw_stage_write_json (s->context, s->stage, "config.json", json, error);
}

static const FwConfigField length_field[] = { { "length", FW_CONFIG_INT, 0, 1, 2, 4096, TRUE }, { NULL } };
static const FwConfigField vocabulary_field[] = { { "vocabulary", FW_CONFIG_INT, 0, 1, 1, 1 << 24, TRUE }, { NULL } };

/* The network's own keys; the vocabulary's size is not among them. */
static gboolean
read_network (const FwTrainStage *stage, int vocabulary, FwT5Config *config, gint64 *length, GError **error)
{
  g_autofree char *what = g_strdup_printf ("stage “%s”", stage->name);
  JsonObject *model = fw_recipe_strict_object (stage->json, "model", model_keys, what, error);
  int positions;
  if (model == NULL || !fw_config_read (stage->json, length_field, &positions, what, error))
    return FALSE;
  g_autoptr (JsonObject) whole = json_object_new ();
  g_autoptr (GList) members = json_object_get_members (model);
  for (GList *member = members; member != NULL; member = member->next)
    json_object_set_member (whole, member->data, json_node_copy (json_object_get_member (model, member->data)));
  json_object_set_int_member (whole, "vocab_size", vocabulary);
  *length = positions;
  return fw_t5_config_read (config, whole, what, error);
}

gboolean
fw_stage_text_config (const FwTrainRecipe *recipe, const FwTrainStage *stage, FwT5Config *config, gint64 *length, GError **error)
{
  const FwTrainStage *pieces = fw_stage_named (recipe, stage, "tokenizer", &fw_stage_sentencepiece, error);
  int vocabulary;
  return pieces != NULL && fw_config_read (pieces->json, vocabulary_field, &vocabulary, pieces->name, error)
         && read_network (stage, vocabulary + FW_T5_EXTRA_IDS, config, length, error);
}

static gboolean
check (const FwTrainRecipe *recipe, const FwTrainStage *stage, GError **error)
{
  FwT5Config config;
  gint64 length;
  if (stage->n_rows != 1)
    return fw_recipe_refuse (error, "stage “%s” takes one row of “data”", stage->name);
  return fw_stage_is_plain (stage, error) && fw_stage_text_config (recipe, stage, &config, &length, error);
}

static gboolean
open_tokenizer (TextStage *s, GError **error)
{
  const FwTrainStage *pieces = fw_stage_named (s->context->recipe, s->stage, "tokenizer", &fw_stage_sentencepiece, error);
  if (pieces == NULL)
    return FALSE;
  g_autofree char *path = fw_stage_path (s->context, pieces, NULL);
  s->tokenizer = fw_t5_tokenizer_open (path, FW_T5_EXTRA_IDS, error);
  return s->tokenizer != NULL && read_network (s->stage, (int) fw_t5_tokenizer_size (s->tokenizer), &s->config, &s->length,
                                               error);
}

static gboolean
make_buffers (TextStage *s, GError **error)
{
  static const char purpose[] = "a batch of captions";
  gsize size = s->stage->rows[0].batch, tokens = size * s->length;
  gboolean made = (s->scenes = fw_buffers_add (&s->buffers, size, sizeof *s->scenes, purpose, error)) != NULL
                  && (s->ids = fw_buffers_add (&s->buffers, tokens, sizeof *s->ids, purpose, error)) != NULL
                  && (s->mask = fw_buffers_add (&s->buffers, tokens, 1, purpose, error)) != NULL
                  && (s->share = fw_buffers_add (&s->buffers, tokens, sizeof *s->share, purpose, error)) != NULL;
  for (int a = 0; made && a < FW_SHAPES_N_ATTRIBUTES; a++)
    made = (s->labels[a] = fw_buffers_add (&s->buffers, size, sizeof *s->labels[a], purpose, error)) != NULL;
  return made;
}

static gboolean
open_stage (TextStage *s, GError **error)
{
  const FwTrainStage *stage = s->stage;
  const FwTrainerSettings settings = {
    .variants = 1, .compute = s->context->compute, .clip = stage->clip,
    .adamw = { stage->beta1, stage->beta2, stage->epsilon, stage->weight_decay },
  };
  if (!make_buffers (s, error))
    return FALSE;
  s->trainer = fw_trainer_new (record_loss, s, &settings, s->context->device, error);
  return s->trainer != NULL;
}

static void
close_stage (TextStage *s)
{
  fw_trainer_free (s->trainer);
  fw_t5_tokenizer_free (s->tokenizer);
  fw_buffers_clear (&s->buffers);
}

static gboolean
forecast (FwTrainContext *context, const FwTrainStage *stage, FwStageForecast *forecast, GError **error)
{
  TextStage s = { .context = context, .stage = stage };
  const gsize before = fw_stage_memory ();
  gboolean done = fw_stage_text_config (context->recipe, stage, &s.config, &s.length, error) && open_stage (&s, error);
  forecast->bytes = fw_stage_memory () - before;
  const FwTrainLoop loop = { context, stage, s.trainer, batch, &s };
  done = done && fw_train_rehearse (&loop, forecast, error);
  close_stage (&s);
  return done;
}

static gboolean
run_stage (TextStage *s, GError **error)
{
  const FwTrainLoop loop = { s->context, s->stage, s->trainer, batch, s };
  fw_init_parameters (fw_trainer_parameters (s->trainer), init_rules, s->stage->seed,
                      fw_trainer_array (s->trainer, FW_TRAINER_WEIGHTS));
  return fw_train_loop (&loop, error) && write_encoder (s, error) && write_config (s, error);
}

static gboolean
run (FwTrainContext *context, const FwTrainStage *stage, GError **error)
{
  TextStage s = { .context = context, .stage = stage };
  gboolean done = open_tokenizer (&s, error) && open_stage (&s, error) && run_stage (&s, error);
  close_stage (&s);
  return done;
}

const FwStageKind fw_stage_text_encoder = { "text-encoder", keys, TRUE, TRUE, check, forecast, run };
