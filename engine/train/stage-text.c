/* SPDX-License-Identifier: Apache-2.0
 * The stage that trains the text encoder: five linear heads must tell the attributes from the mean of its states. */
#include <math.h>
#include <string.h>

#include "engine/checkpoint/json-text.h"
#include "engine/graph/ops.h"
#include "engine/memory/file.h"
#include "engine/model/layers.h"
#include "engine/model/t5.h"
#include "engine/train/init.h"
#include "engine/train/shapes-batch.h"
#include "engine/train/stage.h"

static const char *const keys[] = { "model", "tokenizer", "length", NULL };

typedef struct {
  FwTrainContext *context;
  const FwTrainStage *stage;
  FwT5Config config;
  FwT5Tokenizer *tokenizer;
  gint64 length;
  FwTrainer *trainer;
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
  FwVal pooled = fw_reshape_to (graph, fw_reduce (graph, FW_REDUCE_SUM, fw_mul (graph, states, share), 1u << 1), size, s->config.d_model);
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

static gboolean
batch (gpointer data, gint64 step, guint variant, GError **error)
{
  TextStage *s = data;
  const FwTrainRow *row = &s->stage->rows[0];
  guint64 first = fw_train_stage_first_sample (s->stage, step);
  for (int i = 0; i < row->batch; i++)
    fw_shapes_draw (s->stage->seed, first + (guint64) i, FW_SHAPES_TRAINED, &s->scenes[i]);
  if (!fw_shapes_batch_captions (row, s->scenes, s->tokenizer, s->length, s->ids, s->mask, error))
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
    FwSafetensorsEntry entry = { parameter->name, fw_tensor_dense ((gpointer) (flat + parameter->offset), FW_DTYPE_F32, parameter->rank, parameter->dim), FW_DTYPE_F32 };
    if (!g_str_has_prefix (parameter->name, "heads."))
      g_array_append_val (entries, entry);
  }
  g_autofree char *path = fw_stage_path (s->context, s->stage, "model.safetensors");
  return fw_safetensors_write (path, (const FwSafetensorsEntry *) (gpointer) entries->data, entries->len, NULL, error);
}

static gboolean
write_config (const TextStage *s, GError **error)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *json = json_object_new (), *model = json_object_get_object_member (s->stage->json, "model");
  g_autoptr (GList) members = json_object_get_members (model);
  json_object_set_string_member (json, "model_type", "t5");
  for (GList *member = members; member != NULL; member = member->next)
    json_object_set_member (json, member->data, json_node_copy (json_object_get_member (model, member->data)));
  json_object_set_int_member (json, "vocab_size", s->config.vocab_size);
  json_node_take_object (node, json);
  g_autofree char *text = fw_json_text_print (node, TRUE), *path = fw_stage_path (s->context, s->stage, "config.json");
  return fw_file_write (path, text, strlen (text), error);
}

static gboolean
read_config (TextStage *s, GError **error)
{
  const FwTrainStage *pieces = fw_stage_named (s->context, s->stage, "tokenizer", &fw_stage_sentencepiece, error);
  JsonObject *model = pieces != NULL ? fw_stage_object (s->stage, "model", error) : NULL;
  if (model == NULL)
    return FALSE;
  g_autofree char *path = fw_stage_path (s->context, pieces, NULL);
  s->tokenizer = fw_t5_tokenizer_open (path, FW_T5_EXTRA_IDS, error);
  if (s->tokenizer == NULL)
    return FALSE;
  g_autoptr (JsonNode) copy = json_node_copy (json_object_get_member (s->stage->json, "model"));
  json_object_set_int_member (json_node_get_object (copy), "vocab_size", (gint64) fw_t5_tokenizer_size (s->tokenizer));
  s->length = json_object_get_int_member_with_default (s->stage->json, "length", 0);
  if (s->length < 2 || s->length > 4096) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "The recipe cannot be used: “length” of stage “%s” must be 2 to 4096", s->stage->name);
    return FALSE;
  }
  return fw_t5_config_read (&s->config, json_node_get_object (copy), s->stage->name, error);
}

static gboolean
run_stage (TextStage *s, GError **error)
{
  const FwTrainStage *stage = s->stage;
  const FwTrainerSettings settings = {
    .variants = 1, .compute = s->context->compute, .clip = stage->clip,
    .adamw = { stage->beta1, stage->beta2, stage->epsilon, stage->weight_decay },
  };
  int size = stage->rows[0].batch;
  s->scenes = g_new (FwShapesScene, size);
  s->ids = g_new (gint32, size * s->length);
  s->mask = g_new (guint8, size * s->length);
  s->share = g_new (float, size * s->length);
  for (int a = 0; a < FW_SHAPES_N_ATTRIBUTES; a++)
    s->labels[a] = g_new (gint32, size);
  s->trainer = fw_trainer_new (record_loss, s, &settings, s->context->device, error);
  if (s->trainer == NULL)
    return FALSE;
  fw_init_parameters (fw_trainer_parameters (s->trainer), init_rules, stage->seed, fw_trainer_array (s->trainer, FW_TRAINER_WEIGHTS));
  const FwTrainLoop loop = { s->context, stage, s->trainer, batch, s };
  return fw_train_loop (&loop, error) && write_encoder (s, error) && write_config (s, error);
}

static gboolean
run (FwTrainContext *context, const FwTrainStage *stage, GError **error)
{
  TextStage s = { .context = context, .stage = stage };
  gboolean done = read_config (&s, error) && run_stage (&s, error);
  fw_trainer_free (s.trainer);
  fw_t5_tokenizer_free (s.tokenizer);
  g_free (s.scenes);
  g_free (s.ids);
  g_free (s.mask);
  g_free (s.share);
  for (int a = 0; a < FW_SHAPES_N_ATTRIBUTES; a++)
    g_free (s.labels[a]);
  return done;
}

const FwStageKind fw_stage_text_encoder = { "text-encoder", keys, TRUE, run };
