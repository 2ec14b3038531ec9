/* SPDX-License-Identifier: Apache-2.0
 * The recipe that lies beside every clip: NAME.json for NAME.mp4, recipe.json inside a folder of pictures. */
#pragma once
#include "engine/memory/error.h"

/* Where the recipe of the clip @path lies. Free with g_free(). */
char *fw_sidecar_path (const char *path);

/* Writes @json, as it is, into the folder @folder. Atomic; replaces what is there. */
gboolean fw_sidecar_write_in_folder (const char *folder, const char *json, GError **error);
