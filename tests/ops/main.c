/* SPDX-License-Identifier: Apache-2.0
 * ops [--op NAME] [--path NAME]: runs the table, speaks TAP (one line per path and op), ends with "# N passed, N failed". */
#include "tests/ops/ops.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN_FAILURES = 5 };

extern const OpRow rows_pointwise[], rows_reduce[], rows_matmul[], rows_attention[], rows_convolution[], rows_norm[], rows_data[],
  rows_optimizer[];
const OpRow *const row_tables[] = { rows_pointwise, rows_reduce, rows_matmul, rows_attention, rows_convolution, rows_norm,
                                    rows_data, rows_optimizer, NULL };

void
tally (Tally *counts, const char *complaint)
{
  if (complaint[0] == '\0') {
    counts->passed++;
    return;
  }
  counts->failed++;
  if (counts->shown++ < SHOWN_FAILURES)
    printf ("# %s\n", complaint);
}

/* Runs all rows of @op for one candidate; the reference is also held against recorded answers and differences. */
static Tally
test_op (const Candidate *candidate, const Op *op)
{
  Tally counts = { 0 };
  int rows = 0;
  for (const OpRow *const *table = row_tables; *table != NULL; table++)
    for (const OpRow *row = *table; row->op != NULL; row++)
      if (strcmp (row->op, op->name) == 0) {
        compare_row (candidate, op, row, &counts);
        if (candidate->is_reference)
          check_gradient (op, row, &counts);
        rows++;
      }
  if (rows == 0)
    tally (&counts, "the op has no row in the table");
  if (candidate->is_reference && check_known (op, &counts) == 0 && !is_gradient (op))
    tally (&counts, "the op has neither a recorded answer nor a forward op to be checked against");
  return counts;
}

/* Rows whose op is not in the list would never run. */
static void
test_table (Tally *counts)
{
  for (const OpRow *const *table = row_tables; *table != NULL; table++)
    for (const OpRow *row = *table; row->op != NULL; row++) {
      char complaint[200] = "";
      if (find_op (row->op) == NULL)
        snprintf (complaint, sizeof complaint, "the table has a row for “%s”, which is no op", row->op);
      tally (counts, complaint);
    }
}

static void
report (int *number, Tally *all, const Tally *counts, const char *path, const char *op)
{
  printf ("%sok %d - %s/%s: %d cases, %d failed\n", counts->failed ? "not " : "", ++*number, path, op,
          counts->passed + counts->failed, counts->failed);
  fflush (stdout);
  all->passed += counts->passed;
  all->failed += counts->failed;
}

/* Tests the kernels of @path, leaving out those that are also in @known. */
static void
test_path (const FwCpuPath *path, const char *name, const FwCpuPath *known, const char *wanted_op, int *number, Tally *all)
{
  bool is_reference = strcmp (name, "ref") == 0;
  for (int i = 0; i < n_ops; i++) {
    const FwKernel *fast = (const FwKernel *) ((const char *) path + ops[i].offset);
    Candidate candidate = { name, is_reference ? ops[i].reference : fast, is_reference, path->bf16 };
    bool is_known = known != NULL && ((const FwKernel *) ((const char *) known + ops[i].offset))->run == fast->run;
    if ((wanted_op != NULL && strcmp (ops[i].name, wanted_op) != 0) || candidate.kernel->run == NULL || is_known)
      continue;
    Tally counts = test_op (&candidate, &ops[i]);
    report (number, all, &counts, candidate.name, ops[i].name);
  }
}

/* Sets of kernels that this processor can run but would not choose; @needs names the path that shows it can. */
typedef struct {
  const FwCpuPath *path;
  const char *name, *needs;
} ExtraPath;

#ifdef TEST_EXTRA_PATHS
extern const FwCpuPath fw_cpu_path_avx512, fw_cpu_path_amx_emulated;
static const ExtraPath extra_paths[] = {
  { &fw_cpu_path_avx512, "avx512 without bf16", "avx512" },
  { &fw_cpu_path_amx_emulated, "amx emulated", "avx2" },
  { NULL, NULL, NULL },
};
#else
static const ExtraPath extra_paths[] = { { NULL, NULL, NULL } };
#endif

int
main (int argc, char **argv)
{
  const char *wanted_op = NULL, *wanted_path = NULL;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 < argc && strcmp (argv[i], "--op") == 0 && find_op (argv[i + 1]) != NULL) {
      wanted_op = argv[i + 1];
    } else if (i + 1 < argc && strcmp (argv[i], "--path") == 0 && fw_cpu_path (argv[i + 1]) != NULL) {
      wanted_path = argv[i + 1];
    } else {
      fprintf (stderr, "usage: ops [--op NAME] [--path NAME]; the name must be that of an op or of a path of this machine\n");
      return 2;
    }
  }
  fw_cpu_thread_init ();

  Tally all = { 0 }, table = { 0 };
  int number = 0;
  test_table (&table);
  report (&number, &all, &table, "table", "names");
  const FwCpuPath *const *paths = fw_cpu_paths ();
  for (int p = 0; paths[p] != NULL; p++)
    if (wanted_path == NULL || strcmp (paths[p]->name, wanted_path) == 0)
      test_path (paths[p], paths[p]->name, NULL, wanted_op, &number, &all);
  for (const ExtraPath *extra = extra_paths; extra->name != NULL; extra++)
    if (wanted_path == NULL && fw_cpu_path (extra->needs) != NULL)
      test_path (extra->path, extra->name, fw_cpu_path (extra->needs), wanted_op, &number, &all);
  printf ("1..%d\n# %d passed, %d failed\n", number, all.passed, all.failed);
  return all.failed > 0;
}
