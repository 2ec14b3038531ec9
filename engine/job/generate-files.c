/* SPDX-License-Identifier: Apache-2.0
 * The digests of the model's files, which belong to the clips' recipes; and what an interrupted run has left of the clips, which
 * only a whole recipe can tell. */
#include <glib/gstdio.h>
#include <string.h>

#include "engine/job/generate-private.h"
#include "engine/job/journal.h"
#include "engine/job/sha256.h"
#include "engine/media/sidecar.h"

gint64
fw_generate_files_work (const FwGenerateJob *job)
{
  g_autoptr (GPtrArray) files = fw_model_card_files (job->card);
  gint64 work = 0;
  for (guint i = 0; i < files->len; i++)
    work += fw_sha256_work (g_ptr_array_index (files, i));
  return work;
}

/* A recipe that is repeated must have been made with the same files, unless the caller names a model; and the card may say
 * what its files are. */
static gboolean
check_digest (const FwGenerateJob *job, guint index, const char *path, const char *digest, GError **error)
{
  const FwRecipe *from = job->request->model == NULL ? job->from : NULL;
  const FwRecipeFile *made_with = from != NULL && index < from->files->len ? from->files->pdata[index] : NULL;
  const char *card_says = g_hash_table_lookup (job->card->sha256, path);
  if (made_with != NULL && strcmp (made_with->sha256, digest) != 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT,
                 "“%s” is not the file that the recipe was made with; say --model %s to use it all the same", path, job->base->model);
    return FALSE;
  }
  if (card_says != NULL && strcmp (card_says, digest) != 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT,
                 "“%s” is damaged or was replaced: its sha256 is not the one in the model card", path);
    return FALSE;
  }
  return TRUE;
}

static void
add_to_recipes (FwGenerateJob *job, const char *path, const char *digest)
{
  for (guint i = 0; i < job->clips->len; i++)
    fw_recipe_add_file (((FwGenerateClip *) g_ptr_array_index (job->clips, i))->recipe, path, digest);
}

static gboolean
same_files (const GPtrArray *some, const GPtrArray *others)
{
  for (guint i = 0; i < some->len && some->len == others->len; i++)
    if (strcmp (((const FwRecipeFile *) some->pdata[i])->sha256, ((const FwRecipeFile *) others->pdata[i])->sha256) != 0)
      return FALSE;
  return some->len == others->len;
}

/* That the caller names the model himself allows other files than the repeated recipe's, but he may not know that they are. */
static void
tell_other_files (const FwGenerateJob *job)
{
  const FwRecipe *now = ((const FwGenerateClip *) job->clips->pdata[0])->recipe;
  if (job->from != NULL && job->request->model != NULL && job->from->files->len > 0 && !same_files (job->from->files, now->files))
    fw_job_message (job->events, "The clip was made with the model “%s”, whose files are not those of “%s”; this clip will be another",
                    job->from->model, now->model);
}

static gboolean
digest_files (FwGenerateJob *job, GError **error)
{
  g_autoptr (GPtrArray) files = fw_model_card_files (job->card);
  for (guint i = 0; i < files->len; i++) {
    const char *path = g_ptr_array_index (files, i);
    gint64 work = fw_sha256_work (path);
    g_autofree char *digest = fw_sha256_file (path, job->cancellable, error);
    if (digest == NULL || !check_digest (job, i, path, digest, error))
      return FALSE;
    add_to_recipes (job, path, digest);
    job->work_done += (double) work;
    fw_generate_progress (job, 0);
  }
  tell_other_files (job);
  return TRUE;
}

/* Whether the run that is resumed has made @clip; its file may have another ending than the one asked for. */
static gboolean
find_finished (FwGenerateClip *clip)
{
  g_autofree char *webm = fw_media_replace_ending (clip->output, ".webm");
  g_autofree char *inside = g_build_filename (clip->output, "recipe.json", NULL);
  const char *const outputs[] = { clip->output, webm };
  for (gsize i = 0; i < G_N_ELEMENTS (outputs); i++) {
    g_autofree char *beside = fw_sidecar_path (outputs[i]);
    if (!g_file_test (outputs[i], G_FILE_TEST_EXISTS))
      continue;
    g_autoptr (FwRecipe) recipe = fw_recipe_read (g_file_test (inside, G_FILE_TEST_EXISTS) ? inside : beside, NULL);
    if (recipe == NULL || !fw_recipe_equal (recipe, clip->recipe))
      continue;
    if (i > 0) {
      g_free (clip->output);
      clip->output = g_steal_pointer (&webm);
    }
    return TRUE;
  }
  return FALSE;
}

/* An interrupted run can only be continued as the same clip; that it left nothing means it had not come far. */
static gboolean
check_journal (FwGenerateClip *clip, GError **error)
{
  g_autofree char *path = fw_journal_path (clip->output);
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_autoptr (FwJournal) journal = fw_journal_read (path, error);
  g_autoptr (FwRecipe) recipe = journal != NULL ? fw_recipe_from_json (journal->recipe, strlen (journal->recipe), error) : NULL;
  if (recipe == NULL)
    return FALSE;
  if (fw_recipe_equal (recipe, clip->recipe)) {
    clip->begun = journal->step;
    return TRUE;
  }
  g_set_error (error, FW_ERROR, FW_ERROR_INVALID,
               "The interrupted run that would have written “%s” had other settings; repeat them, or start again without --resume",
               clip->output);
  return FALSE;
}

/* A run that was killed just before a clip got its name has left the clip's recipe alone. */
static void
remove_orphan (const FwGenerateClip *clip)
{
  g_autofree char *sidecar = fw_sidecar_path (clip->output);
  g_autoptr (FwRecipe) recipe = g_file_test (sidecar, G_FILE_TEST_EXISTS) ? fw_recipe_read (sidecar, NULL) : NULL;
  if (recipe != NULL && fw_recipe_equal (recipe, clip->recipe))
    g_unlink (sidecar);
}

/* Finished clips are kept, unfinished ones go on; what is there and is neither is not written over. */
static gboolean
settle_clip (const FwGenerateJob *job, FwGenerateClip *clip, GError **error)
{
  clip->done = find_finished (clip);
  if (clip->done)
    return TRUE;
  if (!job->request->force && g_file_test (clip->output, G_FILE_TEST_EXISTS)) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "“%s” exists and is another clip; choose another name, or allow replacing it (--force)",
                 clip->output);
    return FALSE;
  }
  if (!g_file_test (clip->output, G_FILE_TEST_EXISTS))
    remove_orphan (clip);
  return check_journal (clip, error);
}

gboolean
fw_generate_settle (FwGenerateJob *job, GError **error)
{
  if (!digest_files (job, error))
    return FALSE;
  for (guint i = 0; job->request->resume && i < job->clips->len; i++)
    if (!settle_clip (job, g_ptr_array_index (job->clips, i), error))
      return FALSE;
  return TRUE;
}
