/* SPDX-License-Identifier: Apache-2.0
 * Gradients of the networks as a whole against differences, with and without fusion, and with recomputed activations: the
 * same bits from less memory. */
#include "engine/model/sd-vae.h"
#include "engine/model/stdit.h"
#include "engine/model/t5.h"
#include "engine/train/diffusion-loss.h"
#include "tests/unit/gradient-check.h"

#define SHAPE(...) (int) G_N_ELEMENTS (((const gint64[]) { __VA_ARGS__ })), (const gint64[]) { __VA_ARGS__ }

/* Every weight is a parameter in double. */
typedef struct {
  FwWeightSource source;
  GPtrArray *parameters;
} Weights;

static FwVal
get_weight (FwWeightSource *source, FwGraph *graph, const char *name, int rank, const gint64 *dim)
{
  return check_parameter (graph, ((Weights *) source)->parameters, name, rank, dim);
}

static FwVal
weighted_sum (FwGraph *graph, FwVal y)
{
  const FwTensor layout = *fw_layout (graph, y);
  FwVal weights = fw_external (graph, "weights of the sum", FW_DTYPE_F64, layout.rank, layout.dim);
  return fw_reduce (graph, FW_REDUCE_MEAN, fw_mul (graph, y, weights), ~0u);
}

/* --- the networks --- */

static FwVal
record_stdit (FwGraph *graph, GPtrArray *parameters)
{
  const FwStditConfig config = {
    .in_channels = 2, .hidden_size = 8, .depth = 2, .num_heads = 2, .mlp_ratio = 2, .patch_size = { 1, 2, 2 },
    .caption_channels = 6, .model_max_length = 4, .space_scale = 1, .time_scale = 1,
  };
  FwVal x = check_parameter (graph, parameters, "x", SHAPE (2, 2, 2, 4, 6));
  FwVal y = check_parameter (graph, parameters, "y", SHAPE (2, 4, 6));
  FwVal t = fw_external (graph, "t", FW_DTYPE_F64, SHAPE (2)), mask = fw_external (graph, "mask", FW_DTYPE_U8, SHAPE (2, 4));
  return fw_stdit (graph, &config, x, t, y, mask);
}

static FwVal
record_t5 (FwGraph *graph, GPtrArray *parameters)
{
  const FwT5Config config = {
    .vocab_size = TEST_IDS, .d_model = 6, .d_kv = 4, .d_ff = 10, .num_layers = 2, .num_heads = 2, .relative_buckets = 8,
    .relative_max_distance = 16, .epsilon = 1e-3,
  };
  FwVal ids = fw_external (graph, "ids", FW_DTYPE_I32, SHAPE (2, 7));
  FwVal mask = fw_external (graph, "mask", FW_DTYPE_U8, SHAPE (2, 7));
  return fw_t5_encoder (graph, &config, ids, mask);
}

static const FwSdVaeConfig vae_config = {
  .in_channels = 3, .latent_channels = 2, .layers_per_block = 1, .norm_groups = 2, .n_levels = 2, .channels = { 4, 6 },
  .scaling_factor = 1,
};

static FwVal
record_encoder (FwGraph *graph, GPtrArray *parameters)
{
  return fw_sd_vae_encode (graph, &vae_config, check_parameter (graph, parameters, "image", SHAPE (2, 3, 4, 6)));
}

static FwVal
record_decoder (FwGraph *graph, GPtrArray *parameters)
{
  return fw_sd_vae_decode (graph, &vae_config, check_parameter (graph, parameters, "latent", SHAPE (2, 2, 2, 3)));
}

/* The bound as a function of the variance logits; "x0" and "noise" give the rest. Index 0 is the decoder's likelihood. */
static FwVal
record_loss (FwGraph *graph, GPtrArray *parameters)
{
  g_autoptr (FwDiffusion) diffusion = fw_diffusion_new ("linear", "", NULL);
  const int index[] = { 0, 400, 999 };
  float rows[G_N_ELEMENTS (index)][FW_LOSS_COLUMNS];
  gint64 batch = G_N_ELEMENTS (index);
  double kept[G_N_ELEMENTS (index)], lost[G_N_ELEMENTS (index)];
  for (guint i = 0; i < G_N_ELEMENTS (index); i++) {
    fw_diffusion_loss_row (diffusion, index[i], rows[i]);
    kept[i] = diffusion->sqrt_abar[index[i]];
    lost[i] = diffusion->sqrt_1m_abar[index[i]];
  }
  FwVal table = fw_constant (graph, "rows", FW_DTYPE_F32, SHAPE (batch, FW_LOSS_COLUMNS), rows);
  FwVal signal = fw_constant (graph, "signal", FW_DTYPE_F64, SHAPE (batch, 1, 1, 1, 1), kept);
  FwVal share = fw_constant (graph, "share", FW_DTYPE_F64, SHAPE (batch, 1, 1, 1, 1), lost);
  FwVal x0 = fw_external (graph, "x0", FW_DTYPE_F64, SHAPE (batch, 2, 1, 2, 3));
  FwVal noise = fw_external (graph, "noise", FW_DTYPE_F64, SHAPE (batch, 2, 1, 2, 3));
  FwVal miss = fw_external (graph, "miss", FW_DTYPE_F64, SHAPE (batch, 2, 1, 2, 3));
  FwVal guess = fw_add (graph, noise, fw_affine (graph, miss, 0.1, 0));
  FwVal logits = check_parameter (graph, parameters, "logits", SHAPE (batch, 2, 1, 2, 3));
  FwVal xt = fw_add (graph, fw_mul (graph, x0, signal), fw_mul (graph, noise, share));
  FwDiffusionLoss loss = fw_diffusion_loss (graph, fw_concat (graph, 1, (FwVal[]) { guess, logits }, 2), x0, noise, xt, table);
  return fw_add (graph, fw_reshape_to (graph, loss.total, 1), loss.vb);
}

typedef struct {
  const char *name;
  FwVal (*record) (FwGraph *graph, GPtrArray *parameters);
  gboolean segments;
} Network;

static const Network networks[] = {
  { "stdit", record_stdit, TRUE }, { "t5", record_t5, TRUE }, { "sd-vae-encoder", record_encoder, FALSE },
  { "sd-vae-decoder", record_decoder, FALSE }, { "diffusion-loss", record_loss, FALSE },
};

static FwVal
record (FwGraph *graph, GPtrArray *parameters, gconstpointer data)
{
  Weights weights = { { get_weight }, parameters };
  fw_graph_set_weights (graph, &weights.source);
  FwVal y = ((const Network *) data)->record (graph, parameters);
  fw_graph_set_weights (graph, NULL);
  return weighted_sum (graph, y);
}

static void
init (Check *check, gconstpointer network, CheckFlags flags, FwDevice *device)
{
  check_init (check, record, network, flags, device);
  test_run_tame (&check->run);
}

static void
test_differences (gconstpointer network)
{
  g_autoptr (FwDevice) device = test_device ("ref", 1);
  g_auto (Check) check = { { NULL } };
  init (&check, network, CHECK_PLAIN, device);
  check_differences (&check, 1e-5, 2e-6);
  for (guint i = 0; i < check.parameters->len; i++) { /* nothing in these networks is idle */
    g_autofree char *kept = g_strconcat ("grad.", g_ptr_array_index (check.parameters, i), NULL);
    g_assert_nonnull (fw_graph_named (check.run.graph, kept));
  }
}

/* Fused before the gradient, after it, and both: rounding apart, nothing changes. */
static void
test_fused (gconstpointer network)
{
  g_autoptr (FwDevice) device = test_device ("ref", 1);
  g_auto (Check) plain = { { NULL } };
  init (&plain, network, CHECK_PLAIN, device);
  for (CheckFlags flags = CHECK_FORWARD; flags <= CHECK_ALL; flags += CHECK_FORWARD) {
    g_auto (Check) fused = { { NULL } };
    init (&fused, network, flags, device);
    g_assert_cmpuint (fused.run.plan->n_steps, <=, plain.run.plan->n_steps);
    check_same (&plain, &fused, 1e-12);
  }
}

static void
test_checkpoint (gconstpointer network)
{
  g_autoptr (FwDevice) device = test_device ("ref", 1);
  for (int fused = 0; fused < 2; fused++) {
    CheckFlags flags = fused ? CHECK_FORWARD | CHECK_FINAL : CHECK_PLAIN;
    g_auto (Check) kept = { { NULL } }, again = { { NULL } };
    init (&kept, network, flags, device);
    init (&again, network, flags | CHECK_CHECKPOINT, device);
    check_same (&kept, &again, 0);
    g_test_message ("slab %" G_GSIZE_FORMAT " bytes, recomputing %" G_GSIZE_FORMAT "; %.3g and %.3g MFLOP",
                    kept.run.plan->slab_bytes,
                    again.run.plan->slab_bytes, kept.run.plan->flops / 1e6, again.run.plan->flops / 1e6);
    g_assert_cmpuint (again.run.plan->slab_bytes, <, kept.run.plan->slab_bytes);
    g_assert_cmpfloat (again.run.plan->flops, >, kept.run.plan->flops);
    g_assert_cmpfloat (again.run.plan->flops, <, 1.5 * kept.run.plan->flops);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (networks); i++) {
    const struct { const char *name; void (*test) (gconstpointer); gboolean wanted; } tests[] = {
      { "differences", test_differences, TRUE },
      { "fused", test_fused, TRUE },
      { "checkpoint", test_checkpoint, networks[i].segments },
    };
    for (guint t = 0; t < G_N_ELEMENTS (tests); t++) {
      g_autofree char *path = g_strdup_printf ("/gradient/%s/%s", networks[i].name, tests[t].name);
      if (tests[t].wanted)
        g_test_add_data_func (path, &networks[i], tests[t].test);
    }
  }
  return g_test_run ();
}
