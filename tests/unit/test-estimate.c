/* SPDX-License-Identifier: Apache-2.0
 * The time left of simulated jobs: right within 15 % from a quarter of the run on, a bar that never goes back or rests at
 * 100 %, and costs that are learned, kept, and read back from damaged files without harm. */
#include "engine/job/estimate.h"
#include "engine/memory/file.h"

#include <math.h>
#include <string.h>

/* A phase as it really goes: each report is one of @reports equal parts and takes its share of @seconds; the first part
 * takes @first times as long as the others, and times jitter by a tenth. */
typedef struct {
  FwJobPhase phase;
  double seconds;
  guint reports;
  double first;
} Truth;

static double
part_seconds (const Truth *truth, guint part)
{
  double share = truth->seconds / (truth->reports - 1 + truth->first);
  double jitter = 1 + 0.1 * sin (12.9898 * (part + 1));
  return share * (part == 0 ? truth->first : jitter);
}

static double
run_length (const Truth *truths, guint count)
{
  double length = 0;
  for (guint i = 0; i < count; i++)
    for (guint part = 0; part < truths[i].reports; part++)
      length += part_seconds (&truths[i], part);
  return length;
}

/* Looks at the estimate, as a front end does many times between two reports. */
static void
look (FwEstimate *estimate, double now, double length, double *shown, double *worst)
{
  double remaining = fw_estimate_remaining (estimate, now);
  double fraction = fw_estimate_fraction (estimate, now);
  g_assert_cmpfloat (fraction, >=, *shown);
  g_assert_cmpfloat (fraction, <, 1);
  *shown = fraction;
  if (now >= 0.25 * length) {
    g_assert_cmpfloat (remaining, >=, 0);
    *worst = MAX (*worst, fabs (now + remaining - length) / length);
  }
}

/* Runs the job once and returns the worst error of its predicted length from a quarter on. */
static double
simulate (FwCosts *costs, const Truth *truths, guint count)
{
  g_autofree FwJobPhase *phases = g_new (FwJobPhase, count);
  for (guint i = 0; i < count; i++)
    phases[i] = truths[i].phase;
  double length = run_length (truths, count), now = 0, shown = 0, worst = 0;
  g_autoptr (FwEstimate) estimate = fw_estimate_new (costs, now);
  fw_estimate_plan (estimate, phases, count, now);
  for (guint i = 0; i < count; i++) {
    fw_estimate_phase (estimate, i, now);
    for (guint part = 0; part < truths[i].reports; part++) {
      double seconds = part_seconds (&truths[i], part);
      for (int moment = 0; moment < 10; moment++)
        look (estimate, now + seconds * moment / 10, length, &shown, &worst);
      now += seconds;
      fw_estimate_work (estimate, truths[i].phase.work * (part + 1) / truths[i].reports, now);
      look (estimate, now, length, &shown, &worst);
    }
  }
  fw_estimate_finish (estimate, now);
  g_assert_cmpfloat (fw_estimate_remaining (estimate, now), ==, 0);
  g_assert_cmpfloat (fw_estimate_fraction (estimate, now), ==, 1);
  return worst;
}

static const Truth clip[] = {
  { { "load", "load", 2e7, 0 }, 0.4, 4, 1 },
  { { "text", "text t5 fp32", 5e8, 0 }, 0.1, 1, 1 },
  { { "sample", "sample stdit fp32", 4e11, 20 }, 9.0, 20, 1.5 },
  { { "decode", "decode vae fp32", 3e10, 0 }, 1.5, 4, 1 },
  { { "save", "save x264", 8e5, 0 }, 0.3, 4, 1 },
};

/* In a folder that the test framework removes, and that is not there yet; @name tells several of one test apart. */
static char *
costs_file (const char *name)
{
  return g_build_filename (g_get_user_cache_dir (), "framewright", name, NULL);
}

static void
test_learned (void)
{
  g_autofree char *path = costs_file ("costs.json");
  {
    g_autoptr (FwCosts) costs = fw_costs_open (path);
    simulate (costs, clip, G_N_ELEMENTS (clip));
    fw_costs_save (costs);
  }
  g_autoptr (FwCosts) costs = fw_costs_open (path);
  g_assert_cmpfloat_with_epsilon (fw_costs_find (costs, "decode vae fp32") * 3e10, 1.5, 0.15);
  g_assert_cmpfloat (simulate (costs, clip, G_N_ELEMENTS (clip)), <, 0.08);
}

static void
test_first_run (void)
{
  g_assert_cmpfloat (simulate (NULL, clip, G_N_ELEMENTS (clip)), <, 0.15);
}

/* The same work on a machine that today is half or twice as fast as learned. */
static void
test_other_pace (void)
{
  for (int slower = 0; slower < 2; slower++) {
    g_autofree char *path = costs_file (slower ? "slower.json" : "faster.json");
    g_autoptr (FwCosts) costs = fw_costs_open (path);
    simulate (costs, clip, G_N_ELEMENTS (clip));
    Truth today[G_N_ELEMENTS (clip)];
    memcpy (today, clip, sizeof clip);
    for (guint i = 0; i < G_N_ELEMENTS (clip); i++)
      today[i].seconds *= slower ? 2 : 0.5;
    g_assert_cmpfloat (simulate (costs, today, G_N_ELEMENTS (today)), <, 0.15);
  }
}

/* The first report of a phase, cold and of little work, says nothing against a forecast that was measured; the second one does. */
static void
test_cold_start (void)
{
  g_autofree char *path = costs_file ("cold.json");
  g_autoptr (FwCosts) costs = fw_costs_open (path);
  fw_costs_learn (costs, "train", 1000, 100);
  const FwJobPhase phase = { .name = "train", .kind = "train", .work = 1000 };
  g_autoptr (FwEstimate) estimate = fw_estimate_new (costs, 0);
  fw_estimate_plan (estimate, &phase, 1, 0);
  fw_estimate_phase (estimate, 0, 0);
  g_assert_cmpfloat_with_epsilon (fw_estimate_remaining (estimate, 0), 100, 0.01);
  fw_estimate_work (estimate, 1, 2); /* twenty times as long as forecast */
  g_assert_cmpfloat_with_epsilon (fw_estimate_remaining (estimate, 2), 99.9, 0.01);
  fw_estimate_work (estimate, 101, 22); /* twice as long */
  g_assert_cmpfloat (fw_estimate_remaining (estimate, 22), >, 140);
}

/* Nor does it in a phase that was only guessed, once another such phase has shown how guesses compare with this machine. */
static void
test_cold_guess (void)
{
  const FwJobPhase phases[] = { { "images", NULL, 1000, 0 }, { "clips", NULL, 3000, 0 } };
  g_autoptr (FwEstimate) estimate = fw_estimate_new (NULL, 0);
  fw_estimate_plan (estimate, phases, 2, 0);
  fw_estimate_phase (estimate, 0, 0);
  fw_estimate_work (estimate, 1, 2);
  g_assert_cmpfloat_with_epsilon (fw_estimate_remaining (estimate, 2), 2 * 3999, 1); /* all that is known */
  fw_estimate_work (estimate, 1000, 102);
  fw_estimate_phase (estimate, 1, 102);
  double before = fw_estimate_remaining (estimate, 102);
  g_assert_cmpfloat_with_epsilon (before, 306, 1);
  fw_estimate_work (estimate, 3, 105); /* ten times as long */
  g_assert_cmpfloat_with_epsilon (fw_estimate_remaining (estimate, 105), before, 1);
  fw_estimate_work (estimate, 303, 165); /* twice as long */
  g_assert_cmpfloat (fw_estimate_remaining (estimate, 165), >, 0.16 * 2697);
  g_assert_cmpfloat (fw_estimate_remaining (estimate, 165), <, 0.21 * 2697);
}

/* A job that goes on where its sampling had ended: what is behind it takes a moment, which is no measure of anything. */
static void
test_nothing_left (void)
{
  enum { SAMPLE = 2, DECODE = 3 };
  g_autofree char *path = costs_file ("costs.json");
  g_autoptr (FwCosts) costs = fw_costs_open (path);
  simulate (costs, clip, G_N_ELEMENTS (clip));
  double learned = fw_costs_find (costs, "sample stdit fp32");
  FwJobPhase rest[G_N_ELEMENTS (clip)];
  for (guint i = 0; i < G_N_ELEMENTS (clip); i++)
    rest[i] = clip[i].phase;
  rest[SAMPLE].work = 0;
  g_autoptr (FwEstimate) estimate = fw_estimate_new (costs, 0);
  fw_estimate_plan (estimate, rest, G_N_ELEMENTS (rest), 0);
  fw_estimate_phase (estimate, SAMPLE, 0);
  g_assert_cmpfloat_with_epsilon (fw_estimate_remaining (estimate, 0), 1.8, 0.27);
  fw_estimate_phase (estimate, DECODE, 0.2);
  g_assert_cmpfloat_with_epsilon (fw_estimate_remaining (estimate, 0.2), 1.8, 0.27);
  g_assert_cmpfloat (fw_costs_find (costs, "sample stdit fp32"), ==, learned);
}

/* A long decode after a short sampling, in one report: the bar has to cross a long silence. */
static void
test_silence (void)
{
  const Truth silent[] = {
    { { "sample", "sample stdit", 1e11, 4 }, 4, 4, 1 },
    { { "decode", "decode vae", 1e11, 0 }, 12, 1, 1 },
  };
  g_autofree char *path = costs_file ("costs.json");
  g_autoptr (FwCosts) costs = fw_costs_open (path);
  simulate (costs, silent, 2);
  g_assert_cmpfloat (simulate (costs, silent, 2), <, 0.15);
}

/* A last phase that takes ten times its forecast must neither reach 100 % nor claim that less than nothing is left. */
static void
test_overdue (void)
{
  g_autofree char *path = costs_file ("costs.json");
  g_autoptr (FwCosts) costs = fw_costs_open (path);
  fw_costs_learn (costs, "decode", 1e9, 1);
  const Truth late[] = { { { "decode", NULL, 1e9, 0 }, 10, 1, 1 } };
  simulate (costs, late, 1);
}

/* A phase that was never measured and turns out a thousand times slower than guessed: the bar must not have run ahead. */
static void
test_guessed (void)
{
  const FwJobPhase phases[] = { { "train", NULL, 1e9, 0 } };
  g_autoptr (FwEstimate) estimate = fw_estimate_new (NULL, 0);
  fw_estimate_plan (estimate, phases, 1, 0);
  fw_estimate_phase (estimate, 0, 0);
  g_assert_cmpfloat (fw_estimate_fraction (estimate, 5), ==, 0);
  fw_estimate_work (estimate, 5e8, 10);
  g_assert_cmpfloat_with_epsilon (fw_estimate_fraction (estimate, 10), 0.5, 0.01);
}

static void
test_nothing_known (void)
{
  g_autoptr (FwEstimate) estimate = fw_estimate_new (NULL, 5);
  g_assert_cmpfloat (fw_estimate_remaining (estimate, 6), ==, -1);
  g_assert_cmpfloat (fw_estimate_fraction (estimate, 6), ==, 0);
  const FwJobPhase phases[] = { { "load", NULL, 0, 0 }, { "sample", NULL, NAN, 0 } };
  fw_estimate_plan (estimate, phases, 2, 6);
  fw_estimate_phase (estimate, 7, 6);
  g_assert_null (fw_estimate_current (estimate));
  fw_estimate_phase (estimate, 0, 6);
  fw_estimate_work (estimate, -3, 7);
  fw_estimate_work (estimate, NAN, 7);
  g_assert_cmpfloat (fw_estimate_remaining (estimate, 7), ==, -1);
  fw_estimate_work (estimate, 1e300, 8);
  g_assert_cmpfloat (fw_estimate_remaining (estimate, 8), ==, -1); /* a phase without work shows no speed */
  g_assert_cmpstr (fw_estimate_current (estimate)->name, ==, "load");
  const FwJobPhase some[] = { { "load", NULL, 1, 0 }, { "sample", NULL, NAN, 0 } };
  fw_estimate_plan (estimate, some, 2, 8);
  fw_estimate_phase (estimate, 0, 8);
  g_assert_cmpfloat (fw_estimate_remaining (estimate, 9), ==, -1);
  fw_estimate_work (estimate, 1e300, 9);
  g_assert_cmpfloat (fw_estimate_remaining (estimate, 9), >=, 0);
}

static void
test_relatives (void)
{
  g_autofree char *path = costs_file ("costs.json");
  g_autoptr (FwCosts) costs = fw_costs_open (path);
  fw_costs_learn (costs, "sample stdit fp32", 1e9, 2);
  fw_costs_learn (costs, "sample stdit bf16", 1e9, 0.5);
  fw_costs_learn (costs, "sample latte fp32", 1e9, 7);
  g_assert_cmpfloat_with_epsilon (fw_costs_find (costs, "sample stdit fp32"), 2e-9, 1e-15);
  g_assert_cmpfloat (fw_costs_find (costs, "sample stdit fp16"), ==, 0);
  g_assert_cmpfloat_with_epsilon (fw_costs_guess (costs, "sample stdit fp16"), 1e-9, 1e-15);
  g_assert_cmpfloat (fw_costs_guess (costs, "decode stdit fp32"), ==, fw_costs_guess (NULL, "decode"));
  g_assert_cmpfloat (fw_costs_guess (costs, "sampler stdit fp32"), ==, fw_costs_guess (NULL, "sampler"));
  fw_costs_learn (costs, "sample stdit fp32", 1e9, 8);
  g_assert_cmpfloat_with_epsilon (fw_costs_find (costs, "sample stdit fp32"), 4e-9, 1e-15);
  fw_costs_learn (costs, "sample stdit fp32", 0, 8);
  fw_costs_learn (costs, "sample stdit fp32", 1, 0);
  g_assert_cmpfloat_with_epsilon (fw_costs_find (costs, "sample stdit fp32"), 4e-9, 1e-15);
}

static void
test_damaged_table (void)
{
  static const char *const texts[] = {
    "", "[", "[]", "{\"a\":", "{\"a\": -1, \"b\": \"x\", \"c\": {}, \"d\": 1e999, \"e\": 0}", "\xff\xfe",
  };
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *path = costs_file ("costs.json");
    g_autofree char *folder = g_path_get_dirname (path);
    g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
    g_assert_true (fw_file_write (path, texts[i], strlen (texts[i]), &error));
    g_autoptr (FwCosts) costs = fw_costs_open (path);
    for (const char *kind = "abcde"; *kind != '\0'; kind++) {
      const char name[2] = { *kind, '\0' };
      g_assert_cmpfloat (fw_costs_find (costs, name), ==, 0);
    }
    fw_costs_learn (costs, "a", 1, 3);
    fw_costs_save (costs);
    g_autoptr (FwCosts) again = fw_costs_open (path);
    g_assert_cmpfloat (fw_costs_find (again, "a"), ==, 3);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, G_TEST_OPTION_ISOLATE_DIRS, NULL);
  g_test_add_func ("/estimate/learned", test_learned);
  g_test_add_func ("/estimate/first-run", test_first_run);
  g_test_add_func ("/estimate/other-pace", test_other_pace);
  g_test_add_func ("/estimate/cold-start", test_cold_start);
  g_test_add_func ("/estimate/cold-guess", test_cold_guess);
  g_test_add_func ("/estimate/nothing-left", test_nothing_left);
  g_test_add_func ("/estimate/silence", test_silence);
  g_test_add_func ("/estimate/overdue", test_overdue);
  g_test_add_func ("/estimate/guessed", test_guessed);
  g_test_add_func ("/estimate/nothing-known", test_nothing_known);
  g_test_add_func ("/estimate/relatives", test_relatives);
  g_test_add_func ("/estimate/damaged-table", test_damaged_table);
  return g_test_run ();
}
