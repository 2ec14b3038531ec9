/* SPDX-License-Identifier: Apache-2.0
 * Finding the recipe of a clip: inside it, or beside it. */
#include "engine/media/clip-recipe.h"
#include "engine/media/format.h"
#include "engine/media/probe.h"
#include "engine/media/sidecar.h"
#include "engine/memory/file.h"

#include <string.h>

#define LIMIT (1u << 20)

/* A comment can be anything; a recipe is a JSON object. */
static char *
comment_of (const char *path, GCancellable *cancellable, GError **error)
{
  g_autoptr (FwMediaInfo) info = fw_media_probe (path, cancellable, error);
  return info != NULL && info->comment != NULL && info->comment[0] == '{' ? g_strdup (info->comment) : NULL;
}

char *
fw_clip_recipe (const char *path, GCancellable *cancellable, GError **error)
{
  if (g_str_has_suffix (path, ".json"))
    return fw_file_read (path, LIMIT, NULL, error);
  g_autofree char *sidecar = fw_sidecar_path (path);
  gboolean film = !g_file_test (path, G_FILE_TEST_IS_DIR) && fw_media_format_from_path (path, NULL) != FW_MEDIA_PNG;
  g_autoptr (GError) cause = NULL;
  char *comment = film ? comment_of (path, cancellable, &cause) : NULL;
  if (comment != NULL)
    return comment;
  if (!g_error_matches (cause, FW_ERROR, FW_ERROR_CANCELLED) && g_file_test (sidecar, G_FILE_TEST_EXISTS))
    return fw_file_read (sidecar, LIMIT, NULL, error);
  if (cause != NULL)
    g_propagate_error (error, g_steal_pointer (&cause));
  else
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "“%s” holds no recipe, and there is no “%s”", path, sidecar);
  return NULL;
}
