/* SPDX-License-Identifier: Apache-2.0
 * The frame code: it tells positions apart, each frame hears itself, and what the network knew of single pictures stays. */
#include "engine/graph/rewrite.h"
#include "engine/model/position.h"
#include "engine/train/diffusion-init.h"
#include "engine/train/frame-code.h"
#include "tests/unit/graph-run.h"

enum { WIDTH = 64, HEADS = 4, HEAD_WIDTH = WIDTH / HEADS, POSITIONS = 16, CODES = 4 };

static const FwStditConfig config = {
  .in_channels = 2, .hidden_size = WIDTH, .depth = 2, .num_heads = HEADS, .mlp_ratio = 2, .patch_size = { 1, 2, 2 },
  .caption_channels = 6, .model_max_length = 4, .space_scale = 1, .time_scale = 1,
};

/* The network on a clip of one frame, or, as training on pictures has it, without temporal attention (@data not NULL). */
static void
record (FwGraph *graph, gpointer data)
{
  FwStditConfig network = config;
  network.without_time = data != NULL;
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, 5, (gint64[]) { 1, 2, 1, 4, 4 });
  FwVal t = fw_external (graph, "t", FW_DTYPE_F32, 1, (gint64[]) { 1 });
  FwVal y = fw_external (graph, "y", FW_DTYPE_F32, 3, (gint64[]) { 1, 4, 6 });
  FwVal mask = fw_external (graph, "mask", FW_DTYPE_U8, 2, (gint64[]) { 1, 4 });
  fw_keep (graph, "out", fw_stdit (graph, &network, x, t, y, mask));
}

typedef struct {
  FwParameters *parameters;
  float *flat;
} Network;

static Network
draw_network (void)
{
  g_autoptr (GError) error = NULL;
  Network network = { fw_parameters_new (record, NULL, &error), NULL };
  g_assert_no_error (error);
  network.flat = g_new0 (float, fw_parameters_size (network.parameters));
  fw_diffusion_init (network.parameters, &config, &(FwDiffusionStart) { .fast = TRUE, .temporal = 1, .temporal_qkv = 1 }, 7, network.flat);
  return network;
}

static void
clear_network (Network *network)
{
  fw_parameters_free (network->parameters);
  g_free (network->flat);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Network, clear_network)

static const float *
weights (const Network *network, const char *name)
{
  return network->flat + fw_parameters_find (network->parameters, name)->offset;
}

/* Its output at @timestep. Free with g_free(). */
static double *
picture (const Network *network, float timestep)
{
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  g_auto (TestRun) run = { NULL };
  FwGraph *graph = fw_graph_new (FW_DTYPE_F32);
  FwVal flat;
  fw_graph_set_weights (graph, fw_parameters_source (network->parameters, graph, &flat));
  record (graph, graph);
  fw_rewrite_forward (graph);
  fw_rewrite_final (graph);
  test_run_init (&run, graph, device);
  memcpy (test_run_memory (&run, "parameters"), network->flat, (gsize) fw_parameters_size (network->parameters) * sizeof (float));
  *(float *) test_run_memory (&run, "t") = timestep;
  test_run_go (&run);
  gint64 count = test_run_count (&run, "out");
  double *out = g_new (double, count);
  for (gint64 i = 0; i < count; i++)
    out[i] = test_run_result (&run, "out", i);
  return out;
}

/* The largest difference between the outputs without and with a code. */
static double
change (float timestep)
{
  g_auto (Network) network = draw_network ();
  g_autofree double *before = picture (&network, timestep);
  fw_frame_code (network.parameters, &config, POSITIONS, 0.7, 1, network.flat);
  g_autofree double *after = picture (&network, timestep);
  double most = 0;
  for (int i = 0; i < 2 * 2 * 4 * 4; i++)
    most = MAX (most, fabs (before[i] - after[i]));
  return most;
}

static void
test_pictures (void)
{
  g_assert_cmpfloat (change (800), <, 1e-5);
  g_assert_cmpfloat (change (0), >, 1e-4);
}

/* Row @row of the first block's temporal attention, applied to a position's table and without content. */
static double
reads (const Network *network, int row, const float *table)
{
  const float *weight = weights (network, "blocks.0.attn_temp.qkv.weight") + row * WIDTH;
  double sum = weights (network, "blocks.0.attn_temp.qkv.bias")[row];
  for (int i = 0; i < WIDTH; i++)
    sum += (double) weight[i] * table[i];
  return sum;
}

static void
test_positions (void)
{
  g_auto (Network) network = draw_network ();
  float table[POSITIONS * WIDTH];
  double written = 0;
  fw_frame_code (network.parameters, &config, POSITIONS, 0.7, 1, network.flat);
  fw_position_1d (WIDTH, POSITIONS, 1, table);
  for (int p = 0; p < POSITIONS; p++) {
    double code[CODES], own = 0, best = -INFINITY;
    for (int j = 0; j < CODES; j++) {
      code[j] = reads (&network, 2 * WIDTH + j, table + p * WIDTH);
      g_assert_cmpfloat_with_epsilon (code[j], sqrt (2) * cos (G_PI * (j + 1) * (p + 0.5) / POSITIONS), 0.15);
    }
    for (int j = CODES; j < HEAD_WIDTH; j++)
      g_assert_cmpfloat (reads (&network, 2 * WIDTH + j, table + p * WIDTH), ==, 0);
    for (int q = 0; q < POSITIONS; q++) {
      double score = 0;
      for (int i = 0; i < HEAD_WIDTH; i++)
        score += reads (&network, i, table + p * WIDTH) * reads (&network, WIDTH + i, table + q * WIDTH) / sqrt (HEAD_WIDTH);
      own = q == p ? score : own;
      best = MAX (best, ABS (q - p) > 1 ? score : -INFINITY);
    }
    g_assert_cmpfloat (own, >, best);
    for (int i = 0; i < WIDTH; i++) {
      double stream = 0;
      for (int j = 0; j < CODES; j++)
        stream += weights (&network, "blocks.0.attn_temp.proj.weight")[i * WIDTH + j] * code[j];
      written += stream * stream / (POSITIONS * WIDTH);
    }
  }
  g_assert_cmpfloat_with_epsilon (sqrt (written), 0.7, 0.15);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/frame-code/pictures", test_pictures);
  g_test_add_func ("/frame-code/positions", test_positions);
  return g_test_run ();
}
