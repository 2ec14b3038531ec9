/* SPDX-License-Identifier: Apache-2.0
 * Name tables: the spellings published files use lead to the tensors a model asks for, and what is missing or foreign is told. */
#include "engine/checkpoint/name-table.h"
#include "engine/checkpoint/safetensors-write.h"

#include <glib/gstdio.h>
#include <unistd.h>

/* Opens a file that holds a tensor [1] with value 1, 2, ... under each name. */
static FwCheckpoint *
open_names (const char *const *names)
{
  g_autofree char *path = NULL;
  int fd = g_file_open_tmp ("names-XXXXXX.safetensors", &path, NULL);
  g_assert_cmpint (fd, >=, 0);
  close (fd);
  float values[64];
  FwSafetensorsEntry entries[64];
  gsize count = 0;
  gint64 one = 1;
  for (; names[count] != NULL; count++) {
    values[count] = (float) (count + 1);
    entries[count] = (FwSafetensorsEntry) { names[count], fw_tensor_dense (&values[count], FW_DTYPE_F32, 1, &one), FW_DTYPE_F32 };
  }
  GError *error = NULL;
  g_assert_true (fw_safetensors_write (path, entries, count, NULL, &error));
  FwCheckpoint *checkpoint = fw_checkpoint_open (path, &error);
  g_assert_no_error (error);
  g_unlink (path);
  return checkpoint;
}

static void
expect_found (const FwCheckpoint *checkpoint, const FwNameTable *table, const char *canonical, const char *spelling)
{
  const FwCheckpointTensor *tensor = fw_names_find (checkpoint, table, canonical);
  g_assert_cmpstr (tensor != NULL ? tensor->name : NULL, ==, spelling);
}

static void
test_compvis (void)
{
  static const char *const pairs[][2] = {
    { "encoder.down_blocks.1.resnets.0.conv_shortcut.weight", "first_stage_model.encoder.down.1.block.0.nin_shortcut.weight" },
    { "encoder.down_blocks.2.resnets.1.norm2.bias", "first_stage_model.encoder.down.2.block.1.norm2.bias" },
    { "encoder.down_blocks.0.downsamplers.0.conv.weight", "first_stage_model.encoder.down.0.downsample.conv.weight" },
    { "encoder.mid_block.resnets.1.conv1.weight", "first_stage_model.encoder.mid.block_2.conv1.weight" },
    { "encoder.mid_block.attentions.0.to_q.weight", "first_stage_model.encoder.mid.attn_1.q.weight" },
    { "decoder.mid_block.attentions.0.to_out.0.bias", "first_stage_model.decoder.mid.attn_1.proj_out.bias" },
    { "decoder.mid_block.attentions.0.group_norm.bias", "first_stage_model.decoder.mid.attn_1.norm.bias" },
    { "decoder.up_blocks.0.resnets.0.norm1.weight", "first_stage_model.decoder.up.3.block.0.norm1.weight" },
    { "decoder.up_blocks.1.resnets.0.norm1.weight", "first_stage_model.decoder.up.2.block.0.norm1.weight" },
    { "decoder.up_blocks.2.resnets.0.norm1.weight", "first_stage_model.decoder.up.1.block.0.norm1.weight" },
    { "decoder.up_blocks.3.resnets.0.norm1.weight", "first_stage_model.decoder.up.0.block.0.norm1.weight" },
    { "decoder.up_blocks.2.resnets.0.conv_shortcut.bias", "first_stage_model.decoder.up.1.block.0.nin_shortcut.bias" },
    { "decoder.up_blocks.0.upsamplers.0.conv.weight", "first_stage_model.decoder.up.3.upsample.conv.weight" },
    { "decoder.conv_norm_out.weight", "first_stage_model.decoder.norm_out.weight" },
    { "decoder.conv_in.weight", "first_stage_model.decoder.conv_in.weight" },
    { "post_quant_conv.weight", "first_stage_model.post_quant_conv.weight" },
  };
  const char *spelled[G_N_ELEMENTS (pairs) + 2] = { NULL };
  for (gsize i = 0; i < G_N_ELEMENTS (pairs); i++)
    spelled[i] = pairs[i][1];
  spelled[G_N_ELEMENTS (pairs)] = "model.diffusion_model.out.weight";
  g_autoptr (FwCheckpoint) checkpoint = open_names (spelled);
  const char *canonical[G_N_ELEMENTS (pairs)];
  for (gsize i = 0; i < G_N_ELEMENTS (pairs); i++) {
    canonical[i] = pairs[i][0];
    expect_found (checkpoint, &fw_names_sd_vae, pairs[i][0], pairs[i][1]);
  }
  expect_found (checkpoint, &fw_names_sd_vae, "decoder.up_blocks.4.resnets.0.norm1.weight", NULL);
  g_autoptr (GPtrArray) missing = g_ptr_array_new (), unexpected = g_ptr_array_new ();
  fw_names_audit (checkpoint, &fw_names_sd_vae, canonical, G_N_ELEMENTS (canonical), missing, unexpected);
  g_assert_cmpuint (missing->len, ==, 0);
  g_assert_cmpuint (unexpected->len, ==, 0);
  g_assert_true (fw_names_expect (checkpoint, &fw_names_sd_vae, "sd.ckpt", NULL));
}

static void
test_old_attention (void)
{
  static const char *const names[] = { "encoder.mid_block.attentions.0.query.weight",
                                       "decoder.mid_block.attentions.0.proj_attn.weight", NULL };
  g_autoptr (FwCheckpoint) checkpoint = open_names (names);
  expect_found (checkpoint, &fw_names_sd_vae, "encoder.mid_block.attentions.0.to_q.weight", names[0]);
  expect_found (checkpoint, &fw_names_sd_vae, "decoder.mid_block.attentions.0.to_out.0.weight", names[1]);
  expect_found (checkpoint, &fw_names_sd_vae, "decoder.mid_block.attentions.0.to_q.weight", NULL);
}

static void
test_audit (void)
{
  static const char *const names[] = { "encoder.embed_tokens.weight", "shared.weight", "encoder.final_layer_norm.weight",
                                       "decoder.block.0.layer.0.SelfAttention.q.weight", "lm_head.weight", "stranger", NULL };
  static const char *const wanted[] = { "shared.weight", "encoder.final_layer_norm.weight",
                                        "encoder.block.0.layer.0.SelfAttention.q.weight" };
  g_autoptr (FwCheckpoint) checkpoint = open_names (names);
  g_autoptr (GPtrArray) missing = g_ptr_array_new (), unexpected = g_ptr_array_new ();
  fw_names_audit (checkpoint, &fw_names_t5, wanted, G_N_ELEMENTS (wanted), missing, unexpected);
  g_assert_cmpuint (missing->len, ==, 1);
  g_assert_cmpstr (g_ptr_array_index (missing, 0), ==, wanted[2]);
  g_assert_cmpuint (unexpected->len, ==, 1);
  g_assert_cmpstr (g_ptr_array_index (unexpected, 0), ==, "stranger");
}

static void
test_alias (void)
{
  static const char *const names[] = { "encoder.embed_tokens.weight", "embeddings.position_embedding.weight", NULL };
  g_autoptr (FwCheckpoint) checkpoint = open_names (names);
  expect_found (checkpoint, &fw_names_t5, "shared.weight", names[0]);
  expect_found (checkpoint, &fw_names_clip, "text_model.embeddings.position_embedding.weight", names[1]);
}

static void
test_shapes (void)
{
  static const FwCheckpointTensor image = { "x_embedder.proj.weight", FW_DTYPE_F32, 4, { 8, 4, 2, 2 }, { 16, 4, 2, 1 } };
  g_assert_true (fw_names_fits (&image, 5, (const gint64[]) { 8, 4, 1, 2, 2 }));
  g_assert_true (fw_names_fits (&image, 4, (const gint64[]) { 8, 4, 2, 2 }));
  g_assert_false (fw_names_fits (&image, 5, (const gint64[]) { 8, 4, 2, 2, 2 }));
  g_assert_false (fw_names_fits (&image, 3, (const gint64[]) { 8, 4, 2 }));
  g_assert_false (fw_names_fits (&image, 4, (const gint64[]) { 4, 8, 2, 2 }));
}

static void
test_expect (void)
{
  static const char *const names[] = { "encoder.conv_in.conv.weight", "decoder.conv_in.conv.weight",
                                       "decoder.conv_out.conv.weight", NULL };
  g_autoptr (FwCheckpoint) checkpoint = open_names (names);
  GError *error = NULL;
  g_assert_true (fw_names_expect (checkpoint, &fw_names_causal_vae, "a.ckpt", &error));
  g_assert_false (fw_names_expect (checkpoint, &fw_names_sd_vae, "a.ckpt", &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_CHECKPOINT);
  g_assert_cmpstr (error->message, ==,
                   "“a.ckpt” holds another model: causal video VAE (Open-Sora-Plan), but an SD VAE is wanted here");
  g_clear_error (&error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/name-table/compvis", test_compvis);
  g_test_add_func ("/name-table/old-attention", test_old_attention);
  g_test_add_func ("/name-table/audit", test_audit);
  g_test_add_func ("/name-table/alias", test_alias);
  g_test_add_func ("/name-table/shapes", test_shapes);
  g_test_add_func ("/name-table/expect", test_expect);
  return g_test_run ();
}
