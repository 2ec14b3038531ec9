/* SPDX-License-Identifier: Apache-2.0
 * The journal gives back what was written, and refuses whatever is damaged: every cut, every flipped byte. */
#include "engine/job/journal.h"
#include "engine/memory/file.h"

#include <string.h>

static const float latent[3] = { 1.5f, -2.25f, 1e-30f };
static const FwJournalBlob blobs[] = {
  { "latent", latent, sizeof latent },
  { "history", "", 0 },
  { "generator", "0123456789abcdef", 16 },
};
static const FwJournal example = { "{\"prompt\":\"é\"}", "sample", 12, 30, blobs, G_N_ELEMENTS (blobs) };

/* In a folder that the test framework removes. */
static char *
journal_file (void)
{
  return g_build_filename (g_get_user_state_dir (), "deeper", "one.journal", NULL);
}

static void
test_round_trip (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = journal_file ();
  g_assert_true (fw_journal_write (path, &example, &error));
  g_autoptr (FwJournal) journal = fw_journal_read (path, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (journal->recipe, ==, example.recipe);
  g_assert_cmpstr (journal->phase, ==, "sample");
  g_assert_cmpuint (journal->step, ==, 12);
  g_assert_cmpuint (journal->steps, ==, 30);
  g_assert_cmpuint (journal->count, ==, 3);
  const float *back = fw_journal_blob (journal, "latent", sizeof latent, &error);
  g_assert_cmpmem (back, sizeof latent, latent, sizeof latent);
  g_assert_cmpmem (fw_journal_blob (journal, "generator", 0, &error), 16, "0123456789abcdef", 16);
  g_assert_no_error (error);
  g_assert_null (fw_journal_blob (journal, "latent", 8, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_FORMAT);
  g_clear_error (&error);
  g_assert_null (fw_journal_blob (journal, "other", 0, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_FORMAT);
}

static void
test_replaced_and_removed (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = journal_file ();
  FwJournal next = example;
  next.step = 13;
  g_assert_true (fw_journal_write (path, &example, &error));
  g_assert_true (fw_journal_write (path, &next, &error));
  g_autoptr (FwJournal) journal = fw_journal_read (path, &error);
  g_assert_cmpuint (journal->step, ==, 13);
  fw_journal_remove (path);
  fw_journal_remove (path);
  g_assert_null (fw_journal_read (path, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_IO);
}

static void
assert_refused (const char *path, const char *bytes, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_assert_true (g_file_set_contents (path, bytes, (gssize) size, &error));
  g_assert_null (fw_journal_read (path, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_FORMAT);
}

static void
test_damaged (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = journal_file ();
  g_assert_true (fw_journal_write (path, &example, &error));
  gsize size = 0;
  g_autofree char *bytes = fw_file_read (path, 1 << 20, &size, &error);
  g_assert_no_error (error);
  for (gsize cut = 0; cut < size; cut += 3)
    assert_refused (path, bytes, cut);
  for (gsize at = 0; at < size; at++) {
    bytes[at] ^= 0x40;
    assert_refused (path, bytes, size);
    bytes[at] ^= 0x40;
  }
  g_autofree char *longer = g_malloc0 (size + 5);
  memcpy (longer, bytes, size);
  assert_refused (path, longer, size + 5);
}

static void
test_path (void)
{
  g_autofree char *one = fw_journal_path ("/a/b/../clip.mp4");
  g_autofree char *same = fw_journal_path ("/a/clip.mp4");
  g_autofree char *other = fw_journal_path ("/a/clip.webm");
  g_assert_cmpstr (one, ==, same);
  g_assert_cmpstr (one, !=, other);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, G_TEST_OPTION_ISOLATE_DIRS, NULL);
  g_test_add_func ("/journal/round-trip", test_round_trip);
  g_test_add_func ("/journal/replaced-and-removed", test_replaced_and_removed);
  g_test_add_func ("/journal/damaged", test_damaged);
  g_test_add_func ("/journal/path", test_path);
  return g_test_run ();
}
