/* SPDX-License-Identifier: Apache-2.0
 * Where recipes lie, and writing those inside folders. */
#include "engine/media/sidecar.h"
#include "engine/media/format.h"
#include "engine/memory/file.h"

#include <string.h>

static char *
path_in_folder (const char *folder)
{
  return g_build_filename (folder, "recipe.json", NULL);
}

char *
fw_sidecar_path (const char *path)
{
  if (g_file_test (path, G_FILE_TEST_IS_DIR) || fw_media_format_from_path (path, NULL) == FW_MEDIA_PNG_FOLDER)
    return path_in_folder (path);
  return fw_media_replace_ending (path, ".json");
}

gboolean
fw_sidecar_write_in_folder (const char *folder, const char *json, GError **error)
{
  g_autofree char *path = path_in_folder (folder);
  return fw_file_write (path, json, strlen (json), error);
}
