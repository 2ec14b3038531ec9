/* SPDX-License-Identifier: Apache-2.0
 * The executor: binding, state, shared slabs, the same bits on any number of workers, checks that stop where something goes
 * wrong, and no allocation while it runs. */
#include <string.h>

#include "engine/graph/gradient.h"
#include "engine/graph/rewrite.h"
#include "engine/memory/block.h"
#include "engine/model/stdit.h"
#include "tests/unit/count-allocations.h"
#include "tests/unit/graph-run.h"

#define SHAPE(...) (int) G_N_ELEMENTS (((const gint64[]) { __VA_ARGS__ })), (const gint64[]) { __VA_ARGS__ }

/* --- a device of which one kernel is ours --- */

/* A CPU device with one op's kernel replaced. */
typedef struct {
  FwDevice device;
  FwDevice *cpu;
  const FwOp *op;
  FwKernel kernel;
} FakeDevice;

static const FwKernel *
fake_kernel (FwDevice *device, const FwOp *op, const FwKernelCall *call)
{
  FakeDevice *fake = (FakeDevice *) device;
  return op == fake->op ? &fake->kernel : fake->cpu->class->kernel (fake->cpu, op, call);
}

static gpointer
fake_slab_new (FwDevice *device, gsize size, GError **error)
{
  return fw_block_new (size, "the test", error);
}

static void
fake_slab_free (FwDevice *device, gpointer slab, gsize size)
{
  fw_block_free (slab, size);
}

static void
fake_free (FwDevice *device)
{
  FakeDevice *fake = (FakeDevice *) device;
  fw_device_free (fake->cpu);
  g_free (fake);
}

static const FwDeviceClass fake_class = { "fake", fake_kernel, fake_slab_new, fake_slab_free, fake_free };

static FwDevice *
fake_device (const FwOp *op, void (*run) (const FwKernelCall *call))
{
  FakeDevice *fake = g_new0 (FakeDevice, 1);
  fake->cpu = test_device (NULL, 1);
  fake->device = (FwDevice) { &fake_class, fake->cpu->path, fake->cpu->pool };
  fake->op = op;
  fake->kernel = (FwKernel) { run, op->ref->scratch };
  return &fake->device;
}

static guint softmax_runs;

static void
run_counted_softmax (const FwKernelCall *call)
{
  softmax_runs++;
  fw_ops[FW_OP_SOFTMAX].ref->run (call);
}

/* --- binding and state --- */

static void
test_binding (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  g_autoptr (GError) error = NULL;
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (2)), w = fw_external (graph, "w", FW_DTYPE_F32, SHAPE (2));
  fw_external (graph, "unread", FW_DTYPE_F32, SHAPE (2));
  FwVal half = fw_constant (graph, "half", FW_DTYPE_F32, SHAPE (1), &(const float) { 0.5f });
  fw_keep (graph, "y", fw_mul (graph, fw_add (graph, x, fw_select (graph, fw_reshape_to (graph, w, 2, 1), 1, 0)), half));
  g_autoptr (FwPlan) plan = fw_plan_new (graph, device, &error);
  g_autoptr (FwExec) exec = fw_exec_new (plan, device, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (fw_exec_plan (exec) == plan);

  const float first[] = { 1, 2 }, second[] = { 10, 20 }, weight[] = { 3, 5 };
  fw_exec_bind (exec, "x", first);
  fw_exec_bind (exec, "nobody", first);
  fw_exec_bind (exec, "y", first); /* not an input */
  g_assert_false (fw_exec_run (exec, NULL, NULL, NULL, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, "“w”")); /* the value behind the view that is read */
  g_clear_error (&error);
  g_assert_false (fw_exec_run_timed (exec, (double[4]) { 0 }, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_INVALID);
  g_clear_error (&error);

  fw_exec_bind (exec, "w", weight);
  g_assert_true (fw_exec_run (exec, NULL, NULL, NULL, &error));
  const float *y = fw_exec_data (exec, "y");
  g_assert_cmpfloat (y[0], ==, 2);
  g_assert_cmpfloat (y[1], ==, 3.5);
  fw_exec_bind (exec, "x", second);
  g_assert_true (fw_exec_run (exec, NULL, NULL, NULL, &error));
  g_assert_cmpfloat (y[0], ==, 6.5);
  g_assert_cmpfloat (y[1], ==, 12.5);
  g_assert_true (fw_exec_data (exec, "x") == second);
  g_assert_null (fw_exec_data (exec, "nobody"));
  g_assert_null (fw_exec_data (exec, "unread"));
}

/* Persistent values start as zeros, live on from run to run, and belong to one executor. */
static void
test_persistent (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (3)), decay = fw_external (graph, "decay", FW_DTYPE_F32, SHAPE (1));
  FwVal state = fw_persistent (graph, "state", FW_DTYPE_F32, SHAPE (3));
  fw_ema (graph, state, x, decay);
  fw_keep (graph, "seen", state);
  g_autoptr (FwPlan) plan = fw_plan_new (graph, device, NULL);
  g_autoptr (FwExec) one = fw_exec_new (plan, device, NULL, NULL), two = fw_exec_new (plan, device, NULL, NULL);
  const float numbers[] = { 1, 2, 3 }, half = 0.5f;
  for (int i = 0; i < 2; i++) {
    fw_exec_bind (i ? two : one, "x", numbers);
    fw_exec_bind (i ? two : one, "decay", &half);
  }
  double want = 0;
  for (int step = 0; step < 5; step++) {
    g_assert_true (fw_exec_run (one, NULL, NULL, NULL, NULL));
    want = 0.5 * want + 0.5 * 2;
    g_assert_cmpfloat (((float *) fw_exec_data (one, "state"))[1], ==, want);
    g_assert_cmpfloat (((float *) fw_exec_data (one, "seen"))[1], ==, want);
  }
  for (int i = 0; i < 3; i++)
    g_assert_cmpfloat (((float *) fw_exec_data (two, "state"))[i], ==, 0);
}

static FwGraph *
chain (FwFunction function, gint64 size)
{
  FwGraph *graph = fw_graph_new (FW_DTYPE_F32);
  FwVal y = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (size));
  for (int i = 0; i < 4; i++)
    y = fw_softmax (graph, fw_unary (graph, function, y));
  fw_keep (graph, "y", y);
  return graph;
}

/* Executors that take turns on one slab do not disturb each other, apart from what they kept there. */
static void
test_shared_slab (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 2);
  g_autoptr (GError) error = NULL;
  TestRun alone[2];
  FwExec *sharing[2];
  gsize bytes = 0;
  for (int i = 0; i < 2; i++) {
    test_run_init (&alone[i], chain (i ? FW_FN_SIN : FW_FN_SQUARE, i ? 999 : 5000), device);
    test_run_go (&alone[i]);
    bytes = MAX (bytes, alone[i].plan->slab_bytes);
  }
  gpointer slab = fw_block_new (bytes, "the test", &error);
  for (int i = 0; i < 2; i++) {
    sharing[i] = fw_exec_new (alone[i].plan, device, slab, &error);
    fw_exec_bind (sharing[i], "x", test_run_memory (&alone[i], "x"));
  }
  for (int round = 0; round < 6; round++) {
    int i = round % 2;
    g_assert_true (fw_exec_run (sharing[i], NULL, NULL, NULL, &error));
    gsize size = (gsize) test_run_count (&alone[i], "y") * sizeof (float);
    g_assert_cmpmem (fw_exec_data (sharing[i], "y"), size, fw_exec_data (alone[i].exec, "y"), size);
  }
  for (int i = 0; i < 2; i++) {
    fw_exec_free (sharing[i]);
    test_run_clear (&alone[i]);
  }
  fw_block_free (slab, bytes);
}

/* What depends on steady values alone runs again only when they change. */
static void
test_steady (void)
{
  g_autoptr (FwDevice) device = fake_device (FW_OP (SOFTMAX), run_counted_softmax);
  g_auto (TestRun) run = { NULL };
  FwGraph *graph = fw_graph_new (FW_DTYPE_F32);
  FwVal text = fw_external (graph, "text", FW_DTYPE_F32, SHAPE (4)), x = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (4));
  fw_steady (graph, text);
  fw_keep (graph, "y", fw_add (graph, x, fw_softmax (graph, text)));
  test_run_init (&run, graph, device);
  g_assert_cmpuint (run.plan->n_prologue, ==, 1);
  g_assert_cmpuint (run.plan->slab_bytes, ==, 64); /* the sum; what lasts lies elsewhere */
  g_assert_cmpuint (run.plan->persistent_bytes, ==, 64);
  float *texts = test_run_memory (&run, "text"), *numbers = test_run_memory (&run, "x"), other[] = { 1, 2, 3, 4 };
  softmax_runs = 0;
  for (int step = 0; step < 3; step++) {
    numbers[0] = (float) step;
    test_run_go (&run);
  }
  g_assert_cmpuint (softmax_runs, ==, 1);
  double share = test_run_result (&run, "y", 0) - 2;
  g_assert_cmpfloat_with_epsilon (share, exp (texts[0]) / (exp (texts[0]) + exp (texts[1]) + exp (texts[2]) + exp (texts[3])),
                                  1e-6);
  fw_exec_bind (run.exec, "x", other); /* not steady */
  test_run_go (&run);
  g_assert_cmpuint (softmax_runs, ==, 1);
  texts[0] += 1;
  fw_exec_refresh (run.exec);
  test_run_go (&run);
  g_assert_cmpuint (softmax_runs, ==, 2);
  g_assert_cmpfloat (test_run_result (&run, "y", 0) - 1, >, share);
  fw_exec_bind (run.exec, "text", other);
  test_run_go (&run);
  g_assert_cmpuint (softmax_runs, ==, 3);
  /* a run that was cancelled before it got there has not done it */
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_cancellable_cancel (cancellable);
  fw_exec_refresh (run.exec);
  g_assert_false (fw_exec_run (run.exec, cancellable, NULL, NULL, NULL));
  test_run_go (&run);
  g_assert_cmpuint (softmax_runs, ==, 4);
}

/* --- workers --- */

/* A block of STDiT with its gradients, large enough that every loop has several ranges. */
static FwGraph *
training_graph (FwDtype compute)
{
  const FwStditConfig config = {
    .in_channels = 4, .hidden_size = 96, .depth = 1, .num_heads = 3, .mlp_ratio = 4, .patch_size = { 1, 2, 2 },
    .caption_channels = 32, .model_max_length = 8, .space_scale = 1, .time_scale = 1,
  };
  FwGraph *graph = fw_graph_new (compute);
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (2, 4, 4, 16, 16));
  FwVal t = fw_external (graph, "t", FW_DTYPE_F32, SHAPE (2));
  FwVal text = fw_external (graph, "text", FW_DTYPE_F32, SHAPE (2, 8, 32));
  FwVal mask = fw_external (graph, "mask", FW_DTYPE_U8, SHAPE (2, 8));
  FwVal y = fw_stdit (graph, &config, x, t, text, mask);
  FwVal loss = fw_reduce (graph, FW_REDUCE_MEAN, fw_unary (graph, FW_FN_SQUARE, y), ~0u);
  static const char *const names[] = { "blocks.0.attn.qkv.weight", "blocks.0.mlp.fc1.bias", "blocks.0.scale_shift_table",
                                       "x_embedder.proj.weight" };
  FwVal weights[G_N_ELEMENTS (names)], gradients[G_N_ELEMENTS (names)];
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    weights[i] = (FwVal) { fw_graph_named (graph, names[i])->id };
  fw_rewrite_forward (graph);
  fw_gradient (graph, loss, weights, G_N_ELEMENTS (names), FALSE, gradients);
  fw_keep (graph, "loss", loss);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *name = g_strdup_printf ("gradient%u", i);
    fw_keep (graph, name, gradients[i]);
  }
  fw_rewrite_final (graph);
  return graph;
}

static void
test_workers (gconstpointer data)
{
  FwDtype compute = GPOINTER_TO_INT (data);
  static const char *const kept[] = { "loss", "gradient0", "gradient1", "gradient2", "gradient3" };
  g_autoptr (FwDevice) single = test_device (NULL, 1);
  g_auto (TestRun) one = { NULL };
  test_run_init (&one, training_graph (compute), single);
  test_run_tame (&one);
  test_run_go (&one);
  g_assert_cmpfloat (test_run_result (&one, "loss", 0), >, 0);
  for (int workers = 1; workers <= 3; workers++) {
    g_autoptr (FwDevice) device = test_device (NULL, workers);
    g_auto (TestRun) run = { NULL };
    test_run_init (&run, training_graph (compute), device);
    test_run_tame (&run);
    for (int round = 0; round < 2; round++) {
      test_run_go (&run);
      for (guint k = 0; k < G_N_ELEMENTS (kept); k++)
        g_assert_true (test_run_same (&one, &run, kept[k]));
    }
  }
}

static void
test_no_allocation (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 2);
  g_auto (TestRun) run = { NULL };
  test_run_init (&run, training_graph (FW_DTYPE_F32), device);
  test_run_tame (&run);
  test_run_go (&run);
  gsize blocks = fw_block_total ();
  count_begin ();
  gboolean good = fw_exec_run (run.exec, NULL, NULL, NULL, NULL);
  unsigned allocations = count_end ();
  g_assert_true (good);
  g_assert_cmpuint (fw_block_total (), ==, blocks);
  if (!COUNTS_ALLOCATIONS) {
    g_test_skip ("the sanitizer stands where the count would");
    return;
  }
  g_assert_cmpuint (allocations, ==, 0);
  count_begin ();
  g_free (g_strdup ("the count works"));
  g_assert_cmpuint (count_end (), >, 0);
}

/* --- progress, time and cancelling --- */

typedef struct {
  guint calls, cancel_at;
  double last;
  GCancellable *cancellable;
} Watcher;

static void
on_progress (gpointer data, double flops)
{
  Watcher *watcher = data;
  g_assert_cmpfloat (flops, >=, watcher->last);
  watcher->last = flops;
  if (++watcher->calls == watcher->cancel_at)
    g_cancellable_cancel (watcher->cancellable);
}

static void
test_progress (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  g_auto (TestRun) run = { NULL };
  Watcher watcher = { 0 };
  test_run_init (&run, chain (FW_FN_SIN, 1000), device);
  g_assert_true (fw_exec_run (run.exec, NULL, on_progress, &watcher, NULL));
  g_assert_cmpuint (watcher.calls, ==, run.plan->n_steps);
  g_assert_cmpfloat (watcher.last, ==, run.plan->flops);
  g_autofree double *seconds = g_new0 (double, run.plan->n_steps);
  for (int round = 0; round < 2; round++)
    g_assert_true (fw_exec_run_timed (run.exec, seconds, NULL));
  for (guint s = 0; s < run.plan->n_steps; s++)
    g_assert_cmpfloat (seconds[s], >=, 0);
}

static void
test_cancel (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 2);
  g_auto (TestRun) run = { NULL }, undisturbed = { NULL };
  test_run_init (&run, chain (FW_FN_SIN, 1000), device);
  test_run_init (&undisturbed, chain (FW_FN_SIN, 1000), device);
  test_run_go (&undisturbed);
  for (guint at = 0; at < run.plan->n_steps; at++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GCancellable) cancellable = g_cancellable_new ();
    Watcher watcher = { .cancel_at = at, .cancellable = cancellable };
    if (at == 0)
      g_cancellable_cancel (cancellable); /* before it begins */
    g_assert_false (fw_exec_run (run.exec, cancellable, on_progress, &watcher, &error));
    g_assert_error (error, FW_ERROR, FW_ERROR_CANCELLED);
    g_assert_cmpuint (watcher.calls, ==, at);
    /* the executor is as good as new */
    g_cancellable_reset (cancellable);
    watcher = (Watcher) { 0 };
    g_assert_true (fw_exec_run (run.exec, cancellable, on_progress, &watcher, NULL));
    g_assert_true (test_run_same (&undisturbed, &run, "y"));
  }
}

/* --- what goes wrong --- */

/* Right but for one element, a little. */
static void
run_wrong_softmax (const FwKernelCall *call)
{
  softmax_runs++;
  fw_ops[FW_OP_SOFTMAX].ref->run (call);
  if (softmax_runs == 2)
    ((float *) call->out[0].data)[3] *= 1.02f;
}

static void
test_compared (void)
{
  g_autoptr (FwDevice) device = fake_device (FW_OP (SOFTMAX), run_wrong_softmax);
  g_auto (TestRun) run = { NULL };
  g_autoptr (GError) error = NULL;
  FwGraph *graph = fw_graph_new (FW_DTYPE_F32);
  FwVal y = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (8));
  for (int i = 0; i < 4; i++) {
    fw_scope_push (graph, "layer.%d", i);
    y = fw_softmax (graph, fw_unary (graph, FW_FN_SIN, y));
    fw_scope_pop (graph);
  }
  fw_keep (graph, "y", y);
  test_run_init (&run, graph, device);
  softmax_runs = 0;
  g_assert_false (fw_exec_run_compared (run.exec, 1e-3, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_NUMERIC);
  g_assert_nonnull (strstr (error->message, "layer.1 (softmax)"));
  g_assert_cmpuint (softmax_runs, ==, 2); /* nothing runs after it */
  g_clear_error (&error);
  softmax_runs = 0;
  g_assert_true (fw_exec_run_compared (run.exec, 0.05, &error));
  g_assert_no_error (error);
  softmax_runs = 2; /* all right from now on */
  g_assert_true (fw_exec_run_compared (run.exec, 1e-6, &error));
}

/* The fast kernels agree with the definition on a whole training graph, in place, placed and strided as planned. */
static void
test_compared_network (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  g_auto (TestRun) run = { NULL };
  g_autoptr (GError) error = NULL;
  test_run_init (&run, training_graph (FW_DTYPE_F32), device);
  test_run_tame (&run);
  fw_exec_run_compared (run.exec, 1e-4, &error);
  g_assert_no_error (error);
}

static void
test_watchdog (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  g_auto (TestRun) run = { NULL };
  g_autoptr (GError) error = NULL;
  FwGraph *graph = fw_graph_new (FW_DTYPE_F32);
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (4));
  fw_scope_push (graph, "blocks.0");
  FwVal y = fw_unary (graph, FW_FN_EXP, x);
  fw_scope_pop (graph);
  fw_scope_push (graph, "blocks.1");
  y = fw_unary (graph, FW_FN_LOG, fw_affine (graph, y, 1, -1)); /* of a negative number where x is */
  fw_scope_pop (graph);
  fw_scope_push (graph, "blocks.2");
  fw_keep (graph, "y", fw_unary (graph, FW_FN_EXP, y));
  test_run_init (&run, graph, device);
  float *numbers = test_run_memory (&run, "x");
  for (int i = 0; i < 4; i++)
    numbers[i] = 1;
  g_assert_true (fw_exec_run_watched (run.exec, NULL, &error));
  g_assert_no_error (error);

  numbers[2] = -1;
  g_assert_true (fw_exec_run (run.exec, NULL, NULL, NULL, &error)); /* an ordinary run does not look */
  g_assert_false (fw_exec_run_watched (run.exec, NULL, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_NUMERIC);
  g_assert_nonnull (strstr (error->message, "blocks.1 (unary)"));
  g_clear_error (&error);

  numbers[2] = 1000; /* overflows at once */
  g_assert_false (fw_exec_run_watched (run.exec, NULL, &error));
  g_assert_nonnull (strstr (error->message, "blocks.0 (unary)"));
  g_clear_error (&error);

  numbers[2] = NAN; /* and this is nobody's fault but the input's */
  g_assert_false (fw_exec_run_watched (run.exec, NULL, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_NUMERIC);
  g_assert_nonnull (strstr (error->message, "“x”"));
}

/* The sum of a bias's gradient overflows beside a sound gradient of the weight, which is the first result of the same node. */
static void
test_watchdog_second_result (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  g_auto (TestRun) run = { NULL };
  g_autoptr (GError) error = NULL;
  FwGraph *graph = fw_graph_new (FW_DTYPE_F32);
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (2, 1)), scale = fw_external (graph, "scale", FW_DTYPE_F32, SHAPE (2, 1));
  FwVal parameters[2] = { fw_external (graph, "w", FW_DTYPE_F32, SHAPE (1, 1)), fw_external (graph, "b", FW_DTYPE_F32, SHAPE (1)) };
  FwVal gradients[2];
  fw_scope_push (graph, "head");
  FwVal y = fw_linear (graph, x, parameters[0], parameters[1]);
  fw_scope_pop (graph);
  fw_gradient (graph, fw_reduce (graph, FW_REDUCE_SUM, fw_mul (graph, y, scale), ~0u), parameters, 2, FALSE, gradients);
  fw_keep (graph, "dw", gradients[0]);
  fw_keep (graph, "db", gradients[1]);
  test_run_init (&run, graph, device);
  float *numbers = test_run_memory (&run, "x"), *scales = test_run_memory (&run, "scale");
  *(float *) test_run_memory (&run, "w") = *(float *) test_run_memory (&run, "b") = 0;
  numbers[0] = numbers[1] = 1e-10f;
  scales[0] = scales[1] = 3e38f;
  g_assert_false (fw_exec_run_watched (run.exec, NULL, &error));
  g_assert_true (isfinite (*(const float *) fw_exec_data (run.exec, "dw")));
  g_assert_true (isinf (*(const float *) fw_exec_data (run.exec, "db")));
  g_assert_error (error, FW_ERROR, FW_ERROR_NUMERIC);
  g_assert_nonnull (strstr (error->message, "grad.head (linear_grad_weight)"));
}

/* A query without keys has the lawful statistic minus infinity. */
static void
test_watchdog_statistics (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  g_auto (TestRun) run = { NULL };
  g_autoptr (GError) error = NULL;
  FwGraph *graph = fw_graph_new (FW_DTYPE_F32);
  FwVal q = fw_external (graph, "q", FW_DTYPE_F32, SHAPE (1, 3, 1, 4));
  FwVal mask = fw_external (graph, "mask", FW_DTYPE_U8, SHAPE (1, 3));
  FwVal gradient;
  FwVal a = fw_attention (graph, q, q, q, mask, FW_NONE, 1, FALSE);
  fw_gradient (graph, fw_reduce (graph, FW_REDUCE_SUM, a, ~0u), &q, 1, FALSE, &gradient);
  fw_keep (graph, "gradient", gradient);
  test_run_init (&run, graph, device);
  memset (test_run_memory (&run, "mask"), 0, 3);
  g_assert_true (fw_exec_run_watched (run.exec, NULL, &error));
  g_assert_no_error (error);
}

static GCancellable *to_cancel;

/* What a kernel leaves behind when it is cancelled. */
static void
run_cancelled (const FwKernelCall *call)
{
  g_cancellable_cancel (to_cancel);
  ((float *) call->out[0].data)[0] = NAN;
}

static void
test_cancel_watched (void)
{
  g_autoptr (FwDevice) device = fake_device (FW_OP (SOFTMAX), run_cancelled);
  g_autoptr (GCancellable) cancellable = to_cancel = g_cancellable_new ();
  g_auto (TestRun) run = { NULL };
  g_autoptr (GError) error = NULL;
  test_run_init (&run, chain (FW_FN_SIN, 10), device);
  g_assert_false (fw_exec_run_watched (run.exec, cancellable, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_CANCELLED);
}

static void
test_device_errors (void)
{
  g_autoptr (GError) error = NULL;
  g_assert_null (fw_device_new_cpu ("sse3", 1, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "“sse3”"));
  g_clear_error (&error);
  fw_device_free (NULL);

  /* each of the executor's blocks fails once, nothing leaks, and then it works */
  g_autoptr (FwDevice) device = test_device ("ref", 1);
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  fw_ema (graph, fw_persistent (graph, "state", FW_DTYPE_F32, SHAPE (4)), fw_external (graph, "x", FW_DTYPE_F32, SHAPE (4)),
          fw_external (graph, "decay", FW_DTYPE_F32, SHAPE (1)));
  g_autoptr (FwPlan) plan = fw_plan_new (graph, device, &error);
  gsize before = fw_block_total ();
  for (guint nth = 1; nth <= 2; nth++) {
    fw_block_fail_after (nth);
    g_assert_null (fw_exec_new (plan, device, NULL, &error));
    fw_block_fail_after (0);
    g_assert_error (error, FW_ERROR, FW_ERROR_MEMORY);
    g_clear_error (&error);
    g_assert_cmpuint (fw_block_total (), ==, before);
  }
  FwExec *exec = fw_exec_new (plan, device, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (fw_block_total (), >, before);
  fw_exec_free (exec);
  g_assert_cmpuint (fw_block_total (), ==, before);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/exec/binding", test_binding);
  g_test_add_func ("/exec/persistent", test_persistent);
  g_test_add_func ("/exec/steady", test_steady);
  g_test_add_func ("/exec/shared-slab", test_shared_slab);
  g_test_add_data_func ("/exec/workers/f32", GINT_TO_POINTER (FW_DTYPE_F32), test_workers);
  g_test_add_data_func ("/exec/workers/bf16", GINT_TO_POINTER (FW_DTYPE_BF16), test_workers);
  g_test_add_func ("/exec/no-allocation", test_no_allocation);
  g_test_add_func ("/exec/progress", test_progress);
  g_test_add_func ("/exec/cancel", test_cancel);
  g_test_add_func ("/exec/cancel-watched", test_cancel_watched);
  g_test_add_func ("/exec/compared", test_compared);
  g_test_add_func ("/exec/compared-network", test_compared_network);
  g_test_add_func ("/exec/watchdog", test_watchdog);
  g_test_add_func ("/exec/watchdog-second-result", test_watchdog_second_result);
  g_test_add_func ("/exec/watchdog-statistics", test_watchdog_statistics);
  g_test_add_func ("/exec/device-errors", test_device_errors);
  return g_test_run ();
}
