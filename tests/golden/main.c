/* SPDX-License-Identifier: Apache-2.0
 * golden CASE-DIR...: runs golden cases by the "runner" their case.json (or manifest.json) names; exit 1 beyond tolerance. */
#include "tests/golden/golden.h"
#include "tests/golden/runners.h"

static const GoldenRunner *
find_runner (const char *name)
{
  for (gsize family = 0; golden_families[family] != NULL; family++)
    for (const GoldenRunner *runner = golden_families[family]; runner->runner != NULL; runner++)
      if (g_strcmp0 (runner->runner, name) == 0)
        return runner;
  return NULL;
}

static gboolean
run_case (const char *folder, GError **error)
{
  GoldenCase golden = { .folder = (char *) folder };
  g_autofree char *case_path = g_build_filename (folder, "case.json", NULL);
  g_autofree char *manifest_path = g_build_filename (folder, "manifest.json", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  gboolean has_case = g_file_test (case_path, G_FILE_TEST_EXISTS);
  if (!json_parser_load_from_file (parser, has_case ? case_path : manifest_path, error))
    return FALSE;
  golden.json = json_node_get_object (json_parser_get_root (parser));
  const char *name = json_object_get_string_member_with_default (golden.json, "runner", "");
  const GoldenRunner *runner = find_runner (name);
  if (runner == NULL) {
    g_set_error (error, FW_ERROR, FW_ERROR_UNSUPPORTED, "no runner “%s” in this build", name);
    return FALSE;
  }
  g_autofree char *io_path = golden_path (&golden, "io.safetensors");
  g_autoptr (FwCheckpoint) io = NULL;
  if (g_file_test (io_path, G_FILE_TEST_EXISTS) && (io = fw_checkpoint_open (io_path, error)) == NULL)
    return FALSE;
  golden.io = io;
  g_print ("%s (%s)\n", folder, name);
  if (!runner->run (&golden, error))
    return FALSE;
  if (golden.compared == 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "the case compared nothing");
    return FALSE;
  }
  if (golden.failed > 0)
    g_set_error (error, FW_ERROR, FW_ERROR_FAILED, "%d of %d comparisons failed", golden.failed, golden.compared);
  return golden.failed == 0;
}

int
main (int argc, char **argv)
{
  int passed = 0, failed = 0;
  if (argc < 2) {
    g_printerr ("usage: golden CASE-DIR...\n");
    return 2;
  }
  for (int i = 1; i < argc; i++) {
    g_autoptr (GError) error = NULL;
    if (run_case (argv[i], &error)) {
      passed++;
    } else {
      failed++;
      g_print ("FAILED %s: %s\n", argv[i], error->message);
    }
  }
  g_print ("golden: %d passed, %d failed\n", passed, failed);
  return failed > 0;
}
