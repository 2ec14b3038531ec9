/* SPDX-License-Identifier: Apache-2.0
 * The train job, in a build without networks. */
#include "engine/job/train.h"

gboolean
fw_train (const char *recipe_path, const char *const *overrides, gboolean resume, gboolean force, const FwJobEvents *events,
          GCancellable *cancellable, GError **error)
{
  g_set_error_literal (error, FW_ERROR, FW_ERROR_UNSUPPORTED, "This build has no network that can be trained");
  return FALSE;
}
