/* SPDX-License-Identifier: Apache-2.0
 * The generate job, in a build without models. */
#include "engine/job/generate.h"

gboolean
fw_generate (const FwGenerateRequest *request, const FwJobEvents *events, GCancellable *cancellable, GError **error)
{
  g_set_error_literal (error, FW_ERROR, FW_ERROR_UNSUPPORTED, "This build has no model that makes clips");
  return FALSE;
}
