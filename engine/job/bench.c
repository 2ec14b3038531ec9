/* SPDX-License-Identifier: Apache-2.0
 * The bench job: a table of suites, each a recorded network, run several times and reported with its FLOPs. */
#include "engine/job/bench.h"

#include <stdlib.h>
#include <string.h>

#include "engine/graph/gradient.h"
#include "engine/graph/ops.h"
#include "engine/graph/rewrite.h"
#include "engine/memory/block.h"
#include "engine/model/random-weights.h"
#include "engine/model/sd-vae.h"
#include "engine/model/stdit.h"
#include "engine/model/t5.h"

typedef struct {
  const char *name, *about;
  void (*record) (FwGraph *graph);
  gboolean trains;           /* forward and backward */
} Suite;

static FwVal
input (FwGraph *graph, const char *name, int rank, const gint64 *dim)
{
  return fw_external (graph, name, FW_DTYPE_F32, rank, dim);
}

/* STDiT on a batch of latents with @tokens text tokens; the noise prediction. */
static FwVal
record_stdit (FwGraph *graph, const FwStditConfig *config, gint64 batch, gint64 tokens)
{
  const int *size = config->input_size;
  FwVal x = input (graph, "x", 5, (gint64[]) { batch, config->in_channels, size[0], size[1], size[2] });
  FwVal y = input (graph, "y", 3, (gint64[]) { batch, tokens, config->caption_channels });
  return fw_stdit (graph, config, x, input (graph, "t", 1, &batch), y, FW_NONE);
}

static void
stdit_layers (FwGraph *graph)
{
  FwStditConfig config = fw_stdit_default;
  config.depth = 4;
  fw_keep (graph, "out", record_stdit (graph, &config, 2, 120));
}

static void
t5_layer (FwGraph *graph)
{
  FwT5Config config = fw_t5_xxl;
  config.num_layers = 1;
  config.vocab_size = 128; /* the table is only looked up */
  gint64 dim[] = { 1, 120 };
  fw_keep (graph, "out", fw_t5_encoder (graph, &config, fw_external (graph, "ids", FW_DTYPE_I32, 2, dim), FW_NONE));
}

static void
vae_decode (FwGraph *graph)
{
  fw_keep (graph, "out", fw_sd_vae_decode (graph, &fw_sd_vae_default, input (graph, "latent", 4, (gint64[]) { 1, 4, 32, 32 })));
}

/* A small STDiT: 256 wide, 8 deep, 16 frames of 64 tokens, batch 8; mean squared error. */
static void
train_step (FwGraph *graph)
{
  FwStditConfig config = fw_stdit_default;
  config.hidden_size = config.caption_channels = 256;
  config.depth = 8;
  config.num_heads = 4;
  config.input_size[1] = config.input_size[2] = 16;
  FwVal out = record_stdit (graph, &config, 8, 32);
  FwVal loss = fw_reduce (graph, FW_REDUCE_MEAN, fw_unary (graph, FW_FN_SQUARE, out), 0x1f);
  fw_keep (graph, "loss", fw_reshape_to (graph, loss, 1));
}

static const Suite suites[] = {
  { "stdit", "4 layers of STDiT-XL/2 at 16x256x256, batch 2, 120 text tokens", stdit_layers, FALSE },
  { "t5", "a layer of T5-v1.1-XXL at 120 tokens", t5_layer, FALSE },
  { "vae-decode", "the SD image decoder at 256x256", vae_decode, FALSE },
  { "train-step", "forward and backward of an STDiT 256 wide, 8 deep, on 8 clips of 16x64 tokens", train_step, TRUE },
};

const char *
fw_bench_suite (guint index, const char **about)
{
  if (index >= G_N_ELEMENTS (suites))
    return NULL;
  if (about != NULL)
    *about = suites[index].about;
  return suites[index].name;
}

/* A graph and everything it takes to run it. */
typedef struct {
  FwGraph *graph;
  FwRandomWeights *weights;
  FwPlan *plan;
  FwExec *exec;
  GPtrArray *inputs;
} Bench;

static void
bench_clear (Bench *bench)
{
  fw_exec_free (bench->exec);
  fw_plan_free (bench->plan);
  fw_graph_free (bench->graph);
  fw_random_weights_free (bench->weights);
  g_ptr_array_unref (bench->inputs);
}

/* Gradients of every weight, kept so that none is left out as unused. */
static void
differentiate (FwGraph *graph)
{
  g_autoptr (GArray) parameters = g_array_new (FALSE, FALSE, sizeof (FwVal));
  for (guint id = 1; id < fw_graph_n_values (graph); id++) {
    const FwValue *value = fw_graph_value (graph, (gint32) id);
    FwVal val = { (gint32) id };
    if (value->class == FW_VALUE_EXTERNAL && value->steady && value->constant == NULL)
      g_array_append_val (parameters, val);
  }
  g_autofree FwVal *gradients = g_new (FwVal, parameters->len);
  FwVal loss = { fw_graph_named (graph, "loss")->id };
  fw_gradient (graph, loss, (const FwVal *) (gpointer) parameters->data, parameters->len, FALSE, gradients);
  for (guint i = 0; i < parameters->len; i++) {
    g_autofree char *name = g_strdup_printf ("gradient %u", i);
    if (gradients[i].id != 0)
      fw_keep (graph, name, gradients[i]);
  }
}

/* Small numbers for every input; ids are zeros. */
static void
bind_inputs (Bench *bench)
{
  for (guint id = 1; id < fw_graph_n_values (bench->graph); id++) {
    const FwValue *value = fw_graph_value (bench->graph, (gint32) id);
    if (value->class != FW_VALUE_EXTERNAL || value->steady || value->producer != NULL)
      continue;
    gint64 count = fw_tensor_count (&value->layout);
    float *data = g_new0 (float, count + 1);
    for (gint64 i = 0; i < count && value->layout.dtype == FW_DTYPE_F32; i++)
      data[i] = (float) (i * 7919 % 1999) / 1000 - 1;
    g_ptr_array_add (bench->inputs, data);
    fw_exec_bind (bench->exec, value->name, data);
  }
}

static gboolean
bench_open (Bench *bench, const Suite *suite, FwDtype compute, FwDevice *device, GError **error)
{
  bench->inputs = g_ptr_array_new_with_free_func (g_free);
  bench->weights = fw_random_weights_new (suite->trains ? FW_DTYPE_F32 : compute);
  bench->graph = fw_graph_new (compute);
  fw_graph_set_weights (bench->graph, fw_random_weights_source (bench->weights));
  suite->record (bench->graph);
  fw_rewrite_forward (bench->graph);
  if (suite->trains && !fw_graph_failed (bench->graph))
    differentiate (bench->graph);
  fw_rewrite_final (bench->graph);
  bench->plan = fw_plan_new (bench->graph, device, error);
  bench->exec = bench->plan != NULL ? fw_exec_new (bench->plan, device, NULL, error) : NULL;
  if (bench->exec == NULL || !fw_random_weights_bind (bench->weights, bench->exec, error))
    return FALSE;
  bind_inputs (bench);
  return TRUE;
}

static int
by_size (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return x < y ? -1 : x > y;
}

static char *
describe (const Bench *bench, const Suite *suite, const FwDevice *device, FwDtype compute, const double *sorted, int runs)
{
  char number[5][G_ASCII_DTOSTR_BUF_SIZE];
  double values[] = { bench->plan->flops / 1e9, sorted[runs / 2], sorted[0], bench->plan->flops / 1e9 / sorted[runs / 2], bench->plan->flops / 1e9 / sorted[0] };
  for (int i = 0; i < 5; i++)
    g_ascii_formatd (number[i], sizeof number[i], "%.6g", values[i]);
  return g_strdup_printf ("{\"bench\":\"%s\",\"path\":\"%s\",\"dtype\":\"%s\",\"workers\":%d,\"gflop\":%s,\"median_s\":%s,\"best_s\":%s,"
                          "\"gflops_median\":%s,\"gflops_best\":%s,\"plan_bytes\":%" G_GSIZE_FORMAT ",\"weight_bytes\":%" G_GSIZE_FORMAT "}",
                          suite->name, device->path->name, fw_dtype_name (compute), fw_pool_parallel (device->pool)->workers, number[0], number[1],
                          number[2], number[3], number[4], bench->plan->slab_bytes + bench->plan->persistent_bytes, fw_random_weights_bytes (bench->weights));
}

static char *
measure (const Suite *suite, int runs, FwDtype compute, FwDevice *device, const FwJobEvents *events, GCancellable *cancellable, GError **error)
{
  Bench bench = { 0 };
  g_autofree double *seconds = g_new (double, runs);
  gboolean good = bench_open (&bench, suite, compute, device, error);
  for (int i = -1; i < runs && good; i++) {
    gint64 start = g_get_monotonic_time ();
    good = fw_exec_run (bench.exec, cancellable, NULL, NULL, error);
    if (i >= 0)
      seconds[i] = (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
    fw_job_work (events, i + 2);
  }
  if (good)
    qsort (seconds, runs, sizeof *seconds, by_size);
  char *line = good ? describe (&bench, suite, device, compute, seconds, runs) : NULL;
  bench_clear (&bench);
  return line;
}

static FwDtype
precision (const char *name, const FwDevice *device)
{
  if (name == NULL || strcmp (name, "auto") == 0)
    return fw_device_preferred (device);
  return strcmp (name, "bf16") == 0 ? FW_DTYPE_BF16 : FW_DTYPE_F32;
}

gboolean
fw_bench (const FwBenchRequest *request, void (*report) (gpointer user_data, const char *json), gpointer user_data,
          const FwJobEvents *events, GCancellable *cancellable, GError **error)
{
  FwJobPhase phases[G_N_ELEMENTS (suites)];
  const Suite *chosen[G_N_ELEMENTS (suites)];
  guint n = 0;
  for (guint i = 0; i < G_N_ELEMENTS (suites); i++)
    if (strcmp (request->suite, "all") == 0 || strcmp (request->suite, suites[i].name) == 0) {
      phases[n] = (FwJobPhase) { suites[i].name, NULL, request->runs + 1, 0 };
      chosen[n++] = &suites[i];
    }
  if (n == 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "There is no suite “%s”; “bench --help” names them", request->suite);
    return FALSE;
  }
  g_autoptr (FwDevice) device = fw_device_new_cpu (NULL, 0, error);
  if (device == NULL)
    return FALSE;
  FwDtype compute = precision (request->precision, device);
  fw_job_plan (events, phases, n);
  for (guint i = 0; i < n; i++) {
    fw_job_phase (events, i);
    g_autofree char *line = measure (chosen[i], request->runs, compute, device, events, cancellable, error);
    if (line == NULL)
      return FALSE;
    report (user_data, line);
  }
  return TRUE;
}
