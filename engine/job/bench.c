/* SPDX-License-Identifier: Apache-2.0
 * The bench job: a table of suites, each a recorded network, run several times and reported with its FLOPs. */
#include "engine/job/bench.h"

#include <stdlib.h>
#include <string.h>

#include "engine/graph/gradient.h"
#include "engine/graph/ops.h"
#include "engine/graph/rewrite.h"
#include "engine/job/process-peak.h"
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
  *about = suites[index].about;
  return suites[index].name;
}

/* A suite's graph and everything it takes to run it. */
typedef struct {
  const Suite *suite;
  FwGraph *graph;
  FwRandomWeights *weights;
  FwPlan *plan;
  FwExec *exec;
  GPtrArray *inputs;
} Bench;

static void
bench_clear (gpointer data)
{
  Bench *bench = data;
  fw_exec_free (bench->exec);
  fw_plan_free (bench->plan);
  fw_graph_free (bench->graph);
  fw_random_weights_free (bench->weights);
  g_ptr_array_unref (bench->inputs);
}

/* The memory of its runs. */
static void
bench_release (Bench *bench)
{
  g_clear_pointer (&bench->exec, fw_exec_free);
  g_clear_pointer (&bench->weights, fw_random_weights_free);
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
bench_plan (Bench *bench, FwDtype compute, FwDevice *device, GError **error)
{
  const Suite *suite = bench->suite;
  bench->inputs = g_ptr_array_new_with_free_func (g_free);
  bench->weights = fw_random_weights_new (suite->trains ? FW_DTYPE_F32 : compute);
  bench->graph = fw_graph_new (compute);
  fw_graph_set_weights (bench->graph, fw_random_weights_source (bench->weights));
  suite->record (bench->graph);
  fw_rewrite_forward (bench->graph);
  if (suite->trains && !fw_graph_failed (bench->graph))
    differentiate (bench->graph);
  fw_rewrite_final (bench->graph);
  return (bench->plan = fw_plan_new (bench->graph, device, error)) != NULL;
}

/* What progress is told: work before this piece of it. */
typedef struct {
  const FwJobEvents *events;
  double before;
} Telling;

static void
tell (gpointer data, double done)
{
  const Telling *telling = data;
  fw_job_work (telling->events, telling->before + done);
}

static gboolean
bench_prepare (Bench *bench, FwDevice *device, const FwJobEvents *events, GCancellable *cancellable, GError **error)
{
  Telling telling = { events, 0 };
  bench->exec = fw_exec_new (bench->plan, device, NULL, error);
  if (bench->exec == NULL || !fw_random_weights_bind (bench->weights, bench->exec, cancellable, tell, &telling, error))
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
describe (const Bench *bench, const FwDevice *device, FwDtype compute, const double *sorted, int runs, gint64 peak)
{
  double gflop = bench->plan->flops / 1e9;
  double values[] = { gflop, sorted[runs / 2], sorted[0], gflop / sorted[runs / 2], gflop / sorted[0] };
  char number[G_N_ELEMENTS (values)][G_ASCII_DTOSTR_BUF_SIZE];
  for (gsize i = 0; i < G_N_ELEMENTS (values); i++)
    g_ascii_formatd (number[i], sizeof number[i], "%.6g", values[i]);
  return g_strdup_printf ("{\"bench\":\"%s\",\"path\":\"%s\",\"dtype\":\"%s\",\"workers\":%d,"
                          "\"gflop\":%s,\"median_s\":%s,\"best_s\":%s,\"gflops_median\":%s,\"gflops_best\":%s,"
                          "\"plan_bytes\":%" G_GSIZE_FORMAT ",\"weight_bytes\":%" G_GSIZE_FORMAT ",\"peak_bytes\":%" G_GINT64_FORMAT "}",
                          bench->suite->name, device->path->name, fw_dtype_name (compute),
                          fw_pool_parallel (device->pool)->workers, number[0], number[1], number[2], number[3], number[4],
                          bench->plan->slab_bytes + bench->plan->persistent_bytes,
                          fw_random_weights_bytes (bench->weights), peak);
}

/* The times of @runs runs after one to warm up, the shortest first. */
static gboolean
measure (const Bench *bench, int runs, double *seconds, const FwJobEvents *events, GCancellable *cancellable, GError **error)
{
  for (int i = -1; i < runs; i++) {
    Telling telling = { events, (i + 1) * bench->plan->flops };
    gint64 start = g_get_monotonic_time ();
    if (!fw_exec_run (bench->exec, cancellable, tell, &telling, error))
      return FALSE;
    if (i < 0)
      continue;
    seconds[i] = (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
    fw_job_step (events, (guint) i + 1, (guint) runs);
  }
  qsort (seconds, (gsize) runs, sizeof *seconds, by_size);
  return TRUE;
}

static FwDtype
precision (const char *name, const FwDevice *device)
{
  if (name == NULL || strcmp (name, "auto") == 0)
    return fw_device_preferred (device);
  return strcmp (name, "bf16") == 0 ? FW_DTYPE_BF16 : FW_DTYPE_F32;
}

/* The suites that were asked for, as an array of Bench. */
static GArray *
choose (const char *name, FwDtype compute, FwDevice *device, GError **error)
{
  g_autoptr (GArray) benches = g_array_new (FALSE, TRUE, sizeof (Bench));
  g_array_set_clear_func (benches, bench_clear);
  for (guint i = 0; i < G_N_ELEMENTS (suites); i++) {
    if (strcmp (name, "all") != 0 && strcmp (name, suites[i].name) != 0)
      continue;
    g_array_set_size (benches, benches->len + 1);
    Bench *bench = &g_array_index (benches, Bench, benches->len - 1);
    bench->suite = &suites[i];
    if (!bench_plan (bench, compute, device, error))
      return NULL;
  }
  if (benches->len > 0)
    return g_steal_pointer (&benches);
  g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "There is no suite “%s”; “bench --help” names them", name);
  return NULL;
}

/* Two phases for each suite: drawing its weights, and its runs. */
static void
tell_phases (GArray *benches, int runs, FwDtype compute, const FwDevice *device, const FwJobEvents *events)
{
  g_autoptr (GPtrArray) kinds = g_ptr_array_new_with_free_func (g_free);
  g_autofree FwJobPhase *phases = g_new (FwJobPhase, 2 * benches->len);
  for (guint i = 0; i < benches->len; i++) {
    const Bench *bench = &g_array_index (benches, Bench, i);
    char *kind = g_strdup_printf ("bench %s %s %s", bench->suite->name, fw_dtype_name (compute), device->path->name);
    g_ptr_array_add (kinds, kind);
    phases[2 * i] = (FwJobPhase) { "prepare", "draw", (double) fw_random_weights_bytes (bench->weights), 0 };
    phases[2 * i + 1] = (FwJobPhase) { bench->suite->name, kind, (runs + 1) * bench->plan->flops, (guint) runs };
  }
  fw_job_plan (events, phases, 2 * benches->len);
}

gboolean
fw_bench (const FwBenchRequest *request, void (*report) (gpointer user_data, const char *json), gpointer user_data,
          const FwJobEvents *events, GCancellable *cancellable, GError **error)
{
  gint64 idle = fw_process_peak ();
  g_autoptr (FwDevice) device = fw_device_new_cpu (NULL, 0, error);
  if (device == NULL)
    return FALSE;
  FwDtype compute = precision (request->precision, device);
  g_autoptr (GArray) benches = choose (request->suite, compute, device, error);
  g_autofree double *seconds = g_new (double, request->runs);
  if (benches == NULL)
    return FALSE;
  tell_phases (benches, request->runs, compute, device, events);
  for (guint i = 0; i < benches->len; i++) {
    Bench *bench = &g_array_index (benches, Bench, i);
    fw_job_phase (events, 2 * i);
    if (!bench_prepare (bench, device, events, cancellable, error))
      return FALSE;
    fw_job_phase (events, 2 * i + 1);
    if (!measure (bench, request->runs, seconds, events, cancellable, error))
      return FALSE;
    g_autofree char *line = describe (bench, device, compute, seconds, request->runs, fw_process_peak () - idle);
    report (user_data, line);
    bench_release (bench);
  }
  return TRUE;
}
