/* SPDX-License-Identifier: Apache-2.0
 * Runs a job of the engine on a thread of its own while the main thread shows progress and listens for Ctrl+C. */
#pragma once
#include "engine/job/event.h"

typedef gboolean (*FwCliJob) (gconstpointer request, const FwJobEvents *events, GCancellable *cancellable, GError **error);

/* Blocks until @job has returned, cancelling it on SIGINT, SIGTERM or SIGHUP; returns the exit code, and has printed why it
 * is not 0. @json chooses events on stdout instead of progress on stderr. */
int fw_cli_run_job (FwCliJob job, gconstpointer request, gboolean json);
