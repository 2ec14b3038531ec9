/* SPDX-License-Identifier: Apache-2.0
 * Reading finished clips: pixels from the file, the prompt from the recipe beside it. */
#pragma once
#include <gio/gio.h>

/* Judges every .mp4, .webm and .mkv clip of @folder in the order of their names: an array of ReportClip, owned. A clip that
 * cannot be read is in it with its fault. @swapped: by the prompt of the next clip, the last by that of the first. */
GPtrArray *clips_judge_folder (const char *folder, gboolean swapped, GError **error);

