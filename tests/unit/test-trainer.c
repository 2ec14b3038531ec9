/* SPDX-License-Identifier: Apache-2.0
 * The trainer against arithmetic written out here: accumulation, clipping, AdamW, the moving average, what goes wrong, and a
 * state on disk that continues bit for bit; and the diffusion loss as a graph against its definition. */
#include <glib/gstdio.h>
#include <string.h>

#include "engine/graph/gradient.h"
#include "engine/memory/file.h"
#include "engine/sample/iddpm-loss.h"
#include "engine/train/diffusion-loss.h"
#include "engine/train/state.h"
#include "tests/unit/graph-run.h"

#define SHAPE(...) (int) G_N_ELEMENTS (((const gint64[]) { __VA_ARGS__ })), (const gint64[]) { __VA_ARGS__ }

enum { BATCH = 12, WIDTH = 5 };

/* Variant 0 sees the whole batch, 1 a third of it, 2 a quarter. */
static const gint64 batches[] = { BATCH, BATCH / 3, BATCH / 4 };

static FwVal
record_loss (FwGraph *graph, guint variant, gpointer data)
{
  gint64 rows = batches[variant];
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (rows, WIDTH));
  FwVal y = fw_external (graph, "y", FW_DTYPE_F32, SHAPE (rows, 2));
  FwVal w = fw_weight (graph, "first.weight", SHAPE (7, WIDTH)), b = fw_weight (graph, "first.bias", SHAPE (7));
  FwVal hidden = fw_unary (graph, FW_FN_GELU_TANH, fw_linear (graph, x, w, b));
  fw_scope_push (graph, "second");
  FwVal out = fw_linear (graph, hidden, fw_weight (graph, "weight", SHAPE (2, 7)), FW_NONE);
  fw_scope_pop (graph);
  fw_weight (graph, "unused", SHAPE (3));
  return fw_reduce (graph, FW_REDUCE_MEAN, fw_unary (graph, FW_FN_SQUARE, fw_sub (graph, out, y)), 3);
}

typedef struct {
  FwTrainer *trainer;
  float *x, *y;
  gint64 size;
} Setup;

static const FwTrainerSettings usual = { .variants = 3, .compute = FW_DTYPE_F32, .adamw = { 0.9, 0.99, 1e-8, 0.01 }, .clip = 0 };

static void
setup_init (Setup *setup, const FwTrainerSettings *settings, FwDevice *device)
{
  g_autoptr (GError) error = NULL;
  setup->trainer = fw_trainer_new (record_loss, NULL, settings, device, &error);
  g_assert_no_error (error);
  setup->x = test_numbers ("x", FW_DTYPE_F32, BATCH * WIDTH);
  setup->y = test_numbers ("y", FW_DTYPE_F32, BATCH * 2);
  setup->size = fw_parameters_size (fw_trainer_parameters (setup->trainer));
  g_autofree float *start = test_numbers ("start", FW_DTYPE_F32, setup->size);
  memcpy (fw_trainer_array (setup->trainer, FW_TRAINER_WEIGHTS), start, (gsize) setup->size * sizeof *start);
  memcpy (fw_trainer_array (setup->trainer, FW_TRAINER_EMA), start, (gsize) setup->size * sizeof *start);
}

static void
setup_clear (Setup *setup)
{
  fw_trainer_free (setup->trainer);
  g_free (setup->x);
  g_free (setup->y);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Setup, setup_clear)

/* The gradient of one batch, in parts that variant @variant takes. Returns the mean of the losses. */
static double
accumulate (Setup *setup, guint variant)
{
  int parts = (int) (BATCH / batches[variant]);
  double sum = 0;
  for (int part = 0; part < parts; part++) {
    g_autoptr (GError) error = NULL;
    double loss = 0;
    fw_exec_bind (fw_trainer_exec (setup->trainer, variant), "x", setup->x + part * batches[variant] * WIDTH);
    fw_exec_bind (fw_trainer_exec (setup->trainer, variant), "y", setup->y + part * batches[variant] * 2);
    fw_trainer_accumulate (setup->trainer, variant, parts, &loss, NULL, &error);
    g_assert_no_error (error);
    sum += loss;
  }
  return sum / parts;
}

static double
update (Setup *setup, gint64 step, double rate, double decay)
{
  g_autoptr (GError) error = NULL;
  double norm = 0;
  fw_trainer_update (setup->trainer, step, rate, decay, &norm, NULL, &error);
  g_assert_no_error (error);
  return norm;
}

/* What the first step leaves in the mean is a tenth of the gradient it used. */
static double *
gradient_of (const Setup *setup)
{
  const float *mean = fw_trainer_array (setup->trainer, FW_TRAINER_MEAN);
  double *gradient = g_new (double, setup->size);
  for (gint64 i = 0; i < setup->size; i++)
    gradient[i] = mean[i] / (1 - (double) (float) usual.adamw.beta1);
  return gradient;
}

static double
length_of (const double *numbers, gint64 count)
{
  double square = 0;
  for (gint64 i = 0; i < count; i++)
    square += numbers[i] * numbers[i];
  return sqrt (square);
}

/* --- steps --- */

/* Parts of a batch give the gradient of the batch, up to the rounding of single precision. */
static void
test_accumulation (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  g_auto (Setup) whole = { NULL };
  setup_init (&whole, &usual, device);
  double loss = accumulate (&whole, 0), norm = update (&whole, 1, 0.01, 0.5);
  g_assert_null (fw_trainer_array (whole.trainer, FW_TRAINER_GRADIENT));
  g_autofree double *want = gradient_of (&whole);
  g_assert_cmpfloat (norm, >, 0.1);
  g_assert_cmpfloat_with_epsilon (norm, length_of (want, whole.size), 1e-5 * norm);
  for (guint variant = 1; variant < 3; variant++) {
    g_auto (Setup) parts = { NULL };
    setup_init (&parts, &usual, device);
    g_assert_cmpfloat_with_epsilon (accumulate (&parts, variant), loss, 1e-6 * loss);
    g_assert_cmpfloat_with_epsilon (update (&parts, 1, 0.01, 0.5), norm, 1e-6 * norm);
    g_autofree double *got = gradient_of (&parts);
    for (gint64 i = 0; i < whole.size; i++)
      g_assert_cmpfloat_with_epsilon (got[i], want[i], 1e-6 * norm);
  }
}

/* The second step's gradient does not hold the first one's. */
static void
test_steps_are_apart (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  g_auto (Setup) setup = { NULL }, once = { NULL };
  setup_init (&setup, &usual, device);
  setup_init (&once, &usual, device);
  accumulate (&setup, 1);
  double first = update (&setup, 1, 0, 1); /* a rate of 0 leaves the weights */
  accumulate (&setup, 1);
  g_assert_cmpfloat (update (&setup, 2, 0, 1), ==, first);
  accumulate (&once, 1);
  g_assert_cmpfloat (update (&once, 1, 0, 1), ==, first);
}

/* AdamW and the moving average in double, from the same gradients. */
static void
test_adamw (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  FwTrainerSettings settings = usual;
  settings.clip = 0.25;
  g_auto (Setup) setup = { NULL }, probe = { NULL };
  setup_init (&setup, &settings, device);
  setup_init (&probe, &usual, device);
  gint64 size = setup.size;
  gsize bytes = (gsize) size * sizeof (float);
  g_autofree double *p = g_new0 (double, size);
  g_autofree double *m = g_new0 (double, size);
  g_autofree double *v = g_new0 (double, size);
  g_autofree double *e = g_new0 (double, size);
  for (gint64 i = 0; i < size; i++)
    e[i] = p[i] = fw_trainer_array (setup.trainer, FW_TRAINER_WEIGHTS)[i];
  for (int step = 1; step <= 5; step++) {
    double rate = 0.02 / step, decay = 0.5 + 0.05 * step;
    /* the gradient at these very weights, from a trainer that does nothing else */
    memcpy (fw_trainer_array (probe.trainer, FW_TRAINER_WEIGHTS), fw_trainer_array (setup.trainer, FW_TRAINER_WEIGHTS), bytes);
    memset (fw_trainer_array (probe.trainer, FW_TRAINER_MEAN), 0, bytes);
    accumulate (&probe, 0);
    update (&probe, 1, 0, 1);
    g_autofree double *gradient = gradient_of (&probe);
    double length = length_of (gradient, size), factor = MIN (1, settings.clip / (length + 1e-6));
    g_assert_cmpfloat (length, >, settings.clip); /* so that clipping is seen */

    accumulate (&setup, 0);
    g_assert_cmpfloat_with_epsilon (update (&setup, step, rate, decay), length, 1e-5 * length); /* as it was before clipping */
    for (gint64 i = 0; i < size; i++) {
      double g = factor * gradient[i];
      p[i] *= 1 - rate * settings.adamw.weight_decay;
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.99 * v[i] + 0.01 * g * g;
      p[i] -= rate / (1 - pow (0.9, step)) * m[i] / (sqrt (v[i]) / sqrt (1 - pow (0.99, step)) + settings.adamw.epsilon);
      e[i] = decay * e[i] + (1 - decay) * p[i];
    }
    const float *weights = fw_trainer_array (setup.trainer, FW_TRAINER_WEIGHTS);
    const float *average = fw_trainer_array (setup.trainer, FW_TRAINER_EMA);
    for (gint64 i = 0; i < size; i++) {
      g_assert_cmpfloat_with_epsilon (weights[i], p[i], 2e-6);
      g_assert_cmpfloat_with_epsilon (average[i], e[i], 2e-6);
      p[i] = weights[i]; /* small gradients make the sign of Adam's step; do not drift apart over it */
    }
  }
}

static void
test_clip (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  const double clips[] = { 0, 0.1, 1e6 };
  double lengths[3], norms[3];
  for (int i = 0; i < 3; i++) {
    FwTrainerSettings settings = usual;
    settings.clip = clips[i];
    g_auto (Setup) setup = { NULL };
    setup_init (&setup, &settings, device);
    accumulate (&setup, 0);
    norms[i] = update (&setup, 1, 0.01, 1);
    g_autofree double *gradient = gradient_of (&setup);
    lengths[i] = length_of (gradient, setup.size);
  }
  g_assert_cmpfloat (norms[1], ==, norms[0]);
  g_assert_cmpfloat (norms[2], ==, norms[0]);
  g_assert_cmpfloat_with_epsilon (lengths[0], norms[0], 1e-5 * norms[0]);
  g_assert_cmpfloat_with_epsilon (lengths[1], 0.1, 1e-6);
  g_assert_cmpfloat (lengths[2], ==, lengths[0]);
}

/* --- what goes wrong --- */

static void
test_not_finite (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  g_autoptr (GError) error = NULL;
  g_auto (Setup) setup = { NULL };
  setup_init (&setup, &usual, device);
  double loss, norm;
  const FwParameter *parameter = fw_parameters_find (fw_trainer_parameters (setup.trainer), "second.weight");
  float *weights = fw_trainer_array (setup.trainer, FW_TRAINER_WEIGHTS), sound = weights[parameter->offset];
  g_autofree float *before = g_memdup2 (weights, (gsize) setup.size * sizeof *weights);
  weights[parameter->offset] = before[parameter->offset] = 3e38f; /* sums with it overflow */
  fw_exec_bind (fw_trainer_exec (setup.trainer, 0), "x", setup.x);
  fw_exec_bind (fw_trainer_exec (setup.trainer, 0), "y", setup.y);
  g_assert_false (fw_trainer_accumulate (setup.trainer, 0, 1, &loss, NULL, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_NUMERIC);
  g_assert_nonnull (strstr (error->message, "overflowed at second (linear)"));
  g_assert_cmpmem (weights, setup.size * sizeof *weights, before, setup.size * sizeof *weights);
  g_clear_error (&error);

  /* a finite loss whose gradient's square is not */
  weights[parameter->offset] = 1e18f;
  g_assert_true (fw_trainer_accumulate (setup.trainer, 0, 1, &loss, NULL, &error));
  g_assert_cmpfloat (loss, <, G_MAXFLOAT);
  g_assert_false (fw_trainer_update (setup.trainer, 1, 0.01, 0.5, &norm, NULL, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_NUMERIC);
  g_assert_nonnull (strstr (error->message, "too large for its length"));
  g_assert_cmpfloat (weights[parameter->offset + 1], ==, before[parameter->offset + 1]);
  g_clear_error (&error);

  /* a finite loss whose gradient is not: a large weight of a unit that says next to nothing */
  const FwParameter *bias = fw_parameters_find (fw_trainer_parameters (setup.trainer), "first.bias");
  g_autofree float *unit = g_memdup2 (weights, WIDTH * sizeof *weights);
  float sound_bias = weights[bias->offset];
  memset (weights, 0, WIDTH * sizeof *weights);
  weights[bias->offset] = 1e-10f;
  weights[parameter->offset] = 1e28f;
  g_assert_true (fw_trainer_accumulate (setup.trainer, 0, 1, &loss, NULL, &error));
  g_assert_cmpfloat (loss, <, G_MAXFLOAT);
  g_assert_false (fw_trainer_update (setup.trainer, 1, 0.01, 0.5, &norm, NULL, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_NUMERIC);
  g_assert_nonnull (strstr (error->message, "overflowed at grad.second (linear)"));
  g_clear_error (&error);

  memcpy (weights, unit, WIDTH * sizeof *weights);
  weights[bias->offset] = sound_bias;
  weights[parameter->offset] = sound;
  accumulate (&setup, 0);
  g_assert_cmpfloat (update (&setup, 1, 0.01, 0.5), >, 0);
}

/* A cancelled part leaves the others of its step as they are. */
static void
test_cancelled (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Setup) setup = { NULL }, undisturbed = { NULL };
  setup_init (&setup, &usual, device);
  setup_init (&undisturbed, &usual, device);
  g_cancellable_cancel (cancellable);
  double loss;
  fw_exec_bind (fw_trainer_exec (setup.trainer, 0), "x", setup.x);
  fw_exec_bind (fw_trainer_exec (setup.trainer, 0), "y", setup.y);
  g_assert_false (fw_trainer_accumulate (setup.trainer, 0, 1, &loss, cancellable, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_CANCELLED);
  accumulate (&setup, 1);
  accumulate (&undisturbed, 1);
  g_assert_cmpfloat (update (&setup, 1, 0.01, 0.5), ==, update (&undisturbed, 1, 0.01, 0.5));
  gsize bytes = (gsize) setup.size * sizeof (float);
  g_assert_cmpmem (fw_trainer_array (setup.trainer, FW_TRAINER_WEIGHTS), bytes,
                   fw_trainer_array (undisturbed.trainer, FW_TRAINER_WEIGHTS), bytes);
}

static FwVal
record_other_weights (FwGraph *graph, guint variant, gpointer data)
{
  FwVal w = fw_weight (graph, variant == 0 ? "first" : "second", SHAPE (3));
  return fw_reduce (graph, FW_REDUCE_SUM, w, 1);
}

static FwVal
record_without_weights (FwGraph *graph, guint variant, gpointer data)
{
  fw_weight (graph, "idle", SHAPE (3));
  return fw_reduce (graph, FW_REDUCE_SUM, fw_external (graph, "x", FW_DTYPE_F32, SHAPE (3)), 1);
}

static void
test_refused (void)
{
  static const struct { FwRecordLoss record; const char *says; } bad[] = {
    { record_other_weights, "“second” is not a parameter" }, { record_without_weights, "the loss depends on no weight" },
  };
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    FwTrainerSettings settings = usual;
    g_autoptr (GError) error = NULL;
    settings.variants = 2;
    g_assert_null (fw_trainer_new (bad[i].record, NULL, &settings, device, &error));
    g_assert_error (error, FW_ERROR, FW_ERROR_CHECKPOINT);
    g_assert_nonnull (strstr (error->message, bad[i].says));
  }
}

/* --- parameters and state on disk --- */

static void
test_parameters (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  g_auto (Setup) setup = { NULL };
  setup_init (&setup, &usual, device);
  const FwParameters *parameters = fw_trainer_parameters (setup.trainer);
  static const struct { const char *name; gint64 count; } want[] = { { "first.weight", 7 * WIDTH }, { "first.bias", 7 },
                                                                     { "second.weight", 14 }, { "unused", 3 } };
  gint64 end = 0;
  g_assert_cmpuint (fw_parameters_count (parameters), ==, G_N_ELEMENTS (want));
  for (guint i = 0; i < G_N_ELEMENTS (want); i++) {
    const FwParameter *parameter = fw_parameters_get (parameters, i);
    g_assert_cmpstr (parameter->name, ==, want[i].name);
    g_assert_cmpint (parameter->count, ==, want[i].count);
    g_assert_cmpint (parameter->offset * sizeof (float) % 64, ==, 0); /* whole cache lines */
    g_assert_cmpint (parameter->offset, >=, end);
    g_assert_true (fw_parameters_find (parameters, want[i].name) == parameter);
    end = parameter->offset + parameter->count;
  }
  g_assert_cmpint (fw_parameters_size (parameters), >=, end);
  g_assert_null (fw_parameters_find (parameters, "third"));
}

static void
take_steps (Setup *setup, gint64 first, gint64 past)
{
  for (gint64 step = first; step < past; step++) {
    accumulate (setup, (guint) (step % 3));
    update (setup, step + 1, 0.02, 0.7);
  }
}

/* Six steps in one go, and three, a file, and three more in another trainer on other workers: the same bits. */
static void
test_state (void)
{
  enum { STEPS = 6 };
  g_autoptr (GError) error = NULL;
  g_autoptr (FwDevice) device = test_device (NULL, 1), other = test_device (NULL, 2);
  g_autofree char *folder = g_dir_make_tmp ("framewright-trainer-XXXXXX", &error);
  g_autofree char *state = g_build_filename (folder, "state", NULL);
  g_autofree char *path = g_build_filename (state, "stage.safetensors", NULL);
  g_mkdir (state, 0700);
  FwTrainRecipe recipe = { .precision = "fp32", .seed = 1 }, another = { .precision = "fp32", .seed = 2 };
  FwTrainStage stage = { .name = "stage", .json = json_object_new (), .steps = STEPS };
  FwTrainContext context = { .recipe = &recipe, .folder = folder, .device = device };
  g_auto (Setup) straight = { NULL }, first = { NULL }, second = { NULL };
  setup_init (&straight, &usual, device);
  setup_init (&first, &usual, device);
  setup_init (&second, &usual, other);
  take_steps (&straight, 0, STEPS);
  take_steps (&first, 0, STEPS / 2);

  FwTrainProgress progress = { .step = -1 };
  g_assert_false (fw_train_state_exists (&context, &stage));
  g_assert_true (fw_train_state_load (&context, &stage, second.trainer, &progress, &error));
  g_assert_cmpint (progress.step, ==, 0); /* there is none */
  progress = (FwTrainProgress) { .step = STEPS / 2, .seconds = 1.0 / 3, .loss = 0.1, .norm = 1e-7, .summed = 2 };
  g_assert_true (fw_train_state_save (&context, &stage, first.trainer, &progress, &error));
  g_assert_no_error (error);
  FwTrainProgress loaded = { 0 };
  g_assert_true (fw_train_state_exists (&context, &stage));
  g_assert_true (fw_train_state_load (&context, &stage, second.trainer, &loaded, &error));
  g_assert_no_error (error);
  g_assert_cmpint (loaded.step, ==, progress.step);
  g_assert_cmpfloat (loaded.seconds, ==, progress.seconds);
  g_assert_cmpfloat (loaded.loss, ==, progress.loss);
  g_assert_cmpfloat (loaded.norm, ==, progress.norm);
  g_assert_cmpint (loaded.summed, ==, progress.summed);
  take_steps (&second, loaded.step, STEPS);
  gsize bytes = (gsize) straight.size * sizeof (float);
  for (FwTrainerArray array = FW_TRAINER_WEIGHTS; array <= FW_TRAINER_EMA; array++)
    g_assert_cmpmem (fw_trainer_array (second.trainer, array), bytes, fw_trainer_array (straight.trainer, array), bytes);

  /* another recipe's, and a damaged one, are refused and leave the weights alone */
  context.recipe = &another;
  g_assert_false (fw_train_state_load (&context, &stage, second.trainer, &loaded, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_INVALID);
  g_clear_error (&error);
  context.recipe = &recipe;
  g_autofree char *text = NULL;
  gsize length = 0;
  g_assert_true (g_file_get_contents (path, &text, &length, &error));
  g_assert_true (fw_file_write (path, text, length / 2, &error));
  g_assert_false (fw_train_state_load (&context, &stage, second.trainer, &loaded, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_FORMAT);
  g_assert_cmpmem (fw_trainer_array (second.trainer, FW_TRAINER_WEIGHTS), bytes,
                   fw_trainer_array (straight.trainer, FW_TRAINER_WEIGHTS), bytes);
  fw_train_state_remove (&context, &stage);
  g_assert_false (fw_train_state_exists (&context, &stage));
  json_object_unref (stage.json);
  g_rmdir (state);
  g_rmdir (folder);
}

/* --- the diffusion loss --- */

enum { SAMPLES = 5, CHANNELS = 2, PIXELS = 6, COUNT = CHANNELS * PIXELS };

/* In double, samples of several timesteps at once: values and gradient are those of the definition, one by one. Some numbers
 * of the first sample lie in the open end bins, and some predictions are hopeless. */
static void
test_diffusion_loss (void)
{
  static const int index[SAMPLES] = { 0, 0, 1, 500, 999 };
  g_autoptr (FwDevice) device = test_device ("ref", 1);
  g_autoptr (FwDiffusion) diffusion = fw_diffusion_new ("linear", "", NULL);
  g_auto (TestRun) run = { NULL };
  FwGraph *graph = fw_graph_new (FW_DTYPE_F64);
  FwVal output = fw_external (graph, "output", FW_DTYPE_F64, SHAPE (SAMPLES, 2 * CHANNELS, 1, 2, 3)), gradient;
  FwVal x0 = fw_external (graph, "x0", FW_DTYPE_F64, SHAPE (SAMPLES, CHANNELS, 1, 2, 3));
  FwVal noise = fw_external (graph, "noise", FW_DTYPE_F64, SHAPE (SAMPLES, CHANNELS, 1, 2, 3));
  FwVal xt = fw_external (graph, "xt", FW_DTYPE_F64, SHAPE (SAMPLES, CHANNELS, 1, 2, 3));
  FwVal rows = fw_external (graph, "rows", FW_DTYPE_F64, SHAPE (SAMPLES, FW_LOSS_COLUMNS));
  FwDiffusionLoss loss = fw_diffusion_loss (graph, output, x0, noise, xt, rows);
  fw_gradient (graph, loss.total, &output, 1, FALSE, &gradient);
  fw_keep (graph, "total", loss.total);
  fw_keep (graph, "mse", loss.mse);
  fw_keep (graph, "vb", loss.vb);
  fw_keep (graph, "gradient", gradient);
  test_run_init (&run, graph, device);

  double *outputs = test_run_memory (&run, "output");
  double *xts = test_run_memory (&run, "xt");
  double *table = test_run_memory (&run, "rows");
  double *clean = test_run_memory (&run, "x0"), *noises = test_run_memory (&run, "noise"), total = 0;
  for (int s = 0; s < SAMPLES; s++) {
    int t = index[s];
    double *row = table + s * FW_LOSS_COLUMNS;
    row[FW_LOSS_MSE_WEIGHT] = row[FW_LOSS_VB_WEIGHT] = 1;
    row[FW_LOSS_IS_FIRST] = t == 0;
    row[FW_LOSS_POSTERIOR_X0] = diffusion->posterior_mean_x0[t];
    row[FW_LOSS_POSTERIOR_XT] = diffusion->posterior_mean_xt[t];
    row[FW_LOSS_LOG_VARIANCE] = diffusion->posterior_log_variance_clipped[t];
    row[FW_LOSS_LOG_BETA] = diffusion->log_beta[t];
    row[FW_LOSS_RECIP] = diffusion->sqrt_recip_abar[t];
    row[FW_LOSS_RECIPM1] = diffusion->sqrt_recipm1_abar[t];
    float single[FW_LOSS_COLUMNS];
    fw_diffusion_loss_row (diffusion, t, single);
    for (int c = 0; c < FW_LOSS_COLUMNS; c++)
      g_assert_cmpfloat (single[c], ==, (float) row[c]);
  }
  /* the definition takes single precision; predictions are near the noise, so that the likelihood is not flat */
  for (int i = 0; i < SAMPLES * COUNT; i++) {
    clean[i] = (float) (i < COUNT && i % 3 != 1 ? (i % 2 ? 0.9995 : -0.9995) : clean[i]);
    noises[i] = (float) noises[i];
    xts[i] = diffusion->sqrt_abar[index[i / COUNT]] * clean[i] + diffusion->sqrt_1m_abar[index[i / COUNT]] * noises[i];
    double *guess = outputs + i / COUNT * 2 * COUNT + i % COUNT;
    *guess = (float) (i % 7 == 6 ? 40.0 : noises[i] + 0.3 * *guess);
    guess[COUNT] = (float) guess[COUNT];
  }
  test_run_go (&run);
  for (int s = 0; s < SAMPLES; s++) {
    float start[COUNT], drawn[COUNT], predicted[2 * COUNT];
    double slopes[2 * COUNT], largest = 0;
    for (int i = 0; i < COUNT; i++) {
      start[i] = (float) clean[s * COUNT + i];
      drawn[i] = (float) noises[s * COUNT + i];
    }
    for (int i = 0; i < 2 * COUNT; i++)
      predicted[i] = (float) outputs[s * 2 * COUNT + i];
    FwIddpmLoss want = fw_iddpm_loss (diffusion, index[s], start, drawn, predicted, COUNT, slopes);
    g_assert_cmpfloat_with_epsilon (test_run_result (&run, "mse", s), want.mse, 1e-11 * fabs (want.mse));
    g_assert_cmpfloat_with_epsilon (test_run_result (&run, "vb", s), want.vb, 1e-9 * fabs (want.vb));
    total += (want.mse + want.vb) / SAMPLES;
    for (int i = 0; i < 2 * COUNT; i++)
      largest = MAX (largest, fabs (slopes[i]));
    for (int i = 0; i < 2 * COUNT; i++)
      g_assert_cmpfloat_with_epsilon (test_run_result (&run, "gradient", s * 2 * COUNT + i) * SAMPLES, slopes[i], 1e-9 * largest);
  }
  g_assert_cmpfloat_with_epsilon (test_run_result (&run, "total", 0), total, 1e-9 * total);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/trainer/accumulation", test_accumulation);
  g_test_add_func ("/trainer/steps-are-apart", test_steps_are_apart);
  g_test_add_func ("/trainer/adamw", test_adamw);
  g_test_add_func ("/trainer/clip", test_clip);
  g_test_add_func ("/trainer/not-finite", test_not_finite);
  g_test_add_func ("/trainer/cancelled", test_cancelled);
  g_test_add_func ("/trainer/refused", test_refused);
  g_test_add_func ("/trainer/parameters", test_parameters);
  g_test_add_func ("/trainer/state", test_state);
  g_test_add_func ("/trainer/diffusion-loss", test_diffusion_loss);
  return g_test_run ();
}
