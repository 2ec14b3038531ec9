/* SPDX-License-Identifier: Apache-2.0
 * Which clips are made and where they go, and whether that is possible: asked before the work begins. */
#include <errno.h>
#include <string.h>

#include "engine/job/generate-private.h"
#include "engine/job/journal.h"
#include "engine/media/sidecar.h"
#include "engine/memory/file.h"

/* Whether clips are put inside: a folder that is there, unless it is itself a clip of single pictures. */
static gboolean
is_folder_of_clips (const char *path)
{
  g_autofree char *inside = g_build_filename (path, "recipe.json", NULL);
  return g_file_test (path, G_FILE_TEST_IS_DIR) && !g_file_test (inside, G_FILE_TEST_EXISTS);
}

static const char *
ending_of (const char *path)
{
  const char *slash = strrchr (path, '/'), *dot = strrchr (path, '.');
  return dot != NULL && (slash == NULL || dot > slash + 1) ? dot : "";
}

/* The file of clip number @index of @total: NAME.mp4, or NAME-001.mp4 …, or FOLDER/001.mp4 … */
static char *
name_output (const char *output, guint index, guint total)
{
  const char *ending = ending_of (output);
  gboolean folder = is_folder_of_clips (output) || g_str_has_suffix (output, "/");
  if (total == 1 && !folder)
    return g_strdup (output);
  if (folder || *ending == '\0')
    return g_strdup_printf ("%s%s%03u.mp4", output, g_str_has_suffix (output, "/") ? "" : "/", index + 1);
  return g_strdup_printf ("%.*s-%03u%s", (int) (ending - output), output, index + 1, ending);
}

void
fw_generate_clip_free (gpointer data)
{
  FwGenerateClip *clip = data;
  fw_recipe_free (clip->recipe);
  g_free (clip->output);
  g_free (clip);
}

static FwRecipe *
recipe_for (const FwRecipe *base, const char *prompt, gint64 seed)
{
  FwRecipe *recipe = fw_recipe_new ();
  GPtrArray *files = recipe->files;
  *recipe = *base;
  recipe->files = files;
  recipe->version = g_strdup (base->version);
  recipe->model = g_strdup (base->model);
  recipe->prompt = g_strdup (prompt);
  recipe->negative = g_strdup (base->negative);
  recipe->sampler = g_strdup (base->sampler);
  recipe->noise = g_strdup (base->noise);
  recipe->device = g_strdup (base->device);
  recipe->cpu = g_strdup (base->cpu);
  recipe->precision = g_strdup (base->precision);
  recipe->seed = seed;
  return recipe;
}

FwEncodeSpec
fw_generate_encode_spec (const FwGenerateJob *job, const FwGenerateClip *clip, const char *comment)
{
  const FwRecipe *recipe = clip->recipe;
  return (FwEncodeSpec) {
    .path = clip->output, .width = (int) recipe->width, .height = (int) recipe->height, .fps_n = (int) recipe->fps, .fps_d = 1,
    .frames = (int) recipe->frames, .comment = comment, .overwrite = job->request->force,
  };
}

/* The seed of an interrupted run that drew it by chance, from the journal or recipe of a clip of it; -1 if it left none. */
static gint64
find_interrupted_seed (const char *output)
{
  g_autofree char *path = fw_journal_path (output), *sidecar = fw_sidecar_path (output);
  g_autoptr (FwJournal) journal = g_file_test (path, G_FILE_TEST_EXISTS) ? fw_journal_read (path, NULL) : NULL;
  g_autoptr (FwRecipe) recipe = journal != NULL ? fw_recipe_from_json (journal->recipe, strlen (journal->recipe), NULL) : NULL;
  if (recipe == NULL)
    recipe = fw_recipe_read (sidecar, NULL);
  return recipe != NULL ? recipe->seed : -1;
}

static void
list_clips (FwGenerateJob *job)
{
  const FwGenerateRequest *request = job->request;
  const char *const repeated[] = { job->base->prompt, NULL };
  const char *const *prompts = request->prompts != NULL ? request->prompts : repeated;
  guint n_prompts = g_strv_length ((char **) prompts), count = (guint) MAX (request->count, 1), total = n_prompts * count;
  gint64 seed = job->base->seed;
  job->clips = g_ptr_array_new_with_free_func (fw_generate_clip_free);
  for (guint i = 0; i < total; i++) {
    FwGenerateClip *clip = g_new0 (FwGenerateClip, 1);
    clip->output = name_output (request->output, i, total);
    if (seed < 0 && request->resume && (seed = find_interrupted_seed (clip->output)) >= 0)
      seed -= i;
    g_ptr_array_add (job->clips, clip);
  }
  if (seed < 0)
    seed = g_random_int () >> 1;
  for (guint i = 0; i < total; i++) {
    FwGenerateClip *clip = g_ptr_array_index (job->clips, i);
    clip->recipe = recipe_for (job->base, prompts[i / count], seed + i);
  }
}

/* A folder for several clips is made; it is the one thing that a failed job may leave behind, empty. */
static gboolean
make_folder (const FwGenerateJob *job, GError **error)
{
  const FwGenerateClip *first = g_ptr_array_index (job->clips, 0);
  g_autofree char *folder = g_path_get_dirname (first->output);
  if (strcmp (first->output, job->request->output) == 0 || g_mkdir_with_parents (folder, 0777) == 0)
    return TRUE;
  g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot make the folder “%s”: %s", folder, g_strerror (errno));
  return FALSE;
}

/* Whether a file can really be begun at @path, which permissions alone do not tell; leaves nothing. */
static gboolean
try_writing (const char *path, GError **error)
{
  FwFileWriter *writer = fw_file_writer_open (path, error);
  fw_file_writer_abort (writer);
  return writer != NULL;
}

/* Whether a file of this name is a preview of a clip: the clip's name, ".step-", a number, ".png". */
static gboolean
is_preview (const char *name, GHashTable *clips)
{
  const char *end = g_strrstr (name, ".step-");
  g_autofree char *clip = end != NULL ? g_strndup (name, (gsize) (end - name)) : NULL;
  return clip != NULL && g_str_has_suffix (end, ".png") && g_hash_table_contains (clips, clip);
}

/* Previews of an earlier run are written over as its clip would be. */
static gboolean
check_previews (const FwGenerateJob *job, GError **error)
{
  const char *folder = job->request->preview, *name = NULL;
  if (folder == NULL)
    return TRUE;
  g_autofree char *trial = g_build_filename (folder, "preview", NULL);
  if (!try_writing (trial, error))
    return FALSE;
  if (job->request->force || job->request->resume)
    return TRUE;
  g_autoptr (GHashTable) clips = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < job->clips->len; i++)
    g_hash_table_add (clips, g_path_get_basename (((FwGenerateClip *) g_ptr_array_index (job->clips, i))->output));
  g_autoptr (GDir) listing = g_dir_open (folder, 0, NULL);
  while (listing != NULL && (name = g_dir_read_name (listing)) != NULL)
    if (is_preview (name, clips)) {
      g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "“%s/%s” exists; choose another folder, or allow replacing it (--force)",
                   folder, name);
      return FALSE;
    }
  return TRUE;
}

/* The encoder is asked once, since all clips are of one kind; names are looked at one by one. */
static gboolean
check_outputs (FwGenerateJob *job, GError **error)
{
  gboolean asked = FALSE;
  for (guint i = 0; i < job->clips->len; i++) {
    FwGenerateClip *clip = g_ptr_array_index (job->clips, i);
    g_autofree char *notice = NULL;
    if (job->request->resume && g_file_test (clip->output, G_FILE_TEST_EXISTS))
      continue;
    /* without a comment, a recipe that a killed run left is no obstacle */
    FwEncodeSpec spec = fw_generate_encode_spec (job, clip, job->request->resume ? NULL : "{}");
    if (asked && !fw_encoder_check_places (&spec, error))
      return FALSE;
    if (!asked && (!fw_encoder_check (&spec, NULL, &notice, job->cancellable, error) || !try_writing (clip->output, error)))
      return FALSE;
    if (notice != NULL)
      fw_job_message (job->events, "%s", notice);
    asked = TRUE;
  }
  return TRUE;
}

gboolean
fw_generate_lay_out (FwGenerateJob *job, GError **error)
{
  list_clips (job);
  return make_folder (job, error) && check_outputs (job, error) && check_previews (job, error);
}
